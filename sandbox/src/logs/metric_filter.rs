//! Metric filters: values taken out of the events that a pattern matches, published as metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::events::NewEvent;
use super::filter::{Match, Pattern};
use super::group::answer;
use super::{invalid, millis, needs, read};
use crate::cloudwatch;
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutMetricFilter",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:PutMetricFilter"),
        run: put_metric_filter,
    },
    Operation {
        name: "DescribeMetricFilters",
        needs: |_, caller, input| match needs::text(input, "logGroupName") {
            Some(_) => needs::of_group(caller, input, "logs:DescribeMetricFilters"),
            None => {
                let all = super::arn_of(&caller.account, &caller.region, "*");
                vec![Need::new("logs:DescribeMetricFilters", all)]
            }
        },
        run: describe_metric_filters,
    },
    Operation {
        name: "DeleteMetricFilter",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:DeleteMetricFilter"),
        run: delete_metric_filter,
    },
    Operation {
        name: "TestMetricFilter",
        needs: |_, _, _| vec![Need::new("logs:TestMetricFilter", "*")],
        run: test_metric_filter,
    },
];

/// "The maximum number of metric filters that can be associated with a log group is 100."
const FILTERS_MAX: usize = 100;
/// "There is a maximum of 5 filter patterns containing regex for each log group".
const REGEX_FILTERS_MAX: usize = 5;
/// "You can assign up to three dimensions for a metric created from a metric filter."
const DIMENSIONS_MAX: usize = 3;

/// A metric filter of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MetricFilter {
    pattern: String,
    transformation: Transformation,
    created: Timestamp,
}

/// What is published for a match. There is exactly one for each filter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transformation {
    metric_name: String,
    metric_namespace: String,
    metric_value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutMetricFilter {
    log_group_name: String,
    filter_name: String,
    filter_pattern: String,
    metric_transformations: Vec<Transformation>,
    apply_on_transformed_logs: Option<bool>,
    field_selection_criteria: Option<String>,
    emit_system_field_dimensions: Option<Vec<String>>,
}

/// Creates a filter or replaces the one of this name, which keeps the time of its creation.
fn put_metric_filter(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: PutMetricFilter = read(input)?;
    if input.apply_on_transformed_logs == Some(true) {
        return Err(AwsError::not_modelled(
            "logs:PutMetricFilter on transformed logs",
        ));
    }
    if input.field_selection_criteria.is_some() || input.emit_system_field_dimensions.is_some() {
        return Err(AwsError::not_modelled(
            "logs:PutMetricFilter with fieldSelectionCriteria or emitSystemFieldDimensions",
        ));
    }
    let [transformation] = <[Transformation; 1]>::try_from(input.metric_transformations)
        .map_err(|_| invalid("Exactly one metric transformation must be given"))?;
    let pattern = Pattern::parse(&input.filter_pattern)?;
    transformation.check(&pattern)?;
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    let others = || {
        let filters = group.filters.iter();
        filters.filter(|(name, _)| **name != input.filter_name)
    };
    let limit = || {
        Err(AwsError::new(
            "LimitExceededException",
            "Resource limit exceeded.",
        ))
    };
    if others().count() >= FILTERS_MAX {
        return limit();
    }
    let with_regex = others().filter(|(_, filter)| filter.pattern().has_regex());
    if pattern.has_regex() && with_regex.count() >= REGEX_FILTERS_MAX {
        return limit();
    }
    let known = group.filters.get(&input.filter_name);
    let filter = MetricFilter {
        pattern: input.filter_pattern,
        transformation,
        created: known.map_or(caller.now, |known| known.created),
    };
    group.filters.insert(input.filter_name, filter);
    Ok(json!({}))
}

impl Transformation {
    fn check(&self, pattern: &Pattern) -> Result<(), AwsError> {
        if self.metric_name.is_empty() || self.metric_namespace.is_empty() {
            return Err(invalid("Metric name and namespace must not be empty"));
        }
        if self.metric_namespace.starts_with("AWS/") {
            return Err(invalid(format!(
                "Invalid metric transformation: namespace '{}' is reserved",
                self.metric_namespace
            )));
        }
        let value = &self.metric_value;
        let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
        if !is_number && !pattern.knows(value) {
            return Err(invalid(format!(
                "Invalid metric transformation: '{value}' is neither a number nor a field of the \
                 filter pattern"
            )));
        }
        let dimensions = self.dimensions.iter().flatten();
        if dimensions.clone().count() > DIMENSIONS_MAX {
            return Err(invalid(format!(
                "Invalid metric transformation: at most {DIMENSIONS_MAX} dimensions are allowed"
            )));
        }
        // "If the metric filter assigns dimensions to the metric, then you can't assign a default
        // value."
        if self.default_value.is_some() && dimensions.clone().next().is_some() {
            return Err(invalid(
                "Invalid metric transformation: dimensions and default value are mutually exclusive \
                 properties.",
            ));
        }
        for (name, field) in dimensions {
            if name.is_empty() || name.starts_with(':') || !pattern.knows(field) {
                return Err(invalid(format!(
                    "Invalid metric transformation: dimension '{name}' must be a field of the \
                     filter pattern, '{field}' is not"
                )));
            }
        }
        Ok(())
    }

    /// The value of a match; none if its field is not there or no number.
    fn value(&self, found: &Match) -> Option<f64> {
        let text = if self.metric_value.starts_with('$') {
            found.field(&self.metric_value)?
        } else {
            self.metric_value.clone()
        };
        text.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The dimensions of a match; none if one of their fields is not there: "if the field isn't
    /// found, no metric is published for the event".
    fn dimensions(&self, found: &Match) -> Option<Vec<(String, String)>> {
        let dimensions = self.dimensions.iter().flatten();
        dimensions
            .map(|(name, field)| Some((name.clone(), found.field(field)?)))
            .collect()
    }
}

impl MetricFilter {
    fn pattern(&self) -> Pattern {
        // It was read when it was put.
        Pattern::parse(&self.pattern).unwrap_or_default()
    }

    fn shown(&self, group: &str, name: &str) -> Value {
        json!({
            "filterName": name,
            "filterPattern": self.pattern,
            "metricTransformations": [self.transformation],
            "creationTime": millis(self.created),
            "logGroupName": group,
            "applyOnTransformedLogs": false,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeMetricFilters {
    log_group_name: Option<String>,
    filter_name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    metric_name: Option<String>,
    metric_namespace: Option<String>,
}

/// "The results are ASCII-sorted by the filter name."
fn describe_metric_filters(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeMetricFilters = read(input)?;
    if input.metric_name.is_some() != input.metric_namespace.is_some() {
        return Err(invalid(
            "metricName and metricNamespace must be specified together",
        ));
    }
    if let Some(group) = &input.log_group_name {
        world.logs.group_mut(caller, group)?;
    }
    // "CloudWatch Logs uses the value that you set here only if you also include the logGroupName".
    let prefix = input.filter_name_prefix.as_deref().unwrap_or_default();
    let prefix = input.log_group_name.as_ref().map_or("", |_| prefix);
    let metric = input
        .metric_name
        .as_ref()
        .zip(input.metric_namespace.as_ref());
    let mut items: Vec<(String, Value)> = world
        .logs
        .groups_mut(caller)
        .iter()
        .filter(|(name, _)| input.log_group_name.as_ref().is_none_or(|n| n == *name))
        .flat_map(|(group, of)| of.filters.iter().map(move |(name, f)| (group, name, f)))
        .filter(|(_, name, _)| name.starts_with(prefix))
        .filter(|(_, _, filter)| {
            let made = &filter.transformation;
            metric.is_none_or(|m| m == (&made.metric_name, &made.metric_namespace))
        })
        .map(|(group, name, filter)| (format!("{name}\0{group}"), filter.shown(group, name)))
        .collect();
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    answer(
        "DescribeMetricFilters",
        "metricFilters",
        items.into_iter(),
        input.next_token,
        input.limit,
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteMetricFilter {
    log_group_name: String,
    filter_name: String,
}

fn delete_metric_filter(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DeleteMetricFilter = read(input)?;
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    match group.filters.remove(&input.filter_name) {
        Some(_) => Ok(json!({})),
        None => Err(AwsError::new(
            "ResourceNotFoundException",
            "The specified metric filter does not exist.",
        )),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestMetricFilter {
    filter_pattern: String,
    log_event_messages: Vec<String>,
}

/// Fields are extracted by patterns for space-delimited events; "if you are not using a
/// space-delimited filter, this will be empty". Events are numbered from 1.
fn test_metric_filter(_: &mut World, _: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: TestMetricFilter = read(input)?;
    let pattern = Pattern::parse(&input.filter_pattern)?;
    let matches: Vec<Value> = (1_u64..)
        .zip(&input.log_event_messages)
        .filter_map(|(number, message)| {
            let found = pattern.find(message)?;
            Some(json!({
                "eventNumber": number,
                "eventMessage": message,
                "extractedValues": found.extracted(),
            }))
        })
        .collect();
    Ok(json!({ "matches": matches }))
}

/// Publishes what the filters of a group make of new events.
///
/// "If logs are ingested during a one-minute time period but no matches are found, the value
/// specified for Default Value (if any) is reported": once for each minute of the events that has no
/// value yet.
pub(super) fn publish(
    world: &mut World,
    (account, region): (&str, &str),
    group: &str,
    events: &[NewEvent],
) {
    let groups = world.logs.groups(account, region);
    let Some(group) = groups.and_then(|groups| groups.get(group)) else {
        return;
    };
    let filters: Vec<MetricFilter> = group.filters.values().cloned().collect();
    for filter in filters {
        let (pattern, made) = (filter.pattern(), &filter.transformation);
        let (namespace, metric) = (&made.metric_namespace, &made.metric_name);
        let unit = made.unit.as_deref().unwrap_or("None");
        let mut unmatched = Vec::new();
        for event in events {
            let Ok(at) = Timestamp::from_millisecond(event.timestamp) else {
                continue;
            };
            let found = pattern.find(&event.message).map(|found| {
                let value = made.value(&found);
                value.zip(made.dimensions(&found))
            });
            match found {
                None => unmatched.push(at),
                Some(None) => {}
                Some(Some((value, dimensions))) => {
                    let dimensions: Vec<(&str, &str)> = dimensions
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_str()))
                        .collect();
                    cloudwatch::record(
                        world,
                        account,
                        region,
                        namespace,
                        metric,
                        &dimensions,
                        value,
                        unit,
                        at,
                    );
                }
            }
        }
        let Some(default) = made.default_value else {
            continue;
        };
        for at in unmatched {
            if !world
                .cloudwatch
                .has_value((account, region), namespace, metric, at)
            {
                cloudwatch::record(
                    world,
                    account,
                    region,
                    namespace,
                    metric,
                    &[],
                    default,
                    unit,
                    at,
                );
            }
        }
    }
}
