//! An STS for tests that really verifies: it knows some sessions' secrets, computes each signature anew
//! from the request it was sent, and answers what AWS's would. It shares no code with the updater, so a
//! refusal here is for the right reason.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use spore_updater::proof::{Sts, Unreachable};
use spore_updater::protocol::{Call, StsAnswer};

/// Says who signed.
pub struct FakeSts {
    /// Its clock.
    pub now: Timestamp,
    sessions: BTreeMap<String, Session>,
    calls: Mutex<u32>,
}

struct Session {
    secret: String,
    token: String,
    arn: String,
    user_id: String,
    account: String,
}

impl FakeSts {
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            sessions: BTreeMap::new(),
            calls: Mutex::new(0),
        }
    }

    /// Knows a session from now on: `arn` and `user_id` as STS writes them.
    pub fn know(mut self, key: &str, secret: &str, token: &str, arn: &str, user_id: &str) -> Self {
        let session = Session {
            secret: secret.to_owned(),
            token: token.to_owned(),
            arn: arn.to_owned(),
            user_id: user_id.to_owned(),
            account: arn.split(':').nth(4).unwrap().to_owned(),
        };
        self.sessions.insert(key.to_owned(), session);
        self
    }

    /// Requests it was sent.
    pub fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }

    /// What it answers.
    pub fn answer(&self, call: &Call) -> StsAnswer {
        *self.calls.lock().unwrap() += 1;
        match self.judge(call) {
            Ok(session) => success(&session.arn, &session.user_id, &session.account),
            Err(code) => failure(403, code),
        }
    }

    fn judge(&self, call: &Call) -> Result<&Session, &'static str> {
        let headers: BTreeMap<&str, &str> = call.headers().collect();
        assert_eq!(headers.len(), call.headers().count(), "a header twice");
        let header = |name: &str| headers.get(name).copied().ok_or("IncompleteSignature");
        if header("host")? != call.host() {
            return Err("SignatureDoesNotMatch");
        }
        let authorization = header("authorization")?;
        let parameters = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
        let parameters: BTreeMap<&str, &str> = parameters
            .split(", ")
            .map(|parameter| parameter.split_once('=').unwrap())
            .collect();
        let [key, day, region, "sts", "aws4_request"] =
            parameters["Credential"].split('/').collect::<Vec<_>>()[..]
        else {
            return Err("IncompleteSignature");
        };
        let session = self.sessions.get(key).ok_or("InvalidClientTokenId")?;
        if header("x-amz-security-token")? != session.token {
            return Err("InvalidClientTokenId");
        }
        let date = header("x-amz-date")?;
        let then = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp();
        if (self.now.as_second() - then.as_second()).abs() > 300 || !date.starts_with(day) {
            return Err("SignatureDoesNotMatch");
        }
        if !call.host().starts_with(&format!("sts.{region}.amazonaws.")) {
            return Err("SignatureDoesNotMatch");
        }
        let names = parameters["SignedHeaders"];
        let mut canonical = "POST\n/\n\n".to_owned();
        for name in names.split(';') {
            canonical += &format!("{name}:{}\n", header(name)?);
        }
        canonical += &format!("\n{names}\n{}", sha256(call.body()));
        let signature = signature(&session.secret, date, region, "sts", &canonical);
        if signature != parameters["Signature"] {
            return Err("SignatureDoesNotMatch");
        }
        if call.body() != "Action=GetCallerIdentity&Version=2011-06-15" {
            return Err("InvalidAction");
        }
        Ok(session)
    }
}

impl Sts for FakeSts {
    async fn ask(&self, call: &Call) -> Result<StsAnswer, Unreachable> {
        Ok(self.answer(call))
    }
}

/// What STS answers about a session.
pub fn success(arn: &str, user_id: &str, account: &str) -> StsAnswer {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
         <GetCallerIdentityResult>\n    <Arn>{arn}</Arn>\n    <UserId>{user_id}</UserId>\n    \
         <Account>{account}</Account>\n  </GetCallerIdentityResult>\n  <ResponseMetadata>\n    \
         <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>\n  </ResponseMetadata>\n\
         </GetCallerIdentityResponse>\n"
    );
    xml(200, body)
}

/// What STS answers otherwise.
pub fn failure(status: u16, code: &str) -> StsAnswer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
         <Type>Sender</Type>\n    <Code>{code}</Code>\n    <Message>It isn&apos;t so</Message>\n  \
         </Error>\n  <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>\n\
         </ErrorResponse>\n"
    );
    xml(status, body)
}

pub fn xml(status: u16, body: String) -> StsAnswer {
    StsAnswer {
        status,
        content_type: "text/xml".to_owned(),
        body: body.into_bytes(),
    }
}

/// SigV4's signature of a canonical request.
pub fn signature(secret: &str, date: &str, region: &str, service: &str, canonical: &str) -> String {
    let day = &date[..8];
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{service}/aws4_request\n{}",
        sha256(canonical)
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part);
    }
    hex(&mac(&key, &to_sign))
}

pub fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
