//! UpdateStage: which paths there are, and what a patch of each does.

use serde_json::Value;

use super::{AccessLogSettings, Stage, describe, method_of};
use crate::apigateway::patch::{Edit, Patch, patches};
use crate::apigateway::{bad, text};
use crate::world::{AwsError, Caller, World};

/// The paths that UpdateStage takes.
const PATHS: &[&str] = &[
    "/accessLogSettings",
    "/accessLogSettings/destinationArn",
    "/accessLogSettings/format",
    "/cacheClusterEnabled",
    "/cacheClusterSize",
    "/clientCertificateId",
    "/deploymentId",
    "/description",
    "/documentationVersion",
    "/tracingEnabled",
    "/variables/{name}",
    "/{resource_path}/{http_method}",
    "/{resource_path}/{http_method}/caching/dataEncrypted",
    "/{resource_path}/{http_method}/caching/enabled",
    "/{resource_path}/{http_method}/caching/requireAuthorizationForCacheControl",
    "/{resource_path}/{http_method}/caching/ttlInSeconds",
    "/{resource_path}/{http_method}/caching/unauthorizedCacheControlHeaderStrategy",
    "/{resource_path}/{http_method}/logging/dataTrace",
    "/{resource_path}/{http_method}/logging/loglevel",
    "/{resource_path}/{http_method}/metrics/enabled",
    "/{resource_path}/{http_method}/throttling/burstLimit",
    "/{resource_path}/{http_method}/throttling/rateLimit",
];

pub(super) fn run(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let patches = patches(&input)?;
    let name = text(&input, "stageName");
    let mut stage = world.apigateway.api(caller, &input)?.stage(name)?.clone();
    let logged_before = stage.access_log_settings.clone();
    for patch in &patches {
        apply(&mut stage, patch)?;
    }
    let api = world.apigateway.api(caller, &input)?;
    if !api.deployments.contains_key(&stage.deployment_id) {
        return Err(bad("Deployment id does not exist"));
    }
    stage.check_variables()?;
    if stage.access_log_settings != logged_before {
        check_access_log(world, caller, stage.access_log_settings.as_ref())?;
    }
    let logs_execution = patches
        .iter()
        .any(|patch| patch.path().ends_with("/logging/loglevel") && patch.text() != Ok("OFF"));
    if logs_execution {
        needs_log_role(world, caller)?;
    }
    stage.updated = caller.now;
    let answer = describe(name, &stage);
    let api = world.apigateway.api_mut(caller, &input)?;
    api.stages.insert(name.to_owned(), stage);
    Ok(answer)
}

fn apply(stage: &mut Stage, patch: &Patch) -> Result<(), AwsError> {
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["deploymentId"] => patch.text()?.clone_into(&mut stage.deployment_id),
        ["description"] => patch.apply_option(&mut stage.description)?,
        ["documentationVersion"] => patch.apply_option(&mut stage.documentation_version)?,
        ["tracingEnabled"] => stage.tracing_enabled = patch.boolean()?,
        ["cacheClusterEnabled"] => stage.set_cache(Some(patch.boolean()?), None),
        ["cacheClusterSize"] => stage.set_cache(None, Some(patch.text()?.to_owned())),
        ["clientCertificateId"] => {
            // There are no client certificates here, so that only none can be named.
            if patch.edit()? != Edit::Remove && !patch.text()?.is_empty() {
                return Err(bad("Invalid client certificate identifier specified"));
            }
        }
        ["variables", name] => patch.apply_map(name, &mut stage.variables)?,
        ["accessLogSettings"] if patch.edit()? == Edit::Remove => stage.access_log_settings = None,
        ["accessLogSettings", member @ ("destinationArn" | "format")] => {
            let settings = stage.access_log_settings.get_or_insert_default();
            let place = if *member == "format" {
                &mut settings.format
            } else {
                &mut settings.destination_arn
            };
            patch.apply_option(place)?;
            // AWS stores the ARN of a group without `:*` at its end.
            let destination = settings.destination_arn.as_mut();
            if let Some(destination) = destination.filter(|arn| arn.ends_with(":*")) {
                destination.truncate(destination.len() - 2);
            }
            if *settings == AccessLogSettings::default() {
                stage.access_log_settings = None;
            }
        }
        ["canarySettings", ..] => {
            return Err(AwsError::not_modelled(
                "apigateway:UpdateStage of /canarySettings",
            ));
        }
        [..] => apply_setting(stage, patch)?,
    }
    Ok(())
}

/// A patch of `/{resource_path}/{http_method}/{group}/{member}`, whose resource path may be escaped
/// or not.
fn apply_setting(stage: &mut Stage, patch: &Patch) -> Result<(), AwsError> {
    const GROUPS: [&str; 4] = ["metrics", "logging", "throttling", "caching"];
    let parts: Vec<&str> = patch.raw_parts().collect();
    let (key, member) = match parts.as_slice() {
        [path @ .., group, member] if GROUPS.contains(group) && path.len() >= 2 => {
            (path.join("/"), Some((*group, *member)))
        }
        [.., _, _] => (parts.join("/"), None),
        [..] => return Err(patch.unknown(PATHS)),
    };
    let (_, verb) = method_of(&key);
    if key != "*/*" && !METHODS.contains(&verb.as_str()) {
        return Err(patch.unknown(PATHS));
    }
    // The key keeps the spelling of the patch that made it.
    let known = stage
        .method_settings
        .keys()
        .find(|known| method_of(known) == method_of(&key));
    let key = known.cloned().unwrap_or(key);
    let Some((group, member)) = member else {
        return match patch.edit()? {
            Edit::Remove => {
                stage.method_settings.remove(&key);
                Ok(())
            }
            Edit::Set(_) => Err(patch.unknown(PATHS)),
        };
    };
    let setting = stage.method_settings.entry(key).or_default();
    match (group, member) {
        ("metrics", "enabled") => setting.metrics_enabled = patch.boolean()?,
        ("logging", "dataTrace") => setting.data_trace_enabled = patch.boolean()?,
        ("logging", "loglevel") => {
            let level = patch.text()?;
            if !["OFF", "ERROR", "INFO"].contains(&level) {
                return Err(bad(format!("Invalid logging level '{level}'")));
            }
            setting.logging_level = Some(level.to_owned());
        }
        // -1 takes the limit away (Terraform's provider sends it for "not set").
        ("throttling", "burstLimit") => {
            setting.throttling_burst_limit = patch.integer()?;
            if setting.throttling_burst_limit < -1 {
                return Err(bad("Invalid throttling burst limit"));
            }
        }
        ("throttling", "rateLimit") => {
            setting.throttling_rate_limit = patch.number()?;
            if setting.throttling_rate_limit < -1.0 {
                return Err(bad("Invalid throttling rate limit"));
            }
        }
        ("caching", "enabled") => setting.caching_enabled = patch.boolean()?,
        ("caching", "dataEncrypted") => setting.cache_data_encrypted = patch.boolean()?,
        ("caching", "ttlInSeconds") => setting.cache_ttl_in_seconds = patch.integer()?,
        ("caching", "requireAuthorizationForCacheControl") => {
            setting.require_authorization_for_cache_control = patch.boolean()?;
        }
        ("caching", "unauthorizedCacheControlHeaderStrategy") => patch
            .text()?
            .clone_into(&mut setting.unauthorized_cache_control_header_strategy),
        _ => return Err(patch.unknown(PATHS)),
    }
    Ok(())
}

const METHODS: [&str; 9] = [
    "*", "ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT",
];

/// "To enable access logging … the format must include at least `$context.requestId` or
/// `$context.extendedRequestId`", and the group must be there
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html>).
fn check_access_log(
    world: &World,
    caller: &Caller,
    settings: Option<&AccessLogSettings>,
) -> Result<(), AwsError> {
    let Some(settings) = settings else {
        return Ok(());
    };
    needs_log_role(world, caller)?;
    if let Some(format) = &settings.format
        && !format.contains("$context.requestId")
        && !format.contains("$context.extendedRequestId")
    {
        return Err(bad(
            "Invalid access log format. Access log format must contain at least one of \
             $context.requestId or $context.extendedRequestId",
        ));
    }
    let Some(destination) = &settings.destination_arn else {
        return Ok(());
    };
    let place = format!(
        "arn:aws:logs:{}:{}:log-group:",
        caller.region, caller.account
    );
    let mut groups = world.logs.tagged(&caller.account, &caller.region);
    match destination.strip_prefix(&place) {
        Some(_) if groups.any(|(arn, _)| arn == *destination) => Ok(()),
        Some(_) => Err(bad(
            "Invalid access log destination: the log group does not exist",
        )),
        None if destination.starts_with("arn:aws:firehose:") => Err(AwsError::not_modelled(
            "access logs of API Gateway to Firehose",
        )),
        None => Err(bad(format!(
            "Invalid ARN specified for the access log destination: {destination}"
        ))),
    }
}

fn needs_log_role(world: &World, caller: &Caller) -> Result<(), AwsError> {
    let region = world.apigateway.region(&caller.account, &caller.region);
    match region.and_then(|region| region.account.cloudwatch_role_arn.as_ref()) {
        Some(_) => Ok(()),
        None => Err(bad(
            "CloudWatch Logs role ARN must be set in account settings to enable logging",
        )),
    }
}
