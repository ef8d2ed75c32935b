//! What is stored of a world: read from `world.json` as anybody could, without the sandbox's code.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

/// The stored world.
#[derive(Debug)]
pub struct Live(Value);

/// A change of Route 53 and when it was on all name servers.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// When it was asked for.
    pub submitted_at: Timestamp,
    /// When it was in sync.
    pub in_sync_at: Timestamp,
}

impl Live {
    /// Reads the world of a sandbox folder.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let path = dir.join("world.json");
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let world = serde_json::from_slice(&text)
            .map_err(|error| format!("{}: torn: {error}", path.display()))?;
        Ok(Self(world))
    }

    /// Public zones of a name.
    pub fn zones(&self, domain: &str) -> Vec<&Value> {
        // The world spells names from the root down.
        let mut labels: Vec<&str> = domain.split('.').collect();
        labels.reverse();
        let name = labels.join(".") + ".";
        members(&self.0["route53"]["zones"])
            .filter(|zone| zone["name"] == name)
            .collect()
    }

    /// Every KMS key, in any account and region.
    pub fn keys(&self) -> Vec<&Value> {
        self.regions("kms")
            .flat_map(|region| members(&region["keys"]))
            .collect()
    }

    /// States of all keys that are not waiting for their deletion.
    pub fn usable_keys(&self) -> Vec<&Value> {
        let mut keys = self.keys();
        keys.retain(|key| key["state"].get("PendingDeletion").is_none());
        keys
    }

    /// Alias names and the key ids they point to.
    pub fn aliases(&self) -> Vec<(&str, &str)> {
        self.regions("kms")
            .filter_map(|region| region["aliases"].as_object())
            .flatten()
            .filter_map(|(name, alias)| Some((name.as_str(), alias["target"].as_str()?)))
            .collect()
    }

    /// Names of log groups.
    pub fn log_groups(&self) -> Vec<&str> {
        self.regions("logs")
            .filter_map(Value::as_object)
            .flat_map(|groups| groups.keys().map(String::as_str))
            .collect()
    }

    /// World time of the last write.
    pub fn time(&self) -> Option<Timestamp> {
        self.0["latest"].as_str()?.parse().ok()
    }

    /// Changes of Route 53, oldest first.
    pub fn changes(&self) -> Vec<Change> {
        let time = |value: &Value| value.as_str()?.parse().ok();
        let mut changes: Vec<Change> = members(&self.0["route53"]["changes"])
            .filter_map(|change| {
                Some(Change {
                    submitted_at: time(&change["submitted_at"])?,
                    in_sync_at: time(&change["in_sync_at"])?,
                })
            })
            .collect();
        changes.sort_by_key(|change| change.submitted_at);
        changes
    }

    fn regions(&self, service: &str) -> impl Iterator<Item = &Value> {
        members(&self.0[service]["accounts"]).flat_map(members)
    }

    /// One zone, one key, one KSK, all belonging together, signed; nothing half made, no lock.
    pub fn is_converged(&self, domain: &str) -> Result<(), String> {
        let zones = self.zones(domain);
        let [zone] = zones.as_slice() else {
            return Err(format!("{} zones {domain}", zones.len()));
        };
        let keys = self.usable_keys();
        let [key] = keys.as_slice() else {
            return Err(format!("{} usable keys", keys.len()));
        };
        let ksks: Vec<&Value> = members(&zone["ksks"]).collect();
        let [ksk] = ksks.as_slice() else {
            return Err(format!("{} key-signing keys", ksks.len()));
        };
        let id = key["id"].as_str().unwrap_or_default();
        let names_key = ksk["kms_arn"].as_str().is_some_and(|arn| arn.ends_with(id));
        let aliases = self.aliases();
        let aliased = matches!(aliases.as_slice(), [(_, target)] if *target == id);
        let groups = self.log_groups();
        let journal = format!("/spore-infra/{domain}");
        let facts = [
            ("the key is not enabled", key["state"] == "Enabled"),
            ("the KSK is of another key", names_key),
            ("the KSK is not active", ksk["status"] == "ACTIVE"),
            ("the zone is not signed", zone["signing"] == true),
            ("the alias is not the key's", aliased),
            ("the journal is not alone", groups == [journal.as_str()]),
        ];
        match facts.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(format!(
                "{what}: aliases {aliases:?}, log groups {groups:?}"
            )),
            None => Ok(()),
        }
    }

    /// Nothing is left but keys that wait for their deletion.
    pub fn is_gone(&self, domain: &str) -> Result<(), String> {
        let (zones, keys) = (self.zones(domain).len(), self.usable_keys().len());
        let (aliases, groups) = (self.aliases(), self.log_groups());
        if zones == 0 && keys == 0 && aliases.is_empty() && groups.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "left: {zones} zones, {keys} usable keys, aliases {aliases:?}, log groups {groups:?}"
            ))
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .as_object()
        .into_iter()
        .flat_map(|object| object.values())
}
