//! What a plan does about TTLs, from each state in which a run can leave them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::fixture::{self, DOMAIN, alias, set};
use crate::kind::Op as AnyOp;
use crate::plan::{self, Plan};
use crate::snapshot::{Delegated, ParentView};

const SINCE: &str = "2026-11-21T10:00:00Z";

fn delegated(ds: &[&str]) -> ParentView {
    fixture::in_use_by(ds)
}

fn zone(snapshot: &mut Snapshot) -> &mut Live {
    let Observation::Present(zone) = &mut snapshot.hosted_zone else {
        panic!("the zone is there")
    };
    zone
}

fn note(snapshot: &mut Snapshot, key: &str, value: &str) {
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.insert(key.into(), value.into());
    }
}

fn sign(snapshot: &mut Snapshot) {
    if let Observation::Present(dnssec) = &mut snapshot.dnssec {
        dnssec.signing = "SIGNING".into();
        dnssec.keys[0].dnskey = KEY.into();
    }
}

/// A DNSKEY of algorithm 13.
const KEY: &str = "257 3 13 \
                   GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";

/// Parents that vouch for that key.
fn vouched() -> ParentView {
    let key = crate::ds::DnsKey::parse(KEY).unwrap();
    let ds = key.ds(DOMAIN, crate::ds::DigestType::Sha256).to_string();
    delegated(&[ds.as_str()])
}

fn converge(snapshot: &Snapshot) -> Plan {
    plan::converge(&fixture::desired(), snapshot)
}

/// Steps about TTLs, and those that turn signing on.
fn steps(plan: &Plan) -> Vec<&'static str> {
    let is_told = |name: &str| {
        ["ttl", "low", "ds-seen", "enable"]
            .iter()
            .any(|part| name.contains(part))
    };
    plan.steps
        .iter()
        .filter(|step| matches!(step.id.addr.kind(), Kind::HostedZone | Kind::ZoneSigning))
        .map(|step| step.id.name)
        .filter(|name| is_told(name))
        .collect()
}

/// What a step makes of TTLs: name and identifier, before and after.
fn edits(plan: &Plan, step: &str) -> Vec<(String, i64, i64)> {
    let step = plan.steps.iter().find(|one| one.id.name == step).unwrap();
    let AnyOp::HostedZone(Op::SetTtls { edits, .. }) = &step.op else {
        panic!("{:?}", step.op)
    };
    let mut told: Vec<_> = edits
        .iter()
        .map(|edit| {
            let (before, after) = (edit.before.as_ref().unwrap(), edit.after.as_ref().unwrap());
            let name = format!("{} {}", before.name, before.rtype);
            (name, before.ttl_secs.unwrap(), after.ttl_secs.unwrap())
        })
        .collect();
    told.sort();
    told
}

fn hold_down(plan: &Plan, step: &str) -> (Since, u64) {
    let step = plan.steps.iter().find(|one| one.id.name == step).unwrap();
    let [Condition::HoldDown { since, lasts, .. }] = &step.ready_when[..] else {
        panic!("{:?}", step.ready_when)
    };
    (since.clone(), lasts.as_secs())
}

fn unsigned(snapshot: &Snapshot) -> zone_signing::Unsigned {
    zone_signing::unsigned(&fixture::desired(), snapshot)
}

fn unsigned_until(snapshot: &Snapshot) -> Option<Timestamp> {
    match unsigned(snapshot) {
        zone_signing::Unsigned::Until(memory) => Some(memory.until),
        zone_signing::Unsigned::No | zone_signing::Unsigned::Unknown(_) => None,
    }
}

fn at(time: &str) -> Since {
    Since::At(time.parse().unwrap())
}

fn told(plan: &Plan) -> String {
    format!("{:?}", plan.report)
}

#[test]
fn ttls_are_kept_then_lowered_then_waited_out_then_the_zone_is_signed() {
    let plan = converge(&fixture::in_use());
    let expected = [
        "keep-ttls",
        "lower-ttls",
        "note-lowered",
        "announce-ttl",
        "enable",
    ];
    assert_eq!(steps(&plan), expected);
    let apex = format!("{DOMAIN}.");
    let lowered = [
        ("day.x. MX".to_owned(), 86_400, 3_600),
        ("split.x. A".to_owned(), 7_200, 3_600),
        ("split.x. A".to_owned(), 7_200, 3_600),
        (format!("{apex} NS"), 172_800, 3_600),
        (format!("{apex} SOA"), 900, 900),
    ];
    assert_eq!(edits(&plan, "lower-ttls"), lowered);
    let step = |name: &str| plan.steps.iter().find(|step| step.id.name == name).unwrap();
    let AnyOp::JournalGroup(journal_group::Op::KeepSets { sets, .. }) = &step("keep-ttls").op
    else {
        panic!()
    };
    assert_eq!(sets.len(), lowered.len());
    assert!(step("lower-ttls").needs.contains(&step("keep-ttls").id));
    assert!(
        step("note-lowered")
            .settled
            .contains(&step("lower-ttls").id)
    );
    // The largest of before, counted from when all are low.
    let noted = Since::Answered(step("note-lowered").id.clone());
    assert_eq!(hold_down(&plan, "announce-signing"), (noted, 172_800));
    assert!(step("enable").needs.contains(&step("announce-signing").id));
    // What a traffic policy made stays, and is waited out after signing.
    let announced = format!("{:?}", step("announce-ttl").op);
    assert!(announced.contains("\"86400\""), "{announced}");
    let fields = &plan
        .changes
        .iter()
        .find(|change| change.addr.kind() == Kind::HostedZone);
    let fields = format!("{:?}", fields.unwrap().fields);
    assert!(
        fields.contains("ttl of split.x. A (set identifier b)"),
        "{fields}"
    );
    assert!(fields.contains("soa.minimum"), "{fields}");
}

#[test]
fn only_zones_of_others_that_are_in_use_and_to_be_signed_get_low_ttls() {
    let none = |snapshot: &Snapshot, desired: &Desired| {
        let plan = plan::converge(desired, snapshot);
        let has = steps(&plan)
            .iter()
            .any(|name| *name == "keep-ttls" || *name == "lower-ttls");
        assert!(!has, "{:?}", steps(&plan));
        plan
    };
    let desired = fixture::desired();
    let mut snapshot = fixture::in_use();
    zone(&mut snapshot).reference = super::super::reference(DOMAIN, 1);
    none(&snapshot, &desired);
    let mut snapshot = fixture::in_use();
    snapshot.parent = fixture::parent(Delegated::default());
    assert!(steps(&none(&snapshot, &desired)).contains(&"enable"));
    let mut snapshot = fixture::in_use();
    sign(&mut snapshot);
    none(&snapshot, &desired);
    none(
        &fixture::in_use(),
        &fixture::of("[dnssec]\nenabled = false\n"),
    );
    let left = none(
        &fixture::in_use(),
        &fixture::of("[dnssec]\nlower-ttls = false\n"),
    );
    assert!(steps(&left).contains(&"enable"));
    let mut snapshot = fixture::in_use();
    if let ParentView::Seen { servers, .. } = &mut snapshot.parent {
        servers[0].answer = Ok(Delegated {
            name_servers: vec!["ns.elsewhere.example".into()],
            ..Delegated::default()
        });
    }
    assert!(!steps(&none(&snapshot, &desired)).contains(&"enable"));
    // Whether it is in use is not known: then neither.
    let mut snapshot = fixture::in_use();
    snapshot.parent = ParentView::Unknown("no answer".into());
    let plan = none(&snapshot, &desired);
    assert!(!steps(&plan).contains(&"enable"));
    assert!(
        plan.blocked()
            .iter()
            .any(|(addr, why)| addr.kind() == Kind::ZoneSigning && why.contains("no answer"))
    );
    // Nothing is high: there is nothing to wait for first.
    let mut snapshot = fixture::in_use();
    for set in &mut zone(&mut snapshot).records {
        *set = lowered(set);
    }
    let plan = none(&snapshot, &desired);
    let first = plan
        .steps
        .iter()
        .find(|step| step.id.name == "announce-signing");
    assert_eq!(first.unwrap().ready_when, []);
}

#[test]
fn a_resumed_run_remembers_what_the_first_saw_and_lowers_the_rest() {
    // Died after half of the batches.
    let mut snapshot = fixture::low_since("");
    for set in &mut zone(&mut snapshot).records {
        if set.name == "day.x." {
            set.ttl_secs = Some(86_400);
        }
    }
    let plan = converge(&snapshot);
    assert_eq!(
        steps(&plan),
        ["lower-ttls", "note-lowered", "announce-ttl", "enable"]
    );
    assert_eq!(
        edits(&plan, "lower-ttls"),
        [("day.x. MX".to_owned(), 86_400, 3_600)]
    );
    assert_eq!(hold_down(&plan, "announce-signing").1, 172_800);
    // Died before it noted when: that is noted at once when every server shows it, and not before.
    let plan = converge(&fixture::low_since(""));
    assert_eq!(steps(&plan), ["note-lowered", "announce-ttl", "enable"]);
    let note = plan
        .steps
        .iter()
        .find(|step| step.id.name == "note-lowered");
    assert_eq!(note.unwrap().ready_when, []);
    let mut lagging = fixture::low_since("");
    lagging.low = Err("ns-1.awsdns-00.com still answers".into());
    let plan = converge(&lagging);
    assert!(
        !steps(&plan).contains(&"note-lowered"),
        "{:?}",
        steps(&plan)
    );
    assert!(
        plan.waits()
            .iter()
            .any(|(_, what)| what.contains("ns-1.awsdns-00.com")),
        "{:?}",
        plan.waits()
    );
    let unsigned = unsigned(&fixture::low_since(""));
    assert!(
        matches!(unsigned, zone_signing::Unsigned::Unknown(_)),
        "{unsigned:?}"
    );
}

/// RFC 8767, section 4: no resolver keeps anything for longer than a week.
#[test]
fn a_ttl_of_decades_is_waited_out_for_a_week_and_that_is_said() {
    let mut snapshot = fixture::in_use();
    zone(&mut snapshot)
        .records
        .push(set("forever.x.", "A", 2_147_483_647, "192.0.2.1"));
    let plan = converge(&snapshot);
    let noted = Since::Answered(StepId::new(
        &fixture::desired().addr(Kind::HostedZone),
        "note-lowered",
    ));
    assert_eq!(hold_down(&plan, "announce-signing"), (noted, 604_800));
    let shown = format!("{:?}", plan.steps);
    assert!(shown.contains("nothing for more than 7 d"), "{shown}");
    let kept = to_keep(zone(&mut snapshot));
    snapshot.ttls = Ok(Some(kept));
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        let key = journal_group::EVIDENCE_LOWERED.to_owned();
        journal.tags.insert(key, SINCE.to_owned());
    }
    sign(&mut snapshot);
    let until = later(SINCE.parse().unwrap(), Duration::from_secs(604_800));
    assert_eq!(unsigned_until(&snapshot), Some(until));
    let why = unsigned(&snapshot).why().unwrap();
    assert!(why.contains("nothing for more than 7 d"), "{why}");
}

#[test]
fn the_wait_counts_from_the_evidence_and_says_where_it_comes_from() {
    let snapshot = fixture::low_since(SINCE);
    let plan = converge(&snapshot);
    assert_eq!(steps(&plan), ["announce-ttl", "enable"]);
    assert_eq!(hold_down(&plan, "announce-signing"), (at(SINCE), 172_800));
    let step = plan
        .steps
        .iter()
        .find(|step| step.id.name == "announce-signing");
    let shown = format!("{:?}", step.unwrap().ready_when);
    for part in [SINCE, "172800 s of spore.example.edu. NS"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(
        told(&plan).contains("record sets are lowered"),
        "{}",
        told(&plan)
    );
    // What is asked for right before it is signed comes on top: the largest TTL is a day by then.
    let until = later(
        SINCE.parse().unwrap(),
        Duration::from_secs(172_800 + 86_400),
    );
    assert_eq!(unsigned_until(&snapshot), Some(until));
    // Whoever signs it in between: no DS record before the old TTLs have run out.
    let until = later(SINCE.parse().unwrap(), Duration::from_secs(172_800));
    let mut signed = snapshot.clone();
    sign(&mut signed);
    assert_eq!(unsigned_until(&signed), Some(until));
    // What somebody raises meanwhile is waited out after signing.
    let mut raised = fixture::low_since(SINCE);
    for set in &mut zone(&mut raised).records {
        if set.name == "minute.x." {
            set.ttl_secs = Some(259_200);
        }
    }
    let plan = converge(&raised);
    let step = plan
        .steps
        .iter()
        .find(|step| step.id.name == "announce-ttl")
        .unwrap();
    assert!(
        format!("{:?}", step.op).contains("\"259200\""),
        "{:?}",
        step.op
    );
}

#[test]
fn they_go_back_when_the_parent_has_vouched_for_as_long_as_the_delegation_is_remembered() {
    let mut snapshot = fixture::low_since("2026-11-01T10:00:00Z");
    sign(&mut snapshot);
    // No DS record yet: they stay, and the plan says so.
    let plan = converge(&snapshot);
    assert_eq!(steps(&plan), [""; 0]);
    assert!(
        told(&plan).contains("they are put back when"),
        "{}",
        told(&plan)
    );
    snapshot.parent = vouched();
    let plan = converge(&snapshot);
    assert_eq!(
        steps(&plan),
        ["note-ds-seen", "restore-ttls", "forget-ttls"]
    );
    let (since, lasts) = hold_down(&plan, "restore-ttls");
    assert!(matches!(since, Since::Answered(step) if step.name == "note-ds-seen"));
    assert_eq!(lasts, 172_800);
    note(&mut snapshot, journal_group::EVIDENCE_DS_SEEN, SINCE);
    let plan = converge(&snapshot);
    assert_eq!(steps(&plan), ["restore-ttls", "forget-ttls"]);
    assert_eq!(hold_down(&plan, "restore-ttls"), (at(SINCE), 172_800));
    let back = edits(&plan, "restore-ttls");
    let lowered = edits(&converge(&fixture::in_use()), "lower-ttls");
    let turned: Vec<_> = lowered
        .into_iter()
        .map(|(name, high, low)| (name, low, high))
        .collect();
    assert_eq!(back, turned);
    let step = |name: &str| plan.steps.iter().find(|step| step.id.name == name).unwrap();
    assert!(
        step("forget-ttls")
            .settled
            .contains(&step("restore-ttls").id)
    );
    // A parent whose TTLs are short is given a day all the same.
    let mut short = snapshot.clone();
    if let ParentView::Seen { servers, .. } = &mut short.parent {
        for server in servers {
            server.answer.as_mut().unwrap().ns_ttl_secs = 60;
        }
    }
    assert_eq!(hold_down(&converge(&short), "restore-ttls").1, 86_400);
    // One server that does not vouch yet, or no longer, is enough to keep them low.
    if let ParentView::Seen { servers, .. } = &mut snapshot.parent {
        servers[1].answer.as_mut().unwrap().ds.clear();
    }
    assert_eq!(steps(&converge(&snapshot)), ["forget-ds-seen"]);
    snapshot.parent = ParentView::Unknown("no answer".into());
    assert_eq!(steps(&converge(&snapshot)), [""; 0]);
}

#[test]
fn a_wrong_ds_record_is_not_a_chain_of_trust() {
    let mut snapshot = fixture::low_since("2026-11-01T10:00:00Z");
    sign(&mut snapshot);
    let wrong = format!("1 13 2 {}", "AB".repeat(32));
    snapshot.parent = delegated(&[wrong.as_str()]);
    assert_eq!(steps(&converge(&snapshot)), [""; 0]);
}

#[test]
fn what_somebody_changed_or_deleted_meanwhile_stays_and_is_named() {
    let mut snapshot = fixture::low_since("2026-11-01T10:00:00Z");
    sign(&mut snapshot);
    snapshot.parent = vouched();
    note(
        &mut snapshot,
        journal_group::EVIDENCE_DS_SEEN,
        "2026-11-02T10:00:00Z",
    );
    let zone = zone(&mut snapshot);
    zone.records.retain(|set| set.name != "day.x.");
    // One of a group is enough: its TTLs have to be alike.
    for set in &mut zone.records {
        if set.policy.as_deref() == Some("set identifier b") {
            set.ttl_secs = Some(30);
        }
    }
    let plan = converge(&snapshot);
    let apex = format!("{DOMAIN}.");
    let expected = [
        (format!("{apex} NS"), 3_600, 172_800),
        (format!("{apex} SOA"), 900, 900),
    ];
    assert_eq!(edits(&plan, "restore-ttls"), expected);
    for named in [
        "day.x. MX (deleted, its TTL was 86400)",
        "split.x. A (changed, its TTL was 7200)",
    ] {
        assert!(told(&plan).contains(named), "{}", told(&plan));
    }
    // Nothing is left to put back: then it is only forgotten.
    if let Observation::Present(zone) = &mut snapshot.hosted_zone {
        for set in &mut zone.records {
            set.ttl_secs = Some(17);
        }
    }
    assert_eq!(steps(&converge(&snapshot)), ["forget-ttls"]);
}

#[test]
fn a_document_that_gives_signing_up_has_them_put_back_at_once() {
    for more in ["enabled = false", "lower-ttls = false"] {
        let desired = fixture::of(&format!("[dnssec]\n{more}\n"));
        let plan = plan::converge(&desired, &fixture::low_since(SINCE));
        let steps = steps(&plan);
        assert!(steps.contains(&"restore-ttls"), "{steps:?}");
        assert!(steps.contains(&"forget-ttls"), "{steps:?}");
        let step = plan
            .steps
            .iter()
            .find(|step| step.id.name == "restore-ttls");
        assert_eq!(step.unwrap().ready_when, [], "{more}");
        // Signed in the same plan: after what is put back by then.
        if more.starts_with("lower") {
            let step = plan
                .steps
                .iter()
                .find(|step| step.id.name == "announce-ttl");
            assert!(format!("{:?}", step.unwrap().op).contains("\"172800\""));
        }
    }
}

#[test]
fn what_cannot_be_read_again_blocks_signing_and_changes_nothing() {
    let mut snapshot = fixture::low_since(SINCE);
    snapshot.ttls = Err("logs:GetLogEvents: AccessDenied".into());
    let plan = converge(&snapshot);
    assert_eq!(steps(&plan), [""; 0]);
    assert!(
        plan.blocked()
            .iter()
            .any(|(addr, why)| addr.kind() == Kind::ZoneSigning && why.contains("AccessDenied"))
    );
    sign(&mut snapshot);
    snapshot.parent = vouched();
    let plan = converge(&snapshot);
    assert_eq!(steps(&plan), [""; 0]);
    assert!(plan.blocked().is_empty() && told(&plan).contains("AccessDenied"));
    let unsigned = unsigned(&snapshot);
    assert!(matches!(unsigned, zone_signing::Unsigned::Unknown(_)));
}

#[test]
fn a_journal_that_was_lost_in_between_makes_the_wait_longer() {
    let mut snapshot = fixture::low_since(SINCE);
    snapshot.ttls = Ok(None);
    snapshot.journal_group = Observation::Absent;
    for set in &mut zone(&mut snapshot).records {
        *set = lowered(set);
    }
    let plan = converge(&snapshot);
    let step = plan
        .steps
        .iter()
        .find(|step| step.id.name == "announce-ttl")
        .unwrap();
    assert!(
        format!("{:?}", step.op).contains("\"604800\""),
        "{:?}",
        step.op
    );
}

#[test]
fn a_zone_file_has_the_ttls_of_before() {
    let mut snapshot = fixture::low_since(SINCE);
    let kept = snapshot.ttls.clone().unwrap().unwrap();
    let mut original = fixture::in_use();
    assert_eq!(&as_before(zone(&mut snapshot), &kept), zone(&mut original));
}

#[test]
fn lowering_never_raises_and_knows_the_soa_records_minimum() {
    let soa = |ttl, minimum| {
        let value = format!("ns. host. 1 7200 900 1209600 {minimum}");
        let low = lowered(&set("x.", "SOA", ttl, &value));
        (low.ttl_secs.unwrap(), minimum_secs(&low.values[0]).unwrap())
    };
    assert_eq!(soa(900, 86_400), (900, 300));
    assert_eq!(soa(86_400, 60), (900, 60));
    assert_eq!(soa(30, 300), (30, 300));
    for (ttl, expected) in [
        (0, 0),
        (60, 60),
        (3_600, 3_600),
        (3_601, 3_600),
        (i64::from(i32::MAX), 3_600),
    ] {
        let low = lowered(&set("x.", "A", ttl, "192.0.2.1"));
        assert_eq!(low.ttl_secs, Some(expected));
    }
    assert_eq!(lowered(&alias("x.")), alias("x."));
    // What one call cannot change is left as it is.
    let mut snapshot = fixture::in_use();
    let large = RecordSet {
        values: vec!["x".repeat(4_000); 5],
        ..set("large.x.", "TXT", 86_400, "")
    };
    zone(&mut snapshot).records.push(large);
    assert!(
        to_keep(zone(&mut snapshot))
            .iter()
            .all(|set| set.name != "large.x.")
    );
}

#[test]
fn a_ds_record_that_stands_already_ends_the_wait_before_signing() {
    let mut snapshot = fixture::low_since(SINCE);
    assert_eq!(
        hold_down(&converge(&snapshot), "announce-signing").1,
        172_800
    );
    snapshot.parent = vouched();
    if let Observation::Present(dnssec) = &mut snapshot.dnssec {
        dnssec.keys[0].dnskey = KEY.into();
    }
    let plan = converge(&snapshot);
    let waits: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| !step.ready_when.is_empty())
        .collect();
    assert!(waits.is_empty(), "{waits:?}");
    assert!(steps(&plan).contains(&"enable"), "{:?}", steps(&plan));
    let change = plan
        .changes
        .iter()
        .find(|change| change.addr.kind() == Kind::ZoneSigning);
    let why = &change.unwrap().why;
    assert!(
        why.contains("publishes DS") && why.contains("already"),
        "{why}"
    );
    // A record of another key says nothing of this one.
    snapshot.parent = fixture::in_use_by(&["12735 13 2 AB"]);
    assert_eq!(
        hold_down(&converge(&snapshot), "announce-signing").1,
        172_800
    );
}

#[test]
fn a_wait_for_putting_them_back_is_told_once_with_its_end() {
    let mut snapshot = fixture::low_since("2026-11-01T10:00:00Z");
    sign(&mut snapshot);
    snapshot.parent = vouched();
    // The first thing is to note since when, which waits for nothing.
    let of_zone = |snapshot: &Snapshot| {
        let mut plan = converge(snapshot);
        plan.steps
            .retain(|step| step.id.addr.kind() == Kind::HostedZone);
        plan
    };
    assert_eq!(of_zone(&snapshot).waits_until(fixture::now()), None);
    note(&mut snapshot, journal_group::EVIDENCE_DS_SEEN, SINCE);
    let plan = of_zone(&snapshot);
    let waiting: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| !step.ready_when.is_empty())
        .map(|step| step.id.name)
        .collect();
    assert_eq!(waiting, ["restore-ttls"]);
    let until = later(SINCE.parse().unwrap(), Duration::from_secs(172_800));
    let (told, why) = plan.waits_until(fixture::now()).unwrap();
    assert_eq!(told, until);
    assert!(why.contains("restore-ttls"), "{why}");
    assert_eq!(plan.waits_until(until), None);
    // A step of something else may start now.
    assert_eq!(converge(&snapshot).waits_until(fixture::now()), None);
}
