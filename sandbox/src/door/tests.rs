//! What survives, what does not happen, and what time it is.

use std::fs;

use super::*;
use crate::auth::{Credentials, sign};

fn noon() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn open(dir: Option<&std::path::Path>, faults: &str) -> Sandbox {
    let options = Options {
        seed: 1,
        start: Some(noon()),
        faults: faults.parse().unwrap(),
        recording: Recording::Memory,
        ..Options::default()
    };
    Sandbox::open(dir.map(Into::into), options).unwrap()
}

/// A call that writes: each makes one more key.
fn create_key(sandbox: &Sandbox) -> Outcome {
    deliver(sandbox, "CreateKey", b"{}")
}

fn deliver(sandbox: &Sandbox, operation: &str, body: &[u8]) -> Outcome {
    let mut request = Request {
        method: "POST".into(),
        host: "kms.us-east-1.amazonaws.com".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![("x-amz-target".into(), format!("TrentService.{operation}"))],
        body: body.to_vec(),
    };
    let keys = Credentials::administrator("test");
    sign(&mut request, &keys, ("us-east-1", "kms"), sandbox.now());
    sandbox.deliver(&request)
}

fn status(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Answer(response, _) => response.status,
        Outcome::Hang | Outcome::Break(_) | Outcome::Run(_) => panic!("no answer: {outcome:?}"),
    }
}

/// The keys of the world, past every lag of the list.
fn keys(sandbox: &Sandbox) -> usize {
    sandbox.advance(Duration::from_secs(300)).unwrap();
    match deliver(sandbox, "ListKeys", b"{}") {
        Outcome::Answer(response, _) => {
            let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            answer["Keys"].as_array().unwrap().len()
        }
        other @ (Outcome::Hang | Outcome::Break(_) | Outcome::Run(_)) => {
            panic!("no answer: {other:?}")
        }
    }
}

#[test]
fn an_answered_write_is_there_for_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = open(Some(dir.path()), "");
    assert_eq!(status(create_key(&sandbox)), 200);
    let stored = fs::read(dir.path().join("world.json")).unwrap();
    assert_eq!(status(deliver(&sandbox, "ListAliases", b"{}")), 200);
    assert_eq!(
        fs::read(dir.path().join("world.json")).unwrap(),
        stored,
        "reads do not write"
    );
    drop(sandbox);
    assert_eq!(keys(&open(Some(dir.path()), "")), 1);
}

#[test]
fn a_write_that_cannot_be_stored_did_not_happen() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = open(Some(dir.path()), "");
    assert_eq!(status(create_key(&sandbox)), 200);
    // Nothing can be written where a folder stands in the way; permissions do not stop root.
    let obstacle = dir.path().join("world.json.new");
    fs::create_dir(&obstacle).unwrap();
    let Outcome::Answer(response, _) = create_key(&sandbox) else {
        panic!("no answer")
    };
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 500);
    assert!(
        text.contains("world.json") && text.contains("was not made"),
        "{text}"
    );
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(keys(&sandbox), 1);
    assert_eq!(status(create_key(&sandbox)), 200);
    drop(sandbox);
    assert_eq!(keys(&open(Some(dir.path()), "")), 2);
}

#[test]
fn a_crash_before_does_nothing_and_a_crash_after_does_it() {
    let check = |faults: &str, kept: usize| {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = open(Some(dir.path()), faults);
        assert!(matches!(
            create_key(&sandbox),
            Outcome::Break(Broken::Crashed)
        ));
        assert!(
            matches!(create_key(&sandbox), Outcome::Break(Broken::Crashed)),
            "stays dead"
        );
        drop(sandbox);
        assert_eq!(keys(&open(Some(dir.path()), "")), kept, "{faults}");
    };
    check("crash-before:1", 0);
    check("crash-after:1", 1);
    check("crash-after:kms.CreateKey", 1);
}

#[test]
fn other_faults_do_what_they_are_called() {
    let sandbox = open(
        None,
        "lose-answer:1,hang:2,fail:3:InternalFailure,throttle:4,repeat:5",
    );
    assert!(matches!(
        create_key(&sandbox),
        Outcome::Break(Broken::AnswerLost)
    ));
    assert!(matches!(create_key(&sandbox), Outcome::Hang));
    assert_eq!(status(create_key(&sandbox)), 500);
    let Outcome::Answer(throttled, _) = create_key(&sandbox) else {
        panic!("no answer")
    };
    assert!(
        String::from_utf8(throttled.body)
            .unwrap()
            .contains("ThrottlingException")
    );
    assert_eq!(status(create_key(&sandbox)), 200);
    assert_eq!(
        keys(&sandbox),
        3,
        "one of the lost answer, two of the repeated call"
    );
    let lines = sandbox.recorded();
    let faults: Vec<&str> = lines
        .iter()
        .flat_map(|line| &line.faults)
        .map(String::as_str)
        .collect();
    assert_eq!(
        faults,
        [
            "lose-answer:1",
            "hang:2",
            "fail:3:InternalFailure",
            "throttle:4",
            "repeat:5",
            "repeat:5"
        ]
    );
    assert_eq!(lines[0].input, serde_json::json!({}));
    assert_eq!(lines[1].status, None);
    let secret = serde_json::to_string(&lines).unwrap();
    assert!(!secret.contains("AWS4-HMAC-SHA256"));
}

#[test]
fn the_clock_stands_still_and_never_falls() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = open(Some(dir.path()), "delay:1:30s");
    assert_eq!(sandbox.now(), noon());
    sandbox
        .sleep_until(noon() + Duration::from_secs(60))
        .unwrap();
    sandbox.sleep_until(noon()).unwrap();
    assert_eq!(sandbox.now(), noon() + Duration::from_secs(60));
    drop(sandbox);
    let sandbox = open(Some(dir.path()), "");
    assert_eq!(
        sandbox.now(),
        noon() + Duration::from_secs(60),
        "sleep is kept"
    );
    drop(sandbox);
    // A clock set back by a day stays where the world has been.
    let options = Options {
        start: Some(noon() - Duration::from_secs(86_400)),
        ..Options::default()
    };
    let sandbox = Sandbox::open(Some(dir.path().into()), options).unwrap();
    assert_eq!(sandbox.now(), noon() + Duration::from_secs(60));
    sandbox.advance(Duration::from_secs(10)).unwrap();
    assert_eq!(sandbox.now(), noon() + Duration::from_secs(70));
}

#[tokio::test]
async fn the_connector_s_requests_need_no_host_header() {
    let sandbox = open(None, "delay:1:30s");
    let mut signed = Request {
        method: "POST".into(),
        host: "sts.us-east-1.amazonaws.com".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![(
            "content-type".into(),
            "application/x-www-form-urlencoded".into(),
        )],
        body: b"Action=GetCallerIdentity&Version=2011-06-15".to_vec(),
    };
    let keys = Credentials::administrator("966362334030");
    sign(&mut signed, &keys, ("us-east-1", "sts"), noon());
    let mut request = http::Request::post("https://sts.us-east-1.amazonaws.com:443/");
    for (name, value) in signed.headers.iter().filter(|(name, _)| name != "host") {
        request = request.header(name, value);
    }
    let request = request.body(Bytes::from(signed.body)).unwrap();
    let response = sandbox.exchange(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        sandbox.now(),
        noon() + Duration::from_secs(30),
        "the delay passed"
    );
}
