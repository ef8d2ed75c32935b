//! Zips, written the same byte for byte wherever and whenever, and read back strictly.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::{Bootstrap, Error, hex};

/// The file that Lambda starts (Lambda Developer Guide, "Building a custom runtime").
pub const BOOTSTRAP: &str = "bootstrap";

/// The file that the updater reads its configuration from.
pub const CONFIG: &str = "spore.json";

/// Lambda takes no more unzipped (Lambda Developer Guide, "Lambda quotas"), so nothing larger is
/// unpacked.
const UNPACKED_MAX: u64 = 250 * 1024 * 1024;

/// A zip and its digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zip {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its SHA-256 in hex, as `sha256sum` prints it.
    pub sha256_hex: String,
    /// Its SHA-256 in base 64, which Lambda calls CodeSha256.
    pub code_sha256: String,
}

/// The last zip that was made of an executable, and the configuration in it: compressing is most of a
/// plan's work, and plan, lock and each try of an upload want the same. It stays with its executable: a
/// copy, which may be changed, starts without.
#[derive(Debug, Default)]
pub(super) struct Packed(Mutex<Option<(String, Zip)>>);

impl Clone for Packed {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What was remembered makes no difference between two executables.
impl PartialEq for Packed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Packed {}

/// The zip that Lambda gets: the executable and its configuration. Equal arguments give equal bytes.
///
/// # Errors
/// When the zip cannot be written, which would be a mistake in this program.
pub fn package(bootstrap: &Bootstrap, config_json: &str) -> Result<Zip, Error> {
    let mut last = bootstrap
        .packed
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some((config, zip)) = &*last
        && config == config_json
    {
        return Ok(zip.clone());
    }
    let zip = write(&[
        (BOOTSTRAP, 0o755, &bootstrap.bytes),
        (CONFIG, 0o644, config_json.as_bytes()),
    ])?;
    *last = Some((config_json.to_owned(), zip.clone()));
    Ok(zip)
}

/// The zip that releases ship: the executable alone, which is the same for every stack.
///
/// # Errors
/// As [`package`].
pub fn bare(bootstrap: &Bootstrap) -> Result<Zip, Error> {
    write(&[(BOOTSTRAP, 0o755, &bootstrap.bytes)])
}

fn write(files: &[(&str, u32, &[u8])]) -> Result<Zip, Error> {
    let bytes = written(files).map_err(|error| Error::Unwritten(error.to_string()))?;
    let digest = Sha256::digest(&bytes);
    Ok(Zip {
        sha256_hex: hex(&digest),
        code_sha256: STANDARD.encode(digest),
        bytes,
    })
}

fn written(files: &[(&str, u32, &[u8])]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, bytes) in files {
        // Everything that could come from the machine is written out: 1980-01-01 is the first day a
        // zip can name, and the compressor is miniz_oxide at a fixed level and pinned version.
        let options = SimpleFileOptions::default()
            .system(System::Unix)
            .unix_permissions(*mode)
            .last_modified_time(DateTime::default())
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9));
        zip.start_file(*name, options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The executable in a zip that a release or [`package`] made.
///
/// # Errors
/// When it is no such zip. A file besides the two is refused: somebody meant it to be used, and it
/// would not be.
pub(super) fn unpack(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = |what: String| Error::Zip {
        path: path.to_path_buf(),
        what,
    };
    let mut zip = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| wrong(format!("is not a zip that can be read ({error})")))?;
    for name in zip.file_names() {
        let name =
            name.map_err(|error| wrong(format!("has a name that cannot be read ({error})")))?;
        if name != BOOTSTRAP && name != CONFIG {
            return Err(wrong(format!(
                "holds {name:?}, an updater's zip holds {BOOTSTRAP} and {CONFIG} only"
            )));
        }
    }
    let file = zip
        .by_name(BOOTSTRAP)
        .map_err(|error| wrong(format!("holds no {BOOTSTRAP} that can be read ({error})")))?;
    if file.size() > UNPACKED_MAX {
        return Err(wrong(format!("{BOOTSTRAP} is larger than Lambda takes")));
    }
    let mut unpacked = Vec::new();
    // The size is only what the zip claims.
    file.take(UNPACKED_MAX)
        .read_to_end(&mut unpacked)
        .map_err(|error| wrong(format!("{BOOTSTRAP} is damaged ({error})")))?;
    Ok(unpacked)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const PATH: &str = "updater.zip";

    fn unpacked(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, String> {
        let bytes = written(files).unwrap();
        unpack(Path::new(PATH), &bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let code: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        assert_eq!(unpacked(&[(BOOTSTRAP, 0o755, &code)]), Ok(code.clone()));
        let with_config = [(BOOTSTRAP, 0o755, &code[..]), (CONFIG, 0o644, b"{}")];
        assert_eq!(unpacked(&with_config), Ok(code));
    }

    #[test]
    fn a_zip_of_something_else_is_refused() {
        for (name, expected) in [("other", "holds \"other\""), (CONFIG, "holds no bootstrap")] {
            let refused = unpacked(&[(name, 0o644, b"x")]).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
