//! STS, in its two parts here: callers' own GetCallerIdentity requests, which are passed on as they are,
//! and AssumeRole for the roles with which EC2 is asked in other accounts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::Method;
use jiff::Timestamp;

use super::Aws;
use super::endpoint::Service;
use super::http::{Ask, Http, failure, pairs};
use super::xml::{Element, error_code};
use crate::ports::Failure;
use crate::protocol::sigv4::Credentials;
use crate::protocol::{Call, StsAnswer};

/// The shortest session there is (STS API Reference, AssumeRole): it is for one question.
const SESSION_SECS: &str = "900";

/// A session this close to its end is not used any more.
const MARGIN: Duration = Duration::from_secs(60);

/// Sessions kept; one is about 1.5 KB.
const SESSIONS_MAX: usize = 64;

/// The longest answer to a caller's request that is read; STS writes under 600 bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Sends a caller's request to the STS of its region.
pub(super) async fn pass_on(http: &Http, call: &Call) -> Result<StsAnswer, Failure> {
    let headers: Vec<(&str, &str)> = call.headers().collect();
    let body = call.body().to_owned();
    let answer = http
        .send(
            Method::POST,
            &call.host(),
            "/",
            &headers,
            body,
            ANSWER_BYTES_MAX,
        )
        .await?;
    Ok(StsAnswer {
        status: answer.status,
        content_type: answer.content_type,
        body: answer.body.to_vec(),
    })
}

/// Sessions of roles, kept while they last.
#[derive(Debug)]
pub(super) struct Roles {
    session_name: String,
    sessions: Mutex<BTreeMap<String, Session>>,
}

#[derive(Debug, Clone)]
struct Session {
    credentials: Credentials,
    until: Timestamp,
}

impl Roles {
    /// The sessions are named after the function, so that the other accounts' trails say who it was.
    pub(super) fn new(function: &str) -> Self {
        Self {
            session_name: function.to_owned(),
            sessions: Mutex::default(),
        }
    }

    /// Credentials of a role.
    pub(super) async fn credentials(
        &self,
        aws: &Aws,
        now: Timestamp,
        role: &str,
    ) -> Result<Credentials, Failure> {
        let kept = self.kept(now, role);
        if let Some(credentials) = kept {
            return Ok(credentials);
        }
        let session = self.assume(aws, now, role).await?;
        let credentials = session.credentials.clone();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.is_good(now));
        if sessions.len() < SESSIONS_MAX {
            sessions.insert(role.to_owned(), session);
        }
        Ok(credentials)
    }

    fn kept(&self, now: Timestamp, role: &str) -> Option<Credentials> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(role).filter(|session| session.is_good(now));
        session.map(|session| session.credentials.clone())
    }

    async fn assume(&self, aws: &Aws, now: Timestamp, role: &str) -> Result<Session, Failure> {
        let ask = Ask {
            service: Service::Sts(aws.region),
            method: Method::POST,
            path: "/",
            query: &[],
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            body: pairs(&[
                ("Action", "AssumeRole"),
                ("Version", "2011-06-15"),
                ("DurationSeconds", SESSION_SECS),
                ("RoleArn", role),
                ("RoleSessionName", &self.session_name),
            ]),
        };
        let answer = aws.ask(now, ask).await?;
        if answer.status != 200 {
            return Err(failure(answer.status, error_code(&answer.body).as_deref()));
        }
        session(&answer.body).ok_or(Failure::Unusable)
    }
}

impl Session {
    fn is_good(&self, now: Timestamp) -> bool {
        now.checked_add(MARGIN).is_ok_and(|then| then < self.until)
    }
}

fn session(body: &[u8]) -> Option<Session> {
    let root = Element::read(body)?;
    let credentials = root.child("AssumeRoleResult")?.child("Credentials")?;
    let text = |name| credentials.text_of(name).map(ToOwned::to_owned);
    Some(Session {
        credentials: Credentials {
            access_key_id: text("AccessKeyId")?,
            secret: text("SecretAccessKey")?,
            token: Some(text("SessionToken")?),
        },
        until: credentials.text_of("Expiration")?.parse().ok()?,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_used_until_shortly_before_its_end() {
        let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
            <AssumeRoleResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><Credentials>\
            <AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s/+</SecretAccessKey>\
            <SessionToken>t==</SessionToken><Expiration>2026-11-22T06:15:00Z</Expiration>\
            </Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let session = session(body.as_bytes()).unwrap();
        assert_eq!(session.credentials.secret, "s/+");
        assert!(session.is_good("2026-11-22T06:13:59Z".parse().unwrap()));
        assert!(!session.is_good("2026-11-22T06:14:00Z".parse().unwrap()));
        assert!(!format!("{session:?}").contains("s/+"));
        assert!(super::session(b"<AssumeRoleResponse/>").is_none());
    }
}
