//! (being written)

use serde::{Deserialize, Serialize};

/// State.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of a name.
pub fn operation(_name: &str) -> Option<&'static crate::world::Operation> {
    None
}
