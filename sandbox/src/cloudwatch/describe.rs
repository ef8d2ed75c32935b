//! Alarms shown, deleted, and their actions switched.

use serde::Deserialize;
use serde_json::{Value, json};

use super::alarm::{Alarm, Dimension, dimensions_of};
use super::history::{self, Change, page};
use super::{alarm_arn, date, invalid, needs, read, region_of};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "DescribeAlarms",
        needs: |_, caller, _| needs::on_all(caller, "DescribeAlarms"),
        run: describe_alarms,
    },
    Operation {
        name: "DescribeAlarmsForMetric",
        needs: |_, _, _| needs::anywhere("DescribeAlarmsForMetric"),
        run: describe_alarms_for_metric,
    },
    Operation {
        name: "DeleteAlarms",
        needs: |world, caller, input| needs::on_named(world, caller, input, "DeleteAlarms"),
        run: delete_alarms,
    },
    Operation {
        name: "EnableAlarmActions",
        needs: |world, caller, input| needs::on_named(world, caller, input, "EnableAlarmActions"),
        run: |world, caller, input| switch_actions(world, caller, input, true),
    },
    Operation {
        name: "DisableAlarmActions",
        needs: |world, caller, input| needs::on_named(world, caller, input, "DisableAlarmActions"),
        run: |world, caller, input| switch_actions(world, caller, input, false),
    },
];

/// An alarm as DescribeAlarms shows it.
fn shown(caller: &Caller, name: &str, alarm: &Alarm) -> Value {
    let mut shown = json!(alarm.config);
    shown["AlarmName"] = name.into();
    shown["AlarmArn"] = alarm_arn(&caller.account, &caller.region, name).into();
    shown["AlarmConfigurationUpdatedTimestamp"] = date(alarm.configured);
    shown["StateValue"] = alarm.state.name().into();
    shown["StateReason"] = alarm.reason.as_str().into();
    if let Some(data) = &alarm.reason_data {
        shown["StateReasonData"] = data.as_str().into();
    }
    shown["StateUpdatedTimestamp"] = date(alarm.state_updated);
    shown["StateTransitionedTimestamp"] = date(alarm.transitioned);
    shown
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeAlarms {
    alarm_names: Option<Vec<String>>,
    alarm_name_prefix: Option<String>,
    alarm_types: Option<Vec<String>>,
    children_of_alarm_name: Option<String>,
    parents_of_alarm_name: Option<String>,
    state_value: Option<String>,
    action_prefix: Option<String>,
    max_records: Option<usize>,
    next_token: Option<String>,
}

/// By name. Without AlarmTypes "only metric alarms are returned", and there are no others here.
fn describe_alarms(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: DescribeAlarms = read(input)?;
    if input.children_of_alarm_name.is_some() || input.parents_of_alarm_name.is_some() {
        return Err(AwsError::not_modelled(
            "cloudwatch:DescribeAlarms by children or parents (composite alarms)",
        ));
    }
    if input.alarm_names.is_some() && input.alarm_name_prefix.is_some() {
        return Err(invalid(
            "AlarmNames and AlarmNamePrefix must not be specified together",
        ));
    }
    let metric_alarms = input
        .alarm_types
        .as_ref()
        .is_none_or(|types| types.is_empty() || types.iter().any(|t| t == "MetricAlarm"));
    let prefix = input.alarm_name_prefix.as_deref().unwrap_or_default();
    let region = region_of(world, caller);
    let alarms = region
        .alarms
        .iter()
        .filter(|_| metric_alarms)
        .filter(|(name, _)| input.alarm_names.as_ref().is_none_or(|n| n.contains(name)))
        .filter(|(name, _)| name.starts_with(prefix))
        .filter(|(_, alarm)| {
            let state = input.state_value.as_deref();
            state.is_none_or(|state| alarm.state.name() == state)
        })
        .filter(|(_, alarm)| {
            let wanted = input.action_prefix.as_deref();
            wanted.is_none_or(|wanted| all_actions(alarm).any(|arn| arn.starts_with(wanted)))
        })
        .map(|(name, alarm)| (name.clone(), shown(caller, name, alarm)));
    // All named alarms fit in one page: a request names at most 100.
    let limit = match &input.alarm_names {
        Some(names) => Some(input.max_records.unwrap_or(names.len().max(1))),
        None => input.max_records,
    };
    let mut answer = page(
        "DescribeAlarms",
        "MetricAlarms",
        alarms,
        input.next_token,
        limit,
    )?;
    answer["CompositeAlarms"] = json!([]);
    Ok(answer)
}

fn all_actions(alarm: &Alarm) -> impl Iterator<Item = &String> {
    let config = &alarm.config;
    let lists = [
        &config.ok_actions,
        &config.alarm_actions,
        &config.insufficient_data_actions,
    ];
    lists.into_iter().flatten()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeAlarmsForMetric {
    metric_name: String,
    namespace: String,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    period: Option<i64>,
    unit: Option<String>,
}

/// Alarms of exactly this metric. "It does not return alarms that use math expressions."
fn describe_alarms_for_metric(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeAlarmsForMetric = read(input)?;
    let dimensions = dimensions_of(input.dimensions.as_deref().unwrap_or_default());
    let fits =
        |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    let region = region_of(world, caller);
    let alarms: Vec<Value> = region
        .alarms
        .iter()
        .filter(|(_, alarm)| {
            let config = &alarm.config;
            config.metric_name.as_ref() == Some(&input.metric_name)
                && config.namespace.as_ref() == Some(&input.namespace)
                && dimensions_of(&config.dimensions) == dimensions
                && fits(&input.statistic, &config.statistic)
                && fits(&input.extended_statistic, &config.extended_statistic)
                && fits(&input.unit, &config.unit)
                && (input.period.is_none() || input.period == config.period)
        })
        .map(|(name, alarm)| shown(caller, name, alarm))
        .collect();
    Ok(json!({ "MetricAlarms": alarms }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    alarm_names: Vec<String>,
}

/// "If you specify an incorrect alarm name or make any other error in the operation, no alarms are
/// deleted."
fn delete_alarms(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let names = read::<Names>(input)?.alarm_names;
    let region = region_of(world, caller);
    let unknown: Vec<&str> = names
        .iter()
        .filter(|name| !region.alarms.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(AwsError::new(
            "ResourceNotFound",
            format!("Alarms do not exist: {}", unknown.join(", ")),
        ));
    }
    for name in &names {
        if let Some(alarm) = region.alarms.remove(name) {
            let arn = alarm_arn(&caller.account, &caller.region, name);
            let item = history::configuration(name, &arn, &alarm, Change::Deleted, caller.now);
            region.history.push(item);
        }
    }
    Ok(json!({}))
}

/// The operations have no error for names that do not exist: those are passed over.
fn switch_actions(
    world: &mut World,
    caller: &Caller,
    input: Value,
    enabled: bool,
) -> Result<Value, AwsError> {
    let names = read::<Names>(input)?.alarm_names;
    let region = region_of(world, caller);
    for name in &names {
        let Some(alarm) = region.alarms.get_mut(name) else {
            continue;
        };
        if alarm.config.actions_enabled != enabled {
            alarm.config.actions_enabled = enabled;
            alarm.configured = caller.now;
            let arn = alarm_arn(&caller.account, &caller.region, name);
            let item = history::configuration(name, &arn, alarm, Change::Updated, caller.now);
            region.history.push(item);
        }
    }
    Ok(json!({}))
}
