//! Who calls: Signature Version 4 as AWS verifies it, and what a caller may do.
//!
//! The canonical request is built from exactly the headers that the caller says are signed
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).
//! Credentials follow the emulators' convention: `test`/`test` is the root user of account
//! 123456789012, a 12-digit access key id with the secret `test` is the root user of that account,
//! and all others are sessions that this world issued.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::wire::model::{self, Protocol};
use crate::wire::text;
use crate::world::{AwsError, Caller, Need, Request, World};

/// How far a request's date may be from the time of its arrival.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Account of the key pair `test`/`test`.
pub const ACCOUNT_DEFAULT: &str = "123456789012";

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
    check_scope(claim)?;
    let canonical = canonical_request(claim, request)?;
    let to_sign = string_to_sign(claim, &canonical);
    if signature(&secret, claim, &to_sign) == claim.signature {
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
    let root_of = |account: &str| Caller {
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:root"),
        user_id: account.to_owned(),
        region: claim.region.clone(),
        now,
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
        };
        return Ok((session.secret.clone(), caller));
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
    Ok(("test".to_owned(), root_of(account)))
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

/// The scope's region must exist in form, and be us-east-1 for the services with one endpoint.
fn check_scope(claim: &Claim) -> Result<(), Problem> {
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
    Ok(())
}

fn canonical_request(claim: &Claim, request: &Request) -> Result<String, Problem> {
    let mut headers = String::new();
    for name in &claim.signed_headers {
        let values: Vec<String> = request
            .headers
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        if values.is_empty() {
            return Err(Problem::Signature(format!(
                "The request has no header '{name}', which it says is signed."
            )));
        }
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let body = hex(&Sha256::digest(&request.body));
    if let Some(said) = request.header("x-amz-content-sha256")
        && said != body
    {
        return Err(Problem::Signature(format!(
            "The value passed in as x-amz-content-sha256 is not the SHA-256 of the body: {said}"
        )));
    }
    Ok(format!(
        "{}\n{}\n{}\n{headers}\n{}\n{body}",
        request.method,
        canonical_path(&request.path),
        canonical_query(&request.query)?,
        claim.signed_headers.join(";"),
    ))
}

/// The path without dot segments and doubled slashes, encoded once more: every service but S3.
fn canonical_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let trailing = !parts.is_empty() && (path.ends_with('/') || path.ends_with("/."));
    let parts: Vec<String> = parts.into_iter().map(encode).collect();
    format!("/{}{}", parts.join("/"), if trailing { "/" } else { "" })
}

fn canonical_query(query: &str) -> Result<String, Problem> {
    let pairs = text::pairs(query).map_err(Problem::Incomplete)?;
    let mut encoded: Vec<(String, String)> = pairs
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    encoded.sort();
    let joined: Vec<String> = encoded
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Ok(joined.join("&"))
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn string_to_sign(claim: &Claim, canonical: &str) -> String {
    format!(
        "{ALGORITHM}\n{}\n{}/{}/{}/aws4_request\n{}",
        claim.date,
        claim.day,
        claim.region,
        claim.service,
        hex(&Sha256::digest(canonical))
    )
}

fn signature(secret: &str, claim: &Claim, to_sign: &str) -> String {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [&claim.day, &claim.region, &claim.service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    hex(&hmac(&key, to_sign.as_bytes()))
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length (RFC 2104)");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key pair, with its token if it belongs to a session.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token.
    pub token: Option<String>,
}

impl Credentials {
    /// The administrator of an account.
    pub fn administrator(account: &str) -> Self {
        Self {
            access_key_id: account.to_owned(),
            secret: "test".to_owned(),
            token: None,
        }
    }
}

/// Signs a request as an SDK would: for tests that speak to the world without an SDK.
pub fn sign(
    request: &mut Request,
    credentials: &Credentials,
    (region, service): (&str, &str),
    at: Timestamp,
) {
    let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    if request.header("host").is_none() {
        request.headers.push(("host".into(), request.host.clone()));
    }
    request.headers.push(("x-amz-date".into(), date.clone()));
    if let Some(token) = &credentials.token {
        request
            .headers
            .push(("x-amz-security-token".into(), token.clone()));
    }
    let mut names: Vec<String> = request
        .headers
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    names.sort();
    names.dedup();
    let claim = Claim {
        access_key_id: credentials.access_key_id.clone(),
        region: region.to_owned(),
        service: service.to_owned(),
        day: date[..8].to_owned(),
        date,
        signed_headers: names,
        signature: String::new(),
        token: None,
        expires: None,
    };
    let canonical =
        canonical_request(&claim, request).expect("every header of the request is there");
    let signature = signature(
        &credentials.secret,
        &claim,
        &string_to_sign(&claim, &canonical),
    );
    let header = format!(
        "{ALGORITHM} Credential={}/{}/{region}/{service}/aws4_request, SignedHeaders={}, \
         Signature={signature}",
        claim.access_key_id,
        claim.day,
        claim.signed_headers.join(";")
    );
    request.headers.push(("authorization".into(), header));
}

/// Whether a caller may do what a call needs.
///
/// Every call passes here with the needs its operation declares. Until policies are evaluated, each
/// principal of this world is an administrator, of its own account only: operations find nothing of
/// other accounts.
pub fn authorize(_world: &World, caller: &Caller, needs: &[Need]) -> Result<(), AwsError> {
    for need in needs {
        let well_formed = need.action.split_once(':').is_some_and(|(service, name)| {
            !service.is_empty() && name.starts_with(|first: char| first.is_ascii_uppercase())
        });
        if !well_formed || need.resource.is_empty() {
            return Err(AwsError::new(
                "InternalFailure",
                format!(
                    "{}: '{}' on '{}' is no need",
                    caller.arn, need.action, need.resource
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Profile;

    const VECTORS: &str = include_str!("../vectors/sigv4.json");

    #[derive(Deserialize)]
    struct Vectors {
        secret: String,
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        signed_request: String,
        canonical_request: String,
    }

    /// A request as the suite writes it: the target may have spaces, header values may too.
    fn parse(text: &str) -> Request {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.trim_end().lines();
        let first = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap();
        let (method, target) = first.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Request {
            method: method.into(),
            host: "example.amazonaws.com".into(),
            path: path.into(),
            query: query.into(),
            headers: lines.map(header).collect(),
            body: body.into(),
        }
    }

    #[test]
    fn the_published_vectors_verify() {
        let Vectors { secret, vectors } = serde_json::from_str(VECTORS).unwrap();
        for vector in vectors {
            let request = parse(&vector.signed_request);
            let claim = claim(&request).unwrap();
            let canonical = canonical_request(&claim, &request).unwrap();
            assert_eq!(canonical, vector.canonical_request, "{}", vector.name);
            let signature = signature(&secret, &claim, &string_to_sign(&claim, &canonical));
            assert_eq!(signature, claim.signature, "{}", vector.name);
        }
    }

    fn noon() -> Timestamp {
        "2026-01-15T12:00:00Z".parse().unwrap()
    }

    fn request() -> Request {
        Request {
            method: "POST".into(),
            host: "kms.us-east-1.amazonaws.com".into(),
            path: "/".into(),
            query: String::new(),
            headers: vec![("x-amz-target".into(), "TrentService.ListKeys".into())],
            body: b"{}".to_vec(),
        }
    }

    fn judged(world: &World, now: Timestamp, request: &Request) -> Result<Caller, Problem> {
        authenticate(world, now, &claim(request)?, request)
    }

    #[test]
    fn any_change_of_what_is_signed_is_noticed() {
        let world = World::new(1, Profile::Fast);
        let mut good = request();
        let keys = Credentials::administrator("966362334030");
        sign(&mut good, &keys, ("eu-west-1", "kms"), noon());
        let caller = judged(&world, noon(), &good).unwrap();
        assert_eq!(caller.arn, "arn:aws:iam::966362334030:root");
        assert_eq!(caller.region, "eu-west-1");

        type Change = fn(&mut Request);
        let changes: [(&str, Change); 6] = [
            ("method", |request| request.method = "GET".into()),
            ("path", |request| request.path = "/x".into()),
            ("query", |request| request.query = "a=b".into()),
            ("body", |request| request.body = b"{ }".to_vec()),
            ("header", |request| {
                request.headers[0].1 = "TrentService.Sign".into()
            }),
            ("added header", |request| {
                request.headers.push(("host".into(), "other".into()))
            }),
        ];
        for (what, change) in changes {
            let mut changed = good.clone();
            change(&mut changed);
            let found = judged(&world, noon(), &changed);
            assert!(
                matches!(found, Err(Problem::Signature(_))),
                "{what}: {found:?}"
            );
        }
        // What is not signed may change on the way.
        let mut tagged = good.clone();
        tagged.headers.push(("x-trace".into(), "1".into()));
        assert!(judged(&world, noon(), &tagged).is_ok());
    }

    #[test]
    fn the_date_fits_the_clock_of_the_world_or_of_the_host() {
        let mut world = World::new(1, Profile::Fast);
        let mut signed = request();
        sign(
            &mut signed,
            &Credentials::administrator("test"),
            ("us-east-1", "kms"),
            noon(),
        );
        let at = |world: &World, minutes: i64| {
            judged(world, noon() + SignedDuration::from_mins(minutes), &signed).is_ok()
        };
        assert!(at(&world, 15) && at(&world, -15));
        assert!(!at(&world, 16) && !at(&world, -16));
        world.ahead = Duration::from_secs(86_400);
        assert!(at(&world, 24 * 60), "signed by the host's clock");
        assert!(at(&world, 0), "signed by the world's clock");
        assert!(!at(&world, 12 * 60));
        let expired = judged(&world, noon() + SignedDuration::from_hours(30), &signed).unwrap_err();
        assert_eq!(
            expired,
            Problem::Signature(
                "Signature expired: 20260115T120000Z is now earlier than 20260115T174500Z \
                 (20260115T180000Z - 15 min.)"
                    .into()
            )
        );
    }

    #[test]
    fn unknown_keys_and_wrong_places_are_refused_in_the_words_of_the_service() {
        let world = World::new(1, Profile::Fast);
        let check = |keys: &Credentials, place: (&str, &str), xml: &str, json: &str| {
            let mut signed = request();
            sign(&mut signed, keys, place, noon());
            let problem = judged(&world, noon(), &signed).unwrap_err();
            let error = problem.error(Protocol::RestXml);
            assert_eq!((error.code.as_str(), error.status), (xml, Some(403)));
            let error = problem.error(Protocol::Json);
            assert_eq!((error.code.as_str(), error.status), (json, Some(400)));
        };
        let test = Credentials::administrator("test");
        let wrong = Credentials {
            secret: "wrong".into(),
            ..test.clone()
        };
        let token = Credentials {
            token: Some("x".into()),
            ..test.clone()
        };
        let unknown = Credentials::administrator("AKIDEXAMPLE");
        let home = ("us-east-1", "kms");
        check(
            &unknown,
            home,
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        );
        check(
            &token,
            home,
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        );
        check(
            &wrong,
            home,
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
        );
        let abroad = ("eu-west-1", "route53");
        check(
            &test,
            abroad,
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
        );
        assert_eq!(claim(&request()), Err(Problem::Missing));
    }
}
