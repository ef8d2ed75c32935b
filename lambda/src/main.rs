//! `bootstrap`: what Lambda starts. It reads the configuration, then answers one event after the other.
//! Whatever decides is in the library; here are only Lambda's runtime, its environment and the log.

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{Client, build_request};
use serde_json::json;
use spore_updater::config::Proof;
use spore_updater::edge::{Aws, Environment, IdentityKeys};
use spore_updater::proof::Keys;
use spore_updater::protocol::sigv4::Credentials;
use spore_updater::{Answer, Config, Event, Updater};
use tokio::sync::Mutex;

/// Version 2018-06-01 of Lambda's Runtime API, path of an error before the first event (Lambda
/// Developer Guide, "Using the Lambda runtime API for custom runtimes").
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";

/// Where that API is; without it the runtime's own client does not say what is missing.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Where a sandbox has the keys that its instances' documents are signed with.
const IDENTITY_KEYS: &str = "SPORE_SANDBOX_IDENTITY_KEYS";

/// What answers events.
struct Started {
    updater: Updater,
    aws: Aws,
    /// Only under a sandbox.
    identity_keys: Option<IdentityKeys>,
}

/// Whatever goes wrong with the runtime itself.
type Failed = lambda_runtime::Error;

fn main() -> ExitCode {
    // A function handles one event at a time, so one thread does.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => {
            note(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> ExitCode {
    let failed = match folder().and_then(|folder| start(&folder)) {
        Ok(started) => answer(started).await.err(),
        Err(error) => {
            // First where it is always seen: Lambda may not be there to be told.
            note(&error.to_string());
            match report(&error.to_string()).await {
                Ok(()) => return ExitCode::FAILURE,
                Err(failed) => Some(failed),
            }
        }
    };
    match failed {
        None => ExitCode::SUCCESS,
        Some(failed) => {
            note(&failed.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Answers events for as long as there are any.
async fn answer(started: Started) -> Result<(), Failed> {
    let Started {
        updater,
        aws,
        identity_keys,
    } = started;
    let updater = Mutex::new(updater);
    let (updater, aws, identity_keys) = (&updater, &aws, &identity_keys);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| async move {
        let request_time = event.payload.request_context.request_time_epoch;
        let world = aws.at(request_time);
        let invocation = &event.context.request_id;
        // One event comes after the other, so nobody waits here.
        let mut updater = updater.lock().await;
        if let Some(keys) = identity_keys {
            updater.trust(keys.fetch().await?);
        }
        let handled = updater.handle(&world, &event.payload, invocation).await;
        // Before the answer: Lambda may freeze the process once it is sent.
        audit(&handled.audit.line())?;
        Ok::<Answer, Failed>(handled.answer)
    }))
    .await
}

/// Everything that can be wrong from the start is found before the first event.
fn start(folder: &Path) -> Result<Started, Failed> {
    let config = Config::read(folder)?;
    let environment = environment()?;
    let aws = Aws::new(&config, &environment)?;
    let reads_documents = config.proofs.contains(&Proof::IdentityDocument);
    let url = env::var(IDENTITY_KEYS).ok().filter(|_| reads_documents);
    let identity_keys = IdentityKeys::of(environment.endpoint.as_deref(), url.as_deref())?;
    // Which keys EC2 signs with is part of the program: no configuration can add one.
    let updater = Updater::new(config, environment.own(), Keys::aws())?;
    Ok(Started {
        updater,
        aws,
        identity_keys,
    })
}

/// What Lambda tells a function (Lambda Developer Guide, "Defined runtime environment variables").
fn environment() -> Result<Environment, Failed> {
    let must =
        |name: &str| env::var(name).map_err(|_| format!("{name} is not set; is this Lambda?"));
    Ok(Environment {
        credentials: Credentials {
            access_key_id: must("AWS_ACCESS_KEY_ID")?,
            secret: must("AWS_SECRET_ACCESS_KEY")?,
            token: env::var("AWS_SESSION_TOKEN").ok(),
        },
        function: must("AWS_LAMBDA_FUNCTION_NAME")?,
        endpoint: env::var("AWS_ENDPOINT_URL").ok(),
    })
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
    if env::var_os(RUNTIME_API).is_none() {
        return Err(format!("{RUNTIME_API} is not set; Lambda starts this program").into());
    }
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
