//! Whether a value keeps to its shape.
//!
//! [`constraints`] judges what a caller sent, as AWS's front end does before an operation runs: all
//! violations at once, in AWS's words. [`conforms`] judges what an operation of the sandbox answers:
//! a deviation is a bug of the sandbox and must not reach a client as a plausible answer.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex_lite::Regex;
use serde_json::Value;

use super::model::{Kind, Model, Shape};
use super::xml::{entry_of, member_of};

/// All violations of an input's constraints.
pub fn constraints(model: &Model, shape: &Shape, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    walk(model, shape, value, "", &mut problems);
    problems
}

/// The text AWS answers for violations.
pub fn message(problems: &[String]) -> String {
    let noun = if problems.len() == 1 {
        "error"
    } else {
        "errors"
    };
    format!(
        "{} validation {noun} detected: {}",
        problems.len(),
        problems.join("; ")
    )
}

fn walk(model: &Model, shape: &Shape, value: &Value, at: &str, problems: &mut Vec<String>) {
    let mut violated = |rule: String| {
        let shown = if shape.sensitive {
            "***".to_owned()
        } else {
            shown(value)
        };
        problems.push(format!(
            "Value {shown} at '{at}' failed to satisfy constraint: Member must {rule}"
        ));
    };
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(map)) => {
            for (name, reference) in &shape.members {
                let inner_at = join(at, &lower_first(name));
                match map.get(name) {
                    Some(inner) => {
                        walk(
                            model,
                            model.shape(&reference.shape),
                            inner,
                            &inner_at,
                            problems,
                        );
                    }
                    None if shape.required.contains(name) => problems.push(format!(
                        "Value null at '{inner_at}' failed to satisfy constraint: Member must not \
                         be null"
                    )),
                    None => {}
                }
            }
        }
        (Kind::List, Value::Array(items)) => {
            size(shape, items.len(), "have length", &mut violated);
            let inner = model.shape(&member_of(shape).shape);
            for (index, item) in items.iter().enumerate() {
                walk(
                    model,
                    inner,
                    item,
                    &format!("{at}.{}.member", index + 1),
                    problems,
                );
            }
        }
        (Kind::Map, Value::Object(map)) => {
            size(shape, map.len(), "have length", &mut violated);
            let (key_ref, value_ref) = entry_of(shape);
            for (key, inner) in map {
                let key_shape = model.shape(&key_ref.shape);
                walk(
                    model,
                    key_shape,
                    &key.as_str().into(),
                    &format!("{at}.key"),
                    problems,
                );
                let inner_shape = model.shape(&value_ref.shape);
                walk(
                    model,
                    inner_shape,
                    inner,
                    &format!("{at}.{key}.member"),
                    problems,
                );
            }
        }
        (Kind::String, Value::String(text)) => {
            size(shape, text.chars().count(), "have length", &mut violated);
            if !shape.allowed.is_empty() && !shape.allowed.contains(text) {
                violated(format!(
                    "satisfy enum value set: [{}]",
                    shape.allowed.join(", ")
                ));
            }
            if let Some(pattern) = shape.pattern.as_deref()
                && !whole_match(pattern, text)
            {
                violated(format!("satisfy regular expression pattern: {pattern}"));
            }
        }
        (Kind::Blob, Value::String(text)) => {
            // Four characters of base64 are three bytes, less one for each sign of padding.
            let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
            let length = (text.len() / 4 * 3).saturating_sub(padding);
            size(shape, length, "have length", &mut violated);
        }
        (Kind::Integer | Kind::Long | Kind::Float | Kind::Double, Value::Number(number)) => {
            let number = number.as_f64().unwrap_or_default();
            if let Some(min) = shape.min.filter(|min| number < *min) {
                violated(format!("have value greater than or equal to {min}"));
            }
            if let Some(max) = shape.max.filter(|max| number > *max) {
                violated(format!("have value less than or equal to {max}"));
            }
        }
        _ => {}
    }
}

fn size(shape: &Shape, length: usize, what: &str, violated: &mut impl FnMut(String)) {
    // Lengths are far below 2^52, where a double is exact.
    let length = u32::try_from(length).map_or(f64::INFINITY, f64::from);
    if let Some(min) = shape.min.filter(|min| length < *min) {
        violated(format!("{what} greater than or equal to {min}"));
    }
    if let Some(max) = shape.max.filter(|max| length > *max) {
        violated(format!("{what} less than or equal to {max}"));
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| format!("'{value}'"), |text| format!("'{text}'"))
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

static PATTERNS: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);

/// Patterns are Java's and must match the whole string. Those that this engine does not know
/// (Unicode classes, look-around) are left to the operation.
fn whole_match(pattern: &str, text: &str) -> bool {
    let mut patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = patterns
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(&format!("^(?:{pattern})$")).ok());
    compiled.as_ref().is_none_or(|regex| regex.is_match(text))
}

/// Whether an output is one the shape allows: no unknown member, none missing, the right kinds.
pub fn conforms(model: &Model, shape: &Shape, value: &Value, at: &str) -> Result<(), String> {
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(map)) => {
            for name in map.keys() {
                if !shape.members.contains_key(name) {
                    return Err(format!("{at}: no member {name}"));
                }
            }
            for (name, reference) in &shape.members {
                match map.get(name) {
                    Some(inner) if !inner.is_null() => {
                        let inner_at = format!("{at}.{name}");
                        conforms(model, model.shape(&reference.shape), inner, &inner_at)?;
                    }
                    _ if shape.required.contains(name) => {
                        return Err(format!("{at}: member {name} is missing"));
                    }
                    _ => {}
                }
            }
            Ok(())
        }
        (Kind::List, Value::Array(items)) => {
            let inner = model.shape(&member_of(shape).shape);
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| {
                conforms(model, inner, item, &format!("{at}[{index}]"))
            })
        }
        (Kind::Map, Value::Object(map)) => {
            let inner = model.shape(&entry_of(shape).1.shape);
            let mut entries = map.iter();
            entries.try_for_each(|(key, item)| conforms(model, inner, item, &format!("{at}.{key}")))
        }
        (Kind::String | Kind::Blob, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Timestamp | Kind::Float | Kind::Double, Value::Number(_)) => Ok(()),
        (Kind::Integer | Kind::Long, Value::Number(number)) if !number.is_f64() => Ok(()),
        (kind, found) => Err(format!("{at}: {found} is not a {kind:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::model::{model, models};

    fn problems(service: &str, shape: &str, value: &Value) -> Vec<String> {
        let model = model(service).expect("served");
        constraints(model, model.shape(shape), value)
    }

    #[test]
    fn all_violations_are_told_at_once_in_the_words_of_aws() {
        let found = problems("kms", "CreateAliasRequest", &json!({"AliasName": ""}));
        assert_eq!(
            found,
            [
                "Value '' at 'aliasName' failed to satisfy constraint: Member must have length \
                 greater than or equal to 1",
                "Value '' at 'aliasName' failed to satisfy constraint: Member must satisfy regular \
                 expression pattern: ^[a-zA-Z0-9:/_-]+$",
                "Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null",
            ]
        );
        assert!(message(&found).starts_with("3 validation errors detected: Value ''"));
    }

    #[test]
    fn inner_members_are_named_by_their_path() {
        let value = json!({
            "HostedZoneId": "Z1",
            "ChangeBatch": {"Changes": [{
                "Action": "UPSERT",
                "ResourceRecordSet": {"Name": "a.example.", "Type": "FOO"},
            }]},
        });
        let found = problems("route53", "ChangeResourceRecordSetsRequest", &value);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with(
                "Value 'FOO' at 'changeBatch.changes.1.member.resourceRecordSet.type' failed to \
                 satisfy constraint: Member must satisfy enum value set: [SOA, A,"
            ),
            "{}",
            found[0]
        );
    }

    #[test]
    fn numbers_have_bounds() {
        let check = |seconds: i64, ok: bool| {
            let value = json!({"DurationSeconds": seconds});
            assert_eq!(
                problems("sts", "GetSessionTokenRequest", &value).is_empty(),
                ok,
                "{seconds}"
            );
        };
        check(899, false);
        check(900, true);
        check(129_600, true);
        check(129_601, false);
    }

    #[test]
    fn an_answer_outside_its_shape_is_a_bug() {
        let kms = model("kms").expect("served");
        let shape = kms.shape("ListAliasesResponse");
        let check = |value: Value| conforms(kms, shape, &value, "output");
        assert_eq!(
            check(json!({"Aliases": [{"AliasName": "alias/a"}], "Truncated": false})),
            Ok(())
        );
        assert_eq!(
            check(json!({"Alias": []})),
            Err("output: no member Alias".into())
        );
        assert_eq!(
            check(json!({"Aliases": [{"CreationDate": "today"}]})),
            Err("output.Aliases[0].CreationDate: \"today\" is not a Timestamp".into())
        );
    }

    #[test]
    fn most_patterns_are_understood() {
        let patterns: Vec<&str> = models()
            .flat_map(|model| model.shapes.values())
            .filter_map(|shape| shape.pattern.as_deref())
            .collect();
        let unknown: Vec<&&str> = patterns
            .iter()
            .filter(|pattern| Regex::new(pattern).is_err())
            .collect();
        // Unicode classes and look-around: the services check what these say themselves.
        let reasons = ["\\p{", "(?!", "(?<!"];
        assert!(
            unknown
                .iter()
                .all(|pattern| reasons.iter().any(|reason| pattern.contains(reason))),
            "{unknown:?}"
        );
        assert!(unknown.len() * 5 < patterns.len());
    }
}
