//! What the API has to be, as one pure value, and its attributes by name.
//!
//! Attributes are the common language of this kind: [`Definition`] and [`super::Live`] both answer
//! them, so that comparing is comparing two maps, and nothing that is written goes unread.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::desired::Desired;
use crate::kind::log_group;
use crate::plan::hex;
use crate::stack::TlsMin;
use crate::tags::Tags;

/// Attributes by name.
pub type Attributes = BTreeMap<String, String>;

/// The only path.
pub const PATH: &str = "/update-dns";
/// Its last part.
pub const PATH_PART: &str = "update-dns";
/// The only method.
pub const METHOD: &str = "POST";
/// Name of the request model: letters and digits (API Gateway API, CreateModel).
pub const MODEL: &str = "Update";
/// Content type of requests.
pub const CONTENT_TYPE: &str = "application/json";
/// Name of the request validator.
pub const VALIDATOR: &str = "body";
/// Key of the settings that hold for every method of a stage.
pub const ALL_METHODS: &str = "*/*";

/// The policy's text, with placeholders.
pub const POLICY: &str = include_str!("../../../../policies/api-resource.json");
/// The form of a request: JSON schema draft 4, which is what API Gateway reads. A superset of what
/// the updater takes, since only the updater may judge; it keeps out what is not even a request.
const SCHEMA: &str = include_str!("request.schema.json");

/// The longest an integration may take without a raised quota (API Gateway Developer Guide, "Quotas
/// for configuring and running a REST API").
const INTEGRATION_MILLIS_MAX: u64 = 29_000;

/// Headers of a gateway response: name and value.
type Headers = &'static [(&'static str, &'static str)];

/// An answer of the gateway itself, in the form of the updater's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's name of the response.
    pub kind: &'static str,
    /// The step that writes it.
    pub step: &'static str,
    /// Its status; `None` for the two families, whose members keep their own.
    pub status: Option<&'static str>,
    /// The updater's code for it.
    pub code: &'static str,
    /// What the caller reads.
    pub message: &'static str,
    /// Headers besides the content type.
    pub headers: Headers,
}

/// Seconds after which trying again makes sense: the throttle's bucket is refilled each second.
const RETRY: Headers = &[("Retry-After", "1")];
/// The same after a failure of ours, which rarely lasts less than a few seconds.
const RETRY_LATER: Headers = &[("Retry-After", "5")];

const fn refusal(
    kind: &'static str,
    step: &'static str,
    status: Option<&'static str>,
    code: &'static str,
    message: &'static str,
    headers: Headers,
) -> Refusal {
    Refusal {
        kind,
        step,
        status,
        code,
        message,
        headers,
    }
}

/// Every answer the gateway can give to a caller by itself. Types that an API without authorizers, API
/// keys and a firewall never gives fall under the two families. AWS's own texts reach nobody: they
/// name resources and echo headers.
pub const REFUSALS: [Refusal; 13] = [
    refusal(
        "ACCESS_DENIED",
        "refusal-access-denied",
        Some("403"),
        "not_allowed",
        "requests are not accepted from this address",
        &[],
    ),
    refusal(
        "API_CONFIGURATION_ERROR",
        "refusal-api-configuration",
        Some("500"),
        "internal",
        "the service is not configured correctly; tell whoever runs it",
        &[],
    ),
    refusal(
        "BAD_REQUEST_BODY",
        "refusal-bad-body",
        Some("400"),
        "bad_request",
        "the body is not a valid request",
        &[],
    ),
    refusal(
        "BAD_REQUEST_PARAMETERS",
        "refusal-bad-parameters",
        Some("400"),
        "bad_request",
        "the request's parameters are not valid",
        &[],
    ),
    refusal(
        "DEFAULT_4XX",
        "refusal-4xx",
        None,
        "bad_request",
        "the request was refused",
        &[],
    ),
    refusal(
        "DEFAULT_5XX",
        "refusal-5xx",
        None,
        "internal",
        "the request failed",
        &[],
    ),
    refusal(
        "INTEGRATION_FAILURE",
        "refusal-integration-failure",
        Some("503"),
        "busy",
        "the service cannot answer at the moment",
        RETRY_LATER,
    ),
    refusal(
        "INTEGRATION_TIMEOUT",
        "refusal-integration-timeout",
        Some("504"),
        "busy",
        "the service did not answer in time; the change may have been made",
        RETRY_LATER,
    ),
    // What AWS answers to a path or method that is not there.
    refusal(
        "MISSING_AUTHENTICATION_TOKEN",
        "refusal-no-route",
        Some("404"),
        "not_found",
        "no such path or method; requests go to POST /update-dns",
        &[],
    ),
    refusal(
        "REQUEST_TOO_LARGE",
        "refusal-too-large",
        Some("413"),
        "too_large",
        "the request is too large",
        &[],
    ),
    refusal(
        "RESOURCE_NOT_FOUND",
        "refusal-not-found",
        Some("404"),
        "not_found",
        "no such path or method; requests go to POST /update-dns",
        &[],
    ),
    refusal(
        "THROTTLED",
        "refusal-throttled",
        Some("429"),
        "rate_limited",
        "too many requests; try again later",
        RETRY,
    ),
    refusal(
        "UNSUPPORTED_MEDIA_TYPE",
        "refusal-media-type",
        Some("415"),
        "unsupported_media_type",
        "requests are application/json",
        &[],
    ),
];

impl Refusal {
    /// The body's template. Only the request id comes from AWS: nothing a caller wrote is echoed.
    pub fn template(&self) -> String {
        json!({
            "success": false,
            "error": self.message,
            "message": self.message,
            "code": self.code,
            "request_id": "$context.requestId",
        })
        .to_string()
    }

    /// Response parameters as API Gateway takes them: a quoted text is a constant.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        self.headers
            .iter()
            .map(|(name, value)| {
                (
                    format!("gatewayresponse.header.{name}"),
                    format!("'{value}'"),
                )
            })
            .collect()
    }

    fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let prefix = format!("gateway-response.{}", self.kind);
        let status = self.status.unwrap_or(OWN_STATUS);
        let mut attributes = vec![
            (format!("{prefix}.status"), status.to_owned()),
            (
                format!("{prefix}.body.{CONTENT_TYPE}"),
                canonical(&self.template()),
            ),
        ];
        attributes.extend(
            self.parameters()
                .into_iter()
                .map(|(name, value)| (format!("{prefix}.{name}"), value)),
        );
        attributes.into_iter()
    }
}

/// Status of a family of gateway responses whose members keep their own.
pub const OWN_STATUS: &str = "each type's own";

/// The access log's line. Only what AWS itself wrote: a header or path of the caller's could hold a
/// quote, which would break the line for whoever counts statuses in it. No body, ever.
const LOG_FIELDS: [(&str, &str); 14] = [
    ("requestId", "$context.requestId"),
    ("time", "$context.requestTimeEpoch"),
    ("ip", "$context.identity.sourceIp"),
    ("status", "$context.status"),
    ("method", "$context.httpMethod"),
    ("path", "$context.resourcePath"),
    ("stage", "$context.stage"),
    ("latency", "$context.responseLatency"),
    ("bytes", "$context.responseLength"),
    ("error", "$context.error.responseType"),
    ("integrationStatus", "$context.integration.status"),
    ("integrationLatency", "$context.integration.latency"),
    ("protocol", "$context.protocol"),
    ("tls", "$context.tlsVersion"),
];

/// A filter pattern for lines of the access log with this status.
pub fn access_log_filter(status: u16) -> String {
    format!("{{ $.status = \"{status}\" }}")
}

/// What the API has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// TLS policy.
    pub security_policy: &'static str,
    /// Resource policy, abbreviated; none when everybody may call.
    pub policy: Option<String>,
    /// The integration's URI.
    pub uri: String,
    /// The integration's timeout.
    pub timeout_millis: u64,
    /// Stage name.
    pub stage: String,
    /// Requests a second.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
    /// ARN of the log group of the access log.
    pub log_group_arn: String,
    /// Tags of API and stage.
    pub tags: Tags,
}

/// Clients have to use this endpoint's own name and way in. AWS requires a choice with the newer TLS
/// policies, and this is the stricter one.
pub const ACCESS_MODE: &str = "STRICT";

impl Definition {
    /// What a document wants.
    pub fn of(desired: &Desired) -> Self {
        let api = &desired.stack.api;
        // A second more than the function has, so that the function's own answer wins.
        let millis = desired.stack.updater.timeout.as_secs() * 1_000 + 1_000;
        Self {
            name: desired.api_name(),
            description: format!("Updates of DNS names in {}", desired.domain),
            security_policy: match api.tls_min {
                TlsMin::V1_2 => "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
                TlsMin::V1_3 => "SecurityPolicy_TLS13_1_3_2025_09",
            },
            policy: policy(desired),
            uri: format!(
                "arn:aws:apigateway:{}:lambda:path/2015-03-31/functions/{}/invocations",
                desired.region,
                desired.function_arn()
            ),
            timeout_millis: millis.min(INTEGRATION_MILLIS_MAX),
            stage: api.stage.as_str().to_owned(),
            rate: api.throttle_per_second,
            burst: api.throttle_burst,
            log_group_arn: log_group::arn(desired, log_group::API),
            tags: desired.tags(),
        }
    }

    /// The request model's schema.
    pub fn schema(&self) -> String {
        canonical(SCHEMA)
    }

    /// The model's description.
    pub fn model_description(&self) -> &'static str {
        "Form of an update"
    }

    /// The access log's format.
    pub fn log_format(&self) -> String {
        let fields: Vec<String> = LOG_FIELDS
            .iter()
            .map(|(name, variable)| format!("\"{name}\":\"{variable}\""))
            .collect();
        format!("{{{}}}", fields.join(","))
    }

    /// Attributes of the API itself, which UpdateRestApi changes.
    pub fn settings(&self) -> Attributes {
        attributes([
            ("name", self.name.as_str()),
            ("description", &self.description),
            ("endpoint.type", "REGIONAL"),
            ("endpoint.ip-address-type", "dualstack"),
            ("endpoint.default", "enabled"),
            ("endpoint.access-mode", ACCESS_MODE),
            ("security-policy", self.security_policy),
            ("api-key-source", "HEADER"),
            ("binary-media-types", ""),
            ("minimum-compression-size", ""),
        ])
    }

    /// Attributes of the stage, by their names without `stage.NAME.`.
    pub fn stage_settings(&self) -> Attributes {
        let (rate, burst) = (self.rate.to_string(), self.burst.to_string());
        attributes([
            ("throttling.rate", rate.as_str()),
            ("throttling.burst", &burst),
            ("metrics", "false"),
            // Execution logs would hold bodies, and with them proofs.
            ("logging.level", "OFF"),
            ("logging.data-trace", "false"),
            ("caching", "false"),
            ("cache-cluster", "false"),
            ("tracing", "false"),
            ("access-log.destination", &self.log_group_arn),
            ("access-log.format", &canonical(&self.log_format())),
        ])
    }

    /// What a deployment is a snapshot of.
    fn deployed(&self) -> Attributes {
        let method = format!("method.{PATH}.{METHOD}");
        let integration = format!("integration.{PATH}.{METHOD}");
        let mut all = self.settings();
        all.extend([
            (format!("resource.{PATH}"), PRESENT.to_owned()),
            // Nobody has to sign in to API Gateway: the proof is in the body.
            (format!("{method}.authorization"), "NONE".into()),
            (format!("{method}.api-key-required"), "false".into()),
            (format!("{method}.validator"), VALIDATOR.into()),
            (format!("{method}.model.{CONTENT_TYPE}"), MODEL.into()),
            (format!("{integration}.type"), "AWS_PROXY".into()),
            (format!("{integration}.http-method"), "POST".into()),
            (format!("{integration}.uri"), self.uri.clone()),
            (
                format!("{integration}.timeout-ms"),
                self.timeout_millis.to_string(),
            ),
            (format!("{integration}.passthrough"), PASSTHROUGH.into()),
            (format!("model.{MODEL}.content-type"), CONTENT_TYPE.into()),
            (format!("model.{MODEL}.schema"), self.schema()),
            (
                format!("model.{MODEL}.description"),
                self.model_description().into(),
            ),
            (format!("validator.{VALIDATOR}.body"), "true".into()),
            (format!("validator.{VALIDATOR}.parameters"), "false".into()),
        ]);
        all.extend(REFUSALS.iter().flat_map(Refusal::attributes));
        all
    }

    /// The deployment's description: changes whenever anything does that needs a new deployment.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in self.deployed() {
            hash.update(format!("{name}={value}\n"));
        }
        hash.update(self.policy.as_deref().map(canonical).unwrap_or_default());
        hex(&hash.finalize()[..8])
    }

    /// Every attribute, except the policy, which is compared by meaning, and tags, of which others may
    /// add some.
    pub fn attributes(&self) -> Attributes {
        let mut all = self.deployed();
        let stage = format!("stage.{}", self.stage);
        all.insert(format!("{stage}.definition"), self.hash());
        all.extend(
            self.stage_settings()
                .into_iter()
                .map(|(name, value)| (format!("{stage}.{name}"), value)),
        );
        all
    }
}

/// AWS's default. A proxy integration has no mapping templates, so `NEVER` would refuse every body;
/// a body of another content type passes the model by, and the updater refuses it.
pub const PASSTHROUGH: &str = "WHEN_NO_MATCH";

/// Value of attributes that say only that something is there.
pub const PRESENT: &str = "present";

fn attributes<const N: usize>(pairs: [(&str, &str); N]) -> Attributes {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The resource policy, when not everybody may call.
fn policy(desired: &Desired) -> Option<String> {
    let networks: Vec<String> = desired
        .stack
        .api
        .allow_from
        .iter()
        .map(ToString::to_string)
        .collect();
    let everybody = ["0.0.0.0/0", "::/0"]
        .iter()
        .all(|network| networks.iter().any(|listed| listed == network));
    (!everybody).then(|| {
        let list = Value::from(networks).to_string();
        POLICY.replace("\"${networks}\"", &list)
    })
}

/// JSON in one spelling, so that texts that mean the same are the same; other texts as they are.
pub fn canonical(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string())
}
