//! What stands against a rotation although nothing is wrong with what the parent publishes, as another one has just
//! ended or an apply has something to finish first; and what stands against going back.

use std::time::Duration;

use super::loss::{self, Lost, way_after_loss};
use super::{
    EVIDENCE_OLD_GONE, EVIDENCE_ROTATED, Stage, ds_line, evidence, judged, stage, stands_against,
    vouched,
};
use crate::addr::Kind;
use crate::condition::later;
use crate::desired::Desired;
use crate::kind::delegation;
use crate::kind::ksk::{KSKS_MAX, Key};
use crate::safety::Refusal;
use crate::snapshot::Snapshot;

/// Id of the rule against a rotation right after another one.
pub const JUST_ROTATED: &str = "just-rotated";

/// Id of the rule against going back while the parent has what that would take away.
pub const PAST_ABORT: &str = "past-abort";

/// How long after a rotation nobody means another one: what looks like the beginning of one is the repetition
/// of a command that died at its end. It covers whoever comes back the next morning.
const SETTLES: Duration = Duration::from_secs(86_400);

/// What stands against beginning a rotation when one has just ended.
pub fn just_rotated(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let Some(Stage::One(key)) = stage(snapshot) else {
        return None;
    };
    let ended = evidence(snapshot, EVIDENCE_ROTATED)?;
    (snapshot.taken_at < later(ended, SETTLES)).then(|| Refusal {
        rule: JUST_ROTATED,
        addr: desired.addr(Kind::Ksk),
        message: format!(
            "a rotation ended at {ended:.0}, less than a day ago: its other key was taken down then, {} is the zone's \
             key, and nothing of it is left to do; if {} is to be replaced all the same, as after somebody else has \
             had the use of it, pass --again (nothing was changed)",
            key.name, key.name
        ),
    })
}

/// Why the stack is not as an apply leaves it, in what a rotation builds on.
pub(super) fn not_whole(snapshot: &Snapshot) -> Option<String> {
    unfounded(snapshot).or_else(|| keys_not_whole(snapshot))
}

/// The same, but for the keys.
pub(super) fn unfounded(snapshot: &Snapshot) -> Option<String> {
    if snapshot.journal_group.present().is_none() {
        return Some("there is no journal to keep evidence in".into());
    }
    if snapshot.hosted_zone.present().is_none() {
        return Some("there is no hosted zone of this stack".into());
    }
    let dnssec = snapshot.dnssec.present();
    let signing = dnssec.map_or("unknown", |dnssec| dnssec.signing.as_str());
    // Of two keys, either may be what signing waits for; the rotation cures or removes that one.
    let is_turning = matches!(stage(snapshot), Some(Stage::Two { .. }));
    if signing != "SIGNING" && !(is_turning && signing == "ACTION_NEEDED") {
        return Some(format!("signing is {signing}"));
    }
    None
}

fn keys_not_whole(snapshot: &Snapshot) -> Option<String> {
    let dnssec = snapshot.dnssec.present();
    let kms = snapshot.kms_key.present();
    if !kms.is_some_and(|key| key.has_alias && key.state == "Enabled") {
        return Some("the stack's KMS key is not in use under its alias".into());
    }
    let keys = dnssec.map(|dnssec| &dnssec.keys[..]).unwrap_or_default();
    let arn = kms.map_or("", |key| key.arn.as_str());
    match stage(snapshot) {
        None => Some(format!(
            "the zone has {} key-signing keys, of at most {KSKS_MAX}",
            keys.len()
        )),
        Some(Stage::One(key) | Stage::Ended(key)) if key.status != "ACTIVE" => {
            Some(format!("key-signing key {} is {}", key.name, key.status))
        }
        // The key under the alias is cured by an apply, the other one here.
        Some(Stage::Two { old, .. }) if old.kms_arn == arn && old.status != "ACTIVE" => {
            Some(format!("key-signing key {} is {}", old.name, old.status))
        }
        Some(Stage::One(_) | Stage::Ended(_) | Stage::Two { .. }) => None,
    }
}

/// What stands against going back.
pub fn may_abort(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let past_abort = |why: String| {
        Some(Refusal {
            rule: PAST_ABORT,
            addr: desired.addr(Kind::Ksk),
            message: format!("{why} (nothing was changed)"),
        })
    };
    let lost = match stage(snapshot) {
        Some(Stage::Two { old, new }) => loss::of(snapshot, old, new),
        Some(Stage::One(_) | Stage::Ended(_)) | None => None,
    };
    // The key that would stay is the one that is gone.
    if lost == Some(Lost::Old)
        && let Some(way) = way_after_loss(desired, snapshot)
    {
        return past_abort(way);
    }
    if let Some(refusal) = stands_against(desired, snapshot, not_whole(snapshot)) {
        return Some(refusal);
    }
    let Some(Stage::Two { old, new }) = stage(snapshot) else {
        return None;
    };
    // There is no going on with a key that is gone, and whoever remembers its DS record alone is waited for.
    if lost == Some(Lost::New) {
        return loss::before_abort(desired, snapshot, old, new).and_then(past_abort);
    }
    let answers = snapshot.parent.all().unwrap_or_default();
    let seen = vouched(&judged(desired, snapshot, &answers), old, new);
    let alias_moved = snapshot
        .kms_key
        .present()
        .is_some_and(|key| key.arn == new.kms_arn);
    let why = if seen.any && !seen.old_everywhere {
        // Resolvers may hold a DS set without the old key's, for which only the new one stands.
        format!(
            "not every parent server has the DS record of {}; go on with `spore-infra ksk rotate`",
            old.name
        )
    } else if seen.new_somewhere && !can_take_back(desired, snapshot, old, new) {
        format!(
            "a parent server has the DS record of {}: have it removed there first: {}",
            new.name,
            ds_line(desired, snapshot, new)
        )
    } else if alias_moved || old.status != "ACTIVE" {
        format!(
            "{} is being taken down already; go on with `spore-infra ksk rotate`",
            old.name
        )
    } else if let Some(since) = evidence(snapshot, EVIDENCE_OLD_GONE) {
        // Resolvers that asked meanwhile may remember a DS set without the old key's.
        format!(
            "the parent was without the DS record of {} at {since}, and resolvers may remember that; go \
             on with `spore-infra ksk rotate`",
            old.name
        )
    } else {
        return None;
    };
    past_abort(why)
}

/// Whether the new key's DS record is ours to take out of the parent zone beside the old one's.
fn can_take_back(desired: &Desired, snapshot: &Snapshot, old: &Key, new: &Key) -> bool {
    delegation::held(desired, snapshot).is_some_and(|set| {
        [old, new]
            .iter()
            .all(|key| delegation::is_published(desired, set, key))
    })
}
