//! The edge to tags: reading them, in each of the forms in which AWS's services show them, as one map.
//! The tagging API's view of all of them is read in `observe`.

use std::collections::BTreeMap;

use aws_sdk_route53::types::TagResourceType;

use crate::aws::{Answer as _, Clients};
use crate::retry::Failure;

/// Tags of one object.
pub type Tags = BTreeMap<String, String>;

/// Tags of a log group, read directly and not through a list; none when there is no such group.
pub async fn of_log_group(read: &Clients, arn: &str) -> Result<Option<Tags>, Failure> {
    let call = read.logs.list_tags_for_resource().resource_arn(arn);
    let answer = call.send().await.unless_gone("logs:ListTagsForResource")?;
    Ok(answer.map(|answer| answer.tags.unwrap_or_default().into_iter().collect()))
}

/// Tags of a KMS key. A key has at most 50 (KMS Developer Guide, "Resource quotas"): one page.
pub async fn of_key(kms: &aws_sdk_kms::Client, arn: &str) -> Result<Tags, Failure> {
    let call = kms.list_resource_tags().key_id(arn).limit(50);
    let answer = call.send().await.or_fail("kms:ListResourceTags")?;
    let pair = |tag: &aws_sdk_kms::types::Tag| (tag.tag_key.clone(), tag.tag_value.clone());
    Ok(answer.tags().iter().map(pair).collect())
}

/// Tags of a hosted zone.
pub async fn of_zone(read: &Clients, id: &str) -> Result<Tags, Failure> {
    let call = read.route53.list_tags_for_resource().resource_id(id);
    let call = call.resource_type(TagResourceType::Hostedzone);
    let answer = call.send().await.or_fail("route53:ListTagsForResource")?;
    let tags = answer.resource_tag_set().map(|set| set.tags());
    let pair = |tag: &aws_sdk_route53::types::Tag| Some((tag.key.clone()?, tag.value.clone()?));
    Ok(tags.unwrap_or_default().iter().filter_map(pair).collect())
}
