//! The audit line: one JSON object for each request, with the members of spawn's example and
//! `principal`, `proof`, `nonce`, `recordType`, `code`, `success`, `evictedName`, `evictedOwner` and
//! `durationMs`.
//!
//! It names what was decided and about whom. It never holds a request's body, a proof or a token (of a
//! proof that held, the nonce, which the owner mark has too), and of what a stranger sent only what was
//! found to be well-formed, since whoever reads logs trusts them.
//! Every member is always there, so that metric filters and queries need not tell "null" from "absent".

use std::net::IpAddr;

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
    /// The address it came from, as the gateway saw it.
    pub source_ip: Option<IpAddr>,
    /// Who proved to be asking, as in owner marks; null until somebody did.
    pub principal: Option<String>,
    /// How: `instance-role`, `identity-document` or `iam-role`.
    pub proof: Option<&'static str>,
    /// The nonce that it signed, for the proofs that have one: the same as in the mark that it wrote.
    pub nonce: Option<String>,
    /// Its instance.
    pub instance_id: Option<String>,
    /// Its role and session, where it is no instance.
    pub role: Option<String>,
    /// Its account.
    pub account_id: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// The label that was asked for.
    pub record_name: Option<String>,
    /// The whole name.
    pub fqdn: Option<String>,
    /// The type of record that was asked for.
    pub record_type: Option<&'static str>,
    /// The address that was asked for.
    pub ip_address: Option<IpAddr>,
    /// What was asked for.
    pub action: Option<&'static str>,
    /// How far the proof got.
    pub validation: Validation,
    /// What was answered.
    pub code: Code,
    /// Whether the records are as asked. Metric filters count by it.
    pub success: bool,
    /// Route 53's id of the last change that was made. Without `success`: what was asked for was done in part,
    /// which takes a stack document that was narrowed.
    pub change_id: Option<String>,
    /// Whose the name was, if it was taken over. Without `success`: it may have been, since Route 53's
    /// answer did not come; with `change_id` the holder's records and mark are gone.
    pub former_owner: Option<String>,
    /// The name that was removed to make place in the account's quota, its lease having ended. Without
    /// `success` as above.
    pub evicted_name: Option<String>,
    /// Whose that name was.
    pub evicted_owner: Option<String>,
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
    /// There was no proof, or it did not hold.
    Failure,
    /// Somebody was proven to have asked.
    Success,
}

impl Audit {
    /// The line of a request of which nothing is known yet.
    pub fn new(request_id: &str, began: Timestamp) -> Self {
        Self {
            timestamp: seconds(began),
            request_id: request_id.to_owned(),
            source_ip: None,
            principal: None,
            proof: None,
            nonce: None,
            instance_id: None,
            role: None,
            account_id: None,
            region: None,
            record_name: None,
            fqdn: None,
            record_type: None,
            ip_address: None,
            action: None,
            validation: Validation::None,
            code: Code::Unavailable,
            success: false,
            change_id: None,
            former_owner: None,
            evicted_name: None,
            evicted_owner: None,
            message: String::new(),
            duration_ms: 0,
        }
    }

    /// The line, without its end. JSON escapes line ends in texts, so nobody can add a line to it.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written as JSON")
    }
}
