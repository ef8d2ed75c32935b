//! UpdateRestApi: which paths there are, and what a patch of each does.
//!
//! All patches of a call are applied before the API is checked, so that a pair that only fits together
//! (an enhanced security policy and its access mode) can be written in any order.

use serde_json::Value;

use super::{Api, checked_size, describe, security_policy_default};
use crate::apigateway::patch::{Edit, Patch, patches};
use crate::apigateway::{bad, needs, policy, text};
use crate::world::{AwsError, Caller, Need, World};

/// What the patches of a call set, as condition keys.
pub(super) fn with_patched(need: Need, input: &Value) -> Need {
    needs::with_request(
        need,
        &[
            ("ApiName", needs::patched(input, "/name")),
            (
                "EndpointType",
                needs::patched(input, "/endpointConfiguration/types"),
            ),
            ("SecurityPolicy", needs::patched(input, "/securityPolicy")),
            (
                "DisableExecuteApiEndpoint",
                needs::patched(input, "/disableExecuteApiEndpoint"),
            ),
        ],
    )
}

/// The paths that UpdateRestApi takes.
const PATHS: &[&str] = &[
    "/apiKeySource",
    "/binaryMediaTypes/{type}",
    "/description",
    "/disableExecuteApiEndpoint",
    "/endpointAccessMode",
    "/endpointConfiguration/ipAddressType",
    "/endpointConfiguration/types/{type}",
    "/endpointConfiguration/vpcEndpointIds",
    "/minimumCompressionSize",
    "/name",
    "/policy",
    "/securityPolicy",
    "/version",
];

pub(super) fn run(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let id = text(&input, "restApiId").to_owned();
    let mut api = world.apigateway.api(caller, &input)?.clone();
    for patch in patches(&input)? {
        apply(&mut api, caller, &id, &patch)?;
    }
    api.endpoint.check()?;
    api.check_security_policy()?;
    let answer = describe(&id, &api);
    world.apigateway.region_mut(caller).apis.insert(id, api);
    Ok(answer)
}

fn apply(api: &mut Api, caller: &Caller, id: &str, patch: &Patch) -> Result<(), AwsError> {
    let definition = &mut api.definition;
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["name"] => {
            if patch.text()?.trim().is_empty() {
                return Err(bad("API name must not be empty"));
            }
            patch.text()?.clone_into(&mut api.name);
        }
        ["description"] => patch.apply_option(&mut api.description)?,
        ["version"] => patch.apply_option(&mut api.version)?,
        ["policy"] => {
            definition.policy = match patch.edit()? {
                Edit::Set("") | Edit::Remove => None,
                Edit::Set(text) => Some(policy::stored(caller, id, &policy::unescaped(text))?),
            }
        }
        ["apiKeySource"] => {
            definition.api_key_source = one_of(patch, &["HEADER", "AUTHORIZER"], "API key source")?;
        }
        ["disableExecuteApiEndpoint"] => {
            definition.disable_execute_api_endpoint = patch.boolean()?;
        }
        ["minimumCompressionSize"] => {
            definition.minimum_compression_size = match patch.edit()? {
                Edit::Set("") | Edit::Remove => None,
                Edit::Set(_) => Some(checked_size(patch.integer()?)?),
            }
        }
        ["binaryMediaTypes", kind] => {
            let types = &mut definition.binary_media_types;
            match patch.edit()? {
                Edit::Remove => types.retain(|known| known != kind),
                // A replacement names the old type in the path and the new one in the value.
                Edit::Set(value) => {
                    let new = if value.is_empty() { kind } else { value };
                    types.retain(|known| known != kind && known != new);
                    types.push(new.to_owned());
                }
            }
        }
        ["securityPolicy"] => {
            api.security_policy = match patch.edit()? {
                Edit::Set("") | Edit::Remove => security_policy_default(&api.endpoint).to_owned(),
                Edit::Set(policy) => policy.to_owned(),
            };
            if !SECURITY_POLICIES.contains(&api.security_policy.as_str()) {
                return Err(bad(format!(
                    "Invalid security policy '{}'",
                    api.security_policy
                )));
            }
        }
        ["endpointAccessMode"] => {
            patch.apply_option(&mut api.endpoint_access_mode)?;
            let mode = api.endpoint_access_mode.as_deref();
            if !matches!(mode, None | Some("BASIC" | "STRICT")) {
                return Err(bad("Invalid endpoint access mode"));
            }
        }
        ["endpointConfiguration", rest @ ..] => apply_endpoint(api, patch, rest)?,
        [..] => return Err(patch.unknown(PATHS)),
    }
    Ok(())
}

fn apply_endpoint(api: &mut Api, patch: &Patch, rest: &[&str]) -> Result<(), AwsError> {
    let endpoint = &mut api.endpoint;
    match rest {
        // The path names the old type: `/endpointConfiguration/types/EDGE` becomes the value; an
        // index does as well.
        ["types"] | ["types", _] => {
            api.set_endpoint_type(patch.text()?)?;
        }
        ["ipAddressType"] => {
            endpoint.ip_address_type = one_of(patch, &["ipv4", "dualstack"], "IP address type")?;
        }
        ["vpcEndpointIds"] => match patch.edit()? {
            Edit::Set(ids) => endpoint
                .vpc_endpoint_ids
                .extend(ids.split(',').map(str::to_owned)),
            Edit::Remove => endpoint.vpc_endpoint_ids.clear(),
        },
        [..] => return Err(patch.unknown(PATHS)),
    }
    Ok(())
}

/// A patch's value, which must be one of a list.
fn one_of(patch: &Patch, known: &[&str], what: &str) -> Result<String, AwsError> {
    let value = patch.text()?;
    if known.contains(&value) {
        Ok(value.to_owned())
    } else {
        Err(bad(format!(
            "Invalid {what} '{value}'. Must be one of: [{}]",
            known.join(", ")
        )))
    }
}

/// The enum `SecurityPolicy` of the service's model; patches carry plain text.
const SECURITY_POLICIES: &[&str] = &[
    "TLS_1_0",
    "TLS_1_2",
    "SecurityPolicy_TLS13_1_3_2025_09",
    "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
    "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_Ext2_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_Ext2_FIPS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_2021_06",
    "SecurityPolicy_TLS13_2025_EDGE",
    "SecurityPolicy_TLS12_PFS_2025_EDGE",
    "SecurityPolicy_TLS12_2018_EDGE",
];
