//! What a rotation does next, in every state its two keys and their parent can be in.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::fixture;

const OLD_ARN: &str = fixture::KEY;
const NEW_ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/2";
const STATUSES: [&str; 5] = [
    "ACTIVE",
    "INACTIVE",
    "ACTION_NEEDED",
    "INTERNAL_FAILURE",
    "DELETING",
];

/// A DS record of a key that cannot be read would be taken for a stranger's, or for gone.
#[test]
fn a_key_that_cannot_be_read_stops_it() {
    for key in [0, 1] {
        let mut snapshot = snapshot(State {
            old: "ACTIVE",
            new: "ACTIVE",
            alias_moved: false,
            parent: [Has::Both; 2],
        });
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.keys[key].dnskey = "257 3 13 ?".into();
        }
        for plan in [
            crate::plan::rotate(&fixture::desired(), &snapshot),
            crate::plan::abort_rotation(&fixture::desired(), &snapshot),
        ] {
            let rules: Vec<&str> = plan.refusals.iter().map(|refusal| refusal.rule).collect();
            assert_eq!(rules, ["ksk-unread"], "{:?}", plan.refusals);
        }
    }
}

/// What a parent server vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Nothing,
    Old,
    New,
    Both,
}

const HAS: [Has; 4] = [Has::Nothing, Has::Old, Has::New, Has::Both];

#[derive(Debug, Clone, Copy)]
struct State {
    old: &'static str,
    new: &'static str,
    alias_moved: bool,
    parent: [Has; 2],
}

fn key(number: u8, arn: &str, status: &str) -> Key {
    let bytes = STANDARD.encode([number; 64]);
    let seconds = i64::from(number) * 86_400;
    Key {
        name: fixture::desired().ksk_names()[usize::from(number) - 1].clone(),
        kms_arn: arn.into(),
        status: status.into(),
        dnskey: format!("257 3 13 {bytes}"),
        created: Some(Timestamp::from_second(seconds).unwrap()),
        ..Key::default()
    }
}

fn ds(key: &Key) -> String {
    let dnskey = DnsKey::parse(&key.dnskey).unwrap();
    dnskey
        .ds(&fixture::desired().domain, DigestType::Sha256)
        .to_string()
}

fn snapshot(state: State) -> Snapshot {
    let (old, new) = (key(1, OLD_ARN, state.old), key(2, NEW_ARN, state.new));
    let mut snapshot = fixture::applied();
    let answers = state.parent.map(|has| Delegated {
        ds: match has {
            Has::Nothing => vec![],
            Has::Old => vec![ds(&old)],
            Has::New => vec![ds(&new)],
            Has::Both => vec![ds(&old), ds(&new)],
        },
        ds_ttl_secs: 7_200,
        ..Delegated::default()
    });
    snapshot.parent = fixture::parent(Delegated::default());
    if let ParentView::Seen { servers, .. } = &mut snapshot.parent {
        for (server, answer) in servers.iter_mut().zip(answers) {
            server.answer = Ok(answer);
        }
    }
    if let Observation::Present(live) = &mut snapshot.kms_key {
        let (aliased, twin) = if state.alias_moved {
            (NEW_ARN, OLD_ARN)
        } else {
            (OLD_ARN, NEW_ARN)
        };
        live.arn = aliased.into();
        live.twins = vec![(twin.into(), "Enabled".into())];
    }
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.keys = vec![old, new];
    }
    snapshot
}

/// The same where the parent zone is ours to write and has this.
fn ours(state: State, has: Has) -> Snapshot {
    let mut snapshot = snapshot(state);
    let (old, new) = (key(1, OLD_ARN, state.old), key(2, NEW_ARN, state.new));
    let ds = match has {
        Has::Nothing => vec![],
        Has::Old => vec![ds(&old)],
        Has::New => vec![ds(&new)],
        Has::Both => vec![ds(&old), ds(&new)],
    };
    let zone = snapshot.hosted_zone.present().unwrap();
    let servers = zone.name_servers(fixture::DOMAIN);
    let set = |rtype: &str, values: Vec<String>| RecordSet {
        name: format!("{}.", fixture::DOMAIN),
        rtype: rtype.into(),
        ttl_secs: Some(300),
        values,
        ..RecordSet::default()
    };
    let mut sets = vec![set("NS", servers)];
    if !ds.is_empty() {
        sets.push(set("DS", ds));
    }
    snapshot.parent_zone = Parent::Zone(delegation::Live {
        id: "Z9".into(),
        name: "example.edu".into(),
        child: format!("{}.", fixture::DOMAIN),
        role: None,
        sets,
    });
    snapshot
}

/// What a step makes of the parent's DS set.
fn published_by(draft: &Draft) -> Option<&RecordSet> {
    if let Op::Delegation(delegation::Op::Edit { after, .. }) = &draft.op {
        after.as_deref()
    } else {
        None
    }
}

fn twin_is(snapshot: &mut Snapshot, state: &str) {
    if let Observation::Present(live) = &mut snapshot.kms_key {
        live.twins[0].1 = state.into();
    }
}

fn signing_is(snapshot: &mut Snapshot, state: &str) {
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.signing = state.into();
    }
}

fn remembered(snapshot: &mut Snapshot, evidence: &str, since: Timestamp) {
    if let Observation::Present(live) = &mut snapshot.journal_group {
        live.tags.insert(evidence.into(), since.to_string());
    }
}

fn drafts(lowered: &[(Addr, Lowered)]) -> Vec<&Draft> {
    let drafts = lowered.iter().flat_map(|(_, lowered)| &lowered.drafts);
    drafts.collect()
}

fn names(lowered: &[(Addr, Lowered)]) -> Vec<&'static str> {
    drafts(lowered).iter().map(|draft| draft.name).collect()
}

fn externals(lowered: &[(Addr, Lowered)]) -> Vec<&str> {
    let reports = lowered.iter().flat_map(|(_, lowered)| &lowered.report);
    let texts = reports.filter_map(|report| {
        if let Report::External { what, .. } = report {
            Some(what.as_str())
        } else {
            None
        }
    });
    texts.collect()
}

fn touches(draft: &Draft, key: &Key) -> bool {
    if let Op::Ksk(ksk::Op::Deactivate { name, .. } | ksk::Op::Delete { name, .. }) = &draft.op {
        *name == key.name
    } else if let Op::KmsKey(kms_key::Op::ScheduleDeletion { key: arn, .. }) = &draft.op {
        arn.value() == key.kms_arn
    } else {
        false
    }
}

const WHOLE: State = State {
    old: "ACTIVE",
    new: "ACTIVE",
    alias_moved: false,
    parent: [Has::Old, Has::Old],
};

#[test]
fn no_state_lets_a_key_go_that_a_resolver_may_need() {
    let desired = fixture::desired();
    let (mut seen, mut retired) = (0, 0);
    for old in STATUSES {
        for new in STATUSES {
            for alias_moved in [false, true] {
                for parent in HAS.iter().flat_map(|a| HAS.map(|b| [*a, b])) {
                    let state = State {
                        old,
                        new,
                        alias_moved,
                        parent,
                    };
                    let snapshot = snapshot(state);
                    let (old_key, new_key) = (key(1, OLD_ARN, old), key(2, NEW_ARN, new));
                    if fit(&desired, &snapshot).is_some() {
                        continue;
                    }
                    seen += 1;
                    let lowered = rotate(&desired, &snapshot);
                    let vouches = |has| parent.contains(&has) || parent.contains(&Has::Both);
                    for draft in drafts(&lowered) {
                        assert!(!touches(draft, &new_key), "{state:?}: {}", draft.name);
                        if !touches(draft, &old_key) {
                            continue;
                        }
                        retired += 1;
                        assert!(!vouches(Has::Old), "{state:?}: {}", draft.name);
                        assert_eq!(new, "ACTIVE", "{state:?}: {}", draft.name);
                        let waits = !draft.ready_when.is_empty() || !draft.after.is_empty();
                        assert!(waits || alias_moved, "{state:?}: {}", draft.name);
                    }
                    for what in externals(&lowered) {
                        assert_eq!((old, new), ("ACTIVE", "ACTIVE"), "{state:?}: {what}");
                    }
                    if may_abort(&desired, &snapshot).is_none() {
                        for draft in drafts(&abort(&desired, &snapshot)) {
                            assert!(!touches(draft, &old_key), "{state:?}: {}", draft.name);
                            if touches(draft, &new_key) && parent != [Has::Nothing; 2] {
                                // Else a resolver may remember a DS set with nothing else.
                                assert_eq!(parent, [Has::Old; 2], "{state:?}: {}", draft.name);
                                let waits = !draft.ready_when.is_empty() || !draft.after.is_empty();
                                assert!(waits, "{state:?}: {}", draft.name);
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(seen > 200 && retired > 20, "{seen} states, {retired} steps");
}

#[test]
fn a_key_taken_down_too_early_is_for_apply_or_comes_back() {
    let desired = fixture::desired();
    for old in ["INACTIVE", "ACTION_NEEDED", "INTERNAL_FAILURE"] {
        for parent in [Has::Old, Has::Both, Has::New] {
            let early = snapshot(State {
                old,
                parent: [parent; 2],
                ..WHOLE
            });
            let refusal = fit(&desired, &early).unwrap();
            assert_eq!(refusal.rule, "not-converged", "{old}");
        }
        let back = snapshot(State {
            old,
            alias_moved: true,
            parent: [Has::New, Has::Both],
            ..WHOLE
        });
        assert_eq!(fit(&desired, &back), None);
        assert_eq!(
            names(&rotate(&desired, &back)),
            ["policy", "activate-next"],
            "{old}"
        );
    }
}

#[test]
fn what_an_interrupted_end_left_is_taken_down_without_another_wait() {
    let desired = fixture::desired();
    let state = State {
        old: "INACTIVE",
        alias_moved: true,
        parent: [Has::New; 2],
        ..WHOLE
    };
    let lowered = rotate(&desired, &snapshot(state));
    let steps = drafts(&lowered);
    assert!(steps.iter().any(|draft| draft.name == "delete"));
    assert!(!steps.iter().any(|draft| draft.name == "deactivate"));
    assert!(steps.iter().all(|draft| draft.ready_when.is_empty()));
}

#[test]
fn a_new_key_that_ails_is_cured_with_its_kms_key() {
    let desired = fixture::desired();
    for (twin, expected) in [
        ("Enabled", &["policy", "activate-next"][..]),
        ("Disabled", &["enable", "policy", "activate-next"]),
        (
            "PendingDeletion",
            &["cancel-deletion", "enable", "policy", "activate-next"],
        ),
    ] {
        let mut ails = snapshot(State {
            new: "ACTION_NEEDED",
            ..WHOLE
        });
        signing_is(&mut ails, "ACTION_NEEDED");
        twin_is(&mut ails, twin);
        assert_eq!(fit(&desired, &ails), None, "{twin}");
        let found = names(&rotate(&desired, &ails));
        let cure: Vec<_> = found
            .into_iter()
            .filter(|n| *n != "remember-next")
            .collect();
        assert_eq!(cure, expected, "{twin}");
        assert_eq!(may_abort(&desired, &ails), None, "{twin}");
    }
}

#[test]
fn giving_up_waits_for_what_resolvers_may_remember_of_the_new_key() {
    let desired = fixture::desired();
    let since: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
    let mut old_only = snapshot(WHOLE);
    let wait = |snapshot: &Snapshot| {
        let lowered = abort(&desired, snapshot);
        let steps = drafts(&lowered);
        let deactivate = steps.iter().find(|draft| draft.name == "deactivate");
        deactivate.unwrap().ready_when.clone()
    };
    let unseen = wait(&old_only);
    assert!(
        matches!(&unseen[..], [Condition::HoldDown { since: Since::Answered(_), lasts, .. }]
            if lasts.as_secs() == 7_200),
        "{unseen:?}"
    );
    remembered(&mut old_only, EVIDENCE_NEXT_GONE, since);
    let seen = wait(&old_only);
    assert!(
        matches!(&seen[..], [Condition::HoldDown { since: Since::At(at), .. }] if *at == since),
        "{seen:?}"
    );
    // Who rotates on after all drops that evidence: the parent is asked for the record again.
    assert!(names(&rotate(&desired, &old_only)).contains(&"forget-next-gone"));

    let new_only = snapshot(State {
        parent: [Has::New; 2],
        ..WHOLE
    });
    let refusal = may_abort(&desired, &new_only).unwrap();
    assert!(
        refusal.message.contains("go on with"),
        "{}",
        refusal.message
    );
    let mut insecure = snapshot(State {
        parent: [Has::Nothing; 2],
        ..WHOLE
    });
    assert_eq!(may_abort(&desired, &insecure), None);
    // What no run saw vouched for is not waited for.
    assert_eq!(wait(&insecure), []);
    remembered(&mut insecure, journal_group::EVIDENCE_DS_GONE, since);
    assert!(matches!(&wait(&insecure)[..], [Condition::HoldDown { .. }]));
}

#[test]
fn a_new_key_that_cannot_sign_is_cured_before_route_53_says_so() {
    let desired = fixture::desired();
    for (twin, steps) in [
        ("Disabled", &["enable", "policy"][..]),
        ("PendingDeletion", &["cancel-deletion", "enable", "policy"]),
    ] {
        for parent in [Has::Old, Has::Both, Has::New] {
            let mut ails = snapshot(State {
                parent: [parent; 2],
                ..WHOLE
            });
            twin_is(&mut ails, twin);
            let lowered = rotate(&desired, &ails);
            assert_eq!(names(&lowered), steps, "{twin}, {parent:?}");
            assert_eq!(externals(&lowered), [""; 0], "{twin}, {parent:?}");
        }
    }
}

#[test]
fn the_parent_is_asked_for_nothing_while_a_server_lacks_a_key() {
    let desired = fixture::desired();
    for parent in [Has::Old, Has::Both, Has::New] {
        let mut lags = snapshot(State {
            parent: [parent; 2],
            ..WHOLE
        });
        lags.served = Err("ns-2.awsdns-00.net does not serve the DNSKEY yet".into());
        let lowered = rotate(&desired, &lags);
        assert_eq!(externals(&lowered), [""; 0], "{parent:?}");
        let old = key(1, OLD_ARN, "ACTIVE");
        let touched = drafts(&lowered).iter().any(|draft| touches(draft, &old));
        assert!(!touched, "{parent:?}");
    }
}

#[test]
fn every_time_counts_from_what_the_journal_remembers() {
    let desired = fixture::desired();
    let mut both = snapshot(State {
        parent: [Has::Both; 2],
        ..WHOLE
    });
    let since: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    remembered(&mut both, EVIDENCE_NEXT, since);
    remembered(&mut both, EVIDENCE_BOTH, since);
    let lowered = rotate(&desired, &both);
    // 9:00 and the DS set's TTL of two hours.
    let asked = externals(&lowered).join("\n");
    assert!(asked.contains("not before 2026-11-21T11:00:00Z"), "{asked}");

    let mut gone = snapshot(State {
        parent: [Has::New; 2],
        ..WHOLE
    });
    remembered(&mut gone, EVIDENCE_NEXT, since);
    remembered(&mut gone, EVIDENCE_OLD_GONE, since);
    let lowered = rotate(&desired, &gone);
    let steps = drafts(&lowered);
    let deactivate = steps.iter().find(|draft| draft.name == "deactivate");
    let waits = &deactivate.unwrap().ready_when;
    let ds_ttl = Duration::from_secs(7_200);
    for (from, lasting) in [(since, ds_ttl), (since, DNSKEY_TTL)] {
        let is_there = waits.iter().any(|wait| {
            matches!(wait, Condition::HoldDown { since: Since::At(at), lasts, .. }
                if *at == from && *lasts == lasting)
        });
        assert!(is_there, "{lasting:?}: {waits:?}");
    }
}

/// What the parent's servers show says that what is noted is over: nothing counts from it, whoever looks.
#[test]
fn evidence_that_the_parent_contradicts_counts_for_nothing() {
    let desired = fixture::desired();
    let since: Timestamp = "2026-11-21T01:00:00Z".parse().unwrap();
    let state = |has, evidence: &[&str]| {
        let mut snapshot = snapshot(State {
            parent: [has; 2],
            ..WHOLE
        });
        remembered(&mut snapshot, EVIDENCE_NEXT, since);
        for key in evidence {
            remembered(&mut snapshot, key, since);
        }
        snapshot
    };
    let noted = |snapshot: &Snapshot| names(&rotate(&desired, snapshot)).contains(&"remember-both");
    let remove_from = |snapshot: &Snapshot| {
        let answers = snapshot.parent.all().unwrap();
        turn(&desired, snapshot, &answers).unwrap().remove_from.0
    };
    let ds_ttl = Duration::from_secs(7_200);

    let told = state(Has::Both, &[EVIDENCE_BOTH]);
    assert!(!noted(&told) && !is_to_be_noted(&desired, &told));
    assert_eq!(remove_from(&told), later(since, ds_ttl));
    // The old record was away in between.
    let back = state(Has::Both, &[EVIDENCE_BOTH, EVIDENCE_OLD_GONE]);
    assert!(noted(&back) && is_to_be_noted(&desired, &back));
    assert_eq!(remove_from(&back), later(back.taken_at, ds_ttl));
    // So is it with what nobody noted, and with what is not so any more.
    assert!(is_to_be_noted(&desired, &state(Has::Both, &[])));
    assert!(is_to_be_noted(&desired, &state(Has::Old, &[EVIDENCE_BOTH])));
    assert!(is_to_be_noted(&desired, &state(Has::New, &[EVIDENCE_BOTH])));
    assert!(!is_to_be_noted(&desired, &state(Has::Old, &[])));
}

/// Whoever looks while a rotation is given up sees the way back, and not on.
#[test]
fn giving_up_is_noted_and_going_on_drops_that() {
    let desired = fixture::desired();
    let mut both_keys = snapshot(State {
        parent: [Has::Old; 2],
        ..WHOLE
    });
    let lowered = abort(&desired, &both_keys);
    assert!(names(&lowered).contains(&"note-abort"), "{lowered:?}");
    let answers = both_keys.parent.all().unwrap();
    assert_eq!(turn(&desired, &both_keys, &answers).unwrap().given_up, None);
    assert_eq!(command(&both_keys), "spore-infra ksk rotate");

    let since: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
    remembered(&mut both_keys, EVIDENCE_ABORT, since);
    assert!(!names(&abort(&desired, &both_keys)).contains(&"note-abort"));
    assert!(names(&rotate(&desired, &both_keys)).contains(&"forget-abort"));
    let answers = both_keys.parent.all().unwrap();
    let turn = turn(&desired, &both_keys, &answers).unwrap();
    let told = turn.told_given_up().unwrap();
    assert!(told.contains("is being given up since"), "{told}");
    assert_eq!(command(&both_keys), "spore-infra ksk rotate --abort");
    assert_eq!(
        goes_on(&desired, &both_keys).goal,
        crate::plan::Goal::AbortRotation
    );
}

#[test]
fn a_rotation_right_after_another_one_is_refused() {
    let desired = fixture::desired();
    let mut snapshot = fixture::applied();
    let refused = |snapshot: &Snapshot| {
        let plan = crate::plan::rotate(&desired, snapshot);
        let refusals = plan.refusals.iter();
        let mut refusals = refusals.filter(|refusal| refusal.rule == JUST_ROTATED);
        refusals.next().map(|refusal| refusal.message.clone())
    };
    assert_eq!(refused(&snapshot), None);
    // A spare key that an apply has retired is no rotation.
    if let Observation::Present(live) = &mut snapshot.kms_key {
        let spare = ("arn:spare".to_owned(), "PendingDeletion".to_owned());
        live.twins.push(spare);
    }
    assert_eq!(refused(&snapshot), None);
    let day = Duration::from_secs(86_400);
    let minute = Duration::from_secs(60);
    let now = snapshot.taken_at;
    for (ended, is_refused) in [
        (now, true),
        (now - (day - minute), true),
        (now - day, false),
        (now - 29 * day, false),
    ] {
        remembered(&mut snapshot, EVIDENCE_ROTATED, ended);
        let told = refused(&snapshot);
        assert_eq!(told.is_some(), is_refused, "{ended}");
        assert!(told.is_none_or(|told| told.contains("--again")));
    }
    // One that is not over goes on.
    remembered(&mut snapshot, EVIDENCE_ROTATED, now);
    remembered(&mut snapshot, EVIDENCE_NEXT, now);
    assert_eq!(refused(&snapshot), None);
}

#[test]
fn where_nobody_can_ask_for_the_zone_nothing_is_waited_for() {
    let state = State {
        parent: [Has::Nothing; 2],
        ..WHOLE
    };
    let mut snapshot = snapshot(state);
    let now = snapshot.taken_at;
    remembered(&mut snapshot, EVIDENCE_NEXT, now);
    let from = |snapshot: &Snapshot| {
        let answers = snapshot.parent.all().unwrap_or_default();
        turn(&fixture::desired(), snapshot, &answers)
            .unwrap()
            .add_from
            .0
    };
    assert_eq!(from(&snapshot), now);
    // Who saw it delegated knows of resolvers that go on asking.
    let mut withdrawn = snapshot.clone();
    if let Observation::Present(journal) = &mut withdrawn.journal_group {
        let key = journal_group::EVIDENCE_DELEGATED.to_owned();
        journal.tags.insert(key, "86400".to_owned());
    }
    assert_eq!(from(&withdrawn), later(now, DNSKEY_TTL));
    // A server that does not answer may delegate it.
    snapshot.parent = ParentView::Unknown("no answer".into());
    assert_eq!(from(&snapshot), later(now, DNSKEY_TTL));
    let delegated = Delegated {
        name_servers: vec!["ns-1.awsdns-00.com".into()],
        ..Delegated::default()
    };
    snapshot.parent = fixture::parent(delegated);
    assert_eq!(from(&snapshot), later(now, DNSKEY_TTL));
}

#[test]
fn what_the_parent_publishes_is_judged_as_everywhere_else() {
    let desired = fixture::desired();
    let (old, new) = (key(1, OLD_ARN, "ACTIVE"), key(2, NEW_ARN, "ACTIVE"));
    let of = |records: &[&str]| {
        let mut snapshot = snapshot(WHOLE);
        if let ParentView::Seen { servers, .. } = &mut snapshot.parent {
            for server in servers {
                server.answer = Ok(Delegated {
                    ds: records.iter().map(|ds| (*ds).to_owned()).collect(),
                    ds_ttl_secs: 7_200,
                    ..Delegated::default()
                });
            }
        }
        snapshot
    };
    let refusal = |records: &[&str]| fit(&desired, &of(records)).map(|refusal| refusal.message);
    let stale = |digest_type, len| format!("12735 13 {digest_type} {}", "AB".repeat(len));
    let (two, four) = (stale(2, 32), stale(4, 48));
    assert_eq!(refusal(&[&ds(&old), &two]), None);
    // One of no key that some validators heed alone is named and goes now.
    let message = refusal(&[&ds(&old), &four]).unwrap();
    assert!(
        message.contains("taken out now") && message.contains("--key-tag 12735"),
        "{message}"
    );
    // A record by SHA-1 does not stand beside one by SHA-256, so the old one's is not asked out for it.
    let domain = &desired.domain;
    let sha1 = DnsKey::parse(&new.dnskey)
        .unwrap()
        .sha1_ds(domain)
        .to_string();
    let lowered = rotate(&desired, &of(&[&ds(&old), &sha1]));
    let asked = externals(&lowered).join("\n");
    assert!(
        asked.contains("publish") && asked.contains(&ds(&new)),
        "{asked}"
    );
}

#[test]
fn no_state_lets_the_parent_vouch_for_what_a_resolver_may_not_find() {
    let desired = fixture::desired();
    let mut steps = BTreeSet::new();
    let mut seen = 0;
    let states = STATUSES
        .iter()
        .flat_map(|old| STATUSES.map(|new| (*old, new)));
    let shown = || HAS.iter().flat_map(|a| HAS.map(|b| [*a, b]));
    let states = states.flat_map(|(old, new)| shown().map(move |parent| (old, new, parent)));
    for (old, new, parent) in states {
        for (alias_moved, in_zone) in [false, true].into_iter().flat_map(|a| HAS.map(|b| (a, b))) {
            let state = State {
                old,
                new,
                alias_moved,
                parent,
            };
            let snapshot = ours(state, in_zone);
            if fit(&desired, &snapshot).is_some() {
                continue;
            }
            seen += 1;
            // Nothing is decided while a server shows something else than the zone has.
            assert_eq!(parent, [in_zone; 2], "{state:?} {in_zone:?}");
            let onward = rotate(&desired, &snapshot);
            let back = may_abort(&desired, &snapshot)
                .map_or_else(|| abort(&desired, &snapshot), |_| vec![]);
            assert_eq!(externals(&onward), [""; 0], "{state:?}: the parent is ours");
            for (lowered, is_onward) in [(onward, true), (back, false)] {
                let changes: Vec<_> = drafts(&lowered)
                    .into_iter()
                    .filter_map(|draft| Some((draft, published_by(draft)?)))
                    .collect();
                for (draft, set) in &changes {
                    let told = format!("{state:?} {in_zone:?}: {}", draft.name);
                    steps.insert(draft.name);
                    // Whatever is left in it leads to a key that signs.
                    assert_eq!(old, "ACTIVE", "{told}");
                    assert!(!is_onward || new == "ACTIVE", "{told}");
                    let values: Vec<&str> = set.values.iter().map(String::as_str).collect();
                    let [first, second] =
                        [key(1, OLD_ARN, old), key(2, NEW_ARN, new)].map(|key| ds(&key));
                    let (from, to) = match draft.name {
                        "add-ds" => (Has::Old, vec![first.as_str(), second.as_str()]),
                        "replace-ds" => (Has::Both, vec![second.as_str()]),
                        "take-back-ds" => (Has::Both, vec![first.as_str()]),
                        other => panic!("{other} is no change of the parent"),
                    };
                    assert_eq!((in_zone, values), (from, to), "{told}");
                    assert_eq!(draft.name != "take-back-ds", is_onward, "{told}");
                    // What goes in or out alone has its hold-down behind it.
                    assert_eq!(!draft.ready_when.is_empty(), is_onward, "{told}");
                }
                // One thing after the other: the keys stay while the parent changes.
                let keys = [key(1, OLD_ARN, old), key(2, NEW_ARN, new)];
                let touches_key = drafts(&lowered)
                    .iter()
                    .any(|draft| keys.iter().any(|key| touches(draft, key)));
                assert!(changes.is_empty() || !touches_key, "{state:?} {in_zone:?}");
            }
        }
    }
    assert!(seen > 50, "{seen} states");
    assert_eq!(
        steps,
        BTreeSet::from(["add-ds", "replace-ds", "take-back-ds"])
    );
}

#[test]
fn evidence_that_a_change_of_the_parent_makes_untrue_is_dropped_before_it() {
    let desired = fixture::desired();
    let state = State {
        parent: [Has::Old; 2],
        ..WHOLE
    };
    let mut before = ours(state, Has::Old);
    let since: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    for (evidence, _) in EVIDENCE {
        remembered(&mut before, evidence, since);
    }
    let lowered = rotate(&desired, &before);
    let all = drafts(&lowered);
    let add = all.iter().find(|draft| draft.name == "add-ds").unwrap();
    let journal = desired.addr(Kind::JournalGroup);
    for step in ["forget-both", "forget-old-gone", "forget-next-gone"] {
        assert!(all.iter().any(|draft| draft.name == step), "{step}");
        let first = After::Answered(StepId::new(&journal, step));
        assert!(add.after.contains(&first), "{step}");
    }
}

#[test]
fn a_set_with_records_of_others_is_left_to_people() {
    let desired = fixture::desired();
    let mut mixed = ours(WHOLE, Has::Old);
    let stale = format!("12735 13 2 {}", "AB".repeat(32));
    if let Parent::Zone(live) = &mut mixed.parent_zone {
        live.sets[1].values.push(stale.clone());
    }
    if let ParentView::Seen { servers, .. } = &mut mixed.parent {
        for server in servers {
            server.answer.as_mut().unwrap().ds.push(stale.clone());
        }
    }
    assert_eq!(fit(&desired, &mixed), None);
    let lowered = rotate(&desired, &mixed);
    assert!(
        drafts(&lowered)
            .iter()
            .all(|draft| published_by(draft).is_none())
    );
    assert!(externals(&lowered)[0].contains("publish the DS record"));
}

/// The KMS key of one of the two is gone for good, and where it was the old one's, the alias as well.
fn lose(snapshot: &mut Snapshot, arn: &str, has_alias: bool) {
    if let Observation::Present(live) = &mut snapshot.kms_key {
        live.gone.insert(arn.into());
        live.twins.clear();
        live.arn = if arn == OLD_ARN { NEW_ARN } else { OLD_ARN }.into();
        live.has_alias = has_alias;
    }
    signing_is(snapshot, "ACTION_NEEDED");
}

/// What a plain apply says of the key.
fn blocked(snapshot: &Snapshot) -> String {
    let plan = crate::plan::converge(&fixture::desired(), snapshot);
    let blocked = plan.blocked();
    blocked
        .iter()
        .map(|(_, why)| *why)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_rotation_from_a_key_that_is_gone_goes_on_with_every_wait() {
    let desired = fixture::desired();
    let mut retired = 0;
    for old in ["ACTIVE", "ACTION_NEEDED", "INACTIVE"] {
        for has_alias in [false, true] {
            for parent in HAS.iter().flat_map(|a| HAS.map(|b| [*a, b])) {
                let state = State {
                    old,
                    parent,
                    ..WHOLE
                };
                let mut snapshot = snapshot(state);
                lose(&mut snapshot, OLD_ARN, has_alias);
                let (old_key, new_key) = (key(1, OLD_ARN, old), key(2, NEW_ARN, "ACTIVE"));
                let told = blocked(&snapshot);
                let way = "go on with `spore-infra ksk rotate`";
                assert!(told.contains(way), "{state:?}: {told}");
                let back = may_abort(&desired, &snapshot).unwrap().message;
                assert!(back.contains(way), "{state:?}: {back}");
                assert_eq!(fit(&desired, &snapshot), None, "{state:?}");
                let lowered = rotate(&desired, &snapshot);
                let vouches = |has| parent.contains(&has) || parent.contains(&Has::Both);
                for draft in drafts(&lowered) {
                    let name = draft.name;
                    assert!(!touches(draft, &new_key), "{state:?}: {name}");
                    assert!(
                        name != "activate-next",
                        "{state:?}: it cannot sign any more"
                    );
                    let deletes =
                        matches!(&draft.op, Op::KmsKey(kms_key::Op::ScheduleDeletion { .. }));
                    assert!(!deletes, "{state:?}: nothing is left to be deleted");
                    if !touches(draft, &old_key) {
                        continue;
                    }
                    retired += 1;
                    assert!(!vouches(Has::Old), "{state:?}: {name}");
                    if vouches(Has::New) {
                        let waits = |draft: &Draft| {
                            let mut conditions = draft.ready_when.iter();
                            conditions.any(|ready| matches!(ready, Condition::HoldDown { .. }))
                        };
                        let is_first = old == "INACTIVE" || name == "deactivate";
                        assert!(!is_first || waits(draft), "{state:?}: {name}");
                    }
                }
                if vouches(Has::Old)
                    && !parent.iter().all(|has| [Has::New, Has::Both].contains(has))
                {
                    let asked = externals(&lowered).join("\n");
                    assert!(asked.contains("--step ds-add"), "{state:?}: {asked}");
                }
            }
        }
    }
    assert!(retired > 10, "{retired}");
}

#[test]
fn a_rotation_to_a_key_that_is_gone_is_given_up_by_one_command() {
    let desired = fixture::desired();
    for new in ["ACTIVE", "ACTION_NEEDED"] {
        for parent in HAS.iter().flat_map(|a| HAS.map(|b| [*a, b])) {
            let state = State {
                new,
                parent,
                ..WHOLE
            };
            let mut snapshot = snapshot(state);
            lose(&mut snapshot, NEW_ARN, true);
            // Nobody goes on from what the parent was once.
            let now = snapshot.taken_at;
            remembered(&mut snapshot, EVIDENCE_OLD_GONE, now);
            let way = way_after_loss(&desired, &snapshot).unwrap();
            assert!(
                way.contains("run `spore-infra ksk rotate --abort`"),
                "{state:?}: {way}"
            );
            assert!(blocked(&snapshot).contains(&way), "{state:?}");
            let refusal = fit(&desired, &snapshot).unwrap();
            assert!(
                refusal.message.contains(&way),
                "{state:?}: {}",
                refusal.message
            );
            assert_eq!(names(&rotate(&desired, &snapshot)), [""; 0], "{state:?}");
            let is_let_go = parent == [Has::Nothing; 2];
            let refused = may_abort(&desired, &snapshot);
            assert_eq!(
                refused.is_none(),
                is_let_go || parent == [Has::Old; 2],
                "{state:?}: {refused:?}"
            );
            if let Some(refused) = refused {
                let old_first = !parent.iter().all(|has| [Has::Old, Has::Both].contains(has));
                let step = if old_first {
                    "--step ds-add"
                } else {
                    "--step ds-remove"
                };
                for said in [&refused.message, &way] {
                    assert!(said.contains(step), "{state:?}: {said}");
                }
                continue;
            }
            let lowered = abort(&desired, &snapshot);
            let steps = drafts(&lowered);
            let deactivate = steps
                .iter()
                .find(|draft| draft.name == "deactivate")
                .unwrap();
            assert!(is_let_go || !deactivate.ready_when.is_empty(), "{state:?}");
            let old_key = key(1, OLD_ARN, "ACTIVE");
            assert!(
                !steps.iter().any(|draft| touches(draft, &old_key)),
                "{state:?}"
            );
        }
        // What an apply has to finish first, it is left to.
        let mut disabled = snapshot(State { new, ..WHOLE });
        lose(&mut disabled, NEW_ARN, true);
        if let Observation::Present(live) = &mut disabled.kms_key {
            live.state = "Disabled".into();
        }
        let told = blocked(&disabled);
        assert!(!told.contains("--abort"), "{told}");
        for refusal in [fit(&desired, &disabled), may_abort(&desired, &disabled)] {
            assert_eq!(refusal.unwrap().rule, "not-converged");
        }
        // Where the parent zone is ours to write, nobody has to be asked.
        for has in [Has::New, Has::Both] {
            let mut snapshot = ours(
                State {
                    new,
                    parent: [has; 2],
                    ..WHOLE
                },
                has,
            );
            lose(&mut snapshot, NEW_ARN, true);
            assert_eq!(may_abort(&desired, &snapshot), None, "{has:?}");
            let lowered = abort(&desired, &snapshot);
            let set = drafts(&lowered).into_iter().find_map(published_by).unwrap();
            assert_eq!(set.values, [ds(&key(1, OLD_ARN, "ACTIVE"))], "{has:?}");
        }
    }
}

/// What only this command cures is not left to an apply that waits for it.
#[test]
fn a_second_key_that_is_going_is_cured_whatever_ails_the_first() {
    let desired = fixture::desired();
    type Edit = fn(&mut kms_key::Live);
    let ails: [Edit; 3] = [
        |_| {},
        |key| key.has_alias = false,
        |key| key.state = "PendingDeletion".into(),
    ];
    for (ail, status) in ails.into_iter().zip(["ACTIVE", "ACTIVE", "ACTION_NEEDED"]) {
        let mut snapshot = snapshot(State {
            old: status,
            ..WHOLE
        });
        twin_is(&mut snapshot, "PendingDeletion");
        if let Observation::Present(live) = &mut snapshot.kms_key {
            ail(live);
        }
        signing_is(&mut snapshot, "ACTION_NEEDED");
        let told = blocked(&snapshot);
        assert!(
            told.contains("run `spore-infra ksk rotate`, which cancels that"),
            "{told}"
        );
        assert_eq!(fit(&desired, &snapshot), None, "{status}");
        let found = names(&rotate(&desired, &snapshot));
        assert_eq!(found, ["cancel-deletion", "enable", "policy"]);
    }
}

/// A record of no key is replaced by that of the key that every resolver knows.
#[test]
fn the_old_key_takes_the_place_of_a_wrong_record_until_the_new_one_may() {
    let desired = fixture::desired();
    let mut wrong = snapshot(WHOLE);
    if let ParentView::Seen { servers, .. } = &mut wrong.parent {
        for server in servers {
            if let Ok(answer) = &mut server.answer {
                answer.ds = vec![format!("12735 13 2 {}", "AB".repeat(32))];
            }
        }
    }
    let replaced_by = |snapshot: &Snapshot, number, arn| {
        let refusal = fit(&desired, snapshot).unwrap();
        let record = format!("replaced by DS {}", ds(&key(number, arn, "ACTIVE")));
        assert!(refusal.message.contains(&record), "{}", refusal.message);
    };
    replaced_by(&wrong, 1, OLD_ARN);
    let since: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    remembered(&mut wrong, EVIDENCE_NEXT, since);
    replaced_by(&wrong, 2, NEW_ARN);
}

/// `handover` says the same.
#[test]
fn the_new_record_is_not_asked_for_while_nobody_knows_since_when_the_zone_is_signed() {
    let desired = fixture::desired();
    let since: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    let noted = |signed: &str| {
        let mut snapshot = snapshot(WHOLE);
        remembered(&mut snapshot, EVIDENCE_NEXT, since);
        if let Observation::Present(live) = &mut snapshot.journal_group {
            live.tags
                .insert(journal_group::EVIDENCE_SIGNED.into(), signed.into());
            live.tags
                .insert(journal_group::EVIDENCE_SIGNED_TTL.into(), "172800".into());
        }
        if let ParentView::Seen { servers, .. } = &mut snapshot.parent {
            for server in servers {
                if let Ok(answer) = &mut server.answer {
                    answer.name_servers =
                        vec!["ns-1.awsdns-00.com".into(), "ns-2.awsdns-00.net".into()];
                }
            }
        }
        let lowered = rotate(&desired, &snapshot);
        let reports = lowered.iter().flat_map(|(_, lowered)| &lowered.report);
        let waits = reports.filter_map(|report| {
            if let Report::Waiting { what, .. } = report {
                Some(what.clone())
            } else {
                None
            }
        });
        (
            externals(&lowered).join("\n"),
            waits.collect::<Vec<_>>().join("\n"),
        )
    };
    let (asked, waits) = noted("not-noted");
    assert_eq!(asked, "");
    assert!(
        waits.contains("nobody knows until when") && waits.contains("spore-infra apply"),
        "{waits}"
    );
    let (asked, _) = noted("2026-11-21T10:00:00Z");
    assert!(asked.contains("not before 2026-11-23T10:00:00Z"), "{asked}");
    let (asked, _) = noted("2026-11-01T10:00:00Z");
    assert!(asked.contains("not before 2026-11-21T10:00:00Z"), "{asked}");
}
