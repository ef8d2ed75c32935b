//! GetChange, and a batch that comes too early.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Bench;
use crate::profile::Profile;

fn status(bench: &mut Bench, change: &Value) -> String {
    let output = bench.ok("GetChange", json!({ "Id": change["ChangeInfo"]["Id"] }));
    output["ChangeInfo"]["Status"].as_str().unwrap().to_owned()
}

fn create(bench: &mut Bench) -> Value {
    bench.ok(
        "CreateHostedZone",
        json!({ "Name": "a.example.edu", "CallerReference": "one" }),
    )
}

#[test]
fn a_change_is_in_sync_after_the_profiles_delay() {
    let check = |profile, still_pending: u64, in_sync: u64| {
        let mut bench = Bench::new(profile);
        let change = create(&mut bench);
        assert_eq!(change["ChangeInfo"]["Status"], "PENDING");
        bench.advance(still_pending);
        assert_eq!(status(&mut bench, &change), "PENDING");
        bench.advance(in_sync - still_pending);
        assert_eq!(status(&mut bench, &change), "INSYNC");
    };
    check(Profile::Aws, 29, 60);
    check(Profile::Fast, 1, 2);
    let mut bench = Bench::new(Profile::Instant);
    assert_eq!(create(&mut bench)["ChangeInfo"]["Status"], "INSYNC");
}

#[test]
fn an_unknown_change_is_named() {
    let mut bench = Bench::new(Profile::Instant);
    let (code, message) = bench.refused("GetChange", json!({ "Id": "/change/C123" }));
    assert_eq!(
        (code.as_str(), message.contains("C123")),
        ("NoSuchChange", true)
    );
    let change = create(&mut bench);
    bench.switch("210987654321");
    let other = json!({ "Id": change["ChangeInfo"]["Id"] });
    assert_eq!(bench.refused("GetChange", other).0, "NoSuchChange");
}

#[test]
fn a_batch_right_after_another_is_refused_and_a_moment_later_taken() {
    let mut bench = Bench::new(Profile::Aws);
    let zone = bench.zone("a.example.edu", "one");
    let upsert = [("UPSERT", "x.a.example.edu", "A", 60, &["192.0.2.1"][..])];
    bench.batch(&zone, &upsert).unwrap();
    assert_eq!(
        bench.batch(&zone, &upsert).unwrap_err().code,
        "PriorRequestNotComplete"
    );
    let tag = json!({ "ResourceType": "hostedzone", "ResourceId": zone,
        "AddTags": [{ "Key": "a", "Value": "b" }] });
    assert_eq!(
        bench.refused("ChangeTagsForResource", tag).0,
        "PriorRequestNotComplete"
    );
    bench.advance(1);
    bench.batch(&zone, &upsert).unwrap();
}

#[test]
fn timestamps_are_numbers() {
    let mut bench = Bench::new(Profile::Instant);
    bench.now = Timestamp::from_millisecond(1_800_000_000_250).unwrap();
    assert_eq!(
        create(&mut bench)["ChangeInfo"]["SubmittedAt"],
        json!(1_800_000_000.25)
    );
}

#[test]
fn the_world_survives_being_written_and_read() {
    let mut bench = Bench::new(Profile::Aws);
    let zone = bench.zone("a.example.edu", "one");
    bench
        .batch(
            &zone,
            &[("CREATE", "*.a.example.edu", "TXT", 60, &["\"x\""])],
        )
        .unwrap();
    let text = serde_json::to_string(&bench.world).unwrap();
    bench.world = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&bench.world).unwrap(), text);
    assert_eq!(bench.listed(&zone).len(), 3);
}
