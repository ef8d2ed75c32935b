//! Updates, versions, aliases, URLs, concurrency and tags.

use super::*;

fn named(more: Value) -> Value {
    let mut input = json!({ "FunctionName": "updater" });
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

#[test]
fn one_update_at_a_time_and_the_old_code_runs_until_it_is_done() {
    let mut bench = Bench::new(Profile::Aws);
    bench.ok("CreateFunction", input(json!({})));
    let change = named(json!({ "Timeout": 7 }));
    let conflict = "ResourceConflictException";
    assert_eq!(
        bench.code("UpdateFunctionConfiguration", change.clone()),
        conflict
    );
    assert_eq!(
        bench.start("r").unwrap_err().code,
        conflict,
        "still pending"
    );
    bench.0.advance(10);

    let before = bench.configuration();
    let old = bench.start("old").unwrap().1;
    let updated = bench.ok("UpdateFunctionConfiguration", change.clone());
    assert_eq!(
        (&updated["Timeout"], &updated["LastUpdateStatus"]),
        (&json!(7), &json!("InProgress"))
    );
    assert_ne!(updated["RevisionId"], before["RevisionId"]);
    assert_eq!(bench.code("UpdateFunctionConfiguration", change), conflict);
    let new_code = named(json!({ "ZipFile": code("new") }));
    assert_eq!(bench.code("UpdateFunctionCode", new_code.clone()), conflict);
    assert_eq!(bench.code("PublishVersion", named(json!({}))), conflict);
    let meanwhile = bench.start("meanwhile").unwrap().1;
    assert_eq!(meanwhile.timeout, old.timeout);
    bench.0.advance(10);
    assert_eq!(bench.configuration()["LastUpdateStatus"], "Successful");
    let settled = bench.start("settled").unwrap().1;
    assert_eq!(settled.timeout, Duration::from_secs(7));

    bench.ok("UpdateFunctionCode", new_code);
    let meanwhile = bench.start("2").unwrap().1;
    assert_eq!(meanwhile.code_name, old.code_name);
    bench.0.advance(10);
    assert_ne!(bench.start("3").unwrap().1.code_name, old.code_name);
}

#[test]
fn a_revision_that_is_not_the_latest_changes_nothing() {
    let mut bench = Bench::new(Profile::Instant);
    let created = bench.create(json!({}));
    let revision = &created["RevisionId"];
    let with = |revision: &Value| named(json!({ "Description": "x", "RevisionId": revision }));
    assert_eq!(
        bench.code("UpdateFunctionConfiguration", with(revision)),
        "success"
    );
    let stale = with(revision);
    assert_eq!(
        bench.code("UpdateFunctionConfiguration", stale),
        "PreconditionFailedException"
    );
}

#[test]
fn a_dry_run_answers_what_would_be_and_changes_nothing() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let before = bench.configuration();
    let dry = named(json!({ "ZipFile": code("other"), "DryRun": true }));
    let answer = bench.ok("UpdateFunctionCode", dry);
    assert_ne!(answer["CodeSha256"], before["CodeSha256"]);
    assert_eq!(bench.configuration(), before);
    assert_eq!(bench.0.world.blobs.iter().count(), 1);
}

#[test]
fn unchanged_code_makes_no_new_version() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let publish = named(json!({ "Description": "first" }));
    let first = bench.ok("PublishVersion", publish.clone());
    assert_eq!(
        (&first["Version"], &first["Description"]),
        (&json!("1"), &json!("first"))
    );
    assert_eq!(first["FunctionArn"], format!("{FUNCTION}:1"));
    assert_eq!(bench.ok("PublishVersion", publish)["Version"], "1");
    let same = named(json!({ "ZipFile": code("#!/bin/sh\n"), "Publish": true }));
    assert_eq!(bench.ok("UpdateFunctionCode", same)["Version"], "1");
    let other = named(json!({ "ZipFile": code("2"), "Publish": true }));
    assert_eq!(bench.ok("UpdateFunctionCode", other)["Version"], "2");
    let wrong = named(json!({ "CodeSha256": "x" }));
    assert_eq!(
        bench.code("PublishVersion", wrong),
        "InvalidParameterValueException"
    );
    let listed = bench.ok("ListVersionsByFunction", named(json!({})));
    let versions: Vec<_> = listed["Versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["Version"])
        .collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    let old = bench.ok("GetFunction", named(json!({ "Qualifier": "1" })));
    assert_eq!(old["Configuration"]["CodeSha256"], first["CodeSha256"]);
    bench.ok("DeleteFunction", named(json!({ "Qualifier": "1" })));
    let gone = named(json!({ "Qualifier": "1" }));
    assert_eq!(bench.code("GetFunction", gone), "ResourceNotFoundException");
    assert_eq!(
        bench.0.world.blobs.iter().count(),
        1,
        "the code of version 1 is gone"
    );
    // Numbers are never used again.
    let third = named(json!({ "ZipFile": code("3"), "Publish": true }));
    assert_eq!(bench.ok("UpdateFunctionCode", third)["Version"], "3");
}

#[test]
fn aliases_name_versions_and_protect_them() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({ "Publish": true }));
    bench.ok(
        "UpdateFunctionCode",
        named(json!({ "ZipFile": code("2"), "Publish": true })),
    );
    let alias = bench.ok(
        "CreateAlias",
        named(json!({ "Name": "live", "FunctionVersion": "1" })),
    );
    assert_eq!(alias["AliasArn"], format!("{FUNCTION}:live"));
    let again = named(json!({ "Name": "live", "FunctionVersion": "1" }));
    assert_eq!(
        bench.code("CreateAlias", again),
        "ResourceConflictException"
    );
    let nowhere = named(json!({ "Name": "x", "FunctionVersion": "9" }));
    assert_eq!(
        bench.code("CreateAlias", nowhere),
        "ResourceNotFoundException"
    );
    let delete = named(json!({ "Qualifier": "1" }));
    assert_eq!(
        bench.code("DeleteFunction", delete),
        "ResourceConflictException"
    );
    let shared = named(json!({
        "Name": "live",
        "Description": "careful",
        "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.25 } },
    }));
    let updated = bench.ok("UpdateAlias", shared);
    assert_eq!(
        updated["RoutingConfig"],
        json!({ "AdditionalVersionWeights": { "2": 0.25 } })
    );
    assert_eq!(updated["FunctionVersion"], "1");
    assert_eq!(
        bench.ok("GetAlias", named(json!({ "Name": "live" }))),
        updated
    );
    let through = bench.ok(
        "GetFunctionConfiguration",
        json!({ "FunctionName": "updater:live" }),
    );
    assert_eq!(
        (&through["Version"], &through["FunctionArn"]),
        (&json!("1"), &alias["AliasArn"])
    );
    for version in ["1", "2"] {
        let of = named(json!({ "FunctionVersion": version }));
        assert_eq!(
            bench.ok("ListAliases", of)["Aliases"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
    bench.ok("DeleteAlias", named(json!({ "Name": "live" })));
    let gone = named(json!({ "Name": "live" }));
    assert_eq!(bench.code("GetAlias", gone), "ResourceNotFoundException");
}

#[test]
fn a_hundred_executions_stay_unreserved() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    bench.create(json!({ "FunctionName": "other" }));
    let reserve = |n: u32| named(json!({ "ReservedConcurrentExecutions": n }));
    assert_eq!(
        bench.code("PutFunctionConcurrency", reserve(901)),
        "InvalidParameterValueException"
    );
    bench.ok("PutFunctionConcurrency", reserve(900));
    let other = json!({ "FunctionName": "other", "ReservedConcurrentExecutions": 1 });
    let error = bench.call("PutFunctionConcurrency", other).unwrap_err();
    assert!(
        error.message.ends_with("below its minimum value of [100]."),
        "{error}"
    );
    let settings = bench.ok("GetAccountSettings", json!({}));
    assert_eq!(settings["AccountLimit"]["ConcurrentExecutions"], 1000);
    assert_eq!(
        settings["AccountLimit"]["UnreservedConcurrentExecutions"],
        100
    );
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 2);
    let whole = bench.ok("GetFunction", named(json!({})));
    assert_eq!(
        whole["Concurrency"],
        json!({ "ReservedConcurrentExecutions": 900 })
    );
    bench.ok("DeleteFunctionConcurrency", named(json!({})));
    assert_eq!(
        bench.ok("GetFunctionConcurrency", named(json!({}))),
        json!({})
    );
}

#[test]
fn a_new_account_has_nothing_to_reserve() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    bench
        .0
        .world
        .lambda
        .set_concurrency_limit("123456789012", "us-east-1", 10);
    let reserve = |n: u32| named(json!({ "ReservedConcurrentExecutions": n }));
    assert_eq!(
        bench.code("PutFunctionConcurrency", reserve(1)),
        "InvalidParameterValueException"
    );
    assert_eq!(bench.code("PutFunctionConcurrency", reserve(0)), "success");
}

#[test]
fn a_url_is_kept_and_shown() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let given = named(json!({
        "AuthType": "NONE",
        "Cors": { "AllowOrigins": ["*"], "MaxAge": 60 },
    }));
    let created = bench.ok("CreateFunctionUrlConfig", given.clone());
    let url = created["FunctionUrl"].as_str().unwrap();
    assert!(url.ends_with(".lambda-url.us-east-1.on.aws/"), "{url}");
    assert_eq!(created["InvokeMode"], "BUFFERED");
    assert_eq!(
        bench.code("CreateFunctionUrlConfig", given),
        "ResourceConflictException"
    );
    let read = bench.ok("GetFunctionUrlConfig", named(json!({})));
    assert_eq!(
        (&read["Cors"], &read["AuthType"]),
        (&created["Cors"], &json!("NONE"))
    );
    let listed = bench.ok("ListFunctionUrlConfigs", named(json!({})));
    assert_eq!(listed["FunctionUrlConfigs"], json!([read]));
    let needs = bench
        .0
        .needs("lambda", "DeleteFunctionUrlConfig", &named(json!({})));
    assert_eq!(needs[0].context["lambda:FunctionUrlAuthType"], ["NONE"]);
    bench.ok("DeleteFunctionUrlConfig", named(json!({})));
    assert_eq!(
        bench.code("DeleteFunctionUrlConfig", named(json!({}))),
        "ResourceNotFoundException"
    );
}

#[test]
fn tags_are_seen_by_the_tagging_api_after_a_while() {
    let mut bench = Bench::new(Profile::Aws);
    bench.create(json!({ "Tags": { "spore:stack": "a" } }));
    let tag = json!({ "Resource": FUNCTION, "Tags": { "more": "x" } });
    bench.ok("TagResource", tag);
    let list = json!({ "Resource": FUNCTION });
    let tags = json!({ "Tags": { "more": "x", "spore:stack": "a" } });
    assert_eq!(bench.ok("ListTags", list.clone()), tags);
    bench.0.advance(300);
    let found = |bench: &mut Bench| {
        let filter = json!({ "ResourceTypeFilters": ["lambda:function"] });
        let answer = bench
            .0
            .call("resourcegroupstaggingapi", "GetResources", filter);
        answer.unwrap()["ResourceTagMappingList"].clone()
    };
    let both = json!([
        { "Key": "more", "Value": "x" },
        { "Key": "spore:stack", "Value": "a" },
    ]);
    assert_eq!(
        found(&mut bench),
        json!([{ "ResourceARN": FUNCTION, "Tags": both }])
    );
    let untag = json!({ "ResourceARNList": [FUNCTION], "TagKeys": ["more"] });
    bench
        .0
        .call("resourcegroupstaggingapi", "UntagResources", untag)
        .unwrap();
    let left = json!({ "Tags": { "spore:stack": "a" } });
    assert_eq!(bench.ok("ListTags", list), left);
    let version = json!({ "Resource": format!("{FUNCTION}:1"), "Tags": { "a": "b" } });
    assert_eq!(
        bench.code("TagResource", version),
        "InvalidParameterValueException"
    );
}
