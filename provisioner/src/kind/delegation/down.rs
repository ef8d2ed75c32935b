//! The way down: the DS record before anything else, the NS set when the zone is no longer signed, and
//! what the zone's own removal waits for.
//!
//! Once the DS record is gone and forgotten nothing can be bogus, and the names are to go. What the last wait
//! is for is somebody else: as soon as the zone is deleted, whoever gets one of its name servers for a zone of
//! the same name answers all resolvers that still ask there. Route 53 keeps those servers from others only
//! while the parent delegates to them (Developer Guide, "Protection from dangling delegation records"), so the
//! zone itself has to stay until nobody asks: for the TTL of the parent's NS set, or that of the zone's own,
//! whichever is longer. Resolvers take the zone's own set from its answers and prefer it to the parent's
//! (RFC 2181, section 5.4.1; RFC 1034, section 4.2.2 wants both alike, and Route 53's own has two days). It counts
//! from the withdrawal. Resolvers that let the zone's set renew itself for ever do so after any wait.
//!
//! Where the parent's people withdrew the delegation nothing shows that there was one, nor since when: a zone
//! that no parent server delegates is not waited for (the text of `handover --step teardown` tells them how
//! long).

use jiff::Timestamp;

use super::{Op, Parent, delegates_to_us, held, shown};
use crate::addr::{Addr, Kind};
use crate::arg::Arg;
use crate::condition::{Condition, Since, capped, remembered};
use crate::desired::Desired;
use crate::kind::hosted_zone::RecordSet;
use crate::kind::{self, journal_group};
use crate::plan::{After, Change, Draft, Field, Lowered, Plan, Report, Risk, Step, StepId, Symbol};
use crate::snapshot::Snapshot;

/// The step that takes the DS records out before anything else is taken down.
pub const REMOVE_DS: &str = "remove-ds";
/// The step that takes the NS set out.
const WITHDRAW: &str = "withdraw";
/// The step that notes when it was out.
const NOTE_GONE: &str = "remember-ns-gone";

/// What goes first when the zone is to be unsigned or taken down: the DS records, alone, as the waits of
/// everything else count from when no parent server has one. None when there are none, or they are not
/// of this zone's keys: then the guard against DS records says so.
pub fn ds_first(desired: &Desired, snapshot: &Snapshot) -> Option<Vec<(Addr, Lowered)>> {
    let live = snapshot.parent_zone.zone()?;
    let set = held(desired, snapshot)?;
    let journal = snapshot.journal_group.present()?;
    let addr = desired.addr(Kind::Delegation);
    let journal_addr = desired.addr(Kind::JournalGroup);
    // What the hold-down counts by is written down while it can still be seen.
    let mut notes = Lowered::default();
    let ttl = set.ttl_secs.and_then(|ttl| u32::try_from(ttl).ok());
    let known = journal.ds_ttl_secs();
    if let Some(ttl) = ttl.filter(|ttl| known.is_none_or(|known| known < *ttl)) {
        let key = journal_group::EVIDENCE_DS_TTL;
        let op = journal_group::Op::remember(desired, key, Arg::Known(ttl.to_string()));
        notes.drafts.push(Draft::new("remember-ds-ttl", op));
    }
    if journal.evidence(journal_group::EVIDENCE_DS_GONE).is_some() {
        notes
            .drafts
            .extend(journal_group::forget_ds_gone(desired, snapshot));
    }
    let op = kind::Op::Delegation(Op::Edit {
        parent: live.id.clone(),
        before: Some(Box::new(set.clone())),
        after: None,
    });
    let own = Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields: vec![Field::gone("DS", shown(set))],
            why: format!(
                "it writes into another zone, {}: nobody may vouch for keys that go; the rest follows, by the \
                 same command, when no resolver can remember the record",
                live.words()
            ),
            risk: Risk::Safe,
        }),
        drafts: vec![
            Draft::new(REMOVE_DS, op)
                .after(After::AllOf(journal_addr.clone()))
                .done(Condition::ChangeInSync),
        ],
        ..Lowered::default()
    };
    Some(vec![(journal_addr, notes), (addr, own)])
}

/// What the delegation needs to be gone, once its DS record is.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.parent_zone {
        Parent::External | Parent::Settled | Parent::Unused(_) => return Lowered::default(),
        Parent::Unknown(why) => return kind::blocked(addr, why),
        Parent::Zone(live) => live,
    };
    if let Some(set) = live.ds() {
        let why = format!(
            "{} still has DS records of {}: {}; delete them there first",
            live.words(),
            desired.domain,
            shown(set)
        );
        return kind::blocked(addr, why);
    }
    let Some(set) = live.ns() else {
        // The run that took it out died before it noted when.
        let mut lowered = Lowered::default();
        if announced(snapshot).is_some() && gone_since(snapshot).is_none() {
            lowered.drafts.push(remember_gone(desired));
        }
        return lowered;
    };
    if !delegates_to_us(desired, snapshot, set) {
        return Lowered {
            report: vec![Report::Left {
                what: format!("the NS set of {} in {}", desired.domain, live.words()),
                why: match snapshot.hosted_zone.present() {
                    Some(_) => format!("it names other servers than the zone's: {}", shown(set)),
                    None => format!(
                        "there is no zone of this stack that would show whose it is: {}; delete it there if \
                         nobody answers for the name",
                        shown(set)
                    ),
                },
            }],
            ..Lowered::default()
        };
    }
    let op = kind::Op::Delegation(Op::Edit {
        parent: live.id.clone(),
        before: Some(Box::new(set.clone())),
        after: None,
    });
    // Its TTL is in the journal before it goes, so that a run that dies in the wait leaves it to the next.
    let ttl = remembered_secs(desired, snapshot, set);
    let key = journal_group::EVIDENCE_NS_TTL;
    let announce = journal_group::Op::remember(desired, key, Arg::Known(ttl.to_string()));
    let mut drafts = Vec::new();
    if snapshot.journal_group.present().is_some() {
        drafts.push(Draft::new("announce-withdrawal", announce));
    }
    drafts.push(
        Draft::new(WITHDRAW, op)
            .after(After::Answered(StepId::new(addr, "announce-withdrawal")))
            .after(After::AllOf(desired.addr(Kind::ZoneSigning)))
            .after(After::AllOf(desired.addr(Kind::Ksk)))
            .done(Condition::ChangeInSync),
    );
    if snapshot.journal_group.present().is_some() {
        drafts.push(remember_gone(desired).after(After::Settled(StepId::new(addr, WITHDRAW))));
    }
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Destroy,
            fields: vec![
                Field::gone("zone", format!("{} ({})", live.name, live.id)),
                Field::gone("NS", shown(set)),
            ],
            why: format!(
                "it writes into another zone, {}: a delegation that outlives its zone is whoever's gets those \
                 name servers next",
                live.words()
            ),
            risk: Risk::Outage,
        }),
        drafts,
        ..Lowered::default()
    }
}

/// For how long resolvers remember where the zone is, by its delegation and by its own NS set, in seconds.
fn remembered_secs(desired: &Desired, snapshot: &Snapshot, delegation: &RecordSet) -> u32 {
    let secs = |ttl: Option<i64>| u32::try_from(ttl.unwrap_or_default()).unwrap_or(u32::MAX);
    let zone = snapshot.hosted_zone.present();
    let own = zone.and_then(|zone| zone.name_server_set(&desired.domain));
    secs(delegation.ttl_secs).max(own.map_or(0, |own| secs(own.ttl_secs)))
}

fn remember_gone(desired: &Desired) -> Draft {
    let key = journal_group::EVIDENCE_NS_GONE;
    Draft::new(
        NOTE_GONE,
        journal_group::Op::remember(desired, key, Arg::Now),
    )
}

/// How long the delegation that this tool took out, or was about to, is remembered.
fn announced(snapshot: &Snapshot) -> Option<u32> {
    let journal = snapshot.journal_group.present()?;
    journal
        .evidence(journal_group::EVIDENCE_NS_TTL)?
        .parse()
        .ok()
}

/// Since when it is out.
fn gone_since(snapshot: &Snapshot) -> Option<Timestamp> {
    let journal = snapshot.journal_group.present()?;
    let since = journal.evidence(journal_group::EVIDENCE_NS_GONE)?;
    since
        .parse()
        .ok()
        .filter(|since| *since <= snapshot.taken_at)
}

/// What the zone's own removal waits for: resolvers that remember the delegation which this plan takes
/// out, or an earlier one did.
pub fn zone_hold_down(desired: &Desired, snapshot: &Snapshot) -> Option<Condition> {
    let live = snapshot.parent_zone.zone()?;
    let addr = desired.addr(Kind::Delegation);
    let (since, secs) = match live.ns() {
        Some(set) if delegates_to_us(desired, snapshot, set) => {
            let ttl = remembered_secs(desired, snapshot, set);
            let step = match snapshot.journal_group.present() {
                Some(_) => NOTE_GONE,
                None => WITHDRAW,
            };
            (Since::Answered(StepId::new(&addr, step)), ttl)
        }
        Some(_) => return None,
        None => {
            let since = gone_since(snapshot).map(Since::At);
            let noted = Since::Answered(StepId::new(&addr, NOTE_GONE));
            (since.unwrap_or(noted), announced(snapshot)?)
        }
    };
    Some(Condition::HoldDown {
        since,
        lasts: remembered(secs.into()),
        source: format!(
            "resolvers may remember the zone's name servers for {secs} s, the longer TTL of the parent's NS set and \
             of the zone's own{}; whoever got one of these servers would answer them",
            capped(secs.into())
        ),
    })
}

/// Whether a plan takes nothing down but what the parent zone vouches for.
pub fn only_unvouches(plan: &Plan) -> bool {
    let is_removal =
        |step: &Step| step.id.addr.kind() == Kind::Delegation && step.id.name == REMOVE_DS;
    plan.steps.iter().any(is_removal)
        && plan
            .steps
            .iter()
            .all(|step| is_removal(step) || step.id.addr.kind() == Kind::JournalGroup)
}

/// Whether a teardown takes the delegation out, or has.
pub fn is_withdrawn_by_us(desired: &Desired, snapshot: &Snapshot) -> bool {
    snapshot.parent_zone.zone().is_some_and(|live| {
        live.ns()
            .is_none_or(|set| delegates_to_us(desired, snapshot, set))
    })
}
