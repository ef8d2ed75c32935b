//! The closed set of resource kinds. Each file under `kind/` has the same parts in the same order:
//! what it is, `Live`, `converge` and `destroy`, `Op`, `observe`, `perform`, tests.
//!
//! This file only dispatches; adding a variant breaks the build until every decision is made.

pub mod hosted_zone;
pub mod journal_group;
pub mod kms_key;
pub mod ksk;
pub mod zone_signing;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::Clients;
use crate::desired::Desired;
use crate::plan::{DestroyOptions, Field, Lowered, Report};
use crate::retry::Failure;
use crate::snapshot::{Observation, Snapshot};

/// One AWS mutation of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// On the journal's log group.
    JournalGroup(journal_group::Op),
    /// On the hosted zone.
    HostedZone(hosted_zone::Op),
    /// On the KMS key, its policy or alias.
    KmsKey(kms_key::Op),
    /// On a key-signing key.
    Ksk(ksk::Op),
    /// On the zone's signing.
    ZoneSigning(zone_signing::Op),
}

/// An AWS rate limit that calls share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Route 53: 5 per second over all calls (Developer Guide, "Quotas"; the newer figure is higher).
    Route53,
    /// KMS mutations: 5 per second (KMS Developer Guide, "Request quotas", CreateKey).
    Kms,
    /// CloudWatch Logs mutations: 5 per second (the smallest of theirs).
    Logs,
}

impl Limit {
    /// Calls per second, which is also the size of the bucket.
    pub fn per_second(self) -> u32 {
        match self {
            Limit::Route53 | Limit::Kms | Limit::Logs => 5,
        }
    }
}

/// How to find out whether a create without an answer was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The state of a Route 53 change.
    Change(String),
    /// A zone of this name that this stack made.
    Zone {
        /// Zone name.
        domain: String,
    },
    /// A key of this stack without an alias.
    Key,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The change is on every authoritative server.
    InSync,
    /// It is not yet.
    Pending,
    /// The object exists and brings these values.
    Found(Outputs),
    /// It is not listed (which is not proof while lists may lag).
    NotListed,
}

impl Op {
    /// The values of other resources that the operation refers to.
    pub fn refs(&self) -> Vec<(Addr, Output)> {
        let mut refs = Vec::new();
        let _ = self.map(&mut |arg| {
            if let Arg::Of(addr, output) = arg {
                refs.push((addr.clone(), *output));
            }
            arg.clone()
        });
        refs
    }

    /// The same operation with each argument replaced.
    #[must_use]
    pub fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::JournalGroup(op) => Op::JournalGroup(op.map(f)),
            Op::HostedZone(op) => Op::HostedZone(op.map(f)),
            Op::KmsKey(op) => Op::KmsKey(op.map(f)),
            Op::Ksk(op) => Op::Ksk(op.map(f)),
            Op::ZoneSigning(op) => Op::ZoneSigning(op.map(f)),
        }
    }

    /// Values that the operation brings into being.
    pub fn brings(&self) -> &'static [Output] {
        match self {
            Op::HostedZone(op) => op.brings(),
            Op::KmsKey(op) => op.brings(),
            Op::JournalGroup(_) | Op::Ksk(_) | Op::ZoneSigning(_) => &[],
        }
    }

    /// The IAM action that the call needs.
    pub fn action(&self) -> &'static str {
        match self {
            Op::JournalGroup(op) => op.action(),
            Op::HostedZone(op) => op.action(),
            Op::KmsKey(op) => op.action(),
            Op::Ksk(op) => op.action(),
            Op::ZoneSigning(op) => op.action(),
        }
    }

    /// The rate limit it counts against.
    pub fn limit(&self) -> Limit {
        match self {
            Op::JournalGroup(_) => Limit::Logs,
            Op::KmsKey(_) => Limit::Kms,
            Op::HostedZone(_) | Op::Ksk(_) | Op::ZoneSigning(_) => Limit::Route53,
        }
    }

    /// What happens, as a progress line says it.
    pub fn verb(&self) -> &'static str {
        match self {
            Op::JournalGroup(op) => op.verb(),
            Op::HostedZone(op) => op.verb(),
            Op::KmsKey(op) => op.verb(),
            Op::Ksk(op) => op.verb(),
            Op::ZoneSigning(op) => op.verb(),
        }
    }

    /// Whether "already gone" is what the operation wants.
    pub fn is_removal(&self) -> bool {
        match self {
            Op::JournalGroup(op) => matches!(op, journal_group::Op::Delete { .. }),
            Op::HostedZone(op) => matches!(op, hosted_zone::Op::Delete { .. }),
            Op::KmsKey(op) => {
                matches!(
                    op,
                    kms_key::Op::ScheduleDeletion { .. } | kms_key::Op::DeleteAlias { .. }
                )
            }
            Op::Ksk(op) => matches!(op, ksk::Op::Delete { .. }),
            Op::ZoneSigning(_) => false,
        }
    }

    /// For creates that AWS would happily repeat or refuse: how to look whether one was carried out.
    pub fn look(&self) -> Option<Look> {
        match self {
            Op::HostedZone(hosted_zone::Op::Create { domain, .. }) => Some(Look::Zone {
                domain: domain.clone(),
            }),
            Op::KmsKey(kms_key::Op::Create { .. }) => Some(Look::Key),
            Op::HostedZone(_)
            | Op::KmsKey(_)
            | Op::JournalGroup(_)
            | Op::Ksk(_)
            | Op::ZoneSigning(_) => None,
        }
    }

    /// The operation to try when its name is used up: the next caller reference.
    pub fn next_name(&self) -> Option<Op> {
        match self {
            Op::HostedZone(hosted_zone::Op::Create {
                domain,
                number,
                comment,
            }) => Some(Op::HostedZone(hosted_zone::Op::Create {
                domain: domain.clone(),
                number: number + 1,
                comment: comment.clone(),
            })),
            Op::HostedZone(_)
            | Op::KmsKey(_)
            | Op::JournalGroup(_)
            | Op::Ksk(_)
            | Op::ZoneSigning(_) => None,
        }
    }

    /// Carries the operation out. Every argument has been resolved.
    pub async fn perform(&self, write: &Clients) -> Result<Outputs, Failure> {
        match self {
            Op::JournalGroup(op) => journal_group::perform(op, write).await,
            Op::HostedZone(op) => hosted_zone::perform(op, write).await,
            Op::KmsKey(op) => kms_key::perform(op, write).await,
            Op::Ksk(op) => ksk::perform(op, write).await,
            Op::ZoneSigning(op) => zone_signing::perform(op, write).await,
        }
    }
}

/// What the resource needs to become as the document wants it.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    match addr.kind() {
        Kind::JournalGroup => journal_group::converge(addr, desired, snapshot),
        Kind::HostedZone => hosted_zone::converge(addr, desired, snapshot),
        Kind::KmsKey => kms_key::converge(addr, desired, snapshot),
        Kind::Ksk => ksk::converge(addr, desired, snapshot),
        Kind::ZoneSigning => zone_signing::converge(addr, desired, snapshot),
    }
}

/// What the resource needs to be gone.
pub fn destroy(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    options: &DestroyOptions,
) -> Lowered {
    match addr.kind() {
        Kind::JournalGroup => journal_group::destroy(addr, desired, snapshot),
        Kind::HostedZone => hosted_zone::destroy(addr, desired, snapshot, options),
        Kind::KmsKey => kms_key::destroy(addr, desired, snapshot),
        Kind::Ksk => ksk::destroy(addr, desired, snapshot),
        Kind::ZoneSigning => zone_signing::destroy(addr, desired, snapshot),
    }
}

/// The live attributes of every resource, by address: what a plan is built on.
pub fn attributes(
    desired: &Desired,
    snapshot: &Snapshot,
) -> BTreeMap<Addr, BTreeMap<String, String>> {
    desired
        .all_addrs()
        .into_iter()
        .map(|addr| {
            let attributes = match addr.kind() {
                Kind::JournalGroup => {
                    seen(&snapshot.journal_group, journal_group::Live::attributes)
                }
                Kind::HostedZone => seen(&snapshot.hosted_zone, hosted_zone::Live::attributes),
                Kind::KmsKey => seen(&snapshot.kms_key, kms_key::Live::attributes),
                Kind::Ksk => seen(&snapshot.dnssec, ksk::Live::key_attributes),
                Kind::ZoneSigning => seen(&snapshot.dnssec, ksk::Live::signing_attributes),
            };
            (addr, attributes)
        })
        .collect()
}

fn seen<L>(
    observation: &Observation<L>,
    attributes: impl Fn(&L) -> BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    match observation {
        Observation::Present(live) => attributes(live),
        Observation::Absent => BTreeMap::new(),
        Observation::Foreign(what) => BTreeMap::from([("foreign".to_owned(), what.clone())]),
        Observation::Unreadable(_) => BTreeMap::from([("unreadable".to_owned(), String::new())]),
    }
}

/// The answer of a kind whose resource cannot be judged.
fn blocked(addr: &Addr, why: impl Into<String>) -> Lowered {
    Lowered {
        report: vec![Report::Blocked {
            addr: addr.clone(),
            why: why.into(),
        }],
        ..Lowered::default()
    }
}

/// The answer of a kind that has nothing to do.
fn up_to_date(addr: &Addr, known: Outputs) -> Lowered {
    Lowered {
        report: vec![Report::UpToDate(addr.clone())],
        known,
        ..Lowered::default()
    }
}

/// One field per tag that changes.
fn tag_fields(set: &BTreeMap<String, String>, live: &BTreeMap<String, String>) -> Vec<Field> {
    set.iter()
        .map(|(key, value)| Field {
            name: format!("tags.{key}"),
            before: live.get(key).cloned(),
            after: Some(value.clone()),
        })
        .collect()
}

/// When an unanswered creation of the resource was begun, if the lock an interrupted run left says so.
fn intent(snapshot: &Snapshot, addr: &Addr) -> Option<Timestamp> {
    snapshot
        .lock
        .as_ref()?
        .intents
        .get(addr.kind().word())
        .copied()
}
