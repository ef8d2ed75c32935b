//! Tags of alarms.

use serde::Deserialize;
use serde_json::{Value, json};

use super::alarm::Alarm;
use super::{alarm_arn, needs, read, region_of};
use crate::tagging::{TAGS_MAX, Tags, check_tag};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TagResource",
        needs: |world, caller, input| need(world, caller, input, "TagResource"),
        run: tag_resource,
    },
    Operation {
        name: "UntagResource",
        needs: |world, caller, input| need(world, caller, input, "UntagResource"),
        run: untag_resource,
    },
    Operation {
        name: "ListTagsForResource",
        needs: |world, caller, input| need(world, caller, input, "ListTagsForResource"),
        run: list_tags_for_resource,
    },
];

fn need(world: &World, caller: &Caller, input: &Value, action: &str) -> Vec<Need> {
    let arn = input["ResourceARN"].as_str().unwrap_or_default();
    let need = needs::of_alarm(world, caller, action, arn);
    vec![needs::with_tags(need, input)]
}

/// A tag of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Tags of a request that are good by themselves. What an operation calls bad ones differs.
pub(super) fn checked_tags(tags: Vec<Tag>, code: &str) -> Result<Tags, AwsError> {
    let mut checked = Tags::new();
    for Tag { key, value } in tags {
        check_tag(&key, &value).map_err(|problem| AwsError::new(code, problem.to_string()))?;
        if checked.insert(key.clone(), value).is_some() {
            return Err(AwsError::new(code, format!("Duplicate tag key '{key}'")));
        }
    }
    if checked.len() > TAGS_MAX {
        return Err(AwsError::new(code, too_many()));
    }
    Ok(checked)
}

fn too_many() -> String {
    format!("An alarm has at most {TAGS_MAX} tags")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tags: Option<Vec<Tag>>,
    tag_keys: Option<Vec<String>>,
}

const BAD: &str = "InvalidParameterValue";

/// The alarm of an ARN. Contributor Insights rules have tags in AWS too; here there are none.
fn alarm<'w>(world: &'w mut World, caller: &Caller, arn: &str) -> Result<&'w mut Alarm, AwsError> {
    if arn.splitn(6, ':').count() < 6 || !arn.starts_with("arn:aws:cloudwatch:") {
        return Err(AwsError::new(BAD, format!("Invalid ARN '{arn}'")));
    }
    let prefix = alarm_arn(&caller.account, &caller.region, "");
    let region = region_of(world, caller);
    arn.strip_prefix(&prefix)
        .and_then(|name| region.alarms.get_mut(name))
        .ok_or_else(|| {
            AwsError::new(
                "ResourceNotFoundException",
                format!("The resource {arn} does not exist"),
            )
        })
}

fn tag_resource(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let added = checked_tags(input.tags.unwrap_or_default(), BAD)?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let alarm = alarm(world, caller, &input.resource_arn)?;
    let mut all = alarm.tags.current().clone();
    all.extend(added);
    if all.len() > TAGS_MAX {
        return Err(AwsError::new(BAD, too_many()));
    }
    alarm.tags.replace(all, caller.now, lag);
    Ok(json!({}))
}

fn untag_resource(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let keys = input.tag_keys.unwrap_or_default();
    let lag = world.profile.draw_list_lag(&mut world.random);
    let alarm = alarm(world, caller, &input.resource_arn)?;
    let keys = keys.iter().map(String::as_str);
    alarm.tags.remove(keys, caller.now, lag);
    Ok(json!({}))
}

fn list_tags_for_resource(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: Input = read(input)?;
    let tags = alarm(world, caller, &input.resource_arn)?.tags.current();
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    Ok(json!({ "Tags": tags }))
}
