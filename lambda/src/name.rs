//! Which names an instance may ask for: `RECORD.ACCOUNT.DOMAIN`, one label of its own below the label
//! of its account.
//!
//! A label is that of RFC 1035, section 2.3.1: it begins with a letter, ends with a letter or digit, has
//! letters, digits and hyphens between, and at most 63 of them (section 2.3.4). RFC 1123 also allows a
//! leading digit; it is refused here, so that no name looks like an address or an account. Case never
//! matters in DNS, so labels are lowered first; nothing else is repaired.

use std::fmt;
use std::str::FromStr;

use crate::protocol::is_account_id;

/// RFC 1035, section 2.3.4.
const LABEL_CHARS_MAX: usize = 63;

/// RFC 1035, section 2.3.4: 255 octets on the wire are 253 characters without the trailing dot.
const NAME_CHARS_MAX: usize = 253;

/// What the name of an owner mark begins with. No record label has an underscore, so no instance can
/// ask for such a name.
const OWNER_PREFIX: &str = "_spore.";

/// Labels that are refused whoever asks, each with the reason that the caller is told. A stack document
/// can add to them (`[updater] reserved`) but not take away.
///
/// The first group is looked up by software on its own, without anybody having typed the name: whoever
/// holds it receives traffic, credentials or trust. The second is what people take for a service of
/// the institution itself.
pub const RESERVED: [(&str, &str); 22] = [
    (
        "autoconfig",
        "mail programs look it up and send passwords there",
    ),
    (
        "autodiscover",
        "mail programs look it up and send passwords there",
    ),
    ("isatap", "hosts look it up to find a router (RFC 5214)"),
    (
        "localhost",
        "programs take it for the machine they run on (RFC 6761)",
    ),
    (
        "mta-sts",
        "mail servers look up their policy there (RFC 8461)",
    ),
    ("openpgpkey", "mail programs look up keys there"),
    ("wpad", "browsers look it up to find a proxy"),
    ("admin", TAKEN_FOR_OFFICIAL),
    ("api", TAKEN_FOR_OFFICIAL),
    ("dns", TAKEN_FOR_OFFICIAL),
    ("ftp", TAKEN_FOR_OFFICIAL),
    ("imap", TAKEN_FOR_OFFICIAL),
    ("login", TAKEN_FOR_OFFICIAL),
    ("mail", TAKEN_FOR_OFFICIAL),
    ("ns", TAKEN_FOR_OFFICIAL),
    ("ns1", TAKEN_FOR_OFFICIAL),
    ("ns2", TAKEN_FOR_OFFICIAL),
    ("pop", TAKEN_FOR_OFFICIAL),
    ("smtp", TAKEN_FOR_OFFICIAL),
    ("sso", TAKEN_FOR_OFFICIAL),
    ("webmail", TAKEN_FOR_OFFICIAL),
    ("www", TAKEN_FOR_OFFICIAL),
];

const TAKEN_FOR_OFFICIAL: &str = "people take it for a service of the institution";

/// A label an instance may ask for, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordLabel(String);

/// Why a label or a name is refused. The texts go to callers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No characters at all.
    #[error("record_name is empty")]
    Empty,
    /// Longer than DNS allows.
    #[error("record_name has {chars} characters, at most {LABEL_CHARS_MAX} are allowed")]
    TooLong {
        /// How many characters it has.
        chars: usize,
    },
    /// A character that is no letter, digit or hyphen of ASCII; a dot as well.
    #[error("record_name contains {0:?}; letters, digits and hyphens are allowed")]
    Character(char),
    /// A first character that is no letter.
    #[error("record_name begins with {0:?}; it must begin with a letter")]
    Start(char),
    /// A hyphen at the end.
    #[error("record_name ends with a hyphen")]
    End,
    /// Hyphens in third and fourth place, which only encoded names have (RFC 5890, section 2.3.1): they
    /// are shown as other characters and so can look like somebody else's name.
    #[error("record_name has hyphens in third and fourth place, as encoded names (xn--) have")]
    Encoded,
    /// One of [`RESERVED`].
    #[error("record_name is reserved: {why}")]
    Reserved {
        /// Why.
        why: &'static str,
    },
    /// The whole name would be longer than DNS allows.
    #[error(
        "the name would have {chars} characters with its owner mark, DNS allows {NAME_CHARS_MAX}"
    )]
    NameTooLong {
        /// How many characters the owner mark's name would have.
        chars: usize,
    },
}

impl RecordLabel {
    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full name, without a trailing dot. `parent` is `ACCOUNT.DOMAIN`, or the domain alone in a
    /// stack with flat names; it comes from the configuration and is not judged again.
    ///
    /// # Errors
    /// When the name of the owner mark, which is the longer of the two, would not fit.
    pub fn below(&self, parent: &str) -> Result<String, Refused> {
        let name = format!("{self}.{parent}");
        let chars = OWNER_PREFIX.len() + name.len();
        if chars > NAME_CHARS_MAX {
            return Err(Refused::NameTooLong { chars });
        }
        Ok(name)
    }
}

impl FromStr for RecordLabel {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        // Before anything is copied: the text is whatever a stranger sent.
        let chars = text.chars().count();
        if chars > LABEL_CHARS_MAX {
            return Err(Refused::TooLong { chars });
        }
        let label = text.to_ascii_lowercase();
        let is_let_dig = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if let Some(other) = label.chars().find(|c| !is_let_dig(*c) && *c != '-') {
            return Err(Refused::Character(other));
        }
        match label.chars().next() {
            None => return Err(Refused::Empty),
            Some(first) if !first.is_ascii_lowercase() => return Err(Refused::Start(first)),
            Some(_) => {}
        }
        if label.ends_with('-') {
            return Err(Refused::End);
        }
        if label.get(2..4) == Some("--") {
            return Err(Refused::Encoded);
        }
        if let Some((_, why)) = RESERVED.iter().find(|(word, _)| *word == label) {
            return Err(Refused::Reserved { why });
        }
        Ok(Self(label))
    }
}

impl fmt::Display for RecordLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name at which the owner of `name` is written down.
pub fn owner_name(name: &str) -> String {
    format!("{OWNER_PREFIX}{name}")
}

/// The label of an account whose document gives it none: its id as a number in base 36, in lower case
/// and without leading zeros. `None` if that is not 12 digits.
///
/// An id is its number, so two accounts never share a label; it has at most 8 characters, since
/// 36^8 > 10^12.
pub fn account_label(account: &str) -> Option<String> {
    const DIGITS: [char; 36] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h',
        'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
    ];
    if !is_account_id(account) {
        return None;
    }
    let number: u64 = account.parse().ok()?;
    // The highest power first, so that the label is written from left to right.
    let label: String = (0..8_u32)
        .rev()
        .filter_map(|place| {
            let digit = usize::try_from(number / 36_u64.pow(place) % 36).ok()?;
            let leads = number < 36_u64.pow(place) && place > 0;
            (!leads).then_some(DIGITS[digit])
        })
        .collect();
    Some(label)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, Refused>) {
        let label = text.parse::<RecordLabel>();
        assert_eq!(
            label.as_ref().map(RecordLabel::as_str),
            expected.as_ref().map(|e| *e),
            "{text:?}"
        );
    }

    #[test]
    fn labels_are_those_of_rfc_1035() {
        check("a", Ok("a"));
        check("gpu-node-01", Ok("gpu-node-01"));
        check("My-Instance", Ok("my-instance"));
        check(&"a".repeat(63), Ok(&"a".repeat(63)));
        check(&"a".repeat(64), Err(Refused::TooLong { chars: 64 }));
        check("", Err(Refused::Empty));
        check("-a", Err(Refused::Start('-')));
        check("1a", Err(Refused::Start('1')));
        check("42", Err(Refused::Start('4')));
        check("a-", Err(Refused::End));
        check("a--b", Ok("a--b"));
        check("xn--bcher-kva", Err(Refused::Encoded));
        check("ab--cd", Err(Refused::Encoded));
    }

    #[test]
    fn what_means_something_in_dns_or_in_aws_is_no_label() {
        for (text, at) in [
            ("*", '*'),
            ("a.b", '.'),
            ("a.", '.'),
            ("_acme-challenge", '_'),
            ("_spore", '_'),
            ("a\\052", '\\'),
            ("a b", ' '),
            ("a\0", '\0'),
            ("a\n", '\n'),
            ("a/b", '/'),
            ("größe", 'ö'),
            // The Kelvin sign is lowered to k by Unicode's rules, not by those of DNS.
            ("\u{212a}", '\u{212a}'),
        ] {
            check(text, Err(Refused::Character(at)));
        }
    }

    #[test]
    fn reserved_words_are_refused_in_any_case_but_not_as_a_part() {
        for (word, why) in RESERVED {
            check(word, Err(Refused::Reserved { why }));
            check(&word.to_uppercase(), Err(Refused::Reserved { why }));
        }
        check("www-1", Ok("www-1"));
        check("my-mail", Ok("my-mail"));
        check("ns3", Ok("ns3"));
    }

    #[test]
    fn reserved_words_are_labels_otherwise() {
        // A word that could not be asked for anyway would only pretend to protect.
        for (word, _) in RESERVED {
            assert!(format!("{word}x").parse::<RecordLabel>().is_ok(), "{word}");
        }
    }

    #[test]
    fn a_label_is_its_own_spelling() {
        // Every text of up to three characters of an alphabet with one of each sort.
        let alphabet = ['a', 'Z', '7', '-', '.', '_'];
        let mut texts = vec![String::new()];
        for _ in 0..3 {
            let longer: Vec<_> = texts
                .iter()
                .flat_map(|text| alphabet.iter().map(move |c| format!("{text}{c}")))
                .collect();
            texts.extend(longer);
        }
        for text in texts {
            if let Ok(label) = text.parse::<RecordLabel>() {
                assert_eq!(label.as_str(), text.to_ascii_lowercase());
                assert_eq!(label.as_str().parse(), Ok(label.clone()));
            }
        }
    }

    #[test]
    fn names_fit_dns_together_with_their_owner_mark() {
        let label: RecordLabel = "node".parse().unwrap();
        assert_eq!(
            label.below("1kpqzg2c.spore.example.edu").unwrap(),
            "node.1kpqzg2c.spore.example.edu"
        );
        assert_eq!(owner_name("node.a.edu"), "_spore.node.a.edu");
        // 7 + 4 + 1 + 241 = 253.
        let fits = label.below(&"x".repeat(241)).unwrap();
        assert_eq!(owner_name(&fits).len(), 253);
        assert_eq!(
            label.below(&"x".repeat(242)),
            Err(Refused::NameTooLong { chars: 254 })
        );
    }

    #[test]
    fn account_labels_are_base_36() {
        for (id, label) in [
            ("123456789012", Some("1kpqzg2c")),
            ("966362334030", Some("cbxv6l3i")),
            ("000000000000", Some("0")),
            ("000000000035", Some("z")),
            ("000000000036", Some("10")),
            ("078364164095", Some("zzzzzzz")),
            ("078364164096", Some("10000000")),
            ("999999999999", Some("cre66i9r")),
            ("12345678901", None),
            ("1234567890123", None),
            ("12345678901a", None),
            ("+12345678901", None),
            ("", None),
        ] {
            assert_eq!(account_label(id).as_deref(), label, "{id}");
        }
    }

    #[test]
    fn account_labels_read_back() {
        // A step that is prime to every power of 36 and of 10 meets all lengths and digits.
        let mut number = 0_u64;
        while number < 1_000_000_000_000 {
            let label = account_label(&format!("{number:012}")).unwrap();
            assert_eq!(u64::from_str_radix(&label, 36).unwrap(), number);
            number = number * 3 / 2 + 7_919;
        }
    }
}
