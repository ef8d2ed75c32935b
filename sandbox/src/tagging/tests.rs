//! The tagging API judged from outside, over the services that own the tags.

use serde_json::{Value, json};

use crate::bench;
use crate::profile::Profile;
use crate::world::AwsError;

/// A bench with the services that own tags.
struct Bench(bench::Bench);

const GROUPS: &str = "arn:aws:logs:us-east-1:123456789012:log-group:";

impl Bench {
    fn new(profile: Profile) -> Self {
        Self(bench::Bench::new(profile))
    }

    fn call(&mut self, service: &str, name: &str, input: Value) -> Result<Value, AwsError> {
        self.0.call(service, name, input)
    }

    fn group(&mut self, name: &str, tags: Value) {
        let mut input = json!({ "logGroupName": name });
        // The shape has no empty map here.
        if tags != json!({}) {
            input["tags"] = tags;
        }
        self.call("logs", "CreateLogGroup", input).unwrap();
    }

    fn key(&mut self, tags: Value) -> String {
        let created = self
            .call("kms", "CreateKey", json!({ "Tags": tags }))
            .unwrap();
        created["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    fn zone(&mut self) -> String {
        let input = json!({ "Name": "example.org", "CallerReference": "1" });
        let created = self.call("route53", "CreateHostedZone", input).unwrap();
        let id = created["HostedZone"]["Id"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        format!("arn:aws:route53:::hostedzone/{id}")
    }

    fn ask(&mut self, name: &str, input: Value) -> Result<Value, AwsError> {
        self.call("resourcegroupstaggingapi", name, input)
    }

    /// ARNs that GetResources finds.
    fn found(&mut self, input: Value) -> Vec<String> {
        let answer = self.ask("GetResources", input).unwrap();
        let list = answer["ResourceTagMappingList"].as_array().unwrap().iter();
        list.map(|item| item["ResourceARN"].as_str().unwrap().to_owned())
            .collect()
    }

    fn refused(&mut self, input: Value) -> String {
        self.ask("GetResources", input).unwrap_err().code
    }
}

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{GROUPS}{name}")).collect()
}

#[test]
fn filters_are_all_of_any() {
    let mut bench = Bench::new(Profile::Instant);
    bench.group("a", json!({ "stack": "1", "env": "test" }));
    bench.group("b", json!({ "stack": "2", "env": "test" }));
    bench.group("c", json!({ "stack": "3" }));
    bench.group("untagged", json!({}));
    let mut check = |filters: Value, expected: &[&str]| {
        let found = bench.found(json!({ "TagFilters": filters }));
        assert_eq!(found, groups(expected), "{filters}");
    };
    check(json!([]), &["a", "b", "c"]);
    check(json!([{ "Key": "env" }]), &["a", "b"]);
    check(json!([{ "Key": "env", "Values": [] }]), &["a", "b"]);
    check(
        json!([{ "Key": "stack", "Values": ["1", "3"] }]),
        &["a", "c"],
    );
    check(
        json!([{ "Key": "stack", "Values": ["1", "3"] }, { "Key": "env" }]),
        &["a"],
    );
    check(
        json!([{ "Key": "stack", "Values": ["1"] }, { "Key": "stack", "Values": ["2"] }]),
        &[],
    );
    check(json!([{ "Key": "Stack" }]), &[]);
    assert_eq!(
        bench.refused(json!({ "TagFilters": [{}] })),
        "InvalidParameterException"
    );
}

#[test]
fn types_and_arns() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.key(json!([{ "TagKey": "a", "TagValue": "1" }]));
    bench.group("g", json!({ "a": "1" }));
    let zone = bench.zone();
    let tagged = bench.ask(
        "TagResources",
        json!({ "ResourceARNList": [zone], "Tags": { "a": "1" } }),
    );
    assert_eq!(tagged.unwrap()["FailedResourcesMap"], json!({}));
    let group = format!("{GROUPS}g");
    let mut check = |types: Value, expected: &[&String]| {
        let found = bench.found(json!({ "ResourceTypeFilters": types }));
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{types}");
    };
    check(json!([]), &[&key, &group, &zone]);
    check(json!(["kms:key"]), &[&key]);
    check(json!(["kms", "logs:log-group"]), &[&key, &group]);
    check(json!(["route53:hostedzone"]), &[&zone]);
    check(json!(["kms:alias", "lambda:function"]), &[]);
    let listed = json!({ "ResourceARNList": [group, "arn:aws:sqs:us-east-1:123456789012:q"] });
    assert_eq!(bench.found(listed), groups(&["g"]));
    let both = json!({ "ResourceARNList": [group], "TagFilters": [{ "Key": "a" }] });
    assert_eq!(bench.refused(both), "InvalidParameterException");
    assert_eq!(
        bench.refused(json!({ "ResourceTypeFilters": ["kms:"] })),
        "InvalidParameterException"
    );

    bench.0.caller.region = "eu-west-1".into();
    assert_eq!(
        bench.found(json!({})),
        [""; 0],
        "each region by itself, zones in us-east-1 only"
    );
    bench.0.caller.region = "us-east-1".into();
    bench.0.caller.account = "999999999999".into();
    assert_eq!(bench.found(json!({})), [""; 0]);
}

#[test]
fn changes_go_to_the_owner_and_failures_are_named() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.key(json!([]));
    bench.group("g", json!({}));
    let zone = bench.zone();
    let group = format!("{GROUPS}g");
    let missing = format!("{GROUPS}missing");
    let all = json!([
        key,
        group,
        zone,
        missing,
        "arn:aws:sqs:us-east-1:123456789012:q"
    ]);
    let change = json!({ "ResourceARNList": all, "Tags": { "a": "1", "b": "2" } });
    let answer = bench.ask("TagResources", change).unwrap();
    let failed = answer["FailedResourcesMap"].as_object().unwrap();
    assert_eq!(failed.len(), 2);
    assert_eq!(failed[&missing]["ErrorCode"], "InvalidParameterException");
    let answer = bench.ask(
        "UntagResources",
        json!({ "ResourceARNList": all, "TagKeys": ["a"] }),
    );
    assert_eq!(
        answer.unwrap()["FailedResourcesMap"]
            .as_object()
            .unwrap()
            .len(),
        2
    );
    let tags = bench
        .call("kms", "ListResourceTags", json!({ "KeyId": key }))
        .unwrap();
    assert_eq!(tags["Tags"], json!([{ "TagKey": "b", "TagValue": "2" }]));
    let tags = bench
        .call(
            "logs",
            "ListTagsForResource",
            json!({ "resourceArn": group }),
        )
        .unwrap();
    assert_eq!(tags["tags"], json!({ "b": "2" }));
    let id = zone.rsplit('/').next();
    let input = json!({ "ResourceType": "hostedzone", "ResourceId": id });
    let tags = bench.call("route53", "ListTagsForResource", input).unwrap();
    assert_eq!(
        tags["ResourceTagSet"]["Tags"],
        json!([{ "Key": "b", "Value": "2" }])
    );
    assert_eq!(
        bench.ask("GetTagKeys", json!({})).unwrap()["TagKeys"],
        json!(["b"])
    );

    let input = json!({ "ResourceARNList": [key, zone], "Tags": { "a": "1" } });
    let needs = bench
        .0
        .needs("resourcegroupstaggingapi", "TagResources", &input);
    let actions: Vec<_> = needs.into_iter().map(|need| need.action).collect();
    let expected = [
        "tag:TagResources",
        "kms:TagResource",
        "route53:ChangeTagsForResource",
    ];
    assert_eq!(actions, expected);
}

#[test]
fn pages_go_on_until_the_token_is_empty() {
    let mut bench = Bench::new(Profile::Instant);
    let names: Vec<_> = (0..5).map(|n| format!("g{n}")).collect();
    for name in &names {
        bench.group(name, json!({ "a": "1" }));
    }
    let mut input = json!({ "ResourcesPerPage": 2 });
    let mut seen = Vec::new();
    let token = loop {
        let answer = bench.ask("GetResources", input.clone()).unwrap();
        seen.push(answer["ResourceTagMappingList"].as_array().unwrap().len());
        if answer["PaginationToken"] == "" {
            break input["PaginationToken"].clone();
        }
        input["PaginationToken"] = answer["PaginationToken"].clone();
    };
    assert_eq!(seen, [2, 2, 1]);
    bench.0.advance(15 * 60);
    assert_eq!(bench.found(json!({ "PaginationToken": token })).len(), 1);
    bench.0.advance(1);
    let late = bench.refused(json!({ "PaginationToken": token }));
    assert_eq!(late, "PaginationTokenExpiredException");
    assert_eq!(
        bench.refused(json!({ "PaginationToken": "x" })),
        "InvalidParameterException"
    );
    assert_eq!(
        bench.refused(json!({ "ResourcesPerPage": 101 })),
        "InvalidParameterException"
    );
}

#[test]
fn tags_per_page_never_splits_a_resource() {
    let mut bench = Bench::new(Profile::Instant);
    let tags: serde_json::Map<_, _> = (0..40).map(|n| (format!("k{n}"), "v".into())).collect();
    for name in ["a", "b", "c"] {
        bench.group(name, tags.clone().into());
    }
    assert_eq!(
        bench.found(json!({ "TagsPerPage": 100 })),
        groups(&["a", "b"])
    );
    assert_eq!(bench.found(json!({ "TagsPerPage": 200 })).len(), 3);
    assert_eq!(
        bench.refused(json!({ "TagsPerPage": 150 })),
        "InvalidParameterException"
    );
}

#[test]
fn what_services_show_at_once_is_seen_here_later() {
    let mut bench = Bench::new(Profile::Aws);
    for number in 0..20 {
        bench.group(&format!("g{number:02}"), json!({ "a": "1" }));
    }
    let zone = bench.zone();
    let change = json!({ "ResourceARNList": [zone], "Tags": { "z": "1" } });
    bench.ask("TagResources", change).unwrap();
    bench.0.advance(75);
    let half = bench
        .found(json!({ "ResourceTypeFilters": ["logs"] }))
        .len();
    assert!((1..20).contains(&half), "{half} of 20 are seen half way");
    bench.0.advance(75);
    assert_eq!(bench.found(json!({})).len(), 21, "after the longest lag");

    // A resource without its last tag stays, with an empty set; one that is deleted does not.
    bench
        .ask(
            "UntagResources",
            json!({ "ResourceARNList": [zone], "TagKeys": ["z"] }),
        )
        .unwrap();
    bench
        .call("logs", "DeleteLogGroup", json!({ "logGroupName": "g00" }))
        .unwrap();
    bench.0.advance(150);
    let answer = bench
        .ask(
            "GetResources",
            json!({ "ResourceTypeFilters": ["route53"] }),
        )
        .unwrap();
    let expected = json!([{ "ResourceARN": zone, "Tags": [] }]);
    assert_eq!(answer["ResourceTagMappingList"], expected);
    assert_eq!(
        bench
            .found(json!({ "ResourceTypeFilters": ["logs"] }))
            .len(),
        19
    );
}
