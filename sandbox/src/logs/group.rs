//! Log groups and their retention.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::data_protection::DataProtection;
use super::encryption::check_key;
use super::metric_filter::MetricFilter;
use super::resource_policy::ResourcePolicy;
use super::stream::Stream;
use super::subscription::SubscriptionFilter;
use super::tags::checked_tags;
use super::{arn_of, invalid, millis, needs, read};
use crate::listing::{self, Page};
use crate::tagging::{TagSet, Tags};
use crate::world::{AwsError, Caller, Need, Operation, World};

/// A log group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    pub created: Timestamp,
    /// From when on listings show it.
    pub listed_from: Timestamp,
    /// None: events never expire.
    pub retention_days: Option<i64>,
    /// ARN of the key that encrypts new events.
    pub kms_key: Option<String>,
    pub deletion_protected: bool,
    pub tags: TagSet,
    /// By name.
    pub streams: BTreeMap<String, Stream>,
    /// By name.
    #[serde(default)]
    pub filters: BTreeMap<String, MetricFilter>,
    /// By name.
    #[serde(default)]
    pub subscriptions: BTreeMap<String, SubscriptionFilter>,
    /// None: it never had a data protection policy.
    #[serde(default)]
    pub protection: Option<DataProtection>,
    /// A resource policy of this group alone.
    #[serde(default)]
    pub policy: Option<ResourcePolicy>,
}

/// The values that PutRetentionPolicy takes
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>).
const RETENTION_DAYS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// Items of a listing when the request does not say how many.
pub(super) const LIMIT_DEFAULT: usize = 50;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateLogGroup",
        // With tags also logs:TagResource, says the API page.
        needs: |_, caller, input| {
            let mut all = needs::of_group(caller, input, "logs:CreateLogGroup");
            if input.get("tags").is_some() {
                let tagging = needs::of_tags(caller, input, "logs:TagResource");
                for need in &mut all {
                    need.context.extend(tagging.context.clone());
                }
                all.push(tagging);
            }
            all
        },
        run: create_log_group,
    },
    Operation {
        name: "DeleteLogGroup",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:DeleteLogGroup"),
        run: delete_log_group,
    },
    Operation {
        name: "DescribeLogGroups",
        needs: |_, _, _| vec![Need::new("logs:DescribeLogGroups", "*")],
        run: describe_log_groups,
    },
    Operation {
        name: "ListLogGroups",
        needs: |_, _, _| vec![Need::new("logs:ListLogGroups", "*")],
        run: list_log_groups,
    },
    Operation {
        name: "PutRetentionPolicy",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:PutRetentionPolicy"),
        run: put_retention_policy,
    },
    Operation {
        name: "DeleteRetentionPolicy",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:DeleteRetentionPolicy"),
        run: |world, caller, input| {
            let input: GroupOnly = read(input)?;
            world
                .logs
                .group_mut(caller, &input.log_group_name)?
                .retention_days = None;
            Ok(json!({}))
        },
    },
];

impl Group {
    /// Removes the events whose retention is over.
    ///
    /// AWS says that expired events "can take up to 72 hours" to be deleted for good and are not
    /// counted meanwhile; here they are gone at once.
    pub fn expire(&mut self, now: Timestamp) {
        if let Some(oldest) = self.oldest_kept(now) {
            for stream in self.streams.values_mut() {
                stream.events.retain(|event| event.timestamp >= oldest);
            }
        }
    }

    /// The time, in milliseconds, before which events have expired.
    pub fn oldest_kept(&self, now: Timestamp) -> Option<i64> {
        let retention = SignedDuration::from_hours(24 * self.retention_days?);
        Some(millis(
            now.saturating_sub(retention).unwrap_or(Timestamp::MIN),
        ))
    }

    fn stored_bytes(&self) -> usize {
        self.streams
            .values()
            .flat_map(|stream| &stream.events)
            .map(|event| event.size())
            .sum()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupOnly {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateLogGroup {
    log_group_name: String,
    kms_key_id: Option<String>,
    tags: Option<Tags>,
    log_group_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
}

/// Atomic: of two calls for one name, one is refused.
fn create_log_group(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreateLogGroup = read(input)?;
    let name = input.log_group_name;
    check_name(&name)?;
    check_class(input.log_group_class.as_deref(), "logs:CreateLogGroup")?;
    let tags = checked_tags(input.tags.unwrap_or_default())?;
    if world.logs.groups_mut(caller).contains_key(&name) {
        return Err(AwsError::new(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ));
    }
    if let Some(key) = &input.kms_key_id {
        check_key(world, caller, &name, key)?;
    }
    let lag = world.profile.draw_list_lag(&mut world.random);
    let group = Group {
        created: caller.now,
        listed_from: caller.now.saturating_add(lag).unwrap_or(caller.now),
        retention_days: None,
        kms_key: input.kms_key_id,
        deletion_protected: input.deletion_protection_enabled.unwrap_or(false),
        tags: TagSet::new(tags, caller.now, lag),
        streams: BTreeMap::new(),
        filters: BTreeMap::new(),
        subscriptions: BTreeMap::new(),
        protection: None,
        policy: None,
    };
    world.logs.groups_mut(caller).insert(name, group);
    Ok(json!({}))
}

/// "Log group names can't start with the string aws/"; the other rules are in the shape.
fn check_name(name: &str) -> Result<(), AwsError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._-/#".contains(&b);
    if (1..=512).contains(&name.len()) && name.bytes().all(good) && !name.starts_with("aws/") {
        Ok(())
    } else {
        Err(invalid(format!("Invalid log group name '{name}'")))
    }
}

/// Groups of other classes lack operations that this sandbox has, so they are not modelled.
fn check_class(class: Option<&str>, operation: &str) -> Result<(), AwsError> {
    match class {
        None | Some("STANDARD") => Ok(()),
        Some(other) => Err(AwsError::not_modelled(&format!(
            "{operation} with log group class {other}"
        ))),
    }
}

fn delete_log_group(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GroupOnly = read(input)?;
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    if group.deletion_protected {
        return Err(AwsError::new(
            "ValidationException",
            "The specified log group has deletion protection enabled",
        ));
    }
    world.logs.groups_mut(caller).remove(&input.log_group_name);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeLogGroups {
    account_identifiers: Option<Vec<String>>,
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    include_linked_accounts: Option<bool>,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
}

/// "The results are ASCII-sorted by log group name." A group shows up here some time after it was
/// created; its tags, by contrast, are readable at once.
fn describe_log_groups(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeLogGroups = read(input)?;
    if input.include_linked_accounts == Some(true) || input.account_identifiers.is_some() {
        return Err(AwsError::not_modelled(
            "logs:DescribeLogGroups of linked accounts",
        ));
    }
    check_class(input.log_group_class.as_deref(), "logs:DescribeLogGroups")?;
    let (prefix, pattern) = (&input.log_group_name_prefix, &input.log_group_name_pattern);
    if prefix.is_some() && pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    if input.log_group_identifiers.is_some() && (prefix.is_some() || pattern.is_some()) {
        return Err(invalid("logGroupIdentifiers excludes every other filter"));
    }
    let groups = listed(world, caller)
        .filter(|(name, _)| {
            prefix
                .as_ref()
                .is_none_or(|prefix| name.starts_with(prefix))
        })
        .filter(|(name, _)| {
            pattern
                .as_ref()
                .is_none_or(|pattern| name.contains(pattern))
        })
        .filter(|(name, _)| {
            input
                .log_group_identifiers
                .as_ref()
                .is_none_or(|i| i.contains(name))
        })
        .map(|(name, group)| {
            let arn = arn_of(&caller.account, &caller.region, name);
            let mut item = json!({
                "logGroupName": name,
                "creationTime": millis(group.created),
                "arn": format!("{arn}:*"),
            });
            // "If you specify logGroupNamePattern in your request, then only arn, creationTime,
            // and logGroupName are included in the response."
            if pattern.is_none() {
                item["logGroupArn"] = arn.into();
                item["logGroupClass"] = "STANDARD".into();
                item["metricFilterCount"] = group.filters.len().into();
                item["storedBytes"] = group.stored_bytes().into();
                item["deletionProtectionEnabled"] = group.deletion_protected.into();
                if let Some(days) = group.retention_days {
                    item["retentionInDays"] = days.into();
                }
                if let Some(protection) = &group.protection {
                    item["dataProtectionStatus"] = protection.status().into();
                }
                if let Some(key) = &group.kms_key {
                    item["kmsKeyId"] = key.as_str().into();
                }
            }
            (name.clone(), item)
        });
    answer(
        "DescribeLogGroups",
        "logGroups",
        groups,
        input.next_token,
        input.limit,
    )
}

/// The groups that listings show by now, without expired events.
fn listed<'w>(
    world: &'w mut World,
    caller: &Caller,
) -> impl Iterator<Item = (&'w String, &'w Group)> {
    let now = caller.now;
    let groups = world.logs.groups_mut(caller);
    groups.values_mut().for_each(|group| group.expire(now));
    groups
        .iter()
        .filter(move |(_, group)| group.listed_from <= now)
}

/// One page of a listing as an answer.
pub(super) fn answer(
    listing: &str,
    member: &str,
    items: impl Iterator<Item = (String, Value)>,
    token: Option<String>,
    limit: Option<usize>,
) -> Result<Value, AwsError> {
    let after = match token {
        None => None,
        Some(token) => Some(
            listing::after(listing, &token)
                .ok_or_else(|| invalid("The specified nextToken is invalid."))?,
        ),
    };
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let Page { items, next } = listing::page(items, after.as_deref(), limit);
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["nextToken"] = listing::token(listing, &next).into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListLogGroups {
    log_group_name_pattern: Option<String>,
    log_group_class: Option<String>,
    include_linked_accounts: Option<bool>,
    account_identifiers: Option<Vec<String>>,
    next_token: Option<String>,
    limit: Option<usize>,
    data_sources: Option<Value>,
    field_index_names: Option<Value>,
    log_group_tags: Option<Value>,
}

fn list_log_groups(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ListLogGroups = read(input)?;
    if input.include_linked_accounts == Some(true) || input.account_identifiers.is_some() {
        return Err(AwsError::not_modelled(
            "logs:ListLogGroups of linked accounts",
        ));
    }
    let filters = [
        &input.data_sources,
        &input.field_index_names,
        &input.log_group_tags,
    ];
    if filters.into_iter().any(Option::is_some) {
        return Err(AwsError::not_modelled(
            "logs:ListLogGroups with dataSources, fieldIndexNames or logGroupTags",
        ));
    }
    check_class(input.log_group_class.as_deref(), "logs:ListLogGroups")?;
    let pattern = input.log_group_name_pattern.as_deref();
    let groups = listed(world, caller)
        .filter(|(name, _)| pattern.is_none_or(|pattern| matches_any(pattern, name)))
        .map(|(name, _)| {
            let item = json!({
                "logGroupName": name,
                "logGroupArn": arn_of(&caller.account, &caller.region, name),
                "logGroupClass": "STANDARD",
            });
            (name.clone(), item)
        });
    answer(
        "ListLogGroups",
        "logGroups",
        groups,
        input.next_token,
        input.limit,
    )
}

/// Texts separated by `|`, each of which is a prefix after `^` and any part of the name without.
fn matches_any(pattern: &str, name: &str) -> bool {
    pattern.split('|').any(|part| match part.strip_prefix('^') {
        Some(prefix) => name.starts_with(prefix),
        None => name.contains(part),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutRetentionPolicy {
    log_group_name: String,
    retention_in_days: i64,
}

fn put_retention_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: PutRetentionPolicy = read(input)?;
    let days = input.retention_in_days;
    if !RETENTION_DAYS.contains(&days) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy \
             constraint: Member must satisfy enum value set: {RETENTION_DAYS:?}"
        )));
    }
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    group.retention_days = Some(days);
    group.expire(caller.now);
    Ok(json!({}))
}
