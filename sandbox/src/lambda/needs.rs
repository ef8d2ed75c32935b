//! Actions, resources and condition keys of Lambda calls, as the Service Authorization Reference lists
//! them (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html>).

use serde_json::Value;

use super::arn_of;
use super::name::Target;
use crate::world::{Caller, Need, World};

/// A text member of an input.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member)?.as_str()
}

/// The need of an operation on the function that `FunctionName` and `Qualifier` name, with the tags
/// that the function has. A name that cannot be read is named as it is.
pub(super) fn of_function(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let given = text(input, "FunctionName").unwrap_or_default();
    let Ok(target) = Target::parse(caller, given, text(input, "Qualifier")) else {
        let arn = if given.starts_with("arn:") {
            given.to_owned()
        } else {
            arn_of(&caller.account, &caller.region, given)
        };
        return Need::new(action, arn);
    };
    with_resource_tags(
        world,
        caller,
        &target,
        Need::new(action, target.arn(caller)),
    )
}

/// The need of an operation on the function of a tagging call's ARN.
pub(super) fn of_resource(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let arn = text(input, "Resource").unwrap_or_default();
    let need = Need::new(action, arn);
    match Target::parse(caller, arn, None) {
        Ok(target) => with_resource_tags(world, caller, &target, need),
        Err(_) => need,
    }
}

fn with_resource_tags(world: &World, caller: &Caller, target: &Target, need: Need) -> Need {
    let Ok(function) = world.lambda.function(caller, target) else {
        return need;
    };
    let tags = function.tags.current().iter();
    tags.fold(need, |need, (key, value)| {
        need.with(format!("aws:ResourceTag/{key}"), vec![value.clone()])
    })
}

/// Adds `aws:RequestTag/...` and `aws:TagKeys` of an input's `Tags` or `TagKeys`.
pub(super) fn with_request_tags(mut need: Need, input: &Value) -> Need {
    let mut keys = Vec::new();
    for (key, value) in input
        .get("Tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = value.as_str().unwrap_or_default().to_owned();
        need = need.with(format!("aws:RequestTag/{key}"), vec![value]);
        keys.push(key.clone());
    }
    let removed = input
        .get("TagKeys")
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

/// Adds a condition key that repeats a member of the input, if that is there.
pub(super) fn with_member(need: Need, input: &Value, member: &str, key: &str) -> Need {
    match input.get(member) {
        Some(Value::String(value)) => need.with(key, vec![value.clone()]),
        Some(Value::Bool(value)) => need.with(key, vec![value.to_string()]),
        Some(Value::Array(items)) if !items.is_empty() => {
            let items = items.iter().filter_map(Value::as_str);
            need.with(key, items.map(str::to_owned).collect())
        }
        Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => need,
    }
}

/// Adds the condition keys of layers and networks.
pub(super) fn with_surroundings(need: Need, input: &Value) -> Need {
    let need = with_member(need, input, "Layers", "lambda:Layer");
    let none = Value::Null;
    let vpc = input.get("VpcConfig").unwrap_or(&none);
    let need = with_member(need, vpc, "SubnetIds", "lambda:SubnetIds");
    with_member(need, vpc, "SecurityGroupIds", "lambda:SecurityGroupIds")
}

/// The need to hand a role to Lambda, if the call does so.
pub(super) fn pass_role(need: &Need, input: &Value) -> Option<Need> {
    let role = text(input, "Role")?;
    let passed = Need::new("iam:PassRole", role)
        .with("iam:PassedToService", vec!["lambda.amazonaws.com".into()])
        .with("iam:AssociatedResourceArn", vec![need.resource.clone()]);
    Some(passed)
}
