//! What may be in a zip file of code, and how it is read.
//!
//! Decides whether Lambda takes an upload, and what of it becomes files under `/var/task`. AWS looks
//! for `bootstrap` only when the function starts, not when it is created.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;

/// "50 MB (zipped, for direct upload)" and "250 MB (unzipped)"
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), in the bytes that
/// GetAccountSettings answers.
pub(super) const ZIPPED_MAX: u64 = 52_428_800;
pub(super) const UNZIPPED_MAX: u64 = 262_144_000;

/// The files of an uploaded zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// In the order of the zip.
    pub files: Vec<File>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path below the task's root: relative, never leaving it.
    pub path: std::path::PathBuf,
    /// Unix permissions as the zip has them.
    pub mode: u32,
    /// Content.
    pub content: Vec<u8>,
}

/// Why an upload is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArchive {
    /// Not a zip, or a damaged one.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again.")]
    Unreadable,
    /// Nothing in it.
    #[error("Uploaded file must be a non-empty zip")]
    Empty,
    /// Too large as it is.
    #[error("Request must be smaller than {ZIPPED_MAX} bytes for the uploaded zip")]
    TooLarge,
    /// Too large when unpacked.
    #[error("Unzipped size must be smaller than {UNZIPPED_MAX} bytes")]
    TooLargeUnzipped,
    /// A name that would leave the folder, or a symbolic link.
    #[error("spore-sandbox does not unpack '{0}': it is a link or lies outside the folder")]
    Outside(String),
}

/// Permissions of a file whose zip was not made on Unix. Lambda's own documentation demands that the
/// files be readable by all; the executable bit is for the packer to set.
const MODE_DEFAULT: u32 = 0o644;

impl Archive {
    /// Reads a zip whole, checksums included.
    pub fn read(bytes: &[u8]) -> Result<Self, BadArchive> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > ZIPPED_MAX {
            return Err(BadArchive::TooLarge);
        }
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| BadArchive::Unreadable)?;
        if zip.is_empty() {
            return Err(BadArchive::Empty);
        }
        let mut files = Vec::new();
        let mut left = UNZIPPED_MAX;
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(|_| BadArchive::Unreadable)?;
            let name = entry
                .name()
                .map_err(|_| BadArchive::Unreadable)?
                .into_owned();
            let outside = || BadArchive::Outside(name.clone());
            let path = entry.enclosed_name().ok_or_else(outside)?;
            if entry.is_symlink() {
                return Err(outside());
            }
            if entry.is_dir() {
                continue;
            }
            let mode = entry.unix_mode().unwrap_or(MODE_DEFAULT) & 0o777;
            // The size that the entry claims is not believed.
            let mut content = Vec::new();
            let taken = entry
                .take(left + 1)
                .read_to_end(&mut content)
                .map_err(|_| BadArchive::Unreadable)?;
            left = left
                .checked_sub(u64::try_from(taken).unwrap_or(u64::MAX))
                .ok_or(BadArchive::TooLargeUnzipped)?;
            files.push(File {
                path,
                mode,
                content,
            });
        }
        Ok(Self { files })
    }

    /// Whether there is a program to start: an executable file `bootstrap` at the root.
    pub fn has_bootstrap(&self) -> bool {
        self.files
            .iter()
            .any(|file| file.path.as_os_str() == "bootstrap" && file.mode & 0o111 != 0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use std::io::Write as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    /// A zip of files with their permissions.
    pub(crate) fn zip_of(files: &[(&str, u32, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in files {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*name, options).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn files_come_out_with_their_permissions() {
        let bytes = zip_of(&[
            ("bootstrap", 0o755, "#!/bin/sh\n"),
            ("a/b.json", 0o640, "{}"),
        ]);
        let archive = Archive::read(&bytes).unwrap();
        assert_eq!(archive.files.len(), 2);
        assert_eq!(archive.files[1].path.to_str(), Some("a/b.json"));
        assert_eq!(
            (archive.files[0].mode, archive.files[1].mode),
            (0o755, 0o640)
        );
        assert!(archive.has_bootstrap());
        let plain = Archive::read(&zip_of(&[("bootstrap", 0o644, "")])).unwrap();
        assert!(!plain.has_bootstrap(), "not executable");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        assert_eq!(Archive::read(b"PK nonsense"), Err(BadArchive::Unreadable));
        assert_eq!(Archive::read(&zip_of(&[])), Err(BadArchive::Empty));
        let escaping = zip_of(&[("../bootstrap", 0o755, "")]);
        assert_eq!(
            Archive::read(&escaping),
            Err(BadArchive::Outside("../bootstrap".into()))
        );
        // One changed byte of content fails the checksum.
        let mut damaged = zip_of(&[("bootstrap", 0o755, "echo 1\n")]);
        // Behind the local header and the name.
        damaged[30 + "bootstrap".len() + 1] ^= 1;
        assert_eq!(Archive::read(&damaged), Err(BadArchive::Unreadable));
    }
}
