//! AssumeRole: credentials of a role, for whom the role trusts.
//!
//! Whether the caller may is decided before, from the role's trust policy and the caller's own
//! policies, by the need that is declared here. Session tags, source identities and second factors
//! are not modelled.
//!
//! Unlike AWS, the root user of an account can assume roles: here it stands in for an administrator.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Principal, no_such_device};
use crate::iam;
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "AssumeRole",
    needs: assume_role_needs,
    run: assume_role,
}];

/// Sessions of roles that a role's session assumes last an hour at most
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>).
const CHAINED_SECS_MAX: u64 = 3_600;

/// How long a session lasts if nobody says.
const DURATION_DEFAULT_SECS: u64 = 3_600;

/// Characters of all session policies together, and managed ones among them
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
const POLICIES_CHARS_MAX: usize = 2_048;
const POLICY_ARNS_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRole {
    role_arn: String,
    role_session_name: String,
    policy_arns: Option<Vec<PolicyArn>>,
    policy: Option<String>,
    duration_seconds: Option<u64>,
    serial_number: Option<String>,
    token_code: Option<String>,
}

#[derive(Deserialize)]
struct PolicyArn {
    arn: Option<String>,
}

fn assume_role_needs(world: &World, _: &Caller, input: &Value) -> Vec<Need> {
    let text = |member: &str| input.get(member).and_then(Value::as_str);
    let arn = text("RoleArn").unwrap_or_default();
    let mut need = Need::new("sts:AssumeRole", arn);
    for (member, key) in [
        ("ExternalId", "sts:ExternalId"),
        ("RoleSessionName", "sts:RoleSessionName"),
    ] {
        if let Some(value) = text(member) {
            need = need.with(key, vec![value.to_owned()]);
        }
    }
    let tags = world.iam.role_of_arn(arn).map(|role| &role.tags);
    for (key, value) in tags.into_iter().flatten() {
        for prefix in ["aws:ResourceTag", "iam:ResourceTag"] {
            need = need.with(format!("{prefix}/{key}"), vec![value.clone()]);
        }
    }
    vec![need]
}

/// The session of a role as a principal. Its ARN has the role's name without path.
pub(super) fn principal(world: &World, role_arn: &str, session_name: &str) -> Option<Principal> {
    let role = world.iam.role_of_arn(role_arn)?;
    let account = role_arn.split(':').nth(4)?;
    Some(Principal {
        account: account.to_owned(),
        arn: format!(
            "arn:aws:sts::{account}:assumed-role/{}/{session_name}",
            role.name
        ),
        user_id: format!("{}:{session_name}", role.role_id),
        policy: None,
    })
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

fn assume_role(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    for member in [
        "Tags",
        "TransitiveTagKeys",
        "SourceIdentity",
        "ProvidedContexts",
        "MinimumSessionTokenSize",
    ] {
        if input.get(member).is_some() {
            return Err(AwsError::not_modelled(&format!(
                "sts:AssumeRole with {member}"
            )));
        }
    }
    let input: AssumeRole =
        serde_json::from_value(input).map_err(|error| validation(error.to_string()))?;
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(no_such_device());
    }
    let denied = || AwsError {
        status: Some(403),
        ..AwsError::new(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                caller.arn, input.role_arn
            ),
        )
    };
    let role = world.iam.role_of_arn(&input.role_arn).ok_or_else(denied)?;
    let seconds = input.duration_seconds.unwrap_or(DURATION_DEFAULT_SECS);
    if seconds > role.max_session_secs {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if caller.arn.starts_with("arn:aws:sts::") && seconds > CHAINED_SECS_MAX {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining.",
        ));
    }
    let mut principal =
        principal(world, &input.role_arn, &input.role_session_name).ok_or_else(denied)?;
    let role_account = principal.account.clone();
    let (policy, chars) = session_policy(
        world,
        &role_account,
        input.policy,
        input.policy_arns.unwrap_or_default(),
    )?;
    let other = world.sts.sessions.values().any(|session| {
        session.arn == principal.arn && session.expires > caller.now && session.policy != policy
    });
    if other {
        return Err(AwsError::not_modelled(
            "sessions of one role and name that have different session policies",
        ));
    }
    principal.policy = policy;
    let is_limited = principal.policy.is_some();
    let user = json!({ "AssumedRoleId": principal.user_id, "Arn": principal.arn });
    let credentials = world.open(principal, Duration::from_secs(seconds), caller.now)?;
    let mut answer = json!({ "Credentials": credentials.shape(), "AssumedRoleUser": user });
    if is_limited {
        // AWS packs policies in a way it does not publish; this is their share of the plain limit.
        answer["PackedPolicySize"] = (chars * 100).div_ceil(POLICIES_CHARS_MAX).into();
    }
    Ok(answer)
}

/// All session policies as one, whose statements together limit the session; and their length.
fn session_policy(
    world: &World,
    account: &str,
    inline: Option<String>,
    arns: Vec<PolicyArn>,
) -> Result<(Option<String>, usize), AwsError> {
    if arns.len() > POLICY_ARNS_MAX {
        return Err(validation(format!(
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member \
             must have length less than or equal to {POLICY_ARNS_MAX}"
        )));
    }
    if let Some(document) = &inline {
        iam::check_identity(document)?;
    }
    let mut documents: Vec<String> = inline.into_iter().collect();
    let mut chars: usize = documents.iter().map(|text| text.chars().count()).sum();
    for arn in arns.into_iter().filter_map(|of| of.arn) {
        let document = world.iam.policy_document(account, &arn).ok_or_else(|| {
            validation(format!("Policy {arn} does not exist or is not attachable."))
        })?;
        chars += arn.chars().count();
        documents.push(document.to_owned());
    }
    if chars > POLICIES_CHARS_MAX {
        return Err(AwsError::new(
            "PackedPolicyTooLarge",
            format!("Packed size of session policies exceeds {POLICIES_CHARS_MAX} characters"),
        ));
    }
    if documents.len() < 2 {
        return Ok((documents.pop(), chars));
    }
    let mut statements = Vec::new();
    for document in &documents {
        let mut document: Value = serde_json::from_str(document)
            .map_err(|error| AwsError::new("MalformedPolicyDocument", error.to_string()))?;
        let of_document = document["Statement"].take();
        if let Value::Array(more) = of_document {
            statements.extend(more);
        } else {
            statements.push(of_document);
        }
    }
    // Names need only be unique within each policy.
    for statement in &mut statements {
        if let Some(fields) = statement.as_object_mut() {
            fields.remove("Sid");
        }
    }
    let all = json!({ "Version": "2012-10-17", "Statement": statements });
    Ok((Some(all.to_string()), chars))
}
