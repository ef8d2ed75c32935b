//! IAM-style policy documents by meaning: what is allowed to whom, never how it is spelled.
//!
//! AWS reorders statements, turns one-element lists into single values and account ids into root
//! ARNs; none of that is a difference. Source: IAM User Guide, "IAM JSON policy elements reference".

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// A policy as a set of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its statements, without regard to order or `Sid`.
    pub statements: BTreeSet<Statement>,
}

/// One statement, normalised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// `Allow` or `Deny`.
    pub effect: String,
    /// `type:value` of each principal (`Service:lambda.amazonaws.com`, `AWS:arn:...`), `Not...` kept.
    pub principals: BTreeSet<String>,
    /// Actions, without regard to case; `Not:` in front where the statement says NotAction.
    pub actions: BTreeSet<Caseless>,
    /// Resources; `Not:` in front where the statement says NotResource.
    pub resources: BTreeSet<String>,
    /// `operator key`, without regard to case, and the values.
    pub conditions: BTreeMap<Caseless, BTreeSet<String>>,
    /// Elements this reader does not know, as text: they can never compare equal by accident.
    pub unknown: BTreeMap<String, String>,
}

/// A text that AWS compares without regard to case, kept as it was written.
#[derive(Debug, Clone)]
pub struct Caseless(String);

impl Ord for Caseless {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0
            .to_ascii_lowercase()
            .cmp(&other.0.to_ascii_lowercase())
    }
}

impl PartialOrd for Caseless {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Caseless {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Caseless {}

impl fmt::Display for Caseless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A policy of `policies/` with its placeholders filled. A string that is nothing but `${name}` becomes
/// the value, whatever its form; inside a longer string the value's text is put. A statement whose
/// resources become an empty list is left out: it would allow nothing, and AWS refuses it.
///
/// # Panics
/// If the template is not JSON: it is part of this program, and a test reads each.
pub fn fill(template: &str, values: &[(&str, Value)]) -> Value {
    let mut policy: Value =
        serde_json::from_str(template).expect("invariant: policies/ holds JSON, and is tested");
    fill_value(&mut policy, values);
    if let Some(Value::Array(statements)) = policy.get_mut("Statement") {
        statements.retain(|statement| statement["Resource"] != Value::Array(Vec::new()));
    }
    policy
}

fn fill_value(value: &mut Value, values: &[(&str, Value)]) {
    match value {
        Value::String(text) => {
            for (name, filled) in values {
                let placeholder = format!("${{{name}}}");
                if *text == placeholder {
                    *value = filled.clone();
                    return;
                }
                if let Some(filled) = filled.as_str() {
                    *text = text.replace(&placeholder, filled);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| fill_value(item, values)),
        Value::Object(map) => map.values_mut().for_each(|item| fill_value(item, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// JSON, but not of a policy's form.
    #[error("not a policy document: {0}")]
    Form(&'static str),
}

impl Policy {
    /// Reads a policy document.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| PolicyError::Json(error.to_string()))?;
        let object = value
            .as_object()
            .ok_or(PolicyError::Form("an object is expected"))?;
        let statements = match object.get("Statement") {
            Some(Value::Array(list)) => list.iter().map(statement).collect::<Result<_, _>>()?,
            Some(single) => BTreeSet::from([statement(single)?]),
            None => return Err(PolicyError::Form("Statement is missing")),
        };
        Ok(Self { statements })
    }

    /// A policy text as people and plan files see it: its sentences; the text itself if it is none.
    pub fn shown(text: &str) -> String {
        Self::parse(text).map_or_else(
            |_| text.to_owned(),
            |policy| {
                let sentences: Vec<String> =
                    policy.statements.iter().map(Statement::sentence).collect();
                sentences.join("; ")
            },
        )
    }
}

fn statement(value: &Value) -> Result<Statement, PolicyError> {
    let object = value
        .as_object()
        .ok_or(PolicyError::Form("a statement is an object"))?;
    let mut read = Statement {
        effect: String::new(),
        principals: BTreeSet::new(),
        actions: BTreeSet::new(),
        resources: BTreeSet::new(),
        conditions: BTreeMap::new(),
        unknown: BTreeMap::new(),
    };
    for (element, value) in object {
        match element.as_str() {
            "Sid" => {}
            "Effect" => value
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut read.effect),
            "Principal" => read.principals.extend(principals("", value)),
            "NotPrincipal" => read.principals.extend(principals("Not:", value)),
            "Action" => read.actions.extend(texts(value).into_iter().map(Caseless)),
            "NotAction" => read.actions.extend(
                texts(value)
                    .into_iter()
                    .map(|a| Caseless(format!("Not:{a}"))),
            ),
            "Resource" => read.resources.extend(texts(value)),
            "NotResource" => {
                read.resources
                    .extend(texts(value).into_iter().map(|r| format!("Not:{r}")));
            }
            "Condition" => conditions(value, &mut read.conditions)?,
            other => {
                read.unknown.insert(other.to_owned(), value.to_string());
            }
        }
    }
    Ok(read)
}

/// Whether a text matches a pattern of `*` (any text) and `?` (any character).
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = pattern_chars.as_str();
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| matches_pattern(rest, &text[at..]))
        }
        Some(wanted) => {
            let mut text_chars = text.chars();
            text_chars
                .next()
                .is_some_and(|found| wanted == '?' || wanted == found)
                && matches_pattern(pattern_chars.as_str(), text_chars.as_str())
        }
    }
}

fn principals(prefix: &str, value: &Value) -> Vec<String> {
    if let Value::Object(by_type) = value {
        by_type
            .iter()
            .flat_map(|(kind, values)| {
                texts(values)
                    .into_iter()
                    .map(move |v| format!("{prefix}{kind}:{}", root_arn(kind, &v)))
            })
            .collect()
    } else {
        texts(value)
            .into_iter()
            .map(|v| format!("{prefix}AWS:{v}"))
            .collect()
    }
}

/// An account id as principal means that account's root (IAM User Guide, "AWS account principals").
fn root_arn(kind: &str, value: &str) -> String {
    let is_account = value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit());
    if kind == "AWS" && is_account {
        format!("arn:aws:iam::{value}:root")
    } else {
        value.to_owned()
    }
}

fn conditions(
    value: &Value,
    into: &mut BTreeMap<Caseless, BTreeSet<String>>,
) -> Result<(), PolicyError> {
    let operators = value
        .as_object()
        .ok_or(PolicyError::Form("Condition is an object"))?;
    for (operator, keys) in operators {
        let keys = keys
            .as_object()
            .ok_or(PolicyError::Form("a condition operator is an object"))?;
        for (key, values) in keys {
            into.entry(Caseless(format!("{operator} {key}")))
                .or_default()
                .extend(texts(values));
        }
    }
    Ok(())
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

impl Statement {
    /// Whether it allows something to a service.
    pub fn allows_service(&self, service: &str) -> bool {
        let principal = format!("Service:{service}");
        self.effect == "Allow"
            && self.unknown.is_empty()
            && (self.principals.contains(&principal) || self.principals.contains("AWS:*"))
    }

    /// Whether its actions include this one.
    pub fn covers_action(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.actions
            .iter()
            .any(|pattern| matches_pattern(&pattern.0.to_ascii_lowercase(), &action))
    }

    /// Whether its resources include this one, which may itself end in `*`.
    pub fn covers_resource(&self, arn: &str) -> bool {
        self.resources
            .iter()
            .any(|pattern| matches_pattern(pattern, arn))
    }

    /// Whether it has no other conditions than that these keys, compared as a whole, have these values.
    pub fn conditions_are(&self, known: &[(&str, &str)]) -> bool {
        self.conditions.iter().all(|(key, values)| {
            let (operator, key) = key.0.split_once(' ').unwrap_or(("", &key.0));
            let is_equality = ["StringEquals", "StringLike", "ArnEquals", "ArnLike"]
                .iter()
                .any(|equality| equality.eq_ignore_ascii_case(operator));
            let value = known
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(_, value)| *value);
            is_equality && value.is_some_and(|value| values.contains(value))
        })
    }

    /// One line for people: who may (or must not) do what, under which conditions.
    pub fn sentence(&self) -> String {
        fn list<T: fmt::Display>(set: &BTreeSet<T>) -> String {
            set.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        }
        let verb = if self.effect == "Deny" {
            "must not"
        } else {
            "may"
        };
        // A policy of an identity names no principal: it is the identity.
        let who = if self.principals.is_empty() {
            "it".to_owned()
        } else {
            list(&self.principals)
        };
        let mut out = format!("{who} {verb} {}", list(&self.actions));
        if !self.resources.is_empty() && !self.resources.iter().all(|arn| arn == "*") {
            out.push_str(&format!(" on {}", list(&self.resources)));
        }
        for (index, (key, values)) in self.conditions.iter().enumerate() {
            let word = if index == 0 { " if" } else { " and" };
            out.push_str(&format!("{word} {key} = {}", list(values)));
        }
        for (element, value) in &self.unknown {
            out.push_str(&format!(" [{element}: {value}]"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Policy::parse(a).unwrap() == Policy::parse(b).unwrap()
    }

    #[test]
    fn spelling_is_not_meaning() {
        let long = r#"{"Version":"2012-10-17","Statement":[
            {"Sid":"a","Effect":"Allow","Principal":{"AWS":["123456789012"]},"Action":["kms:Put*"],"Resource":["*"]},
            {"Effect":"Allow","Principal":{"Service":"s"},"Action":["b","a"],"Resource":"*",
             "Condition":{"Bool":{"kms:GrantIsForAWSResource":true}}}]}"#;
        let short = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"Service":["s"]},"Action":["a","b"],"Resource":"*",
             "Condition":{"Bool":{"kms:grantisforawsresource":"true"}}},
            {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:put*","Resource":"*"}]}"#;
        assert!(same(long, short));
    }

    #[test]
    fn meaning_is_meaning() {
        let base =
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"a","Resource":"*"}}"#;
        for other in [
            r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"a","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","NotPrincipal":"*","Action":"a","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":"*","NotAction":"a","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"a","Resource":"*","Condition":{"Bool":{"x":"true"}}}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"a","Resource":"*","New":"x"}}"#,
            r#"{"Statement":[]}"#,
        ] {
            assert!(!same(base, other), "{other}");
        }
        assert!(Policy::parse("[]").is_err());
        assert!(Policy::parse("{").is_err());
    }
}
