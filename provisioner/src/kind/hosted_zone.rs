//! The public hosted zone.
//!
//! Natural key: the caller reference `spore-infra/DOMAIN/N`. AWS never accepts a used one again, even
//! after deletion, and zone names are not unique: so N counts up from 1, and two zones of one name
//! are an error. A zone of another reference is ours only when it was adopted: its tags say so. Private
//! zones are ignored. A zone is never replaced: its name servers are what the
//! parent delegates to. The SOA record's times are set in zones made here; in others TTLs are their
//! owners', and only lowered for a while (`ttls`). AWS: CreateHostedZone, ListHostedZonesByName, ChangeTagsForResource,
//! ChangeResourceRecordSets, DeleteHostedZone.

mod observe;
mod op;
mod perform;
pub mod ttls;

use std::collections::{BTreeMap, BTreeSet};

use crate::addr::{Addr, Kind};
use crate::arg::{Output, Outputs};
use crate::condition::Condition;
use crate::desired::{Desired, TAG_NAMES};
use crate::kind::delegation;
use crate::plan::{
    After, Change, DestroyOptions, Draft, Field, Lowered, Report, RightChange, Risk, StepId,
    Symbol, of,
};
use crate::snapshot::{Observation, ParentView, Snapshot};

pub use observe::{
    Left, Records, assigned, detail, is_another, left, list, look, look_change, pick, public_zones,
    record_set, servers,
};
pub use op::{Edit, Held, Op};
pub use perform::{change, perform};

/// TTL of the SOA record: Route 53's own default (Developer Guide, "NS and SOA records").
pub const SOA_TTL_SECS: i64 = 900;
/// TTL in seconds with which Route 53 makes a zone's own NS set (Route 53 API, CreateHostedZone).
pub const NS_TTL_SECS: i64 = 172_800;
/// SOA minimum, the TTL of negative answers: AWS's guide for DNSSEC lowers its default of a day to 300.
pub const SOA_MINIMUM_SECS: u32 = 300;

/// The zone as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Id without `/hostedzone/`.
    pub id: String,
    /// Caller reference it was created with.
    pub reference: String,
    /// Its comment; empty when there is none.
    pub comment: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Record sets: the first page for a plan, all of them for `destroy`.
    pub records: Vec<RecordSet>,
    /// Whether `records` is everything.
    pub complete: bool,
    /// Name servers that Route 53 gave the zone, asked for where its own NS set was not to be believed.
    pub assigned: Option<Vec<String>>,
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

impl RecordSet {
    /// Whether another one has the same TTL and values, in any order.
    pub fn is_like(&self, other: &Self) -> bool {
        let sorted = |set: &Self| {
            let mut values = set.values.clone();
            values.sort();
            values
        };
        (
            &self.name,
            &self.rtype,
            self.ttl_secs,
            &self.alias,
            &self.policy,
        ) == (
            &other.name,
            &other.rtype,
            other.ttl_secs,
            &other.alias,
            &other.policy,
        ) && sorted(self) == sorted(other)
    }
}

/// The name that a record set is about: a mark at `_spore.NAME` says whose NAME is (design, section 6).
pub fn owned_name(name: &str) -> &str {
    name.strip_prefix(OWNER_PREFIX).unwrap_or(name)
}

/// Where the updater keeps the owner of a name.
pub const OWNER_PREFIX: &str = "_spore.";

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
        if !self.comment.is_empty() {
            attributes.insert("comment".into(), self.comment.clone());
        }
        if let Some(soa) = self.soa() {
            attributes.insert("soa.ttl".into(), soa.ttl_secs.to_string());
            attributes.insert("soa.minimum".into(), soa.minimum_secs.to_string());
        }
        attributes
    }

    /// Whether this tool made it, and did not adopt it.
    pub fn is_made_here(&self, domain: &str) -> bool {
        self.reference.starts_with(&reference_prefix(domain))
    }

    /// The zone's own NS set.
    pub fn name_server_set(&self, domain: &str) -> Option<&RecordSet> {
        let apex = format!("{domain}.");
        let mut sets = self.records.iter();
        sets.find(|set| set.name == apex && set.rtype == "NS")
    }

    /// The name servers that Route 53 gave the zone: those that may be told to anybody. Who can write
    /// records can change what the zone itself says of them.
    pub fn name_servers(&self, domain: &str) -> Vec<String> {
        match &self.assigned {
            Some(assigned) => assigned.clone(),
            None => self.apex_servers(domain),
        }
    }

    /// The name servers that the zone's own NS set names.
    pub fn apex_servers(&self, domain: &str) -> Vec<String> {
        self.name_server_set(domain)
            .into_iter()
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

    /// The set of a name and type, unless it is one of several.
    pub fn set(&self, name: &str, rtype: &str) -> Option<&RecordSet> {
        self.records
            .iter()
            .find(|set| set.name == name && set.rtype == rtype && set.policy.is_none())
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

fn known(desired: &Desired, live: &Live) -> Outputs {
    let servers = live.name_servers(&desired.domain).join(" ");
    Outputs::from([
        (Output::ZoneId, live.id.clone()),
        (Output::NameServers, servers),
    ])
}

/// The zone for plans that do not change it: what it brings, or why it cannot be told.
pub fn as_it_is(desired: &Desired, snapshot: &Snapshot) -> Lowered {
    // What a step of another resource needs of it is not known then.
    if let Observation::Unreadable(why) = &snapshot.hosted_zone {
        return super::blocked(&desired.addr(Kind::HostedZone), why);
    }
    let known = snapshot
        .hosted_zone
        .present()
        .map(|zone| known(desired, zone));
    Lowered {
        known: known.unwrap_or_default(),
        ..Lowered::default()
    }
}

/// A quota that cannot be read is told of and blocks nothing: CreateHostedZone itself refuses what is
/// too much, and nothing has been written by then that the next apply would not take up.
fn quota_warning(addr: &Addr, snapshot: &Snapshot) -> Option<Report> {
    let failure = snapshot.zones_left.as_ref().err()?;
    Some(Report::Warning {
        addr: addr.clone(),
        what: format!("not known whether the account may have one more hosted zone: {failure}"),
    })
}

fn tags(desired: &Desired) -> BTreeMap<String, String> {
    let mut tags = desired.tags();
    tags.insert(TAG_NAMES.into(), desired.names());
    tags
}

/// Why a document does not lead to the rest of this zone's stack. The zone is the one part that is found
/// whatever region and names the document gives.
fn renamed(desired: &Desired, live: &Live) -> Option<String> {
    let made = live.tags.get(TAG_NAMES)?;
    let wanted = desired.names();
    if *made == wanted {
        return None;
    }
    let parts = ["region", "prefix", "function", "role"];
    let differences: Vec<String> = parts
        .iter()
        .zip(made.split(' ').zip(wanted.split(' ')))
        .filter(|(_, (made, wanted))| made != wanted)
        .map(|(part, (made, wanted))| format!("{part} {made}, not {wanted}"))
        .collect();
    Some(format!(
        "the rest of this stack was made with {}; change the document back, since nothing that is there \
         would be found, and all of it would stay beside what is made anew. To rename it all the same, delete \
         the old function, role, API and alarms and the tag {TAG_NAMES} of the zone, then apply",
        differences.join(", ")
    ))
}

/// Whether a server of the parent is known to name servers for the zone.
fn is_delegated(snapshot: &Snapshot) -> bool {
    let ParentView::Seen { servers, .. } = &snapshot.parent else {
        return false;
    };
    let mut answers = servers.iter().flat_map(|server| &server.answer);
    answers.any(|answer| !answer.name_servers.is_empty())
}

/// What the zone needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let zone = of(addr, Output::ZoneId);
    match &snapshot.hosted_zone {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => super::blocked(addr, why),
        Observation::Absent if matches!(snapshot.zones_left, Ok(Some(..=0))) => super::blocked(
            addr,
            "the account has as many hosted zones as it may: ask AWS for more (Service Quotas, Route 53, \
             \"Hosted zones\"), or delete one that nobody needs",
        ),
        Observation::Absent => {
            let comment = comment(desired);
            let tags = tags(desired);
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
                report: quota_warning(addr, snapshot).into_iter().collect(),
                change: Some(Change {
                    addr: addr.clone(),
                    symbol: Symbol::Create,
                    fields,
                    why: if is_delegated(snapshot) {
                        "no public zone of this name in the account, though the parent delegates to one: \
                         the new one has other name servers"
                    } else {
                        "no public zone of this name in the account"
                    }
                    .into(),
                    risk: if is_delegated(snapshot) {
                        Risk::Outage
                    } else {
                        Risk::Safe
                    },
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
            if let Some(why) = renamed(desired, live) {
                return super::blocked(addr, why);
            }
            let mut lowered = Lowered {
                known: known(desired, live),
                ..Lowered::default()
            };
            let mut fields = Vec::new();
            let mut tags = tags(desired);
            tags.retain(|key, value| live.tags.get(key) != Some(value));
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
            // What somebody wrote of a zone that was adopted is theirs.
            let comment = comment(desired);
            if live.is_made_here(&desired.domain) && live.comment != comment {
                fields.push(Field::change("comment", &live.comment, &comment));
                let zone = zone.clone();
                let op = super::Op::HostedZone(Op::SetComment { zone, comment });
                lowered.drafts.push(Draft::new("comment", op));
            }
            if let Some(soa) = live.soa().filter(|_| live.is_made_here(&desired.domain)) {
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
            own_servers(addr, desired, live, &mut fields, &mut lowered);
            let differs = (!fields.is_empty()).then_some("differs from the document");
            // What is kept, lowered and put back of the NS set is what it is put right to before.
            let righted = righted(desired, live);
            let live = righted.as_ref().unwrap_or(live);
            let turn = ttls::converge(addr, desired, snapshot, live);
            fields.extend(turn.fields);
            lowered.drafts.extend(turn.drafts);
            lowered.report.extend(turn.report);
            if fields.is_empty() {
                lowered.report.push(Report::UpToDate(addr.clone()));
                return lowered;
            }
            let why: Vec<&str> = differs.into_iter().chain(turn.why).collect();
            lowered.change = Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Update,
                fields,
                why: why.join("; "),
                risk: Risk::Safe,
            });
            lowered
        }
    }
}

/// What the zone says of itself in lists.
pub fn comment(desired: &Desired) -> String {
    format!("{} by spore-infra", desired.domain)
}

/// The zone's own NS set names the servers that Route 53 gave it: resolvers follow it once they have it
/// (RFC 2181, section 5.4.1), whatever the parent says.
fn own_servers(
    addr: &Addr,
    desired: &Desired,
    live: &Live,
    fields: &mut Vec<Field>,
    lowered: &mut Lowered,
) {
    let domain = &desired.domain;
    let Some(assigned) = &live.assigned else {
        return;
    };
    let named: BTreeSet<String> = live.apex_servers(domain).into_iter().collect();
    let wanted: BTreeSet<String> = assigned.iter().cloned().collect();
    if named == wanted {
        return;
    }
    let text = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
    fields.push(Field::change("name-servers", text(&named), text(&wanted)));
    let strangers = named.difference(&wanted);
    lowered.rights.extend(strangers.map(|server| RightChange {
        addr: addr.clone(),
        gained: false,
        sentence: format!("{server} is named as a server of {domain}, and may answer for it"),
    }));
    let ttl_secs = live
        .set(&format!("{domain}."), "NS")
        .and_then(|set| set.ttl_secs)
        .unwrap_or(NS_TTL_SECS);
    let op = super::Op::HostedZone(Op::SetNameServers {
        zone: of(addr, Output::ZoneId),
        domain: domain.clone(),
        ttl_secs,
        servers: assigned.clone(),
    });
    lowered.drafts.push(
        Draft::new("name-servers", op)
            .after(After::Answered(StepId::new(addr, "soa")))
            .done(Condition::ChangeInSync),
    );
}

/// The zone as it is once its own NS set names the servers that Route 53 gave it, where that differs.
fn righted(desired: &Desired, live: &Live) -> Option<Live> {
    let assigned = live.assigned.as_ref()?;
    let named: BTreeSet<String> = live.apex_servers(&desired.domain).into_iter().collect();
    if named == assigned.iter().cloned().collect() {
        return None;
    }
    let apex = format!("{}.", desired.domain);
    let mut righted = live.clone();
    let sets = righted.records.iter_mut();
    for set in sets.filter(|set| set.name == apex && set.rtype == "NS") {
        set.values = assigned.iter().map(|server| format!("{server}.")).collect();
    }
    Some(righted)
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
        Observation::Foreign(what, _) => {
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
    if let Some(why) = renamed(desired, live) {
        return super::blocked(addr, why);
    }
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
    .after(After::AllOf(signing.clone()))
    .after(After::AllOf(desired.addr(Kind::Delegation)));
    delete
        .ready_when
        .extend(delegation::zone_hold_down(desired, snapshot));
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
