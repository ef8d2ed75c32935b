//! Metrics published, listed and read back.

use serde_json::{Value, json};

use super::Bench;

const START: i64 = 1_767_225_600;

/// Values of `M` at seconds after midnight.
fn with_data(points: &[(i64, f64)]) -> Bench {
    let mut bench = Bench::new();
    bench.0.advance(1000);
    let data: Vec<Value> = points
        .iter()
        .map(|(at, value)| {
            json!({ "MetricName": "M", "Value": value, "Timestamp": START + at, "Unit": "Count" })
        })
        .collect();
    let input = json!({ "Namespace": "N", "MetricData": data });
    bench.ok("PutMetricData", input);
    bench
}

fn statistics(changed: Value) -> Value {
    let mut input = json!({
        "Namespace": "N", "MetricName": "M", "StartTime": START, "EndTime": START + 300,
        "Period": 60, "Statistics": ["Sum", "SampleCount"],
    });
    for (member, value) in changed.as_object().unwrap() {
        input[member] = value.clone();
    }
    input
}

#[test]
fn statistics_are_read_back_by_period() {
    let mut bench = with_data(&[(5, 1.0), (50, 2.0), (130, 4.0)]);
    let answer = bench.ok("GetMetricStatistics", statistics(json!({})));
    assert_eq!(
        answer,
        json!({
            "Label": "M",
            "Datapoints": [
                { "Timestamp": START, "Unit": "Count", "Sum": 3.0, "SampleCount": 2.0 },
                { "Timestamp": START + 120, "Unit": "Count", "Sum": 4.0, "SampleCount": 1.0 },
            ],
        })
    );
    let percentile = json!({ "Statistics": [], "ExtendedStatistics": ["p50"], "Period": 300 });
    let mut input = statistics(percentile);
    input.as_object_mut().unwrap().remove("Statistics");
    let answer = bench.ok("GetMetricStatistics", input);
    let point = &answer["Datapoints"][0];
    assert_eq!(point["ExtendedStatistics"], json!({ "p50": 2.0 }));
    let other_unit = statistics(json!({ "Unit": "Seconds" }));
    let answer = bench.ok("GetMetricStatistics", other_unit);
    assert_eq!(answer["Datapoints"], json!([]));
}

#[test]
fn questions_that_are_wrong() {
    let mut bench = with_data(&[(5, 1.0)]);
    let mut check = |changed: Value, expected: &str| {
        let code = bench.code("GetMetricStatistics", statistics(changed));
        assert_eq!(code, expected);
    };
    check(json!({ "EndTime": START }), "InvalidParameterValue");
    check(json!({ "Period": 45 }), "InvalidParameterValue");
    check(
        json!({ "EndTime": START + 100_000 }),
        "InvalidParameterCombination",
    );
}

#[test]
fn data_that_are_wrong() {
    let mut bench = Bench::new();
    let mut check = |namespace: &str, datum: Value, expected: &str| {
        let input = json!({ "Namespace": namespace, "MetricData": [datum] });
        assert_eq!(bench.code("PutMetricData", input), expected);
    };
    let value = json!({ "MetricName": "M", "Value": 1 });
    check("AWS/Lambda", value, "InvalidParameterValue");
    check("N", json!({ "MetricName": "M" }), "MissingParameter");
    let old = json!({ "MetricName": "M", "Value": 1, "Timestamp": START - 15 * 86_400 });
    check("N", old, "InvalidParameterValue");
    let both = json!({ "MetricName": "M", "Value": 1, "Values": [1] });
    check("N", both, "InvalidParameterCombination");
    let uneven = json!({ "MetricName": "M", "Values": [1, 2], "Counts": [1] });
    check("N", uneven, "InvalidParameterValue");
    let resolution = json!({ "MetricName": "M", "Value": 1, "StorageResolution": 5 });
    check("N", resolution, "InvalidParameterValue");
}

#[test]
fn metrics_are_listed_by_namespace_name_and_dimensions() {
    let mut bench = Bench::new();
    for zone in ["a", "b"] {
        let dimensions = json!([{ "Name": "zone", "Value": zone }]);
        let datum = json!({ "MetricName": "M", "Value": 1, "Dimensions": dimensions });
        bench.ok(
            "PutMetricData",
            json!({ "Namespace": "N", "MetricData": [datum] }),
        );
    }
    let mut count = |input: Value| {
        let answer = bench.ok("ListMetrics", input);
        answer["Metrics"].as_array().unwrap().len()
    };
    assert_eq!(count(json!({})), 2);
    assert_eq!(count(json!({ "Namespace": "X" })), 0);
    assert_eq!(count(json!({ "Dimensions": [{ "Name": "zone" }] })), 2);
    let one = json!([{ "Name": "zone", "Value": "a" }]);
    assert_eq!(count(json!({ "Dimensions": one })), 1);
    bench.0.advance(4 * 3600);
    let recent = bench.ok("ListMetrics", json!({ "RecentlyActive": "PT3H" }));
    assert_eq!(recent["Metrics"], json!([]));
}

#[test]
fn metric_data_with_math_in_pages() {
    let mut bench = with_data(&[(0, 1.0), (60, 2.0), (120, 3.0)]);
    let stat = json!({
        "Metric": { "Namespace": "N", "MetricName": "M" }, "Period": 60, "Stat": "Sum",
    });
    let queries = json!([
        { "Id": "m1", "MetricStat": stat, "ReturnData": false },
        { "Id": "e1", "Expression": "m1 * 10", "Label": "tens" },
    ]);
    let mut input = json!({
        "MetricDataQueries": queries, "StartTime": START, "EndTime": START + 300,
        "MaxDatapoints": 2,
    });
    let answer = bench.ok("GetMetricData", input.clone());
    assert_eq!(
        answer["MetricDataResults"],
        json!([{
            "Id": "e1", "Label": "tens", "Timestamps": [START + 120, START + 60],
            "Values": [30.0, 20.0], "StatusCode": "PartialData",
        }])
    );
    input["NextToken"] = answer["NextToken"].clone();
    let answer = bench.ok("GetMetricData", input);
    assert_eq!(answer["MetricDataResults"][0]["Values"], json!([10.0]));
    assert_eq!(answer.get("NextToken"), None);
}
