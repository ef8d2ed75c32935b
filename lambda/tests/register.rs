//! The program on the instances, as it is run.
