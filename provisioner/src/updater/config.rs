//! The updater's configuration, `spore.json`: what of a stack document the updater must know.
//!
//! The updater reads it strictly (package spore-updater, `config.rs`); the two share no code, a test of
//! the workspace compares them. Everything is written out, defaults too, so that a configuration means
//! the same to every version of the updater. It holds no secret.

use serde::Serialize;

use crate::stack::{Accounts, Naming, Proof, Stack};

/// The format's version.
const VERSION: u32 = 1;

/// A stack's configuration, complete but for the zone's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config(Written);

/// The configuration of a stack.
pub fn config(stack: &Stack) -> Config {
    let updater = &stack.updater;
    Config(Written {
        version: VERSION,
        domain: stack.domain.to_string(),
        zone_id: String::new(),
        account: stack.account.to_string(),
        region: stack.region.to_string(),
        accounts: match &updater.accounts {
            Accounts::Any => WrittenAccounts::Any,
            Accounts::These(these) => WrittenAccounts::These(
                these
                    .iter()
                    .map(|(id, account)| Account {
                        id: id.to_string(),
                        label: account.label.as_ref().map(ToString::to_string),
                        describe_role: account.describe_role.as_ref().map(ToString::to_string),
                    })
                    .collect(),
            ),
        },
        deny: strings(&updater.deny),
        proofs: updater.proofs.iter().map(proof).collect(),
        roles: strings(&updater.roles),
        naming: match updater.naming {
            Naming::PerAccount => "per-account",
            Naming::Flat => "flat",
        },
        record_types: updater.record_types.iter().map(|one| one.word()).collect(),
        ttl_secs: updater.ttl.as_secs(),
        lease_secs: updater.lease.as_secs(),
        quota: updater.quota,
        rate: Rate {
            requests: updater.rate.count,
            per_secs: updater.rate.per.as_secs(),
        },
        reserved: strings(&updater.reserved),
        require_tag: Tag {
            key: updater.require_tag.key.to_string(),
            value: updater.require_tag.value.to_string(),
        },
        private_cidrs: strings(&updater.private_cidrs),
        contacts: Contacts {
            owner: stack.contacts.owner.as_ref().map(ToString::to_string),
            security: stack.contacts.security.as_ref().map(ToString::to_string),
        },
    })
}

impl Config {
    /// The file's text, for the live zone.
    pub fn json(&self, zone_id: &str) -> String {
        let written = Written {
            zone_id: zone_id.to_owned(),
            ..self.0.clone()
        };
        // Indented, since people read it in Lambda's console.
        let mut text = serde_json::to_string_pretty(&written)
            .expect("strings, numbers and lists can be written as JSON");
        text.push('\n');
        text
    }
}

fn strings<T: ToString>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(|one| one.to_string()).collect()
}

fn proof(proof: &Proof) -> &'static str {
    match proof {
        Proof::InstanceRole => "instance-role",
        Proof::IdentityDocument => "identity-document",
        Proof::IamRole => "iam-role",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Written {
    version: u32,
    domain: String,
    zone_id: String,
    account: String,
    region: String,
    accounts: WrittenAccounts,
    deny: Vec<String>,
    proofs: Vec<&'static str>,
    roles: Vec<String>,
    naming: &'static str,
    record_types: Vec<&'static str>,
    ttl_secs: u64,
    lease_secs: u64,
    quota: u32,
    rate: Rate,
    reserved: Vec<String>,
    require_tag: Tag,
    private_cidrs: Vec<String>,
    contacts: Contacts,
}

/// `"any"` or `{ "these": [...] }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenAccounts {
    Any,
    These(Vec<Account>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Account {
    id: String,
    label: Option<String>,
    describe_role: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Rate {
    requests: u32,
    per_secs: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Tag {
    key: String,
    value: String,
}

/// Whom a refused caller is told to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Contacts {
    owner: Option<String>,
    security: Option<String>,
}
