//! Roles: made, read, changed and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::list::Cut;
use super::tags::Tag;
use super::{
    State, boundary, boundary_shape, document, limit, needs, no_such, path_of, read, tag_list,
    tags, unique_id,
};
use crate::profile::Profile;
use crate::tagging::Tags;
use crate::wire::text::percent_encode;
use crate::world::{AwsError, Caller, Need, Operation, World};

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    /// Its ARN, with the path.
    pub arn: String,
    /// Its name, which is the last part of the ARN.
    pub name: String,
    /// The path, with a slash at both ends.
    pub path: String,
    /// `AROA...`: never the same for two roles, even of one name.
    pub role_id: String,
    /// The trust policy.
    pub trust: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on services can assume it.
    pub usable_from: Timestamp,
    /// From when on listings show it.
    pub(super) listed_from: Timestamp,
    /// What people wrote about it.
    pub description: Option<String>,
    /// How long a session may last.
    pub max_session_secs: u64,
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
    /// Inline policies by name.
    pub inline: BTreeMap<String, String>,
    /// ARNs of attached managed policies.
    pub attached: BTreeSet<String>,
    /// Tags.
    pub tags: Tags,
}

/// Roles of an account
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub(super) const ROLES_MAX: usize = 1_000;

/// How long a session may last if nobody says.
const MAX_SESSION_SECS_DEFAULT: u64 = 3_600;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateRole",
        needs: |_, caller, input| {
            let (path, name) = (input.get("Path"), needs::text(input, "RoleName"));
            let path = path.and_then(Value::as_str).unwrap_or("/");
            let need = Need::new("iam:CreateRole", needs::arn(caller, "role", path, name));
            let boundary = input.get("PermissionsBoundary").and_then(Value::as_str);
            needs::of_new(needs::with_boundary(need, boundary), input, "iam:TagRole")
        },
        run: create_role,
    },
    Operation {
        name: "GetRole",
        needs: |world, caller, input| {
            vec![needs::of_bounded_role(world, caller, input, "iam:GetRole")]
        },
        run: get_role,
    },
    Operation {
        name: "UpdateRole",
        needs: |world, caller, input| {
            vec![needs::of_bounded_role(
                world,
                caller,
                input,
                "iam:UpdateRole",
            )]
        },
        run: update_role,
    },
    Operation {
        name: "UpdateAssumeRolePolicy",
        needs: |world, caller, input| {
            let action = "iam:UpdateAssumeRolePolicy";
            vec![needs::of_bounded_role(world, caller, input, action)]
        },
        run: update_assume_role_policy,
    },
    Operation {
        name: "DeleteRole",
        needs: |world, caller, input| {
            vec![needs::of_bounded_role(
                world,
                caller,
                input,
                "iam:DeleteRole",
            )]
        },
        run: delete_role,
    },
    Operation {
        name: "ListRoles",
        needs: |_, _, _| needs::of_all("iam:ListRoles"),
        run: list_roles,
    },
    Operation {
        name: "ListInstanceProfilesForRole",
        needs: |world, caller, input| {
            let action = "iam:ListInstanceProfilesForRole";
            vec![needs::of_role(world, caller, input, action)]
        },
        run: list_instance_profiles_for_role,
    },
];

impl Role {
    /// What listings show.
    fn summary(&self) -> Value {
        let mut shape = json!({
            "Path": self.path,
            "RoleName": self.name,
            "RoleId": self.role_id,
            "Arn": self.arn,
            "CreateDate": self.created.as_second(),
            "AssumeRolePolicyDocument": percent_encode(&self.trust),
            "MaxSessionDuration": self.max_session_secs,
        });
        if let Some(description) = &self.description {
            shape["Description"] = description.as_str().into();
        }
        shape
    }

    /// The role itself. "Listings return a subset of the available attributes": boundary, tags and
    /// last use are only here
    /// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>).
    fn shape(&self) -> Value {
        let mut shape = self.summary();
        if let Some(boundary) = &self.boundary {
            shape["PermissionsBoundary"] = boundary_shape(boundary);
        }
        if !self.tags.is_empty() {
            shape["Tags"] = tag_list(&self.tags);
        }
        shape
    }
}

impl State {
    /// A role of the caller's account, to be read.
    pub(super) fn the_role(&self, caller: &Caller, name: &str) -> Result<&Role, AwsError> {
        self.role(&caller.account, name)
            .ok_or_else(|| unknown(name))
    }

    /// A role of the caller's account, to be changed.
    pub(super) fn the_role_mut(
        &mut self,
        caller: &Caller,
        name: &str,
    ) -> Result<&mut Role, AwsError> {
        let account = self.accounts.get_mut(&caller.account);
        account
            .and_then(|account| account.roles.get_mut(&name.to_lowercase()))
            .filter(|role| role.name == name)
            .ok_or_else(|| unknown(name))
    }
}

fn unknown(name: &str) -> AwsError {
    no_such(format!("The role with name {name} cannot be found."))
}

/// When a role that is made now can be assumed by services. IAM is eventually consistent: Lambda
/// refuses a new role for some seconds, 5 to 15 as others saw it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>).
fn usable_from(world: &mut World, now: Timestamp) -> Timestamp {
    let wait = match world.profile {
        Profile::Aws => Duration::from_millis(5_000 + world.random.next() % 10_001),
        Profile::Fast | Profile::Instant => Duration::ZERO,
    };
    now.saturating_add(wait).unwrap_or(now)
}

fn check_trust(state: &State, document: &str) -> Result<(), AwsError> {
    document::check_trust(state, document)?;
    if document::size(document) > document::TRUST_MAX {
        return Err(limit("ACLSizePerRole", document::TRUST_MAX));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateRole {
    path: Option<String>,
    role_name: String,
    assume_role_policy_document: String,
    description: Option<String>,
    max_session_duration: Option<u64>,
    permissions_boundary: Option<String>,
    tags: Option<Vec<Tag>>,
}

fn create_role(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreateRole = read(input)?;
    let name = input.role_name;
    let path = path_of(input.path)?;
    let tags = tags::add(&Tags::new(), input.tags.unwrap_or_default())?;
    let key = name.to_lowercase();
    let roles = world.iam.account(&caller.account).map(|all| &all.roles);
    if roles.is_some_and(|roles| roles.contains_key(&key)) {
        return Err(AwsError::new(
            "EntityAlreadyExists",
            format!("Role with name {name} already exists."),
        ));
    }
    if roles.is_some_and(|roles| roles.len() >= ROLES_MAX) {
        return Err(limit("RolesPerAccount", ROLES_MAX));
    }
    check_trust(&world.iam, &input.assume_role_policy_document)?;
    if let Some(boundary) = &input.permissions_boundary {
        boundary::check(&world.iam, caller, boundary)?;
    }
    let lag = world.profile.draw_list_lag(&mut world.random);
    let role = Role {
        arn: needs::arn(caller, "role", &path, &name),
        name,
        path,
        role_id: unique_id(world, "AROA"),
        trust: input.assume_role_policy_document,
        created: caller.now,
        usable_from: usable_from(world, caller.now),
        listed_from: caller.now.saturating_add(lag).unwrap_or(caller.now),
        description: input.description.filter(|text| !text.is_empty()),
        max_session_secs: input
            .max_session_duration
            .unwrap_or(MAX_SESSION_SECS_DEFAULT),
        boundary: input.permissions_boundary,
        inline: BTreeMap::new(),
        attached: BTreeSet::new(),
        tags,
    };
    let answer = json!({ "Role": role.shape() });
    world.iam.account_mut(caller).roles.insert(key, role);
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByName {
    role_name: String,
}

fn get_role(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByName = read(input)?;
    let role = world.iam.the_role(caller, &input.role_name)?;
    let mut shape = role.shape();
    // What AWS answers for a role that was not used in its tracking period.
    shape["RoleLastUsed"] = json!({});
    Ok(json!({ "Role": shape }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateRole {
    role_name: String,
    description: Option<String>,
    max_session_duration: Option<u64>,
}

fn update_role(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: UpdateRole = read(input)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    if let Some(description) = input.description {
        role.description = Some(description).filter(|text| !text.is_empty());
    }
    if let Some(seconds) = input.max_session_duration {
        role.max_session_secs = seconds;
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateAssumeRolePolicy {
    role_name: String,
    policy_document: String,
}

fn update_assume_role_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: UpdateAssumeRolePolicy = read(input)?;
    world.iam.the_role(caller, &input.role_name)?;
    check_trust(&world.iam, &input.policy_document)?;
    world.iam.the_role_mut(caller, &input.role_name)?.trust = input.policy_document;
    Ok(json!({}))
}

fn delete_role(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByName = read(input)?;
    let role = world.iam.the_role(caller, &input.role_name)?;
    let conflict = |message: &str| Err(AwsError::new("DeleteConflict", message));
    if !role.attached.is_empty() {
        return conflict("Cannot delete entity, must detach all policies first.");
    }
    if !role.inline.is_empty() {
        return conflict("Cannot delete entity, must delete policies first.");
    }
    let (arn, id) = (role.arn.clone(), role.role_id.clone());
    let roles = &mut world.iam.account_mut(caller).roles;
    roles.remove(&input.role_name.to_lowercase());
    world.iam.forget_principal(&arn, &id);
    world.sts.end(&id);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRoles {
    path_prefix: Option<String>,
}

fn list_roles(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListRoles = read(input)?;
    let prefix = input.path_prefix.unwrap_or_default();
    let roles = world.iam.account(&caller.account);
    let roles = roles.into_iter().flat_map(|account| &account.roles);
    let shown = roles
        .filter(|(_, role)| role.listed_from <= caller.now && role.path.starts_with(&prefix))
        .map(|(key, role)| (key.clone(), role.summary()));
    cut.answer(("ListRoles", "Roles"), shown)
}

fn list_instance_profiles_for_role(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ByName = read(input)?;
    world.iam.the_role(caller, &input.role_name)?;
    cut.answer(("ListInstanceProfilesForRole", "InstanceProfiles"), [])
}
