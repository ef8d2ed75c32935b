//! Managed policies, accounts as a whole, and the simulator.

use serde_json::{Value, json};

use super::{ALLOW, BASIC, Bench, role};
use crate::profile::Profile;
use crate::wire::text::percent_decode;

fn names(answer: &Value, member: &str, name: &str) -> Vec<String> {
    let items = answer[member].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_managed_policy_reads_back_and_is_kept_while_used() {
    let mut bench = Bench::with_role();
    let made = bench.ok(
        "CreatePolicy",
        json!({
            "PolicyName": "p", "Path": "/x/", "PolicyDocument": ALLOW, "Description": "d",
            "Tags": [{ "Key": "a", "Value": "1" }],
        }),
    );
    let arn = made["Policy"]["Arn"].as_str().unwrap().to_owned();
    let of = json!({ "PolicyArn": arn });
    let again = json!({ "PolicyName": "P", "PolicyDocument": ALLOW });
    assert_eq!(bench.code("CreatePolicy", again), "EntityAlreadyExists");
    let unversioned = ALLOW.replace("\"Version\": \"2012-10-17\", ", "");
    let input = json!({ "PolicyName": "q", "PolicyDocument": unversioned });
    assert_eq!(bench.code("CreatePolicy", input), "MalformedPolicyDocument");
    bench.ok(
        "AttachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": arn }),
    );
    bench.ok(
        "CreateUser",
        json!({ "UserName": "u", "Path": "/people/", "PermissionsBoundary": arn }),
    );
    let read = bench.ok("GetPolicy", of.clone());
    let id = &read["Policy"]["PolicyId"];
    assert!(id.as_str().unwrap().starts_with("ANPA"));
    assert_eq!(
        read["Policy"],
        json!({
            "PolicyName": "p", "PolicyId": id, "Arn": arn, "Path": "/x/", "DefaultVersionId": "v1",
            "AttachmentCount": 1, "PermissionsBoundaryUsageCount": 1, "IsAttachable": true,
            "Description": "d", "CreateDate": 1_767_225_600, "UpdateDate": 1_767_225_600,
            "Tags": [{ "Key": "a", "Value": "1" }],
        })
    );
    let version = bench.ok(
        "GetPolicyVersion",
        json!({ "PolicyArn": arn, "VersionId": "v1" }),
    );
    let text = version["PolicyVersion"]["Document"].as_str().unwrap();
    assert_eq!(percent_decode(text, false).unwrap(), ALLOW);
    let absent = json!({ "PolicyArn": arn, "VersionId": "v2" });
    assert_eq!(bench.code("GetPolicyVersion", absent), "NoSuchEntity");
    let versions = bench.ok("ListPolicyVersions", of.clone());
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 1);

    let mut entities = |filter: Value| {
        let mut input = filter;
        input["PolicyArn"] = arn.as_str().into();
        let answer = bench.ok("ListEntitiesForPolicy", input);
        (
            names(&answer, "PolicyUsers", "UserName").join(" "),
            names(&answer, "PolicyRoles", "RoleName").join(" "),
        )
    };
    let both = |users: &str, roles: &str| (users.to_owned(), roles.to_owned());
    assert_eq!(entities(json!({})), both("u", "r"));
    assert_eq!(entities(json!({ "EntityFilter": "Role" })), both("", "r"));
    assert_eq!(entities(json!({ "PathPrefix": "/people/" })), both("u", ""));
    assert_eq!(
        entities(json!({ "PolicyUsageFilter": "PermissionsPolicy" })),
        both("", "r")
    );

    assert_eq!(bench.code("DeletePolicy", of.clone()), "DeleteConflict");
    bench.ok(
        "DetachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": arn }),
    );
    assert_eq!(
        bench.code("DeletePolicy", of.clone()),
        "DeleteConflict",
        "a boundary"
    );
    bench.ok("DeleteUser", json!({ "UserName": "u" }));
    bench.ok("DeletePolicy", of.clone());
    assert_eq!(bench.code("GetPolicy", of), "NoSuchEntity");
}

#[test]
fn policies_are_listed_by_owner_and_use() {
    let mut bench = Bench::with_role();
    bench.ok(
        "CreatePolicy",
        json!({ "PolicyName": "own", "PolicyDocument": ALLOW }),
    );
    bench.ok(
        "AttachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": BASIC }),
    );
    let mut list = |input: Value| {
        let answer = bench.ok("ListPolicies", input);
        assert!(answer["Policies"][0].get("Tags").is_none());
        names(&answer, "Policies", "PolicyName")
    };
    assert_eq!(list(json!({ "Scope": "Local" })), ["own"]);
    assert_eq!(
        list(json!({ "OnlyAttached": true })),
        ["AWSLambdaBasicExecutionRole"]
    );
    let of_aws = list(json!({ "Scope": "AWS" }));
    assert!(
        of_aws.contains(&"AdministratorAccess".to_owned()) && !of_aws.contains(&"own".to_owned())
    );
    let all = list(json!({}));
    let mut sorted = all.clone();
    sorted.sort_by_key(|name| name.to_lowercase());
    assert_eq!(all, sorted);
    assert_eq!(all.len(), of_aws.len() + 1);
    let of = json!({ "PolicyArn": BASIC });
    assert_eq!(bench.code("DeletePolicy", of.clone()), "InvalidInput");
    assert_eq!(bench.ok("GetPolicy", of)["Policy"]["AttachmentCount"], 1);
    bench.0.as_account("210987654321");
    let foreign = json!({ "PolicyArn": "arn:aws:iam::123456789012:policy/own" });
    assert_eq!(bench.code("GetPolicy", foreign), "NoSuchEntity");
}

#[test]
fn an_account_is_counted() {
    let mut bench = Bench::with_role();
    bench.ok("CreateUser", json!({ "UserName": "u" }));
    let summary = bench.ok("GetAccountSummary", json!({}));
    let count = |name: &str| summary["SummaryMap"][name].as_u64().unwrap();
    assert_eq!(
        (count("Roles"), count("Users"), count("Policies")),
        (1, 1, 0)
    );
    assert_eq!(
        (count("RolesQuota"), count("AssumeRolePolicySizeQuota")),
        (1000, 2048)
    );
    assert_eq!(
        bench.code("GetAccountPasswordPolicy", json!({})),
        "NoSuchEntity"
    );
    for (name, member) in [
        ("ListAccountAliases", "AccountAliases"),
        ("ListGroups", "Groups"),
        ("ListSAMLProviders", "SAMLProviderList"),
        ("ListServerCertificates", "ServerCertificateMetadataList"),
        ("ListVirtualMFADevices", "VirtualMFADevices"),
    ] {
        assert_eq!(bench.ok(name, json!({}))[member], json!([]), "{name}");
    }
    let of = json!({ "RoleName": "r" });
    let profiles = bench.ok("ListInstanceProfilesForRole", of);
    assert_eq!(profiles["InstanceProfiles"], json!([]));
    let of = json!({ "RoleName": "none" });
    assert_eq!(
        bench.code("ListInstanceProfilesForRole", of),
        "NoSuchEntity"
    );
}

#[test]
fn the_simulator_decides_as_the_evaluator_does() {
    let mut bench = Bench::new(Profile::Instant);
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "route53:*", "Resource": "*",
         "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}},
        {"Effect": "Deny", "Action": "route53:Delete*", "Resource": "arn:aws:route53:::hostedzone/Z1"}]}"#;
    let mut input = json!({
        "PolicyInputList": [policy],
        "ActionNames": ["route53:GetHostedZone", "route53:DeleteHostedZone", "s3:GetObject"],
        "ResourceArns": ["arn:aws:route53:::hostedzone/Z1", "arn:aws:route53:::hostedzone/Z2"],
        "ContextEntries": [{ "ContextKeyName": "aws:requestedregion",
            "ContextKeyValues": ["us-east-1"], "ContextKeyType": "string" }],
    });
    let answer = bench.ok("SimulateCustomPolicy", input.clone());
    let decisions = names(&answer, "EvaluationResults", "EvalDecision");
    let expected = [
        "allowed",
        "allowed",
        "explicitDeny",
        "allowed",
        "implicitDeny",
        "implicitDeny",
    ];
    assert_eq!(decisions, expected);
    let denied = &answer["EvaluationResults"][2];
    assert_eq!(
        denied["EvalResourceName"],
        "arn:aws:route53:::hostedzone/Z1"
    );
    assert_eq!(
        denied["MatchedStatements"],
        json!([{ "SourcePolicyId": "PolicyInputList.1", "SourcePolicyType": "none" }])
    );
    assert_eq!(denied["MissingContextValues"], json!([]));

    input["ContextEntries"] = json!([]);
    input["ActionNames"] = json!(["route53:GetHostedZone"]);
    input["PermissionsBoundaryPolicyInputList"] = json!([ALLOW]);
    let answer = bench.ok("SimulateCustomPolicy", input.clone());
    let first = &answer["EvaluationResults"][0];
    assert_eq!(first["EvalDecision"], "implicitDeny");
    assert_eq!(
        first["MissingContextValues"],
        json!(["aws:RequestedRegion"])
    );
    assert_eq!(
        first["PermissionsBoundaryDecisionDetail"],
        json!({ "AllowedByPermissionsBoundary": false })
    );
    input["ActionNames"] = json!(["route53:*"]);
    assert_eq!(
        bench.code("SimulateCustomPolicy", input.clone()),
        "InvalidInput"
    );
    input["ResourceHandlingOption"] = "EC2-VPC-InstanceStore".into();
    assert_eq!(bench.code("SimulateCustomPolicy", input), "NotImplemented");
}

#[test]
fn a_principal_is_simulated_with_what_it_has() {
    let mut bench = Bench::new(Profile::Instant);
    bench.ok("CreateRole", role("r"));
    bench.ok(
        "PutRolePolicy",
        json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": ALLOW }),
    );
    let mut input = json!({
        "PolicySourceArn": "arn:aws:iam::123456789012:role/r",
        "ActionNames": ["logs:PutLogEvents", "logs:CreateLogGroup"],
    });
    let decisions = |bench: &mut Bench, input: &Value| {
        let answer = bench.ok("SimulatePrincipalPolicy", input.clone());
        names(&answer, "EvaluationResults", "EvalDecision")
    };
    assert_eq!(decisions(&mut bench, &input), ["allowed", "implicitDeny"]);
    bench.ok(
        "AttachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": BASIC }),
    );
    assert_eq!(decisions(&mut bench, &input), ["allowed", "allowed"]);
    let deny = "arn:aws:iam::aws:policy/AWSDenyAll";
    bench.ok(
        "PutRolePermissionsBoundary",
        json!({ "RoleName": "r", "PermissionsBoundary": deny }),
    );
    assert_eq!(
        decisions(&mut bench, &input),
        ["explicitDeny", "explicitDeny"]
    );
    input["PolicySourceArn"] = "arn:aws:iam::123456789012:role/none".into();
    assert_eq!(bench.code("SimulatePrincipalPolicy", input), "NoSuchEntity");
}
