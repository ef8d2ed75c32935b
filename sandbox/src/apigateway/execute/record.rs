//! What a request leaves behind: a line in the access log, and metrics.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::exchange::Exchange;
use super::proxy::session;
use super::template::replaced;
use crate::apigateway::stage::Stage;
use crate::world::{Caller, World};
use crate::{auth, cloudwatch, logs};

fn stage<'w>(world: &'w World, exchange: &Exchange) -> Option<&'w Stage> {
    let region = world
        .apigateway
        .region(&exchange.account, &exchange.region)?;
    region.apis.get(&exchange.api)?.stages.get(&exchange.stage)
}

/// Writes the access log by the account's role. If the role may not, or the group is gone, nobody is
/// told: neither does AWS.
pub(super) fn access(world: &mut World, exchange: &Exchange) -> Option<()> {
    let settings = stage(world, exchange)?.access_log_settings.clone()?;
    let (format, destination) = (settings.format?, settings.destination_arn?);
    let region = world
        .apigateway
        .region(&exchange.account, &exchange.region)?;
    let role = region.account.cloudwatch_role_arn.clone()?;
    let caller = session(world, exchange, &role)?;
    let line = replaced(&format, |name| exchange.variable(name), "-");
    let group = destination.splitn(7, ':').nth(6)?.to_owned();
    // AWS spreads the lines over streams with names of 32 hex digits; here each stage has one.
    let digest = Sha256::digest(format!("{}/{}", exchange.api, exchange.stage));
    let stream: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
    let place = json!({ "logGroupName": group, "logStreamName": stream });
    // It is there already, but for the first line.
    as_role(world, &caller, "CreateLogStream", place.clone());
    let mut batch = place;
    batch["logEvents"] = json!([{
        "timestamp": exchange.at.as_millisecond(),
        "message": line,
    }]);
    as_role(world, &caller, "PutLogEvents", batch)
}

/// Carries out an operation of CloudWatch Logs if the role may.
fn as_role(world: &mut World, caller: &Caller, name: &str, input: serde_json::Value) -> Option<()> {
    let operation = logs::operation(name)?;
    for need in (operation.needs)(world, caller, &input) {
        auth::may(world, caller, &need).ok()?;
    }
    (operation.run)(world, caller, input).ok().map(drop)
}

/// Counts the request. The names are the API's, so that two APIs of one name share their metrics
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html>).
pub(super) fn metrics(world: &mut World, exchange: &Exchange) {
    let status = exchange.status.unwrap_or_default();
    let one_if = |holds: bool| if holds { 1.0 } else { 0.0 };
    let millis = |span: std::time::Duration| span.as_secs_f64() * 1000.0;
    let mut values = vec![
        ("Count", 1.0, "Count"),
        ("4XXError", one_if((400..500).contains(&status)), "Count"),
        ("5XXError", one_if(status >= 500), "Count"),
        ("Latency", millis(exchange.latency()), "Milliseconds"),
    ];
    if let Some(integrated) = &exchange.integrated {
        let took = millis(integrated.took);
        values.push(("IntegrationLatency", took, "Milliseconds"));
    }
    let by_stage = [
        ("ApiName", exchange.api_name.as_str()),
        ("Stage", exchange.stage.as_str()),
    ];
    // Metrics of each method only where they are switched on.
    let detailed = exchange.route.as_ref().filter(|route| {
        let verb = &route.method.http_method;
        stage(world, exchange)
            .and_then(|stage| stage.setting(&route.resource_path, verb))
            .is_some_and(|setting| setting.metrics_enabled)
    });
    let by_method = detailed.map(|route| {
        let [name, stage] = by_stage;
        [
            name,
            ("Method", route.method.http_method.as_str()),
            ("Resource", route.resource_path.as_str()),
            stage,
        ]
    });
    for (metric, value, unit) in values {
        let mut record = |dimensions: &[(&str, &str)]| {
            cloudwatch::record(
                world,
                &exchange.account,
                &exchange.region,
                "AWS/ApiGateway",
                metric,
                dimensions,
                value,
                unit,
                exchange.at,
            );
        };
        record(&by_stage);
        if let Some(by_method) = &by_method {
            record(by_method);
        }
    }
}
