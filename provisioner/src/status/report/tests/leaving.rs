//! A stack that is being taken down: what goes as it should is no alarm, what is broken is one.

use super::*;
use crate::status::facts::Leaving;

const SINCE: &str = "2026-11-21T11:00:00Z";

fn leaving(leaving: Leaving) -> Facts {
    let mut facts = facts();
    facts.aws().leaving = Some(Leaving {
        since: Some(SINCE.into()),
        told: crate::teardown::told(SINCE),
        ways: crate::teardown::ways(),
        ..leaving
    });
    facts
}

#[test]
fn what_goes_as_it_should_is_told_as_that() {
    let mut facts = leaving(Leaving::default()).parents(&delegation(&[], &[]));
    let until = now() + std::time::Duration::from_secs(3_600);
    facts.aws().plan.until = Some((until, "zone_signing: a DS record is remembered".into()));
    let report = of(&facts);
    assert_eq!(report.level, Level::Warning);
    assert!(report.headline.contains(SINCE), "{}", report.headline);
    let mut codes = report.findings.iter().map(|finding| finding.code);
    assert!(codes.all(|code| code == "destroying"), "{report:?}");
    follows(
        &report,
        &[
            ("wait", &format!("until {until:.0}")),
            ("us", "spore-infra destroy"),
        ],
    );
    assert_eq!(report.next.len(), 2);
    // The zone itself is the last but one to go.
    facts.aws().zone = None;
    assert_eq!(of(&facts).level, Level::Warning);
}

#[test]
fn what_is_broken_stays_an_alarm_and_comes_first() {
    let why = "the parent zone still has: spore.host. IN DS 12735".to_owned();
    let facts = leaving(Leaving {
        against: vec![why.clone()],
        is_delegated: true,
        ..Leaving::default()
    });
    let facts = facts
        .parents(&delegation(&OURS, &[OLD_DS]))
        .judged(&bogus());
    let report = of(&facts);
    assert_eq!(report.level, Level::Critical);
    assert!(told(&report, "destroying").text.contains(SINCE));
    follows(
        &report,
        &[
            ("us", &why),
            ("others", "withdraw the delegation"),
            ("us", "spore-infra destroy"),
        ],
    );
    let seen = json::render(&facts, &report);
    assert_eq!(seen["aws"]["destroying"]["since"], SINCE);
    assert_eq!(seen["aws"]["destroying"]["against"][0], why);
}
