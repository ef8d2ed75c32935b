//! The in-process door: a world, its clock and its folder behind one lock.
//!
//! [`Sandbox::exchange`] takes an HTTP request as an SDK's connector has it. A call that may have
//! changed the world is stored before it is answered; if it cannot be stored it did not happen.
//! Everything that reaches the world from outside comes through here, the HTTP server included.
//!
//! Functions run outside the lock, by an [`Invoker`] if the door has one: [`Sandbox::deliver`] then
//! gives an [`Outcome::Run`], which [`Sandbox::complete`] brings to its answer.
//!
//! Time: the world's clock is the host's plus what was slept or advanced so far. Opened with an
//! explicit start, it stands still but for that, so that traces repeat.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use jiff::Timestamp;

use crate::apigateway;
use crate::call::{Answered, Arrived};
use crate::dns::Transport;
use crate::fault::{Fault, FaultPlan, FaultSyntax, Rule, Selector};
use crate::instance::{Family, metadata};
use crate::invoke::{Invoker, Run};
use crate::profile::Profile;
use crate::record::{RecordError, Recorded, Recorder};
use crate::store::{Store, StoreError};
use crate::world::{AwsError, Effect, Held, Invocation, Ran, Request, Response, Via, World};

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
    /// Who runs functions.
    invoker: Option<Arc<dyn Invoker>>,
    watcher: Option<Watcher>,
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
    /// Policies that administrators are held to.
    pub held: Option<Held>,
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
    /// The instance does not run, or nothing is at this address for it.
    #[error("no way leads there from this instance")]
    NoWay,
}

/// Where a request comes from: by which way, and from which address AWS sees it come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    via: Via,
    peer: IpAddr,
}

impl Origin {
    const HOST: Self = Self {
        via: Via::Host,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };

    /// A way with an address of its own.
    pub(crate) fn of(via: Via) -> Self {
        let peer = via.source();
        Self { via, peer }
    }

    /// A client at the door, by the address it comes from.
    pub(crate) fn peer(peer: IpAddr) -> Self {
        let via = Via::Host;
        Self { via, peer }
    }
}

/// Where a program sits that runs on an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The instance.
    pub id: String,
    /// The family of addresses it uses.
    pub family: Family,
    /// How far it is from the metadata: 1, or 2 in a container with a network of its own.
    pub hops: u8,
}

impl Seat {
    /// A program on the instance itself that uses IPv4.
    pub fn on(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            family: Family::V4,
            hops: 1,
        }
    }
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

/// Somebody who looks at every change.
struct Watcher(Box<Look>);

/// What it is shown: what was done, the world after it, and when.
type Look = dyn FnMut(&str, &World, Timestamp) + Send;

impl fmt::Debug for Watcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Watcher")
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
    /// Run a function first: [`Sandbox::complete`].
    Run(Box<Pending>),
}

/// A request that waits for a function.
#[derive(Debug)]
pub struct Pending {
    index: u64,
    request: Request,
    invocation: Invocation,
    /// None for a request to a REST API, which is no call of an operation.
    call: Option<(Answered, Plan, Vec<Fault>)>,
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
        world.held = options.held;
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
            invoker: None,
            watcher: None,
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
        let outcome = self.answer(Origin::HOST, &of_http(request)).await;
        self.given(outcome).await
    }

    /// As [`Self::exchange`], from an instance: of its metadata, or through its way out.
    pub async fn exchange_from(
        &self,
        seat: &Seat,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Broken> {
        let outcome = self.answer_instance(seat, &of_http(request)).await;
        self.given(outcome).await
    }

    /// An outcome as an in-process caller gets it.
    async fn given(&self, outcome: Outcome) -> Result<http::Response<Bytes>, Broken> {
        match outcome {
            Outcome::Answer(response, delay) => {
                if !delay.is_zero() {
                    // A clock that could not be stored is told by the next write.
                    self.advance(delay).ok();
                }
                Ok(to_http(response))
            }
            Outcome::Break(broken) => Err(broken),
            // A run was completed: what is left is a call without an answer.
            Outcome::Hang | Outcome::Run(_) => std::future::pending().await,
        }
    }

    /// Carries out a request that a program on an instance sends.
    pub(crate) async fn answer_instance(&self, seat: &Seat, request: &Request) -> Outcome {
        if metadata::is_metadata(&request.path) {
            return match seat.family {
                // The service's IPv6 address has to be switched on (HttpProtocolIpv6), and nothing
                // here does.
                Family::V6 => Outcome::Break(Broken::NoWay),
                Family::V4 => self.lock().metadata(seat, request),
            };
        }
        // What belongs to the sandbox itself is of another world than an instance's.
        if request.path.starts_with("/_spore/") {
            return Outcome::Break(Broken::NoWay);
        }
        let source = self.lock().world.way_out(&seat.id, seat.family);
        match source {
            None => Outcome::Break(Broken::NoWay),
            Some(source) => {
                self.answer(Origin::of(Via::Instance(source)), request)
                    .await
            }
        }
    }

    /// Carries out a request of a client to its end; functions run.
    pub(crate) async fn answer(&self, origin: Origin, request: &Request) -> Outcome {
        let outcome = {
            let mut inner = self.lock();
            match inner.execute(origin.peer, request) {
                Some(outcome) => outcome,
                None => inner
                    .deliver(origin.via, request)
                    .unwrap_or_else(Outcome::Break),
            }
        };
        match outcome {
            Outcome::Run(pending) => self.complete(*pending).await,
            Outcome::Answer(..) | Outcome::Hang | Outcome::Break(_) => outcome,
        }
    }

    /// Carries out a request, with its faults, its record and its storing.
    pub fn deliver(&self, request: &Request) -> Outcome {
        let outcome = self.lock().deliver(Via::Host, request);
        outcome.unwrap_or_else(Outcome::Break)
    }

    /// Runs the function that a request waits for, and answers it.
    pub async fn complete(&self, mut pending: Pending) -> Outcome {
        let invocation = pending.invocation.clone();
        let started = self.lock().start(&invocation);
        let response = match started {
            Err(error) => self.lock().refuse_run(invocation, error),
            Ok((invoker, run)) => {
                let sandbox = self.clone();
                // A task of its own: the run goes on when the client goes away, as it does at AWS.
                let running = tokio::spawn(async move {
                    let ran = invoker.invoke(run).await;
                    sandbox.lock().resume(invocation, ran)
                });
                match running.await {
                    Ok(response) => response,
                    Err(_) => return Outcome::Break(Broken::AnswerLost),
                }
            }
        };
        let mut inner = self.lock();
        inner
            .completed(&mut pending, response)
            .unwrap_or_else(Outcome::Break)
    }

    /// Lets functions run from now on.
    pub fn set_invoker(&self, invoker: Arc<dyn Invoker>) {
        self.lock().invoker = Some(invoker);
    }

    /// Ends all functions; none runs from now on.
    pub(crate) fn stop_functions(&self) {
        let invoker = self.lock().invoker.take();
        if let Some(invoker) = invoker {
            invoker.stop();
        }
    }

    pub(crate) fn has_invoker(&self) -> bool {
        self.lock().invoker.is_some()
    }

    /// Asks a simulated name server. None is silence.
    pub fn dns(&self, server: IpAddr, query: &[u8]) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        let now = inner.now();
        inner.world.dns(now, server, query)
    }

    /// Asks the resolver over the simulated name servers. None is silence.
    pub fn resolve(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        self.inspect(|world, now| world.resolve(now, query, transport))
    }

    /// Writes the root's trust anchor into the folder, if there is one.
    pub(crate) fn publish_anchor(&self) -> Result<(), StoreError> {
        let inner = self.lock();
        match &inner.store {
            Some(store) => store.publish(&inner.world.root_anchor()),
            None => Ok(()),
        }
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
        inner.tell("by hand", now);
        Ok(result)
    }

    /// Has every change of the world looked at as soon as it is made: by a call, whose name is given, or
    /// by [`Self::with_world`]. The watcher must not use the sandbox.
    pub fn watch(&self, watcher: impl FnMut(&str, &World, Timestamp) + Send + 'static) {
        self.lock().watcher = Some(Watcher(Box::new(watcher)));
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
        world.held = inner.world.held.clone();
        world.ahead = inner.world.ahead;
        inner.world = world;
        inner.save(now)
    }

    /// Holds administrators to some policies from now on, or lets them go.
    pub fn hold(&self, held: Option<Held>) {
        let mut inner = self.lock();
        inner.stored.held.clone_from(&held);
        inner.world.held = held;
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
            let mut failed = std::mem::replace(&mut self.world, self.stored.clone());
            // What runs, runs on.
            self.world.lambda.keep_environments(&mut failed.lambda);
            return Err(error);
        }
        self.stored = self.world.clone();
        Ok(())
    }

    fn deliver(&mut self, via: Via, request: &Request) -> Result<Outcome, Broken> {
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
            record(
                recorder,
                (index, now),
                (request, &arrived),
                (answered, &struck),
            )
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
            None => self.carry_out((now, via), &arrived),
        };
        if let Some(invocation) = answered.invocation.take() {
            // The rest of its faults strike when the function has run. It runs once: a repeated
            // invocation is a repeated event, which is the function's affair.
            return Ok(Outcome::Run(Box::new(Pending {
                index: self.calls,
                request: request.clone(),
                invocation,
                call: Some((answered, plan, struck)),
            })));
        }
        if plan.repeat {
            line(Some(&answered), &mut self.recorder, self.calls)?;
            answered = self.carry_out((now, via), &arrived);
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

    /// Carries out a request to a REST API, if it is one: no AWS operation, so that neither faults
    /// nor the count of calls are concerned.
    fn execute(&mut self, peer: IpAddr, request: &Request) -> Option<Outcome> {
        let now = self.now();
        let effect = apigateway::execute(&mut self.world, now, peer, request)?;
        match effect {
            Effect::Answer(response) => {
                let response = self.stored_first(now, response);
                Some(Outcome::Answer(response, Duration::ZERO))
            }
            Effect::Invoke(invocation) => Some(Outcome::Run(Box::new(Pending {
                index: self.calls,
                request: request.clone(),
                invocation,
                call: None,
            }))),
            Effect::Silence => Some(Outcome::Hang),
            Effect::Die => Some(Outcome::Break(self.crash())),
        }
    }

    /// Answers for an instance's metadata: no AWS operation either.
    fn metadata(&mut self, seat: &Seat, request: &Request) -> Outcome {
        let now = self.now();
        let Some(told) = self.world.metadata(now, &seat.id, seat.hops, request) else {
            return Outcome::Break(Broken::NoWay);
        };
        match told.response {
            None => Outcome::Hang,
            Some(response) if told.wrote => {
                Outcome::Answer(self.stored_first(now, response), Duration::ZERO)
            }
            Some(response) => Outcome::Answer(response, Duration::ZERO),
        }
    }

    /// Gives an answer once the world is stored, or says that it could not be.
    fn stored_first(&mut self, now: Timestamp, response: Response) -> Response {
        match self.save(now) {
            Ok(()) => response,
            Err(error) => Response {
                status: 500,
                headers: vec![("content-type".into(), "text/plain".into())],
                body: format!("the sandbox could not keep the change: {error}\n").into_bytes(),
            },
        }
    }

    /// What a run needs, if the function can run now.
    fn start(&mut self, invocation: &Invocation) -> Result<(Arc<dyn Invoker>, Run), AwsError> {
        let Some(invoker) = self.invoker.clone() else {
            return Err(AwsError::not_modelled(
                "running functions within another program: use the server, `spore-infra sandbox \
                 serve`",
            ));
        };
        let now = self.now();
        let run = self.world.start(now, invocation)?;
        // The function will call with credentials that this may have issued.
        self.save(now).map_err(|error| AwsError {
            status: Some(500),
            ..AwsError::new("ServiceException", error.to_string())
        })?;
        Ok((invoker, run))
    }

    fn resume(&mut self, invocation: Invocation, ran: Ran) -> Response {
        let now = self.now();
        let response = self.world.resume(now, invocation, ran);
        self.stored_first(now, response)
    }

    fn refuse_run(&mut self, invocation: Invocation, error: AwsError) -> Response {
        let now = self.now();
        let response = self.world.refuse_run(now, invocation, error);
        self.stored_first(now, response)
    }

    /// The answer to a request whose function ran, with the rest of its faults.
    fn completed(&mut self, pending: &mut Pending, response: Response) -> Result<Outcome, Broken> {
        let Some((answered, plan, struck)) = &mut pending.call else {
            return Ok(Outcome::Answer(response, Duration::ZERO));
        };
        answered.response = response.clone();
        answered.wrote = true;
        let now = self.now();
        let arrived = Arrived::new(&pending.request);
        let at = (pending.index, now);
        record(
            &mut self.recorder,
            at,
            (&pending.request, &arrived),
            (Some(answered), struck),
        )?;
        if plan.crash_after {
            return Err(self.crash());
        }
        if plan.lose_answer {
            return Err(Broken::AnswerLost);
        }
        Ok(Outcome::Answer(response, plan.delay))
    }

    /// Carries out a call and stores what it wrote before anybody sees the answer.
    fn carry_out(&mut self, (now, via): (Timestamp, Via), arrived: &Arrived<'_>) -> Answered {
        let mut answered = self.world.answer(now, via, arrived);
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
        if answered.wrote {
            self.tell(arrived.operation(), now);
        }
        answered
    }

    fn tell(&mut self, what: &str, now: Timestamp) {
        if let Some(watcher) = &mut self.watcher {
            (watcher.0)(what, &self.world, now);
        }
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

/// Takes a line for a request.
fn record(
    recorder: &mut Recorder,
    (index, now): (u64, Timestamp),
    (request, arrived): (&Request, &Arrived<'_>),
    (answered, struck): (Option<&Answered>, &[Fault]),
) -> Result<(), RecordError> {
    if !recorder.is_on() {
        return Ok(());
    }
    let mut line = Recorded::new((index, now), request, arrived, answered);
    line.faults = struck.iter().map(|fault| text_of(fault, index)).collect();
    recorder.take(line)
}

/// What the faults of a call come to.
#[derive(Debug, Default)]
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
pub(crate) fn host_now() -> Timestamp {
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
