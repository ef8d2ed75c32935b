//! What each name server of a zone serves while changes are on their way.
//!
//! A change counts for the API at once and for each of the four servers at its own time. Every change
//! that some server has not got yet keeps what was there before it, so a server's view is the zone
//! with the changes it has not got taken back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Deserializer, Serialize};

use super::{HostedZone, Ksk, RecordSet, RecordType, Slot, State, Window, routing, signatures};
use crate::dns::{DnsName, Dnskey};
use crate::world::{Random, World};

/// Aliases for aliases that are followed.
const ALIAS_CHAIN_MAX: u8 = 8;

/// A change that is not in sync yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// When each of the zone's servers begins to serve it.
    pub current_at: [Timestamp; 4],
    /// What it changed, as it was before.
    pub before: Before,
}

/// What was there before a change.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Before {
    /// The zone did not exist.
    pub absent: bool,
    /// Each record set it touched.
    pub sets: Vec<BeforeSet>,
    /// The keys, if it touched them: none means the zone was not signed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "touched"
    )]
    pub keys: Option<Option<ServedKeys>>,
}

/// What is stored was touched: JSON has one null for both, so untouched keys are left out.
fn touched<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<ServedKeys>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// One record set as it was; none if there was none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BeforeSet {
    pub name: DnsName,
    #[serde(rename = "record_type")]
    pub slot: Slot,
    pub set: Option<RecordSet>,
}

/// The keys of a signed zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedKeys {
    /// Every active KSK: KMS signs with it.
    pub ksks: Vec<ServedKey>,
    /// The zone-signing key.
    pub(super) zsk: Zsk,
}

/// A KSK a zone is served with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedKey {
    /// ARN of the KMS key.
    pub kms_arn: String,
    /// Base64 of the public key.
    pub(super) public_key: super::signing_keys::PublicKey,
    /// When it last signed this set of keys; none if it could not.
    #[serde(default)]
    pub(super) signed: Option<Timestamp>,
}

impl ServedKey {
    /// The key as DNS serves it.
    pub fn dnskey(&self) -> Dnskey {
        self.public_key.dnskey()
    }

    /// The validity of the signature that is served at a time; none if the key has not signed.
    pub fn window(&self, now: Timestamp) -> Option<Window> {
        Some(signatures::window(self.signed?, now))
    }
}

/// The secret of a zone-signing key in hex. It signs simulated zones only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Zsk(String);

impl Zsk {
    /// A new key from the world's generator.
    pub(super) fn draw(random: &mut Random) -> Self {
        loop {
            let secret: [u8; 32] = random.bytes();
            // All but about 2^-32 of the values are secrets of P-256.
            if SigningKey::from_slice(&secret).is_ok() {
                return Self(secret.iter().map(|octet| format!("{octet:02x}")).collect());
            }
        }
    }

    /// The secret scalar.
    pub(super) fn secret(&self) -> Option<SigningKey> {
        let octets: Option<Vec<u8>> = (0..self.0.len())
            .step_by(2)
            .map(|at| {
                self.0
                    .get(at..at + 2)
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            })
            .collect();
        SigningKey::from_slice(&octets?).ok()
    }

    /// The DNSKEY.
    fn dnskey(&self) -> Option<Dnskey> {
        let point = self.secret()?.verifying_key().to_sec1_point(false);
        let public_key = point.as_bytes().get(1..65)?.try_into().ok()?;
        Some(Dnskey {
            flags: 256,
            public_key,
        })
    }
}

impl ServedKeys {
    /// The DNSKEY set, KSKs first.
    pub fn dnskeys(&self) -> Vec<Dnskey> {
        let ksks = self.ksks.iter().map(|key| key.public_key.dnskey());
        ksks.chain(self.zsk.dnskey()).collect()
    }

    /// The zone-signing key's secret.
    pub(crate) fn zone_key(&self) -> Option<SigningKey> {
        self.zsk.secret()
    }
}

/// One zone as one of its servers serves it at one time.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    zone: &'a HostedZone,
    /// Which of the zone's four servers.
    server: usize,
    now: Timestamp,
}

impl World {
    /// When something that was changed before `now` gets to a name server of Route 53 after it, in
    /// their order.
    pub fn dns_arrivals(&self, now: Timestamp) -> std::collections::BTreeSet<Timestamp> {
        let zones = self.route53.zones.values();
        let pending = zones.flat_map(|zone| &zone.pending);
        let departed = self.route53.departed.iter().flat_map(|zone| zone.gone_at);
        pending
            .flat_map(|pending| pending.current_at)
            .chain(departed)
            .filter(|at| *at > now)
            .collect()
    }
}

impl State {
    /// Zones that the server of a number answers for.
    pub fn served_by(&self, number: u16, now: Timestamp) -> impl Iterator<Item = Served<'_>> {
        let position = move |zone: &HostedZone| {
            zone.name_servers
                .iter()
                .position(|n| *n == number)
                .filter(|_| !zone.is_private())
        };
        let live = self.zones.values().filter_map(move |zone| {
            let served = Served {
                zone,
                server: position(zone)?,
                now,
            };
            served
                .unseen()
                .all(|before| !before.absent)
                .then_some(served)
        });
        let departed = self.departed.iter().filter_map(move |departed| {
            let server = position(&departed.zone)?;
            (now < departed.gone_at[server]).then_some(Served {
                zone: &departed.zone,
                server,
                now,
            })
        });
        live.chain(departed)
    }
}

impl<'a> Served<'a> {
    /// Domain name of the zone.
    pub fn apex(&self) -> &'a DnsName {
        &self.zone.name
    }

    /// What changes that this server has not got replaced, oldest first.
    fn unseen(&self) -> impl Iterator<Item = &'a Before> + use<'a> {
        let Self { server, now, .. } = *self;
        self.zone
            .pending
            .iter()
            .filter(move |pending| pending.current_at[server] > now)
            .map(|pending| &pending.before)
    }

    /// One record set.
    fn set(&self, name: &DnsName, slot: &Slot) -> Option<&'a RecordSet> {
        let mut replaced = self.unseen().flat_map(|before| &before.sets);
        match replaced.find(|set| set.name == *name && set.slot == *slot) {
            Some(before) => before.set.as_ref(),
            None => self.zone.sets.get(name)?.get(slot),
        }
    }

    /// All record sets of a name.
    fn sets(&self, name: &DnsName) -> BTreeMap<&'a Slot, &'a RecordSet> {
        let current = self
            .zone
            .sets
            .get(name)
            .into_iter()
            .flat_map(|sets| sets.keys());
        let replaced = self
            .unseen()
            .flat_map(|before| &before.sets)
            .filter(|set| set.name == *name)
            .map(|set| &set.slot);
        current
            .chain(replaced)
            .filter_map(|slot| self.set(name, slot).map(|set| (slot, set)))
            .collect()
    }

    /// What is answered for each type of a name: routing policies decided, aliases followed.
    pub fn answers(&self, name: &DnsName) -> Vec<(RecordType, RecordSet)> {
        let types: BTreeSet<RecordType> = self
            .sets(name)
            .keys()
            .map(|slot| slot.record_type)
            .collect();
        types
            .into_iter()
            .filter_map(|t| self.answer(name, t, ALIAS_CHAIN_MAX).map(|set| (t, set)))
            .collect()
    }

    /// The same of one type; none if there is none, or if an alias leads nowhere.
    fn answer(&self, name: &DnsName, record_type: RecordType, aliases: u8) -> Option<RecordSet> {
        let mut members = self.sets(name);
        members.retain(|slot, _| slot.record_type == record_type);
        let set = routing::chosen(&members)?;
        match &set.alias {
            None => Some(set),
            Some(target) if target.hosted_zone_id == self.zone.id => {
                self.answer(&target.dns_name, record_type, aliases.checked_sub(1)?)
            }
            Some(target) => target.service_address(record_type),
        }
    }

    /// Whether there is any record at or below a name.
    pub fn any_within(&self, name: &DnsName) -> bool {
        let current = self
            .zone
            .sets
            .range(name..)
            .take_while(|(owner, _)| owner.is_within(name))
            .map(|(owner, _)| owner);
        let replaced = self
            .unseen()
            .flat_map(|before| &before.sets)
            .map(|set| &set.name)
            .filter(|owner| owner.is_within(name));
        current
            .chain(replaced)
            .any(|owner| !self.sets(owner).is_empty())
    }

    /// The keys of the zone; none if it is not signed.
    pub fn keys(&self, world: &World) -> Option<ServedKeys> {
        match self.unseen().find_map(|before| before.keys.as_ref()) {
            Some(before) => before.clone(),
            None => self.zone.keys_as_signed(world, self.now),
        }
    }
}

impl HostedZone {
    /// The keys the zone is served with once everything is in sync; none if it is not signed.
    pub fn served_keys(&self) -> Option<ServedKeys> {
        self.keys_with(|_| None)
    }

    /// The same with the time of each one's last signature.
    pub(super) fn keys_as_signed(&self, world: &World, now: Timestamp) -> Option<ServedKeys> {
        self.keys_with(|ksk| signatures::signed(world, self, ksk, now))
    }

    fn keys_with(&self, signed: impl Fn(&Ksk) -> Option<Timestamp>) -> Option<ServedKeys> {
        let zsk = self.zsk.clone().filter(|_| self.signing)?;
        let ksks = self
            .active_ksks()
            .map(|ksk| ServedKey {
                kms_arn: ksk.kms_arn.clone(),
                public_key: ksk.public_key.clone(),
                signed: signed(ksk),
            })
            .collect();
        Some(ServedKeys { ksks, zsk })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_was_not_signed_is_that_after_it_was_stored() {
        let signed = ServedKeys {
            ksks: Vec::new(),
            zsk: Zsk("01".repeat(32)),
        };
        for keys in [None, Some(None), Some(Some(signed))] {
            let before = Before {
                keys: keys.clone(),
                ..Before::default()
            };
            let text = serde_json::to_string(&before).unwrap();
            let read: Before = serde_json::from_str(&text).unwrap();
            assert_eq!(read.keys, keys, "{text}");
        }
    }
}
