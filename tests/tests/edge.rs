//! The edge in situations that no command brings about by itself: a lock that another run took over,
//! keys of others that look like ours, a world that can no longer be stored.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "edge/keys.rs"]
mod keys;
#[path = "edge/lock.rs"]
mod lock;

use jiff::Timestamp;
use spore_tests::bench::{Bench, desired};

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

async fn bench() -> Bench {
    Bench::open(desired(""), 1, now()).await
}
