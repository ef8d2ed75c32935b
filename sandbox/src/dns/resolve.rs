//! A resolver that does not validate: it walks from the root to whoever answers.
//!
//! Validators that know only one address to ask (delv, drill, unbound-host as they are used here) put
//! the chain of trust together from what it brings them. It keeps no cache, so an answer is always what
//! the servers say now, and it asks the servers of a zone in their order until one gives an answer.

use std::net::IpAddr;

use domain::base::Rtype;
use domain::base::iana::Rcode;
use jiff::Timestamp;

use super::lookup::{Ending, Reply, Section};
use super::message::{self, Transport, Wanted};
use super::{DnsName, address, reply};
use crate::world::World;

/// Referrals followed before a loop is assumed.
const REFERRALS_MAX: usize = 32;
/// CNAMEs followed from zone to zone.
const ALIASES_MAX: usize = 8;

impl World {
    /// Answers a query as a resolver does; none for what is no query. Its own questions to the name
    /// servers leave no trace in query logs.
    pub fn resolve(&self, now: Timestamp, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        message::respond(query, transport, |name, rtype, wanted| {
            resolved(self, now, (name, rtype, wanted))
        })
    }
}

fn resolved(
    world: &World,
    now: Timestamp,
    (name, rtype, wanted): (&DnsName, Rtype, Wanted),
) -> Reply {
    let mut name = name.clone();
    let mut answer = Section::new();
    for _ in 0..ALIASES_MAX {
        let Some(found) = walk(world, now, (&name, rtype, wanted)) else {
            break;
        };
        answer.extend(found.answer);
        match found.ending {
            Ending::Alias { target } => name = target,
            // The CNAME led to a name that its own zone delegates.
            Ending::Referral { .. } => match target(&answer) {
                Some(target) => name = target,
                None => break,
            },
            ending @ (Ending::Answer | Ending::Denial { .. }) => {
                return Reply {
                    rcode: found.rcode,
                    authoritative: false,
                    recursive: true,
                    ending,
                    answer,
                    authority: found.authority,
                    additional: Section::new(),
                };
            }
        }
    }
    let mut failed = Reply::failure();
    failed.recursive = true;
    failed
}

/// The answer of the first server that has one, from the root down; none if none has.
fn walk(world: &World, now: Timestamp, question: (&DnsName, Rtype, Wanted)) -> Option<Reply> {
    let mut servers = address::root_addresses();
    for _ in 0..REFERRALS_MAX {
        let found = servers.iter().find_map(|server| {
            let found = reply(world, now, *server, question)?;
            matches!(found.rcode, Rcode::NOERROR | Rcode::NXDOMAIN).then_some(found)
        })?;
        let refers = matches!(found.ending, Ending::Referral { .. }) && found.answer.is_empty();
        if !refers {
            return Some(found);
        }
        servers = named_servers(&found.authority);
    }
    None
}

/// Addresses of the servers that a referral names.
fn named_servers(authority: &Section) -> Vec<IpAddr> {
    authority
        .iter()
        .filter(|(_, set)| set.rtype == Rtype::NS)
        .flat_map(|(_, set)| &set.data)
        .filter_map(|data| address::of(&super::lookup::read_name(data)?))
        .flat_map(|(v4, v6)| [IpAddr::V4(v4), IpAddr::V6(v6)])
        .collect()
}

/// Where the last CNAME of an answer leads.
fn target(answer: &Section) -> Option<DnsName> {
    let cname = answer
        .iter()
        .rev()
        .find(|(_, set)| set.rtype == Rtype::CNAME)?;
    super::lookup::read_name(cname.1.data.first()?)
}
