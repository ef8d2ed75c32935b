//! Sessions judged from outside.
