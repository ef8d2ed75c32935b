//! Judges that look at the world after every call and know nothing of who made it.
//!
//! A [`Check`] is begun with a world and told of each call. It reports what no run of a careful tool
//! ever does, whatever fault struck: lose a key that a KSK names, make a second zone of one name, or
//! change an object that is not the tool's. What was so before the first call is not reported.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::dns::DnsName;
use crate::record::Recorded;
use crate::world::World;

/// What a call must not have done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The KMS key of a KSK can not be used any more.
    #[error(
        "call {call}: the key {kms_arn} is used by a KSK of zone {zone} and was lost: {reason}"
    )]
    KeyLost {
        /// Number and name of the call.
        call: String,
        /// The zone's id.
        zone: String,
        /// The key.
        kms_arn: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An account has two public zones of one name.
    #[error("call {call}: account {account} now has {count} public zones {name}")]
    TwinZones {
        /// Number and name of the call.
        call: String,
        /// The account.
        account: String,
        /// The zones' name.
        name: DnsName,
        /// How many there are.
        count: usize,
    },
    /// An object that is not the tool's was changed or removed.
    #[error("call {call}: {object} is not managed here and was {what}")]
    ForeignTouched {
        /// Number and name of the call.
        call: String,
        /// Path of the object in the world.
        object: String,
        /// Changed or removed.
        what: &'static str,
    },
}

/// What was so before the calls that are judged.
#[derive(Debug, Clone)]
pub struct Check {
    /// Zone id and ARN of keys that KSKs named and that could not be used.
    lost: BTreeSet<(String, String)>,
    /// Accounts and names with several zones.
    twins: BTreeMap<(String, DnsName), usize>,
    /// Objects without the tool's tag, by their path in the world.
    foreign: BTreeMap<String, Value>,
}

impl Check {
    /// Takes the world as given. Objects with tags of which none is `key` = `value` are foreign.
    pub fn new(world: &World, key: &str, value: &str) -> Self {
        let mut foreign = tagged_objects(world);
        foreign.retain(|_, object| object["tags"]["current"][key] != value);
        Self {
            lost: lost_keys(world).map(|(zone, arn, _)| (zone, arn)).collect(),
            twins: zone_counts(world),
            foreign,
        }
    }

    /// Judges the world after a call.
    pub fn after(&self, world: &World, call: &Recorded) -> Result<(), Violation> {
        let call = format!("{} {}:{}", call.index, call.service, call.operation);
        for (zone, kms_arn, reason) in lost_keys(world) {
            if !self.lost.contains(&(zone.clone(), kms_arn.clone())) {
                return Err(Violation::KeyLost {
                    call,
                    zone,
                    kms_arn,
                    reason,
                });
            }
        }
        for ((account, name), count) in zone_counts(world) {
            let before = self.twins.get(&(account.clone(), name.clone())).copied();
            if count > before.unwrap_or(0).max(1) {
                return Err(Violation::TwinZones {
                    call,
                    account,
                    name,
                    count,
                });
            }
        }
        let now = tagged_objects(world);
        for (object, before) in &self.foreign {
            let what = match now.get(object) {
                None => "removed",
                Some(now) if now != before => "changed",
                Some(_) => continue,
            };
            return Err(Violation::ForeignTouched {
                call,
                object: object.clone(),
                what,
            });
        }
        Ok(())
    }
}

/// Zone, key and reason of each KSK whose key is not fit for it.
fn lost_keys(world: &World) -> impl Iterator<Item = (String, String, String)> {
    let ksks = world
        .route53
        .zones()
        .flat_map(|zone| zone.ksks.values().map(move |k| (zone, k)));
    ksks.filter_map(|(zone, ksk)| {
        let problem = world.ksk_key(&ksk.kms_arn).err()?;
        Some((zone.id.clone(), ksk.kms_arn.clone(), problem.to_string()))
    })
}

/// How many public zones an account has of each name.
fn zone_counts(world: &World) -> BTreeMap<(String, DnsName), usize> {
    let mut counts = BTreeMap::new();
    for zone in world.route53.zones().filter(|zone| !zone.is_private()) {
        *counts
            .entry((zone.account.clone(), zone.name.clone()))
            .or_default() += 1;
    }
    counts
}

/// Every object of the world that can have tags, by its path. The world's written form is searched, so
/// that objects of services to come are found without a word here.
fn tagged_objects(world: &World) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    if let Ok(written) = serde_json::to_value(world) {
        collect(&written, "", &mut found);
    }
    found
}

fn collect(value: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if members.get("tags").is_some_and(Value::is_object) => {
            found.insert(path.to_owned(), value.clone());
        }
        // A deleted zone that lists still show is nobody's any more.
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "departed") {
                collect(member, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::profile::Profile;
    use crate::record::RecordedHttp;
    use crate::route53::tests::{Bench, Signer};

    fn call(operation: &str) -> Recorded {
        Recorded {
            index: 3,
            time: jiff::Timestamp::UNIX_EPOCH,
            service: "route53".into(),
            operation: operation.into(),
            region: None,
            account: None,
            input: Value::Null,
            needs: Vec::new(),
            http: RecordedHttp {
                method: String::new(),
                host: String::new(),
                path: String::new(),
                query: String::new(),
                headers: BTreeMap::new(),
                body: String::new(),
            },
            status: None,
            error: None,
            wrote: true,
            faults: Vec::new(),
        }
    }

    fn begin(world: &World) -> Check {
        Check::new(world, "spore:managed-by", "spore-infra")
    }

    fn tag(bench: &mut Bench, zone: &str) {
        let tags = json!([{ "Key": "spore:managed-by", "Value": "spore-infra" }]);
        let input = json!({ "ResourceType": "hostedzone", "ResourceId": zone, "AddTags": tags });
        bench.ok("ChangeTagsForResource", input);
    }

    #[test]
    fn foreign_zones_are_left_alone_and_ours_are_not() {
        let mut bench = Bench::new(Profile::Instant);
        let foreign = bench.zone("other.example.edu", "one");
        let ours = bench.zone("spore.example.edu", "two");
        tag(&mut bench, &ours);
        let check = begin(&bench.world);
        bench
            .batch(
                &ours,
                &[("CREATE", "a.spore.example.edu", "A", 60, &["192.0.2.1"])],
            )
            .unwrap();
        bench.zone("new.example.edu", "three");
        check
            .after(&bench.world, &call("CreateHostedZone"))
            .unwrap();

        let mut changed = bench.world.clone();
        std::mem::swap(&mut bench.world, &mut changed);
        bench.ok(
            "UpdateHostedZoneComment",
            json!({ "Id": foreign, "Comment": "x" }),
        );
        let violation = check
            .after(&bench.world, &call("UpdateHostedZoneComment"))
            .unwrap_err();
        assert_eq!(
            violation.to_string(),
            format!(
                "call 3 route53:UpdateHostedZoneComment: /route53/zones/{foreign} is not managed \
                 here and was changed"
            )
        );
        std::mem::swap(&mut bench.world, &mut changed);
        bench.ok("DeleteHostedZone", json!({ "Id": foreign }));
        let violation = check
            .after(&bench.world, &call("DeleteHostedZone"))
            .unwrap_err();
        assert!(violation.to_string().ends_with("was removed"));
    }

    #[test]
    fn a_second_zone_of_a_name_is_reported_unless_it_was_there() {
        let mut bench = Bench::new(Profile::Instant);
        bench.zone("spore.example.edu", "one");
        let check = begin(&bench.world);
        bench.zone("spore.example.edu", "two");
        let violation = check
            .after(&bench.world, &call("CreateHostedZone"))
            .unwrap_err();
        assert!(
            matches!(violation, Violation::TwinZones { count: 2, .. }),
            "{violation}"
        );
        let check = begin(&bench.world);
        check.after(&bench.world, &call("GetHostedZone")).unwrap();
    }

    #[test]
    fn a_key_that_a_ksk_names_may_not_be_lost() {
        let mut signer = Signer::new(Profile::Instant);
        let arn = signer.active("first_ksk");
        let zone = signer.zone.clone();
        tag(&mut signer.bench, &zone);
        let tags = json!([{ "TagKey": "spore:managed-by", "TagValue": "spore-infra" }]);
        signer.kms(
            "us-east-1",
            "TagResource",
            json!({ "KeyId": arn, "Tags": tags }),
        );
        let check = begin(&signer.bench.world);
        signer.kms("us-east-1", "ScheduleKeyDeletion", json!({ "KeyId": arn }));
        let violation = check
            .after(&signer.bench.world, &call("ScheduleKeyDeletion"))
            .unwrap_err();
        assert!(
            violation.to_string().contains("PendingDeletion"),
            "{violation}"
        );
    }
}
