//! `export` and `restore`: the zone's records to and from a master file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::apply::planfile::write_new;
use super::apply::told;
use super::edit::{self, Again, Words, approved, carry_out, zone};
use super::session::Session;
use super::{Exit, Global, Go, output, stack};
use crate::arg::Arg;
use crate::kind::hosted_zone::{Op, Records};
use crate::master_file::{
    self,
    read::{File, Problem},
};
use crate::observe::Purpose;
use crate::plan::Plan;
use crate::principal::Principal;
use crate::restore::{self, Extra, Restore};

/// `export`.
pub async fn export(
    global: &Global,
    named: Option<PathBuf>,
    out: Option<PathBuf>,
) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let session = Session::open(global, &document).await?;
    let snapshot = session.snapshot(Records::All, Purpose::Plan).await?;
    let zone = zone(&snapshot)?;
    let domain = &session.desired.domain;
    let file = master_file::write(domain, zone, &snapshot.ttls, snapshot.taken_at);
    match &out {
        Some(path) => write_new(path, &file.text)?,
        None => output::text(&file.text),
    }
    let commented = file.aliases + file.routed;
    let place = out.map_or_else(String::new, |path| format!("wrote {}: ", path.display()));
    output::note(&format!(
        "{place}{} record sets",
        zone.records.len() - commented
    ));
    if commented > 0 {
        output::note(&format!(
            "{commented} more are in comments only, as no master file can hold them: {} aliases, {} with \
             routing policies or health checks",
            file.aliases, file.routed
        ));
    }
    if let Some(told) = &file.ttls {
        output::note(&format!("note: {told}"));
    }
    Ok(Exit::Done)
}

/// `restore`.
pub async fn restore(
    global: &Global,
    files: Vec<PathBuf>,
    go: &Go,
    delete_extra: bool,
) -> anyhow::Result<Exit> {
    told(go, restore_one(global, files, go, delete_extra).await)
}

async fn restore_one(
    global: &Global,
    mut files: Vec<PathBuf>,
    go: &Go,
    delete_extra: bool,
) -> anyhow::Result<Option<Exit>> {
    let Some(path) = files.pop() else {
        bail!("name the master file");
    };
    let Some(document) = stack::read(&stack::find(files.pop())?)? else {
        return Ok(None);
    };
    let file = match read(document.stack.domain.as_str(), &path)? {
        Ok(file) => file,
        Err(problems) => {
            for problem in &problems {
                output::note(&format!("{}:{problem}", path.display()));
            }
            let number = match problems.len() {
                1 => "1 problem".to_owned(),
                number => format!("{number} problems"),
            };
            bail!("{}: {number}; nothing was done", path.display());
        }
    };
    let session = Session::open_as(Principal::Operator, global, &document).await?;
    let job = Job {
        session: &session,
        go,
        file,
        extra: if delete_extra {
            Extra::Delete
        } else {
            Extra::Keep
        },
    };
    job.run().await.map(Some)
}

fn read(domain: &str, path: &Path) -> anyhow::Result<Result<File, Vec<Problem>>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(master_file::read::read(domain, &text))
}

/// One restore.
struct Job<'a> {
    session: &'a Session,
    go: &'a Go,
    file: File,
    extra: Extra,
}

impl Job<'_> {
    async fn run(&self) -> anyhow::Result<Exit> {
        let (plan, restore) = self.compare(Purpose::Apply).await?;
        self.show(&restore)?;
        if !plan.refusals.is_empty() || !restore.refusals.is_empty() {
            for refusal in &plan.refusals {
                output::error(&format!("{} [{}]", refusal.message, refusal.rule));
            }
            for refusal in &restore.refusals {
                output::error(refusal);
            }
            return Ok(Exit::Refused);
        }
        if restore.edits.is_empty() {
            return Ok(Exit::Done);
        }
        let desired = &self.session.desired;
        let question = format!(
            "Change these records of {} in account {}?",
            desired.domain, desired.account
        );
        if !approved(self.go, &question)? {
            output::note("nothing was done");
            return Ok(Exit::Error);
        }
        let words = Words {
            done: "restored; every name server of the zone has it",
            partly: "what was restored stays; run the same command for the rest",
        };
        // Only what was shown is done.
        let again = async |purpose| {
            let (again, _) = self.compare(purpose).await?;
            if again.step_digests() != plan.step_digests() {
                bail!(
                    "the zone changed since the changes were shown; nothing was done, run it again"
                );
            }
            Ok(Again {
                plan: again,
                history: Vec::new(),
            })
        };
        carry_out(self.session, self.go, &plan, &words, again).await
    }

    /// The zone as it is, and what is to be done.
    async fn compare(&self, purpose: Purpose) -> anyhow::Result<(Plan, Restore)> {
        let desired = &self.session.desired;
        let snapshot = self.session.snapshot(Records::All, purpose).await?;
        let zone = zone(&snapshot)?;
        let ttls = &snapshot.ttls;
        let restore = restore::compare(&desired.domain, &self.file, zone, ttls, self.extra);
        let op = (!restore.edits.is_empty()).then(|| Op::EditRecords {
            zone: Arg::Known(zone.id.clone()),
            edits: restore.edits.clone(),
        });
        Ok((
            edit::plan(desired, &snapshot, "restore-records", op),
            restore,
        ))
    }

    fn show(&self, restore: &Restore) -> anyhow::Result<()> {
        let (add, change, delete) = restore.counts();
        if self.go.json {
            let names = |(name, rtype): &(String, String)| format!("{name} {rtype}");
            let value = json!({
                "type": "restore",
                "add": add,
                "change": change,
                "delete": delete,
                "alike": restore.alike,
                "route53s_own": self.file.left,
                "extra": restore.extra.iter().map(names).collect::<Vec<_>>(),
                "held": restore.held,
                "lowered": restore.lowered,
                "refusals": restore.refusals,
                "diff": restore.diff().lines().collect::<Vec<_>>(),
            });
            output::line(&serde_json::to_string(&value)?);
            return Ok(());
        }
        output::text(&restore.diff());
        for name in &restore.held {
            output::note(&format!(
                "note: {name} is held by an instance whose mark is not the file's; it stays as it is"
            ));
        }
        if restore.lowered > 0 {
            output::note(&format!(
                "note: {} record sets are as in the file but for their TTLs, which are lowered while the zone is being \
                 signed; they go back by themselves",
                restore.lowered
            ));
        }
        if !restore.extra.is_empty() {
            output::note(&format!(
                "note: {} record sets of the zone are not in the file and stay; --delete-extra deletes them",
                restore.extra.len()
            ));
        }
        if self.file.left > 0 {
            output::note(&format!(
                "note: {} records of the file are Route 53's own to make and are left out",
                self.file.left
            ));
        }
        output::line(&if restore.edits.is_empty() {
            format!(
                "No changes. {} record sets are as in the file.",
                restore.alike
            )
        } else {
            format!(
                "Restore: {add} to add, {change} to change, {delete} to delete; {} are alike.",
                restore.alike
            )
        });
        Ok(())
    }
}
