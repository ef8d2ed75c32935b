//! What the stack document wants of AWS, resource by resource, with every name derived.

use std::collections::BTreeMap;

use crate::addr::{Addr, Kind};
use crate::name::{self, Charset};

/// The settings that planning needs. Made from a valid stack document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The zone's name, lower case, without a trailing dot.
    pub domain: String,
    /// The only account that may be written to.
    pub account: String,
    /// Region of the regional resources. DNSSEC's key is in us-east-1 whatever this says.
    pub region: String,
    /// Whether the zone is to be signed.
    pub dnssec: bool,
    /// ARNs of those who administer the key; the account's root when empty.
    pub key_admins: Vec<String>,
    /// The document's own tags.
    pub extra_tags: BTreeMap<String, String>,
}

/// Tag that marks what this tool manages.
pub const TAG_MANAGED_BY: &str = "spore:managed-by";
/// Its value.
pub const MANAGED_BY: &str = "spore-infra";
/// Tag that names the stack.
pub const TAG_STACK: &str = "spore:stack";
/// Tag that names the version which wrote last.
pub const TAG_VERSION: &str = "spore:tool-version";

impl Desired {
    /// Addresses of the resources the document wants.
    pub fn addrs(&self) -> Vec<Addr> {
        Kind::ALL
            .into_iter()
            .filter(|kind| match kind {
                Kind::JournalGroup | Kind::HostedZone => true,
                Kind::KmsKey | Kind::Ksk | Kind::ZoneSigning => self.dnssec,
            })
            .map(|kind| self.addr(kind))
            .collect()
    }

    /// Addresses of everything a stack can have, wanted or not.
    pub fn all_addrs(&self) -> Vec<Addr> {
        Kind::ALL.into_iter().map(|kind| self.addr(kind)).collect()
    }

    /// The address of the one resource of a kind.
    pub fn addr(&self, kind: Kind) -> Addr {
        match kind {
            Kind::JournalGroup | Kind::HostedZone | Kind::ZoneSigning => {
                Addr::new(kind, &self.domain)
            }
            Kind::KmsKey => Addr::new(kind, "ksk"),
            Kind::Ksk => Addr::new(kind, "active"),
        }
    }

    /// Name of the journal's log group.
    pub fn journal_group(&self) -> String {
        format!("/spore-infra/{}", self.domain)
    }

    /// Name of the log group that is the lock.
    pub fn lock_group(&self) -> String {
        format!("/spore-infra/{}/lock", self.domain)
    }

    /// ARN of a log group of this stack.
    pub fn log_group_arn(&self, name: &str) -> String {
        format!("arn:aws:logs:{}:{}:log-group:{name}", self.region, self.account)
    }

    /// Alias of the key: no dots, so that it is valid (KMS allows letters, digits and `/_-`).
    pub fn key_alias(&self) -> String {
        format!("alias/spore-infra/{}", name::derived(&self.domain, Charset::Hyphen, 200))
    }

    /// Name of the `number`th key-signing key (Route 53 allows letters, digits and underscore, 128).
    pub fn ksk_name(&self, number: u32) -> String {
        format!("{}_{number}", name::derived(&self.domain, Charset::NoHyphen, 120))
    }

    /// The tags every object of the stack carries.
    pub fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.extra_tags.clone();
        tags.insert(TAG_MANAGED_BY.into(), MANAGED_BY.into());
        tags.insert(TAG_STACK.into(), self.domain.clone());
        tags.insert(TAG_VERSION.into(), env!("CARGO_PKG_VERSION").into());
        tags
    }

    /// The tags of `live` that have to be set, with their wanted values.
    pub fn tags_to_set(&self, live: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.tags().into_iter().filter(|(key, value)| live.get(key) != Some(value)).collect()
    }
}
