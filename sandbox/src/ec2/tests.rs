//! What EC2 answers, by signed requests of the EC2 protocol; boto3 judges the same in `tests/judges`.

use crate::Profile;
use crate::auth::{self, sign};
use crate::call::{Answered, Arrived};
use crate::instance::{InstanceAction, Launch};
use crate::wire::xml::{self, Element};
use crate::world::{Request, Via, World};

struct Bench {
    world: World,
    now: jiff::Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self {
            world: World::new(3, Profile::Instant),
            now: "2026-01-15T12:00:00Z".parse().unwrap(),
        }
    }

    fn launch(&mut self, launch: Launch) -> String {
        let action = InstanceAction::Launch(launch);
        self.world.instance(self.now, action).unwrap().remove(0).id
    }

    fn ask(&mut self, keys: &auth::Credentials, form: &str) -> Answered {
        let mut request = Request {
            method: "POST".into(),
            host: "ec2.us-east-1.amazonaws.com".into(),
            path: "/".into(),
            query: String::new(),
            headers: vec![(
                "content-type".into(),
                "application/x-www-form-urlencoded".into(),
            )],
            body: format!("Version=2016-11-15&{form}").into(),
        };
        sign(&mut request, keys, ("us-east-1", "ec2"), self.now);
        self.world
            .answer(self.now, Via::Host, &Arrived::new(&request))
    }

    fn root(&mut self, form: &str) -> Answered {
        self.ask(&auth::Credentials::administrator("test"), form)
    }

    fn code(&mut self, form: &str) -> String {
        let error = self.root(form).error;
        error.map_or_else(|| "success".into(), |error| error.code)
    }
}

fn child<'a>(element: &'a Element, path: &str) -> &'a Element {
    path.split('/').fold(element, |element, name| {
        let found = element.children.iter().find(|child| child.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in {}", element.name))
    })
}

#[test]
fn answers_and_errors_have_ec2s_own_form() {
    let mut bench = Bench::new();
    let id = bench.launch(Launch::default());
    let answered = bench.root(&format!("Action=DescribeInstances&InstanceId.1={id}"));
    let root = xml::parse(&answered.response.body).unwrap();
    assert_eq!(root.name, "DescribeInstancesResponse");
    assert!(!child(&root, "requestId").text.is_empty());
    let one = child(&root, "reservationSet/item/instancesSet/item");
    assert_eq!(child(one, "instanceId").text, id);
    assert_eq!(child(one, "instanceState/name").text, "running");
    assert_eq!(child(one, "metadataOptions/httpTokens").text, "required");

    let answered = bench.root("Action=DescribeInstances&InstanceId.1=i-0123456789abcdef0");
    assert_eq!(answered.response.status, 400);
    let root = xml::parse(&answered.response.body).unwrap();
    assert_eq!(root.name, "Response");
    assert_eq!(
        child(&root, "Errors/Error/Code").text,
        "InvalidInstanceID.NotFound"
    );
    assert!(!child(&root, "RequestID").text.is_empty());

    let answered = bench.root(&format!(
        "Action=CreateTags&ResourceId.1={id}&Tag.1.Key=a&Tag.1.Value=1"
    ));
    let root = xml::parse(&answered.response.body).unwrap();
    assert_eq!(child(&root, "return").text, "true");
    assert!(answered.wrote);
}

#[test]
fn who_may_not_is_told_in_ec2s_words() {
    let mut bench = Bench::new();
    let form = "Action=DescribeInstances";
    let wrong = auth::Credentials {
        secret: "wrong".into(),
        ..auth::Credentials::administrator("test")
    };
    let answered = bench.ask(&wrong, form);
    assert_eq!(answered.response.status, 401);
    assert_eq!(answered.error.unwrap().code, "AuthFailure");
    let lasting = "Action=GetSessionToken";
    assert_eq!(bench.code(lasting), "InvalidAction", "that is of STS");
    assert_eq!(bench.code("Action=RunInstances"), "NotImplemented");
    assert_eq!(bench.code("Action=NoSuchThing"), "InvalidAction");
}

#[test]
fn an_instance_of_another_account_or_region_is_not_found() {
    let mut bench = Bench::new();
    let foreign = bench.launch(Launch {
        account: "210987654321".into(),
        ..Launch::default()
    });
    let far = bench.launch(Launch {
        region: "eu-west-1".into(),
        ..Launch::default()
    });
    for id in [foreign, far] {
        let form = format!("Action=DescribeInstances&InstanceId.1={id}");
        assert_eq!(bench.code(&form), "InvalidInstanceID.NotFound");
    }
}

#[test]
fn tags_are_limited_and_all_or_none_are_set() {
    let mut bench = Bench::new();
    let id = bench.launch(Launch::default());
    let mut form = format!("Action=CreateTags&ResourceId.1={id}");
    for n in 1..=51 {
        form.push_str(&format!("&Tag.{n}.Key=k{n}&Tag.{n}.Value="));
    }
    assert_eq!(bench.code(&form), "TagLimitExceeded");
    assert!(bench.world.instances.get(&id).unwrap().tags.is_empty());
    let missing = "Action=CreateTags&Tag.1.Key=a&Tag.1.Value=b";
    assert_eq!(bench.code(missing), "MissingParameter");
    let vpc = "Action=CreateTags&ResourceId.1=vpc-1&Tag.1.Key=a&Tag.1.Value=b";
    assert_eq!(bench.code(vpc), "NotImplemented");
}
