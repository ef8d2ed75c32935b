//! `plan`, `apply`, `destroy` and what else writes by a plan: review, approval, lock, run, result.

mod approval;
pub(super) mod planfile;
pub(super) mod progress;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::sandbox::stopped;
use super::session::Session;
use super::stack::{self, Document};
use super::{Code, Exit, Global, Go, output, records, updater};
use crate::apply::Driver;
use crate::aws::Clients;
use crate::condition::later;
use crate::ds::{DigestType, form};
use crate::journal::{self, Lock, Taken};
use crate::kind::delegation;
use crate::kind::hosted_zone::{Records, ttls};
use crate::kind::journal_group::{self, ParentSeen};
use crate::master_file;
use crate::observe::Purpose;
use crate::plan::{self, DestroyOptions, Goal, Plan};
use crate::principal::Principal;
use crate::render::{self, Paint};
use crate::rotation;
use crate::run::Outcome;
use crate::safety::{DS_AT_PARENT, DS_LEAVING, Refusal};
use crate::snapshot::Snapshot;
use planfile::PlanFile;
use progress::Teller;

/// How often a lock that somebody holds is looked at again.
const LOCK_POLL: Duration = Duration::from_secs(10);

/// Most plans that one command carries out after each other: a rotation has four, and each is followed by
/// another only if it wrote.
const PLANS_MAX: usize = 8;

/// `plan`.
pub async fn plan(
    global: &Global,
    stacks: Vec<PathBuf>,
    out: Option<PathBuf>,
    json: bool,
    detailed_exitcode: bool,
    code: &Code,
) -> anyhow::Result<Exit> {
    let stacks = if stacks.is_empty() {
        vec![stack::find(None)?]
    } else {
        stacks
    };
    if out.is_some() && stacks.len() > 1 {
        bail!("--out takes one plan; name one stack document");
    }
    let is_one = stacks.len() == 1;
    if let Some(out) = &out {
        PlanFile::check_place(out)?;
    }
    // What is kept to be applied leaves nothing out that `apply` sees.
    let purpose = match out {
        Some(_) => Purpose::Review,
        None => Purpose::Plan,
    };
    let mut exit = Exit::Done;
    for path in stacks {
        let json = json.then_some(if is_one { Json::Pretty } else { Json::Line });
        let one = plan_one(global, &path, out.as_deref(), purpose.clone(), json, code).await?;
        // The worst answer wins: an error, then a refusal, then pending changes.
        exit = match (exit, one) {
            (Exit::Error, _) | (_, Exit::Error) => Exit::Error,
            (Exit::Refused, _) | (_, Exit::Refused) => Exit::Refused,
            (Exit::Pending, _) | (_, Exit::Pending) => Exit::Pending,
            (_, other) => other,
        };
    }
    Ok(if exit == Exit::Pending && !detailed_exitcode {
        Exit::Done
    } else {
        exit
    })
}

/// How a plan is written as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Json {
    /// For people as well.
    Pretty,
    /// On a line of its own, as one of several.
    Line,
}

async fn plan_one(
    global: &Global,
    path: &Path,
    out: Option<&Path>,
    purpose: Purpose,
    json: Option<Json>,
    code: &Code,
) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(path)? else {
        return Ok(Exit::Error);
    };
    let mut session = Session::open(global, &document).await?;
    session.find_code(&updater::source(&document, code)?);
    let snapshot = session.snapshot(Records::FirstPage, purpose).await?;
    let plan = plan::converge(&session.desired, &snapshot);
    if let Some(form) = json {
        let stack = path.display().to_string();
        let value = render::plan_json(&plan, &stack, &document.text);
        output::line(&match form {
            Json::Pretty => serde_json::to_string_pretty(&value)?,
            Json::Line => serde_json::to_string(&value)?,
        });
    } else {
        heading(&session);
        output::text(&render::plan(&plan, Paint::Color));
    }
    if let Some(out) = out {
        let bootstrap = session.bootstrap.as_ref();
        let bootstrap = bootstrap.map(|bootstrap| bootstrap.sha256.clone());
        PlanFile::write(out, &plan, &document, bootstrap)?;
        output::note(&format!(
            "wrote {}; carry it out with: spore-infra apply {}",
            out.display(),
            out.display()
        ));
    }
    Ok(
        judge(&plan).unwrap_or(if plan.is_empty() && plan.waits().is_empty() {
            Exit::Done
        } else {
            Exit::Pending
        }),
    )
}

/// The exit of a plan that must not be carried out.
fn judge(plan: &Plan) -> Option<Exit> {
    if !plan.refusals.is_empty() {
        let is_wait = plan.refusals.iter().all(Refusal::is_wait);
        Some(if is_wait {
            Exit::Waiting
        } else {
            Exit::Refused
        })
    } else if !plan.blocked().is_empty() {
        Some(Exit::Error)
    } else {
        None
    }
}

fn heading(session: &Session) {
    output::note(&format!(
        "{} in account {} ({})\n",
        session.desired.domain,
        session.desired.account,
        session.target.words()
    ));
}

/// `apply`, of a document or of a plan file.
pub async fn apply(
    global: &Global,
    named: Option<PathBuf>,
    go: &Go,
    code: &Code,
) -> anyhow::Result<Exit> {
    told(go, apply_one(global, named, go, code).await)
}

/// The end of a run that writes. With `--json` it is the last line of every one, also of a run that came to no plan;
/// none: the document cannot be used, and why is on stderr.
pub(super) fn told(go: &Go, ended: anyhow::Result<Option<Exit>>) -> anyhow::Result<Exit> {
    if go.json {
        let (exit, why) = match &ended {
            Ok(Some(exit)) => (*exit, None),
            Ok(None) => (
                Exit::Error,
                Some(
                    "the stack document cannot be used; what is wrong with it is on stderr".into(),
                ),
            ),
            Err(why) => (Exit::Error, Some(format!("{why:#}"))),
        };
        let mut line = serde_json::json!({
            "type": "ended",
            "outcome": exit.word(),
            "exit": exit as u8,
        });
        if let Some(why) = why {
            line["why"] = why.into();
        }
        output::line(&line.to_string());
    }
    ended.map(|exit| exit.unwrap_or(Exit::Error))
}

async fn apply_one(
    global: &Global,
    named: Option<PathBuf>,
    go: &Go,
    code: &Code,
) -> anyhow::Result<Option<Exit>> {
    let path = stack::find(named)?;
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let file = if text.trim_start().starts_with('{') {
        Some(PlanFile::parse(&path, &text)?)
    } else {
        None
    };
    let document_path = file.as_ref().map_or(path, |file| file.stack.clone());
    let Some(document) = stack::read(&document_path)? else {
        return Ok(None);
    };
    if let Some(file) = &file {
        file.check_document(&document)?;
    }
    let mut session = Session::open_as(Principal::Operator, global, &document).await?;
    let is_reviewed = file.as_ref().is_some_and(|file| file.updater.is_none());
    session.build_code(&updater::source(&document, code)?, is_reviewed)?;
    let job = Job {
        session: &session,
        document: &document,
        go,
        goal: Goal::Converge,
        file,
        waived: None,
    };
    job.run().await.map(Some)
}

/// `destroy`.
pub async fn destroy(
    global: &Global,
    named: Option<PathBuf>,
    go: &Go,
    options: DestroyOptions,
) -> anyhow::Result<Exit> {
    lead(global, named, go, Goal::Destroy(options), None).await
}

/// `ksk rotate`.
pub async fn rotate(
    global: &Global,
    named: Option<PathBuf>,
    go: &Go,
    how: Rotation,
) -> anyhow::Result<Exit> {
    let (goal, waived) = match how {
        Rotation::GoOn => (Goal::Rotate, None),
        Rotation::Again => (Goal::Rotate, Some(rotation::JUST_ROTATED)),
        Rotation::Abort => (Goal::AbortRotation, None),
    };
    lead(global, named, go, goal, waived).await
}

/// What `ksk rotate` is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Go on with one, or begin one.
    GoOn,
    /// The same, right after another one as well.
    Again,
    /// Go back.
    Abort,
}

/// `dnssec disable`.
pub async fn unsign(global: &Global, named: Option<PathBuf>, go: &Go) -> anyhow::Result<Exit> {
    lead(global, named, go, Goal::Unsign, None).await
}

/// `adopt`.
pub async fn adopt(global: &Global, named: Option<PathBuf>, go: &Go) -> anyhow::Result<Exit> {
    lead(global, named, go, Goal::Adopt, None).await
}

/// Leads the stack to a goal that needs no code of the updater.
async fn lead(
    global: &Global,
    named: Option<PathBuf>,
    go: &Go,
    goal: Goal,
    waived: Option<&'static str>,
) -> anyhow::Result<Exit> {
    told(go, lead_one(global, named, go, goal, waived).await)
}

async fn lead_one(
    global: &Global,
    named: Option<PathBuf>,
    go: &Go,
    goal: Goal,
    waived: Option<&'static str>,
) -> anyhow::Result<Option<Exit>> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(None);
    };
    let session = Session::open_as(Principal::Operator, global, &document).await?;
    let job = Job {
        session: &session,
        document: &document,
        go,
        goal,
        file: None,
        waived,
    };
    job.run().await.map(Some)
}

/// One run that writes.
struct Job<'a> {
    session: &'a Session,
    document: &'a Document,
    go: &'a Go,
    goal: Goal,
    file: Option<PlanFile>,
    /// A rule that was said not to count.
    waived: Option<&'static str>,
}

/// Where a plan stands among those of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It is what was asked for.
    First,
    /// It goes on where the one before it ended.
    Next,
}

/// How a plan of a run ended.
enum Ended {
    /// That was all.
    With(Exit),
    /// What DNS shows by now lets the next plan be made.
    More,
}

impl Job<'_> {
    /// Where the parent zone is ours to write, what comes after a change of it depends on what DNS shows
    /// then: that is another plan, shown and approved as the first.
    async fn run(&self) -> anyhow::Result<Exit> {
        let mut turn = Turn::First;
        for _ in 0..PLANS_MAX {
            if let Ended::With(exit) = self.run_plan(turn).await? {
                return Ok(exit);
            }
            turn = Turn::Next;
        }
        output::note("more is left to do; run the same command again");
        Ok(Exit::Waiting)
    }

    async fn run_plan(&self, turn: Turn) -> anyhow::Result<Ended> {
        let (snapshot, plan) = self.plan(Purpose::Apply).await?;
        if self.is_overtaken(turn, &snapshot) {
            return Ok(Ended::With(overtaken()));
        }
        self.show(&plan)?;
        // What moved says more than what is blocked by it.
        if let Some(file) = self.file.as_ref().filter(|_| plan.refusals.is_empty()) {
            file.check(&plan)?;
        }
        if let Some(exit) = judge(&plan) {
            self.keep_evidence(&snapshot, &plan).await;
            return Ok(Ended::With(exit));
        }
        if plan.is_empty() {
            self.note_parent(&snapshot, &plan).await;
            return self.finish(&plan).await.map(Ended::With);
        }
        if !self.approved(&plan)? {
            output::note("nothing was done");
            return Ok(Ended::With(Exit::Error));
        }
        let digest = plan.digest();
        let write = self.session.writers(&digest).await;
        let clock = &self.session.clock;
        let mut lock = match self.lock(&write, &digest).await? {
            Ok(lock) => lock,
            Err(exit) => return Ok(Ended::With(exit)),
        };
        // Live AWS may have moved since it was read; only what was approved is done.
        let planned = self.plan(Purpose::Run(lock.seen.clone())).await;
        let (snapshot, again) = match planned {
            Ok(planned) => planned,
            Err(error) => {
                release(lock, &write, clock.now()).await;
                return Err(error);
            }
        };
        if self.is_overtaken(turn, &snapshot) {
            release(lock, &write, clock.now()).await;
            return Ok(Ended::With(overtaken()));
        }
        if let Some(exit) = self.moved(&plan, &again) {
            release(lock, &write, clock.now()).await;
            return exit.map(Ended::With);
        }
        if let Some(exit) = judge(&again) {
            release(lock, &write, clock.now()).await;
            return Ok(Ended::With(exit));
        }
        if again.steps.is_empty() {
            // Whatever an earlier run intended to create is there, or the plan would have steps.
            lock.forget_intents();
            release(lock, &write, clock.now()).await;
            return self.finish(&again).await.map(Ended::With);
        }
        if let Err(error) = self.save_records(&snapshot) {
            release(lock, &write, clock.now()).await;
            return Err(error);
        }
        self.carry_out(&again, &snapshot, lock, &write).await
    }

    /// Whether somebody else has ended meanwhile what this run was going on with: `ksk rotate` on one key
    /// would begin anew.
    fn is_overtaken(&self, turn: Turn, snapshot: &Snapshot) -> bool {
        turn == Turn::Next && self.goal == Goal::Rotate && !rotation::is_under_way(snapshot)
    }

    /// A destroy that is refused for a DS record at the parent is the last look at it: its TTL is what the
    /// next one has to wait for, and what the journal says of an earlier absence is out of date. Nothing
    /// else is written, and that it could not be is no error: the next destroy then waits longer.
    async fn keep_evidence(&self, snapshot: &Snapshot, plan: &Plan) {
        let Some(seen) = journal_group::parent_seen(snapshot) else {
            return;
        };
        if self.goal == Goal::Converge
            || snapshot.journal_group.present().is_none()
            || plan
                .refusals
                .iter()
                .all(|refusal| refusal.rule != DS_AT_PARENT && refusal.rule != DS_LEAVING)
        {
            return;
        }
        output::note(&match self.write_down(seen, plan).await {
            Ok(()) => {
                "noted in the journal that the parent has a DS record, and for how long resolvers \
                       may remember it"
                    .to_owned()
            }
            Err(why) => format!(
                "the parent's DS record was not noted in the journal ({why}); the wait after its \
                 withdrawal may be longer than needed"
            ),
        });
    }

    /// An apply that finds nothing to do may be the last that sees the zone delegated: once, it notes for how
    /// long resolvers may remember that, so that a withdrawal right before the next run is no news to it.
    async fn note_parent(&self, snapshot: &Snapshot, plan: &Plan) {
        if self.goal != Goal::Converge {
            return;
        }
        let Some(seen) = journal_group::parent_seen(snapshot) else {
            return;
        };
        output::note(&match self.write_down(seen, plan).await {
            Ok(()) => {
                "noted in the journal for how long resolvers may remember what the parent zone has"
                    .to_owned()
            }
            Err(why) => format!(
                "what the parent zone has was not noted in the journal ({why}); the next apply does"
            ),
        });
    }

    async fn write_down(&self, seen: ParentSeen, plan: &Plan) -> Result<(), String> {
        let (clock, desired) = (&self.session.clock, &self.session.desired);
        let write = self.session.writers(&plan.digest()).await;
        match journal::take(&write, clock, desired, &plan.digest()).await {
            Ok(Taken::Ours(lock)) => {
                let written = journal::remember_parent(&write, clock, desired, seen).await;
                release(*lock, &write, clock.now()).await;
                written.map_err(|failure| failure.to_string())
            }
            Ok(Taken::Held { holder, .. }) => Err(format!("{holder} holds the lock of this stack")),
            Err(failure) => Err(failure.to_string()),
        }
    }

    /// What becomes of a plan when the one made under the lock is another, because another run was under
    /// way until then. What somebody reviewed is never replaced by something else; with `--yes` nobody
    /// reviewed anything, and the newer plan is shown and counts. `None`: go on with that.
    fn moved(&self, plan: &Plan, again: &Plan) -> Option<anyhow::Result<Exit>> {
        let is_left = !again.steps.is_empty() && judge(again).is_none();
        if is_left {
            let reviewed = match &self.file {
                Some(file) => file.check(again),
                None if self.go.yes => Ok(()),
                None => approval::of_person(plan, again).map_err(|moved| {
                    anyhow::anyhow!(
                        "live AWS changed since the plan was shown: {moved}; nothing was done, plan again"
                    )
                }),
            };
            if let Err(moved) = reviewed {
                return Some(Err(moved));
            }
        }
        if again.step_digests() == plan.step_digests() {
            return None;
        }
        output::note("live AWS changed since the plan was made; this is the plan now:\n");
        self.show(again).err().map(Err)
    }

    async fn plan(&self, purpose: Purpose) -> anyhow::Result<(Snapshot, Plan)> {
        let desired = &self.session.desired;
        let records = match self.goal {
            Goal::Converge | Goal::Unsign | Goal::Rotate | Goal::AbortRotation | Goal::Adopt => {
                Records::FirstPage
            }
            Goal::Destroy(_) => Records::All,
        };
        let snapshot = self.session.snapshot(records, purpose).await?;
        let mut plan = match &self.goal {
            Goal::Converge => plan::converge(desired, &snapshot),
            Goal::Destroy(options) => plan::destroy(desired, &snapshot, options),
            Goal::Unsign => plan::unsign(desired, &snapshot),
            Goal::Rotate => plan::rotate(desired, &snapshot),
            Goal::AbortRotation => plan::abort_rotation(desired, &snapshot),
            Goal::Adopt => plan::adopt(desired, &snapshot),
        };
        plan.refusals
            .retain(|refusal| Some(refusal.rule) != self.waived);
        Ok((snapshot, plan))
    }

    fn show(&self, plan: &Plan) -> anyhow::Result<()> {
        if self.go.json {
            let stack = self.document.path.display().to_string();
            let value = render::plan_json(plan, &stack, &self.document.text);
            output::line(&serde_json::to_string(
                &serde_json::json!({"type": "plan", "plan": value}),
            )?);
        } else {
            heading(self.session);
            output::text(&render::plan(plan, Paint::Color));
        }
        Ok(())
    }

    fn approved(&self, plan: &Plan) -> anyhow::Result<bool> {
        if self.go.yes || self.file.is_some() {
            return Ok(true);
        }
        let desired = &self.session.desired;
        let (_, _, destroyed) = plan.counts();
        let (question, wanted) = match &self.goal {
            Goal::Converge | Goal::Rotate | Goal::AbortRotation => (
                format!(
                    "Apply this to {} in account {}? Only `yes` does it:",
                    desired.domain, desired.account
                ),
                "yes".to_owned(),
            ),
            Goal::Adopt => (
                format!(
                    "Take this over into the stack {} in account {}? Only `yes` does it:",
                    desired.domain, desired.account
                ),
                "yes".to_owned(),
            ),
            Goal::Unsign => (
                format!(
                    "Turn DNSSEC off for {} in account {}? Type the domain to do it:",
                    desired.domain, desired.account
                ),
                desired.domain.clone(),
            ),
            // What is taken down depends on this; it is a plan of its own, with its own question.
            Goal::Destroy(_) if delegation::only_unvouches(plan) => (
                format!(
                    "Take the DS record of {} out of the parent zone, before anything of it in account {} is \
                     destroyed? Type the domain to do it:",
                    desired.domain, desired.account
                ),
                desired.domain.clone(),
            ),
            Goal::Destroy(_) => (
                format!(
                    "Destroy {destroyed} resources of {} in account {}, irreversibly? Type the domain to do it:",
                    desired.domain, desired.account
                ),
                desired.domain.clone(),
            ),
        };
        match output::ask(&question) {
            Some(answer) => Ok(answer == wanted),
            None => bail!("there is no terminal to ask at; review the plan and pass --yes"),
        }
    }

    async fn lock(&self, write: &Clients, digest: &str) -> anyhow::Result<Result<Lock, Exit>> {
        take_lock(self.session, write, digest, self.wait_max()).await
    }

    fn wait_max(&self) -> Option<Duration> {
        (!self.session.clock.is_virtual()).then_some(self.go.wait)
    }

    /// With `--include-records`, the zone's records are in a file before the first is deleted.
    fn save_records(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let Goal::Destroy(options) = &self.goal else {
            return Ok(());
        };
        if !options.include_records {
            return Ok(());
        }
        let Some(zone) = snapshot.hosted_zone.present() else {
            return Ok(());
        };
        let domain = &self.session.desired.domain;
        if zone.foreign_records(domain).is_empty() {
            return Ok(());
        }
        let file = master_file::write(domain, zone, &snapshot.ttls, self.session.clock.now());
        let path = planfile::unused(domain, self.session.clock.now());
        planfile::write_new(&path, &file.text)?;
        output::note(&format!("wrote the zone's records to {}", path.display()));
        if let Some(told) = &file.ttls {
            output::note(&format!("note: in it {told}"));
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        before: &Snapshot,
        mut lock: Lock,
        write: &Clients,
    ) -> anyhow::Result<Ended> {
        let session = self.session;
        let mut teller = Teller::new(self.go.json);
        let mut tell = |progress| teller.tell(progress, session.clock.now());
        let mut driver = Driver {
            write,
            clock: &session.clock,
            dns: &session.dns,
            desired: &session.desired,
            wait_max: self.wait_max(),
            tell: &mut tell,
        };
        let driven = driver.drive(plan, &mut lock, stopped()).await;
        let (outcome, run) = match driven {
            Ok(driven) => driven,
            Err(stopped) => {
                release(lock, write, session.clock.now()).await;
                return Err(stopped.into());
            }
        };
        if outcome == Outcome::Converged {
            lock.forget_intents();
        }
        // What was seen of the parent is written when something is written anyway: a no-change apply
        // writes nothing.
        if self.goal.keeps_stack()
            && let Some(seen) = journal_group::parent_seen(before)
            && let Err(failure) =
                journal::remember_parent(write, &session.clock, &session.desired, seen).await
        {
            output::note(&format!(
                "the TTL of the parent's DS record was not noted: {failure}"
            ));
        }
        release(lock, write, session.clock.now()).await;
        let failures = render::failures(&run, session.clock.now());
        if !failures.is_empty() {
            output::note(failures.trim_end());
        }
        Ok(Ended::With(match outcome {
            Outcome::Converged if self.goes_on(plan, before).await? => return Ok(Ended::More),
            Outcome::Converged => self.finish(plan).await?,
            Outcome::Waiting { until, why } => {
                output::note(&format!(
                    "waiting: {why}; run the same command again after {until:.0}"
                ));
                Exit::Waiting
            }
            Outcome::Failed => {
                output::note(
                    "some steps failed; what was done stays done, and the next apply continues",
                );
                Exit::Error
            }
            Outcome::Interrupted => {
                output::note("interrupted; what was done stays done, and the next apply continues");
                Exit::Interrupted
            }
        }))
    }

    /// Whether the same command has more to do, now that DNS shows what this plan did: where the parent zone is
    /// ours to write, and in a plan file never, as it covers one plan.
    async fn goes_on(&self, plan: &Plan, before: &Snapshot) -> anyhow::Result<bool> {
        if self.file.is_some() {
            return Ok(false);
        }
        match self.goal {
            Goal::Unsign | Goal::Destroy(_) => Ok(delegation::only_unvouches(plan)),
            Goal::Converge => {
                let is_ours = before.parent_zone.zone().is_some();
                let is_low = !matches!(before.ttls, Ok(None)) || ttls::are_lowered_by(plan);
                if !is_ours && !is_low {
                    return Ok(false);
                }
                let next = self.plan(Purpose::Apply).await?.1;
                // What a wait counts from is noted by the run that finds it so.
                let is_noted = ttls::is_begun_by(&next) && judge(&next).is_none();
                Ok(is_ours && delegation::is_written_by(&next) || is_noted)
            }
            Goal::Rotate | Goal::AbortRotation => {
                let (after, next) = self.plan(Purpose::Apply).await?;
                let is_of_parent = [plan, &next].into_iter().any(delegation::is_written_by);
                let is_more = if is_of_parent {
                    !next.steps.is_empty()
                } else {
                    has_more(plan, &next)
                };
                Ok(rotation::is_under_way(&after) && is_more)
            }
            // A delegation can be judged when the zone is ours. What lists do not show yet as adopted is not
            // adopted again.
            Goal::Adopt => {
                let (_, next) = self.plan(Purpose::Apply).await?;
                Ok(has_more(plan, &next))
            }
        }
    }

    /// The last words: the DS record, or that everything is gone; and whether a step of ours still waits.
    async fn finish(&self, plan: &Plan) -> anyhow::Result<Exit> {
        let desired = &self.session.desired;
        if let Goal::Destroy(_) = self.goal {
            let left = plan.left();
            if !plan.is_empty() {
                output::note(&if left.is_empty() {
                    format!("{} is taken down", desired.domain)
                } else {
                    format!(
                        "{} is taken down but for what is left in place:",
                        desired.domain
                    )
                });
            }
            for (what, why) in left {
                output::note(&format!("  {what}: {why}"));
            }
            for notice in &plan.notices {
                output::note(&format!("next: {notice}"));
            }
            return Ok(waiting(plan));
        }
        match self.goal {
            Goal::Unsign if !plan.is_empty() => {
                output::note(&format!("{} is no longer signed", desired.domain));
                return Ok(waiting(plan));
            }
            Goal::Rotate | Goal::AbortRotation if !plan.is_empty() => {
                let (snapshot, after) = self.plan(Purpose::Apply).await?;
                if !rotation::is_under_way(&snapshot) {
                    output::note("the rotation is over; the zone has one key-signing key");
                    return Ok(Exit::Done);
                }
                for (who, what) in after.external() {
                    output::note(&format!("next: {who}: {what}"));
                }
                for refusal in &after.refusals {
                    output::note(&format!("{}: {}", refusal.addr, refusal.message));
                }
                output::note("then run `spore-infra ksk rotate` again");
                return Ok(judge(&after).unwrap_or_else(|| waiting(&after)));
            }
            Goal::Adopt if !plan.is_empty() => {
                output::note("adopted; `spore-infra plan` shows what apply will change about it");
                let (_, after) = self.plan(Purpose::Apply).await?;
                return Ok(waiting(&after));
            }
            Goal::Unsign | Goal::Rotate | Goal::AbortRotation | Goal::Adopt => {
                return Ok(waiting(plan));
            }
            Goal::Converge | Goal::Destroy(_) => {}
        }
        if plan.is_empty() && (!desired.dnssec || self.go.json) {
            return Ok(waiting(plan));
        }
        let (snapshot, after) = self.plan(Purpose::Apply).await?;
        if !plan.is_empty() {
            output::note(if plan.waits_for_others() {
                "applied as far as it depends on us; the rest waits for people outside (Notes)"
            } else if !after.waits().is_empty() || !after.is_empty() {
                "applied as far as it can be by now"
            } else {
                "applied; live AWS matches the document"
            });
        }
        let exit = match (waiting(&after), judge(&after)) {
            (Exit::Done, None) if !after.is_empty() => {
                output::note(&format!(
                    "note: a new plan is not empty: {}",
                    render::summary(&after)
                ));
                output::note(&match after.waits_until(self.session.clock.now()) {
                    Some((until, why)) => {
                        format!("waiting: {why}; run the same command again after {until:.0}")
                    }
                    None => "more is left to do; run the same command again".to_owned(),
                });
                Exit::Waiting
            }
            (exit, _) => exit,
        };
        if !desired.dnssec || self.go.json {
            return Ok(exit);
        }
        // What the plan has just shown, and nothing came after, is not said again.
        let shown: &[String] = if plan.is_empty() { &plan.notices } else { &[] };
        match records::find(self.session, &snapshot).await {
            Ok(found) => match &found.now {
                Ok(now) => {
                    output::text(&format!(
                        "\n{}",
                        form::text(&desired.domain, &now.wanted, DigestType::Sha256)
                    ));
                    if let Some(later) = &now.later {
                        output::note(later);
                    }
                }
                Err(why) => {
                    let said = records::not_asked_for(desired, &snapshot, (&found, why), &after);
                    output::note(&said);
                }
            },
            Err(error) => output::note(&format!("the DS record: {error:#}")),
        }
        for notice in after
            .notices
            .iter()
            .filter(|notice| !shown.contains(notice))
        {
            output::note(&format!("next: {notice}"));
        }
        Ok(exit)
    }
}

/// Whether a plan has steps that the one before it had not: what that one did may not show yet.
fn has_more(done: &Plan, next: &Plan) -> bool {
    let done = done.step_digests();
    let is_more = next.step_digests().keys().any(|id| !done.contains_key(id));
    is_more && judge(next).is_none()
}

/// The exit of a run that has come as far as it can by now: what still has to wait is told.
fn waiting(plan: &Plan) -> Exit {
    let waits = plan.waits();
    for (addr, what) in &waits {
        output::note(&format!("waiting: {addr}: {what}"));
    }
    if waits.is_empty() {
        Exit::Done
    } else {
        Exit::Waiting
    }
}

/// The last words of a rotation that another run has ended.
fn overtaken() -> Exit {
    output::note("another run has ended the rotation meanwhile; nothing more was done");
    Exit::Done
}

/// Takes the stack's lock, waiting for its holder as long as one wait may last.
pub(super) async fn take_lock(
    session: &Session,
    write: &Clients,
    digest: &str,
    wait_max: Option<Duration>,
) -> anyhow::Result<Result<Lock, Exit>> {
    let clock = &session.clock;
    let give_up = wait_max.map(|max| later(clock.now(), max));
    let mut told = false;
    loop {
        match journal::take(write, clock, &session.desired, digest).await? {
            Taken::Ours(lock) => return Ok(Ok(*lock)),
            Taken::Held { holder, until } => {
                if give_up.is_some_and(|give_up| clock.now() >= give_up) {
                    output::note(&format!(
                        "waiting: {holder} holds the lock of this stack; run again later (it is \
                         taken over after {until:.0} unless renewed)"
                    ));
                    return Ok(Err(Exit::Waiting));
                }
                if !told {
                    output::note(&format!(
                        "waiting for {holder}, which holds the lock of this stack"
                    ));
                    told = true;
                }
                clock.sleep_until(later(clock.now(), LOCK_POLL)).await?;
            }
        }
    }
}

pub(super) async fn release(lock: Lock, write: &Clients, now: Timestamp) {
    if let Err(failure) = lock.release(write, now).await {
        output::note(&format!(
            "the lock was not released ({failure}); it is stale in 15 min"
        ));
    }
}

/// The date in file names.
fn date(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
