//! How often AWS is asked again, for how long in all: the only place of the updater that repeats a call,
//! and the only one that gives one up.
//!
//! Route 53 works on one change of a zone at a time and gives an account a few calls a second, so under
//! load most calls are refused at first. All calls of one request share one budget of time, first tries
//! included, so that an answer and an audit line always come before Lambda ends the function.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;

use crate::ports::{Failure, Ports};

/// All calls of a request together (design, section 6). The shortest time limit that a stack document may
/// give the function is 10 seconds, so two are left to sign and write the answer.
const IN_ALL: Duration = Duration::from_secs(8);

/// One call. Route 53 answers in about a tenth of a second, STS and EC2 in less.
const ONCE: Duration = Duration::from_secs(4);

/// The longest first wait.
const FIRST: Duration = Duration::from_millis(100);

/// The longest wait.
const LONGEST: Duration = Duration::from_millis(1_600);

/// Until when a request's calls are made.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    until: Timestamp,
}

/// What a call met that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// What the last try met; [`Failure::Unanswered`] when there was time for none, or when time was up and
    /// any try that went before had no answer.
    pub failure: Failure,
    /// Whether any try had no answer. Then what it asked for may have been done, whatever a later one was
    /// told: a right that was just taken away says nothing about the moment before.
    pub may_be_done: bool,
}

impl Budget {
    /// All of it, from now.
    pub fn from(now: Timestamp) -> Self {
        Self {
            until: now.checked_add(IN_ALL).unwrap_or(Timestamp::MAX),
        }
    }

    /// Makes a call that changes nothing until it succeeds, fails for good, or time is up: no call is begun
    /// after that, and none goes on.
    ///
    /// # Errors
    /// As [`Missed::failure`].
    pub async fn persist<P, T, F>(&self, ports: &P, call: impl FnMut() -> F) -> Result<T, Failure>
    where
        P: Ports,
        F: Future<Output = Result<T, Failure>>,
    {
        let outcome = self.persist_change(ports, call).await;
        outcome.map_err(|missed| missed.failure)
    }

    /// The same for a call that changes something, and may have done so without an answer.
    ///
    /// # Errors
    /// What it met.
    pub async fn persist_change<P, T, F>(
        &self,
        ports: &P,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Missed>
    where
        P: Ports,
        F: Future<Output = Result<T, Failure>>,
    {
        let mut ceiling = FIRST;
        let mut met = None;
        let mut may_be_done = false;
        while let Some(left) = self.left(ports.now()) {
            let failure = match within(ports, left.min(ONCE), call()).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            may_be_done |= failure == Failure::Unanswered;
            if !is_passing(failure) {
                return Err(Missed {
                    failure,
                    may_be_done,
                });
            }
            if met != Some(Failure::Unanswered) {
                met = Some(failure);
            }
            let wait = jittered(ceiling, ports.random());
            if self.left(ports.now()).is_none_or(|left| left <= wait) {
                break;
            }
            ports.sleep(wait).await;
            ceiling = (ceiling * 2).min(LONGEST);
        }
        Err(Missed {
            failure: met.unwrap_or(Failure::Unanswered),
            may_be_done,
        })
    }

    /// What is left of it; none when it is over.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = Duration::try_from(self.until.duration_since(now)).ok()?;
        (!left.is_zero()).then_some(left)
    }
}

/// A call, given up after this long.
async fn within<P: Ports, T>(
    ports: &P,
    limit: Duration,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let (mut call, mut end) = (pin!(call), pin!(ports.sleep(limit)));
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => end
            .as_mut()
            .poll(context)
            .map(|()| Err(Failure::Unanswered)),
    })
    .await
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
