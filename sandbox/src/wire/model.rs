//! What the services' wire formats are: the tables that `shapes/generate.py` writes from botocore's
//! models, as types.
//!
//! The types are closed: an attribute they do not know stops the first use of the table, so that no
//! fact of the wire format is ignored silently. Nothing here knows how a protocol spells a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

/// One service: its protocols, its operations and the shapes of their values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Model {
    /// The file of botocore this comes from.
    pub source: String,
    /// Licence of the source.
    pub licence: String,
    /// Who writes the file.
    pub note: String,
    /// Name of the service as botocore and the IAM prefix spell it.
    pub service: String,
    /// AWS's display name.
    pub service_id: String,
    /// Name of the service in a credential scope.
    pub signing_name: String,
    /// API version.
    pub api_version: String,
    /// One endpoint for the whole partition; requests are signed for us-east-1.
    pub global: bool,
    /// What the service speaks, best first. The client chooses.
    pub protocols: Vec<Protocol>,
    /// Version in the content type of the json protocol.
    pub json_version: Option<String>,
    /// First part of `X-Amz-Target`, and name of the service in paths of rpc-v2-cbor.
    pub target_prefix: Option<String>,
    /// Namespace of XML answers.
    pub xml_namespace: Option<String>,
    /// Operations with shapes.
    pub operations: BTreeMap<String, OperationModel>,
    /// The service's other operations: known by name and route, so that they are refused by name.
    pub refused: BTreeMap<String, Route>,
    /// Shapes by name.
    pub shapes: BTreeMap<String, Shape>,
}

/// The protocols of AWS's services. The set is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// XML bodies, operation in method and path.
    #[serde(rename = "rest-xml")]
    RestXml,
    /// Form parameters in, XML out.
    #[serde(rename = "query")]
    Query,
    /// EC2's variant of query: lists without an element's name in, no result element out
    /// (<https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>).
    #[serde(rename = "ec2")]
    Ec2,
    /// JSON bodies, operation in `X-Amz-Target`.
    #[serde(rename = "json")]
    Json,
    /// JSON bodies, operation in method and path.
    #[serde(rename = "rest-json")]
    RestJson,
    /// CBOR bodies, operation in the path.
    #[serde(rename = "smithy-rpc-v2-cbor")]
    RpcV2Cbor,
}

/// Method and path of an operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Route {
    /// HTTP method.
    pub method: String,
    /// Path template with `{Label}`, greedy `{Label+}`, and constant query parameters.
    pub request_uri: String,
    /// Status of a success; 200 where the model is silent.
    #[serde(default)]
    pub response_code: Option<u16>,
}

/// One operation on the wire.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OperationModel {
    /// Method and path.
    pub http: Route,
    /// Shape of the input.
    #[serde(default)]
    pub input: Option<Side>,
    /// Shape of the output.
    #[serde(default)]
    pub output: Option<Side>,
    /// Names of the shapes of modelled errors.
    pub errors: Vec<String>,
}

/// Input or output of an operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Side {
    /// Name of the shape.
    pub shape: String,
    /// Name of the root element, if not the shape's.
    #[serde(default)]
    pub location_name: Option<String>,
    /// Namespace of the root element.
    #[serde(default)]
    pub xml_namespace: Option<String>,
    /// Element around the output in the query protocol.
    #[serde(default)]
    pub result_wrapper: Option<String>,
}

/// The form of a value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Shape {
    /// Kind of value.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Members of a structure.
    #[serde(default)]
    pub members: BTreeMap<String, Ref>,
    /// Members a structure must have.
    #[serde(default)]
    pub required: BTreeSet<String>,
    /// Elements of a list.
    #[serde(default)]
    pub member: Option<Ref>,
    /// Keys of a map.
    #[serde(default)]
    pub key: Option<Ref>,
    /// Values of a map.
    #[serde(default)]
    pub value: Option<Ref>,
    /// Least value, length or number of elements.
    #[serde(default)]
    pub min: Option<f64>,
    /// Greatest value, length or number of elements.
    #[serde(default)]
    pub max: Option<f64>,
    /// A Java regular expression for the whole string.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Allowed strings.
    #[serde(default, rename = "enum")]
    pub allowed: Vec<String>,
    /// Elements stand in the parent itself, without an element or parameter around them.
    #[serde(default)]
    pub flattened: bool,
    /// Name on the wire where a reference gives none.
    #[serde(default)]
    pub location_name: Option<String>,
    /// Namespace of the element.
    #[serde(default)]
    pub xml_namespace: Option<String>,
    /// The member that is the whole body.
    #[serde(default)]
    pub payload: Option<String>,
    /// Not for logs.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether absence differs from zero; of no importance on the wire.
    #[serde(default, rename = "box")]
    pub boxed: bool,
    /// Exactly one member is set.
    #[serde(default)]
    pub union: bool,
    /// The body is a stream.
    #[serde(default)]
    pub streaming: bool,
    /// An error.
    #[serde(default)]
    pub exception: bool,
    /// An error that is the service's fault.
    #[serde(default)]
    pub fault: bool,
    /// Code and status of an error.
    #[serde(default)]
    pub error: Option<ErrorTrait>,
    /// How a timestamp is written, if not the protocol's way.
    #[serde(default)]
    pub timestamp_format: Option<TimestampFormat>,
}

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Named members.
    Structure,
    /// Elements of one shape.
    List,
    /// Values by string.
    Map,
    /// Text.
    String,
    /// Bytes; base64 in a value.
    Blob,
    /// True or false.
    Boolean,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    /// Floating point.
    Float,
    /// Floating point.
    Double,
    /// An instant; seconds since the epoch in a value.
    Timestamp,
}

/// A use of a shape, with what it is called on the wire there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ref {
    /// Name of the shape.
    pub shape: String,
    /// Where in a request or answer the member is, if not in the body.
    #[serde(default)]
    pub location: Option<Location>,
    /// Name on the wire, if not the member's.
    #[serde(default)]
    pub location_name: Option<String>,
    /// Name of the parameter in EC2's protocol, if not the one in XML with a capital letter.
    #[serde(default)]
    pub query_name: Option<String>,
    /// As [`Shape::flattened`].
    #[serde(default)]
    pub flattened: bool,
    /// An attribute of the element, not a child.
    #[serde(default)]
    pub xml_attribute: bool,
    /// Namespace of the element.
    #[serde(default)]
    pub xml_namespace: Option<String>,
    /// As [`Shape::streaming`].
    #[serde(default)]
    pub streaming: bool,
    /// JSON text inside a header.
    #[serde(default)]
    pub jsonvalue: bool,
    /// As [`Shape::boxed`].
    #[serde(default, rename = "box")]
    pub boxed: bool,
    /// SDKs fill it with a random token.
    #[serde(default)]
    pub idempotency_token: bool,
    /// As [`Shape::timestamp_format`].
    #[serde(default)]
    pub timestamp_format: Option<TimestampFormat>,
}

/// Places of a member outside the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// A label of the path.
    Uri,
    /// A query parameter.
    #[serde(rename = "querystring")]
    QueryString,
    /// A header.
    Header,
    /// All headers with a prefix.
    Headers,
    /// The status of the answer.
    StatusCode,
}

/// Spellings of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TimestampFormat {
    /// `2026-01-15T12:00:00Z`.
    Iso8601,
    /// `Thu, 15 Jan 2026 12:00:00 GMT`.
    Rfc822,
    /// Seconds since the epoch.
    UnixTimestamp,
}

/// Code and status of an error shape.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ErrorTrait {
    /// Code on the wire, if not the shape's name.
    #[serde(default)]
    pub code: Option<String>,
    /// HTTP status; 400 where the model is silent.
    #[serde(default)]
    pub http_status_code: Option<u16>,
    /// The caller's fault.
    #[serde(default)]
    pub sender_fault: bool,
}

impl Model {
    /// A shape by name. The generator writes every shape that another names.
    pub fn shape(&self, name: &str) -> &Shape {
        self.shapes
            .get(name)
            .expect("the generator writes every shape that is referred to")
    }

    /// Status and side of an error code: the model's, else a caller's error with status 400.
    pub fn error_status(&self, code: &str) -> (u16, bool) {
        let found = self.shapes.iter().find(|(name, shape)| {
            let code_of = shape.error.as_ref().and_then(|error| error.code.as_deref());
            shape.exception && code_of.unwrap_or(name) == code
        });
        match found {
            Some((_, shape)) => {
                let status = shape
                    .error
                    .as_ref()
                    .and_then(|error| error.http_status_code);
                (
                    status.unwrap_or(if shape.fault { 500 } else { 400 }),
                    shape.fault,
                )
            }
            None => unmodelled_status(code),
        }
    }

    /// The code of an error's shape: its name, unless the query protocol has another.
    pub fn error_code<'m>(&'m self, shape: &'m str) -> &'m str {
        let error = self
            .shapes
            .get(shape)
            .and_then(|found| found.error.as_ref());
        error
            .and_then(|error| error.code.as_deref())
            .unwrap_or(shape)
    }

    /// The shape of an error's code; the code itself if it is not modelled.
    pub fn error_shape<'m>(&'m self, code: &'m str) -> &'m str {
        let modelled = self.shapes.iter().filter(|(_, shape)| shape.exception);
        let mut named = modelled.map(|(name, _)| name.as_str());
        named
            .find(|name| self.error_code(name) == code)
            .unwrap_or(code)
    }

    /// Whether the service speaks a protocol.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }
}

/// Status of the errors common to all services, which their models do not list
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>).
fn unmodelled_status(code: &str) -> (u16, bool) {
    match code {
        "InternalFailure" | "InternalError" | "InternalServerError" => (500, true),
        "ServiceUnavailable" | "ServiceUnavailableException" => (503, true),
        "AccessDenied"
        | "ExpiredToken"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature" => (403, false),
        _ => (400, false),
    }
}

impl Shape {
    /// A member's name in XML or JSON bodies, headers and query parameters.
    pub fn wire_name<'a>(name: &'a str, member: &'a Ref) -> &'a str {
        member.location_name.as_deref().unwrap_or(name)
    }
}

/// A service's table, read when it is first needed: most runs need few of them.
type Table = LazyLock<Model>;

fn read(text: &str) -> Model {
    serde_json::from_str(text).expect("the tables are part of the program and tested")
}

/// Name, name in a credential scope, table.
static TABLES: [(&str, &str, Table); 10] = [
    (
        "apigateway",
        "apigateway",
        Table::new(|| read(include_str!("../../shapes/apigateway.json"))),
    ),
    (
        "cloudwatch",
        "monitoring",
        Table::new(|| read(include_str!("../../shapes/cloudwatch.json"))),
    ),
    (
        "ec2",
        "ec2",
        Table::new(|| read(include_str!("../../shapes/ec2.json"))),
    ),
    (
        "iam",
        "iam",
        Table::new(|| read(include_str!("../../shapes/iam.json"))),
    ),
    (
        "kms",
        "kms",
        Table::new(|| read(include_str!("../../shapes/kms.json"))),
    ),
    (
        "lambda",
        "lambda",
        Table::new(|| read(include_str!("../../shapes/lambda.json"))),
    ),
    (
        "logs",
        "logs",
        Table::new(|| read(include_str!("../../shapes/logs.json"))),
    ),
    (
        "resourcegroupstaggingapi",
        "tagging",
        Table::new(|| read(include_str!("../../shapes/resourcegroupstaggingapi.json"))),
    ),
    (
        "route53",
        "route53",
        Table::new(|| read(include_str!("../../shapes/route53.json"))),
    ),
    (
        "sts",
        "sts",
        Table::new(|| read(include_str!("../../shapes/sts.json"))),
    ),
];

/// All services.
pub fn models() -> impl Iterator<Item = &'static Model> {
    TABLES.iter().map(|(_, _, table)| &**table)
}

/// A service by its name.
pub fn model(service: &str) -> Option<&'static Model> {
    let (_, _, table) = TABLES.iter().find(|(name, _, _)| *name == service)?;
    Some(table)
}

/// A service by its name in a credential scope.
pub fn signed_as(scope: &str) -> Option<&'static Model> {
    let (_, _, table) = TABLES.iter().find(|(_, signing, _)| *signing == scope)?;
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_list_are_those_of_the_tables() {
        for (name, signing, table) in &TABLES {
            assert_eq!((*name, *signing), (&*table.service, &*table.signing_name));
        }
    }

    #[test]
    fn every_reference_leads_to_a_shape() {
        for model in models() {
            for (name, shape) in &model.shapes {
                let refs = shape
                    .members
                    .values()
                    .chain(&shape.member)
                    .chain(&shape.key)
                    .chain(&shape.value);
                for reference in refs {
                    assert!(
                        model.shapes.contains_key(&reference.shape),
                        "{}.{name} names {}, which is missing",
                        model.service,
                        reference.shape
                    );
                }
                for required in &shape.required {
                    assert!(
                        shape.members.contains_key(required),
                        "{name} requires {required}"
                    );
                }
            }
            for (name, operation) in &model.operations {
                let sides = operation
                    .input
                    .iter()
                    .chain(&operation.output)
                    .map(|side| &side.shape);
                for shape in sides.chain(&operation.errors) {
                    assert!(model.shapes.contains_key(shape), "{name} names {shape}");
                }
            }
        }
    }

    #[test]
    fn statuses_come_from_the_model() {
        let check = |service, code, status| {
            assert_eq!(
                model(service).expect("served").error_status(code).0,
                status,
                "{code}"
            );
        };
        check("route53", "NoSuchHostedZone", 404);
        check("route53", "HostedZoneAlreadyExists", 409);
        check("route53", "DelegationSetNotAvailable", 400);
        check("route53", "Throttling", 400);
        check("sts", "InvalidClientTokenId", 403);
        check("kms", "KMSInternalException", 500);
        check("kms", "AccessDeniedException", 400);
    }
}
