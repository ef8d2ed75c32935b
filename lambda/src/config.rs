//! The configuration, `spore.json` beside the executable: what the stack document says to the updater.
//!
//! The provisioner writes it and nobody else, so it is read strictly: an unknown or missing member, or
//! a version that is not known, is an error and the function does not start. A request that is judged
//! by half a configuration would be worse than none. It holds no secret.

mod v1;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;

/// The file's name.
pub const FILE: &str = "spore.json";

/// What the updater must know of its stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The zone's domain, without a trailing dot.
    pub domain: String,
    /// The zone.
    pub zone_id: String,
    /// The stack's account.
    pub account: String,
    /// The stack's region.
    pub region: String,
    /// Whose instances may have names.
    pub accounts: Accounts,
    /// Accounts that may not, whatever `accounts` says.
    pub deny: BTreeSet<String>,
    /// How a caller proves who it is; never empty.
    pub proofs: BTreeSet<Proof>,
    /// Roles that may call with the proof `iam-role`.
    pub roles: BTreeSet<String>,
    /// Whether names have an account's label.
    pub naming: Naming,
    /// Records an instance may have; never empty.
    pub record_types: BTreeSet<RecordType>,
    /// TTL of records that ask for none, and the longest one may ask for.
    pub ttl_secs: u32,
    /// How long a name stays its owner's without renewal.
    pub lease_secs: u32,
    /// Names an account may have.
    pub quota: u32,
    /// Requests a caller may make.
    pub rate: Rate,
    /// Record labels refused besides the built-in ones.
    pub reserved: BTreeSet<String>,
    /// The tag an instance must have where it can be asked for.
    pub require_tag: Tag,
    /// Private networks whose addresses may be registered.
    pub private_cidrs: BTreeSet<IpNet>,
    /// Whom a refused caller is told to ask.
    pub contacts: Contacts,
}

/// Accounts whose instances may have names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// Every account.
    Any,
    /// These and no others; never empty.
    These(BTreeMap<String, Account>),
}

/// What is known of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The label in its names, in place of the id in base 36.
    pub label: Option<String>,
    /// The role to ask DescribeInstances with.
    pub describe_role: Option<String>,
}

/// How a caller proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// A request signed with the instance identity role's credentials.
    InstanceRole,
    /// A signed instance identity document.
    IdentityDocument,
    /// A request signed by one of the listed roles.
    IamRole,
}

impl Proof {
    /// As requests and stack documents write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::InstanceRole => "instance-role",
            Self::IdentityDocument => "identity-document",
            Self::IamRole => "iam-role",
        }
    }
}

/// Whether names have an account's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// `RECORD.ACCOUNT.DOMAIN`.
    PerAccount,
    /// `RECORD.DOMAIN`; one account only.
    Flat,
}

/// A type of record an instance may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Text.
    Txt,
}

/// So many requests in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub requests: u32,
    /// In how many seconds.
    pub per_secs: u32,
}

/// A tag with its exact value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Whom to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    /// Who runs the stack.
    pub owner: Option<String>,
    /// Whom to tell about misuse.
    pub security: Option<String>,
}

/// Why there is no configuration. The texts go to the log and to Lambda's console.
#[derive(Debug, thiserror::Error)]
pub enum Bad {
    /// It cannot be read.
    #[error(
        "{file}: {source}; the zip must hold it beside bootstrap, as `spore-infra apply` writes it"
    )]
    Unreadable {
        /// Its path.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It cannot be understood.
    #[error("{file}: {wrong}; deploy the function again with `spore-infra apply`")]
    Wrong {
        /// Its path.
        file: String,
        /// What is wrong.
        wrong: Wrong,
    },
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It is no JSON, or has a member too many, too few or of the wrong type.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// It is of another version.
    #[error("is of version {0}, this updater reads version 1")]
    Version(u64),
    /// A member has a value that cannot be.
    #[error("{member} {value:?} {why}")]
    Value {
        /// Which member.
        member: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        why: &'static str,
    },
}

impl Config {
    /// Reads the configuration in a folder.
    ///
    /// # Errors
    /// When it is missing, cannot be read or is not exactly what it should be.
    pub fn read(folder: &Path) -> Result<Self, Bad> {
        let path = folder.join(FILE);
        let file = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(Bad::Unreadable { file, source }),
        };
        text.parse().map_err(|wrong| Bad::Wrong { file, wrong })
    }
}

impl FromStr for Config {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        // First the version alone, since another one may have other members.
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        match serde_json::from_str::<Version>(text)?.version {
            v1::VERSION => serde_json::from_str::<v1::Config>(text)?.judged(),
            other => Err(Wrong::Version(other)),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The smallest there is.
    pub(crate) const SMALLEST: &str = r#"{
        "version": 1, "domain": "spore.example.edu", "zone_id": "Z0123456789ABC",
        "account": "123456789012", "region": "us-east-1",
        "accounts": { "these": [{ "id": "123456789012", "label": null, "describe_role": null }] },
        "deny": [], "proofs": ["instance-role"], "roles": [], "naming": "per-account",
        "record_types": ["A", "AAAA"], "ttl_secs": 60, "lease_secs": 604800, "quota": 100,
        "rate": { "requests": 10, "per_secs": 60 }, "reserved": [],
        "require_tag": { "key": "spawn:managed", "value": "true" }, "private_cidrs": [],
        "contacts": { "owner": null, "security": null } }"#;

    /// The smallest, with one change.
    fn with(change: impl FnOnce(&mut Value)) -> Result<Config, String> {
        let mut value: Value = serde_json::from_str(SMALLEST).unwrap();
        change(&mut value);
        value
            .to_string()
            .parse()
            .map_err(|wrong: Wrong| wrong.to_string())
    }

    #[test]
    fn every_member_is_read() {
        let config = with(|value| {
            value["accounts"]["these"][0]["label"] = json!("lab");
            value["private_cidrs"] = json!(["10.0.0.0/8", "fd00::/8"]);
            value["naming"] = json!("flat");
        })
        .unwrap();
        assert_eq!(config.naming, Naming::Flat);
        assert_eq!(config.private_cidrs.len(), 2);
        let Accounts::These(these) = config.accounts else {
            panic!("{:?}", config.accounts);
        };
        assert_eq!(these["123456789012"].label.as_deref(), Some("lab"));
        let any = with(|value| value["accounts"] = json!("any")).unwrap();
        assert_eq!(any.accounts, Accounts::Any);
    }

    #[test]
    fn what_is_not_exactly_right_is_refused_by_name() {
        let refused = |change: fn(&mut Value), expected: &str| {
            let error = with(change).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        refused(|v| v["version"] = json!(2), "version 2");
        refused(|v| v["ttl"] = json!(60), "unknown field `ttl`");
        refused(
            |v| drop(v.as_object_mut().unwrap().remove("zone_id")),
            "missing field `zone_id`",
        );
        refused(|v| v["zone_id"] = json!(""), "zone_id \"\"");
        refused(|v| v["zone_id"] = json!("/hostedzone/Z1"), "zone_id");
        refused(|v| v["domain"] = json!("Spore.example.edu"), "domain");
        refused(|v| v["account"] = json!("12345678901"), "account");
        refused(|v| v["deny"] = json!(["x"]), "deny \"x\"");
        refused(|v| v["proofs"] = json!([]), "proofs");
        refused(|v| v["proofs"] = json!(["trust-me"]), "trust-me");
        refused(|v| v["record_types"] = json!(["NS"]), "NS");
        refused(|v| v["record_types"] = json!([]), "record_types");
        refused(|v| v["accounts"] = json!({ "these": [] }), "accounts");
        refused(
            |v| v["private_cidrs"] = json!(["10.0.0.1/8"]),
            "private_cidrs",
        );
        refused(|v| v["private_cidrs"] = json!(["54.0.0.0/8"]), "private");
        refused(
            |v| v["accounts"]["these"][0]["label"] = json!("a.b"),
            "\"a.b\" is not a label",
        );
        refused(
            |v| {
                let other =
                    json!({ "id": "210987654321", "label": "1kpqzg2c", "describe_role": null });
                v["accounts"]["these"].as_array_mut().unwrap().push(other);
            },
            "\"1kpqzg2c\" is the label of two accounts",
        );
        refused(|v| v["rate"]["per_secs"] = json!(0), "rate");
        refused(|v| v["quota"] = json!(-1), "-1");
        refused(|v| v["quota"] = json!(0), "quota \"0\"");
        refused(|v| v["quota"] = json!(101), "quota \"101\"");
        refused(|v| v["lease_secs"] = json!(0), "lease_secs");
        refused(|v| v["lease_secs"] = json!(3_599), "lease_secs");
        refused(|v| v["lease_secs"] = json!(366 * 86_400), "lease_secs");
        refused(|v| v["ttl_secs"] = json!(29), "ttl_secs");
        refused(|v| v["ttl_secs"] = json!(86_401), "ttl_secs");
        refused(|v| v["reserved"] = json!(["VPN"]), "reserved \"VPN\"");
        refused(|v| v["reserved"] = json!(["a.b"]), "reserved \"a.b\"");
        refused(
            |v| {
                v["naming"] = json!("flat");
                v["accounts"] = json!("any");
            },
            "naming \"flat\"",
        );
        refused(
            |v| {
                v["naming"] = json!("flat");
                let other = json!({ "id": "210987654321", "label": null, "describe_role": null });
                v["accounts"]["these"].as_array_mut().unwrap().push(other);
            },
            "naming \"flat\"",
        );
        for role in ["describe", "arn:aws:iam::210987654321:role/describe"] {
            let error = with(|v| v["accounts"]["these"][0]["describe_role"] = json!(role));
            assert!(
                error.unwrap_err().contains("role in that account"),
                "{role}"
            );
        }
    }

    #[test]
    fn two_thousand_accounts_are_no_more_than_one() {
        let many: Vec<Value> = (0..2_000_u64)
            .map(|number| {
                let id = format!("{:012}", 100_000_000_000 + number * 7_919);
                let role = format!("arn:aws:iam::{id}:role/describe");
                json!({ "id": id, "label": format!("lab-{number}"), "describe_role": role })
            })
            .collect();
        let config = with(|value| value["accounts"]["these"] = json!(many)).unwrap();
        let Accounts::These(these) = config.accounts else {
            panic!("{:?}", config.accounts);
        };
        assert_eq!(these.len(), 2_000);
        assert_eq!(these["100000007919"].label.as_deref(), Some("lab-1"));
    }

    #[test]
    fn errors_name_the_file_and_what_to_do() {
        let missing = Config::read(Path::new("no-such-folder"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("no-such-folder/spore.json"), "{missing}");
        assert!(missing.contains("spore-infra apply"), "{missing}");
    }
}
