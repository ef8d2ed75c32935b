//! The metrics that Route 53 publishes of zones with key-signing keys: namespace `AWS/Route53`,
//! dimension HostedZoneId, in us-east-1, every 4 hours
//! (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-hosted-zones-with-cloudwatch.html>).
//!
//! They are published when the world is next looked at, with what was so at the time: nothing changes
//! between two calls.

use jiff::Timestamp;

use super::metric::floor;
use super::record;
use crate::world::World;

/// "1 per 4 hours per hosted zone". The hours themselves are not documented; here they are those of
/// UTC.
const EVERY_SECS: i64 = 4 * 3600;

/// How far back values are made up for: longer than any alarm looks.
const BACK_MAX_SECS: i64 = 15 * 86_400;

const REGION: &str = "us-east-1";
const NAMESPACE: &str = "AWS/Route53";

impl World {
    /// Publishes the metrics that have become due by a time.
    pub(super) fn publish_zones(&mut self, now: Timestamp) {
        let due = floor(now.as_second(), EVERY_SECS);
        let until = self.cloudwatch.zones_until.map(Timestamp::as_second);
        if until.is_some_and(|until| until >= due) {
            return;
        }
        self.cloudwatch.zones_until = Timestamp::from_second(due).ok();
        // A world that begins publishes nothing about the time before it.
        let Some(until) = until else {
            return;
        };
        let mut at = until.max(due - BACK_MAX_SECS) + EVERY_SECS;
        while at <= due {
            if let Ok(at) = Timestamp::from_second(at) {
                self.publish(at);
            }
            at += EVERY_SECS;
        }
    }

    fn publish(&mut self, at: Timestamp) {
        for health in self.dnssec_health(at) {
            let dimensions = [("HostedZoneId", health.zone.as_str())];
            let values = [
                (
                    "DNSSECInternalFailure",
                    f64::from(u8::from(health.failed)),
                    "Count",
                ),
                (
                    "DNSSECKeySigningKeysNeedingAction",
                    health.needing_action,
                    "Count",
                ),
                (
                    "DNSSECKeySigningKeyMaxNeedingActionAge",
                    health.needing_action_age_secs,
                    "Seconds",
                ),
                ("DNSSECKeySigningKeyAge", health.age_secs, "Seconds"),
            ];
            for (metric, value, unit) in values {
                record(
                    self,
                    &health.account,
                    REGION,
                    NAMESPACE,
                    metric,
                    &dimensions,
                    value,
                    unit,
                    at,
                );
            }
        }
    }
}
