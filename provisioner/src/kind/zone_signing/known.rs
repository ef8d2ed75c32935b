//! Whether resolvers may know the zone's servers, and hold answers of them or a DS record for them, although
//! no parent server shows it any more.
//!
//! A delegation that was taken out a moment ago lives on in resolvers for its TTL, and so does a DS record.
//! What tells of it is what runs noted while they saw it. Who never ran anything meanwhile left no note: what is
//! taken down goes at once then, as nothing was seen to lead to it. What is signed then may have been in use unsigned
//! if the zone is old enough: that costs nothing but the earliest time of its DS record.

use jiff::Timestamp;

use super::{HOLD_DOWN_MIN, may_be_remembered};
use crate::condition::later;
use crate::kind::journal_group::{self, EVIDENCE_DELEGATED, EVIDENCE_DS_GONE, EVIDENCE_DS_TTL};
use crate::snapshot::Snapshot;

/// Whether resolvers may know the zone's servers: a parent server delegates it, or did so until a moment
/// ago, or nobody can tell.
pub fn may_be_known(snapshot: &Snapshot) -> bool {
    let is_there = snapshot.hosted_zone.present().is_some();
    may_be_remembered(&snapshot.hosted_zone, &snapshot.parent)
        || is_there && (is_noted(snapshot) || is_old(snapshot))
}

/// Whether a run saw it delegated, or vouched for.
pub fn is_noted(snapshot: &Snapshot) -> bool {
    let journal = snapshot.journal_group.present();
    let notes = [EVIDENCE_DELEGATED, EVIDENCE_DS_TTL, EVIDENCE_DS_GONE];
    let has = |journal: &journal_group::Live| {
        let mut notes = notes.iter();
        notes.any(|key| journal.evidence(key).is_some())
    };
    journal.is_some_and(has)
}

/// Whether it is there for as long as the least hold-down: nobody asks the people of a parent zone for a
/// record, and for its withdrawal, in less. The journal is made before the zone, and a key after it.
fn is_old(snapshot: &Snapshot) -> bool {
    let journal = snapshot.journal_group.present();
    let keys = snapshot.dnssec.present().map(|dnssec| &dnssec.keys[..]);
    let keys = keys.unwrap_or_default().iter();
    let times: Vec<Timestamp> = keys
        .filter_map(|key| key.created)
        .chain(journal.and_then(|journal| journal.created))
        .collect();
    match times.into_iter().min() {
        Some(made) => snapshot.taken_at >= later(made, HOLD_DOWN_MIN),
        // A journal that is not listed yet was made a moment ago.
        None => journal.is_none(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::snapshot::{Delegated, Observation};

    fn withdrawn(change: impl FnOnce(&mut Snapshot)) -> bool {
        let mut snapshot = fixture::applied();
        snapshot.parent = fixture::parent(Delegated::default());
        change(&mut snapshot);
        may_be_known(&snapshot)
    }

    fn journal(snapshot: &mut Snapshot) -> &mut journal_group::Live {
        let Observation::Present(journal) = &mut snapshot.journal_group else {
            panic!("the fixture has a journal")
        };
        journal
    }

    fn of_key(snapshot: &mut Snapshot, created: &str) {
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.keys[0].created = Some(created.parse().unwrap());
        }
    }

    #[test]
    fn a_young_zone_without_a_note_was_never_delegated() {
        assert!(!withdrawn(|_| {}));
        assert!(!withdrawn(|snapshot| journal(snapshot).created = None));
        assert!(!withdrawn(|snapshot| of_key(
            snapshot,
            "2026-11-21T11:00:01Z"
        )));
        assert!(!withdrawn(
            |snapshot| snapshot.hosted_zone = Observation::Absent
        ));
    }

    #[test]
    fn a_note_or_age_tells_of_a_delegation() {
        for key in [EVIDENCE_DELEGATED, EVIDENCE_DS_TTL, EVIDENCE_DS_GONE] {
            let note = |snapshot: &mut Snapshot| {
                journal(snapshot).tags.insert(key.into(), "3600".into());
            };
            assert!(withdrawn(note), "{key}");
        }
        assert!(withdrawn(|snapshot| {
            journal(snapshot).created = Some("2026-11-21T11:00:00Z".parse().unwrap());
        }));
        assert!(withdrawn(|snapshot| of_key(
            snapshot,
            "2026-11-21T11:00:00Z"
        )));
        // A journal that was lost and made anew makes nothing younger, and one that is lost leaves the keys.
        assert!(withdrawn(|snapshot| {
            journal(snapshot).created = None;
            of_key(snapshot, "2026-11-19T12:00:00Z");
        }));
        assert!(withdrawn(|snapshot| {
            snapshot.journal_group = Observation::Absent;
            of_key(snapshot, "2026-11-19T12:00:00Z");
        }));
    }
}
