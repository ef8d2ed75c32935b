//! The two keys of a rotation as others see them: when the parent may act, which command goes on, and what that has to
//! write down first.

use jiff::Timestamp;

use super::{
    DNSKEY_TTL, EVIDENCE_ABORT, EVIDENCE_BOTH, EVIDENCE_NEXT, EVIDENCE_OLD_GONE, Stage, ds_ttl,
    evidence, is_under_way, judged, stage, vouched,
};
use crate::condition::later;
use crate::desired::Desired;
use crate::kind::ksk::Key;
use crate::kind::zone_signing::{self, Unsigned};
use crate::plan::{self, Plan};
use crate::snapshot::{Delegated, Snapshot};

/// The two keys of a rotation under way, and when the parent may act, for those who ask it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn<'a> {
    /// The key that goes.
    pub old: &'a Key,
    /// The key that comes.
    pub new: &'a Key,
    /// The earliest time for the new key's DS record, and why not before.
    pub add_from: (Timestamp, String),
    /// The earliest time for taking the old key's DS record out, and why not before.
    pub remove_from: (Timestamp, String),
    /// Since when it is being given up, if so: then the new key is the one that goes.
    pub given_up: Option<&'a str>,
}

impl Turn<'_> {
    /// That it is being given up, as people say it.
    pub fn told_given_up(&self) -> Option<String> {
        let since = self.given_up?;
        let (old, new) = (&self.old.name, &self.new.name);
        Some(format!(
            "the rotation from {old} to {new} is being given up since {since}"
        ))
    }
}

/// Both ways on from a rotation that is being given up.
pub const ABORT_WAYS: &str = "run `spore-infra ksk rotate --abort` to go on with that, or `spore-infra ksk rotate` \
                              first if the rotation is to go on after all";

/// What a rotation under way, or its end, has to write down before anybody changes the parent's records: since when
/// these are as they are now. What is refused writes nothing, and says what comes before it.
pub fn is_to_be_noted(desired: &Desired, snapshot: &Snapshot) -> bool {
    if !is_under_way(snapshot) {
        return false;
    }
    let plan = goes_on(desired, snapshot);
    plan.takes_note() && plan.refusals.is_empty() && plan.blocked().is_empty()
}

/// The plan of the command that goes on with what is under way.
pub fn goes_on(desired: &Desired, snapshot: &Snapshot) -> Plan {
    if is_given_up(snapshot) {
        plan::abort_rotation(desired, snapshot)
    } else {
        plan::rotate(desired, snapshot)
    }
}

/// That command.
pub fn command(snapshot: &Snapshot) -> &'static str {
    if is_given_up(snapshot) {
        "spore-infra ksk rotate --abort"
    } else {
        "spore-infra ksk rotate"
    }
}

/// Whether a rotation is being given up.
pub fn is_given_up(snapshot: &Snapshot) -> bool {
    given_up(snapshot).is_some()
}

fn given_up(snapshot: &Snapshot) -> Option<&str> {
    let journal = snapshot.journal_group.present()?;
    journal.evidence(EVIDENCE_ABORT)
}

/// Since when every parent server has had both records, by evidence that what they show does not contradict.
pub(super) fn both_since(
    desired: &Desired,
    snapshot: &Snapshot,
    answers: &[&Delegated],
) -> Option<Timestamp> {
    let Some(Stage::Two { old, new }) = stage(snapshot) else {
        return None;
    };
    let seen = vouched(&judged(desired, snapshot, answers), old, new);
    // One of them was gone in between, or is.
    let was_gone = seen.old_somewhere && evidence(snapshot, EVIDENCE_OLD_GONE).is_some();
    let since = evidence(snapshot, EVIDENCE_BOTH)?;
    (!was_gone && seen.new_everywhere).then_some(since)
}

/// The rotation under way, if there is one.
pub fn turn<'a>(
    desired: &Desired,
    snapshot: &'a Snapshot,
    answers: &[&Delegated],
) -> Option<Turn<'a>> {
    let Some(Stage::Two { old, new }) = stage(snapshot) else {
        return None;
    };
    let Times {
        add_from,
        remove_from,
    } = times(desired, snapshot, answers);
    Some(Turn {
        old,
        new,
        add_from,
        remove_from,
        given_up: given_up(snapshot),
    })
}

/// The earliest times for the parent, and why not before.
pub(super) struct Times {
    pub(super) add_from: (Timestamp, String),
    pub(super) remove_from: (Timestamp, String),
}

/// A time of which there is no evidence counts from the snapshot; `ksk rotate` writes the evidence down.
pub(super) fn times(desired: &Desired, snapshot: &Snapshot, answers: &[&Delegated]) -> Times {
    let counted = |since: Option<Timestamp>| {
        match since {
        Some(since) => (since, format!("since {since:.0}, by the journal")),
        None => (
            snapshot.taken_at,
            "from now on, as the journal does not say since when; `spore-infra ksk rotate` notes it"
                .to_owned(),
        ),
    }
    };
    // Nobody asks for a zone that no server of the parent shows, if all have answered.
    let is_shown = |answer: &&Delegated| !answer.name_servers.is_empty() || !answer.ds.is_empty();
    if snapshot.parent.all().is_ok()
        && !answers.iter().any(is_shown)
        && !zone_signing::known::is_noted(snapshot)
    {
        let at_once = || {
            (
                snapshot.taken_at,
                "no parent server delegates the zone".to_owned(),
            )
        };
        return Times {
            add_from: at_once(),
            remove_from: at_once(),
        };
    }
    let (next_since, next_source) = counted(evidence(snapshot, EVIDENCE_NEXT));
    let (both_since, both_source) = counted(both_since(desired, snapshot, answers));
    let ds_ttl = ds_ttl(snapshot, answers);
    let published = later(next_since, DNSKEY_TTL);
    let unsigned = zone_signing::unsigned(desired, snapshot);
    let add_from = match (&unsigned, unsigned.why()) {
        (Unsigned::Until(memory), Some(why)) if memory.until > published => (memory.until, why),
        (Unsigned::No | Unsigned::Until(_) | Unsigned::Unknown(_), _) => (
            published,
            format!(
                "until then resolvers may remember a DNSKEY set without the new key, for its TTL of \
                 {} s; every name server has the key {next_source}",
                DNSKEY_TTL.as_secs()
            ),
        ),
    };
    Times {
        add_from,
        remove_from: (
            later(both_since, ds_ttl).max(published),
            format!(
                "until then resolvers may remember the DS set without the new key, for {} s, the \
                 largest TTL seen of it, at least an hour; every parent server has both records \
                 {both_source}",
                ds_ttl.as_secs()
            ),
        ),
    }
}
