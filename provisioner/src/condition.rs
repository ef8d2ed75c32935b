//! Facts that steps wait for, and when they hold.
//!
//! Waits are values in the plan, evaluated by one pure function; nothing here sleeps or asks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::plan::StepId;

/// How long AWS's lists may lag behind what was created: an object that is not listed is believed
/// absent only when this has passed since the last attempt to create it (ASSUMPTIONS.md, A-2).
pub const LIST_LAG: Duration = Duration::from_secs(150);

/// A holder of the lock without a sign of life for this long is believed gone (design, section 5).
pub const STALE: Duration = Duration::from_secs(15 * 60);

/// The longest that any resolver is taken to remember anything, whatever the TTL: RFC 8767, section 4, recommends a cap
/// of seven days, which is BIND's `max-cache-ttl`, and Unbound's `cache-max-ttl` is a day (ASSUMPTIONS.md, A-58).
/// Route 53 itself serves no longer TTL in a signed zone.
pub const REMEMBERED_MAX: Duration = Duration::from_secs(604_800);

/// For how long resolvers may remember what has this TTL.
pub fn remembered(ttl_secs: u64) -> Duration {
    Duration::from_secs(ttl_secs).min(REMEMBERED_MAX)
}

/// What is to be added where a wait is named by a TTL of which it is only a part.
pub fn capped(ttl_secs: u64) -> &'static str {
    if remembered(ttl_secs).as_secs() < ttl_secs {
        " (resolvers keep nothing for more than 7 d)"
    } else {
        ""
    }
}

/// A fact that a step needs before it starts, or that shows it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The Route 53 change started by this very step is on every authoritative server
    /// (GetChange answers INSYNC; usually within 60 s).
    ChangeInSync,
    /// The function can be invoked and its last update has ended well (GetFunctionConfiguration).
    FunctionReady {
        /// Function name.
        name: String,
    },
    /// Every name server shows what the step changed. They are asked themselves once its change is in sync:
    /// what counts from then must not count from before the last of them.
    Served(Served),
    /// No resolver can hold the old answer any more.
    HoldDown {
        /// From when it counts.
        since: Since,
        /// The largest TTL under which the old answer may be held.
        lasts: Duration,
        /// Where the number comes from, for people.
        source: String,
    },
    /// An earlier attempt to create this object got no answer; lists may still hide it.
    ListsSettled {
        /// When that attempt was made.
        since: Timestamp,
    },
}

/// What every name server of the zone has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Names of the servers.
    pub name_servers: Vec<String>,
    /// What.
    pub shows: Shown,
}

/// What a name server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A DNSKEY set of the zone that one of its keys has signed.
    Signed {
        /// The zone.
        domain: String,
    },
    /// A record set with this TTL or a smaller one.
    Ttl {
        /// Owner name.
        name: String,
        /// Type.
        rtype: String,
        /// In seconds.
        secs_max: u32,
    },
}

/// The start of a hold-down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Evidence with a time.
    At(Timestamp),
    /// The moment a step of this plan was answered.
    Answered(StepId),
}

/// What is known about a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// It holds.
    Met,
    /// It holds from a known time on.
    At {
        /// That time.
        until: Timestamp,
        /// What is waited for, and where the number comes from.
        why: String,
    },
    /// It has to be looked up.
    Look,
    /// It depends on a step that is not answered yet.
    NotYet,
}

/// What the run knows when it evaluates a condition.
pub trait Facts {
    /// When a step was answered.
    fn answered_at(&self, step: &StepId) -> Option<Timestamp>;
}

/// Evaluates a condition.
pub fn met(condition: &Condition, facts: &impl Facts, now: Timestamp) -> Met {
    match condition {
        Condition::ChangeInSync | Condition::FunctionReady { .. } | Condition::Served(_) => {
            Met::Look
        }
        Condition::HoldDown {
            since,
            lasts,
            source,
        } => {
            let since = match since {
                Since::At(time) => Some(*time),
                Since::Answered(step) => facts.answered_at(step),
            };
            match since {
                None => Met::NotYet,
                Some(since) => passed(since, *lasts, now, source),
            }
        }
        Condition::ListsSettled { since } => passed(
            *since,
            LIST_LAG,
            now,
            "an earlier attempt to create it got no answer, and AWS's lists may lag",
        ),
    }
}

fn passed(since: Timestamp, lasts: Duration, now: Timestamp, why: &str) -> Met {
    let until = later(since, lasts);
    if now >= until {
        Met::Met
    } else {
        Met::At {
            until,
            why: why.to_owned(),
        }
    }
}

/// `time` plus `span`, at most the end of time.
pub fn later(time: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| time.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct None_;
    impl Facts for None_ {
        fn answered_at(&self, _: &StepId) -> Option<Timestamp> {
            None
        }
    }

    #[test]
    fn a_hold_down_ends_exactly_when_the_ttl_has_run_out() {
        let since = Timestamp::UNIX_EPOCH;
        let condition = Condition::HoldDown {
            since: Since::At(since),
            lasts: Duration::from_secs(60),
            source: "ttl".into(),
        };
        let end = later(since, Duration::from_secs(60));
        assert_eq!(met(&condition, &None_, end), Met::Met);
        let before = later(since, Duration::from_secs(59));
        assert_eq!(
            met(&condition, &None_, before),
            Met::At {
                until: end,
                why: "ttl".into()
            }
        );
    }
}
