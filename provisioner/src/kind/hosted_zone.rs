//! The public hosted zone.
//!
//! Natural key: the caller reference `spore-infra/DOMAIN/N`. AWS never accepts a used one again, even
//! after deletion, and zone names are not unique: so N counts up from 1, and two zones of one name
//! are an error. Private zones are ignored. A zone is never replaced: its name servers are what the
//! parent delegates to. AWS: CreateHostedZone, ListHostedZonesByName, ChangeTagsForResource,
//! ChangeResourceRecordSets, DeleteHostedZone.

use std::collections::BTreeMap;

use aws_sdk_route53::types as r53;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Clients, change_id, fail};
use crate::condition::Condition;
use crate::desired::Desired;
use crate::kind::Seen;
use crate::plan::{
    After, Change, DestroyOptions, Draft, Field, Lowered, Report, Risk, StepId, Symbol, of,
};
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Snapshot};

/// TTL of the SOA record: Route 53's own default (Developer Guide, "NS and SOA records").
pub const SOA_TTL_SECS: i64 = 900;
/// SOA minimum, the TTL of negative answers: AWS's guide for DNSSEC lowers its default of a day to 300.
pub const SOA_MINIMUM_SECS: u32 = 300;
/// Most record values in one change batch (Developer Guide, "Quotas"; deletes count once).
const BATCH_VALUES_MAX: usize = 1_000;
/// Most characters of values in one change batch (same page).
const BATCH_CHARS_MAX: usize = 32_000;

/// The zone as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Id without `/hostedzone/`.
    pub id: String,
    /// Caller reference it was created with.
    pub reference: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Record sets: the first page for a plan, all of them for `destroy`.
    pub records: Vec<RecordSet>,
    /// Whether `records` is everything.
    pub complete: bool,
}

/// One record set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordSet {
    /// Name as Route 53 writes it: lower case, trailing dot, octal escapes.
    pub name: String,
    /// Type, such as `A`.
    pub rtype: String,
    /// TTL in seconds; `None` for alias records.
    pub ttl_secs: Option<i64>,
    /// Values in presentation form.
    pub values: Vec<String>,
    /// Alias target: zone id, name, whether its health is evaluated.
    pub alias: Option<(String, String, bool)>,
    /// Routing policies and health checks, which this tool neither writes nor deletes; named.
    pub policy: Option<String>,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes: BTreeMap<String, String> = self
            .tags
            .iter()
            .map(|(key, value)| (format!("tags.{key}"), value.clone()))
            .collect();
        attributes.insert("id".into(), self.id.clone());
        attributes.insert("caller-reference".into(), self.reference.clone());
        if let Some(soa) = self.soa() {
            attributes.insert("soa".into(), format!("{soa:?}"));
        }
        attributes
    }

    /// The zone's own name servers, from its apex NS set.
    pub fn name_servers(&self, domain: &str) -> Vec<String> {
        let apex = format!("{domain}.");
        self.records
            .iter()
            .filter(|set| set.name == apex && set.rtype == "NS")
            .flat_map(|set| {
                set.values
                    .iter()
                    .map(|v| v.trim_end_matches('.').to_lowercase())
            })
            .collect()
    }

    /// TTL and minimum of the SOA record.
    pub fn soa(&self) -> Option<Soa> {
        let set = self.records.iter().find(|set| set.rtype == "SOA")?;
        let minimum = set
            .values
            .first()?
            .split_whitespace()
            .nth(6)?
            .parse()
            .ok()?;
        Some(Soa {
            ttl_secs: set.ttl_secs?,
            minimum_secs: minimum,
        })
    }

    /// Record sets that are not the apex's own NS and SOA.
    pub fn foreign_records(&self, domain: &str) -> Vec<&RecordSet> {
        let apex = format!("{domain}.");
        let own = |set: &RecordSet| set.name == apex && matches!(set.rtype.as_str(), "NS" | "SOA");
        self.records.iter().filter(|set| !own(set)).collect()
    }
}

/// What matters of a SOA record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soa {
    /// Its own TTL.
    pub ttl_secs: i64,
    /// Its last field, the TTL of negative answers (RFC 2308).
    pub minimum_secs: u32,
}

/// The caller reference of the `number`th zone of a domain: at most 128 characters, as the document
/// bounds the domain.
pub fn reference(domain: &str, number: u32) -> String {
    format!("{}{number}", reference_prefix(domain))
}

fn reference_prefix(domain: &str) -> String {
    format!("spore-infra/{domain}/")
}

/// What the zone needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let zone = of(addr, Output::ZoneId);
    match &snapshot.hosted_zone {
        Observation::Unreadable(why) | Observation::Foreign(why) => super::blocked(addr, why),
        Observation::Absent => {
            let comment = format!("{} by spore-infra", desired.domain);
            let tags = desired.tags();
            let mut fields = vec![
                Field::new("name", &desired.domain),
                Field::new("caller-reference", reference(&desired.domain, 1)),
                Field::new("comment", &comment),
                Field::new("soa.ttl", SOA_TTL_SECS.to_string()),
                Field::new("soa.minimum", SOA_MINIMUM_SECS.to_string()),
            ];
            fields.extend(super::tag_fields(&tags, &BTreeMap::new()));
            let mut create = Draft::new(
                "create",
                super::Op::HostedZone(Op::Create {
                    domain: desired.domain.clone(),
                    number: 1,
                    comment,
                }),
            )
            .done(Condition::ChangeInSync);
            if let Some(since) = super::intent(snapshot, addr) {
                create = create.ready(Condition::ListsSettled { since });
            }
            Lowered {
                change: Some(Change {
                    addr: addr.clone(),
                    symbol: Symbol::Create,
                    fields,
                    why: "no public zone of this name in the account".into(),
                    risk: Risk::Safe,
                }),
                drafts: vec![
                    create,
                    Draft::new(
                        "tag",
                        super::Op::HostedZone(Op::Tag {
                            zone: zone.clone(),
                            tags,
                        }),
                    ),
                    Draft::new("soa", super::Op::HostedZone(Op::SetSoa { zone }))
                        // One change of a zone at a time, or AWS answers PriorRequestNotComplete.
                        .after(After::Answered(StepId::new(addr, "tag")))
                        .done(Condition::ChangeInSync),
                ],
                ..Lowered::default()
            }
        }
        Observation::Present(live) => {
            let mut lowered = Lowered {
                known: Outputs::from([
                    (Output::ZoneId, live.id.clone()),
                    (
                        Output::NameServers,
                        live.name_servers(&desired.domain).join(" "),
                    ),
                ]),
                ..Lowered::default()
            };
            let mut fields = Vec::new();
            let tags = desired.tags_to_set(&live.tags);
            if !tags.is_empty() {
                fields.extend(super::tag_fields(&tags, &live.tags));
                let op = Op::Tag {
                    zone: zone.clone(),
                    tags,
                };
                lowered
                    .drafts
                    .push(Draft::new("tag", super::Op::HostedZone(op)));
            }
            if let Some(soa) = live.soa() {
                let wanted = Soa {
                    ttl_secs: SOA_TTL_SECS,
                    minimum_secs: SOA_MINIMUM_SECS,
                };
                if soa.ttl_secs != wanted.ttl_secs {
                    let (before, after) = (soa.ttl_secs.to_string(), wanted.ttl_secs.to_string());
                    fields.push(Field::change("soa.ttl", before, after));
                }
                if soa.minimum_secs != wanted.minimum_secs {
                    let (before, after) = (
                        soa.minimum_secs.to_string(),
                        wanted.minimum_secs.to_string(),
                    );
                    fields.push(Field::change("soa.minimum", before, after));
                }
                if soa != wanted {
                    lowered.drafts.push(
                        Draft::new("soa", super::Op::HostedZone(Op::SetSoa { zone }))
                            .after(After::Answered(StepId::new(addr, "tag")))
                            .done(Condition::ChangeInSync),
                    );
                }
            }
            if fields.is_empty() {
                return super::up_to_date(addr, lowered.known);
            }
            lowered.change = Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Update,
                fields,
                why: "differs from the document".into(),
                risk: Risk::Safe,
            });
            lowered
        }
    }
}

/// Removal: foreign records only on request, then the zone, after its keys.
pub fn destroy(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    options: &DestroyOptions,
) -> Lowered {
    let live = match &snapshot.hosted_zone {
        Observation::Absent => return Lowered::default(),
        Observation::Unreadable(why) => return super::blocked(addr, why),
        Observation::Foreign(what) => {
            return Lowered {
                report: vec![Report::Left {
                    what: addr.to_string(),
                    why: what.clone(),
                }],
                ..Lowered::default()
            };
        }
        Observation::Present(live) => live,
    };
    let zone = of(addr, Output::ZoneId);
    let ksk = desired.addr(Kind::Ksk);
    let signing = desired.addr(Kind::ZoneSigning);
    let mut lowered = Lowered {
        known: Outputs::from([(Output::ZoneId, live.id.clone())]),
        ..Lowered::default()
    };
    let mut fields = vec![Field::gone("id", &live.id)];
    let foreign = live.foreign_records(&desired.domain);
    let mut delete = Draft::new(
        "delete",
        super::Op::HostedZone(Op::Delete { zone: zone.clone() }),
    )
    .after(After::AllOf(ksk.clone()))
    .after(After::AllOf(signing.clone()));
    if options.include_records && !foreign.is_empty() {
        for set in &foreign {
            fields.push(Field::gone(
                format!("{} {}", set.name, set.rtype),
                set.values.join(" | "),
            ));
        }
        let op = Op::DeleteRecords {
            zone,
            sets: foreign.into_iter().cloned().collect(),
        };
        lowered.drafts.push(
            Draft::new("delete-records", super::Op::HostedZone(op))
                .after(After::AllOf(ksk))
                .after(After::AllOf(signing))
                .done(Condition::ChangeInSync),
        );
        delete = delete.after(After::Settled(StepId::new(addr, "delete-records")));
    }
    lowered.drafts.push(delete);
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Destroy,
        fields,
        why: "the stack is taken down; a new zone would get other name servers".into(),
        risk: Risk::Irreversible,
    });
    lowered
}

/// Mutations of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateHostedZone.
    Create {
        /// Zone name.
        domain: String,
        /// N of the caller reference.
        number: u32,
        /// Comment.
        comment: String,
    },
    /// ChangeTagsForResource.
    Tag {
        /// Zone id.
        zone: Arg,
        /// Tags to set.
        tags: BTreeMap<String, String>,
    },
    /// ChangeResourceRecordSets: the SOA record with our TTL and minimum, its other fields kept.
    SetSoa {
        /// Zone id.
        zone: Arg,
    },
    /// ChangeResourceRecordSets: exactly these sets are deleted.
    DeleteRecords {
        /// Zone id.
        zone: Arg,
        /// The sets.
        sets: Vec<RecordSet>,
    },
    /// DeleteHostedZone.
    Delete {
        /// Zone id.
        zone: Arg,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Create { .. } => self.clone(),
            Op::Tag { zone, tags } => Op::Tag {
                zone: f(zone),
                tags: tags.clone(),
            },
            Op::SetSoa { zone } => Op::SetSoa { zone: f(zone) },
            Op::DeleteRecords { zone, sets } => Op::DeleteRecords {
                zone: f(zone),
                sets: sets.clone(),
            },
            Op::Delete { zone } => Op::Delete { zone: f(zone) },
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        match self {
            Op::Create { .. } => &[Output::ZoneId, Output::NameServers],
            Op::Tag { .. } | Op::SetSoa { .. } | Op::DeleteRecords { .. } | Op::Delete { .. } => {
                &[]
            }
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "route53:CreateHostedZone",
            Op::Tag { .. } => "route53:ChangeTagsForResource",
            Op::SetSoa { .. } | Op::DeleteRecords { .. } => "route53:ChangeResourceRecordSets",
            Op::Delete { .. } => "route53:DeleteHostedZone",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::Tag { .. } => "tagging",
            Op::SetSoa { .. } => "setting SOA times",
            Op::DeleteRecords { .. } => "deleting records",
            Op::Delete { .. } => "deleting",
        }
    }
}

/// Zones of the name, as a list shows them.
pub async fn list(read: &Clients, domain: &str) -> Result<Vec<Live>, Failure> {
    let name = format!("{domain}.");
    let mut found = Vec::new();
    let mut start: Option<(String, String)> = None;
    loop {
        let (start_name, start_id) = start
            .clone()
            .map_or((name.clone(), None), |(n, i)| (n, Some(i)));
        let call = read
            .route53
            .list_hosted_zones_by_name()
            .dns_name(start_name);
        let page = call
            .set_hosted_zone_id(start_id)
            .send()
            .await
            .map_err(|error| fail("route53:ListHostedZonesByName", error))?;
        for zone in page.hosted_zones() {
            let is_private = zone.config().is_some_and(|config| config.private_zone());
            if zone.name() == name && !is_private {
                found.push(Live {
                    id: bare_id(zone.id()),
                    reference: zone.caller_reference().to_owned(),
                    ..Live::default()
                });
            }
        }
        // The list is sorted by name, so the next page matters only while the name goes on.
        start = match (page.next_dns_name(), page.next_hosted_zone_id()) {
            (Some(next), Some(id)) if page.is_truncated() && next == name => {
                Some((next.to_owned(), id.to_owned()))
            }
            (_, _) => return Ok(found),
        };
    }
}

/// Picks our zone from the list, or by the id that the journal remembers when the list lags.
pub async fn pick(
    read: &Clients,
    desired: &Desired,
    listed: Result<Vec<Live>, Failure>,
    remembered: Option<&str>,
) -> Observation<Live> {
    let mut zones = match listed {
        Ok(zones) => zones,
        Err(failure) => return Observation::Unreadable(failure.to_string()),
    };
    if let Some(id) = remembered
        && !zones.iter().any(|zone| zone.id == id)
    {
        match read.route53.get_hosted_zone().id(id).send().await {
            Ok(answer) => zones.extend(answer.hosted_zone().map(|zone| Live {
                id: bare_id(zone.id()),
                reference: zone.caller_reference().to_owned(),
                ..Live::default()
            })),
            Err(error) => {
                let failure = fail("route53:GetHostedZone", error);
                if failure.class != Class::Gone {
                    return Observation::Unreadable(failure.to_string());
                }
            }
        }
    }
    // Lists also lag behind deletions: of several, only those that a direct read finds count.
    if zones.len() > 1 {
        let mut alive = Vec::new();
        for zone in zones {
            match exists(read, &zone.id).await {
                Ok(true) => alive.push(zone),
                Ok(false) => {}
                Err(failure) => return Observation::Unreadable(failure.to_string()),
            }
        }
        zones = alive;
    }
    choose(&desired.domain, zones)
}

/// One zone of our reference is ours; anything else is foreign or an error.
fn choose(domain: &str, zones: Vec<Live>) -> Observation<Live> {
    let prefix = reference_prefix(domain);
    let names = |zones: &[Live]| {
        zones
            .iter()
            .map(|z| format!("{} (caller reference {})", z.id, z.reference))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match zones.len() {
        0 => Observation::Absent,
        1 => {
            let zone = zones.into_iter().next().unwrap_or_default();
            if zone.reference.starts_with(&prefix) {
                Observation::Present(zone)
            } else {
                Observation::Foreign(format!(
                    "a public zone {domain} that this tool did not make exists: {}; delete it or \
                     choose another domain",
                    names(&[zone])
                ))
            }
        }
        _ => Observation::Foreign(format!(
            "{} public zones of this name exist: {}; delete those that the parent does not delegate to",
            zones.len(),
            names(&zones)
        )),
    }
}

/// Which part of the records to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// One page: the apex comes first.
    FirstPage,
    /// Everything.
    All,
}

/// Reads tags and records of a zone that was picked.
pub async fn detail(
    read: &Clients,
    picked: Observation<Live>,
    records: Records,
) -> Observation<Live> {
    let Observation::Present(mut live) = picked else {
        return picked;
    };
    let (tags, sets) = tokio::join!(tags(read, &live.id), record_sets(read, &live.id, records));
    match (tags, sets) {
        (Ok(tags), Ok((sets, complete))) => {
            live.tags = tags;
            live.records = sets;
            live.complete = complete;
        }
        // Listed still, but deleted.
        (Err(failure), _) | (_, Err(failure)) if failure.class == Class::Gone => {
            return Observation::Absent;
        }
        (Err(failure), _) | (_, Err(failure)) => {
            return Observation::Unreadable(failure.to_string());
        }
    }
    Observation::Present(live)
}

async fn tags(read: &Clients, id: &str) -> Result<BTreeMap<String, String>, Failure> {
    let call = read.route53.list_tags_for_resource().resource_id(id);
    let answer = call
        .resource_type(r53::TagResourceType::Hostedzone)
        .send()
        .await
        .map_err(|error| fail("route53:ListTagsForResource", error))?;
    let tags = answer
        .resource_tag_set()
        .map(|set| set.tags())
        .unwrap_or_default();
    Ok(tags
        .iter()
        .filter_map(|tag| {
            Some((
                tag.key()?.to_owned(),
                tag.value().unwrap_or_default().to_owned(),
            ))
        })
        .collect())
}

async fn record_sets(
    read: &Clients,
    id: &str,
    records: Records,
) -> Result<(Vec<RecordSet>, bool), Failure> {
    let mut sets = Vec::new();
    let mut next: Option<(String, r53::RrType, Option<String>)> = None;
    loop {
        let mut call = read.route53.list_resource_record_sets().hosted_zone_id(id);
        if let Some((name, rtype, identifier)) = next {
            call = call
                .start_record_name(name)
                .start_record_type(rtype)
                .set_start_record_identifier(identifier);
        }
        let page = call
            .send()
            .await
            .map_err(|error| fail("route53:ListResourceRecordSets", error))?;
        sets.extend(page.resource_record_sets().iter().map(record_set));
        next = match (page.next_record_name(), page.next_record_type()) {
            (Some(name), Some(rtype)) if page.is_truncated() => Some((
                name.to_owned(),
                rtype.clone(),
                page.next_record_identifier().map(str::to_owned),
            )),
            (_, _) => return Ok((sets, true)),
        };
        if records == Records::FirstPage {
            return Ok((sets, false));
        }
    }
}

fn record_set(set: &r53::ResourceRecordSet) -> RecordSet {
    let policy = [
        ("set identifier", set.set_identifier().map(str::to_owned)),
        ("health check", set.health_check_id().map(str::to_owned)),
        (
            "traffic policy",
            set.traffic_policy_instance_id().map(str::to_owned),
        ),
    ];
    RecordSet {
        name: set.name().to_owned(),
        rtype: set.r#type().as_str().to_owned(),
        ttl_secs: set.ttl(),
        values: set
            .resource_records()
            .iter()
            .map(|record| record.value().to_owned())
            .collect(),
        alias: set.alias_target().map(|alias| {
            (
                alias.hosted_zone_id().to_owned(),
                alias.dns_name().to_owned(),
                alias.evaluate_target_health(),
            )
        }),
        policy: policy
            .into_iter()
            .find_map(|(what, value)| value.map(|value| format!("{what} {value}"))),
    }
}

/// Looks for a living zone of this stack, whatever the number of its caller reference: an interrupted
/// run may have got to a later one. Lists also lag behind deletions, so a listed zone is
/// believed only when a direct read finds it: right after `destroy` the list still shows the old one.
pub async fn look(read: &Clients, domain: &str) -> Result<Seen, Failure> {
    let prefix = reference_prefix(domain);
    for zone in list(read, domain).await? {
        if zone.reference.starts_with(&prefix) && exists(read, &zone.id).await? {
            return Ok(Seen::Found(Outputs::from([
                (Output::ZoneId, zone.id),
                (Output::NameServers, String::new()),
            ])));
        }
    }
    Ok(Seen::NotListed)
}

/// Whether a direct read finds a zone.
async fn exists(read: &Clients, id: &str) -> Result<bool, Failure> {
    let answer = read.route53.get_hosted_zone().id(id).send().await;
    match answer.map_err(|error| fail("route53:GetHostedZone", error)) {
        Ok(_) => Ok(true),
        Err(failure) if failure.class == Class::Gone => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Asks for the state of a change.
pub async fn look_change(read: &Clients, id: &str) -> Result<Seen, Failure> {
    let answer = read
        .route53
        .get_change()
        .id(id)
        .send()
        .await
        .map_err(|error| fail("route53:GetChange", error))?;
    let in_sync = answer
        .change_info()
        .is_some_and(|info| *info.status() == r53::ChangeStatus::Insync);
    Ok(if in_sync { Seen::InSync } else { Seen::Pending })
}

/// The id without `/hostedzone/`.
fn bare_id(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Create {
            domain,
            number,
            comment,
        } => {
            let config = r53::HostedZoneConfig::builder().comment(comment).build();
            let call = write
                .route53
                .create_hosted_zone()
                .name(domain)
                .hosted_zone_config(config);
            let call = call.caller_reference(reference(domain, *number));
            let answer = call.send().await.map_err(|error| fail(action, error))?;
            let mut outputs = change_id(answer.change_info);
            let zone = answer
                .hosted_zone
                .map(|zone| bare_id(zone.id()))
                .unwrap_or_default();
            let servers = answer.delegation_set.map(|set| set.name_servers.join(" "));
            outputs.insert(Output::ZoneId, zone);
            outputs.insert(Output::NameServers, servers.unwrap_or_default());
            Ok(outputs)
        }
        Op::Tag { zone, tags } => {
            let call = write
                .route53
                .change_tags_for_resource()
                .resource_type(r53::TagResourceType::Hostedzone)
                .resource_id(zone.value());
            let tags = tags
                .iter()
                .map(|(key, value)| r53::Tag::builder().key(key).value(value).build())
                .collect();
            call.set_add_tags(Some(tags))
                .send()
                .await
                .map_err(|error| fail(action, error))?;
            Ok(Outputs::new())
        }
        Op::SetSoa { zone } => set_soa(zone.value(), write).await,
        Op::DeleteRecords { zone, sets } => delete_records(zone.value(), sets, write).await,
        Op::Delete { zone } => {
            let call = write.route53.delete_hosted_zone().id(zone.value());
            call.send().await.map_err(|error| fail(action, error))?;
            Ok(Outputs::new())
        }
    }
}

/// Reads the SOA record and writes it back with two numbers replaced: its first field, the primary
/// server's name, is AWS's choice and known only now.
async fn set_soa(zone: &str, write: &Clients) -> Result<Outputs, Failure> {
    let (sets, _) = record_sets(write, zone, Records::FirstPage).await?;
    let unusable = |message: &str| Failure {
        operation: "route53:ChangeResourceRecordSets".into(),
        class: Class::Refused,
        code: String::new(),
        message: message.into(),
    };
    let soa = sets
        .iter()
        .find(|set| set.rtype == "SOA")
        .ok_or_else(|| unusable("the zone shows no SOA record"))?;
    let value = soa.values.first().map(String::as_str).unwrap_or_default();
    let mut parts: Vec<&str> = value.split_whitespace().collect();
    let minimum = SOA_MINIMUM_SECS.to_string();
    match parts.last_mut() {
        Some(last) if value.split_whitespace().count() == 7 => *last = &minimum,
        Some(_) | None => return Err(unusable("the zone's SOA record has not seven fields")),
    }
    let wanted = RecordSet {
        ttl_secs: Some(SOA_TTL_SECS),
        values: vec![parts.join(" ")],
        ..soa.clone()
    };
    change(zone, vec![(r53::ChangeAction::Upsert, wanted)], write).await
}

/// Deletes sets in batches within Route 53's limits; a set that is gone already is what was asked for.
async fn delete_records(
    zone: &str,
    sets: &[RecordSet],
    write: &Clients,
) -> Result<Outputs, Failure> {
    let (live, _) = record_sets(write, zone, Records::All).await?;
    let left: Vec<&RecordSet> = sets.iter().filter(|set| live.contains(set)).collect();
    let mut outputs = Outputs::new();
    for batch in batches(&left) {
        let changes = batch
            .iter()
            .map(|set| (r53::ChangeAction::Delete, (*set).clone()))
            .collect();
        outputs = change(zone, changes, write).await?;
    }
    Ok(outputs)
}

fn batches<'a>(sets: &[&'a RecordSet]) -> Vec<Vec<&'a RecordSet>> {
    let mut batches: Vec<Vec<&RecordSet>> = Vec::new();
    let (mut values, mut chars) = (0, 0);
    for set in sets {
        let (set_values, set_chars) = (
            set.values.len().max(1),
            set.values.iter().map(String::len).sum::<usize>(),
        );
        let full = values + set_values > BATCH_VALUES_MAX || chars + set_chars > BATCH_CHARS_MAX;
        match batches.last_mut() {
            Some(batch) if !full => batch.push(set),
            Some(_) | None => {
                batches.push(vec![set]);
                (values, chars) = (0, 0);
            }
        }
        values += set_values;
        chars += set_chars;
    }
    batches
}

async fn change(
    zone: &str,
    changes: Vec<(r53::ChangeAction, RecordSet)>,
    write: &Clients,
) -> Result<Outputs, Failure> {
    let action = "route53:ChangeResourceRecordSets";
    let built = |error: aws_smithy_types::error::operation::BuildError| Failure {
        operation: action.into(),
        class: Class::Refused,
        code: String::new(),
        message: error.to_string(),
    };
    let mut batch = r53::ChangeBatch::builder();
    for (what, set) in changes {
        let set = sdk_record_set(&set).map_err(built)?;
        let change = r53::Change::builder()
            .action(what)
            .resource_record_set(set)
            .build()
            .map_err(built)?;
        batch = batch.changes(change);
    }
    let call = write
        .route53
        .change_resource_record_sets()
        .hosted_zone_id(zone);
    let answer = call
        .change_batch(batch.build().map_err(built)?)
        .send()
        .await
        .map_err(|error| fail(action, error))?;
    Ok(change_id(answer.change_info))
}

fn sdk_record_set(
    set: &RecordSet,
) -> Result<r53::ResourceRecordSet, aws_smithy_types::error::operation::BuildError> {
    let mut built = r53::ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(r53::RrType::from(set.rtype.as_str()))
        .set_ttl(set.ttl_secs);
    for value in &set.values {
        built = built.resource_records(r53::ResourceRecord::builder().value(value).build()?);
    }
    if let Some((zone, name, health)) = &set.alias {
        let alias = r53::AliasTarget::builder()
            .hosted_zone_id(zone)
            .dns_name(name)
            .evaluate_target_health(*health);
        built = built.alias_target(alias.build()?);
    }
    built.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(id: &str, reference: &str) -> Live {
        Live {
            id: id.into(),
            reference: reference.into(),
            ..Live::default()
        }
    }

    #[test]
    fn only_one_zone_of_our_reference_is_ours() {
        let domain = "spore.example.edu";
        assert_eq!(choose(domain, vec![]), Observation::Absent);
        let ours = zone("Z1", "spore-infra/spore.example.edu/3");
        assert_eq!(
            choose(domain, vec![ours.clone()]),
            Observation::Present(ours.clone())
        );
        let other = zone("Z2", "terraform-2025");
        for foreign in [
            vec![other.clone()],
            vec![ours.clone(), other],
            vec![ours.clone(), ours],
        ] {
            assert!(matches!(choose(domain, foreign), Observation::Foreign(_)));
        }
        let neighbour = zone("Z3", "spore-infra/spore.example.edu.au/1");
        assert!(matches!(
            choose(domain, vec![neighbour]),
            Observation::Foreign(_)
        ));
    }

    #[test]
    fn deletes_are_batched_within_the_limits() {
        let set = |n: usize| RecordSet {
            name: format!("r{n}."),
            rtype: "TXT".into(),
            ttl_secs: Some(60),
            values: vec!["x".repeat(100)],
            ..RecordSet::default()
        };
        let sets: Vec<_> = (0..2_500).map(set).collect();
        let refs: Vec<_> = sets.iter().collect();
        let batches = batches(&refs);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 2_500);
        for batch in batches {
            let values: usize = batch.iter().map(|s| s.values.len()).sum();
            let chars: usize = batch
                .iter()
                .flat_map(|s| s.values.iter().map(String::len))
                .sum();
            assert!(values <= BATCH_VALUES_MAX && chars <= BATCH_CHARS_MAX);
        }
    }
}
