//! When to ask the updater and for what, from what is remembered, which addresses the instance has and
//! what time it is. Pure: `watch` only looks at the clock and does it.
//!
//! | what | when |
//! |---|---|
//! | an address that is new or another | at once |
//! | an address that is gone | after a minute: while an address is exchanged, metadata shows none |
//! | an address that the name has, once more, so that the lease goes on | after a third of the lease, so that two tries may fail |
//! | after a failure | 5 s, doubled each time, up to 10 min; where the updater said no, from 1 min up to 1 h |
//!
//! The lease goes first, and by an address that was registered before: a family that the stack never takes
//! is a failure each time, and must not cost the name.
//!
//! What is remembered for later than it can have been written is of a clock that was wrong then, and
//! counts as due. Waits after failures are at most a sixth of the lease, but never shorter than the
//! `Retry-After` of the answer. All waits are shortened or lengthened by chance, so that instances that were
//! started together do not ask together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::memory::{Kind, Memory};
use super::trouble::Trouble;

/// How long an address must be gone before its record is removed.
const MISSING: Duration = Duration::from_secs(60);

/// What a wait after a failure begins with and ends with.
const LATER: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// The same after a no, which only people lift.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));

/// Longest wait that a `Retry-After` is believed for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// No wait after a failure is as long.
const WAIT_MAX: Duration = Duration::from_secs(7_200);

/// A change to ask the updater for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// The name has this address.
    Set(IpAddr),
    /// The name has no address of this type.
    Drop(Kind),
}

/// Notes which addresses are gone, and since when.
pub fn look(memory: &mut Memory, has: &[IpAddr], now: Timestamp) {
    let has: Vec<Kind> = has.iter().map(|address| Kind::of(*address)).collect();
    let records = &memory.records;
    memory
        .missing
        .retain(|kind, _| records.contains_key(kind) && !has.contains(kind));
    for kind in memory.records.keys().filter(|kind| !has.contains(kind)) {
        memory.missing.entry(*kind).or_insert(now);
    }
}

/// Until when nothing is asked, after a failure.
pub fn waits(memory: &Memory, now: Timestamp) -> Option<Timestamp> {
    memory
        .not_before
        .filter(|then| is_ahead(*then, now, WAIT_MAX))
}

/// What is to be done now, in this order.
pub fn due(memory: &Memory, has: &[IpAddr], now: Timestamp, lease: Duration) -> Vec<Task> {
    if waits(memory, now).is_some() {
        return Vec::new();
    }
    let is_lease_due = !memory.renew.is_some_and(|then| is_ahead(then, now, lease));
    let (held, new): (Vec<IpAddr>, Vec<IpAddr>) = has
        .iter()
        .copied()
        .partition(|address| memory.records.get(&Kind::of(*address)) == Some(address));
    // One record's request renews the name.
    let renewed = held.into_iter().take(usize::from(is_lease_due));
    let mut tasks: Vec<Task> = renewed.chain(new).map(Task::Set).collect();
    let is_over = |since: &Timestamp| now.duration_since(*since).unsigned_abs() >= MISSING;
    let gone: &BTreeMap<Kind, Timestamp> = &memory.missing;
    tasks.extend(
        gone.iter()
            .filter(|(_, since)| is_over(since))
            .map(|(kind, _)| Task::Drop(*kind)),
    );
    tasks
}

/// Whether it is still to come, and no further away than it can have been written.
fn is_ahead(then: Timestamp, now: Timestamp, at_most: Duration) -> bool {
    now < then && then <= now.checked_add(at_most).unwrap_or(now)
}

/// What is known after a task was carried out. `chance` is between 0 and 1.
pub fn done(memory: &mut Memory, task: Task, now: Timestamp, lease: Duration, chance: f64) {
    match task {
        Task::Set(address) => {
            memory.records.insert(Kind::of(address), address);
            memory.missing.remove(&Kind::of(address));
            // From three tenths to a third.
            let wait = lease.mul_f64(0.3 + chance.clamp(0.0, 1.0) / 30.0);
            memory.renew = now.checked_add(wait).ok();
        }
        Task::Drop(kind) => {
            memory.records.remove(&kind);
            memory.missing.remove(&kind);
        }
    }
}

/// What is known after all that was due was tried, and this went wrong: how long to wait at least. `chance`
/// is between 0 and 1.
pub fn ended(
    memory: &mut Memory,
    troubles: &[Trouble],
    now: Timestamp,
    lease: Duration,
    chance: f64,
) {
    if troubles.is_empty() {
        memory.not_before = None;
        memory.failures = 0;
        return;
    }
    let waits = troubles
        .iter()
        .filter_map(|trouble| wait(memory.failures, trouble, lease, chance));
    if let Some(wait) = waits.max() {
        memory.failures = memory.failures.saturating_add(1);
        memory.not_before = now.checked_add(wait).ok();
    }
}

/// After a failure that follows on so many others; none where the updater was not asked.
fn wait(failures: u32, trouble: &Trouble, lease: Duration, chance: f64) -> Option<Duration> {
    let ((first, longest), after) = match trouble {
        Trouble::Later { after, .. } => (LATER, *after),
        Trouble::Changed(_) | Trouble::Unproven(_) => (LATER, None),
        Trouble::Refused(_) | Trouble::Taken(_) => (REFUSED, None),
        Trouble::Config { .. }
        | Trouble::Endpoint(_)
        | Trouble::Name { .. }
        | Trouble::Addresses
        | Trouble::Instance(_)
        | Trouble::NotYet(_) => return None,
    };
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    let chance = chance.clamp(0.0, 1.0);
    let wait = doubled.min(longest).min(lease / 6);
    let wait = wait.mul_f64(0.5 + chance / 2.0);
    // Whoever said when is asked then or a little later, never earlier.
    let after = after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Some(wait.max(after.mul_f64(1.0 + chance / 4.0)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(7 * 86_400);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Registered with these addresses at time 0.
    fn registered(addresses: &[&str]) -> Memory {
        let mut memory = Memory::new("Z1", "i-1");
        for address in addresses {
            done(&mut memory, Task::Set(ip(address)), at(0), LEASE, 0.5);
        }
        memory
    }

    #[test]
    fn both_families_are_registered_once() {
        let has = [ip("203.0.113.7"), ip("2600:1f18::1")];
        let memory = Memory::new("Z1", "i-1");
        assert_eq!(due(&memory, &has, at(0), LEASE), has.map(Task::Set));
        let memory = registered(&["203.0.113.7", "2600:1f18::1"]);
        assert_eq!(due(&memory, &has, at(1), LEASE), []);
        assert_eq!(due(&memory, &[], at(1), LEASE), []);
    }

    #[test]
    fn the_lease_is_renewed_by_one_request_before_half_of_it_is_over() {
        let has = [ip("203.0.113.7"), ip("2600:1f18::1")];
        for chance in [0.0, 0.5, 1.0] {
            let mut memory = registered(&["203.0.113.7", "2600:1f18::1"]);
            done(&mut memory, Task::Set(has[0]), at(0), LEASE, chance);
            let third = 7 * 86_400 / 3;
            assert_eq!(due(&memory, &has, at(third * 9 / 10 - 1), LEASE), []);
            assert_eq!(due(&memory, &has, at(third), LEASE), [Task::Set(has[0])]);
        }
    }

    #[test]
    fn another_address_is_registered_at_once_and_a_lost_one_removed_after_a_minute() {
        let mut memory = registered(&["203.0.113.7", "2600:1f18::1"]);
        let other = [ip("203.0.113.8"), ip("2600:1f18::1")];
        look(&mut memory, &other, at(10));
        assert_eq!(due(&memory, &other, at(10), LEASE), [Task::Set(other[0])]);
        // Lost for half a minute only.
        let half = [ip("2600:1f18::1")];
        look(&mut memory, &half, at(10));
        assert_eq!(due(&memory, &half, at(40), LEASE), []);
        look(
            &mut memory,
            &[ip("203.0.113.7"), ip("2600:1f18::1")],
            at(41),
        );
        look(&mut memory, &half, at(50));
        assert_eq!(due(&memory, &half, at(109), LEASE), []);
        assert_eq!(due(&memory, &half, at(110), LEASE), [Task::Drop(Kind::A)]);
        done(&mut memory, Task::Drop(Kind::A), at(110), LEASE, 0.5);
        look(&mut memory, &half, at(111));
        assert_eq!(due(&memory, &half, at(200), LEASE), []);
    }

    #[test]
    fn what_a_wrong_clock_remembered_is_due() {
        let has = [ip("203.0.113.7")];
        let mut memory = registered(&["203.0.113.7"]);
        let early = at(-365 * 86_400);
        assert_eq!(due(&memory, &has, early, LEASE), [Task::Set(has[0])]);
        memory.not_before = Some(at(1));
        assert_eq!(due(&memory, &has, early, LEASE), [Task::Set(has[0])]);
        assert_eq!(due(&memory, &has, at(0), LEASE), []);
    }

    #[test]
    fn failures_wait_longer_and_longer_and_never_less_than_asked_for() {
        let later = |after| Trouble::Later {
            text: String::new(),
            after,
        };
        let waits = |trouble: &Trouble, chance: f64| {
            let mut memory = Memory::new("Z1", "i-1");
            let mut waits = Vec::new();
            for _ in 0..20 {
                let troubles = std::slice::from_ref(trouble);
                ended(&mut memory, troubles, at(0), LEASE, chance);
                let until = memory.not_before.unwrap();
                assert_eq!(due(&memory, &[ip("203.0.113.7")], at(0), LEASE), []);
                waits.push(until.duration_since(at(0)).as_secs_f64());
            }
            waits
        };
        for chance in [0.0, 1.0] {
            let busy = waits(&later(None), chance);
            assert!(busy[0] >= 2.5 && busy[0] <= 5.0);
            assert!(busy.windows(2).all(|pair| pair[0] <= pair[1]));
            assert!((300.0..=600.0).contains(&busy[19]));
            let asked = waits(&later(Some(Duration::from_secs(300))), chance);
            assert!(asked.iter().all(|wait| *wait >= 300.0));
            let refused = waits(&Trouble::Taken(String::new()), chance);
            assert!(refused[0] >= 30.0 && (1_800.0..=3_600.0).contains(&refused[19]));
        }
    }

    #[test]
    fn a_short_lease_outlives_every_wait_after_a_failure() {
        let minute = Duration::from_secs(60);
        let has = [ip("203.0.113.7")];
        for trouble in [Trouble::Refused(String::new()), Trouble::later("busy")] {
            for chance in [0.0, 1.0] {
                let mut memory = registered(&[]);
                done(&mut memory, Task::Set(has[0]), at(0), minute, chance);
                for _ in 0..20 {
                    let troubles = std::slice::from_ref(&trouble);
                    // The last one just before the renewal.
                    ended(&mut memory, troubles, at(20), minute, chance);
                }
                assert_eq!(due(&memory, &has, at(40), minute), [Task::Set(has[0])]);
            }
        }
    }

    #[test]
    fn several_failures_at_once_are_one_and_the_longest_wait_counts() {
        let refused = || Trouble::Refused(String::new());
        let mut memory = registered(&["203.0.113.7"]);
        let both = [refused(), Trouble::later("busy")];
        ended(&mut memory, &both, at(0), LEASE, 1.0);
        assert_eq!((memory.failures, waits(&memory, at(0))), (1, Some(at(60))));
        assert_eq!(waits(&memory, at(60)), None);
        ended(&mut memory, &[], at(60), LEASE, 1.0);
        assert_eq!((memory.failures, memory.not_before), (0, None));
    }

    #[test]
    fn the_lease_is_renewed_first_and_by_what_the_name_has() {
        let [v4, v6] = [ip("203.0.113.7"), ip("2600:1f18::1")];
        let memory = registered(&["203.0.113.7"]);
        let third = at(7 * 86_400 / 3);
        assert_eq!(due(&memory, &[v6, v4], at(1), LEASE), [Task::Set(v6)]);
        let both = [Task::Set(v4), Task::Set(v6)];
        assert_eq!(due(&memory, &[v6, v4], third, LEASE), both);
        // Another address renews as well.
        let other = ip("203.0.113.8");
        assert_eq!(due(&memory, &[other], third, LEASE), [Task::Set(other)]);
    }
}
