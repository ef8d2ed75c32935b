//! Proofs that a parent has no DS record for a zone: NSEC (RFC 4035, section 5.4; RFC 6840, section
//! 4.4) and NSEC3 with and without opt-out (RFC 5155, sections 8.6 and 8.9).

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC3};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use jiff::Timestamp;

use crate::dns::rrset::{Keys, verify};

/// What was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDs {
    /// The zone is delegated, and not signed as far as the parent knows.
    Unsigned,
    /// Nothing is delegated there.
    NotDelegated,
}

/// Iterations beyond which validators may take a proof for none (RFC 9276, section 3.2).
const ITERATIONS_MAX: u16 = 100;

/// Looks for a proof in the authority section of an answer.
///
/// # Errors
/// Why there is none.
pub fn no_ds(
    parent: &Keys,
    authority: &[Record],
    child: &Name,
    now: Timestamp,
) -> Result<NoDs, String> {
    let mut why = "the answer holds no proof that there is no DS record".to_owned();
    let mut hashed = Vec::new();
    for record in authority {
        let (RData::DNSSEC(DNSSECRData::NSEC(_)) | RData::DNSSEC(DNSSECRData::NSEC3(_))) =
            &record.data
        else {
            continue;
        };
        let rtype = record.record_type();
        if let Err(reason) = verify(parent, authority, &record.name, rtype, now) {
            why = reason;
            continue;
        }
        if let RData::DNSSEC(DNSSECRData::NSEC(nsec)) = &record.data {
            if record.name == *child {
                return of_bitmap(|rtype| nsec.type_set().iter().any(|found| found == rtype));
            }
            let next = nsec.next_domain_name();
            let covers = record.name < *child && (*child < *next || *next == parent.zone);
            let above = record.name.zone_of(child) && nsec.is_ancestor_delegation();
            if covers && !above {
                return Ok(NoDs::NotDelegated);
            }
        } else if let RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) = &record.data {
            hashed.push((&record.name, nsec3));
        }
    }
    by_hash(parent, &hashed, child).unwrap_or(Err(why))
}

/// A record at the name itself: it must be the parent's (no SOA), and without DS.
fn of_bitmap(has: impl Fn(RecordType) -> bool) -> Result<NoDs, String> {
    if has(RecordType::DS) {
        Err("the parent proves that there is a DS record, and does not answer it".into())
    } else if has(RecordType::SOA) {
        Err("the proof is the zone's own, not its parent's".into())
    } else if has(RecordType::NS) {
        Ok(NoDs::Unsigned)
    } else {
        Ok(NoDs::NotDelegated)
    }
}

/// None without NSEC3 records that prove anything.
fn by_hash(
    parent: &Keys,
    records: &[(&Name, &NSEC3)],
    child: &Name,
) -> Option<Result<NoDs, String>> {
    let (_, first) = records.first()?;
    if first.iterations() > ITERATIONS_MAX {
        return Some(Ok(NoDs::Unsigned));
    }
    let hash = |name: &Name| -> Option<Vec<u8>> {
        let digest = first
            .hash_algorithm()
            .hash(first.salt(), name, first.iterations())
            .ok()?;
        Some(digest.as_ref().to_vec())
    };
    let at = |wanted: &[u8]| {
        records
            .iter()
            .find(|(owner, _)| owner.iter().next().and_then(unbase32).as_deref() == Some(wanted))
    };
    let over = |wanted: &[u8]| {
        records.iter().find(|(owner, nsec3)| {
            let Some(begin) = owner.iter().next().and_then(unbase32) else {
                return false;
            };
            let (begin, end) = (begin.as_slice(), nsec3.next_hashed_owner_name());
            if begin < end {
                begin < wanted && wanted < end
            } else {
                wanted > begin || wanted < end
            }
        })
    };
    if let Some((_, nsec3)) = at(&hash(child)?) {
        return Some(of_bitmap(|rtype| {
            nsec3.type_set().iter().any(|found| found == rtype)
        }));
    }
    // The closest encloser exists, and the name next to it on the way to the child does not.
    let labels = child.num_labels();
    for depth in (parent.zone.num_labels()..labels).rev() {
        let encloser = child.trim_to(usize::from(depth));
        let Some((_, nsec3)) = at(&hash(&encloser)?) else {
            continue;
        };
        if nsec3.is_ancestor_delegation() {
            return None;
        }
        let next_closer = child.trim_to(usize::from(depth) + 1);
        let (_, covering) = over(&hash(&next_closer)?)?;
        // Opt-out: unsigned delegations may lie in between (RFC 5155, section 6).
        return Some(Ok(if covering.opt_out() {
            NoDs::Unsigned
        } else {
            NoDs::NotDelegated
        }));
    }
    None
}

/// Base 32 with extended hex alphabet (RFC 4648, section 7), as hashed owner names are written.
fn unbase32(label: &[u8]) -> Option<Vec<u8>> {
    let mut bits: u32 = 0;
    let mut held = 0;
    let mut out = Vec::new();
    for byte in label {
        let value = match byte.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => digit - b'0',
            letter @ b'a'..=b'v' => letter - b'a' + 10,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 0xff).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// RFC 5155, appendix A: H(example) with salt AABBCCDD and 12 iterations.
    #[test]
    fn hashes_are_written_as_in_the_rfc() {
        let name: Name = "example.".parse().unwrap();
        let hash = hickory_proto::dnssec::Nsec3HashAlgorithm::SHA1
            .hash(&[0xAA, 0xBB, 0xCC, 0xDD], &name, 12)
            .unwrap();
        let written = unbase32(b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom").unwrap();
        assert_eq!(hash.as_ref(), written);
        assert_eq!(unbase32(b"0p9w"), None);
    }

    #[test]
    fn a_bitmap_must_be_the_parents() {
        let check = |types: &[RecordType]| of_bitmap(|rtype| types.contains(&rtype));
        assert_eq!(check(&[RecordType::NS]), Ok(NoDs::Unsigned));
        assert_eq!(check(&[RecordType::A]), Ok(NoDs::NotDelegated));
        assert!(check(&[RecordType::NS, RecordType::DS]).is_err());
        assert!(check(&[RecordType::NS, RecordType::SOA]).is_err());
    }
}
