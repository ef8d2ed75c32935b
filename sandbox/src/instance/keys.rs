//! The keys that identity documents are signed with: the world's own, made when they are first needed.
//!
//! As at AWS there is one key of 1024 bits for all regions that need no opting in, one for each other
//! region, and one of 2048 bits for each region.

use std::collections::BTreeMap;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::{RsaPrivateKey, sha2::Sha256};
use serde::{Deserialize, Serialize};

use super::{der, region};
use crate::world::{Random, World};

/// All keys made so far: by region or [`SHARED`] the short ones, by region the long ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Keys {
    rsa1024: BTreeMap<String, Key>,
    rsa2048: BTreeMap<String, Key>,
}

/// Where the short key of the regions without opting in is kept.
const SHARED: &str = "shared";

/// A private key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Key {
    /// PKCS #8, DER, base64.
    pkcs8: String,
    /// Serial number of its certificate, which signed messages name it by.
    pub(super) serial: [u8; 8],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Public keys of a region, each a DER SubjectPublicKeyInfo in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeys {
    /// The key of `/signature`.
    pub rsa1024: String,
    /// The key of `/rsa2048`.
    pub rsa2048: String,
}

/// Self-signed certificates of a region's keys in PEM, as AWS publishes its own, for tools that want
/// certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    /// The key of `/signature`.
    pub rsa1024: String,
    /// The key of `/rsa2048`.
    pub rsa2048: String,
}

impl Key {
    fn new(bits: usize, random: &mut Random) -> Self {
        let mut source = ChaCha20Rng::from_seed(random.bytes());
        let key = RsaPrivateKey::new(&mut source, bits).expect("a length that the library makes");
        let pkcs8 = key.to_pkcs8_der().expect("a new key can be encoded");
        let mut serial: [u8; 8] = random.bytes();
        // Positive, and of full length, like those of AWS's certificates.
        serial[0] |= 0x80;
        Self {
            pkcs8: BASE64_STANDARD.encode(pkcs8.as_bytes()),
            serial,
        }
    }

    /// None if the stored text is damaged.
    fn private(&self) -> Option<RsaPrivateKey> {
        let bytes = BASE64_STANDARD.decode(&self.pkcs8).ok()?;
        RsaPrivateKey::from_pkcs8_der(&bytes).ok()
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2).
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signer = SigningKey::<Sha256>::new(self.private()?);
        Some(signer.try_sign(message).ok()?.to_vec())
    }

    fn public(&self) -> Option<Vec<u8>> {
        let public = self.private()?.to_public_key().to_public_key_der().ok()?;
        Some(public.into_vec())
    }

    /// A self-signed certificate (RFC 5280) of version 1, in PEM.
    fn certificate(&self) -> Option<String> {
        let validity = der::sequence([
            der::element(der::UTC_TIME, b"240101000000Z"),
            der::element(der::GENERALIZED_TIME, b"22030101000000Z"),
        ]);
        let signed = der::sequence([
            der::unsigned(&self.serial),
            sha256_with_rsa(),
            issuer(),
            validity,
            issuer(),
            self.public()?,
        ]);
        let mut bits = vec![0];
        bits.extend(self.sign(&signed)?);
        let whole = der::sequence([
            signed,
            sha256_with_rsa(),
            der::element(der::BIT_STRING, &bits),
        ]);
        let text = super::document::wrapped(&BASE64_STANDARD.encode(whole), 64);
        Some(format!(
            "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
        ))
    }
}

/// `sha256WithRSAEncryption` with the NULL that RFC 4055 asks for.
pub(super) fn sha256_with_rsa() -> Vec<u8> {
    der::sequence([
        der::oid(&[1, 2, 840, 113_549, 1, 1, 11]),
        der::element(der::NULL, &[]),
    ])
}

/// The name in AWS's certificates.
pub(super) fn issuer() -> Vec<u8> {
    let part = |kind: u32, text: &str| {
        let pair = der::sequence([
            der::oid(&[2, 5, 4, kind]),
            der::element(der::PRINTABLE_STRING, text.as_bytes()),
        ]);
        der::element(der::SET, &pair)
    };
    der::sequence([
        part(6, "US"),
        part(8, "Washington State"),
        part(7, "Seattle"),
        part(10, "Amazon Web Services LLC"),
    ])
}

impl World {
    /// The short key of a region.
    pub(super) fn rsa1024(&mut self, name: &str) -> &Key {
        let is_shared = region::must_opt_in(name) == Some(false);
        let place = if is_shared { SHARED } else { name };
        let random = &mut self.random;
        let keys = &mut self.instances.keys.rsa1024;
        keys.entry(place.to_owned())
            .or_insert_with(|| Key::new(1024, random))
    }

    /// The long key of a region.
    pub(super) fn rsa2048(&mut self, name: &str) -> &Key {
        let random = &mut self.random;
        let keys = &mut self.instances.keys.rsa2048;
        keys.entry(name.to_owned())
            .or_insert_with(|| Key::new(2048, random))
    }

    /// The regions whose keys are asked for: the one named, else those where there are instances. None
    /// if there is no such region.
    fn key_regions(&self, only: Option<&str>) -> Option<Vec<String>> {
        if let Some(name) = only {
            region::must_opt_in(name)?;
            return Some(vec![name.to_owned()]);
        }
        let mut names: Vec<String> = self.instances.all().map(|one| one.region.clone()).collect();
        names.sort();
        names.dedup();
        Some(names)
    }

    /// Public keys by region: what somebody who verifies identity documents would have from AWS's
    /// guide. Keys that are not there yet are made.
    pub fn identity_keys(&mut self, only: Option<&str>) -> Option<BTreeMap<String, PublicKeys>> {
        let text = |key: &Key| key.public().map(|der| BASE64_STANDARD.encode(der));
        let regions = self.key_regions(only)?;
        let of = |name: String| {
            let rsa1024 = text(self.rsa1024(&name))?;
            let rsa2048 = text(self.rsa2048(&name))?;
            Some((name, PublicKeys { rsa1024, rsa2048 }))
        };
        Some(regions.into_iter().filter_map(of).collect())
    }

    /// The same as certificates.
    pub fn identity_certificates(
        &mut self,
        only: Option<&str>,
    ) -> Option<BTreeMap<String, Certificates>> {
        let regions = self.key_regions(only)?;
        let of = |name: String| {
            let rsa1024 = self.rsa1024(&name).certificate()?;
            let rsa2048 = self.rsa2048(&name).certificate()?;
            Some((name, Certificates { rsa1024, rsa2048 }))
        };
        Some(regions.into_iter().filter_map(of).collect())
    }
}
