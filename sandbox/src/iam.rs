//! AWS Identity and Access Management.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::world::{Operation, World};

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of this name, if it is modelled.
pub fn operation(_name: &str) -> Option<&'static Operation> {
    None
}

/// A policy of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its name.
    pub name: String,
    /// Its text.
    pub document: String,
}

/// What policies say about a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPolicies {
    /// Inline and attached policies.
    pub policies: Vec<Attached>,
    /// The permissions boundary.
    pub boundary: Option<Attached>,
    /// The policy given when the session was made.
    pub session: Option<String>,
    /// Tags of the principal and its session.
    pub tags: BTreeMap<String, String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// ARN, with its path.
    pub arn: String,
    /// The trust policy.
    pub trust: String,
}

impl World {
    /// Policies of a user or a role's session; none if there is no such principal any more.
    pub fn identity_policies(&self, _arn: &str) -> Option<IdentityPolicies> {
        None
    }

    /// A role of an account.
    pub fn role(&self, _account: &str, _name: &str) -> Option<&Role> {
        None
    }
}
