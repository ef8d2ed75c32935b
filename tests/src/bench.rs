//! A simulated AWS in this process, and the parts of an apply put together as the command line does it.
//!
//! For what cannot be judged from outside the binary: what one part does in one situation.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use spore_infra::apply::Driver;
use spore_infra::aws::{Access, Clients};
use spore_infra::clock::Clock;
use spore_infra::desired::Desired;
use spore_infra::dns::Dns;
use spore_infra::journal::{self, Taken};
use spore_infra::kind::hosted_zone::Records;
use spore_infra::observe::Purpose;
use spore_infra::plan::{self, Goal, Plan};
use spore_infra::principal::{self, Principal};
use spore_infra::render::{self, Paint};
use spore_infra::run::Outcome;
use spore_infra::snapshot::{Code, LockSeen, Snapshot};
use spore_infra::target::Target;
use spore_infra::{observe, safety, stack};
use spore_sandbox::door::{Options, Recording, Sandbox};
use spore_sandbox::world::Held;

use crate::stage::DOCUMENT;
use crate::updater;

/// What the three lines and more want.
pub fn desired(more: &str) -> Desired {
    desired_of(&format!("{DOCUMENT}{more}"))
}

/// What a document wants.
pub fn desired_of(document: &str) -> Desired {
    let read = |_: &Path| Err(ErrorKind::NotFound.into());
    Desired::of(&stack::parse("stack.toml", document, &read).unwrap())
}

/// One document on one simulated AWS.
#[derive(Debug)]
pub struct Bench {
    /// The simulated AWS.
    pub sandbox: Sandbox,
    /// Where calls go.
    pub target: Target,
    /// The time there.
    pub clock: Clock,
    /// Name servers there.
    pub dns: Dns,
    /// Clients that only read.
    pub read: Clients,
    /// Clients that may write, as somebody by hand.
    pub write: Clients,
    /// What the document wants.
    pub desired: Desired,
    /// ARN of a key that the operator may adopt, where that was asked for.
    pub adopts: RefCell<Option<String>>,
    /// Whether an apply is under way, whose reads are the operator's.
    is_applying: Cell<bool>,
}

/// As whom a bench works, until it is dropped: with the rights that `spore-infra policy` prints.
struct As<'a>(&'a Bench);

impl<'a> As<'a> {
    fn principal(bench: &'a Bench, principal: Principal) -> Option<Self> {
        if bench.is_applying.get() {
            return None;
        }
        let mut grants = principal::grants(principal, &bench.desired, None);
        if let (Principal::Operator, Some(arn)) = (principal, &*bench.adopts.borrow()) {
            grants.extend(principal::to_adopt(&bench.desired, arn));
        }
        bench.sandbox.hold(Some(Held {
            role: principal.word().to_owned(),
            policies: vec![principal::document(&grants).to_string()],
        }));
        bench.is_applying.set(principal == Principal::Operator);
        Some(Self(bench))
    }
}

impl Drop for As<'_> {
    fn drop(&mut self) {
        self.0.sandbox.hold(None);
        self.0.is_applying.set(false);
    }
}

impl Bench {
    /// A new world that stands still but for what is waited or advanced.
    pub async fn open(desired: Desired, seed: u64, start: Timestamp) -> Self {
        let options = Options {
            seed,
            start: Some(start),
            recording: Recording::Memory,
            ..Options::default()
        };
        Self::on(Sandbox::open(None, options).unwrap(), desired).await
    }

    /// A world that is there.
    pub async fn on(sandbox: Sandbox, desired: Desired) -> Self {
        let target = Target::Local(sandbox.clone());
        let connect = async |access| {
            let clients =
                Clients::connect(&target, &desired.region, &desired.account, &access).await;
            clients.with_parent(&target, &desired, &access).await
        };
        let write = Access::Write {
            digest: "0".repeat(64),
        };
        Self {
            clock: target.clock(),
            dns: Dns::new(&target),
            read: connect(Access::Read).await,
            write: Clients {
                bootstrap: Some(updater::stand_in()),
                ..connect(write).await
            },
            sandbox,
            desired,
            target: target.clone(),
            adopts: RefCell::new(None),
            is_applying: Cell::new(false),
        }
    }

    /// Reads live AWS.
    pub async fn snapshot(&self, records: Records, own: Option<LockSeen>) -> Snapshot {
        let _reader = As::principal(self, Principal::Reader);
        let purpose = own.map_or(Purpose::Plan, Purpose::Run);
        let (read, dns, clock) = (&self.read, &self.dns, &self.clock);
        let code = Code::Known(updater::stand_in());
        observe::snapshot(read, dns, clock, &self.desired, records, code, purpose)
            .await
            .unwrap()
    }

    /// Plans.
    pub async fn plan(&self, goal: &Goal, own: Option<LockSeen>) -> Plan {
        let records = match goal {
            Goal::Destroy(_) => Records::All,
            Goal::Converge | Goal::Unsign | Goal::Rotate | Goal::AbortRotation | Goal::Adopt => {
                Records::FirstPage
            }
        };
        let snapshot = self.snapshot(records, own).await;
        match goal {
            Goal::Converge => plan::converge(&self.desired, &snapshot),
            Goal::Destroy(options) => plan::destroy(&self.desired, &snapshot, options),
            Goal::Unsign => plan::unsign(&self.desired, &snapshot),
            Goal::Rotate => plan::rotate(&self.desired, &snapshot),
            Goal::AbortRotation => plan::abort_rotation(&self.desired, &snapshot),
            Goal::Adopt => plan::adopt(&self.desired, &snapshot),
        }
    }

    /// Plans, and carries the plan out under the lock, however long that takes.
    pub async fn carry_out(&self, goal: &Goal) -> (Plan, Outcome) {
        let (plan, outcome, troubles) = self.carry_out_within(goal, None).await;
        assert_eq!(outcome, Outcome::Converged, "{troubles:#?}");
        (plan, outcome)
    }

    /// The same by a run that waits no longer than this at a time, and what it told.
    pub async fn carry_out_within(
        &self,
        goal: &Goal,
        wait_max: Option<Duration>,
    ) -> (Plan, Outcome, Vec<String>) {
        let _operator = As::principal(self, Principal::Operator);
        let shown = self.plan(goal, None).await;
        assert_eq!(shown.refusals, Vec::<safety::Refusal>::new());
        assert!(shown.blocked().is_empty(), "{:?}", shown.blocked());
        let digest = shown.digest();
        let mut lock = match journal::take(&self.write, &self.clock, &self.desired, &digest).await {
            Ok(Taken::Ours(lock)) => *lock,
            other => panic!("the lock is free: {other:?}"),
        };
        let plan = self.plan(goal, Some(lock.seen.clone())).await;
        assert_eq!(plan.step_digests(), shown.step_digests(), "nothing moved");
        let mut troubles = Vec::new();
        let mut driver = Driver {
            write: &self.write,
            clock: &self.clock,
            dns: &self.dns,
            desired: &self.desired,
            wait_max,
            tell: &mut |progress| troubles.push(format!("{progress:?}")),
        };
        let (outcome, _) = driver.drive(&plan, &mut lock, pending()).await.unwrap();
        if outcome == Outcome::Converged {
            lock.forget_intents();
        }
        lock.release(&self.write, self.clock.now()).await.unwrap();
        (plan, outcome, troubles)
    }

    /// Applies the document.
    pub async fn converge(&self) -> Plan {
        self.carry_out(&Goal::Converge).await.0
    }

    /// What the next plan would change; empty when there is nothing to do.
    pub async fn left_to_do(&self) -> String {
        let plan = self.plan(&Goal::Converge, None).await;
        let says_nothing = plan.changes.is_empty() && plan.refusals.is_empty();
        if plan.is_empty() && says_nothing && plan.blocked().is_empty() {
            String::new()
        } else {
            render::plan(&plan, Paint::Plain)
        }
    }

    /// Moves the world's clock.
    pub fn advance(&self, span: Duration) {
        self.sandbox.advance(span).unwrap();
    }

    /// Id of the zone.
    pub async fn zone_id(&self) -> String {
        let snapshot = self.snapshot(Records::FirstPage, None).await;
        snapshot.hosted_zone.present().unwrap().id.clone()
    }

    /// ARN of the key behind the alias.
    pub async fn key_arn(&self) -> String {
        let key = self.read.kms.describe_key().key_id(&self.desired.key_alias);
        let key = key.send().await.unwrap().key_metadata.unwrap();
        key.arn.unwrap()
    }
}

/// Runs async work to its end.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}
