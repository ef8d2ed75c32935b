//! AWS_PROXY integrations with a function: the event it gets, and what its answer must be.
//!
//! Payload format 1.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>).

use std::collections::BTreeMap;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

use super::Passed;
use super::exchange::{Exchange, Integrated};
use super::refusal::Refusal;
use super::route::Route;
use super::template::replaced;
use crate::apigateway::integration::Integration;
use crate::auth;
use crate::policy::{Context, Principal};
use crate::world::{Caller, Need, Ran, Response, World};

/// Whether the function may be called, and with what.
pub(super) fn call(
    world: &World,
    exchange: &mut Exchange,
    route: &Route,
    integration: &Integration,
) -> Result<Passed, Refusal> {
    let value = |name: &str| exchange.variable(name);
    let arn = replaced(integration.function_arn().unwrap_or_default(), value, "");
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let &["arn", "aws", "lambda", region, account, "function", name] = parts.as_slice() else {
        return Err(Refusal::not_modelled(&format!(
            "the integration {}",
            integration.uri.as_deref().unwrap_or_default()
        )));
    };
    let is_allowed = match integration.credentials.as_deref() {
        None => by_permission(world, exchange, route, &arn),
        Some(role) => by_role(world, exchange, role, &arn),
    };
    if !is_allowed {
        exchange.integrated = Some(Integrated {
            took: Duration::ZERO,
            status: 403,
            error: Some("Invalid permissions on Lambda function".into()),
        });
        return Err(Refusal::new(
            "API_CONFIGURATION_ERROR",
            "Internal server error",
        ));
    }
    Ok(Passed::Invokes {
        function: (account.to_owned(), region.to_owned(), name.to_owned()),
        event: event(exchange, route).to_string().into_bytes(),
    })
}

/// Without credentials the function's own policy must name this method.
fn by_permission(world: &World, exchange: &Exchange, route: &Route, function: &str) -> bool {
    let source = exchange.arn(route.verb_pattern(), &route.pattern());
    let need = Need::new("lambda:InvokeFunction", function)
        .with("aws:SourceArn", vec![source])
        .with("aws:SourceAccount", vec![exchange.account.clone()]);
    let policy = world.lambda.resource_policy(function);
    auth::service_may(world, "apigateway.amazonaws.com", &need, policy.as_deref())
}

/// With credentials API Gateway takes that role.
fn by_role(world: &World, exchange: &Exchange, role: &str, function: &str) -> bool {
    let need = Need::new("lambda:InvokeFunction", function);
    let session = session(world, exchange, role);
    session.is_some_and(|caller| auth::may(world, &caller, &need).is_ok())
}

/// API Gateway's session of a role that trusts it.
pub(super) fn session(world: &World, exchange: &Exchange, role: &str) -> Option<Caller> {
    let name = role.rsplit('/').next()?;
    let role = world
        .role(&exchange.account, name)
        .filter(|found| found.arn == role)?;
    let principal = Principal::Service("apigateway.amazonaws.com");
    let mut context = Context::new();
    context.insert("aws:SourceAccount".into(), vec![exchange.account.clone()]);
    auth::may_assume(world, &role.trust, principal, &context).ok()?;
    Some(Caller {
        account: exchange.account.clone(),
        arn: format!(
            "arn:aws:sts::{}:assumed-role/{name}/BackplaneAssumeRoleSession",
            exchange.account
        ),
        user_id: "apigateway".into(),
        region: exchange.region.clone(),
        now: exchange.at,
        source: exchange.peer,
    })
}

/// The event. Client headers have lower-case names here, those that API Gateway adds have AWS's.
fn event(exchange: &Exchange, route: &Route) -> Value {
    let request = &exchange.request;
    let mut headers = request.headers.clone();
    headers.retain(|(name, _)| name != "host" && name != "x-forwarded-for");
    let peer = exchange.peer.to_string();
    // What a client claims about itself stays in front.
    let forwarded = match request.header("x-forwarded-for") {
        Some(claimed) => format!("{claimed}, {peer}"),
        None => peer.clone(),
    };
    let added = [
        ("Host", exchange.domain.as_str()),
        ("X-Amzn-Trace-Id", exchange.trace.as_str()),
        ("X-Forwarded-For", forwarded.as_str()),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ];
    headers.extend(added.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let query = exchange.query();
    let is_binary = matches_any(
        &exchange.definition.binary_media_types,
        request.header("content-type"),
    );
    let body = if request.body.is_empty() {
        Value::Null
    } else if is_binary {
        BASE64_STANDARD.encode(&request.body).into()
    } else {
        String::from_utf8_lossy(&request.body).into()
    };
    json!({
        "resource": route.resource_path,
        "path": exchange.path,
        "httpMethod": exchange.verb,
        "headers": last_of(&headers),
        "multiValueHeaders": all_of(&headers),
        "queryStringParameters": last_of(&query),
        "multiValueQueryStringParameters": all_of(&query),
        "pathParameters": or_null(&route.parameters),
        "stageVariables": or_null(&exchange.variables),
        "requestContext": request_context(exchange, route),
        "body": body,
        "isBase64Encoded": is_binary && !request.body.is_empty(),
    })
}

fn request_context(exchange: &Exchange, route: &Route) -> Value {
    json!({
        "resourceId": route.resource_id,
        "resourcePath": route.resource_path,
        "httpMethod": exchange.verb,
        "extendedRequestId": exchange.extended_id,
        "requestTime": exchange.variable("context.requestTime"),
        "path": exchange.variable("context.path"),
        "accountId": exchange.account,
        "protocol": "HTTP/1.1",
        "stage": exchange.stage,
        "domainPrefix": exchange.api,
        "requestTimeEpoch": exchange.at.as_millisecond(),
        "requestId": exchange.request_id,
        "identity": {
            "cognitoIdentityPoolId": null,
            "accountId": null,
            "cognitoIdentityId": null,
            "caller": null,
            "sourceIp": exchange.peer.to_string(),
            "principalOrgId": null,
            "accessKey": null,
            "cognitoAuthenticationType": null,
            "cognitoAuthenticationProvider": null,
            "userArn": null,
            "userAgent": exchange.request.header("user-agent"),
            "user": null,
        },
        "domainName": exchange.domain,
        "deploymentId": exchange.deployment,
        "apiId": exchange.api,
    })
}

fn or_null(map: &BTreeMap<String, String>) -> Value {
    if map.is_empty() {
        Value::Null
    } else {
        json!(map)
    }
}

/// Of several values the last.
fn last_of(pairs: &[(String, String)]) -> Value {
    or_null(&pairs.iter().cloned().collect())
}

fn all_of(pairs: &[(String, String)]) -> Value {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        all.entry(name).or_default().push(value);
    }
    if all.is_empty() {
        Value::Null
    } else {
        json!(all)
    }
}

/// Whether a content type is one of the binary ones, which may be `*/*` or `image/*`.
fn matches_any(types: &[String], kind: Option<&str>) -> bool {
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or("");
    types.iter().any(|known| {
        known == "*/*"
            || known == kind
            || known
                .strip_suffix('*')
                .is_some_and(|family| !family.is_empty() && kind.starts_with(family))
    })
}

/// Codes by which Lambda refuses a call before the function runs; API Gateway answers 500 to those
/// and 502 to a function that failed
/// (<https://repost.aws/knowledge-center/api-gateway-5xx-error>).
const LAMBDA_REFUSALS: [&str; 6] = [
    "AccessDeniedException",
    "InvalidParameterValueException",
    "KMSAccessDeniedException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "TooManyRequestsException",
];

/// The answer of the function as the client gets it.
pub(super) fn answer(exchange: &mut Exchange, ran: Ran) -> Result<Response, Refusal> {
    let integration = exchange.route.as_ref();
    let integration = integration.and_then(|route| route.method.method_integration.as_ref());
    let limit = integration.map_or(29_000, |integration| integration.timeout_in_millis);
    let limit = Duration::from_millis(u64::try_from(limit).unwrap_or(29_000));
    let mut integrated = Integrated {
        took: ran.took.min(limit),
        status: 200,
        error: None,
    };
    let outcome = if ran.took > limit {
        integrated.status = 504;
        integrated.error = Some("Execution failed due to a timeout error".into());
        Err(Refusal::new(
            "INTEGRATION_TIMEOUT",
            "Endpoint request timed out",
        ))
    } else {
        match ran.outcome {
            Ok(payload) => match mapped(exchange, &payload) {
                Ok(response) => Ok(response),
                Err(why) => {
                    integrated.error = Some(format!(
                        "Execution failed due to configuration error: Malformed Lambda proxy \
                         response: {why}"
                    ));
                    Err(Refusal::bad_gateway())
                }
            },
            Err((kind, message)) if kind == "NotImplemented" => {
                let what = message.rsplit("does not model ").next().unwrap_or_default();
                Err(Refusal::not_modelled(what))
            }
            Err((kind, message)) => {
                integrated.error = Some(format!("{kind}: {message}"));
                if LAMBDA_REFUSALS.contains(&kind.as_str()) {
                    integrated.status = 500;
                    Err(Refusal::new("INTEGRATION_FAILURE", "Internal server error")
                        .with_status(500))
                } else {
                    Err(Refusal::bad_gateway())
                }
            }
        }
    };
    exchange.integrated = Some(integrated);
    outcome
}

/// Headers of a function's answer that API Gateway keeps for itself
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>).
const REMAPPED: [&str; 6] = [
    "connection",
    "content-length",
    "date",
    "server",
    "transfer-encoding",
    "www-authenticate",
];

/// A response of payload format 1.0; anything else is malformed, and the text says why.
fn mapped(exchange: &Exchange, payload: &[u8]) -> Result<Response, String> {
    let answer: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let Some(members) = answer.as_object() else {
        return Err("not an object".into());
    };
    const KNOWN: [&str; 5] = [
        "body",
        "headers",
        "isBase64Encoded",
        "multiValueHeaders",
        "statusCode",
    ];
    if let Some(other) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(format!("it has the member {other}"));
    }
    let status = match members.get("statusCode") {
        Some(Value::Number(status)) => status.as_u64(),
        Some(Value::String(status)) => status.parse().ok(),
        Some(_) | None => None,
    };
    let status = status
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (100..=599).contains(status))
        .ok_or("statusCode is no status")?;
    let mut headers = response_headers(members)?;
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".into(), "application/json".into()));
    }
    headers.push(("x-amzn-trace-id".into(), exchange.trace.clone()));
    let body = match members.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(_) => return Err("body is no text".into()),
    };
    let is_base64 = match members.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_base64)) => *is_base64,
        Some(_) => return Err("isBase64Encoded is no boolean".into()),
    };
    // Base64 is undone for clients that accept one of the API's binary types.
    let accepts = exchange.request.header("accept");
    let body = if is_base64 && matches_any(&exchange.definition.binary_media_types, accepts) {
        BASE64_STANDARD
            .decode(&body)
            .map_err(|error| error.to_string())?
    } else {
        body
    };
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn response_headers(members: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let map = |member: &str| match members.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(format!("{member} is no map")),
    };
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("header {name} is no text"));
            }
        };
        let mut name = name.to_ascii_lowercase();
        if REMAPPED.contains(&name.as_str()) {
            name = format!("x-amzn-remapped-{name}");
        }
        headers.push((name, text));
        Ok(())
    };
    let several = map("multiValueHeaders")?;
    for (name, values) in several.into_iter().flatten() {
        let Some(values) = values.as_array() else {
            return Err(format!("header {name} is no list"));
        };
        values.iter().try_for_each(|value| add(name, value))?;
    }
    for (name, value) in map("headers")?.into_iter().flatten() {
        // "If you specify values for both headers and multiValueHeaders, API Gateway merges them …
        // only the values from multiValueHeaders appear" for a name in both.
        if several.is_none_or(|several| !several.contains_key(name)) {
            add(name, value)?;
        }
    }
    Ok(headers)
}
