//! Tags of log groups, by the present operations and by the two that AWS keeps for old clients.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{invalid, name_in_arn, needs, read};
use crate::tagging::{TAGS_MAX, Tags, check_tag};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TagResource",
        needs: |_, caller, input| vec![needs::of_tags(caller, input, "logs:TagResource")],
        run: |world, caller, input| {
            let input: ByArn = read(input)?;
            let name = input.name(caller)?;
            tag(
                world,
                caller,
                &name,
                input.tags.unwrap_or_default(),
                "TooManyTagsException",
            )
        },
    },
    Operation {
        name: "UntagResource",
        needs: |_, caller, input| vec![needs::of_tags(caller, input, "logs:UntagResource")],
        run: untag_resource,
    },
    Operation {
        name: "ListTagsForResource",
        needs: |_, caller, input| vec![needs::of_tags(caller, input, "logs:ListTagsForResource")],
        run: |world, caller, input| {
            let name = read::<ByArn>(input)?.name(caller)?;
            list(world, caller, &name)
        },
    },
    Operation {
        name: "TagLogGroup",
        needs: |_, caller, input| {
            let context = needs::of_tags(caller, input, "logs:TagLogGroup").context;
            let mut all = needs::of_group(caller, input, "logs:TagLogGroup");
            all.iter_mut()
                .for_each(|need| need.context.extend(context.clone()));
            all
        },
        run: |world, caller, input| {
            let input: ByName = read(input)?;
            let tags = input.tags.unwrap_or_default();
            // This one has no TooManyTagsException.
            tag(
                world,
                caller,
                &input.log_group_name,
                tags,
                "InvalidParameterException",
            )
        },
    },
    Operation {
        name: "ListTagsLogGroup",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:ListTagsLogGroup"),
        run: |world, caller, input| {
            let input: ByName = read(input)?;
            list(world, caller, &input.log_group_name)
        },
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByName {
    log_group_name: String,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByArn {
    resource_arn: String,
    tags: Option<Tags>,
    tag_keys: Option<Vec<String>>,
}

impl ByArn {
    /// The group's name. Unlike elsewhere, the ARN must not end in `:*`.
    fn name(&self, caller: &Caller) -> Result<String, AwsError> {
        let arn = &self.resource_arn;
        if arn.contains(":destination:") {
            return Err(AwsError::not_modelled("destinations of CloudWatch Logs"));
        }
        match name_in_arn(caller, arn) {
            Some(name) if !arn.ends_with(":*") => Ok(name.to_owned()),
            Some(_) | None => Err(invalid(format!("Invalid resource ARN '{arn}'"))),
        }
    }
}

/// Tags of a request that are good by themselves.
pub(super) fn checked_tags(tags: Tags) -> Result<Tags, AwsError> {
    for (key, value) in &tags {
        check_tag(key, value).map_err(|problem| invalid(problem.to_string()))?;
    }
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!("A log group has at most {TAGS_MAX} tags")));
    }
    Ok(tags)
}

fn tag(
    world: &mut World,
    caller: &Caller,
    name: &str,
    tags: Tags,
    too_many: &str,
) -> Result<Value, AwsError> {
    let tags = checked_tags(tags)?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let group = world.logs.group_mut(caller, name)?;
    let mut all = group.tags.current().clone();
    all.extend(tags);
    if all.len() > TAGS_MAX {
        return Err(AwsError::new(
            too_many,
            format!(
                "A log group has at most {TAGS_MAX} tags, this one would have {}",
                all.len()
            ),
        ));
    }
    group.tags.replace(all, caller.now, lag);
    Ok(json!({}))
}

fn untag_resource(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByArn = read(input)?;
    let name = input.name(caller)?;
    let keys = input.tag_keys.unwrap_or_default();
    if keys
        .iter()
        .any(|key| key.to_ascii_lowercase().starts_with("aws:"))
    {
        return Err(invalid(
            "aws: prefixed tag key names are not allowed for external use.",
        ));
    }
    let lag = world.profile.draw_list_lag(&mut world.random);
    let group = world.logs.group_mut(caller, &name)?;
    group
        .tags
        .remove(keys.iter().map(String::as_str), caller.now, lag);
    Ok(json!({}))
}

fn list(world: &mut World, caller: &Caller, name: &str) -> Result<Value, AwsError> {
    Ok(json!({ "tags": world.logs.group_mut(caller, name)?.tags.current() }))
}
