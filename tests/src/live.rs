//! What is stored of a world: read from `world.json` as anybody could, without the sandbox's code.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

/// The role by which every API of an account may write logs; shared, so that nothing removes it.
const ACCOUNT_ROLE: &str = "spore-infra-api-logs";

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

    /// Those that sign: the zone's, in whatever state.
    pub fn signing_keys(&self) -> Vec<&Value> {
        let mut keys = self.keys();
        keys.retain(|key| key["spec"] != "SYMMETRIC_DEFAULT");
        keys
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

    /// Keys of the tags that log groups have now.
    pub fn log_group_tags(&self) -> Vec<&str> {
        self.regions("logs")
            .filter_map(Value::as_object)
            .flat_map(|groups| groups.values())
            .filter_map(|group| group["tags"]["current"].as_object())
            .flat_map(|tags| tags.keys().map(String::as_str))
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

    /// Names of what a service has one map of per account and region, such as Lambda's functions.
    fn names(&self, service: &str, what: &str) -> Vec<String> {
        self.regions(service)
            .filter_map(|region| region[what].as_object())
            .flat_map(|objects| objects.keys().cloned())
            .collect()
    }

    /// Roles, in any account, but for the one that API Gateway logs by, which belongs to the account.
    pub fn roles(&self) -> Vec<String> {
        members(&self.0["iam"]["accounts"])
            .filter_map(|account| account["roles"].as_object())
            .flat_map(|roles| roles.keys().cloned())
            .filter(|name| name != ACCOUNT_ROLE)
            .collect()
    }

    /// Functions, REST APIs and alarms, in any account and region.
    pub fn others(&self) -> [(&'static str, usize); 3] {
        [
            ("functions", self.names("lambda", "functions").len()),
            ("REST APIs", self.names("apigateway", "apis").len()),
            ("alarms", self.names("cloudwatch", "alarms").len()),
        ]
    }

    /// One zone, one key, one KSK, all belonging together, signed; one of everything else; nothing half
    /// made, no lock.
    pub fn is_converged(&self, domain: &str) -> Result<(), String> {
        let zones = self.zones(domain);
        let [zone] = zones.as_slice() else {
            return Err(format!("{} zones {domain}", zones.len()));
        };
        let (logs_keys, keys): (Vec<_>, Vec<_>) = self
            .usable_keys()
            .into_iter()
            .partition(|key| key["spec"] == "SYMMETRIC_DEFAULT");
        let ([key], [logs_key]) = (keys.as_slice(), logs_keys.as_slice()) else {
            return Err(format!(
                "{} usable keys for signing, {} for logs",
                keys.len(),
                logs_keys.len()
            ));
        };
        let ksks: Vec<&Value> = members(&zone["ksks"]).collect();
        let [ksk] = ksks.as_slice() else {
            return Err(format!("{} key-signing keys", ksks.len()));
        };
        let id = key["id"].as_str().unwrap_or_default();
        let names_key = ksk["kms_arn"].as_str().is_some_and(|arn| arn.ends_with(id));
        let aliases = self.aliases();
        let logs_id = logs_key["id"].as_str().unwrap_or_default();
        let targets: Vec<&str> = aliases.iter().map(|(_, target)| *target).collect();
        let aliased = targets == [id, logs_id];
        let groups = self.log_groups();
        let journal = format!("/spore-infra/{domain}");
        let logs = ["api", "updater"].map(|name| format!("{journal}/{name}"));
        let roles = self.roles();
        let others = self.others();
        let facts = [
            ("the key is not enabled", key["state"] == "Enabled"),
            ("the KSK is of another key", names_key),
            ("the KSK is not active", ksk["status"] == "ACTIVE"),
            ("the zone is not signed", zone["signing"] == true),
            ("the aliases are not the keys'", aliased),
            (
                "there are other log groups than the journal and two logs",
                groups == [journal.as_str(), &logs[0], &logs[1]],
            ),
            ("there is not one role", roles.len() == 1),
            (
                "there is not one function, one API and seven alarms",
                others.map(|(_, count)| count) == [1, 1, 7],
            ),
        ];
        match facts.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(format!(
                "{what}: aliases {aliases:?}, log groups {groups:?}, roles {roles:?}, {others:?}"
            )),
            None => Ok(()),
        }
    }

    /// Nothing is left but keys that wait for their deletion, and the logs with the key they need.
    pub fn is_gone(&self, domain: &str) -> Result<(), String> {
        let zones = self.zones(domain).len();
        let mut keys = self.usable_keys();
        keys.retain(|key| key["spec"] != "SYMMETRIC_DEFAULT");
        let keys = keys.len();
        let mut aliases = self.aliases();
        aliases.retain(|(name, _)| !name.ends_with("-logs"));
        let mut groups = self.log_groups();
        groups.retain(|name| !name.ends_with("/api") && !name.ends_with("/updater"));
        let rest = self.roles().len() + self.others().iter().map(|(_, n)| n).sum::<usize>();
        if zones == 0 && keys == 0 && aliases.is_empty() && groups.is_empty() && rest == 0 {
            Ok(())
        } else {
            Err(format!(
                "left: {zones} zones, {keys} usable keys, aliases {aliases:?}, log groups {groups:?}, \
                 {rest} others"
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
