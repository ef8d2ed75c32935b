//! The wire: from an HTTP request to an operation and its input, and from an output or an error back
//! to an HTTP answer.
//!
//! One codec for all services, led by the tables in `shapes/`. It knows nothing of what operations
//! do; what an operation reads and answers are plain JSON values (see [`Operation`]).
//!
//! [`Operation`]: crate::world::Operation

pub mod cbor;
pub mod check;
pub mod error;
pub mod json;
pub mod model;
pub mod query;
pub mod rest;
pub mod text;
pub mod xml;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::world::{AwsError, Request, Response};
use model::{Kind, Model, OperationModel, Protocol, Ref, Shape};

/// Which operation of which service a request names, and how it is spoken.
#[derive(Debug, Clone)]
pub struct Call {
    /// The service.
    pub model: &'static Model,
    /// Name of the operation.
    pub name: &'static str,
    /// Its shapes.
    pub operation: &'static OperationModel,
    /// The protocol the client chose.
    pub protocol: Protocol,
    /// Whether the answer is to be JSON although the protocol writes XML.
    pub as_json: bool,
    labels: rest::Labels,
}

/// A request that names no operation the tables serve.
#[derive(Debug, Clone)]
pub struct Unrouted {
    /// The service, if at least that is known.
    pub model: Option<&'static Model>,
    /// The protocol to answer in.
    pub protocol: Protocol,
    /// What is named, as far as it can be told: an operation, or a method and a path.
    pub what: String,
    /// The answer.
    pub error: AwsError,
}

/// Finds the operation a request names. `signed_for` is the service of its credential scope.
pub fn route(request: &Request, signed_for: Option<&str>) -> Result<Call, Unrouted> {
    let spoken = spoken(request);
    let Some(model) = service(request, signed_for) else {
        let protocol = spoken.unwrap_or(Protocol::RestXml);
        let service = signed_for.unwrap_or("a service that the request does not name");
        let target = request
            .header("x-amz-target")
            .and_then(|target| target.split('.').nth(1));
        let what = match target.map(str::to_owned).or_else(|| action(request)) {
            Some(name) => format!("{service}:{name}"),
            None => format!("{service}:{} {}", request.method, request.path),
        };
        return Err(unsupported(None, protocol, what));
    };
    let protocol = spoken
        .filter(|protocol| model.speaks(*protocol))
        .or_else(|| {
            model
                .protocols
                .iter()
                .copied()
                .find(|protocol| !is_rpc(*protocol))
        })
        .unwrap_or(model.protocols[0]);
    let (name, labels) = match protocol {
        Protocol::Json => (target(model, request), rest::Labels::new()),
        Protocol::RpcV2Cbor => (cbor_operation(model, request), rest::Labels::new()),
        Protocol::Query | Protocol::Ec2 => (action(request), rest::Labels::new()),
        Protocol::RestXml | Protocol::RestJson => match matching(model, request) {
            Some((name, labels)) => (Some(name.to_owned()), labels),
            None => (None, rest::Labels::new()),
        },
    };
    let Some(name) = name else {
        let what = format!("{}:{} {}", model.service, request.method, request.path);
        return Err(unsupported(Some(model), protocol, what));
    };
    match model.operations.get_key_value(&name) {
        Some((name, operation)) => Ok(Call {
            model,
            name,
            operation,
            protocol,
            as_json: wants_json(Some(model), protocol, request),
            labels,
        }),
        None if model.refused.contains_key(&name) => Err(unsupported(
            Some(model),
            protocol,
            format!("{}:{name}", model.service),
        )),
        None => Err(unknown(model, protocol, &name)),
    }
}

fn unsupported(model: Option<&'static Model>, protocol: Protocol, what: String) -> Unrouted {
    let error = AwsError::not_modelled(&what);
    Unrouted {
        model,
        protocol,
        what,
        error,
    }
}

/// A name that AWS does not know either.
fn unknown(model: &'static Model, protocol: Protocol, name: &str) -> Unrouted {
    let code = match protocol {
        Protocol::Query | Protocol::Ec2 => "InvalidAction",
        Protocol::Json | Protocol::RpcV2Cbor | Protocol::RestXml | Protocol::RestJson => {
            "UnknownOperationException"
        }
    };
    let what = format!("{}:{name}", model.service);
    let message = format!(
        "Could not find operation {name} for version {}",
        model.api_version
    );
    Unrouted {
        model: Some(model),
        protocol,
        what,
        error: AwsError::new(code, message),
    }
}

/// The protocol that a request says it speaks; the rest protocols say nothing.
fn spoken(request: &Request) -> Option<Protocol> {
    if request.header("smithy-protocol") == Some("rpc-v2-cbor") {
        return Some(Protocol::RpcV2Cbor);
    }
    if request.header("x-amz-target").is_some() {
        return Some(Protocol::Json);
    }
    action(request).map(|_| Protocol::Query)
}

fn is_rpc(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Json | Protocol::RpcV2Cbor)
}

/// The service: by the credential scope; for an unsigned request, by target or host, so that the
/// refusal can be written in the service's own form.
fn service(request: &Request, signed_for: Option<&str>) -> Option<&'static Model> {
    if let Some(name) = signed_for {
        return model::signed_as(name);
    }
    let by_target = request.header("x-amz-target").and_then(|target| {
        let prefix = target.split('.').next()?;
        model::models().find(|model| model.target_prefix.as_deref() == Some(prefix))
    });
    by_target.or_else(|| model::signed_as(request.host.split('.').next()?))
}

/// Whether an answer of the query protocol is to be JSON. STS writes it for who accepts nothing but
/// that, which no SDK does; clients that prove their identity with GetCallerIdentity do
/// (aws-iam-authenticator and Vault).
pub fn wants_json(model: Option<&Model>, protocol: Protocol, request: &Request) -> bool {
    protocol == Protocol::Query
        && model.is_some_and(|model| model.service == "sts")
        && request.header("accept").is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/json")
        })
}

fn target(model: &Model, request: &Request) -> Option<String> {
    let (prefix, name) = request.header("x-amz-target")?.split_once('.')?;
    (Some(prefix) == model.target_prefix.as_deref()).then(|| name.to_owned())
}

fn cbor_operation(model: &Model, request: &Request) -> Option<String> {
    let rest = request.path.strip_prefix("/service/")?;
    let (service, name) = rest.split_once("/operation/")?;
    (Some(service) == model.target_prefix.as_deref()).then(|| name.to_owned())
}

fn action(request: &Request) -> Option<String> {
    form(request).ok()?.remove("Action")
}

/// Parameters of the query protocol: of the body for POST, of the query string for GET.
fn form(request: &Request) -> Result<query::Form, String> {
    let is_form = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let mut form: query::Form = text::pairs(&request.query)?.into_iter().collect();
    if is_form {
        let body = str::from_utf8(&request.body).map_err(|_| "the form is not UTF-8".to_owned())?;
        form.extend(text::pairs(body)?);
    }
    Ok(form)
}

fn matching(model: &'static Model, request: &Request) -> Option<(&'static str, rest::Labels)> {
    let served = model
        .operations
        .iter()
        .map(|(name, operation)| (name, &operation.http));
    served
        .chain(model.refused.iter())
        .filter_map(|(name, route)| {
            let (literals, labels) = rest::matches(route, request)?;
            Some((literals, name.as_str(), labels))
        })
        .max_by_key(|(literals, _, _)| *literals)
        .map(|(_, name, labels)| (name, labels))
}

/// Reads the input of a call: parsed, in the right kinds, not yet checked for constraints.
pub fn decode(call: &Call, request: &Request) -> Result<Value, AwsError> {
    let Some(input) = &call.operation.input else {
        return Ok(Value::Object(Map::new()));
    };
    let model = call.model;
    let shape = model.shape(&input.shape);
    let value = match call.protocol {
        Protocol::Json => {
            parse_json(&request.body).and_then(|body| json::read(model, shape, &body))
        }
        Protocol::RpcV2Cbor => {
            cbor::parse(&request.body).and_then(|body| json::read(model, shape, &body))
        }
        Protocol::Query | Protocol::Ec2 => {
            form(request).and_then(|form| query::read(model, shape, &form))
        }
        Protocol::RestXml | Protocol::RestJson => decode_rest(call, shape, request),
    };
    value.map_err(|why| malformed(call, &why))
}

fn parse_json(body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn decode_rest(call: &Call, shape: &Shape, request: &Request) -> Result<Value, String> {
    let mut map = rest::read(call.model, shape, &call.labels, request)?;
    match shape
        .payload
        .as_deref()
        .and_then(|name| Some((name, shape.members.get(name)?)))
    {
        Some((name, reference)) => {
            if !request.body.is_empty() {
                let value = decode_payload(call, reference, &request.body)?;
                map.insert(name.to_owned(), value);
            }
        }
        None => map.append(&mut decode_body(call, shape, request)?),
    }
    Ok(Value::Object(map))
}

/// A member that is the whole body.
fn decode_payload(call: &Call, reference: &Ref, body: &[u8]) -> Result<Value, String> {
    let shape = call.model.shape(&reference.shape);
    if shape.kind == Kind::Blob {
        return Ok(BASE64.encode(body).into());
    }
    if shape.kind == Kind::String {
        let text = str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
        return Ok(text.into());
    }
    if call.protocol == Protocol::RestXml {
        return xml::read(call.model, shape, &xml::parse(body)?);
    }
    json::read(call.model, shape, &parse_json(body)?)
}

fn decode_body(
    call: &Call,
    shape: &Shape,
    request: &Request,
) -> Result<Map<String, Value>, String> {
    if request.body.is_empty() || !shape.members.values().any(rest::in_body) {
        return Ok(Map::new());
    }
    if call.protocol == Protocol::RestJson {
        let body = parse_json(&request.body)?;
        let map = body.as_object().ok_or("the body is not a JSON object")?;
        return json::read_structure(call.model, shape, map, &rest::in_body);
    }
    let root = xml::parse(&request.body)?;
    let expected = call
        .operation
        .input
        .as_ref()
        .and_then(|input| input.location_name.as_deref());
    if expected.is_some_and(|expected| expected != root.name) {
        return Err(format!(
            "cvc-elt.1.a: Cannot find the declaration of element '{}'.",
            root.name
        ));
    }
    xml::read_structure(call.model, shape, &root, &rest::in_body)
}

/// What a service answers to a request it cannot parse.
fn malformed(call: &Call, why: &str) -> AwsError {
    match call.protocol {
        Protocol::RestXml => AwsError::new("InvalidInput", format!("Invalid XML ; {why}")),
        Protocol::Query => AwsError::new("MalformedInput", why),
        Protocol::Ec2 => AwsError::new("InvalidParameterValue", why),
        Protocol::Json | Protocol::RestJson | Protocol::RpcV2Cbor => {
            AwsError::new("SerializationException", why)
        }
    }
}

/// Checks an input against its shape's constraints.
pub fn validate(call: &Call, input: &Value) -> Result<(), AwsError> {
    let Some(side) = &call.operation.input else {
        return Ok(());
    };
    let shape = call.model.shape(&side.shape);
    let problems = check::constraints(call.model, shape, input);
    if problems.is_empty() {
        return Ok(());
    }
    let mut missing = shape
        .required
        .iter()
        .filter(|name| input.get(name.as_str()).is_none());
    if let (Protocol::Ec2, Some(name)) = (call.protocol, missing.next()) {
        let message = format!("The request must contain the parameter {name}");
        return Err(AwsError::new("MissingParameter", message));
    }
    // The code by which each service calls a violated constraint.
    let code = match call.model.service.as_str() {
        "route53" => "InvalidInput",
        "apigateway" => "BadRequestException",
        "logs" | "resourcegroupstaggingapi" => "InvalidParameterException",
        "ec2" => "InvalidParameterValue",
        _ if call.protocol == Protocol::Query => "ValidationError",
        _ => "ValidationException",
    };
    Err(AwsError::new(code, check::message(&problems)))
}

/// Writes the output of a call. An error says how the output deviates from its shape, which is a bug
/// of the operation.
pub fn encode(call: &Call, output: &Value, request_id: &str) -> Result<Response, String> {
    let empty = Map::new();
    let side = call.operation.output.as_ref();
    let shape = side.map(|side| call.model.shape(&side.shape));
    if let Some(shape) = shape {
        check::conforms(call.model, shape, output, "output")?;
    }
    let map = output.as_object().unwrap_or(&empty);
    if shape.is_none() && !map.is_empty() {
        return Err("output: the operation has none".to_owned());
    }
    let mut headers = vec![("x-amzn-requestid".to_owned(), request_id.to_owned())];
    let mut status = call.operation.http.response_code.unwrap_or(200);
    let body = match call.protocol {
        Protocol::Json => {
            let version = call.model.json_version.as_deref().unwrap_or("1.1");
            headers.push((
                "content-type".into(),
                format!("application/x-amz-json-{version}"),
            ));
            match shape {
                // Operations without output answer an empty body, as KMS and CloudWatch Logs do.
                None => Vec::new(),
                Some(shape) => {
                    let wire = json::write_members(call.model, shape, map);
                    Value::Object(wire).to_string().into_bytes()
                }
            }
        }
        Protocol::RpcV2Cbor => {
            headers.push(("content-type".into(), "application/cbor".into()));
            headers.push(("smithy-protocol".into(), "rpc-v2-cbor".into()));
            shape
                .map(|shape| cbor::write(call.model, shape, output))
                .unwrap_or_default()
        }
        Protocol::Query if call.as_json => {
            headers.push(("content-type".into(), "application/json".into()));
            query_as_json(call, shape, map, request_id)
        }
        Protocol::Query => {
            headers.push(("content-type".into(), "text/xml".into()));
            encode_query(call, shape, map, request_id)
        }
        Protocol::Ec2 => {
            headers.push(("content-type".into(), "text/xml;charset=UTF-8".into()));
            encode_ec2(call, shape, map, request_id)
        }
        Protocol::RestXml | Protocol::RestJson => match shape {
            None => Vec::new(),
            Some(shape) => {
                let (own_status, own_headers) = rest::write(call.model, shape, map);
                status = own_status.unwrap_or(status);
                headers.extend(own_headers);
                encode_rest(call, shape, map, &mut headers)
            }
        },
    };
    Ok(Response {
        status,
        headers,
        body,
    })
}

/// The elements of an XML answer as members of JSON objects.
fn query_as_json(
    call: &Call,
    shape: Option<&Shape>,
    map: &Map<String, Value>,
    request_id: &str,
) -> Vec<u8> {
    let name = call.name;
    let mut response = Map::new();
    if let Some(shape) = shape {
        let result = json::write_members(call.model, shape, map);
        response.insert(format!("{name}Result"), Value::Object(result));
    }
    response.insert(
        "ResponseMetadata".into(),
        serde_json::json!({ "RequestId": request_id }),
    );
    serde_json::json!({ format!("{name}Response"): response })
        .to_string()
        .into_bytes()
}

/// EC2 writes the members into the response itself, and `return` where there are none.
fn encode_ec2(
    call: &Call,
    shape: Option<&Shape>,
    map: &Map<String, Value>,
    request_id: &str,
) -> Vec<u8> {
    let name = call.name;
    // botocore's model lacks the slash that AWS's answers end their namespace with.
    let namespace = call.model.xml_namespace.as_deref().unwrap_or_default();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}Response xmlns=\"{namespace}/\">\
         <requestId>{request_id}</requestId>"
    );
    match shape {
        Some(shape) => xml::write_members(call.model, shape, map, &mut out),
        None => out.push_str("<return>true</return>"),
    }
    out.push_str(&format!("</{name}Response>"));
    out.into_bytes()
}

fn encode_query(
    call: &Call,
    shape: Option<&Shape>,
    map: &Map<String, Value>,
    request_id: &str,
) -> Vec<u8> {
    let name = call.name;
    let namespace = call.model.xml_namespace.as_deref().unwrap_or_default();
    let mut out = format!("<{name}Response xmlns=\"{namespace}\">");
    if let Some(shape) = shape {
        let wrapper = call
            .operation
            .output
            .as_ref()
            .and_then(|side| side.result_wrapper.as_deref());
        let wrapper = wrapper.map_or_else(|| format!("{name}Result"), str::to_owned);
        out.push_str(&format!("<{wrapper}>"));
        xml::write_members(call.model, shape, map, &mut out);
        out.push_str(&format!("</{wrapper}>"));
    }
    out.push_str(&format!(
        "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
    ));
    out.into_bytes()
}

fn encode_rest(
    call: &Call,
    shape: &Shape,
    map: &Map<String, Value>,
    headers: &mut Vec<(String, String)>,
) -> Vec<u8> {
    let payload = shape
        .payload
        .as_deref()
        .and_then(|name| Some((name, shape.members.get(name)?)));
    let namespace = call.model.xml_namespace.as_deref();
    if let Some((name, reference)) = payload {
        let Some(value) = map.get(name) else {
            return Vec::new();
        };
        let inner = call.model.shape(&reference.shape);
        return match (inner.kind, call.protocol) {
            (Kind::Blob, _) => {
                use base64::Engine as _;
                let text = value.as_str().unwrap_or_default();
                base64::engine::general_purpose::STANDARD
                    .decode(text)
                    .unwrap_or_default()
            }
            (Kind::String, _) => value.as_str().unwrap_or_default().as_bytes().to_vec(),
            (_, Protocol::RestXml) => {
                let root = reference
                    .location_name
                    .as_deref()
                    .unwrap_or(&reference.shape);
                let mut out = String::from("<?xml version=\"1.0\"?>\n");
                xml::write(call.model, (root, namespace), reference, value, &mut out);
                headers.push(("content-type".into(), "text/xml".into()));
                out.into_bytes()
            }
            _ => {
                headers.push(("content-type".into(), "application/json".into()));
                json::write(call.model, reference, value)
                    .to_string()
                    .into_bytes()
            }
        };
    }
    if call.protocol == Protocol::RestJson {
        headers.push(("content-type".into(), "application/json".into()));
        if !shape.members.values().any(rest::in_body) {
            return Vec::new();
        }
        return Value::Object(json::write_members(call.model, shape, map))
            .to_string()
            .into_bytes();
    }
    headers.push(("content-type".into(), "text/xml".into()));
    let side = call.operation.output.as_ref();
    let root = side.map_or(call.name, |side| {
        side.location_name.as_deref().unwrap_or(&side.shape)
    });
    let namespace = namespace
        .map(|uri| format!(" xmlns=\"{uri}\""))
        .unwrap_or_default();
    let mut out = format!("<?xml version=\"1.0\"?>\n<{root}{namespace}>");
    xml::write_members(call.model, shape, map, &mut out);
    out.push_str(&format!("</{root}>"));
    out.into_bytes()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
