//! What AWS would refuse for want of room is told in the plan, before the first write.

#![expect(clippy::unwrap_used, reason = "tests")]

use spore_infra::aws::{Access, Clients};
use spore_infra::target::Target;
use spore_sandbox::Profile;
use spore_sandbox::door::Options;
use spore_tests::bench::run;
use spore_tests::stage::{Stage, open_world, record};

/// Route 53 Developer Guide, "Quotas": hosted zones per account.
const ZONES: usize = 500;

/// Zones of somebody else, as many as asked for.
fn fill(stage: &Stage, count: usize) {
    run(async {
        let options = Options {
            profile: Some(Profile::Instant),
            ..Options::default()
        };
        let sandbox = open_world(&stage.world(), &options);
        let access = Access::Write {
            digest: String::new(),
        };
        let target = Target::Local(sandbox);
        let admin = Clients::connect(&target, "us-east-1", "123456789012", &access).await;
        for number in 0..count {
            let call = admin.route53.create_hosted_zone();
            let call = call.name(format!("zone-{number}.example.org"));
            let call = call.caller_reference(number.to_string());
            call.send().await.unwrap();
        }
    });
}

#[test]
fn an_account_full_of_zones_blocks_before_anything_is_written() {
    let stage = Stage::new();
    fill(&stage, ZONES);
    let lines = stage.path("record.jsonl");
    let told = stage.apply().env("SPORE_RECORD", &lines).end().unwrap();
    assert_eq!(told.code, Some(1), "{}", told.tell());
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(said.contains("as many hosted zones as it may"), "{said}");
    assert!(said.contains("ask AWS for more"), "{said}");
    let wrote = record(&lines).iter().any(|line| line["wrote"] == true);
    assert!(!wrote, "nothing is written");
}

#[test]
fn room_for_one_more_is_enough_and_then_not_asked_for_again() {
    let stage = Stage::new();
    fill(&stage, ZONES - 1);
    stage.apply().done("apply").unwrap();
    let lines = stage.path("record.jsonl");
    let plan = stage.plan().env("SPORE_RECORD", &lines);
    plan.done("the plan afterwards").unwrap();
    let asked = record(&lines)
        .iter()
        .any(|line| line["operation"] == "GetAccountLimit");
    assert!(!asked, "a plan that makes no zone does not ask");
}
