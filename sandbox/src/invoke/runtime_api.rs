//! The Runtime API: how a `bootstrap` asks for events and answers them.
//!
//! Version 2018-06-01 (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), on a port of
//! its own for each environment, so that no process can answer for another.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

const ROOT: &str = "/2018-06-01/runtime/";

/// "6 MB" for an answer (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>),
/// with what AWS adds for headers: larger ones are refused with 413.
const ANSWER_MAX_BYTES: usize = 6 * 1024 * 1024;

/// An event on its way to a process.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub request_id: String,
    pub function_arn: String,
    pub trace: String,
    /// When it must be done, in milliseconds since 1970 of the host's clock.
    pub deadline_ms: i64,
    pub body: Vec<u8>,
}

/// What a process says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// It took the event.
    Taken,
    /// The event's answer.
    Answer(Vec<u8>),
    /// The event failed: `errorType` and `errorMessage`.
    Failed(String, String),
    /// It cannot start: likewise.
    CannotStart(String, String),
}

/// The API of one process.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub address: SocketAddr,
    pub events: mpsc::Sender<Event>,
    pub said: mpsc::Receiver<Said>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What connections share.
#[derive(Debug)]
struct Shared {
    events: Mutex<mpsc::Receiver<Event>>,
    said: mpsc::Sender<Said>,
    /// Request id of the event that was taken and is not answered.
    current: SyncMutex<Option<String>>,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (events, to_hand_out) = mpsc::channel(1);
        let (say, said) = mpsc::channel(8);
        let shared = Arc::new(Shared {
            events: Mutex::new(to_hand_out),
            said: say,
            current: SyncMutex::new(None),
        });
        let server = tokio::spawn(serve(listener, shared));
        Ok(Self {
            address,
            events,
            said,
            server,
        })
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the server, as they are its own.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    continue;
                };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
                    let connection = http1::Builder::new();
                    // Errors are the process's affair: it ended, or spoke no HTTP.
                    connection.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let route = parts.uri.path().strip_prefix(ROOT).unwrap_or_default();
    if parts.method == Method::GET && route == "invocation/next" {
        return Ok(next(&shared).await);
    }
    if parts.method != Method::POST {
        return Ok(refused(
            StatusCode::NOT_FOUND,
            "InvalidRoute",
            "no such route",
        ));
    }
    let kind = parts.headers.get("lambda-runtime-function-error-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let body = match Limited::new(body, ANSWER_MAX_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(too_large(&shared).await),
    };
    let steps: Vec<&str> = route.split('/').collect();
    Ok(match steps[..] {
        ["init", "error"] => {
            let (kind, message) = error_of(kind, &body);
            shared
                .said
                .send(Said::CannotStart(kind, message))
                .await
                .ok();
            accepted()
        }
        ["invocation", id, "response"] => done(&shared, id, Said::Answer(body.to_vec())).await,
        ["invocation", id, "error"] => {
            let (kind, message) = error_of(kind, &body);
            done(&shared, id, Said::Failed(kind, message)).await
        }
        _ => refused(StatusCode::NOT_FOUND, "InvalidRoute", "no such route"),
    })
}

/// Hands out the next event when there is one. A process may ask again for what it did not answer: it
/// gets the next all the same.
async fn next(shared: &Shared) -> Answer {
    let event = shared.events.lock().await.recv().await;
    let Some(event) = event else {
        return refused(StatusCode::GONE, "Shutdown", "there will be no more events");
    };
    *shared
        .current
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(event.request_id.clone());
    shared.said.send(Said::Taken).await.ok();
    let built = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", event.request_id)
        .header("lambda-runtime-deadline-ms", event.deadline_ms.to_string())
        .header("lambda-runtime-invoked-function-arn", event.function_arn)
        .header("lambda-runtime-trace-id", event.trace)
        .body(Full::new(Bytes::from(event.body)));
    built.unwrap_or_else(|error| {
        refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Runtime",
            &error.to_string(),
        )
    })
}

/// Takes an answer, if it is the first one to the event that is under way.
async fn done(shared: &Shared, id: &str, said: Said) -> Answer {
    let is_current = {
        let mut current = shared
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_current = current.as_deref() == Some(id);
        if is_current {
            *current = None;
        }
        is_current
    };
    if !is_current {
        return refused(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "Invalid request ID",
        );
    }
    shared.said.send(said).await.ok();
    accepted()
}

async fn too_large(shared: &Shared) -> Answer {
    let current = shared
        .current
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if current.is_some() {
        let message = format!(
            "Response payload size exceeded maximum allowed payload size ({ANSWER_MAX_BYTES} bytes)."
        );
        let said = Said::Failed("Function.ResponseSizeTooLarge".to_owned(), message);
        shared.said.send(said).await.ok();
    }
    refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        "Exceeded maximum allowed payload size",
    )
}

/// Type and message of an error report; the header names the type for those whose body does not.
fn error_of(header: Option<String>, body: &[u8]) -> (String, String) {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |member: &str| report.get(member)?.as_str().map(str::to_owned);
    let kind = text("errorType").or(header);
    let message = text("errorMessage");
    (
        kind.unwrap_or_else(|| "Runtime.Unknown".to_owned()),
        message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    )
}

fn accepted() -> Answer {
    json_answer(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Answer {
    json_answer(
        status,
        &json!({ "errorType": kind, "errorMessage": message }),
    )
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    *answer.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/json");
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, kind);
    answer
}
