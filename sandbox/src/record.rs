//! What was asked: each request as one line of JSON, for judges that read it later.
//!
//! A line has the decoded input in the form of botocore's parameters (blobs as base64) and the raw
//! request, so that other readers can parse it on their own. It never has the signature or the
//! session token.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{Answered, Arrived};
use crate::world::{Need, Request};

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Number of the call within the process, from 1.
    pub index: u64,
    /// World time.
    pub time: Timestamp,
    /// Name of the service.
    pub service: String,
    /// Name of the operation.
    pub operation: String,
    /// Region of the credential scope.
    pub region: Option<String>,
    /// Account of the caller, if it was found out.
    pub account: Option<String>,
    /// The decoded input; null if it could not be decoded or was not looked at.
    pub input: Value,
    /// What it needed to be allowed: actions, resources, condition keys.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The request as it came.
    pub http: RecordedHttp,
    /// Status of the answer; none if there was none.
    pub status: Option<u16>,
    /// Error code of the answer.
    pub error: Option<String>,
    /// Whether the world may have changed.
    pub wrote: bool,
    /// The faults that struck, in their text form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// The HTTP request, without what proves who sent it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedHttp {
    /// Method.
    pub method: String,
    /// Host.
    pub host: String,
    /// Path as sent.
    pub path: String,
    /// Query string as sent, without signature and token.
    pub query: String,
    /// Headers, without authorization and token.
    pub headers: BTreeMap<String, String>,
    /// Body in base64.
    pub body: String,
}

/// Headers and query parameters that are never recorded.
const SECRET: [&str; 5] = [
    "authorization",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-credential",
    "cookie",
];

fn is_secret(name: &str) -> bool {
    SECRET
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

impl Recorded {
    /// A line for a request; `answered` is none if it was not carried out.
    pub fn new(
        (index, time): (u64, Timestamp),
        request: &Request,
        arrived: &Arrived<'_>,
        answered: Option<&Answered>,
    ) -> Self {
        Self {
            index,
            time,
            service: arrived.service().to_owned(),
            operation: arrived.operation().to_owned(),
            region: arrived.region().map(str::to_owned),
            account: answered
                .and_then(|answered| answered.caller.as_ref())
                .map(|caller| caller.account.clone()),
            input: answered.map_or(Value::Null, |answered| answered.input.clone()),
            needs: answered.map_or_else(Vec::new, |answered| answered.needs.clone()),
            http: RecordedHttp::new(request),
            status: answered.map(|answered| answered.response.status),
            error: answered
                .and_then(|answered| answered.error.as_ref())
                .map(|error| error.code.clone()),
            wrote: answered.is_some_and(|answered| answered.wrote),
            faults: Vec::new(),
        }
    }
}

impl RecordedHttp {
    fn new(request: &Request) -> Self {
        let query: Vec<&str> = request
            .query
            .split('&')
            .filter(|pair| !is_secret(pair.split('=').next().unwrap_or_default()))
            .collect();
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in request.headers.iter().filter(|(name, _)| !is_secret(name)) {
            headers
                .entry(name.clone())
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(value);
                })
                .or_insert_with(|| value.clone());
        }
        Self {
            method: request.method.clone(),
            host: request.host.clone(),
            path: request.path.clone(),
            query: query.join("&"),
            headers,
            body: BASE64.encode(&request.body),
        }
    }
}

/// Where lines go.
#[derive(Debug, Default)]
pub enum Recorder {
    /// Nowhere.
    #[default]
    Off,
    /// Kept for the test that asks for them.
    Memory(Vec<Recorded>),
    /// Appended to a file.
    File {
        /// The file's path, for messages.
        path: PathBuf,
        /// The open file.
        file: File,
    },
}

/// The record could not be written. A judge that reads an incomplete record would be wrong, so the
/// call is not answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}: {source}", path.display())]
pub struct RecordError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

impl Recorder {
    /// Appends to a file.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let opened = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path);
        match opened {
            Ok(file) => Ok(Self::File {
                path: path.to_owned(),
                file,
            }),
            Err(source) => Err(RecordError {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Takes a line.
    pub fn take(&mut self, line: Recorded) -> Result<(), RecordError> {
        match self {
            Self::Off => Ok(()),
            Self::Memory(lines) => {
                lines.push(line);
                Ok(())
            }
            Self::File { path, file } => {
                let mut text = serde_json::to_vec(&line).expect("a line is plain data");
                text.push(b'\n');
                // One write per line: processes that share the file do not mix their lines.
                file.write_all(&text).map_err(|source| RecordError {
                    path: path.clone(),
                    source,
                })
            }
        }
    }
}
