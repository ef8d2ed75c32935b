//! The answer of one zone to one question (RFC 1034 section 4.3.2, RFC 4592 for wildcards).

use domain::base::Rtype;
use domain::base::iana::Rcode;
use domain::base::name::FlattenInto as _;

use super::data::RrSet;
use super::denial::{self, Missing, Style};
use super::keys::ZoneKeys;
use super::zone::{self, Zone};
use super::{DnsName, address};

/// Longest chain of CNAMEs followed within a zone.
const CNAME_CHAIN_MAX: usize = 8;

/// Record sets with their owners.
pub(super) type Section = Vec<(DnsName, RrSet)>;

/// How the walk through a zone ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// With the records asked for, or with none because the question was refused.
    Answer,
    /// At a delegation.
    Referral { cut: DnsName },
    /// At a CNAME whose target is in another zone.
    Alias { target: DnsName },
    /// Without the records.
    Denial { name: DnsName, missing: Missing },
}

/// An answer before it is put into a message.
#[derive(Debug)]
pub(super) struct Reply {
    pub rcode: Rcode,
    pub authoritative: bool,
    /// Whether a resolver gives it, and not a name server.
    pub recursive: bool,
    pub ending: Ending,
    pub answer: Section,
    pub authority: Section,
    pub additional: Section,
}

impl Reply {
    fn with(rcode: Rcode) -> Self {
        Self {
            rcode,
            authoritative: false,
            recursive: false,
            ending: Ending::Answer,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
        }
    }

    /// The server has no zone for the name.
    pub(super) fn refusal() -> Self {
        Self::with(Rcode::REFUSED)
    }

    /// The server fails.
    pub(super) fn failure() -> Self {
        Self::with(Rcode::SERVFAIL)
    }
}

/// Answers a question from a zone that encloses the name.
pub(super) fn look_up(zone: &Zone<'_>, name: &DnsName, rtype: Rtype) -> Reply {
    let mut reply = Reply::with(Rcode::NOERROR);
    let mut name = name.clone();
    for _ in 0..CNAME_CHAIN_MAX {
        if let Some((cut, servers)) = delegation(zone, &name, rtype) {
            reply.authoritative = !reply.answer.is_empty();
            reply.additional = glue(&servers);
            reply.ending = Ending::Referral { cut: cut.clone() };
            reply.authority.push((cut, servers));
            return reply;
        }
        reply.authoritative = true;
        let (sets, found) = match sets_at(zone, &name) {
            Some(sets) => (sets, true),
            None => (Vec::new(), false),
        };
        let cname = sets.iter().find(|set| set.rtype == Rtype::CNAME).cloned();
        if rtype == Rtype::ANY && found && !sets.is_empty() {
            reply
                .answer
                .extend(sets.into_iter().map(|set| (name.clone(), set)));
            return reply;
        }
        if let Some(set) = sets.into_iter().find(|set| set.rtype == rtype) {
            if rtype == Rtype::NS {
                reply.additional = glue(&set);
            }
            reply.answer.push((name, set));
            return reply;
        }
        let Some(cname) = cname else {
            let missing = if found {
                let present = types_at(zone, &name);
                Missing::Type { present }
            } else {
                reply.rcode = Rcode::NXDOMAIN;
                let encloser = encloser(zone, &name);
                Missing::Name { encloser }
            };
            reply.ending = Ending::Denial { name, missing };
            reply.authority.extend(negative_soa(zone));
            return reply;
        };
        let target = cname.data.first().and_then(|target| read_name(target));
        reply.answer.push((name, cname));
        match target {
            Some(target) if target.is_within(&zone.apex()) => name = target,
            Some(target) => {
                reply.ending = Ending::Alias { target };
                return reply;
            }
            None => return reply,
        }
    }
    reply
}

/// The highest delegation at or above a name, below the apex. A DS question at the cut itself is
/// answered by this side, the parent's.
fn delegation(zone: &Zone<'_>, name: &DnsName, rtype: Rtype) -> Option<(DnsName, RrSet)> {
    let apex = zone.apex().depth();
    (apex + 1..=name.depth())
        .map(|depth| name.ancestor(depth))
        .find_map(|cut| {
            let servers = zone
                .sets(&cut)
                .into_iter()
                .find(|set| set.rtype == Rtype::NS)?;
            (cut != *name || rtype != Rtype::DS).then_some((cut, servers))
        })
}

/// Record sets of a name, from a wildcard if need be; none if the name does not exist.
fn sets_at(zone: &Zone<'_>, name: &DnsName) -> Option<Vec<RrSet>> {
    if zone.exists(name) {
        return Some(zone.sets(name));
    }
    let wildcard = encloser(zone, name).child("*");
    zone.exists(&wildcard).then(|| zone.sets(&wildcard))
}

/// The closest ancestor of a name that exists.
fn encloser(zone: &Zone<'_>, name: &DnsName) -> DnsName {
    let apex = zone.apex();
    let mut encloser = name.parent().unwrap_or_else(DnsName::root);
    while !zone.exists(&encloser) && encloser.is_below(&apex) {
        encloser = encloser.parent().unwrap_or_else(DnsName::root);
    }
    encloser
}

/// Types at a name. What a zone does not know the owner of is a wildcard's.
fn types_at(zone: &Zone<'_>, name: &DnsName) -> Vec<Rtype> {
    let sets = sets_at(zone, name).unwrap_or_default();
    sets.into_iter().map(|set| set.rtype).collect()
}

/// Adds what a validator needs: signatures, the DS of a referral or its absence, and proofs of what
/// does not exist.
pub(super) fn secure(zone: &Zone<'_>, keys: &ZoneKeys<'_>, rtype: Rtype, reply: &mut Reply) {
    let style = zone.denial();
    match reply.ending.clone() {
        Ending::Answer | Ending::Alias { .. } => {}
        Ending::Referral { cut } => {
            let sets = zone.sets(&cut);
            match sets.iter().find(|set| set.rtype == Rtype::DS) {
                Some(ds) => reply.authority.push((cut, ds.clone())),
                None => {
                    let present = sets.iter().map(|set| set.rtype).collect();
                    let missing = Missing::Type { present };
                    let ttl = negative_soa(zone).map_or(0, |(_, soa)| soa.ttl);
                    let proofs = denial::deny(style, (&cut, Rtype::DS), &missing, ttl);
                    reply.authority.extend(proofs);
                }
            }
        }
        Ending::Denial { name, missing } => {
            if style == Style::Compact {
                reply.rcode = Rcode::NOERROR;
            }
            let ttl = reply.authority.last().map_or(0, |(_, soa)| soa.ttl);
            let proofs = denial::deny(style, (&name, rtype), &missing, ttl);
            reply.authority.extend(proofs);
        }
    }
    for section in [&mut reply.answer, &mut reply.authority] {
        let sets = std::mem::take(section);
        for (owner, set) in sets {
            // The NS set of a referral is the child's: the parent does not sign it (RFC 4035
            // section 2.2).
            let delegates = set.rtype == Rtype::NS && owner != zone.apex();
            let signatures = (!delegates && set.rtype != Rtype::RRSIG)
                .then(|| keys.sign(&owner, &set))
                .filter(|signatures| !signatures.data.is_empty());
            section.push((owner.clone(), set));
            section.extend(signatures.map(|set| (owner, set)));
        }
    }
}

/// The SOA of a negative answer, with the TTL it may be cached for (RFC 2308 section 5).
fn negative_soa(zone: &Zone<'_>) -> Option<(DnsName, RrSet)> {
    let apex = zone.apex();
    let mut soa = zone
        .sets(&apex)
        .into_iter()
        .find(|set| set.rtype == Rtype::SOA)?;
    let minimum = soa
        .data
        .first()
        .and_then(|data| data.last_chunk::<4>())
        .copied();
    soa.ttl = soa.ttl.min(minimum.map_or(u32::MAX, u32::from_be_bytes));
    Some((apex, soa))
}

/// Addresses of the servers of an NS set that are servers of this world.
fn glue(servers: &RrSet) -> Section {
    let names = servers.data.iter().filter_map(|data| read_name(data));
    names
        .filter(|name| address::of(name).is_some())
        .flat_map(|name| {
            zone::addresses(&name)
                .into_iter()
                .map(move |set| (name.clone(), set))
        })
        .collect()
}

/// Reads record data that is one name.
pub(super) fn read_name(data: &[u8]) -> Option<DnsName> {
    let name = domain::base::Name::from_octets(data).ok()?;
    let name: domain::base::Name<Vec<u8>> = name.try_flatten_into().ok()?;
    Some(DnsName::from_wire(&name))
}
