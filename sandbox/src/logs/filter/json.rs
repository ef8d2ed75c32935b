//! Patterns for events that are JSON: `{ $.code = "denied" && $.count > 3 }`.
//!
//! "The SELECTOR must point to a value node (string or number) in the JSON. If it points to an array
//! or object, the filter will not be applied": neither `=` nor `!=` holds then, and the same goes for
//! a property that is not there.

use serde_json::Value;

use super::compare::{Comparison, quoted};
use super::wrong;
use crate::world::AwsError;

/// A condition on an event.
#[derive(Debug, Clone)]
pub(in super::super) enum Expression {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compares(Selector, Comparison),
    IsNull(Selector),
    IsTrue(Selector),
    IsFalse(Selector),
    NotExists(Selector),
}

impl Expression {
    /// Reads a pattern with its braces.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let inner = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .ok_or_else(|| wrong("a brace is missing"))?;
        let (expression, rest) = any(inner)?;
        if rest.trim().is_empty() {
            Ok(expression)
        } else {
            Err(wrong(&format!("unexpected '{}'", rest.trim())))
        }
    }

    /// Whether an event satisfies it.
    pub fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(event)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(event)),
            Self::Compares(selector, comparison) => {
                let values = selector.values(event).into_iter();
                values
                    .filter_map(text)
                    .any(|value| comparison.holds(&value))
            }
            Self::IsNull(selector) => selector.values(event).into_iter().any(Value::is_null),
            Self::IsTrue(selector) => is_bool(selector, event, true),
            Self::IsFalse(selector) => is_bool(selector, event, false),
            Self::NotExists(selector) => selector.values(event).is_empty(),
        }
    }

    pub fn regex_count(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::regex_count).sum(),
            Self::Compares(_, comparison) => comparison.regex_count(),
            Self::IsNull(_) | Self::IsTrue(_) | Self::IsFalse(_) | Self::NotExists(_) => 0,
        }
    }
}

fn is_bool(selector: &Selector, event: &Value, wanted: bool) -> bool {
    let values = selector.values(event).into_iter();
    values
        .filter_map(Value::as_bool)
        .any(|found| found == wanted)
}

/// A string or a number as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A way into an event: `$.users[0].id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Selector(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Property(String),
    Element(usize),
    /// `.*` or `[*]`: whatever is there.
    Every,
}

impl Selector {
    /// Reads a text that is a selector and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (selector, rest) = Self::read(text)?;
        rest.is_empty().then_some(selector)
    }

    /// Reads the selector at the start of a text.
    fn read(text: &str) -> Option<(Self, &str)> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        loop {
            let bracket = rest.strip_prefix(".[").or(rest.strip_prefix('['));
            if let Some(inner) = bracket {
                let (step, after) = bracketed(inner)?;
                steps.push(step);
                rest = after;
            } else if let Some(after) = rest.strip_prefix(".*") {
                steps.push(Step::Every);
                rest = after;
            } else if let Some(after) = rest.strip_prefix('.') {
                let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                let end = after.find(|c| !good(c)).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                if name.is_empty() {
                    return None;
                }
                steps.push(Step::Property(name.to_owned()));
                rest = after;
            } else {
                break;
            }
        }
        // "You can only use up to one wildcard selector in a property selector."
        let wild = steps.iter().filter(|step| **step == Step::Every).count();
        (!steps.is_empty() && wild <= 1).then_some((Self(steps), rest))
    }

    /// What it leads to.
    fn values<'e>(&self, event: &'e Value) -> Vec<&'e Value> {
        let mut found = vec![event];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|value| -> Vec<&Value> {
                    match (step, value) {
                        (Step::Property(name), value) => value.get(name).into_iter().collect(),
                        (Step::Element(index), Value::Array(items)) => {
                            items.get(*index).into_iter().collect()
                        }
                        (Step::Every, Value::Array(items)) => items.iter().collect(),
                        (Step::Every, Value::Object(members)) => members.values().collect(),
                        (Step::Element(_) | Step::Every, _) => Vec::new(),
                    }
                })
                .collect();
        }
        found
    }

    /// The first string or number that it leads to.
    pub fn text(&self, event: &Value) -> Option<String> {
        self.values(event).into_iter().find_map(text)
    }
}

/// What stands in brackets, and what follows them.
fn bracketed(text: &str) -> Option<(Step, &str)> {
    if let Some(name) = text.strip_prefix('\'') {
        let (name, rest) = name.split_once("']")?;
        return Some((Step::Property(name.to_owned()), rest));
    }
    if let Some(name) = text.strip_prefix('"') {
        let (name, rest) = quoted(name).ok()?;
        return Some((Step::Property(name), rest.strip_prefix(']')?));
    }
    let (inner, rest) = text.split_once(']')?;
    if inner == "*" {
        return Some((Step::Every, rest));
    }
    Some((Step::Element(inner.parse().ok()?), rest))
}

/// `(` binds before `&&`, and that before `||`.
fn any(text: &str) -> Result<(Expression, &str), AwsError> {
    let (first, mut rest) = all(text)?;
    let mut parts = vec![first];
    while let Some(after) = rest.trim_start().strip_prefix("||") {
        let (part, after) = all(after)?;
        parts.push(part);
        rest = after;
    }
    Ok(match <[Expression; 1]>::try_from(parts) {
        Ok([one]) => (one, rest),
        Err(parts) => (Expression::Any(parts), rest),
    })
}

fn all(text: &str) -> Result<(Expression, &str), AwsError> {
    let (first, mut rest) = part(text)?;
    let mut parts = vec![first];
    while let Some(after) = rest.trim_start().strip_prefix("&&") {
        let (next, after) = part(after)?;
        parts.push(next);
        rest = after;
    }
    Ok(match <[Expression; 1]>::try_from(parts) {
        Ok([one]) => (one, rest),
        Err(parts) => (Expression::All(parts), rest),
    })
}

fn part(text: &str) -> Result<(Expression, &str), AwsError> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('(') {
        let (expression, rest) = any(inner)?;
        let rest = rest.trim_start().strip_prefix(')');
        let rest = rest.ok_or_else(|| wrong("a parenthesis is missing"))?;
        return Ok((expression, rest));
    }
    let (selector, rest) = Selector::read(text)
        .ok_or_else(|| wrong(&format!("a selector is expected at '{text}'")))?;
    let words = [
        (["IS", "NULL"], Expression::IsNull as fn(Selector) -> _),
        (["IS", "TRUE"], Expression::IsTrue),
        (["IS", "FALSE"], Expression::IsFalse),
        (["NOT", "EXISTS"], Expression::NotExists),
    ];
    for ([first, second], make) in words {
        let after = word(rest, first).and_then(|rest| word(rest, second));
        if let Some(after) = after {
            return Ok((make(selector), after));
        }
    }
    let (comparison, rest) = Comparison::parse(rest)?;
    Ok((Expression::Compares(selector, comparison), rest))
}

fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.trim_start().strip_prefix(word)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn check(event: &str, pattern: &str, expected: bool) {
        let event: Value = serde_json::from_str(event).unwrap();
        let found = Expression::parse(pattern).unwrap().holds(&event);
        assert_eq!(found, expected, "{pattern}");
    }

    /// The guide's first example event, with its patterns that match and their opposites.
    #[test]
    fn published_examples_of_terms() {
        let event = r#"{
            "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111",
            "arrayKey": ["value", "another value"],
            "objectList": [{ "name": "a", "id": 1 }, { "name": "b", "id": 2 }],
            "SomeObject": null, "ThisFlag": true
        }"#;
        check(event, r#"{ $.eventType = "UpdateTrail" }"#, true);
        check(event, "{ $.eventType = UpdateTrail }", true);
        check(event, "{ $.eventType = Update* }", true);
        check(event, "{ $.eventType = *date* }", true);
        check(event, "{ $.eventType = Up*Trail }", false);
        check(event, "{ $.sourceIPAddress != 123.123.* }", true);
        check(event, "{ $.sourceIPAddress != 111.111.* }", false);
        check(event, r#"{ $.arrayKey[0] = "value" }"#, true);
        check(event, r#"{ $.arrayKey[1] = "value" }"#, false);
        check(event, r#"{ $.eventType[0] = "value" }"#, false);
        check(event, "{ $.objectList[1].id = 2 }", true);
        check(event, "{ $.objectList[*].id = 2 }", true);
        check(event, "{ $.objectList[*].id > 2 }", false);
        check(event, "{ $.SomeObject IS NULL }", true);
        check(event, "{ $.SomeOtherObject IS NULL }", false);
        check(event, "{ $.SomeOtherObject NOT EXISTS }", true);
        check(event, "{ $.SomeObject NOT EXISTS }", false);
        check(event, "{ $.ThisFlag IS TRUE }", true);
        check(event, "{ $.ThisFlag IS FALSE }", false);
        check(event, "{ $.eventType = * }", true);
        check(event, "{ $.absent = * }", false);
        check(event, "{ $.eventType = %^Update[A-Z]% }", true);
    }

    /// The guide's second example event, "JSON compound conditions".
    #[test]
    fn published_examples_of_compounds() {
        let event = r#"{
            "user": { "id": 1, "email": "John.Stiles@example.com" },
            "users": [
                { "id": 2, "email": "John.Doe@example.com" },
                { "id": 3, "email": "Jane.Doe@example.com" }
            ],
            "actions": ["GET", "PUT", "DELETE"],
            "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]]
        }"#;
        let cases = [
            (
                r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#,
                true,
            ),
            (
                r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }"#,
                false,
            ),
            (
                r#"{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }"#,
                true,
            ),
            (
                r#"{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }"#,
                false,
            ),
        ];
        for (pattern, expected) in cases {
            check(event, pattern, expected);
        }
    }

    #[test]
    fn an_array_is_no_value() {
        check(r#"{ "users": [1, 2, 3] }"#, "{ $.users = 1 }", false);
        check(r#"{ "users": [1, 2, 3] }"#, "{ $.users != 1 }", false);
        check("{}", "{ $.users != 1 }", false);
    }

    #[test]
    fn numbers() {
        let event = r#"{ "latency": 500, "numbers": [0.5], "processes": [0, { "averageRuntime": 55.5 }],
            "errorCode": 400, "code": "400", "cluster.name": "c" }"#;
        check(event, "{ $.latency >= 500 }", true);
        check(event, "{ $.numbers[0] < 10e3 }", true);
        check(event, "{ $.numbers[0] < 10e-3 }", false);
        check(event, "{ $.processes[1].averageRuntime <= 55.5 }", true);
        check(event, "{ $.errorCode = 400 }", true);
        check(event, "{ $.errorCode = 4* }", true);
        check(event, "{ $.code = 400 }", true);
        check(event, "{ $.errorCode != 500 }", true);
        check(event, "{ $.latency > +1000 }", false);
        check(event, "{ $.['cluster.name'] = \"c\" }", true);
    }

    #[test]
    fn what_is_wrong() {
        let patterns = [
            "{ $.a = }",
            "{ $.a }",
            "{ a = 1 }",
            "{ $.a = 1",
            "{ ($.a = 1 }",
            "{ $.a > x }",
            "{ $.a = b@c }",
            "{ $.a = 1 $.b = 2 }",
            "{ $.*.* = 1 }",
            "{ $.a = 1 & $.b = 2 }",
        ];
        for pattern in patterns {
            let error = Expression::parse(pattern).unwrap_err();
            assert_eq!(error.code, "InvalidParameterException", "{pattern}");
        }
    }
}
