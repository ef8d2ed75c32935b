//! ChangeResourceRecordSets and ListResourceRecordSets.

use serde_json::{Value, json};

use super::Bench;
use crate::profile::Profile;
use crate::route53::operation;

fn bench() -> (Bench, String) {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    (bench, zone)
}

/// The problems of a refused batch.
fn problems(bench: &mut Bench, zone: &str, changes: &[(&str, &str, &str, u32, &[&str])]) -> String {
    let before = bench.listed(zone);
    let error = bench.batch(zone, changes).unwrap_err();
    assert_eq!(error.code, "InvalidChangeBatch");
    assert_eq!(
        bench.listed(zone),
        before,
        "a refused batch changes nothing"
    );
    error.message
}

#[test]
fn create_delete_and_upsert_keep_awss_rules() {
    let (mut bench, zone) = bench();
    let name = "a.spore.example.edu";
    bench
        .batch(
            &zone,
            &[("CREATE", name, "A", 60, &["192.0.2.1", "192.0.2.2"])],
        )
        .unwrap();
    assert_eq!(
        problems(
            &mut bench,
            &zone,
            &[("CREATE", name, "A", 60, &["192.0.2.1"])]
        ),
        "[Tried to create resource record set [name='a.spore.example.edu.', type='A'] but it \
         already exists]"
    );
    assert_eq!(
        problems(
            &mut bench,
            &zone,
            &[("DELETE", "b.spore.example.edu", "A", 60, &["192.0.2.1"])]
        ),
        "[Tried to delete resource record set [name='b.spore.example.edu.', type='A'] but it was \
         not found]"
    );
    let differs = "[Tried to delete resource record set [name='a.spore.example.edu.', type='A'] \
                   but the values provided do not match the current values]";
    for (ttl, values) in [
        (60, &["192.0.2.1"][..]),
        (61, &["192.0.2.1", "192.0.2.2"][..]),
    ] {
        let change = ("DELETE", name, "A", ttl, values);
        assert_eq!(problems(&mut bench, &zone, &[change]), differs);
    }
    bench
        .batch(&zone, &[("UPSERT", name, "A", 30, &["192.0.2.3"])])
        .unwrap();
    bench
        .batch(
            &zone,
            &[("DELETE", "A.Spore.Example.EDU.", "A", 30, &["192.0.2.3"])],
        )
        .unwrap();
    assert_eq!(
        bench.listed(&zone),
        ["spore.example.edu. NS", "spore.example.edu. SOA"]
    );
}

#[test]
fn a_batch_is_all_or_nothing_and_reports_every_problem() {
    let (mut bench, zone) = bench();
    let message = problems(
        &mut bench,
        &zone,
        &[
            ("CREATE", "good.spore.example.edu", "A", 60, &["192.0.2.1"]),
            ("CREATE", "www.example.org", "A", 60, &["192.0.2.1"]),
            ("DELETE", "none.spore.example.edu", "TXT", 60, &["\"x\""]),
            ("CREATE", "bad.spore.example.edu", "A", 60, &["192.0.2.300"]),
        ],
    );
    assert!(
        message.contains("is not permitted in zone spore.example.edu."),
        "{message}"
    );
    assert!(message.contains("but it was not found"), "{message}");
    assert!(message.contains("ARRDATAIllegalIPv4Address"), "{message}");
}

#[test]
fn delete_then_create_replaces_within_one_batch_and_nothing_else_may_repeat() {
    let (mut bench, zone) = bench();
    let owner = "_spore.a.spore.example.edu";
    bench
        .batch(&zone, &[("CREATE", owner, "TXT", 60, &["\"old\""])])
        .unwrap();
    bench
        .batch(
            &zone,
            &[
                ("DELETE", owner, "TXT", 60, &["\"old\""]),
                ("CREATE", owner, "TXT", 60, &["\"new\""]),
            ],
        )
        .unwrap();
    let twice = [
        ("UPSERT", owner, "TXT", 60, &["\"a\""][..]),
        ("UPSERT", owner, "TXT", 60, &["\"b\""][..]),
    ];
    assert!(
        problems(&mut bench, &zone, &twice)
            .contains("an invalid set of changes for a resource record set 'TXT _spore.a")
    );
}

#[test]
fn the_apex_is_guarded_and_a_cname_is_alone() {
    let (mut bench, zone) = bench();
    let apex = "spore.example.edu";
    let output = bench.ok("ListResourceRecordSets", json!({ "HostedZoneId": zone }));
    let value = |set: usize, value: usize| {
        output["ResourceRecordSets"][set]["ResourceRecords"][value]["Value"]
            .as_str()
            .unwrap()
    };
    let servers: Vec<&str> = (0..4).map(|n| value(0, n)).collect();
    let ns = ("DELETE", apex, "NS", 172_800, &servers[..]);
    assert!(problems(&mut bench, &zone, &[ns]).contains("at least one NS record"));
    let soa_value = [value(1, 0)];
    let soa = ("DELETE", apex, "SOA", 900, &soa_value[..]);
    assert!(problems(&mut bench, &zone, &[soa]).contains("exactly one SOA record"));
    let lowered = [("UPSERT", apex, "SOA", 300, &soa_value[..])];
    bench.batch(&zone, &lowered).unwrap();

    let cname = |name: &'static str| ("CREATE", name, "CNAME", 60, &["x.example.org"][..]);
    assert!(problems(&mut bench, &zone, &[cname(apex)]).contains("not permitted at apex"));
    bench
        .batch(&zone, &[cname("www.spore.example.edu")])
        .unwrap();
    let beside = (
        "CREATE",
        "www.spore.example.edu",
        "A",
        60,
        &["192.0.2.1"][..],
    );
    assert!(problems(&mut bench, &zone, &[beside]).contains("conflicting RRSet of type CNAME"));
    let ds = (
        "CREATE",
        apex,
        "DS",
        60,
        &["1 13 1 ABCDEF0123456789ABCDEF0123456789ABCDEF01"][..],
    );
    assert!(problems(&mut bench, &zone, &[ds]).contains("not permitted at apex"));
}

#[test]
fn limits_count_an_upsert_twice() {
    let (mut bench, zone) = bench();
    let addresses: Vec<String> = (0..400)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250))
        .collect();
    let values: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let changes = |action: &'static str| {
        [
            (action, "a.spore.example.edu", "A", 60, &values[..]),
            (action, "b.spore.example.edu", "A", 60, &values[..200]),
        ]
    };
    let message = problems(&mut bench, &zone, &changes("UPSERT"));
    assert_eq!(message, "[Number of records limit of 1000 exceeded.]");
    bench.batch(&zone, &changes("CREATE")).unwrap();

    let long = format!("\"{}\"", vec!["x".repeat(250); 8].join("\" \""));
    let texts = [long.as_str()];
    let names: Vec<String> = (0..9).map(|n| format!("t{n}.spore.example.edu")).collect();
    let upserts: Vec<_> = names
        .iter()
        .map(|name| ("UPSERT", name.as_str(), "TXT", 60, &texts[..]))
        .collect();
    let message = problems(&mut bench, &zone, &upserts);
    assert_eq!(message, "[RDATA character limit of 32000 exceeded.]");
    let creates: Vec<_> = names
        .iter()
        .map(|name| ("CREATE", name.as_str(), "TXT", 60, &texts[..]))
        .collect();
    bench.batch(&zone, &creates).unwrap();
}

#[test]
fn what_is_not_modelled_is_refused_by_name() {
    let (mut bench, zone) = bench();
    let mut send = |set: Value| {
        let batch = json!({ "Changes": [{ "Action": "CREATE", "ResourceRecordSet": set }] });
        bench.refused(
            "ChangeResourceRecordSets",
            json!({ "HostedZoneId": zone, "ChangeBatch": batch }),
        )
    };
    let name = "a.spore.example.edu";
    let checked = json!({ "Name": name, "Type": "A", "TTL": 60, "HealthCheckId": "1",
        "ResourceRecords": [{ "Value": "192.0.2.1" }] });
    assert!(send(checked).1.contains("record sets with HealthCheckId"));
    let near = json!({ "Name": name, "Type": "A", "TTL": 60, "SetIdentifier": "x",
        "GeoProximityLocation": { "AWSRegion": "us-east-1" },
        "ResourceRecords": [{ "Value": "192.0.2.1" }] });
    assert_eq!(send(near).0, "NotImplemented");
    let svcb = json!({ "Name": name, "Type": "SVCB", "TTL": 60,
        "ResourceRecords": [{ "Value": "1 ." }] });
    assert!(send(svcb).1.contains("records of type SVCB"));
    let no_ttl =
        json!({ "Name": name, "Type": "A", "ResourceRecords": [{ "Value": "192.0.2.1" }] });
    assert_eq!(send(no_ttl).0, "InvalidInput");
}

#[test]
fn listing_goes_by_reversed_labels_in_pages() {
    let (mut bench, zone) = bench();
    let a = &["192.0.2.1"][..];
    bench
        .batch(
            &zone,
            &[
                ("CREATE", "b.spore.example.edu", "A", 60, a),
                ("CREATE", "a.b.spore.example.edu", "A", 60, a),
                ("CREATE", "b.spore.example.edu", "TXT", 60, &["\"x\""]),
                ("CREATE", "*.spore.example.edu", "A", 60, a),
                (
                    "CREATE",
                    "a.spore.example.edu",
                    "AAAA",
                    60,
                    &["2001:db8::1"],
                ),
                (
                    "CREATE",
                    "b.spore.example.edu",
                    "AAAA",
                    60,
                    &["2001:db8::1"],
                ),
            ],
        )
        .unwrap();
    let expected = [
        "spore.example.edu. NS",
        "spore.example.edu. SOA",
        "\\052.spore.example.edu. A",
        "a.spore.example.edu. AAAA",
        "b.spore.example.edu. A",
        "b.spore.example.edu. AAAA",
        "b.spore.example.edu. TXT",
        "a.b.spore.example.edu. A",
    ];
    assert_eq!(bench.listed(&zone), expected);

    let mut seen = Vec::new();
    let mut input = json!({ "HostedZoneId": zone, "MaxItems": "3" });
    loop {
        let page = bench.ok("ListResourceRecordSets", input.clone());
        for set in page["ResourceRecordSets"].as_array().unwrap() {
            seen.push(format!(
                "{} {}",
                set["Name"].as_str().unwrap(),
                set["Type"].as_str().unwrap()
            ));
        }
        if page["IsTruncated"] == false {
            assert!(page.get("NextRecordName").is_none());
            break;
        }
        input["StartRecordName"] = page["NextRecordName"].clone();
        input["StartRecordType"] = page["NextRecordType"].clone();
    }
    assert_eq!(seen, expected);
    let input = json!({ "HostedZoneId": zone, "StartRecordType": "A" });
    assert_eq!(
        bench.refused("ListResourceRecordSets", input).0,
        "InvalidInput"
    );
}

#[test]
fn condition_keys_are_normalised() {
    let (bench, zone) = bench();
    let change = |action: &str, name: &str| json!({ "Action": action, "ResourceRecordSet": { "Name": name, "Type": "A" } });
    let changes = [
        change("UPSERT", "*.Spore.example.edu."),
        change("DELETE", "a.spore.example.edu"),
    ];
    let input = json!({
        "HostedZoneId": format!("/hostedzone/{zone}"), "ChangeBatch": { "Changes": changes },
    });
    let operation = operation("ChangeResourceRecordSets").unwrap();
    let needs = (operation.needs)(&bench.world, &bench.caller(), &input);
    assert_eq!(needs.len(), 1);
    assert_eq!(
        needs[0].resource,
        format!("arn:aws:route53:::hostedzone/{zone}")
    );
    let key =
        |suffix: &str| &needs[0].context[&format!("route53:ChangeResourceRecordSets{suffix}")];
    assert_eq!(
        *key("NormalizedRecordNames"),
        ["\\052.spore.example.edu", "a.spore.example.edu"]
    );
    assert_eq!(*key("RecordTypes"), ["A"]);
    assert_eq!(*key("Actions"), ["DELETE", "UPSERT"]);
}
