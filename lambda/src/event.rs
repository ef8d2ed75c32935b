//! What API Gateway hands to the function: an event of its proxy integration for REST APIs, payload
//! 1.0 (API Gateway Developer Guide, "Set up Lambda proxy integrations").
//!
//! Only what is used is read. AWS's own format may grow, so unknown members are accepted, here and
//! nowhere else in this package; and whatever invokes the function by another way, the console's test
//! button for example, is answered like everybody.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

/// The longest body that is looked at: more than the longest of each member together, an identity document
/// of 8 KiB, its signature of 512 bytes or a message of 12 KiB, a proof with a token of 4 KiB, a text of
/// 1,000 characters, and what JSON may write them with. API Gateway itself would let 10 MB pass.
pub const BODY_BYTES_MAX: usize = 48 * 1024;

/// The only content type.
const CONTENT_TYPE: &str = "application/json";

/// One request, as far as it is read.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    /// What the gateway knows of the request.
    pub request_context: RequestContext,
    http_method: Option<String>,
    headers: Option<BTreeMap<String, Value>>,
    body: Option<String>,
    is_base64_encoded: bool,
}

/// What the gateway knows of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RequestContext {
    /// The gateway's id of the request, which its access log has as well. Without a gateway there is
    /// none.
    pub request_id: Option<String>,
    /// When it came, in milliseconds since 1970, by the gateway's clock.
    pub request_time_epoch: Option<i64>,
    identity: Caller,
}

/// Who called, as TCP shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Caller {
    source_ip: Option<String>,
}

/// Why an event holds no body to be read. The texts go to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoBody {
    /// It did not come through the gateway, so nobody knows from where.
    #[error("the request has no source address; requests go through API Gateway")]
    Source,
    /// Another method.
    #[error("requests are made with POST")]
    Method,
    /// Another content type, or none, or two.
    #[error("requests are {CONTENT_TYPE}; send the header `content-type: {CONTENT_TYPE}`")]
    ContentType,
    /// The gateway took it for binary.
    #[error("the body is not text; requests are {CONTENT_TYPE} in UTF-8")]
    Binary,
    /// No body at all.
    #[error("the body is empty; requests are a JSON object")]
    Empty,
    /// Too long.
    #[error("the body has {bytes} bytes, at most {BODY_BYTES_MAX} are read")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
}

impl Event {
    /// The address the request came from. It is that of the TCP connection, which no header sets;
    /// `X-Forwarded-For` can be extended by the caller and is not read.
    ///
    /// # Errors
    /// When there is none: the function was invoked past the gateway.
    pub fn source(&self) -> Result<IpAddr, NoBody> {
        let text = self.request_context.identity.source_ip.as_deref();
        text.and_then(|text| text.parse().ok())
            .ok_or(NoBody::Source)
    }

    /// The body, once it is known to be worth reading.
    ///
    /// # Errors
    /// When method, content type, encoding or length are not those of a request.
    pub fn body(&self) -> Result<&str, NoBody> {
        if self.http_method.as_deref() != Some("POST") {
            return Err(NoBody::Method);
        }
        let body = self.body.as_deref().unwrap_or_default();
        if body.len() > BODY_BYTES_MAX {
            return Err(NoBody::TooLarge { bytes: body.len() });
        }
        if !self.is_json() {
            return Err(NoBody::ContentType);
        }
        // The API names no binary media type, so the gateway encodes nothing that is one of ours.
        if self.is_base64_encoded {
            return Err(NoBody::Binary);
        }
        if body.is_empty() {
            return Err(NoBody::Empty);
        }
        Ok(body)
    }

    /// One content type, `application/json`, with no charset but UTF-8. The gateway checks a request's
    /// form only for this type; another one passes it by.
    fn is_json(&self) -> bool {
        let mut types = self
            .headers
            .iter()
            .flatten()
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let (Some((_, Value::String(only))), None) = (types.next(), types.next()) else {
            return false;
        };
        let mut parts = only.split(';').map(str::trim);
        let is_type = parts
            .next()
            .is_some_and(|essence| essence.eq_ignore_ascii_case(CONTENT_TYPE));
        is_type && parts.all(|part| part.eq_ignore_ascii_case("charset=utf-8"))
    }
}

/// Without headers and body, which hold proofs.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("request_context", &self.request_context)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(value: Value) -> Event {
        serde_json::from_value(value).unwrap()
    }

    fn with(name: &str, value: Value) -> Event {
        let mut whole = json!({
            "httpMethod": "POST", "headers": { "Content-Type": "application/json" }, "body": "{}",
            "isBase64Encoded": false,
            "requestContext": { "identity": { "sourceIp": "54.1.2.3" } },
        });
        whole[name] = value;
        event(whole)
    }

    #[test]
    fn only_posted_json_text_is_read() {
        assert_eq!(with("body", json!("{}")).body(), Ok("{}"));
        for (name, value, expected) in [
            ("httpMethod", json!("GET"), NoBody::Method),
            ("httpMethod", json!("post"), NoBody::Method),
            ("httpMethod", Value::Null, NoBody::Method),
            ("body", Value::Null, NoBody::Empty),
            ("body", json!(""), NoBody::Empty),
            ("isBase64Encoded", json!(true), NoBody::Binary),
            ("headers", Value::Null, NoBody::ContentType),
            ("headers", json!({}), NoBody::ContentType),
        ] {
            assert_eq!(with(name, value).body(), Err(expected), "{name}");
        }
        let long = "x".repeat(BODY_BYTES_MAX + 1);
        let bytes = long.len();
        assert_eq!(
            with("body", json!(long)).body(),
            Err(NoBody::TooLarge { bytes })
        );
    }

    #[test]
    fn there_is_one_content_type_in_any_case() {
        let is_read = |headers: Value| with("headers", headers).body().is_ok();
        assert!(is_read(json!({ "content-type": "application/json" })));
        assert!(is_read(
            json!({ "CONTENT-TYPE": "Application/JSON; charset=UTF-8" })
        ));
        for refused in [
            json!({ "content-type": "text/plain" }),
            json!({ "content-type": "application/json, text/plain" }),
            json!({ "content-type": "application/json; charset=utf-16" }),
            json!({ "content-type": "application/jsonp" }),
            json!({ "content-type": ["application/json"] }),
            json!({ "content-type": "application/json", "Content-Type": "application/json" }),
        ] {
            assert!(!is_read(refused.clone()), "{refused}");
        }
    }

    #[test]
    fn the_source_is_the_gateways_word_and_no_headers() {
        let event = with("headers", json!({ "X-Forwarded-For": "8.8.8.8" }));
        assert_eq!(event.source(), Ok("54.1.2.3".parse().unwrap()));
        for context in [
            json!({}),
            json!({ "identity": {} }),
            json!({ "identity": { "sourceIp": "test-invoke-source-ip" } }),
        ] {
            let event = with("requestContext", context);
            assert_eq!(event.source(), Err(NoBody::Source));
        }
    }
}
