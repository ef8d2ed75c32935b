//! The KMS key behind the key-signing key: ECC_NIST_P256, SIGN_VERIFY, single-Region, always in
//! us-east-1, with its policy and alias.
//!
//! Natural key: the alias; failing that, a key without an alias that carries the stack's tags (a run
//! died between CreateKey and CreateAlias). Nobody but Route 53 may sign, for this zone only. A key is
//! never replaced in one apply, deletion is only scheduled (30 days), and a key that is pending
//! deletion is never adopted. AWS: CreateKey, PutKeyPolicy, CreateAlias, ScheduleKeyDeletion.
//!
//! ```text
//! (none) --Create--> Enabled <--Enable/(others)--> Disabled
//!                       |                              |
//!                       +------ScheduleDeletion--------+--> PendingDeletion --30 days--> (none)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::types as kms;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Clients, fail};
use crate::condition::Condition;
use crate::desired::{self, Desired};
use crate::kind::Seen;
use crate::plan::{
    After, Change, Draft, Field, Lowered, Report, RightChange, Risk, StepId, Symbol, of,
};
use crate::policy::Policy;
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Snapshot};

/// The policy's text, with placeholders.
pub const POLICY: &str = include_str!("../../../policies/kms-ksk.json");
/// The longest window KMS offers (ScheduleKeyDeletion, PendingWindowInDays).
pub const DELETION_DAYS: i32 = 30;

/// The key as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// ARN.
    pub arn: String,
    /// Key state, such as `Enabled`.
    pub state: String,
    /// What is wrong with its nature (spec, usage, multi-Region), which nothing can change.
    pub unfit: Option<String>,
    /// Whether the stack's alias points to it.
    pub has_alias: bool,
    /// Whether the stack's alias exists but points to a key that is gone, going or somebody else's.
    pub stale_alias: bool,
    /// Its policy, as text.
    pub policy: String,
    /// Public key, DER (SubjectPublicKeyInfo).
    pub public_key: Vec<u8>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Other keys of this stack without an alias: `(arn, state)`.
    pub twins: Vec<(String, String)>,
    /// When it will be deleted, if that is scheduled (RFC 3339).
    pub deletion_date: Option<String>,
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
        let policy = Policy::parse(&self.policy).map(|policy| {
            policy
                .statements
                .iter()
                .map(|s| s.sentence())
                .collect::<Vec<_>>()
                .join("; ")
        });
        attributes.insert(
            "policy".into(),
            policy.unwrap_or_else(|_| self.policy.clone()),
        );
        attributes
    }
}

/// What was read of the key, before it is judged: there may be no usable one, but an alias that
/// dangles or twins to clean up.
fn usable(live: &Live) -> bool {
    !live.arn.is_empty()
}

/// What the key needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.kms_key {
        Observation::Unreadable(why) | Observation::Foreign(why) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => &Live::default(),
        Observation::Present(live) => live,
    };
    if let Some(lost) = in_use_but_going(live, snapshot) {
        return super::blocked(addr, lost);
    }
    if is_strange(desired, snapshot, live) {
        return super::blocked(addr, strange(desired, live));
    }
    let mut lowered = if usable(live) {
        update(addr, desired, snapshot, live)
    } else {
        create(addr, desired, snapshot, live)
    };
    retire_twins(addr, live, snapshot, &mut lowered);
    if lowered.drafts.is_empty() && lowered.report.is_empty() {
        let known = std::mem::take(&mut lowered.known);
        return super::up_to_date(addr, known);
    }
    lowered
}

/// Whether the alias leads to a key that is not known to be ours: it lacks the stack's tags, and no
/// KSK of the zone names it. (A KSK's key that only lost its tags gets them back.)
fn is_strange(desired: &Desired, snapshot: &Snapshot, live: &Live) -> bool {
    let is_used = snapshot
        .dnssec
        .present()
        .is_some_and(|dnssec| dnssec.keys.iter().any(|key| key.kms_arn == live.arn));
    usable(live) && live.has_alias && !is_used && !ours(desired, &live.tags)
}

fn strange(desired: &Desired, live: &Live) -> String {
    format!(
        "{} leads to {}, which does not carry the tags of this stack and which no key-signing key of \
         the zone uses; point the alias elsewhere, or tag the key if it is ours",
        desired.key_alias, live.arn
    )
}

/// A KSK names a key that is scheduled for deletion: making a second key would not help, and the zone
/// breaks when its last signatures end.
fn in_use_but_going(live: &Live, snapshot: &Snapshot) -> Option<String> {
    let keys = &snapshot.dnssec.present()?.keys;
    let dying = live.twins.iter().find(|(arn, state)| {
        state == "PendingDeletion" && keys.iter().any(|key| key.kms_arn == *arn)
    })?;
    Some(format!(
        "{} is scheduled for deletion although a key-signing key of the zone uses it; cancel that \
         (`aws kms cancel-key-deletion --key-id {}`, then `aws kms enable-key`) and plan again",
        dying.0, dying.0
    ))
}

fn create(addr: &Addr, desired: &Desired, snapshot: &Snapshot, live: &Live) -> Lowered {
    let policy = policy_arg(desired);
    let tags = desired.tags();
    let alias = desired.key_alias.clone();
    let key = of(addr, Output::KeyArn);
    let mut fields = vec![
        Field::new("alias", &alias),
        Field::new("region", "us-east-1"),
        Field::new("spec", "ECC_NIST_P256"),
        Field::new("usage", "SIGN_VERIFY"),
    ];
    fields.extend(super::tag_fields(&tags, &BTreeMap::new()));
    let rights = Policy::parse(&policy.shown())
        .map(|policy| rights(addr, &policy, None))
        .unwrap_or_default();
    let mut create = Draft::new(
        "create",
        super::Op::KmsKey(Op::Create {
            policy,
            tags,
            description: format!("DNSSEC key-signing key of {}", desired.domain),
        }),
    );
    if let Some(since) = super::intent(snapshot, addr) {
        create = create.ready(Condition::ListsSettled { since });
    }
    let alias = if live.stale_alias {
        Op::MoveAlias { alias, key }
    } else {
        Op::CreateAlias { alias, key }
    };
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields,
            why: "no key of this stack; KMS cannot rotate an asymmetric key by itself, so this one stays \
                  until `ksk rotate`"
                .into(),
            risk: Risk::Safe,
        }),
        drafts: vec![create, Draft::new("alias", super::Op::KmsKey(alias))],
        rights,
        ..Lowered::default()
    }
}

fn update(addr: &Addr, desired: &Desired, snapshot: &Snapshot, live: &Live) -> Lowered {
    if let Some(unfit) = &live.unfit {
        return super::blocked(addr, format!("{}: {unfit}; a KSK cannot use it", live.arn));
    }
    let key = of(addr, Output::KeyArn);
    let mut lowered = Lowered {
        known: Outputs::from([(Output::KeyArn, live.arn.clone())]),
        ..Lowered::default()
    };
    let mut fields = Vec::new();
    match live.state.as_str() {
        "Enabled" => {}
        "Disabled" => {
            fields.push(Field::change("state", "Disabled", "Enabled"));
            let op = Op::Enable { key: key.clone() };
            lowered
                .drafts
                .push(Draft::new("enable", super::Op::KmsKey(op)));
        }
        other => return super::blocked(addr, format!("{} is in state {other}", live.arn)),
    }
    let zone_known = snapshot.hosted_zone.present().map(|zone| zone.id.clone());
    let policy = policy_arg(desired);
    if let Some(zone_id) = zone_known {
        let wanted = Policy::parse(&policy.text_with(&zone_id));
        let live_policy = Policy::parse(&live.policy);
        if let Ok(wanted) = wanted
            && live_policy.as_ref().ok() != Some(&wanted)
        {
            let changed = rights(addr, &wanted, live_policy.as_ref().ok());
            fields.extend(changed.iter().map(|right| {
                let sentence = right.sentence.clone();
                if right.gained {
                    Field::new("policy", sentence)
                } else {
                    Field::gone("policy", sentence)
                }
            }));
            lowered.rights = changed;
            let op = Op::PutPolicy {
                key: key.clone(),
                policy,
            };
            lowered
                .drafts
                .push(Draft::new("policy", super::Op::KmsKey(op)));
        }
    } else {
        // The zone is new: the policy has to name it.
        fields.push(Field::new("policy", "for the new zone"));
        let op = Op::PutPolicy {
            key: key.clone(),
            policy,
        };
        lowered
            .drafts
            .push(Draft::new("policy", super::Op::KmsKey(op)));
    }
    let tags = desired.tags_to_set(&live.tags);
    if !tags.is_empty() {
        fields.extend(super::tag_fields(&tags, &live.tags));
        let op = Op::Tag {
            key: key.clone(),
            tags,
        };
        lowered
            .drafts
            .push(Draft::new("tag", super::Op::KmsKey(op)));
    }
    if !live.has_alias {
        fields.push(Field::new("alias", desired.key_alias.clone()));
        let alias = desired.key_alias.clone();
        let op = if live.stale_alias {
            Op::MoveAlias { alias, key }
        } else {
            Op::CreateAlias { alias, key }
        };
        lowered
            .drafts
            .push(Draft::new("alias", super::Op::KmsKey(op)));
    }
    if !fields.is_empty() {
        lowered.change = Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields,
            why: "differs from the document".into(),
            risk: Risk::Safe,
        });
    }
    lowered
}

/// Keys of this stack that lost a race: no alias, no KSK. They cost money and confuse; nothing signs
/// with them.
fn retire_twins(addr: &Addr, live: &Live, snapshot: &Snapshot, lowered: &mut Lowered) {
    let Some(dnssec) = readable(&snapshot.dnssec) else {
        return;
    };
    let used: BTreeSet<&str> = dnssec.iter().map(|key| key.kms_arn.as_str()).collect();
    let losing = live
        .twins
        .iter()
        .filter(|(arn, state)| state != "PendingDeletion" && !used.contains(arn.as_str()))
        .take(TWIN_STEPS.len());
    for ((arn, _), step) in losing.zip(TWIN_STEPS) {
        let op = Op::ScheduleDeletion {
            key: Arg::Known(arn.clone()),
            days: DELETION_DAYS,
        };
        lowered.drafts.push(Draft::new(step, super::Op::KmsKey(op)));
        let change = lowered.change.get_or_insert_with(|| Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields: Vec::new(),
            why: "an interrupted run made a second key; it has no alias and no KSK uses it".into(),
            risk: Risk::Irreversible,
        });
        change.fields.push(Field::change(
            format!("twin {arn}"),
            "unused",
            "deletion in 30 days",
        ));
    }
}

/// Step names for twins; more than this many are cleaned up by the next plan.
const TWIN_STEPS: [&str; 3] = ["retire-twin", "retire-twin-2", "retire-twin-3"];

fn readable(dnssec: &Observation<super::ksk::Live>) -> Option<&[super::ksk::Key]> {
    match dnssec {
        Observation::Present(live) => Some(&live.keys),
        Observation::Absent => Some(&[]),
        Observation::Foreign(_) | Observation::Unreadable(_) => None,
    }
}

/// Removal: deletion is scheduled, and the alias goes.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.kms_key {
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
    let ksk = desired.addr(Kind::Ksk);
    let mut lowered = Lowered::default();
    let mut fields = Vec::new();
    let is_strange = is_strange(desired, snapshot, live);
    if is_strange {
        lowered.report.push(Report::Left {
            what: addr.to_string(),
            why: strange(desired, live),
        });
    }
    let going = live
        .twins
        .iter()
        .filter(|(_, state)| state != "PendingDeletion");
    let mut keys: Vec<(&str, &'static str)> =
        going.map(|(arn, _)| arn.as_str()).zip(TWIN_STEPS).collect();
    if usable(live) && live.state != "PendingDeletion" && !is_strange {
        keys.insert(0, (&live.arn, "schedule-deletion"));
    }
    for (arn, step) in keys {
        fields.push(Field::gone("arn", arn));
        let op = Op::ScheduleDeletion {
            key: Arg::Known(arn.to_owned()),
            days: DELETION_DAYS,
        };
        lowered
            .drafts
            .push(Draft::new(step, super::Op::KmsKey(op)).after(After::AllOf(ksk.clone())));
    }
    if (live.has_alias || live.stale_alias) && !is_strange {
        fields.push(Field::gone("alias", desired.key_alias.clone()));
        let op = Op::DeleteAlias {
            alias: desired.key_alias.clone(),
        };
        lowered.drafts.push(
            Draft::new("delete-alias", super::Op::KmsKey(op))
                .after(After::AllOf(ksk))
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

/// A policy text whose zone may still be unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyArg {
    account: String,
    admins: Vec<String>,
    zone: Arg,
}

fn policy_arg(desired: &Desired) -> PolicyArg {
    // The root stays whoever else is named: IAM then decides within the account, and a key whose
    // named administrators are gone does not become unmanageable (KMS Developer Guide, "Default key
    // policy").
    let mut admins = vec![format!("arn:aws:iam::{}:root", desired.account)];
    admins.extend(desired.key_admins.iter().cloned());
    PolicyArg {
        account: desired.account.clone(),
        admins,
        zone: of(&desired.addr(Kind::HostedZone), Output::ZoneId),
    }
}

impl PolicyArg {
    /// The text for AWS.
    fn text(&self) -> String {
        self.text_with(self.zone.value())
    }

    /// The text for people, before the zone exists.
    fn shown(&self) -> String {
        self.text_with("(id of the new zone)")
    }

    fn text_with(&self, zone_id: &str) -> String {
        let admins = self
            .admins
            .iter()
            .map(|arn| format!("\"{arn}\""))
            .collect::<Vec<_>>();
        POLICY
            .replace("\"${admins}\"", &format!("[{}]", admins.join(", ")))
            .replace("${account}", &self.account)
            .replace("${zone_id}", zone_id)
    }
}

/// The policy that the key of a zone must have.
pub fn policy_for(desired: &Desired, zone_id: &str) -> String {
    policy_arg(desired).text_with(zone_id)
}

fn rights(addr: &Addr, wanted: &Policy, live: Option<&Policy>) -> Vec<RightChange> {
    let none = BTreeSet::new();
    let before = live.map_or(&none, |policy| &policy.statements);
    let right = |gained| {
        move |statement: &crate::policy::Statement| RightChange {
            addr: addr.clone(),
            gained,
            sentence: statement.sentence(),
        }
    };
    let lost = before.difference(&wanted.statements).map(right(false));
    let gained = wanted.statements.difference(before).map(right(true));
    lost.chain(gained).collect()
}

/// Mutations of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateKey with its final policy and tags.
    Create {
        /// Key policy.
        policy: PolicyArg,
        /// Tags set in the same call.
        tags: BTreeMap<String, String>,
        /// Description.
        description: String,
    },
    /// PutKeyPolicy.
    PutPolicy {
        /// Key ARN.
        key: Arg,
        /// Key policy.
        policy: PolicyArg,
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
        tags: BTreeMap<String, String>,
    },
    /// CreateAlias.
    CreateAlias {
        /// Alias name.
        alias: String,
        /// Key ARN.
        key: Arg,
    },
    /// UpdateAlias.
    MoveAlias {
        /// Alias name.
        alias: String,
        /// Key ARN.
        key: Arg,
    },
    /// DeleteAlias.
    DeleteAlias {
        /// Alias name.
        alias: String,
    },
    /// ScheduleKeyDeletion.
    ScheduleDeletion {
        /// Key ARN.
        key: Arg,
        /// Waiting period in days, 7 to 30.
        days: i32,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        let mut policy_with = |policy: &PolicyArg| PolicyArg {
            zone: f(&policy.zone),
            ..policy.clone()
        };
        match self {
            Op::Create {
                policy,
                tags,
                description,
            } => Op::Create {
                policy: policy_with(policy),
                tags: tags.clone(),
                description: description.clone(),
            },
            Op::PutPolicy { key, policy } => {
                let policy = policy_with(policy);
                Op::PutPolicy {
                    key: f(key),
                    policy,
                }
            }
            Op::Enable { key } => Op::Enable { key: f(key) },
            Op::Tag { key, tags } => Op::Tag {
                key: f(key),
                tags: tags.clone(),
            },
            Op::CreateAlias { alias, key } => Op::CreateAlias {
                alias: alias.clone(),
                key: f(key),
            },
            Op::MoveAlias { alias, key } => Op::MoveAlias {
                alias: alias.clone(),
                key: f(key),
            },
            Op::DeleteAlias { .. } => self.clone(),
            Op::ScheduleDeletion { key, days } => Op::ScheduleDeletion {
                key: f(key),
                days: *days,
            },
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        match self {
            Op::Create { .. } => &[Output::KeyArn],
            Op::PutPolicy { .. }
            | Op::Enable { .. }
            | Op::Tag { .. }
            | Op::CreateAlias { .. }
            | Op::MoveAlias { .. }
            | Op::DeleteAlias { .. }
            | Op::ScheduleDeletion { .. } => &[],
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "kms:CreateKey",
            Op::PutPolicy { .. } => "kms:PutKeyPolicy",
            Op::Enable { .. } => "kms:EnableKey",
            Op::Tag { .. } => "kms:TagResource",
            Op::CreateAlias { .. } => "kms:CreateAlias",
            Op::MoveAlias { .. } => "kms:UpdateAlias",
            Op::DeleteAlias { .. } => "kms:DeleteAlias",
            Op::ScheduleDeletion { .. } => "kms:ScheduleKeyDeletion",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::PutPolicy { .. } => "putting the key policy",
            Op::Enable { .. } => "enabling",
            Op::Tag { .. } => "tagging",
            Op::CreateAlias { .. } | Op::MoveAlias { .. } => "pointing the alias to it",
            Op::DeleteAlias { .. } => "deleting the alias",
            Op::ScheduleDeletion { .. } => "scheduling deletion",
        }
    }
}

/// The key behind the alias, as DescribeKey shows it.
pub type ByAlias = Result<Option<kms::KeyMetadata>, Failure>;

/// Reads the key behind the alias.
pub async fn by_alias(read: &Clients, desired: &Desired) -> ByAlias {
    describe(read, &desired.key_alias).await
}

async fn describe(read: &Clients, id: &str) -> ByAlias {
    match read.kms.describe_key().key_id(id).send().await {
        Ok(answer) => Ok(answer.key_metadata),
        Err(error) => {
            let failure = fail("kms:DescribeKey", error);
            if failure.class == Class::Gone {
                Ok(None)
            } else {
                Err(failure)
            }
        }
    }
}

/// Completes what the alias showed: policy, public key, tags; and without a usable alias, the search
/// among the keys that have none. `tagged` is the tagging API's view, used when it agrees.
pub async fn detail(
    read: &Clients,
    desired: &Desired,
    by_alias: ByAlias,
    tagged: Option<&BTreeMap<String, BTreeMap<String, String>>>,
) -> Observation<Live> {
    match read_detail(read, desired, by_alias, tagged).await {
        Ok(Some(live)) => Observation::Present(live),
        Ok(None) => Observation::Absent,
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

async fn read_detail(
    read: &Clients,
    desired: &Desired,
    by_alias: ByAlias,
    tagged: Option<&BTreeMap<String, BTreeMap<String, String>>>,
) -> Result<Option<Live>, Failure> {
    // What the tagging API cannot tell, the search has to.
    let hidden = if tagged.is_some() {
        Hidden::Skipped
    } else {
        Hidden::Refused
    };
    let none = BTreeMap::new();
    let tagged = tagged.unwrap_or(&none);
    let mut live = Live::default();
    let aliased = by_alias?;
    let mut chosen = aliased
        .clone()
        .filter(|key| state(key) != "PendingDeletion");
    if let Some(key) = &aliased
        && chosen.is_none()
    {
        live.stale_alias = true;
        live.twins.push((arn(key), state(key)));
    }
    // The tagging API shows twins for free; without a key behind the alias only a search is sure.
    // A key with an alias of its own has another purpose, whatever its tags say.
    let mut candidates = BTreeSet::new();
    for (arn, tags) in tagged {
        let is_target = aliased.as_ref().is_some_and(|key| self::arn(key) == *arn);
        if arn.contains(":kms:")
            && ours(desired, tags)
            && !is_target
            && !has_alias(read, arn).await?
        {
            candidates.insert(arn.clone());
        }
    }
    if chosen.is_none() {
        candidates.extend(search(read, desired, hidden).await?);
    }
    if let Some(key) = &aliased {
        candidates.remove(&arn(key));
    }
    // Concurrently: twins must not cost a no-change plan another level of reads.
    let candidates: Vec<String> = candidates.into_iter().collect();
    let described = candidates.iter().map(|candidate| describe(read, candidate));
    let (described, known) = tokio::join!(
        futures_util::future::try_join_all(described),
        content(read, desired, chosen.as_ref(), tagged)
    );
    let mut spare: Vec<kms::KeyMetadata> = described?.into_iter().flatten().collect();
    // So has a key that could never be a KSK's.
    spare.retain(|key| unfit(key).is_none());
    let mut known = known?;
    // Somebody may have pointed the alias at a key of theirs: ours is the one with the stack's tags.
    if chosen.is_some() && !ours(desired, &known.2) {
        for found in search(read, desired, hidden).await? {
            if !candidates.contains(&found) {
                spare.extend(describe(read, &found).await?);
            }
        }
        if spare.iter().any(|key| state(key) != "PendingDeletion") {
            chosen = None;
            live.stale_alias = true;
        }
    }
    // The oldest wins; the order of equal dates is the order of ARNs, so that every run agrees.
    spare.sort_by(|a, b| {
        let date =
            |key: &kms::KeyMetadata| key.creation_date().map(|d| (d.secs(), d.subsec_nanos()));
        (date(a), arn(a)).cmp(&(date(b), arn(b)))
    });
    live.has_alias = chosen.is_some();
    for key in spare {
        if chosen.is_none() && state(&key) != "PendingDeletion" {
            chosen = Some(key);
            known = content(read, desired, chosen.as_ref(), tagged).await?;
        } else {
            live.twins.push((arn(&key), state(&key)));
        }
    }
    let Some(key) = chosen else {
        let nothing = live.twins.is_empty() && !live.stale_alias;
        return Ok(if nothing { None } else { Some(live) });
    };
    live.arn = arn(&key);
    live.state = state(&key);
    live.unfit = unfit(&key);
    (live.policy, live.public_key, live.tags) = known;
    Ok(Some(live))
}

/// Policy, public key and tags of a key.
type Content = (String, Vec<u8>, BTreeMap<String, String>);

async fn content(
    read: &Clients,
    desired: &Desired,
    key: Option<&kms::KeyMetadata>,
    tagged: &BTreeMap<String, BTreeMap<String, String>>,
) -> Result<Content, Failure> {
    let Some(arn) = key.map(arn) else {
        return Ok(Content::default());
    };
    // The tagging API may lag: what it shows counts only when nothing is missing.
    let indexed = tagged
        .get(&arn)
        .filter(|tags| desired.tags_to_set(tags).is_empty());
    tokio::try_join!(key_policy(read, &arn), public_key(read, &arn), async {
        match indexed {
            Some(tags) => Ok(tags.clone()),
            None => tags(read, &arn).await,
        }
    })
}

fn arn(key: &kms::KeyMetadata) -> String {
    key.arn().unwrap_or_default().to_owned()
}

fn state(key: &kms::KeyMetadata) -> String {
    key.key_state()
        .map(|state| state.as_str().to_owned())
        .unwrap_or_default()
}

fn unfit(key: &kms::KeyMetadata) -> Option<String> {
    let spec = key
        .key_spec()
        .map(|spec| spec.as_str().to_owned())
        .unwrap_or_default();
    let usage = key
        .key_usage()
        .map(|usage| usage.as_str().to_owned())
        .unwrap_or_default();
    if spec != "ECC_NIST_P256" {
        Some(format!("its spec is {spec}, not ECC_NIST_P256"))
    } else if usage != "SIGN_VERIFY" {
        Some(format!("its usage is {usage}, not SIGN_VERIFY"))
    } else if key.multi_region() == Some(true) {
        Some("it is a multi-Region key".to_owned())
    } else {
        None
    }
}

async fn key_policy(read: &Clients, arn: &str) -> Result<String, Failure> {
    let call = read.kms.get_key_policy().key_id(arn).policy_name("default");
    let answer = call
        .send()
        .await
        .map_err(|error| fail("kms:GetKeyPolicy", error))?;
    Ok(answer.policy.unwrap_or_default())
}

/// The public key; none while the key's state does not allow the call.
async fn public_key(read: &Clients, arn: &str) -> Result<Vec<u8>, Failure> {
    match read.kms.get_public_key().key_id(arn).send().await {
        Ok(answer) => Ok(answer
            .public_key
            .map(|blob| blob.into_inner())
            .unwrap_or_default()),
        Err(error) => {
            let failure = fail("kms:GetPublicKey", error);
            let state = ["KMSInvalidStateException", "DisabledException"];
            if state.contains(&failure.code.as_str()) {
                Ok(Vec::new())
            } else {
                Err(failure)
            }
        }
    }
}

async fn tags(read: &Clients, arn: &str) -> Result<BTreeMap<String, String>, Failure> {
    let call = read.kms.list_resource_tags().key_id(arn).limit(50);
    let answer = call
        .send()
        .await
        .map_err(|error| fail("kms:ListResourceTags", error))?;
    Ok(answer
        .tags()
        .iter()
        .map(|tag| (tag.tag_key().to_owned(), tag.tag_value().to_owned()))
        .collect())
}

/// What a search does about a key whose tags it may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    /// It is somebody else's: another reading of tags would have shown ours.
    Skipped,
    /// It may be ours, as nothing else shows tags: the search fails.
    Refused,
}

/// Keys of this stack among those that have no alias. Reads every key's tags: done only when the
/// alias leads nowhere.
async fn search(read: &Clients, desired: &Desired, hidden: Hidden) -> Result<Vec<String>, Failure> {
    let mut aliased = BTreeSet::new();
    let mut pages = read.kms.list_aliases().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| fail("kms:ListAliases", error))?;
        aliased.extend(
            page.aliases()
                .iter()
                .filter_map(|a| a.target_key_id().map(str::to_owned)),
        );
    }
    let mut found = Vec::new();
    let mut pages = read.kms.list_keys().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| fail("kms:ListKeys", error))?;
        for key in page.keys() {
            let (Some(id), Some(arn)) = (key.key_id(), key.key_arn()) else {
                continue;
            };
            if aliased.contains(id) {
                continue;
            }
            match tags(read, arn).await {
                Ok(tags) if ours(desired, &tags) => found.push(arn.to_owned()),
                Ok(_) => {}
                // Somebody else's key may hide its tags from us; ours grants its administrators.
                Err(failure) if failure.class == Class::Gone => {}
                Err(failure) if failure.class == Class::Denied && hidden == Hidden::Skipped => {}
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(found)
}

async fn has_alias(read: &Clients, arn: &str) -> Result<bool, Failure> {
    match read.kms.list_aliases().key_id(arn).send().await {
        Ok(answer) => Ok(!answer.aliases().is_empty()),
        Err(error) => {
            let failure = fail("kms:ListAliases", error);
            if failure.class == Class::Gone {
                Ok(false)
            } else {
                Err(failure)
            }
        }
    }
}

fn ours(desired: &Desired, tags: &BTreeMap<String, String>) -> bool {
    let is = |key: &str, value: &str| tags.get(key).map(String::as_str) == Some(value);
    is(desired::TAG_STACK, &desired.domain) && is(desired::TAG_MANAGED_BY, desired::MANAGED_BY)
}

/// Looks for a key of this stack without an alias, made by a call whose answer was lost.
pub async fn look(read: &Clients, desired: &Desired) -> Result<Seen, Failure> {
    let mut usable = Vec::new();
    for arn in search(read, desired, Hidden::Skipped).await? {
        if let Some(key) = describe(read, &arn).await?
            && state(&key) == "Enabled"
        {
            usable.push(arn);
        }
    }
    usable.sort();
    Ok(usable.into_iter().next().map_or(Seen::NotListed, |arn| {
        Seen::Found(Outputs::from([(Output::KeyArn, arn)]))
    }))
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Create {
            policy,
            tags,
            description,
        } => {
            let mut call = write
                .kms
                .create_key()
                .key_spec(kms::KeySpec::EccNistP256)
                .key_usage(kms::KeyUsageType::SignVerify)
                .description(description)
                .policy(policy.text());
            for (key, value) in tags {
                let tag = kms::Tag::builder().tag_key(key).tag_value(value).build();
                call = call.tags(tag.map_err(|error| unusable(action, &error.to_string()))?);
            }
            let answer = call.send().await.map_err(|error| fail(action, error))?;
            let arn = answer.key_metadata.as_ref().map(arn).unwrap_or_default();
            return Ok(Outputs::from([(Output::KeyArn, arn)]));
        }
        Op::PutPolicy { key, policy } => {
            let call = write
                .kms
                .put_key_policy()
                .key_id(key.value())
                .policy_name("default");
            call.policy(policy.text())
                .send()
                .await
                .map_err(|error| fail(action, error))?;
        }
        Op::Enable { key } => {
            let call = write.kms.enable_key().key_id(key.value());
            call.send().await.map_err(|error| fail(action, error))?;
        }
        Op::Tag { key, tags } => {
            let mut call = write.kms.tag_resource().key_id(key.value());
            for (key, value) in tags {
                let tag = kms::Tag::builder().tag_key(key).tag_value(value).build();
                call = call.tags(tag.map_err(|error| unusable(action, &error.to_string()))?);
            }
            call.send().await.map_err(|error| fail(action, error))?;
        }
        Op::CreateAlias { alias, key } => {
            let call = write
                .kms
                .create_alias()
                .alias_name(alias)
                .target_key_id(key.value());
            match call.send().await.map_err(|error| fail(action, error)) {
                Ok(_) => {}
                // After a lost answer: there already, and pointing where it should.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    let there = describe(write, alias).await?.map(|found| arn(&found));
                    if there.as_deref() != Some(key.value()) {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::MoveAlias { alias, key } => {
            let call = write
                .kms
                .update_alias()
                .alias_name(alias)
                .target_key_id(key.value());
            call.send().await.map_err(|error| fail(action, error))?;
        }
        Op::DeleteAlias { alias } => {
            let call = write.kms.delete_alias().alias_name(alias);
            call.send().await.map_err(|error| fail(action, error))?;
        }
        Op::ScheduleDeletion { key, days } => {
            let call = write.kms.schedule_key_deletion().key_id(key.value());
            let call = call.pending_window_in_days(*days);
            call.send().await.map_err(|error| fail(action, error))?;
        }
    }
    Ok(Outputs::new())
}

fn unusable(action: &str, message: &str) -> Failure {
    Failure {
        operation: action.into(),
        class: Class::Refused,
        code: String::new(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, KEY};
    use crate::plan;

    fn key(snapshot: &mut Snapshot) -> &mut Live {
        let Observation::Present(live) = &mut snapshot.kms_key else {
            panic!("the fixture has a key")
        };
        live
    }

    fn steps(snapshot: &Snapshot) -> Vec<&'static str> {
        let desired = fixture::desired();
        converge(&desired.addr(Kind::KmsKey), &desired, snapshot)
            .drafts
            .iter()
            .map(|draft| draft.name)
            .collect()
    }

    #[test]
    fn what_others_changed_is_put_back() {
        type Edit = fn(&mut Live);
        let cases: [(Edit, &[&str]); 6] = [
            (|_| {}, &[]),
            (|key| key.state = "Disabled".into(), &["enable"]),
            (|key| key.has_alias = false, &["alias"]),
            (|key| key.tags.clear(), &["tag"]),
            (
                |key| key.policy = key.policy.replace("kms:Sign", "kms:*"),
                &["policy"],
            ),
            (
                |key| key.twins.push(("arn:twin".into(), "Enabled".into())),
                &["retire-twin"],
            ),
        ];
        for (edit, expected) in cases {
            let mut snapshot = fixture::applied();
            edit(key(&mut snapshot));
            assert_eq!(steps(&snapshot), expected);
        }
    }

    #[test]
    fn a_key_that_a_ksk_uses_is_never_retired() {
        let mut snapshot = fixture::applied();
        let live = key(&mut snapshot);
        live.arn = "arn:other".into();
        live.twins.push((KEY.into(), "Enabled".into()));
        assert!(!steps(&snapshot).contains(&"retire-twin"));
        // Nor while nobody can tell whether one does.
        snapshot.dnssec = Observation::Unreadable("throttled".into());
        assert!(!steps(&snapshot).contains(&"retire-twin"));
    }

    #[test]
    fn a_key_pending_deletion_is_not_adopted_and_blocks_while_it_signs() {
        let mut snapshot = fixture::applied();
        let live = key(&mut snapshot);
        *live = Live {
            stale_alias: true,
            twins: vec![(KEY.into(), "PendingDeletion".into())],
            ..Live::default()
        };
        let plan = plan::converge(&fixture::desired(), &snapshot);
        assert!(
            plan.blocked()
                .iter()
                .any(|(_, why)| why.contains("cancel-key-deletion"))
        );
        assert!(plan.steps.is_empty());
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.keys.clear();
        }
        assert_eq!(steps(&snapshot), ["create", "alias"]);
    }

    #[test]
    fn named_administrators_join_the_accounts_root() {
        let mut desired = fixture::desired();
        desired.key_admins = vec!["arn:aws:iam::123456789012:role/dns".into()];
        let policy = Policy::parse(&policy_for(&desired, "Z1")).expect("a policy");
        let admins = policy
            .statements
            .iter()
            .find(|statement| {
                statement
                    .principals
                    .iter()
                    .any(|p| p.ends_with(":role/dns"))
            })
            .expect("a statement for the role");
        assert!(
            admins
                .principals
                .contains("AWS:arn:aws:iam::123456789012:root")
        );
        assert!(!admins.sentence().contains("kms:Sign"));
    }

    #[test]
    fn nobody_but_route_53_may_sign_and_only_for_this_zone() {
        let policy = Policy::parse(&policy_for(&fixture::desired(), "Z1")).expect("a policy");
        let signers: Vec<String> = policy
            .statements
            .iter()
            .map(|statement| statement.sentence())
            .filter(|sentence| sentence.contains("kms:Sign") || sentence.contains("kms:*"))
            .collect();
        let [signer] = signers.as_slice() else {
            panic!("one signer, not {signers:?}")
        };
        assert!(
            signer.starts_with("Service:dnssec-route53.amazonaws.com may"),
            "{signer}"
        );
        assert!(
            signer.contains("arn:aws:route53:::hostedzone/Z1"),
            "{signer}"
        );
        assert!(signer.contains("123456789012"), "{signer}");
    }
}
