//! Version 1 of `[alarms]`: what is watched, who is told.

use std::collections::BTreeSet;

use crate::stack::account::Region;
use crate::stack::arn::{Arn, Topic};
use crate::stack::form::Whole;
use crate::stack::span::{DAY, HOUR, Lasting};
use crate::stack::table::Table;
use crate::stack::{Alarms, Thresholds};

pub(super) fn alarms(t: &mut Table<'_>, region: Option<Region>) -> Alarms {
    let alarms = Alarms {
        notify: t.or(
            "notify",
            "[]",
            "SNS topics alarms notify: one in us-east-1 and one in the stack's region.",
        ),
        // CloudWatch evaluates at most seven days (API, PutMetricAlarm).
        expect_updates: t
            .maybe::<Lasting<HOUR, { 7 * DAY }>>(
                "expect-updates",
                "Silence of the updater after which an alarm goes off.",
            )
            .map(|silence| silence.0),
        thresholds: t.table(
            "thresholds",
            "Events in five minutes that set an alarm off.",
            thresholds,
        ),
    };
    if let Some(region) = region {
        judge_topics(t, &alarms.notify, region);
    }
    alarms
}

/// CloudWatch notifies topics of its own region only, and the zone's metrics are in us-east-1.
fn judge_topics(t: &mut Table<'_>, topics: &BTreeSet<Arn<Topic>>, region: Region) {
    if topics.is_empty() {
        return;
    }
    let regions = BTreeSet::from([Region::US_EAST_1.as_str(), region.as_str()]);
    for region in &regions {
        if topics.iter().all(|topic| topic.region() != *region) {
            let what = format!("no topic in {region}, where the stack has alarms");
            t.refuse("notify", what, None);
        }
    }
    for topic in topics
        .iter()
        .filter(|topic| !regions.contains(topic.region()))
    {
        let what = format!("{topic} is in a region without alarms of the stack");
        t.refuse("notify", what, None);
    }
}

fn thresholds(t: &mut Table<'_>) -> Thresholds {
    type Count = Whole<1, 1_000_000>;
    Thresholds {
        validation_failures: t
            .or::<Count>(
                "validation-failures",
                "10",
                "Proofs or addresses that do not hold.",
            )
            .0,
        api_5xx: t.or::<Count>("api-5xx", "5", "Answers 5xx of the API.").0,
        throttled: t
            .or::<Count>("throttled", "50", "Requests refused as too many.")
            .0,
        function_errors: t.or::<Count>("function-errors", "3", "Failed runs.").0,
        function_throttles: t
            .or::<Count>("function-throttles", "3", "Runs Lambda refused.")
            .0,
        ksk_age: t
            .maybe::<Lasting<{ 30 * DAY }, { 3650 * DAY }>>("ksk-age", "Age of a KSK.")
            .map(|age| age.0),
    }
}
