//! Judgements of built facts: each situation has its own sentence and its own order of repair.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::ds::keys::Whose;
use crate::ds::{DigestType, DnsKey, Ds};
use crate::render::Paint;
use crate::status::facts::{
    Aws, Delegation, Heard, Ksk, Mover, ParentServer, Planned, Resolved, Resolver, Role, Serving,
    Signal, Signature, Trouble, Turning, Verdict, Zone, ZoneServer,
};
use crate::status::{check, json, text};

mod leaving;
mod loss;
mod silence;

/// The key of spore.host since 2025-12-30, a real one of Route 53, and what its registry still had
/// (spore-host/spore-host, docs/DNSSEC_CONFIGURATION.md).
const KEY: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";
const DS: &str = "10831 13 2 F324476F158C8FA41966789CD6E04F793009AE872EA021DC0F387BF217CDAE5A";
const OLD_DS: &str = "12735 13 2 0179EFB5FA92E41D46256E7C1D8628B9DD7C0529E85E400F9B48213685BBA5E4";
/// A key of RFC 6605, section 6.1: somebody else's.
const OTHER_KEY: &str = "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
const OURS: [&str; 2] = ["ns-1.awsdns-00.com", "ns-2.awsdns-00.net"];

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn key(text: &str) -> DnsKey {
    DnsKey::parse(text).unwrap()
}

fn ds(text: &str) -> Ds {
    Ds::parse(text).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn delegation(ns: &[&str], records: &[&str]) -> Delegation {
    Delegation {
        ns: names(ns),
        ns_ttl_secs: 172_800,
        ds: records.iter().map(|record| ds(record)).collect(),
        ds_ttl_secs: 3_600,
        proof: Verdict::Secure,
    }
}

fn serving(keys: &[&str], verdict: Verdict) -> Serving {
    let signature = |covers: &str, key: &str| Signature {
        covers: covers.into(),
        key_tag: self::key(key).key_tag(),
        begins: "2026-11-20T12:00:00Z".parse().unwrap(),
        expires: "2026-11-27T12:00:00Z".parse().unwrap(),
    };
    Serving {
        serial: Some(1),
        ns: names(&OURS),
        keys: keys.iter().map(|key| self::key(key)).collect(),
        proving: keys.iter().map(|key| self::key(key)).collect(),
        signatures: keys
            .iter()
            .flat_map(|key| [signature("DNSKEY", key), signature("SOA", key)])
            .collect(),
        verdict,
    }
}

fn server(name: &str, answer: Result<Serving, Trouble>) -> ZoneServer {
    ZoneServer {
        name: name.into(),
        address: Some([205, 251, 192, 1].into()),
        in_parent: true,
        in_route53: Some(OURS.contains(&name)),
        answer,
    }
}

fn above(name: &str, verdict: Verdict) -> Zone {
    let mut serving = serving(&[OTHER_KEY], verdict.clone());
    serving.ns = names(&["a.nic.host"]);
    Zone {
        name: name.into(),
        parents: Vec::new(),
        servers: vec![ZoneServer {
            in_route53: None,
            ..server("a.nic.host", Ok(serving))
        }],
        verdict,
    }
}

/// spore.host as it should be.
fn facts() -> Facts {
    let parent = |name: &str| ParentServer {
        name: name.into(),
        address: Some([198, 18, 0, 1].into()),
        answer: Ok(delegation(&OURS, &[DS])),
    };
    let zone = Zone {
        name: "spore.host".into(),
        parents: vec![parent("a.nic.host"), parent("b.nic.host")],
        servers: OURS
            .iter()
            .map(|name| server(name, Ok(serving(&[KEY], Verdict::Secure))))
            .collect(),
        verdict: Verdict::Secure,
    };
    Facts {
        at: now(),
        domain: "spore.host".into(),
        wants_dnssec: true,
        hostmaster: None,
        zones: vec![
            above(".", Verdict::Secure),
            above("host", Verdict::Secure),
            zone,
        ],
        cut_short: None,
        resolvers: Vec::new(),
        signals: Vec::new(),
        aws: Ok(Aws {
            zone: Some("Z048907324UNXKEK9KX93".into()),
            name_servers: names(&OURS),
            signing: Some(("SIGNING".into(), String::new())),
            keys: vec![Ksk {
                name: "spore_spore_host_1".into(),
                status: "ACTIVE".into(),
                key: Some(key(KEY)),
                kms_arn: "arn:aws:kms:us-east-1:123456789012:key/1".into(),
                kms_state: Some(("Enabled".into(), None)),
                ..Ksk::default()
            }],
            plan: Planned {
                summary: "No changes.".into(),
                ..Planned::default()
            },
            ..Aws::default()
        }),
    }
}

impl Facts {
    fn own(&mut self) -> &mut Zone {
        self.zones.last_mut().unwrap()
    }

    fn aws(&mut self) -> &mut Aws {
        self.aws.as_mut().unwrap()
    }

    fn parents(mut self, answer: &Delegation) -> Self {
        for server in &mut self.own().parents {
            server.answer = Ok(answer.clone());
        }
        self
    }

    fn judged(mut self, verdict: &Verdict) -> Self {
        for server in &mut self.own().servers {
            if let Ok(serving) = &mut server.answer {
                serving.verdict = verdict.clone();
            }
        }
        self.own().verdict = verdict.clone();
        self
    }
}

fn bogus() -> Verdict {
    Verdict::Bogus("none of its keys fits a DS record of its parent".into())
}

fn insecure() -> Verdict {
    Verdict::Insecure("host has no DS record for it".into())
}

/// The sentence of a code.
fn told<'a>(report: &'a Report, code: &str) -> &'a Finding {
    let found = report.findings.iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("no {code}: {:#?}", report.findings))
}

fn steps(report: &Report) -> Vec<(&str, &str)> {
    let who = |who: &Who| match who {
        Who::Us => "us",
        Who::Others(_) => "others",
        Who::Wait => "wait",
    };
    // Which words decide what a step is; what is around them is for people.
    report
        .next
        .iter()
        .map(|action| (who(&action.who), action.what.as_str()))
        .collect()
}

/// Each step has these actors, and words in this order.
fn follows(report: &Report, expected: &[(&str, &str)]) {
    let steps = steps(report);
    assert_eq!(steps.len(), expected.len(), "{steps:#?}");
    for ((who, what), (by, words)) in steps.iter().zip(expected) {
        assert!(
            who == by && what.contains(words),
            "{words:?} by {by}: {steps:#?}"
        );
    }
}

#[test]
fn a_sound_zone_is_secure_and_needs_nothing() {
    let report = of(&facts());
    assert_eq!(report.level, Level::Ok);
    assert!(report.headline.contains("secure") && report.findings.is_empty());
    assert!(report.next.is_empty());
}

#[test]
fn the_move_of_spore_host_is_told_in_one_line_and_mended_in_order() {
    let facts = facts()
        .parents(&delegation(&OURS, &[OLD_DS]))
        .judged(&bogus());
    let report = of(&facts);
    assert_eq!(report.level, Level::Critical);
    assert_eq!(
        report.headline,
        "spore.host: host has DS 12735, but the zone's key is 10831: no key of the zone has that tag; \
         validating resolvers refuse every name (bogus)"
    );
    // Nobody needs the wrong one: without any the zone would be insecure, with the right one it is secure.
    follows(
        &report,
        &[
            (
                "others",
                &format!("replace DS 12735 by DS {DS} in one change"),
            ),
            ("wait", "1 h for resolvers that hold the old DS set"),
            ("us", "spore-infra status"),
        ],
    );
    assert_eq!(
        report.next[0].who,
        Who::Others("the registrar of spore.host".into())
    );
}

#[test]
fn a_right_ds_beside_a_stale_one_is_secure() {
    let report = of(&facts().parents(&delegation(&OURS, &[OLD_DS, DS])));
    assert_eq!(report.level, Level::Note);
    assert!(told(&report, "ds-stale").text.contains("no harm"));
    follows(
        &report,
        &[("others", "take out DS 12735; the one of key 10831 stays")],
    );
}

#[test]
fn with_no_key_that_signs_the_wrong_ds_goes_first() {
    let mut facts = facts()
        .parents(&delegation(&OURS, &[OLD_DS]))
        .judged(&bogus());
    facts.aws().signing = Some(("NOT_SIGNING".into(), String::new()));
    follows(
        &of(&facts),
        &[
            ("others", "take out DS 12735 now"),
            ("wait", "1 h"),
            ("us", "spore-infra apply"),
            ("others", "not before it prints one"),
        ],
    );
}

#[test]
fn a_wrong_digest_is_not_taken_for_the_keys_ds() {
    let wrong = format!("10831 13 2 {}", "AB".repeat(32));
    let report = of(&facts()
        .parents(&delegation(&OURS, &[&wrong]))
        .judged(&bogus()));
    let finding = told(&report, "ds-wrong-digest");
    assert_eq!(finding.level, Level::Critical);
    assert!(finding.text.contains("DS 10831") && finding.text.contains("ABABABAB"));
    follows(
        &report,
        &[
            (
                "others",
                "replace DS 10831 (type 2, ABABABAB...) by DS 10831 13 2 F324",
            ),
            ("wait", ""),
            ("us", ""),
        ],
    );
}

#[test]
fn a_ds_of_an_unknown_algorithm_makes_it_insecure() {
    let strange = format!("10831 200 2 {}", "AB".repeat(32));
    let report = of(&facts()
        .parents(&delegation(&OURS, &[&strange]))
        .judged(&insecure()));
    let finding = told(&report, "ds-unknown-kind");
    assert_eq!(
        (finding.level, report.level),
        (Level::Warning, Level::Warning)
    );
    assert!(finding.text.contains("algorithm 200") && finding.text.contains("insecure"));
}

#[test]
fn a_ds_of_a_resting_key_is_told_from_a_stale_one() {
    let mut facts = facts().parents(&delegation(&OURS, &[DS])).judged(&bogus());
    for server in &mut facts.own().servers {
        server.answer.as_mut().unwrap().proving.clear();
    }
    let report = of(&facts);
    assert!(
        told(&report, "ds-dormant")
            .text
            .contains("serves key 10831, but that does not prove what it answers")
    );
    assert_eq!(steps(&report)[0].0, "others");
}

#[test]
fn servers_that_lag_are_dead_or_lame_have_a_sentence_each() {
    let mut lagging = facts();
    lagging.own().servers.push(server(
        "ns-3.awsdns-00.org",
        Ok(serving(&[], Verdict::Secure)),
    ));
    lagging.own().servers[2].in_route53 = Some(true);
    let report = of(&lagging);
    assert!(
        told(&report, "lagging")
            .text
            .starts_with("ns-3.awsdns-00.org lags behind or is out of step: it serves no keys, most others the keys 10831")
    );

    for (trouble, words) in [
        (
            Trouble::Silent("no answer in time".into()),
            "does not answer (no answer in time)",
        ),
        (
            Trouble::Lame("REFUSED".into()),
            "does not serve the zone (REFUSED)",
        ),
        (Trouble::Failing("SERVFAIL".into()), "fails (SERVFAIL)"),
        (
            Trouble::NoAddress("NXDOMAIN".into()),
            "could not be asked (NXDOMAIN)",
        ),
    ] {
        let mut facts = facts();
        facts.own().servers[1].answer = Err(trouble);
        let report = of(&facts);
        assert_eq!(report.level, Level::Warning);
        let finding = told(&report, "server");
        assert!(
            finding.text.contains("ns-2.awsdns-00.net") && finding.text.contains(words),
            "{finding:?}"
        );
        // With none left nothing resolves.
        let mut none = facts.clone();
        none.own().servers[0].answer = Err(Trouble::Lame("REFUSED".into()));
        assert_eq!(told(&of(&none), "no-server").level, Level::Critical);
    }
}

#[test]
fn one_bogus_server_is_named() {
    let mut facts = facts();
    let ended = Verdict::Bogus("that of key 10831 ended at 2026-11-21T00:00:00Z".into());
    facts.own().servers[1].answer.as_mut().unwrap().verdict = ended.clone();
    facts.own().verdict = ended;
    let report = of(&facts);
    let finding = told(&report, "bogus");
    assert_eq!(finding.level, Level::Critical);
    assert!(finding.text.contains("ns-2.awsdns-00.net") && finding.text.contains("ended at"));
}

#[test]
fn different_ns_sets_are_both_shown() {
    let report = of(&facts().parents(&delegation(&[OURS[0], "ns.old.example"], &[DS])));
    let text = &told(&report, "ns-differs").text;
    assert!(text.contains("lacks ns-2.awsdns-00.net") && text.contains("names ns.old.example"));
    assert!(
        steps(&report)[0]
            .1
            .contains("exactly ns-1.awsdns-00.com, ns-2.awsdns-00.net")
    );
}

fn elsewhere(answer: Result<Serving, Trouble>) -> Facts {
    let mut facts = facts().parents(&delegation(&["ns-9.awsdns-01.com"], &[OLD_DS]));
    for server in &mut facts.own().servers {
        server.in_parent = false;
    }
    facts
        .own()
        .servers
        .push(server("ns-9.awsdns-01.com", answer));
    facts
}

#[test]
fn a_zone_made_anew_needs_other_servers_and_keys_at_once() {
    let report = of(&elsewhere(Err(Trouble::Lame("REFUSED".into()))).judged(&bogus()));
    assert!(
        report.headline.contains("deleted and made anew"),
        "{}",
        report.headline
    );
    follows(
        &report,
        &[
            (
                "others",
                &format!("its DS records to {DS}, in the same change"),
            ),
            ("wait", "2 d"),
            ("us", "spore-infra status"),
        ],
    );
}

/// A zone made anew may get one of the name servers of before: Route 53 does not sign it then either.
#[test]
fn an_unsigned_zone_is_delegated_without_a_ds_record_of_before() {
    let partly = facts().parents(&delegation(&[OURS[0], "ns-9.awsdns-01.com"], &[OLD_DS]));
    let elsewhere = elsewhere(Err(Trouble::Lame("REFUSED".into())));
    for mut facts in [partly, elsewhere] {
        facts.aws().signing = Some(("NOT_SIGNING".into(), String::new()));
        let report = of(&facts);
        let order = ["take out DS 12735", "1 h", "set the NS records", "apply"];
        let found = steps(&report);
        for (step, words) in found.iter().zip(order) {
            assert!(step.1.contains(words), "{found:#?}");
        }
        assert!(found.len() > order.len(), "{found:#?}");
    }
}

#[test]
fn a_zone_that_answers_elsewhere_is_moved_through_insecure() {
    let facts = elsewhere(Ok(serving(&[OTHER_KEY], Verdict::Secure)));
    let report = of(&facts);
    assert!(
        told(&report, "delegated-elsewhere")
            .text
            .contains("another zone of this name answers")
    );
    follows(
        &report,
        &[
            ("others", "take out DS 12735"),
            ("wait", "1 h"),
            ("others", "set the NS records"),
            ("wait", "2 d"),
            ("others", &format!("add DS {DS}")),
        ],
    );
}

#[test]
fn an_unsigned_parent_is_said_plainly() {
    let why = Verdict::Insecure("host has no DS record for it".into());
    let mut facts = facts().parents(&delegation(&OURS, &[])).judged(&why);
    facts.domain = "spore.example.host".into();
    facts.own().name = "spore.example.host".into();
    facts.zones.insert(2, above("example.host", why));
    let report = of(&facts);
    assert_eq!(report.level, Level::Warning);
    assert!(
        report
            .headline
            .contains("example.host is not signed (host has no DS record for it)")
            && report.headline.contains("island"),
        "{}",
        report.headline
    );
    assert_eq!(
        report.next[0].who,
        Who::Others("the people of example.host".into())
    );
    assert!(report.next[0].what.contains("sign example.host"));
}

#[test]
fn a_parent_zone_of_ones_own_is_applys_affair() {
    let unknown = Verdict::Unknown("its parent does not delegate it".into());
    let zone = "zone host (Z9) of this account";
    let mut nowhere = facts().parents(&delegation(&[], &[])).judged(&unknown);
    nowhere.aws().parent_zone = Some(zone.into());
    let mut unvouched = facts().parents(&delegation(&OURS, &[])).judged(&insecure());
    unvouched.aws().parent_zone = Some(zone.into());
    for (facts, words) in [
        (
            nowhere,
            format!("`spore-infra apply`: it delegates spore.host in {zone}"),
        ),
        (
            unvouched,
            format!("`spore-infra apply`: it puts the DS record into {zone}"),
        ),
    ] {
        follows(&of(&facts), &[("us", &words)]);
    }
}

#[test]
fn without_a_delegation_nothing_resolves() {
    let unknown = Verdict::Unknown("its parent does not delegate it".into());
    let mut facts = facts().parents(&delegation(&[], &[])).judged(&unknown);
    facts.hostmaster = Some("Grace, noc@example.edu".into());
    let report = of(&facts);
    assert_eq!(told(&report, "undelegated").level, Level::Critical);
    follows(
        &report,
        &[
            (
                "others",
                "delegate spore.host to ns-1.awsdns-00.com, ns-2.awsdns-00.net",
            ),
            (
                "others",
                &format!("once the delegation is there: add DS {DS}"),
            ),
        ],
    );
    let who = Who::Others("the registrar of spore.host (Grace, noc@example.edu)".into());
    assert_eq!(report.next[0].who, who);
}

#[test]
fn a_missing_ds_is_a_warning_with_the_record_to_add() {
    let report = of(&facts().parents(&delegation(&OURS, &[])).judged(&insecure()));
    assert_eq!(told(&report, "no-ds").level, Level::Warning);
    follows(&report, &[("others", &format!("add DS {DS}"))]);
    // Unless the document does not want it.
    let mut unsigned = facts().parents(&delegation(&OURS, &[])).judged(&insecure());
    unsigned.wants_dnssec = false;
    assert_eq!(of(&unsigned).level, Level::Ok);
}

#[test]
fn no_ds_is_asked_for_while_unsigned_answers_may_be_remembered() {
    let why = "resolvers may remember unsigned answers until 2026-11-24T11:56:00Z";
    let mut early = facts().parents(&delegation(&OURS, &[])).judged(&insecure());
    early.aws().unsigned = Some(why.into());
    let add = format!("add DS {DS}");
    follows(&of(&early), &[("wait", why), ("others", &add)]);
    // Of a wrong one there is nothing to keep meanwhile.
    let wrong = "12735 13 2 DCD1AAEE6DBB5C2A8B6F2C2BF3D79F5B90F6C6B2C8D6F0A1B2C3D4E5F6071829";
    let mut wrong = facts().parents(&delegation(&OURS, &[wrong]));
    wrong.aws().unsigned = Some(why.into());
    let report = of(&wrong);
    let steps = steps(&report);
    let at = |text: &str| steps.iter().position(|(_, what)| what.contains(text));
    let (out, wait, add) = (at("take out DS 12735"), at(why), at(&add));
    assert!(
        out.is_some() && out < add && wait < add && add.is_some(),
        "{steps:?}"
    );
}

#[test]
fn where_an_apply_can_do_nothing_it_is_waited() {
    let wait = "until every name server of the zone";
    let add = "that `spore-infra ds` prints";
    // One of its servers has not heard of the signing yet.
    let mut lagging = facts().parents(&delegation(&OURS, &[])).judged(&insecure());
    lagging.own().servers[1].answer = Ok(serving(&[], insecure()));
    follows(&of(&lagging), &[("wait", wait), ("others", add)]);
    // What counts from then is noted by a run.
    lagging.aws().unsigned = Some("nobody knows until when".into());
    follows(
        &of(&lagging),
        &[
            ("wait", wait),
            ("us", "run `spore-infra apply` then"),
            ("wait", "nobody knows"),
            ("others", add),
        ],
    );
    // The TTLs of before are waited out: an apply comes after that.
    let mut low = facts().parents(&delegation(&OURS, &[])).judged(&insecure());
    for server in &mut low.own().servers {
        server.answer = Ok(serving(&[], insecure()));
    }
    low.aws().signing = Some(("NOT_SIGNING".into(), String::new()));
    low.aws().plan.changes = vec!["zone_signing/spore.host".into()];
    let apply = "run `spore-infra apply`: Route 53 does not sign the zone";
    follows(&of(&low), &[("us", apply), ("others", add)]);
    let until: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    low.aws().plan.until = Some((until, "the TTLs are lowered".into()));
    follows(
        &of(&low),
        &[
            ("wait", "until 2026-11-24T12:00:00Z: the TTLs are lowered"),
            ("us", "run `spore-infra apply` then: Route 53"),
            ("others", add),
        ],
    );
    // Vouched for, and only the old TTLs are left to be put back.
    let mut vouched = facts();
    vouched.aws().plan.changes = vec!["hosted_zone/spore.host".into()];
    follows(&of(&vouched), &[("us", "look at `spore-infra plan`: 1")]);
    vouched.aws().plan.until = Some((until, "a DS record is there".into()));
    follows(
        &of(&vouched),
        &[
            ("wait", "until 2026-11-24T12:00:00Z: a DS record is there"),
            ("us", "run `spore-infra apply` then"),
        ],
    );
}

#[test]
fn parents_that_differ_are_waited_for() {
    let mut facts = facts();
    facts.own().parents[1].answer = Ok(delegation(&OURS, &[]));
    let report = of(&facts);
    let text = &told(&report, "parent-differs").text;
    assert!(
        text.contains("a.nic.host has 10831; b.nic.host has none"),
        "{text}"
    );
    assert_eq!(steps(&report)[0].0, "wait");
    facts.own().parents[1].answer = Err(Trouble::Silent("no answer".into()));
    assert!(
        told(&of(&facts), "parent-server")
            .text
            .contains("b.nic.host of the parent host does not answer")
    );
}

#[test]
fn a_lost_key_has_a_deadline_and_a_way_out() {
    let mut facts = facts();
    facts.aws().keys[0].kms_state = Some((
        "PendingDeletion".into(),
        Some("2026-12-22T12:00:00Z".into()),
    ));
    let report = of(&facts);
    let text = &told(&report, "key-unusable").text;
    for words in [
        "still ACTIVE",
        "PendingDeletion, to be deleted at 2026-12-22",
        "ends in 5 d",
        "key 10831",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // The DS must be out of every cache when the last signature ends: one hour before.
    follows(
        &report,
        &[
            (
                "us",
                "spore-infra apply`, before 2026-11-27T12:00:00Z (5 d left)",
            ),
            ("others", "take out DS 10831 by 2026-11-27T11:00:00Z"),
        ],
    );
    let mut told_by_aws = self::facts();
    let ksk = &mut told_by_aws.aws().keys[0];
    ksk.status = "ACTION_NEEDED".into();
    ksk.message = "The customer managed key is disabled.".into();
    ksk.kms_state = Some(("Disabled".into(), None));
    let report = of(&told_by_aws);
    let text = &told(&report, "key-unusable").text;
    assert!(
        text.contains("ACTION_NEEDED: The customer managed key is disabled.")
            && text.contains("is Disabled")
    );
    assert_eq!(report.level, Level::Critical);
}

#[test]
fn what_blocks_a_plan_comes_before_apply() {
    let mut facts = facts();
    facts.aws().keys[0].status = "ACTION_NEEDED".into();
    facts.aws().plan.blocked = vec!["kms_key/ksk: cancel its deletion".into()];
    let first = &of(&facts).next[0].what;
    assert!(
        first.contains("cancel its deletion") && first.contains("then run `spore-infra apply`"),
        "{first}"
    );
}

#[test]
fn what_cannot_be_seen_is_unknown_and_never_fine() {
    let mut unread = facts();
    unread.aws = Err("no usable credentials".into());
    assert_eq!(of(&unread).level, Level::Unknown);
    assert!(
        told(&of(&unread), "aws")
            .text
            .contains("no usable credentials")
    );
    // DNS alone tells a stale DS all the same.
    let mut stale = facts()
        .parents(&delegation(&OURS, &[OLD_DS]))
        .judged(&bogus());
    stale.aws = Err("no usable credentials".into());
    assert!(
        of(&stale)
            .headline
            .contains("host has DS 12735, but the zone's key is 10831")
    );

    let mut short = facts();
    short.zones.truncate(1);
    short.cut_short = Some("host: a.nic.host: no answer in time".into());
    assert_eq!(of(&short).level, Level::Unknown);

    let mut caught = facts();
    caught.signals.push(Signal {
        is_certain: true,
        words: "this network redirects port 53".into(),
    });
    let report = of(&caught);
    assert_eq!(report.level, Level::Unknown);
    assert!(
        told(&report, "intercepted")
            .text
            .contains("cannot be seen from here")
    );
    follows(
        &report,
        &[("us", "from a network that lets port 53 through")],
    );
}

#[test]
fn resolvers_and_views_speak_for_themselves() {
    let resolver = |role, answer| Resolver {
        name: "192.0.2.53:53".into(),
        role,
        answer: Ok(answer),
    };
    let refusing = Resolved {
        code: "SERVFAIL".into(),
        code_unchecked: Some("NOERROR".into()),
        extended: vec![(9, "no DNSKEY matches DS RRs".into())],
        validates: Some(true),
        ..Resolved::default()
    };
    let mut facts = facts();
    facts.resolvers = vec![resolver(Role::Resolver, refusing.clone())];
    let finding = told(&of(&facts), "resolver-refuses").clone();
    assert_eq!(finding.level, Level::Warning);
    assert!(
        finding
            .text
            .contains("SERVFAIL, error 9 DNSKEY missing: no DNSKEY matches DS RRs")
    );
    // Where the zone is bogus it only agrees.
    let mut broken = self::facts()
        .parents(&delegation(&OURS, &[OLD_DS]))
        .judged(&bogus());
    broken.resolvers = vec![resolver(Role::Resolver, refusing)];
    assert_eq!(told(&of(&broken), "resolver-refuses").level, Level::Note);

    let sees = |tags: &[u16]| Resolved {
        code: "NOERROR".into(),
        has_data: true,
        key_tags: Some(tags.iter().copied().collect()),
        ..Resolved::default()
    };
    facts.resolvers = vec![resolver(Role::View, sees(&[]))];
    assert!(
        told(&of(&facts), "view-differs")
            .text
            .contains("shows the keys none")
    );
    facts.resolvers = vec![resolver(Role::View, sees(&[10831]))];
    assert_eq!(of(&facts).level, Level::Ok);
}

#[test]
fn alarms_that_nobody_hears_are_named() {
    let mut facts = facts();
    let alarms = &mut facts.aws().alarms;
    alarms.insert(
        "dnssec-internal-failure".into(),
        Heard::By(vec!["arn:aws:sns:us-east-1:1:t".into()]),
    );
    assert_eq!(of(&facts).level, Level::Ok);
    facts.aws().alarms.insert(
        "dnssec-keys-need-action".into(),
        Heard::Nobody("it has no action".into()),
    );
    let report = of(&facts);
    assert!(
        told(&report, "unheard")
            .text
            .contains("dnssec-keys-need-action (it has no action)")
    );
    follows(&report, &[("us", "[alarms] notify")]);
}

#[test]
fn text_fits_any_terminal_and_is_plain_when_asked() {
    let mut facts = facts()
        .parents(&delegation(&OURS, &[OLD_DS]))
        .judged(&bogus());
    facts.own().servers[1].answer = Err(Trouble::Silent("no answer in time".into()));
    let report = of(&facts);
    for width in [40, 60, 80, 100, 200] {
        let plain = text::render(&facts, &report, width, Paint::Plain);
        assert!(!plain.contains('\u{1b}'));
        for line in plain.lines() {
            // Only a word that is longer than the terminal may go beyond it.
            let fits = line.chars().count() <= width
                || line.split_whitespace().any(|word| word.len() + 6 > width);
            assert!(fits, "{width}: {line}");
        }
        let colored = text::render(&facts, &report, width, Paint::Color);
        assert_eq!(
            anstream::adapter::strip_str(&colored).to_string(),
            plain,
            "{width}"
        );
    }
    // Server names are columns where there is room, and blocks of their own where there is not.
    let wide = text::render(&facts, &report, 100, Paint::Plain);
    assert!(
        wide.lines()
            .any(|line| line.contains("ns-1") && line.contains("ns-2"))
    );
    let narrow = text::render(&facts, &report, 40, Paint::Plain);
    assert!(
        narrow
            .lines()
            .any(|line| line.trim() == "ns-1.awsdns-00.com")
    );
}

#[test]
fn json_and_check_say_the_same() {
    let facts = facts()
        .parents(&delegation(&OURS, &[OLD_DS]))
        .judged(&bogus());
    let report = of(&facts);
    let value = json::render(&facts, &report);
    assert_eq!(value["format"], 1);
    assert_eq!(value["level"], "critical");
    assert_eq!(value["verdict"]["word"], "bogus");
    assert_eq!(
        value["zones"][2]["parent_servers"][0]["answer"]["ds"][0],
        OLD_DS
    );
    assert_eq!(value["aws"]["keys"][0]["ds"], DS);

    let page = check::render(&facts, &report);
    let mut lines = page.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("SPORE CRITICAL - spore.host: host has DS 12735")
    );
    assert!(page.contains("spore_verdict{zone=\"spore.host\",verdict=\"bogus\"} 1\n"));
    assert!(page.contains("spore_status_level{zone=\"spore.host\"} 2\n"));
    // Text exposition format: a sample is NAME{LABELS} VALUE, of a family declared before.
    let mut declared = BTreeSet::new();
    for line in lines {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(
                kind == "gauge" && declared.insert(name.to_owned()),
                "{line}"
            );
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap();
            assert!(declared.contains(name) && labels.ends_with("\"}"), "{line}");
            assert!(value.parse::<i64>().is_ok(), "{line}");
        }
    }
    let codes = [
        Level::Ok,
        Level::Note,
        Level::Warning,
        Level::Critical,
        Level::Unknown,
    ];
    assert_eq!(codes.map(check::exit_code), [0, 0, 1, 2, 3]);
    assert_eq!(check::failed("a | b\nc"), "SPORE UNKNOWN - a / b c\n");
}

/// The same key by digest type 1.
const SHA1_DS: &str = "10831 13 1 18E37699D219191655050336CE8D2DED5F8300D3";

fn ksk(name: &str, dnskey: &str, whose: Whose) -> Ksk {
    Ksk {
        name: name.into(),
        status: "ACTIVE".into(),
        key: Some(key(dnskey)),
        whose,
        ..Ksk::default()
    }
}

/// Two keys in Route 53 and on every server.
fn with_second(whose: Whose) -> Facts {
    let mut facts = facts();
    facts.aws().keys.push(ksk("second", OTHER_KEY, whose));
    for server in &mut facts.own().servers {
        let both = serving(&[KEY, OTHER_KEY], Verdict::Secure);
        server.answer = Ok(both);
    }
    facts
}

#[test]
fn a_sha1_record_of_the_key_is_the_keys() {
    let beside = of(&facts().parents(&delegation(&OURS, &[SHA1_DS, DS])));
    assert_eq!(beside.level, Level::Ok, "{beside:#?}");
    let alone = of(&facts().parents(&delegation(&OURS, &[SHA1_DS])));
    assert_eq!(told(&alone, "ds-weak").level, Level::Warning);
    follows(&alone, &[("others", &format!("add DS {DS}"))]);
}

#[test]
fn a_stale_record_of_a_stronger_digest_goes_at_once() {
    let strong = format!("12735 13 4 {}", "AB".repeat(48));
    let facts = facts()
        .parents(&delegation(&OURS, &[&strong, DS]))
        .judged(&bogus());
    let report = of(&facts);
    let finding = told(&report, "ds-stale");
    assert_eq!(finding.level, Level::Critical);
    assert!(finding.text.contains("its digest type is the strongest"));
    follows(
        &report,
        &[(
            "others",
            "take out DS 12735; the one of key 10831 stays. At once",
        )],
    );
}

#[test]
fn records_of_one_tag_are_told_apart_by_their_digests() {
    let wrong = format!("10831 13 2 {}", "AB".repeat(32));
    let report = of(&facts().parents(&delegation(&OURS, &[&wrong, DS])));
    follows(
        &report,
        &[(
            "others",
            "take out DS 10831 (type 2, ABABABAB...); the one of key 10831 (type 2, F324476F...)",
        )],
    );
}

#[test]
fn a_strangers_key_vouches_for_nothing() {
    let other = key(OTHER_KEY)
        .ds("spore.host", DigestType::Sha256)
        .to_string();
    let strange = of(&with_second(Whose::Stranger).parents(&delegation(&OURS, &[&other, DS])));
    let finding = told(&strange, "ds-foreign");
    assert_eq!(finding.level, Level::Warning);
    assert!(
        finding.text.contains("can answer for the zone"),
        "{finding:?}"
    );
    let ours = of(&with_second(Whose::Rotation).parents(&delegation(&OURS, &[&other, DS])));
    assert_eq!(ours.level, Level::Ok, "{ours:#?}");
    // With nothing but its record, the stack's own is asked for.
    let alone = of(&with_second(Whose::Stranger).parents(&delegation(&OURS, &[&other])));
    assert!(
        steps(&alone)[0].1.contains(&format!("by DS {DS}")),
        "{alone:#?}"
    );
}

#[test]
fn warnings_of_the_plan_are_findings() {
    let desired = crate::fixture::desired();
    let mut facts = facts();
    let what = "the zone has a key-signing key that is not this stack's".to_owned();
    facts.aws().plan.warnings = vec![(desired.addr(crate::addr::Kind::Ksk), what)];
    assert_eq!(told(&of(&facts), "plan-warning").level, Level::Warning);
    assert_eq!(
        json::render(&facts, &of(&facts))["aws"]["plan"]["warnings"][0]
            .as_str()
            .map(|said| said.contains("not this stack's")),
        Some(true)
    );
}

#[test]
fn a_rotation_is_told_with_who_moves_it() {
    let mut facts = with_second(Whose::Rotation);
    facts.aws().turning = Some(Turning {
        command: "spore-infra ksk rotate",
        words: "a rotation is under way: it waits".into(),
        next: Some(Mover::Parent("have it publish the DS record".into())),
        ..Turning::default()
    });
    let report = of(&facts);
    assert_eq!(told(&report, "rotation").level, Level::Note);
    follows(&report, &[("others", "have it publish the DS record")]);
    // The second key is cured by the command that moves it, and not by an apply.
    facts.aws().turning = Some(Turning {
        command: "spore-infra ksk rotate",
        words: "a rotation is under way".into(),
        next: Some(Mover::Us),
        ..Turning::default()
    });
    follows(&of(&facts), &[("us", "spore-infra ksk rotate")]);
    let until = now() + std::time::Duration::from_secs(3_600);
    facts.aws().turning.as_mut().unwrap().until = Some(until);
    follows(
        &of(&facts),
        &[
            ("wait", &format!("until {until:.0}")),
            ("us", "spore-infra ksk rotate"),
        ],
    );
    facts.aws().turning.as_mut().unwrap().until = None;
    facts.aws().keys[1].status = "ACTION_NEEDED".into();
    let next = of(&facts).next;
    assert!(
        // The other key, which the parent vouches for, keeps the zone secure: nothing has a deadline.
        next[0].what == "run `spore-infra ksk rotate`",
        "{next:#?}"
    );
    assert!(
        next.iter().all(|action| !action.what.contains("apply")),
        "{next:#?}"
    );
    assert_eq!(
        next.iter().filter(|a| a.what.contains("rotate")).count(),
        1,
        "{next:#?}"
    );
}

#[test]
fn a_failing_key_of_two_takes_no_ds_record_with_it() {
    let second = key(OTHER_KEY)
        .ds("spore.host", DigestType::Sha256)
        .to_string();
    let both = |facts: Facts| facts.parents(&delegation(&OURS, &[DS, &second]));
    let mut facts = both(with_second(Whose::Rotation));
    facts.aws().keys[0].status = "ACTION_NEEDED".into();
    follows(&of(&facts), &[("us", "spore-infra apply")]);
    // A stranger's key that fails is no cause to do anything to the zone.
    let mut strange = both(with_second(Whose::Stranger));
    strange.aws().keys[1].status = "ACTION_NEEDED".into();
    let report = of(&strange);
    assert_ne!(report.level, Level::Critical, "{report:#?}");
    assert!(report.next.iter().all(|step| !step.what.contains("apply")));
}

/// A rotation whose new key has been on every server for no time.
fn early() -> Facts {
    let mut facts = with_second(Whose::Rotation);
    facts.aws().turning = Some(Turning {
        command: "spore-infra ksk rotate",
        words: "a rotation is under way".into(),
        new: Some(key(OTHER_KEY)),
        too_early: Some("no DS record of second before 13:00".into()),
        ..Turning::default()
    });
    facts
}

#[test]
fn a_wrong_ds_goes_at_once_whatever_else_is_waited_for() {
    let alone = |facts: Facts| {
        facts
            .parents(&delegation(&OURS, &[OLD_DS]))
            .judged(&bogus())
    };
    let second = key(OTHER_KEY)
        .ds("spore.host", DigestType::Sha256)
        .to_string();
    // The key that comes may not be named yet; the other one signs, and its record is right at once.
    follows(
        &of(&alone(early())),
        &[
            (
                "others",
                &format!("replace DS 12735 by DS {DS} in one change"),
            ),
            ("wait", "1 h"),
            ("us", "spore-infra status"),
        ],
    );
    // Where that one does not sign, none is right, and the wrong one goes alone.
    let mut none = alone(early());
    none.aws().keys[0].status = "INACTIVE".into();
    follows(
        &of(&none),
        &[
            ("others", "take out DS 12735 now"),
            ("wait", "1 h"),
            ("wait", "no DS record of second before"),
            ("others", &format!("then: add DS {second}")),
        ],
    );
    // In its time it is.
    let mut due = alone(early());
    due.aws().turning.as_mut().unwrap().too_early = None;
    assert!(
        steps(&of(&due))[0]
            .1
            .starts_with(&format!("replace DS 12735 by DS {second}"))
    );
    // The signatures of a key that fails last for days; the wrong record does harm today.
    let mut failing = alone(facts());
    failing.aws().keys[0].status = "ACTION_NEEDED".into();
    follows(
        &of(&failing),
        &[
            ("others", "take out DS 12735 now"),
            ("us", "spore-infra apply"),
        ],
    );
    // Who wants no signing is not told to publish anything.
    let mut unwanted = alone(facts());
    unwanted.wants_dnssec = false;
    let report = of(&unwanted);
    assert!(
        steps(&report)[0].1.contains("take out DS 12735 now"),
        "{report:#?}"
    );
    assert!(report.next.iter().all(|step| !step.what.contains("add DS")));
    // On one server only, it makes the zone bogus to whoever asks that one.
    let mut differs = facts().judged(&bogus());
    differs.own().parents[1].answer = Ok(delegation(&OURS, &[OLD_DS]));
    let report = of(&differs);
    let (who, what) = steps(&report)[0];
    assert_eq!(who, "others", "{report:#?}");
    assert!(
        what.contains("take out DS 12735") && what.contains("At once"),
        "{what}"
    );
}

#[test]
fn a_key_of_which_nobody_can_tell_whose_is_called_nobodys() {
    let why = "kms:DescribeKey: AccessDeniedException";
    let mut facts = with_second(Whose::Unknown(why.into()));
    facts.aws().unread = vec![format!("the KMS key: {why}")];
    facts.aws().keys[1].status = "ACTION_NEEDED".into();
    let report = of(&facts);
    // It may be the one that signs.
    assert_eq!(told(&report, "key-unusable").level, Level::Critical);
    let (who, what) = steps(&report)[0];
    assert!(
        who == "us" && what.contains("find out whose second is") && what.contains(why),
        "{what}"
    );
    let page = text::render(&facts, &report, 100, Paint::Plain);
    assert!(page.contains("nobody can tell whose"), "{page}");
    assert!(!page.contains("not this stack's"), "{page}");
    let is_ours = |ksk: usize| json::render(&facts, &report)["aws"]["keys"][ksk]["is_ours"].clone();
    assert_eq!(
        (is_ours(0), is_ours(1)),
        (true.into(), serde_json::Value::Null)
    );
}
