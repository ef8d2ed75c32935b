//! (being written)

use serde::{Deserialize, Serialize};

/// State.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}
