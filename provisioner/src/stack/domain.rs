//! Domain names and labels as this tool accepts them: lower-case letters, digits and hyphens.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use super::diagnostics::{Problem, quoted};
use super::form::{Form, Item, Refused};

/// The domain of a stack: at least two LDH labels, lower case, without a trailing dot.
///
/// Short enough that every name and identifier made from it fits, see [`DomainName::CHARS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DomainName(String);

/// One label of a domain name: 1 to 63 lower-case letters, digits and inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

/// RFC 1035, section 2.3.4: 63 octets in a label.
const LABEL_CHARS_MAX: usize = 63;

/// RFC 1035, section 2.3.4: 255 octets in a name on the wire, which are 253 characters without
/// the trailing dot.
const NAME_CHARS_MAX: usize = 253;

impl DomainName {
    /// The longest domain accepted, the smaller of two bounds:
    ///
    /// - a record's owner mark `_spore.RECORD.ACCOUNT.DOMAIN` with the longest record label (63)
    ///   and an account id in base 36 (8) must be a domain name: 253 - 7 - 64 - 9 = 173;
    /// - the zone's caller reference `spore-infra/DOMAIN/N` holds 128 characters (Route 53 API,
    ///   CreateHostedZone), four of them for N: 128 - 12 - 1 - 4 = 111.
    pub const CHARS_MAX: usize = 111;

    /// The name without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels from left to right.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether an account label of this length leaves room for the longest record label and its
    /// owner mark.
    pub(super) fn has_room_for(&self, label: &Label) -> bool {
        let owner_mark = "_spore.".len() + LABEL_CHARS_MAX + 1;
        owner_mark + label.as_str().len() + 1 + self.0.len() <= NAME_CHARS_MAX
    }
}

impl Label {
    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.contains('/') {
            return Err(
                Refused::new(format!("{} is not a domain name", quoted(text)))
                    .with_hint("write the name alone, without a scheme or a path".to_owned()),
            );
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_lowercase();
        for label in name.split('.') {
            label.parse::<Label>()?;
        }
        let Some((_, last)) = name.rsplit_once('.') else {
            return Err(Refused::new(format!("{} is a single label", quoted(text)))
                .with_hint("a zone needs at least two, such as `spore.example.edu`".to_owned()));
        };
        // RFC 1123, section 2.1: what ends in digits is an address, not a name.
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refused::new(format!(
                "{} ends in digits, like an address",
                quoted(text)
            )));
        }
        if name.len() > Self::CHARS_MAX {
            return Err(Refused::new(format!(
                "{} characters are too long, the names made from it must fit",
                name.len()
            ))
            .with_hint(format!("at most {} characters", Self::CHARS_MAX)));
        }
        Ok(Self(name))
    }
}

impl FromStr for Label {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if let Some(foreign) = text.chars().find(|c| !c.is_ascii()) {
            return Err(Refused::new(format!("`{foreign}` is not ASCII")).with_hint(
                "write an international name in its ASCII form, with labels that begin with \
                 `xn--` (punycode)"
                    .to_owned(),
            ));
        }
        let lower = text.to_ascii_lowercase();
        if lower.is_empty() {
            return Err(Refused::new("a label is empty")
                .with_hint("labels are separated by single dots".to_owned()));
        }
        let is_ldh = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if let Some(other) = lower.chars().find(|c| !is_ldh(*c)) {
            return Err(Refused::new(format!(
                "{} is not allowed in a label",
                quoted(&other.to_string())
            ))
            .with_hint("letters, digits and hyphens are".to_owned()));
        }
        if lower.starts_with('-') || lower.ends_with('-') {
            return Err(Refused::new(format!(
                "the label {} begins or ends with a hyphen",
                quoted(text)
            )));
        }
        if lower.len() > LABEL_CHARS_MAX {
            return Err(Refused::new(format!(
                "a label of {} characters, {LABEL_CHARS_MAX} are allowed",
                lower.len()
            )));
        }
        Ok(Self(lower))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Form for DomainName {
    fn expected() -> String {
        "a domain name in quotes, such as \"spore.example.edu\"".to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "hostname", "maxLength": Self::CHARS_MAX + 1 })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}

impl Form for Label {
    fn expected() -> String {
        "a label of letters, digits and hyphens in quotes".to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$" })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        match (text.parse::<DomainName>(), expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name.as_str(), expected, "{text}"),
            (Err(refused), Err(part)) => {
                assert!(refused.to_string().contains(part), "{text}: {refused}");
            }
            (other, _) => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn domain_names() {
        check("spore.example.edu", Ok("spore.example.edu"));
        check("spore.host", Ok("spore.host"));
        check("Spore.Example.EDU.", Ok("spore.example.edu"));
        check("xn--bcher-kva.example", Ok("xn--bcher-kva.example"));
        check("a-b.0.example", Ok("a-b.0.example"));
        check("", Err("empty"));
        check(".", Err("empty"));
        check("edu", Err("single label"));
        check("a..edu", Err("empty"));
        check(".example.edu", Err("empty"));
        check("a.edu..", Err("empty"));
        check("bücher.example", Err("xn--"));
        check("_spore.example.edu", Err("`_` is not allowed"));
        check("*.example.edu", Err("`*` is not allowed"));
        check("-a.example.edu", Err("hyphen"));
        check("a-.example.edu", Err("hyphen"));
        check("https://spore.example.edu", Err("without a scheme"));
        check("192.0.2.1", Err("digits"));
        check(&format!("{}.edu", "a".repeat(64)), Err("64 characters"));
        let longest = format!("{0}.{1}.edu", "a".repeat(63), "b".repeat(43));
        assert_eq!(longest.len(), DomainName::CHARS_MAX);
        check(&longest, Ok(&longest));
        check(&format!("c{longest}"), Err("64 characters"));
        check(
            &longest.replace('b', "bb").replace("bbbbbb", "bbbb"),
            Err("too long"),
        );
    }
}
