//! The one source of time: it feeds the SDK, DNS, the run loop and the sandbox's door.

use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use jiff::{SignedDuration, Timestamp};
use spore_sandbox::door::Sandbox;
use spore_sandbox::store::StoreError;

use crate::condition::later;
use crate::retry::{Class, Failure};

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The host's clock, plus the offset of a served world.
    Host {
        /// How far the world is ahead of the host.
        offset: SignedDuration,
    },
    /// The clock of a simulated world in this process: waiting moves it and costs nothing.
    World(Sandbox),
}

/// A simulated clock that cannot be moved, as its folder cannot be written. Whoever waits has to stop:
/// time stands still, and a wait that returned at once would be repeated without end.
#[derive(Debug, thiserror::Error)]
#[error("the simulated clock cannot be moved: {0}")]
pub struct Stopped(#[from] StoreError);

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self {
            operation: "sandbox".into(),
            class: Class::Refused,
            code: String::new(),
            message: stopped.to_string(),
        }
    }
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::Host { offset } => host_now().checked_add(*offset).unwrap_or(Timestamp::MAX),
            Clock::World(sandbox) => sandbox.now(),
        }
    }

    /// Waits until `time`.
    pub async fn sleep_until(&self, time: Timestamp) -> Result<(), Stopped> {
        match self {
            Clock::Host { .. } => {
                let left = Duration::try_from(time.duration_since(self.now())).unwrap_or_default();
                #[expect(clippy::disallowed_methods, reason = "the edge's one real sleep")]
                tokio::time::sleep(left).await;
                Ok(())
            }
            Clock::World(sandbox) => {
                tokio::task::yield_now().await;
                Ok(sandbox.sleep_until(time)?)
            }
        }
    }

    /// Whether waiting is free.
    pub fn is_virtual(&self) -> bool {
        match self {
            Clock::Host { .. } => false,
            Clock::World(_) => true,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge's one real clock")]
fn host_now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The clock for signatures: a served world checks them against the host's clock, as real clients
/// sign with that.
#[derive(Debug, Clone)]
pub struct SigningTime(pub Clock);

impl TimeSource for SigningTime {
    fn now(&self) -> SystemTime {
        match &self.0 {
            Clock::Host { .. } => SystemTime::from(host_now()),
            Clock::World(sandbox) => SystemTime::from(sandbox.now()),
        }
    }
}

/// Pauses between the SDK's own retries of reads.
#[derive(Debug, Clone)]
pub struct SdkSleep(pub Clock);

impl AsyncSleep for SdkSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Sleep::new(async move {
            let until = later(clock.now(), duration);
            // The SDK's sleep cannot fail. It pauses a handful of retries at most, and the wait after
            // them tells what is wrong.
            clock.sleep_until(until).await.ok();
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spore_sandbox::door::Options;

    #[tokio::test]
    async fn a_clock_whose_folder_is_gone_says_so() {
        let dir = tempfile::tempdir().expect("a folder");
        let sandbox = Sandbox::open(Some(dir.path().join("world")), Options::default());
        let clock = Clock::World(sandbox.expect("a world"));
        let wait = async || {
            clock
                .sleep_until(later(clock.now(), Duration::from_secs(60)))
                .await
        };
        assert!(wait().await.is_ok());
        dir.close().expect("the folder can be removed");
        let failure = Failure::from(
            wait()
                .await
                .expect_err("there is nowhere to store the time"),
        );
        assert!(failure.to_string().contains("world"), "{failure}");
    }
}
