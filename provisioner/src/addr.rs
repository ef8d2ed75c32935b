//! Addresses: the one name by which a resource is known in plans, graphs, messages and files.
//!
//! Decides nothing about AWS; it must not know what a resource is made of.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The kinds of resource, in the order in which people want to read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The stack's journal: a log group that holds evidence and history.
    JournalGroup,
    /// The public hosted zone.
    HostedZone,
    /// The KMS key behind a key-signing key, with its policy and alias.
    KmsKey,
    /// Route 53's key-signing key.
    Ksk,
    /// DNSSEC signing of the zone, as a whole.
    ZoneSigning,
    /// The zone's NS and DS records in its parent zone, where that is ours to write.
    Delegation,
    /// The KMS key that encrypts the log groups.
    LogsKey,
    /// A log group with retention and key.
    LogGroup,
    /// The account's resource policy that lets Route 53 write query logs; shared.
    LogsPolicy,
    /// Query logging of the zone.
    QueryLogging,
    /// An IAM role with its policies.
    Role,
    /// The updater's Lambda function.
    Function,
    /// The account's API Gateway settings: who may write its logs; shared.
    ApiAccount,
    /// The REST API, with all its parts.
    RestApi,
    /// A metric filter on a log group.
    MetricFilter,
    /// A CloudWatch alarm.
    Alarm,
}

impl Kind {
    /// Every kind, in reading order.
    pub const ALL: [Kind; 16] = [
        Kind::JournalGroup,
        Kind::HostedZone,
        Kind::KmsKey,
        Kind::Ksk,
        Kind::ZoneSigning,
        Kind::Delegation,
        Kind::LogsKey,
        Kind::LogGroup,
        Kind::LogsPolicy,
        Kind::QueryLogging,
        Kind::Role,
        Kind::Function,
        Kind::ApiAccount,
        Kind::RestApi,
        Kind::MetricFilter,
        Kind::Alarm,
    ];

    /// The word used in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Kind::JournalGroup => "journal_group",
            Kind::HostedZone => "hosted_zone",
            Kind::KmsKey => "kms_key",
            Kind::Ksk => "ksk",
            Kind::ZoneSigning => "zone_signing",
            Kind::Delegation => "delegation",
            Kind::LogsKey => "logs_key",
            Kind::LogGroup => "log_group",
            Kind::LogsPolicy => "logs_policy",
            Kind::QueryLogging => "query_logging",
            Kind::Role => "role",
            Kind::Function => "function",
            Kind::ApiAccount => "api_account",
            Kind::RestApi => "rest_api",
            Kind::MetricFilter => "metric_filter",
            Kind::Alarm => "alarm",
        }
    }
}

/// `kind/name`, such as `hosted_zone/spore.example.edu`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr {
    kind: Kind,
    name: Arc<str>,
}

impl Addr {
    /// An address of a kind.
    pub fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: Arc::from(name),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name within the kind.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)
    }
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an address; expected kind/name with a kind of {}",
    words()
)]
pub struct AddrError {
    text: String,
}

fn words() -> String {
    Kind::ALL.map(Kind::word).join(", ")
}

impl FromStr for Addr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        let refuse = || AddrError {
            text: text.to_owned(),
        };
        let (word, name) = text.split_once('/').ok_or_else(refuse)?;
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(refuse)?;
        if name.is_empty() {
            Err(refuse())
        } else {
            Ok(Addr::new(kind, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_parse_agree() {
        for kind in Kind::ALL {
            let addr = Addr::new(kind, "spore.example.edu");
            assert_eq!(addr.to_string().parse(), Ok(addr));
        }
        for wrong in ["", "ksk", "ksk/", "key/a", "/a"] {
            assert!(wrong.parse::<Addr>().is_err(), "{wrong:?}");
        }
    }
}
