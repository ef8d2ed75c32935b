//! The root's trust anchor: all that a validator needs to know of a world beforehand.

use super::{DigestType, DnsName, Dnskey, Ds};
use crate::world::World;

/// The root's key-signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootAnchor {
    /// The key.
    pub key: Dnskey,
}

impl World {
    /// The trust anchor of this world. It stays the same for as long as the world is not reset.
    pub fn root_anchor(&self) -> RootAnchor {
        RootAnchor {
            key: self.dns.secret.ksk(&DnsName::root()),
        }
    }
}

impl RootAnchor {
    /// The anchor as a DS.
    pub fn ds(&self) -> Ds {
        self.key.ds(&DnsName::root(), DigestType::Sha256)
    }

    /// A DNSKEY record in a master file, as drill (`-k`), unbound (`trust-anchor-file`) and unbound-host
    /// (`-f`) read it.
    pub fn zone_file(&self) -> String {
        format!(". 3600 IN DNSKEY {}\n", self.key.text())
    }

    /// The `trust-anchors` statement of BIND, as delv (`-a`) and named read it.
    pub fn bind(&self) -> String {
        let Dnskey { flags, .. } = self.key;
        let algorithm = super::dnskey::ALGORITHM;
        let key = self.key.base64();
        format!("trust-anchors {{\n    . static-key {flags} 3 {algorithm} \"{key}\";\n}};\n")
    }
}
