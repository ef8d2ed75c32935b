//! The simulated DNS: what each name server answers, from the root down to Route 53's zones.
//!
//! A server is known by its address. The root and every TLD (each name of one label is one) exist by
//! rule; external zones are parents somewhere on the Internet, in which only [`registrar`] changes
//! anything; hosted zones are answered by their four servers as [`crate::route53`] has them there at
//! that time. Answers are not signed yet: DNSKEY and DS are served, RRSIG and NSEC are not.

pub mod address;
pub(crate) mod data;
mod dnskey;
mod lookup;
mod message;
mod name;
mod parent;
mod registrar;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::world::World;

pub use dnskey::{DigestType, Dnskey, Ds};
pub(crate) use message::asked;
pub use message::{Transport, answers, question};
pub use name::{DnsName, NameProblem};
pub use parent::{Parent, parent};
pub use registrar::{Fault, Past, RegistrarAction};

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
    /// Servers that misbehave, by address (test hook).
    faults: BTreeMap<IpAddr, registrar::Broken>,
}

impl Default for State {
    fn default() -> Self {
        let seeded = ["example.com", "example.edu", "example.net", "example.org"];
        Self {
            externals: seeded
                .iter()
                .filter_map(|name| DnsName::parse(name).ok())
                .collect(),
            delegations: BTreeMap::new(),
            past: Vec::new(),
            faults: BTreeMap::new(),
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
    let fault = world.dns.faults.get(&server);
    if matches!(fault, Some(registrar::Broken::Silent)) || !zone::is_server(world, server) {
        return None;
    }
    message::respond(query, transport, |name, rtype| {
        if matches!(fault, Some(registrar::Broken::ServFail)) {
            return lookup::Reply::failure();
        }
        match zone::select(world, now, server, name, rtype) {
            Some(zone) => lookup::look_up(&zone, name, rtype),
            None => lookup::Reply::refusal(),
        }
    })
}

#[cfg(test)]
mod tests;
