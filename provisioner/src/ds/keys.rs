//! Which of the zone's key-signing keys are the stack's, and which of them sign, by what Route 53 and KMS
//! show. Whether every name server serves a key is asked elsewhere ([`Keys::unserved`] takes the answer).

use std::fmt;

use super::DnsKey;
use super::judgement::Keys;
use crate::desired::Desired;
use crate::kind::ksk;
use crate::rotation::{self, Turn};
use crate::snapshot::{Delegated, Observation, Snapshot};

/// Why a key cannot be counted on: by what the zone's name servers say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unserved {
    /// One does not serve it, or not signed with it.
    Lacking(String),
    /// One did not say.
    Unknown(String),
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unserved::Lacking(why) | Unserved::Unknown(why) => f.write_str(why),
        }
    }
}

/// To whom a key-signing key belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Whose {
    /// It is the stack's, and `apply` keeps it as the document says.
    #[default]
    Stack,
    /// It is the stack's other key, which only `ksk rotate` moves.
    Rotation,
    /// Somebody else made it.
    Stranger,
    /// Nobody can tell, as the stack's KMS key could not be read: why.
    Unknown(String),
}

impl Whose {
    /// Whether it is known to be the stack's.
    pub fn is_ours(&self) -> bool {
        match self {
            Whose::Stack | Whose::Rotation => true,
            Whose::Stranger | Whose::Unknown(_) => false,
        }
    }
}

/// To whom a key-signing key belongs: by its KMS key, of which tags and alias tell, or by its name, which
/// only this stack would give.
pub fn whose(desired: &Desired, snapshot: &Snapshot, ksk: &ksk::Key) -> Whose {
    let is_named = desired.is_ksk_name(&ksk.name);
    match &snapshot.kms_key {
        Observation::Present(live) => {
            let is_twin = live.twins.iter().any(|(arn, _)| *arn == ksk.kms_arn);
            match live.arn.as_str() {
                arn if arn == ksk.kms_arn => Whose::Stack,
                _ if !is_twin && !is_named => Whose::Stranger,
                "" => Whose::Stack,
                _ => Whose::Rotation,
            }
        }
        // Which of two is under the alias cannot be told then, but both are the stack's.
        Observation::Absent | Observation::Foreign(_, _) | Observation::Unreadable(_)
            if is_named =>
        {
            Whose::Stack
        }
        Observation::Absent => Whose::Stranger,
        Observation::Foreign(_, Some(stranger)) if stranger.id == ksk.kms_arn => Whose::Stranger,
        Observation::Foreign(why, _) | Observation::Unreadable(why) => Whose::Unknown(why.clone()),
    }
}

/// The state of the KMS key behind a key-signing key, where it keeps Route 53 from using it. Route 53 itself
/// shows that only when it signs next, a day or more later.
pub fn unusable<'a>(snapshot: &'a Snapshot, ksk: &ksk::Key) -> Option<&'a str> {
    let live = snapshot.kms_key.present()?;
    let state = if live.arn == ksk.kms_arn {
        &live.state
    } else if is_gone(snapshot, ksk) {
        return Some(GONE);
    } else {
        let mut twins = live.twins.iter();
        &twins.find(|(arn, _)| *arn == ksk.kms_arn)?.1
    };
    (state != "Enabled").then_some(state.as_str())
}

/// What is said of a KMS key that is no more, in the place of its state.
pub const GONE: &str = "gone for good";

/// Whether KMS knows the key behind a key-signing key no more: nothing brings it back.
pub fn is_gone(snapshot: &Snapshot, ksk: &ksk::Key) -> bool {
    let live = snapshot.kms_key.present();
    live.is_some_and(|live| live.gone.contains(&ksk.kms_arn))
}

/// Why it cannot be told of which key a DS record is: Route 53 shows the DNSKEY record of one in a form that
/// cannot be read.
pub fn unread(snapshot: &Snapshot) -> Option<String> {
    let keys = snapshot.dnssec.present().map(|dnssec| &dnssec.keys[..]);
    let mut keys = keys.unwrap_or_default().iter();
    keys.find_map(|key| {
        let why = DnsKey::parse(&key.dnskey).err()?;
        Some(format!(
            "Route 53 shows no DNSKEY record of key-signing key {} that can be read ({why}), so that nobody can \
             tell which DS records are of it",
            key.name
        ))
    })
}

/// The stack's keys with which Route 53 signs as soon as signing is on; none once it is. A DS record of one is
/// wrong until then, and right from then on.
pub fn to_sign(desired: &Desired, snapshot: &Snapshot) -> Vec<DnsKey> {
    let dnssec = snapshot.dnssec.present();
    let off = dnssec.filter(|live| desired.dnssec && live.signing == "NOT_SIGNING");
    let keys = off.map(|live| &live.keys[..]).unwrap_or_default().iter();
    let ours = keys.filter(|ksk| {
        ksk.status == "ACTIVE"
            && whose(desired, snapshot, ksk).is_ours()
            && unusable(snapshot, ksk).is_none()
    });
    ours.filter_map(|ksk| DnsKey::parse(&ksk.dnskey).ok())
        .collect()
}

/// The rotation under way, if both keys are known to be the stack's: a key that somebody else made is none
/// of it. To a key that is gone for good there is none either: the other one stays the zone's.
pub fn own_turn<'a>(
    desired: &Desired,
    snapshot: &'a Snapshot,
    answers: &[&Delegated],
) -> Option<Turn<'a>> {
    let is_ours = |ksk: &ksk::Key| whose(desired, snapshot, ksk).is_ours();
    rotation::turn(desired, snapshot, answers)
        .filter(|turn| is_ours(turn.old) && is_ours(turn.new) && !is_gone(snapshot, turn.new))
}

impl Keys {
    /// The zone's keys as AWS shows them.
    pub fn of(desired: &Desired, snapshot: &Snapshot) -> Self {
        let mut keys = Keys::default();
        let Some(dnssec) = snapshot.dnssec.present() else {
            return keys;
        };
        let is_signing = dnssec.signing != "NOT_SIGNING";
        for ksk in &dnssec.keys {
            let Ok(key) = DnsKey::parse(&ksk.dnskey) else {
                keys.unread.push(ksk.name.clone());
                continue;
            };
            let is_ours = whose(desired, snapshot, ksk).is_ours();
            let group = match ksk.status.as_str() {
                _ if !is_signing => &mut keys.resting,
                "ACTIVE" | "ACTION_NEEDED" | "INTERNAL_FAILURE" if !is_ours => &mut keys.strange,
                "ACTIVE" if unusable(snapshot, ksk).is_none() => &mut keys.signing,
                // "There is a problem with the KSK": Route 53 serves what it has signed until that ends
                // (Developer Guide, "Working with key-signing keys").
                "ACTIVE" | "ACTION_NEEDED" | "INTERNAL_FAILURE" => &mut keys.failing,
                _ => &mut keys.resting,
            };
            group.push(key);
        }
        keys
    }

    /// Takes a key that signs for one that does not, when a name server does not serve it, or not signed; where
    /// one did not say, nobody can tell.
    pub fn unserved(&mut self, key: &DnsKey, why: &Unserved) {
        self.signing.retain(|signing| signing != key);
        let group = match why {
            Unserved::Lacking(_) => &mut self.resting,
            Unserved::Unknown(_) => &mut self.untold,
        };
        if !group.contains(key) {
            group.push(key.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ds::judgement::{Trust, judge};
    use crate::fixture;
    use crate::snapshot::Observation;

    /// The name that the fixture's key-signing key has.
    const KSK: &str = "spore_spore_example_edu_1";
    const OURS: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";

    /// One key of this name, KMS key and status; the groups with a key in them.
    fn groups(name: &str, arn: &str, status: &str, signing: &str) -> [usize; 4] {
        let mut snapshot = fixture::applied();
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.signing = signing.into();
            let key = &mut dnssec.keys[0];
            (key.name, key.kms_arn) = (name.into(), arn.into());
            (key.status, key.dnskey) = (status.into(), OURS.into());
        }
        let keys = Keys::of(&fixture::desired(), &snapshot);
        [keys.signing, keys.failing, keys.resting, keys.strange].map(|keys| keys.len())
    }

    #[test]
    fn status_and_owner_decide_what_a_key_is_worth() {
        const NAME: &str = "spore_spore_example_edu_2";
        const OTHER: &str = "arn:aws:kms:us-east-1:123456789012:key/2";
        for (name, arn, status, expected) in [
            (NAME, OTHER, "ACTIVE", [1, 0, 0, 0]),
            ("any", fixture::KEY, "ACTIVE", [1, 0, 0, 0]),
            ("any", OTHER, "ACTIVE", [0, 0, 0, 1]),
            ("any", OTHER, "INACTIVE", [0, 0, 1, 0]),
            (NAME, OTHER, "ACTION_NEEDED", [0, 1, 0, 0]),
            (NAME, OTHER, "INTERNAL_FAILURE", [0, 1, 0, 0]),
            (NAME, OTHER, "INACTIVE", [0, 0, 1, 0]),
            (NAME, OTHER, "DELETING", [0, 0, 1, 0]),
            (NAME, OTHER, "SOMETHING_NEW", [0, 0, 1, 0]),
        ] {
            let found = groups(name, arn, status, "SIGNING");
            assert_eq!(found, expected, "{name} {arn} {status}");
            let found = groups(name, arn, status, "NOT_SIGNING");
            assert_eq!(found, [0, 0, 1, 0], "{name} {arn} {status}");
        }
    }

    #[test]
    fn what_may_be_of_a_key_that_cannot_be_read_is_not_judged() {
        let desired = fixture::desired();
        for shown in ["", "257 3 13 ?"] {
            let mut snapshot = fixture::applied();
            assert_eq!(unread(&snapshot), None);
            if let Observation::Present(dnssec) = &mut snapshot.dnssec {
                dnssec.keys[0].dnskey = shown.into();
            }
            let keys = Keys::of(&desired, &snapshot);
            assert_eq!(keys.unread, [KSK], "{shown}");
            let ds = crate::ds::Ds::parse(&format!("10831 13 2 {}", "AB".repeat(32)));
            let records: Vec<_> = ds.into_iter().collect();
            let judgement = judge(&desired.domain, &keys, &records);
            assert_eq!(judgement.trust, Trust::Untold, "{shown}");
            let why = unread(&snapshot).unwrap_or_default();
            assert!(why.contains(KSK), "{why}");
        }
    }

    #[test]
    fn a_key_that_kms_withholds_fails_before_route_53_says_so() {
        for (state, expected) in [
            ("Enabled", [1, 0]),
            ("Disabled", [0, 1]),
            ("PendingDeletion", [0, 1]),
        ] {
            let mut snapshot = fixture::applied();
            if let Observation::Present(dnssec) = &mut snapshot.dnssec {
                dnssec.keys[0].dnskey = OURS.into();
            }
            if let Observation::Present(key) = &mut snapshot.kms_key {
                key.state = state.into();
            }
            let keys = Keys::of(&fixture::desired(), &snapshot);
            assert_eq!(
                [keys.signing.len(), keys.failing.len()],
                expected,
                "{state}"
            );
        }
    }

    #[test]
    fn the_key_under_the_alias_is_the_stacks_and_the_other_one_the_rotations() {
        let mut snapshot = fixture::applied();
        let ksk = |name: &str, arn: &str| ksk::Key {
            name: name.into(),
            kms_arn: arn.into(),
            ..ksk::Key::default()
        };
        let desired = fixture::desired();
        let second = ksk("spore_spore_example_edu_2", "arn:other");
        let strange = ksk("theirs", "arn:theirs");
        let aliased = ksk("any", fixture::KEY);
        assert_eq!(whose(&desired, &snapshot, &aliased), Whose::Stack);
        assert_eq!(whose(&desired, &snapshot, &second), Whose::Rotation);
        assert_eq!(whose(&desired, &snapshot, &strange), Whose::Stranger);
        // Which of two is under the alias cannot be told without the alias.
        snapshot.kms_key = Observation::Absent;
        assert_eq!(whose(&desired, &snapshot, &second), Whose::Stack);
        assert_eq!(whose(&desired, &snapshot, &strange), Whose::Stranger);
    }

    #[test]
    fn a_key_is_nobodys_while_kms_cannot_be_read() {
        let desired = fixture::desired();
        let mut snapshot = fixture::applied();
        let why = "kms:DescribeKey: AccessDeniedException";
        snapshot.kms_key = Observation::Unreadable(why.into());
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.keys.push(ksk::Key {
                name: "named_by_hand".into(),
                dnskey: OURS.into(),
                status: "ACTIVE".into(),
                ..ksk::Key::default()
            });
        }
        let named_by_hand = snapshot.dnssec.present().map(|live| live.keys[1].clone());
        let found = whose(&desired, &snapshot, &named_by_hand.unwrap_or_default());
        assert_eq!(found, Whose::Unknown(why.into()));
        assert!(!found.is_ours());
        // It is none of a rotation of the stack's, and its record does not stand for a key of the stack's.
        assert_eq!(own_turn(&desired, &snapshot, &[]), None);
        assert_eq!(Keys::of(&desired, &snapshot).strange.len(), 1);
        // The name that only this stack gives says enough.
        let [first, _] = desired.ksk_names();
        let named = ksk::Key {
            name: first,
            ..ksk::Key::default()
        };
        assert_eq!(whose(&desired, &snapshot, &named), Whose::Stack);
    }
}
