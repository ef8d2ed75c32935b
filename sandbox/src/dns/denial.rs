//! Proofs that something does not exist: NSEC made for the question.
//!
//! Route 53 denies in the compact way ("black lies"): a name that does not exist is answered as if
//! it existed without the type asked for, NOERROR with one NSEC from the name to its first possible
//! successor; and where the name exists but not the type, the NSEC lists every type it could have
//! (developer guide, "DNSSEC proofs of nonexistence in Route 53"; draft-valsorda-dnsop-black-lies).
//! Zones that exist by rule say NXDOMAIN with narrow intervals around the name and the wildcard
//! (RFC 4470), so that validators meet both.

use std::collections::BTreeSet;

use domain::base::Rtype;

use super::DnsName;
use super::data::RrSet;

/// How a zone denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// One NSEC, never NXDOMAIN: Route 53's.
    Compact,
    /// NXDOMAIN with two NSEC.
    Narrow,
}

/// Types Route 53 claims a name has when it denies another one. Those that would say something else
/// are left out: a CNAME would have been the answer, NS without SOA makes the NSEC a parent's.
const SUPPORTED: [Rtype; 13] = [
    Rtype::A,
    Rtype::AAAA,
    Rtype::CAA,
    Rtype::HTTPS,
    Rtype::MX,
    Rtype::NAPTR,
    Rtype::PTR,
    Rtype::SPF,
    Rtype::SRV,
    Rtype::SSHFP,
    Rtype::SVCB,
    Rtype::TLSA,
    Rtype::TXT,
];

/// Types that every name with an NSEC has.
const ALWAYS: [Rtype; 2] = [Rtype::RRSIG, Rtype::NSEC];

/// What is at a name whose question has no answer.
#[derive(Debug, Clone)]
pub(super) enum Missing {
    /// Nothing; the closest name that exists.
    Name { encloser: DnsName },
    /// Only other types: these.
    Type { present: Vec<Rtype> },
}

/// The NSEC sets that deny `rtype` at `name`.
pub(super) fn deny(
    style: Style,
    (name, rtype): (&DnsName, Rtype),
    missing: &Missing,
    ttl: u32,
) -> Vec<(DnsName, RrSet)> {
    let of = |owner: &DnsName, next: Vec<u8>, types: &[Rtype]| {
        let data = nsec(&next, types);
        let set = RrSet {
            rtype: Rtype::NSEC,
            ttl,
            data: vec![data],
        };
        (owner.clone(), set)
    };
    match (style, missing) {
        (Style::Compact, Missing::Name { .. }) => vec![of(name, below(name), &[])],
        (Style::Compact, Missing::Type { present }) => {
            let mut types = present.clone();
            if !present.contains(&Rtype::NS) || present.contains(&Rtype::SOA) {
                types.extend(SUPPORTED);
            }
            types.retain(|present| *present != rtype);
            vec![of(name, below(name), &types)]
        }
        (Style::Narrow, Missing::Type { present }) => vec![of(name, below(name), present)],
        (Style::Narrow, Missing::Name { encloser }) => {
            let wildcard = encloser.child("*");
            let mut proofs: Vec<(DnsName, RrSet)> = [name, &wildcard]
                .into_iter()
                .map(|denied| of(&before(denied), after(denied), &[]))
                .collect();
            proofs.dedup_by(|a, b| a.0 == b.0);
            proofs
        }
    }
}

/// Record data of an NSEC (RFC 4034 section 4.1).
fn nsec(next: &[u8], types: &[Rtype]) -> Vec<u8> {
    let mut out = next.to_vec();
    let types: BTreeSet<u16> = types.iter().chain(&ALWAYS).map(|t| t.to_int()).collect();
    for window in 0..=u8::MAX {
        let mut bits = [0_u8; 32];
        let mut length = 0;
        for [high, low] in types.iter().map(|rtype| rtype.to_be_bytes()) {
            if high == window {
                let octet = usize::from(low / 8);
                bits[octet] |= 0x80 >> (low % 8);
                length = length.max(octet + 1);
            }
        }
        if length > 0 {
            out.push(window);
            out.push(u8::try_from(length).unwrap_or(32));
            out.extend_from_slice(&bits[..length]);
        }
    }
    out
}

/// The first name after `name` in canonical order: a label of one zero octet below it (RFC 4471
/// section 3.1.2). Where no room is left for that, the root, with which every chain ends.
fn below(name: &DnsName) -> Vec<u8> {
    let wire = name.wire();
    if wire.as_slice().len() + 2 > 255 {
        return vec![0];
    }
    let mut out = vec![1, 0];
    out.extend_from_slice(wire.as_slice());
    out
}

/// The first name after `name` that is not below it: its label with a zero octet appended. Below it
/// would say that the name is there, only without records.
fn after(name: &DnsName) -> Vec<u8> {
    let wire = name.wire();
    let wire = wire.as_slice();
    let length = usize::from(wire[0]);
    if length >= 63 || wire.len() >= 255 {
        return below(name);
    }
    let mut out = vec![wire[0] + 1];
    out.extend_from_slice(&wire[1..=length]);
    out.push(0);
    out.extend_from_slice(&wire[length + 1..]);
    out
}

/// A name before `name`, with nothing that could exist between the two: its label with the last octet
/// lowered, then filled up (RFC 4471 section 3.1.1).
fn before(name: &DnsName) -> DnsName {
    let wire = name.wire();
    let wire = wire.as_slice();
    let length = usize::from(wire[0]);
    let mut label = wire[1..=length].to_vec();
    match label.pop() {
        None => return DnsName::root(),
        Some(0) => {}
        Some(last) => {
            // Octets of upper-case letters sort as those of the lower-case ones.
            let lowered = match last - 1 {
                b'A'..=b'Z' => b'@',
                other => other,
            };
            label.push(lowered);
            let room = 255 - (wire.len() - length);
            label.resize(room.min(63).max(label.len()), u8::MAX);
        }
    }
    let rest = &wire[length + 1..];
    let mut out = Vec::new();
    if !label.is_empty() {
        out.push(u8::try_from(label.len()).unwrap_or(63));
        out.extend_from_slice(&label);
    }
    out.extend_from_slice(rest);
    let name = domain::base::Name::from_octets(out);
    name.map_or_else(|_| DnsName::root(), |name| DnsName::from_wire(&name))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use domain::base::cmp::CanonicalOrd as _;
    use domain::base::name::Name;
    use proptest::prelude::*;

    use super::*;

    fn name_of(labels: &[Vec<u8>]) -> Option<DnsName> {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(u8::try_from(label.len()).ok()?);
            wire.extend_from_slice(label);
        }
        wire.push(0);
        Some(DnsName::from_wire(&Name::from_octets(wire).ok()?))
    }

    proptest! {
        /// `domain` decides what comes first (RFC 4034 section 6.1).
        #[test]
        fn intervals_hold_the_name_and_nothing_that_can_exist(
            first in prop::collection::vec(any::<u8>(), 1..=63),
            rest in prop::collection::vec(prop::collection::vec(b'a'..=b'z', 1..=20), 1..=4),
            other in prop::collection::vec(any::<u8>(), 1..=63),
        ) {
            let labels: Vec<Vec<u8>> = std::iter::once(first).chain(rest.clone()).collect();
            let name = name_of(&labels).unwrap();
            let start = before(&name).wire();
            let end: Name<Vec<u8>> = Name::from_octets(after(&name)).unwrap();
            prop_assert!(start.canonical_cmp(&name.wire()).is_lt());
            prop_assert!(name.wire().canonical_cmp(&end).is_lt());
            // A sibling of any other label is outside the interval.
            let sibling: Vec<Vec<u8>> = std::iter::once(other).chain(rest).collect();
            let sibling = name_of(&sibling).unwrap();
            if sibling != name && sibling.wire() != start {
                let inside = start.canonical_cmp(&sibling.wire()).is_lt()
                    && sibling.wire().canonical_cmp(&end).is_lt();
                prop_assert!(!inside, "{sibling} in {start} .. {end}");
            }
        }
    }

    #[test]
    fn bitmaps_are_those_of_the_standard() {
        // RFC 4034 section 4.3, without its type 1234.
        let types = [Rtype::A, Rtype::MX];
        assert_eq!(nsec(&[0], &types), [0, 0, 6, 0x40, 1, 0, 0, 0, 3]);
        let caa = nsec(&[0], &[Rtype::CAA]);
        assert_eq!(caa[caa.len() - 3..], [1, 1, 0x40]);
    }

    #[test]
    fn a_compact_denial_never_claims_what_was_asked() {
        let name = DnsName::parse("a.spore.example.edu").unwrap();
        for rtype in SUPPORTED {
            let missing = Missing::Type {
                present: vec![Rtype::A],
            };
            let proofs = deny(Style::Compact, (&name, rtype), &missing, 300);
            let data = &proofs[0].1.data[0];
            let mut all = SUPPORTED.to_vec();
            all.retain(|t| *t != rtype);
            assert_eq!(*data, nsec(&below(&name), &all));
        }
        // At a delegation only what is there: the NSEC must be seen to be the parent's.
        let missing = Missing::Type {
            present: vec![Rtype::NS],
        };
        let proofs = deny(Style::Compact, (&name, Rtype::DS), &missing, 300);
        assert_eq!(proofs[0].1.data[0], nsec(&below(&name), &[Rtype::NS]));
    }
}
