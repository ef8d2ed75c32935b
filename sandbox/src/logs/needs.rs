//! Actions, resources and condition keys of calls to CloudWatch Logs.
//!
//! The Service Authorization Reference names the resource of an operation on a group
//! `log-group:NAME`; AWS's own denials name `log-group:NAME:log-stream:`, which a policy for the
//! former alone does not match. Which one is right can be seen in a real account only, so that an
//! operation on a group needs both here: a policy that passes works either way.

use serde_json::Value;

use super::arn_of;
use crate::world::{Caller, Need};

/// A text member of an input.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member)?.as_str()
}

/// ARN of the group that an input names in one of three ways.
fn group_arn(caller: &Caller, input: &Value) -> String {
    let named = text(input, "logGroupName").or(text(input, "logGroupIdentifier"));
    let named = named
        .or(text(input, "resourceIdentifier"))
        .or(text(input, "resourceArn"));
    let named = named.unwrap_or_default();
    if named.starts_with("arn:") {
        named.strip_suffix(":*").unwrap_or(named).to_owned()
    } else {
        arn_of(&caller.account, &caller.region, named)
    }
}

/// The needs of an operation on a group.
pub(super) fn of_group(caller: &Caller, input: &Value, action: &str) -> Vec<Need> {
    let arn = group_arn(caller, input);
    vec![
        Need::new(action, arn.clone()),
        Need::new(action, format!("{arn}:log-stream:")),
    ]
}

/// The need of an operation on tags, whose resource is the group without anything at its end.
pub(super) fn of_tags(caller: &Caller, input: &Value, action: &str) -> Need {
    let mut need = Need::new(action, group_arn(caller, input));
    let tags = input.get("tags").and_then(Value::as_object);
    let mut keys = Vec::new();
    for (key, value) in tags.into_iter().flatten() {
        need = need.with(
            format!("aws:RequestTag/{key}"),
            vec![value.as_str().unwrap_or_default().to_owned()],
        );
        keys.push(key.clone());
    }
    let removed = input
        .get("tagKeys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    keys.extend(removed.filter_map(Value::as_str).map(str::to_owned));
    if keys.is_empty() {
        need
    } else {
        need.with("aws:TagKeys", keys)
    }
}

/// The need of an operation on a stream.
pub(super) fn of_stream(caller: &Caller, input: &Value, action: &str) -> Need {
    let stream = text(input, "logStreamName").unwrap_or_default();
    Need::new(
        action,
        format!("{}:log-stream:{stream}", group_arn(caller, input)),
    )
}
