//! Filled below.
use crate::world::Operation;
pub(super) const OPERATIONS: &[Operation] = &[];
