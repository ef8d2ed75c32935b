//! Amazon CloudWatch Logs: log groups, their tags, streams and events.
//!
//! Decides what each operation on groups, streams and events does, on metric and subscription filters,
//! resource and data protection policies, and saved queries. Log groups live per account and region; only
//! the STANDARD class is modelled. What [`operation`] does not know, such as running queries, is refused by
//! name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tagging::TagSet;
use crate::world::{AwsError, Caller, Operation, World};

mod data_protection;
mod encryption;
mod events;
mod filter;
mod group;
mod metric_filter;
mod needs;
mod query_definition;
mod read_events;
mod resource_policy;
mod stream;
mod subscription;
mod tags;

use group::Group;
use query_definition::QueryDefinition;
use resource_policy::ResourcePolicy;

/// All log groups of the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// By account, then by region, then by name.
    accounts: BTreeMap<String, BTreeMap<String, BTreeMap<String, Group>>>,
    /// Resource policies for whole accounts: by account, region and name.
    #[serde(default)]
    policies: BTreeMap<String, BTreeMap<String, BTreeMap<String, ResourcePolicy>>>,
    /// Saved queries by account, region and id.
    #[serde(default)]
    queries: BTreeMap<String, BTreeMap<String, BTreeMap<String, QueryDefinition>>>,
}

/// The operation of this name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [
        group::OPERATIONS,
        encryption::OPERATIONS,
        tags::OPERATIONS,
        stream::OPERATIONS,
        events::OPERATIONS,
        read_events::OPERATIONS,
        metric_filter::OPERATIONS,
        resource_policy::OPERATIONS,
        query_definition::OPERATIONS,
        subscription::OPERATIONS,
        data_protection::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .find(|operation| operation.name == name)
}

impl State {
    fn groups(&self, account: &str, region: &str) -> Option<&BTreeMap<String, Group>> {
        self.accounts.get(account)?.get(region)
    }

    fn groups_mut(&mut self, caller: &Caller) -> &mut BTreeMap<String, Group> {
        let regions = self.accounts.entry(caller.account.clone()).or_default();
        regions.entry(caller.region.clone()).or_default()
    }

    fn policies_mut(&mut self, caller: &Caller) -> &mut BTreeMap<String, ResourcePolicy> {
        let regions = self.policies.entry(caller.account.clone()).or_default();
        regions.entry(caller.region.clone()).or_default()
    }

    fn queries_mut(&mut self, caller: &Caller) -> &mut BTreeMap<String, QueryDefinition> {
        let regions = self.queries.entry(caller.account.clone()).or_default();
        regions.entry(caller.region.clone()).or_default()
    }

    /// Whether a group exists.
    pub(crate) fn has_group(&self, account: &str, region: &str, name: &str) -> bool {
        self.groups(account, region)
            .is_some_and(|groups| groups.contains_key(name))
    }

    /// A group of the caller, without the events whose retention is over.
    fn group_mut(&mut self, caller: &Caller, name: &str) -> Result<&mut Group, AwsError> {
        let group = self.groups_mut(caller).get_mut(name).ok_or_else(|| {
            AwsError::new(
                "ResourceNotFoundException",
                "The specified log group does not exist.",
            )
        })?;
        group.expire(caller.now);
        Ok(group)
    }

    /// ARN and tags of each log group of an account in a region, for the tagging API.
    pub(crate) fn tagged(
        &self,
        account: &str,
        region: &str,
    ) -> impl Iterator<Item = (String, &TagSet)> {
        let groups = self.groups(account, region).into_iter().flatten();
        groups.map(move |(name, group)| (arn_of(account, region, name), &group.tags))
    }
}

impl World {
    /// Writes an event of a service into a stream, which is made if it is not there. Nothing happens
    /// if the group does not exist.
    pub(crate) fn log(
        &mut self,
        place: (&str, &str),
        into: (&str, &str),
        now: Timestamp,
        message: String,
    ) {
        events::append(self, place, into, now, message);
    }
}

/// The ARN of a log group, as tags and `logGroupArn` have it. `arn` of DescribeLogGroups has `:*`
/// at its end.
fn arn_of(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:logs:{region}:{account}:log-group:{name}")
}

/// The name in the ARN of a log group of the caller; with or without `:*`.
fn name_in_arn<'a>(caller: &Caller, arn: &'a str) -> Option<&'a str> {
    let name = arn.strip_prefix(&arn_of(&caller.account, &caller.region, ""))?;
    let name = name.strip_suffix(":*").unwrap_or(name);
    (!name.is_empty() && !name.contains(':')).then_some(name)
}

/// Exactly one of `logGroupName` and `logGroupIdentifier`, which is a name or an ARN.
fn name_or_identifier(
    caller: &Caller,
    name: Option<String>,
    identifier: Option<String>,
) -> Result<String, AwsError> {
    match (name, identifier) {
        (Some(name), None) => Ok(name),
        (None, Some(arn)) if arn.starts_with("arn:") => match name_in_arn(caller, &arn) {
            Some(name) => Ok(name.to_owned()),
            None => Err(invalid(format!("Invalid log group ARN '{arn}'"))),
        },
        (None, Some(name)) => Ok(name),
        (None, None) | (Some(_), Some(_)) => Err(invalid(
            "Exactly one of logGroupName and logGroupIdentifier must be given",
        )),
    }
}

/// Reads an operation's input. The codec has checked its shape, so that a failure here is a member
/// that shape and structure disagree on.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

/// Times are milliseconds since 1970.
fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
