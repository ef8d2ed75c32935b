//! The way on where one of the two keys of a rotation has lost its KMS key for good. Route 53 cannot sign with it
//! any more, activating it fails, and what it has signed ends within days. The other key stands for the zone,
//! whichever it is:
//!
//! ```text
//! gone  the parent vouches for  way
//! new   old, or nothing         ksk rotate --abort
//! new   old and new             the new record out, ksk rotate --abort
//! new   not old everywhere      the old record in the place of the new one, ksk rotate --abort
//! old   whatever                ksk rotate, every step and every hold-down of it
//! both                          `kms_key::lost`
//! ```
//!
//! Where the parent zone is ours to write, `--abort` puts its records right by itself.

use super::gate::not_whole;
use super::{Stage, ds_line, judged, stage, vouched};
use crate::desired::Desired;
use crate::ds::DnsKey;
use crate::ds::keys::{is_gone, whose};
use crate::kind::delegation;
use crate::kind::ksk::Key;
use crate::snapshot::Snapshot;

/// Which of the two keys it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Old,
    New,
}

/// Which of two keys has lost its KMS key, if one has, and the other has not.
pub(super) fn of(snapshot: &Snapshot, old: &Key, new: &Key) -> Option<Lost> {
    match (is_gone(snapshot, old), is_gone(snapshot, new)) {
        (true, false) => Some(Lost::Old),
        (false, true) => Some(Lost::New),
        (true, true) | (false, false) => None,
    }
}

/// What is lost, and the one way to a zone that is whole again.
pub fn way_after_loss(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    let Some(Stage::Two { old, new }) = stage(snapshot) else {
        return None;
    };
    let is_ours = |key| whose(desired, snapshot, key).is_ours();
    if !is_ours(old) || !is_ours(new) {
        return None;
    }
    let lost = of(snapshot, old, new)?;
    // The key that stays has to be whole for going back, and an apply sees to that.
    if lost == Lost::New && (!desired.dnssec || not_whole(snapshot).is_some()) {
        return None;
    }
    Some(match lost {
        Lost::Old => format!(
            "the KMS key of {}, {}, is gone for good; {} takes its place: go on with `spore-infra ksk rotate`, which \
             says what the parent has to do",
            old.name, old.kms_arn, new.name
        ),
        Lost::New => format!(
            "the KMS key of {}, {}, is gone for good, so the rotation to it cannot go on; {} stays the zone's key: \
             {}",
            new.name,
            new.kms_arn,
            old.name,
            without_new(desired, snapshot, old, new)
        ),
    })
}

/// What the parent has to do before the new key can be taken down, and the command that does that.
fn without_new(desired: &Desired, snapshot: &Snapshot, old: &Key, new: &Key) -> String {
    let abort = "run `spore-infra ksk rotate --abort`, which takes it down when no resolver remembers a DS record \
                 of it; after that a rotation can begin anew";
    before_abort(desired, snapshot, old, new).map_or_else(
        || abort.to_owned(),
        |first| format!("{first}; then {abort}"),
    )
}

/// What the parent's people have to do first, if anything.
pub(super) fn before_abort(
    desired: &Desired,
    snapshot: &Snapshot,
    old: &Key,
    new: &Key,
) -> Option<String> {
    let answers = snapshot.parent.all().ok()?;
    let seen = vouched(&judged(desired, snapshot, &answers), old, new);
    if can_put_right(desired, snapshot, new) {
        None
    } else if seen.any && !seen.old_everywhere {
        Some(format!(
            "have the DS record of {} published at the parent at once, in the place of that of {} or beside it: {} \
             (`spore-infra handover --step ds-add` writes the text)",
            old.name,
            new.name,
            ds_line(desired, snapshot, old)
        ))
    } else if seen.new_somewhere {
        let tag = DnsKey::parse(&new.dnskey).map_or(0, |key| key.key_tag());
        Some(format!(
            "have the DS record of {} taken out at the parent: {} (`spore-infra handover --step ds-remove --key-tag \
             {tag}` writes the text)",
            new.name,
            ds_line(desired, snapshot, new)
        ))
    } else {
        None
    }
}

/// Whether going back writes the parent's records itself.
fn can_put_right(desired: &Desired, snapshot: &Snapshot, new: &Key) -> bool {
    delegation::held(desired, snapshot)
        .is_some_and(|set| delegation::is_published(desired, set, new))
}
