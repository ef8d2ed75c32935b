//! Tags of functions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::name::Target;
use super::{conflict, invalid, needs, not_found, read};
use crate::tagging::{TAGS_MAX, Tags, check_tag};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TagResource",
        needs: |world, caller, input| {
            let need = needs::of_resource(world, caller, input, "lambda:TagResource");
            vec![needs::with_request_tags(need, input)]
        },
        run: tag_resource,
    },
    Operation {
        name: "UntagResource",
        needs: |world, caller, input| {
            let need = needs::of_resource(world, caller, input, "lambda:UntagResource");
            vec![needs::with_request_tags(need, input)]
        },
        run: untag_resource,
    },
    Operation {
        name: "ListTags",
        needs: |world, caller, input| {
            vec![needs::of_resource(world, caller, input, "lambda:ListTags")]
        },
        run: |world, caller, input| {
            let target = read::<Given>(input)?.target(caller)?;
            let tags = world.lambda.function(caller, &target)?.tags.current();
            Ok(json!({ "Tags": tags }))
        },
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    resource: String,
    tags: Option<Tags>,
    tag_keys: Option<Vec<String>>,
}

impl Given {
    /// The function whose ARN is given; its other taggable resources are not modelled, so that none
    /// of them exists.
    fn target(&self, caller: &Caller) -> Result<Target, AwsError> {
        if !self.resource.contains(":function:") {
            return Err(not_found(format!("Resource not found: {}", self.resource)));
        }
        Target::unqualified(caller, &self.resource)
    }
}

/// Tags that may be there together.
pub(super) fn checked_tags(tags: Tags) -> Result<Tags, AwsError> {
    for (key, value) in &tags {
        check_tag(key, value).map_err(|problem| invalid(problem.to_string()))?;
    }
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!(
            "Number of tags exceeds resource tag limit of {TAGS_MAX}"
        )));
    }
    Ok(tags)
}

fn tag_resource(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Given = read(input)?;
    let target = input.target(caller)?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let function = world.lambda.function_mut(caller, &target)?;
    if function.is_updating(caller.now) {
        return Err(conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {}",
            input.resource
        )));
    }
    let tags = checked_tags(input.tags.unwrap_or_default())?;
    let mut all = function.tags.current().clone();
    all.extend(tags);
    let all = checked_tags(all)?;
    function.tags.replace(all, caller.now, lag);
    Ok(json!({}))
}

fn untag_resource(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Given = read(input)?;
    let target = input.target(caller)?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let function = world.lambda.function_mut(caller, &target)?;
    let keys = input.tag_keys.unwrap_or_default();
    let keys = keys.iter().map(String::as_str);
    function.tags.remove(keys, caller.now, lag);
    Ok(json!({}))
}
