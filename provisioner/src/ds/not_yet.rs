//! Why the DS record of a key may not be published yet, until when, and what to do about it.

use std::fmt;

use jiff::Timestamp;

use super::keys::{Whose, is_gone, unusable, whose};
use crate::desired::Desired;
use crate::kind::ksk;
use crate::kind::zone_signing::{self, Unsigned};
use crate::snapshot::Snapshot;

/// What has to come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotYet {
    /// Route 53 does not sign with the key.
    Key {
        /// Its name, its status and AWS's text to it.
        what: String,
        /// The command that cures it.
        cure: &'static str,
    },
    /// Route 53 does not sign the zone: its status and AWS's text to it.
    Signing(String),
    /// Route 53 does not sign the zone before its parent delegates to the zone's servers.
    Delegation {
        /// Who delegates it where.
        what: String,
        /// What to do, in order.
        way: String,
    },
    /// Resolvers may remember answers from before.
    Remembered {
        /// Until when.
        until: Timestamp,
        /// Which, and until when.
        why: String,
    },
    /// They may, and nobody knows until when; why, and what to do.
    Unknown(String),
    /// Not every name server serves the zone's keys, signed with this one.
    Unserved(String),
    /// It is on its way out: the zone is being taken down, or the rotation that it came with is given up.
    Leaving {
        /// That, and since when.
        why: String,
        /// Both ways on.
        ways: String,
        /// Whether it is signed with the key all the same, so far.
        signs: bool,
    },
}

/// What Route 53 and the journal say against a key's DS record; that every name server serves the key is
/// asked after this.
pub fn not_yet(desired: &Desired, snapshot: &Snapshot, ksk: &ksk::Key) -> Option<NotYet> {
    let dnssec = snapshot.dnssec.present()?;
    let unusable = unusable(snapshot, ksk);
    if ksk.status != "ACTIVE" || unusable.is_some() {
        let cure = match whose(desired, snapshot, ksk) {
            // It says what is left to do.
            _ if is_gone(snapshot, ksk) => "spore-infra plan",
            Whose::Stack => "spore-infra apply",
            Whose::Rotation => "spore-infra ksk rotate",
            Whose::Stranger | Whose::Unknown(_) => "spore-infra plan",
        };
        let what = format!("{} is {} {}", ksk.name, ksk.status, ksk.message);
        let mut what = what.trim_end().to_owned();
        if let Some(state) = unusable {
            what.push_str(&format!("; its KMS key is {state}"));
        }
        return Some(NotYet::Key { what, cure });
    }
    // Of two keys, the other one may be what signing is said to wait for.
    let is_turning = dnssec.keys.len() > 1 && dnssec.signing == "ACTION_NEEDED";
    if let Some(elsewhere) = zone_signing::awaits_delegation(desired, snapshot) {
        return Some(NotYet::Delegation {
            what: format!("{} {}", elsewhere.parent, elsewhere.said(desired)),
            way: elsewhere.way(desired),
        });
    }
    if dnssec.signing != "SIGNING" && !is_turning {
        let what = format!("{} {}", dnssec.signing, dnssec.signing_message);
        return Some(NotYet::Signing(what.trim_end().to_owned()));
    }
    let unsigned = zone_signing::unsigned(desired, snapshot);
    let why = unsigned.why()?;
    Some(match unsigned {
        Unsigned::Until(memory) => NotYet::Remembered {
            until: memory.until,
            why,
        },
        Unsigned::No | Unsigned::Unknown(_) => NotYet::Unknown(why),
    })
}

impl NotYet {
    /// Whether the key signs all the same, so that a record of it that is there already is right.
    pub fn signs(&self) -> bool {
        match self {
            NotYet::Remembered { .. } | NotYet::Unknown(_) => true,
            NotYet::Leaving { signs, .. } => *signs,
            NotYet::Key { .. }
            | NotYet::Signing(_)
            | NotYet::Delegation { .. }
            | NotYet::Unserved(_) => false,
        }
    }

    /// What is true where the parent has the key's record all the same; `has` says who has it. A record of a key
    /// that signs is right: taking it out would only have more resolvers remember something else.
    /// What to do is left out where it is told in full beside it.
    pub fn beside(&self, has: &str, way: Option<&str>) -> String {
        match self {
            NotYet::Remembered { why, .. } => format!(
                "{has} of the zone's key already, which is right and stays: {why}, and those of them that validate may \
                 refuse its names until then"
            ),
            NotYet::Unknown(why) => format!(
                "{has} of the zone's key already, which is right and stays; how long resolvers may refuse the zone's \
                 names for what they remember, nobody can tell: {why}"
            ),
            NotYet::Leaving { why, .. } => format!(
                "{has} of the zone's key, which has to be taken out before the key may go: {why}"
            ),
            NotYet::Key { .. }
            | NotYet::Signing(_)
            | NotYet::Delegation { .. }
            | NotYet::Unserved(_) => {
                let why = match way {
                    Some(way) => format!("{self}; {way}"),
                    None => self.in_short(),
                };
                format!(
                    "{has} of the zone's key already, and validating resolvers refuse the zone's names until it is \
                     right: {why}"
                )
            }
        }
    }

    /// Why, where what has to come first is told in full beside it.
    pub fn in_short(&self) -> String {
        match self {
            NotYet::Delegation { .. } => {
                "the zone is not signed before it is delegated to its servers".into()
            }
            NotYet::Key { .. }
            | NotYet::Signing(_)
            | NotYet::Remembered { .. }
            | NotYet::Unknown(_)
            | NotYet::Unserved(_)
            | NotYet::Leaving { .. } => self.to_string(),
        }
    }

    /// What to do, as a sentence without its stop.
    pub fn remedy(&self) -> String {
        match self {
            NotYet::Key { cure, .. } => format!("run `{cure}`"),
            NotYet::Signing(_) => "run `spore-infra apply`".into(),
            NotYet::Delegation { way, .. } => way.clone(),
            NotYet::Remembered { until, .. } => format!("ask again at {until:.0}"),
            NotYet::Unknown(_) => "ask again when that is done".into(),
            NotYet::Unserved(_) => "ask again in a minute".into(),
            NotYet::Leaving { ways, .. } => ways.clone(),
        }
    }
}

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotYet::Key { what, .. } => write!(f, "key-signing key {what}"),
            NotYet::Signing(what) => write!(f, "signing is {what}"),
            NotYet::Delegation { what, .. } => write!(f, "the zone is not signed: {what}"),
            NotYet::Remembered { why, .. } | NotYet::Unknown(why) | NotYet::Leaving { why, .. } => {
                f.write_str(why)
            }
            NotYet::Unserved(why) => write!(f, "not every name server is ready: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::kind::journal_group::{EVIDENCE_SIGNED, EVIDENCE_SIGNED_TTL};
    use crate::snapshot::Observation;

    fn found(change: impl FnOnce(&mut Snapshot, &mut ksk::Live)) -> Option<NotYet> {
        let mut snapshot = fixture::applied();
        let Observation::Present(mut live) = snapshot.dnssec.clone() else {
            panic!("the fixture has a key")
        };
        change(&mut snapshot, &mut live);
        let key = live.keys[0].clone();
        snapshot.dnssec = Observation::Present(live);
        not_yet(&fixture::desired(), &snapshot, &key)
    }

    #[test]
    fn each_reason_has_its_own_remedy_and_time() {
        assert_eq!(found(|_, _| {}), None);
        let failing = found(|_, live| {
            live.keys[0].status = "ACTION_NEEDED".into();
            live.keys[0].message = "The key is disabled.".into();
            live.signing = "ACTION_NEEDED".into();
        });
        let Some(failing) = failing else {
            panic!("a reason is expected")
        };
        assert!(
            failing
                .to_string()
                .contains("ACTION_NEEDED The key is disabled.")
        );
        assert!(failing.remedy().contains("apply") && !failing.signs());
        // The second key of a rotation is not apply's.
        let second = found(|_, live| {
            live.keys[0].status = "INACTIVE".into();
            live.keys[0].kms_arn = "arn:other".into();
        });
        assert!(second.is_some_and(|why| why.remedy().contains("ksk rotate")));
        let off = found(|_, live| live.signing = "NOT_SIGNING".into());
        assert!(off.is_some_and(|why| why.remedy().contains("apply")));

        // Signed half an hour ago, and the largest TTL of the zone is two days.
        let held = found(|snapshot, _| {
            if let Observation::Present(journal) = &mut snapshot.journal_group {
                let since = "2026-11-21T11:30:00Z".to_owned();
                journal.tags.insert(EVIDENCE_SIGNED.into(), since);
                let ttl = "172800".to_owned();
                journal.tags.insert(EVIDENCE_SIGNED_TTL.into(), ttl);
            }
        });
        let Some(held) = held else {
            panic!("a hold-down is expected")
        };
        assert!(held.signs());
        assert_eq!(held.remedy(), "ask again at 2026-11-23T11:30:00Z");
    }

    /// A record that the parent has already is not one that may not be published.
    #[test]
    fn a_record_that_is_there_is_told_as_what_it_is() {
        let has = "example.edu has DS 12345";
        let remembered = NotYet::Remembered {
            until: jiff::Timestamp::UNIX_EPOCH,
            why: "resolvers may remember unsigned answers until THEN".into(),
        };
        let delegation = NotYet::Delegation {
            what: "it delegates elsewhere".into(),
            way: "have it corrected".into(),
        };
        for (why, words) in [
            (
                remembered,
                "is right and stays: resolvers may remember unsigned answers until THEN",
            ),
            (
                NotYet::Unknown("no journal".into()),
                "is right and stays; how long",
            ),
            (
                NotYet::Signing("NOT_SIGNING".into()),
                "until it is right: signing is NOT_SIGNING; run",
            ),
            (
                NotYet::Unserved("ns-1 lags".into()),
                "until it is right: not every name server",
            ),
            (
                NotYet::Leaving {
                    why: "a destroy began".into(),
                    ways: "go on".into(),
                    signs: true,
                },
                "has to be taken out before the key may go: a destroy began",
            ),
            (
                delegation,
                "until it is right: the zone is not signed: it delegates elsewhere; have",
            ),
        ] {
            let way = why.remedy();
            let told = why.beside(has, Some(&way));
            assert!(told.starts_with(has) && told.contains(words), "{told}");
            assert!(!told.contains("may not be published"), "{told}");
            let short = why.beside(has, None);
            assert!(!short.contains("have it corrected"), "{short}");
        }
    }

    #[test]
    fn a_failing_key_does_not_stand_in_the_way_of_the_other_one() {
        let why = found(|_, live| {
            let old = ksk::Key {
                name: "spore_spore_example_edu_2".into(),
                status: "ACTION_NEEDED".into(),
                ..ksk::Key::default()
            };
            live.keys.push(old);
            live.signing = "ACTION_NEEDED".into();
        });
        assert_eq!(why, None);
    }
}
