//! Patterns for events whose fields are separated by spaces: `[ip, user, ..., status = 4*, bytes]`.
//!
//! "The characters between a pair of square brackets [] or two double quotes ("") are treated as a
//! single field." Without an ellipsis an event must have as many fields as the pattern.

use std::collections::BTreeMap;

use super::compare::Comparison;
use super::wrong;
use crate::world::AwsError;

/// A pattern of fields.
#[derive(Debug, Clone)]
pub(in super::super) struct Fields {
    /// Before the ellipsis, or all of them.
    head: Vec<Field>,
    /// After the ellipsis, if there is one.
    tail: Option<Vec<Field>>,
}

/// One field: its name, and alternatives of conditions that must all hold.
#[derive(Debug, Clone, Default)]
struct Field {
    name: Option<String>,
    any: Vec<Vec<Comparison>>,
}

impl Fields {
    /// Reads a pattern with its brackets.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let inner = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .ok_or_else(|| wrong("a bracket is missing"))?;
        let mut head = Vec::new();
        let mut tail: Option<Vec<Field>> = None;
        for part in parts(inner) {
            let part = part.trim();
            match (part, &mut tail) {
                ("...", None) => tail = Some(Vec::new()),
                ("...", Some(_)) => return Err(wrong("there can be one ellipsis only")),
                (part, None) => head.push(Field::parse(part)?),
                (part, Some(tail)) => tail.push(Field::parse(part)?),
            }
        }
        Ok(Self { head, tail })
    }

    /// The event's fields by name, if it matches; those without a name by their number.
    pub fn find(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let values = split(message);
        let tail = self.tail.as_deref().unwrap_or_default();
        let known = self.head.len() + tail.len();
        let fits = match self.tail {
            None => values.len() == known,
            Some(_) => values.len() >= known,
        };
        if !fits {
            return None;
        }
        let tail_start = values.len() - tail.len();
        let none = Field::default();
        let mut found = BTreeMap::new();
        for (index, value) in values.iter().enumerate() {
            let field = if index < self.head.len() {
                &self.head[index]
            } else if index >= tail_start {
                &tail[index - tail_start]
            } else {
                &none
            };
            if !field.accepts(value) {
                return None;
            }
            let name = match &field.name {
                Some(name) => format!("${name}"),
                None => format!("${}", index + 1),
            };
            found.insert(name, value.clone());
        }
        Some(found)
    }

    /// Whether a text such as `$bytes` names one of the fields.
    pub fn knows(&self, text: &str) -> bool {
        let name = text.strip_prefix('$').unwrap_or_default();
        let by_name = |field: &Field| field.name.as_deref() == Some(name);
        self.all().any(by_name) || (name.parse::<usize>().is_ok_and(|number| number > 0))
    }

    pub fn regex_count(&self) -> usize {
        let comparisons = self.all().flat_map(|field| field.any.iter().flatten());
        comparisons.map(Comparison::regex_count).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Field> {
        self.head.iter().chain(self.tail.iter().flatten())
    }
}

impl Field {
    /// `name`, or `name = 4* && name != 404 || name = 500`.
    fn parse(text: &str) -> Result<Self, AwsError> {
        let mut field = Self::default();
        let mut rest = text;
        let mut all = Vec::new();
        while !rest.is_empty() {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let end = rest.find(|c| !good(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            match &field.name {
                _ if name.is_empty() => {
                    return Err(wrong(&format!("a field's name is expected at '{rest}'")));
                }
                None => field.name = Some(name.to_owned()),
                Some(first) if first == name => {}
                Some(first) => {
                    return Err(wrong(&format!("'{name}' in the condition of '{first}'")));
                }
            }
            if after.trim().is_empty() && all.is_empty() && field.any.is_empty() {
                return Ok(field);
            }
            let (comparison, after) = Comparison::parse(after)?;
            all.push(comparison);
            let after = after.trim_start();
            if let Some(after) = after.strip_prefix("&&") {
                rest = after.trim_start();
            } else if let Some(after) = after.strip_prefix("||") {
                field.any.push(std::mem::take(&mut all));
                rest = after.trim_start();
            } else if after.is_empty() {
                field.any.push(all);
                return Ok(field);
            } else {
                return Err(wrong(&format!("unexpected '{after}'")));
            }
        }
        if field.name.is_some() {
            return Err(wrong(&format!("a condition is missing in '{text}'")));
        }
        Ok(field)
    }

    fn accepts(&self, value: &str) -> bool {
        let holds = |all: &Vec<Comparison>| all.iter().all(|one| one.holds(value));
        self.any.is_empty() || self.any.iter().any(holds)
    }
}

/// The parts between commas that are not quoted or within a regular expression.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut within) = (0, None);
    for (at, c) in text.char_indices() {
        match (c, within) {
            ('"' | '%', None) => within = Some(c),
            (c, Some(open)) if c == open => within = None,
            (',', None) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            (_, Some(_) | None) => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// An event's fields.
fn split(message: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = message.trim();
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '[' => Some(']'),
            '"' => Some('"'),
            _ => None,
        };
        let inner = close.and_then(|close| rest[1..].split_once(close));
        let (field, after) = match inner {
            Some(found) => found,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        fields.push(field.to_owned());
        rest = after.trim_start();
    }
    fields
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The guide's example events.
    const EVENTS: [&str; 3] = [
        r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /apache_pb.gif HTTP/1.0" 200 1534"#,
        r#"127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /apache_pb.gif HTTP/1.0" 500 5324"#,
        r#"127.0.0.1 - frank [10/Oct/2000:13:50:35 -0700] "GET /apache_pb.gif HTTP/1.0" 200 4355"#,
    ];

    fn matching(pattern: &str, events: [&str; 3]) -> [bool; 3] {
        let fields = Fields::parse(pattern).unwrap();
        events.map(|event| fields.find(event).is_some())
    }

    #[test]
    fn published_patterns() {
        let check = |pattern: &str, expected: [bool; 3]| {
            assert_eq!(matching(pattern, EVENTS), expected, "{pattern}");
        };
        let every = [true, true, true];
        check(
            "[ip, user, username, timestamp, request, status_code, bytes]",
            every,
        );
        check("[..., status_code, bytes]", every);
        check("[ip, user, ..., status_code, bytes]", every);
        check("[ip, user, ...]", every);
        check("[ip, user]", [false, false, false]);
        check(
            "[ip, user, username, timestamp, request, status_code, bytes > 2000]",
            [false, true, true],
        );
        check(
            "[ip, user, username, timestamp, request, status_code = 200, bytes]",
            [true, false, true],
        );
        check(
            "[ip, user, username, timestamp, request, status_code = 5*, bytes]",
            [false, true, false],
        );
        check(
            "[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]",
            [false, false, false],
        );
        check(
            "[ip, user, username, timestamp, request = *.gif*, status_code = 2* && status_code != 404, bytes]",
            [true, false, true],
        );
        check(
            "[..., status_code = 500 || status_code = 404, bytes]",
            [false, true, false],
        );
    }

    #[test]
    fn published_words() {
        let lines = ["ERROR WARN message", "ERROR message", "WARN message"];
        assert_eq!(matching("[w1=ERROR, w2]", lines), [false, true, false]);
        assert_eq!(
            matching("[w1=ERROR || w1=WARN, w2]", lines),
            [false, true, true]
        );
        assert_eq!(
            matching("[w1!=ERROR&&w1!=WARN, w2]", lines),
            [false, false, false]
        );
    }

    #[test]
    fn published_extraction() {
        let fields = Fields::parse("[..., request=*.html*, status_code=4*,]").unwrap();
        let event = r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /products/index.html HTTP/1.0" 404 1534"#;
        let found = fields.find(event).unwrap();
        let expected = [
            ("$status_code", "404"),
            ("$request", "GET /products/index.html HTTP/1.0"),
            ("$7", "1534"),
            ("$4", "10/Oct/2000:13:25:15 -0700"),
            ("$3", "frank"),
            ("$2", "-"),
            ("$1", "127.0.0.1"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
    }

    #[test]
    fn what_is_wrong() {
        for pattern in [
            "[a",
            "[..., a, ...]",
            "[a=1 b=2]",
            "[a=1 && c=2]",
            "[a >]",
            "[a=1 &&]",
        ] {
            let error = Fields::parse(pattern).unwrap_err();
            assert_eq!(error.code, "InvalidParameterException", "{pattern}");
        }
    }
}
