//! The KMS key of a log group.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{arn_of, invalid, name_in_arn, needs, read};
use crate::policy::Context;
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "AssociateKmsKey",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:AssociateKmsKey"),
        run: associate_kms_key,
    },
    Operation {
        name: "DisassociateKmsKey",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:DisassociateKmsKey"),
        run: |world, caller, input| {
            let name = read::<Association>(input)?.group(caller)?;
            world.logs.group_mut(caller, &name)?.kms_key = None;
            Ok(json!({}))
        },
    },
];

/// What CloudWatch Logs does with a key
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html>).
const KEY_ACTIONS: [&str; 5] = [
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Association {
    log_group_name: Option<String>,
    resource_identifier: Option<String>,
    kms_key_id: Option<String>,
}

impl Association {
    fn group(&self, caller: &Caller) -> Result<String, AwsError> {
        match (&self.log_group_name, &self.resource_identifier) {
            (Some(name), None) => Ok(name.clone()),
            (None, Some(arn)) if arn.contains(":query-result:") => Err(AwsError::not_modelled(
                "encryption of the results of CloudWatch Logs queries",
            )),
            (None, Some(arn)) => match name_in_arn(caller, arn) {
                Some(name) => Ok(name.to_owned()),
                None => Err(invalid(format!("Invalid resource identifier '{arn}'"))),
            },
            (None, None) | (Some(_), Some(_)) => Err(invalid(
                "Exactly one of logGroupName and resourceIdentifier must be given",
            )),
        }
    }
}

fn associate_kms_key(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Association = read(input)?;
    let name = input.group(caller)?;
    world.logs.group_mut(caller, &name)?;
    let key = input.kms_key_id.unwrap_or_default();
    check_key(world, caller, &name, &key)?;
    world.logs.group_mut(caller, &name)?.kms_key = Some(key);
    Ok(json!({}))
}

/// Whether CloudWatch Logs can use a key for a group: an ARN of a symmetric key in this region whose
/// policy allows the service of the region, for this group or for all.
pub(super) fn check_key(
    world: &mut World,
    caller: &Caller,
    name: &str,
    key: &str,
) -> Result<(), AwsError> {
    world.kms.expire(caller.now);
    let group = arn_of(&caller.account, &caller.region, name);
    let refused = |why: String| {
        invalid(format!(
            "The specified KMS key does not exist or is not allowed to be used with Arn '{group}' \
             ({why})"
        ))
    };
    if !key.starts_with(&format!("arn:aws:kms:{}:", caller.region)) {
        return Err(refused(format!(
            "'{key}' is no ARN of a key in {}",
            caller.region
        )));
    }
    let service = format!("logs.{}.amazonaws.com", caller.region);
    let bound = (
        "kms:EncryptionContext:aws:logs:arn".to_owned(),
        vec![group.clone()],
    );
    world
        .symmetric_key_allows(key, &service, &KEY_ACTIONS, &Context::from([bound]))
        .map_err(refused)
}
