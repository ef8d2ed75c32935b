//! AWS Identity and Access Management: roles, users, policies, access keys, and what auditors read.
//!
//! Decides what each operation on them does, and which policies a principal has; what those policies
//! allow is decided elsewhere ([`crate::auth`]). IAM is global: objects belong to an account, not to
//! a region. Groups, instance profiles, providers, certificates, MFA devices and service-linked roles
//! cannot be made here; listings of them are empty because there are none.
//!
//! Roles are not in the tagging API: `GetResources` does not support them, neither in us-east-1 nor
//! anywhere else
//! (<https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html>).
//!
//! Not recorded is when a principal was last used: AWS shows it with a delay of hours, nobody can
//! rely on it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tagging::Tags;
use crate::world::{AwsError, Caller, Operation, World};

mod access_key;
mod account;
mod aws_managed;
mod boundary;
mod credential_report;
mod document;
mod list;
mod managed;
mod needs;
mod role;
mod role_policies;
mod role_tags;
mod simulate;
mod tags;
mod user;

pub(crate) use document::check_identity;
pub use role::Role;

use access_key::AccessKey;
use credential_report::Report;
use managed::Managed;
use user::User;

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    accounts: BTreeMap<String, Account>,
    /// Long-term credentials of all accounts, by access key id.
    access_keys: BTreeMap<String, AccessKey>,
}

/// The objects of one account. Names are unique without regard to case, so the keys of these maps are
/// names in lower case
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    /// When its first object was made: the age that a credential report shows for the root user.
    opened: Timestamp,
    roles: BTreeMap<String, Role>,
    users: BTreeMap<String, User>,
    policies: BTreeMap<String, Managed>,
    report: Option<Report>,
}

/// A policy of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Name of an inline policy, ARN of a managed one.
    pub name: String,
    /// The document.
    pub document: String,
}

/// Everything that limits or grants what a principal may do by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityPolicies {
    /// Inline policies and managed ones.
    pub policies: Vec<Attached>,
    /// The permissions boundary.
    pub boundary: Option<Attached>,
    /// The policy that was passed when the session was made.
    pub session: Option<String>,
    /// Tags of the user or the role: `aws:PrincipalTag`.
    pub tags: BTreeMap<String, String>,
}

/// The operation of this name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [
        role::OPERATIONS,
        role_policies::OPERATIONS,
        boundary::OPERATIONS,
        role_tags::OPERATIONS,
        managed::OPERATIONS,
        user::OPERATIONS,
        access_key::OPERATIONS,
        account::OPERATIONS,
        credential_report::OPERATIONS,
        simulate::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .find(|operation| operation.name == name)
}

impl State {
    fn account(&self, account: &str) -> Option<&Account> {
        self.accounts.get(account)
    }

    fn account_mut(&mut self, caller: &Caller) -> &mut Account {
        let new = || Account {
            opened: caller.now,
            roles: BTreeMap::new(),
            users: BTreeMap::new(),
            policies: BTreeMap::new(),
            report: None,
        };
        self.accounts
            .entry(caller.account.clone())
            .or_insert_with(new)
    }

    /// A role by its name.
    pub fn role(&self, account: &str, name: &str) -> Option<&Role> {
        let found = self.account(account)?.roles.get(&name.to_lowercase())?;
        (found.name == name).then_some(found)
    }

    /// A role by its ARN.
    pub fn role_of_arn(&self, arn: &str) -> Option<&Role> {
        let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
        let name = path.rsplit('/').next()?;
        self.role(account, name).filter(|role| role.arn == arn)
    }

    fn user(&self, account: &str, name: &str) -> Option<&User> {
        let found = self.account(account)?.users.get(&name.to_lowercase())?;
        (found.name == name).then_some(found)
    }

    fn user_of_arn(&self, arn: &str) -> Option<&User> {
        let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":user/")?;
        let name = path.rsplit('/').next()?;
        self.user(account, name).filter(|user| user.arn == arn)
    }

    /// Whether a principal of kind `AWS`, as a resource policy names it, exists: AWS refuses to store
    /// a policy with one that does not. All accounts exist.
    pub fn principal_exists(&self, principal: &str) -> bool {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if principal == "*" || is_account(principal) {
            return true;
        }
        let parts: Vec<_> = principal.splitn(6, ':').collect();
        match parts[..] {
            ["arn", "aws", "iam", "", account, "root"] => is_account(account),
            ["arn", "aws", "iam", "", _, resource] if resource.starts_with("role/") => {
                self.role_of_arn(principal).is_some()
            }
            ["arn", "aws", "iam", "", _, resource] if resource.starts_with("user/") => {
                self.user_of_arn(principal).is_some()
            }
            ["arn", "aws", "sts", "", account, resource] => resource
                .strip_prefix("assumed-role/")
                .and_then(|session| session.split_once('/'))
                .is_some_and(|(role, _)| self.role(account, role).is_some()),
            _ => false,
        }
    }

    fn attached(&self, arn: &str) -> Option<Attached> {
        Some(Attached {
            name: arn.to_owned(),
            document: self.known(arn)?.document().to_owned(),
        })
    }

    /// Whatever an account's trust policies say about a principal that is deleted, they no longer say
    /// about another of the same name: AWS keeps principals by their unique id and shows that id
    /// from now on
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-roles>).
    fn forget_principal(&mut self, arn: &str, unique_id: &str) {
        let roles = self
            .accounts
            .values_mut()
            .flat_map(|account| account.roles.values_mut());
        for role in roles {
            if let Some(changed) = document::without_principal(&role.trust, arn, unique_id) {
                role.trust = changed;
            }
        }
    }

    /// Everybody in an account who may have policies.
    fn entities(&self, account: &str) -> impl Iterator<Item = Entity<'_>> {
        let account = self.account(account).into_iter();
        account.flat_map(|account| {
            let users = account.users.values().map(Entity::User);
            users.chain(account.roles.values().map(Entity::Role))
        })
    }

    /// Whether a principal is a unique id of a user or role that exists.
    fn has_unique_id(&self, id: &str) -> bool {
        let mut accounts = self.accounts.values();
        accounts.any(|account| {
            account.roles.values().any(|role| role.role_id == id)
                || account.users.values().any(|user| user.user_id == id)
        })
    }
}

/// Somebody who may have policies.
#[derive(Debug, Clone, Copy)]
enum Entity<'s> {
    User(&'s User),
    Role(&'s Role),
}

/// Whether an entity has a managed policy attached, and whether it is its boundary.
#[derive(Debug, Clone, Copy)]
struct Uses {
    attached: bool,
    as_boundary: bool,
}

impl Entity<'_> {
    fn uses(self, arn: &str) -> Uses {
        match self {
            Self::User(user) => Uses {
                attached: false,
                as_boundary: user.boundary.as_deref() == Some(arn),
            },
            Self::Role(role) => Uses {
                attached: role.attached.contains(arn),
                as_boundary: role.boundary.as_deref() == Some(arn),
            },
        }
    }
}

impl World {
    /// A role by its name.
    pub fn role(&self, account: &str, name: &str) -> Option<&Role> {
        self.iam.role(account, name)
    }

    /// The policies of a user or of a role's session, by the ARN that GetCallerIdentity shows. None:
    /// there is no such principal, or no longer.
    pub fn identity_policies(&self, arn: &str) -> Option<IdentityPolicies> {
        let of = |inline: &BTreeMap<String, String>, attached: &BTreeSet<String>| {
            let inline = inline.iter().map(|(name, document)| Attached {
                name: name.clone(),
                document: document.clone(),
            });
            let attached = attached.iter().filter_map(|arn| self.iam.attached(arn));
            inline.chain(attached).collect()
        };
        let boundary = |arn: &Option<String>| self.iam.attached(arn.as_deref()?);
        if let Some(user) = self.iam.user_of_arn(arn) {
            return Some(IdentityPolicies {
                policies: of(&user.inline, &BTreeSet::new()),
                boundary: boundary(&user.boundary),
                session: None,
                tags: user.tags.clone(),
            });
        }
        let (account, session) = arn
            .strip_prefix("arn:aws:sts::")?
            .split_once(":assumed-role/")?;
        let (role, _) = session.split_once('/')?;
        let role = self.iam.role(account, role)?;
        Some(IdentityPolicies {
            policies: of(&role.inline, &role.attached),
            boundary: boundary(&role.boundary),
            session: self.sts.policy_of(arn).map(str::to_owned),
            tags: role.tags.clone(),
        })
    }
}

/// Reads an operation's input. The codec has checked its shape, so that a failure here is a member
/// that shape and structure disagree on.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| validation(error.to_string()))
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInput", message)
}

fn no_such(message: impl Into<String>) -> AwsError {
    AwsError::new("NoSuchEntity", message)
}

fn limit(quota: &str, most: usize) -> AwsError {
    let message = format!("Cannot exceed quota for {quota}: {most}");
    AwsError::new("LimitExceeded", message)
}

/// Unique ids: a prefix for the kind of object and 17 characters
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>).
fn unique_id(world: &mut World, prefix: &str) -> String {
    let text = world.random.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 17);
    format!("{prefix}{text}")
}

/// The path of a new object. The one below which AWS keeps its own roles is refused.
fn path_of(path: Option<String>) -> Result<String, AwsError> {
    let path = path.unwrap_or_else(|| "/".to_owned());
    if path.starts_with("/aws-service-role/") || path.starts_with("/aws-reserved/") {
        return Err(invalid(format!(
            "Path {path} is reserved for roles that AWS services make"
        )));
    }
    Ok(path)
}

/// Tags in the form of answers.
fn tag_list(tags: &Tags) -> Value {
    let tags = tags.iter();
    tags.map(|(key, value)| serde_json::json!({ "Key": key, "Value": value }))
        .collect()
}

/// A permissions boundary in the form of answers.
fn boundary_shape(arn: &str) -> Value {
    serde_json::json!({
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": arn,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
