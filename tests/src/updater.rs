//! The updater's code for tests that plan or apply whole stacks: compiled once by the binary under
//! test, and then named to every run, so that no test waits for a compiler or differs by machine.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use spore_infra::stack::Architecture;
use spore_infra::updater::{Bootstrap, Host, UpdaterSource};

use crate::binary;

/// The variable that names it to a run.
pub const VARIABLE: &str = "SPORE_UPDATER_ZIP";

/// The zip: `SPORE_UPDATER_ZIP`, else what `spore-infra updater build` makes here.
///
/// # Panics
/// When it cannot be built.
pub fn zip() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match env::var_os(VARIABLE) {
        Some(named) => named.into(),
        None => {
            let out = binary::path().with_file_name("updater-for-tests.zip");
            let built = Command::new(binary::path())
                .args(["updater", "build", "--out"])
                .arg(&out)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&built.stderr);
            assert!(built.status.success(), "updater build: {said}");
            out
        }
    })
}

/// The executable in it.
pub fn bootstrap() -> Arc<Bootstrap> {
    static FOUND: OnceLock<Arc<Bootstrap>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let host = Host {
            executable: None,
            directory: env::current_dir().unwrap(),
            variables: Default::default(),
        };
        let source = UpdaterSource::new(host, Architecture::X86_64);
        Arc::new(source.given(Some(zip().to_owned())).build().unwrap())
    });
    found.clone()
}
