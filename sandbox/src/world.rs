//! The world: every object of every simulated account, and the rules of one call.
//!
//! A call is decoded, authenticated, checked against limits and policies, run, and encoded. The world
//! knows no clock: the time of a call is an argument.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    apigateway, blobs::Blobs, cloudwatch, dns, iam, instance, kms, lambda, limits, logs,
    profile::Profile, route53, sts, tagging,
};

/// One HTTP request as a door received it.
#[derive(Debug, Clone)]
pub struct Request {
    /// HTTP method, upper case.
    pub method: String,
    /// Host the client addressed, without a port (`route53.amazonaws.com`, `127.0.0.1`).
    pub host: String,
    /// Path as sent, still percent-encoded.
    pub path: String,
    /// Query string without `?`, as sent.
    pub query: String,
    /// Header names in lower case, values as sent, in order.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of a name, which is lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// One HTTP response.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case and values.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
}

/// Where a request came from, as the door knows it: nothing in a request says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The operator's machine.
    Host,
    /// An instance, by the public address that its requests leave with.
    Instance(IpAddr),
    /// A function, by an address of Lambda's.
    Function,
}

impl Via {
    /// The source address that AWS sees.
    pub fn source(self) -> IpAddr {
        match self {
            Self::Host => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Self::Instance(address) => address,
            Self::Function => FUNCTION_ADDRESS,
        }
    }
}

/// The address that functions without a VPC leave with: at AWS one of many, here always the same one of
/// a block that EC2 has in us-east-1.
pub const FUNCTION_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(3, 80, 0, 1));

/// A run of a function that the world asks for. The world cannot run programs: whoever holds the
/// door does, and hands the outcome to [`World::resume`].
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Account of the function.
    pub account: String,
    /// Region of the function.
    pub region: String,
    /// Name of the function, followed by `:` and a version or an alias if one is meant.
    pub function: String,
    /// The event, JSON.
    pub event: Vec<u8>,
    /// Request id of the run, as logs and `Lambda-Runtime-Aws-Request-Id` show it.
    pub request_id: String,
    /// Who gets the outcome.
    pub waiting: Waiting,
}

/// Who waits for the outcome of a function's run.
#[derive(Debug, Clone)]
pub enum Waiting {
    /// A caller of lambda:Invoke.
    Lambda(lambda::Waiting),
    /// A client of a REST API.
    ApiGateway(apigateway::Waiting),
}

/// How a function's run ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What the function answered, or its error: `errorType` and `errorMessage`.
    pub outcome: Result<Vec<u8>, (String, String)>,
    /// Lines it wrote to its log.
    pub log: Vec<String>,
    /// How long it ran.
    pub took: Duration,
}

/// What a call leads to.
#[derive(Debug, Clone)]
pub enum Effect {
    /// An answer for the caller.
    Answer(Response),
    /// A function has to run first.
    Invoke(Invocation),
    /// No answer ever comes (a fault: the connection hangs or breaks).
    Silence,
    /// The calling process dies here (a fault).
    Die,
}

/// Who calls, from where, and when: what an operation may know besides its input.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Account id, 12 digits.
    pub account: String,
    /// ARN of the caller, as GetCallerIdentity shows it.
    pub arn: String,
    /// UserId of the caller, as GetCallerIdentity shows it.
    pub user_id: String,
    /// Region of the credential scope (`us-east-1` for global services).
    pub region: String,
    /// World time of the call.
    pub now: Timestamp,
    /// The address the call comes from, which is `aws:SourceIp`.
    pub source: IpAddr,
}

/// One action on some resources that a call needs to be allowed (for policy evaluation).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Such as `route53:CreateHostedZone`.
    pub action: String,
    /// ARN, or `*` where the action supports no resource.
    pub resource: String,
    /// Condition keys this call supplies (`aws:RequestTag/x`, `route53:Change...`), several values each.
    pub context: BTreeMap<String, Vec<String>>,
}

impl Need {
    /// A need without condition keys of its own.
    pub fn new(action: &str, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            context: BTreeMap::new(),
        }
    }

    /// Adds a condition key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, values: Vec<String>) -> Self {
        self.context.insert(key.into(), values);
        self
    }
}

/// A modelled error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// Error code as the service's model spells it (`NoSuchHostedZone`, `NotFoundException`).
    pub code: String,
    /// AWS's text, as near as is known.
    pub message: String,
    /// HTTP status where it differs from the table's (which is 400 unless the model says otherwise).
    pub status: Option<u16>,
}

impl AwsError {
    /// An error with the status that the service's model gives it.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: None,
        }
    }

    /// The refusal, by name, of what AWS has and this sandbox does not model. The code is none of
    /// AWS's, and 501 is a status that no SDK retries.
    pub fn not_modelled(what: &str) -> Self {
        Self {
            code: "NotImplemented".into(),
            message: format!("spore-sandbox does not model {what}"),
            status: Some(501),
        }
    }
}

/// One AWS operation: what it needs to be allowed, and what it does.
///
/// The input has been checked against the operation's shape before `needs` and `run` see it. Values
/// are JSON: blobs are base64 strings, timestamps are numbers of seconds since the epoch, lists and
/// maps are plain. The output has the same form and is encoded by the shape, whatever the protocol.
pub struct Operation {
    /// AWS's name, such as `CreateKey`.
    pub name: &'static str,
    /// Actions, resources and condition keys, for policy evaluation.
    pub needs: fn(&World, &Caller, &Value) -> Vec<Need>,
    /// The effect on the world.
    pub run: fn(&mut World, &Caller, Value) -> Result<Value, AwsError>,
}

/// Policies to be tried: who comes with an administrator's keys is then a session of a role that has
/// these policies and nothing else. The role is in no list of IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name of the role.
    pub role: String,
    /// Its policies, JSON.
    pub policies: Vec<String>,
}

impl Held {
    /// The ARN of the role's session in an account.
    pub fn arn(&self, account: &str) -> String {
        format!("arn:aws:sts::{account}:assumed-role/{}/sandbox", self.role)
    }
}

/// Everything that exists. Serialised as a whole into `world.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// Version of this format; another version is refused when read.
    pub version: u32,
    /// Delays, lags and limits.
    pub profile: Profile,
    /// How far the world's clock is ahead of the host's. Never falls.
    pub ahead: Duration,
    /// World time of the last write; a host clock that was set back does not take the world with it.
    pub latest: Timestamp,
    /// State of the seeded generator.
    pub random: Random,
    /// KMS by account and region.
    pub kms: kms::State,
    /// Route 53 by account.
    pub route53: route53::State,
    /// CloudWatch Logs by account and region.
    pub logs: logs::State,
    /// IAM by account.
    pub iam: iam::State,
    /// Lambda by account and region.
    pub lambda: lambda::State,
    /// API Gateway by account and region.
    pub apigateway: apigateway::State,
    /// CloudWatch by account and region.
    pub cloudwatch: cloudwatch::State,
    /// Sessions that STS issued.
    pub sts: sts::State,
    /// Instances, and the keys their identity documents are signed with.
    #[serde(default)]
    pub instances: instance::State,
    /// What the tagging API has seen so far.
    pub tagging: tagging::State,
    /// Root, TLDs and external parents: what registrars and hostmasters did.
    pub dns: dns::State,
    /// Token buckets.
    pub limits: limits::State,
    /// Code of functions.
    pub blobs: Blobs,
    /// The run that the operation being carried out asks for; it is answered when that has ended.
    #[serde(skip)]
    pub requested: Option<Invocation>,
    /// What the administrators of the emulators' convention are held to, if they are.
    #[serde(skip)]
    pub held: Option<Held>,
    /// Service control policies of a simulated organisation, by account, as if all were attached to
    /// the account itself. No operation sets them.
    #[serde(default)]
    pub scps: BTreeMap<String, Vec<String>>,
}

/// Version of the world's format that this code reads and writes.
pub const WORLD_VERSION: u32 = 2;

impl World {
    /// A fresh world from a seed.
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self {
            version: WORLD_VERSION,
            profile,
            ahead: Duration::ZERO,
            latest: Timestamp::UNIX_EPOCH,
            random: Random { state: seed },
            kms: kms::State::default(),
            route53: route53::State::default(),
            logs: logs::State::default(),
            iam: iam::State::default(),
            lambda: lambda::State::default(),
            apigateway: apigateway::State::default(),
            cloudwatch: cloudwatch::State::default(),
            sts: sts::State::default(),
            instances: instance::State::default(),
            tagging: tagging::State::default(),
            dns: dns::State::new(seed),
            limits: limits::State::default(),
            blobs: Blobs::default(),
            requested: None,
            held: None,
            scps: BTreeMap::new(),
        }
    }
}

/// The world's own generator (SplitMix64): equal seeds give equal worlds. It makes ids and simulated
/// keys, never anything that has to be secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The next 64 bits.
    #[expect(
        clippy::should_implement_trait,
        reason = "a generator is not a sequence to iterate"
    )]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for chunk in out.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        out
    }

    /// `len` characters of `alphabet` (ids of zones, changes, requests).
    pub fn text(&mut self, alphabet: &[u8], len: usize) -> String {
        (0..len)
            .map(|_| {
                char::from(
                    alphabet[usize::try_from(self.next() % alphabet.len() as u64).unwrap_or(0)],
                )
            })
            .collect()
    }

    /// A version 4 UUID (KMS key ids, request ids).
    pub fn uuid(&mut self) -> String {
        let mut b: [u8; 16] = self.bytes();
        b[6] = (b[6] & 0x0F) | 0x40;
        b[8] = (b[8] & 0x3F) | 0x80;
        let hex: String = b.iter().map(|x| format!("{x:02x}")).collect();
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}
