//! Instances over their life, and what their metadata says, asked as programs ask.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::auth::{self, sign};
use crate::call::{Answered, Arrived};
use crate::world::{Request, Response, Via};

mod documents;
mod roles;

/// A world at noon with instances.
struct Bench {
    world: World,
    now: Timestamp,
}

impl Bench {
    fn new(profile: Profile) -> Self {
        Self {
            world: World::new(7, profile),
            now: "2026-01-15T12:00:00Z".parse().unwrap(),
        }
    }

    fn later(&mut self, span: Duration) {
        self.now = self.now.checked_add(span).unwrap();
    }

    fn act(&mut self, action: InstanceAction) -> Result<Vec<View>, String> {
        self.world.instance(self.now, action)
    }

    fn launch(&mut self, launch: Launch) -> View {
        let mut views = self.act(InstanceAction::Launch(launch)).unwrap();
        views.remove(0)
    }

    fn state(&self, id: &str) -> &'static str {
        self.world.instances.get(id).unwrap().state(self.now).name()
    }

    /// A request for metadata from so many hops away.
    fn asked(
        &mut self,
        id: &str,
        hops: u8,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
    ) -> Option<Response> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let request = Request {
            method: method.into(),
            host: "169.254.169.254".into(),
            path: path.into(),
            query: String::new(),
            headers: headers.iter().map(pair).collect(),
            body: Vec::new(),
        };
        let told = self.world.metadata(self.now, id, hops, &request);
        told.and_then(|told| told.response)
    }

    fn token(&mut self, id: &str, seconds: &str) -> String {
        let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", seconds)];
        let answer = self
            .asked(id, 1, ("PUT", "/latest/api/token"), &ttl)
            .unwrap();
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }

    /// What stands at a path, asked with a fresh token.
    fn told(&mut self, id: &str, path: &str) -> Result<String, u16> {
        let token = self.token(id, "60");
        let header = [("x-aws-ec2-metadata-token", token.as_str())];
        let answer = self
            .asked(id, 1, ("GET", &format!("/latest/{path}")), &header)
            .unwrap();
        match answer.status {
            200 => Ok(String::from_utf8(answer.body).unwrap()),
            status => Err(status),
        }
    }

    /// Keys as an instance finds them at a path.
    fn keys(&mut self, id: &str, path: &str) -> (auth::Credentials, BTreeMap<String, String>) {
        let text = self.told(id, path).unwrap();
        let all: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        let keys = auth::Credentials {
            access_key_id: all["AccessKeyId"].clone(),
            secret: all["SecretAccessKey"].clone(),
            token: Some(all["Token"].clone()),
        };
        (keys, all)
    }

    /// A call of the query protocol by somebody's keys.
    fn call(&mut self, keys: &auth::Credentials, place: (&str, &str), form: &str) -> Answered {
        let (service, region) = place;
        let mut request = Request {
            method: "POST".into(),
            host: format!("{service}.{region}.amazonaws.com"),
            path: "/".into(),
            query: String::new(),
            headers: vec![(
                "content-type".into(),
                "application/x-www-form-urlencoded".into(),
            )],
            body: form.into(),
        };
        sign(&mut request, keys, (region, service), self.now);
        self.world
            .answer(self.now, Via::Host, &Arrived::new(&request))
    }

    fn code(&mut self, keys: &auth::Credentials, place: (&str, &str), form: &str) -> String {
        let error = self.call(keys, place, form).error;
        error.map_or_else(|| "success".into(), |error| error.code)
    }
}

const IDENTITY: &str = "meta-data/identity-credentials/ec2/security-credentials/ec2-instance";

#[test]
fn an_instance_goes_through_ec2s_states_and_is_forgotten_an_hour_after_its_end() {
    let mut bench = Bench::new(Profile::Aws);
    let id = bench.launch(Launch::default()).id;
    let of = |id: &str| InstanceAction::Stop { id: id.into() };
    assert_eq!(bench.state(&id), "pending");
    bench.later(Duration::from_secs(15));
    assert_eq!(bench.state(&id), "running");
    let first = bench.world.way_out(&id, Family::V4);
    bench.act(of(&id)).unwrap();
    assert_eq!(bench.state(&id), "stopping");
    assert_eq!(bench.world.way_out(&id, Family::V4), None);
    let start = InstanceAction::Start { id: id.clone() };
    assert!(bench.act(start.clone()).is_err(), "it is still stopping");
    bench.later(Duration::from_secs(30));
    assert_eq!(bench.state(&id), "stopped");
    bench.act(start).unwrap();
    bench.later(Duration::from_secs(15));
    assert_eq!(bench.state(&id), "running");
    let second = bench.world.way_out(&id, Family::V4);
    assert!(
        second.is_some() && second != first,
        "a start gives another address"
    );
    bench
        .act(InstanceAction::Terminate { id: id.clone() })
        .unwrap();
    assert_eq!(bench.state(&id), "shutting-down");
    bench.later(Duration::from_secs(30));
    assert_eq!(bench.state(&id), "terminated");
    bench.later(Duration::from_secs(3599));
    assert_eq!(bench.act(InstanceAction::List).unwrap().len(), 1);
    bench.later(Duration::from_secs(1));
    assert_eq!(bench.act(InstanceAction::List).unwrap(), []);
}

#[test]
fn requests_leave_with_the_instances_own_address_or_its_nat_gateways() {
    let mut bench = Bench::new(Profile::Instant);
    let private = Launch {
        public: false,
        ipv6: true,
        ..Launch::default()
    };
    let out = |bench: &Bench, view: &View| bench.world.way_out(&view.id, Family::V4);
    let open = bench.launch(Launch::default());
    let (one, two) = (bench.launch(private.clone()), bench.launch(private.clone()));
    let elsewhere = bench.launch(Launch {
        region: "eu-west-1".into(),
        ..private
    });
    assert_eq!(out(&bench, &open), open.public_ip.map(IpAddr::V4));
    assert_eq!(one.public_ip, None);
    assert!(out(&bench, &one).is_some());
    assert_eq!(out(&bench, &one), out(&bench, &two), "one gateway for both");
    assert_ne!(out(&bench, &one), out(&bench, &elsewhere));
    assert_ne!(out(&bench, &one), out(&bench, &open));
    let by_v6 = |view: &View| bench.world.way_out(&view.id, Family::V6);
    assert_eq!(by_v6(&one), one.ipv6.map(IpAddr::V6));
    assert_eq!(by_v6(&open), None);
}

#[test]
fn metadata_wants_a_token_that_this_instance_gave_and_that_has_not_ended() {
    let mut bench = Bench::new(Profile::Instant);
    let id = bench.launch(Launch::default()).id;
    let other = bench.launch(Launch::default()).id;
    let path = ("GET", "/latest/meta-data/instance-id");
    let token = bench.token(&id, "30");
    let foreign = bench.token(&other, "30");
    let status = |bench: &mut Bench, token: &str| {
        let header = [("x-aws-ec2-metadata-token", token)];
        bench.asked(&id, 1, path, &header).unwrap().status
    };
    assert_eq!(status(&mut bench, &token), 200);
    assert_eq!(status(&mut bench, &foreign), 401);
    assert_eq!(status(&mut bench, ""), 401);
    // Another end, the old seal.
    let mut forged = token.clone();
    forged.replace_range(..10, "AAAAAHf///");
    assert_eq!(status(&mut bench, &forged), 401);
    bench.later(Duration::from_secs(30));
    assert_eq!(status(&mut bench, &token), 401);
    assert_eq!(bench.asked(&id, 1, path, &[]).unwrap().status, 401);
    for (headers, expected) in [
        (&[][..], 400),
        (&[("x-aws-ec2-metadata-token-ttl-seconds", "0")][..], 400),
        (
            &[("x-aws-ec2-metadata-token-ttl-seconds", "21601")][..],
            400,
        ),
        (
            &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")][..],
            200,
        ),
        (
            &[
                ("x-aws-ec2-metadata-token-ttl-seconds", "60"),
                ("x-forwarded-for", "10.0.0.1"),
            ][..],
            403,
        ),
    ] {
        let answer = bench
            .asked(&id, 1, ("PUT", "/latest/api/token"), headers)
            .unwrap();
        assert_eq!(answer.status, expected, "{headers:?}");
    }
}

#[test]
fn options_close_metadata_and_hold_tokens_back_from_containers() {
    let mut bench = Bench::new(Profile::Instant);
    let mut with = |options: MetadataOptions| {
        let launch = Launch {
            options,
            ..Launch::default()
        };
        let id = bench.launch(launch).id;
        let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "60")];
        let put = ("PUT", "/latest/api/token");
        let near = bench.asked(&id, 1, put, &ttl).map(|answer| answer.status);
        let far = bench.asked(&id, 2, put, &ttl).map(|answer| answer.status);
        let bare = bench.asked(&id, 2, ("GET", "/latest/meta-data/mac"), &[]);
        (near, far, bare.map(|answer| answer.status))
    };
    let options = MetadataOptions::default;
    assert_eq!(with(options()), (Some(200), Some(200), Some(401)));
    let one_hop = MetadataOptions {
        hop_limit: 1,
        ..options()
    };
    assert_eq!(with(one_hop), (Some(200), None, Some(401)));
    let first_version = MetadataOptions {
        tokens_required: false,
        ..options()
    };
    assert_eq!(with(first_version), (Some(200), Some(200), Some(200)));
    let closed = MetadataOptions {
        endpoint: false,
        ..options()
    };
    assert_eq!(with(closed), (Some(403), Some(403), Some(403)));
}

#[test]
fn categories_are_listed_and_absent_where_there_is_nothing() {
    let mut bench = Bench::new(Profile::Instant);
    let tags = [("spawn:managed".to_owned(), "true".to_owned())];
    let view = bench.launch(Launch {
        tags: tags.into(),
        public: false,
        ipv6: true,
        region: "eu-west-1".into(),
        options: MetadataOptions {
            tags: true,
            ..MetadataOptions::default()
        },
        ..Launch::default()
    });
    let id = view.id.as_str();
    let ipv6 = view.ipv6.unwrap().to_string();
    let mac = bench.told(id, "meta-data/mac").unwrap();
    let told = |bench: &mut Bench, path: &str| bench.told(id, path);
    assert_eq!(told(&mut bench, ""), Ok("dynamic/\nmeta-data/".into()));
    let top = told(&mut bench, "meta-data/").unwrap();
    assert_eq!(told(&mut bench, "meta-data"), Ok(top.clone()));
    assert!(top.lines().any(|line| line == "placement/"), "{top}");
    assert!(top.lines().any(|line| line == "ipv6"), "{top}");
    assert!(!top.contains("public") && !top.contains("iam/"), "{top}");
    let check = |bench: &mut Bench, path: &str, expected: Result<&str, u16>| {
        assert_eq!(told(bench, path), expected.map(str::to_owned), "{path}");
    };
    check(&mut bench, "meta-data/instance-id", Ok(id));
    check(&mut bench, "meta-data/placement/region", Ok("eu-west-1"));
    check(&mut bench, "meta-data/public-ipv4", Err(404));
    check(&mut bench, "meta-data/tags/instance/", Ok("spawn:managed"));
    check(
        &mut bench,
        "meta-data/tags/instance/spawn:managed",
        Ok("true"),
    );
    check(
        &mut bench,
        "meta-data/tags/instance/spawn%3Amanaged",
        Ok("true"),
    );
    let of_mac = format!("meta-data/network/interfaces/macs/{mac}");
    check(&mut bench, &format!("{of_mac}/ipv6s"), Ok(&ipv6));
    check(&mut bench, &format!("{of_mac}/public-ipv4s"), Err(404));
    check(&mut bench, "dynamic/instance-identity/pkcs7", Err(404));
    let open = bench.launch(Launch::default());
    let address = open.public_ip.unwrap().to_string();
    assert_eq!(bench.told(&open.id, "meta-data/public-ipv4"), Ok(address));
    assert_eq!(bench.told(&open.id, "meta-data/tags/instance/"), Err(404));
}

#[test]
fn what_cannot_be_an_instance_is_refused() {
    let mut bench = Bench::new(Profile::Instant);
    let tagged = |key: &str| Launch {
        tags: [(key.to_owned(), String::new())].into(),
        options: MetadataOptions {
            tags: true,
            ..MetadataOptions::default()
        },
        ..Launch::default()
    };
    for launch in [
        Launch {
            account: "12345".into(),
            ..Launch::default()
        },
        Launch {
            region: "cn-north-1".into(),
            ..Launch::default()
        },
        Launch {
            role: Some("missing".into()),
            ..Launch::default()
        },
        tagged("a/b"),
        tagged("_index"),
        tagged("aws:x"),
    ] {
        assert!(
            bench.act(InstanceAction::Launch(launch.clone())).is_err(),
            "{launch:?}"
        );
    }
    let missing = InstanceAction::Stop { id: "i-1".into() };
    assert!(bench.act(missing).unwrap_err().contains("i-1"));
}

#[test]
fn a_world_without_instances_still_loads() {
    let mut text = serde_json::to_value(World::new(1, Profile::Aws)).unwrap();
    text.as_object_mut().unwrap().remove("instances");
    let world: World = serde_json::from_value(text).unwrap();
    assert_eq!(world.instances.all().count(), 0);
}
