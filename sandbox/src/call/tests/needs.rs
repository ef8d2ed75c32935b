//! What operations say they need, against AWS's Service Authorization Reference: the actions exist,
//! the resources have the form that the actions take, and the condition keys are theirs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::wire::model::{Kind, Model, models};
use crate::world::Need;

/// Written by `vectors/authorization.py`.
const REFERENCE: &str = include_str!("../../../vectors/authorization.json");

#[derive(Deserialize)]
struct Reference {
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
struct Service {
    actions: BTreeMap<String, Action>,
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
struct Action {
    resources: Vec<String>,
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Resource {
    arn: String,
    keys: Vec<String>,
}

/// Operations that any caller may use, and why.
const NEED_NOTHING: [(&str, &str); 3] = [
    // "No permissions are required, even an explicit deny does not stop it."
    ("sts", "GetCallerIdentity"),
    // "No permissions are required for users to perform this operation."
    ("sts", "GetSessionToken"),
    // Without a grant that could be found there is nothing to be allowed.
    ("kms", "RetireGrant"),
];

/// Actions on a kind of resource whose operation can ask for all resources, or does not say which.
const OF_ALL: [&str; 0] = [];

/// Members whose texts must have a form to mean something.
const SAMPLES: [(&str, &str, &str); 12] = [
    (
        "apigateway",
        "authorizerCredentials",
        "arn:aws:iam::123456789012:role/sample",
    ),
    (
        "apigateway",
        "credentials",
        "arn:aws:iam::123456789012:role/sample",
    ),
    (
        "apigateway",
        "resourceArn",
        "arn:aws:apigateway:us-east-1::/restapis/sample",
    ),
    (
        "cloudwatch",
        "ResourceARN",
        "arn:aws:cloudwatch:us-east-1:123456789012:alarm:sample",
    ),
    ("iam", "Path", "/sample/"),
    (
        "iam",
        "PolicyArn",
        "arn:aws:iam::123456789012:policy/sample",
    ),
    (
        "iam",
        "PolicySourceArn",
        "arn:aws:iam::123456789012:role/sample",
    ),
    ("kms", "AliasName", "alias/sample"),
    (
        "lambda",
        "Resource",
        "arn:aws:lambda:us-east-1:123456789012:function:sample",
    ),
    ("lambda", "Role", "arn:aws:iam::123456789012:role/sample"),
    ("logs", "roleArn", "arn:aws:iam::123456789012:role/sample"),
    ("sts", "RoleArn", "arn:aws:iam::123456789012:role/sample"),
];

/// An input of an operation with all its members, so that all needs show.
fn sample(model: &Model, shape: &str, depth: u8) -> Value {
    let shape = model.shape(shape);
    let of = |shape: &str| sample(model, shape, depth + 1);
    let member = |name: &String, shape: &str| {
        let is_it = |known: &&(&str, &str, &str)| known.0 == model.service && known.1 == name;
        let known = SAMPLES.iter().find(is_it).map(|(_, _, text)| json!(text));
        (name.clone(), known.unwrap_or_else(|| of(shape)))
    };
    match shape.kind {
        Kind::Structure => {
            let wanted = |name: &String| depth < 6 || shape.required.contains(name);
            let members = shape.members.iter().filter(|(name, _)| wanted(name));
            let take = if shape.union { 1 } else { usize::MAX };
            let members = members.take(take);
            Value::Object(members.map(|(name, m)| member(name, &m.shape)).collect())
        }
        Kind::List => {
            let member = shape.member.as_ref().filter(|_| depth < 8);
            Value::Array(member.iter().map(|member| of(&member.shape)).collect())
        }
        Kind::Map => {
            let value = shape.value.as_ref().map(|value| of(&value.shape));
            json!({ "sample": value })
        }
        Kind::String => json!(shape.allowed.first().map_or("sample", String::as_str)),
        Kind::Blob => json!("c2FtcGxl"),
        Kind::Boolean => json!(true),
        Kind::Integer | Kind::Long | Kind::Timestamp => json!(7),
        Kind::Float | Kind::Double => json!(7.5),
    }
}

/// Whether a text has the form of a template such as `arn:${Partition}:kms:${Region}:...`.
fn resembles(template: &str, text: &str) -> bool {
    let mut parts = template
        .split("${")
        .enumerate()
        .map(|(index, part)| match index {
            0 => part,
            _ => part.split_once('}').map_or(part, |(_, constant)| constant),
        });
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// What is wrong with a need.
fn problem(reference: &Reference, need: &Need) -> Option<String> {
    let (prefix, name) = need.action.split_once(':')?;
    let Some(service) = reference.services.get(prefix) else {
        return Some(format!("there is no service {prefix}"));
    };
    let Some(action) = service.actions.get(name) else {
        return Some(format!("there is no action {}", need.action));
    };
    // The data has the verbs' resources of the second API only.
    let of_rest_apis = prefix == "apigateway" && name.bytes().all(|b| b.is_ascii_uppercase());
    let kinds: Vec<_> = service
        .resources
        .iter()
        .filter(|(kind, _)| of_rest_apis || action.resources.contains(kind))
        .map(|(_, resource)| resource)
        .collect();
    let fitting: Vec<_> = kinds
        .iter()
        .filter(|kind| resembles(&kind.arn, &need.resource))
        .collect();
    let fits = match need.resource.as_str() {
        "*" => kinds.is_empty() || OF_ALL.contains(&need.action.as_str()),
        _ => !fitting.is_empty(),
    };
    if !fits {
        return Some(format!("{} does not act on {}", need.action, need.resource));
    }
    let keys = action
        .keys
        .iter()
        .chain(fitting.iter().flat_map(|kind| &kind.keys));
    let is_theirs = |key: &str| keys.clone().any(|known| resembles(known, key));
    let odd = need.context.keys().find(|key| {
        // Keys of every service are supplied for every service.
        let is_global = ["aws:ResourceTag/", "aws:SourceArn", "aws:SourceAccount"]
            .iter()
            .any(|global| key.starts_with(global));
        !is_global && !is_theirs(key)
    });
    odd.map(|key| format!("{} has no condition key {key}", need.action))
}

#[test]
fn every_operation_needs_what_aws_says() {
    let reference: Reference = serde_json::from_str(REFERENCE).unwrap();
    let world = World::new(1, Profile::Instant);
    let caller = Caller {
        account: "123456789012".into(),
        arn: "arn:aws:iam::123456789012:root".into(),
        user_id: "123456789012".into(),
        region: "us-east-1".into(),
        now: noon(),
        source: Via::Host.source(),
    };
    let mut problems = Vec::new();
    for model in models() {
        for (name, shapes) in &model.operations {
            let Some(operation) = operation(&model.service, name) else {
                continue;
            };
            let input = shapes
                .input
                .as_ref()
                .map_or_else(|| json!({}), |side| sample(model, &side.shape, 0));
            let needs = (operation.needs)(&world, &caller, &input);
            let of_nothing = NEED_NOTHING.contains(&(model.service.as_str(), name));
            if needs.is_empty() != of_nothing {
                problems.push(format!(
                    "{}:{name} has {} needs",
                    model.service,
                    needs.len()
                ));
            }
            let of_one = needs.iter().filter_map(|need| problem(&reference, need));
            problems.extend(of_one.map(|why| format!("{}:{name}: {why}", model.service)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
