//! Access keys: the long-term credentials of users.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::list::Cut;
use super::user::{Subject, User};
use super::{State, limit, needs, no_such, read};
use crate::world::{AwsError, Caller, Operation, World};

/// An access key. They are all active: UpdateAccessKey is not modelled.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// The secret half.
    pub secret: String,
    /// Account of its user.
    pub account: String,
    /// ARN of its user.
    pub arn: String,
    /// Unique id of its user.
    pub user_id: String,
    /// When it was made.
    pub(super) created: Timestamp,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("secret", &"***")
            .field("arn", &self.arn)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// Access keys of a user
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub(super) const KEYS_MAX: usize = 2;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateAccessKey",
        needs: |world, caller, input| {
            vec![needs::of_user(world, caller, input, "iam:CreateAccessKey")]
        },
        run: create_access_key,
    },
    Operation {
        name: "DeleteAccessKey",
        needs: |world, caller, input| {
            vec![needs::of_user(world, caller, input, "iam:DeleteAccessKey")]
        },
        run: delete_access_key,
    },
    Operation {
        name: "ListAccessKeys",
        needs: |world, caller, input| {
            vec![needs::of_user(world, caller, input, "iam:ListAccessKeys")]
        },
        run: list_access_keys,
    },
];

impl State {
    /// The access key of an id.
    pub fn access_key(&self, id: &str) -> Option<&AccessKey> {
        self.access_keys.get(id)
    }

    /// The keys of a user, with their ids.
    pub(super) fn keys_of<'s>(
        &'s self,
        user: &'s User,
    ) -> impl Iterator<Item = (&'s String, &'s AccessKey)> {
        let mut keys: Vec<_> = self
            .access_keys
            .iter()
            .filter(|(_, key)| key.user_id == user.user_id)
            .collect();
        keys.sort_by_key(|(_, key)| key.created);
        keys.into_iter()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfUser {
    user_name: Option<String>,
    access_key_id: Option<String>,
}

/// The root user's keys follow the emulators' convention and are not objects of the account.
fn user_of<'s>(
    state: &'s State,
    caller: &Caller,
    input: &OfUser,
    operation: &str,
) -> Result<&'s User, AwsError> {
    match state.subject(caller, input.user_name.as_deref())? {
        Subject::User(user) => Ok(user),
        Subject::Root => Err(AwsError::not_modelled(&format!(
            "iam:{operation} for the root user"
        ))),
    }
}

fn create_access_key(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: OfUser = read(input)?;
    let user = user_of(&world.iam, caller, &input, "CreateAccessKey")?.clone();
    if world.iam.keys_of(&user).count() >= KEYS_MAX {
        return Err(limit("AccessKeysPerUser", KEYS_MAX));
    }
    let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let id = format!("AKIA{}", world.random.text(base32, 16));
    let key = AccessKey {
        secret: world.random.text(base64, 40),
        account: caller.account.clone(),
        arn: user.arn,
        user_id: user.user_id,
        created: caller.now,
    };
    let answer = json!({ "AccessKey": {
        "UserName": user.name,
        "AccessKeyId": id,
        "Status": "Active",
        "SecretAccessKey": key.secret,
        "CreateDate": key.created.as_second(),
    }});
    world.iam.access_keys.insert(id, key);
    Ok(answer)
}

fn delete_access_key(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: OfUser = read(input)?;
    let user = user_of(&world.iam, caller, &input, "DeleteAccessKey")?;
    let id = input.access_key_id.unwrap_or_default();
    if !world.iam.keys_of(user).any(|(found, _)| *found == id) {
        return Err(no_such(format!(
            "The Access Key with id {id} cannot be found."
        )));
    }
    world.iam.access_keys.remove(&id);
    Ok(json!({}))
}

fn list_access_keys(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: OfUser = read(input)?;
    let listing = ("ListAccessKeys", "AccessKeyMetadata");
    let user = match world.iam.subject(caller, input.user_name.as_deref())? {
        Subject::User(user) => user,
        Subject::Root => return cut.answer(listing, []),
    };
    let mut keys: Vec<_> = world
        .iam
        .keys_of(user)
        .map(|(id, key)| {
            let shape = json!({
                "UserName": user.name,
                "AccessKeyId": id,
                "Status": "Active",
                "CreateDate": key.created.as_second(),
            });
            (id.clone(), shape)
        })
        .collect();
    keys.sort_by(|(a, _), (b, _)| a.cmp(b));
    cut.answer(listing, keys)
}
