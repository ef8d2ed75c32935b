//! AWS's part of the facts, from a snapshot and the plan that follows from it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::facts::{Aws, Heard, Ksk, Leaving, Mover, Planned, Turning};
use super::repair::APPLY;
use crate::addr::Kind;
use crate::condition::{Condition, Since, later};
use crate::desired::Desired;
use crate::ds::DnsKey;
use crate::ds::keys::{self, Whose, own_turn, whose};
use crate::journal;
use crate::kind::hosted_zone::ttls;
use crate::kind::zone_signing::Unsigned;
use crate::kind::zone_signing::former::{Vouched, vouched};
use crate::kind::{delegation, journal_group, kms_key, ksk, zone_signing};
use crate::plan::{self, DestroyOptions, Plan, Report, span};
use crate::rotation::{self, PAST_ABORT};
use crate::safety::{DS_AT_PARENT, PARENT_UNKNOWN};
use crate::snapshot::{Observation, Snapshot};
use crate::teardown;

/// Alarms that tell of DNSSEC.
const ALARMS: [&str; 3] = [
    "dnssec-internal-failure",
    "dnssec-keys-need-action",
    "ksk-age",
];

/// What a snapshot says of the zone and its keys.
pub fn aws(desired: &Desired, snapshot: &Snapshot, plan: &Plan) -> Aws {
    let mut aws = Aws {
        plan: planned(plan, snapshot.taken_at),
        ..Aws::default()
    };
    let mut unread = Vec::new();
    match &snapshot.hosted_zone {
        Observation::Present(zone) => {
            aws.zone = Some(zone.id.clone());
            aws.name_servers = zone.name_servers(&desired.domain).into_iter().collect();
        }
        Observation::Absent => {}
        Observation::Foreign(why, _) => aws.foreign_zone = Some(why.clone()),
        Observation::Unreadable(why) => unread.push(format!("the hosted zone: {why}")),
    }
    match &snapshot.dnssec {
        Observation::Present(dnssec) => {
            aws.signing = Some((dnssec.signing.clone(), dnssec.signing_message.clone()));
            aws.keys = dnssec
                .keys
                .iter()
                .map(|key| Ksk {
                    way_down: (whose(desired, snapshot, key) == Whose::Stranger)
                        .then(|| ksk::way_down(desired, snapshot, key)),
                    name: key.name.clone(),
                    status: key.status.clone(),
                    message: key.message.clone(),
                    key: DnsKey::parse(&key.dnskey).ok(),
                    whose: whose(desired, snapshot, key),
                    kms_arn: key.kms_arn.clone(),
                    kms_state: kms_state(&snapshot.kms_key, &key.kms_arn),
                })
                .collect();
            unread.extend(keys::unread(snapshot));
        }
        Observation::Absent => {}
        Observation::Foreign(why, _) | Observation::Unreadable(why) => {
            unread.push(format!("the zone's DNSSEC: {why}"));
        }
    }
    if let Observation::Unreadable(why) = &snapshot.kms_key {
        unread.push(format!("the KMS key: {why}"));
    }
    aws.alarms = alarms(snapshot, &mut unread);
    aws.evidence = evidence(snapshot);
    aws.is_key_lost = kms_key::lost(desired, snapshot).is_some();
    aws.way_after_loss = rotation::way_after_loss(desired, snapshot);
    let unsigned = zone_signing::unsigned(desired, snapshot);
    aws.unsigned_until = match unsigned {
        Unsigned::Until(ref memory) => Some(memory.until),
        Unsigned::No | Unsigned::Unknown(_) => None,
    };
    aws.unsigned = unsigned.why();
    aws.others_remembered = zone_signing::former::to_come(desired, snapshot);
    aws.others_vouched_for = match vouched(desired, snapshot) {
        Vouched::Until(memory) => Some(memory.why()),
        Vouched::No | Vouched::ToNote => None,
    };
    aws.parent_zone = snapshot.parent_zone.zone().map(delegation::Live::words);
    let down = way_down(desired, snapshot);
    aws.notes = notes(desired, snapshot, plan, down.as_ref());
    if let Some(down) = down {
        aws.plan = planned(&down.plan, snapshot.taken_at);
        aws.leaving = Some(down.leaving);
    }
    aws.turning = turning(desired, snapshot);
    if aws.turning.is_some() {
        // The plan's warning that there are two keys says the same.
        aws.plan
            .warnings
            .retain(|(addr, _)| addr.kind() != Kind::Ksk);
    }
    aws.unread = unread;
    aws
}

/// A way down under way, the plan of the command that goes on with it, and that command.
struct WayDown {
    leaving: Leaving,
    plan: Plan,
    command: &'static str,
}

/// A destroy that has begun, or a zone that is signed and is not to be; what `destroy` or `dnssec disable` would plan
/// now.
fn way_down(desired: &Desired, snapshot: &Snapshot) -> Option<WayDown> {
    let since = teardown::since(snapshot);
    let dnssec = snapshot.dnssec.present();
    let is_signed = dnssec.is_some_and(|dnssec| dnssec.signing != "NOT_SIGNING");
    let (plan, told, ways, command) = if let Some(since) = since {
        // Records that others made are no question any more.
        let options = DestroyOptions {
            include_records: true,
            ..DestroyOptions::default()
        };
        (
            plan::destroy(desired, snapshot, &options),
            teardown::told(since),
            teardown::ways(),
            teardown::COMMAND,
        )
    } else if !desired.dnssec && is_signed && snapshot.hosted_zone.present().is_some() {
        (
            plan::unsign(desired, snapshot),
            "the document says `[dnssec] enabled = false`, and the zone is signed".to_owned(),
            format!(
                "run `{UNSIGN}`, which turns signing off when no resolver can remember a DS record"
            ),
            UNSIGN,
        )
    } else {
        return None;
    };
    let mut leaving = Leaving {
        since: since.map(str::to_owned),
        told,
        ways,
        is_vouched_for: false,
        lags: Vec::new(),
        against: Vec::new(),
        is_delegated: !plan.notices.is_empty(),
    };
    for refusal in &plan.refusals {
        let words = format!("{}: {}", refusal.addr, refusal.message);
        if refusal.is_wait() {
            leaving.lags.push(words);
        } else if refusal.rule == DS_AT_PARENT && snapshot.parent_zone.zone().is_none() {
            leaving.is_vouched_for = true;
        } else {
            leaving.against.push(words);
        }
    }
    Some(WayDown {
        leaving,
        plan,
        command,
    })
}

/// The command that turns signing off.
const UNSIGN: &str = "spore-infra dnssec disable";

/// Who has something to write down of what DNS shows now, before it changes. What is refused writes nothing, but that a
/// DS record is back.
fn notes(
    desired: &Desired,
    snapshot: &Snapshot,
    plan: &Plan,
    down: Option<&WayDown>,
) -> Vec<&'static str> {
    if let Some(down) = down {
        // Where the parent zone is ours, the command takes the record out by itself.
        let is_back = down.leaving.is_vouched_for
            && journal_group::parent_seen(snapshot).is_some_and(|seen| seen.is_back);
        return is_back.then_some(down.command).into_iter().collect();
    }
    // What stands there of others is going to be waited for when it is gone.
    let is_vouched_elsewhere = snapshot.theirs.is_some()
        && zone_signing::former::keeps_ds_gone(desired, snapshot)
        && journal_group::parent_seen(snapshot).is_some_and(|seen| seen.ds_ttl_secs.is_some());
    let mut notes = Vec::new();
    let is_due = plan.takes_note() || is_vouched_elsewhere;
    if is_due && plan.refusals.is_empty() {
        notes.push(APPLY);
    }
    if rotation::is_to_be_noted(desired, snapshot) {
        notes.push(rotation::command(snapshot));
    }
    notes
}

/// The rotation under way, and what it waits for: what `ksk rotate` would plan now.
fn turning(desired: &Desired, snapshot: &Snapshot) -> Option<Turning> {
    // Both keys go.
    if teardown::since(snapshot).is_some() || !desired.dnssec {
        return None;
    }
    let answers = snapshot.parent.all().unwrap_or_default();
    let turn = own_turn(desired, snapshot, &answers)?;
    let way = match turn.given_up {
        Some(since) => format!("is being given up since {since}"),
        None => "is under way".to_owned(),
    };
    let both = format!(
        "a rotation {way}, from {} (key {}) to {} (key {})",
        turn.old.name, turn.old.key_tag, turn.new.name, turn.new.key_tag
    );
    let command = rotation::command(snapshot);
    // Whose record is the one to be there in the end.
    let stays = if turn.given_up.is_some() {
        turn.old
    } else {
        turn.new
    };
    let (add_from, why) = &turn.add_from;
    let told = |what: &str, next| {
        Some(Turning {
            words: format!("{both}: {what}"),
            next,
            command,
            until: None,
            new: DnsKey::parse(&stays.dnskey).ok(),
            too_early: (turn.given_up.is_none() && snapshot.taken_at < *add_from).then(|| {
                let name = &turn.new.name;
                format!("no DS record of {name} before {add_from:.0}: {why}")
            }),
        })
    };
    let plan = rotation::goes_on(desired, snapshot);
    if let Some(refusal) = plan.refusals.first() {
        let next = match refusal.rule {
            PARENT_UNKNOWN => Some(Mover::UsOnceSeen),
            // What is being given up goes at the parent as well.
            PAST_ABORT => Some(Mover::Parent(refusal.message.clone())),
            _ => None,
        };
        return told(&format!("it cannot go on: {}", refusal.message), next);
    }
    if let Some((_, why)) = plan.blocked().first() {
        return told(&format!("it cannot go on: {why}"), None);
    }
    if let Some((who, what)) = plan.external().first() {
        let next = Mover::Parent((*what).to_owned());
        return told(&format!("it waits for the people of {who}"), Some(next));
    }
    let hold_downs = plan.steps.iter().flat_map(|step| &step.ready_when);
    let until = hold_downs
        .filter_map(|condition| match condition {
            Condition::HoldDown {
                since: Since::At(since),
                lasts,
                ..
            } => Some(later(*since, *lasts)),
            Condition::HoldDown { .. }
            | Condition::ChangeInSync
            | Condition::FunctionReady { .. }
            | Condition::Served(_)
            | Condition::ListsSettled { .. } => None,
        })
        .max()
        .filter(|until| *until > snapshot.taken_at);
    match until {
        Some(until) => {
            let words = format!("`{command}` goes on with it, from {until:.0}");
            let turning = told(&words, Some(Mover::Us))?;
            Some(Turning {
                until: Some(until),
                ..turning
            })
        }
        None => told(&format!("`{command}` goes on with it"), Some(Mover::Us)),
    }
}

/// State of the key at an ARN, where the snapshot has it; with the date of its deletion.
fn kms_state(key: &Observation<kms_key::Live>, arn: &str) -> Option<(String, Option<String>)> {
    let live = key.present()?;
    if live.arn == arn {
        return Some((live.state.clone(), live.deletion_date.clone()));
    }
    if live.gone.contains(arn) {
        return Some((keys::GONE.to_owned(), None));
    }
    let twin = live.twins.iter().find(|(twin, _)| twin == arn);
    twin.map(|(_, state)| (state.clone(), None))
}

fn alarms(snapshot: &Snapshot, unread: &mut Vec<String>) -> BTreeMap<String, Heard> {
    let mut heard = BTreeMap::new();
    for (addr, alarm) in &snapshot.alarms {
        if addr.kind() != Kind::Alarm || !ALARMS.contains(&addr.name()) {
            continue;
        }
        let name = addr.name().to_owned();
        match alarm {
            Observation::Present(live) => {
                let actions = &live.settings.alarm_actions;
                let who = if actions.is_empty() {
                    Heard::Nobody("it has no action".into())
                } else if !live.settings.actions_enabled {
                    Heard::Nobody("its actions are switched off".into())
                } else {
                    Heard::By(actions.iter().cloned().collect())
                };
                heard.insert(name, who);
            }
            Observation::Absent => {
                heard.insert(name, Heard::Nobody("there is no such alarm".into()));
            }
            Observation::Foreign(why, _) | Observation::Unreadable(why) => {
                unread.push(format!("alarm {name}: {why}"));
            }
        }
    }
    heard
}

/// What the journal keeps for later waits.
fn evidence(snapshot: &Snapshot) -> Vec<String> {
    let Some(journal) = snapshot.journal_group.present() else {
        return Vec::new();
    };
    let mut lines: Vec<String> = ttls::told(snapshot).into_iter().collect();
    lines.extend(teardown::since(snapshot).map(teardown::told));
    if let Some(since) = journal.evidence(journal_group::EVIDENCE_DS_GONE) {
        lines.push(format!(
            "no parent server has had a DS record since {since}"
        ));
    }
    lines.extend(zone_signing::former::told(journal));
    if let Some(ttl) = journal.ds_ttl_secs() {
        lines.push(format!(
            "the largest TTL seen of a DS record is {}",
            span(std::time::Duration::from_secs(ttl.into()))
        ));
    }
    lines
}

fn planned(plan: &Plan, now: Timestamp) -> Planned {
    let mut planned = Planned {
        summary: crate::render::summary(plan),
        until: plan.waits_until(now),
        changes: plan
            .changes
            .iter()
            .map(|change| change.addr.to_string())
            .collect(),
        ..Planned::default()
    };
    for report in &plan.report {
        match report {
            Report::Blocked { addr, why } => planned.blocked.push(format!("{addr}: {why}")),
            Report::External { addr, who, what } => {
                planned
                    .waits
                    .push(format!("{addr} waits for the people of {who}: {what}"));
            }
            Report::HeldBack { addr, by } => {
                planned.waits.push(format!("{addr} waits for {by}"));
            }
            Report::UnderWay { addr, what } => planned.waits.push(format!("{addr}: {what}")),
            Report::AtWork { holder, beat } => planned.waits.push(format!(
                "{holder} is at work on this stack (last sign of life {beat:.0})"
            )),
            Report::LeftoverLock { holder, beat } => planned.waits.push(format!(
                "{} left its lock (last sign of life {beat:.0}); the next apply takes it over",
                if holder == journal::NOBODY {
                    "a run that ended"
                } else {
                    holder
                }
            )),
            Report::Waiting { addr, what, .. } => {
                planned.waits.push(format!("{addr} has to wait: {what}"));
            }
            Report::Warning { addr, what } => {
                planned.warnings.push((addr.clone(), what.clone()));
            }
            Report::UpToDate(_) | Report::Accepted { .. } | Report::Left { .. } => {}
        }
    }
    for step in &plan.steps {
        for condition in &step.ready_when {
            if let Condition::HoldDown {
                since,
                lasts,
                source,
            } = condition
                && !matches!(since, Since::At(since) if later(*since, *lasts) <= now)
            {
                planned.waits.push(format!(
                    "{} waits {} before it starts: {source}",
                    step.id,
                    span(*lasts)
                ));
            }
        }
    }
    planned
}
