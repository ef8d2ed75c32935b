//! Live AWS and DNS at one instant, as plain data.
//!
//! It says what was seen and what could not be seen. Unreadable is never absent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::addr::Addr;
use crate::ds::Ds;
use crate::kind::{
    alarm, api_account, delegation, function, hosted_zone, journal_group, kms_key, ksk, log_group,
    logs_key, logs_policy, metric_filter, query_logging, rest_api, role,
};

use crate::updater::Bootstrap;

/// What reading one resource gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation<L> {
    /// AWS answered, and there is none.
    Absent,
    /// It exists and is ours.
    Present(L),
    /// Something that is not ours stands where ours would stand; the text says what. With it what is
    /// known of it, where `adopt` can take it over.
    Foreign(String, Option<Box<Stranger>>),
    /// It could not be read; the text says why. It blocks, and never causes a write.
    Unreadable(String),
}

impl<L> Observation<L> {
    /// The live object, when it is ours.
    pub fn present(&self) -> Option<&L> {
        match self {
            Observation::Present(live) => Some(live),
            Observation::Absent | Observation::Foreign(_, _) | Observation::Unreadable(_) => None,
        }
    }

    /// What stands in its place, and that itself where it can be taken over.
    pub fn foreign(&self) -> Option<(&str, Option<&Stranger>)> {
        match self {
            Observation::Foreign(why, stranger) => Some((why, stranger.as_deref())),
            Observation::Absent | Observation::Present(_) | Observation::Unreadable(_) => None,
        }
    }

    /// The same, but absent when it is known and of no concern.
    #[must_use]
    pub fn unless(self, is_of_no_concern: bool) -> Self {
        match self {
            Observation::Present(_) if is_of_no_concern => Observation::Absent,
            Observation::Absent
            | Observation::Present(_)
            | Observation::Foreign(_, _)
            | Observation::Unreadable(_) => self,
        }
    }

    /// The live object, or that there is none; nothing while something else stands there or nobody knows.
    pub fn known(&self) -> Option<Option<&L>> {
        match self {
            Observation::Absent => Some(None),
            Observation::Present(live) => Some(Some(live)),
            Observation::Foreign(_, _) | Observation::Unreadable(_) => None,
        }
    }

    /// Why it could not be read.
    pub fn unreadable(&self) -> Option<&str> {
        match self {
            Observation::Unreadable(why) => Some(why),
            Observation::Absent | Observation::Foreign(_, _) | Observation::Present(_) => None,
        }
    }
}

/// An object under one of our names that carries no stack's tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stranger {
    /// Its id or ARN, where its name does not say which object it is.
    pub id: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What it has, by attribute, tags included.
    pub attributes: BTreeMap<String, String>,
}

/// The updater's code, as far as it is known without compiling.
#[derive(Debug, Clone)]
pub enum Code {
    /// It was found or built.
    Known(Arc<Bootstrap>),
    /// It is compiled when the plan is applied.
    BuiltAtApply,
    /// What was found cannot be used; the text says why.
    Unusable(String),
}

/// Who the tool is to AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Account id.
    pub account: String,
    /// ARN of the user or session.
    pub arn: String,
}

/// Everything a plan is made from, besides the document.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When the first read started.
    pub taken_at: Timestamp,
    /// Who read.
    pub caller: Caller,
    /// The journal group, with the evidence in its tags.
    pub journal_group: Observation<journal_group::Live>,
    /// The hosted zone.
    pub hosted_zone: Observation<hosted_zone::Live>,
    /// What the zone's TTLs were, where this tool has lowered them.
    pub ttls: hosted_zone::ttls::Kept,
    /// How many more zones the account may have, where one is to be made.
    pub zones_left: hosted_zone::Left,
    /// The KMS key.
    pub kms_key: Observation<kms_key::Live>,
    /// Route 53's view of the zone's DNSSEC: signing status and key-signing keys.
    pub dnssec: Observation<ksk::Live>,
    /// The KMS key that encrypts the log groups.
    pub logs_key: Observation<logs_key::Live>,
    /// A log group with retention and key, by address.
    pub log_groups: BTreeMap<Addr, Observation<log_group::Live>>,
    /// The account's resource policy that lets Route 53 write query logs; shared.
    pub logs_policy: Observation<logs_policy::Live>,
    /// Query logging of the zone.
    pub query_logging: Observation<query_logging::Live>,
    /// An IAM role with its policies, by address.
    pub roles: BTreeMap<Addr, Observation<role::Live>>,
    /// Whether the permissions boundary that a role is to get exists; the error says why it cannot be used.
    pub boundary: Result<(), String>,
    /// The updater's Lambda function.
    pub function: Observation<function::Live>,
    /// The account's API Gateway settings: who may write its logs; shared.
    pub api_account: Observation<api_account::Live>,
    /// The REST API, with all its parts.
    pub rest_api: Observation<rest_api::Live>,
    /// A metric filter on a log group, by address.
    pub metric_filters: BTreeMap<Addr, Observation<metric_filter::Live>>,
    /// A CloudWatch alarm, by address.
    pub alarms: BTreeMap<Addr, Observation<alarm::Live>>,
    /// Concurrency of the account that no function has reserved, where it matters.
    pub unreserved_concurrency: function::Unreserved,
    /// The updater's code.
    pub code: Code,
    /// What the parent zone's servers say about the zone.
    pub parent: ParentView,
    /// What the servers have to which the parent delegates instead of the zone's; none where it delegates to nobody
    /// else, or where nobody answers for the zone there.
    pub theirs: Option<Theirs>,
    /// The parent zone, where this tool can write it.
    pub parent_zone: delegation::Parent,
    /// Whether every name server of the zone answers for it and serves each of its active key-signing
    /// keys, signed by it; the error says which does not. Only asked while there are two, or while the
    /// parent zone, which this tool can write, lacks a record, or while since when the zone is signed is still
    /// to be noted.
    pub served: Result<(), String>,
    /// ARNs of what carries the stack's tag and is nothing that the document names.
    pub strays: BTreeSet<String>,
    /// Whether every name server of the zone answers with the low TTLs; the error says which does not. Only
    /// asked while since when they are low is still to be noted.
    pub low: Result<(), String>,
    /// A lock that somebody holds or left behind.
    pub lock: Option<LockSeen>,
}

/// The apply lock as seen in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSeen {
    /// Who took it.
    pub holder: String,
    /// Whether it is the lock of this very run.
    pub own: bool,
    /// Whether its holder is known to be gone: it gave the lock back for the sake of its intents, or was
    /// a process of this host that no longer runs.
    pub is_abandoned: bool,
    /// When it was taken or last renewed.
    pub beat: Timestamp,
    /// Creations that were begun and not known to be answered: address word and time.
    pub intents: BTreeMap<String, Timestamp>,
}

/// A holder, `HOST/BOOT/PID/START`, as people name it.
pub fn holder_words(holder: &str) -> String {
    let mut parts = holder.split('/');
    match (parts.next(), parts.nth(1)) {
        (Some(host), Some(pid)) => format!("process {pid} on {host}"),
        (_, _) => holder.to_owned(),
    }
}

/// The parent zone as its own servers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParentView {
    /// The walk from the root reached the parent's servers.
    Seen {
        /// Name of the parent zone, such as `example.edu`.
        zone: String,
        /// Each server asked, and what it said.
        servers: Vec<ServerView>,
    },
    /// The walk did not reach it.
    Unknown(String),
}

/// What name servers have for the zone that are not its own: each the largest TTL seen, none while nobody said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Theirs {
    /// Of the NS set, in seconds.
    pub ns_ttl_secs: Option<u32>,
    /// Of what else was asked for, in seconds.
    pub ttl_secs: Option<u32>,
}

/// One server of the parent zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerView {
    /// Its name.
    pub name: String,
    /// The address asked; none when its name has none, and then nothing is known of its answer.
    pub address: Option<IpAddr>,
    /// Its answer about the zone.
    pub answer: Result<Delegated, String>,
}

/// What one parent server answers about the zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delegated {
    /// Name servers it refers to; empty when it does not delegate the zone.
    pub name_servers: Vec<String>,
    /// TTL of those, in seconds.
    pub ns_ttl_secs: u32,
    /// DS records, as `tag algorithm digest-type DIGEST`.
    pub ds: Vec<String>,
    /// TTL of those, in seconds.
    pub ds_ttl_secs: u32,
}

impl Delegated {
    /// The DS records. [`Ds`] wrote them and reads them again.
    pub fn records(&self) -> Vec<Ds> {
        let records = self.ds.iter().map(|ds| Ds::parse_published(ds));
        records.filter_map(Result::ok).collect()
    }
}

impl ParentView {
    /// Every server's answer, or why there is not one from each.
    pub fn all(&self) -> Result<Vec<&Delegated>, String> {
        match self {
            ParentView::Unknown(why) => Err(why.clone()),
            ParentView::Seen { zone, servers } => servers
                .iter()
                .map(|server| {
                    let name = &server.name;
                    server.answer.as_ref().map_err(|why| match server.address {
                        Some(address) => format!("{zone} server {name} ({address}): {why}"),
                        None => format!("{zone} server {name}: {why}"),
                    })
                })
                .collect(),
        }
    }
}
