//! Metric alarms: what one is made of, and PutMetricAlarm with its checks.
//!
//! A configuration is kept as it was written and shown as it was written: members that were left out
//! stay absent, except ActionsEnabled, the lists of actions and dimensions, and ReturnData, which AWS
//! fills in. That holds for TreatMissingData too, which DescribeAlarms does not show when it was not
//! given (Terraform's provider fills in `missing` itself).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::history::{self, Change};
use super::math::Expression;
use super::metric::{self, Stat};
use super::tags::{Tag, checked_tags};
use super::{alarm_arn, invalid, needs, read, region_of};
use crate::tagging::TagSet;
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "PutMetricAlarm",
    needs: needs::put_metric_alarm,
    run: put_metric_alarm,
}];

/// A metric alarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alarm {
    pub config: Config,
    /// When its configuration was last put or its actions were switched.
    pub configured: Timestamp,
    pub state: State,
    pub reason: String,
    /// JSON.
    pub reason_data: Option<String>,
    /// When the state last changed or was last set.
    pub state_updated: Timestamp,
    /// When the state's value last changed.
    pub transitioned: Timestamp,
    /// The time up to which it has been evaluated.
    pub evaluated: Timestamp,
    pub tags: TagSet,
}

/// State of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum State {
    Ok,
    Alarm,
    InsufficientData,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// A name and value that make a metric one of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    pub name: String,
    pub value: String,
}

/// What PutMetricAlarm writes and DescribeAlarms shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_description: Option<String>,
    #[serde(default = "yes")]
    pub actions_enabled: bool,
    #[serde(rename = "OKActions", default)]
    pub ok_actions: Vec<String>,
    #[serde(default)]
    pub alarm_actions: Vec<String>,
    #[serde(default)]
    pub insufficient_data_actions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_statistic: Option<String>,
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_periods: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints_to_alarm: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison_operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub treat_missing_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate_low_sample_count_percentile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<Query>>,
}

fn yes() -> bool {
    true
}

/// One element of metric math: a statistic of a metric, or an expression over others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Query {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_stat: Option<MetricStat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default = "yes")]
    pub return_data: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
}

/// A statistic of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricStat {
    pub metric: Metric,
    pub period: i64,
    pub stat: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A metric by its full identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metric {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_name: Option<String>,
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
}

/// Dimensions as metrics keep them.
pub(super) fn dimensions_of(dimensions: &[Dimension]) -> metric::Dimensions {
    let pairs = dimensions.iter();
    pairs
        .map(|dimension| (dimension.name.clone(), dimension.value.clone()))
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutMetricAlarm {
    alarm_name: String,
    tags: Option<Vec<Tag>>,
    threshold_metric_id: Option<String>,
    evaluation_window: Option<Value>,
    warm_up_configuration: Option<Value>,
    evaluation_criteria: Option<Value>,
    evaluation_interval: Option<Value>,
    action_configuration: Option<Value>,
}

impl PutMetricAlarm {
    fn check_modelled(&self) -> Result<(), AwsError> {
        let odd = [
            ("ThresholdMetricId", self.threshold_metric_id.is_some()),
            ("EvaluationWindow", self.evaluation_window.is_some()),
            ("WarmUpConfiguration", self.warm_up_configuration.is_some()),
            ("EvaluationCriteria", self.evaluation_criteria.is_some()),
            ("EvaluationInterval", self.evaluation_interval.is_some()),
            ("ActionConfiguration", self.action_configuration.is_some()),
        ];
        match odd.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((member, _)) => Err(AwsError::not_modelled(&format!(
                "cloudwatch:PutMetricAlarm with {member}"
            ))),
        }
    }
}

/// Creates an alarm or overwrites its whole configuration; "its state is left unchanged", and so are
/// its tags (API page of PutMetricAlarm).
fn put_metric_alarm(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let config: Config = read(input.clone())?;
    let input: PutMetricAlarm = read(input)?;
    input.check_modelled()?;
    let name = input.alarm_name;
    // "Alarm names must contain only UTF-8 characters, and can't contain ASCII control characters."
    if name.chars().any(|c| c.is_ascii_control()) {
        return Err(invalid("Alarm name must not contain control characters"));
    }
    config.check(caller)?;
    let tags = checked_tags(input.tags.unwrap_or_default(), "ValidationError")?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let region = region_of(world, caller);
    let now = caller.now;
    let arn = alarm_arn(&caller.account, &caller.region, &name);
    match region.alarms.get_mut(&name) {
        Some(alarm) => {
            alarm.config = config;
            alarm.configured = now;
            let change = Change::Updated;
            let item = history::configuration(&name, &arn, alarm, change, now);
            region.history.push(item);
        }
        None => {
            let alarm = Alarm {
                config,
                configured: now,
                state: State::InsufficientData,
                reason: "Unchecked: Initial alarm creation".into(),
                reason_data: None,
                state_updated: now,
                transitioned: now,
                evaluated: now,
                tags: TagSet::new(tags, now, lag),
            };
            let item = history::configuration(&name, &arn, &alarm, Change::Created, now);
            region.history.push(item);
            region.alarms.insert(name, alarm);
        }
    }
    Ok(json!({}))
}

/// The comparisons with one threshold; the others are for anomaly detection.
const COMPARISONS: [&str; 4] = [
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
];

impl Config {
    /// Whether the alarm could be kept; texts as AWS words them where that is known.
    fn check(&self, caller: &Caller) -> Result<(), AwsError> {
        match self.comparison_operator.as_deref() {
            None => return Err(invalid("ComparisonOperator must not be null")),
            Some(operator) if COMPARISONS.contains(&operator) => {}
            Some(operator) => {
                return Err(AwsError::not_modelled(&format!(
                    "cloudwatch:PutMetricAlarm with ComparisonOperator {operator} (anomaly detection)"
                )));
            }
        }
        match self.threshold {
            None => return Err(invalid("Threshold must not be null")),
            Some(threshold) if !threshold.is_finite() => {
                return Err(invalid("Threshold must be a finite number"));
            }
            Some(_) => {}
        }
        let Some(periods) = self.evaluation_periods else {
            return Err(invalid("EvaluationPeriods must not be null"));
        };
        if self.datapoints_to_alarm.is_some_and(|m| m > periods) {
            return Err(invalid(
                "DatapointsToAlarm must be less than or equal to EvaluationPeriods",
            ));
        }
        let period = match &self.metrics {
            None => self.check_metric()?,
            Some(metrics) => self.check_metrics(metrics)?,
        };
        check_window(period, periods)?;
        self.check_choices()?;
        self.check_actions(caller)
    }

    /// An alarm on a single metric. Returns its period.
    fn check_metric(&self) -> Result<i64, AwsError> {
        if self.metric_name.is_none() {
            return Err(invalid("MetricName must not be null"));
        }
        if self.namespace.is_none() {
            return Err(invalid("Namespace must not be null"));
        }
        match (&self.statistic, &self.extended_statistic) {
            (Some(_), None) => {}
            (None, Some(extended)) => check_stat(extended)?,
            (None, None) => {
                return Err(invalid("Statistic or ExtendedStatistic must be specified"));
            }
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "Statistic and ExtendedStatistic must not be specified together",
                ));
            }
        }
        check_dimensions(&self.dimensions)?;
        self.period
            .ok_or_else(|| invalid("Period must not be null"))
    }

    /// An alarm on metric math. Returns the period of its metrics, which is one for all.
    fn check_metrics(&self, metrics: &[Query]) -> Result<i64, AwsError> {
        let single = [
            ("MetricName", self.metric_name.is_some()),
            ("Namespace", self.namespace.is_some()),
            ("Dimensions", !self.dimensions.is_empty()),
            ("Period", self.period.is_some()),
            ("Statistic", self.statistic.is_some()),
            ("ExtendedStatistic", self.extended_statistic.is_some()),
            ("Unit", self.unit.is_some()),
        ];
        if let Some((member, _)) = single.into_iter().find(|(_, given)| *given) {
            return Err(invalid(format!(
                "{member} must not be set if Metrics list is provided"
            )));
        }
        check_queries(metrics)?;
        if metrics.iter().filter(|query| query.return_data).count() != 1 {
            return Err(invalid(
                "Exactly one element of the metrics list should return data.",
            ));
        }
        let stats: Vec<&MetricStat> = metrics
            .iter()
            .filter_map(|query| query.metric_stat.as_ref())
            .collect();
        // "an array of up to 10 metrics" (user guide, "Alarms based on metric math").
        let (Some(first), 1..=10) = (stats.first(), stats.len()) else {
            return Err(invalid(
                "The metrics list must contain between 1 and 10 metrics",
            ));
        };
        if stats.iter().any(|stat| stat.period != first.period) {
            return Err(invalid("All metrics must have the same period"));
        }
        Ok(first.period)
    }

    fn check_choices(&self) -> Result<(), AwsError> {
        let choose = |member: &str, value: &Option<String>, valid: &[&str]| match value {
            Some(value) if !valid.contains(&value.as_str()) => Err(invalid(format!(
                "Option {value} is not supported for {member}; it must be one of {}",
                valid.join(", ")
            ))),
            Some(_) | None => Ok(()),
        };
        choose(
            "TreatMissingData",
            &self.treat_missing_data,
            &["breaching", "notBreaching", "ignore", "missing"],
        )?;
        choose(
            "EvaluateLowSampleCountPercentile",
            &self.evaluate_low_sample_count_percentile,
            &["evaluate", "ignore"],
        )?;
        let percentile = self.extended_statistic.is_some();
        if self.evaluate_low_sample_count_percentile.is_some() && !percentile {
            return Err(invalid(
                "EvaluateLowSampleCountPercentile can only be used with a percentile statistic",
            ));
        }
        Ok(())
    }

    /// "CloudWatch doesn't test or validate the actions that you specify": beyond their form, and the
    /// region of a topic.
    fn check_actions(&self, caller: &Caller) -> Result<(), AwsError> {
        let lists = [
            &self.ok_actions,
            &self.alarm_actions,
            &self.insufficient_data_actions,
        ];
        for arn in lists.into_iter().flatten() {
            let parts: Vec<&str> = arn.splitn(6, ':').collect();
            let ["arn", partition, service, region, _, resource] = parts[..] else {
                return Err(invalid(format!("Invalid arn syntax: {arn}")));
            };
            if partition.is_empty() || service.is_empty() || resource.is_empty() {
                return Err(invalid(format!("Invalid arn syntax: {arn}")));
            }
            if service == "sns" && region != caller.region {
                return Err(invalid(format!(
                    "Invalid region {region} specified. Only {} is supported.",
                    caller.region
                )));
            }
        }
        Ok(())
    }
}

/// Members of a list of queries, of an alarm or of GetMetricData.
pub(super) fn check_queries(queries: &[Query]) -> Result<(), AwsError> {
    for (index, query) in queries.iter().enumerate() {
        let id = &query.id;
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(good) {
            return Err(invalid(format!(
                "The value {id} for parameter MetricDataQueries.member.{}.Id is not matching the \
                 expected pattern ^[a-z][a-zA-Z0-9_]*$.",
                index + 1
            )));
        }
        if queries[..index].iter().any(|other| other.id == *id) {
            return Err(invalid(format!(
                "The values for parameter id in MetricDataQueries are not unique: {id}"
            )));
        }
        if query.account_id.is_some() {
            return Err(AwsError::not_modelled(
                "metrics of other accounts (AccountId)",
            ));
        }
        match (&query.metric_stat, &query.expression) {
            (Some(stat), None) => {
                if stat.metric.metric_name.is_none() || stat.metric.namespace.is_none() {
                    return Err(invalid(format!(
                        "The metric of {id} must have a Namespace and a MetricName"
                    )));
                }
                check_stat(&stat.stat)?;
                check_dimensions(&stat.metric.dimensions)?;
            }
            (None, Some(expression)) => {
                let expression = Expression::parse(expression)?;
                for other in expression.names() {
                    if !queries.iter().any(|query| query.id == other) {
                        return Err(invalid(format!(
                            "Error in expression '{id}': Unknown identifier {other}"
                        )));
                    }
                }
            }
            (None, None) | (Some(_), Some(_)) => {
                return Err(invalid(format!(
                    "Exactly one of MetricStat and Expression must be given for {id}"
                )));
            }
        }
    }
    check_order(queries)
}

/// No expression may lead back to itself.
fn check_order(queries: &[Query]) -> Result<(), AwsError> {
    let mut known: Vec<&str> = Vec::new();
    while known.len() < queries.len() {
        let next = queries.iter().find(|query| {
            !known.contains(&query.id.as_str())
                && query.expression.as_deref().is_none_or(|text| {
                    Expression::parse(text).is_ok_and(|expression| {
                        expression.names().all(|name| known.contains(&name))
                    })
                })
        });
        match next {
            Some(query) => known.push(&query.id),
            None => return Err(invalid("The expressions refer to each other in a circle")),
        }
    }
    Ok(())
}

fn check_stat(text: &str) -> Result<(), AwsError> {
    if Stat::parse(text).is_some() {
        return Ok(());
    }
    // Trimmed means and their like: `tm90`, `wm(10%:90%)`, `PR(:300)`, `IQM`.
    let lower = text.to_ascii_lowercase();
    if lower == "iqm"
        || ["tm", "wm", "tc", "ts", "pr"]
            .iter()
            .any(|s| lower.starts_with(s))
    {
        return Err(AwsError::not_modelled(&format!("the statistic {text}")));
    }
    Err(invalid(format!(
        "The value {text} for parameter ExtendedStatistic is not supported."
    )))
}

fn check_dimensions(dimensions: &[Dimension]) -> Result<(), AwsError> {
    let names: Vec<&str> = dimensions.iter().map(|d| d.name.as_str()).collect();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(invalid(format!(
                "No duplicate dimension names allowed, {name} is one"
            )));
        }
    }
    Ok(())
}

/// Period and window, with AWS's own texts.
fn check_window(period: i64, periods: i64) -> Result<(), AwsError> {
    if ![10, 20, 30].contains(&period) && (period < 60 || period % 60 != 0) {
        return Err(invalid("Period must be 10, 20, 30 or a multiple of 60"));
    }
    let window = period.saturating_mul(periods);
    if period < 3600 && window > 86_400 {
        return Err(invalid(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be \
             <= 86400) for alarms using period < 3600",
        ));
    }
    if window > 604_800 {
        return Err(invalid(
            "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be \
             <= 604800) for alarms using period >= 3600",
        ));
    }
    Ok(())
}
