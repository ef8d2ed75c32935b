//! (being written)

use serde::{Deserialize, Serialize};

use crate::world::World;

/// State.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// A key that can back a KSK.
pub struct KskKey {
    /// Account of the key.
    pub account: String,
    /// X and Y.
    pub public_key: [u8; 64],
}

/// Why a key can not back a KSK.
#[derive(Debug, thiserror::Error)]
#[error("not found")]
pub struct KskKeyProblem;

impl World {
    /// Stub.
    pub fn ksk_key(&self, arn: &str) -> Result<KskKey, KskKeyProblem> {
        let _ = arn;
        Err(KskKeyProblem)
    }
    /// Stub.
    pub fn ksk_key_allows(&self, arn: &str, zone_id: &str, account: &str) -> Result<(), String> {
        let _ = (arn, zone_id, account);
        Ok(())
    }
}
