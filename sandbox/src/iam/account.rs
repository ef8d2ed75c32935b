//! What auditors read of an account as a whole: how much there is, and what there is none of.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::list::Cut;
use super::role_policies::{ATTACHED_MAX, INLINE_MAX};
use super::{State, access_key, document, managed, needs, no_such, read, role, user};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetAccountSummary",
        needs: |_, _, _| needs::of_all("iam:GetAccountSummary"),
        run: get_account_summary,
    },
    Operation {
        name: "GetAccountPasswordPolicy",
        needs: |_, _, _| needs::of_all("iam:GetAccountPasswordPolicy"),
        run: get_account_password_policy,
    },
    Operation {
        name: "ListAccountAliases",
        needs: |_, _, _| needs::of_all("iam:ListAccountAliases"),
        run: |_, _, input| none(input, "ListAccountAliases", "AccountAliases"),
    },
    Operation {
        name: "ListGroups",
        needs: |_, _, _| needs::of_all("iam:ListGroups"),
        run: |_, _, input| none(input, "ListGroups", "Groups"),
    },
    Operation {
        name: "ListSAMLProviders",
        needs: |_, _, _| needs::of_all("iam:ListSAMLProviders"),
        // This one has no pages.
        run: |_, _, _| Ok(json!({ "SAMLProviderList": [] })),
    },
    Operation {
        name: "ListServerCertificates",
        needs: |_, _, _| needs::of_all("iam:ListServerCertificates"),
        run: |_, _, input| {
            none(
                input,
                "ListServerCertificates",
                "ServerCertificateMetadataList",
            )
        },
    },
    Operation {
        name: "ListVirtualMFADevices",
        needs: |_, _, _| needs::of_all("iam:ListVirtualMFADevices"),
        run: |_, _, input| none(input, "ListVirtualMFADevices", "VirtualMFADevices"),
    },
];

impl State {
    /// Since when an account has objects; the present if it has none.
    pub(super) fn opened(&self, caller: &Caller) -> Timestamp {
        let account = self.account(&caller.account);
        account.map_or(caller.now, |account| account.opened)
    }
}

/// A listing of what cannot be made here, so that there is none.
fn none(input: Value, listing: &str, member: &str) -> Result<Value, AwsError> {
    let cut: Cut = read(input)?;
    cut.answer((listing, member), [])
}

/// An account has no password policy until somebody makes one.
fn get_account_password_policy(
    _: &mut World,
    caller: &Caller,
    _: Value,
) -> Result<Value, AwsError> {
    Err(no_such(format!(
        "The Password Policy with domain name {} cannot be found.",
        caller.account
    )))
}

/// Counts of this world, quotas of AWS
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>). The root user
/// has neither password nor MFA here, and its keys are a convention of emulators, not the account's.
fn get_account_summary(world: &mut World, caller: &Caller, _: Value) -> Result<Value, AwsError> {
    let account = world.iam.account(&caller.account);
    let count = |of: fn(&super::Account) -> usize| account.map_or(0, of);
    let policies = count(|account| account.policies.len());
    Ok(json!({ "SummaryMap": {
        "Users": count(|account| account.users.len()),
        "UsersQuota": user::USERS_MAX,
        "Groups": 0,
        "GroupsQuota": 300,
        "ServerCertificates": 0,
        "ServerCertificatesQuota": 20,
        "UserPolicySizeQuota": user::INLINE_MAX,
        "GroupPolicySizeQuota": 5_120,
        "GroupsPerUserQuota": 10,
        "SigningCertificatesPerUserQuota": 2,
        "AccessKeysPerUserQuota": access_key::KEYS_MAX,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "AccountMFAEnabled": 0,
        "AccountAccessKeysPresent": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "AttachedPoliciesPerGroupQuota": 10,
        "AttachedPoliciesPerRoleQuota": ATTACHED_MAX,
        "AttachedPoliciesPerUserQuota": 10,
        "Policies": policies,
        "PoliciesQuota": managed::POLICIES_MAX,
        "PolicySizeQuota": document::MANAGED_MAX,
        "PolicyVersionsInUse": policies,
        "PolicyVersionsInUseQuota": 10_000,
        "VersionsPerPolicyQuota": 5,
        "GlobalEndpointTokenVersion": 1,
        "AssumeRolePolicySizeQuota": document::TRUST_MAX,
        "InstanceProfiles": 0,
        "InstanceProfilesQuota": 1_000,
        "Providers": 0,
        "RolePolicySizeQuota": INLINE_MAX,
        "Roles": count(|account| account.roles.len()),
        "RolesQuota": role::ROLES_MAX,
    }}))
}
