//! From proven to allowed: whether this caller may have this record at this name, as far as that does not
//! depend on who holds the name. An [`Allowed`] can be made here and nowhere else, and only from a
//! [`Proven`]; a change of records can be made only from an [`Allowed`].
//!
//! Rules that cost nothing come first, so that what is refused anyway asks nobody; then EC2 is asked
//! about the instance, wherever the updater can. Any failure to ask denies.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::address::{self, Reach};
use crate::answer::Code;
use crate::config::{Accounts, Config, RecordType};
use crate::limits::Limits;
use crate::name;
use crate::owner::{Owner, Principal};
use crate::ports::{Failure, Instance, Ports, Question, State};
use crate::proof::{Proven, Who};
use crate::protocol::Region;
use crate::refusal::{Refusal, ask};
use crate::request::{Asked, Data, Wish};
use crate::retry::Budget;
use crate::zone::{RecordSet, txt_value};

/// The shortest TTL that may be asked for, as for the stack's own (`[updater] ttl`): a change takes up
/// to a minute to be everywhere (Route 53 API Reference, GetChange), so less gains nothing.
pub(crate) const TTL_SECS_MIN: u32 = 30;

/// Somebody who may have what was asked for, if the name is free or its own.
#[derive(Debug, Clone)]
pub struct Allowed {
    principal: Principal,
    parent: String,
    name: String,
    task: Task,
    sent: Option<Owner>,
    stamp: Stamp,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// The name has this record.
    Set(RecordSet, RecordType),
    /// It has none, or none of this type.
    Remove(Option<RecordType>),
}

/// What makes this request another one than those before.
#[derive(Debug, Clone)]
struct Stamp {
    time: DateTime,
    nonce: String,
    /// Whether the caller signed the time. Then it has to be later than what is at the name, or the
    /// request is an old one; else it is the updater's own and can be chosen.
    is_signed: bool,
}

/// Where EC2 can be asked about the instances of an account.
enum Rights {
    /// Here, with the updater's own rights.
    Here,
    /// With the rights of this role.
    As(String),
    /// Nowhere: only what the caller proved is known of it.
    Nowhere,
}

/// What the check needs to know besides the request.
pub struct Context<'a, P> {
    /// The stack.
    pub config: &'a Config,
    /// The buckets of this environment.
    pub limits: &'a Limits,
    /// The world.
    pub ports: &'a P,
    /// How long AWS may be asked again.
    pub budget: Budget,
    /// The address the request came from.
    pub source: IpAddr,
}

impl Allowed {
    /// Who asked.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The whole name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What all names of the account end with.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    pub(crate) fn task(&self) -> &Task {
        &self.task
    }

    /// The mark that the caller said to be at the name, if it is one of its own: somebody else's says
    /// nothing about this caller, and an instance made from another's image may have kept one.
    pub(crate) fn sent(&self) -> Option<&Owner> {
        self.sent
            .as_ref()
            .filter(|sent| sent.principal == self.principal)
    }

    /// The mark that this request puts in place of one before. None when the request is not newer, or
    /// is the very one that wrote it.
    pub(crate) fn mark_after(&self, before: Option<&Owner>) -> Option<Owner> {
        let mut time = self.stamp.time;
        let own = before.filter(|before| before.principal == self.principal);
        if let Some(before) = own {
            if !self.stamp.is_signed && time <= before.time {
                time = before.time.checked_add(jiff::Span::new().seconds(1)).ok()?;
            }
            if time <= before.time {
                return None;
            }
        }
        Owner::new(self.principal.clone(), time, &self.stamp.nonce).ok()
    }

    /// Whether a mark was written by this very request: then an answer was lost on its way.
    pub(crate) fn wrote(&self, mark: &Owner) -> bool {
        mark.principal == self.principal && mark.nonce() == self.stamp.nonce
    }
}

/// The whole name that a request is about, and what all names of the account end with.
///
/// # Errors
/// When it would be longer than DNS allows.
pub fn place(config: &Config, account: &str, asked: &Asked) -> Result<(String, String), Refusal> {
    let parent = match config.naming {
        crate::config::Naming::Flat => config.domain.clone(),
        crate::config::Naming::PerAccount => {
            let chosen = match &config.accounts {
                Accounts::Any => None,
                Accounts::These(these) => these.get(account).and_then(|known| known.label.clone()),
            };
            // A proven account has 12 digits, so there is a label.
            let label = chosen.or_else(|| name::account_label(account));
            let label =
                label.ok_or_else(|| Refusal::new(Code::BadRequest, "the account has no label"))?;
            format!("{label}.{}", config.domain)
        }
    };
    let name = asked
        .record
        .below(&parent)
        .map_err(|refused| Refusal::new(Code::BadRequest, refused.to_string()))?;
    Ok((name, parent))
}

/// Whether a proven caller may have what it asks for.
///
/// # Errors
/// Why not.
pub async fn allow<P: Ports>(
    context: &Context<'_, P>,
    proven: &Proven,
) -> Result<Allowed, Refusal> {
    let config = context.config;
    // What was proven to be asked for, and nothing else that was sent.
    let asked = &Asked::read(proven.update())
        .map_err(|bad| Refusal::new(Code::BadRequest, bad.to_string()))?;
    listed(config, proven.account())?;
    let principal = principal(config, proven)?;
    let now = context.ports.now();
    let (limits, caller, account) = (context.limits, caller(proven), proven.account());
    match proven.must_match_source() {
        true => limits.document(config, &caller, account, context.source, now)?,
        false => limits.caller(config, &caller, account, now)?,
    }
    let (name, parent) = place(config, proven.account(), asked)?;
    unreserved(config, asked)?;
    let ttl_secs = ttl(config, &asked.wish)?;
    typed(config, &asked.wish)?;
    let reach = reach(config, &asked.wish)?;
    match proven.who() {
        Who::Instance { id } => {
            let question = |role| Question {
                account: proven.account().to_owned(),
                region: proven.region(),
                instance: id.clone(),
                role,
            };
            match rights(config, proven.account()) {
                Rights::Here => known(context, proven, asked, reach, question(None)).await?,
                Rights::As(role) => {
                    known(context, proven, asked, reach, question(Some(role))).await?;
                }
                Rights::Nowhere => unknown(context, proven, asked, reach)?,
            }
        }
        Who::Role { .. } => unknown(context, proven, asked, reach)?,
    }
    Ok(Allowed {
        task: task(&asked.wish, &name, ttl_secs),
        principal,
        parent,
        name,
        sent: asked.owner.clone(),
        stamp: stamp(context.ports, proven, now),
    })
}

/// The question to EC2 that decides whether a holder is still there. None where it cannot be asked, or
/// where the holder is no instance.
pub(crate) fn about_holder(config: &Config, holder: &Principal) -> Option<Question> {
    let (region, instance) = holder.instance()?;
    let role = match rights(config, holder.account()) {
        Rights::Here => None,
        Rights::As(role) => Some(role),
        Rights::Nowhere => return None,
    };
    Some(Question {
        account: holder.account().to_owned(),
        region: Region::named(region)?,
        instance: instance.to_owned(),
        role,
    })
}

/// Whose bucket a request takes from. Not the principal: a caller chooses the region that it signs for, and
/// with a bucket for each it would have its rate as often as there are regions. Should two instances of an
/// account have one id in two regions, they share a rate.
fn caller(proven: &Proven) -> String {
    let id = match proven.who() {
        Who::Instance { id } | Who::Role { id, .. } => id,
    };
    format!("{}/{id}", proven.account())
}

/// Design, section 6: the lists. What is denied is denied whatever is allowed.
fn listed(config: &Config, account: &str) -> Result<(), Refusal> {
    if config.deny.contains(account) {
        let text = format!(
            "account {account} is in the list `deny` of {}",
            config.domain
        );
        return Err(Refusal::not_allowed(config, &text));
    }
    let is_listed = match &config.accounts {
        Accounts::Any => true,
        Accounts::These(these) => these.contains_key(account),
    };
    if is_listed {
        return Ok(());
    }
    let text = format!(
        "account {account} is not in the list `accounts` of {}",
        config.domain
    );
    Err(Refusal::not_allowed(config, &text))
}

fn principal(config: &Config, proven: &Proven) -> Result<Principal, Refusal> {
    let account = proven.account();
    let principal = match proven.who() {
        Who::Instance { id } => Principal::instance_of(account, proven.region().name(), id),
        Who::Role { id, .. } => Principal::role_of(account, id),
    };
    // What was proven has the form that AWS writes; if that ever changes, nobody is let in by it.
    principal.map_err(|malformed| {
        let text = format!("the proven identity cannot own a name: {malformed}");
        Refusal::not_allowed(config, &text)
    })
}

fn unreserved(config: &Config, asked: &Asked) -> Result<(), Refusal> {
    // Whoever held a name before its label was reserved can still remove it.
    let is_removal = matches!(asked.wish, Wish::Remove { .. });
    if is_removal || !config.reserved.contains(asked.record.as_str()) {
        return Ok(());
    }
    let text = format!("{} is in the list `reserved`", asked.record);
    Err(Refusal::not_allowed(config, &text))
}

/// The TTL of the record.
fn ttl(config: &Config, wish: &Wish) -> Result<u32, Refusal> {
    let longest = config.ttl_secs;
    let asked = match wish {
        Wish::Set { ttl_secs, .. } => ttl_secs.unwrap_or(longest),
        Wish::Remove { .. } => return Ok(longest),
    };
    if (TTL_SECS_MIN..=longest).contains(&asked) {
        return Ok(asked);
    }
    let text =
        format!("ttl is {asked}; from {TTL_SECS_MIN} to {longest} seconds are possible here");
    Err(Refusal::new(Code::BadRequest, text))
}

fn typed(config: &Config, wish: &Wish) -> Result<(), Refusal> {
    let Wish::Set { data, .. } = wish else {
        // A type that is no longer allowed can still be removed.
        return Ok(());
    };
    let record_type = data.record_type();
    if config.record_types.contains(&record_type) {
        return Ok(());
    }
    let text = format!(
        "{} records are not in the list `record-types`",
        record_type.word()
    );
    Err(Refusal::not_allowed(config, &text))
}

/// From where the address that is asked for can be reached; none where there is no address.
fn reach(config: &Config, wish: &Wish) -> Result<Option<Reach>, Refusal> {
    let Wish::Set {
        data: Data::Address(address),
        ..
    } = wish
    else {
        return Ok(None);
    };
    match address::reach(*address, &config.private_cidrs) {
        Ok(reach) => Ok(Some(reach)),
        Err(refused) => Err(Refusal::not_allowed(config, &refused.to_string())),
    }
}

fn rights(config: &Config, account: &str) -> Rights {
    let listed = match &config.accounts {
        Accounts::Any => None,
        Accounts::These(these) => these.get(account),
    };
    if let Some(role) = listed.and_then(|known| known.describe_role.as_ref()) {
        return Rights::As(role.clone());
    }
    let is_any = config.accounts == Accounts::Any;
    match account == config.account && (is_any || listed.is_some()) {
        true => Rights::Here,
        false => Rights::Nowhere,
    }
}

/// The rules for an instance that EC2 can be asked about.
async fn known<P: Ports>(
    context: &Context<'_, P>,
    proven: &Proven,
    asked: &Asked,
    reach: Option<Reach>,
    question: Question,
) -> Result<(), Refusal> {
    let config = context.config;
    let refuse = |text: &str| Err(Refusal::not_allowed(config, text));
    let id = &question.instance;
    let instance = match describe(context, &question).await? {
        Some(instance) => instance,
        // EC2's lists may not show yet what has just started (EC2 API Reference, "Eventual consistency").
        None => {
            let region = question.region;
            return Err(Refusal::not_yet(format!(
                "EC2 lists no instance {id} in {region}; right after a start that is so for a moment, \
                 try again; if it stays so, {region} is not the region of the instance{}",
                ask(config)
            )));
        }
    };
    if !may_ask(instance.state, &asked.wish) {
        let text = format!(
            "{id} is {}; only a running instance is given a record",
            instance.state
        );
        return refuse(&text);
    }
    let tag = &config.require_tag;
    if instance.tags.get(&tag.key) != Some(&tag.value) {
        let text = format!(
            "{id} lacks the tag {}={} (`require-tag`)",
            tag.key, tag.value
        );
        return refuse(&text);
    }
    if proven.must_match_source() {
        if !instance.has_global(context.source) {
            return refuse(&format!(
                "with an identity document the request has to come from an address of {id} itself"
            ));
        }
        // Now it is known to be the instance that asks: it has one rate, from all of its addresses.
        let (caller, now) = (caller(proven), context.ports.now());
        context
            .limits
            .caller(config, &caller, proven.account(), now)?;
    }
    let (Some(address), Some(reach)) = (asked.wish.address(), reach) else {
        return Ok(());
    };
    let is_own = match reach {
        Reach::Global => instance.has_global(address),
        Reach::Private => instance.has_private(address),
    };
    if !is_own {
        return refuse(&format!(
            "{address} is no address of {id}, as EC2 lists them"
        ));
    }
    if proven.must_match_source() && address != context.source {
        return refuse(SOURCE_ONLY);
    }
    Ok(())
}

const SOURCE_ONLY: &str = "ip_address has to be the global address that the request comes from, since nothing else about \
     the caller's addresses can be asked";

const DOCUMENT_ONLY: &str = "where EC2 cannot be asked about the instance, an identity document counts \
     for an A or AAAA record of the very address that the request comes from and for nothing else, since \
     a copy of it could come from anywhere; use the proof `instance-role`";

/// The rules for a caller of whom nothing is known but what it proved.
fn unknown<P>(
    context: &Context<'_, P>,
    proven: &Proven,
    asked: &Asked,
    reach: Option<Reach>,
) -> Result<(), Refusal> {
    let is_source = asked.wish.address() == Some(context.source);
    let refuse = |text| Err(Refusal::not_allowed(context.config, text));
    match reach {
        Some(Reach::Global) if is_source => Ok(()),
        _ if proven.must_match_source() => refuse(DOCUMENT_ONLY),
        Some(Reach::Global | Reach::Private) => refuse(SOURCE_ONLY),
        // Nothing but the caller's own name is touched, and the caller signed that it wants this.
        None => Ok(()),
    }
}

async fn describe<P: Ports>(
    context: &Context<'_, P>,
    question: &Question,
) -> Result<Option<Instance>, Refusal> {
    let config = context.config;
    let call = || context.ports.describe(question);
    let failure = match context.budget.persist(context.ports, call).await {
        Ok(instance) => return Ok(instance),
        Err(failure) => failure,
    };
    match failure {
        Failure::Throttled | Failure::Pending | Failure::Unanswered => {
            Err(Refusal::failed(config, "EC2", failure))
        }
        Failure::Denied | Failure::Conflict | Failure::Unusable => {
            let with = match &question.role {
                Some(role) => format!("role {role}"),
                None => "the updater's own role".to_owned(),
            };
            let text = format!(
                "EC2 could not be asked about {} in {} with {with}; without its answer nothing is \
                 allowed",
                question.instance, question.region
            );
            Err(Refusal::not_allowed(config, &text))
        }
    }
}

/// A record is for an instance that runs. An instance that is on its way out may still remove its own.
fn may_ask(state: State, wish: &Wish) -> bool {
    match (wish, state) {
        (_, State::Pending | State::Running) => true,
        (Wish::Remove { .. }, State::Stopping | State::Stopped | State::ShuttingDown) => true,
        (Wish::Set { .. }, State::Stopping | State::Stopped | State::ShuttingDown)
        | (_, State::Terminated | State::Unknown) => false,
    }
}

fn task(wish: &Wish, name: &str, ttl_secs: u32) -> Task {
    match wish {
        Wish::Set { data, .. } => {
            let record_type = data.record_type();
            let value = match data {
                Data::Address(address) => address.to_string(),
                Data::Text(text) => txt_value(text),
            };
            let set = RecordSet::one(name.to_owned(), record_type.word(), ttl_secs, value);
            Task::Set(set, record_type)
        }
        Wish::Remove { only, .. } => Task::Remove(*only),
    }
}

fn stamp<P: Ports>(ports: &P, proven: &Proven, now: Timestamp) -> Stamp {
    let civil = |time: Timestamp| {
        let seconds = Timestamp::from_second(time.as_second()).unwrap_or(time);
        seconds.to_zoned(TimeZone::UTC).datetime()
    };
    match (proven.signed_at(), proven.nonce()) {
        (Some(time), Some(nonce)) => Stamp {
            time: civil(time),
            nonce: nonce.text().to_owned(),
            is_signed: true,
        },
        (Some(_) | None, Some(_) | None) => Stamp {
            time: civil(now),
            nonce: format!("{:032x}", ports.random()),
            is_signed: false,
        },
    }
}
