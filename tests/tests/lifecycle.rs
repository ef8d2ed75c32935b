//! Proves the life of the key-signing key after the first apply: rotation, going back from one, turning
//! signing off and on again, rescue. Each from an empty disk at every run, with the parent's people
//! acting in between, and with a crash after every write.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt;
use std::sync::OnceLock;

use jiff::SignedDuration;
use serde_json::Value;
use spore_tests::cases::each;
use spore_tests::served::json_request;
use spore_tests::stage::{DOMAIN, Run, Stage, record};

const FIRST: &str = "spore_spore_example_edu_1";
const SECOND: &str = "spore_spore_example_edu_2";

/// The TTL with which the simulated parents show DS records, and the least hold-down.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A signed zone that its parent vouches for, in a world that has settled.
fn secure() -> &'static Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::new();
        stage.apply().done("apply").unwrap();
        registrar(&stage, &["delegate", DOMAIN]).unwrap();
        publish(&stage, &[FIRST]).unwrap();
        advance(&stage, "2h").unwrap();
        stage
    })
}

fn sandbox(stage: &Stage) -> String {
    format!("--sandbox={}", stage.world().display())
}

fn registrar(stage: &Stage, words: &[&str]) -> Result<(), String> {
    let run = stage.run(["sandbox", "registrar"].iter().chain(words));
    run.arg(sandbox(stage)).done("registrar").map(drop)
}

fn advance(stage: &Stage, by: &str) -> Result<(), String> {
    let run = stage.run(["sandbox", "advance", by]);
    run.arg(sandbox(stage)).done("advance").map(drop)
}

/// The parent gets the DS records of these keys and no others.
fn publish(stage: &Stage, keys: &[&str]) -> Result<(), String> {
    let list = stage.run(["ksk", "list"]).arg(stage.document());
    let text = list.arg(sandbox(stage)).done("ksk list")?.stdout;
    let mut records = Vec::new();
    for key in keys {
        let block = text
            .split("\n\n")
            .find(|block| block.trim_start().starts_with(&format!("{key}  ")))
            .ok_or_else(|| format!("no {key} in {text}"))?;
        let (_, ds) = block.split_once(" IN DS ").ok_or("a DS record")?;
        records.push(ds.lines().next().unwrap().to_owned());
    }
    let mut words = vec!["ds", DOMAIN];
    words.extend(records.iter().map(String::as_str));
    registrar(stage, &words)
}

fn rotate(stage: &Stage, more: &[&str]) -> Run {
    let mut run = stage.run(["ksk", "rotate"]).arg(stage.document());
    for word in more {
        run = run.arg(word);
    }
    run.arg("--yes").arg(sandbox(stage))
}

fn disable(stage: &Stage) -> Run {
    let run = stage.run(["dnssec", "disable"]).arg(stage.document());
    run.arg("--yes").arg(sandbox(stage))
}

fn dnssec_off(stage: &Stage) {
    let text = std::fs::read_to_string(stage.document()).unwrap();
    stage.write("stack.toml", text + "\n[dnssec]\nenabled = false\n");
}

/// The zone's key-signing keys and their states, by name.
fn ksks(stage: &Stage) -> Vec<(String, String)> {
    let live = stage.live().unwrap();
    let zones = live.zones(DOMAIN);
    let [zone] = zones.as_slice() else {
        panic!("one zone")
    };
    let ksks = zone["ksks"].as_object();
    ksks.into_iter()
        .flatten()
        .map(|(name, ksk)| (name.clone(), ksk["status"].as_str().unwrap().to_owned()))
        .collect()
}

fn names(stage: &Stage) -> Vec<String> {
    ksks(stage).into_iter().map(|(name, _)| name).collect()
}

fn all_active(stage: &Stage) -> bool {
    ksks(stage).iter().all(|(_, status)| status == "ACTIVE")
}

/// Keys that sign and are to be deleted.
fn going(stage: &Stage) -> usize {
    let live = stage.live().unwrap();
    let keys = live.signing_keys();
    keys.iter()
        .filter(|key| key["state"].get("PendingDeletion").is_some())
        .count()
}

/// What the journal and lock still say of a rotation.
fn traces(stage: &Stage) -> Vec<&'static str> {
    let live = stage.live().unwrap();
    let tags = live.log_group_tags();
    [
        "spore:ksk-next-since",
        "spore:ds-both-since",
        "spore:ds-old-gone-since",
        "spore:ds-next-gone-since",
        "spore:ds-gone-since",
        "spore:lock-holder",
    ]
    .into_iter()
    .filter(|tag| tags.contains(tag))
    .collect()
}

fn wrote(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line["wrote"] == true).count()
}

/// A run that must not write.
fn writes_nothing(stage: &Stage, run: Run) -> Result<(), String> {
    let lines = stage.path("no-writes.jsonl");
    let _ = std::fs::remove_file(&lines);
    run.env("SPORE_RECORD", &lines).end()?;
    match wrote(&record(&lines)) {
        0 => Ok(()),
        count => Err(format!("{count} writes")),
    }
}

/// The three runs of a rotation, and what the parent's people do before each.
type Phase = (&'static str, fn(&Stage) -> Result<(), String>);
const PHASES: [Phase; 3] = [
    ("begin", |_| Ok(())),
    ("both", |stage| {
        advance(stage, "2h")?;
        publish(stage, &[FIRST, SECOND])
    }),
    ("retire", |stage| {
        advance(stage, "2h")?;
        publish(stage, &[SECOND])
    }),
];

fn is_rotated(stage: &Stage) -> Result<(), String> {
    let facts = [
        ("one key", names(stage) == [SECOND]),
        ("active", all_active(stage)),
        ("the old key's deletion is scheduled", going(stage) == 1),
        ("no traces", traces(stage).is_empty()),
    ];
    match facts.iter().find(|(_, holds)| !holds) {
        Some((what, _)) => Err(format!("{what}: {:?}, {:?}", ksks(stage), traces(stage))),
        None => stage.is_converged(),
    }
}

#[test]
fn a_rotation_goes_on_only_when_the_parent_has_acted() {
    let stage = Stage::copy_of(secure());
    let both = [
        (FIRST.to_owned(), "ACTIVE".to_owned()),
        (SECOND.to_owned(), "ACTIVE".to_owned()),
    ];
    rotate(&stage, &[]).done("begin").unwrap();
    for _ in 0..2 {
        assert_eq!(ksks(&stage), both);
        writes_nothing(&stage, rotate(&stage, &[])).unwrap();
        advance(&stage, "5d").unwrap();
    }
    // A plain apply leaves a rotation alone, however long it takes.
    writes_nothing(&stage, stage.apply()).unwrap();
    publish(&stage, &[FIRST, SECOND]).unwrap();
    rotate(&stage, &[]).done("both").unwrap();
    for _ in 0..2 {
        assert_eq!(ksks(&stage), both);
        writes_nothing(&stage, rotate(&stage, &[])).unwrap();
        advance(&stage, "5d").unwrap();
    }
    publish(&stage, &[SECOND]).unwrap();
    let before = stage.live().unwrap().time().unwrap();
    rotate(&stage, &[]).done("retire").unwrap();
    is_rotated(&stage).unwrap();
    let waited = stage.live().unwrap().time().unwrap().duration_since(before);
    assert!(waited >= HOUR, "{waited:#}");
    // Whoever runs it once more does not mean another one, unless that is said.
    let refused = rotate(&stage, &[]).exits(4, "once more").unwrap();
    assert!(refused.tell().contains("--again"), "{}", refused.tell());
    writes_nothing(&stage, rotate(&stage, &[])).unwrap();
    // And back to the first name.
    rotate(&stage, &["--again"]).done("begin again").unwrap();
    assert_eq!(ksks(&stage), both);
}

#[test]
fn an_old_key_whose_ds_comes_back_stays() {
    let stage = Stage::copy_of(secure());
    for (name, prepare) in &PHASES[..2] {
        prepare(&stage).unwrap();
        rotate(&stage, &[]).done(name).unwrap();
    }
    advance(&stage, "2h").unwrap();
    publish(&stage, &[SECOND]).unwrap();
    // The run dies in the hold-down; the hostmaster takes the change back.
    rotate(&stage, &[])
        .fault("crash-before:kms.UpdateAlias")
        .dies("retire")
        .unwrap();
    assert_eq!(names(&stage), [FIRST, SECOND]);
    publish(&stage, &[FIRST, SECOND]).unwrap();
    rotate(&stage, &[]).done("go on").unwrap();
    assert!(all_active(&stage));
    publish(&stage, &[SECOND]).unwrap();
    let before = stage.live().unwrap().time().unwrap();
    rotate(&stage, &[]).done("retire").unwrap();
    is_rotated(&stage).unwrap();
    let waited = stage.live().unwrap().time().unwrap().duration_since(before);
    assert!(waited >= HOUR, "the hold-down begins anew: {waited:#}");
}

#[test]
fn where_nobody_vouches_for_the_zone_one_run_is_a_rotation() {
    let stage = Stage::new();
    stage.apply().done("apply").unwrap();
    rotate(&stage, &[]).done("rotate").unwrap();
    is_rotated(&stage).unwrap();
}

/// A run of `PHASES`, and the write it dies after.
struct Crash(usize, String);

impl fmt::Display for Crash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} SPORE_SANDBOX_FAULT={}", PHASES[self.0].0, self.1)
    }
}

/// `crash-after` each write of a recorded run.
fn crashes(lines: &[Value]) -> Vec<String> {
    let writes = lines
        .iter()
        .zip(1..)
        .filter(|(line, _)| line["wrote"] == true);
    writes.map(|(_, n)| format!("crash-after:{n}")).collect()
}

#[test]
fn a_rotation_survives_a_crash_after_each_write() {
    let mut cases = Vec::new();
    let mut stages = Vec::new();
    let stage = Stage::copy_of(secure());
    for (number, (name, prepare)) in PHASES.iter().enumerate() {
        prepare(&stage).unwrap();
        stages.push(Stage::copy_of(&stage));
        let lines = stage.path(name);
        let run = rotate(&stage, &[]).env("SPORE_RECORD", &lines);
        run.done(name).unwrap();
        let faults = crashes(&record(&lines));
        cases.extend(faults.into_iter().map(|fault| Crash(number, fault)));
    }
    is_rotated(&stage).unwrap();
    assert!(cases.len() > 20, "{} writes", cases.len());
    each(&cases, |Crash(number, fault)| {
        let stage = Stage::copy_of(&stages[*number]);
        rotate(&stage, &[]).fault(fault).dies("the first run")?;
        if names(&stage) == [SECOND] && !traces(&stage).contains(&"spore:ksk-next-since") {
            // It was over but for its lock; another run is not another rotation.
            rotate(&stage, &[]).exits(4, "the second run")?;
            stage.apply().done("apply")?;
            return is_rotated(&stage);
        }
        rotate(&stage, &[]).done("the second run")?;
        for (name, prepare) in &PHASES[number + 1..] {
            prepare(&stage)?;
            rotate(&stage, &[]).done(name)?;
        }
        is_rotated(&stage)
    });
}

#[test]
fn a_rotation_is_given_up_once_nobody_can_need_the_new_key() {
    let begun = Stage::copy_of(secure());
    rotate(&begun, &[]).done("begin").unwrap();

    let stage = Stage::copy_of(&begun);
    rotate(&stage, &["--abort"]).done("abort").unwrap();
    assert_eq!(names(&stage), [FIRST]);
    assert_eq!((going(&stage), traces(&stage)), (1, vec![]));
    stage.is_converged().unwrap();
    writes_nothing(&stage, rotate(&stage, &["--abort"])).unwrap();

    let stage = Stage::copy_of(&begun);
    publish(&stage, &[FIRST, SECOND]).unwrap();
    let refused = rotate(&stage, &["--abort"]).exits(4, "abort").unwrap();
    assert!(refused.tell().contains("IN DS"), "{}", refused.tell());
    assert_eq!(names(&stage), [FIRST, SECOND]);
    // Resolvers may hold a set of the new record alone: then going on is the only way.
    publish(&stage, &[SECOND]).unwrap();
    let refused = rotate(&stage, &["--abort"]).exits(4, "abort").unwrap();
    assert!(refused.tell().contains("go on with"), "{}", refused.tell());
    assert_eq!(names(&stage), [FIRST, SECOND]);
    publish(&stage, &[FIRST]).unwrap();
    let before = stage.live().unwrap().time().unwrap();
    rotate(&stage, &["--abort"]).done("abort").unwrap();
    assert_eq!(
        (names(&stage), traces(&stage)),
        (vec![FIRST.into()], vec![])
    );
    let waited = stage.live().unwrap().time().unwrap().duration_since(before);
    assert!(waited >= HOUR, "{waited:#}");
}

/// Somebody has the KMS key of a key-signing key deleted, seven days from now.
fn schedule_deletion(stage: &Stage, ksk: &str) {
    let live = stage.live().unwrap();
    let arn = live.zones(DOMAIN)[0]["ksks"][ksk]["kms_arn"].clone();
    let arn = arn.as_str().unwrap();
    let sandbox = stage.open_world();
    let request = json_request(
        "127.0.0.1",
        "TrentService.ScheduleKeyDeletion",
        ("us-east-1", "kms"),
        &format!("{{\"KeyId\":\"{arn}\",\"PendingWindowInDays\":7}}"),
        sandbox.now(),
    );
    let outcome = format!("{:?}", sandbox.deliver(&request));
    assert!(outcome.contains("status: 200"), "{outcome}");
}

fn begun() -> Stage {
    let stage = Stage::copy_of(secure());
    rotate(&stage, &[]).done("begin").unwrap();
    advance(&stage, "2h").unwrap();
    stage
}

/// A run that cannot help names the command that does.
fn names_the_way(run: Run, code: i32, way: &str) {
    let told = run.exits(code, "a command that cannot help").unwrap();
    assert!(told.tell().contains(way), "{way:?}: {}", told.tell());
}

/// Without the line ends that a narrow terminal needs.
fn status(stage: &Stage) -> String {
    let told = stage.on_world("status", &[]).end().unwrap().stdout;
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_key_of_a_rotation_that_is_going_is_rescued_by_the_command_that_is_named() {
    let begun = begun();
    let stage = Stage::copy_of(&begun);
    schedule_deletion(&stage, FIRST);
    advance(&stage, "2h").unwrap();
    names_the_way(
        rotate(&stage, &[]),
        4,
        "have `spore-infra apply` finish first",
    );
    assert!(status(&stage).contains("run `spore-infra apply`, before"));
    stage.apply().done("apply").unwrap();
    assert!(all_active(&stage) && going(&stage) == 0);
    rotate(&stage, &[]).done("go on").unwrap();

    let stage = Stage::copy_of(&begun);
    schedule_deletion(&stage, SECOND);
    advance(&stage, "2h").unwrap();
    names_the_way(stage.apply(), 1, "run `spore-infra ksk rotate`, which");
    assert!(status(&stage).contains("run `spore-infra ksk rotate`"));
    rotate(&stage, &[]).done("cure").unwrap();
    assert!(all_active(&stage) && going(&stage) == 0);
    // Both at once: each command leaves the other its part.
    let stage = Stage::copy_of(&begun);
    schedule_deletion(&stage, FIRST);
    schedule_deletion(&stage, SECOND);
    advance(&stage, "2h").unwrap();
    names_the_way(stage.apply(), 1, "run `spore-infra ksk rotate`, which");
    rotate(&stage, &[]).end().unwrap();
    stage.apply().done("apply").unwrap();
    assert!(all_active(&stage) && going(&stage) == 0);
}

#[test]
fn a_rotation_outlives_the_loss_of_either_key() {
    let begun = begun();
    let stage = Stage::copy_of(&begun);
    schedule_deletion(&stage, SECOND);
    advance(&stage, "170h").unwrap();
    let way = "run `spore-infra ksk rotate --abort`";
    names_the_way(rotate(&stage, &[]), 4, way);
    names_the_way(stage.apply(), 1, way);
    let told = status(&stage);
    assert!(told.contains(way), "{told}");
    rotate(&stage, &["--abort"]).done("abort").unwrap();
    assert_eq!(
        (names(&stage), traces(&stage)),
        (vec![FIRST.into()], vec![])
    );
    stage.is_converged().unwrap();

    let stage = begun;
    schedule_deletion(&stage, FIRST);
    advance(&stage, "170h").unwrap();
    let way = "go on with `spore-infra ksk rotate`";
    names_the_way(stage.apply(), 1, way);
    names_the_way(rotate(&stage, &["--abort"]), 4, way);
    let told = status(&stage);
    assert!(
        told.contains(way) && told.contains("--step ds-add"),
        "{told}"
    );
    let asked = rotate(&stage, &[]).done("ask").unwrap();
    assert!(asked.tell().contains("--step ds-add"), "{}", asked.tell());
    publish(&stage, &[FIRST, SECOND]).unwrap();
    rotate(&stage, &[]).done("both").unwrap();
    advance(&stage, "2h").unwrap();
    // The alias is the new key's by now, and no wait is over for that.
    publish(&stage, &[SECOND]).unwrap();
    let before = stage.live().unwrap().time().unwrap();
    rotate(&stage, &[]).done("retire").unwrap();
    let waited = stage.live().unwrap().time().unwrap().duration_since(before);
    assert!(waited >= HOUR, "{waited:#}");
    assert_eq!(
        (names(&stage), traces(&stage)),
        (vec![SECOND.into()], vec![])
    );
    stage.is_converged().unwrap();
}

#[test]
fn a_ds_of_another_key_stops_a_rotation() {
    let stage = Stage::copy_of(secure());
    let ds = format!("12735 13 2 {}", "AB".repeat(32));
    registrar(&stage, &["ds", DOMAIN, &ds]).unwrap();
    let refused = rotate(&stage, &[]).exits(4, "rotate").unwrap();
    assert!(refused.tell().contains("12735"), "{}", refused.tell());
    writes_nothing(&stage, rotate(&stage, &[])).unwrap();
}

#[test]
fn signing_goes_off_after_the_ds_and_comes_back_with_another_key() {
    let stage = Stage::copy_of(secure());
    let refused = disable(&stage).exits(4, "disable").unwrap();
    assert!(
        refused.tell().contains("enabled = false"),
        "{}",
        refused.tell()
    );
    let signed = std::fs::read_to_string(stage.document()).unwrap();
    dnssec_off(&stage);
    let refused = disable(&stage).exits(4, "disable").unwrap();
    assert!(refused.tell().contains("IN DS"), "{}", refused.tell());
    assert_eq!(names(&stage), [FIRST]);

    registrar(&stage, &["withdraw", DOMAIN, "--ds-only"]).unwrap();
    let before = stage.live().unwrap().time().unwrap();
    let lines = stage.path("record.jsonl");
    let base = Stage::copy_of(&stage);
    dnssec_off(&base);
    let run = disable(&stage).env("SPORE_RECORD", &lines);
    run.done("disable").unwrap();
    let waited = stage.live().unwrap().time().unwrap().duration_since(before);
    assert!(waited >= HOUR, "{waited:#}");
    is_unsigned(&stage).unwrap();
    stage.apply().done("apply").unwrap();
    stage.plan().done("plan").unwrap();
    writes_nothing(&stage, stage.apply()).unwrap();

    each(&crashes(&record(&lines)), |fault| {
        let stage = Stage::copy_of(&base);
        dnssec_off(&stage);
        disable(&stage).fault(fault).dies("the first run")?;
        disable(&stage).done("the second run")?;
        is_unsigned(&stage)
    });

    stage.write("stack.toml", signed);
    let crashed = Stage::copy_of(&stage);
    stage.apply().done("apply").unwrap();
    must_wait(&stage, "until 20").unwrap();

    // The zone is in use unsigned, and the run that signs it dies before it can say since when.
    let enabling = "crash-after:route53.EnableHostedZoneDNSSEC";
    crashed.apply().fault(enabling).dies("apply").unwrap();
    must_wait(&crashed, "not every name server is ready").unwrap();
    advance(&crashed, "2m").unwrap();
    must_wait(&crashed, "nobody knows").unwrap();
    crashed.apply().done("apply again").unwrap();
    must_wait(&crashed, "until 20").unwrap();
    crashed.is_converged().unwrap();
    // What cannot be read is not over.
    let hidden = "fail:logs.DescribeLogGroups:AccessDeniedException:99";
    let told = ds(&crashed).fault(hidden).end().unwrap();
    assert!(told.code != Some(0), "{}", told.tell());
    advance(&crashed, "72h").unwrap();
    ds(&crashed).done("ds").unwrap();

    assert_eq!(names(&stage), [FIRST]);
    assert_eq!(going(&stage), 1, "a key on its way out is not taken back");
    stage.is_converged().unwrap();
}

fn ds(stage: &Stage) -> Run {
    stage.on_world("ds", &[])
}

/// `ds` gives no record yet, and says why.
fn must_wait(stage: &Stage, why: &str) -> Result<(), String> {
    let told = ds(stage).exits(3, "ds")?;
    if told.tell().contains(why) {
        Ok(())
    } else {
        Err(format!("{why:?} is not in {}", told.tell()))
    }
}

fn is_unsigned(stage: &Stage) -> Result<(), String> {
    let live = stage.live()?;
    let zones = live.zones(DOMAIN);
    let facts = [
        ("the zone stays", zones.len() == 1),
        (
            "it is not signed",
            zones.iter().all(|zone| zone["signing"] != true),
        ),
        ("no keys", names(stage).is_empty()),
        ("the key's deletion is scheduled", going(stage) == 1),
        ("no traces", traces(stage).is_empty()),
    ];
    match facts.iter().find(|(_, holds)| !holds) {
        Some((what, _)) => Err(format!("{what}: {:?}, {:?}", ksks(stage), traces(stage))),
        None => Ok(()),
    }
}
