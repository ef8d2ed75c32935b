//! One record set: its type, and whether a value is one of that type.
//!
//! Problems are worded as Route 53 words them, as near as is known; the code is always
//! InvalidChangeBatch, so nothing should depend on the words.

use std::collections::BTreeSet;

use domain::base::Rtype;
use serde::{Deserialize, Serialize};

use super::{AliasTarget, Routing};
use crate::dns::data::{self, RrSet};

/// Types a record set may have, in the order ListResourceRecordSets sorts them within a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names of DNS record types")]
pub enum RecordType {
    A,
    Aaaa,
    Caa,
    Cname,
    Ds,
    Mx,
    Naptr,
    Ns,
    Ptr,
    Soa,
    Srv,
    Sshfp,
    Tlsa,
    Txt,
}

impl RecordType {
    /// From the API's spelling; none for HTTPS, SPF and SVCB, which are not modelled.
    pub fn from_api(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }

    /// The type of a DNS question; none if no zone can hold it.
    pub fn from_rtype(rtype: Rtype) -> Option<Self> {
        Self::from_api(&rtype.to_string())
    }

    /// The API's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Ds => "DS",
            Self::Mx => "MX",
            Self::Naptr => "NAPTR",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Sshfp => "SSHFP",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
        }
    }

    /// The type on the wire.
    pub fn rtype(self) -> Rtype {
        match self {
            Self::A => Rtype::A,
            Self::Aaaa => Rtype::AAAA,
            Self::Caa => Rtype::CAA,
            Self::Cname => Rtype::CNAME,
            Self::Ds => Rtype::DS,
            Self::Mx => Rtype::MX,
            Self::Naptr => Rtype::NAPTR,
            Self::Ns => Rtype::NS,
            Self::Ptr => Rtype::PTR,
            Self::Soa => Rtype::SOA,
            Self::Srv => Rtype::SRV,
            Self::Sshfp => Rtype::SSHFP,
            Self::Tlsa => Rtype::TLSA,
            Self::Txt => Rtype::TXT,
        }
    }
}

/// One record set but for its name, type and identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// Time to live in seconds; 0 of an alias, which has none of its own.
    pub ttl: u32,
    /// Values as they were sent: the API gives them back in the same spelling. An alias has none.
    pub values: Vec<String>,
    /// Where an alias leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<AliasTarget>,
    /// What makes it one of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
}

/// Longest answered TTL of a signed zone: Route 53 serves larger ones as one week
/// (developer guide, "Configuring DNSSEC signing").
const WEEK_SECS: u32 = 7 * 24 * 3600;

impl RecordSet {
    /// A set that is neither an alias nor one of a group.
    pub fn plain(ttl: u32, values: Vec<String>) -> Self {
        Self {
            ttl,
            values,
            alias: None,
            routing: None,
        }
    }

    /// For an answer of a name server.
    pub fn wire(&self, record_type: RecordType, zone_is_signed: bool) -> RrSet {
        let ttl = if zone_is_signed {
            self.ttl.min(WEEK_SECS)
        } else {
            self.ttl
        };
        let data = self
            .values
            .iter()
            .filter_map(|v| parse(record_type, v).ok())
            .collect();
        RrSet {
            rtype: record_type.rtype(),
            ttl,
            data,
        }
    }

    /// Whether another set of this type is the same. Order and spelling of the values do not count:
    /// `a.example` and `a.example.` are the same record.
    pub fn same_records(&self, other: &Self, record_type: RecordType) -> bool {
        let records = |set: &Self| -> BTreeSet<Vec<u8>> {
            set.values
                .iter()
                .filter_map(|v| parse(record_type, v).ok())
                .collect()
        };
        self.ttl == other.ttl
            && self.alias == other.alias
            && self.routing == other.routing
            && records(self) == records(other)
    }
}

/// The record data of one value, or what is wrong with it.
pub(super) fn parse(record_type: RecordType, value: &str) -> Result<Vec<u8>, String> {
    let problem = |reason: &str| {
        Err(format!(
            "Invalid Resource Record: 'FATAL problem: {reason} encountered with '{value}''"
        ))
    };
    if record_type == RecordType::Txt && !is_quoted_strings(value) {
        return problem("InvalidCharacterString (Value should be enclosed in quotation marks)");
    }
    if record_type != RecordType::Txt
        && record_type != RecordType::Caa
        && record_type != RecordType::Naptr
        && value.contains(['"', ';', '(', ')', '@'])
    {
        return problem("UnsupportedCharacter (Value contains unsupported characters)");
    }
    match data::parse(record_type.rtype(), &decimal_escapes(value)) {
        Ok(wire) if record_type == RecordType::Ds && !ds_is_sound(&wire) => {
            problem("DSRRDATAInvalidDigest (Digest does not fit its type)")
        }
        Ok(wire) => Ok(wire),
        Err(reason) => problem(&match record_type {
            RecordType::A => {
                "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)".to_owned()
            }
            RecordType::Aaaa => {
                "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)".to_owned()
            }
            RecordType::Txt => "CharacterStringTooLong (Value is too long)".to_owned(),
            RecordType::Caa
            | RecordType::Cname
            | RecordType::Ds
            | RecordType::Mx
            | RecordType::Naptr
            | RecordType::Ns
            | RecordType::Ptr
            | RecordType::Soa
            | RecordType::Srv
            | RecordType::Sshfp
            | RecordType::Tlsa => format!("{}RRDATAInvalid ({reason})", record_type.name()),
        }),
    }
}

/// Whether a DS digest has the length of its type (RFC 4509, RFC 6605); others are let through.
pub(crate) fn ds_is_sound(rdata: &[u8]) -> bool {
    match (rdata.get(3), rdata.len().checked_sub(4)) {
        (Some(1), Some(length)) => length == 20,
        (Some(2), Some(length)) => length == 32,
        (Some(4), Some(length)) => length == 48,
        (Some(_), Some(length)) => length > 0,
        (None, _) | (_, None) => false,
    }
}

/// One or more strings in double quotes, separated by spaces (developer guide, "TXT record type").
fn is_quoted_strings(value: &str) -> bool {
    #[derive(PartialEq)]
    enum At {
        Start,
        Inside,
        Escape,
        After,
        Between,
    }
    let mut at = At::Start;
    for c in value.chars() {
        at = match (at, c) {
            (At::Start | At::Between, '"') => At::Inside,
            (At::Inside, '"') => At::After,
            (At::Inside, '\\') => At::Escape,
            (At::Inside | At::Escape, _) => At::Inside,
            (At::After | At::Between, ' ') => At::Between,
            (At::Start | At::After | At::Between, _) => return false,
        };
    }
    at == At::After
}

/// Route 53 writes octets as `\ooo` in octal, master files in decimal (RFC 1035 section 5.1).
fn decimal_escapes(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escaped = &rest[at + 1..];
        let octal = escaped
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(octet) = octal {
            out.push_str(&format!("\\{octet:03}"));
            rest = &escaped[3..];
        } else {
            let next = escaped.chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[at..=at + next]);
            rest = &escaped[next..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn txt_wants_quotes_and_octal_escapes() {
        let good = |value: &str| parse(RecordType::Txt, value).unwrap();
        assert_eq!(good(r#""a \"b\" \\ c""#), b"\x09a \"b\" \\ c");
        assert_eq!(good(r#""caf\351" "two""#), b"\x04caf\xe9\x03two");
        assert_eq!(good(r#""v=1; p=x""#), b"\x08v=1; p=x");
        for bad in ["a b", "\"a", "\"a\"b", "a\"", "", "\"a\" b"] {
            let problem = parse(RecordType::Txt, bad).unwrap_err();
            assert!(
                problem.contains("should be enclosed in quotation marks"),
                "{problem}"
            );
        }
        let long = format!("\"{}\"", "x".repeat(256));
        assert!(
            parse(RecordType::Txt, &long)
                .unwrap_err()
                .contains("too long")
        );
        assert!(parse(RecordType::Txt, &format!("\"{}\"", "x".repeat(255))).is_ok());
    }

    #[test]
    fn comments_and_parentheses_of_master_files_are_no_values() {
        for bad in ["192.0.2.1 ; home", "( 192.0.2.1 )", "\"192.0.2.1\""] {
            assert!(parse(RecordType::A, bad).is_err(), "{bad}");
        }
        assert!(parse(RecordType::Cname, "@").is_err());
    }

    #[test]
    fn a_ds_digest_has_the_length_of_its_type() {
        let ds = |digest_type: u8, octets: usize| {
            parse(
                RecordType::Ds,
                &format!("1 13 {digest_type} {}", "AB".repeat(octets)),
            )
            .is_ok()
        };
        assert!(ds(2, 32) && ds(4, 48) && ds(1, 20));
        assert!(!ds(2, 31) && !ds(4, 32));
    }

    #[test]
    fn spelling_and_order_do_not_make_another_set() {
        let set = |ttl, values: &[&str]| {
            RecordSet::plain(ttl, values.iter().map(|v| (*v).to_owned()).collect())
        };
        let ns = RecordType::Ns;
        assert!(set(60, &["a.edu", "b.edu."]).same_records(&set(60, &["b.edu", "a.edu."]), ns));
        assert!(!set(60, &["a.edu"]).same_records(&set(61, &["a.edu"]), ns));
        assert!(!set(60, &["a.edu"]).same_records(&set(60, &["a.edu", "b.edu"]), ns));
    }

    #[test]
    fn types_sort_and_spell_as_the_api_does() {
        for record_type in [
            RecordType::A,
            RecordType::Aaaa,
            RecordType::Sshfp,
            RecordType::Txt,
        ] {
            assert_eq!(RecordType::from_api(record_type.name()), Some(record_type));
            assert_eq!(
                RecordType::from_rtype(record_type.rtype()),
                Some(record_type)
            );
        }
        assert_eq!(RecordType::from_api("SVCB"), None);
        assert!(RecordType::Ns < RecordType::Soa && RecordType::A < RecordType::Ns);
    }
}
