//! AWS Lambda: functions, their code, permissions and concurrency.

use serde::{Deserialize, Serialize};

use crate::world::Operation;

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of this name, if it is modelled.
pub fn operation(_name: &str) -> Option<&'static Operation> {
    None
}

/// What lambda:Invoke needs to know to answer its caller.
#[derive(Debug, Clone)]
pub struct Waiting {}

impl State {
    /// The policy of a function, if it has one.
    pub fn resource_policy(&self, _arn: &str) -> Option<String> {
        None
    }
}
