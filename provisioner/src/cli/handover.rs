//! `handover`: reads what the text needs, and prints it or why not yet.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::bail;

use super::records::{self, find};
use super::session::Session;
use super::{Exit, Global, HandoverForm, HandoverStep, output, stack};
use crate::desired::Desired;
use crate::ds::DnsKey;
use crate::ds::judgement::Keys;
use crate::ds::keys::own_turn;
use crate::ds::not_yet::NotYet;
use crate::handover::pick::Pick;
use crate::handover::{self, Facts, Handover, Step};
use crate::kind::hosted_zone::{Live, Records};
use crate::observe::Purpose;
use crate::snapshot::{ParentView, Snapshot};
use crate::teardown;

/// `handover`.
pub async fn handover(
    global: &Global,
    named: Option<PathBuf>,
    step: HandoverStep,
    picks: Vec<Pick>,
    format: HandoverForm,
) -> anyhow::Result<Exit> {
    let step = match step {
        HandoverStep::Delegate => Step::Delegate,
        HandoverStep::DsAdd => Step::DsAdd,
        HandoverStep::DsRemove => Step::DsRemove(picks.iter().cloned().collect()),
        HandoverStep::Teardown => Step::Teardown,
    };
    if !picks.is_empty() && !matches!(step, Step::DsRemove(_)) {
        bail!("--key-tag goes with --step ds-remove only");
    }
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let session = Session::open(global, &document).await?;
    // The journal is read directly: what it says since when decides what may be asked for.
    let snapshot = session.snapshot(Records::All, Purpose::Apply).await?;
    let desired = &session.desired;
    if let Some(why) = snapshot.hosted_zone.unreadable() {
        bail!("the zone: {why}");
    }
    let servers = match &snapshot.parent {
        ParentView::Unknown(why) => Err(why.clone()),
        ParentView::Seen { zone, servers } => snapshot.parent.all().map(|answers| {
            let names = servers.iter().map(|server| server.name.as_str());
            (zone.as_str(), names.zip(answers).collect())
        }),
    };
    let (parent, servers) = match servers {
        Ok(seen) => seen,
        Err(why) => bail!(
            "not every server of the parent zone of {} says what it has, and what it has decides: {why}",
            desired.domain
        ),
    };
    let Readiness { key, keys, not_yet } = readiness(&session, &snapshot, &step).await?;
    let facts = Facts {
        desired,
        snapshot: &snapshot,
        parent,
        servers,
        key,
        keys,
        not_yet,
    };
    let outcome = handover::write(&step, &facts);
    // Who files tickets by a program needs to know why there is none as well.
    if let (HandoverForm::Json, Some((word, why))) = (format, outcome.without_text()) {
        let said = serde_json::json!({"step": step.word(), "outcome": word, "why": why});
        output::line(&serde_json::to_string_pretty(&said)?);
    }
    Ok(match outcome {
        Handover::Ticket(ticket) => {
            records::tell_if_unknown(&snapshot);
            match format {
                HandoverForm::Text => output::text(&ticket.text()),
                HandoverForm::Markdown => output::text(&ticket.markdown()),
                HandoverForm::Json => output::line(&serde_json::to_string_pretty(&ticket.json())?),
            }
            Exit::Done
        }
        Handover::Done(why) => {
            output::note(&format!("nothing to do: {why}"));
            Exit::Done
        }
        Handover::NotYet(why) => {
            output::note(&format!("not yet: {why}"));
            Exit::Waiting
        }
        Handover::Unsafe(why) => {
            output::error(&format!("refused: {why}"));
            Exit::Refused
        }
    })
}

/// The zone's keys, and what has to come before a step.
struct Readiness {
    key: Option<DnsKey>,
    keys: Keys,
    not_yet: Option<NotYet>,
}

/// Whether no record would stay at the parent, so that nothing depends on what its keys are worth. In a
/// rotation something does.
fn takes_all(picks: &BTreeSet<Pick>, desired: &Desired, snapshot: &Snapshot) -> bool {
    let answers = snapshot.parent.all().unwrap_or_default();
    let mut records = answers.iter().flat_map(|answer| answer.records());
    if picks.is_empty() {
        own_turn(desired, snapshot, &answers).is_none()
    } else {
        records.all(|ds| picks.iter().any(|pick| pick.is(&ds)))
    }
}

/// Steps that take everything away need no key that is ready; where a record stays, its key has to be.
async fn readiness(
    session: &Session,
    snapshot: &Snapshot,
    step: &Step,
) -> anyhow::Result<Readiness> {
    let desired = &session.desired;
    let by_status = Readiness {
        key: None,
        keys: Keys::of(desired, snapshot),
        not_yet: None,
    };
    let Some(zone) = snapshot.hosted_zone.present() else {
        return Ok(by_status);
    };
    let is_signed = snapshot
        .dnssec
        .present()
        .is_some_and(|dnssec| dnssec.signing != "NOT_SIGNING");
    match step {
        // They are refused.
        Step::Delegate | Step::DsAdd if teardown::since(snapshot).is_some() => Ok(by_status),
        // In a rotation, the key that comes is the one to be vouched for.
        Step::Delegate | Step::DsAdd if desired.dnssec => {
            let found = find(session, snapshot).await?;
            // Beside nothing but wrong records, the old key's is right before the new one's time has come.
            if let Some(old) = found.old_to_add() {
                return Ok(Readiness {
                    key: Some(old.key.clone()),
                    keys: found.keys,
                    not_yet: None,
                });
            }
            let mut not_yet = found.key.not_yet;
            if matches!(not_yet, Some(NotYet::Delegation { .. })) {
                not_yet = speaks_for(session, zone).await.or(not_yet);
            }
            Ok(Readiness {
                key: Some(found.key.key),
                keys: found.keys,
                not_yet,
            })
        }
        Step::Delegate | Step::DsAdd => Ok(Readiness {
            not_yet: speaks_for(session, zone).await,
            ..by_status
        }),
        Step::DsRemove(picks) if is_signed && !takes_all(picks, desired, snapshot) => {
            let found = find(session, snapshot).await?;
            Ok(Readiness {
                keys: found.keys,
                ..by_status
            })
        }
        Step::DsRemove(_) | Step::Teardown => Ok(by_status),
    }
}

/// Whether the zone's servers answer for it, signed or not; why not, if so.
async fn speaks_for(session: &Session, zone: &Live) -> Option<NotYet> {
    let domain = &session.desired.domain;
    let servers = zone.name_servers(domain);
    let answer = session.dns.speaks_for(domain, &servers).await;
    answer.err().map(NotYet::Unserved)
}
