//! What somebody does with instances from outside: start, stop, terminate, look.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Instance, MetadataOptions, Phase, TokenKey, new_id, region};
use crate::auth::ACCOUNT_DEFAULT;
use crate::tagging::{Tags, check_tag};
use crate::world::World;

/// What can be done with instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum InstanceAction {
    /// Launches a new one.
    Launch(Launch),
    /// Starts a stopped one: with another public address and a new identity document.
    Start {
        /// Its id.
        id: String,
    },
    /// Stops one; it loses its public IPv4 address.
    Stop {
        /// Its id.
        id: String,
    },
    /// Ends one for good.
    Terminate {
        /// Its id.
        id: String,
    },
    /// Shows all.
    List,
}

/// What a new instance is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Launch {
    /// Owner, 12 digits.
    pub account: String,
    /// Region.
    pub region: String,
    /// Tags.
    pub tags: Tags,
    /// Whether it gets a public IPv4 address.
    pub public: bool,
    /// Whether it gets an IPv6 address.
    pub ipv6: bool,
    /// How it may be asked for its metadata.
    pub options: MetadataOptions,
    /// Name of the role that its programs are to have.
    pub role: Option<String>,
}

impl Default for Launch {
    fn default() -> Self {
        Self {
            account: ACCOUNT_DEFAULT.to_owned(),
            region: "us-east-1".to_owned(),
            tags: Tags::new(),
            public: true,
            ipv6: false,
            options: MetadataOptions::default(),
            role: None,
        }
    }
}

/// An instance as who runs the sandbox sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its id.
    pub id: String,
    /// EC2's name of its state.
    pub state: String,
    /// Owner.
    pub account: String,
    /// Region.
    pub region: String,
    /// Private address.
    pub private_ip: Ipv4Addr,
    /// Public address, if it has one now.
    pub public_ip: Option<Ipv4Addr>,
    /// IPv6 address, if it has one.
    pub ipv6: Option<Ipv6Addr>,
    /// Base URL of its metadata and of its way out by IPv4; only while it runs and is served.
    #[serde(default)]
    pub url: Option<String>,
    /// The same as a container on it sees them, a network hop further away.
    #[serde(default)]
    pub container_url: Option<String>,
    /// Base URL of its way out by IPv6.
    #[serde(default)]
    pub ipv6_url: Option<String>,
}

impl fmt::Display for View {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            state,
            account,
            region,
            private_ip,
            ..
        } = self;
        write!(f, "{id}  {state}  {region}  {account}  {private_ip}")?;
        if let Some(address) = self.public_ip {
            write!(f, "  {address}")?;
        }
        if let Some(address) = self.ipv6 {
            write!(f, "  {address}")?;
        }
        if let Some(url) = &self.url {
            write!(f, "  {url}")?;
        }
        Ok(())
    }
}

impl World {
    /// Carries out what is to be done with instances, and shows those concerned; or why not.
    pub fn instance(
        &mut self,
        now: Timestamp,
        action: InstanceAction,
    ) -> Result<Vec<View>, String> {
        self.instances.instances.retain(|_, one| one.is_listed(now));
        let id = match action {
            InstanceAction::Launch(launch) => self.launch(now, launch)?,
            InstanceAction::Start { id } => {
                self.start_again(now, &id)?;
                id
            }
            InstanceAction::Stop { id } => {
                self.turn_off(now, &id, Phase::Down)?;
                id
            }
            InstanceAction::Terminate { id } => {
                self.turn_off(now, &id, Phase::Over)?;
                id
            }
            InstanceAction::List => {
                return Ok(self.instances.all().map(|one| view(one, now)).collect());
            }
        };
        Ok(self
            .instances
            .get(&id)
            .map(|one| view(one, now))
            .into_iter()
            .collect())
    }

    fn launch(&mut self, now: Timestamp, launch: Launch) -> Result<String, String> {
        check(self, &launch)?;
        let Launch {
            account, region, ..
        } = launch;
        let private_ip = self.new_private(&account, &region);
        let public_ip = launch.public.then(|| self.new_public());
        if public_ip.is_none() {
            self.provide_nat(&account, &region);
        }
        let ipv6 = launch.ipv6.then(|| self.new_v6());
        let random = &mut self.random;
        let mac: [u8; 5] = random.bytes();
        let token_key: [u8; 32] = random.bytes();
        let mut made = Instance {
            id: new_id(random, "i"),
            zone: format!("{region}a"),
            reservation: new_id(random, "r"),
            subnet: new_id(random, "subnet"),
            vpc: new_id(random, "vpc"),
            interface: (new_id(random, "eni"), new_id(random, "eni-attach")),
            // Locally administered, as EC2's are.
            mac: mac
                .iter()
                .fold("02".to_owned(), |text, byte| format!("{text}:{byte:02x}")),
            private_ip,
            public_ip,
            wants_public: launch.public,
            ipv6,
            tags: launch.tags,
            options: launch.options,
            role: launch.role,
            created: now,
            launched: now,
            phase: Phase::Up,
            since: now,
            settles: now,
            token_key: TokenKey(token_key),
            identity: None,
            session: None,
            account,
            region,
        };
        made.turn(Phase::Up, now, self.profile);
        let id = made.id.clone();
        self.instances.instances.insert(id.clone(), made);
        Ok(id)
    }

    fn start_again(&mut self, now: Timestamp, id: &str) -> Result<(), String> {
        let found = self.instances.get(id).ok_or_else(|| unknown(id))?;
        let state = found.state(now);
        if state != super::InstanceState::Stopped {
            return Err(format!("{id} is {}, not stopped", state.name()));
        }
        let public = found.wants_public.then(|| self.new_public());
        let profile = self.profile;
        if let Some(found) = self.instances.get_mut(id) {
            found.public_ip = public;
            found.launched = now;
            found.turn(Phase::Up, now, profile);
        }
        Ok(())
    }

    fn turn_off(&mut self, now: Timestamp, id: &str, phase: Phase) -> Result<(), String> {
        let profile = self.profile;
        let found = self.instances.get_mut(id).ok_or_else(|| unknown(id))?;
        let is_possible = match phase {
            Phase::Down => found.phase == Phase::Up,
            Phase::Up | Phase::Over => found.phase != Phase::Over,
        };
        if !is_possible {
            return Err(format!("{id} is {}", found.state(now).name()));
        }
        found.public_ip = None;
        found.turn(phase, now, profile);
        Ok(())
    }
}

fn unknown(id: &str) -> String {
    format!("there is no instance {id}; see `sandbox instance list`")
}

fn check(world: &World, launch: &Launch) -> Result<(), String> {
    let Launch {
        account, region, ..
    } = launch;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{account:?} is no account: 12 digits"));
    }
    if region::must_opt_in(region).is_none() {
        return Err(format!(
            "{region:?} is no region of the partition aws that is modelled"
        ));
    }
    if !(1..=64).contains(&launch.options.hop_limit) {
        return Err("the hop limit is a number from 1 to 64".to_owned());
    }
    for (key, value) in &launch.tags {
        check_tag(key, value).map_err(|problem| format!("tag {key:?}: {problem}"))?;
        if launch.options.tags && !is_metadata_key(key) {
            return Err(format!("tag {key:?}: {METADATA_KEY_RULE}"));
        }
    }
    if let Some(role) = &launch.role
        && world.role(account, role).is_none()
    {
        return Err(format!("account {account} has no role {role}"));
    }
    Ok(())
}

/// Which keys instances with tags in their metadata may have
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html>).
pub(crate) const METADATA_KEY_RULE: &str = "Tag keys must match pattern \
    ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')";

/// Whether a tag can be shown in metadata.
pub(crate) fn is_metadata_key(key: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+=,.@:".contains(&byte);
    (1..=255).contains(&key.len())
        && key.bytes().all(is_letter)
        && !matches!(key, "." | ".." | "_index")
}

fn view(one: &Instance, now: Timestamp) -> View {
    View {
        id: one.id.clone(),
        state: one.state(now).name().to_owned(),
        account: one.account.clone(),
        region: one.region.clone(),
        private_ip: one.private_ip,
        public_ip: one.public_ip,
        ipv6: one.ipv6,
        url: None,
        container_url: None,
        ipv6_url: None,
    }
}
