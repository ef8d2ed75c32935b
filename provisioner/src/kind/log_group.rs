//! Log groups of the stack: the updater's, the API's access log, and Route 53's query log.
//!
//! Natural key: the name. They are made before whatever writes to them, so that nothing ever makes
//! one that never expires (CreateLogGroup: the default is no expiry). The first two stand under
//! `/spore-infra/DOMAIN/`, so that one list shows them and the journal; Route 53 writes to
//! `/aws/route53/...` in us-east-1, the place its guide names. `destroy` keeps them unless it is told
//! `--delete-logs`. So does a document that no longer has questions logged: the group of those logged
//! before is kept as it should be until then. AWS: CreateLogGroup, PutRetentionPolicy, AssociateKmsKey, TagResource.

mod lines;

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client as Logs;

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, GLOBAL_REGION};
use crate::desired::{Desired, TAG_STACK, TAG_VERSION};
use crate::kind::{Limit, Look, tag_fields};
use crate::plan::{After, Change, Draft, Field, Lowered, Report, Risk, StepId, Symbol, of};
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Snapshot, Stranger};
use crate::tags::Tags;

pub use lines::{Lines, Subscription};
pub(super) use lines::{subscriptions, take_back};

/// The journal, where its filters are named; as a group it is a kind of its own.
pub const JOURNAL: &str = "journal";
/// The updater's own log.
pub const UPDATER: &str = "updater";
/// The API's access log.
pub const API: &str = "api";
/// Route 53's query log.
pub const QUERIES: &str = "queries";
/// All that a stack can have.
pub const ALL: [&str; 3] = [UPDATER, API, QUERIES];

/// A group as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Days events are kept; `None` for ever; `Err` when the list does not show the group yet.
    pub retention_days: Result<Option<i32>, ()>,
    /// ARN of the key that encrypts it; `None` for CloudWatch's own.
    pub key_arn: Option<String>,
    /// What becomes of its lines besides.
    pub lines: Lines,
    /// Its tags.
    pub tags: Tags,
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
        attributes.insert("kms-key".into(), self.key_arn.clone().unwrap_or_default());
        attributes.extend(self.lines.attributes());
        attributes
    }
}

fn days_text(days: Option<i32>) -> String {
    days.map_or_else(|| "never expires".to_owned(), |days| days.to_string())
}

/// Addresses of those the document wants.
pub fn addrs(desired: &Desired) -> Vec<Addr> {
    let mut names = vec![UPDATER, API];
    if desired.stack.logs.queries {
        names.push(QUERIES);
    }
    names
        .into_iter()
        .map(|name| Addr::new(Kind::LogGroup, name))
        .collect()
}

/// The address of one group.
pub fn addr(name: &str) -> Addr {
    Addr::new(Kind::LogGroup, name)
}

/// AWS's name of a group.
pub fn group_name(desired: &Desired, name: &str) -> String {
    match name {
        QUERIES => format!("/aws/route53/{}", desired.domain),
        JOURNAL => desired.journal_group(),
        _ => format!("{}/{name}", desired.journal_group()),
    }
}

/// Where a group is: query logs only in us-east-1 (Route 53 API, CreateQueryLoggingConfig).
fn region<'a>(desired: &'a Desired, name: &str) -> &'a str {
    if name == QUERIES {
        GLOBAL_REGION
    } else {
        &desired.region
    }
}

/// ARN of a group, without `:*`.
pub fn arn(desired: &Desired, name: &str) -> String {
    format!(
        "arn:aws:logs:{}:{}:log-group:{}",
        region(desired, name),
        desired.account,
        group_name(desired, name)
    )
}

/// The key it has to have. A key serves its own region only.
fn key(desired: &Desired, name: &str) -> Option<Arg> {
    let is_near = region(desired, name) == desired.region;
    (desired.stack.logs.encrypt && is_near)
        .then(|| of(&desired.addr(Kind::LogsKey), Output::KeyArn))
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let mut lowered = match snapshot.log_groups.get(addr) {
        Some(Observation::Unreadable(why) | Observation::Foreign(why, _)) => {
            return super::blocked(addr, why);
        }
        None | Some(Observation::Absent) => create(addr, desired),
        Some(Observation::Present(live)) => update(addr, desired, snapshot, live),
    };
    if desired.stack.logs.encrypt && key(desired, addr.name()).is_none() {
        lowered.report.push(Report::Warning {
            addr: addr.clone(),
            what: format!(
                "is in {GLOBAL_REGION}, where the stack's log key is not; CloudWatch's own key encrypts it"
            ),
        });
    }
    lowered
}

fn create(addr: &Addr, desired: &Desired) -> Lowered {
    let name = group_name(desired, addr.name());
    let days = i32::from(desired.stack.logs.retention_days);
    let tags = desired.tags();
    let key = key(desired, addr.name());
    let mut fields = vec![
        Field::new("name", &name),
        Field::new("retention-days", days.to_string()),
    ];
    fields.extend(
        key.as_ref()
            .map(|key| Field::new("kms-key", key.to_string())),
    );
    fields.extend(tag_fields(&tags, &BTreeMap::new()));
    let place = Place::of(desired, addr);
    // The version comes last: a group without it is not finished, whatever lists show.
    let mut first_tags = tags;
    let version = first_tags.remove_entry(TAG_VERSION);
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields,
            why: "made before anything writes to it, so that what it holds expires".into(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            key_first(
                desired,
                Draft::new(
                    "create",
                    super::Op::LogGroup(Op::Create {
                        place: place.clone(),
                        tags: first_tags,
                        key,
                    }),
                ),
            ),
            Draft::new(
                "retention",
                super::Op::LogGroup(Op::SetRetention {
                    place: place.clone(),
                    days,
                }),
            )
            .after(After::Answered(StepId::new(addr, "create"))),
            Draft::new(
                "tag",
                super::Op::LogGroup(Op::Tag {
                    place,
                    arn: arn(desired, addr.name()),
                    tags: version.into_iter().collect(),
                }),
            )
            .after(After::Answered(StepId::new(addr, "retention"))),
        ],
        ..Lowered::default()
    }
}

/// The key's policy has to let CloudWatch Logs use it before a group may have it.
fn key_first(desired: &Desired, draft: Draft) -> Draft {
    draft.after(After::AllOf(desired.addr(Kind::LogsKey)))
}

fn update(addr: &Addr, desired: &Desired, snapshot: &Snapshot, live: &Live) -> Lowered {
    let place = Place::of(desired, addr);
    let mut lowered = Lowered::default();
    let mut fields = Vec::new();
    let days = i32::from(desired.stack.logs.retention_days);
    let differs = match live.retention_days {
        Ok(live) if live == Some(days) => None,
        Ok(live) => Some(days_text(live)),
        // Not listed yet, and the run that made it died before it was finished: set it again.
        Err(()) if !live.tags.contains_key(TAG_VERSION) => Some("not listed yet".to_owned()),
        Err(()) => None,
    };
    if let Some(before) = differs {
        fields.push(Field::change("retention-days", before, days.to_string()));
        lowered.drafts.push(Draft::new(
            "retention",
            super::Op::LogGroup(Op::SetRetention {
                place: place.clone(),
                days,
            }),
        ));
    }
    let wanted = key(desired, addr.name());
    let known_key = snapshot.logs_key.present().map(|key| key.arn.as_str());
    // One that is about to be made has none yet.
    let known_key = known_key.filter(|arn| !arn.is_empty());
    match (&wanted, &live.key_arn) {
        _ if live.retention_days.is_err() => {}
        (None, None) => {}
        (Some(_), Some(live)) if known_key == Some(live) => {}
        (Some(wanted), live) => {
            fields.push(Field {
                name: "kms-key".into(),
                before: live.clone(),
                after: Some(known_key.map_or_else(|| wanted.to_string(), str::to_owned)),
            });
            lowered.drafts.push(key_first(
                desired,
                Draft::new(
                    "key",
                    super::Op::LogGroup(Op::SetKey {
                        place: place.clone(),
                        key: wanted.clone(),
                    }),
                ),
            ));
        }
        (None, Some(live)) => {
            fields.push(Field::gone("kms-key", live));
            lowered.drafts.push(Draft::new(
                "no-key",
                super::Op::LogGroup(Op::DropKey {
                    place: place.clone(),
                }),
            ));
        }
    }
    take_back(
        addr,
        desired,
        &Place::of(desired, addr),
        &live.lines,
        &mut fields,
        &mut lowered,
    );
    let tags = desired.tags_to_set(&live.tags);
    if !tags.is_empty() {
        fields.extend(tag_fields(&tags, &live.tags));
        let arn = arn(desired, addr.name());
        lowered.drafts.push(
            Draft::new("tag", super::Op::LogGroup(Op::Tag { place, arn, tags }))
                .after(After::Answered(StepId::new(addr, "retention"))),
        );
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
        why: "differs from the document".into(),
        risk: Risk::Safe,
    });
    lowered
}

/// The call that tags one.
pub fn tag(addr: &Addr, desired: &Desired, tags: Tags) -> Op {
    Op::Tag {
        place: Place::of(desired, addr),
        arn: arn(desired, addr.name()),
        tags,
    }
}

/// What a document that no longer wants a group does with it: what it holds stays until it expires, or until
/// `destroy --delete-logs`, and is kept as carefully as before.
pub fn retain(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let Some(Observation::Present(live)) = snapshot.log_groups.get(addr) else {
        return Lowered::default();
    };
    let mut lowered = update(addr, desired, snapshot, live);
    lowered.report.push(Report::Left {
        what: format!("log group {}", group_name(desired, addr.name())),
        why: format!(
            "the document wants it no longer; what it holds expires by itself ({} days), and `destroy \
             --delete-logs` deletes it",
            desired.stack.logs.retention_days
        ),
    });
    lowered
}

/// Removal: only when it was asked for; otherwise the group stays, with what it holds and its expiry.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot, delete_logs: bool) -> Lowered {
    let name = group_name(desired, addr.name());
    let left = |why: String| Lowered {
        report: vec![Report::Left {
            what: format!("log group {name}"),
            why,
        }],
        ..Lowered::default()
    };
    match snapshot.log_groups.get(addr) {
        None | Some(Observation::Absent) => Lowered::default(),
        Some(Observation::Unreadable(why)) => super::blocked(addr, why),
        Some(Observation::Foreign(why, _)) => left(why.clone()),
        Some(Observation::Present(live)) if !delete_logs => left(format!(
            "it holds what happened, and expires by itself ({}); `--delete-logs` deletes it",
            match live.retention_days {
                Ok(Some(days)) => format!("{days} days"),
                Ok(None) => "never, as it was changed".to_owned(),
                // No list shows it yet: it is as this stack made it.
                Err(()) => format!("{} days", desired.stack.logs.retention_days),
            }
        )),
        Some(Observation::Present(_)) => Lowered {
            change: Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Destroy,
                fields: vec![Field::gone("name", name)],
                why: "`--delete-logs` was given".into(),
                risk: Risk::Irreversible,
            }),
            drafts: vec![Draft::new(
                "delete",
                super::Op::LogGroup(Op::Delete {
                    place: Place::of(desired, addr),
                }),
            )],
            ..Lowered::default()
        },
    }
}

/// A group's name and whether it is in us-east-1 whatever the stack's region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    name: String,
    is_global: bool,
}

impl Place {
    fn of(desired: &Desired, addr: &Addr) -> Self {
        Self::named(desired, addr.name())
    }

    /// Of a group by the stack's name for it.
    pub(super) fn named(desired: &Desired, name: &str) -> Self {
        Self {
            name: group_name(desired, name),
            is_global: name == QUERIES,
        }
    }

    /// AWS's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn client<'a>(&self, clients: &'a Clients) -> &'a Logs {
        if self.is_global {
            &clients.logs_global
        } else {
            &clients.logs
        }
    }
}

/// Mutations of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateLogGroup with its tags and key.
    Create {
        /// Which.
        place: Place,
        /// Tags set in the same call.
        tags: Tags,
        /// ARN of the key.
        key: Option<Arg>,
    },
    /// PutRetentionPolicy.
    SetRetention {
        /// Which.
        place: Place,
        /// Days.
        days: i32,
    },
    /// AssociateKmsKey.
    SetKey {
        /// Which.
        place: Place,
        /// ARN of the key.
        key: Arg,
    },
    /// DisassociateKmsKey.
    DropKey {
        /// Which.
        place: Place,
    },
    /// TagResource.
    Tag {
        /// Which.
        place: Place,
        /// Its ARN.
        arn: String,
        /// Tags to set.
        tags: Tags,
    },
    /// DeleteSubscriptionFilter.
    Unsubscribe {
        /// Which.
        place: Place,
        /// Name of the filter.
        filter: String,
    },
    /// DeleteDataProtectionPolicy.
    ShowAll {
        /// Which.
        place: Place,
    },
    /// DeleteLogGroup.
    Delete {
        /// Which.
        place: Place,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Create { place, tags, key } => Op::Create {
                place: place.clone(),
                tags: tags.clone(),
                key: key.as_ref().map(f),
            },
            Op::SetKey { place, key } => Op::SetKey {
                place: place.clone(),
                key: f(key),
            },
            Op::SetRetention { .. }
            | Op::DropKey { .. }
            | Op::Tag { .. }
            | Op::Unsubscribe { .. }
            | Op::ShowAll { .. }
            | Op::Delete { .. } => self.clone(),
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "logs:CreateLogGroup",
            Op::SetRetention { .. } => "logs:PutRetentionPolicy",
            Op::SetKey { .. } => "logs:AssociateKmsKey",
            Op::DropKey { .. } => "logs:DisassociateKmsKey",
            Op::Tag { .. } => "logs:TagResource",
            Op::Unsubscribe { .. } => "logs:DeleteSubscriptionFilter",
            Op::ShowAll { .. } => "logs:DeleteDataProtectionPolicy",
            Op::Delete { .. } => "logs:DeleteLogGroup",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::SetRetention { .. } => "setting retention",
            Op::SetKey { .. } => "setting its key",
            Op::DropKey { .. } => "dropping its key",
            Op::Tag { .. } => "tagging",
            Op::Unsubscribe { .. } => "taking a subscription back",
            Op::ShowAll { .. } => "ending its data protection",
            Op::Delete { .. } => "deleting",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::Logs
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(
            self,
            Op::Unsubscribe { .. } | Op::ShowAll { .. } | Op::Delete { .. }
        )
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Groups of the stack's region that a list shows, by name: the journal's and those beside it.
pub type Listed = Result<BTreeMap<String, aws_sdk_cloudwatchlogs::types::LogGroup>, Failure>;

/// Lists the journal group and what stands under its name: one page, as nobody else names groups so.
pub async fn list(read: &Clients, desired: &Desired) -> Listed {
    list_prefix(&read.logs, &desired.journal_group()).await
}

async fn list_prefix(logs: &Logs, prefix: &str) -> Listed {
    let mut pages = logs
        .describe_log_groups()
        .log_group_name_prefix(prefix)
        .into_paginator()
        .send();
    let mut listed = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.or_fail("logs:DescribeLogGroups")?;
        for group in page.log_groups() {
            let name = group.log_group_name().unwrap_or_default().to_owned();
            listed.insert(name, group.clone());
        }
    }
    Ok(listed)
}

/// The query log's group, which is in another list.
pub async fn list_queries(read: &Clients, desired: &Desired) -> Listed {
    if desired.stack.logs.queries {
        list_prefix(&read.logs_global, &group_name(desired, QUERIES)).await
    } else {
        Ok(BTreeMap::new())
    }
}

/// One that the document wants no longer is looked for where the tagging API shows it, or shows nothing at
/// all: a plan of a stack that never had one needs no call for that.
async fn list_left(
    read: &Clients,
    desired: &Desired,
    indexed: Option<&BTreeMap<String, Tags>>,
) -> Listed {
    if indexed.is_none_or(|indexed| indexed.contains_key(&arn(desired, QUERIES))) {
        list_prefix(&read.logs_global, &group_name(desired, QUERIES)).await
    } else {
        Ok(BTreeMap::new())
    }
}

/// Judges what lists and the tagging API show; what they do not show yet is read directly.
pub async fn observe(
    read: &Clients,
    desired: &Desired,
    listed: &Listed,
    queries: &Listed,
    tagged: &BTreeMap<String, Tags>,
    indexed: Option<&BTreeMap<String, Tags>>,
    is_whole: bool,
) -> BTreeMap<Addr, Observation<Live>> {
    let one = |addr: Addr| async move {
        let is_wanted = addr.name() != QUERIES || desired.stack.logs.queries;
        let observed = async {
            match addr.name() {
                QUERIES if is_wanted => observe_one(read, desired, &addr, queries, tagged).await,
                QUERIES => {
                    let listed = list_left(read, desired, indexed).await;
                    let name = group_name(desired, QUERIES);
                    match listed
                        .as_ref()
                        .is_ok_and(|listed| !listed.contains_key(&name))
                    {
                        true => Observation::Absent,
                        false => observe_one(read, desired, &addr, &listed, tagged).await,
                    }
                }
                _ => observe_one(read, desired, &addr, listed, tagged).await,
            }
        };
        let place = Place::of(desired, &addr);
        let (seen, subscriptions) =
            tokio::join!(observed, subscriptions(read, &place, is_whole && is_wanted),);
        let seen = match seen {
            Observation::Present(mut live) => {
                live.lines.subscriptions = subscriptions;
                Observation::Present(live)
            }
            Observation::Absent | Observation::Foreign(_, _) | Observation::Unreadable(_) => seen,
        };
        (addr, seen)
    };
    let all = ALL.into_iter().map(|name| one(addr(name)));
    futures_util::future::join_all(all)
        .await
        .into_iter()
        .collect()
}

async fn observe_one(
    read: &Clients,
    desired: &Desired,
    addr: &Addr,
    listed: &Listed,
    tagged: &BTreeMap<String, Tags>,
) -> Observation<Live> {
    let listed = match listed {
        Ok(listed) => listed.get(&group_name(desired, addr.name())),
        Err(failure) => return Observation::Unreadable(failure.to_string()),
    };
    let arn = arn(desired, addr.name());
    let indexed = tagged
        .get(&arn)
        .filter(|tags| listed.is_some() && desired.tags_to_set(tags).is_empty());
    let tags = match indexed {
        Some(tags) => Some(tags.clone()),
        None => match Place::of(desired, addr).tags(read, &arn).await {
            Ok(tags) => tags,
            Err(failure) => return Observation::Unreadable(failure.to_string()),
        },
    };
    let Some(tags) = tags else {
        return Observation::Absent;
    };
    let live = Live {
        retention_days: listed.map(|group| group.retention_in_days()).ok_or(()),
        key_arn: listed.and_then(|group| group.kms_key_id().map(str::to_owned)),
        lines: listed.map(Lines::of).unwrap_or_default(),
        tags,
    };
    judge(desired, addr, live)
}

/// Whose a group of our name is: ours are made with the stack's tag. Anybody who has queries logged by hand
/// has a group `/aws/route53/DOMAIN`, and what it holds is not to expire because of us.
fn judge(desired: &Desired, addr: &Addr, live: Live) -> Observation<Live> {
    if live.tags.get(TAG_STACK) == Some(&desired.domain) {
        return Observation::Present(live);
    }
    let stranger = Stranger {
        id: arn(desired, addr.name()),
        attributes: live.attributes(),
        tags: live.tags,
    };
    adoption::foreign(
        desired,
        &format!("log group {}", group_name(desired, addr.name())),
        "delete it with what it holds",
        stranger,
    )
}

impl Place {
    async fn tags(&self, read: &Clients, arn: &str) -> Result<Option<Tags>, Failure> {
        let call = self.client(read).list_tags_for_resource().resource_arn(arn);
        let answer = call.send().await.unless_gone("logs:ListTagsForResource")?;
        Ok(answer.map(|answer| answer.tags.unwrap_or_default().into_iter().collect()))
    }
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Create { place, tags, key } => {
            let call = place
                .client(write)
                .create_log_group()
                .log_group_name(&place.name)
                .set_kms_key_id(key.as_ref().map(|key| key.value().to_owned()))
                .set_tags(Some(tags.clone().into_iter().collect()));
            match call.send().await.or_fail(action) {
                Ok(_) => {}
                // The name is the stack's alone: what is there already is what was asked for, and the
                // next plan compares its key.
                Err(failure) if failure.class == Class::AlreadyThere => {}
                Err(failure) => return Err(failure),
            }
        }
        Op::SetRetention { place, days } => {
            let call = place.client(write).put_retention_policy();
            let call = call.log_group_name(&place.name).retention_in_days(*days);
            call.send().await.or_fail(action)?;
        }
        Op::SetKey { place, key } => {
            let call = place.client(write).associate_kms_key();
            let call = call.log_group_name(&place.name).kms_key_id(key.value());
            call.send().await.or_fail(action)?;
        }
        Op::DropKey { place } => {
            let call = place.client(write).disassociate_kms_key();
            let call = call.log_group_name(&place.name);
            call.send().await.or_fail(action)?;
        }
        Op::Tag { place, arn, tags } => {
            let call = place.client(write).tag_resource().resource_arn(arn);
            let call = call.set_tags(Some(tags.clone().into_iter().collect()));
            call.send().await.or_fail(action)?;
        }
        Op::Unsubscribe { place, filter } => {
            let call = place.client(write).delete_subscription_filter();
            let call = call.log_group_name(&place.name).filter_name(filter);
            call.send().await.or_fail(action)?;
        }
        Op::ShowAll { place } => {
            let call = place.client(write).delete_data_protection_policy();
            let call = call.log_group_identifier(&place.name);
            call.send().await.or_fail(action)?;
        }
        Op::Delete { place } => {
            let call = place.client(write).delete_log_group();
            let call = call.log_group_name(&place.name);
            call.send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}
