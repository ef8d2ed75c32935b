//! STS: who a caller is, and sessions.
//!
//! A session is a copy of the principal that asked for it. AssumeRole comes with IAM's roles; until
//! then it is refused by name.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{AwsError, Caller, Need, Operation, World};

/// State: the sessions issued, by access key id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    sessions: BTreeMap<String, Session>,
}

/// Temporary credentials of a principal.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
}

impl State {
    /// The session of an access key id.
    pub fn session(&self, access_key_id: &str) -> Option<&Session> {
        self.sessions.get(access_key_id)
    }
}

/// The operation of a name.
pub fn operation(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

static OPERATIONS: [Operation; 2] = [
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
    // A session cannot ask for another: AWS answers AccessDenied to temporary credentials.
    // The caller's ARN is its principal's either way, so the rule waits for IAM's evaluator.
    if input.get("SerialNumber").is_some() || input.get("TokenCode").is_some() {
        return Err(AwsError::new(
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        ));
    }
    let seconds = input["DurationSeconds"]
        .as_u64()
        .unwrap_or(DURATION_DEFAULT_SECS);
    let expires = caller
        .now
        .checked_add(Duration::from_secs(seconds))
        .map_err(|_| {
            AwsError::new(
                "ValidationError",
                "the session would end beyond the calendar",
            )
        })?;
    let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let id = format!("ASIA{}", world.random.text(base32, 16));
    let session = Session {
        secret: world.random.text(base64, 40),
        token: format!("FwoGZXIvYXdz{}", world.random.text(base64, 148)),
        expires,
        account: caller.account.clone(),
        arn: caller.arn.clone(),
        user_id: caller.user_id.clone(),
    };
    let answer = json!({"Credentials": {
        "AccessKeyId": id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": expires.as_second(),
    }});
    // Sessions that have ended are forgotten a day later: until then they are "expired", then unknown.
    let day = Duration::from_secs(86_400);
    world.sts.sessions.retain(|_, old| {
        old.expires
            .checked_add(day)
            .is_ok_and(|forgotten| forgotten > caller.now)
    });
    world.sts.sessions.insert(id, session);
    Ok(answer)
}

/// Credentials of a session.
#[derive(Clone)]
pub struct Credentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token.
    pub token: String,
    /// When they end.
    pub expires: Timestamp,
}

impl World {
    /// Credentials of a role's session, without any check.
    pub fn issue(
        &mut self,
        role_arn: &str,
        session_name: &str,
        lasts: Duration,
        now: Timestamp,
    ) -> Option<Credentials> {
        let account = role_arn.split(':').nth(4)?.to_owned();
        let name = role_arn.rsplit('/').next()?;
        self.role(&account, name)?;
        let id = format!(
            "ASIA{}",
            self.random.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
        );
        let session = Session {
            secret: self.random.text(b"abcdef", 40),
            token: self.random.text(b"abcdef", 60),
            expires: now.checked_add(lasts).ok()?,
            arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{session_name}"),
            user_id: format!("AROA:{session_name}"),
            account,
        };
        let credentials = Credentials {
            access_key_id: id.clone(),
            secret: session.secret.clone(),
            token: session.token.clone(),
            expires: session.expires,
        };
        self.sts.sessions.insert(id, session);
        Some(credentials)
    }
}
