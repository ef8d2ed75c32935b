//! Answers that API Gateway gives itself: gateway responses.

use serde_json::Value;

use super::exchange::Exchange;
use super::template::replaced;
use crate::apigateway::gateway_response::TEMPLATE_DEFAULT;
use crate::world::{AwsError, Response};

/// Why a request is not answered by its integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Type of the gateway response.
    pub kind: &'static str,
    pub message: String,
    /// What a validator found.
    pub validation: Option<String>,
    /// The status where it is not the type's own, unless somebody set a response for the type.
    pub status: Option<u16>,
    /// What the sandbox lacks; then the answer is none of AWS's.
    unmodelled: bool,
}

impl Refusal {
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            validation: None,
            status: None,
            unmodelled: false,
        }
    }

    pub fn because(self, validation: String) -> Self {
        Self {
            validation: Some(validation),
            ..self
        }
    }

    pub fn with_status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// A back end that failed: 502 unless the family of 5XX responses has another status.
    pub fn bad_gateway() -> Self {
        Self {
            status: Some(502),
            ..Self::new("DEFAULT_5XX", "Internal server error")
        }
    }

    pub fn not_modelled(what: &str) -> Self {
        Self {
            status: Some(501),
            unmodelled: true,
            ..Self::new("DEFAULT_5XX", AwsError::not_modelled(what).message)
        }
    }

    /// The answer, as the API customises it.
    pub fn response(self, exchange: &mut Exchange) -> Response {
        let (status, response) = exchange.definition.gateway_response(self.kind, self.status);
        exchange.refusal = Some(self.clone());
        if self.unmodelled {
            return Response {
                status: 501,
                headers: vec![("content-type".into(), "application/json".into())],
                body: serde_json::json!({ "message": self.message })
                    .to_string()
                    .into_bytes(),
            };
        }
        exchange.status = Some(status);
        let templates = &response.response_templates;
        let (kind, template) = templates
            .get_key_value("application/json")
            .or_else(|| templates.iter().next())
            .map_or(("application/json", TEMPLATE_DEFAULT), |(kind, text)| {
                (kind, text)
            });
        let value = |name: &str| exchange.variable(name);
        let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
        if let Some(error) = error_type(self.kind) {
            headers.push(("x-amzn-errortype".into(), error.to_owned()));
        }
        for (key, expression) in &response.response_parameters {
            let name = key.trim_start_matches("gatewayresponse.header.");
            // A text in quotes is itself; anything else names a variable.
            let text = match expression
                .strip_prefix('\'')
                .and_then(|text| text.strip_suffix('\''))
            {
                Some(text) => Some(text.to_owned()),
                None => value(expression),
            };
            if let Some(text) = text {
                let name = name.to_ascii_lowercase();
                headers.retain(|(known, _)| *known != name);
                headers.push((name, text));
            }
        }
        Response {
            status,
            headers,
            body: replaced(template, value, "").into_bytes(),
        }
    }

    /// The variables `$context.error.…`.
    pub fn variable(&self, name: &str) -> Option<String> {
        match name {
            "message" => Some(self.message.clone()),
            "messageString" => Some(Value::from(self.message.as_str()).to_string()),
            "responseType" => Some(self.kind.to_owned()),
            "validationErrorString" => self.validation.clone(),
            _ => None,
        }
    }
}

/// The header `x-amzn-ErrorType` of those types whose value is known.
fn error_type(kind: &str) -> Option<&'static str> {
    match kind {
        "ACCESS_DENIED" => Some("AccessDeniedException"),
        "BAD_REQUEST_BODY" | "BAD_REQUEST_PARAMETERS" => Some("BadRequestException"),
        "INVALID_API_KEY" => Some("ForbiddenException"),
        "MISSING_AUTHENTICATION_TOKEN" => Some("MissingAuthenticationTokenException"),
        "THROTTLED" => Some("TooManyRequestsException"),
        "UNSUPPORTED_MEDIA_TYPE" => Some("UnsupportedMediaTypeException"),
        "API_CONFIGURATION_ERROR"
        | "DEFAULT_5XX"
        | "INTEGRATION_FAILURE"
        | "INTEGRATION_TIMEOUT" => Some("InternalServerErrorException"),
        _ => None,
    }
}
