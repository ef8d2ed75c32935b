//! Alarms as objects: written, read back, refused, tagged, deleted.

use serde_json::{Value, json};

use super::{Bench, alarm};

const ARN: &str = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";

#[test]
fn a_plain_alarm_reads_back_as_it_was_written() {
    let mut bench = Bench::new();
    bench.alarm(json!({}));
    assert_eq!(
        bench.shown("a"),
        json!({
            "AlarmName": "a", "AlarmArn": ARN, "Namespace": "N", "MetricName": "M",
            "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Dimensions": [],
            "ActionsEnabled": true, "OKActions": [], "AlarmActions": [],
            "InsufficientDataActions": [], "StateValue": "INSUFFICIENT_DATA",
            "StateReason": "Unchecked: Initial alarm creation",
            "AlarmConfigurationUpdatedTimestamp": 1_767_225_610.0,
            "StateUpdatedTimestamp": 1_767_225_610.0,
            "StateTransitionedTimestamp": 1_767_225_610.0,
        })
    );
}

#[test]
fn every_attribute_reads_back() {
    let mut bench = Bench::new();
    let full = json!({
        "AlarmDescription": "what it means", "ActionsEnabled": false, "OKActions": [TOPIC],
        "AlarmActions": [TOPIC, "arn:aws:lambda:us-east-1:123456789012:function:f"],
        "InsufficientDataActions": [TOPIC], "Statistic": null, "ExtendedStatistic": "p99.9",
        "Dimensions": [{ "Name": "b", "Value": "2" }, { "Name": "a", "Value": "1" }],
        "Period": 14_400, "Unit": "Count", "EvaluationPeriods": 3, "DatapointsToAlarm": 2,
        "TreatMissingData": "ignore", "EvaluateLowSampleCountPercentile": "ignore",
    });
    bench.alarm(full.clone());
    let shown = bench.shown("a");
    for (member, value) in full.as_object().unwrap() {
        let expected = if value.is_null() { None } else { Some(value) };
        assert_eq!(shown.get(member), expected, "{member}");
    }
    // What is written next replaces everything.
    bench.alarm(json!({}));
    let shown = bench.shown("a");
    for member in [
        "AlarmDescription",
        "Unit",
        "DatapointsToAlarm",
        "TreatMissingData",
    ] {
        assert_eq!(shown.get(member), None, "{member}");
    }
    assert_eq!(shown["AlarmActions"], json!([]));
    assert_eq!(shown["ActionsEnabled"], true);
}

fn metric(id: &str, name: &str) -> Value {
    json!({
        "Id": id, "ReturnData": false,
        "MetricStat": {
            "Metric": { "Namespace": "N", "MetricName": name, "Dimensions": [] },
            "Period": 60, "Stat": "Sum",
        },
    })
}

/// The members of a single metric left out, and metric math put in.
fn math(metrics: &Value) -> Value {
    json!({
        "Namespace": null, "MetricName": null, "Statistic": null, "Period": null,
        "Metrics": metrics,
    })
}

#[test]
fn metric_math_reads_back() {
    let mut bench = Bench::new();
    let sum = json!({ "Id": "e1", "Expression": "m1 + m2", "Label": "both", "ReturnData": true });
    let metrics = json!([sum, metric("m1", "A"), metric("m2", "B")]);
    bench.alarm(math(&metrics));
    let shown = bench.shown("a");
    assert_eq!(shown["Metrics"], metrics);
    assert_eq!(shown.get("Period"), None);
}

#[test]
fn alarms_that_cannot_be() {
    let mut bench = Bench::new();
    let mut check = |changed: Value, expected: &str| {
        let (code, message) = bench.refused("PutMetricAlarm", alarm(changed));
        assert_eq!(code, "ValidationError");
        assert!(message.contains(expected), "{message}");
    };
    check(
        json!({ "DatapointsToAlarm": 2 }),
        "DatapointsToAlarm must be less than or equal to EvaluationPeriods",
    );
    check(json!({ "Period": 45 }), "multiple of 60");
    check(json!({ "Period": null }), "Period must not be null");
    check(json!({ "EvaluationPeriods": 1441 }), "more than a day");
    check(
        json!({ "Period": 86_400, "EvaluationPeriods": 8 }),
        "more than a week",
    );
    check(json!({ "ExtendedStatistic": "p90" }), "together");
    check(json!({ "Statistic": null }), "must be specified");
    check(
        json!({ "Statistic": null, "ExtendedStatistic": "p101" }),
        "ExtendedStatistic",
    );
    check(
        json!({ "TreatMissingData": "Breaching" }),
        "TreatMissingData",
    );
    check(
        json!({ "EvaluateLowSampleCountPercentile": "ignore" }),
        "percentile",
    );
    check(
        json!({ "AlarmActions": ["ops"] }),
        "Invalid arn syntax: ops",
    );
    check(
        json!({ "AlarmActions": ["arn:aws:sns:eu-west-1:123456789012:ops"] }),
        "Invalid region eu-west-1 specified. Only us-east-1 is supported.",
    );
    check(
        json!({ "Dimensions": [{ "Name": "a", "Value": "1" }, { "Name": "a", "Value": "2" }] }),
        "duplicate",
    );
    check(json!({ "Metrics": [metric("m1", "A")] }), "Metrics list");
    check(
        math(&json!([metric("m1", "A")])),
        "Exactly one element of the metrics list should return data.",
    );
    let unknown = json!([{ "Id": "e1", "Expression": "m1 + m9" }, metric("m1", "A")]);
    check(math(&unknown), "m9");
    let circle = json!([
        { "Id": "e1", "Expression": "e2 + m1" },
        { "Id": "e2", "Expression": "e1", "ReturnData": false },
        metric("m1", "A"),
    ]);
    check(math(&circle), "circle");
}

#[test]
fn what_is_not_modelled_is_refused_by_name() {
    let mut bench = Bench::new();
    let mut check = |changed: Value| {
        let (code, _) = bench.refused("PutMetricAlarm", alarm(changed));
        assert_eq!(code, "NotImplemented");
    };
    check(json!({ "ComparisonOperator": "LessThanLowerThreshold" }));
    check(json!({ "ThresholdMetricId": "ad1" }));
    check(json!({ "EvaluationInterval": 60 }));
    check(json!({ "Statistic": null, "ExtendedStatistic": "tm90" }));
}

#[test]
fn alarms_are_found_by_name_prefix_state_and_action() {
    let mut bench = Bench::new();
    for (name, action) in [("a-1", "ops"), ("a-2", "dev"), ("b", "ops")] {
        let action = format!("arn:aws:sns:us-east-1:123456789012:{action}");
        bench.alarm(json!({ "AlarmName": name, "AlarmActions": [action] }));
    }
    let mut check = |input: Value, expected: &[&str]| {
        let answer = bench.ok("DescribeAlarms", input);
        let alarms = answer["MetricAlarms"].as_array().unwrap().iter();
        let names: Vec<&str> = alarms.map(|a| a["AlarmName"].as_str().unwrap()).collect();
        assert_eq!(names, expected);
        answer["NextToken"].clone()
    };
    check(json!({}), &["a-1", "a-2", "b"]);
    check(json!({ "AlarmNames": ["b", "a-1", "x"] }), &["a-1", "b"]);
    check(json!({ "AlarmNamePrefix": "a-" }), &["a-1", "a-2"]);
    check(json!({ "StateValue": "ALARM" }), &[]);
    check(json!({ "ActionPrefix": TOPIC }), &["a-1", "b"]);
    check(json!({ "AlarmTypes": ["CompositeAlarm"] }), &[]);
    let token = check(json!({ "MaxRecords": 2 }), &["a-1", "a-2"]);
    check(json!({ "MaxRecords": 2, "NextToken": token }), &["b"]);
    let both = json!({ "AlarmNames": ["b"], "AlarmNamePrefix": "a" });
    assert_eq!(bench.code("DescribeAlarms", both), "ValidationError");
    let token = json!({ "NextToken": "x" });
    assert_eq!(bench.code("DescribeAlarms", token), "InvalidNextToken");
    let metric = json!({ "MetricName": "M", "Namespace": "N" });
    let answer = bench.ok("DescribeAlarmsForMetric", metric);
    assert_eq!(answer["MetricAlarms"].as_array().unwrap().len(), 3);
    let dimensions = json!([{ "Name": "x", "Value": "y" }]);
    let metric = json!({ "MetricName": "M", "Namespace": "N", "Dimensions": dimensions });
    let answer = bench.ok("DescribeAlarmsForMetric", metric);
    assert_eq!(answer["MetricAlarms"], json!([]));
}

#[test]
fn a_wrong_name_deletes_nothing() {
    let mut bench = Bench::new();
    bench.alarm(json!({}));
    let names = json!({ "AlarmNames": ["a", "x"] });
    assert_eq!(bench.code("DeleteAlarms", names), "ResourceNotFound");
    assert_eq!(bench.state(), "INSUFFICIENT_DATA");
    bench.ok("DeleteAlarms", json!({ "AlarmNames": ["a"] }));
    assert_eq!(bench.shown("a"), Value::Null);
    // Its history stays.
    let history = bench.ok("DescribeAlarmHistory", json!({ "AlarmName": "a" }));
    let summaries: Vec<&Value> = history["AlarmHistoryItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["HistorySummary"])
        .collect();
    assert_eq!(summaries, ["Alarm \"a\" deleted", "Alarm \"a\" created"]);
}

#[test]
fn actions_are_switched() {
    let mut bench = Bench::new();
    bench.alarm(json!({}));
    bench.ok("DisableAlarmActions", json!({ "AlarmNames": ["a", "x"] }));
    assert_eq!(bench.shown("a")["ActionsEnabled"], false);
    bench.ok("EnableAlarmActions", json!({ "AlarmNames": ["a"] }));
    assert_eq!(bench.shown("a")["ActionsEnabled"], true);
}

#[test]
fn tags_are_set_at_creation_only_and_then_by_their_own_operations() {
    let mut bench = Bench::new();
    let tag = |key: &str, value: &str| json!({ "Key": key, "Value": value });
    bench.alarm(json!({ "Tags": [tag("a", "1")] }));
    bench.alarm(json!({ "Tags": [tag("b", "2")] }));
    let list = json!({ "ResourceARN": ARN });
    let tags = bench.ok("ListTagsForResource", list.clone());
    assert_eq!(tags["Tags"], json!([tag("a", "1")]));
    let input = json!({ "ResourceARN": ARN, "Tags": [tag("b", "2")] });
    bench.ok("TagResource", input);
    let input = json!({ "ResourceARN": ARN, "TagKeys": ["a"] });
    bench.ok("UntagResource", input);
    assert_eq!(
        bench.ok("ListTagsForResource", list)["Tags"],
        json!([tag("b", "2")])
    );
    // The tagging API sees and changes them too.
    let all = |bench: &mut Bench| {
        let input = json!({ "ResourceTypeFilters": ["cloudwatch:alarm"] });
        bench
            .0
            .call("resourcegroupstaggingapi", "GetResources", input)
    };
    let found = all(&mut bench).unwrap();
    assert_eq!(
        found["ResourceTagMappingList"],
        json!([{ "ResourceARN": ARN, "Tags": [tag("b", "2")] }])
    );
    let input = json!({ "ResourceARNList": [ARN], "Tags": { "c": "3" } });
    let answer = bench
        .0
        .call("resourcegroupstaggingapi", "TagResources", input)
        .unwrap();
    assert_eq!(answer["FailedResourcesMap"], json!({}));
    let unknown = json!({ "ResourceARN": format!("{ARN}x") });
    let code = bench.code("ListTagsForResource", unknown);
    assert_eq!(code, "ResourceNotFoundException");
    let reserved = json!({ "ResourceARN": ARN, "Tags": [tag("aws:x", "1")] });
    assert_eq!(bench.code("TagResource", reserved), "InvalidParameterValue");
}

#[test]
fn needs_name_the_alarm_its_actions_and_the_tags() {
    let bench = Bench::new();
    let tags = json!([{ "Key": "k", "Value": "v" }]);
    let input = alarm(json!({ "AlarmActions": [TOPIC], "Tags": tags }));
    let needs = bench.0.needs("cloudwatch", "PutMetricAlarm", &input);
    assert_eq!(needs.len(), 2);
    assert_eq!(needs[0].action, "cloudwatch:PutMetricAlarm");
    assert_eq!(needs[0].resource, ARN);
    assert_eq!(needs[0].context["cloudwatch:AlarmActions"], [TOPIC]);
    assert_eq!(needs[0].context["aws:RequestTag/k"], ["v"]);
    assert_eq!(needs[1].action, "cloudwatch:TagResource");
    let input = json!({ "AlarmNames": ["a", "b"] });
    let needs = bench.0.needs("cloudwatch", "DeleteAlarms", &input);
    assert_eq!(needs.len(), 2);
    let input = json!({ "Namespace": "N", "MetricData": [] });
    let needs = bench.0.needs("cloudwatch", "PutMetricData", &input);
    assert_eq!(needs[0].context["cloudwatch:namespace"], ["N"]);
}
