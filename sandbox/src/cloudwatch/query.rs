//! Statistics read back: GetMetricStatistics and GetMetricData.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::alarm::{Dimension, MetricStat, Query, check_queries, dimensions_of};
use super::data::{bad_combination, bad_value};
use super::math::Points;
use super::metric::{Datum, Stat, floor};
use super::watch::{data, resolve};
use super::{invalid, needs, read, region_of, time};
use crate::listing;
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetMetricStatistics",
        needs: |_, _, _| needs::anywhere("GetMetricStatistics"),
        run: get_metric_statistics,
    },
    Operation {
        name: "GetMetricData",
        needs: |_, _, _| needs::anywhere("GetMetricData"),
        run: get_metric_data,
    },
];

/// "The maximum number of data points returned from a single call is 1,440."
const STATISTICS_POINTS_MAX: i64 = 1440;
/// "A single GetMetricData call can include up to 500 MetricDataQuery structures" and "up to 100,800
/// data points".
const QUERIES_MAX: usize = 500;
const DATA_POINTS_MAX: usize = 100_800;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetMetricStatistics {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    start_time: f64,
    end_time: f64,
    period: i64,
    #[serde(default)]
    statistics: Vec<String>,
    #[serde(default)]
    extended_statistics: Vec<String>,
    unit: Option<String>,
}

/// Whether a number of seconds can be a period at all.
fn is_period(period: i64) -> bool {
    [1, 5, 10, 20, 30].contains(&period) || (period > 0 && period % 60 == 0)
}

/// The start of a request, rounded as the API pages say: to the period if that is less than a minute,
/// else to the minute, and for times more than 15 or 63 days ago to 5 minutes or an hour.
fn rounded(start: i64, period: i64, now: i64) -> i64 {
    let age = now - start;
    let to = if period < 60 {
        period
    } else if age <= 15 * 86_400 {
        60
    } else if age <= 63 * 86_400 {
        300
    } else {
        3600
    };
    floor(start, to)
}

/// A datapoint for each period and unit with data, oldest first (AWS promises no order).
fn get_metric_statistics(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: GetMetricStatistics = read(input)?;
    let (start, end) = (time(input.start_time)?, time(input.end_time)?);
    if start >= end {
        return Err(bad_value(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let period = input.period;
    if !is_period(period) {
        return Err(bad_value(
            "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.",
        ));
    }
    let (start, end) = (start.as_second(), end.as_second());
    let points = (end - start + period - 1) / period;
    if points > STATISTICS_POINTS_MAX {
        return Err(bad_combination(format!(
            "You have requested up to {points} datapoints, which exceeds the limit of \
             {STATISTICS_POINTS_MAX}. You may reduce the datapoints requested by increasing Period, \
             or decreasing the time range."
        )));
    }
    let plain = stats(&input.statistics)?;
    let extended = stats(&input.extended_statistics)?;
    if plain.is_empty() && extended.is_empty() {
        return Err(AwsError::new(
            "MissingParameter",
            "Must specify either Statistics or ExtendedStatistics.",
        ));
    }
    let dimensions = dimensions_of(&input.dimensions);
    let region = region_of(world, caller);
    let series = region
        .metrics
        .series(&input.namespace, &input.metric_name, &dimensions);
    let start = rounded(start, period, caller.now.as_second());
    let mut found: BTreeMap<(i64, &str), Vec<&Datum>> = BTreeMap::new();
    for datum in series.iter().flat_map(|series| series.between(start, end)) {
        if input.unit.as_ref().is_none_or(|unit| datum.unit == *unit) {
            let at = start + floor(datum.at - start, period);
            found.entry((at, &datum.unit)).or_default().push(datum);
        }
    }
    let datapoints: Vec<Value> = found
        .into_iter()
        .map(|((at, unit), data)| {
            let mut point = json!({ "Timestamp": at, "Unit": unit });
            for (name, stat) in &plain {
                point[name] = json!(stat.of(data.iter().copied()));
            }
            let extended: Map<String, Value> = extended
                .iter()
                .filter_map(|(name, stat)| {
                    Some((name.clone(), json!(stat.of(data.iter().copied())?)))
                })
                .collect();
            if !extended.is_empty() {
                point["ExtendedStatistics"] = extended.into();
            }
            point
        })
        .collect();
    Ok(json!({ "Label": input.metric_name, "Datapoints": datapoints }))
}

fn stats(names: &[String]) -> Result<Vec<(String, Stat)>, AwsError> {
    let each = names.iter().map(|name| {
        let stat = Stat::parse(name);
        let stat = stat.ok_or_else(|| AwsError::not_modelled(&format!("the statistic {name}")))?;
        Ok((name.clone(), stat))
    });
    each.collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetMetricData {
    metric_data_queries: Vec<Query>,
    start_time: f64,
    end_time: f64,
    next_token: Option<String>,
    scan_by: Option<String>,
    max_datapoints: Option<usize>,
}

/// Values by query, newest first unless `ScanBy` says otherwise. Periods without a value are left
/// out. All metrics that an expression is over must have one period here.
fn get_metric_data(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GetMetricData = read(input)?;
    let queries = input.metric_data_queries;
    if queries.is_empty() || queries.len() > QUERIES_MAX {
        return Err(invalid(format!(
            "The collection MetricDataQueries must have a size between 1 and {QUERIES_MAX}."
        )));
    }
    check_queries(&queries)?;
    if !queries.iter().any(|query| query.return_data) {
        return Err(invalid(
            "At least one metric data query must have ReturnData set to true.",
        ));
    }
    let (start, end) = (time(input.start_time)?, time(input.end_time)?);
    if start >= end {
        return Err(invalid(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let limit = input.max_datapoints.unwrap_or(DATA_POINTS_MAX);
    if !(1..=DATA_POINTS_MAX).contains(&limit) {
        return Err(invalid(format!(
            "The parameter MaxDatapoints must be between 1 and {DATA_POINTS_MAX}."
        )));
    }
    let skipped = match &input.next_token {
        None => 0,
        Some(token) => listing::after("GetMetricData", token)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                AwsError::new("InvalidNextToken", "The next token specified is invalid.")
            })?,
    };
    let span = Span {
        start: start.as_second(),
        end: end.as_second(),
        now: caller.now.as_second(),
    };
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let region = region_of(world, caller);
    let mut all = span.results(&region.metrics, &queries)?;
    if !ascending {
        all.values_mut().for_each(|points| points.reverse());
    }
    Ok(paged(&queries, &all, skipped, limit))
}

/// A span of time, in seconds, seen from a present.
struct Span {
    start: i64,
    end: i64,
    now: i64,
}

impl Span {
    /// The values of each query with their times, oldest first.
    fn results(
        &self,
        store: &super::metric::Store,
        queries: &[Query],
    ) -> Result<BTreeMap<String, Vec<(i64, f64)>>, AwsError> {
        let mut periods: Vec<i64> = Vec::new();
        let stats = queries.iter().filter_map(|query| {
            let stat = query.metric_stat.as_ref()?;
            Some((query.id.clone(), stat))
        });
        let stats: Vec<(String, &MetricStat)> = stats.collect();
        for (_, stat) in &stats {
            if !is_period(stat.period) {
                return Err(invalid(
                    "Period must be 1, 5, 10, 20, 30 or a multiple of 60",
                ));
            }
            periods.push(stat.period);
        }
        let expressions: Vec<(String, String)> = queries
            .iter()
            .filter_map(|query| Some((query.id.clone(), query.expression.clone()?)))
            .collect();
        periods.sort_unstable();
        periods.dedup();
        if !expressions.is_empty() && periods.len() > 1 {
            return Err(AwsError::not_modelled(
                "metric math over metrics of different periods",
            ));
        }
        let mut all = BTreeMap::new();
        for period in periods {
            let starts = self.starts(period);
            let mut results: BTreeMap<String, Points> = BTreeMap::new();
            for (id, stat) in stats.iter().filter(|(_, stat)| stat.period == period) {
                results.insert(id.clone(), values(store, stat, &starts)?);
            }
            let ids: Vec<String> = results.keys().cloned().collect();
            if !expressions.is_empty() {
                resolve(&mut results, &ids, &expressions, starts.len(), period)?;
            }
            for (id, points) in results {
                let timed = starts.iter().zip(points);
                let timed = timed.filter_map(|(at, value)| Some((*at, value?)));
                all.insert(id, timed.collect());
            }
        }
        Ok(all)
    }

    /// The starts of the periods. Values of less than a minute are there for 3 hours, others for 455
    /// days.
    fn starts(&self, period: i64) -> Vec<i64> {
        let mut starts = Vec::new();
        let oldest = self.now - if period < 60 { 3 * 3600 } else { 455 * 86_400 };
        let mut at = rounded(self.start.max(oldest), period, self.now);
        while at < self.end {
            starts.push(at);
            at += period;
        }
        starts
    }
}

fn values(
    store: &super::metric::Store,
    stat: &MetricStat,
    starts: &[i64],
) -> Result<Points, AwsError> {
    let of = Stat::parse(&stat.stat)
        .ok_or_else(|| AwsError::not_modelled(&format!("the statistic {}", stat.stat)))?;
    let each = starts
        .iter()
        .map(|start| of.of(data(store, stat, *start, start + stat.period)));
    Ok(each.collect())
}

/// The results from some datapoint on, in the order of the queries. Each one has the same number of
/// datapoints left out before it, so that pages fit together.
fn paged(
    queries: &[Query],
    all: &BTreeMap<String, Vec<(i64, f64)>>,
    skipped: usize,
    limit: usize,
) -> Value {
    let returned: Vec<&Query> = queries.iter().filter(|query| query.return_data).collect();
    // "MaxDatapoints: the maximum number of data points the request should return".
    let each = (limit / returned.len().max(1)).max(1);
    let mut more = false;
    let results: Vec<Value> = returned
        .into_iter()
        .map(|query| {
            let points = all.get(&query.id).map_or(&[][..], Vec::as_slice);
            let rest = &points[skipped.min(points.len())..];
            let page = &rest[..each.min(rest.len())];
            let unfinished = page.len() < rest.len();
            more |= unfinished;
            let times: Vec<i64> = page.iter().map(|(at, _)| *at).collect();
            let values: Vec<f64> = page.iter().map(|(_, value)| *value).collect();
            json!({
                "Id": query.id,
                "Label": label(query),
                "Timestamps": times,
                "Values": values,
                "StatusCode": if unfinished { "PartialData" } else { "Complete" },
            })
        })
        .collect();
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if more {
        let next = (skipped + each).to_string();
        answer["NextToken"] = listing::token("GetMetricData", &next).into();
    }
    answer
}

/// The label that was given, else the metric's name, else the id of an expression.
fn label(query: &Query) -> &str {
    let metric = query.metric_stat.as_ref();
    let metric = metric.and_then(|stat| stat.metric.metric_name.as_deref());
    query.label.as_deref().or(metric).unwrap_or(&query.id)
}
