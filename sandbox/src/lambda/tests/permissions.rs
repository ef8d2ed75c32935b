//! Resource policies.

use super::*;

fn permission(more: Value) -> Value {
    let mut input = json!({
        "FunctionName": "updater",
        "StatementId": "api",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:123456789012:api1/prod/POST/update-dns",
        "SourceAccount": "123456789012",
    });
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

fn policy(bench: &mut Bench) -> Value {
    let answer = bench.ok("GetPolicy", json!({ "FunctionName": "updater" }));
    serde_json::from_str(answer["Policy"].as_str().unwrap()).unwrap()
}

#[test]
fn a_permission_is_a_statement_as_aws_writes_it() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let added = bench.ok("AddPermission", permission(json!({})));
    let statement = json!({
        "Sid": "api",
        "Effect": "Allow",
        "Principal": { "Service": "apigateway.amazonaws.com" },
        "Action": "lambda:InvokeFunction",
        "Resource": FUNCTION,
        "Condition": {
            "StringEquals": { "AWS:SourceAccount": "123456789012" },
            "ArnLike": {
                "AWS:SourceArn":
                    "arn:aws:execute-api:us-east-1:123456789012:api1/prod/POST/update-dns",
            },
        },
    });
    let text = added["Statement"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), statement);
    assert!(
        text.starts_with(r#"{"Sid":"api","Effect":"Allow","Principal":"#),
        "{text}"
    );
    let document = json!({ "Version": "2012-10-17", "Id": "default", "Statement": [statement] });
    assert_eq!(policy(&mut bench), document);
    assert_eq!(
        bench.code("AddPermission", permission(json!({}))),
        "ResourceConflictException"
    );
    let read = bench.0.world.lambda.resource_policy(FUNCTION).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read).unwrap(), document);
}

#[test]
fn principals_are_accounts_identities_services_or_everybody() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let given = [
        ("*", json!("*")),
        (
            "999999999999",
            json!({ "AWS": "arn:aws:iam::999999999999:root" }),
        ),
        (ROLE, json!({ "AWS": ROLE })),
        (
            "arn:aws:iam::999999999999:role/theirs",
            json!({ "AWS": "arn:aws:iam::999999999999:role/theirs" }),
        ),
        ("s3.amazonaws.com", json!({ "Service": "s3.amazonaws.com" })),
    ];
    for (index, (principal, _)) in given.iter().enumerate() {
        let sid = format!("s{index}");
        let input = json!({
            "FunctionName": "updater",
            "StatementId": sid,
            "Action": "lambda:InvokeFunction",
            "Principal": principal,
            "PrincipalOrgID": "o-abcdefghij",
        });
        bench.ok("AddPermission", input);
    }
    let policy = policy(&mut bench);
    for (index, (_, shown)) in given.iter().enumerate() {
        let statement = &policy["Statement"][index];
        assert_eq!(&statement["Principal"], shown);
        let org = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-abcdefghij" } });
        assert_eq!(statement["Condition"], org);
    }
    for wrong in ["arn:aws:iam::123456789012:role/nobody", "nonsense", "12345"] {
        let input = permission(json!({ "StatementId": "wrong", "Principal": wrong }));
        assert_eq!(
            bench.code("AddPermission", input),
            "InvalidParameterValueException",
            "{wrong}"
        );
    }
}

#[test]
fn statements_go_one_by_one_and_the_policy_with_the_last() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({ "Publish": true }));
    bench.ok("AddPermission", permission(json!({})));
    bench.ok("AddPermission", permission(json!({ "Qualifier": "1" })));
    let of_version = json!({ "FunctionName": "updater", "Qualifier": "1" });
    let shown = bench.ok("GetPolicy", of_version);
    assert!(
        shown["Policy"]
            .as_str()
            .unwrap()
            .contains(&format!("\"{FUNCTION}:1\""))
    );
    let first = bench.ok("GetPolicy", json!({ "FunctionName": "updater" }));
    let remove = |sid: &str, revision: Option<&Value>| {
        let mut input = json!({ "FunctionName": "updater", "StatementId": sid });
        if let Some(revision) = revision {
            input["RevisionId"] = revision.clone();
        }
        input
    };
    bench.ok(
        "AddPermission",
        permission(json!({ "StatementId": "second" })),
    );
    let stale = remove("api", Some(&first["RevisionId"]));
    assert_eq!(
        bench.code("RemovePermission", stale),
        "PreconditionFailedException"
    );
    let needs = bench
        .0
        .needs("lambda", "RemovePermission", &remove("api", None));
    assert_eq!(
        needs[0].context["lambda:Principal"],
        ["apigateway.amazonaws.com"]
    );
    bench.ok("RemovePermission", remove("api", None));
    assert_eq!(
        bench.code("RemovePermission", remove("api", None)),
        "ResourceNotFoundException"
    );
    bench.ok("RemovePermission", remove("second", None));
    let none = json!({ "FunctionName": "updater" });
    assert_eq!(bench.code("GetPolicy", none), "ResourceNotFoundException");
}

#[test]
fn a_policy_has_a_size() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let codes: Vec<String> = (0..80)
        .map(|n| {
            bench.code(
                "AddPermission",
                permission(json!({ "StatementId": format!("s{n}") })),
            )
        })
        .collect();
    assert_eq!(codes[0], "success");
    assert_eq!(codes[79], "PolicyLengthExceededException");
}
