//! Keys and signatures: who signs which zone, and until when.
//!
//! The root, top-level domains and external zones have keys that follow from the world's seed. A
//! hosted zone is signed by its KSKs through KMS and by Route 53's own key. The records are put into
//! canonical form and signed by `domain`; the curve arithmetic is p256's with deterministic nonces
//! (RFC 6979), so that equal worlds answer alike to the octet.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use domain::base::iana::{Class, SecurityAlgorithm};
use domain::base::name::ParsedName;
use domain::base::rdata::{ComposeRecordData, ParseAnyRecordData};
use domain::base::{Name, Record, Rtype, Ttl};
use domain::crypto::sign::{SignError, SignRaw, Signature};
use domain::dep::octseq::Parser;
use domain::dnssec::sign::keys::SigningKey as DomainKey;
use domain::dnssec::sign::records::Rrset;
use domain::dnssec::sign::signatures::rrsigs::sign_rrset;
use domain::rdata::dnssec::Timestamp as Serial;
use domain::rdata::{AllRecordData, Dnskey as Rdata};
use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature as P256Signature, SigningKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::data::RrSet;
use super::dnskey::ALGORITHM;
use super::{DigestType, DnsName, Dnskey, Ds};
use crate::route53::{ServedKeys, Window};
use crate::world::World;

/// Time between new signatures of a zone that exists by rule, and how long they are valid: what
/// registries do lies between a few days and some weeks.
const RULE_STEP_SECS: i64 = 24 * 3600;
const RULE_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);

/// Route 53 signs each answer when it gives it ("online signing", developer guide, "DNSSEC proofs of
/// nonexistence"). For how long is not published; signatures of the same hour are alike here and
/// valid for at least two hours more, so a resolver may keep no signed record longer than that.
const ONLINE_STEP_SECS: i64 = 3600;
const ONLINE_LIFETIME: Duration = Duration::from_secs(3 * 3600);

/// For validators whose clock is behind.
const SKEW: Duration = Duration::from_secs(3600);

/// What the keys of the root, of TLDs and of external zones are made from.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(u64);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Ksk,
    Zsk,
}

impl Secret {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn key(&self, zone: &DnsName, role: Role) -> SigningKey {
        for attempt in 0_u32.. {
            let mut hash = Sha256::new();
            hash.update(b"spore-sandbox zone key");
            hash.update(self.0.to_be_bytes());
            hash.update([u8::from(role == Role::Ksk)]);
            hash.update(attempt.to_be_bytes());
            hash.update(zone.wire().as_slice());
            // All but about 2^-32 of the values are secrets of P-256.
            if let Ok(key) = SigningKey::from_slice(&hash.finalize()) {
                return key;
            }
        }
        unreachable!("one of 2^32 hashes is a scalar of the curve")
    }

    /// The key-signing key of a zone that exists by rule.
    pub(super) fn ksk(&self, zone: &DnsName) -> Dnskey {
        dnskey(&self.key(zone, Role::Ksk), 257)
    }

    /// The DS that the parent of a zone that exists by rule has for it.
    pub(super) fn ds(&self, zone: &DnsName) -> Ds {
        self.ksk(zone).ds(zone, DigestType::Sha256)
    }
}

fn dnskey(key: &SigningKey, flags: u16) -> Dnskey {
    let point = key.verifying_key().to_sec1_point(false);
    let mut public_key = [0; 64];
    // An uncompressed point is one octet of format and the two coordinates (SEC 1 section 2.3.3).
    public_key.copy_from_slice(&point.as_bytes()[1..]);
    Dnskey { flags, public_key }
}

/// Where a signature comes from.
enum Source<'a> {
    Own(Box<SigningKey>),
    Kms { world: &'a World, arn: String },
}

/// A key that signs, and for how long.
struct Signer<'a> {
    key: Dnskey,
    source: Source<'a>,
    window: Window,
}

impl fmt::Debug for Signer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signer({})", self.key.key_tag())
    }
}

/// The keys of a signed zone, as one server has them.
#[derive(Debug)]
pub(super) struct ZoneKeys<'a> {
    apex: DnsName,
    /// Sign the DNSKEY set. One that has not signed it is only published.
    ksks: Vec<Signer<'a>>,
    /// Signs everything else.
    zsk: Signer<'a>,
    /// The published set.
    pub(super) set: Vec<Dnskey>,
}

/// From the begin of a step on.
fn stepped(now: Timestamp, step_secs: i64, lifetime: Duration) -> Window {
    let begin = now.as_second().div_euclid(step_secs) * step_secs;
    let begin = Timestamp::from_second(begin).unwrap_or(now);
    Window {
        inception: begin - SKEW,
        expiration: begin + lifetime,
    }
}

impl<'a> ZoneKeys<'a> {
    /// Of a zone that exists by rule.
    pub(super) fn by_rule(secret: &Secret, zone: &DnsName, now: Timestamp) -> Self {
        let window = stepped(now, RULE_STEP_SECS, RULE_LIFETIME);
        let signer = |role, flags| {
            let key = secret.key(zone, role);
            Signer {
                key: dnskey(&key, flags),
                source: Source::Own(Box::new(key)),
                window,
            }
        };
        let (ksk, zsk) = (signer(Role::Ksk, 257), signer(Role::Zsk, 256));
        Self {
            apex: zone.clone(),
            set: vec![ksk.key.clone(), zsk.key.clone()],
            ksks: vec![ksk],
            zsk,
        }
    }

    /// Of a hosted zone; none if its keys are unreadable.
    pub(super) fn hosted(
        world: &'a World,
        zone: &DnsName,
        keys: &ServedKeys,
        now: Timestamp,
    ) -> Option<Self> {
        let ksks = keys.ksks.iter().filter_map(|key| {
            Some(Signer {
                key: key.dnskey(),
                source: Source::Kms {
                    world,
                    arn: key.kms_arn.clone(),
                },
                window: key.window(now)?,
            })
        });
        let zone_key = keys.zone_key()?;
        Some(Self {
            apex: zone.clone(),
            ksks: ksks.collect(),
            zsk: Signer {
                key: dnskey(&zone_key, 256),
                source: Source::Own(Box::new(zone_key)),
                window: stepped(now, ONLINE_STEP_SECS, ONLINE_LIFETIME),
            },
            set: keys.dnskeys(),
        })
    }

    /// The RRSIG set of a record set.
    pub(super) fn sign(&self, owner: &DnsName, set: &RrSet) -> RrSet {
        let with = |signer: &Signer<'_>| signer.sign(&self.apex, owner, set);
        let data = if set.rtype == Rtype::DNSKEY {
            self.ksks.iter().filter_map(with).collect()
        } else {
            with(&self.zsk).into_iter().collect()
        };
        RrSet {
            rtype: Rtype::RRSIG,
            ttl: set.ttl,
            data,
        }
    }
}

type Data<'a> = AllRecordData<&'a [u8], ParsedName<&'a [u8]>>;

impl Signer<'_> {
    /// The record data of the RRSIG; none if the key cannot sign, or for data that is no record.
    fn sign(&self, apex: &DnsName, owner: &DnsName, set: &RrSet) -> Option<Vec<u8>> {
        let name = owner.wire();
        let records: Option<Vec<Record<Name<Vec<u8>>, Data<'_>>>> = set
            .data
            .iter()
            .map(|data| {
                let ttl = Ttl::from_secs(set.ttl);
                Some(Record::new(
                    name.clone(),
                    Class::IN,
                    ttl,
                    read(set.rtype, data)?,
                ))
            })
            .collect();
        let records = records?;
        let rrset = Rrset::new_from_owned(&records).ok()?;
        let key = DomainKey::new(apex.wire(), self.key.flags, self);
        let (from, until) = (
            serial(self.window.inception),
            serial(self.window.expiration),
        );
        let record = sign_rrset(&key, &rrset, from, until).ok()?;
        let mut out = Vec::new();
        let Ok(()) = record.data().compose_rdata(&mut out);
        Some(out)
    }

    fn raw(&self, message: &[u8]) -> Option<[u8; 64]> {
        match &self.source {
            Source::Own(key) => {
                let signature: P256Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().into())
            }
            Source::Kms { world, arn } => world.ksk_signature_made(arn, message),
        }
    }
}

/// Typed record data of its wire form, so that names in it are lowered where RFC 4034 section 6.2
/// wants that.
fn read(rtype: Rtype, data: &[u8]) -> Option<Data<'_>> {
    AllRecordData::parse_any_rdata(rtype, &mut Parser::from_ref(data)).ok()
}

/// RRSIG's times count modulo 2^32 (RFC 4034 section 3.1.5).
fn serial(at: Timestamp) -> Serial {
    let seconds = at.as_second().rem_euclid(1 << 32);
    Serial::from(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// Signatures made before. One follows from the public key and the message, so it is the same in
/// every world; making one takes longer than everything else in an answer.
static MADE: Mutex<BTreeMap<[u8; 32], [u8; 64]>> = Mutex::new(BTreeMap::new());

/// Entries after which the memory starts afresh (about 6 MB).
const MADE_MAX: usize = 1 << 16;

impl SignRaw for &Signer<'_> {
    fn algorithm(&self) -> SecurityAlgorithm {
        SecurityAlgorithm::from_int(ALGORITHM)
    }

    fn dnskey(&self) -> Rdata<Vec<u8>> {
        let key = &self.key;
        Rdata::new(key.flags, 3, self.algorithm(), key.public_key.to_vec())
            .expect("64 octets are far below the longest record data")
    }

    fn sign_raw(&self, data: &[u8]) -> Result<Signature, SignError> {
        let mut hash = Sha256::new();
        hash.update(self.key.public_key);
        hash.update(data);
        let id: [u8; 32] = hash.finalize().into();
        let made = MADE.lock().ok().and_then(|made| made.get(&id).copied());
        let signature = match made {
            Some(signature) => signature,
            None => {
                let signature = self.raw(data).ok_or(SignError)?;
                if let Ok(mut made) = MADE.lock() {
                    if made.len() >= MADE_MAX {
                        made.clear();
                    }
                    made.insert(id, signature);
                }
                signature
            }
        };
        Ok(Signature::EcdsaP256Sha256(Box::new(signature)))
    }
}
