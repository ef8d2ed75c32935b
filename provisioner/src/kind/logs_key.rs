//! The KMS key that encrypts the stack's log groups: symmetric, in the stack's region, rotated by KMS
//! every year.
//!
//! Natural key: the alias; failing that, the stack's key that the log groups have; failing that, a key
//! without an alias that carries the stack's tags and `spore:purpose=logs`. CloudWatch Logs may use it for groups of this stack only (encryption context;
//! CloudWatch Logs User Guide, "Encrypt log data"). A disabled key stops the logs and with them every
//! alarm that counts their lines, so its state is compared too. Grants on it are not: what it
//! encrypts never leaves CloudWatch Logs, so that a grant opens nothing. AWS: CreateKey,
//! EnableKeyRotation, GetKeyRotationStatus, CreateAlias, PutKeyPolicy, ScheduleKeyDeletion.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::types as kms;

use crate::addr::Addr;
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients};
use crate::condition::Condition;
use crate::desired::{Desired, PURPOSE_LOGS, TAG_PURPOSE, TAG_STACK};
use crate::kind::kms_key::{self, DELETION_DAYS};
use crate::kind::{Limit, Look, Seen, log_group, tag_fields};
use crate::plan::{
    After, Change, Draft, Field, Lowered, Report, RightChange, Risk, StepId, Symbol,
};
use crate::plan::{of, rights_between};
use crate::policy::Policy;
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Snapshot, Stranger};
use crate::tags::Tags;

/// The policy's text, with placeholders.
pub const POLICY: &str = include_str!("../../../policies/kms-logs.json");

/// KMS's own default (KMS API, EnableKeyRotation).
const ROTATION_DAYS: i32 = 365;
/// KMS's word for a key whose deletion is scheduled.
const PENDING_DELETION: &str = "PendingDeletion";

/// The key as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// ARN.
    pub arn: String,
    /// Key state, such as `Enabled`.
    pub state: String,
    /// What is wrong with its nature, which nothing can change.
    pub unfit: Option<String>,
    /// Whether the alias points to it.
    pub has_alias: bool,
    /// Whether the alias exists, but points to a key that is gone or going.
    pub stale_alias: bool,
    /// Days after which KMS rotates it by itself; none when it does not.
    pub rotation_days: Option<i32>,
    /// Its policy, as text.
    pub policy: String,
    /// Its tags.
    pub tags: Tags,
    /// Keys of the log groups that no longer exist; then nobody can read what those encrypted.
    pub lost: BTreeSet<String>,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes: BTreeMap<String, String> = self
            .tags
            .iter()
            .map(|(key, value)| (format!("tags.{key}"), value.clone()))
            .collect();
        attributes.insert("arn".into(), self.arn.clone());
        attributes.insert("state".into(), self.state.clone());
        attributes.insert("alias".into(), self.has_alias.to_string());
        attributes.insert("rotation".into(), rotation(self.rotation_days));
        attributes.insert("policy".into(), Policy::shown(&self.policy));
        attributes
    }
}

fn rotation(days: Option<i32>) -> String {
    match days {
        Some(days) => format!("every {days} days, by KMS"),
        None => "off".to_owned(),
    }
}

/// The policy the key has to have.
pub fn policy(desired: &Desired) -> String {
    let admins: Vec<String> = std::iter::once(format!("arn:aws:iam::{}:root", desired.account))
        .chain(desired.key_admins.iter().cloned())
        .map(|arn| format!("\"{arn}\""))
        .collect();
    POLICY
        .replace("\"${admins}\"", &format!("[{}]", admins.join(", ")))
        .replace("${account}", &desired.account)
        .replace("${region}", &desired.region)
        .replace("${domain}", &desired.domain)
}

fn tags(desired: &Desired) -> Tags {
    let mut tags = desired.tags();
    tags.insert(TAG_PURPOSE.into(), PURPOSE_LOGS.into());
    tags
}

/// What the key needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    match &snapshot.logs_key {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => super::blocked(addr, why),
        Observation::Absent => create(addr, desired, snapshot, false),
        Observation::Present(live) => {
            let mut lowered = if live.arn.is_empty() {
                create(addr, desired, snapshot, live.stale_alias)
            } else {
                update(addr, desired, live)
            };
            lowered.report.extend(live.lost.iter().map(|arn| {
                Report::Warning {
                    addr: addr.clone(),
                    what: format!(
                        "{arn}, which the log groups have, is gone for ever: what they hold so far cannot be \
                         read any more"
                    ),
                }
            }));
            lowered
        }
    }
}

fn create(addr: &Addr, desired: &Desired, snapshot: &Snapshot, stale_alias: bool) -> Lowered {
    let tags = tags(desired);
    let key = of(addr, Output::KeyArn);
    let alias = desired.logs_key_alias();
    let policy = policy(desired);
    let mut fields = vec![
        Field::new("alias", &alias),
        Field::new("region", &desired.region),
        Field::new("spec", "SYMMETRIC_DEFAULT"),
        Field::new("rotation", rotation(Some(ROTATION_DAYS))),
    ];
    fields.extend(tag_fields(&tags, &BTreeMap::new()));
    let rights = rights(addr, &policy, None);
    let mut create = Draft::new(
        "create",
        super::Op::LogsKey(Op::Create {
            policy,
            tags,
            description: format!("encrypts the log groups of {}", desired.domain),
        }),
    );
    if let Some(since) = super::intent(snapshot, addr) {
        create = create.ready(Condition::ListsSettled { since });
    }
    let alias = Op::Alias {
        alias,
        key: key.clone(),
        moves: stale_alias,
    };
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields,
            why: "log lines hold addresses and account ids".into(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            create,
            Draft::new("alias", super::Op::LogsKey(alias)),
            Draft::new("rotate", super::Op::LogsKey(Op::Rotate { key })),
        ],
        rights,
        ..Lowered::default()
    }
}

fn update(addr: &Addr, desired: &Desired, live: &Live) -> Lowered {
    if let Some(unfit) = &live.unfit {
        return super::blocked(addr, format!("{}: {unfit}", live.arn));
    }
    let key = of(addr, Output::KeyArn);
    let mut lowered = Lowered {
        known: Outputs::from([(Output::KeyArn, live.arn.clone())]),
        ..Lowered::default()
    };
    let mut fields = Vec::new();
    let is_going = live.state == PENDING_DELETION;
    match live.state.as_str() {
        "Enabled" => {}
        "Disabled" | PENDING_DELETION => {
            fields.push(Field::change("state", &live.state, "Enabled"));
            if is_going {
                let op = super::Op::LogsKey(Op::CancelDeletion { key: key.clone() });
                lowered.drafts.push(Draft::new("cancel-deletion", op));
            }
            let op = super::Op::LogsKey(Op::Enable { key: key.clone() });
            let cancelled = After::Answered(StepId::new(addr, "cancel-deletion"));
            lowered
                .drafts
                .push(Draft::new("enable", op).after(cancelled));
        }
        other => return super::blocked(addr, format!("{} is in state {other}", live.arn)),
    }
    // KMS refuses most of what follows while the key is disabled or about to go.
    let enabled = || After::Answered(StepId::new(addr, "enable"));
    let wanted = policy(desired);
    let changed = rights(addr, &wanted, Some(&live.policy));
    if !changed.is_empty() {
        fields.extend(changed.iter().map(|right| {
            let sentence = right.sentence.clone();
            if right.gained {
                Field::new("policy", sentence)
            } else {
                Field::gone("policy", sentence)
            }
        }));
        lowered.rights = changed;
        let op = super::Op::LogsKey(Op::PutPolicy {
            key: key.clone(),
            policy: wanted,
        });
        lowered
            .drafts
            .push(Draft::new("policy", op).after(enabled()));
    }
    let set: Tags = tags(desired)
        .into_iter()
        .filter(|(key, value)| live.tags.get(key) != Some(value))
        .collect();
    if !set.is_empty() {
        fields.extend(tag_fields(&set, &live.tags));
        let op = Op::Tag {
            key: key.clone(),
            tags: set,
        };
        lowered
            .drafts
            .push(Draft::new("tag", super::Op::LogsKey(op)).after(enabled()));
    }
    if !live.has_alias {
        let alias = desired.logs_key_alias();
        fields.push(Field::new("alias", &alias));
        let op = Op::Alias {
            alias,
            key: key.clone(),
            moves: live.stale_alias,
        };
        lowered
            .drafts
            .push(Draft::new("alias", super::Op::LogsKey(op)).after(enabled()));
    }
    if live.rotation_days != Some(ROTATION_DAYS) {
        let (before, after) = (rotation(live.rotation_days), rotation(Some(ROTATION_DAYS)));
        fields.push(Field::change("rotation", before, after));
        lowered
            .drafts
            .push(Draft::new("rotate", super::Op::LogsKey(Op::Rotate { key })).after(enabled()));
    }
    if fields.is_empty() {
        let known = std::mem::take(&mut lowered.known);
        return super::up_to_date(addr, known);
    }
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Update,
        fields,
        why: if is_going {
            "without it, what is logged already could no longer be read".into()
        } else {
            "differs from the document".into()
        },
        risk: Risk::Safe,
    });
    lowered
}

fn rights(addr: &Addr, wanted: &str, live: Option<&str>) -> Vec<RightChange> {
    let Ok(wanted) = Policy::parse(wanted) else {
        return Vec::new();
    };
    let live = live.and_then(|live| Policy::parse(live).ok());
    rights_between(addr, &wanted, live.as_ref())
}

/// Removal: only together with the log groups, which nobody could read without it.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot, delete_logs: bool) -> Lowered {
    let live = match &snapshot.logs_key {
        Observation::Absent => return Lowered::default(),
        Observation::Unreadable(why) => return super::blocked(addr, why),
        Observation::Foreign(why, _) => {
            return Lowered {
                report: vec![Report::Left {
                    what: addr.to_string(),
                    why: why.clone(),
                }],
                ..Lowered::default()
            };
        }
        Observation::Present(live) => live,
    };
    // A group that has another key now, or none, has older lines that are encrypted with this one (CloudWatch
    // Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS KMS").
    let groups = snapshot.log_groups.values();
    let mut groups = groups.filter(|group| !matches!(group, Observation::Absent));
    if groups.next().is_some() && !delete_logs && !live.arn.is_empty() {
        let days = desired.stack.logs.retention_days;
        return Lowered {
            report: vec![Report::Left {
                what: format!("KMS key {}", live.arn),
                why: format!(
                    "log lines that stay are encrypted with it, the last for another {days} days at most; it \
                     costs 1 USD a month"
                ),
            }],
            ..Lowered::default()
        };
    }
    let mut lowered = Lowered::default();
    let mut fields = Vec::new();
    let after_groups = |mut draft: Draft| {
        for name in log_group::ALL {
            draft = draft.after(After::AllOf(log_group::addr(name)));
        }
        draft
    };
    if !live.arn.is_empty() && live.state != PENDING_DELETION {
        fields.push(Field::gone("arn", &live.arn));
        let op = Op::ScheduleDeletion {
            key: live.arn.clone(),
        };
        lowered.drafts.push(after_groups(Draft::new(
            "schedule-deletion",
            super::Op::LogsKey(op),
        )));
    }
    if live.has_alias || live.stale_alias {
        fields.push(Field::gone("alias", desired.logs_key_alias()));
        let op = Op::DeleteAlias {
            alias: desired.logs_key_alias(),
        };
        lowered.drafts.push(
            after_groups(Draft::new("delete-alias", super::Op::LogsKey(op)))
                .after(After::Answered(StepId::new(addr, "schedule-deletion"))),
        );
    }
    if !fields.is_empty() {
        lowered.change = Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Destroy,
            fields,
            why: format!(
                "deletion is scheduled for {DELETION_DAYS} days from now and can be cancelled until then"
            ),
            risk: Risk::Irreversible,
        });
    }
    lowered
}

/// Mutations of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateKey with its final policy and tags.
    Create {
        /// Key policy.
        policy: String,
        /// Tags set in the same call.
        tags: Tags,
        /// Description.
        description: String,
    },
    /// EnableKeyRotation.
    Rotate {
        /// Key ARN.
        key: Arg,
    },
    /// PutKeyPolicy.
    PutPolicy {
        /// Key ARN.
        key: Arg,
        /// Key policy.
        policy: String,
    },
    /// CancelKeyDeletion, after which the key is disabled.
    CancelDeletion {
        /// Key ARN.
        key: Arg,
    },
    /// EnableKey.
    Enable {
        /// Key ARN.
        key: Arg,
    },
    /// TagResource.
    Tag {
        /// Key ARN.
        key: Arg,
        /// Tags to set.
        tags: Tags,
    },
    /// CreateAlias, or UpdateAlias where the alias exists.
    Alias {
        /// Alias name.
        alias: String,
        /// Key ARN.
        key: Arg,
        /// Whether the alias exists already.
        moves: bool,
    },
    /// DeleteAlias.
    DeleteAlias {
        /// Alias name.
        alias: String,
    },
    /// ScheduleKeyDeletion.
    ScheduleDeletion {
        /// Key ARN.
        key: String,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Rotate { key } => Op::Rotate { key: f(key) },
            Op::PutPolicy { key, policy } => Op::PutPolicy {
                key: f(key),
                policy: policy.clone(),
            },
            Op::CancelDeletion { key } => Op::CancelDeletion { key: f(key) },
            Op::Enable { key } => Op::Enable { key: f(key) },
            Op::Tag { key, tags } => Op::Tag {
                key: f(key),
                tags: tags.clone(),
            },
            Op::Alias { alias, key, moves } => Op::Alias {
                alias: alias.clone(),
                key: f(key),
                moves: *moves,
            },
            Op::Create { .. } | Op::DeleteAlias { .. } | Op::ScheduleDeletion { .. } => {
                self.clone()
            }
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        match self {
            Op::Create { .. } => &[Output::KeyArn],
            Op::Rotate { .. }
            | Op::PutPolicy { .. }
            | Op::CancelDeletion { .. }
            | Op::Enable { .. }
            | Op::Tag { .. }
            | Op::Alias { .. }
            | Op::DeleteAlias { .. }
            | Op::ScheduleDeletion { .. } => &[],
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "kms:CreateKey",
            Op::Rotate { .. } => "kms:EnableKeyRotation",
            Op::PutPolicy { .. } => "kms:PutKeyPolicy",
            Op::CancelDeletion { .. } => "kms:CancelKeyDeletion",
            Op::Enable { .. } => "kms:EnableKey",
            Op::Tag { .. } => "kms:TagResource",
            Op::Alias { moves: false, .. } => "kms:CreateAlias",
            Op::Alias { moves: true, .. } => "kms:UpdateAlias",
            Op::DeleteAlias { .. } => "kms:DeleteAlias",
            Op::ScheduleDeletion { .. } => "kms:ScheduleKeyDeletion",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::Rotate { .. } => "switching yearly rotation on",
            Op::PutPolicy { .. } => "putting the key policy",
            Op::CancelDeletion { .. } => "cancelling its deletion",
            Op::Enable { .. } => "enabling",
            Op::Tag { .. } => "tagging",
            Op::Alias { .. } => "pointing the alias to it",
            Op::DeleteAlias { .. } => "deleting the alias",
            Op::ScheduleDeletion { .. } => "scheduling deletion",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::Kms
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(self, Op::DeleteAlias { .. } | Op::ScheduleDeletion { .. })
    }

    pub(super) fn look(&self) -> Option<Look> {
        matches!(self, Op::Create { .. }).then_some(Look::LogsKey)
    }
}

/// Completes what the alias showed; without a usable alias, the key is searched among those that have
/// none.
pub async fn observe(
    read: &Clients,
    desired: &Desired,
    by_alias: kms_key::ByAlias,
    groups: &log_group::Listed,
    tagged: &BTreeMap<String, Tags>,
) -> Observation<Live> {
    match read_live(read, desired, by_alias, groups, tagged).await {
        Ok(Some(live)) => judge(desired, live),
        Ok(None) => Observation::Absent,
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

/// Whose the key is. An alias of our name may lead to anybody's.
fn judge(desired: &Desired, live: Live) -> Observation<Live> {
    if live.arn.is_empty() || live.tags.get(TAG_STACK) == Some(&desired.domain) {
        return Observation::Present(live);
    }
    let what = format!("key {} behind {}", live.arn, desired.logs_key_alias());
    let instead = "point the alias elsewhere, or give the stack another prefix under [names]";
    if let Some(unfit) = &live.unfit {
        return Observation::Foreign(format!("{what}: {unfit}; {instead}"), None);
    }
    let stranger = Stranger {
        attributes: live.attributes(),
        id: live.arn,
        tags: live.tags,
    };
    adoption::foreign(desired, &what, instead, stranger)
}

/// The key behind the alias, as DescribeKey shows it: first level of reads.
pub async fn by_alias(read: &Clients, desired: &Desired) -> kms_key::ByAlias {
    kms_key::describe(&read.kms_regional, &desired.logs_key_alias()).await
}

async fn read_live(
    read: &Clients,
    desired: &Desired,
    by_alias: kms_key::ByAlias,
    groups: &log_group::Listed,
    tagged: &BTreeMap<String, Tags>,
) -> Result<Option<Live>, Failure> {
    let aliased = by_alias?;
    let mut live = Live::default();
    // One that somebody wants to be rid of is kept while its groups are there; a stack without keeps none.
    let mut chosen = aliased.filter(|key| {
        live.stale_alias = !desired.stack.logs.encrypt && kms_key::state(key) == PENDING_DELETION;
        !live.stale_alias
    });
    live.has_alias = chosen.is_some();
    if chosen.is_none() && desired.stack.logs.encrypt {
        (chosen, live.lost) = of_groups(read, desired, groups, tagged).await?;
    }
    if chosen.is_none() && desired.stack.logs.encrypt {
        let spare = kms_key::search(
            &read.kms_regional,
            desired,
            Some(PURPOSE_LOGS),
            kms_key::Hidden::Skipped,
        )
        .await?;
        for arn in spare {
            let found = kms_key::describe(&read.kms_regional, &arn).await?;
            chosen = found.filter(|key| kms_key::state(key) != PENDING_DELETION);
            if chosen.is_some() {
                break;
            }
        }
    }
    let Some(key) = chosen else {
        let says = live.stale_alias || !live.lost.is_empty();
        return Ok(says.then_some(live));
    };
    live.arn = kms_key::arn(&key);
    live.state = kms_key::state(&key);
    let spec = key.key_spec().map(kms::KeySpec::as_str).unwrap_or_default();
    if spec != "SYMMETRIC_DEFAULT" {
        live.unfit = Some(format!(
            "its spec is {spec}; CloudWatch Logs takes symmetric keys only"
        ));
    }
    // The tagging API may lag: what it shows counts only when nothing is missing, the purpose included.
    let wanted = tags(desired);
    let has = |found: &Tags, (key, value): (&String, &String)| found.get(key) == Some(value);
    let indexed = tagged
        .get(&live.arn)
        .filter(|found| wanted.iter().all(|tag| has(found, tag)));
    (live.policy, live.rotation_days, live.tags) = tokio::try_join!(
        kms_key::key_policy(&read.kms_regional, &live.arn),
        rotation_days(read, &live.arn),
        async {
            match indexed {
                Some(tags) => Ok(tags.clone()),
                None => crate::tags::of_key(&read.kms_regional, &live.arn).await,
            }
        }
    )?;
    Ok(Some(live))
}

/// The stack's key that the log groups have, whatever became of its alias and purpose, even when it is about
/// to go: only with it can be read what they hold. And which of their keys are gone. A key of others on one
/// of our groups is none of ours because of that.
async fn of_groups(
    read: &Clients,
    desired: &Desired,
    groups: &log_group::Listed,
    tagged: &BTreeMap<String, Tags>,
) -> Result<(Option<kms::KeyMetadata>, BTreeSet<String>), Failure> {
    let account = format!(":{}:key/", desired.account);
    let groups = groups.as_ref().map_err(Failure::clone)?;
    // A list by prefix may show groups of a stack whose name goes on where ours ends.
    let ours = log_group::ALL.map(|name| log_group::group_name(desired, name));
    let arns: BTreeSet<&str> = ours
        .iter()
        .filter_map(|name| groups.get(name)?.kms_key_id())
        .filter(|arn| arn.contains(&account))
        .collect();
    let (mut chosen, mut lost) = (None, BTreeSet::new());
    for arn in arns {
        let Some(key) = kms_key::describe(&read.kms_regional, arn).await? else {
            lost.insert(arn.to_owned());
            continue;
        };
        let tags = match tagged.get(arn) {
            Some(tags) => tags.clone(),
            None => crate::tags::of_key(&read.kms_regional, arn).await?,
        };
        let is_going = |key: &kms::KeyMetadata| kms_key::state(key) == PENDING_DELETION;
        let is_better = chosen
            .as_ref()
            .is_none_or(|so_far| is_going(so_far) && !is_going(&key));
        if desired.owns(&tags) && is_better {
            chosen = Some(key);
        }
    }
    Ok((chosen, lost))
}

async fn rotation_days(read: &Clients, arn: &str) -> Result<Option<i32>, Failure> {
    let call = read.kms_regional.get_key_rotation_status().key_id(arn);
    let answer = call.send().await.or_fail("kms:GetKeyRotationStatus")?;
    let days = answer.rotation_period_in_days().unwrap_or(ROTATION_DAYS);
    Ok(answer.key_rotation_enabled().then_some(days))
}

/// Looks for a key made by a call whose answer was lost.
pub async fn look(read: &Clients, desired: &Desired) -> Result<Seen, Failure> {
    let found = kms_key::search(
        &read.kms_regional,
        desired,
        Some(PURPOSE_LOGS),
        kms_key::Hidden::Skipped,
    )
    .await?;
    for arn in found {
        if let Some(key) = kms_key::describe(&read.kms_regional, &arn).await?
            && kms_key::state(&key) == "Enabled"
        {
            return Ok(Seen::Found(Outputs::from([(Output::KeyArn, arn)])));
        }
    }
    Ok(Seen::NotListed)
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    let client = &write.kms_regional;
    match op {
        Op::Create {
            policy,
            tags,
            description,
        } => {
            let call = client
                .create_key()
                .description(description)
                .policy(policy)
                .set_tags(Some(kms_key::kms_tags(action, tags)?));
            let answer = call.send().await.or_fail(action);
            let answer = answer.map_err(|failure| kms_key::naming_admins(failure, policy))?;
            let arn = answer
                .key_metadata
                .as_ref()
                .map(kms_key::arn)
                .unwrap_or_default();
            return Ok(Outputs::from([(Output::KeyArn, arn)]));
        }
        Op::Rotate { key } => {
            let call = client.enable_key_rotation().key_id(key.value());
            let call = call.rotation_period_in_days(ROTATION_DAYS);
            call.send().await.or_fail(action)?;
        }
        Op::PutPolicy { key, policy } => {
            let call = client.put_key_policy().key_id(key.value());
            let call = call.policy_name("default").policy(policy);
            let answer = call.send().await.or_fail(action);
            answer.map_err(|failure| kms_key::naming_admins(failure, policy))?;
        }
        Op::CancelDeletion { key } => {
            let call = client.cancel_key_deletion().key_id(key.value());
            call.send().await.or_fail(action)?;
        }
        Op::Enable { key } => {
            let call = client.enable_key().key_id(key.value());
            call.send().await.or_fail(action)?;
        }
        Op::Tag { key, tags } => {
            let call = client.tag_resource().key_id(key.value());
            let call = call.set_tags(Some(kms_key::kms_tags(action, tags)?));
            call.send().await.or_fail(action)?;
        }
        Op::Alias {
            alias,
            key,
            moves: true,
        } => {
            let call = client.update_alias().alias_name(alias);
            let call = call.target_key_id(key.value());
            call.send().await.or_fail(action)?;
        }
        Op::Alias {
            alias,
            key,
            moves: false,
        } => {
            let call = client.create_alias().alias_name(alias);
            let call = call.target_key_id(key.value());
            match call.send().await.or_fail(action) {
                Ok(_) => {}
                // After a lost answer: there already, and pointing where it should.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    let there = kms_key::describe(client, alias).await?;
                    if there.map(|found| kms_key::arn(&found)).as_deref() != Some(key.value()) {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::DeleteAlias { alias } => {
            let call = client.delete_alias().alias_name(alias);
            call.send().await.or_fail(action)?;
        }
        Op::ScheduleDeletion { key } => {
            let call = client.schedule_key_deletion().key_id(key);
            let call = call.pending_window_in_days(DELETION_DAYS);
            call.send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Kind;
    use crate::fixture;

    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/logs";

    fn live() -> Live {
        let desired = fixture::desired();
        Live {
            arn: KEY.into(),
            state: "Enabled".into(),
            has_alias: true,
            rotation_days: Some(ROTATION_DAYS),
            policy: policy(&desired),
            tags: tags(&desired),
            ..Live::default()
        }
    }

    fn with(live: Live) -> Snapshot {
        Snapshot {
            logs_key: Observation::Present(live),
            ..fixture::applied()
        }
    }

    fn lowered(snapshot: &Snapshot) -> Lowered {
        let desired = fixture::desired();
        converge(&desired.addr(Kind::LogsKey), &desired, snapshot)
    }

    fn steps(lowered: &Lowered) -> Vec<&'static str> {
        lowered.drafts.iter().map(|draft| draft.name).collect()
    }

    #[test]
    fn what_others_changed_is_put_back() {
        type Edit = fn(&mut Live);
        let cases: [(Edit, &[&str]); 9] = [
            (|_| {}, &[]),
            (|key| key.state = "Disabled".into(), &["enable"]),
            (
                |key| key.state = PENDING_DELETION.into(),
                &["cancel-deletion", "enable"],
            ),
            (|key| key.rotation_days = None, &["rotate"]),
            (|key| key.rotation_days = Some(2_560), &["rotate"]),
            (|key| key.has_alias = false, &["alias"]),
            (|key| drop(key.tags.remove(TAG_PURPOSE)), &["tag"]),
            (
                |key| key.policy = key.policy.replace("kms:ReEncrypt*", "kms:*"),
                &["policy"],
            ),
            (
                |key| (key.arn, key.stale_alias, key.has_alias) = (String::new(), true, false),
                &["create", "alias", "rotate"],
            ),
        ];
        for (edit, expected) in cases {
            let mut key = live();
            edit(&mut key);
            assert_eq!(steps(&lowered(&with(key))), expected);
        }
    }

    #[test]
    fn a_key_about_to_go_gets_its_alias_back_after_it_is_kept() {
        let going = Live {
            state: PENDING_DELETION.into(),
            has_alias: false,
            ..live()
        };
        let lowered = lowered(&with(going));
        assert_eq!(steps(&lowered), ["cancel-deletion", "enable", "alias"]);
        let addr = fixture::desired().addr(Kind::LogsKey);
        let enabled = After::Answered(StepId::new(&addr, "enable"));
        assert!(lowered.drafts[2].after.contains(&enabled));
    }

    #[test]
    fn a_key_that_is_gone_for_ever_is_named() {
        let lost = Live {
            lost: BTreeSet::from([KEY.to_owned()]),
            ..Live::default()
        };
        let lowered = lowered(&with(lost));
        assert_eq!(steps(&lowered), ["create", "alias", "rotate"]);
        let op = &lowered.drafts[1].op;
        let super::super::Op::LogsKey(Op::Alias { moves, .. }) = op else {
            panic!("an alias: {op:?}");
        };
        assert!(!moves, "there is none to move");
        let is_said =
            |report: &Report| matches!(report, Report::Warning { what, .. } if what.contains(KEY));
        assert!(lowered.report.iter().any(is_said));
    }

    #[test]
    fn a_key_that_cannot_be_judged_blocks() {
        let desired = fixture::desired();
        let unfit = Live {
            unfit: Some("its spec is RSA_2048".into()),
            ..live()
        };
        let going = Live {
            state: "PendingImport".into(),
            ..live()
        };
        let mut unread = fixture::applied();
        unread.logs_key = Observation::Unreadable("throttled".into());
        let mut foreign = fixture::applied();
        foreign.logs_key = Observation::Foreign("somebody's".into(), None);
        for snapshot in [foreign, with(unfit), with(going), unread] {
            let lowered = converge(&desired.addr(Kind::LogsKey), &desired, &snapshot);
            assert!(lowered.drafts.is_empty());
            assert!(matches!(lowered.report[..], [Report::Blocked { .. }]));
        }
    }

    #[test]
    fn a_key_is_ours_by_its_tag_whatever_leads_to_it() {
        let desired = fixture::desired();
        let with_stack = |stack: Option<&str>| {
            let mut live = live();
            live.tags.remove(TAG_STACK);
            let tag = stack.map(|stack| (TAG_STACK.to_owned(), stack.to_owned()));
            live.tags.extend(tag);
            judge(&desired, live)
        };
        assert!(matches!(
            with_stack(Some(&desired.domain)),
            Observation::Present(_)
        ));
        assert!(matches!(with_stack(None), Observation::Foreign(_, Some(_))));
        let other = with_stack(Some("lab.example.edu"));
        assert!(
            matches!(&other, Observation::Foreign(why, None) if why.contains("lab.example.edu")),
            "{other:?}"
        );
        let unfit = Live {
            unfit: Some("its spec is RSA_2048".into()),
            tags: Tags::new(),
            ..live()
        };
        assert!(matches!(
            judge(&desired, unfit),
            Observation::Foreign(_, None)
        ));
    }

    #[test]
    fn the_key_of_logs_that_stay_stays() {
        let desired = fixture::desired();
        let addr = desired.addr(Kind::LogsKey);
        let group = |key_arn: Option<&str>, retention_days| {
            Observation::Present(log_group::Live {
                retention_days,
                key_arn: key_arn.map(str::to_owned),
                lines: Default::default(),
                tags: Tags::new(),
            })
        };
        let cases = [
            (group(Some(KEY), Ok(None)), false),
            // Older lines have the key they were written with.
            (group(None, Ok(None)), false),
            (group(Some("arn:another"), Ok(None)), false),
            (group(None, Err(())), false),
            (Observation::Unreadable("throttled".into()), false),
            (Observation::Absent, true),
        ];
        for (group, goes) in cases {
            let mut snapshot = with(live());
            snapshot
                .log_groups
                .insert(log_group::addr(log_group::UPDATER), group.clone());
            let lowered = destroy(&addr, &desired, &snapshot, false);
            let scheduled = steps(&lowered).contains(&"schedule-deletion");
            assert_eq!(scheduled, goes, "{group:?}");
            let all = destroy(&addr, &desired, &snapshot, true);
            assert!(steps(&all).contains(&"schedule-deletion"), "{group:?}");
        }
    }
}
