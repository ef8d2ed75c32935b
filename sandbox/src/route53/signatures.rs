//! The signatures of the key-signing keys: made in advance, so that they outlive a lost KMS key.
//!
//! Route 53 has KMS sign the DNSKEY set at every call that touches keys or signing, and again every
//! one to seven days ("assume a once a day regular refresh"). Each time it makes fifteen signatures
//! "to cover the next few days in case the associated KMS key becomes inaccessible" (developer guide,
//! "KMS key and ZSK management in Route 53"). So a zone whose key is lost keeps validating, and stops
//! days later. How long each of the fifteen is valid is published nowhere; the numbers here are ours:
//! one begins every twelve hours and is valid for a week, so the last ends two weeks after the last
//! refresh, and a healthy zone always shows more than six days.
//!
//! Nothing happens between calls: which refresh was the last one follows from the time and from the
//! state the keys have had since the last call. A write first brings that up to date.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::signing_keys::{self, KskStatus};
use super::{HostedZone, Ksk};
use crate::world::World;

/// Time between two regular refreshes.
const REFRESH: Duration = Duration::from_secs(24 * 3600);
/// Signatures made at each refresh.
const SIGNATURES: u64 = 15;
/// From the begin of one to that of the next.
const STEP_SECS: u64 = 12 * 3600;
/// How long each is valid.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long before its use each begins to be valid, for validators whose clock is behind.
const SKEW: Duration = Duration::from_secs(3600);

/// When a KSK last signed the DNSKEY set as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Signed {
    /// When the KSK was last changed (worlds stored before signatures were kept).
    #[default]
    WhenModified,
    /// At that time.
    At(Timestamp),
    /// Not since the set changed: its KMS key could not be used then.
    Never,
}

/// From when until when a signature is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// RRSIG's inception.
    pub inception: Timestamp,
    /// RRSIG's expiration.
    pub expiration: Timestamp,
}

/// The signature to be served at `now` of those made at `signed`.
pub(super) fn window(signed: Timestamp, now: Timestamp) -> Window {
    let step = i64::try_from(STEP_SECS).unwrap_or(i64::MAX);
    let first = signed.as_second().div_euclid(step);
    let due = now.as_second().div_euclid(step) - first;
    let last = i64::try_from(SIGNATURES - 1).unwrap_or(i64::MAX);
    let begin = (first + due.clamp(0, last)) * step;
    let begin = Timestamp::from_second(begin).unwrap_or(signed);
    Window {
        inception: begin - SKEW,
        expiration: begin + LIFETIME,
    }
}

/// The last refresh at or before `now`, if the key can be used; refreshes are a day apart.
fn last_refresh(signed: Timestamp, now: Timestamp) -> Timestamp {
    let passed = Duration::try_from(now.duration_since(signed)).unwrap_or_default();
    let days = u32::try_from(passed.as_secs() / REFRESH.as_secs()).unwrap_or(u32::MAX);
    signed + REFRESH * days
}

/// When a KSK last signed, whatever happened since the last call.
pub(super) fn signed(
    world: &World,
    zone: &HostedZone,
    ksk: &Ksk,
    now: Timestamp,
) -> Option<Timestamp> {
    let stored = stored(ksk)?;
    let due = last_refresh(stored, now);
    let refreshed =
        due > stored && ksk.status == KskStatus::Active && signing_keys::usable(world, zone, ksk);
    Some(if refreshed { due } else { stored })
}

fn stored(ksk: &Ksk) -> Option<Timestamp> {
    match ksk.signed {
        Signed::WhenModified => Some(ksk.modified),
        Signed::At(at) => Some(at),
        Signed::Never => None,
    }
}

/// Has every usable KSK sign the DNSKEY set: what a call that touches keys or signing brings about.
/// The signatures of a KSK that cannot sign stay as long as the set does.
pub(super) fn sign(world: &mut World, zone_id: &str, set_changed: bool, now: Timestamp) {
    let Some(zone) = world.route53.zones.get(zone_id) else {
        return;
    };
    let signed: Vec<(String, Signed)> = zone
        .ksks
        .iter()
        .filter_map(|(name, ksk)| {
            let able = ksk.status == KskStatus::Active && signing_keys::usable(world, zone, ksk);
            let signed = match (able, set_changed) {
                (true, _) => Signed::At(now),
                (false, true) => Signed::Never,
                (false, false) => return None,
            };
            Some((name.clone(), signed))
        })
        .collect();
    let Some(zone) = world.route53.zones.get_mut(zone_id) else {
        return;
    };
    for (name, signed) in signed {
        if let Some(ksk) = zone.ksks.get_mut(&name) {
            ksk.signed = signed;
        }
    }
}

impl World {
    /// Notes the refreshes since the last call, as the keys have been since then. To be called before
    /// anything that can change a key.
    pub fn refresh_signatures(&mut self, now: Timestamp) {
        let signing: Vec<String> = self
            .route53
            .zones
            .values()
            .filter(|zone| zone.signing)
            .map(|zone| zone.id.clone())
            .collect();
        for id in signing {
            let Some(zone) = self.route53.zones.get(&id) else {
                continue;
            };
            let overdue = |ksk: &Ksk| stored(ksk).is_some_and(|at| last_refresh(at, now) > at);
            if !zone.ksks.values().any(overdue) {
                continue;
            }
            let refreshed: Vec<(String, Signed)> = zone
                .ksks
                .iter()
                .filter_map(|(name, ksk)| {
                    let at = signed(self, zone, ksk, now)?;
                    Some((name.clone(), Signed::At(at)))
                })
                .collect();
            // A refresh that fails is how Route 53 finds out.
            signing_keys::notice(self, &id, now);
            if let Some(zone) = self.route53.zones.get_mut(&id) {
                for (name, at) in refreshed {
                    if let Some(ksk) = zone.ksks.get_mut(&name) {
                        ksk.signed = at;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_refresh_covers_two_weeks_and_no_more() {
        let signed = at("2026-03-01T05:00:00Z");
        let check = |now: &str, inception: &str, expiration: &str| {
            let expected = Window {
                inception: at(inception),
                expiration: at(expiration),
            };
            assert_eq!(window(signed, at(now)), expected, "{now}");
        };
        check(
            "2026-03-01T05:00:00Z",
            "2026-02-28T23:00:00Z",
            "2026-03-08T00:00:00Z",
        );
        check(
            "2026-03-01T12:00:00Z",
            "2026-03-01T11:00:00Z",
            "2026-03-08T12:00:00Z",
        );
        // The fifteenth begins after seven days and is the last.
        let last = ("2026-03-07T23:00:00Z", "2026-03-15T00:00:00Z");
        check("2026-03-08T00:00:00Z", last.0, last.1);
        check("2026-03-20T00:00:00Z", last.0, last.1);
    }

    #[test]
    fn what_is_served_is_valid_for_a_week_from_the_last_refresh_on() {
        let signed = at("2026-03-01T05:00:00Z");
        for hours in 0..14 * 24 {
            let now = signed + Duration::from_secs(hours * 3600);
            let window = window(signed, now);
            assert!(window.inception < now, "{hours}");
            // Fourteen days from the half day in which it was signed.
            assert_eq!(now < window.expiration, hours < 14 * 24 - 5, "{hours}");
        }
        assert_eq!(last_refresh(signed, at("2026-03-02T04:59:59Z")), signed);
        assert_eq!(
            last_refresh(signed, at("2026-03-04T06:00:00Z")),
            at("2026-03-04T05:00:00Z")
        );
    }
}
