//! Generated snapshots: every observation of every resource, in every state AWS documents and in one
//! it does not.
//!
//! Combinations that no reading gives are left out: keys of a zone are read only when there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use spore_infra::desired::{Desired, TAG_STACK, TAG_VERSION};
use spore_infra::kind::delegation::{self, Parent};
use spore_infra::kind::hosted_zone::RecordSet;
use spore_infra::kind::{hosted_zone, journal_group, kms_key, ksk, log_group};
use spore_infra::snapshot::{
    Caller, Code, Delegated, LockSeen, Observation, ParentView, ServerView, Snapshot,
};

use super::documents::{ACCOUNT, Document, documents};

/// The key behind the stack's alias.
pub const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/11111111-1111-4111-8111-111111111111";
/// Another key with the stack's tags.
pub const TWIN: &str =
    "arn:aws:kms:us-east-1:123456789012:key/22222222-2222-4222-8222-222222222222";
/// A key of somebody else.
pub const STRANGE: &str =
    "arn:aws:kms:us-east-1:123456789012:key/33333333-3333-4333-8333-333333333333";

/// When every snapshot is taken.
pub fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A document and something live.
pub fn situations() -> impl Strategy<Value = (Document, Snapshot)> {
    documents().prop_flat_map(|document| {
        let snapshot = snapshots(document.desired());
        (Just(document), snapshot)
    })
}

fn snapshots(desired: Desired) -> impl Strategy<Value = Snapshot> {
    let zone = observed(zones(&desired), 6);
    let journal = observed(journals(&desired), 6);
    let key = observed(keys(&desired), 6);
    (
        journal,
        zone,
        key,
        observed(dnssec(&desired), 9),
        parents(),
        parent_zones(&desired),
        locks(),
    )
        .prop_map(
            |(journal_group, hosted_zone, kms_key, dnssec, parent, parent_zone, lock)| {
                // A zone's keys are read by its id.
                let dnssec = match (&hosted_zone, dnssec) {
                    (Observation::Present(_), dnssec) => dnssec,
                    (Observation::Unreadable(why), _) => Observation::Unreadable(why.clone()),
                    (Observation::Absent | Observation::Foreign(_, _), _) => Observation::Absent,
                };
                Snapshot {
                    taken_at: now(),
                    caller: Caller {
                        account: ACCOUNT.into(),
                        arn: format!("arn:aws:iam::{ACCOUNT}:user/op"),
                    },
                    journal_group,
                    hosted_zone,
                    ttls: Ok(None),
                    zones_left: Ok(Some(499)),
                    kms_key,
                    dnssec,
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
                    parent,
                    theirs: None,
                    parent_zone,
                    served: Ok(()),
                    strays: BTreeSet::new(),
                    low: Ok(()),
                    lock,
                }
            },
        )
}

fn observed<L: Clone + std::fmt::Debug + 'static>(
    live: impl Strategy<Value = L> + 'static,
    weight: u32,
) -> impl Strategy<Value = Observation<L>> {
    prop_oneof![
        weight => live.prop_map(Observation::Present),
        2 => Just(Observation::Absent),
        1 => Just(Observation::Foreign("somebody else's".into(), None)),
        1 => Just(Observation::Unreadable("AccessDenied".into())),
    ]
}

/// The stack's tags, some of them missing, some with another value, others beside them.
fn tags(desired: &Desired) -> impl Strategy<Value = BTreeMap<String, String>> + use<> {
    let wanted = desired.tags();
    let count = wanted.len();
    let fate = prop_oneof![6 => Just(0_u8), 1 => Just(1), 1 => Just(2)];
    (prop::collection::vec(fate, count), prop::bool::ANY).prop_map(move |(fates, other)| {
        let mut tags = BTreeMap::new();
        for ((key, value), fate) in wanted.iter().zip(fates) {
            match fate {
                0 => tags.insert(key.clone(), value.clone()),
                1 => tags.insert(key.clone(), "drifted".into()),
                _ => None,
            };
        }
        if other {
            tags.insert("owner".into(), "somebody else".into());
        }
        tags
    })
}

fn zones(desired: &Desired) -> impl Strategy<Value = hosted_zone::Live> + use<> {
    let domain = desired.domain.clone();
    let soa = prop::option::weighted(
        0.9,
        (select(vec![900, 172_800, 60]), select(vec![300, 86_400])),
    );
    let foreign = prop::collection::btree_set("[a-z]{1,4}", 0..3);
    // Route 53's own list, where it was asked for: as the zone's NS set, or not.
    let assigned = prop::option::weighted(
        0.3,
        select(vec![
            ["ns-1.awsdns-01.com", "ns-2.awsdns-02.net"],
            ["ns-3.awsdns-03.com", "ns-4.awsdns-04.net"],
        ]),
    );
    let routed = prop::bool::weighted(0.1);
    let comment = prop_oneof![
        6 => Just(hosted_zone::comment(desired)),
        1 => Just("somebody's words".to_owned()),
    ];
    (tags(desired), soa, foreign, routed, (assigned, comment)).prop_map(
        move |(tags, soa, foreign, routed, (assigned, comment))| {
            let apex = format!("{domain}.");
            let set =
                |name: String, rtype: &str, ttl, values: Vec<String>| hosted_zone::RecordSet {
                    name,
                    rtype: rtype.into(),
                    ttl_secs: Some(ttl),
                    values,
                    alias: None,
                    policy: None,
                };
            let servers = vec!["ns-1.awsdns-01.com.".into(), "ns-2.awsdns-02.net.".into()];
            let mut records = vec![set(apex.clone(), "NS", 172_800, servers)];
            records.extend(soa.map(|(ttl, minimum): (i64, u32)| {
                let soa = format!(
                    "ns-1.awsdns-01.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 {minimum}"
                );
                set(apex.clone(), "SOA", ttl, vec![soa])
            }));
            records.extend(foreign.into_iter().map(|label| {
                let mut set = set(format!("{label}.{apex}"), "A", 60, vec!["192.0.2.1".into()]);
                set.policy = routed.then(|| "weight".to_owned());
                set
            }));
            hosted_zone::Live {
                id: "Z0123456789ABCDEFGHIJ".into(),
                reference: hosted_zone::reference(&domain, 1),
                comment,
                tags,
                records,
                complete: true,
                assigned: assigned.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
            }
        },
    )
}

fn journals(desired: &Desired) -> impl Strategy<Value = journal_group::Live> + use<> {
    let days = select(vec![
        Ok(Some(journal_group::RETENTION_DAYS)),
        Ok(Some(30)),
        Ok(None),
        Err(()),
    ]);
    let zone = prop::option::of(select(vec!["Z0123456789ABCDEFGHIJ", "ZGONE"]));
    let ttl = prop::option::weighted(0.3, select(vec!["300", "172800", "odd"]));
    let gone = prop::option::weighted(
        0.3,
        select(vec!["2026-03-01T11:59:00Z", "2026-02-01T00:00:00Z", "soon"]),
    );
    let leaving = prop::option::weighted(0.2, Just("2026-03-01T11:58:00Z"));
    let version = prop::option::weighted(0.1, select(vec!["99.0.0", "0.0.1", "odd"]));
    let evidence = (gone, ttl, leaving);
    (tags(desired), days, (zone, lines()), evidence, version).prop_map(
        |(mut tags, retention_days, (zone, lines), (gone, ttl, leaving), version)| {
            let mut put = |key: &str, value: Option<&str>| {
                if let Some(value) = value {
                    tags.insert(key.to_owned(), value.to_owned());
                }
            };
            put(journal_group::EVIDENCE_ZONE, zone);
            put(journal_group::EVIDENCE_DS_GONE, gone);
            put(journal_group::EVIDENCE_DS_TTL, ttl);
            put(journal_group::EVIDENCE_DESTROYING, leaving);
            put(TAG_VERSION, version);
            journal_group::Live {
                retention_days,
                created: None,
                tags,
                lines,
            }
        },
    )
}

/// What becomes of a group's lines: nothing, something of others, or nobody can tell.
fn lines() -> impl Strategy<Value = log_group::Lines> {
    let subscriptions = prop_oneof![
        4 => Just(Ok(None)),
        4 => Just(Ok(Some(BTreeMap::new()))),
        1 => Just(Ok(Some(BTreeMap::from([("theirs".to_owned(), log_group::Subscription::default())])))),
        1 => Just(Err("AccessDenied".to_owned())),
    ];
    (subscriptions, prop::bool::weighted(0.1)).prop_map(|(subscriptions, is_protected)| {
        log_group::Lines {
            subscriptions,
            is_protected,
        }
    })
}

fn keys(desired: &Desired) -> impl Strategy<Value = kms_key::Live> + use<> {
    let states = vec![
        "Enabled",
        "Enabled",
        "Enabled",
        "Disabled",
        "PendingDeletion",
        "PendingImport",
        "Unavailable",
        "Creating",
        "SomethingNew",
    ];
    let ours = kms_key::POLICY
        .replace(
            "\"${admins}\"",
            &format!("[\"arn:aws:iam::{ACCOUNT}:root\"]"),
        )
        .replace("${account}", ACCOUNT)
        .replace("${zone_id}", "Z0123456789ABCDEFGHIJ");
    let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;
    let policies = vec![ours, open.to_owned(), "{".to_owned(), String::new()];
    let twin_states = vec!["Enabled", "Disabled", "PendingDeletion"];
    let twins = prop::collection::vec(select(twin_states), 0..5);
    let key = (
        tags(desired),
        select(states),
        prop::bool::weighted(0.8),
        select(policies),
        prop::option::weighted(
            0.1,
            Just("its spec is RSA_2048, not ECC_NIST_P256".to_owned()),
        ),
    );
    let stack = desired.domain.clone();
    (key, twins, prop::bool::weighted(0.15)).prop_map(
        move |((mut tags, state, has_alias, policy, unfit), twins, none)| {
            let twins = twins.iter().enumerate().map(|(index, state)| {
                let arn = if index == 0 {
                    TWIN.to_owned()
                } else {
                    format!("{TWIN}-{index}")
                };
                (arn, (*state).to_owned())
            });
            let twins = twins.collect();
            if none {
                // Nothing usable: an alias that dangles, or only twins.
                return kms_key::Live {
                    stale_alias: has_alias,
                    twins,
                    ..kms_key::Live::default()
                };
            }
            tags.entry(TAG_STACK.into())
                .or_insert_with(|| stack.clone());
            kms_key::Live {
                arn: KEY.into(),
                state: state.into(),
                unfit,
                has_alias,
                stale_alias: false,
                policy,
                grants: BTreeMap::new(),
                tags,
                twins,
                deletion_date: None,
                gone: BTreeSet::new(),
            }
        },
    )
}

fn dnssec(desired: &Desired) -> impl Strategy<Value = ksk::Live> + use<> {
    let signing = select(vec![
        "NOT_SIGNING",
        "SIGNING",
        "SIGNING",
        "ACTION_NEEDED",
        "INTERNAL_FAILURE",
        "DELETING",
        "SOMETHING_NEW",
    ]);
    let status = select(vec![
        "ACTIVE",
        "ACTIVE",
        "INACTIVE",
        "ACTION_NEEDED",
        "INTERNAL_FAILURE",
        "DELETING",
        "SOMETHING_NEW",
    ]);
    let base = desired.ksk_name.clone();
    let arn = prop_oneof![5 => Just(KEY), 1 => Just(TWIN), 1 => Just(STRANGE)];
    (signing, prop::collection::vec((status, arn), 0..=2)).prop_map(move |(signing, keys)| {
        let keys = keys
            .into_iter()
            .enumerate()
            .map(|(index, (status, arn))| ksk::Key {
                name: format!("{base}_{}", index + 1),
                kms_arn: arn.into(),
                status: status.into(),
                ..ksk::Key::default()
            });
        ksk::Live {
            signing: signing.into(),
            signing_message: String::new(),
            keys: keys.collect(),
        }
    })
}

fn parents() -> impl Strategy<Value = ParentView> {
    let answer = prop_oneof![
        1 => Just(Err("no answer".to_owned())),
        3 => Just(Ok(Delegated::default())),
        4 => (0_u32..200_000, prop::bool::weighted(0.3)).prop_map(|(ttl, signed)| Ok(Delegated {
            name_servers: vec!["ns-1.awsdns-01.com".into(), "ns-2.awsdns-02.net".into()],
            ns_ttl_secs: ttl,
            ds: if signed { vec!["1 13 2 AB".into()] } else { Vec::new() },
            ds_ttl_secs: if signed { 3_600 } else { 0 },
        })),
    ];
    let servers = prop::collection::vec(answer, 1..4).prop_map(|answers| ParentView::Seen {
        zone: "example.edu".into(),
        servers: (0_u8..)
            .zip(answers)
            .map(|(index, answer)| ServerView {
                name: format!("ns{index}.example.edu"),
                address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, index))),
                answer,
            })
            .collect(),
    });
    prop_oneof![
        1 => Just(ParentView::Unknown("the root does not answer".into())),
        8 => servers,
    ]
}

/// The parent zone where it is ours to write, with records of this zone's, of others, and both; or what
/// keeps it from that.
fn parent_zones(desired: &Desired) -> impl Strategy<Value = Parent> + use<> {
    let name = format!("{}.", desired.domain);
    let set = move |name: &str, rtype: &str, values: Vec<String>| RecordSet {
        name: name.to_owned(),
        rtype: rtype.to_owned(),
        ttl_secs: Some(300),
        values,
        ..RecordSet::default()
    };
    let servers = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let delegations = select(vec![
        None,
        Some(servers(["ns-1.awsdns-01.com.", "ns-2.awsdns-02.net."])),
        Some(servers([
            "ns1.elsewhere.example.",
            "ns2.elsewhere.example.",
        ])),
    ]);
    let zone = (
        delegations,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
    )
        .prop_map(move |(servers, vouches, hides)| {
            let stale = format!("1 13 2 {}", "AB".repeat(32));
            let own = servers.map(|servers| set(&name, "NS", servers));
            let ds = vouches.then(|| set(&name, "DS", vec![stale]));
            let below = hides.then(|| set(&format!("www.{name}"), "A", vec!["192.0.2.1".into()]));
            Parent::Zone(delegation::Live {
                id: "Z9".into(),
                name: "example.edu".into(),
                child: name.clone(),
                role: None,
                sets: [ds, own, below].into_iter().flatten().collect(),
            })
        });
    prop_oneof![
        3 => Just(Parent::External),
        1 => Just(Parent::Settled),
        1 => Just(Parent::Unused("another zone of that name".into())),
        1 => Just(Parent::Unknown("AccessDenied".into())),
        6 => zone,
    ]
}

fn locks() -> impl Strategy<Value = Option<LockSeen>> {
    let intents = prop::collection::btree_map(
        select(vec!["hosted_zone".to_owned(), "kms_key".to_owned()]),
        Just("2026-03-01T11:59:30Z".parse::<Timestamp>().unwrap()),
        0..3,
    );
    prop::option::weighted(
        0.3,
        (intents, prop::bool::ANY, prop::bool::ANY).prop_map(|(intents, own, gone)| LockSeen {
            holder: "host/boot/1/2".into(),
            own,
            is_abandoned: gone && !own,
            beat: now(),
            intents,
        }),
    )
}
