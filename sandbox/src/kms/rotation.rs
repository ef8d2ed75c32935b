//! Automatic rotation, which only symmetric keys have.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::key::{Key, KeyState, Rotation, Spec, days_later};
use super::resolve::Place;
use super::{date, needs, read, rules, validation};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "EnableKeyRotation",
        needs: |world, caller, input| {
            let need = needs::of_key(world, caller, input, &rules::ENABLE_KEY_ROTATION);
            vec![needs::with_member(
                need,
                input,
                "RotationPeriodInDays",
                "kms:RotationPeriodInDays",
            )]
        },
        run: enable_key_rotation,
    },
    Operation {
        name: "DisableKeyRotation",
        needs: |world, caller, input| {
            vec![needs::of_key(
                world,
                caller,
                input,
                &rules::DISABLE_KEY_ROTATION,
            )]
        },
        run: |world, caller, input| {
            let input: RotationInput = read(input)?;
            let place = admit(world, caller, &input.key_id, &rules::DISABLE_KEY_ROTATION)?;
            world.kms.key_mut(&place).rotation = None;
            Ok(json!({}))
        },
    },
    Operation {
        name: "GetKeyRotationStatus",
        needs: |world, caller, input| {
            vec![needs::of_key(
                world,
                caller,
                input,
                &rules::GET_KEY_ROTATION_STATUS,
            )]
        },
        run: get_key_rotation_status,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RotationInput {
    key_id: String,
    rotation_period_in_days: Option<i64>,
}

/// Asymmetric keys are refused, whatever their state, but may be asked about: "the key rotation status of
/// these KMS keys is always false" (KMS API, GetKeyRotationStatus; Terraform's provider relies on it).
fn admit(
    world: &mut World,
    caller: &Caller,
    given: &str,
    rule: &rules::Rule,
) -> Result<Place, AwsError> {
    let asks = rule.operation == rules::GET_KEY_ROTATION_STATUS.operation;
    if !asks
        && world
            .kms
            .find(caller, given, rule.names)
            .is_ok_and(|key| key.spec != Spec::Symmetric)
    {
        return Err(AwsError::new(
            "UnsupportedOperationException",
            format!(
                "{} is only supported for symmetric encryption keys",
                rule.operation
            ),
        ));
    }
    world.admit(caller, given, rule)
}

/// Every 90 to 2560 days, 365 by default. A repeated call changes the period and starts it anew
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html>).
fn enable_key_rotation(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: RotationInput = read(input)?;
    let period_days = input.rotation_period_in_days.unwrap_or(365);
    if !(90..=2560).contains(&period_days) {
        return Err(validation(
            "RotationPeriodInDays must be between 90 and 2560, inclusive",
        ));
    }
    let place = admit(world, caller, &input.key_id, &rules::ENABLE_KEY_ROTATION)?;
    let rotation = Rotation {
        period_days,
        since: caller.now,
    };
    world.kms.key_mut(&place).rotation = Some(rotation);
    Ok(json!({}))
}

fn get_key_rotation_status(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: RotationInput = read(input)?;
    let place = admit(
        world,
        caller,
        &input.key_id,
        &rules::GET_KEY_ROTATION_STATUS,
    )?;
    let key = world.kms.key(&place);
    let mut answer = json!({ "KeyId": key.arn(), "KeyRotationEnabled": false });
    if let Some(rotation) = in_force(key) {
        answer["KeyRotationEnabled"] = true.into();
        answer["RotationPeriodInDays"] = rotation.period_days.into();
        answer["NextRotationDate"] = date(rotation.next(caller.now)?);
    }
    Ok(answer)
}

/// "While a KMS key is pending deletion, its key rotation status is false"; cancelling restores it.
fn in_force(key: &Key) -> Option<Rotation> {
    match key.state {
        KeyState::Enabled | KeyState::Disabled => key.rotation,
        KeyState::PendingDeletion { .. } => None,
    }
}

impl Rotation {
    fn next(self, now: Timestamp) -> Result<Timestamp, AwsError> {
        let period = SignedDuration::from_hours(24 * self.period_days);
        let passed = now.duration_since(self.since).as_secs() / period.as_secs();
        days_later(self.since, self.period_days * (passed + 1))
    }
}
