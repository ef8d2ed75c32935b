//! AWS Signature Version 4, as the IAM User Guide writes it down ("Create a signed AWS API request").
//!
//! The updater must name the signed headers itself, exactly and in both directions: to build a request
//! for STS around a signature that somebody else made, it must know which bytes were signed. Hence no
//! library that decides about headers. The published suite of vectors judges it (`tests/proofs.rs`).

use std::fmt;

use jiff::Timestamp;
use ring::hmac;

use super::canonical::{Sha256, quote};

/// The only algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Credentials of a role or user.
#[derive(Clone)]
pub struct Credentials {
    /// `ASIA...` or `AKIA...`.
    pub access_key_id: String,
    /// The secret.
    pub secret: String,
    /// The session's token, which temporary credentials have.
    pub token: Option<String>,
}

/// A request to sign. Names of headers and all texts are as the program has them, not encoded.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `POST`
    pub method: &'a str,
    /// The path, not percent-encoded and without `.` and `..` segments.
    pub path: &'a str,
    /// The query's names and values.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers to sign, `host` and `x-amz-date` among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// Hash of the body.
    pub body: Sha256,
}

/// Where and when a signature is good.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// `20261122T060000Z`: the value of `x-amz-date`.
    pub date: &'a str,
    /// The region.
    pub region: &'a str,
    /// The service, as in `sts`.
    pub service: &'a str,
}

/// A time as `x-amz-date` writes it.
pub fn date(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

impl Request<'_> {
    /// The canonical request.
    pub fn canonical(&self) -> String {
        let mut text = format!("{}\n", self.method);
        for (at, segment) in self.path.split('/').enumerate() {
            if at > 0 {
                text.push('/');
            }
            quote(segment, &mut text);
        }
        text.push('\n');
        let mut query: Vec<(String, String)> = Vec::with_capacity(self.query.len());
        for (name, value) in self.query {
            let mut pair = (String::new(), String::new());
            quote(name, &mut pair.0);
            quote(value, &mut pair.1);
            query.push(pair);
        }
        query.sort_unstable();
        for (at, (name, value)) in query.iter().enumerate() {
            let and = if at > 0 { "&" } else { "" };
            text.push_str(&format!("{and}{name}={value}"));
        }
        text.push('\n');
        for (name, value) in self.sorted() {
            text.push_str(&format!("{name}:{value}\n"));
        }
        text.push_str(&format!("\n{}\n{}", self.signed_headers(), self.body));
        text
    }

    /// The names of the signed headers, as `SignedHeaders` has them.
    pub fn signed_headers(&self) -> String {
        let names: Vec<String> = self.sorted().into_iter().map(|(name, _)| name).collect();
        names.join(";")
    }

    /// The value of `authorization`.
    pub fn authorization(&self, credentials: &Credentials, scope: &Scope<'_>) -> String {
        let signature = scope.signature(&credentials.secret, &self.canonical());
        scope.header(
            &credentials.access_key_id,
            &self.signed_headers(),
            &signature,
        )
    }

    /// Names in lower case, values without superfluous spaces.
    fn sorted(&self) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let words: Vec<&str> = value.split_ascii_whitespace().collect();
                (name.to_ascii_lowercase(), words.join(" "))
            })
            .collect();
        // Stable: values of one name keep their order.
        headers.sort_by(|one, other| one.0.cmp(&other.0));
        headers.dedup_by(|later, first| {
            let is_same = later.0 == first.0;
            if is_same {
                first.1.push(',');
                first.1.push_str(&later.1);
            }
            is_same
        });
        headers
    }
}

impl Scope<'_> {
    /// `20261122`, of a date as [`date`] writes it.
    fn day(&self) -> &str {
        self.date.get(..8).unwrap_or(self.date)
    }

    /// `20261122/us-east-1/sts/aws4_request`
    fn text(&self) -> String {
        format!(
            "{}/{}/{}/aws4_request",
            self.day(),
            self.region,
            self.service
        )
    }

    /// The text that is signed.
    pub fn string_to_sign(&self, canonical_request: &str) -> String {
        let hash = Sha256::of(canonical_request.as_bytes());
        format!("{ALGORITHM}\n{}\n{}\n{hash}", self.date, self.text())
    }

    /// The signature of a canonical request, 64 hex digits in lower case.
    pub fn signature(&self, secret: &str, canonical_request: &str) -> String {
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [self.day(), self.region, self.service, "aws4_request"] {
            key = mac(&key, part).as_ref().to_vec();
        }
        let signature = mac(&key, &self.string_to_sign(canonical_request));
        let mut bytes = [0; 32];
        bytes.copy_from_slice(signature.as_ref());
        Sha256(bytes).to_string()
    }

    /// The value of `authorization` around a signature.
    pub fn header(&self, access_key_id: &str, signed_headers: &str, signature: &str) -> String {
        format!(
            "{ALGORITHM} Credential={access_key_id}/{}, SignedHeaders={signed_headers}, \
             Signature={signature}",
            self.text()
        )
    }
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// Without the secret and the token.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
