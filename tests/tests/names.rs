//! Proves that `names` tells whose each name is, frees what it was told to and nothing else, and that a
//! name which is renewed at the last moment stays its holder's; and what `client-config` gives.
//!
//! The marks are put as the updater writes them, by hand: the tool's own code for them is not asked.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aws_sdk_route53::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_route53::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_route53::error::BoxError;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use spore_infra::arg::Arg;
use spore_infra::aws::{Access, Clients};
use spore_infra::kind::hosted_zone::{self, Held, Op, RecordSet};
use spore_infra::names::mark::Mark;
use spore_infra::target::Target;
use spore_sandbox::door::Sandbox;
use spore_tests::bench::run;
use spore_tests::stage::{DOCUMENT, DOMAIN, Run, Stage, record};
use spore_updater::owner::Owner;

const REGION: &str = "us-east-1";
const CHANGE: &str = "ChangeResourceRecordSets";

fn applied() -> Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let stage = Stage::new();
        stage.apply().done("apply").unwrap();
        stage
    });
    Stage::copy_of(done)
}

/// `names COMMAND STACK MORE`.
fn names(stage: &Stage, command: &str, more: &[&str]) -> Run {
    let run = stage.run(["names", command]).arg(stage.document());
    let run = more.iter().fold(run, Run::arg);
    run.arg(sandbox(stage))
}

fn sandbox(stage: &Stage) -> String {
    format!("--sandbox={}", stage.world().display())
}

fn listed(stage: &Stage) -> Vec<Value> {
    let told = names(stage, "list", &["--json"]).done("names list");
    let told: Value = serde_json::from_str(&told.unwrap().stdout).unwrap();
    told["names"].as_array().unwrap().clone()
}

/// Names and states, without the domain.
fn states(stage: &Stage) -> Vec<(String, String)> {
    let short = |name: &Value| {
        let text = |member: &str| name[member].as_str().unwrap().to_owned();
        let name = text("name").replace(&format!(".{DOMAIN}"), "");
        (name, text("state"))
    };
    listed(stage).iter().map(short).collect()
}

fn is_there(stage: &Stage, name: &str) -> bool {
    states(stage).iter().any(|(found, _)| found == name)
}

/// The mark of an instance that renewed its name some days before now.
fn mark(id: &str, now: Timestamp, days: i64) -> String {
    let renewed = now - SignedDuration::from_hours(24 * days);
    format!(
        "\"v=1 p=123456789012/{REGION}/{id} t={} n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b\"",
        renewed.strftime("%Y%m%dT%H%M%SZ")
    )
}

/// Names of every sort.
fn populate(stage: &Stage) {
    let now = stage.live().unwrap().time().unwrap();
    let (fresh, late, old) = (
        mark("i-0123456789abcdef0", now, 1),
        mark("i-0123456789abcdef1", now, 7),
        mark("i-01234567", now, 30),
    );
    let records = format!(
        "$ORIGIN {DOMAIN}.\n$TTL 60\n\
         fresh.1kpqzg2c A 192.0.2.1\n_spore.fresh.1kpqzg2c TXT {fresh}\n\
         late.1kpqzg2c A 192.0.2.2\n_spore.late.1kpqzg2c TXT {late}\n\
         old.1kpqzg2c A 192.0.2.3\nold.1kpqzg2c AAAA 2001:db8::3\n_spore.old.1kpqzg2c TXT {old}\n\
         typed.1kpqzg2c A 192.0.2.8\ntyped.1kpqzg2c TXT \"x\"\n_spore.typed.1kpqzg2c TXT {old}\n\
         mixed.1kpqzg2c A 192.0.2.4\nmixed.1kpqzg2c MX 10 mail.example.\n_spore.mixed.1kpqzg2c TXT {old}\n\
         torn.1kpqzg2c A 192.0.2.5\n_spore.torn.1kpqzg2c TXT \"v=1 of somebody\"\n\
         bare.1kpqzg2c A 192.0.2.6\n\
         www A 192.0.2.7\n"
    );
    put(stage, &records);
}

fn put(stage: &Stage, records: &str) {
    let file = stage.write("records.zone", records);
    let run = stage.run(["restore"]).arg(stage.document()).arg(file);
    run.arg("--yes")
        .arg(sandbox(stage))
        .done("restore")
        .unwrap();
}

/// The zone's records as lines of a master file, without the time in its head and the SOA record.
fn export(stage: &Stage) -> String {
    let told = stage.on_world("export", &[]).done("export").unwrap().stdout;
    let keep = |line: &&str| !line.starts_with(';') && !line.contains(" SOA ");
    told.lines()
        .filter(keep)
        .map(|line| format!("{line}\n"))
        .collect()
}

fn changes(log: &Path) -> usize {
    let calls = record(log);
    calls
        .iter()
        .filter(|call| call["operation"] == CHANGE)
        .count()
}

#[test]
fn every_name_is_listed_with_its_holder_or_none() {
    let stage = applied();
    assert_eq!(listed(&stage), Vec::<Value>::new());
    populate(&stage);
    let log = stage.path("calls.jsonl");
    let told = names(&stage, "list", &[]).env("SPORE_RECORD", &log);
    let told = told.done("names list").unwrap().stdout;
    assert!(record(&log).iter().all(|call| call["wrote"] == false));
    let expected = [
        ("bare.1kpqzg2c", "unmarked"),
        ("fresh.1kpqzg2c", "held"),
        ("late.1kpqzg2c", "ended"),
        ("mixed.1kpqzg2c", "ended"),
        ("old.1kpqzg2c", "ended"),
        ("torn.1kpqzg2c", "unreadable"),
        ("typed.1kpqzg2c", "ended"),
        ("www", "unmarked"),
    ];
    let found = states(&stage);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(n, s)| (n.as_str(), s.as_str()))
        .collect();
    assert_eq!(found, expected);
    for (name, _) in expected {
        assert!(told.contains(&format!("{name}.{DOMAIN} ")), "{told}");
    }
    assert!(told.contains("i-0123456789abcdef0 in us-east-1 of account 123456789012"));
    assert!(
        told.contains("A 192.0.2.3; AAAA 2001:db8::3") && told.contains("A 192.0.2.8; TXT \"x\""),
        "{told}"
    );
}

#[test]
fn a_part_of_the_zone_is_never_shown_or_swept() {
    let stage = applied();
    let now = stage.live().unwrap().time().unwrap();
    // More than one page.
    let many: String = (0..320)
        .map(|n| {
            let mark = mark("i-01234567", now, 30);
            format!("n{n}.x 60 A 192.0.2.1\n_spore.n{n}.x 60 TXT {mark}\n")
        })
        .collect();
    put(&stage, &many);
    assert_eq!(listed(&stage).len(), 320);
    let before = export(&stage);
    // Each command without leave to write, to see which of its calls reads the second page.
    for (command, more, exit) in [
        ("list", &[][..], 0),
        ("sweep", &[], 0),
        ("release", &["n1.x"], 1),
    ] {
        let log = stage.path(command);
        let run = names(&stage, command, more).env("SPORE_RECORD", &log);
        run.exits(exit, command).unwrap();
        let calls = record(&log);
        let is_page = |(_, call): &(usize, &Value)| call["operation"] == "ListResourceRecordSets";
        let pages: Vec<usize> = calls
            .iter()
            .enumerate()
            .filter(is_page)
            .map(|(at, _)| at + 1)
            .collect();
        assert!(pages.len() > 2, "{command}: {pages:?}");
        let run = names(&stage, command, more);
        let run = if command == "list" {
            run
        } else {
            run.arg("--yes")
        };
        let run = run.fault(&format!("fail:{}:AccessDenied:99", pages[1]));
        let run = run.exits(1, command).unwrap();
        assert!(
            run.stderr.contains("ListResourceRecordSets"),
            "{}",
            run.tell()
        );
        assert!(!run.stdout.contains("n1.x"), "{}", run.tell());
    }
    assert_eq!(export(&stage), before);
}

#[test]
fn a_released_name_is_gone_with_its_mark_and_nothing_else_is() {
    let stage = applied();
    populate(&stage);
    let before = export(&stage);
    // Nobody can be asked.
    let refused = names(&stage, "release", &["old.1kpqzg2c"])
        .exits(1, "release")
        .unwrap();
    assert!(refused.stderr.contains("--yes"), "{}", refused.tell());
    // Made by hand.
    for by_hand in ["bare.1kpqzg2c", "www"] {
        let refused = names(&stage, "release", &["--yes", by_hand]);
        let refused = refused.exits(4, "release").unwrap();
        assert!(
            refused.stderr.contains("made by hand"),
            "{}",
            refused.tell()
        );
    }
    for wrong in [DOMAIN, "_spore.old.1kpqzg2c", "www.example.com."] {
        names(&stage, "release", &["--yes", wrong])
            .exits(1, wrong)
            .unwrap();
    }
    let free = names(&stage, "release", &["--yes", "nobody.1kpqzg2c"]);
    assert!(
        free.done("release")
            .unwrap()
            .stderr
            .contains("free already")
    );
    assert_eq!(export(&stage), before);

    // In one call, all of it.
    let log = stage.path("calls.jsonl");
    let full = format!("old.1kpqzg2c.{DOMAIN}.");
    let told = names(&stage, "release", &["--yes", &full]).env("SPORE_RECORD", &log);
    let told = told.done("release").unwrap();
    assert!(
        told.stdout.contains(&format!("- _spore.{full} 60 IN TXT")),
        "{}",
        told.tell()
    );
    assert_eq!(changes(&log), 1);
    let others = |line: &&str| !line.contains("old.1kpqzg2c");
    let left: Vec<&str> = before.lines().filter(others).collect();
    assert_eq!(export(&stage).lines().collect::<Vec<_>>(), left);
    // The journal tells whose it was.
    let world = fs::read_to_string(stage.world().join("world.json")).unwrap();
    let whose = "\\\"v=1 p=123456789012/us-east-1/i-01234567 ";
    assert!(world.contains(&format!("release-name {full} {whose}")));

    // A mark that is none, and a name that holds more than the updater's records.
    names(&stage, "release", &["--yes", "torn.1kpqzg2c"])
        .done("release")
        .unwrap();
    assert!(!is_there(&stage, "torn.1kpqzg2c"));
    let told = names(&stage, "release", &["--yes", "mixed.1kpqzg2c"])
        .done("release")
        .unwrap();
    assert!(told.stderr.contains("MX of mixed"), "{}", told.tell());
    assert!(export(&stage).contains(&format!("mixed.1kpqzg2c.{DOMAIN}. 60 IN MX")));
    assert!(states(&stage).contains(&("mixed.1kpqzg2c".into(), "unmarked".into())));
    stage.plan().done("the plan afterwards").unwrap();
}

#[test]
fn a_sweep_frees_what_nobody_renews_and_only_when_told_to() {
    let stage = applied();
    populate(&stage);
    let log = stage.path("calls.jsonl");
    let dry = names(&stage, "sweep", &[]).env("SPORE_RECORD", &log);
    let dry = dry.done("a dry sweep").unwrap();
    assert!(record(&log).iter().all(|call| call["wrote"] == false));
    assert!(dry.stdout.contains("Sweep: 1 to free"), "{}", dry.tell());
    // The document lets instances register no TXT record.
    for stays in ["mixed.1kpqzg2c", "torn.1kpqzg2c", "typed.1kpqzg2c"] {
        assert!(
            dry.stderr.contains(&format!("{stays}.{DOMAIN} stays")),
            "{}",
            dry.tell()
        );
    }
    // A name is not taken on the day its lease ends.
    assert!(is_there(&stage, "late.1kpqzg2c") && !dry.stdout.contains("late."));
    let short = names(&stage, "sweep", &["--yes", "--older-than", "7d"]);
    let short = short.exits(1, "a sweep within the lease").unwrap();
    assert!(short.stderr.contains("7 d 15 min"), "{}", short.tell());

    names(&stage, "sweep", &["--yes"]).done("sweep").unwrap();
    let left = states(&stage);
    let left: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    let expected =
        ["bare", "fresh", "late", "mixed", "torn", "typed"].map(|name| format!("{name}.1kpqzg2c"));
    assert_eq!(left[..6], expected);
    let again = names(&stage, "sweep", &["--yes"]).done("sweep").unwrap();
    assert!(
        again.stdout.contains("Sweep: 0 to free"),
        "{}",
        again.tell()
    );
    // Later, what nobody has renewed by then.
    let advance = stage.run(["sandbox", "advance", "2d"]).arg(sandbox(&stage));
    advance.done("advance").unwrap();
    let longer = names(&stage, "sweep", &["--yes", "--older-than", "20d"]);
    longer.done("sweep").unwrap();
    assert!(is_there(&stage, "late.1kpqzg2c"));
    names(&stage, "sweep", &["--yes"]).done("sweep").unwrap();
    assert!(!is_there(&stage, "late.1kpqzg2c") && is_there(&stage, "fresh.1kpqzg2c"));
}

#[test]
fn a_lease_that_is_only_written_down_sweeps_nothing() {
    let stage = applied();
    populate(&stage);
    stage.write(
        "stack.toml",
        format!("{DOCUMENT}[updater]\nlease = \"1 hour\"\n"),
    );
    let refused = names(&stage, "sweep", &["--yes"])
        .exits(4, "sweep")
        .unwrap();
    assert!(refused.stderr.contains("apply"), "{}", refused.tell());
    let told = names(&stage, "list", &[]).done("list").unwrap();
    assert!(told.stderr.contains("apply"), "{}", told.tell());
    assert!(is_there(&stage, "old.1kpqzg2c"));
    stage.apply().done("apply").unwrap();
    names(&stage, "sweep", &["--yes", "--older-than", "2d"])
        .done("sweep")
        .unwrap();
    assert!(!is_there(&stage, "old.1kpqzg2c") && is_there(&stage, "fresh.1kpqzg2c"));
}

#[test]
fn a_sweep_that_dies_is_finished_by_the_next() {
    let stage = applied();
    let now = stage.live().unwrap().time().unwrap();
    let many: String = (0..700)
        .map(|n| {
            let mark = mark("i-01234567", now, 30);
            format!("n{n}.x 60 A 192.0.2.1\n_spore.n{n}.x 60 TXT {mark}\n")
        })
        .collect();
    put(&stage, &format!("{many}stays.x 60 A 192.0.2.1\n"));
    let whole = Stage::copy_of(&stage);
    let log = whole.path("calls.jsonl");
    let run = names(&whole, "sweep", &["--yes"]).env("SPORE_RECORD", &log);
    let told = run.done("sweep").unwrap();
    assert!(told.stdout.contains("700 freed"), "{}", told.tell());
    assert!(changes(&log) > 1, "one batch");
    assert_eq!(states(&whole), [("stays.x".into(), "unmarked".into())]);
    for fault in ["crash-before", "crash-after", "lose-answer", "repeat"] {
        let stage = Stage::copy_of(&stage);
        let run = names(&stage, "sweep", &["--yes"]);
        run.fault(&format!("{fault}:route53.{CHANGE}"))
            .end()
            .unwrap();
        names(&stage, "sweep", &["--yes"]).done(fault).unwrap();
        assert_eq!(
            states(&stage),
            [("stays.x".into(), "unmarked".into())],
            "{fault}"
        );
    }
    // What Route 53 refuses though nothing moved is an error, not a reason to try for ever.
    let stage = Stage::copy_of(&stage);
    let run = names(&stage, "sweep", &["--yes"]);
    let run = run.fault(&format!("fail:route53.{CHANGE}:InvalidChangeBatch:99"));
    run.exits(1, "sweep").unwrap();
    assert_eq!(states(&stage).len(), 701);
}

/// Renews a name between the list and the change, as its holder could.
#[derive(Debug)]
struct LastMoment {
    sandbox: Sandbox,
    admin: aws_sdk_route53::Client,
    zone: String,
    edits: Vec<(ChangeAction, RecordSet)>,
    done: AtomicBool,
}

impl Intercept for LastMoment {
    fn name(&self) -> &'static str {
        "LastMoment"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.request().method() == "POST" && !self.done.swap(true, Ordering::SeqCst) {
            thread::scope(|scope| {
                let work = || run(change(&self.admin, &self.zone, &self.edits));
                scope.spawn(work).join().unwrap();
            });
            in_sync(&self.sandbox);
        }
        Ok(())
    }
}

/// Until a change is in sync Route 53 takes no other of the zone.
fn in_sync(sandbox: &Sandbox) {
    sandbox.advance(Duration::from_secs(120)).unwrap();
}

async fn change(admin: &aws_sdk_route53::Client, zone: &str, edits: &[(ChangeAction, RecordSet)]) {
    let mut batch = ChangeBatch::builder();
    for (action, set) in edits {
        let mut built = ResourceRecordSet::builder()
            .name(&set.name)
            .r#type(RrType::from(set.rtype.as_str()))
            .set_ttl(set.ttl_secs);
        for value in &set.values {
            built = built.resource_records(ResourceRecord::builder().value(value).build().unwrap());
        }
        let change = Change::builder().action(action.clone());
        let change = change.resource_record_set(built.build().unwrap());
        batch = batch.changes(change.build().unwrap());
    }
    let call = admin.change_resource_record_sets().hosted_zone_id(zone);
    let call = call.change_batch(batch.build().unwrap());
    call.send().await.unwrap();
}

fn set(name: &str, rtype: &str, value: &str) -> RecordSet {
    RecordSet {
        name: format!("{name}.{DOMAIN}."),
        rtype: rtype.into(),
        ttl_secs: Some(60),
        values: vec![value.to_owned()],
        ..RecordSet::default()
    }
}

#[test]
fn a_name_that_is_renewed_at_the_last_moment_stays() {
    let stage = applied();
    let now = stage.live().unwrap().time().unwrap();
    let old = mark("i-01234567", now, 30);
    let name = |n: usize| {
        let sets = vec![
            set(&format!("_spore.n{n}.x"), "TXT", &old),
            set(&format!("n{n}.x"), "A", "192.0.2.1"),
        ];
        Held {
            name: format!("n{n}.x.{DOMAIN}."),
            seen: sets.clone(),
            gone: sets,
        }
    };
    let held: Vec<Held> = (0..3).map(name).collect();
    let renewed = set("_spore.n1.x", "TXT", &mark("i-01234567", now, 0));
    run(async {
        let sandbox = stage.open_world();
        let target = Target::Local(sandbox.clone());
        let access = Access::Write {
            digest: String::new(),
        };
        let mut clients = Clients::connect(&target, REGION, "123456789012", &access).await;
        let admin = clients.route53.clone();
        let zones = admin.list_hosted_zones_by_name().dns_name(DOMAIN);
        let zone = zones.send().await.unwrap().hosted_zones[0].id().to_owned();
        let all = held.iter().flat_map(|held| held.seen.iter().cloned());
        let all: Vec<_> = all.map(|set| (ChangeAction::Create, set)).collect();
        change(&admin, &zone, &all).await;
        in_sync(&sandbox);
        let meddler = LastMoment {
            sandbox,
            admin: admin.clone(),
            zone: zone.clone(),
            edits: vec![
                (ChangeAction::Delete, held[1].seen[0].clone()),
                (ChangeAction::Create, renewed.clone()),
            ],
            done: AtomicBool::new(false),
        };
        let config = admin.config().to_builder().interceptor(meddler);
        clients.route53 = aws_sdk_route53::Client::from_conf(config.build());
        let op = Op::FreeNames {
            zone: Arg::Known(zone.rsplit('/').next().unwrap().to_owned()),
            names: held.clone(),
        };
        hosted_zone::perform(&op, &clients).await.unwrap();
        // Carried out once more, as after a lost answer, it changes nothing.
        hosted_zone::perform(&op, &clients).await.unwrap();
    });
    let after = export(&stage);
    assert!(after.contains(&renewed.values[0]), "{after}");
    assert!(
        after.contains(&format!("n1.x.{DOMAIN}. 60 IN A 192.0.2.1")),
        "{after}"
    );
    assert!(
        !after.contains("n0.x") && !after.contains("n2.x"),
        "{after}"
    );
}

/// The two share no code. Whatever one of them takes for a mark and the other does not would be a name
/// that nobody can free, or one that is swept while it is held.
#[test]
fn the_updater_reads_the_same_marks() {
    let now: Timestamp = "2026-11-21T23:59:48Z".parse().unwrap();
    let nonce = "n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b";
    let instance = mark("i-0123456789abcdef0", now, 0);
    let instance = instance.trim_matches('"');
    let role = format!("v=1 p=123456789012/role/AROAEXAMPLEEXAMPLE123 t=20261121T235948Z {nonce}");
    let mut taken = 0;
    for text in [instance, &role] {
        assert!(
            text.parse::<Mark>().is_ok() && text.parse::<Owner>().is_ok(),
            "{text}"
        );
        for (at, was) in text.char_indices() {
            for other in [
                "", "0", "9", "a", "f", "Z", "-", "/", "=", " ", "\"", "\\", "é", "00",
            ] {
                let mut changed = text.to_owned();
                changed.replace_range(at..at + was.len_utf8(), other);
                let (ours, theirs) = (changed.parse::<Mark>(), changed.parse::<Owner>());
                assert_eq!(ours.is_ok(), theirs.is_ok(), "{changed}");
                if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                    taken += 1;
                    assert_eq!(ours.to_string(), theirs.to_string());
                    assert_eq!(ours.holder.account(), theirs.principal.account());
                    let time = ours.renewed_at.strftime("%Y%m%dT%H%M%SZ").to_string();
                    assert!(theirs.to_string().contains(&time));
                }
            }
        }
    }
    assert!(taken > 100, "{taken}");
}

#[test]
fn an_instance_is_told_what_is_live() {
    let empty = Stage::new();
    let refused = empty
        .on_world("client-config", &[])
        .exits(1, "client-config")
        .unwrap();
    assert!(
        refused.stderr.contains("spore-infra apply"),
        "{}",
        refused.tell()
    );
    let stage = applied();
    let of = |format: &str| {
        let run = stage.on_world("client-config", &["--format", format]);
        run.done(format).unwrap().stdout
    };
    let toml = of("toml");
    let value = |key: &str| {
        let line = toml
            .lines()
            .find(|line| line.split(" = ").next().unwrap().trim() == key);
        line.unwrap()
            .split(" = ")
            .nth(1)
            .unwrap()
            .trim_matches('"')
            .to_owned()
    };
    assert_eq!(value("domain"), DOMAIN);
    assert_eq!(value("account"), "123456789012");
    assert_eq!(value("lease"), "7d");
    assert!(value("zone-id").starts_with('Z'), "{toml}");
    assert!(
        value("url").ends_with("/prod/_user_request_/update-dns"),
        "{toml}"
    );
    assert!(value("updater-role").starts_with("arn:aws:iam::123456789012:role/"));
    // The same file in each form; that they parse is judged by `judges/client_config.py`.
    let cloud: Vec<String> = of("cloud-init")
        .lines()
        .skip(6)
        .map(|line| line[6..].to_owned())
        .collect();
    assert_eq!(cloud, toml.lines().collect::<Vec<_>>());
    let parameter: Value = serde_json::from_str(&of("ssm")).unwrap();
    assert_eq!(parameter["Value"], toml);
    assert!(of("terraform").contains(&value("url")));
}
