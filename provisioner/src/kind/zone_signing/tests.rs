//! When the zone is signed and unsigned, what is waited for, and what is noted of it.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::fixture;
use crate::snapshot::Delegated;

fn delegated(ds: &[&str]) -> Delegated {
    Delegated {
        name_servers: vec!["ns-1.awsdns-00.com".into()],
        ns_ttl_secs: 172_800,
        ds: ds.iter().map(|ds| (*ds).to_owned()).collect(),
        ds_ttl_secs: 0,
    }
}

fn unsigned(snapshot: &Snapshot) -> Unsigned {
    super::unsigned(&fixture::desired(), snapshot)
}

fn note(snapshot: &mut Snapshot, since: &str) {
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        let key = journal_group::EVIDENCE_SIGNED;
        journal.tags.insert(key.into(), since.into());
        let key = journal_group::EVIDENCE_SIGNED_TTL;
        journal.tags.insert(key.into(), "172800".into());
    }
}

#[test]
fn a_ds_waits_for_unsigned_answers_and_for_who_cannot_tell() {
    let mut snapshot = fixture::applied();
    snapshot.parent = fixture::parent(delegated(&[]));
    assert_eq!(unsigned(&snapshot), Unsigned::No);
    // The NS set of the zone has the largest TTL: two days.
    note(&mut snapshot, "2026-11-20T12:00:00Z");
    let until = "2026-11-22T12:00:00Z".parse().unwrap();
    let memory = Memory {
        until,
        of: Old::Answers(""),
    };
    assert_eq!(unsigned(&snapshot), Unsigned::Until(memory));
    note(&mut snapshot, "2026-11-18T12:00:00Z");
    assert_eq!(unsigned(&snapshot), Unsigned::No);
    // Whatever the TTL, nobody keeps it for longer than a week.
    note(&mut snapshot, "2026-11-15T12:00:00Z");
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        let key = journal_group::EVIDENCE_SIGNED_TTL;
        journal.tags.insert(key.into(), "2147483647".into());
    }
    let memory = Memory {
        until,
        of: Old::Answers(capped(2_147_483_647)),
    };
    assert_eq!(unsigned(&snapshot), Unsigned::Until(memory));
    for strange in [NOT_NOTED, "", "yesterday"] {
        note(&mut snapshot, strange);
        assert!(
            matches!(unsigned(&snapshot), Unsigned::Unknown(_)),
            "{strange}"
        );
    }
    snapshot.journal_group = Observation::Unreadable("logs: AccessDenied".into());
    assert!(matches!(unsigned(&snapshot), Unsigned::Unknown(_)));
    let desired = fixture::desired();
    let lowered = destroy(&desired.addr(Kind::ZoneSigning), &desired, &snapshot);
    assert!(lowered.drafts.is_empty() && !lowered.report.is_empty());
    snapshot.journal_group = Observation::Absent;
    assert!(matches!(unsigned(&snapshot), Unsigned::Unknown(_)));
    // Nobody delegates it, but until a moment ago somebody may have: only what is young was never.
    snapshot.parent = fixture::parent(Delegated::default());
    assert!(matches!(unsigned(&snapshot), Unsigned::Unknown(_)));
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.keys[0].created = Some(fixture::now());
    }
    assert_eq!(unsigned(&snapshot), Unsigned::No);
}

#[test]
fn what_a_dead_run_did_not_note_is_noted_by_the_next() {
    let desired = fixture::desired();
    let addr = desired.addr(Kind::ZoneSigning);
    let steps = |snapshot: &Snapshot| -> Vec<_> {
        let lowered = converge(&addr, &desired, snapshot);
        lowered.drafts.iter().map(|draft| draft.name).collect()
    };
    let mut snapshot = fixture::applied();
    snapshot.parent = fixture::parent(delegated(&[]));
    assert!(steps(&snapshot).is_empty());
    note(&mut snapshot, NOT_NOTED);
    assert_eq!(steps(&snapshot), ["remember-signed"]);
    // At once when every server is seen to serve it, and not before: no wait that a run could end in.
    let lowered = converge(&addr, &desired, &snapshot);
    assert_eq!(lowered.drafts[0].ready_when, []);
    let mut lagging = snapshot.clone();
    lagging.served = Err("ns-2 does not serve the DNSKEY yet".into());
    let lowered = converge(&addr, &desired, &lagging);
    assert!(lowered.drafts.is_empty());
    assert!(
        matches!(&lowered.report[..], [Report::Waiting { what, .. }] if what.contains("ns-2")),
        "{:?}",
        lowered.report
    );
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.signing = "NOT_SIGNING".into();
    }
    let mut whole = delegated(&[]);
    whole.name_servers.push("ns-2.awsdns-00.net".into());
    snapshot.parent = fixture::parent(whole);
    assert_eq!(
        steps(&snapshot),
        [
            "announce-signing",
            "announce-ttl",
            "remember-signed",
            "enable"
        ]
    );
    // A zone that was signed before loses nothing by AWS's failure.
    note(&mut snapshot, "2026-01-01T00:00:00Z");
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.signing = "INTERNAL_FAILURE".into();
    }
    assert_eq!(steps(&snapshot), ["enable"]);
    // A journal that is made anew says at once that it does not know.
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.signing = "SIGNING".into();
    }
    snapshot.journal_group = Observation::Absent;
    let made = journal_group::converge(&desired.addr(Kind::JournalGroup), &desired, &snapshot);
    let shown = format!("{:?}", made.drafts);
    assert!(
        shown.contains(NOT_NOTED) && shown.contains("172800"),
        "{shown}"
    );
}

fn disable(snapshot: &Snapshot) -> Vec<(&'static str, usize)> {
    let desired = fixture::desired();
    destroy(&desired.addr(Kind::ZoneSigning), &desired, snapshot)
        .drafts
        .iter()
        .map(|draft| (draft.name, draft.ready_when.len()))
        .collect()
}

#[test]
fn a_zone_that_nobody_delegates_needs_no_hold_down() {
    assert_eq!(disable(&fixture::applied()), [("disable", 0)]);
}

#[test]
fn a_delegation_withdrawn_a_moment_ago_is_waited_out_by_what_was_noted_of_it() {
    for (notes, expected) in [
        (&[(journal_group::EVIDENCE_DS_TTL, "7200")][..], 7_200),
        (&[(journal_group::EVIDENCE_DELEGATED, "172800")], 172_800),
        (&[(journal_group::EVIDENCE_DELEGATED, "60")], 86_400),
        (
            &[(journal_group::EVIDENCE_DELEGATED, "2147483647")],
            604_800,
        ),
        (&[(journal_group::EVIDENCE_DS_TTL, "2147483647")], 604_800),
        (
            &[
                (journal_group::EVIDENCE_DELEGATED, "172800"),
                (journal_group::EVIDENCE_DS_TTL, "60"),
            ],
            3_600,
        ),
    ] {
        let mut snapshot = fixture::applied();
        if let Observation::Present(journal) = &mut snapshot.journal_group {
            let notes = notes
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()));
            journal.tags.extend(notes);
        }
        assert_eq!(
            disable(&snapshot),
            [("remember-ds-gone", 0), ("disable", 1)]
        );
        let Some((_, Condition::HoldDown { lasts, .. })) =
            hold_down(&fixture::desired(), &snapshot)
        else {
            panic!("a hold-down is expected")
        };
        assert_eq!(lasts, Duration::from_secs(expected), "{notes:?}");
    }
    // Nothing noted, and old enough to have been delegated.
    let mut snapshot = fixture::applied();
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.created = Some("2026-11-20T12:00:00Z".parse().unwrap());
    }
    assert_eq!(disable(&snapshot), [("disable", 0)]);
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.signing = "NOT_SIGNING".into();
    }
    let desired = fixture::desired();
    let lowered = converge(&desired.addr(Kind::ZoneSigning), &desired, &snapshot);
    let names: Vec<_> = lowered.drafts.iter().map(|draft| draft.name).collect();
    assert_eq!(
        names,
        [
            "announce-signing",
            "announce-ttl",
            "remember-signed",
            "enable"
        ]
    );
}

#[test]
fn what_counts_from_signing_is_seen_on_every_server() {
    let desired = fixture::desired();
    let mut snapshot = fixture::applied();
    if let Observation::Present(live) = &mut snapshot.dnssec {
        live.signing = "NOT_SIGNING".into();
    }
    snapshot.parent = fixture::in_use_by(&[]);
    let lowered = converge(&desired.addr(Kind::ZoneSigning), &desired, &snapshot);
    let enable = lowered
        .drafts
        .iter()
        .find(|draft| draft.name == "enable")
        .unwrap();
    assert!(
        matches!(&enable.done_when[..], [Condition::ChangeInSync, Condition::Served(served)]
            if served.name_servers == ["ns-1.awsdns-00.com", "ns-2.awsdns-00.net"]),
        "{:?}",
        enable.done_when
    );
}

#[test]
fn a_zone_that_cannot_be_read_blocks_what_would_unsign_it() {
    let desired = fixture::of("[dnssec]\nenabled = false\n");
    let mut snapshot = fixture::applied();
    snapshot.hosted_zone = Observation::Unreadable("route53:GetHostedZone: AccessDenied".into());
    for plan in [
        crate::plan::unsign(&desired, &snapshot),
        crate::plan::destroy(&desired, &snapshot, &crate::plan::DestroyOptions::default()),
        crate::plan::adopt(&desired, &snapshot),
        crate::plan::converge(&fixture::desired(), &snapshot),
        crate::plan::rotate(&fixture::desired(), &snapshot),
        crate::plan::abort_rotation(&fixture::desired(), &snapshot),
    ] {
        let steps: Vec<_> = plan.steps.iter().map(|step| step.id.to_string()).collect();
        let touches = |step: &String| step.starts_with("zone_signing") || step.starts_with("ksk");
        assert!(!steps.iter().any(touches), "{steps:?}");
    }
    let plan = crate::plan::unsign(&desired, &snapshot);
    let why = plan.blocked();
    assert!(
        why.iter().any(|(_, why)| why.contains("GetHostedZone")),
        "{why:?}"
    );
    assert!(!plan.refusals.is_empty(), "refused, as `destroy` is");
}

#[test]
fn a_delegated_zone_without_evidence_waits_from_now_for_the_parents_ttl() {
    let mut snapshot = fixture::applied();
    snapshot.parent = fixture::parent(delegated(&[]));
    assert_eq!(
        disable(&snapshot),
        [("remember-ds-gone", 0), ("disable", 1)]
    );
    let desired = fixture::desired();
    let Some((_, Condition::HoldDown { lasts, .. })) = hold_down(&desired, &snapshot) else {
        panic!("a hold-down is expected")
    };
    assert_eq!(lasts, Duration::from_secs(172_800));
}

#[test]
fn evidence_counts_from_when_it_was_seen() {
    let mut snapshot = fixture::applied();
    snapshot.parent = fixture::parent(Delegated {
        ns_ttl_secs: 60,
        ..delegated(&[])
    });
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        let time = "2026-11-21T11:30:00Z".to_owned();
        journal
            .tags
            .insert(journal_group::EVIDENCE_DS_GONE.into(), time);
    }
    assert_eq!(disable(&snapshot), [("disable", 1)]);
    let Some((None, Condition::HoldDown { since, lasts, .. })) =
        hold_down(&fixture::desired(), &snapshot)
    else {
        panic!("a hold-down from evidence is expected")
    };
    assert_eq!(lasts, HOLD_DOWN_UNSEEN);
    let expected = "2026-11-21T11:30:00Z".parse();
    assert_eq!(
        Ok(since),
        expected.map(Since::At).map_err(|_: jiff::Error| ())
    );
}

#[test]
fn the_hold_down_is_the_largest_ttl_seen_of_a_ds_record() {
    for (ttl, secs) in [
        ("60", 3_600),
        ("7200", 7_200),
        ("604800", 604_800),
        ("?", 86_400),
    ] {
        let mut snapshot = fixture::applied();
        snapshot.parent = fixture::parent(Delegated {
            ns_ttl_secs: 60,
            ..delegated(&[])
        });
        if let Observation::Present(journal) = &mut snapshot.journal_group {
            let key = journal_group::EVIDENCE_DS_TTL.to_owned();
            journal.tags.insert(key, ttl.to_owned());
        }
        let Some((Some(_), Condition::HoldDown { lasts, .. })) =
            hold_down(&fixture::desired(), &snapshot)
        else {
            panic!("a hold-down from now is expected")
        };
        assert_eq!(lasts, Duration::from_secs(secs), "{ttl}");
    }
}

#[test]
fn old_evidence_is_not_believed() {
    // A DS may have come and gone since: the wait starts again, and so does the evidence.
    for (time, steps) in [
        ("2026-11-19T12:01:00Z", &["disable"][..]),
        ("2026-11-19T11:59:00Z", &["remember-ds-gone", "disable"]),
        ("2027-01-01T00:00:00Z", &["remember-ds-gone", "disable"]),
    ] {
        let mut snapshot = fixture::applied();
        snapshot.parent = fixture::parent(Delegated {
            ns_ttl_secs: 60,
            ..delegated(&[])
        });
        if let Observation::Present(journal) = &mut snapshot.journal_group {
            let key = journal_group::EVIDENCE_DS_GONE.to_owned();
            journal.tags.insert(key, time.to_owned());
        }
        let names: Vec<_> = disable(&snapshot).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, steps, "{time}");
    }
}

#[test]
fn a_zone_delegated_elsewhere_waits_for_the_parents_people() {
    let desired = fixture::desired();
    for mut snapshot in [fixture::empty(), fixture::applied()] {
        if let Observation::Present(live) = &mut snapshot.dnssec {
            live.signing = "NOT_SIGNING".into();
        }
        snapshot.parent = fixture::parent(Delegated {
            name_servers: vec!["ns.elsewhere.example".into()],
            ..Delegated::default()
        });
        let lowered = converge(&desired.addr(Kind::ZoneSigning), &desired, &snapshot);
        assert!(lowered.drafts.is_empty());
        assert!(
            matches!(&lowered.report[..], [Report::External { who, what, .. }]
                if who == "example.edu" && what.contains("ns.elsewhere.example")),
            "{:?}",
            lowered.report
        );
    }
}

#[test]
fn a_ds_record_of_another_zone_goes_before_the_delegation_is_corrected() {
    let desired = fixture::desired();
    let ds = format!("12735 13 2 {}", "AB".repeat(32));
    for (published, order) in [
        (
            vec![ds.clone()],
            &["ds-remove", "1 h later", "--step delegate", "apply again"][..],
        ),
        (Vec::new(), &["--step delegate", "apply again"]),
    ] {
        let mut snapshot = fixture::applied();
        if let Observation::Present(live) = &mut snapshot.dnssec {
            live.signing = "NOT_SIGNING".into();
        }
        snapshot.parent = fixture::parent(Delegated {
            name_servers: vec!["ns.elsewhere.example".into()],
            ds: published.clone(),
            ds_ttl_secs: 3_600,
            ..Delegated::default()
        });
        let way = awaits_delegation(&desired, &snapshot)
            .map(|elsewhere| elsewhere.way(&desired))
            .unwrap_or_default();
        let found: Vec<_> = order.iter().map(|word| way.find(word)).collect();
        assert!(
            found.iter().all(Option::is_some) && found.is_sorted(),
            "{way}"
        );
        assert_eq!(way.contains("ds-remove"), !published.is_empty(), "{way}");
    }
}

#[test]
fn the_reason_is_what_the_parent_shows() {
    let desired = fixture::desired();
    let why = |parent| {
        let mut snapshot = fixture::applied();
        snapshot.parent = parent;
        let lowered = destroy(&desired.addr(Kind::ZoneSigning), &desired, &snapshot);
        lowered.change.map(|change| change.why).unwrap_or_default()
    };
    let none = fixture::parent(delegated(&[]));
    assert!(why(none).starts_with("no parent server has"));
    let ds = fixture::parent(Delegated {
        ds: vec![format!("12735 13 2 {}", "AB".repeat(32))],
        ..delegated(&[])
    });
    for parent in [ds, ParentView::Unknown("no answer".into())] {
        let told = why(parent);
        assert!(told.contains("once no parent server has"), "{told}");
    }
}

#[test]
fn states_of_signing_have_an_answer() {
    let desired = fixture::desired();
    for (status, steps) in [
        ("SIGNING", 0),
        ("NOT_SIGNING", 1),
        ("INTERNAL_FAILURE", 1),
        ("ACTION_NEEDED", 0),
        ("DELETING", 0),
    ] {
        let mut snapshot = fixture::applied();
        if let Observation::Present(live) = &mut snapshot.dnssec {
            live.signing = status.into();
        }
        let lowered = converge(&desired.addr(Kind::ZoneSigning), &desired, &snapshot);
        assert_eq!(lowered.drafts.len(), steps, "{status}");
    }
}
