//! Tables of what a parent zone's sets lead to; no AWS.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::fixture::{self, DOMAIN};
use crate::kind::journal_group;
use crate::plan;
use crate::snapshot::Delegated;

const KEY: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";
const STRANGE: &str = "1 13 2 ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB";
const SERVERS: [&str; 2] = ["ns-1.awsdns-00.com", "ns-2.awsdns-00.net"];

fn ours() -> String {
    let key = DnsKey::parse(KEY).unwrap();
    key.ds(DOMAIN, DigestType::Sha256).to_string()
}

fn set(name: &str, rtype: &str, values: &[&str]) -> RecordSet {
    RecordSet {
        name: name.into(),
        rtype: rtype.into(),
        ttl_secs: Some(300),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..RecordSet::default()
    }
}

fn own(rtype: &str, values: &[&str]) -> RecordSet {
    set(&format!("{DOMAIN}."), rtype, values)
}

/// An applied stack whose parent zone has these sets, and whose parent's servers answer so.
fn with(sets: Vec<RecordSet>, name_servers: &[&str], ds: &[&str]) -> Snapshot {
    let mut snapshot = fixture::applied();
    if let Observation::Present(dnssec) = &mut snapshot.dnssec {
        dnssec.keys[0].dnskey = KEY.into();
    }
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    snapshot.parent = fixture::parent(Delegated {
        name_servers: texts(name_servers),
        ns_ttl_secs: 300,
        ds: texts(ds),
        ds_ttl_secs: 300,
    });
    snapshot.parent_zone = Parent::Zone(Live {
        id: "Z9".into(),
        name: "example.edu".into(),
        child: format!("{DOMAIN}."),
        role: None,
        sets,
    });
    snapshot
}

fn ns() -> RecordSet {
    own("NS", &["NS-1.awsdns-00.com.", "ns-2.awsdns-00.net."])
}

/// What is told of the delegation.
fn told(snapshot: &Snapshot) -> String {
    let desired = fixture::desired();
    let lowered = converge(&desired.addr(Kind::Delegation), &desired, snapshot);
    let texts = lowered.report.iter().map(|report| match report {
        Report::Blocked { why: text, .. }
        | Report::Warning { what: text, .. }
        | Report::Waiting { what: text, .. } => text.as_str(),
        Report::UpToDate(_)
        | Report::HeldBack { .. }
        | Report::External { .. }
        | Report::Accepted { .. }
        | Report::UnderWay { .. }
        | Report::Left { .. }
        | Report::AtWork { .. }
        | Report::LeftoverLock { .. } => "",
    });
    texts.collect()
}

/// What a kind answers, in a word or by its steps.
fn answer(lowered: &Lowered) -> String {
    let steps: Vec<&str> = lowered.drafts.iter().map(|draft| draft.name).collect();
    if !steps.is_empty() {
        return steps.join(" ");
    }
    let word = lowered.report.first().map(|report| match report {
        Report::UpToDate(_) => "up to date",
        Report::Blocked { .. } => "blocked",
        Report::HeldBack { .. } => "held back",
        Report::Warning { .. } => "warning",
        Report::Waiting { .. } => "waits",
        Report::Left { .. } => "left",
        Report::External { .. }
        | Report::Accepted { .. }
        | Report::AtWork { .. }
        | Report::UnderWay { .. }
        | Report::LeftoverLock { .. } => "other",
    });
    word.unwrap_or("nothing").to_owned()
}

fn up(snapshot: &Snapshot) -> String {
    let desired = fixture::desired();
    answer(&converge(
        &desired.addr(Kind::Delegation),
        &desired,
        snapshot,
    ))
}

#[test]
fn what_is_there_decides_what_is_written() {
    let ds = ours();
    let ds = ds.as_str();
    let below = |rtype| set(&format!("www.{DOMAIN}."), rtype, &["192.0.2.1"]);
    let other = || own("NS", &["ns.elsewhere.example."]);
    for (sets, servers, published, wanted) in [
        (vec![], &[][..], &[][..], "delegate"),
        (vec![below("A")], &[], &[], "blocked"),
        (vec![below("NS")], &[], &[], "blocked"),
        (vec![own("DS", &[ds])], &[], &[], "blocked"),
        // Gone in Route 53, and not yet on each server.
        (vec![], &SERVERS, &[], "waits"),
        (vec![other()], &["ns.elsewhere.example"], &[], "blocked"),
        (vec![ns()], &[], &[], "waits"),
        (vec![ns()], &SERVERS, &[], "publish-ds"),
        (vec![ns()], &SERVERS, &[STRANGE], "waits"),
        (vec![ns(), own("DS", &[ds])], &SERVERS, &[ds], "up to date"),
        (vec![ns(), own("DS", &[STRANGE])], &SERVERS, &[], "blocked"),
        (
            vec![ns(), own("DS", &[ds, STRANGE])],
            &SERVERS,
            &[],
            "blocked",
        ),
    ] {
        let snapshot = with(sets.clone(), servers, published);
        assert_eq!(up(&snapshot), wanted, "{sets:?} {servers:?} {published:?}");
    }
}

#[test]
fn a_key_is_vouched_for_only_while_it_signs_and_is_ours() {
    let with_key = |change: &dyn Fn(&mut Key)| {
        let mut snapshot = with(vec![ns()], &SERVERS, &[]);
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            change(&mut dnssec.keys[0]);
        }
        snapshot
    };
    assert_eq!(up(&with_key(&|_| {})), "publish-ds");
    for status in ["INACTIVE", "ACTION_NEEDED", "INTERNAL_FAILURE", "DELETING"] {
        assert_eq!(up(&with_key(&|key| key.status = status.into())), "waits");
    }
    let theirs = with_key(&|key| {
        key.name = "theirs".into();
        key.kms_arn = "arn:aws:kms:us-east-1:123456789012:key/2".into();
    });
    assert_eq!(up(&theirs), "up to date");
    // KMS withholds it, and Route 53 does not know that yet.
    for state in ["Disabled", "PendingDeletion"] {
        let mut ails = with_key(&|_| {});
        if let Observation::Present(key) = &mut ails.kms_key {
            key.state = state.into();
        }
        assert_eq!(up(&ails), "waits", "{state}");
        assert!(told(&ails).contains(state), "{}", told(&ails));
    }
    // A record of a key that ails stays: the key is cured.
    let ds = ours();
    let mut rests = with(vec![ns(), own("DS", &[&ds])], &SERVERS, &[&ds]);
    if let Observation::Present(dnssec) = &mut rests.dnssec {
        dnssec.keys[0].status = "INACTIVE".into();
    }
    assert_eq!(up(&rests), "up to date");
}

#[test]
fn what_a_record_of_others_does_is_said() {
    let ds = ours();
    let strong = format!("1 13 4 {}", "AB".repeat(48));
    let unknown = format!("1 13 3 {}", "AB".repeat(32));
    for (values, words) in [
        (&[STRANGE][..], "take every name in it for bogus"),
        (&[&ds, STRANGE], "find a key by another record"),
        (&[&ds, &strong], "heed only the strongest digest type"),
        (&[&unknown], "know none of these"),
    ] {
        let why = told(&with(vec![ns(), own("DS", values)], &SERVERS, values));
        assert!(why.contains(words), "{values:?}: {why}");
        assert!(
            why.contains("zone example.edu (Z9) of this account"),
            "{why}"
        );
        assert!(why.contains("delete them there"), "{why}");
        assert!(!why.contains(&ds), "ours is not to be deleted: {why}");
    }
}

#[test]
fn a_message_names_so_many_records_that_people_read_them() {
    let many = (0..25).map(|n| set(&format!("h{n}.{DOMAIN}."), "A", &["192.0.2.1"]));
    let why = told(&with(many.collect(), &[], &[]));
    assert!(
        why.contains("h9.spore") && why.contains("and 15 more"),
        "{why}"
    );
    assert!(!why.contains("h10.spore"), "{why}");
}

#[test]
fn a_zone_that_is_not_ours_is_left() {
    let mut snapshot = with(Vec::new(), &[], &[]);
    for (parent, wanted) in [
        (Parent::External, "nothing"),
        (Parent::Settled, "nothing"),
        (Parent::Unused("another".into()), "warning"),
        (Parent::Unknown("AccessDenied".into()), "blocked"),
    ] {
        snapshot.parent_zone = parent;
        assert_eq!(up(&snapshot), wanted);
        let desired = fixture::desired();
        let lowered = destroy(&desired.addr(Kind::Delegation), &desired, &snapshot);
        assert!(lowered.drafts.is_empty());
    }
}

#[test]
fn a_record_waits_for_servers_and_for_resolvers() {
    let mut lags = with(Vec::new(), &[], &[]);
    lags.served = Err("ns-1 does not answer".into());
    let desired = fixture::desired();
    let addr = desired.addr(Kind::Delegation);
    assert_eq!(
        converge(&addr, &desired, &lags).drafts[0].ready_when.len(),
        1
    );
    let mut lags = with(vec![ns()], &SERVERS, &[]);
    lags.served = Err("ns-1 does not serve the DNSKEY".into());
    assert_eq!(up(&lags), "waits");
    // It was in use unsigned until an hour ago.
    let mut recent = with(vec![ns()], &SERVERS, &[]);
    if let Observation::Present(journal) = &mut recent.journal_group {
        let key = journal_group::EVIDENCE_SIGNED.to_owned();
        journal.tags.insert(key, "2026-11-21T11:00:00Z".into());
    }
    let lowered = converge(&addr, &desired, &recent);
    assert_eq!(lowered.drafts[0].ready_when.len(), 1);
    // It was signed while in use, and nobody noted when.
    let mut unnoted = recent.clone();
    if let Observation::Present(journal) = &mut unnoted.journal_group {
        let key = journal_group::EVIDENCE_SIGNED.to_owned();
        journal.tags.insert(key, "not-noted".into());
    }
    assert_eq!(up(&unnoted), "waits");
    unnoted.journal_group = Observation::Unreadable("logs: AccessDenied".into());
    assert_eq!(up(&unnoted), "waits");
    unnoted.journal_group = Observation::Absent;
    assert_eq!(up(&unnoted), "waits");
    // Not every parent server answers: nothing is known.
    if let ParentView::Seen { servers, .. } = &mut recent.parent {
        servers[1].answer = Err("no answer".into());
    }
    assert_eq!(up(&recent), "waits");
}

#[test]
fn servers_that_show_everything_need_no_look_into_the_zone() {
    let ds = ours();
    let ds = ds.as_str();
    let desired = fixture::desired();
    let check = |servers: &[&str], published: &[&str]| {
        let snapshot = with(Vec::new(), servers, published);
        let own: Vec<String> = SERVERS.map(str::to_owned).to_vec();
        let keys = snapshot.dnssec.present().map(|dnssec| &dnssec.keys[..]);
        is_settled(&desired, &own, keys, &snapshot.parent)
    };
    assert!(check(&SERVERS, &[ds]));
    assert!(!check(&SERVERS, &[]));
    assert!(!check(&SERVERS, &[ds, STRANGE]));
    assert!(!check(&SERVERS[..1], &[ds]));
}

#[test]
fn on_the_way_down_the_ds_record_goes_alone_and_the_ns_set_before_the_zone() {
    let ds = ours();
    let ds = ds.as_str();
    let desired = fixture::desired();
    let options = plan::DestroyOptions::default();
    let steps = |plan: &Plan| -> Vec<String> {
        let ids = plan.steps.iter().map(|step| step.id.to_string());
        ids.filter(|id| !id.starts_with("journal_group")).collect()
    };
    let vouched = with(vec![ns(), own("DS", &[ds])], &SERVERS, &[ds]);
    let down = plan::destroy(&desired, &vouched, &options);
    assert_eq!(steps(&down), [format!("delegation/{DOMAIN}:remove-ds")]);
    assert!(down.refusals.is_empty(), "{:?}", down.refusals);
    // One of somebody's among them: then nothing goes, and the guard says so.
    let mixed = with(vec![ns(), own("DS", &[ds, STRANGE])], &SERVERS, &[ds]);
    let down = plan::destroy(&desired, &mixed, &options);
    assert!(
        down.refusals
            .iter()
            .any(|refusal| refusal.rule == "ds-at-parent")
    );

    let unvouched = with(vec![ns()], &SERVERS, &[]);
    let down = plan::destroy(&desired, &unvouched, &options);
    assert!(down.refusals.is_empty(), "{:?}", down.refusals);
    let order = steps(&down);
    let at = |step: &str| order.iter().position(|id| id.ends_with(step)).unwrap();
    assert!(at("zone_signing/spore.example.edu:disable") < at(":withdraw"));
    assert!(at(":withdraw") < at("hosted_zone/spore.example.edu:delete"));
    let zone = desired.addr(Kind::HostedZone);
    let delete = down
        .steps
        .iter()
        .find(|step| step.id == StepId::new(&zone, "delete"));
    // The parent's NS set has an hour, the zone's own two days.
    assert!(
        matches!(&delete.unwrap().ready_when[..],
            [Condition::HoldDown { lasts, .. }] if lasts.as_secs() == 172_800),
        "{delete:?}"
    );

    let elsewhere = with(vec![own("NS", &["ns.elsewhere.example."])], &[], &[]);
    let addr = desired.addr(Kind::Delegation);
    assert_eq!(answer(&destroy(&addr, &desired, &elsewhere)), "left");
}

#[test]
fn a_withdrawal_that_was_cut_off_is_waited_out_by_the_next_run() {
    let desired = fixture::desired();
    let mut snapshot = with(Vec::new(), &[], &[]);
    assert_eq!(zone_hold_down(&desired, &snapshot), None);
    let mut note = |key: &str, value: &str| {
        if let Observation::Present(journal) = &mut snapshot.journal_group {
            journal.tags.insert(key.into(), value.into());
        }
        let addr = desired.addr(Kind::Delegation);
        let steps = answer(&destroy(&addr, &desired, &snapshot));
        (steps, zone_hold_down(&desired, &snapshot))
    };
    let (steps, hold_down) = note(journal_group::EVIDENCE_NS_TTL, "3600");
    assert_eq!(steps, "remember-ns-gone");
    assert!(hold_down.is_some());
    let (steps, hold_down) = note(journal_group::EVIDENCE_NS_GONE, "2026-11-21T11:30:00Z");
    assert_eq!(steps, "nothing");
    let since: jiff::Timestamp = "2026-11-21T11:30:00Z".parse().unwrap();
    assert!(
        matches!(hold_down, Some(Condition::HoldDown { since: Since::At(at), .. }) if at == since)
    );
}

/// What adopting would do, and whether it is refused.
fn adopting(snapshot: &Snapshot) -> (String, bool) {
    let desired = fixture::desired();
    let lowered = adopt(&desired.addr(Kind::Delegation), &desired, snapshot);
    let refused = not_adoptable(&desired, snapshot).is_some();
    (answer(&lowered), refused)
}

#[test]
fn a_delegation_is_taken_over_only_where_no_resolver_can_insist_on_other_keys() {
    let elsewhere = || own("NS", &["ns1.elsewhere.example."]);
    let other = ["ns1.elsewhere.example"];
    let key = ours();
    let fine = |steps: &str| (steps.to_owned(), false);
    // Nothing there, ours, and not to be written: nothing to take over.
    assert_eq!(adopting(&with(vec![], &[], &[])), fine("nothing"));
    assert_eq!(adopting(&with(vec![ns()], &SERVERS, &[])), fine("nothing"));
    for parent in [Parent::External, Parent::Settled] {
        let mut snapshot = with(vec![elsewhere()], &other, &[]);
        snapshot.parent_zone = parent;
        assert_eq!(adopting(&snapshot), fine("nothing"));
    }
    // No DS record: one may have been there, and that is waited out.
    let none = with(vec![elsewhere()], &other, &[]);
    assert_eq!(adopting(&none), fine("remember-ds-gone adopt"));
    let mut known = none.clone();
    if let Observation::Present(journal) = &mut known.journal_group {
        let key = journal_group::EVIDENCE_DS_GONE.to_owned();
        journal.tags.insert(key, "2026-11-21T11:30:00Z".into());
    }
    assert_eq!(adopting(&known), fine("adopt"));
    // A DS record of a key that signs: who validates needs this zone already.
    let vouched = with(
        vec![elsewhere(), own("DS", &[&key])],
        &other,
        &[key.as_str()],
    );
    assert_eq!(adopting(&vouched), fine("adopt"));
    for status in ["NOT_SIGNING", "ACTION_NEEDED"] {
        let mut unsigned = vouched.clone();
        if let Observation::Present(dnssec) = &mut unsigned.dnssec {
            dnssec.signing = status.into();
        }
        assert!(adopting(&unsigned).1, "{status}");
    }
    let mut ailing = vouched;
    if let Observation::Present(dnssec) = &mut ailing.dnssec {
        dnssec.keys[0].status = "ACTION_NEEDED".into();
    }
    assert!(adopting(&ailing).1);
    // One of another key, in the zone or still on one of its servers.
    for (sets, shown) in [
        (vec![elsewhere(), own("DS", &[STRANGE])], &[][..]),
        (
            vec![elsewhere(), own("DS", &[&key, STRANGE])],
            &[key.as_str()],
        ),
        (vec![elsewhere()], &[STRANGE]),
    ] {
        assert!(adopting(&with(sets, &other, shown)).1);
    }
    let mut routed = with(vec![elsewhere()], &other, &[]);
    if let Parent::Zone(live) = &mut routed.parent_zone {
        live.sets[0].policy = Some("set identifier eu".into());
    }
    assert!(adopting(&routed).1);
}

#[test]
fn a_delegation_is_not_taken_over_while_something_is_not_known() {
    let elsewhere = own("NS", &["ns1.elsewhere.example."]);
    let base = with(vec![elsewhere], &["ns1.elsewhere.example"], &[]);
    let mut silent = base.clone();
    silent.served = Err("ns-1.awsdns-00.com does not answer".into());
    assert_eq!(adopting(&silent), ("waits".to_owned(), false));
    let mut unknown = base.clone();
    unknown.parent = ParentView::Unknown("no answer".into());
    assert_eq!(adopting(&unknown), ("blocked".to_owned(), false));
    unknown.parent_zone = Parent::Unknown("AccessDenied".into());
    assert_eq!(adopting(&unknown), ("blocked".to_owned(), false));
    // Where it should lead to is not known while the zone is not ours.
    let mut strange = base;
    strange.hosted_zone = Observation::Foreign("somebody's".into(), None);
    assert_eq!(adopting(&strange), ("held back".to_owned(), false));
}

#[test]
fn a_wait_before_there_is_a_journal_makes_one_first() {
    let elsewhere = own("NS", &["ns1.elsewhere.example."]);
    let mut snapshot = with(vec![elsewhere], &["ns1.elsewhere.example"], &[]);
    snapshot.journal_group = Observation::Absent;
    let plan = plan::adopt(&fixture::desired(), &snapshot);
    let steps: Vec<String> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    let at = |name: &str| {
        let found = steps.iter().position(|step| step.ends_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {steps:?}"))
    };
    assert!(at("journal_group/spore.example.edu:create") < at(":remember-ds-gone"));
    assert!(at(":remember-ds-gone") < at("delegation/spore.example.edu:adopt"));
    let last = &plan.steps[at("delegation/spore.example.edu:adopt")];
    let [Condition::HoldDown { lasts, since, .. }] = &last.ready_when[..] else {
        panic!("one hold-down, not {:?}", last.ready_when)
    };
    assert_eq!(*lasts, zone_signing::HOLD_DOWN_UNSEEN);
    assert_eq!(
        *since,
        Since::Answered(StepId::new(&last.id.addr, "remember-ds-gone"))
    );
}
