//! Metrics published by PutMetricData, and listed.

use serde::Deserialize;
use serde_json::{Value, json};

use super::alarm::{Dimension, dimensions_of};
use super::history::page;
use super::metric::Datum;
use super::{needs, read, region_of, time};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutMetricData",
        needs: |_, _, input| {
            let mut all = needs::anywhere("PutMetricData");
            let namespace = input["Namespace"].as_str().unwrap_or_default();
            for need in &mut all {
                *need = need
                    .clone()
                    .with("cloudwatch:namespace", vec![namespace.to_owned()]);
            }
            all
        },
        run: put_metric_data,
    },
    Operation {
        name: "ListMetrics",
        needs: |_, _, _| needs::anywhere("ListMetrics"),
        run: list_metrics,
    },
];

// Limits: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
// and the page of MetricDatum.
const METRICS_MAX: usize = 1000;
const VALUES_MAX: usize = 150;
const VALUE_EXPONENT_MAX: i32 = 360;
const AGE_MAX_SECS: i64 = 14 * 86_400;
const AHEAD_MAX_SECS: i64 = 2 * 3600;

pub(super) fn bad_value(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

pub(super) fn bad_combination(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterCombination", message)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutMetricData {
    namespace: String,
    metric_data: Option<Vec<MetricDatum>>,
    entity_metric_data: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDatum {
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    timestamp: Option<f64>,
    value: Option<f64>,
    statistic_values: Option<StatisticSet>,
    values: Option<Vec<f64>>,
    counts: Option<Vec<f64>>,
    unit: Option<String>,
    storage_resolution: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatisticSet {
    sample_count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

/// All or nothing: one bad datum refuses the whole call.
fn put_metric_data(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: PutMetricData = read(input)?;
    if input.entity_metric_data.is_some() {
        return Err(AwsError::not_modelled(
            "cloudwatch:PutMetricData with EntityMetricData",
        ));
    }
    if input.namespace.starts_with("AWS/") {
        return Err(bad_value(
            "The value AWS/ for parameter Namespace is invalid.",
        ));
    }
    let data = input.metric_data.unwrap_or_default();
    if data.is_empty() {
        return Err(AwsError::new(
            "MissingParameter",
            "The parameter MetricData is required.",
        ));
    }
    if data.len() > METRICS_MAX {
        return Err(bad_value(format!(
            "The collection MetricData must not have a size greater than {METRICS_MAX}."
        )));
    }
    let mut published = Vec::new();
    for (index, datum) in data.into_iter().enumerate() {
        let at = format!("MetricData.member.{}", index + 1);
        published.push(datum.checked(caller, &at)?);
    }
    let region = region_of(world, caller);
    for (name, dimensions, datum) in published {
        region
            .metrics
            .add(&input.namespace, &name, dimensions_of(&dimensions), datum);
    }
    Ok(json!({}))
}

impl MetricDatum {
    fn checked(
        self,
        caller: &Caller,
        at: &str,
    ) -> Result<(String, Vec<Dimension>, Datum), AwsError> {
        let when = match self.timestamp {
            None => caller.now,
            Some(given) => time(given)?,
        };
        let age = caller.now.as_second() - when.as_second();
        if !(-AHEAD_MAX_SECS..=AGE_MAX_SECS).contains(&age) {
            return Err(bad_value(format!(
                "The parameter {at}.Timestamp must be between two weeks in the past and two hours \
                 in the future."
            )));
        }
        let resolution = match self.storage_resolution {
            None | Some(60) => 60,
            Some(1) => 1,
            Some(_) => {
                return Err(bad_value(format!(
                    "The parameter {at}.StorageResolution must be 1 or 60."
                )));
            }
        };
        let unit = self.unit.as_deref().unwrap_or("None");
        let number = |value: f64| {
            let largest = 2_f64.powi(VALUE_EXPONENT_MAX);
            if value.is_finite() && value.abs() <= largest {
                Ok(value)
            } else {
                Err(bad_value(format!("The value {value} for {at} is invalid.")))
            }
        };
        let datum = match (self.value, self.statistic_values, self.values) {
            (Some(value), None, None) => {
                Datum::of_values(&[(number(value)?, 1.0)], unit, when, resolution)
            }
            (None, Some(set), None) => {
                let (count, sum) = (number(set.sample_count)?, number(set.sum)?);
                let (minimum, maximum) = (number(set.minimum)?, number(set.maximum)?);
                if count < 0.0 || minimum > maximum {
                    return Err(bad_value(format!("{at}.StatisticValues is inconsistent.")));
                }
                Datum::of_statistics((count, sum, minimum, maximum), unit, when, resolution)
            }
            (None, None, Some(values)) => {
                let counts = self.counts.unwrap_or_else(|| vec![1.0; values.len()]);
                if values.is_empty() || values.len() > VALUES_MAX || values.len() != counts.len() {
                    return Err(bad_value(format!(
                        "{at}.Values must have 1 to {VALUES_MAX} elements and as many as Counts."
                    )));
                }
                let mut pairs = Vec::new();
                for (value, count) in values.into_iter().zip(counts) {
                    if count.is_nan() || count <= 0.0 {
                        return Err(bad_value(format!("The count {count} of {at} is invalid.")));
                    }
                    pairs.push((number(value)?, number(count)?));
                }
                Datum::of_values(&pairs, unit, when, resolution)
            }
            (None, None, None) => {
                return Err(AwsError::new(
                    "MissingParameter",
                    format!("{at} must have a Value, StatisticValues or Values."),
                ));
            }
            (Some(_) | None, _, _) => {
                return Err(bad_combination(format!(
                    "The parameters {at}.Value, {at}.StatisticValues and {at}.Values are mutually \
                     exclusive and you have specified more than one."
                )));
            }
        };
        Ok((self.metric_name, self.dimensions, datum))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListMetrics {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Filter>,
    next_token: Option<String>,
    recently_active: Option<String>,
    include_linked_accounts: Option<bool>,
    owning_account: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    name: String,
    value: Option<String>,
}

/// Metrics in a page ("up to 500 results are returned for any one call").
const PAGE: usize = 500;
/// How long a metric is listed after its last datum.
const LISTED_SECS: i64 = 14 * 86_400;
/// `RecentlyActive` has one value, PT3H.
const RECENT_SECS: i64 = 3 * 3600;

fn list_metrics(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ListMetrics = read(input)?;
    if input.include_linked_accounts == Some(true) || input.owning_account.is_some() {
        return Err(AwsError::not_modelled(
            "cloudwatch:ListMetrics of linked accounts",
        ));
    }
    let oldest = match input.recently_active {
        Some(_) => caller.now.as_second() - RECENT_SECS,
        None => caller.now.as_second() - LISTED_SECS,
    };
    let region = region_of(world, caller);
    let mut found: Vec<(String, Value)> = region
        .metrics
        .all()
        .filter(|(namespace, ..)| input.namespace.as_ref().is_none_or(|n| n == namespace))
        .filter(|(_, metric, _)| input.metric_name.as_ref().is_none_or(|m| m == metric))
        .filter(|(_, _, series)| {
            input.dimensions.iter().all(|filter| {
                let found = series.dimensions.get(&filter.name);
                found.is_some_and(|found| filter.value.as_ref().is_none_or(|v| v == found))
            })
        })
        .filter(|(_, _, series)| series.newest().is_some_and(|newest| newest >= oldest))
        .map(|(namespace, metric, series)| {
            let dimensions: Vec<Value> = series
                .dimensions
                .iter()
                .map(|(name, value)| json!({ "Name": name, "Value": value }))
                .collect();
            let key = format!("{namespace}\0{metric}\0{dimensions:?}");
            let shown = json!({
                "Namespace": namespace, "MetricName": metric, "Dimensions": dimensions,
            });
            (key, shown)
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let answer = page(
        "ListMetrics",
        "Metrics",
        found.into_iter(),
        input.next_token,
        Some(PAGE),
    );
    // This operation calls a bad token a bad value.
    answer.map_err(|error| match error.code.as_str() {
        "InvalidNextToken" => bad_value("The next token specified is invalid."),
        _ => error,
    })
}
