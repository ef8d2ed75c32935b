//! What listings show, when, and in which pages.

use super::*;

#[test]
fn listings_lag_where_lookups_do_not() {
    let mut bench = Bench::new(Profile::Aws);
    let mut keys = Vec::new();
    for number in 0..20 {
        let key = bench.signing_key();
        let name = format!("alias/{number}");
        bench.ok(
            "CreateAlias",
            json!({ "AliasName": name, "TargetKeyId": key }),
        );
        bench.ok("DescribeKey", json!({ "KeyId": name }));
        keys.push(key);
    }
    let count = |bench: &mut Bench, name: &str, member: &str| {
        bench.ok(name, json!({}))[member].as_array().unwrap().len()
    };
    bench.0.advance(75);
    for (name, member) in [("ListKeys", "Keys"), ("ListAliases", "Aliases")] {
        let seen = count(&mut bench, name, member);
        assert!(
            (1..20).contains(&seen),
            "{name} shows {seen} of 20 half way"
        );
    }
    bench.0.advance(75);
    assert_eq!(
        count(&mut bench, "ListKeys", "Keys"),
        20,
        "after the longest lag"
    );
    assert_eq!(count(&mut bench, "ListAliases", "Aliases"), 20);
}

#[test]
fn listings_come_in_pages() {
    let mut bench = Bench::new(Profile::Fast);
    let mut keys: Vec<_> = (0..5).map(|_| bench.signing_key()).collect();
    keys.sort();
    let mut seen = Vec::new();
    let mut input = json!({ "Limit": 2 });
    loop {
        let answer = bench.ok("ListKeys", input.clone());
        seen.extend(
            answer["Keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["KeyArn"].clone()),
        );
        match answer.get("NextMarker") {
            Some(marker) => input["Marker"] = marker.clone(),
            None => {
                assert_eq!(answer["Truncated"], false);
                break;
            }
        }
    }
    assert_eq!(seen, keys);
    assert_eq!(
        bench.code("ListKeys", json!({ "Marker": "x" })),
        "InvalidMarkerException"
    );
    assert_eq!(
        bench.code("ListAliases", json!({ "Limit": 101 })),
        "ValidationException"
    );
}
