//! The updater's code for tests that plan or apply whole stacks: compiled once by the binary under
//! test, and then named to every run, so that no test waits for a compiler or differs by machine.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use spore_infra::stack::Architecture;
use spore_infra::updater::{Bootstrap, Origin};

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

/// A program that could be the updater's and does nothing, for tests in which nobody calls it: most of
/// the time of a plan with the real one goes into reading it.
///
/// # Panics
/// When this is not such a program.
pub fn stand_in() -> Arc<Bootstrap> {
    static MADE: OnceLock<Arc<Bootstrap>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let origin = Origin::Given("stand-in".into());
        Arc::new(Bootstrap::new(&smallest(), origin, Architecture::X86_64).unwrap())
    });
    made.clone()
}

/// The zip of [`stand_in`].
///
/// # Panics
/// When it cannot be written.
pub fn stand_in_zip() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = binary::path().parent().unwrap();
        let file = folder.join("stand-in-updater.zip");
        // Several test programs may be at it.
        let mut new = tempfile::NamedTempFile::new_in(folder).unwrap();
        new.write_all(&stand_in().bare().bytes).unwrap();
        new.persist(&file).unwrap();
        file
    })
}

/// A static executable for x86-64 that exits with 0 (System V ABI, chapters 4 and 5).
fn smallest() -> Vec<u8> {
    const AT: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // mov eax, 60 (exit); xor edi, edi; syscall
    let code = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
    let size = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    // File header: ET_EXEC, EM_X86_64, version, entry, program headers, no sections.
    put(&2_u16.to_le_bytes());
    put(&62_u16.to_le_bytes());
    put(&1_u32.to_le_bytes());
    for word in [AT + HEADERS, 64, 0] {
        put(&word.to_le_bytes());
    }
    put(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        put(&half.to_le_bytes());
    }
    // Program header: PT_LOAD, to be read and executed.
    put(&1_u32.to_le_bytes());
    put(&5_u32.to_le_bytes());
    for word in [0, AT, AT, size, size, 0x1000] {
        put(&word.to_le_bytes());
    }
    put(&code);
    file
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_stand_in_is_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bootstrap");
        std::fs::write(&file, smallest()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Command::new(&file).status().unwrap().success());
    }
}
