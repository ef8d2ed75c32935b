//! Tags of roles.

use serde::Deserialize;
use serde_json::{Value, json};

use super::list::Cut;
use super::tags::{self, Tag};
use super::{needs, read};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TagRole",
        needs: |world, caller, input| {
            let need = needs::of_role(world, caller, input, "iam:TagRole");
            vec![needs::with_request_tags(need, input)]
        },
        run: tag_role,
    },
    Operation {
        name: "UntagRole",
        needs: |world, caller, input| {
            let need = needs::of_role(world, caller, input, "iam:UntagRole");
            vec![needs::with_request_tags(need, input)]
        },
        run: untag_role,
    },
    Operation {
        name: "ListRoleTags",
        needs: |world, caller, input| {
            vec![needs::of_role(world, caller, input, "iam:ListRoleTags")]
        },
        run: list_role_tags,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagRole {
    role_name: String,
    tags: Vec<Tag>,
}

fn tag_role(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: TagRole = read(input)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    role.tags = tags::add(&role.tags, input.tags)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagRole {
    role_name: String,
    tag_keys: Vec<String>,
}

fn untag_role(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: UntagRole = read(input)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    tags::remove(&mut role.tags, &input.tag_keys);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRoleTags {
    role_name: String,
}

fn list_role_tags(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListRoleTags = read(input)?;
    let role = world.iam.the_role(caller, &input.role_name)?;
    let tags = role.tags.iter();
    let tags = tags.map(|(key, value)| (key.clone(), json!({ "Key": key, "Value": value })));
    cut.answer(("ListRoleTags", "Tags"), tags)
}
