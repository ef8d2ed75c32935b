//! What `spore-infra policy` prints is enough for what the tool does, and nothing of it is too much.
//!
//! Every test of `plan` and `apply` runs under these policies (see `Stage`), so that what is missing
//! fails there. Here the other half: the real binary makes, keeps and takes down stacks, the sandbox
//! records what each call needed, and every single action of every statement is taken away in turn. Some
//! recorded call must then be refused by the sandbox's own evaluation, which shares nothing with the
//! tool. The same goes for every resource.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use serde_json::{Value, json};
use spore_infra::aws::{Access, Clients};
use spore_infra::desired::Desired;
use spore_infra::principal::{self, Grant, Principal};
use spore_infra::target::Target;
use spore_sandbox::Need;
use spore_sandbox::door::Sandbox;
use spore_sandbox::policy::{Kind, Policy, Principal as Caller, Question};
use spore_tests::bench::{desired_of, run};
use spore_tests::stage::{DOCUMENT, Finished, Stage, record};

/// A document that has what can be had.
const FULL: &str = r#"
version = 1
domain  = "spore.example.edu"
account = "123456789012"
region  = "eu-central-1"
[iam]
permissions-boundary = "arn:aws:iam::123456789012:policy/limit"
[logs]
queries = true
[api]
allow-from = ["192.0.2.0/24"]
"#;

/// Granted, and asked for only when somebody changed something by hand: statement, and how the action or
/// resource begins. The judge `drift.py` runs under
/// these very policies, makes such changes and wants each taken back: without the action it fails.
const IN_DRIFT: [(&str, &str); 36] = [
    ("ReadReleases", "lambda:GetPolicy"),
    ("ReadReleases", "arn:aws:lambda:"),
    ("ChangeLogs", "logs:DeleteDataProtectionPolicy"),
    ("ChangeLogs", "logs:DeleteSubscriptionFilter"),
    ("ChangeZone", "route53:UpdateHostedZoneComment"),
    ("ChangeOwnApi", "apigateway:PATCH"),
    ("ChangeKeys", "kms:TagResource"),
    ("ChangeStages", "apigateway:DELETE"),
    ("ChangeStages", "apigateway:PATCH"),
    ("ChangeStages", "arn:aws:apigateway:"),
    ("ChangeKeys", "kms:CancelKeyDeletion"),
    ("ChangeKeys", "kms:RevokeGrant"),
    ("KeepNamedKeys", "kms:"),
    ("KeepNamedKeys", "arn:aws:kms:"),
    ("ChangeKeys", "kms:UpdateAlias"),
    ("NameKeys", "kms:UpdateAlias"),
    ("SetKeyPolicy", "kms:PutKeyPolicy"),
    ("SetKeyPolicy", "arn:aws:kms:"),
    ("UnboundRole", "arn:aws:iam:"),
    ("SetApiPolicy", "arn:aws:apigateway:us-east-1:"),
    (
        "SetApiPolicy",
        "arn:aws:apigateway:eu-central-1::/restapis/*",
    ),
    ("TagApi", "apigateway:PUT"),
    ("TagApi", "arn:aws:apigateway:"),
    ("ChangeLogs", "logs:AssociateKmsKey"),
    ("ChangeRole", "iam:DetachRolePolicy"),
    ("SetRolePolicy", "iam:UpdateAssumeRolePolicy"),
    ("ChangeRole", "iam:UpdateRole"),
    ("UnboundRole", "iam:DeleteRolePermissionsBoundary"),
    ("RemoveFunction", "lambda:DeleteAlias"),
    ("RemoveFunction", "lambda:DeleteFunctionUrlConfig"),
    ("RemoveFunction", "arn:aws:lambda:"),
    // Where the account has none to reserve: the test `others`.
    ("ChangeFunction", "lambda:DeleteFunctionConcurrency"),
    ("ChangeFunction", "lambda:RemovePermission"),
    ("ChangeFunction", "lambda:TagResource"),
    ("ChangeFunction", "lambda:UpdateFunctionCode"),
    ("ChangeFunction", "lambda:UpdateFunctionConfiguration"),
];

/// Granted, and asked for only after a run that was cut off, while lists lag, or by another document.
/// The tests `crash`, `scenarios` and `ttls` run under these policies.
const IN_RECOVERY: [(&str, &str); 9] = [
    // What the TTLs of an adopted zone were: the test `ttls`.
    ("ReadJournal", "logs:GetLogEvents"),
    ("ReadJournal", "arn:aws:logs:"),
    // What an interrupted run wrote into its lock.
    ("ChangeLogs", "logs:DescribeLogStreams"),
    // A zone that the journal remembers and the list does not show yet.
    ("ReadRecords", "route53:GetHostedZone"),
    // Tags that the tagging API does not show yet.
    ("ReadKeys", "kms:ListResourceTags"),
    ("ReadFunction", "lambda:ListTags"),
    ("ReadAlarmTags", "arn:aws:cloudwatch:"),
    // `[logs] encrypt` switched off later.
    ("ChangeLogs", "logs:DisassociateKmsKey"),
    // Evidence that is out of date.
    ("ChangeLogs", "logs:UntagResource"),
];

/// Everything that a story's calls needed, and were allowed.
fn needed(lines: &Path) -> Vec<Need> {
    let mut seen: Vec<Need> = Vec::new();
    for line in record(lines) {
        let code = line["error"].as_str().unwrap_or_default();
        assert!(!code.contains("Denied"), "refused: {line}");
        let needs: Vec<Need> = serde_json::from_value(line["needs"].clone()).unwrap();
        for need in needs {
            if !seen.contains(&need) {
                seen.push(need);
            }
        }
    }
    seen
}

fn parsed(policy: &Value) -> Policy {
    Policy::parse_as(Kind::Identity, &policy.to_string()).unwrap()
}

fn allowed(policy: &Policy, need: &Need) -> bool {
    let question = Question {
        principal: Caller::Identity {
            account: "123456789012",
            arn: "arn:aws:iam::123456789012:user/somebody",
        },
        action: &need.action,
        resource: &need.resource,
        context: &need.context,
    };
    policy.judge(&question).is_allowed()
}

/// The grants as a policy with one statement changed; left out when nothing is left of it.
fn without(grants: &[Grant], at: usize, member: &str, value: &str) -> Value {
    let mut statements: Vec<Value> = grants.iter().map(|grant| grant.statement.clone()).collect();
    let list = statements[at][member].as_array();
    let rest = list.into_iter().flatten().filter(|one| *one != value);
    let rest: Vec<Value> = rest.cloned().collect();
    if rest.is_empty() {
        statements.remove(at);
    } else {
        statements[at][member] = json!(rest);
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The life of a stack, recorded: made, planned again, taken down with everything.
fn life(document: &str, prepare: impl Fn(&Stage)) -> (Vec<Need>, Vec<Need>) {
    let stage = Stage::new();
    stage.write("stack.toml", document);
    prepare(&stage);
    let (reads, writes) = (stage.path("reads.jsonl"), stage.path("writes.jsonl"));
    let all = |path: &PathBuf| path.display().to_string();
    let plan = || stage.plan().env("SPORE_RECORD", all(&reads));
    plan().exits(2, "the plan from empty").unwrap();
    let apply = || stage.apply().env("SPORE_RECORD", all(&writes));
    apply().done("apply").unwrap();
    plan().done("the plan afterwards").unwrap();
    meddle(&stage, &desired_of(document));
    apply().done("apply takes back").unwrap();
    // It leaves the file of the records that it deletes, so that its folder is not judged.
    let arguments = ["--yes", "--include-records", "--delete-logs"];
    let destroy = stage.on_world("destroy", &arguments);
    let destroy = destroy.env("SPORE_RECORD", all(&writes)).spawn();
    let destroy = Finished::of(destroy.wait_with_output().unwrap());
    assert_eq!(destroy.code, Some(0), "{}", destroy.tell());
    (needed(&reads), needed(&writes))
}

/// Clients of an administrator who works by hand on a stage's world.
async fn administrator(stage: &Stage, desired: &Desired) -> (Sandbox, Clients) {
    let sandbox = stage.open_world();
    let target = Target::Local(sandbox.clone());
    let access = Access::Write {
        digest: String::new(),
    };
    let clients = Clients::connect(&target, &desired.region, &desired.account, &access).await;
    (sandbox, clients)
}

/// Changes that an apply takes back, the key disabled and the role's boundary taken off, and a record
/// that a destroy has to delete.
fn meddle(stage: &Stage, desired: &Desired) {
    run(async {
        let (sandbox, admin) = administrator(stage, desired).await;
        // The list of zones lags behind a quick apply.
        sandbox.advance(Duration::from_secs(600)).unwrap();
        let key = admin.kms.describe_key().key_id(&desired.key_alias);
        let key = key.send().await.unwrap().key_metadata.unwrap().key_id;
        admin.kms.disable_key().key_id(key).send().await.unwrap();
        let zones = admin.route53.list_hosted_zones_by_name();
        let zones = zones.dns_name(&desired.domain).send().await.unwrap();
        let record = ResourceRecord::builder()
            .value("192.0.2.1")
            .build()
            .unwrap();
        let set = ResourceRecordSet::builder()
            .name(format!("somebody.{}", desired.domain))
            .r#type(RrType::A)
            .ttl(60)
            .resource_records(record);
        let change = Change::builder()
            .action(ChangeAction::Create)
            .resource_record_set(set.build().unwrap());
        let batch = ChangeBatch::builder().changes(change.build().unwrap());
        let call = admin.route53.change_resource_record_sets();
        let call = call.hosted_zone_id(zones.hosted_zones[0].id());
        let call = call.change_batch(batch.build().unwrap());
        call.send().await.unwrap();
        if desired.stack.iam.permissions_boundary.is_some() {
            let call = admin.iam.delete_role_permissions_boundary();
            call.role_name(desired.role_name()).send().await.unwrap();
        }
        // Whatever lags behind has arrived.
        sandbox.advance(Duration::from_secs(600)).unwrap();
    });
}

/// The boundary that the full document names is somebody else's to make.
fn make_boundary(stage: &Stage) {
    run(async {
        let (_, admin) = administrator(stage, &desired_of(FULL)).await;
        let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let call = admin.iam.create_policy().policy_name("limit");
        call.policy_document(everything).send().await.unwrap();
    });
}

/// What a principal has and no recorded call needed.
fn idle(grants: &[Grant], needs: &[Need]) -> BTreeSet<String> {
    let whole = parsed(&principal::document(grants));
    for need in needs {
        assert!(allowed(&whole, need), "{need:?}");
    }
    let mut idle = BTreeSet::new();
    for (at, grant) in grants.iter().enumerate() {
        let parts = [("Action", grant.actions()), ("Resource", grant.resources())];
        for (member, values) in parts {
            for value in values {
                let less = parsed(&without(grants, at, member, value));
                if needs.iter().all(|need| allowed(&less, need)) {
                    idle.insert(format!("{} {value}", grant.sid()));
                }
            }
        }
    }
    idle
}

#[test]
fn every_granted_action_and_resource_is_needed() {
    // What is idle, by who has it; needed under one document is needed.
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    for (document, prepare) in [(DOCUMENT, (|_| {}) as fn(&Stage)), (FULL, make_boundary)] {
        let desired = desired_of(document);
        let (reads, mut writes) = life(document, prepare);
        for (principal, needs) in [
            (Principal::Reader, reads.clone()),
            (Principal::Operator, {
                writes.extend(reads);
                writes
            }),
        ] {
            let grants = principal::grants(principal, &desired, None);
            let idle = idle(&grants, &needs);
            for grant in &grants {
                for value in grant.actions().into_iter().chain(grant.resources()) {
                    let name = format!("{} {value}", grant.sid());
                    let is_idle = idle.contains(&name);
                    *found.entry(name).or_insert(true) &= is_idle;
                }
            }
        }
    }
    let idle: BTreeSet<&str> = found
        .iter()
        .filter(|(_, is_idle)| **is_idle)
        .map(|(name, _)| name.as_str())
        .collect();
    let explained: BTreeSet<String> = IN_DRIFT
        .iter()
        .chain(&IN_RECOVERY)
        .map(|(sid, start)| format!("{sid} {start}"))
        .collect();
    let explains = |idle: &str| {
        explained
            .iter()
            .any(|start| idle.starts_with(start.as_str()))
    };
    let unexplained: Vec<_> = idle.iter().filter(|idle| !explains(idle)).collect();
    assert!(
        unexplained.is_empty(),
        "granted and not needed: {unexplained:#?}"
    );
    // What recoveries need may be needed here too, as lists lag by chance; it has to be granted.
    let name = |(sid, start): &(&str, &str)| format!("{sid} {start}");
    let is_idle = |start: &String| idle.iter().any(|idle| idle.starts_with(start.as_str()));
    let is_granted = |start: &String| found.keys().any(|name| name.starts_with(start.as_str()));
    let mut stale: Vec<_> = IN_DRIFT.iter().map(name).collect();
    stale.retain(|start| !is_idle(start));
    stale.extend(
        IN_RECOVERY
            .iter()
            .map(name)
            .filter(|start| !is_granted(start)),
    );
    assert!(
        stale.is_empty(),
        "needed after all, or not granted: {stale:#?}"
    );
}

/// The names under which sources call AWS, and what AWS asks for them.
fn action_of(call: &str) -> String {
    let Some(name) = call.strip_prefix("apigateway:") else {
        return call.to_owned();
    };
    let verb = |method| format!("apigateway:{method}");
    match name {
        _ if name.starts_with("Get") => verb("GET"),
        _ if name.starts_with("Create") => verb("POST"),
        _ if name.starts_with("Put") || name == "TagResource" => verb("PUT"),
        _ if name.starts_with("Update") => verb("PATCH"),
        _ if name.starts_with("Delete") => verb("DELETE"),
        _ => call.to_owned(),
    }
}

/// Actions in the sources that are not calls of whoever runs the tool.
const OF_OTHERS: [&str; 6] = [
    // In policies that the tool writes or reads, for Route 53, the updater and API Gateway.
    "kms:Sign",
    "lambda:InvokeFunction",
    "sts:AssumeRole",
    // Answered whatever policies say.
    "sts:GetCallerIdentity",
    // Condition keys have the form of actions.
    "cloudwatch:AlarmActions",
    "iam:PermissionsBoundary",
];

#[test]
fn every_call_in_the_sources_is_granted() {
    let mut granted: BTreeSet<String> = BTreeSet::new();
    for document in [DOCUMENT, FULL] {
        for grant in principal::grants(Principal::Operator, &desired_of(document), None) {
            granted.extend(grant.actions().into_iter().map(str::to_owned));
        }
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../provisioner/src");
    let quoted = regex_lite::Regex::new(
        r#""((?:apigateway|cloudwatch|iam|kms|lambda|logs|route53|sts|tag):[A-Z][A-Za-z]+)""#,
    )
    .unwrap();
    let mut missing = BTreeSet::new();
    let mut folders = vec![sources];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // Tests and the texts of policies are no calls.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for call in quoted.captures_iter(text) {
                seen += 1;
                let action = action_of(&call[1]);
                if !granted.contains(&action) && !OF_OTHERS.contains(&action.as_str()) {
                    missing.insert(format!("{action} ({})", path.display()));
                }
            }
        }
    }
    assert!(seen > 80, "only {seen} calls were found in the sources");
    assert!(missing.is_empty(), "called and not granted: {missing:#?}");
}

#[test]
fn a_plan_lists_only_actions_that_the_operator_has() {
    let stage = Stage::new();
    stage.write("stack.toml", FULL);
    make_boundary(&stage);
    let told = stage.on_world("plan", &["--json"]).done("plan").unwrap();
    let plan: Value = serde_json::from_str(&told.stdout).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    assert!(steps.len() > 30, "{} steps", steps.len());
    let mut granted: Vec<Value> = Vec::new();
    for policy in parts(&stage, &[]) {
        for statement in policy["Statement"].as_array().unwrap() {
            let action = &statement["Action"];
            let single = || vec![action.clone()];
            granted.extend(action.as_array().map_or_else(single, Clone::clone));
        }
    }
    for step in steps {
        assert!(granted.contains(&step["action"]), "{step}");
    }
}

/// The operator's policy as `--out` writes it.
fn parts(stage: &Stage, more: &[&str]) -> Vec<Value> {
    let dir = stage.path("parts");
    fs::create_dir(&dir).unwrap();
    let told = stage.run(["policy", "operator", "--out"]).arg(&dir);
    let told = told.arg(stage.document()).with(|command| {
        command.args(more);
    });
    let told = told.done("policy operator --out").unwrap();
    let read = |path: &str| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    told.stdout.lines().map(read).collect()
}

#[test]
fn policies_need_no_credentials_and_fit_where_they_go() {
    let stage = Stage::new();
    for what in ["reader", "operator", "requirements"] {
        let told = stage.run(["policy", what]).arg(stage.document());
        let told = told.done(what).unwrap();
        assert!(told.stdout.contains("route53:GetDNSSEC"), "{}", told.tell());
    }
    // A parent zone of the account may be any: its records are narrowed, unless it is not to be written.
    let external = format!("{DOCUMENT}[delegation]\nparent = \"external\"\n");
    stage.write("stack.toml", external);
    let narrow = parts(&stage, &["--zone-id", "Z0"]);
    assert!(narrow.len() > 1);
    for part in narrow {
        assert!(principal::chars(&part) <= 6_144);
        assert!(!part.to_string().contains("hostedzone/*"), "{part}");
    }
    // With all that a parent zone in the account needs, it fits into a role, with some room.
    stage.write("stack.toml", DOCUMENT);
    let told = stage.run(["policy", "operator", "--zone-id", "Z0123456789ABCDEFGHIJ"]);
    let told = told.arg(stage.document()).done("policy operator").unwrap();
    let whole: Value = serde_json::from_str(&told.stdout).unwrap();
    let chars = principal::chars(&whole);
    assert!(
        chars + 200 <= principal::INLINE_CHARS_MAX,
        "{chars} characters"
    );
    // Two regions and who hears the alarms make it longer than a role's inline policies may be, however short
    // it is said.
    let topic =
        |region: &str, n: u32| format!("\"arn:aws:sns:{region}:123456789012:on-call-{n:02}\"");
    let both = |n| [topic("us-east-1", n), topic("eu-central-1", n)];
    let topics: Vec<String> = (1..=12).flat_map(both).collect();
    let heard = format!("{FULL}[alarms]\nnotify = [{}]\n", topics.join(", "));
    stage.write("stack.toml", heard);
    let told = stage.run(["policy", "operator", "--zone-id", "Z0123456789ABCDEFGHIJ"]);
    let told = told.arg(stage.document());
    let told = told.exits(1, "a policy that is too long").unwrap();
    assert!(told.stderr.contains("--out DIR"), "{}", told.tell());
}

#[test]
fn the_right_to_adopt_a_key_is_asked_for_by_its_arn() {
    let stage = Stage::new();
    let with = |who: &str, arn: &str| {
        let run = stage.run(["policy", who, "--adopt-key", arn]);
        run.arg("--json").arg(stage.document())
    };
    let here = "arn:aws:kms:us-east-1:123456789012:key/0e41f267-eec6-498e-a24a-094d5d56a228";
    let told = with("requirements", here)
        .done("policy requirements")
        .unwrap();
    let rows: Vec<Value> = serde_json::from_str(&told.stdout).unwrap();
    let row = rows
        .iter()
        .find(|row| row["statement"] == "AdoptKey")
        .unwrap();
    assert_eq!(row["resources"], json!([here]));
    assert_eq!(row["actions"], json!(["kms:TagResource"]));
    // Only a key that can be this stack's, and only for who writes.
    for (who, arn) in [
        ("requirements", here.replace("us-east-1", "eu-central-1")),
        ("requirements", here.replace("123456789012", "210987654321")),
        ("requirements", "alias/spawn".to_owned()),
        ("reader", here.to_owned()),
    ] {
        let told = with(who, &arn).exits(1, "policy").unwrap();
        assert!(told.stderr.contains("--adopt-key"), "{}", told.tell());
    }
}

/// Changes of records, as Route 53 shows them to policies: names without the last dot, types, actions.
fn may_change(policy: &Policy, changes: &[(&str, &str, &str)]) -> bool {
    let of = |part: fn(&(&str, &str, &str)) -> String| -> Vec<String> {
        let all: BTreeSet<String> = changes.iter().map(part).collect();
        all.into_iter().collect()
    };
    let key = |end: &str| format!("route53:ChangeResourceRecordSets{end}");
    let context = BTreeMap::from([
        (
            key("NormalizedRecordNames"),
            of(|(_, name, _)| (*name).to_owned()),
        ),
        (key("RecordTypes"), of(|(.., kind)| (*kind).to_owned())),
        (key("Actions"), of(|(action, ..)| (*action).to_owned())),
    ]);
    let need = Need {
        action: "route53:ChangeResourceRecordSets".to_owned(),
        resource: "arn:aws:route53:::hostedzone/Z1".to_owned(),
        context,
    };
    allowed(policy, &need)
}

#[test]
fn the_updater_may_remove_what_it_may_not_make_any_more() {
    let of = |more: &str| {
        let document = format!(
            "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n{more}"
        );
        let text = spore_infra::kind::role::policy_for(&desired_of(&document), "Z1");
        Policy::parse_as(Kind::Identity, &text).unwrap()
    };
    let (wide, narrow) = (
        of(""),
        of("[updater]\nrecord-types = [\"A\"]\nreserved = [\"vpn\"]\n"),
    );
    let (web, mark) = (
        "web.1kpqzg2c.spore.example.edu",
        "_spore.web.1kpqzg2c.spore.example.edu",
    );
    let (vpn, vpn_mark) = (
        "vpn.1kpqzg2c.spore.example.edu",
        "_spore.vpn.1kpqzg2c.spore.example.edu",
    );
    let both = |changes: &[(&str, &str, &str)], expected: (bool, bool)| {
        let may = (may_change(&wide, changes), may_change(&narrow, changes));
        assert_eq!(may, expected, "{changes:?}");
    };
    let claim = |name, mark, kind| [("CREATE", mark, "TXT"), ("CREATE", name, kind)];
    both(&claim(web, mark, "A"), (true, true));
    both(&claim(web, mark, "AAAA"), (true, false));
    both(&claim(vpn, vpn_mark, "A"), (true, false));
    both(&[("UPSERT", vpn, "A")], (true, false));
    // Removals alone.
    for (name, kind) in [(web, "A"), (web, "AAAA"), (web, "TXT"), (vpn, "AAAA")] {
        both(&[("DELETE", name, kind)], (true, true));
    }
    both(
        &[("DELETE", vpn_mark, "TXT"), ("DELETE", vpn, "AAAA")],
        (true, true),
    );
    // Not together with anything else: a statement for each would allow what neither does.
    both(
        &[("DELETE", web, "AAAA"), ("CREATE", mark, "TXT")],
        (true, false),
    );
    both(
        &[("DELETE", vpn, "A"), ("CREATE", mark, "TXT")],
        (true, false),
    );
    // Nor anything besides.
    both(&[("DELETE", web, "CNAME")], (false, false));
    both(&[("DELETE", "spore.example.edu", "TXT")], (false, false));
    both(&[("DELETE", "web.example.edu", "A")], (false, false));
    for name in [
        "_acme-challenge.web.1kpqzg2c.spore.example.edu",
        "_dmarc.1kpqzg2c.spore.example.edu",
        "\\052.1kpqzg2c.spore.example.edu",
    ] {
        both(&[("DELETE", name, "TXT")], (false, false));
        both(&[("CREATE", name, "TXT")], (false, false));
    }
}
