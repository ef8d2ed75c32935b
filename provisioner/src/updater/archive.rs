//! Zips, written the same byte for byte wherever and whenever, and read back strictly.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

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

impl Zip {
    /// A zip file.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes);
        Self {
            sha256_hex: hex(&digest),
            code_sha256: STANDARD.encode(digest),
            bytes,
        }
    }
}

/// The zip that Lambda gets: the executable and its configuration. Equal arguments give equal bytes.
///
/// # Errors
/// When the zip cannot be written, which would be a mistake in this program.
pub fn package(bootstrap: &Bootstrap, config_json: &str) -> Result<Zip, Error> {
    finished(joined(&bootstrap.bare, config_json))
}

/// The zip that releases ship: an executable alone, which is the same for every stack.
///
/// # Errors
/// As [`package`].
pub fn bare(executable: &[u8]) -> Result<Zip, Error> {
    finished(written(&[(BOOTSTRAP, 0o755, executable)]))
}

/// A zip that holds the executable alone: what [`bare`] would make of it, or, if the zip that was found
/// has it in the same form, its very bytes. Compressing them anew would be most of a plan's work, and
/// would let the digest that Lambda compares depend on this program's compressor.
pub(super) fn bare_of(found: &[u8], executable: &[u8]) -> Result<Vec<u8>, Error> {
    match copied(found) {
        Some(bare) => Ok(bare),
        None => Ok(bare(executable)?.bytes),
    }
}

fn finished(bytes: zip::result::ZipResult<Vec<u8>>) -> Result<Zip, Error> {
    bytes
        .map(Zip::new)
        .map_err(|error| Error::Unwritten(error.to_string()))
}

fn written(files: &[(&str, u32, &[u8])]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, bytes) in files {
        zip.start_file(*name, options(*mode))?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Everything that could come from the machine: 1980-01-01 is the first day a zip can name, and the
/// compressor is miniz_oxide at a fixed level and pinned version.
fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .system(System::Unix)
        .unix_permissions(mode)
        .last_modified_time(DateTime::default())
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
}

/// The bare zip with a configuration added to it, without unpacking what is there.
fn joined(bare: &[u8], config_json: &str) -> zip::result::ZipResult<Vec<u8>> {
    let mut bare = ZipArchive::new(Cursor::new(bare))?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.raw_copy_file(bare.by_name(BOOTSTRAP)?)?;
    zip.start_file(CONFIG, options(0o644))?;
    zip.write_all(config_json.as_bytes())?;
    Ok(zip.finish()?.into_inner())
}

/// The executable alone, its compressed bytes as they lie in a zip. `None` if it is in another form than
/// [`written`] gives: what other programs add to it, times for example, would differ between two zips
/// of one executable.
fn copied(found: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(found)).ok()?;
    let file = archive.by_name(BOOTSTRAP).ok()?;
    if file.compression() != CompressionMethod::Deflated
        || file.extra_data_fields().next().is_some()
        || !file.comment().is_empty()
    {
        return None;
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.raw_copy_file_touch(file, DateTime::default(), Some(0o755))
        .ok()?;
    Some(zip.finish().ok()?.into_inner())
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

    fn code() -> Vec<u8> {
        (0..=255).cycle().take(100_000).collect()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let code = code();
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

    #[test]
    fn whatever_zip_it_came_in_an_executable_is_packed_alike() {
        let code = code();
        let ours = bare(&code).unwrap().bytes;
        let both = [(BOOTSTRAP, 0o755, &code[..]), (CONFIG, 0o644, b"{}")];
        // With a configuration of another stack, in either order, with other permissions.
        let turned = [both[1], (BOOTSTRAP, 0o600, &code[..])];
        for found in [&both[..1], &both, &turned] {
            assert_eq!(copied(&written(found).unwrap()), Some(ours.clone()));
        }
        // Not compressed, or with what another program adds.
        let add =
            |change: fn(SimpleFileOptions) -> zip::write::FullFileOptions<'static, 'static>| {
                let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
                zip.start_file(BOOTSTRAP, change(options(0o755))).unwrap();
                zip.write_all(&code).unwrap();
                zip.finish().unwrap().into_inner()
            };
        for found in [
            add(|options| {
                let stored = options.compression_method(CompressionMethod::Stored);
                stored.compression_level(None).into_full_options()
            }),
            add(|options| options.into_full_options().with_file_comment("built today")),
            add(|options| {
                let mut options = options.into_full_options();
                // A vendor's own field (APPNOTE.TXT 4.6.1).
                options.add_extra_field(0x9999, [1], false).unwrap();
                options
            }),
        ] {
            assert_eq!(copied(&found), None);
            assert_eq!(bare_of(&found, &code).unwrap(), ours);
        }
        // As it was packed at once.
        assert_eq!(joined(&ours, "{}").unwrap(), written(&both).unwrap());
    }

    #[test]
    fn a_release_s_own_compression_is_kept() {
        let code = code();
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let quick = options(0o755).compression_level(Some(1));
        zip.start_file(BOOTSTRAP, quick).unwrap();
        zip.write_all(&code).unwrap();
        let found = zip.finish().unwrap().into_inner();
        assert_ne!(found, bare(&code).unwrap().bytes);
        assert_eq!(bare_of(&found, &code).unwrap(), found);
    }
}
