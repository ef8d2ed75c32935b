//! What the stack document wants of AWS, resource by resource, with every name derived.

use std::collections::BTreeMap;

use crate::addr::{Addr, Kind};
use crate::kind::{alarm, log_group, metric_filter};
use crate::name::{self, Charset};
use crate::stack::{AcceptedKind, Delegation, Stack};

/// The settings that planning needs. Made from a valid stack document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The document.
    pub stack: Stack,
    /// The zone's name, lower case, without a trailing dot.
    pub domain: String,
    /// The only account that may be written to.
    pub account: String,
    /// Region of the regional resources. DNSSEC's key is in us-east-1 whatever this says.
    pub region: String,
    /// Whether the zone is to be signed.
    pub dnssec: bool,
    /// Alias of the key, with `alias/`.
    pub key_alias: String,
    /// Name of the first key-signing key.
    pub ksk_name: String,
    /// ARNs of those who administer the key besides the account's root.
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

/// Tag of the zone: under which region and names the rest of the stack is found.
pub const TAG_NAMES: &str = "spore:names";

/// Tag of a key whose alias does not show what it serves.
pub const TAG_PURPOSE: &str = "spore:purpose";
/// Its value on a key that was adopted with its key-signing key, and may have an alias of its maker's.
pub const PURPOSE_KSK: &str = "ksk";
/// Its value on the key that encrypts log groups.
pub const PURPOSE_LOGS: &str = "logs";

/// Room for KSK names: 128 characters (Route 53 API, CreateKeySigningKey), less `_` and a number.
const KSK_CHARS_MAX: usize = 120;
/// Room for the alias: 256 characters with `alias/` (KMS API, CreateAlias).
const ALIAS_CHARS_MAX: usize = 200;

impl Desired {
    /// The settings of a document.
    pub fn of(stack: &Stack) -> Self {
        let prefix = stack.names.prefix.as_str();
        // No dots in an alias: KMS allows letters, digits and `/_-`.
        let alias = stack.names.key_alias.as_ref().map_or_else(
            || {
                format!(
                    "{prefix}-{}",
                    name::derived(
                        &stack.domain,
                        Charset::Hyphenated,
                        ALIAS_CHARS_MAX - prefix.len()
                    )
                )
            },
            |alias| alias.as_str().to_owned(),
        );
        let room = KSK_CHARS_MAX - 2 * prefix.len();
        let ksk_name = stack.names.ksk.as_ref().map_or_else(
            || {
                let derived = name::derived(&stack.domain, Charset::Underscored, room);
                format!("{}_{derived}_1", prefix.replace('-', "__"))
            },
            |ksk| ksk.as_str().to_owned(),
        );
        Self {
            stack: stack.clone(),
            domain: stack.domain.as_str().to_owned(),
            account: stack.account.as_str().to_owned(),
            region: stack.region.as_str().to_owned(),
            dnssec: stack.dnssec.enabled,
            key_alias: format!("alias/{alias}"),
            ksk_name,
            key_admins: stack
                .dnssec
                .key_admins
                .iter()
                .map(|arn| arn.as_str().to_owned())
                .collect(),
            extra_tags: stack
                .tags
                .iter()
                .map(|(key, value)| (key.as_str().to_owned(), value.as_str().to_owned()))
                .collect(),
        }
    }

    /// Addresses of the resources the document wants.
    pub fn addrs(&self) -> Vec<Addr> {
        Kind::ALL
            .into_iter()
            .flat_map(|kind| match kind {
                Kind::KmsKey | Kind::Ksk | Kind::ZoneSigning if !self.dnssec => Vec::new(),
                Kind::Delegation if self.stack.delegation == Delegation::External => Vec::new(),
                Kind::LogsKey if !self.stack.logs.encrypt => Vec::new(),
                Kind::LogsPolicy | Kind::QueryLogging if !self.stack.logs.queries => Vec::new(),
                Kind::LogGroup => log_group::addrs(self),
                Kind::MetricFilter => metric_filter::addrs(self),
                Kind::Alarm => alarm::addrs(self),
                Kind::JournalGroup
                | Kind::HostedZone
                | Kind::KmsKey
                | Kind::Ksk
                | Kind::ZoneSigning
                | Kind::Delegation
                | Kind::LogsKey
                | Kind::LogsPolicy
                | Kind::QueryLogging
                | Kind::Role
                | Kind::Function
                | Kind::ApiAccount
                | Kind::RestApi => vec![self.addr(kind)],
            })
            .collect()
    }

    /// Addresses of everything a stack of this document can have besides what it does not want.
    pub fn all_addrs(&self) -> Vec<Addr> {
        let singles = Kind::ALL.into_iter().filter(|kind| match kind {
            Kind::LogGroup | Kind::MetricFilter | Kind::Alarm => false,
            Kind::JournalGroup
            | Kind::HostedZone
            | Kind::KmsKey
            | Kind::Ksk
            | Kind::ZoneSigning
            | Kind::Delegation
            | Kind::LogsKey
            | Kind::LogsPolicy
            | Kind::QueryLogging
            | Kind::Role
            | Kind::Function
            | Kind::ApiAccount
            | Kind::RestApi => true,
        });
        let mut addrs: Vec<Addr> = singles.map(|kind| self.addr(kind)).collect();
        addrs.extend(log_group::addrs(self));
        addrs.extend(metric_filter::addrs(self));
        addrs.extend(alarm::addrs(self));
        addrs.sort();
        addrs
    }

    /// The address of the one resource of a kind.
    ///
    /// # Panics
    /// For kinds of which a stack has several.
    pub fn addr(&self, kind: Kind) -> Addr {
        match kind {
            Kind::JournalGroup
            | Kind::HostedZone
            | Kind::ZoneSigning
            | Kind::Delegation
            | Kind::QueryLogging => Addr::new(kind, &self.domain),
            Kind::KmsKey => Addr::new(kind, "ksk"),
            Kind::Ksk => Addr::new(kind, "active"),
            Kind::LogsKey => Addr::new(kind, "logs"),
            Kind::LogsPolicy => Addr::new(kind, "route53"),
            Kind::Role | Kind::Function | Kind::RestApi => Addr::new(kind, "updater"),
            Kind::ApiAccount => Addr::new(kind, &self.region),
            Kind::LogGroup | Kind::MetricFilter | Kind::Alarm => {
                panic!("invariant: a stack has several of {}", kind.word())
            }
        }
    }

    /// Prefix and domain as one name for services that allow letters, digits, `_` and `-`, with room
    /// for a suffix within `chars_max`.
    fn derived_name(&self, suffix: &str, chars_max: usize) -> String {
        let prefix = self.stack.names.prefix.as_str();
        let room = chars_max - prefix.len() - suffix.len() - 1;
        let derived = name::derived(&self.stack.domain, Charset::Hyphenated, room);
        format!("{prefix}-{derived}{suffix}")
    }

    /// Name of the updater's role (64 characters: IAM API, CreateRole).
    pub fn role_name(&self) -> String {
        let exact = self.stack.iam.updater_role.as_ref();
        exact.map_or_else(
            || self.derived_name("-updater", 64),
            |name| name.as_str().to_owned(),
        )
    }

    /// ARN of the updater's role.
    pub fn role_arn(&self) -> String {
        let path = self.stack.iam.path.as_str();
        format!(
            "arn:aws:iam::{}:role{path}{}",
            self.account,
            self.role_name()
        )
    }

    /// Name of the updater's function (64 characters: Lambda API, CreateFunction).
    pub fn function_name(&self) -> String {
        let exact = self.stack.updater.name.as_ref();
        exact.map_or_else(
            || self.derived_name("-updater", 64),
            |name| name.as_str().to_owned(),
        )
    }

    /// ARN of the updater's function.
    pub fn function_arn(&self) -> String {
        format!(
            "arn:aws:lambda:{}:{}:function:{}",
            self.region,
            self.account,
            self.function_name()
        )
    }

    /// Name of the REST API. CloudWatch's metrics go by it, so it has to be unique.
    pub fn api_name(&self) -> String {
        let exact = self.stack.names.api.as_ref();
        exact.map_or_else(
            || self.derived_name("", 128),
            |name| name.as_str().to_owned(),
        )
    }

    /// Alias of the key that encrypts log groups.
    pub fn logs_key_alias(&self) -> String {
        format!("alias/{}", self.derived_name("-logs", ALIAS_CHARS_MAX))
    }

    /// What the names of the stack's alarms begin with. A domain has no slash, so that no other
    /// stack's alarms begin so.
    pub fn alarm_prefix(&self) -> String {
        format!("{}/{}/", self.stack.names.prefix.as_str(), self.domain)
    }

    /// Namespace of the metrics that the stack's filters make.
    pub fn metric_namespace(&self) -> String {
        format!("spore-infra/{}", self.domain)
    }

    /// What the rest of the stack is found by: region, prefix, function and role. A document that says
    /// something else would find nothing of it, and make it all once more.
    pub fn names(&self) -> String {
        let prefix = self.stack.names.prefix.as_str();
        let (function, role) = (self.function_name(), self.role_name());
        format!("{} {prefix} {function} {role}", self.region)
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
        format!(
            "arn:aws:logs:{}:{}:log-group:{name}",
            self.region, self.account
        )
    }

    /// The tags every object of the stack carries.
    pub fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.extra_tags.clone();
        tags.extend(self.own_tags());
        tags
    }

    /// Those of them that say whose it is, without the document's own.
    pub fn own_tags(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (TAG_MANAGED_BY.to_owned(), MANAGED_BY.to_owned()),
            (TAG_STACK.to_owned(), self.domain.clone()),
            (TAG_VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ])
    }

    /// The tags of `live` that have to be set, with their wanted values.
    pub fn tags_to_set(&self, live: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.tags()
            .into_iter()
            .filter(|(key, value)| live.get(key) != Some(value))
            .collect()
    }

    /// The two names that the stack's key-signing keys take in turn.
    pub fn ksk_names(&self) -> [String; 2] {
        let stem = self.ksk_name.strip_suffix("_1").unwrap_or(&self.ksk_name);
        [self.ksk_name.clone(), format!("{stem}_2")]
    }

    /// Whether only this stack would name a key-signing key so.
    pub fn is_ksk_name(&self, name: &str) -> bool {
        self.ksk_names().iter().any(|ours| ours == name)
    }

    /// Why the document accepts a foreign object, if it does.
    pub fn accepted(&self, kind: AcceptedKind, name: &str) -> Option<&str> {
        self.stack
            .accepted
            .iter()
            .find(|accepted| accepted.kind == kind && accepted.name.as_str() == name)
            .map(|accepted| accepted.reason.as_str())
    }

    /// The other stack that an object with these tags belongs to, if it does.
    pub fn other_stack<'a>(&self, tags: &'a BTreeMap<String, String>) -> Option<&'a str> {
        let stack = tags.get(TAG_STACK).map(String::as_str);
        stack.filter(|stack| *stack != self.domain)
    }

    /// Whether an object with these tags belongs to the stack.
    pub fn owns(&self, tags: &BTreeMap<String, String>) -> bool {
        let is = |key: &str, value: &str| tags.get(key).map(String::as_str) == Some(value);
        is(TAG_STACK, &self.domain) && is(TAG_MANAGED_BY, MANAGED_BY)
    }
}
