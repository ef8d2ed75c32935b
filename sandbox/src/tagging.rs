//! The Resource Groups Tagging API: one view on the tags of all services.
//!
//! Decides which resources a question finds. The tags themselves belong to the services; what this
//! API sees of them lags behind, as [`TagSet`] keeps it. Changes go to the operations of the owning
//! service, so that its rules hold.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::{AwsError, Operation};

mod change;
mod owner;
mod question;
mod tag_set;

pub use tag_set::{TAGS_MAX, TagProblem, TagSet, Tags, check_tag};

/// Nothing: what the API has seen is kept with the tags of each resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of this name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [question::OPERATIONS, change::OPERATIONS]
        .into_iter()
        .flatten()
        .find(|operation| operation.name == name)
}

/// Reads an operation's input. The codec has checked its shape, so that a failure here is a member
/// that shape and structure disagree on.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
