//! CreateKey, and the checks that a key policy passes before it is stored.

use serde::Deserialize;
use serde_json::{Value, json};

use super::key::{Key, KeyState, Material, Spec, Usage};
use super::tags::{Tag, checked_tags};
use super::{needs, read, validation};
use crate::iam;
use crate::policy::{Policy, Verdict};
use crate::tagging::TagSet;
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "CreateKey",
    needs: create_key_needs,
    run: create_key,
}];

/// Most bytes of a key policy
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>).
const POLICY_BYTES_MAX: usize = 32 * 1024;

/// No policy needs `kms:PutKeyPolicy` to create a key: kms:CreateKey includes setting the first
/// policy (<https://docs.aws.amazon.com/kms/latest/developerguide/create-keys.html>).
fn create_key_needs(_: &World, caller: &Caller, input: &Value) -> Vec<Need> {
    let spec = needs::text(input, "KeySpec").or(needs::text(input, "CustomerMasterKeySpec"));
    let multi_region = input
        .get("MultiRegion")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let mut need = Need {
        context: needs::caller_context(caller),
        ..Need::new("kms:CreateKey", "*")
    }
    .with(
        "kms:KeySpec",
        vec![spec.unwrap_or("SYMMETRIC_DEFAULT").into()],
    )
    .with(
        "kms:KeyUsage",
        vec![
            needs::text(input, "KeyUsage")
                .unwrap_or("ENCRYPT_DECRYPT")
                .into(),
        ],
    )
    .with(
        "kms:KeyOrigin",
        vec![needs::text(input, "Origin").unwrap_or("AWS_KMS").into()],
    )
    .with("kms:MultiRegion", vec![multi_region.to_string()]);
    if multi_region {
        need = need.with("kms:MultiRegionKeyType", vec!["PRIMARY".into()]);
    }
    let bypass = "BypassPolicyLockoutSafetyCheck";
    need = needs::with_member(need, input, bypass, "kms:BypassPolicyLockoutSafetyCheck");
    let need = needs::with_request_tags(need, input);
    let mut all = vec![need];
    if input
        .get("Tags")
        .and_then(Value::as_array)
        .is_some_and(|tags| !tags.is_empty())
    {
        let any_key = format!("arn:aws:kms:{}:{}:key/*", caller.region, caller.account);
        let need = Need {
            context: needs::caller_context(caller),
            ..Need::new("kms:TagResource", any_key)
        };
        all.push(needs::with_request_tags(need, input));
    }
    all
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateKey {
    policy: Option<String>,
    description: Option<String>,
    key_usage: Option<String>,
    customer_master_key_spec: Option<String>,
    key_spec: Option<String>,
    origin: Option<String>,
    custom_key_store_id: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
    tags: Option<Vec<Tag>>,
    multi_region: Option<bool>,
    xks_key_id: Option<String>,
}

fn create_key(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreateKey = read(input)?;
    if let Some(origin) = input
        .origin
        .as_deref()
        .filter(|origin| *origin != "AWS_KMS")
    {
        return Err(AwsError::not_modelled(&format!(
            "kms:CreateKey with Origin {origin}"
        )));
    }
    if input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
        return Err(AwsError::not_modelled("custom key stores of KMS"));
    }
    let (spec, usage) = spec_and_usage(&input)?;
    let tags = checked_tags(input.tags.unwrap_or_default())?;
    let multi_region = input.multi_region.unwrap_or(false);
    let lag = world.profile.draw_list_lag(&mut world.random);
    let uuid = world.random.uuid();
    let key = Key {
        id: if multi_region {
            format!("mrk-{}", uuid.replace('-', ""))
        } else {
            uuid
        },
        account: caller.account.clone(),
        region: caller.region.clone(),
        created: caller.now,
        listed_from: caller.now.saturating_add(lag).unwrap_or(caller.now),
        description: input.description.unwrap_or_default(),
        spec,
        usage,
        multi_region,
        state: KeyState::Enabled,
        material: Material::generate(spec, &mut world.random),
        policy: input
            .policy
            .unwrap_or_else(|| default_policy(&caller.account)),
        tags: TagSet::new(tags, caller.now, lag),
        rotation: None,
        grants: std::collections::BTreeMap::new(),
    };
    let bypass = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    check_policy(&key, &world.iam, caller, bypass)?;
    let metadata = key.metadata();
    world
        .kms
        .keyring_mut(&caller.account, &caller.region)
        .keys
        .insert(key.id.clone(), key);
    Ok(json!({ "KeyMetadata": metadata }))
}

/// Which combinations exist:
/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-types.html>.
fn spec_and_usage(input: &CreateKey) -> Result<(Spec, Usage), AwsError> {
    if input.key_spec.is_some() && input.customer_master_key_spec.is_some() {
        return Err(validation(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. \
             CustomerMasterKeySpec is deprecated.",
        ));
    }
    let spec = input
        .key_spec
        .as_deref()
        .or(input.customer_master_key_spec.as_deref());
    let spec = match spec.unwrap_or("SYMMETRIC_DEFAULT") {
        "SYMMETRIC_DEFAULT" => Spec::Symmetric,
        "ECC_NIST_P256" => Spec::P256,
        other => return Err(AwsError::not_modelled(&format!("KMS keys of spec {other}"))),
    };
    let usage = match (spec, input.key_usage.as_deref()) {
        (Spec::Symmetric, None | Some("ENCRYPT_DECRYPT")) => Usage::EncryptDecrypt,
        (Spec::P256, Some("SIGN_VERIFY")) => Usage::SignVerify,
        (Spec::P256, Some("KEY_AGREEMENT")) => Usage::KeyAgreement,
        (Spec::P256, None) => {
            return Err(validation(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption \
                 keys.",
            ));
        }
        (Spec::Symmetric | Spec::P256, Some(other)) => {
            return Err(validation(format!(
                "KeyUsage {other} is not compatible with KeySpec {}",
                spec.name()
            )));
        }
    };
    Ok((spec, usage))
}

/// The policy of a key that is created without one, byte for byte as AWS returns it
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>).
pub(super) fn default_policy(account: &str) -> String {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{account}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// Checks the policy that a key is about to get: size, form, principals, and that its caller could
/// change it again.
pub(super) fn check_policy(
    key: &Key,
    iam: &iam::State,
    caller: &Caller,
    bypass: bool,
) -> Result<(), AwsError> {
    let malformed = |message: &str| AwsError::new("MalformedPolicyDocumentException", message);
    if key.policy.len() > POLICY_BYTES_MAX {
        return Err(AwsError::new(
            "LimitExceededException",
            format!(
                "The key policy has {} bytes, the maximum is 32768",
                key.policy.len()
            ),
        ));
    }
    check_principals(&key.policy, iam, caller)?;
    if bypass {
        return Ok(());
    }
    match key.lets_caller(&caller.account, &caller.arn, "kms:PutKeyPolicy") {
        Verdict::Allowed => Ok(()),
        // <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html#allow-unmanageable>
        Verdict::Denied(_) | Verdict::NotAllowed(_) => Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        )),
    }
}

/// Checks that a text is a policy document whose principals exist: "Each principal must exist and be visible to
/// AWS KMS"
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html>). Who calls exists, although
/// callers of the sandbox need not be made first.
fn check_principals(text: &str, iam: &iam::State, caller: &Caller) -> Result<(), AwsError> {
    let malformed = |message: String| AwsError::new("MalformedPolicyDocumentException", message);
    let policy = Policy::parse(text).map_err(|error| malformed(error.to_string()))?;
    let exists = |arn: &str| {
        let is_federated = arn.contains(":federated-user/");
        is_federated || arn == caller.arn || iam.principal_exists(arn)
    };
    if policy
        .identities()
        .all(|one| is_identity(one) && exists(one))
    {
        Ok(())
    } else {
        Err(malformed(
            "Policy contains a statement with one or more invalid principals.".into(),
        ))
    }
}

/// `*`, an account id, or the ARN of an account's root, a user, a role or a session.
fn is_identity(text: &str) -> bool {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if text == "*" || is_account(text) {
        return true;
    }
    let parts: Vec<_> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", "aws", "iam", "", account, resource] if is_account(account) => {
            resource == "root" || resource.starts_with("user/") || resource.starts_with("role/")
        }
        ["arn", "aws", "sts", "", account, resource] if is_account(account) => {
            resource.starts_with("assumed-role/") || resource.starts_with("federated-user/")
        }
        _ => false,
    }
}
