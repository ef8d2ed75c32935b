//! What the tests share: the real binary, a stage to run it on, and a reader of what it left behind.
//!
//! Nothing here but `bench`, `by_hand` and `updater` uses the provisioner's code: the tests judge from outside, by exit codes,
//! texts and the stored world.

pub mod bench;
pub mod binary;
pub mod by_hand;
pub mod cases;
pub mod live;
pub mod served;
pub mod stage;
pub mod updater;
