//! Where events run, and what runs leave behind.

use super::*;

/// Messages in the group of the function, by stream.
fn logged(bench: &mut Bench) -> Vec<String> {
    let input = json!({ "logGroupName": "/aws/lambda/updater" });
    match bench.0.call("logs", "FilterLogEvents", input) {
        Ok(answer) => answer["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["message"].as_str().unwrap().to_owned())
            .collect(),
        Err(_) => Vec::new(),
    }
}

fn group(bench: &mut Bench) {
    let input = json!({ "logGroupName": "/aws/lambda/updater" });
    bench.0.call("logs", "CreateLogGroup", input).unwrap();
}

const MAY_LOG: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

#[test]
fn a_run_has_everything_the_program_needs() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({ "Environment": { "Variables": { "OWN": "1" } }, "Timeout": 9 }));
    let (_, run) = bench.start("request-1").unwrap();
    assert_eq!(
        (run.function.as_str(), run.version.as_str()),
        ("updater", "$LATEST")
    );
    assert_eq!((run.handler.as_str(), run.memory_mb), ("bootstrap", 128));
    assert_eq!(run.timeout, Duration::from_secs(9));
    assert_eq!(run.variables["OWN"], "1");
    assert_eq!(run.log_group, "/aws/lambda/updater");
    assert!(
        run.log_stream.starts_with("2026/01/01/[$LATEST]"),
        "{}",
        run.log_stream
    );
    assert_eq!(
        run.code.as_ref(),
        zip_of(&[("bootstrap", 0o755, "#!/bin/sh\n")])
    );
    // The credentials are the role's.
    let session = bench
        .0
        .world
        .sts
        .session(&run.secrets.access_key_id)
        .unwrap();
    assert_eq!(
        session.arn,
        "arn:aws:sts::123456789012:assumed-role/updater/updater"
    );
    assert!(!format!("{run:?}").contains(&run.secrets.secret));
}

#[test]
fn environments_are_used_again_one_event_at_a_time() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let now = bench.0.caller.now;
    let (first, one) = bench.start("1").unwrap();
    let (_, two) = bench.start("2").unwrap();
    assert_ne!(one.environment, two.environment, "the first is busy");
    bench.0.world.resume(now, first, ran(Ok("{}"), &[]));
    let (third, three) = bench.start("3").unwrap();
    assert_eq!(three.environment, one.environment);
    assert_eq!(three.log_stream, one.log_stream);
    bench.0.world.resume(now, third, ran(Ok("{}"), &[]));
    // A changed function runs elsewhere, and the idle environment is given up.
    let change = json!({ "FunctionName": "updater", "Timeout": 5 });
    bench.ok("UpdateFunctionConfiguration", change);
    let (_, four) = bench.start("4").unwrap();
    assert_ne!(four.environment, one.environment);
    assert_eq!(four.retired, [one.environment]);
    // So is one that was idle for long.
    bench.0.advance(3600);
    let (fifth, _) = bench.start("5").unwrap();
    let now = bench.0.caller.now;
    bench.0.world.resume(now, fifth, ran(Ok("{}"), &[]));
    bench.0.advance(3600);
    assert_eq!(bench.start("6").unwrap().1.retired.len(), 1);
}

#[test]
fn concurrency_is_a_bound() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let reserve = |n: u32| json!({ "FunctionName": "updater", "ReservedConcurrentExecutions": n });
    bench.ok("PutFunctionConcurrency", reserve(0));
    assert_eq!(
        bench.start("0").unwrap_err().code,
        "TooManyRequestsException"
    );
    bench.ok("PutFunctionConcurrency", reserve(1));
    let (first, _) = bench.start("1").unwrap();
    assert_eq!(
        bench.start("2").unwrap_err().code,
        "TooManyRequestsException"
    );
    let now = bench.0.caller.now;
    bench.0.world.resume(now, first, ran(Ok("{}"), &[]));
    assert!(bench.start("3").is_ok());
}

#[test]
fn a_run_needs_a_role_that_still_trusts_lambda() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let input = json!({
        "RoleName": "updater",
        "PolicyDocument": json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "ec2.amazonaws.com" },
                "Action": "sts:AssumeRole",
            }],
        })
        .to_string(),
    });
    bench
        .0
        .call("iam", "UpdateAssumeRolePolicy", input)
        .unwrap();
    assert_eq!(bench.start("1").unwrap_err().code, "AccessDeniedException");
}

#[test]
fn lines_go_to_the_log_only_if_the_role_may_write_there() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let run = |bench: &mut Bench, id: &str| {
        let (invocation, _) = bench.start(id).unwrap();
        let now = bench.0.caller.now;
        bench
            .0
            .world
            .resume(now, invocation, ran(Ok("{}"), &["hello"]));
    };
    bench.allow(&MAY_LOG);
    run(&mut bench, "1");
    assert!(
        logged(&mut bench).is_empty(),
        "there is no group, and it may not make one"
    );
    group(&mut bench);
    run(&mut bench, "2");
    let lines = logged(&mut bench);
    assert_eq!(lines[0], "START RequestId: 2 Version: $LATEST");
    assert_eq!(lines[1], "hello");
    assert_eq!(lines[2], "END RequestId: 2");
    assert!(
        lines[3].starts_with("REPORT RequestId: 2\tDuration: 1.50 ms\tBilled Duration: 2 ms\t"),
        "{}",
        lines[3]
    );
    assert_eq!(lines.len(), 4);
    bench.allow(&["logs:CreateLogStream"]);
    run(&mut bench, "3");
    assert_eq!(logged(&mut bench).len(), 4, "it may no longer write");
    let delete = json!({ "logGroupName": "/aws/lambda/updater" });
    bench.0.call("logs", "DeleteLogGroup", delete).unwrap();
    bench.allow(&[
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ]);
    run(&mut bench, "4");
    assert_eq!(logged(&mut bench).len(), 4, "it makes the group itself");
}

#[test]
fn json_logs_have_platform_records() {
    let mut bench = Bench::new(Profile::Instant);
    let logging = json!({ "LogFormat": "JSON", "LogGroup": "/aws/lambda/updater" });
    bench.create(json!({ "LoggingConfig": logging }));
    bench.allow(&MAY_LOG);
    group(&mut bench);
    let (invocation, run) = bench.start("1").unwrap();
    assert_eq!(run.json_log.as_deref(), Some("INFO"));
    let now = bench.0.caller.now;
    bench.0.world.resume(
        now,
        invocation,
        ran(Err(("Oops", "it broke")), &["{\"own\":1}"]),
    );
    let lines = logged(&mut bench);
    let of = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    assert_eq!(of(&lines[0])["type"], "platform.start");
    assert_eq!(lines[1], "{\"own\":1}");
    let report = of(&lines[2]);
    assert_eq!(report["record"]["status"], "error");
    assert_eq!(report["record"]["errorType"], "Oops");
}

#[test]
fn the_caller_gets_answer_error_and_tail() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let now = bench.0.caller.now;
    let header = |response: &crate::world::Response, name: &str| {
        let found = response.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.clone())
    };
    let invocation = bench.invocation(json!({ "FunctionName": "updater" }));
    assert_eq!(invocation.event, b"{}", "no payload is an empty event");
    bench.0.world.start(now, &invocation).unwrap();
    let response = bench
        .0
        .world
        .resume(now, invocation, ran(Ok("[1]"), &["x"]));
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, b"[1]".as_slice())
    );
    assert_eq!(
        header(&response, "x-amz-executed-version").as_deref(),
        Some("$LATEST")
    );
    assert_eq!(header(&response, "x-amz-function-error"), None);
    assert_eq!(header(&response, "x-amz-log-result"), None);

    let payload = BASE64_STANDARD.encode("{\"a\":1}");
    let input = json!({ "FunctionName": "updater", "LogType": "Tail", "Payload": payload });
    let invocation = bench.invocation(input);
    assert_eq!(invocation.event, b"{\"a\":1}");
    bench.0.world.start(now, &invocation).unwrap();
    let failed = ran(
        Err(("Runtime.ExitError", "RequestId: r Error: exit status 1")),
        &[],
    );
    let response = bench.0.world.resume(now, invocation, failed);
    assert_eq!(
        header(&response, "x-amz-function-error").as_deref(),
        Some("Unhandled")
    );
    let error: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(error["errorType"], "Runtime.ExitError");
    let tail = BASE64_STANDARD
        .decode(header(&response, "x-amz-log-result").unwrap())
        .unwrap();
    let tail = String::from_utf8(tail).unwrap();
    assert!(
        tail.contains("RequestId: r Error: exit status 1\nRuntime.ExitError\nEND"),
        "{tail}"
    );
}

#[test]
fn invocations_that_cannot_be_are_refused() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({}));
    let named = |more: Value| {
        let mut input = json!({ "FunctionName": "updater" });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        input
    };
    for (more, code) in [
        (
            json!({ "FunctionName": "nobody" }),
            "ResourceNotFoundException",
        ),
        (json!({ "Qualifier": "9" }), "ResourceNotFoundException"),
        (json!({ "InvocationType": "Event" }), "NotImplemented"),
        (
            json!({ "Payload": BASE64_STANDARD.encode("{") }),
            "InvalidRequestContentException",
        ),
    ] {
        assert_eq!(bench.code("Invoke", named(more.clone())), code, "{more}");
        assert!(bench.0.world.requested.is_none());
    }
    let dry = bench.ok("Invoke", named(json!({ "InvocationType": "DryRun" })));
    assert_eq!(dry, json!({ "StatusCode": 204 }));
    bench.ok(
        "UpdateFunctionConfiguration",
        named(json!({ "Runtime": "python3.13", "Handler": "a.b" })),
    );
    let error = bench.start("1").unwrap_err();
    assert!(error.message.contains("the runtime python3.13"), "{error}");
}

#[test]
fn an_alias_shares_its_events_between_two_versions() {
    let mut bench = Bench::new(Profile::Instant);
    bench.create(json!({ "Publish": true }));
    let second = json!({ "FunctionName": "updater", "ZipFile": code("2"), "Publish": true });
    bench.ok("UpdateFunctionCode", second);
    let alias = json!({
        "FunctionName": "updater",
        "Name": "live",
        "FunctionVersion": "1",
        "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.5 } },
    });
    bench.ok("CreateAlias", alias);
    let mut counts = [0, 0];
    for _ in 0..200 {
        let input = json!({ "FunctionName": "updater", "Qualifier": "live" });
        let invocation = bench.invocation(input);
        let now = bench.0.caller.now;
        let run = bench.0.world.start(now, &invocation).unwrap();
        assert_eq!(run.function_arn, format!("{FUNCTION}:live"));
        counts[usize::from(run.version == "2")] += 1;
        bench.0.world.resume(now, invocation, ran(Ok("{}"), &[]));
    }
    assert!(
        counts.iter().all(|count| (60..140).contains(count)),
        "{counts:?}"
    );
}
