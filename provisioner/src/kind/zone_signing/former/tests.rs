//! What runs note of former name servers, and for how long a DS record waits for them.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::condition::{Condition, Since, later};
use crate::ds::not_yet::{NotYet, not_yet};
use crate::fixture;
use crate::kind::delegation::{Live, Parent};
use crate::kind::hosted_zone::RecordSet;
use crate::plan::{self, Plan};
use crate::snapshot::{ServerView, Theirs};

const SINCE: &str = "2026-11-21T11:00:00Z";

/// Made by hand, in use, with nothing noted.
fn adopted() -> Snapshot {
    let mut snapshot = fixture::in_use();
    forget(&mut snapshot);
    snapshot
}

fn forget(snapshot: &mut Snapshot) {
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.remove(EVIDENCE_FORMER_GONE);
    }
}

fn note(snapshot: &mut Snapshot, key: &str, value: &str) {
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.insert(key.into(), value.into());
    }
}

fn sign(snapshot: &mut Snapshot) {
    if let Observation::Present(dnssec) = &mut snapshot.dnssec {
        dnssec.signing = "SIGNING".into();
    }
}

fn at_others(ttl: u32) -> ParentView {
    fixture::parent(Delegated {
        name_servers: vec!["ns1.elsewhere.net".into()],
        ns_ttl_secs: ttl,
        ..Delegated::default()
    })
}

/// Where others answer for the zone, with these TTLs.
fn elsewhere(
    mut snapshot: Snapshot,
    parents: u32,
    own: Option<u32>,
    answers: Option<u32>,
) -> Snapshot {
    snapshot.parent = at_others(parents);
    snapshot.theirs = Some(Theirs {
        ns_ttl_secs: own,
        ttl_secs: answers,
    });
    snapshot
}

fn notes(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter();
    steps
        .filter(|step| step.id.name.starts_with("remember-former"))
        .map(|step| format!("{:?}", step.op))
        .collect()
}

fn converge(snapshot: &Snapshot) -> Plan {
    plan::converge(&fixture::desired(), snapshot)
}

fn former(snapshot: &Snapshot) -> Former {
    remembered_of(&fixture::desired(), snapshot)
}

fn lasts(snapshot: &Snapshot) -> Option<u64> {
    match former(snapshot) {
        Former::Remembered { lasts, .. } => Some(lasts.as_secs()),
        Former::None | Former::Unknown(_) => None,
    }
}

#[test]
fn a_run_that_sees_others_notes_their_ttls_once() {
    let seen = elsewhere(adopted(), 86_400, Some(172_800), Some(90_000));
    let plan = converge(&seen);
    let [only] = &notes(&plan)[..] else {
        panic!("{:?}", plan.steps)
    };
    assert!(only.contains("86400 172800 90000"), "{only}");
    let mut noted = seen.clone();
    note(&mut noted, EVIDENCE_FORMER, "86400 172800 90000");
    assert!(notes(&converge(&noted)).is_empty());
    // Larger ones count, each by itself; smaller ones do not.
    note(&mut noted, EVIDENCE_FORMER, "172800 3600 900");
    assert!(notes(&converge(&noted))[0].contains("172800 172800 90000"));
    // Who did not answer has the usual TTL; and answers that nobody asked for may last a day.
    let silent = elsewhere(adopted(), 3_600, None, None);
    assert!(notes(&converge(&silent))[0].contains("3600 172800 86400"));
    // The first run of all writes it with the journal itself.
    let mut first = fixture::empty();
    first = elsewhere(first, 86_400, Some(300), Some(60));
    let made = format!("{:?}", converge(&first).steps);
    assert!(made.contains("86400 300 86400"), "{made}");
    // Where nobody answers for the zone, nobody gets anything there.
    let mut lame = seen;
    lame.theirs = None;
    assert!(notes(&converge(&lame)).is_empty());
}

#[test]
fn a_delegation_that_goes_back_to_others_is_counted_anew_and_in_one_call() {
    let mut back = elsewhere(adopted(), 3_600, Some(3_600), Some(3_600));
    note(&mut back, EVIDENCE_FORMER, "3600 3600 86400");
    note(&mut back, EVIDENCE_FORMER_GONE, SINCE);
    let plan = converge(&back);
    let [only] = &notes(&plan)[..] else {
        panic!("{:?}", plan.steps)
    };
    assert!(
        only.contains("3600 3600 86400") && only.contains(NOT_GONE),
        "{only}"
    );
    note(&mut back, EVIDENCE_FORMER_GONE, NOT_GONE);
    assert!(notes(&converge(&back)).is_empty());
    sign(&mut back);
    assert!(matches!(former(&back), Former::Unknown(_)));
}

#[test]
fn the_first_run_that_sees_no_others_notes_that() {
    let plan = converge(&adopted());
    assert_eq!(notes(&plan).len(), 1, "{:?}", plan.steps);
    assert!(notes(&plan)[0].contains("Now"), "{:?}", notes(&plan));
    // Of a zone that the tool made nobody else was asked, unless a run saw that.
    let mut made = fixture::applied();
    made.parent = fixture::in_use_by(&[]);
    assert!(notes(&converge(&made)).is_empty());
    assert_eq!(former(&made), Former::None);
    note(&mut made, EVIDENCE_FORMER, "86400 172800 3600");
    assert_eq!(notes(&converge(&made)).len(), 1);
    assert!(matches!(former(&made), Former::Unknown(_)));
    // So it is when nobody delegates it any more.
    made.parent = fixture::parent(Delegated::default());
    assert_eq!(notes(&converge(&made)).len(), 1);
    // Not while one of the parent's servers has not answered, or has another.
    for answer in [
        Err("no answer".to_owned()),
        Ok(Delegated {
            name_servers: vec!["ns1.elsewhere.net".into()],
            ..Delegated::default()
        }),
    ] {
        let mut unsure = adopted();
        if let ParentView::Seen { servers, .. } = &mut unsure.parent {
            servers.push(ServerView {
                name: "c.edu-servers.net".into(),
                address: None,
                answer,
            });
        }
        assert!(notes(&converge(&unsure)).is_empty());
        assert!(matches!(former(&unsure), Former::Unknown(_)));
    }
    // A lost journal leaves it unsaid.
    let mut lost = fixture::applied();
    lost.parent = fixture::in_use_by(&[]);
    lost.journal_group = Observation::Absent;
    assert_eq!(notes(&converge(&lost)).len(), 1);
}

#[test]
fn each_ttl_is_waited_out_after_the_other_and_none_for_more_than_a_week() {
    let mut snapshot = adopted();
    note(&mut snapshot, EVIDENCE_FORMER_GONE, SINCE);
    for (ttls, expected) in [
        ("86400 172800 3600", 86_400 + 172_800 + 3_600),
        ("3600 3600 3600", 3 * 3_600),
        ("2147483647 172800 3600", 604_800 + 172_800 + 3_600),
        ("?", 3 * 172_800),
    ] {
        note(&mut snapshot, EVIDENCE_FORMER, ttls);
        assert_eq!(lasts(&snapshot), Some(expected), "{ttls}");
    }
    // Where nobody saw it: two days, or the longer TTL that the parent has now.
    let mut unseen = adopted();
    note(&mut unseen, EVIDENCE_FORMER_GONE, SINCE);
    assert_eq!(lasts(&unseen), Some(172_800));
    for (ttl, expected) in [(60, 172_800), (259_200, 259_200), (u32::MAX, 604_800)] {
        if let ParentView::Seen { servers, .. } = &mut unseen.parent {
            servers[0].answer.as_mut().unwrap().ns_ttl_secs = ttl;
        }
        assert_eq!(lasts(&unseen), Some(expected), "{ttl}");
    }
    // A parent that vouches for the zone was not early; what was seen counts all the same.
    unseen.parent = fixture::in_use_by(&["1 13 2 AB"]);
    assert_eq!(former(&unseen), Former::None);
    note(&mut unseen, EVIDENCE_FORMER, "60 60 3600");
    assert_eq!(lasts(&unseen), Some(60 + 60 + 3_600));
    // Nor was a zone in use that nobody delegates.
    let mut alone = adopted();
    alone.parent = fixture::parent(Delegated::default());
    assert_eq!(former(&alone), Former::None);
}

/// When a plan publishes the DS record, and what it waits for until then.
fn published(snapshot: &Snapshot) -> (Timestamp, String) {
    let plan = converge(snapshot);
    let mut steps = plan.steps.iter();
    let step = steps.find(|step| step.id.name == "publish-ds").unwrap();
    let [
        Condition::HoldDown {
            since: Since::At(since),
            lasts,
            source,
        },
    ] = &step.ready_when[..]
    else {
        panic!("{:?}", step.ready_when)
    };
    (later(*since, *lasts), source.clone())
}

/// A DS record of other servers' zone is waited out before the name moves, from when a run saw that it was gone.
#[test]
fn what_vouched_for_others_is_waited_out_before_the_name_moves() {
    let desired = fixture::desired();
    let of = |snapshot: &Snapshot| vouched(&desired, snapshot);
    let gone = elsewhere(adopted(), 86_400, Some(172_800), Some(3_600));
    // No run saw one.
    assert_eq!(of(&gone), Vouched::No);
    let mut seen = gone.clone();
    note(&mut seen, EVIDENCE_FORMER, "86400 172800 86400");
    note(&mut seen, journal_group::EVIDENCE_DS_TTL, "7200");
    assert_eq!(of(&seen), Vouched::ToNote);
    let plan = converge(&seen);
    let noted = plan.steps.iter().any(|step| step.id.name == "note-ds-gone");
    assert!(noted && plan.takes_note(), "{:?}", plan.steps);
    let told = plan.notices.join(" ");
    assert!(told.contains("not before this is applied"), "{told}");

    note(&mut seen, journal_group::EVIDENCE_DS_GONE, SINCE);
    let Vouched::Until(memory) = of(&seen) else {
        panic!("{:?}", of(&seen))
    };
    assert_eq!(memory.until, "2026-11-21T13:00:00Z".parse().unwrap());
    let plan = converge(&seen);
    assert!(
        plan.steps
            .iter()
            .all(|step| step.id.name != "forget-ds-gone")
    );
    let told = plan.notices.join(" ");
    assert!(told.contains("not before 2026-11-21T13:00:00Z"), "{told}");
    let mut later = seen.clone();
    later.taken_at = "2026-11-21T13:00:00Z".parse().unwrap();
    assert_eq!(of(&later), Vouched::No);

    // Where nobody answers there is nothing to break; and what is there still is told with the delegation.
    let mut lame = seen.clone();
    lame.theirs = None;
    assert_eq!(of(&lame), Vouched::No);
    let mut there = seen.clone();
    there.parent = fixture::parent(Delegated {
        name_servers: vec!["ns1.elsewhere.net".into()],
        ds: vec!["1 13 2 AB".into()],
        ..Delegated::default()
    });
    assert_eq!(of(&there), Vouched::No);
    // Who applies where the name leads here has no use for it any more.
    let mut here = adopted();
    note(&mut here, journal_group::EVIDENCE_DS_GONE, SINCE);
    let plan = converge(&here);
    assert!(
        plan.steps
            .iter()
            .any(|step| step.id.name == "forget-ds-gone")
    );
}

#[test]
fn every_command_says_the_same_end_and_why() {
    let mut snapshot = adopted();
    sign(&mut snapshot);
    let key = snapshot.dnssec.present().unwrap().keys[0].clone();
    let desired = fixture::desired();
    assert!(matches!(
        not_yet(&desired, &snapshot, &key),
        Some(NotYet::Unknown(why)) if why.contains("spore-infra apply")
    ));
    note(&mut snapshot, EVIDENCE_FORMER, "86400 172800 3600");
    note(&mut snapshot, EVIDENCE_FORMER_GONE, SINCE);
    // A day, two days and an hour later.
    let until = "2026-11-24T12:00:00Z";
    let Some(NotYet::Remembered { until: at, why }) = not_yet(&desired, &snapshot, &key) else {
        panic!("it waits")
    };
    assert_eq!(at, until.parse().unwrap());
    for part in ["former servers", "1 d", "2 d", SINCE, until] {
        assert!(why.contains(part), "{why}");
    }
    let told = converge(&snapshot).notices.join(" ");
    assert!(
        told.contains(until) && told.contains("former servers"),
        "{told}"
    );
    // Where the parent is ours to write, that is a step's wait.
    let set = |rtype: &str, values: &[&str]| RecordSet {
        name: format!("{}.", fixture::DOMAIN),
        rtype: rtype.into(),
        ttl_secs: Some(3_600),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..RecordSet::default()
    };
    snapshot.parent_zone = Parent::Zone(Live {
        id: "ZPARENT".into(),
        name: "example.edu".into(),
        child: format!("{}.", fixture::DOMAIN),
        role: None,
        sets: vec![set("NS", &["ns-1.awsdns-00.com.", "ns-2.awsdns-00.net."])],
    });
    let (at, why) = published(&snapshot);
    assert_eq!(at, until.parse().unwrap());
    assert!(why.contains("former servers"), "{why}");
    // Signed later than that, with a larger TTL, it is the other wait.
    note(
        &mut snapshot,
        crate::kind::journal_group::EVIDENCE_SIGNED,
        "2026-11-21T11:30:00Z",
    );
    note(
        &mut snapshot,
        crate::kind::journal_group::EVIDENCE_SIGNED_TTL,
        "345600",
    );
    let (at, why) = published(&snapshot);
    assert_eq!(at, "2026-11-25T11:30:00Z".parse().unwrap());
    assert!(why.contains("before it was signed"), "{why}");
}

/// The tool's own change of the delegation: what was there is written down before it.
#[test]
fn what_adopt_replaces_is_noted_first() {
    let mut snapshot = elsewhere(fixture::applied(), 300, Some(172_800), Some(3_600));
    let set = RecordSet {
        name: format!("{}.", fixture::DOMAIN),
        rtype: "NS".into(),
        ttl_secs: Some(86_400),
        values: vec!["ns1.elsewhere.net.".into()],
        ..RecordSet::default()
    };
    snapshot.parent_zone = Parent::Zone(Live {
        id: "ZPARENT".into(),
        name: "example.edu".into(),
        child: set.name.clone(),
        role: None,
        sets: vec![set],
    });
    let plan = plan::adopt(&fixture::desired(), &snapshot);
    let step = |name: &str| plan.steps.iter().find(|step| step.id.name == name).unwrap();
    let noted = step("remember-former");
    // The parent's servers may lag behind what it has.
    assert!(format!("{:?}", noted.op).contains("86400 172800 86400"));
    assert!(step("adopt").needs.contains(&noted.id));
    note(&mut snapshot, EVIDENCE_FORMER, "86400 172800 86400");
    assert!(notes(&plan::adopt(&fixture::desired(), &snapshot)).is_empty());
}
