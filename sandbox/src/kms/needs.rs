//! Actions, resources and condition keys of KMS calls, as the Service Authorization Reference lists
//! them (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html>).

use serde_json::Value;

use super::key::{Key, arn_of};
use super::rules::{Names, Rule};
use crate::policy::Context;
use crate::world::{Caller, Need, World};

/// Condition keys that every call supplies.
pub(super) fn caller_context(caller: &Caller) -> Context {
    Context::from([("kms:CallerAccount".to_owned(), vec![caller.account.clone()])])
}

/// A text member of an input.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member)?.as_str()
}

/// The need of an operation on the key that its `KeyId` names.
pub(super) fn of_key(world: &World, caller: &Caller, input: &Value, rule: &Rule) -> Need {
    of_named_key(
        world,
        caller,
        text(input, "KeyId").unwrap_or_default(),
        rule,
    )
}

/// The need of an operation on a key. One that cannot be found is still named as well as it can be,
/// so that the caller is refused for want of permission before it learns what exists.
pub(super) fn of_named_key(world: &World, caller: &Caller, given: &str, rule: &Rule) -> Need {
    let mut need = match world.kms.find(caller, given, rule.names) {
        Ok(key) => Need {
            context: key_context(world, key),
            ..Need::new(rule.action, key.arn())
        },
        Err(_) if given.starts_with("arn:") => Need::new(rule.action, given),
        Err(_) if given.starts_with("alias/") => Need::new(rule.action, alias_arn(caller, given)),
        Err(_) => Need::new(rule.action, arn_of(&caller.account, &caller.region, given)),
    };
    need.context.extend(caller_context(caller));
    if rule.names == Names::KeyOrAlias
        && let Some(at) = given.find("alias/")
    {
        need = need.with("kms:RequestAlias", vec![given[at..].to_owned()]);
    }
    need
}

/// Condition keys that a key brings with it.
fn key_context(world: &World, key: &Key) -> Context {
    let mut context = Context::from([
        ("kms:KeyOrigin".to_owned(), vec!["AWS_KMS".to_owned()]),
        ("kms:KeySpec".to_owned(), vec![key.spec.name().to_owned()]),
        ("kms:KeyUsage".to_owned(), vec![key.usage.name().to_owned()]),
        (
            "kms:MultiRegion".to_owned(),
            vec![key.multi_region.to_string()],
        ),
    ]);
    if key.multi_region {
        context.insert("kms:MultiRegionKeyType".into(), vec!["PRIMARY".into()]);
    }
    for (tag, value) in key.tags.current() {
        context.insert(format!("aws:ResourceTag/{tag}"), vec![value.clone()]);
    }
    let aliases: Vec<_> = world
        .kms
        .keyring(&key.account, &key.region)
        .into_iter()
        .flat_map(|keyring| &keyring.aliases)
        .filter(|(_, alias)| alias.target == key.id)
        .map(|(name, _)| name.clone())
        .collect();
    if !aliases.is_empty() {
        context.insert("kms:ResourceAliases".into(), aliases);
    }
    context
}

/// The need of an operation on an alias itself.
pub(super) fn of_alias(caller: &Caller, input: &Value, rule_action: &str) -> Need {
    let name = text(input, "AliasName").unwrap_or_default();
    Need {
        context: caller_context(caller),
        ..Need::new(rule_action, alias_arn(caller, name))
    }
}

pub(super) fn alias_arn(caller: &Caller, name: &str) -> String {
    format!("arn:aws:kms:{}:{}:{name}", caller.region, caller.account)
}

/// Adds `aws:RequestTag/...` and `aws:TagKeys` of an input's `Tags`.
pub(super) fn with_request_tags(mut need: Need, input: &Value) -> Need {
    let tags = input
        .get("Tags")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut keys = Vec::new();
    for tag in tags {
        if let (Some(key), Some(value)) = (text(tag, "TagKey"), text(tag, "TagValue")) {
            need = need.with(format!("aws:RequestTag/{key}"), vec![value.to_owned()]);
            keys.push(key.to_owned());
        }
    }
    if keys.is_empty() {
        need
    } else {
        need.with("aws:TagKeys", keys)
    }
}

/// Adds a condition key that repeats a member of the input, if that is there.
pub(super) fn with_member(need: Need, input: &Value, member: &str, key: &str) -> Need {
    match input.get(member) {
        Some(Value::String(text)) => need.with(key, vec![text.clone()]),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => {
            need.with(key, vec![value.to_string()])
        }
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => need,
    }
}
