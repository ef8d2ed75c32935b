//! How often AWS is asked again, for how long in all: the only place of the updater that repeats a call.
//!
//! Route 53 works on one change of a zone at a time and gives an account a few calls a second, so under
//! load most calls are refused at first. All calls of one request share one budget of time, so that the
//! answer always comes before the gateway gives up.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::ports::{Failure, Ports};

/// Design, section 6: tried again for up to this long.
const IN_ALL: Duration = Duration::from_secs(8);

/// The longest first wait.
const FIRST: Duration = Duration::from_millis(100);

/// The longest wait.
const LONGEST: Duration = Duration::from_millis(1_600);

/// Until when a request's calls are tried again.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    until: Timestamp,
}

impl Budget {
    /// All of it, from now.
    pub fn from(now: Timestamp) -> Self {
        Self {
            until: now.checked_add(IN_ALL).unwrap_or(Timestamp::MAX),
        }
    }

    /// Makes a call until it succeeds, fails for good, or time is up.
    ///
    /// # Errors
    /// What the last try met.
    pub async fn persist<P, T, F>(
        &self,
        ports: &P,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Failure>
    where
        P: Ports,
        F: Future<Output = Result<T, Failure>>,
    {
        let mut ceiling = FIRST;
        loop {
            let failure = match call().await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if !is_passing(failure) {
                return Err(failure);
            }
            let wait = jittered(ceiling, ports.random());
            if ports
                .now()
                .checked_add(wait)
                .is_ok_and(|end| end > self.until)
            {
                return Err(failure);
            }
            ports.sleep(wait).await;
            ceiling = (ceiling * 2).min(LONGEST);
        }
    }
}

/// Whether asking again can help. After [`Failure::Unanswered`] a change may be made twice; the second
/// time it is refused, since every batch expects the zone to be as it was before, and what is then in
/// the zone shows that the first was ours.
fn is_passing(failure: Failure) -> bool {
    match failure {
        Failure::Throttled | Failure::Pending | Failure::Unanswered => true,
        Failure::Conflict | Failure::Denied | Failure::Unusable => false,
    }
}

/// Anything up to the ceiling ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter"),
/// but never at once.
fn jittered(ceiling: Duration, random: u128) -> Duration {
    let ceiling = ceiling.as_micros();
    let micros = random % ceiling + ceiling / 10;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_over_all_of_their_range() {
        for random in [0, 1, 99_999, 100_000, u128::MAX] {
            let wait = jittered(FIRST, random);
            assert!(wait >= FIRST / 10 && wait < FIRST * 11 / 10, "{wait:?}");
        }
        assert_ne!(jittered(FIRST, 7), jittered(FIRST, 70_000));
    }
}
