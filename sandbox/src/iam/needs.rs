//! Actions, resources and condition keys of calls to IAM, as the Service Authorization Reference has
//! them: objects by their ARN with path, the boundary and tags of an object that exists, the tags of
//! the request.

use serde_json::Value;

use crate::tagging::Tags;
use crate::world::{Caller, Need, World};

/// A text member of an input.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> &'a str {
    input
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The ARN of an object that does not exist yet, or never did.
pub(super) fn arn(caller: &Caller, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{}:{kind}{path}{name}", caller.account)
}

/// Needs without a resource.
pub(super) fn of_all(action: &str) -> Vec<Need> {
    vec![Need::new(action, "*")]
}

fn with_resource_tags(mut need: Need, tags: &Tags) -> Need {
    for (key, value) in tags {
        for prefix in ["aws:ResourceTag", "iam:ResourceTag"] {
            need = need.with(format!("{prefix}/{key}"), vec![value.clone()]);
        }
    }
    need
}

/// The need of an operation on the role that the input names. A role that does not exist is asked
/// for by the ARN it would have at the root of all paths.
pub(super) fn of_role(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let name = text(input, "RoleName");
    match world.iam.role(&caller.account, name) {
        Some(role) => with_resource_tags(Need::new(action, role.arn.clone()), &role.tags),
        None => Need::new(action, arn(caller, "role", "/", name)),
    }
}

/// The same with the role's boundary as `iam:PermissionsBoundary`: who may change only roles with a
/// certain boundary is limited by it.
pub(super) fn of_bounded_role(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let need = of_role(world, caller, input, action);
    let role = world.iam.role(&caller.account, text(input, "RoleName"));
    with_boundary(need, role.and_then(|role| role.boundary.as_deref()))
}

/// The need of an operation on the user that the input names, else on the caller.
pub(super) fn of_user(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let Some(name) = input.get("UserName").and_then(Value::as_str) else {
        return Need::new(action, caller.arn.clone());
    };
    match world.iam.user(&caller.account, name) {
        Some(user) => with_resource_tags(Need::new(action, user.arn.clone()), &user.tags),
        None => Need::new(action, arn(caller, "user", "/", name)),
    }
}

/// The same with the user's boundary.
pub(super) fn of_bounded_user(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let need = of_user(world, caller, input, action);
    let user = world.iam.user(&caller.account, text(input, "UserName"));
    with_boundary(need, user.and_then(|user| user.boundary.as_deref()))
}

/// The need of an operation on the managed policy that the input names.
pub(super) fn of_policy(world: &World, input: &Value, action: &str) -> Need {
    let arn = text(input, "PolicyArn");
    let need = Need::new(action, arn);
    // Unlike roles and users, policies have no `iam:ResourceTag`.
    let tags = world.iam.managed(arn).map(|policy| &policy.tags);
    tags.into_iter().flatten().fold(need, |need, (key, value)| {
        need.with(format!("aws:ResourceTag/{key}"), vec![value.clone()])
    })
}

/// Adds a boundary as condition key.
pub(super) fn with_boundary(need: Need, boundary: Option<&str>) -> Need {
    match boundary {
        Some(arn) => need.with("iam:PermissionsBoundary", vec![arn.to_owned()]),
        None => need,
    }
}

/// Adds `aws:RequestTag` and `aws:TagKeys` of the tags in an input.
pub(super) fn with_request_tags(mut need: Need, input: &Value) -> Need {
    let tags = input.get("Tags").and_then(Value::as_array);
    let mut keys = Vec::new();
    for tag in tags.into_iter().flatten() {
        let key = text(tag, "Key");
        need = need.with(
            format!("aws:RequestTag/{key}"),
            vec![text(tag, "Value").to_owned()],
        );
        keys.push(key.to_owned());
    }
    let removed = input.get("TagKeys").and_then(Value::as_array);
    let removed = removed.into_iter().flatten().filter_map(Value::as_str);
    keys.extend(removed.map(str::to_owned));
    if keys.is_empty() {
        need
    } else {
        need.with("aws:TagKeys", keys)
    }
}

/// The needs of making an object: with tags in the request, also the action that tags it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>).
pub(super) fn of_new(need: Need, input: &Value, tagging: &str) -> Vec<Need> {
    let need = with_request_tags(need, input);
    let tags = input.get("Tags").and_then(Value::as_array);
    if tags.is_none_or(Vec::is_empty) {
        return vec![need];
    }
    let mut tag = Need::new(tagging, need.resource.clone());
    tag.context = need.context.clone();
    tag.context.remove("iam:PermissionsBoundary");
    vec![need, tag]
}
