//! Stages: which deployment is served under which name, and how: throttles, logs, variables.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::patch::decoded;
use super::rest_api::Api;
use super::{bad, conflict, needs, not_found, read, shown, text};
use crate::tagging::{TagSet, Tags};
use crate::wire::text::seconds_of;
use crate::world::{AwsError, Caller, Operation, World};

mod update;

/// A stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stage {
    pub deployment_id: String,
    pub description: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub cache_cluster_enabled: bool,
    pub cache_cluster_size: Option<String>,
    pub client_certificate_id: Option<String>,
    pub documentation_version: Option<String>,
    pub tracing_enabled: bool,
    pub variables: BTreeMap<String, String>,
    /// By `*/*` or `RESOURCE~PATH/METHOD`, spelled as the first patch spelled it.
    pub method_settings: BTreeMap<String, MethodSetting>,
    pub access_log_settings: Option<AccessLogSettings>,
    pub tags: TagSet,
}

/// Where access logs go and what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessLogSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_arn: Option<String>,
}

/// What holds for one method of a stage or for all; its members are those of AWS's `MethodSetting`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MethodSetting {
    pub metrics_enabled: bool,
    /// Shown once it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging_level: Option<String>,
    pub data_trace_enabled: bool,
    pub throttling_burst_limit: i64,
    pub throttling_rate_limit: f64,
    pub caching_enabled: bool,
    pub cache_ttl_in_seconds: i64,
    pub cache_data_encrypted: bool,
    pub require_authorization_for_cache_control: bool,
    pub unauthorized_cache_control_header_strategy: String,
}

impl Default for MethodSetting {
    /// What the members show that were never set, while another one was (examples of `get-stage` and
    /// `update-stage` in the AWS CLI's reference): the throttle is the account's.
    fn default() -> Self {
        Self {
            metrics_enabled: false,
            logging_level: None,
            data_trace_enabled: false,
            throttling_burst_limit: super::account::BURST_LIMIT,
            throttling_rate_limit: super::account::RATE_LIMIT,
            caching_enabled: false,
            cache_ttl_in_seconds: 300,
            cache_data_encrypted: false,
            require_authorization_for_cache_control: true,
            unauthorized_cache_control_header_strategy: "SUCCEED_WITH_RESPONSE_HEADER".into(),
        }
    }
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateStage",
        needs: |world, caller, input| needs::of("CreateStage", world, caller, input),
        run: create,
    },
    Operation {
        name: "GetStage",
        needs: |world, caller, input| needs::of("GetStage", world, caller, input),
        run: |world, caller, input| {
            let api = world.apigateway.api(caller, &input)?;
            let name = text(&input, "stageName");
            Ok(describe(name, api.stage(name)?))
        },
    },
    Operation {
        name: "GetStages",
        needs: |world, caller, input| needs::of("GetStages", world, caller, input),
        run: |world, caller, input| {
            let api = world.apigateway.api(caller, &input)?;
            let of = text(&input, "deploymentId");
            if !of.is_empty() {
                api.deployment(of)?;
            }
            let stages = api.stages.iter();
            let stages = stages.filter(|(_, stage)| of.is_empty() || stage.deployment_id == of);
            let item: Vec<_> = stages.map(|(name, stage)| describe(name, stage)).collect();
            Ok(json!({ "item": item }))
        },
    },
    Operation {
        name: "UpdateStage",
        needs: |world, caller, input| {
            let keys = [
                (
                    "AccessLoggingDestination",
                    needs::patched(input, "/accessLogSettings/destinationArn"),
                ),
                (
                    "AccessLoggingFormat",
                    needs::patched(input, "/accessLogSettings/format"),
                ),
            ];
            let all = needs::of("UpdateStage", world, caller, input);
            let with = |need| needs::with_request(need, &keys);
            all.into_iter().map(with).collect()
        },
        run: update::run,
    },
    Operation {
        name: "DeleteStage",
        needs: |world, caller, input| needs::of("DeleteStage", world, caller, input),
        run: |world, caller, input| {
            let api = world.apigateway.api_mut(caller, &input)?;
            let name = text(&input, "stageName");
            api.stage(name)?;
            api.stages.remove(name);
            Ok(json!({}))
        },
    },
];

impl Api {
    pub fn stage(&self, name: &str) -> Result<&Stage, AwsError> {
        let found = self.stages.get(name);
        found.ok_or_else(|| not_found("Invalid stage identifier specified"))
    }
}

impl Stage {
    /// "Stage names can only contain alphanumeric characters, hyphens, and underscores. Maximum
    /// length is 128 characters" (API page of Stage).
    pub fn new(
        name: &str,
        deployment_id: &str,
        now: Timestamp,
        tags: TagSet,
    ) -> Result<Self, AwsError> {
        let is_good = (1..=128).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_good {
            return Err(bad("Stage name only allows a-zA-Z0-9_-"));
        }
        Ok(Self {
            deployment_id: deployment_id.to_owned(),
            description: None,
            created: now,
            updated: now,
            cache_cluster_enabled: false,
            cache_cluster_size: None,
            client_certificate_id: None,
            documentation_version: None,
            tracing_enabled: false,
            variables: BTreeMap::new(),
            method_settings: BTreeMap::new(),
            access_log_settings: None,
            tags,
        })
    }

    pub fn set_cache(&mut self, enabled: Option<bool>, size: Option<String>) {
        self.cache_cluster_enabled = enabled.unwrap_or(self.cache_cluster_enabled);
        self.cache_cluster_size = size.or(self.cache_cluster_size.take());
        if self.cache_cluster_enabled {
            self.cache_cluster_size.get_or_insert_with(|| "0.5".into());
        }
    }

    /// "The variable names can have alphanumeric and underscore characters, and the values must match
    /// [A-Za-z0-9-._~:/?#&=,]+" (API page of Stage).
    pub fn check_variables(&self) -> Result<(), AwsError> {
        let name_is_good = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let value_is_good = |value: &str| {
            !value.is_empty()
                && value
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c))
        };
        let mut variables = self.variables.iter();
        match variables.find(|(name, value)| !name_is_good(name) || !value_is_good(value)) {
            Some((name, _)) => Err(bad(format!(
                "Stage variable '{name}' has a name or value with characters that are not allowed. \
                 Please use values with alphanumeric characters and the symbols ' ', -', '.', '_', \
                 ':', '/', '?', '&', '=', and ','."
            ))),
            None => Ok(()),
        }
    }

    /// The setting that holds for a method: its own, else that of all methods.
    pub fn setting(&self, path: &str, verb: &str) -> Option<&MethodSetting> {
        let wanted = (path.trim_matches('/').to_owned(), verb.to_owned());
        let own = self
            .method_settings
            .iter()
            .find(|(key, _)| method_of(key) == wanted);
        own.map(|(_, setting)| setting)
            .or_else(|| self.method_settings.get("*/*"))
    }
}

/// Path without outer slashes, and method, of a key. `~1a~1b/GET`, `a~1b/GET` and `a/b/GET` are one.
fn method_of(key: &str) -> (String, String) {
    let (path, verb) = key.rsplit_once('/').unwrap_or((key, ""));
    (decoded(path).trim_matches('/').to_owned(), verb.to_owned())
}

pub(super) fn describe(name: &str, stage: &Stage) -> Value {
    let mut answer = json!({
        "deploymentId": stage.deployment_id,
        "stageName": name,
        "cacheClusterEnabled": stage.cache_cluster_enabled,
        // A cluster is there at once; AWS takes about four minutes.
        "cacheClusterStatus": if stage.cache_cluster_enabled { "AVAILABLE" } else { "NOT_AVAILABLE" },
        "methodSettings": shown(&stage.method_settings),
        "tracingEnabled": stage.tracing_enabled,
        "createdDate": seconds_of(stage.created),
        "lastUpdatedDate": seconds_of(stage.updated),
    });
    let mut add = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            answer[member] = value;
        }
    };
    let or_none = |text: &Option<String>| text.clone().map(Value::from);
    add("description", or_none(&stage.description));
    add("cacheClusterSize", or_none(&stage.cache_cluster_size));
    add("clientCertificateId", or_none(&stage.client_certificate_id));
    add(
        "documentationVersion",
        or_none(&stage.documentation_version),
    );
    add(
        "variables",
        (!stage.variables.is_empty()).then(|| json!(stage.variables)),
    );
    add(
        "accessLogSettings",
        stage.access_log_settings.as_ref().map(shown),
    );
    let tags = stage.tags.current();
    add("tags", (!tags.is_empty()).then(|| json!(tags)));
    answer
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    stage_name: String,
    deployment_id: String,
    description: Option<String>,
    cache_cluster_enabled: Option<bool>,
    cache_cluster_size: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    documentation_version: Option<String>,
    canary_settings: Option<Value>,
    #[serde(default)]
    tracing_enabled: bool,
    #[serde(default)]
    tags: Tags,
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let lag = world.profile.draw_list_lag(&mut world.random);
    let api = world.apigateway.api_mut(caller, &input)?;
    let input: Create = read(input)?;
    if input.canary_settings.is_some() {
        return Err(AwsError::not_modelled(
            "apigateway:CreateStage with canarySettings",
        ));
    }
    if api.stages.contains_key(&input.stage_name) {
        return Err(conflict("Stage already exists"));
    }
    if !api.deployments.contains_key(&input.deployment_id) {
        return Err(bad("Deployment id does not exist"));
    }
    let tags = TagSet::new(super::tags::checked(input.tags)?, caller.now, lag);
    let mut stage = Stage::new(&input.stage_name, &input.deployment_id, caller.now, tags)?;
    stage.description = input.description.filter(|text| !text.is_empty());
    stage.documentation_version = input.documentation_version;
    stage.tracing_enabled = input.tracing_enabled;
    stage.variables = input.variables;
    stage.set_cache(input.cache_cluster_enabled, input.cache_cluster_size);
    stage.check_variables()?;
    let answer = describe(&input.stage_name, &stage);
    api.stages.insert(input.stage_name, stage);
    Ok(answer)
}
