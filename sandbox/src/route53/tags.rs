//! Tags of hosted zones. Health checks can have tags too, but none exist here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{bare, batch, limits, needs, typed, zone, zone_mut};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "ChangeTagsForResource",
        needs: |_, _, input| on_resource("ChangeTagsForResource", input),
        run: change,
    },
    Operation {
        name: "ListTagsForResource",
        needs: |_, _, input| on_resource("ListTagsForResource", input),
        run: list,
    },
    Operation {
        name: "ListTagsForResources",
        needs: |_, _, input| {
            let ids = input["ResourceIds"].as_array().cloned().unwrap_or_default();
            ids.iter()
                .flat_map(|id| on_resource("ListTagsForResources", &with_id(input, id)))
                .collect()
        },
        run: list_many,
    },
];

fn on_resource(action: &str, input: &Value) -> Vec<Need> {
    let kind = input["ResourceType"].as_str().unwrap_or("hostedzone");
    needs::on(kind, action, input, "ResourceId")
}

fn with_id(input: &Value, id: &Value) -> Value {
    json!({ "ResourceType": input["ResourceType"], "ResourceId": id })
}

/// Refuses the resource if it is a health check.
fn check_type(resource_type: &str, id: &str) -> Result<(), AwsError> {
    if resource_type == "healthcheck" {
        return Err(AwsError::new(
            "NoSuchHealthCheck",
            format!("A health check with id {id} does not exist."),
        ));
    }
    Ok(())
}

fn change(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: Option<String>,
        #[serde(default)]
        value: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        resource_type: String,
        resource_id: String,
        #[serde(default)]
        add_tags: Vec<Tag>,
        #[serde(default)]
        remove_tag_keys: Vec<String>,
    }
    let input: Input = typed(input)?;
    check_type(&input.resource_type, &input.resource_id)?;
    let invalid = |message: String| Err(AwsError::new("InvalidInput", message));
    if input.add_tags.is_empty() && input.remove_tag_keys.is_empty() {
        return invalid("Either AddTags or RemoveTagKeys must be specified.".into());
    }
    let mut tags = zone(world, caller, &input.resource_id)?
        .tags
        .current()
        .clone();
    for key in &input.remove_tag_keys {
        tags.remove(key);
    }
    for tag in input.add_tags {
        let key = tag.key.unwrap_or_default();
        if key.is_empty() {
            return invalid("Tag keys must not be empty.".into());
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return invalid(format!("The tag key {key} uses the reserved prefix aws:"));
        }
        if input.remove_tag_keys.contains(&key) {
            return invalid(format!("The tag key {key} is both added and removed."));
        }
        tags.insert(key, tag.value);
    }
    if tags.len() > limits::TAGS {
        return invalid(format!(
            "A resource can have at most {} tags.",
            limits::TAGS
        ));
    }
    let now = caller.now;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let zone = zone_mut(world, caller, &input.resource_id)?;
    batch::check_not_busy(zone, now)?;
    zone.tags.replace(tags, now, lag);
    Ok(json!({}))
}

fn tag_set(id: &str, tags: &BTreeMap<String, String>) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    json!({ "ResourceType": "hostedzone", "ResourceId": bare("hostedzone", id), "Tags": tags })
}

fn list(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        resource_type: String,
        resource_id: String,
    }
    let input: Input = typed(input)?;
    check_type(&input.resource_type, &input.resource_id)?;
    let zone = zone(world, caller, &input.resource_id)?;
    Ok(json!({ "ResourceTagSet": tag_set(&input.resource_id, zone.tags.current()) }))
}

fn list_many(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        resource_type: String,
        resource_ids: Vec<String>,
    }
    let input: Input = typed(input)?;
    let sets: Result<Vec<Value>, AwsError> = input
        .resource_ids
        .iter()
        .map(|id| {
            check_type(&input.resource_type, id)?;
            Ok(tag_set(id, zone(world, caller, id)?.tags.current()))
        })
        .collect();
    Ok(json!({ "ResourceTagSets": sets? }))
}
