//! The updater's requests as they go over the wire, against a server of this test that answers as AWS
//! documents it: who is asked, with which rights, in which form, and what an unusual answer does.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use spore_updater::edge::{Aws, Environment, IdentityKeys, NoKeys};
use spore_updater::proof::{Keys, Own};
use spore_updater::protocol::sigv4::{self, Credentials, Scope};
use spore_updater::protocol::{Audience, Nonce, Region, Sha256, SignedProof, SignedType, Update};
use spore_updater::{Config, Event, Updater};

const OWN: &str = "ASIAUPDATEREXAMPLE00";
const ASSUMED: &str = "ASIAASSUMEDEXAMPLE00";
const ELSEWHERE: &str = "210987654321";
const INSTANCE: &str = "i-0123456789abcdef0";
const ADDRESS: &str = "54.1.2.3";

/// One request as it came.
#[derive(Debug, Clone)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Answers requests until the test is over.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Answers to the next calls of the service of that name, in place of good ones.
    next: Arc<Mutex<Unusual>>,
}

/// Part of a host's name, and the answers there, the last one first.
#[derive(Default)]
struct Unusual {
    service: &'static str,
    answers: Vec<(u16, String)>,
}

impl Seen {
    fn read(reader: &mut impl std::io::BufRead) -> Option<Self> {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            match header.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_owned(), value.to_owned()),
                None => break,
            };
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self {
            line: line.trim_end().to_owned(),
            headers,
            body: String::from_utf8(body).unwrap(),
        })
    }

    fn host(&self) -> &str {
        &self.headers["host"]
    }

    /// Who signed, if the signature is right: over the request as it came.
    fn signer(&self) -> &str {
        let authorization = &self.headers["authorization"];
        let part = |from: &str| {
            let rest = authorization.split(from).nth(1).unwrap();
            rest.split(',').next().unwrap()
        };
        let scope: Vec<&str> = part("Credential=").split('/').collect();
        let [key, _, region, service, _] = scope[..] else {
            panic!("{authorization}");
        };
        let names: Vec<&str> = part("SignedHeaders=").split(';').collect();
        let headers: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (*name, self.headers[*name].as_str()))
            .collect();
        let words: Vec<&str> = self.line.split(' ').collect();
        let (path, query) = words[1].split_once('?').unwrap_or((words[1], ""));
        let query: Vec<(&str, &str)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let request = sigv4::Request {
            method: words[0],
            path,
            query: &query,
            headers: &headers,
            body: Sha256::of(self.body.as_bytes()),
        };
        let scope = Scope {
            date: &self.headers["x-amz-date"],
            region,
            service,
        };
        let expected = scope.signature(&format!("secret-{key}"), &request.canonical());
        assert_eq!(part("Signature="), expected, "{}", self.line);
        key
    }
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
            next: Arc::default(),
        };
        let (seen, next) = (server.seen.clone(), server.next.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, next) = (seen.clone(), next.clone());
                thread::spawn(move || serve(&stream.unwrap(), &seen, &next));
            }
        });
        server
    }

    fn answers_next(&self, service: &'static str, answers: Vec<(u16, String)>) {
        *self.next.lock().unwrap() = Unusual { service, answers };
    }

    fn hosts(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|seen| seen.host().to_owned()).collect()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Seen>>, next: &Mutex<Unusual>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = Seen::read(&mut reader) {
        let unusual = {
            let mut next = next.lock().unwrap();
            let is_it = !next.service.is_empty() && request.host().starts_with(next.service);
            is_it.then(|| next.answers.pop()).flatten()
        };
        let (status, body) = unusual.unwrap_or_else(|| (200, good(&request)));
        seen.lock().unwrap().push(request);
        if status == 0 {
            return;
        }
        let mut stream = stream;
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\
             location: /elsewhere\r\n\r\n{body}"
        );
    }
}

fn good(request: &Seen) -> String {
    let body = request.body.as_str();
    if request.host().starts_with("ec2.") {
        return format!(
            "<DescribeInstancesResponse><requestId>r</requestId><reservationSet><item><ownerId>\
             {ELSEWHERE}</ownerId><instancesSet><item><instanceId>{INSTANCE}</instanceId>\
             <instanceState><code>16</code><name>running</name></instanceState><ipAddress>{ADDRESS}\
             </ipAddress><tagSet><item><key>spawn:managed</key><value>true</value></item></tagSet>\
             </item></instancesSet></item></reservationSet></DescribeInstancesResponse>"
        );
    }
    if request.host().starts_with("route53") && request.line.starts_with("GET") {
        return "<ListResourceRecordSetsResponse><ResourceRecordSets></ResourceRecordSets>\
                <IsTruncated>false</IsTruncated></ListResourceRecordSetsResponse>"
            .to_owned();
    }
    if request.host().starts_with("route53") {
        return "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id></ChangeInfo>\
                </ChangeResourceRecordSetsResponse>"
            .to_owned();
    }
    if body.starts_with("Action=AssumeRole") {
        return format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{ASSUMED}\
             </AccessKeyId><SecretAccessKey>secret-{ASSUMED}</SecretAccessKey><SessionToken>assumed\
             </SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
             </AssumeRoleResult></AssumeRoleResponse>"
        );
    }
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>arn:aws:sts::{ELSEWHERE}:assumed-role/aws:ec2-instance/\
         {INSTANCE}</Arn><UserId>{ELSEWHERE}:aws:ec2-instance:{INSTANCE}</UserId><Account>\
         {ELSEWHERE}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>"
    )
}

fn credentials(key: &str, token: &str) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        secret: format!("secret-{key}"),
        token: Some(token.to_owned()),
    }
}

fn config(change: impl FnOnce(&mut Value)) -> Config {
    let role = format!("arn:aws:iam::{ELSEWHERE}:role/describe");
    let mut config = json!({
        "version": 1, "domain": "spore.example.edu", "zone_id": "Z0123456789ABC",
        "account": "123456789012", "region": "us-east-1",
        "accounts": { "these": [{ "id": ELSEWHERE, "label": "lab", "describe_role": role }] },
        "deny": [], "proofs": ["instance-role"], "roles": [], "naming": "per-account",
        "record_types": ["A", "TXT"], "ttl_secs": 60, "lease_secs": 604_800, "quota": 100,
        "rate": { "requests": 100, "per_secs": 60 }, "reserved": [],
        "require_tag": { "key": "spawn:managed", "value": "true" }, "private_cidrs": [],
        "contacts": { "owner": null, "security": null },
    });
    change(&mut config);
    config.to_string().parse().unwrap()
}

/// An updater whose AWS is the server.
struct Stage {
    updater: Updater,
    aws: Aws,
}

impl Stage {
    fn new(server: &Server) -> Self {
        let environment = Environment {
            credentials: credentials(OWN, "own"),
            function: "spore".to_owned(),
            endpoint: Some(server.url.clone()),
        };
        Self {
            updater: Updater::new(config(|_| {}), environment.own(), Keys::aws()).unwrap(),
            aws: Aws::new(&config(|_| {}), &environment).unwrap(),
        }
    }

    async fn ask(&self, update: Update, now: Timestamp) -> Value {
        self.send(&event(&update, now), now).await
    }

    async fn send(&self, event: &Event, now: Timestamp) -> Value {
        let world = self.aws.at(Some(now.as_millisecond()));
        let handled = self.updater.handle(&world, event, "invocation-1").await;
        let answer = serde_json::to_value(&handled.answer).unwrap();
        serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
    }
}

fn event(update: &Update, now: Timestamp) -> Event {
    let proof = SignedProof::sign(
        SignedType::InstanceRole,
        &credentials("ASIAINSTANCEEXAMPLE0", "instance"),
        Region::named("eu-west-1").unwrap(),
        now,
        &Audience::request("spore.example.edu", "Z0123456789ABC"),
        &Nonce::from_bits(7),
        update.sha256(),
    );
    let mut body = json!({ "record_name": update.record_name, "proof": proof.unwrap() });
    for (name, value) in [
        ("ip_address", &update.ip_address),
        ("record_type", &update.record_type),
        ("text", &update.text),
    ] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    serde_json::from_value(json!({
        "httpMethod": "POST", "headers": { "Content-Type": "application/json" },
        "requestContext": { "requestId": "r", "identity": { "sourceIp": ADDRESS } },
        "body": body.to_string(),
    }))
    .unwrap()
}

fn web() -> Update {
    Update {
        record_name: Some("web".to_owned()),
        ip_address: Some(ADDRESS.to_owned()),
        ..Update::default()
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Days ahead of the host, as a simulated AWS can be.
fn now() -> Timestamp {
    "2027-03-04T05:06:07Z".parse().unwrap()
}

#[test]
fn each_service_is_asked_at_its_host_with_the_rights_it_is_asked_with() {
    let server = Server::start();
    let stage = Stage::new(&server);
    let (first, second) = run(async {
        let second = Update {
            record_name: Some("db".to_owned()),
            ..web()
        };
        (
            stage.ask(web(), now()).await,
            stage.ask(second, now()).await,
        )
    });
    for said in [&first, &second] {
        assert_eq!(said["code"], "ok", "{said}");
        assert_eq!(said["change_id"], "/change/C1");
    }
    // The role is assumed once.
    assert_eq!(
        server.hosts(),
        [
            "sts.eu-west-1.amazonaws.com",
            "sts.us-east-1.amazonaws.com",
            "ec2.eu-west-1.amazonaws.com",
            "route53.amazonaws.com",
            "route53.amazonaws.com",
            "sts.eu-west-1.amazonaws.com",
            "ec2.eu-west-1.amazonaws.com",
            "route53.amazonaws.com",
            "route53.amazonaws.com",
        ]
    );
    let seen = server.seen.lock().unwrap();
    let signers: Vec<&str> = seen.iter().take(5).map(Seen::signer).collect();
    assert_eq!(signers, ["ASIAINSTANCEEXAMPLE0", OWN, ASSUMED, OWN, OWN]);
    let lines: Vec<&str> = seen.iter().take(5).map(|seen| seen.line.as_str()).collect();
    let zone = "/2013-04-01/hostedzone/Z0123456789ABC/rrset";
    assert_eq!(
        lines,
        [
            "POST / HTTP/1.1",
            "POST / HTTP/1.1",
            "POST / HTTP/1.1",
            &format!("GET {zone}?maxitems=300&name=lab.spore.example.edu HTTP/1.1"),
            &format!("POST {zone}/ HTTP/1.1"),
        ]
    );
    let assume = &seen[1].body;
    assert!(assume.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2Fdescribe"));
    assert!(
        seen[2]
            .body
            .contains("Filter.1.Name=instance-id&Filter.1.Value.1=i-0123456789abcdef0")
    );
    assert_eq!(seen[2].headers["x-amz-security-token"], "assumed");
    // All of the caller's request, and nothing of ours beside it.
    let names: Vec<&str> = seen[0].headers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "authorization",
            "content-length",
            "content-type",
            "host",
            "x-amz-date",
            "x-amz-security-token",
            "x-spore-audience",
            "x-spore-nonce",
            "x-spore-sha256",
        ]
    );
    let change = &seen[4].body;
    let mark = first["owner"].as_str().unwrap();
    for part in [
        "<Action>CREATE</Action><ResourceRecordSet><Name>_spore.web.lab.spore.example.edu.</Name>\
         <Type>TXT</Type><TTL>60</TTL>",
        "<Name>web.lab.spore.example.edu.</Name><Type>A</Type><TTL>60</TTL><ResourceRecords>\
         <ResourceRecord><Value>54.1.2.3</Value></ResourceRecord></ResourceRecords>",
        &format!("<Value>&quot;{mark}&quot;</Value>"),
        "t=20270304T050607Z",
    ] {
        assert!(change.contains(part), "{part} is not in {change}");
    }
}

#[test]
fn texts_arrive_as_they_were_meant() {
    let server = Server::start();
    let stage = Stage::new(&server);
    let update = Update {
        ip_address: None,
        record_type: Some("TXT".to_owned()),
        text: Some("a<b> & \"c\"".to_owned()),
        ..web()
    };
    assert_eq!(run(stage.ask(update, now()))["code"], "ok");
    let seen = server.seen.lock().unwrap();
    let change = &seen.last().unwrap().body;
    let value = "<Value>&quot;a&lt;b&gt; &amp; \\&quot;c\\&quot;&quot;</Value>";
    assert!(change.contains(value), "{change}");
}

#[test]
fn unusual_answers_of_route_53_have_the_right_consequence() {
    let error = |code: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>AWS says so\
             </Message></Error><RequestId>r</RequestId></ErrorResponse>"
        )
    };
    let passing = vec![
        (400, error("Throttling")),
        (400, error("PriorRequestNotComplete")),
        (503, "<html>busy</html>".to_owned()),
        // The connection ends without an answer.
        (0, String::new()),
    ];
    let check = |answers: Vec<(u16, String)>, code: &str, calls: usize| {
        let server = Server::start();
        server.answers_next("route53", answers);
        let stage = Stage::new(&server);
        let said = run(stage.ask(web(), now()));
        assert_eq!(said["code"], code, "{said}");
        assert!(!said.to_string().contains("AWS says so"), "{said}");
        let route53 = server
            .hosts()
            .iter()
            .filter(|host| host.starts_with("route53"))
            .count();
        assert_eq!(route53, calls, "{said}");
    };
    check(passing, "ok", 6);
    check(vec![(403, error("AccessDenied"))], "unavailable", 1);
    check(vec![(404, error("NoSuchHostedZone"))], "unavailable", 1);
    check(
        vec![(200, "<html>login</html>".to_owned())],
        "unavailable",
        1,
    );
    check(vec![(200, "x".repeat(2_000_000))], "unavailable", 1);
    // A redirect is not followed.
    check(vec![(302, String::new())], "unavailable", 1);
    // But to a change it may be Route 53's after all, which took it.
    for unread in ["<html><br></html>".to_owned(), "x".repeat(2_000_000)] {
        let empty = "<R><ResourceRecordSets/><IsTruncated>false</IsTruncated></R>".to_owned();
        check(vec![(200, unread), (200, empty)], "ok", 3);
    }
    // Refused twice, and nothing at the name changes: no other request was the reason. The last is asked
    // first.
    let conflict = "<InvalidChangeBatch><Messages><Message>AWS says so</Message></Messages>\
                    </InvalidChangeBatch>";
    let empty = "<R><ResourceRecordSets/><IsTruncated>false</IsTruncated></R>";
    check(
        vec![
            (200, empty.to_owned()),
            (400, conflict.to_owned()),
            (200, empty.to_owned()),
            (200, empty.to_owned()),
            (400, conflict.to_owned()),
            (200, empty.to_owned()),
        ],
        "unavailable",
        6,
    );
    // It does change: somebody else is at the same name.
    let other = "<R><ResourceRecordSets><ResourceRecordSet><Name>web.lab.spore.example.edu.</Name>\
                 <Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>54.1.2.4</Value>\
                 </ResourceRecord></ResourceRecords></ResourceRecordSet></ResourceRecordSets>\
                 <IsTruncated>false</IsTruncated></R>";
    check(
        vec![
            (200, other.to_owned()),
            (400, conflict.to_owned()),
            (200, empty.to_owned()),
            (200, empty.to_owned()),
            (400, conflict.to_owned()),
            (200, empty.to_owned()),
        ],
        "busy",
        6,
    );
}

#[test]
fn of_an_answer_of_sts_so_much_is_read_and_no_more() {
    // STS's own answer, with blanks behind it.
    let padded = |bytes: usize| {
        let answer = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>arn:aws:sts::{ELSEWHERE}:assumed-role/aws:ec2-instance/\
             {INSTANCE}</Arn><UserId>{ELSEWHERE}:aws:ec2-instance:{INSTANCE}</UserId><Account>\
             {ELSEWHERE}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId>\
             </ResponseMetadata></GetCallerIdentityResponse>"
        );
        format!("{answer}{}", " ".repeat(bytes - answer.len()))
    };
    let limit = 64 * 1024;
    for (bytes, code) in [
        (4_096, "ok"),
        (4_097, "proof_invalid"),
        (limit, "proof_invalid"),
        // Not read to its end, so nobody knows what it says.
        (limit + 1, "busy"),
        (2_000_000, "busy"),
    ] {
        let server = Server::start();
        server.answers_next("sts.eu-west-1", vec![(200, padded(bytes))]);
        let said = run(Stage::new(&server).ask(web(), now()));
        assert_eq!(said["code"], code, "{bytes}: {said}");
    }
}

/// RFC 3339, whole seconds.
fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[test]
fn a_sandboxs_keys_count_where_aws_is_this_machine_and_nowhere_else() {
    let server = Server::start();
    let key = include_str!("handle/document_key.txt");
    let [private, public] = [0, 1].map(|line| key.lines().nth(line).unwrap());
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(private).unwrap()).unwrap();
    let document = format!(
        "{{\"accountId\":\"{ELSEWHERE}\",\"instanceId\":\"{INSTANCE}\",\"pendingTime\":\"{}\",\
         \"region\":\"eu-west-1\"}}",
        second(now())
    );
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(
        &RSA_PKCS1_SHA256,
        &random,
        document.as_bytes(),
        &mut signature,
    )
    .unwrap();
    let body = json!({
        "record_name": "web", "ip_address": ADDRESS,
        "instance_identity_document": STANDARD.encode(&document),
        "instance_identity_signature": STANDARD.encode(&signature),
    });
    let event: Event = serde_json::from_value(json!({
        "httpMethod": "POST", "headers": { "Content-Type": "application/json" },
        "requestContext": { "requestId": "r", "identity": { "sourceIp": ADDRESS } },
        "body": body.to_string(),
    }))
    .unwrap();
    let mut stage = Stage::new(&server);
    let config = config(|config| config["proofs"] = json!(["identity-document"]));
    stage.updater = Updater::new(config, Own::default(), Keys::aws()).unwrap();
    let said = |stage: &Stage| run(stage.send(&event, now()));
    assert_eq!(said(&stage)["code"], "proof_invalid");
    // What the sandbox answers.
    let published = json!({ "eu-west-1": { "rsa1024": public, "rsa2048": public } });
    let url = format!("{}/_spore/identity-keys", server.url);
    let keys = IdentityKeys::of(Some(&server.url), Some(&url));
    let keys = keys.unwrap().unwrap();
    server.answers_next("127.0.0.1", vec![(200, published.to_string())]);
    stage.updater.trust(run(keys.fetch()).unwrap());
    assert_eq!(said(&stage)["code"], "ok");
    let line = server.seen.lock().unwrap()[0].line.clone();
    assert_eq!(line, "GET /_spore/identity-keys HTTP/1.1");
    // Whatever else is answered is no keys.
    for (status, wrong) in [
        (500, published.to_string()),
        (302, published.to_string()),
        (200, "{".to_owned()),
        (
            200,
            json!({ "eu-west-1": { "rsa1024": "AAAA", "rsa2048": public } }).to_string(),
        ),
        (
            200,
            json!({ "no-region-1": { "rsa1024": public, "rsa2048": public } }).to_string(),
        ),
        (200, format!("{published}{}", " ".repeat(70_000))),
    ] {
        server.answers_next("127.0.0.1", vec![(status, wrong.clone())]);
        assert_eq!(
            run(keys.fetch()),
            Err(NoKeys::Unanswered),
            "{status} {wrong}"
        );
    }
    // AWS itself, somebody's AWS elsewhere, or one that is encrypted: the address is not even read.
    for endpoint in [
        None,
        Some("https://aws.example.edu"),
        Some("http://10.0.0.1:4566"),
        Some("https://127.0.0.1:4566"),
        Some("http://localhost:4566"),
        Some("127.0.0.1"),
    ] {
        let keys = IdentityKeys::of(endpoint, Some(&url));
        assert!(matches!(keys, Ok(None)), "{endpoint:?}");
    }
    assert!(matches!(
        IdentityKeys::of(Some(&server.url), None),
        Ok(None)
    ));
    for elsewhere in [
        "http://10.0.0.1/keys",
        "https://keys.example.edu",
        "keys",
        "",
    ] {
        let keys = IdentityKeys::of(Some(&server.url), Some(elsewhere));
        assert_eq!(keys.err(), Some(NoKeys::Url), "{elsewhere}");
    }
}
