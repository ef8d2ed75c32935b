//! When a text is written, and what it asks for.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::ds::DigestType;
use crate::fixture;
use crate::kind::ksk;
use crate::snapshot::Observation;

const OLD: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";
const NEW: &str = "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";

fn key(text: &str) -> DnsKey {
    DnsKey::parse(text).unwrap()
}

/// Record data of digest type 2.
fn ds(text: &str) -> String {
    key(text)
        .ds(fixture::DOMAIN, DigestType::Sha256)
        .to_string()
}

/// A record of no key.
fn stale(digest_type: u8, len: usize) -> String {
    format!("12735 13 {digest_type} {}", "AB".repeat(len))
}

/// The old key alone; or both, the new one for a day.
fn snapshot(is_rotation: bool) -> Snapshot {
    let mut snapshot = fixture::applied();
    let ksk = |name: &str, arn: &str, key: &str, created: &str| ksk::Key {
        name: name.into(),
        kms_arn: arn.into(),
        status: "ACTIVE".into(),
        dnskey: key.into(),
        created: Some(created.parse().unwrap()),
        ..ksk::Key::default()
    };
    let (first, second) = ("spore_spore_example_edu_1", "spore_spore_example_edu_2");
    if let Observation::Present(dnssec) = &mut snapshot.dnssec {
        dnssec.keys = vec![ksk(first, fixture::KEY, OLD, "2025-11-20T12:00:00Z")];
        if is_rotation {
            let new = ksk(second, "arn:other", NEW, "2026-11-20T12:00:00Z");
            dnssec.keys.push(new);
        }
    }
    if let Observation::Present(journal) = &mut snapshot.journal_group
        && is_rotation
    {
        for key in ["spore:ksk-next-since", "spore:ds-both-since"] {
            let since = "2026-11-20T12:00:00Z".to_owned();
            journal.tags.insert(key.into(), since);
        }
    }
    snapshot
}

/// What comes of asking while two servers of the parent have the same records.
fn told(step: &Step, snapshot: &Snapshot, keys: Keys, published: &[&str]) -> Handover {
    let desired = fixture::desired();
    let said = Delegated {
        name_servers: vec!["ns-1.awsdns-00.com".into(), "ns-2.awsdns-00.net".into()],
        ns_ttl_secs: 172_800,
        ds: published.iter().map(|ds| (*ds).to_owned()).collect(),
        ds_ttl_secs: 3_600,
    };
    let facts = Facts {
        desired: &desired,
        snapshot,
        parent: "example.edu",
        servers: vec![("ns1.example.edu", &said), ("ns2.example.edu", &said)],
        key: keys.signing.last().cloned(),
        keys,
        not_yet: None,
    };
    write(step, &facts)
}

fn remove(picks: &[&str]) -> Step {
    Step::DsRemove(picks.iter().map(|pick| pick.parse().unwrap()).collect())
}

fn signing(keys: &[&str]) -> Keys {
    Keys {
        signing: keys.iter().map(|text| key(text)).collect(),
        ..Keys::default()
    }
}

fn tag(text: &str) -> String {
    key(text).key_tag().to_string()
}

fn ticket(handover: Handover) -> Ticket {
    match handover {
        Handover::Ticket(ticket) => *ticket,
        Handover::Done(why) | Handover::NotYet(why) | Handover::Unsafe(why) => {
            panic!("a text is expected, not: {why}")
        }
    }
}

fn refused(handover: &Handover) -> &str {
    match handover {
        Handover::Unsafe(why) => why,
        Handover::Ticket(_) | Handover::Done(_) | Handover::NotYet(_) => {
            panic!("a refusal is expected, not: {handover:?}")
        }
    }
}

#[test]
fn what_stays_has_to_be_of_a_key_that_signs() {
    let snapshot = snapshot(true);
    let both = [&*ds(OLD), &*ds(NEW)];
    let new_is_all = remove(&[&tag(OLD)]);
    let old_is_all = remove(&[&tag(NEW)]);
    // Each of both, with both keys signing, and the hold-downs over.
    for step in [&new_is_all, &old_is_all] {
        ticket(told(step, &snapshot, signing(&[OLD, NEW]), &both));
    }
    // The old key fails: nothing holds once its last signature has ended.
    let failing = Keys {
        failing: vec![key(OLD)],
        ..signing(&[NEW])
    };
    let why = told(&old_is_all, &snapshot, failing.clone(), &both);
    assert!(refused(&why).contains(&ds(OLD)));
    ticket(told(&new_is_all, &snapshot, failing, &both));
    // The new key is not served everywhere, or is a stranger's.
    let resting = Keys {
        resting: vec![key(NEW)],
        ..signing(&[OLD])
    };
    refused(&told(&new_is_all, &snapshot, resting, &both));
    let strange = Keys {
        strange: vec![key(NEW)],
        ..signing(&[OLD])
    };
    refused(&told(&new_is_all, &snapshot, strange, &both));
    // Without any record the zone is insecure, whatever its keys do.
    let all = remove(&[&tag(OLD), &tag(NEW)]);
    let none = ticket(told(&all, &snapshot, Keys::default(), &both));
    assert_eq!(none.records.len(), 2);
}

#[test]
fn what_stays_has_to_satisfy_the_strictest_validators() {
    let snapshot = snapshot(false);
    let (two, four) = (stale(2, 32), stale(4, 48));
    let published = [&*ds(OLD), &*two, &*four];
    // Unbound would heed the stale record of type 4 alone.
    refused(&told(
        &remove(&["12735/2"]),
        &snapshot,
        signing(&[OLD]),
        &published,
    ));
    let text = ticket(told(
        &remove(&["12735/4"]),
        &snapshot,
        signing(&[OLD]),
        &published,
    ));
    assert_eq!(text.records.len(), 1);
    assert!(text.records[0].ends_with(&four));
}

#[test]
fn a_sha1_record_of_the_key_goes_alone() {
    let snapshot = snapshot(false);
    // As dnssec-dsfromkey -1 prints it.
    let one = "10831 13 1 7E93BEC57BB65ECA020824614B4C90BB8EC27232";
    let published = [one, &*ds(OLD)];
    let told = |step| told(&step, &snapshot, signing(&[OLD]), &published);
    let text = ticket(told(remove(&["10831/1"])));
    assert_eq!(
        text.records,
        [format!("{}. 3600 IN DS {one}", fixture::DOMAIN)]
    );
    assert!(text.text().contains("SHA-1"), "{}", text.text());
    assert!(matches!(told(Step::DsAdd), Handover::Done(_)));
    // By its tag both are meant.
    assert_eq!(ticket(told(remove(&["10831"]))).records.len(), 2);
}

#[test]
fn advice_names_no_more_than_what_is_not_needed() {
    let snapshot = snapshot(false);
    let wrong = format!("10831 13 2 {}", "CD".repeat(32));
    let published = [&*wrong, &*ds(OLD)];
    let done = told(&Step::DsAdd, &snapshot, signing(&[OLD]), &published);
    let Handover::Done(why) = done else {
        panic!("nothing is to be done: {done:?}")
    };
    assert!(why.contains("--key-tag 10831/CDCDCDCD"), "{why}");
}

#[test]
fn the_old_record_stays_until_the_new_one_is_known() {
    let mut snapshot = snapshot(true);
    let both = [&*ds(OLD), &*ds(NEW)];
    let step = remove(&[&tag(OLD)]);
    let keys = || signing(&[OLD, NEW]);
    ticket(told(&step, &snapshot, keys(), &both));
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.remove("spore:ds-both-since");
    }
    let early = told(&step, &snapshot, keys(), &both);
    assert!(
        matches!(&early, Handover::NotYet(why) if why.contains("not before 2026-11-21T13:00:00Z")),
        "{early:?}"
    );
    // A stale one of no key needs no time.
    let stale = stale(2, 32);
    let three = [&*ds(OLD), &*ds(NEW), &*stale];
    ticket(told(&remove(&["12735"]), &snapshot, keys(), &three));
}

#[test]
fn in_a_rotation_the_old_record_goes_and_not_too_early() {
    let mut snapshot = snapshot(true);
    let keys = || signing(&[OLD, NEW]);
    let (old, new, two) = (ds(OLD), ds(NEW), stale(2, 32));
    let of =
        |snapshot: &Snapshot, published: &[&str]| told(&remove(&[]), snapshot, keys(), published);
    // Nobody named anything: the new key's record stays.
    let text = ticket(of(&snapshot, &[&old, &new]));
    assert_eq!(text.records.len(), 1);
    assert!(text.records[0].ends_with(&old), "{:?}", text.records);
    assert_eq!(ticket(of(&snapshot, &[&old, &new, &two])).records.len(), 2);
    let done = of(&snapshot, &[&new]);
    assert!(
        matches!(&done, Handover::Done(why) if why.contains("stay")),
        "{done:?}"
    );
    // It is the only one: without it the zone would be insecure.
    for step in [remove(&[]), remove(&[&tag(OLD)])] {
        let early = told(&step, &snapshot, keys(), &[&old]);
        assert!(not_yet(&early).contains("--step ds-add"), "{early:?}");
    }
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.remove("spore:ds-both-since");
    }
    let early = of(&snapshot, &[&old, &new]);
    assert!(not_yet(&early).contains("not before"), "{early:?}");
    // Whoever names both, or wants no signing, takes both out.
    let both = remove(&[&tag(OLD), &tag(NEW)]);
    ticket(told(&both, &snapshot, keys(), &[&old, &new]));
    let failing = Keys {
        failing: vec![key(OLD)],
        ..signing(&[NEW])
    };
    ticket(told(&remove(&[]), &snapshot, failing, &[&old]));
}

fn not_yet(handover: &Handover) -> &str {
    match handover {
        Handover::NotYet(why) => why,
        Handover::Ticket(_) | Handover::Done(_) | Handover::Unsafe(_) => {
            panic!("a wait is expected, not: {handover:?}")
        }
    }
}

#[test]
fn a_wrong_record_waits_for_nothing() {
    let mut snapshot = snapshot(true);
    let two = stale(2, 32);
    let keys = || signing(&[OLD, NEW]);
    // Both records have been there for no time, and the new key for none.
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.remove("spore:ds-both-since");
        journal.tags.remove("spore:ksk-next-since");
    }
    // Alone it makes the zone bogus: the text says so, and asks nobody to come back.
    for step in [remove(&["12735"]), remove(&[])] {
        let text = ticket(told(&step, &snapshot, keys(), &[&two])).text();
        assert!(
            text.contains("validating resolvers, some or all, refuse"),
            "{text}"
        );
        assert!(text.contains("At once"), "{text}");
        for wait in ["may be turned off", "spore-infra ksk rotate", "taken down"] {
            assert!(!text.contains(wait), "{wait}: {text}");
        }
    }
    // The right one has to wait, and says what has not.
    let early = told(&Step::DsAdd, &snapshot, keys(), &[&two]);
    let why = not_yet(&early);
    assert!(why.contains("first run `spore-infra ksk rotate`"), "{why}");
    assert!(
        why.contains("taken out now") && why.contains("--step ds-remove --key-tag 12735"),
        "{why}"
    );
    // Beside a right one it may go at any time, and it is told apart where both are meant.
    let three = [&*ds(OLD), &*ds(NEW), &*two];
    ticket(told(&remove(&["12735"]), &snapshot, keys(), &three));
    let both = remove(&["12735", &tag(OLD)]);
    let early = told(&both, &snapshot, keys(), &three);
    let why = not_yet(&early);
    assert!(
        why.contains("first run") && why.contains("--key-tag 12735"),
        "{why}"
    );
    let early = told(&Step::DsAdd, &snapshot, keys(), &[&ds(OLD), &two]);
    assert!(!not_yet(&early).contains("taken out now"), "{early:?}");
}

#[test]
fn what_is_of_no_key_goes_from_beside_whatever_there_is() {
    let snapshot = snapshot(false);
    let (two, four) = (stale(2, 32), stale(4, 48));
    let failing = || Keys {
        failing: vec![key(OLD)],
        ..Keys::default()
    };
    // The key's signatures last for some days, and the zone is no worse without the other record.
    for wrong in [&two, &four] {
        let step = remove(&["12735"]);
        let text = ticket(told(&step, &snapshot, failing(), &[&ds(OLD), wrong])).text();
        assert!(text.contains("of none of the zone's keys"), "{text}");
    }
    let step = remove(&[&tag(OLD)]);
    refused(&told(&step, &snapshot, failing(), &[&ds(OLD), &two]));
}

#[test]
fn a_new_key_is_asked_for_in_its_time_and_beside_the_old_one() {
    let mut snapshot = snapshot(true);
    let step = Step::DsAdd;
    // The journal says that both were there: who noted that has to say that it is over.
    snapshot.parent = fixture::parent(Delegated {
        name_servers: vec!["ns-1.awsdns-00.com".into(), "ns-2.awsdns-00.net".into()],
        ds: vec![ds(OLD)],
        ..Delegated::default()
    });
    let early = told(&step, &snapshot, signing(&[OLD, NEW]), &[&ds(OLD)]);
    assert!(
        not_yet(&early).contains("first run `spore-infra ksk rotate`"),
        "{early:?}"
    );
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.remove("spore:ds-both-since");
    }
    let text = ticket(told(&step, &snapshot, signing(&[OLD, NEW]), &[&ds(OLD)]));
    assert!(text.records[0].ends_with(&ds(NEW)) && text.records[0].contains(" 300 IN DS "));
    assert!(
        text.text().contains("Leave the other DS record"),
        "{}",
        text.text()
    );
    if let Observation::Present(journal) = &mut snapshot.journal_group {
        journal.tags.remove("spore:ksk-next-since");
    }
    for published in [&[&*ds(OLD)][..], &[]] {
        let early = told(&step, &snapshot, signing(&[OLD, NEW]), published);
        assert!(
            matches!(&early, Handover::NotYet(why) if why.contains("first run")),
            "{early:?}"
        );
    }
}

#[test]
fn the_wait_after_a_removal_is_promised_only_where_its_length_is_known() {
    let mut snapshot = snapshot(false);
    let published = [&*ds(OLD)];
    let after = |snapshot: &Snapshot| {
        let text = ticket(told(&remove(&[]), snapshot, signing(&[OLD]), &published)).text();
        text.split_once("Afterwards").unwrap().1.to_owned()
    };
    let unknown = after(&snapshot);
    assert!(
        unknown.contains("Run `spore-infra destroy` once"),
        "{unknown}"
    );
    for (noted, is_known) in [("60", false), ("3600", true), ("7200", true)] {
        if let Observation::Present(journal) = &mut snapshot.journal_group {
            let key = journal_group::EVIDENCE_DS_TTL.to_owned();
            journal.tags.insert(key, noted.into());
        }
        let text = after(&snapshot);
        assert_eq!(text.contains("waits for that"), is_known, "{noted}: {text}");
    }
}

#[test]
fn nobody_is_sent_to_a_zone_that_its_ds_records_make_bogus() {
    let snapshot = snapshot(false);
    let desired = fixture::desired();
    let elsewhere = |published: &[&str]| {
        let said = Delegated {
            name_servers: vec!["ns.elsewhere.example".into()],
            ds: published.iter().map(|ds| (*ds).to_owned()).collect(),
            ..Delegated::default()
        };
        let facts = Facts {
            desired: &desired,
            snapshot: &snapshot,
            parent: "example.edu",
            servers: vec![("ns1.example.edu", &said)],
            key: Some(key(OLD)),
            keys: signing(&[OLD]),
            not_yet: None,
        };
        write(&Step::Delegate, &facts)
    };
    let (two, four) = (stale(2, 32), stale(4, 48));
    assert!(refused(&elsewhere(&[&two])).contains("12735"));
    refused(&elsewhere(&[&ds(OLD), &four]));
    // A right record is enough, and none is harmless.
    for published in [&[&*ds(OLD), &*two][..], &[]] {
        let text = ticket(elsewhere(published)).text();
        assert!(!text.contains(" IN DS "), "{text}");
    }
}

#[test]
fn what_has_to_come_first_is_named_with_its_remedy() {
    let snapshot = snapshot(false);
    let desired = fixture::desired();
    let said = Delegated::default();
    let asked = |step: &Step, not_yet: NotYet| {
        let facts = Facts {
            desired: &desired,
            snapshot: &snapshot,
            parent: "example.edu",
            servers: vec![("ns1.example.edu", &said)],
            key: Some(key(OLD)),
            keys: signing(&[OLD]),
            not_yet: Some(not_yet),
        };
        write(step, &facts)
    };
    let unserved = || NotYet::Unserved("ns-1 lacks it".into());
    for step in [Step::Delegate, Step::DsAdd] {
        let early = asked(&step, unserved());
        assert!(
            matches!(&early, Handover::NotYet(why) if why.contains("ns-1 lacks it") && why.contains("in a minute")),
            "{early:?}"
        );
    }
    // Unsigned answers that resolvers remember stand against the DS record, not against the delegation.
    let remembered = || NotYet::Remembered {
        until: fixture::now(),
        why: "resolvers may remember unsigned answers".into(),
    };
    assert!(matches!(
        asked(&Step::DsAdd, remembered()),
        Handover::NotYet(_)
    ));
    let text = ticket(asked(&Step::Delegate, remembered())).text();
    assert!(!text.contains(" IN DS "), "{text}");
}
