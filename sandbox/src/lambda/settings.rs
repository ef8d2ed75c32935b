//! The configuration of a function: what is taken, what is filled in, and how it reads back.
//!
//! CreateFunction and UpdateFunctionConfiguration share their members; one that is absent keeps what
//! was there, which for a new function are AWS's defaults
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{arn_of, invalid};
use crate::policy::Principal;
use crate::profile::Profile;
use crate::world::{AwsError, Caller, Need, World};
use crate::{auth, blobs};

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

/// Bounds of functions on Lambda's own compute; the shapes' are those of managed instances
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MEMORY_MAX_MB: u32 = 10_240;
const TIMEOUT_MAX_SECS: u32 = 900;
const EPHEMERAL_STORAGE_MAX_MB: u32 = 10_240;
const ENVIRONMENT_MAX_BYTES: usize = 4096;
const LAYERS_MAX: usize = 5;

/// Runtimes that functions can still be created with
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html>). Only the OS-only ones run
/// here.
const RUNTIMES: [&str; 19] = [
    "provided.al2023",
    "provided.al2",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "java8.al2",
    "java11",
    "java17",
    "java21",
    "java25",
    "dotnet8",
    "dotnet10",
    "ruby3.3",
    "ruby3.4",
];

/// Variables that a function has anyway and cannot set
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>).
const RESERVED_VARIABLES: [&str; 17] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Refuses by name the members that are not modelled; empty ones mean "none" and pass.
pub(super) fn check_modelled(operation: &str, input: &Value) -> Result<(), AwsError> {
    const NOT_MODELLED: [&str; 13] = [
        "AcceleratorConfig",
        "CapacityProviderConfig",
        "CodeSigningConfigArn",
        "DeadLetterConfig",
        "DurableConfig",
        "FileSystemConfigs",
        "ImageConfig",
        "ImageUri",
        "PublishTo",
        "RuntimeConfig",
        "S3Bucket",
        "TenancyConfig",
        "VpcConfig",
    ];
    let code = input.get("Code").unwrap_or(&Value::Null);
    let found = NOT_MODELLED.into_iter().find(|member| {
        let given = input.get(*member).or_else(|| code.get(*member));
        given.is_some_and(|given| !is_nothing(given))
    });
    match found {
        Some(member) => Err(AwsError::not_modelled(&format!(
            "lambda:{operation} with {member}"
        ))),
        None if input.get("PackageType") == Some(&"Image".into()) => Err(AwsError::not_modelled(
            &format!("lambda:{operation} with PackageType Image"),
        )),
        None => Ok(()),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(members) => members.values().all(is_nothing),
    }
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

    /// What no shape can say.
    pub fn check(&self, caller: &Caller) -> Result<(), AwsError> {
        if self.runtime.is_empty() || self.handler.is_empty() {
            return Err(invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment \
                 packages.",
            ));
        }
        if !RUNTIMES.contains(&self.runtime.as_str()) {
            return Err(invalid(format!(
                "The runtime parameter of {} is no longer supported for creating or updating AWS \
                 Lambda functions. We recommend you use a supported runtime while creating or \
                 updating functions.",
                self.runtime
            )));
        }
        let bounds = [
            ("MemorySize", self.memory_mb, MEMORY_MAX_MB),
            ("Timeout", self.timeout_secs, TIMEOUT_MAX_SECS),
            (
                "EphemeralStorage.Size",
                self.ephemeral_storage_mb,
                EPHEMERAL_STORAGE_MAX_MB,
            ),
        ];
        if let Some((member, _, max)) = bounds.into_iter().find(|(_, value, max)| value > max) {
            return Err(invalid(format!(
                "'{member}' value failed to satisfy constraint: Member must have value less than or \
                 equal to {max}"
            )));
        }
        self.check_variables()?;
        self.check_layers(caller)
    }

    fn check_variables(&self) -> Result<(), AwsError> {
        let reserved: Vec<&str> = RESERVED_VARIABLES
            .into_iter()
            .filter(|name| self.variables.contains_key(*name))
            .collect();
        if !reserved.is_empty() {
            return Err(invalid(format!(
                "Lambda was unable to configure your environment variables because the environment \
                 variables you have provided contains reserved keys that are currently not supported \
                 for modification. Reserved keys used in this request: {}",
                reserved.join(", ")
            )));
        }
        let measured = json!(self.variables).to_string();
        if measured.len() > ENVIRONMENT_MAX_BYTES {
            return Err(invalid(
                "Lambda was unable to configure your environment variables because the environment \
                 variables you have provided exceeded the 4KB limit.",
            ));
        }
        Ok(())
    }

    /// Layers of other accounts are taken at their word, since nobody can look into another account.
    /// The caller's own do not exist: publishing one is not modelled.
    fn check_layers(&self, caller: &Caller) -> Result<(), AwsError> {
        if self.layers.len() > LAYERS_MAX {
            return Err(invalid(format!("You can have at most {LAYERS_MAX} layers")));
        }
        let own = format!("arn:aws:lambda:{}:{}:layer:", caller.region, caller.account);
        let here = format!("arn:aws:lambda:{}:", caller.region);
        match self
            .layers
            .iter()
            .find(|layer| layer.starts_with(&own) || !layer.starts_with(&here))
        {
            Some(layer) => Err(invalid(format!("Layer version {layer} does not exist."))),
            None => Ok(()),
        }
    }

    /// Whether Lambda can take on the role, and the role is this account's.
    pub fn check_role(&self, world: &World, caller: &Caller, name: &str) -> Result<(), AwsError> {
        let own = format!("arn:aws:iam::{}:role/", caller.account);
        if !self.role.starts_with(&own) {
            return Err(AwsError {
                status: Some(403),
                ..AwsError::new(
                    "AccessDeniedException",
                    "Cross-account pass role is not allowed.",
                )
            });
        }
        let function = arn_of(&caller.account, &caller.region, name);
        let is_usable = assumable(world, caller, &self.role, &function);
        if !is_usable {
            return Err(invalid(
                "The role defined for the function cannot be assumed by Lambda.",
            ));
        }
        if self.tracing != "Active" {
            return Ok(());
        }
        let session = as_role(world, caller, &self.role, name);
        for action in ["xray:PutTraceSegments", "xray:PutTelemetryRecords"] {
            if auth::authorize(world, &session, &[Need::new(action, "*")]).is_err() {
                return Err(invalid(
                    "The provided execution role does not have permissions to call PutTraceSegments \
                     on XRAY",
                ));
            }
        }
        Ok(())
    }

    /// Whether the key of the environment exists and is symmetric.
    pub fn check_key(&self, world: &mut World, caller: &Caller) -> Result<(), AwsError> {
        let Some(key) = &self.kms_key else {
            return Ok(());
        };
        world.kms.expire(caller.now);
        let none = crate::policy::Context::new();
        world
            .symmetric_key_allows(key, "lambda.amazonaws.com", &[], &none)
            .map_err(|why| {
                invalid(format!(
                    "Lambda was unable to configure access to your environment variables because the \
                     KMS key is invalid for CreateGrant. Please check your KMS key settings. ({why})"
                ))
            })
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

/// Whether Lambda may assume a role for a function: it exists, has been there long enough to be
/// known everywhere, and trusts Lambda.
pub(super) fn assumable(world: &World, caller: &Caller, role: &str, function: &str) -> bool {
    let Some(found) = world.role(&caller.account, role_name(role)) else {
        return false;
    };
    let late = world.profile == Profile::Aws && caller.now < found.usable_from;
    let lambda = Principal::Service("lambda.amazonaws.com");
    // AWS documents both keys for execution roles: the source is the function.
    let context = [
        ("aws:SourceAccount".to_owned(), vec![caller.account.clone()]),
        ("aws:SourceArn".to_owned(), vec![function.to_owned()]),
    ];
    found.arn == role
        && !late
        && auth::may_assume(world, &found.trust, lambda, &context.into()).is_ok()
}

/// The name in a role's ARN, which is behind its path.
pub(super) fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The role session that a function has: its name is the function's.
pub(super) fn as_role(world: &World, caller: &Caller, role: &str, function: &str) -> Caller {
    let name = role_name(role);
    let found = world.role(&caller.account, name);
    let id = found.map_or("", |role| role.role_id.as_str());
    Caller {
        arn: format!(
            "arn:aws:sts::{}:assumed-role/{name}/{function}",
            caller.account
        ),
        user_id: format!("{id}:{function}"),
        ..caller.clone()
    }
}
