//! Whatever a stranger sends: texts made from the published ones by flips, cuts, insertions and mixing,
//! read by the same functions as in production. Nothing may panic, and what is accepted must be what
//! the unchanged vectors prove. Runs on stable Rust with every `cargo test`; a failure prints the case
//! and its seed. More cases: `PROPTEST_CASES=100000`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::test_runner::Config;
use spore_updater::proof::{Claim, Members, Proven, Sts, Unreachable, Who};
use spore_updater::protocol::{Call, REGIONS, SignedProof, StsAnswer, Update};

#[path = "fake/stack.rs"]
#[expect(dead_code, reason = "it signs nothing here")]
mod stack;

use stack::{at, ready, verifier};

/// One change to some bytes. Places are fractions, so that they fit every length.
#[derive(Debug, Clone)]
enum Change {
    /// Flips bits of a byte.
    Flip(f64, u8),
    /// Cuts some bytes out.
    Cut(f64, usize),
    /// Puts bytes in.
    Insert(f64, Vec<u8>),
    /// Puts in a piece of another text.
    Splice(f64, usize, f64, usize),
    /// Repeats a piece.
    Repeat(f64, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0.0..1.0_f64;
    // What the formats are made of, and what often breaks readers.
    let telling = prop::sample::select(vec![
        "\"",
        "{",
        "}",
        "[",
        ",",
        ":",
        "\\u0000",
        "\\ud800",
        "null",
        "1e999",
        "<",
        ">",
        "&lt;",
        "<!DOCTYPE a>",
        "]]>",
        "=",
        "%",
        "\n",
        "\r",
        "\0",
        "\u{feff}",
        "\u{e9}",
    ]);
    let ber = prop::sample::select(vec![
        vec![0x30, 0x80],
        vec![0x00, 0x00],
        vec![0x24, 0x80],
        vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        vec![0x04, 0x82, 0xff, 0xff],
        vec![0xa0, 0x80],
        vec![0x1f, 0xff, 0xff],
    ]);
    let bytes = prop_oneof![
        telling.prop_map(|text| text.as_bytes().to_vec()),
        ber,
        prop::collection::vec(any::<u8>(), 1..9),
    ];
    prop_oneof![
        4 => (place(), 1..=u8::MAX).prop_map(|(at, bits)| Change::Flip(at, bits)),
        2 => (place(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        3 => (place(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (place(), 0..8_usize, place(), 1..200_usize)
            .prop_map(|(at, of, from, length)| Change::Splice(at, of, from, length)),
        1 => (place(), 1..60_usize, 2..200_usize)
            .prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 1..6)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place in a short text"
)]
fn place(at: f64, length: usize) -> usize {
    (at * length as f64) as usize
}

fn changed(corpus: &[Vec<u8>], start: usize, changes: &[Change]) -> Vec<u8> {
    let mut bytes = corpus[start % corpus.len()].clone();
    for change in changes {
        let length = bytes.len();
        match change {
            Change::Flip(at, bits) => {
                if let Some(byte) = bytes.get_mut(place(*at, length)) {
                    *byte ^= bits;
                }
            }
            Change::Cut(at, cut) => {
                let from = place(*at, length);
                bytes.drain(from..(from + cut).min(length));
            }
            Change::Insert(at, more) => {
                let at = place(*at, length);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Splice(at, of, from, count) => {
                let other = &corpus[of % corpus.len()];
                let from = place(*from, other.len());
                let piece = other[from..(from + count).min(other.len())].to_vec();
                let at = place(*at, length);
                bytes.splice(at..at, piece);
            }
            Change::Repeat(at, count, times) => {
                let from = place(*at, length);
                let piece = bytes[from..(from + count).min(length)].repeat(*times);
                bytes.splice(from..from, piece);
            }
        }
    }
    bytes
}

fn file(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn identity(names: &[&str]) -> Vec<Vec<u8>> {
    names
        .iter()
        .map(|name| file(&format!("identity/{name}")))
        .collect()
}

fn decoded(names: &[&str]) -> Vec<Vec<u8>> {
    identity(names)
        .into_iter()
        .map(|text| {
            let text: Vec<u8> = text
                .into_iter()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            STANDARD.decode(text).unwrap()
        })
        .collect()
}

/// Always the same answer, to calls that have nothing in them but what such a call has.
struct Says(StsAnswer);

impl Sts for Says {
    async fn ask(&self, call: &Call) -> Result<StsAnswer, Unreachable> {
        assert_is_closed(call);
        Ok(self.0.clone())
    }
}

/// Every header is a constant or of a form in which nothing else can be hidden, written down here once
/// more. What a stranger sends decides which of these it is and nothing besides.
fn assert_is_closed(call: &Call) {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    };
    let headers: Vec<(&str, &str)> = call.headers().collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "content-type",
            "host",
            "x-amz-date",
            "x-amz-security-token",
            "x-spore-audience",
            "x-spore-nonce",
            "x-spore-sha256",
            "authorization",
        ]
    );
    let [
        (_, content_type),
        (_, host),
        (_, date),
        (_, token),
        (_, audience),
        (_, nonce),
        (_, hash),
        (_, authorization),
    ] = headers[..]
    else {
        unreachable!("there are eight");
    };
    assert_eq!(
        content_type,
        "application/x-www-form-urlencoded; charset=utf-8"
    );
    assert_eq!(call.body(), "Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(call.host(), host);
    let region = host.strip_prefix("sts.").unwrap();
    let suffixes = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"];
    let region = suffixes.iter().find_map(|end| region.strip_suffix(end));
    let region = region.unwrap();
    assert!(REGIONS.contains(&region), "{host}");
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let (day, time) = date.split_at(8);
    assert!(day.bytes().all(|byte| is_digit(&byte)), "{date}");
    assert!(time.len() == 8 && time.starts_with('T') && time.ends_with('Z'));
    assert!(time[1..7].bytes().all(|byte| is_digit(&byte)), "{date}");
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    assert!((1..=4_096).contains(&token.len()) && token.bytes().all(is_token));
    assert_eq!(
        audience,
        format!("spore/1 request {} {}", stack::DOMAIN, stack::ZONE)
    );
    assert!(is_hex(nonce, 32), "{nonce}");
    assert!(is_hex(hash, 64), "{hash}");
    let key = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=");
    let (key, rest) = key.unwrap().split_once('/').unwrap();
    let is_key = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    assert!(key.starts_with("ASIA") && (16..=128).contains(&key.len()));
    assert!(key.bytes().all(is_key), "{key}");
    let middle = format!(
        "{day}/{region}/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date;\
         x-amz-security-token;x-spore-audience;x-spore-nonce;x-spore-sha256, Signature="
    );
    let signature = rest.strip_prefix(&middle).unwrap();
    assert!(is_hex(signature, 64), "{signature}");
}

fn judged(members: Members, answer: &[u8]) -> Option<Proven> {
    let claim = Claim::read(Update::default(), members).ok()?;
    let sts = Says(StsAnswer {
        status: 200,
        content_type: "text/xml".to_owned(),
        body: answer.to_vec(),
    });
    // Between the two: each of the vectors is of age at one of them.
    for now in [
        "2026-02-16T00:40:00Z",
        "2022-03-25T20:08:00Z",
        "2026-11-22T06:00:00Z",
    ] {
        if let Ok(proven) = ready(verifier().verify(&sts, at(now), claim.clone())) {
            return Some(proven);
        }
    }
    None
}

fn assert_is_one_of(proven: Option<Proven>, accounts: &[&str]) {
    let Some(proven) = proven else { return };
    assert!(accounts.contains(&proven.account()), "{proven:?}");
    let Who::Instance { id } = proven.who() else {
        panic!("{proven:?}");
    };
    let known = [
        "i-0c5541936caf78c12",
        "i-076e9b91f7c420782",
        "i-0123456789abcdef0",
    ];
    assert!(known.contains(&id.as_str()), "{proven:?}");
}

const SIGNED: [&str; 2] = ["189292791360", "628783029487"];

const ANSWER: &str = "<GetCallerIdentityResponse \
    xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:sts::210987654321:assumed-role/aws:ec2-instance/i-0123456789abcdef0</Arn>\
    <UserId>210987654321:aws:ec2-instance:i-0123456789abcdef0</UserId>\
    <Account>210987654321</Account></GetCallerIdentityResult><ResponseMetadata>\
    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>\
    </GetCallerIdentityResponse>";

fn cases() -> Config {
    // A failure names its seed; nothing is written beside the sources.
    Config {
        failure_persistence: None,
        cases: Config::default().cases.max(4_000),
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_document(start in 0..8_usize, changes in changes(), signature in 0..2_usize) {
        let documents = identity(&[
            "ap-southeast-2-2026-metaphor/document.json",
            "us-east-1-2022-coder/document.json",
            "us-west-2-2021-teleport/document.json",
            "us-east-1-2016-dsa-vault/document.json",
        ]);
        let signatures = identity(&[
            "ap-southeast-2-2026-metaphor/signature.b64",
            "us-east-1-2022-coder/signature.b64",
        ]);
        let members = Members {
            instance_identity_document: Some(STANDARD.encode(changed(&documents, start, &changes))),
            instance_identity_signature: Some(String::from_utf8(signatures[signature].clone()).unwrap()),
            ..Members::default()
        };
        assert_is_one_of(judged(members, b""), &SIGNED);
    }

    #[test]
    fn the_base64_around_a_document(
        changes in changes(),
        others in changes(),
        start in 0..2_usize,
    ) {
        let documents: Vec<Vec<u8>> = identity(&[
            "ap-southeast-2-2026-metaphor/document.json",
            "us-east-1-2022-coder/document.json",
        ])
        .into_iter()
        .map(|document| STANDARD.encode(document).into_bytes())
        .collect();
        let signatures = identity(&[
            "ap-southeast-2-2026-metaphor/signature.b64",
            "us-east-1-2022-coder/signature.b64",
        ]);
        let text = |bytes: Vec<u8>| Some(String::from_utf8_lossy(&bytes).into_owned());
        let members = Members {
            instance_identity_document: text(changed(&documents, start, &changes)),
            instance_identity_signature: text(changed(&signatures, start, &others)),
            ..Members::default()
        };
        assert_is_one_of(judged(members, b""), &SIGNED);
    }

    #[test]
    fn a_message(start in 0..8_usize, changes in changes()) {
        let messages = decoded(&[
            "ap-southeast-2-2026-metaphor/rsa2048.b64",
            "us-west-2-2021-teleport/rsa2048.b64",
            "negative/forged-embedded-cert/rsa2048.b64",
            "us-east-1-2016-dsa-vault/pkcs7.b64",
        ]);
        let members = Members {
            instance_identity_rsa2048: Some(STANDARD.encode(changed(&messages, start, &changes))),
            ..Members::default()
        };
        assert_is_one_of(judged(members, b""), &SIGNED);
    }

    #[test]
    fn a_proof(start in 0..8_usize, changes in changes()) {
        let file: serde_json::Value = serde_json::from_slice(&file("protocol.json")).unwrap();
        let proofs: Vec<Vec<u8>> = file["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|request| request["proof"].to_string().into_bytes())
            .collect();
        let bytes = changed(&proofs, start, &changes);
        if let Ok(proof) = serde_json::from_slice::<SignedProof>(&bytes) {
            let members = Members { proof: Some(proof), ..Members::default() };
            // This STS believes everything, so what is accepted is whatever has the right form.
            assert_is_one_of(judged(members, ANSWER.as_bytes()), &["210987654321"]);
        }
    }

    #[test]
    fn an_answer_of_sts(start in 0..8_usize, changes in changes()) {
        let error = |kind: &str, code: &str| {
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
                 <Type>{kind}</Type>\n    <Code>{code}</Code>\n    <Message>It isn&apos;t so: \
                 &lt;Arn&gt;</Message>\n  </Error>\n  <RequestId>01234567-89ab-cdef-0123-456789abcdef\
                 </RequestId>\n</ErrorResponse>\n"
            )
        };
        let answers = [
            ANSWER.to_owned(),
            error("Sender", "SignatureDoesNotMatch"),
            error("Sender", "ExpiredToken"),
            error("Sender", "Throttling"),
            error("Receiver", "InternalFailure"),
            ANSWER.replace("GetCallerIdentityRes", "Error"),
        ]
        .map(String::into_bytes);
        for status in [200, 403, 500] {
            let answer = StsAnswer {
                status,
                content_type: "text/xml".to_owned(),
                body: changed(&answers, start, &changes),
            };
            if let Ok(identity) = answer.identity() {
                prop_assert_eq!(status, 200);
                prop_assert_eq!(identity.account, "210987654321");
            }
        }
    }
}
