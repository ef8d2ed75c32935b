//! Who does not answer has said nothing: no sentence and no step may follow from it as if it had.

use super::*;

fn silent() -> Trouble {
    Trouble::Silent("no answer in time".into())
}

/// A zone none of whose servers answers.
fn dumb() -> Facts {
    let mut facts = facts().judged(&Verdict::Unknown("nobody answers".into()));
    for server in &mut facts.own().servers {
        server.answer = Err(silent());
    }
    facts
}

fn no_step_says(report: &Report, words: &str) {
    let steps = steps(report);
    assert!(
        !steps.iter().any(|(_, what)| what.contains(words)),
        "{words:?}: {steps:#?}"
    );
}

#[test]
fn a_key_is_not_called_dead_because_no_server_answers() {
    let mut facts = dumb();
    let report = of(&facts);
    assert_eq!(told(&report, "no-server").level, Level::Critical);
    let finding = told(&report, "ds-unknown");
    assert_eq!(finding.level, Level::Unknown);
    assert!(
        finding.text.contains("nobody can tell whether DS 10831")
            && finding.text.contains("none of the zone's servers answers"),
        "{finding:?}"
    );
    assert!(
        report
            .findings
            .iter()
            .all(|found| found.code != "ds-dormant")
    );
    // The record may well be right: it stays.
    follows(&report, &[("us", "leave the DS records as they are")]);

    // Without one, none is asked for, and `apply` is not what makes servers answer.
    facts = facts.parents(&delegation(&OURS, &[]));
    let report = of(&facts);
    assert!(
        told(&report, "no-ds")
            .text
            .contains("must not have one yet")
    );
    follows(
        &report,
        &[
            ("us", "spore-infra status"),
            ("others", "not before it prints one"),
        ],
    );
}

#[test]
fn a_record_of_another_key_in_route53_is_not_stale_because_no_server_answers() {
    let mut facts = dumb().parents(&delegation(&OURS, &[OLD_DS]));
    // Of no key that Route 53 has: that is known without any server.
    assert!(told(&of(&facts), "ds-stale").text.contains("DS 12735"));
    // Of somebody else's key in Route 53: nobody can tell.
    let theirs = key(OTHER_KEY).ds("spore.host", DigestType::Sha256);
    facts = facts.parents(&delegation(&OURS, &[&theirs.to_string()]));
    facts
        .aws()
        .keys
        .push(ksk("theirs", OTHER_KEY, Whose::Stranger));
    assert_eq!(told(&of(&facts), "ds-unknown").level, Level::Unknown);
    // Which keys there are is not known either without AWS.
    facts.aws = Err("no usable credentials".into());
    let report = of(&facts);
    assert_eq!(told(&report, "ds-unknown").level, Level::Unknown);
    no_step_says(&report, "take out");
}

#[test]
fn servers_elsewhere_that_do_not_answer_may_serve_the_zone() {
    let report = of(&elsewhere(Err(silent())));
    let finding = told(&report, "delegated-elsewhere");
    assert!(
        finding
            .text
            .contains("nobody can tell whether they serve it"),
        "{finding:?}"
    );
    // So they are treated as if they did: what is signed there may be in somebody's cache.
    follows(
        &report,
        &[
            ("others", "take out DS 12735"),
            ("wait", "1 h"),
            ("others", "set the NS records"),
            ("wait", "2 d"),
            ("others", &format!("add DS {DS}")),
        ],
    );
}

#[test]
fn a_parent_none_of_whose_servers_answers_has_said_nothing() {
    let mut facts = facts().judged(&Verdict::Unknown("no server of host answers".into()));
    for server in &mut facts.own().parents {
        server.answer = Err(silent());
    }
    let report = of(&facts);
    let finding = told(&report, "parent-silent");
    assert_eq!(finding.level, Level::Unknown);
    assert!(
        finding
            .text
            .contains("no server of the parent host answers")
    );
    follows(
        &report,
        &[
            ("us", "no server of host answers"),
            ("others", "see to the servers of host"),
        ],
    );
    facts.aws().signing = Some(("NOT_SIGNING".into(), String::new()));
    let report = of(&facts);
    let finding = told(&report, "not-signed");
    assert_eq!(finding.level, Level::Unknown);
    assert!(
        finding.text.contains("whether host has DS records"),
        "{finding:?}"
    );
}

#[test]
fn what_one_parent_server_lacks_is_not_said_of_those_that_are_silent() {
    let mut facts = facts().parents(&delegation(&OURS, &[]));
    facts.own().parents[1].answer = Err(silent());
    let text = told(&of(&facts), "no-ds").text.clone();
    assert!(
        text.starts_with("no server of host that answers has a DS record for it"),
        "{text}"
    );
    let mut facts = facts.parents(&delegation(&[], &[]));
    facts.own().parents[1].answer = Err(silent());
    let text = told(&of(&facts), "undelegated").text.clone();
    assert!(
        text.starts_with("no server of host that answers delegates it"),
        "{text}"
    );
}

#[test]
fn a_view_is_compared_only_with_what_was_answered() {
    let view = |key_tags: Option<&[u16]>| Resolver {
        name: "192.0.2.53:53".into(),
        role: Role::View,
        answer: Ok(Resolved {
            code: "NOERROR".into(),
            has_data: true,
            key_tags: key_tags.map(|tags| tags.iter().copied().collect()),
            ..Resolved::default()
        }),
    };
    let mut dumb = dumb();
    dumb.resolvers = vec![view(Some(&[10831]))];
    let mut mute = facts();
    mute.resolvers = vec![view(None)];
    for (facts, words) in [
        (dumb, "none of the zone's servers answers"),
        (mute, "did not say which keys it shows"),
    ] {
        let report = of(&facts);
        assert!(
            report
                .findings
                .iter()
                .all(|found| found.code != "view-differs")
        );
        let finding = told(&report, "view-unknown");
        assert_eq!(finding.level, Level::Unknown);
        assert!(finding.text.contains(words), "{finding:?}");
    }
}

#[test]
fn a_zone_of_others_is_settled_before_anything_builds_on_it() {
    let mut facts = facts();
    let why = "a public zone that this tool did not make, Z1, exists";
    facts.aws().zone = None;
    facts.aws().name_servers.clear();
    facts.aws().foreign_zone = Some(why.into());
    facts.aws().plan.blocked = vec![
        format!("hosted_zone/spore.example.edu: {why}"),
        "role/updater: AccessDenied".into(),
    ];
    let report = of(&facts);
    assert_eq!(told(&report, "zone-not-ours").level, Level::Unknown);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.code != "no-zone")
    );
    let steps = steps(&report);
    assert_eq!(
        steps[0],
        ("us", format!("settle whose the zone is: {why}").as_str())
    );
    // It is told once, and the other block with its own words.
    assert_eq!(
        steps.iter().filter(|(_, what)| what.contains(why)).count(),
        1
    );
    assert!(
        steps
            .iter()
            .any(|(_, what)| what.contains("role/updater: AccessDenied"))
    );
    let text = text::render(&facts, &report, 100, Paint::Plain);
    assert!(text.contains("hosted zone not the stack's"), "{text}");
}

#[test]
fn a_zone_that_validates_elsewhere_does_not_fail_for_what_is_not_signed_here() {
    let mut facts = facts();
    facts.aws().signing = Some(("NOT_SIGNING".into(), String::new()));
    let report = of(&facts);
    let finding = told(&report, "not-signed");
    assert_eq!(finding.level, Level::Warning);
    assert!(
        finding.text.contains("is signed, and validates"),
        "{finding:?}"
    );
}

#[test]
fn what_only_the_journal_has_to_note_is_told_as_that() {
    let mut facts = facts();
    facts.aws().plan.changes = vec!["journal_group/spore.example.edu".into()];
    let tells = |facts: &Facts, words: &str| {
        let report = of(facts);
        steps(&report).iter().any(|(_, what)| what.contains(words))
    };
    assert!(tells(&facts, "notes in the journal what the parent shows"));
    facts.aws().plan.changes.push("role/updater".into());
    assert!(!tells(&facts, "notes in the journal"));
    assert!(tells(&facts, "look at `spore-infra plan`: 2 of"));
}

#[test]
fn what_was_not_read_is_not_none() {
    let mut facts = facts();
    facts.aws().zone = None;
    facts.aws().unread = vec!["the hosted zone: AccessDenied".into()];
    let text = text::render(&facts, &of(&facts), 100, Paint::Plain);
    assert!(text.contains("hosted zone not read"), "{text}");
}
