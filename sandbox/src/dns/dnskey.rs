//! DNSKEY and DS of a P-256 key: what Route 53 and a parent's hostmaster compute from it.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::base::iana::SecurityAlgorithm;
use domain::rdata::Dnskey as Rdata;
use sha2::{Digest, Sha256, Sha384};

use super::DnsName;

/// Algorithm 13, ECDSAP256SHA256 (RFC 6605): the only one Route 53 uses.
pub const ALGORITHM: u8 = 13;

/// A zone's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dnskey {
    /// 257 for a KSK, 256 for a ZSK (RFC 4034 section 2.1.1).
    pub flags: u16,
    /// The point's coordinates X and Y, 32 octets each (RFC 6605 section 4).
    pub public_key: [u8; 64],
}

/// A delegation signer record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ds {
    /// Key tag.
    pub key_tag: u16,
    /// Algorithm of the key.
    pub algorithm: u8,
    /// Digest type: 2 is SHA-256, 4 is SHA-384.
    pub digest_type: u8,
    /// The digest.
    pub digest: Vec<u8>,
}

impl Dnskey {
    /// Record data.
    pub fn rdata(&self) -> Vec<u8> {
        let [high, low] = self.flags.to_be_bytes();
        let mut out = vec![high, low, 3, ALGORITHM];
        out.extend_from_slice(&self.public_key);
        out
    }

    /// Key tag (RFC 4034 appendix B).
    pub fn key_tag(&self) -> u16 {
        let algorithm = SecurityAlgorithm::from_int(ALGORITHM);
        Rdata::new(self.flags, 3, algorithm, &self.public_key[..])
            .map_or(0, |rdata| rdata.key_tag())
    }

    /// The DS of this key at `owner`: digest over owner name and record data (RFC 4034 section 5.1.4).
    pub fn ds(&self, owner: &DnsName, digest_type: DigestType) -> Ds {
        let mut input = owner.wire().as_slice().to_vec();
        input.extend_from_slice(&self.rdata());
        let digest = match digest_type {
            DigestType::Sha256 => Sha256::digest(&input).to_vec(),
            DigestType::Sha384 => Sha384::digest(&input).to_vec(),
        };
        Ds {
            key_tag: self.key_tag(),
            algorithm: ALGORITHM,
            digest_type: digest_type.number(),
            digest,
        }
    }

    /// Whether `ds` belongs to this key at `owner`. A digest type we cannot compute never does.
    pub fn matches(&self, owner: &DnsName, ds: &Ds) -> bool {
        [DigestType::Sha256, DigestType::Sha384]
            .iter()
            .any(|t| self.ds(owner, *t) == *ds)
    }

    /// The public key in base64.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.public_key)
    }

    /// Presentation: flags, protocol, algorithm, key.
    pub fn text(&self) -> String {
        format!("{} 3 {ALGORITHM} {}", self.flags, self.base64())
    }
}

/// Digest types a parent may hold for our keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestType {
    /// Type 2 (RFC 4509), the one Route 53 shows.
    Sha256,
    /// Type 4 (RFC 6605).
    Sha384,
}

impl DigestType {
    /// The number in the DS record.
    pub fn number(self) -> u8 {
        match self {
            Self::Sha256 => 2,
            Self::Sha384 => 4,
        }
    }
}

impl Ds {
    /// Reads record data; none if it is too short to be a DS.
    pub fn from_rdata(rdata: &[u8]) -> Option<Self> {
        let [high, low, algorithm, digest_type, digest @ ..] = rdata else {
            return None;
        };
        Some(Self {
            key_tag: u16::from_be_bytes([*high, *low]),
            algorithm: *algorithm,
            digest_type: *digest_type,
            digest: digest.to_vec(),
        })
    }

    /// Record data.
    pub fn rdata(&self) -> Vec<u8> {
        let [high, low] = self.key_tag.to_be_bytes();
        let mut out = vec![high, low, self.algorithm, self.digest_type];
        out.extend_from_slice(&self.digest);
        out
    }

    /// The digest in upper-case hex, as Route 53 prints it.
    pub fn digest_hex(&self) -> String {
        self.digest.iter().fold(String::new(), |mut out, octet| {
            // Writing to a string cannot fail.
            let _ = write!(out, "{octet:02X}");
            out
        })
    }

    /// Presentation: tag, algorithm, digest type, digest.
    pub fn text(&self) -> String {
        format!(
            "{} {} {} {}",
            self.key_tag,
            self.algorithm,
            self.digest_type,
            self.digest_hex()
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("ds-vectors.json")).unwrap()
    }

    fn key(dnskey: &str) -> Dnskey {
        let fields: Vec<&str> = dnskey.split(' ').collect();
        let bytes = STANDARD.decode(fields[3..].concat()).unwrap();
        Dnskey {
            flags: fields[0].parse().unwrap(),
            public_key: bytes.try_into().unwrap(),
        }
    }

    fn ds(text: &str) -> Ds {
        Ds::from_rdata(&super::super::data::parse(domain::base::Rtype::DS, text).unwrap()).unwrap()
    }

    #[test]
    fn published_pairs_come_out() {
        let vectors = vectors();
        let pairs = vectors["pairs"].as_array().unwrap();
        assert_eq!(pairs.len(), 8);
        for pair in pairs {
            let owner = DnsName::parse(pair["owner"].as_str().unwrap()).unwrap();
            let key = key(pair["dnskey"].as_str().unwrap());
            let expected = ds(pair["ds"].as_str().unwrap());
            assert_eq!(key.ds(&owner, DigestType::Sha256), expected, "{owner}");
            assert_eq!(
                key.ds(&owner, DigestType::Sha384),
                ds(pair["ds_sha384"].as_str().unwrap())
            );
            assert!(key.matches(&owner, &expected));
        }
    }

    #[test]
    fn negatives_do_not_match() {
        let vectors = vectors();
        let negatives = vectors["negatives"].as_array().unwrap();
        assert_eq!(negatives.len(), 4);
        for negative in negatives {
            let owner = DnsName::parse(negative["owner"].as_str().unwrap()).unwrap();
            let key = key(negative["dnskey"].as_str().unwrap());
            assert!(
                !key.matches(&owner, &ds(negative["ds"].as_str().unwrap())),
                "{negative}"
            );
        }
    }
}
