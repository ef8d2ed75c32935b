//! Delegation sets: which four name servers a zone has, and the reusable sets.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{HostedZone, ID_LETTERS, bare, limits, needs, typed, zone, zone_mut, zones};
use crate::dns::{DnsName, address};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateReusableDelegationSet",
        needs: |_, _, _| needs::anywhere("CreateReusableDelegationSet"),
        run: create,
    },
    Operation {
        name: "GetReusableDelegationSet",
        needs: |_, _, input| needs::on("delegationset", "GetReusableDelegationSet", input, "Id"),
        run: get,
    },
    Operation {
        name: "ListReusableDelegationSets",
        needs: |_, _, _| needs::anywhere("ListReusableDelegationSets"),
        run: list,
    },
    Operation {
        name: "DeleteReusableDelegationSet",
        needs: |_, _, input| needs::on("delegationset", "DeleteReusableDelegationSet", input, "Id"),
        run: delete,
    },
];

/// The name servers every private zone shows: nobody can ask them.
pub(super) const PRIVATE: [u16; 4] = [0, 512, 1024, 1536];

/// Sets per page, at most and by default (API reference, ListReusableDelegationSets).
const PAGE_MAX: usize = 100;

/// A set of name servers that several zones may have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DelegationSet {
    caller_reference: String,
    name_servers: [u16; 4],
}

/// Four servers for a new zone, one of each stripe, none shared with a zone of the same name or
/// above or below it (API reference, ConflictingDomainExists).
pub(super) fn draw(world: &mut World, name: &DnsName) -> Result<[u16; 4], AwsError> {
    for _ in 0..1000 {
        let servers = draw_any(world);
        if conflict(world, servers, name).is_none() {
            return Ok(servers);
        }
    }
    Err(AwsError::new(
        "DelegationSetNotAvailable",
        "Route 53 has no set of name servers left for a hosted zone of this name.",
    ))
}

/// One server of each stripe.
fn draw_any(world: &mut World) -> [u16; 4] {
    [0, 512, 1024, 1536].map(|stripe| {
        let [low, high, ..] = world.random.next().to_le_bytes();
        stripe + u16::from_le_bytes([low, high]) % 512
    })
}

/// A public zone that may not share name servers with a zone of this name, and does.
fn conflict<'a>(world: &'a World, servers: [u16; 4], name: &DnsName) -> Option<&'a HostedZone> {
    world.route53.zones.values().find(|zone| {
        !zone.is_private()
            && (zone.name.is_within(name) || name.is_within(&zone.name))
            && zone
                .name_servers
                .iter()
                .any(|number| servers.contains(number))
    })
}

/// The servers of a reusable set, for a new zone of a name.
pub(super) fn of_set(
    world: &World,
    caller: &Caller,
    id: &str,
    name: &DnsName,
) -> Result<[u16; 4], AwsError> {
    let servers = find(world, caller, id)?.name_servers;
    match conflict(world, servers, name) {
        None => Ok(servers),
        Some(other) => Err(AwsError::new(
            "ConflictingDomainExists",
            format!(
                "The hosted zone {} ({}) already uses name servers of this delegation set; zones \
                 of one name or in a parent/child relationship can not share them.",
                other.id, other.name
            ),
        )),
    }
}

/// A reusable set of the caller.
pub(super) fn find<'a>(
    world: &'a World,
    caller: &Caller,
    id: &str,
) -> Result<&'a DelegationSet, AwsError> {
    world
        .route53
        .accounts
        .get(&caller.account)
        .and_then(|account| account.delegation_sets.get(id))
        .ok_or_else(|| {
            AwsError::new(
                "NoSuchDelegationSet",
                format!("A reusable delegation set with the specified ID does not exist: {id}"),
            )
        })
}

/// A zone's delegation set as GetHostedZone shows it: only a reusable one has an id.
pub(super) fn of_zone(world: &World, zone: &HostedZone) -> Value {
    let set = zone.delegation_set.as_ref().and_then(|id| {
        Some((
            id,
            world
                .route53
                .accounts
                .get(&zone.account)?
                .delegation_sets
                .get(id)?,
        ))
    });
    match set {
        Some((id, set)) => shown(id, set),
        None => json!({ "NameServers": zone.name_servers.map(address::aws_name) }),
    }
}

fn shown(id: &str, set: &DelegationSet) -> Value {
    json!({
        "Id": format!("/delegationset/{id}"),
        "CallerReference": set.caller_reference,
        "NameServers": set.name_servers.map(address::aws_name),
    })
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        caller_reference: String,
        hosted_zone_id: Option<String>,
    }
    let input: Input = typed(input)?;
    let account = world.route53.account(&caller.account);
    if account.set_references.contains(&input.caller_reference) {
        return Err(AwsError::new(
            "DelegationSetAlreadyCreated",
            "A delegation set with the same owner and caller reference has already been created.",
        ));
    }
    if account.delegation_sets.len() >= limits::DELEGATION_SETS {
        return Err(AwsError::new(
            "LimitsExceeded",
            "Limits Exceeded: MAX_REUSABLE_DELEGATION_SETS_BY_OWNER",
        ));
    }
    let name_servers = match &input.hosted_zone_id {
        None => draw_any(world),
        Some(id) => {
            let zone = zone(world, caller, id).map_err(|error| match error.code.as_str() {
                "NoSuchHostedZone" => AwsError::new("HostedZoneNotFound", error.message),
                _ => error,
            })?;
            if zone.delegation_set.is_some() {
                return Err(AwsError::new(
                    "DelegationSetAlreadyReusable",
                    "The specified delegation set has already been marked as reusable.",
                ));
            }
            if zone.is_private() {
                return Err(AwsError::new(
                    "InvalidArgument",
                    "The delegation set of a private hosted zone can not be reused.",
                ));
            }
            zone.name_servers
        }
    };
    let id = format!("N{}", world.random.text(ID_LETTERS, 20));
    let set = DelegationSet {
        caller_reference: input.caller_reference.clone(),
        name_servers,
    };
    let output = json!({
        "DelegationSet": shown(&id, &set),
        "Location": format!("https://route53.amazonaws.com/2013-04-01/delegationset/{id}"),
    });
    if let Some(zone_id) = &input.hosted_zone_id {
        zone_mut(world, caller, zone_id)?.delegation_set = Some(id.clone());
    }
    let account = world.route53.account(&caller.account);
    account.set_references.insert(input.caller_reference);
    account.delegation_sets.insert(id, set);
    Ok(output)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IdInput {
    id: String,
}

fn get(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: IdInput = typed(input)?;
    let id = bare("delegationset", &input.id);
    Ok(json!({ "DelegationSet": shown(id, find(world, caller, id)?) }))
}

fn list(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        marker: Option<String>,
        max_items: Option<String>,
    }
    let input: Input = typed(input)?;
    let size = zones::page_size(input.max_items.as_deref(), PAGE_MAX)?;
    let marker = input.marker.clone().unwrap_or_default();
    let start = bare("delegationset", &marker).to_owned();
    let sets = &world.route53.account(&caller.account).delegation_sets;
    let mut rest = sets.range(start..);
    let page: Vec<Value> = rest
        .by_ref()
        .take(size)
        .map(|(id, set)| shown(id, set))
        .collect();
    let next = rest.next().map(|(id, _)| id.clone());
    let mut output = json!({
        "DelegationSets": page,
        "Marker": marker,
        "IsTruncated": next.is_some(),
        "MaxItems": size.to_string(),
    });
    if let Some(next) = next {
        output["NextMarker"] = next.into();
    }
    Ok(output)
}

fn delete(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: IdInput = typed(input)?;
    let id = bare("delegationset", &input.id);
    find(world, caller, id)?;
    if zones::owned(world, caller).any(|zone| zone.delegation_set.as_deref() == Some(id)) {
        return Err(AwsError::new(
            "DelegationSetInUse",
            "The specified delegation contains associated hosted zones which must be deleted \
             before the reusable delegation set can be deleted.",
        ));
    }
    world
        .route53
        .account(&caller.account)
        .delegation_sets
        .remove(id);
    Ok(json!({}))
}
