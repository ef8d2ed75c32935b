//! IAM judged from outside: through its operations, as a client sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::bench;
use crate::profile::Profile;
use crate::wire::text::percent_decode;
use crate::world::{AwsError, Need};

mod principals;
mod reads;

/// A bench that calls IAM.
pub(super) struct Bench(pub bench::Bench);

pub(super) const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}"#;

pub(super) const ALLOW: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Action": "logs:PutLogEvents", "Resource": "*"}}"#;

const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

impl Bench {
    pub fn new(profile: Profile) -> Self {
        Self(bench::Bench::new(profile))
    }

    /// With a role `r`.
    pub fn with_role() -> Self {
        let mut bench = Self::new(Profile::Instant);
        bench.ok("CreateRole", role("r"));
        bench
    }

    pub fn call(&mut self, name: &str, input: Value) -> Result<Value, AwsError> {
        self.0.call("iam", name, input)
    }

    pub fn ok(&mut self, name: &str, input: Value) -> Value {
        self.call(name, input).unwrap()
    }

    pub fn code(&mut self, name: &str, input: Value) -> String {
        self.call(name, input)
            .map_or_else(|error| error.code, |_| "success".into())
    }

    fn message(&mut self, name: &str, input: Value) -> String {
        self.call(name, input)
            .map_or_else(|error| error.message, |_| "success".into())
    }

    fn needs(&self, name: &str, input: Value) -> Vec<Need> {
        self.0.needs("iam", name, &input)
    }
}

pub(super) fn role(name: &str) -> Value {
    json!({ "RoleName": name, "AssumeRolePolicyDocument": TRUST })
}

fn trusting(principal: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {principal},
        "Action": "sts:AssumeRole"}}]}}"#
    )
}

#[test]
fn a_role_reads_back_as_it_was_made() {
    let mut bench = Bench::new(Profile::Instant);
    let boundary = bench.ok(
        "CreatePolicy",
        json!({ "PolicyName": "limit", "Path": "/b/", "PolicyDocument": ALLOW }),
    );
    let boundary = boundary["Policy"]["Arn"].clone();
    assert_eq!(boundary, "arn:aws:iam::123456789012:policy/b/limit");
    let made = bench.ok(
        "CreateRole",
        json!({
            "RoleName": "Updater+x", "Path": "/spore/a/", "AssumeRolePolicyDocument": TRUST,
            "Description": "écrit", "MaxSessionDuration": 7200, "PermissionsBoundary": boundary,
            "Tags": [{ "Key": "spore:stack", "Value": "e" }],
        }),
    );
    let id = made["Role"]["RoleId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("AROA") && id.len() == 21, "{id}");
    let mut read = bench.ok("GetRole", json!({ "RoleName": "Updater+x" }));
    let encoded = read["Role"]["AssumeRolePolicyDocument"].take();
    let encoded = encoded.as_str().unwrap();
    assert!(encoded.starts_with("%7B%22Version%22%3A%20%222012-10-17%22"));
    assert_eq!(percent_decode(encoded, false).unwrap(), TRUST);
    let expected = json!({
        "Path": "/spore/a/", "RoleName": "Updater+x", "RoleId": id,
        "Arn": "arn:aws:iam::123456789012:role/spore/a/Updater+x",
        "CreateDate": 1_767_225_600, "AssumeRolePolicyDocument": null,
        "Description": "écrit", "MaxSessionDuration": 7200,
        "PermissionsBoundary": {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": boundary,
        },
        "Tags": [{ "Key": "spore:stack", "Value": "e" }], "RoleLastUsed": {},
    });
    assert_eq!(read["Role"], expected);
    // A listing leaves out what AWS leaves out.
    let listed = bench.ok("ListRoles", json!({ "PathPrefix": "/spore/" }));
    let listed = listed["Roles"][0].as_object().unwrap().clone();
    assert!(
        ["Tags", "PermissionsBoundary", "RoleLastUsed"]
            .iter()
            .all(|m| !listed.contains_key(*m))
    );
    assert_eq!(listed["MaxSessionDuration"], 7200);
    let none = bench.ok("ListRoles", json!({ "PathPrefix": "/other/" }));
    assert_eq!(none["Roles"], json!([]));

    bench.ok(
        "UpdateRole",
        json!({ "RoleName": "Updater+x", "Description": "", "MaxSessionDuration": 3600 }),
    );
    let read = bench.ok("GetRole", json!({ "RoleName": "Updater+x" }));
    assert_eq!(read["Role"]["MaxSessionDuration"], 3600);
    assert!(read["Role"].get("Description").is_none());
}

#[test]
fn names_are_unique_without_regard_to_case_and_checked() {
    let mut bench = Bench::with_role();
    assert_eq!(
        bench.message("CreateRole", role("R")),
        "Role with name R already exists."
    );
    assert_eq!(bench.code("CreateRole", role("R")), "EntityAlreadyExists");
    assert_eq!(
        bench.code("GetRole", json!({ "RoleName": "R" })),
        "NoSuchEntity"
    );
    assert_eq!(bench.code("CreateRole", role("a b")), "ValidationError");
    assert_eq!(
        bench.code("CreateRole", role(&"x".repeat(65))),
        "ValidationError"
    );
    let mut input = role("s");
    input["Path"] = "/a".into();
    assert_eq!(bench.code("CreateRole", input.clone()), "ValidationError");
    input["Path"] = "/aws-service-role/x/".into();
    assert_eq!(bench.code("CreateRole", input), "InvalidInput");
    bench.0.as_account("210987654321");
    assert_eq!(
        bench.code("CreateRole", role("r")),
        "success",
        "another account"
    );
}

#[test]
fn trust_policies_are_checked_for_form_size_and_principals() {
    let mut bench = Bench::with_role();
    let mut check = |document: &str, expected: &str| {
        let input = json!({ "RoleName": "r", "PolicyDocument": document });
        let result = bench.call("UpdateAssumeRolePolicy", input);
        let found = result.map_or_else(
            |error| format!("{}: {}", error.code, error.message),
            |_| "ok".into(),
        );
        assert_eq!(found, expected, "{document}");
    };
    let malformed = |text: &str| format!("MalformedPolicyDocument: {text}");
    check(
        &trusting(r#"{"AWS": ["210987654321", "arn:aws:iam::123456789012:role/r"]}"#),
        "ok",
    );
    check(
        &trusting(r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/r/s"}"#),
        "ok",
    );
    check(&trusting("\"*\""), "ok");
    check("nonsense", &malformed("This policy contains invalid Json"));
    check(
        &trusting(r#"{"AWS": "arn:aws:iam::123456789012:role/nobody"}"#),
        &malformed(
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:role/nobody\"",
        ),
    );
    check(
        &trusting(r#"{"Service": "lambda"}"#),
        &malformed("Invalid principal in policy: \"SERVICE\":\"lambda\""),
    );
    check(
        &TRUST.replace("\"Effect\"", "\"Resource\": \"*\", \"Effect\""),
        &malformed("Has prohibited field Resource"),
    );
    check(
        &TRUST.replace("sts:AssumeRole", "s3:GetObject"),
        &malformed("AssumeRole policy may only specify STS AssumeRole actions."),
    );
    check(
        r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}}"#,
        &malformed("Missing required field Principal"),
    );
    let sid = |n: usize| {
        TRUST.replace(
            "\"Effect\"",
            &format!("\"Sid\": \"{}\", \"Effect\"", "s".repeat(n)),
        )
    };
    check(
        &sid(2000),
        "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048",
    );
    check(&format!("{}{}", sid(1000), " ".repeat(2000)), "ok");
}

#[test]
fn inline_policies_are_kept_as_texts_and_limited_together() {
    let mut bench = Bench::with_role();
    let put = |name: &str, document: &str| json!({ "RoleName": "r", "PolicyName": name, "PolicyDocument": document });
    let named = |name: &str| json!({ "RoleName": "r", "PolicyName": name });
    bench.ok("PutRolePolicy", put("b", ALLOW));
    bench.ok("PutRolePolicy", put("a", ALLOW));
    let read = bench.ok("GetRolePolicy", named("a"));
    let text = percent_decode(read["PolicyDocument"].as_str().unwrap(), false).unwrap();
    assert_eq!(text, ALLOW);
    let listed = bench.ok("ListRolePolicies", json!({ "RoleName": "r" }));
    assert_eq!(
        listed,
        json!({ "PolicyNames": ["a", "b"], "IsTruncated": false })
    );
    let big = ALLOW.replace(
        "\"*\"",
        &format!("\"arn:aws:logs:*:*:{}\"", "x".repeat(5_100)),
    );
    bench.ok("PutRolePolicy", put("a", &big));
    bench.ok("PutRolePolicy", put("a", &big));
    let refused = bench.message("PutRolePolicy", put("b", &big));
    assert_eq!(
        refused,
        "Maximum policy size of 10240 bytes exceeded for role r"
    );
    assert_eq!(
        bench.code("PutRolePolicy", put("c", "{}")),
        "MalformedPolicyDocument"
    );
    bench.ok("DeleteRolePolicy", named("a"));
    assert_eq!(bench.code("DeleteRolePolicy", named("a")), "NoSuchEntity");
    assert_eq!(bench.code("GetRolePolicy", named("a")), "NoSuchEntity");
}

#[test]
fn managed_policies_are_attached_once_and_listed() {
    let mut bench = Bench::with_role();
    let attach = |arn: &str| json!({ "RoleName": "r", "PolicyArn": arn });
    let nobody = "arn:aws:iam::123456789012:policy/nobody";
    assert_eq!(
        bench.message("AttachRolePolicy", attach(nobody)),
        format!("Policy {nobody} does not exist or is not attachable.")
    );
    assert_eq!(
        bench.code("AttachRolePolicy", attach("arn:aws:iam::policy/nobody")),
        "InvalidInput"
    );
    bench.ok("AttachRolePolicy", attach(BASIC));
    bench.ok("AttachRolePolicy", attach(BASIC));
    for n in 1..=9 {
        let name = format!("p{n}");
        let made = bench.ok(
            "CreatePolicy",
            json!({ "PolicyName": name, "PolicyDocument": ALLOW }),
        );
        bench.ok(
            "AttachRolePolicy",
            attach(made["Policy"]["Arn"].as_str().unwrap()),
        );
    }
    bench.ok(
        "CreatePolicy",
        json!({ "PolicyName": "p10", "PolicyDocument": ALLOW }),
    );
    let eleventh = attach("arn:aws:iam::123456789012:policy/p10");
    assert_eq!(bench.code("AttachRolePolicy", eleventh), "LimitExceeded");

    let list = |bench: &mut Bench, input: Value| {
        let answer = bench.ok("ListAttachedRolePolicies", input);
        let policies = answer["AttachedPolicies"].as_array().unwrap().clone();
        (policies.len(), policies[0]["PolicyArn"].clone())
    };
    let (count, first) = list(&mut bench, json!({ "RoleName": "r" }));
    assert_eq!((count, first), (10, BASIC.into()));
    let below = json!({ "RoleName": "r", "PathPrefix": "/service-role/" });
    assert_eq!(list(&mut bench, below).0, 1);
    bench.ok("DetachRolePolicy", attach(BASIC));
    assert_eq!(
        bench.code("DetachRolePolicy", attach(BASIC)),
        "NoSuchEntity"
    );
}

#[test]
fn boundaries_are_put_and_taken_away() {
    let mut bench = Bench::with_role();
    let put = |arn: &str| json!({ "RoleName": "r", "PermissionsBoundary": arn });
    let nobody = "arn:aws:iam::123456789012:policy/nobody";
    assert_eq!(
        bench.message("PutRolePermissionsBoundary", put(nobody)),
        format!("Scope ARN: {nobody} does not exist or is not attachable.")
    );
    bench.ok("PutRolePermissionsBoundary", put(BASIC));
    let read = bench.ok("GetRole", json!({ "RoleName": "r" }));
    let boundary = &read["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"];
    assert_eq!(boundary, BASIC);
    let of = json!({ "RoleName": "r" });
    bench.ok("DeleteRolePermissionsBoundary", of.clone());
    assert_eq!(
        bench.code("DeleteRolePermissionsBoundary", of),
        "NoSuchEntity"
    );
    let mut input = role("s");
    input["PermissionsBoundary"] = nobody.into();
    assert_eq!(bench.code("CreateRole", input), "NoSuchEntity");
}

#[test]
fn a_role_is_deleted_only_when_nothing_hangs_on_it_and_never_comes_back() {
    let mut bench = Bench::with_role();
    let first = bench.ok("GetRole", json!({ "RoleName": "r" }));
    let mut truster = role("truster");
    let arn = "arn:aws:iam::123456789012:role/r";
    truster["AssumeRolePolicyDocument"] = trusting(&format!("{{\"AWS\": \"{arn}\"}}")).into();
    bench.ok("CreateRole", truster);
    bench.ok(
        "AttachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": BASIC }),
    );
    bench.ok(
        "PutRolePolicy",
        json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": ALLOW }),
    );
    let delete = json!({ "RoleName": "r" });
    assert_eq!(
        bench.message("DeleteRole", delete.clone()),
        "Cannot delete entity, must detach all policies first."
    );
    bench.ok(
        "DetachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": BASIC }),
    );
    assert_eq!(bench.code("DeleteRole", delete.clone()), "DeleteConflict");
    bench.ok(
        "DeleteRolePolicy",
        json!({ "RoleName": "r", "PolicyName": "p" }),
    );
    bench.ok("DeleteRole", delete.clone());
    assert_eq!(bench.code("DeleteRole", delete), "NoSuchEntity");
    // Who trusted the role does not trust another of its name.
    let second = bench.ok("CreateRole", role("r"));
    assert_ne!(second["Role"]["RoleId"], first["Role"]["RoleId"]);
    let read = bench.ok("GetRole", json!({ "RoleName": "truster" }));
    let trust = read["Role"]["AssumeRolePolicyDocument"].as_str().unwrap();
    let trust = percent_decode(trust, false).unwrap();
    assert!(!trust.contains(arn) && trust.contains(first["Role"]["RoleId"].as_str().unwrap()));
    // The text it shows now cannot be stored again.
    let input = json!({ "RoleName": "truster", "PolicyDocument": trust });
    assert_eq!(
        bench.code("UpdateAssumeRolePolicy", input),
        "MalformedPolicyDocument"
    );
}

#[test]
fn in_aws_time_a_new_role_is_listed_late_and_usable_late() {
    let mut bench = Bench::new(Profile::Aws);
    for n in 0..20 {
        bench.ok("CreateRole", role(&format!("r{n}")));
    }
    bench.ok("GetRole", json!({ "RoleName": "r7" }));
    let count = |bench: &mut Bench| {
        bench.ok("ListRoles", json!({}))["Roles"]
            .as_array()
            .unwrap()
            .len()
    };
    assert!(count(&mut bench) < 20);
    let now = bench.0.caller.now;
    for n in 0..20 {
        let role = bench
            .0
            .world
            .role("123456789012", &format!("r{n}"))
            .unwrap();
        let wait = role.usable_from.duration_since(now).as_secs_f64();
        assert!((5.0..=15.1).contains(&wait), "{wait}");
    }
    bench.0.advance(151);
    assert_eq!(count(&mut bench), 20);
}

#[test]
fn pages_follow_markers() {
    let mut bench = Bench::new(Profile::Instant);
    for n in 0..5 {
        bench.ok("CreateRole", role(&format!("r{n}")));
    }
    let mut names = Vec::new();
    let mut input = json!({ "MaxItems": 2 });
    loop {
        let page = bench.ok("ListRoles", input.clone());
        let roles = page["Roles"].as_array().unwrap().iter();
        names.extend(roles.map(|role| role["RoleName"].as_str().unwrap().to_owned()));
        assert_eq!(page["IsTruncated"], page.get("Marker").is_some());
        let Some(marker) = page.get("Marker") else {
            break;
        };
        input["Marker"] = marker.clone();
    }
    assert_eq!(names, ["r0", "r1", "r2", "r3", "r4"]);
    assert_eq!(
        bench.code("ListUsers", input),
        "ValidationError",
        "a marker of another listing"
    );
    assert_eq!(
        bench.code("ListRoles", json!({ "MaxItems": 1001 })),
        "ValidationError"
    );
}

#[test]
fn tag_keys_have_no_case() {
    let mut bench = Bench::with_role();
    let tag = |pairs: &[(&str, &str)]| {
        let tags: Vec<_> = pairs
            .iter()
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        json!({ "RoleName": "r", "Tags": tags })
    };
    bench.ok("TagRole", tag(&[("Owner", "a"), ("Ä", "")]));
    bench.ok("TagRole", tag(&[("owner", "b")]));
    let read = bench.ok("ListRoleTags", json!({ "RoleName": "r" }));
    let expected = json!([{ "Key": "owner", "Value": "b" }, { "Key": "Ä", "Value": "" }]);
    assert_eq!(read["Tags"], expected);
    assert_eq!(
        bench.code("TagRole", tag(&[("x", "1"), ("X", "2")])),
        "InvalidInput"
    );
    assert_eq!(
        bench.code("TagRole", tag(&[("aws:x", "1")])),
        "InvalidInput"
    );
    assert_eq!(bench.code("TagRole", tag(&[("a;b", "1")])), "InvalidInput");
    let many: Vec<String> = (0..49).map(|n| format!("k{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "")).collect();
    assert_eq!(bench.code("TagRole", tag(&many)), "LimitExceeded");
    bench.ok(
        "UntagRole",
        json!({ "RoleName": "r", "TagKeys": ["OWNER", "never"] }),
    );
    let read = bench.ok("ListRoleTags", json!({ "RoleName": "r" }));
    assert_eq!(read["Tags"].as_array().unwrap().len(), 1);
}

#[test]
fn needs_name_the_role_with_its_path_and_say_what_conditions_ask() {
    let mut bench = Bench::new(Profile::Instant);
    let create = json!({
        "RoleName": "r", "Path": "/spore/", "AssumeRolePolicyDocument": TRUST,
        "PermissionsBoundary": BASIC, "Tags": [{ "Key": "k", "Value": "v" }],
    });
    let arn = "arn:aws:iam::123456789012:role/spore/r";
    let one = |text: &str| vec![text.to_owned()];
    let tagged = |need: Need| {
        need.with("aws:RequestTag/k", one("v"))
            .with("aws:TagKeys", one("k"))
    };
    let of_create = Need::new("iam:CreateRole", arn).with("iam:PermissionsBoundary", one(BASIC));
    assert_eq!(
        bench.needs("CreateRole", create.clone()),
        [tagged(of_create), tagged(Need::new("iam:TagRole", arn))]
    );
    bench.ok("CreateRole", create);
    let owned = |action: &str| {
        Need::new(action, arn)
            .with("aws:ResourceTag/k", one("v"))
            .with("iam:ResourceTag/k", one("v"))
    };
    let attach = json!({ "RoleName": "r", "PolicyArn": BASIC });
    assert_eq!(
        bench.needs("AttachRolePolicy", attach),
        [owned("iam:AttachRolePolicy")
            .with("iam:PermissionsBoundary", one(BASIC))
            .with("iam:PolicyARN", one(BASIC))]
    );
    let put =
        json!({ "RoleName": "r", "PermissionsBoundary": "arn:aws:iam::aws:policy/AWSDenyAll" });
    assert_eq!(
        bench.needs("PutRolePermissionsBoundary", put),
        [owned("iam:PutRolePermissionsBoundary").with(
            "iam:PermissionsBoundary",
            one("arn:aws:iam::aws:policy/AWSDenyAll")
        )]
    );
    let untag = json!({ "RoleName": "r", "TagKeys": ["k"] });
    assert_eq!(
        bench.needs("UntagRole", untag),
        [owned("iam:UntagRole").with("aws:TagKeys", one("k"))]
    );
    let unknown = Need::new("iam:GetRole", "arn:aws:iam::123456789012:role/none");
    assert_eq!(
        bench.needs("GetRole", json!({ "RoleName": "none" })),
        [unknown]
    );
    assert_eq!(
        bench.needs("ListRoles", json!({})),
        [Need::new("iam:ListRoles", "*")]
    );
}

#[test]
fn every_operation_of_the_table_is_served_and_needs_an_action_of_its_name() {
    let bench = Bench::new(Profile::Instant);
    let model = crate::wire::model::model("iam").unwrap();
    assert_eq!(model.operations.len(), 48);
    for name in model.operations.keys() {
        let operation = super::operation(name).unwrap_or_else(|| panic!("{name} is missing"));
        let needs = (operation.needs)(&bench.0.world, &bench.0.caller, &json!({}));
        assert_eq!(needs[0].action, format!("iam:{name}"));
    }
}

#[test]
fn a_report_is_made_of_what_there_is() {
    let mut bench = Bench::new(Profile::Aws);
    assert_eq!(
        bench.code("GetCredentialReport", json!({})),
        "ReportNotPresent"
    );
    bench.ok("CreateUser", json!({ "UserName": "ann,b" }));
    bench.0.advance(60);
    bench.ok("CreateAccessKey", json!({ "UserName": "ann,b" }));
    let state = |bench: &mut Bench| {
        let answer = bench.ok("GenerateCredentialReport", json!({}));
        answer["State"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&mut bench), "STARTED");
    assert_eq!(state(&mut bench), "INPROGRESS");
    assert_eq!(
        bench.code("GetCredentialReport", json!({})),
        "ReportInProgress"
    );
    bench.ok("CreateUser", json!({ "UserName": "late" }));
    bench.0.advance(5);
    assert_eq!(state(&mut bench), "COMPLETE");
    let report = bench.ok("GetCredentialReport", json!({}));
    let content = BASE64.decode(report["Content"].as_str().unwrap()).unwrap();
    let content = String::from_utf8(content).unwrap();
    let lines: Vec<_> = content.lines().collect();
    assert_eq!(
        lines.len(),
        3,
        "the table is as old as the request: {content}"
    );
    let columns = lines[0].split(',').count();
    assert_eq!((columns, lines[1].split(',').count()), (22, 22));
    assert!(
        lines[1].starts_with(
            "<root_account>,arn:aws:iam::123456789012:root,2026-01-01T00:00:00+00:00,"
        )
    );
    assert_eq!(
        lines[2],
        "\"ann,b\",\"arn:aws:iam::123456789012:user/ann,b\",2026-01-01T00:00:00+00:00,false,N/A,N/A,\
         N/A,false,true,2026-01-01T00:01:00+00:00,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
    );
    bench.0.advance(4 * 3600);
    assert_eq!(
        bench.code("GetCredentialReport", json!({})),
        "ReportExpired"
    );
    assert_eq!(state(&mut bench), "STARTED");
}
