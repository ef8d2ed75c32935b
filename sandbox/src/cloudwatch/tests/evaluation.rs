//! Alarms on the world's clock.

use serde_json::{Value, json};

use super::Bench;
use crate::route53;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";

#[test]
fn an_alarm_follows_its_metric() {
    let mut bench = Bench::new();
    bench.alarm(json!({ "AlarmActions": [TOPIC], "TreatMissingData": "notBreaching" }));
    assert_eq!(bench.state(), "INSUFFICIENT_DATA");
    bench.0.advance(60);
    assert_eq!(bench.state(), "OK");
    bench.publish(2.0);
    assert_eq!(bench.state(), "OK", "not before the next evaluation");
    bench.0.advance(60);
    let shown = bench.shown("a");
    assert_eq!(shown["StateValue"], "ALARM");
    assert_eq!(
        shown["StateReason"],
        "Threshold Crossed: 1 datapoint [2.0 (01/01/26 00:01:00)] was greater than or equal to the \
         threshold (1.0)."
    );
    assert_eq!(shown["StateTransitionedTimestamp"], 1_767_225_720.0);
    // The value leaves the range of 3 periods.
    bench.0.advance(3600);
    let shown = bench.shown("a");
    assert_eq!(shown["StateValue"], "OK");
    assert_eq!(
        shown["StateTransitionedTimestamp"], 1_767_225_900.0,
        "as soon as it did, not when somebody looked"
    );
    let history = bench.ok(
        "DescribeAlarmHistory",
        json!({ "AlarmName": "a", "ScanBy": "TimestampAscending" }),
    );
    let summaries: Vec<&str> = history["AlarmHistoryItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["HistorySummary"].as_str().unwrap())
        .collect();
    let action = format!("Successfully executed action {TOPIC}");
    assert_eq!(
        summaries,
        [
            "Alarm \"a\" created",
            "Alarm updated from INSUFFICIENT_DATA to OK",
            "Alarm updated from OK to ALARM",
            &action,
            "Alarm updated from ALARM to OK",
        ]
    );
}

#[test]
fn without_data_nothing_is_known() {
    let mut bench = Bench::new();
    bench.alarm(json!({}));
    bench.0.advance(86_400);
    let shown = bench.shown("a");
    assert_eq!(shown["StateValue"], "INSUFFICIENT_DATA");
    assert_eq!(shown["StateReason"], "Unchecked: Initial alarm creation");
}

#[test]
fn a_state_that_was_set_lasts_until_the_next_evaluation() {
    let mut bench = Bench::new();
    bench.alarm(json!({ "TreatMissingData": "notBreaching" }));
    bench.0.advance(60);
    let input = json!({ "AlarmName": "a", "StateValue": "ALARM", "StateReason": "a test" });
    bench.ok("SetAlarmState", input);
    let shown = bench.shown("a");
    assert_eq!(shown["StateValue"], "ALARM");
    assert_eq!(shown["StateReason"], "a test");
    bench.0.advance(60);
    assert_eq!(bench.state(), "OK");
    let input = json!({ "AlarmName": "x", "StateValue": "OK", "StateReason": "" });
    assert_eq!(bench.code("SetAlarmState", input), "ResourceNotFound");
    let input = json!({
        "AlarmName": "a", "StateValue": "OK", "StateReason": "", "StateReasonData": "{",
    });
    assert_eq!(bench.code("SetAlarmState", input), "InvalidFormat");
}

#[test]
fn two_of_three() {
    let mut bench = Bench::new();
    bench.alarm(json!({ "EvaluationPeriods": 3, "DatapointsToAlarm": 2 }));
    let mut states = Vec::new();
    for value in [0.0, 0.0, 5.0, 0.0, 5.0, 0.0, 0.0, 0.0] {
        bench.publish(value);
        bench.0.advance(60);
        states.push(bench.state());
    }
    assert_eq!(
        states,
        ["OK", "OK", "OK", "OK", "ALARM", "OK", "OK", "OK"],
        "at the sixth the newest three are 0 5 0"
    );
}

#[test]
fn metric_math_is_evaluated() {
    let mut bench = Bench::new();
    let metric = |id: &str, name: &str| {
        json!({
            "Id": id, "ReturnData": false,
            "MetricStat": {
                "Metric": { "Namespace": "N", "MetricName": name }, "Period": 60, "Stat": "Sum",
            },
        })
    };
    let rate = json!({ "Id": "rate", "Expression": "100 * errors / calls" });
    bench.alarm(json!({
        "Namespace": null, "MetricName": null, "Statistic": null, "Period": null,
        "Metrics": [rate, metric("errors", "E"), metric("calls", "C")], "Threshold": 10,
    }));
    let publish = |bench: &mut Bench, errors: u32, calls: u32| {
        let data = json!([
            { "MetricName": "E", "Value": errors }, { "MetricName": "C", "Value": calls },
        ]);
        bench.ok(
            "PutMetricData",
            json!({ "Namespace": "N", "MetricData": data }),
        );
        bench.0.advance(60);
    };
    publish(&mut bench, 1, 100);
    assert_eq!(bench.state(), "OK");
    publish(&mut bench, 20, 100);
    assert_eq!(bench.state(), "ALARM");
}

#[test]
fn what_came_later_does_not_change_what_an_alarm_saw() {
    let mut bench = Bench::new();
    bench.alarm(json!({ "TreatMissingData": "notBreaching" }));
    bench.0.advance(600);
    // A value for five minutes ago arrives: it is in no period any more.
    let at = bench.0.caller.now.as_second() - 300;
    let datum = json!({ "MetricName": "M", "Value": 9, "Timestamp": at });
    let input = json!({ "Namespace": "N", "MetricData": [datum] });
    bench.ok("PutMetricData", input);
    bench.0.advance(60);
    assert_eq!(bench.state(), "OK");
    let query = json!({ "AlarmName": "a", "HistoryItemType": "StateUpdate" });
    let history = bench.ok("DescribeAlarmHistory", query);
    assert_eq!(history["AlarmHistoryItems"].as_array().unwrap().len(), 1);
}

/// The alarm that Route 53's guide recommends: a key-signing key whose KMS key is disabled needs
/// action, which is published every four hours.
#[test]
fn a_disabled_kms_key_is_heard() {
    let mut signer = route53::tests::Signer::new(crate::Profile::Instant);
    let arn = signer.active("ksk_a");
    let mut bench = Bench::new();
    bench.0.caller.now = signer.bench.now;
    bench.0.world = signer.bench.world.clone();
    let metric = "DNSSECKeySigningKeysNeedingAction";
    bench.alarm(json!({
        "Namespace": "AWS/Route53", "MetricName": metric, "Statistic": "Sum",
        "Dimensions": [{ "Name": "HostedZoneId", "Value": signer.zone }],
        "Period": 14_400, "TreatMissingData": "ignore",
    }));
    bench.0.advance(2 * 14_400);
    assert_eq!(bench.state(), "OK");
    bench
        .0
        .call("kms", "DisableKey", json!({ "KeyId": arn }))
        .unwrap();
    bench.0.advance(2 * 14_400);
    assert_eq!(bench.state(), "ALARM");
    let end = bench.0.caller.now.as_second();
    let statistics = bench.ok(
        "GetMetricStatistics",
        json!({
            "Namespace": "AWS/Route53", "MetricName": "DNSSECKeySigningKeyMaxNeedingActionAge",
            "Dimensions": [{ "Name": "HostedZoneId", "Value": signer.zone }],
            "StartTime": end - 14_400, "EndTime": end, "Period": 14_400, "Statistics": ["Maximum"],
        }),
    );
    assert_eq!(statistics["Datapoints"][0]["Maximum"], 14_400.0);
    let dnssec = json!({ "HostedZoneId": signer.zone });
    let dnssec = bench.0.call("route53", "GetDNSSEC", dnssec).unwrap();
    let status: &Value = &dnssec["KeySigningKeys"][0]["Status"];
    assert_eq!(status, "ACTION_NEEDED");
}
