//! Request validators: what of a request is checked before the integration sees it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::patch::patches;
use super::rest_api::Definition;
use super::{ID, conflict, needs, not_found, page, read, shown, text};
use crate::world::{AwsError, Caller, Operation, World};

/// A request validator; its members are those of AWS's `RequestValidator`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Validator {
    #[serde(default)]
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub validate_request_body: bool,
    #[serde(default)]
    pub validate_request_parameters: bool,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateRequestValidator",
        needs: |world, caller, input| needs::of("CreateRequestValidator", world, caller, input),
        run: |world, caller, input| {
            let id = world.random.text(ID, 6);
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            let validator = Validator {
                id: id.clone(),
                ..read(input)?
            };
            let answer = shown(&validator);
            definition.validators.insert(id, validator);
            Ok(answer)
        },
    },
    Operation {
        name: "GetRequestValidator",
        needs: |world, caller, input| needs::of("GetRequestValidator", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            Ok(shown(definition.validator(&input)?))
        },
    },
    Operation {
        name: "GetRequestValidators",
        needs: |world, caller, input| needs::of("GetRequestValidators", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let validators = definition.validators.iter();
            let items = validators.map(|(id, validator)| (id.clone(), shown(validator)));
            page("GetRequestValidators", items, &input)
        },
    },
    Operation {
        name: "UpdateRequestValidator",
        needs: |world, caller, input| needs::of("UpdateRequestValidator", world, caller, input),
        run: update,
    },
    Operation {
        name: "DeleteRequestValidator",
        needs: |world, caller, input| needs::of("DeleteRequestValidator", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            definition.validator(&input)?;
            let id = text(&input, "requestValidatorId");
            let mut methods = definition
                .resources
                .values()
                .flat_map(|resource| resource.methods.values());
            if methods.any(|method| method.request_validator_id.as_deref() == Some(id)) {
                return Err(conflict(format!(
                    "Cannot delete request validator '{id}', it is used by a method"
                )));
            }
            definition.validators.remove(id);
            Ok(json!({}))
        },
    },
];

impl Definition {
    fn validator(&self, input: &Value) -> Result<&Validator, AwsError> {
        let found = self.validators.get(text(input, "requestValidatorId"));
        found.ok_or_else(|| not_found("Invalid Request Validator identifier specified"))
    }
}

fn update(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let mut validator = definition.validator(&input)?.clone();
    for patch in patches(&input)? {
        match patch.path() {
            "/name" => patch.apply_option(&mut validator.name)?,
            "/validateRequestBody" => validator.validate_request_body = patch.boolean()?,
            "/validateRequestParameters" => {
                validator.validate_request_parameters = patch.boolean()?;
            }
            _ => {
                return Err(patch.unknown(&[
                    "/name",
                    "/validateRequestBody",
                    "/validateRequestParameters",
                ]));
            }
        }
    }
    let answer = shown(&validator);
    let id = validator.id.clone();
    definition.validators.insert(id, validator);
    Ok(answer)
}
