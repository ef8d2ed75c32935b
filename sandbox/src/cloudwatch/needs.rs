//! Actions, resources and condition keys of calls to CloudWatch.
//!
//! Actions on alarms support the alarm's ARN; the listing ones are judged on `alarm:*`, whatever
//! names a request gives, as AWS's denials show. Metrics have no ARNs.

use serde_json::Value;

use super::alarm_arn;
use crate::world::{Caller, Need, World};

/// An action that supports no resource.
pub(super) fn anywhere(action: &str) -> Vec<Need> {
    vec![Need::new(&format!("cloudwatch:{action}"), "*")]
}

/// An action on all alarms.
pub(super) fn on_all(caller: &Caller, action: &str) -> Vec<Need> {
    let arn = alarm_arn(&caller.account, &caller.region, "*");
    vec![Need::new(&format!("cloudwatch:{action}"), arn)]
}

/// An action on each alarm that `AlarmNames` lists or `AlarmName` names.
pub(super) fn on_named(world: &World, caller: &Caller, input: &Value, action: &str) -> Vec<Need> {
    let listed = input["AlarmNames"].as_array().into_iter().flatten();
    let names = listed
        .chain([&input["AlarmName"]])
        .filter_map(Value::as_str);
    names
        .map(|name| {
            let arn = alarm_arn(&caller.account, &caller.region, name);
            of_alarm(world, caller, action, &arn)
        })
        .collect()
}

/// An action on the alarm of an ARN, with the alarm's own tags.
pub(super) fn of_alarm(world: &World, caller: &Caller, action: &str, arn: &str) -> Need {
    let mut need = Need::new(&format!("cloudwatch:{action}"), arn);
    let prefix = alarm_arn(&caller.account, &caller.region, "");
    let alarm = arn.strip_prefix(&prefix).and_then(|name| {
        let region = world.cloudwatch.region(&caller.account, &caller.region)?;
        region.alarms.get(name)
    });
    for (key, value) in alarm.iter().flat_map(|alarm| alarm.tags.current()) {
        need = need.with(format!("aws:ResourceTag/{key}"), vec![value.clone()]);
    }
    need
}

/// Adds the tags of a request.
pub(super) fn with_tags(mut need: Need, input: &Value) -> Need {
    let mut keys = Vec::new();
    for tag in input["Tags"].as_array().into_iter().flatten() {
        if let (Some(key), Some(value)) = (tag["Key"].as_str(), tag["Value"].as_str()) {
            need = need.with(format!("aws:RequestTag/{key}"), vec![value.to_owned()]);
            keys.push(key.to_owned());
        }
    }
    let removed = input["TagKeys"].as_array().into_iter().flatten();
    keys.extend(removed.filter_map(Value::as_str).map(str::to_owned));
    if keys.is_empty() {
        need
    } else {
        need.with("aws:TagKeys", keys)
    }
}

/// PutMetricAlarm: the alarm with its actions, and with tags also `cloudwatch:TagResource`.
pub(super) fn put_metric_alarm(world: &World, caller: &Caller, input: &Value) -> Vec<Need> {
    let name = input["AlarmName"].as_str().unwrap_or_default();
    let arn = alarm_arn(&caller.account, &caller.region, name);
    let mut need = with_tags(of_alarm(world, caller, "PutMetricAlarm", &arn), input);
    let actions: Vec<String> = ["OKActions", "AlarmActions", "InsufficientDataActions"]
        .into_iter()
        .flat_map(|member| input[member].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if !actions.is_empty() {
        need = need.with("cloudwatch:AlarmActions", actions);
    }
    let mut all = vec![need];
    if input["Tags"]
        .as_array()
        .is_some_and(|tags| !tags.is_empty())
    {
        all.push(with_tags(
            of_alarm(world, caller, "TagResource", &arn),
            input,
        ));
    }
    all
}
