//! Plan files: what was approved, and what it was built on.
//!
//! A plan file is JSON (mode 0600), versioned, with a digest per step and over the whole. Applying it
//! plans again: every step of the new plan must be in the file (some may be done already), and what
//! the remaining steps were built on must not have moved.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::date;
use crate::addr::Addr;
use crate::cli::stack::Document;
use crate::plan::{Plan, hex};
use crate::render::{self, PLAN_FORMAT};

/// What is read back of a plan file.
#[derive(Debug, Clone, Deserialize)]
pub struct PlanFile {
    format: u32,
    tool_version: String,
    /// Path of the stack document.
    pub stack: PathBuf,
    document: String,
    built_on: BTreeMap<String, BTreeMap<String, String>>,
    step_digests: BTreeMap<String, String>,
    goal: serde_json::Value,
    seal: String,
}

impl PlanFile {
    /// Writes a plan.
    pub fn write(path: &Path, plan: &Plan, document: &Document) -> anyhow::Result<()> {
        let stack = document.path.display().to_string();
        let mut value = render::plan_json(plan, &stack, &document.text);
        let seal = seal(&value)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("seal".into(), seal.into());
        }
        let text = format!("{}\n", serde_json::to_string_pretty(&value)?);
        // Written beside and renamed: an older plan file is replaced whole or not at all.
        let beside = path.with_extension("tmp");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .with_context(|| beside.display().to_string())?;
        file.write_all(text.as_bytes())
            .with_context(|| beside.display().to_string())?;
        std::fs::rename(&beside, path).with_context(|| path.display().to_string())
    }

    /// Reads a plan file that nobody altered.
    pub fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let name = path.display();
        let mut value: serde_json::Value =
            serde_json::from_str(text).with_context(|| format!("{name}: not a plan file"))?;
        let file: PlanFile = serde_json::from_value(value.clone())
            .with_context(|| format!("{name}: not a plan file of this tool"))?;
        if file.format != PLAN_FORMAT || file.tool_version != env!("CARGO_PKG_VERSION") {
            bail!(
                "{name}: written by spore-infra {} (format {}), this is {} (format {PLAN_FORMAT}); \
                 plan again",
                file.tool_version,
                file.format,
                env!("CARGO_PKG_VERSION")
            );
        }
        if let Some(object) = value.as_object_mut() {
            object.remove("seal");
        }
        if seal(&value)? != file.seal {
            bail!("{name}: was altered after it was written; plan again");
        }
        if file.goal != "converge" {
            bail!("{name}: only plans of `spore-infra plan` can be applied");
        }
        Ok(file)
    }

    /// Refuses when the document is not the one that was planned.
    pub fn check_document(&self, document: &Document) -> anyhow::Result<()> {
        if document.text != self.document {
            bail!(
                "{}: changed since it was planned; plan again",
                document.path.display()
            );
        }
        Ok(())
    }

    /// Refuses when live AWS moved in another way than by this plan's own steps.
    pub fn check(&self, now: &Plan) -> anyhow::Result<()> {
        let unknown: Vec<String> = now
            .step_digests()
            .into_iter()
            .filter(|(id, digest)| self.step_digests.get(id) != Some(digest))
            .map(|(id, _)| id)
            .collect();
        let touched = |addr: &Addr| {
            let prefix = format!("{addr}:");
            self.step_digests.keys().any(|id| id.starts_with(&prefix))
        };
        let moved: BTreeMap<Addr, BTreeMap<String, String>> = now
            .built_on
            .iter()
            .filter(|(addr, _)| !touched(addr))
            .map(|(addr, attributes)| (addr.clone(), attributes.clone()))
            .collect();
        let before: BTreeMap<Addr, BTreeMap<String, String>> = moved
            .keys()
            .map(|addr| {
                let attributes = self
                    .built_on
                    .get(&addr.to_string())
                    .cloned()
                    .unwrap_or_default();
                (addr.clone(), attributes)
            })
            .collect();
        if unknown.is_empty() && before == moved {
            return Ok(());
        }
        let mut what = moved_text(&before, &moved);
        if !unknown.is_empty() {
            what.push(format!(
                "steps that were not approved: {}",
                unknown.join(", ")
            ));
        }
        bail!(
            "live AWS moved since the plan was made: {}; plan again",
            what.join("; ")
        )
    }
}

/// What moved between two readings, by attribute name.
pub fn moved(
    before: &BTreeMap<Addr, BTreeMap<String, String>>,
    after: &BTreeMap<Addr, BTreeMap<String, String>>,
) -> String {
    let texts = moved_text(before, after);
    if texts.is_empty() {
        "what is needed to be done".to_owned()
    } else {
        texts.join("; ")
    }
}

fn moved_text(
    before: &BTreeMap<Addr, BTreeMap<String, String>>,
    after: &BTreeMap<Addr, BTreeMap<String, String>>,
) -> Vec<String> {
    let mut texts = Vec::new();
    for (addr, now) in after {
        let none = BTreeMap::new();
        let then = before.get(addr).unwrap_or(&none);
        let names = then
            .keys()
            .chain(now.keys().filter(|key| !then.contains_key(*key)));
        for name in names {
            let (was, is) = (then.get(name), now.get(name));
            if was != is {
                let shown =
                    |value: Option<&String>| value.map_or("nothing", |v| v.as_str()).to_owned();
                texts.push(format!(
                    "{addr} {name} was {} and is {}",
                    shown(was),
                    shown(is)
                ));
            }
        }
    }
    texts
}

fn seal(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(hex(&Sha256::digest(serde_json::to_string(value)?)))
}

/// A name for a zone file that says when it was written.
pub fn unused(domain: &str, now: Timestamp) -> PathBuf {
    PathBuf::from(format!("{domain}.{}.zone", date(now)))
}

/// Writes a file that must not exist yet, down to the disk.
pub fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = || path.display().to_string();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(name)?;
    file.write_all(text.as_bytes()).with_context(name)?;
    file.sync_all().with_context(name)
}
