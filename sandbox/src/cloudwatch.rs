//! Amazon CloudWatch: metrics and alarms.

use serde::{Deserialize, Serialize};

use crate::world::Operation;

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of this name, if it is modelled.
pub fn operation(_name: &str) -> Option<&'static Operation> {
    None
}
