//! Domain names, and the order in which Route 53 lists them.
//!
//! A name is kept as its labels from the root downwards, each followed by a dot
//! (`edu.example.spore.`). That is exactly the string ListResourceRecordSets sorts by ("labels
//! reversed ... note the trailing dot, which can change the sort order"), so one ordered map gives
//! AWS's order, and everything at or below a name is one contiguous range of it.

use std::fmt;

use domain::base::{Name, ToName};
use serde::{Deserialize, Serialize};

/// An absolute domain name in lower case. The root is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DnsName(String);

/// Why a text is no domain name. The texts are those Route 53 answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// Two dots in a row, or one at the start.
    #[error("DomainLabelEmpty (Domain label is empty)")]
    EmptyLabel,
    /// RFC 1035 section 2.3.4: a label has at most 63 octets.
    #[error("DomainLabelTooLong (Domain label is too long)")]
    LabelTooLong,
    /// RFC 1035 section 2.3.4: a name has at most 255 octets on the wire.
    #[error("DomainNameTooLong (Domain name is too long)")]
    NameTooLong,
    /// A space, a control character, something beyond ASCII, or a broken escape.
    #[error("UnsupportedCharacter (Value contains unsupported characters)")]
    UnsupportedCharacter,
}

impl DnsName {
    /// The root.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Reads Route 53's spelling: a missing final dot is added, letters are lowered, `\ooo` is an
    /// octet in octal (DomainNameFormat in the developer guide; master files use decimal instead).
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        if text.is_empty() || text == "." {
            return Ok(Self::root());
        }
        let mut labels = vec![Vec::new()];
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'.' => labels.push(Vec::new()),
                b'\\' => {
                    let (octet, length) = escape(&bytes[at + 1..])?;
                    current(&mut labels).push(octet.to_ascii_lowercase());
                    at += length;
                }
                octet @ b'!'..=b'~' => current(&mut labels).push(octet.to_ascii_lowercase()),
                _ => return Err(NameProblem::UnsupportedCharacter),
            }
            at += 1;
        }
        if labels.last().is_some_and(Vec::is_empty) {
            labels.pop();
        }
        Self::from_labels(labels.iter().map(Vec::as_slice))
    }

    /// From labels, leftmost first, without the root.
    fn from_labels<'a>(
        labels: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<Self, NameProblem> {
        let mut out = String::new();
        let mut wire_length = 1;
        for label in labels.rev() {
            if label.is_empty() {
                return Err(NameProblem::EmptyLabel);
            }
            if label.len() > 63 {
                return Err(NameProblem::LabelTooLong);
            }
            wire_length += label.len() + 1;
            push_label(&mut out, label);
        }
        if wire_length > 255 {
            return Err(NameProblem::NameTooLong);
        }
        Ok(Self(out))
    }

    /// From a name of a DNS message or a master file.
    pub fn from_wire(name: &impl ToName) -> Self {
        let name: Name<Vec<u8>> = name.to_name();
        let labels: Vec<Vec<u8>> = name
            .iter()
            .filter(|label| !label.is_root())
            .map(|label| label.as_slice().to_ascii_lowercase())
            .collect();
        let mut out = String::new();
        for label in labels.iter().rev() {
            push_label(&mut out, label);
        }
        Self(out)
    }

    /// The name as `domain` takes it.
    pub fn wire(&self) -> Name<Vec<u8>> {
        let mut octets = Vec::with_capacity(self.0.len() + 1);
        for label in self.labels().collect::<Vec<_>>().into_iter().rev() {
            let label = octets_of(label);
            octets.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            octets.extend_from_slice(&label);
        }
        octets.push(0);
        Name::from_octets(octets).unwrap_or_else(|_| Name::root())
    }

    /// Route 53's spelling: lower case, final dot, anything but `a-z 0-9 - _ .` as `\ooo`.
    pub fn text(&self) -> String {
        if self.0.is_empty() {
            return ".".to_owned();
        }
        let mut out = String::new();
        for label in self.labels().collect::<Vec<_>>().into_iter().rev() {
            for octet in octets_of(label) {
                match octet {
                    b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(octet)),
                    other => out.push_str(&format!("\\{other:03o}")),
                }
            }
            out.push('.');
        }
        out
    }

    /// The spelling of the condition key `route53:ChangeResourceRecordSetsNormalizedRecordNames`:
    /// as [`Self::text`], without the final dot.
    pub fn normalised(&self) -> String {
        let mut text = self.text();
        text.pop();
        text
    }

    /// Labels from the root downwards, in the escaped form of this type.
    fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split_terminator('.')
    }

    /// Number of labels; the root has none.
    pub fn depth(&self) -> usize {
        self.labels().count()
    }

    /// Whether this name is `zone` or below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        self.0.starts_with(&zone.0)
    }

    /// Whether this name is strictly below `zone`.
    pub fn is_below(&self, zone: &Self) -> bool {
        self != zone && self.is_within(zone)
    }

    /// The name without its leftmost label; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let without_dot = self.0.strip_suffix('.')?;
        let end = without_dot.rfind('.').map_or(0, |at| at + 1);
        Some(Self(self.0[..end].to_owned()))
    }

    /// The ancestor (or self) with `depth` labels.
    pub fn ancestor(&self, depth: usize) -> Self {
        Self(
            self.labels()
                .take(depth)
                .flat_map(|label| [label, "."])
                .collect(),
        )
    }

    /// The leftmost label in this type's form; none for the root.
    pub fn first_label(&self) -> Option<&str> {
        self.labels().next_back()
    }

    /// This name with one label of letters, digits, hyphens (or `*`) before it.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self(format!("{}{label}.", self.0))
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The label being read; there always is one.
fn current(labels: &mut [Vec<u8>]) -> &mut Vec<u8> {
    labels
        .last_mut()
        .expect("the list of labels starts with one and only grows")
}

/// The octet an escape stands for, and how many characters follow the backslash.
fn escape(rest: &[u8]) -> Result<(u8, usize), NameProblem> {
    match rest {
        [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
            Ok(((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), 3))
        }
        [octet @ b'!'..=b'~', ..] if !octet.is_ascii_digit() => Ok((*octet, 1)),
        _ => Err(NameProblem::UnsupportedCharacter),
    }
}

/// Appends a label: printable ASCII as it is, a dot, a backslash and the rest as `\ooo`.
fn push_label(out: &mut String, label: &[u8]) {
    for &octet in label {
        match octet {
            b'.' | b'\\' => out.push_str(&format!("\\{octet:03o}")),
            b'!'..=b'~' => out.push(char::from(octet)),
            _ => out.push_str(&format!("\\{octet:03o}")),
        }
    }
    out.push('.');
}

/// The octets of a label written by [`push_label`].
fn octets_of(label: &str) -> Vec<u8> {
    let bytes = label.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\\'
            && let Ok((octet, length)) = escape(&bytes[at + 1..])
        {
            out.push(octet);
            at += length;
        } else {
            out.push(bytes[at]);
        }
        at += 1;
    }
    out
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        DnsName::parse(text).unwrap()
    }

    #[test]
    fn spelling_is_normalised_as_route_53_does() {
        let check = |input: &str, expected: &str| assert_eq!(name(input).text(), expected);
        check("WWW.Example.EDU", "www.example.edu.");
        check("www.example.edu.", "www.example.edu.");
        check("*.example.edu", "\\052.example.edu.");
        check("\\052.example.edu.", "\\052.example.edu.");
        check("_acme-challenge.a.edu", "_acme-challenge.a.edu.");
        check("a\\056b.edu", "a\\056b.edu.");
        check("caf\\351.edu", "caf\\351.edu.");
        check(".", ".");
        assert_eq!(name("*.example.edu").normalised(), "\\052.example.edu");
    }

    #[test]
    fn names_that_are_none_are_refused_with_the_reason() {
        let check = |input: &str, expected| assert_eq!(DnsName::parse(input), Err(expected));
        check("a..b", NameProblem::EmptyLabel);
        check(".a", NameProblem::EmptyLabel);
        check("a b.edu", NameProblem::UnsupportedCharacter);
        check("caf\u{e9}.edu", NameProblem::UnsupportedCharacter);
        check("a\\9.edu", NameProblem::UnsupportedCharacter);
        check(
            &format!("{}.edu", "a".repeat(64)),
            NameProblem::LabelTooLong,
        );
        check(&vec!["a".repeat(63); 4].join("."), NameProblem::NameTooLong);
    }

    #[test]
    fn order_is_that_of_reversed_labels_with_the_dot() {
        let mut names: Vec<_> = ["b.a.edu", "a.edu", "a-b.edu", "*.a.edu", "z.edu", "a.a.edu"]
            .map(name)
            .into();
        names.sort();
        let texts: Vec<_> = names.iter().map(DnsName::text).collect();
        let expected = [
            "a-b.edu.",
            "a.edu.",
            "\\052.a.edu.",
            "a.a.edu.",
            "b.a.edu.",
            "z.edu.",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn containment_respects_label_boundaries() {
        assert!(name("x.spore.edu").is_below(&name("spore.edu")));
        assert!(name("spore.edu").is_within(&name("spore.edu")));
        assert!(!name("myspore.edu").is_within(&name("spore.edu")));
        assert!(name("edu").is_below(&DnsName::root()));
        assert_eq!(name("a.b.edu").parent(), Some(name("b.edu")));
        assert_eq!(name("edu").parent(), Some(DnsName::root()));
        assert_eq!(DnsName::root().parent(), None);
        assert_eq!(name("a.b.c.edu").ancestor(2), name("c.edu"));
    }

    #[test]
    fn the_wire_form_comes_back() {
        for text in ["a.b.edu", "*.b.edu", "a\\056b.edu", "\\000.edu", "."] {
            assert_eq!(DnsName::from_wire(&name(text).wire()), name(text));
        }
        assert_eq!(name("Ab.edu").wire().as_slice(), b"\x02ab\x03edu\x00");
    }
}
