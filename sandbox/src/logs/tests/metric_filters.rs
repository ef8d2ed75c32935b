//! Metric filters: kept, tested, and at work.

use serde_json::{Value, json};

use super::Bench;

/// The input of a filter `f` of group `/g` that counts denials.
fn filter(changed: Value) -> Value {
    let mut input = json!({
        "logGroupName": "/g", "filterName": "f", "filterPattern": "{ $.code = \"denied\" }",
        "metricTransformations": [{
            "metricName": "Denied", "metricNamespace": "Spore", "metricValue": "1",
        }],
    });
    for (member, value) in changed.as_object().unwrap() {
        input[member] = value.clone();
    }
    input
}

fn transformation(changed: Value) -> Value {
    let mut all = filter(json!({}))["metricTransformations"].clone();
    for (member, value) in changed.as_object().unwrap() {
        all[0][member] = value.clone();
    }
    all
}

/// Sums of the metric by minute, over the last hour and the next.
fn sums(bench: &mut Bench, dimensions: Value) -> Vec<f64> {
    let now = bench.now() / 1000;
    let input = json!({
        "Namespace": "Spore", "MetricName": "Denied", "Dimensions": dimensions, "Period": 60,
        "StartTime": now - 3600, "EndTime": now + 3600, "Statistics": ["Sum"],
    });
    let answer = bench
        .0
        .call("cloudwatch", "GetMetricStatistics", input)
        .unwrap();
    let points = answer["Datapoints"].as_array().unwrap().iter();
    points.map(|point| point["Sum"].as_f64().unwrap()).collect()
}

#[test]
fn filters_read_back_as_they_were_put() {
    let mut bench = Bench::with_stream();
    let made = transformation(json!({ "defaultValue": 0.0, "unit": "Count" }));
    bench.ok(
        "PutMetricFilter",
        filter(json!({ "metricTransformations": made })),
    );
    let shown = json!({
        "filterName": "f", "filterPattern": "{ $.code = \"denied\" }", "logGroupName": "/g",
        "metricTransformations": made, "creationTime": 1_767_225_600_000_i64,
        "applyOnTransformedLogs": false,
    });
    for input in [
        json!({}),
        json!({ "logGroupName": "/g", "filterNamePrefix": "f" }),
        json!({ "metricName": "Denied", "metricNamespace": "Spore" }),
    ] {
        let answer = bench.ok("DescribeMetricFilters", input);
        assert_eq!(answer["metricFilters"], json!([shown]));
    }
    let none = json!({ "logGroupName": "/g", "filterNamePrefix": "x" });
    let answer = bench.ok("DescribeMetricFilters", none);
    assert_eq!(answer["metricFilters"], json!([]));
    let groups = bench.ok("DescribeLogGroups", json!({}));
    assert_eq!(groups["logGroups"][0]["metricFilterCount"], 1);
    let half = json!({ "metricName": "Denied" });
    assert_eq!(
        bench.code("DescribeMetricFilters", half),
        "InvalidParameterException"
    );
    let name = json!({ "logGroupName": "/g", "filterName": "f" });
    bench.ok("DeleteMetricFilter", name.clone());
    assert_eq!(
        bench.code("DeleteMetricFilter", name),
        "ResourceNotFoundException"
    );
}

#[test]
fn filters_that_cannot_be() {
    let mut bench = Bench::with_stream();
    let mut check = |changed: Value, expected: &str| {
        let code = bench.code("PutMetricFilter", filter(changed.clone()));
        assert_eq!(code, expected, "{changed}");
    };
    let bad = "InvalidParameterException";
    check(json!({ "logGroupName": "/x" }), "ResourceNotFoundException");
    check(json!({ "filterPattern": "{ $.code = }" }), bad);
    let value = |value: &str| json!({ "metricTransformations": transformation(json!({ "metricValue": value })) });
    check(value("many"), bad);
    check(value("$bytes"), bad);
    check(value("$.latency"), "success");
    let made = transformation(json!({ "metricNamespace": "AWS/Logs" }));
    check(json!({ "metricTransformations": made }), bad);
    let made = transformation(json!({ "defaultValue": 0.0, "dimensions": { "z": "$.zone" } }));
    check(json!({ "metricTransformations": made }), bad);
    let four = json!({ "a": "$.a", "b": "$.b", "c": "$.c", "d": "$.d" });
    let made = transformation(json!({ "dimensions": four }));
    check(json!({ "metricTransformations": made }), bad);
    check(json!({ "applyOnTransformedLogs": true }), "NotImplemented");
    for number in 1..100 {
        check(json!({ "filterName": number.to_string() }), "success");
    }
    check(
        json!({ "filterName": "one more" }),
        "LimitExceededException",
    );
    check(json!({ "filterName": "f" }), "success");
}

#[test]
fn events_become_values() {
    let mut bench = Bench::with_stream();
    bench.put(&[(0, r#"{"code":"denied"}"#)]).unwrap();
    let made = transformation(json!({ "defaultValue": 0.0 }));
    bench.ok(
        "PutMetricFilter",
        filter(json!({ "metricTransformations": made })),
    );
    assert!(
        sums(&mut bench, json!([])).is_empty(),
        "only new events count"
    );
    let events = [
        (0, r#"{"code":"denied"}"#),
        (1, r#"{"code":"denied"}"#),
        (2, r#"{"code":"ok"}"#),
        (60, r#"{"code":"ok"}"#),
        (61, "no JSON"),
        (180, r#"{"code":"denied"}"#),
    ];
    bench.put(&events).unwrap();
    assert_eq!(sums(&mut bench, json!([])), [2.0, 0.0, 1.0]);
}

#[test]
fn values_and_dimensions_come_from_the_event() {
    let mut bench = Bench::with_stream();
    let changed = json!({ "metricValue": "$.n", "dimensions": { "zone": "$.zone" } });
    bench.ok(
        "PutMetricFilter",
        filter(json!({
            "filterPattern": "{ $.n > 0 }", "metricTransformations": transformation(changed),
        })),
    );
    let events = [
        (0, r#"{"n":2.5,"zone":"a"}"#),
        (0, r#"{"n":4,"zone":"b"}"#),
        (0, r#"{"n":8}"#),
        (0, r#"{"n":0,"zone":"a"}"#),
    ];
    bench.put(&events).unwrap();
    let dimension = |zone: &str| json!([{ "Name": "zone", "Value": zone }]);
    assert_eq!(sums(&mut bench, dimension("a")), [2.5]);
    assert_eq!(sums(&mut bench, dimension("b")), [4.0]);
    assert!(sums(&mut bench, json!([])).is_empty());
}

#[test]
fn filters_are_tested_on_messages() {
    let mut bench = Bench::with_stream();
    let messages = ["GET /a 200", "GET /b 404", "short"];
    let answer = bench.ok(
        "TestMetricFilter",
        json!({ "filterPattern": "[, path, status = 4*]", "logEventMessages": messages }),
    );
    assert_eq!(
        answer["matches"],
        json!([{
            "eventNumber": 2, "eventMessage": "GET /b 404",
            "extractedValues": { "$1": "GET", "$path": "/b", "$status": "404" },
        }])
    );
}

#[test]
fn events_are_read_back_by_the_same_language() {
    let mut bench = Bench::with_stream();
    let events = [
        (0, r#"{"code":"denied"}"#),
        (1, r#"{"code":"ok"}"#),
        (2, "GET /b 404"),
    ];
    bench.put(&events).unwrap();
    let mut found = |pattern: &str| {
        let input = json!({ "filterPattern": pattern });
        bench.messages("FilterLogEvents", input).0.len()
    };
    assert_eq!(found("{ $.code = * }"), 2);
    assert_eq!(found("{ $.code = d* }"), 1);
    assert_eq!(found("[method, path, status > 400]"), 1);
    assert_eq!(found("%[0-9]{3}%"), 1);
}
