//! The lock file `plans/NAME.updater.lock`: the one bootstrap that a stack may run.
//!
//! A compiler's or linker's version can change a bootstrap between machines. Where a lock file lies
//! beside the document, whatever is not exactly the pinned executable is refused, so what was reviewed
//! is what runs. A stack without one takes what [`super::UpdaterSource`] finds.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Bootstrap, Error, Mismatch, Origin, word};

/// The format's version.
const VERSION: u32 = 1;

/// What a lock file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    version: u32,
    /// SHA-256 of the executable, in hex.
    pub bootstrap_sha256: String,
    /// The processor it is for, for people: the digest says it as well.
    pub architecture: String,
    /// The version of this tool that wrote the file.
    pub tool_version: String,
    /// The compiler, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rustc: Option<String>,
}

/// The lock file of a stack document: beside it, `.toml` replaced by `.updater.lock`.
pub fn lock_path(stack: &Path) -> PathBuf {
    stack.with_extension("updater.lock")
}

impl Lock {
    /// A lock on a bootstrap.
    pub fn on(bootstrap: &Bootstrap) -> Self {
        Self {
            version: VERSION,
            bootstrap_sha256: bootstrap.sha256.clone(),
            architecture: word(bootstrap.image.architecture).to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            rustc: match &bootstrap.origin {
                Origin::Checkout { rustc, .. } => Some(rustc.clone()),
                Origin::Given(_) | Origin::Release(_) => None,
            },
        }
    }

    /// Reads a lock file; `None` if there is none.
    ///
    /// # Errors
    /// When it is there but cannot be read or understood: it would be unsafe to go on as if it were not
    /// there.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = path.to_path_buf();
                return Err(Error::Io { path, source });
            }
        };
        let wrong = |what: String| Error::Lock {
            path: path.to_path_buf(),
            what,
        };
        let lock: Self =
            toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        if lock.version != VERSION {
            let what = format!("is of version {}, not {VERSION}", lock.version);
            return Err(wrong(what));
        }
        let digest = &lock.bootstrap_sha256;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digest.len() != 64 || !digest.bytes().all(is_hex) {
            return Err(wrong(format!(
                "bootstrap-sha256 {digest:?} is not a SHA-256 in hex"
            )));
        }
        Ok(Some(lock))
    }

    /// Writes a lock file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = toml::to_string(self).expect("numbers and strings can be written as TOML");
        let text = format!(
            "# The updater's executable that this stack may run; any other is refused.\n\
             # Written by `spore-infra updater build --lock`.\n{text}"
        );
        replace(path, text.as_bytes())
    }

    /// Lets the pinned bootstrap pass.
    ///
    /// # Errors
    /// When it is another one.
    pub fn judge(&self, at: &Path, bootstrap: Bootstrap) -> Result<Bootstrap, Error> {
        if self.bootstrap_sha256 == bootstrap.sha256 {
            return Ok(bootstrap);
        }
        Err(Error::Mismatch(Box::new(Mismatch {
            origin: bootstrap.origin,
            found: bootstrap.sha256,
            lock: at.to_path_buf(),
            pinned: self.bootstrap_sha256.clone(),
        })))
    }
}

/// Replaces a file in one step, so that nobody ever reads half of it.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&fresh, path))
        .inspect_err(|_| {
            // What is left is only a fresh file of our own; the first error is the one that counts.
            let _ = fs::remove_file(&fresh);
        })
        .map_err(failed)
}
