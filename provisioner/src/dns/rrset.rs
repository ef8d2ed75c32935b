//! Single record sets: whether a signature over one holds.
//!
//! The cryptography is hickory's; which signature counts, and when, is RFC 4035, section 5.3.1.

use std::collections::BTreeSet;

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::dnssec::{Algorithm, Verifier as _};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use jiff::Timestamp;

/// The keys of a zone that may be trusted.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// The zone.
    pub zone: Name,
    /// Its keys.
    pub keys: Vec<DNSKEY>,
}

/// Records of a section with this owner and type.
pub fn records<'a>(
    section: &'a [Record],
    owner: &Name,
    rtype: RecordType,
) -> impl Iterator<Item = &'a Record> {
    let owner = owner.clone();
    section
        .iter()
        .filter(move |record| record.name == owner && record.record_type() == rtype)
}

/// Signatures of a section over the records of this owner and type.
pub fn signatures<'a>(
    section: &'a [Record],
    owner: &Name,
    rtype: RecordType,
) -> impl Iterator<Item = &'a RRSIG> {
    let owner = owner.clone();
    section.iter().filter_map(move |record| {
        if let RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) = &record.data
            && record.name == owner
            && rrsig.input().type_covered == rtype
        {
            Some(rrsig)
        } else {
            None
        }
    })
}

/// DNSKEY records of an answer.
pub fn dnskeys<'a>(section: &'a [Record], zone: &Name) -> impl Iterator<Item = &'a DNSKEY> {
    records(section, zone, RecordType::DNSKEY).filter_map(|record| {
        if let RData::DNSSEC(DNSSECRData::DNSKEY(key)) = &record.data {
            Some(key)
        } else {
            None
        }
    })
}

/// Whether a key may sign a zone's data: zone key, not revoked (RFC 4034, section 2.1.1; RFC 5011,
/// section 2.1).
pub fn may_sign(key: &DNSKEY) -> bool {
    key.zone_key() && !key.revoke()
}

/// Verifies one record set of a section with the keys of its zone: one signature that holds is enough.
///
/// # Errors
/// Why none does.
pub fn verify(
    keys: &Keys,
    section: &[Record],
    owner: &Name,
    rtype: RecordType,
    now: Timestamp,
) -> Result<(), String> {
    let set: Vec<&Record> = records(section, owner, rtype).collect();
    if set.is_empty() {
        return Err(format!("there is no {rtype} record of {owner}"));
    }
    let mut why = BTreeSet::new();
    for rrsig in signatures(section, owner, rtype) {
        match one(keys, rrsig, &set, owner, now) {
            Ok(()) => return Ok(()),
            Err(reason) => {
                why.insert(reason);
            }
        }
    }
    if why.is_empty() {
        return Err(format!("the {rtype} records of {owner} have no signature"));
    }
    let why: Vec<String> = why.into_iter().collect();
    Err(format!(
        "no signature over the {rtype} records of {owner} holds: {}",
        why.join("; ")
    ))
}

fn one(
    keys: &Keys,
    rrsig: &RRSIG,
    set: &[&Record],
    owner: &Name,
    now: Timestamp,
) -> Result<(), String> {
    let input = rrsig.input();
    let tag = input.key_tag;
    if input.signer_name != keys.zone {
        return Err(format!("one is by {}", input.signer_name));
    }
    // Fewer labels would be an expanded wildcard (RFC 4034, section 3.1.3), which no apex is.
    if input.num_labels != owner.num_labels() {
        return Err(format!("one of key {tag} is of another name"));
    }
    let (begins, ends) = (
        time(input.sig_inception.get(), now),
        time(input.sig_expiration.get(), now),
    );
    if now > ends {
        return Err(format!("that of key {tag} ended at {ends:.0}"));
    }
    if now < begins {
        return Err(format!("that of key {tag} begins at {begins:.0} only"));
    }
    let mut candidates = keys
        .keys
        .iter()
        .filter(|key| {
            may_sign(key)
                && key.calculate_key_tag().is_ok_and(|found| found == tag)
                && key.algorithm() == input.algorithm
        })
        .peekable();
    if candidates.peek().is_none() {
        return Err(format!("that of key {tag} is of no trusted key"));
    }
    let holds = candidates.any(|key| {
        key.verify_rrsig(owner, DNSClass::IN, rrsig, set.iter().copied())
            .is_ok()
    });
    if holds {
        Ok(())
    } else {
        Err(format!("that of key {tag} does not fit the records"))
    }
}

/// A time in an RRSIG record: seconds modulo 2^32, of which the closest to now is meant (RFC 4034,
/// section 3.1.5).
pub fn time(seconds: u32, now: Timestamp) -> Timestamp {
    let now = now.as_second();
    let base = now.div_euclid(1 << 32) * (1 << 32) + i64::from(seconds);
    let closest = [base - (1 << 32), base, base + (1 << 32)]
        .into_iter()
        .min_by_key(|candidate| (candidate - now).abs())
        .unwrap_or(base);
    Timestamp::from_second(closest).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether signatures of this algorithm can be verified here.
pub fn is_known(algorithm: Algorithm) -> bool {
    algorithm.is_supported()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn times_of_signatures_wrap_around() {
        let check = |seconds, now: &str, expected: &str| {
            let now = now.parse().unwrap();
            assert_eq!(
                time(seconds, now),
                expected.parse::<Timestamp>().unwrap(),
                "{seconds}"
            );
        };
        check(
            1_700_000_000,
            "2026-11-22T00:00:00Z",
            "2023-11-14T22:13:20Z",
        );
        // 2^32 seconds end at 2106-02-07T06:28:16Z.
        check(u32::MAX, "2106-02-07T06:28:20Z", "2106-02-07T06:28:15Z");
        check(10, "2106-02-07T06:28:00Z", "2106-02-07T06:28:26Z");
    }
}
