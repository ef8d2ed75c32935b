//! Tags of keys.

use serde::Deserialize;
use serde_json::{Value, json};

use super::list::{Cut, Limits, answer};
use super::{needs, read, rules};
use crate::tagging::{TAGS_MAX, Tags, check_tag};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TagResource",
        needs: |world, caller, input| {
            let need = needs::of_key(world, caller, input, &rules::TAG_RESOURCE);
            vec![needs::with_request_tags(need, input)]
        },
        run: tag_resource,
    },
    Operation {
        name: "UntagResource",
        needs: |world, caller, input| {
            let keys = input
                .get("TagKeys")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let keys = keys.filter_map(Value::as_str).map(str::to_owned).collect();
            let need = needs::of_key(world, caller, input, &rules::UNTAG_RESOURCE);
            vec![need.with("aws:TagKeys", keys)]
        },
        run: untag_resource,
    },
    Operation {
        name: "ListResourceTags",
        needs: |world, caller, input| {
            vec![needs::of_key(
                world,
                caller,
                input,
                &rules::LIST_RESOURCE_TAGS,
            )]
        },
        run: list_resource_tags,
    },
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    tag_key: String,
    tag_value: String,
}

/// Tags of a request that are good by themselves and few enough.
pub(super) fn checked_tags(tags: Vec<Tag>) -> Result<Tags, AwsError> {
    let mut checked = Tags::new();
    for Tag { tag_key, tag_value } in tags {
        check_tag(&tag_key, &tag_value)
            .map_err(|problem| AwsError::new("TagException", problem.to_string()))?;
        if checked.insert(tag_key.clone(), tag_value).is_some() {
            return Err(AwsError::new(
                "TagException",
                format!("Duplicate tag key '{tag_key}'"),
            ));
        }
    }
    check_count(checked.len())?;
    Ok(checked)
}

fn check_count(count: usize) -> Result<(), AwsError> {
    if count <= TAGS_MAX {
        return Ok(());
    }
    Err(AwsError::new(
        "LimitExceededException",
        format!("A key has at most {TAGS_MAX} tags"),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagResource {
    key_id: String,
    tags: Vec<Tag>,
}

fn tag_resource(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: TagResource = read(input)?;
    let tags = checked_tags(input.tags)?;
    let place = world.admit(caller, &input.key_id, &rules::TAG_RESOURCE)?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let key = world.kms.key_mut(&place);
    let mut all = key.tags.current().clone();
    all.extend(tags);
    check_count(all.len())?;
    key.tags.replace(all, caller.now, lag);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagResource {
    key_id: String,
    tag_keys: Vec<String>,
}

fn untag_resource(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: UntagResource = read(input)?;
    for key in &input.tag_keys {
        check_tag(key, "").map_err(|problem| AwsError::new("TagException", problem.to_string()))?;
    }
    let place = world.admit(caller, &input.key_id, &rules::UNTAG_RESOURCE)?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let keys = input.tag_keys.iter().map(String::as_str);
    world.kms.key_mut(&place).tags.remove(keys, caller.now, lag);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListResourceTags {
    key_id: String,
}

fn list_resource_tags(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListResourceTags = read(input)?;
    let place = world.admit(caller, &input.key_id, &rules::LIST_RESOURCE_TAGS)?;
    let tags = world.kms.key(&place).tags.current().iter();
    let items = tags.map(|(key, value)| (key.clone(), json!({ "TagKey": key, "TagValue": value })));
    let limits = Limits {
        default: 50,
        max: 50,
    };
    Ok(answer("Tags", cut.page("ListResourceTags", limits, items)?))
}
