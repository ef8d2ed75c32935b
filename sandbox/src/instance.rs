//! Instances: what somebody started, what state it is in, which addresses it has.
//!
//! There is no RunInstances here: whoever runs the sandbox starts instances from outside
//! ([`World::instance`]), as a user of EC2's console would. What an instance sees of itself is in
//! [`metadata`]; where its requests seem to come from is [`World::way_out`].
//!
//! ```text
//! pending -> running -> stopping -> stopped -> pending ...
//!               |                      |
//!               +---> shutting-down <--+ -> terminated -> (an hour later) not found
//! ```
//!
//! The state is worked out from the time of the last action; nothing has to tick.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::profile::Profile;
use crate::tagging::Tags;
use crate::world::{Random, World};

mod action;
mod address;
mod credentials;
mod der;
mod document;
mod keys;
pub mod metadata;
pub(crate) mod region;

pub use action::{InstanceAction, Launch, View};
pub(crate) use action::{METADATA_KEY_RULE, is_metadata_key};
pub(crate) use document::{ARCHITECTURE, IMAGE, TYPE};
pub use keys::{Certificates, PublicKeys};

/// State: every instance that can still be seen, and the keys that sign for them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    instances: BTreeMap<String, Instance>,
    /// Addresses of NAT gateways by `ACCOUNT/REGION`.
    #[serde(default)]
    nat: BTreeMap<String, Ipv4Addr>,
    #[serde(default)]
    keys: keys::Keys,
}

/// One instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instance {
    /// `i-` and 17 hexadecimal digits.
    pub id: String,
    /// Owner.
    pub account: String,
    /// Region.
    pub region: String,
    /// Availability zone.
    pub zone: String,
    /// `r-...`.
    pub reservation: String,
    /// `subnet-...`.
    pub subnet: String,
    /// `vpc-...`.
    pub vpc: String,
    /// The primary network interface, `eni-...`, and how it hangs on the instance, `eni-attach-...`.
    pub interface: (String, String),
    /// Hardware address.
    pub mac: String,
    /// Primary private address.
    pub private_ip: Ipv4Addr,
    /// Public address, while it runs in a subnet that gives one.
    pub public_ip: Option<Ipv4Addr>,
    /// Whether it gets a public address at each start.
    pub wants_public: bool,
    /// IPv6 address, which is always public.
    pub ipv6: Option<Ipv6Addr>,
    /// Tags.
    pub tags: Tags,
    /// How it may be asked for its metadata.
    pub options: MetadataOptions,
    /// The role of its instance profile, which has the role's name.
    pub role: Option<String>,
    /// When it was first started.
    pub created: Timestamp,
    /// When it was last started, which its identity document says as well.
    pub launched: Timestamp,
    phase: Phase,
    /// When the last action was taken, and when its effect is complete.
    since: Timestamp,
    settles: Timestamp,
    token_key: TokenKey,
    /// Access key ids of the credentials it has now: of its identity role, and of its profile's.
    identity: Option<String>,
    session: Option<String>,
}

/// What an instance's metadata tokens are made with. It never leaves the world.
#[derive(Clone, Serialize, Deserialize)]
struct TokenKey([u8; 32]);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Up,
    Down,
    Over,
}

/// States as EC2 names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone for good, but still listed.
    Terminated,
    /// On its way to stopped.
    Stopping,
    /// Stopped; it can be started again.
    Stopped,
}

impl InstanceState {
    /// EC2's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// EC2's number (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html>).
    pub fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }
}

/// How an instance may be asked for its metadata
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsResponse.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// HttpEndpoint: whether it answers at all.
    pub endpoint: bool,
    /// HttpTokens: whether a token is required.
    pub tokens_required: bool,
    /// HttpPutResponseHopLimit: how many network hops the answer with a token survives, 1 to 64.
    pub hop_limit: u8,
    /// InstanceMetadataTags: whether tags are shown.
    pub tags: bool,
}

impl Default for MetadataOptions {
    /// As a launch from a current Amazon Linux image: tokens, two hops, so that containers reach it.
    fn default() -> Self {
        Self {
            endpoint: true,
            tokens_required: true,
            hop_limit: 2,
            tags: false,
        }
    }
}

/// How long a terminated instance is listed: "for a short while (usually less than one hour)"
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html>).
const LISTED_AFTER_END: Duration = Duration::from_hours(1);

/// How long a start and a stop take; AWS publishes no number, these are of the usual order.
fn settling(profile: Profile, phase: Phase) -> Duration {
    match (profile, phase) {
        (Profile::Fast | Profile::Instant, _) => Duration::ZERO,
        (Profile::Aws, Phase::Up) => Duration::from_secs(15),
        (Profile::Aws, Phase::Down | Phase::Over) => Duration::from_secs(30),
    }
}

/// Whether an ARN is that of an instance's identity role.
pub(crate) fn is_identity_role(arn: &str) -> bool {
    crate::policy::role_of(arn) == Some(crate::sts::IDENTITY_ROLE)
}

impl Instance {
    /// Its state at a time.
    pub fn state(&self, now: Timestamp) -> InstanceState {
        let is_settled = now >= self.settles;
        match (self.phase, is_settled) {
            (Phase::Up, false) => InstanceState::Pending,
            (Phase::Up, true) => InstanceState::Running,
            (Phase::Down, false) => InstanceState::Stopping,
            (Phase::Down, true) => InstanceState::Stopped,
            (Phase::Over, false) => InstanceState::ShuttingDown,
            (Phase::Over, true) => InstanceState::Terminated,
        }
    }

    /// Whether EC2 still knows it.
    pub fn is_listed(&self, now: Timestamp) -> bool {
        let forgotten = self.settles.checked_add(LISTED_AFTER_END);
        self.phase != Phase::Over || forgotten.is_ok_and(|forgotten| now < forgotten)
    }

    /// Whether its programs run.
    pub fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// When it was stopped or terminated.
    pub fn ended(&self) -> Option<Timestamp> {
        (self.phase != Phase::Up).then_some(self.since)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:ec2:{}:{}:instance/{}",
            self.region, self.account, self.id
        )
    }

    /// Its name in EC2's internal DNS
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-naming.html>).
    pub(crate) fn private_name(&self) -> String {
        let address = self.private_ip.to_string().replace('.', "-");
        match self.region.as_str() {
            "us-east-1" => format!("ip-{address}.ec2.internal"),
            region => format!("ip-{address}.{region}.compute.internal"),
        }
    }

    /// Its name in public DNS, while it has a public IPv4 address.
    pub(crate) fn public_name(&self) -> Option<String> {
        let address = self.public_ip?.to_string().replace('.', "-");
        Some(match self.region.as_str() {
            "us-east-1" => format!("ec2-{address}.compute-1.amazonaws.com"),
            region => format!("ec2-{address}.{region}.compute.amazonaws.com"),
        })
    }

    /// Id of its instance profile. Profiles are no objects of this world's IAM.
    pub(crate) fn profile_id(&self) -> String {
        let digits: String = self.id.chars().rev().take(17).collect();
        format!("AIPA{}", digits.to_ascii_uppercase())
    }

    fn turn(&mut self, phase: Phase, now: Timestamp, profile: Profile) {
        self.phase = phase;
        self.since = now;
        let settled = now.checked_add(settling(profile, phase));
        self.settles = settled.unwrap_or(now);
    }
}

impl State {
    /// All instances, gone ones among them until they are forgotten.
    pub fn all(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// An instance by its id, whoever it belongs to.
    pub fn get(&self, id: &str) -> Option<&Instance> {
        self.instances.get(id)
    }

    /// The instances that EC2 lists to an account in a region.
    pub(crate) fn listed(
        &self,
        (account, region): (&str, &str),
        now: Timestamp,
    ) -> impl Iterator<Item = &Instance> {
        self.all()
            .filter(move |one| one.account == account && one.region == region && one.is_listed(now))
    }

    /// An instance as EC2 finds it for an account in a region.
    pub(crate) fn of(
        &self,
        (account, region): (&str, &str),
        id: &str,
        now: Timestamp,
    ) -> Option<&Instance> {
        let found = self.get(id)?;
        let is_theirs = found.account == account && found.region == region;
        (is_theirs && found.is_listed(now)).then_some(found)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.instances.get_mut(id)
    }
}

impl World {
    /// The address that an instance's requests leave with, over IPv4 or IPv6. Without a public IPv4
    /// address that is the NAT gateway's of its account and region. None: there is no way, because it
    /// does not run or has no IPv6 address.
    pub fn way_out(&self, id: &str, family: Family) -> Option<IpAddr> {
        let found = self.instances.get(id).filter(|found| found.is_up())?;
        match family {
            Family::V6 => found.ipv6.map(IpAddr::V6),
            Family::V4 => {
                let place = format!("{}/{}", found.account, found.region);
                let nat = || self.instances.nat.get(&place).copied();
                found.public_ip.or_else(nat).map(IpAddr::V4)
            }
        }
    }
}

/// How metadata and documents spell times.
const METADATA_TIME: &str = "%Y-%m-%dT%H:%M:%SZ";

/// Families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An id of EC2's: a prefix and 17 hexadecimal digits.
fn new_id(random: &mut Random, prefix: &str) -> String {
    format!("{prefix}-0{}", random.text(b"0123456789abcdef", 16))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
