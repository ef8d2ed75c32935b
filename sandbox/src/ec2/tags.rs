//! CreateTags and DescribeTags, of instances: nothing else of EC2 is here to be tagged.

use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::{Filter, passes};
use super::{
    check_dry_run, check_ids, invalid, no_such_token, not_found, of_all, page_size, place, read,
    with_tags_of,
};
use crate::instance::{METADATA_KEY_RULE, is_metadata_key};
use crate::listing;
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateTags",
        needs: create_tags_needs,
        run: create_tags,
    },
    Operation {
        name: "DescribeTags",
        needs: |_, caller, _| of_all("ec2:DescribeTags", caller),
        run: describe_tags,
    },
];

/// Limits of a resource's tags
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>).
const TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 127;
const VALUE_CHARS_MAX: usize = 255;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateTags {
    resources: Vec<String>,
    tags: Vec<Tag>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: Option<String>,
    #[serde(default)]
    value: String,
}

fn create_tags_needs(world: &World, caller: &Caller, input: &Value) -> Vec<Need> {
    let input: CreateTags = match read(input.clone()) {
        Ok(input) => input,
        Err(_) => return of_all("ec2:CreateTags", caller),
    };
    let keys: Vec<String> = input
        .tags
        .iter()
        .filter_map(|tag| tag.key.clone())
        .collect();
    let of_one = |id: &String| {
        let arn = format!(
            "arn:aws:ec2:{}:{}:instance/{id}",
            caller.region, caller.account
        );
        let mut need = Need::new("ec2:CreateTags", arn)
            .with("ec2:Region", vec![caller.region.clone()])
            .with("aws:TagKeys", keys.clone());
        for tag in &input.tags {
            let key = tag.key.as_deref().unwrap_or_default();
            need = need.with(format!("aws:RequestTag/{key}"), vec![tag.value.clone()]);
        }
        with_tags_of(need, world.instances.of(place(caller), id, caller.now))
    };
    input.resources.iter().map(of_one).collect()
}

fn create_tags(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreateTags = read(input)?;
    check_dry_run(input.dry_run)?;
    if let Some(other) = input.resources.iter().find(|id| !id.starts_with("i-")) {
        return Err(AwsError::not_modelled(&format!(
            "ec2:CreateTags of {other}"
        )));
    }
    check_ids(&input.resources)?;
    let of = |id: &str| world.instances.of(place(caller), id, caller.now);
    let ids = input.resources.iter().map(String::as_str);
    let missing: Vec<&str> = ids.filter(|id| of(id).is_none()).collect();
    if !missing.is_empty() {
        return Err(not_found(&missing));
    }
    for id in &input.resources {
        let Some(one) = world.instances.get_mut(id) else {
            continue;
        };
        for tag in &input.tags {
            let key = tag.key.clone().unwrap_or_default();
            check_tag(&key, &tag.value)?;
            if one.options.tags && !is_metadata_key(&key) {
                return Err(invalid(format!(
                    "'{key}' is not a valid tag key. {METADATA_KEY_RULE}"
                )));
            }
            one.tags.insert(key, tag.value.clone());
        }
        if one.tags.len() > TAGS_MAX {
            return Err(AwsError::new(
                "TagLimitExceeded",
                "The maximum number of Tags for a resource has been reached.",
            ));
        }
    }
    Ok(json!({}))
}

fn check_tag(key: &str, value: &str) -> Result<(), AwsError> {
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(invalid(
            "Tag keys starting with 'aws:' are reserved for internal use",
        ));
    }
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
        return Err(invalid(format!(
            "Tag key exceeds the maximum length of {KEY_CHARS_MAX} characters"
        )));
    }
    if value.chars().count() > VALUE_CHARS_MAX {
        return Err(invalid(format!(
            "Tag value exceeds the maximum length of {VALUE_CHARS_MAX} characters"
        )));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeTags {
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
    dry_run: Option<bool>,
}

fn describe_tags(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    const LISTING: &str = "DescribeTags";
    let input: DescribeTags = read(input)?;
    check_dry_run(input.dry_run)?;
    let size = page_size(input.max_results)?;
    let after = input
        .next_token
        .as_deref()
        .map(|token| listing::after(LISTING, token).ok_or_else(no_such_token));
    let mut found = Vec::new();
    for one in world.instances.listed(place(caller), caller.now) {
        for (key, value) in &one.tags {
            let has = |filter: &str| {
                let value = match filter {
                    "key" => key,
                    "resource-id" => &one.id,
                    "resource-type" => "instance",
                    "value" | "tag-value" => value,
                    other => match other.strip_prefix("tag:") {
                        Some(wanted) if wanted == key => value,
                        Some(_) => return Some(Vec::new()),
                        None => return None,
                    },
                };
                Some(vec![value.to_owned()])
            };
            if passes(&input.filters, "ec2:DescribeTags", has)? {
                let shown = json!({
                    "ResourceId": one.id, "ResourceType": "instance", "Key": key, "Value": value,
                });
                found.push((format!("{} {key}", one.id), shown));
            }
        }
    }
    let page = listing::page(found, after.transpose()?.as_deref(), size);
    let mut output = json!({ "Tags": page.items });
    if let Some(next) = page.next {
        output["NextToken"] = listing::token(LISTING, &next).into();
    }
    Ok(output)
}
