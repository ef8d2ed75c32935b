//! How slow, how late and how strict the world is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::world::Random;

/// A profile of delays, lags and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// AWS's documented delays, list lags and rate limits (default in process: waits are free there).
    Aws,
    /// Changes are in sync after 2 s, no list lag, no rate limits (default of `sandbox serve`).
    Fast,
    /// Everything at once: no delays at all.
    Instant,
}

impl Profile {
    /// The longest time until a new object or tag is seen by list calls and by the tagging API.
    ///
    /// AWS publishes no number. KMS says that most changes propagate within seconds and some take
    /// several minutes (<https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency>);
    /// 150 s is the bound that the provisioner counts with, so the sandbox exhausts it.
    pub fn list_lag(self) -> Duration {
        match self {
            Self::Aws => Duration::from_secs(150),
            Self::Fast | Self::Instant => Duration::ZERO,
        }
    }

    /// The lag of one object, drawn between nothing and the longest, so that lists also miss the
    /// older of two objects while they show the younger.
    pub fn draw_list_lag(self, random: &mut Random) -> Duration {
        match u64::try_from(self.list_lag().as_millis()) {
            Ok(0) | Err(_) => Duration::ZERO,
            Ok(longest) => Duration::from_millis(random.next() % (longest + 1)),
        }
    }
}
