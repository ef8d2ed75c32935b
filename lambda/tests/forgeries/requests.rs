//! True signatures, by the true caller, of another request than the one the updater asks STS about.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use spore_updater::protocol::{REGIONS, SIGNED_HEADERS, sigv4};

use super::stack::{DOMAIN, ZONE};
use super::{KEY, OTHER_SECRET, SECRET, Scene, TOKEN, Tally, sts, with_bit};

/// A request to STS as a caller might sign it.
#[derive(Clone)]
struct Other {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    signed_headers: Option<String>,
    body: String,
    day: String,
    region: String,
    service: String,
    secret: String,
}

impl Other {
    /// The one that is right.
    fn none(scene: &Scene) -> Self {
        let date = sigv4::date(scene.now);
        let headers = [
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            ),
            ("host", format!("sts.{}.amazonaws.com", scene.region)),
            ("x-amz-date", date.clone()),
            ("x-amz-security-token", TOKEN.to_owned()),
            (
                "x-spore-audience",
                format!("spore/1 request {DOMAIN} {ZONE}"),
            ),
            ("x-spore-nonce", format!("{:032x}", 7)),
            ("x-spore-sha256", sts::sha256(&scene.update.canonical())),
        ];
        Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            signed_headers: None,
            body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
            day: date[..8].to_owned(),
            region: scene.region.to_owned(),
            service: "sts".to_owned(),
            secret: SECRET.to_owned(),
        }
    }

    /// The proof that carries its signature.
    fn proof(&self, scene: &Scene) -> Value {
        let names: Vec<&str> = self.headers.keys().map(String::as_str).collect();
        let names = self.signed_headers.clone().unwrap_or(names.join(";"));
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for (name, value) in &self.headers {
            canonical += &format!("{name}:{value}\n");
        }
        canonical += &format!("\n{names}\n{}", sts::sha256(&self.body));
        // The date only gives the day here; the scope's day may be another.
        let date = format!("{}T060000Z", self.day);
        let mut proof = scene.proof();
        proof["signature"] = json!(sts::signature(
            &self.secret,
            &date,
            &self.region,
            &self.service,
            &canonical
        ));
        proof
    }
}

pub fn other_requests(scene: &Scene, tally: &mut Tally) {
    let class = "another request signed";
    let right = Other::none(scene);
    assert_eq!(
        right.headers.keys().cloned().collect::<Vec<_>>().join(";"),
        SIGNED_HEADERS
    );
    assert_eq!(right.proof(scene), scene.proof(), "the one that is right");
    let mut refused = |what: String, change: &dyn Fn(&mut Other)| {
        let mut other = right.clone();
        change(&mut other);
        let outcome = scene.present(&other.proof(scene), scene.update.clone());
        tally.refused(class, &what, outcome);
    };
    for action in [
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "DecodeAuthorizationMessage",
        "GetAccessKeyInfo",
        "GetFederationToken",
        "GetSessionToken",
        "getcalleridentity",
        "GetCallerIdentity%00",
    ] {
        refused(format!("action {action}"), &|other| {
            other.body = format!("Action={action}&Version=2011-06-15");
        });
        refused(format!("query action {action}"), &|other| {
            other.query = format!("Action={action}&Version=2011-06-15");
        });
    }
    for body in [
        "",
        "Action=GetCallerIdentity",
        "Version=2011-06-15&Action=GetCallerIdentity",
        "action=GetCallerIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&",
        "Action=GetCallerIdentity&Version=2011-06-15\n",
        "Action=GetCallerIdentity&Version=2011-06-16",
        "Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15",
        "Action=AssumeRole&Action=GetCallerIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&action=AssumeRole&Version=2011-06-15",
    ] {
        refused(format!("body {body:?}"), &|other| {
            other.body = body.to_owned()
        });
    }
    for method in ["GET", "PUT", "HEAD", "DELETE", "OPTIONS", "post", ""] {
        refused(format!("method {method}"), &|other| {
            other.method = method.to_owned()
        });
    }
    for path in ["", "//", "/.", "/%2F", "/sts", "/index"] {
        refused(format!("path {path}"), &|other| {
            other.path = path.to_owned()
        });
    }
    for name in right.headers.keys() {
        refused(format!("without {name}"), &|other| {
            other.headers.remove(name);
        });
        refused(format!("{name} named but not there"), &|other| {
            other.signed_headers = Some(SIGNED_HEADERS.to_owned());
            other.headers.remove(name);
        });
        refused(format!("{name} there but not named"), &|other| {
            let names = SIGNED_HEADERS.split(';').filter(|signed| signed != name);
            other.signed_headers = Some(names.collect::<Vec<_>>().join(";"));
        });
        refused(format!("{name} in upper case"), &|other| {
            let value = other.headers.remove(name).unwrap();
            other.headers.insert(name.to_ascii_uppercase(), value);
        });
        let value = &right.headers[name];
        for bit in (0..value.len() * 8).filter(|bit| bit % 8 < 7) {
            refused(format!("{name} with bit {bit}"), &|other| {
                let flipped = with_bit(value.as_bytes(), bit);
                let flipped = String::from_utf8(flipped).unwrap();
                other.headers.insert(name.clone(), flipped);
            });
        }
    }
    for (name, value) in [
        ("accept", "application/json"),
        ("content-length", "43"),
        ("user-agent", "curl"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-spore-other", "1"),
        ("x-k8s-aws-id", DOMAIN),
    ] {
        refused(format!("with {name}"), &|other| {
            other.headers.insert(name.to_owned(), value.to_owned());
        });
    }
    for (name, value) in [
        ("host", "sts.amazonaws.com"),
        ("host", "sts.us-east-2.amazonaws.com"),
        ("host", "sts.evil.example"),
        (
            "x-spore-audience",
            "spore/1 response spore.example.edu Z0123456789ABC",
        ),
        (
            "x-spore-audience",
            "spore/2 request spore.example.edu Z0123456789ABC",
        ),
        ("x-spore-audience", "spore/1 request spore.example.edu"),
        ("x-spore-audience", ""),
        (
            "x-spore-sha256",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        ("content-type", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        refused(format!("{name}: {value}"), &|other| {
            other.headers.insert(name.to_owned(), value.to_owned());
        });
    }
    for service in ["iam", "route53", "execute-api", "ec2", "STS", ""] {
        refused(format!("service {service}"), &|other| {
            other.service = service.to_owned()
        });
    }
    for region in REGIONS.into_iter().filter(|region| *region != scene.region) {
        refused(format!("scope of {region}"), &|other| {
            other.region = region.to_owned()
        });
    }
    for day in ["20261121", "20261123", "20251122"] {
        refused(format!("scope of {day}"), &|other| {
            other.day = day.to_owned()
        });
    }
    for secret in [OTHER_SECRET, "", KEY, TOKEN] {
        refused("another secret".to_owned(), &|other| {
            other.secret = secret.to_owned()
        });
    }
}
