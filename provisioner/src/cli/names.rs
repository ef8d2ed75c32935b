//! `names`: whose each name is, and freeing names that somebody or nobody holds.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::apply::told;
use super::edit::{self, Again, Words, approved, carry_out, zone};
use super::session::Session;
use super::stack::Document;
use super::{Code, Exit, Global, Go, output, stack, updater};
use crate::arg::Arg;
use crate::kind::function;
use crate::kind::hosted_zone::{Held, Op, Records};
use crate::master_file;
use crate::names::show::{self, Heading};
use crate::names::{self, MARGIN, MARGIN_MIN, Name, Owner, Release};
use crate::observe::Purpose;
use crate::plan::{Plan, span};
use crate::principal::Principal;
use crate::snapshot::{Observation, Snapshot};

/// Names as they were read, with all that was read.
struct Read {
    snapshot: Snapshot,
    names: Vec<Name>,
    zone_id: String,
}

/// Reads every name of the zone. Never a part of them: a page that cannot be read is an error.
async fn read(session: &Session, purpose: Purpose) -> anyhow::Result<Read> {
    let snapshot = session.snapshot(Records::All, purpose).await?;
    let zone = zone(&snapshot)?;
    Ok(Read {
        names: names::of_zone(&session.desired.domain, zone),
        zone_id: zone.id.clone(),
        snapshot,
    })
}

fn heading<'a>(session: &'a Session, read: &Read) -> Heading<'a> {
    Heading {
        domain: &session.desired.domain,
        lease: session.desired.stack.updater.lease,
        at: read.snapshot.taken_at,
    }
}

/// `names list`.
pub async fn list(
    global: &Global,
    named: Option<PathBuf>,
    json: bool,
    code: &Code,
) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let mut session = Session::open(global, &document).await?;
    session.find_code(&updater::source(&document, code)?);
    let read = read(&session, Purpose::Plan).await?;
    let heading = heading(&session, &read);
    if json {
        output::line(&serde_json::to_string_pretty(&show::json(
            &read.names,
            heading,
        ))?);
    } else {
        output::text(&show::text(&read.names, heading));
    }
    if function::has_document(&session.desired, &read.snapshot) == Some(false) {
        output::note(
            "note: the updater in AWS was not made from this document and this version: its lease may be \
             another until the next `spore-infra apply`",
        );
    }
    Ok(Exit::Done)
}

/// `names release`.
pub async fn release(global: &Global, arguments: Vec<String>, go: &Go) -> anyhow::Result<Exit> {
    told(go, release_one(global, arguments, go).await)
}

async fn release_one(
    global: &Global,
    mut arguments: Vec<String>,
    go: &Go,
) -> anyhow::Result<Option<Exit>> {
    let Some(given) = arguments.pop() else {
        bail!("say which name");
    };
    let path = stack::find(arguments.pop().map(PathBuf::from))?;
    let Some(document) = stack::read(&path)? else {
        return Ok(None);
    };
    let wanted = names::complete(document.stack.domain.as_str(), &given);
    let wanted = wanted.map_err(anyhow::Error::msg)?;
    let session = Session::open_as(Principal::Operator, global, &document).await?;
    let first = read(&session, Purpose::Apply).await?;
    let held = match names::release(&first.names, &wanted) {
        Release::Free => {
            output::note(&format!("{wanted} is free already"));
            return Ok(Some(Exit::Done));
        }
        Release::Refused(why) => {
            output::error(&why);
            return Ok(Some(Exit::Refused));
        }
        Release::Frees(held) => held,
    };
    let plan = plan(&session, &first, "release-name", vec![held.clone()]);
    if let Some(exit) = refused(&plan) {
        return Ok(Some(exit));
    }
    let name = first.names.iter().find(|name| name.name == wanted);
    let job = Job {
        session: &session,
        go,
        step: "release-name",
    };
    job.show(&first, name, "release")?;
    if let Some(name) = name
        && !name.foreign().is_empty()
    {
        let kinds: Vec<String> = name.foreign().into_iter().map(names::kind_of).collect();
        output::note(&format!(
            "note: {} of {wanted} were not made by the updater and stay; nobody can claim the name before \
             they are deleted by hand",
            kinds.join(", ")
        ));
    }
    let question = format!("Free {wanted}, for anybody who may claim it?");
    if !approved(go, &question)? {
        output::note("nothing was done");
        return Ok(Some(Exit::Error));
    }
    let judge = |read: &Read| match names::release(&read.names, &wanted) {
        Release::Frees(held) => Ok(vec![held]),
        Release::Free | Release::Refused(_) => Ok(Vec::new()),
    };
    Ok(Some(match job.free(&plan, vec![held], judge).await? {
        // It was the one that was asked for; who holds it now may be somebody else.
        (Exit::Done, 0) => Exit::Error,
        (Exit::Done, _) => {
            output::note(
                "an instance that still runs `spore-register watch` may claim it again: stop it there",
            );
            Exit::Done
        }
        (exit, _) => exit,
    }))
}

/// `names sweep`.
pub async fn sweep(
    global: &Global,
    named: Option<PathBuf>,
    older_than: Option<Duration>,
    go: &Go,
    code: &Code,
) -> anyhow::Result<Exit> {
    told(go, sweep_one(global, named, older_than, go, code).await)
}

async fn sweep_one(
    global: &Global,
    named: Option<PathBuf>,
    older_than: Option<Duration>,
    go: &Go,
    code: &Code,
) -> anyhow::Result<Option<Exit>> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(None);
    };
    let older_than = limit(&document, older_than)?;
    let mut session = Session::open_as(Principal::Operator, global, &document).await?;
    session.find_code(&updater::source(&document, code)?);
    let first = read(&session, Purpose::Apply).await?;
    let now = first.snapshot.taken_at;
    let types = &document.stack.updater.record_types;
    let sweep = names::sweep(first.names.clone(), types, older_than, now);
    let job = Job {
        session: &session,
        go,
        step: "sweep-names",
    };
    job.show(&first, &sweep.frees, "sweep")?;
    for (name, why) in &sweep.stays {
        output::note(&format!("note: {name} stays: {why}"));
    }
    if !go.json {
        output::line(&format!(
            "Sweep: {} to free, last renewed {} ago or earlier; {} are held.",
            sweep.frees.len(),
            span(older_than),
            sweep.held
        ));
    }
    if let Err(why) = lease_is_live(&session, &first) {
        output::error(&why);
        return Ok(Some(Exit::Refused));
    }
    let plan = plan(&session, &first, job.step, sweep.held());
    if let Some(exit) = refused(&plan) {
        return Ok(Some(exit));
    }
    if sweep.frees.is_empty() {
        return Ok(Some(Exit::Done));
    }
    if !go.yes {
        output::note(
            "nothing was done; --yes frees them. It counts on every instance having a configuration with \
             this lease: after it was shortened, wait for a third of the longer one",
        );
        return Ok(Some(Exit::Done));
    }
    let judge = |read: &Read| {
        // Somebody may have applied another document while this run waited for the lock.
        lease_is_live(&session, read).map_err(anyhow::Error::msg)?;
        Ok(names::sweep(read.names.clone(), types, older_than, now).held())
    };
    let (exit, _) = job.free(&plan, sweep.held(), judge).await?;
    Ok(Some(exit))
}

/// How long ago a name that is swept was last renewed.
fn limit(document: &Document, older_than: Option<Duration>) -> anyhow::Result<Duration> {
    let lease = document.stack.updater.lease;
    let least = lease + MARGIN_MIN;
    match older_than {
        None => Ok(lease + MARGIN),
        Some(older_than) if older_than >= least => Ok(older_than),
        Some(older_than) => bail!(
            "a name is its holder's for {} after it was renewed, and clocks differ: --older-than {} has to \
             be {} at least; `names release` frees a single name sooner",
            span(lease),
            span(older_than),
            span(least)
        ),
    }
}

/// A document whose lease was changed and not applied must not decide what instances have lost.
fn lease_is_live(session: &Session, read: &Read) -> Result<(), String> {
    let unknown = |why: &str| Err(format!("not known which lease the updater gives: {why}"));
    match &read.snapshot.function {
        Observation::Absent => unknown("there is no function; run `spore-infra apply` first"),
        Observation::Foreign(why, _) | Observation::Unreadable(why) => unknown(why),
        Observation::Present(_) => {
            match function::has_document(&session.desired, &read.snapshot) {
                Some(true) => Ok(()),
                Some(false) => Err(
                    "the updater in AWS was not made from this document and this version of the tool, so \
                     that its lease may be longer; run `spore-infra apply` first"
                        .into(),
                ),
                None => unknown(
                    "its program is not here to compare; run `spore-infra updater build`, or pass \
                     --updater-zip",
                ),
            }
        }
    }
}

fn plan(session: &Session, read: &Read, step: &'static str, names: Vec<Held>) -> Plan {
    let op = (!names.is_empty()).then(|| Op::FreeNames {
        zone: Arg::Known(read.zone_id.clone()),
        names,
    });
    edit::plan(&session.desired, &read.snapshot, step, op)
}

fn refused(plan: &Plan) -> Option<Exit> {
    for refusal in &plan.refusals {
        output::error(&format!("{} [{}]", refusal.message, refusal.rule));
    }
    (!plan.refusals.is_empty()).then_some(Exit::Refused)
}

/// One run that frees names.
struct Job<'a> {
    session: &'a Session,
    go: &'a Go,
    step: &'static str,
}

impl Job<'_> {
    /// What would be deleted, as lines of a master file that `restore` would take back.
    fn show<'n>(
        &self,
        read: &Read,
        names: impl IntoIterator<Item = &'n Name> + Clone,
        kind: &str,
    ) -> anyhow::Result<()> {
        let heading = heading(self.session, read);
        if self.go.json {
            let names: Vec<Name> = names.into_iter().cloned().collect();
            let list = show::json(&names, heading);
            let value = json!({"type": kind, "format": list["format"], "names": list["names"]});
            output::line(&serde_json::to_string(&value)?);
            return Ok(());
        }
        for name in names {
            output::line(&match (&name.owner, name.lease_end(heading.lease)) {
                (Owner::Of(mark), Some(end)) => format!(
                    "{}: {}, renewed {}, lease until {}",
                    name.name,
                    mark.holder,
                    show::seconds(mark.renewed_at),
                    show::seconds(end)
                ),
                (Owner::Unreadable(why), _) => format!("{}: {why}", name.name),
                (Owner::Of(_) | Owner::Nobody, _) => name.name.clone(),
            });
            for set in name.deleted() {
                for line in master_file::lines(set) {
                    output::line(&format!("- {line}"));
                }
            }
        }
        Ok(())
    }

    /// Frees names that were shown and are as they were, and counts them. `judge` says which may be freed
    /// of those that are live once nobody else writes.
    async fn free(
        &self,
        plan: &Plan,
        seen: Vec<Held>,
        judge: impl Fn(&Read) -> anyhow::Result<Vec<Held>>,
    ) -> anyhow::Result<(Exit, usize)> {
        let session = self.session;
        let words = Words {
            done: "done; every name server of the zone has it",
            partly: "what was freed stays free; run the same command for the rest",
        };
        let again = async |purpose| {
            let read = read(session, purpose).await?;
            let mut still = judge(&read)?;
            still.retain(|held| seen.contains(held));
            let history = still.iter().map(|held| self.line(held)).collect();
            let plan = self::plan(session, &read, self.step, still);
            if let Some(refusal) = plan.refusals.first() {
                bail!("{} [{}]", refusal.message, refusal.rule);
            }
            Ok(Again { plan, history })
        };
        let exit = carry_out(session, self.go, plan, &words, again).await?;
        if exit != Exit::Done {
            return Ok((exit, 0));
        }
        // What really became of them is in the zone.
        let after = read(session, Purpose::Apply).await?;
        let left = names::left(&after.names, &seen);
        for held in &left {
            output::note(&format!(
                "{} was renewed or changed meanwhile and stays as it is",
                held.name.trim_end_matches('.')
            ));
        }
        let freed = seen.len() - left.len();
        if self.go.json {
            let left: Vec<&str> = left
                .iter()
                .map(|held| held.name.trim_end_matches('.'))
                .collect();
            let value = json!({"type": "freed", "freed": freed, "changed_meanwhile": left});
            output::line(&serde_json::to_string(&value)?);
        } else {
            output::line(&format!("{freed} freed."));
        }
        Ok((Exit::Done, freed))
    }

    /// For the journal: which name, and whose it was.
    fn line(&self, held: &Held) -> String {
        let marks: Vec<&str> = held
            .seen
            .iter()
            .filter(|set| set.name != held.name)
            .flat_map(|set| set.values.iter().map(String::as_str))
            .collect();
        // Of what people wrote by hand the start is enough; a log event has room for far more.
        let marks: String = marks.join(" ").chars().take(300).collect();
        format!("{} {} {marks}", self.step, held.name)
    }
}
