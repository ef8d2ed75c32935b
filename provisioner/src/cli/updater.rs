//! `updater build`, and what of this machine a search for the updater's code depends on.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::stack::{self, Document};
use super::{Code, Exit, output, variable};
use crate::stack::Architecture;
use crate::updater::{
    self, Bootstrap, Host, Lock, Origin, UpdaterSource, VARIABLES, Zip, lock_path, word,
};

/// The updater's code for a stack, judged by the lock file beside its document.
pub fn source(document: &Document, code: &Code) -> anyhow::Result<UpdaterSource> {
    let architecture = document.stack.updater.architecture;
    Ok(UpdaterSource::new(host()?, architecture)
        .given(code.given())
        .locked_by(lock_path(&document.path)))
}

fn host() -> anyhow::Result<Host> {
    Ok(Host {
        // Not knowing its own file, the program still finds a checkout around the current directory.
        executable: env::current_exe().ok(),
        directory: env::current_dir().context("the current directory")?,
        variables: VARIABLES
            .into_iter()
            .filter_map(|name| Some((name, OsString::from(variable(name)?))))
            .collect(),
    })
}

/// `updater build`.
pub fn build(
    named: Option<PathBuf>,
    out: Option<PathBuf>,
    zone_id: Option<&str>,
    lock: bool,
    code: &Code,
) -> anyhow::Result<Exit> {
    let document = match named {
        None if !lock => None,
        // A lock belongs to a stack.
        named => match stack::read(&stack::find(named)?)? {
            Some(document) => Some(document),
            None => return Ok(Exit::Error),
        },
    };
    let source = match &document {
        // What is about to be pinned is not judged by what was pinned before.
        Some(document) if lock => {
            UpdaterSource::new(host()?, document.stack.updater.architecture).given(code.given())
        }
        Some(document) => source(document, code)?,
        None => UpdaterSource::new(host()?, own_architecture()?).given(code.given()),
    };
    let bootstrap = match source.found()? {
        Some(bootstrap) => bootstrap,
        None => {
            output::note("compiling the updater, which takes about a minute");
            source.build()?
        }
    };
    let zip = match (&document, zone_id) {
        (Some(document), Some(zone_id)) => {
            let config = updater::config(&document.stack).json(zone_id);
            updater::package(&bootstrap, &config)?
        }
        (Some(_) | None, Some(_) | None) => bootstrap.bare(),
    };
    if let Some(out) = &out {
        updater::replace(out, &zip.bytes)?;
    }
    output::text(&report(&bootstrap, &zip, out.as_deref()));
    if document.is_some() && zone_id.is_none() {
        output::note(
            "this zip holds bootstrap alone; for CodeSha256 of the stack's function give --zone-id ID",
        );
    }
    if let (Some(document), true) = (&document, lock) {
        let path = lock_path(&document.path);
        Lock::on(&bootstrap).write(&path)?;
        output::note(&format!("wrote {}; commit it", path.display()));
    }
    Ok(Exit::Done)
}

/// What was built, one fact on a line, so that two machines' outputs can be compared.
fn report(bootstrap: &Bootstrap, zip: &Zip, out: Option<&Path>) -> String {
    let glibc = match bootstrap.image.glibc {
        Some(version) => version.to_string(),
        None => "none".to_owned(),
    };
    let mut facts = vec![
        ("bootstrap", bootstrap.origin.to_string()),
        (
            "architecture",
            word(bootstrap.image.architecture).to_owned(),
        ),
        ("glibc", glibc),
        ("bytes", bootstrap.size.to_string()),
        ("sha256", bootstrap.sha256.clone()),
    ];
    if let Origin::Checkout { sources, rustc, .. } = &bootstrap.origin {
        facts.push(("sources", sources.clone()));
        facts.push(("compiler", rustc.clone()));
    }
    facts.extend([
        (
            "zip",
            out.map_or_else(
                || "not written (--out)".to_owned(),
                |out| out.display().to_string(),
            ),
        ),
        ("zip bytes", zip.bytes.len().to_string()),
        ("zip sha256", zip.sha256_hex.clone()),
        ("CodeSha256", zip.code_sha256.clone()),
    ]);
    let mut text = String::new();
    for (name, value) in facts {
        text.push_str(&format!("{name:<13} {value}\n"));
    }
    text
}

/// The processor of this machine, for who builds without a stack.
fn own_architecture() -> anyhow::Result<Architecture> {
    match env::consts::ARCH {
        "aarch64" => Ok(Architecture::Arm64),
        "x86_64" => Ok(Architecture::X86_64),
        other => bail!(
            "Lambda has no functions for this machine's processor, {other}; name a stack document and \
             give --updater-zip FILE"
        ),
    }
}
