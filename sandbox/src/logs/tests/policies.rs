//! Resource policies, saved queries and subscription filters.

use serde_json::{Value, json};

use super::{ARN, Bench};
use crate::auth;
use crate::world::Need;

fn document(service: &str, resource: &str) -> String {
    let statement = json!({
        "Effect": "Allow", "Principal": { "Service": service }, "Resource": resource,
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn put(name: &str, document: &str) -> Value {
    json!({ "policyName": name, "policyDocument": document })
}

#[test]
fn policies_of_the_account_are_kept_up_to_ten() {
    let mut bench = Bench::new(crate::Profile::Instant);
    let text = document("route53.amazonaws.com", "*");
    for number in 0..10 {
        bench.ok("PutResourcePolicy", put(&number.to_string(), &text));
    }
    let more = put("more", &text);
    assert_eq!(
        bench.code("PutResourcePolicy", more),
        "LimitExceededException"
    );
    bench.ok("PutResourcePolicy", put("3", &text));
    let answer = bench.ok("DescribeResourcePolicies", json!({ "limit": 1 }));
    assert_eq!(
        answer["resourcePolicies"],
        json!([{
            "policyName": "0", "policyDocument": text, "policyScope": "ACCOUNT",
            "lastUpdatedTime": 1_767_225_600_000_i64,
        }])
    );
    assert_ne!(answer.get("nextToken"), None);
    bench.ok("DeleteResourcePolicy", json!({ "policyName": "3" }));
    let again = json!({ "policyName": "3" });
    assert_eq!(
        bench.code("DeleteResourcePolicy", again),
        "ResourceNotFoundException"
    );
}

#[test]
fn documents_are_checked() {
    let mut bench = Bench::with_stream();
    let mut check = |input: Value| {
        let code = bench.code("PutResourcePolicy", input);
        assert_eq!(code, "InvalidParameterException");
    };
    check(put("p", "{"));
    check(put("p", r#"{"Version":"2012-10-17","Statement":[]}"#));
    check(json!({ "policyName": "p" }));
    let text = document("route53.amazonaws.com", "*");
    check(json!({ "policyDocument": text }));
    check(json!({ "policyDocument": text, "policyName": "p", "resourceArn": ARN }));
}

#[test]
fn a_group_has_a_policy_of_its_own_with_revisions() {
    let mut bench = Bench::with_stream();
    let text = document("route53.amazonaws.com", &format!("{ARN}:*"));
    let input = json!({ "resourceArn": ARN, "policyDocument": text });
    let answer = bench.ok("PutResourcePolicy", input);
    let revision = answer["revisionId"].clone();
    let mut input = json!({ "resourceArn": ARN, "expectedRevisionId": "another" });
    assert_eq!(
        bench.code("DeleteResourcePolicy", input.clone()),
        "OperationAbortedException"
    );
    let found = bench.ok("DescribeResourcePolicies", json!({ "resourceArn": ARN }));
    assert_eq!(found["resourcePolicies"][0]["policyScope"], "RESOURCE");
    let account = bench.ok("DescribeResourcePolicies", json!({}));
    assert_eq!(account["resourcePolicies"], json!([]));
    input["expectedRevisionId"] = revision;
    bench.ok("DeleteResourcePolicy", input);
}

#[test]
fn policies_let_services_write() {
    let mut bench = Bench::with_stream();
    let stream = format!("{ARN}:log-stream:s");
    let may = |bench: &Bench, service: &str| {
        let world = &bench.0.world;
        let policy = world.logs.resource_policy(&stream);
        let need = Need::new("logs:PutLogEvents", stream.clone());
        auth::service_may(world, service, &need, policy.as_deref())
    };
    assert!(!may(&bench, "route53.amazonaws.com"));
    let text = document("route53.amazonaws.com", &format!("{ARN}:*"));
    bench.ok("PutResourcePolicy", put("p", &text));
    assert!(may(&bench, "route53.amazonaws.com"));
    assert!(!may(&bench, "delivery.logs.amazonaws.com"));
    let deny = text.replace("Allow", "Deny");
    bench.ok("PutResourcePolicy", put("q", &deny));
    assert!(!may(&bench, "route53.amazonaws.com"), "one policy denies");
    // As one document for whoever asks.
    let policy = bench.0.world.logs.resource_policy(&stream).unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 2);
    let elsewhere = "arn:aws:logs:eu-west-1:123456789012:log-group:/g";
    assert_eq!(bench.0.world.logs.resource_policy(elsewhere), None);
}

#[test]
fn queries_are_saved() {
    let mut bench = Bench::with_stream();
    let input = json!({
        "name": "errors", "queryString": "fields @message", "logGroupNames": ["/g"],
        "clientToken": "0b9d7a4e-0000-4000-8000-000000000001",
    });
    let id = bench.ok("PutQueryDefinition", input.clone())["queryDefinitionId"].clone();
    let again = bench.ok("PutQueryDefinition", input);
    assert_eq!(again["queryDefinitionId"], id, "one token, one query");
    let changed = json!({
        "name": "errors", "queryString": "fields @timestamp", "queryDefinitionId": id,
    });
    bench.ok("PutQueryDefinition", changed);
    let prefix = json!({ "queryDefinitionNamePrefix": "err" });
    let answer = bench.ok("DescribeQueryDefinitions", prefix);
    assert_eq!(
        answer["queryDefinitions"],
        json!([{
            "queryDefinitionId": id, "queryLanguage": "CWLI", "name": "errors",
            "queryString": "fields @timestamp", "logGroupNames": [],
            "lastModified": 1_767_225_600_000_i64,
        }])
    );
    let name = json!({ "queryDefinitionId": id });
    let answer = bench.ok("DeleteQueryDefinition", name.clone());
    assert_eq!(answer["success"], true);
    assert_eq!(
        bench.code("DeleteQueryDefinition", name),
        "ResourceNotFoundException"
    );
}

/// A subscription filter of `/g`.
fn subscription(name: &str, destination: &str, role: Option<&str>) -> Value {
    let mut input = json!({
        "logGroupName": "/g", "filterName": name, "filterPattern": "", "destinationArn": destination,
    });
    if let Some(role) = role {
        input["roleArn"] = role.into();
    }
    input
}

#[test]
fn subscription_filters_are_kept_two_for_each_group() {
    let mut bench = Bench::with_stream();
    let names = |bench: &mut Bench, more: Value| {
        let mut input = json!({ "logGroupName": "/g" });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = bench.ok("DescribeSubscriptionFilters", input);
        answer["subscriptionFilters"].as_array().unwrap().clone()
    };
    assert!(names(&mut bench, json!({})).is_empty());
    let theirs = "arn:aws:logs:us-east-1:123456789012:destination:theirs";
    bench.ok("PutSubscriptionFilter", subscription("b", theirs, None));
    let stream = "arn:aws:kinesis:us-east-1:123456789012:stream/s";
    let role = "arn:aws:iam::123456789012:role/r";
    let put = subscription("a", stream, Some(role));
    bench.ok("PutSubscriptionFilter", put);
    let made = 1_767_225_600_000_i64;
    assert_eq!(
        names(&mut bench, json!({})),
        [
            json!({
                "filterName": "a", "logGroupName": "/g", "filterPattern": "", "destinationArn": stream,
                "roleArn": role, "distribution": "ByLogStream", "applyOnTransformedLogs": false,
                "creationTime": made,
            }),
            json!({
                "filterName": "b", "logGroupName": "/g", "filterPattern": "", "destinationArn": theirs,
                "distribution": "ByLogStream", "applyOnTransformedLogs": false, "creationTime": made,
            }),
        ]
    );
    assert_eq!(
        names(&mut bench, json!({ "filterNamePrefix": "b" })).len(),
        1
    );
    for (code, wrong) in [
        ("LimitExceededException", subscription("c", theirs, None)),
        ("InvalidParameterException", subscription("a", stream, None)),
        (
            "InvalidParameterException",
            subscription("a", "arn:aws:s3:::bucket", None),
        ),
        // Nobody let CloudWatch Logs invoke it.
        (
            "InvalidParameterException",
            subscription(
                "a",
                "arn:aws:lambda:us-east-1:123456789012:function:f",
                None,
            ),
        ),
    ] {
        assert_eq!(
            bench.code("PutSubscriptionFilter", wrong.clone()),
            code,
            "{wrong}"
        );
    }
    let delete = json!({ "logGroupName": "/g", "filterName": "a" });
    bench.ok("DeleteSubscriptionFilter", delete.clone());
    assert_eq!(
        bench.code("DeleteSubscriptionFilter", delete),
        "ResourceNotFoundException"
    );
    assert_eq!(names(&mut bench, json!({})).len(), 1);
    let unknown = json!({ "logGroupName": "/x" });
    assert_eq!(
        bench.code("DescribeSubscriptionFilters", unknown),
        "ResourceNotFoundException"
    );
}

#[test]
fn a_group_shows_whether_it_has_a_data_protection_policy() {
    let mut bench = Bench::with_stream();
    let status = |bench: &mut Bench| {
        let answer = bench.ok("DescribeLogGroups", json!({ "logGroupNamePrefix": "/g" }));
        answer["logGroups"][0]["dataProtectionStatus"].clone()
    };
    assert_eq!(status(&mut bench), Value::Null);
    let data = json!(["arn:aws:dataprotection::aws:data-identifier/IpAddress"]);
    let text = json!({
        "Name": "p", "Version": "2021-06-01", "Statement": [
            { "Sid": "a", "DataIdentifier": data, "Operation": { "Audit": { "FindingsDestination": {} } } },
            { "Sid": "d", "DataIdentifier": data, "Operation": { "Deidentify": { "MaskConfig": {} } } },
        ],
    })
    .to_string();
    let put = |text: &str| json!({ "logGroupIdentifier": "/g", "policyDocument": text });
    assert_eq!(
        bench.code("PutDataProtectionPolicy", put("{}")),
        "InvalidParameterException"
    );
    bench.ok("PutDataProtectionPolicy", put(&text));
    assert_eq!(status(&mut bench), "ACTIVATED");
    let of = json!({ "logGroupIdentifier": ARN });
    assert_eq!(
        bench.ok("GetDataProtectionPolicy", of.clone())["policyDocument"],
        text
    );
    bench.ok("DeleteDataProtectionPolicy", of.clone());
    assert_eq!(status(&mut bench), "DELETED");
    assert_eq!(
        bench.ok("GetDataProtectionPolicy", of)["policyDocument"],
        Value::Null
    );
}
