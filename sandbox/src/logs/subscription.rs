//! Subscription filters: they can be asked for, and there are none. Making them is not modelled.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{needs, read};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "DescribeSubscriptionFilters",
    needs: |_, caller, input| needs::of_group(caller, input, "logs:DescribeSubscriptionFilters"),
    run: describe_subscription_filters,
}];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeSubscriptionFilters {
    log_group_name: String,
}

fn describe_subscription_filters(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeSubscriptionFilters = read(input)?;
    world.logs.group_mut(caller, &input.log_group_name)?;
    Ok(json!({ "subscriptionFilters": [] }))
}
