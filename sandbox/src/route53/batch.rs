//! ChangeResourceRecordSets: one batch of changes, all of it or nothing.
//!
//! Every problem of a batch is reported, in one InvalidChangeBatch whose message is the list in
//! brackets, as AWS sends it. The texts are AWS's as near as is known.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::served::{Before, BeforeSet};
use super::{HostedZone, RecordSet, RecordType, Sets, changes, limits, needs, record, typed, zone};
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
    /// Everything else makes a set with a routing policy, an alias or a health check.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
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
    record_type: RecordType,
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
        let (Some(ttl), false) = (sent.ttl, sent.resource_records.is_empty()) else {
            return Err(AwsError::new(
                "InvalidInput",
                format!(
                    "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and \
                     ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with \
                     [Action={}, Name={}, Type={}, SetIdentifier=null]",
                    action.name(),
                    sent.name,
                    sent.r#type
                ),
            ));
        };
        let values: Vec<String> = sent
            .resource_records
            .iter()
            .map(|r| r.value.clone())
            .collect();
        match DnsName::parse(&sent.name) {
            Err(problem) => problems.push(format!(
                "FATAL problem: {problem} encountered with '{}'",
                sent.name
            )),
            Ok(name) => {
                check_values(record_type, &values, &mut problems);
                let set = RecordSet { ttl, values };
                wanted.push(Wanted {
                    action: *action,
                    name,
                    record_type,
                    set,
                });
            }
        }
    }
    Ok((wanted, problems))
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
    let mut before: BTreeMap<(&DnsName, RecordType), (Option<RecordSet>, Action)> = BTreeMap::new();
    for Wanted {
        action,
        name,
        record_type,
        set,
    } in wanted
    {
        let shown = format!("[name='{name}', type='{}']", record_type.name());
        if !name.is_within(&zone.name) {
            problems.push(format!(
                "RRSet with DNS name {name} is not permitted in zone {}",
                zone.name
            ));
            continue;
        }
        let current = sets
            .get(name)
            .and_then(|types| types.get(record_type))
            .cloned();
        // A set may occur twice in a batch only as a replacement: DELETE, then CREATE.
        if let Some((_, earlier)) = before.get(&(name, *record_type))
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
            (Action::Delete, Some(current)) if !current.same_records(set, *record_type) => problems
                .push(format!(
                    "Tried to delete resource record set {shown} but the values provided do not \
                     match the current values"
                )),
            (Action::Delete, Some(_)) => {
                if let Some(types) = sets.get_mut(name) {
                    types.remove(record_type);
                }
            }
            (Action::Create, None) | (Action::Upsert, _) => {
                sets.entry(name.clone())
                    .or_default()
                    .insert(*record_type, set.clone());
            }
        }
        before
            .entry((name, *record_type))
            .and_modify(|(_, latest)| *latest = *action)
            .or_insert((current, *action));
    }
    sets.retain(|_, types| !types.is_empty());
    let before = before
        .into_iter()
        .map(|((name, record_type), (set, _))| BeforeSet {
            name: name.clone(),
            record_type,
            set,
        })
        .collect();
    (sets, before)
}

/// What must hold of the zone as a whole after the batch.
fn check_zone(zone: &HostedZone, sets: &Sets, wanted: &[Wanted], problems: &mut Vec<String>) {
    let apex = sets.get(&zone.name);
    let has = |record_type| apex.is_some_and(|types| types.contains_key(&record_type));
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
        record_type,
        ..
    } in wanted
    {
        if *action == Action::Delete {
            continue;
        }
        let type_name = record_type.name();
        let at_apex = *name == zone.name;
        match record_type {
            RecordType::Cname | RecordType::Ds if at_apex => problems.push(format!(
                "RRSet of type {type_name} with DNS name {name} is not permitted at apex in zone {}",
                zone.name
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
        let Some(types) = sets.get(name) else {
            continue;
        };
        if types.len() > 1 && types.contains_key(&RecordType::Cname) && !at_apex {
            let other = if *record_type == RecordType::Cname {
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
    let count: usize = sets.values().map(BTreeMap::len).sum();
    if count > limits::RECORD_SETS {
        problems.push(format!(
            "Number of resource record sets limit of {} exceeded.",
            limits::RECORD_SETS
        ));
    }
}
