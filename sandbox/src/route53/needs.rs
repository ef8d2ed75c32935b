//! What a call must be allowed to do: Route 53's part of the service authorization reference.

use serde_json::Value;

use super::{bare, zone_arn};
use crate::world::Need;

/// One action on the zone whose id is in `field`.
pub(super) fn on_zone(action: &str, input: &Value, field: &str) -> Vec<Need> {
    let id = input[field].as_str().unwrap_or_default();
    vec![Need::new(
        &format!("route53:{action}"),
        zone_arn(bare("hostedzone", id)),
    )]
}

/// One action that supports no resource.
pub(super) fn anywhere(action: &str) -> Vec<Need> {
    vec![Need::new(&format!("route53:{action}"), "*")]
}

/// One action on the object whose id is in `field`, of a kind such as `change`.
pub(super) fn on(kind: &str, action: &str, input: &Value, field: &str) -> Vec<Need> {
    let id = bare(kind, input[field].as_str().unwrap_or_default());
    vec![Need::new(
        &format!("route53:{action}"),
        format!("arn:aws:route53:::{kind}/{id}"),
    )]
}
