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

/// Adds a value to a metric.
pub fn record(
    _world: &mut crate::world::World,
    _account: &str,
    _region: &str,
    _namespace: &str,
    _metric: &str,
    _dimensions: &[(&str, &str)],
    _value: f64,
    _unit: &str,
    _at: jiff::Timestamp,
) {
}
