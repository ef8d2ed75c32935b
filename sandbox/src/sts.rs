//! STS: who a caller is, and sessions.
//!
//! A session of GetSessionToken is a copy of the user that asked for it; a session of AssumeRole is
//! a principal of its own. Which policies it has is decided by its ARN (see
//! [`World::identity_policies`]), so that all living sessions of one ARN have the same session
//! policy: a second one with another is refused by name.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{AwsError, Caller, Need, Operation, World};

mod assume_role;

/// State: the sessions issued, by access key id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    sessions: BTreeMap<String, Session>,
}

/// Temporary credentials of a principal.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// Secret access key.
    pub secret: String,
    /// Session token, to be sent with every request.
    pub token: String,
    /// When it ends, in the world's time.
    pub expires: Timestamp,
    /// Account of the principal.
    pub account: String,
    /// ARN of the principal.
    pub arn: String,
    /// UserId of the principal.
    pub user_id: String,
    /// When it was issued.
    pub issued: Timestamp,
    /// The policy that limits it, if one was passed.
    pub policy: Option<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("secret", &"***")
            .field("token", &"***")
            .field("arn", &self.arn)
            .field("user_id", &self.user_id)
            .field("issued", &self.issued)
            .field("expires", &self.expires)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Temporary credentials, as whoever asked for them gets them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `ASIA...`.
    pub access_key_id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token, to be sent with every request.
    pub token: String,
    /// When they end, in the world's time.
    pub expires: Timestamp,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("secret", &"***")
            .field("token", &"***")
            .field("expires", &self.expires)
            .finish()
    }
}

impl Credentials {
    fn shape(&self) -> Value {
        json!({
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret,
            "SessionToken": self.token,
            "Expiration": self.expires.as_second(),
        })
    }
}

/// Whom a session is for.
struct Principal {
    account: String,
    arn: String,
    user_id: String,
    policy: Option<String>,
}

impl State {
    /// The session of an access key id.
    pub fn session(&self, access_key_id: &str) -> Option<&Session> {
        self.sessions.get(access_key_id)
    }

    /// The policy that limits the sessions of an ARN.
    pub(crate) fn policy_of(&self, arn: &str) -> Option<&str> {
        let of_arn = self.sessions.values().filter(|session| session.arn == arn);
        // Those that live have the same policy as the newest.
        of_arn
            .max_by_key(|session| session.issued)?
            .policy
            .as_deref()
    }

    /// Ends the sessions of a user or role that is deleted: their tokens are unknown from now on.
    pub(crate) fn end(&mut self, unique_id: &str) {
        self.sessions.retain(|_, session| {
            let of_role = session.user_id.split_once(':').map(|(role_id, _)| role_id);
            of_role.unwrap_or(&session.user_id) != unique_id
        });
    }
}

impl World {
    /// Credentials of a role's session, without any check: for services that run with a role. None if
    /// there is no such role.
    pub fn issue(
        &mut self,
        role_arn: &str,
        session_name: &str,
        lasts: Duration,
        now: Timestamp,
    ) -> Option<Credentials> {
        let mut principal = assume_role::principal(self, role_arn, session_name)?;
        // Should somebody have limited a session of this very name, the new one is limited as well.
        principal.policy = self.sts.policy_of(&principal.arn).map(str::to_owned);
        self.open(principal, lasts, now).ok()
    }

    /// Credentials of an instance's identity role
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html#ec2-instance-identity-roles>).
    /// The guide prints the ARN with the service `iam`; GetCallerIdentity answers `sts`.
    pub(crate) fn issue_identity(
        &mut self,
        account: &str,
        instance: &str,
        lasts: Duration,
        now: Timestamp,
    ) -> Option<Credentials> {
        let principal = Principal {
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/{IDENTITY_ROLE}/{instance}"),
            user_id: format!("{account}:{IDENTITY_ROLE}:{instance}"),
            policy: None,
        };
        self.open(principal, lasts, now).ok()
    }

    fn open(
        &mut self,
        principal: Principal,
        lasts: Duration,
        now: Timestamp,
    ) -> Result<Credentials, AwsError> {
        let expires = now.checked_add(lasts).map_err(|_| {
            AwsError::new(
                "ValidationError",
                "the session would end beyond the calendar",
            )
        })?;
        let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let credentials = Credentials {
            access_key_id: format!("ASIA{}", self.random.text(base32, 16)),
            secret: self.random.text(base64, 40),
            token: format!("FwoGZXIvYXdz{}", self.random.text(base64, 148)),
            expires,
        };
        let session = Session {
            secret: credentials.secret.clone(),
            token: credentials.token.clone(),
            expires,
            account: principal.account,
            arn: principal.arn,
            user_id: principal.user_id,
            issued: now,
            policy: principal.policy,
        };
        // Sessions that have ended are forgotten a day later: until then they are "expired", then
        // unknown.
        let day = Duration::from_secs(86_400);
        self.sts.sessions.retain(|_, old| {
            old.expires
                .checked_add(day)
                .is_ok_and(|forgotten| forgotten > now)
        });
        let id = credentials.access_key_id.clone();
        self.sts.sessions.insert(id, session);
        Ok(credentials)
    }
}

/// Name of the role that every instance has. A colon is in no customer's role name.
pub(crate) const IDENTITY_ROLE: &str = "aws:ec2-instance";

/// The operation of a name.
pub fn operation(name: &str) -> Option<&'static Operation> {
    OPERATIONS
        .iter()
        .chain(assume_role::OPERATIONS)
        .find(|operation| operation.name == name)
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetCallerIdentity",
        needs: needs_nothing,
        run: get_caller_identity,
    },
    Operation {
        name: "GetSessionToken",
        needs: needs_nothing,
        run: get_session_token,
    },
];

/// Both operations need no permission: a policy can neither grant nor, for GetCallerIdentity, deny
/// them (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
fn needs_nothing(_: &World, _: &Caller, _: &Value) -> Vec<Need> {
    Vec::new()
}

fn get_caller_identity(_: &mut World, caller: &Caller, _: Value) -> Result<Value, AwsError> {
    Ok(json!({"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}))
}

/// AWS gives 12 hours where nothing is asked for. It would give a root user one hour at most; the
/// administrators of this world stand in for users as well and get what they ask for.
const DURATION_DEFAULT_SECS: u64 = 43_200;

fn get_session_token(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    // A session cannot ask for another. One of GetSessionToken itself is not told from its user here.
    if caller.arn.starts_with("arn:aws:sts::") {
        return Err(AwsError {
            status: Some(403),
            ..AwsError::new(
                "AccessDenied",
                "Cannot call GetSessionToken with session credentials",
            )
        });
    }
    if input.get("SerialNumber").is_some() || input.get("TokenCode").is_some() {
        return Err(no_such_device());
    }
    let seconds = input["DurationSeconds"]
        .as_u64()
        .unwrap_or(DURATION_DEFAULT_SECS);
    let principal = Principal {
        account: caller.account.clone(),
        arn: caller.arn.clone(),
        user_id: caller.user_id.clone(),
        policy: None,
    };
    let credentials = world.open(principal, Duration::from_secs(seconds), caller.now)?;
    Ok(json!({ "Credentials": credentials.shape() }))
}

/// Nobody here has a second factor.
fn no_such_device() -> AwsError {
    AwsError {
        status: Some(403),
        ..AwsError::new(
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
