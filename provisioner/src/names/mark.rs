//! The mark that says whose a name is: what the updater writes at `_spore.NAME`, read back.
//!
//! ```text
//! v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=20261121T235948Z n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b
//! v=1 p=123456789012/role/AROAEXAMPLEEXAMPLE123 t=20261121T235948Z n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b
//! ```
//!
//! The updater reads one spelling and no other (package spore-updater, `owner.rs`); so does this file,
//! which shares no code with it: the two agree on the published marks above. What does not parse here is
//! nobody's to judge, and is never taken for free.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The form of the time, always in UTC.
const TIME_FORM: &str = "%Y%m%dT%H%M%SZ";

/// Hexadecimal digits of the nonce: 128 bits.
const NONCE_CHARS: usize = 32;

/// RFC 1035, section 3.3: a mark is one character-string.
const MARK_CHARS_MAX: usize = 255;

/// Who holds a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// An EC2 instance.
    Instance {
        /// Its account.
        account: String,
        /// Its region.
        region: String,
        /// Its id.
        id: String,
    },
    /// A role that may call with the proof `iam-role`.
    Role {
        /// Its account.
        account: String,
        /// Its unique id.
        id: String,
    },
}

/// A mark that the updater wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whose the name is.
    pub holder: Holder,
    /// When that was last proven.
    pub renewed_at: Timestamp,
    text: String,
}

/// What is wrong with a text that should be a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMark {
    /// Not four fields in their order, or too long.
    #[error("not of the form `v=1 p=ACCOUNT/REGION/INSTANCE t=TIME n=NONCE`")]
    Form,
    /// Another version: a later tool may be able to read it.
    #[error("of another version than 1")]
    Version,
    /// Not `ACCOUNT/REGION/INSTANCE` or `ACCOUNT/role/ID`, as AWS writes them.
    #[error("its holder is neither an instance nor a role")]
    Holder,
    /// No time, or one that is spelled otherwise.
    #[error("its time is not of the form 20261121T235948Z")]
    Time,
    /// Not 32 hexadecimal digits in lower case.
    #[error("its nonce is not 32 hexadecimal digits")]
    Nonce,
}

impl Holder {
    /// The account.
    pub fn account(&self) -> &str {
        match self {
            Holder::Instance { account, .. } | Holder::Role { account, .. } => account,
        }
    }
}

/// As people say it.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Instance {
                account,
                region,
                id,
            } => write!(f, "{id} in {region} of account {account}"),
            Holder::Role { account, id } => write!(f, "role {id} of account {account}"),
        }
    }
}

impl FromStr for Holder {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let parts: Vec<&str> = text.split('/').collect();
        let [account, place, id] = parts[..] else {
            return Err(NoMark::Holder);
        };
        let account = account.to_owned();
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let id = id.to_owned();
        match place {
            _ if !is_account => Err(NoMark::Holder),
            "role" if is_role(&id) => Ok(Holder::Role { account, id }),
            region if is_region(region) && is_instance(&id) => Ok(Holder::Instance {
                account,
                region: region.to_owned(),
                id,
            }),
            _ => Err(NoMark::Holder),
        }
    }
}

/// Unique ids of roles (IAM User Guide, "IAM identifiers").
fn is_role(id: &str) -> bool {
    id.starts_with("AROA")
        && (16..=128).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Ids made before 2016 have 8 digits, others 17 (EC2 User Guide, "Resource IDs").
fn is_instance(id: &str) -> bool {
    id.strip_prefix("i-")
        .is_some_and(|digits| matches!(digits.len(), 8 | 17) && is_lower_hex(digits))
}

/// Two words or more and a number, as `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    let all =
        |text: &str, is: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| is(&byte));
    text.len() <= 32
        && words.len() >= 2
        && all(number, u8::is_ascii_digit)
        && words.iter().all(|word| all(word, u8::is_ascii_lowercase))
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        if text.len() > MARK_CHARS_MAX {
            return Err(NoMark::Form);
        }
        let fields: Vec<&str> = text.split(' ').collect();
        let field = |at: usize, key: &str| {
            let value = fields.get(at).and_then(|field| field.strip_prefix(key));
            value.ok_or(NoMark::Form)
        };
        // The version first: of another one nothing else is believed, not even the number of fields.
        if field(0, "v=")? != "1" {
            return Err(NoMark::Version);
        }
        let (holder, time, nonce) = (field(1, "p=")?, field(2, "t=")?, field(3, "n=")?);
        if fields.len() != 4 {
            return Err(NoMark::Form);
        }
        if nonce.len() != NONCE_CHARS || !is_lower_hex(nonce) {
            return Err(NoMark::Nonce);
        }
        Ok(Self {
            holder: holder.parse()?,
            renewed_at: parse_time(time)?,
            text: text.to_owned(),
        })
    }
}

fn parse_time(text: &str) -> Result<Timestamp, NoMark> {
    let time = DateTime::strptime(TIME_FORM, text).map_err(|_| NoMark::Time)?;
    // The parser takes what lacks zeros; a mark has one spelling.
    if time.strftime(TIME_FORM).to_string() != text {
        return Err(NoMark::Time);
    }
    let zoned = time.to_zoned(TimeZone::UTC).map_err(|_| NoMark::Time)?;
    Ok(zoned.timestamp())
}

/// The mark as it was read.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Published: the same is in the updater's tests.
    const MARK: &str = "v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=20261121T235948Z \
                        n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b";

    #[test]
    fn published_marks_are_read() {
        let mark: Mark = MARK.parse().unwrap();
        let told = "i-0123456789abcdef0 in us-east-1 of account 123456789012";
        assert_eq!(mark.holder.to_string(), told);
        assert_eq!(mark.renewed_at.to_string(), "2026-11-21T23:59:48Z");
        assert_eq!(mark.to_string(), MARK);
        let role = MARK.replacen(
            "us-east-1/i-0123456789abcdef0",
            "role/AROAEXAMPLEEXAMPLE123",
            1,
        );
        let mark: Mark = role.parse().unwrap();
        assert_eq!(mark.holder.account(), "123456789012");
        assert!(matches!(mark.holder, Holder::Role { .. }));
    }

    #[test]
    fn what_the_updater_does_not_write_is_no_mark() {
        let check = |from: &str, to: &str, expected| {
            let text = MARK.replacen(from, to, 1);
            assert_ne!(text, MARK, "{from} is not in the mark");
            assert_eq!(text.parse::<Mark>(), Err(expected), "{text}");
        };
        check("v=1 ", "", NoMark::Form);
        check("v=1", "v=2", NoMark::Version);
        check("v=1", "v=01", NoMark::Version);
        check("v=1 p", "v=1  p", NoMark::Form);
        check("v=1", " v=1", NoMark::Form);
        check("c4b", "c4b ", NoMark::Form);
        check("c4b", "c4b x=1", NoMark::Form);
        check("c4b", "c4", NoMark::Nonce);
        check("c4b", "c4B", NoMark::Nonce);
        check("123456789012", "12345678901", NoMark::Holder);
        check("123456789012", "１23456789012", NoMark::Holder);
        for region in ["us-east", "US-EAST-1", "us--1", "", "us-east-1/x"] {
            check("us-east-1", region, NoMark::Holder);
        }
        for id in [
            "0123456789abcdef0",
            "i-0123456789abcdef",
            "i-0123456789ABCDEF0",
        ] {
            check("i-0123456789abcdef0", id, NoMark::Holder);
        }
        check("us-east-1/i-", "role/i-", NoMark::Holder);
        check("/us-east-1", "", NoMark::Holder);
        check("us-east-1/i-0123456789abcdef0", "role/AROA", NoMark::Holder);
        for time in [
            "20261121T235948",
            "2026112T235948Z",
            "20260229T000000Z",
            "20261121T245948Z",
            "+20261121T235948Z",
            "2026-11-21T23:59:48Z",
        ] {
            check("20261121T235948Z", time, NoMark::Time);
        }
        assert_eq!("".parse::<Mark>(), Err(NoMark::Form));
        let long = format!("{MARK}{}", " ".repeat(255));
        assert_eq!(long.parse::<Mark>(), Err(NoMark::Form));
    }
}
