//! Lambda judged through its operations.
