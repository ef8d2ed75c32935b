//! Actions, resources and condition keys of calls to API Gateway.
//!
//! An action is the HTTP method of the call, its resource the path
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html>),
//! so both come from the wire table. What a request sets is seen in `apigateway:Request/...`, what is
//! there already in `apigateway:Resource/...`.

use serde_json::Value;

use super::rest_api::Api;
use super::text;
use crate::wire::model::{Location, Shape, model};
use crate::world::{Caller, Need, World};

/// The need of an operation, with every condition key that the objects on its path have.
pub(super) fn of(name: &str, world: &World, caller: &Caller, input: &Value) -> Vec<Need> {
    let (method, path) = method_and_path(name, input);
    let arn = format!("arn:aws:apigateway:{}::{path}", caller.region);
    let mut need = Need::new(&format!("apigateway:{method}"), arn);
    if let Ok(api) = world.apigateway.api(caller, input) {
        need = with_resource(need, api, input);
    }
    need = with_tags(need, input);
    vec![need]
}

/// The method of an operation and its path with the input's labels. The ARN of tags keeps the ARN of
/// their owner URL-encoded, all other labels are ids that need no encoding.
fn method_and_path(name: &str, input: &Value) -> (&'static str, String) {
    let model = model("apigateway").expect("a table of this service is there");
    let operation = &model.operations[name];
    let uri = operation.http.request_uri.split('?').next();
    let mut path = uri.unwrap_or_default().to_owned();
    let members = operation
        .input
        .iter()
        .flat_map(|side| &model.shape(&side.shape).members);
    for (member, reference) in members {
        if reference.location == Some(Location::Uri) {
            let label = format!("{{{}}}", Shape::wire_name(member, reference));
            path = path.replace(&label, &encoded(text(input, member)));
        }
    }
    (&operation.http.method, path)
}

fn encoded(label: &str) -> String {
    label
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Adds `aws:RequestTag` and `aws:TagKeys`.
fn with_tags(mut need: Need, input: &Value) -> Need {
    let mut keys = Vec::new();
    let tags = input.get("tags").and_then(Value::as_object);
    for (key, value) in tags.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        need = need.with(format!("aws:RequestTag/{key}"), vec![value]);
        keys.push(key.clone());
    }
    let removed = input.get("tagKeys").and_then(Value::as_array);
    let removed = removed.into_iter().flatten().filter_map(Value::as_str);
    keys.extend(removed.map(str::to_owned));
    if keys.is_empty() {
        need
    } else {
        need.with("aws:TagKeys", keys)
    }
}

/// Adds what the API, and the stage or method on the path, are now.
pub(super) fn with_resource(mut need: Need, api: &Api, input: &Value) -> Need {
    let mut add = |key: &str, values: Vec<String>| {
        if !values.is_empty() {
            need.context
                .insert(format!("apigateway:Resource/{key}"), values);
        }
    };
    add("ApiName", vec![api.name.clone()]);
    add("EndpointType", api.endpoint.types.clone());
    add("SecurityPolicy", vec![api.security_policy.clone()]);
    let disabled = api.definition.disable_execute_api_endpoint;
    add("DisableExecuteApiEndpoint", vec![disabled.to_string()]);
    let resource = api.definition.resources.get(text(input, "resourceId"));
    if let Some(method) = resource.and_then(|r| r.methods.get(text(input, "httpMethod"))) {
        add("ApiKeyRequired", vec![method.api_key_required.to_string()]);
        add(
            "RouteAuthorizationType",
            vec![method.authorization_type.clone()],
        );
    }
    let mut tags = api.tags.current();
    if let Some(stage) = api.stages.get(text(input, "stageName")) {
        tags = stage.tags.current();
        if let Some(logs) = &stage.access_log_settings {
            let or_none = |text: &Option<String>| text.iter().cloned().collect();
            add("AccessLoggingDestination", or_none(&logs.destination_arn));
            add("AccessLoggingFormat", or_none(&logs.format));
        }
    }
    for (key, value) in tags {
        need.context
            .insert(format!("aws:ResourceTag/{key}"), vec![value.clone()]);
    }
    need
}

/// Adds what the request sets.
pub(super) fn with_request(mut need: Need, keys: &[(&str, Option<&Value>)]) -> Need {
    for (key, value) in keys {
        let values: Vec<String> = match value {
            None | Some(Value::Null) => continue,
            Some(Value::Array(items)) => items.iter().map(plain).collect(),
            Some(value) => vec![plain(value)],
        };
        need = need.with(format!("apigateway:Request/{key}"), values);
    }
    need
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The value that the patches of an input write at a path.
pub(super) fn patched<'a>(input: &'a Value, path: &str) -> Option<&'a Value> {
    let patches = input.get("patchOperations")?.as_array()?;
    let patch = patches
        .iter()
        .rfind(|patch| text(patch, "path").starts_with(path))?;
    patch.get("value")
}

/// Whether the patches of an input touch a path.
pub(super) fn touches(input: &Value, path: &str) -> bool {
    let patches = input.get("patchOperations").and_then(Value::as_array);
    let mut patches = patches.into_iter().flatten();
    patches.any(|patch| text(patch, "path") == path)
}

/// The need to hand a role to API Gateway.
pub(super) fn pass_role(role: &str) -> Need {
    Need::new("iam:PassRole", role).with(
        "iam:PassedToService",
        vec!["apigateway.amazonaws.com".to_owned()],
    )
}
