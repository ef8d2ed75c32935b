//! The one request to STS that a proof stands for: made from constants, from what the updater received,
//! and from five texts of the caller, each of which is checked so closely that none can become part of
//! something else (a second header, another parameter of `authorization`).

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::canonical::Sha256;
use super::ids::is_lower_hex;
use super::region::Region;
use super::sigv4::{self, Credentials, Scope};

/// The body. STS answers who signed the request.
pub const ACTION: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// The body's type, as AWS's own clients send it.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The signed headers: these and no others.
pub const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-security-token;\
                                  x-spore-audience;x-spore-nonce;x-spore-sha256";

/// Credentials that end have ids of this form (IAM User Guide, "IAM identifiers").
const TEMPORARY: &str = "ASIA";

/// STS API Reference, `Credentials`: 16 to 128 characters.
const KEY_CHARS: std::ops::RangeInclusive<usize> = 16..=128;

/// AWS states no maximum; aws-iam-authenticator has lived with this one since 2017.
const TOKEN_CHARS_MAX: usize = 4096;

/// Whom a signature is meant for: `spore/1 request DOMAIN ZONEID`. A proof that somebody else was
/// given, for another stack or in the other direction, is of no use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience(String);

/// 128 random bits of the caller, as 32 hex digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

/// Which role's credentials a proof is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedType {
    /// The instance identity role, which every EC2 instance has.
    InstanceRole,
    /// A role of IAM.
    IamRole,
}

/// The member `proof` of a request. Exactly these members, each a text; none but the type is checked
/// yet.
#[derive(Clone, Serialize)]
pub struct SignedProof {
    /// Whose credentials.
    #[serde(rename = "type")]
    pub signed_type: SignedType,
    /// Region of the STS that it is signed for.
    pub region: String,
    /// `ASIA...`
    pub access_key_id: String,
    /// `20261122T060000Z`
    pub date: String,
    /// The session's token.
    pub token: String,
    /// 64 hex digits in lower case.
    pub signature: String,
    /// 32 hex digits in lower case.
    pub nonce: String,
}

/// What both directions have in common: a signature and where it is good, checked for form.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) region: Region,
    pub(crate) access_key_id: String,
    pub(crate) date: String,
    pub(crate) time: Timestamp,
    pub(crate) token: String,
    pub(crate) signature: String,
}

/// A request to STS, complete: to be sent by POST to `https://HOST/`, without following redirects and
/// without any header but these (`content-length` aside).
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    region: Region,
    headers: Vec<(&'static str, String)>,
}

/// Why a proof is none, whatever STS would say. The texts go to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not in the list.
    #[error("region is not one whose instances can be verified")]
    Region,
    /// Another form than that of temporary credentials.
    #[error("access_key_id is not that of temporary credentials (`ASIA` and more)")]
    AccessKeyId,
    /// Not a time in the one form there is.
    #[error("date is not of the form `20261122T060000Z`")]
    Date,
    /// Empty, too long or with characters that no token has.
    #[error("token is not a session token of at most {TOKEN_CHARS_MAX} characters")]
    Token,
    /// Not a signature.
    #[error("signature is not 64 hex digits in lower case")]
    Signature,
    /// Not a nonce.
    #[error("nonce is not 32 hex digits in lower case")]
    Nonce,
}

impl Audience {
    /// Of a request to the updater of this zone.
    pub fn request(domain: &str, zone_id: &str) -> Self {
        Self(format!("spore/1 request {domain} {zone_id}"))
    }

    /// Of that updater's answer.
    pub fn response(domain: &str, zone_id: &str) -> Self {
        Self(format!("spore/1 response {domain} {zone_id}"))
    }

    /// As the header has it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Nonce {
    /// Of random bits.
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is not 32 hex digits in lower case.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        if text.len() != 32 || !is_lower_hex(text) {
            return Err(Malformed::Nonce);
        }
        Ok(Self(text.to_owned()))
    }

    /// As the header has it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl SignedProof {
    /// What a client does: signs that it asks for this update, now. `credentials` must be temporary,
    /// and those of the role that `signed_type` says.
    ///
    /// # Errors
    /// When the credentials are of another form, long-lived ones for example.
    pub fn sign(
        signed_type: SignedType,
        credentials: &Credentials,
        region: Region,
        now: Timestamp,
        audience: &Audience,
        nonce: &Nonce,
        update: Sha256,
    ) -> Result<Self, Malformed> {
        let signed = Signed::sign(credentials, region, now, audience, nonce, update)?;
        Ok(Self {
            signed_type,
            region: signed.region.name().to_owned(),
            access_key_id: signed.access_key_id,
            date: signed.date,
            token: signed.token,
            signature: signed.signature,
            nonce: nonce.text().to_owned(),
        })
    }

    /// The checked parts.
    pub(crate) fn read(self) -> Result<(Signed, Nonce), Malformed> {
        let nonce = Nonce::read(&self.nonce)?;
        let signed = Signed::read(
            &self.region,
            self.access_key_id,
            self.date,
            self.token,
            self.signature,
        )?;
        Ok((signed, nonce))
    }
}

impl Signed {
    pub(crate) fn read(
        region: &str,
        access_key_id: String,
        date: String,
        token: String,
        signature: String,
    ) -> Result<Self, Malformed> {
        let region = Region::named(region).ok_or(Malformed::Region)?;
        if !is_access_key_id(&access_key_id) {
            return Err(Malformed::AccessKeyId);
        }
        let time = read_date(&date).ok_or(Malformed::Date)?;
        if !is_token(&token) {
            return Err(Malformed::Token);
        }
        if signature.len() != 64 || !is_lower_hex(&signature) {
            return Err(Malformed::Signature);
        }
        Ok(Self {
            region,
            access_key_id,
            date,
            time,
            token,
            signature,
        })
    }

    pub(crate) fn sign(
        credentials: &Credentials,
        region: Region,
        now: Timestamp,
        audience: &Audience,
        nonce: &Nonce,
        hash: Sha256,
    ) -> Result<Self, Malformed> {
        let mut signed = Self::read(
            region.name(),
            credentials.access_key_id.clone(),
            sigv4::date(now),
            credentials.token.clone().unwrap_or_default(),
            "0".repeat(64),
        )?;
        let headers = signed.headers(audience, nonce, hash);
        let canonical = canonical_request(&headers);
        signed.signature = signed.scope().signature(&credentials.secret, &canonical);
        Ok(signed)
    }

    /// The request that carries the signature.
    pub(crate) fn call(&self, audience: &Audience, nonce: &Nonce, hash: Sha256) -> Call {
        let mut headers = self.headers(audience, nonce, hash);
        let authorization =
            self.scope()
                .header(&self.access_key_id, SIGNED_HEADERS, &self.signature);
        headers.push(("authorization", authorization));
        Call {
            region: self.region,
            headers,
        }
    }

    /// The signed headers, in the order of [`SIGNED_HEADERS`].
    fn headers(
        &self,
        audience: &Audience,
        nonce: &Nonce,
        hash: Sha256,
    ) -> Vec<(&'static str, String)> {
        vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", self.region.sts_host()),
            ("x-amz-date", self.date.clone()),
            ("x-amz-security-token", self.token.clone()),
            ("x-spore-audience", audience.text().to_owned()),
            ("x-spore-nonce", nonce.text().to_owned()),
            ("x-spore-sha256", hash.to_string()),
        ]
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            date: &self.date,
            region: self.region.name(),
            service: "sts",
        }
    }
}

/// Of the one request there is.
fn canonical_request(headers: &[(&'static str, String)]) -> String {
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let request = sigv4::Request {
        method: "POST",
        path: "/",
        query: &[],
        headers: &headers,
        body: Sha256::of(ACTION.as_bytes()),
    };
    request.canonical()
}

impl Call {
    /// The region whose STS is asked.
    pub fn region(&self) -> Region {
        self.region
    }

    /// The host, which is also among the headers.
    pub fn host(&self) -> String {
        self.region.sts_host()
    }

    /// Every header, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// The body.
    pub fn body(&self) -> &'static str {
        ACTION
    }
}

fn is_access_key_id(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    KEY_CHARS.contains(&text.len()) && text.starts_with(TEMPORARY) && text.bytes().all(is_char)
}

/// Base64 in either alphabet; tokens are opaque, but these are the only characters seen in one.
fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_char)
}

/// A date exactly as [`sigv4::date`] writes it. The parser is lenient, so what it read is written again.
fn read_date(text: &str) -> Option<Timestamp> {
    if text.len() != 16 {
        return None;
    }
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (sigv4::date(time) == text).then_some(time)
}

/// Derived code would take more than is written down: a list of seven texts for an object, an object
/// for the type.
impl<'de> Deserialize<'de> for SignedProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            r#type: String,
            region: String,
            access_key_id: String,
            date: String,
            token: String,
            signature: String,
            nonce: String,
        }

        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = SignedProof;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SignedProof, A::Error> {
                let wire = Wire::deserialize(MapAccessDeserializer::new(map))?;
                let signed_type = match wire.r#type.as_str() {
                    "instance-role" => SignedType::InstanceRole,
                    "iam-role" => SignedType::IamRole,
                    _ => {
                        let expected = "type must be `instance-role` or `iam-role`";
                        return Err(de::Error::custom(expected));
                    }
                };
                Ok(SignedProof {
                    signed_type,
                    region: wire.region,
                    access_key_id: wire.access_key_id,
                    date: wire.date,
                    token: wire.token,
                    signature: wire.signature,
                    nonce: wire.nonce,
                })
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Without the token and the signature: whoever reads a log could use them for two minutes.
impl fmt::Debug for SignedProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedProof")
            .field("signed_type", &self.signed_type)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("region", &self.region)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
