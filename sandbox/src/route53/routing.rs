//! Record sets that are more than a TTL and values: aliases, and members of a group with a routing policy.
//!
//! All of it is stored and checked as the API shows it. What depends on where a resolver is or on chance
//! is decided here once and for all, so that a run can be repeated: of weighted sets the heaviest answers,
//! of geographic ones that of the default location, of the others the first identifier. Health checks are
//! not modelled, so a primary always answers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{RecordSet, RecordType};
use crate::dns::DnsName;

/// What tells the record sets of one name apart, in ListResourceRecordSets' order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Slot {
    /// Type.
    pub record_type: RecordType,
    /// SetIdentifier, if the set is one of a group.
    pub identifier: Option<String>,
}

impl From<RecordType> for Slot {
    fn from(record_type: RecordType) -> Self {
        Self {
            record_type,
            identifier: None,
        }
    }
}

/// As it is stored: the type, and the identifier after a blank.
impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        match slot.identifier {
            Some(identifier) => format!("{} {identifier}", slot.record_type.name()),
            None => slot.record_type.name().to_owned(),
        }
    }
}

impl TryFrom<String> for Slot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (record_type, identifier) = match text.split_once(' ') {
            Some((record_type, identifier)) => (record_type, Some(identifier.to_owned())),
            None => (text.as_str(), None),
        };
        Ok(Self {
            record_type: RecordType::from_api(record_type)
                .ok_or_else(|| format!("{record_type} is no type of a record set"))?,
            identifier,
        })
    }
}

/// Where an alias leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasTarget {
    /// The zone of the target: this zone, or that of a service.
    pub hosted_zone_id: String,
    /// Name of the target.
    pub dns_name: DnsName,
    /// Whether the target's health decides.
    pub evaluate_target_health: bool,
}

/// TTL of an alias for a resource of a service (developer guide, "Choosing between alias and non-alias
/// records").
pub(super) const SERVICE_TTL_SECS: u32 = 60;

impl AliasTarget {
    /// An address of a service's resource, of a range for documentation (RFC 5737, RFC 3849): services
    /// with names of their own are not modelled. No other type has one.
    pub(super) fn service_address(&self, record_type: RecordType) -> Option<RecordSet> {
        let digest = Sha256::digest(self.dns_name.text());
        let value = match record_type {
            RecordType::A => Ipv4Addr::new(203, 0, 113, digest[0]).to_string(),
            RecordType::Aaaa => {
                let last = u16::from_be_bytes([digest[0], digest[1]]);
                Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, last).to_string()
            }
            RecordType::Caa
            | RecordType::Cname
            | RecordType::Ds
            | RecordType::Mx
            | RecordType::Naptr
            | RecordType::Ns
            | RecordType::Ptr
            | RecordType::Soa
            | RecordType::Srv
            | RecordType::Sshfp
            | RecordType::Tlsa
            | RecordType::Txt => return None,
        };
        Some(RecordSet::plain(SERVICE_TTL_SECS, vec![value]))
    }
}

/// What makes a set one of a group, as the API names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Routing {
    /// Share of the answers.
    Weight(u8),
    /// The region whose latency counts.
    Region(String),
    /// PRIMARY or SECONDARY.
    Failover(String),
    /// Where resolvers are.
    GeoLocation(GeoLocation),
    /// One of several answers.
    MultiValueAnswer(bool),
}

/// A continent, or a country with or without a part of it; `*` is every other place.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GeoLocation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    continent_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subdivision_code: Option<String>,
}

impl GeoLocation {
    /// Whether it is one place: a continent, or a country with or without a subdivision (API reference,
    /// GeoLocation).
    pub(super) fn is_one_place(&self) -> bool {
        match (&self.continent_code, &self.country_code) {
            (Some(_), None) => self.subdivision_code.is_none(),
            (None, Some(_)) => true,
            (Some(_), Some(_)) | (None, None) => false,
        }
    }
}

impl Routing {
    /// The policy's name in messages.
    pub(super) fn policy(&self) -> &'static str {
        match self {
            Self::Weight(_) => "weighted",
            Self::Region(_) => "latency",
            Self::Failover(_) => "failover",
            Self::GeoLocation(_) => "geolocation",
            Self::MultiValueAnswer(_) => "multivalue answer",
        }
    }

    /// Whether a group may have the same value twice.
    fn repeats(&self) -> bool {
        matches!(self, Self::Weight(_) | Self::MultiValueAnswer(_))
    }
}

/// What must hold of all sets of one name and type together; they come in the order of their identifiers.
pub(super) fn check_group(
    name: &DnsName,
    members: &[(&Slot, &RecordSet)],
    problems: &mut Vec<String>,
) {
    for (at, (slot, set)) in members.iter().enumerate() {
        let (Some(identifier), Some(routing)) = (&slot.identifier, &set.routing) else {
            if members.len() > 1 {
                problems.push(format!(
                    "RRSet with DNS name {name}, type {} cannot be created as other RRSets exist with \
                     the same name and type.",
                    slot.record_type.name()
                ));
            }
            continue;
        };
        let shown = format!(
            "RRSet with DNS name {name}, type {}, SetIdentifier {identifier}",
            slot.record_type.name()
        );
        if matches!(slot.record_type, RecordType::Ns | RecordType::Soa) {
            problems.push(format!("{shown} cannot have a routing policy."));
        }
        // Developer guide, "Values specific for multivalue answer records".
        let is_multivalue = matches!(routing, Routing::MultiValueAnswer(_));
        if is_multivalue && (set.alias.is_some() || slot.record_type == RecordType::Cname) {
            problems.push(format!(
                "{shown} cannot be a multivalue answer: neither an alias nor a CNAME can."
            ));
        }
        for (_, earlier) in &members[..at] {
            let Some(other) = &earlier.routing else {
                continue;
            };
            if other.policy() != routing.policy() {
                problems.push(format!(
                    "{shown} cannot be created because a non {} rrset exists with the same name and type.",
                    routing.policy()
                ));
            } else if other == routing && !routing.repeats() {
                problems.push(format!(
                    "{shown} cannot be created because a {} rrset with the same value exists.",
                    routing.policy()
                ));
            } else if matches!(routing, Routing::Weight(_))
                && (earlier.alias.is_none() && set.alias.is_none())
                && earlier.ttl != set.ttl
            {
                // API reference, ResourceRecordSet, TTL: "All of the resource record sets in a group of
                // weighted resource record sets must have the same value for TTL".
                problems.push(format!("{shown} has another TTL than the group's others."));
            } else {
                continue;
            }
            break;
        }
    }
}

/// What a name server answers for one type of a name from the sets of that type.
pub(super) fn chosen(members: &BTreeMap<&Slot, &RecordSet>) -> Option<RecordSet> {
    let mut sets: Vec<&RecordSet> = members.values().copied().collect();
    // Stable: of equals, the first identifier stays first.
    sets.sort_by_key(|set| match &set.routing {
        Some(Routing::Weight(weight)) => Reverse(i32::from(*weight)),
        Some(Routing::GeoLocation(place)) if place.country_code.as_deref() == Some("*") => {
            Reverse(1)
        }
        Some(Routing::Failover(role)) if role == "PRIMARY" => Reverse(1),
        Some(
            Routing::Region(_)
            | Routing::Failover(_)
            | Routing::GeoLocation(_)
            | Routing::MultiValueAnswer(_),
        )
        | None => Reverse(0),
    });
    let first = (*sets.first()?).clone();
    if !matches!(first.routing, Some(Routing::MultiValueAnswer(_))) {
        return Some(first);
    }
    // "up to eight healthy records" (developer guide, "Multivalue answer routing").
    let mut values: Vec<String> = Vec::new();
    for value in sets.iter().flat_map(|set| &set.values) {
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
    values.truncate(8);
    Some(RecordSet { values, ..first })
}
