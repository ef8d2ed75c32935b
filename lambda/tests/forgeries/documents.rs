//! Identity documents: the true ones changed, mixed, and judged by another key.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use spore_updater::proof::{Claim, KeyType, Keys, Members, Proven, Verifier};
use spore_updater::protocol::{REGIONS, Region, Update};

use super::stack::{at, config, ready, verifier, verifier_of};
use super::sts::FakeSts;
use super::{Tally, with_bit};

const VECTOR: &str = "ap-southeast-2-2026-metaphor";

fn file(vector: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/identity")
        .join(vector)
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decoded(vector: &str, name: &str) -> Vec<u8> {
    let text: Vec<u8> = file(vector, name)
        .into_iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD.decode(text).unwrap()
}

fn judged(
    verifier: &Verifier,
    document: Option<&[u8]>,
    signature: Option<&[u8]>,
    message: Option<&[u8]>,
) -> Result<Proven, String> {
    let now = at("2026-02-16T00:40:00Z");
    let members = Members {
        proof: None,
        instance_identity_document: document.map(|bytes| STANDARD.encode(bytes)),
        instance_identity_signature: signature.map(|bytes| STANDARD.encode(bytes)),
        instance_identity_rsa2048: message.map(|bytes| STANDARD.encode(bytes)),
    };
    let claim = Claim::read(Update::default(), members).map_err(|error| error.to_string())?;
    ready(verifier.verify(&FakeSts::new(now), now, claim)).map_err(|error| error.to_string())
}

pub fn documents(tally: &mut Tally) {
    let class = "documents with a detached signature";
    let verifier = verifier();
    let document = file(VECTOR, "document.json");
    let signature = decoded(VECTOR, "signature.b64");
    let judge = |document: &[u8], signature: &[u8]| {
        judged(&verifier, Some(document), Some(signature), None)
    };
    assert!(judge(&document, &signature).is_ok());
    for bit in 0..document.len() * 8 {
        let outcome = judge(&with_bit(&document, bit), &signature);
        tally.refused(class, &format!("bit {bit} of the document"), outcome);
    }
    for bit in 0..signature.len() * 8 {
        let outcome = judge(&document, &with_bit(&signature, bit));
        tally.refused(class, &format!("bit {bit} of the signature"), outcome);
    }
    let mut refused = |what: &str, document: &[u8], signature: &[u8]| {
        tally.refused(class, what, judge(document, signature));
    };
    for byte in 0..=u8::MAX {
        refused(
            "a byte after",
            &[&document[..], &[byte]].concat(),
            &signature,
        );
        refused(
            "a byte before",
            &[&[byte], &document[..]].concat(),
            &signature,
        );
        refused(
            "a byte after the signature",
            &document,
            &[&signature[..], &[byte]].concat(),
        );
        refused(
            "a byte before the signature",
            &document,
            &[&[byte], &signature[..]].concat(),
        );
    }
    for length in 0..document.len() {
        refused("cut", &document[..length], &signature);
    }
    for length in 0..signature.len() {
        refused("signature cut", &document, &signature[..length]);
    }
    let text = String::from_utf8(document.clone()).unwrap();
    let mut changed = |from: &str, to: &str| {
        let other = text.replace(from, to);
        assert_ne!(other, text, "{from} is not in the document");
        refused(&format!("{from} -> {to}"), other.as_bytes(), &signature);
    };
    for region in REGIONS
        .into_iter()
        .filter(|region| *region != "ap-southeast-2")
    {
        changed(
            "\"region\" : \"ap-southeast-2\"",
            &format!("\"region\" : \"{region}\""),
        );
    }
    changed("189292791360", "123456789012");
    changed("i-0c5541936caf78c12", "i-0123456789abcdef0");
    changed("2026-02-16T00:38:27Z", "2026-02-16T00:39:27Z");
    changed("10.0.1.242", "203.0.113.7");
    for (name, value) in [
        ("accountId", "123456789012"),
        ("instanceId", "i-0123456789abcdef0"),
        ("region", "us-east-1"),
        ("pendingTime", "2026-02-16T00:39:27Z"),
    ] {
        for name in [name.to_owned(), name.to_uppercase()] {
            changed("{\n", &format!("{{\n  \"{name}\" : \"{value}\",\n"));
            changed("\n}", &format!(",\n  \"{name}\" : \"{value}\"\n}}"));
        }
    }
    // Other true documents and signatures, crosswise.
    let other = file("us-east-1-2022-coder", "document.json");
    let other_signature = decoded("us-east-1-2022-coder", "signature.b64");
    refused("another signature", &document, &other_signature);
    refused("another document", &other, &signature);
    refused("another document, too old", &other, &other_signature);

    // The key of every other region in the place of this one's.
    let of_region = keys("signature");
    let own = &of_region["ap-southeast-2"];
    let mut same = 0;
    for (region, key) in &of_region {
        let there = Region::named("ap-southeast-2").unwrap();
        let keys = Keys::aws().with(there, KeyType::Signature, key).unwrap();
        let elsewhere = verifier_of(&config(|_| {}), keys);
        let outcome = judged(&elsewhere, Some(&document), Some(&signature), None);
        if key == own {
            assert!(outcome.is_ok(), "{region}");
            same += 1;
        } else {
            tally.refused(class, &format!("the key of {region}"), outcome);
        }
    }
    // One key for 17 regions is what makes the region in the document decide.
    assert_eq!(same, 17);
}

pub fn messages(tally: &mut Tally) {
    let class = "documents in a CMS message";
    let verifier = verifier();
    let document = file(VECTOR, "document.json");
    let message = decoded(VECTOR, "rsa2048.b64");
    let judge = |message: &[u8]| judged(&verifier, None, None, Some(message));
    let truth = judge(&message).unwrap();
    // Issuer and serial, which are not signed and choose no key: bits there make no forgery, since
    // what is proven stays the same.
    let is_sid = |window: &[u8]| window.starts_with(&[0x30, 0x69, 0x30, 0x5c]);
    let sid = message.windows(4).position(is_sid).unwrap() + 2;
    let sid = sid..sid + 0x69;
    for bit in 0..message.len() * 8 {
        let outcome = judge(&with_bit(&message, bit));
        if sid.contains(&(bit / 8)) {
            assert_eq!(outcome.as_ref(), Ok(&truth), "bit {bit}");
        } else {
            tally.refused(class, &format!("bit {bit}"), outcome);
        }
    }
    let mut refused = |what: &str, message: &[u8]| {
        tally.refused(class, what, judge(message));
    };
    for length in 0..message.len() {
        refused("cut", &message[..length]);
    }
    for byte in 0..=u8::MAX {
        refused("a byte after", &[&message[..], &[byte]].concat());
        refused("a byte before", &[&[byte], &message[..]].concat());
    }
    refused("twice", &[&message[..], &message].concat());
    refused(
        "too old",
        &decoded("us-west-2-2021-teleport", "rsa2048.b64"),
    );
    refused(
        "a certificate in it",
        &decoded("negative/forged-embedded-cert", "rsa2048.b64"),
    );
    refused("DSA", &decoded("us-east-1-2016-dsa-vault", "pkcs7.b64"));
    refused("the document alone", &document);
    refused("deep", &[0x30, 0x80].repeat(4_000));
    refused(
        "long",
        &[&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &message].concat(),
    );

    // A document beside it must be the one inside.
    let beside = |document: &[u8]| judged(&verifier, Some(document), None, Some(&message));
    assert!(beside(&document).is_ok());
    for bit in 0..document.len() * 8 {
        let outcome = beside(&with_bit(&document, bit));
        tally.refused(
            class,
            &format!("bit {bit} of the document beside it"),
            outcome,
        );
    }
    let of_region = keys("rsa2048");
    for (region, key) in &of_region {
        let there = Region::named("ap-southeast-2").unwrap();
        let keys = Keys::aws().with(there, KeyType::Rsa2048, key).unwrap();
        let elsewhere = verifier_of(&config(|_| {}), keys);
        let outcome = judged(&elsewhere, None, None, Some(&message));
        if region == "ap-southeast-2" {
            assert!(outcome.is_ok());
        } else {
            tally.refused(class, &format!("the key of {region}"), outcome);
        }
    }
}

/// The published keys of a type, by region.
fn keys(of: &str) -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/keys.txt");
    let mut keys = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let mut words = line.split(' ');
        if words.next() == Some(of) {
            let key = STANDARD.decode(words.next().unwrap()).unwrap();
            keys.extend(words.map(|region| (region.to_owned(), key.clone())));
        }
    }
    assert_eq!(keys.len(), 39);
    keys
}
