//! Signatures against published vectors, and what a change of anything signed leads to.

use serde::Deserialize;

use super::*;
use crate::Profile;
use crate::auth::signature::{canonical_request, signature, string_to_sign};

const VECTORS: &str = include_str!("../../vectors/sigv4.json");

#[derive(Deserialize)]
struct Vectors {
    secret: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    signed_request: String,
    canonical_request: String,
}

/// A request as the suite writes it: the target may have spaces, header values may too.
fn parse(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.trim_end().lines();
    let first = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap();
    let (method, target) = first.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Request {
        method: method.into(),
        host: "example.amazonaws.com".into(),
        path: path.into(),
        query: query.into(),
        headers: lines.map(header).collect(),
        body: body.into(),
    }
}

#[test]
fn the_published_vectors_verify() {
    let Vectors { secret, vectors } = serde_json::from_str(VECTORS).unwrap();
    for vector in vectors {
        let request = parse(&vector.signed_request);
        let claim = claim(&request).unwrap();
        let canonical = canonical_request(&claim, &request).unwrap();
        assert_eq!(canonical, vector.canonical_request, "{}", vector.name);
        let signature = signature(&secret, &claim, &string_to_sign(&claim, &canonical));
        assert_eq!(signature, claim.signature, "{}", vector.name);
    }
}

fn noon() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn request() -> Request {
    Request {
        method: "POST".into(),
        host: "kms.us-east-1.amazonaws.com".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![("x-amz-target".into(), "TrentService.ListKeys".into())],
        body: b"{}".to_vec(),
    }
}

fn judged(world: &World, now: Timestamp, request: &Request) -> Result<Caller, Problem> {
    authenticate(world, now, &claim(request)?, request)
}

#[test]
fn any_change_of_what_is_signed_is_noticed() {
    let world = World::new(1, Profile::Fast);
    let mut good = request();
    let keys = Credentials::administrator("966362334030");
    sign(&mut good, &keys, ("eu-west-1", "kms"), noon());
    let caller = judged(&world, noon(), &good).unwrap();
    assert_eq!(caller.arn, "arn:aws:iam::966362334030:root");
    assert_eq!(caller.region, "eu-west-1");

    type Change = fn(&mut Request);
    let changes: [(&str, Change); 6] = [
        ("method", |request| request.method = "GET".into()),
        ("path", |request| request.path = "/x".into()),
        ("query", |request| request.query = "a=b".into()),
        ("body", |request| request.body = b"{ }".to_vec()),
        ("header", |request| {
            request.headers[0].1 = "TrentService.Sign".into()
        }),
        ("added header", |request| {
            request.headers.push(("host".into(), "other".into()))
        }),
    ];
    for (what, change) in changes {
        let mut changed = good.clone();
        change(&mut changed);
        let found = judged(&world, noon(), &changed);
        assert!(
            matches!(found, Err(Problem::Signature(_))),
            "{what}: {found:?}"
        );
    }
    // What is not signed may change on the way.
    let mut tagged = good.clone();
    tagged.headers.push(("x-trace".into(), "1".into()));
    assert!(judged(&world, noon(), &tagged).is_ok());
}

#[test]
fn the_date_fits_the_clock_of_the_world_or_of_the_host() {
    let mut world = World::new(1, Profile::Fast);
    let mut signed = request();
    sign(
        &mut signed,
        &Credentials::administrator("test"),
        ("us-east-1", "kms"),
        noon(),
    );
    let at = |world: &World, minutes: i64| {
        judged(world, noon() + SignedDuration::from_mins(minutes), &signed).is_ok()
    };
    assert!(at(&world, 15) && at(&world, -15));
    assert!(!at(&world, 16) && !at(&world, -16));
    world.ahead = Duration::from_secs(86_400);
    assert!(at(&world, 24 * 60), "signed by the host's clock");
    assert!(at(&world, 0), "signed by the world's clock");
    assert!(!at(&world, 12 * 60));
    let expired = judged(&world, noon() + SignedDuration::from_hours(30), &signed).unwrap_err();
    assert_eq!(
        expired,
        Problem::Signature(
            "Signature expired: 20260115T120000Z is now earlier than 20260115T174500Z \
             (20260115T180000Z - 15 min.)"
                .into()
        )
    );
}

#[test]
fn unknown_keys_and_wrong_places_are_refused_in_the_words_of_the_service() {
    let world = World::new(1, Profile::Fast);
    let check = |keys: &Credentials, place: (&str, &str), xml: &str, json: &str| {
        let mut signed = request();
        sign(&mut signed, keys, place, noon());
        let problem = judged(&world, noon(), &signed).unwrap_err();
        let error = problem.error(Protocol::RestXml);
        assert_eq!((error.code.as_str(), error.status), (xml, Some(403)));
        let error = problem.error(Protocol::Json);
        assert_eq!((error.code.as_str(), error.status), (json, Some(400)));
    };
    let test = Credentials::administrator("test");
    let wrong = Credentials {
        secret: "wrong".into(),
        ..test.clone()
    };
    let token = Credentials {
        token: Some("x".into()),
        ..test.clone()
    };
    let unknown = Credentials::administrator("AKIDEXAMPLE");
    let home = ("us-east-1", "kms");
    check(
        &unknown,
        home,
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    );
    check(
        &token,
        home,
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    );
    check(
        &wrong,
        home,
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
    );
    let abroad = ("eu-west-1", "route53");
    check(
        &test,
        abroad,
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
    );
    assert_eq!(claim(&request()), Err(Problem::Missing));
}
