//! Carrying mutations of the key out. Each may be repeated: what is so already is a success.

use std::collections::BTreeSet;

use aws_sdk_kms::types as kms;

use super::observe::{arn, describe};
use super::op::Op;
use crate::arg::{Output, Outputs};
use crate::aws::{Answer as _, Clients, unusable};
use crate::policy::Policy;
use crate::retry::{Class, Failure};
use crate::tags::Tags;

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Create {
            policy,
            tags,
            description,
        } => {
            let call = write
                .kms
                .create_key()
                .key_spec(kms::KeySpec::EccNistP256)
                .key_usage(kms::KeyUsageType::SignVerify)
                .description(description)
                .policy(policy.text())
                .set_tags(Some(kms_tags(action, tags)?));
            let answer = call.send().await.or_fail(action);
            let answer = answer.map_err(|failure| naming_admins(failure, policy.text()))?;
            let arn = answer.key_metadata.as_ref().map(arn).unwrap_or_default();
            return Ok(Outputs::from([(Output::KeyArn, arn)]));
        }
        Op::PutPolicy { key, policy } => {
            let call = write
                .kms
                .put_key_policy()
                .key_id(key.value())
                .policy_name("default");
            let answer = call.policy(policy.text()).send().await.or_fail(action);
            answer.map_err(|failure| naming_admins(failure, policy.text()))?;
        }
        Op::CancelDeletion { key } => {
            let call = write.kms.cancel_key_deletion().key_id(key.value());
            call.send().await.or_fail(action)?;
        }
        Op::Enable { key } => {
            let call = write.kms.enable_key().key_id(key.value());
            call.send().await.or_fail(action)?;
        }
        Op::Tag { key, tags } => {
            let call = write.kms.tag_resource().key_id(key.value());
            let call = call.set_tags(Some(kms_tags(action, tags)?));
            call.send().await.or_fail(action)?;
        }
        Op::CreateAlias { alias, key } => {
            let call = write
                .kms
                .create_alias()
                .alias_name(alias)
                .target_key_id(key.value());
            match call.send().await.or_fail(action) {
                Ok(_) => {}
                // After a lost answer: there already, and pointing where it should.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    let there = describe(&write.kms, alias).await?.map(|found| arn(&found));
                    if there.as_deref() != Some(key.value()) {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::MoveAlias { alias, key } => {
            let call = write
                .kms
                .update_alias()
                .alias_name(alias)
                .target_key_id(key.value());
            call.send().await.or_fail(action)?;
        }
        Op::RevokeGrant { key, grant } => {
            let call = write.kms.revoke_grant().key_id(key.value());
            call.grant_id(grant).send().await.or_fail(action)?;
        }
        Op::DeleteAlias { alias } => {
            let call = write.kms.delete_alias().alias_name(alias);
            call.send().await.or_fail(action)?;
        }
        Op::ScheduleDeletion { key, days } => {
            let call = write.kms.schedule_key_deletion().key_id(key.value());
            let call = call.pending_window_in_days(*days);
            call.send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}

/// KMS refuses a policy in which somebody is named who does not exist, and does not say who. Of those that
/// ours name, only the document's administrators may not.
pub(in crate::kind) fn naming_admins(failure: Failure, policy: impl AsRef<str>) -> Failure {
    if failure.code != "MalformedPolicyDocumentException" {
        return failure;
    }
    let statements = Policy::parse(policy.as_ref()).map(|policy| policy.statements);
    let named: BTreeSet<String> = statements
        .iter()
        .flatten()
        .flat_map(|statement| &statement.principals)
        .filter_map(|principal| principal.strip_prefix("AWS:"))
        .filter(|arn| arn.contains(":role/") || arn.contains(":user/"))
        .map(str::to_owned)
        .collect();
    if named.is_empty() {
        return failure;
    }
    let named: Vec<String> = named.into_iter().collect();
    Failure {
        message: format!(
            "{}; [dnssec] key-admins names {}: make that principal first, or take it out",
            failure.message,
            named.join(" and ")
        ),
        ..failure
    }
}

/// Tags in KMS's form.
pub(in crate::kind) fn kms_tags(action: &str, tags: &Tags) -> Result<Vec<kms::Tag>, Failure> {
    let tag = |(key, value): (&String, &String)| {
        let tag = kms::Tag::builder().tag_key(key).tag_value(value).build();
        tag.map_err(|error| unusable(action, &error.to_string()))
    };
    tags.iter().map(tag).collect()
}
