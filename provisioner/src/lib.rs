//! spore-infra: a provisioner for DNSSEC-signed zones whose names EC2 instances keep up to date.
//!
//! # Architecture
//!
//! ```text
//! stack document --stack--> Desired --+
//!                                     +--plan--> Plan --run--> decisions --apply--> AWS
//! AWS, DNS --observe--> Snapshot -----+            |                         |
//!                                               render                    journal
//! ```
//!
//! The core is pure: [`stack`], [`desired`], [`snapshot`], [`plan`], [`graph`], [`condition`],
//! [`safety`], [`rotation`], [`teardown`], [`adoption`], [`run`], [`retry`], [`policy`], [`ds`], [`render`],
//! [`status`], `handover`, `restore`, `names`, `client_config`, `master_file` and the first two thirds of each file under
//! [`kind`] neither read, write, wait nor print. The edge is thin and decides nothing: [`aws`], [`tags`],
//! [`dns`], [`observe`], [`apply`], [`journal`], [`target`], [`updater`], [`clock`], [`cli`], and the last
//! third of each kind.
//!
//! Invariant: planning is a function of document, snapshot and time.
//! Invariant: a plan leaves no choices; apply decides when, never what.
//! Invariant: live AWS is the truth. There is no state file; what runs must know of each other is in
//! the journal, a log group of the stack.
//! Invariant: unknown is never absent. What could not be read blocks, and never causes a write.
//! Invariant: any prefix of an apply is safe. Planning and applying again finishes the work.
//!
//! Deliberately absent: a state store, a plug-in interface, roll-back (a failed apply is continued by
//! the next one), and any code shared with the sandbox, which judges this crate from outside.
//!
//! To read it: this page, [`plan`], [`run`], then one kind, such as [`kind::zone_signing`].

pub mod addr;
pub mod adoption;
pub mod apply;
pub mod arg;
pub mod aws;
pub mod cli;
pub mod client_config;
pub mod clock;
pub mod condition;
pub mod denial;
pub mod desired;
pub mod dns;
pub mod ds;
#[cfg(test)]
mod fixture;
pub mod graph;
pub mod handover;
pub mod journal;
pub mod kind;
pub mod master_file;
pub mod name;
pub mod names;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod principal;
pub mod render;
pub mod restore;
pub mod retry;
pub mod rotation;
pub mod run;
pub mod safety;
pub mod snapshot;
pub mod stack;
pub mod status;
pub mod strays;
pub mod tags;
pub mod target;
pub mod teardown;
pub mod updater;
