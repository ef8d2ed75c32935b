//! The driver of a run: it obeys [`Run::next`], carries calls out concurrently, keeps the lock alive
//! and tells what happens. It decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;

use crate::arg::Outputs;
use crate::aws::Clients;
use crate::clock::{Clock, Stopped};
use crate::desired::Desired;
use crate::dns::Dns;
use crate::journal::{self, Lock};
use crate::kind::{Look, Op, Seen, function, hosted_zone, kms_key, logs_key, rest_api};
use crate::plan::{Goal, Plan, StepId};
use crate::retry::{Class, Failure};
use crate::run::{Decision, Event, Outcome, Run, StatusText};

/// What a listener is told.
#[derive(Debug, Clone)]
pub enum Progress {
    /// A call was started.
    Started {
        /// The step.
        id: StepId,
        /// What it does.
        verb: &'static str,
    },
    /// A step is done.
    Done {
        /// The step.
        id: StepId,
        /// Since it was first started.
        took: Duration,
    },
    /// A call failed; the run decides whether it is repeated.
    Trouble {
        /// The step.
        id: StepId,
        /// What happened.
        failure: Failure,
        /// Whether it will be tried again.
        again: bool,
    },
    /// What the run waits for now.
    Waiting {
        /// Each step that waits, and for what.
        steps: Vec<(StepId, String)>,
        /// When the run looks again.
        until: Option<Timestamp>,
    },
    /// Something about the journal or the lock.
    Note(String),
}

/// What a driver needs.
pub struct Driver<'a> {
    /// Clients that may write.
    pub write: &'a Clients,
    /// The time.
    pub clock: &'a Clock,
    /// The zone's name servers, asked whether they show what was done.
    pub dns: &'a Dns,
    /// The stack.
    pub desired: &'a Desired,
    /// The longest single wait; `None` where time is free.
    pub wait_max: Option<Duration>,
    /// Told what happens.
    pub tell: &'a mut dyn FnMut(Progress),
}

enum Done {
    Answered(StepId, Result<Outputs, Failure>),
    Looked(StepId, Result<Seen, Failure>),
}

impl Driver<'_> {
    /// Carries a plan out under a lock. `interrupt` resolves when the user wants to stop.
    ///
    /// # Errors
    /// When the clock cannot be waited on: the run ends where it is, as if the process had died.
    pub async fn drive(
        &mut self,
        plan: &Plan,
        lock: &mut Lock,
        interrupt: impl Future<Output = ()>,
    ) -> Result<(Outcome, Run), Stopped> {
        let mut run = Run::new(plan, self.wait_max);
        let started_at = self.clock.now();
        let mut history = vec![(started_at, format!("begin {}", plan.digest()))];
        let mut under_way: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        let mut started: BTreeMap<StepId, Timestamp> = BTreeMap::new();
        tokio::pin!(interrupt);
        let mut interrupted = false;
        let outcome = loop {
            let now = self.clock.now();
            match run.next(now) {
                Decision::Start(id, op) => {
                    if let Err(failure) = self.before_write(lock, &id, &op, now).await {
                        run.on(Event::Answered(id, Err(failure)), now);
                        continue;
                    }
                    started.entry(id.clone()).or_insert(now);
                    (self.tell)(Progress::Started {
                        id: id.clone(),
                        verb: op.verb(),
                    });
                    let write = self.write.clone();
                    under_way.push(Box::pin(async move {
                        let result = op.perform(&write).await;
                        Done::Answered(id, result)
                    }));
                }
                Decision::Look(id, look) => {
                    let (read, desired) = (self.write.clone(), self.desired.clone());
                    let dns = self.dns.clone();
                    under_way.push(Box::pin(async move {
                        let result = perform_look(&look, (&read, &dns), &desired, now).await;
                        Done::Looked(id, result)
                    }));
                }
                Decision::Wait(until) => {
                    self.report_waits(&run, until, under_way.is_empty());
                    let beat = lock.next_beat();
                    // Where time is virtual nobody else runs, and a wait of days needs no signs of life.
                    let wake = match until {
                        Some(until) if self.clock.is_virtual() => until,
                        Some(until) => until.min(beat),
                        None => beat,
                    };
                    // Virtual time must not run ahead of calls that are under way.
                    let may_sleep = under_way.is_empty() || !self.clock.is_virtual();
                    tokio::select! {
                        biased;
                        Some(done) = under_way.next(), if !under_way.is_empty() => {
                            self.take(done, &mut run, &started, &mut history);
                        }
                        () = &mut interrupt, if !interrupted => {
                            interrupted = true;
                            run.on(Event::Interrupted, self.clock.now());
                        }
                        slept = self.clock.sleep_until(wake), if may_sleep => slept?,
                    }
                    self.keep_alive(lock).await;
                }
                Decision::Stop(outcome) => break outcome,
            }
        };
        // Calls under way are answered before anything else happens: none is abandoned.
        while let Some(done) = under_way.next().await {
            self.take(done, &mut run, &started, &mut history);
        }
        drop(under_way);
        history.push((self.clock.now(), format!("end {outcome:?}")));
        if plan.goal.keeps_stack()
            && let Err(failure) =
                journal::record(self.write, self.clock, self.desired, started_at, history).await
            // Who adopts before the first apply has no journal yet.
            && !(plan.goal == Goal::Adopt && failure.class == Class::Gone)
        {
            (self.tell)(Progress::Note(format!(
                "the history of this run was not written: {failure}"
            )));
        }
        Ok((outcome, run))
    }

    /// A create whose answer could be lost is announced in AWS first; a lost lock stops all writes.
    async fn before_write(
        &mut self,
        lock: &mut Lock,
        id: &StepId,
        op: &Op,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if let Some(why) = lock.lost(now) {
            return Err(Failure {
                operation: op.action().to_owned(),
                class: Class::Refused,
                code: String::new(),
                message: why.to_owned(),
            });
        }
        if op.look().is_some() {
            lock.intend(self.write, &id.addr, now).await?;
        }
        Ok(())
    }

    async fn keep_alive(&mut self, lock: &mut Lock) {
        let now = self.clock.now();
        if self.clock.is_virtual() || now < lock.next_beat() {
            return;
        }
        // A lock that could not be renewed in time (a laptop that slept) may be somebody else's by now:
        // it is not renewed, and `before_write` starts nothing more.
        if lock.lost(now).is_some() {
            return;
        }
        if let Err(failure) = lock.renew(self.write, now).await {
            (self.tell)(Progress::Note(format!(
                "the lock was not renewed: {failure}"
            )));
        }
    }

    fn take(
        &mut self,
        done: Done,
        run: &mut Run,
        started: &BTreeMap<StepId, Timestamp>,
        history: &mut Vec<(Timestamp, String)>,
    ) {
        let now = self.clock.now();
        let (id, failure) = match &done {
            Done::Answered(id, Ok(_)) => {
                history.push((now, format!("answered {id}")));
                (id.clone(), None)
            }
            Done::Looked(id, Ok(_)) => (id.clone(), None),
            Done::Answered(id, Err(failure)) | Done::Looked(id, Err(failure)) => {
                history.push((now, format!("failed {id} {}", failure.code)));
                (id.clone(), Some(failure.clone()))
            }
        };
        run.on(
            match done {
                Done::Answered(id, result) => Event::Answered(id, result),
                Done::Looked(id, result) => Event::Looked(id, result),
            },
            now,
        );
        let status = run.statuses(now).into_iter().find(|status| status.id == id);
        let settled = status
            .as_ref()
            .is_some_and(|status| status.text == StatusText::Done);
        if settled {
            let since = started.get(&id).copied().unwrap_or(now);
            let took = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            (self.tell)(Progress::Done { id, took });
        } else if let Some(failure) = failure {
            let again = !status.is_some_and(|status| matches!(status.text, StatusText::Failed(_)));
            (self.tell)(Progress::Trouble { id, failure, again });
        }
    }

    fn report_waits(&mut self, run: &Run, until: Option<Timestamp>, idle: bool) {
        let steps: Vec<_> = run
            .statuses(self.clock.now())
            .into_iter()
            .filter_map(|status| match status.text {
                StatusText::Waiting(what) if what != "other steps" => Some((status.id, what)),
                StatusText::Waiting(_)
                | StatusText::Done
                | StatusText::Failed(_)
                | StatusText::Blocked(_) => None,
            })
            .collect();
        if idle && !steps.is_empty() {
            (self.tell)(Progress::Waiting { steps, until });
        }
    }
}

async fn perform_look(
    look: &Look,
    (read, dns): (&Clients, &Dns),
    desired: &Desired,
    now: Timestamp,
) -> Result<Seen, Failure> {
    match look {
        Look::Served(served) => Ok(match dns.shows(served, now).await {
            Ok(()) => Seen::InSync,
            Err(why) => Seen::Unserved(why),
        }),
        Look::Change(id) => hosted_zone::look_change(read, id).await,
        Look::ParentChange(id) => hosted_zone::look_change(&read.of_parent(), id).await,
        Look::Zone { domain } => hosted_zone::look(read, domain).await,
        Look::Key => kms_key::look(read, desired).await,
        Look::LogsKey => logs_key::look(read, desired).await,
        Look::Function { name } => function::look(read, name).await,
        Look::RestApi { name } => rest_api::look(read, desired, name).await,
    }
}
