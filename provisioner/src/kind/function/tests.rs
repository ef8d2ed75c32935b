//! What the function needs in each state that it may be found in.

use super::*;
use crate::fixture;
use crate::plan::Report;

const PROOF: &str = "[updater]\nproofs = [\"instance-role\", \"iam-role\"]\n";

fn lowered(desired: &Desired, snapshot: &Snapshot) -> Lowered {
    converge(&desired.addr(Kind::Function), desired, snapshot)
}

/// The function as an apply leaves it, but for its code, which these tests have none of.
fn applied(desired: &Desired) -> Snapshot {
    let mut snapshot = fixture::applied();
    snapshot.function = Observation::Present(Live {
        settings: settings(desired),
        concurrency: Some(CONCURRENCY),
        tags: tags(desired),
        ..Live::default()
    });
    snapshot
}

fn steps(desired: &Desired, change: impl FnOnce(&mut Live)) -> Vec<&'static str> {
    let mut snapshot = applied(desired);
    if let Observation::Present(live) = &mut snapshot.function {
        change(live);
    }
    let lowered = lowered(desired, &snapshot);
    lowered.drafts.iter().map(|draft| draft.name).collect()
}

#[test]
fn the_updater_may_not_be_a_caller_of_itself() {
    let plain = fixture::desired();
    let own = plain.role_arn();
    let other = "arn:aws:iam::123456789012:role/ci";
    for (role, is_refused) in [(own.as_str(), true), (other, false)] {
        let desired = fixture::of(&format!("{PROOF}roles = [\"{role}\"]\n"));
        let lowered = lowered(&desired, &fixture::applied());
        let is_blocked = lowered
            .report
            .iter()
            .any(|report| matches!(report, Report::Blocked { .. }));
        assert_eq!(is_blocked, is_refused, "{role}");
        assert_eq!(lowered.drafts.is_empty(), is_refused, "{role}");
    }
}

#[test]
fn what_others_changed_on_it_has_a_step_of_its_own() {
    let desired = fixture::desired();
    let unchanged = steps(&desired, |_| {});
    let with = |change: fn(&mut Live)| -> Vec<&'static str> {
        let mut found = steps(&desired, change);
        found.retain(|step| !unchanged.contains(step));
        found
    };
    let set = |live: &mut Live, name: &str, value: &str| {
        live.settings.insert(name.into(), value.into());
    };
    for (name, value) in [
        ("memory", "128 MiB"),
        ("timeout", "3 s"),
        ("role", "arn:other"),
    ] {
        let mut found = steps(&desired, |live| set(live, name, value));
        found.retain(|step| !unchanged.contains(step));
        assert_eq!(found, ["configure"], "{name}");
    }
    assert_eq!(with(|live| live.concurrency = None), ["concurrency"]);
    assert_eq!(with(|live| live.tags.clear()), ["tag"]);
}

#[test]
fn unreadable_and_foreign_functions_are_left_alone() {
    let desired = fixture::desired();
    for seen in [
        Observation::Unreadable("lambda: AccessDenied".to_owned()),
        Observation::Foreign("it carries no tags of ours".to_owned(), None),
    ] {
        let mut snapshot = fixture::applied();
        snapshot.function = seen;
        let lowered = lowered(&desired, &snapshot);
        assert!(lowered.drafts.is_empty() && lowered.change.is_none());
    }
}
