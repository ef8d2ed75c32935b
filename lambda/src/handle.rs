//! One request, from event to answer. Knows nothing of Lambda's runtime, clocks or networks: those come
//! as [`Ports`], so that tests and the simulated AWS call exactly what runs in production.
//!
//! The order is that of cost: lengths and forms, the source's bucket, the proof, the lists, the caller's
//! bucket, EC2, and Route 53 last. What is refused on the way has cost no more than was needed for it.

use std::net::IpAddr;

use crate::allowed::{self, Allowed, Context};
use crate::answer::{Answer, Code, Told};
use crate::audit::{Audit, Validation};
use crate::config::{Config, Wrong};
use crate::event::{Event, NoBody};
use crate::limits::Limits;
use crate::ports::{Failure, Ports};
use crate::proof::{Claim, Keys, Own, Proven, Sort, Sts, Unproven, Unreachable, Verifier, Who};
use crate::protocol::{AnswerProof, Audience, Call, Outcome, Region, StsAnswer};
use crate::refusal::Refusal;
use crate::request::{self, Asked, BadRequest};
use crate::retry::Budget;
use crate::update::{Done, Effects, update};

/// The updater of one stack, as long as its environment lives.
#[derive(Debug)]
pub struct Updater {
    config: Config,
    verifier: Verifier,
    limits: Limits,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// What the caller is told.
    pub answer: Answer,
    /// What the log is told.
    pub audit: Audit,
}

impl Updater {
    /// The updater of a stack. `own` is who it is itself, `keys` are those that EC2 signs with.
    ///
    /// # Errors
    /// When one of `roles` is no role.
    pub fn new(config: Config, own: Own, keys: Keys) -> Result<Self, Wrong> {
        let verifier = Verifier::new(&config, own, keys).map_err(|role| Wrong::Value {
            member: "roles",
            value: role,
            why: "is not the ARN of a role",
        })?;
        Ok(Self {
            config,
            verifier,
            limits: Limits::new(),
        })
    }

    /// Takes these keys for those that EC2 signs with from now on. For a simulated AWS, which makes the
    /// keys of a region when its first instance starts.
    pub fn trust(&mut self, keys: Keys) {
        self.verifier.trust(keys);
    }

    /// Answers a request. `invocation` is Lambda's id of it, used where no gateway gave one.
    pub async fn handle<P: Ports>(&self, ports: &P, event: &Event, invocation: &str) -> Handled {
        let began = ports.now();
        let context = &event.request_context;
        let id = context.request_id.as_deref().unwrap_or(invocation);
        let mut audit = Audit::new(id, began);
        let (proven, outcome) = self.fulfil(ports, event, &mut audit).await;
        let told = told(outcome, &mut audit);
        audit.code = told.code;
        audit.success = told.code == Code::Ok;
        audit.message.clone_from(&told.text);
        let ended = ports.now();
        audit.duration_ms = ended.as_millisecond() - began.as_millisecond();
        let answer = Answer::new(told, id, ended, |outcome| {
            self.sign(ports, proven.as_ref()?, outcome)
        });
        Handled { answer, audit }
    }

    /// What became of it, and for whom, once that was known.
    async fn fulfil<P: Ports>(
        &self,
        ports: &P,
        event: &Event,
        audit: &mut Audit,
    ) -> (Option<Proven>, Result<Done, Refusal>) {
        let now = ports.now();
        let (claim, source) = match self.claim(event, audit, now) {
            Ok(read) => read,
            Err(refusal) => return (None, Err(refusal)),
        };
        let budget = Budget::from(now);
        let sts = Persistent { ports, budget };
        let proven = match self.verifier.verify(&sts, now, claim).await {
            Ok(proven) => proven,
            Err(unproven) => return (None, Err(self.disproved(&unproven, audit))),
        };
        proved(&proven, audit);
        let context = Context {
            config: &self.config,
            limits: &self.limits,
            ports,
            budget,
            source,
        };
        let outcome = match allowed::allow(&context, &proven).await {
            Ok(allowed) => made(&context, &allowed, audit).await,
            Err(refusal) => Err(refusal),
        };
        (Some(proven), outcome)
    }

    /// Everything before the proof: none of it asks anybody.
    fn claim(
        &self,
        event: &Event,
        audit: &mut Audit,
        now: jiff::Timestamp,
    ) -> Result<(Claim, IpAddr), Refusal> {
        let source = event.source().map_err(unreadable)?;
        audit.source_ip = Some(source);
        let body = event.body().map_err(unreadable)?;
        let (update, members) = request::read(body).map_err(malformed)?;
        let asked = Asked::read(&update).map_err(malformed)?;
        audit.record_name = Some(asked.record.to_string());
        audit.record_type = asked.wish.record_type().map(|of| of.word());
        audit.ip_address = asked.wish.address();
        audit.action = Some(asked.wish.action());
        self.limits.source(source, now)?;
        let claim =
            Claim::read(update, members).map_err(|unproven| self.disproved(&unproven, audit))?;
        audit.proof = Some(claim.proof().word());
        Ok((claim, source))
    }

    fn disproved(&self, unproven: &Unproven, audit: &mut Audit) -> Refusal {
        let text = unproven.to_string();
        match unproven.sort() {
            Sort::BadRequest => Refusal::new(Code::BadRequest, text),
            Sort::Invalid => {
                audit.validation = Validation::Failure;
                Refusal::new(Code::ProofInvalid, text)
            }
            Sort::NotAllowed => {
                audit.validation = Validation::Failure;
                Refusal::not_allowed(&self.config, &text)
            }
            Sort::Unavailable => Refusal::new(Code::Busy, format!("{text}; try again")),
        }
    }

    /// Signs an answer for a caller who signed its request. Strangers get none: it would be work that
    /// anybody could ask for.
    fn sign<P: Ports>(&self, ports: &P, proven: &Proven, outcome: &Outcome) -> Option<AnswerProof> {
        let credentials = ports.credentials()?;
        let region = Region::named(&self.config.region)?;
        let audience = Audience::response(&self.config.domain, &self.config.zone_id);
        let (nonce, request) = (proven.nonce()?, proven.request());
        let now = ports.now();
        AnswerProof::sign(
            &credentials,
            region,
            now,
            &audience,
            nonce,
            request,
            outcome,
        )
        .ok()
    }
}

async fn made<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    audit: &mut Audit,
) -> Result<Done, Refusal> {
    audit.fqdn = Some(allowed.name().to_owned());
    let mut effects = Effects::default();
    let outcome = update(context, allowed, &mut effects).await;
    // Whatever it came to: of a change whose answer is missing nobody knows whether it was made, and what
    // is refused may have been done in part.
    audit.former_owner = effects.former().map(ToString::to_string);
    if let Some((name, owner)) = effects.evicted() {
        audit.evicted_name = Some(name.clone());
        audit.evicted_owner = Some(owner.to_string());
    }
    audit.change_id = effects.change_id().map(ToOwned::to_owned);
    outcome
}

/// What the caller is told.
fn told(outcome: Result<Done, Refusal>, audit: &mut Audit) -> Told {
    let record = audit.fqdn.clone();
    match outcome {
        Ok(done) => Told {
            code: Code::Ok,
            text: sentence(&done, audit),
            record,
            change_id: done.change_id,
            owner: done.owner.map(|owner| owner.to_string()),
            retry_after: None,
        },
        Err(refusal) => Told {
            code: refusal.code,
            text: refusal.text,
            record,
            change_id: None,
            owner: None,
            retry_after: refusal.retry_after,
        },
    }
}

fn sentence(done: &Done, audit: &Audit) -> String {
    let name = audit.fqdn.as_deref().unwrap_or_default();
    match (&done.change_id, &done.owner) {
        (Some(_), Some(_)) => format!("{name} is changed; name servers have it within a minute"),
        (Some(_), None) => format!("{name} is released; name servers forget it within a minute"),
        (None, Some(_)) => format!("{name} is already so"),
        (None, None) => format!("{name} has no records"),
    }
}

fn proved(proven: &Proven, audit: &mut Audit) {
    audit.validation = Validation::Success;
    audit.account_id = Some(proven.account().to_owned());
    audit.region = Some(proven.region().name().to_owned());
    audit.nonce = proven.nonce().map(|nonce| nonce.text().to_owned());
    let account = proven.account();
    match proven.who() {
        Who::Instance { id } => {
            audit.principal = Some(format!("{account}/{}/{id}", proven.region()));
            audit.instance_id = Some(id.clone());
        }
        Who::Role { name, id, session } => {
            audit.principal = Some(format!("{account}/role/{id}"));
            audit.role = Some(format!("{name}/{session}"));
        }
    }
}

fn unreadable(no_body: NoBody) -> Refusal {
    let code = match no_body {
        NoBody::Source | NoBody::Method | NoBody::Empty => Code::BadRequest,
        NoBody::ContentType | NoBody::Binary => Code::UnsupportedMediaType,
        NoBody::TooLarge { .. } => Code::TooLarge,
    };
    Refusal::new(code, no_body.to_string())
}

fn malformed(bad: BadRequest) -> Refusal {
    Refusal::new(Code::BadRequest, bad.to_string())
}

/// STS, asked again while it is busy.
struct Persistent<'a, P> {
    ports: &'a P,
    budget: Budget,
}

impl<P: Ports> Sts for Persistent<'_, P> {
    async fn ask(&self, call: &Call) -> Result<StsAnswer, Unreachable> {
        let once = async || match self.ports.sts(call).await? {
            // Throttling has the status 400 too, with a code of its own.
            answer if answer.is_unavailable() => Err(Failure::Throttled),
            answer => Ok(answer),
        };
        let answer = self.budget.persist(self.ports, once).await;
        answer.map_err(|_| Unreachable)
    }
}
