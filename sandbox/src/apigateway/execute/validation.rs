//! Whether a request is what its method declares, as far as the method's validator checks that.

use serde_json::Value;

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::route::Route;
use crate::apigateway::schema::Schema;

/// Checks required parameters, then the body.
pub(super) fn check(exchange: &Exchange, route: &Route) -> Result<(), Refusal> {
    let id = route.method.request_validator_id.as_ref();
    let Some(validator) = id.and_then(|id| exchange.definition.validators.get(id)) else {
        return Ok(());
    };
    if validator.validate_request_parameters {
        check_parameters(exchange, route)?;
    }
    if validator.validate_request_body {
        check_body(exchange, route)?;
    }
    Ok(())
}

/// "API Gateway … verifies that the required request parameters in the URI, query string, and headers
/// are included and not blank"
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html>).
fn check_parameters(exchange: &Exchange, route: &Route) -> Result<(), Refusal> {
    let parameters = &route.method.request_parameters;
    let missing: Vec<&str> = parameters
        .iter()
        .filter(|(_, required)| **required)
        .filter(|(key, _)| exchange.parameter(route, key).is_none_or(|v| v.is_empty()))
        .filter_map(|(key, _)| key.splitn(4, '.').nth(3))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        "BAD_REQUEST_PARAMETERS",
        format!(
            "Missing required request parameters: [{}]",
            missing.join(", ")
        ),
    ))
}

/// "If no matching content type is found, request validation is not performed. To use the same model
/// regardless of the content type, include $default as a content type" (same page).
fn check_body(exchange: &Exchange, route: &Route) -> Result<(), Refusal> {
    let models = &route.method.request_models;
    let name = models
        .get(exchange.content_type())
        .or_else(|| models.get("$default"));
    let model = name.and_then(|name| exchange.definition.models.get(name));
    let Some(schema) = model.and_then(|model| model.schema.as_deref()) else {
        return Ok(());
    };
    let schema = Schema::parse(schema)
        .map_err(|error| Refusal::not_modelled(&format!("a model: {}", error.message)))?;
    let violations = match serde_json::from_slice::<Value>(&exchange.request.body) {
        Ok(body) => schema.violations(&body),
        Err(error) => vec![error.to_string()],
    };
    if violations.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::new("BAD_REQUEST_BODY", "Invalid request body");
    Err(refusal.because(format!("[{}]", violations.join(", "))))
}
