//! A document and snapshots for unit tests of the pure files.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::desired::{Desired, TAG_NAMES};
use crate::kind::hosted_zone::RecordSet;
use crate::kind::{delegation, hosted_zone, journal_group, kms_key, ksk};
use crate::snapshot::{Caller, Code, Delegated, Observation, ParentView, ServerView, Snapshot};

pub const DOMAIN: &str = "spore.example.edu";
pub const ZONE: &str = "Z0001";
/// A DNSKEY record as Route 53 shows it.
pub const DNSKEY: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";
pub const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1";

pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub fn desired() -> Desired {
    of("")
}

/// The three lines and more.
pub fn of(more: &str) -> Desired {
    let text = format!("version = 1\ndomain = \"{DOMAIN}\"\naccount = \"123456789012\"\n{more}");
    let read = |_: &std::path::Path| Err(std::io::Error::other("no files in unit tests"));
    Desired::of(&crate::stack::parse("fixture.toml", &text, &read).unwrap())
}

/// An account without anything of the stack.
pub fn empty() -> Snapshot {
    Snapshot {
        taken_at: now(),
        caller: Caller {
            account: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:root".into(),
        },
        journal_group: Observation::Absent,
        hosted_zone: Observation::Absent,
        zones_left: Ok(Some(499)),
        kms_key: Observation::Absent,
        dnssec: Observation::Absent,
        logs_key: Observation::Absent,
        log_groups: BTreeMap::new(),
        logs_policy: Observation::Absent,
        query_logging: Observation::Absent,
        roles: BTreeMap::new(),
        function: Observation::Absent,
        unreserved_concurrency: Ok(Some(1_000)),
        code: Code::BuiltAtApply,
        api_account: Observation::Absent,
        rest_api: Observation::Absent,
        metric_filters: BTreeMap::new(),
        alarms: BTreeMap::new(),
        parent: parent(Delegated::default()),
        parent_zone: delegation::Parent::External,
        served: Ok(()),
        lock: None,
    }
}

/// A stack as `apply` leaves it.
pub fn applied() -> Snapshot {
    let desired = desired();
    let mut tags = desired.tags();
    let set = |rtype: &str, ttl, values: &[&str]| RecordSet {
        name: format!("{DOMAIN}."),
        rtype: rtype.into(),
        ttl_secs: Some(ttl),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..RecordSet::default()
    };
    let zone = hosted_zone::Live {
        id: ZONE.into(),
        reference: hosted_zone::reference(DOMAIN, 1),
        tags: BTreeMap::from([(TAG_NAMES.to_owned(), desired.names())])
            .into_iter()
            .chain(tags.clone())
            .collect(),
        records: vec![
            set(
                "NS",
                172_800,
                &["ns-1.awsdns-00.com.", "ns-2.awsdns-00.net."],
            ),
            set(
                "SOA",
                900,
                &["ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 300"],
            ),
        ],
        complete: true,
        ..hosted_zone::Live::default()
    };
    let key = kms_key::Live {
        arn: KEY.into(),
        state: "Enabled".into(),
        has_alias: true,
        policy: kms_key::policy_for(&desired, ZONE),
        tags: tags.clone(),
        ..kms_key::Live::default()
    };
    let servers = zone.name_servers(DOMAIN).join(" ");
    tags.insert(journal_group::EVIDENCE_ZONE.into(), ZONE.into());
    tags.insert(journal_group::EVIDENCE_SERVERS.into(), servers);
    Snapshot {
        journal_group: Observation::Present(journal_group::Live {
            retention_days: Ok(Some(journal_group::RETENTION_DAYS)),
            tags,
        }),
        hosted_zone: Observation::Present(zone),
        kms_key: Observation::Present(key),
        dnssec: Observation::Present(ksk::Live {
            signing: "SIGNING".into(),
            signing_message: String::new(),
            keys: vec![ksk::Key {
                name: "spore_spore_example_edu_1".into(),
                kms_arn: KEY.into(),
                status: "ACTIVE".into(),
                dnskey: DNSKEY.into(),
                ..ksk::Key::default()
            }],
        }),
        ..empty()
    }
}

/// A parent with two servers that answer alike.
pub fn parent(answer: Delegated) -> ParentView {
    let server = |name: &str, address: [u8; 4]| ServerView {
        name: name.into(),
        address: Some(IpAddr::from(address)),
        answer: Ok(answer.clone()),
    };
    ParentView::Seen {
        zone: "example.edu".into(),
        servers: vec![
            server("ns1.example.edu", [192, 0, 2, 1]),
            server("ns2.example.edu", [192, 0, 2, 2]),
        ],
    }
}
