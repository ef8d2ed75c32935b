//! What somebody outside does: a registrar or the hostmaster of an external parent zone.
//!
//! A change takes effect at once on every server of the parent that does not lag. What was there before is kept with the
//! time it could last be served, because resolvers may hold it for its TTL from then on.

use domain::base::Rtype;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::data::{self, RrSet};
use super::{DnsName, zone};
use crate::profile::Profile;
use crate::route53::{RecordType, ds_is_sound};
use crate::world::World;

/// TTLs a registry sets; the registrant can not choose them.
const NS_TTL_SECS: u32 = 86_400;
const DS_TTL_SECS: u32 = 3600;

/// What a registrar can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum RegistrarAction {
    /// Delegates a zone. Without name servers to those of the one public hosted zone of that name.
    Delegate {
        /// The zone.
        zone: String,
        /// Names of its servers.
        name_servers: Option<Vec<String>>,
    },
    /// Sets the whole DS set of a delegated zone; an empty list takes it out.
    Ds {
        /// The zone.
        zone: String,
        /// Records in presentation: key tag, algorithm, digest type, digest.
        records: Vec<String>,
    },
    /// Takes out the DS set, or the delegation with it.
    Withdraw {
        /// The zone.
        zone: String,
        /// Whether the NS set stays.
        ds_only: bool,
    },
    /// Signs a zone above ours, or takes its signing back: its DS leaves its own parent at once, its
    /// keys and signatures when no resolver can hold the DS any more.
    Signing {
        /// A top-level domain, or an external zone.
        zone: String,
        /// Whether it is signed from now on.
        signed: bool,
    },
}

/// A child's records in its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delegation {
    name_servers: Vec<DnsName>,
    /// Presentation of each DS.
    ds: Vec<String>,
}

impl Delegation {
    /// The record sets of the parent.
    pub(super) fn sets(&self) -> Vec<RrSet> {
        let mut sets = vec![zone::servers(&self.name_servers, NS_TTL_SECS)];
        let data: Vec<Vec<u8>> = self
            .ds
            .iter()
            .filter_map(|text| data::parse(Rtype::DS, text).ok())
            .collect();
        if !data.is_empty() {
            sets.push(RrSet {
                rtype: Rtype::DS,
                ttl: DS_TTL_SECS,
                data,
            });
        }
        sets
    }
}

/// What a parent had for a child until a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Replaced {
    /// When it was changed.
    pub at: Timestamp,
    /// The child.
    pub zone: DnsName,
    /// What was there.
    pub before: Option<Delegation>,
}

/// A set that a parent no longer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The child.
    pub zone: DnsName,
    /// NS or DS.
    pub record_type: RecordType,
    /// Presentation of each record.
    pub records: Vec<String>,
    /// The TTL it was served with.
    pub ttl_secs: u32,
    /// The last moment a resolver could get it.
    pub last_served: Timestamp,
}

impl Past {
    /// Until when a resolver may still use it.
    pub fn cached_until(&self) -> Timestamp {
        self.last_served + std::time::Duration::from_secs(self.ttl_secs.into())
    }
}

impl World {
    /// Carries out what a registrar is asked, and says what was done.
    pub fn registrar(&mut self, now: Timestamp, action: RegistrarAction) -> Result<String, String> {
        match action {
            RegistrarAction::Delegate { zone, name_servers } => {
                let zone = read_name(&zone)?;
                let servers = match name_servers {
                    Some(names) => names
                        .iter()
                        .map(|n| read_name(n))
                        .collect::<Result<_, _>>()?,
                    None => self.current_servers(&zone)?,
                };
                self.delegate(now, zone, servers)
            }
            RegistrarAction::Ds { zone, records } => {
                let zone = read_name(&zone)?;
                self.set_ds(now, &zone, records)
            }
            RegistrarAction::Withdraw {
                zone,
                ds_only: true,
            } => {
                let zone = read_name(&zone)?;
                self.set_ds(now, &zone, Vec::new())
            }
            RegistrarAction::Withdraw {
                zone,
                ds_only: false,
            } => {
                let zone = read_name(&zone)?;
                self.withdraw(now, &zone)
            }
            RegistrarAction::Signing { zone, signed } => {
                let zone = read_name(&zone)?;
                self.set_signing(now, &zone, signed)
            }
        }
    }

    fn set_signing(
        &mut self,
        now: Timestamp,
        zone: &DnsName,
        signed: bool,
    ) -> Result<String, String> {
        if zone.depth() != 1 && !self.dns.externals.contains(zone) {
            return Err(format!(
                "{zone} is neither a top-level domain nor an external zone of this world"
            ));
        }
        if signed {
            self.dns.unsigned.remove(zone);
            return Ok(format!("{zone} is signed"));
        }
        // Nobody has asked yet in a world that nobody has used: there is no old DS to wait for.
        let since = match self.profile {
            Profile::Instant => Timestamp::UNIX_EPOCH,
            Profile::Aws | Profile::Fast => now,
        };
        self.dns.unsigned.entry(zone.clone()).or_insert(since);
        Ok(format!("{zone} is not signed"))
    }

    /// Changes what the parent has for a zone.
    fn replace(&mut self, now: Timestamp, zone: &DnsName, new: Option<Delegation>) {
        let before = match new {
            Some(new) => self.dns.delegations.insert(zone.clone(), new),
            None => self.dns.delegations.remove(zone),
        };
        self.dns.replaced.push(Replaced {
            at: now,
            zone: zone.clone(),
            before,
        });
    }

    /// Every set that a parent had for a zone and has no longer, oldest first.
    pub fn past_delegations(&self, zone: &DnsName) -> impl Iterator<Item = &Past> {
        self.dns.past.iter().filter(move |past| past.zone == *zone)
    }

    /// The name servers of the only public hosted zone of a name.
    fn current_servers(&self, zone: &DnsName) -> Result<Vec<DnsName>, String> {
        let zones: Vec<_> = self.route53.public_zones_named(zone).collect();
        match zones[..] {
            [only] => Ok(only.name_server_names()),
            [] => Err(format!(
                "there is no public hosted zone {zone}; name the servers"
            )),
            _ => Err(format!(
                "there are {} public hosted zones {zone}; name the servers of the right one",
                zones.len()
            )),
        }
    }

    /// The parent of a zone, if it is one that a registrar can change.
    fn external_parent(&self, zone: &DnsName) -> Result<DnsName, String> {
        if zone.depth() < 2 {
            return Err(format!("{zone} is a top-level domain and has no registrar"));
        }
        let parent = zone::parent_of(&self.dns, zone);
        let mut between = (parent.depth()..zone.depth()).map(|depth| zone.ancestor(depth));
        match between.find(|ancestor| self.dns.delegations.contains_key(ancestor)) {
            None => Ok(parent),
            Some(hosted) if self.route53.public_zones_named(&hosted).next().is_some() => {
                Err(format!(
                    "the parent {hosted} is a hosted zone of this world: put the records there"
                ))
            }
            Some(foreign) => Err(format!(
                "the parent {foreign} is delegated to servers outside this world"
            )),
        }
    }

    fn delegate(
        &mut self,
        now: Timestamp,
        zone: DnsName,
        name_servers: Vec<DnsName>,
    ) -> Result<String, String> {
        if name_servers.is_empty() {
            return Err(format!("{zone} needs at least one name server"));
        }
        let mut parent = self.external_parent(&zone)?;
        if parent.depth() == 1 && zone.depth() > 2 {
            // Nobody has registered the domain yet: it becomes somebody's zone.
            parent = zone.ancestor(2);
            self.dns.externals.insert(parent.clone());
        }
        let old = self.dns.delegations.get(&zone).cloned();
        let ds = old.as_ref().map(|old| old.ds.clone()).unwrap_or_default();
        let new = Delegation { name_servers, ds };
        if let Some(old) = &old
            && old.name_servers != new.name_servers
        {
            self.remember(now, &zone, RecordType::Ns, old);
        }
        let names: Vec<String> = new.name_servers.iter().map(DnsName::text).collect();
        self.replace(now, &zone, Some(new));
        Ok(format!("{parent} delegates {zone} to {}", names.join(", ")))
    }

    fn set_ds(
        &mut self,
        now: Timestamp,
        zone: &DnsName,
        records: Vec<String>,
    ) -> Result<String, String> {
        let parent = self.external_parent(zone)?;
        for record in &records {
            let data = data::parse(Rtype::DS, record)
                .map_err(|error| format!("{record:?} is no DS record: {error}"))?;
            if !ds_is_sound(&data) {
                return Err(format!("{record:?}: the digest does not fit its type"));
            }
        }
        let Some(old) = self.dns.delegations.get(zone).cloned() else {
            return Err(format!("{parent} does not delegate {zone}"));
        };
        if old.ds != records && !old.ds.is_empty() {
            self.remember(now, zone, RecordType::Ds, &old);
        }
        let said = match records.len() {
            0 => format!("{parent} has no DS for {zone}"),
            _ => format!("{parent} has for {zone} DS {}", records.join(", DS ")),
        };
        self.replace(now, zone, Some(Delegation { ds: records, ..old }));
        Ok(said)
    }

    fn withdraw(&mut self, now: Timestamp, zone: &DnsName) -> Result<String, String> {
        let parent = self.external_parent(zone)?;
        let Some(old) = self.dns.delegations.get(zone).cloned() else {
            return Err(format!("{parent} does not delegate {zone}"));
        };
        self.replace(now, zone, None);
        self.remember(now, zone, RecordType::Ns, &old);
        if !old.ds.is_empty() {
            self.remember(now, zone, RecordType::Ds, &old);
        }
        Ok(format!("{parent} no longer delegates {zone}"))
    }

    /// Notes that a set was served until now.
    fn remember(
        &mut self,
        now: Timestamp,
        zone: &DnsName,
        record_type: RecordType,
        old: &Delegation,
    ) {
        let (records, ttl_secs) = if record_type == RecordType::Ds {
            (old.ds.clone(), DS_TTL_SECS)
        } else {
            (
                old.name_servers.iter().map(DnsName::text).collect(),
                NS_TTL_SECS,
            )
        };
        self.dns.past.push(Past {
            zone: zone.clone(),
            record_type,
            records,
            ttl_secs,
            last_served: now,
        });
    }
}

fn read_name(text: &str) -> Result<DnsName, String> {
    DnsName::parse(text).map_err(|problem| format!("{text}: {problem}"))
}
