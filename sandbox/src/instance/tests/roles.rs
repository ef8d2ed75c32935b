//! Credentials of instances, used at STS, at EC2 and elsewhere.

use std::time::Duration;

use super::*;
use crate::wire::xml;

const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// Texts of an answer's elements by name.
fn texts(answered: &Answered) -> BTreeMap<String, String> {
    fn collect(element: &xml::Element, into: &mut BTreeMap<String, String>) {
        into.insert(element.name.clone(), element.text.clone());
        element
            .children
            .iter()
            .for_each(|child| collect(child, into));
    }
    assert_eq!(answered.error, None);
    let mut all = BTreeMap::new();
    collect(&xml::parse(&answered.response.body).unwrap(), &mut all);
    all
}

#[test]
fn the_identity_role_proves_the_instance_and_may_do_nothing_else() {
    let mut bench = Bench::new(Profile::Instant);
    let account = "210987654321";
    let id = bench
        .launch(Launch {
            account: account.into(),
            region: "eu-west-1".into(),
            ..Launch::default()
        })
        .id;
    let (keys, told) = bench.keys(&id, IDENTITY);
    assert!(keys.access_key_id.starts_with("ASIA"));
    assert_eq!(told["Expiration"], "2026-01-15T18:00:00Z");
    let who = texts(&bench.call(&keys, ("sts", "eu-west-1"), WHO));
    assert_eq!(who["Account"], account);
    let arn = format!("arn:aws:sts::{account}:assumed-role/aws:ec2-instance/{id}");
    assert_eq!(who["Arn"], arn);
    assert_eq!(who["UserId"], format!("{account}:aws:ec2-instance:{id}"));
    let ec2 = "Action=DescribeInstances&Version=2016-11-15";
    assert_eq!(
        bench.code(&keys, ("ec2", "eu-west-1"), ec2),
        "UnauthorizedOperation"
    );
    let assume = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleSessionName=me&RoleArn=arn:aws:iam::{account}:role/a"
    );
    for form in [assume.as_str(), "Action=GetSessionToken&Version=2011-06-15"] {
        assert_eq!(
            bench.code(&keys, ("sts", "eu-west-1"), form),
            "AccessDenied"
        );
    }
    let info = bench
        .told(&id, "meta-data/identity-credentials/ec2/info")
        .unwrap();
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(
        (&info["Code"], &info["AccountId"]),
        (&"Success".into(), &account.into())
    );
}

#[test]
fn credentials_are_kept_until_five_minutes_before_their_end() {
    let mut bench = Bench::new(Profile::Instant);
    let id = bench.launch(Launch::default()).id;
    let (first, _) = bench.keys(&id, IDENTITY);
    bench.later(Duration::from_secs(6 * 3600 - 301));
    assert_eq!(
        bench.keys(&id, IDENTITY).0.access_key_id,
        first.access_key_id
    );
    bench.later(Duration::from_secs(1));
    let (second, told) = bench.keys(&id, IDENTITY);
    assert_ne!(second.access_key_id, first.access_key_id);
    assert_eq!(told["LastUpdated"], "2026-01-15T17:55:00Z");
    let place = ("sts", "us-east-1");
    assert_eq!(
        bench.code(&first, place, WHO),
        "success",
        "the old ones are good to their end"
    );
    bench.later(Duration::from_secs(300));
    assert_eq!(bench.code(&first, place, WHO), "ExpiredToken");
    assert_eq!(bench.code(&second, place, WHO), "success");
}

#[test]
fn the_answer_of_sts_is_json_for_who_accepts_only_that() {
    let mut bench = Bench::new(Profile::Instant);
    let id = bench.launch(Launch::default()).id;
    let (keys, _) = bench.keys(&id, IDENTITY);
    let mut ask = |keys: &auth::Credentials| {
        let mut request = Request {
            method: "POST".into(),
            host: "sts.us-east-1.amazonaws.com".into(),
            path: "/".into(),
            query: String::new(),
            headers: vec![
                (
                    "content-type".into(),
                    "application/x-www-form-urlencoded".into(),
                ),
                ("accept".into(), "application/json".into()),
            ],
            body: WHO.into(),
        };
        sign(&mut request, keys, ("us-east-1", "sts"), bench.now);
        let answered = bench
            .world
            .answer(bench.now, Via::Host, &Arrived::new(&request));
        let body: serde_json::Value = serde_json::from_slice(&answered.response.body).unwrap();
        (answered.response.status, body)
    };
    let (status, body) = ask(&keys);
    assert_eq!(status, 200);
    let result = &body["GetCallerIdentityResponse"]["GetCallerIdentityResult"];
    let arn = format!("arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/{id}");
    assert_eq!(result["Arn"], arn);
    assert!(body["GetCallerIdentityResponse"]["ResponseMetadata"]["RequestId"].is_string());
    let wrong = auth::Credentials {
        secret: "wrong".into(),
        ..keys
    };
    let (status, body) = ask(&wrong);
    assert_eq!(
        (status, &body["Error"]["Code"]),
        (403, &"SignatureDoesNotMatch".into())
    );
}

/// A request as the updater sends it: headers of its own, all of them signed.
#[test]
fn headers_that_are_signed_are_part_of_the_signature() {
    let mut bench = Bench::new(Profile::Instant);
    let id = bench.launch(Launch::default()).id;
    let (keys, _) = bench.keys(&id, IDENTITY);
    let mut signed = Request {
        method: "POST".into(),
        host: "sts.eu-west-1.amazonaws.com".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![
            (
                "content-type".into(),
                "application/x-www-form-urlencoded".into(),
            ),
            (
                "x-spore-audience".into(),
                "spore/1 request spore.example.edu Z1".into(),
            ),
            ("x-spore-nonce".into(), "0123456789abcdef".into()),
            ("x-spore-sha256".into(), "00".repeat(32)),
        ],
        body: WHO.into(),
    };
    sign(&mut signed, &keys, ("eu-west-1", "sts"), bench.now);
    let mut code = |request: &Request| {
        let answered = bench
            .world
            .answer(bench.now, Via::Host, &Arrived::new(request));
        answered
            .error
            .map_or_else(|| "success".to_owned(), |error| error.code)
    };
    assert_eq!(code(&signed), "success");
    let changed = |name: &str, value: Option<&str>| {
        let mut request = signed.clone();
        match value {
            Some(value) => {
                let pair = request.headers.iter_mut().find(|(found, _)| found == name);
                pair.unwrap().1 = value.to_owned();
            }
            None => request.headers.retain(|(found, _)| found != name),
        }
        request
    };
    for name in ["x-spore-audience", "x-spore-nonce", "x-spore-sha256"] {
        assert_eq!(
            code(&changed(name, Some("other"))),
            "SignatureDoesNotMatch",
            "{name}"
        );
        assert_eq!(
            code(&changed(name, None)),
            "SignatureDoesNotMatch",
            "{name}"
        );
    }
    // Another region's host than the one signed for, even if the header `host` were made to fit.
    let mut elsewhere = signed.clone();
    elsewhere.host = "sts.us-east-1.amazonaws.com".into();
    assert_eq!(code(&elsewhere), "SignatureDoesNotMatch");
    let mut global = signed.clone();
    global.host = "sts.amazonaws.com".into();
    assert_eq!(code(&global), "SignatureDoesNotMatch");
}

#[test]
fn a_profiles_role_must_trust_ec2() {
    let mut bench = Bench::new(Profile::Instant);
    let root = auth::Credentials::administrator("test");
    for (name, service) in [("app", "ec2.amazonaws.com"), ("fn", "lambda.amazonaws.com")] {
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"Service":"{service}"}}}}}}"#
        );
        let form = format!(
            "Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={}",
            crate::wire::text::percent_encode(&trust)
        );
        assert_eq!(bench.code(&root, ("iam", "us-east-1"), &form), "success");
    }
    let mut with = |role: &str| {
        bench
            .launch(Launch {
                role: Some(role.into()),
                ..Launch::default()
            })
            .id
    };
    let (good, bad) = (with("app"), with("fn"));
    let folder = "meta-data/iam/security-credentials/";
    assert_eq!(bench.told(&good, folder), Ok("app".into()));
    let (keys, _) = bench.keys(&good, &format!("{folder}app"));
    let who = texts(&bench.call(&keys, ("sts", "us-east-1"), WHO));
    assert_eq!(
        who["Arn"],
        format!("arn:aws:sts::123456789012:assumed-role/app/{good}")
    );
    let refused = bench.told(&bad, &format!("{folder}fn")).unwrap();
    let refused: serde_json::Value = serde_json::from_str(&refused).unwrap();
    assert_eq!(refused["Code"], "AssumeRoleUnauthorizedAccess");
    assert!(
        bench
            .told(&good, "meta-data/iam/info")
            .unwrap()
            .contains("instance-profile/app")
    );
}
