//! Runs functions as processes, as Lambda's OS-only runtimes do.
//!
//! The zip is unpacked to a folder of its hash, and its `bootstrap` is started there with a clean
//! environment; it asks the Runtime API for events. What it writes goes to a file: once it has
//! answered, everything it wrote before can be read there, without waiting for a pipe.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::runtime_api::{Event, RuntimeApi, Said};
use super::{Invoker, Run, Running};
use crate::door::host_now;
use crate::lambda::{Archive, TIMED_OUT};
use crate::world::Ran;

/// "The Init phase is limited to 10 seconds"
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>). What then is not
/// ready starts within the time of the run.
const START_MAX: Duration = Duration::from_secs(10);

/// Runs functions as processes of this machine.
#[derive(Debug)]
pub struct ProcessInvoker {
    /// Where AWS is for them.
    endpoint: Option<String>,
    /// Where the public keys of identity documents are told, which at AWS are known beforehand.
    identity_keys: Option<String>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Holds code and logs; made for the first run, gone with the invoker.
    root: Option<TempDir>,
    /// Idle processes by environment.
    idle: BTreeMap<String, Process>,
    /// Process groups that have an event, by environment.
    busy: BTreeMap<String, Pid>,
    stopped: bool,
}

/// A process that takes events.
#[derive(Debug)]
struct Process {
    child: Child,
    api: RuntimeApi,
    log: PathBuf,
    /// How much of the log was read.
    read: u64,
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process leads a group of its own: what it started goes with it.
        if let Some(group) = self.group() {
            kill_process_group(group, Signal::KILL).ok();
        }
        fs::remove_file(&self.log).ok();
    }
}

impl Invoker for ProcessInvoker {
    fn invoke(&self, run: Run) -> Running<'_> {
        Box::pin(self.carry_out(run))
    }

    fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        inner.idle.clear();
        // Their runs see them end, if the program lasts that long.
        for group in std::mem::take(&mut inner.busy).into_values() {
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// How a run ended, before it is told.
enum Ended {
    Answer(Vec<u8>),
    Failed(String, String),
    Exited(ExitStatus),
    TimedOut,
}

impl ProcessInvoker {
    /// An invoker whose functions find AWS at an endpoint: the sandbox itself, where it is served.
    pub fn new(endpoint: Option<String>) -> Self {
        Self {
            endpoint,
            identity_keys: None,
            inner: Mutex::default(),
        }
    }

    /// Tells functions a URL where this world's keys of identity documents are, in the variable
    /// `SPORE_SANDBOX_IDENTITY_KEYS`.
    #[must_use]
    pub fn with_identity_keys(mut self, url: String) -> Self {
        self.identity_keys = Some(url);
        self
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(&self, run: Run) -> Ran {
        let id = run.request_id.clone();
        let begun = Instant::now();
        let (mut process, is_warm) = match self.process(&run).await {
            Ok(found) => found,
            Err((kind, message)) => {
                return Ran {
                    outcome: Err((kind.to_owned(), format!("RequestId: {id} Error: {message}"))),
                    log: Vec::new(),
                    took: begun.elapsed(),
                };
            }
        };
        if let Some(group) = process.group() {
            self.lock().busy.insert(run.environment.clone(), group);
        }
        let (ended, took) = process.handle(&run, is_warm).await;
        self.lock().busy.remove(&run.environment);
        let log = process.new_lines();
        let told = |kind: &str, what: String| {
            Err((kind.to_owned(), format!("RequestId: {id} Error: {what}")))
        };
        let outcome = match ended {
            Ended::Answer(body) => {
                self.keep(run.environment, process);
                Ok(body)
            }
            Ended::Failed(kind, message) => {
                self.keep(run.environment, process);
                Err((kind, message))
            }
            Ended::TimedOut => told(
                TIMED_OUT,
                format!(
                    "Task timed out after {:.2} seconds",
                    run.timeout.as_secs_f64()
                ),
            ),
            Ended::Exited(status) => told("Runtime.ExitError", exit_text(status)),
        };
        Ran { outcome, log, took }
    }

    /// The environment's process, started if it has none; and whether it was there.
    async fn process(&self, run: &Run) -> Result<(Process, bool), (&'static str, String)> {
        let failed = |error: io::Error| ("Sandbox.Failure", error.to_string());
        let (warm, root) = {
            let mut inner = self.lock();
            if inner.stopped {
                return Err(("Sandbox.Failure", "the sandbox is being stopped".to_owned()));
            }
            for id in &run.retired {
                inner.idle.remove(id);
            }
            if inner.root.is_none() {
                let made = tempfile::Builder::new().prefix("spore-lambda-").tempdir();
                inner.root = Some(made.map_err(failed)?);
            }
            let root = inner.root.as_ref().map(|root| root.path().to_owned());
            (
                inner.idle.remove(&run.environment),
                root.unwrap_or_default(),
            )
        };
        if let Some(mut warm) = warm
            && matches!(warm.child.try_wait(), Ok(None))
        {
            return Ok((warm, true));
        }
        let task = root.join(&run.code_name);
        unpack(&run.code, &task).map_err(failed)?;
        if !is_executable(&task.join("bootstrap")) {
            return Err((
                "Runtime.InvalidEntrypoint",
                "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned(),
            ));
        }
        let api = RuntimeApi::listen().await.map_err(failed)?;
        let log = root.join(format!("{}.log", run.environment));
        let places = Places {
            api: &api,
            endpoint: self.endpoint.as_deref(),
            identity_keys: self.identity_keys.as_deref(),
        };
        let child = start(run, &task, &log, &places).await.map_err(|error| {
            let why = match error.raw_os_error() {
                Some(code) if code == rustix::io::Errno::NOEXEC.raw_os_error() => {
                    "exec format error".to_owned()
                }
                Some(_) | None => error.to_string(),
            };
            (
                "Runtime.InvalidEntrypoint",
                format!("fork/exec /var/task/bootstrap: {why}"),
            )
        })?;
        let process = Process {
            child,
            api,
            log,
            read: 0,
        };
        Ok((process, false))
    }

    fn keep(&self, environment: String, process: Process) {
        let mut inner = self.lock();
        if !inner.stopped {
            inner.idle.insert(environment, process);
        }
    }
}

impl Process {
    /// Its process group, while it has not ended.
    fn group(&self) -> Option<Pid> {
        let leader = self.child.id().and_then(|id| i32::try_from(id).ok());
        leader.and_then(Pid::from_raw)
    }

    /// Hands out an event and waits for its end. The time counts from when the process takes it.
    async fn handle(&mut self, run: &Run, is_warm: bool) -> (Ended, Duration) {
        let mut begun = Instant::now();
        let start = if is_warm { Duration::ZERO } else { START_MAX };
        let mut deadline = begun + start + run.timeout;
        let host_deadline = SignedDuration::try_from(start + run.timeout).unwrap_or_default();
        let event = Event {
            request_id: run.request_id.clone(),
            function_arn: run.function_arn.clone(),
            trace: run.trace.clone(),
            deadline_ms: host_now()
                .saturating_add(host_deadline)
                .map_or(i64::MAX, |at| at.as_millisecond()),
            body: run.event.clone(),
        };
        // The channel holds one event, and the process has answered the one before.
        self.api.events.send(event).await.ok();
        loop {
            let said = tokio::select! {
                biased;
                said = self.api.said.recv() => said,
                status = self.child.wait() => {
                    // It may have answered with its last breath.
                    let ended = match self.api.said.try_recv().ok().and_then(Said::end) {
                        Some(ended) => ended,
                        None => Ended::Exited(status.unwrap_or_default()),
                    };
                    return (ended, begun.elapsed());
                }
                () = tokio::time::sleep_until(deadline) => return (Ended::TimedOut, run.timeout),
            };
            match said {
                Some(Said::Taken) => {
                    begun = Instant::now();
                    deadline = begun + run.timeout;
                }
                other => {
                    if let Some(ended) = other.and_then(Said::end) {
                        return (ended, begun.elapsed());
                    }
                }
            }
        }
    }

    /// What the process wrote since the last time.
    fn new_lines(&mut self) -> Vec<String> {
        let mut text = Vec::new();
        let read = File::open(&self.log).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut text)
        });
        self.read += u64::try_from(read.unwrap_or(0)).unwrap_or(0);
        let text = String::from_utf8_lossy(&text);
        text.lines().map(str::to_owned).collect()
    }
}

impl Said {
    fn end(self) -> Option<Ended> {
        match self {
            Self::Taken => None,
            Self::Answer(body) => Some(Ended::Answer(body)),
            Self::Failed(kind, message) | Self::CannotStart(kind, message) => {
                Some(Ended::Failed(kind, message))
            }
        }
    }
}

/// As AWS tells the end of a runtime.
fn exit_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(9)) => "Runtime exited with error: signal: killed".to_owned(),
        (None, Some(signal)) => format!("Runtime exited with error: signal: {signal}"),
        (None, None) => "Runtime exited".to_owned(),
    }
}

/// Unpacks code into its folder, unless that was done before: the folder appears whole or not at all.
fn unpack(zip: &[u8], task: &Path) -> io::Result<()> {
    if task.exists() {
        return Ok(());
    }
    let archive = Archive::read(zip).map_err(io::Error::other)?;
    let parent = task.parent().unwrap_or(task);
    let new = tempfile::Builder::new().prefix("new-").tempdir_in(parent)?;
    for file in &archive.files {
        let path = new.path().join(&file.path);
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o755);
        folders.create(path.parent().unwrap_or(&path))?;
        // Readable to this user whatever the zip says, as AWS's mount is.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(file.mode | 0o400);
        options.open(&path)?.write_all(&file.content)?;
    }
    match fs::rename(new.path(), task) {
        // Another environment of the same code was faster.
        Err(_) if task.exists() => Ok(()),
        renamed => renamed,
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Where a bootstrap finds what it needs.
struct Places<'a> {
    api: &'a RuntimeApi,
    endpoint: Option<&'a str>,
    identity_keys: Option<&'a str>,
}

/// Starts a bootstrap with Lambda's environment and nothing of ours
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
async fn start(run: &Run, task: &Path, log: &Path, places: &Places<'_>) -> io::Result<Child> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    let out = options.open(log)?;
    let mut command = Command::new(task.join("bootstrap"));
    command
        .current_dir(task)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin")
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC");
    if let Some(endpoint) = places.endpoint {
        command.env("AWS_ENDPOINT_URL", endpoint);
    }
    if let Some(url) = places.identity_keys {
        command.env("SPORE_SANDBOX_IDENTITY_KEYS", url);
    }
    command
        .envs(&run.variables)
        .env("_HANDLER", &run.handler)
        .env("LAMBDA_TASK_ROOT", task)
        .env("LAMBDA_RUNTIME_DIR", "/var/runtime")
        .env("AWS_LAMBDA_RUNTIME_API", places.api.address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &run.function)
        .env("AWS_LAMBDA_FUNCTION_VERSION", &run.version)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", run.memory_mb.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", &run.log_group)
        .env("AWS_LAMBDA_LOG_STREAM_NAME", &run.log_stream)
        .env("AWS_REGION", &run.region)
        .env("AWS_DEFAULT_REGION", &run.region)
        .env("AWS_ACCESS_KEY_ID", &run.secrets.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &run.secrets.secret)
        .env("AWS_SESSION_TOKEN", &run.secrets.token);
    if let Some(level) = &run.json_log {
        command.env("AWS_LAMBDA_LOG_FORMAT", "JSON");
        command.env("AWS_LAMBDA_LOG_LEVEL", level);
    }
    command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .process_group(0)
        .kill_on_drop(true);
    // A file just written counts as busy while another thread's fork still holds its descriptor.
    for _ in 0..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(BUSY_WAIT).await;
            }
            spawned => return spawned,
        }
    }
    command.spawn()
}

const BUSY_TRIES: usize = 50;
const BUSY_WAIT: Duration = Duration::from_millis(10);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
