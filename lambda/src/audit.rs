//! The audit line: one JSON object for each request, with the members of spawn's example and
//! `principal`, `code` and `durationMs`.
//!
//! It names what was decided and about whom. It never holds a request's body, a proof or a token, and
//! of what a stranger sent only what was found to be well-formed, since whoever reads logs trusts them.
//! Every member is always there, so that metric filters and queries need not tell "null" from "absent".

use jiff::Timestamp;
use serde::Serialize;

use crate::answer::{Code, seconds};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// When the request came.
    pub timestamp: String,
    /// The gateway's id of the request, as in its access log.
    pub request_id: String,
    /// Who proved to be asking; null until somebody did.
    pub principal: Option<String>,
    /// Its instance.
    pub instance_id: Option<String>,
    /// Its account.
    pub account_id: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// The label that was asked for.
    pub record_name: Option<String>,
    /// The whole name.
    pub fqdn: Option<String>,
    /// The address that was asked for.
    pub ip_address: Option<String>,
    /// What was asked for.
    pub action: Option<String>,
    /// How far the proof got.
    pub validation: Validation,
    /// What was answered.
    pub code: Code,
    /// Route 53's id of the change.
    pub change_id: Option<String>,
    /// The sentence that the caller was told.
    pub message: String,
    /// How long it took.
    pub duration_ms: i64,
}

/// How far a proof of identity got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validation {
    /// Nothing was proven or disproven: the request was answered before.
    None,
}

impl Audit {
    /// The line of a request that was refused before anything about it was read.
    pub fn unread(
        code: Code,
        message: &str,
        request_id: &str,
        began: Timestamp,
        ended: Timestamp,
    ) -> Self {
        Self {
            timestamp: seconds(began),
            request_id: request_id.to_owned(),
            principal: None,
            instance_id: None,
            account_id: None,
            region: None,
            record_name: None,
            fqdn: None,
            ip_address: None,
            action: None,
            validation: Validation::None,
            code,
            change_id: None,
            message: message.to_owned(),
            duration_ms: ended.as_millisecond() - began.as_millisecond(),
        }
    }

    /// The line, without its end. JSON escapes line ends in texts, so nobody can add a line to it.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written as JSON")
    }
}
