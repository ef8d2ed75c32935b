//! Mutations of the key, as data.

use std::collections::BTreeMap;

use super::policy::PolicyArg;
use crate::arg::{Arg, Output};

/// Mutations of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateKey with its final policy and tags.
    Create {
        /// Key policy.
        policy: PolicyArg,
        /// Tags set in the same call.
        tags: BTreeMap<String, String>,
        /// Description.
        description: String,
    },
    /// PutKeyPolicy.
    PutPolicy {
        /// Key ARN.
        key: Arg,
        /// Key policy.
        policy: PolicyArg,
    },
    /// EnableKey.
    Enable {
        /// Key ARN.
        key: Arg,
    },
    /// CancelKeyDeletion; the key is disabled afterwards.
    CancelDeletion {
        /// Key ARN.
        key: Arg,
    },
    /// TagResource.
    Tag {
        /// Key ARN.
        key: Arg,
        /// Tags to set.
        tags: BTreeMap<String, String>,
    },
    /// CreateAlias.
    CreateAlias {
        /// Alias name.
        alias: String,
        /// Key ARN.
        key: Arg,
    },
    /// UpdateAlias.
    MoveAlias {
        /// Alias name.
        alias: String,
        /// Key ARN.
        key: Arg,
    },
    /// RevokeGrant.
    RevokeGrant {
        /// Key ARN.
        key: Arg,
        /// Grant id.
        grant: String,
    },
    /// DeleteAlias.
    DeleteAlias {
        /// Alias name.
        alias: String,
    },
    /// ScheduleKeyDeletion.
    ScheduleDeletion {
        /// Key ARN.
        key: Arg,
        /// Waiting period in days, 7 to 30.
        days: i32,
    },
}

impl Op {
    pub(in crate::kind) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Create {
                policy,
                tags,
                description,
            } => Op::Create {
                policy: policy.map(f),
                tags: tags.clone(),
                description: description.clone(),
            },
            Op::PutPolicy { key, policy } => {
                let policy = policy.map(f);
                Op::PutPolicy {
                    key: f(key),
                    policy,
                }
            }
            Op::Enable { key } => Op::Enable { key: f(key) },
            Op::CancelDeletion { key } => Op::CancelDeletion { key: f(key) },
            Op::Tag { key, tags } => Op::Tag {
                key: f(key),
                tags: tags.clone(),
            },
            Op::CreateAlias { alias, key } => Op::CreateAlias {
                alias: alias.clone(),
                key: f(key),
            },
            Op::MoveAlias { alias, key } => Op::MoveAlias {
                alias: alias.clone(),
                key: f(key),
            },
            Op::RevokeGrant { key, grant } => Op::RevokeGrant {
                key: f(key),
                grant: grant.clone(),
            },
            Op::DeleteAlias { .. } => self.clone(),
            Op::ScheduleDeletion { key, days } => Op::ScheduleDeletion {
                key: f(key),
                days: *days,
            },
        }
    }

    pub(in crate::kind) fn brings(&self) -> &'static [Output] {
        match self {
            Op::Create { .. } => &[Output::KeyArn],
            Op::PutPolicy { .. }
            | Op::Enable { .. }
            | Op::CancelDeletion { .. }
            | Op::Tag { .. }
            | Op::CreateAlias { .. }
            | Op::MoveAlias { .. }
            | Op::RevokeGrant { .. }
            | Op::DeleteAlias { .. }
            | Op::ScheduleDeletion { .. } => &[],
        }
    }

    pub(in crate::kind) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "kms:CreateKey",
            Op::PutPolicy { .. } => "kms:PutKeyPolicy",
            Op::Enable { .. } => "kms:EnableKey",
            Op::CancelDeletion { .. } => "kms:CancelKeyDeletion",
            Op::Tag { .. } => "kms:TagResource",
            Op::CreateAlias { .. } => "kms:CreateAlias",
            Op::MoveAlias { .. } => "kms:UpdateAlias",
            Op::RevokeGrant { .. } => "kms:RevokeGrant",
            Op::DeleteAlias { .. } => "kms:DeleteAlias",
            Op::ScheduleDeletion { .. } => "kms:ScheduleKeyDeletion",
        }
    }

    pub(in crate::kind) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::PutPolicy { .. } => "putting the key policy",
            Op::Enable { .. } => "enabling",
            Op::CancelDeletion { .. } => "cancelling its deletion",
            Op::Tag { .. } => "tagging",
            Op::CreateAlias { .. } | Op::MoveAlias { .. } => "pointing the alias to it",
            Op::RevokeGrant { .. } => "revoking a grant",
            Op::DeleteAlias { .. } => "deleting the alias",
            Op::ScheduleDeletion { .. } => "scheduling deletion",
        }
    }
}
