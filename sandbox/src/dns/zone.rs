//! Which zone a server answers a question from, and what that zone holds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use domain::base::Rtype;
use jiff::Timestamp;

use super::data::{self, RrSet};
use super::denial::Style;
use super::fault::Broken;
use super::keys::ZoneKeys;
use super::registrar::Delegation;
use super::{DnsName, Dnskey, State, address};
use crate::route53::{Served, ServedKeys};
use crate::world::World;

/// TTL of NS and address records of the root and of TLDs, as the real ones have it.
const REGISTRY_TTL_SECS: u32 = 172_800;
/// TTL of an external zone's own records.
const EXTERNAL_TTL_SECS: u32 = 3600;
/// SOA numbers of the zones that exist by rule: serial, refresh, retry, expire, minimum.
const SOA_NUMBERS: [u32; 5] = [1, 1800, 900, 604_800, 900];
/// TTL of the DS of a TLD or external zone, a day like that of the real root.
const RULE_DS_TTL_SECS: u32 = 86_400;
/// TTL of a zone's DNSKEY set as Route 53 serves it.
const DNSKEY_TTL_SECS: u32 = 3600;

/// One zone as one server has it.
pub(super) enum Zone<'a> {
    /// The root: every name of one label is delegated.
    Root { state: &'a State },
    /// A TLD, with the delegations its server knows.
    Tld { name: DnsName, parents: Parents<'a> },
    /// An external zone.
    External { name: DnsName, parents: Parents<'a> },
    /// A hosted zone, with its keys if it is signed.
    Hosted(Served<'a>, Option<ServedKeys>),
}

/// The delegations that exist above hosted zones, as one server knows them.
#[derive(Clone)]
pub(super) struct Parents<'a> {
    state: &'a State,
    delegations: Cow<'a, BTreeMap<DnsName, Delegation>>,
    now: Timestamp,
}

/// Whether a name server is at an address at all.
pub(super) fn is_server(world: &World, server: IpAddr) -> bool {
    let invented = match server {
        IpAddr::V4(v4) => matches!(v4.octets(), [198, 18 | 19, ..]),
        IpAddr::V6(v6) => matches!(v6.octets(), [0x20, 0x01, 0x0d, 0xb8, 0, 18 | 19, ..]),
    };
    // Any address of the TLDs' range may be that of some TLD; those of external zones are known.
    address::is_root(server)
        || address::aws_number(server).is_some()
        || invented && (!is_of_zones(server) || serves_external(world, server))
}

/// Whether the address is of the range of external zones' servers.
fn is_of_zones(server: IpAddr) -> bool {
    match server {
        IpAddr::V4(v4) => v4.octets()[1] == 19,
        IpAddr::V6(v6) => v6.octets()[5] == 19,
    }
}

fn serves_external(world: &World, server: IpAddr) -> bool {
    let mut externals = world.dns.externals.iter();
    externals.any(|zone| address::any_at(&address::external_names(zone), server))
}

/// The zone a server answers a question from: the closest one that encloses the name. A DS is the
/// parent's, so for a zone's own name the next one above is taken if the server has it too
/// (RFC 4035 section 3.1.4.1).
pub(super) fn select<'a>(
    world: &'a World,
    now: Timestamp,
    server: IpAddr,
    name: &DnsName,
    rtype: Rtype,
) -> Option<Zone<'a>> {
    let mut zones = all(world, now, server, name);
    zones.sort_by_key(|zone| zone.apex().depth());
    let closest = zones.pop()?;
    if rtype == Rtype::DS && closest.apex() == *name {
        return Some(zones.pop().unwrap_or(closest));
    }
    Some(closest)
}

/// Every zone of a server that encloses a name.
fn all<'a>(world: &'a World, now: Timestamp, server: IpAddr, name: &DnsName) -> Vec<Zone<'a>> {
    let state = &world.dns;
    let delegations = match state.faults.get(&server) {
        Some(Broken::Frozen(delegations)) => Cow::Borrowed(delegations),
        Some(Broken::Lag(span)) => Cow::Owned(state.delegations_at(now - *span)),
        Some(Broken::Silent | Broken::ServFail | Broken::Refused) | None => {
            Cow::Borrowed(&state.delegations)
        }
    };
    let parents = Parents {
        state,
        delegations,
        now,
    };
    let mut zones = Vec::new();
    if address::is_root(server) {
        zones.push(Zone::Root { state });
    }
    let tld = name.ancestor(1);
    if tld.depth() == 1 && address::any_at(&address::tld_names(&tld), server) {
        zones.push(Zone::Tld {
            name: tld,
            parents: parents.clone(),
        });
    }
    zones.extend(
        state
            .externals
            .iter()
            .filter(|zone| name.is_within(zone))
            .filter(|zone| address::any_at(&address::external_names(zone), server))
            .map(|zone| Zone::External {
                name: zone.clone(),
                parents: parents.clone(),
            }),
    );
    if let Some(number) = address::aws_number(server) {
        let hosted = world.route53.served_by(number, now);
        zones.extend(
            hosted
                .filter(|zone| name.is_within(zone.apex()))
                .map(|zone| Zone::Hosted(zone, zone.keys(world))),
        );
    }
    zones
}

impl Zone<'_> {
    /// The zone's name.
    pub(super) fn apex(&self) -> DnsName {
        match self {
            Self::Root { .. } => DnsName::root(),
            Self::Tld { name, .. } | Self::External { name, .. } => name.clone(),
            Self::Hosted(served, _) => served.apex().clone(),
        }
    }

    /// All record sets of a name.
    pub(super) fn sets(&self, name: &DnsName) -> Vec<RrSet> {
        match self {
            Self::Root { state } => root_sets(state, name),
            Self::Tld { name: tld, parents } => tld_sets(tld, parents, name),
            Self::External {
                name: zone,
                parents,
            } => external_sets(zone, parents, name),
            Self::Hosted(served, keys) => hosted_sets(*served, keys.as_ref(), name),
        }
    }

    /// Whether a name exists: it or something below it has records (RFC 8020).
    pub(super) fn exists(&self, name: &DnsName) -> bool {
        match self {
            Self::Root { .. } => name.depth() <= 1,
            Self::Tld { name: tld, parents } => {
                name == tld
                    || address::tld_names(tld)
                        .iter()
                        .any(|server| server.is_within(name))
                    || parents
                        .children(tld)
                        .iter()
                        .any(|child| child.is_within(name))
                    || above_infrastructure(name)
            }
            Self::External {
                name: zone,
                parents,
            } => {
                name == zone
                    || address::external_names(zone)
                        .iter()
                        .any(|server| server.is_within(name))
                    || parents
                        .children(zone)
                        .iter()
                        .any(|child| child.is_within(name))
            }
            Self::Hosted(served, _) => served.any_within(name),
        }
    }

    /// How the zone denies once it is signed.
    pub(super) fn denial(&self) -> Style {
        match self {
            Self::Root { .. } | Self::Tld { .. } | Self::External { .. } => Style::Narrow,
            Self::Hosted(..) => Style::Compact,
        }
    }

    /// What the zone is signed with; none if it is not signed.
    pub(super) fn keys<'w>(&self, world: &'w World, now: Timestamp) -> Option<ZoneKeys<'w>> {
        let secret = &world.dns.secret;
        match self {
            Self::Root { .. } => Some(ZoneKeys::by_rule(secret, &DnsName::root(), now)),
            Self::Tld { name, .. } | Self::External { name, .. } => world
                .dns
                .has_keys(name, now)
                .then(|| ZoneKeys::by_rule(secret, name, now)),
            Self::Hosted(served, keys) => {
                ZoneKeys::hosted(world, served.apex(), keys.as_ref()?, now)
            }
        }
    }
}

impl Parents<'_> {
    /// The parent a registrar or hostmaster would put a child's records into.
    pub(super) fn of(&self, child: &DnsName) -> DnsName {
        parent_of(self.state, child)
    }

    /// Names delegated from a TLD or external zone.
    fn children(&self, zone: &DnsName) -> Vec<DnsName> {
        let delegated = self.delegations.keys().filter(|child| child.is_below(zone));
        let externals = self
            .state
            .externals
            .iter()
            .filter(|child| child.is_below(zone));
        delegated
            .chain(externals)
            .filter(|child| self.of(child) == *zone)
            .cloned()
            .collect()
    }

    /// NS and DS sets that `zone` holds for `child`: a registrar's entry, else that of the external
    /// zone itself.
    fn sets(&self, zone: &DnsName, child: &DnsName) -> Vec<RrSet> {
        if !child.is_below(zone) || self.of(child) != *zone {
            return Vec::new();
        }
        match self.delegations.get(child) {
            Some(delegation) => delegation.sets(),
            None if self.state.externals.contains(child) => {
                let ns = servers(&address::external_names(child), REGISTRY_TTL_SECS);
                std::iter::once(ns).chain(self.state.ds_of(child)).collect()
            }
            None => Vec::new(),
        }
    }
}

/// The closest external zone above a name, or its TLD.
pub(super) fn parent_of(state: &State, child: &DnsName) -> DnsName {
    (1..child.depth())
        .rev()
        .map(|depth| child.ancestor(depth))
        .find(|ancestor| ancestor.depth() == 1 || state.externals.contains(ancestor))
        .unwrap_or_else(DnsName::root)
}

/// Whether a server of Route 53 or of the root is at or below a name: in a TLD they have no zone of
/// their own here.
fn above_infrastructure(name: &DnsName) -> bool {
    let aws = (0..address::AWS_SERVERS).filter_map(|n| DnsName::parse(&address::aws_name(n)).ok());
    let hosts =
        |label: &str| label.starts_with("awsdns-") || label == "root-servers" || label == "co";
    // Most names are neither, and the list is long.
    let second = name.ancestor(2);
    second.first_label().is_some_and(hosts)
        && aws
            .chain(address::root_names())
            .any(|server| server.is_within(name))
}

impl State {
    /// Whether a zone that exists by rule has keys and signatures: for as long as it is signed, and
    /// until the DS that it had has left every cache.
    fn has_keys(&self, zone: &DnsName, now: Timestamp) -> bool {
        let ttl = std::time::Duration::from_secs(RULE_DS_TTL_SECS.into());
        self.unsigned
            .get(zone)
            .is_none_or(|since| now < *since + ttl)
    }

    /// The DS set of a zone that exists by rule, in its parent; none if it is not signed.
    fn ds_of(&self, zone: &DnsName) -> Option<RrSet> {
        (!self.unsigned.contains_key(zone)).then(|| RrSet {
            rtype: Rtype::DS,
            ttl: RULE_DS_TTL_SECS,
            data: vec![self.secret.ds(zone).rdata()],
        })
    }

    /// The DNSKEY set of a zone that exists by rule, at its apex.
    fn dnskeys(&self, zone: &DnsName, now: Timestamp) -> Option<RrSet> {
        self.has_keys(zone, now)
            .then(|| dnskey_set(&ZoneKeys::by_rule(&self.secret, zone, now).set))
    }
}

fn dnskey_set(keys: &[Dnskey]) -> RrSet {
    RrSet {
        rtype: Rtype::DNSKEY,
        ttl: DNSKEY_TTL_SECS,
        data: keys.iter().map(Dnskey::rdata).collect(),
    }
}

fn root_sets(state: &State, name: &DnsName) -> Vec<RrSet> {
    match name.depth() {
        0 => {
            let soa = data::soa("a.root-servers.net", "nstld.verisign-grs.com", SOA_NUMBERS);
            let soa = RrSet {
                rtype: Rtype::SOA,
                ttl: 86_400,
                data: vec![soa],
            };
            let ns = servers(&address::root_names(), 518_400);
            // The root's keys do not depend on the time.
            let keys = state.dnskeys(name, Timestamp::UNIX_EPOCH);
            [ns, soa].into_iter().chain(keys).collect()
        }
        1 => {
            let ns = servers(&address::tld_names(name), REGISTRY_TTL_SECS);
            std::iter::once(ns).chain(state.ds_of(name)).collect()
        }
        _ => Vec::new(),
    }
}

fn tld_sets(tld: &DnsName, parents: &Parents<'_>, name: &DnsName) -> Vec<RrSet> {
    if name == tld {
        let own = address::tld_names(tld);
        let sets = [servers(&own, REGISTRY_TTL_SECS), rule_soa(&own, tld, 900)];
        let keys = parents.state.dnskeys(tld, parents.now);
        return sets.into_iter().chain(keys).collect();
    }
    let is_server = address::tld_names(tld).contains(name) || infrastructure_name(name);
    if is_server {
        addresses(name)
    } else {
        parents.sets(tld, name)
    }
}

/// Whether a name is a server of Route 53 or of the root.
fn infrastructure_name(name: &DnsName) -> bool {
    address::of(name).is_some_and(|(v4, _)| {
        address::aws_number(v4.into()).is_some() || address::is_root(v4.into())
    })
}

fn external_sets(zone: &DnsName, parents: &Parents<'_>, name: &DnsName) -> Vec<RrSet> {
    let own = address::external_names(zone);
    if name == zone {
        let ttl = EXTERNAL_TTL_SECS;
        let sets = [servers(&own, ttl), rule_soa(&own, zone, ttl)];
        let keys = parents.state.dnskeys(zone, parents.now);
        return sets.into_iter().chain(keys).collect();
    }
    if own.contains(name) {
        addresses(name)
    } else {
        parents.sets(zone, name)
    }
}

fn hosted_sets(served: Served<'_>, keys: Option<&ServedKeys>, name: &DnsName) -> Vec<RrSet> {
    let mut sets: Vec<RrSet> = served
        .answers(name)
        .into_iter()
        .map(|(record_type, set)| set.wire(record_type, keys.is_some()))
        .collect();
    if let Some(keys) = keys.filter(|_| name == served.apex()) {
        sets.push(dnskey_set(&keys.dnskeys()));
    }
    sets
}

/// An NS set.
pub(super) fn servers(names: &[DnsName], ttl: u32) -> RrSet {
    RrSet {
        rtype: Rtype::NS,
        ttl,
        data: names.iter().map(data::target).collect(),
    }
}

/// The SOA of a TLD or external zone.
fn rule_soa(servers: &[DnsName], zone: &DnsName, ttl: u32) -> RrSet {
    let mailbox = zone.child("hostmaster").text();
    let primary = servers.first().map(DnsName::text).unwrap_or_default();
    RrSet {
        rtype: Rtype::SOA,
        ttl,
        data: vec![data::soa(&primary, &mailbox, SOA_NUMBERS)],
    }
}

/// Address records of a server of this world; none for other names.
pub(super) fn addresses(server: &DnsName) -> Vec<RrSet> {
    let Some((v4, v6)) = address::of(server) else {
        return Vec::new();
    };
    let ttl = REGISTRY_TTL_SECS;
    vec![
        RrSet {
            rtype: Rtype::A,
            ttl,
            data: vec![v4.octets().to_vec()],
        },
        RrSet {
            rtype: Rtype::AAAA,
            ttl,
            data: vec![v6.octets().to_vec()],
        },
    ]
}
