//! Amazon CloudWatch: metrics and alarms.

use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use crate::world::{Operation, World};

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of this name, if it is modelled.
pub fn operation(_name: &str) -> Option<&'static Operation> {
    None
}

/// Records a value of a metric.
#[expect(
    clippy::too_many_arguments,
    reason = "a metric's value has this many parts"
)]
pub fn record(
    _world: &mut World,
    _account: &str,
    _region: &str,
    _namespace: &str,
    _metric: &str,
    _dimensions: &[(&str, &str)],
    _value: f64,
    _unit: &str,
    _at: Timestamp,
) {
}
