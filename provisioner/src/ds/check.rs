//! Whether what one server of the parent publishes is what is wanted of it, in words for people and
//! programs. What validators make of it is [`judgement`](super::judgement)'s.

use std::fmt;

use super::judgement::{Fit, Judgement, Keys, Trust, judge};
use super::{DnsKey, Ds, SHA1};

/// What one server's DS set means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The key is vouched for.
    Right,
    /// The key is vouched for; these records lead nowhere, or to a key that is not needed, and do no harm
    /// today.
    Stale(Vec<Ds>),
    /// It is vouched for by SHA-1 only, which some validators do not take.
    Weak(Vec<Ds>),
    /// Only another of the stack's keys is vouched for: a rotation that is not at its end.
    OtherKey(Vec<Ds>),
    /// There is a delegation without any record: the zone is insecure.
    Missing,
    /// There is no delegation.
    NotDelegated,
    /// There are only records of a kind that no validator knows: the zone is insecure.
    Unusable(Vec<Ds>),
    /// Only a key that Route 53 cannot use any more is vouched for.
    Failing(Vec<Ds>),
    /// Only a key that is not the stack's is vouched for: its holder can answer for the zone.
    Strange(Vec<Ds>),
    /// Whether these are of a key that signs on every name server, nobody can tell.
    Unknown(Vec<Ds>),
    /// Validators that heed only the strongest digest type take the zone for bogus because of these.
    Disputed(Vec<Ds>),
    /// Validators take the zone for bogus because of these.
    Wrong(Vec<Ds>),
}

/// Judges one server's answer: `key` is the one that it is to vouch for now.
pub fn verdict(
    domain: &str,
    key: &DnsKey,
    keys: &Keys,
    is_delegated: bool,
    published: &[Ds],
) -> Verdict {
    let judgement = judge(domain, keys, published);
    let useless = judgement.records_that(|fit| !fit.leads());
    match judgement.trust {
        Trust::None if is_delegated => Verdict::Missing,
        Trust::None => Verdict::NotDelegated,
        Trust::Unusable => Verdict::Unusable(published.to_vec()),
        Trust::Bogus => Verdict::Wrong(useless),
        Trust::Disputed => Verdict::Disputed(useless),
        Trust::Failing => Verdict::Failing(judgement.records_that(|fit| fit == Fit::Failing)),
        Trust::Untold => Verdict::Unknown(judgement.records_that(|fit| fit == Fit::Untold)),
        Trust::Secure | Trust::Weak if !judgement.is_ours => {
            Verdict::Strange(judgement.records_that(|fit| fit == Fit::Strange))
        }
        Trust::Weak => Verdict::Weak(judgement.records_that(|fit| fit == Fit::Good)),
        Trust::Secure => secure(domain, key, &judgement),
    }
}

fn secure(domain: &str, key: &DnsKey, judgement: &Judgement) -> Verdict {
    let is_its = |ds: &Ds| ds.digest_type != SHA1 && ds.matches(domain, key);
    let has = |wanted: Fit| {
        let mut records = judgement.records.iter();
        records.any(|(ds, fit)| is_its(ds) && *fit == wanted)
    };
    if has(Fit::Untold) {
        return Verdict::Unknown(judgement.records_that(|fit| fit == Fit::Untold));
    }
    if !has(Fit::Good) {
        return Verdict::OtherKey(judgement.records_that(|fit| fit == Fit::Good));
    }
    let stale = judgement.records_that(|fit| fit != Fit::Good && fit != Fit::Untold);
    if stale.is_empty() {
        Verdict::Right
    } else {
        Verdict::Stale(stale)
    }
}

impl Verdict {
    /// One word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Right => "right",
            Verdict::Stale(_) => "stale",
            Verdict::Weak(_) => "weak",
            Verdict::OtherKey(_) => "other-key",
            Verdict::Missing => "missing",
            Verdict::NotDelegated => "not-delegated",
            Verdict::Unusable(_) => "unusable",
            Verdict::Failing(_) => "failing",
            Verdict::Strange(_) => "strange",
            Verdict::Unknown(_) => "unknown",
            Verdict::Disputed(_) | Verdict::Wrong(_) => "wrong",
        }
    }

    /// The records it speaks of.
    pub fn records(&self) -> &[Ds] {
        match self {
            Verdict::Stale(records)
            | Verdict::Weak(records)
            | Verdict::OtherKey(records)
            | Verdict::Unusable(records)
            | Verdict::Failing(records)
            | Verdict::Strange(records)
            | Verdict::Unknown(records)
            | Verdict::Disputed(records)
            | Verdict::Wrong(records) => records,
            Verdict::Right | Verdict::Missing | Verdict::NotDelegated => &[],
        }
    }

    /// Whether it is a mistake, or will be one, rather than a thing left to do.
    pub fn is_wrong(&self) -> bool {
        match self {
            Verdict::Failing(_)
            | Verdict::Strange(_)
            | Verdict::Disputed(_)
            | Verdict::Wrong(_) => true,
            Verdict::Right
            | Verdict::Stale(_)
            | Verdict::Weak(_)
            | Verdict::OtherKey(_)
            | Verdict::Missing
            | Verdict::NotDelegated
            | Verdict::Unusable(_)
            | Verdict::Unknown(_) => false,
        }
    }

    /// Whether the key is vouched for as it should be.
    pub fn is_right(&self) -> bool {
        matches!(self, Verdict::Right | Verdict::Stale(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.records().iter().map(ToString::to_string).collect();
        let shown = shown.join("; ");
        match self {
            Verdict::Right => f.write_str("right"),
            Verdict::Stale(_) => write!(f, "right, beside what nothing needs: {shown}"),
            Verdict::Weak(_) => write!(
                f,
                "right, but by SHA-1, which some validating resolvers do not take: {shown}"
            ),
            Verdict::OtherKey(_) => write!(f, "only that of another key of the zone: {shown}"),
            Verdict::Missing => f.write_str("missing"),
            Verdict::NotDelegated => f.write_str("missing, and there is no delegation"),
            Verdict::Unusable(_) => write!(
                f,
                "missing; what is there is of a kind that no validating resolver knows: {shown}"
            ),
            Verdict::Failing(_) => write!(
                f,
                "only that of a key that Route 53 cannot sign with, and the zone is bogus as soon as \
                 what it signed has run out: {shown}"
            ),
            Verdict::Strange(_) => write!(
                f,
                "only that of a key that is not this stack's, whose holder can answer for the zone: \
                 {shown}"
            ),
            Verdict::Unknown(_) => write!(
                f,
                "unknown, as it cannot be told whether a key that signs on every name server is vouched for: \
                 {shown}"
            ),
            Verdict::Disputed(_) => write!(
                f,
                "wrong, validating resolvers that heed only the strongest digest type refuse the zone: \
                 {shown}"
            ),
            Verdict::Wrong(_) => write!(f, "wrong, validating resolvers refuse the zone: {shown}"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::DigestType;
    use super::*;

    const DOMAIN: &str = "example.net";

    /// RFC 6605, section 6.1, and keys with another first octet.
    fn key(first: char) -> DnsKey {
        DnsKey::parse(&format!("257 3 13 {first}ojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==")).unwrap()
    }

    fn of(first: char) -> Ds {
        key(first).ds(DOMAIN, DigestType::Sha256)
    }

    /// The key that is wanted is G; H is the stack's as well, F fails, R rests, S is a stranger's, of U nobody
    /// can tell.
    fn word(published: &[Ds]) -> &'static str {
        let keys = Keys {
            signing: vec![key('G'), key('H')],
            failing: vec![key('F')],
            resting: vec![key('R')],
            strange: vec![key('S')],
            untold: vec![key('U')],
            unread: Vec::new(),
        };
        verdict(DOMAIN, &key('G'), &keys, true, published).word()
    }

    #[test]
    fn every_set_of_records_has_its_word() {
        let sha1 = Ds::parse(&key('G').sha1_ds(DOMAIN).to_string()).unwrap();
        let four = key('X').ds(DOMAIN, DigestType::Sha384);
        let unknown = Ds {
            digest_type: 6,
            ..of('G')
        };
        for (published, expected) in [
            (vec![], "missing"),
            (vec![of('G')], "right"),
            (vec![of('G'), of('H')], "right"),
            (vec![of('G'), of('X')], "stale"),
            (vec![of('G'), of('S')], "stale"),
            (vec![of('G'), sha1.clone()], "right"),
            (vec![sha1.clone()], "weak"),
            // SHA-1 is ignored beside SHA-256, so it does not stand for the key.
            (vec![sha1, of('H')], "other-key"),
            (vec![of('H')], "other-key"),
            (vec![unknown], "unusable"),
            (vec![of('F')], "failing"),
            (vec![of('F'), of('G')], "stale"),
            (vec![of('S')], "strange"),
            (vec![of('R')], "wrong"),
            (vec![of('U')], "unknown"),
            (vec![of('U'), of('X')], "unknown"),
            (vec![of('G'), of('U')], "right"),
            (vec![of('X')], "wrong"),
            (vec![of('G'), four], "wrong"),
        ] {
            assert_eq!(word(&published), expected, "{published:?}");
        }
        let untold = Keys {
            untold: vec![key('G')],
            signing: vec![key('H')],
            ..Keys::default()
        };
        let known_by_another = verdict(DOMAIN, &key('G'), &untold, true, &[of('G'), of('H')]);
        assert_eq!(known_by_another.word(), "unknown");
        // What is of no key that is known may be of one that cannot be read.
        let unread = Keys {
            unread: vec!["spore_2".into()],
            signing: vec![key('G')],
            ..Keys::default()
        };
        for (published, expected) in [
            (vec![of('X')], "unknown"),
            (vec![of('G')], "right"),
            (vec![of('G'), of('X')], "right"),
        ] {
            let found = verdict(DOMAIN, &key('G'), &unread, true, &published);
            assert_eq!(found.word(), expected, "{published:?}");
        }
        let none = verdict(DOMAIN, &key('G'), &Keys::default(), false, &[]);
        assert_eq!(none, Verdict::NotDelegated);
    }
}
