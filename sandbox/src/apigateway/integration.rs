//! What a method does with a request: its integration, and how that one's answers are mapped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::method::no_such_response;
use super::needs;
use super::patch::{Edit, Patch, patches};
use super::rest_api::Definition;
use super::{bad, not_found, read, shown, text};
use crate::world::{AwsError, Caller, Need, Operation, World};

/// An integration; its members are those of AWS's `Integration`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Integration {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_parameters: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_templates: BTreeMap<String, String>,
    #[serde(default = "passthrough_default")]
    pub passthrough_behavior: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<String>,
    #[serde(default = "timeout_default")]
    pub timeout_in_millis: i64,
    /// The resource's id if the request does not say.
    #[serde(default)]
    pub cache_namespace: String,
    #[serde(default)]
    pub cache_key_parameters: Vec<String>,
    /// By status code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub integration_responses: BTreeMap<String, IntegrationResponse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<TlsConfig>,
    #[serde(default = "transfer_default")]
    pub response_transfer_mode: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_target: Option<String>,
}

/// How the answer of an integration becomes the answer of the method.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IntegrationResponse {
    pub status_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_pattern: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub response_parameters: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub response_templates: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<String>,
}

/// How the certificate of an HTTP back end is judged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TlsConfig {
    #[serde(default)]
    pub insecure_skip_verification: bool,
}

fn passthrough_default() -> String {
    "WHEN_NO_MATCH".into()
}

/// "The default value is 29,000 milliseconds or 29 seconds" (API page of PutIntegration).
fn timeout_default() -> i64 {
    29_000
}

fn transfer_default() -> String {
    "BUFFERED".into()
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutIntegration",
        needs: |world, caller, input| {
            let all = needs::of("PutIntegration", world, caller, input);
            with_role(all, input.get("credentials"))
        },
        run: put,
    },
    Operation {
        name: "GetIntegration",
        needs: |world, caller, input| needs::of("GetIntegration", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            Ok(shown(definition.integration(&input)?))
        },
    },
    Operation {
        name: "UpdateIntegration",
        needs: |world, caller, input| {
            let all = needs::of("UpdateIntegration", world, caller, input);
            with_role(all, needs::patched(input, "/credentials"))
        },
        run: update,
    },
    Operation {
        name: "DeleteIntegration",
        needs: |world, caller, input| needs::of("DeleteIntegration", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            definition.integration(&input)?;
            definition.method_mut(&input)?.method_integration = None;
            Ok(json!({}))
        },
    },
    Operation {
        name: "PutIntegrationResponse",
        needs: |world, caller, input| needs::of("PutIntegrationResponse", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            definition.integration(&input)?;
            let response: IntegrationResponse = read(input.clone())?;
            let declared = &definition.method(&input)?.method_responses;
            if !declared.contains_key(&response.status_code) {
                return Err(no_such_response());
            }
            let answer = shown(&response);
            let responses = &mut definition.integration_mut(&input)?.integration_responses;
            responses.insert(response.status_code.clone(), response);
            Ok(answer)
        },
    },
    Operation {
        name: "GetIntegrationResponse",
        needs: |world, caller, input| needs::of("GetIntegrationResponse", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let responses = &definition.integration(&input)?.integration_responses;
            let response = responses.get(text(&input, "statusCode"));
            Ok(shown(response.ok_or_else(no_such_response)?))
        },
    },
    Operation {
        name: "DeleteIntegrationResponse",
        needs: |world, caller, input| needs::of("DeleteIntegrationResponse", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            let responses = &mut definition.integration_mut(&input)?.integration_responses;
            let removed = responses.remove(text(&input, "statusCode"));
            removed.ok_or_else(no_such_response)?;
            Ok(json!({}))
        },
    },
];

/// With credentials the caller hands a role to API Gateway. `arn:aws:iam::*:user/*` means the
/// caller's own identity and hands over nothing.
fn with_role(mut all: Vec<Need>, credentials: Option<&Value>) -> Vec<Need> {
    let role = credentials
        .and_then(Value::as_str)
        .filter(|arn| !arn.is_empty());
    if let Some(role) = role.filter(|arn| *arn != CALLERS_IDENTITY) {
        all.push(needs::pass_role(role));
    }
    all
}

const CALLERS_IDENTITY: &str = "arn:aws:iam::*:user/*";

impl Definition {
    pub fn integration(&self, input: &Value) -> Result<&Integration, AwsError> {
        let found = self.method(input)?.method_integration.as_ref();
        found.ok_or_else(|| not_found("Invalid Integration identifier specified"))
    }

    fn integration_mut(&mut self, input: &Value) -> Result<&mut Integration, AwsError> {
        let found = self.method_mut(input)?.method_integration.as_mut();
        found.ok_or_else(|| not_found("Invalid Integration identifier specified"))
    }
}

impl Integration {
    /// Checks an integration by itself.
    pub fn check(&self, caller: &Caller) -> Result<(), AwsError> {
        let needs_uri = self.kind != "MOCK";
        let uri = self.uri.as_deref().unwrap_or_default();
        if needs_uri && self.http_method.as_deref().unwrap_or_default().is_empty() {
            return Err(bad("Enumeration value for HttpMethod must be non-empty"));
        }
        match self.kind.as_str() {
            "AWS" | "AWS_PROXY" => self.check_arn(caller, uri)?,
            "HTTP" | "HTTP_PROXY" if !is_http(uri) => {
                return Err(bad("Invalid HTTP endpoint specified for URI"));
            }
            _ => {}
        }
        if !(50..=29_000).contains(&self.timeout_in_millis) {
            return Err(bad("Timeout should be between 50 ms and 29000 ms"));
        }
        if !["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"]
            .contains(&self.passthrough_behavior.as_str())
        {
            return Err(bad("Invalid passthrough behavior specified"));
        }
        if self.response_transfer_mode != "BUFFERED" {
            return Err(AwsError::not_modelled(
                "apigateway integrations with responseTransferMode STREAM",
            ));
        }
        if self.connection_type.as_deref() == Some("VPC_LINK") && self.connection_id.is_none() {
            return Err(bad("Connection ID must be specified for VPC_LINK"));
        }
        self.check_credentials(caller)
    }

    fn check_credentials(&self, caller: &Caller) -> Result<(), AwsError> {
        match self.credentials.as_deref() {
            None | Some(CALLERS_IDENTITY) => Ok(()),
            Some(arn) if !arn.starts_with("arn:aws:iam::") => {
                Err(bad("Invalid ARN specified in the request"))
            }
            Some(arn) if !arn.starts_with(&format!("arn:aws:iam::{}:", caller.account)) => {
                Err(bad("Cross-account pass role is not allowed."))
            }
            Some(_) => Ok(()),
        }
    }

    /// `arn:aws:apigateway:REGION:SERVICE:path/…` or `…:action/…`
    /// (<https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegration.html>).
    fn check_arn(&self, caller: &Caller, uri: &str) -> Result<(), AwsError> {
        let parts: Vec<&str> = uri.splitn(6, ':').collect();
        let &["arn", "aws", "apigateway", region, service, rest] = parts.as_slice() else {
            return Err(bad("Invalid ARN specified in the request"));
        };
        if !rest.starts_with("path/") && !rest.starts_with("action/") {
            return Err(bad("AWS ARN for integration must contain path or action"));
        }
        if self.kind == "AWS" {
            return Ok(());
        }
        if service != "lambda" && service != "firehose" {
            return Err(bad(
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and \
                 Firehose stream invocations.",
            ));
        }
        if service == "lambda" {
            let function =
                function_arn(rest).ok_or_else(|| bad("Invalid ARN specified in the request"))?;
            // A stage variable may stand for a part of the ARN.
            let is_arn = function.starts_with("arn:aws:lambda:") || function.contains("${");
            if !is_arn || region != caller.region {
                return Err(bad("Invalid Lambda function"));
            }
        }
        Ok(())
    }

    /// ARN of the function that an AWS_PROXY integration names, stage variables not yet replaced.
    pub fn function_arn(&self) -> Option<&str> {
        function_arn(self.uri.as_deref()?.splitn(6, ':').nth(5)?)
    }
}

fn function_arn(rest: &str) -> Option<&str> {
    rest.strip_prefix("path/2015-03-31/functions/")?
        .strip_suffix("/invocations")
}

fn is_http(uri: &str) -> bool {
    let rest = uri
        .strip_prefix("https://")
        .or_else(|| uri.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty()) || uri.contains("${stageVariables.")
}

fn put(world: &mut World, caller: &Caller, mut input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    definition.method(&input)?;
    let address = input.clone();
    // The input has the method's HTTP method as `httpMethod`, the integration's as another member.
    if let Some(members) = input.as_object_mut() {
        members.remove("httpMethod");
        if let Some(own) = members.remove("integrationHttpMethod") {
            members.insert("httpMethod".into(), own);
        }
    }
    let mut integration: Integration = read(input)?;
    if integration.cache_namespace.is_empty() {
        text(&address, "resourceId").clone_into(&mut integration.cache_namespace);
    }
    integration.credentials = integration.credentials.filter(|arn| !arn.is_empty());
    integration.check(caller)?;
    let method = definition.method_mut(&address)?;
    // Putting an integration anew keeps nothing of the old one.
    let answer = shown(&integration);
    method.method_integration = Some(integration);
    Ok(answer)
}

/// The paths that UpdateIntegration takes.
const PATHS: &[&str] = &[
    "/cacheKeyParameters/{name}",
    "/cacheNamespace",
    "/connectionId",
    "/connectionType",
    "/contentHandling",
    "/credentials",
    "/httpMethod",
    "/integrationTarget",
    "/passthroughBehavior",
    "/requestParameters/{name}",
    "/requestTemplates/{content-type}",
    "/responseTransferMode",
    "/timeoutInMillis",
    "/tlsConfig/insecureSkipVerification",
    "/uri",
];

fn update(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let mut integration = definition.integration(&input)?.clone();
    for patch in patches(&input)? {
        apply(&mut integration, &patch)?;
    }
    integration.check(caller)?;
    let answer = shown(&integration);
    *definition.integration_mut(&input)? = integration;
    Ok(answer)
}

fn apply(integration: &mut Integration, patch: &Patch) -> Result<(), AwsError> {
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["uri"] => patch.apply_option(&mut integration.uri)?,
        ["httpMethod"] => patch.apply_option(&mut integration.http_method)?,
        ["credentials"] => patch.apply_option(&mut integration.credentials)?,
        ["connectionType"] => patch.apply_option(&mut integration.connection_type)?,
        ["connectionId"] => patch.apply_option(&mut integration.connection_id)?,
        ["contentHandling"] => patch.apply_option(&mut integration.content_handling)?,
        ["integrationTarget"] => patch.apply_option(&mut integration.integration_target)?,
        ["passthroughBehavior"] => patch
            .text()?
            .clone_into(&mut integration.passthrough_behavior),
        ["cacheNamespace"] => patch.text()?.clone_into(&mut integration.cache_namespace),
        ["responseTransferMode"] => patch
            .text()?
            .clone_into(&mut integration.response_transfer_mode),
        ["timeoutInMillis"] => integration.timeout_in_millis = patch.integer()?,
        ["requestParameters", name] => {
            patch.apply_map(name, &mut integration.request_parameters)?;
        }
        ["requestTemplates", kind] => patch.apply_map(kind, &mut integration.request_templates)?,
        ["cacheKeyParameters", name] => {
            let keys = &mut integration.cache_key_parameters;
            keys.retain(|known| known != name);
            if patch.edit()? != Edit::Remove {
                keys.push((*name).to_owned());
            }
        }
        ["tlsConfig", "insecureSkipVerification"] => {
            let tls = integration.tls_config.get_or_insert_default();
            tls.insecure_skip_verification = patch.boolean()?;
        }
        [..] => return Err(patch.unknown(PATHS)),
    }
    Ok(())
}
