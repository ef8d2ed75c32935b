//! Amazon API Gateway: REST APIs, their parts, deployments and stages.

use serde::{Deserialize, Serialize};

use crate::world::Operation;

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of this name, if it is modelled.
pub fn operation(_name: &str) -> Option<&'static Operation> {
    None
}

/// What a REST API needs to know to answer its client.
#[derive(Debug, Clone)]
pub struct Waiting {}

impl State {
    /// The policy of a REST API, if it has one.
    pub fn resource_policy(&self, _arn: &str) -> Option<String> {
        None
    }
}
