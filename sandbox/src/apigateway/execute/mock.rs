//! MOCK integrations: the answer is in the API itself.

use serde_json::Value;

use super::exchange::{Exchange, Integrated};
use super::refusal::Refusal;
use super::template::{only_variables, replaced};
use crate::apigateway::integration::Integration;
use crate::world::Response;

/// The answer. The request template gives a status, which chooses the integration response
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html>).
pub(super) fn answer(
    exchange: &mut Exchange,
    integration: &Integration,
) -> Result<Response, Refusal> {
    let input = match template(exchange, integration)? {
        Some(template) => filled(exchange, template)?,
        None => String::from_utf8_lossy(&exchange.request.body).into_owned(),
    };
    let input: Option<Value> = serde_json::from_str(&input).ok();
    let status = input
        .as_ref()
        .and_then(|input| input.get("statusCode"))
        .map(|status| status.to_string().trim_matches('"').to_owned());
    let failed = || Refusal::new("API_CONFIGURATION_ERROR", "Internal server error");
    let status = status.ok_or_else(failed)?;
    let responses = &integration.integration_responses;
    let chosen = responses.values().find(|response| {
        let pattern = response.selection_pattern.as_deref();
        pattern.is_some_and(|pattern| {
            regex_lite::Regex::new(&format!("^(?:{pattern})$"))
                .is_ok_and(|regex| regex.is_match(&status))
        })
    });
    let default = responses.values().find(|response| {
        response
            .selection_pattern
            .as_deref()
            .unwrap_or_default()
            .is_empty()
    });
    let response = chosen.or(default).ok_or_else(failed)?;
    let status = response.status_code.parse().map_err(|_| failed())?;
    let body = match response.response_templates.get("application/json") {
        Some(template) => filled(exchange, template)?,
        None => String::new(),
    };
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    for (key, expression) in &response.response_parameters {
        let name = key.trim_start_matches("method.response.header.");
        let text = expression
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''));
        let Some(text) = text else {
            return Err(Refusal::not_modelled(&format!(
                "the mapping of {expression} in a mock response"
            )));
        };
        let name = name.to_ascii_lowercase();
        headers.retain(|(known, _)| *known != name);
        headers.push((name, text.to_owned()));
    }
    exchange.integrated = Some(Integrated {
        took: std::time::Duration::ZERO,
        status,
        error: None,
    });
    Ok(Response {
        status,
        headers,
        body: body.into_bytes(),
    })
}

/// The request template for the content type; none: the body goes through as it is. Whether it may
/// is what `passthroughBehavior` says: NEVER and, once there is any template, WHEN_NO_TEMPLATES
/// refuse a content type without a template with 415
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html>).
fn template<'i>(
    exchange: &Exchange,
    integration: &'i Integration,
) -> Result<Option<&'i str>, Refusal> {
    let templates = &integration.request_templates;
    if let Some(template) = templates.get(exchange.content_type()) {
        return Ok(Some(template));
    }
    let passes = match integration.passthrough_behavior.as_str() {
        "NEVER" => false,
        "WHEN_NO_TEMPLATES" => templates.is_empty(),
        _ => true,
    };
    if passes {
        Ok(None)
    } else {
        Err(Refusal::new(
            "UNSUPPORTED_MEDIA_TYPE",
            "Unsupported Media Type",
        ))
    }
}

fn filled(exchange: &Exchange, template: &str) -> Result<String, Refusal> {
    if only_variables(template) {
        Ok(replaced(template, |name| exchange.variable(name), ""))
    } else {
        Err(Refusal::not_modelled("VTL in mapping templates"))
    }
}
