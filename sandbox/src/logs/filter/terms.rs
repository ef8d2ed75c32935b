//! Terms of unstructured text: those that must all occur, those of which one must (`?`), those that
//! must not (`-`), quoted phrases and regular expressions, with case.
//!
//! `?` beside other terms is refused: AWS documents that such question marks are ignored, and shows
//! examples that do not fit that.

use regex_lite::Regex;

use super::compare::regex;
use super::wrong;
use crate::world::AwsError;

/// A pattern of terms.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Terms {
    all: Vec<Term>,
    any: Vec<Term>,
    none: Vec<Term>,
}

#[derive(Debug, Clone)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Terms {
    pub fn parse(text: &str) -> Result<Self, AwsError> {
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

    pub fn matches(&self, message: &str) -> bool {
        self.all.iter().all(|term| term.is_in(message))
            && (self.any.is_empty() || self.any.iter().any(|term| term.is_in(message)))
            && !self.none.iter().any(|term| term.is_in(message))
    }

    pub fn regex_count(&self) -> usize {
        let terms = self.all.iter().chain(&self.any).chain(&self.none);
        terms.filter(|term| matches!(term, Term::Regex(_))).count()
    }
}

/// The term at the start of a text, and what follows it.
fn term(text: &str) -> Result<(Term, &str), AwsError> {
    if let Some(start) = text.strip_prefix('%') {
        let (expression, rest) = regex(start)?;
        return Ok((Term::Regex(expression), rest));
    }
    if let Some(start) = text.strip_prefix('"') {
        let (term, rest) = super::compare::quoted(start)?;
        return Ok((Term::Text(term), rest));
    }
    let (term, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    // "Terms that contain symbols other than alphanumeric or underscore must be in quotes."
    if term.is_empty() || !term.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(wrong(&format!("'{term}' must be in quotation marks")));
    }
    Ok((Term::Text(term.to_owned()), rest))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn terms() {
        let check = |pattern: &str, message: &str, expected: bool| {
            let found = Terms::parse(pattern).unwrap().matches(message);
            assert_eq!(found, expected, "{pattern} on {message}");
        };
        check("", "anything", true);
        check("ERROR", "an error here", false);
        check("ERROR zone", "zone: ERROR", true);
        check("ERROR zone", "ERROR", false);
        check("?ERROR ?WARN", "an INFO", false);
        check(r#""code 5: \"no\"""#, r#"got code 5: "no""#, true);
        check(r#"-"a b""#, "a b", false);
        check("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", true);
        check("%[4-5][0-9]{2}%", "status 503", true);
        check("%^status%", "a status", false);
    }

    /// The examples of the guide, "Matching terms in log events".
    #[test]
    fn published_examples() {
        let lines = ["ERROR WARN message", "ERROR message", "WARN message"];
        let check = |pattern: &str, expected: [bool; 3]| {
            let terms = Terms::parse(pattern).unwrap();
            assert_eq!(lines.map(|line| terms.matches(line)), expected, "{pattern}");
        };
        check("ERROR", [true, true, false]);
        check("?ERROR ?WARN", [true, true, true]);
        check("ERROR WARN", [true, false, false]);
        check("ERROR -WARN", [false, true, false]);
        let terms = Terms::parse(r#"ERROR -"Exiting""#).unwrap();
        assert!(terms.matches("[ERROR] A fatal exception has occurred"));
        assert!(!terms.matches("Exiting with ERRORCODE: -1"));
        let terms = Terms::parse("Failed to process the request").unwrap();
        assert!(terms.matches("[ERROR] Unable to continue: Failed to process the request"));
    }

    #[test]
    fn what_is_not_modelled_is_refused_and_what_is_wrong_is_invalid() {
        let code = |pattern: &str| Terms::parse(pattern).unwrap_err().code;
        assert_eq!(code("?a b"), "NotImplemented");
        for pattern in ["a:b", "\"a", "- a", "%a(b)%", "%a", "%a!%"] {
            assert_eq!(code(pattern), "InvalidParameterException", "{pattern}");
        }
    }
}
