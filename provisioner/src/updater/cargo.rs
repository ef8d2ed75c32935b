//! Compiling the updater from a checkout, the same byte for byte in every folder and for every user.
//!
//! Cargo runs with a clean environment, its own target directory, the lock file and settings of its
//! own; paths are mapped away. What comes out is kept under the digest of all that went in, so
//! that a plan knows the bootstrap without compiling. A build script could not do this: it would run
//! in whatever environment `cargo build` was called in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest as _, Sha256};

use super::archive::BOOTSTRAP;
use super::lock::replace;
use super::{Bootstrap, Error, Host, Origin, hex};
use crate::stack::Architecture;

/// The package that is compiled, and its folder in the workspace.
const PACKAGE: &str = "spore-updater";
const FOLDER: &str = "lambda";

/// The profile, named so that nobody mistakes what it gives for another build's.
const PROFILE: &str = "updater";

/// All of the profile, written out here and given on the command line, which a user's own cargo
/// configuration cannot change (The Cargo Book, "Configuration": hierarchy); Cargo.toml it could. Small,
/// since a cold start loads the file whole; unwinding, since a panic is to cost one answer, not the
/// process.
const PROFILE_SETTINGS: [&str; 12] = [
    "inherits=\"release\"",
    "opt-level=\"z\"",
    "lto=\"fat\"",
    "codegen-units=1",
    "strip=true",
    "debug=0",
    "panic=\"unwind\"",
    "debug-assertions=false",
    "overflow-checks=false",
    "incremental=false",
    "rpath=false",
    "split-debuginfo=\"off\"",
];

/// What else a user's own cargo configuration must not decide. Empty means none (The Cargo Book,
/// "Configuration": build.rustc-wrapper).
const OTHER_SETTINGS: [(&str, &str); 3] = [
    ("RUSTC", "rustc"),
    ("RUSTC_WRAPPER", ""),
    ("RUSTC_WORKSPACE_WRAPPER", ""),
];

/// Below the checkout, ignored by git; emptied by `cargo clean`.
const TARGET: &str = "target/updater";

/// Files of the workspace that decide, besides the package's own, what comes out.
const SETTINGS: [&str; 4] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    ".cargo/config.toml",
];

/// Separates the flags in CARGO_ENCODED_RUSTFLAGS (The Cargo Book, "Environment Variables").
const BETWEEN_FLAGS: &str = "\u{1f}";

/// A checkout of this project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    root: PathBuf,
}

/// What `rustc -vV` says.
struct Compiler {
    said: String,
}

impl Checkout {
    /// The checkout that a folder is in.
    pub(super) fn above(folder: &Path) -> Option<Self> {
        folder
            .ancestors()
            .find(|root| is_ours(root))
            .map(|root| Self {
                root: root.to_path_buf(),
            })
    }

    /// The bootstrap of exactly these sources, if it was compiled before.
    pub(super) fn cached(
        &self,
        host: &Host,
        wanted: Architecture,
    ) -> Result<Option<Bootstrap>, Error> {
        let compiler = self.compiler(host)?;
        compiler.must_compile_for(wanted)?;
        let sources = self.digest(&compiler, wanted)?;
        self.kept(&compiler, wanted, sources)
    }

    /// Compiles it.
    pub(super) fn compile(&self, host: &Host, wanted: Architecture) -> Result<Bootstrap, Error> {
        let compiler = self.compiler(host)?;
        compiler.must_compile_for(wanted)?;
        let sources = self.digest(&compiler, wanted)?;
        let target = self.root.join(TARGET);
        let triple = triple(wanted);
        let flags = self.flags(host, &compiler)?;
        let linker = format!("target.{triple}.linker=\"cc\"");
        let mut cargo = self.program("cargo", host);
        cargo
            .args([
                "build",
                "--locked",
                "--color",
                "never",
                "--package",
                PACKAGE,
            ])
            .args(["--bin", BOOTSTRAP, "--features", BOOTSTRAP])
            .args(["--profile", PROFILE, "--target", triple])
            .arg("--target-dir")
            .arg(&target)
            .args(["--config", &linker])
            .envs(OTHER_SETTINGS)
            .env("CARGO_ENCODED_RUSTFLAGS", flags);
        for setting in PROFILE_SETTINGS {
            cargo.args(["--config", &format!("profile.{PROFILE}.{setting}")]);
        }
        self.run("cargo", cargo)?;
        let built = target.join(triple).join(PROFILE).join(BOOTSTRAP);
        let bytes = fs::read(&built).map_err(failed(&built))?;
        if self.digest(&compiler, wanted)? != sources {
            return Err(Error::Failed {
                program: "cargo",
                root: self.root.clone(),
                said: "the sources were changed meanwhile; try again".to_owned(),
            });
        }
        let path = self.slot(&sources);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let bootstrap = Bootstrap::new(&bytes, self.origin(&compiler, sources), wanted)?;
        replace(&path, &bootstrap.bare)?;
        Ok(bootstrap)
    }

    fn kept(
        &self,
        compiler: &Compiler,
        wanted: Architecture,
        sources: String,
    ) -> Result<Option<Bootstrap>, Error> {
        let path = self.slot(&sources);
        match fs::read(&path) {
            Ok(zip) => {
                let origin = self.origin(compiler, sources);
                Bootstrap::in_zip(&zip, &path, origin, wanted).map(Some)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    /// Kept as releases ship it: compressing is most of a plan's work.
    fn slot(&self, sources: &str) -> PathBuf {
        self.root
            .join(TARGET)
            .join("built")
            .join(sources)
            .join(format!("{BOOTSTRAP}.zip"))
    }

    fn origin(&self, compiler: &Compiler, sources: String) -> Origin {
        Origin::Checkout {
            root: self.root.clone(),
            path: self.slot(&sources),
            sources,
            rustc: compiler.version(),
        }
    }

    fn compiler(&self, host: &Host) -> Result<Compiler, Error> {
        let mut rustc = self.program("rustc", host);
        rustc.arg("-vV");
        let said = self.run("rustc", rustc)?;
        Ok(Compiler { said })
    }

    /// Digest of everything that decides what comes out, but for the system's own linker and C
    /// library.
    fn digest(&self, compiler: &Compiler, wanted: Architecture) -> Result<String, Error> {
        let mut files = BTreeMap::new();
        for name in SETTINGS {
            let path = self.root.join(name);
            match fs::read(&path) {
                Ok(bytes) => drop(files.insert(PathBuf::from(name), bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path)(error)),
            }
        }
        self.sources(Path::new(FOLDER), &mut files)?;
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(bytes.len().to_string());
            hash.update(b"\n");
            hash.update(bytes);
        };
        add(compiler.said.as_bytes());
        add(triple(wanted).as_bytes());
        add(PROFILE_SETTINGS.join("\n").as_bytes());
        for (name, bytes) in &files {
            add(name.as_os_str().as_encoded_bytes());
            add(bytes);
        }
        Ok(hex(&hash.finalize()))
    }

    /// All files below a folder of the checkout.
    fn sources(&self, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), Error> {
        let folder = self.root.join(below);
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let name = below.join(entry.file_name());
            let path = entry.path();
            if path.is_dir() {
                self.sources(&name, files)?;
            } else {
                files.insert(name, fs::read(&path).map_err(failed(&path))?);
            }
        }
        Ok(())
    }

    /// Flags that take this machine's paths out of the file. They stand in for all other ways to set
    /// flags, a user's own cargo configuration included.
    fn flags(&self, host: &Host, compiler: &Compiler) -> Result<OsString, Error> {
        let mut rustc = self.program("rustc", host);
        rustc.args(["--print", "sysroot"]);
        let sysroot = PathBuf::from(self.run("rustc", rustc)?.trim_end());
        let mut paths = vec![
            (self.root.clone(), "/spore-infra".to_owned()),
            (
                // Where the component rust-src is installed, rustc names the standard library's files
                // by their paths here, elsewhere by this one.
                sysroot.join("lib/rustlib/src/rust"),
                format!(
                    "/rustc/{}",
                    compiler.field("commit-hash").unwrap_or_default()
                ),
            ),
        ];
        let cargo_home = match (host.variables.get("CARGO_HOME"), host.variables.get("HOME")) {
            (Some(home), Some(_) | None) => Some(PathBuf::from(home)),
            (None, Some(home)) => Some(Path::new(home).join(".cargo")),
            (None, None) => None,
        };
        paths.extend(cargo_home.map(|home| (home, "/cargo".to_owned())));
        // The last that fits wins (The rustc book, "Remap source paths"), so the longest comes last.
        paths.sort_by_key(|(path, _)| path.as_os_str().len());
        let mut flags = OsString::new();
        for (path, name) in paths {
            if !flags.is_empty() {
                flags.push(BETWEEN_FLAGS);
            }
            flags.push("--remap-path-prefix=");
            flags.push(path);
            flags.push("=");
            flags.push(name);
        }
        Ok(flags)
    }

    /// A program that runs in the checkout and sees nothing of the environment but what it needs.
    fn program(&self, name: &str, host: &Host) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(&self.root)
            .env_clear()
            .envs(&host.variables)
            .env("LC_ALL", "C")
            // A plan compiles nothing and downloads nothing.
            .env("RUSTUP_AUTO_INSTALL", "0");
        command
    }

    fn run(&self, program: &'static str, mut command: Command) -> Result<String, Error> {
        let output: Output = command.output().map_err(|source| Error::Program {
            program,
            root: self.root.clone(),
            source,
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.len().saturating_sub(LINES_MAX);
        Err(Error::Failed {
            program,
            root: self.root.clone(),
            said: lines[last..].join("\n"),
        })
    }
}

/// Enough to see the first error of one package.
const LINES_MAX: usize = 40;

impl Compiler {
    fn field(&self, name: &str) -> Option<&str> {
        self.said
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn version(&self) -> String {
        self.said.lines().next().unwrap_or_default().to_owned()
    }

    /// Another processor needs another linker and C library, which would have to be the right ones; a
    /// release's zip is the safer way.
    fn must_compile_for(&self, wanted: Architecture) -> Result<(), Error> {
        let host = self.field("host").unwrap_or_default();
        if host == triple(wanted) {
            return Ok(());
        }
        let host = host.to_owned();
        Err(Error::OtherMachine { wanted, host })
    }
}

/// The target's name in Rust.
fn triple(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
    }
}

/// Whether a folder is the root of this project's workspace.
fn is_ours(root: &Path) -> bool {
    let package = || {
        let text = fs::read_to_string(root.join(FOLDER).join("Cargo.toml")).ok()?;
        let manifest: toml::Table = text.parse().ok()?;
        let name = manifest.get("package")?.get("name")?.as_str()?;
        (name == PACKAGE).then_some(())
    };
    root.join("Cargo.lock").is_file() && package().is_some()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { path, source }
}
