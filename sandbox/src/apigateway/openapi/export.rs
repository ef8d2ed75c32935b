//! GetExport: a stage's deployment as a document.

use serde_json::{Map, Value, json};

use super::extension;
use crate::apigateway::integration::Integration;
use crate::apigateway::method::Method;
use crate::apigateway::rest_api::Definition;
use crate::apigateway::{bad, shown, text};
use crate::world::{AwsError, Caller, World};

/// How much of API Gateway's own the document shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extensions {
    None,
    Integrations,
    All,
}

/// The document, pretty-printed as AWS has it.
pub(super) fn document(world: &World, caller: &Caller, input: &Value) -> Result<String, AwsError> {
    match text(input, "exportType") {
        "oas30" => {}
        "swagger" => return Err(AwsError::not_modelled("Swagger 2.0 documents")),
        other => return Err(bad(format!("Invalid export type '{other}'"))),
    }
    let accepts = text(input, "accepts");
    if !matches!(accepts, "" | "*/*" | "application/json") {
        return Err(AwsError::not_modelled(&format!("exports as {accepts}")));
    }
    let parameters = input.get("parameters").cloned().unwrap_or(json!({}));
    let extensions = match text(&parameters, "extensions") {
        "" => Extensions::None,
        "integrations" => Extensions::Integrations,
        "apigateway" => Extensions::All,
        other => {
            return Err(AwsError::not_modelled(&format!(
                "exports with extensions={other}"
            )));
        }
    };
    let api = world.apigateway.api(caller, input)?;
    let (id, name) = (text(input, "restApiId"), text(input, "stageName"));
    let deployment = api.deployment(&api.stage(name)?.deployment_id)?;
    let definition = &deployment.definition;
    let version = api.version.clone().unwrap_or_else(|| {
        deployment
            .created
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    });
    let mut info = json!({ "title": api.name, "version": version });
    if let Some(description) = &api.description {
        info["description"] = description.as_str().into();
    }
    let host = format!("{id}.execute-api.{}.amazonaws.com", caller.region);
    let mut document = json!({
        "openapi": "3.0.1",
        "info": info,
        "servers": [{
            "url": format!("https://{host}/{{basePath}}"),
            "variables": { "basePath": { "default": name } },
        }],
        "paths": paths(definition, extensions),
        "components": components(definition),
    });
    if extensions == Extensions::All
        && let Some(members) = document.as_object_mut()
    {
        members.extend(own_members(definition));
    }
    serde_json::to_string_pretty(&document).map_err(|error| bad(error.to_string()))
}

fn paths(definition: &Definition, extensions: Extensions) -> Value {
    let mut paths = Map::new();
    for resource in definition.resources.values() {
        let methods = resource.methods.iter().map(|(verb, method)| {
            let key = match verb.as_str() {
                "ANY" => extension::ANY_METHOD.to_owned(),
                verb => verb.to_lowercase(),
            };
            (key, operation(definition, method, extensions))
        });
        let methods: Map<String, Value> = methods.collect();
        if !methods.is_empty() {
            paths.insert(resource.path.clone(), methods.into());
        }
    }
    paths.into()
}

fn operation(definition: &Definition, method: &Method, extensions: Extensions) -> Value {
    let mut out = Map::new();
    let mut add = |name: &str, value: Value| out.insert(name.to_owned(), value);
    if let Some(name) = &method.operation_name {
        add("operationId", name.as_str().into());
    }
    let parameters = method.request_parameters.iter();
    let parameters: Vec<Value> = parameters
        .filter_map(|(key, required)| {
            let (place, name) = key.strip_prefix("method.request.")?.split_once('.')?;
            let place = if place == "querystring" {
                "query"
            } else {
                place
            };
            let mut parameter =
                json!({ "name": name, "in": place, "schema": { "type": "string" } });
            if *required {
                parameter["required"] = true.into();
            }
            Some(parameter)
        })
        .collect();
    if !parameters.is_empty() {
        add("parameters", parameters.into());
    }
    if !method.request_models.is_empty() {
        let content = content(&method.request_models);
        add(
            "requestBody",
            json!({ "content": content, "required": true }),
        );
    }
    let responses = method.method_responses.iter().map(|(status, response)| {
        let mut shown = json!({ "description": format!("{status} response") });
        let headers = response.response_parameters.keys();
        let headers: Map<String, Value> = headers
            .filter_map(|key| key.strip_prefix("method.response.header."))
            .map(|name| (name.to_owned(), json!({ "schema": { "type": "string" } })))
            .collect();
        if !headers.is_empty() {
            shown["headers"] = headers.into();
        }
        if !response.response_models.is_empty() {
            shown["content"] = content(&response.response_models);
        }
        (status.clone(), shown)
    });
    let responses: Map<String, Value> = responses.collect();
    if !responses.is_empty() {
        add("responses", responses.into());
    }
    if extensions == Extensions::All {
        let id = method.request_validator_id.as_ref();
        let validator = id.and_then(|id| definition.validators.get(id)?.name.clone());
        if let Some(name) = validator {
            add(extension::REQUEST_VALIDATOR, name.into());
        }
    }
    if let Some(integration) = &method.method_integration
        && extensions != Extensions::None
    {
        add(extension::INTEGRATION, integration_of(integration));
    }
    out.into()
}

/// Media types and references to models.
fn content(models: &std::collections::BTreeMap<String, String>) -> Value {
    models
        .iter()
        .map(|(kind, name)| {
            let reference = format!("#/components/schemas/{name}");
            (kind.clone(), json!({ "schema": { "$ref": reference } }))
        })
        .collect()
}

/// An integration in the form of the extension: types and behaviours in lower case, responses by
/// what selects them, and nothing that is the default.
fn integration_of(integration: &Integration) -> Value {
    let mut out = shown(integration);
    let members = out.as_object_mut().expect("an integration is an object");
    for name in ["type", "passthroughBehavior"] {
        if let Some(value) = members.get_mut(name) {
            *value = value.as_str().unwrap_or_default().to_lowercase().into();
        }
    }
    for name in [
        "cacheNamespace",
        "cacheKeyParameters",
        "responseTransferMode",
    ] {
        members.remove(name);
    }
    members.remove("integrationResponses");
    let responses = integration.integration_responses.values().map(|response| {
        let mut shown = shown(response);
        let pattern = response.selection_pattern.as_deref().unwrap_or_default();
        if let Some(members) = shown.as_object_mut() {
            members.remove("selectionPattern");
        }
        let key = if pattern.is_empty() {
            "default"
        } else {
            pattern
        };
        (key.to_owned(), shown)
    });
    let responses: Map<String, Value> = responses.collect();
    if !responses.is_empty() {
        members.insert("responses".into(), responses.into());
    }
    out
}

fn components(definition: &Definition) -> Value {
    let schemas = definition.models.values().filter_map(|model| {
        let mut schema: Value = serde_json::from_str(model.schema.as_deref()?).ok()?;
        if let Some(members) = schema.as_object_mut() {
            members.remove("$schema");
        }
        Some((model.name.clone(), schema))
    });
    json!({ "schemas": schemas.collect::<Map<_, _>>() })
}

/// The members that only API Gateway knows.
fn own_members(definition: &Definition) -> Map<String, Value> {
    let mut out = Map::new();
    let mut add = |name: &str, value: Value| out.insert(name.to_owned(), value);
    let policy = definition.policy.as_deref();
    if let Some(policy) = policy.and_then(|policy| serde_json::from_str(policy).ok()) {
        add(extension::POLICY, policy);
    }
    if !definition.gateway_responses.is_empty() {
        let responses = definition.gateway_responses.iter();
        let responses = responses.map(|(kind, response)| {
            let mut shown = json!({});
            if let Some(status) = &response.status_code {
                // Numbers here, unlike everywhere else.
                shown["statusCode"] = status.parse::<u16>().ok().into();
            }
            if !response.response_parameters.is_empty() {
                shown["responseParameters"] = json!(response.response_parameters);
            }
            if !response.response_templates.is_empty() {
                shown["responseTemplates"] = json!(response.response_templates);
            }
            (kind.clone(), shown)
        });
        add(
            extension::GATEWAY_RESPONSES,
            responses.collect::<Map<_, _>>().into(),
        );
    }
    let validators = definition.validators.values().filter_map(|validator| {
        let flags = json!({
            "validateRequestBody": validator.validate_request_body,
            "validateRequestParameters": validator.validate_request_parameters,
        });
        Some((validator.name.clone()?, flags))
    });
    let validators: Map<_, _> = validators.collect();
    if !validators.is_empty() {
        add(extension::REQUEST_VALIDATORS, validators.into());
    }
    if !definition.binary_media_types.is_empty() {
        add(
            extension::BINARY_MEDIA_TYPES,
            json!(definition.binary_media_types),
        );
    }
    if let Some(size) = definition.minimum_compression_size {
        add(extension::MINIMUM_COMPRESSION_SIZE, size.into());
    }
    if definition.api_key_source != "HEADER" {
        add(
            extension::API_KEY_SOURCE,
            definition.api_key_source.as_str().into(),
        );
    }
    out
}
