//! Forgeries by the thousand, made from proofs that are accepted in the same run. None may be accepted,
//! and each class must have as many as are written down: a test that makes none would pass too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use spore_updater::proof::{Claim, Members, Proven, Sts, Verifier};
use spore_updater::protocol::{Audience, Nonce, Region, SignedProof, SignedType, Update};

#[path = "forgeries/answers.rs"]
mod answers;
#[path = "forgeries/documents.rs"]
mod documents;
#[path = "forgeries/proofs.rs"]
mod proofs;
#[path = "forgeries/requests.rs"]
mod requests;
#[path = "fake/stack.rs"]
mod stack;
#[path = "fake/sts.rs"]
mod sts;
#[path = "forgeries/texts.rs"]
mod texts;

use stack::{DOMAIN, ZONE, at, credentials, ready, verifier};
use sts::FakeSts;

/// How many there are of each class.
const EXPECTED: [(&str, usize); 11] = [
    ("JSON that is nearly a proof", 588),
    ("an STS that lies", 1_336),
    ("another request signed", 4_136),
    ("documents in a CMS message", 13_588),
    ("documents with a detached signature", 6_615),
    ("each bit of STS's answer, and its beginnings", 7_376),
    ("each bit of a proof", 4_504),
    ("each bit of an update", 1_884),
    ("for another stack, region, time, nonce", 2_802),
    ("members of an update added, left out, swapped", 54),
    ("two true proofs mixed", 60),
];

/// What was made, and what should not have been accepted.
#[derive(Default)]
struct Tally {
    classes: BTreeMap<&'static str, usize>,
    accepted: Vec<String>,
}

impl Tally {
    fn refused(&mut self, class: &'static str, what: &str, outcome: Result<Proven, String>) {
        *self.classes.entry(class).or_default() += 1;
        if let Ok(proven) = outcome {
            self.accepted.push(format!("{class}: {what}: {proven:?}"));
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the counts are a result")]
fn no_forgery_is_accepted() {
    let mut tally = Tally::default();
    let mut asked = 0;
    for scene in [Scene::instance(), Scene::role()] {
        let proven = scene.present(&scene.proof(), scene.update.clone());
        assert!(proven.is_ok(), "the true one: {proven:?}");
        proofs::each_bit_of_a_proof(&scene, &mut tally);
        proofs::each_bit_of_an_update(&scene, &mut tally);
        proofs::other_members(&scene, &mut tally);
        proofs::mixed_with_another(&scene, &mut tally);
        proofs::for_another_stack_or_time(&scene, &mut tally);
        requests::other_requests(&scene, &mut tally);
        texts::texts_that_are_nearly_a_proof(&scene, &mut tally);
        answers::answers_with_a_flipped_bit(&scene, &mut tally);
        answers::lies(&scene, &mut tally);
        let again = scene.present(&scene.proof(), scene.update.clone());
        assert_eq!(again, proven, "the true one, afterwards");
        asked += scene.sts.calls();
    }
    documents::documents(&mut tally);
    documents::messages(&mut tally);
    let mut total = 0;
    for (class, made) in &tally.classes {
        println!("{made:6} {class}");
        total += made;
    }
    let accepted = tally.accepted.join("\n");
    assert!(accepted.is_empty(), "accepted:\n{accepted}");
    println!("{total:6} forgeries, none accepted; STS was asked about {asked}");
    assert!(asked > 1_000, "{asked}");
    assert_eq!(tally.classes, BTreeMap::from(EXPECTED));
}

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
