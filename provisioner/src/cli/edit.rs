//! Record changes as a plan of one step, so that lock, repetition, waiting and history are those of every
//! other change: what `restore` and `names` have in common.

use std::collections::BTreeSet;

use anyhow::bail;

use super::apply::progress::Teller;
use super::apply::{release, take_lock};
use super::sandbox::stopped;
use super::session::Session;
use super::{Exit, Go, output};
use crate::addr::Kind;
use crate::apply::Driver;
use crate::condition::Condition;
use crate::desired::Desired;
use crate::journal;
use crate::kind;
use crate::kind::hosted_zone::{self, Live};
use crate::observe::Purpose;
use crate::plan::{Plan, Step, StepId};
use crate::render;
use crate::run::Outcome;
use crate::safety;
use crate::snapshot::{Observation, Snapshot};

/// The whole zone, or why there is none.
pub(super) fn zone(snapshot: &Snapshot) -> anyhow::Result<&Live> {
    match &snapshot.hosted_zone {
        Observation::Present(zone) if zone.complete => Ok(zone),
        Observation::Present(_) => bail!("not all records of the zone were read"),
        Observation::Absent => bail!("there is no zone yet; run `spore-infra apply` first"),
        Observation::Foreign(why, _) | Observation::Unreadable(why) => bail!("the zone: {why}"),
    }
}

/// The plan of one step; without the operation, of none. Of the document's own plan only the rules that
/// forbid everything count.
pub(super) fn plan(
    desired: &Desired,
    snapshot: &Snapshot,
    step: &'static str,
    op: Option<hosted_zone::Op>,
) -> Plan {
    let mut plan = crate::plan::converge(desired, snapshot);
    plan.refusals
        .retain(|refusal| refusal.rule == safety::NEWER_TOOL);
    plan.steps = op
        .into_iter()
        .map(|op| Step {
            id: StepId::new(&desired.addr(Kind::HostedZone), step),
            op: kind::Op::HostedZone(op),
            needs: BTreeSet::new(),
            settled: BTreeSet::new(),
            ready_when: Vec::new(),
            done_when: vec![Condition::ChangeInSync],
        })
        .collect();
    plan.changes.clear();
    plan
}

/// Asks whether it is to be done.
pub(super) fn approved(go: &Go, question: &str) -> anyhow::Result<bool> {
    if go.yes {
        return Ok(true);
    }
    match output::ask(&format!("{question} Only `yes` does it:")) {
        Some(answer) => Ok(answer == "yes"),
        None => bail!("there is no terminal to ask at; review the changes and pass --yes"),
    }
}

/// What is done under the lock.
pub(super) struct Again {
    /// The plan of what was approved, made from what is live now.
    pub plan: Plan,
    /// What the journal's history is to say before the first write.
    pub history: Vec<String>,
}

/// What a command says at its end.
pub(super) struct Words {
    /// When all is done and on every name server.
    pub done: &'static str,
    /// When a part is done.
    pub partly: &'static str,
}

/// Carries an approved plan out under the stack's lock. `again` reads what is live once nobody else
/// writes, and fails when that is not what was approved; without a step nothing is done.
pub(super) async fn carry_out(
    session: &Session,
    go: &Go,
    plan: &Plan,
    words: &Words,
    again: impl AsyncFnOnce(Purpose) -> anyhow::Result<Again>,
) -> anyhow::Result<Exit> {
    let (clock, digest) = (&session.clock, plan.digest());
    let write = session.writers(&digest).await;
    let wait_max = (!clock.is_virtual()).then_some(go.wait);
    let mut lock = match take_lock(session, &write, &digest, wait_max).await? {
        Ok(lock) => lock,
        Err(exit) => return Ok(exit),
    };
    let again = match again(Purpose::Run(lock.seen.clone())).await {
        Ok(again) => again,
        Err(error) => {
            release(lock, &write, clock.now()).await;
            return Err(error);
        }
    };
    if again.plan.steps.is_empty() {
        release(lock, &write, clock.now()).await;
        return Ok(Exit::Done);
    }
    let now = clock.now();
    if !again.history.is_empty() {
        let lines = again.history.into_iter().map(|line| (now, line)).collect();
        if let Err(failure) = journal::record(&write, clock, &session.desired, now, lines).await {
            release(lock, &write, clock.now()).await;
            bail!("nothing was done, as the history of it could not be written: {failure}");
        }
    }
    let mut teller = Teller::new(go.json);
    let mut tell = |progress| teller.tell(progress, clock.now());
    let mut driver = Driver {
        write: &write,
        clock,
        dns: &session.dns,
        desired: &session.desired,
        wait_max,
        tell: &mut tell,
    };
    let driven = driver.drive(&again.plan, &mut lock, stopped()).await;
    release(lock, &write, clock.now()).await;
    let (outcome, run) = driven?;
    let failures = render::failures(&run, clock.now());
    if !failures.is_empty() {
        output::note(failures.trim_end());
    }
    Ok(match outcome {
        Outcome::Converged => {
            output::note(words.done);
            Exit::Done
        }
        Outcome::Waiting { until, why } => {
            output::note(&format!(
                "waiting: {why}; run the same command again after {until:.0}"
            ));
            Exit::Waiting
        }
        Outcome::Failed => {
            output::note(words.partly);
            Exit::Error
        }
        Outcome::Interrupted => {
            output::note("interrupted; run the same command for the rest");
            Exit::Interrupted
        }
    })
}
