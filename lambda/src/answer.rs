//! The answer to a caller: status, code and the members that clients of spawn know.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// An answer in the form that API Gateway's proxy integration wants (API Gateway Developer Guide,
/// "Output format of a Lambda function for proxy integration"): anything else gives the caller 502.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    status_code: u16,
    headers: Headers,
    #[serde(serialize_with = "as_text")]
    body: Body,
    is_base64_encoded: bool,
}

/// Why a request was answered as it was. Alarms count these words in the audit line, clients decide by
/// them; neither reads the sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// This version of the updater answers, but changes nothing yet.
    Unavailable,
}

/// The body: spawn's `success message error record change_id timestamp`, and `code`, `request_id` and
/// `owner`. Every member is always there; what does not apply is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Body {
    success: bool,
    code: Code,
    message: Option<String>,
    error: Option<String>,
    record: Option<String>,
    change_id: Option<String>,
    owner: Option<String>,
    request_id: String,
    timestamp: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
    // An answer is about one moment; nothing in between may keep it.
    #[serde(rename = "Cache-Control")]
    cache_control: &'static str,
    #[serde(rename = "Retry-After", skip_serializing_if = "Option::is_none")]
    retry_after: Option<String>,
}

impl Code {
    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::Unavailable => 503,
        }
    }

    /// When it is worth asking again, in seconds.
    fn retry_after_secs(self) -> Option<u32> {
        match self {
            // Only a new version of the function changes this, so not soon.
            Self::Unavailable => Some(3_600),
        }
    }
}

impl Answer {
    /// A refusal: nothing was changed.
    pub fn refusal(code: Code, error: &str, request_id: &str, now: Timestamp) -> Self {
        let retry_after = code.retry_after_secs().map(|secs| secs.to_string());
        Self {
            status_code: code.status(),
            headers: Headers {
                content_type: "application/json",
                cache_control: "no-store",
                retry_after,
            },
            body: Body {
                success: false,
                code,
                message: None,
                error: Some(error.to_owned()),
                record: None,
                change_id: None,
                owner: None,
                request_id: request_id.to_owned(),
                timestamp: seconds(now),
            },
            is_base64_encoded: false,
        }
    }
}

/// RFC 3339 in UTC, whole seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The gateway takes the body as a text that holds JSON.
fn as_text<S: Serializer>(body: &Body, serializer: S) -> Result<S::Ok, S::Error> {
    let text = serde_json::to_string(body).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}
