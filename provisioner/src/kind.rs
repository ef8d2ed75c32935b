//! The closed set of resource kinds. Each file under `kind/` has the same parts in the same order:
//! what it is, `Live`, `converge` and `destroy`, `Op`, `observe`, `perform`, tests.
//!
//! This file only dispatches; adding a variant breaks the build until every decision is made.

pub mod alarm;
pub mod api_account;
pub mod delegation;
pub mod function;
pub mod hosted_zone;
pub mod journal_group;
pub mod kms_key;
pub mod ksk;
pub mod log_group;
pub mod logs_key;
pub mod logs_policy;
pub mod metric_filter;
pub mod query_logging;
pub mod rest_api;
pub mod role;
pub mod zone_signing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::Clients;
use crate::condition::Served;
use crate::desired::Desired;
use crate::plan::{DestroyOptions, Field, Goal, Lowered, Others, Report};
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
    /// On records of the parent zone.
    Delegation(delegation::Op),
    /// On the resource of this kind.
    LogsKey(logs_key::Op),
    /// On the resource of this kind.
    LogGroup(log_group::Op),
    /// On the resource of this kind.
    LogsPolicy(logs_policy::Op),
    /// On the resource of this kind.
    QueryLogging(query_logging::Op),
    /// On the resource of this kind.
    Role(role::Op),
    /// On the resource of this kind.
    Function(function::Op),
    /// On the resource of this kind.
    ApiAccount(api_account::Op),
    /// On the resource of this kind.
    RestApi(rest_api::Op),
    /// On the resource of this kind.
    MetricFilter(metric_filter::Op),
    /// On the resource of this kind.
    Alarm(alarm::Op),
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
    /// IAM mutations: unpublished, of the order of 10 to 20 per second; 5 leaves room for others.
    Iam,
    /// Lambda's control plane: 15 per second (Lambda Developer Guide, "Quotas").
    Lambda,
    /// CloudWatch alarms: 3 per second (CloudWatch User Guide, "Service quotas").
    CloudWatch,
    /// API Gateway's control plane: 10 per second over all its calls (API Gateway Developer Guide,
    /// "Amazon API Gateway quotas").
    ApiGateway,
    /// Of those, creating and deleting resources: 5 per second.
    ApiResource,
    /// Of those, CreateRestApi: one in 3 seconds for regional APIs.
    ApiCreate,
    /// Of those, DeleteRestApi: one in 30 seconds.
    ApiDelete,
    /// Of those, CreateDeployment: one in 5 seconds.
    ApiDeployment,
    /// Of those, UpdateAccount: one in 20 seconds.
    ApiAccount,
}

impl Limit {
    /// Time in which one call's worth is refilled.
    pub fn interval(self) -> Duration {
        match self {
            Limit::Route53 | Limit::Kms | Limit::Logs | Limit::Iam | Limit::ApiResource => {
                Duration::from_millis(200)
            }
            Limit::Lambda => Duration::from_millis(67),
            Limit::CloudWatch => Duration::from_millis(334),
            Limit::ApiGateway => Duration::from_millis(100),
            Limit::ApiCreate => Duration::from_secs(3),
            Limit::ApiDelete => Duration::from_secs(30),
            Limit::ApiDeployment => Duration::from_secs(5),
            Limit::ApiAccount => Duration::from_secs(20),
        }
    }

    /// Calls that may be made at once: as many as a second refills, at least one.
    pub fn burst(self) -> u64 {
        (1_000 / u64::try_from(self.interval().as_millis()).unwrap_or(1_000)).max(1)
    }
}

/// How to find out whether a create without an answer was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The state of a Route 53 change.
    Change(String),
    /// The same in the parent zone's account.
    ParentChange(String),
    /// A zone of this name that this stack made.
    Zone {
        /// Zone name.
        domain: String,
    },
    /// A key of this stack without an alias.
    Key,
    /// A key of this stack for its logs, without an alias.
    LogsKey,
    /// Whether a function is active and its last update has ended well.
    Function {
        /// Function name.
        name: String,
    },
    /// What the zone's name servers themselves show.
    Served(Served),
    /// A REST API that this stack made.
    RestApi {
        /// API name.
        name: String,
    },
}

impl Look {
    /// The rate limit a look counts against.
    pub fn limit(&self) -> Limit {
        match self {
            Look::Change(_) | Look::ParentChange(_) | Look::Zone { .. } => Limit::Route53,
            // Name servers take any number of questions; a pause is polite.
            Look::Served(_) => Limit::Route53,
            Look::Key | Look::LogsKey => Limit::Kms,
            Look::Function { .. } => Limit::Lambda,
            Look::RestApi { .. } => Limit::ApiGateway,
        }
    }

    /// What is waited for, for people.
    pub fn waits_for(&self) -> &'static str {
        match self {
            Look::Change(_) | Look::ParentChange(_) => {
                "Route 53's name servers (in sync, usually within 60 s: GetChange)"
            }
            Look::Served(_) => "every name server of the zone (asked directly)",
            Look::Function { .. } => {
                "Lambda, to make the function ready (usually within seconds: GetFunctionConfiguration)"
            }
            Look::Zone { .. } | Look::Key | Look::LogsKey | Look::RestApi { .. } => "AWS's lists",
        }
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The change is on every authoritative server.
    InSync,
    /// It is not yet.
    Pending,
    /// A name server does not show it yet, or does not answer; which.
    Unserved(String),
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
            Op::Delegation(op) => Op::Delegation(op.map(f)),
            Op::LogsKey(op) => Op::LogsKey(op.map(f)),
            Op::LogGroup(op) => Op::LogGroup(op.map(f)),
            Op::LogsPolicy(op) => Op::LogsPolicy(op.map(f)),
            Op::QueryLogging(op) => Op::QueryLogging(op.map(f)),
            Op::Role(op) => Op::Role(op.map(f)),
            Op::Function(op) => Op::Function(op.map(f)),
            Op::ApiAccount(op) => Op::ApiAccount(op.map(f)),
            Op::RestApi(op) => Op::RestApi(op.map(f)),
            Op::MetricFilter(op) => Op::MetricFilter(op.map(f)),
            Op::Alarm(op) => Op::Alarm(op.map(f)),
        }
    }

    /// Values that the operation brings into being.
    pub fn brings(&self) -> &'static [Output] {
        match self {
            Op::HostedZone(op) => op.brings(),
            Op::KmsKey(op) => op.brings(),
            Op::JournalGroup(_) | Op::Ksk(_) | Op::ZoneSigning(_) | Op::Delegation(_) => &[],
            Op::LogsKey(op) => op.brings(),
            Op::LogGroup(op) => op.brings(),
            Op::LogsPolicy(op) => op.brings(),
            Op::QueryLogging(op) => op.brings(),
            Op::Role(op) => op.brings(),
            Op::Function(op) => op.brings(),
            Op::ApiAccount(op) => op.brings(),
            Op::RestApi(op) => op.brings(),
            Op::MetricFilter(op) => op.brings(),
            Op::Alarm(op) => op.brings(),
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
            Op::Delegation(op) => op.action(),
            Op::LogsKey(op) => op.action(),
            Op::LogGroup(op) => op.action(),
            Op::LogsPolicy(op) => op.action(),
            Op::QueryLogging(op) => op.action(),
            Op::Role(op) => op.action(),
            Op::Function(op) => op.action(),
            Op::ApiAccount(op) => op.action(),
            Op::RestApi(op) => op.action(),
            Op::MetricFilter(op) => op.action(),
            Op::Alarm(op) => op.action(),
        }
    }

    /// The rate limit it counts against.
    pub fn limit(&self) -> Limit {
        match self {
            Op::JournalGroup(_) => Limit::Logs,
            Op::KmsKey(_) => Limit::Kms,
            Op::HostedZone(_) | Op::Ksk(_) | Op::ZoneSigning(_) | Op::Delegation(_) => {
                Limit::Route53
            }
            Op::LogsKey(op) => op.limit(),
            Op::LogGroup(op) => op.limit(),
            Op::LogsPolicy(op) => op.limit(),
            Op::QueryLogging(op) => op.limit(),
            Op::Role(op) => op.limit(),
            Op::Function(op) => op.limit(),
            Op::ApiAccount(op) => op.limit(),
            Op::RestApi(op) => op.limit(),
            Op::MetricFilter(op) => op.limit(),
            Op::Alarm(op) => op.limit(),
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
            Op::Delegation(op) => op.verb(),
            Op::LogsKey(op) => op.verb(),
            Op::LogGroup(op) => op.verb(),
            Op::LogsPolicy(op) => op.verb(),
            Op::QueryLogging(op) => op.verb(),
            Op::Role(op) => op.verb(),
            Op::Function(op) => op.verb(),
            Op::ApiAccount(op) => op.verb(),
            Op::RestApi(op) => op.verb(),
            Op::MetricFilter(op) => op.verb(),
            Op::Alarm(op) => op.verb(),
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
                    kms_key::Op::ScheduleDeletion { .. }
                        | kms_key::Op::DeleteAlias { .. }
                        | kms_key::Op::RevokeGrant { .. }
                )
            }
            Op::Ksk(op) => matches!(op, ksk::Op::Delete { .. }),
            Op::ZoneSigning(_) | Op::Delegation(_) => false,
            Op::LogsKey(op) => op.is_removal(),
            Op::LogGroup(op) => op.is_removal(),
            Op::LogsPolicy(op) => op.is_removal(),
            Op::QueryLogging(op) => op.is_removal(),
            Op::Role(op) => op.is_removal(),
            Op::Function(op) => op.is_removal(),
            Op::ApiAccount(op) => op.is_removal(),
            Op::RestApi(op) => op.is_removal(),
            Op::MetricFilter(op) => op.is_removal(),
            Op::Alarm(op) => op.is_removal(),
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
            | Op::ZoneSigning(_)
            | Op::Delegation(_) => None,
            Op::LogsKey(op) => op.look(),
            Op::LogGroup(op) => op.look(),
            Op::LogsPolicy(op) => op.look(),
            Op::QueryLogging(op) => op.look(),
            Op::Role(op) => op.look(),
            Op::Function(op) => op.look(),
            Op::ApiAccount(op) => op.look(),
            Op::RestApi(op) => op.look(),
            Op::MetricFilter(op) => op.look(),
            Op::Alarm(op) => op.look(),
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
            | Op::ZoneSigning(_)
            | Op::Delegation(_)
            | Op::LogsKey(_)
            | Op::LogGroup(_)
            | Op::LogsPolicy(_)
            | Op::QueryLogging(_)
            | Op::Role(_)
            | Op::Function(_)
            | Op::ApiAccount(_)
            | Op::RestApi(_)
            | Op::MetricFilter(_)
            | Op::Alarm(_) => None,
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
            Op::Delegation(op) => delegation::perform(op, write).await,
            Op::LogsKey(op) => logs_key::perform(op, write).await,
            Op::LogGroup(op) => log_group::perform(op, write).await,
            Op::LogsPolicy(op) => logs_policy::perform(op, write).await,
            Op::QueryLogging(op) => query_logging::perform(op, write).await,
            Op::Role(op) => role::perform(op, write).await,
            Op::Function(op) => function::perform(op, write).await,
            Op::ApiAccount(op) => api_account::perform(op, write).await,
            Op::RestApi(op) => rest_api::perform(op, write).await,
            Op::MetricFilter(op) => metric_filter::perform(op, write).await,
            Op::Alarm(op) => alarm::perform(op, write).await,
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
        Kind::Delegation => delegation::converge(addr, desired, snapshot),
        Kind::LogsKey => logs_key::converge(addr, desired, snapshot),
        Kind::LogGroup => log_group::converge(addr, desired, snapshot),
        Kind::LogsPolicy => logs_policy::converge(addr, desired, snapshot),
        Kind::QueryLogging => query_logging::converge(addr, desired, snapshot),
        Kind::Role => role::converge(addr, desired, snapshot),
        Kind::Function => function::converge(addr, desired, snapshot),
        Kind::ApiAccount => api_account::converge(addr, desired, snapshot),
        Kind::RestApi => rest_api::converge(addr, desired, snapshot),
        Kind::MetricFilter => metric_filter::converge(addr, desired, snapshot),
        Kind::Alarm => alarm::converge(addr, desired, snapshot),
    }
}

/// What the resource needs to be gone. `goal` tells a teardown from the removal of what a document no
/// longer wants.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot, goal: &Goal) -> Lowered {
    let nothing_more = DestroyOptions::default();
    let (options, is_teardown) = match goal {
        Goal::Converge | Goal::Unsign | Goal::Rotate | Goal::AbortRotation | Goal::Adopt => {
            (&nothing_more, false)
        }
        Goal::Destroy(options) => (options, true),
    };
    match addr.kind() {
        Kind::JournalGroup => journal_group::destroy(addr, desired, snapshot),
        Kind::HostedZone => hosted_zone::destroy(addr, desired, snapshot, options),
        Kind::KmsKey => kms_key::destroy(addr, desired, snapshot),
        Kind::Ksk => ksk::destroy(addr, desired, snapshot),
        Kind::ZoneSigning => zone_signing::destroy(addr, desired, snapshot),
        Kind::Delegation => delegation::destroy(addr, desired, snapshot),
        Kind::LogsKey => logs_key::destroy(addr, desired, snapshot, options.delete_logs),
        Kind::LogGroup if !is_teardown => log_group::retain(addr, desired, snapshot),
        Kind::LogGroup => log_group::destroy(addr, desired, snapshot, options.delete_logs),
        Kind::LogsPolicy => logs_policy::destroy(addr, desired, snapshot),
        Kind::QueryLogging => query_logging::destroy(addr, desired, snapshot),
        Kind::Role => role::destroy(addr, desired, snapshot),
        Kind::Function => function::destroy(addr, desired, snapshot),
        Kind::ApiAccount => api_account::destroy(addr, desired, snapshot),
        Kind::RestApi => rest_api::destroy(addr, desired, snapshot),
        Kind::MetricFilter => metric_filter::destroy(addr, desired, snapshot, is_teardown),
        Kind::Alarm => alarm::destroy(addr, desired, snapshot),
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
        .chain(
            unwanted(desired, snapshot)
                .into_iter()
                .map(|(addr, _)| addr),
        )
        .map(|addr| {
            let attributes = match addr.kind() {
                Kind::JournalGroup => {
                    seen(&snapshot.journal_group, journal_group::Live::attributes)
                }
                Kind::HostedZone => seen(&snapshot.hosted_zone, hosted_zone::Live::attributes),
                Kind::KmsKey => seen(&snapshot.kms_key, kms_key::Live::attributes),
                Kind::Ksk => seen(&snapshot.dnssec, ksk::Live::key_attributes),
                Kind::ZoneSigning => seen(&snapshot.dnssec, ksk::Live::signing_attributes),
                Kind::Delegation => snapshot.parent_zone.attributes(),
                Kind::LogsKey => seen(&snapshot.logs_key, logs_key::Live::attributes),
                Kind::LogGroup => member(&snapshot.log_groups, &addr, log_group::Live::attributes),
                Kind::LogsPolicy => seen(&snapshot.logs_policy, logs_policy::Live::attributes),
                Kind::QueryLogging => {
                    seen(&snapshot.query_logging, query_logging::Live::attributes)
                }
                Kind::Role => member(&snapshot.roles, &addr, role::Live::attributes),
                Kind::Function => seen(&snapshot.function, function::Live::attributes),
                Kind::ApiAccount => seen(&snapshot.api_account, api_account::Live::attributes),
                Kind::RestApi => seen(&snapshot.rest_api, rest_api::Live::attributes),
                Kind::MetricFilter => member(
                    &snapshot.metric_filters,
                    &addr,
                    metric_filter::Live::attributes,
                ),
                Kind::Alarm => member(&snapshot.alarms, &addr, alarm::Live::attributes),
            };
            (addr, attributes)
        })
        // A parent that is not ours to write is none of the plan's concern.
        .filter(|(addr, attributes)| addr.kind() != Kind::Delegation || !attributes.is_empty())
        .collect()
}

fn seen<L>(
    observation: &Observation<L>,
    attributes: impl Fn(&L) -> BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    match observation {
        Observation::Present(live) => attributes(live),
        Observation::Absent => BTreeMap::new(),
        Observation::Foreign(what, stranger) => {
            let has = stranger.iter().flat_map(|stranger| &stranger.attributes);
            has.map(|(name, value)| (name.clone(), value.clone()))
                .chain([("foreign".to_owned(), what.clone())])
                .collect()
        }
        Observation::Unreadable(_) => BTreeMap::from([("unreadable".to_owned(), String::new())]),
    }
}

fn member<L>(
    seen_by_addr: &BTreeMap<Addr, Observation<L>>,
    addr: &Addr,
    attributes: impl Fn(&L) -> BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    seen_by_addr
        .get(addr)
        .map(|observation| seen(observation, attributes))
        .unwrap_or_default()
}

/// Resources of this stack that exist although the document does not want them (any more), or of which
/// that cannot be told, with the reason. The zone, its keys and its signing are never among them: those go
/// by `dnssec disable` and `destroy` only.
pub fn unwanted(desired: &Desired, snapshot: &Snapshot) -> Vec<(Addr, Result<(), String>)> {
    fn there<L>(observation: &Observation<L>) -> Option<Result<(), String>> {
        match observation {
            Observation::Present(_) => Some(Ok(())),
            Observation::Unreadable(why) => Some(Err(why.clone())),
            Observation::Absent | Observation::Foreign(_, _) => None,
        }
    }
    let wanted = desired.addrs();
    let singles = [
        (Kind::LogsKey, there(&snapshot.logs_key)),
        (Kind::LogsPolicy, there(&snapshot.logs_policy)),
        (Kind::QueryLogging, there(&snapshot.query_logging)),
        (Kind::Function, there(&snapshot.function)),
        (Kind::ApiAccount, there(&snapshot.api_account)),
        (Kind::RestApi, there(&snapshot.rest_api)),
    ];
    let mut found: Vec<_> = singles
        .into_iter()
        .filter_map(|(kind, there)| Some((desired.addr(kind), there?)))
        .collect();
    fn members<L>(
        by_addr: &BTreeMap<Addr, Observation<L>>,
    ) -> impl Iterator<Item = (Addr, Result<(), String>)> {
        let seen = by_addr.iter();
        seen.filter_map(|(addr, observation)| Some((addr.clone(), there(observation)?)))
    }
    found.extend(members(&snapshot.log_groups));
    found.extend(members(&snapshot.roles));
    found.extend(members(&snapshot.metric_filters));
    found.extend(members(&snapshot.alarms));
    found.retain(|(addr, _)| !wanted.contains(addr));
    found
}

/// What the document does not want, and may be there.
pub fn unknown(addr: &Addr, why: &str) -> Lowered {
    blocked(
        addr,
        format!("the document does not want it, and whether it is there cannot be read: {why}"),
    )
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

/// The answer of a kind that has to wait, and what refers to it with it, for what AWS or DNS will show.
fn waiting(addr: &Addr, what: impl Into<String>) -> Lowered {
    Lowered {
        report: vec![Report::Waiting {
            addr: addr.clone(),
            what: what.into(),
            others: Others::HeldBack,
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

/// One field per attribute that differs.
fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Field> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| Field {
            name: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

/// One field per tag that changes.
pub(crate) fn tag_fields(
    set: &BTreeMap<String, String>,
    live: &BTreeMap<String, String>,
) -> Vec<Field> {
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
