//! Lambda judged from outside: through its operations, as a client sees it, and through runs that a
//! stand-in carries out.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::archive::tests::zip_of;
use crate::bench;
use crate::invoke::Run;
use crate::profile::Profile;
use crate::world::{AwsError, Invocation, Ran, Waiting};

mod changes;
mod permissions;
mod runs;

const ROLE: &str = "arn:aws:iam::123456789012:role/spore/updater";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:updater";

/// A bench that calls Lambda.
struct Bench(bench::Bench);

impl Bench {
    /// With a role that Lambda may assume, for some time already.
    fn new(profile: Profile) -> Self {
        let mut bench = Self(bench::Bench::new(profile));
        bench.role("updater", "lambda.amazonaws.com");
        bench.0.advance(60);
        bench
    }

    fn role(&mut self, name: &str, service: &str) {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": service },
                "Action": "sts:AssumeRole",
            }],
        });
        let input = json!({
            "RoleName": name,
            "Path": "/spore/",
            "AssumeRolePolicyDocument": trust.to_string(),
        });
        self.0.call("iam", "CreateRole", input).unwrap();
    }

    /// Lets the role do some actions on everything.
    fn allow(&mut self, actions: &[&str]) {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
        });
        let input = json!({
            "RoleName": "updater",
            "PolicyName": "own",
            "PolicyDocument": document.to_string(),
        });
        self.0.call("iam", "PutRolePolicy", input).unwrap();
    }

    fn call(&mut self, name: &str, input: Value) -> Result<Value, AwsError> {
        self.0.call("lambda", name, input)
    }

    fn ok(&mut self, name: &str, input: Value) -> Value {
        self.call(name, input).unwrap()
    }

    fn code(&mut self, name: &str, input: Value) -> String {
        self.call(name, input)
            .map_or_else(|error| error.code, |_| "success".into())
    }

    /// Creates the function with some members more, and waits until it is active.
    fn create(&mut self, more: Value) -> Value {
        let created = self.ok("CreateFunction", input(more));
        self.0.advance(10);
        created
    }

    fn configuration(&mut self) -> Value {
        self.ok(
            "GetFunctionConfiguration",
            json!({ "FunctionName": "updater" }),
        )
    }

    fn invocation(&mut self, input: Value) -> Invocation {
        self.ok("Invoke", input);
        self.0.world.requested.take().unwrap()
    }

    /// Starts an invocation that nobody waits for.
    fn start(&mut self, id: &str) -> Result<(Invocation, Run), AwsError> {
        let invocation = Invocation {
            account: "123456789012".into(),
            region: "us-east-1".into(),
            function: "updater".into(),
            event: b"{}".to_vec(),
            request_id: id.into(),
            waiting: Waiting::Lambda(super::Waiting { log_tail: true }),
        };
        let now = self.0.caller.now;
        let run = self.0.world.start(now, &invocation)?;
        Ok((invocation, run))
    }
}

/// Input of CreateFunction.
fn input(more: Value) -> Value {
    let mut input = json!({
        "FunctionName": "updater",
        "Role": ROLE,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Code": { "ZipFile": code("#!/bin/sh\n") },
    });
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

/// A zip whose bootstrap has this text.
fn code(text: &str) -> String {
    BASE64_STANDARD.encode(zip_of(&[("bootstrap", 0o755, text)]))
}

fn ran(outcome: Result<&str, (&str, &str)>, log: &[&str]) -> Ran {
    Ran {
        outcome: outcome
            .map(|body| body.as_bytes().to_vec())
            .map_err(|(kind, message)| (kind.to_owned(), message.to_owned())),
        log: log.iter().map(|line| (*line).to_owned()).collect(),
        took: Duration::from_micros(1_500),
    }
}

#[test]
fn a_new_function_has_the_defaults_of_aws() {
    let mut bench = Bench::new(Profile::Aws);
    let created = bench.ok("CreateFunction", input(json!({ "Tags": { "a": "1" } })));
    for (member, expected) in [
        ("FunctionArn", json!(FUNCTION)),
        ("State", json!("Pending")),
        ("StateReasonCode", json!("Creating")),
        ("Version", json!("$LATEST")),
        ("Description", json!("")),
        ("Timeout", json!(3)),
        ("MemorySize", json!(128)),
        ("PackageType", json!("Zip")),
        ("Architectures", json!(["x86_64"])),
        ("TracingConfig", json!({ "Mode": "PassThrough" })),
        ("EphemeralStorage", json!({ "Size": 512 })),
        (
            "SnapStart",
            json!({ "ApplyOn": "None", "OptimizationStatus": "Off" }),
        ),
        (
            "LoggingConfig",
            json!({ "LogFormat": "Text", "LogGroup": "/aws/lambda/updater" }),
        ),
        ("LastModified", json!("2026-01-01T00:01:00.000+0000")),
    ] {
        assert_eq!(created[member], expected, "{member}");
    }
    for absent in [
        "Environment",
        "KMSKeyArn",
        "Layers",
        "VpcConfig",
        "LastUpdateStatus",
    ] {
        assert_eq!(created.get(absent), None, "{absent}");
    }
    bench.0.advance(10);
    let settled = bench.configuration();
    assert_eq!(settled["State"], "Active");
    assert_eq!(settled["LastUpdateStatus"], "Successful");
    assert_eq!(settled.get("StateReason"), None);
    let whole = bench.ok("GetFunction", json!({ "FunctionName": FUNCTION }));
    assert_eq!(whole["Tags"], json!({ "a": "1" }));
    assert_eq!(whole["Configuration"], settled);
    assert_eq!(whole.get("Concurrency"), None);
}

#[test]
fn the_hash_and_size_are_those_of_the_zip() {
    use sha2::{Digest as _, Sha256};
    let mut bench = Bench::new(Profile::Instant);
    let zip = zip_of(&[("bootstrap", 0o755, "x")]);
    let created = bench.create(json!({ "Code": { "ZipFile": BASE64_STANDARD.encode(&zip) } }));
    assert_eq!(created["CodeSize"], zip.len());
    assert_eq!(
        created["CodeSha256"],
        BASE64_STANDARD.encode(Sha256::digest(&zip))
    );
    assert_eq!(bench.0.world.blobs.iter().count(), 1);
    bench.ok("DeleteFunction", json!({ "FunctionName": "updater" }));
    assert_eq!(
        bench.0.world.blobs.iter().count(),
        0,
        "code goes with its function"
    );
    let gone = json!({ "FunctionName": "updater" });
    assert_eq!(
        bench.code("GetFunction", gone.clone()),
        "ResourceNotFoundException"
    );
    assert_eq!(
        bench.code("DeleteFunction", gone),
        "ResourceNotFoundException"
    );
}

#[test]
fn what_is_set_is_read_back() {
    let mut bench = Bench::new(Profile::Instant);
    let given = json!({
        "Description": "updates names",
        "Timeout": 10,
        "MemorySize": 256,
        "Architectures": ["arm64"],
        "EphemeralStorage": { "Size": 1024 },
        "Environment": { "Variables": { "SPORE_LOG": "info" } },
        "Layers": ["arn:aws:lambda:us-east-1:999999999999:layer:other:3"],
        "LoggingConfig": {
            "LogFormat": "JSON",
            "ApplicationLogLevel": "WARN",
            "SystemLogLevel": "DEBUG",
            "LogGroup": "/spore/updater",
        },
    });
    let created = bench.create(given.clone());
    for (member, value) in given.as_object().unwrap() {
        let shown = match member.as_str() {
            "Layers" => json!([{ "Arn": value[0] }]),
            _ => value.clone(),
        };
        assert_eq!(created[member], shown, "{member}");
    }
}

#[test]
fn bad_functions_are_refused_with_their_reason() {
    let mut bench = Bench::new(Profile::Instant);
    let mut refusal = |more: Value| {
        let error = bench.call("CreateFunction", input(more)).unwrap_err();
        assert!(error.status.is_none_or(|status| status != 200));
        format!("{}: {}", error.code, error.message)
    };
    let many: String = "x".repeat(4096);
    for (more, expected) in [
        (
            json!({ "Code": { "ZipFile": "bm8gemlw" } }),
            "Could not unzip uploaded file",
        ),
        (
            json!({ "Code": { "ZipFile": BASE64_STANDARD.encode(zip_of(&[])) } }),
            "non-empty zip",
        ),
        (
            json!({ "Code": {} }),
            "Please provide a source for function code.",
        ),
        (json!({ "Timeout": 901 }), "less than or equal to 900"),
        (
            json!({ "MemorySize": 10_241 }),
            "less than or equal to 10240",
        ),
        (json!({ "MemorySize": 127 }), "ValidationException"),
        (
            json!({ "Handler": null }),
            "Runtime and Handler are mandatory",
        ),
        (json!({ "Runtime": "go1.x" }), "no longer supported"),
        (
            json!({ "Environment": { "Variables": { "AWS_REGION": "x" } } }),
            "reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: AWS_REGION",
        ),
        (
            json!({ "Environment": { "Variables": { "BIG": many } } }),
            "exceeded the 4KB limit",
        ),
        (
            json!({ "Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:own:1"] }),
            "does not exist",
        ),
        (
            json!({ "SnapStart": { "ApplyOn": "PublishedVersions" } }),
            "not supported for SnapStart",
        ),
        (
            json!({ "LoggingConfig": { "SystemLogLevel": "WARN" } }),
            "LogFormat must be set to JSON",
        ),
        (
            json!({ "Role": "arn:aws:iam::999999999999:role/spore/updater" }),
            "Cross-account pass role is not allowed.",
        ),
        (
            json!({ "Role": "arn:aws:iam::123456789012:role/nobody" }),
            "InvalidParameterValueException: The role defined for the function cannot be assumed by \
             Lambda.",
        ),
        // Right name, wrong path.
        (
            json!({ "Role": "arn:aws:iam::123456789012:role/updater" }),
            "cannot be assumed",
        ),
        (
            json!({ "TracingConfig": { "Mode": "Active" } }),
            "PutTraceSegments",
        ),
        (json!({ "Tags": { "aws:x": "1" } }), "aws: prefixed"),
        (
            json!({ "VpcConfig": { "SubnetIds": ["subnet-1"] } }),
            "NotImplemented",
        ),
        (
            json!({ "Code": { "S3Bucket": "bucket", "S3Key": "k" } }),
            "with S3Bucket",
        ),
    ] {
        let refusal = refusal(more.clone());
        assert!(refusal.contains(expected), "{more}: {refusal}");
    }
    assert_eq!(
        bench.0.world.blobs.iter().count(),
        0,
        "refused code is not kept"
    );
    bench.create(json!({}));
    assert_eq!(
        bench.code("CreateFunction", input(json!({}))),
        "ResourceConflictException"
    );
}

#[test]
fn a_role_must_trust_lambda_and_be_known_everywhere() {
    let mut bench = Bench::new(Profile::Aws);
    bench.role("gateway", "apigateway.amazonaws.com");
    bench.role("fresh", "lambda.amazonaws.com");
    let with = |name: &str| {
        let role = format!("arn:aws:iam::123456789012:role/spore/{name}");
        input(json!({ "Role": role }))
    };
    assert_eq!(
        bench.code("CreateFunction", with("fresh")),
        "InvalidParameterValueException"
    );
    bench.0.advance(60);
    assert_eq!(
        bench.code("CreateFunction", with("gateway")),
        "InvalidParameterValueException"
    );
    assert_eq!(bench.code("CreateFunction", with("fresh")), "success");
}

#[test]
fn needs_name_the_role_and_what_is_passed() {
    let bench = Bench::new(Profile::Instant);
    let given = input(json!({ "Tags": { "spore:stack": "a" } }));
    let needs = bench.0.needs("lambda", "CreateFunction", &given);
    let shown: Vec<_> = needs
        .iter()
        .map(|n| (n.action.as_str(), n.resource.as_str()))
        .collect();
    assert_eq!(
        shown,
        [("lambda:CreateFunction", FUNCTION), ("iam:PassRole", ROLE)]
    );
    assert_eq!(needs[0].context["aws:RequestTag/spore:stack"], ["a"]);
    assert_eq!(needs[0].context["aws:TagKeys"], ["spore:stack"]);
    assert_eq!(
        needs[1].context["iam:PassedToService"],
        ["lambda.amazonaws.com"]
    );
    let update = json!({ "FunctionName": "updater", "Timeout": 4 });
    let needs = bench
        .0
        .needs("lambda", "UpdateFunctionConfiguration", &update);
    assert_eq!(needs.len(), 1, "no role is passed that is not given");
    let invoke = json!({ "FunctionName": "updater", "Qualifier": "live" });
    let needs = bench.0.needs("lambda", "Invoke", &invoke);
    assert_eq!(needs[0].action, "lambda:InvokeFunction");
    assert_eq!(needs[0].resource, format!("{FUNCTION}:live"));
}

#[test]
fn listings_come_in_pages_and_without_states() {
    let mut bench = Bench::new(Profile::Instant);
    for name in ["c", "a", "b"] {
        bench.create(json!({ "FunctionName": name, "Publish": name == "b" }));
    }
    let names = |answer: &Value| -> Vec<String> {
        let functions = answer["Functions"].as_array().unwrap().iter();
        functions
            .map(|f| f["FunctionName"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = bench.ok("ListFunctions", json!({ "MaxItems": 2 }));
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["Functions"][0].get("State"), None);
    let marker = first["NextMarker"].clone();
    let second = bench.ok("ListFunctions", json!({ "MaxItems": 2, "Marker": marker }));
    assert_eq!(
        (names(&second), second.get("NextMarker")),
        (vec!["c".to_owned()], None)
    );
    let all = bench.ok("ListFunctions", json!({ "FunctionVersion": "ALL" }));
    assert_eq!(names(&all), ["a", "b", "b", "c"]);
    assert_eq!(all["Functions"][2]["Version"], "1");
    assert_eq!(
        bench.code("ListFunctions", json!({ "Marker": "x" })),
        "InvalidParameterValueException"
    );
}

#[test]
fn what_no_function_has_is_told_as_aws_does() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let named = json!({ "FunctionName": "updater" });
    let missing = "ResourceNotFoundException";
    assert_eq!(
        bench.code("GetFunctionEventInvokeConfig", named.clone()),
        missing
    );
    assert_eq!(bench.code("GetPolicy", named.clone()), missing);
    assert_eq!(bench.code("GetFunctionUrlConfig", named.clone()), missing);
    assert_eq!(bench.ok("GetFunctionConcurrency", named.clone()), json!({}));
    assert_eq!(
        bench.ok("GetRuntimeManagementConfig", named.clone()),
        json!({ "UpdateRuntimeOn": "Auto", "FunctionArn": FUNCTION })
    );
    assert_eq!(
        bench.ok("ListEventSourceMappings", named),
        json!({ "EventSourceMappings": [] })
    );
}
