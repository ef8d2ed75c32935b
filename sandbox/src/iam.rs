//! AWS Identity and Access Management.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::world::{Operation, World};

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    pub(crate) roles: BTreeMap<String, Role>,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    /// ARN with the path.
    pub arn: String,
    /// Trust policy.
    pub trust: String,
    /// From when on services may assume it.
    pub usable_from: Timestamp,
}

/// Policies of a principal.
#[derive(Debug, Clone)]
pub struct IdentityPolicies {}

impl World {
    /// A role.
    pub fn role(&self, account: &str, name: &str) -> Option<&Role> {
        self.iam.roles.get(&format!("{account}/{name}"))
    }

    /// The policies of a principal.
    pub fn identity_policies(&self, _arn: &str) -> Option<IdentityPolicies> {
        None
    }
}

/// The operation of this name, if it is modelled.
pub fn operation(_name: &str) -> Option<&'static Operation> {
    None
}
