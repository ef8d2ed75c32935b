//! Mutations of the API: one call each.

use super::definition::{Definition, Refusal};
use super::live::Note;
use crate::arg::{Arg, Output};
use crate::kind::{Limit, Look};
use crate::tags::Tags;

/// A change of one attribute, by API Gateway's path for it. `None` removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Path.
    pub path: String,
    /// Value; none removes.
    pub value: Option<String>,
}

impl Patch {
    /// Sets an attribute.
    pub fn set(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            value: Some(value.into()),
        }
    }

    /// Removes one.
    pub fn remove(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            value: None,
        }
    }
}

/// A deployment that a stage is to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Deployment id.
    pub deployment: Arg,
    /// Hash of its definition.
    pub hash: String,
    /// Id of the one before, which is kept for a way back.
    pub previous: Option<String>,
}

impl Served {
    /// The stage's description.
    pub fn description(&self) -> String {
        let note = Note {
            deployment: self.deployment.value(),
            hash: &self.hash,
            previous: self.previous.as_deref(),
        };
        note.text()
    }
}

/// What is removed, by id or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// A resource, with everything below it.
    Resource {
        /// Id.
        id: String,
    },
    /// A method.
    Method {
        /// Id of its resource.
        resource: String,
        /// Verb.
        verb: String,
    },
    /// A model.
    Model {
        /// Name.
        name: String,
    },
    /// A request validator.
    Validator {
        /// Id.
        id: String,
    },
    /// An authorizer.
    Authorizer {
        /// Id.
        id: String,
    },
    /// A gateway response: AWS's default comes back.
    Response {
        /// Type.
        kind: String,
    },
    /// A stage.
    Stage {
        /// Name.
        name: String,
    },
    /// A deployment.
    Deployment {
        /// Id.
        id: String,
    },
}

/// Mutations of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateRestApi with its policy and tags.
    Create {
        /// What it has to be.
        definition: Box<Definition>,
    },
    /// UpdateRestApi.
    Update {
        /// API id.
        api: Arg,
        /// Changes.
        patches: Vec<Patch>,
    },
    /// TagResource on the API or on its stage.
    Tag {
        /// Region, for the ARN.
        region: String,
        /// API id.
        api: Arg,
        /// Stage name, if it is the stage's tags.
        stage: Option<String>,
        /// Tags to set.
        tags: Tags,
    },
    /// CreateResource.
    CreateResource {
        /// API id.
        api: Arg,
        /// Id of the resource above.
        parent: Arg,
    },
    /// CreateModel.
    CreateModel {
        /// API id.
        api: Arg,
        /// Schema.
        schema: String,
        /// Description.
        description: String,
    },
    /// UpdateModel.
    UpdateModel {
        /// API id.
        api: Arg,
        /// Changes.
        patches: Vec<Patch>,
    },
    /// CreateRequestValidator.
    CreateValidator {
        /// API id.
        api: Arg,
    },
    /// UpdateRequestValidator.
    UpdateValidator {
        /// API id.
        api: Arg,
        /// Validator id.
        id: Arg,
    },
    /// PutMethod.
    PutMethod {
        /// API id.
        api: Arg,
        /// Resource id.
        resource: Arg,
        /// Validator id.
        validator: Arg,
    },
    /// PutIntegration.
    PutIntegration {
        /// API id.
        api: Arg,
        /// Resource id.
        resource: Arg,
        /// URI.
        uri: String,
        /// Timeout.
        timeout_millis: u64,
    },
    /// PutGatewayResponse.
    PutResponse {
        /// API id.
        api: Arg,
        /// The answer.
        refusal: Box<Refusal>,
    },
    /// CreateDeployment.
    Deploy {
        /// API id.
        api: Arg,
        /// Description: the hash of the definition.
        hash: String,
    },
    /// CreateStage with its tags.
    CreateStage {
        /// API id.
        api: Arg,
        /// Stage name.
        stage: String,
        /// What it serves.
        served: Served,
        /// Tags set in the same call.
        tags: Tags,
    },
    /// UpdateStage.
    UpdateStage {
        /// API id.
        api: Arg,
        /// Stage name.
        stage: String,
        /// What it serves from now on, if that changes.
        served: Option<Served>,
        /// Other changes.
        patches: Vec<Patch>,
    },
    /// The call that deletes a part.
    Remove {
        /// API id.
        api: Arg,
        /// The part.
        part: Foreign,
    },
    /// DeleteRestApi.
    Delete {
        /// API id.
        api: Arg,
    },
}

impl Served {
    fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Self {
        Self {
            deployment: f(&self.deployment),
            ..self.clone()
        }
    }
}

impl Op {
    pub(in crate::kind) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        let mut mapped = self.clone();
        match &mut mapped {
            Op::Create { .. } => {}
            Op::CreateResource { api, parent } => {
                *api = f(api);
                *parent = f(parent);
            }
            Op::PutMethod {
                api,
                resource,
                validator,
            } => {
                *api = f(api);
                *resource = f(resource);
                *validator = f(validator);
            }
            Op::PutIntegration { api, resource, .. } => {
                *api = f(api);
                *resource = f(resource);
            }
            Op::UpdateValidator { api, id } => {
                *api = f(api);
                *id = f(id);
            }
            Op::CreateStage { api, served, .. } => {
                *api = f(api);
                *served = served.map(f);
            }
            Op::UpdateStage { api, served, .. } => {
                *api = f(api);
                *served = served.as_ref().map(|served| served.map(f));
            }
            Op::Update { api, .. }
            | Op::Tag { api, .. }
            | Op::CreateModel { api, .. }
            | Op::UpdateModel { api, .. }
            | Op::CreateValidator { api }
            | Op::PutResponse { api, .. }
            | Op::Deploy { api, .. }
            | Op::Remove { api, .. }
            | Op::Delete { api } => *api = f(api),
        }
        mapped
    }

    pub(in crate::kind) fn brings(&self) -> &'static [Output] {
        match self {
            Op::Create { .. } => &[Output::ApiId, Output::RootResourceId],
            Op::CreateResource { .. } => &[Output::ResourceId],
            Op::CreateValidator { .. } => &[Output::ValidatorId],
            Op::Deploy { .. } => &[Output::DeploymentId],
            Op::Update { .. }
            | Op::Tag { .. }
            | Op::CreateModel { .. }
            | Op::UpdateModel { .. }
            | Op::UpdateValidator { .. }
            | Op::PutMethod { .. }
            | Op::PutIntegration { .. }
            | Op::PutResponse { .. }
            | Op::CreateStage { .. }
            | Op::UpdateStage { .. }
            | Op::Remove { .. }
            | Op::Delete { .. } => &[],
        }
    }

    /// API Gateway's actions are the methods of its HTTP calls (Service Authorization Reference,
    /// "Actions, resources, and condition keys for Amazon API Gateway Management").
    pub(in crate::kind) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. }
            | Op::CreateResource { .. }
            | Op::CreateModel { .. }
            | Op::CreateValidator { .. }
            | Op::Deploy { .. }
            | Op::CreateStage { .. } => "apigateway:POST",
            Op::Update { .. }
            | Op::UpdateModel { .. }
            | Op::UpdateValidator { .. }
            | Op::UpdateStage { .. } => "apigateway:PATCH",
            Op::Tag { .. }
            | Op::PutMethod { .. }
            | Op::PutIntegration { .. }
            | Op::PutResponse { .. } => "apigateway:PUT",
            Op::Remove { .. } | Op::Delete { .. } => "apigateway:DELETE",
        }
    }

    /// The operation's own name, for messages and the table of failures.
    pub(super) fn call(&self) -> &'static str {
        match self {
            Op::Create { .. } => "apigateway:CreateRestApi",
            Op::Update { .. } => "apigateway:UpdateRestApi",
            Op::Tag { .. } => "apigateway:TagResource",
            Op::CreateResource { .. } => "apigateway:CreateResource",
            Op::CreateModel { .. } => "apigateway:CreateModel",
            Op::UpdateModel { .. } => "apigateway:UpdateModel",
            Op::CreateValidator { .. } => "apigateway:CreateRequestValidator",
            Op::UpdateValidator { .. } => "apigateway:UpdateRequestValidator",
            Op::PutMethod { .. } => "apigateway:PutMethod",
            Op::PutIntegration { .. } => "apigateway:PutIntegration",
            Op::PutResponse { .. } => "apigateway:PutGatewayResponse",
            Op::Deploy { .. } => "apigateway:CreateDeployment",
            Op::CreateStage { .. } => "apigateway:CreateStage",
            Op::UpdateStage { .. } => "apigateway:UpdateStage",
            Op::Delete { .. } => "apigateway:DeleteRestApi",
            Op::Remove { part, .. } => match part {
                Foreign::Resource { .. } => "apigateway:DeleteResource",
                Foreign::Method { .. } => "apigateway:DeleteMethod",
                Foreign::Model { .. } => "apigateway:DeleteModel",
                Foreign::Validator { .. } => "apigateway:DeleteRequestValidator",
                Foreign::Authorizer { .. } => "apigateway:DeleteAuthorizer",
                Foreign::Response { .. } => "apigateway:DeleteGatewayResponse",
                Foreign::Stage { .. } => "apigateway:DeleteStage",
                Foreign::Deployment { .. } => "apigateway:DeleteDeployment",
            },
        }
    }

    pub(in crate::kind) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::Update { .. } => "changing settings",
            Op::Tag { .. } => "tagging",
            Op::CreateResource { .. } => "adding the path",
            Op::CreateModel { .. } => "adding the request model",
            Op::UpdateModel { .. } => "changing the request model",
            Op::CreateValidator { .. } => "adding the validator",
            Op::UpdateValidator { .. } => "changing the validator",
            Op::PutMethod { .. } => "setting the method",
            Op::PutIntegration { .. } => "connecting the function",
            Op::PutResponse { .. } => "setting an error answer",
            Op::Deploy { .. } => "deploying",
            Op::CreateStage { .. } => "creating the stage",
            Op::UpdateStage { .. } => "setting the stage",
            Op::Remove { .. } => "removing a part",
            Op::Delete { .. } => "deleting",
        }
    }

    pub(in crate::kind) fn limit(&self) -> Limit {
        match self {
            Op::Create { .. } => Limit::ApiCreate,
            Op::Delete { .. } => Limit::ApiDelete,
            Op::Deploy { .. } => Limit::ApiDeployment,
            Op::CreateResource { .. }
            | Op::Remove {
                part: Foreign::Resource { .. },
                ..
            } => Limit::ApiResource,
            Op::Update { .. }
            | Op::Tag { .. }
            | Op::CreateModel { .. }
            | Op::UpdateModel { .. }
            | Op::CreateValidator { .. }
            | Op::UpdateValidator { .. }
            | Op::PutMethod { .. }
            | Op::PutIntegration { .. }
            | Op::PutResponse { .. }
            | Op::CreateStage { .. }
            | Op::UpdateStage { .. }
            | Op::Remove { .. } => Limit::ApiGateway,
        }
    }

    pub(in crate::kind) fn is_removal(&self) -> bool {
        matches!(self, Op::Remove { .. } | Op::Delete { .. })
    }

    /// CreateRestApi takes no token: whether it was carried out shows in the list of APIs. The other
    /// creates have names or ids of the API's own, and are repeated.
    pub(in crate::kind) fn look(&self) -> Option<Look> {
        match self {
            Op::Create { definition } => Some(Look::RestApi {
                name: definition.name.clone(),
            }),
            Op::Update { .. }
            | Op::Tag { .. }
            | Op::CreateResource { .. }
            | Op::CreateModel { .. }
            | Op::UpdateModel { .. }
            | Op::CreateValidator { .. }
            | Op::UpdateValidator { .. }
            | Op::PutMethod { .. }
            | Op::PutIntegration { .. }
            | Op::PutResponse { .. }
            | Op::Deploy { .. }
            | Op::CreateStage { .. }
            | Op::UpdateStage { .. }
            | Op::Remove { .. }
            | Op::Delete { .. } => None,
        }
    }
}
