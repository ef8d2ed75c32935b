//! APIs as OpenAPI 3.0 documents: ImportRestApi, PutRestApi, GetExport.
//!
//! Modelled is what describes an API of models, validators, methods without authorisation,
//! integrations and gateway responses. Whatever else a document has is refused by its name: AWS
//! ignores some of it and would keep some of it, and neither should be guessed here. Documents are
//! JSON; Swagger 2.0 and YAML are not modelled.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

use super::rest_api::{Api, describe, policy_need};
use super::{ID, bad, needs, text};
use crate::world::{AwsError, Caller, Operation, World};

mod export;
mod import;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetExport",
        needs: |world, caller, input| needs::of("GetExport", world, caller, input),
        run: |world, caller, input| {
            let body = export::document(world, caller, &input)?;
            Ok(json!({
                "contentType": "application/json",
                "contentDisposition": format!(
                    "attachment; filename=\"oas30_{}.json\"",
                    text(&input, "restApiId")
                ),
                "body": BASE64_STANDARD.encode(body),
            }))
        },
    },
    Operation {
        name: "ImportRestApi",
        needs: |world, caller, input| with_policy("ImportRestApi", world, caller, input),
        run: create,
    },
    Operation {
        name: "PutRestApi",
        needs: |world, caller, input| with_policy("PutRestApi", world, caller, input),
        run: put,
    },
];

/// Members of a document that API Gateway adds to OpenAPI.
mod extension {
    pub const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
    pub const API_KEY_SOURCE: &str = "x-amazon-apigateway-api-key-source";
    pub const BINARY_MEDIA_TYPES: &str = "x-amazon-apigateway-binary-media-types";
    pub const GATEWAY_RESPONSES: &str = "x-amazon-apigateway-gateway-responses";
    pub const INTEGRATION: &str = "x-amazon-apigateway-integration";
    pub const MINIMUM_COMPRESSION_SIZE: &str = "x-amazon-apigateway-minimum-compression-size";
    pub const POLICY: &str = "x-amazon-apigateway-policy";
    pub const REQUEST_VALIDATOR: &str = "x-amazon-apigateway-request-validator";
    pub const REQUEST_VALIDATORS: &str = "x-amazon-apigateway-request-validators";
}

/// A document with a resource policy needs the right to set one.
fn with_policy(
    name: &str,
    world: &World,
    caller: &Caller,
    input: &Value,
) -> Vec<crate::world::Need> {
    let mut all = needs::of(name, world, caller, input);
    let has_policy = document(input).is_ok_and(|document| document.contains_key(extension::POLICY));
    if has_policy {
        all.push(policy_need(&all[0]));
    }
    all
}

/// The document in an input.
fn document(input: &Value) -> Result<Map<String, Value>, AwsError> {
    let body = BASE64_STANDARD
        .decode(text(input, "body"))
        .map_err(|error| bad(error.to_string()))?;
    let document: Map<String, Value> = serde_json::from_slice(&body).map_err(|error| {
        bad(format!(
            "Invalid OpenAPI input: the sandbox reads JSON documents only: {error}"
        ))
    })?;
    if document.contains_key("swagger") {
        return Err(AwsError::not_modelled("Swagger 2.0 documents"));
    }
    let version = document.get("openapi").and_then(Value::as_str);
    if version.is_some_and(|version| version.starts_with("3.0.")) {
        Ok(document)
    } else {
        Err(bad(
            "Invalid OpenAPI input: 'openapi' must be a version 3.0",
        ))
    }
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let document = document(&input)?;
    let id = world.random.text(ID, 10);
    let mut api = Api::new(world, caller, import::title(&document)?)?;
    let parameters = input.get("parameters").and_then(Value::as_object);
    for (key, value) in parameters.into_iter().flatten() {
        match (key.as_str(), value.as_str()) {
            ("endpointConfigurationTypes", Some(kind)) => api.set_endpoint_type(kind)?,
            // The base path of a document's servers is ignored, as it is by default.
            ("basepath", Some("ignore")) => {}
            _ => {
                return Err(AwsError::not_modelled(&format!(
                    "apigateway:ImportRestApi with {key}={value}"
                )));
            }
        }
    }
    import::apply(
        world,
        caller,
        (&id, &mut api),
        &document,
        import::Mode::Overwrite,
    )?;
    let answer = describe(&id, &api);
    world.apigateway.region_mut(caller).apis.insert(id, api);
    Ok(answer)
}

/// "merge" keeps what the document does not name, "overwrite" does not; without a mode it is "merge"
/// (API page of PutRestApi).
fn put(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let document = document(&input)?;
    if input.get("parameters").is_some() {
        return Err(AwsError::not_modelled(
            "apigateway:PutRestApi with parameters",
        ));
    }
    let mode = match text(&input, "mode") {
        "overwrite" => import::Mode::Overwrite,
        _ => import::Mode::Merge,
    };
    let id = text(&input, "restApiId").to_owned();
    let mut api = world.apigateway.api(caller, &input)?.clone();
    if mode == import::Mode::Overwrite {
        api.name = import::title(&document)?;
    }
    import::apply(world, caller, (&id, &mut api), &document, mode)?;
    let answer = describe(&id, &api);
    world.apigateway.region_mut(caller).apis.insert(id, api);
    Ok(answer)
}
