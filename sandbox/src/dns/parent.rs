//! What the parent's servers say about a zone, found as anybody finds it: from the root down.

use std::collections::BTreeSet;
use std::net::IpAddr;

use domain::base::iana::Rcode;
use domain::base::{Message, Rtype};
use jiff::Timestamp;

use super::message::{self, Part, Transport};
use super::{DnsName, Ds, address, answer};
use crate::world::World;

/// Referrals followed before a loop is assumed.
const REFERRALS_MAX: usize = 32;

/// What the parent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// No server of the parent gives an answer.
    Silent,
    /// At least one server answers.
    Answers {
        /// Servers the zone is delegated to, as the first server to answer has it; none if it is not
        /// delegated.
        name_servers: Option<BTreeSet<DnsName>>,
        /// Every DS that any of the parent's servers has.
        ds: Vec<Ds>,
    },
}

/// Asks the parent's servers for the NS and DS sets of a zone.
pub fn parent(world: &World, now: Timestamp, zone: &DnsName) -> Parent {
    let ask = |server: IpAddr, rtype| {
        let query = message::question(zone, rtype);
        let octets = answer(world, now, server, &query, Transport::Stream)?;
        let message = Message::from_octets(octets).ok()?;
        matches!(message.header().rcode(), Rcode::NOERROR | Rcode::NXDOMAIN).then_some(message)
    };
    let mut servers = address::root_addresses();
    for _ in 0..REFERRALS_MAX {
        let Some(message) = servers.iter().find_map(|server| ask(*server, Rtype::DS)) else {
            return Parent::Silent;
        };
        if !message.header().aa() {
            servers = referred(&message);
            continue;
        }
        let mut ds: Vec<Ds> = servers
            .iter()
            .filter_map(|server| ask(*server, Rtype::DS))
            .flat_map(|message| message::answers(&message, Rtype::DS))
            .filter_map(|(data, _)| Ds::from_rdata(&data))
            .collect();
        ds.sort();
        ds.dedup();
        let delegation = servers.iter().find_map(|server| ask(*server, Rtype::NS));
        let name_servers = delegation.map(|message| delegated(&message, zone));
        return Parent::Answers {
            name_servers: name_servers.filter(|ns| !ns.is_empty()),
            ds,
        };
    }
    Parent::Silent
}

/// Servers of the NS records in the authority section whose owner is the zone.
fn delegated(message: &Message<Vec<u8>>, zone: &DnsName) -> BTreeSet<DnsName> {
    message::records(message.for_slice_ref(), Part::Authority, Rtype::NS)
        .into_iter()
        .filter(|(owner, ..)| owner == zone)
        .filter_map(|(_, _, text)| DnsName::parse(&text).ok())
        .collect()
}

/// Addresses of the servers a referral names, from its glue.
fn referred(message: &Message<Vec<u8>>) -> Vec<IpAddr> {
    message::records(message.for_slice_ref(), Part::Authority, Rtype::NS)
        .into_iter()
        .filter_map(|(_, _, text)| address::of(&DnsName::parse(&text).ok()?))
        .flat_map(|(v4, v6)| [IpAddr::V4(v4), IpAddr::V6(v6)])
        .collect()
}
