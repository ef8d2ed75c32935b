//! All of the project's tests from outside in one program: what they share, the tool as a library and the
//! simulated AWS, is then linked once and not for each of them.

mod adopt;
mod bad_input;
mod crash;
mod delegation;
mod ds;
mod edge;
mod instance;
mod kill;
mod lifecycle;
mod moved;
mod names;
mod never_bogus;
mod others;
mod parent;
mod policies;
mod properties;
mod quota;
mod scenarios;
mod status;
mod tidy;
mod ttls;
mod updater;
mod zone_file;
