//! Sessions judged from outside: signed requests, and what their answers let somebody do.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::Profile;
use crate::auth::{self, sign};
use crate::call::{Answered, Arrived};
use crate::wire::xml;
use crate::world::{Request, Via, World};

const TEAM: &str = "arn:aws:iam::123456789012:role/team";

struct Bench {
    world: World,
    now: Timestamp,
    root: auth::Credentials,
}

/// Texts of an answer's elements by name; of a repeated one the last.
fn texts(answered: &Answered) -> BTreeMap<String, String> {
    fn collect(element: &xml::Element, into: &mut BTreeMap<String, String>) {
        into.insert(element.name.clone(), element.text.clone());
        element
            .children
            .iter()
            .for_each(|child| collect(child, into));
    }
    let mut all = BTreeMap::new();
    collect(&xml::parse(&answered.response.body).unwrap(), &mut all);
    all
}

fn policy(effect: &str, action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "{action}",
        "Resource": "{resource}"}}}}"#
    )
}

fn trust(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {{"AWS": "{principal}"}}, "Condition": {condition}}}}}"#
    )
}

impl Bench {
    fn new() -> Self {
        Self {
            world: World::new(1, Profile::Instant),
            now: "2026-01-15T12:00:00Z".parse().unwrap(),
            root: auth::Credentials::administrator("test"),
        }
    }

    fn ask(&mut self, keys: &auth::Credentials, call: &str, inputs: &[(&str, &str)]) -> Answered {
        let (service, action) = call.split_once(':').unwrap();
        let mut body = format!("Action={action}");
        for (name, value) in inputs {
            let value = crate::wire::text::percent_encode(value);
            body.push_str(&format!("&{name}={value}"));
        }
        let mut request = Request {
            method: "POST".into(),
            host: format!("{service}.amazonaws.com"),
            path: "/".into(),
            query: String::new(),
            headers: vec![(
                "content-type".into(),
                "application/x-www-form-urlencoded".into(),
            )],
            body: body.into(),
        };
        sign(&mut request, keys, ("us-east-1", service), self.now);
        self.world
            .answer(self.now, Via::Host, &Arrived::new(&request))
    }

    /// The answer's texts, of a call that must succeed.
    fn ok(
        &mut self,
        keys: &auth::Credentials,
        call: &str,
        inputs: &[(&str, &str)],
    ) -> BTreeMap<String, String> {
        let answered = self.ask(keys, call, inputs);
        assert_eq!(answered.error, None, "{call}");
        texts(&answered)
    }

    fn code(&mut self, keys: &auth::Credentials, call: &str, inputs: &[(&str, &str)]) -> String {
        let error = self.ask(keys, call, inputs).error;
        error.map_or_else(|| "success".into(), |error| error.code)
    }

    fn root_ok(&mut self, call: &str, inputs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let root = self.root.clone();
        self.ok(&root, call, inputs)
    }

    /// A user with an access key.
    fn user(&mut self, name: &str) -> auth::Credentials {
        self.root_ok("iam:CreateUser", &[("UserName", name)]);
        let key = self.root_ok("iam:CreateAccessKey", &[("UserName", name)]);
        auth::Credentials {
            access_key_id: key["AccessKeyId"].clone(),
            secret: key["SecretAccessKey"].clone(),
            token: None,
        }
    }

    fn role(&mut self, name: &str, trust: &str) {
        let inputs = [("RoleName", name), ("AssumeRolePolicyDocument", trust)];
        self.root_ok("iam:CreateRole", &inputs);
    }

    fn put_user_policy(&mut self, user: &str, name: &str, document: &str) {
        let inputs = [
            ("UserName", user),
            ("PolicyName", name),
            ("PolicyDocument", document),
        ];
        self.root_ok("iam:PutUserPolicy", &inputs);
    }

    fn put_role_policy(&mut self, role: &str, document: &str) {
        let inputs = [
            ("RoleName", role),
            ("PolicyName", "p"),
            ("PolicyDocument", document),
        ];
        self.root_ok("iam:PutRolePolicy", &inputs);
    }

    fn assumed(
        &mut self,
        keys: &auth::Credentials,
        inputs: &[(&str, &str)],
    ) -> (auth::Credentials, BTreeMap<String, String>) {
        let answer = self.ok(keys, "sts:AssumeRole", inputs);
        let session = auth::Credentials {
            access_key_id: answer["AccessKeyId"].clone(),
            secret: answer["SecretAccessKey"].clone(),
            token: Some(answer["SessionToken"].clone()),
        };
        (session, answer)
    }
}

const AS_ANN: [(&str, &str); 2] = [("RoleArn", TEAM), ("RoleSessionName", "ann")];

#[test]
fn a_key_of_a_user_is_the_user_until_it_is_deleted() {
    let mut bench = Bench::new();
    let ann = bench.user("ann");
    let identity = bench.ok(&ann, "sts:GetCallerIdentity", &[]);
    assert_eq!(identity["Arn"], "arn:aws:iam::123456789012:user/ann");
    assert!(identity["UserId"].starts_with("AIDA"));
    assert_eq!(bench.code(&ann, "iam:ListRoles", &[]), "AccessDenied");
    bench.put_user_policy("ann", "p", &policy("Allow", "iam:List*", "*"));
    assert_eq!(bench.code(&ann, "iam:ListRoles", &[]), "success");
    let wrong = auth::Credentials {
        secret: "x".into(),
        ..ann.clone()
    };
    assert_eq!(
        bench.code(&wrong, "iam:ListRoles", &[]),
        "SignatureDoesNotMatch"
    );
    let token = auth::Credentials {
        token: Some("x".into()),
        ..ann.clone()
    };
    assert_eq!(
        bench.code(&token, "iam:ListRoles", &[]),
        "InvalidClientTokenId"
    );
    let id = ann.access_key_id.clone();
    bench.root_ok(
        "iam:DeleteAccessKey",
        &[("UserName", "ann"), ("AccessKeyId", &id)],
    );
    assert_eq!(
        bench.code(&ann, "sts:GetCallerIdentity", &[]),
        "InvalidClientTokenId"
    );
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts_and_gives_its_rights_only() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.user("ann"), bench.user("bob"));
    bench.role("team", &trust("arn:aws:iam::123456789012:user/ann", "{}"));
    bench.put_role_policy("team", &policy("Allow", "iam:GetRole", TEAM));
    let denied = bench.ask(&bob, "sts:AssumeRole", &AS_ANN).error.unwrap();
    assert_eq!(
        (denied.code.as_str(), denied.status),
        ("AccessDenied", Some(403))
    );
    assert!(
        denied.message.starts_with(&format!(
            "User: arn:aws:iam::123456789012:user/bob is not authorized to perform: sts:AssumeRole \
             on resource: {TEAM}"
        )),
        "{denied}"
    );
    let (session, answer) = bench.assumed(&ann, &AS_ANN);
    assert_eq!(answer["Expiration"], "2026-01-15T13:00:00Z");
    let arn = "arn:aws:sts::123456789012:assumed-role/team/ann";
    assert_eq!(answer["Arn"], arn);
    let identity = bench.ok(&session, "sts:GetCallerIdentity", &[]);
    assert_eq!(
        (&identity["Arn"], &identity["UserId"]),
        (&answer["Arn"], &answer["AssumedRoleId"])
    );
    let of = [("RoleName", "team")];
    assert_eq!(bench.code(&session, "iam:GetRole", &of), "success");
    assert_eq!(bench.code(&session, "iam:DeleteRole", &of), "AccessDenied");
    assert_eq!(
        bench.code(&session, "sts:GetSessionToken", &[]),
        "AccessDenied"
    );
    bench.now += Duration::from_secs(3_600);
    assert_eq!(bench.code(&session, "iam:GetRole", &of), "ExpiredToken");
}

#[test]
fn trust_in_an_account_needs_the_users_own_policy_as_well() {
    let mut bench = Bench::new();
    let ann = bench.user("ann");
    bench.role("team", &trust("arn:aws:iam::123456789012:root", "{}"));
    assert_eq!(bench.code(&ann, "sts:AssumeRole", &AS_ANN), "AccessDenied");
    bench.put_user_policy("ann", "p", &policy("Allow", "sts:AssumeRole", TEAM));
    assert_eq!(bench.code(&ann, "sts:AssumeRole", &AS_ANN), "success");
    bench.put_user_policy("ann", "q", &policy("Deny", "sts:*", "*"));
    assert_eq!(bench.code(&ann, "sts:AssumeRole", &AS_ANN), "AccessDenied");
    let nobody = [
        ("RoleArn", "arn:aws:iam::123456789012:role/none"),
        ("RoleSessionName", "ann"),
    ];
    let root = bench.root.clone();
    assert_eq!(bench.code(&root, "sts:AssumeRole", &nobody), "AccessDenied");
}

#[test]
fn an_external_id_must_be_the_one_that_is_trusted() {
    let mut bench = Bench::new();
    let condition = r#"{"StringEquals": {"sts:ExternalId": "x1", "sts:RoleSessionName": "ann"}}"#;
    let foreign = auth::Credentials::administrator("210987654321");
    bench.role("team", &trust("210987654321", condition));
    let with = |id: &'static str| [AS_ANN[0], AS_ANN[1], ("ExternalId", id)];
    assert_eq!(
        bench.code(&foreign, "sts:AssumeRole", &AS_ANN),
        "AccessDenied"
    );
    assert_eq!(
        bench.code(&foreign, "sts:AssumeRole", &with("x2")),
        "AccessDenied"
    );
    let (session, _) = bench.assumed(&foreign, &with("x1"));
    let identity = bench.ok(&session, "sts:GetCallerIdentity", &[]);
    assert_eq!(identity["Account"], "123456789012", "the role's account");
}

#[test]
fn a_session_policy_only_takes_away() {
    let mut bench = Bench::new();
    let root = bench.root.clone();
    bench.role("team", &trust("arn:aws:iam::123456789012:root", "{}"));
    bench.put_role_policy("team", &policy("Allow", "iam:*", "*"));
    let read_only = policy("Allow", "iam:Get*", "*");
    let limited = [AS_ANN[0], AS_ANN[1], ("Policy", read_only.as_str())];
    let (session, answer) = bench.assumed(&root, &limited);
    assert_eq!(answer["PackedPolicySize"].parse::<u32>().unwrap(), 6);
    let of = [("RoleName", "team")];
    assert_eq!(bench.code(&session, "iam:GetRole", &of), "success");
    let denied = bench.ask(&session, "iam:ListRoles", &[]).error.unwrap();
    assert!(
        denied.message.contains("no session policy allows"),
        "{denied}"
    );
    // The same name with another policy would mix two sessions of one ARN.
    assert_eq!(
        bench.code(&root, "sts:AssumeRole", &AS_ANN),
        "NotImplemented"
    );
    let other = [AS_ANN[0], ("RoleSessionName", "other")];
    let (full, _) = bench.assumed(&root, &other);
    assert_eq!(bench.code(&full, "iam:ListRoles", &[]), "success");

    let both = [
        AS_ANN[0],
        ("RoleSessionName", "both"),
        ("Policy", read_only.as_str()),
        (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/AmazonRoute53ReadOnlyAccess",
        ),
    ];
    let (session, _) = bench.assumed(&root, &both);
    assert_eq!(
        bench.code(&session, "iam:GetRole", &of),
        "success",
        "allowed by the inline one"
    );
    for (member, value, code) in [
        ("Policy", "{}", "MalformedPolicyDocument"),
        (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/None",
            "ValidationError",
        ),
        ("TokenCode", "123456", "AccessDenied"),
        ("SourceIdentity", "ann", "NotImplemented"),
    ] {
        let inputs = [AS_ANN[0], ("RoleSessionName", "odd"), (member, value)];
        assert_eq!(
            bench.code(&root, "sts:AssumeRole", &inputs),
            code,
            "{member}"
        );
    }
    let long = policy(
        "Allow",
        "iam:Get*",
        &format!("arn:aws:iam::*:role/{}", "x".repeat(2_000)),
    );
    let inputs = [
        AS_ANN[0],
        ("RoleSessionName", "long"),
        ("Policy", long.as_str()),
    ];
    assert_eq!(
        bench.code(&root, "sts:AssumeRole", &inputs),
        "PackedPolicyTooLarge"
    );
}

#[test]
fn sessions_last_as_long_as_the_role_lets_them_and_chained_ones_an_hour() {
    let mut bench = Bench::new();
    let root = bench.root.clone();
    bench.role("team", &trust("*", "{}"));
    bench.put_role_policy("team", &policy("Allow", "sts:AssumeRole", "*"));
    let lasting = |seconds: &'static str| [AS_ANN[0], AS_ANN[1], ("DurationSeconds", seconds)];
    assert_eq!(
        bench.code(&root, "sts:AssumeRole", &lasting("899")),
        "ValidationError"
    );
    assert_eq!(
        bench.code(&root, "sts:AssumeRole", &lasting("7200")),
        "ValidationError"
    );
    bench.root_ok(
        "iam:UpdateRole",
        &[("RoleName", "team"), ("MaxSessionDuration", "7200")],
    );
    let (session, answer) = bench.assumed(&root, &lasting("7200"));
    assert_eq!(answer["Expiration"], "2026-01-15T14:00:00Z");
    assert_eq!(
        bench.code(&session, "sts:AssumeRole", &lasting("7200")),
        "ValidationError"
    );
    assert_eq!(
        bench.code(&session, "sts:AssumeRole", &lasting("3600")),
        "success"
    );
}

#[test]
fn sessions_end_with_their_role() {
    let mut bench = Bench::new();
    let root = bench.root.clone();
    let trusting = trust("arn:aws:iam::123456789012:root", "{}");
    bench.role("team", &trusting);
    let (session, _) = bench.assumed(&root, &AS_ANN);
    bench.root_ok("iam:DeleteRole", &[("RoleName", "team")]);
    bench.role("team", &trusting);
    assert_eq!(
        bench.code(&session, "sts:GetCallerIdentity", &[]),
        "InvalidClientTokenId"
    );
}

#[test]
fn services_get_credentials_of_a_role_without_asking() {
    let mut bench = Bench::new();
    bench.role("team", &trust("210987654321", "{}"));
    let (now, hour) = (bench.now, Duration::from_secs(3_600));
    assert_eq!(
        bench
            .world
            .issue("arn:aws:iam::123456789012:role/none", "f", hour, now),
        None
    );
    let issued = bench.world.issue(TEAM, "f", hour, now).unwrap();
    assert!(!format!("{issued:?} {:?}", bench.world.sts).contains(&issued.secret));
    let session = auth::Credentials {
        access_key_id: issued.access_key_id,
        secret: issued.secret,
        token: Some(issued.token),
    };
    let identity = bench.ok(&session, "sts:GetCallerIdentity", &[]);
    assert_eq!(
        identity["Arn"],
        "arn:aws:sts::123456789012:assumed-role/team/f"
    );
}
