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

#[test]
fn accepted_permissions_hide_none_of_the_others() {
    let sid = |number: usize| format!("x{number:02}");
    let accepted: String = (0..10)
        .map(|number| {
            let sid = sid(number);
            format!(
                "[[accepted]]\nkind = \"function-permission\"\nname = \"{sid}\"\nreason = \"audit\"\n"
            )
        })
        .collect();
    let desired = fixture::of(&accepted);
    let mut snapshot = applied(&desired);
    let Observation::Present(live) = &mut snapshot.function else {
        panic!("it is there");
    };
    let theirs =
        (0..30).map(|number| (sid(number), r#"{"Effect":"Allow","Principal":"*"}"#.into()));
    live.permissions.extend(theirs);
    live.urls
        .extend((0..10).map(|number| (format!("alias{number}"), "https://x".into())));
    let lowered = lowered(&desired, &snapshot);
    let count = |base: &str| {
        let steps = lowered.drafts.iter().map(|draft| draft.name);
        let steps: std::collections::BTreeSet<_> = steps
            .filter(|name| name.starts_with(base) && *name != "revoke-own")
            .collect();
        steps.len()
    };
    assert_eq!((count("revoke"), count("remove-url")), (20, 10));
    let fields = lowered.change.expect("a change").fields;
    let is_named = |number| {
        let name = format!("permission.{}", sid(number));
        fields.iter().any(|field| field.name == name)
    };
    assert_eq!((0..30).filter(|number| is_named(*number)).count(), 20);
    assert!(is_named(29) && !is_named(0));
}

#[test]
fn a_function_that_may_not_run_is_let_run_again() {
    let desired = fixture::desired();
    let addr = desired.addr(Kind::Function);
    let denied = || {
        Err(Failure {
            operation: "lambda:GetAccountSettings".into(),
            class: Class::Refused,
            code: "AccessDeniedException".into(),
            message: "not authorized".into(),
        })
    };
    let cases: [(Option<i32>, Unreserved, &[&str]); 9] = [
        (Some(0), Ok(Some(900)), &["concurrency"]),
        // Lambda keeps 100 for the others.
        (Some(0), Ok(Some(110)), &["concurrency"]),
        (Some(0), Ok(Some(109)), &["no-concurrency"]),
        (Some(3), Ok(Some(100)), &["no-concurrency"]),
        (None, Ok(Some(100)), &[]),
        (Some(0), denied(), &["no-concurrency"]),
        (None, denied(), &[]),
        // Giving some back needs none.
        (Some(400), denied(), &["concurrency"]),
        (Some(400), Ok(Some(100)), &["concurrency"]),
    ];
    for (live, unreserved, expected) in cases {
        let said = format!("{live:?} of {unreserved:?}");
        let (mut fields, mut lowered) = (Vec::new(), Lowered::default());
        let mut snapshot = applied(&desired);
        snapshot.unreserved_concurrency = unreserved;
        reserve(&addr, &desired, &snapshot, live, &mut fields, &mut lowered);
        let steps: Vec<_> = lowered.drafts.iter().map(|draft| draft.name).collect();
        assert_eq!(steps, expected, "{said}");
        let is_named = fields.iter().any(|field| field.name == "concurrency");
        assert_eq!(is_named, !expected.is_empty(), "{said}");
    }
}
