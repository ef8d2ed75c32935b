//! DNSKEY and DS records from a KMS public key, and their comparison with what others show.
//!
//! Sources: RFC 4034 (sections 2, 5 and appendix B), RFC 4509 (digest type 2), RFC 6605 (ECDSA P-256
//! and digest type 4). Everything here is computed from the key itself, never copied from Route 53.

pub mod check;
pub mod form;
pub mod judgement;
pub mod keys;
pub mod not_yet;
pub mod wanted;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sha2::{Digest, Sha256, Sha384};

/// DNSKEY flags of a key-signing key: zone key and secure entry point (RFC 4034, section 2.1.1).
pub const KSK_FLAGS: u16 = 257;
/// The only protocol number (RFC 4034, section 2.1.2).
const PROTOCOL: u8 = 3;
/// ECDSAP256SHA256 (RFC 6605, section 2).
pub const ALGORITHM: u8 = 13;

/// TTL that is proposed for a DS record that is new at the parent, in seconds, so that a mistake is soon
/// over. AWS's guide begins with five minutes where it can be chosen, and ends with an hour (Route 53
/// Developer Guide, "Configuring DNSSEC signing", steps 8 and 11). Registries set their own.
pub const DS_TTL_SECS: u32 = 300;

/// Digest type 1, SHA-1 (RFC 4034, section 5.1.3): recognised at the parent, never proposed (RFC 8624,
/// section 3.3).
pub const SHA1: u8 = 1;

/// SubjectPublicKeyInfo of an uncompressed P-256 point: SEQUENCE { id-ecPublicKey, prime256v1,
/// BIT STRING } with the point's leading 0x04 (RFC 5480, section 2).
const SPKI_P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
    0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// Why a record cannot be computed or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DsError {
    /// The public key is not an uncompressed P-256 point in DER.
    #[error("the public key is not an ECC_NIST_P256 key in DER form ({0} bytes)")]
    NotP256(usize),
    /// A DNSKEY or DS text is not of its form.
    #[error("{text:?} is not a {expected}")]
    Text {
        /// The text.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// A DNSKEY of a KSK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsKey {
    flags: u16,
    algorithm: u8,
    key: Vec<u8>,
}

impl DnsKey {
    /// From DER as `kms:GetPublicKey` answers it.
    pub fn from_spki(der: &[u8]) -> Result<Self, DsError> {
        match der.strip_prefix(&SPKI_P256) {
            Some(point) if point.len() == 64 => Ok(Self {
                flags: KSK_FLAGS,
                algorithm: ALGORITHM,
                key: point.to_vec(),
            }),
            Some(_) | None => Err(DsError::NotP256(der.len())),
        }
    }

    /// From presentation form: `257 3 13 BASE64`, the base64 possibly in several parts.
    pub fn parse(text: &str) -> Result<Self, DsError> {
        let refuse = || DsError::Text {
            text: text.to_owned(),
            expected: "DNSKEY (flags, protocol 3, algorithm, base64)",
        };
        let mut fields = text.split_whitespace();
        let flags = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(refuse)?;
        let protocol: u8 = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(refuse)?;
        let algorithm = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(refuse)?;
        let key = STANDARD
            .decode(fields.collect::<String>())
            .map_err(|_| refuse())?;
        if protocol != PROTOCOL || key.is_empty() {
            return Err(refuse());
        }
        Ok(Self {
            flags,
            algorithm,
            key,
        })
    }

    /// RDATA in wire form.
    fn rdata(&self) -> Vec<u8> {
        let mut rdata = self.flags.to_be_bytes().to_vec();
        rdata.extend([PROTOCOL, self.algorithm]);
        rdata.extend(&self.key);
        rdata
    }

    /// Key tag (RFC 4034, appendix B).
    pub fn key_tag(&self) -> u16 {
        let sum: u32 = self
            .rdata()
            .iter()
            .enumerate()
            .map(|(index, byte)| {
                if index % 2 == 0 {
                    u32::from(*byte) << 8
                } else {
                    u32::from(*byte)
                }
            })
            .sum();
        let folded = sum + (sum >> 16);
        u16::from_be_bytes([folded.to_be_bytes()[2], folded.to_be_bytes()[3]])
    }

    /// The DS record of this key at `owner`: digest of the owner name in canonical wire form and the
    /// RDATA (RFC 4034, section 5.1.4).
    pub fn ds(&self, owner: &str, digest_type: DigestType) -> Ds {
        let input = self.digested(owner);
        let digest = match digest_type {
            DigestType::Sha256 => Sha256::digest(&input).to_vec(),
            DigestType::Sha384 => Sha384::digest(&input).to_vec(),
        };
        Ds {
            key_tag: self.key_tag(),
            algorithm: self.algorithm,
            digest_type: digest_type.number(),
            digest,
        }
    }

    /// The record with the digest that old parents still hold, to compare with.
    fn sha1_ds(&self, owner: &str) -> Ds {
        Ds {
            key_tag: self.key_tag(),
            algorithm: self.algorithm,
            digest_type: SHA1,
            digest: digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.digested(owner))
                .as_ref()
                .to_vec(),
        }
    }

    /// What a digest is made of.
    fn digested(&self, owner: &str) -> Vec<u8> {
        let mut input = Vec::new();
        for label in owner
            .trim_end_matches('.')
            .split('.')
            .filter(|label| !label.is_empty())
        {
            let label = label.to_ascii_lowercase();
            input.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
            input.extend(label.into_bytes());
        }
        input.push(0);
        input.extend(self.rdata());
        input
    }

    /// Flags.
    pub fn flags(&self) -> u16 {
        self.flags
    }

    /// Algorithm number.
    pub fn algorithm(&self) -> u8 {
        self.algorithm
    }

    /// The public key: both coordinates of the point, 64 bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.key
    }

    /// The key in base64.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.key)
    }
}

impl fmt::Display for DnsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {PROTOCOL} {} {}",
            self.flags,
            self.algorithm,
            self.base64()
        )
    }
}

/// Digest types this tool proposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestType {
    /// 2, mandatory (RFC 4509).
    Sha256,
    /// 4, optional (RFC 6605).
    Sha384,
}

impl DigestType {
    /// The number in a DS record.
    pub fn number(self) -> u8 {
        match self {
            DigestType::Sha256 => 2,
            DigestType::Sha384 => 4,
        }
    }
}

/// A DS record. Two are equal when all four fields are; a key tag alone says nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ds {
    /// Key tag.
    pub key_tag: u16,
    /// Algorithm number.
    pub algorithm: u8,
    /// Digest type number.
    pub digest_type: u8,
    /// Digest.
    pub digest: Vec<u8>,
}

impl Ds {
    /// From presentation form: `TAG ALGORITHM TYPE HEX`, the hex in any case and possibly in parts.
    pub fn parse(text: &str) -> Result<Self, DsError> {
        let refuse = || DsError::Text {
            text: text.to_owned(),
            expected: "DS record (key tag, algorithm, digest type, hex digest)",
        };
        let mut fields = text.split_whitespace();
        let key_tag = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(refuse)?;
        let algorithm = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(refuse)?;
        let digest_type = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(refuse)?;
        let digest = unhex(&fields.collect::<String>()).ok_or_else(refuse)?;
        let expected = match digest_type {
            1 => Some(20),
            2 => Some(32),
            4 => Some(48),
            _ => None,
        };
        if digest.is_empty() || expected.is_some_and(|len| len != digest.len()) {
            return Err(refuse());
        }
        Ok(Self {
            key_tag,
            algorithm,
            digest_type,
            digest,
        })
    }

    /// Whether this is a DS of the key at `owner`, by digest types 1, 2 and 4. Others never match.
    pub fn matches(&self, owner: &str, key: &DnsKey) -> bool {
        self.digest_type == SHA1 && key.sha1_ds(owner) == *self
            || [DigestType::Sha256, DigestType::Sha384]
                .into_iter()
                .any(|digest_type| key.ds(owner, digest_type) == *self)
    }

    /// The digest in upper-case hex.
    pub fn hex(&self) -> String {
        self.digest
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    }
}

impl fmt::Display for Ds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.key_tag,
            self.algorithm,
            self.digest_type,
            self.hex()
        )
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
