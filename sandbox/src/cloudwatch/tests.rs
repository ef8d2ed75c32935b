//! CloudWatch judged from outside: through its operations, as a client sees it.

mod alarms;
mod evaluation;
mod metrics;

use serde_json::{Value, json};

use crate::bench;
use crate::profile::Profile;
use crate::world::AwsError;

/// A bench that calls CloudWatch.
struct Bench(bench::Bench);

impl Bench {
    /// At the start of 2026, 10 seconds after midnight.
    fn new() -> Self {
        let mut bench = bench::Bench::new(Profile::Instant);
        bench.advance(10);
        Self(bench)
    }

    fn call(&mut self, name: &str, input: Value) -> Result<Value, AwsError> {
        // As the door has it: before a write everything is brought up to date.
        self.0.world.watch(self.0.caller.now);
        self.0.call("cloudwatch", name, input)
    }

    fn ok(&mut self, name: &str, input: Value) -> Value {
        self.call(name, input).unwrap()
    }

    fn refused(&mut self, name: &str, input: Value) -> (String, String) {
        let error = self.call(name, input).unwrap_err();
        (error.code, error.message)
    }

    fn code(&mut self, name: &str, input: Value) -> String {
        self.call(name, input)
            .map_or_else(|error| error.code, |_| "success".into())
    }

    /// Publishes a value of metric `M` in namespace `N`, now.
    fn publish(&mut self, value: f64) {
        let datum = json!({ "MetricName": "M", "Value": value, "Unit": "Count" });
        let input = json!({ "Namespace": "N", "MetricData": [datum] });
        self.ok("PutMetricData", input);
    }

    /// An alarm `a`, when the sum of `M` in a minute is 1 or more, with some members changed.
    fn alarm(&mut self, changed: Value) {
        let input = alarm(changed);
        self.ok("PutMetricAlarm", input);
    }

    fn shown(&mut self, name: &str) -> Value {
        let answer = self.ok("DescribeAlarms", json!({ "AlarmNames": [name] }));
        answer["MetricAlarms"][0].clone()
    }

    fn state(&mut self) -> String {
        self.shown("a")["StateValue"].as_str().unwrap().to_owned()
    }
}

/// The input of an alarm; a member that is null is left out.
fn alarm(changed: Value) -> Value {
    let mut input = json!({
        "AlarmName": "a", "Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    });
    for (member, value) in changed.as_object().unwrap() {
        if value.is_null() {
            input.as_object_mut().unwrap().remove(member);
        } else {
            input[member] = value.clone();
        }
    }
    input
}
