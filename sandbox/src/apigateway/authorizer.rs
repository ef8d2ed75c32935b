//! Authorizers, as far as an outsider must see that there is one: they are kept and shown. A method
//! that uses one is refused by name when a client calls it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rest_api::Definition;
use super::{ID, bad, conflict, needs, not_found, page, read, shown, text};
use crate::world::{AwsError, Caller, Operation, World};

/// An authorizer; its members are those of AWS's `Authorizer`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorizer {
    #[serde(default)]
    pub id: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(
        rename = "providerARNs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub provider_arns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer_credentials: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_validation_expression: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer_result_ttl_in_seconds: Option<i64>,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateAuthorizer",
        needs: |world, caller, input| {
            let keys = [("AuthorizerType", input.get("type"))];
            let mut all: Vec<_> = needs::of("CreateAuthorizer", world, caller, input)
                .into_iter()
                .map(|need| needs::with_request(need, &keys))
                .collect();
            let role = text(input, "authorizerCredentials");
            if !role.is_empty() {
                all.push(needs::pass_role(role));
            }
            all
        },
        run: create,
    },
    Operation {
        name: "GetAuthorizers",
        needs: |world, caller, input| needs::of("GetAuthorizers", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let authorizers = definition.authorizers.iter();
            let items = authorizers.map(|(id, authorizer)| (id.clone(), shown(authorizer)));
            page("GetAuthorizers", items, &input)
        },
    },
    Operation {
        name: "DeleteAuthorizer",
        needs: |world, caller, input| needs::of("DeleteAuthorizer", world, caller, input),
        run: delete,
    },
];

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    if text(&input, "type") == "JWT" || input.get("jwtConfiguration").is_some() {
        return Err(AwsError::not_modelled("apigateway authorizers of type JWT"));
    }
    let id = world.random.text(ID, 6);
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let mut authorizer = Authorizer {
        id: id.clone(),
        ..read(input)?
    };
    check(&authorizer, definition)?;
    if authorizer.kind == "COGNITO_USER_POOLS" {
        authorizer
            .auth_type
            .get_or_insert_with(|| "cognito_user_pools".into());
    } else {
        authorizer.auth_type.get_or_insert_with(|| "custom".into());
        // "The default value is 300" (API page of Authorizer).
        authorizer
            .authorizer_result_ttl_in_seconds
            .get_or_insert(300);
    }
    let answer = shown(&authorizer);
    definition.authorizers.insert(id, authorizer);
    Ok(answer)
}

fn check(authorizer: &Authorizer, definition: &Definition) -> Result<(), AwsError> {
    let mut others = definition.authorizers.values();
    if others.any(|other| other.name == authorizer.name) {
        return Err(conflict("Authorizer name must be unique"));
    }
    let uri = authorizer.authorizer_uri.as_deref().unwrap_or_default();
    match authorizer.kind.as_str() {
        "COGNITO_USER_POOLS" if authorizer.provider_arns.is_empty() => {
            Err(bad("Provider ARNs are required for COGNITO_USER_POOLS"))
        }
        "TOKEN" | "REQUEST" if !uri.starts_with("arn:aws:apigateway:") => {
            Err(bad("Invalid Authorizer URI: must be a valid function ARN"))
        }
        _ if authorizer
            .authorizer_result_ttl_in_seconds
            .is_some_and(|ttl| !(0..=3600).contains(&ttl)) =>
        {
            Err(bad("Invalid TTL: must be between 0 and 3600 seconds"))
        }
        _ => Ok(()),
    }
}

fn delete(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let id = text(&input, "authorizerId");
    if !definition.authorizers.contains_key(id) {
        return Err(not_found("Invalid Authorizer identifier specified"));
    }
    let mut methods = definition
        .resources
        .values()
        .flat_map(|resource| resource.methods.values());
    if methods.any(|method| method.authorizer_id.as_deref() == Some(id)) {
        return Err(conflict(format!(
            "Cannot delete authorizer '{id}', is referenced in method"
        )));
    }
    definition.authorizers.remove(id);
    Ok(json!({}))
}
