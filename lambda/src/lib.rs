//! spore-updater: decides which EC2 instance may write which record.
//!
//! Here so far is what needs neither network nor AWS: [`name`], which names an instance may ask for,
//! and [`owner`], the mark in Route 53 that says whose a name is. Both are pure and strict: what is not
//! exactly as written down is refused, never repaired.
//!
//! To follow, each with its own issue: proofs of identity, the batch that claims, renews or releases a
//! name, and the binaries `bootstrap` (the Lambda) and `spore-register` (on the instance).
//!
//! Deliberately absent: any crate of the AWS SDK, which would multiply the size of the zip, and any
//! code shared with the provisioner. What both must agree on, such as the account label, the tests of
//! the workspace compare.

pub mod name;
pub mod owner;
