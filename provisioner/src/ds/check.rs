//! What validating resolvers make of the DS records at a parent, server by server. Pure: it compares
//! what was seen with the zone's keys and asks nobody.
//!
//! One right record is enough for a validator (RFC 4035, section 5.2), with one exception. Validators may
//! heed only the records of the strongest digest type they know (RFC 4509, section 3, asks for that
//! against SHA-1; Unbound does it for all types): there a stale record of type 4 outweighs a right one of
//! type 2.

use std::fmt;

use super::{DnsKey, Ds};

/// What one server's DS set means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The key is vouched for.
    Right,
    /// The key is vouched for; these records are of none of the zone's keys and do no harm today.
    Stale(Vec<Ds>),
    /// Only another of the zone's keys is vouched for: a rotation that is not at its end.
    OtherKey(Vec<Ds>),
    /// There is a delegation without any record: the zone is insecure.
    Missing,
    /// There is no delegation.
    NotDelegated,
    /// Validators, or some of them, take the zone for bogus because of these.
    Wrong(Vec<Ds>),
}

/// Judges one server's answer.
///
/// `key` is the zone's current key, `others` its further ACTIVE keys. A record that cannot be read is a
/// wrong one.
pub fn judge(
    domain: &str,
    key: &DnsKey,
    others: &[DnsKey],
    is_delegated: bool,
    published: &[Ds],
) -> Verdict {
    if published.is_empty() {
        return if is_delegated {
            Verdict::Missing
        } else {
            Verdict::NotDelegated
        };
    }
    let is_of = |key: &DnsKey, ds: &Ds| ds.matches(domain, key);
    let is_ours = |ds: &Ds| is_of(key, ds) || others.iter().any(|other| is_of(other, ds));
    let (good, stale): (Vec<&Ds>, Vec<&Ds>) = published.iter().partition(|ds| is_ours(ds));
    let listed = |records: &[&Ds]| records.iter().map(|ds| (*ds).clone()).collect::<Vec<Ds>>();
    let strongest = |records: &[&Ds]| records.iter().map(|ds| strength(ds.digest_type)).max();
    if good.is_empty() || strongest(&stale) > strongest(&good) {
        return Verdict::Wrong(listed(&stale));
    }
    if !good.iter().any(|ds| is_of(key, ds)) {
        return Verdict::OtherKey(listed(&good));
    }
    if stale.is_empty() {
        Verdict::Right
    } else {
        Verdict::Stale(listed(&stale))
    }
}

/// Order of digest types by preference. What a validator does not know it ignores (RFC 4035, section
/// 5.2), so unknown types weigh nothing; so does GOST (3), which hardly any knows.
fn strength(digest_type: u8) -> u8 {
    match digest_type {
        1 => 1,
        2 => 2,
        4 => 3,
        _ => 0,
    }
}

impl Verdict {
    /// One word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Right => "right",
            Verdict::Stale(_) => "stale",
            Verdict::OtherKey(_) => "other-key",
            Verdict::Missing => "missing",
            Verdict::NotDelegated => "not-delegated",
            Verdict::Wrong(_) => "wrong",
        }
    }

    /// The records it speaks of.
    pub fn records(&self) -> &[Ds] {
        match self {
            Verdict::Stale(records) | Verdict::OtherKey(records) | Verdict::Wrong(records) => {
                records
            }
            Verdict::Right | Verdict::Missing | Verdict::NotDelegated => &[],
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.records().iter().map(ToString::to_string).collect();
        let shown = shown.join("; ");
        match self {
            Verdict::Right => f.write_str("right"),
            Verdict::Stale(_) => write!(
                f,
                "right, beside what is of none of the zone's keys: {shown}"
            ),
            Verdict::OtherKey(_) => write!(f, "only that of another key of the zone: {shown}"),
            Verdict::Missing => f.write_str("missing"),
            Verdict::NotDelegated => f.write_str("missing, and there is no delegation"),
            Verdict::Wrong(_) => write!(f, "wrong, validating resolvers refuse the zone: {shown}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::DigestType;
    use super::*;

    const DOMAIN: &str = "example.net";

    /// RFC 6605, section 6.1.
    fn key() -> DnsKey {
        DnsKey::parse("257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==").unwrap()
    }

    fn other() -> DnsKey {
        DnsKey::parse("257 3 13 HojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==").unwrap()
    }

    fn word(published: &[Ds]) -> &'static str {
        judge(DOMAIN, &key(), &[], true, published).word()
    }

    #[test]
    fn every_set_of_records_has_its_meaning() {
        let (two, four) = (
            key().ds(DOMAIN, DigestType::Sha256),
            key().ds(DOMAIN, DigestType::Sha384),
        );
        let (gone2, gone4) = (
            other().ds(DOMAIN, DigestType::Sha256),
            other().ds(DOMAIN, DigestType::Sha384),
        );
        assert_eq!(word(&[]), "missing");
        assert_eq!(word(std::slice::from_ref(&two)), "right");
        assert_eq!(word(std::slice::from_ref(&four)), "right");
        assert_eq!(word(&[two.clone(), four.clone()]), "right");
        assert_eq!(word(std::slice::from_ref(&gone2)), "wrong");
        assert_eq!(word(&[two.clone(), gone2.clone()]), "stale");
        // Unbound would heed only the stale one here, and only the right one there.
        assert_eq!(word(&[two.clone(), gone4.clone()]), "wrong");
        assert_eq!(word(&[four, gone4, gone2.clone()]), "stale");
        let mut flipped = two.clone();
        flipped.digest[7] ^= 1;
        assert_eq!(word(&[two.clone(), flipped.clone()]), "stale");
        assert_eq!(word(&[flipped]), "wrong");
        let judged = |published: &[Ds]| judge(DOMAIN, &key(), &[other()], true, published);
        assert_eq!(judged(std::slice::from_ref(&gone2)).word(), "other-key");
        assert_eq!(judged(&[gone2, two]), Verdict::Right);
        assert_eq!(
            judge(DOMAIN, &key(), &[], false, &[]),
            Verdict::NotDelegated
        );
    }
}
