//! (being written)

use serde::{Deserialize, Serialize};

mod tag_set;

pub use tag_set::{TAGS_MAX, TagProblem, TagSet, Tags, check_tag};

/// State.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// The operation of a name.
pub fn operation(_name: &str) -> Option<&'static crate::world::Operation> {
    None
}
