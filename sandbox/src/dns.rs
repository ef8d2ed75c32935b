//! The simulated DNS: what each name server answers, from the root down to Route 53's zones.
//!
//! A server is known by its address. The root and every TLD (each name of one label is one) exist by
//! rule; external zones are parents somewhere on the Internet, in which only [`registrar`] changes
//! anything; hosted zones are answered by their four servers as [`crate::route53`] has them there at
//! that time. All of them are signed: hosted zones when Route 53 is told so, the others from the start
//! and until a registrar takes that back. Who wants to validate starts from [`World::root_anchor`], and
//! may ask [`World::resolve`], which walks down from the root for him.

pub mod address;
mod anchor;
pub(crate) mod data;
mod denial;
mod dnskey;
mod fault;
mod keys;
mod lookup;
mod message;
mod name;
mod parent;
mod registrar;
mod resolve;
pub mod verdict;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use domain::base::Rtype;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::fault::Broken;
use self::lookup::Reply;
use self::message::Wanted;
use crate::world::World;

pub use anchor::RootAnchor;
pub use dnskey::{DigestType, Dnskey, Ds};
pub use fault::{Fault, FaultSyntax};
pub(crate) use message::asked;
pub use message::{Transport, answers, question, signed_question};
pub use name::{DnsName, NameProblem};
pub use parent::{Parent, parent};
pub use registrar::{Past, RegistrarAction};

/// What registrars and hostmasters of the zones above ours have done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Zones somewhere else that can delegate. Each has two servers of its own.
    externals: BTreeSet<DnsName>,
    /// NS and DS sets that a parent holds for a child. The parent is the closest external zone above
    /// the child, or its TLD.
    delegations: BTreeMap<DnsName, registrar::Delegation>,
    /// Sets that were replaced or withdrawn, oldest first.
    past: Vec<registrar::Past>,
    /// What parents had for a child until each change, oldest first.
    #[serde(default)]
    replaced: Vec<registrar::Replaced>,
    /// Servers that misbehave, by address (test hook).
    faults: BTreeMap<IpAddr, fault::Broken>,
    /// Records that are tampered with on their way (test hook).
    #[serde(default)]
    tampered: fault::Tampered,
    /// Keys of all zones that are not hosted. Worlds stored before there were any share theirs.
    #[serde(default)]
    secret: keys::Secret,
    /// Top-level domains and external zones that are not signed, and since when.
    #[serde(default)]
    unsigned: BTreeMap<DnsName, Timestamp>,
}

impl State {
    /// The DNS of a fresh world.
    pub fn new(seed: u64) -> Self {
        let seeded = ["example.com", "example.edu", "example.net", "example.org"];
        Self {
            externals: seeded
                .iter()
                .filter_map(|name| DnsName::parse(name).ok())
                .collect(),
            delegations: BTreeMap::new(),
            past: Vec::new(),
            replaced: Vec::new(),
            faults: BTreeMap::new(),
            tampered: fault::Tampered::default(),
            secret: keys::Secret::new(seed),
            unsigned: BTreeMap::new(),
        }
    }
}

impl World {
    /// Answers a datagram to the server at an address; none where nothing answers.
    pub fn dns(&mut self, now: Timestamp, server: IpAddr, query: &[u8]) -> Option<Vec<u8>> {
        let answer = answer(self, now, server, query, Transport::Datagram)?;
        self.log_query(now, server, &answer, Transport::Datagram);
        Some(answer)
    }

    /// As [`Self::dns`], over TCP: never truncated. Query and answer are without the length prefix.
    pub fn dns_stream(&mut self, now: Timestamp, server: IpAddr, query: &[u8]) -> Option<Vec<u8>> {
        let answer = answer(self, now, server, query, Transport::Stream)?;
        self.log_query(now, server, &answer, Transport::Stream);
        Some(answer)
    }
}

/// Answers one query. DNS reads the world and changes nothing in it, but for the log of the queries.
pub(crate) fn answer(
    world: &World,
    now: Timestamp,
    server: IpAddr,
    query: &[u8],
    transport: Transport,
) -> Option<Vec<u8>> {
    if matches!(world.dns.faults.get(&server), Some(Broken::Silent))
        || !zone::is_server(world, server)
    {
        return None;
    }
    message::respond(query, transport, |name, rtype, wanted| {
        reply(world, now, server, (name, rtype, wanted)).unwrap_or_else(Reply::failure)
    })
}

/// What the server at an address says; none where nothing answers.
fn reply(
    world: &World,
    now: Timestamp,
    server: IpAddr,
    (name, rtype, wanted): (&DnsName, Rtype, Wanted),
) -> Option<Reply> {
    match world.dns.faults.get(&server) {
        Some(Broken::Silent) => return None,
        Some(Broken::ServFail) => return Some(Reply::failure()),
        Some(Broken::Refused) => return Some(Reply::refusal()),
        Some(Broken::Frozen(_) | Broken::Lag(_)) | None => {}
    }
    if !zone::is_server(world, server) {
        return None;
    }
    let Some(zone) = zone::select(world, now, server, name, rtype) else {
        return Some(Reply::refusal());
    };
    let mut reply = lookup::look_up(&zone, name, rtype);
    if wanted == Wanted::Dnssec
        && let Some(keys) = zone.keys(world, now)
    {
        lookup::secure(&zone, &keys, rtype, &mut reply);
    }
    for (owner, set) in &mut reply.answer {
        if world.dns.tampered.has(owner, set.rtype) {
            let last = set.data.first_mut().and_then(|data| data.last_mut());
            if let Some(octet) = last {
                *octet = !*octet;
            }
        }
    }
    Some(reply)
}

#[cfg(test)]
mod tests;
