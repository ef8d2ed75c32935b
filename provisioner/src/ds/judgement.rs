//! What validating resolvers make of the DS records at a parent, given the zone's keys: the one judgement
//! that every command uses. Callers choose only their words. Pure: it asks nobody.
//!
//! - A validator ignores records of algorithms or digest types that it does not know; with none left the
//!   zone is insecure (RFC 4035, section 5.2).
//! - Of the rest, one that leads to a key that signs the DNSKEY set is enough (RFC 4035, section 5.2;
//!   RFC 6840, section 5.11: any valid path has to be accepted, whatever else is there).
//! - A validator should ignore SHA-1 beside SHA-256 (RFC 4509, section 3). Unbound can go further: with
//!   `harden-algo-downgrade` (unbound.conf(5); seen with 1.17.1), and in older releases in any case, it
//!   takes the highest digest type that it knows and heeds nothing else (`val_favorite_ds_algo`). There a
//!   stale record of type 4 outweighs a right one of type 2.
//!
//! A set is right here only if the strictest of these accepts it.
//!
//! What follows from it for a record because of which validators refuse the zone ([`Judgement::wrong`]), the same
//! in every command: nobody needs it, so nothing is waited for. Where the right record may be published, it takes
//! the place of the wrong one in one change, as with it the zone is secure and without any only insecure; where
//! a registry takes one step at a time, the right one comes first. Where none may be published yet, the wrong
//! one goes alone. Whoever has asked before remembers it for its TTL either way.

use std::collections::BTreeSet;

use super::{DigestType, DnsKey, Ds, SHA1};

/// Key algorithms that validators are told to know (RFC 8624, section 3.1).
const ALGORITHMS: [u8; 8] = [5, 7, 8, 10, 13, 14, 15, 16];

/// The zone's keys, by what a DS record of each is worth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The stack's that sign.
    pub signing: Vec<DnsKey>,
    /// The stack's that Route 53 cannot use any more: what they signed holds until it ends.
    pub failing: Vec<DnsKey>,
    /// Keys that do not sign, whosever.
    pub resting: Vec<DnsKey>,
    /// Keys that sign, and are not known to be the stack's.
    pub strange: Vec<DnsKey>,
    /// The stack's that Route 53 signs with, and of which a name server did not say whether it serves them.
    pub untold: Vec<DnsKey>,
    /// Names of key-signing keys whose DNSKEY records cannot be read: what is of no other key may be of one of
    /// these.
    pub unread: Vec<String>,
}

impl Keys {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &DnsKey> {
        let groups = [
            &self.signing,
            &self.failing,
            &self.resting,
            &self.strange,
            &self.untold,
        ];
        groups.into_iter().flatten()
    }
}

/// What a DS record is to the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is of a key of the stack's that signs.
    Good,
    /// It is of a key of the stack's that Route 53 cannot use any more.
    Failing,
    /// It is of a key that does not sign.
    Resting,
    /// It is of a key that signs, but is not known to be the stack's.
    Strange,
    /// It is of a key of the stack's of which nobody can tell whether every name server has it, or may be of
    /// one that cannot be read.
    Untold,
    /// A key of the zone has its tag and algorithm, but the digest is of something else.
    WrongDigest,
    /// No validator knows its algorithm or digest type.
    UnknownKind,
    /// No key of the zone has its tag.
    Stale,
}

impl Fit {
    /// Whether a validator comes from it to a signature that holds today.
    pub fn leads(self) -> bool {
        match self {
            Fit::Good | Fit::Failing | Fit::Strange => true,
            Fit::Untold | Fit::Resting | Fit::WrongDigest | Fit::UnknownKind | Fit::Stale => false,
        }
    }

    /// Whether validators heed it and it is of no key that the zone has, in whatever state.
    pub fn is_wrong(self) -> bool {
        match self {
            Fit::WrongDigest | Fit::Stale => true,
            Fit::Good
            | Fit::Failing
            | Fit::Resting
            | Fit::Strange
            | Fit::Untold
            | Fit::UnknownKind => false,
        }
    }
}

/// What a record is to a zone with these keys.
pub fn fit(domain: &str, keys: &Keys, ds: &Ds) -> Fit {
    let is_of_one = |keys: &[DnsKey]| keys.iter().any(|key| ds.matches(domain, key));
    if is_of_one(&keys.signing) {
        Fit::Good
    } else if is_of_one(&keys.failing) {
        Fit::Failing
    } else if is_of_one(&keys.strange) {
        Fit::Strange
    } else if is_of_one(&keys.untold) {
        Fit::Untold
    } else if is_of_one(&keys.resting) {
        Fit::Resting
    } else if strength(ds.algorithm, ds.digest_type).is_none() {
        Fit::UnknownKind
    } else if !keys.unread.is_empty() {
        Fit::Untold
    } else if keys
        .all()
        .any(|key| key.key_tag() == ds.key_tag && key.algorithm() == ds.algorithm)
    {
        Fit::WrongDigest
    } else {
        Fit::Stale
    }
}

/// What validators do with a zone that has these records, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// All find a key that signs.
    Secure,
    /// Those that still take SHA-1 find one; to others the zone is insecure.
    Weak,
    /// There is no record: the zone is insecure.
    None,
    /// There is none of a kind that validators know: the zone is insecure.
    Unusable,
    /// They find a key that Route 53 cannot use any more, and refuse the zone when its signatures end.
    Failing,
    /// Whether they find a key that signs, nobody can tell.
    Untold,
    /// Those that heed only the strongest digest type refuse the zone.
    Disputed,
    /// All refuse the zone.
    Bogus,
}

impl Trust {
    /// Whether some validators, or all, refuse the zone today.
    pub fn is_refused(self) -> bool {
        match self {
            Trust::Disputed | Trust::Bogus => true,
            Trust::Secure
            | Trust::Weak
            | Trust::None
            | Trust::Unusable
            | Trust::Failing
            | Trust::Untold => false,
        }
    }
}

/// One set of records, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Each record, and what it is.
    pub records: Vec<(Ds, Fit)>,
    /// What validators do.
    pub trust: Trust,
    /// Whether the way that all validators find leads to a key of the stack's that signs.
    pub is_ours: bool,
}

impl Judgement {
    /// The records that are something, or anything but that.
    pub fn records_that(&self, are: impl Fn(Fit) -> bool) -> Vec<Ds> {
        let records = self.records.iter().filter(|(_, fit)| are(*fit));
        records.map(|(ds, _)| ds.clone()).collect()
    }

    /// Records of no key of the zone, where validators refuse it, some or all: nothing has to be waited for
    /// before they go. A key that rests may sign again, so its record is not among them.
    pub fn wrong(&self) -> Vec<Ds> {
        if self.trust.is_refused() {
            self.records_that(Fit::is_wrong)
        } else {
            Vec::new()
        }
    }

    fn has(&self, is_meant: impl Fn(&Ds) -> bool) -> bool {
        self.records.iter().any(|(ds, _)| is_meant(ds))
    }
}

/// The DS sets of all servers of a parent, each judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published<'a> {
    domain: &'a str,
    /// Each server's, in their order.
    pub sets: Vec<Judgement>,
}

impl<'a> Published<'a> {
    /// Judges the set of each server.
    pub fn of(domain: &'a str, keys: &Keys, sets: impl IntoIterator<Item = Vec<Ds>>) -> Self {
        let sets = sets.into_iter();
        Self {
            domain,
            sets: sets.map(|set| judge(domain, keys, &set)).collect(),
        }
    }

    /// Every record that some server has.
    pub fn records(&self) -> BTreeSet<&Ds> {
        let records = self.sets.iter().flat_map(|set| &set.records);
        records.map(|(ds, _)| ds).collect()
    }

    /// Records that some server has, and that are something.
    pub fn records_that(&self, are: impl Fn(Fit) -> bool) -> BTreeSet<Ds> {
        let sets = self.sets.iter();
        sets.flat_map(|set| set.records_that(&are)).collect()
    }

    /// Records that have to go at once, whatever else has to wait ([`Judgement::wrong`]).
    pub fn wrong(&self) -> BTreeSet<Ds> {
        self.sets.iter().flat_map(Judgement::wrong).collect()
    }

    /// The digest type for a record that comes beside those of the zone's keys: the parent's own choice, where it
    /// has made one; otherwise the one that every validator knows (RFC 8624, section 3.3).
    pub fn digest(&self) -> DigestType {
        let leading = self.records_that(Fit::leads);
        let has = |digest: DigestType| leading.iter().any(|ds| ds.digest_type == digest.number());
        if has(DigestType::Sha384) && !has(DigestType::Sha256) {
            DigestType::Sha384
        } else {
            DigestType::Sha256
        }
    }

    /// Whether some server has not this record.
    pub fn lacks(&self, ds: &Ds) -> bool {
        self.sets.iter().any(|set| !set.has(|other| other == ds))
    }

    /// Whether some server has a record of the key, of whatever digest type: a resolver may hold it.
    pub fn is_somewhere(&self, key: &DnsKey) -> bool {
        let mut sets = self.sets.iter();
        sets.any(|set| set.has(|ds| ds.matches(self.domain, key)))
    }

    /// Whether there are servers, and each has a record of the key, of whatever digest type.
    pub fn is_everywhere(&self, key: &DnsKey) -> bool {
        let is_its = |ds: &Ds| ds.matches(self.domain, key);
        !self.sets.is_empty() && self.sets.iter().all(|set| set.has(is_its))
    }

    /// Whether each server has a record of the key that stands without any other: not by SHA-1, which is
    /// ignored beside a stronger digest (RFC 4509, section 3) and which some validators do not take.
    pub fn stands_everywhere(&self, key: &DnsKey) -> bool {
        let is_its = |ds: &Ds| ds.digest_type != SHA1 && ds.matches(self.domain, key);
        !self.sets.is_empty() && self.sets.iter().all(|set| set.has(is_its))
    }
}

/// Judges the set of records that one server of the parent publishes.
pub fn judge(domain: &str, keys: &Keys, published: &[Ds]) -> Judgement {
    let records: Vec<(Ds, Fit)> = published
        .iter()
        .map(|ds| (ds.clone(), fit(domain, keys, ds)))
        .collect();
    let strongest = strongest(published.iter().map(|ds| (ds.algorithm, ds.digest_type)));
    let heeded = |strict: bool| {
        records
            .iter()
            .filter(
                move |(ds, _)| match strength(ds.algorithm, ds.digest_type) {
                    None => false,
                    Some(_) if strict => Some(ds.digest_type) == strongest,
                    Some(_) => ds.digest_type != SHA1 || strongest == Some(SHA1),
                },
            )
            .map(|(_, fit)| *fit)
    };
    let trust = match strongest {
        None if records.is_empty() => Trust::None,
        None => Trust::Unusable,
        Some(digest_type) => {
            if heeded(true).any(|fit| matches!(fit, Fit::Good | Fit::Strange)) {
                if digest_type == SHA1 {
                    Trust::Weak
                } else {
                    Trust::Secure
                }
            } else if heeded(true).any(Fit::leads) {
                Trust::Failing
            } else if heeded(true).any(|fit| fit == Fit::Untold) {
                Trust::Untold
            } else if heeded(false).any(|fit| fit.leads() || fit == Fit::Untold) {
                Trust::Disputed
            } else {
                Trust::Bogus
            }
        }
    };
    Judgement {
        is_ours: heeded(true).any(|fit| fit == Fit::Good),
        records,
        trust,
    }
}

/// The digest type that the strictest validators heed alone, among records of these algorithms and digest
/// types; none if validators know none of them.
pub fn strongest(kinds: impl Iterator<Item = (u8, u8)>) -> Option<u8> {
    kinds
        .filter_map(|(algorithm, digest_type)| {
            Some((strength(algorithm, digest_type)?, digest_type))
        })
        .max()
        .map(|(_, digest_type)| digest_type)
}

/// Rank of a digest type among those that validators know: 1, 2 and 4. GOST (3) and what came later are
/// built into hardly any, and must not be counted on (RFC 8624, section 3.3).
fn strength(algorithm: u8, digest_type: u8) -> Option<u8> {
    if !ALGORITHMS.contains(&algorithm) {
        return None;
    }
    match digest_type {
        1 | 2 | 4 => Some(digest_type),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const DOMAIN: &str = "spore.host";
    /// A key of Route 53, and its records as dnssec-dsfromkey prints them with `-1`, `-2` and `-a
    /// SHA-384`.
    const KEY: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";
    const ONE: &str = "10831 13 1 18E37699D219191655050336CE8D2DED5F8300D3";
    const TWO: &str = "10831 13 2 F324476F158C8FA41966789CD6E04F793009AE872EA021DC0F387BF217CDAE5A";
    const FOUR: &str = "10831 13 4 B4BD671D0FB27AA2ED1BEE9788AFA66D680D00005D3B4CA28E80E30EF9BEC71F34DB5929659C6C7242A7A941A2243E91";
    /// RFC 6605, section 6.1: another key.
    const OTHER: &str = "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";

    fn key(text: &str) -> DnsKey {
        DnsKey::parse(text).unwrap()
    }

    fn signing() -> Keys {
        Keys {
            signing: vec![key(KEY)],
            ..Keys::default()
        }
    }

    /// A record of nothing, of one digest type.
    fn stale(digest_type: u8) -> String {
        let len = [20, 32, 32, 48][usize::from(digest_type) - 1];
        format!("12735 13 {digest_type} {}", "AB".repeat(len))
    }

    fn judged(keys: &Keys, records: &[&str]) -> Judgement {
        let records: Vec<Ds> = records.iter().map(|ds| Ds::parse(ds).unwrap()).collect();
        judge(DOMAIN, keys, &records)
    }

    #[test]
    fn validators_that_heed_the_strongest_digest_only_decide() {
        let (one, two, four) = (stale(1), stale(2), stale(4));
        for (records, trust) in [
            (&[][..], Trust::None),
            (&[TWO][..], Trust::Secure),
            (&[FOUR], Trust::Secure),
            (&[TWO, FOUR], Trust::Secure),
            (&[ONE], Trust::Weak),
            (&[ONE, TWO], Trust::Secure),
            (&[TWO, &two], Trust::Secure),
            (&[TWO, &one], Trust::Secure),
            (&[FOUR, &two], Trust::Secure),
            (&[TWO, &four], Trust::Disputed),
            (&[TWO, &four, FOUR], Trust::Secure),
            // SHA-1 is ignored beside SHA-256 by all that follow RFC 4509.
            (&[ONE, &two], Trust::Bogus),
            (&[&two], Trust::Bogus),
            (&[&one], Trust::Bogus),
        ] {
            assert_eq!(judged(&signing(), records).trust, trust, "{records:?}");
        }
    }

    #[test]
    fn what_no_validator_knows_is_as_if_it_were_not_there() {
        let strange = [
            format!("10831 200 2 {}", "AB".repeat(32)),
            format!("10831 13 3 {}", "AB".repeat(32)),
            format!("10831 13 99 {}", "AB".repeat(7)),
        ];
        for record in &strange {
            assert_eq!(judged(&signing(), &[record]).trust, Trust::Unusable);
            let beside = judged(&signing(), &[record, TWO]);
            assert_eq!(beside.trust, Trust::Secure, "{record}");
            assert_eq!(beside.records[0].1, Fit::UnknownKind);
        }
    }

    #[test]
    fn what_comes_has_the_digest_that_the_parent_has() {
        let stale = stale(4);
        for (records, digest) in [
            (&[][..], DigestType::Sha256),
            (&[TWO][..], DigestType::Sha256),
            (&[ONE], DigestType::Sha256),
            (&[TWO, FOUR], DigestType::Sha256),
            (&[FOUR], DigestType::Sha384),
            (&[FOUR, ONE], DigestType::Sha384),
            // It is of no key: the parent's people have chosen nothing for this one.
            (&[&stale], DigestType::Sha256),
        ] {
            let records = records.iter().map(|ds| Ds::parse(ds).unwrap()).collect();
            let published = Published::of(DOMAIN, &signing(), [records]);
            assert_eq!(published.digest(), digest, "{published:?}");
        }
    }

    #[test]
    fn only_a_key_that_signs_vouches() {
        let of = |group: fn(&mut Keys, Vec<DnsKey>)| {
            let mut keys = Keys::default();
            group(&mut keys, vec![key(KEY)]);
            let judgement = judged(&keys, &[TWO]);
            (judgement.trust, judgement.records[0].1, judgement.is_ours)
        };
        let resting = of(|keys, it| keys.resting = it);
        assert_eq!(resting, (Trust::Bogus, Fit::Resting, false));
        let failing = of(|keys, it| keys.failing = it);
        assert_eq!(failing, (Trust::Failing, Fit::Failing, false));
        let strange = of(|keys, it| keys.strange = it);
        assert_eq!(strange, (Trust::Secure, Fit::Strange, false));
        let signing = of(|keys, it| keys.signing = it);
        assert_eq!(signing, (Trust::Secure, Fit::Good, true));
        // Beside one that fails, one that signs is enough.
        let both = Keys {
            signing: vec![key(OTHER)],
            failing: vec![key(KEY)],
            ..Keys::default()
        };
        let other = key(OTHER).ds(DOMAIN, DigestType::Sha256).to_string();
        assert_eq!(judged(&both, &[TWO, &other]).trust, Trust::Secure);
    }

    fn published(sets: &[&[&str]]) -> Published<'static> {
        let keys = Keys {
            resting: vec![key(OTHER)],
            ..signing()
        };
        let parse = |set: &&[&str]| {
            set.iter()
                .map(|ds| Ds::parse_published(ds).unwrap())
                .collect()
        };
        Published::of(DOMAIN, &keys, sets.iter().map(parse).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_of_no_key_goes_at_once_where_it_does_harm() {
        let (two, four) = (stale(2), stale(4));
        let resting = key(OTHER).ds(DOMAIN, DigestType::Sha256).to_string();
        // Too short for its type, and heeded all the same.
        let short = "12735 13 2 ABAB";
        for (sets, expected) in [
            (&[&[TWO][..], &[TWO]][..], &[][..]),
            (&[&[TWO, &two]], &[]),
            (&[&[&two]], &[&*two]),
            (&[&[TWO], &[&two]], &[&*two]),
            (&[&[TWO, &four]], &[&*four]),
            (&[&[short]], &[short]),
            // That key may sign again, and is the stack's to cure.
            (&[&[&resting]], &[]),
            (&[&[&resting, &two]], &[&*two]),
        ] {
            let wrong = published(sets).wrong();
            let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            assert_eq!(wrong, expected, "{sets:?}");
        }
    }

    #[test]
    fn a_record_by_sha1_is_there_and_does_not_stand_alone() {
        let reach = |sets: &[&[&str]]| {
            let (published, key) = (published(sets), key(KEY));
            [
                published.is_somewhere(&key),
                published.is_everywhere(&key),
                published.stands_everywhere(&key),
            ]
        };
        for (sets, expected) in [
            (&[][..], [false; 3]),
            (&[&[][..]], [false; 3]),
            (&[&[TWO], &[FOUR]], [true; 3]),
            (&[&[TWO], &[]], [true, false, false]),
            (&[&[ONE], &[TWO]], [true, true, false]),
            (&[&[ONE, TWO]], [true; 3]),
        ] {
            assert_eq!(reach(sets), expected, "{sets:?}");
        }
    }

    #[test]
    fn a_record_is_told_by_all_its_fields() {
        let fits = |record: &str| judged(&signing(), &[record]).records[0].1;
        for ours in [ONE, TWO, FOUR] {
            assert_eq!(fits(ours), Fit::Good, "{ours}");
            let mut wrong = Ds::parse(ours).unwrap();
            wrong.digest[3] ^= 1;
            assert_eq!(fits(&wrong.to_string()), Fit::WrongDigest, "{wrong}");
            wrong.key_tag ^= 1;
            assert_eq!(fits(&wrong.to_string()), Fit::Stale, "{wrong}");
        }
    }
}
