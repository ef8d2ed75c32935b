//! The formats against what others published: AWS's signing vectors, botocore's signed requests, our
//! own protocol's vectors (made by a Python script that shares no code), and identity documents that
//! EC2 really signed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use spore_updater::config::Proof;
use spore_updater::proof::{
    Claim, DOCUMENT_AGE_MAX, DocumentRefused, Keys, Members, Proven, Sort, Unproven, Who,
};
use spore_updater::protocol::sigv4::{Credentials, Request, Scope};
use spore_updater::protocol::{
    AnswerProof, AnswerRefused, Audience, Call, Nonce, Outcome, REGIONS, Region, RoleArn, Sha256,
    SignedProof, SignedType, Update,
};

#[path = "fake/stack.rs"]
mod stack;
#[path = "fake/sts.rs"]
mod sts;

use stack::{at, config, credentials, ready, verifier, verifier_of};
use sts::FakeSts;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn optional(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

// ---- Signature Version 4 ----

/// AWS's suite: a request as text, what must be signed, and the signature.
#[test]
fn the_signing_suite_of_aws() {
    let mut count = 0;
    let mut folders: Vec<PathBuf> = fs::read_dir(vectors().join("sigv4/suite"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for folder in folders {
        for form in ["header", "query"] {
            suite_case(&folder, form);
            count += 1;
        }
    }
    assert_eq!(count, 26);
}

fn suite_case(folder: &Path, form: &str) {
    let context = json(&folder.join("context.json"));
    let request = text(&folder.join("request.txt"));
    let (head, body) = request.split_once("\n\n").unwrap_or((&request, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap();
    let (method, target) = first.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, String)> = lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect();
    let mut query: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect();

    let date = string(&context["timestamp"]).replace(['-', ':'], "");
    let scope = Scope {
        date: &date,
        region: context["region"].as_str().unwrap(),
        service: context["service"].as_str().unwrap(),
    };
    let day = &date[..8];
    let key = string(&context["credentials"]["access_key_id"]);
    let token = optional(&context["credentials"]["token"])
        .filter(|_| context["omit_session_token"] != true);
    let mut add = |name: &str, value: &str| {
        let pair = (name.to_owned(), value.to_owned());
        if form == "header" {
            headers.push(pair);
        } else {
            query.push(pair);
        }
    };
    add("X-Amz-Date", &date);
    if let Some(token) = token {
        add("X-Amz-Security-Token", &token);
    }
    if form == "header" {
        if context["sign_body"] == true {
            let hash = Sha256::of(body.as_bytes()).to_string();
            headers.push(("x-amz-content-sha256".to_owned(), hash));
        }
    } else {
        let mut names: Vec<String> = headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        names.sort();
        names.dedup();
        let credential = format!(
            "{key}/{day}/{}/{}/aws4_request",
            scope.region, scope.service
        );
        query.push(("X-Amz-Algorithm".to_owned(), "AWS4-HMAC-SHA256".to_owned()));
        query.push(("X-Amz-Credential".to_owned(), credential));
        let expires = context["expiration_in_seconds"].to_string();
        query.push(("X-Amz-Expires".to_owned(), expires));
        query.push(("X-Amz-SignedHeaders".to_owned(), names.join(";")));
    }
    fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
    let (headers, query) = (borrowed(&headers), borrowed(&query));
    let request = Request {
        method,
        path,
        query: &query,
        headers: &headers,
        body: Sha256::of(body.as_bytes()),
    };
    let expected = |what: &str| text(&folder.join(format!("{form}-{what}.txt")));
    let canonical = request.canonical();
    let name = folder.display();
    assert_eq!(canonical, expected("canonical-request"), "{name} {form}");
    let to_sign = scope.string_to_sign(&canonical);
    assert_eq!(to_sign, expected("string-to-sign"), "{name} {form}");
    let secret = string(&context["credentials"]["secret_access_key"]);
    let signature = scope.signature(&secret, &canonical);
    assert_eq!(signature, expected("signature"), "{name} {form}");
    if form == "header" {
        let credentials = Credentials {
            access_key_id: key,
            secret,
            token: None,
        };
        let authorization = request.authorization(&credentials, &scope);
        let line = format!("Authorization:{authorization}\n");
        assert!(expected("signed-request").contains(&line), "{name}: {line}");
    }
}

/// GetCallerIdentity as botocore signs it.
#[test]
fn what_botocore_signs() {
    let file = json(&vectors().join("sigv4/getcalleridentity.json"));
    let all = file["vectors"].as_array().unwrap();
    for vector in all {
        let url = string(&vector["url"]);
        let (host, query) = url
            .strip_prefix("https://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let mut headers = vec![("host", host)];
        for (name, value) in vector["headers"].as_object().unwrap() {
            if name != "Authorization" {
                headers.push((name, value.as_str().unwrap()));
            }
        }
        let pairs: Vec<(String, String)> = query
            .trim_start_matches('?')
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| *name != "X-Amz-Signature")
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let query: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = optional(&vector["body"]).unwrap_or_default();
        let request = Request {
            method: vector["method"].as_str().unwrap(),
            path: "/",
            query: &query,
            headers: &headers,
            body: Sha256::of(body.as_bytes()),
        };
        let date = string(&vector["timestamp"]).replace(['-', ':'], "");
        let scope = Scope {
            date: &date,
            region: vector["region"].as_str().unwrap(),
            service: vector["service"].as_str().unwrap(),
        };
        let name = &vector["name"];
        let canonical = request.canonical();
        assert_eq!(canonical, vector["canonical_request"], "{name}");
        assert_eq!(
            scope.string_to_sign(&canonical),
            vector["string_to_sign"],
            "{name}"
        );
        let secret = string(&vector["secret_access_key"]);
        assert_eq!(
            scope.signature(&secret, &canonical),
            vector["signature"],
            "{name}"
        );
    }
    assert_eq!(all.len(), 4);
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}

// ---- Our protocol ----

fn update(value: &Value) -> Update {
    Update {
        record_name: optional(&value["record_name"]),
        ip_address: optional(&value["ip_address"]),
        action: optional(&value["action"]),
        record_type: optional(&value["record_type"]),
        ttl: value["ttl"].as_u64().map(|ttl| u32::try_from(ttl).unwrap()),
        text: optional(&value["text"]),
        owner: optional(&value["owner"]),
    }
}

fn time(date: &Value) -> Timestamp {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date.as_str().unwrap());
    civil
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp()
}

fn assert_is(call: &Call, vector: &Value) {
    let headers: BTreeMap<&str, &str> = call.headers().collect();
    let expected: BTreeMap<&str, &str> = vector["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    assert_eq!(headers, expected);
    assert_eq!(headers.len(), call.headers().count());
    assert_eq!(call.host(), vector["headers"]["host"]);
    assert_eq!(call.body(), vector["body"]);
}

/// Keeps the request that it is asked to send.
struct Kept(std::sync::Mutex<Option<Call>>);

impl spore_updater::proof::Sts for Kept {
    async fn ask(
        &self,
        call: &Call,
    ) -> Result<spore_updater::protocol::StsAnswer, spore_updater::proof::Unreachable> {
        *self.0.lock().unwrap() = Some(call.clone());
        Err(spore_updater::proof::Unreachable)
    }
}

#[test]
fn requests_are_those_of_the_published_vectors() {
    let file = json(&vectors().join("protocol.json"));
    let all = file["requests"].as_array().unwrap();
    for vector in all {
        let update = update(&vector["update"]);
        assert_eq!(update.canonical(), vector["canonical_update"]);
        assert_eq!(update.sha256().to_string(), vector["sha256"]);

        // What a client signs.
        let proof = &vector["proof"];
        let signed_type = match proof["type"].as_str().unwrap() {
            "instance-role" => SignedType::InstanceRole,
            "iam-role" => SignedType::IamRole,
            other => panic!("{other}"),
        };
        let credentials = credentials(
            proof["access_key_id"].as_str().unwrap(),
            file["secret_access_key"].as_str().unwrap(),
            proof["token"].as_str().unwrap(),
        );
        let region = Region::named(proof["region"].as_str().unwrap()).unwrap();
        let (domain, zone) = (string(&file["domain"]), string(&file["zone_id"]));
        let now = time(&proof["date"]);
        let made = SignedProof::sign(
            signed_type,
            &credentials,
            region,
            now,
            &Audience::request(&domain, &zone),
            &Nonce::read(proof["nonce"].as_str().unwrap()).unwrap(),
            update.sha256(),
        );
        assert_eq!(&serde_json::to_value(made.unwrap()).unwrap(), proof);

        // What the updater asks STS.
        let members = Members {
            proof: serde_json::from_value(proof.clone()).unwrap(),
            ..Members::default()
        };
        let of_stack = config(|config| {
            config["domain"] = file["domain"].clone();
            config["zone_id"] = file["zone_id"].clone();
            config["region"] = proof["region"].clone();
        });
        let kept = Kept(std::sync::Mutex::new(None));
        let claim = Claim::read(update, members).unwrap();
        let verifier = verifier_of(&of_stack, Keys::aws());
        let refused = ready(verifier.verify(&kept, now, claim)).unwrap_err();
        assert_eq!(refused, Unproven::Unreachable);
        assert_eq!(refused.sort(), Sort::Unavailable);
        assert_is(kept.0.lock().unwrap().as_ref().unwrap(), vector);
    }
    assert_eq!(all.len(), 8);
}

#[test]
fn answers_are_those_of_the_published_vectors() {
    let file = json(&vectors().join("protocol.json"));
    let all = file["answers"].as_array().unwrap();
    for vector in all {
        let request = update(&vector["update"]).sha256();
        let of = &vector["answer"];
        let outcome = outcome(of);
        assert_eq!(outcome.canonical(request), vector["canonical_answer"]);
        let proof = &vector["proof"];
        let credentials = credentials(
            proof["access_key_id"].as_str().unwrap(),
            file["secret_access_key"].as_str().unwrap(),
            proof["token"].as_str().unwrap(),
        );
        let region = Region::named(proof["region"].as_str().unwrap()).unwrap();
        let (domain, zone) = (string(&file["domain"]), string(&file["zone_id"]));
        let audience = Audience::response(&domain, &zone);
        let nonce = Nonce::read(vector["nonce"].as_str().unwrap()).unwrap();
        let now = time(&proof["date"]);
        let made = AnswerProof::sign(
            &credentials,
            region,
            now,
            &audience,
            &nonce,
            request,
            &outcome,
        )
        .unwrap();
        assert_eq!(&serde_json::to_value(&made).unwrap(), proof);
        let call = made
            .call(now, &audience, &nonce, request, &outcome)
            .unwrap();
        assert_is(&call, vector);
    }
    assert_eq!(all.len(), 2);
}

fn outcome(of: &Value) -> Outcome {
    Outcome {
        success: of["success"].as_bool().unwrap(),
        code: string(&of["code"]),
        message: optional(&of["message"]),
        error: optional(&of["error"]),
        record: optional(&of["record"]),
        change_id: optional(&of["change_id"]),
        owner: optional(&of["owner"]),
        request_id: string(&of["request_id"]),
        timestamp: string(&of["timestamp"]),
    }
}

/// The client's side: an answer counts only if the expected role signed this answer to this request.
#[test]
fn a_client_believes_only_the_updaters_role() {
    let now = at("2026-11-22T06:00:00Z");
    let (key, secret, token) = ("ASIAUPDATER0000000001", "secret", "token");
    let sts = FakeSts::new(now).know(
        key,
        secret,
        token,
        "arn:aws:sts::123456789012:assumed-role/spore-updater-role/spore-updater",
        "AROAUPDATER000000000:spore-updater",
    );
    let region = Region::named("us-east-1").unwrap();
    let audience = Audience::response(stack::DOMAIN, stack::ZONE);
    let nonce = Nonce::from_bits(7);
    let request = Update::default().sha256();
    let done = Outcome {
        success: true,
        code: "ok".to_owned(),
        request_id: "r".to_owned(),
        timestamp: "2026-11-22T06:00:00Z".to_owned(),
        ..Outcome::default()
    };
    let credentials = credentials(key, secret, token);
    let proof =
        AnswerProof::sign(&credentials, region, now, &audience, &nonce, request, &done).unwrap();
    let expected: RoleArn = "arn:aws:iam::123456789012:role/spore/spore-updater-role"
        .parse()
        .unwrap();
    let judged =
        |now, audience: &Audience, nonce: &Nonce, request, outcome: &Outcome, role: &str| {
            let call = proof.clone().call(now, audience, nonce, request, outcome)?;
            role.parse::<RoleArn>().unwrap().judge(&sts.answer(&call))
        };
    let role = expected.to_string();
    assert_eq!(
        judged(now, &audience, &nonce, request, &done, &role),
        Ok(())
    );

    let refused = Unproven::NoIdentity(spore_updater::protocol::NoIdentity::Signature);
    let is_signature = |outcome: Result<(), AnswerRefused>| {
        let Err(AnswerRefused::NoIdentity(why)) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(Unproven::NoIdentity(why), refused);
    };
    let other = Audience::request(stack::DOMAIN, stack::ZONE);
    is_signature(judged(now, &other, &nonce, request, &done, &role));
    is_signature(judged(
        now,
        &audience,
        &Nonce::from_bits(8),
        request,
        &done,
        &role,
    ));
    let asked = Update {
        record_name: Some("other".to_owned()),
        ..Update::default()
    };
    is_signature(judged(now, &audience, &nonce, asked.sha256(), &done, &role));
    let failed = Outcome {
        success: false,
        ..done.clone()
    };
    is_signature(judged(now, &audience, &nonce, request, &failed, &role));
    for stranger in [
        "arn:aws:iam::123456789012:role/spore-updater",
        "arn:aws:iam::210987654321:role/spore-updater-role",
        "arn:aws-cn:iam::123456789012:role/spore-updater-role",
    ] {
        let outcome = judged(now, &audience, &nonce, request, &done, stranger);
        assert_eq!(outcome, Err(AnswerRefused::Stranger), "{stranger}");
    }
    let later = now + SignedDuration::from_secs(121);
    let outcome = judged(later, &audience, &nonce, request, &done, &role);
    assert_eq!(outcome, Err(AnswerRefused::Time(121)));
}

// ---- Identity documents ----

struct Vector {
    document: Vec<u8>,
    signature: Option<String>,
    rsa2048: Option<String>,
    pending: Timestamp,
}

fn identity(name: &str) -> Vector {
    let folder = vectors().join("identity").join(name);
    let member = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let document = fs::read(folder.join("document.json")).unwrap();
    let parsed: Value = serde_json::from_slice(&document).unwrap();
    Vector {
        pending: parsed["pendingTime"].as_str().unwrap().parse().unwrap(),
        document,
        signature: member("signature.b64"),
        rsa2048: member("rsa2048.b64").or_else(|| member("pkcs7.b64")),
    }
}

fn judged(
    now: Timestamp,
    keys: Keys,
    document: Option<&[u8]>,
    signature: Option<&str>,
    rsa2048: Option<&str>,
) -> Result<Proven, Unproven> {
    let members = Members {
        proof: None,
        instance_identity_document: document.map(|document| STANDARD.encode(document)),
        instance_identity_signature: signature.map(str::to_owned),
        instance_identity_rsa2048: rsa2048.map(str::to_owned),
    };
    let claim = Claim::read(Update::default(), members)?;
    let sts = FakeSts::new(now);
    let outcome = ready(verifier_of(&config(|_| {}), keys).verify(&sts, now, claim));
    assert_eq!(sts.calls(), 0, "a document needs no STS");
    outcome
}

fn assert_proves(outcome: Result<Proven, Unproven>, account: &str, region: &str, instance: &str) {
    let proven = outcome.unwrap();
    assert_eq!(proven.account(), account);
    assert_eq!(proven.region().name(), region);
    let id = instance.to_owned();
    assert_eq!(proven.who(), &Who::Instance { id });
    assert_eq!(proven.proof(), Proof::IdentityDocument);
    assert!(proven.must_match_source());
    assert_eq!(proven.signed_at(), None);
}

#[test]
fn documents_that_ec2_signed_prove_the_instance() {
    let all = [
        (
            "ap-southeast-2-2026-metaphor",
            "189292791360",
            "ap-southeast-2",
            "i-0c5541936caf78c12",
        ),
        (
            "us-east-1-2022-coder",
            "628783029487",
            "us-east-1",
            "i-076e9b91f7c420782",
        ),
        (
            "us-west-2-2021-teleport",
            "278576220453",
            "us-west-2",
            "i-078517ca8a70a1dde",
        ),
    ];
    let mut proven = 0;
    for (name, account, region, instance) in all {
        let vector = identity(name);
        let now = vector.pending + SignedDuration::from_secs(60);
        if let Some(signature) = &vector.signature {
            let document = Some(&vector.document[..]);
            let outcome = judged(now, Keys::aws(), document, Some(signature), None);
            assert_proves(outcome, account, region, instance);
            proven += 1;
        }
        if let Some(message) = &vector.rsa2048 {
            for document in [None, Some(&vector.document[..])] {
                let outcome = judged(now, Keys::aws(), document, None, Some(message));
                assert_proves(outcome, account, region, instance);
                proven += 1;
            }
        }
    }
    assert_eq!(proven, 6);
}

#[test]
fn a_document_counts_for_a_short_time() {
    let vector = identity("us-east-1-2022-coder");
    let judged_at = |now| {
        let signature = vector.signature.as_deref();
        judged(now, Keys::aws(), Some(&vector.document), signature, None)
    };
    let most = SignedDuration::try_from(DOCUMENT_AGE_MAX).unwrap();
    let second = SignedDuration::from_secs(1);
    assert!(judged_at(vector.pending + most).is_ok());
    assert!(judged_at(vector.pending - second * 120).is_ok());
    let outcome = judged_at(vector.pending + most + second).unwrap_err();
    assert_eq!(
        outcome,
        Unproven::Document(DocumentRefused::Age { secs: 901 })
    );
    let outcome = judged_at(vector.pending - second * 121).unwrap_err();
    assert_eq!(
        outcome,
        Unproven::Document(DocumentRefused::Age { secs: -121 })
    );
    // Public since 2022, and still signed by a key that AWS uses.
    let outcome = judged_at(at("2026-11-22T06:00:00Z")).unwrap_err();
    assert!(
        matches!(outcome, Unproven::Document(DocumentRefused::Age { .. })),
        "{outcome:?}"
    );
    assert_eq!(outcome.sort(), Sort::Invalid);
    assert!(outcome.to_string().contains("instance-role"), "{outcome}");
}

#[test]
fn signatures_with_dsa_are_refused() {
    for name in ["us-east-1-2016-dsa-mozilla", "us-east-1-2016-dsa-vault"] {
        let vector = identity(name);
        let message = vector.rsa2048.as_deref();
        let outcome = judged(vector.pending, Keys::aws(), None, None, message).unwrap_err();
        assert_eq!(
            outcome,
            Unproven::Document(DocumentRefused::Message),
            "{name}"
        );
    }
}

#[test]
fn forgeries_that_others_fell_for_are_refused() {
    let refused = |name: &str, with_message: bool| {
        let vector = identity(&format!("negative/{name}"));
        let document = Some(&vector.document[..]);
        let outcome = if with_message {
            judged(
                vector.pending,
                Keys::aws(),
                document,
                None,
                vector.rsa2048.as_deref(),
            )
        } else {
            judged(
                vector.pending,
                Keys::aws(),
                document,
                vector.signature.as_deref(),
                None,
            )
        };
        let Unproven::Document(why) = outcome.unwrap_err() else {
            panic!("{name}");
        };
        why
    };
    assert_eq!(
        refused("trailing-newline", false),
        DocumentRefused::Signature
    );
    assert_eq!(
        refused("tampered-instance-id", false),
        DocumentRefused::Signature
    );
    assert_eq!(
        refused("tampered-instance-id", true),
        DocumentRefused::Differs
    );
    // A signature of 256 bytes, and a certificate inside the message.
    assert_eq!(
        refused("forged-embedded-cert", false),
        DocumentRefused::Signature
    );
    assert_eq!(
        refused("forged-embedded-cert", true),
        DocumentRefused::Message
    );

    // Without the document beside it the message of the tampered one is the true one.
    let tampered = identity("negative/tampered-instance-id");
    let message = tampered.rsa2048.as_deref();
    let outcome = judged(tampered.pending, Keys::aws(), None, None, message);
    assert_proves(
        outcome,
        "189292791360",
        "ap-southeast-2",
        "i-0c5541936caf78c12",
    );
}

#[test]
fn a_document_that_was_parsed_and_written_again_is_refused() {
    let vector = identity("ap-southeast-2-2026-metaphor");
    let parsed: Value = serde_json::from_slice(&vector.document).unwrap();
    for again in [
        parsed.to_string(),
        serde_json::to_string_pretty(&parsed).unwrap(),
    ] {
        let signature = vector.signature.as_deref();
        let document = Some(again.as_bytes());
        let outcome = judged(vector.pending, Keys::aws(), document, signature, None);
        assert_eq!(
            outcome.unwrap_err(),
            Unproven::Document(DocumentRefused::Signature)
        );
    }
}

/// The key file against the certificates, without the script that made it.
#[test]
fn every_pinned_key_is_in_its_certificate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    let mut keys = 0;
    for line in text(&folder.join("keys.txt")).lines().skip(1) {
        let mut words = line.split(' ');
        let (of, key) = (words.next().unwrap(), words.next().unwrap());
        let key = STANDARD.decode(key).unwrap();
        for region in words {
            assert!(REGIONS.contains(&region), "{region}");
            let pem = text(&folder.join(of).join(format!("{region}.pem")));
            let base64: String = pem.lines().filter(|line| !line.contains("--")).collect();
            let certificate = STANDARD.decode(base64).unwrap();
            let is_in = certificate.windows(key.len()).any(|window| window == key);
            assert!(is_in, "{of} {region}");
            keys += 1;
        }
    }
    assert_eq!(keys, 78);
}

// ---- Signed proofs ----

const KEY: &str = "ASIAINSTANCE00000001";
const SECRET: &str = "secret-of-the-instance";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE+of/the-instance==";

struct Case {
    arn: &'static str,
    user_id: &'static str,
    signed_type: SignedType,
    region: &'static str,
    age_secs: i64,
}

const INSTANCE: Case = Case {
    arn: "arn:aws:sts::210987654321:assumed-role/aws:ec2-instance/i-0123456789abcdef0",
    user_id: "210987654321:aws:ec2-instance:i-0123456789abcdef0",
    signed_type: SignedType::InstanceRole,
    region: "eu-west-1",
    age_secs: 0,
};

const ROLE: Case = Case {
    arn: "arn:aws:sts::123456789012:assumed-role/registrar/i-0123456789abcdef0",
    user_id: "AROAREGISTRAR0000000:i-0123456789abcdef0",
    signed_type: SignedType::IamRole,
    region: "us-east-1",
    age_secs: 0,
};

impl Case {
    fn judged(&self) -> (Result<Proven, Unproven>, u32) {
        let now = at("2026-11-22T06:00:00Z");
        let sts = FakeSts::new(now).know(KEY, SECRET, TOKEN, self.arn, self.user_id);
        let update = Update {
            record_name: Some("my-instance".to_owned()),
            ..Update::default()
        };
        let proof = SignedProof::sign(
            self.signed_type,
            &credentials(KEY, SECRET, TOKEN),
            Region::named(self.region).unwrap(),
            now - SignedDuration::from_secs(self.age_secs),
            &Audience::request(stack::DOMAIN, stack::ZONE),
            &Nonce::from_bits(1),
            update.sha256(),
        );
        let members = Members {
            proof: Some(proof.unwrap()),
            ..Members::default()
        };
        let claim = Claim::read(update, members).unwrap();
        let outcome = ready(verifier().verify(&sts, now, claim));
        (outcome, sts.calls())
    }

    fn refused(&self) -> (Unproven, u32) {
        let (outcome, calls) = self.judged();
        (outcome.unwrap_err(), calls)
    }
}

#[test]
fn an_instance_and_a_listed_role_are_proven_with_one_call() {
    let (outcome, calls) = INSTANCE.judged();
    let proven = outcome.unwrap();
    assert_eq!(calls, 1);
    assert_eq!(proven.account(), "210987654321");
    assert_eq!(proven.region().name(), "eu-west-1");
    let id = "i-0123456789abcdef0".to_owned();
    assert_eq!(proven.who(), &Who::Instance { id });
    assert_eq!(proven.proof(), Proof::InstanceRole);
    assert_eq!(proven.signed_at(), Some(at("2026-11-22T06:00:00Z")));
    assert_eq!(proven.nonce().unwrap().text(), format!("{:032x}", 1));
    assert_eq!(proven.update().record_name.as_deref(), Some("my-instance"));
    assert_eq!(proven.request(), proven.update().sha256());
    assert!(!proven.must_match_source());

    let (outcome, calls) = ROLE.judged();
    let proven = outcome.unwrap();
    assert_eq!(calls, 1);
    assert_eq!(proven.proof(), Proof::IamRole);
    // A session that is called like an instance is none.
    assert!(matches!(proven.who(), Who::Role { name, .. } if name == "registrar"));
}

#[test]
fn a_proof_counts_for_two_minutes_either_way() {
    for age_secs in [120, -120] {
        assert!(
            Case {
                age_secs,
                ..INSTANCE
            }
            .judged()
            .0
            .is_ok()
        );
    }
    for age_secs in [121, -121, 86_400] {
        let refused = Case {
            age_secs,
            ..INSTANCE
        }
        .refused();
        // Without a question to STS.
        assert_eq!(refused, (Unproven::Date { secs: age_secs }, 0));
    }
}

#[test]
fn others_are_told_why_not() {
    let other = |arn, user_id| {
        Case {
            arn,
            user_id,
            ..ROLE
        }
        .refused()
        .0
    };
    // Not listed; listed by another account; the updater itself.
    assert_eq!(
        other(
            "arn:aws:sts::123456789012:assumed-role/other/session",
            "AROAOTHER00000000000:session"
        ),
        Unproven::RoleNotListed
    );
    assert_eq!(
        other(
            "arn:aws:sts::210987654321:assumed-role/registrar/session",
            "AROAOTHER00000000000:session"
        ),
        Unproven::RoleNotListed
    );
    let own = other(
        "arn:aws:sts::123456789012:assumed-role/registrar/spore-updater",
        "AROAREGISTRAR0000000:spore-updater",
    );
    assert_eq!(own, Unproven::Own);
    // The type must be that of who signed.
    let role = Case {
        signed_type: SignedType::InstanceRole,
        ..ROLE
    };
    assert_eq!(role.refused().0, Unproven::OtherType(Proof::InstanceRole));
    let instance = Case {
        signed_type: SignedType::IamRole,
        ..INSTANCE
    };
    assert_eq!(instance.refused().0, Unproven::OtherType(Proof::IamRole));
    // Another partition is not even asked about.
    let china = Case {
        region: "cn-north-1",
        ..INSTANCE
    };
    assert_eq!(china.refused(), (Unproven::OtherPartition, 0));
}

#[test]
fn a_stack_takes_only_the_proofs_it_lists() {
    let only = config(|config| config["proofs"] = serde_json::json!(["instance-role"]));
    let vector = identity("us-east-1-2022-coder");
    let members = Members {
        instance_identity_document: Some(STANDARD.encode(&vector.document)),
        instance_identity_signature: vector.signature,
        ..Members::default()
    };
    let claim = Claim::read(Update::default(), members).unwrap();
    let sts = FakeSts::new(vector.pending);
    let verifier = verifier_of(&only, Keys::aws());
    let outcome = ready(verifier.verify(&sts, vector.pending, claim)).unwrap_err();
    assert_eq!(outcome, Unproven::NotAccepted(Proof::IdentityDocument));
    assert_eq!(outcome.sort(), Sort::NotAllowed);
}

#[test]
fn exactly_one_proof_is_taken() {
    let text = || Some(STANDARD.encode("x"));
    let proof = || {
        let file = json(&vectors().join("protocol.json"));
        serde_json::from_value::<SignedProof>(file["requests"][0]["proof"].clone()).ok()
    };
    let read = |proof, document, signature, rsa2048| {
        let members = Members {
            proof,
            instance_identity_document: document,
            instance_identity_signature: signature,
            instance_identity_rsa2048: rsa2048,
        };
        Claim::read(Update::default(), members).map(drop)
    };
    assert_eq!(read(None, None, None, None), Err(Unproven::Missing));
    assert_eq!(read(None, text(), None, None), Err(Unproven::Half));
    assert_eq!(read(None, None, text(), None), Err(Unproven::Half));
    assert_eq!(read(None, text(), text(), text()), Err(Unproven::Several));
    assert_eq!(read(None, None, text(), text()), Err(Unproven::Several));
    assert_eq!(read(proof(), text(), None, None), Err(Unproven::Several));
    assert_eq!(read(proof(), None, None, text()), Err(Unproven::Several));
    assert_eq!(read(proof(), None, None, None), Ok(()));
}

#[test]
fn nothing_secret_is_in_a_debug_output() {
    let file = json(&vectors().join("protocol.json"));
    let proof: SignedProof = serde_json::from_value(file["requests"][0]["proof"].clone()).unwrap();
    let (token, signature) = (proof.token.clone(), proof.signature.clone());
    let members = Members {
        proof: Some(proof.clone()),
        ..Members::default()
    };
    let mut shown = format!("{proof:?} {members:?}");
    shown += &format!("{:?}", Claim::read(Update::default(), members).unwrap());
    shown += &format!("{:?}", credentials(KEY, SECRET, TOKEN));
    let vector = identity("us-east-1-2022-coder");
    let members = Members {
        instance_identity_document: Some(STANDARD.encode(&vector.document)),
        instance_identity_signature: vector.signature,
        ..Members::default()
    };
    shown += &format!("{members:?}");
    shown += &format!("{:?}", Claim::read(Update::default(), members).unwrap());
    for secret in [
        token.as_str(),
        signature.as_str(),
        SECRET,
        TOKEN,
        "628783029487",
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        !shown.contains("123, 10, 32"),
        "bytes of a document: {shown}"
    );
}
