//! How each protocol writes an error.

use quick_xml::escape::escape;
use serde_json::json;

use super::cbor;
use super::model::{Model, Protocol};
use crate::world::{AwsError, Response};

/// How an error is named in the body of an answer, and whether the query protocol's code goes into a
/// header besides: a service that speaks both has two names for some.
fn name<'c>(model: Option<&'c Model>, protocol: Protocol, code: &'c str) -> (&'c str, bool) {
    let newer = matches!(protocol, Protocol::Json | Protocol::RpcV2Cbor);
    match model.filter(|model| newer && model.speaks(Protocol::Query)) {
        Some(model) => (model.error_shape(code), true),
        None => (code, false),
    }
}

/// Writes an error of the query protocol for who wants JSON.
pub fn write_query_json(model: Option<&Model>, error: &AwsError, request_id: &str) -> Response {
    let (of_model, fault) = model.map_or((400, false), |model| model.error_status(&error.code));
    let status = error.status.unwrap_or(of_model);
    let side = if fault || status >= 500 {
        "Receiver"
    } else {
        "Sender"
    };
    let body = json!({
        "Error": {"Code": error.code, "Message": error.message, "Type": side},
        "RequestId": request_id,
    });
    Response {
        status,
        headers: vec![
            ("x-amzn-requestid".to_owned(), request_id.to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        body: body.to_string().into_bytes(),
    }
}

/// Writes an error as a service answers it over a protocol.
///
/// Route 53's InvalidChangeBatch is written like every other error, its messages in brackets inside
/// `Message`. The API reference shows an `InvalidChangeBatch` document instead; what SDKs can read
/// is the common form: aws-sdk-route53 insists on the root `ErrorResponse`, and botocore takes its
/// code and message from `Error`.
pub fn write(
    model: Option<&Model>,
    protocol: Protocol,
    error: &AwsError,
    request_id: &str,
) -> Response {
    let (of_model, fault) = model.map_or((400, false), |model| model.error_status(&error.code));
    let status = error.status.unwrap_or(of_model);
    let mut headers = vec![("x-amzn-requestid".to_owned(), request_id.to_owned())];
    let (code, of_query) = name(model, protocol, &error.code);
    if of_query {
        // The query protocol's code, for clients that knew the service by it
        // (<https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>, awsQueryCompatible).
        let side = if fault { "Receiver" } else { "Sender" };
        headers.push((
            "x-amzn-query-error".into(),
            format!("{};{side}", error.code),
        ));
    }
    let body = match protocol {
        Protocol::RestXml | Protocol::Query => {
            headers.push(("content-type".into(), "text/xml".into()));
            let namespace = model
                .and_then(|model| model.xml_namespace.as_deref())
                .map(|uri| format!(" xmlns=\"{}\"", escape(uri)))
                .unwrap_or_default();
            let side = if fault || status >= 500 {
                "Receiver"
            } else {
                "Sender"
            };
            format!(
                "<?xml version=\"1.0\"?>\n<ErrorResponse{namespace}><Error><Type>{side}</Type>\
                 <Code>{}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId>\
                 </ErrorResponse>",
                escape(&error.code),
                escape(&error.message),
            )
            .into_bytes()
        }
        Protocol::Ec2 => {
            headers.push(("content-type".into(), "text/xml;charset=UTF-8".into()));
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{}\
                 </Code><Message>{}</Message></Error></Errors><RequestID>{request_id}</RequestID>\
                 </Response>",
                escape(&error.code),
                escape(&error.message),
            )
            .into_bytes()
        }
        Protocol::Json => {
            let version = model
                .and_then(|model| model.json_version.as_deref())
                .unwrap_or("1.1");
            headers.push((
                "content-type".into(),
                format!("application/x-amz-json-{version}"),
            ));
            json!({"__type": code, "message": error.message})
                .to_string()
                .into_bytes()
        }
        Protocol::RestJson => {
            headers.push(("content-type".into(), "application/json".into()));
            headers.push(("x-amzn-errortype".into(), error.code.clone()));
            json!({"message": error.message}).to_string().into_bytes()
        }
        Protocol::RpcV2Cbor => {
            headers.push(("content-type".into(), "application/cbor".into()));
            headers.push(("smithy-protocol".into(), "rpc-v2-cbor".into()));
            cbor::write_error(code, &error.message)
        }
    };
    Response {
        status,
        headers,
        body,
    }
}
