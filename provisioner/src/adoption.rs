//! Taking over what exists under the stack's names and carries no stack's tag, as a plan like any other.
//!
//! A name shows nobody's right to an object, so that plans leave such objects alone and say so. Taking one
//! over means to give it the tags that say whose it is, and nothing else: from then on it is the stack's,
//! the next plan shows how it differs from the document, `apply` makes it match, `destroy` removes it.
//! What carries the tag of another stack is that stack's, and stays so. The one object without tags is the
//! delegation (`kind/delegation/adopt.rs`): there, taking over is replacing the NS set.

use crate::addr::{Addr, Kind};
use crate::arg::Arg;
use crate::desired::{Desired, PURPOSE_KSK, TAG_PURPOSE, TAG_STACK};
use crate::kind::{
    Op, alarm, delegation, function, hosted_zone, journal_group, kms_key, log_group, logs_key,
    rest_api, role, tag_fields,
};
use crate::plan::{Change, Draft, Field, Lowered, Report, Risk, Symbol};
use crate::safety::Refusal;
use crate::snapshot::{Observation, Snapshot, Stranger};
use crate::tags::Tags;

/// The command, as messages name it.
pub const COMMAND: &str = "spore-infra adopt STACK";

/// What a place holds that was not read as ours: by its tags it is another stack's, or nobody's. `what`
/// names it, `instead` is what else can be done about it.
pub fn foreign<L>(
    desired: &Desired,
    what: &str,
    instead: &str,
    stranger: Stranger,
) -> Observation<L> {
    match desired.other_stack(&stranger.tags) {
        Some(stack) => {
            let why = format!("{what} is of another stack, {stack} (tag {TAG_STACK}); {instead}");
            Observation::Foreign(why, None)
        }
        None => {
            let why = format!(
                "{what} exists without the tag {TAG_STACK}={}; `{COMMAND}` takes it over, or {instead}",
                desired.domain
            );
            Observation::Foreign(why, Some(Box::new(stranger)))
        }
    }
}

/// What is in one of the stack's places, as far as that matters here.
enum Found {
    /// Nothing, or what is ours already.
    Nothing,
    /// What can be taken over.
    Stranger(Stranger),
    /// What cannot; why.
    NotOurs(String),
    /// Nobody can tell; why.
    Unknown(String),
}

fn found<L>(observation: &Observation<L>) -> Found {
    match observation {
        Observation::Absent | Observation::Present(_) => Found::Nothing,
        Observation::Foreign(_, Some(stranger)) => Found::Stranger((**stranger).clone()),
        Observation::Foreign(why, None) => Found::NotOurs(why.clone()),
        Observation::Unreadable(why) => Found::Unknown(why.clone()),
    }
}

/// What stands in the place of a resource. Those without tags of their own go with what they are part of.
fn at(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Found {
    match addr.kind() {
        Kind::JournalGroup => found(&snapshot.journal_group),
        Kind::HostedZone => found(&snapshot.hosted_zone),
        Kind::KmsKey => match kms_key::strange_behind_alias(desired, snapshot) {
            Some(foreign) => found(&foreign),
            None => found(&snapshot.kms_key),
        },
        // Which key is to be taken over depends on it.
        Kind::Ksk => match snapshot.dnssec.unreadable() {
            Some(why) => Found::Unknown(why.to_owned()),
            None => Found::Nothing,
        },
        Kind::LogsKey => found(&snapshot.logs_key),
        Kind::LogGroup => member(snapshot.log_groups.get(addr)),
        Kind::Role => member(snapshot.roles.get(addr)),
        Kind::Function => found(&snapshot.function),
        Kind::RestApi => found(&snapshot.rest_api),
        Kind::Alarm => member(snapshot.alarms.get(addr)),
        Kind::ZoneSigning
        | Kind::Delegation
        | Kind::LogsPolicy
        | Kind::QueryLogging
        | Kind::ApiAccount
        | Kind::MetricFilter => Found::Nothing,
    }
}

fn member<L>(observation: Option<&Observation<L>>) -> Found {
    observation.map_or(Found::Nothing, found)
}

/// What has to be done to take everything over, resource by resource.
pub fn adopt(desired: &Desired, snapshot: &Snapshot) -> Vec<(Addr, Lowered)> {
    let mut lowered: Vec<(Addr, Lowered)> = desired
        .addrs()
        .into_iter()
        .map(|addr| {
            let lowered = match addr.kind() {
                Kind::Delegation => delegation::adopt(&addr, desired, snapshot),
                Kind::HostedZone
                | Kind::JournalGroup
                | Kind::KmsKey
                | Kind::Ksk
                | Kind::ZoneSigning
                | Kind::LogsKey
                | Kind::LogGroup
                | Kind::LogsPolicy
                | Kind::QueryLogging
                | Kind::Role
                | Kind::Function
                | Kind::ApiAccount
                | Kind::RestApi
                | Kind::MetricFilter
                | Kind::Alarm => take_over(&addr, desired, snapshot),
            };
            (addr, lowered)
        })
        .collect();
    // A wait that is longer than one run needs a place for its evidence.
    let keeps_evidence = lowered.iter().any(|(_, lowered)| {
        let mut drafts = lowered.drafts.iter();
        drafts.any(|draft| {
            matches!(
                draft.op,
                Op::JournalGroup(journal_group::Op::Remember { .. })
            )
        })
    });
    if keeps_evidence && matches!(snapshot.journal_group, Observation::Absent) {
        let addr = desired.addr(Kind::JournalGroup);
        let made = journal_group::alone(&addr, desired, snapshot);
        lowered.retain(|(other, _)| *other != addr);
        lowered.insert(0, (addr, made));
        let zone = desired.addr(Kind::HostedZone);
        lowered.push((zone, hosted_zone::as_it_is(desired, snapshot)));
    }
    lowered
}

fn take_over(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let stranger = match at(addr, desired, snapshot) {
        // What is refused is told by the rule that refuses it.
        Found::Nothing | Found::NotOurs(_) => return Lowered::default(),
        Found::Unknown(why) => {
            return Lowered {
                report: vec![Report::Blocked {
                    addr: addr.clone(),
                    why,
                }],
                ..Lowered::default()
            };
        }
        Found::Stranger(stranger) => stranger,
    };
    let tags = own_tags(addr, desired);
    let has = stranger.attributes.iter();
    let mut fields: Vec<Field> = has
        .filter(|(name, _)| {
            name.strip_prefix("tags.")
                .is_none_or(|tag| !tags.contains_key(tag))
        })
        .map(|(name, value)| Field::same(name, value))
        .collect();
    if addr.kind() == Kind::HostedZone {
        fields.push(Field::same("delegated-to", delegated_to(snapshot)));
    }
    fields.extend(tag_fields(&tags, &stranger.tags));
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Adopt,
            fields,
            why: why(addr.kind(), &stranger),
            risk: Risk::Safe,
        }),
        drafts: vec![Draft::new("adopt", tag(addr, desired, stranger.id))],
        ..Lowered::default()
    }
}

/// What the parent's servers say, so that nobody takes over a zone that the world does not use without
/// seeing it.
fn delegated_to(snapshot: &Snapshot) -> String {
    let answers = match snapshot.parent.all() {
        Ok(answers) => answers,
        Err(why) => return format!("(not known: {why})"),
    };
    let mut servers: Vec<&str> = answers
        .iter()
        .flat_map(|answer| answer.name_servers.iter().map(String::as_str))
        .collect();
    servers.sort_unstable();
    servers.dedup();
    match &servers[..] {
        [] => "(nobody delegates it)".to_owned(),
        some => some.join(", "),
    }
}

/// What it means, for those who decide.
fn why(kind: Kind, stranger: &Stranger) -> String {
    let general = "it has one of this stack's names and is no stack's; with these tags it is this stack's: \
                   `apply` then makes it match the document, and `destroy` removes it";
    if kind != Kind::KmsKey {
        return general.to_owned();
    }
    let reach = match stranger.attributes.get(kms_key::ALIAS).map(String::as_str) {
        Some("false") => format!(
            "; the operator may tag it by what `spore-infra policy operator --adopt-key {}` prints",
            stranger.id
        ),
        Some(_) | None => String::new(),
    };
    format!(
        "{general}. `apply` gives it the stack's alias, and a policy by which only this zone is signed with it: \
         key-signing keys of other zones must not use it{reach}"
    )
}

/// The tags that say whose it is. A key may have an alias of its maker's, so that nothing else would show what
/// it is for once no key-signing key names it.
fn own_tags(addr: &Addr, desired: &Desired) -> Tags {
    let mut tags = desired.own_tags();
    if addr.kind() == Kind::KmsKey {
        tags.insert(TAG_PURPOSE.into(), PURPOSE_KSK.into());
    }
    tags
}

/// The call that gives an object the tags that say whose it is.
fn tag(addr: &Addr, desired: &Desired, id: String) -> Op {
    let tags = own_tags(addr, desired);
    let id = Arg::Known(id);
    match addr.kind() {
        Kind::JournalGroup => {
            let arn = desired.log_group_arn(&desired.journal_group());
            Op::JournalGroup(journal_group::Op::Tag { arn, tags })
        }
        Kind::HostedZone => Op::HostedZone(hosted_zone::Op::Tag { zone: id, tags }),
        Kind::KmsKey => Op::KmsKey(kms_key::Op::Tag { key: id, tags }),
        Kind::LogsKey => Op::LogsKey(logs_key::Op::Tag { key: id, tags }),
        Kind::LogGroup => Op::LogGroup(log_group::tag(addr, desired, tags)),
        Kind::Role => {
            let name = desired.role_name();
            Op::Role(role::Op::Tag { name, tags })
        }
        Kind::Function => {
            let arn = desired.function_arn();
            Op::Function(function::Op::Tag { arn, tags })
        }
        Kind::RestApi => Op::RestApi(rest_api::Op::Tag {
            region: desired.region.clone(),
            api: id,
            stage: None,
            tags,
        }),
        Kind::Alarm => Op::Alarm(alarm::tag(addr, desired, tags)),
        Kind::Ksk
        | Kind::ZoneSigning
        | Kind::Delegation
        | Kind::LogsPolicy
        | Kind::QueryLogging
        | Kind::ApiAccount
        | Kind::MetricFilter => {
            panic!("invariant: no {} is a stranger", addr.kind().word())
        }
    }
}

/// What must not be taken over. One such object refuses the whole: who is mistaken about one may be
/// mistaken about all.
pub fn refusals(desired: &Desired, snapshot: &Snapshot) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = desired
        .addrs()
        .into_iter()
        .filter_map(|addr| match at(&addr, desired, snapshot) {
            Found::Nothing | Found::Stranger(_) | Found::Unknown(_) => None,
            Found::NotOurs(why) => Some(Refusal {
                rule: "not-adoptable",
                addr,
                message: format!("{why} (nothing was changed)"),
            }),
        })
        .collect();
    refusals.extend(delegation::not_adoptable(desired, snapshot));
    refusals
}

#[cfg(test)]
mod tests;
