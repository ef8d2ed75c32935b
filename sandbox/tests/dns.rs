//! The simulated DNS as validators see it: what is signed by `domain` and by the simulated KMS is
//! judged by hickory, through messages only.

#[path = "dns/answers.rs"]
mod answers;
#[path = "dns/lab.rs"]
mod lab;
#[path = "dns/mistakes.rs"]
mod mistakes;
