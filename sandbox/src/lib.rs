//! The simulated AWS: one world, two doors.
//!
//! [`World`] is pure data with its own seeded generator: no clock, no I/O. Requests come in through
//! an in-process door ([`door`]) or an HTTP server ([`serve`]), are decoded by one table-driven codec
//! ([`wire`]), authenticated ([`auth`]), and handed to an operation of a service as a JSON value.
//!
//! It judges the provisioner from outside and therefore never depends on it.

pub mod apigateway;
pub mod auth;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod bench;
pub mod blobs;
pub mod call;
pub mod checks;
pub mod cloudwatch;
pub mod dns;
pub mod door;
pub mod ec2;
pub mod fault;
pub mod iam;
pub mod instance;
pub mod invoke;
pub mod kms;
pub mod lambda;
pub mod limits;
mod listing;
pub mod logs;
pub mod policy;
pub mod profile;
pub mod record;
pub mod route53;
pub mod serve;
pub mod store;
pub mod sts;
pub mod tagging;
pub mod wire;
pub mod world;

pub use profile::Profile;
pub use world::{AwsError, Caller, Effect, Need, Operation, Request, Response, Via, World};
