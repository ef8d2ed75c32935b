//! The HTTP door: the same world for boto3, the AWS CLI, Terraform and everybody else.
//!
//! A request for a service is told apart by its credential scope, so one address serves all of them.
//! What belongs to the sandbox itself is under `/_spore/`:
//!
//! | route | what |
//! |---|---|
//! | `GET /_spore/info` | [`Info`]: who serves, since which offset, how to ask name servers |
//! | `GET /_spore/instances` | [`View`]s of all instances, with the URL of each one's listener |
//! | `GET /_spore/identity-keys` | [`PublicKeys`] of identity documents by region |
//! | `GET /_spore/identity-certificates` | the same as [`Certificates`] |
//! | `GET /_spore/root.key` | the root's trust anchor as a master file |
//! | `POST /_spore/dns/ADDRESS` | a DNS message to the simulated name server of that address |
//! | `POST /_spore/dns/ADDRESS/tcp` | the same over TCP: the answer is never truncated |
//! | `POST /_spore/command` | a [`Command`] |
//! | `POST /_spore/advance?seconds=N` | the command `advance` for curl |
//! | `POST /_spore/reset` | the command `reset` for curl |
//!
//! The two routes of keys take `?region=NAME`; without it they tell those of all regions where there
//! are instances.
//!
//! Name servers are also reached through a resolver on a DNS port of its own ([`Info::resolver`]).
//!
//! They answer callers on this machine only, and only under a loopback host name: a page in a browser
//! that rebinds its own name to 127.0.0.1 (DNS rebinding) must not reset somebody's world.
//!
//! Functions and instances have listeners of their own ([`ways`]), so that the world knows where a
//! request comes from.

mod resolver;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dns::{self, RegistrarAction, Transport};
use crate::door::{Origin, Outcome, Sandbox, of_http, to_http};
#[cfg(doc)]
use crate::instance::{Certificates, PublicKeys};
use crate::instance::{InstanceAction, View};
use crate::invoke::process::ProcessInvoker;
use crate::profile::Profile;
use crate::store::{ServeInfo, StoreError};
use crate::world::{Via, World};

pub mod ways;

use ways::Ways;

/// Longest body taken: AWS's largest here is a Lambda zip of 50 MB, in base64.
const BODY_BYTES_MAX: usize = 70 * 1024 * 1024;

/// How long requests in flight may take once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A client that does not finish its headers is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How a server listens.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address of the resolver; none takes 127.0.0.1:5353, or a free port where that is in use.
    pub dns: Option<SocketAddr>,
    /// Added to every answer of a service.
    pub latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4566)),
            dns: None,
            latency: Duration::ZERO,
        }
    }
}

/// A server that cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The answer of `/_spore/info`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Version of the sandbox.
    pub version: String,
    /// Process id of the server.
    pub pid: u32,
    /// Base URL of the services.
    pub url: String,
    /// Base URL of the name servers: a query is posted to it with the server's address appended.
    pub dns: String,
    /// The resolver over the name servers, for tools that speak DNS.
    pub resolver: Option<SocketAddr>,
    /// World time.
    pub now: Timestamp,
    /// How far world time is ahead of the host's.
    pub offset_seconds: u64,
    /// Delays, lags and limits.
    pub profile: Profile,
}

/// What the command line asks of a served world.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Moves the clock ahead.
    Advance {
        /// By how much.
        seconds: u64,
    },
    /// What a registrar or a parent's hostmaster does.
    Registrar(RegistrarAction),
    /// What somebody does with instances.
    Instance(InstanceAction),
    /// Makes a name server misbehave.
    ServerFault {
        /// Name of the server.
        server: String,
        /// How, in the text form of [`dns::Fault`]; none makes it behave again.
        fault: Option<String>,
    },
    /// Tampers with every answer of one name and type.
    Tamper {
        /// The name.
        name: String,
        /// The type, such as `A`.
        record_type: String,
        /// Whether it is tampered with from now on.
        tampered: bool,
    },
    /// Starts afresh.
    Reset,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// What was done, or why it was refused.
    pub message: String,
}

impl Command {
    /// Carries a command out: the same for a world held by this process and for a served one.
    /// The inner result is the world's own answer, the outer one the folder's.
    pub fn carry_out(self, sandbox: &Sandbox) -> Result<Result<String, String>, StoreError> {
        match self {
            Self::Advance { seconds } => {
                sandbox.advance(Duration::from_secs(seconds))?;
                Ok(Ok(format!("it is {:.0} now", sandbox.now())))
            }
            Self::Registrar(action) => {
                sandbox.with_world(|world, now| world.registrar(now, action))
            }
            Self::Instance(action) => {
                let done = sandbox.with_world(|world, now| world.instance(now, action))?;
                Ok(done.map(|views| told(&views)))
            }
            Self::ServerFault { server, fault } => {
                let read = || {
                    let fault = fault.as_deref().map(str::parse::<dns::Fault>).transpose();
                    Ok((
                        dns_name(&server)?,
                        fault.map_err(|error| error.to_string())?,
                    ))
                };
                let (name, parsed) = match read() {
                    Ok(read) => read,
                    Err(problem) => return Ok(Err(problem)),
                };
                sandbox.with_world(|world, _| {
                    world.named_server_fault(&name, parsed)?;
                    let how = parsed.map_or("sound".to_owned(), |fault| fault.to_string());
                    Ok(format!("{name} is {how}"))
                })
            }
            Self::Tamper {
                name,
                record_type,
                tampered,
            } => match dns_name(&name) {
                Ok(name) => sandbox.with_world(|world, _| {
                    world.tamper(&name, &record_type, tampered);
                    let how = if tampered { "tampered with" } else { "as sent" };
                    Ok(format!("{name} {record_type} is {how}"))
                }),
                Err(problem) => Ok(Err(problem)),
            },
            Self::Reset => {
                sandbox.reset()?;
                sandbox.publish_anchor()?;
                Ok(Ok("the world is new".to_owned()))
            }
        }
    }
}

/// Instances for people, a line each.
fn told(views: &[View]) -> String {
    if views.is_empty() {
        return "there are no instances".to_owned();
    }
    let lines: Vec<String> = views.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn dns_name(text: &str) -> Result<dns::DnsName, String> {
    dns::DnsName::parse(text).map_err(|problem| format!("{text}: {problem}"))
}

/// A server that listens and has said so in its folder.
#[derive(Debug)]
pub struct Server {
    sandbox: Sandbox,
    listener: TcpListener,
    resolver: resolver::Port,
    latency: Duration,
    info: ServeInfo,
    /// Where functions find AWS.
    functions: TcpListener,
}

/// What every connection needs.
#[derive(Debug, Clone)]
struct Shared {
    sandbox: Sandbox,
    latency: Duration,
    info: ServeInfo,
    ways: Ways,
}

/// Whom a listener is for.
#[derive(Debug, Clone)]
enum Client {
    /// Whoever is on this machine, or reaches it.
    Anybody,
    /// Functions.
    Function,
    /// The programs of an instance.
    Instance(crate::door::Seat),
}

type Answer = http::Response<Full<Bytes>>;

/// The connection is to be broken without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the fault plan breaks this connection")]
struct BreakConnection;

/// Serves a world until `shutdown` is ready.
pub async fn serve(
    sandbox: Sandbox,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::listen(sandbox, options).await?.run(shutdown).await;
    Ok(())
}

impl Server {
    /// Listens, and writes `serve.json` so that other commands find the server.
    pub async fn listen(sandbox: Sandbox, options: Options) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // Who listens everywhere is reached on loopback from this machine.
        let reachable = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                SocketAddr::from(([127, 0, 0, 1], address.port()))
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, address.port()))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => address,
        };
        let url = format!("http://{reachable}");
        let port = resolver::Port::listen(options.dns).await;
        let bound = port.and_then(|port| Ok((port.address()?, port)));
        let (resolver, port) = bound.map_err(|source| ServeError::Listen {
            address: options.dns.unwrap_or(options.listen),
            source,
        })?;
        let info = ServeInfo {
            resolver: Some(resolver),
            pid: std::process::id(),
            dns: format!("{url}/_spore/dns/"),
            url,
        };
        sandbox.with_store(|store| store.map_or(Ok(()), |store| store.announce(&info)))?;
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let functions = TcpListener::bind(loopback).await.map_err(failed)?;
        sandbox.publish_anchor()?;
        if !sandbox.has_invoker() {
            // Functions call back here.
            let endpoint = format!("http://{}", functions.local_addr().map_err(failed)?);
            let keys = format!("{}/_spore/identity-keys", info.url);
            let invoker = ProcessInvoker::new(Some(endpoint)).with_identity_keys(keys);
            sandbox.set_invoker(Arc::new(invoker));
        }
        Ok(Self {
            sandbox,
            listener,
            resolver: port,
            latency: options.latency,
            info,
            functions,
        })
    }

    /// Where it listens.
    pub fn info(&self) -> &ServeInfo {
        &self.info
    }

    /// Serves until `shutdown` is ready, then finishes what is in flight.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let shared = Shared {
            sandbox: self.sandbox,
            latency: self.latency,
            info: self.info,
            ways: Ways::default(),
        };
        shared.ways.reconcile(&shared);
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        // Functions go on calling while the requests that wait for them are finished.
        let (stop_functions, functions_stopped) = watch::channel(());
        let here = (shared.clone(), functions_stopped);
        let functions = tokio::spawn(ways::listen(self.functions, Client::Function, here));
        let resolving = tokio::spawn(self.resolver.run(shared.sandbox.clone(), stopped.clone()));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let here = (shared.clone(), stopped.clone());
                        connections.spawn(connection(stream, (peer, Client::Anybody), here));
                    }
                    // Out of descriptors: those in use come back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        shared.ways.close();
        drop(stop);
        let finish = async { while connections.join_next().await.is_some() {} };
        tokio::time::timeout(GRACE, finish).await.ok();
        tokio::time::timeout(GRACE, resolving).await.ok();
        shared.sandbox.stop_functions();
        drop(stop_functions);
        functions.await.ok();
        shared.sandbox.with_store(|store| {
            if let Some(store) = store {
                store.withdraw();
            }
        });
    }
}

async fn connection(
    stream: TcpStream,
    (peer, client): (SocketAddr, Client),
    (shared, mut stopped): (Shared, watch::Receiver<()>),
) {
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| answer(request, (peer, client.clone()), shared.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // Errors are the client's affair: it went away, or spoke no HTTP.
        result = connection.as_mut() => { result.ok(); }
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}

async fn answer(
    request: http::Request<Incoming>,
    (peer, client): (SocketAddr, Client),
    shared: Shared,
) -> Result<Answer, BreakConnection> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
        }
        Err(_) => return Err(BreakConnection),
    };
    let request = http::Request::from_parts(parts, body);
    let outcome = match client {
        Client::Anybody => {
            if let Some(route) = request.uri().path().strip_prefix("/_spore/") {
                let route = route.to_owned();
                return Ok(own(&route, &request, peer, &shared));
            }
            let origin = Origin::peer(peer.ip());
            shared.sandbox.answer(origin, &of_http(request)).await
        }
        Client::Function => {
            let origin = Origin::of(Via::Function);
            shared.sandbox.answer(origin, &of_http(request)).await
        }
        Client::Instance(seat) => {
            shared
                .sandbox
                .answer_instance(&seat, &of_http(request))
                .await
        }
    };
    match outcome {
        Outcome::Answer(response, delay) => {
            // Time is the host's here: what an in-process caller gets for free is really waited for.
            let wait = shared.latency + delay;
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            Ok(dated(to_http(response), &shared).map(Full::new))
        }
        // A run was completed: what is left is a call without an answer.
        Outcome::Hang | Outcome::Run(_) => std::future::pending().await,
        Outcome::Break(_) => Err(BreakConnection),
    }
}

/// With the world's time, which is what AWS's answers have (RFC 9110, section 6.6.1): clients whose clock
/// is wrong can tell by it, and clients of a world that is ahead can follow.
fn dated(mut response: http::Response<Bytes>, shared: &Shared) -> http::Response<Bytes> {
    let now = shared.sandbox.inspect(|_, now| now);
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = http::HeaderValue::from_str(&date) {
        let headers = response.headers_mut();
        headers.entry(http::header::DATE).or_insert(date);
    }
    response
}

fn text(status: StatusCode, message: &str) -> Answer {
    let mut answer = http::Response::new(Full::new(Bytes::from(format!("{message}\n"))));
    *answer.status_mut() = status;
    answer
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).expect("answers are plain data");
    let mut answer = http::Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    answer
}

/// Answers what belongs to the sandbox itself.
fn own(route: &str, request: &http::Request<Bytes>, peer: SocketAddr, shared: &Shared) -> Answer {
    if !peer.ip().to_canonical().is_loopback() || !names_loopback(request) {
        let message = "only for callers on this machine, under a loopback host name";
        return text(StatusCode::FORBIDDEN, message);
    }
    let post = request.method() == Method::POST;
    match route {
        "info" if request.method() == Method::GET => json(StatusCode::OK, &info(shared)),
        "instances" if request.method() == Method::GET => instances(shared),
        "identity-keys" if request.method() == Method::GET => {
            keys(request, shared, World::identity_keys)
        }
        "identity-certificates" if request.method() == Method::GET => {
            keys(request, shared, World::identity_certificates)
        }
        "root.key" if request.method() == Method::GET => {
            let anchor = shared.sandbox.inspect(|world, _| world.root_anchor());
            text(StatusCode::OK, anchor.zone_file().trim_end())
        }
        "command" if post => match serde_json::from_slice(request.body()) {
            Ok(command) => commanded(command, shared),
            Err(error) => refused(StatusCode::BAD_REQUEST, error.to_string()),
        },
        "advance" if post => match seconds_of(request) {
            Some(seconds) => commanded(Command::Advance { seconds }, shared),
            None => refused(StatusCode::BAD_REQUEST, "say ?seconds=N".to_owned()),
        },
        "reset" if post => commanded(Command::Reset, shared),
        _ => match name_server(route) {
            Some((server, transport)) if post => ask(server, transport, request, shared),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is no such route; see /_spore/info",
            ),
        },
    }
}

fn info(shared: &Shared) -> Info {
    shared.sandbox.inspect(|world, now| Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: shared.info.pid,
        url: shared.info.url.clone(),
        dns: shared.info.dns.clone(),
        resolver: shared.info.resolver,
        now,
        offset_seconds: world.ahead.as_secs(),
        profile: world.profile,
    })
}

/// All instances, with where each one's listener is.
fn instances(shared: &Shared) -> Answer {
    let done = shared
        .sandbox
        .with_world(|world, now| world.instance(now, InstanceAction::List));
    match done {
        Ok(Ok(views)) => json(StatusCode::OK, &shared.ways.with_urls(views)),
        Ok(Err(message)) => refused(StatusCode::CONFLICT, message),
        Err(error) => refused(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
    }
}

/// Keys of the region that the query names, or of all. They may have to be made and stored first.
fn keys<K: Serialize>(
    request: &http::Request<Bytes>,
    shared: &Shared,
    of: impl FnOnce(&mut World, Option<&str>) -> Option<BTreeMap<String, K>>,
) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    let only = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("region="));
    match shared.sandbox.with_world(|world, _| of(world, only)) {
        Ok(Some(keys)) => json(StatusCode::OK, &keys),
        Ok(None) => refused(StatusCode::NOT_FOUND, "there is no such region".to_owned()),
        Err(error) => refused(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
    }
}

/// What is done with instances, told with the listeners that they get by it.
fn with_instances(
    action: InstanceAction,
    shared: &Shared,
) -> Result<Result<String, String>, StoreError> {
    let done = shared
        .sandbox
        .with_world(|world, now| world.instance(now, action))?;
    shared.ways.reconcile(shared);
    Ok(done.map(|views| told(&shared.ways.with_urls(views))))
}

fn commanded(command: Command, shared: &Shared) -> Answer {
    let done = match command {
        Command::Instance(action) => with_instances(action, shared),
        other @ (Command::Advance { .. }
        | Command::Registrar(_)
        | Command::ServerFault { .. }
        | Command::Tamper { .. }
        | Command::Reset) => {
            let done = other.carry_out(&shared.sandbox);
            // A new world has no instances.
            shared.ways.reconcile(shared);
            done
        }
    };
    match done {
        Ok(Ok(message)) => json(StatusCode::OK, &CommandAnswer { message }),
        Ok(Err(message)) => refused(StatusCode::CONFLICT, message),
        Err(error) => refused(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
    }
}

fn refused(status: StatusCode, message: String) -> Answer {
    json(status, &CommandAnswer { message })
}

/// The server and the transport of `dns/ADDRESS` and `dns/ADDRESS/tcp`.
fn name_server(route: &str) -> Option<(IpAddr, Transport)> {
    let address = route.strip_prefix("dns/")?;
    let (address, transport) = match address.strip_suffix("/tcp") {
        Some(address) => (address, Transport::Stream),
        None => (address, Transport::Datagram),
    };
    Some((address.parse().ok()?, transport))
}

fn ask(
    server: IpAddr,
    transport: Transport,
    request: &http::Request<Bytes>,
    shared: &Shared,
) -> Answer {
    let answer = match transport {
        Transport::Datagram => shared.sandbox.dns(server, request.body()),
        Transport::Stream => shared.sandbox.dns_stream(server, request.body()),
    };
    match answer {
        Some(message) => {
            let mut answer = http::Response::new(Full::new(Bytes::from(message)));
            answer.headers_mut().insert(
                http::header::CONTENT_TYPE,
                http::HeaderValue::from_static("application/dns-message"),
            );
            answer
        }
        // Silence cannot be told apart from a slow server by who asks over UDP; over HTTP it can.
        None => text(
            StatusCode::GATEWAY_TIMEOUT,
            "no server answers at this address",
        ),
    }
}

fn seconds_of(request: &http::Request<Bytes>) -> Option<u64> {
    let query = request.uri().query()?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("seconds="))?
        .parse()
        .ok()
}

/// Whether the host a client says it speaks to is this machine by a name nobody else controls.
fn names_loopback(request: &http::Request<Bytes>) -> bool {
    let host = request
        .headers()
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<http::uri::Authority>().ok()) else {
        return false;
    };
    let name = authority.host();
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::door;

    fn shared() -> Shared {
        let options = door::Options {
            start: Some("2026-01-15T12:00:00Z".parse().unwrap()),
            profile: Some(Profile::Fast),
            ..door::Options::default()
        };
        let url = "http://127.0.0.1:4566".to_owned();
        Shared {
            sandbox: Sandbox::open(None, options).unwrap(),
            latency: Duration::ZERO,
            info: ServeInfo {
                resolver: None,
                pid: 1,
                dns: format!("{url}/_spore/dns/"),
                url,
            },
            ways: Ways::default(),
        }
    }

    const HOME: &str = "127.0.0.1:50000";

    async fn asked(
        shared: &Shared,
        (method, route, host, peer): (&str, &str, &str, &str),
        body: &str,
    ) -> (u16, String) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("/_spore/{route}"))
            .header("host", host)
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        let path = route.split('?').next().unwrap_or_default();
        let answer = own(path, &request, peer.parse().unwrap(), shared);
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn own_routes_are_for_this_machine_under_its_own_name() {
        let shared = shared();
        let mut found = Vec::new();
        for (host, peer) in [
            ("127.0.0.1:4566", HOME),
            ("localhost:4566", HOME),
            ("[::1]:4566", "[::1]:50000"),
            ("localhost", "[::ffff:127.0.0.1]:50000"),
            ("evil.example:4566", HOME),
            ("localhost.evil.example", HOME),
            ("10.0.0.1:4566", HOME),
            ("", HOME),
            ("127.0.0.1:4566", "10.0.0.1:50000"),
        ] {
            found.push(asked(&shared, ("GET", "info", host, peer), "").await.0);
        }
        assert_eq!(found, [200, 200, 200, 200, 403, 403, 403, 403, 403]);
    }

    #[tokio::test]
    async fn commands_move_the_clock_and_say_so() {
        let shared = shared();
        let post = |route| ("POST", route, "localhost", HOME);
        let (status, body) =
            asked(&shared, post("command"), r#"{"advance": {"seconds": 90}}"#).await;
        assert_eq!(
            (status, body.as_str()),
            (200, r#"{"message":"it is 2026-01-15T12:01:30Z now"}"#)
        );
        assert_eq!(asked(&shared, post("advance?seconds=30"), "").await.0, 200);
        let (_, info) = asked(&shared, ("GET", "info", "localhost", HOME), "").await;
        let info: Info = serde_json::from_str(&info).unwrap();
        assert_eq!(info.offset_seconds, 120);
        assert_eq!(info.now.to_string(), "2026-01-15T12:02:00Z");
        for (route, body) in [("command", "{}"), ("command", "nonsense"), ("advance", "")] {
            assert_eq!(
                asked(&shared, post(route), body).await.0,
                400,
                "{route} {body}"
            );
        }
        assert_eq!(
            asked(&shared, ("GET", "reset", "localhost", HOME), "")
                .await
                .0,
            404
        );
        assert_eq!(asked(&shared, post("reset"), "").await.0, 200);
        assert_eq!(
            shared.sandbox.now().to_string(),
            "2026-01-15T12:02:00Z",
            "time stays"
        );
    }
}
