//! Proves that the TTLs of a zone that somebody else made are lowered before it is signed, that the old ones
//! are waited out, and that each goes back exactly when the parent zone has vouched for the zone, whatever run
//! dies when; and that no resolver notices.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_sdk_route53::types::{ChangeAction, ResourceRecordSet, RrType};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use spore_infra::kind::hosted_zone::Records;
use spore_infra::kind::journal_group;
use spore_infra::plan::Goal;
use spore_infra::render::{self, Paint};
use spore_infra::run::Outcome;
use spore_sandbox::dns::verdict::{Judge, Verdict};
use spore_sandbox::dns::{self, DnsName, RegistrarAction};
use spore_sandbox::record::Recorded;
use spore_tests::bench::{Bench, desired, run};
use spore_tests::by_hand::{
    SETTLED, add_record, alias, by_hand, change, make_zone, record_set, registrar, weighted,
};
use spore_tests::cases::each;
use spore_tests::stage::{DOMAIN, Finished, Stage, record};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The largest TTL of the zone: of its NS set, as Route 53 makes it.
const LARGEST: Duration = Duration::from_secs(172_800);
/// What one run waits by default.
const WAIT: Duration = Duration::from_secs(600);

fn name(label: &str) -> String {
    format!("{label}.{DOMAIN}")
}

/// A zone with a record of each sort that the sandbox knows, in use.
async fn make(bench: &Bench) -> String {
    let write = &bench.write;
    let zone = make_zone(write).await;
    let mark = "\"v=1 p=123456789012/us-east-1/i-1 t=2026-11-21T00:00:00Z n=1\"";
    for (name, rtype, ttl, value) in [
        (DOMAIN.to_owned(), RrType::Txt, 172_800, "\"v=spf1 -all\""),
        (name("mail"), RrType::Mx, 86_400, "10 mx.example.net."),
        (name("edited"), RrType::A, 86_400, "192.0.2.1"),
        (name("gone"), RrType::A, 86_400, "192.0.2.1"),
        (name("hour"), RrType::A, 3_600, "192.0.2.1"),
        (name("minute"), RrType::A, 60, "192.0.2.1"),
        (name("box.1kpqzg2c"), RrType::A, 7_200, "192.0.2.2"),
        (name("_spore.box.1kpqzg2c"), RrType::Txt, 60, mark),
    ] {
        add_record(write, &zone, &name, rtype, ttl, value).await;
        bench.advance(SETTLED);
    }
    registrar(
        bench,
        RegistrarAction::Delegate {
            zone: DOMAIN.into(),
            name_servers: None,
        },
    );
    zone
}

/// What is more than a TTL and values: a group of weighted sets, and an alias for one of the zone's records.
async fn add_routed(bench: &Bench, zone: &str) {
    let split = name("split");
    let sets = [
        weighted(&split, 7_200, "192.0.2.3", "blue", 3),
        weighted(&split, 7_200, "192.0.2.4", "green", 0),
        alias(&name("front"), zone, &name("hour")),
    ];
    change(&bench.write, zone, ChangeAction::Create, sets).await;
    bench.advance(SETTLED);
}

/// Everything of every record set, as Route 53 shows it.
async fn records(bench: &Bench, zone: &str) -> Vec<ResourceRecordSet> {
    let call = bench.write.route53.list_resource_record_sets();
    let answer = call.hosted_zone_id(zone).send().await.unwrap();
    assert!(!answer.is_truncated());
    answer.resource_record_sets
}

/// TTLs by name and type.
fn ttls(sets: &[ResourceRecordSet]) -> BTreeMap<String, i64> {
    let id = |set: &ResourceRecordSet| {
        let label = set.name().trim_end_matches('.').trim_end_matches(DOMAIN);
        format!(
            "{label} {} {}",
            set.r#type(),
            set.set_identifier().unwrap_or_default()
        )
    };
    let with = |set: &ResourceRecordSet| Some((id(set).trim().to_owned(), set.ttl()?));
    sets.iter().filter_map(with).collect()
}

/// As they are expected to be while they are low.
fn low() -> BTreeMap<String, i64> {
    let expected = [
        ("NS", 3_600),
        ("SOA", 900),
        ("TXT", 3_600),
        ("mail. MX", 3_600),
        ("edited. A", 3_600),
        ("gone. A", 3_600),
        ("hour. A", 3_600),
        ("minute. A", 60),
        ("split. A blue", 3_600),
        ("split. A green", 3_600),
        // The updater's.
        ("box.1kpqzg2c. A", 7_200),
        ("_spore.box.1kpqzg2c. TXT", 60),
    ];
    expected.map(|(id, ttl)| (id.to_owned(), ttl)).into()
}

fn minimum(sets: &[ResourceRecordSet]) -> String {
    let soa = sets
        .iter()
        .find(|set| *set.r#type() == RrType::Soa)
        .unwrap();
    let value = soa.resource_records()[0].value();
    value.rsplit(' ').next().unwrap().to_owned()
}

async fn publish(bench: &Bench) {
    let snapshot = bench.snapshot(Records::FirstPage, None).await;
    let keys = &snapshot.dnssec.present().unwrap().keys;
    registrar(
        bench,
        RegistrarAction::Ds {
            zone: DOMAIN.into(),
            records: vec![keys[0].ds.clone()],
        },
    );
}

/// What one run of apply comes to: its plan as shown, and until when it says to wait.
async fn apply(bench: &Bench) -> (String, Option<Timestamp>) {
    let (plan, outcome, troubles) = bench.carry_out_within(&Goal::Converge, Some(WAIT)).await;
    let until = match outcome {
        Outcome::Converged => None,
        Outcome::Waiting { until, .. } => Some(until),
        Outcome::Failed | Outcome::Interrupted => panic!("{outcome:?} {troubles:#?}"),
    };
    // Fields stand in columns.
    let shown = render::plan(&plan, Paint::Plain);
    let words: Vec<&str> = shown.split_whitespace().collect();
    (words.join(" "), until)
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(SignedDuration::try_from(span).unwrap())
        .unwrap()
}

/// A later run waits until the same time: it counts from the evidence, which is in whole seconds.
fn same(again: Option<Timestamp>, until: Timestamp) -> Timestamp {
    let again = again.unwrap();
    let apart = until.duration_since(again).abs();
    assert!(apart < SignedDuration::from_secs(1), "{until} {again}");
    again
}

/// A zone in use, with a judge who has all that resolvers may remember of it.
struct Life {
    bench: Bench,
    zone: String,
    judge: Arc<Mutex<Judge>>,
    seen: Arc<Mutex<Vec<(String, Verdict)>>>,
}

impl Life {
    async fn open(seed: u64) -> Self {
        let start = "2026-11-21T12:00:00Z".parse().unwrap();
        let bench = Bench::open(desired(""), seed, start).await;
        let zone = make(&bench).await;
        add_routed(&bench, &zone).await;
        let parsed = |name: &str| DnsName::parse(name).unwrap();
        let judge = Judge::new(&parsed(DOMAIN))
            .also(&parsed(DOMAIN), "TXT".parse().unwrap())
            .also(&parsed(&name("mail")), "MX".parse().unwrap())
            .also(&parsed(&name("edited")), "A".parse().unwrap())
            .also(&parsed(&name("split")), "A".parse().unwrap())
            .also(&parsed(&name("front")), "A".parse().unwrap());
        let judge = Arc::new(Mutex::new(judge));
        let seen: Arc<Mutex<Vec<(String, Verdict)>>> = Arc::default();
        let (watching, saying) = (judge.clone(), seen.clone());
        bench.sandbox.watch(move |what, world, now| {
            let concerns = ["by hand", "HostedZone", "KeySigningKey", "ResourceRecord"];
            if concerns.iter().any(|part| what.contains(part)) {
                let verdict = watching.lock().unwrap().look(world, now);
                saying.lock().unwrap().push((what.to_owned(), verdict));
            }
        });
        let life = Self {
            bench,
            zone,
            judge,
            seen,
        };
        life.advance(2 * DAY);
        life.bench.carry_out(&Goal::Adopt).await;
        life.advance(SETTLED);
        life
    }

    /// Time passes, in steps in which the judge sees what arrives.
    fn advance(&self, span: Duration) -> Verdict {
        let mut left = span;
        while !left.is_zero() {
            let step = left.min(HOUR);
            self.bench.advance(step);
            self.look("time passed");
            left -= step;
        }
        self.look("time passed")
    }

    fn look(&self, what: &str) -> Verdict {
        let mut judge = self.judge.lock().unwrap();
        let sandbox = &self.bench.sandbox;
        let verdict = sandbox.inspect(|world, now| judge.look(world, now));
        self.seen
            .lock()
            .unwrap()
            .push((what.to_owned(), verdict.clone()));
        verdict
    }

    fn now(&self) -> Timestamp {
        self.bench.sandbox.now()
    }

    async fn records(&self) -> Vec<ResourceRecordSet> {
        records(&self.bench, &self.zone).await
    }

    async fn is_signed(&self) -> bool {
        let snapshot = self.bench.snapshot(Records::FirstPage, None).await;
        snapshot.dnssec.present().unwrap().signing == "SIGNING"
    }

    async fn evidence(&self, key: &str) -> Option<String> {
        let snapshot = self.bench.snapshot(Records::FirstPage, None).await;
        let journal = snapshot.journal_group.present().unwrap();
        journal.evidence(key).map(str::to_owned)
    }

    /// Never bogus so far.
    fn fine(&self) {
        let seen = self.seen.lock().unwrap();
        for (number, (what, verdict)) in seen.iter().enumerate() {
            assert!(!verdict.is_bogus(), "look {number}, {what}: {verdict:?}");
        }
        assert!(seen.len() > 20, "{} looks", seen.len());
    }
}

#[test]
fn a_zone_in_use_is_signed_with_low_ttls_that_go_back_exactly() {
    run(async {
        let life = Life::open(31).await;
        let bench = &life.bench;
        let before = life.records().await;
        assert_eq!(minimum(&before), "86400");

        // Each apply is a run of its own, on an empty disk; none waits longer than ten minutes.
        let began = life.now();
        let (shown, until) = apply(bench).await;
        assert!(
            shown.contains("ttl of mail.spore.example.edu. MX = 86400 -> 3600"),
            "{shown}"
        );
        let until = until.unwrap();
        assert!(
            until >= after(began, LARGEST) && until <= after(life.now(), LARGEST),
            "{until}"
        );
        let during = life.records().await;
        assert_eq!(ttls(&during), low());
        assert_eq!(minimum(&during), "300");
        let with_old_ttls = |sets: &[ResourceRecordSet]| {
            let mut sets = sets.to_vec();
            sets.retain(|set| *set.r#type() != RrType::Soa);
            for set in &mut sets {
                set.ttl = None;
            }
            sets
        };
        // All else is as it was.
        assert_eq!(with_old_ttls(&during), with_old_ttls(&before));
        life.advance(DAY);
        let (shown, again) = apply(bench).await;
        let until = same(again, until);
        for part in [
            "record sets are lowered for signing the zone",
            "172800 s of spore.example.edu. NS",
            "waits 2 d before it starts",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!life.is_signed().await);
        let gap = Duration::try_from(until.duration_since(life.now())).unwrap();
        life.advance(gap);
        let (_, until) = apply(bench).await;
        assert_eq!(until, None);
        assert!(life.is_signed().await);

        // What is left to wait for is the largest TTL of now: the updater's.
        let ttl = life.evidence(journal_group::EVIDENCE_SIGNED_TTL).await;
        assert_eq!(ttl.as_deref(), Some("7200"));
        let told = bench.plan(&Goal::Converge, None).await.notices.join(" ");
        assert!(told.contains("not before 202"), "{told}");
        life.advance(3 * HOUR);
        let plan = bench.plan(&Goal::Converge, None).await;
        let told = render::plan(&plan, Paint::Plain);
        assert!(!told.contains("not before") && plan.is_empty(), "{told}");
        assert!(
            told.contains("they are put back when every server of the parent zone"),
            "{told}"
        );

        // The parent's people take their time. Meanwhile somebody edits one record and deletes another.
        life.advance(5 * DAY);
        let write = &bench.write;
        let edited = record_set(&name("edited"), RrType::A, 3_600, "192.0.2.99");
        change(write, &life.zone, ChangeAction::Upsert, [edited.clone()]).await;
        life.advance(SETTLED);
        let gone = record_set(&name("gone"), RrType::A, 3_600, "192.0.2.1");
        change(write, &life.zone, ChangeAction::Delete, [gone]).await;
        life.advance(SETTLED);
        publish(bench).await;
        life.advance(HOUR);
        // The parent's NS set has a day.
        let began = life.now();
        let (shown, until) = apply(bench).await;
        let until = until.unwrap();
        assert!(
            until >= after(began, DAY) && until <= after(life.now(), DAY),
            "{until}"
        );
        for part in [
            "ttl of mail.spore.example.edu. MX = 3600 -> 86400",
            "edited.spore.example.edu. A (changed, its TTL was 86400)",
            "gone.spore.example.edu. A (deleted, its TTL was 86400)",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        life.advance(HOUR);
        let until = same(apply(bench).await.1, until);
        let (mut low, is) = (low(), life.records().await);
        low.remove("gone. A");
        assert_eq!(ttls(&is), low);
        let gap = Duration::try_from(until.duration_since(life.now())).unwrap();
        life.advance(gap);
        assert_eq!(apply(bench).await.1, None);

        let mut expected = before;
        expected.retain(|set| set.name() != format!("{}.", name("gone")));
        for set in &mut expected {
            if set.name() == format!("{}.", name("edited")) {
                set.ttl = edited.ttl;
                set.resource_records.clone_from(&edited.resource_records);
            }
        }
        assert_eq!(life.records().await, expected);
        for key in [
            journal_group::EVIDENCE_TTLS,
            journal_group::EVIDENCE_LOWERED,
            journal_group::EVIDENCE_DS_SEEN,
        ] {
            assert_eq!(life.evidence(key).await, None);
        }
        assert_eq!(life.advance(3 * DAY), Verdict::Secure);
        assert_eq!(bench.left_to_do().await, "");
        life.fine();
    });
}

/// A document that changes its mind: what was lowered goes back, before the zone is signed and after it was.
/// What one name server goes on giving out with the old TTLs is waited out as well: the wait counts from when the
/// last of them was seen to have the low ones.
#[test]
fn a_server_that_lags_with_the_low_ttls_is_waited_for() {
    run(async {
        let life = Life::open(33).await;
        let bench = &life.bench;
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let servers = snapshot.hosted_zone.present().unwrap().name_servers(DOMAIN);
        let server = DnsName::parse(&servers[1]).unwrap();
        let lag = Some(dns::Fault::Lag(36 * HOUR));
        let set = bench
            .sandbox
            .with_world(|world, _| world.named_server_fault(&server, lag));
        set.unwrap().unwrap();
        // The run that lowers them, and one on another machine while the server still lags.
        for _ in 0..2 {
            let (_, outcome, told) = bench
                .carry_out_within(&Goal::Converge, Some(Duration::ZERO))
                .await;
            let told = format!("{outcome:?} {told:?}");
            assert_eq!(
                life.evidence(journal_group::EVIDENCE_LOWERED).await,
                None,
                "{told}"
            );
            life.advance(12 * HOUR);
        }
        let (shown, _) = apply(bench).await;
        assert!(
            shown.contains("still answers") && shown.contains(&servers[1]),
            "{shown}"
        );
        life.advance(13 * HOUR);
        let (_, until) = apply(bench).await;
        assert!(
            until.unwrap() > after(life.now(), LARGEST - HOUR),
            "{until:?}"
        );
        life.advance(LARGEST + HOUR);
        assert!(!life.is_signed().await);
        apply(bench).await;
        assert!(life.is_signed().await);
        life.fine();
    });
}

#[test]
fn a_document_that_gives_signing_up_gets_the_ttls_back() {
    run(async {
        let mut life = Life::open(37).await;
        let before = life.records().await;
        assert!(apply(&life.bench).await.1.is_some());
        life.bench.desired = desired("[dnssec]\nenabled = false\n");
        life.advance(HOUR);
        assert_eq!(apply(&life.bench).await.1, None);
        assert_eq!(life.records().await, before);
        assert_eq!(life.evidence(journal_group::EVIDENCE_TTLS).await, None);

        // On again: what was noted of the first time counts for nothing.
        life.bench.desired = desired("");
        life.advance(3 * DAY);
        let began = life.now();
        let (_, until) = apply(&life.bench).await;
        assert!(until.unwrap() >= after(began, LARGEST));
        assert_eq!(ttls(&life.records().await), low());
        life.bench.converge().await;
        assert!(life.is_signed().await);
        life.advance(3 * HOUR);
        publish(&life.bench).await;
        life.advance(HOUR);
        registrar(
            &life.bench,
            RegistrarAction::Withdraw {
                zone: DOMAIN.into(),
                ds_only: true,
            },
        );
        life.advance(HOUR);
        life.bench.desired = desired("[dnssec]\nenabled = false\n");
        life.bench.carry_out(&Goal::Unsign).await;
        assert_eq!(ttls(&life.records().await), low());
        life.advance(SETTLED);
        assert_eq!(apply(&life.bench).await.1, None);
        assert_eq!(life.records().await, before);
        assert_eq!(life.advance(3 * DAY), Verdict::Insecure);
        assert_eq!(life.bench.left_to_do().await, "");
        life.fine();
    });
}

/// Whoever wants the TTLs left alone waits for them as they are.
#[test]
fn a_document_can_have_the_ttls_left_alone() {
    run(async {
        let mut life = Life::open(41).await;
        let before = life.records().await;
        life.bench.desired = desired("[dnssec]\nlower-ttls = false\n");
        assert_eq!(apply(&life.bench).await.1, None);
        assert!(life.is_signed().await);
        assert_eq!(life.records().await, before);
        let ttl = life.evidence(journal_group::EVIDENCE_SIGNED_TTL).await;
        assert_eq!(ttl.as_deref(), Some("172800"));
        life.fine();
    });
}

/// Batches of a thousand values, an edited set counting twice, and events of the journal by the thousand.
#[test]
fn a_large_zone_is_lowered_and_put_back_in_few_calls() {
    const SETS: usize = 2_300;
    run(async {
        let start = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut bench = Bench::open(desired(""), 43, start).await;
        let zone = make_zone(&bench.write).await;
        let sets: Vec<_> = (0..SETS)
            .map(|number| record_set(&name(&format!("h{number}")), RrType::A, 86_400, "192.0.2.1"))
            .collect();
        for some in sets.chunks(1_000) {
            change(&bench.write, &zone, ChangeAction::Create, some.to_vec()).await;
            bench.advance(SETTLED);
        }
        // On the last page of the list.
        let last = name("zz");
        add_record(
            &bench.write,
            &zone,
            &last,
            RrType::A,
            1_000_000,
            "192.0.2.1",
        )
        .await;
        bench.advance(SETTLED);
        registrar(
            &bench,
            RegistrarAction::Delegate {
                zone: DOMAIN.into(),
                name_servers: None,
            },
        );
        bench.advance(HOUR);
        bench.carry_out(&Goal::Adopt).await;
        let all = async |bench: &Bench| {
            let snapshot = bench.snapshot(Records::All, None).await;
            snapshot.hosted_zone.present().unwrap().records.clone()
        };
        let before = all(&bench).await;
        let calls = |bench: &Bench, operation: &str| {
            let recorded = bench.sandbox.recorded();
            let is = |call: &&Recorded| call.operation == operation && call.status == Some(200);
            recorded.iter().filter(is).count()
        };
        let had = calls(&bench, "ChangeResourceRecordSets");
        let wrote = calls(&bench, "PutLogEvents");
        let until = apply(&bench).await.1.unwrap();
        // Nobody keeps anything for longer than a week.
        let least = Duration::from_secs(604_800);
        let start = "2026-11-21T12:00:00Z".parse().unwrap();
        assert!(until > after(start, least) && until < after(start, least + DAY));
        let high = all(&bench).await;
        let high = high.iter().filter(|set| set.ttl_secs > Some(3_600)).count();
        assert_eq!(high, 0);
        // The apex, and 2,300 sets by 500.
        assert_eq!(calls(&bench, "ChangeResourceRecordSets") - had, 6);
        // The sets by 1,000, and the run's history.
        assert_eq!(calls(&bench, "PutLogEvents") - wrote, 4);
        bench.desired = desired("[dnssec]\nenabled = false\n");
        bench.advance(HOUR);
        assert_eq!(apply(&bench).await.1, None);
        assert_eq!(all(&bench).await, before);
    });
}

/// A stack without DNSSEC in a zone in use, and the calls of the two applies that follow.
struct Told {
    /// Before signing is asked for.
    start: Stage,
    /// The zone's records there.
    records: String,
    /// The apply that lowers, waits and signs.
    lowering: Vec<Value>,
    /// With the DS record at the parent.
    vouched: Stage,
    /// The apply that waits and puts back.
    restoring: Vec<Value>,
}

const SIGNED: &str = "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n";

/// Record sets of a stage's zone.
fn stored(stage: &Stage) -> String {
    let live = stage.live().unwrap();
    let zone = live.zones(DOMAIN)[0];
    let sets = &zone["sets"];
    assert!(sets.is_array() || sets.is_object(), "{zone}");
    sets.to_string()
}

fn world(stage: &Stage, arguments: &[&str]) {
    let folder = format!("--sandbox={}", stage.world().display());
    let all = ["sandbox"]
        .iter()
        .chain(arguments)
        .copied()
        .chain([folder.as_str()]);
    stage.run(all.collect::<Vec<_>>()).done("sandbox").unwrap();
}

/// The parent's people publish the DS record when its time has come.
fn vouch(stage: &Stage) {
    world(stage, &["advance", "3h"]);
    by_hand(stage, desired(""), publish);
    world(stage, &["advance", "1h"]);
}

fn told() -> &'static Told {
    static DONE: OnceLock<Told> = OnceLock::new();
    DONE.get_or_init(|| {
        let start = Stage::new();
        by_hand(&start, desired(""), async |bench| {
            make(bench).await;
        });
        world(&start, &["advance", "2d"]);
        start.write("stack.toml", format!("{SIGNED}[dnssec]\nenabled = false\n"));
        start.on_world("adopt", &["--yes"]).done("adopt").unwrap();
        start.apply().done("apply unsigned").unwrap();
        world(&start, &["advance", "1h"]);
        let vouched = Stage::copy_of(&start);
        let lines = vouched.path("lowering.jsonl");
        let run = vouched.apply().env("SPORE_RECORD", &lines);
        run.done("apply").unwrap();
        let lowering = record(&lines);
        vouch(&vouched);
        let lines = start.path("restoring.jsonl");
        let last = Stage::copy_of(&vouched);
        let run = last.apply().env("SPORE_RECORD", &lines);
        run.done("apply again").unwrap();
        last.plan().done("the plan afterwards").unwrap();
        assert_eq!(stored(&last), stored(&start), "all is as it was");
        Told {
            records: stored(&start),
            restoring: record(&lines),
            start,
            lowering,
            vouched,
        }
    })
}

#[test]
fn ttls_are_in_the_journal_before_the_first_is_lowered() {
    let told = told();
    let at = |operation: &str, chosen: &dyn Fn(&Value) -> bool| {
        let calls = told.lowering.iter();
        let index = calls
            .enumerate()
            .position(|(_, call)| call["operation"] == operation && chosen(call));
        index.unwrap_or_else(|| panic!("{operation} is called"))
    };
    let any = |_: &Value| true;
    let tags = |key: &'static str| move |call: &Value| call["input"].to_string().contains(key);
    let order = [
        at("PutLogEvents", &any),
        at("TagResource", &tags(journal_group::EVIDENCE_TTLS)),
        at("ChangeResourceRecordSets", &any),
        at("TagResource", &tags(journal_group::EVIDENCE_LOWERED)),
        at("EnableHostedZoneDNSSEC", &any),
    ];
    assert!(order.is_sorted(), "{order:?}");
    waited(&told.lowering, "EnableHostedZoneDNSSEC").unwrap();
}

fn time(call: &Value) -> Timestamp {
    call["time"].as_str().unwrap().parse().unwrap()
}

/// Between the last change of records and this call the largest TTL ran out.
fn waited(calls: &[Value], until: &str) -> Result<(), String> {
    let is = |operation: &'static str| move |call: &&Value| call["operation"] == operation;
    let end = calls.iter().find(|call| call["operation"] == until);
    let changed = calls
        .iter()
        .filter(is("ChangeResourceRecordSets"))
        .map(time);
    let Some(end) = end.map(time) else {
        return Err(format!("no {until}"));
    };
    match changed.filter(|time| *time < end).max() {
        Some(change) if end >= after(change, LARGEST) => Ok(()),
        Some(change) => Err(format!("{until} at {end}, changed at {change}")),
        None => Ok(()),
    }
}

struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SPORE_SANDBOX_FAULT={}", self.0)
    }
}

/// Death before and after every call that writes, and its answer lost; a read leaves what the write before it left.
fn faults(calls: &[Value]) -> Vec<Fault> {
    let numbered = (1..).zip(calls).filter(|(_, call)| call["wrote"] == true);
    numbered
        .flat_map(|(n, _): (usize, _)| {
            ["crash-before", "crash-after", "lose-answer"].map(|what| Fault(format!("{what}:{n}")))
        })
        .collect()
}

/// One fault in the apply that lowers: the next apply finishes, and all goes back to what it was.
#[test]
fn lowering_survives_a_crash_before_and_after_each_write() {
    let told = told();
    let cases = faults(&told.lowering);
    assert!(cases.len() > 50, "{} cases", cases.len());
    each(&cases, |Fault(fault)| {
        let stage = Stage::copy_of(&told.start);
        let lines = [stage.path("first.jsonl"), stage.path("second.jsonl")];
        stage
            .apply()
            .env("SPORE_RECORD", &lines[0])
            .fault(fault)
            .end()?;
        world(&stage, &["advance", "10min"]);
        let again = stage.apply().env("SPORE_RECORD", &lines[1]);
        again.done("apply again")?;
        let calls: Vec<Value> = lines.iter().flat_map(|path| record(path)).collect();
        waited(&calls, "EnableHostedZoneDNSSEC")?;
        vouch(&stage);
        stage.apply().done("apply with a DS record")?;
        if stored(&stage) != told.records {
            return Err(format!("not as it was: {}", stored(&stage)));
        }
        stage.plan().done("the plan afterwards")?;
        Ok(())
    });
}

#[test]
fn restoring_survives_a_crash_before_and_after_each_write() {
    let told = told();
    let cases = faults(&told.restoring);
    assert!(cases.len() > 20, "{} cases", cases.len());
    each(&cases, |Fault(fault)| {
        let stage = Stage::copy_of(&told.vouched);
        stage.apply().fault(fault).end()?;
        world(&stage, &["advance", "10min"]);
        stage.apply().done("apply again")?;
        if stored(&stage) != told.records {
            return Err(format!("not as it was: {}", stored(&stage)));
        }
        stage.plan().done("the plan afterwards")?;
        Ok(())
    });
}

/// Whoever takes the stack down meanwhile finds the old TTLs in the zone file.
#[test]
fn a_stack_that_is_taken_down_meanwhile_leaves_the_old_ttls_in_its_zone_file() {
    let stage = Stage::copy_of(&told().vouched);
    world(&stage, &["registrar", "withdraw", DOMAIN, "--ds-only"]);
    let destroy = stage.on_world("destroy", &["--yes", "--include-records"]);
    let folder = destroy.work();
    // It leaves that file, so that its folder is not judged.
    let ended = Finished::of(destroy.spawn().wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.tell());
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    let text = fs::read_to_string(file.path()).unwrap();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("mail").contains("86400"), "{text}");
    stage.is_gone().unwrap();
}

/// A zone file has the TTLs of the zone's owners whenever it is written, and putting it back meanwhile raises none.
#[test]
fn a_zone_file_written_meanwhile_has_the_old_ttls_and_restore_leaves_them_low() {
    let export = |stage: &Stage| stage.on_world("export", &[]).done("export").unwrap();
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with(';'));
        lines.map(str::to_owned).collect()
    };
    let before = export(&told().start).stdout;
    let stage = Stage::copy_of(&told().vouched);
    let low = stored(&stage);
    assert_ne!(low, told().records, "they are low");
    let file = export(&stage);
    assert_eq!(lines(&file.stdout), lines(&before));
    let comment =
        "record sets have the TTLs that their owners gave them: in Route 53 they are lowered";
    assert!(file.stdout.contains(comment), "{}", file.stdout);
    assert!(file.stderr.contains(comment), "{}", file.stderr);

    let path = stage.write("records.zone", &file.stdout);
    let sandbox = format!("--sandbox={}", stage.world().display());
    let restore = || {
        let run = stage.run(["restore"]).arg(stage.document()).arg(&path);
        let run = run.arg("--yes").arg("--delete-extra").arg(&sandbox);
        run.done("restore").unwrap()
    };
    let said = restore();
    assert!(said.stdout.contains("No changes."), "{}", said.tell());
    assert!(said.stderr.contains("which are lowered"), "{}", said.tell());
    assert_eq!(stored(&stage), low);
    // So what is lowered goes back in its own time, and to what it was.
    stage.apply().done("apply").unwrap();
    assert_eq!(stored(&stage), told().records);
    assert!(restore().stdout.contains("No changes."));
    assert!(!export(&stage).stdout.contains(comment));
    stage.plan().done("the plan afterwards").unwrap();
}

/// Somebody wrote other servers into the zone's own NS set: one run puts it right, keeps it as it is right, and
/// lowers it.
#[test]
fn an_ns_set_that_others_changed_is_put_right_and_lowered_by_one_apply() {
    let stage = Stage::copy_of(&told().start);
    by_hand(&stage, desired(""), async |bench| {
        let zone = bench.zone_id().await;
        let strange = record_set(DOMAIN, RrType::Ns, 172_800, "ns.elsewhere.example.");
        change(&bench.write, &zone, ChangeAction::Upsert, [strange]).await;
    });
    assert_ne!(stored(&stage), told().records);
    stage.apply().done("apply").unwrap();
    assert_eq!(stored(&stage), stored(&told().vouched));
    vouch(&stage);
    stage.apply().done("apply with a DS record").unwrap();
    assert_eq!(stored(&stage), told().records);
    stage.plan().done("the plan afterwards").unwrap();
}
