//! REST APIs themselves: what they have besides their parts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::authorizer::Authorizer;
use super::deployment::Deployment;
use super::gateway_response::GatewayResponse;
use super::model::Model;
use super::resource::Resource;
use super::stage::Stage;
use super::validator::Validator;
use super::{ID, bad, needs, page, policy, read, text};
use crate::tagging::{TagSet, Tags};
use crate::wire::text::seconds_of;
use crate::world::{AwsError, Caller, Need, Operation, World};

mod update;

/// A REST API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Api {
    pub name: String,
    pub description: Option<String>,
    pub version: Option<String>,
    pub created: Timestamp,
    /// From when on listings show it.
    pub listed_from: Timestamp,
    pub endpoint: Endpoint,
    pub security_policy: String,
    pub endpoint_access_mode: Option<String>,
    pub tags: TagSet,
    /// What the next deployment takes.
    pub definition: Definition,
    /// By id.
    pub deployments: BTreeMap<String, Deployment>,
    /// By name.
    pub stages: BTreeMap<String, Stage>,
    /// What the last import had to say.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Where an API can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub types: Vec<String>,
    pub ip_address_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vpc_endpoint_ids: Vec<String>,
}

/// Everything of an API that clients notice only after a deployment. Resource policy and disabled
/// endpoint belong here: "If you update the resource policy after the API is created, you'll need to
/// deploy the API to propagate the changes", and likewise "After you disable the default endpoint,
/// deploy your API for the change to take effect" (developer guide).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Definition {
    /// Id of the resource `/`.
    pub root: String,
    pub api_key_source: String,
    pub binary_media_types: Vec<String>,
    pub minimum_compression_size: Option<i64>,
    pub policy: Option<String>,
    pub disable_execute_api_endpoint: bool,
    /// By id.
    pub resources: BTreeMap<String, Resource>,
    /// By name.
    pub models: BTreeMap<String, Model>,
    /// By id.
    pub validators: BTreeMap<String, Validator>,
    /// Those that are not the default, by type.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// By id.
    pub authorizers: BTreeMap<String, Authorizer>,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateRestApi",
        needs: |world, caller, input| {
            let mut all: Vec<_> = needs::of("CreateRestApi", world, caller, input)
                .into_iter()
                .map(|need| with_request(need, input))
                .collect();
            if input.get("policy").is_some() {
                all.push(policy_need(&all[0]));
            }
            all
        },
        run: create,
    },
    Operation {
        name: "GetRestApi",
        needs: |world, caller, input| needs::of("GetRestApi", world, caller, input),
        run: |world, caller, input| {
            let api = world.apigateway.api(caller, &input)?;
            Ok(describe(text(&input, "restApiId"), api))
        },
    },
    Operation {
        name: "GetRestApis",
        needs: |world, caller, input| needs::of("GetRestApis", world, caller, input),
        run: |world, caller, input| {
            let region = world.apigateway.region(&caller.account, &caller.region);
            let apis = region.into_iter().flat_map(|region| &region.apis);
            let listed = apis
                .filter(|(_, api)| api.listed_from <= caller.now)
                .map(|(id, api)| (id.clone(), describe(id, api)));
            page("GetRestApis", listed, &input)
        },
    },
    Operation {
        name: "DeleteRestApi",
        needs: |world, caller, input| needs::of("DeleteRestApi", world, caller, input),
        run: |world, caller, input| {
            world.apigateway.api(caller, &input)?;
            let region = world.apigateway.region_mut(caller);
            region.apis.remove(text(&input, "restApiId"));
            Ok(json!({}))
        },
    },
    Operation {
        name: "UpdateRestApi",
        needs: |world, caller, input| {
            let mut all: Vec<_> = needs::of("UpdateRestApi", world, caller, input)
                .into_iter()
                .map(|need| update::with_patched(need, input))
                .collect();
            if needs::touches(input, "/policy") {
                all.push(policy_need(&all[0]));
            }
            all
        },
        run: update::run,
    },
];

/// "apigateway:UpdateRestApiPolicy … is required to set or change a resource policy", on top of the
/// verb, for the same resource.
pub(super) fn policy_need(verb: &Need) -> Need {
    Need {
        action: "apigateway:UpdateRestApiPolicy".into(),
        resource: verb.resource.clone(),
        // The reference lists no condition keys for it.
        context: BTreeMap::new(),
    }
}

fn with_request(need: Need, input: &Value) -> Need {
    let endpoint = input.get("endpointConfiguration");
    needs::with_request(
        need,
        &[
            ("ApiName", input.get("name")),
            ("EndpointType", endpoint.and_then(|e| e.get("types"))),
            ("SecurityPolicy", input.get("securityPolicy")),
            (
                "DisableExecuteApiEndpoint",
                input.get("disableExecuteApiEndpoint"),
            ),
        ],
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    description: Option<String>,
    version: Option<String>,
    clone_from: Option<String>,
    #[serde(default)]
    binary_media_types: Vec<String>,
    minimum_compression_size: Option<i64>,
    api_key_source: Option<String>,
    endpoint_configuration: Option<CreateEndpoint>,
    policy: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    disable_execute_api_endpoint: bool,
    security_policy: Option<String>,
    endpoint_access_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateEndpoint {
    #[serde(default)]
    types: Vec<String>,
    ip_address_type: Option<String>,
    #[serde(default)]
    vpc_endpoint_ids: Vec<String>,
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Create = read(input)?;
    if input.clone_from.is_some() {
        return Err(AwsError::not_modelled(
            "apigateway:CreateRestApi with cloneFrom",
        ));
    }
    let tags = super::tags::checked(input.tags)?;
    let id = world.random.text(ID, 10);
    let mut api = Api::new(world, caller, input.name)?;
    api.description = input.description.filter(|text| !text.is_empty());
    api.version = input.version;
    if let Some(endpoint) = input.endpoint_configuration {
        api.endpoint = Endpoint::new(
            endpoint.types,
            endpoint.ip_address_type,
            endpoint.vpc_endpoint_ids,
        )?;
    }
    api.security_policy = input
        .security_policy
        .unwrap_or_else(|| security_policy_default(&api.endpoint).to_owned());
    api.endpoint_access_mode = input.endpoint_access_mode;
    api.check_security_policy()?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    api.tags = TagSet::new(tags, caller.now, lag);
    let definition = &mut api.definition;
    definition.binary_media_types = input.binary_media_types;
    definition.minimum_compression_size = input
        .minimum_compression_size
        .map(checked_size)
        .transpose()?;
    if let Some(source) = input.api_key_source {
        definition.api_key_source = source;
    }
    definition.policy = input
        .policy
        .filter(|policy| !policy.is_empty())
        .map(|policy| policy::stored(caller, &id, &policy))
        .transpose()?;
    definition.disable_execute_api_endpoint = input.disable_execute_api_endpoint;
    let answer = describe(&id, &api);
    world.apigateway.region_mut(caller).apis.insert(id, api);
    Ok(answer)
}

impl Api {
    /// An API as CreateRestApi makes it from a name alone: edge-optimised, with the root resource and
    /// two models.
    pub fn new(world: &mut World, caller: &Caller, name: String) -> Result<Self, AwsError> {
        if name.trim().is_empty() {
            return Err(bad("API name must not be empty"));
        }
        let lag = world.profile.draw_list_lag(&mut world.random);
        let endpoint = Endpoint {
            types: vec!["EDGE".into()],
            ip_address_type: "ipv4".into(),
            vpc_endpoint_ids: Vec::new(),
        };
        Ok(Self {
            name,
            description: None,
            version: None,
            created: caller.now,
            listed_from: caller.now.saturating_add(lag).unwrap_or(Timestamp::MAX),
            security_policy: security_policy_default(&endpoint).to_owned(),
            endpoint,
            endpoint_access_mode: None,
            tags: TagSet::default(),
            definition: Definition::new(world),
            deployments: BTreeMap::new(),
            stages: BTreeMap::new(),
            warnings: Vec::new(),
        })
    }

    /// Moves an API to another type of endpoint.
    pub fn set_endpoint_type(&mut self, kind: &str) -> Result<(), AwsError> {
        if !["EDGE", "REGIONAL", "PRIVATE"].contains(&kind) {
            return Err(bad(format!("Invalid endpoint type '{kind}'")));
        }
        if kind == "PRIVATE" {
            self.endpoint.ip_address_type = "dualstack".into();
        }
        // A default follows the endpoint type; a policy of one's own stays, and is checked.
        let was_default = self.security_policy == security_policy_default(&self.endpoint);
        self.endpoint.types = vec![kind.to_owned()];
        if was_default {
            security_policy_default(&self.endpoint).clone_into(&mut self.security_policy);
        }
        Ok(())
    }

    /// An enhanced policy needs an access mode; STRICT needs an enhanced policy; and each is either
    /// for edge-optimised APIs or for the others
    /// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html>).
    fn check_security_policy(&self) -> Result<(), AwsError> {
        let policy = self.security_policy.as_str();
        let is_enhanced = policy.starts_with("SecurityPolicy_");
        let mode = self.endpoint_access_mode.as_deref();
        if is_enhanced && mode.is_none() {
            return Err(bad(format!(
                "Endpoint access mode must be set when using the security policy {policy}"
            )));
        }
        if !is_enhanced && mode == Some("STRICT") {
            return Err(bad(format!(
                "Endpoint access mode STRICT is not supported with the security policy {policy}"
            )));
        }
        let is_edge = self.endpoint.types.iter().any(|kind| kind == "EDGE");
        if is_enhanced && policy.ends_with("_EDGE") != is_edge {
            return Err(bad(format!(
                "Security policy {policy} is not supported for endpoint type {}",
                self.endpoint.types.join(", ")
            )));
        }
        Ok(())
    }
}

impl Definition {
    /// The definition of a new API.
    pub fn new(world: &mut World) -> Self {
        let root = world.random.text(ID, 10);
        Self {
            resources: BTreeMap::from([(root.clone(), Resource::root())]),
            root,
            api_key_source: "HEADER".into(),
            binary_media_types: Vec::new(),
            minimum_compression_size: None,
            policy: None,
            disable_execute_api_endpoint: false,
            models: Model::defaults(&mut world.random),
            validators: BTreeMap::new(),
            gateway_responses: BTreeMap::new(),
            authorizers: BTreeMap::new(),
        }
    }
}

impl Endpoint {
    pub fn new(
        types: Vec<String>,
        ip_address_type: Option<String>,
        vpc_endpoint_ids: Vec<String>,
    ) -> Result<Self, AwsError> {
        let types = if types.is_empty() {
            vec!["EDGE".to_owned()]
        } else {
            types
        };
        let is_private = types.iter().any(|kind| kind == "PRIVATE");
        let default = if is_private { "dualstack" } else { "ipv4" };
        let endpoint = Self {
            types,
            ip_address_type: ip_address_type.unwrap_or_else(|| default.to_owned()),
            vpc_endpoint_ids,
        };
        endpoint.check()?;
        Ok(endpoint)
    }

    /// "For the PRIVATE endpoint type, only dualstack is supported"; "vpcEndpointIds … is only
    /// supported for PRIVATE endpoint type" (API page of EndpointConfiguration).
    fn check(&self) -> Result<(), AwsError> {
        let [kind] = self.types.as_slice() else {
            return Err(bad("Only one endpoint type is supported per API"));
        };
        if kind == "PRIVATE" && self.ip_address_type != "dualstack" {
            return Err(bad(
                "Only dualstack IP address type is supported for private APIs",
            ));
        }
        if kind != "PRIVATE" && !self.vpc_endpoint_ids.is_empty() {
            return Err(bad(
                "Vpc Endpoint Ids are only supported for PRIVATE endpoint type",
            ));
        }
        Ok(())
    }
}

/// What an API without a security policy of its own has.
fn security_policy_default(endpoint: &Endpoint) -> &'static str {
    if endpoint.types.iter().any(|kind| kind == "PRIVATE") {
        "TLS_1_2"
    } else {
        "TLS_1_0"
    }
}

/// "A nullable integer that is used to enable compression (with non-negative between 0 and 10485760
/// (10M) bytes, inclusive)" (API page of RestApi).
fn checked_size(size: i64) -> Result<i64, AwsError> {
    if (0..=10_485_760).contains(&size) {
        Ok(size)
    } else {
        Err(bad(
            "Invalid minimum compression size, must be between 0 and 10485760",
        ))
    }
}

/// An API as its operations answer it.
pub(super) fn describe(id: &str, api: &Api) -> Value {
    let definition = &api.definition;
    let mut shown = json!({
        "id": id,
        "name": api.name,
        "createdDate": seconds_of(api.created),
        "apiKeySource": definition.api_key_source,
        "endpointConfiguration": super::shown(&api.endpoint),
        "disableExecuteApiEndpoint": definition.disable_execute_api_endpoint,
        "rootResourceId": definition.root,
        "securityPolicy": api.security_policy,
        "tags": api.tags.current(),
        "apiStatus": "AVAILABLE",
    });
    let mut add = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown[member] = value;
        }
    };
    add("description", api.description.clone().map(Value::from));
    add("version", api.version.clone().map(Value::from));
    add(
        "endpointAccessMode",
        api.endpoint_access_mode.clone().map(Value::from),
    );
    add(
        "minimumCompressionSize",
        definition.minimum_compression_size.map(Value::from),
    );
    let policy = definition.policy.as_deref().map(policy::escaped);
    add("policy", policy.map(Value::from));
    let types = &definition.binary_media_types;
    add(
        "binaryMediaTypes",
        (!types.is_empty()).then(|| json!(types)),
    );
    add(
        "warnings",
        (!api.warnings.is_empty()).then(|| json!(api.warnings)),
    );
    shown
}
