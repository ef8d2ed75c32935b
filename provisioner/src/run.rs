//! Carrying a plan out, as a state machine: what to do next, given what has happened.
//!
//! It owns order, retries, polls and rate limits, and does no I/O: [`Run::next`] says what to do,
//! [`Run::on`] takes what happened. The driver in `apply` only obeys.
//!
//! ```text
//! Pending --start--> Running --answer--> Looking(done_when) --met--> Settled
//!    ^                  | no answer        ^
//!    |                  |                  +--in sync, but not on every name server--> Unserved
//!    |                  +--> Looking(was it carried out?) --found--+
//!    +---- Backoff <----+ throttled, busy                not there: Pending again
//!                       +--> Failed; whatever needs it is never started
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::addr::Addr;
use crate::arg::{Arg, Output, Outputs};
use crate::condition::{Condition, Facts, LIST_LAG, Met, Served, later, met};
use crate::kind::zone_signing::SYNC_MAX;
use crate::kind::{Limit, Look, Op, Seen};
use crate::plan::{Plan, Step, StepId};
use crate::retry::{self, Class, Failure};

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Carry out this operation.
    Start(StepId, Box<Op>),
    /// Look something up.
    Look(StepId, Look),
    /// Wait for something under way, or until a time.
    Wait(Option<Timestamp>),
    /// The run is over.
    Stop(Outcome),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An operation was answered.
    Answered(StepId, Result<Outputs, Failure>),
    /// A look was answered.
    Looked(StepId, Result<Seen, Failure>),
    /// The user asked to stop; calls under way are still awaited.
    Interrupted,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every step is done.
    Converged,
    /// Steps of ours are left that must wait longer than this run may.
    Waiting {
        /// When to run again.
        until: Timestamp,
        /// What is waited for.
        why: String,
    },
    /// Steps failed; independent ones are done.
    Failed,
    /// The user stopped it.
    Interrupted,
}

/// The state of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Pending,
    Backoff {
        until: Timestamp,
    },
    Running,
    Looking(Looking),
    Settled,
    /// Carried out, but not seen on every name server; why, and when to ask again. The next run goes on.
    Unserved {
        until: Timestamp,
        why: String,
    },
    Failed(Failure),
    Blocked(StepId),
}

/// A look that is repeated until it shows what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looking {
    look: Look,
    purpose: Purpose,
    since: Timestamp,
    at: Timestamp,
    number: u32,
    asked: bool,
}

impl Looking {
    /// The first look, right away.
    fn now(look: Look, purpose: Purpose, now: Timestamp) -> State {
        State::Looking(Looking {
            look,
            purpose,
            since: now,
            at: now,
            number: 0,
            asked: false,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    /// The step's own change is awaited.
    Done,
    /// Was the unanswered create carried out?
    CarriedOut,
    /// Did an earlier run, whose end nobody saw, carry this create out?
    MadeEarlier,
    /// Is the object whose name is taken visible, or was it deleted long ago?
    NameTaken,
}

/// A step and what is known of it.
#[derive(Debug, Clone)]
struct Entry {
    step: Step,
    op: Op,
    state: State,
    attempts: u32,
    first_failure: Option<Timestamp>,
    unanswered_before: bool,
    /// Whether it was looked for what an earlier run may have made.
    searched: bool,
    answered_at: Option<Timestamp>,
}

/// A plan being carried out.
#[derive(Debug, Clone)]
pub struct Run {
    entries: BTreeMap<StepId, Entry>,
    order: Vec<StepId>,
    outputs: BTreeMap<Addr, Outputs>,
    buckets: BTreeMap<Limit, Bucket>,
    wait_max: Option<Duration>,
    interrupted: bool,
    lists_settled: BTreeSet<Addr>,
}

/// How often a create that gets no answer, and was not carried out, is tried again. Each time costs a
/// wait for lists.
const UNANSWERED_MAX: u32 = 3;

/// A token bucket, measured in time: as many calls per second as the limit allows, refilled
/// continuously.
#[derive(Debug, Clone)]
struct Bucket {
    /// Each call takes the limit's interval out of it; time fills it.
    filled_millis: u64,
    filled_at: Timestamp,
}

/// One line about a step, for progress and summaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The step.
    pub id: StepId,
    /// What is known.
    pub text: StatusText,
}

/// The kinds of status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusText {
    /// Waits for its turn or a condition.
    Waiting(String),
    /// Done.
    Done,
    /// Failed, with the root cause.
    Failed(Failure),
    /// Not started because of another step.
    Blocked(StepId),
}

struct Known<'a>(&'a BTreeMap<StepId, Entry>);

impl Facts for Known<'_> {
    fn answered_at(&self, step: &StepId) -> Option<Timestamp> {
        self.0.get(step).and_then(|entry| entry.answered_at)
    }
}

impl Run {
    /// A run of a plan. `wait_max` bounds a single wait; `None` where time is free.
    pub fn new(plan: &Plan, wait_max: Option<Duration>) -> Self {
        let entry = |step: &Step| Entry {
            step: step.clone(),
            op: step.op.clone(),
            state: State::Pending,
            attempts: 0,
            first_failure: None,
            unanswered_before: false,
            searched: false,
            answered_at: None,
        };
        Self {
            entries: plan
                .steps
                .iter()
                .map(|step| (step.id.clone(), entry(step)))
                .collect(),
            order: plan.steps.iter().map(|step| step.id.clone()).collect(),
            outputs: plan.known.clone(),
            buckets: BTreeMap::new(),
            wait_max,
            interrupted: false,
            lists_settled: BTreeSet::new(),
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: Timestamp) -> Decision {
        self.block_dependents();
        let busy = self.entries.values().any(|entry| match &entry.state {
            State::Running => true,
            State::Looking(looking) => looking.asked,
            State::Pending
            | State::Backoff { .. }
            | State::Settled
            | State::Unserved { .. }
            | State::Failed(_)
            | State::Blocked(_) => false,
        });
        if self.interrupted {
            return if busy {
                Decision::Wait(None)
            } else {
                Decision::Stop(Outcome::Interrupted)
            };
        }
        let mut wake = Wake::default();
        for id in self.order.clone() {
            if let Some(decision) = self.advance(&id, now, &mut wake) {
                return decision;
            }
        }
        if busy {
            return Decision::Wait(wake.at);
        }
        match (wake.at, self.wait_max) {
            (Some(at), Some(max)) if wake.long && at > later(now, max) => {
                Decision::Stop(Outcome::Waiting {
                    until: at,
                    why: wake.why,
                })
            }
            (Some(at), _) => Decision::Wait(Some(at)),
            (None, _) => Decision::Stop(self.outcome()),
        }
    }

    /// Takes what happened.
    pub fn on(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Answered(id, Ok(outputs)) => self.answered(&id, outputs, now),
            Event::Answered(id, Err(failure)) => self.failed(&id, failure, now),
            Event::Looked(id, result) => self.looked(&id, result, now),
            Event::Interrupted => self.interrupted = true,
        }
    }

    /// The state of every step, in order.
    pub fn statuses(&self, now: Timestamp) -> Vec<Status> {
        self.order
            .iter()
            .filter_map(|id| Some((id, self.entries.get(id)?)))
            .map(|(id, entry)| Status {
                id: id.clone(),
                text: self.status(entry, now),
            })
            .collect()
    }

    fn status(&self, entry: &Entry, now: Timestamp) -> StatusText {
        match &entry.state {
            State::Settled => StatusText::Done,
            State::Unserved { why, .. } => StatusText::Waiting(why.clone()),
            State::Failed(failure) => StatusText::Failed(failure.clone()),
            State::Blocked(by) => StatusText::Blocked(by.clone()),
            State::Running => StatusText::Waiting("AWS's answer".into()),
            State::Backoff { .. } => StatusText::Waiting("another attempt".into()),
            State::Looking(looking) => StatusText::Waiting(match looking.purpose {
                Purpose::Done => looking.look.waits_for().into(),
                Purpose::CarriedOut => {
                    "AWS's lists, to see whether the unanswered call was carried out".into()
                }
                Purpose::MadeEarlier => {
                    "AWS's lists, to see whether an interrupted run made it".into()
                }
                Purpose::NameTaken => "AWS's lists, to see whether the zone of this caller \
                                       reference still exists (they lag up to 150 s)"
                    .into(),
            }),
            State::Pending => {
                let waits = entry.step.ready_when.iter().find_map(|condition| {
                    match met(condition, &Known(&self.entries), now) {
                        Met::At { why, .. } => Some(why),
                        Met::Met | Met::Look | Met::NotYet => None,
                    }
                });
                StatusText::Waiting(waits.unwrap_or_else(|| "other steps".into()))
            }
        }
    }

    /// Failures, root causes only.
    pub fn failures(&self) -> Vec<(&StepId, &Failure)> {
        self.entries
            .iter()
            .filter_map(|(id, entry)| match &entry.state {
                State::Failed(failure) => Some((id, failure)),
                State::Pending
                | State::Backoff { .. }
                | State::Running
                | State::Looking(_)
                | State::Settled
                | State::Unserved { .. }
                | State::Blocked(_) => None,
            })
            .collect()
    }

    /// A value that a finished step or a live resource brought.
    pub fn output(&self, addr: &Addr, output: Output) -> Option<&str> {
        self.outputs.get(addr)?.get(&output).map(String::as_str)
    }

    fn outcome(&self) -> Outcome {
        let (mut settled, mut failed, mut unserved) = (true, false, None);
        for (id, entry) in &self.entries {
            match &entry.state {
                State::Settled => continue,
                State::Unserved { until, why } => unserved = Some((*until, format!("{id}: {why}"))),
                State::Failed(_) | State::Blocked(_) => failed = true,
                State::Pending | State::Backoff { .. } | State::Running | State::Looking(_) => {}
            }
            settled = false;
        }
        match unserved {
            _ if settled => Outcome::Converged,
            Some((until, why)) if !failed => Outcome::Waiting { until, why },
            Some(_) | None => Outcome::Failed,
        }
    }

    /// What one step allows now; otherwise when to come back to it.
    fn advance(&mut self, id: &StepId, now: Timestamp, wake: &mut Wake) -> Option<Decision> {
        let entry = self.entries.get(id)?;
        match &entry.state {
            State::Running
            | State::Settled
            | State::Unserved { .. }
            | State::Failed(_)
            | State::Blocked(_) => None,
            State::Backoff { until } if *until > now => {
                wake.no_later(*until);
                None
            }
            State::Backoff { .. } => self.start(id, now, wake),
            State::Pending => {
                if !self.is_ready(id, now, wake) {
                    None
                } else if self.must_search(id, now) {
                    self.advance(id, now, wake)
                } else {
                    self.start(id, now, wake)
                }
            }
            State::Looking(looking) if looking.asked => None,
            State::Looking(looking) if looking.at > now => {
                wake.no_later(looking.at);
                None
            }
            State::Looking(looking) => {
                let look = looking.look.clone();
                let limit = look.limit();
                self.take(limit, now).map_or_else(
                    |at| {
                        wake.no_later(at);
                        None
                    },
                    |()| {
                        if let Some(entry) = self.entries.get_mut(id)
                            && let State::Looking(looking) = &mut entry.state
                        {
                            looking.asked = true;
                        }
                        Some(Decision::Look(id.clone(), look))
                    },
                )
            }
        }
    }

    fn is_ready(&self, id: &StepId, now: Timestamp, wake: &mut Wake) -> bool {
        let Some(entry) = self.entries.get(id) else {
            return false;
        };
        let is =
            |step: &StepId, wanted: fn(&Entry) -> bool| self.entries.get(step).is_none_or(wanted);
        let order_holds = entry
            .step
            .needs
            .iter()
            .all(|s| is(s, |e| e.answered_at.is_some()))
            && entry
                .step
                .settled
                .iter()
                .all(|s| is(s, |e| e.state == State::Settled));
        order_holds
            && entry.step.ready_when.iter().all(|condition| {
                match met(condition, &Known(&self.entries), now) {
                    Met::Met => true,
                    Met::At { until, why } => {
                        wake.long_wait(until, &format!("{id}: {why}"));
                        false
                    }
                    Met::Look | Met::NotYet => false,
                }
            })
    }

    /// A create that an earlier run may have carried out was planned while lists could not show its
    /// result. Now that they can, it is looked for once before anything is made.
    fn must_search(&mut self, id: &StepId, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(id) else {
            return false;
        };
        let was_intended = entry
            .step
            .ready_when
            .iter()
            .any(|condition| matches!(condition, Condition::ListsSettled { .. }));
        let Some(look) = entry.op.look().filter(|_| was_intended && !entry.searched) else {
            return false;
        };
        entry.searched = true;
        entry.state = State::Looking(Looking {
            look,
            purpose: Purpose::MadeEarlier,
            since: now,
            at: now,
            number: 0,
            asked: false,
        });
        true
    }

    fn start(&mut self, id: &StepId, now: Timestamp, wake: &mut Wake) -> Option<Decision> {
        let limit = self.entries.get(id)?.op.limit();
        if let Err(at) = self.take(limit, now) {
            wake.no_later(at);
            return None;
        }
        let outputs = self.outputs.clone();
        let entry = self.entries.get_mut(id)?;
        entry.state = State::Running;
        entry.attempts += 1;
        let resolved = entry.op.map(&mut |arg| match arg {
            Arg::Known(_) => arg.clone(),
            Arg::Now => Arg::Known(noted(now)),
            Arg::Of(addr, output) => outputs
                .get(addr)
                .and_then(|brought| brought.get(output))
                .map_or_else(|| arg.clone(), |value| Arg::Known(value.clone())),
        });
        Some(Decision::Start(id.clone(), Box::new(resolved)))
    }

    fn answered(&mut self, id: &StepId, mut outputs: Outputs, now: Timestamp) {
        let change = outputs.remove(&Output::ChangeId).map(Look::Change);
        let change = change.or_else(|| {
            let in_parent = outputs.remove(&Output::ParentChangeId);
            in_parent.map(Look::ParentChange)
        });
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        self.outputs
            .entry(id.addr.clone())
            .or_default()
            .extend(outputs);
        entry.answered_at = Some(now);
        entry.first_failure = None;
        let awaited = entry
            .step
            .done_when
            .iter()
            .find_map(|condition| match condition {
                Condition::ChangeInSync => change.clone(),
                Condition::FunctionReady { name } => Some(Look::Function { name: name.clone() }),
                Condition::Served(served) => Some(Look::Served(served.clone())),
                Condition::HoldDown { .. } | Condition::ListsSettled { .. } => None,
            });
        entry.state = match awaited {
            Some(look @ Look::Served(_)) => Looking::now(look, Purpose::Done, now),
            Some(look) => State::Looking(Looking {
                look,
                purpose: Purpose::Done,
                since: now,
                at: later(now, retry::poll(0)),
                number: 0,
                asked: false,
            }),
            // Without a change there is nothing that could still be on its way.
            None => State::Settled,
        };
    }

    fn failed(&mut self, id: &StepId, failure: Failure, now: Timestamp) {
        let lists_settled = self.lists_settled.contains(&id.addr);
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let first = *entry.first_failure.get_or_insert(now);
        let patient = retry::patience(failure.class).is_some_and(|max| now < later(first, max));
        let look = |purpose, look| {
            State::Looking(Looking {
                look,
                purpose,
                since: now,
                at: now,
                number: 0,
                asked: false,
            })
        };
        let again = |attempts| State::Backoff {
            until: later(now, retry::pause(attempts)),
        };
        let succeeded = match failure.class {
            Class::Gone => entry.op.is_removal(),
            // Our own earlier attempt, whose answer was lost, made it.
            Class::AlreadyThere => entry.unanswered_before && entry.op.look().is_none(),
            Class::Throttled
            | Class::Busy
            | Class::Propagating
            | Class::Unanswered
            | Class::Denied
            | Class::Credentials
            | Class::Quota
            | Class::StillTrusted
            | Class::Refused
            | Class::Unknown => false,
        };
        if succeeded {
            entry.answered_at = Some(now);
            entry.state = State::Settled;
            return;
        }
        entry.state = match (failure.class, entry.op.look()) {
            (Class::Unanswered, Some(what)) if entry.attempts <= UNANSWERED_MAX => {
                entry.unanswered_before = true;
                look(Purpose::CarriedOut, what)
            }
            // Without a look nobody knows whether this one was carried out: repeating it blindly could
            // make a second object. The next run looks, as the lock's intent says.
            (Class::Unanswered, Some(_)) => State::Failed(failure),
            (Class::Unanswered, None) if patient => {
                entry.unanswered_before = true;
                again(entry.attempts)
            }
            // Lists are complete by now, so one look suffices, but one there must be: an interrupted run
            // may have got to this very number.
            (Class::AlreadyThere, Some(what)) if lists_settled => State::Looking(Looking {
                look: what,
                purpose: Purpose::NameTaken,
                since: Timestamp::MIN,
                at: now,
                number: 0,
                asked: false,
            }),
            (Class::AlreadyThere, Some(what)) => look(Purpose::NameTaken, what),
            (_, _) if patient => again(entry.attempts),
            (_, _) => State::Failed(failure),
        };
    }

    fn looked(&mut self, id: &StepId, result: Result<Seen, Failure>, now: Timestamp) {
        // Route 53 has said that they all have it: more time than that is a server's that lags.
        let patience = self.wait_max.map_or(SYNC_MAX, |max| max.min(SYNC_MAX));
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let State::Looking(looking) = &mut entry.state else {
            return;
        };
        looking.asked = false;
        looking.number += 1;
        looking.at = later(now, retry::poll(looking.number));
        let over = now >= later(looking.since, LIST_LAG);
        if result.is_ok() {
            entry.first_failure = None;
        }
        match (result, looking.purpose.clone()) {
            // Route 53 says so; what is noted of it is what its servers say.
            (Ok(Seen::InSync), Purpose::Done)
                if !matches!(looking.look, Look::Served(_))
                    && let Some(served) = to_be_served(&entry.step) =>
            {
                entry.state = Looking::now(Look::Served(served), Purpose::Done, now);
            }
            (Ok(Seen::InSync), _) => entry.state = State::Settled,
            (Ok(Seen::Unserved(why)), _) if now >= later(looking.since, patience) => {
                let until = later(now, SYNC_MAX);
                entry.state = State::Unserved { until, why };
            }
            (Ok(Seen::Unserved(_)), _) => {}
            (Ok(Seen::Found(outputs)), _) => {
                entry.answered_at = Some(now);
                entry.state = State::Settled;
                self.outputs
                    .entry(id.addr.clone())
                    .or_default()
                    .extend(outputs);
            }
            (Ok(Seen::Pending), _) => {}
            (Ok(Seen::NotListed), Purpose::CarriedOut) if over => entry.state = State::Pending,
            // Lists had settled before this look: what they do not show is not there.
            (Ok(Seen::NotListed), Purpose::MadeEarlier) => entry.state = State::Pending,
            (Ok(Seen::NotListed), Purpose::NameTaken) if over => {
                // Lists are complete now, as nobody else creates: further numbers need no wait.
                self.lists_settled.insert(id.addr.clone());
                entry.state = next_name(
                    entry,
                    Failure {
                        operation: entry.op.action().into(),
                        class: Class::AlreadyThere,
                        code: String::new(),
                        message: "the name is taken".into(),
                    },
                );
            }
            (Ok(Seen::NotListed), _) => {}
            (Err(failure), _) => {
                let first = *entry.first_failure.get_or_insert(now);
                let max = retry::patience(failure.class);
                if max.is_none_or(|max| now >= later(first, max)) {
                    entry.state = State::Failed(failure);
                }
            }
        }
    }

    /// A step that waits for a failed one is never started; the root cause is named once.
    fn block_dependents(&mut self) {
        loop {
            let found = self.entries.iter().find_map(|(id, entry)| {
                if !matches!(entry.state, State::Pending) {
                    return None;
                }
                let mut waits_for = entry.step.needs.iter().chain(&entry.step.settled);
                let root = waits_for.find_map(|dependency| {
                    let dependency_entry = self.entries.get(dependency)?;
                    match &dependency_entry.state {
                        State::Failed(_) if dependency_entry.answered_at.is_none() => {
                            Some(dependency.clone())
                        }
                        // Answered, but its change never came in sync.
                        State::Failed(_) if entry.step.settled.contains(dependency) => {
                            Some(dependency.clone())
                        }
                        State::Blocked(root) => Some(root.clone()),
                        State::Failed(_)
                        | State::Pending
                        | State::Backoff { .. }
                        | State::Running
                        | State::Looking(_)
                        | State::Unserved { .. }
                        | State::Settled => None,
                    }
                })?;
                Some((id.clone(), root))
            });
            let Some((id, root)) = found else { return };
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.state = State::Blocked(root);
            }
        }
    }

    /// Takes a token, or says when there will be one.
    fn take(&mut self, limit: Limit, now: Timestamp) -> Result<(), Timestamp> {
        let interval = u64::try_from(limit.interval().as_millis()).unwrap_or(u64::MAX);
        let full = limit.burst().saturating_mul(interval);
        let bucket = self.buckets.entry(limit).or_insert(Bucket {
            filled_millis: full,
            filled_at: now,
        });
        let since = u64::try_from(now.duration_since(bucket.filled_at).as_millis()).unwrap_or(0);
        bucket.filled_millis = bucket.filled_millis.saturating_add(since).min(full);
        bucket.filled_at = now;
        if bucket.filled_millis >= interval {
            bucket.filled_millis -= interval;
            return Ok(());
        }
        let missing = Duration::from_millis(interval - bucket.filled_millis);
        Err(later(now, missing))
    }
}

/// What its name servers have to show before a step is done.
fn to_be_served(step: &Step) -> Option<Served> {
    let mut conditions = step.done_when.iter();
    conditions.find_map(|condition| match condition {
        Condition::Served(served) => Some(served.clone()),
        Condition::ChangeInSync
        | Condition::FunctionReady { .. }
        | Condition::HoldDown { .. }
        | Condition::ListsSettled { .. } => None,
    })
}

fn next_name(entry: &mut Entry, failure: Failure) -> State {
    match entry.op.next_name() {
        Some(op) => {
            entry.op = op;
            State::Pending
        }
        None => State::Failed(failure),
    }
}

/// The earliest time at which something can be done.
#[derive(Debug, Default)]
struct Wake {
    at: Option<Timestamp>,
    /// Whether that is a hold-down rather than a poll.
    long: bool,
    why: String,
}

impl Wake {
    fn no_later(&mut self, at: Timestamp) {
        if self.at.is_none_or(|earliest| at < earliest) {
            self.at = Some(at);
            self.long = false;
        }
    }

    fn long_wait(&mut self, at: Timestamp, why: &str) {
        if self.at.is_none_or(|earliest| at < earliest) {
            self.at = Some(at);
            self.long = true;
            why.clone_into(&mut self.why);
        }
    }
}

/// A moment as evidence has it, in whole seconds. Never an earlier one than it was: hold-downs count from it.
fn noted(time: Timestamp) -> String {
    let up = later(time, Duration::from_nanos(999_999_999));
    up.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, ZONE};
    use crate::plan;

    fn failure(class: Class) -> Failure {
        Failure {
            operation: "x:Y".into(),
            class,
            code: "C".into(),
            message: "m".into(),
        }
    }

    /// What a step brings when it succeeds.
    fn brings(op: &Op) -> Outputs {
        let mut outputs: Outputs = op
            .brings()
            .iter()
            .map(|output| (*output, ZONE.to_owned()))
            .collect();
        outputs.insert(Output::ChangeId, "C1".into());
        outputs
    }

    /// Plays a run against `answer`; returns the order of starts, the outcome and the time it took.
    fn play(
        mut run: Run,
        mut answer: impl FnMut(&StepId, &Op, Timestamp) -> Result<Outputs, Failure>,
        mut look: impl FnMut(&StepId, &Look, Timestamp) -> Result<Seen, Failure>,
    ) -> (Vec<String>, Outcome, Run, Duration) {
        let mut now = fixture::now();
        let mut started = Vec::new();
        for _ in 0..10_000 {
            match run.next(now) {
                Decision::Start(id, op) => {
                    started.push(id.to_string());
                    let result = answer(&id, &op, now);
                    run.on(Event::Answered(id, result), now);
                }
                Decision::Look(id, what) => {
                    let result = look(&id, &what, now);
                    run.on(Event::Looked(id, result), now);
                }
                Decision::Wait(Some(until)) => {
                    assert!(until > now, "a run that waits for the past never ends");
                    now = until;
                }
                Decision::Wait(None) => panic!("nothing is under way"),
                Decision::Stop(outcome) => {
                    let took = Duration::try_from(now.duration_since(fixture::now()));
                    return (started, outcome, run, took.unwrap_or_default());
                }
            }
        }
        panic!("the run does not end")
    }

    fn from_empty() -> Run {
        Run::new(
            &plan::converge(&fixture::desired(), &fixture::empty()),
            None,
        )
    }

    fn in_sync(_: &StepId, _: &Look, _: Timestamp) -> Result<Seen, Failure> {
        Ok(Seen::InSync)
    }

    #[test]
    fn every_step_runs_once_in_order() {
        let (started, outcome, ..) = play(from_empty(), |_, op, _| Ok(brings(op)), in_sync);
        assert_eq!(outcome, Outcome::Converged);
        let at = |name: &str| {
            started
                .iter()
                .position(|step| step.ends_with(name))
                .expect("the step was started")
        };
        assert_eq!(started[0], "journal_group/spore.example.edu:create");
        assert!(at("hosted_zone/spore.example.edu:create") < at("kms_key/ksk:create"));
        assert!(at("kms_key/ksk:create") < at("ksk/active:create"));
        assert!(at("ksk/active:create") < at("zone_signing/spore.example.edu:enable"));
        let unique: BTreeSet<_> = started.iter().collect();
        assert_eq!(unique.len(), started.len());
    }

    #[test]
    fn a_failed_step_stops_only_its_dependents() {
        let answer = |id: &StepId, op: &Op, _| {
            if id.to_string() == "kms_key/ksk:create" {
                Err(failure(Class::Denied))
            } else {
                Ok(brings(op))
            }
        };
        let (started, outcome, run, _) = play(from_empty(), answer, in_sync);
        assert_eq!(outcome, Outcome::Failed);
        assert!(
            started
                .iter()
                .any(|step| step == "hosted_zone/spore.example.edu:soa")
        );
        assert!(!started.iter().any(|step| step.starts_with("ksk/")));
        assert!(!started.iter().any(|step| step.starts_with("zone_signing/")));
        let failed: Vec<_> = run
            .failures()
            .iter()
            .map(|(id, _)| id.to_string())
            .collect();
        assert_eq!(failed, ["kms_key/ksk:create"]);
    }

    #[test]
    fn throttling_is_outwaited_and_denial_is_not() {
        let mut left = 3;
        let answer = |id: &StepId, op: &Op, _| {
            if id.name == "enable" && left > 0 {
                left -= 1;
                Err(failure(Class::Throttled))
            } else {
                Ok(brings(op))
            }
        };
        let (started, outcome, ..) = play(from_empty(), answer, in_sync);
        assert_eq!(outcome, Outcome::Converged);
        assert_eq!(
            started
                .iter()
                .filter(|step| step.ends_with(":enable"))
                .count(),
            4
        );
        let (_, outcome, ..) = play(
            from_empty(),
            |_, _, _| Err(failure(Class::Throttled)),
            in_sync,
        );
        assert_eq!(outcome, Outcome::Failed);
    }

    #[test]
    fn patience_starts_anew_after_each_success() {
        // One throttled start, and minutes later one lost look: neither is the end of the step.
        let (mut throttled, mut lost) = (false, false);
        let start = fixture::now();
        let answer = |id: &StepId, op: &Op, _| {
            if id.name == "enable" && !std::mem::replace(&mut throttled, true) {
                return Err(failure(Class::Throttled));
            }
            Ok(brings(op))
        };
        let look = |id: &StepId, _: &Look, now: Timestamp| {
            if id.name != "enable" {
                return Ok(Seen::InSync);
            }
            if now < later(start, Duration::from_secs(120)) {
                return Ok(Seen::Pending);
            }
            if !std::mem::replace(&mut lost, true) {
                return Err(failure(Class::Unanswered));
            }
            Ok(Seen::InSync)
        };
        let (_, outcome, ..) = play(from_empty(), answer, look);
        assert_eq!(outcome, Outcome::Converged);
    }

    #[test]
    fn an_unanswered_create_is_looked_for_before_it_is_repeated() {
        // It was carried out: found by the look, never repeated.
        let answer = |id: &StepId, op: &Op, _| match id.to_string().as_str() {
            "kms_key/ksk:create" => Err(failure(Class::Unanswered)),
            _ => Ok(brings(op)),
        };
        let found = |_: &StepId, look: &Look, _: Timestamp| match look {
            Look::Key | Look::LogsKey => Ok(Seen::Found(Outputs::from([(
                Output::KeyArn,
                "arn:found".into(),
            )]))),
            Look::Change(_)
            | Look::ParentChange(_)
            | Look::Zone { .. }
            | Look::Served(_)
            | Look::Function { .. }
            | Look::RestApi { .. } => Ok(Seen::InSync),
        };
        let (started, outcome, run, _) = play(from_empty(), answer, found);
        assert_eq!(outcome, Outcome::Converged);
        assert_eq!(
            started
                .iter()
                .filter(|step| *step == "kms_key/ksk:create")
                .count(),
            1
        );
        let key = fixture::desired().addr(crate::addr::Kind::KmsKey);
        assert_eq!(run.output(&key, Output::KeyArn), Some("arn:found"));

        // It was not: repeated, but only when lists can no longer hide it.
        let (mut attempts, start) = (Vec::new(), fixture::now());
        let answer = |id: &StepId, op: &Op, now: Timestamp| {
            if id.to_string() == "kms_key/ksk:create" {
                attempts.push(now.duration_since(start).as_secs());
                if attempts.len() == 1 {
                    return Err(failure(Class::Unanswered));
                }
            }
            Ok(brings(op))
        };
        let not_listed = |_: &StepId, look: &Look, _: Timestamp| match look {
            Look::Key | Look::LogsKey => Ok(Seen::NotListed),
            Look::Change(_)
            | Look::ParentChange(_)
            | Look::Zone { .. }
            | Look::Served(_)
            | Look::Function { .. }
            | Look::RestApi { .. } => Ok(Seen::InSync),
        };
        let (_, outcome, ..) = play(from_empty(), answer, not_listed);
        assert_eq!(outcome, Outcome::Converged);
        assert_eq!(attempts.len(), 2);
        assert!(attempts[1] - attempts[0] >= 150, "{attempts:?}");
    }

    #[test]
    fn a_create_that_is_never_answered_is_given_up_and_never_repeated_blindly() {
        let mut attempts = Vec::new();
        let answer = |id: &StepId, op: &Op, now: Timestamp| {
            if id.to_string() == "kms_key/ksk:create" {
                attempts.push(now);
                return Err(failure(Class::Unanswered));
            }
            Ok(brings(op))
        };
        let not_listed = |_: &StepId, look: &Look, _: Timestamp| {
            Ok(if *look == Look::Key {
                Seen::NotListed
            } else {
                Seen::InSync
            })
        };
        let (_, outcome, ..) = play(from_empty(), answer, not_listed);
        assert_eq!(outcome, Outcome::Failed);
        assert_eq!(
            attempts.len(),
            1 + usize::try_from(UNANSWERED_MAX).unwrap_or(0)
        );
        for pair in attempts.windows(2) {
            assert!(pair[1] >= later(pair[0], LIST_LAG), "{attempts:?}");
        }
    }

    #[test]
    fn a_used_caller_reference_leads_to_the_next_after_one_wait() {
        let mut numbers = Vec::new();
        let answer = |_: &StepId, op: &Op, _| {
            if let Op::HostedZone(crate::kind::hosted_zone::Op::Create { number, .. }) = op {
                numbers.push(*number);
                if *number < 4 {
                    return Err(failure(Class::AlreadyThere));
                }
            }
            Ok(brings(op))
        };
        let look = |_: &StepId, look: &Look, _: Timestamp| match look {
            Look::Zone { .. } => Ok(Seen::NotListed),
            Look::Change(_)
            | Look::ParentChange(_)
            | Look::Key
            | Look::LogsKey
            | Look::Served(_)
            | Look::Function { .. }
            | Look::RestApi { .. } => Ok(Seen::InSync),
        };
        let (_, outcome, _, took) = play(from_empty(), answer, look);
        assert_eq!(outcome, Outcome::Converged);
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert!(
            took < Duration::from_secs(2 * 150),
            "one wait, not three: {took:?}"
        );
    }

    #[test]
    fn a_wait_longer_than_allowed_ends_the_run_and_says_until_when() {
        let mut snapshot = fixture::applied();
        snapshot.parent = fixture::parent(crate::snapshot::Delegated {
            name_servers: vec!["ns-1.awsdns-00.com".into()],
            ns_ttl_secs: 172_800,
            ..crate::snapshot::Delegated::default()
        });
        let plan = plan::destroy(
            &fixture::desired(),
            &snapshot,
            &plan::DestroyOptions::default(),
        );
        let short = Run::new(&plan, Some(Duration::from_secs(600)));
        let (started, outcome, ..) = play(short, |_, op, _| Ok(brings(op)), in_sync);
        assert_eq!(
            started,
            [
                "journal_group/spore.example.edu:note-destroy",
                "zone_signing/spore.example.edu:remember-ds-gone"
            ]
        );
        let until = later(fixture::now(), Duration::from_secs(172_800));
        assert!(
            matches!(outcome, Outcome::Waiting { until: at, .. } if at == until),
            "{outcome:?}"
        );

        let (_, outcome, _, took) = play(Run::new(&plan, None), |_, op, _| Ok(brings(op)), in_sync);
        assert_eq!(outcome, Outcome::Converged);
        assert!(took >= Duration::from_secs(172_800));
    }

    #[test]
    fn what_counts_from_a_change_waits_until_every_server_shows_it() {
        let mut snapshot = fixture::applied();
        snapshot.parent = fixture::in_use_by(&[]);
        if let crate::snapshot::Observation::Present(dnssec) = &mut snapshot.dnssec {
            dnssec.signing = "NOT_SIGNING".into();
        }
        let run = || Run::new(&plan::converge(&fixture::desired(), &snapshot), None);
        let noted = |started: &[String]| {
            let mut started = started.iter();
            started.any(|step| step.ends_with(":remember-signed"))
        };
        let lags_for = |secs| {
            move |_: &StepId, look: &Look, now: Timestamp| {
                let is_late = now < later(fixture::now(), Duration::from_secs(secs));
                Ok(if matches!(look, Look::Served(_)) && is_late {
                    Seen::Unserved("ns-1 does not serve a DNSKEY yet".into())
                } else {
                    Seen::InSync
                })
            }
        };
        let answer = |_: &StepId, op: &Op, _: Timestamp| Ok(brings(op));
        let (started, outcome, ..) = play(run(), answer, lags_for(120));
        assert_eq!(outcome, Outcome::Converged);
        assert!(noted(&started), "{started:?}");
        // Longer than that nobody waits in one run: nothing is noted, and the next one asks again.
        let (started, outcome, ..) = play(run(), answer, lags_for(7_200));
        assert!(!noted(&started), "{started:?}");
        assert!(
            matches!(&outcome, Outcome::Waiting { why, .. } if why.contains("ns-1 does not serve")),
            "{outcome:?}"
        );
    }

    #[test]
    fn an_interrupt_starts_nothing_more() {
        let mut run = from_empty();
        let now = fixture::now();
        let Decision::Start(id, op) = run.next(now) else {
            panic!("a first step")
        };
        run.on(Event::Interrupted, now);
        assert_eq!(run.next(now), Decision::Wait(None));
        run.on(Event::Answered(id, Ok(brings(&op))), now);
        assert_eq!(run.next(now), Decision::Stop(Outcome::Interrupted));
    }

    #[test]
    fn no_more_calls_than_the_limit_allows() {
        let mut run = from_empty();
        let now = fixture::now();
        let taken = (0..20)
            .take_while(|_| run.take(Limit::Route53, now).is_ok())
            .count();
        assert_eq!(taken, 5);
        let soon = now
            .checked_add(jiff::SignedDuration::from_millis(200))
            .expect("in range");
        assert!(run.take(Limit::Route53, soon).is_ok());
        assert!(run.take(Limit::Route53, soon).is_err());
    }

    #[test]
    fn evidence_is_never_earlier_than_what_it_tells_of() {
        for (time, written) in [
            ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"),
            ("2026-11-21T12:00:00.000000001Z", "2026-11-21T12:00:01Z"),
            ("2026-11-21T12:00:59.9Z", "2026-11-21T12:01:00Z"),
        ] {
            assert_eq!(noted(time.parse().expect("a time")), written);
        }
    }
}
