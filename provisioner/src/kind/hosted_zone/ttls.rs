//! The TTLs of a zone that somebody else made: lowered before it is signed, so that a mistake is soon
//! over, and put back when validating resolvers have come to know its DS record. Zones that this tool
//! makes need neither: nobody asks for them before they are signed.
//!
//! The steps are those of the Route 53 Developer Guide, "Enabling DNSSEC signing and establishing a chain
//! of trust": lower the TTLs (2 and 3), wait for the largest of before (6; here before signing, so that
//! signing itself is soon undone as well), publish the DS record (8), wait for the largest TTL of the
//! delegation (9), put the TTLs back (11).
//!
//! ```text
//! as they were --kept, tagged--> kept --lowered, noted--> low --old TTLs run out, signed, DS--> low
//!      ^                                                   |                                     |
//!      +-----put back, no longer kept <--not to be signed--+<--delegation's TTL run out----------+
//! ```
//!
//! What they were is in the journal before the first is changed ([`journal_group::Op::KeepSets`]), and
//! stays until the last is put back: one memory, never renewed while it is there. A record set that is
//! neither as it was nor as it was lowered is somebody else's doing, and left.

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

use super::{Edit, Live, OWNER_PREFIX, Op, RecordSet, SOA_MINIMUM_SECS, SOA_TTL_SECS};
use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output};
use crate::condition::{Condition, Served, Shown, Since, capped, later, remembered as kept_for};
use crate::desired::Desired;
use crate::ds::judgement::{Keys, Trust, judge};
use crate::kind::zone_signing::HOLD_DOWN_UNSEEN;
use crate::kind::{journal_group, zone_signing};
use crate::plan::{After, Draft, Field, Others, Plan, Report, StepId, of, span};
use crate::snapshot::{Observation, Snapshot};

/// What every larger TTL is lowered to: an hour (Developer Guide as above, step 2). The journal holds only
/// what TTLs were: with another number here, those lowered by this one would be taken for somebody's.
pub const TTL_LOW_SECS: i64 = 3_600;

/// Most record values of one batch of changes (Developer Guide, "Quotas").
pub const BATCH_VALUES_MAX: usize = 1_000;
/// Most characters of values in one batch of changes (same page).
pub const BATCH_CHARS_MAX: usize = 32_000;

/// The step that writes into the journal what they were.
const KEEP: &str = "keep-ttls";
/// The step that notes since when the parent zone has vouched for the zone.
const NOTE_DS: &str = "note-ds-seen";

/// Most record sets that a message names.
const NAMED_MAX: usize = 20;

/// The record sets as they were before their TTLs were lowered; none when they are their owners'.
pub type Kept = Result<Option<Vec<RecordSet>>, String>;

/// What the zone's TTLs need, as parts of its change.
#[derive(Debug, Default)]
pub struct Turn {
    /// TTLs before and after.
    pub fields: Vec<Field>,
    /// Why, in the change's words.
    pub why: Option<&'static str>,
    /// The steps.
    pub drafts: Vec<Draft>,
    /// What is left, and what is waited for.
    pub report: Vec<Report>,
}

/// What is known of whether the zone is to be signed with low TTLs.
enum Phase {
    /// It is not, or it never was this tool's to do.
    Over,
    /// It is not signed yet.
    Before,
    /// It is not signed, and nobody's resolvers ask for it.
    Unasked,
    /// It is signed.
    Signed,
    /// It can not be told; why.
    Unknown(String),
}

fn phase(desired: &Desired, snapshot: &Snapshot, zone: &Live) -> Phase {
    if !desired.dnssec || !desired.stack.dnssec.lower_ttls || zone.is_made_here(&desired.domain) {
        return Phase::Over;
    }
    match &snapshot.dnssec {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return Phase::Unknown(why.clone());
        }
        Observation::Present(live) if live.signing != "NOT_SIGNING" => return Phase::Signed,
        Observation::Present(_) | Observation::Absent => {}
    }
    let answers = match snapshot.parent.all() {
        Ok(answers) => answers,
        Err(why) => return Phase::Unknown(why),
    };
    let is_delegated = answers.iter().any(|answer| !answer.name_servers.is_empty());
    if is_delegated && zone_signing::delegated_elsewhere(desired, snapshot).is_none() {
        Phase::Before
    } else {
        Phase::Unasked
    }
}

/// What the zone's TTLs need.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot, zone: &Live) -> Turn {
    let phase = phase(desired, snapshot, zone);
    match (&snapshot.ttls, phase) {
        (Err(why), _) => Turn {
            report: vec![Report::Warning {
                addr: addr.clone(),
                what: format!(
                    "the TTLs of its records are lowered, and what they were could not be read: {why}"
                ),
            }],
            ..Turn::default()
        },
        (Ok(None), Phase::Before) => begin(addr, desired, zone),
        (Ok(None), Phase::Over | Phase::Unasked | Phase::Signed | Phase::Unknown(_)) => {
            Turn::default()
        }
        (Ok(Some(kept)), Phase::Over) => {
            let restore = Restore {
                kept,
                ready: None,
                first: Vec::new(),
                why: "the zone's TTLs are put back: it is not to be signed with low ones",
            };
            restore.turn(addr, desired, zone)
        }
        (Ok(Some(kept)), Phase::Before | Phase::Unasked) => {
            lower(addr, desired, snapshot, zone, kept)
        }
        (Ok(Some(kept)), Phase::Signed) => signed(addr, desired, snapshot, zone, kept),
        (Ok(Some(kept)), Phase::Unknown(why)) => {
            let what = format!(
                "{}; they stay so, as it is not known how far it is: {why}",
                low(kept)
            );
            under_way(addr, what)
        }
    }
}

/// The first steps: what the TTLs are goes into the journal, and only then are they lowered.
fn begin(addr: &Addr, desired: &Desired, zone: &Live) -> Turn {
    let kept = to_keep(zone);
    if kept.is_empty() {
        return Turn::default();
    }
    let journal = desired.addr(Kind::JournalGroup);
    let keep = journal_group::Op::keep_sets(desired, kept.clone());
    let mut turn = lowering(addr, &kept, to_show(desired, zone, &kept));
    turn.drafts.insert(
        0,
        Draft::new(KEEP, keep)
            .after(After::Answered(StepId::new(&journal, "create")))
            // CloudWatch Logs takes few tags at a time, and who is refused there writes all of it again.
            .after(After::Answered(StepId::new(
                &journal,
                journal_group::NOTE_FORMER_GONE,
            )))
            .after(After::Answered(StepId::new(addr, "tag"))),
    );
    turn.fields.extend([
        Field::new(
            format!("tags.{}", journal_group::EVIDENCE_TTLS),
            "what the TTLs were",
        ),
        noted_field(),
    ]);
    turn.drafts.push(note_lowered(addr, desired));
    turn
}

/// The steps that are left of lowering them, by what the journal keeps.
fn lower(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    zone: &Live,
    kept: &[RecordSet],
) -> Turn {
    if let Some(since) = lowered_since(snapshot) {
        let what = format!(
            "{} since {since:.0}; the zone is signed when resolvers have forgotten the old ones, and they are \
             put back when the parent zone has vouched for it for a while",
            low(kept)
        );
        return under_way(addr, what);
    }
    let (units, moved) = standing(zone, kept);
    let as_before = units.into_iter().filter(|unit| unit.is == Is::AsBefore);
    let left: Vec<RecordSet> = as_before.flat_map(|unit| unit.sets).cloned().collect();
    let mut turn = lowering(addr, &left, to_show(desired, zone, kept));
    turn.report = changed(addr, &moved);
    if left.is_empty() {
        if let Some(why) = awaits_servers(snapshot, zone, kept) {
            turn.report.push(Report::Waiting {
                addr: addr.clone(),
                others: Others::GoOn,
                what: format!(
                    "{why}; since when the TTLs are low is noted, by `spore-infra apply`, when every name server \
                     has them"
                ),
            });
            return turn;
        }
        turn.why =
            Some("nothing shows since when its TTLs are low, and the old ones have to run out");
    }
    turn.fields.push(noted_field());
    turn.drafts.push(note_lowered(addr, desired));
    turn
}

/// The zone is signed: its TTLs stay low until validating resolvers must have met its DS record.
fn signed(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    zone: &Live,
    kept: &[RecordSet],
) -> Turn {
    let noted = evidence(snapshot, journal_group::EVIDENCE_DS_SEEN);
    let answers = match snapshot.parent.all() {
        Ok(answers) => answers,
        Err(why) => {
            let what = format!(
                "{}; they stay so while its parent zone cannot be asked: {why}",
                low(kept)
            );
            return under_way(addr, what);
        }
    };
    let keys = Keys::of(desired, snapshot);
    let is_trusted = !answers.is_empty()
        && answers.iter().all(|answer| {
            let trust = judge(&desired.domain, &keys, &answer.records()).trust;
            matches!(trust, Trust::Secure | Trust::Weak)
        });
    if !is_trusted {
        let what = format!(
            "{}; they are put back when every server of the parent zone has shown a right DS record for {} or \
             longer",
            low(kept),
            span(HOLD_DOWN_UNSEEN)
        );
        let mut turn = under_way(addr, what);
        // A record that comes back is counted anew.
        if let Some(since) = noted {
            let forget = journal_group::Op::forget(desired, journal_group::EVIDENCE_DS_SEEN);
            turn.why = Some("the parent zone no longer vouches for the zone");
            turn.drafts.push(Draft::new("forget-ds-seen", forget));
            let name = format!("tags.{}", journal_group::EVIDENCE_DS_SEEN);
            turn.fields.push(Field::gone(name, since));
        }
        return turn;
    }
    let parents = answers.iter().map(|answer| answer.ns_ttl_secs).max();
    let parents = parents.unwrap_or_default();
    let own = apex_ns_ttl_secs(desired, zone);
    let longer = u64::from(parents).max(own);
    let lasts = kept_for(longer).max(HOLD_DOWN_UNSEEN);
    let mut first = Vec::new();
    let mut fields = Vec::new();
    let since = match noted.as_deref().map(str::parse::<Timestamp>) {
        Some(Ok(since)) => Since::At(since),
        None | Some(Err(_)) => {
            let key = journal_group::EVIDENCE_DS_SEEN;
            let note = journal_group::Op::remember(desired, key, Arg::Now);
            first.push(Draft::new(NOTE_DS, note));
            fields.push(Field::new(format!("tags.{key}"), Arg::Now.to_string()));
            Since::Answered(StepId::new(addr, NOTE_DS))
        }
    };
    let counted = match &since {
        Since::At(since) => format!("counted from {since:.0}, when it was first seen"),
        Since::Answered(_) => "counted from now".to_owned(),
    };
    let source = format!(
        "every server of the parent zone has a DS record, {counted}; resolvers meet it when they ask for the \
         delegation anew, whose NS sets have TTLs of {parents} s in the parent zone and {own} s in the zone; \
         at least a day, for so long they may remember that there was none{}",
        capped(longer)
    );
    let restore = Restore {
        kept,
        ready: Some(Condition::HoldDown {
            since,
            lasts,
            source,
        }),
        first,
        why: "its TTLs were lowered for signing it, and the parent zone vouches for it now",
    };
    let mut turn = restore.turn(addr, desired, zone);
    turn.fields.splice(0..0, fields);
    turn
}

/// Steps that put TTLs back.
struct Restore<'a> {
    kept: &'a [RecordSet],
    /// What is waited for first.
    ready: Option<Condition>,
    /// What is written first.
    first: Vec<Draft>,
    why: &'static str,
}

impl Restore<'_> {
    fn turn(self, addr: &Addr, desired: &Desired, zone: &Live) -> Turn {
        let (units, moved) = standing(zone, self.kept);
        let low = units.into_iter().filter(|unit| unit.is == Is::Low);
        let originals = low.flat_map(|unit| unit.sets);
        let edits: Vec<Edit> = originals
            .map(|set| (lowered(set), set.clone()))
            .filter_map(edit)
            .collect();
        let mut turn = Turn {
            fields: edits.iter().flat_map(fields).collect(),
            why: Some(self.why),
            drafts: self.first,
            report: changed(addr, &moved),
        };
        // What is forgotten comes after what is put back: the wait is of the first that there is.
        let mut ready = self.ready;
        if !edits.is_empty() {
            let mut draft = set_ttls("restore-ttls", addr, edits);
            draft.ready_when.extend(ready.take());
            turn.drafts.push(draft);
        }
        // All of what is noted of it goes in one call, so that no part of it is taken for another's.
        let forget = journal_group::Op::forget_sets(desired);
        let mut forget = Draft::new("forget-ttls", forget)
            .after(After::Settled(StepId::new(addr, "restore-ttls")))
            .after(After::Answered(StepId::new(addr, NOTE_DS)));
        forget.ready_when.extend(ready);
        turn.drafts.push(forget);
        turn.fields.push(Field::gone(
            format!("tags.{}", journal_group::EVIDENCE_TTLS),
            "what the TTLs were",
        ));
        turn
    }
}

/// Which name server still lacks the low TTLs, when that alone is left of lowering them.
fn awaits_servers<'a>(snapshot: &'a Snapshot, zone: &Live, kept: &[RecordSet]) -> Option<&'a str> {
    let why = snapshot.low.as_ref().err()?;
    let (units, _) = standing(zone, kept);
    let is_left = units.iter().any(|unit| unit.is == Is::AsBefore);
    (lowered_since(snapshot).is_none() && !is_left).then_some(why.as_str())
}

/// The same, where the zone is not signed before.
pub fn unseen<'a>(desired: &Desired, snapshot: &'a Snapshot) -> Option<&'a str> {
    let zone = snapshot.hosted_zone.present()?;
    let kept = snapshot.ttls.as_ref().ok()?.as_ref()?;
    match phase(desired, snapshot, zone) {
        Phase::Before | Phase::Unasked => awaits_servers(snapshot, zone, kept),
        Phase::Over | Phase::Signed | Phase::Unknown(_) => None,
    }
}

/// What every name server shows when the TTLs of these sets are low: the set on which the longest wait
/// hangs, of those that still are as they were or as they were lowered.
pub fn to_show(desired: &Desired, zone: &Live, kept: &[RecordSet]) -> Option<Served> {
    let (units, _) = standing(zone, kept);
    let sets: Vec<RecordSet> = units
        .into_iter()
        .flat_map(|unit| unit.sets)
        .cloned()
        .collect();
    let largest = largest(&sets)?;
    let secs_max = lowered(largest).ttl_secs.unwrap_or_default();
    Some(Served {
        name_servers: zone.name_servers(&desired.domain),
        shows: Shown::Ttl {
            name: largest.name.clone(),
            rtype: largest.rtype.clone(),
            secs_max: u32::try_from(secs_max).unwrap_or_default(),
        },
    })
}

/// The change that lowers these sets; none when there is nothing to lower.
fn lowering(addr: &Addr, sets: &[RecordSet], shown: Option<Served>) -> Turn {
    let edits: Vec<Edit> = sets
        .iter()
        .map(|set| (set.clone(), lowered(set)))
        .filter_map(edit)
        .collect();
    let mut turn = Turn {
        fields: edits.iter().flat_map(fields).collect(),
        why: Some(
            "the zone is in use and is to be signed: its TTLs are lowered first, so that a mistake is soon \
             over, and put back when the parent zone has vouched for it for a while",
        ),
        ..Turn::default()
    };
    if !edits.is_empty() {
        let mut draft = set_ttls("lower-ttls", addr, edits);
        draft.done_when.extend(shown.map(Condition::Served));
        turn.drafts.push(draft);
    }
    turn
}

fn set_ttls(name: &'static str, addr: &Addr, edits: Vec<Edit>) -> Draft {
    let op = crate::kind::Op::HostedZone(Op::SetTtls {
        zone: of(addr, Output::ZoneId),
        edits,
    });
    Draft::new(name, op)
        .after(After::Answered(StepId::new(addr, KEEP)))
        // One change of a zone at a time, or AWS answers PriorRequestNotComplete.
        .after(After::Answered(StepId::new(addr, "tag")))
        // The zone's own NS set is put right before its TTL is.
        .after(After::Settled(StepId::new(addr, "name-servers")))
        .done(Condition::ChangeInSync)
}

fn note_lowered(addr: &Addr, desired: &Desired) -> Draft {
    let key = journal_group::EVIDENCE_LOWERED;
    let note = journal_group::Op::remember(desired, key, Arg::Now);
    Draft::new("note-lowered", note).after(After::Settled(StepId::new(addr, "lower-ttls")))
}

fn noted_field() -> Field {
    let name = format!("tags.{}", journal_group::EVIDENCE_LOWERED);
    Field::new(name, Arg::Now.to_string())
}

/// A set that differs, before and after.
fn edit((before, after): (RecordSet, RecordSet)) -> Option<Edit> {
    let edit = Edit {
        before: Some(before),
        after: Some(after),
    };
    (edit.before != edit.after).then_some(edit)
}

/// What an edit changes, for people; by the names that the zone's attributes have where it has them.
fn fields(edit: &Edit) -> Vec<Field> {
    let (Some(before), Some(after)) = (&edit.before, &edit.after) else {
        return Vec::new();
    };
    let is_soa = before.rtype == "SOA";
    let ttl = |set: &RecordSet| set.ttl_secs.unwrap_or_default().to_string();
    let name = match &before.policy {
        _ if is_soa => "soa.ttl".to_owned(),
        Some(policy) => format!("ttl of {} {} ({policy})", before.name, before.rtype),
        None => format!("ttl of {} {}", before.name, before.rtype),
    };
    let minimum = |set: &RecordSet| {
        let value = set.values.first().and_then(|value| minimum_secs(value));
        value.unwrap_or_default().to_string()
    };
    let mut fields = Vec::new();
    if before.ttl_secs != after.ttl_secs {
        fields.push(Field::change(name, ttl(before), ttl(after)));
    }
    if is_soa && before.values != after.values {
        fields.push(Field::change(
            "soa.minimum",
            minimum(before),
            minimum(after),
        ));
    }
    fields
}

/// The wait before the zone may be signed; none where no TTL was or is lowered for that.
///
/// # Errors
/// When that can not be told; why.
pub fn before_signing(desired: &Desired, snapshot: &Snapshot) -> Result<Option<Condition>, String> {
    let Some(zone) = snapshot.hosted_zone.present() else {
        return Ok(None);
    };
    let phase = phase(desired, snapshot, zone);
    let unknown = |why: &str| {
        format!(
            "if the zone is in use its TTLs are lowered before it is signed, and that cannot be told: {why}"
        )
    };
    let (kept, since) = match (&snapshot.ttls, phase) {
        (Err(why), _) => {
            return Err(format!(
                "the TTLs of its records were lowered before signing it, and what they were says how long to \
                 wait: {why}"
            ));
        }
        (Ok(_), Phase::Over | Phase::Signed) | (Ok(None), Phase::Unasked) => return Ok(None),
        (Ok(None), Phase::Before) => (to_keep(zone), None),
        (Ok(None), Phase::Unknown(why)) if !to_keep(zone).is_empty() => return Err(unknown(&why)),
        (Ok(None), Phase::Unknown(_)) => return Ok(None),
        (Ok(Some(kept)), Phase::Before | Phase::Unasked) => (kept.clone(), lowered_since(snapshot)),
        (Ok(Some(kept)), Phase::Unknown(why)) => match lowered_since(snapshot) {
            Some(since) => (kept.clone(), Some(since)),
            None => return Err(unknown(&why)),
        },
    };
    let Some(largest) = largest(&kept) else {
        return Ok(None);
    };
    let counted = match since {
        Some(since) => format!("counted from {since:.0}, when all were low"),
        None => "counted from when all are low".to_owned(),
    };
    let source = format!(
        "the TTLs are lowered before the zone is signed, {counted}; resolvers may remember answers for the \
         largest of before, {} s of {} {}{}",
        largest.ttl_secs.unwrap_or_default(),
        largest.name,
        largest.rtype,
        capped(secs(largest))
    );
    let noted = StepId::new(&desired.addr(Kind::HostedZone), "note-lowered");
    Ok(Some(Condition::HoldDown {
        since: since.map_or(Since::Answered(noted), Since::At),
        lasts: kept_for(secs(largest)),
        source,
    }))
}

/// Until when resolvers may remember answers with the TTLs of before; none where none is remembered.
///
/// # Errors
/// When nobody knows; why, and what to do.
pub fn remembered(snapshot: &Snapshot) -> Result<Option<Timestamp>, String> {
    let Some(kept) = snapshot.ttls.as_ref().map_err(Clone::clone)? else {
        return Ok(None);
    };
    let Some(largest) = largest(kept) else {
        return Ok(None);
    };
    let since = lowered_since(snapshot)
        .ok_or("the TTLs of its records are being lowered; `spore-infra apply` goes on with it")?;
    Ok(Some(later(since, kept_for(secs(largest)))))
}

/// The largest TTL that the zone's records have when it is signed by a plan made now.
pub fn largest_when_signed(desired: &Desired, snapshot: &Snapshot, zone: &Live) -> u64 {
    let is_noted = lowered_since(snapshot).is_some();
    let (low, back) = match (&snapshot.ttls, phase(desired, snapshot, zone)) {
        (Ok(None), Phase::Before) => (to_keep(zone), 0),
        (Ok(Some(kept)), Phase::Before | Phase::Unasked) if !is_noted => {
            let (units, _) = standing(zone, kept);
            let left = units.into_iter().filter(|unit| unit.is == Is::AsBefore);
            (left.flat_map(|unit| unit.sets).cloned().collect(), 0)
        }
        // They may be back by then.
        (Ok(Some(kept)), Phase::Over) => (Vec::new(), largest(kept).map(secs).unwrap_or_default()),
        (_, _) => (Vec::new(), 0),
    };
    let low: BTreeSet<Id> = low.iter().map(Id::of).collect();
    let then = zone.records.iter().map(|set| {
        if low.contains(&Id::of(set)) {
            secs(&lowered(set))
        } else {
            secs(set)
        }
    });
    then.max().unwrap_or_default().max(back)
}

/// Whether a plan begins to lower them.
pub fn are_lowered_by(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.id.name == KEEP)
}

/// Whether a plan begins to count until they may be put back.
pub fn is_begun_by(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.id.name == NOTE_DS)
}

/// What the journal keeps of it, for people; none when TTLs are as their owners want them.
pub fn told(snapshot: &Snapshot) -> Option<String> {
    let kept = snapshot.ttls.as_ref().ok()?.as_ref()?;
    let since = match lowered_since(snapshot) {
        Some(since) => format!(" since {since:.0}"),
        None => String::new(),
    };
    let seen = match evidence(snapshot, journal_group::EVIDENCE_DS_SEEN) {
        Some(seen) => format!("; every parent server has had a DS record since {seen}"),
        None => String::new(),
    };
    Some(format!("{}{since}{seen}", low(kept)))
}

/// The zone with the TTLs that its owners gave its records.
pub fn as_before(zone: &Live, kept: &[RecordSet]) -> Live {
    let (units, _) = standing(zone, kept);
    let low = units.into_iter().filter(|unit| unit.is == Is::Low);
    let originals: BTreeMap<Id, &RecordSet> = low
        .flat_map(|unit| unit.sets)
        .map(|set| (Id::of(set), set))
        .collect();
    let record = |set: &RecordSet| (*originals.get(&Id::of(set)).unwrap_or(&set)).clone();
    Live {
        records: zone.records.iter().map(record).collect(),
        ..zone.clone()
    }
}

/// What tells record sets of a zone apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id<'a>(&'a str, &'a str, Option<&'a str>);

impl<'a> Id<'a> {
    /// That of a set.
    pub fn of(set: &'a RecordSet) -> Self {
        Self(&set.name, &set.rtype, set.policy.as_deref())
    }
}

/// The set as it is while TTLs are low. Never higher than it was.
pub fn lowered(set: &RecordSet) -> RecordSet {
    let is_soa = set.rtype == "SOA";
    let most = if is_soa { SOA_TTL_SECS } else { TTL_LOW_SECS };
    let mut low = set.clone();
    low.ttl_secs = set.ttl_secs.map(|ttl| ttl.min(most));
    if is_soa {
        for value in &mut low.values {
            if minimum_secs(value).is_some_and(|minimum| minimum > SOA_MINIMUM_SECS)
                && let Some((rest, _)) = value.rsplit_once(' ')
            {
                *value = format!("{rest} {SOA_MINIMUM_SECS}");
            }
        }
    }
    low
}

/// The last of a SOA record's seven fields.
fn minimum_secs(soa: &str) -> Option<u32> {
    let fields: Vec<&str> = soa.split_whitespace().collect();
    (fields.len() == 7).then(|| fields[6].parse().ok())?
}

/// The record sets whose TTLs the journal is to keep.
pub fn to_keep(zone: &Live) -> Vec<RecordSet> {
    units(zone).into_iter().flatten().cloned().collect()
}

/// The record sets that are to be lowered, those of one name and type together: Route 53 wants the TTLs of
/// a group of weighted sets alike (API Reference, ResourceRecordSet), so that all of a group are changed
/// by one call or none. Left out are names of the updater's, what a traffic policy made, which
/// ChangeResourceRecordSets may not change, and what is too large to be changed by one call.
fn units(zone: &Live) -> Vec<Vec<&RecordSet>> {
    let marks = zone.records.iter().map(|set| set.name.as_str());
    let owned: BTreeSet<&str> = marks
        .filter_map(|name| name.strip_prefix(OWNER_PREFIX))
        .collect();
    let mut units: BTreeMap<(&str, &str), Vec<&RecordSet>> = BTreeMap::new();
    for set in plain(zone) {
        let is_updaters = set.name.starts_with(OWNER_PREFIX) || owned.contains(set.name.as_str());
        if !is_updaters {
            units.entry((&set.name, &set.rtype)).or_default().push(set);
        }
    }
    let units = units.into_values();
    units.filter(|unit| is_changeable(unit)).collect()
}

/// Sets with a TTL of their own.
fn plain(zone: &Live) -> impl Iterator<Item = &RecordSet> {
    zone.records.iter().filter(|set| set.ttl_secs.is_some())
}

fn is_changeable(unit: &[&RecordSet]) -> bool {
    let is_of_traffic_policy = |set: &&RecordSet| {
        let policy = set.policy.as_deref();
        policy.is_some_and(|policy| policy.starts_with("traffic policy"))
    };
    // Each is deleted and made anew, which counts twice.
    let values: usize = unit.iter().map(|set| 2 * set.values.len().max(1)).sum();
    let chars = unit.iter().flat_map(|set| &set.values);
    let chars: usize = chars.map(|value| 2 * value.chars().count()).sum();
    unit.iter().any(|set| lowered(set) != **set)
        && !unit.iter().any(is_of_traffic_policy)
        && values <= BATCH_VALUES_MAX
        && chars <= BATCH_CHARS_MAX
}

/// How the sets of one name and type are today, of those that are kept.
struct Unit<'a> {
    sets: Vec<&'a RecordSet>,
    is: Is,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    AsBefore,
    Low,
}

/// What has become of the sets that are kept; those that somebody changed or deleted, by name.
fn standing<'a>(zone: &Live, kept: &'a [RecordSet]) -> (Vec<Unit<'a>>, Vec<String>) {
    let mut today: BTreeMap<(&str, &str), Vec<&RecordSet>> = BTreeMap::new();
    for set in plain(zone) {
        today.entry((&set.name, &set.rtype)).or_default().push(set);
    }
    let mut units: BTreeMap<(&str, &str), Vec<&RecordSet>> = BTreeMap::new();
    for set in kept {
        units.entry((&set.name, &set.rtype)).or_default().push(set);
    }
    let (mut standing, mut moved) = (Vec::new(), Vec::new());
    for ((name, rtype), sets) in units {
        let today = today.get(&(name, rtype)).map(Vec::as_slice);
        let today = today.unwrap_or_default();
        let all_are = |form: &dyn Fn(&RecordSet) -> RecordSet| {
            today.len() == sets.len()
                && sets.iter().all(|set| {
                    let wanted = form(set);
                    today.iter().any(|today| wanted.is_like(today))
                })
        };
        let is = if all_are(&lowered) {
            Some(Is::Low)
        } else if all_are(&RecordSet::clone) {
            Some(Is::AsBefore)
        } else {
            None
        };
        match is {
            Some(is) => standing.push(Unit { sets, is }),
            None => {
                let was = sets.iter().filter_map(|set| set.ttl_secs).max();
                let was = was.unwrap_or_default();
                let how = if today.is_empty() {
                    "deleted"
                } else {
                    "changed"
                };
                moved.push(format!("{name} {rtype} ({how}, its TTL was {was})"));
            }
        }
    }
    (standing, moved)
}

fn changed(addr: &Addr, moved: &[String]) -> Vec<Report> {
    let shown = moved.get(..NAMED_MAX).unwrap_or(moved);
    let more = match moved.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!(
        "these records are not as they were when their TTLs were lowered, and stay as they are: {}{more}",
        shown.join(", ")
    );
    let report = Report::Warning {
        addr: addr.clone(),
        what,
    };
    (!moved.is_empty()).then_some(report).into_iter().collect()
}

fn under_way(addr: &Addr, what: String) -> Turn {
    Turn {
        report: vec![Report::UnderWay {
            addr: addr.clone(),
            what,
        }],
        ..Turn::default()
    }
}

/// What is low, in words.
fn low(kept: &[RecordSet]) -> String {
    let number = kept.iter().filter(|set| lowered(set) != **set).count();
    let largest = largest(kept).map(secs).unwrap_or_default();
    format!(
        "the TTLs of {number} record sets are lowered for signing the zone (the largest was {largest} s)"
    )
}

fn largest(sets: &[RecordSet]) -> Option<&RecordSet> {
    // Of equals the first: the same words in every run.
    sets.iter().rev().max_by_key(|set| set.ttl_secs)
}

/// The largest TTL of these record sets.
pub fn largest_secs(sets: &[RecordSet]) -> Option<u64> {
    largest(sets).map(secs)
}

fn secs(set: &RecordSet) -> u64 {
    let ttl = set.ttl_secs.unwrap_or_default();
    u64::try_from(ttl).unwrap_or_default()
}

fn apex_ns_ttl_secs(desired: &Desired, zone: &Live) -> u64 {
    let apex = format!("{}.", desired.domain);
    zone.set(&apex, "NS").map(secs).unwrap_or_default()
}

/// Whether they are being lowered, and since when they are low is not noted.
pub fn is_to_be_noted(journal: &Observation<journal_group::Live>) -> bool {
    journal.present().is_some_and(|journal| {
        let since = journal.evidence(journal_group::EVIDENCE_LOWERED);
        since.is_none_or(|since| since.parse::<Timestamp>().is_err())
    })
}

fn lowered_since(snapshot: &Snapshot) -> Option<Timestamp> {
    let since = evidence(snapshot, journal_group::EVIDENCE_LOWERED)?;
    since.parse().ok()
}

fn evidence(snapshot: &Snapshot, key: &str) -> Option<String> {
    let journal = snapshot.journal_group.present()?;
    journal.evidence(key).map(str::to_owned)
}

#[cfg(test)]
mod tests;
