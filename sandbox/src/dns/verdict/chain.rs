//! The chain of trust through everything that resolvers may hold (RFC 4035 section 5).

use domain::base::Rtype;
use hickory_proto::dnssec::rdata::{DNSKEY, DS, NSEC, RRSIG};
use hickory_proto::dnssec::{PublicKey as _, Verifier as _};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{DNSClass, Name, Record, RecordData as _, RecordType};
use jiff::Timestamp;

use super::Question;
use super::observe::{Answer, name_of};
use crate::dns::{DnsName, RootAnchor};

/// A DNSKEY set some resolver may trust.
type Keys<'a> = &'a [Record];

/// Whether every resolver that holds some of what `held` gives for each question finds the zone secure
/// (true), or some find that nobody vouches for it (false); else why one fails.
pub(super) fn validate<'a>(
    anchor: &RootAnchor,
    zones: &[DnsName],
    questions: &[Question],
    now: Timestamp,
    held: impl Fn(&Question) -> Vec<&'a Answer>,
) -> Result<bool, String> {
    let mut secure = true;
    // DNSKEY sets of the zone above the one in hand; none once nobody vouches.
    let mut above: Option<(Name, Vec<Keys<'a>>)> = None;
    for zone in zones {
        let name = name_of(zone);
        let sets = held(&(zone.clone(), Rtype::DNSKEY));
        let Some((parent, parents)) = above else {
            let anchored = |key: &DNSKEY| key.public_key().public_bytes() == anchor.key.public_key;
            let sets: Result<Vec<Keys<'a>>, String> = sets
                .iter()
                .map(|set| entry(&name, set, now, anchored))
                .collect();
            above = Some((name, sets.map_err(|why| format!("the root: {why}"))?));
            continue;
        };
        let mut trusted: Vec<Keys<'a>> = Vec::new();
        let mut vouched = false;
        for answer in held(&(zone.clone(), Rtype::DS)) {
            let fails = |why: String| format!("{zone}: DS as {parent} has it: {why}");
            for keys in &parents {
                sound(&parent, keys, (&name, RecordType::DS), answer, now).map_err(fails)?;
            }
            let ds: Vec<&DS> = of(&answer.answers).collect();
            let known = |ds: &&DS| ds.algorithm().is_supported() && ds.digest_type().is_supported();
            if !ds.iter().any(known) {
                // Section 5.2: without a DS that a resolver can use, the zone is as if unsigned.
                secure = false;
                continue;
            }
            vouched = true;
            for set in &sets {
                let covered = |key: &DNSKEY| {
                    ds.iter().filter(|ds| known(ds)).any(|ds| {
                        ds.algorithm() == key.public_key().algorithm()
                            && key.calculate_key_tag().ok() == Some(ds.key_tag())
                            && ds.covers(&name, key).unwrap_or(false)
                    })
                };
                let tags: Vec<String> = ds.iter().map(|ds| ds.key_tag().to_string()).collect();
                let keys = entry(&name, set, now, covered)
                    .map_err(|why| format!("{zone}: DS {}: {why}", tags.join(", ")))?;
                if !trusted.contains(&keys) {
                    trusted.push(keys);
                }
            }
        }
        if !vouched {
            return Ok(false);
        }
        above = Some((name, trusted));
    }
    let Some((zone, sets)) = above else {
        return Ok(false);
    };
    for (name, rtype) in questions {
        let record_type = RecordType::from(rtype.to_int());
        for answer in held(&(name.clone(), *rtype)) {
            for keys in &sets {
                sound(&zone, keys, (&name_of(name), record_type), answer, now)
                    .map_err(|why| format!("{name} {rtype}: {why}"))?;
            }
        }
    }
    Ok(secure)
}

/// Records of one type.
fn of<'a, T: hickory_proto::rr::RecordData + 'a>(
    records: &'a [Record],
) -> impl Iterator<Item = &'a T> {
    records
        .iter()
        .filter_map(|record| T::try_borrow(&record.data))
}

/// The DNSKEY set, if one of its keys that `starts` accepts has signed it.
fn entry<'a>(
    zone: &Name,
    answer: &'a Answer,
    now: Timestamp,
    starts: impl Fn(&DNSKEY) -> bool,
) -> Result<Keys<'a>, String> {
    let records = &answer.answers[..];
    let mut any = false;
    let mut why = None;
    for record in records {
        let Some(key) = DNSKEY::try_borrow(&record.data).filter(|key| starts(key)) else {
            continue;
        };
        any = true;
        match signed(
            zone,
            std::slice::from_ref(record),
            (zone, RecordType::DNSKEY),
            records,
            now,
        ) {
            Ok(()) => return Ok(records),
            Err(problem) => {
                let tag = key.calculate_key_tag().unwrap_or(0);
                why = Some(format!("DNSKEY {tag}: {problem}"));
            }
        }
    }
    match why {
        Some(why) => Err(why),
        None if any => Err("the DNSKEY set is not signed".into()),
        None if of::<DNSKEY>(records).next().is_none() => Err("there is no DNSKEY set".into()),
        None => Err("no DNSKEY matches it".into()),
    }
}

/// Whether an answer can be trusted with these keys: its records, or that there are none.
fn sound(
    zone: &Name,
    keys: Keys<'_>,
    (name, rtype): (&Name, RecordType),
    answer: &Answer,
    now: Timestamp,
) -> Result<(), String> {
    let mut name = name.clone();
    let present = |name: &Name, rtype| {
        let mut records = answer.answers.iter();
        records.any(|record| record.name == *name && record.record_type() == rtype)
    };
    if present(&name, rtype) {
        return signed(zone, keys, (&name, rtype), &answer.answers, now);
    }
    while present(&name, RecordType::CNAME) {
        signed(zone, keys, (&name, RecordType::CNAME), &answer.answers, now)?;
        let alias = answer.answers.iter().find(|record| record.name == name);
        let target = alias.and_then(|record| CNAME::try_borrow(&record.data));
        match target {
            Some(target) => name = target.0.clone(),
            None => return Err("a CNAME without a target".into()),
        }
        if present(&name, rtype) {
            return signed(zone, keys, (&name, rtype), &answer.answers, now);
        }
    }
    if !zone.zone_of(&name) {
        // Another zone's affair.
        return Ok(());
    }
    denied(zone, keys, (&name, rtype), answer, now)
}

/// Whether NSEC records prove that there is no such record.
fn denied(
    zone: &Name,
    keys: Keys<'_>,
    (name, rtype): (&Name, RecordType),
    answer: &Answer,
    now: Timestamp,
) -> Result<(), String> {
    let mut proofs: Vec<(&Name, &NSEC)> = Vec::new();
    for record in &answer.authorities {
        if let Some(nsec) = NSEC::try_borrow(&record.data) {
            signed(
                zone,
                keys,
                (&record.name, RecordType::NSEC),
                &answer.authorities,
                now,
            )?;
            proofs.push((&record.name, nsec));
        }
    }
    if proofs.is_empty() {
        return Err("nothing proves that there is none".into());
    }
    let matching = proofs.iter().find(|(owner, _)| *owner == name);
    if let Some((_, nsec)) = matching {
        let types = nsec.type_set();
        if types.contains(rtype) || types.contains(RecordType::CNAME) {
            return Err("its NSEC says that there is one".into());
        }
        let parents = types.contains(RecordType::NS) && !types.contains(RecordType::SOA);
        return match (rtype == RecordType::DS, parents, answer.no_such_name) {
            (_, _, true) => Err("its NSEC says that the name exists".into()),
            (true, _, _) if types.contains(RecordType::SOA) => {
                Err("its NSEC is not the parent's".into())
            }
            (false, true, _) => Err("its NSEC is the parent's".into()),
            (true | false, true | false, false) => Ok(()),
        };
    }
    let covers = |denied: &Name| {
        proofs.iter().any(|(owner, nsec)| {
            let next = nsec.next_domain_name();
            *owner < denied && (denied < next || next == zone) && !denied.zone_of(next)
        })
    };
    // The closest encloser follows from the interval (section 5.4); the names denied here have their
    // zone's apex as such.
    let wildcard = Name::from_ascii("*").and_then(|label| label.append_domain(zone));
    match wildcard {
        Ok(wildcard) if covers(name) && covers(&wildcard) => Ok(()),
        Ok(_) | Err(_) => Err("its NSEC do not deny the name".into()),
    }
}

/// Whether one of the keys has signed a record set, and the signature is valid now.
fn signed(
    zone: &Name,
    keys: &[Record],
    (owner, rtype): (&Name, RecordType),
    records: &[Record],
    now: Timestamp,
) -> Result<(), String> {
    let set = records
        .iter()
        .filter(|record| record.name == *owner && record.record_type() == rtype);
    let mut why = "it is not signed".to_owned();
    let signatures = records
        .iter()
        .filter(|record| record.name == *owner)
        .filter_map(|record| RRSIG::try_borrow(&record.data))
        .filter(|rrsig| rrsig.input().type_covered == rtype);
    for rrsig in signatures {
        let input = rrsig.input();
        let key = of::<DNSKEY>(keys).find(|key| {
            key.zone_key() && !key.revoke() && key.calculate_key_tag().ok() == Some(input.key_tag)
        });
        let now = now.as_second();
        let (from, until) = (input.sig_inception.get(), input.sig_expiration.get());
        let shown = |at: u32| {
            Timestamp::from_second(at.into()).map_or_else(|_| at.to_string(), |at| at.to_string())
        };
        why = if input.signer_name != *zone {
            format!("it is signed by {}", input.signer_name)
        } else if now < from.into() {
            format!("its signature is valid only from {}", shown(from))
        } else if now > until.into() {
            format!("its signature ended at {}", shown(until))
        } else {
            match key {
                None => format!("no key {} for its signature", input.key_tag),
                Some(key) => {
                    let class = DNSClass::IN;
                    match key.verify_rrsig(owner, class, rrsig, set.clone()) {
                        Ok(()) => return Ok(()),
                        Err(_) => format!("its signature by key {} is wrong", input.key_tag),
                    }
                }
            }
        };
    }
    Err(why)
}
