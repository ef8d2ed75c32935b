//! Where the binary under test is, and that it is the one the sources give.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;
use std::{env, fs};

/// The path of `spore-infra`: `SPORE_INFRA_BIN`, else the workspace's release build.
///
/// # Panics
/// With a word on what to do, when it is missing or older than a source it is made of.
pub fn path() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| found("SPORE_INFRA_BIN", "spore-infra", "-p spore-infra"))
}

/// The path of `spore-register`, the program on the instances: `SPORE_REGISTER_BIN`, else the workspace's
/// release build.
///
/// # Panics
/// With a word on what to do, when it is missing or older than a source it is made of.
pub fn register() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let package = "-p spore-updater --features register";
        found("SPORE_REGISTER_BIN", "spore-register", package)
    })
}

/// The Python interpreter itself. What `python3` is may depend on a home and an environment that commands of
/// tests do not have.
///
/// # Panics
/// When there is none.
pub fn python() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut command = Command::new("python3");
        command.args(["-c", "import sys; print(sys.executable)"]);
        let said = command.output().expect("python3 is installed").stdout;
        PathBuf::from(String::from_utf8_lossy(&said).trim())
    })
}

fn found(variable: &str, name: &str, package: &str) -> PathBuf {
    match env::var_os(variable) {
        Some(named) => {
            let named = PathBuf::from(named);
            assert!(
                named.is_file(),
                "{variable}: {}: no such file",
                named.display()
            );
            named
        }
        None => built(name, package),
    }
}

fn built(name: &str, package: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let binary = target.join("release").join(name);
    let build = format!("build it with: cargo build --release {package}");
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let Some(built_at) = changed(&binary) else {
        panic!("{} is missing; {build}", binary.display());
    };
    for source in sources(&binary.with_extension("d")) {
        if changed(&source).is_some_and(|at: SystemTime| at > built_at) {
            panic!(
                "{} is older than {}; {build}",
                binary.display(),
                source.display()
            );
        }
    }
    binary
}

/// The files that cargo says a binary is made of: `BINARY: FILE FILE ...`, blanks escaped.
fn sources(dep_info: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(dep_info).unwrap_or_default();
    let files = text.split_once(": ").map_or("", |(_, files)| files);
    files
        .replace("\\ ", "\0")
        .split_whitespace()
        .map(|file| PathBuf::from(file.replace('\0', " ")))
        .collect()
}
