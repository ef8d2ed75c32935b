//! Users and their keys, and what evaluation is told of principals.

use serde_json::json;

use super::{ALLOW, BASIC, Bench, role};
use crate::profile::Profile;

#[test]
fn a_user_reads_back_and_is_kept_while_something_hangs_on_it() {
    let mut bench = Bench::new(Profile::Instant);
    let made = bench.ok(
        "CreateUser",
        json!({
            "UserName": "ann", "Path": "/people/", "PermissionsBoundary": BASIC,
            "Tags": [{ "Key": "team", "Value": "dns" }],
        }),
    );
    let id = made["User"]["UserId"].as_str().unwrap();
    assert!(id.starts_with("AIDA") && id.len() == 21, "{id}");
    let of = json!({ "UserName": "ann" });
    assert_eq!(bench.ok("GetUser", of.clone()), made);
    assert_eq!(
        made["User"]["Arn"],
        "arn:aws:iam::123456789012:user/people/ann"
    );
    assert_eq!(
        bench.code("CreateUser", json!({ "UserName": "ANN" })),
        "EntityAlreadyExists"
    );
    let put = |text: &str| json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": text });
    bench.ok("PutUserPolicy", put(ALLOW));
    let big = ALLOW.replace(
        "\"*\"",
        &format!("\"arn:aws:logs:*:*:{}\"", "x".repeat(2_000)),
    );
    assert_eq!(bench.code("PutUserPolicy", put(&big)), "LimitExceeded");
    let listed = bench.ok("ListUserPolicies", of.clone());
    assert_eq!(listed["PolicyNames"], json!(["p"]));
    let attached = bench.ok("ListAttachedUserPolicies", of.clone());
    assert_eq!(attached["AttachedPolicies"], json!([]));
    let listed = bench.ok("ListUsers", json!({ "PathPrefix": "/people/" }));
    assert!(listed["Users"][0].get("Tags").is_none());
    assert_eq!(
        bench.code("DeleteUser", of.clone()),
        "DeleteConflict",
        "an inline policy"
    );
    assert_eq!(
        bench.code("ListMFADevices", json!({ "UserName": "none" })),
        "NoSuchEntity"
    );

    bench.ok("CreateUser", json!({ "UserName": "bob" }));
    bench.ok("DeleteUser", json!({ "UserName": "bob" }));
    assert_eq!(
        bench.code("GetUser", json!({ "UserName": "bob" })),
        "NoSuchEntity"
    );
}

#[test]
fn keys_are_two_at_most_and_their_secrets_are_told_once() {
    let mut bench = Bench::new(Profile::Instant);
    let of = json!({ "UserName": "ann" });
    assert_eq!(bench.code("CreateAccessKey", of.clone()), "NoSuchEntity");
    bench.ok("CreateUser", of.clone());
    let key = bench.ok("CreateAccessKey", of.clone())["AccessKey"].clone();
    let (id, secret) = (
        key["AccessKeyId"].as_str().unwrap(),
        key["SecretAccessKey"].as_str().unwrap(),
    );
    assert!(id.starts_with("AKIA") && id.len() == 20 && secret.len() == 40);
    assert!(!format!("{:?}", bench.0.world).contains(secret));
    bench.ok("CreateAccessKey", of.clone());
    assert_eq!(
        bench
            .call("CreateAccessKey", of.clone())
            .unwrap_err()
            .message,
        "Cannot exceed quota for AccessKeysPerUser: 2"
    );
    let listed = bench.ok("ListAccessKeys", of.clone());
    let listed = listed["AccessKeyMetadata"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert!(!listed.iter().any(|key| key.to_string().contains(secret)));
    assert_eq!(bench.code("DeleteUser", of.clone()), "DeleteConflict");
    let delete = json!({ "UserName": "ann", "AccessKeyId": id });
    bench.ok("DeleteAccessKey", delete.clone());
    assert_eq!(bench.code("DeleteAccessKey", delete), "NoSuchEntity");
}

#[test]
fn without_a_name_the_caller_is_meant() {
    let mut bench = Bench::new(Profile::Instant);
    bench.ok("CreateUser", json!({ "UserName": "admin" }));
    assert_eq!(bench.ok("GetUser", json!({}))["User"]["UserName"], "admin");
    let key = bench.ok("CreateAccessKey", json!({}));
    assert_eq!(key["AccessKey"]["UserName"], "admin");
    bench.0.caller.arn = "arn:aws:iam::123456789012:root".into();
    let root = bench.ok("GetUser", json!({}));
    assert_eq!(root["User"]["Arn"], "arn:aws:iam::123456789012:root");
    assert_eq!(bench.code("CreateAccessKey", json!({})), "NotImplemented");
    assert_eq!(
        bench.ok("ListAccessKeys", json!({}))["AccessKeyMetadata"],
        json!([])
    );
    bench.0.caller.arn = "arn:aws:sts::123456789012:assumed-role/r/s".into();
    assert_eq!(bench.code("GetUser", json!({})), "ValidationError");
}

#[test]
fn evaluation_sees_everything_that_counts_for_a_principal() {
    let mut bench = Bench::new(Profile::Instant);
    bench.ok(
        "CreateRole",
        json!({
            "RoleName": "r", "Path": "/spore/", "AssumeRolePolicyDocument": super::TRUST,
            "PermissionsBoundary": "arn:aws:iam::aws:policy/AWSDenyAll",
            "Tags": [{ "Key": "team", "Value": "dns" }],
        }),
    );
    bench.ok(
        "PutRolePolicy",
        json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": ALLOW }),
    );
    bench.ok(
        "AttachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": BASIC }),
    );
    let session = "arn:aws:sts::123456789012:assumed-role/r/s";
    let found = bench.0.world.identity_policies(session).unwrap();
    let names: Vec<_> = found
        .policies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    assert_eq!(names, ["p", BASIC]);
    assert_eq!(found.policies[0].document, ALLOW);
    assert!(found.policies[1].document.contains("logs:CreateLogGroup"));
    assert!(found.boundary.unwrap().document.contains("Deny"));
    assert_eq!(found.tags["team"], "dns");
    assert_eq!(found.session, None);
    let world = &bench.0.world;
    for nobody in [
        "arn:aws:sts::123456789012:assumed-role/none/s",
        "arn:aws:sts::210987654321:assumed-role/r/s",
        "arn:aws:iam::123456789012:user/none",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:role/spore/r",
    ] {
        assert_eq!(world.identity_policies(nobody), None, "{nobody}");
    }
    assert!(
        world
            .iam
            .principal_exists("arn:aws:iam::123456789012:role/spore/r")
    );
    assert!(
        !world
            .iam
            .principal_exists("arn:aws:iam::123456789012:role/r")
    );
    bench.ok("CreateRole", role("plain"));
}
