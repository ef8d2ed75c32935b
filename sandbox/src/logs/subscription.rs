//! Subscription filters: who is handed the lines of a group.
//!
//! They are kept, checked and shown. No line is delivered, as no service that could take one stands at the
//! other end but Lambda, and what a function is handed is not modelled.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::filter::Pattern;
use super::group::answer;
use super::{arn_of, invalid, millis, needs, read};
use crate::auth;
use crate::world::{AwsError, Caller, Need, Operation, World};

/// "Each log group can have up to two subscription filters associated with it"
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html>).
const FILTERS_MAX: usize = 2;

/// A subscription filter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SubscriptionFilter {
    pattern: String,
    destination: String,
    role: Option<String>,
    distribution: String,
    created: Timestamp,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutSubscriptionFilter",
        // For a destination of CloudWatch Logs the right to it as well, and for a role the one to pass it.
        needs: |_, caller, input| {
            let action = "logs:PutSubscriptionFilter";
            let mut all = needs::of_group(caller, input, action);
            if let Some(arn) = needs::text(input, "destinationArn")
                && kind(arn) == Some("logs")
            {
                all.push(Need::new(action, arn));
            }
            if let Some(role) = needs::text(input, "roleArn") {
                let service = vec!["logs.amazonaws.com".to_owned()];
                all.push(Need::new("iam:PassRole", role).with("iam:PassedToService", service));
            }
            all
        },
        run: put_subscription_filter,
    },
    Operation {
        name: "DeleteSubscriptionFilter",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:DeleteSubscriptionFilter"),
        run: delete_subscription_filter,
    },
    Operation {
        name: "DescribeSubscriptionFilters",
        needs: |_, caller, input| {
            needs::of_group(caller, input, "logs:DescribeSubscriptionFilters")
        },
        run: describe_subscription_filters,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutSubscriptionFilter {
    log_group_name: String,
    filter_name: String,
    filter_pattern: String,
    destination_arn: String,
    role_arn: Option<String>,
    distribution: Option<String>,
    apply_on_transformed_logs: Option<bool>,
    field_selection_criteria: Option<String>,
    emit_system_fields: Option<Vec<String>>,
}

/// The service of a destination, where lines can go to it.
fn kind(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let (start, service, rest) = (parts.next()?, parts.nth(1)?, parts.nth(2)?);
    let resource = match service {
        "kinesis" => "stream/",
        "firehose" => "deliverystream/",
        "lambda" => "function:",
        "logs" => "destination:",
        _ => return None,
    };
    (start == "arn" && rest.starts_with(resource)).then_some(service)
}

/// Creates a filter or replaces the one of this name, which keeps the time of its creation.
fn put_subscription_filter(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: PutSubscriptionFilter = read(input)?;
    if input.apply_on_transformed_logs == Some(true)
        || input.field_selection_criteria.is_some()
        || input.emit_system_fields.is_some()
    {
        return Err(AwsError::not_modelled(
            "logs:PutSubscriptionFilter with applyOnTransformedLogs, fieldSelectionCriteria or \
             emitSystemFields",
        ));
    }
    Pattern::parse(&input.filter_pattern)?;
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    let others = group.subscriptions.keys();
    if others.filter(|name| **name != input.filter_name).count() >= FILTERS_MAX {
        return Err(AwsError::new(
            "LimitExceededException",
            "Resource limit exceeded.",
        ));
    }
    check_destination(world, caller, &input)?;
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    let known = group.subscriptions.get(&input.filter_name);
    let filter = SubscriptionFilter {
        pattern: input.filter_pattern,
        destination: input.destination_arn,
        role: input.role_arn,
        distribution: input
            .distribution
            .unwrap_or_else(|| "ByLogStream".to_owned()),
        created: known.map_or(caller.now, |known| known.created),
    };
    group.subscriptions.insert(input.filter_name, filter);
    Ok(json!({}))
}

/// Streams need a role that may write to them, functions a permission for CloudWatch Logs. That a stream or
/// a destination exists is not checked: their services are not modelled.
fn check_destination(
    world: &World,
    caller: &Caller,
    input: &PutSubscriptionFilter,
) -> Result<(), AwsError> {
    let arn = &input.destination_arn;
    match (kind(arn), &input.role_arn) {
        (Some("kinesis" | "firehose"), None) => Err(invalid(format!(
            "destinationArn for vendor {} requires roleArn",
            kind(arn).unwrap_or_default()
        ))),
        (Some("lambda"), Some(_)) => Err(invalid(
            "destinationArn for vendor lambda cannot be used with roleArn",
        )),
        (Some("lambda"), None) => {
            let group = arn_of(&caller.account, &caller.region, &input.log_group_name);
            let need = Need::new("lambda:InvokeFunction", arn)
                .with("aws:SourceArn", vec![format!("{group}:*")])
                .with("aws:SourceAccount", vec![caller.account.clone()]);
            let policy = world.lambda.resource_policy(arn);
            let regional = format!("logs.{}.amazonaws.com", caller.region);
            let may = |service| auth::service_may(world, service, &need, policy.as_deref());
            if may("logs.amazonaws.com") || may(regional.as_str()) {
                return Ok(());
            }
            Err(invalid(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs \
                 permission to execute your function.",
            ))
        }
        (Some(_), _) => Ok(()),
        (None, _) => Err(invalid(format!("Invalid destination ARN '{arn}'"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteSubscriptionFilter {
    log_group_name: String,
    filter_name: String,
}

fn delete_subscription_filter(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DeleteSubscriptionFilter = read(input)?;
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    match group.subscriptions.remove(&input.filter_name) {
        Some(_) => Ok(json!({})),
        None => Err(AwsError::new(
            "ResourceNotFoundException",
            "The specified subscription filter does not exist.",
        )),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeSubscriptionFilters {
    log_group_name: String,
    filter_name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// "The results are ASCII-sorted by filter name."
fn describe_subscription_filters(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeSubscriptionFilters = read(input)?;
    let prefix = input.filter_name_prefix.unwrap_or_default();
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    let shown = |(name, filter): (&String, &SubscriptionFilter)| {
        let mut item = json!({
            "filterName": name,
            "logGroupName": input.log_group_name,
            "filterPattern": filter.pattern,
            "destinationArn": filter.destination,
            "distribution": filter.distribution,
            "applyOnTransformedLogs": false,
            "creationTime": millis(filter.created),
        });
        if let Some(role) = &filter.role {
            item["roleArn"] = role.as_str().into();
        }
        (name.clone(), item)
    };
    let filters = group.subscriptions.iter();
    answer(
        "DescribeSubscriptionFilters",
        "subscriptionFilters",
        filters
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(shown),
        input.next_token,
        input.limit,
    )
}
