//! Who calls: Signature Version 4 as AWS verifies it, and what a caller may do.
//!
//! The canonical request is built from exactly the headers that the caller says are signed
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).
//! Credentials follow the emulators' convention: `test`/`test` is the root user of account
//! 123456789012, a 12-digit access key id with the secret `test` is the root user of that account,
//! and all others are keys of users and sessions that this world issued.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::wire::model::{self, Protocol};
use crate::wire::text;
use crate::world::{AwsError, Caller, Request, Via, World};

/// How far a request's date may be from the time of its arrival.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Account of the key pair `test`/`test`.
pub const ACCOUNT_DEFAULT: &str = "123456789012";

mod access;
mod signature;

pub use access::{authorize, may, may_assume, service_may};
pub(crate) use access::{service_context, spelt};
pub use signature::{Credentials, sign};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a request says about its signer; nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Access key id.
    pub access_key_id: String,
    /// Region of the credential scope.
    pub region: String,
    /// Service of the credential scope.
    pub service: String,
    day: String,
    date: String,
    signed_headers: Vec<String>,
    signature: String,
    token: Option<String>,
    /// Set for a signature in the query string, which is valid for longer.
    expires: Option<Duration>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is not signed at all.
    Missing,
    /// Its signature cannot be read.
    Incomplete(String),
    /// Nobody has this key or token.
    UnknownKey,
    /// The session has ended.
    Expired,
    /// The signature is wrong, or made for another time, region or service.
    Signature(String),
}

impl Problem {
    /// The error of a protocol: services that speak JSON or CBOR have their own codes, with 400.
    pub fn error(&self, protocol: Protocol) -> AwsError {
        let (xml_code, json_code, message) = match self {
            Self::Missing => (
                "MissingAuthenticationToken",
                "MissingAuthenticationTokenException",
                "Missing Authentication Token".to_owned(),
            ),
            Self::Incomplete(why) => (
                "IncompleteSignature",
                "IncompleteSignatureException",
                why.clone(),
            ),
            Self::UnknownKey => (
                "InvalidClientTokenId",
                "UnrecognizedClientException",
                "The security token included in the request is invalid.".to_owned(),
            ),
            Self::Expired => (
                "ExpiredToken",
                "ExpiredTokenException",
                "The security token included in the request is expired".to_owned(),
            ),
            Self::Signature(why) => (
                "SignatureDoesNotMatch",
                "InvalidSignatureException",
                why.clone(),
            ),
        };
        let (code, status) = match protocol {
            Protocol::Ec2 => return self.error_of_ec2(),
            Protocol::RestXml | Protocol::Query => (xml_code, 403),
            Protocol::RestJson => (json_code, 403),
            Protocol::Json | Protocol::RpcV2Cbor => (json_code, 400),
        };
        AwsError {
            code: code.to_owned(),
            message,
            status: Some(status),
        }
    }
}

impl Problem {
    /// EC2 says only whether the time is over
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>).
    fn error_of_ec2(&self) -> AwsError {
        let (code, status, message) = match self {
            Self::Expired => ("RequestExpired", 400, "Request has expired."),
            Self::Missing | Self::Incomplete(_) | Self::UnknownKey | Self::Signature(_) => (
                "AuthFailure",
                401,
                "AWS was not able to validate the provided access credentials",
            ),
        };
        AwsError {
            status: Some(status),
            ..AwsError::new(code, message)
        }
    }
}

/// Reads the claim of a request: from the `authorization` header, else from the query string.
pub fn claim(request: &Request) -> Result<Claim, Problem> {
    if let Some(header) = request.header("authorization") {
        return claim_of_header(request, header);
    }
    let pairs = text::pairs(&request.query).map_err(Problem::Incomplete)?;
    let get = |name: &str| {
        pairs
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    };
    if get("X-Amz-Algorithm").is_none() {
        return Err(Problem::Missing);
    }
    let need = |name: &str| {
        get(name).map(String::as_str).ok_or_else(|| {
            Problem::Incomplete(format!(
                "AWS query-string parameters must include '{name}'."
            ))
        })
    };
    if need("X-Amz-Algorithm")? != ALGORITHM {
        return Err(Problem::Incomplete(format!(
            "Unsupported AWS 'algorithm': must be {ALGORITHM}"
        )));
    }
    let seconds: u64 = match get("X-Amz-Expires") {
        None => 900,
        Some(text) => text.parse().map_err(|_| {
            Problem::Incomplete("X-Amz-Expires must be a number of seconds".to_owned())
        })?,
    };
    assemble(
        need("X-Amz-Credential")?,
        need("X-Amz-SignedHeaders")?,
        need("X-Amz-Signature")?,
        need("X-Amz-Date")?.to_owned(),
        get("X-Amz-Security-Token").cloned(),
        Some(Duration::from_secs(seconds)),
    )
}

fn claim_of_header(request: &Request, header: &str) -> Result<Claim, Problem> {
    let Some(fields) = header.strip_prefix(ALGORITHM) else {
        return Err(Problem::Incomplete(format!(
            "Authorization header requires {ALGORITHM}"
        )));
    };
    let get = |name: &str| {
        let mut parts = fields.split(',').map(str::trim);
        parts
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| {
                Problem::Incomplete(format!("Authorization header requires '{name}' parameter."))
            })
    };
    let date = request.header("x-amz-date").ok_or_else(|| {
        Problem::Incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
                .to_owned(),
        )
    })?;
    let token = request.header("x-amz-security-token").map(str::to_owned);
    assemble(
        get("Credential")?,
        get("SignedHeaders")?,
        get("Signature")?,
        date.to_owned(),
        token,
        None,
    )
}

fn assemble(
    credential: &str,
    signed_headers: &str,
    signature: &str,
    date: String,
    token: Option<String>,
    expires: Option<Duration>,
) -> Result<Claim, Problem> {
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key_id, day, region, service, "aws4_request"] = scope[..] else {
        return Err(Problem::Incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term"
                .to_owned(),
        ));
    };
    let signed_headers: Vec<String> = signed_headers.split(';').map(str::to_owned).collect();
    if !signed_headers.iter().any(|name| name == "host") {
        return Err(Problem::Signature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ));
    }
    Ok(Claim {
        access_key_id: access_key_id.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        day: day.to_owned(),
        date,
        signed_headers,
        signature: signature.to_owned(),
        token,
        expires,
    })
}

/// Verifies a claim: key, token, time, scope and signature.
pub fn authenticate(
    world: &World,
    now: Timestamp,
    claim: &Claim,
    request: &Request,
) -> Result<Caller, Problem> {
    let (secret, caller) = secret_of(world, now, claim)?;
    check_time(world, now, claim)?;
    check_scope(claim, &request.host)?;
    let canonical = signature::canonical_request(claim, request)?;
    let to_sign = signature::string_to_sign(claim, &canonical);
    if signature::signature(&secret, claim, &to_sign) == claim.signature {
        return Ok(caller);
    }
    // AWS shows what it calculated; the secret cannot be derived from it.
    Err(Problem::Signature(format!(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for \
         details.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\nThe \
         String-to-Sign should have been\n'{to_sign}'\n"
    )))
}

/// The secret of a key and who has it.
fn secret_of(world: &World, now: Timestamp, claim: &Claim) -> Result<(String, Caller), Problem> {
    let id = &claim.access_key_id;
    let administrator_of = |account: &str| Caller {
        account: account.to_owned(),
        arn: match &world.held {
            Some(held) => held.arn(account),
            None => format!("arn:aws:iam::{account}:root"),
        },
        user_id: match &world.held {
            Some(_) => "AROASANDBOXPOLICYTRIED:sandbox".to_owned(),
            None => account.to_owned(),
        },
        region: claim.region.clone(),
        now,
        source: Via::Host.source(),
    };
    if let Some(session) = world.sts.session(id) {
        // A token of another session, or none, is as unknown as a wrong key.
        if claim.token.as_deref() != Some(&session.token) {
            return Err(Problem::UnknownKey);
        }
        if now >= session.expires {
            return Err(Problem::Expired);
        }
        let caller = Caller {
            account: session.account.clone(),
            arn: session.arn.clone(),
            user_id: session.user_id.clone(),
            region: claim.region.clone(),
            now,
            source: Via::Host.source(),
        };
        return Ok((session.secret.clone(), caller));
    }
    if let Some(key) = world.iam.access_key(id) {
        // Long-term keys have no token.
        if claim.token.is_some() {
            return Err(Problem::UnknownKey);
        }
        let caller = Caller {
            account: key.account.clone(),
            arn: key.arn.clone(),
            user_id: key.user_id.clone(),
            region: claim.region.clone(),
            now,
            source: Via::Host.source(),
        };
        return Ok((key.secret.clone(), caller));
    }
    let account = if id == "test" { ACCOUNT_DEFAULT } else { id };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if !is_account
        || claim
            .token
            .as_deref()
            .is_some_and(|token| !token.is_empty())
    {
        return Err(Problem::UnknownKey);
    }
    Ok(("test".to_owned(), administrator_of(account)))
}

/// The date must be near the world's time, or near the host's: who comes through the in-process door
/// has the world's clock, who comes by HTTP has the host's, which the world may have left behind.
fn check_time(world: &World, now: Timestamp, claim: &Claim) -> Result<(), Problem> {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &claim.date)
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|zoned| zoned.timestamp())
        .map_err(|_| {
            Problem::Incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601",
                claim.date
            ))
        })?;
    if !claim.date.starts_with(&claim.day) {
        return Err(Problem::Signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{}', from '{}'.",
            claim.day,
            claim.date.get(..8).unwrap_or_default(),
            claim.date
        )));
    }
    let host_now = now.checked_sub(world.ahead).unwrap_or(now);
    let late = claim.expires.map_or(SKEW_MAX, |span| {
        SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
    });
    let fits = |now: Timestamp| {
        let age = now.duration_since(date);
        age <= late && age >= -SKEW_MAX
    };
    if fits(now) || fits(host_now) {
        return Ok(());
    }
    let basic = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (early, edge, sign, word) = if date < host_now {
        ("expired", host_now.checked_sub(late), "-", "earlier")
    } else {
        (
            "not yet current",
            host_now.checked_add(SKEW_MAX),
            "+",
            "later",
        )
    };
    Err(Problem::Signature(format!(
        "Signature {early}: {} is {}{word} than {} ({} {sign} {} min.)",
        claim.date,
        if word == "earlier" { "now " } else { "still " },
        basic(edge.unwrap_or(host_now)),
        basic(host_now),
        late.as_mins(),
    )))
}

/// The scope's region must exist in form, and be us-east-1 for the services with one endpoint. A
/// client that calls STS by its name must have signed for the region of that name, which is us-east-1
/// for the global one.
fn check_scope(claim: &Claim, host: &str) -> Result<(), Problem> {
    let Some(model) = model::signed_as(&claim.service) else {
        return Ok(()); // The router refuses the service by name.
    };
    let plausible = claim.region.split('-').count() >= 3
        && claim
            .region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !plausible || (model.global && claim.region != "us-east-1") {
        return Err(Problem::Signature(
            "Credential should be scoped to a valid region. ".to_owned(),
        ));
    }
    let of_host = match host.strip_prefix("sts.").filter(|_| claim.service == "sts") {
        Some("amazonaws.com") => Some("us-east-1"),
        Some(rest) => rest.strip_suffix(".amazonaws.com"),
        None => None,
    };
    if of_host.is_some_and(|region| region != claim.region) {
        return Err(Problem::Signature(
            "Credential should be scoped to a valid region. ".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
