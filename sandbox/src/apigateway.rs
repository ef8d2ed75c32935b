//! Amazon API Gateway: REST APIs, their parts, deployments and stages.

use serde::{Deserialize, Serialize};

use std::net::IpAddr;

use jiff::Timestamp;

use crate::world::{Effect, Operation, Ran, Request, Response, World};

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

/// What a request to a REST API leads to; none if the request is not addressed to one.
pub fn execute(_: &mut World, _: Timestamp, _: IpAddr, _: &Request) -> Option<Effect> {
    None
}

/// The answer to a client whose function ran, or could not.
pub fn resume(_: &mut World, _: Timestamp, _: Waiting, _: Ran) -> Response {
    Response {
        status: 500,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

impl State {
    /// The policy of a REST API, if it has one.
    pub fn resource_policy(&self, _arn: &str) -> Option<String> {
        None
    }
}
