//! What every server says at one time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use domain::base::Rtype;
use hickory_proto::dnssec::rdata::RRSIG;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordData as _};
use hickory_proto::serialize::binary::BinDecodable as _;
use jiff::Timestamp;

use super::{Cached, Question};
use crate::dns::message::{Transport, signed_question};
use crate::dns::{DnsName, address, answer};
use crate::world::World;

/// Zones from the root down to the judged one, at most.
const ZONES_MAX: usize = 16;

/// One server's answer to a question, apart from which server it was.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Records of the answer section.
    pub answers: Vec<Record>,
    /// Records of the authority section: the proofs of a denial.
    pub authorities: Vec<Record>,
    /// Whether the name is said not to exist.
    pub no_such_name: bool,
}

/// With the TTLs, which the equality of records leaves out (RFC 2181, section 5): the same record with a
/// lower TTL is forgotten earlier.
impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        let ttls = |records: &[Record]| records.iter().map(|record| record.ttl).collect::<Vec<_>>();
        (&self.answers, &self.authorities, self.no_such_name)
            == (&other.answers, &other.authorities, other.no_such_name)
            && ttls(&self.answers) == ttls(&other.answers)
            && ttls(&self.authorities) == ttls(&other.authorities)
    }
}

/// The servers of a zone, as its parent or the zone itself names them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Referral {
    pub servers: BTreeSet<DnsName>,
    ttl_secs: u32,
}

/// Everything that is said.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    /// The zones on the way, the root first, down to the closest that is delegated.
    pub zones: Vec<DnsName>,
    /// What parents name as the servers of each of them.
    pub referrals: BTreeMap<DnsName, Vec<Referral>>,
    /// What those servers say themselves of who serves the zone.
    pub own: BTreeMap<DnsName, Vec<Referral>>,
    /// DS, DNSKEY and the questions about the judged zone.
    pub answers: BTreeMap<Question, Vec<Answer>>,
    /// Servers that answer for a zone.
    pub reached: BTreeSet<(DnsName, DnsName)>,
}

impl Cached for Answer {
    fn ttl(&self) -> Duration {
        let records = self.answers.iter().chain(&self.authorities);
        let ttl = records.map(|record| record.ttl).min().unwrap_or(0);
        Duration::from_secs(ttl.into())
    }

    /// A record may not be kept longer than its signature is valid (RFC 4035 section 5.3.3).
    fn ends(&self) -> Option<Timestamp> {
        let records = self.answers.iter().chain(&self.authorities);
        records
            .filter_map(|record| RRSIG::try_borrow(&record.data))
            .map(|rrsig| rrsig.input().sig_expiration.get())
            .min()
            // Simulated time is before 2106, so the serial number is the time itself.
            .and_then(|end| Timestamp::from_second(end.into()).ok())
    }
}

impl Cached for Referral {
    fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl_secs.into())
    }

    fn ends(&self) -> Option<Timestamp> {
        None
    }
}

/// A name as hickory takes it.
pub(super) fn name_of(name: &DnsName) -> Name {
    Name::from_bytes(name.wire().as_slice()).unwrap_or_else(|_| Name::root())
}

/// What resolvers may still follow of what servers said before of a zone's servers.
pub(super) struct Followed {
    /// What the parent said.
    pub parents: Vec<Referral>,
    /// What the zone's servers of then said. That outranks the parent's (RFC 2181, section 5.4.1), and has a TTL of its
    /// own.
    pub own: Vec<Referral>,
}

/// Asks every server of every zone on the way to the judged one. `held` is what resolvers may still follow.
///
/// Of a zone's own NS set only that counts which a server gives to whom the parent referred, or had: a resolver
/// that gets it from there follows it for its TTL, and does not have it prolonged by the servers that it names, or a
/// delegation that was taken out would never end ("ghost domains", CVE-2012-1033).
pub(super) fn observe(
    world: &World,
    now: Timestamp,
    (zone, questions): (&DnsName, &[Question]),
    held: impl Fn(&DnsName) -> Followed,
) -> Observation {
    let mut seen = Observation {
        zones: Vec::new(),
        referrals: BTreeMap::new(),
        own: BTreeMap::new(),
        answers: BTreeMap::new(),
        reached: BTreeSet::new(),
    };
    let mut at = DnsName::root();
    // The root's thirteen servers are one as far as anybody here can see.
    let mut servers: BTreeSet<DnsName> = address::root_names().into_iter().take(1).collect();
    let mut by_parent = BTreeSet::new();
    for _ in 0..ZONES_MAX {
        seen.zones.push(at.clone());
        let mut next: BTreeMap<DnsName, Vec<Referral>> = BTreeMap::new();
        for server in &servers {
            let asked = |name: &DnsName, rtype| ask(world, now, server, name, rtype);
            let keys = asked(&at, Rtype::DNSKEY);
            if keys
                .as_ref()
                .is_some_and(|message| message.metadata.authoritative)
            {
                seen.reached.insert((at.clone(), server.clone()));
            }
            note(&mut seen.answers, (at.clone(), Rtype::DNSKEY), keys);
            if by_parent.contains(server)
                && let Some(referral) = asked(&at, Rtype::NS).and_then(|said| own(&at, said))
            {
                let known = seen.own.entry(at.clone()).or_default();
                if !known.contains(&referral) {
                    known.push(referral);
                }
            }
            if at == *zone {
                for (name, rtype) in questions {
                    // Who follows the zone's own NS set has it, and asks nobody for it before it has run out.
                    if *rtype == Rtype::NS && *name == at && !by_parent.contains(server) {
                        continue;
                    }
                    let message = asked(name, *rtype);
                    note(&mut seen.answers, (name.clone(), *rtype), message);
                }
            } else if let Some((cut, referral)) = asked(zone, Rtype::SOA).and_then(referral) {
                let ds = asked(&cut, Rtype::DS);
                note(&mut seen.answers, (cut.clone(), Rtype::DS), ds);
                let referrals = next.entry(cut).or_default();
                if !referrals.contains(&referral) {
                    referrals.push(referral);
                }
            }
        }
        let Some((cut, referrals)) = next.into_iter().next() else {
            return seen;
        };
        let followed = held(&cut);
        let named = referrals.iter().chain(&followed.parents);
        by_parent = named.flat_map(|said| said.servers.clone()).collect();
        servers = by_parent.clone();
        servers.extend(followed.own.into_iter().flat_map(|said| said.servers));
        seen.referrals.insert(cut.clone(), referrals);
        at = cut;
    }
    seen
}

/// What a server says, if it has an answer.
fn ask(
    world: &World,
    now: Timestamp,
    server: &DnsName,
    name: &DnsName,
    rtype: Rtype,
) -> Option<Message> {
    let (v4, _) = address::of(server)?;
    let query = signed_question(name, rtype);
    let octets = answer(world, now, IpAddr::V4(v4), &query, Transport::Stream)?;
    let message = Message::from_vec(&octets).ok()?;
    let code = message.metadata.response_code;
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain).then_some(message)
}

/// Adds an authoritative answer that is not known yet.
fn note(
    answers: &mut BTreeMap<Question, Vec<Answer>>,
    question: Question,
    message: Option<Message>,
) {
    let known = answers.entry(question).or_default();
    let Some(message) = message.filter(|message| message.metadata.authoritative) else {
        return;
    };
    let answer = Answer {
        no_such_name: message.metadata.response_code == ResponseCode::NXDomain,
        answers: message.answers,
        authorities: message.authorities,
    };
    if !known.contains(&answer) {
        known.push(answer);
    }
}

/// The delegation that a message refers to.
fn referral(message: Message) -> Option<(DnsName, Referral)> {
    if message.metadata.authoritative {
        return None;
    }
    named(&message.authorities)
}

/// What a server of a zone says of who serves it.
fn own(zone: &DnsName, message: Message) -> Option<Referral> {
    let (owner, referral) = named(&message.answers)?;
    (message.metadata.authoritative && owner == *zone).then_some(referral)
}

/// The NS set among records.
fn named(records: &[Record]) -> Option<(DnsName, Referral)> {
    let mut servers = BTreeSet::new();
    let mut cut = None;
    let mut ttl_secs = u32::MAX;
    for record in records {
        if let RData::NS(target) = &record.data {
            servers.extend(DnsName::parse(&target.0.to_ascii()));
            cut = DnsName::parse(&record.name.to_ascii()).ok();
            ttl_secs = ttl_secs.min(record.ttl);
        }
    }
    Some((cut?, Referral { servers, ttl_secs }))
}
