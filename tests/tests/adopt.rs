//! Proves that what others made under the stack's names stays theirs until `adopt` takes it over, that
//! this sets tags and nothing else, that the stack then converges, and that no resolver notices.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use aws_sdk_route53::types::RrType;
use serde_json::{Value, json};
use spore_infra::addr::Kind;
use spore_infra::aws::Clients;
use spore_infra::desired::TAG_STACK;
use spore_infra::kind::hosted_zone::Records;
use spore_infra::kind::{alarm, journal_group, log_group};
use spore_infra::observe::{self, Purpose};
use spore_infra::plan::{self, Goal};
use spore_infra::snapshot::Code;
use spore_sandbox::dns::verdict::{Judge, Verdict};
use spore_sandbox::dns::{DnsName, RegistrarAction};
use spore_tests::bench::{Bench, desired, run};
use spore_tests::by_hand::{self, SETTLED, add_record, make_zone};
use spore_tests::cases::each;
use spore_tests::stage::{DOMAIN, Finished, Run, Stage, record};
use spore_tests::updater;

const ACCOUNT: &str = "123456789012";
const HOUR: Duration = Duration::from_secs(3_600);
/// The text that leads to the command.
const COMMAND: &str = "spore-infra adopt STACK";

/// Somebody works on a stage's world by hand.
fn by_hand(stage: &Stage, work: impl AsyncFnOnce(&Bench)) {
    by_hand::by_hand(stage, desired(""), work);
}

/// A key that could sign a zone, as a script of the time makes it, under an alias.
async fn make_key(write: &Clients, alias: &str) -> String {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")},
         "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"Service": "dnssec-route53.amazonaws.com"},
         "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"], "Resource": "*"},
        {"Effect": "Allow", "Principal": {"Service": "dnssec-route53.amazonaws.com"},
         "Action": "kms:CreateGrant", "Resource": "*",
         "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}]});
    let call = write.kms.create_key().key_spec(KeySpec::EccNistP256);
    let call = call.key_usage(KeyUsageType::SignVerify);
    let made = call.policy(policy.to_string()).send().await.unwrap();
    let arn = made.key_metadata.unwrap().arn.unwrap();
    let call = write.kms.create_alias().alias_name(alias);
    call.target_key_id(&arn).send().await.unwrap();
    arn
}

/// Everything that can be, made by somebody else under the stack's names, and not as the document wants it.
async fn make_all(bench: &Bench) {
    let Bench { write, desired, .. } = bench;
    let zone = make_zone(write).await;
    let www = format!("www.{DOMAIN}");
    add_record(write, &zone, &www, RrType::A, 300, "192.0.2.1").await;
    make_key(write, &desired.key_alias).await;
    let key = write.kms_regional.create_key().send().await.unwrap();
    let call = write.kms_regional.create_alias();
    let call = call.alias_name(desired.logs_key_alias());
    let key = key.key_metadata.unwrap().key_id;
    call.target_key_id(key).send().await.unwrap();
    for group in [
        desired.journal_group(),
        log_group::group_name(desired, log_group::UPDATER),
        log_group::group_name(desired, log_group::API),
    ] {
        let call = write.logs.create_log_group().log_group_name(group);
        call.send().await.unwrap();
    }
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let role = write.iam.create_role().role_name(desired.role_name());
    let role = role.assume_role_policy_document(trust.to_string());
    let role = role.send().await.unwrap().role.unwrap().arn;
    bench.advance(SETTLED);
    let zip = fs::read(updater::stand_in_zip()).unwrap();
    let call = write.lambda.create_function();
    let call = call.function_name(desired.function_name()).role(role);
    let call = call.runtime(Runtime::Providedal2023).handler("bootstrap");
    let code = FunctionCode::builder().zip_file(Blob::new(zip)).build();
    call.code(code).send().await.unwrap();
    let call = write.apigateway.create_rest_api().name(desired.api_name());
    call.send().await.unwrap();
    let first = alarm::addrs(desired).remove(0);
    let call = write.cloudwatch.put_metric_alarm();
    let call = call.alarm_name(format!("{}{}", desired.alarm_prefix(), first.name()));
    let call = call.namespace("AWS/Lambda").metric_name("Errors");
    let call = call.statistic(Statistic::Sum).period(300);
    let call = call.evaluation_periods(1).threshold(5.0);
    let call = call.comparison_operator(ComparisonOperator::GreaterThanThreshold);
    call.send().await.unwrap();
}

/// A world in which all of it is there.
fn strange() -> &'static Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::new();
        by_hand(&stage, make_all);
        stage
    })
}

/// Addresses of what can be adopted there.
const STRANGERS: [&str; 10] = [
    "journal_group/spore.example.edu",
    "hosted_zone/spore.example.edu",
    "kms_key/ksk",
    "logs_key/logs",
    "log_group/api",
    "log_group/updater",
    "role/updater",
    "function/updater",
    "rest_api/updater",
    "alarm/api-5xx",
];

fn adopt(stage: &Stage) -> Run {
    stage.on_world("adopt", &["--yes"])
}

/// Lines of a section of what a plan prints.
fn section<'a>(printed: &'a str, title: &str) -> Vec<&'a str> {
    let lines = printed.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| line.starts_with("  ")).collect()
}

fn writes(lines: &Path) -> Vec<String> {
    let calls = record(lines).into_iter();
    calls
        .filter(|call| call["wrote"] == true)
        .map(|call| format!("{}.{}", call["service"], call["operation"]).replace('"', ""))
        .collect()
}

#[test]
fn what_others_made_blocks_until_it_is_adopted_and_then_converges() {
    let stage = Stage::copy_of(strange());
    let lines = stage.path("record.jsonl");
    // The reader's policy is enough to see it all.
    for command in [stage.plan(), stage.apply()] {
        let told = command
            .env("SPORE_RECORD", &lines)
            .exits(1, "blocked")
            .unwrap();
        let blocked = section(&told.stdout, "Blocked");
        for stranger in STRANGERS {
            let start = format!("  {stranger}: ");
            let said = blocked
                .iter()
                .any(|line| line.starts_with(&start) && line.contains(COMMAND));
            assert!(said, "{stranger}: {blocked:#?}");
        }
        assert_eq!(blocked.len(), STRANGERS.len(), "{blocked:#?}");
    }
    assert_eq!(writes(&lines), [""; 0], "nothing is done to them");

    let lines = stage.path("adopting.jsonl");
    let told = adopt(&stage)
        .env("SPORE_RECORD", &lines)
        .done("adopt")
        .unwrap();
    for stranger in STRANGERS {
        let sign = format!("= {stranger}");
        assert!(
            told.stdout.lines().any(|line| line == sign),
            "{}",
            told.tell()
        );
    }
    assert!(
        told.stdout
            .contains("Plan: 10 to adopt, 0 to add, 0 to change.")
    );
    assert!(told.stdout.contains("console, 2023") && told.stdout.contains("record-sets"));
    let mut made = writes(&lines);
    // The lock, and the history in the journal that is adopted by then.
    made.retain(|call| {
        let around = [
            "CreateLogGroup",
            "DeleteLogGroup",
            "CreateLogStream",
            "PutLogEvents",
        ];
        !around.iter().any(|operation| call.ends_with(operation))
    });
    assert_eq!(made.len(), STRANGERS.len(), "{made:?}");
    assert!(made.iter().all(|call| call.contains("Tag")), "{made:?}");

    // Once is enough.
    let lines = stage.path("again.jsonl");
    let told = adopt(&stage)
        .env("SPORE_RECORD", &lines)
        .done("adopt again")
        .unwrap();
    assert!(told.stdout.contains("Nothing to adopt."), "{}", told.tell());
    assert_eq!(writes(&lines), [""; 0]);

    let told = stage.plan().exits(2, "the plan").unwrap();
    for changed in ["~ role/", "~ function/", "~ rest_api/", "+ ksk/"] {
        let said = told.stdout.lines().any(|line| line.starts_with(changed));
        assert!(said, "{changed}: {}", told.tell());
    }
    stage.apply().done("apply").unwrap();
    stage.is_converged().unwrap();
    let zone = stage.live().unwrap().zones(DOMAIN)[0].to_string();
    assert!(zone.contains("192.0.2.1"), "its records are still there");
}

/// A zone at work that is only not the stack's yet is not gone: nobody is told to take it off the net, nor to
/// delegate to another one.
#[test]
fn nobody_is_sent_to_the_parent_about_a_zone_of_others() {
    let stage = Stage::new();
    by_hand(&stage, async |bench| {
        make_zone(&bench.write).await;
    });
    let folder = format!("--sandbox={}", stage.world().display());
    let registrar = stage.run(["sandbox", "registrar", "delegate", DOMAIN, &folder]);
    registrar.done("delegate").unwrap();
    let silent = |told: &Finished| {
        let said = format!("{}{}", told.stdout, told.stderr);
        let sends = ["have example.edu", "handover", "will have others"];
        assert!(
            !sends.iter().any(|text| said.contains(text)),
            "{}",
            told.tell()
        );
    };
    silent(&stage.plan().exits(1, "the plan").unwrap());
    silent(&stage.destroy().done("destroy of nothing").unwrap());
    let handover = |step: &str| stage.on_world("handover", &["--step", step]);
    let refused = [
        handover("teardown"),
        handover("delegate"),
        handover("ds-add"),
    ];
    for (command, code) in refused.into_iter().map(|run| (run, 4)).chain([
        (stage.on_world("ds", &[]), 1),
        (stage.on_world("ds", &["--check"]), 1),
    ]) {
        let told = command.exits(code, "what is not the stack's").unwrap();
        assert!(told.stderr.contains(COMMAND), "{}", told.tell());
        silent(&told);
    }
}

/// The first call takes nothing over, and any later one leaves what the next run finishes.
#[test]
fn adopting_survives_a_crash_between_any_two_calls() {
    let stage = Stage::copy_of(strange());
    let lines = stage.path("record.jsonl");
    adopt(&stage)
        .env("SPORE_RECORD", &lines)
        .done("adopt")
        .unwrap();
    let calls = record(&lines);
    assert!(calls.len() > 60, "{} calls", calls.len());
    let fault = |(n, call): (usize, &Value)| Fault {
        fault: format!("crash-after:{n}"),
        wrote: call["wrote"] == true,
    };
    // Before a call is after the one that came before it.
    let mut cases = vec![Fault {
        fault: "crash-before:1".to_owned(),
        wrote: false,
    }];
    cases.extend((1..).zip(&calls).map(fault));
    each(&cases, |Fault { fault, wrote }| {
        let stage = Stage::copy_of(strange());
        let died = adopt(&stage).fault(fault).end()?;
        // How many calls a run makes differs by one or two with the speed of the machine.
        if died.signal != Some(9) && died.code != Some(0) {
            return Err(format!("it was to die: {}", died.tell()));
        }
        adopt(&stage).done("adopt again")?;
        stage.plan().exits(2, "the plan, with nothing in its way")?;
        if *wrote {
            stage.apply().done("apply")?;
            stage.is_converged()?;
        }
        Ok(())
    });
}

/// A fault, and whether the call that it strikes writes.
struct Fault {
    fault: String,
    wrote: bool,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SPORE_SANDBOX_FAULT={}", self.fault)
    }
}

#[test]
fn what_is_another_stacks_is_refused_by_its_name() {
    let stage = Stage::copy_of(strange());
    by_hand(&stage, async |bench| {
        let arn = log_group::arn(&bench.desired, log_group::UPDATER);
        let call = bench.write.logs.tag_resource().resource_arn(arn);
        call.tags(TAG_STACK, "lab.example.edu")
            .send()
            .await
            .unwrap();
    });
    let lines = stage.path("record.jsonl");
    let told = adopt(&stage)
        .env("SPORE_RECORD", &lines)
        .exits(4, "adopt")
        .unwrap();
    let refused = section(&told.stdout, "Refused");
    assert!(
        matches!(refused[..], [one] if one.contains("log_group/updater") && one.contains("lab.example.edu")),
        "{}",
        told.tell()
    );
    assert_eq!(writes(&lines), [""; 0]);
    // Nobody asks without a terminal.
    let told = stage.on_world("adopt", &[]).exits(4, "adopt").unwrap();
    assert!(told.stdout.contains("lab.example.edu"));
    let told = Stage::copy_of(strange())
        .on_world("adopt", &[])
        .exits(1, "adopt")
        .unwrap();
    assert!(told.stderr.contains("--yes"), "{}", told.tell());
}

#[test]
fn two_zones_of_one_name_are_not_adopted() {
    let stage = Stage::new();
    by_hand(&stage, async |bench| {
        make_zone(&bench.write).await;
        let call = bench.write.route53.create_hosted_zone().name(DOMAIN);
        call.caller_reference("console, 2024").send().await.unwrap();
    });
    let told = adopt(&stage).exits(4, "adopt").unwrap();
    for part in ["2 public zones", "delete those that nobody needs"] {
        assert!(told.stdout.contains(part), "{part}: {}", told.tell());
    }
    // The parent decides which of them is to go.
    by_hand(&stage, async |bench| {
        let call = bench.read.route53.list_hosted_zones_by_name();
        let zones = call.dns_name(DOMAIN).send().await.unwrap().hosted_zones;
        let used = zones
            .iter()
            .find(|zone| zone.caller_reference == "console, 2024");
        let call = bench.read.route53.get_hosted_zone().id(&used.unwrap().id);
        let servers = call.send().await.unwrap().delegation_set.unwrap();
        let action = RegistrarAction::Delegate {
            zone: DOMAIN.into(),
            name_servers: Some(servers.name_servers),
        };
        let done = bench
            .sandbox
            .with_world(|world, now| world.registrar(now, action));
        done.unwrap().unwrap();
    });
    for run in [
        adopt(&stage).exits(4, "adopt"),
        stage.plan().exits(1, "plan"),
    ] {
        let told = run.unwrap();
        for part in [
            "2023), to which example.edu does not delegate; ",
            "2024), to which example.edu delegates; delete those that the parent does not",
        ] {
            assert!(told.stdout.contains(part), "{part}: {}", told.tell());
        }
    }
}

/// What the judge said, after which change.
type Seen = Arc<Mutex<Vec<(String, Verdict)>>>;

/// The case of spore.host: a zone made by hand, with live records, signed with a key of its own under an
/// alias of its own, and the DS record at the parent.
struct Spore {
    bench: Bench,
    judge: Arc<Mutex<Judge>>,
    seen: Seen,
    zone: String,
    key: String,
}

/// The name that a script gave its key-signing key.
const KSK: &str = "spore_host_ksk";

impl Spore {
    async fn open() -> Self {
        let start = "2026-11-21T12:00:00Z".parse().unwrap();
        let bench = Bench::open(desired(""), 23, start).await;
        let write = &bench.write;
        let zone = make_zone(write).await;
        for (name, rtype, ttl, value) in [
            (DOMAIN.to_owned(), RrType::Txt, 3_600, "\"v=spf1 -all\""),
            (format!("www.{DOMAIN}"), RrType::A, 86_400, "192.0.2.1"),
            (format!("box.1kpqzg2c.{DOMAIN}"), RrType::A, 60, "192.0.2.2"),
        ] {
            add_record(write, &zone, &name, rtype, ttl, value).await;
            bench.advance(SETTLED);
        }
        let key = make_key(write, "alias/spawn-dnssec-spore-example-edu").await;
        *bench.adopts.borrow_mut() = Some(key.clone());
        bench.advance(SETTLED);
        let call = write.route53.create_key_signing_key();
        let call = call.hosted_zone_id(&zone).name(KSK).status("ACTIVE");
        let call = call.key_management_service_arn(&key);
        call.caller_reference("by hand").send().await.unwrap();
        bench.advance(SETTLED);
        let call = write.route53.enable_hosted_zone_dnssec();
        call.hosted_zone_id(&zone).send().await.unwrap();
        bench.advance(SETTLED);
        let judge = Arc::new(Mutex::new(Judge::new(&DnsName::parse(DOMAIN).unwrap())));
        let seen = Seen::default();
        let (watching, saying) = (judge.clone(), seen.clone());
        bench.sandbox.watch(move |what, world, now| {
            let verdict = watching.lock().unwrap().look(world, now);
            saying.lock().unwrap().push((what.to_owned(), verdict));
        });
        let spore = Self {
            bench,
            judge,
            seen,
            zone,
            key,
        };
        spore.registrar(RegistrarAction::Delegate {
            zone: DOMAIN.into(),
            name_servers: None,
        });
        spore.bench.advance(48 * HOUR);
        let call = spore.bench.read.route53.get_dnssec();
        let dnssec = call.hosted_zone_id(&spore.zone).send().await.unwrap();
        let ds = dnssec.key_signing_keys[0].ds_record.clone().unwrap();
        spore.registrar(RegistrarAction::Ds {
            zone: DOMAIN.into(),
            records: vec![ds],
        });
        spore.bench.advance(48 * HOUR);
        assert_eq!(spore.look("made by hand"), Verdict::Secure);
        spore
    }

    fn registrar(&self, action: RegistrarAction) {
        let sandbox = &self.bench.sandbox;
        let done = sandbox.with_world(|world, now| world.registrar(now, action));
        done.unwrap().unwrap();
    }

    fn look(&self, what: &str) -> Verdict {
        let mut judge = self.judge.lock().unwrap();
        let sandbox = &self.bench.sandbox;
        let verdict = sandbox.inspect(|world, now| judge.look(world, now));
        let mut seen = self.seen.lock().unwrap();
        seen.push((what.to_owned(), verdict.clone()));
        verdict
    }

    /// The parent's DS set becomes that of the keys that this chooses.
    async fn publish(&self, is_chosen: impl Fn(&str) -> bool) {
        let snapshot = self.bench.snapshot(Records::FirstPage, None).await;
        let keys = &snapshot.dnssec.present().unwrap().keys;
        let chosen = keys.iter().filter(|key| is_chosen(&key.name));
        self.registrar(RegistrarAction::Ds {
            zone: DOMAIN.into(),
            records: chosen.map(|key| key.ds.clone()).collect(),
        });
        self.bench.advance(30 * HOUR);
    }

    /// Another key in place of the one made by hand, with the parent's people doing their part.
    async fn rotate(&self) {
        self.bench.carry_out(&Goal::Rotate).await;
        self.bench.advance(2 * HOUR);
        self.publish(|_| true).await;
        self.bench.carry_out(&Goal::Rotate).await;
        self.bench.advance(30 * HOUR);
        self.publish(|name| name != KSK).await;
        self.bench.carry_out(&Goal::Rotate).await;
        self.bench.advance(48 * HOUR);
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
fn a_signed_zone_made_by_hand_stays_secure_with_its_own_key_signing_key() {
    run(async {
        let spore = Spore::open().await;
        let bench = &spore.bench;
        let plan = bench.plan(&Goal::Converge, None).await;
        let told = plan.blocked();
        let names = |kind: Kind| {
            told.iter()
                .any(|(addr, why)| addr.kind() == kind && why.contains(COMMAND))
        };
        assert!(names(Kind::HostedZone) && names(Kind::KmsKey), "{told:?}");
        let plan = bench.plan(&Goal::Adopt, None).await;
        let of_key = plan
            .changes
            .iter()
            .find(|change| change.addr.kind() == Kind::KmsKey);
        let right = format!("policy operator --adopt-key {}", spore.key);
        assert!(of_key.unwrap().why.contains(&right), "{of_key:?}");

        let (plan, _) = bench.carry_out(&Goal::Adopt).await;
        let steps: Vec<Kind> = plan.steps.iter().map(|step| step.id.addr.kind()).collect();
        assert_eq!(steps.len(), 2, "{:?}", plan.steps);
        assert!(steps.contains(&Kind::HostedZone) && steps.contains(&Kind::KmsKey));
        assert_eq!(bench.plan(&Goal::Adopt, None).await.steps.len(), 0);

        let plan = bench.converge().await;
        let touched: Vec<&str> = plan
            .steps
            .iter()
            .filter(|step| matches!(step.id.addr.kind(), Kind::Ksk | Kind::ZoneSigning))
            .map(|step| step.id.name)
            .collect();
        assert_eq!(touched, [""; 0], "the key-signing key is as it has to be");
        bench.advance(SETTLED);
        assert_eq!(bench.left_to_do().await, "");
        assert_eq!(bench.zone_id().await, spore.zone);
        assert_eq!(bench.key_arn().await, spore.key);
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let keys = &snapshot.dnssec.present().unwrap().keys;
        assert!(matches!(&keys[..], [key] if key.name == KSK && key.status == "ACTIVE"));

        // It lives on as any other: what resolvers remember has run out, signatures are new, and the key turns.
        for _ in 0..10 {
            bench.advance(24 * HOUR);
            spore.look("days later");
        }
        assert_eq!(spore.look("settled"), Verdict::Secure);
        spore.rotate().await;
        assert_eq!(spore.look("rotated"), Verdict::Secure);
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let keys = &snapshot.dnssec.present().unwrap().keys;
        assert!(matches!(&keys[..], [key] if key.name != KSK), "{keys:?}");
        assert_eq!(bench.left_to_do().await, "");
        let old = bench.read.kms.describe_key().key_id(&spore.key);
        let old = old.send().await.unwrap().key_metadata.unwrap();
        assert!(old.deletion_date.is_some(), "the old key goes as any other");
        spore.fine();
    });
}

/// Route 53 lets one KMS key sign several zones, and the policy of a stack's key names one: who shares it keeps it.
#[test]
fn a_key_that_signs_another_zone_too_is_not_taken_over() {
    run(async {
        let spore = Spore::open().await;
        let (bench, route53) = (&spore.bench, &spore.bench.write.route53);
        let call = route53.create_hosted_zone().name("other.example.org");
        let made = call.caller_reference("console").send().await.unwrap();
        let other = made.hosted_zone.unwrap().id;
        let other = other.trim_start_matches("/hostedzone/");
        bench.advance(SETTLED);
        let call = route53.create_key_signing_key().hosted_zone_id(other);
        let call = call.name("shared").status("ACTIVE");
        let call = call.key_management_service_arn(&spore.key);
        call.caller_reference("by hand").send().await.unwrap();
        bench.advance(SETTLED);
        // As `adopt` itself reads, and not as for a plan that is only shown.
        let adopting = async || {
            let (read, dns, clock) = (&bench.read, &bench.dns, &bench.clock);
            let (code, purpose) = (Code::BuiltAtApply, Purpose::Apply);
            let records = Records::FirstPage;
            let read = observe::snapshot(read, dns, clock, &bench.desired, records, code, purpose);
            plan::adopt(&bench.desired, &read.await.unwrap())
        };
        let plan = adopting().await;
        let refusal = plan.refusals.iter().find(|one| one.rule == "not-adoptable");
        let why = &refusal.expect("it is refused").message;
        assert!(
            why.contains(&spore.key) && why.contains("it also signs other.example.org."),
            "{why}"
        );

        let call = route53.deactivate_key_signing_key().name("shared");
        call.hosted_zone_id(other).send().await.unwrap();
        bench.advance(SETTLED);
        let call = route53.delete_key_signing_key().name("shared");
        call.hosted_zone_id(other).send().await.unwrap();
        bench.advance(SETTLED);
        let plan = adopting().await;
        assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    });
}

/// A run that dies while it takes the old key down leaves it with an alias of its own, and a key-signing
/// key of a name that is not ours: it is still the stack's.
#[test]
fn an_adopted_key_is_the_stacks_to_the_end_of_its_rotation() {
    run(async {
        let spore = Spore::open().await;
        let bench = &spore.bench;
        bench.carry_out(&Goal::Adopt).await;
        bench.converge().await;
        bench.carry_out(&Goal::Rotate).await;
        bench.advance(2 * HOUR);
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let keys = snapshot.dnssec.present().unwrap().keys.clone();
        let new = keys.iter().find(|key| key.name != KSK).unwrap();
        let call = bench.write.kms.update_alias();
        let call = call.alias_name(&bench.desired.key_alias);
        call.target_key_id(&new.kms_arn).send().await.unwrap();
        bench.advance(SETTLED);
        let plan = bench.plan(&Goal::Rotate, None).await;
        assert_eq!(plan.refusals, []);
        let told = format!("{:?}", bench.plan(&Goal::Converge, None).await.report);
        assert!(told.contains("a rotation is under way"), "{told}");
        spore.fine();
    });
}

#[test]
fn of_two_key_signing_keys_the_parent_says_which_is_kept() {
    run(async {
        let spore = Spore::open().await;
        let bench = &spore.bench;
        let other = make_key(&bench.write, "alias/another").await;
        bench.advance(SETTLED);
        let call = bench.write.route53.create_key_signing_key();
        let call = call.hosted_zone_id(&spore.zone).name("aa_second");
        let call = call.key_management_service_arn(&other).status("ACTIVE");
        call.caller_reference("another").send().await.unwrap();
        bench.advance(SETTLED);
        bench.carry_out(&Goal::Adopt).await;
        bench.converge().await;
        assert_eq!(bench.key_arn().await, spore.key);
        let plan = bench.plan(&Goal::Converge, None).await;
        let told = format!("{:?}", plan.report);
        assert!(
            told.contains("aa_second"),
            "the other one is still named: {told}"
        );
        spore.fine();
    });
}

/// A zone that was in use unsigned, whose TTLs are left alone: the DS record waits for the longest of all its
/// records, on whatever page of the list, and however long.
#[test]
fn the_longest_ttl_of_an_adopted_zone_is_waited_out() {
    run(async {
        let start = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut desired = desired("");
        desired.stack.dnssec.lower_ttls = false;
        let bench = Bench::open(desired, 29, start).await;
        let zone = make_zone(&bench.write).await;
        for number in 0..310 {
            let name = format!("h{number}.{DOMAIN}");
            add_record(&bench.write, &zone, &name, RrType::A, 60, "192.0.2.1").await;
            bench.advance(Duration::from_secs(1));
        }
        let last = format!("zz.{DOMAIN}");
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
        let action = RegistrarAction::Delegate {
            zone: DOMAIN.into(),
            name_servers: None,
        };
        let done = bench
            .sandbox
            .with_world(|world, now| world.registrar(now, action));
        done.unwrap().unwrap();
        bench.advance(HOUR);
        bench.carry_out(&Goal::Adopt).await;
        bench.converge().await;
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let journal = snapshot.journal_group.present().unwrap();
        let kept = journal.evidence(journal_group::EVIDENCE_SIGNED_TTL);
        assert_eq!(kept, Some("1000000"));
    });
}

/// Route 53 names the key, whoever tagged it.
#[test]
fn a_key_signing_key_on_another_stacks_key_is_refused() {
    run(async {
        let spore = Spore::open().await;
        let bench = &spore.bench;
        let tag = aws_sdk_kms::types::Tag::builder();
        let tag = tag.tag_key(TAG_STACK).tag_value("lab.example.edu");
        let call = bench.write.kms.tag_resource().key_id(&spore.key);
        call.tags(tag.build().unwrap()).send().await.unwrap();
        bench.advance(SETTLED);
        let plan = bench.plan(&Goal::Adopt, None).await;
        let refusals: Vec<Value> = plan
            .refusals
            .iter()
            .map(|refusal| json!([refusal.addr.kind().word(), refusal.rule]))
            .collect();
        assert_eq!(refusals, [json!(["kms_key", "not-adoptable"])]);
        assert!(plan.refusals[0].message.contains("lab.example.edu"));
    });
}

/// A zone made by hand, signed with a key under an alias of its maker's, adopted and nothing more; and that key.
fn adopted() -> &'static (Stage, String) {
    static DONE: OnceLock<(Stage, String)> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::new();
        let mut made = String::new();
        by_hand(&stage, async |bench| {
            let write = &bench.write;
            let zone = make_zone(write).await;
            let key = make_key(write, "alias/spawn-dnssec-spore-example-edu").await;
            bench.advance(SETTLED);
            let call = write.route53.create_key_signing_key();
            let call = call.hosted_zone_id(&zone).name(KSK).status("ACTIVE");
            let call = call.key_management_service_arn(&key);
            call.caller_reference("by hand").send().await.unwrap();
            bench.advance(SETTLED);
            let call = write.route53.enable_hosted_zone_dnssec();
            call.hosted_zone_id(&zone).send().await.unwrap();
            bench.advance(SETTLED);
            *bench.adopts.borrow_mut() = Some(key.clone());
            bench.carry_out(&Goal::Adopt).await;
            made = key;
        });
        (stage, made)
    })
}

/// Its deletion is scheduled, and nothing else of the stack is there.
fn key_is_going(stage: &Stage, key: &str) -> Result<(), String> {
    let live = stage.live()?;
    let id = key.rsplit('/').next().unwrap();
    let keys = live.signing_keys();
    let found = keys.iter().find(|found| found.to_string().contains(id));
    let is_going = found.is_some_and(|key| key["state"].get("PendingDeletion").is_some());
    let zones = live.zones(DOMAIN).len();
    if is_going && zones == 0 {
        Ok(())
    } else {
        let state = found.map(|key| &key["state"]);
        Err(format!("{zones} zones, and the key is {state:?}"))
    }
}

/// Nothing but the zone's key-signing key says which key is the stack's, and that goes first.
#[test]
fn a_destroy_that_dies_loses_no_adopted_key() {
    let (base, key) = adopted();
    let stage = Stage::copy_of(base);
    let lines = stage.path("record.jsonl");
    let run = stage.destroy().env("SPORE_RECORD", &lines);
    run.done("destroy").unwrap();
    key_is_going(&stage, key).unwrap();
    let calls = record(&lines);
    let going = calls.iter().filter(|call| {
        call["operation"] == "DeleteKeySigningKey" || call["operation"] == "ScheduleKeyDeletion"
    });
    assert_eq!(going.count(), 2, "{calls:?}");
    // Before a call is after the one that came before it.
    let faults: Vec<String> = (1..=calls.len())
        .map(|n| format!("crash-after:{n}"))
        .collect();
    each(&faults, |fault| {
        let stage = Stage::copy_of(base);
        let died = stage.destroy().fault(fault).end()?;
        if died.signal != Some(9) && died.code != Some(0) {
            return Err(format!("it was to die: {}", died.tell()));
        }
        stage.destroy().done("destroy again")?;
        key_is_going(&stage, key)
    });
}

/// The same at the end of a rotation, where the stack's alias is the new key's already.
#[test]
fn a_rotation_that_dies_loses_no_adopted_key() {
    run(async {
        let spore = Spore::open().await;
        let bench = &spore.bench;
        bench.carry_out(&Goal::Adopt).await;
        bench.converge().await;
        bench.carry_out(&Goal::Rotate).await;
        bench.advance(2 * HOUR);
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let keys = snapshot.dnssec.present().unwrap().keys.clone();
        let new = keys.iter().find(|key| key.name != KSK).unwrap();
        let write = &bench.write;
        let call = write.kms.update_alias().target_key_id(&new.kms_arn);
        let call = call.alias_name(&bench.desired.key_alias);
        call.send().await.unwrap();
        spore.publish(|_| true).await;
        spore.publish(|name| name != KSK).await;
        bench.advance(48 * HOUR);
        let call = write.route53.deactivate_key_signing_key().name(KSK);
        call.hosted_zone_id(&spore.zone).send().await.unwrap();
        bench.advance(SETTLED);
        let call = write.route53.delete_key_signing_key().name(KSK);
        call.hosted_zone_id(&spore.zone).send().await.unwrap();
        bench.advance(SETTLED);
        bench.carry_out(&Goal::Rotate).await;
        let old = bench.read.kms.describe_key().key_id(&spore.key);
        let old = old.send().await.unwrap().key_metadata.unwrap();
        assert!(old.deletion_date.is_some(), "the old key goes as any other");
        spore.fine();
    });
}
