//! What the tests share: where the real binary is.

pub mod binary;
