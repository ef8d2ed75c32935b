//! What a function depends on in other services: the role it runs as, and the key of its environment.

use super::settings::Settings;
use super::{arn_of, invalid};
use crate::auth;
use crate::policy::{Context, Principal};
use crate::profile::Profile;
use crate::world::{AwsError, Caller, Need, World};

impl Settings {
    /// Whether Lambda can take on the role, and the role is this account's.
    pub fn check_role(&self, world: &World, caller: &Caller, name: &str) -> Result<(), AwsError> {
        let own = format!("arn:aws:iam::{}:role/", caller.account);
        if !self.role.starts_with(&own) {
            return Err(AwsError {
                status: Some(403),
                ..AwsError::new(
                    "AccessDeniedException",
                    "Cross-account pass role is not allowed.",
                )
            });
        }
        let function = arn_of(&caller.account, &caller.region, name);
        let is_usable = assumable(world, caller, &self.role, &function);
        if !is_usable {
            return Err(invalid(
                "The role defined for the function cannot be assumed by Lambda.",
            ));
        }
        if self.tracing != "Active" {
            return Ok(());
        }
        let session = as_role(world, caller, &self.role, name);
        for action in ["xray:PutTraceSegments", "xray:PutTelemetryRecords"] {
            if auth::authorize(world, &session, &[Need::new(action, "*")]).is_err() {
                return Err(invalid(
                    "The provided execution role does not have permissions to call PutTraceSegments \
                     on XRAY",
                ));
            }
        }
        Ok(())
    }

    /// Whether the key of the environment exists and is symmetric.
    pub fn check_key(&self, world: &mut World, caller: &Caller) -> Result<(), AwsError> {
        let Some(key) = &self.kms_key else {
            return Ok(());
        };
        world.kms.expire(caller.now);
        let none = Context::new();
        world
            .symmetric_key_allows(key, "lambda.amazonaws.com", &[], &none)
            .map_err(|why| {
                invalid(format!(
                    "Lambda was unable to configure access to your environment variables because the \
                     KMS key is invalid for CreateGrant. Please check your KMS key settings. ({why})"
                ))
            })
    }
}

/// Whether Lambda may assume a role for a function: it exists, has been there long enough to be
/// known everywhere, and trusts Lambda.
pub(super) fn assumable(world: &World, caller: &Caller, role: &str, function: &str) -> bool {
    let Some(found) = world.role(&caller.account, role_name(role)) else {
        return false;
    };
    let late = world.profile == Profile::Aws && caller.now < found.usable_from;
    let lambda = Principal::Service("lambda.amazonaws.com");
    // AWS documents both keys for execution roles: the source is the function.
    let context = [
        ("aws:SourceAccount".to_owned(), vec![caller.account.clone()]),
        ("aws:SourceArn".to_owned(), vec![function.to_owned()]),
    ];
    found.arn == role
        && !late
        && auth::may_assume(world, &found.trust, lambda, &context.into()).is_ok()
}

/// The name in a role's ARN, which is behind its path.
pub(super) fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The role session that a function has: its name is the function's.
pub(super) fn as_role(world: &World, caller: &Caller, role: &str, function: &str) -> Caller {
    let name = role_name(role);
    let found = world.role(&caller.account, name);
    let id = found.map_or("", |role| role.role_id.as_str());
    Caller {
        arn: format!(
            "arn:aws:sts::{}:assumed-role/{name}/{function}",
            caller.account
        ),
        user_id: format!("{id}:{function}"),
        ..caller.clone()
    }
}
