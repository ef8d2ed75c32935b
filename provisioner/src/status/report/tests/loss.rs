//! Keys that fail while another one signs, and parent servers that say nothing.

use super::*;
use crate::ds::keys::GONE;

/// Two keys and the DS record of the first only, whose last signature ends a day from now; that of the
/// second is renewed.
fn first_ends() -> Facts {
    let mut facts = with_second(Whose::Rotation);
    let tag = key(KEY).key_tag();
    for server in &mut facts.own().servers {
        for signature in &mut server.answer.as_mut().unwrap().signatures {
            if signature.key_tag == tag && signature.covers == "DNSKEY" {
                signature.expires = "2026-11-23T12:00:00Z".parse().unwrap();
            }
        }
    }
    let first = &mut facts.aws().keys[0];
    first.status = "ACTION_NEEDED".into();
    first.kms_state = Some(("Disabled".into(), None));
    facts
}

#[test]
fn what_counts_is_the_last_signature_that_a_ds_record_leads_to() {
    let second = key(OTHER_KEY).ds("spore.host", DigestType::Sha256);
    let disabled = first_ends();
    let report = of(&disabled);
    let text = &told(&report, "key-unusable").text;
    assert!(
        text.contains("ends in 1 d (2026-11-23T12:00:00Z)"),
        "{text}"
    );
    // Either the key signs again, or the other one is vouched for: nothing has to be taken out.
    let add = format!("add DS {second} beside DS 10831, by 2026-11-23T11:00:00Z");
    let in_time = format!("if that cannot be done in time: {add}");
    follows(
        &report,
        &[
            (
                "us",
                "run `spore-infra apply`, before 2026-11-23T12:00:00Z (1 d left)",
            ),
            ("others", &in_time),
        ],
    );
    let row = text::render(&disabled, &report, 200, Paint::Plain);
    let row = row
        .lines()
        .find(|line| line.contains("key signature"))
        .unwrap();
    assert!(row.contains("1 d") && !row.contains("5 d"), "{row}");

    // A key that is gone for good comes back by no command.
    let mut gone = first_ends();
    let way = "the KMS key of first is gone for good: go on with `spore-infra ksk rotate`";
    gone.aws().keys[0].kms_state = Some((GONE.into(), None));
    gone.aws().way_after_loss = Some(way.into());
    gone.aws().plan.blocked = vec![format!("ksk/active: {way}")];
    gone.aws().turning = Some(Turning {
        command: "spore-infra ksk rotate",
        words: "a rotation is under way".into(),
        next: Some(Mover::Parent(
            "have it publish it: `spore-infra handover --step ds-add`".into(),
        )),
        new: Some(key(OTHER_KEY)),
        ..Turning::default()
    });
    follows(&of(&gone), &[("others", &add), ("us", way)]);

    // It is over: nothing but the other record helps, or the key's own signature.
    let ended = |mut facts: Facts| {
        for server in &mut facts.own().servers {
            let serving = server.answer.as_mut().unwrap();
            serving
                .signatures
                .retain(|s| s.covers != "DNSKEY" || s.key_tag != key(KEY).key_tag());
            serving.proving.retain(|proving| *proving != key(KEY));
        }
        facts.judged(&bogus())
    };
    let report = of(&ended(disabled));
    let text = &told(&report, "key-unusable").text;
    assert!(text.contains("has ended"), "{text}");
    follows(
        &report,
        &[
            (
                "us",
                "run `spore-infra apply`: the last signature of a key that the parent vouches for has ended",
            ),
            (
                "others",
                &format!("add DS {second} beside DS 10831, at once"),
            ),
        ],
    );
    let at_once = format!("add DS {second} beside DS 10831, at once");
    follows(&of(&ended(gone)), &[("others", &at_once), ("us", way)]);
}

#[test]
fn what_parent_servers_do_not_say_is_asked_for() {
    let silent = |facts: &mut Facts| {
        facts.own().parents[1].answer = Err(Trouble::Silent("no answer".into()));
    };
    let mut facts = facts();
    silent(&mut facts);
    let see = "see to the servers of host: b.nic.host does not answer (no answer)";
    follows(&of(&facts), &[("others", see)]);
    // The rotation waits for it, and is not forgotten.
    let mut turning = with_second(Whose::Rotation);
    silent(&mut turning);
    turning.aws().turning = Some(Turning {
        command: "spore-infra ksk rotate",
        words: "a rotation is under way: it cannot go on".into(),
        next: Some(Mover::UsOnceSeen),
        ..Turning::default()
    });
    let goes_on = "run `spore-infra ksk rotate` to go on with the rotation, once every server";
    follows(&of(&turning), &[("others", see), ("us", goes_on)]);
    turning.zones.truncate(1);
    turning.cut_short = Some("host: a.nic.host: no answer in time".into());
    let look = "look again in some minutes, and from another network";
    follows(&of(&turning), &[("us", look), ("us", goes_on)]);
}
