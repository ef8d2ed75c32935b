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

mod observe;
mod op;
mod perform;
mod policy;

use std::collections::{BTreeMap, BTreeSet};

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::condition::Condition;
use crate::desired::Desired;
use crate::ds::keys::{Whose, whose};
use crate::plan::{
    After, Change, Draft, Field, Lowered, Report, RightChange, Risk, StepId, Symbol, numbered, of,
    rights_between,
};
use crate::policy::Policy;
use crate::snapshot::{Observation, Snapshot, Stranger};

pub use observe::{
    ByAlias, by_alias, detail, look, of_ksks, of_this_zone_alone, public_key, stays,
};
pub(super) use observe::{Hidden, arn, describe, key_policy, search, state};
pub use op::Op;
pub use perform::perform;
pub(super) use perform::{kms_tags, naming_admins};
use policy::policy_arg;
pub use policy::{POLICY, PolicyArg, policy_for};

/// The longest window KMS offers (ScheduleKeyDeletion, PendingWindowInDays).
pub const DELETION_DAYS: i32 = 30;

/// The attribute that says whether the stack's alias leads to the key.
pub const ALIAS: &str = "alias";

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
    /// Grants to anybody but AWS's services: id, and who may do what.
    pub grants: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Other keys of this stack without an alias: `(arn, state)`.
    pub twins: Vec<(String, String)>,
    /// When it will be deleted, if that is scheduled (RFC 3339).
    pub deletion_date: Option<String>,
    /// ARNs that the zone's key-signing keys name and of which KMS knows no key any more.
    pub gone: BTreeSet<String>,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes: BTreeMap<String, String> = self
            .tags
            .iter()
            .map(|(key, value)| (format!("tags.{key}"), value.clone()))
            .collect();
        attributes.extend(
            self.grants
                .iter()
                .map(|(id, grant)| (format!("grants.{id}"), grant.clone())),
        );
        attributes.insert("arn".into(), self.arn.clone());
        attributes.insert("state".into(), self.state.clone());
        attributes.insert(ALIAS.into(), self.has_alias.to_string());
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
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => &Live::default(),
        Observation::Present(live) => live,
    };
    if let Some(lost) = in_use_but_going(desired, live, snapshot) {
        return super::blocked(addr, lost);
    }
    if let Some(Observation::Foreign(why, _)) = strange_behind_alias(desired, snapshot) {
        return super::blocked(addr, why);
    }
    let mut lowered = if usable(live) {
        update(addr, desired, snapshot, live)
    } else if let Some(why) = no_second_key(desired, snapshot) {
        return super::blocked(addr, why);
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

/// The key, where it is not known to be ours: it has the tag of another stack, or the alias leads to it
/// while it lacks the stack's tags and no KSK of the zone names it. (A KSK's key that only lost its tags
/// gets them back.)
pub fn strange_behind_alias(desired: &Desired, snapshot: &Snapshot) -> Option<Observation<Live>> {
    let live = snapshot.kms_key.present().filter(|live| usable(live))?;
    let is_used = snapshot
        .dnssec
        .present()
        .is_some_and(|dnssec| dnssec.keys.iter().any(|key| key.kms_arn == live.arn));
    let is_unclaimed = live.has_alias && !is_used && !desired.owns(&live.tags);
    if !is_unclaimed && desired.other_stack(&live.tags).is_none() {
        return None;
    }
    let use_of = if is_used {
        ", which a key-signing key of the zone uses,"
    } else {
        ", which no key-signing key of the zone uses,"
    };
    let what = format!("key {} behind {}{use_of}", live.arn, desired.key_alias);
    let instead = "point the alias elsewhere";
    if let Some(unfit) = &live.unfit {
        let why = format!("{what} cannot sign the zone: {unfit}; {instead}");
        return Some(Observation::Foreign(why, None));
    }
    Some(adoption::foreign(
        desired,
        &what,
        instead,
        Stranger {
            id: live.arn.clone(),
            tags: live.tags.clone(),
            attributes: live.attributes(),
        },
    ))
}

/// A KSK names a key that is scheduled for deletion and is not the stack's one key, which an apply rescues: making
/// a second key would not help, and the zone breaks when its last signatures end.
fn in_use_but_going(desired: &Desired, live: &Live, snapshot: &Snapshot) -> Option<String> {
    let keys = &snapshot.dnssec.present()?.keys;
    let ksk = keys.iter().find(|key| {
        let mut twins = live.twins.iter();
        twins.any(|(arn, state)| state == "PendingDeletion" && *arn == key.kms_arn)
    })?;
    let cure = match whose(desired, snapshot, ksk) {
        Whose::Rotation => "run `spore-infra ksk rotate`, which cancels that".to_owned(),
        Whose::Stack | Whose::Stranger | Whose::Unknown(_) => format!(
            "cancel that (`aws kms cancel-key-deletion --key-id {}`, then `aws kms enable-key`) and plan again",
            ksk.kms_arn
        ),
    };
    Some(format!(
        "{} is scheduled for deletion although a key-signing key of the zone uses it; {cure}",
        ksk.kms_arn
    ))
}

/// Why no key is made although none was found: a key-signing key needs the one it names, and where
/// those of the zone cannot be read, they may name one.
fn no_second_key(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    if let Observation::Unreadable(why) = &snapshot.dnssec {
        return Some(format!(
            "no key is made while the zone's key-signing keys cannot be read: {why}"
        ));
    }
    way_on(desired, snapshot)
}

/// That the zone's key-signing keys have lost their KMS keys, and the way to new ones; nothing while a key that is
/// still there can be made usable.
pub fn lost(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    let keys = &snapshot.dnssec.present()?.keys;
    match &snapshot.kms_key {
        Observation::Present(live) => {
            let is_there =
                |key: &super::ksk::Key| live.twins.iter().any(|(arn, _)| *arn == key.kms_arn);
            if usable(live) || keys.iter().any(is_there) {
                return None;
            }
        }
        Observation::Absent => {}
        Observation::Foreign(_, _) | Observation::Unreadable(_) => return None,
    }
    way_on(desired, snapshot)
}

/// The way to new keys. Route 53 signs with the old ones no more, and what it has signed ends within days, so no DS
/// record may stand then; and a key-signing key goes only after signing is off, since Route 53 keeps the last
/// one of a signed zone (KeySigningKeyInUse).
fn way_on(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    let keys = &snapshot.dnssec.present()?.keys;
    if keys.is_empty() {
        return None;
    }
    let names: Vec<String> = keys
        .iter()
        .map(|key| format!("{} uses {}", key.name, key.kms_arn))
        .collect();
    let answers = snapshot.parent.all();
    let is_let_go = answers.is_ok_and(|answers| answers.iter().all(|answer| answer.ds.is_empty()));
    let first = if is_let_go {
        ""
    } else {
        "have the parent's DS records taken out, before the last signatures end (`spore-infra handover --step \
         ds-remove` writes the text); "
    };
    Some(format!(
        "the zone has key-signing keys whose KMS keys are gone or not this stack's: {}; another key cannot stand in \
         for them; the way to a new one, in this order: {first}{}",
        names.join(", "),
        anew(&desired.domain)
    ))
}

/// The part of that which is ours.
fn anew(domain: &str) -> String {
    format!(
        "write `enabled = false` below `[dnssec]` into the document of {domain} and run `spore-infra dnssec disable`, \
         which waits until no resolver remembers a DS record; take that out of the document again and run \
         `spore-infra apply`, which makes a key and signs; the new DS record comes last"
    )
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
        .map(|policy| rights_between(addr, &policy, None))
        .unwrap_or_default();
    let create = create_draft(addr, desired, snapshot);
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

/// A new key of the stack, with its final policy.
pub fn create_draft(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Draft {
    let create = Draft::new(
        "create",
        super::Op::KmsKey(Op::Create {
            policy: policy_arg(desired),
            tags: desired.tags(),
            description: format!("DNSSEC key-signing key of {}", desired.domain),
        }),
    );
    match super::intent(snapshot, addr) {
        Some(since) => create.ready(Condition::ListsSettled { since }),
        None => create,
    }
}

/// The stack's policy on one of its keys.
pub fn policy_draft(desired: &Desired, key: Arg) -> Draft {
    let policy = policy_arg(desired);
    Draft::new("policy", super::Op::KmsKey(Op::PutPolicy { key, policy }))
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
        // Only a key that a key-signing key names gets here (`of_ksks`): without it nothing signs.
        "PendingDeletion" => {
            fields.push(Field::change("state", "PendingDeletion", "Enabled"));
            let cancel = Op::CancelDeletion { key: key.clone() };
            let enable = Op::Enable { key: key.clone() };
            lowered.drafts.extend([
                Draft::new("cancel-deletion", super::Op::KmsKey(cancel)),
                Draft::new("enable", super::Op::KmsKey(enable))
                    .after(After::Answered(StepId::new(addr, "cancel-deletion"))),
            ]);
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
            let changed = rights_between(addr, &wanted, live_policy.as_ref().ok());
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
    for (index, (id, grant)) in live.grants.iter().enumerate() {
        let step = numbered("revoke", index);
        fields.push(Field::gone(format!("grants.{id}"), grant));
        lowered.rights.push(RightChange {
            addr: addr.clone(),
            gained: false,
            sentence: format!("{grant} by a grant"),
        });
        let op = Op::RevokeGrant {
            key: key.clone(),
            grant: id.clone(),
        };
        lowered.drafts.push(Draft::new(step, super::Op::KmsKey(op)));
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
        lowered.drafts.push(
            Draft::new("alias", super::Op::KmsKey(op))
                .after(After::Answered(StepId::new(addr, "enable"))),
        );
    }
    // A key that waits for its deletion takes no other change, and who may change it is told by its tags.
    for draft in &mut lowered.drafts {
        let before: &[&'static str] = match draft.name {
            "cancel-deletion" => &[],
            "tag" => &["cancel-deletion"],
            _ => &["cancel-deletion", "tag"],
        };
        let before = before.iter().map(|step| StepId::new(addr, step));
        draft.after.extend(before.map(After::Answered));
    }
    if !fields.is_empty() {
        let why = match (live.state.as_str(), &live.deletion_date) {
            ("PendingDeletion", Some(date)) => format!(
                "somebody scheduled its deletion for {date}, and Route 53 cannot sign with it until that \
                 is cancelled; names fail once the last signature has ended"
            ),
            _ => "differs from the document".to_owned(),
        };
        lowered.change = Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields,
            why,
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

/// Step names for twins. Each needs a run that died between two calls; more than these are cleaned up
/// by the next plan, and named by a destroy.
pub const TWIN_STEPS: [&str; 12] = [
    "retire-twin",
    "retire-twin-2",
    "retire-twin-3",
    "retire-twin-4",
    "retire-twin-5",
    "retire-twin-6",
    "retire-twin-7",
    "retire-twin-8",
    "retire-twin-9",
    "retire-twin-10",
    "retire-twin-11",
    "retire-twin-12",
];

fn readable(dnssec: &Observation<super::ksk::Live>) -> Option<&[super::ksk::Key]> {
    match dnssec {
        Observation::Present(live) => Some(&live.keys),
        Observation::Absent => Some(&[]),
        Observation::Foreign(_, _) | Observation::Unreadable(_) => None,
    }
}

/// Removal: deletion is scheduled, and the alias goes.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.kms_key {
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
    let ksk = desired.addr(Kind::Ksk);
    let mut lowered = Lowered::default();
    let mut fields = Vec::new();
    let strange = strange_behind_alias(desired, snapshot);
    let is_strange = strange.is_some();
    if let Some(Observation::Foreign(why, _)) = strange {
        lowered.report.push(Report::Left {
            what: addr.to_string(),
            why,
        });
    }
    let mut going: Vec<&str> = live
        .twins
        .iter()
        .filter(|(_, state)| state != "PendingDeletion")
        .map(|(arn, _)| arn.as_str())
        .collect();
    // The second key of a rotation that began minutes ago: no index shows it yet, its key-signing key does.
    let named = readable(&snapshot.dnssec).unwrap_or_default().iter();
    going.extend(
        named
            .filter(|ksk| matches!(whose(desired, snapshot, ksk), Whose::Rotation))
            .map(|ksk| ksk.kms_arn.as_str())
            .filter(|arn| !live.gone.contains(*arn))
            .filter(|arn| live.twins.iter().all(|(twin, _)| twin != arn)),
    );
    let beyond = going.iter().skip(TWIN_STEPS.len());
    lowered.report.extend(beyond.map(|arn| {
        Report::Left {
            what: (*arn).to_owned(),
            why: "one destroy schedules the deletion of twelve spare keys; delete this one by hand"
                .into(),
        }
    }));
    let mut keys: Vec<(&str, &'static str)> = going.into_iter().zip(TWIN_STEPS).collect();
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
    fn the_second_key_of_a_rotation_goes_with_the_stack_before_any_index_shows_it() {
        let desired = fixture::desired();
        let addr = desired.addr(Kind::KmsKey);
        let mut snapshot = fixture::applied();
        let steps = |snapshot: &Snapshot| -> Vec<Op> {
            let drafts = destroy(&addr, &desired, snapshot).drafts.into_iter();
            let ops = drafts.filter_map(|draft| {
                if let crate::kind::Op::KmsKey(op) = draft.op {
                    Some(op)
                } else {
                    None
                }
            });
            ops.filter(|op| matches!(op, Op::ScheduleDeletion { .. }))
                .collect()
        };
        assert_eq!(steps(&snapshot).len(), 1);
        let second = "arn:aws:kms:us-east-1:123456789012:key/second";
        let Observation::Present(dnssec) = &mut snapshot.dnssec else {
            panic!("a stack as apply leaves it is signed");
        };
        let mut beside = dnssec.keys[0].clone();
        beside.name = desired.ksk_names()[1].clone();
        beside.kms_arn = second.into();
        dnssec.keys.push(beside.clone());
        let key = Arg::Known(second.into());
        let days = DELETION_DAYS;
        assert_eq!(
            steps(&snapshot).last(),
            Some(&Op::ScheduleDeletion { key, days })
        );
        assert_eq!(steps(&snapshot).len(), 2);
        // Once the index shows it, it still goes once; somebody else's never does.
        if let Observation::Present(live) = &mut snapshot.kms_key {
            live.twins.push((second.into(), "Enabled".into()));
        }
        assert_eq!(steps(&snapshot).len(), 2);
        if let Observation::Present(live) = &mut snapshot.kms_key {
            live.twins.clear();
        }
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.keys[1].name = "somebody_elses".into();
        }
        assert_eq!(steps(&snapshot).len(), 1);
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
    fn a_destroy_takes_every_twin_and_names_what_it_leaves() {
        let desired = fixture::desired();
        for (twins, steps, left) in [(1, 3, 0), (5, 7, 0), (14, 14, 2)] {
            let mut snapshot = fixture::applied();
            key(&mut snapshot).twins = (0..twins)
                .map(|number| (format!("arn:twin:{number}"), "Enabled".to_owned()))
                .collect();
            let lowered = destroy(&desired.addr(Kind::KmsKey), &desired, &snapshot);
            assert_eq!((lowered.drafts.len(), lowered.report.len()), (steps, left));
        }
    }

    #[test]
    fn no_second_key_is_made_for_a_zone_that_has_a_key_signing_key() {
        let mut snapshot = fixture::applied();
        snapshot.kms_key = Observation::Absent;
        let plan = plan::converge(&fixture::desired(), &snapshot);
        assert!(plan.blocked().iter().any(|(_, why)| why.contains(KEY)));
        assert!(
            plan.steps
                .iter()
                .all(|step| step.id.addr.kind() != Kind::KmsKey)
        );
        // Nor while nobody can tell whether it has one.
        snapshot.dnssec = Observation::Unreadable("throttled".into());
        assert!(steps(&snapshot).is_empty());
        snapshot.dnssec = Observation::Absent;
        assert_eq!(steps(&snapshot), ["create", "alias"]);
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
        let keys = [Kind::KmsKey, Kind::Ksk, Kind::ZoneSigning];
        let on_keys = |step: &&plan::Step| keys.contains(&step.id.addr.kind());
        assert_eq!(plan.steps.iter().filter(on_keys).count(), 0);
        if let Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.keys.clear();
        }
        assert_eq!(steps(&snapshot), ["create", "alias"]);
    }
}
