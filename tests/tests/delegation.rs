//! Proves that a parent zone in Route 53 gets exactly the records that the zone needs, when it may have
//! them, and that nothing of others is touched there. The parent is a signed hosted zone of the same
//! simulated AWS, made and vouched for before; what resolvers everywhere make of the zone is judged after
//! every change, by a library that knows nothing of Route 53 or of plans.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "delegation/advice.rs"]
mod advice;
#[path = "delegation/outside.rs"]
mod outside;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use serde_json::Value;
use spore_infra::desired::Desired;
use spore_infra::kind::hosted_zone::Records;
use spore_infra::plan::{DestroyOptions, Goal, Plan};
use spore_infra::stack;
use spore_sandbox::dns::verdict::{Judge, Verdict, verdict};
use spore_sandbox::dns::{DnsName, Fault, RegistrarAction};
use spore_sandbox::door::{Options, Sandbox};
use spore_tests::bench::{Bench, run};
use spore_tests::cases::each;
use spore_tests::stage::{DOMAIN, Run, Stage, record};

const PARENT: &str = "example.edu";
const HOUR: Duration = Duration::from_secs(3_600);
const FIRST: &str = "spore_spore_example_edu_1";
const SECOND: &str = "spore_spore_example_edu_2";

fn desired(domain: &str, account: &str, more: &str) -> Desired {
    let text = format!("version = 1\ndomain = \"{domain}\"\naccount = \"{account}\"\n{more}");
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    Desired::of(&stack::parse("stack.toml", &text, &read).unwrap())
}

const ACCOUNT: &str = "123456789012";
/// Another account, which has the parent zone where the document names a role of it.
const OTHER: &str = "210987654321";

fn registrar(sandbox: &Sandbox, action: RegistrarAction) {
    let done = sandbox.with_world(|world, now| world.registrar(now, action));
    done.unwrap().unwrap();
}

/// A signed parent zone in Route 53 that the world uses.
async fn parent(sandbox: &Sandbox, account: &str) -> Bench {
    let bench = Bench::on(sandbox.clone(), desired(PARENT, account, "")).await;
    bench.converge().await;
    let zone = || PARENT.to_owned();
    registrar(
        sandbox,
        RegistrarAction::Delegate {
            zone: zone(),
            name_servers: None,
        },
    );
    // Route 53 signs a zone when its parent names no other servers.
    bench.advance(96 * HOUR);
    bench.converge().await;
    bench.advance(96 * HOUR);
    let snapshot = bench.snapshot(Records::FirstPage, None).await;
    let keys = &snapshot.dnssec.present().unwrap().keys;
    let records = keys.iter().map(|key| key.ds.clone()).collect();
    registrar(
        sandbox,
        RegistrarAction::Ds {
            zone: zone(),
            records,
        },
    );
    bench.advance(96 * HOUR);
    bench
}

/// The stack's name in the parent zone: type, TTL and values of each set.
async fn in_parent(parent: &Bench) -> Vec<(String, i64, Vec<String>)> {
    let zone = parent.zone_id().await;
    let call = parent.read.route53.list_resource_record_sets();
    let page = call.hosted_zone_id(zone).start_record_name(DOMAIN).send();
    let page = page.await.unwrap();
    let sets = page.resource_record_sets.into_iter();
    sets.filter(|set| set.name == format!("{DOMAIN}."))
        .map(|set| {
            let values = set.resource_records.unwrap_or_default().into_iter();
            (
                set.r#type.as_str().to_owned(),
                set.ttl.unwrap(),
                values.map(|record| record.value).collect(),
            )
        })
        .collect()
}

/// Somebody changes the parent zone by hand.
async fn by_hand(parent: &Bench, action: ChangeAction, name: &str, rtype: RrType, value: &str) {
    let record = ResourceRecord::builder().value(value).build().unwrap();
    let set = ResourceRecordSet::builder().name(name).r#type(rtype);
    let set = set.ttl(300).resource_records(record).build().unwrap();
    let change = Change::builder().action(action).resource_record_set(set);
    let batch = ChangeBatch::builder().changes(change.build().unwrap());
    let call = parent.write.route53.change_resource_record_sets();
    let call = call.hosted_zone_id(parent.zone_id().await);
    let call = call.change_batch(batch.build().unwrap());
    call.send().await.unwrap();
    parent.advance(HOUR);
}

/// A document's table for a parent zone that a role of the other account writes.
fn through_role() -> String {
    format!("[delegation]\nparent-role = \"arn:aws:iam::{OTHER}:role/dns\"\n")
}

/// The account of the parent zone lets another one delegate the stack's name in it, and nothing else.
async fn let_in(parent: &Bench, account: &str) {
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
        "Condition": {"StringEquals": {"sts:RoleSessionName": "spore-infra"}}}]});
    let create = parent.write.iam.create_role().role_name("dns");
    let create = create.assume_role_policy_document(trust.to_string());
    create.send().await.unwrap();
    let zone = format!("arn:aws:route53:::hostedzone/{}", parent.zone_id().await);
    let rights = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Resource": "*",
         "Action": ["route53:ListHostedZonesByName", "route53:GetChange"]},
        {"Effect": "Allow", "Resource": zone,
         "Action": ["route53:GetHostedZone", "route53:ListResourceRecordSets"]},
        {"Effect": "Allow", "Resource": zone, "Action": "route53:ChangeResourceRecordSets",
         "Condition": {"ForAllValues:StringEquals": {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [DOMAIN],
            "route53:ChangeResourceRecordSetsRecordTypes": ["NS", "DS"]}}}]});
    let put = parent.write.iam.put_role_policy().role_name("dns");
    let put = put.policy_name("dns").policy_document(rights.to_string());
    put.send().await.unwrap();
    parent.advance(HOUR);
}

/// A world with a signed parent zone of the account.
pub(crate) async fn world() -> (Sandbox, Bench) {
    let options = Options {
        seed: 7,
        start: Some("2026-11-21T12:00:00Z".parse().unwrap()),
        ..Options::default()
    };
    let sandbox = Sandbox::open(None, options).unwrap();
    let parent = parent(&sandbox, ACCOUNT).await;
    (sandbox, parent)
}

fn is_about(plan: &Plan, step: &str) -> bool {
    let id = format!("delegation/{DOMAIN}:{step}");
    plan.steps.iter().any(|step| step.id.to_string() == id)
}

#[test]
fn the_zone_lives_and_dies_in_a_parent_of_the_account_and_no_resolver_fails() {
    run(async {
        let (sandbox, parent) = world().await;
        let mut bench = Bench::on(sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        let name = DnsName::parse(DOMAIN).unwrap();
        let judge = Arc::new(Mutex::new(Judge::new(&name)));
        let seen: Arc<Mutex<Vec<(String, Verdict)>>> = Arc::default();
        let (watching, saying) = (judge.clone(), seen.clone());
        sandbox.watch(move |what, world, now| {
            let concerns = ["by hand", "HostedZone", "KeySigningKey", "ResourceRecord"];
            if concerns.iter().any(|part| what.contains(part)) {
                let verdict = watching.lock().unwrap().look(world, now);
                saying.lock().unwrap().push((what.to_owned(), verdict));
            }
        });
        let look = |what: &str| {
            let verdict = sandbox.inspect(|world, now| judge.lock().unwrap().look(world, now));
            seen.lock()
                .unwrap()
                .push((what.to_owned(), verdict.clone()));
            verdict
        };
        let settle = |bench: &Bench, hours: u32| {
            bench.advance(hours * HOUR);
            look("time passed");
        };

        // A plan that is only shown takes the journal's tags from a list, which lags.
        let go = async |bench: &Bench, goal: Goal| {
            let (plan, _) = bench.carry_out(&goal).await;
            bench.advance(HOUR / 6);
            look("settled");
            plan
        };

        let plan = go(&bench, Goal::Converge).await;
        assert!(is_about(&plan, "delegate"));
        // It was signed before anybody could ask: the DS record waits for nothing.
        let plan = go(&bench, Goal::Converge).await;
        assert!(is_about(&plan, "publish-ds"));
        let sets = in_parent(&parent).await;
        let kinds: Vec<_> = sets
            .iter()
            .map(|(kind, ttl, _)| (kind.as_str(), *ttl))
            .collect();
        assert_eq!(kinds, [("DS", 300), ("NS", 3_600)]);
        settle(&bench, 48);
        assert_eq!(look("secured"), Verdict::Secure);
        assert_eq!(bench.left_to_do().await, "");

        // A rotation, of which every part is ours.
        for step in [None, Some("add-ds"), Some("replace-ds"), None] {
            let plan = go(&bench, Goal::Rotate).await;
            if let Some(step) = step {
                assert!(is_about(&plan, step), "{step}");
            }
        }
        settle(&bench, 48);
        assert_eq!(look("rotated"), Verdict::Secure);
        assert_eq!(bench.left_to_do().await, "");
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let keys = &snapshot.dnssec.present().unwrap().keys;
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].name, SECOND);
        let sets = in_parent(&parent).await;
        assert_eq!(sets[0].2, std::slice::from_ref(&keys[0].ds));

        // One that is given up when both are vouched for.
        go(&bench, Goal::Rotate).await;
        go(&bench, Goal::Rotate).await;
        let plan = go(&bench, Goal::AbortRotation).await;
        assert!(is_about(&plan, "take-back-ds"));
        go(&bench, Goal::AbortRotation).await;
        settle(&bench, 48);
        assert_eq!(look("given up"), Verdict::Secure);
        assert_eq!(bench.left_to_do().await, "");

        // Signing off and on.
        bench.desired = desired(DOMAIN, ACCOUNT, "[dnssec]\nenabled = false\n");
        let plan = go(&bench, Goal::Unsign).await;
        assert!(is_about(&plan, "remove-ds") && plan.steps.len() <= 2);
        go(&bench, Goal::Unsign).await;
        go(&bench, Goal::Converge).await;
        settle(&bench, 48);
        assert_eq!(look("unsigned"), Verdict::Insecure);
        assert_eq!(in_parent(&parent).await.len(), 1);
        bench.desired = desired(DOMAIN, ACCOUNT, "");
        go(&bench, Goal::Converge).await;
        // The wait for unsigned answers is part of the plan.
        let before = bench.clock.now();
        let plan = go(&bench, Goal::Converge).await;
        assert!(is_about(&plan, "publish-ds"));
        assert!(bench.clock.now().duration_since(before).as_hours() >= 40);
        settle(&bench, 48);
        assert_eq!(look("signed again"), Verdict::Secure);

        // Down.
        let destroy = || Goal::Destroy(DestroyOptions::default());
        let plan = go(&bench, destroy()).await;
        assert!(is_about(&plan, "remove-ds") && plan.steps.len() <= 3);
        let before = bench.clock.now();
        let plan = go(&bench, destroy()).await;
        assert!(is_about(&plan, "withdraw"));
        assert_eq!(in_parent(&parent).await, []);
        // Whoever got its servers would answer all who remember its own NS set, which has two days.
        assert!(bench.clock.now().duration_since(before).as_hours() >= 48);
        settle(&bench, 48);
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        for (number, (what, verdict)) in seen.iter().enumerate() {
            assert!(!verdict.is_bogus(), "look {number}, {what}: {verdict:?}");
        }
        assert!(seen.len() > 50, "{} looks", seen.len());
        assert_eq!(
            parent.left_to_do().await,
            "",
            "the parent's own stack is untouched"
        );
    });
}

#[test]
fn what_others_have_in_the_parent_zone_is_never_overwritten() {
    run(async {
        let (sandbox, parent) = world().await;
        let bench = Bench::on(sandbox, desired(DOMAIN, ACCOUNT, "")).await;
        let other = "ns1.elsewhere.example.";
        let blocked = async |part: &str| {
            let before = in_parent(&parent).await;
            let plan = bench.plan(&Goal::Converge, None).await;
            let why = plan.blocked();
            let why = why
                .iter()
                .find(|(addr, _)| addr.to_string().starts_with("delegation/"));
            assert!(
                why.is_some_and(|(_, why)| why.contains(part)),
                "{part}: {:?}",
                plan.report
            );
            let mut steps = plan.steps.iter();
            assert!(!steps.any(|step| step.id.to_string().starts_with("delegation/")));
            assert_eq!(in_parent(&parent).await, before);
        };
        // Before the zone is there, and after.
        let hand = async |action, name: &str, rtype, value| {
            by_hand(&parent, action, name, rtype, value).await;
        };
        hand(ChangeAction::Create, DOMAIN, RrType::Ns, other).await;
        let plan = bench.converge().await;
        assert!(!is_about(&plan, "delegate"));
        blocked("elsewhere").await;
        hand(ChangeAction::Delete, DOMAIN, RrType::Ns, other).await;
        let below = format!("www.{DOMAIN}");
        hand(ChangeAction::Create, &below, RrType::A, "192.0.2.1").await;
        blocked("would hide").await;
        hand(ChangeAction::Delete, &below, RrType::A, "192.0.2.1").await;
        bench.converge().await;
        let ds = format!("12735 13 2 {}", "AB".repeat(32));
        hand(ChangeAction::Create, DOMAIN, RrType::Ds, &ds).await;
        blocked("12735").await;
        hand(ChangeAction::Delete, DOMAIN, RrType::Ds, &ds).await;
        bench.converge().await;
        assert_eq!(in_parent(&parent).await.len(), 2);
        assert_eq!(bench.left_to_do().await, "");
    });
}

#[test]
fn a_delegation_that_leads_elsewhere_is_replaced_by_adopt_alone() {
    run(async {
        let (sandbox, parent) = world().await;
        let bench = Bench::on(sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        let other = "ns1.elsewhere.example.";
        by_hand(&parent, ChangeAction::Create, DOMAIN, RrType::Ns, other).await;
        let judge = Arc::new(Mutex::new(Judge::new(&DnsName::parse(DOMAIN).unwrap())));
        let (watching, seen) = (judge.clone(), Arc::new(Mutex::new(Vec::new())));
        let saying = seen.clone();
        sandbox.watch(move |what, world, now| {
            let verdict = watching.lock().unwrap().look(world, now);
            saying.lock().unwrap().push((what.to_owned(), verdict));
        });
        bench.converge().await;
        bench.advance(HOUR);

        // With a DS record of another key resolvers would take this zone for bogus.
        let ds = format!("12735 13 2 {}", "AB".repeat(32));
        by_hand(&parent, ChangeAction::Create, DOMAIN, RrType::Ds, &ds).await;
        let plan = bench.plan(&Goal::Adopt, None).await;
        assert!(
            matches!(&plan.refusals[..], [one] if one.message.contains("12735")),
            "{:?}",
            plan.refusals
        );
        by_hand(&parent, ChangeAction::Delete, DOMAIN, RrType::Ds, &ds).await;

        let plan = bench.plan(&Goal::Adopt, None).await;
        let change = &plan.changes[0];
        let shown = change
            .fields
            .iter()
            .find(|field| field.name == "NS")
            .unwrap();
        assert_eq!(shown.before.as_deref(), Some(other));
        assert!(
            shown.after.as_ref().unwrap().contains("awsdns"),
            "{shown:?}"
        );
        let before = bench.clock.now();
        let (plan, _) = bench.carry_out(&Goal::Adopt).await;
        assert!(is_about(&plan, "adopt"));
        // Somebody may remember a DS record: its TTL was not seen, so that a day is waited.
        assert!(bench.clock.now().duration_since(before).as_hours() >= 24);
        bench.advance(96 * HOUR);
        assert_eq!(bench.plan(&Goal::Adopt, None).await.steps.len(), 0);

        // Signing waits for the delegation, and the DS record for signing.
        bench.converge().await;
        bench.advance(HOUR);
        bench.converge().await;
        bench.advance(96 * HOUR);
        assert_eq!(bench.left_to_do().await, "");
        assert_eq!(in_parent(&parent).await.len(), 2);
        let verdict = sandbox.inspect(|world, now| judge.lock().unwrap().look(world, now));
        assert_eq!(verdict, Verdict::Secure);
        for (what, verdict) in seen.lock().unwrap().iter() {
            assert!(!verdict.is_bogus(), "{what}: {verdict:?}");
        }
    });
}

#[test]
fn a_parent_that_is_not_the_worlds_or_not_the_only_one_is_left_alone() {
    run(async {
        let (sandbox, parent) = world().await;
        let bench = Bench::on(sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        let create = parent.write.route53.create_hosted_zone();
        let twin = create.name(PARENT).caller_reference("by hand").send();
        let twin = twin.await.unwrap().hosted_zone.unwrap().id;
        bench.advance(HOUR);
        let plan = bench.plan(&Goal::Converge, None).await;
        let told = plan.blocked();
        assert!(
            told.iter().any(|(_, why)| why.contains("2 public zones")),
            "{told:?}"
        );
        parent
            .write
            .route53
            .delete_hosted_zone()
            .id(twin)
            .send()
            .await
            .unwrap();
        bench.advance(HOUR);
        assert!(bench.plan(&Goal::Converge, None).await.blocked().is_empty());
        // The world goes elsewhere in Route 53: today's behaviour, and a warning.
        let servers = ["ns-1.awsdns-00.com", "ns-513.awsdns-00.net"];
        registrar(
            &sandbox,
            RegistrarAction::Delegate {
                zone: PARENT.into(),
                name_servers: Some(servers.map(str::to_owned).to_vec()),
            },
        );
        bench.advance(96 * HOUR);
        let plan = bench.plan(&Goal::Converge, None).await;
        assert!(plan.blocked().is_empty());
        assert!(!is_about(&plan, "delegate"));
    });
}

/// A world with a parent, stored.
fn with_parent() -> &'static Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::new();
        run(async {
            let sandbox = stage.open_world();
            parent(&sandbox, ACCOUNT).await;
        });
        stage
    })
}

/// The same with the stack applied.
fn applied() -> &'static Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::copy_of(with_parent());
        stage.apply().done("apply").unwrap();
        stage
    })
}

/// A world whose parent zone is another account's, which lets this one delegate by a role; and the document
/// that names that role.
fn with_role() -> &'static Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::new();
        run(async {
            let sandbox = stage.open_world();
            let parent = parent(&sandbox, OTHER).await;
            let_in(&parent, ACCOUNT).await;
        });
        let document = std::fs::read_to_string(stage.document()).unwrap();
        stage.write("stack.toml", document + &through_role());
        stage
    })
}

/// The same world and document.
fn again(base: &Stage) -> Stage {
    let stage = Stage::copy_of(base);
    stage.write("stack.toml", std::fs::read(base.document()).unwrap());
    stage
}

/// Whose the parent zone is.
fn of_parent(stage: &Stage) -> &'static str {
    let document = std::fs::read_to_string(stage.document()).unwrap();
    if document.contains("parent-role") {
        OTHER
    } else {
        ACCOUNT
    }
}

/// What a stored world's DNS is worth to a resolver that knows nothing, and what the parent zone holds.
fn state(stage: &Stage) -> (Verdict, Vec<String>) {
    run(async {
        let sandbox = stage.open_world();
        let name = DnsName::parse(DOMAIN).unwrap();
        let verdict = sandbox.inspect(|world, now| verdict(world, now, &name));
        let parent = Bench::on(sandbox, desired(PARENT, of_parent(stage), "")).await;
        let sets = in_parent(&parent).await;
        (verdict, sets.into_iter().map(|(kind, ..)| kind).collect())
    })
}

fn is_secure(stage: &Stage) -> Result<(), String> {
    match state(stage) {
        (Verdict::Secure, sets) if sets == ["DS", "NS"] => stage.plan().done("plan").map(drop),
        other => Err(format!("{other:?}")),
    }
}

fn rotate(stage: &Stage) -> Run {
    let run = stage.run(["ksk", "rotate"]).arg(stage.document());
    run.arg("--yes")
        .arg(format!("--sandbox={}", stage.world().display()))
}

fn keys(stage: &Stage) -> Vec<String> {
    let live = stage.live().unwrap();
    let zones = live.zones(DOMAIN);
    let ksks = zones.iter().filter_map(|zone| zone["ksks"].as_object());
    ksks.flat_map(|ksks| ksks.keys().cloned()).collect()
}

/// `crash-after` each write of a recorded run to the zones, the keys, the journal or the lock. Those to the rest of
/// the stack are in the tests of crashes.
fn crashes(lines: &[Value]) -> Vec<String> {
    let concerns = |line: &Value| {
        ["route53", "kms", "logs"]
            .iter()
            .any(|one| line["service"] == *one)
    };
    let writes = lines
        .iter()
        .zip(1..)
        .filter(|(line, _)| line["wrote"] == true && concerns(line));
    writes.map(|(_, n)| format!("crash-after:{n}")).collect()
}

/// Runs a command to its end, then once for each of its writes, with a death after it.
fn with_every_crash(
    base: &Stage,
    command: impl Fn(&Stage) -> Run + Sync,
    check: impl Fn(&Stage) -> Result<(), String> + Sync,
) {
    with_crashes(1, base, command, check);
}

/// The same for one in so many writes, where [`outside`] has all that decide anything in DNS.
fn with_crashes(
    one_in: usize,
    base: &Stage,
    command: impl Fn(&Stage) -> Run + Sync,
    check: impl Fn(&Stage) -> Result<(), String> + Sync,
) {
    let chosen = |lines: &[Value]| {
        let faults: Vec<String> = crashes(lines).into_iter().step_by(one_in).collect();
        assert!(faults.len() > 8, "{} writes", faults.len());
        faults
    };
    with_faults(chosen, base, command, check);
}

/// Runs a command to its end, then once for each of the deaths that are chosen by its calls.
fn with_faults(
    chosen: impl Fn(&[Value]) -> Vec<String>,
    base: &Stage,
    command: impl Fn(&Stage) -> Run + Sync,
    check: impl Fn(&Stage) -> Result<(), String> + Sync,
) {
    let stage = again(base);
    let lines = stage.path("record.jsonl");
    command(&stage)
        .env("SPORE_RECORD", &lines)
        .done("at once")
        .unwrap();
    check(&stage).unwrap();
    let faults = chosen(&record(&lines));
    each(&faults, |fault| {
        let stage = again(base);
        let is_fine = |when: &str| match state(&stage) {
            (verdict, _) if verdict.is_bogus() => Err(format!("{when}: {verdict:?}")),
            _ => Ok(()),
        };
        command(&stage).fault(fault).dies("the first run")?;
        is_fine("after the crash")?;
        // What was written may not be on every server yet: then the next run stops short of what builds on it.
        command(&stage).end()?;
        is_fine("after the next run")?;
        let hour = stage.run(["sandbox", "advance", "1h"]);
        let hour = hour.arg(format!("--sandbox={}", stage.world().display()));
        hour.done("advance")?;
        // A rotation that is over is not begun again on the same day. Whoever applies next removes its lock.
        let last = command(&stage).end()?;
        match last.code {
            Some(0) => {}
            Some(4) if last.stdout.contains("less than a day ago") => {
                stage.apply().done("apply after the rotation")?;
            }
            _ => return Err(format!("the last run: {}", last.tell())),
        }
        check(&stage)
    });
}

#[test]
fn one_apply_makes_the_zone_found_and_secure_whatever_write_it_dies_after() {
    with_every_crash(with_parent(), Stage::apply, is_secure);
}

#[test]
fn one_rotation_goes_through_wherever_it_dies() {
    let is_rotated = |stage: &Stage| {
        is_secure(stage)?;
        match &keys(stage)[..] {
            // Over but for its lock when it died: the next run was another rotation.
            [one] if one == SECOND || one == FIRST => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    let stage = Stage::copy_of(applied());
    rotate(&stage).done("rotate").unwrap();
    assert_eq!(keys(&stage), [SECOND]);
    with_crashes(3, applied(), rotate, is_rotated);
}

#[test]
fn one_destroy_takes_the_delegation_out_whatever_write_it_dies_after() {
    with_every_crash(applied(), Stage::destroy, |stage| match state(stage) {
        (_, sets) if sets.is_empty() && keys(stage).is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Deaths after the calls by the role of the parent's account: after each write, which are all the states its
/// zone can be left in, and after the first read, when the role was just taken on. (Before a write is after the
/// call that came before it; those of this account are in the runs above.)
fn around_the_role(lines: &[Value]) -> Vec<String> {
    let by_role = || {
        (1..)
            .zip(lines)
            .filter(|(_, line)| line["account"] == OTHER)
    };
    let writes = by_role().filter(|(_, line)| line["wrote"] == true);
    let mut deaths: Vec<usize> = writes.map(|(n, _)| n).collect();
    assert_eq!(deaths.len(), 2, "the NS set and the DS set, or two DS sets");
    deaths.extend(by_role().map(|(n, _)| n).next());
    let faults = deaths.into_iter();
    faults.map(|n| format!("crash-after:{n}")).collect()
}

#[test]
fn a_parent_in_another_account_is_left_in_no_bad_state_wherever_a_run_dies() {
    let applied = again(with_role());
    applied.apply().done("apply").unwrap();
    with_faults(around_the_role, with_role(), Stage::apply, is_secure);
    with_faults(around_the_role, &applied, rotate, |stage| {
        is_secure(stage)?;
        match &keys(stage)[..] {
            [one] if one == SECOND || one == FIRST => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    with_faults(
        around_the_role,
        &applied,
        Stage::destroy,
        |stage| match state(stage) {
            (_, sets) if sets.is_empty() && keys(stage).is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
}

#[test]
fn an_unchanged_plan_asks_nothing_more() {
    let stage = Stage::copy_of(applied());
    let lines = stage.path("record.jsonl");
    stage
        .plan()
        .env("SPORE_RECORD", &lines)
        .done("plan")
        .unwrap();
    let calls = record(&lines);
    assert!(of(&calls, "route53") <= 5 && calls.len() <= 32, "{calls:?}");
}

/// A plan that is kept to be applied reads what a plan that is only shown leaves out, as the README counts it.
#[test]
fn a_plan_that_is_kept_reads_nine_times_more() {
    let stage = Stage::copy_of(applied());
    let asked = |name: &str, more: &[&str]| {
        let lines = stage.path(name);
        let plan = stage.on_world("plan", more).env("SPORE_RECORD", &lines);
        plan.done("plan").unwrap();
        record(&lines)
    };
    let shown = asked("shown.jsonl", &[]);
    let file = stage.path("kept.plan").display().to_string();
    let kept = asked("kept.jsonl", &["--out", &file]);
    let more = |service| of(&kept, service) - of(&shown, service);
    assert_eq!(
        (more("logs"), more("lambda"), more("iam"), more("route53")),
        (3, 2, 4, 0)
    );
    assert_eq!(kept.len(), shown.len() + 9);
}

fn of(calls: &[Value], service: &str) -> usize {
    let calls = calls.iter();
    calls.filter(|line| line["service"] == service).count()
}

/// While something is to be written there, the parent zone is looked for, looked at, and its records are read;
/// and the journal's evidence, of which lists may be late.
#[test]
fn a_parent_that_lacks_something_costs_four_calls_more() {
    let stage = Stage::copy_of(applied());
    run(async {
        let sandbox = stage.open_world();
        let parent = Bench::on(sandbox, desired(PARENT, ACCOUNT, "")).await;
        let sets = in_parent(&parent).await;
        let (_, _, ds) = sets.iter().find(|(kind, ..)| kind == "DS").unwrap();
        by_hand(&parent, ChangeAction::Delete, DOMAIN, RrType::Ds, &ds[0]).await;
    });
    let lines = stage.path("record.jsonl");
    let plan = stage.plan().env("SPORE_RECORD", &lines);
    let told = plan.exits(2, "plan").unwrap().stdout;
    assert!(told.contains("it writes into another zone"), "{told}");
    let calls = record(&lines);
    assert!(
        of(&calls, "route53") <= 5 + 3 && calls.len() <= 32 + 4,
        "{calls:?}"
    );
}

/// What a plan says that is not to be carried out.
fn refused(stage: &Stage) -> String {
    let told = stage.plan().exits(1, "plan").unwrap();
    // Lines are broken for people.
    let text = format!("{} {}", told.stdout, told.stderr);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn who_cannot_go_on_is_told_where_and_what_to_do() {
    let edited = |base: &Stage, name: &str, rtype: RrType, value: &str| {
        let stage = Stage::copy_of(base);
        run(async {
            let sandbox = stage.open_world();
            let parent = Bench::on(sandbox, desired(PARENT, ACCOUNT, "")).await;
            by_hand(&parent, ChangeAction::Create, name, rtype, value).await;
        });
        stage
    };
    let www = format!("www.{DOMAIN}");
    let stale = format!("12735 13 2 {}", "AB".repeat(32));
    let cases = [
        (DOMAIN, RrType::Ds, &stale[..], "delete it and apply again"),
        (
            &www,
            RrType::A,
            "192.0.2.1",
            "move them into the zone spore.example.edu or delete them",
        ),
    ];
    for (name, rtype, value, remedy) in cases {
        let told = refused(&edited(with_parent(), name, rtype, value));
        for part in ["zone example.edu (Z", "of this account", value, remedy] {
            let is_shown = told.contains(part) || part == "192.0.2.1" && told.contains(&www);
            assert!(is_shown, "{part}: {told}");
        }
    }
    // Two zones of the parent's name, of which DNS shows one.
    let stage = Stage::copy_of(with_parent());
    run(async {
        let sandbox = stage.open_world();
        let parent = Bench::on(sandbox, desired(PARENT, ACCOUNT, "")).await;
        let create = parent.write.route53.create_hosted_zone();
        create
            .name(PARENT)
            .caller_reference("by hand")
            .send()
            .await
            .unwrap();
        parent.advance(HOUR);
    });
    let told = refused(&stage);
    for part in [
        "2 public zones of this account are named example.edu",
        "to which DNS leads",
        "to which it does not",
        "delete those that nobody uses",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // A role that nobody made.
    let stage = Stage::copy_of(with_parent());
    let document = std::fs::read_to_string(stage.document()).unwrap();
    stage.write("stack.toml", document + &through_role());
    let told = refused(&stage);
    for part in [
        "sts:AssumeRole",
        ":role/dns",
        "trusts whoever runs this",
        "example.edu",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for noise in ["unhandled", "aws_request_id", "have example.edu delegate"] {
        assert!(!told.contains(noise), "{noise}: {told}");
    }
}

#[test]
fn a_parent_in_another_account_is_written_by_the_role_of_the_document() {
    run(async {
        let options = Options {
            start: Some("2026-11-21T12:00:00Z".parse().unwrap()),
            ..Options::default()
        };
        let sandbox = Sandbox::open(None, options).unwrap();
        let parent = parent(&sandbox, OTHER).await;
        let bench = Bench::on(sandbox, desired(DOMAIN, ACCOUNT, &through_role())).await;
        // A role that cannot be taken on says nothing about the parent.
        let plan = bench.plan(&Goal::Converge, None).await;
        let told = plan.blocked();
        assert!(
            told.iter().any(|(_, why)| why.contains("not known")),
            "{told:?}"
        );
        let_in(&parent, ACCOUNT).await;
        bench.advance(HOUR);
        bench.converge().await;
        bench.converge().await;
        assert_eq!(in_parent(&parent).await.len(), 2);
        assert_eq!(bench.left_to_do().await, "");
        let destroy = Goal::Destroy(DestroyOptions::default());
        bench.carry_out(&destroy).await;
        bench.advance(HOUR);
        bench.carry_out(&destroy).await;
        assert_eq!(in_parent(&parent).await, []);
    });
}

/// A server of a zone hears of nothing for a month.
fn lag(stage: &Stage, zone: &str) {
    run(async {
        let sandbox = stage.open_world();
        let bench = Bench::on(sandbox.clone(), desired(zone, ACCOUNT, "")).await;
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        let servers = snapshot.hosted_zone.present().unwrap().name_servers(zone);
        let server = DnsName::parse(&servers[0]).unwrap();
        let month = Some(Fault::Lag(720 * HOUR));
        let done = sandbox.with_world(|world, _| world.named_server_fault(&server, month));
        done.unwrap().unwrap();
    });
}

/// Who comes to a step of ours that has to wait for a server of somebody's is not told that all is done.
#[test]
fn a_server_that_lags_ends_each_command_with_3() {
    let waits = |run: Run, what: &str, part: &str| {
        let told = run.exits(3, what).unwrap().tell();
        assert!(told.contains(part), "{what}: {told}");
    };
    // The parent's, which goes on showing the DS set that was.
    let stage = Stage::copy_of(applied());
    lag(&stage, PARENT);
    waits(rotate(&stage), "rotate", "run this again in a minute");
    assert_eq!(keys(&stage), [FIRST, SECOND]);
    let stage = Stage::copy_of(applied());
    lag(&stage, PARENT);
    waits(stage.destroy(), "destroy", "run this again in a minute");
    assert_eq!(keys(&stage), [FIRST]);
    // The zone's, which does not hear that it is signed.
    let stage = Stage::copy_of(with_parent());
    let document = std::fs::read_to_string(stage.document()).unwrap();
    let unsigned = document.clone() + "[dnssec]\nenabled = false\n";
    stage.write("stack.toml", unsigned);
    stage.apply().done("apply").unwrap();
    lag(&stage, DOMAIN);
    stage.write("stack.toml", document);
    waits(stage.apply(), "apply", "does not serve");
    let json = stage.apply().arg("--json");
    waits(json, "apply --json", "does not serve");
    assert_eq!(state(&stage), (Verdict::Insecure, vec!["NS".to_owned()]));
    let told = stage.plan().exits(2, "plan").unwrap().tell();
    assert!(told.contains("has to wait"), "{told}");
}

/// Somebody takes what the parent zone has of these types out by hand.
fn without(base: &Stage, kinds: &[&str]) -> Stage {
    let stage = Stage::copy_of(base);
    run(async {
        let sandbox = stage.open_world();
        let parent = Bench::on(sandbox, desired(PARENT, ACCOUNT, "")).await;
        let sets = in_parent(&parent).await;
        for (kind, ttl, values) in sets.iter().filter(|(kind, ..)| kinds.contains(&&**kind)) {
            let records = values
                .iter()
                .map(|value| ResourceRecord::builder().value(value).build().unwrap());
            let set = ResourceRecordSet::builder().name(DOMAIN).ttl(*ttl);
            let set = set.r#type(kind.as_str().into());
            let set = set.set_resource_records(Some(records.collect()));
            let change = Change::builder().action(ChangeAction::Delete);
            let change = change.resource_record_set(set.build().unwrap()).build();
            let batch = ChangeBatch::builder().changes(change.unwrap()).build();
            let call = parent.write.route53.change_resource_record_sets();
            let call = call.hosted_zone_id(parent.zone_id().await);
            call.change_batch(batch.unwrap()).send().await.unwrap();
        }
        parent.advance(96 * HOUR);
    });
    stage
}

/// Nobody is asked for what a command does; the records are there all the same.
#[test]
fn texts_ask_nobody_where_the_parent_is_ones_own() {
    let told = |stage: &Stage, step: &str, command: &str| {
        let run = stage.on_world("handover", &["--step", step, "--format", "json"]);
        let text = run.done(step).unwrap().stdout;
        let ticket: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(ticket["command"], command, "{step}: {text}");
        assert!(!ticket["records"].as_array().unwrap().is_empty(), "{text}");
        let run = stage.on_world("handover", &["--step", step]);
        let text = run.done(step).unwrap().stdout;
        for part in ["Nobody has to be asked", "zone example.edu (Z", command] {
            assert!(text.contains(part), "{step}: {part}: {text}");
        }
        for noise in ["the people who run", "Contacts", "ticket"] {
            assert!(!text.contains(noise), "{step}: {noise}: {text}");
        }
    };
    let no_ds = without(applied(), &["DS"]);
    let no_ns = without(&no_ds, &["NS"]);
    told(&no_ns, "delegate", "spore-infra apply");
    told(&no_ds, "ds-add", "spore-infra apply");
    told(applied(), "ds-remove", "spore-infra destroy");
    told(&no_ds, "teardown", "spore-infra destroy");
    // The records alone go to standard output, as everywhere.
    let ds = no_ds
        .on_world("ds", &["--format", "bind"])
        .done("ds")
        .unwrap();
    assert!(
        ds.stdout.contains(" IN DS ") && !ds.stdout.contains("asked"),
        "{}",
        ds.tell()
    );
    assert!(
        ds.stderr.contains("`spore-infra apply` does it"),
        "{}",
        ds.tell()
    );
    // What has to wait is waited for by a command, too.
    let early = no_ns.on_world("handover", &["--step", "ds-add"]);
    let early = early.exits(3, "ds-add").unwrap().stderr;
    assert!(early.contains("`spore-infra apply` does it"), "{early}");

    // A record that is not the stack's is taken out by hand, in that zone.
    let stage = Stage::copy_of(&no_ds);
    let stale = format!("12735 13 2 {}", "AB".repeat(32));
    run(async {
        let sandbox = stage.open_world();
        let parent = Bench::on(sandbox, desired(PARENT, ACCOUNT, "")).await;
        by_hand(&parent, ChangeAction::Create, DOMAIN, RrType::Ds, &stale).await;
    });
    let run = stage.on_world("handover", &["--step", "ds-remove"]);
    let text = run.done("ds-remove").unwrap().stdout;
    for part in [
        "whoever may change zone example.edu (Z",
        &stale,
        "then run `spore-infra apply`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
