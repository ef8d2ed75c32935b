//! Where the bootstrap comes from: a zip that was named, else the zip beside the executable, else a
//! checkout. Decides which; judges what it finds; never looks further after a find that is unfit,
//! since then somebody's intention would be passed over in silence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cargo::Checkout;
use super::lock::Lock;
use super::{Bootstrap, Error, Origin, word};
use crate::stack::Architecture;

/// What of the machine a search depends on. The command line fills it in; nothing here reads the
/// environment.
#[derive(Debug, Clone)]
pub struct Host {
    /// This program's own file.
    pub executable: Option<PathBuf>,
    /// The current directory.
    pub directory: PathBuf,
    /// Those of [`VARIABLES`] that are set.
    pub variables: BTreeMap<&'static str, OsString>,
}

/// The only variables that a compilation sees: where programs, their files and the registry are. What
/// else is set, such as RUSTFLAGS or CC, would change the bytes.
pub const VARIABLES: [&str; 15] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "CARGO_NET_OFFLINE",
    "CARGO_HTTP_CAINFO",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// Finds or compiles the updater for one processor, and judges it by a lock file.
#[derive(Debug, Clone)]
pub struct UpdaterSource {
    host: Host,
    architecture: Architecture,
    given: Option<PathBuf>,
    lock: Option<PathBuf>,
}

impl UpdaterSource {
    /// A source for a processor.
    pub fn new(host: Host, architecture: Architecture) -> Self {
        Self {
            host,
            architecture,
            given: None,
            lock: None,
        }
    }

    /// The zip named with `--updater-zip`: nothing else is looked at.
    #[must_use]
    pub fn given(mut self, zip: Option<PathBuf>) -> Self {
        self.given = zip;
        self
    }

    /// The lock file, which need not exist.
    #[must_use]
    pub fn locked_by(mut self, lock: PathBuf) -> Self {
        self.lock = Some(lock);
        self
    }

    /// The bootstrap, if it is there without compiling. `None` means that [`Self::build`] can compile
    /// it: a plan shows `built at apply`.
    ///
    /// # Errors
    /// When what was found is unfit or not the locked one, or when neither this nor [`Self::build`]
    /// has anything to go on.
    pub fn found(&self) -> Result<Option<Bootstrap>, Error> {
        let lock = self.lock()?;
        let found = match self.zip()? {
            Some(bootstrap) => Some(bootstrap),
            None => self.checkout()?.cached(&self.host, self.architecture)?,
        };
        found.map(|found| self.judge(lock, found)).transpose()
    }

    /// The bootstrap, compiled if need be. It blocks for as long as cargo takes: about a minute at
    /// first.
    ///
    /// # Errors
    /// As [`Self::found`], and when it cannot be compiled.
    pub fn build(&self) -> Result<Bootstrap, Error> {
        let lock = self.lock()?;
        let bootstrap = match self.zip()? {
            Some(bootstrap) => bootstrap,
            None => {
                let checkout = self.checkout()?;
                match checkout.cached(&self.host, self.architecture)? {
                    Some(bootstrap) => bootstrap,
                    None => checkout.compile(&self.host, self.architecture)?,
                }
            }
        };
        self.judge(lock, bootstrap)
    }

    fn lock(&self) -> Result<Option<(&Path, Lock)>, Error> {
        let Some(path) = &self.lock else {
            return Ok(None);
        };
        Ok(Lock::read(path)?.map(|lock| (path.as_path(), lock)))
    }

    fn judge(&self, lock: Option<(&Path, Lock)>, bootstrap: Bootstrap) -> Result<Bootstrap, Error> {
        match lock {
            Some((path, lock)) => lock.judge(path, bootstrap),
            None => Ok(bootstrap),
        }
    }

    /// The zip that was given, or that lies beside the executable.
    fn zip(&self) -> Result<Option<Bootstrap>, Error> {
        if let Some(path) = &self.given {
            let bytes = fs::read(path).map_err(|source| failed(path, source))?;
            let origin = Origin::Given(path.clone());
            return Bootstrap::in_zip(&bytes, path, origin, self.architecture).map(Some);
        }
        let Some(folder) = self.host.executable.as_deref().and_then(Path::parent) else {
            return Ok(None);
        };
        let path = folder.join(self.zip_name());
        match fs::read(&path) {
            Ok(bytes) => {
                let origin = Origin::Release(path.clone());
                Bootstrap::in_zip(&bytes, &path, origin, self.architecture).map(Some)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&path, source)),
        }
    }

    fn checkout(&self) -> Result<Checkout, Error> {
        let beside = self.host.executable.as_deref().and_then(Path::parent);
        beside
            .into_iter()
            .chain([self.host.directory.as_path()])
            .find_map(Checkout::above)
            .ok_or_else(|| Error::Nowhere {
                zip: self.zip_name(),
            })
    }

    fn zip_name(&self) -> String {
        format!("spore-updater-{}.zip", word(self.architecture))
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}
