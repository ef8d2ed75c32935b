//! Life cycles done right, and mistakes that must be seen: the judge says bogus exactly when some
//! resolver somewhere fails.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use hickory_proto::dnssec::rdata::RRSIG;
use hickory_proto::rr::RecordData as _;
use serde_json::json;
use spore_sandbox::dns::verdict::{Judge, Verdict};
use spore_sandbox::dns::{Fault, RegistrarAction};

use super::lab::{Lab, ZONE, bogus, judge, name};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A zone with an old record of one day's TTL, delegated and unsigned.
fn adopted() -> Lab {
    let mut lab = Lab::new();
    let owner = format!("long.{ZONE}");
    lab.change("CREATE", &owner, "A", 86_400, &["192.0.2.9"]);
    lab.wait(60);
    lab.delegate();
    lab
}

/// Looks after each of some steps; none may be bogus.
fn never_bogus(lab: &mut Lab, judge: &mut Judge, steps: &mut [&mut dyn FnMut(&mut Lab)]) {
    for (index, step) in steps.iter_mut().enumerate() {
        step(lab);
        let verdict = lab.look(judge);
        assert!(!verdict.is_bogus(), "step {index}: {verdict:?}");
    }
}

#[test]
fn a_careful_life_is_never_bogus() {
    let mut lab = adopted();
    let mut judge = judge();
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
    let mut first = String::new();
    let mut second = String::new();
    never_bogus(
        &mut lab,
        &mut judge,
        &mut [
            &mut |lab| first = lab.ksk("first").1,
            &mut |lab| lab.zone_call("EnableHostedZoneDNSSEC"),
            &mut |lab| lab.wait(60),
            // The old records' TTL; the zone's NS set has two days.
            &mut |lab| lab.wait(2 * DAY),
        ],
    );
    never_bogus(
        &mut lab,
        &mut judge,
        &mut [&mut |lab| lab.set_ds(&[&first]), &mut |lab| lab.wait(HOUR)],
    );
    lab.wait(DAY);
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    // Rotation: two keys, two DS, then one of each.
    never_bogus(
        &mut lab,
        &mut judge,
        &mut [
            &mut |lab| second = lab.ksk("second").1,
            &mut |lab| lab.wait(60),
            &mut |lab| lab.wait(HOUR),
        ],
    );
    never_bogus(
        &mut lab,
        &mut judge,
        &mut [
            &mut |lab| lab.set_ds(&[&first, &second]),
            &mut |lab| lab.wait(HOUR),
            &mut |lab| lab.set_ds(&[&second]),
            &mut |lab| lab.wait(HOUR),
            &mut |lab| lab.ksk_call("DeactivateKeySigningKey", "first"),
            &mut |lab| lab.wait(60),
            &mut |lab| lab.ksk_call("DeleteKeySigningKey", "first"),
            &mut |lab| lab.wait(HOUR),
        ],
    );
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    // Off again.
    never_bogus(
        &mut lab,
        &mut judge,
        &mut [
            &mut |lab| lab.set_ds(&[]),
            &mut |lab| lab.wait(HOUR),
            &mut |lab| lab.zone_call("DisableHostedZoneDNSSEC"),
            &mut |lab| lab.wait(60),
        ],
    );
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
}

#[test]
fn a_wrong_digest_is_bogus() {
    let mut lab = Lab::new();
    let (_, ds) = lab.secured();
    assert_eq!(lab.cold(), Verdict::Secure);
    let mut wrong = ds.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    lab.set_ds(&[&wrong]);
    bogus(&lab.cold(), "no DNSKEY matches it");
    // With the right one beside it, it does no harm.
    lab.set_ds(&[&wrong, &ds]);
    assert_eq!(lab.cold(), Verdict::Secure);
}

#[test]
fn a_ds_before_signing_is_served_is_bogus() {
    let mut lab = Lab::new();
    lab.delegate();
    let (_, ds) = lab.ksk("first");
    lab.wait(60);
    lab.zone_call("EnableHostedZoneDNSSEC");
    lab.set_ds(&[&ds]);
    bogus(&lab.cold(), "there is no DNSKEY set");
    // Some servers have it after half a minute, the last after one: until then it is luck.
    let mut verdicts = Vec::new();
    for _ in 0..60 {
        lab.wait(1);
        verdicts.push(lab.cold());
    }
    let sound = verdicts.iter().position(|v| *v == Verdict::Secure).unwrap();
    assert!((30..60).contains(&sound), "{sound}");
    assert!(verdicts[..sound].iter().all(Verdict::is_bogus));
}

#[test]
fn unsigned_answers_in_caches_make_an_early_ds_bogus() {
    let mut lab = adopted();
    let mut judge = judge();
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
    let (_, ds) = lab.ksk("first");
    lab.zone_call("EnableHostedZoneDNSSEC");
    lab.look(&mut judge);
    lab.wait(60);
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
    lab.wait(DAY - 120);
    lab.set_ds(&[&ds]);
    // A cold cache sees nothing of it.
    assert_eq!(lab.cold(), Verdict::Secure);
    bogus(&lab.look(&mut judge), "it is not signed");
}

#[test]
fn a_ds_swapped_at_once_is_bogus_for_who_has_the_old_keys() {
    let mut lab = Lab::new();
    lab.secured();
    let mut judge = judge();
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    let (_, second) = lab.ksk("second");
    lab.wait(60);
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    lab.wait(HOUR / 2);
    lab.set_ds(&[&second]);
    assert_eq!(lab.cold(), Verdict::Secure);
    bogus(&lab.look(&mut judge), "no DNSKEY matches it");
}

#[test]
fn an_old_ksk_taken_down_too_early_is_bogus_for_who_has_the_old_ds() {
    let mut lab = Lab::new();
    let (_, first) = lab.secured();
    let mut judge = judge();
    let (_, second) = lab.ksk("second");
    lab.wait(2 * HOUR);
    lab.set_ds(&[&first, &second]);
    lab.wait(2 * HOUR);
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    lab.set_ds(&[&second]);
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    lab.wait(HOUR / 2);
    lab.ksk_call("DeactivateKeySigningKey", "first");
    lab.look(&mut judge);
    lab.wait(60);
    assert_eq!(lab.cold(), Verdict::Secure);
    // Who holds both DS can use the second; who holds the first alone, from before, cannot.
    assert_eq!(lab.look(&mut judge), Verdict::Secure);

    let mut lab = Lab::new();
    lab.secured();
    let mut judge = super::lab::judge();
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    let (_, second) = lab.ksk("second");
    lab.wait(60);
    lab.look(&mut judge);
    lab.wait(2 * HOUR);
    lab.look(&mut judge);
    lab.set_ds(&[&second]);
    assert_eq!(lab.look(&mut judge), Verdict::Secure, "both keys are there");
    lab.ksk_call("DeactivateKeySigningKey", "first");
    lab.look(&mut judge);
    lab.wait(60);
    assert_eq!(lab.cold(), Verdict::Secure);
    bogus(&lab.look(&mut judge), "no DNSKEY matches it");
}

#[test]
fn signing_taken_off_while_the_ds_is_cached_is_bogus() {
    let mut lab = Lab::new();
    lab.secured();
    let mut judge = judge();
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    lab.set_ds(&[]);
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
    lab.zone_call("DisableHostedZoneDNSSEC");
    lab.look(&mut judge);
    lab.wait(60);
    assert_eq!(lab.cold(), Verdict::Insecure);
    bogus(&lab.look(&mut judge), "there is no DNSKEY set");
    // The DS has an hour.
    lab.wait(HOUR);
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
}

#[test]
fn a_lost_key_is_bogus_only_when_its_last_signature_has_ended() {
    for (operation, more) in [
        ("DisableKey", json!({})),
        ("ScheduleKeyDeletion", json!({ "PendingWindowInDays": 7 })),
    ] {
        let mut lab = Lab::new();
        let (arn, _) = lab.secured();
        let mut input = more;
        input["KeyId"] = arn.clone().into();
        lab.call("kms", operation, input);
        assert_eq!(lab.statuses(), ["ACTION_NEEDED"]);
        for day in 0..13 {
            assert_eq!(lab.cold(), Verdict::Secure, "{operation}, day {day}");
            lab.wait(DAY);
        }
        lab.wait(DAY);
        bogus(&lab.cold(), "its signature ended at");
    }
}

#[test]
fn a_key_that_is_usable_again_signs_only_after_activation() {
    let mut lab = Lab::new();
    let (arn, _) = lab.secured();
    lab.call("kms", "DisableKey", json!({ "KeyId": arn }));
    lab.wait(3 * DAY);
    assert_eq!(lab.statuses(), ["ACTION_NEEDED"]);
    lab.call("kms", "EnableKey", json!({ "KeyId": arn }));
    lab.wait(3 * DAY);
    assert_eq!(lab.statuses(), ["ACTION_NEEDED"]);
    let left = |lab: &Lab| {
        let message = lab.ask(&lab.servers()[0], ZONE, "DNSKEY");
        let sig = message
            .answers
            .iter()
            .find_map(|record| RRSIG::try_borrow(&record.data))
            .map(|rrsig| rrsig.input().sig_expiration.get())
            .unwrap();
        i64::from(sig) - lab.now.as_second()
    };
    let before = left(&lab);
    lab.ksk_call("ActivateKeySigningKey", "first");
    lab.wait(60);
    assert!(left(&lab) >= before);
    lab.wait(30 * DAY);
    assert_eq!(lab.cold(), Verdict::Secure);
}

#[test]
fn a_year_without_a_call_stays_secure() {
    let mut lab = Lab::new();
    lab.secured();
    for _ in 0..12 {
        lab.wait(30 * DAY + 7777);
        assert_eq!(lab.cold(), Verdict::Secure);
    }
}

#[test]
fn a_tampered_record_is_bogus_wherever_it_is() {
    let mut lab = Lab::new();
    lab.secured();
    for (owner, rtype) in [
        (".", "DNSKEY"),
        ("edu", "DS"),
        ("example.edu", "DNSKEY"),
        (ZONE, "DS"),
        (ZONE, "DNSKEY"),
        (ZONE, "SOA"),
        (ZONE, "NS"),
    ] {
        let owner = name(owner);
        lab.world.tamper(&owner, rtype, true);
        assert!(lab.cold().is_bogus(), "{owner} {rtype}: {:?}", lab.cold());
        lab.world.tamper(&owner, rtype, false);
        assert_eq!(lab.cold(), Verdict::Secure);
    }
}

#[test]
fn a_server_that_lags_behind_in_sync_is_seen() {
    let mut lab = Lab::new();
    lab.delegate();
    let late = lab.servers()[2].clone();
    let fault = Fault::Lag(Duration::from_secs(600));
    lab.world.named_server_fault(&late, Some(fault)).unwrap();
    let (_, ds) = lab.ksk("first");
    lab.zone_call("EnableHostedZoneDNSSEC");
    lab.wait(60);
    lab.set_ds(&[&ds]);
    bogus(&lab.cold(), "there is no DNSKEY set");
    lab.wait(600);
    assert_eq!(lab.cold(), Verdict::Secure);
}

#[test]
fn a_parent_server_that_lags_or_fails_is_seen() {
    let mut lab = Lab::new();
    let (_, first) = lab.secured();
    let server = name("ns2.example.edu");
    let lag = Fault::Lag(Duration::from_secs(86_400));
    lab.world.named_server_fault(&server, Some(lag)).unwrap();
    let (_, second) = lab.ksk("second");
    lab.wait(2 * HOUR);
    lab.set_ds(&[&second]);
    lab.wait(2 * HOUR);
    assert_eq!(lab.cold(), Verdict::Secure);
    // Only this server still has the first DS, and Route 53 asks every one.
    let input = json!({ "HostedZoneId": lab.zone, "Name": "first" });
    let refused = lab.try_call("route53", "DeactivateKeySigningKey", input);
    assert_eq!(refused.unwrap_err(), "KeySigningKeyInParentDSRecord");
    lab.wait(DAY);
    lab.ksk_call("DeactivateKeySigningKey", "first");
    lab.wait(60);
    assert_eq!(lab.cold(), Verdict::Secure);
    // One of two servers is enough; with none the zone is lost.
    for fault in [Fault::Silent, Fault::ServFail, Fault::Refused] {
        lab.world.named_server_fault(&server, Some(fault)).unwrap();
        assert_eq!(lab.cold(), Verdict::Secure, "{fault}");
        let other = name("ns1.example.edu");
        lab.world.named_server_fault(&other, Some(fault)).unwrap();
        assert!(matches!(lab.cold(), Verdict::Unreachable(_)), "{fault}");
        lab.world.named_server_fault(&other, None).unwrap();
    }
    assert!(!first.is_empty());
}

#[test]
fn a_zone_made_again_has_other_servers_and_other_keys() {
    let mut lab = Lab::new();
    let (_, ds) = lab.secured();
    let mut judge = judge();
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    // Somebody moves the zone by hand: new zone, new key, and at the parent the old DS.
    lab.zone = lab.make_zone(ZONE);
    lab.ksk("new");
    lab.zone_call("EnableHostedZoneDNSSEC");
    lab.wait(60);
    let servers = lab.servers();
    lab.registrar(RegistrarAction::Delegate {
        zone: ZONE.into(),
        name_servers: Some(servers.iter().map(|server| server.text()).collect()),
    });
    lab.set_ds(&[&ds]);
    bogus(&lab.cold(), "no DNSKEY matches it");
    bogus(&lab.look(&mut judge), "no DNSKEY matches it");
}

#[test]
fn a_lame_delegation_is_unreachable() {
    let mut lab = Lab::new();
    assert!(
        matches!(lab.cold(), Verdict::Unreachable(_)),
        "not delegated"
    );
    lab.registrar(RegistrarAction::Delegate {
        zone: ZONE.into(),
        name_servers: Some(vec!["ns-2000.awsdns-58.co.uk".into()]),
    });
    assert!(matches!(lab.cold(), Verdict::Unreachable(_)));
    lab.delegate();
    assert_eq!(lab.cold(), Verdict::Insecure);
}

#[test]
fn below_an_unsigned_parent_nothing_is_secure_and_nothing_bogus() {
    let mut lab = Lab::new();
    let mut judge = judge();
    let (_, ds) = lab.secured();
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    let signing = |signed| RegistrarAction::Signing {
        zone: "example.edu".into(),
        signed,
    };
    lab.registrar(signing(false));
    assert_eq!(lab.cold(), Verdict::Insecure);
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
    lab.wait(2 * DAY);
    assert_eq!(lab.look(&mut judge), Verdict::Insecure);
    let server = name("ns1.example.edu");
    assert_eq!(lab.ask(&server, "example.edu", "DNSKEY").answers.len(), 0);
    // An island: whatever DS it has there.
    let wrong = format!("1 13 2 {}", "AB".repeat(32));
    lab.set_ds(&[&wrong]);
    assert_eq!(lab.cold(), Verdict::Insecure);
    lab.set_ds(&[&ds]);
    lab.registrar(signing(true));
    assert_eq!(lab.cold(), Verdict::Secure);
}
