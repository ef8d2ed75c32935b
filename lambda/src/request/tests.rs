//! What is a request and what is not, and that nothing unjudged is repeated.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn asked(body: &str) -> Result<(Asked, Update, Members), String> {
    let said = |bad: BadRequest| bad.to_string();
    let (update, members) = read(body).map_err(said)?;
    Ok((Asked::read(&update).map_err(said)?, update, members))
}

fn wish(members: &str) -> Result<Wish, String> {
    asked(&format!("{{\"record_name\": \"web\"{members}}}")).map(|(asked, ..)| asked.wish)
}

#[test]
fn what_spawn_sends_is_read() {
    let (asked, update, members) = asked(
        r#"{ "instance_identity_document": "ZG9j", "instance_identity_signature": "c2ln",
             "record_name": "My-Instance", "ip_address": "54.164.27.106", "action": "UPSERT" }"#,
    )
    .unwrap();
    assert_eq!(asked.record.as_str(), "my-instance");
    // The proof is about what was sent, before anything was lowered or filled in.
    assert_eq!(update.record_name.as_deref(), Some("My-Instance"));
    assert_eq!(update.record_type, None);
    assert_eq!(members.instance_identity_document.as_deref(), Some("ZG9j"));
    assert_eq!(
        asked.wish,
        Wish::Set {
            data: Data::Address("54.164.27.106".parse().unwrap()),
            ttl_secs: None,
        }
    );
}

#[test]
fn a_wish_is_one_record_or_one_removal() {
    let set = |data, ttl_secs| Ok(Wish::Set { data, ttl_secs });
    let v6 = Data::Address("2600:1f18::1".parse().unwrap());
    assert_eq!(
        wish(r#", "ip_address": "2600:1f18::1""#),
        set(v6.clone(), None)
    );
    assert_eq!(
        wish(r#", "ip_address": "2600:1f18::1", "record_type": "AAAA", "ttl": 30"#),
        set(v6, Some(30))
    );
    assert_eq!(
        wish(r#", "record_type": "TXT", "text": "a \"b\" \\c""#),
        set(Data::Text("a \"b\" \\c".to_owned()), None)
    );
    let remove = |only, mentioned| Ok(Wish::Remove { only, mentioned });
    assert_eq!(wish(r#", "action": "DELETE""#), remove(None, None));
    assert_eq!(
        wish(r#", "action": "DELETE", "record_type": "A", "ip_address": "54.1.2.3""#),
        remove(Some(RecordType::A), Some("54.1.2.3".parse().unwrap()))
    );
}

#[test]
fn what_is_not_exactly_a_request_is_refused_and_says_why() {
    let refused = |members: &str, expected: &str| {
        let said = wish(members).unwrap_err();
        assert!(said.contains(expected), "{members}: {said}");
    };
    refused("", "ip_address is missing");
    refused(r#", "ip_address": """#, "ip_address is not");
    refused(r#", "ip_address": "54.1.2.03""#, "ip_address is not");
    refused(r#", "ip_address": "fe80::1%eth0""#, "ip_address is not");
    refused(r#", "ip_address": null"#, "ip_address is to be a text");
    refused(r#", "ip_address": 1"#, "ip_address is to be a text");
    refused(
        r#", "ip_address": "54.1.2.3", "record_type": "AAAA""#,
        "does not fit",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "record_type": "CNAME""#,
        "record_type is to be",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "record_type": "a""#,
        "record_type is to be",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "action": "upsert""#,
        "action is to be",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "action": "CREATE""#,
        "action is to be",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "text": "x""#,
        "text has no meaning",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "ttl": -1"#,
        "ttl is to be a whole number",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "ttl": 1.5"#,
        "ttl is to be a whole number",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "ttl": "60""#,
        "ttl is to be a whole number",
    );
    refused(
        r#", "ip_address": "54.1.2.3", "ttl": 4294967296"#,
        "ttl is to be",
    );
    refused(r#", "record_type": "TXT""#, "text is missing");
    refused(r#", "record_type": "TXT", "text": """#, "text is empty");
    refused(
        r#", "record_type": "TXT", "text": "a\nb""#,
        "printable ASCII",
    );
    refused(
        r#", "record_type": "TXT", "text": "x", "ip_address": "54.1.2.3""#,
        "in a TXT",
    );
    refused(r#", "action": "DELETE", "ttl": 5"#, "ttl has no meaning");
    refused(
        r#", "action": "DELETE", "owner": "me""#,
        "owner is not of the form",
    );
    refused(
        r#", "domain": "x""#,
        "there is no member domain; known are record_name",
    );
    refused(r#", "Record_Name": "x""#, "there is no member Record_Name");
    refused(r#", "a\nb": "x""#, "there is no member of such a name");
    refused(r#", "record_name": "x""#, "record_name is there twice");
    refused(r#", "proof": "x""#, "proof is to be an object");
    refused(
        r#", "proof": { "type": "trust-me" }"#,
        "proof is to be an object",
    );
    let long = format!(r#", "record_type": "TXT", "text": "{}""#, "x".repeat(1_001));
    refused(&long, "more than 1000");
    for (body, expected) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{} {}", "not JSON"),
        ("[]", "one JSON object"),
        ("\"x\"", "one JSON object"),
        ("null", "one JSON object"),
        ("{}", "record_name is missing"),
        (r#"{"record_name": "www"}"#, "reserved"),
    ] {
        let said = asked(body).unwrap_err();
        assert!(said.contains(expected), "{body}: {said}");
    }
}

#[test]
fn a_proofs_members_are_as_closed_as_the_requests() {
    let proof = |more: &str| {
        format!(
            r#"{{ "record_name": "web", "ip_address": "54.1.2.3", "proof": {{
                "type": "instance-role", "region": "us-east-1", "access_key_id": "ASIA",
                "date": "d", "token": "t", "signature": "s", "nonce": "n"{more} }} }}"#
        )
    };
    assert!(asked(&proof("")).unwrap().2.proof.is_some());
    for more in [
        r#", "Region": "us-east-1""#,
        r#", "region": "us-east-1""#,
        r#", "host": "evil""#,
    ] {
        assert!(asked(&proof(more)).unwrap_err().contains("proof is to be"));
    }
}

#[test]
fn debug_shows_no_evidence() {
    let body = r#"{ "record_name": "web", "ip_address": "54.1.2.3",
        "instance_identity_document": "SECRET", "instance_identity_signature": "SECRET",
        "instance_identity_rsa2048": "SECRET", "proof": { "type": "iam-role", "region": "r",
        "access_key_id": "k", "date": "d", "token": "SECRET", "signature": "SECRET", "nonce": "n" } }"#;
    let request = asked(body).unwrap();
    assert!(!format!("{request:?}").contains("SECRET"));
}

proptest! {
    // With a character that no name has: a short name of an unknown member is told.
    #[test]
    fn no_refusal_repeats_what_was_not_judged(text in "\\PC{0,40}SECRET[\n\r\"{}]{1,4}\\PC{0,40}") {
        let text = serde_json::Value::from(text);
        for member in MEMBERS {
            let body = format!("{{ {text}: 1, \"record_name\": \"a\", \"{member}\": {text} }}");
            prop_assert!(!asked(&body).unwrap_err().contains("SECRET"));
            let body = format!("{{ \"{member}\": {text} }}");
            prop_assert!(!asked(&body).unwrap_err().contains("SECRET"));
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[\\[\\]{}\",:a-z0-9_.\\\\ -]{0,80}") {
        let _ = asked(&text);
    }
}
