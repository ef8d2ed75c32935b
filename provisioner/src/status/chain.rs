//! The chain of trust: from the root's anchor down to the stack's zone, as a validating resolver would
//! find it with each server that it might ask.
//!
//! A resolver asks any one server of each zone, so each zone server is judged with each DS set that a
//! parent server answers, and the worst counts. Zones above are judged by the same rules; from there on
//! the keys of those servers count that are secure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{PublicKey as _, PublicKeyBuf};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use jiff::Timestamp;

use super::denial::{NoDs, no_ds};
use super::facts::{
    Delegation, ParentServer, Serving, Signature, Trouble, Verdict, Zone, ZoneServer,
};
use crate::dns::rrset::{self, Keys, verify};
use crate::ds::{DnsKey, Ds, judgement};

/// A zone, and what each of its servers answered.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The zone.
    pub zone: Name,
    /// Its servers.
    pub servers: Vec<Asked>,
}

/// One server and its answers.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// Where it was asked.
    pub address: Option<IpAddr>,
    /// Whether a parent server names it.
    pub in_parent: bool,
    /// Whether Route 53 gave it to the zone.
    pub in_route53: Option<bool>,
    /// Whether it is a resolver that stands in the servers' place, and has authority for nothing.
    pub is_resolver: bool,
    /// Its answers.
    pub answers: Result<Answers, Trouble>,
}

/// Answers of one server.
#[derive(Debug, Clone)]
pub struct Answers {
    /// To SOA of the zone.
    pub soa: Result<Message, Trouble>,
    /// To NS of the zone.
    pub ns: Result<Message, Trouble>,
    /// To DNSKEY of the zone.
    pub dnskey: Result<Message, Trouble>,
    /// To NS and DS of the next zone on the way down.
    pub child: Option<(Result<Message, Trouble>, Result<Message, Trouble>)>,
}

/// What is known of a zone when its child is judged.
enum Trust {
    Keys(Keys),
    Not(Verdict),
}

/// Judges zones from the root down.
pub fn judge(seen: &[Seen], anchors: &[PublicKeyBuf], now: Timestamp) -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    let mut above: Option<(&Seen, Trust)> = None;
    for one in seen {
        let mut keys = Keys {
            zone: one.zone.clone(),
            keys: Vec::new(),
        };
        let (parents, situations) = match &above {
            None => (Vec::new(), vec![Situation::Anchored(anchors)]),
            Some((parent, trust)) => delegations(parent, trust, &one.zone, now),
        };
        let mut servers = Vec::new();
        for server in &one.servers {
            let answer = match &server.answers {
                Err(trouble) => Err(trouble.clone()),
                Ok(answers) => {
                    let apex = (&one.zone, server.is_resolver);
                    serving(answers, apex, &situations, &mut keys, now)
                }
            };
            servers.push(ZoneServer {
                name: server.name.clone(),
                address: server.address,
                in_parent: server.in_parent,
                in_route53: server.in_route53,
                answer,
            });
        }
        let is_delegated = above.is_none()
            || parents.iter().any(|parent| {
                parent
                    .answer
                    .as_ref()
                    .is_ok_and(|answer| !answer.ns.is_empty())
            });
        let verdict = worst(&servers, is_delegated);
        let trust = match &verdict {
            _ if !keys.keys.is_empty() => Trust::Keys(keys),
            Verdict::Bogus(_) => Trust::Not(Verdict::Bogus(format!(
                "{} above it is bogus",
                text(&one.zone)
            ))),
            Verdict::Secure | Verdict::Insecure(_) | Verdict::Unknown(_) => {
                Trust::Not(verdict.clone())
            }
        };
        zones.push(Zone {
            name: text(&one.zone),
            parents,
            servers,
            verdict,
        });
        above = Some((one, trust));
    }
    zones
}

/// The worst that a resolver can find. Servers that do not answer are passed over by resolvers, and
/// servers that no parent names are not asked.
fn worst(servers: &[ZoneServer], is_delegated: bool) -> Verdict {
    if !is_delegated {
        return Verdict::Unknown("its parent does not delegate it".into());
    }
    servers
        .iter()
        .filter(|server| server.in_parent)
        .filter_map(|server| Some(server.answer.as_ref().ok()?.verdict.clone()))
        .max()
        .unwrap_or_else(|| Verdict::Unknown("none of its name servers answers for it".into()))
}

/// What a validator knows of a zone before it asks the zone itself.
enum Situation<'a> {
    Anchored(&'a [PublicKeyBuf]),
    Signed(Vec<DS>),
    Verdict(Verdict),
}

/// What each parent server says of a zone, and the situations that this leads resolvers to.
fn delegations<'a>(
    parent: &Seen,
    trust: &Trust,
    child: &Name,
    now: Timestamp,
) -> (Vec<ParentServer>, Vec<Situation<'a>>) {
    let mut situations = Vec::new();
    let mut sets: Vec<Vec<DS>> = Vec::new();
    let mut verdicts = BTreeSet::new();
    let servers = parent.servers.iter().map(|server| {
        let answer = match &server.answers {
            Err(trouble) => Err(trouble.clone()),
            Ok(answers) => match &answers.child {
                Some((Ok(ns), Ok(ds))) => {
                    delegation(ns, ds, server.is_resolver, (trust, parent), child, now)
                }
                Some((Err(trouble), _) | (_, Err(trouble))) => Err(trouble.clone()),
                None => Err(Trouble::Silent("was not asked".into())),
            },
        };
        let answer = answer.map(|(delegation, ds)| {
            match &delegation.proof {
                Verdict::Secure if ds.is_empty() => {
                    verdicts.insert(Verdict::Insecure(format!(
                        "{} has no DS record for it",
                        text(&parent.zone)
                    )));
                }
                Verdict::Secure if !sets.contains(&ds) => sets.push(ds),
                Verdict::Secure => {}
                Verdict::Insecure(_) | Verdict::Unknown(_) | Verdict::Bogus(_) => {
                    verdicts.insert(delegation.proof.clone());
                }
            }
            delegation
        });
        ParentServer {
            name: server.name.clone(),
            address: server.address,
            answer,
        }
    });
    let servers: Vec<ParentServer> = servers.collect();
    situations.extend(sets.into_iter().map(Situation::Signed));
    situations.extend(verdicts.into_iter().map(Situation::Verdict));
    if situations.is_empty() {
        situations.push(Situation::Verdict(Verdict::Unknown(format!(
            "no server of {} answers",
            text(&parent.zone)
        ))));
    }
    (servers, situations)
}

fn delegation(
    ns: &Message,
    ds: &Message,
    is_resolver: bool,
    (trust, parent): (&Trust, &Seen),
    child: &Name,
    now: Timestamp,
) -> Result<(Delegation, Vec<DS>), Trouble> {
    for message in [ns, ds] {
        refusal(message)?;
    }
    let mut around = ds.answers.iter().chain(&ds.authorities);
    let is_authority = is_resolver || ds.metadata.authoritative;
    if !is_authority && !around.any(|record| record.name == *child) {
        return Err(Trouble::Lame("not authoritative".into()));
    }
    let mut found = Delegation {
        ns: BTreeSet::new(),
        ns_ttl_secs: 0,
        ds: Vec::new(),
        ds_ttl_secs: 0,
        proof: Verdict::Secure,
    };
    for record in ns.answers.iter().chain(&ns.authorities) {
        if let RData::NS(target) = &record.data
            && record.name == *child
        {
            found.ns.insert(text(&target.0));
            found.ns_ttl_secs = record.ttl;
        }
    }
    let mut raw = Vec::new();
    for record in rrset::records(&ds.answers, child, RecordType::DS) {
        if let RData::DNSSEC(DNSSECRData::DS(data)) = &record.data {
            found.ds.push(plain_ds(data));
            found.ds_ttl_secs = record.ttl;
            raw.push(data.clone());
        }
    }
    found.ds.sort();
    raw.sort_by_key(|ds| ds.digest().to_vec());
    found.proof = match trust {
        Trust::Not(verdict) => verdict.clone(),
        Trust::Keys(keys) => {
            let proven = if raw.is_empty() {
                no_ds(keys, &ds.authorities, child, now).map(|proven| match proven {
                    NoDs::Unsigned | NoDs::NotDelegated => (),
                })
            } else {
                verify(keys, &ds.answers, child, RecordType::DS, now)
            };
            proven.map_or_else(
                |why| {
                    let parent = text(&parent.zone);
                    Verdict::Bogus(format!("{parent} does not prove its DS records: {why}"))
                },
                |()| Verdict::Secure,
            )
        }
    };
    Ok((found, raw))
}

fn serving(
    answers: &Answers,
    (zone, is_resolver): (&Name, bool),
    situations: &[Situation<'_>],
    trusted: &mut Keys,
    now: Timestamp,
) -> Result<Serving, Trouble> {
    let soa = answers.soa.as_ref().map_err(Clone::clone)?;
    refusal(soa)?;
    if !is_resolver && !soa.metadata.authoritative {
        let why = format!("not authoritative for {}", text(zone));
        return Err(Trouble::Lame(why));
    }
    let mut found = Serving {
        serial: None,
        ns: BTreeSet::new(),
        keys: Vec::new(),
        proving: Vec::new(),
        signatures: Vec::new(),
        verdict: Verdict::Unknown("was not judged".into()),
    };
    for record in rrset::records(&soa.answers, zone, RecordType::SOA) {
        if let RData::SOA(data) = &record.data {
            found.serial = Some(data.serial);
        }
    }
    if found.serial.is_none() {
        return Err(Trouble::Lame("it has no SOA record of the zone".into()));
    }
    let ns = answers.ns.as_ref().map_err(Clone::clone)?;
    for record in rrset::records(&ns.answers, zone, RecordType::NS) {
        if let RData::NS(target) = &record.data {
            found.ns.insert(text(&target.0));
        }
    }
    let dnskey = answers.dnskey.as_ref().map_err(Clone::clone)?;
    found.keys = rrset::dnskeys(&dnskey.answers, zone)
        .filter_map(plain_key)
        .collect();
    found
        .keys
        .sort_by_key(|key| (u16::MAX - key.flags(), key.key_tag()));
    for (message, rtype) in [
        (dnskey, RecordType::DNSKEY),
        (soa, RecordType::SOA),
        (ns, RecordType::NS),
    ] {
        let over = rrset::signatures(&message.answers, zone, rtype).map(|rrsig| {
            let input = rrsig.input();
            Signature {
                covers: rtype.to_string(),
                key_tag: input.key_tag,
                begins: rrset::time(input.sig_inception.get(), now),
                expires: rrset::time(input.sig_expiration.get(), now),
            }
        });
        found.signatures.extend(over);
    }
    found.proving = rrset::dnskeys(&dnskey.answers, zone)
        .filter(|key| {
            let entries = vec![(*key).clone()];
            rrset::may_sign(key) && follow(entries, (soa, ns, dnskey), zone, now).is_ok()
        })
        .filter_map(plain_key)
        .collect();
    let verdicts = situations.iter().map(|situation| {
        let (verdict, keys) = validate(situation, (soa, ns, dnskey), zone, now);
        for key in keys {
            if !trusted.keys.contains(&key) {
                trusted.keys.push(key);
            }
        }
        verdict
    });
    if let Some(worst) = verdicts.max() {
        found.verdict = worst;
    }
    Ok(found)
}

/// What a validator makes of one server's answers, and the keys it may go on with.
fn validate(
    situation: &Situation<'_>,
    (soa, ns, dnskey): (&Message, &Message, &Message),
    zone: &Name,
    now: Timestamp,
) -> (Verdict, Vec<DNSKEY>) {
    let all: Vec<DNSKEY> = rrset::dnskeys(&dnskey.answers, zone).cloned().collect();
    let is_entry: Box<dyn Fn(&DNSKEY) -> bool + '_> = match situation {
        Situation::Verdict(verdict) => return (verdict.clone(), Vec::new()),
        Situation::Anchored(anchors) => Box::new(|key: &DNSKEY| {
            anchors.iter().any(|anchor| {
                anchor.algorithm() == key.public_key().algorithm()
                    && anchor.public_bytes() == key.public_key().public_bytes()
            })
        }),
        Situation::Signed(set) => {
            let usable = usable(set);
            if usable.is_empty() {
                let why =
                    "its DS records are of algorithms or digest types that validators do not know";
                return (Verdict::Insecure(why.into()), Vec::new());
            }
            Box::new(move |key: &DNSKEY| {
                usable
                    .iter()
                    .any(|ds| ds.covers(zone, key).unwrap_or(false))
            })
        }
    };
    let entries: Vec<DNSKEY> = all
        .iter()
        .filter(|key| rrset::may_sign(key) && is_entry(key))
        .cloned()
        .collect();
    let bogus = |why: String| (Verdict::Bogus(why), Vec::new());
    if entries.is_empty() {
        return bogus(match situation {
            Situation::Anchored(_) => "none of its keys is the trust anchor".into(),
            Situation::Signed(_) | Situation::Verdict(_) if all.is_empty() => {
                "its parent has a DS record, and it has no DNSKEY".into()
            }
            Situation::Signed(_) | Situation::Verdict(_) => {
                "none of its keys fits a DS record of its parent".into()
            }
        });
    }
    match follow(entries, (soa, ns, dnskey), zone, now) {
        Ok(keys) => (Verdict::Secure, keys),
        Err(why) => bogus(why),
    }
}

/// From keys that may be trusted to the zone's data: one of them signs all keys, and these sign the rest.
fn follow(
    entries: Vec<DNSKEY>,
    (soa, ns, dnskey): (&Message, &Message, &Message),
    zone: &Name,
    now: Timestamp,
) -> Result<Vec<DNSKEY>, String> {
    let of = |keys| Keys {
        zone: zone.clone(),
        keys,
    };
    verify(&of(entries), &dnskey.answers, zone, RecordType::DNSKEY, now)?;
    let keys = of(rrset::dnskeys(&dnskey.answers, zone).cloned().collect());
    for (message, rtype) in [(soa, RecordType::SOA), (ns, RecordType::NS)] {
        verify(&keys, &message.answers, zone, rtype, now)?;
    }
    Ok(keys.keys)
}

/// The DS records that the strictest validators heed: of known algorithms, those of the strongest digest
/// type ([`judgement`]).
fn usable(set: &[DS]) -> Vec<&DS> {
    let known: Vec<&DS> = set
        .iter()
        .filter(|ds| rrset::is_known(ds.algorithm()))
        .collect();
    let kind = |ds: &DS| (u8::from(ds.algorithm()), u8::from(ds.digest_type()));
    let strongest = judgement::strongest(known.iter().map(|ds| kind(ds)));
    known
        .into_iter()
        .filter(|ds| Some(kind(ds).1) == strongest)
        .collect()
}

/// The trouble that a response code tells of.
fn refusal(message: &Message) -> Result<(), Trouble> {
    let code = message.metadata.response_code;
    if matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        Ok(())
    } else if matches!(code, ResponseCode::Refused | ResponseCode::NotAuth) {
        Err(Trouble::Lame(mnemonic(code)))
    } else {
        Err(Trouble::Failing(mnemonic(code)))
    }
}

/// A response code as `dig` writes it (IANA, "DNS RCODEs").
pub fn mnemonic(code: ResponseCode) -> String {
    match u16::from(code) {
        0 => "NOERROR".into(),
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        9 => "NOTAUTH".into(),
        other => format!("RCODE{other}"),
    }
}

fn plain_ds(ds: &DS) -> Ds {
    Ds {
        key_tag: ds.key_tag(),
        algorithm: u8::from(ds.algorithm()),
        digest_type: u8::from(ds.digest_type()),
        digest: ds.digest().to_vec(),
    }
}

fn plain_key(key: &DNSKEY) -> Option<DnsKey> {
    use base64::Engine as _;
    let public = key.public_key();
    let base64 = base64::engine::general_purpose::STANDARD.encode(public.public_bytes());
    let algorithm = u8::from(public.algorithm());
    DnsKey::parse(&format!("{} 3 {algorithm} {base64}", key.flags())).ok()
}

/// Lower case, without the trailing dot; the root is `.`.
pub fn text(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    if text == "." {
        text
    } else {
        text.trim_end_matches('.').to_owned()
    }
}
