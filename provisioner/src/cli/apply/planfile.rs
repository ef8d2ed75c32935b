//! Plan files: what was approved, and what it was built on.
//!
//! A plan file is JSON (mode 0600), versioned, with a digest per step and over the whole. Applying it
//! plans again: every step of the new plan must be in the file (some may be done already), and what
//! the remaining steps were built on must not have moved.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::approval::{differing, moved_text};
use super::date;
use crate::addr::{Addr, Kind};
use crate::cli::stack::Document;
use crate::plan::{Change, Plan, Symbol, hex};
use crate::render::{self, PLAN_FORMAT};

/// What is read back of a plan file.
#[derive(Debug, Clone, Deserialize)]
pub struct PlanFile {
    format: u32,
    tool_version: String,
    /// Path of the stack document.
    pub stack: PathBuf,
    document: String,
    changes: Vec<Planned>,
    built_on: BTreeMap<String, BTreeMap<String, String>>,
    step_digests: BTreeMap<String, String>,
    goal: serde_json::Value,
    /// SHA-256 of the updater's bootstrap; none: built at apply.
    pub updater: Option<String>,
    seal: String,
}

impl PlanFile {
    /// Whether the attribute is evidence of the journal's that the plan writes or drops for another resource, as
    /// its change there says, and a plan made now has nothing more to do with.
    fn notes(&self, addr: &Addr, attribute: &str, now: &Plan) -> bool {
        let mut planned = self.changes.iter().flat_map(|change| &change.fields);
        let mut left = now.changes.iter().flat_map(|change| &change.fields);
        addr.kind() == Kind::JournalGroup
            && planned.any(|field| field.name == attribute)
            && !left.any(|field| field.name == attribute)
    }
}

/// What the plan does to one resource.
#[derive(Debug, Clone, Deserialize)]
struct Planned {
    address: String,
    symbol: String,
    fields: Vec<PlannedField>,
}

#[derive(Debug, Clone, Deserialize)]
struct PlannedField {
    name: String,
}

impl Planned {
    /// Whether the plan accounts for another value of an attribute: it makes the resource, whose steps
    /// still to come are approved each by itself; or it changes the attribute, and to a plan made now
    /// (`left`) nothing is left to change about it, so that it is as the document wants it.
    fn produces(&self, attribute: &str, left: Option<&Change>) -> bool {
        let is_planned = self
            .fields
            .iter()
            .any(|field| concerns(&field.name, attribute));
        let is_left = left.is_some_and(|change| {
            change
                .fields
                .iter()
                .any(|field| concerns(&field.name, attribute))
        });
        self.symbol == Symbol::Create.sign() || (is_planned && !is_left)
    }
}

/// Whether a field of a change is about an attribute: attributes of one of several parts have that
/// part's name before the field's (`NAME.status`).
fn concerns(field: &str, attribute: &str) -> bool {
    let is_part = |part: &str| {
        part.strip_suffix(field)
            .is_some_and(|name| name.ends_with('.'))
    };
    attribute == field || (!attribute.starts_with("tags.") && is_part(attribute))
}

impl PlanFile {
    /// Writes a plan.
    pub fn write(
        path: &Path,
        plan: &Plan,
        document: &Document,
        updater: Option<String>,
    ) -> anyhow::Result<()> {
        let stack = document.path.display().to_string();
        let mut value = render::plan_json(plan, &stack, &document.text);
        if let Some(object) = value.as_object_mut() {
            object.insert("updater".into(), updater.into());
        }
        let seal = seal(&value)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("seal".into(), seal.into());
        }
        let text = format!("{}\n", serde_json::to_string_pretty(&value)?);
        let name = || path.display().to_string();
        // Written beside and renamed: an older plan file is replaced whole or not at all.
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let mut beside =
            NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(name)?;
        beside.write_all(text.as_bytes()).with_context(name)?;
        beside.persist(path).with_context(name)?;
        Ok(())
    }

    /// Refuses a place where a plan would take that of something else.
    pub fn check_place(path: &Path) -> anyhow::Result<()> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            read => read.with_context(|| path.display().to_string())?,
        };
        let is_plan = serde_json::from_slice::<PlanFile>(&text).is_ok();
        if !is_plan {
            bail!(
                "{} exists and is no plan file; it is left as it is, name another one for the plan",
                path.display()
            );
        }
        Ok(())
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

    /// Refuses when live AWS moved in another way than by this plan's own steps: each attribute has the
    /// value that the plan was built on, or the one it produces.
    pub fn check(&self, now: &Plan) -> anyhow::Result<()> {
        let unknown: Vec<String> = now
            .step_digests()
            .into_iter()
            .filter(|(id, digest)| self.step_digests.get(id) != Some(digest))
            .map(|(id, _)| id)
            .collect();
        let none = BTreeMap::new();
        let mut what = Vec::new();
        for (addr, is) in &now.built_on {
            let name = addr.to_string();
            let was = self.built_on.get(&name).unwrap_or(&none);
            let planned = self.changes.iter().find(|change| change.address == name);
            let left = now.changes.iter().find(|change| change.addr == *addr);
            for attribute in differing(was, is) {
                let is_produced = planned.is_some_and(|planned| planned.produces(attribute, left));
                if !is_produced && !self.notes(addr, attribute, now) {
                    what.push(moved_text(addr, attribute, was, is));
                }
            }
        }
        if unknown.is_empty() && what.is_empty() {
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::kind::kms_key::Live;
    use crate::plan;
    use crate::snapshot::{Observation, Snapshot};

    fn with_key(edit: impl FnOnce(&mut Live)) -> Snapshot {
        let mut snapshot = fixture::applied();
        if let Observation::Present(key) = &mut snapshot.kms_key {
            edit(key);
        }
        snapshot
    }

    fn file_of(snapshot: &Snapshot) -> PlanFile {
        let plan = plan::converge(&fixture::desired(), snapshot);
        let mut value = render::plan_json(&plan, "stack.toml", "");
        value["seal"] = "".into();
        serde_json::from_value(value).expect("a plan file of this tool")
    }

    fn check(file: &PlanFile, now: &Snapshot) -> Result<(), String> {
        let plan = plan::converge(&fixture::desired(), now);
        file.check(&plan).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_those_before_or_those_the_plan_produces() {
        let open = |key: &mut Live| key.policy = key.policy.replace("kms:Sign", "kms:*");
        let before = with_key(|key| {
            key.state = "Disabled".into();
            open(key);
        });
        let file = file_of(&before);
        assert_eq!(check(&file, &before), Ok(()));
        // Resumed: some of it is done, or all.
        assert_eq!(check(&file, &with_key(open)), Ok(()));
        assert_eq!(check(&file, &fixture::applied()), Ok(()));
        // The same step would replace another policy than the one that was reviewed.
        let other = with_key(|key| key.policy = key.policy.replace("kms:Sign", "kms:Decrypt"));
        let refused = check(&file, &other).expect_err("another policy");
        assert!(refused.contains("kms_key/ksk policy was "), "{refused}");
        // What the plan does not change must not have moved.
        let tagged = with_key(|key| {
            key.tags.insert("owner".into(), "somebody".into());
        });
        let refused = check(&file, &tagged).expect_err("another tag");
        assert!(
            refused.contains("tags.owner was nothing and is somebody"),
            "{refused}"
        );
    }

    #[test]
    fn a_plan_from_empty_is_resumed_from_any_part_of_it() {
        let file = file_of(&fixture::empty());
        assert_eq!(check(&file, &fixture::applied()), Ok(()));
        let mut partly = fixture::applied();
        partly.dnssec = Observation::Absent;
        assert_eq!(check(&file, &partly), Ok(()));
        // But what has to be done differently by now was not approved.
        let refused = check(&file, &with_key(|key| key.state = "Disabled".into()));
        assert!(refused.expect_err("no such step").contains("not approved"));
    }

    #[test]
    fn a_plan_that_waits_for_old_ttls_is_resumed_when_they_have_run_out() {
        let file = file_of(&fixture::in_use());
        let low = fixture::low_since("2026-11-19T10:00:00Z");
        assert_eq!(check(&file, &fixture::in_use()), Ok(()));
        assert_eq!(check(&file, &low), Ok(()));
        // Another memory than the plan's own would be somebody else's.
        let file = file_of(&fixture::applied());
        assert!(check(&file, &low).is_err());
    }

    #[test]
    fn a_field_is_about_the_attribute_of_its_name_or_of_its_part() {
        for (field, attribute, expected) in [
            ("status", "status", true),
            ("status", "spore_1.status", true),
            ("status", "spore_1.kms-key", false),
            ("policy", "tags.policy", false),
            ("tags.policy", "tags.policy", true),
            ("policy", "my-policy", false),
        ] {
            assert_eq!(concerns(field, attribute), expected, "{field} {attribute}");
        }
    }
}
