//! How a zone's key-signing keys do, as Route 53 itself watches them.

use jiff::Timestamp;

use super::signing_keys::{KskStatus, notice};
use crate::world::World;

/// What Route 53 publishes about the keys of one zone.
pub(crate) struct Health {
    pub account: String,
    /// Id of the zone.
    pub zone: String,
    /// A KSK is in INTERNAL_FAILURE.
    pub failed: bool,
    /// KSKs in ACTION_NEEDED.
    pub needing_action: f64,
    /// Seconds since the first of them came into that state; 0 if none is.
    pub needing_action_age_secs: f64,
    /// Seconds since the oldest KSK was created, "not since it was activated".
    pub age_secs: f64,
}

impl World {
    /// The health of each public zone that has key-signing keys. Route 53 looks at their KMS keys for
    /// this, so that a key that cannot be used is noticed.
    pub(crate) fn dnssec_health(&mut self, now: Timestamp) -> Vec<Health> {
        let with_keys = self
            .route53
            .zones
            .values()
            .filter(|zone| !zone.ksks.is_empty());
        let ids: Vec<String> = with_keys.map(|zone| zone.id.clone()).collect();
        if !ids.is_empty() {
            self.kms.expire(now);
        }
        for id in &ids {
            notice(self, id, now);
        }
        let zones = ids.iter().filter_map(|id| self.route53.zones.get(id));
        zones
            .map(|zone| {
                let needing = zone
                    .ksks
                    .values()
                    .filter(|ksk| ksk.status == KskStatus::ActionNeeded);
                let since = |at: Timestamp| now.duration_since(at).as_secs_f64().max(0.0);
                let oldest = |ages: &mut dyn Iterator<Item = f64>| ages.fold(0.0, f64::max);
                Health {
                    account: zone.account.clone(),
                    zone: zone.id.clone(),
                    failed: zone
                        .ksks
                        .values()
                        .any(|ksk| ksk.status == KskStatus::InternalFailure),
                    needing_action: needing.clone().map(|_| 1.0).sum(),
                    needing_action_age_secs: oldest(&mut needing.map(|ksk| since(ksk.modified))),
                    age_secs: oldest(&mut zone.ksks.values().map(|ksk| since(ksk.created))),
                }
            })
            .collect()
    }
}
