//! Filter patterns of unstructured text
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>).
//!
//! Modelled are terms that must all occur, terms of which one must occur (`?`), terms that must not
//! occur (`-`) and quoted phrases, with case. Patterns for JSON, for space-delimited events and
//! regular expressions are refused by name, as is `?` beside other terms, which AWS documents to be
//! treated in a way of its own.

use super::invalid;
use crate::world::AwsError;

/// A filter pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    /// Reads a pattern. The empty one matches every event.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        if text.trim_start().starts_with(['{', '[']) {
            return Err(AwsError::not_modelled(
                "filter patterns for JSON or space-delimited log events",
            ));
        }
        let mut pattern = Self::default();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let into = match first {
                '?' => &mut pattern.any,
                '-' => &mut pattern.none,
                _ => &mut pattern.all,
            };
            let start = rest.strip_prefix(['?', '-']).unwrap_or(rest);
            let (term, after) = term(start)?;
            into.push(term);
            rest = after.trim_start();
        }
        let others = !pattern.all.is_empty() || !pattern.none.is_empty();
        if others && !pattern.any.is_empty() {
            return Err(AwsError::not_modelled(
                "filter patterns with `?` beside other terms",
            ));
        }
        Ok(pattern)
    }

    /// Whether an event's message matches.
    pub fn matches(&self, message: &str) -> bool {
        self.all.iter().all(|term| message.contains(term))
            && (self.any.is_empty() || self.any.iter().any(|term| message.contains(term)))
            && !self.none.iter().any(|term| message.contains(term))
    }
}

/// The term at the start of a text, and what follows it.
fn term(text: &str) -> Result<(String, &str), AwsError> {
    if text.starts_with('%') {
        return Err(AwsError::not_modelled(
            "filter patterns with regular expressions",
        ));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let mut term = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return Ok((term, &quoted[at + 1..])),
                '\\' => term.extend(chars.next().map(|(_, escaped)| escaped)),
                _ => term.push(c),
            }
        }
        return Err(invalid(
            "Invalid filter pattern: a quotation mark is missing",
        ));
    }
    let (term, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    // "Terms that contain symbols other than alphanumeric or underscore must be in quotes."
    if term.is_empty() || !term.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(invalid(format!(
            "Invalid filter pattern: '{term}' must be in quotation marks"
        )));
    }
    Ok((term.to_owned(), rest))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn terms() {
        let check = |pattern: &str, message: &str, expected: bool| {
            let found = Pattern::parse(pattern).unwrap().matches(message);
            assert_eq!(found, expected, "{pattern} on {message}");
        };
        check("", "anything", true);
        check("ERROR", "an ERROR here", true);
        check("ERROR", "an error here", false);
        check("ERROR zone", "zone: ERROR", true);
        check("ERROR zone", "ERROR", false);
        check("?ERROR ?WARN", "a WARN", true);
        check("?ERROR ?WARN", "an INFO", false);
        check("ERROR -EXIT", "ERROR", true);
        check("ERROR -EXIT", "ERROR EXIT", false);
        check(r#""code 5: \"no\"""#, r#"got code 5: "no""#, true);
        check(r#"-"a b""#, "a b", false);
    }

    #[test]
    fn what_is_not_modelled_is_refused_and_what_is_wrong_is_invalid() {
        let code = |pattern: &str| Pattern::parse(pattern).unwrap_err().code;
        assert_eq!(code(r#"{ $.code = "x" }"#), "NotImplemented");
        assert_eq!(code("[ip, user]"), "NotImplemented");
        assert_eq!(code("%A.B%"), "NotImplemented");
        assert_eq!(code("?a b"), "NotImplemented");
        assert_eq!(code("a:b"), "InvalidParameterException");
        assert_eq!(code("\"a"), "InvalidParameterException");
        assert_eq!(code("- a"), "InvalidParameterException");
    }
}
