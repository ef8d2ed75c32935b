//! What a plan tells of the DS records at the parent, and of what nobody may read.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::ds::{DigestType, DnsKey};
use crate::fixture;
use crate::snapshot::Observation;

const KEY: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";

/// The notices of a plan, with these records at the parent and the key in this state.
fn notices(status: &str, published: &[&str]) -> String {
    let desired = fixture::desired();
    let mut snapshot = fixture::applied();
    if let Observation::Present(dnssec) = &mut snapshot.dnssec {
        dnssec.keys[0].status = status.into();
        dnssec.keys[0].dnskey = KEY.into();
    }
    snapshot.parent = fixture::parent(Delegated {
        name_servers: vec!["ns-1.awsdns-00.com".into(), "ns-2.awsdns-00.net".into()],
        ds: published.iter().map(|ds| (*ds).to_owned()).collect(),
        ..Delegated::default()
    });
    converge(&desired, &snapshot).notices.join("\n")
}

#[test]
fn records_that_make_the_zone_bogus_are_told_of_and_no_others() {
    let key = DnsKey::parse(KEY).unwrap();
    let two = key.ds(fixture::DOMAIN, DigestType::Sha256).to_string();
    let stale = |digest_type: u8, len: usize| format!("1 13 {digest_type} {}", "AB".repeat(len));
    let (stale2, stale4) = (stale(2, 32), stale(4, 48));
    for (status, published, expected) in [
        ("ACTIVE", &[&*two][..], None),
        ("ACTIVE", &[&*two, &*stale2], None),
        ("ACTIVE", &[&*stale2], Some("; validating resolvers take")),
        (
            "ACTIVE",
            &[&*two, &*stale4],
            Some("heed only the strongest"),
        ),
        // What it signed holds for now, and the key is cured by this very plan.
        ("ACTION_NEEDED", &[&*two], None),
        ("INACTIVE", &[&*two], Some("; validating resolvers take")),
        ("DELETING", &[&*two], Some("; validating resolvers take")),
    ] {
        let said = notices(status, published);
        match expected {
            None => assert_eq!(said, "", "{status} {published:?}"),
            Some(words) => assert!(said.contains(words), "{status} {published:?}: {said}"),
        }
    }
}

#[test]
fn what_the_document_does_not_want_and_nobody_may_read_is_not_taken_for_absent() {
    let desired = fixture::desired();
    let unwanted = desired.addr(Kind::QueryLogging);
    let blocks = |snapshot: &Snapshot| {
        let plan = converge(&desired, snapshot);
        plan.blocked().into_iter().any(|(addr, why)| {
            *addr == unwanted && why.contains("cannot be read") && why.contains("no right")
        })
    };
    let mut snapshot = fixture::applied();
    assert!(!desired.addrs().contains(&unwanted));
    assert!(!blocks(&snapshot));
    snapshot.query_logging = Observation::Unreadable("no right".into());
    assert!(blocks(&snapshot));
}

/// A new zone gets other name servers: with a delegation in place that is an outage until it is corrected.
#[test]
fn a_zone_made_anew_below_a_delegation_is_not_called_safe() {
    let desired = fixture::desired();
    let risk = |name_servers: &[&str]| {
        let mut snapshot = fixture::empty();
        snapshot.parent = fixture::parent(Delegated {
            name_servers: name_servers.iter().map(|name| (*name).to_owned()).collect(),
            ..Delegated::default()
        });
        let plan = converge(&desired, &snapshot);
        let zone = desired.addr(Kind::HostedZone);
        let change = plan.changes.into_iter().find(|change| change.addr == zone);
        let change = change.unwrap();
        (change.risk, change.why)
    };
    assert_eq!(risk(&[]).0, Risk::Safe);
    let (delegated, why) = risk(&["ns-9.awsdns-01.com"]);
    assert_eq!(delegated, Risk::Outage);
    assert!(why.contains("the new one has other name servers"), "{why}");
}
