//! Instance identity documents and their signatures
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html>).
//!
//! The form is that of published documents of 2016 to 2026: JSON with a space before each colon, no
//! newline at the end, made when the instance is started and not again. `/signature` is a bare RSA
//! signature, `/rsa2048` a signed message (RFC 5652) around the document, in BER with open ends as AWS
//! writes it. The third kind, `/pkcs7` with DSA and SHA-1, is not modelled.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{Instance, METADATA_TIME, der, keys};
use crate::world::World;

/// Width of base64 in metadata.
const WIDTH: usize = 76;

/// Image and type of every instance here.
pub(crate) const IMAGE: &str = "ami-0abcdef1234567890";
pub(crate) const TYPE: &str = "t3.micro";
pub(crate) const ARCHITECTURE: &str = "x86_64";

/// The document of an instance as it was last started.
pub(super) fn text(one: &Instance) -> String {
    let Instance {
        account,
        zone,
        id,
        private_ip,
        region,
        ..
    } = one;
    let pending = one.launched.strftime(METADATA_TIME);
    let rows = [
        ("accountId", Some(account.as_str())),
        ("architecture", Some(ARCHITECTURE)),
        ("availabilityZone", Some(zone)),
        ("billingProducts", None),
        ("devpayProductCodes", None),
        ("marketplaceProductCodes", None),
        ("imageId", Some(IMAGE)),
        ("instanceId", Some(id)),
        ("instanceType", Some(TYPE)),
        ("kernelId", None),
        ("pendingTime", Some(&pending.to_string())),
        ("privateIp", Some(&private_ip.to_string())),
        ("ramdiskId", None),
        ("region", Some(region)),
        ("version", Some("2017-09-30")),
    ]
    .map(|(name, value)| match value {
        Some(value) => format!("  \"{name}\" : \"{value}\""),
        None => format!("  \"{name}\" : null"),
    });
    format!("{{\n{}\n}}", rows.join(",\n"))
}

/// Text in lines of a width, without a newline at the end.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let lines: Vec<&str> = (0..text.len())
        .step_by(width)
        .filter_map(|start| text.get(start..text.len().min(start + width)))
        .collect();
    lines.join("\n")
}

impl World {
    /// What `/signature` answers for a document.
    pub(super) fn raw_signature(&mut self, region: &str, document: &str) -> Option<String> {
        let signature = self.rsa1024(region).sign(document.as_bytes())?;
        Some(wrapped(&BASE64_STANDARD.encode(signature), WIDTH))
    }

    /// What `/rsa2048` answers for a document that was made at a time.
    pub(super) fn signed_message(
        &mut self,
        region: &str,
        document: &str,
        made: Timestamp,
    ) -> Option<String> {
        let message = message(self.rsa2048(region), document.as_bytes(), made)?;
        Some(wrapped(&BASE64_STANDARD.encode(message), WIDTH))
    }
}

/// `SignedData` as in messages of 2026: the content inside, no certificate, one signer named by
/// issuer and serial number, four signed attributes.
fn message(key: &keys::Key, content: &[u8], made: Timestamp) -> Option<Vec<u8>> {
    let data = || der::oid(&[1, 2, 840, 113_549, 1, 7, 1]);
    let sha256 = || der::sequence([der::oid(&[2, 16, 840, 1, 101, 3, 4, 2, 1])]);
    // AWS signs up to five seconds after the pending time.
    let signed_at = made.checked_add(SignedDuration::from_secs(1)).ok()?;
    let signed_at = signed_at.strftime("%y%m%d%H%M%SZ").to_string();
    let attribute = |kind: &[u32], value: Vec<u8>| {
        der::sequence([der::oid(kind), der::element(der::SET, &value)])
    };
    let sha256_with_rsa = der::oid(&[1, 2, 840, 113_549, 1, 1, 11]);
    // CMSAlgorithmProtection (RFC 6211): the signature's algorithm is tagged implicitly.
    let protection = der::sequence([
        sha256(),
        der::element(
            der::CONTEXT_1,
            &der::joined([sha256_with_rsa, der::element(der::NULL, &[])]),
        ),
    ]);
    let attributes = der::joined([
        attribute(&[1, 2, 840, 113_549, 1, 9, 3], data()),
        attribute(
            &[1, 2, 840, 113_549, 1, 9, 5],
            der::element(der::UTC_TIME, signed_at.as_bytes()),
        ),
        attribute(&[1, 2, 840, 113_549, 1, 9, 52], protection),
        attribute(
            &[1, 2, 840, 113_549, 1, 9, 4],
            der::element(der::OCTET_STRING, &Sha256::digest(content)),
        ),
    ]);
    // What is signed is the attributes as a SET, in the message they are tagged otherwise (RFC 5652,
    // 5.4).
    let signature = key.sign(&der::element(der::SET, &attributes))?;
    let signer = der::sequence([
        der::unsigned(&[1]),
        der::sequence([keys::issuer(), der::unsigned(&key.serial)]),
        sha256(),
        der::element(der::CONTEXT_0, &attributes),
        keys::sha256_with_rsa(),
        der::element(der::OCTET_STRING, &signature),
    ]);
    let octets = der::open_ended(
        der::OCTET_STRINGS,
        &der::element(der::OCTET_STRING, content),
    );
    let inner = der::open_ended(
        der::SEQUENCE,
        &der::joined([data(), der::open_ended(der::CONTEXT_0, &octets)]),
    );
    let signed_data = der::open_ended(
        der::SEQUENCE,
        &der::joined([
            der::unsigned(&[1]),
            der::element(der::SET, &sha256()),
            inner,
            der::element(der::SET, &signer),
        ]),
    );
    Some(der::open_ended(
        der::SEQUENCE,
        &der::joined([
            der::oid(&[1, 2, 840, 113_549, 1, 7, 2]),
            der::open_ended(der::CONTEXT_0, &signed_data),
        ]),
    ))
}
