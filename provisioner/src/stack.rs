//! The stack document: what a site wants, read from TOML and validated.
//!
//! [`parse`] is the only way to a [`Stack`]; it collects every problem of a document before it
//! answers. Who holds a `Stack` may rely on it: names fit their services, numbers are inside their
//! bounds, and keys that need each other are together. Nothing here knows AWS's live state.
//!
//! Invariant: leaving a key out never switches a protection off, and no key turns a check off.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

mod account;
mod arn;
mod diagnostics;
mod domain;
mod form;
mod init;
mod instances;
mod naming;
mod network;
mod schema;
mod span;
mod table;
mod v1;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use account::{AccountId, Region};
pub use arn::{Arn, ArnSort, Certificate, Policy, Principal, Role, Topic};
pub use diagnostics::{Position, Problem, report};
pub use domain::{DomainName, Label};
pub use form::Refused;
pub use init::initial;
pub use instances::{Accounts, InstanceAccount};
pub use naming::{
    Exact, Function, IamPath, KeyAlias, Ksk, Line, LiveTagKey, NameSort, Named, Prefix,
    RequiredTag, RestApi, RoleName, Stage, TagKey, TagValue,
};
pub use network::{Cidr, Resolver};
pub use schema::schema;
pub use span::Rate;

use diagnostics::quoted;
use table::Table;
use toml::de::{DeTable, DeValue};

/// What a document wants, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// The zone's domain.
    pub domain: DomainName,
    /// The only account this stack may be applied to.
    pub account: AccountId,
    /// Where function, API, logs and most alarms live. The KSK's key is always in us-east-1.
    pub region: Region,
    /// Who delegates the zone.
    pub delegation: Delegation,
    /// Signing.
    pub dnssec: Dnssec,
    /// How the tool itself asks DNS.
    pub dns: Dns,
    /// Names of objects, where they are not derived.
    pub names: Names,
    /// Roles.
    pub iam: Iam,
    /// The function that changes records, and whom it lets.
    pub updater: Updater,
    /// The HTTPS door to the updater.
    pub api: Api,
    /// What is logged, how long.
    pub logs: Logs,
    /// What is watched, who is told.
    pub alarms: Alarms,
    /// Whom to ask.
    pub contacts: Contacts,
    /// Tags beside the tool's own.
    pub tags: BTreeMap<Named<TagKey>, Named<TagValue>>,
    /// What others maintain on purpose.
    pub accepted: Vec<Accepted>,
}

/// Who delegates the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delegation {
    /// A parent zone in this account if there is one, else somebody outside.
    Auto,
    /// A parent zone in another account, changed with this role.
    Through(Arn<Role>),
    /// Somebody outside, whatever zones this account has.
    External,
}

/// Signing of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dnssec {
    /// Whether the zone is to be signed.
    pub enabled: bool,
    /// Whether the TTLs of a zone that was made by somebody else are lowered while it is being signed.
    pub lower_ttls: bool,
    /// Who may administer the KSK's key besides the account's own policies.
    pub key_admins: BTreeSet<Arn<Principal>>,
    /// The age from which a KSK is reported as due for rotation.
    pub rotate_after: Option<Duration>,
}

/// How the tool asks DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// How questions travel.
    pub transport: Transport,
    /// Servers to ask; none means the zones' own servers, from the root down.
    pub resolvers: Vec<Resolver>,
    /// Servers of internal views, which must give the same answers.
    pub also_check: Vec<Resolver>,
}

/// How DNS questions travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP, and TCP where the answer is truncated.
    Udp,
    /// TCP only.
    Tcp,
    /// HTTPS only (RFC 8484), for networks that let nothing else out.
    Https,
}

/// Names of AWS objects; what is `None` is derived from prefix and domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What derived names begin with.
    pub prefix: Named<Prefix>,
    /// Alias of the KSK's key, without `alias/`.
    pub key_alias: Option<Named<KeyAlias>>,
    /// Name of the KSK.
    pub ksk: Option<Named<Ksk>>,
    /// Name of the REST API.
    pub api: Option<Named<RestApi>>,
}

/// Roles the stack makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iam {
    /// Path of every role.
    pub path: Named<IamPath>,
    /// Permissions boundary of every role.
    pub permissions_boundary: Option<Arn<Policy>>,
    /// Name of the updater's role.
    pub updater_role: Option<Named<RoleName>>,
}

/// The function that changes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updater {
    /// Name of the function.
    pub name: Option<Named<Function>>,
    /// Whose instances may have names, without the denied ones.
    pub accounts: Accounts,
    /// Accounts that may not, `["any"]` or not.
    pub deny: BTreeSet<AccountId>,
    /// How a caller proves who it is; never empty.
    pub proofs: BTreeSet<Proof>,
    /// Roles that may call with the proof `iam-role`; empty exactly without it.
    pub roles: BTreeSet<Arn<Role>>,
    /// Whether names have an account's label.
    pub naming: Naming,
    /// Records an instance may have; never empty.
    pub record_types: BTreeSet<RecordType>,
    /// TTL of records that ask for none, and the longest one may ask for.
    pub ttl: Duration,
    /// How long a name stays its owner's without renewal.
    pub lease: Duration,
    /// Names an account may have.
    pub quota: u32,
    /// Requests a caller may make, counted by each running copy of the function.
    pub rate: Rate,
    /// Record labels refused besides the built-in ones.
    pub reserved: BTreeSet<Label>,
    /// The tag an instance must have where it can be asked for.
    pub require_tag: RequiredTag,
    /// Private networks whose addresses may be registered.
    pub private_cidrs: BTreeSet<Cidr>,
    /// Memory of the function.
    pub memory_mib: u32,
    /// Time a request may take.
    pub timeout: Duration,
    /// Processor of the function.
    pub architecture: Architecture,
}

/// How a caller proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A request signed with the instance identity role's credentials.
    InstanceRole,
    /// A signed instance identity document; replayable by who has seen it.
    IdentityDocument,
    /// A request signed by one of the listed roles.
    IamRole,
}

/// Whether names have an account's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `RECORD.ACCOUNT.DOMAIN`.
    PerAccount,
    /// `RECORD.DOMAIN`; one account only.
    Flat,
}

/// A type of record an instance may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Text.
    Txt,
}

impl RecordType {
    /// As DNS writes it.
    pub fn word(self) -> &'static str {
        match self {
            RecordType::A => "A",
            RecordType::Aaaa => "AAAA",
            RecordType::Txt => "TXT",
        }
    }
}

/// Processor of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit ARM.
    Arm64,
    /// 64-bit x86.
    X86_64,
}

/// The HTTPS door to the updater.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Stage, the first part of the URL's path.
    pub stage: Named<Stage>,
    /// Requests a second, over all callers.
    pub throttle_per_second: u32,
    /// Requests at once, over all callers.
    pub throttle_burst: u32,
    /// Networks requests may come from; never empty.
    pub allow_from: BTreeSet<Cidr>,
    /// The oldest TLS a client may speak.
    pub tls_min: TlsMin,
    /// A name of its own, with its certificate.
    pub custom_domain: Option<CustomDomain>,
}

/// The oldest TLS a client may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMin {
    /// TLS 1.2 with forward secrecy.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// A name for the API that is not API Gateway's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomDomain {
    /// The name.
    pub domain: DomainName,
    /// Its certificate, in the stack's region.
    pub certificate: Arn<Certificate>,
}

/// What is logged, how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// Days a log event is kept; a value CloudWatch Logs offers.
    pub retention_days: u16,
    /// Whether log groups have a key of the stack.
    pub encrypt: bool,
    /// Whether Route 53 logs every question, with the address it came from.
    pub queries: bool,
}

/// What is watched, who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarms {
    /// Topics alarms notify. If there is any, each region with alarms has one.
    pub notify: BTreeSet<Arn<Topic>>,
    /// Silence of the updater after which an alarm goes off.
    pub expect_updates: Option<Duration>,
    /// When alarms go off.
    pub thresholds: Thresholds,
}

/// How many events in five minutes set an alarm off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    /// Requests whose proof or address did not hold.
    pub validation_failures: u32,
    /// Answers 5xx of the API.
    pub api_5xx: u32,
    /// Requests refused as too many.
    pub throttled: u32,
    /// Failed runs of the function.
    pub function_errors: u32,
    /// Runs Lambda refused.
    pub function_throttles: u32,
    /// Age of a KSK; no alarm without.
    pub ksk_age: Option<Duration>,
}

/// Whom to ask; shown in alarms, refusals and hand-over texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contacts {
    /// Who runs the stack.
    pub owner: Option<Named<Line>>,
    /// Who runs the parent zone.
    pub dns: Option<Named<Line>>,
    /// Whom to tell about misuse.
    pub security: Option<Named<Line>>,
}

/// An object on one of ours that others maintain: shown in every plan, never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What it is.
    pub kind: AcceptedKind,
    /// Its exact ARN or name.
    pub name: Named<Exact>,
    /// Why it is accepted.
    pub reason: Named<Line>,
}

/// What others may maintain on an object of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AcceptedKind {
    /// An inline policy of one of our roles.
    InlinePolicy,
    /// A managed policy attached to one of our roles.
    AttachedPolicy,
    /// A statement of the function's resource policy.
    FunctionPermission,
    /// An alias of the function, with who may invoke it and the versions it leads to.
    FunctionAlias,
    /// A published version of the function.
    FunctionVersion,
    /// A resource of the REST API.
    ApiResource,
    /// An authorizer of the REST API.
    ApiAuthorizer,
    /// A metric filter on one of our log groups.
    MetricFilter,
    /// A subscription filter on one of our log groups.
    SubscriptionFilter,
    /// The data protection policy of one of our log groups.
    DataProtection,
}

/// The versions of the format this tool reads. Each has a module that reads it into a [`Stack`].
enum Version {
    V1,
}

/// Reads a document. `file` is its name, from which files it names are found; `read` opens them.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn parse(
    file: &str,
    text: &str,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Stack, Vec<Problem>> {
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    let broken: Vec<Problem> = syntax_errors
        .iter()
        .map(|error| syntax_problem(error).inside(text))
        .collect();
    let (stack, found) = match version(document.get_ref()) {
        Ok(Version::V1) => {
            let mut top = Table::top(document.get_ref());
            let stack = v1::stack(&mut top, file, read);
            (stack, top.finish())
        }
        Err(problem) => (None, vec![problem]),
    };
    let mut problems: Vec<Problem> = found
        .into_iter()
        .map(|problem| problem.inside(text))
        .collect();
    problems.retain(|problem| is_certain(problem, &broken, text));
    problems.extend(broken);
    problems.sort_by_key(|problem| problem.span.start);
    match stack {
        Some(stack) if problems.is_empty() => Ok(stack),
        Some(_) | None => Err(problems),
    }
}

/// Whether a problem would be one without the syntax errors: a key may be missing because its line
/// is broken, and what is on a broken line was read by guessing.
fn is_certain(problem: &Problem, broken: &[Problem], text: &str) -> bool {
    let line = problem.position(text).line;
    broken.is_empty()
        || (!problem.is_missing && broken.iter().all(|error| error.position(text).line != line))
}

/// The version, looked at before anything else: in another version every other key may mean
/// something else.
fn version(document: &DeTable<'_>) -> Result<Version, Problem> {
    let Some(written) = document.get("version") else {
        return Err(Problem::missing(0..0, "version: missing")
            .with_hint("add `version = 1` at the top".to_owned()));
    };
    let shown = match written.get_ref() {
        DeValue::Integer(digits) if digits.as_str() == "1" => return Ok(Version::V1),
        DeValue::Integer(digits) => digits.to_string(),
        DeValue::String(text) => quoted(text),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => "this".to_owned(),
    };
    Err(Problem::new(
        written.span(),
        format!("version: {shown} is not one this tool reads"),
    )
    .with_hint("this tool reads version 1, written `version = 1`".to_owned()))
}

/// TOML's own complaint, in the form of ours.
fn syntax_problem(error: &toml::de::Error) -> Problem {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    Problem::new(error.span().unwrap_or(0..0), format!("not TOML: {message}"))
}
