//! How slow, how late and how strict the world is.

use serde::{Deserialize, Serialize};

/// A profile of delays, lags and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// AWS's documented delays, list lags and rate limits (default in process: waits are free there).
    Aws,
    /// Changes are in sync after 2 s, no list lag, no rate limits (default of `sandbox serve`).
    Fast,
    /// Everything at once: no delays at all.
    Instant,
}
