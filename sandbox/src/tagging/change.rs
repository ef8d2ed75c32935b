//! TagResources and UntagResources: the owning services' own operations, one resource at a time.
//!
//! A resource that cannot be changed does not hinder the others: the answer names it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::owner::Owner;
use super::read;
use super::tag_set::Tags;
use crate::world::{AwsError, Caller, Need, Operation, World};
use crate::{apigateway, cloudwatch, kms, lambda, logs, route53};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TagResources",
        needs: |world, caller, input| needs(world, caller, input, "tag:TagResources"),
        run: change,
    },
    Operation {
        name: "UntagResources",
        needs: |world, caller, input| needs(world, caller, input, "tag:UntagResources"),
        run: change,
    },
];

/// Of the two operations: exactly one of `Tags` and `TagKeys` is there.
#[derive(Deserialize)]
struct Change {
    #[serde(rename = "ResourceARNList")]
    resource_arn_list: Vec<String>,
    #[serde(rename = "Tags")]
    tags: Option<Tags>,
    #[serde(rename = "TagKeys")]
    tag_keys: Option<Vec<String>>,
}

impl Change {
    /// The operation of the owning service that does it, and its input.
    fn at(&self, owner: Owner, arn: &str) -> (Option<&'static Operation>, Value) {
        let pairs = |key: &str, value: &str| -> Vec<Value> {
            let tags = self.tags.iter().flatten();
            tags.map(|(k, v)| json!({ key: k, value: v })).collect()
        };
        let adds = self.tags.is_some();
        let name = if adds { "TagResource" } else { "UntagResource" };
        match owner {
            Owner::ApiGateway if adds => (
                apigateway::operation(name),
                json!({ "resourceArn": arn, "tags": self.tags }),
            ),
            Owner::ApiGateway => (
                apigateway::operation(name),
                json!({ "resourceArn": arn, "tagKeys": self.tag_keys }),
            ),
            Owner::CloudWatch if adds => (
                cloudwatch::operation(name),
                json!({ "ResourceARN": arn, "Tags": pairs("Key", "Value") }),
            ),
            Owner::CloudWatch => (
                cloudwatch::operation(name),
                json!({ "ResourceARN": arn, "TagKeys": self.tag_keys }),
            ),
            Owner::Kms if adds => (
                kms::operation(name),
                json!({ "KeyId": arn, "Tags": pairs("TagKey", "TagValue") }),
            ),
            Owner::Kms => (
                kms::operation(name),
                json!({ "KeyId": arn, "TagKeys": self.tag_keys }),
            ),
            Owner::Lambda if adds => (
                lambda::operation(name),
                json!({ "Resource": arn, "Tags": self.tags }),
            ),
            Owner::Lambda => (
                lambda::operation(name),
                json!({ "Resource": arn, "TagKeys": self.tag_keys }),
            ),
            Owner::Logs if adds => (
                logs::operation(name),
                json!({ "resourceArn": arn, "tags": self.tags }),
            ),
            Owner::Logs => (
                logs::operation(name),
                json!({ "resourceArn": arn, "tagKeys": self.tag_keys }),
            ),
            Owner::Route53 => {
                let id = arn.rsplit('/').next();
                let mut input = json!({ "ResourceType": "hostedzone", "ResourceId": id });
                if adds {
                    input["AddTags"] = pairs("Key", "Value").into();
                } else {
                    input["RemoveTagKeys"] = json!(self.tag_keys);
                }
                (route53::operation("ChangeTagsForResource"), input)
            }
        }
    }
}

/// The permission for this API and those for each resource.
fn needs(world: &World, caller: &Caller, input: &Value, action: &str) -> Vec<Need> {
    let mut all = vec![Need::new(action, "*")];
    let Ok(change) = read::<Change>(input.clone()) else {
        return all;
    };
    for arn in &change.resource_arn_list {
        let Some(owner) = Owner::of_arn(caller, arn) else {
            continue;
        };
        if let (Some(operation), input) = change.at(owner, arn) {
            all.extend((operation.needs)(world, caller, &input));
        }
    }
    all
}

fn change(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let change: Change = read(input)?;
    let mut failed = json!({});
    for arn in &change.resource_arn_list {
        if let Err(error) = change_one(world, caller, &change, arn) {
            failed[arn] = json!({
                "StatusCode": 400,
                "ErrorCode": "InvalidParameterException",
                "ErrorMessage": error.to_string(),
            });
        }
    }
    Ok(json!({ "FailedResourcesMap": failed }))
}

fn change_one(
    world: &mut World,
    caller: &Caller,
    change: &Change,
    arn: &str,
) -> Result<(), AwsError> {
    let owner = Owner::of_arn(caller, arn).ok_or_else(|| {
        AwsError::not_modelled(&format!(
            "a taggable resource {arn} in account {} and region {}",
            caller.account, caller.region
        ))
    })?;
    let (operation, input) = change.at(owner, arn);
    let operation = operation.expect("every owner has its operations for tags");
    (operation.run)(world, caller, input)?;
    Ok(())
}
