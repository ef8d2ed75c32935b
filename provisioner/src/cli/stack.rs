//! `init` and `validate`, and reading the stack document for every other command.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::{Exit, output};
use crate::stack::{self, AccountId, DomainName, Stack};

/// A document that was read.
#[derive(Debug)]
pub struct Document {
    /// Its path as given.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it says.
    pub stack: Stack,
}

/// The document to work on: the one named, or the only one in `plans/`.
pub fn find(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path);
    }
    let mut found = Vec::new();
    if let Ok(entries) = fs::read_dir("plans") {
        for entry in entries.flatten() {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => bail!(
            "no stack document: name one, or write one with `spore-infra init DOMAIN --account ID`"
        ),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            bail!("several stack documents, name one: {}", names.join(", "))
        }
    }
}

/// Reads and checks a document; `None` after its problems have been printed.
pub fn read(path: &Path) -> anyhow::Result<Option<Document>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    if text.trim_start().starts_with('{') {
        bail!(
            "{0} is JSON, as plan files are, and no stack document; `spore-infra apply {0}` carries a plan out",
            path.display()
        );
    }
    // Files that it names are found beside it, by the parser.
    let file = |beside: &Path| fs::read_to_string(beside);
    match stack::parse(&path.display().to_string(), &text, &file) {
        Ok(stack) => Ok(Some(Document {
            path: path.to_path_buf(),
            text,
            stack,
        })),
        Err(problems) => {
            let report = stack::report(&path.display().to_string(), &text, &problems, true);
            output::note(&report);
            let count = problems.len();
            let word = if count == 1 { "problem" } else { "problems" };
            output::note(&format!("\n{}: {count} {word}", path.display()));
            Ok(None)
        }
    }
}

/// `validate`.
pub fn validate(named: Option<PathBuf>) -> anyhow::Result<Exit> {
    let path = find(named)?;
    Ok(match read(&path)? {
        Some(document) => {
            let domain = document.stack.domain.as_str();
            output::line(&format!("{}: valid (stack {domain})", path.display()));
            Exit::Done
        }
        None => Exit::Error,
    })
}

/// `init`: writes a new document; an existing one is never overwritten.
pub fn init(domain: &str, account: &str, instances: &[String]) -> anyhow::Result<Exit> {
    let domain: DomainName = domain
        .parse()
        .map_err(|refused| anyhow::anyhow!("{domain:?}: {refused}"))?;
    let own: AccountId = account
        .parse()
        .map_err(|refused| anyhow::anyhow!("--account {account:?}: {refused}"))?;
    let mut ids: Vec<String> = instances.to_vec();
    if ids.is_empty()
        && let Some(answer) = output::ask(&format!(
            "Which accounts hold instances that may have names? (ids, separated by blanks; empty: {account})"
        ))
    {
        ids = answer
            .split([' ', ','])
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
    }
    let mut accounts = Vec::new();
    for id in &ids {
        let id = id
            .parse()
            .map_err(|refused| anyhow::anyhow!("account {id:?}: {refused}"))?;
        accounts.push(id);
    }
    if accounts.is_empty() {
        accounts.push(own.clone());
    }
    let text = stack::initial(&domain, &own, &accounts);
    let path = PathBuf::from(format!("plans/{}.toml", domain.as_str()));
    fs::create_dir_all("plans").context("plans")?;
    let written = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = match written {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{}: exists already; it was left as it is", path.display())
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    file.write_all(text.as_bytes())
        .with_context(|| path.display().to_string())?;
    output::line(&format!("wrote {}", path.display()));
    output::note(&format!("next: spore-infra plan {}", path.display()));
    Ok(Exit::Done)
}
