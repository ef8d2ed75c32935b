//! Signature Version 4: the arithmetic, for verifying and for signing.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{ALGORITHM, Claim, Problem};
use crate::wire::text;
use crate::world::Request;

/// The canonical request, of exactly the headers that are said to be signed.
pub fn canonical_request(claim: &Claim, request: &Request) -> Result<String, Problem> {
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
    let parts: Vec<String> = parts.into_iter().map(text::percent_encode).collect();
    format!("/{}{}", parts.join("/"), if trailing { "/" } else { "" })
}

fn canonical_query(query: &str) -> Result<String, Problem> {
    let pairs = text::pairs(query).map_err(Problem::Incomplete)?;
    let mut encoded: Vec<(String, String)> = pairs
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (text::percent_encode(name), text::percent_encode(value)))
        .collect();
    encoded.sort();
    let joined: Vec<String> = encoded
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Ok(joined.join("&"))
}

/// What is signed.
pub fn string_to_sign(claim: &Claim, canonical: &str) -> String {
    format!(
        "{ALGORITHM}\n{}\n{}/{}/{}/aws4_request\n{}",
        claim.date,
        claim.day,
        claim.region,
        claim.service,
        hex(&Sha256::digest(canonical))
    )
}

/// The signature in hexadecimal digits.
pub fn signature(secret: &str, claim: &Claim, to_sign: &str) -> String {
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
