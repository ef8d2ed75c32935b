//! Carrying out one mutation of the API.

use aws_sdk_apigateway::types as api;

use super::definition::{
    ACCESS_MODE, CONTENT_TYPE, Definition, METHOD, MODEL, PASSTHROUGH, PATH_PART, VALIDATOR,
};
use super::op::{Foreign, Op, Patch, Served};
use crate::arg::{Output, Outputs};
use crate::aws::{Answer as _, Clients, unusable};
use crate::retry::{Class, Failure};

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let client = &write.apigateway;
    let call = op.call();
    let nothing = Outputs::new();
    match op {
        Op::Create { definition } => create(definition, write, call).await,
        Op::Update { api, patches } => {
            let request = client.update_rest_api().rest_api_id(api.value());
            let request = request.set_patch_operations(Some(operations(patches)));
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
        Op::Tag {
            region,
            api,
            stage,
            tags,
        } => {
            let mut arn = format!("arn:aws:apigateway:{region}::/restapis/{}", api.value());
            if let Some(stage) = stage {
                arn.push_str(&format!("/stages/{stage}"));
            }
            let request = client.tag_resource().resource_arn(arn);
            let request = request.set_tags(Some(tags.clone().into_iter().collect()));
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
        Op::CreateResource { api, parent } => {
            let request = client.create_resource().rest_api_id(api.value());
            let request = request.parent_id(parent.value()).path_part(PATH_PART);
            match request.send().await.or_fail(call) {
                Ok(made) => Ok(brings(Output::ResourceId, made.id)),
                Err(failure) => {
                    let there = there_already(write, api.value(), parent.value(), &failure).await?;
                    there.map_or(Err(failure), |id| Ok(brings(Output::ResourceId, Some(id))))
                }
            }
        }
        Op::CreateModel {
            api,
            schema,
            description,
        } => {
            let request = client.create_model().rest_api_id(api.value()).name(MODEL);
            let request = request.content_type(CONTENT_TYPE).schema(schema);
            let made = request.description(description).send().await.or_fail(call);
            if is_there(&made) {
                // An interrupted run made it, in an API that lists did not show yet: it is put as wanted.
                let patches = [
                    Patch::set("/schema", schema.clone()),
                    Patch::set("/description", description.clone()),
                ];
                let request = client.update_model().rest_api_id(api.value());
                let request = request.model_name(MODEL);
                let request = request.set_patch_operations(Some(operations(&patches)));
                request.send().await.or_fail("apigateway:UpdateModel")?;
            } else {
                made?;
            }
            Ok(nothing)
        }
        Op::UpdateModel { api, patches } => {
            let request = client.update_model().rest_api_id(api.value());
            let request = request.model_name(MODEL);
            let request = request.set_patch_operations(Some(operations(patches)));
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
        Op::CreateValidator { api } => create_validator(write, api.value(), call).await,
        Op::UpdateValidator { api, id } => {
            let request = client.update_request_validator().rest_api_id(api.value());
            let patches = [
                Patch::set("/validateRequestBody", "true"),
                Patch::set("/validateRequestParameters", "false"),
            ];
            let request = request.request_validator_id(id.value());
            let request = request.set_patch_operations(Some(operations(&patches)));
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
        Op::PutMethod {
            api,
            resource,
            validator,
        } => {
            let request = client.put_method().rest_api_id(api.value());
            let request = request.resource_id(resource.value()).http_method(METHOD);
            let request = request.authorization_type("NONE").api_key_required(false);
            let request = request.request_validator_id(validator.value());
            let request = request.request_models(CONTENT_TYPE, MODEL);
            let made = request.send().await.or_fail(call);
            // One that is there is an interrupted run's; the next plan compares it.
            if !is_there(&made) {
                made?;
            }
            Ok(nothing)
        }
        Op::PutIntegration {
            api,
            resource,
            uri,
            timeout_millis,
        } => {
            let request = client.put_integration().rest_api_id(api.value());
            let request = request.resource_id(resource.value()).http_method(METHOD);
            let request = request.r#type(api::IntegrationType::AwsProxy).uri(uri);
            // Lambda is invoked with POST whatever the caller's method is.
            let request = request.integration_http_method("POST");
            let timeout = i32::try_from(*timeout_millis)
                .map_err(|_| unusable(call, "the timeout is out of range"))?;
            let request = request
                .timeout_in_millis(timeout)
                .passthrough_behavior(PASSTHROUGH);
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
        Op::PutResponse { api, refusal } => {
            let request = client.put_gateway_response().rest_api_id(api.value());
            let request = request.response_type(refusal.kind.into());
            let request = request.set_status_code(refusal.status.map(str::to_owned));
            let request = request.response_templates(CONTENT_TYPE, refusal.template());
            let parameters = refusal.parameters().into_iter().collect();
            let request = request.set_response_parameters(Some(parameters));
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
        Op::Deploy { api, hash } => {
            let request = client.create_deployment().rest_api_id(api.value());
            let made = request.description(hash).send().await.or_fail(call)?;
            Ok(brings(Output::DeploymentId, made.id))
        }
        Op::CreateStage {
            api,
            stage,
            served,
            tags,
        } => {
            let request = client.create_stage().rest_api_id(api.value());
            let request = request.stage_name(stage).description(served.description());
            let request = request.deployment_id(served.deployment.value());
            let request = request.set_tags(Some(tags.clone().into_iter().collect()));
            let made = request.send().await.or_fail(call);
            if is_there(&made) {
                // An interrupted run's, which serves an earlier deployment.
                let request = client.update_stage().rest_api_id(api.value());
                let request = request.stage_name(stage);
                let patches = operations(&deployment(served));
                let request = request.set_patch_operations(Some(patches));
                request.send().await.or_fail("apigateway:UpdateStage")?;
            } else {
                made?;
            }
            Ok(nothing)
        }
        Op::UpdateStage {
            api,
            stage,
            served,
            patches,
        } => {
            let mut all: Vec<Patch> = served.as_ref().map(deployment).unwrap_or_default();
            all.extend_from_slice(patches);
            let request = client.update_stage().rest_api_id(api.value());
            let request = request.stage_name(stage);
            let request = request.set_patch_operations(Some(operations(&all)));
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
        Op::Remove { api, part } => {
            remove(write, api.value(), part, call).await?;
            Ok(nothing)
        }
        Op::Delete { api } => {
            let request = client.delete_rest_api().rest_api_id(api.value());
            request.send().await.or_fail(call)?;
            Ok(nothing)
        }
    }
}

fn brings(output: Output, id: Option<String>) -> Outputs {
    id.into_iter().map(|id| (output, id)).collect()
}

/// One call changes deployment and description, so that they never disagree.
fn deployment(served: &Served) -> Vec<Patch> {
    vec![
        Patch::set("/deploymentId", served.deployment.value()),
        Patch::set("/description", served.description()),
    ]
}

fn operations(patches: &[Patch]) -> Vec<api::PatchOperation> {
    patches
        .iter()
        .map(|patch| {
            let op = match patch.value {
                Some(_) => api::Op::Replace,
                None => api::Op::Remove,
            };
            api::PatchOperation::builder()
                .op(op)
                .path(&patch.path)
                .set_value(patch.value.clone())
                .build()
        })
        .collect()
}

async fn create(want: &Definition, write: &Clients, call: &str) -> Result<Outputs, Failure> {
    let endpoint = api::EndpointConfiguration::builder()
        .types(api::EndpointType::Regional)
        .ip_address_type(api::IpAddressType::Dualstack)
        .build();
    let request = write.apigateway.create_rest_api();
    let request = request.name(&want.name).description(&want.description);
    let request = request.endpoint_configuration(endpoint);
    let request = request.security_policy(want.security_policy.into());
    let request = request.endpoint_access_mode(ACCESS_MODE.into());
    let request = request.set_policy(want.policy.clone());
    let request = request.set_tags(Some(want.tags.clone().into_iter().collect()));
    let made = request.send().await.or_fail(call)?;
    let mut outputs = brings(Output::ApiId, made.id);
    outputs.extend(brings(Output::RootResourceId, made.root_resource_id));
    Ok(outputs)
}

fn is_there<T>(made: &Result<T, Failure>) -> bool {
    made.as_ref()
        .is_err_and(|failure| failure.class == Class::AlreadyThere)
}

/// The id of the path, if the reason of a failed CreateResource is that it is there: AWS answers
/// ConflictException to that and to changes under way alike, so the resources themselves say which.
async fn there_already(
    write: &Clients,
    api: &str,
    parent: &str,
    failure: &Failure,
) -> Result<Option<String>, Failure> {
    if !matches!(failure.class, Class::AlreadyThere | Class::Busy) {
        return Ok(None);
    }
    let pages = write.apigateway.get_resources().rest_api_id(api);
    let mut pages = pages.into_paginator().items().send();
    while let Some(next) = pages.next().await {
        let found = next.or_fail("apigateway:GetResources")?;
        if found.parent_id() == Some(parent) && found.path_part() == Some(PATH_PART) {
            return Ok(found.id);
        }
    }
    Ok(None)
}

/// Names of validators are not unique, so one that an unanswered call made is looked for first.
async fn create_validator(write: &Clients, api: &str, call: &str) -> Result<Outputs, Failure> {
    let request = write.apigateway.get_request_validators().rest_api_id(api);
    let listed = request
        .send()
        .await
        .or_fail("apigateway:GetRequestValidators")?;
    let found = listed.items().iter().find(|validator| {
        validator.name() == Some(VALIDATOR)
            && validator.validate_request_body
            && !validator.validate_request_parameters
    });
    if let Some(found) = found {
        return Ok(brings(Output::ValidatorId, found.id.clone()));
    }
    let request = write.apigateway.create_request_validator().rest_api_id(api);
    let request = request.name(VALIDATOR).validate_request_body(true);
    let request = request.validate_request_parameters(false);
    let made = request.send().await.or_fail(call)?;
    Ok(brings(Output::ValidatorId, made.id))
}

async fn remove(write: &Clients, api: &str, part: &Foreign, call: &str) -> Result<(), Failure> {
    let client = &write.apigateway;
    match part {
        Foreign::Resource { id } => {
            let request = client.delete_resource().rest_api_id(api).resource_id(id);
            request.send().await.or_fail(call)?;
        }
        Foreign::Method { resource, verb } => {
            let request = client.delete_method().rest_api_id(api);
            let request = request.resource_id(resource).http_method(verb);
            request.send().await.or_fail(call)?;
        }
        Foreign::Model { name } => {
            let request = client.delete_model().rest_api_id(api).model_name(name);
            request.send().await.or_fail(call)?;
        }
        Foreign::Validator { id } => {
            let request = client.delete_request_validator().rest_api_id(api);
            let request = request.request_validator_id(id);
            request.send().await.or_fail(call)?;
        }
        Foreign::Authorizer { id } => {
            let request = client.delete_authorizer().rest_api_id(api);
            request.authorizer_id(id).send().await.or_fail(call)?;
        }
        Foreign::Response { kind } => {
            let request = client.delete_gateway_response().rest_api_id(api);
            let request = request.response_type(kind.as_str().into());
            request.send().await.or_fail(call)?;
        }
        Foreign::Stage { name } => {
            let request = client.delete_stage().rest_api_id(api).stage_name(name);
            request.send().await.or_fail(call)?;
        }
        Foreign::Deployment { id } => {
            let request = client.delete_deployment().rest_api_id(api);
            request.deployment_id(id).send().await.or_fail(call)?;
        }
    }
    Ok(())
}
