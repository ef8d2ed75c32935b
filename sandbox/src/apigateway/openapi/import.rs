//! From a document to an API's definition.

use serde_json::{Map, Value, json};

use super::extension;
use crate::apigateway::gateway_response::GatewayResponse;
use crate::apigateway::integration::Integration;
use crate::apigateway::method::Method;
use crate::apigateway::model::Model;
use crate::apigateway::rest_api::{Api, Definition};
use crate::apigateway::validator::Validator;
use crate::apigateway::{ID, bad, policy, read};
use crate::world::{AwsError, Caller, World};

/// What becomes of what the document does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Merge,
    Overwrite,
}

type Members = Map<String, Value>;

/// The name of the API.
pub(super) fn title(document: &Members) -> Result<String, AwsError> {
    let title = document.get("info").and_then(|info| info.get("title"));
    match title.and_then(Value::as_str) {
        Some(title) => Ok(title.to_owned()),
        None => Err(bad("Invalid OpenAPI input: info.title is missing")),
    }
}

/// Writes a document into an API. Paths that exist keep the ids of their resources.
pub(super) fn apply(
    world: &mut World,
    caller: &Caller,
    (id, api): (&str, &mut Api),
    document: &Members,
    mode: Mode,
) -> Result<(), AwsError> {
    known(
        document,
        "a document",
        &[
            "openapi",
            "info",
            "servers",
            "paths",
            "components",
            extension::API_KEY_SOURCE,
            extension::BINARY_MEDIA_TYPES,
            extension::GATEWAY_RESPONSES,
            extension::MINIMUM_COMPRESSION_SIZE,
            extension::POLICY,
            extension::REQUEST_VALIDATOR,
            extension::REQUEST_VALIDATORS,
        ],
    )?;
    let info = object(document, "info")?;
    known(&info, "info", &["title", "description", "version"])?;
    let text_of = |name: &str| info.get(name).and_then(Value::as_str).map(str::to_owned);
    api.version = text_of("version").or(api.version.take());
    api.description = text_of("description").or(api.description.take());
    if mode == Mode::Overwrite {
        api.definition.forget();
    }
    api_wide(caller, id, &mut api.definition, document)?;
    for (name, schema) in &object(&object(document, "components")?, "schemas")? {
        let old = api.definition.models.get(name).map(|old| old.id.clone());
        let model = Model {
            id: old.unwrap_or_else(|| world.random.text(ID, 6)),
            name: name.clone(),
            description: None,
            schema: Some(format!("{schema:#}")),
            content_type: "application/json".into(),
        };
        model.check()?;
        api.definition.models.insert(name.clone(), model);
    }
    for (name, flags) in &object(document, extension::REQUEST_VALIDATORS)? {
        let mut validators = api.definition.validators.iter();
        let old = validators.find(|(_, old)| old.name.as_ref() == Some(name));
        let validator_id = old.map(|(id, _)| id.clone());
        let validator_id = validator_id.unwrap_or_else(|| world.random.text(ID, 6));
        let validator = Validator {
            id: validator_id.clone(),
            name: Some(name.clone()),
            ..read(flags.clone())?
        };
        api.definition.validators.insert(validator_id, validator);
    }
    let default_validator = document.get(extension::REQUEST_VALIDATOR);
    for (path, item) in &object(document, "paths")? {
        let resource_id = resource(world, &mut api.definition, path)?;
        let Some(operations) = item.as_object() else {
            return Err(bad(format!("Invalid OpenAPI input: {path} is no object")));
        };
        for (verb, operation) in operations {
            let method = method(
                &api.definition,
                (caller, &resource_id),
                (path, verb, operation),
                default_validator,
            )?;
            if let Some(resource) = api.definition.resources.get_mut(&resource_id) {
                resource.methods.insert(method.http_method.clone(), method);
            }
        }
    }
    Ok(())
}

impl Definition {
    /// Leaves nothing but the ids of paths, which are filled again.
    fn forget(&mut self) {
        self.models.clear();
        self.validators.clear();
        self.gateway_responses.clear();
        self.authorizers.clear();
        self.binary_media_types.clear();
        self.minimum_compression_size = None;
        self.policy = None;
        let root = self.root.clone();
        self.resources.retain(|id, _| *id == root);
        self.resources
            .values_mut()
            .for_each(|resource| resource.methods.clear());
    }
}

fn api_wide(
    caller: &Caller,
    id: &str,
    definition: &mut Definition,
    document: &Members,
) -> Result<(), AwsError> {
    if let Some(document) = document.get(extension::POLICY) {
        definition.policy = Some(policy::stored(caller, id, &document.to_string())?);
    }
    if let Some(types) = document.get(extension::BINARY_MEDIA_TYPES) {
        definition.binary_media_types = read(types.clone())?;
    }
    if let Some(size) = document.get(extension::MINIMUM_COMPRESSION_SIZE) {
        definition.minimum_compression_size = Some(read(size.clone())?);
    }
    if let Some(source) = document.get(extension::API_KEY_SOURCE) {
        definition.api_key_source = read(source.clone())?;
    }
    for (kind, response) in &object(document, extension::GATEWAY_RESPONSES)? {
        let mut response = response.clone();
        if let Some(status) = response.get_mut("statusCode") {
            *status = status.to_string().trim_matches('"').into();
        }
        let response: GatewayResponse = read(response)?;
        response.check()?;
        definition.gateway_responses.insert(kind.clone(), response);
    }
    Ok(())
}

/// The id of the resource of a path, which is made with all above it if it is not there.
fn resource(
    world: &mut World,
    definition: &mut Definition,
    path: &str,
) -> Result<String, AwsError> {
    let mut at = definition.root.clone();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let child = definition
            .resources
            .iter()
            .find(|(_, resource)| resource.parent.as_ref() == Some(&at) && resource.part == part);
        at = match child.map(|(id, _)| id.clone()) {
            Some(id) => id,
            None => {
                let id = world.random.text(ID, 6);
                definition.add_resource(id.clone(), &at, part)?;
                id
            }
        };
    }
    Ok(at)
}

fn method(
    definition: &Definition,
    (caller, resource_id): (&Caller, &str),
    (path, verb, operation): (&str, &str, &Value),
    default_validator: Option<&Value>,
) -> Result<Method, AwsError> {
    let at = format!("{verb} {path}");
    let verb = match verb {
        extension::ANY_METHOD => "ANY".to_owned(),
        "get" | "put" | "post" | "delete" | "options" | "head" | "patch" => verb.to_uppercase(),
        other => {
            return Err(AwsError::not_modelled(&format!(
                "'{other}' in the path {path}"
            )));
        }
    };
    let Some(operation) = operation.as_object() else {
        return Err(bad(format!("Invalid OpenAPI input: {at} is no object")));
    };
    known(
        operation,
        &at,
        &[
            "operationId",
            "parameters",
            "requestBody",
            "responses",
            extension::INTEGRATION,
            extension::REQUEST_VALIDATOR,
        ],
    )?;
    let mut input = json!({
        "httpMethod": verb,
        "authorizationType": "NONE",
        "requestModels": models(&object(operation, "requestBody")?)?,
    });
    if let Some(name) = operation.get("operationId") {
        input["operationName"] = name.clone();
    }
    let parameters = operation.get("parameters").and_then(Value::as_array);
    for parameter in parameters.into_iter().flatten() {
        let member = |name: &str| {
            parameter
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let place = match member("in") {
            "query" => "querystring",
            place @ ("header" | "path") => place,
            other => {
                return Err(AwsError::not_modelled(&format!(
                    "a parameter in '{other}' of {at}"
                )));
            }
        };
        let required = parameter.get("required").cloned().unwrap_or(false.into());
        let key = format!("method.request.{place}.{}", member("name"));
        input["requestParameters"][key] = required;
    }
    for (status, response) in &object(operation, "responses")? {
        let mut shown = json!({ "statusCode": status });
        let members = response.as_object().cloned().unwrap_or_default();
        known(&members, &at, &["description", "headers", "content"])?;
        shown["responseModels"] = models(&members)?;
        for name in object(&members, "headers")?.keys() {
            shown["responseParameters"][format!("method.response.header.{name}")] = false.into();
        }
        input["methodResponses"][status] = shown;
    }
    let validator = operation
        .get(extension::REQUEST_VALIDATOR)
        .or(default_validator);
    if let Some(name) = validator.and_then(Value::as_str) {
        let mut validators = definition.validators.iter();
        let found = validators.find(|(_, known)| known.name.as_deref() == Some(name));
        match found {
            Some((id, _)) => input["requestValidatorId"] = id.as_str().into(),
            None => return Err(bad(format!("Invalid request validator '{name}' in {at}"))),
        }
    }
    let mut method: Method = read(input)?;
    definition.check_method(&method)?;
    for response in method.method_responses.values() {
        definition.check_response(response)?;
    }
    if let Some(integration) = operation.get(extension::INTEGRATION) {
        method.method_integration = Some(integration_of(caller, resource_id, integration, &at)?);
    }
    Ok(method)
}

/// Names of models by media type, of a request body or a response.
fn models(holder: &Members) -> Result<Value, AwsError> {
    let mut models = Map::new();
    for (kind, content) in &object(holder, "content")? {
        let reference = content
            .pointer("/schema/$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix("#/components/schemas/"));
        match reference {
            Some(name) => models.insert(kind.clone(), name.into()),
            None => {
                return Err(AwsError::not_modelled(
                    "schemas that are not a reference to #/components/schemas",
                ));
            }
        };
    }
    Ok(models.into())
}

fn integration_of(
    caller: &Caller,
    resource_id: &str,
    value: &Value,
    at: &str,
) -> Result<Integration, AwsError> {
    let mut members = value.as_object().cloned().unwrap_or_default();
    known(
        &members,
        &format!("the integration of {at}"),
        &[
            "type",
            "httpMethod",
            "uri",
            "credentials",
            "connectionId",
            "connectionType",
            "contentHandling",
            "passthroughBehavior",
            "requestParameters",
            "requestTemplates",
            "responses",
            "timeoutInMillis",
            "tlsConfig",
        ],
    )?;
    for name in ["type", "passthroughBehavior", "connectionType"] {
        if let Some(value) = members.get_mut(name) {
            *value = value.as_str().unwrap_or_default().to_uppercase().into();
        }
    }
    let mut responses = Map::new();
    for (pattern, response) in &object(&members, "responses")? {
        let mut response = response.clone();
        if pattern != "default" {
            response["selectionPattern"] = pattern.as_str().into();
        }
        let status = response.get("statusCode").map(Value::to_string);
        let status = status.unwrap_or_else(|| "200".into());
        let status = status.trim_matches('"').to_owned();
        response["statusCode"] = status.as_str().into();
        responses.insert(status, response);
    }
    members.remove("responses");
    members.insert("integrationResponses".into(), responses.into());
    members.insert("cacheNamespace".into(), resource_id.into());
    let integration: Integration = read(members.into())?;
    integration.check(caller)?;
    Ok(integration)
}

/// An object in an object; none is an empty one.
fn object(holder: &Members, name: &str) -> Result<Members, AwsError> {
    match holder.get(name) {
        None => Ok(Members::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(_) => Err(bad(format!("Invalid OpenAPI input: {name} is no object"))),
    }
}

fn known(members: &Members, of: &str, names: &[&str]) -> Result<(), AwsError> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(other) => Err(AwsError::not_modelled(&format!("'{other}' in {of}"))),
        None => Ok(()),
    }
}
