//! `bootstrap`: what Lambda starts. It reads the configuration, then answers one event after the other.
//! Whatever decides is in the library; here are only Lambda's runtime, the clock and the log.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{Client, build_request};
use serde_json::json;
use spore_updater::{Answer, Config, Event, Ports, handle};

/// Version 2018-06-01 of Lambda's Runtime API, path of an error before the first event (Lambda
/// Developer Guide, "Using the Lambda runtime API for custom runtimes").
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";

/// Whatever goes wrong with the runtime itself.
type Failed = lambda_runtime::Error;

struct World;

impl Ports for World {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn main() -> ExitCode {
    // A function handles one event at a time, so one thread does.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime
        .map_err(Failed::from)
        .and_then(|runtime| runtime.block_on(run()))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failed> {
    let config = match folder().and_then(|folder| Ok(Config::read(&folder)?)) {
        Ok(config) => config,
        Err(error) => {
            report(&error.to_string()).await?;
            return Err(error);
        }
    };
    let config = &config;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Event>| {
        let handled = handle(config, &World, &event.payload, &event.context.request_id);
        // Before the answer: Lambda may freeze the process once it is sent.
        audit(&handled.audit.line())?;
        Ok::<Answer, Failed>(handled.answer)
    }))
    .await
}

/// Where the zip was unpacked.
fn folder() -> Result<PathBuf, Failed> {
    if let Some(folder) = env::var_os("LAMBDA_TASK_ROOT") {
        return Ok(PathBuf::from(folder));
    }
    let mut executable = env::current_exe()?;
    executable.pop();
    Ok(executable)
}

/// Tells Lambda why nothing can be answered, so that whoever invokes the function reads it too.
async fn report(error: &str) -> Result<(), Failed> {
    let body = json!({
        "errorType": "Updater.BadConfiguration", "errorMessage": error, "stackTrace": [],
    });
    let request = build_request()
        .method("POST")
        .uri(INIT_ERROR)
        .header(
            "Lambda-Runtime-Function-Error-Type",
            "Updater.BadConfiguration",
        )
        .body(Body::from(body.to_string()))?;
    Client::builder().build()?.call(request).await?;
    Ok(())
}

/// A request whose line cannot be written is not answered as if it had been.
fn audit(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn note(line: &str) {
    let _ = writeln!(io::stderr(), "bootstrap: {line}");
}
