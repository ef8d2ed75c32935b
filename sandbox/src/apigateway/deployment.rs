//! Deployments: frozen copies of an API's definition.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::patch::patches;
use super::rest_api::{Api, Definition};
use super::stage::Stage;
use super::{ID, bad, needs, not_found, page, read, text};
use crate::tagging::{TagSet, Tags};
use crate::wire::text::seconds_of;
use crate::world::{AwsError, Caller, Operation, World};

/// A deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Deployment {
    pub created: Timestamp,
    pub description: Option<String>,
    /// The API as it was then: what clients of the stages get.
    pub definition: Definition,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateDeployment",
        needs: |world, caller, input| needs::of("CreateDeployment", world, caller, input),
        run: create,
    },
    Operation {
        name: "GetDeployment",
        needs: |world, caller, input| needs::of("GetDeployment", world, caller, input),
        run: |world, caller, input| {
            let api = world.apigateway.api(caller, &input)?;
            let id = text(&input, "deploymentId");
            let deployment = api.deployment(id)?;
            Ok(describe(id, deployment, embeds_summary(&input)?))
        },
    },
    Operation {
        name: "GetDeployments",
        needs: |world, caller, input| needs::of("GetDeployments", world, caller, input),
        run: |world, caller, input| {
            let api = world.apigateway.api(caller, &input)?;
            let items = api
                .deployments
                .iter()
                .map(|(id, deployment)| (id.clone(), describe(id, deployment, false)));
            page("GetDeployments", items, &input)
        },
    },
    Operation {
        name: "UpdateDeployment",
        needs: |world, caller, input| needs::of("UpdateDeployment", world, caller, input),
        run: |world, caller, input| {
            let id = text(&input, "deploymentId");
            let api = world.apigateway.api_mut(caller, &input)?;
            let mut deployment = api.deployment(id)?.clone();
            for patch in patches(&input)? {
                match patch.path() {
                    "/description" => patch.apply_option(&mut deployment.description)?,
                    _ => return Err(patch.unknown(&["/description"])),
                }
            }
            let answer = describe(id, &deployment, false);
            api.deployments.insert(id.to_owned(), deployment);
            Ok(answer)
        },
    },
    Operation {
        name: "DeleteDeployment",
        needs: |world, caller, input| needs::of("DeleteDeployment", world, caller, input),
        run: |world, caller, input| {
            let id = text(&input, "deploymentId");
            let api = world.apigateway.api_mut(caller, &input)?;
            api.deployment(id)?;
            if api.stages.values().any(|stage| stage.deployment_id == id) {
                return Err(bad(
                    "Active stages pointing to this deployment must be moved or deleted",
                ));
            }
            api.deployments.remove(id);
            Ok(json!({}))
        },
    },
];

impl Api {
    pub fn deployment(&self, id: &str) -> Result<&Deployment, AwsError> {
        let found = self.deployments.get(id);
        found.ok_or_else(|| not_found("Invalid Deployment identifier specified"))
    }
}

impl Definition {
    /// Whether it can be served: "The REST API doesn't contain any methods", and every method must
    /// have an integration.
    fn check_deployable(&self) -> Result<(), AwsError> {
        let mut methods = self.resources.values().flat_map(|r| r.methods.values());
        if methods.clone().next().is_none() {
            return Err(bad("The REST API doesn't contain any methods"));
        }
        if methods.any(|method| method.method_integration.is_none()) {
            return Err(bad("No integration defined for method"));
        }
        Ok(())
    }
}

fn embeds_summary(input: &Value) -> Result<bool, AwsError> {
    let embed = input.get("embed").and_then(Value::as_array);
    let mut embed = embed.into_iter().flatten().filter_map(Value::as_str);
    match embed.find(|item| *item != "apisummary") {
        Some(other) => Err(bad(format!("Invalid embed value '{other}'"))),
        None => Ok(input.get("embed").is_some()),
    }
}

fn describe(id: &str, deployment: &Deployment, with_summary: bool) -> Value {
    let mut shown = json!({ "id": id, "createdDate": seconds_of(deployment.created) });
    if let Some(description) = &deployment.description {
        shown["description"] = description.as_str().into();
    }
    if with_summary {
        let mut summary = json!({});
        for resource in deployment.definition.resources.values() {
            for (verb, method) in &resource.methods {
                summary[&resource.path][verb] = json!({
                    "authorizationType": method.authorization_type,
                    "apiKeyRequired": method.api_key_required,
                });
            }
        }
        shown["apiSummary"] = summary;
    }
    shown
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    stage_name: Option<String>,
    stage_description: Option<String>,
    description: Option<String>,
    cache_cluster_enabled: Option<bool>,
    cache_cluster_size: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    canary_settings: Option<Value>,
    tracing_enabled: Option<bool>,
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let id = world.random.text(ID, 6);
    let lag = world.profile.draw_list_lag(&mut world.random);
    let api = world.apigateway.api_mut(caller, &input)?;
    let input: Create = read(input)?;
    if input.canary_settings.is_some() {
        return Err(AwsError::not_modelled(
            "apigateway:CreateDeployment with canarySettings",
        ));
    }
    api.definition.check_deployable()?;
    let deployment = Deployment {
        created: caller.now,
        description: input.description.filter(|text| !text.is_empty()),
        definition: api.definition.clone(),
    };
    let answer = describe(&id, &deployment, false);
    // A stage that exists moves to the new deployment; another is made.
    if let Some(name) = input.stage_name.filter(|name| !name.is_empty()) {
        let mut stage = match api.stages.get(&name) {
            Some(stage) => stage.clone(),
            None => {
                let tags = TagSet::new(Tags::new(), caller.now, lag);
                Stage::new(&name, &id, caller.now, tags)?
            }
        };
        stage.deployment_id.clone_from(&id);
        stage.updated = caller.now;
        stage.description = input.stage_description.or(stage.description.take());
        stage.variables.extend(input.variables.unwrap_or_default());
        stage.tracing_enabled = input.tracing_enabled.unwrap_or(stage.tracing_enabled);
        stage.set_cache(input.cache_cluster_enabled, input.cache_cluster_size);
        stage.check_variables()?;
        api.stages.insert(name, stage);
    }
    api.deployments.insert(id, deployment);
    Ok(answer)
}
