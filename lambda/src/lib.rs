//! spore-updater: decides which EC2 instance may write which record.
//!
//! [`handle`] answers one request: from a [`Config`], [`Ports`] to the world and an [`Event`] it makes
//! an [`Answer`] and the [`Audit`] line that says what happened. The binary `bootstrap` is that and
//! Lambda's own runtime around it. [`name`] says which names an instance may ask for, [`owner`] is the
//! mark in Route 53 that says whose a name is. All are strict: what is not exactly as written down is
//! refused, never repaired.
//!
//! To follow, each with its own issue: proofs of identity, the batch that claims, renews or releases a
//! name, and the binary `spore-register` (on the instance). Until then every request is refused.
//!
//! Deliberately absent: any crate of the AWS SDK, which would multiply the size of the zip, and any
//! code shared with the provisioner. What both must agree on, such as the account label and the
//! configuration, the tests of the workspace compare.

pub mod answer;
pub mod audit;
pub mod config;
pub mod event;
pub mod handle;
pub mod name;
pub mod owner;
pub mod proof;
pub mod protocol;

pub use answer::{Answer, Code};
pub use audit::Audit;
pub use config::Config;
pub use event::Event;
pub use handle::{Handled, Ports, handle};
