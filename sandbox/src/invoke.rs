//! The seam between the world, which knows functions, and whoever runs programs for it.
//!
//! A [`Run`] says everything about one event: the code, the environment, the deadline. An [`Invoker`]
//! carries it out and says how it ended. `serve` has one that starts processes
//! ([`process::ProcessInvoker`]); tests may have one that calls a library.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::world::Ran;

pub mod process;
mod runtime_api;

/// One event for one execution environment.
#[derive(Debug, Clone)]
pub struct Run {
    /// Id of the environment: the same for events that one process is to get.
    pub environment: String,
    /// Ids of environments that get no more events.
    pub retired: Vec<String>,
    /// SHA-256 of the code in hex.
    pub code_name: String,
    /// The zip.
    pub code: Arc<[u8]>,
    /// ARN by which the function was invoked.
    pub function_arn: String,
    /// Its name.
    pub function: String,
    /// The version that runs: `$LATEST` or a number.
    pub version: String,
    /// Region of the function.
    pub region: String,
    /// `_HANDLER`.
    pub handler: String,
    /// Memory size.
    pub memory_mb: u32,
    /// How long the run may take.
    pub timeout: Duration,
    /// The level of the application's log, if its format is JSON.
    pub json_log: Option<String>,
    /// Log group of the function.
    pub log_group: String,
    /// Log stream of the environment.
    pub log_stream: String,
    /// Configured environment variables.
    pub variables: BTreeMap<String, String>,
    /// Credentials of the function's role.
    pub secrets: Secrets,
    /// Trace header.
    pub trace: String,
    /// Request id.
    pub request_id: String,
    /// The event, JSON.
    pub event: Vec<u8>,
}

/// Temporary credentials for a function.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token.
    pub token: String,
    /// When they end, in the world's time.
    pub expires: Timestamp,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The future of a run.
pub type Running<'a> = Pin<Box<dyn Future<Output = Ran> + Send + 'a>>;

/// Runs functions. The world gives an environment one event at a time; different environments run
/// side by side.
pub trait Invoker: fmt::Debug + Send + Sync {
    /// Runs an event to its end.
    fn invoke(&self, run: Run) -> Running<'_>;

    /// Ends everything that runs or waits for events.
    fn stop(&self) {}
}
