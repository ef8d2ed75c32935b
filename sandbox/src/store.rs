//! The folder a world is kept in: who holds it, what is in it, and that a write survives.
//!
//! ```text
//! DIR/lock         held by flock(2) for the life of the process that uses the world; has its pid
//! DIR/world.json   the world, mode 0600; replaced by rename, never written in place
//! DIR/serve.json   where the server that holds the folder listens
//! DIR/blobs/       code of functions, each file named by its SHA-256; written before a world names it
//! ```
//!
//! The lock falls with its process, whatever way it ends; the files do not matter for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::blobs::{self, Blobs};
use crate::dns::RootAnchor;
use crate::world::{WORLD_VERSION, World};

/// A folder that this process holds.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Open for as long as the folder is held: closing it lets go.
    _lock: File,
}

/// Where a server listens: the content of `serve.json`, and what `/_spore/info` begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeInfo {
    /// Process id of the server.
    pub pid: u32,
    /// Base URL of the services.
    pub url: String,
    /// Base URL of the simulated name servers: a query is posted to this with the server's address
    /// appended.
    pub dns: String,
    /// Address of the resolver over them.
    #[serde(default)]
    pub resolver: Option<std::net::SocketAddr>,
}

/// What is wrong with a folder.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses it.
    #[error("{} is in use by {}{}", dir.display(), holder(*pid), place(serve.as_ref()))]
    Held {
        /// The folder.
        dir: PathBuf,
        /// The process, unless it has not written its id yet.
        pid: Option<u32>,
        /// Where it listens, if it is a server.
        serve: Option<ServeInfo>,
    },
    /// `world.json` cannot be read as a world. It is left as it is.
    #[error(
        "{}:{line}: not a world this program wrote: {why}; the file was left as it is: restore it, \
         or start afresh with `spore-infra sandbox reset`",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Line of the first error.
        line: usize,
        /// The error.
        why: String,
    },
    /// `world.json` is of another version of this program.
    #[error(
        "{}: a world of format {found}, and this program knows format {known}: use the program that \
         wrote it, or start afresh with `spore-infra sandbox reset`",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The file system refuses.
    #[error("cannot {action} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was tried: `write`, `read`, `create`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

fn place(serve: Option<&ServeInfo>) -> String {
    serve
        .map(|serve| format!(", which serves it at {}", serve.url))
        .unwrap_or_default()
}

fn hint(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::StorageFull {
        "; free some space and run again"
    } else if source.kind() == io::ErrorKind::PermissionDenied {
        "; make the folder writable for this user, or choose another with --sandbox=DIR"
    } else {
        ""
    }
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Only what tells one format from another.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

impl Store {
    /// Takes a folder, making it if it is missing. Does not wait for another process.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed("create", dir))?;
        let path = dir.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(dir, &mut lock)),
            Err(errno) => return Err(failed("lock", &path)(errno.into())),
        }
        // The id is for messages only. A disk that is full does not keep anybody from reading, so a
        // failure here waits for the first write of the world to be told.
        if lock.set_len(0).is_ok() {
            writeln!(lock, "{}", std::process::id()).ok();
        }
        let store = Self {
            dir: dir.to_owned(),
            _lock: lock,
        };
        store.withdraw();
        Ok(store)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn world_path(&self) -> PathBuf {
        self.dir.join("world.json")
    }

    /// Reads the world; none if there is none yet.
    pub fn load(&self) -> Result<Option<World>, StoreError> {
        let path = self.world_path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let corrupt = |error: serde_json::Error| StoreError::Corrupt {
            path: path.clone(),
            line: error.line(),
            why: error.to_string(),
        };
        let header: Header = serde_json::from_slice(&text).map_err(corrupt)?;
        if header.version != WORLD_VERSION {
            let (found, known) = (header.version, WORLD_VERSION);
            return Err(StoreError::Version { path, found, known });
        }
        let mut world: World = serde_json::from_slice(&text).map_err(corrupt)?;
        self.load_blobs(&mut world.blobs)?;
        Ok(Some(world))
    }

    /// Reads what the world only names.
    fn load_blobs(&self, blobs: &mut Blobs) -> Result<(), StoreError> {
        let names: Vec<String> = blobs.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let path = self.dir.join("blobs").join(&name);
            let bytes = fs::read(&path).map_err(failed("read", &path))?;
            if blobs::name_of(&bytes) != name {
                return Err(StoreError::Corrupt {
                    path,
                    line: 1,
                    why: "its content does not have the hash it is named by".to_owned(),
                });
            }
            blobs.put(bytes);
        }
        Ok(())
    }

    /// Writes the world so that it survives a crash of the process or the machine from here on. On an
    /// error the stored world is the one before.
    pub fn save(&self, world: &World) -> Result<(), StoreError> {
        let text = serde_json::to_vec(world).expect("a world is plain data");
        self.save_blobs(&world.blobs)?;
        self.replace("world.json", &text)?;
        self.sweep_blobs(&world.blobs);
        Ok(())
    }

    /// Writes the blobs that are not there yet. A file under a hash is never changed, so that one that
    /// is there, and was renamed there whole, has that content.
    fn save_blobs(&self, blobs: &Blobs) -> Result<(), StoreError> {
        let dir = self.dir.join("blobs");
        for (name, bytes) in blobs.iter() {
            let Some(bytes) = bytes.filter(|_| !dir.join(name).exists()) else {
                continue;
            };
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .map_err(failed("create", &dir))?;
            self.replace(&format!("blobs/{name}"), bytes)?;
        }
        Ok(())
    }

    /// Removes the blobs that the stored world does not name. One that stays by an error does no harm
    /// and goes the next time.
    fn sweep_blobs(&self, blobs: &Blobs) {
        let Ok(files) = fs::read_dir(self.dir.join("blobs")) else {
            return;
        };
        for file in files.flatten() {
            let is_named = blobs
                .iter()
                .any(|(name, _)| file.file_name().as_encoded_bytes() == name.as_bytes());
            if !is_named {
                fs::remove_file(file.path()).ok();
            }
        }
    }

    /// Forgets the world, whatever is in `world.json`.
    pub fn clear(&self) -> Result<(), StoreError> {
        let path = self.world_path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &path)(error));
            }
            _ => {}
        }
        let blobs = self.dir.join("blobs");
        match fs::remove_dir_all(&blobs) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &blobs)(error))
            }
            _ => Ok(()),
        }
    }

    /// Says where this process serves the world.
    pub fn announce(&self, info: &ServeInfo) -> Result<(), StoreError> {
        let text = serde_json::to_vec(info).expect("plain data");
        self.replace("serve.json", &text)
    }

    /// Writes the root's trust anchor beside the world: `root.key` as a master file, `bind.keys` as
    /// BIND's statement.
    pub fn publish(&self, anchor: &RootAnchor) -> Result<(), StoreError> {
        self.replace("root.key", anchor.zone_file().as_bytes())?;
        self.replace("bind.keys", anchor.bind().as_bytes())
    }

    /// Takes it back. A file left by a killed server does no harm: it counts only while the process
    /// it names holds the lock.
    pub fn withdraw(&self) {
        fs::remove_file(self.dir.join("serve.json")).ok();
    }

    /// Replaces a file: whole and on the disk, or not at all. There is one writer, so the name of the
    /// new file can be fixed and no litter is left behind.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let new = self.dir.join(format!("{name}.new"));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| {
                file.write_all(content)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &path));
        if let Err(source) = written {
            fs::remove_file(&new).ok();
            return Err(failed("write", &path)(source));
        }
        // The rename itself is on the disk only when the folder is.
        let dir = path.parent().unwrap_or(&self.dir);
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(failed("write", dir))
    }
}

/// Who holds a folder that could not be taken.
fn held(dir: &Path, lock: &mut File) -> StoreError {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok();
    let pid = text.trim().parse().ok();
    let serve = fs::read(dir.join("serve.json"))
        .ok()
        .and_then(|text| serde_json::from_slice::<ServeInfo>(&text).ok())
        .filter(|serve| Some(serve.pid) == pid);
    StoreError::Held {
        dir: dir.to_owned(),
        pid,
        serve,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::Profile;

    #[test]
    fn a_world_comes_back_as_it_was_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        let store = Store::open(&inner).unwrap();
        assert!(store.load().unwrap().is_none());
        let mut world = World::new(7, Profile::Aws);
        let drawn = world.random.uuid();
        store.save(&world).unwrap();
        let mut again = store.load().unwrap().unwrap();
        assert_eq!(
            serde_json::to_value(&again).unwrap(),
            serde_json::to_value(&world).unwrap()
        );
        assert_ne!(again.random.uuid(), drawn);
        let mode = fs::metadata(inner.join("world.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = fs::read_dir(&inner).unwrap().count();
        assert_eq!(files, 2, "lock and world.json");
    }

    #[test]
    fn a_second_holder_learns_who_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Store::open(dir.path()).unwrap();
        let own = std::process::id();
        let serve = ServeInfo {
            resolver: None,
            pid: own,
            url: "http://a".into(),
            dns: "http://b".into(),
        };
        first.announce(&serve).unwrap();
        let StoreError::Held {
            pid, serve: found, ..
        } = Store::open(dir.path()).unwrap_err()
        else {
            panic!("expected Held");
        };
        assert_eq!((pid, found), (Some(own), Some(serve)));
        drop(first);
        let second = Store::open(dir.path()).unwrap();
        assert!(
            !second.dir().join("serve.json").exists(),
            "the first server is gone"
        );
    }

    #[test]
    fn code_lies_beside_the_world_and_goes_with_what_named_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut world = World::new(7, Profile::Aws);
        let name = world.blobs.put(b"PK".to_vec());
        store.save(&world).unwrap();
        let text = fs::read_to_string(dir.path().join("world.json")).unwrap();
        assert!(text.contains(&name));
        let file = dir.path().join("blobs").join(&name);
        assert_eq!(fs::read(&file).unwrap(), b"PK");
        let again = store.load().unwrap().unwrap();
        assert_eq!(again.blobs.get(&name).unwrap().as_ref(), b"PK");

        fs::write(&file, "PX").unwrap();
        let error = store.load().unwrap_err();
        assert!(error.to_string().contains(&name), "{error}");

        world.blobs.retain(&std::collections::BTreeSet::new());
        store.save(&world).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_damaged_world_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let path = dir.path().join("world.json");
        for damaged in ["", "{", "{\"version\": 2}", "{\n\"version\": 2,\n x"] {
            fs::write(&path, damaged).unwrap();
            let error = store.load().unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains("sandbox reset"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
        fs::write(&path, "{\"version\": 99}").unwrap();
        assert!(matches!(
            store.load(),
            Err(StoreError::Version { found: 99, .. })
        ));
        store.clear().unwrap();
        assert!(store.load().unwrap().is_none());
    }
}
