//! Users, their inline policies, and the boundary they are made with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::list::Cut;
use super::tags::{self, Tag};
use super::{
    State, boundary, boundary_shape, document, limit, needs, no_such, path_of, read, tag_list,
    unique_id, validation,
};
use crate::tagging::Tags;
use crate::world::{AwsError, Caller, Need, Operation, World};

/// A user. None has a password: consoles are not modelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub arn: String,
    pub name: String,
    pub path: String,
    pub user_id: String,
    pub created: Timestamp,
    pub listed_from: Timestamp,
    pub boundary: Option<String>,
    /// Inline policies by name. Managed ones cannot be attached to users here.
    pub inline: BTreeMap<String, String>,
    pub tags: Tags,
}

/// Users of an account, and characters of all inline policies of one
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub(super) const USERS_MAX: usize = 5_000;
pub(super) const INLINE_MAX: usize = 2_048;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateUser",
        needs: |_, caller, input| {
            let (path, name) = (input.get("Path"), needs::text(input, "UserName"));
            let path = path.and_then(Value::as_str).unwrap_or("/");
            let need = Need::new("iam:CreateUser", needs::arn(caller, "user", path, name));
            let boundary = input.get("PermissionsBoundary").and_then(Value::as_str);
            needs::of_new(needs::with_boundary(need, boundary), input, "iam:TagUser")
        },
        run: create_user,
    },
    Operation {
        name: "GetUser",
        needs: |world, caller, input| vec![needs::of_user(world, caller, input, "iam:GetUser")],
        run: get_user,
    },
    Operation {
        name: "DeleteUser",
        needs: |world, caller, input| vec![needs::of_user(world, caller, input, "iam:DeleteUser")],
        run: delete_user,
    },
    Operation {
        name: "ListUsers",
        needs: |_, _, _| needs::of_all("iam:ListUsers"),
        run: list_users,
    },
    Operation {
        name: "PutUserPolicy",
        needs: |world, caller, input| {
            vec![needs::of_bounded_user(
                world,
                caller,
                input,
                "iam:PutUserPolicy",
            )]
        },
        run: put_user_policy,
    },
    Operation {
        name: "ListUserPolicies",
        needs: |world, caller, input| {
            vec![needs::of_user(world, caller, input, "iam:ListUserPolicies")]
        },
        run: list_user_policies,
    },
    Operation {
        name: "ListAttachedUserPolicies",
        needs: |world, caller, input| {
            let action = "iam:ListAttachedUserPolicies";
            vec![needs::of_user(world, caller, input, action)]
        },
        run: list_attached_user_policies,
    },
    Operation {
        name: "ListMFADevices",
        needs: |world, caller, input| {
            vec![needs::of_user(world, caller, input, "iam:ListMFADevices")]
        },
        run: list_mfa_devices,
    },
];

/// Whom an operation is about that may name a user.
pub(super) enum Subject<'s> {
    Root,
    User(&'s User),
}

impl User {
    /// What listings show: neither boundary nor tags
    /// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>).
    fn summary(&self) -> Value {
        json!({
            "Path": self.path,
            "UserName": self.name,
            "UserId": self.user_id,
            "Arn": self.arn,
            "CreateDate": self.created.as_second(),
        })
    }

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
    /// A user of the caller's account, to be read.
    pub(super) fn the_user(&self, caller: &Caller, name: &str) -> Result<&User, AwsError> {
        self.user(&caller.account, name)
            .ok_or_else(|| unknown(name))
    }

    /// The named user, else the caller, who must then be a user or the root user.
    pub(super) fn subject(
        &self,
        caller: &Caller,
        name: Option<&str>,
    ) -> Result<Subject<'_>, AwsError> {
        match name {
            Some(name) => self.the_user(caller, name).map(Subject::User),
            None if caller.arn.ends_with(":root") => Ok(Subject::Root),
            None => self
                .user_of_arn(&caller.arn)
                .map(Subject::User)
                .ok_or_else(|| {
                    validation("Must specify userName when calling with non-User credentials")
                }),
        }
    }
}

fn unknown(name: &str) -> AwsError {
    no_such(format!("The user with name {name} cannot be found."))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateUser {
    path: Option<String>,
    user_name: String,
    permissions_boundary: Option<String>,
    tags: Option<Vec<Tag>>,
}

fn create_user(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreateUser = read(input)?;
    let name = input.user_name;
    let path = path_of(input.path)?;
    let tags = tags::add(&Tags::new(), input.tags.unwrap_or_default())?;
    let key = name.to_lowercase();
    let users = world.iam.account(&caller.account).map(|all| &all.users);
    if users.is_some_and(|users| users.contains_key(&key)) {
        return Err(AwsError::new(
            "EntityAlreadyExists",
            format!("User with name {name} already exists."),
        ));
    }
    if users.is_some_and(|users| users.len() >= USERS_MAX) {
        return Err(limit("UsersPerAccount", USERS_MAX));
    }
    if let Some(boundary) = &input.permissions_boundary {
        boundary::check(&world.iam, caller, boundary)?;
    }
    let lag = world.profile.draw_list_lag(&mut world.random);
    let user = User {
        arn: needs::arn(caller, "user", &path, &name),
        name,
        path,
        user_id: unique_id(world, "AIDA"),
        created: caller.now,
        listed_from: caller.now.saturating_add(lag).unwrap_or(caller.now),
        boundary: input.permissions_boundary,
        inline: BTreeMap::new(),
        tags,
    };
    let answer = json!({ "User": user.shape() });
    world.iam.account_mut(caller).users.insert(key, user);
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByName {
    user_name: Option<String>,
}

fn get_user(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByName = read(input)?;
    let shape = match world.iam.subject(caller, input.user_name.as_deref())? {
        Subject::User(user) => user.shape(),
        // AWS leaves out name and path here, although its own model requires both.
        Subject::Root => json!({
            "Path": "/",
            "UserName": "root",
            "UserId": caller.account,
            "Arn": caller.arn,
            "CreateDate": world.iam.opened(caller).as_second(),
        }),
    };
    Ok(json!({ "User": shape }))
}

fn delete_user(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByName = read(input)?;
    let user = world
        .iam
        .the_user(caller, &input.user_name.unwrap_or_default())?;
    let conflict = |message: &str| Err(AwsError::new("DeleteConflict", message));
    if world.iam.keys_of(user).next().is_some() {
        return conflict("Cannot delete entity, must delete access keys first.");
    }
    if !user.inline.is_empty() {
        return conflict("Cannot delete entity, must delete policies first.");
    }
    let (arn, id, key) = (
        user.arn.clone(),
        user.user_id.clone(),
        user.name.to_lowercase(),
    );
    world.iam.account_mut(caller).users.remove(&key);
    world.iam.forget_principal(&arn, &id);
    world.sts.end(&id);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListUsers {
    path_prefix: Option<String>,
}

fn list_users(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListUsers = read(input)?;
    let prefix = input.path_prefix.unwrap_or_default();
    let users = world.iam.account(&caller.account);
    let users = users.into_iter().flat_map(|account| &account.users);
    let shown = users
        .filter(|(_, user)| user.listed_from <= caller.now && user.path.starts_with(&prefix))
        .map(|(key, user)| (key.clone(), user.summary()));
    cut.answer(("ListUsers", "Users"), shown)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutUserPolicy {
    user_name: String,
    policy_name: String,
    policy_document: String,
}

fn put_user_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: PutUserPolicy = read(input)?;
    let user = world.iam.the_user(caller, &input.user_name)?;
    document::check_identity(&input.policy_document)?;
    let mut inline = user.inline.clone();
    inline.insert(input.policy_name, input.policy_document);
    if inline
        .values()
        .map(|text| document::size(text))
        .sum::<usize>()
        > INLINE_MAX
    {
        return Err(AwsError::new(
            "LimitExceeded",
            format!(
                "Maximum policy size of {INLINE_MAX} bytes exceeded for user {}",
                user.name
            ),
        ));
    }
    let users = &mut world.iam.account_mut(caller).users;
    let user = users.get_mut(&input.user_name.to_lowercase());
    user.ok_or_else(|| unknown(&input.user_name))?.inline = inline;
    Ok(json!({}))
}

fn list_user_policies(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ByName = read(input)?;
    let name = input.user_name.unwrap_or_default();
    let user = world.iam.the_user(caller, &name)?;
    let names = user.inline.keys();
    let names = names.map(|name| (name.clone(), name.as_str().into()));
    cut.answer(("ListUserPolicies", "PolicyNames"), names)
}

/// Nothing: AttachUserPolicy is not modelled.
fn list_attached_user_policies(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ByName = read(input)?;
    let name = input.user_name.unwrap_or_default();
    world.iam.the_user(caller, &name)?;
    cut.answer(("ListAttachedUserPolicies", "AttachedPolicies"), [])
}

/// Nothing: devices cannot be enabled here.
fn list_mfa_devices(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ByName = read(input)?;
    world.iam.subject(caller, input.user_name.as_deref())?;
    cut.answer(("ListMFADevices", "MFADevices"), [])
}
