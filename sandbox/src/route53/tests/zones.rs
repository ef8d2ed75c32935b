//! Hosted zones, tags and delegation sets.

use serde_json::json;

use super::Bench;
use crate::profile::Profile;
use crate::route53::operation;

#[test]
fn a_new_zone_has_awss_records_and_four_servers() {
    let mut bench = Bench::new(Profile::Instant);
    let input = json!({ "Name": "Spore.Example.EDU", "CallerReference": "one",
        "HostedZoneConfig": { "Comment": "c" } });
    let output = bench.ok("CreateHostedZone", input);
    let zone = &output["HostedZone"];
    assert_eq!(zone["Name"], "spore.example.edu.");
    assert_eq!(zone["ResourceRecordSetCount"], 2);
    assert_eq!(
        zone["Config"],
        json!({ "Comment": "c", "PrivateZone": false })
    );
    let id = zone["Id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("/hostedzone/Z"));
    let servers = output["DelegationSet"]["NameServers"]
        .as_array()
        .unwrap()
        .clone();
    for (server, suffix) in servers.iter().zip([".com", ".net", ".org", ".co.uk"]) {
        assert!(server.as_str().unwrap().ends_with(suffix), "{server}");
    }
    let got = bench.ok("GetHostedZone", json!({ "Id": id }));
    assert_eq!(got["HostedZone"], *zone);
    assert_eq!(got["DelegationSet"], json!({ "NameServers": servers }));

    let records = bench.ok("ListResourceRecordSets", json!({ "HostedZoneId": id }));
    let sets = &records["ResourceRecordSets"];
    assert_eq!(
        (&sets[0]["TTL"], &sets[1]["TTL"]),
        (&json!(172_800), &json!(900))
    );
    let soa = format!(
        "{}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400",
        servers[0].as_str().unwrap()
    );
    assert_eq!(sets[1]["ResourceRecords"], json!([{ "Value": soa }]));
}

#[test]
fn a_caller_reference_is_used_once_for_ever() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    let again = json!({ "Name": "other.example.edu", "CallerReference": "one" });
    assert_eq!(
        bench.refused("CreateHostedZone", again.clone()).0,
        "HostedZoneAlreadyExists"
    );
    bench.ok("DeleteHostedZone", json!({ "Id": zone }));
    assert_eq!(
        bench.refused("CreateHostedZone", again.clone()).0,
        "HostedZoneAlreadyExists"
    );
    assert_eq!(
        bench.refused("GetHostedZone", json!({ "Id": zone })).0,
        "NoSuchHostedZone"
    );
    bench.switch("210987654321");
    bench.ok("CreateHostedZone", again);
}

#[test]
fn names_are_not_unique_and_twins_share_no_server() {
    let mut bench = Bench::new(Profile::Instant);
    let ids = [
        bench.zone("spore.example.edu", "one"),
        bench.zone("spore.example.edu", "two"),
    ];
    let below = bench.zone("a.spore.example.edu", "three");
    let servers = |bench: &mut Bench, id: &str| {
        bench.ok("GetHostedZone", json!({ "Id": id }))["DelegationSet"]["NameServers"].clone()
    };
    let first = servers(&mut bench, &ids[0]);
    for other in [&ids[1], &below] {
        let other = servers(&mut bench, other);
        for server in other.as_array().unwrap() {
            assert!(!first.as_array().unwrap().contains(server));
        }
    }
}

#[test]
fn bad_names_and_top_level_domains_are_refused() {
    let mut bench = Bench::new(Profile::Instant);
    for name in ["edu", "a..edu", "a b.edu", "."] {
        let input = json!({ "Name": name, "CallerReference": name });
        assert_eq!(
            bench.refused("CreateHostedZone", input).0,
            "InvalidDomainName",
            "{name}"
        );
    }
}

#[test]
fn another_accounts_zone_is_denied() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    bench.switch("210987654321");
    assert_eq!(
        bench.refused("GetHostedZone", json!({ "Id": zone })).0,
        "AccessDenied"
    );
    assert_eq!(
        bench.refused("DeleteHostedZone", json!({ "Id": zone })).0,
        "AccessDenied"
    );
    let lists = bench.ok("ListHostedZones", json!({}));
    assert_eq!(lists["HostedZones"], json!([]));
}

#[test]
fn a_zone_with_records_is_not_deleted() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    let name = "a.spore.example.edu";
    bench
        .batch(&zone, &[("CREATE", name, "A", 60, &["192.0.2.1"])])
        .unwrap();
    let (code, message) = bench.refused("DeleteHostedZone", json!({ "Id": zone }));
    assert_eq!(code, "HostedZoneNotEmpty");
    assert!(message.contains("non-required resource record sets"));
    bench
        .batch(&zone, &[("DELETE", name, "A", 60, &["192.0.2.1"])])
        .unwrap();
    bench.ok("DeleteHostedZone", json!({ "Id": zone }));
    assert_eq!(
        bench.ok("GetHostedZoneCount", json!({}))["HostedZoneCount"],
        0
    );
}

#[test]
fn lists_lag_behind_gets() {
    let mut bench = Bench::new(Profile::Aws);
    let names = |bench: &mut Bench| -> usize {
        let by_name = bench.ok(
            "ListHostedZonesByName",
            json!({ "DNSName": "spore.example.edu" }),
        );
        let all = bench.ok("ListHostedZones", json!({}));
        assert_eq!(by_name["HostedZones"], all["HostedZones"]);
        all["HostedZones"].as_array().unwrap().len()
    };
    let zone = bench.zone("spore.example.edu", "one");
    bench.ok("GetHostedZone", json!({ "Id": zone }));
    assert_eq!(names(&mut bench), 0, "this seed draws a lag");
    bench.advance(150);
    assert_eq!(names(&mut bench), 1);
    bench.ok("DeleteHostedZone", json!({ "Id": zone }));
    assert_eq!(
        bench.refused("GetHostedZone", json!({ "Id": zone })).0,
        "NoSuchHostedZone"
    );
    bench.advance(150);
    assert_eq!(names(&mut bench), 0);
}

#[test]
fn lists_are_paged_in_their_orders() {
    let mut bench = Bench::new(Profile::Instant);
    for name in [
        "b.example.edu",
        "example.edu",
        "a.example.edu",
        "example.com",
    ] {
        bench.zone(name, name);
    }
    let mut names = Vec::new();
    let mut input = json!({ "MaxItems": "3" });
    loop {
        let page = bench.ok("ListHostedZonesByName", input.clone());
        names.extend(
            page["HostedZones"]
                .as_array()
                .unwrap()
                .iter()
                .map(|z| z["Name"].clone()),
        );
        if page["IsTruncated"] == false {
            break;
        }
        input["DNSName"] = page["NextDNSName"].clone();
        input["HostedZoneId"] = page["NextHostedZoneId"].clone();
    }
    assert_eq!(
        names,
        [
            "example.com.",
            "example.edu.",
            "a.example.edu.",
            "b.example.edu."
        ]
    );
    let from = bench.ok(
        "ListHostedZonesByName",
        json!({ "DNSName": "a.example.edu" }),
    );
    assert_eq!(from["HostedZones"][0]["Name"], "a.example.edu.");
    assert_eq!(from["DNSName"], "a.example.edu");

    let first = bench.ok("ListHostedZones", json!({ "MaxItems": "3" }));
    let marker = first["NextMarker"].clone();
    let second = bench.ok(
        "ListHostedZones",
        json!({ "MaxItems": "3", "Marker": marker }),
    );
    assert_eq!(first["HostedZones"].as_array().unwrap().len(), 3);
    assert_eq!(second["HostedZones"].as_array().unwrap().len(), 1);
    let bad = json!({ "MaxItems": "none" });
    assert_eq!(bench.refused("ListHostedZones", bad).0, "InvalidInput");
}

#[test]
fn tags_are_added_removed_and_listed() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    let resource = json!({ "ResourceType": "hostedzone", "ResourceId": zone });
    let mut add = resource.clone();
    add["AddTags"] = json!([{ "Key": "a", "Value": "1" }, { "Key": "b" }]);
    bench.ok("ChangeTagsForResource", add);
    let mut change = resource.clone();
    change["AddTags"] = json!([{ "Key": "a", "Value": "2" }]);
    change["RemoveTagKeys"] = json!(["b", "never there"]);
    bench.ok("ChangeTagsForResource", change);
    let expected = json!([{ "Key": "a", "Value": "2" }]);
    assert_eq!(
        bench.ok("ListTagsForResource", resource.clone())["ResourceTagSet"]["Tags"],
        expected
    );
    let many = json!({ "ResourceType": "hostedzone", "ResourceIds": [zone] });
    assert_eq!(
        bench.ok("ListTagsForResources", many)["ResourceTagSets"][0]["Tags"],
        expected
    );

    let mut reserved = resource.clone();
    reserved["AddTags"] = json!([{ "Key": "AWS:x", "Value": "1" }]);
    assert_eq!(
        bench.refused("ChangeTagsForResource", reserved).0,
        "InvalidInput"
    );
    let tagged: Vec<_> = bench.world.route53.tagged("123456789012").collect();
    assert_eq!(tagged.len(), 1);
    assert_eq!(tagged[0].0, format!("arn:aws:route53:::hostedzone/{zone}"));
    assert_eq!(bench.world.route53.tagged("210987654321").count(), 0);
}

#[test]
fn a_reusable_delegation_set_serves_unrelated_zones() {
    let mut bench = Bench::new(Profile::Instant);
    let first = bench.zone("spore.example.edu", "one");
    let input = json!({ "CallerReference": "set", "HostedZoneId": first });
    let set = bench.ok("CreateReusableDelegationSet", input.clone())["DelegationSet"].clone();
    assert_eq!(
        bench.refused("CreateReusableDelegationSet", input).0,
        "DelegationSetAlreadyCreated"
    );
    let id = set["Id"].as_str().unwrap().to_owned();
    let got = bench.ok("GetHostedZone", json!({ "Id": first }));
    assert_eq!(got["DelegationSet"], set);

    let create =
        |name: &str| json!({ "Name": name, "CallerReference": name, "DelegationSetId": id });
    bench.ok("CreateHostedZone", create("spore.example.org"));
    let (code, _) = bench.refused("CreateHostedZone", create("a.spore.example.edu"));
    assert_eq!(code, "ConflictingDomainExists");
    let (code, _) = bench.refused("DeleteReusableDelegationSet", json!({ "Id": id }));
    assert_eq!(code, "DelegationSetInUse");
    let of_set = bench.ok("ListHostedZones", json!({ "DelegationSetId": id }));
    assert_eq!(of_set["HostedZones"].as_array().unwrap().len(), 2);
}

#[test]
fn private_zones_have_vpcs_and_no_delegation_set() {
    let mut bench = Bench::new(Profile::Instant);
    let mut input = json!({ "Name": "spore.example.edu", "CallerReference": "one",
        "HostedZoneConfig": { "PrivateZone": true } });
    assert_eq!(
        bench.refused("CreateHostedZone", input.clone()).0,
        "InvalidInput"
    );
    input["VPC"] = json!({ "VPCRegion": "us-east-1", "VPCId": "nonsense" });
    assert_eq!(
        bench.refused("CreateHostedZone", input.clone()).0,
        "InvalidVPCId"
    );
    input["VPC"]["VPCId"] = "vpc-1a2b3c4d".into();
    let id = bench.ok("CreateHostedZone", input.clone())["HostedZone"]["Id"].clone();
    let got = bench.ok("GetHostedZone", json!({ "Id": id }));
    assert_eq!(got["HostedZone"]["Config"]["PrivateZone"], true);
    assert_eq!(got["VPCs"], json!([input["VPC"]]));
    assert!(got.get("DelegationSet").is_none());
    input["CallerReference"] = "two".into();
    assert_eq!(
        bench.refused("CreateHostedZone", input).0,
        "ConflictingDomainExists"
    );
}

#[test]
fn the_account_limit_is_enforced_and_shown() {
    let mut bench = Bench::new(Profile::Instant);
    for n in 0..500 {
        bench.zone(&format!("z{n}.example.edu"), &format!("{n}"));
    }
    let input = json!({ "Name": "more.example.edu", "CallerReference": "more" });
    assert_eq!(
        bench.refused("CreateHostedZone", input).0,
        "TooManyHostedZones"
    );
    let limit = bench.ok(
        "GetAccountLimit",
        json!({ "Type": "MAX_HOSTED_ZONES_BY_OWNER" }),
    );
    assert_eq!(
        (&limit["Limit"]["Value"], &limit["Count"]),
        (&json!(500), &json!(500))
    );
}

#[test]
fn all_of_the_list_is_modelled() {
    let modelled = [
        "ActivateKeySigningKey",
        "ChangeResourceRecordSets",
        "ChangeTagsForResource",
        "CreateHostedZone",
        "CreateKeySigningKey",
        "CreateReusableDelegationSet",
        "DeactivateKeySigningKey",
        "DeleteHostedZone",
        "DeleteKeySigningKey",
        "DeleteReusableDelegationSet",
        "DisableHostedZoneDNSSEC",
        "EnableHostedZoneDNSSEC",
        "GetAccountLimit",
        "GetChange",
        "GetDNSSEC",
        "GetHostedZone",
        "GetHostedZoneCount",
        "GetQueryLoggingConfig",
        "GetReusableDelegationSet",
        "ListHostedZones",
        "ListHostedZonesByName",
        "ListQueryLoggingConfigs",
        "ListResourceRecordSets",
        "ListReusableDelegationSets",
        "ListTagsForResource",
        "ListTagsForResources",
        "TestDNSAnswer",
        "UpdateHostedZoneComment",
    ];
    for name in modelled {
        assert!(operation(name).is_some(), "{name}");
    }
    assert!(operation("GetCheckerIpRanges").is_none());
}
