//! The world outside, as far as the updater needs it. Everything that waits, asks or is random is here,
//! so that tests and the simulated AWS call exactly what runs in production.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use jiff::Timestamp;

use crate::batch::Batch;
use crate::protocol::sigv4::Credentials;
use crate::protocol::{Call, Region, StsAnswer};
use crate::zone::{Page, Start};

/// The world outside. Nothing here repeats itself or gives up after a time: how often and how long is
/// decided in one place, by the library (`retry`), which drops the future of a call that takes too long.
pub trait Ports: Sync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// 128 random bits that nobody can foresee.
    fn random(&self) -> u128;

    /// The credentials of the updater's own role, with which answers are signed; none outside Lambda.
    fn credentials(&self) -> Option<Credentials>;

    /// Waits.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Sends a caller's signed GetCallerIdentity to STS, as it is, and brings the answer back, whatever
    /// it is. Follows no redirect, reads at most 64 KiB.
    fn sts(&self, call: &Call) -> impl Future<Output = Result<StsAnswer, Failure>> + Send;

    /// Changes records of the stack's zone: all of a batch or nothing. Answers Route 53's id of the
    /// change.
    fn change(&self, batch: &Batch) -> impl Future<Output = Result<String, Failure>> + Send;

    /// Lists records of the stack's zone, at most so many.
    fn list(
        &self,
        start: &Start,
        limit: usize,
    ) -> impl Future<Output = Result<Page, Failure>> + Send;

    /// Asks EC2 about an instance. `None` is EC2's successful answer that there is no such instance.
    fn describe(
        &self,
        question: &Question,
    ) -> impl Future<Output = Result<Option<Instance>, Failure>> + Send;
}

/// What became of a call that did not succeed. AWS's own texts end here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Too many calls, of us or of others in the account. Nothing was done.
    Throttled,
    /// Route 53 is still working on the change before (PriorRequestNotComplete). Nothing was done.
    Pending,
    /// No answer, or one of the kind 5xx. What was asked may have been done.
    Unanswered,
    /// Route 53 refuses the batch as it is (InvalidChangeBatch): something in the zone is otherwise than
    /// the batch expects. Nothing was done.
    Conflict,
    /// The updater's role may not, or the role to be assumed does not let it.
    Denied,
    /// An answer that is none, or a refusal which this code does not know.
    Unusable,
}

/// Which instance, and with whose rights to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: Region,
    /// Its id.
    pub instance: String,
    /// The role to ask with; none in the stack's own account.
    pub role: Option<String>,
}

/// What EC2 says about an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// What it is doing.
    pub state: State,
    /// Public IPv4 addresses of any of its interfaces.
    pub public: BTreeSet<Ipv4Addr>,
    /// Private IPv4 addresses of any of its interfaces. A VPC may use any range inside, somebody else's
    /// too, so one of these that looks global proves nothing.
    pub private: BTreeSet<Ipv4Addr>,
    /// IPv6 addresses of any of its interfaces.
    pub v6: BTreeSet<Ipv6Addr>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What an instance is doing (EC2 API Reference, InstanceState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Stopped; it can be started again.
    Stopped,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone for good.
    Terminated,
    /// A word this code does not know.
    Unknown,
}

impl State {
    /// The state of EC2's word for it.
    pub fn read(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "running" => Self::Running,
            "stopping" => Self::Stopping,
            "stopped" => Self::Stopped,
            "shutting-down" => Self::ShuttingDown,
            "terminated" => Self::Terminated,
            _ => Self::Unknown,
        }
    }
}

/// EC2's word.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Unknown => "in an unknown state",
        })
    }
}

impl Instance {
    /// Whether EC2 lists an address that everybody can reach as its own.
    pub fn has_global(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.public.contains(&v4),
            IpAddr::V6(v6) => self.v6.contains(&v6),
        }
    }

    /// Whether EC2 lists a private address as its own.
    pub fn has_private(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.private.contains(&v4),
            IpAddr::V6(v6) => self.v6.contains(&v6),
        }
    }
}
