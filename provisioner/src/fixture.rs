//! A document and snapshots for unit tests of the pure files.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;

use crate::desired::{Desired, TAG_NAMES};
use crate::kind::hosted_zone::{RecordSet, ttls};
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
        ttls: Ok(None),
        zones_left: Ok(Some(499)),
        kms_key: Observation::Absent,
        dnssec: Observation::Absent,
        logs_key: Observation::Absent,
        log_groups: BTreeMap::new(),
        logs_policy: Observation::Absent,
        query_logging: Observation::Absent,
        roles: BTreeMap::new(),
        boundary: Ok(()),
        function: Observation::Absent,
        unreserved_concurrency: Ok(Some(1_000)),
        code: Code::BuiltAtApply,
        api_account: Observation::Absent,
        rest_api: Observation::Absent,
        metric_filters: BTreeMap::new(),
        alarms: BTreeMap::new(),
        parent: parent(Delegated::default()),
        theirs: None,
        parent_zone: delegation::Parent::External,
        served: Ok(()),
        strays: BTreeSet::new(),
        low: Ok(()),
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
        comment: hosted_zone::comment(&desired),
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
            created: Some(now()),
            tags,
            lines: Default::default(),
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

/// A record set with one value.
pub fn set(name: &str, rtype: &str, ttl: i64, value: &str) -> RecordSet {
    RecordSet {
        name: name.into(),
        rtype: rtype.into(),
        ttl_secs: Some(ttl),
        values: vec![value.into()],
        ..RecordSet::default()
    }
}

/// One of a group of weighted sets.
fn member(name: &str, ttl: i64, value: &str, id: &str) -> RecordSet {
    RecordSet {
        policy: Some(format!("set identifier {id}")),
        ..set(name, "A", ttl, value)
    }
}

/// An alias.
pub fn alias(name: &str) -> RecordSet {
    RecordSet {
        ttl_secs: None,
        values: Vec::new(),
        alias: Some(("Z2".into(), "elsewhere.".into(), false)),
        ..set(name, "A", 0, "")
    }
}

/// Parents that delegate to the zone's servers, with these DS records.
pub fn in_use_by(ds: &[&str]) -> ParentView {
    parent(Delegated {
        name_servers: vec!["ns-1.awsdns-00.com".into(), "ns-2.awsdns-00.net".into()],
        ns_ttl_secs: 172_800,
        ds: ds.iter().map(|ds| (*ds).to_owned()).collect(),
        ds_ttl_secs: 300,
    })
}

/// A zone made by hand, adopted, in use and not signed, with a record set of each sort.
pub fn in_use() -> Snapshot {
    let mut snapshot = applied();
    if let Observation::Present(dnssec) = &mut snapshot.dnssec {
        dnssec.signing = "NOT_SIGNING".into();
    }
    snapshot.parent = in_use_by(&[]);
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        let key = journal_group::EVIDENCE_FORMER_GONE.to_owned();
        journal.tags.insert(key, "2026-11-01T12:00:00Z".into());
    }
    if let Observation::Present(zone) = &mut snapshot.hosted_zone {
        zone.reference = "console, 2023".into();
        for soa in zone.records.iter_mut().filter(|set| set.rtype == "SOA") {
            soa.values = vec![soa.values[0].replace(" 300", " 86400")];
        }
        let mark = "\"v=1 p=1/us-east-1/i-1 t=2026-11-21T00:00:00Z n=1\"";
        zone.records.extend([
            set("day.x.", "MX", 86_400, "10 mail."),
            set("hour.x.", "A", 3_600, "192.0.2.1"),
            set("minute.x.", "A", 60, "192.0.2.1"),
            alias("alias.x."),
            member("split.x.", 7_200, "192.0.2.1", "a"),
            member("split.x.", 7_200, "192.0.2.2", "b"),
            set("box.x.", "A", 7_200, "192.0.2.3"),
            set("_spore.box.x.", "TXT", 7_200, mark),
            RecordSet {
                policy: Some("traffic policy 1".into()),
                ..set("policy.x.", "A", 86_400, "192.0.2.4")
            },
        ]);
    }
    snapshot
}

/// The same when its TTLs are low, and noted to be so since then.
pub fn low_since(since: &str) -> Snapshot {
    let mut snapshot = in_use();
    if let Observation::Present(zone) = &mut snapshot.hosted_zone {
        let kept = ttls::to_keep(zone);
        for set in zone.records.iter_mut().filter(|set| kept.contains(set)) {
            *set = ttls::lowered(set);
        }
        snapshot.ttls = Ok(Some(kept));
    }
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        let evidence = [
            (journal_group::EVIDENCE_TTLS, "stream"),
            (journal_group::EVIDENCE_LOWERED, since),
        ];
        let evidence = evidence.map(|(key, value)| (key.to_owned(), value.to_owned()));
        journal.tags.extend(evidence);
    }
    snapshot
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
