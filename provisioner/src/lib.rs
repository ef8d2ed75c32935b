//! Provisioner.

pub mod name;
pub mod stack;
