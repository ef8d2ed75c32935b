//! The one source of time: it feeds the SDK, DNS, the run loop and the sandbox's door.

use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use jiff::{SignedDuration, Timestamp};
use spore_sandbox::door::Sandbox;

use crate::condition::later;

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

impl Clock {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::Host { offset } => host_now().checked_add(*offset).unwrap_or(Timestamp::MAX),
            Clock::World(sandbox) => sandbox.now(),
        }
    }

    /// Waits until `time`.
    pub async fn sleep_until(&self, time: Timestamp) {
        match self {
            Clock::Host { .. } => {
                let left = Duration::try_from(time.duration_since(self.now())).unwrap_or_default();
                #[expect(clippy::disallowed_methods, reason = "the edge's one real sleep")]
                tokio::time::sleep(left).await;
            }
            Clock::World(sandbox) => {
                tokio::task::yield_now().await;
                // A folder that cannot be written stops the next call with the reason.
                let _ = sandbox.sleep_until(time);
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
            clock.sleep_until(until).await;
        })
    }
}
