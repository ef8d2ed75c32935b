//! What an executable needs to run, read from the file itself.
//!
//! Lambda starts the updater on Amazon Linux 2023, whose C library is glibc 2.34 (AL2023 User Guide,
//! "Comparing AL2 and AL2023"). A program linked on a newer system may name symbols of newer versions,
//! and the loader then refuses it at its first start, in production. So the file is judged before it
//! goes anywhere.

use std::fmt;

use object::LittleEndian;
use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC};
use object::read::elf::{ElfFile64, FileHeader as _};

use super::word;
use crate::stack::Architecture;

/// The version of glibc that Lambda's provided.al2023 has.
const NEWEST: Glibc = Glibc(2, 34);

/// Libraries that glibc and GCC's runtime consist of; provided.al2023 has no others that a program of
/// ours may count on.
const LIBRARIES: [&str; 8] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

/// A version of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc(pub u32, pub u32);

/// What a good executable needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The processor.
    pub architecture: Architecture,
    /// The newest version of glibc that it names; a static executable names none.
    pub glibc: Option<Glibc>,
}

/// Why Lambda could not start an executable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No executable of Linux at all.
    #[error("is not an executable for 64-bit Linux ({0})")]
    Format(String),
    /// For another processor.
    #[error(
        "is for {found}, but the stack's function runs on {}; give the zip for that with \
         --updater-zip FILE, or set `architecture` in [updater] of the stack document",
        word(*.wanted)
    )]
    Machine {
        /// The processor it is for.
        found: String,
        /// The one that was asked for.
        wanted: Architecture,
    },
    /// A library that is not there.
    #[error(
        "needs {0}, which Lambda's provided.al2023 does not have; give a release's zip with \
         --updater-zip FILE"
    )]
    Library(String),
    /// A symbol of a newer C library.
    #[error(
        "needs {symbol} of {version}, but Lambda's provided.al2023 has glibc {NEWEST}; compile it on \
         a system with that or an older glibc, or give a release's zip with --updater-zip FILE"
    )]
    Version {
        /// The symbol, or the library where no symbol names the version.
        symbol: String,
        /// The version.
        version: String,
    },
}

impl Image {
    /// Reads an executable.
    ///
    /// # Errors
    /// When Lambda could not start it on `wanted`.
    pub fn of(bytes: &[u8], wanted: Architecture) -> Result<Self, Unfit> {
        let unreadable = |error: object::Error| Unfit::Format(error.to_string());
        let file = ElfFile64::<LittleEndian>::parse(bytes).map_err(unreadable)?;
        let endian = LittleEndian;
        let header = file.elf_header();
        // Programs that may be loaded anywhere are of type DYN as well.
        if ![ET_EXEC, ET_DYN].contains(&header.e_type(endian)) || header.e_entry(endian) == 0 {
            return Err(Unfit::Format("it has no entry point".to_owned()));
        }
        let machine = header.e_machine(endian);
        let found = match machine {
            EM_AARCH64 => Ok(Architecture::Arm64),
            EM_X86_64 => Ok(Architecture::X86_64),
            other => Err(format!("processor {}", other.0)),
        };
        if found != Ok(wanted) {
            let found = found.map_or_else(|other| other, |known| word(known).to_owned());
            return Err(Unfit::Machine { found, wanted });
        }
        let dynamic = file.elf_dynamic_table().map_err(unreadable)?;
        for entry in dynamic.iter().filter(|entry| entry.tag == DT_NEEDED) {
            let name = text(dynamic.string(entry).map_err(unreadable)?);
            if !LIBRARIES.contains(&name.as_str()) {
                return Err(Unfit::Library(name));
            }
        }
        Ok(Self {
            architecture: wanted,
            glibc: newest(&file)?,
        })
    }
}

/// The newest version of glibc that is named.
fn newest(file: &ElfFile64<'_, LittleEndian>) -> Result<Option<Glibc>, Unfit> {
    let unreadable = |error: object::Error| Unfit::Format(error.to_string());
    let (endian, data) = (LittleEndian, file.data());
    let sections = file.elf_section_table();
    // The loader checks the list of versions, not the symbols: some versions have no symbol at all,
    // such as GLIBC_ABI_DT_RELR.
    let Some((mut needs, strings)) = sections.gnu_verneed(endian, data).map_err(unreadable)? else {
        return Ok(None);
    };
    let strings = sections
        .strings(endian, data, strings)
        .map_err(unreadable)?;
    let mut newest = None;
    while let Some((library, mut versions)) = needs.next().map_err(unreadable)? {
        while let Some(need) = versions.next().map_err(unreadable)? {
            let name = need.name(endian, strings).map_err(unreadable)?;
            match version(name) {
                Version::Other => {}
                Version::Glibc(version) if version <= NEWEST => newest = newest.max(Some(version)),
                Version::Glibc(_) | Version::Unknown => {
                    let symbol = match symbol(file, name).map_err(unreadable)? {
                        Some(symbol) => symbol,
                        None => text(library.file(endian, strings).map_err(unreadable)?),
                    };
                    let version = text(name);
                    return Err(Unfit::Version { symbol, version });
                }
            }
        }
    }
    Ok(newest)
}

/// A symbol of that version, to say which one it is.
fn symbol(
    file: &ElfFile64<'_, LittleEndian>,
    version: &[u8],
) -> object::read::Result<Option<String>> {
    let endian = LittleEndian;
    let Some(table) = file.elf_section_table().versions(endian, file.data())? else {
        return Ok(None);
    };
    let symbols = file.elf_dynamic_symbol_table();
    for (index, symbol) in symbols.enumerate() {
        let named = table.version(table.version_index(endian, index).index())?;
        if named.is_some_and(|named| named.name() == version) {
            return symbols.symbol_name(endian, symbol).map(text).map(Some);
        }
    }
    Ok(None)
}

enum Version {
    Glibc(Glibc),
    /// Of another library, such as GCC_4.2.0: those of libgcc_s are older than any Rust.
    Other,
    /// Of glibc but no number: GLIBC_PRIVATE, GLIBC_ABI_DT_RELR (which came with 2.36).
    Unknown,
}

fn version(name: &[u8]) -> Version {
    let Some(number) = name.strip_prefix(b"GLIBC_") else {
        return Version::Other;
    };
    let mut parts = std::str::from_utf8(number)
        .unwrap_or_default()
        .split('.')
        .map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Version::Glibc(Glibc(major, minor)),
        (Some(_) | None, Some(_) | None) => Version::Unknown,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let is_allowed = |name: &str| match version(name.as_bytes()) {
            Version::Other => true,
            Version::Glibc(version) => version <= NEWEST,
            Version::Unknown => false,
        };
        for (name, expected) in [
            ("GLIBC_2.2.5", true),
            ("GLIBC_2.9", true),
            ("GLIBC_2.34", true),
            ("GLIBC_2.35", false),
            ("GLIBC_2.100", false),
            ("GLIBC_3.0", false),
            // Came with 2.36, and no symbol has it.
            ("GLIBC_ABI_DT_RELR", false),
            // Symbols that may change with every build of the C library.
            ("GLIBC_PRIVATE", false),
            ("GCC_4.2.0", true),
        ] {
            assert_eq!(is_allowed(name), expected, "{name}");
        }
    }
}
