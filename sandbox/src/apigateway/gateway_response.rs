//! Gateway responses: what a client is told when its request never reaches an integration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rest_api::Definition;
use super::{bad, needs, not_found, page, read, text};
use crate::world::{AwsError, Caller, Operation, World};

/// A gateway response that is not the default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GatewayResponse {
    #[serde(default)]
    pub status_code: Option<String>,
    #[serde(default)]
    pub response_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub response_templates: BTreeMap<String, String>,
}

/// All types with the status that they have by default
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html>).
/// The two families have none: each of their members keeps its own.
const TYPES: [(&str, Option<u16>); 21] = [
    ("ACCESS_DENIED", Some(403)),
    ("API_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_FAILURE", Some(500)),
    ("BAD_REQUEST_BODY", Some(400)),
    ("BAD_REQUEST_PARAMETERS", Some(400)),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some(403)),
    ("INTEGRATION_FAILURE", Some(504)),
    ("INTEGRATION_TIMEOUT", Some(504)),
    ("INVALID_API_KEY", Some(403)),
    ("INVALID_SIGNATURE", Some(403)),
    ("MISSING_AUTHENTICATION_TOKEN", Some(403)),
    ("QUOTA_EXCEEDED", Some(429)),
    ("REQUEST_TOO_LARGE", Some(413)),
    ("RESOURCE_NOT_FOUND", Some(404)),
    ("THROTTLED", Some(429)),
    ("UNAUTHORIZED", Some(401)),
    ("UNSUPPORTED_MEDIA_TYPE", Some(415)),
    ("WAF_FILTERED", Some(403)),
];

/// The body of every response that has no template of its own.
pub(super) const TEMPLATE_DEFAULT: &str = "{\"message\":$context.error.messageString}";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutGatewayResponse",
        needs: |world, caller, input| needs::of("PutGatewayResponse", world, caller, input),
        run: put,
    },
    Operation {
        name: "GetGatewayResponse",
        needs: |world, caller, input| needs::of("GetGatewayResponse", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            Ok(describe(definition, text(&input, "responseType")))
        },
    },
    Operation {
        name: "GetGatewayResponses",
        needs: |world, caller, input| needs::of("GetGatewayResponses", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let items = TYPES
                .iter()
                .map(|(kind, _)| ((*kind).to_owned(), describe(definition, kind)));
            // All types fit on one page, which has no smaller default than that.
            page("GetGatewayResponses", items, &input)
        },
    },
    Operation {
        name: "DeleteGatewayResponse",
        needs: |world, caller, input| needs::of("DeleteGatewayResponse", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            let kind = text(&input, "responseType");
            let removed = definition.gateway_responses.remove(kind);
            removed.ok_or_else(|| not_found("Gateway response type not defined on api"))?;
            Ok(json!({}))
        },
    },
];

/// The status of a type that nobody changed.
pub(super) fn status_default(kind: &str) -> Option<u16> {
    TYPES
        .iter()
        .find(|(known, _)| *known == kind)
        .and_then(|(_, status)| *status)
}

impl GatewayResponse {
    /// Checks that parameters have the form `gatewayresponse.header.NAME`, and that templates use
    /// variables only: gateway responses take no VTL ("only simple variable substitution").
    pub fn check(&self) -> Result<(), AwsError> {
        let good = |key: &&String| {
            key.strip_prefix("gatewayresponse.header.")
                .is_some_and(|name| !name.is_empty())
        };
        match self.response_parameters.keys().find(|key| !good(key)) {
            Some(key) => Err(bad(format!(
                "Invalid parameter name specified: {key}, must be gatewayresponse.header.{{name}}"
            ))),
            None => Ok(()),
        }
    }
}

impl Definition {
    /// What is sent for a type: its own response, else that of its family, else the default. A status
    /// that the family sets holds for all members that have none of their own.
    /// A response of the type's own holds whole: with it, a call that Lambda throttles is answered with its
    /// status or the type's default, and with 500 (`met`) without it (measured by a user:
    /// <https://repost.aws/questions/QUL-z6rJbmR4meafB7MzYXxw>).
    pub fn gateway_response(&self, kind: &str, met: Option<u16>) -> (u16, GatewayResponse) {
        let (status, response) = chosen(&self.gateway_responses, kind, met);
        (status, response.cloned().unwrap_or_default())
    }
}

fn chosen<'a>(
    responses: &'a BTreeMap<String, GatewayResponse>,
    kind: &str,
    met: Option<u16>,
) -> (u16, Option<&'a GatewayResponse>) {
    let family = match status_default(kind) {
        Some(status) if status >= 500 => "DEFAULT_5XX",
        Some(_) | None => "DEFAULT_4XX",
    };
    let own = responses.get(kind);
    let response = own.or_else(|| responses.get(family));
    let set = response.and_then(|response| response.status_code.as_ref()?.parse().ok());
    let default = status_default(kind);
    let status = match own {
        Some(_) => set.or(default).or(met),
        None => set.or(met).or(default),
    };
    (status.unwrap_or(500), response)
}

fn describe(definition: &Definition, kind: &str) -> Value {
    let own = definition.gateway_responses.get(kind);
    let mut shown = json!({ "responseType": kind, "defaultResponse": own.is_none() });
    let response = match own {
        Some(own) => own.clone(),
        None => GatewayResponse {
            status_code: status_default(kind).map(|status| status.to_string()),
            response_parameters: BTreeMap::new(),
            response_templates: BTreeMap::from([(
                "application/json".to_owned(),
                TEMPLATE_DEFAULT.to_owned(),
            )]),
        },
    };
    shown["responseParameters"] = json!(response.response_parameters);
    shown["responseTemplates"] = json!(response.response_templates);
    let status = response
        .status_code
        .or_else(|| status_default(kind).map(|status| status.to_string()));
    if let Some(status) = status {
        shown["statusCode"] = status.into();
    }
    shown
}

fn put(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let kind = text(&input, "responseType").to_owned();
    let response: GatewayResponse = read(input)?;
    response.check()?;
    definition.gateway_responses.insert(kind.clone(), response);
    Ok(describe(definition, &kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_was_set_holds_whatever_was_met() {
        let status = |set: &[(&str, Option<&str>)], kind: &str, met| {
            let response = |(kind, status): &(&str, Option<&str>)| {
                let response = GatewayResponse {
                    status_code: status.map(ToOwned::to_owned),
                    response_parameters: BTreeMap::new(),
                    response_templates: BTreeMap::new(),
                };
                ((*kind).to_owned(), response)
            };
            chosen(&set.iter().map(response).collect(), kind, met).0
        };
        let (failure, family) = ("INTEGRATION_FAILURE", "DEFAULT_5XX");
        // A function that is throttled.
        assert_eq!(status(&[], failure, Some(500)), 500);
        assert_eq!(status(&[(failure, Some("503"))], failure, Some(500)), 503);
        assert_eq!(status(&[(failure, None)], failure, Some(500)), 504);
        assert_eq!(status(&[(family, None)], failure, Some(500)), 500);
        assert_eq!(status(&[(family, Some("503"))], failure, Some(500)), 503);
        // An answer that is none.
        assert_eq!(status(&[], family, Some(502)), 502);
        assert_eq!(status(&[(family, None)], family, Some(502)), 502);
        assert_eq!(status(&[(family, Some("503"))], family, Some(502)), 503);
        assert_eq!(status(&[], "THROTTLED", None), 429);
    }
}
