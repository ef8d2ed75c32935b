//! spore-updater: decides which EC2 instance may write which record.
//!
//! [`Updater::handle`] answers one request: from [`Ports`] to the world and an [`Event`] it makes an
//! [`Answer`] and the [`Audit`] line that says what happened. The binary `bootstrap` is that and Lambda's
//! own runtime around it. The steps, each a type that only the step before can make:
//!
//! ```text
//! event -> request (Asked)  what is asked for, read strictly
//!       -> proof (Proven)   who asks, and that it asks for this          STS
//!       -> allowed          whether it may, wherever the name stands     EC2
//!       -> ownership        whose the name is, and what that allows      Route 53, list
//!       -> batch            the change, compared and swapped in one      Route 53, change
//! ```
//!
//! [`name`] says which names an instance may ask for, [`owner`] is the mark in Route 53 that says whose a
//! name is, [`protocol`] is what clients must agree on byte for byte. All are strict: what is not exactly
//! as written down is refused, never repaired.
//!
//! The other side is here too, behind a feature: `register`, which is `spore-register` on the instances. It
//! uses names, marks and the protocol, and nothing of what decides.
//!
//! Invariant: no change of records without an `Allowed`, no `Allowed` without a `Proven`.
//! Invariant: nothing that a caller sent reaches a log before it was judged, and no proof ever does.
//! Invariant: a question that was not answered is never taken for the answer that lets somebody in.
//!
//! Deliberately absent: any crate of the AWS SDK, which would multiply the size of the zip, and any
//! code shared with the provisioner. What both must agree on, such as the account label and the
//! configuration, the tests of the workspace compare.

pub mod address;
pub mod allowed;
pub mod answer;
pub mod audit;
pub mod batch;
pub mod config;
#[cfg(feature = "edge")]
pub mod edge;
pub mod event;
pub mod handle;
pub mod limits;
pub mod name;
pub mod owner;
mod ownership;
pub mod ports;
pub mod proof;
pub mod protocol;
pub mod refusal;
#[cfg(feature = "register")]
pub mod register;
pub mod request;
pub mod retry;
mod survey;
pub mod update;
pub mod zone;

pub use answer::{Answer, Code};
pub use audit::Audit;
pub use config::Config;
pub use event::Event;
pub use handle::{Handled, Updater};
pub use ports::Ports;
