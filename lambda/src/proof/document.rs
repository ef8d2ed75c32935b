//! The proof `identity-document`: what EC2 signed when the instance started.
//!
//! It is a bearer's proof. The document has no audience, no nonce and no end, it is made at launch and
//! not when it is fetched, and several other services ask for a copy. So it counts only while it is
//! young, and only for what the request's source address vouches for ([`Proven::must_match_source`]):
//! `allowed` sees to that.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::signature::{self, UnparsedPublicKey};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cms::Message;
use super::keys::{KeyType, Keys};
use super::{Proven, Unproven, Verifier, Via, Who, apart};
use crate::protocol::{Region, Update, is_account_id, is_instance_id};

/// How old a document may be: from the start of the instance to the end of its first boot, with time
/// for a package or two. Longer would help nobody but whoever found a copy; an instance that has been
/// up for longer has the proof `instance-role`.
pub const DOCUMENT_AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// How far a document may be from the future: two clocks of AWS are never that far apart.
const AHEAD_MAX: Duration = Duration::from_secs(120);

/// EC2 writes under 700 bytes; lists of product codes can make it longer.
const DOCUMENT_CHARS_MAX: usize = 8 * 1024;

/// 128 bytes in base64 are 172 characters, and EC2 breaks the lines.
const SIGNATURE_CHARS_MAX: usize = 512;

/// A document and about 800 bytes around it.
const MESSAGE_CHARS_MAX: usize = 12 * 1024;

/// What was sent, decoded.
#[derive(Clone)]
pub(super) enum Presented {
    /// The document and the signature of its bytes.
    Detached {
        document: Vec<u8>,
        signature: Vec<u8>,
    },
    /// A message with the document inside, and the document once more.
    Message {
        message: Message,
        document: Option<Vec<u8>>,
    },
}

/// Why a document proves nothing. The texts go to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefused {
    /// Longer than any that EC2 makes.
    #[error("{0} is longer than anything that EC2 signs")]
    TooLong(&'static str),
    /// Not base64.
    #[error("{0} is not base64")]
    Base64(&'static str),
    /// Not a message of EC2's shape.
    #[error(
        "instance_identity_rsa2048 is not the message that the instance metadata has at \
         /latest/dynamic/instance-identity/rsa2048, exactly as it is"
    )]
    Message,
    /// Not a document of EC2's form.
    #[error("the instance identity document is not one that EC2 writes: {0}")]
    Form(&'static str),
    /// Nobody can verify documents of that region.
    #[error("the document is of a region whose signatures this updater cannot verify")]
    Region,
    /// Not signed by AWS.
    #[error(
        "the signature is not AWS's for this document: send the document's exact bytes in base64, \
         not parsed and written again, and without an added line end"
    )]
    Signature,
    /// The message is of another document than the one beside it.
    #[error("instance_identity_document is not the document in instance_identity_rsa2048")]
    Differs,
    /// Too old, or from the future.
    #[error(
        "the document is {}, and counts for {} s after the instance started; use the proof \
         `instance-role`",
        apart(*.secs), DOCUMENT_AGE_MAX.as_secs()
    )]
    Age {
        /// How old, in seconds.
        secs: i64,
    },
}

/// What a document says that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Document {
    account: String,
    region: Region,
    instance: String,
    pending: Timestamp,
}

impl DocumentRefused {
    /// Whether nothing of the kind was sent at all.
    pub(super) fn is_form(&self) -> bool {
        match self {
            Self::TooLong(_) | Self::Base64(_) | Self::Message | Self::Form(_) => true,
            Self::Region | Self::Signature | Self::Differs | Self::Age { .. } => false,
        }
    }
}

impl Presented {
    pub(super) fn detached(document: &str, signature: &str) -> Result<Self, DocumentRefused> {
        let named = "instance_identity_signature";
        Ok(Self::Detached {
            document: document_bytes(document)?,
            signature: decode(named, signature, SIGNATURE_CHARS_MAX)?,
        })
    }

    pub(super) fn message(message: &str, document: Option<&str>) -> Result<Self, DocumentRefused> {
        let message = decode("instance_identity_rsa2048", message, MESSAGE_CHARS_MAX)?;
        Ok(Self::Message {
            message: Message::read(&message).map_err(|_| DocumentRefused::Message)?,
            document: document.map(document_bytes).transpose()?,
        })
    }
}

pub(super) fn verify(
    verifier: &Verifier,
    now: Timestamp,
    update: Update,
    presented: Presented,
) -> Result<Proven, Unproven> {
    let bytes = presented.verified(&verifier.keys)?;
    let document = Document::read(bytes)?;
    let secs = now.as_second() - document.pending.as_second();
    let is_young = i64::try_from(DOCUMENT_AGE_MAX.as_secs()).is_ok_and(|most| secs <= most);
    let is_past = i64::try_from(AHEAD_MAX.as_secs()).is_ok_and(|most| -secs <= most);
    if !is_young || !is_past {
        return Err(DocumentRefused::Age { secs }.into());
    }
    if document.region.partition() != verifier.partition {
        return Err(Unproven::OtherPartition);
    }
    Ok(Proven {
        request: update.sha256(),
        update,
        account: document.account,
        region: document.region,
        who: Who::Instance {
            id: document.instance,
        },
        via: Via::Document,
    })
}

impl Presented {
    /// The document's bytes, once AWS's key for the region they name has been found to sign them. Of
    /// bytes that nobody has verified only the region is read, since it chooses the key.
    fn verified(&self, keys: &Keys) -> Result<&[u8], DocumentRefused> {
        let key = |document: &[u8], of| {
            let region = Members::read(document)?.region()?;
            keys.find(region, of).ok_or(DocumentRefused::Region)
        };
        match self {
            Self::Detached {
                document,
                signature,
            } => {
                let key = key(document, KeyType::Signature)?;
                // RSA with 1,024 bits: AWS has no other signature at this place.
                let algorithm = &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY;
                UnparsedPublicKey::new(algorithm, key)
                    .verify(document, signature)
                    .map_err(|_| DocumentRefused::Signature)?;
                Ok(document)
            }
            Self::Message { message, document } => {
                let content = message.content();
                if document.as_deref().is_some_and(|sent| sent != content) {
                    return Err(DocumentRefused::Differs);
                }
                let key = key(content, KeyType::Rsa2048)?;
                if !message.is_signed_by(key) {
                    return Err(DocumentRefused::Signature);
                }
                Ok(content)
            }
        }
    }
}

impl Document {
    /// Reads what AWS signed.
    fn read(bytes: &[u8]) -> Result<Self, DocumentRefused> {
        let members = Members::read(bytes)?;
        let account = members.text("accountId")?;
        if !is_account_id(account) {
            return Err(DocumentRefused::Form("accountId"));
        }
        let instance = members.text("instanceId")?;
        if !is_instance_id(instance) {
            return Err(DocumentRefused::Form("instanceId"));
        }
        let written = members.text("pendingTime")?;
        let pending: Timestamp = written
            .parse()
            .map_err(|_| DocumentRefused::Form("pendingTime"))?;
        // The parser also takes offsets and fractions, which EC2 does not write.
        if pending.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() != written {
            return Err(DocumentRefused::Form("pendingTime"));
        }
        Ok(Self {
            account: account.to_owned(),
            region: members.region()?,
            instance: instance.to_owned(),
            pending,
        })
    }
}

/// A JSON object whose members are all of different names, upper and lower case being the same: where
/// two readers could differ about a document, it is none. Members that EC2 may add are no reason to
/// refuse.
struct Members(BTreeMap<String, Value>);

enum Value {
    Null,
    Text(String),
    /// EC2 writes numbers nowhere, and lists only where they do not matter.
    Other,
}

impl Members {
    fn read(bytes: &[u8]) -> Result<Self, DocumentRefused> {
        serde_json::from_slice(bytes).map_err(|_| DocumentRefused::Form("its JSON"))
    }

    fn text(&self, name: &'static str) -> Result<&str, DocumentRefused> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Null | Value::Other) | None => Err(DocumentRefused::Form(name)),
        }
    }

    fn region(&self) -> Result<Region, DocumentRefused> {
        Region::named(self.text("region")?).ok_or(DocumentRefused::Region)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: BTreeMap<String, Value> = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let is_same = |known: &String| known.eq_ignore_ascii_case(&name);
                    if members.keys().any(is_same) {
                        return Err(de::Error::custom("a member twice"));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a text or a list")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn document_bytes(text: &str) -> Result<Vec<u8>, DocumentRefused> {
    decode("instance_identity_document", text, DOCUMENT_CHARS_MAX)
}

/// Base64 with line ends, which EC2 and `base64` of coreutils write; nothing else is skipped.
fn decode(member: &'static str, text: &str, chars_max: usize) -> Result<Vec<u8>, DocumentRefused> {
    if text.len() > chars_max {
        return Err(DocumentRefused::TooLong(member));
    }
    let text: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    STANDARD
        .decode(text)
        .map_err(|_| DocumentRefused::Base64(member))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{
  "accountId" : "123456789012",
  "billingProducts" : null,
  "marketplaceProductCodes" : [ "1abc2defghijklm3nopqrs4tu" ],
  "instanceId" : "i-0123456789abcdef0",
  "pendingTime" : "2026-11-22T06:00:00Z",
  "privateIp" : "10.0.1.242",
  "region" : "us-east-1"
}"#;

    fn changed(from: &str, to: &str) -> Result<Document, DocumentRefused> {
        assert!(DOCUMENT.contains(from), "{from}");
        Document::read(DOCUMENT.replacen(from, to, 1).as_bytes())
    }

    #[test]
    fn what_matters_is_read() {
        let document = Document::read(DOCUMENT.as_bytes()).unwrap();
        assert_eq!(document.account, "123456789012");
        assert_eq!(document.instance, "i-0123456789abcdef0");
        assert_eq!(document.region.name(), "us-east-1");
        // What EC2 may add some day is no reason to refuse.
        assert!(changed("{", "{ \"outpostArn\": \"x\",").is_ok());
    }

    #[test]
    fn no_member_is_there_twice_in_any_case() {
        let json = Err(DocumentRefused::Form("its JSON"));
        for twin in [
            "\"accountId\": \"123456789012\",",
            "\"accountId\": \"210987654321\",",
            "\"AccountID\": \"210987654321\",",
            "\"account\\u0049d\": \"210987654321\",",
            "\"billingProducts\": null,",
            "\"new\": null, \"new\": null,",
        ] {
            assert_eq!(changed("{", &format!("{{{twin}")), json, "{twin}");
        }
    }

    #[test]
    fn members_have_one_form() {
        for (from, to, what) in [
            ("\"123456789012\"", "123456789012", "its JSON"),
            ("\"123456789012\"", "\"12345678901\"", "accountId"),
            ("\"123456789012\"", "\"-23456789012\"", "accountId"),
            ("\"123456789012\"", "null", "accountId"),
            ("i-0123456789abcdef0", "i-0123", "instanceId"),
            ("\"i-0123456789abcdef0\"", "[]", "instanceId"),
            ("06:00:00Z", "06:00:00+00:00", "pendingTime"),
            ("06:00:00Z", "06:00:00.5Z", "pendingTime"),
            ("T06:00:00Z", "", "pendingTime"),
            ("\"accountId\"", "\"accountID\"", "accountId"),
            ("\"us-east-1\"\n}", "\"us-east-1\"\n}}", "its JSON"),
            ("null", "{ \"a\": 1 }", "its JSON"),
        ] {
            assert_eq!(
                changed(from, to),
                Err(DocumentRefused::Form(what)),
                "{from} -> {to}"
            );
        }
        assert_eq!(
            changed("us-east-1", "us-east-9"),
            Err(DocumentRefused::Region)
        );
        assert_eq!(Document::read(b""), Err(DocumentRefused::Form("its JSON")));
        assert_eq!(
            Document::read(b"[]"),
            Err(DocumentRefused::Form("its JSON"))
        );
    }

    #[test]
    fn base64_may_have_line_ends_and_nothing_else() {
        let decoded = |text: &str| decode("it", text, 20);
        assert_eq!(decoded("c3BvcmU="), Ok(b"spore".to_vec()));
        assert_eq!(decoded("c3Bv\r\ncmU=\n"), Ok(b"spore".to_vec()));
        for other in [
            "c3BvcmU",
            "c3BvcmU==",
            "c3BvcmV=",
            "c3Bv cmU=",
            "c3Bv-mU=",
            "=c3Bvcm",
        ] {
            assert_eq!(
                decoded(other),
                Err(DocumentRefused::Base64("it")),
                "{other}"
            );
        }
        assert_eq!(
            decoded(&"c3Bv".repeat(6)),
            Err(DocumentRefused::TooLong("it"))
        );
    }
}
