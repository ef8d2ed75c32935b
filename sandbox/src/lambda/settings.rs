//! The configuration of a function: what is taken, what is filled in, and how it reads back.
//!
//! CreateFunction and UpdateFunctionConfiguration share their members; one that is absent keeps what
//! was there, which for a new function are AWS's defaults
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::invalid;
use crate::blobs;
use crate::world::AwsError;

/// A configuration as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub runtime: String,
    pub role: String,
    pub handler: String,
    pub description: String,
    pub timeout_secs: u32,
    pub memory_mb: u32,
    pub variables: BTreeMap<String, String>,
    pub kms_key: Option<String>,
    pub tracing: String,
    /// ARNs of layer versions, in order.
    pub layers: Vec<String>,
    pub architecture: String,
    pub ephemeral_storage_mb: u32,
    pub logging: Logging,
}

/// Where and how a function logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Logging {
    pub json: bool,
    /// Levels exist for the format JSON only.
    pub application_level: String,
    pub system_level: String,
    pub group: String,
}

/// Members of the two operations. Those that are not modelled are refused before this is read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Given {
    runtime: Option<String>,
    role: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    timeout: Option<u32>,
    memory_size: Option<u32>,
    environment: Option<Environment>,
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<String>,
    tracing_config: Option<TracingConfig>,
    layers: Option<Vec<String>>,
    architectures: Option<Vec<String>>,
    ephemeral_storage: Option<EphemeralStorage>,
    snap_start: Option<SnapStart>,
    logging_config: Option<LoggingConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    variables: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TracingConfig {
    mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EphemeralStorage {
    size: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnapStart {
    apply_on: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingConfig {
    log_format: Option<String>,
    application_log_level: Option<String>,
    system_log_level: Option<String>,
    log_group: Option<String>,
}

impl Settings {
    /// The defaults of a new function.
    pub fn new(name: &str) -> Self {
        Self {
            runtime: String::new(),
            role: String::new(),
            handler: String::new(),
            description: String::new(),
            timeout_secs: 3,
            memory_mb: 128,
            variables: BTreeMap::new(),
            kms_key: None,
            tracing: "PassThrough".into(),
            layers: Vec::new(),
            architecture: "x86_64".into(),
            ephemeral_storage_mb: 512,
            logging: Logging {
                json: false,
                application_level: "INFO".into(),
                system_level: "INFO".into(),
                group: format!("/aws/lambda/{name}"),
            },
        }
    }

    /// Changes what is given.
    pub fn change(&mut self, given: Given) -> Result<(), AwsError> {
        let Given {
            runtime,
            role,
            handler,
            description,
            timeout,
            memory_size,
            environment,
            kms_key_arn,
            tracing_config,
            layers,
            architectures,
            ephemeral_storage,
            snap_start,
            logging_config,
        } = given;
        replace(&mut self.runtime, runtime);
        replace(&mut self.role, role);
        replace(&mut self.handler, handler);
        replace(&mut self.description, description);
        replace(&mut self.timeout_secs, timeout);
        replace(&mut self.memory_mb, memory_size);
        replace(
            &mut self.variables,
            environment.map(|environment| environment.variables.unwrap_or_default()),
        );
        // An empty text takes the key away.
        replace(
            &mut self.kms_key,
            kms_key_arn.map(|arn| Some(arn).filter(|arn| !arn.is_empty())),
        );
        replace(
            &mut self.tracing,
            tracing_config.and_then(|tracing| tracing.mode),
        );
        replace(&mut self.layers, layers);
        replace(
            &mut self.architecture,
            architectures.and_then(|list| list.into_iter().next()),
        );
        replace(
            &mut self.ephemeral_storage_mb,
            ephemeral_storage.map(|storage| storage.size),
        );
        if let Some(logging) = logging_config {
            self.logging.change(logging)?;
        }
        match snap_start
            .and_then(|snap_start| snap_start.apply_on)
            .as_deref()
        {
            None | Some("None") => Ok(()),
            // "SnapStart is available for" Java, Python and .NET runtimes only.
            Some(_) if self.is_os_only() => Err(invalid(format!(
                "{} is not supported for SnapStart enabled functions.",
                self.runtime
            ))),
            Some(other) => Err(AwsError::not_modelled(&format!("SnapStart {other}"))),
        }
    }

    /// Whether the function brings its own runtime.
    pub fn is_os_only(&self) -> bool {
        self.runtime.starts_with("provided.")
    }

    /// The members of `FunctionConfiguration` that are settings.
    pub fn shown(&self) -> Value {
        let mut shown = json!({
            "Runtime": self.runtime,
            "Role": self.role,
            "Handler": self.handler,
            "Description": self.description,
            "Timeout": self.timeout_secs,
            "MemorySize": self.memory_mb,
            "TracingConfig": { "Mode": self.tracing },
            "PackageType": "Zip",
            "Architectures": [self.architecture],
            "EphemeralStorage": { "Size": self.ephemeral_storage_mb },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "LoggingConfig": self.logging.shown(),
        });
        if !self.variables.is_empty() {
            shown["Environment"] = json!({ "Variables": self.variables });
        }
        if let Some(key) = &self.kms_key {
            shown["KMSKeyArn"] = key.as_str().into();
        }
        if !self.layers.is_empty() {
            let layers = self.layers.iter().map(|arn| json!({ "Arn": arn }));
            shown["Layers"] = layers.collect();
        }
        shown
    }

    /// ARN of the runtime's present version in a region. AWS's are hashes; here it is that of the
    /// name, since a runtime has one version.
    pub fn runtime_version(&self, region: &str) -> String {
        let hash = blobs::name_of(self.runtime.as_bytes());
        format!("arn:aws:lambda:{region}::runtime:{hash}")
    }
}

fn replace<T>(kept: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *kept = given;
    }
}

impl Logging {
    fn change(&mut self, given: LoggingConfig) -> Result<(), AwsError> {
        if let Some(format) = given.log_format {
            self.json = format == "JSON";
        }
        let levels = given.application_log_level.is_some() || given.system_log_level.is_some();
        if levels && !self.json {
            return Err(invalid(
                "To use ApplicationLogLevel or SystemLogLevel, LogFormat must be set to JSON.",
            ));
        }
        replace(&mut self.application_level, given.application_log_level);
        replace(&mut self.system_level, given.system_log_level);
        replace(&mut self.group, given.log_group);
        Ok(())
    }

    fn shown(&self) -> Value {
        let mut shown = Map::new();
        let format = if self.json { "JSON" } else { "Text" };
        shown.insert("LogFormat".into(), format.into());
        if self.json {
            shown.insert(
                "ApplicationLogLevel".into(),
                self.application_level.as_str().into(),
            );
            shown.insert("SystemLogLevel".into(), self.system_level.as_str().into());
        }
        shown.insert("LogGroup".into(), self.group.as_str().into());
        Value::Object(shown)
    }
}
