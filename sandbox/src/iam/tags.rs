//! Tags of roles, users and policies. Unlike elsewhere in AWS, keys differ only if they differ in more
//! than case (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules>).

use serde::Deserialize;

use super::invalid;
use crate::tagging::{TAGS_MAX, Tags, check_tag};
use crate::world::AwsError;

/// A tag of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub key: String,
    pub value: String,
}

/// Adds tags, all or none. A key in another case gives the tag its new spelling and value.
pub(super) fn add(tags: &Tags, new: Vec<Tag>) -> Result<Tags, AwsError> {
    let mut all = tags.clone();
    let mut seen: Vec<String> = Vec::new();
    for Tag { key, value } in new {
        check_tag(&key, &value).map_err(|problem| invalid(problem.to_string()))?;
        let folded = key.to_lowercase();
        if seen.contains(&folded) {
            return Err(invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        all.retain(|old, _| old.to_lowercase() != folded);
        all.insert(key, value);
        seen.push(folded);
    }
    if all.len() > TAGS_MAX {
        return Err(AwsError::new(
            "LimitExceeded",
            format!("The number of tags has reached the maximum limit of {TAGS_MAX}."),
        ));
    }
    Ok(all)
}

/// Removes tags by key; keys that do not exist are no error.
pub(super) fn remove(tags: &mut Tags, keys: &[String]) {
    tags.retain(|old, _| {
        !keys
            .iter()
            .any(|key| key.to_lowercase() == old.to_lowercase())
    });
}
