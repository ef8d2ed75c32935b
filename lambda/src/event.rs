//! What API Gateway hands to the function: an event of its proxy integration for REST APIs, payload
//! 1.0 (API Gateway Developer Guide, "Set up Lambda proxy integrations").
//!
//! Only what is used is read. AWS's own format may grow, so unknown members are accepted, here and
//! nowhere else in this package; and whatever invokes the function by another way, the console's test
//! button for example, is answered like everybody.

use serde::Deserialize;

/// One request, as far as it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    /// What the gateway knows of the request.
    pub request_context: RequestContext,
}

/// What the gateway knows of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RequestContext {
    /// The gateway's id of the request, which its access log has as well. Without a gateway there is
    /// none.
    pub request_id: Option<String>,
}
