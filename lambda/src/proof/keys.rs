//! The public keys that EC2 signs identity documents with, pinned for each region.
//!
//! AWS publishes them as self-signed certificates. Pinned is the key and not the certificate: every one
//! that AWS renewed kept its key (10 of 10), and the one of most regions had expired in June 2024 while
//! documents were still signed with it. For the same reason no validity period is looked at; it is a
//! property of the certificate, and nobody but us vouches for these keys.
//!
//! `certs/keys.txt` is made from `certs/*/REGION.pem` by `certs/make_keys.py`. One key signs
//! `/signature` in 17 regions, so which region a document is from says the document, not the key.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::BitStringRef;
use der::{AnyRef, Decode as _, Reader as _, SliceReader};

use crate::protocol::Region;

const AWS: &str = include_str!("../../certs/keys.txt");

/// Which signature a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyType {
    /// `/signature`: RSA with 1,024 bits.
    Signature,
    /// `/rsa2048`: RSA with 2,048 bits.
    Rsa2048,
}

/// Keys by region and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(BTreeMap<(Region, KeyType), RsaPublicKey>);

/// DER of an `RSAPublicKey` (RFC 8017, appendix A.1.1).
type RsaPublicKey = Vec<u8>;

/// Not the DER of a SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key (DER of a SubjectPublicKeyInfo)")]
pub struct NoKey;

impl Keys {
    /// Those of AWS.
    pub fn aws() -> Self {
        let mut keys = Self(BTreeMap::new());
        for line in AWS.lines().filter(|line| !line.starts_with('#')) {
            keys.add(line)
                .expect("the file is part of this program, and a test reads it");
        }
        keys
    }

    /// These and one more, in the place of another of the same region and type: for a simulated AWS,
    /// whose instances AWS does not know. No configuration reaches this, and the environment only where
    /// AWS itself is an address of this machine (`edge/identity_keys`).
    ///
    /// # Errors
    /// When it is not a public key.
    pub fn with(mut self, region: Region, of: KeyType, spki: &[u8]) -> Result<Self, NoKey> {
        self.0.insert((region, of), public_key(spki)?);
        Ok(self)
    }

    /// The key of a region.
    pub(super) fn find(&self, region: Region, of: KeyType) -> Option<&[u8]> {
        self.0.get(&(region, of)).map(Vec::as_slice)
    }

    /// A line: type, key, and the regions it is that of.
    fn add(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let of = match words.next()? {
            "signature" => KeyType::Signature,
            "rsa2048" => KeyType::Rsa2048,
            _ => return None,
        };
        let spki = STANDARD.decode(words.next()?).ok()?;
        let key = public_key(&spki).ok()?;
        for region in words {
            self.0.insert((Region::named(region)?, of), key.clone());
        }
        Some(())
    }
}

/// SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey BIT STRING } (RFC 5280, 4.1), of
/// which ring takes the inside.
fn public_key(spki: &[u8]) -> Result<RsaPublicKey, NoKey> {
    let read = || -> Result<RsaPublicKey, der::Error> {
        let mut reader = SliceReader::new(spki)?;
        let key = reader.sequence(|reader| {
            AnyRef::decode(reader)?;
            BitStringRef::decode(reader)
        })?;
        reader.finish()?;
        Ok(key.raw_bytes().to_vec())
    };
    read().map_err(|_| NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::REGIONS;

    #[test]
    fn every_region_has_both_keys_and_no_other_has_any() {
        let keys = Keys::aws();
        assert_eq!(keys.0.len(), 2 * REGIONS.len());
        for region in REGIONS.into_iter().filter_map(Region::named) {
            // An RSAPublicKey is a modulus, an exponent of 3 bytes and 12 or 13 bytes around them.
            let length = |of| keys.find(region, of).map(<[u8]>::len);
            assert_eq!(length(KeyType::Signature), Some(140), "{region}");
            assert_eq!(length(KeyType::Rsa2048), Some(270), "{region}");
        }
    }
}
