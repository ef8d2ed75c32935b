//! `status`: what the zone looks like to the world, what Route 53 says of its keys, what is wrong, and
//! who has to do what next.
//!
//! ```text
//! DNS --survey--> answers --chain--+
//!                                  +--> Facts --report--> Report --text, json, check-->
//! AWS --observe--> Snapshot -------+
//! ```
//!
//! Everything here is a function of what was seen and when; asking is [`crate::dns`]'s and
//! [`crate::observe`]'s.

pub mod chain;
pub mod check;
pub mod denial;
mod diagnosis;
pub mod facts;
pub mod json;
mod network;
mod of_snapshot;
mod repair;
pub mod report;
pub mod text;

pub use network::signals;
pub use of_snapshot::aws;
