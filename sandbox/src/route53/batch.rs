//! ChangeResourceRecordSets: one batch of changes, all of it or nothing.
//!
//! Every problem of a batch is reported, in one InvalidChangeBatch whose message is the list in
//! brackets, as AWS sends it. The texts are AWS's as near as is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::routing::{AliasTarget, GeoLocation, Routing, Slot};
use super::served::{Before, BeforeSet};
use super::{
    HostedZone, RecordSet, RecordType, Sets, changes, limits, needs, record, routing, typed, zone,
};
use crate::dns::DnsName;
use crate::profile::Profile;
use crate::world::{AwsError, Caller, Need, World};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    hosted_zone_id: String,
    change_batch: ChangeBatch,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeBatch {
    comment: Option<String>,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    action: Action,
    resource_record_set: Sent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    Create,
    Delete,
    Upsert,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Upsert => "UPSERT",
        }
    }
}

/// A record set as sent.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    name: String,
    r#type: String,
    #[serde(rename = "TTL")]
    ttl: Option<u32>,
    #[serde(default)]
    resource_records: Vec<SentRecord>,
    alias_target: Option<SentAlias>,
    set_identifier: Option<String>,
    weight: Option<u8>,
    region: Option<String>,
    failover: Option<String>,
    geo_location: Option<GeoLocation>,
    multi_value_answer: Option<bool>,
    /// Everything else is not modelled.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentAlias {
    hosted_zone_id: String,
    #[serde(rename = "DNSName")]
    dns_name: String,
    evaluate_target_health: bool,
}

impl Sent {
    /// The routing policies of the set: a simple one has none.
    fn routings(&self) -> Vec<Routing> {
        [
            self.weight.map(Routing::Weight),
            self.region.clone().map(Routing::Region),
            self.failover.clone().map(Routing::Failover),
            self.geo_location.clone().map(Routing::GeoLocation),
            self.multi_value_answer.map(Routing::MultiValueAnswer),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentRecord {
    value: String,
}

/// A change whose parts are known to be well formed.
struct Wanted {
    action: Action,
    name: DnsName,
    slot: Slot,
    set: RecordSet,
}

/// How long a batch keeps others of its zone away: "If Route 53 can't process a request before the
/// next request arrives, it will reject subsequent requests for the same hosted zone" (API
/// reference, ChangeResourceRecordSets). No number is published; this one is far below a second.
fn processing_time(world: &mut World) -> Duration {
    match world.profile {
        Profile::Aws => Duration::from_millis(100 + world.random.next() % 400),
        Profile::Fast | Profile::Instant => Duration::ZERO,
    }
}

/// Refuses a change of a zone while a batch of it is being accepted.
pub(super) fn check_not_busy(zone: &HostedZone, now: Timestamp) -> Result<(), AwsError> {
    if now < zone.busy_until {
        return Err(AwsError::new(
            "PriorRequestNotComplete",
            "The request was rejected because Route 53 was still processing a prior request.",
        ));
    }
    Ok(())
}

/// The names, types and actions of a batch as the three condition keys spell them.
pub(super) fn change_needs(_: &World, _: &Caller, input: &Value) -> Vec<Need> {
    let changes = input["ChangeBatch"]["Changes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let each = |field: fn(&Value) -> Option<String>| {
        let mut values: Vec<String> = changes.iter().filter_map(field).collect();
        values.sort();
        values.dedup();
        values
    };
    let names = each(|change| {
        let name = change["ResourceRecordSet"]["Name"].as_str()?;
        // A name that is none is refused later; it must not pass a policy by being left out.
        Some(DnsName::parse(name).map_or_else(|_| name.to_owned(), |name| name.normalised()))
    });
    let types = each(|change| {
        Some(
            change["ResourceRecordSet"]["Type"]
                .as_str()?
                .to_ascii_uppercase(),
        )
    });
    let actions = each(|change| Some(change["Action"].as_str()?.to_ascii_uppercase()));
    let key = |suffix: &str| format!("route53:ChangeResourceRecordSets{suffix}");
    needs::on_zone("ChangeResourceRecordSets", input, "HostedZoneId")
        .into_iter()
        .map(|need| {
            need.with(key("NormalizedRecordNames"), names.clone())
                .with(key("RecordTypes"), types.clone())
                .with(key("Actions"), actions.clone())
        })
        .collect()
}

pub(super) fn change(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Input = typed(input)?;
    let zone = zone(world, caller, &input.hosted_zone_id)?;
    check_size(&input.change_batch)?;
    let (wanted, mut problems) = read(&input.change_batch)?;
    check_not_busy(zone, caller.now)?;
    let (sets, before) = apply(zone, &wanted, &mut problems);
    if problems.is_empty() {
        check_zone(zone, &sets, &wanted, &mut problems);
    }
    if !problems.is_empty() {
        return Err(invalid_batch(&problems));
    }

    let id = zone.id.clone();
    let busy = processing_time(world);
    if let Some(zone) = world.route53.zones.get_mut(&id) {
        zone.sets = sets;
        zone.busy_until = caller.now + busy;
    }
    let before = Before {
        sets: before,
        ..Before::default()
    };
    let info = changes::submit(world, caller, &id, input.change_batch.comment, before);
    Ok(json!({ "ChangeInfo": info }))
}

fn invalid_batch(problems: &[String]) -> AwsError {
    AwsError::new("InvalidChangeBatch", format!("[{}]", problems.join(", ")))
}

/// The limits of one batch. UPSERT counts twice (developer guide, "Maximums on
/// ChangeResourceRecordSets requests").
fn check_size(batch: &ChangeBatch) -> Result<(), AwsError> {
    let (mut records, mut characters) = (0, 0);
    for change in &batch.changes {
        let weight = if change.action == Action::Upsert {
            2
        } else {
            1
        };
        let values = &change.resource_record_set.resource_records;
        records += weight * values.len();
        characters += weight
            * values
                .iter()
                .map(|v| v.value.chars().count())
                .sum::<usize>();
    }
    let mut problems = Vec::new();
    if records > limits::BATCH_RECORDS {
        problems.push(format!(
            "Number of records limit of {} exceeded.",
            limits::BATCH_RECORDS
        ));
    }
    if characters > limits::BATCH_CHARACTERS {
        problems.push(format!(
            "RDATA character limit of {} exceeded.",
            limits::BATCH_CHARACTERS
        ));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(invalid_batch(&problems))
    }
}

/// Checks each change by itself. What the shape allows but cannot be a record set is InvalidInput;
/// what is no record of its type is listed with the batch's other problems.
fn read(batch: &ChangeBatch) -> Result<(Vec<Wanted>, Vec<String>), AwsError> {
    let mut wanted = Vec::new();
    let mut problems = Vec::new();
    for Change {
        action,
        resource_record_set: sent,
    } in &batch.changes
    {
        if let Some(member) = sent
            .more
            .iter()
            .find(|(_, value)| !value.is_null())
            .map(|(k, _)| k)
        {
            return Err(AwsError::not_modelled(&format!(
                "record sets with {member}"
            )));
        }
        let Some(record_type) = RecordType::from_api(&sent.r#type) else {
            return Err(AwsError::not_modelled(&format!(
                "records of type {}",
                sent.r#type
            )));
        };
        let routing = routing_of(*action, sent)?;
        match read_one(*action, sent, routing)? {
            Ok((name, set)) => {
                if set.alias.is_none() {
                    check_values(record_type, &set.values, &mut problems);
                }
                let identifier = sent.set_identifier.clone();
                wanted.push(Wanted {
                    action: *action,
                    name,
                    slot: Slot {
                        record_type,
                        identifier,
                    },
                    set,
                });
            }
            Err(problem) => problems.push(problem),
        }
    }
    Ok((wanted, problems))
}

/// The one routing policy that a set with an identifier has; none without an identifier.
fn routing_of(action: Action, sent: &Sent) -> Result<Option<Routing>, AwsError> {
    let mut routings = sent.routings();
    if let Some(place) = &sent.geo_location
        && !place.is_one_place()
    {
        return Err(AwsError::new(
            "InvalidInput",
            format!(
                "Invalid request: Expected exactly one of [ContinentCode, or CountryCode with or without \
                 SubdivisionCode] in GeoLocation of Change with {}",
                change_shown(action, sent, sent.set_identifier.as_deref())
            ),
        ));
    }
    match (&sent.set_identifier, routings.len()) {
        (None, 0) => Ok(None),
        (Some(_), 1) => Ok(routings.pop()),
        (identifier, count) => Err(AwsError::new(
            "InvalidInput",
            format!(
                "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or \
                 MultiValueAnswer] together with SetIdentifier, but found {count} in Change with {}",
                change_shown(action, sent, identifier.as_deref())
            ),
        )),
    }
}

fn change_shown(action: Action, sent: &Sent, identifier: Option<&str>) -> String {
    format!(
        "[Action={}, Name={}, Type={}, SetIdentifier={}]",
        action.name(),
        sent.name,
        sent.r#type,
        identifier.unwrap_or("null")
    )
}

/// The name and the set of one change; the problem if one of its names is none.
fn read_one(
    action: Action,
    sent: &Sent,
    routing: Option<Routing>,
) -> Result<Result<(DnsName, RecordSet), String>, AwsError> {
    let parse = |text: &str| {
        DnsName::parse(text)
            .map_err(|problem| format!("FATAL problem: {problem} encountered with '{text}'"))
    };
    let found = |what: &str| {
        Err(AwsError::new(
            "InvalidInput",
            format!(
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and \
                 ResourceRecords], or TrafficPolicyInstanceId], but found {what} in Change with {}",
                change_shown(action, sent, sent.set_identifier.as_deref())
            ),
        ))
    };
    let name = match parse(&sent.name) {
        Ok(name) => name,
        Err(problem) => return Ok(Err(problem)),
    };
    let plain = match (
        &sent.alias_target,
        sent.ttl,
        sent.resource_records.as_slice(),
    ) {
        (None, Some(ttl), [_, ..]) => {
            let values = sent.resource_records.iter().map(|r| r.value.clone());
            RecordSet::plain(ttl, values.collect())
        }
        (Some(alias), None, []) => match parse(&alias.dns_name) {
            Err(problem) => return Ok(Err(problem)),
            Ok(dns_name) => RecordSet {
                alias: Some(AliasTarget {
                    hosted_zone_id: alias.hosted_zone_id.clone(),
                    dns_name,
                    evaluate_target_health: alias.evaluate_target_health,
                }),
                ..RecordSet::plain(0, Vec::new())
            },
        },
        (Some(_), _, _) => return found("more than one"),
        (None, _, _) => return found("none"),
    };
    Ok(Ok((name, RecordSet { routing, ..plain })))
}

/// Checks the values of one set.
fn check_values(record_type: RecordType, values: &[String], problems: &mut Vec<String>) {
    if values.len() > limits::VALUES {
        problems.push(format!(
            "Number of values limit of {} exceeded.",
            limits::VALUES
        ));
    }
    let single = matches!(record_type, RecordType::Cname | RecordType::Soa);
    if single && values.len() > 1 {
        problems.push(format!(
            "Invalid Resource Record: 'A resource record set of type {} can have only one value'",
            record_type.name()
        ));
    }
    let mut seen = BTreeMap::new();
    for value in values {
        match record::parse(record_type, value) {
            Err(problem) => problems.push(problem),
            Ok(wire) => {
                if seen.insert(wire, ()).is_some() {
                    problems.push(format!("Duplicate Resource Record: '{value}'"));
                }
            }
        }
    }
}

/// Applies the changes one after the other to a copy of the zone's records. Returns the copy and
/// what each touched set was before.
fn apply(
    zone: &HostedZone,
    wanted: &[Wanted],
    problems: &mut Vec<String>,
) -> (Sets, Vec<BeforeSet>) {
    let mut sets = zone.sets.clone();
    let mut before: BTreeMap<(&DnsName, &Slot), (Option<RecordSet>, Action)> = BTreeMap::new();
    for Wanted {
        action,
        name,
        slot,
        set,
    } in wanted
    {
        let record_type = slot.record_type;
        let identifier = slot.identifier.as_ref();
        let shown = format!(
            "[name='{name}', type='{}'{}]",
            record_type.name(),
            identifier.map_or_else(String::new, |id| format!(", set identifier='{id}'"))
        );
        if !name.is_within(&zone.name) {
            problems.push(format!(
                "RRSet with DNS name {name} is not permitted in zone {}",
                zone.name
            ));
            continue;
        }
        let current = sets.get(name).and_then(|slots| slots.get(slot)).cloned();
        // A set may occur twice in a batch only as a replacement: DELETE, then CREATE.
        if let Some((_, earlier)) = before.get(&(name, slot))
            && (*earlier, *action) != (Action::Delete, Action::Create)
        {
            problems.push(format!(
                "The request contains an invalid set of changes for a resource record set '{} \
                 {name}'",
                record_type.name()
            ));
            continue;
        }
        match (action, &current) {
            (Action::Create, Some(_)) => problems.push(format!(
                "Tried to create resource record set {shown} but it already exists"
            )),
            (Action::Delete, None) => problems.push(format!(
                "Tried to delete resource record set {shown} but it was not found"
            )),
            (Action::Delete, Some(current)) if !current.same_records(set, record_type) => problems
                .push(format!(
                    "Tried to delete resource record set {shown} but the values provided do not \
                     match the current values"
                )),
            (Action::Delete, Some(_)) => {
                if let Some(slots) = sets.get_mut(name) {
                    slots.remove(slot);
                }
            }
            (Action::Create, None) | (Action::Upsert, _) => {
                sets.entry(name.clone())
                    .or_default()
                    .insert(slot.clone(), set.clone());
            }
        }
        before
            .entry((name, slot))
            .and_modify(|(_, latest)| *latest = *action)
            .or_insert((current, *action));
    }
    sets.retain(|_, slots| !slots.is_empty());
    let before = before
        .into_iter()
        .map(|((name, slot), (set, _))| BeforeSet {
            name: name.clone(),
            slot: slot.clone(),
            set,
        })
        .collect();
    (sets, before)
}

/// What must hold of the zone as a whole after the batch.
fn check_zone(zone: &HostedZone, sets: &Sets, wanted: &[Wanted], problems: &mut Vec<String>) {
    let apex = sets.get(&zone.name);
    let has = |record_type| apex.is_some_and(|slots| slots.contains_key(&Slot::from(record_type)));
    if !has(RecordType::Soa) {
        problems.push("A HostedZone must contain exactly one SOA record.".into());
    }
    if !has(RecordType::Ns) {
        problems
            .push("A HostedZone must contain at least one NS record for the zone itself.".into());
    }
    for Wanted {
        action,
        name,
        slot,
        set,
    } in wanted
    {
        if *action == Action::Delete {
            continue;
        }
        let record_type = slot.record_type;
        let type_name = record_type.name();
        let at_apex = *name == zone.name;
        match record_type {
            RecordType::Cname | RecordType::Ds if at_apex => problems.push(format!(
                "RRSet of type {type_name} with DNS name {name} is not permitted at apex in zone {}",
                zone.name
            )),
            // Developer guide, "DNS domain name format": no wildcard for NS records.
            RecordType::Ns if name.first_label() == Some("*") => problems.push(format!(
                "RRSet of type NS with DNS name {name} is not permitted: a wildcard cannot be delegated"
            )),
            RecordType::Soa if !at_apex => problems.push(format!(
                "RRSet of type SOA with DNS name {name} is not permitted: only the apex of zone {} \
                 has one",
                zone.name
            )),
            RecordType::A
            | RecordType::Aaaa
            | RecordType::Caa
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
            | RecordType::Txt => {}
        }
        if let Some(alias) = &set.alias {
            problems.extend(alias_problem(zone, sets, name, slot, alias));
        }
        let Some(slots) = sets.get(name) else {
            continue;
        };
        let types: BTreeSet<RecordType> = slots.keys().map(|slot| slot.record_type).collect();
        if types.len() > 1 && types.contains(&RecordType::Cname) && !at_apex {
            let other = if record_type == RecordType::Cname {
                ""
            } else {
                " of type CNAME"
            };
            problems.push(format!(
                "RRSet of type {type_name} with DNS name {name} is not permitted because a \
                 conflicting RRSet{other} with the same DNS name already exists in zone {}",
                zone.name
            ));
        }
    }
    let touched: BTreeSet<(&DnsName, RecordType)> = wanted
        .iter()
        .map(|wanted| (&wanted.name, wanted.slot.record_type))
        .collect();
    for (name, record_type) in touched {
        let slots = sets.get(name).into_iter().flatten();
        let members: Vec<(&Slot, &RecordSet)> = slots
            .filter(|(slot, _)| slot.record_type == record_type)
            .collect();
        routing::check_group(name, &members, problems);
    }
    let count: usize = sets.values().map(BTreeMap::len).sum();
    if count > limits::RECORD_SETS {
        problems.push(format!(
            "Number of resource record sets limit of {} exceeded.",
            limits::RECORD_SETS
        ));
    }
}

/// What is wrong with the target of an alias: in the zone itself it has to exist; a service's is taken as
/// it is.
fn alias_problem(
    zone: &HostedZone,
    sets: &Sets,
    name: &DnsName,
    slot: &Slot,
    alias: &AliasTarget,
) -> Option<String> {
    let record_type = slot.record_type;
    if matches!(record_type, RecordType::Ns | RecordType::Soa) {
        return Some(format!(
            "RRSet of type {} with DNS name {name} cannot be an alias.",
            record_type.name()
        ));
    }
    let target = &alias.dns_name;
    let tried = format!(
        "Tried to create an alias that targets {target}, type {} in zone {}, but ",
        record_type.name(),
        zone.id
    );
    if alias.hosted_zone_id != zone.id {
        // Services have addresses, and no other records (developer guide, "Choosing between alias and
        // non-alias records"); whose ids there are is not modelled.
        return alias
            .service_address(record_type)
            .is_none()
            .then(|| tried + "that target was not found");
    }
    let exists = sets
        .get(target)
        .is_some_and(|slots| slots.keys().any(|slot| slot.record_type == record_type));
    if !target.is_within(&zone.name) {
        Some(tried + "the alias target name does not lie within the target zone")
    } else if !exists {
        Some(tried + "that target was not found")
    } else if target == name {
        Some(tried + "it targets itself")
    } else {
        None
    }
}
