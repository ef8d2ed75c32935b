//! Aliases and routing policies: what is stored, refused and answered.

use serde_json::{Value, json};

use super::Bench;
use crate::profile::Profile;
use crate::route53::Slot;

const NAME: &str = "www.spore.example.edu.";

struct Zone {
    bench: Bench,
    id: String,
}

impl Zone {
    fn new() -> Self {
        let mut bench = Bench::new(Profile::Instant);
        let id = bench.zone("spore.example.edu", "one");
        Self { bench, id }
    }

    /// Changes with one action each; the problems if they are refused.
    fn change(&mut self, changes: &[(&str, &Value)]) -> Result<(), (String, String)> {
        let changes: Vec<Value> = changes
            .iter()
            .map(|(action, set)| json!({ "Action": action, "ResourceRecordSet": set }))
            .collect();
        let input = json!({ "HostedZoneId": self.id, "ChangeBatch": { "Changes": changes } });
        let answer = self.bench.call("ChangeResourceRecordSets", input);
        answer.map(|_| ()).map_err(|e| (e.code, e.message))
    }

    fn create(&mut self, set: &Value) {
        self.change(&[("CREATE", set)]).unwrap();
    }

    /// The message of an InvalidChangeBatch.
    fn problem(&mut self, set: &Value) -> String {
        let (code, message) = self.change(&[("CREATE", set)]).unwrap_err();
        assert_eq!(code, "InvalidChangeBatch", "{message}");
        message
    }

    /// What the list shows of [`NAME`].
    fn listed(&mut self) -> Vec<Value> {
        let input = json!({ "HostedZoneId": self.id, "StartRecordName": NAME });
        let output = self.bench.ok("ListResourceRecordSets", input);
        let sets = output["ResourceRecordSets"].as_array().unwrap();
        sets.iter()
            .filter(|set| set["Name"] == NAME)
            .cloned()
            .collect()
    }

    /// What a name server answers.
    fn answer(&mut self, name: &str, record_type: &str) -> Vec<String> {
        let input =
            json!({ "HostedZoneId": self.id, "RecordName": name, "RecordType": record_type });
        let output = self.bench.ok("TestDNSAnswer", input);
        let data = output["RecordData"].as_array().unwrap();
        data.iter()
            .map(|data| data.as_str().unwrap().to_owned())
            .collect()
    }

    fn alias(&self, target: &str) -> Value {
        json!({ "Name": NAME, "Type": "A", "AliasTarget": {
            "HostedZoneId": self.id, "DNSName": target, "EvaluateTargetHealth": false } })
    }
}

fn address(name: &str, value: &str) -> Value {
    json!({ "Name": name, "Type": "A", "TTL": 300, "ResourceRecords": [{ "Value": value }] })
}

/// One of a group.
fn member(identifier: &str, value: &str, policy: (&str, Value)) -> Value {
    let mut set = address(NAME, value);
    set["SetIdentifier"] = identifier.into();
    set[policy.0] = policy.1;
    set
}

fn weighted(identifier: &str, value: &str, weight: u8) -> Value {
    member(identifier, value, ("Weight", weight.into()))
}

#[test]
fn an_alias_is_read_back_and_answers_with_its_target() {
    let mut zone = Zone::new();
    zone.create(&address("a.spore.example.edu", "192.0.2.7"));
    let alias = zone.alias("A.spore.example.edu");
    zone.create(&alias);
    let mut expected = alias.clone();
    expected["AliasTarget"]["DNSName"] = "a.spore.example.edu.".into();
    assert_eq!(zone.listed(), [expected.clone()]);
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.7"]);
    assert_eq!(zone.answer(NAME, "AAAA"), [""; 0]);
    // The target may change behind it, also into nothing.
    let target = address("a.spore.example.edu", "192.0.2.8");
    zone.change(&[("UPSERT", &target)]).unwrap();
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.8"]);
    zone.change(&[("DELETE", &target)]).unwrap();
    assert_eq!(zone.answer(NAME, "A"), [""; 0]);
    zone.change(&[("DELETE", &expected)]).unwrap();
    assert_eq!(zone.listed(), [Value::Null; 0]);
}

#[test]
fn an_alias_for_a_service_answers_with_one_address() {
    let mut zone = Zone::new();
    for record_type in ["A", "AAAA"] {
        zone.create(&json!({ "Name": NAME, "Type": record_type, "AliasTarget": {
            "HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "lb.us-east-1.elb.amazonaws.com",
            "EvaluateTargetHealth": true } }));
    }
    let shown = zone.listed();
    assert_eq!(shown[0]["AliasTarget"]["EvaluateTargetHealth"], true);
    assert!(shown[0].get("TTL").is_none());
    let v4 = zone.answer(NAME, "A");
    assert!(v4.len() == 1 && v4[0].starts_with("203.0.113."), "{v4:?}");
    assert_eq!(zone.answer(NAME, "AAAA").len(), 1);
    let mut text = shown[0].clone();
    text["Type"] = "TXT".into();
    assert!(zone.problem(&text).contains("that target was not found"));
    assert_eq!(zone.answer(NAME, "A"), v4);
}

#[test]
fn an_alias_leads_to_what_there_is() {
    let mut zone = Zone::new();
    zone.create(&address("a.spore.example.edu", "192.0.2.7"));
    for (target, expected) in [
        ("b.spore.example.edu", "that target was not found"),
        ("a.example.org", "does not lie within the target zone"),
        (NAME, "it targets itself"),
    ] {
        let alias = zone.alias(target);
        let message = zone.problem(&alias);
        assert!(message.contains(expected), "{message}");
    }
    // Another type than the target's.
    let mut other = zone.alias("a.spore.example.edu");
    other["Type"] = "AAAA".into();
    assert!(zone.problem(&other).contains("that target was not found"));
    let mut servers = zone.alias("spore.example.edu");
    servers["Type"] = "NS".into();
    assert!(zone.problem(&servers).contains("cannot be an alias"));
    // Target and alias may come in one batch.
    let (target, alias) = (
        address("b.spore.example.edu", "192.0.2.9"),
        zone.alias("b.spore.example.edu"),
    );
    zone.change(&[("CREATE", &alias), ("CREATE", &target)])
        .unwrap();
}

#[test]
fn a_set_has_either_values_or_an_alias() {
    let mut zone = Zone::new();
    let mut both = zone.alias("lb.example.com");
    both["AliasTarget"]["HostedZoneId"] = "Z35SXDOTRQ7X7K".into();
    both["TTL"] = 60.into();
    let mut neither = address(NAME, "192.0.2.1");
    neither.as_object_mut().unwrap().remove("TTL");
    let mut nameless = weighted("a", "192.0.2.1", 1);
    nameless.as_object_mut().unwrap().remove("SetIdentifier");
    let mut aimless = weighted("a", "192.0.2.1", 1);
    aimless.as_object_mut().unwrap().remove("Weight");
    let mut twofold = weighted("a", "192.0.2.1", 1);
    twofold["Region"] = "us-east-1".into();
    for (set, expected) in [
        (both, "found more than one"),
        (neither, "found none"),
        (nameless, "SetIdentifier=null"),
        (aimless, "but found 0"),
        (twofold, "but found 2"),
    ] {
        let (code, message) = zone.change(&[("CREATE", &set)]).unwrap_err();
        assert_eq!(code, "InvalidInput");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn members_of_a_group_are_listed_by_identifier_in_pages() {
    let mut zone = Zone::new();
    let sets = [
        weighted("blue", "192.0.2.2", 10),
        weighted("green", "192.0.2.1", 20),
        weighted("red", "192.0.2.3", 20),
    ];
    for set in sets.iter().rev() {
        zone.create(set);
    }
    assert_eq!(zone.listed(), sets);
    let mut seen = Vec::new();
    let mut input = json!({ "HostedZoneId": zone.id, "MaxItems": "1" });
    loop {
        let page = zone.bench.ok("ListResourceRecordSets", input.clone());
        seen.extend(page["ResourceRecordSets"].as_array().unwrap().clone());
        if page["IsTruncated"] == false {
            break;
        }
        for part in ["Name", "Type", "Identifier"] {
            input[format!("StartRecord{part}")] = page[format!("NextRecord{part}")].clone();
        }
    }
    assert_eq!(seen.len(), 5, "the apex's two and these");
    assert_eq!(seen[2..], sets);
    // The heaviest answers, of equals the first.
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.1"]);
    zone.change(&[("DELETE", &sets[1])]).unwrap();
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.3"]);
    let (code, message) = zone.change(&[("DELETE", &sets[1])]).unwrap_err();
    assert_eq!(code, "InvalidChangeBatch");
    assert!(message.contains("set identifier='green'"), "{message}");
}

#[test]
fn a_group_is_of_one_sort() {
    let mut zone = Zone::new();
    zone.create(&weighted("a", "192.0.2.1", 1));
    let simple = zone.problem(&address(NAME, "192.0.2.2"));
    assert!(simple.contains("other RRSets exist"), "{simple}");
    let region = ("Region", json!("us-east-1"));
    let other = zone.problem(&member("b", "192.0.2.2", region));
    assert!(other.contains("a non latency rrset exists"), "{other}");
    let mut later = weighted("b", "192.0.2.2", 1);
    later["TTL"] = 60.into();
    assert!(zone.problem(&later).contains("another TTL"));
    zone.create(&weighted("b", "192.0.2.2", 1));
    // The whole group gets another TTL in one batch, not one by one.
    let lower = |identifier: &str| {
        let mut set = weighted(identifier, "192.0.2.1", 1);
        set["TTL"] = 60.into();
        set
    };
    let (a, b) = (lower("a"), lower("b"));
    assert!(zone.change(&[("UPSERT", &a)]).is_err());
    zone.change(&[("UPSERT", &a), ("UPSERT", &b)]).unwrap();

    let mut zone = Zone::new();
    for region in ["us-east-1", "eu-west-1"] {
        zone.create(&member(region, "192.0.2.1", ("Region", region.into())));
    }
    let again = member("third", "192.0.2.1", ("Region", "us-east-1".into()));
    assert!(zone.problem(&again).contains("same value"));
    let mut name = member("a", "x.example.org", ("MultiValueAnswer", true.into()));
    name["Type"] = "CNAME".into();
    name["Name"] = "cname.spore.example.edu".into();
    assert!(zone.problem(&name).contains("neither an alias nor a CNAME"));
    let place = json!({ "ContinentCode": "EU", "CountryCode": "AT" });
    let (code, message) = zone
        .change(&[("CREATE", &member("a", "192.0.2.1", ("GeoLocation", place)))])
        .unwrap_err();
    assert_eq!(code, "InvalidInput", "{message}");
    let wild = json!({ "Name": "*.spore.example.edu", "Type": "NS", "TTL": 60,
        "ResourceRecords": [{ "Value": "ns.example.org." }] });
    assert!(
        zone.problem(&wild)
            .contains("a wildcard cannot be delegated")
    );
    let mut servers = weighted("a", "192.0.2.1", 1);
    servers["Name"] = "spore.example.edu".into();
    servers["Type"] = "SOA".into();
    assert!(zone.change(&[("CREATE", &servers)]).is_err());
}

#[test]
fn the_place_for_all_others_and_the_primary_answer() {
    let mut zone = Zone::new();
    let places = [
        ("at", "192.0.2.1", json!({ "CountryCode": "AT" })),
        ("else", "192.0.2.2", json!({ "CountryCode": "*" })),
        ("eu", "192.0.2.3", json!({ "ContinentCode": "EU" })),
    ];
    let sets = places.map(|(id, value, place)| member(id, value, ("GeoLocation", place)));
    for set in &sets {
        zone.create(set);
    }
    assert_eq!(zone.listed(), sets);
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.2"]);

    let mut zone = Zone::new();
    for (id, value, role) in [
        ("a", "192.0.2.1", "SECONDARY"),
        ("b", "192.0.2.2", "PRIMARY"),
    ] {
        zone.create(&member(id, value, ("Failover", role.into())));
    }
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.2"]);

    let mut zone = Zone::new();
    for n in 0..9 {
        let policy = ("MultiValueAnswer", true.into());
        zone.create(&member(&n.to_string(), &format!("192.0.2.{n}"), policy));
    }
    assert_eq!(zone.answer(NAME, "A").len(), 8, "at most eight");
}

#[test]
fn a_server_that_has_not_got_a_member_yet_answers_without_it() {
    let mut bench = Bench::new(Profile::Aws);
    let id = bench.zone("spore.example.edu", "one");
    bench.advance(3600);
    let mut zone = Zone { bench, id };
    zone.create(&weighted("light", "192.0.2.1", 1));
    zone.bench.advance(3600);
    zone.create(&weighted("heavy", "192.0.2.2", 9));
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.1"]);
    zone.bench.advance(3600);
    assert_eq!(zone.answer(NAME, "A"), ["192.0.2.2"]);
}

#[test]
fn a_slot_is_stored_as_text() {
    for text in ["A", "AAAA with blanks in it", "TXT "] {
        let slot = Slot::try_from(text.to_owned()).unwrap();
        assert_eq!(String::from(slot), text);
    }
    assert!(Slot::try_from("SVCB x".to_owned()).is_err());
}
