//! Bytes too large for `world.json`: the code of functions, by SHA-256.
//!
//! The world names a blob by its hash; serialised it is only that name. The bytes are in memory while
//! the world is, and in `blobs/` of its folder, where [`Store`](crate::store::Store) puts them before
//! the world that names them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// All blobs of a world. Clones share the bytes.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "BTreeSet<String>", into = "BTreeSet<String>")]
pub struct Blobs {
    /// By hash; none for one that was named by a stored world and not read yet.
    bytes: BTreeMap<String, Option<Arc<[u8]>>>,
}

impl From<BTreeSet<String>> for Blobs {
    fn from(names: BTreeSet<String>) -> Self {
        let bytes = names.into_iter().map(|name| (name, None)).collect();
        Self { bytes }
    }
}

impl From<Blobs> for BTreeSet<String> {
    fn from(blobs: Blobs) -> Self {
        blobs.bytes.into_keys().collect()
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.bytes.keys()).finish()
    }
}

/// The name of some bytes: their SHA-256 in hex.
pub fn name_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Blobs {
    /// Keeps bytes and gives their name.
    pub fn put(&mut self, bytes: Vec<u8>) -> String {
        let name = name_of(&bytes);
        let kept = self.bytes.entry(name.clone()).or_default();
        if kept.is_none() {
            *kept = Some(bytes.into());
        }
        name
    }

    /// The bytes of a name.
    pub fn get(&self, name: &str) -> Option<Arc<[u8]>> {
        self.bytes.get(name)?.clone()
    }

    /// Forgets what is not named.
    pub fn retain(&mut self, named: &BTreeSet<String>) {
        self.bytes.retain(|name, _| named.contains(name));
    }

    /// The names, and the bytes where they are in memory.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let blobs = self.bytes.iter();
        blobs.map(|(name, bytes)| (name.as_str(), bytes.as_deref()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_serialised_blob_is_its_name() {
        let mut blobs = Blobs::default();
        let name = blobs.put(b"abc".to_vec());
        let text = serde_json::to_string(&blobs).unwrap();
        // The first test vector of FIPS 180-4.
        assert_eq!(
            text,
            r#"["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]"#
        );
        let mut again: Blobs = serde_json::from_str(&text).unwrap();
        assert_eq!(again.get(&name), None, "to be read by the store");
        again.put(b"abc".to_vec());
        assert_eq!(again.get(&name).unwrap().as_ref(), b"abc");
        again.retain(&BTreeSet::new());
        assert_eq!(again.iter().count(), 0);
    }
}
