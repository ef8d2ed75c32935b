//! The updater's code: where its compiled `bootstrap` comes from, what it must be before anything is
//! done with it, and the zip that Lambda gets.
//!
//! The zip holds two files, `bootstrap` and `spore.json`. The first is the same for every stack; the
//! second names the live zone, so a zip is only made once that is known. Hence two halves:
//! [`UpdaterSource`] finds or compiles a [`Bootstrap`], [`package`] makes it and a configuration into
//! a [`Zip`]. The second half is pure and byte-reproducible, so what Lambda calls CodeSha256 can be
//! compared in every plan.
//!
//! A bootstrap that Lambda could not start is never handed out: see [`Image`] for what is read from
//! the file itself.

mod archive;
mod cargo;
mod config;
mod elf;
mod lock;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use archive::{BOOTSTRAP, CONFIG, Zip, bare, package};
pub use config::{Config, config};
pub use elf::{Glibc, Image, Unfit};
pub use lock::{Lock, lock_path, replace};
pub use source::{Host, UpdaterSource, VARIABLES};

use crate::stack::Architecture;

/// The compiled updater, checked: Lambda can start it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The executable file's size in bytes.
    pub size: usize,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// What it needs to run.
    pub image: Image,
    /// Where it came from.
    pub origin: Origin,
    /// A zip with nothing else in it.
    bare: Vec<u8>,
}

/// Where a bootstrap came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The zip given with `--updater-zip`.
    Given(PathBuf),
    /// The zip beside the executable, as releases ship it.
    Release(PathBuf),
    /// Compiled from a checkout.
    Checkout {
        /// The folder of the workspace.
        root: PathBuf,
        /// The executable's zip in the checkout's own cache.
        path: PathBuf,
        /// Digest of sources, lock file, settings and toolchain, in hex.
        sources: String,
        /// The first line of `rustc -vV`.
        rustc: String,
    },
}

/// Why there is no bootstrap to use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder that cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not the zip it should be.
    #[error("{path}: {what}; make one with `spore-infra updater build --out {path}`")]
    Zip {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A zip that could not be written.
    #[error("the zip cannot be written: {0}")]
    Unwritten(String),
    /// An executable that Lambda could not start.
    #[error("{origin}: {unfit}")]
    Unfit {
        /// Where it came from.
        origin: Box<Origin>,
        /// Why not.
        unfit: Unfit,
    },
    /// Neither a zip nor a checkout.
    #[error(
        "the updater's code is not here: no {zip} beside the executable, and no checkout of \
         spore-infra above it or above the current directory; give --updater-zip FILE"
    )]
    Nowhere {
        /// The name of the zip that releases ship.
        zip: String,
    },
    /// A processor that this machine cannot compile for.
    #[error(
        "the updater for {} cannot be compiled on this machine ({host}): give a release's zip with \
         --updater-zip FILE, or set `architecture` in [updater] of the stack document",
        word(*.wanted)
    )]
    OtherMachine {
        /// The processor that was asked for.
        wanted: Architecture,
        /// This machine's system and processor.
        host: String,
    },
    /// A program that could not be run.
    #[error(
        "{program} cannot be run in {root}: {source}; install Rust from https://rustup.rs, or give \
         --updater-zip FILE"
    )]
    Program {
        /// Which.
        program: &'static str,
        /// Where.
        root: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program that failed.
    #[error("{program} failed in {root}:\n{said}")]
    Failed {
        /// Which.
        program: &'static str,
        /// Where.
        root: PathBuf,
        /// The end of what it said.
        said: String,
    },
    /// A lock file that cannot be understood.
    #[error("{path}: {what}; write it anew with `spore-infra updater build --lock`")]
    Lock {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A bootstrap that is not the locked one.
    #[error(
        "{origin}: has SHA-256 {found}, but {lock} pins {pinned}; give the zip that was locked with \
         --updater-zip FILE, or, if this is the code you reviewed, pin it with `spore-infra updater \
         build --lock`",
        origin = .0.origin, found = .0.found, lock = .0.lock.display(), pinned = .0.pinned
    )]
    Mismatch(Box<Mismatch>),
}

/// A bootstrap that is not the locked one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it came from.
    pub origin: Origin,
    /// Its SHA-256.
    pub found: String,
    /// The lock file.
    pub lock: PathBuf,
    /// The SHA-256 there.
    pub pinned: String,
}

impl Bootstrap {
    /// Judges an executable file.
    ///
    /// # Errors
    /// When Lambda could not start it on `wanted`.
    pub fn new(executable: &[u8], origin: Origin, wanted: Architecture) -> Result<Self, Error> {
        Self::judged(executable, origin, wanted, || {
            Ok(archive::bare(executable)?.bytes)
        })
    }

    /// Judges the executable in a zip.
    ///
    /// # Errors
    /// As [`Self::new`], and when the zip is not one of an updater.
    fn in_zip(
        zip: &[u8],
        path: &Path,
        origin: Origin,
        wanted: Architecture,
    ) -> Result<Self, Error> {
        let executable = archive::unpack(path, zip)?;
        Self::judged(&executable, origin, wanted, || {
            archive::bare_of(zip, &executable)
        })
    }

    fn judged(
        executable: &[u8],
        origin: Origin,
        wanted: Architecture,
        bare: impl FnOnce() -> Result<Vec<u8>, Error>,
    ) -> Result<Self, Error> {
        match Image::of(executable, wanted) {
            Ok(image) => Ok(Self {
                size: executable.len(),
                sha256: hex(&Sha256::digest(executable)),
                image,
                origin,
                bare: bare()?,
            }),
            Err(unfit) => Err(Error::Unfit {
                origin: Box::new(origin),
                unfit,
            }),
        }
    }

    /// The executable file, unpacked.
    ///
    /// # Errors
    /// When the zip cannot be read, which would be a mistake in this program.
    pub fn executable(&self) -> Result<Vec<u8>, Error> {
        archive::unpack(Path::new(BOOTSTRAP), &self.bare)
    }

    /// The zip that releases ship, with the executable alone: the same for every stack.
    pub fn bare(&self) -> Zip {
        Zip::new(self.bare.clone())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(path) | Self::Release(path) | Self::Checkout { path, .. } => {
                path.display().fmt(f)
            }
        }
    }
}

/// The word for a processor, in stack documents, file names and AWS's API (Lambda API, CreateFunction:
/// Architectures) alike.
pub fn word(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "arm64",
        Architecture::X86_64 => "x86_64",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
