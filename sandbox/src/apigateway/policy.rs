//! Resource policies of REST APIs: how they are stored and how they are shown.

use serde_json::Value;

use super::bad;
use crate::policy::Policy;
use crate::world::{AwsError, Caller};

/// Longest policy ("API Gateway resource policy size", quotas page: 8,192 bytes).
const SIZE_MAX: usize = 8192;

/// A policy as it is stored: checked for form, abbreviated resources expanded, white space gone.
///
/// `execute-api:/STAGE/METHOD/PATH` stands for the API's own ARN; "If you use the simplified format
/// … API Gateway expands it"
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-examples.html>).
pub(super) fn stored(caller: &Caller, api: &str, document: &str) -> Result<String, AwsError> {
    let invalid = |why: String| {
        bad(format!(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are \
             valid. ({why})"
        ))
    };
    Policy::parse(document).map_err(|why| invalid(why.to_string()))?;
    let mut policy: Value =
        serde_json::from_str(document).map_err(|why| invalid(why.to_string()))?;
    let own = format!(
        "arn:aws:execute-api:{}:{}:{api}/",
        caller.region, caller.account
    );
    let statements = match policy.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    };
    for statement in statements {
        for element in ["Resource", "NotResource"] {
            match statement.get_mut(element) {
                Some(Value::Array(items)) => items.iter_mut().for_each(|item| expand(item, &own)),
                Some(item) => expand(item, &own),
                None => {}
            }
        }
    }
    let text = policy.to_string();
    if text.len() > SIZE_MAX {
        return Err(bad(format!(
            "Invalid policy document. The policy has {} bytes, at most {SIZE_MAX} are allowed",
            text.len()
        )));
    }
    Ok(text)
}

fn expand(resource: &mut Value, own: &str) {
    let rest = resource
        .as_str()
        .and_then(|text| text.strip_prefix("execute-api:/"));
    if let Some(rest) = rest {
        *resource = format!("{own}{rest}").into();
    }
}

/// A policy as GetRestApi shows it: escaped once more, with `\"` and `\/`, so that a reader has to
/// unescape the text before it is JSON. AWS's own CLI examples have it so, and Terraform's provider
/// relies on it.
pub(super) fn escaped(policy: &str) -> String {
    policy
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('/', "\\/")
}

/// A policy that a client may have taken from GetRestApi as it is: without the extra escapes.
pub(super) fn unescaped(policy: &str) -> String {
    if policy.trim_start().starts_with("{\\\"") {
        policy
            .replace("\\/", "/")
            .replace("\\\"", "\"")
            .replace("\\\\", "\\")
    } else {
        policy.to_owned()
    }
}
