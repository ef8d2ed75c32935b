//! IAM judged from outside: through its operations, as a client sees it.
