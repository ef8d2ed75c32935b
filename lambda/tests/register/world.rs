//! The world around one instance: its metadata, an updater whose answers are written down beforehand, and
//! an STS that verifies. All on one port of this machine, told apart by path and host.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use spore_updater::protocol::sigv4::{self, Credentials, Scope};
use spore_updater::protocol::{
    AnswerProof, Audience, Nonce, Outcome, Region, Sha256, SignedProof, SignedType, Update,
};

pub const CREDENTIALS: &str =
    "meta-data/identity-credentials/ec2/security-credentials/ec2-instance";

const DOMAIN: &str = "spore.example.edu";
const ZONE: &str = "Z0123456789ABCDEFGHIJ";
const TOKEN: &str = "metadata-token==";
/// The instance's, the updater's and a stranger's role.
const KEYS: [&str; 3] = [
    "ASIAINSTANCEEXAMPLE0",
    "ASIAUPDATEREXAMPLE00",
    "ASIASTRANGEREXAMPLE0",
];

/// What must never be told.
pub const SECRETS: [&str; 4] = [
    TOKEN,
    "secret-ASIAINSTANCEEXAMPLE0",
    "token-ASIAINSTANCEEXAMPLE0",
    "token-ASIAUPDATEREXAMPLE00",
];

/// A mark as the updater writes it.
pub const OWNER: &str = "v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=20261122T060000Z \
                         n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b";

/// How an answer is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Right,
    Not,
    Stranger,
    OtherNonce,
    OtherRequest,
    OtherAudience,
    /// Changed after it was signed.
    Tampered,
    /// Signed long ago.
    Stale,
}

/// What the updater answers.
#[derive(Debug, Clone)]
pub enum Reply {
    Says {
        status: u16,
        code: String,
        text: String,
        sign: Sign,
        after: Option<u64>,
        has_owner: bool,
    },
    Raw {
        status: u16,
        body: String,
        headers: Vec<(String, String)>,
    },
    /// Nothing: the connection ends.
    Break,
}

/// A request that the updater received.
#[derive(Debug, Clone)]
pub struct Request {
    pub text: String,
    pub body: Value,
    pub update: Update,
    pub answered_owner: Option<String>,
}

struct State {
    metadata: BTreeMap<String, (u16, String)>,
    /// Status of an answer with a token; 0 for none.
    token: u16,
    is_token_always_sent: bool,
    replies: VecDeque<Reply>,
    of_type: BTreeMap<String, Reply>,
    requests: Vec<Request>,
    ahead: SignedDuration,
    gateway_ahead: SignedDuration,
    sts_fails: Option<u16>,
    seen: Sender<()>,
}

pub struct World {
    pub url: String,
    state: Arc<Mutex<State>>,
    seen: Receiver<()>,
}

/// A message of HTTP.
struct Message {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Reply {
    pub fn done(sign: Sign) -> Self {
        Self::Says {
            status: 200,
            code: "ok".to_owned(),
            text: "it is changed".to_owned(),
            sign,
            after: None,
            has_owner: true,
        }
    }

    pub fn released(text: &str) -> Self {
        Self::Says {
            status: 200,
            code: "ok".to_owned(),
            text: text.to_owned(),
            sign: Sign::Right,
            after: None,
            has_owner: false,
        }
    }

    pub fn no(status: u16, code: &str, text: &str, sign: Sign) -> Self {
        Self::Says {
            status,
            code: code.to_owned(),
            text: text.to_owned(),
            sign,
            after: None,
            has_owner: false,
        }
    }

    pub fn after(mut self, secs: u64) -> Self {
        if let Self::Says { after, .. } = &mut self {
            *after = Some(secs);
        }
        self
    }

    pub fn raw(status: u16, body: &str) -> Self {
        Self::Raw {
            status,
            body: body.to_owned(),
            headers: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Raw { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

impl Request {
    pub fn date(&self) -> String {
        self.body["proof"]["date"].as_str().unwrap().to_owned()
    }
}

impl World {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, seen) = channel();
        let credentials = json!({
            "Code": "Success", "LastUpdated": "2026-11-22T06:00:00Z", "Type": "AWS-HMAC",
            "AccessKeyId": KEYS[0], "SecretAccessKey": format!("secret-{}", KEYS[0]),
            "Token": format!("token-{}", KEYS[0]), "Expiration": "2026-11-22T12:00:00Z",
        });
        let metadata = [
            ("meta-data/instance-id", "i-0123456789abcdef0"),
            ("meta-data/placement/region", "us-east-1"),
            ("meta-data/public-ipv4", "203.0.113.7"),
            ("meta-data/local-ipv4", "172.31.0.7"),
            ("meta-data/tags/instance", "Name\nspawn:managed"),
            ("meta-data/tags/instance/Name", "my-instance"),
            (CREDENTIALS, &credentials.to_string()),
        ]
        .map(|(path, text)| (path.to_owned(), (200, text.to_owned())));
        let state = Arc::new(Mutex::new(State {
            metadata: metadata.into(),
            token: 200,
            is_token_always_sent: true,
            replies: VecDeque::new(),
            of_type: BTreeMap::new(),
            requests: Vec::new(),
            ahead: SignedDuration::ZERO,
            gateway_ahead: SignedDuration::ZERO,
            sts_fails: None,
            seen: sender,
        }));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = shared.clone();
                thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { url, state, seen }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// What a category of metadata answers from now on.
    pub fn metadata(&self, path: &str, status: u16, text: &str) {
        self.change(|state| {
            let answer = (status, text.to_owned());
            state.metadata.insert(path.to_owned(), answer);
        });
    }

    /// What a request for a token gets: this status, or for 0 silence.
    pub fn token(&self, status: u16) {
        self.change(|state| state.token = status);
    }

    /// The updater's next answer; without any it says that all is done, signed.
    pub fn reply(&self, reply: Reply) {
        self.change(|state| state.replies.push_back(reply));
    }

    /// The answer to every request for this type of record, where none was written down for the next one.
    pub fn always(&self, record_type: &str, reply: Reply) {
        self.change(|state| {
            state.of_type.insert(record_type.to_owned(), reply);
        });
    }

    pub fn advance(&self, secs: i64) {
        self.change(|state| state.ahead += SignedDuration::from_secs(secs));
    }

    pub fn gateway_is_ahead(&self, secs: i64) {
        self.change(|state| state.gateway_ahead = SignedDuration::from_secs(secs));
    }

    pub fn sts_fails(&self, status: u16) {
        self.change(|state| state.sts_fails = Some(status));
    }

    /// What the updater received so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn is_token_always_sent(&self) -> bool {
        self.state.lock().unwrap().is_token_always_sent
    }

    /// Until the updater has received one.
    pub fn wait_for_request(&self) {
        self.seen.recv().unwrap();
    }
}

impl State {
    fn now(&self) -> Timestamp {
        Timestamp::now().checked_add(self.ahead).unwrap()
    }
}

impl Message {
    fn read(reader: &mut BufReader<&TcpStream>) -> Option<Self> {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else {
                break;
            };
            let name = name.to_ascii_lowercase();
            let before = headers.insert(name, value.trim().to_owned());
            assert_eq!(before, None, "a header twice");
        }
        let length = headers.get("content-length").map_or("0", String::as_str);
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).ok()?;
        Some(Self {
            line: line.trim_end().to_owned(),
            headers,
            body: String::from_utf8(body).unwrap(),
        })
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(&stream);
    while let Some(message) = Message::read(&mut reader) {
        let answer = answer(&message, &mut state.lock().unwrap());
        match answer {
            Answered::With(text) => {
                if (&stream).write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
            Answered::Silence => {
                // Until the other side gives up.
                let mut rest = [0; 1];
                (&stream).read_exact(&mut rest).ok();
                return;
            }
            Answered::Break => return,
        }
    }
}

enum Answered {
    With(String),
    Silence,
    Break,
}

fn with(status: u16, headers: &[(&str, String)], now: Timestamp, body: &str) -> Answered {
    let mut text = format!(
        "HTTP/1.1 {status} Some\r\ncontent-length: {}\r\n",
        body.len()
    );
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for (name, value) in headers.iter().chain(&[("date", date)]) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    Answered::With(format!("{text}\r\n{body}"))
}

fn answer(message: &Message, state: &mut State) -> Answered {
    let words: Vec<&str> = message.line.split(' ').collect();
    let now = state.now();
    match (words[0], words[1]) {
        ("PUT", "/latest/api/token") => {
            let ttl: u32 = message.headers["x-aws-ec2-metadata-token-ttl-seconds"]
                .parse()
                .unwrap();
            assert!((1..=21_600).contains(&ttl));
            match state.token {
                0 => Answered::Silence,
                status => with(status, &[], now, TOKEN),
            }
        }
        ("GET", path) => {
            let sent = message.headers.get("x-aws-ec2-metadata-token");
            state.is_token_always_sent &= sent.is_some_and(|sent| sent == TOKEN);
            let path = path.strip_prefix("/latest/").unwrap();
            let (status, text) = state
                .metadata
                .get(path)
                .cloned()
                .unwrap_or((404, String::new()));
            with(status, &[], now, &text)
        }
        ("POST", "/prod/update-dns") => updater(message, state),
        ("POST", "/") => sts(message, state),
        _ => panic!("{}", message.line),
    }
}

fn credentials(key: &str) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        secret: format!("secret-{key}"),
        token: Some(format!("token-{key}")),
    }
}

/// The updater: what it received is judged here, what it answers was written down.
fn updater(message: &Message, state: &mut State) -> Answered {
    assert_eq!(message.headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let text = |name: &str| body[name].as_str().map(ToOwned::to_owned);
    let update = Update {
        record_name: text("record_name"),
        ip_address: text("ip_address"),
        action: text("action"),
        record_type: text("record_type"),
        ttl: None,
        text: None,
        owner: text("owner"),
    };
    let known = [
        "record_name",
        "ip_address",
        "action",
        "record_type",
        "owner",
        "proof",
    ];
    for (name, value) in body.as_object().unwrap() {
        assert!(known.contains(&name.as_str()), "{name}");
        assert!(!value.is_null(), "{name} is null");
    }
    let now = state.now();
    let nonce = prove(&body["proof"], &update, now);
    let next = state.replies.pop_front();
    let of_type = update.record_type.as_ref();
    let reply = next.or_else(|| state.of_type.get(of_type?).cloned());
    let reply = reply.unwrap_or_else(|| match &update.ip_address {
        Some(_) => Reply::done(Sign::Right),
        None => Reply::released("it is released"),
    });
    let mut request = Request {
        text: message.body.clone(),
        body,
        update,
        answered_owner: None,
    };
    let answered = match reply {
        Reply::Break => Answered::Break,
        Reply::Raw {
            status,
            body,
            headers,
        } => {
            let headers: Vec<(&str, String)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            with(status, &headers, now, &body)
        }
        Reply::Says {
            status,
            code,
            text,
            sign,
            after,
            has_owner,
        } => {
            let label = request.update.record_name.clone().unwrap();
            let (message, error) = match status {
                200 => (Some(text), None),
                _ => (None, Some(text)),
            };
            // The mark is of the second that the request was signed in.
            request.answered_owner = has_owner.then(|| {
                let parts: Vec<&str> = OWNER.split(' ').collect();
                let (version, who) = (parts[0], parts[1]);
                format!("{version} {who} t={} n={}", request.date(), nonce.text())
            });
            let outcome = Outcome {
                success: status == 200,
                code,
                message,
                error,
                record: Some(format!("{label}.1kpqzg2c.{DOMAIN}")),
                change_id: Some("/change/C123".to_owned()),
                owner: request.answered_owner.clone(),
                request_id: "0123-4567".to_owned(),
                timestamp: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            };
            let proof = signed(sign, &outcome, &request.update, &nonce, now);
            let headers = after.map(|secs| ("retry-after", secs.to_string()));
            let headers: Vec<(&str, String)> = headers.into_iter().collect();
            let at = now.checked_add(state.gateway_ahead).unwrap();
            let told = said(sign, outcome, proof);
            with(status, &headers, at, &told.to_string())
        }
    };
    state.requests.push(request);
    state.seen.send(()).ok();
    answered
}

/// The proof is one over exactly this update, for this zone, now.
fn prove(proof: &Value, update: &Update, now: Timestamp) -> Nonce {
    let text = |name: &str| proof[name].as_str().unwrap();
    let members: Vec<&String> = proof.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 7, "{members:?}");
    assert_eq!(text("type"), "instance-role");
    let nonce = Nonce::read(text("nonce")).unwrap();
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text("date")).unwrap();
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    assert!(now.duration_since(date).abs() < SignedDuration::from_secs(10));
    let expected = SignedProof::sign(
        SignedType::InstanceRole,
        &credentials(KEYS[0]),
        Region::named("us-east-1").unwrap(),
        date,
        &Audience::request(DOMAIN, ZONE),
        &nonce,
        update.sha256(),
    )
    .unwrap();
    assert_eq!(serde_json::to_value(&expected).unwrap(), *proof);
    nonce
}

fn signed(
    sign: Sign,
    outcome: &Outcome,
    update: &Update,
    nonce: &Nonce,
    now: Timestamp,
) -> Option<AnswerProof> {
    let (mut key, mut nonce, mut now) = (KEYS[1], nonce.clone(), now);
    let mut request = update.sha256();
    let mut audience = Audience::response(DOMAIN, ZONE);
    match sign {
        Sign::Not => return None,
        Sign::Right | Sign::Tampered => {}
        Sign::Stranger => key = KEYS[2],
        Sign::OtherNonce => nonce = Nonce::from_bits(7),
        Sign::OtherRequest => request = Update::default().sha256(),
        // A request's, in the place of an answer's.
        Sign::OtherAudience => audience = Audience::request(DOMAIN, ZONE),
        Sign::Stale => now = now.checked_sub(SignedDuration::from_secs(300)).unwrap(),
    }
    let region = Region::named("us-east-1").unwrap();
    let proof = AnswerProof::sign(
        &credentials(key),
        region,
        now,
        &audience,
        &nonce,
        request,
        outcome,
    );
    Some(proof.unwrap())
}

fn said(sign: Sign, outcome: Outcome, proof: Option<AnswerProof>) -> Value {
    let record = match sign == Sign::Tampered {
        true => Some("another.1kpqzg2c.spore.example.edu".to_owned()),
        false => outcome.record,
    };
    json!({
        "success": outcome.success, "code": outcome.code, "message": outcome.message,
        "error": outcome.error, "record": record, "change_id": outcome.change_id,
        "owner": outcome.owner, "request_id": outcome.request_id, "timestamp": outcome.timestamp,
        "proof": proof,
    })
}

/// STS: says whose key it is if the signature is right over the request as it came.
fn sts(message: &Message, state: &State) -> Answered {
    let now = state.now();
    let xml = [("content-type", "text/xml".to_owned())];
    let error = |status: u16, code: &str| {
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender\
             </Type><Code>{code}</Code><Message>no</Message></Error><RequestId>1</RequestId>\
             </ErrorResponse>"
        );
        with(status, &xml, now, &body)
    };
    if let Some(status) = state.sts_fails {
        return error(status, "ServiceUnavailable");
    }
    let authorization = &message.headers["authorization"];
    let part = |from: &str| {
        let rest = authorization.split(from).nth(1).unwrap();
        rest.split(',').next().unwrap()
    };
    let scope: Vec<&str> = part("Credential=").split('/').collect();
    let [key, _, region, service, _] = scope[..] else {
        panic!("{authorization}");
    };
    assert_eq!(
        message.headers["host"],
        format!("sts.{region}.amazonaws.com")
    );
    let headers: Vec<(&str, &str)> = part("SignedHeaders=")
        .split(';')
        .map(|name| (name, message.headers[name].as_str()))
        .collect();
    let request = sigv4::Request {
        method: "POST",
        path: "/",
        query: &[],
        headers: &headers,
        body: Sha256::of(message.body.as_bytes()),
    };
    let date = &message.headers["x-amz-date"];
    let scope = Scope {
        date,
        region,
        service,
    };
    let expected = scope.signature(&format!("secret-{key}"), &request.canonical());
    if part("Signature=") != expected {
        return error(403, "SignatureDoesNotMatch");
    }
    let (role, session) = match key {
        key if key == KEYS[1] => ("spore-updater", "spore-updater"),
        // A role whose name only begins like the updater's.
        _ => ("spore-updater-2", "spore-updater"),
    };
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
         <GetCallerIdentityResult>\n    \
         <Arn>arn:aws:sts::123456789012:assumed-role/{role}/{session}</Arn>\n    \
         <UserId>AROAEXAMPLEEXAMPLE123:{session}</UserId>\n    <Account>123456789012</Account>\n  \
         </GetCallerIdentityResult>\n  <ResponseMetadata>\n    <RequestId>1</RequestId>\n  \
         </ResponseMetadata>\n</GetCallerIdentityResponse>\n"
    );
    with(200, &xml, now, &body)
}
