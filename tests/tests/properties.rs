//! Properties that hold whatever the document says and whatever is live.
//!
//! [`planner`] feeds the pure planner with every combination of observations; [`live`] applies
//! generated documents to the simulated AWS, spoils what was made, and applies again.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "properties/documents.rs"]
mod documents;
#[path = "properties/live.rs"]
mod live;
#[path = "properties/planner.rs"]
mod planner;
#[path = "properties/snapshots.rs"]
mod snapshots;
