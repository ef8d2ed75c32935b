//! What the program remembers of a name: the owner mark of the last answer, which the next request is to
//! send along, and when to ask again. Nothing in it is secret and nothing must be kept: without it the
//! next request costs the updater one question more, and its answer has all of it again.
//!
//! One file for each name, `NAME.json` in the folder of the state, mode 0600, replaced whole. What cannot
//! be read, is of another zone or of another instance, whose disk this one's was copied from, counts as
//! nothing.
//!
//! ```text
//! { "version": 1, "zone_id": "Z0123456789ABCDEFGHIJ", "instance_id": "i-0123456789abcdef0",
//!   "owner": "v=1 p=... t=... n=...", "records": { "A": "203.0.113.7" },
//!   "missing": { "AAAA": "2026-11-22T06:00:00Z" }, "renew": "2026-11-24T14:00:00Z",
//!   "not_before": null, "failures": 0 }
//! ```

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::RecordLabel;

/// The folder, where neither systemd nor the command line names another.
pub const FOLDER: &str = "/var/lib/spore-register";

const VERSION: u64 = 1;

/// What is remembered of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    version: u64,
    zone_id: String,
    instance_id: String,
    /// The owner mark that the last answer named.
    pub owner: Option<String>,
    /// Addresses that the name has, by type of record.
    pub records: BTreeMap<Kind, IpAddr>,
    /// Records whose address the instance no longer has, and since when.
    pub missing: BTreeMap<Kind, Timestamp>,
    /// When to renew.
    pub renew: Option<Timestamp>,
    /// Not to ask before this, after a failure.
    pub not_before: Option<Timestamp>,
    /// Failures since the last success.
    pub failures: u32,
}

/// The type of an address's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// IPv4.
    A,
    /// IPv6.
    Aaaa,
}

impl Kind {
    /// Of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::A,
            IpAddr::V6(_) => Self::Aaaa,
        }
    }

    /// As requests have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        }
    }
}

impl Memory {
    /// Of a name that nothing is known of yet.
    pub fn new(zone_id: &str, instance_id: &str) -> Self {
        Self {
            version: VERSION,
            zone_id: zone_id.to_owned(),
            instance_id: instance_id.to_owned(),
            ..Self::default()
        }
    }

    /// What was kept of a name.
    pub fn read(folder: &Path, name: &RecordLabel, zone_id: &str, instance_id: &str) -> Self {
        let new = Self::new(zone_id, instance_id);
        let is_of_this = |kept: &Self| {
            kept.version == new.version
                && kept.zone_id == new.zone_id
                && kept.instance_id == new.instance_id
        };
        let kept = fs::read(path(folder, name))
            .ok()
            .and_then(|text| serde_json::from_slice::<Self>(&text).ok())
            .filter(is_of_this);
        kept.unwrap_or(new)
    }

    /// Keeps it: written beside, then put in place, so that there is always a whole one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, folder: &Path, name: &RecordLabel) -> io::Result<()> {
        if !folder.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let path = path(folder, name);
        let beside = path.with_extension("new");
        let text = serde_json::to_vec(self)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        // One that was there before has its own mode.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    }

    /// Forgets a name.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn forget(folder: &Path, name: &RecordLabel) -> io::Result<()> {
        match fs::remove_file(path(folder, name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

/// A label has no character that means anything in a path.
fn path(folder: &Path, name: &RecordLabel) -> PathBuf {
    folder.join(format!("{}.json", name.as_str()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("spore-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        folder
    }

    #[test]
    fn what_was_kept_is_there_again_for_its_zone() {
        let folder = folder("memory");
        let name: RecordLabel = "my-instance".parse().unwrap();
        let mut memory = Memory::new("Z1", "i-1");
        memory.owner = Some("v=1 ...".to_owned());
        memory
            .records
            .insert(Kind::Aaaa, "2600:1f18::1".parse().unwrap());
        memory
            .missing
            .insert(Kind::A, "2026-11-22T06:00:00Z".parse().unwrap());
        memory.keep(&folder, &name).unwrap();
        memory.keep(&folder, &name).unwrap();
        let read = |zone, instance| Memory::read(&folder, &name, zone, instance);
        assert_eq!(read("Z1", "i-1"), memory);
        assert_eq!(read("Z2", "i-1"), Memory::new("Z2", "i-1"));
        assert_eq!(read("Z1", "i-2"), Memory::new("Z1", "i-2"));
        let file = fs::metadata(folder.join("my-instance.json")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "nothing lies beside"
        );
        fs::write(folder.join("my-instance.json"), "{\"version\":1").unwrap();
        assert_eq!(read("Z1", "i-1"), Memory::new("Z1", "i-1"));
        Memory::forget(&folder, &name).unwrap();
        Memory::forget(&folder, &name).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
    }
}
