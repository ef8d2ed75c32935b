//! Reading the function: its configuration by the names that are compared, who may invoke it, its URLs.

use std::collections::BTreeMap;

use aws_sdk_lambda::types::{Architecture as AwsArchitecture, FunctionConfiguration, LogFormat};
use serde_json::Value;

use super::{CONCURRENCY, Live, Unreserved, published};
use crate::adoption;
use crate::aws::{Answer as _, Clients, unusable};
use crate::desired::{Desired, TAG_STACK};
use crate::retry::Failure;
use crate::snapshot::{Observation, Stranger};

/// Reads the function, who may invoke it, and its URLs.
pub async fn observe(
    read: &Clients,
    desired: &Desired,
    is_whole: bool,
) -> (Observation<Live>, Unreserved) {
    match read_live(read, desired, is_whole).await {
        Ok(None) => (Observation::Absent, unreserved(read).await),
        Ok(Some(live)) => match live.tags.get(TAG_STACK) {
            Some(stack) if *stack == desired.domain => {
                let unreserved = if live.concurrency == Some(CONCURRENCY) {
                    Ok(None)
                } else {
                    unreserved(read).await
                };
                (Observation::Present(live), unreserved)
            }
            Some(_) | None => {
                let stranger = Stranger {
                    id: desired.function_arn(),
                    attributes: live.attributes(),
                    tags: live.tags,
                };
                let foreign = adoption::foreign(
                    desired,
                    &format!("function {}", desired.function_name()),
                    "give the function another name under [updater]",
                    stranger,
                );
                (foreign, Ok(None))
            }
        },
        Err(failure) => (Observation::Unreadable(failure.to_string()), Ok(None)),
    }
}

/// Concurrency of the account that no function has reserved.
async fn unreserved(read: &Clients) -> Unreserved {
    let answer = read.lambda.get_account_settings().send().await;
    let answer = answer.or_fail("lambda:GetAccountSettings")?;
    Ok(answer
        .account_limit()
        .and_then(|limit| limit.unreserved_concurrent_executions()))
}

async fn read_live(
    read: &Clients,
    desired: &Desired,
    is_whole: bool,
) -> Result<Option<Live>, Failure> {
    let name = desired.function_name();
    let (function, policy, urls, published) = tokio::join!(
        read.lambda.get_function().function_name(&name).send(),
        read.lambda.get_policy().function_name(&name).send(),
        urls(read, &name),
        async {
            match is_whole {
                true => published::read(read, desired, &name).await.map(Some),
                false => Ok(None),
            }
        },
    );
    let Some(function) = function.unless_gone("lambda:GetFunction")? else {
        return Ok(None);
    };
    let policy = policy.unless_gone("lambda:GetPolicy")?;
    let permissions = match policy.and_then(|answer| answer.policy) {
        Some(text) => statements(&text)?,
        None => BTreeMap::new(),
    };
    let configuration = function.configuration().cloned();
    let configuration = configuration.unwrap_or_else(|| FunctionConfiguration::builder().build());
    Ok(Some(Live {
        code_sha256: configuration.code_sha256().unwrap_or_default().to_owned(),
        settings: settings_of(&configuration),
        concurrency: function
            .concurrency()
            .and_then(|concurrency| concurrency.reserved_concurrent_executions()),
        permissions,
        urls: urls?,
        published: published?,
        tags: function
            .tags()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    }))
}

/// The statements of a resource policy by Sid. AddPermission gives each one.
pub(super) fn statements(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let policy: Value = serde_json::from_str(text)
        .map_err(|error| unusable("lambda:GetPolicy", &error.to_string()))?;
    let statements = match &policy["Statement"] {
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        single @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![single]
        }
    };
    Ok(statements
        .into_iter()
        .map(|statement| {
            let sid = statement["Sid"].as_str().unwrap_or_default().to_owned();
            (sid, statement.to_string())
        })
        .collect())
}

async fn urls(read: &Clients, name: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut pages = read
        .lambda
        .list_function_url_configs()
        .function_name(name)
        .into_paginator()
        .send();
    let mut urls = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let Some(page) = page.unless_gone("lambda:ListFunctionUrlConfigs")? else {
            return Ok(BTreeMap::new());
        };
        for config in page.function_url_configs() {
            // arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]
            let qualifier = config.function_arn().splitn(8, ':').nth(7);
            urls.insert(
                qualifier.unwrap_or_default().to_owned(),
                config.function_url().to_owned(),
            );
        }
    }
    Ok(urls)
}

/// The live configuration by the names that [`settings`] uses, and whatever else it has that ours
/// never have.
fn settings_of(live: &FunctionConfiguration) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            settings.insert(name.to_owned(), value);
        }
    };
    let architectures = live.architectures().iter();
    add(
        "architecture",
        architectures
            .map(AwsArchitecture::as_str)
            .collect::<Vec<_>>()
            .join(" "),
    );
    add("description", live.description().unwrap_or_default().into());
    add("handler", live.handler().unwrap_or_default().into());
    if let Some(logging) = live.logging_config() {
        add(
            "log-format",
            logging
                .log_format()
                .map_or("Text", LogFormat::as_str)
                .into(),
        );
        add("log-group", logging.log_group().unwrap_or_default().into());
    }
    add(
        "memory",
        format!("{} MiB", live.memory_size().unwrap_or_default()),
    );
    add("role", live.role().unwrap_or_default().into());
    add(
        "runtime",
        live.runtime()
            .map_or_else(String::new, |r| r.as_str().into()),
    );
    let storage = live.ephemeral_storage().map_or(512, |disk| disk.size());
    add("storage", format!("{storage} MiB"));
    add("timeout", format!("{} s", live.timeout().unwrap_or(3)));
    let tracing = live.tracing_config().and_then(|tracing| tracing.mode());
    add(
        "tracing",
        tracing.map_or("PassThrough", |mode| mode.as_str()).into(),
    );
    if let Some(environment) = live.environment() {
        // Names only: values may be somebody's secrets.
        let names = environment.variables().into_iter().flatten();
        let mut names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        add("environment", names.join(" "));
    }
    let layers = live.layers().iter().filter_map(|layer| layer.arn());
    add("layers", layers.collect::<Vec<_>>().join(" "));
    let mounts = live.file_system_configs().iter();
    add(
        "file-systems",
        mounts
            .map(|mount| mount.arn())
            .collect::<Vec<_>>()
            .join(" "),
    );
    add(
        "vpc",
        live.vpc_config()
            .and_then(|vpc| vpc.vpc_id())
            .unwrap_or_default()
            .into(),
    );
    add(
        "dead-letter",
        live.dead_letter_config()
            .and_then(|target| target.target_arn())
            .unwrap_or_default()
            .into(),
    );
    add("kms-key", live.kms_key_arn().unwrap_or_default().into());
    settings
}
