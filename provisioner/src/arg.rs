//! Arguments of operations: known values, or references to what another step will bring.
//!
//! A reference is a dependency edge; nobody writes "depends on" by hand.

use std::collections::BTreeMap;
use std::fmt;

use crate::addr::Addr;

/// A value that a resource brings once it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// Hosted zone id, without `/hostedzone/`.
    ZoneId,
    /// Name servers of the zone's delegation set, separated by blanks.
    NameServers,
    /// ARN of the KMS key.
    KeyArn,
    /// Id of the Route 53 change that a step started, without `/change/`.
    ChangeId,
    /// The same of a change in the parent zone, which may be in another account.
    ParentChangeId,
    /// Id of the REST API.
    ApiId,
    /// Id of the API's root resource.
    RootResourceId,
    /// Id of the API's resource that takes requests.
    ResourceId,
    /// Id of the API's request validator.
    ValidatorId,
    /// Id of the deployment that the API's stage serves.
    DeploymentId,
}

impl Output {
    /// The word shown in plans.
    pub fn word(self) -> &'static str {
        match self {
            Output::ZoneId => "id",
            Output::NameServers => "name-servers",
            Output::KeyArn => "arn",
            Output::ChangeId => "change",
            Output::ParentChangeId => "parent-change",
            Output::ApiId => "id",
            Output::RootResourceId => "root-resource",
            Output::ResourceId => "resource",
            Output::ValidatorId => "validator",
            Output::DeploymentId => "deployment",
        }
    }
}

/// What finished steps brought, by resource.
pub type Outputs = BTreeMap<Output, String>;

/// One argument of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// Known when the plan was made.
    Known(String),
    /// Brought by a step of this plan.
    Of(Addr, Output),
    /// The time at which the step starts (RFC 3339, seconds). Never part of a plan's digest.
    Now,
}

impl Arg {
    /// The value, once resolved.
    ///
    /// # Panics
    /// When the argument was not resolved: starting a step with an open reference is a bug of the run.
    pub fn value(&self) -> &str {
        match self {
            Arg::Known(value) => value,
            Arg::Of(addr, output) => {
                panic!("invariant: {addr}.{} is resolved before use", output.word())
            }
            Arg::Now => panic!("invariant: the time is resolved before use"),
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Known(value) => f.write_str(value),
            Arg::Of(addr, output) => write!(f, "(known after apply: {addr}.{})", output.word()),
            Arg::Now => f.write_str("(time of apply)"),
        }
    }
}
