//! Hosted zones: made, listed, described and deleted.
//!
//! Zone names are not unique; the CallerReference is, for ever: not even deletion frees it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::served::Before;
use super::{
    Departed, HostedZone, ID_LETTERS, RecordSet, RecordType, Sets, bare, changes, delegation,
    limits, needs, typed, zone, zone_mut,
};
use crate::dns::{DnsName, address};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateHostedZone",
        needs: create_needs,
        run: create,
    },
    Operation {
        name: "GetHostedZone",
        needs: |_, _, input| needs::on_zone("GetHostedZone", input, "Id"),
        run: get,
    },
    Operation {
        name: "GetHostedZoneCount",
        needs: |_, _, _| needs::anywhere("GetHostedZoneCount"),
        run: count,
    },
    Operation {
        name: "ListHostedZones",
        needs: |_, _, _| needs::anywhere("ListHostedZones"),
        run: list,
    },
    Operation {
        name: "ListHostedZonesByName",
        needs: |_, _, _| needs::anywhere("ListHostedZonesByName"),
        run: list_by_name,
    },
    Operation {
        name: "UpdateHostedZoneComment",
        needs: |_, _, input| needs::on_zone("UpdateHostedZoneComment", input, "Id"),
        run: update_comment,
    },
    Operation {
        name: "DeleteHostedZone",
        needs: |_, _, input| needs::on_zone("DeleteHostedZone", input, "Id"),
        run: delete,
    },
];

/// Default TTLs and numbers of a new zone's NS and SOA records (developer guide, "NS and SOA
/// records that Amazon Route 53 creates for a public hosted zone").
const NS_TTL_SECS: u32 = 172_800;
const SOA_TTL_SECS: u32 = 900;
const SOA_NUMBERS: &str = "1 7200 900 1209600 86400";

/// Zones per page, at most and by default (API reference, ListHostedZones).
const PAGE_MAX: usize = 100;

/// A VPC a private zone is associated with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Vpc {
    #[serde(rename = "VPCRegion")]
    region: String,
    #[serde(rename = "VPCId")]
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    name: String,
    caller_reference: String,
    hosted_zone_config: Option<Config>,
    delegation_set_id: Option<String>,
    #[serde(rename = "VPC")]
    vpc: Option<Vpc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    comment: Option<String>,
    #[serde(default)]
    private_zone: bool,
}

fn create_needs(_: &World, _: &Caller, input: &Value) -> Vec<Need> {
    let need = Need::new("route53:CreateHostedZone", "*");
    let vpc = &input["VPC"];
    match (vpc["VPCId"].as_str(), vpc["VPCRegion"].as_str()) {
        (Some(id), Some(region)) => {
            let value = format!("VPCId={id},VPCRegion={region}");
            vec![
                need.with("route53:VPCs", vec![value]),
                Need::new("ec2:DescribeVpcs", "*"),
            ]
        }
        _ => vec![need],
    }
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreateInput = typed(input)?;
    let name = zone_name(&input.name)?;
    let private = input
        .hosted_zone_config
        .as_ref()
        .is_some_and(|config| config.private_zone);
    if private && input.vpc.is_none() {
        return Err(AwsError::new(
            "InvalidInput",
            "When you're creating a private hosted zone (when you specify true for PrivateZone), \
             you must also specify values for VPCId and VPCRegion.",
        ));
    }
    if let Some(vpc) = &input.vpc {
        check_vpc(world, caller, &name, vpc)?;
    }
    let account = world.route53.account(&caller.account);
    if account.zone_references.contains(&input.caller_reference) {
        return Err(AwsError::new(
            "HostedZoneAlreadyExists",
            "A hosted zone has already been created with the specified caller reference.",
        ));
    }
    if owned(world, caller).count() >= limits::ZONES {
        return Err(AwsError::new(
            "TooManyHostedZones",
            "Limits Exceeded: MAX_HOSTED_ZONES_BY_OWNER - Cannot create more hosted zones for \
             this account.",
        ));
    }
    let delegation_set = input
        .delegation_set_id
        .as_deref()
        .map(|id| bare("delegationset", id));
    let name_servers = match (delegation_set, &input.vpc) {
        (Some(_), Some(_)) => {
            return Err(AwsError::new(
                "InvalidInput",
                "A private hosted zone can not use a reusable delegation set.",
            ));
        }
        (None, Some(_)) => delegation::PRIVATE,
        (Some(id), None) => delegation::of_set(world, caller, id, &name)?,
        (None, None) => delegation::draw(world, &name)?,
    };

    let id = format!("Z{}", world.random.text(ID_LETTERS, 20));
    let lag = world.profile.draw_list_lag(&mut world.random);
    let zone = HostedZone {
        id: id.clone(),
        account: caller.account.clone(),
        caller_reference: input.caller_reference.clone(),
        comment: input.hosted_zone_config.and_then(|config| config.comment),
        vpcs: input.vpc.clone().into_iter().collect(),
        delegation_set: delegation_set.map(str::to_owned),
        name_servers,
        sets: initial_sets(&name, name_servers),
        name,
        tags: Default::default(),
        signing: false,
        zsk: None,
        ksks: Default::default(),
        query_logging: None,
        pending: Vec::new(),
        listed_from: caller.now + lag,
        busy_until: Timestamp::MIN,
    };
    world
        .route53
        .account(&caller.account)
        .zone_references
        .insert(input.caller_reference);
    world.route53.zones.insert(id.clone(), zone);
    let before = Before {
        absent: true,
        ..Before::default()
    };
    let change = changes::submit(world, caller, &id, None, before);
    let zone = super::zone(world, caller, &id)?;
    let mut output = json!({
        "HostedZone": summary(zone),
        "ChangeInfo": change,
        "DelegationSet": delegation::of_zone(world, zone),
        "Location": format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}"),
    });
    if let Some(vpc) = &input.vpc {
        output["VPC"] = json!(vpc);
    }
    Ok(output)
}

/// The name of a new zone. A top-level domain is refused ("You can't create a hosted zone for a
/// top-level domain (TLD) such as .com", API reference, CreateHostedZone).
fn zone_name(text: &str) -> Result<DnsName, AwsError> {
    let invalid = |message: String| Err(AwsError::new("InvalidDomainName", message));
    match DnsName::parse(text) {
        Ok(name) if name.depth() < 2 => invalid(format!(
            "{} is reserved by AWS!",
            text.trim_end_matches('.')
        )),
        Ok(name) => Ok(name),
        Err(problem) => invalid(format!(
            "FATAL problem: {problem} encountered with '{text}'"
        )),
    }
}

/// Only the form of a VPC id is checked: EC2 is not modelled.
fn check_vpc(world: &World, caller: &Caller, name: &DnsName, vpc: &Vpc) -> Result<(), AwsError> {
    let hex = vpc.id.strip_prefix("vpc-").unwrap_or_default();
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(AwsError::new(
            "InvalidVPCId",
            format!("The VPC ID {} is not valid.", vpc.id),
        ));
    }
    if owned(world, caller).any(|zone| zone.name == *name && zone.vpcs.contains(vpc)) {
        return Err(AwsError::new(
            "ConflictingDomainExists",
            format!(
                "The VPC {} in region {} has already been associated with the hosted zone with \
                 the same domain name.",
                vpc.id, vpc.region
            ),
        ));
    }
    Ok(())
}

/// The NS and SOA records Route 53 makes.
fn initial_sets(name: &DnsName, servers: [u16; 4]) -> Sets {
    let names = servers.map(|number| format!("{}.", address::aws_name(number)));
    let soa = format!("{} awsdns-hostmaster.amazon.com. {SOA_NUMBERS}", names[0]);
    let apex = [
        (
            RecordType::Ns.into(),
            RecordSet::plain(NS_TTL_SECS, names.into()),
        ),
        (
            RecordType::Soa.into(),
            RecordSet::plain(SOA_TTL_SECS, vec![soa]),
        ),
    ];
    [(name.clone(), apex.into())].into()
}

/// Zones of the caller's account.
pub(super) fn owned<'a>(
    world: &'a World,
    caller: &'a Caller,
) -> impl Iterator<Item = &'a HostedZone> {
    world
        .route53
        .zones
        .values()
        .filter(|zone| zone.account == caller.account)
}

/// Zones as list calls see them: new ones late, deleted ones for a while longer.
fn listed(world: &World, caller: &Caller) -> Vec<HostedZone> {
    let live = owned(world, caller).filter(|zone| zone.listed_from <= caller.now);
    let departed = world
        .route53
        .departed
        .iter()
        .filter(|d| d.zone.account == caller.account && caller.now < d.listed_until)
        .map(|d| &d.zone);
    live.chain(departed).cloned().collect()
}

/// A zone as GetHostedZone and the lists show it.
fn summary(zone: &HostedZone) -> Value {
    let mut config = json!({ "PrivateZone": zone.is_private() });
    if let Some(comment) = &zone.comment {
        config["Comment"] = comment.as_str().into();
    }
    let records: usize = zone.sets.values().map(|sets| sets.len()).sum();
    json!({
        "Id": format!("/hostedzone/{}", zone.id),
        "Name": zone.name.text(),
        "CallerReference": zone.caller_reference,
        "Config": config,
        "ResourceRecordSetCount": records,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IdInput {
    id: String,
}

fn get(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: IdInput = typed(input)?;
    let zone = zone(world, caller, &input.id)?;
    let mut output = json!({ "HostedZone": summary(zone) });
    if zone.is_private() {
        output["VPCs"] = json!(zone.vpcs);
    } else {
        output["DelegationSet"] = delegation::of_zone(world, zone);
    }
    Ok(output)
}

fn count(world: &mut World, caller: &Caller, _: Value) -> Result<Value, AwsError> {
    Ok(json!({ "HostedZoneCount": owned(world, caller).count() }))
}

/// Reads MaxItems: AWS models it as a string, and takes more than the most for the most.
pub(super) fn page_size(max_items: Option<&str>, most: usize) -> Result<usize, AwsError> {
    match max_items.map(str::parse::<usize>) {
        None => Ok(most),
        Some(Ok(n)) if n > 0 => Ok(n.min(most)),
        Some(_) => Err(AwsError::new(
            "InvalidInput",
            "MaxItems must be a positive number",
        )),
    }
}

fn list(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        marker: Option<String>,
        max_items: Option<String>,
        delegation_set_id: Option<String>,
        hosted_zone_type: Option<String>,
    }
    let input: Input = typed(input)?;
    let size = page_size(input.max_items.as_deref(), PAGE_MAX)?;
    let set = input
        .delegation_set_id
        .as_deref()
        .map(|id| bare("delegationset", id));
    if let Some(id) = set {
        delegation::find(world, caller, id)?;
    }
    let marker = input.marker.as_deref().map(|id| bare("hostedzone", id));
    let mut zones = listed(world, caller);
    zones.retain(|zone| {
        marker.is_none_or(|marker| zone.id.as_str() >= marker)
            && set.is_none_or(|id| zone.delegation_set.as_deref() == Some(id))
            && (input.hosted_zone_type.is_none() || zone.is_private())
    });
    zones.sort_by(|a, b| a.id.cmp(&b.id));
    let mut output = json!({
        "HostedZones": zones.iter().take(size).map(summary).collect::<Vec<_>>(),
        "Marker": input.marker.clone().unwrap_or_default(),
        "IsTruncated": zones.len() > size,
        "MaxItems": size.to_string(),
    });
    if let Some(next) = zones.get(size) {
        output["NextMarker"] = next.id.as_str().into();
    }
    Ok(output)
}

fn list_by_name(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        #[serde(rename = "DNSName")]
        dns_name: Option<String>,
        hosted_zone_id: Option<String>,
        max_items: Option<String>,
    }
    let input: Input = typed(input)?;
    let size = page_size(input.max_items.as_deref(), PAGE_MAX)?;
    let start_name = input
        .dns_name
        .as_deref()
        .map(DnsName::parse)
        .transpose()
        .map_err(|p| {
            AwsError::new(
                "InvalidDomainName",
                format!("FATAL problem: {p} in DNSName"),
            )
        })?;
    let start_id = input
        .hosted_zone_id
        .as_deref()
        .map(|id| bare("hostedzone", id));
    if start_id.is_some() && start_name.is_none() {
        return Err(AwsError::new(
            "InvalidInput",
            "The HostedZoneId parameter needs the DNSName parameter.",
        ));
    }
    let mut zones = listed(world, caller);
    zones.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    if let Some(start) = &start_name {
        let from = (start, start_id.unwrap_or_default());
        zones.retain(|zone| (&zone.name, zone.id.as_str()) >= from);
    }
    let mut output = json!({
        "HostedZones": zones.iter().take(size).map(summary).collect::<Vec<_>>(),
        "IsTruncated": zones.len() > size,
        "MaxItems": size.to_string(),
    });
    if let Some(name) = input.dns_name {
        output["DNSName"] = name.into();
    }
    if let Some(id) = start_id {
        output["HostedZoneId"] = id.into();
    }
    if let Some(next) = zones.get(size) {
        output["NextDNSName"] = next.name.text().into();
        output["NextHostedZoneId"] = next.id.as_str().into();
    }
    Ok(output)
}

fn update_comment(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        id: String,
        comment: Option<String>,
    }
    let input: Input = typed(input)?;
    let zone = zone_mut(world, caller, &input.id)?;
    zone.comment = input.comment;
    Ok(json!({ "HostedZone": summary(zone) }))
}

fn delete(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: IdInput = typed(input)?;
    let zone = zone(world, caller, &input.id)?;
    let not_empty = |what: &str| {
        Err(AwsError::new(
            "HostedZoneNotEmpty",
            format!("The specified hosted zone contains {what} and so cannot be deleted."),
        ))
    };
    let required = |name: &DnsName, record_type: RecordType| {
        *name == zone.name && matches!(record_type, RecordType::Ns | RecordType::Soa)
    };
    let mut records = zone
        .sets
        .iter()
        .flat_map(|(name, sets)| sets.keys().map(move |slot| (name, slot.record_type)));
    if records.any(|(name, record_type)| !required(name, record_type)) {
        // Two spaces, as AWS writes it.
        return not_empty("non-required resource record sets ");
    }
    if !zone.ksks.is_empty() {
        return not_empty("DNSSEC Key Signing Keys");
    }
    super::batch::check_not_busy(zone, caller.now)?;

    let id = zone.id.clone();
    let gone_at = changes::arrivals(world.profile, &mut world.random, caller.now);
    let lag = world.profile.draw_list_lag(&mut world.random);
    let listed_until = caller.now + lag;
    world.route53.departed.retain(|departed| {
        departed.listed_until > caller.now || departed.gone_at.iter().any(|at| *at > caller.now)
    });
    if let Some(zone) = world.route53.zones.remove(&id) {
        world.route53.departed.push(Departed {
            zone,
            gone_at,
            listed_until,
        });
    }
    let change = changes::record(world, caller, gone_at, None);
    Ok(json!({ "ChangeInfo": change }))
}
