//! Models: the JSON schemas that request bodies are checked with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::patch::patches;
use super::rest_api::Definition;
use super::schema::Schema;
use super::{ID, bad, conflict, needs, not_found, page, read, shown, text};
use crate::world::{AwsError, Caller, Operation, Random, World};

/// A model; its members are those of AWS's `Model`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model {
    #[serde(default)]
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    pub content_type: String,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateModel",
        needs: |world, caller, input| needs::of("CreateModel", world, caller, input),
        run: create,
    },
    Operation {
        name: "GetModel",
        needs: |world, caller, input| needs::of("GetModel", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            Ok(shown(definition.model(&input)?))
        },
    },
    Operation {
        name: "GetModels",
        needs: |world, caller, input| needs::of("GetModels", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let models = definition.models.iter();
            let items = models.map(|(name, model)| (name.clone(), shown(model)));
            page("GetModels", items, &input)
        },
    },
    Operation {
        name: "UpdateModel",
        needs: |world, caller, input| needs::of("UpdateModel", world, caller, input),
        run: update,
    },
    Operation {
        name: "DeleteModel",
        needs: |world, caller, input| needs::of("DeleteModel", world, caller, input),
        run: delete,
    },
];

impl Model {
    /// The two models that every new API has.
    pub fn defaults(random: &mut Random) -> BTreeMap<String, Self> {
        let mut model = |name: &str, schema: &str| Self {
            id: random.text(ID, 6),
            name: name.to_owned(),
            description: Some(format!(
                "This is a default {} schema model",
                name.to_lowercase()
            )),
            schema: Some(schema.to_owned()),
            content_type: "application/json".into(),
        };
        let empty = model(
            "Empty",
            "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \
             \"Empty Schema\",\n  \"type\" : \"object\"\n}",
        );
        let error = model(
            "Error",
            "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \
             \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \
             \"type\" : \"string\" }\n  }\n}",
        );
        BTreeMap::from([("Empty".into(), empty), ("Error".into(), error)])
    }

    /// Checks name and schema. A schema that this sandbox could not enforce is refused by name.
    pub fn check(&self) -> Result<(), AwsError> {
        let is_name = !self.name.is_empty() && self.name.chars().all(|c| c.is_ascii_alphanumeric());
        if !is_name {
            return Err(bad(format!(
                "Model name must be alphanumeric: {}",
                self.name
            )));
        }
        if self.content_type.is_empty() {
            return Err(bad("Invalid content type specified"));
        }
        match &self.schema {
            Some(schema) if self.content_type == "application/json" => {
                Schema::parse(schema).map(drop)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Definition {
    fn model(&self, input: &Value) -> Result<&Model, AwsError> {
        let name = text(input, "modelName");
        let found = self.models.get(name);
        found.ok_or_else(|| not_found(format!("Invalid model name specified: {name}")))
    }
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let id = world.random.text(ID, 6);
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let model = Model { id, ..read(input)? };
    model.check()?;
    if definition.models.contains_key(&model.name) {
        return Err(conflict("Model name already exists for this REST API"));
    }
    let answer = shown(&model);
    definition.models.insert(model.name.clone(), model);
    Ok(answer)
}

fn update(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let mut model = definition.model(&input)?.clone();
    for patch in patches(&input)? {
        match patch.path() {
            "/description" => patch.apply_option(&mut model.description)?,
            "/schema" => patch.apply_option(&mut model.schema)?,
            _ => return Err(patch.unknown(&["/description", "/schema"])),
        }
    }
    model.check()?;
    let answer = shown(&model);
    definition.models.insert(model.name.clone(), model);
    Ok(answer)
}

fn delete(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    definition.model(&input)?;
    let name = text(&input, "modelName");
    for resource in definition.resources.values() {
        for (verb, method) in &resource.methods {
            let responses = method.method_responses.values();
            let mut used = responses
                .flat_map(|response| response.response_models.values())
                .chain(method.request_models.values());
            if used.any(|used| used == name) {
                return Err(conflict(format!(
                    "Cannot delete model '{name}', is referenced in method {verb} {}",
                    resource.path
                )));
            }
        }
    }
    definition.models.remove(name);
    Ok(json!({}))
}
