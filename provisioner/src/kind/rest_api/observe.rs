//! Reading the API: the list of APIs, and its parts at once in a second level.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::types as api;

use super::definition::{ALL_METHODS, Attributes, OWN_STATUS, canonical};
use super::live::{Live, Method, Part, Remembered, Resource, Stage};
use crate::adoption;
use crate::arg::{Output, Outputs};
use crate::aws::{Answer as _, Clients};
use crate::desired::{Desired, TAG_STACK};
use crate::kind::Seen;
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Stranger};

/// The largest page of API Gateway's lists (API reference, `limit`).
const PAGE: i32 = 500;

/// The models that AWS puts into every new API.
const AWS_MODELS: [&str; 2] = ["Empty", "Error"];

/// APIs of the account and region, as a list shows them.
pub type Listed = Result<Vec<api::RestApi>, Failure>;

/// Reads the API and its parts. A list may not show yet what was made a moment ago, and still show
/// what is gone: the API that the journal remembers is read directly then.
pub async fn observe(
    read: &Clients,
    desired: &Desired,
    listed: Listed,
    remembered: Option<&str>,
) -> Observation<Live> {
    match observe_listed(read, desired, listed, remembered).await {
        Ok(observation) => observation,
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

async fn observe_listed(
    read: &Clients,
    desired: &Desired,
    listed: Listed,
    remembered: Option<&str>,
) -> Result<Observation<Live>, Failure> {
    let mut found = listed?;
    if let Some(id) = remembered
        && !found.iter().any(|api| api.id() == Some(id))
    {
        let answer = read.apigateway.get_rest_api().rest_api_id(id).send().await;
        let answer = answer.unless_gone("apigateway:GetRestApi")?;
        found.extend(answer.map(|answer| {
            api::RestApi::builder()
                .set_id(answer.id)
                .set_name(answer.name)
                .set_description(answer.description)
                .set_endpoint_configuration(answer.endpoint_configuration)
                .set_policy(answer.policy)
                .set_tags(answer.tags)
                .set_root_resource_id(answer.root_resource_id)
                .disable_execute_api_endpoint(answer.disable_execute_api_endpoint)
                .set_security_policy(answer.security_policy)
                .set_endpoint_access_mode(answer.endpoint_access_mode)
                .set_api_key_source(answer.api_key_source)
                .set_binary_media_types(answer.binary_media_types)
                .set_minimum_compression_size(answer.minimum_compression_size)
                .set_version(answer.version)
                .set_warnings(answer.warnings)
                .set_created_date(answer.created_date)
                .set_api_status(answer.api_status)
                .set_api_status_message(answer.api_status_message)
                .build()
        }));
    }
    Ok(match pick(desired, found) {
        Picked::None => Observation::Absent,
        Picked::Foreign(why) => Observation::Foreign(why, None),
        Picked::Namesake(found) => match detail(read, *found).await {
            Ok(live) => strange(desired, live),
            Err(failure) if failure.class == Class::Gone => Observation::Absent,
            Err(failure) => return Err(failure),
        },
        Picked::Ours(found) => match detail(read, *found).await {
            Ok(live) => Observation::Present(live),
            Err(failure) if failure.class == Class::Gone => Observation::Absent,
            Err(failure) => return Err(failure),
        },
    })
}

/// Looks for an API that an unanswered CreateRestApi may have made.
pub async fn look(read: &Clients, desired: &Desired, _name: &str) -> Result<Seen, Failure> {
    match pick(desired, list(read).await?) {
        Picked::Ours(found) => Ok(Seen::Found(Outputs::from([
            (Output::ApiId, found.id.unwrap_or_default()),
            (
                Output::RootResourceId,
                found.root_resource_id.unwrap_or_default(),
            ),
        ]))),
        Picked::None | Picked::Namesake(_) | Picked::Foreign(_) => Ok(Seen::NotListed),
    }
}

/// Whose API is there.
enum Picked {
    None,
    Ours(Box<api::RestApi>),
    /// The only one of our name, which carries no tag of ours.
    Namesake(Box<api::RestApi>),
    Foreign(String),
}

const ANOTHER_NAME: &str = "give the API another name under [names]";

/// An API of our name without our tag.
fn strange(desired: &Desired, live: Live) -> Observation<Live> {
    let what = format!("API {} of the name {}", live.id, desired.api_name());
    let stranger = Stranger {
        attributes: live.attributes(),
        id: live.id,
        tags: live.tags,
    };
    adoption::foreign(desired, &what, ANOTHER_NAME, stranger)
}

/// The stack's tag says which API is ours, whatever it is called now. One of our name without it may
/// be anybody's.
fn pick(desired: &Desired, found: Vec<api::RestApi>) -> Picked {
    let stack = |api: &api::RestApi| Some(api.tags.as_ref()?.get(TAG_STACK)?.clone());
    let name = desired.api_name();
    let (ours, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|api| stack(api).as_deref() == Some(&desired.domain));
    let ids = |apis: &[api::RestApi]| {
        let ids: Vec<&str> = apis.iter().filter_map(api::RestApi::id).collect();
        ids.join(" and ")
    };
    if ours.len() > 1 {
        return Picked::Foreign(format!(
            "APIs {} all carry the tag {TAG_STACK}={}; delete those that no client uses",
            ids(&ours),
            desired.domain
        ));
    }
    if let Some(found) = ours.into_iter().next() {
        return Picked::Ours(Box::new(found));
    }
    let mut namesakes: Vec<_> = others
        .into_iter()
        .filter(|api| api.name() == Some(&name))
        .collect();
    match (namesakes.pop(), &namesakes[..]) {
        (None, _) => Picked::None,
        (Some(one), []) => Picked::Namesake(Box::new(one)),
        (Some(last), others) => Picked::Foreign(format!(
            "APIs {} and {} are called {name} and none carries the tag {TAG_STACK}={}; delete those that no \
             client uses, or {ANOTHER_NAME}",
            ids(others),
            last.id().unwrap_or_default(),
            desired.domain
        )),
    }
}

/// Lists every API: their tags say whose they are.
pub async fn list(read: &Clients) -> Listed {
    let pages = read.apigateway.get_rest_apis().limit(PAGE);
    let mut pages = pages.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(next) = pages.next().await {
        found.push(next.or_fail("apigateway:GetRestApis")?);
    }
    Ok(found)
}

/// Every page of a list.
macro_rules! all {
    ($call:expr, $name:literal) => {
        async {
            let mut pages = $call.limit(PAGE).into_paginator().items().send();
            let mut found = Vec::new();
            while let Some(next) = pages.next().await {
                found.push(next.or_fail(concat!("apigateway:", $name))?);
            }
            Ok::<_, Failure>(found)
        }
    };
}

/// The same where the SDK knows no pages, although the operation has them.
macro_rules! pages {
    ($call:expr, $name:literal) => {
        async {
            let mut found = Vec::new();
            let mut position: Option<String> = None;
            loop {
                let call = $call.limit(PAGE).set_position(position.take());
                let answer = call.send().await.or_fail(concat!("apigateway:", $name))?;
                found.extend(answer.items.unwrap_or_default());
                position = answer.position;
                if position.is_none() {
                    return Ok::<_, Failure>(found);
                }
            }
        }
    };
}

async fn detail(read: &Clients, found: api::RestApi) -> Result<Live, Failure> {
    let client = &read.apigateway;
    let id = found.id.clone().unwrap_or_default();
    let stages = async {
        let call = client.get_stages().rest_api_id(&id);
        let answer = call.send().await.or_fail("apigateway:GetStages")?;
        Ok(answer.item.unwrap_or_default())
    };
    let (resources, stages, authorizers, models, validators, responses) = tokio::try_join!(
        all!(
            client.get_resources().rest_api_id(&id).embed("methods"),
            "GetResources"
        ),
        stages,
        pages!(client.get_authorizers().rest_api_id(&id), "GetAuthorizers"),
        all!(client.get_models().rest_api_id(&id), "GetModels"),
        pages!(
            client.get_request_validators().rest_api_id(&id),
            "GetRequestValidators"
        ),
        pages!(
            client.get_gateway_responses().rest_api_id(&id),
            "GetGatewayResponses"
        ),
    )?;
    let validators = named(validators.into_iter().map(validator));
    let authorizers = named(authorizers.into_iter().map(authorizer));
    let names = |parts: &BTreeMap<String, Part>| -> BTreeMap<String, String> {
        parts
            .iter()
            .map(|(name, part)| (part.id.clone(), name.clone()))
            .collect()
    };
    let (validator_names, authorizer_names) = (names(&validators), names(&authorizers));
    let resources = resources
        .into_iter()
        .map(|found| resource(found, &validator_names, &authorizer_names))
        .collect();
    let models = models
        .into_iter()
        .map(model)
        .filter(|(name, _)| !AWS_MODELS.contains(&name.as_str()))
        .collect();
    let responses = responses
        .into_iter()
        .filter(|response| !response.default_response)
        .map(response)
        .collect();
    Ok(Live {
        id,
        root_id: found.root_resource_id.clone().unwrap_or_default(),
        failure: (found.api_status == Some(api::ApiStatus::Failed))
            .then(|| found.api_status_message.clone().unwrap_or_default()),
        settings: settings(&found),
        policy: found.policy.as_deref().and_then(policy),
        tags: sorted(found.tags),
        resources,
        models,
        validators,
        authorizers,
        responses,
        stages: stages.into_iter().map(stage).collect(),
        // Which deployment is ours does not show in the API.
        remembered: Remembered::Unknown,
    })
}

fn sorted<V>(map: Option<impl IntoIterator<Item = (String, V)>>) -> BTreeMap<String, V> {
    map.into_iter().flatten().collect()
}

/// Parts by name, each under a name of its own.
fn named(parts: impl Iterator<Item = (String, Part)>) -> BTreeMap<String, Part> {
    let mut parts: Vec<_> = parts.collect();
    parts.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    let mut taken = BTreeSet::new();
    parts
        .into_iter()
        .map(|(name, part)| {
            if taken.insert(name.clone()) {
                (name, part)
            } else {
                (format!("{name} ({})", part.id), part)
            }
        })
        .collect()
}

/// GetRestApi shows the policy with one more level of escapes than it was written with (the AWS CLI's
/// reference has an example); both forms are read.
fn policy(shown: &str) -> Option<String> {
    if shown.trim().is_empty() {
        return None;
    }
    let unescaped = serde_json::from_str::<String>(&format!("\"{shown}\""));
    Some(unescaped.unwrap_or_else(|_| shown.to_owned()))
}

fn settings(found: &api::RestApi) -> Attributes {
    let endpoint = found.endpoint_configuration.as_ref();
    let types: Vec<&str> = endpoint
        .map(api::EndpointConfiguration::types)
        .unwrap_or_default()
        .iter()
        .map(api::EndpointType::as_str)
        .collect();
    let ip = endpoint
        .and_then(api::EndpointConfiguration::ip_address_type)
        .map_or("ipv4", api::IpAddressType::as_str);
    let is_off = found.disable_execute_api_endpoint;
    let default = if is_off { "disabled" } else { "enabled" };
    let mode = found.endpoint_access_mode.as_ref();
    let security = found.security_policy.as_ref();
    let key_source = found.api_key_source.as_ref();
    let compression = found.minimum_compression_size;
    let pairs = [
        ("name", found.name.clone().unwrap_or_default()),
        ("description", found.description.clone().unwrap_or_default()),
        ("endpoint.type", types.join(" ")),
        ("endpoint.ip-address-type", ip.to_owned()),
        ("endpoint.default", default.to_owned()),
        (
            "endpoint.access-mode",
            mode.map_or("", api::EndpointAccessMode::as_str).to_owned(),
        ),
        (
            "security-policy",
            security.map_or("", api::SecurityPolicy::as_str).to_owned(),
        ),
        (
            "api-key-source",
            key_source
                .map_or("HEADER", api::ApiKeySourceType::as_str)
                .to_owned(),
        ),
        ("binary-media-types", found.binary_media_types().join(" ")),
        (
            "minimum-compression-size",
            compression.map_or_else(String::new, |size| size.to_string()),
        ),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Attributes without those that AWS does not show, which are those that nobody set.
fn present<const N: usize>(pairs: [(&str, Option<String>); N]) -> Attributes {
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// One attribute for each entry of a map.
fn entries<V: ToString>(
    prefix: &str,
    map: Option<impl IntoIterator<Item = (String, V)>>,
) -> impl Iterator<Item = (String, String)> {
    map.into_iter()
        .flatten()
        .map(move |(name, value)| (format!("{prefix}{name}"), value.to_string()))
}

fn list_text(list: Option<Vec<String>>) -> Option<String> {
    list.filter(|list| !list.is_empty())
        .map(|list| list.join(" "))
}

fn resource(
    found: api::Resource,
    validators: &BTreeMap<String, String>,
    authorizers: &BTreeMap<String, String>,
) -> (String, Resource) {
    let methods = sorted(found.resource_methods)
        .into_iter()
        .map(|(verb, found)| (verb, method(found, validators, authorizers)))
        .collect();
    let resource = Resource {
        id: found.id.unwrap_or_default(),
        methods,
        leads_on: false,
    };
    (found.path.unwrap_or_default(), resource)
}

/// A method. Responses declared for it or for its integration mean nothing to a proxy integration,
/// which hands on what the function answers.
fn method(
    found: api::Method,
    validators: &BTreeMap<String, String>,
    authorizers: &BTreeMap<String, String>,
) -> Method {
    let name = |names: &BTreeMap<String, String>, id: Option<String>| {
        id.map(|id| names.get(&id).cloned().unwrap_or(id))
    };
    let mut attributes = present([
        ("authorization", found.authorization_type),
        (
            "api-key-required",
            Some(found.api_key_required.unwrap_or_default().to_string()),
        ),
        ("validator", name(validators, found.request_validator_id)),
        ("authorizer", name(authorizers, found.authorizer_id)),
        ("scopes", list_text(found.authorization_scopes)),
        ("operation-name", found.operation_name),
    ]);
    attributes.extend(entries("model.", found.request_models));
    attributes.extend(entries("parameter.", found.request_parameters));
    Method {
        attributes,
        integration: found
            .method_integration
            .map(integration)
            .unwrap_or_default(),
    }
}

/// An integration, without its cache's namespace, which AWS names after the resource.
fn integration(found: api::Integration) -> Attributes {
    let kind = found.r#type.as_ref();
    let mut attributes = present([
        ("type", kind.map(|kind| kind.as_str().to_owned())),
        ("http-method", found.http_method),
        ("uri", found.uri),
        ("timeout-ms", Some(found.timeout_in_millis.to_string())),
        ("passthrough", found.passthrough_behavior),
        ("credentials", found.credentials),
        ("connection", found.connection_id),
        (
            "content-handling",
            found.content_handling.map(|how| how.as_str().to_owned()),
        ),
        (
            "transfer-mode",
            found
                .response_transfer_mode
                .map(|mode| mode.as_str().to_owned())
                .filter(|mode| mode != "BUFFERED"),
        ),
        ("cache-keys", list_text(found.cache_key_parameters)),
        (
            "tls-unverified",
            found
                .tls_config
                .filter(|tls| tls.insecure_skip_verification)
                .map(|_| "true".to_owned()),
        ),
    ]);
    attributes.extend(entries("parameter.", found.request_parameters));
    attributes.extend(entries("template.", found.request_templates));
    attributes
}

fn model(found: api::Model) -> (String, Attributes) {
    let schema = found.schema.as_deref().map(canonical);
    let attributes = present([
        ("content-type", found.content_type),
        ("schema", schema),
        ("description", found.description),
    ]);
    (found.name.unwrap_or_default(), attributes)
}

fn validator(found: api::RequestValidator) -> (String, Part) {
    let attributes = present([
        ("body", Some(found.validate_request_body.to_string())),
        (
            "parameters",
            Some(found.validate_request_parameters.to_string()),
        ),
    ]);
    let id = found.id.unwrap_or_default();
    (found.name.unwrap_or_default(), Part { id, attributes })
}

fn authorizer(found: api::Authorizer) -> (String, Part) {
    let kind = found.r#type.as_ref();
    let attributes = present([
        ("type", kind.map(|kind| kind.as_str().to_owned())),
        ("uri", found.authorizer_uri),
        ("providers", list_text(found.provider_arns)),
    ]);
    let id = found.id.unwrap_or_default();
    (found.name.unwrap_or_default(), Part { id, attributes })
}

fn response(found: api::GatewayResponse) -> (String, Attributes) {
    let kind = found.response_type.as_ref();
    let status = found.status_code.filter(|status| !status.is_empty());
    let mut attributes = Attributes::from([(
        "status".to_owned(),
        status.unwrap_or_else(|| OWN_STATUS.to_owned()),
    )]);
    let templates = found.response_templates.unwrap_or_default();
    attributes.extend(
        templates
            .into_iter()
            .map(|(content, body)| (format!("body.{content}"), canonical(&body))),
    );
    attributes.extend(entries("", found.response_parameters));
    (
        kind.map_or("", api::GatewayResponseType::as_str).to_owned(),
        attributes,
    )
}

fn stage(found: api::Stage) -> (String, Stage) {
    let mut settings = sorted(found.method_settings);
    let all = settings.remove(ALL_METHODS);
    let level = all
        .as_ref()
        .and_then(|all| all.logging_level.clone())
        .unwrap_or_else(|| "OFF".to_owned());
    let is = |of: fn(&api::MethodSetting) -> bool| all.as_ref().is_some_and(of).to_string();
    let access = found.access_log_settings;
    let (destination, format) = access.map_or((None, None), |access| {
        (access.destination_arn, access.format)
    });
    let mut attributes = present([
        (
            "throttling.rate",
            all.as_ref()
                .map(|all| all.throttling_rate_limit.to_string()),
        ),
        (
            "throttling.burst",
            all.as_ref()
                .map(|all| all.throttling_burst_limit.to_string()),
        ),
        ("metrics", Some(is(|all| all.metrics_enabled))),
        ("logging.level", Some(level)),
        ("logging.data-trace", Some(is(|all| all.data_trace_enabled))),
        ("caching", Some(is(|all| all.caching_enabled))),
        (
            "cache-cluster",
            Some(found.cache_cluster_enabled.to_string()),
        ),
        ("tracing", Some(found.tracing_enabled.to_string())),
        ("access-log.destination", destination),
        ("access-log.format", format.as_deref().map(canonical)),
        ("client-certificate", found.client_certificate_id),
        (
            "canary",
            found.canary_settings.map(|canary| {
                let deployment = canary.deployment_id.unwrap_or_default();
                format!("{} % to deployment {deployment}", canary.percent_traffic)
            }),
        ),
    ]);
    attributes.extend(entries("variables.", found.variables));
    attributes.extend(settings.into_iter().map(|(key, setting)| {
        let (rate, burst) = (
            setting.throttling_rate_limit,
            setting.throttling_burst_limit,
        );
        let text = format!("rate {rate}, burst {burst}");
        (format!("method-settings.{key}"), text)
    }));
    let stage = Stage {
        deployment: found.deployment_id.unwrap_or_default(),
        description: found.description.unwrap_or_default(),
        attributes,
        tags: sorted(found.tags),
    };
    (found.stage_name.unwrap_or_default(), stage)
}
