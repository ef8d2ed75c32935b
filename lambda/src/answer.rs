//! The answer to a caller: status, code and the members that clients of spawn know.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::protocol::{AnswerProof, Outcome};

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
    /// The records are as asked.
    Ok,
    /// The request is not well-formed, or asks for what cannot be.
    BadRequest,
    /// Nobody was proven to have asked.
    ProofInvalid,
    /// Whoever asked may not.
    NotAllowed,
    /// The name is somebody else's.
    NameTaken,
    /// The name is no longer as the request takes it to be, or was changed after the request was signed.
    /// Signed again, without `owner` if the text says so, it can succeed.
    NameChanged,
    /// The body is too long.
    TooLarge,
    /// The body is no JSON.
    UnsupportedMediaType,
    /// Too many requests of this address, caller or account.
    RateLimited,
    /// AWS could not be asked in time, which was tried for seconds before this is said; or it does not
    /// list yet what has just started.
    Busy,
    /// The updater itself is set up wrongly, or the zone takes no more; only who runs it can help.
    Unavailable,
}

/// The body: spawn's `success message error record change_id timestamp`, and `code`, `request_id`,
/// `owner` and `proof`. Every member is always there; what does not apply is null.
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
    proof: Option<AnswerProof>,
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

/// What an answer says, besides when and to which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The word for it.
    pub code: Code,
    /// The sentence for it.
    pub text: String,
    /// The whole name, once it was known.
    pub record: Option<String>,
    /// Route 53's id of the change, if there was one.
    pub change_id: Option<String>,
    /// The mark that is now at the name, if it is the caller's.
    pub owner: Option<String>,
    /// When to ask again.
    pub retry_after: Option<Duration>,
}

impl Code {
    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::BadRequest => 400,
            Self::ProofInvalid => 401,
            Self::NotAllowed => 403,
            Self::NameTaken | Self::NameChanged => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited => 429,
            Self::Busy | Self::Unavailable => 503,
        }
    }

    /// As it is written in answers and audit lines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BadRequest => "bad_request",
            Self::ProofInvalid => "proof_invalid",
            Self::NotAllowed => "not_allowed",
            Self::NameTaken => "name_taken",
            Self::NameChanged => "name_changed",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited => "rate_limited",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }

    /// When it is worth asking again if nobody knows better.
    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::RateLimited | Self::Busy => Some(Duration::from_secs(5)),
            // Somebody has to repair it first.
            Self::Unavailable => Some(Duration::from_secs(300)),
            Self::Ok
            | Self::BadRequest
            | Self::ProofInvalid
            | Self::NotAllowed
            | Self::NameTaken
            | Self::NameChanged
            | Self::TooLarge
            | Self::UnsupportedMediaType => None,
        }
    }
}

impl Answer {
    /// The answer that says this. `sign` makes its proof, where there is somebody to make it for.
    pub fn new(
        told: Told,
        request_id: &str,
        now: Timestamp,
        sign: impl FnOnce(&Outcome) -> Option<AnswerProof>,
    ) -> Self {
        let success = told.code == Code::Ok;
        let (message, error) = match success {
            true => (Some(told.text), None),
            false => (None, Some(told.text)),
        };
        let outcome = Outcome {
            success,
            code: told.code.word().to_owned(),
            message,
            error,
            record: told.record,
            change_id: told.change_id,
            owner: told.owner,
            request_id: request_id.to_owned(),
            timestamp: seconds(now),
        };
        let proof = sign(&outcome);
        let retry_after = told.retry_after.or(told.code.retry_after());
        Self {
            status_code: told.code.status(),
            headers: Headers {
                content_type: "application/json",
                cache_control: "no-store",
                retry_after: retry_after.map(whole_seconds),
            },
            body: Body {
                success,
                code: told.code,
                message: outcome.message,
                error: outcome.error,
                record: outcome.record,
                change_id: outcome.change_id,
                owner: outcome.owner,
                request_id: outcome.request_id,
                timestamp: outcome.timestamp,
                proof,
            },
            is_base64_encoded: false,
        }
    }
}

/// RFC 9110, section 10.2.3: whole seconds. Never zero, which would mean at once.
fn whole_seconds(duration: Duration) -> String {
    let up = u64::from(duration.subsec_nanos() > 0);
    (duration.as_secs() + up).max(1).to_string()
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
