//! Route 53's quotas, and GetAccountLimit, which shows them.
//!
//! Numbers: developer guide, "Quotas" (DNSLimitations).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{needs, typed, zones};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[Operation {
    name: "GetAccountLimit",
    needs: |_, _, _| needs::anywhere("GetAccountLimit"),
    run: get_account_limit,
}];

/// Hosted zones per account.
pub(super) const ZONES: usize = 500;
/// Reusable delegation sets per account.
pub(super) const DELEGATION_SETS: usize = 100;
/// Record sets per zone.
pub(super) const RECORD_SETS: usize = 10_000;
/// Values per record set.
pub(super) const VALUES: usize = 400;
/// ResourceRecord elements per change batch; those of an UPSERT count twice.
pub(super) const BATCH_RECORDS: usize = 1000;
/// Characters of Value elements per change batch; those of an UPSERT count twice.
pub(super) const BATCH_CHARACTERS: usize = 32_000;
/// Key-signing keys per zone.
pub(super) const KSKS: usize = 2;
/// Tags per zone (tagging rules common to AWS services).
pub(super) const TAGS: usize = 50;

fn get_account_limit(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        r#type: String,
    }
    let input: Input = typed(input)?;
    let sets = world.route53.account(&caller.account).delegation_sets.len();
    // Health checks and traffic policies are not modelled: there are none.
    let (value, count) = match input.r#type.as_str() {
        "MAX_HOSTED_ZONES_BY_OWNER" => (ZONES, zones::owned(world, caller).count()),
        "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER" => (DELEGATION_SETS, sets),
        "MAX_HEALTH_CHECKS_BY_OWNER" => (200, 0),
        "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER" => (5, 0),
        "MAX_TRAFFIC_POLICIES_BY_OWNER" => (50, 0),
        other => {
            return Err(AwsError::new(
                "InvalidInput",
                format!("no account limit {other}"),
            ));
        }
    };
    Ok(json!({ "Limit": { "Type": input.r#type, "Value": value }, "Count": count }))
}
