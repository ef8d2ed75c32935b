//! (being written)

use serde::{Deserialize, Serialize};

/// State.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// (being written)
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RegistrarAction {}

impl crate::World {
    /// (being written)
    pub fn dns(
        &mut self,
        _now: jiff::Timestamp,
        _server: std::net::IpAddr,
        _query: &[u8],
    ) -> Option<Vec<u8>> {
        None
    }

    /// (being written)
    pub fn registrar(
        &mut self,
        _now: jiff::Timestamp,
        action: RegistrarAction,
    ) -> Result<String, String> {
        match action {}
    }
}
