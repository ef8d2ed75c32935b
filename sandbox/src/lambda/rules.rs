//! Which configurations there can be: what is modelled at all, and the bounds that no shape has.

use serde_json::{Value, json};

use super::invalid;
use super::settings::Settings;
use crate::world::{AwsError, Caller};

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
}
