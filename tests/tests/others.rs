//! Proves that what others did to a stack's surroundings is found where no object that the document names shows
//! it: a group and a key that lost what led to them, a deployment that says it is ours, objects under other
//! names, and what has to be there before anything is made.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use aws_sdk_apigateway::types::{IntegrationType, Op, PatchOperation};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use serde_json::json;
use spore_infra::addr::Kind;
use spore_infra::desired::TAG_PURPOSE;
use spore_infra::kind::{api_account, log_group};
use spore_infra::plan::{DestroyOptions, Goal, Plan};
use spore_tests::bench::{Bench, desired, run};
use spore_tests::by_hand::SETTLED;
use spore_tests::stage::{DOCUMENT, Stage};

async fn bench(more: &str) -> Bench {
    Bench::open(desired(more), 1, "2026-03-01T12:00:00Z".parse().unwrap()).await
}

/// A world in which a document is applied and everything shows in every list.
async fn applied(more: &str) -> Bench {
    let bench = bench(more).await;
    bench.converge().await;
    bench.advance(SETTLED);
    bench
}

async fn plan(bench: &Bench) -> Plan {
    bench.plan(&Goal::Converge, None).await
}

/// Attributes that a plan would change of a kind of resource.
fn fields(plan: &Plan, kind: Kind) -> Vec<String> {
    let changes = plan
        .changes
        .iter()
        .filter(|change| change.addr.kind() == kind);
    let fields = changes.flat_map(|change| &change.fields);
    fields.map(|field| field.name.clone()).collect()
}

fn names(plan: &Plan, part: &str) -> bool {
    plan.left().iter().any(|(what, _)| what.contains(part))
}

#[test]
fn questions_logged_before_are_kept_with_care_named_and_deleted_on_request() {
    run(async {
        let before = applied("[logs]\nqueries = true\n").await;
        let bench = Bench::on(before.sandbox.clone(), desired("")).await;
        let group = log_group::group_name(&bench.desired, log_group::QUERIES);
        bench.converge().await;
        bench.advance(SETTLED);
        assert!(names(&plan(&bench).await, &group));
        assert_eq!(bench.left_to_do().await, "");

        let call = bench.write.logs_global.delete_retention_policy();
        call.log_group_name(&group).send().await.unwrap();
        let drifted = plan(&bench).await;
        assert_eq!(fields(&drifted, Kind::LogGroup), ["retention-days"]);
        bench.converge().await;
        bench.advance(SETTLED);

        let destroy = |delete_logs| {
            Goal::Destroy(DestroyOptions {
                delete_logs,
                ..DestroyOptions::default()
            })
        };
        assert!(names(&bench.plan(&destroy(false), None).await, &group));
        bench.carry_out(&destroy(true)).await;
        let call = bench.write.logs_global.describe_log_groups();
        let left = call.log_group_name_prefix(&group).send().await.unwrap();
        assert!(left.log_groups().is_empty(), "{left:?}");
    });
}

#[test]
fn the_key_of_the_logs_is_found_by_what_it_encrypts() {
    for loses_purpose in [false, true] {
        run(async {
            let bench = applied("").await;
            let kms = &bench.write.kms_regional;
            let alias = bench.desired.logs_key_alias();
            let key = async || {
                let answer = kms.describe_key().key_id(&alias).send().await;
                let key = answer.unwrap().key_metadata.unwrap();
                let state = key.key_state.unwrap().as_str().to_owned();
                (key.key_id, state)
            };
            let (id, _) = key().await;
            if loses_purpose {
                let call = kms.untag_resource().key_id(&id).tag_keys(TAG_PURPOSE);
                call.send().await.unwrap();
            } else {
                let call = kms.schedule_key_deletion().key_id(&id);
                call.pending_window_in_days(7).send().await.unwrap();
            }
            kms.delete_alias().alias_name(&alias).send().await.unwrap();
            bench.advance(SETTLED);
            bench.converge().await;
            assert_eq!(key().await, (id, "Enabled".to_owned()), "{loses_purpose}");
            bench.advance(SETTLED);
            assert_eq!(bench.left_to_do().await, "");
        });
    }
}

#[test]
fn lines_whose_key_is_gone_are_said_to_be_lost() {
    run(async {
        let bench = applied("").await;
        let kms = &bench.write.kms_regional;
        let alias = bench.desired.logs_key_alias();
        let old = kms.describe_key().key_id(&alias).send().await.unwrap();
        let old = old.key_metadata.unwrap().arn.unwrap();
        let call = kms.schedule_key_deletion().key_id(&old);
        call.pending_window_in_days(7).send().await.unwrap();
        kms.delete_alias().alias_name(&alias).send().await.unwrap();
        bench.advance(Duration::from_secs(8 * 24 * 3_600));
        let lost = plan(&bench).await;
        let said = format!("{:?}", lost.report);
        assert!(
            said.contains(&old) && said.contains("cannot be read"),
            "{said}"
        );
        bench.converge().await;
        bench.advance(SETTLED);
        assert_eq!(bench.left_to_do().await, "");
    });
}

/// Another function, which takes what the account can reserve.
async fn fill_account(bench: &Bench) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let call = bench.write.iam.create_role().role_name("other");
    let role = call.assume_role_policy_document(trust.to_string());
    let role = role.send().await.unwrap().role.unwrap().arn;
    bench.advance(SETTLED);
    make_function(bench, "other", &role, &[]).await;
    let lambda = &bench.write.lambda;
    let call = lambda.put_function_concurrency().function_name("other");
    let call = call.reserved_concurrent_executions(900);
    call.send().await.unwrap();
}

async fn make_function(bench: &Bench, name: &str, role: &str, tags: &[(String, String)]) {
    let zip = std::fs::read(spore_tests::updater::stand_in_zip()).unwrap();
    let call = bench.write.lambda.create_function();
    let call = call.function_name(name).role(role);
    let call = call.runtime(Runtime::Providedal2023).handler("bootstrap");
    let call = call.set_tags(Some(tags.iter().cloned().collect()));
    let code = FunctionCode::builder().zip_file(Blob::new(zip)).build();
    call.code(code).send().await.unwrap();
}

#[test]
fn a_throttled_function_runs_again_even_where_nothing_can_be_reserved() {
    run(async {
        let bench = applied("").await;
        let lambda = &bench.write.lambda;
        let call = lambda.put_function_concurrency();
        let call = call.function_name(bench.desired.function_name());
        let call = call.reserved_concurrent_executions(0);
        call.send().await.unwrap();
        fill_account(&bench).await;
        assert_eq!(fields(&plan(&bench).await, Kind::Function), ["concurrency"]);
        bench.converge().await;
        let call = lambda.get_function_concurrency();
        let call = call.function_name(bench.desired.function_name());
        let reserved = call.send().await.unwrap().reserved_concurrent_executions;
        assert_eq!(reserved, None);
        assert_eq!(bench.left_to_do().await, "");
    });
}

#[test]
fn a_deployment_of_others_is_found_whatever_the_stage_says_of_it() {
    run(async {
        let bench = applied("").await;
        let api = &bench.write.apigateway;
        let apis = api.get_rest_apis().send().await.unwrap();
        let id = apis.items()[0].id().unwrap();
        let resources = api.get_resources().rest_api_id(id).send().await.unwrap();
        let mut resources = resources.items().iter();
        let resource = resources.find(|one| one.path() == Some("/update-dns"));
        let resource = resource.unwrap().id().unwrap();
        let stage = api.get_stage().rest_api_id(id).stage_name("prod");
        let stage = stage.send().await.unwrap();
        let mine = stage.deployment_id().unwrap();

        // Their integration is deployed, and ours put back where the tool looks.
        let call = api.get_integration().rest_api_id(id);
        let call = call.resource_id(resource).http_method("POST");
        let ours = call.send().await.unwrap();
        let put = |kind| {
            let call = api.put_integration().rest_api_id(id);
            call.resource_id(resource).http_method("POST").r#type(kind)
        };
        put(IntegrationType::Mock).send().await.unwrap();
        let theirs = api
            .create_deployment()
            .rest_api_id(id)
            .send()
            .await
            .unwrap();
        let theirs = theirs.id().unwrap();
        let call = put(IntegrationType::AwsProxy).integration_http_method("POST");
        let call = call.set_uri(ours.uri().map(str::to_owned));
        let call = call.timeout_in_millis(ours.timeout_in_millis());
        let call = call.set_passthrough_behavior(ours.passthrough_behavior().map(str::to_owned));
        call.send().await.unwrap();
        let set = |path: &str, value: &str| {
            let patch = PatchOperation::builder().op(Op::Replace).path(path);
            patch.value(value).build()
        };
        let said = stage.description().unwrap().replace(mine, theirs);
        let call = api.update_stage().rest_api_id(id).stage_name("prod");
        let call = call.patch_operations(set("/deploymentId", theirs));
        let call = call.patch_operations(set("/description", &said));
        call.send().await.unwrap();

        let found = fields(&plan(&bench).await, Kind::RestApi);
        assert_eq!(found, ["stage.prod.definition"]);
        bench.converge().await;
        bench.advance(SETTLED);
        assert_eq!(bench.left_to_do().await, "");
    });
}

#[test]
fn what_carries_the_tag_under_another_name_is_named() {
    run(async {
        let bench = applied("").await;
        let Bench { write, desired, .. } = &bench;
        let tags = desired.own_tags();
        let listed: Vec<(String, String)> = tags.clone().into_iter().collect();
        make_function(&bench, "old-updater", &desired.role_arn(), &listed).await;
        let call = write.logs.create_log_group().log_group_name("/elsewhere");
        let call = call.set_tags(Some(tags.into_iter().collect()));
        call.send().await.unwrap();
        let key = write.kms.create_key();
        let key = key.set_tags(Some(
            listed
                .iter()
                .map(|(key, value)| {
                    let tag = aws_sdk_kms::types::Tag::builder();
                    tag.tag_key(key).tag_value(value).build().unwrap()
                })
                .collect(),
        ));
        let key = key.send().await.unwrap().key_metadata.unwrap().key_id;
        bench.advance(SETTLED);
        let seen = plan(&bench).await;
        for part in ["function:old-updater", "/elsewhere", &key] {
            assert!(names(&seen, part), "{part}: {:?}", seen.report);
        }
        assert_eq!(bench.left_to_do().await, "", "and nothing is done to it");
        // A key that is about to go needs nobody's care.
        let call = write.kms.schedule_key_deletion().key_id(&key);
        call.send().await.unwrap();
        assert!(!names(&plan(&bench).await, &key));
        let destroy = Goal::Destroy(DestroyOptions::default());
        assert!(names(
            &bench.plan(&destroy, None).await,
            "function:old-updater"
        ));
    });
}

#[test]
fn a_role_of_others_under_the_shared_name_blocks_before_anything_is_made() {
    run(async {
        let bench = bench("").await;
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
        let call = bench.write.iam.create_role().role_name(api_account::ROLE);
        let call = call.assume_role_policy_document(trust.to_string());
        call.send().await.unwrap();
        let plan = plan(&bench).await;
        let blocked = plan.blocked();
        let why = blocked
            .iter()
            .find(|(addr, _)| addr.kind() == Kind::ApiAccount);
        assert!(why.unwrap().1.contains(api_account::ROLE), "{blocked:?}");
    });
}

#[test]
fn a_boundary_that_does_not_exist_blocks_before_anything_is_made() {
    run(async {
        let arn = "arn:aws:iam::123456789012:policy/limit";
        let bench = bench(&format!("[iam]\npermissions-boundary = \"{arn}\"\n")).await;
        let without = plan(&bench).await;
        let blocked = without.blocked();
        let why = blocked.iter().find(|(addr, _)| addr.kind() == Kind::Role);
        assert!(why.unwrap().1.contains(arn), "{blocked:?}");
        let everything = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"}]});
        let call = bench.write.iam.create_policy().policy_name("limit");
        let call = call.policy_document(everything.to_string());
        call.send().await.unwrap();
        assert!(plan(&bench).await.blocked().is_empty());
    });
}

#[test]
fn an_administrator_who_does_not_exist_is_named() {
    let stage = Stage::new();
    let nobody = "arn:aws:iam::123456789012:role/nobody";
    let more = format!("[dnssec]\nkey-admins = [\"{nobody}\"]\n");
    stage.write("stack.toml", format!("{DOCUMENT}{more}"));
    let apply = stage.apply().exits(1, "apply").unwrap();
    let refused: Vec<&str> = apply
        .stderr
        .lines()
        .filter(|line| line.contains("MalformedPolicyDocumentException"))
        .collect();
    assert!(!refused.is_empty(), "{}", apply.tell());
    assert!(
        refused.iter().all(|line| line.contains(nobody)),
        "{refused:?}"
    );
}
