//! The settings of API Gateway for one account and region: who writes its logs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::patch::patches;
use super::{bad, needs, page};
use crate::auth;
use crate::policy::{Context, Principal};
use crate::world::{AwsError, Caller, Operation, World};

/// Requests that all APIs of an account together may get at once and per second
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>).
pub(super) const BURST_LIMIT: i64 = 5000;
pub(super) const RATE_LIMIT: f64 = 10_000.0;

/// What an account can set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Account {
    /// The role by which API Gateway writes logs of all APIs.
    pub cloudwatch_role_arn: Option<String>,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetAccount",
        needs: |world, caller, input| needs::of("GetAccount", world, caller, input),
        run: |world, caller, _| Ok(describe(world, caller)),
    },
    Operation {
        name: "UpdateAccount",
        needs: |world, caller, input| {
            let mut all = needs::of("UpdateAccount", world, caller, input);
            let role = needs::patched(input, "/cloudwatchRoleArn").and_then(Value::as_str);
            if let Some(role) = role.filter(|role| !role.is_empty()) {
                all.push(needs::pass_role(role));
            }
            all
        },
        run: update,
    },
    Operation {
        name: "GetClientCertificates",
        needs: |world, caller, input| needs::of("GetClientCertificates", world, caller, input),
        // None can be made here.
        run: |_, _, input| page("GetClientCertificates", [], &input),
    },
];

fn describe(world: &World, caller: &Caller) -> Value {
    let mut shown = json!({
        "throttleSettings": { "burstLimit": BURST_LIMIT, "rateLimit": RATE_LIMIT },
        "features": ["UsagePlans"],
        "apiKeyVersion": "4",
    });
    let region = world.apigateway.region(&caller.account, &caller.region);
    if let Some(role) = region.and_then(|region| region.account.cloudwatch_role_arn.as_ref()) {
        shown["cloudwatchRoleArn"] = role.as_str().into();
    }
    shown
}

fn update(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let mut role = world
        .apigateway
        .region_mut(caller)
        .account
        .cloudwatch_role_arn
        .clone();
    for patch in patches(&input)? {
        match patch.path() {
            "/cloudwatchRoleArn" => {
                patch.apply_option(&mut role)?;
                if let Some(arn) = &role {
                    check_role(world, caller, arn)?;
                }
            }
            // "UsagePlans" is the only feature there is, and on for every account since 2016.
            "/features" => {
                if patch.text()? != "UsagePlans" {
                    return Err(bad("Invalid feature specified"));
                }
            }
            _ => return Err(patch.unknown(&["/cloudwatchRoleArn", "/features"])),
        }
    }
    world
        .apigateway
        .region_mut(caller)
        .account
        .cloudwatch_role_arn = role;
    Ok(describe(world, caller))
}

/// "The role ARN does not have required permissions configured" is said of a role that API Gateway
/// cannot take, whatever the reason.
fn check_role(world: &World, caller: &Caller, arn: &str) -> Result<(), AwsError> {
    let principal = Principal::Service("apigateway.amazonaws.com");
    let context = Context::from([("aws:SourceAccount".to_owned(), vec![caller.account.clone()])]);
    let role = arn.rsplit('/').next();
    let trusts = role
        .and_then(|name| world.role(&caller.account, name))
        .filter(|role| role.arn == arn)
        .is_some_and(|role| auth::may_assume(world, &role.trust, principal, &context).is_ok());
    if trusts {
        Ok(())
    } else {
        Err(bad(
            "The role ARN does not have required permissions configured. Please grant trust \
             permission for API Gateway and add the required role policy.",
        ))
    }
}
