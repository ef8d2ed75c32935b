//! Who is let in, what is refused by name, and what a failed call leaves.

use serde_json::json;

use super::*;
use crate::auth::{Credentials, sign};

mod needs;

fn noon() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn json_request(target: &str, body: &Value) -> Request {
    Request {
        method: "POST".into(),
        host: "kms.us-east-1.amazonaws.com".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![("x-amz-target".into(), target.into())],
        body: body.to_string().into_bytes(),
    }
}

fn sts_request(form: &str) -> Request {
    Request {
        method: "POST".into(),
        host: "sts.us-east-1.amazonaws.com".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![(
            "content-type".into(),
            "application/x-www-form-urlencoded".into(),
        )],
        body: form.into(),
    }
}

fn asked(world: &mut World, keys: &Credentials, service: &str, mut request: Request) -> Answered {
    sign(&mut request, keys, ("us-east-1", service), noon());
    world.answer(noon(), Via::Host, &Arrived::new(&request))
}

fn text(answered: &Answered) -> &str {
    str::from_utf8(&answered.response.body).unwrap()
}

#[test]
fn a_session_is_its_principal_until_it_ends() {
    let mut world = World::new(1, Profile::Fast);
    let admin = Credentials::administrator("test");
    let form = "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900";
    let answered = asked(&mut world, &admin, "sts", sts_request(form));
    assert!(answered.wrote);
    let root = wire::xml::parse(&answered.response.body).unwrap();
    let credentials = &root.children[0].children[0];
    let get = |name: &str| {
        credentials
            .children
            .iter()
            .find(|child| child.name == name)
            .unwrap()
            .text
            .clone()
    };
    let session = Credentials {
        access_key_id: get("AccessKeyId"),
        secret: get("SecretAccessKey"),
        token: Some(get("SessionToken")),
    };
    assert_eq!(get("Expiration"), "2026-01-15T12:15:00Z");

    let identity = "Action=GetCallerIdentity&Version=2011-06-15";
    let answered = asked(&mut world, &session, "sts", sts_request(identity));
    assert!(text(&answered).contains("<Arn>arn:aws:iam::123456789012:root</Arn>"));
    assert!(!answered.wrote);

    let mut late = sts_request(identity);
    let end = noon() + std::time::Duration::from_secs(900);
    sign(&mut late, &session, ("us-east-1", "sts"), end);
    let answered = world.answer(end, Via::Host, &Arrived::new(&late));
    assert_eq!(answered.response.status, 403);
    assert!(text(&answered).contains("<Code>ExpiredToken</Code>"));
}

#[test]
fn what_is_not_modelled_is_refused_by_name() {
    let mut world = World::new(1, Profile::Fast);
    let admin = Credentials::administrator("test");
    let mut check = |service: &str, request: Request, name: &str| {
        let answered = asked(&mut world, &admin, service, request);
        assert_eq!(answered.response.status, 501, "{}", text(&answered));
        assert!(text(&answered).contains(name), "{}", text(&answered));
    };
    check(
        "kms",
        json_request("TrentService.ReplicateKey", &json!({})),
        "kms:ReplicateKey",
    );
    check("sts", sts_request("Action=AssumeRoot"), "sts:AssumeRoot");
    check(
        "dynamodb",
        json_request("DynamoDB_1.ListTables", &json!({})),
        "dynamodb:ListTables",
    );
    let get = |path: &str| Request {
        method: "GET".into(),
        path: path.into(),
        ..sts_request("")
    };
    check(
        "route53",
        get("/2013-04-01/healthcheck"),
        "route53:ListHealthChecks",
    );
    check(
        "route53",
        get("/2013-04-01/nothing"),
        "route53:GET /2013-04-01/nothing",
    );
    check("s3", get("/bucket"), "s3:GET /bucket");
}

#[test]
fn nothing_is_told_to_a_stranger() {
    let mut world = World::new(1, Profile::Fast);
    let request = json_request("TrentService.ReplicateKey", &json!({}));
    let answered = world.answer(noon(), Via::Host, &Arrived::new(&request));
    assert_eq!(
        answered.error.unwrap().code,
        "MissingAuthenticationTokenException"
    );
}

#[test]
fn a_failed_call_leaves_nothing_behind() {
    let mut world = World::new(1, Profile::Aws);
    let admin = Credentials::administrator("test");
    let form = "Action=GetSessionToken&Version=2011-06-15&TokenCode=123456";
    let before = serde_json::to_value(&world.sts).unwrap();
    let answered = asked(&mut world, &admin, "sts", sts_request(form));
    assert_eq!(answered.error.unwrap().code, "AccessDenied");
    assert!(!answered.wrote);
    assert_eq!(serde_json::to_value(&world.sts).unwrap(), before);
}

#[test]
fn every_operation_the_services_have_is_in_the_tables() {
    let served: usize = wire::model::models()
        .flat_map(|model| model.operations.keys().map(|name| (&model.service, name)))
        .filter(|(service, name)| operation(service, name).is_some_and(|found| found.name == *name))
        .count();
    assert!(served >= 2, "sts at least");
}
