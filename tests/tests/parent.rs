//! Proves what the people of the parent zone are told, and when not: `ds` in its forms, `ds --check` and
//! `handover`, through the life of a zone with a parent that acts only when told, and wrongly too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::OnceLock;

use serde_json::Value;
use spore_infra::desired::Desired;
use spore_infra::stack;
use spore_sandbox::dns::{DnsName, Fault};
use spore_tests::bench::{Bench, run};
use spore_tests::stage::{DOMAIN, Finished, Run, Stage};

fn sandbox(stage: &Stage) -> String {
    format!("--sandbox={}", stage.world().display())
}

fn world(stage: &Stage, words: &[&str]) {
    let run = stage.run(["sandbox"].iter().chain(words));
    run.arg(sandbox(stage)).done("sandbox").unwrap();
}

fn handover(stage: &Stage, step: &str, more: &[&str]) -> Run {
    let mut words = vec!["--step", step];
    words.extend(more);
    stage.on_world("handover", &words)
}

fn told(stage: &Stage, step: &str, code: i32) -> Finished {
    handover(stage, step, &[]).exits(code, step).unwrap()
}

/// The records that a text asks for, as lines.
fn records(stage: &Stage, step: &str, more: &[&str]) -> Vec<String> {
    let mut words = vec!["--format", "json"];
    words.extend(more);
    let text = handover(stage, step, &words).done(step).unwrap().stdout;
    let ticket: Value = serde_json::from_str(&text).unwrap();
    let lines = ticket["records"].as_array().unwrap().iter();
    lines
        .map(|line| line.as_str().unwrap().to_owned())
        .collect()
}

/// Record data of a line.
fn data<'a>(line: &'a str, rtype: &str) -> Option<&'a str> {
    Some(line.split_once(&format!(" IN {rtype} "))?.1)
}

fn check(stage: &Stage, code: i32) -> Value {
    let run = stage.on_world("ds", &["--check", "--format", "json"]);
    let text = run.exits(code, "ds --check").unwrap().stdout;
    serde_json::from_str(&text).unwrap()
}

fn verdicts(judged: &Value) -> Vec<&str> {
    let servers = judged["servers"].as_array().unwrap().iter();
    let mut found: Vec<&str> = servers
        .map(|server| server["verdict"].as_str().unwrap())
        .collect();
    found.dedup();
    found
}

/// What becomes of which record at the parent now.
fn wanted(stage: &Stage) -> Vec<(String, String)> {
    let run = stage.on_world("ds", &["--format", "json"]);
    let told: Value = serde_json::from_str(&run.done("ds").unwrap().stdout).unwrap();
    let keys = told["keys"].as_array().unwrap().iter();
    keys.map(|key| {
        let line = key["ds"][0]["record"].as_str().unwrap();
        let part = key["part"].as_str().unwrap();
        (part.to_owned(), data(line, "DS").unwrap().to_owned())
    })
    .collect()
}

/// What a document of a zone that is not to be signed has besides.
const UNSIGNED: &str = "\n[dnssec]\nenabled = false\n";

/// What `ds` prints in a form.
fn form(stage: &Stage, form: &str) -> String {
    let run = stage.on_world("ds", &["--format", form]);
    run.done("ds").unwrap().stdout
}

/// A server misbehaves, or does no longer.
fn server_fault(stage: &Stage, server: &str, fault: Option<Fault>) {
    let sandbox = stage.open_world();
    let name = DnsName::parse(server).unwrap();
    let done = sandbox.with_world(|world, _| world.named_server_fault(&name, fault));
    done.unwrap().unwrap();
}

fn rotate(stage: &Stage) -> Run {
    let run = stage.run(["ksk", "rotate"]).arg(stage.document());
    run.arg("--yes").arg(sandbox(stage))
}

/// Somebody works on the world by hand, with nobody else holding it.
fn by_hand(stage: &Stage, work: impl AsyncFnOnce(&Bench)) {
    run(async {
        let read = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let document = std::fs::read_to_string(stage.document()).unwrap();
        let desired = Desired::of(&stack::parse("stack.toml", &document, &read).unwrap());
        let sandbox = stage.open_world();
        let bench = Bench::on(sandbox, desired).await;
        work(&bench).await;
    });
}

/// Applied, and not delegated.
fn applied() -> Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let stage = Stage::new();
        stage.apply().done("apply").unwrap();
        stage
    });
    Stage::copy_of(done)
}

/// Applied, delegated and vouched for: with the data of its DS record.
fn vouched() -> (Stage, String) {
    let stage = applied();
    world(&stage, &["registrar", "delegate", DOMAIN]);
    let asked = records(&stage, "ds-add", &[]);
    let ds = data(&asked[0], "DS").unwrap().to_owned();
    world(&stage, &["registrar", "ds", DOMAIN, &ds]);
    (stage, ds)
}

#[test]
fn before_there_is_anything_no_text_is_written() {
    let stage = Stage::new();
    for step in ["ds-add", "delegate"] {
        let finished = handover(&stage, step, &[]).end().unwrap();
        assert_eq!(finished.code, Some(3), "{}", finished.tell());
        assert_eq!(finished.stdout, "");
    }
    assert!(told(&stage, "teardown", 0).stderr.contains("nothing to do"));
}

#[test]
fn the_parent_is_asked_for_one_thing_after_the_other() {
    let stage = applied();
    // Nothing of it is delegated yet.
    assert!(told(&stage, "ds-add", 3).stderr.contains("--step delegate"));
    assert!(
        told(&stage, "ds-remove", 0)
            .stderr
            .contains("nothing to do")
    );
    assert_eq!(verdicts(&check(&stage, 3)), ["not-delegated"]);
    let lines = records(&stage, "delegate", &[]);
    let servers: Vec<&str> = lines.iter().filter_map(|line| data(line, "NS")).collect();
    let ds: Vec<&str> = lines.iter().filter_map(|line| data(line, "DS")).collect();
    assert_eq!((servers.len(), ds.len()), (4, 1));

    // The parent delegates, to exactly these.
    let mut words = vec!["registrar", "delegate", DOMAIN];
    words.extend(servers.iter().map(|server| server.trim_end_matches('.')));
    world(&stage, &words);
    assert!(told(&stage, "delegate", 0).stderr.contains("already"));
    assert_eq!(verdicts(&check(&stage, 3)), ["missing"]);
    let asked = records(&stage, "ds-add", &[]);
    assert_eq!(data(&asked[0], "DS"), Some(ds[0]));

    world(&stage, &["registrar", "ds", DOMAIN, ds[0]]);
    assert_eq!(verdicts(&check(&stage, 0)), ["right"]);
    assert!(told(&stage, "ds-add", 0).stderr.contains("already"));

    // The way back: first the DS record, then the delegation.
    let refused = told(&stage, "teardown", 4);
    assert!(refused.stderr.contains(ds[0]) && refused.stdout.is_empty());
    let gone = records(&stage, "ds-remove", &[]);
    assert_eq!(
        gone.iter()
            .filter_map(|line| data(line, "DS"))
            .collect::<Vec<_>>(),
        ds
    );
    world(&stage, &["registrar", "withdraw", DOMAIN, "--ds-only"]);
    let withdrawn = records(&stage, "teardown", &[]);
    let mut named: Vec<&str> = withdrawn
        .iter()
        .filter_map(|line| data(line, "NS"))
        .collect();
    let mut expected = servers;
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!(named, expected);
}

#[test]
fn a_wrong_record_is_found_and_asked_to_be_replaced() {
    let stage = applied();
    world(&stage, &["registrar", "delegate", DOMAIN]);
    let digest = "AB".repeat(32);
    let stale = format!("12735 13 2 {digest}");
    world(&stage, &["registrar", "ds", DOMAIN, &stale]);
    let judged = check(&stage, 1);
    assert_eq!(verdicts(&judged), ["wrong"]);
    assert_eq!(judged["servers"][0]["at_fault"][0], stale.as_str());
    let ticket = told(&stage, "ds-add", 0).stdout;
    assert!(ticket.contains(&stale), "{ticket}");
    let right = data(&records(&stage, "ds-add", &[])[0], "DS")
        .unwrap()
        .to_owned();
    // Every command has the same judgement: the one takes the place of the other.
    let at_once = judged["at_once"].as_str().unwrap();
    let refused = rotate(&stage).exits(4, "ksk rotate").unwrap().tell();
    for said in [at_once, &refused] {
        let cure = format!("replaced by DS {right} in one change");
        assert!(
            said.contains(&cure) && !said.contains("taken out now"),
            "{said}"
        );
    }
    let steps = next(&stage);
    let first = format!("replace DS 12735 by DS {right} in one change");
    assert!(steps[0].starts_with(&first), "{steps:?}");
    let script = stage
        .on_world("ds", &["--format", "nsupdate"])
        .done("ds")
        .unwrap()
        .stdout;
    let lines: Vec<&str> = script.lines().collect();
    let at = |line: String| lines.iter().position(|found| *found == line);
    let gone = at(format!("update delete {DOMAIN}. IN DS {stale}"));
    let come = at(format!("update add {DOMAIN}. 300 IN DS {right}"));
    assert!(gone.unwrap() < come.unwrap(), "{script}");

    // Beside the right one it does no harm, unless its digest is the stronger one.
    world(&stage, &["registrar", "ds", DOMAIN, &stale, &right]);
    assert_eq!(verdicts(&check(&stage, 0)), ["stale"]);
    let strong = format!("12735 13 4 {}", "AB".repeat(48));
    world(&stage, &["registrar", "ds", DOMAIN, &strong, &right]);
    assert_eq!(verdicts(&check(&stage, 1)), ["wrong"]);

    // What would stay vouches for nothing: all or the other one.
    let tag = right.split(' ').next().unwrap();
    let finished = handover(&stage, "ds-remove", &["--key-tag", tag]).exits(4, "ds-remove");
    assert!(finished.unwrap().stderr.contains("12735"));
    let lines = records(&stage, "ds-remove", &["--key-tag", "12735"]);
    assert_eq!(data(&lines[0], "DS"), Some(strong.as_str()));
}

#[test]
fn no_ds_record_is_asked_for_where_others_answer() {
    let stage = applied();
    world(
        &stage,
        &["registrar", "delegate", DOMAIN, "ns1.elsewhere.example"],
    );
    let refused = told(&stage, "ds-add", 4);
    assert!(refused.stderr.contains("ns1.elsewhere.example"));
    // The text for the right delegation names what has to go, and asks for no DS record yet.
    let ticket = told(&stage, "delegate", 0).stdout;
    assert!(ticket.contains("IN NS ns1.elsewhere.example."), "{ticket}");
    assert!(!ticket.contains(" IN DS "), "{ticket}");
}

#[test]
fn in_a_rotation_each_text_waits_for_its_time() {
    let (stage, old) = vouched();
    let rotate = || {
        rotate(&stage).done("ksk rotate").unwrap();
    };
    rotate();
    assert!(told(&stage, "ds-add", 3).stderr.contains("not before"));
    // Nobody named a record: the old key's is meant, which is the only one.
    let early = told(&stage, "ds-remove", 3).stderr;
    assert!(early.contains("--step ds-add"), "{early}");
    assert_eq!(wanted(&stage), [("stays".to_owned(), old.clone())]);
    assert_eq!(verdicts(&check(&stage, 0)), ["right"]);
    world(&stage, &["advance", "2h"]);
    let new = data(&records(&stage, "ds-add", &[])[0], "DS")
        .unwrap()
        .to_owned();
    assert_ne!(old, new);
    let part = |word: &str, ds: &str| (word.to_owned(), ds.to_owned());
    assert_eq!(wanted(&stage), [part("comes", &new), part("stays", &old)]);
    assert_eq!(verdicts(&check(&stage, 3)), ["other-key"]);
    let tag = |ds: &str| ds.split(' ').next().unwrap().to_owned();
    world(&stage, &["registrar", "ds", DOMAIN, &old, &new]);
    assert!(told(&stage, "ds-add", 0).stderr.contains("already"));
    rotate();
    let early = handover(&stage, "ds-remove", &["--key-tag", &tag(&old)]).exits(3, "ds-remove");
    assert!(early.unwrap().stderr.contains("not before"));
    assert!(told(&stage, "ds-remove", 3).stderr.contains("not before"));
    let command = format!(
        "spore-infra handover --step ds-remove --key-tag {}",
        tag(&old)
    );
    let said = self::rotate(&stage).done("ksk rotate").unwrap().tell();
    assert!(said.contains(&command), "{said}");
    assert!(next(&stage).iter().any(|step| step.contains(&command)));
    assert_eq!(wanted(&stage), [part("stays", &new), part("stays", &old)]);
    assert_eq!(form(&stage, "epp"), "");
    world(&stage, &["advance", "2h"]);
    assert_eq!(wanted(&stage), [part("stays", &new), part("goes", &old)]);
    let lines = records(&stage, "ds-remove", &[]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(data(&lines[0], "DS"), Some(old.as_str()));
    // What the registry is told is what the text asks for: the old record out, and nothing in.
    let update = form(&stage, "epp");
    let named = |tag: &str| update.contains(&format!("<secDNS:keyTag>{tag}</secDNS:keyTag>"));
    assert!(named(&tag(&old)) && !named(&tag(&new)), "{update}");
    assert!(
        update.contains("<secDNS:rem>") && !update.contains("<secDNS:add>"),
        "{update}"
    );
    let lines = form(&stage, "bind");
    assert!(
        lines.contains(&new) && !lines.contains(&format!("IN DS {old}")),
        "{lines}"
    );

    // Route 53 loses the old key: from now on only the new one's record may stay.
    by_hand(&stage, async |bench| {
        let call = bench.write.kms.disable_key().key_id(bench.key_arn().await);
        call.send().await.unwrap();
    });
    let refused = handover(&stage, "ds-remove", &["--key-tag", &tag(&new)]).exits(4, "ds-remove");
    assert!(refused.unwrap().stderr.contains(&old));
    let lines = records(&stage, "ds-remove", &["--key-tag", &tag(&old)]);
    assert_eq!(data(&lines[0], "DS"), Some(old.as_str()));
    assert_eq!(verdicts(&check(&stage, 0)), ["stale"]);
    world(&stage, &["registrar", "ds", DOMAIN, &old]);
    assert_eq!(verdicts(&check(&stage, 1)), ["failing"]);
    world(&stage, &["registrar", "ds", DOMAIN, &old, &new]);
    by_hand(&stage, async |bench| {
        let call = bench.write.kms.enable_key().key_id(bench.key_arn().await);
        call.send().await.unwrap();
    });
    let run = stage.run(["apply"]).arg(stage.document()).arg("--yes");
    run.arg(sandbox(&stage)).done("apply").unwrap();

    world(&stage, &["registrar", "ds", DOMAIN, &new]);
    rotate();
    assert_eq!(verdicts(&check(&stage, 0)), ["right"]);
}

#[test]
fn a_key_that_cannot_sign_is_said_to_be_that() {
    let (stage, _) = vouched();
    assert_eq!(verdicts(&check(&stage, 0)), ["right"]);
    by_hand(&stage, async |bench| {
        let call = bench.write.kms.disable_key().key_id(bench.key_arn().await);
        call.send().await.unwrap();
    });
    let judged = check(&stage, 1);
    assert_eq!(verdicts(&judged), ["failing"]);
    let why = judged["not_yet"].as_str().unwrap();
    assert!(
        why.contains("ACTION_NEEDED") && why.contains("apply"),
        "{why}"
    );
    // No time cures it, so nobody is sent away to come back.
    let refused = stage.on_world("ds", &[]).exits(3, "ds").unwrap();
    assert!(
        refused.stderr.contains("run `spore-infra apply`"),
        "{}",
        refused.tell()
    );
    assert_eq!(refused.stdout, "");
}

#[test]
fn whom_to_ask_is_in_every_text() {
    let stage = applied();
    let text = std::fs::read_to_string(stage.document()).unwrap();
    stage.write(
        "stack.toml",
        text + "\n[contacts]\nowner = \"Research Computing, rc@example.edu\"\n\
                dns = \"hostmaster@example.edu\"\nsecurity = \"cert@example.edu\"\n",
    );
    for form in ["text", "markdown", "json"] {
        let run = handover(&stage, "delegate", &["--format", form]);
        let text = run.done("delegate").unwrap().stdout;
        for who in [
            "rc@example.edu",
            "hostmaster@example.edu",
            "cert@example.edu",
        ] {
            assert!(text.contains(who), "{form}: {text}");
        }
    }
}

/// A hostmaster puts in what is of no key, while our own record has to wait for unsigned answers to be forgotten,
/// or the new key's for that to be known. The wrong one does harm meanwhile and goes at once: alone, or for the record
/// of the old key, which every resolver knows.
#[test]
fn a_wrong_record_waits_for_nothing_else() {
    let wrong = format!("12735 13 2 {}", "AB".repeat(32));
    let turning = applied();
    world(&turning, &["registrar", "delegate", DOMAIN]);
    let right = data(&records(&turning, "ds-add", &[])[0], "DS")
        .unwrap()
        .to_owned();
    world(&turning, &["registrar", "ds", DOMAIN, &right]);
    rotate(&turning).done("ksk rotate").unwrap();

    let unsigned = Stage::new();
    let document = std::fs::read_to_string(unsigned.document()).unwrap();
    unsigned.write("stack.toml", document.clone() + UNSIGNED);
    unsigned.apply().done("apply").unwrap();
    world(&unsigned, &["registrar", "delegate", DOMAIN]);
    world(&unsigned, &["advance", "72h"]);
    unsigned.write("stack.toml", document);
    unsigned.apply().done("apply").unwrap();

    let stage = &unsigned;
    world(stage, &["registrar", "ds", DOMAIN, &wrong]);
    let judged = check(stage, 1);
    assert_eq!(verdicts(&judged), ["wrong"]);
    let at_once = judged["at_once"].as_str().unwrap();
    assert!(
        at_once.contains(&wrong) && at_once.contains("taken out now"),
        "{at_once}"
    );
    let why = judged["not_yet"].as_str().unwrap();
    assert!(
        !why.contains("too early"),
        "a wrong record is no matter of time: {why}"
    );
    for said in [
        stage.on_world("ds", &[]).exits(3, "ds").unwrap(),
        told(stage, "ds-add", 3),
    ] {
        let command = "spore-infra handover --step ds-remove --key-tag 12735";
        assert!(said.stderr.contains(command), "{}", said.tell());
    }
    let asked = records(stage, "ds-remove", &["--key-tag", "12735"]);
    assert_eq!(data(&asked[0], "DS"), Some(&*wrong));
    let text = told(stage, "ds-remove", 0).stdout;
    assert!(
        text.contains("of none of the zone's keys") && text.contains("At once"),
        "{text}"
    );
    let status = stage
        .on_world("status", &["--json"])
        .done("status")
        .unwrap();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let first = status["next"][0]["what"].as_str().unwrap();
    assert!(first.starts_with("take out DS 12735 now"), "{first}");

    world(&turning, &["registrar", "ds", DOMAIN, &wrong]);
    let judged = check(&turning, 1);
    assert_eq!(verdicts(&judged), ["wrong"]);
    let at_once = format!("replaced by DS {right} in one change");
    assert!(judged["at_once"].as_str().unwrap().contains(&at_once));
    let printed = turning.on_world("ds", &[]).done("ds").unwrap().stdout;
    assert!(
        printed.contains(right.split(' ').next_back().unwrap()),
        "{printed}"
    );
    assert_eq!(
        data(&records(&turning, "ds-add", &[])[0], "DS"),
        Some(&*right)
    );
    let text = told(&turning, "ds-add", 0).stdout;
    assert!(
        text.contains("take these out") && text.contains(&wrong),
        "{text}"
    );
    let steps = next(&turning);
    let replaced = format!("replace DS 12735 by DS {right} in one change");
    assert!(steps[0].starts_with(&replaced), "{steps:?}");
    // The rotation goes no further, and says the same.
    let refused = rotate(&turning).exits(4, "ksk rotate").unwrap();
    assert!(refused.tell().contains(&at_once), "{}", refused.tell());

    // With it gone there is only the wait; beside the right one it waits for nothing and harms nobody.
    world(&turning, &["registrar", "ds", DOMAIN, &right, &wrong]);
    assert_eq!(verdicts(&check(&turning, 0)), ["stale"]);
    let asked = records(&turning, "ds-remove", &["--key-tag", "12735"]);
    assert_eq!(data(&asked[0], "DS"), Some(&*wrong));
    rotate(&turning).done("ksk rotate").unwrap();
    world(&unsigned, &["registrar", "withdraw", DOMAIN, "--ds-only"]);
    let early = told(&unsigned, "ds-add", 3).stderr;
    assert!(
        early.contains("until") && !early.contains("taken out now"),
        "{early}"
    );
}

#[test]
fn a_name_server_that_lags_behind_is_waited_for() {
    let stage = Stage::new();
    let document = std::fs::read_to_string(stage.document()).unwrap();
    stage.write("stack.toml", document.clone() + UNSIGNED);
    stage.apply().done("apply").unwrap();
    let servers = records(&stage, "delegate", &[]);
    let mut servers = servers.iter().filter_map(|line| data(line, "NS"));
    let server = servers.next().unwrap().trim_end_matches('.').to_owned();
    let month = std::time::Duration::from_secs(30 * 86_400);
    // It does not hear of the signing.
    server_fault(&stage, &server, Some(Fault::Lag(month)));
    stage.write("stack.toml", document);
    stage.apply().done("apply").unwrap();
    let waits = |said: Finished| assert!(said.stderr.contains(&server), "{}", said.tell());
    waits(stage.on_world("ds", &[]).exits(3, "ds").unwrap());
    for step in ["delegate", "ds-add"] {
        waits(told(&stage, step, 3));
    }
    // What is on its way to it still takes the month.
    server_fault(&stage, &server, None);
    world(&stage, &["advance", "31d"]);
    world(&stage, &["registrar", "delegate", DOMAIN]);
    let right = data(&records(&stage, "ds-add", &[])[0], "DS")
        .unwrap()
        .to_owned();
    world(&stage, &["registrar", "ds", DOMAIN, &right]);

    // In a rotation nothing of the parent is asked for that one server could not stand by.
    server_fault(&stage, &server, Some(Fault::Lag(month)));
    waits(rotate(&stage).exits(3, "ksk rotate").unwrap());
    world(&stage, &["advance", "48h"]);
    waits(told(&stage, "ds-add", 3));
    assert_eq!(wanted(&stage), [("stays".to_owned(), right.clone())]);
    // The next step is ours, and has to wait for that server.
    waits(rotate(&stage).exits(3, "ksk rotate").unwrap());
}

#[test]
fn what_a_silent_parent_has_is_not_guessed() {
    let (stage, _) = vouched();
    let server = "ns2.example.edu";
    server_fault(&stage, server, Some(Fault::Silent));
    for step in ["delegate", "ds-add", "ds-remove", "teardown"] {
        let said = told(&stage, step, 1);
        assert!(
            said.stderr.contains(server) && said.stdout.is_empty(),
            "{}",
            said.tell()
        );
    }
    assert_eq!(verdicts(&check(&stage, 1)), ["right", "unknown"]);
    let refused = rotate(&stage).exits(4, "ksk rotate").unwrap();
    assert!(refused.tell().contains(server), "{}", refused.tell());
    assert!(
        refused.tell().contains("nothing was changed"),
        "{}",
        refused.tell()
    );
    server_fault(&stage, server, None);
    assert_eq!(verdicts(&check(&stage, 0)), ["right"]);
}

/// A server of the zone that does not answer may have anything: a record that was right is neither right nor wrong.
#[test]
fn what_a_silent_name_server_has_is_not_guessed() {
    let stage = applied();
    let lines = records(&stage, "delegate", &[]);
    let server = lines.iter().find_map(|line| data(line, "NS")).unwrap();
    world(&stage, &["registrar", "delegate", DOMAIN]);
    let asked = records(&stage, "ds-add", &[]);
    let right = data(&asked[0], "DS").unwrap();
    let wrong = format!("12735 13 2 {}", "AB".repeat(32));
    world(&stage, &["registrar", "ds", DOMAIN, right, &wrong]);
    server_fault(&stage, server.trim_end_matches('.'), Some(Fault::Silent));
    let judged = check(&stage, 1);
    assert_eq!(verdicts(&judged), ["unknown"], "{judged}");
    assert_eq!(judged["servers"][0]["at_fault"][0], right);
    assert_eq!(judged["at_once"], Value::Null, "{judged}");
    // What may be needed stays; what is of no key is needed by nobody, whatever that server says.
    let tag = right.split(' ').next().unwrap();
    let refused = handover(&stage, "ds-remove", &["--key-tag", tag]);
    refused.exits(4, "ds-remove").unwrap();
    let asked = records(&stage, "ds-remove", &["--key-tag", "12735"]);
    assert_eq!(data(&asked[0], "DS"), Some(&*wrong));
    // One of no key alone is wrong all the same.
    world(&stage, &["registrar", "ds", DOMAIN, &wrong]);
    assert_eq!(verdicts(&check(&stage, 1)), ["wrong"]);
    // A server that lacks the key does say something.
    server_fault(&stage, server.trim_end_matches('.'), None);
    world(&stage, &["registrar", "ds", DOMAIN, right]);
    assert_eq!(verdicts(&check(&stage, 0)), ["right"]);
}

/// Somebody deletes the zone by hand, in the order that Route 53 wants, and the registrar knows nothing of it.
fn delete_zone(stage: &Stage, ds: &str) {
    world(stage, &["registrar", "withdraw", DOMAIN, "--ds-only"]);
    world(stage, &["advance", "48h"]);
    by_hand(stage, async |bench| {
        let zone = bench.zone_id().await;
        let route53 = &bench.write.route53;
        let call = route53.disable_hosted_zone_dnssec().hosted_zone_id(&zone);
        call.send().await.unwrap();
        let keys = route53.get_dnssec().hosted_zone_id(&zone).send().await;
        for key in keys.unwrap().key_signing_keys {
            let name = key.name.unwrap();
            let call = route53.deactivate_key_signing_key().name(&name);
            call.hosted_zone_id(&zone).send().await.unwrap();
            let call = route53.delete_key_signing_key().name(&name);
            call.hosted_zone_id(&zone).send().await.unwrap();
        }
        route53.delete_hosted_zone().id(&zone).send().await.unwrap();
    });
    if !ds.is_empty() {
        world(stage, &["registrar", "ds", DOMAIN, ds]);
    }
}

/// Whether the words come in this order.
fn in_order(text: &str, words: &[&str]) -> bool {
    let found: Vec<Option<usize>> = words.iter().map(|word| text.find(word)).collect();
    found.iter().all(Option::is_some) && found.is_sorted()
}

fn status(stage: &Stage) -> Value {
    let run = stage.on_world("status", &["--json"]);
    serde_json::from_str(&run.done("status").unwrap().stdout).unwrap()
}

fn next(stage: &Stage) -> Vec<String> {
    let said = status(stage);
    let steps = said["next"].as_array().unwrap().iter();
    let words = steps.map(|step| step["what"].as_str().unwrap().to_owned());
    words.collect()
}

/// A record that is there already when signing comes on is right from then on: nobody is told that it may not be
/// published.
#[test]
fn an_apply_that_makes_a_ds_record_right_says_so() {
    let (stage, ds) = vouched();
    world(&stage, &["registrar", "withdraw", DOMAIN, "--ds-only"]);
    world(&stage, &["advance", "48h"]);
    by_hand(&stage, async |bench| {
        let zone = bench.zone_id().await;
        let call = bench.write.route53.disable_hosted_zone_dnssec();
        call.hosted_zone_id(&zone).send().await.unwrap();
    });
    world(&stage, &["registrar", "ds", DOMAIN, &ds]);
    let said = stage.apply().done("apply").unwrap().stderr;
    let tag = ds.split(' ').next().unwrap();
    let right = format!("has DS {tag} of the zone's key already, which is right and stays");
    assert!(said.contains(&right), "{said}");
    assert!(!said.contains("may not be published"), "{said}");
    // Until the unsigned answers of between have run out, a second more where it began within one; then it is asked
    // for as ever.
    world(&stage, &["advance", "49h"]);
    let said = stage.apply().done("apply later").unwrap();
    assert!(said.stdout.contains(&ds), "{}", said.tell());
}

/// A zone is deleted and made anew: Route 53 signs only once it is delegated, and with the DS record of before
/// it must not be delegated. Every command names the same way, and it leads to a secure zone.
#[test]
fn a_zone_made_anew_comes_to_be_secure_in_one_order() {
    let (stage, old) = vouched();
    delete_zone(&stage, &old);
    let apply = || stage.apply().done("apply").unwrap();
    let order = ["--step ds-remove", "--step delegate", "apply again"];
    let said = apply().tell();
    assert!(in_order(&said, &order), "{said}");
    for said in [
        apply(),
        stage.on_world("ds", &[]).exits(3, "ds").unwrap(),
        told(&stage, "ds-add", 3),
    ] {
        assert!(in_order(&said.tell(), &order), "{}", said.tell());
    }
    // The long way is told once, by the plan that was shown last.
    let said = apply().tell();
    assert_eq!(said.matches("--step delegate").count(), 1, "{said}");
    let refused = told(&stage, "delegate", 4).stderr;
    assert!(refused.contains("--step ds-remove"), "{refused}");
    let steps = next(&stage);
    let way = [
        "take out DS",
        "resolvers that hold it",
        "set the NS records",
        "run `spore-infra apply`",
    ];
    assert!(in_order(&steps.join("\n"), &way), "{steps:?}");
    assert!(steps[0].starts_with("take out DS"), "{steps:?}");
    let ticket = told(&stage, "ds-remove", 0).stdout;
    assert!(
        ticket.contains(&old)
            && ticket.contains("--step delegate")
            && !ticket.contains("taken down"),
        "{ticket}"
    );

    world(&stage, &["registrar", "withdraw", DOMAIN, "--ds-only"]);
    world(&stage, &["advance", "2h"]);
    let said = apply().tell();
    assert!(
        in_order(&said, &order[1..]) && !said.contains(order[0]),
        "{said}"
    );
    let steps = next(&stage);
    assert!(in_order(&steps.join("\n"), &way[2..]), "{steps:?}");
    assert!(steps[0].starts_with("set the NS records"), "{steps:?}");
    let ticket = told(&stage, "delegate", 0).stdout;
    assert!(
        ticket.contains("lately") && ticket.contains("apply") && !ticket.contains(" IN DS "),
        "{ticket}"
    );
    assert!(!ticket.contains("with its DNSKEY"), "{ticket}");
    let lines = records(&stage, "delegate", &[]);
    let servers: Vec<&str> = lines.iter().filter_map(|line| data(line, "NS")).collect();
    assert_eq!(servers.len(), 4);

    let mut words = vec!["registrar", "delegate", DOMAIN];
    words.extend(servers.iter().map(|server| server.trim_end_matches('.')));
    world(&stage, &words);
    assert_eq!(status(&stage)["verdict"]["word"], "insecure");
    apply();
    world(&stage, &["advance", "50h"]);
    // The first apply found the deleted zone's servers answering still: who remembers these is waited for as well.
    let early = told(&stage, "ds-add", 3).tell();
    assert!(early.contains("former servers"), "{early}");
    world(&stage, &["advance", "48h"]);
    let asked = records(&stage, "ds-add", &[]);
    world(
        &stage,
        &["registrar", "ds", DOMAIN, data(&asked[0], "DS").unwrap()],
    );
    assert_eq!(status(&stage)["verdict"]["word"], "secure");
    assert_eq!(verdicts(&check(&stage, 0)), ["right"]);
}

/// The KMS key of the zone is deleted, waiting period and all: every command names the way that leads on, and none
/// has a DS record published.
#[test]
fn a_lost_key_has_a_way_on() {
    let (stage, old) = vouched();
    by_hand(&stage, async |bench| {
        let call = bench.write.kms.schedule_key_deletion();
        let call = call.key_id(bench.key_arn().await).pending_window_in_days(7);
        call.send().await.unwrap();
    });
    world(&stage, &["advance", "9d"]);
    let way = ["--step ds-remove", "dnssec disable", "spore-infra apply"];
    for said in [
        stage.apply().exits(1, "apply").unwrap(),
        rotate(&stage).exits(4, "ksk rotate").unwrap(),
        stage.on_world("ds", &[]).exits(1, "ds").unwrap(),
    ] {
        let said = said.tell();
        let text = said
            .split("key-signing keys whose KMS keys")
            .nth(1)
            .unwrap_or_default();
        assert!(in_order(text, &way), "{said}");
        assert!(!said.contains("apply` finish first"), "{said}");
    }
    let steps = next(&stage).join("\n");
    assert!(
        in_order(
            &steps,
            &["take out DS", "dnssec disable", "spore-infra apply"]
        ),
        "{steps}"
    );
    assert_eq!(
        data(&records(&stage, "ds-remove", &[])[0], "DS"),
        Some(old.as_str())
    );

    world(&stage, &["registrar", "withdraw", DOMAIN, "--ds-only"]);
    let plan = stage.plan().exits(1, "plan").unwrap().tell();
    assert!(
        in_order(&plan, &way[1..]) && !plan.contains(way[0]),
        "{plan}"
    );
    assert!(!plan.contains("publish the DS record"), "{plan}");
    let document = std::fs::read_to_string(stage.document()).unwrap();
    stage.write("stack.toml", document.clone() + UNSIGNED);
    let run = stage.run(["dnssec", "disable"]).arg(stage.document());
    let run = run
        .arg("--yes")
        .arg("--wait")
        .arg("3d")
        .arg(sandbox(&stage));
    run.done("dnssec disable").unwrap();
    stage.write("stack.toml", document);
    stage.apply().done("apply").unwrap();
    world(&stage, &["advance", "50h"]);
    let asked = records(&stage, "ds-add", &[]);
    let new = data(&asked[0], "DS").unwrap();
    assert_ne!(new, old);
    world(&stage, &["registrar", "ds", DOMAIN, new]);
    assert_eq!(status(&stage)["verdict"]["word"], "secure");
}

/// A registry that takes SHA-384 only: what comes in a rotation has it as well, and what stays is not added anew.
#[test]
fn a_parent_with_another_digest_is_asked_for_that() {
    let stage = applied();
    world(&stage, &["registrar", "delegate", DOMAIN]);
    let four = |stage: &Stage| -> Vec<String> {
        let lines = form(stage, "bind");
        let data = lines.lines().filter_map(|line| data(line, "DS"));
        data.filter(|ds| ds.split(' ').nth(2) == Some("4"))
            .map(str::to_owned)
            .collect()
    };
    let old = four(&stage).remove(0);
    world(&stage, &["registrar", "ds", DOMAIN, &old]);
    rotate(&stage).done("ksk rotate").unwrap();
    world(&stage, &["advance", "2h"]);
    let new = four(&stage).into_iter().find(|ds| *ds != old).unwrap();
    assert_eq!(
        data(&records(&stage, "ds-add", &[])[0], "DS"),
        Some(new.as_str())
    );
    let said = rotate(&stage).done("ksk rotate").unwrap().tell();
    assert!(said.contains(&format!("IN DS {new}")), "{said}");
    let script = form(&stage, "nsupdate");
    let added: Vec<&str> = script
        .lines()
        .filter(|line| line.starts_with("update"))
        .collect();
    assert_eq!(added, [format!("update add {DOMAIN}. 300 IN DS {new}")]);
}

/// The delegation was corrected first: nothing is as quick as signing with the key of that record.
#[test]
fn a_record_of_the_key_that_comes_is_made_right_by_signing() {
    let (stage, old) = vouched();
    delete_zone(&stage, &old);
    stage.apply().done("apply").unwrap();
    world(&stage, &["registrar", "delegate", DOMAIN]);
    let steps = next(&stage);
    assert!(steps[0].contains("spore-infra apply` now"), "{steps:?}");
    assert!(
        !steps.iter().any(|step| step.contains("take out")),
        "{steps:?}"
    );
    let plan = stage.plan().exits(2, "plan").unwrap().stdout;
    assert!(plan.contains("apply at once"), "{plan}");
    stage.apply().done("apply").unwrap();
    assert_eq!(status(&stage)["verdict"]["word"], "secure");
}

/// A zone whose keys are in order and whose answers are not would be bogus with a DS record: nobody is asked for one.
#[test]
fn no_record_is_asked_for_while_what_the_keys_sign_does_not_hold() {
    let stage = applied();
    world(&stage, &["registrar", "delegate", DOMAIN]);
    world(&stage, &["dns", "tamper", DOMAIN, "SOA"]);
    let why = "its SOA record does not validate";
    let ds = stage.on_world("ds", &[]).exits(3, "ds").unwrap();
    assert!(
        ds.stdout.is_empty() && ds.stderr.contains(why),
        "{}",
        ds.tell()
    );
    let json = handover(&stage, "ds-add", &["--format", "json"]);
    let json = json.exits(3, "ds-add").unwrap().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["step"], &json["outcome"]),
        (&"ds-add".into(), &"not-yet".into())
    );
    assert!(json["why"].as_str().unwrap().contains(why), "{json}");

    world(&stage, &["dns", "tamper", DOMAIN, "SOA", "--stop"]);
    assert_eq!(records(&stage, "ds-add", &[]).len(), 1);
    // The digest that is asked for is the one that is shown; a check has no such form.
    for (digest, shown) in [("2", " 13 2 "), ("4", " 13 4 ")] {
        let ds = stage.on_world("ds", &["--digest", digest]).done("ds");
        let ds = ds.unwrap().stdout;
        assert!(ds.lines().next().unwrap().contains(shown), "{ds}");
    }
    let check = stage.on_world("ds", &["--check", "--format", "epp"]);
    let refused = check.exits(1, "ds --check").unwrap();
    assert!(
        refused.stderr.contains("--format json"),
        "{}",
        refused.tell()
    );
}

/// Whoever looks while a rotation is given up is not sent to the parent for the key that goes.
#[test]
fn a_rotation_that_is_given_up_asks_for_nothing_of_its_key() {
    let (stage, old) = vouched();
    world(&stage, &["advance", "2d"]);
    let rotate = |more: &[&str]| {
        let words = ["ksk", "rotate", "--yes"].iter().chain(more);
        let run = stage.run(words).arg(stage.document());
        run.arg(sandbox(&stage))
    };
    rotate(&[]).done("begin").unwrap();
    world(&stage, &["advance", "2h"]);
    assert_eq!(records(&stage, "ds-add", &[]).len(), 1);
    // It notes that it gives up, and dies in its wait.
    let abort = rotate(&["--abort"]).fault("crash-before:route53.DeactivateKeySigningKey");
    abort.dies("abort").unwrap();

    let why = "is being given up since";
    let refused = told(&stage, "ds-add", 3);
    assert!(refused.stderr.contains(why), "{}", refused.tell());
    let ds = stage
        .on_world("ds", &["--format", "json"])
        .done("ds")
        .unwrap();
    assert!(ds.stderr.contains(why), "{}", ds.tell());
    let ds: Value = serde_json::from_str(&ds.stdout).unwrap();
    let parts: Vec<&Value> = ds["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["part"])
        .collect();
    assert_eq!(parts, ["stays"], "{ds:#}");
    let plan = stage.plan().end().unwrap().stdout;
    assert!(
        plan.contains("`spore-infra ksk rotate --abort` goes on with it"),
        "{plan}"
    );

    rotate(&["--abort"]).done("abort again").unwrap();
    let line = format!("DS {old}");
    let ds = stage
        .on_world("ds", &["--format", "bind"])
        .done("ds")
        .unwrap()
        .stdout;
    assert!(ds.to_uppercase().contains(&line.to_uppercase()), "{ds}");
}
