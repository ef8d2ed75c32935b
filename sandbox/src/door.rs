//! The in-process door: a world, its clock and its folder behind one lock.
//!
//! [`Sandbox::exchange`] takes an HTTP request as an SDK's connector has it. A call that may have
//! changed the world is stored before it is answered; if it cannot be stored it did not happen.
//! Everything that reaches the world from outside comes through here, the HTTP server included.
//!
//! Time: the world's clock is the host's plus what was slept or advanced so far. Opened with an
//! explicit start, it stands still but for that, so that traces repeat.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use jiff::Timestamp;

use crate::call::{Answered, Arrived};
use crate::fault::{Fault, FaultPlan, FaultSyntax, Rule, Selector};
use crate::profile::Profile;
use crate::record::{RecordError, Recorded, Recorder};
use crate::store::{Store, StoreError};
use crate::world::{AwsError, Request, Response, Via, World};

/// One simulated AWS. Clones share it.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    world: World,
    /// What the folder has; the world goes back to it when it cannot be stored.
    stored: World,
    store: Option<Store>,
    /// The standing clock of a test; none for the host's.
    start: Option<Timestamp>,
    /// Latest time given out: the clock never goes back within a process.
    given: Timestamp,
    faults: FaultPlan,
    calls: u64,
    recorder: Recorder,
    on_crash: OnCrash,
    crashed: bool,
}

/// How a sandbox is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Delays, lags and limits; those of AWS if not given.
    pub profile: Option<Profile>,
    /// Seed of a new world. Equal seeds and equal calls give equal ids and keys.
    pub seed: u64,
    /// Where a standing clock starts, before what the world is ahead.
    pub start: Option<Timestamp>,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// What is recorded.
    pub recording: Recording,
    /// What a crash does.
    pub on_crash: OnCrash,
}

/// What is recorded of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Recording {
    /// Nothing.
    #[default]
    Off,
    /// Lines for [`Sandbox::recorded`].
    Memory,
    /// Lines appended to a file.
    File(PathBuf),
}

/// What the faults `crash-before` and `crash-after` do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnCrash {
    /// This call and all later ones fail with [`Broken::Crashed`]: a test plays the dead process.
    #[default]
    Fail,
    /// The process ends as by SIGKILL (status 137 in a shell): no destructor runs.
    Kill,
}

/// An exchange without an answer.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The fault `lose-answer` struck.
    #[error("the connection broke before the answer came")]
    AnswerLost,
    /// The fault `crash-before` or `crash-after` struck under [`OnCrash::Fail`].
    #[error("the process was to die here")]
    Crashed,
    /// The call could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A sandbox that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its record cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A variable of the environment that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("SPORE_SANDBOX_FAULT")]
pub struct BadVariable(#[from] FaultSyntax);

impl Options {
    /// Takes faults and recording from the environment: `SPORE_SANDBOX_FAULT` and `SPORE_RECORD`.
    /// Faults that come this way kill the process for real.
    pub fn from_environment(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadVariable> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(text) = set("SPORE_SANDBOX_FAULT") {
            self.faults = text.parse()?;
            self.on_crash = OnCrash::Kill;
        }
        if let Some(path) = set("SPORE_RECORD") {
            self.recording = Recording::File(path.into());
        }
        Ok(self)
    }
}

/// What a door has to do with a call, once the world is done with it.
#[derive(Debug)]
pub enum Outcome {
    /// Give the answer, after a while if a fault delayed it.
    Answer(Response, Duration),
    /// Never answer.
    Hang,
    /// Break the connection.
    Break(Broken),
}

impl Sandbox {
    /// Opens the world of a folder, or a new one in memory that is gone with its last clone.
    pub fn open(dir: Option<PathBuf>, options: Options) -> Result<Self, OpenError> {
        let recorder = match &options.recording {
            Recording::Off => Recorder::Off,
            Recording::Memory => Recorder::Memory(Vec::new()),
            Recording::File(path) => Recorder::open(path)?,
        };
        let profile = options.profile.unwrap_or(Profile::Aws);
        let store = dir.map(|dir| Store::open(&dir)).transpose()?;
        let found = store.as_ref().map(Store::load).transpose()?.flatten();
        let mut world = found.unwrap_or_else(|| World::new(options.seed, profile));
        // The profile belongs to the door: one folder may be served fast and used in process later.
        world.profile = profile;
        let inner = Inner {
            stored: world.clone(),
            given: world.latest,
            world,
            store,
            start: options.start,
            faults: options.faults,
            calls: 0,
            recorder,
            on_crash: options.on_crash,
            crashed: false,
        };
        Ok(Self {
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// A call that panicked has left its thread, not the world: operations check before they change.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// World time.
    pub fn now(&self) -> Timestamp {
        self.lock().now()
    }

    /// Lets the world's clock be at least `until`, at no cost. The clock is stored at once: what was
    /// seen at a time must not be seen again at an earlier one.
    pub fn sleep_until(&self, until: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let span = Duration::try_from(until.duration_since(inner.now())).unwrap_or_default();
        if span.is_zero() {
            Ok(())
        } else {
            inner.advance(span)
        }
    }

    /// Moves the world's clock ahead.
    pub fn advance(&self, span: Duration) -> Result<(), StoreError> {
        self.lock().advance(span)
    }

    /// Sends a request and waits for its answer. A hanging call never ends: the caller's own timeout
    /// must end it, on this world's clock.
    pub async fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Broken> {
        match self.deliver(&of_http(request)) {
            Outcome::Answer(response, delay) => {
                if !delay.is_zero() {
                    // A clock that could not be stored is told by the next write.
                    self.advance(delay).ok();
                }
                Ok(to_http(response))
            }
            Outcome::Hang => std::future::pending().await,
            Outcome::Break(broken) => Err(broken),
        }
    }

    /// Carries out a request, with its faults, its record and its storing.
    pub fn deliver(&self, request: &Request) -> Outcome {
        self.lock().deliver(request).unwrap_or_else(Outcome::Break)
    }

    /// Asks a simulated name server. None is silence.
    pub fn dns(&self, server: IpAddr, query: &[u8]) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        let now = inner.now();
        inner.world.dns(now, server, query)
    }

    /// As [`Self::dns`], over TCP: the answer is never truncated.
    pub fn dns_stream(&self, server: IpAddr, query: &[u8]) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        let now = inner.now();
        inner.world.dns_stream(now, server, query)
    }

    /// Works on the world directly, as registrars, hostmasters and tests do, and stores it.
    pub fn with_world<R>(
        &self,
        work: impl FnOnce(&mut World, Timestamp) -> R,
    ) -> Result<R, StoreError> {
        let mut inner = self.lock();
        let now = inner.now();
        let result = work(&mut inner.world, now);
        inner.save(now)?;
        Ok(result)
    }

    /// Looks at the world.
    pub fn inspect<R>(&self, look: impl FnOnce(&World, Timestamp) -> R) -> R {
        let mut inner = self.lock();
        let now = inner.now();
        look(&inner.world, now)
    }

    /// The lines recorded in memory so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        match &self.lock().recorder {
            Recorder::Memory(lines) => lines.clone(),
            Recorder::Off | Recorder::File { .. } => Vec::new(),
        }
    }

    /// Number of calls so far.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Replaces what goes wrong from now on, and brings a crashed test process back to life. The
    /// calls keep their count.
    pub fn set_faults(&self, faults: FaultPlan) {
        let mut inner = self.lock();
        inner.faults = faults;
        inner.crashed = false;
    }

    /// Starts afresh in the same folder. The clock stays where it is.
    pub fn reset(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let now = inner.now();
        let mut world = World::new(inner.world.random.next(), inner.world.profile);
        world.ahead = inner.world.ahead;
        inner.world = world;
        inner.save(now)
    }

    /// What a server does with its folder: say where it listens.
    pub(crate) fn with_store<R>(&self, work: impl FnOnce(Option<&Store>) -> R) -> R {
        work(self.lock().store.as_ref())
    }
}

impl Inner {
    fn now(&mut self) -> Timestamp {
        let host = self.start.unwrap_or_else(host_now);
        let now = host.checked_add(self.world.ahead).unwrap_or(Timestamp::MAX);
        self.given = self.given.max(now);
        self.given
    }

    fn advance(&mut self, span: Duration) -> Result<(), StoreError> {
        let host = self.start.unwrap_or_else(host_now);
        let running = host.checked_add(self.world.ahead).unwrap_or(Timestamp::MAX);
        // The clock as it is given out stands above host plus `ahead` if the host's was set back.
        let behind = Duration::try_from(self.given.duration_since(running)).unwrap_or_default();
        self.world.ahead = self.world.ahead.saturating_add(behind).saturating_add(span);
        self.stored.ahead = self.world.ahead;
        let now = self.now();
        self.save(now)
    }

    /// Stores the world, or takes it back to what is stored.
    fn save(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.world.latest = now;
        self.world.limits.forget_full(now);
        if let Some(store) = &self.store
            && let Err(error) = store.save(&self.world)
        {
            self.world = self.stored.clone();
            return Err(error);
        }
        self.stored = self.world.clone();
        Ok(())
    }

    fn deliver(&mut self, request: &Request) -> Result<Outcome, Broken> {
        if self.crashed {
            return Err(Broken::Crashed);
        }
        self.calls += 1;
        let now = self.now();
        let arrived = Arrived::new(request);
        let struck = self
            .faults
            .strike(self.calls, arrived.service(), arrived.operation());
        let mut plan = Plan::default();
        for fault in &struck {
            plan.add(fault, &arrived);
        }
        let line = |answered: Option<&Answered>, recorder: &mut Recorder, index: u64| {
            if !recorder.is_on() {
                return Ok(());
            }
            let mut line = Recorded::new((index, now), request, &arrived, answered);
            line.faults = struck.iter().map(|fault| text_of(fault, index)).collect();
            recorder.take(line)
        };
        if plan.crash_before {
            line(None, &mut self.recorder, self.calls)?;
            return Err(self.crash());
        }
        if plan.hang {
            line(None, &mut self.recorder, self.calls)?;
            return Ok(Outcome::Hang);
        }
        let mut answered = match &plan.fail {
            Some(error) => {
                let id = self.world.random.uuid();
                Answered::refused(arrived.refuse(error, &id), error.clone())
            }
            None => self.carry_out(now, &arrived),
        };
        if plan.repeat {
            line(Some(&answered), &mut self.recorder, self.calls)?;
            answered = self.carry_out(now, &arrived);
        }
        line(Some(&answered), &mut self.recorder, self.calls)?;
        if plan.crash_after {
            return Err(self.crash());
        }
        if plan.lose_answer {
            return Err(Broken::AnswerLost);
        }
        Ok(Outcome::Answer(answered.response, plan.delay))
    }

    /// Carries out a call and stores what it wrote before anybody sees the answer.
    fn carry_out(&mut self, now: Timestamp, arrived: &Arrived<'_>) -> Answered {
        let mut answered = self.world.answer(now, Via::Host, arrived);
        if answered.wrote
            && let Err(error) = self.save(now)
        {
            let message =
                format!("the sandbox could not keep the change, so it was not made: {error}");
            let error = AwsError {
                status: Some(500),
                ..AwsError::new("InternalFailure", message)
            };
            let id = self.world.random.uuid();
            answered.response = arrived.refuse(&error, &id);
            answered.error = Some(error);
            answered.wrote = false;
        }
        answered
    }

    fn crash(&mut self) -> Broken {
        match self.on_crash {
            OnCrash::Fail => {
                self.crashed = true;
                Broken::Crashed
            }
            OnCrash::Kill => kill_this_process(),
        }
    }
}

/// What the faults of a call come to.
#[derive(Default)]
struct Plan {
    crash_before: bool,
    crash_after: bool,
    hang: bool,
    lose_answer: bool,
    repeat: bool,
    fail: Option<AwsError>,
    delay: Duration,
}

impl Plan {
    fn add(&mut self, fault: &Fault, arrived: &Arrived<'_>) {
        match fault {
            Fault::CrashBefore => self.crash_before = true,
            Fault::CrashAfter => self.crash_after = true,
            Fault::LoseAnswer => self.lose_answer = true,
            Fault::Hang => self.hang = true,
            Fault::Repeat => self.repeat = true,
            Fault::Fail(code) => {
                self.fail = Some(AwsError::new(code, "a fault of the sandbox's fault plan"));
            }
            Fault::Throttle => self.fail = Some(arrived.throttled()),
            Fault::Delay(span) => self.delay += Duration::try_from(*span).unwrap_or_default(),
        }
    }
}

fn text_of(fault: &Fault, index: u64) -> String {
    Rule {
        fault: fault.clone(),
        selector: Selector::Call(index),
        times: 1,
    }
    .to_string()
}

/// Dies as by the hand of an operator or the kernel: nothing is flushed, nothing is dropped.
fn kill_this_process() -> ! {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
    std::process::abort()
}

/// The host's clock: read here and nowhere else in this package.
fn host_now() -> Timestamp {
    Timestamp::now()
}

/// A request as the SDKs' connectors and hyper have it.
pub fn of_http(request: http::Request<Bytes>) -> Request {
    let (parts, body) = request.into_parts();
    let mut headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let authority = parts.uri.authority().map(|authority| {
        // The default port is not part of the host, in the header and in the signature alike.
        let text = authority.as_str();
        let default = if parts.uri.scheme_str() == Some("http") {
            ":80"
        } else {
            ":443"
        };
        text.strip_suffix(default).unwrap_or(text).to_owned()
    });
    let sent = headers
        .iter()
        .find(|(name, _)| name == "host")
        .map(|(_, value)| value.clone());
    if let (None, Some(authority)) = (&sent, &authority) {
        headers.push(("host".to_owned(), authority.clone()));
    }
    let host = sent.or(authority).unwrap_or_default();
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &host,
    };
    Request {
        method: parts.method.as_str().to_owned(),
        host: without_port.to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.to_vec(),
    }
}

/// A response as the SDKs' connectors and hyper take it.
pub fn to_http(response: Response) -> http::Response<Bytes> {
    let mut built = http::Response::new(Bytes::from(response.body));
    *built.status_mut() = http::StatusCode::from_u16(response.status)
        .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let value = http::HeaderValue::from_str(&value);
        if let (Ok(name), Ok(value)) = (name, value) {
            built.headers_mut().append(name, value);
        }
    }
    built
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
