//! The pure planner, on everything that can be live.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use spore_infra::addr::{Addr, Kind};
use spore_infra::arg::Output;
use spore_infra::condition::later;
use spore_infra::desired::{Desired, TAG_STACK};
use spore_infra::kind::delegation::{self, Parent};
use spore_infra::kind::hosted_zone::RecordSet;
use spore_infra::kind::{Op, hosted_zone, kms_key, ksk, log_group};
use spore_infra::plan::{self, DestroyOptions, Goal, Plan, Report, StepId, Symbol};
use spore_infra::render::{self, Paint};
use spore_infra::snapshot::{Observation, ParentView, Snapshot};
use spore_infra::teardown;

use super::snapshots::situations;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1_500,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The plans that may be asked of one situation.
fn plans(desired: &Desired, snapshot: &Snapshot) -> Vec<Plan> {
    let destroy = |include_records| {
        let options = DestroyOptions {
            include_records,
            ..DestroyOptions::default()
        };
        plan::destroy(desired, snapshot, &options)
    };
    vec![
        plan::converge(desired, snapshot),
        destroy(false),
        destroy(true),
    ]
}

/// Whether a plan may be carried out at all: the command line refuses all others whole.
fn may_run(plan: &Plan) -> bool {
    plan.refusals.is_empty() && plan.blocked().is_empty()
}

/// Resources that were not read, or whose place is taken.
fn untouchable(desired: &Desired, snapshot: &Snapshot) -> BTreeSet<Addr> {
    fn is<L>(observation: &Observation<L>) -> bool {
        matches!(
            observation,
            Observation::Unreadable(_) | Observation::Foreign(_, _)
        )
    }
    let mut found = BTreeSet::new();
    let mut add = |hit: bool, kinds: &[Kind]| {
        if hit {
            found.extend(kinds.iter().map(|kind| desired.addr(*kind)));
        }
    };
    add(is(&snapshot.journal_group), &[Kind::JournalGroup]);
    add(is(&snapshot.hosted_zone), &[Kind::HostedZone]);
    add(is(&snapshot.kms_key), &[Kind::KmsKey]);
    add(is(&snapshot.dnssec), &[Kind::Ksk, Kind::ZoneSigning]);
    let is_open = matches!(snapshot.parent_zone, Parent::Unknown(_));
    add(is_open, &[Kind::Delegation]);
    found
}

/// Everything a step waits for, directly or through others.
fn before(plan: &Plan, step: &StepId) -> BTreeSet<StepId> {
    let edges: BTreeMap<&StepId, Vec<&StepId>> = plan
        .steps
        .iter()
        .map(|step| (&step.id, step.needs.iter().chain(&step.settled).collect()))
        .collect();
    let mut found = BTreeSet::new();
    let mut open = vec![step];
    while let Some(id) = open.pop() {
        for earlier in edges.get(id).into_iter().flatten() {
            if found.insert((*earlier).clone()) {
                open.push(earlier);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn equal_situations_give_equal_plans_whatever_the_time((document, snapshot) in situations()) {
        let desired = document.desired();
        let mut later_on = snapshot.clone();
        later_on.taken_at = later(snapshot.taken_at, Duration::from_secs(3));
        let again = plans(&document.desired(), &later_on);
        for (first, second) in plans(&desired, &snapshot).into_iter().zip(again) {
            prop_assert_eq!(first.digest(), second.digest());
            prop_assert_eq!(first.step_digests(), second.step_digests());
            prop_assert_eq!(
                render::summary(&first),
                render::summary(&second)
            );
        }
    }

    #[test]
    fn another_goal_or_domain_is_another_plan((document, snapshot) in situations()) {
        let mut other = document.clone();
        other.domain = format!("x-{}", document.domain.trim_start_matches("x-"));
        prop_assume!(other.domain.split('.').all(|label| label.len() <= 63));
        prop_assume!(other.domain != document.domain);
        let digests: BTreeSet<String> = plans(&document.desired(), &snapshot)
            .iter()
            .chain(&plans(&other.desired(), &snapshot))
            .map(Plan::digest)
            .collect();
        prop_assert_eq!(digests.len(), 6);
    }

    #[test]
    fn steps_come_after_what_they_wait_for((document, snapshot) in situations()) {
        for plan in plans(&document.desired(), &snapshot) {
            let mut seen = BTreeSet::new();
            let mut brought: BTreeSet<(Addr, Output)> = plan
                .known
                .iter()
                .flat_map(|(addr, known)| known.keys().map(|output| (addr.clone(), *output)))
                .collect();
            for step in &plan.steps {
                for earlier in step.needs.iter().chain(&step.settled) {
                    prop_assert!(seen.contains(earlier), "{} before {earlier}", step.id);
                }
                for (addr, output) in step.op.refs() {
                    prop_assert!(
                        brought.contains(&(addr.clone(), output)),
                        "{} uses {addr}.{} before it is there", step.id, output.word()
                    );
                }
                brought.extend(step.op.brings().iter().map(|o| (step.id.addr.clone(), *o)));
                prop_assert!(seen.insert(step.id.clone()), "{} twice", step.id);
            }
        }
    }

    /// Unknown is never absent: neither the resource nor anything that refers to it is written.
    #[test]
    fn unreadable_and_foreign_resources_are_never_written((document, snapshot) in situations()) {
        let desired = document.desired();
        let untouchable = untouchable(&desired, &snapshot);
        for plan in plans(&desired, &snapshot) {
            for step in &plan.steps {
                let on = std::iter::once(step.id.addr.clone());
                for addr in on.chain(step.op.refs().into_iter().map(|(addr, _)| addr)) {
                    prop_assert!(!untouchable.contains(&addr), "{} touches {addr}", step.id);
                }
            }
            if snapshot.journal_group.unreadable().is_some()
                || snapshot.hosted_zone.unreadable().is_some()
                || matches!(snapshot.parent_zone, Parent::Unknown(_))
            {
                prop_assert!(!may_run(&plan), "{:?} runs on what it cannot see", plan.goal);
            }
        }
    }

    /// A zone is not taken down while any parent server vouches for it, or may.
    #[test]
    fn destroy_is_refused_while_a_parent_may_have_a_ds((document, snapshot) in situations()) {
        let trusted = match &snapshot.parent {
            ParentView::Unknown(_) => true,
            ParentView::Seen { servers, .. } => servers.iter().any(|server| {
                server.answer.as_ref().map_or(true, |answer| !answer.ds.is_empty())
            }),
        };
        if !trusted || matches!(snapshot.hosted_zone, Observation::Absent) {
            return Ok(());
        }
        for plan in &plans(&document.desired(), &snapshot)[1..] {
            let dangerous = plan
                .steps
                .iter()
                .any(|step| step.op.is_removal() && step.id.addr.kind() != Kind::JournalGroup);
            prop_assert!(!dangerous || !plan.refusals.is_empty(), "{:?}", plan.steps);
        }
    }

    /// No key is scheduled for deletion while a key-signing key may name it: not one that was seen,
    /// unless it is deleted first, and none at all when they could not be seen.
    #[test]
    fn no_key_in_use_is_deleted((document, snapshot) in situations()) {
        for plan in plans(&document.desired(), &snapshot) {
            if !may_run(&plan) {
                continue;
            }
            for step in &plan.steps {
                let Op::KmsKey(kms_key::Op::ScheduleDeletion { key, days }) = &step.op else {
                    continue;
                };
                prop_assert_eq!(*days, 30);
                prop_assert!(
                    !matches!(snapshot.hosted_zone, Observation::Foreign(_, _) | Observation::Unreadable(_)),
                    "{} while a zone that was not read may use the key", step.id
                );
                prop_assert!(!matches!(snapshot.dnssec, Observation::Unreadable(_)));
                let earlier = before(&plan, &step.id);
                for user in snapshot.dnssec.present().iter().flat_map(|live| &live.keys) {
                    if user.kms_arn != key.to_string() {
                        continue;
                    }
                    let deleted = plan.steps.iter().any(|other| {
                        earlier.contains(&other.id)
                            && matches!(&other.op, Op::Ksk(ksk::Op::Delete { name, .. }) if *name == user.name)
                    });
                    prop_assert!(deleted, "{} while {} uses it", step.id, user.name);
                }
            }
        }
    }

    /// An alias of our name may lead to somebody else's key: without the stack's tags, and without a
    /// key-signing key that names it, nothing is done to it.
    #[test]
    fn keys_of_others_are_left_alone((document, mut snapshot) in situations()) {
        let desired = document.desired();
        if let Observation::Present(key) = &mut snapshot.kms_key {
            key.tags.remove(TAG_STACK);
        }
        let Some(key) = snapshot.kms_key.present() else { return Ok(()) };
        let is_used = snapshot
            .dnssec
            .present()
            .is_some_and(|live| live.keys.iter().any(|user| user.kms_arn == key.arn));
        if !key.has_alias || is_used {
            return Ok(());
        }
        for plan in plans(&desired, &snapshot) {
            for step in &plan.steps {
                let twin = matches!(
                    &step.op,
                    Op::KmsKey(kms_key::Op::ScheduleDeletion { key: twin, .. }) if twin.to_string() != key.arn
                );
                prop_assert!(twin || step.id.addr.kind() != Kind::KmsKey, "{}", step.id);
                let refers = step.op.refs().iter().any(|(addr, _)| addr.kind() == Kind::KmsKey);
                prop_assert!(!refers, "{} uses it", step.id);
            }
        }
    }

    /// The chain goes down from the top: signing, keys, zone. That it is to go is in the journal before.
    #[test]
    fn destroy_takes_signing_off_first_and_the_journal_last((document, snapshot) in situations()) {
        for plan in &plans(&document.desired(), &snapshot)[1..] {
            let named = |kind: Kind, name: &str| {
                plan.steps
                    .iter()
                    .find(|step| step.id.addr.kind() == kind && step.id.name == name)
                    .map(|step| step.id.clone())
            };
            let disable = named(Kind::ZoneSigning, "disable");
            for step in &plan.steps {
                let earlier = before(plan, &step.id);
                let must_follow = match step.id.addr.kind() {
                    Kind::Ksk | Kind::HostedZone => disable.clone(),
                    Kind::JournalGroup
                    | Kind::KmsKey
                    | Kind::ZoneSigning
                    | Kind::Delegation
                    | Kind::LogsKey
                    | Kind::LogGroup
                    | Kind::LogsPolicy
                    | Kind::QueryLogging
                    | Kind::Role
                    | Kind::Function
                    | Kind::ApiAccount
                    | Kind::RestApi
                    | Kind::MetricFilter
                    | Kind::Alarm => None,
                };
                if let Some(first) = must_follow {
                    prop_assert!(earlier.contains(&first), "{} before signing is off", step.id);
                }
                if step.id.addr.kind() == Kind::JournalGroup {
                    let others = plan.steps.iter().filter(|other| other.id != step.id);
                    for other in others {
                        if step.id.name == teardown::NOTE {
                            let after = before(plan, &other.id);
                            prop_assert!(after.contains(&step.id), "{} before the note", other.id);
                        } else {
                            prop_assert!(earlier.contains(&other.id), "{} is left", other.id);
                        }
                    }
                    let is_noted = teardown::since(&snapshot).is_some();
                    prop_assert!(step.id.name == "delete" || !is_noted, "{} again", step.id);
                }
            }
        }
    }

    #[test]
    fn the_journal_is_made_before_anything_else((document, snapshot) in situations()) {
        let plan = plan::converge(&document.desired(), &snapshot);
        let create = plan.steps.iter().find(|step| {
            step.id.addr.kind() == Kind::JournalGroup && step.id.name == "create"
        });
        let Some(create) = create.map(|step| step.id.clone()) else { return Ok(()) };
        for step in plan.steps.iter().filter(|step| step.id != create) {
            prop_assert!(before(&plan, &step.id).contains(&create), "{}", step.id);
        }
    }

    /// What people read and what is done are the same: a change for each resource with steps, in the
    /// counts, and exactly one word on every resource.
    #[test]
    fn changes_steps_and_report_tell_one_story((document, snapshot) in situations()) {
        let desired = document.desired();
        for plan in plans(&desired, &snapshot) {
            let with_steps: BTreeSet<&Addr> = plan.steps.iter().map(|step| &step.id.addr).collect();
            let with_change: BTreeSet<&Addr> = plan.changes.iter().map(|change| &change.addr).collect();
            prop_assert_eq!(&with_steps, &with_change);
            prop_assert_eq!(plan.changes.len(), with_change.len());
            let (add, change, destroy) = plan.counts();
            prop_assert_eq!(add + change + destroy, plan.changes.len());
            let destroys = matches!(plan.goal, Goal::Destroy(_));
            for change in &plan.changes {
                prop_assert_eq!(change.symbol == Symbol::Destroy, destroys, "{}", change.addr);
                prop_assert!(!change.fields.is_empty(), "{} changes nothing", change.addr);
            }
            if !destroys {
                let mut words: BTreeMap<Addr, usize> = BTreeMap::new();
                let reported = plan.report.iter().filter_map(|report| match report {
                    Report::UpToDate(addr) | Report::Blocked { addr, .. } | Report::HeldBack { addr, .. }
                    | Report::External { addr, .. } | Report::Waiting { addr, .. } => Some(addr),
                    Report::Left { .. } | Report::AtWork { .. } | Report::LeftoverLock { .. }
                    | Report::Accepted { .. } | Report::Warning { .. } | Report::UnderWay { .. } => None,
                });
                for addr in reported.chain(with_change.iter().copied()) {
                    *words.entry(addr.clone()).or_default() += 1;
                }
                for addr in desired.addrs() {
                    // The parent zone may be somebody else's; then there is nothing to be said of it.
                    let least = usize::from(addr.kind() != Kind::Delegation);
                    let said = words.get(&addr).copied().unwrap_or_default();
                    prop_assert!((least..=1).contains(&said), "{} {}", addr, said);
                }
            }
            // What is shown never fails to be shown, and plain text carries no escapes.
            let text = render::plan(&plan, Paint::Plain);
            prop_assert!(!text.contains(char::from(27)));
            let json = render::plan_json(&plan, "generated.toml", &document.text());
            prop_assert!(json.is_object());
        }
    }

    /// Applying never removes what it did not make twice: only twins go, and only unused ones; and what others
    /// put on the journal's lines.
    #[test]
    fn converging_deletes_nothing_but_twins((document, snapshot) in situations()) {
        let plan = plan::converge(&document.desired(), &snapshot);
        for step in &plan.steps {
            let is_twin = step.id.name.starts_with("retire-twin");
            let is_of_lines = matches!(
                step.op,
                Op::LogGroup(log_group::Op::Unsubscribe { .. } | log_group::Op::ShowAll { .. })
            );
            prop_assert!(!step.op.is_removal() || is_twin || is_of_lines, "{}", step.id);
            if let Op::KmsKey(kms_key::Op::ScheduleDeletion { key, .. }) = &step.op {
                let live = snapshot.kms_key.present().unwrap();
                prop_assert_ne!(&key.to_string(), &live.arn);
            }
        }
    }

    #[test]
    fn a_signed_zone_is_never_unsigned_by_a_document((mut document, snapshot) in situations()) {
        document.dnssec = false;
        let Some(live) = snapshot.dnssec.present() else { return Ok(()) };
        if live.signing == "NOT_SIGNING" {
            return Ok(());
        }
        let plan = plan::converge(&document.desired(), &snapshot);
        prop_assert!(plan.refusals.iter().any(|refusal| refusal.rule == "signing-off"));
        for step in &plan.steps {
            prop_assert!(!matches!(step.op, Op::ZoneSigning(_) | Op::Ksk(_)), "{}", step.id);
        }
    }

    /// Nothing in the parent zone is overwritten, and a DS record of others there stops every teardown.
    #[test]
    fn records_of_others_in_the_parent_zone_stay((document, snapshot) in situations()) {
        let desired = document.desired();
        let Some(live) = snapshot.parent_zone.zone() else { return Ok(()) };
        for plan in plans(&desired, &snapshot) {
            for step in &plan.steps {
                let Op::Delegation(op) = &step.op else { continue };
                match op {
                    delegation::Op::Delegate { .. } => prop_assert!(live.sets.is_empty()),
                    delegation::Op::Edit { before, after, .. } => {
                        prop_assert!(live.ds().is_none(), "{before:?} {after:?}");
                        let elsewhere = |set: &RecordSet| set.values[0].contains("elsewhere");
                        prop_assert!(!before.as_deref().is_some_and(elsewhere), "{before:?}");
                    }
                }
            }
            let is_there = snapshot.hosted_zone.present().is_some();
            prop_assert!(live.ds().is_none() || !is_there || !may_run(&plan));
        }
    }

    /// Records of others are deleted only on request.
    #[test]
    fn foreign_records_go_only_on_request((document, snapshot) in situations()) {
        let desired = document.desired();
        let Some(zone) = snapshot.hosted_zone.present() else { return Ok(()) };
        let foreign = zone.foreign_records(&desired.domain).len();
        if foreign == 0 {
            return Ok(());
        }
        let kept = plan::destroy(&desired, &snapshot, &DestroyOptions::default());
        prop_assert!(kept.refusals.iter().any(|refusal| refusal.rule == "foreign-records"));
        let options = DestroyOptions { include_records: true, ..DestroyOptions::default() };
        let taken = plan::destroy(&desired, &snapshot, &options);
        for step in &taken.steps {
            if let Op::HostedZone(hosted_zone::Op::DeleteRecords { sets, .. }) = &step.op {
                prop_assert_eq!(sets.len(), foreign);
                prop_assert!(sets.iter().all(|set| set.rtype == "A"));
            }
        }
    }
}
