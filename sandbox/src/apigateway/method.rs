//! Methods of resources, and the responses they declare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::integration::Integration;
use super::needs;
use super::patch::{Edit, Patch, patches};
use super::rest_api::Definition;
use super::{bad, conflict, not_found, read, shown, text};
use crate::world::{AwsError, Caller, Need, Operation, World};

/// A method; its members are those of AWS's `Method`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Method {
    pub http_method: String,
    pub authorization_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer_id: Option<String>,
    #[serde(default)]
    pub api_key_required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_validator_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// Whether each parameter is required.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_parameters: BTreeMap<String, bool>,
    /// Names of models by content type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_models: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_scopes: Vec<String>,
    /// By status code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub method_responses: BTreeMap<String, MethodResponse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method_integration: Option<Integration>,
}

/// A response that a method declares.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MethodResponse {
    pub status_code: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub response_parameters: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub response_models: BTreeMap<String, String>,
}

const HTTP_METHODS: [&str; 8] = [
    "GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY",
];

const AUTHORIZATION_TYPES: [&str; 4] = ["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutMethod",
        needs: |world, caller, input| {
            requested(
                needs::of("PutMethod", world, caller, input),
                input.get("apiKeyRequired"),
                input.get("authorizationType"),
            )
        },
        run: put,
    },
    Operation {
        name: "GetMethod",
        needs: |world, caller, input| needs::of("GetMethod", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            Ok(shown(definition.method(&input)?))
        },
    },
    Operation {
        name: "UpdateMethod",
        needs: |world, caller, input| {
            requested(
                needs::of("UpdateMethod", world, caller, input),
                needs::patched(input, "/apiKeyRequired"),
                needs::patched(input, "/authorizationType"),
            )
        },
        run: update,
    },
    Operation {
        name: "DeleteMethod",
        needs: |world, caller, input| needs::of("DeleteMethod", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            definition.method(&input)?;
            let methods = &mut definition.resource_mut(&input)?.methods;
            methods.remove(text(&input, "httpMethod"));
            Ok(json!({}))
        },
    },
    Operation {
        name: "PutMethodResponse",
        needs: |world, caller, input| needs::of("PutMethodResponse", world, caller, input),
        run: put_response,
    },
    Operation {
        name: "GetMethodResponse",
        needs: |world, caller, input| needs::of("GetMethodResponse", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let responses = &definition.method(&input)?.method_responses;
            let response = responses.get(text(&input, "statusCode"));
            Ok(shown(response.ok_or_else(no_such_response)?))
        },
    },
    Operation {
        name: "DeleteMethodResponse",
        needs: |world, caller, input| needs::of("DeleteMethodResponse", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            let responses = &mut definition.method_mut(&input)?.method_responses;
            let removed = responses.remove(text(&input, "statusCode"));
            removed.ok_or_else(no_such_response)?;
            Ok(json!({}))
        },
    },
];

fn requested(needs: Vec<Need>, key: Option<&Value>, authorization: Option<&Value>) -> Vec<Need> {
    let keys = [
        ("ApiKeyRequired", key),
        ("RouteAuthorizationType", authorization),
    ];
    let with = |need| needs::with_request(need, &keys);
    needs.into_iter().map(with).collect()
}

pub(super) fn no_such_response() -> AwsError {
    not_found("Invalid Response status code specified")
}

impl Definition {
    /// The method that an input names by `resourceId` and `httpMethod`.
    pub fn method(&self, input: &Value) -> Result<&Method, AwsError> {
        let methods = &self.resource(input)?.methods;
        let found = methods.get(text(input, "httpMethod"));
        found.ok_or_else(|| not_found("Invalid Method identifier specified"))
    }

    pub fn method_mut(&mut self, input: &Value) -> Result<&mut Method, AwsError> {
        let methods = &mut self.resource_mut(input)?.methods;
        let found = methods.get_mut(text(input, "httpMethod"));
        found.ok_or_else(|| not_found("Invalid Method identifier specified"))
    }

    /// Checks a method by itself and against what it refers to.
    pub fn check_method(&self, method: &Method) -> Result<(), AwsError> {
        if !HTTP_METHODS.contains(&method.http_method.as_str()) {
            return Err(bad(format!(
                "Invalid HttpMethod specified. Valid options are {}",
                HTTP_METHODS.join(",")
            )));
        }
        let authorization = method.authorization_type.as_str();
        if !AUTHORIZATION_TYPES.contains(&authorization) {
            return Err(bad(format!(
                "Invalid authorization type specified. Valid options are {}",
                AUTHORIZATION_TYPES.join(",")
            )));
        }
        let has_authorizer = matches!(authorization, "CUSTOM" | "COGNITO_USER_POOLS");
        match &method.authorizer_id {
            None if has_authorizer => {
                return Err(bad(
                    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
                ));
            }
            Some(id) if has_authorizer && !self.authorizers.contains_key(id) => {
                return Err(bad(
                    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
                ));
            }
            Some(_) | None => {}
        }
        if let Some(id) = &method.request_validator_id
            && !self.validators.contains_key(id)
        {
            return Err(bad("Invalid Request Validator identifier specified"));
        }
        for key in method.request_parameters.keys() {
            check_parameter(key, "method.request.", &["querystring", "path", "header"])?;
        }
        self.check_models(&method.request_models)
    }

    fn check_models(&self, models: &BTreeMap<String, String>) -> Result<(), AwsError> {
        match models
            .values()
            .find(|name| !self.models.contains_key(*name))
        {
            Some(unknown) => Err(bad(format!(
                "Invalid model identifier specified: {unknown}"
            ))),
            None => Ok(()),
        }
    }

    pub fn check_response(&self, response: &MethodResponse) -> Result<(), AwsError> {
        for key in response.response_parameters.keys() {
            check_parameter(key, "method.response.", &["header"])?;
        }
        self.check_models(&response.response_models)
    }
}

/// `method.request.header.NAME` and its like.
fn check_parameter(key: &str, prefix: &str, places: &[&str]) -> Result<(), AwsError> {
    let rest = key
        .strip_prefix(prefix)
        .and_then(|rest| rest.split_once('.'));
    match rest {
        Some((place, name)) if places.contains(&place) && !name.is_empty() => Ok(()),
        Some(_) | None => Err(bad(format!(
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
             [Invalid mapping expression parameter specified: {key}]"
        ))),
    }
}

fn put(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let resource = definition.resource(&input)?;
    let mut method: Method = read(input.clone())?;
    // An empty id is none: so does Terraform's provider send it.
    method.authorizer_id = method.authorizer_id.filter(|id| !id.is_empty());
    method.request_validator_id = method.request_validator_id.filter(|id| !id.is_empty());
    if resource.methods.contains_key(&method.http_method) {
        return Err(conflict("Method already exists for this resource"));
    }
    definition.check_method(&method)?;
    let answer = shown(&method);
    let methods = &mut definition.resource_mut(&input)?.methods;
    methods.insert(method.http_method.clone(), method);
    Ok(answer)
}

/// The paths that UpdateMethod takes.
const PATHS: &[&str] = &[
    "/apiKeyRequired",
    "/authorizationScopes",
    "/authorizationType",
    "/authorizerId",
    "/operationName",
    "/requestModels/{content-type}",
    "/requestParameters/{name}",
    "/requestValidatorId",
];

fn update(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let mut method = definition.method(&input)?.clone();
    for patch in patches(&input)? {
        apply(&mut method, &patch)?;
    }
    definition.check_method(&method)?;
    let answer = shown(&method);
    *definition.method_mut(&input)? = method;
    Ok(answer)
}

fn apply(method: &mut Method, patch: &Patch) -> Result<(), AwsError> {
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["authorizationType"] => patch.text()?.clone_into(&mut method.authorization_type),
        ["authorizerId"] => patch.apply_option(&mut method.authorizer_id)?,
        ["apiKeyRequired"] => method.api_key_required = patch.boolean()?,
        ["operationName"] => patch.apply_option(&mut method.operation_name)?,
        ["requestValidatorId"] => patch.apply_option(&mut method.request_validator_id)?,
        ["requestParameters", name] => patch.apply_flags(name, &mut method.request_parameters)?,
        ["requestModels", kind] => patch.apply_map(kind, &mut method.request_models)?,
        ["authorizationScopes", ..] => match patch.edit()? {
            Edit::Set(scope) => method.authorization_scopes.push(scope.to_owned()),
            Edit::Remove => match parts.get(1) {
                Some(scope) => method.authorization_scopes.retain(|known| known != scope),
                None => method.authorization_scopes.clear(),
            },
        },
        [..] => return Err(patch.unknown(PATHS)),
    }
    Ok(())
}

fn put_response(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let method = definition.method(&input)?;
    let response: MethodResponse = read(input.clone())?;
    if method.method_responses.contains_key(&response.status_code) {
        return Err(conflict("Response already exists for this resource"));
    }
    definition.check_response(&response)?;
    let answer = shown(&response);
    let responses = &mut definition.method_mut(&input)?.method_responses;
    responses.insert(response.status_code.clone(), response);
    Ok(answer)
}
