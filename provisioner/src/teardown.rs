//! A destroy in the journal: it says so before it takes anything down, and the last of it takes the journal
//! away. What finds the stack half gone, days later and on another machine, so knows that it is meant to go.
//! Who applies does not take the stack down, and drops the note.

use crate::addr::{Addr, Kind};
use crate::arg::Arg;
use crate::desired::Desired;
use crate::kind::journal_group::{EVIDENCE_DESTROYING, Op};
use crate::plan::{Draft, Lowered};
use crate::snapshot::Snapshot;

/// The step that says so.
pub const NOTE: &str = "note-destroy";

/// How to go on with it.
pub const COMMAND: &str = "spore-infra destroy";

/// When the destroy began that has not ended; none where there is none.
pub fn since(snapshot: &Snapshot) -> Option<&str> {
    let journal = snapshot.journal_group.present()?;
    journal.evidence(EVIDENCE_DESTROYING)
}

/// That there is one, as people say it.
pub fn told(since: &str) -> String {
    format!("a destroy began at {since} and has not ended")
}

/// Both ways on.
pub fn ways() -> String {
    format!(
        "run `{COMMAND}` to go on with it, or `spore-infra apply` first if the stack is to stay after all"
    )
}

/// Has the journal say so before the first step of a destroy. Who only has to remove the journal itself leaves no
/// half.
pub fn note(desired: &Desired, snapshot: &Snapshot, lowered: &mut Vec<(Addr, Lowered)>) {
    let addr = desired.addr(Kind::JournalGroup);
    let is_more = lowered
        .iter()
        .any(|(of, lowered)| *of != addr && !lowered.drafts.is_empty());
    if !is_more || snapshot.journal_group.present().is_none() || since(snapshot).is_some() {
        return;
    }
    let op = Op::remember(desired, EVIDENCE_DESTROYING, Arg::Now);
    let note = Lowered {
        drafts: vec![Draft::new(NOTE, op)],
        ..Lowered::default()
    };
    lowered.push((addr, note));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::handover::{Facts, Handover, Step, write};
    use crate::plan::{self, DestroyOptions, Plan, Report, StepId};
    use crate::snapshot::Observation;
    use crate::status;

    const SINCE: &str = "2026-11-21T11:00:00Z";

    fn destroy(snapshot: &Snapshot) -> Plan {
        plan::destroy(&fixture::desired(), snapshot, &DestroyOptions::default())
    }

    /// A stack whose destroy began an hour ago.
    fn leaving() -> Snapshot {
        let mut snapshot = fixture::applied();
        if let Observation::Present(journal) = &mut snapshot.journal_group {
            let tags = &mut journal.tags;
            tags.insert(EVIDENCE_DESTROYING.into(), SINCE.into());
        }
        snapshot
    }

    fn notes(plan: &Plan) -> usize {
        let mut steps = plan.steps.iter();
        steps.by_ref().filter(|step| step.id.name == NOTE).count()
    }

    #[test]
    fn a_destroy_says_so_before_anything_else_and_once() {
        let plan = destroy(&fixture::applied());
        let note = StepId::new(&fixture::desired().addr(Kind::JournalGroup), NOTE);
        assert_eq!(plan.steps[0].id, note);
        for step in &plan.steps[1..] {
            let before = step.needs.iter().chain(&step.settled);
            assert!(before.clone().count() > 0, "{} waits for nothing", step.id);
            if step.id.addr.kind() != Kind::JournalGroup {
                assert!(step.needs.contains(&note), "{}", step.id);
            }
        }
        assert_eq!(notes(&destroy(&leaving())), 0);

        // The journal alone is no half of a stack, and without it there is nowhere to say so.
        let mut alone = fixture::empty();
        alone.journal_group = fixture::applied().journal_group;
        let plan = destroy(&alone);
        assert_eq!((plan.steps.len(), notes(&plan)), (1, 0));
        let mut lost = fixture::applied();
        lost.journal_group = Observation::Absent;
        assert_eq!(notes(&destroy(&lost)), 0);
    }

    #[test]
    fn who_applies_drops_the_note_and_is_told_what_it_was() {
        let before = plan::converge(&fixture::desired(), &fixture::applied());
        let plan = plan::converge(&fixture::desired(), &leaving());
        let known = before.step_digests();
        let more = plan.step_digests().into_keys();
        let more: Vec<_> = more.filter(|id| !known.contains_key(id)).collect();
        assert_eq!(more, ["journal_group/spore.example.edu:forget-destroy"]);
        let told = plan.report.iter().any(|report| {
            matches!(report, Report::Warning { what, .. } if what.contains(SINCE) && what.contains(COMMAND))
        });
        assert!(told, "{:?}", plan.report);
        assert!(plan.notices.is_empty(), "{:?}", plan.notices);
        // Who applies learns of it when the plan after that is made.
        assert!(!before.notices.is_empty());
    }

    #[test]
    fn nothing_is_begun_that_the_destroy_would_end() {
        let (desired, snapshot) = (fixture::desired(), leaving());
        for plan in [
            plan::rotate(&desired, &snapshot),
            plan::abort_rotation(&desired, &snapshot),
        ] {
            let rules: Vec<&str> = plan.refusals.iter().map(|refusal| refusal.rule).collect();
            assert!(rules.contains(&"destroy-under-way"), "{rules:?}");
        }
        let ask = |step: &Step| {
            let said = crate::snapshot::Delegated::default();
            let facts = Facts {
                desired: &desired,
                snapshot: &snapshot,
                parent: "example.edu",
                servers: vec![("ns1.example.edu", &said)],
                key: None,
                keys: crate::ds::judgement::Keys::default(),
                not_yet: None,
            };
            write(step, &facts)
        };
        for step in [Step::Delegate, Step::DsAdd] {
            let told = ask(&step);
            assert!(
                matches!(&told, Handover::Unsafe(why) if why.contains(SINCE) && why.contains(COMMAND)),
                "{told:?}"
            );
        }
        for step in [
            Step::DsRemove(std::collections::BTreeSet::new()),
            Step::Teardown,
        ] {
            assert!(matches!(ask(&step), Handover::Done(_)));
        }
    }

    /// What `status` has of AWS is the destroy's way on, not an apply's.
    #[test]
    fn status_sees_what_the_destroy_waits_for() {
        let desired = fixture::desired();
        let mut snapshot = leaving();
        if let Observation::Present(journal) = &mut snapshot.journal_group {
            for (key, value) in [("spore:ds-gone-since", SINCE), ("spore:ds-ttl", "86400")] {
                journal.tags.insert(key.into(), value.into());
            }
        }
        let of = |snapshot: &Snapshot| {
            let plan = plan::converge(&desired, snapshot);
            status::aws(&desired, snapshot, &plan)
        };
        let aws = of(&snapshot);
        let (until, _) = aws.plan.until.expect("a wait");
        assert_eq!(until.to_string(), "2026-11-22T11:00:00Z");
        let leaving = aws.leaving.expect("a destroy");
        assert_eq!(
            (leaving.since.as_deref(), leaving.against.len()),
            (Some(SINCE), 0)
        );

        // The record is back.
        snapshot.parent = fixture::parent(crate::snapshot::Delegated {
            ds: vec!["1 13 2 AB".into()],
            ..crate::snapshot::Delegated::default()
        });
        let aws = of(&snapshot);
        let leaving = aws.leaving.expect("a destroy");
        assert!(
            leaving.is_vouched_for && leaving.against.is_empty(),
            "{leaving:?}"
        );
        // What the journal says of its absence is out of date.
        assert_eq!(aws.notes, [COMMAND]);
    }
}
