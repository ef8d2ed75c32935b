//! Forgeries by the thousand, made from proofs that are accepted in the same run. None may be accepted,
//! and each class must have made as many as it says: a test that makes none would pass too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use spore_updater::proof::{Claim, KeyType, Keys, Members, Proven, Sts, Unreachable, Verifier};
use spore_updater::protocol::{
    Audience, Call, Nonce, REGIONS, Region, SIGNED_HEADERS, SignedProof, SignedType, StsAnswer,
    Update,
};

#[path = "fake/stack.rs"]
mod stack;
#[path = "fake/sts.rs"]
mod sts;

use stack::{DOMAIN, ZONE, at, config, credentials, ready, verifier, verifier_of};
use sts::FakeSts;

/// What was made and how many there must be.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, (usize, usize)>);

impl Tally {
    fn expect(&mut self, class: &'static str, count: usize) {
        self.0.entry(class).or_default().1 += count;
    }

    fn refused(&mut self, class: &'static str, what: &str, outcome: Result<Proven, String>) {
        self.0.entry(class).or_default().0 += 1;
        assert!(outcome.is_err(), "{class}: {what}: {outcome:?}");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the counts are a result")]
fn no_forgery_is_accepted() {
    let mut tally = Tally::default();
    for scene in [Scene::instance(), Scene::role()] {
        let proven = scene.present(&scene.proof(), scene.update.clone());
        assert!(proven.is_ok(), "the true one: {proven:?}");
        each_bit_of_a_proof(&scene, &mut tally);
        each_bit_of_an_update(&scene, &mut tally);
        other_members(&scene, &mut tally);
        mixed_with_another(&scene, &mut tally);
        for_another_stack_or_time(&scene, &mut tally);
        other_requests(&scene, &mut tally);
        texts_that_are_nearly_a_proof(&scene, &mut tally);
        answers_with_a_flipped_bit(&scene, &mut tally);
        lies(&scene, &mut tally);
        let again = scene.present(&scene.proof(), scene.update.clone());
        assert_eq!(again, proven, "the true one, afterwards");
    }
    documents(&mut tally);
    messages(&mut tally);
    let mut total = 0;
    for (class, (made, expected)) in &tally.0 {
        println!("{made:6} {class}");
        assert_eq!(made, expected, "{class}");
        total += made;
    }
    println!("{total:6} forgeries, none accepted");
    assert!(total >= 10_000, "{total}");
}

// ---- Signed proofs ----

const KEY: &str = "ASIAINSTANCE00000001";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE+of/the-instance==";
const OTHER_KEY: &str = "ASIAINSTANCE00000002";
const OTHER_SECRET: &str = "another-secret";
const OTHER_TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE+of/another-instance==";

/// A caller with a true proof, and the STS that knows it and another one.
struct Scene {
    now: Timestamp,
    sts: FakeSts,
    verifier: Verifier,
    signed_type: SignedType,
    region: &'static str,
    update: Update,
}

impl Scene {
    fn instance() -> Self {
        Self::of(
            SignedType::InstanceRole,
            "eu-west-1",
            [
                "arn:aws:sts::210987654321:assumed-role/aws:ec2-instance/i-0123456789abcdef0",
                "210987654321:aws:ec2-instance:i-0123456789abcdef0",
            ],
            [
                "arn:aws:sts::210987654321:assumed-role/aws:ec2-instance/i-0fedcba9876543210",
                "210987654321:aws:ec2-instance:i-0fedcba9876543210",
            ],
        )
    }

    fn role() -> Self {
        Self::of(
            SignedType::IamRole,
            "us-east-1",
            [
                "arn:aws:sts::123456789012:assumed-role/registrar/build-7",
                "AROAREGISTRAR0000000:build-7",
            ],
            [
                "arn:aws:sts::123456789012:assumed-role/registrar/build-8",
                "AROAREGISTRAR0000000:build-8",
            ],
        )
    }

    fn of(signed_type: SignedType, region: &'static str, one: [&str; 2], other: [&str; 2]) -> Self {
        let now = at("2026-11-22T06:00:00Z");
        let owner = "v=1 p=210987654321/eu-west-1/i-0123456789abcdef0 t=20261121T235948Z \
                     n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b";
        Self {
            now,
            sts: FakeSts::new(now)
                .know(KEY, SECRET, TOKEN, one[0], one[1])
                .know(OTHER_KEY, OTHER_SECRET, OTHER_TOKEN, other[0], other[1]),
            verifier: verifier(),
            signed_type,
            region,
            update: Update {
                record_name: Some("my-instance".to_owned()),
                ip_address: Some("203.0.113.7".to_owned()),
                action: Some("UPSERT".to_owned()),
                record_type: None,
                ttl: Some(60),
                text: None,
                owner: Some(owner.to_owned()),
            },
        }
    }

    /// The true proof, as JSON.
    fn proof(&self) -> Value {
        self.signed(KEY, SECRET, TOKEN, self.now, &self.update, 7)
    }

    fn signed(
        &self,
        key: &str,
        secret: &str,
        token: &str,
        time: Timestamp,
        update: &Update,
        nonce: u128,
    ) -> Value {
        let proof = SignedProof::sign(
            self.signed_type,
            &credentials(key, secret, token),
            Region::named(self.region).unwrap(),
            time,
            &Audience::request(DOMAIN, ZONE),
            &Nonce::from_bits(nonce),
            update.sha256(),
        );
        serde_json::to_value(proof.unwrap()).unwrap()
    }

    fn present(&self, proof: &Value, update: Update) -> Result<Proven, String> {
        self.present_bytes(proof.to_string().as_bytes(), update)
    }

    fn present_bytes(&self, proof: &[u8], update: Update) -> Result<Proven, String> {
        self.present_to(&self.verifier, &self.sts, self.now, proof, update)
    }

    fn present_to(
        &self,
        verifier: &Verifier,
        sts: &impl Sts,
        now: Timestamp,
        proof: &[u8],
        update: Update,
    ) -> Result<Proven, String> {
        let proof = serde_json::from_slice(proof).map_err(|error| error.to_string())?;
        let members = Members {
            proof: Some(proof),
            ..Members::default()
        };
        let claim = Claim::read(update, members).map_err(|error| error.to_string())?;
        ready(verifier.verify(sts, now, claim)).map_err(|error| error.to_string())
    }
}

fn with_bit(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn each_bit_of_a_proof(scene: &Scene, tally: &mut Tally) {
    let class = "each bit of a proof";
    let proof = scene.proof().to_string().into_bytes();
    tally.expect(class, proof.len() * 8);
    for bit in 0..proof.len() * 8 {
        let outcome = scene.present_bytes(&with_bit(&proof, bit), scene.update.clone());
        tally.refused(class, &format!("bit {bit}"), outcome);
    }
}

/// The members that are texts.
fn texts(update: &mut Update) -> [&mut Option<String>; 6] {
    [
        &mut update.record_name,
        &mut update.ip_address,
        &mut update.action,
        &mut update.record_type,
        &mut update.text,
        &mut update.owner,
    ]
}

fn each_bit_of_an_update(scene: &Scene, tally: &mut Tally) {
    let class = "each bit of an update";
    let proof = scene.proof();
    let mut refused = |what: &str, update: Update| {
        assert_ne!(update, scene.update);
        tally.expect(class, 1);
        tally.refused(class, what, scene.present(&proof, update));
    };
    let mut count = 0;
    for at in 0..6 {
        let text = texts(&mut scene.update.clone())[at]
            .clone()
            .unwrap_or_default();
        for bit in (0..text.len() * 8).filter(|bit| bit % 8 < 7) {
            let mut update = scene.update.clone();
            let flipped = with_bit(text.as_bytes(), bit);
            *texts(&mut update)[at] = Some(String::from_utf8(flipped).unwrap());
            refused(&format!("member {at}, bit {bit}"), update);
            count += 1;
        }
    }
    for bit in 0..32 {
        let mut update = scene.update.clone();
        update.ttl = Some(60 ^ (1 << bit));
        refused(&format!("ttl, bit {bit}"), update);
        count += 1;
    }
    assert!(count > 900, "{count}");
}

fn other_members(scene: &Scene, tally: &mut Tally) {
    let class = "members of an update added, left out, swapped";
    let proof = scene.proof();
    let mut refused = |what: &str, update: Update| {
        tally.expect(class, 1);
        tally.refused(class, what, scene.present(&proof, update));
    };
    for at in 0..6 {
        let mut update = scene.update.clone();
        let member = &mut texts(&mut update)[at];
        **member = match member.take() {
            Some(_) => None,
            None => Some(String::new()),
        };
        refused(&format!("member {at} there or not"), update);
        for other in at + 1..6 {
            let mut update = scene.update.clone();
            let (first, second) = {
                let mut members = texts(&mut update);
                (members[at].take(), members[other].take())
            };
            if first == second {
                continue;
            }
            let mut members = texts(&mut update);
            *members[at] = second;
            *members[other] = first;
            refused(&format!("members {at} and {other} swapped"), update);
        }
        // Values that would be lines, were they not encoded.
        let mut update = scene.update.clone();
        let member = &mut texts(&mut update)[at];
        let was = member.take().unwrap_or_default();
        **member = Some(format!("{was}\nttl=60"));
        refused(&format!("member {at} with a line"), update);
    }
    let ttl = None;
    refused(
        "no ttl",
        Update {
            ttl,
            ..scene.update.clone()
        },
    );
}

fn mixed_with_another(scene: &Scene, tally: &mut Tally) {
    let class = "two true proofs mixed";
    let one = scene.proof();
    let later = scene.now + SignedDuration::from_secs(1);
    let other = scene.signed(
        OTHER_KEY,
        OTHER_SECRET,
        OTHER_TOKEN,
        later,
        &scene.update,
        8,
    );
    assert!(scene.present(&other, scene.update.clone()).is_ok());
    let members = ["access_key_id", "date", "token", "signature", "nonce"];
    let all = 1 << members.len();
    tally.expect(class, all - 2);
    for of_other in 1..all - 1 {
        let mut mixed = one.clone();
        for (at, member) in members.iter().enumerate() {
            if of_other & (1 << at) != 0 {
                mixed[member] = other[member].clone();
            }
        }
        let outcome = scene.present(&mixed, scene.update.clone());
        tally.refused(class, &format!("{of_other:05b}"), outcome);
    }
}

fn for_another_stack_or_time(scene: &Scene, tally: &mut Tally) {
    let class = "for another stack, region, time, nonce";
    let proof = scene.proof();
    let bytes = proof.to_string().into_bytes();
    for (member, value) in [
        ("domain", "spore.example.org"),
        ("domain", "example.edu"),
        ("zone_id", "Z0123456789ABD"),
        ("zone_id", "Z"),
    ] {
        let stack = config(|config| config[member] = json!(value));
        let elsewhere = verifier_of(&stack, Keys::aws());
        let update = scene.update.clone();
        let outcome = scene.present_to(&elsewhere, &scene.sts, scene.now, &bytes, update);
        tally.expect(class, 1);
        tally.refused(class, value, outcome);
    }
    let mut refused = |what: String, proof: Value| {
        tally.expect(class, 1);
        tally.refused(class, &what, scene.present(&proof, scene.update.clone()));
    };
    for region in REGIONS.into_iter().filter(|region| *region != scene.region) {
        let mut other = proof.clone();
        other["region"] = json!(region);
        refused(format!("region {region}"), other);
    }
    for secs in (-400_i64..=400).filter(|secs| *secs != 0) {
        let mut other = proof.clone();
        let time = scene.now + SignedDuration::from_secs(secs);
        other["date"] = json!(spore_updater::protocol::sigv4::date(time));
        refused(format!("date {secs}"), other);
    }
    for nonce in (0..200_u32).filter(|nonce| *nonce != 7) {
        let mut other = proof.clone();
        other["nonce"] = json!(format!("{nonce:032x}"));
        refused(format!("nonce {nonce}"), other);
    }
    // True ones, but too old or too new for the updater although STS still takes them.
    for secs in (121..=300).chain(-300..=-121) {
        let time = scene.now + SignedDuration::from_secs(secs);
        let signed = scene.signed(KEY, SECRET, TOKEN, time, &scene.update, 7);
        refused(format!("signed {secs} s away"), signed);
    }
}

/// A request to STS as a caller might sign it.
#[derive(Clone)]
struct Other {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    signed_headers: Option<String>,
    body: String,
    day: String,
    region: String,
    service: String,
    secret: String,
}

impl Other {
    /// The one that is right.
    fn none(scene: &Scene) -> Self {
        let date = spore_updater::protocol::sigv4::date(scene.now);
        let headers = [
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            ),
            ("host", format!("sts.{}.amazonaws.com", scene.region)),
            ("x-amz-date", date.clone()),
            ("x-amz-security-token", TOKEN.to_owned()),
            (
                "x-spore-audience",
                format!("spore/1 request {DOMAIN} {ZONE}"),
            ),
            ("x-spore-nonce", format!("{:032x}", 7)),
            ("x-spore-sha256", sts::sha256(&scene.update.canonical())),
        ];
        Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            signed_headers: None,
            body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
            day: date[..8].to_owned(),
            region: scene.region.to_owned(),
            service: "sts".to_owned(),
            secret: SECRET.to_owned(),
        }
    }

    /// The proof that carries its signature.
    fn proof(&self, scene: &Scene) -> Value {
        let names: Vec<&str> = self.headers.keys().map(String::as_str).collect();
        let names = self.signed_headers.clone().unwrap_or(names.join(";"));
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for (name, value) in &self.headers {
            canonical += &format!("{name}:{value}\n");
        }
        canonical += &format!("\n{names}\n{}", sts::sha256(&self.body));
        // The date only gives the day here; the scope's day may be another.
        let date = format!("{}T060000Z", self.day);
        let mut proof = scene.proof();
        proof["signature"] = json!(sts::signature(
            &self.secret,
            &date,
            &self.region,
            &self.service,
            &canonical
        ));
        proof
    }
}

fn other_requests(scene: &Scene, tally: &mut Tally) {
    let class = "another request signed";
    let right = Other::none(scene);
    assert_eq!(
        right.headers.keys().cloned().collect::<Vec<_>>().join(";"),
        SIGNED_HEADERS
    );
    assert_eq!(right.proof(scene), scene.proof(), "the one that is right");
    let mut refused = |what: String, change: &dyn Fn(&mut Other)| {
        let mut other = right.clone();
        change(&mut other);
        tally.expect(class, 1);
        let outcome = scene.present(&other.proof(scene), scene.update.clone());
        tally.refused(class, &what, outcome);
    };
    for action in [
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "DecodeAuthorizationMessage",
        "GetAccessKeyInfo",
        "GetFederationToken",
        "GetSessionToken",
        "getcalleridentity",
        "GetCallerIdentity%00",
    ] {
        refused(format!("action {action}"), &|other| {
            other.body = format!("Action={action}&Version=2011-06-15");
        });
        refused(format!("query action {action}"), &|other| {
            other.query = format!("Action={action}&Version=2011-06-15");
        });
    }
    for body in [
        "",
        "Action=GetCallerIdentity",
        "Version=2011-06-15&Action=GetCallerIdentity",
        "action=GetCallerIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&",
        "Action=GetCallerIdentity&Version=2011-06-15\n",
        "Action=GetCallerIdentity&Version=2011-06-16",
        "Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15",
        "Action=AssumeRole&Action=GetCallerIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&action=AssumeRole&Version=2011-06-15",
    ] {
        refused(format!("body {body:?}"), &|other| {
            other.body = body.to_owned()
        });
    }
    for method in ["GET", "PUT", "HEAD", "DELETE", "OPTIONS", "post", ""] {
        refused(format!("method {method}"), &|other| {
            other.method = method.to_owned()
        });
    }
    for path in ["", "//", "/.", "/%2F", "/sts", "/index"] {
        refused(format!("path {path}"), &|other| {
            other.path = path.to_owned()
        });
    }
    for name in right.headers.keys() {
        refused(format!("without {name}"), &|other| {
            other.headers.remove(name);
        });
        refused(format!("{name} named but not there"), &|other| {
            other.signed_headers = Some(SIGNED_HEADERS.to_owned());
            other.headers.remove(name);
        });
        refused(format!("{name} there but not named"), &|other| {
            let names = SIGNED_HEADERS.split(';').filter(|signed| signed != name);
            other.signed_headers = Some(names.collect::<Vec<_>>().join(";"));
        });
        refused(format!("{name} in upper case"), &|other| {
            let value = other.headers.remove(name).unwrap();
            other.headers.insert(name.to_ascii_uppercase(), value);
        });
        let value = &right.headers[name];
        for bit in (0..value.len() * 8).filter(|bit| bit % 8 < 7) {
            refused(format!("{name} with bit {bit}"), &|other| {
                let flipped = with_bit(value.as_bytes(), bit);
                let flipped = String::from_utf8(flipped).unwrap();
                other.headers.insert(name.clone(), flipped);
            });
        }
    }
    for (name, value) in [
        ("accept", "application/json"),
        ("content-length", "43"),
        ("user-agent", "curl"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-spore-other", "1"),
        ("x-k8s-aws-id", DOMAIN),
    ] {
        refused(format!("with {name}"), &|other| {
            other.headers.insert(name.to_owned(), value.to_owned());
        });
    }
    for (name, value) in [
        ("host", "sts.amazonaws.com"),
        ("host", "sts.us-east-2.amazonaws.com"),
        ("host", "sts.evil.example"),
        (
            "x-spore-audience",
            "spore/1 response spore.example.edu Z0123456789ABC",
        ),
        (
            "x-spore-audience",
            "spore/2 request spore.example.edu Z0123456789ABC",
        ),
        ("x-spore-audience", "spore/1 request spore.example.edu"),
        ("x-spore-audience", ""),
        (
            "x-spore-sha256",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        ("content-type", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        refused(format!("{name}: {value}"), &|other| {
            other.headers.insert(name.to_owned(), value.to_owned());
        });
    }
    for service in ["iam", "route53", "execute-api", "ec2", "STS", ""] {
        refused(format!("service {service}"), &|other| {
            other.service = service.to_owned()
        });
    }
    for region in REGIONS.into_iter().filter(|region| *region != scene.region) {
        refused(format!("scope of {region}"), &|other| {
            other.region = region.to_owned()
        });
    }
    for day in ["20261121", "20261123", "20251122"] {
        refused(format!("scope of {day}"), &|other| {
            other.day = day.to_owned()
        });
    }
    for secret in [OTHER_SECRET, "", KEY, TOKEN] {
        refused("another secret".to_owned(), &|other| {
            other.secret = secret.to_owned()
        });
    }
}

fn texts_that_are_nearly_a_proof(scene: &Scene, tally: &mut Tally) {
    let class = "JSON that is nearly a proof";
    let proof = scene.proof();
    let members: Vec<(String, String)> = proof
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect();
    let written = |members: &[(String, String)]| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("{}:{value}", json!(name)))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(
        scene
            .present_bytes(written(&members).as_bytes(), scene.update.clone())
            .is_ok()
    );
    let mut refused = |what: String, text: &str| {
        tally.expect(class, 1);
        let outcome = scene.present_bytes(text.as_bytes(), scene.update.clone());
        tally.refused(class, &what, outcome);
    };
    for (at, (name, value)) in members.iter().enumerate() {
        let mut without = members.clone();
        without.remove(at);
        refused(format!("without {name}"), &written(&without));
        for twin in [value.clone(), "\"x\"".to_owned(), "null".to_owned()] {
            for place in [0, at, at + 1, members.len()] {
                let mut twice = members.clone();
                twice.insert(place, (name.clone(), twin.clone()));
                refused(format!("{name} twice, {twin} at {place}"), &written(&twice));
            }
        }
        for (index, _) in name.char_indices() {
            let mut cased = name.clone();
            cased[index..=index].make_ascii_uppercase();
            if cased == *name {
                continue;
            }
            let mut instead = members.clone();
            instead[at].0.clone_from(&cased);
            refused(format!("{cased} instead"), &written(&instead));
            let mut beside = members.clone();
            beside.push((cased.clone(), value.clone()));
            refused(format!("{cased} beside"), &written(&beside));
        }
        let text = value.trim_matches('"');
        for other in [
            "null".to_owned(),
            "true".to_owned(),
            "7".to_owned(),
            "\"\"".to_owned(),
            format!("[{value}]"),
            format!("{{{value}:null}}"),
            format!("\" {text}\""),
            format!("\"{text} \""),
            format!("\"{text}\\n\""),
            format!("\"{text}\\u0000\""),
            format!("\"{text}{text}\""),
            format!("\"{text}, SignedHeaders=host\""),
            format!("\"{text}\\r\\nx-amz-date: 20261122T060000Z\""),
            format!("\"{}\"", "A".repeat(5_000)),
        ] {
            let mut instead = members.clone();
            instead[at].1.clone_from(&other);
            refused(format!("{name}: {other}"), &written(&instead));
        }
    }
    let values: Vec<&str> = members.iter().map(|(_, value)| value.as_str()).collect();
    let mut ordered: Vec<String> = Vec::new();
    for name in [
        "type",
        "region",
        "access_key_id",
        "date",
        "token",
        "signature",
        "nonce",
    ] {
        ordered.push(proof[name].to_string());
    }
    for text in [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        format!("[{}]", values.join(",")),
        format!("[{}]", ordered.join(",")),
        format!("[{proof}]"),
        json!(proof.to_string()).to_string(),
        format!("{proof}{proof}"),
        format!("{proof},"),
        format!("\u{feff}{proof}"),
    ] {
        refused(text.clone(), &text);
    }
    for unknown in [
        "host",
        "url",
        "method",
        "body",
        "headers",
        "authorization",
        "x-amz-date",
    ] {
        let mut more = members.clone();
        more.push((unknown.to_owned(), "\"x\"".to_owned()));
        refused(format!("with {unknown}"), &written(&more));
    }
}

// ---- An STS that lies ----

/// Answers the same to everybody.
struct Lie(StsAnswer);

impl Sts for Lie {
    async fn ask(&self, _: &Call) -> Result<StsAnswer, Unreachable> {
        Ok(self.0.clone())
    }
}

impl Scene {
    fn told(&self, answer: StsAnswer) -> Result<Proven, String> {
        let proof = self.proof().to_string().into_bytes();
        let update = self.update.clone();
        self.present_to(&self.verifier, &Lie(answer), self.now, &proof, update)
    }

    /// What STS really says of this caller.
    fn truth(&self) -> (&'static str, &'static str, &'static str) {
        match self.signed_type {
            SignedType::InstanceRole => (
                "arn:aws:sts::210987654321:assumed-role/aws:ec2-instance/i-0123456789abcdef0",
                "210987654321:aws:ec2-instance:i-0123456789abcdef0",
                "210987654321",
            ),
            SignedType::IamRole => (
                "arn:aws:sts::123456789012:assumed-role/registrar/build-7",
                "AROAREGISTRAR0000000:build-7",
                "123456789012",
            ),
        }
    }
}

fn answers_with_a_flipped_bit(scene: &Scene, tally: &mut Tally) {
    let class = "each bit of STS's answer, and its beginnings";
    let (arn, user_id, account) = scene.truth();
    let answer = sts::success(arn, user_id, account);
    let truth = scene.told(answer.clone()).unwrap();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    // The id of the request is the one text that says nothing about the caller.
    let id =
        body.find("<RequestId>").unwrap() + "<RequestId>".len()..body.find("</RequestId>").unwrap();
    // Of a role the first half of the UserId is its unique id, which nothing else repeats.
    let role_id = match scene.signed_type {
        SignedType::InstanceRole => 0..0,
        SignedType::IamRole => {
            let start = body.find("AROA").unwrap() + 4;
            start..start + 16
        }
    };
    for bit in 0..body.len() * 8 {
        let flipped = StsAnswer {
            body: with_bit(body.as_bytes(), bit),
            ..answer.clone()
        };
        let outcome = scene.told(flipped);
        if id.contains(&(bit / 8)) {
            assert!(
                outcome.is_err() || outcome.as_ref() == Ok(&truth),
                "bit {bit}: {outcome:?}"
            );
        } else if !role_id.contains(&(bit / 8)) {
            tally.expect(class, 1);
            tally.refused(class, &format!("bit {bit}"), outcome);
        }
    }
    for length in 0..body.trim_end().len() {
        let cut = StsAnswer {
            body: body.as_bytes()[..length].to_vec(),
            ..answer.clone()
        };
        tally.expect(class, 1);
        tally.refused(class, &format!("the first {length} bytes"), scene.told(cut));
    }
}

fn lies(scene: &Scene, tally: &mut Tally) {
    let class = "an STS that lies";
    let (arn, user_id, account) = scene.truth();
    let true_answer = sts::success(arn, user_id, account);
    assert!(scene.told(true_answer.clone()).is_ok());
    let body = String::from_utf8(true_answer.body.clone()).unwrap();
    let mut refused = |what: &str, answer: StsAnswer| {
        tally.expect(class, 1);
        tally.refused(class, what, scene.told(answer));
    };

    for status in (100..600).filter(|status| *status != 200) {
        let answer = StsAnswer {
            status,
            ..true_answer.clone()
        };
        refused(&format!("status {status}"), answer);
    }
    for content_type in [
        "",
        "application/json",
        "text/html",
        "text/plain",
        "text/xml2",
        "application/xml",
        "text/xml, application/json",
    ] {
        let answer = StsAnswer {
            content_type: content_type.to_owned(),
            ..true_answer.clone()
        };
        refused(content_type, answer);
    }

    let mut changed = |from: &str, to: &str| {
        let other = body.replace(from, to);
        assert_ne!(other, body, "{from} is not in the answer");
        refused(&format!("{from} -> {to}"), sts::xml(200, other));
    };
    let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
    for other in [
        "",
        "http://sts.amazonaws.com/doc/2011-06-15/",
        "https://sts.amazonaws.com/doc/2011-06-15",
        "https://sts.amazonaws.com/doc/2011-06-16/",
        "https://iam.amazonaws.com/doc/2010-05-08/",
        "https://sts.amazonaws.com.evil.example/doc/2011-06-15/",
    ] {
        changed(namespace, other);
    }
    for root in [
        "GetSessionTokenResponse",
        "ErrorResponse",
        "getcalleridentityresponse",
        "x",
    ] {
        changed("GetCallerIdentityResponse", root);
    }
    let result = "<GetCallerIdentityResult>";
    changed(
        result,
        "<GetCallerIdentityResult xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">",
    );
    changed(
        result,
        "<GetCallerIdentityResult xmlns=\"https://other.example/\">",
    );
    changed(result, "<GetCallerIdentityResult a=\"b\">");
    changed(" xmlns=", " xmlns:x=");
    changed(" xmlns=", " x=\"1\" xmlns=");
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<!DOCTYPE x><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<!-- --><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<?x y?><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "x<GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<a/><GetCallerIdentityResponse xmlns",
    );
    changed("<GetCallerIdentityResponse", "<x:GetCallerIdentityResponse");
    changed(
        "</GetCallerIdentityResponse>\n",
        "</GetCallerIdentityResponse>x",
    );
    changed(
        "</GetCallerIdentityResponse>\n",
        "</GetCallerIdentityResponse><a></a>",
    );
    changed(
        "</GetCallerIdentityResponse>\n",
        "</GetCallerIdentityResponse><!-- -->",
    );
    changed(
        "</GetCallerIdentityResponse>",
        &format!("</GetCallerIdentityResponse>{body}"),
    );
    for leaf in ["Arn", "UserId", "Account", "RequestId"] {
        let (open, close) = (format!("<{leaf}>"), format!("</{leaf}>"));
        let start = body.find(&open).unwrap();
        let end = body.find(&close).unwrap() + close.len();
        let element = &body[start..end];
        let value = &element[open.len()..element.len() - close.len()];
        changed(element, "");
        changed(element, &format!("{element}{element}"));
        changed(element, &format!("<{leaf}/>"));
        changed(element, &format!("<{leaf}></{leaf}>{element}"));
        changed(element, &format!("<{leaf}><b>{value}</b></{leaf}>"));
        changed(element, &format!("<x:{leaf}>{value}</x:{leaf}>"));
        changed(element, &format!("<{leaf} a=\"b\">{value}</{leaf}>"));
        changed(element, &format!("<{leaf}><![CDATA[{value}]]></{leaf}>"));
        changed(element, &format!("<{leaf}>{value}<!-- --></{leaf}>"));
        changed(element, &format!("<{leaf}>{value}&amp;</{leaf}>"));
        changed(
            element,
            &format!(
                "<{leaf}>&#{};{}</{leaf}>",
                u32::from(value.as_bytes()[0]),
                &value[1..]
            ),
        );
        changed(element, &format!("<{leaf}>&x;{value}</{leaf}>"));
        changed(element, &format!("<{leaf}>{value}<?x?></{leaf}>"));
        changed(element, &format!("{element}text"));
        changed(element, &format!("{element}<Other>x</Other>"));
        changed(element, &format!("<Other>{element}</Other>"));
    }
    for leaf in ["Arn", "UserId", "Account"] {
        let open = format!("<{leaf}>");
        changed(&open, &format!("{open} "));
        changed(&open, &format!("{open}\n"));
        changed(&open, &format!("{open}x"));
        changed(&format!("</{leaf}>"), &format!(" </{leaf}>"));
        changed(&format!("</{leaf}>"), &format!("\u{0}</{leaf}>"));
    }
    let metadata = &body[body.find("<ResponseMetadata>").unwrap()..];
    let metadata = &metadata[..metadata.find("</ResponseMetadata>").unwrap() + 19];
    changed(metadata, "");
    changed(metadata, &format!("{metadata}{metadata}"));
    let result = &body[body.find("<GetCallerIdentityResult>").unwrap()..];
    let result = &result[..result.find("</GetCallerIdentityResult>").unwrap() + 26];
    changed(result, "");
    changed(result, &format!("{result}{result}"));
    changed(result, &format!("<Other>{result}</Other>"));

    for (what, body) in [
        ("nothing", String::new()),
        ("HTML", "<html><body>blocked</body></html>".to_owned()),
        (
            "JSON",
            json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": {
                "Arn": arn, "UserId": user_id, "Account": account } } })
            .to_string(),
        ),
        ("XML in JSON", json!({ "message": body }).to_string()),
        (
            "XML in XML",
            format!("<Error><Message>{body}</Message></Error>"),
        ),
        (
            "huge",
            body.replace("<Arn>", &format!("<Arn>{}", " ".repeat(1 << 20))),
        ),
        ("huge at the end", format!("{body}{}", " ".repeat(5_000))),
        ("deep", "<a>".repeat(10_000)),
        (
            "UTF-16",
            body.chars().flat_map(|char| [char, '\0']).collect(),
        ),
    ] {
        refused(what, sts::xml(200, body));
    }

    // Other people, well written.
    let (own, id) = ("123456789012", "i-0123456789abcdef0");
    let instance = format!("arn:aws:sts::{own}:assumed-role/aws:ec2-instance/{id}");
    let instance_id = format!("{own}:aws:ec2-instance:{id}");
    let role = "AROAREGISTRAR0000000";
    let session = |name: &str, session: &str| {
        (
            format!("arn:aws:sts::{own}:assumed-role/{name}/{session}"),
            format!("{role}:{session}"),
        )
    };
    let (looks, looks_id) = session("aws-ec2-instance", id);
    let mut strangers: Vec<(String, String, &str)> = vec![
        (looks, looks_id, own),
        (instance.clone(), instance_id.clone(), "210987654321"),
        (
            instance.replace(own, "210987654321"),
            instance_id.clone(),
            own,
        ),
        (
            instance.clone(),
            instance_id.replace(own, "210987654321"),
            own,
        ),
        (instance.clone(), instance_id.replace("i-0", "i-1"), own),
        (instance.clone(), format!("{role}:{id}"), own),
        (instance.clone(), id.to_owned(), own),
        (instance.replace(":sts:", ":iam:"), instance_id.clone(), own),
        (
            instance.replace(":sts::", ":sts:us-east-1:"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("arn:aws:", "arn:aws-cn:"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("arn:aws:", "arn:aws-us-gov:"),
            instance_id.clone(),
            own,
        ),
        (instance.replace("arn:", "ARN:"), instance_id.clone(), own),
        (
            instance.replace("assumed-role", "role"),
            instance_id.clone(),
            own,
        ),
        (instance.replace("/i-", "/x/i-"), instance_id.clone(), own),
        (
            instance.replace("/aws:", "/path/aws:"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("/aws:", "//aws:"),
            instance_id.clone(),
            own,
        ),
        (format!("{instance}/"), instance_id.clone(), own),
        (format!("{instance}/{id}"), instance_id.clone(), own),
        (
            instance.replace("aws:ec2-instance", "AWS:EC2-instance"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("aws:ec2-instance", "x:ec2-instance"),
            format!("{role}:{id}"),
            own,
        ),
        (
            instance.replace("aws:ec2-instance", "aws:ec2"),
            format!("{role}:{id}"),
            own,
        ),
        (format!("arn:aws:iam::{own}:root"), own.to_owned(), own),
        (
            format!("arn:aws:iam::{own}:user/{id}"),
            "AIDAEXAMPLE000000000".to_owned(),
            own,
        ),
        (
            format!("arn:aws:sts::{own}:federated-user/{id}"),
            format!("{own}:{id}"),
            own,
        ),
        (format!("arn:aws:sts::{own}:self"), own.to_owned(), own),
        (
            instance.replace(own, "12345678901"),
            instance_id.replace(own, "12345678901"),
            "12345678901",
        ),
        (instance.replace(own, ""), instance_id.replace(own, ""), ""),
    ];
    for other in [
        "i-",
        "i-0123456",
        "i-0123456789ABCDEF0",
        "i-0123456789abcdef01",
        "x-01234567",
        "",
    ] {
        strangers.push((
            instance.replace(id, other),
            instance_id.replace(id, other),
            own,
        ));
    }
    for (name, of) in [
        ("other", own),
        ("Registrar", own),
        ("registrar2", own),
        ("apps/registrar", own),
        ("registrar", "210987654321"),
    ] {
        let (arn, user_id) = session(name, "build-7");
        strangers.push((arn.replace(own, of), user_id, of));
    }
    for user_id in [
        "build-7",
        "AROAREGISTRAR0000000",
        "AIDAREGISTRAR0000000:build-7",
        ":build-7",
        "",
    ] {
        let (arn, _) = session("registrar", "build-7");
        strangers.push((arn, user_id.to_owned(), own));
    }
    for (arn, user_id, account) in strangers {
        refused(
            &format!("{arn} {user_id} {account}"),
            sts::success(&arn, &user_id, account),
        );
    }
}

// ---- Documents ----

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

fn documents(tally: &mut Tally) {
    let class = "documents with a detached signature";
    let verifier = verifier();
    let document = file(VECTOR, "document.json");
    let signature = decoded(VECTOR, "signature.b64");
    let judge = |document: &[u8], signature: &[u8]| {
        judged(&verifier, Some(document), Some(signature), None)
    };
    assert!(judge(&document, &signature).is_ok());
    tally.expect(class, (document.len() + signature.len()) * 8);
    for bit in 0..document.len() * 8 {
        let outcome = judge(&with_bit(&document, bit), &signature);
        tally.refused(class, &format!("bit {bit} of the document"), outcome);
    }
    for bit in 0..signature.len() * 8 {
        let outcome = judge(&document, &with_bit(&signature, bit));
        tally.refused(class, &format!("bit {bit} of the signature"), outcome);
    }
    let mut refused = |what: &str, document: &[u8], signature: &[u8]| {
        tally.expect(class, 1);
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
            tally.expect(class, 1);
            tally.refused(class, &format!("the key of {region}"), outcome);
        }
    }
    // One key for 17 regions is what makes the region in the document decide.
    assert_eq!(same, 17);
}

fn messages(tally: &mut Tally) {
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
            tally.expect(class, 1);
            tally.refused(class, &format!("bit {bit}"), outcome);
        }
    }
    let mut refused = |what: &str, message: &[u8]| {
        tally.expect(class, 1);
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
    tally.expect(class, document.len() * 8);
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
            tally.expect(class, 1);
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
