//! `handover`: reads what the text needs, and prints it or why not yet.

use std::path::PathBuf;

use anyhow::bail;

use super::records::{key_state, other_keys, state_of};
use super::session::Session;
use super::{Exit, Global, HandoverForm, HandoverStep, output, stack};
use crate::handover::{self, Facts, Handover, Step};
use crate::kind::hosted_zone::Records;
use crate::observe::Purpose;
use crate::rotation;
use crate::snapshot::{Observation, ParentView, Snapshot};

/// `handover`.
pub async fn handover(
    global: &Global,
    named: Option<PathBuf>,
    step: HandoverStep,
    key_tags: Vec<u16>,
    format: HandoverForm,
) -> anyhow::Result<Exit> {
    let step = match step {
        HandoverStep::Delegate => Step::Delegate,
        HandoverStep::DsAdd => Step::DsAdd,
        HandoverStep::DsRemove => Step::DsRemove(key_tags.iter().copied().collect()),
        HandoverStep::Teardown => Step::Teardown,
    };
    if !key_tags.is_empty() && !matches!(step, Step::DsRemove(_)) {
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
    let (key, not_yet) = readiness(&session, &snapshot, &step).await?;
    let facts = Facts {
        desired,
        snapshot: &snapshot,
        parent,
        servers,
        other_keys: key
            .as_ref()
            .map(|key| other_keys(key, &snapshot))
            .unwrap_or_default(),
        key,
        not_yet,
    };
    Ok(match handover::write(&step, &facts) {
        Handover::Ticket(ticket) => {
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

/// The zone's key, and why its servers are not ready. Steps that take something away need neither, but
/// a key that stays has to be known.
async fn readiness(
    session: &Session,
    snapshot: &Snapshot,
    step: &Step,
) -> anyhow::Result<(Option<crate::ds::DnsKey>, Option<String>)> {
    let desired = &session.desired;
    let Some(zone) = snapshot.hosted_zone.present() else {
        return Ok((None, None));
    };
    let is_signed = snapshot
        .dnssec
        .present()
        .is_some_and(|dnssec| dnssec.signing != "NOT_SIGNING");
    match step {
        // In a rotation, the key that comes is the one to be vouched for.
        Step::Delegate | Step::DsAdd if desired.dnssec => {
            let answers = snapshot.parent.all().unwrap_or_default();
            let state = match (rotation::turn(snapshot, &answers), &snapshot.dnssec) {
                (Some(turn), Observation::Present(dnssec)) => {
                    state_of(session, snapshot, dnssec, turn.new).await?
                }
                (_, _) => key_state(session, snapshot).await?,
            };
            Ok((Some(state.key), state.not_yet))
        }
        Step::Delegate | Step::DsAdd => {
            let servers = zone.name_servers(&desired.domain);
            let answer = session.dns.speaks_for(&desired.domain, &servers).await;
            Ok((None, answer.err()))
        }
        Step::DsRemove(tags) if !tags.is_empty() && is_signed => {
            let state = key_state(session, snapshot).await?;
            Ok((Some(state.key), None))
        }
        Step::DsRemove(_) | Step::Teardown => Ok((None, None)),
    }
}
