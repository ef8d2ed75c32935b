//! What a caller asks for: the body, read strictly. Every member has one meaning and one form; what
//! else is there is refused by name, so that no misspelt member is silently without effect, and a
//! member that is there twice has no second reading.
//!
//! Nothing here is believed: an [`Asked`] is well-formed, not allowed. Its texts are safe to show, since
//! each was judged character by character. Of what is refused only two things are repeated, to the caller
//! and in the log: the name of an unknown member, if it is a short name of letters, digits, hyphens and
//! underscores, and a single character of a label, escaped.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::config::RecordType;
use crate::name::{self, RecordLabel};
use crate::owner::{self, Owner};
use crate::proof::Members;
use crate::protocol::Update;

/// Members a request can have.
const MEMBERS: [&str; 11] = [
    "record_name",
    "ip_address",
    "action",
    "record_type",
    "ttl",
    "text",
    "owner",
    "proof",
    "instance_identity_document",
    "instance_identity_signature",
    "instance_identity_rsa2048",
];

/// Characters of a TXT record's text. Route 53 takes 4,000 with quotes and escapes; DNS answers over
/// UDP stay whole up to about 1,200 bytes (RFC 9715), with a signature of 100 in them.
const TEXT_CHARS_MAX: usize = 1_000;

/// The longest name of an unknown member that is repeated to the caller.
const SHOWN_CHARS_MAX: usize = 40;

/// What an update asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The label.
    pub record: RecordLabel,
    /// What is to become of it.
    pub wish: Wish,
    /// The mark that the caller believes to be at the name.
    pub owner: Option<Owner>,
}

/// What is to become of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// It has this record.
    Set {
        /// What the record says.
        data: Data,
        /// Its TTL, if the caller chose one.
        ttl_secs: Option<u32>,
    },
    /// It has no such record.
    Remove {
        /// Records of one type only; else all, and the name is free.
        only: Option<RecordType>,
        /// An address that clients of spawn send with it. It decides nothing.
        mentioned: Option<IpAddr>,
    },
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An A or AAAA record.
    Address(IpAddr),
    /// A TXT record's text: printable ASCII.
    Text(String),
}

/// Why a body is no request. The texts go to callers and to the log; what they repeat is at the head of
/// this file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// No JSON.
    #[error("the body is not JSON: line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error("the body is to be one JSON object")]
    NoObject,
    /// A member there is not.
    #[error("there is no member {0}; known are {known}", known = MEMBERS.join(", "))]
    Unknown(String),
    /// A member that is there twice.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// A member of another type.
    #[error("{member} is to be {what}")]
    Type {
        /// Which.
        member: &'static str,
        /// What it is to be.
        what: &'static str,
    },
    /// A member that is missing.
    #[error("{member} is missing; {hint}")]
    Missing {
        /// Which.
        member: &'static str,
        /// What to write.
        hint: &'static str,
    },
    /// A label that may not be.
    #[error("{0}")]
    Label(#[from] name::Refused),
    /// A member with a value that cannot be.
    #[error("{member} {why}")]
    Value {
        /// Which.
        member: &'static str,
        /// What it should be.
        why: &'static str,
    },
    /// A member that means nothing in this request.
    #[error("{member} has no meaning {when}; leave it out")]
    Superfluous {
        /// Which.
        member: &'static str,
        /// In what.
        when: &'static str,
    },
    /// A mark that is none.
    #[error("owner is {0}; send the one of the last answer, or none")]
    Owner(owner::Malformed),
}

/// Reads a body: what is asked for, as it was sent, and what is to prove by whom. The values are not
/// judged yet.
///
/// # Errors
/// When it is not an object of known members, each there once and of its type.
pub fn read(body: &str) -> Result<(Update, Members), BadRequest> {
    let mut read = Body::default();
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let reader = Reader {
        body: &mut read,
        found: &mut found,
    };
    let ended = reader
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match (ended, found) {
        (Ok(()), _) => Ok((read.update, read.members)),
        (Err(_), Some(found)) => Err(found),
        (Err(error), None) if error.is_data() => Err(BadRequest::NoObject),
        (Err(error), None) => Err(BadRequest::Syntax {
            line: error.line(),
            column: error.column(),
        }),
    }
}

impl Asked {
    /// Judges the values of an update.
    ///
    /// # Errors
    /// When it is not exactly a request for one record or one removal.
    pub fn read(update: &Update) -> Result<Self, BadRequest> {
        let record = update.record_name.as_deref().ok_or(BadRequest::Missing {
            member: "record_name",
            hint: "it is the first label of the name",
        })?;
        let owner = update
            .owner
            .as_deref()
            .map(|mark| mark.parse().map_err(BadRequest::Owner))
            .transpose()?;
        Ok(Self {
            record: record.parse()?,
            wish: wish(update)?,
            owner,
        })
    }
}

impl Wish {
    /// The word for it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Set { .. } => "UPSERT",
            Self::Remove { .. } => "DELETE",
        }
    }

    /// The type it is about, if it is one.
    pub fn record_type(&self) -> Option<RecordType> {
        match self {
            Self::Set { data, .. } => Some(data.record_type()),
            Self::Remove { only, .. } => *only,
        }
    }

    /// The address it names.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Set {
                data: Data::Address(address),
                ..
            } => Some(*address),
            Self::Set {
                data: Data::Text(_),
                ..
            } => None,
            Self::Remove { mentioned, .. } => *mentioned,
        }
    }
}

impl Data {
    /// The type of a record that says it.
    pub fn record_type(&self) -> RecordType {
        match self {
            Self::Address(IpAddr::V4(_)) => RecordType::A,
            Self::Address(IpAddr::V6(_)) => RecordType::Aaaa,
            Self::Text(_) => RecordType::Txt,
        }
    }
}

fn wish(update: &Update) -> Result<Wish, BadRequest> {
    let only = match update.record_type.as_deref() {
        None => None,
        Some("A") => Some(RecordType::A),
        Some("AAAA") => Some(RecordType::Aaaa),
        Some("TXT") => Some(RecordType::Txt),
        Some(_) => {
            return Err(BadRequest::Value {
                member: "record_type",
                why: "is to be A, AAAA or TXT",
            });
        }
    };
    let mentioned = update.ip_address.as_deref().map(address).transpose()?;
    match update.action.as_deref() {
        None | Some("UPSERT") => Ok(Wish::Set {
            data: data(update, only, mentioned)?,
            ttl_secs: update.ttl,
        }),
        Some("DELETE") => {
            let when = "in a DELETE";
            absent("ttl", update.ttl.is_none(), when)?;
            absent("text", update.text.is_none(), when)?;
            Ok(Wish::Remove { only, mentioned })
        }
        Some(_) => Err(BadRequest::Value {
            member: "action",
            why: "is to be UPSERT or DELETE",
        }),
    }
}

fn data(
    update: &Update,
    record_type: Option<RecordType>,
    mentioned: Option<IpAddr>,
) -> Result<Data, BadRequest> {
    if record_type == Some(RecordType::Txt) {
        absent("ip_address", mentioned.is_none(), "in a TXT record")?;
        let text = update.text.as_deref().ok_or(BadRequest::Missing {
            member: "text",
            hint: "it is what the TXT record says",
        })?;
        return Ok(Data::Text(txt(text)?));
    }
    absent("text", update.text.is_none(), "but in a TXT record")?;
    let address = mentioned.ok_or(BadRequest::Missing {
        member: "ip_address",
        hint: "the address is always written out",
    })?;
    let data = Data::Address(address);
    if record_type.is_some_and(|asked| asked != data.record_type()) {
        return Err(BadRequest::Value {
            member: "record_type",
            why: "does not fit ip_address: A records are IPv4, AAAA records IPv6",
        });
    }
    Ok(data)
}

fn absent(member: &'static str, is_absent: bool, when: &'static str) -> Result<(), BadRequest> {
    match is_absent {
        true => Ok(()),
        false => Err(BadRequest::Superfluous { member, when }),
    }
}

/// An address in the forms of RFC 4291 and of four decimal numbers. Leading zeros, which some read as
/// octal, and zones of link-local addresses are no part of these.
fn address(text: &str) -> Result<IpAddr, BadRequest> {
    text.parse().map_err(|_| BadRequest::Value {
        member: "ip_address",
        why: "is not an IPv4 or IPv6 address",
    })
}

/// Printable ASCII, so that what is asked for, shown and served are the same characters.
fn txt(text: &str) -> Result<String, BadRequest> {
    let bad = |why| BadRequest::Value {
        member: "text",
        why,
    };
    if text.is_empty() {
        return Err(bad("is empty"));
    }
    if text.len() > TEXT_CHARS_MAX {
        return Err(bad("has more than 1000 characters"));
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(bad("is to be printable ASCII"));
    }
    Ok(text.to_owned())
}

/// What was read so far.
#[derive(Default)]
struct Body {
    update: Update,
    members: Members,
}

/// Reads members into a body. serde's own messages quote what was sent, so what is wrong is kept beside.
struct Reader<'a> {
    body: &'a mut Body,
    found: &'a mut Option<BadRequest>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { body, found } = self;
        while let Some(name) = map.next_key::<String>()? {
            let Body { update, members } = &mut *body;
            let mut at = At { found };
            match name.as_str() {
                "record_name" => at.text("record_name", &mut map, &mut update.record_name)?,
                "ip_address" => at.text("ip_address", &mut map, &mut update.ip_address)?,
                "action" => at.text("action", &mut map, &mut update.action)?,
                "record_type" => at.text("record_type", &mut map, &mut update.record_type)?,
                "ttl" => at.read(
                    "ttl",
                    &mut map,
                    &mut update.ttl,
                    "a whole number of seconds",
                )?,
                "text" => at.text("text", &mut map, &mut update.text)?,
                "owner" => at.text("owner", &mut map, &mut update.owner)?,
                "instance_identity_document" => {
                    at.text(
                        "instance_identity_document",
                        &mut map,
                        &mut members.instance_identity_document,
                    )?;
                }
                "instance_identity_signature" => {
                    at.text(
                        "instance_identity_signature",
                        &mut map,
                        &mut members.instance_identity_signature,
                    )?;
                }
                "instance_identity_rsa2048" => {
                    at.text(
                        "instance_identity_rsa2048",
                        &mut map,
                        &mut members.instance_identity_rsa2048,
                    )?;
                }
                "proof" => at.read(
                    "proof",
                    &mut map,
                    &mut members.proof,
                    "an object of exactly type (instance-role or iam-role), region, access_key_id, \
                     date, token, signature and nonce, all texts",
                )?,
                _ => {
                    *at.found = Some(BadRequest::Unknown(shown(&name)));
                    return Err(M::Error::custom("unknown"));
                }
            }
        }
        Ok(())
    }
}

/// Where a body is being read.
struct At<'a> {
    found: &'a mut Option<BadRequest>,
}

impl At<'_> {
    fn text<'de, M: MapAccess<'de>>(
        &mut self,
        member: &'static str,
        map: &mut M,
        slot: &mut Option<String>,
    ) -> Result<(), M::Error> {
        self.read(member, map, slot, "a text")
    }

    fn read<'de, T: Deserialize<'de>, M: MapAccess<'de>>(
        &mut self,
        member: &'static str,
        map: &mut M,
        slot: &mut Option<T>,
        what: &'static str,
    ) -> Result<(), M::Error> {
        if slot.is_some() {
            *self.found = Some(BadRequest::Twice(member));
            return Err(M::Error::custom("twice"));
        }
        *self.found = Some(BadRequest::Type { member, what });
        *slot = Some(map.next_value::<T>()?);
        *self.found = None;
        Ok(())
    }
}

/// The name of an unknown member, if it is a name at all.
fn shown(name: &str) -> String {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_name = (1..=SHOWN_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_char);
    match is_name {
        true => name.to_owned(),
        false => "of such a name".to_owned(),
    }
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;
