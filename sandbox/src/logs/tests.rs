//! CloudWatch Logs judged from outside: through its operations, as a client sees it.

mod metric_filters;
mod policies;

use serde_json::{Value, json};

use crate::bench;
use crate::profile::Profile;
use crate::world::AwsError;

/// A bench that calls CloudWatch Logs.
struct Bench(bench::Bench);

const ARN: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/g";

impl Bench {
    fn new(profile: Profile) -> Self {
        Self(bench::Bench::new(profile))
    }

    /// With a group `/g` and a stream `s`.
    fn with_stream() -> Self {
        let mut bench = Self::new(Profile::Instant);
        bench.ok("CreateLogGroup", json!({ "logGroupName": "/g" }));
        bench.ok(
            "CreateLogStream",
            json!({ "logGroupName": "/g", "logStreamName": "s" }),
        );
        bench
    }

    fn call(&mut self, name: &str, input: Value) -> Result<Value, AwsError> {
        self.0.call("logs", name, input)
    }

    fn ok(&mut self, name: &str, input: Value) -> Value {
        self.call(name, input).unwrap()
    }

    fn code(&mut self, name: &str, input: Value) -> String {
        self.call(name, input)
            .map_or_else(|error| error.code, |_| "success".into())
    }

    fn now(&self) -> i64 {
        self.0.caller.now.as_millisecond()
    }

    /// Puts one event for each (seconds from now, message).
    fn put(&mut self, events: &[(i64, &str)]) -> Result<Value, AwsError> {
        let now = self.now();
        let events: Vec<_> = events
            .iter()
            .map(|(at, message)| json!({ "timestamp": now + at * 1000, "message": message }))
            .collect();
        let input = json!({ "logGroupName": "/g", "logStreamName": "s", "logEvents": events });
        self.call("PutLogEvents", input)
    }

    fn messages(&mut self, name: &str, mut input: Value) -> (Vec<String>, Value) {
        input["logGroupName"] = "/g".into();
        let answer = self.ok(name, input);
        let messages = answer["events"].as_array().unwrap().iter();
        let messages = messages.map(|event| event["message"].as_str().unwrap().to_owned());
        (messages.collect(), answer)
    }

    fn group_names(&mut self, input: Value) -> Vec<String> {
        let answer = self.ok("DescribeLogGroups", input);
        let groups = answer["logGroups"].as_array().unwrap().iter();
        groups
            .map(|group| group["logGroupName"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn groups_read_back_as_they_were_made() {
    let mut bench = Bench::new(Profile::Instant);
    bench.ok(
        "CreateLogGroup",
        json!({ "logGroupName": "/g", "tags": { "a": "1" } }),
    );
    bench.ok(
        "PutRetentionPolicy",
        json!({ "logGroupName": "/g", "retentionInDays": 30 }),
    );
    let answer = bench.ok("DescribeLogGroups", json!({ "logGroupNamePrefix": "/g" }));
    assert_eq!(
        answer["logGroups"],
        json!([{
            "logGroupName": "/g", "arn": format!("{ARN}:*"), "logGroupArn": ARN,
            "creationTime": 1_767_225_600_000_i64, "retentionInDays": 30, "metricFilterCount": 0,
            "storedBytes": 0, "logGroupClass": "STANDARD", "deletionProtectionEnabled": false,
        }])
    );
    let tags = bench.ok("ListTagsForResource", json!({ "resourceArn": ARN }));
    assert_eq!(tags["tags"], json!({ "a": "1" }));
    let again = bench.code("CreateLogGroup", json!({ "logGroupName": "/g" }));
    assert_eq!(again, "ResourceAlreadyExistsException");
    bench.ok("DeleteRetentionPolicy", json!({ "logGroupName": "/g" }));
    let answer = bench.ok("DescribeLogGroups", json!({}));
    assert_eq!(answer["logGroups"][0].get("retentionInDays"), None);
    bench.ok("DeleteLogGroup", json!({ "logGroupName": "/g" }));
    let gone = bench.code("DeleteLogGroup", json!({ "logGroupName": "/g" }));
    assert_eq!(gone, "ResourceNotFoundException");
}

#[test]
fn groups_that_cannot_be() {
    let mut bench = Bench::new(Profile::Instant);
    let mut check = |input: Value, expected: &str| {
        assert_eq!(
            bench.code("CreateLogGroup", input.clone()),
            expected,
            "{input}"
        );
    };
    check(
        json!({ "logGroupName": "aws/x" }),
        "InvalidParameterException",
    );
    check(
        json!({ "logGroupName": "a b" }),
        "InvalidParameterException",
    );
    check(
        json!({ "logGroupName": "x", "tags": { "aws:a": "" } }),
        "InvalidParameterException",
    );
    check(
        json!({ "logGroupName": "x", "tags": { "a": "b;c" } }),
        "InvalidParameterException",
    );
    check(
        json!({ "logGroupName": "x", "logGroupClass": "DELIVERY" }),
        "NotImplemented",
    );
    check(
        json!({ "logGroupName": "x", "deletionProtectionEnabled": true }),
        "success",
    );
    let delete = bench.code("DeleteLogGroup", json!({ "logGroupName": "x" }));
    assert_eq!(delete, "ValidationException");
    let days = json!({ "logGroupName": "x", "retentionInDays": 31 });
    assert_eq!(
        bench.code("PutRetentionPolicy", days),
        "InvalidParameterException"
    );
}

#[test]
fn groups_are_listed_by_prefix_pattern_and_page() {
    let mut bench = Bench::new(Profile::Instant);
    for name in ["/a/1", "/a/2", "/b/1", "c"] {
        bench.ok("CreateLogGroup", json!({ "logGroupName": name }));
    }
    assert_eq!(
        bench.group_names(json!({ "logGroupNamePrefix": "/a" })),
        ["/a/1", "/a/2"]
    );
    assert_eq!(
        bench.group_names(json!({ "logGroupNamePattern": "/1" })),
        ["/a/1", "/b/1"]
    );
    let named = json!({ "logGroupIdentifiers": ["c", "d"] });
    assert_eq!(bench.group_names(named), ["c"]);
    let both = json!({ "logGroupNamePrefix": "a", "logGroupNamePattern": "a" });
    assert_eq!(
        bench.code("DescribeLogGroups", both),
        "InvalidParameterException"
    );
    let first = bench.ok("DescribeLogGroups", json!({ "limit": 3 }));
    let second = json!({ "limit": 3, "nextToken": first["nextToken"] });
    assert_eq!(bench.group_names(second), ["c"]);
    let listed = bench.ok(
        "ListLogGroups",
        json!({ "logGroupNamePattern": "^/b/|/a/2" }),
    );
    assert_eq!(listed["logGroups"].as_array().unwrap().len(), 2);
}

#[test]
fn a_new_group_is_unique_at_once_and_listed_later() {
    let mut bench = Bench::new(Profile::Aws);
    let names: Vec<_> = (0..20).map(|n| format!("/g/{n:02}")).collect();
    for name in &names {
        bench.ok(
            "CreateLogGroup",
            json!({ "logGroupName": name, "tags": { "a": "1" } }),
        );
        let again = bench.code("CreateLogGroup", json!({ "logGroupName": name }));
        assert_eq!(again, "ResourceAlreadyExistsException");
        let arn = format!("arn:aws:logs:us-east-1:123456789012:log-group:{name}");
        let tags = bench.ok("ListTagsForResource", json!({ "resourceArn": arn }));
        assert_eq!(tags["tags"]["a"], "1");
    }
    bench.0.advance(75);
    let half = bench.group_names(json!({})).len();
    assert!((1..20).contains(&half), "{half} of 20 are listed half way");
    bench.0.advance(75);
    assert_eq!(bench.group_names(json!({})), names, "after the longest lag");
}

#[test]
fn tags_by_arn_and_by_name() {
    let mut bench = Bench::with_stream();
    bench.ok(
        "TagResource",
        json!({ "resourceArn": ARN, "tags": { "a": "1", "b": "2" } }),
    );
    bench.ok(
        "TagLogGroup",
        json!({ "logGroupName": "/g", "tags": { "c": "3" } }),
    );
    bench.ok(
        "UntagResource",
        json!({ "resourceArn": ARN, "tagKeys": ["a", "never"] }),
    );
    let tags = bench.ok("ListTagsLogGroup", json!({ "logGroupName": "/g" }));
    assert_eq!(tags["tags"], json!({ "b": "2", "c": "3" }));
    let star = json!({ "resourceArn": format!("{ARN}:*") });
    assert_eq!(
        bench.code("ListTagsForResource", star),
        "InvalidParameterException"
    );
    let missing = json!({ "resourceArn": format!("{ARN}x") });
    assert_eq!(
        bench.code("ListTagsForResource", missing),
        "ResourceNotFoundException"
    );
    let many: serde_json::Map<_, _> = (0..49).map(|n| (format!("k{n}"), "v".into())).collect();
    let code = bench.code("TagResource", json!({ "resourceArn": ARN, "tags": many }));
    assert_eq!(code, "TooManyTagsException");
}

#[test]
fn batches_are_refused_as_a_whole() {
    let mut bench = Bench::with_stream();
    let invalid = |answer: Result<Value, AwsError>, expected: &str| {
        let error = answer.unwrap_err();
        assert_eq!(error.code, "InvalidParameterException");
        assert!(
            error.message.contains(expected),
            "{} does not say {expected}",
            error.message
        );
    };
    invalid(bench.put(&[(0, "b"), (-1, "a")]), "chronological");
    invalid(bench.put(&[(-86_401, "a"), (0, "b")]), "24 hours");
    invalid(bench.put(&[(0, &"x".repeat(1_048_551))]), "too large");
    bench.put(&[(0, &"x".repeat(1_048_550))]).unwrap();
    let nowhere = json!({ "logGroupName": "/g", "logStreamName": "t", "logEvents": [{ "timestamp": 0, "message": "m" }] });
    assert_eq!(
        bench.code("PutLogEvents", nowhere),
        "ResourceNotFoundException"
    );
}

#[test]
fn events_outside_the_window_are_left_out_and_counted() {
    let mut bench = Bench::with_stream();
    let day = 86_400;
    let answer = bench
        .put(&[(-14 * day - 1, "old"), (0, "now"), (7201, "soon")])
        .unwrap();
    let rejected = json!({ "tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2 });
    assert_eq!(answer["rejectedLogEventsInfo"], rejected);
    bench.ok(
        "PutRetentionPolicy",
        json!({ "logGroupName": "/g", "retentionInDays": 1 }),
    );
    let answer = bench.put(&[(-day - 1, "expired"), (1, "later")]).unwrap();
    assert_eq!(
        answer["rejectedLogEventsInfo"],
        json!({ "expiredLogEventEndIndex": 1 })
    );
    let (messages, _) = bench.messages("FilterLogEvents", json!({}));
    assert_eq!(messages, ["now", "later"]);
}

#[test]
fn events_vanish_when_their_retention_is_over() {
    let mut bench = Bench::with_stream();
    bench.put(&[(0, "first"), (3600, "second")]).unwrap();
    bench.ok(
        "PutRetentionPolicy",
        json!({ "logGroupName": "/g", "retentionInDays": 1 }),
    );
    bench.0.advance(86_400);
    assert_eq!(
        bench.messages("FilterLogEvents", json!({})).0,
        ["first", "second"]
    );
    bench.0.advance(1);
    assert_eq!(bench.messages("FilterLogEvents", json!({})).0, ["second"]);
    bench.0.advance(3600);
    let streams = bench.ok("DescribeLogStreams", json!({ "logGroupName": "/g" }));
    let stream = &streams["logStreams"][0];
    assert_eq!(stream["logStreamName"], "s", "the stream stays");
    assert_eq!(stream.get("lastEventTimestamp"), None);
}

#[test]
fn a_stream_is_read_forwards_to_its_end() {
    let mut bench = Bench::with_stream();
    bench.put(&[(0, "a"), (0, "b"), (1, "c")]).unwrap();
    let page = |token: Option<&Value>| {
        let mut input = json!({ "logStreamName": "s", "startFromHead": true, "limit": 2 });
        if let Some(token) = token {
            input["nextToken"] = token.clone();
        }
        input
    };
    let (messages, first) = bench.messages("GetLogEvents", page(None));
    assert_eq!(messages, ["a", "b"]);
    let (messages, second) = bench.messages("GetLogEvents", page(Some(&first["nextForwardToken"])));
    assert_eq!(messages, ["c"]);
    let end = &second["nextForwardToken"];
    let (messages, last) = bench.messages("GetLogEvents", page(Some(end)));
    assert_eq!(messages, [""; 0]);
    assert_eq!(
        &last["nextForwardToken"], end,
        "the end is where the token stays the same"
    );
    bench.put(&[(2, "d")]).unwrap();
    assert_eq!(
        bench.messages("GetLogEvents", page(Some(end))).0,
        ["d"],
        "new events follow"
    );
    let (messages, _) = bench.messages("GetLogEvents", page(Some(&second["nextBackwardToken"])));
    assert_eq!(messages, ["a", "b"], "and back again");
}

#[test]
fn without_a_start_the_newest_events_come_first_page_by_page() {
    let mut bench = Bench::with_stream();
    bench.put(&[(0, "a"), (1, "b"), (2, "c")]).unwrap();
    let input = json!({ "logStreamName": "s", "limit": 2 });
    let (messages, first) = bench.messages("GetLogEvents", input.clone());
    assert_eq!(messages, ["b", "c"]);
    let mut back = input;
    back["nextToken"] = first["nextBackwardToken"].clone();
    assert_eq!(bench.messages("GetLogEvents", back).0, ["a"]);
    let now = bench.now();
    let range = json!({ "logStreamName": "s", "startTime": now, "endTime": now + 1000 });
    assert_eq!(
        bench.messages("GetLogEvents", range).0,
        ["a"],
        "the end is exclusive"
    );
}

#[test]
fn filtering_spans_streams_in_order_of_time() {
    let mut bench = Bench::with_stream();
    bench.ok(
        "CreateLogStream",
        json!({ "logGroupName": "/g", "logStreamName": "t" }),
    );
    bench.put(&[(0, "ERROR 1"), (2, "ERROR 3")]).unwrap();
    let other = json!([
        { "timestamp": bench.now() + 1000, "message": "ERROR 2" },
        { "timestamp": bench.now() + 3000, "message": "fine" },
    ]);
    let input = json!({ "logGroupName": "/g", "logStreamName": "t", "logEvents": other });
    bench.ok("PutLogEvents", input);
    let filter = json!({ "filterPattern": "ERROR", "limit": 2 });
    let (messages, first) = bench.messages("FilterLogEvents", filter.clone());
    assert_eq!(messages, ["ERROR 1", "ERROR 2"]);
    let mut next = filter.clone();
    next["nextToken"] = first["nextToken"].clone();
    let (messages, last) = bench.messages("FilterLogEvents", next);
    assert_eq!(messages, ["ERROR 3"]);
    assert_eq!(last.get("nextToken"), None);
    let mut backwards = filter;
    backwards["startFromHead"] = false.into();
    let (messages, first) = bench.messages("FilterLogEvents", backwards.clone());
    assert_eq!(messages, ["ERROR 3", "ERROR 2"]);
    backwards["nextToken"] = first["nextToken"].clone();
    assert_eq!(bench.messages("FilterLogEvents", backwards).0, ["ERROR 1"]);
    let one = json!({ "logStreamNames": ["t"] });
    assert_eq!(
        bench.messages("FilterLogEvents", one).0,
        ["ERROR 2", "fine"]
    );
    let missing = json!({ "logGroupName": "/g", "logStreamNames": ["u"] });
    assert_eq!(
        bench.code("FilterLogEvents", missing),
        "ResourceNotFoundException"
    );
}

#[test]
fn streams_are_created_once_and_listed_by_name_or_time() {
    let mut bench = Bench::with_stream();
    let stream = |name: &str| json!({ "logGroupName": "/g", "logStreamName": name });
    assert_eq!(
        bench.code("CreateLogStream", stream("s")),
        "ResourceAlreadyExistsException"
    );
    assert_eq!(
        bench.code("CreateLogStream", stream("a:b")),
        "InvalidParameterException"
    );
    bench.ok("CreateLogStream", stream("a"));
    bench.put(&[(0, "m")]).unwrap();
    let mut names = |input: Value| {
        let answer = bench.ok("DescribeLogStreams", input);
        let streams = answer["logStreams"].as_array().unwrap().iter();
        streams
            .map(|s| s["logStreamName"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(json!({ "logGroupName": "/g" })), ["a", "s"]);
    assert_eq!(
        names(json!({ "logGroupIdentifier": ARN, "logStreamNamePrefix": "s" })),
        ["s"]
    );
    let newest = json!({ "logGroupName": "/g", "orderBy": "LastEventTime", "descending": true });
    assert_eq!(names(newest), ["s", "a"]);
    bench.ok("DeleteLogStream", stream("s"));
    assert_eq!(
        bench.code("DeleteLogStream", stream("s")),
        "ResourceNotFoundException"
    );
}

#[test]
fn a_key_must_let_the_service_use_it_for_the_group() {
    let mut bench = Bench::with_stream();
    let kms =
        |bench: &mut Bench, name: &str, input: Value| bench.0.call("kms", name, input).unwrap();
    let policy = |group: &str| {
        json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": "123456789012" }, "Action": "kms:*",
              "Resource": "*" },
            { "Effect": "Allow", "Principal": { "Service": "logs.us-east-1.amazonaws.com" },
              "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*",
                         "kms:Describe*"],
              "Resource": "*",
              "Condition": { "ArnEquals": { "kms:EncryptionContext:aws:logs:arn": group } } },
        ]})
        .to_string()
    };
    let create = |bench: &mut Bench, input: Value| {
        kms(bench, "CreateKey", input)["KeyMetadata"]["Arn"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let associate = |key: &str| json!({ "logGroupName": "/g", "kmsKeyId": key });
    let good = create(&mut bench, json!({ "Policy": policy(ARN) }));
    let other = create(&mut bench, json!({ "Policy": policy(&format!("{ARN}x")) }));
    let plain = create(&mut bench, json!({}));
    let signing = create(
        &mut bench,
        json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }),
    );
    for key in [&other, &plain, &signing, &format!("{good}x"), "alias/x"] {
        assert_eq!(
            bench.code("AssociateKmsKey", associate(key)),
            "InvalidParameterException"
        );
    }
    bench.ok("AssociateKmsKey", associate(&good));
    let described = bench.ok("DescribeLogGroups", json!({}));
    assert_eq!(described["logGroups"][0]["kmsKeyId"], good.as_str());
    bench.ok("DisassociateKmsKey", json!({ "resourceIdentifier": ARN }));
    let described = bench.ok("DescribeLogGroups", json!({}));
    assert_eq!(described["logGroups"][0].get("kmsKeyId"), None);
    kms(&mut bench, "DisableKey", json!({ "KeyId": good }));
    assert_eq!(
        bench.code("AssociateKmsKey", associate(&good)),
        "InvalidParameterException"
    );
}
