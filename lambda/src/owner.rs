//! Whose a name is: the value of the TXT record at `_spore.NAME`.
//!
//! ```text
//! v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=20261121T235948Z n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b
//! v=1 p=123456789012/role/AROAEXAMPLEEXAMPLE123 t=20261121T235948Z n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b
//! ```
//!
//! The second line is the mark of a role that may call with the proof `iam-role`: `role` is no region, so
//! the two are never confused. It names the role by its unique id, not by its name, so that a role which
//! was deleted and made again does not inherit names; and not by its session, which whoever assumes the
//! role can choose.
//!
//! Renewing a name deletes this value exactly as it was and creates the next one, in one change batch:
//! that is the compare and swap, so there is one spelling of each value and no other is read. Four
//! fields in this order, separated by one space; the version first, so that a later form is told apart
//! before anything else of it is believed.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;

use crate::protocol::{is_account_id, is_instance_id, is_lower_hex, is_role_id};

/// TTL of an owner mark in seconds (design, section 6).
pub const TTL_SECS: u32 = 60;

/// RFC 1035, section 3.3: a character-string has at most 255 octets; a mark is one of them.
const VALUE_CHARS_MAX: usize = 255;

/// 128 random bits.
const NONCE_CHARS: usize = 32;

/// The time's form, that of `x-amz-date`: of one length, so that text order is time order.
const TIME_FORM: &str = "%Y%m%dT%H%M%SZ";

/// In place of a region where the holder is a role.
const ROLE: &str = "role";

/// Who holds a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal {
    account: String,
    holder: Holder,
}

/// What holds a name, in its account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Instance { region: String, id: String },
    Role { id: String },
}

/// An owner mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Who holds the name.
    pub principal: Principal,
    /// When it was last proven, in UTC; a renewal must be later.
    pub time: DateTime,
    nonce: String,
}

/// Why a text is no owner mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not the four fields in their order, or more than fits a TXT string.
    #[error("not of the form `v=1 p=ACCOUNT/REGION/INSTANCE t=DATE n=NONCE`")]
    Form,
    /// A version this code does not know. The name has an owner, but not one that can be judged.
    #[error("of another version than 1")]
    Version,
    /// The account is not 12 digits.
    #[error("the account is not 12 digits")]
    Account,
    /// The region is not of the form `us-east-1`.
    #[error("the region is not of the form `us-east-1`")]
    Region,
    /// The instance is not of the form `i-` and 8 or 17 hex digits.
    #[error("the instance is not `i-` and 8 or 17 hex digits")]
    Instance,
    /// The time is none, or not written as `20261121T235948Z`.
    #[error("the time is not of the form `20261121T235948Z`")]
    Time,
    /// The role's unique id is not of the form `AROA...`.
    #[error("the role is not a unique id of the form `AROA...`")]
    Role,
    /// The nonce is not 32 hex digits.
    #[error("the nonce is not 32 hex digits in lower case")]
    Nonce,
}

impl Principal {
    /// An instance of an account in a region.
    ///
    /// # Errors
    /// When one of the three is not as AWS writes it. Whether they exist is not asked here.
    pub fn instance_of(account: &str, region: &str, instance: &str) -> Result<Self, Malformed> {
        if !is_region(region) {
            return Err(Malformed::Region);
        }
        if !is_instance_id(instance) {
            return Err(Malformed::Instance);
        }
        let holder = Holder::Instance {
            region: region.to_owned(),
            id: instance.to_owned(),
        };
        Self::of(account, holder)
    }

    /// A role of an account, by its unique id.
    ///
    /// # Errors
    /// When one of the two is not as AWS writes it (IAM User Guide, "IAM identifiers").
    pub fn role_of(account: &str, id: &str) -> Result<Self, Malformed> {
        if !is_role_id(id) {
            return Err(Malformed::Role);
        }
        Self::of(account, Holder::Role { id: id.to_owned() })
    }

    fn of(account: &str, holder: Holder) -> Result<Self, Malformed> {
        if !is_account_id(account) {
            return Err(Malformed::Account);
        }
        Ok(Self {
            account: account.to_owned(),
            holder,
        })
    }

    /// The account's id.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The region and the id of the instance, if it is one.
    pub fn instance(&self) -> Option<(&str, &str)> {
        match &self.holder {
            Holder::Instance { region, id } => Some((region, id)),
            Holder::Role { .. } => None,
        }
    }
}

/// Lower-case words and a number, with hyphens between: `us-east-1`, `us-gov-west-1`, `ap-southeast-7`.
fn is_region(text: &str) -> bool {
    let mut parts = text.split('-').rev();
    let is_number = parts
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    let words: Vec<&str> = parts.collect();
    is_number
        && words.len() >= 2
        && text.len() <= 32
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

impl Owner {
    /// A mark for a name that `principal` has just proven to hold.
    ///
    /// # Errors
    /// When the nonce is not 32 hex digits, or the time cannot be written in whole seconds.
    pub fn new(principal: Principal, time: DateTime, nonce: &str) -> Result<Self, Malformed> {
        if nonce.len() != NONCE_CHARS || !is_lower_hex(nonce) {
            return Err(Malformed::Nonce);
        }
        if time.subsec_nanosecond() != 0 || !(0..=9_999).contains(&time.year()) {
            return Err(Malformed::Time);
        }
        Ok(Self {
            principal,
            time,
            nonce: nonce.to_owned(),
        })
    }

    /// The nonce of the request that wrote it.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The value as Route 53's API takes it: one character-string in quotes. Nothing in it needs an
    /// escape.
    pub fn quoted(&self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Holder::Instance { region, id } => write!(f, "{}/{region}/{id}", self.account),
            Holder::Role { id } => write!(f, "{}/{ROLE}/{id}", self.account),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time.strftime(TIME_FORM);
        write!(f, "v=1 p={} t={time} n={}", self.principal, self.nonce)
    }
}

impl FromStr for Principal {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(account), Some(ROLE), Some(id), None) => Self::role_of(account, id),
            (Some(account), Some(region), Some(instance), None) => {
                Self::instance_of(account, region, instance)
            }
            (Some(_) | None, Some(_) | None, Some(_) | None, Some(_) | None) => {
                Err(Malformed::Form)
            }
        }
    }
}

impl FromStr for Owner {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.len() > VALUE_CHARS_MAX {
            return Err(Malformed::Form);
        }
        let mut fields = text.split(' ');
        let mut field = |key: &str| fields.next().and_then(|field| field.strip_prefix(key));
        if field("v=").ok_or(Malformed::Form)? != "1" {
            return Err(Malformed::Version);
        }
        let principal = field("p=").ok_or(Malformed::Form)?.parse()?;
        let written = field("t=").ok_or(Malformed::Form)?;
        let nonce = field("n=").ok_or(Malformed::Form)?;
        if fields.next().is_some() {
            return Err(Malformed::Form);
        }
        let time = DateTime::strptime(TIME_FORM, written).map_err(|_| Malformed::Time)?;
        // The parser is lenient, about missing zeros for example; the mark is not.
        if time.strftime(TIME_FORM).to_string() != written {
            return Err(Malformed::Time);
        }
        Self::new(principal, time, nonce)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const MARK: &str = "v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=20261121T235948Z \
                        n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b";

    #[test]
    fn a_mark_is_read_and_written_back() {
        let owner: Owner = MARK.parse().unwrap();
        assert_eq!(owner.principal.account(), "123456789012");
        assert_eq!(
            owner.principal.instance(),
            Some(("us-east-1", "i-0123456789abcdef0"))
        );
        assert_eq!(
            owner.time,
            jiff::civil::datetime(2026, 11, 21, 23, 59, 48, 0)
        );
        assert_eq!(owner.nonce(), "5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b");
        assert_eq!(owner.to_string(), MARK);
        assert_eq!(owner.quoted(), format!("\"{MARK}\""));
    }

    #[test]
    fn a_role_has_a_mark_of_its_own() {
        let role = "123456789012/role/AROAEXAMPLEEXAMPLE123";
        let text = MARK.replacen("123456789012/us-east-1/i-0123456789abcdef0", role, 1);
        let owner: Owner = text.parse().unwrap();
        assert_eq!(owner.principal.account(), "123456789012");
        assert_eq!(owner.principal.instance(), None);
        assert_eq!(owner.to_string(), text);
        assert_ne!(owner.principal, MARK.parse::<Owner>().unwrap().principal);
        for (from, to) in [
            ("AROA", "AIDA"),
            ("AROAEXAMPLEEXAMPLE123", "AROA"),
            ("EXAMPLE123", "example123"),
            ("EXAMPLE123", "EXAMPLE/123"),
            ("AROAEXAMPLEEXAMPLE123", "i-0123456789abcdef0"),
        ] {
            assert!(text.replacen(from, to, 1).parse::<Owner>().is_err(), "{to}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let check = |from: &str, to: &str, expected| {
            let text = MARK.replacen(from, to, 1);
            assert_ne!(text, MARK, "{from} is not in the mark");
            assert_eq!(text.parse::<Owner>(), Err(expected), "{text}");
        };
        check("v=1 ", "", Malformed::Form);
        check("v=1", "v=2", Malformed::Version);
        check("v=1", "v=01", Malformed::Version);
        check("v=1 p", "v=1  p", Malformed::Form);
        check("v=1 p", "v=1\tp", Malformed::Version);
        check("v=1", " v=1", Malformed::Form);
        check("c4b", "c4b ", Malformed::Form);
        check("c4b", "c4b x=1", Malformed::Form);
        check("c4b", "c4", Malformed::Nonce);
        check("c4b", "c4B", Malformed::Nonce);
        check("123456789012", "12345678901", Malformed::Account);
        check("123456789012", "１23456789012", Malformed::Account);
        check("us-east-1", "us-east", Malformed::Region);
        check("us-east-1", "US-EAST-1", Malformed::Region);
        check("us-east-1", "us--1", Malformed::Region);
        check("us-east-1", "", Malformed::Region);
        check(
            "i-0123456789abcdef0",
            "0123456789abcdef0",
            Malformed::Instance,
        );
        check(
            "i-0123456789abcdef0",
            "i-0123456789abcdef",
            Malformed::Instance,
        );
        check(
            "i-0123456789abcdef0",
            "i-0123456789ABCDEF0",
            Malformed::Instance,
        );
        check("abcdef0 t", "abcdef0/x t", Malformed::Form);
        check("/us-east-1", "", Malformed::Form);
        check("20261121T235948Z", "20261121T235948", Malformed::Time);
        check("20261121T235948Z", "2026112T235948Z", Malformed::Time);
        check("20261121T235948Z", "20260229T000000Z", Malformed::Time);
        check("20261121T235948Z", "20261121T245948Z", Malformed::Time);
        check("20261121T235948Z", "+20261121T235948Z", Malformed::Time);
        assert_eq!("".parse::<Owner>(), Err(Malformed::Form));
        let long = format!("{MARK}{}", " ".repeat(255));
        assert_eq!(long.parse::<Owner>(), Err(Malformed::Form));
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        // Each character of the mark replaced by each of these: either refused or kept exactly.
        let replacements = ['0', '9', 'a', 'Z', '-', '/', '=', ' ', '"', '\\', 'é'];
        for (at, was) in MARK.char_indices() {
            for other in replacements {
                let mut text = MARK.to_owned();
                text.replace_range(at..at + was.len_utf8(), &other.to_string());
                if let Ok(owner) = text.parse::<Owner>() {
                    assert_eq!(owner.to_string(), text);
                }
            }
        }
    }

    #[test]
    fn the_longest_mark_fits_one_string() {
        let region = format!("{}-west-1", "x".repeat(25));
        let principal =
            Principal::instance_of("123456789012", &region, "i-0123456789abcdef0").unwrap();
        let time = jiff::civil::datetime(2026, 1, 1, 0, 0, 0, 0);
        let owner = Owner::new(principal, time, &"f".repeat(32)).unwrap();
        assert!(owner.to_string().len() <= VALUE_CHARS_MAX);
        assert_eq!(owner.to_string().parse(), Ok(owner));
    }
}
