//! The journal: log group `/spore-infra/DOMAIN`. Its tags hold evidence for waits, its events the
//! history of applies. First made, last removed.
//!
//! Natural key: the name. Runs read tags directly (`ListTagsForResource`), not through a list, so that
//! a group made a second ago is seen; plans that are only shown take what the tagging API has. AWS:
//! CreateLogGroup, PutRetentionPolicy, TagResource, PutLogEvents.

mod kept;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::types::LogGroup;
use jiff::Timestamp;

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients};
use crate::desired::{Desired, TAG_STACK};
use crate::kind::hosted_zone::RecordSet;
use crate::kind::hosted_zone::ttls::Kept;
use crate::kind::log_group::{JOURNAL, Lines, Place};
use crate::kind::zone_signing::former::{self, Vouched};
use crate::kind::{hosted_zone, log_group, zone_signing};
use crate::plan::{After, Change, Draft, Field, Lowered, Report, Risk, StepId, Symbol, of};
use crate::retry::{Class, Failure};
use crate::rotation;
use crate::snapshot::{Observation, ParentView, Snapshot, Stranger};
use crate::tags::{self, Tags};
use crate::teardown;

/// Years of history are small: a few events per change. One of the values CloudWatch Logs allows.
pub const RETENTION_DAYS: i32 = 3653;

/// Evidence: id of the hosted zone, so that it is found although lists lag.
pub const EVIDENCE_ZONE: &str = "spore:zone";
/// Evidence: id of the REST API, so that it is found although lists lag.
pub const EVIDENCE_API: &str = "spore:api";
/// Evidence: id of the deployment that the API's stage serves, which nobody who can only edit the API can change.
pub const EVIDENCE_DEPLOYMENT: &str = "spore:deployment";
/// Evidence: the name servers that Route 53 gave the zone, separated by blanks.
pub const EVIDENCE_SERVERS: &str = "spore:name-servers";
/// Evidence: since when a zone that was delegated unsigned has been signed.
pub const EVIDENCE_SIGNED: &str = "spore:signed-since";
/// Evidence: the largest TTL in seconds that the zone's records had when signing went on.
pub const EVIDENCE_SIGNED_TTL: &str = "spore:signed-ttl";
/// Evidence: since when no parent server has had a DS record of the zone.
pub const EVIDENCE_DS_GONE: &str = "spore:ds-gone-since";
/// Evidence: the largest TTL in seconds with which a parent server showed a DS record of the zone.
pub const EVIDENCE_DS_TTL: &str = "spore:ds-ttl";

/// Evidence: the largest TTL in seconds with which a parent server showed a delegation of the zone.
pub const EVIDENCE_DELEGATED: &str = "spore:delegated-ttl";

/// Evidence: the largest TTLs in seconds seen of a delegation of the zone to other servers: of the parent's NS set, of
/// those servers' own, and of what else they answer.
pub const EVIDENCE_FORMER: &str = "spore:former-ttls";
/// Evidence: since when the parent delegates to nobody but the zone's servers.
pub const EVIDENCE_FORMER_GONE: &str = "spore:former-gone-since";

/// Evidence: how many seconds resolvers remember the delegation that this tool takes out of the parent zone.
pub const EVIDENCE_NS_TTL: &str = "spore:ns-ttl";
/// Evidence: since when it is out.
pub const EVIDENCE_NS_GONE: &str = "spore:ns-gone-since";

/// Evidence: since when a destroy is under way.
pub const EVIDENCE_DESTROYING: &str = "spore:destroying-since";

/// Evidence: the log stream that says what the zone's TTLs were before they were lowered for signing it.
pub const EVIDENCE_TTLS: &str = "spore:ttls";
/// Evidence: since when all of them are low.
pub const EVIDENCE_LOWERED: &str = "spore:ttls-low-since";
/// Evidence: since when every parent server has had a DS record, noted while TTLs are low.
pub const EVIDENCE_DS_SEEN: &str = "spore:ds-since";

/// Whether waits count from a piece of evidence, or last as long as it says.
pub fn is_counted_from(key: &str) -> bool {
    let of_parent = [
        EVIDENCE_SIGNED,
        EVIDENCE_DS_GONE,
        EVIDENCE_FORMER,
        EVIDENCE_FORMER_GONE,
        EVIDENCE_NS_GONE,
        EVIDENCE_LOWERED,
        EVIDENCE_DS_SEEN,
    ];
    let mut of_rotation = rotation::EVIDENCE.iter();
    of_parent.contains(&key) || of_rotation.any(|(known, _)| *known == key)
}

/// The step that notes the TTLs of a delegation to others.
pub const NOTE_FORMER: &str = "remember-former";
/// The step that notes since when there is none.
pub const NOTE_FORMER_GONE: &str = "remember-former-gone";

/// The journal group as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Days events are kept; `None` for ever; `Err` when the list does not show the group yet.
    pub retention_days: Result<Option<i32>, ()>,
    /// When it was made; none while the list does not show it, as right after that.
    pub created: Option<Timestamp>,
    /// All tags, evidence included.
    pub tags: BTreeMap<String, String>,
    /// What becomes of its lines besides.
    pub lines: Lines,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes: BTreeMap<String, String> = self
            .tags
            .iter()
            .map(|(key, value)| (format!("tags.{key}"), value.clone()))
            .collect();
        if let Ok(days) = self.retention_days {
            attributes.insert("retention-days".into(), days_text(days));
        }
        attributes.extend(self.lines.attributes());
        attributes
    }

    /// One piece of evidence.
    pub fn evidence(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    /// The largest TTL seen of a DS record, in seconds.
    pub fn ds_ttl_secs(&self) -> Option<u32> {
        self.evidence(EVIDENCE_DS_TTL)?.parse().ok()
    }

    /// The largest TTL seen of a delegation of the zone, in seconds.
    pub fn delegated_ttl_secs(&self) -> Option<u32> {
        self.evidence(EVIDENCE_DELEGATED)?.parse().ok()
    }
}

/// What a look at the parent has to leave in the journal for a later hold-down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParentSeen {
    /// The TTL of DS records to remember, if none as large was remembered.
    pub ds_ttl_secs: Option<u32>,
    /// The same of the delegation.
    pub ns_ttl_secs: Option<u32>,
    /// Whether the evidence that no server had a DS record is out of date: one has.
    pub is_back: bool,
}

/// What this snapshot adds to the evidence about the parent; none when nothing, or nowhere to keep it. Where there is
/// no journal, the run that makes it can keep all of it.
pub fn parent_seen(snapshot: &Snapshot) -> Option<ParentSeen> {
    let live = snapshot.journal_group.known()?;
    let ParentView::Seen { servers, .. } = &snapshot.parent else {
        return None;
    };
    // One server that answers is enough to know that there is one.
    let answers = || {
        let answers = servers.iter();
        answers.filter_map(|server| server.answer.as_ref().ok())
    };
    let vouching = answers().filter(|answer| !answer.ds.is_empty());
    let ds_ttl = vouching.map(|answer| answer.ds_ttl_secs).max();
    let delegating = answers().filter(|answer| !answer.name_servers.is_empty());
    let ns_ttl = delegating.map(|answer| answer.ns_ttl_secs).max();
    let is_larger = |known: Option<u32>| move |ttl: &u32| known.is_none_or(|known| known < *ttl);
    let seen = ParentSeen {
        ds_ttl_secs: ds_ttl.filter(is_larger(live.and_then(Live::ds_ttl_secs))),
        ns_ttl_secs: ns_ttl.filter(is_larger(live.and_then(Live::delegated_ttl_secs))),
        is_back: ds_ttl.is_some()
            && live.is_some_and(|live| live.evidence(EVIDENCE_DS_GONE).is_some()),
    };
    (seen.ds_ttl_secs.is_some() || seen.ns_ttl_secs.is_some() || seen.is_back).then_some(seen)
}

fn days_text(days: Option<i32>) -> String {
    days.map_or_else(|| "never expires".to_owned(), |days| days.to_string())
}

/// What the journal group needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let name = desired.journal_group();
    // The evidence comes last, so that it also shows that retention was set: while the list does not
    // show the group, nothing else does.
    let remember = |lowered: &mut Lowered, step, evidence| {
        lowered.drafts.push(
            Draft::new(step, Op::remember_all(desired, evidence))
                .after(After::Answered(StepId::new(addr, "create")))
                .after(After::Answered(StepId::new(addr, "retention"))),
        );
    };
    match &snapshot.journal_group {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => super::blocked(addr, why),
        Observation::Absent => {
            let mut tags = desired.tags();
            // With the group itself, so that there is no moment at which it says nothing.
            tags.extend(zone_signing::lost_note(snapshot));
            for (key, value) in former::to_note(desired, snapshot) {
                tags.insert(key.to_owned(), value.to_string());
            }
            let mut fields = vec![
                Field::new("name", &name),
                Field::new("retention-days", RETENTION_DAYS.to_string()),
            ];
            fields.extend(super::tag_fields(&tags, &BTreeMap::new()));
            let mut lowered = Lowered {
                change: Some(Change {
                    addr: addr.clone(),
                    symbol: Symbol::Create,
                    fields,
                    why: "remembers what runs need to know of each other; there is no state file"
                        .into(),
                    risk: Risk::Safe,
                }),
                drafts: vec![
                    Draft::new(
                        "create",
                        super::Op::JournalGroup(Op::Create {
                            name: name.clone(),
                            tags,
                        }),
                    ),
                    Draft::new(
                        "retention",
                        super::Op::JournalGroup(Op::SetRetention {
                            name,
                            days: RETENTION_DAYS,
                        }),
                    )
                    .after(After::Answered(StepId::new(addr, "create"))),
                ],
                ..Lowered::default()
            };
            let of_zone = |output| of(&desired.addr(Kind::HostedZone), output);
            let evidence = vec![
                (EVIDENCE_ZONE, of_zone(Output::ZoneId)),
                (EVIDENCE_SERVERS, of_zone(Output::NameServers)),
            ];
            remember(&mut lowered, "remember-zone", evidence);
            if let Some(api) = api_id(desired, snapshot) {
                remember(&mut lowered, "remember-api", vec![(EVIDENCE_API, api)]);
            }
            if former::is_gone_to_be_noted(desired, snapshot) {
                remember(&mut lowered, NOTE_FORMER_GONE, former_gone());
            }
            lowered
        }
        Observation::Present(live) => {
            let mut lowered = Lowered::default();
            let mut fields = Vec::new();
            let tags = desired.tags_to_set(&live.tags);
            if !tags.is_empty() {
                fields.extend(super::tag_fields(&tags, &live.tags));
                let arn = desired.log_group_arn(&name);
                lowered.drafts.push(Draft::new(
                    "tag",
                    super::Op::JournalGroup(Op::Tag {
                        arn,
                        tags: tags.clone(),
                    }),
                ));
            }
            let retention = match live.retention_days {
                Ok(days) if days == Some(RETENTION_DAYS) => None,
                Ok(days) => Some(days_text(days)),
                // Not listed yet, and the run that made it died before its evidence: set it again.
                Err(()) if live.evidence(EVIDENCE_ZONE).is_none() => Some("not listed yet".into()),
                Err(()) => None,
            };
            if let Some(before) = retention {
                fields.push(Field::change(
                    "retention-days",
                    before,
                    RETENTION_DAYS.to_string(),
                ));
                let op = Op::SetRetention {
                    name,
                    days: RETENTION_DAYS,
                };
                lowered
                    .drafts
                    .push(Draft::new("retention", super::Op::JournalGroup(op)));
            }
            log_group::take_back(
                addr,
                desired,
                &Place::named(desired, JOURNAL),
                &live.lines,
                &mut fields,
                &mut lowered,
            );
            // Who applies does not take the stack down: a DS may come back, and the next hold-down must
            // not count from before it.
            if let Some(since) = live.evidence(EVIDENCE_DS_GONE)
                && !former::keeps_ds_gone(desired, snapshot)
                // A rotation of a zone that nobody vouches for counts from it.
                && !rotation::is_under_way(snapshot)
            {
                fields.push(Field::gone(format!("tags.{EVIDENCE_DS_GONE}"), since));
                let arn = desired.log_group_arn(&desired.journal_group());
                let op = Op::Forget {
                    arn,
                    key: EVIDENCE_DS_GONE,
                };
                lowered
                    .drafts
                    .push(Draft::new("forget-ds-gone", super::Op::JournalGroup(op)));
            }
            // Nor does who applies withdraw the delegation.
            let withdrawal = [
                (EVIDENCE_DESTROYING, "forget-destroy"),
                (EVIDENCE_NS_GONE, "forget-ns-gone"),
                (EVIDENCE_NS_TTL, "forget-ns-ttl"),
            ];
            if let Some(since) = teardown::since(snapshot) {
                lowered.report.push(Report::Warning {
                    addr: addr.clone(),
                    what: format!(
                        "{}: an apply makes again what it took down; to go on with it instead, run `{}`",
                        teardown::told(since),
                        teardown::COMMAND
                    ),
                });
            }
            let leftover = rotation::leftover_evidence(snapshot).into_iter();
            for (key, step) in leftover.chain(withdrawal) {
                if let Some(value) = live.evidence(key) {
                    fields.push(Field::gone(format!("tags.{key}"), value));
                    let arn = desired.log_group_arn(&desired.journal_group());
                    let op = super::Op::JournalGroup(Op::Forget { arn, key });
                    lowered.drafts.push(Draft::new(step, op));
                }
            }
            let zone = match &snapshot.hosted_zone {
                Observation::Present(zone) => Some(Some(zone)),
                Observation::Absent => Some(None),
                Observation::Unreadable(_) | Observation::Foreign(_, _) => None,
            };
            if let Some(zone) = zone {
                let is_known = |key, same: &dyn Fn(&hosted_zone::Live, &str) -> bool| {
                    zone.zip(live.evidence(key))
                        .is_some_and(|(zone, believed)| same(zone, believed))
                };
                let pieces = [
                    (
                        EVIDENCE_ZONE,
                        Output::ZoneId,
                        is_known(EVIDENCE_ZONE, &|zone, believed| zone.id == believed),
                    ),
                    (
                        EVIDENCE_SERVERS,
                        Output::NameServers,
                        is_known(EVIDENCE_SERVERS, &|zone, believed| {
                            same_names(believed, &zone.name_servers(&desired.domain))
                        }),
                    ),
                ];
                let addr = desired.addr(Kind::HostedZone);
                let mut evidence = Vec::new();
                for (key, output, _) in pieces.into_iter().filter(|(_, _, is_known)| !is_known) {
                    fields.push(Field {
                        name: format!("tags.{key}"),
                        before: live.evidence(key).map(str::to_owned),
                        after: Some(of(&addr, output).to_string()),
                    });
                    evidence.push((key, of(&addr, output)));
                }
                // In one call: services take few of these at a time, and half of it leads the next run astray.
                if !evidence.is_empty() {
                    remember(&mut lowered, "remember-zone", evidence);
                }
            }
            let believed = live.evidence(EVIDENCE_API);
            if let Some(api) = api_id(desired, snapshot)
                && !matches!(&api, Arg::Known(id) if believed == Some(id))
            {
                fields.push(Field {
                    name: format!("tags.{EVIDENCE_API}"),
                    before: believed.map(str::to_owned),
                    after: Some(api.to_string()),
                });
                remember(&mut lowered, "remember-api", vec![(EVIDENCE_API, api)]);
            }
            let ds_gone = match former::vouched(desired, snapshot) {
                Vouched::ToNote => vec![(EVIDENCE_DS_GONE, Arg::Now)],
                Vouched::No | Vouched::Until(_) => Vec::new(),
            };
            for (step, evidence) in [
                (NOTE_FORMER, former::to_note(desired, snapshot)),
                ("note-ds-gone", ds_gone),
                (
                    NOTE_FORMER_GONE,
                    if former::is_gone_to_be_noted(desired, snapshot) {
                        former_gone()
                    } else {
                        Vec::new()
                    },
                ),
            ] {
                fields.extend(evidence.iter().map(|(key, value)| Field {
                    name: format!("tags.{key}"),
                    before: live.evidence(key).map(str::to_owned),
                    after: Some(value.to_string()),
                }));
                if !evidence.is_empty() {
                    remember(&mut lowered, step, evidence);
                }
            }
            if fields.is_empty() {
                let mut unchanged = super::up_to_date(addr, Outputs::new());
                unchanged.report.extend(lowered.report);
                return unchanged;
            }
            lowered.change = Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Update,
                fields,
                why: "differs from what this tool keeps there".into(),
                risk: Risk::Safe,
            });
            lowered
        }
    }
}

fn former_gone() -> Vec<(&'static str, Arg)> {
    vec![(EVIDENCE_FORMER_GONE, Arg::Now)]
}

/// Whether names remembered are exactly these.
fn same_names(remembered: &str, names: &[String]) -> bool {
    let remembered: BTreeSet<&str> = remembered.split_whitespace().collect();
    remembered == names.iter().map(String::as_str).collect()
}

/// The group for plans that make nothing else, and have evidence to keep.
pub fn alone(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let mut lowered = converge(addr, desired, snapshot);
    lowered.drafts.retain(|draft| draft.name != "remember-api");
    lowered
}

/// Id of the API that is to be remembered; none while it cannot be told.
fn api_id(desired: &Desired, snapshot: &Snapshot) -> Option<Arg> {
    match &snapshot.rest_api {
        Observation::Present(live) => Some(Arg::Known(live.id.clone())),
        Observation::Absent => Some(of(&desired.addr(Kind::RestApi), Output::ApiId)),
        Observation::Foreign(_, _) | Observation::Unreadable(_) => None,
    }
}

/// Drops the evidence of a DS record's absence.
pub fn forget_ds_gone(desired: &Desired, snapshot: &Snapshot) -> Vec<Draft> {
    if snapshot.journal_group.present().is_none() {
        return Vec::new();
    }
    let arn = desired.log_group_arn(&desired.journal_group());
    let key = EVIDENCE_DS_GONE;
    let op = super::Op::JournalGroup(Op::Forget { arn, key });
    vec![Draft::new("forget-ds-gone", op)]
}

/// Removal, after everything else.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    match &snapshot.journal_group {
        Observation::Absent => Lowered::default(),
        Observation::Unreadable(why) => super::blocked(addr, why),
        Observation::Foreign(what, _) => Lowered {
            report: vec![Report::Left {
                what: desired.journal_group(),
                why: what.clone(),
            }],
            ..Lowered::default()
        },
        Observation::Present(_) => Lowered {
            change: Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Destroy,
                fields: vec![Field::gone("name", desired.journal_group())],
                why: "the last trace of the stack, removed when everything else is gone".into(),
                risk: Risk::Irreversible,
            }),
            drafts: vec![Draft::new(
                "delete",
                super::Op::JournalGroup(Op::Delete {
                    name: desired.journal_group(),
                }),
            )],
            ..Lowered::default()
        },
    }
}

/// Mutations of the journal group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateLogGroup with its tags.
    Create {
        /// Group name.
        name: String,
        /// Tags set in the same call.
        tags: BTreeMap<String, String>,
    },
    /// PutRetentionPolicy.
    SetRetention {
        /// Group name.
        name: String,
        /// Days.
        days: i32,
    },
    /// TagResource.
    Tag {
        /// Group ARN.
        arn: String,
        /// Tags to set.
        tags: BTreeMap<String, String>,
    },
    /// TagResource with evidence.
    Remember {
        /// Group ARN.
        arn: String,
        /// Keys and values.
        evidence: Vec<(&'static str, Arg)>,
    },
    /// CreateLogStream and PutLogEvents with record sets, then TagResource with the stream's name.
    KeepSets {
        /// Group name.
        group: String,
        /// Group ARN.
        arn: String,
        /// When.
        at: Arg,
        /// The sets.
        sets: Vec<RecordSet>,
    },
    /// UntagResource of all that is noted of lowered TTLs, in one call.
    ForgetSets {
        /// Group ARN.
        arn: String,
    },
    /// UntagResource of one piece of evidence.
    Forget {
        /// Group ARN.
        arn: String,
        /// Evidence key.
        key: &'static str,
    },
    /// DeleteLogGroup.
    Delete {
        /// Group name.
        name: String,
    },
}

impl Op {
    /// A piece of evidence as an operation.
    pub fn remember(desired: &Desired, key: &'static str, value: Arg) -> super::Op {
        Op::remember_all(desired, vec![(key, value)])
    }

    /// Several pieces in one call.
    pub fn remember_all(desired: &Desired, evidence: Vec<(&'static str, Arg)>) -> super::Op {
        let arn = desired.log_group_arn(&desired.journal_group());
        super::Op::JournalGroup(Op::Remember { arn, evidence })
    }

    /// Dropping a piece of evidence as an operation.
    pub fn forget(desired: &Desired, key: &'static str) -> super::Op {
        let arn = desired.log_group_arn(&desired.journal_group());
        super::Op::JournalGroup(Op::Forget { arn, key })
    }

    /// Keeping record sets whole, as an operation.
    pub fn keep_sets(desired: &Desired, sets: Vec<RecordSet>) -> super::Op {
        let group = desired.journal_group();
        super::Op::JournalGroup(Op::KeepSets {
            arn: desired.log_group_arn(&group),
            group,
            at: Arg::Now,
            sets,
        })
    }

    /// Keeping them no longer.
    pub fn forget_sets(desired: &Desired) -> super::Op {
        let arn = desired.log_group_arn(&desired.journal_group());
        super::Op::JournalGroup(Op::ForgetSets { arn })
    }

    /// The evidence that it writes or drops.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Op::Remember { evidence, .. } => evidence.iter().map(|(key, _)| *key).collect(),
            Op::Forget { key, .. } => vec![key],
            Op::Create { .. }
            | Op::SetRetention { .. }
            | Op::Tag { .. }
            | Op::KeepSets { .. }
            | Op::ForgetSets { .. }
            | Op::Delete { .. } => Vec::new(),
        }
    }

    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::KeepSets {
                group,
                arn,
                at,
                sets,
            } => Op::KeepSets {
                group: group.clone(),
                arn: arn.clone(),
                at: f(at),
                sets: sets.clone(),
            },
            Op::Remember { arn, evidence } => Op::Remember {
                arn: arn.clone(),
                evidence: evidence
                    .iter()
                    .map(|(key, value)| (*key, f(value)))
                    .collect(),
            },
            Op::Create { .. }
            | Op::SetRetention { .. }
            | Op::Tag { .. }
            | Op::Forget { .. }
            | Op::ForgetSets { .. }
            | Op::Delete { .. } => self.clone(),
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "logs:CreateLogGroup",
            Op::SetRetention { .. } => "logs:PutRetentionPolicy",
            Op::Tag { .. } | Op::Remember { .. } => "logs:TagResource",
            Op::KeepSets { .. } => "logs:PutLogEvents",
            Op::Forget { .. } | Op::ForgetSets { .. } => "logs:UntagResource",
            Op::Delete { .. } => "logs:DeleteLogGroup",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::SetRetention { .. } => "setting retention",
            Op::Tag { .. } => "tagging",
            Op::Remember { .. } => "recording evidence",
            Op::KeepSets { .. } => "writing down TTLs",
            Op::Forget { .. } | Op::ForgetSets { .. } => "dropping evidence",
            Op::Delete { .. } => "deleting",
        }
    }
}

/// Reads the group's tags directly, not through a list. None when there is no group.
pub async fn tags(read: &Clients, desired: &Desired) -> Result<Option<Tags>, Failure> {
    let arn = desired.log_group_arn(&desired.journal_group());
    tags::of_log_group(read, &arn).await
}

/// The journal's tags as the tagging API shows them; none while it may lag, which shows by tags or
/// evidence that every finished stack has, or by evidence of what lists do not show (any more).
pub fn indexed(
    desired: &Desired,
    tagged: &BTreeMap<String, Tags>,
    is_listed: impl Fn(&'static str, &str) -> bool,
) -> Option<Tags> {
    let tags = tagged.get(&desired.log_group_arn(&desired.journal_group()))?;
    let is_whole = desired.tags_to_set(tags).is_empty()
        && [EVIDENCE_ZONE, EVIDENCE_API]
            .iter()
            .all(|key| tags.get(*key).is_some_and(|id| is_listed(key, id)))
        && tags.contains_key(EVIDENCE_SERVERS)
        // Evidence that comes and goes is worth a call.
        && !rotation::EVIDENCE
            .iter()
            .any(|(key, _)| tags.contains_key(*key))
        && !tags.contains_key(EVIDENCE_TTLS)
        && !tags.contains_key(EVIDENCE_DESTROYING)
        // And so is one that is about to be written.
        && tags
            .get(EVIDENCE_SIGNED)
            .is_none_or(|since| since.parse::<jiff::Timestamp>().is_ok());
    is_whole.then(|| tags.clone())
}

/// Puts together what its tags and the list of groups show.
pub fn judge(
    desired: &Desired,
    tags: Result<Option<Tags>, Failure>,
    listed: &log_group::Listed,
) -> Observation<Live> {
    let name = desired.journal_group();
    let tags = match tags {
        Ok(Some(tags)) => tags,
        Ok(None) => return Observation::Absent,
        Err(failure) => return Observation::Unreadable(failure.to_string()),
    };
    let retention_days = match listed {
        Ok(listed) => listed
            .get(&name)
            .map(|group| group.retention_in_days())
            .ok_or(()),
        Err(failure) => return Observation::Unreadable(failure.to_string()),
    };
    let group = listed.as_ref().ok().and_then(|listed| listed.get(&name));
    let lines = group.map(Lines::of).unwrap_or_default();
    let live = Live {
        retention_days,
        created: group
            .and_then(LogGroup::creation_time)
            .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        tags,
        lines,
    };
    if live.tags.get(TAG_STACK) == Some(&desired.domain) {
        return Observation::Present(live);
    }
    let stranger = Stranger {
        id: desired.log_group_arn(&name),
        attributes: live.attributes(),
        tags: live.tags,
    };
    adoption::foreign(
        desired,
        &format!("log group {name}"),
        "delete it with what it holds",
        stranger,
    )
}

/// The journal with who is handed its lines, where that is to be known.
pub async fn handed_on(
    read: &Clients,
    desired: &Desired,
    journal: Observation<Live>,
    is_whole: bool,
) -> Observation<Live> {
    let Observation::Present(mut live) = journal else {
        return journal;
    };
    let place = Place::named(desired, JOURNAL);
    live.lines.subscriptions = log_group::subscriptions(read, &place, is_whole).await;
    Observation::Present(live)
}

/// What the journal keeps of TTLs that were lowered.
pub async fn kept(read: &Clients, desired: &Desired, journal: &Observation<Live>) -> Kept {
    // Without it nothing shows that there is anything; what refers to the journal is held back then.
    let stream = journal
        .present()
        .and_then(|live| live.evidence(EVIDENCE_TTLS));
    kept::read(read, desired, stream).await
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Create { name, tags } => {
            let call = write.logs.create_log_group().log_group_name(name);
            let call = call.set_tags(Some(tags.clone().into_iter().collect()));
            match call.send().await.or_fail(action) {
                Ok(_) => {}
                // The name is ours alone: a group that is there already is what was asked for.
                Err(failure) if failure.class == Class::AlreadyThere => {}
                Err(failure) => return Err(failure),
            }
        }
        Op::SetRetention { name, days } => {
            let call = write.logs.put_retention_policy().log_group_name(name);
            call.retention_in_days(*days).send().await.or_fail(action)?;
        }
        Op::Tag { arn, tags } => {
            let call = write.logs.tag_resource().resource_arn(arn);
            let call = call.set_tags(Some(tags.clone().into_iter().collect()));
            call.send().await.or_fail(action)?;
        }
        Op::Remember { arn, evidence } => {
            let call = write.logs.tag_resource().resource_arn(arn);
            let call = evidence
                .iter()
                .fold(call, |call, (key, value)| call.tags(*key, value.value()));
            call.send().await.or_fail(action)?;
        }
        Op::KeepSets {
            group,
            arn,
            at,
            sets,
        } => {
            let stream = kept::write(group, at.value(), sets, write).await?;
            let call = write.logs.tag_resource().resource_arn(arn);
            let call = call.tags(EVIDENCE_TTLS, stream);
            call.send().await.or_fail("logs:TagResource")?;
        }
        Op::ForgetSets { arn } => {
            let call = write.logs.untag_resource().resource_arn(arn);
            let call = call.tag_keys(EVIDENCE_TTLS).tag_keys(EVIDENCE_LOWERED);
            let call = call.tag_keys(EVIDENCE_DS_SEEN);
            call.send().await.or_fail(action)?;
        }
        Op::Forget { arn, key } => {
            let call = write.logs.untag_resource().resource_arn(arn).tag_keys(*key);
            call.send().await.or_fail(action)?;
        }
        Op::Delete { name } => {
            let call = write.logs.delete_log_group().log_group_name(name);
            call.send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::snapshot::Delegated;

    #[test]
    fn the_largest_ttl_of_a_ds_record_is_remembered_and_its_absence_forgotten() {
        let with_ds = |ttl| Delegated {
            ds: vec!["1 13 2 AB".into()],
            ds_ttl_secs: ttl,
            ..Delegated::default()
        };
        let seen = |parent: Delegated, tags: &[(&str, &str)]| {
            let mut snapshot = fixture::applied();
            snapshot.parent = fixture::parent(parent);
            if let Observation::Present(journal) = &mut snapshot.journal_group {
                let tags = tags
                    .iter()
                    .map(|(key, value)| ((*key).into(), (*value).into()));
                journal.tags.extend(tags);
            }
            parent_seen(&snapshot).map(|seen| (seen.ds_ttl_secs, seen.ns_ttl_secs, seen.is_back))
        };
        let gone = (EVIDENCE_DS_GONE, "2026-11-21T11:30:00Z");
        assert_eq!(seen(Delegated::default(), &[gone]), None);
        assert_eq!(seen(with_ds(3_600), &[]), Some((Some(3_600), None, false)));
        for (known, expected) in [
            ("3600", None),
            ("86400", None),
            ("300", Some((Some(3_600), None, false))),
            ("an hour", Some((Some(3_600), None, false))),
        ] {
            assert_eq!(
                seen(with_ds(3_600), &[(EVIDENCE_DS_TTL, known)]),
                expected,
                "{known}"
            );
        }
        let delegated = Delegated {
            name_servers: vec!["ns-1.awsdns-00.com".into()],
            ns_ttl_secs: 86_400,
            ..Delegated::default()
        };
        for (known, expected) in [
            ("86400", None),
            ("172800", None),
            ("3600", Some((None, Some(86_400), false))),
        ] {
            let noted = (EVIDENCE_DELEGATED, known);
            assert_eq!(seen(delegated.clone(), &[noted, gone]), expected, "{known}");
        }
        assert_eq!(seen(delegated, &[]), Some((None, Some(86_400), false)));
        let both = [gone, (EVIDENCE_DS_TTL, "86400")];
        assert_eq!(seen(with_ds(3_600), &both), Some((None, None, true)));
    }
}
