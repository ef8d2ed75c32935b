//! What happens to a key between its creation and its end.

use serde::Deserialize;
use serde_json::{Value, json};

use super::key::{KeyState, days_later};
use super::rules;
use super::{date, needs, read, validation};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "DescribeKey",
        needs: |world, caller, input| {
            vec![needs::of_key(world, caller, input, &rules::DESCRIBE_KEY)]
        },
        run: |world, caller, input| {
            let input: KeyOnly = read(input)?;
            let place = world.admit(caller, &input.key_id, &rules::DESCRIBE_KEY)?;
            Ok(json!({ "KeyMetadata": world.kms.key(&place).metadata() }))
        },
    },
    Operation {
        name: "EnableKey",
        needs: |world, caller, input| vec![needs::of_key(world, caller, input, &rules::ENABLE_KEY)],
        run: |world, caller, input| {
            set_state(world, caller, input, &rules::ENABLE_KEY, KeyState::Enabled)
        },
    },
    Operation {
        name: "DisableKey",
        needs: |world, caller, input| {
            vec![needs::of_key(world, caller, input, &rules::DISABLE_KEY)]
        },
        run: |world, caller, input| {
            set_state(
                world,
                caller,
                input,
                &rules::DISABLE_KEY,
                KeyState::Disabled,
            )
        },
    },
    Operation {
        name: "UpdateKeyDescription",
        needs: |world, caller, input| {
            vec![needs::of_key(
                world,
                caller,
                input,
                &rules::UPDATE_KEY_DESCRIPTION,
            )]
        },
        run: update_key_description,
    },
    Operation {
        name: "ScheduleKeyDeletion",
        needs: |world, caller, input| {
            let days = input
                .get("PendingWindowInDays")
                .and_then(Value::as_i64)
                .unwrap_or(30);
            let need = needs::of_key(world, caller, input, &rules::SCHEDULE_KEY_DELETION);
            vec![need.with(
                "kms:ScheduleKeyDeletionPendingWindowInDays",
                vec![days.to_string()],
            )]
        },
        run: schedule_key_deletion,
    },
    Operation {
        name: "CancelKeyDeletion",
        needs: |world, caller, input| {
            vec![needs::of_key(
                world,
                caller,
                input,
                &rules::CANCEL_KEY_DELETION,
            )]
        },
        run: cancel_key_deletion,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyOnly {
    key_id: String,
}

fn set_state(
    world: &mut World,
    caller: &Caller,
    input: Value,
    rule: &rules::Rule,
    state: KeyState,
) -> Result<Value, AwsError> {
    let input: KeyOnly = read(input)?;
    let place = world.admit(caller, &input.key_id, rule)?;
    world.kms.key_mut(&place).state = state;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateKeyDescription {
    key_id: String,
    description: String,
}

fn update_key_description(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: UpdateKeyDescription = read(input)?;
    let place = world.admit(caller, &input.key_id, &rules::UPDATE_KEY_DESCRIPTION)?;
    world.kms.key_mut(&place).description = input.description;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleKeyDeletion {
    key_id: String,
    pending_window_in_days: Option<i64>,
}

/// The waiting period is 7 to 30 days, 30 by default
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>).
fn schedule_key_deletion(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: ScheduleKeyDeletion = read(input)?;
    let days = input.pending_window_in_days.unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(validation(
            "PendingWindowInDays must be between 7 and 30, inclusive",
        ));
    }
    let place = world.admit(caller, &input.key_id, &rules::SCHEDULE_KEY_DELETION)?;
    let at = days_later(caller.now, days)?;
    let key = world.kms.key_mut(&place);
    key.state = KeyState::PendingDeletion { at };
    Ok(json!({
        "KeyId": key.arn(),
        "DeletionDate": date(at),
        "KeyState": key.state.name(),
        "PendingWindowInDays": days,
    }))
}

/// A rescued key is Disabled, whatever it was before.
fn cancel_key_deletion(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: KeyOnly = read(input)?;
    let place = world.admit(caller, &input.key_id, &rules::CANCEL_KEY_DELETION)?;
    let key = world.kms.key_mut(&place);
    key.state = KeyState::Disabled;
    Ok(json!({ "KeyId": key.arn() }))
}
