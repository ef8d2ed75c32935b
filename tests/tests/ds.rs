//! Proves that `spore_infra::ds` agrees with published DNSKEY and DS pairs, and takes no DS for a
//! key's that only looks like it: the pairs and negatives of `vectors/ds-vectors.json`.

use serde_json::Value;
use spore_infra::ds::{DigestType, DnsKey, Ds, DsError};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/ds-vectors.json")).expect("the vectors are JSON")
}

fn cases(of: &str) -> Vec<Value> {
    let cases = vectors()[of].as_array().cloned().unwrap_or_default();
    assert!(!cases.is_empty(), "there are no vectors {of:?}");
    cases
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is missing in {case}"))
}

fn key(case: &Value) -> DnsKey {
    DnsKey::parse(text(case, "dnskey")).expect("a published DNSKEY is read")
}

fn ds(case: &Value, field: &str) -> Ds {
    Ds::parse(text(case, field)).expect("a published DS is read")
}

#[test]
fn published_pairs_are_computed() {
    for case in cases("pairs") {
        let (owner, key) = (text(&case, "owner"), key(&case));
        assert_eq!(u64::from(key.key_tag()), case["key_tag"], "{owner}");
        let published = ds(&case, "ds");
        assert_eq!(key.ds(owner, DigestType::Sha256), published, "{owner}");
        assert_eq!(
            key.ds(owner, DigestType::Sha384),
            ds(&case, "ds_sha384"),
            "{owner}"
        );
        assert_eq!(published.hex(), text(&case, "ds_digest_sha256"), "{owner}");
        assert_eq!(key.to_string(), text(&case, "dnskey"), "{owner}");
        assert!(published.matches(owner, &key), "{owner}");
    }
}

#[test]
fn the_case_and_the_last_dot_of_an_owner_say_nothing() {
    for case in cases("pairs") {
        let (owner, key) = (text(&case, "owner"), key(&case));
        let published = ds(&case, "ds");
        assert!(published.matches(&owner.to_uppercase(), &key), "{owner}");
        assert!(
            published.matches(owner.trim_end_matches('.'), &key),
            "{owner}"
        );
    }
}

#[test]
fn negatives_do_not_match() {
    for case in cases("negative") {
        let owner = text(&case, "owner");
        assert!(
            !ds(&case, "ds").matches(owner, &key(&case)),
            "{owner}: {}",
            text(&case, "why")
        );
    }
}

#[test]
fn no_pair_matches_another_key_or_owner() {
    let pairs = cases("pairs");
    for one in &pairs {
        for other in &pairs {
            let same = one["owner"] == other["owner"];
            let found = ds(one, "ds").matches(text(other, "owner"), &key(other));
            assert_eq!(found, same, "{} and {}", one["owner"], other["owner"]);
            let moved = ds(one, "ds").matches(text(other, "owner"), &key(one));
            assert_eq!(moved, same, "{} moved to {}", one["owner"], other["owner"]);
        }
    }
}

#[test]
fn one_changed_field_is_another_record() {
    for case in cases("pairs") {
        let (owner, key) = (text(&case, "owner"), key(&case));
        let right = ds(&case, "ds");
        let (tag, algorithm, digest) = (right.key_tag, right.algorithm, right.hex());
        for wrong in [
            format!("{} {algorithm} 2 {digest}", tag ^ 1),
            format!("{tag} 14 2 {digest}"),
            // Type 3 is GOST R 34.11-94, 32 octets as SHA-256 is.
            format!("{tag} {algorithm} 3 {digest}"),
            // A zone-signing key has the same point but other flags, so another tag and digest.
            DnsKey::parse(&text(&case, "dnskey").replacen("257", "256", 1))
                .expect("a key with other flags is read")
                .ds(owner, DigestType::Sha256)
                .to_string(),
        ] {
            let wrong_ds = Ds::parse(&wrong).expect("well formed");
            assert!(!wrong_ds.matches(owner, &key), "{owner}: {wrong}");
        }
    }
}

#[test]
fn what_is_no_ds_is_refused() {
    let digest = "B4".repeat(32);
    for wrong in [
        String::new(),
        format!("55648 13 2 {}", "B4".repeat(31)),
        format!("55648 13 4 {digest}"),
        format!("55648 13 2 {}G", "B4".repeat(31)),
        format!("65536 13 2 {digest}"),
        format!("55648 256 2 {digest}"),
        format!("55648 13 {digest}"),
    ] {
        let found = Ds::parse(&wrong);
        assert!(
            matches!(found, Err(DsError::Text { .. })),
            "{wrong}: {found:?}"
        );
    }
}
