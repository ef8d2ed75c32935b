//! Amazon CloudWatch: metrics and alarms.
//!
//! Metrics are really stored, and alarms really watch them: an alarm's state is worked out when
//! somebody looks, for every minute that has passed since the last look, with the data that was there
//! in that minute ([`World::watch`]). Metric alarms on a statistic or on metric math are modelled;
//! composite and log alarms, anomaly detection, PromQL, dashboards and streams are not, and are
//! refused by name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tagging::TagSet;
use crate::world::{AwsError, Caller, Operation, World};

mod alarm;
mod data;
mod describe;
mod dnssec;
mod evaluate;
mod history;
mod math;
mod metric;
mod needs;
mod query;
mod tags;
mod watch;

pub use metric::Datum;

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// By account, then by region.
    #[serde(default)]
    accounts: BTreeMap<String, BTreeMap<String, Region>>,
    /// Until when the metrics of signed zones have been published.
    #[serde(default)]
    zones_until: Option<Timestamp>,
}

/// Alarms and metrics of an account in a region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Region {
    /// By name.
    alarms: BTreeMap<String, alarm::Alarm>,
    /// Oldest first. What happened to an alarm outlives it.
    history: Vec<history::Item>,
    metrics: metric::Store,
}

/// The operation of this name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [
        alarm::OPERATIONS,
        describe::OPERATIONS,
        history::OPERATIONS,
        tags::OPERATIONS,
        data::OPERATIONS,
        query::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .find(|operation| operation.name == name)
}

/// Publishes one value of a metric, as services do for what happens in them.
#[expect(
    clippy::too_many_arguments,
    reason = "place, identity and value of one point, each of them once"
)]
pub fn record(
    world: &mut World,
    account: &str,
    region: &str,
    namespace: &str,
    metric: &str,
    dimensions: &[(&str, &str)],
    value: f64,
    unit: &str,
    at: Timestamp,
) {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let datum = Datum::of_value(value, unit, at);
    let store = &mut world.cloudwatch.region_mut(account, region).metrics;
    store.add(namespace, metric, dimensions, datum);
}

impl State {
    fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.get(region)
    }

    fn region_mut(&mut self, account: &str, region: &str) -> &mut Region {
        let regions = self.accounts.entry(account.to_owned()).or_default();
        regions.entry(region.to_owned()).or_default()
    }

    /// ARN and tags of each alarm of an account in a region, for the tagging API.
    pub(crate) fn tagged(
        &self,
        account: &str,
        region: &str,
    ) -> impl Iterator<Item = (String, &TagSet)> {
        let alarms = self.region(account, region).map(|region| &region.alarms);
        let alarms = alarms.into_iter().flatten();
        alarms.map(move |(name, alarm)| (alarm_arn(account, region, name), &alarm.tags))
    }

    /// Whether a metric has a value in the minute of a time.
    pub(crate) fn has_value(
        &self,
        (account, region): (&str, &str),
        namespace: &str,
        metric: &str,
        at: Timestamp,
    ) -> bool {
        self.region(account, region)
            .and_then(|region| region.metrics.series(namespace, metric, &BTreeMap::new()))
            .is_some_and(|series| {
                let minute = at.as_second() - at.as_second().rem_euclid(60);
                !series.between(minute, minute + 60).is_empty()
            })
    }
}

/// The region of a caller, up to date.
fn region_of<'w>(world: &'w mut World, caller: &Caller) -> &'w mut Region {
    world.watch(caller.now);
    world.cloudwatch.region_mut(&caller.account, &caller.region)
}

/// The ARN of an alarm.
fn alarm_arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}")
}

/// Reads an operation's input. The codec has checked its shape, so that a failure here is a member
/// that shape and structure disagree on.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| invalid(error.to_string()))
}

/// The operations on alarms have no modelled error for bad values: AWS answers this one.
fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

/// Seconds since 1970, as timestamps go over the wire.
fn date(at: Timestamp) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this age fit into 53 bits"
    )]
    let milliseconds = at.as_millisecond() as f64;
    Value::from(milliseconds / 1000.0)
}

/// A time of an input.
fn time(value: f64) -> Result<Timestamp, AwsError> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates, and jiff checks the range"
    )]
    let milliseconds = (value * 1000.0).round() as i64;
    Timestamp::from_millisecond(milliseconds).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
