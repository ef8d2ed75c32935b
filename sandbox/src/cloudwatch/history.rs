//! What happened to alarms: changes of configuration and state, and actions; and SetAlarmState.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::alarm::{Alarm, State};
use super::{Region, date, invalid, needs, read, region_of, time};
use crate::listing::{self, Page};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "DescribeAlarmHistory",
        needs: |_, caller, _| needs::on_all(caller, "DescribeAlarmHistory"),
        run: describe_alarm_history,
    },
    Operation {
        name: "SetAlarmState",
        needs: |world, caller, input| needs::on_named(world, caller, input, "SetAlarmState"),
        run: set_alarm_state,
    },
];

/// "CloudWatch preserves alarm history for 30 days"
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Alarms.html>).
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Item {
    pub alarm: String,
    pub at: Timestamp,
    pub kind: Kind,
    summary: String,
    /// JSON.
    data: String,
}

/// `HistoryItemType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    ConfigurationUpdate,
    StateUpdate,
    Action,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigurationUpdate => "ConfigurationUpdate",
            Self::StateUpdate => "StateUpdate",
            Self::Action => "Action",
        }
    }
}

/// What became of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Updated,
    Deleted,
}

/// A configuration that was made, replaced or removed.
pub(super) fn configuration(
    name: &str,
    arn: &str,
    alarm: &Alarm,
    change: Change,
    at: Timestamp,
) -> Item {
    let (word, kind) = match change {
        Change::Created => ("created", "Create"),
        Change::Updated => ("updated", "Update"),
        Change::Deleted => ("deleted", "Delete"),
    };
    let mut shown = json!(alarm.config);
    shown["AlarmName"] = name.into();
    shown["AlarmArn"] = arn.into();
    shown["StateValue"] = alarm.state.name().into();
    Item {
        alarm: name.into(),
        at,
        kind: Kind::ConfigurationUpdate,
        summary: shortened(&format!("Alarm \"{name}\" {word}"), 255),
        data: shortened(
            &json!({ "version": "1.0", "type": kind, "updatedAlarm": shown }).to_string(),
            4095,
        ),
    }
}

/// A text of at most so many characters: the model bounds summary and data.
fn shortened(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

impl Region {
    /// Gives an alarm a state, with the actions that a change leads to. Topics and their like are not
    /// modelled: an action is known by its item in the history.
    pub(super) fn enter(
        &mut self,
        name: &str,
        state: State,
        (reason, reason_data): (String, Option<String>),
        at: Timestamp,
    ) {
        let Some(alarm) = self.alarms.get_mut(name) else {
            return;
        };
        let was = alarm.state;
        let described = |state: State, reason: &str, data: &Option<String>| {
            let data: Value = data
                .as_deref()
                .and_then(|data| serde_json::from_str(data).ok())
                .unwrap_or(Value::Null);
            json!({ "stateValue": state.name(), "stateReason": reason, "stateReasonData": data })
        };
        let data = json!({
            "version": "1.0",
            "oldState": described(was, &alarm.reason, &alarm.reason_data),
            "newState": described(state, &reason, &reason_data),
        });
        alarm.state = state;
        alarm.reason = reason;
        alarm.reason_data = reason_data;
        alarm.state_updated = at;
        let item = |kind, summary: String, data: &Value| Item {
            alarm: name.into(),
            at,
            kind,
            summary: shortened(&summary, 255),
            data: shortened(&data.to_string(), 4095),
        };
        if was == state {
            return;
        }
        alarm.transitioned = at;
        let (from, to) = (was.name(), state.name());
        self.history.push(item(
            Kind::StateUpdate,
            format!("Alarm updated from {from} to {to}"),
            &data,
        ));
        let actions = match state {
            State::Ok => &alarm.config.ok_actions,
            State::Alarm => &alarm.config.alarm_actions,
            State::InsufficientData => &alarm.config.insufficient_data_actions,
        };
        for arn in actions.iter().filter(|_| alarm.config.actions_enabled) {
            let data = json!({
                "actionState": "Succeeded", "notificationResource": arn, "stateUpdateTimestamp":
                at.as_millisecond(),
            });
            let summary = format!("Successfully executed action {arn}");
            self.history.push(item(Kind::Action, summary, &data));
        }
    }

    /// Drops what is older than AWS keeps it.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let oldest = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        if self.history.first().is_some_and(|item| item.at < oldest) {
            self.history.retain(|item| item.at >= oldest);
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetAlarmState {
    alarm_name: String,
    state_value: State,
    state_reason: String,
    state_reason_data: Option<String>,
}

/// "Temporarily sets the state of an alarm": the next evaluation sets it back.
fn set_alarm_state(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: SetAlarmState = read(input)?;
    let region = region_of(world, caller);
    let Some(alarm) = region.alarms.get_mut(&input.alarm_name) else {
        return Err(AwsError::new(
            "ResourceNotFound",
            format!("The alarm {} does not exist", input.alarm_name),
        ));
    };
    let data = input.state_reason_data;
    if data
        .as_deref()
        .is_some_and(|data| serde_json::from_str::<Value>(data).is_err())
    {
        return Err(AwsError::new(
            "InvalidFormat",
            "StateReasonData is not valid JSON",
        ));
    }
    alarm.evaluated = caller.now;
    let reason = (input.state_reason, data);
    region.enter(&input.alarm_name, input.state_value, reason, caller.now);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeAlarmHistory {
    alarm_name: Option<String>,
    alarm_contributor_id: Option<String>,
    alarm_types: Option<Vec<String>>,
    history_item_type: Option<String>,
    start_date: Option<f64>,
    end_date: Option<f64>,
    max_records: Option<usize>,
    next_token: Option<String>,
    scan_by: Option<String>,
}

/// Newest first, unless `ScanBy` says otherwise. "CloudWatch retains the history of an alarm even if
/// you delete the alarm."
fn describe_alarm_history(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeAlarmHistory = read(input)?;
    if input.alarm_contributor_id.is_some() {
        return Err(AwsError::not_modelled(
            "cloudwatch:DescribeAlarmHistory with AlarmContributorId",
        ));
    }
    let (start, end) = (
        input.start_date.map(time).transpose()?,
        input.end_date.map(time).transpose()?,
    );
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        return Err(invalid("StartDate must not be after EndDate"));
    }
    let of_metric_alarms = input
        .alarm_types
        .as_ref()
        .is_none_or(|types| types.is_empty() || types.iter().any(|t| t == "MetricAlarm"));
    let region = region_of(world, caller);
    let mut found: Vec<(usize, &Item)> = region
        .history
        .iter()
        .enumerate()
        .filter(|_| of_metric_alarms)
        .filter(|(_, item)| input.alarm_name.as_ref().is_none_or(|n| item.alarm == *n))
        .filter(|(_, item)| {
            let kind = input.history_item_type.as_deref();
            kind.is_none_or(|kind| item.kind.name() == kind)
        })
        .filter(|(_, item)| start.is_none_or(|start| item.at >= start))
        .filter(|(_, item)| end.is_none_or(|end| item.at <= end))
        .collect();
    if input.scan_by.as_deref() != Some("TimestampAscending") {
        found.reverse();
    }
    let items = found.into_iter().enumerate().map(|(position, (_, item))| {
        let shown = json!({
            "AlarmName": item.alarm,
            "AlarmType": "MetricAlarm",
            "Timestamp": date(item.at),
            "HistoryItemType": item.kind.name(),
            "HistorySummary": item.summary,
            "HistoryData": item.data,
        });
        (format!("{position:020}"), shown)
    });
    page(
        "DescribeAlarmHistory",
        "AlarmHistoryItems",
        items,
        input.next_token,
        input.max_records,
    )
}

/// One page of a listing as an answer. The default is 50 for alarms ("If you omit this parameter,
/// the maximum number of alarms is 50") and 100 at most, as for history.
pub(super) fn page(
    listing: &str,
    member: &str,
    items: impl Iterator<Item = (String, Value)>,
    token: Option<String>,
    limit: Option<usize>,
) -> Result<Value, AwsError> {
    let after = match token {
        None => None,
        Some(token) => Some(listing::after(listing, &token).ok_or_else(|| {
            AwsError::new("InvalidNextToken", "The next token specified is invalid.")
        })?),
    };
    let Page { items, next } = listing::page(items, after.as_deref(), limit.unwrap_or(50));
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["NextToken"] = listing::token(listing, &next).into();
    }
    Ok(answer)
}
