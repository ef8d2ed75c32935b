//! Filter patterns, of metric filters and of FilterLogEvents
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>).
//!
//! There are three languages: terms of unstructured text, `{ .. }` for events that are JSON, and
//! `[ .. ]` for events whose fields are separated by spaces. Regular expressions between `%` occur in
//! all of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::invalid;
use crate::world::AwsError;

mod compare;
mod fields;
mod json;
mod terms;

/// A filter pattern.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Terms(terms::Terms),
    Json(json::Expression),
    Fields(fields::Fields),
}

impl Default for Pattern {
    /// The empty pattern, which matches every event.
    fn default() -> Self {
        Self::Terms(terms::Terms::default())
    }
}

/// A matched event, with what can be taken out of it.
#[derive(Debug)]
pub(super) enum Match {
    Text,
    Json(Value),
    Fields(BTreeMap<String, String>),
}

impl Pattern {
    /// Reads a pattern. The empty one matches every event.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let text = text.trim();
        let pattern = if text.starts_with('{') {
            Self::Json(json::Expression::parse(text)?)
        } else if text.starts_with('[') {
            Self::Fields(fields::Fields::parse(text)?)
        } else {
            Self::Terms(terms::Terms::parse(text)?)
        };
        // "There is a limit of 2 regex for each filter pattern when creating a delimited or JSON
        // filter pattern".
        if !matches!(pattern, Self::Terms(_)) && pattern.regex_count() > 2 {
            return Err(invalid(
                "Invalid filter pattern: more than 2 regular expressions",
            ));
        }
        Ok(pattern)
    }

    /// Whether an event's message matches.
    pub fn matches(&self, message: &str) -> bool {
        self.find(message).is_some()
    }

    /// An event's message, if it matches.
    pub fn find(&self, message: &str) -> Option<Match> {
        match self {
            Self::Terms(terms) => terms.matches(message).then_some(Match::Text),
            Self::Json(expression) => {
                let event: Value = serde_json::from_str(message).ok()?;
                expression.holds(&event).then_some(Match::Json(event))
            }
            Self::Fields(fields) => fields.find(message).map(Match::Fields),
        }
    }

    /// Whether there is a regular expression in it.
    pub fn has_regex(&self) -> bool {
        self.regex_count() > 0
    }

    fn regex_count(&self) -> usize {
        match self {
            Self::Terms(terms) => terms.regex_count(),
            Self::Json(expression) => expression.regex_count(),
            Self::Fields(fields) => fields.regex_count(),
        }
    }

    /// Whether a text such as `$.latency` or `$bytes` names something in events of this pattern.
    pub fn knows(&self, field: &str) -> bool {
        match self {
            Self::Terms(_) => false,
            Self::Json(_) => json::Selector::parse(field).is_some(),
            Self::Fields(fields) => fields.knows(field),
        }
    }
}

impl Match {
    /// What a text such as `$.latency` or `$bytes` names in the event.
    pub fn field(&self, field: &str) -> Option<String> {
        match self {
            Self::Text => None,
            Self::Json(event) => json::Selector::parse(field)?.text(event),
            Self::Fields(fields) => fields.get(field).cloned(),
        }
    }

    /// The fields of a space-delimited event by name.
    pub fn extracted(&self) -> Value {
        match self {
            Self::Text | Self::Json(_) => serde_json::json!({}),
            Self::Fields(fields) => serde_json::json!(fields),
        }
    }
}

fn wrong(what: &str) -> AwsError {
    invalid(format!("Invalid filter pattern: {what}"))
}
