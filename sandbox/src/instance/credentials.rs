//! Credentials that an instance finds in its metadata: of the identity role that every instance has,
//! and of the role of its profile.
//!
//! Both are sessions of the world's STS, so that what is done with them is judged like any other
//! session's doing. New ones are given out five minutes before the old ones end, as the guide promises
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html>).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Instance, METADATA_TIME};
use crate::auth;
use crate::policy::{Context, Principal};
use crate::sts::Credentials;
use crate::world::World;

/// How long a session lasts; observed, not documented.
const LASTS: Duration = Duration::from_hours(6);

/// How long before its end a session is replaced.
const REPLACED_BEFORE: Duration = Duration::from_mins(5);

/// Credentials in metadata, and since when.
pub(super) struct Held {
    credentials: Credentials,
    issued: Timestamp,
}

impl Held {
    /// As metadata shows them.
    pub(super) fn text(&self) -> String {
        let time = |at: Timestamp| at.strftime(METADATA_TIME).to_string();
        let Credentials {
            access_key_id,
            secret,
            token,
            expires,
        } = &self.credentials;
        let rows = [
            ("Code", "Success"),
            ("LastUpdated", &time(self.issued)),
            ("Type", "AWS-HMAC"),
            ("AccessKeyId", access_key_id),
            ("SecretAccessKey", secret),
            ("Token", token),
            ("Expiration", &time(*expires)),
        ];
        object(&rows)
    }
}

/// JSON as metadata spells it.
pub(super) fn object(rows: &[(&str, &str)]) -> String {
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("  {} : {}", json!(name), json!(value)))
        .collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

impl World {
    /// Credentials of the identity role. The flag says whether they are new.
    pub(super) fn identity_credentials(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Option<(Held, bool)> {
        let one = self.instances.get(id)?;
        if let Some(held) = self.held(one.identity.as_deref(), now) {
            return Some((held, false));
        }
        let account = one.account.clone();
        let credentials = self.issue_identity(&account, id, LASTS, now)?;
        let one = self.instances.get_mut(id)?;
        one.identity = Some(credentials.access_key_id.clone());
        let issued = now;
        Some((
            Held {
                credentials,
                issued,
            },
            true,
        ))
    }

    /// Credentials of the role of its profile, if the role still exists and trusts EC2; else the reason
    /// as metadata tells it.
    pub(super) fn profile_credentials(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Option<Result<(Held, bool), String>> {
        let one = self.instances.get(id)?;
        let name = one.role.clone()?;
        if let Some(held) = self.held(one.session.as_deref(), now) {
            return Some(Ok((held, false)));
        }
        let refused = || {
            let message = format!(
                "EC2 cannot assume the role {name}. Please see documentation at \
                 https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html\
                 #troubleshoot_iam-ec2_errors-info-doc."
            );
            object(&[
                ("Code", "AssumeRoleUnauthorizedAccess"),
                ("Message", &message),
                ("LastUpdated", &now.strftime(METADATA_TIME).to_string()),
            ])
        };
        let Some(role_arn) = self.assumable(one, &name) else {
            return Some(Err(refused()));
        };
        let credentials = self.issue(&role_arn, id, LASTS, now)?;
        let one = self.instances.get_mut(id)?;
        one.session = Some(credentials.access_key_id.clone());
        let issued = now;
        Some(Ok((
            Held {
                credentials,
                issued,
            },
            true,
        )))
    }

    /// The ARN of a role that EC2 may take for an instance.
    fn assumable(&self, one: &Instance, name: &str) -> Option<String> {
        let role = self.role(&one.account, name)?;
        let mut context = Context::new();
        context.insert("aws:SourceAccount".into(), vec![one.account.clone()]);
        context.insert("aws:SourceArn".into(), vec![one.arn()]);
        let ec2 = Principal::Service("ec2.amazonaws.com");
        auth::may_assume(self, &role.trust, ec2, &context).ok()?;
        Some(role.arn.clone())
    }

    /// What was given out before, as long as it is good.
    fn held(&self, access_key_id: Option<&str>, now: Timestamp) -> Option<Held> {
        let id = access_key_id?;
        let session = self.sts.session(id)?;
        let replaced = session.expires.checked_sub(REPLACED_BEFORE).ok()?;
        (now < replaced).then(|| Held {
            credentials: Credentials {
                access_key_id: id.to_owned(),
                secret: session.secret.clone(),
                token: session.token.clone(),
                expires: session.expires,
            },
            issued: session.issued,
        })
    }
}
