//! Query logging, with the log groups and policies that it needs.

use domain::base::Rtype;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::dns::{self, DnsName, address};
use crate::profile::Profile;

const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/z";

/// A world with a zone; its id.
fn with_zone() -> (Bench, String) {
    let mut bench = Bench::new(Profile::Instant);
    let input = json!({ "Name": "example.org", "CallerReference": "1" });
    let output = bench.call("route53", "CreateHostedZone", input).unwrap();
    let id = output["HostedZone"]["Id"].as_str().unwrap();
    let id = id.trim_start_matches("/hostedzone/").to_owned();
    (bench, id)
}

fn group(bench: &mut Bench) {
    let input = json!({ "logGroupName": "/aws/route53/z" });
    bench.call("logs", "CreateLogGroup", input).unwrap();
}

/// A policy for Route 53 with a condition.
fn policy(bench: &mut Bench, actions: Value, condition: Value) {
    let statement = json!({
        "Effect": "Allow", "Principal": { "Service": "route53.amazonaws.com" },
        "Action": actions, "Resource": "arn:aws:logs:*:*:log-group:/aws/route53/*",
        "Condition": condition,
    });
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let input = json!({ "policyName": "route53", "policyDocument": document });
    bench.call("logs", "PutResourcePolicy", input).unwrap();
}

fn both() -> Value {
    json!(["logs:CreateLogStream", "logs:PutLogEvents"])
}

fn create(bench: &mut Bench, zone: &str, arn: &str) -> Result<Value, String> {
    let input = json!({ "HostedZoneId": zone, "CloudWatchLogsLogGroupArn": arn });
    let answer = bench.call("route53", "CreateQueryLoggingConfig", input);
    answer.map_err(|error| error.code)
}

#[test]
fn group_and_policy_must_be_there() {
    let (mut bench, zone) = with_zone();
    let check = |bench: &mut Bench, arn: &str, expected: &str| {
        assert_eq!(create(bench, &zone, arn).unwrap_err(), expected);
    };
    check(&mut bench, GROUP, "NoSuchCloudWatchLogsLogGroup");
    group(&mut bench);
    let lacking = "InsufficientCloudWatchLogsResourcePolicy";
    check(&mut bench, GROUP, lacking);
    policy(&mut bench, json!("logs:PutLogEvents"), json!({}));
    check(&mut bench, GROUP, lacking);
    let other = json!({ "StringEquals": { "aws:SourceAccount": "999999999999" } });
    policy(&mut bench, both(), other);
    check(&mut bench, GROUP, lacking);
    let of_zone = json!({
        "ArnLike": { "aws:SourceArn": format!("arn:aws:route53:::hostedzone/{zone}") },
        "StringEquals": { "aws:SourceAccount": "123456789012" },
    });
    policy(&mut bench, both(), of_zone);
    check(
        &mut bench,
        &GROUP.replace("us-east-1", "eu-west-1"),
        "InvalidInput",
    );
    check(&mut bench, &GROUP.replace("1234", "9999"), "InvalidInput");
    check(&mut bench, "arn:aws:s3:::bucket", "InvalidInput");
    assert!(create(&mut bench, &zone, GROUP).is_ok());
    let again = create(&mut bench, &zone, GROUP).unwrap_err();
    assert_eq!(again, "QueryLoggingConfigAlreadyExists");
    assert_eq!(
        create(&mut bench, "Z0", GROUP).unwrap_err(),
        "NoSuchHostedZone"
    );
}

#[test]
fn configurations_are_shown_listed_and_deleted() {
    let (mut bench, zone) = with_zone();
    group(&mut bench);
    policy(&mut bench, both(), json!({}));
    let answer = create(&mut bench, &zone, GROUP).unwrap();
    let config = answer["QueryLoggingConfig"].clone();
    assert_eq!(config["HostedZoneId"], zone);
    assert_eq!(config["CloudWatchLogsLogGroupArn"], GROUP);
    let by_id = json!({ "Id": config["Id"] });
    let shown = bench.call("route53", "GetQueryLoggingConfig", by_id.clone());
    assert_eq!(shown.unwrap()["QueryLoggingConfig"], config);
    for input in [
        json!({}),
        json!({ "HostedZoneId": zone }),
        json!({ "MaxResults": "1" }),
    ] {
        let listed = bench.call("route53", "ListQueryLoggingConfigs", input);
        assert_eq!(listed.unwrap(), json!({ "QueryLoggingConfigs": [config] }));
    }
    bench
        .call("route53", "DeleteQueryLoggingConfig", by_id.clone())
        .unwrap();
    let gone = bench.call("route53", "GetQueryLoggingConfig", by_id);
    assert_eq!(gone.unwrap_err().code, "NoSuchQueryLoggingConfig");
    // A deleted zone takes its configuration along.
    create(&mut bench, &zone, GROUP).unwrap();
    bench
        .call("route53", "DeleteHostedZone", json!({ "Id": zone }))
        .unwrap();
    let listed = bench.call("route53", "ListQueryLoggingConfigs", json!({}));
    assert_eq!(listed.unwrap()["QueryLoggingConfigs"], json!([]));
}

#[test]
fn queries_are_written_as_long_as_the_policy_allows_it() {
    let (mut bench, zone) = with_zone();
    group(&mut bench);
    policy(&mut bench, both(), json!({}));
    create(&mut bench, &zone, GROUP).unwrap();
    let ask = |bench: &mut Bench| {
        let servers = bench
            .world
            .route53
            .zones()
            .next()
            .unwrap()
            .name_server_names();
        let server = address::of(&servers[0]).unwrap().0;
        let name = DnsName::parse("x.example.org").unwrap();
        let query = dns::question(&name, Rtype::A);
        bench
            .world
            .dns(bench.caller.now, server.into(), &query)
            .unwrap();
    };
    ask(&mut bench);
    let events = |bench: &mut Bench| {
        let input = json!({ "logGroupName": "/aws/route53/z" });
        let answer = bench.call("logs", "FilterLogEvents", input).unwrap();
        answer["events"].clone()
    };
    let found = events(&mut bench);
    assert_eq!(
        found[0]["message"],
        format!(
            "1.0 2026-01-01T00:00:00.000Z {zone} x.example.org A NXDOMAIN UDP IAD79-C1 192.0.2.53 -"
        )
    );
    assert_eq!(found[0]["logStreamName"], format!("{zone}/IAD79-C1"));
    let name = json!({ "policyName": "route53" });
    bench.call("logs", "DeleteResourcePolicy", name).unwrap();
    ask(&mut bench);
    assert_eq!(events(&mut bench).as_array().unwrap().len(), 1);
}
