//! GetKeyPolicy and PutKeyPolicy.

use serde::Deserialize;
use serde_json::{Value, json};

use super::create::check_policy;
use super::{needs, read, rules};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetKeyPolicy",
        needs: |world, caller, input| {
            vec![needs::of_key(world, caller, input, &rules::GET_KEY_POLICY)]
        },
        run: get_key_policy,
    },
    Operation {
        name: "PutKeyPolicy",
        needs: |world, caller, input| {
            let need = needs::of_key(world, caller, input, &rules::PUT_KEY_POLICY);
            let bypass = "BypassPolicyLockoutSafetyCheck";
            vec![needs::with_member(
                need,
                input,
                bypass,
                "kms:BypassPolicyLockoutSafetyCheck",
            )]
        },
        run: put_key_policy,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
}

fn get_key_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GetKeyPolicy = read(input)?;
    let place = world.admit(caller, &input.key_id, &rules::GET_KEY_POLICY)?;
    check_name(input.policy_name.as_deref())?;
    Ok(json!({ "Policy": world.kms.key(&place).policy, "PolicyName": "default" }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
    policy: String,
    bypass_policy_lockout_safety_check: Option<bool>,
}

fn put_key_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: PutKeyPolicy = read(input)?;
    let place = world.admit(caller, &input.key_id, &rules::PUT_KEY_POLICY)?;
    check_name(input.policy_name.as_deref())?;
    let mut changed = world.kms.key(&place).clone();
    changed.policy = input.policy;
    let bypass = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    check_policy(&changed, &world.iam, caller, bypass)?;
    world.kms.key_mut(&place).policy = changed.policy;
    Ok(json!({}))
}

/// "The only valid value is default."
fn check_name(name: Option<&str>) -> Result<(), AwsError> {
    match name {
        None | Some("default") => Ok(()),
        Some(_) => Err(AwsError::new("NotFoundException", "No such policy exists")),
    }
}
