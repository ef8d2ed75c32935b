//! A true proof changed, or taken for something that it was not made for.

use jiff::SignedDuration;
use serde_json::{Value, json};
use spore_updater::proof::Keys;
use spore_updater::protocol::{REGIONS, Update, sigv4};

use super::stack::{config, verifier_of};
use super::{KEY, OTHER_KEY, OTHER_SECRET, OTHER_TOKEN, SECRET, Scene, TOKEN, Tally, with_bit};

pub fn each_bit_of_a_proof(scene: &Scene, tally: &mut Tally) {
    let class = "each bit of a proof";
    let proof = scene.proof().to_string().into_bytes();
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

pub fn each_bit_of_an_update(scene: &Scene, tally: &mut Tally) {
    let class = "each bit of an update";
    let proof = scene.proof();
    let mut refused = |what: &str, update: Update| {
        assert_ne!(update, scene.update);
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

pub fn other_members(scene: &Scene, tally: &mut Tally) {
    let class = "members of an update added, left out, swapped";
    let proof = scene.proof();
    let mut refused = |what: &str, update: Update| {
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
                let members = texts(&mut update);
                (members[at].take(), members[other].take())
            };
            if first == second {
                continue;
            }
            let members = texts(&mut update);
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

pub fn mixed_with_another(scene: &Scene, tally: &mut Tally) {
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

pub fn for_another_stack_or_time(scene: &Scene, tally: &mut Tally) {
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
        tally.refused(class, value, outcome);
    }
    let mut refused = |what: String, proof: Value| {
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
        other["date"] = json!(sigv4::date(time));
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
