//! A world for the updater's ports: a zone with Route 53's semantics, an EC2 that knows instances, an STS
//! that really verifies signatures, and a clock that nobody waits for.
//!
//! It also judges: every change is compared with whose the name was, by rules written down here and not
//! taken from the updater.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use spore_updater::batch::{Action, Batch, Change};
use spore_updater::ports::{Failure, Instance, Ports, Question, State};
use spore_updater::proof::{Keys, Own};
use spore_updater::protocol::sigv4::{self, Credentials, Scope};
use spore_updater::protocol::{
    Audience, Call, Nonce, Region, SignedProof, SignedType, StsAnswer, Update,
};
use spore_updater::zone::{Page, RecordSet, Start};
use spore_updater::{Event, Updater};

use crate::time;

pub const DOMAIN: &str = "spore.example.edu";
pub const ZONE_ID: &str = "Z0123456789ABC";
pub const HOME: &str = "123456789012";

/// How long a name stays its owner's.
pub const LEASE_SECS: i64 = 604_800;

/// An instance, or a role's session, and the credentials it signs with.
#[derive(Debug, Clone)]
pub struct Machine {
    pub account: String,
    pub region: &'static str,
    pub id: String,
    pub address: Ipv4Addr,
    pub credentials: Credentials,
    /// The name of a role, when it is no instance.
    pub role: Option<&'static str>,
}

/// What happens to the next calls.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// The answer of a change that was made gets lost, so many times.
    pub lost_answers: u32,
    /// Each call takes up to so many milliseconds, before and after.
    pub latency_ms: u64,
    /// Whether Route 53's limits hold: 50 calls of a kind at once, 10 a second, one change at a time.
    pub limits: bool,
    /// Asking EC2 fails so.
    pub describe: Option<Failure>,
    /// Changes fail so.
    pub change: Option<Failure>,
    /// The next changes are answered so, each whether or not it was made.
    pub next_changes: VecDeque<Fate>,
    /// What somebody else writes before so many calls more of a change.
    pub written_before: BTreeMap<u32, Vec<RecordSet>>,
    /// Lists fail so once a change was asked for.
    pub lists_after_change: Option<Failure>,
    /// Each call is answered after so many milliseconds.
    pub slow_ms: u64,
    /// STS throttles so many calls, with status and code.
    pub sts_throttles: Vec<(u16, &'static str)>,
    /// What the role's policy still allows, if it was narrowed: types, and reserved labels.
    pub narrowed: Option<(Vec<&'static str>, Vec<&'static str>)>,
}

/// What becomes of a change, and what is answered.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    Made,
    MadeBut(Failure),
    Not(Failure),
}

#[derive(Debug)]
pub struct Contents {
    pub sets: BTreeMap<(String, String), RecordSet>,
    /// Who made each change, in order.
    pub history: Vec<String>,
    pub weather: Weather,
    pub instances: BTreeMap<String, Instance>,
    /// Names that nobody may touch.
    pub by_hand: BTreeSet<String>,
    /// Calls by name.
    pub calls: BTreeMap<&'static str, u32>,
    machines: Vec<Machine>,
    tokens: BTreeMap<&'static str, (f64, Duration)>,
    busy_until: Option<Duration>,
    random: u64,
    next_change: u32,
}

pub struct World {
    pub state: Mutex<Contents>,
    began: Duration,
    at: Timestamp,
    /// Moves the clock ahead, for tests that do not wait.
    ahead: Mutex<Duration>,
}

/// The world as one caller's request meets it.
pub struct Port<'a> {
    pub world: &'a World,
    pub by: String,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut sets = BTreeMap::new();
        for (kind, value) in [("NS", "ns-1.awsdns-01.org."), ("SOA", "ns-1. x. 1 2 3 4 5")] {
            let set = plain(DOMAIN, kind, value);
            sets.insert(key(&set), set);
        }
        Self {
            state: Mutex::new(Contents {
                sets,
                history: Vec::new(),
                weather: Weather::default(),
                instances: BTreeMap::new(),
                by_hand: BTreeSet::new(),
                calls: BTreeMap::new(),
                machines: Vec::new(),
                tokens: BTreeMap::new(),
                busy_until: None,
                random: seed,
                next_change: 0,
            }),
            began: time::now(),
            at: "2026-11-22T06:00:00Z".parse().unwrap(),
            ahead: Mutex::new(Duration::ZERO),
        }
    }

    pub fn now(&self) -> Timestamp {
        let passed = (time::now() - self.began) + *self.ahead.lock().unwrap();
        self.at.checked_add(passed).unwrap()
    }

    pub fn advance(&self, secs: u64) {
        *self.ahead.lock().unwrap() += Duration::from_secs(secs);
    }

    /// Starts an instance with its tag and an address of its own.
    pub fn start(&self, account: &str, region: &'static str) -> Machine {
        let mut state = self.state.lock().unwrap();
        let number = u32::try_from(state.machines.len()).unwrap();
        let address = Ipv4Addr::from_bits(0x3600_0100 + number);
        let machine = Machine {
            account: account.to_owned(),
            region,
            id: format!("i-{number:017x}"),
            address,
            credentials: credentials(number),
            role: None,
        };
        let instance = Instance {
            state: State::Running,
            public: [address].into(),
            private: [Ipv4Addr::from_bits(0x0a00_0100 + number)].into(),
            v6: [format!("2600:1f18::{number:x}").parse().unwrap()].into(),
            tags: [("spawn:managed".to_owned(), "true".to_owned())].into(),
        };
        state.instances.insert(machine.id.clone(), instance);
        state.machines.push(machine.clone());
        machine
    }

    /// A session of a role.
    pub fn assume(&self, account: &str, role: &'static str) -> Machine {
        let mut state = self.state.lock().unwrap();
        let number = u32::try_from(state.machines.len()).unwrap();
        let machine = Machine {
            account: account.to_owned(),
            region: "us-east-1",
            id: format!("AROAEXAMPLE{number:010}"),
            address: Ipv4Addr::from_bits(0x3600_0100 + number),
            credentials: credentials(number),
            role: Some(role),
        };
        state.machines.push(machine.clone());
        machine
    }

    pub fn terminate(&self, machine: &Machine) {
        let mut state = self.state.lock().unwrap();
        let instance = state.instances.get_mut(&machine.id).unwrap();
        instance.state = State::Terminated;
        instance.public.clear();
        instance.private.clear();
    }

    /// Puts a record into the zone that no updater made.
    pub fn make_by_hand(&self, set: RecordSet) {
        let mut state = self.state.lock().unwrap();
        state.by_hand.insert(set.name.clone());
        state.sets.insert(key(&set), set);
    }

    /// The values at a name and type.
    pub fn values(&self, name: &str, kind: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let set = state.sets.get(&(reversed(name), kind.to_owned()));
        set.map(|set| set.values.clone()).unwrap_or_default()
    }

    /// The mark at a name.
    pub fn mark(&self, name: &str) -> Option<String> {
        let values = self.values(&format!("_spore.{name}"), "TXT");
        let first = values.first()?;
        Some(first.trim_matches('"').to_owned())
    }

    pub fn calls(&self, name: &str) -> u32 {
        self.state
            .lock()
            .unwrap()
            .calls
            .get(name)
            .copied()
            .unwrap_or(0)
    }

    /// All of the zone, to be compared.
    pub fn zone(&self) -> BTreeMap<(String, String), RecordSet> {
        self.state.lock().unwrap().sets.clone()
    }

    pub fn port(&self, machine: &Machine) -> Port<'_> {
        Port {
            world: self,
            by: principal(machine),
        }
    }

    /// Before each call.
    async fn begin(&self, name: &'static str) {
        let slow = {
            let mut state = self.state.lock().unwrap();
            *state.calls.entry(name).or_default() += 1;
            state.weather.slow_ms
        };
        if slow > 0 {
            time::sleep(Duration::from_millis(slow)).await;
        }
        self.latency().await;
    }

    async fn latency(&self) {
        let wait = {
            let mut state = self.state.lock().unwrap();
            let most = state.weather.latency_ms;
            if most == 0 {
                0
            } else {
                state.next_random() % (most + 1)
            }
        };
        if wait > 0 {
            time::sleep(Duration::from_millis(wait)).await;
        }
    }

    fn take_token(&self, what: &'static str) -> Result<(), Failure> {
        let mut state = self.state.lock().unwrap();
        if !state.weather.limits {
            return Ok(());
        }
        let now = time::now();
        let (tokens, at) = state.tokens.entry(what).or_insert((50.0, now));
        *tokens = (*tokens + (now - *at).as_secs_f64() * 10.0).min(50.0);
        *at = now;
        if *tokens < 1.0 {
            return Err(Failure::Throttled);
        }
        *tokens -= 1.0;
        Ok(())
    }

    /// Route 53's own rules: all or nothing; CREATE needs nothing there, DELETE exactly that.
    fn apply(&self, batch: &Batch, by: &str) -> Result<String, Failure> {
        let mut state = self.state.lock().unwrap();
        let before = std::mem::take(&mut state.weather.written_before);
        for (calls, sets) in before {
            match calls {
                0 => state
                    .sets
                    .extend(sets.into_iter().map(|set| (key(&set), set))),
                _ => drop(state.weather.written_before.insert(calls - 1, sets)),
            }
        }
        if let Some(failure) = state.weather.change {
            return Err(failure);
        }
        let fate = state.weather.next_changes.pop_front();
        if let Some(Fate::Not(failure)) = fate {
            return Err(failure);
        }
        if state.weather.limits {
            let now = time::now();
            if state.busy_until.is_some_and(|until| now < until) {
                return Err(Failure::Pending);
            }
            state.busy_until = Some(now + Duration::from_millis(30));
        }
        assert!(
            !batch.changes().is_empty(),
            "Route 53 refuses an empty batch"
        );
        if state.weather.is_denied(batch) {
            return Err(Failure::Denied);
        }
        let mut after = state.sets.clone();
        for Change { action, set } in batch.changes() {
            assert!(set.name.ends_with(&format!(".{DOMAIN}")), "{set:?}");
            assert!(["A", "AAAA", "TXT"].contains(&set.kind.as_str()), "{set:?}");
            let key = key(set);
            let found = after.get(&key);
            match action {
                Action::Create if found.is_some() => return Err(Failure::Conflict),
                // A simple record and a weighted one of the same name and type.
                Action::Upsert if found.is_some_and(|found| !found.is_plain) => {
                    return Err(Failure::Conflict);
                }
                Action::Delete if found != Some(set) => return Err(Failure::Conflict),
                Action::Delete => drop(after.remove(&key)),
                Action::Create | Action::Upsert => drop(after.insert(key, set.clone())),
            }
        }
        // Beside a CNAME record there is nothing (RFC 1034, section 3.6.2).
        let is_beside_cname = |(place, kind): &(String, String)| {
            kind != "CNAME" && after.contains_key(&(place.clone(), "CNAME".to_owned()))
        };
        if after.keys().any(is_beside_cname) {
            return Err(Failure::Conflict);
        }
        self.judge(&state, &after, by);
        state.sets = after;
        state.history.push(by.to_owned());
        state.next_change += 1;
        let id = format!("/change/C{}", state.next_change);
        if state.weather.lost_answers > 0 {
            state.weather.lost_answers -= 1;
            return Err(Failure::Unanswered);
        }
        match fate {
            Some(Fate::MadeBut(failure)) => Err(failure),
            Some(Fate::Made | Fate::Not(_)) | None => Ok(id),
        }
    }

    /// The promises, whatever the updater thinks: nobody changes what is another's unless that one is
    /// gone, nothing made by hand is touched, and there is no record of the updater's without a mark.
    fn judge(&self, state: &Contents, after: &BTreeMap<(String, String), RecordSet>, by: &str) {
        let before = &state.sets;
        let touched: BTreeSet<&str> = before
            .iter()
            .chain(after)
            .filter(|(key, _)| before.get(*key) != after.get(*key))
            .map(|(_, set)| set.name.strip_prefix("_spore.").unwrap_or(&set.name))
            .collect();
        for name in touched {
            assert!(
                !state.by_hand.contains(name),
                "{by} changed {name}, made by hand"
            );
            let holder = holder(before, name);
            let heir = holder_of(after, name);
            if let Some((holder, since)) = &holder
                && holder != by
            {
                let id = holder.rsplit('/').next().unwrap();
                // Terminated, or an instance that EC2 does not know any more.
                let is_terminated = match state.instances.get(id) {
                    Some(instance) => instance.state == State::Terminated,
                    None => id.starts_with("i-"),
                };
                let age = self.now().as_second() - since.as_second();
                assert!(
                    is_terminated || age >= LEASE_SECS,
                    "{by} changed {name}, which {holder} holds"
                );
            }
            // It is the caller's now, or nobody's.
            assert!(
                heir.as_deref().is_none_or(|heir| heir == by),
                "{name}: {heir:?}, by {by}"
            );
            let has_records = after
                .values()
                .any(|set| set.name == name && ["A", "AAAA", "TXT"].contains(&set.kind.as_str()));
            assert!(
                has_records == heir.is_some(),
                "{name} has records and no mark, or neither"
            );
        }
    }
}

impl Weather {
    /// As the role's policy has it: what is no longer wanted may be deleted, in batches that do nothing
    /// else.
    fn is_denied(&self, batch: &Batch) -> bool {
        let Some((types, reserved)) = &self.narrowed else {
            return false;
        };
        let is_past = |set: &RecordSet| {
            let label = set.name.split('.').next().unwrap();
            reserved.contains(&label) || !(set.kind == "TXT" || types.contains(&set.kind.as_str()))
        };
        let mut changes = batch.changes().iter();
        changes.any(|change| is_past(&change.set))
            && !batch
                .changes()
                .iter()
                .all(|change| change.action == Action::Delete)
    }
}

impl Contents {
    /// SplitMix64 (Steele, Lea, Flood, 2014).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Who holds a name by its mark, and since when.
fn holder(sets: &BTreeMap<(String, String), RecordSet>, name: &str) -> Option<(String, Timestamp)> {
    let set = sets.get(&(reversed(&format!("_spore.{name}")), "TXT".to_owned()))?;
    let text = set.values[0].trim_matches('"');
    let field = |key: &str| {
        let found = text.split(' ').find_map(|field| field.strip_prefix(key));
        found.unwrap().to_owned()
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", field("t=")).unwrap();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    Some((field("p="), time))
}

fn holder_of(sets: &BTreeMap<(String, String), RecordSet>, name: &str) -> Option<String> {
    holder(sets, name).map(|(holder, _)| holder)
}

pub fn principal(machine: &Machine) -> String {
    let region = if machine.role.is_some() {
        "role"
    } else {
        machine.region
    };
    format!("{}/{region}/{}", machine.account, machine.id)
}

fn credentials(number: u32) -> Credentials {
    Credentials {
        access_key_id: format!("ASIAEXAMPLE{number:09}"),
        secret: format!("secret-{number}"),
        token: Some(format!("token{number}")),
    }
}

pub fn plain(name: &str, kind: &str, value: &str) -> RecordSet {
    RecordSet {
        name: name.to_owned(),
        kind: kind.to_owned(),
        ttl_secs: Some(60),
        values: vec![value.to_owned()],
        is_plain: true,
    }
}

/// Labels from the right, each with its dot, as Route 53 sorts.
fn reversed(name: &str) -> String {
    name.split('.')
        .rev()
        .map(|label| format!("{label}."))
        .collect()
}

fn key(set: &RecordSet) -> (String, String) {
    (reversed(&set.name), set.kind.clone())
}

impl Ports for Port<'_> {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn random(&self) -> u128 {
        let mut state = self.world.state.lock().unwrap();
        u128::from(state.next_random()) << 64 | u128::from(state.next_random())
    }

    fn credentials(&self) -> Option<Credentials> {
        Some(credentials(999_999))
    }

    async fn sleep(&self, duration: Duration) {
        time::sleep(duration).await;
    }

    async fn sts(&self, call: &Call) -> Result<StsAnswer, Failure> {
        self.world.begin("sts").await;
        let mut state = self.world.state.lock().unwrap();
        if let Some((status, code)) = state.weather.sts_throttles.pop() {
            let body = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender\
                 </Type><Code>{code}</Code><Message>Rate exceeded</Message></Error><RequestId>r\
                 </RequestId></ErrorResponse>"
            );
            return Ok(answer(status, &body));
        }
        Ok(sts(call, &state.machines))
    }

    async fn change(&self, batch: &Batch) -> Result<String, Failure> {
        self.world.begin("change").await;
        self.world.take_token("change")?;
        let answer = self.world.apply(batch, &self.by);
        self.world.latency().await;
        answer
    }

    async fn list(&self, start: &Start, limit: usize) -> Result<Page, Failure> {
        self.world.begin("list").await;
        self.world.take_token("list")?;
        let page = {
            let state = self.world.state.lock().unwrap();
            if let (Some(failure), true) = (
                state.weather.lists_after_change,
                state.calls.contains_key("change"),
            ) {
                return Err(failure);
            }
            let from = (
                reversed(&start.name),
                start.kind.clone().unwrap_or_default(),
            );
            let mut rest = state.sets.range(from..).map(|(_, set)| set.clone());
            let sets: Vec<RecordSet> = rest.by_ref().take(limit.min(300)).collect();
            let next = rest.next().map(|set| Start {
                name: set.name,
                kind: Some(set.kind),
                identifier: None,
            });
            Page { sets, next }
        };
        self.world.latency().await;
        Ok(page)
    }

    async fn describe(&self, question: &Question) -> Result<Option<Instance>, Failure> {
        self.world.begin("describe").await;
        let state = self.world.state.lock().unwrap();
        if let Some(failure) = state.weather.describe {
            return Err(failure);
        }
        let is_there = state.machines.iter().any(|machine| {
            machine.id == question.instance && machine.region == question.region.name()
        });
        Ok(state
            .instances
            .get(&question.instance)
            .filter(|_| is_there)
            .cloned())
    }
}

/// STS: computes the signature from the secret, over what was sent.
fn sts(call: &Call, machines: &[Machine]) -> StsAnswer {
    let headers: BTreeMap<&str, &str> = call.headers().collect();
    let authorization = headers["authorization"];
    let part = |from: &str, to: char| {
        let rest = authorization.split(from).nth(1).unwrap_or_default();
        rest.split(to).next().unwrap_or_default().to_owned()
    };
    let scope = part("Credential=", ',');
    let key_id = scope.split('/').next().unwrap_or_default();
    let signer = machines.iter().find(|machine| {
        machine.credentials.access_key_id == key_id
            && machine.credentials.token.as_deref() == headers.get("x-amz-security-token").copied()
    });
    let signed: Vec<(&str, &str)> = call
        .headers()
        .filter(|(name, _)| *name != "authorization")
        .collect();
    let expected = signer.map(|machine| {
        let request = sigv4::Request {
            method: "POST",
            path: "/",
            query: &[],
            headers: &signed,
            body: spore_updater::protocol::Sha256::of(call.body().as_bytes()),
        };
        let scope = Scope {
            date: headers["x-amz-date"],
            region: call.region().name(),
            service: "sts",
        };
        scope.signature(&machine.credentials.secret, &request.canonical())
    });
    let is_signed = expected.as_deref() == Some(part("Signature=", ' ').as_str());
    match signer.filter(|_| is_signed) {
        Some(machine) => answer(200, &identity(machine)),
        None => answer(
            403,
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender\
             </Type><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error><RequestId>r\
             </RequestId></ErrorResponse>",
        ),
    }
}

fn identity(machine: &Machine) -> String {
    let (account, id) = (&machine.account, &machine.id);
    let (role, user, session) = match machine.role {
        None => (
            "aws:ec2-instance",
            format!("{account}:aws:ec2-instance"),
            id.as_str(),
        ),
        Some(role) => (role, id.clone(), "session"),
    };
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>arn:aws:sts::{account}:assumed-role/{role}/{session}</Arn>\
         <UserId>{user}:{session}</UserId><Account>{account}</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )
}

fn answer(status: u16, body: &str) -> StsAnswer {
    StsAnswer {
        status,
        content_type: "text/xml".to_owned(),
        body: body.as_bytes().to_vec(),
    }
}

/// A configuration with some changes.
pub fn config(change: impl FnOnce(&mut Value)) -> String {
    let mut config = json!({
        "version": 1, "domain": DOMAIN, "zone_id": ZONE_ID, "account": HOME, "region": "us-east-1",
        "accounts": "any", "deny": [], "proofs": ["instance-role"], "roles": [],
        "naming": "per-account", "record_types": ["A", "AAAA", "TXT"], "ttl_secs": 60,
        "lease_secs": LEASE_SECS, "quota": 100, "rate": { "requests": 10_000, "per_secs": 60 },
        "reserved": ["vpn"], "require_tag": { "key": "spawn:managed", "value": "true" },
        "private_cidrs": ["10.0.0.0/16"], "contacts": { "owner": "dns@example.edu", "security": null },
    });
    change(&mut config);
    config.to_string()
}

pub fn updater(config: &str) -> Updater {
    let own = Own {
        access_key_id: credentials(999_999).access_key_id,
        function: "spore".to_owned(),
    };
    Updater::new(config.parse().unwrap(), own, Keys::aws()).unwrap()
}

/// A request as a client makes it.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub update: Update,
}

impl Ask {
    pub fn set(name: &str, address: impl Into<IpAddr>) -> Self {
        let mut ask = Self::default();
        ask.update.record_name = Some(name.to_owned());
        ask.update.ip_address = Some(address.into().to_string());
        ask
    }

    pub fn text(name: &str, text: &str) -> Self {
        let mut ask = Self::default();
        ask.update.record_name = Some(name.to_owned());
        ask.update.record_type = Some("TXT".to_owned());
        ask.update.text = Some(text.to_owned());
        ask
    }

    pub fn delete(name: &str) -> Self {
        let mut ask = Self::default();
        ask.update.record_name = Some(name.to_owned());
        ask.update.action = Some("DELETE".to_owned());
        ask
    }

    pub fn of_type(mut self, record_type: &str) -> Self {
        self.update.record_type = Some(record_type.to_owned());
        self
    }

    pub fn with_owner(mut self, owner: Option<String>) -> Self {
        self.update.owner = owner;
        self
    }

    /// The event in which the gateway hands it over, signed now.
    pub fn event(&self, machine: &Machine, now: Timestamp, nonce: u128) -> Event {
        self.event_from(machine, now, nonce, machine.address.into())
    }

    pub fn event_from(
        &self,
        machine: &Machine,
        now: Timestamp,
        nonce: u128,
        source: IpAddr,
    ) -> Event {
        let proof = SignedProof::sign(
            if machine.role.is_some() {
                SignedType::IamRole
            } else {
                SignedType::InstanceRole
            },
            &machine.credentials,
            Region::named(machine.region).unwrap(),
            now,
            &Audience::request(DOMAIN, ZONE_ID),
            &Nonce::from_bits(nonce),
            self.update.sha256(),
        );
        let mut body = self.members();
        body["proof"] = serde_json::to_value(proof.unwrap()).unwrap();
        event(&body.to_string(), source)
    }

    pub fn members(&self) -> Value {
        let update = &self.update;
        let mut body = json!({});
        for (name, value) in [
            ("record_name", &update.record_name),
            ("ip_address", &update.ip_address),
            ("action", &update.action),
            ("record_type", &update.record_type),
            ("text", &update.text),
            ("owner", &update.owner),
        ] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        if let Some(ttl) = update.ttl {
            body["ttl"] = json!(ttl);
        }
        body
    }
}

pub fn event(body: &str, source: IpAddr) -> Event {
    serde_json::from_value(json!({
        "resource": "/update-dns", "path": "/update-dns", "httpMethod": "POST",
        "headers": { "Content-Type": "application/json" },
        "requestContext": { "requestId": "gateway-1", "identity": { "sourceIp": source } },
        "body": body, "isBase64Encoded": false,
    }))
    .unwrap()
}

/// What a caller reads.
#[derive(Debug, Clone)]
pub struct Said {
    pub status: u64,
    pub code: String,
    pub text: String,
    pub owner: Option<String>,
    pub change_id: Option<String>,
    pub body: Value,
    pub answer: Value,
    pub audit: Value,
}

pub async fn send(world: &World, updater: &Updater, machine: &Machine, event: &Event) -> Said {
    let handled = updater
        .handle(&world.port(machine), event, "invocation-1")
        .await;
    let answer = serde_json::to_value(&handled.answer).unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let text = |name: &str| body[name].as_str().map(ToOwned::to_owned);
    Said {
        status: answer["statusCode"].as_u64().unwrap(),
        code: text("code").unwrap(),
        text: text("message").or(text("error")).unwrap(),
        owner: text("owner"),
        change_id: text("change_id"),
        audit: serde_json::from_str(&handled.audit.line()).unwrap(),
        body,
        answer,
    }
}
