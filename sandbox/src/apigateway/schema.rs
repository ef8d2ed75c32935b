//! JSON schema, draft 4, as far as models here may use it.
//!
//! A schema is read when a model is made: a keyword that this file does not enforce is refused by
//! name then, so that no model ever seems to check more than it does. What a violation is called
//! follows the validator that API Gateway shows in `$context.error.validationErrorString`.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::bad;
use crate::world::AwsError;

/// A schema that can be enforced.
#[derive(Debug)]
pub(super) struct Schema {
    document: Value,
    patterns: BTreeMap<String, Regex>,
}

/// Keywords that say nothing about an instance.
const ANNOTATIONS: &[&str] = &["$schema", "id", "title", "description", "default"];

/// Deepest nesting of references; a schema that refers to itself without consuming input ends here.
const DEPTH_MAX: usize = 64;

impl Schema {
    /// Reads a schema. `$ref` may only point into the schema itself.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let invalid = |why: String| {
            bad(format!(
                "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model \
                 schema specified. {why}]"
            ))
        };
        let document: Value = serde_json::from_str(text).map_err(|why| invalid(why.to_string()))?;
        let mut schema = Self {
            document: Value::Null,
            patterns: BTreeMap::new(),
        };
        schema
            .check(&document, &document)
            .map_err(|why| match why {
                Unfit::Wrong(why) => invalid(why),
                Unfit::Unmodelled(what) => AwsError::not_modelled(&format!("{what} in a model")),
            })?;
        schema.document = document;
        Ok(schema)
    }

    /// All violations of an instance; none if it is valid.
    pub fn violations(&self, instance: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.judge(&self.document, instance, 0, &mut found);
        found
    }

    /// Checks one schema object and everything in it, and compiles its patterns.
    fn check(&mut self, root: &Value, schema: &Value) -> Result<(), Unfit> {
        let Some(keywords) = schema.as_object() else {
            return wrong("a schema must be an object");
        };
        for (keyword, value) in keywords {
            match keyword.as_str() {
                known if ANNOTATIONS.contains(&known) => {}
                "type" => check_type(value)?,
                "enum" if value.as_array().is_some_and(|items| !items.is_empty()) => {}
                "enum" => return wrong("enum must be a list with at least one element"),
                "required" => match value.as_array() {
                    Some(names) if !names.is_empty() && names.iter().all(Value::is_string) => {}
                    Some(_) | None => return wrong("required must be a list of names"),
                },
                "properties" | "definitions" | "patternProperties" => {
                    let Some(members) = value.as_object() else {
                        return wrong(format!("{keyword} must be an object"));
                    };
                    for (name, member) in members {
                        if keyword == "patternProperties" {
                            self.compile(name)?;
                        }
                        self.check(root, member)?;
                    }
                }
                "additionalProperties" if value.is_boolean() => {}
                "items" if value.is_array() => {
                    return Err(Unfit::Unmodelled("items as a list of schemas".into()));
                }
                "additionalProperties" | "items" | "not" => self.check(root, value)?,
                "allOf" | "anyOf" | "oneOf" => {
                    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
                        return wrong(format!("{keyword} must be a list of schemas"));
                    };
                    for item in items {
                        self.check(root, item)?;
                    }
                }
                "pattern" => match value.as_str() {
                    Some(pattern) => self.compile(pattern)?,
                    None => return wrong("pattern must be a text"),
                },
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
                | "maxProperties"
                    if value.is_u64() => {}
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
                | "maxProperties" => {
                    return wrong(format!("{keyword} must be a number, 0 or more"));
                }
                "minimum" | "maximum" if value.is_number() => {}
                "exclusiveMinimum" | "exclusiveMaximum" | "uniqueItems" if value.is_boolean() => {}
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "uniqueItems" => {
                    return wrong(format!("{keyword} has a value of the wrong type"));
                }
                "$ref" => {
                    let target = value.as_str().unwrap_or_default();
                    if !target.starts_with("#/") {
                        return Err(Unfit::Unmodelled(format!("the reference '{target}'")));
                    }
                    if root.pointer(&target[1..]).is_none() {
                        return wrong(format!("'{target}' leads nowhere"));
                    }
                }
                unknown => {
                    return Err(Unfit::Unmodelled(format!(
                        "the JSON schema keyword '{unknown}'"
                    )));
                }
            }
        }
        Ok(())
    }

    fn compile(&mut self, pattern: &str) -> Result<(), Unfit> {
        match Regex::new(pattern) {
            Ok(regex) => {
                self.patterns.insert(pattern.to_owned(), regex);
                Ok(())
            }
            Err(_) => Err(Unfit::Unmodelled(format!(
                "the regular expression '{pattern}'"
            ))),
        }
    }

    /// Whether a text has a match of a pattern, anywhere in it (draft 4, 5.2.3).
    fn finds(&self, pattern: &str, text: &str) -> bool {
        self.patterns
            .get(pattern)
            .is_some_and(|regex| regex.is_match(text))
    }

    fn judge(&self, schema: &Value, instance: &Value, depth: usize, found: &mut Vec<String>) {
        let Some(keywords) = schema.as_object() else {
            return;
        };
        if depth > DEPTH_MAX {
            found.push("the schema refers to itself without end".into());
            return;
        }
        // Beside a reference nothing else counts (JSON Reference, 3).
        if let Some(target) = keywords.get("$ref").and_then(Value::as_str) {
            if let Some(target) = self.document.pointer(&target[1..]) {
                self.judge(target, instance, depth + 1, found);
            }
            return;
        }
        judge_any(keywords, instance, found);
        self.judge_combined(keywords, instance, depth, found);
        match instance {
            Value::String(text) => self.judge_text(keywords, text, found),
            Value::Object(members) => self.judge_object(keywords, members, depth, found),
            Value::Array(items) => self.judge_array(keywords, items, depth, found),
            Value::Number(_) => judge_number(keywords, instance, found),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn is_valid(&self, schema: &Value, instance: &Value, depth: usize) -> bool {
        let mut found = Vec::new();
        self.judge(schema, instance, depth + 1, &mut found);
        found.is_empty()
    }

    fn judge_combined(
        &self,
        keywords: &Map<String, Value>,
        instance: &Value,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        let matching = |keyword: &str| {
            let schemas = keywords.get(keyword)?.as_array()?;
            let valid = schemas
                .iter()
                .filter(|schema| self.is_valid(schema, instance, depth));
            Some((valid.count(), schemas.len()))
        };
        if let Some((valid, all)) = matching("allOf")
            && valid < all
        {
            found.push(format!(
                "instance failed to match all required schemas (matched only {valid} out of {all})"
            ));
        }
        if let Some((0, all)) = matching("anyOf") {
            found.push(format!(
                "instance failed to match at least one required schema among {all}"
            ));
        }
        if let Some((valid, all)) = matching("oneOf")
            && valid != 1
        {
            found.push(format!(
                "instance failed to match exactly one schema (matched {valid} out of {all})"
            ));
        }
        if let Some(schema) = keywords.get("not")
            && self.is_valid(schema, instance, depth)
        {
            found.push("instance matched a schema which it should not have".into());
        }
    }

    fn judge_text(&self, keywords: &Map<String, Value>, text: &str, found: &mut Vec<String>) {
        let length = text.chars().count();
        if let Some(max) = bound(keywords, "maxLength").filter(|max| length > *max) {
            found.push(format!(
                "string {text:?} is too long (length: {length}, maximum allowed: {max})"
            ));
        }
        if let Some(min) = bound(keywords, "minLength").filter(|min| length < *min) {
            found.push(format!(
                "string {text:?} is too short (length: {length}, required minimum: {min})"
            ));
        }
        if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str)
            && !self.finds(pattern, text)
        {
            found.push(format!(
                "ECMA 262 regex {pattern:?} does not match input string {text:?}"
            ));
        }
    }

    fn judge_object(
        &self,
        keywords: &Map<String, Value>,
        members: &Map<String, Value>,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        let required = keywords.get("required").and_then(Value::as_array);
        let missing: Vec<&Value> = required
            .into_iter()
            .flatten()
            .filter(|name| !members.contains_key(name.as_str().unwrap_or_default()))
            .collect();
        if !missing.is_empty() {
            found.push(format!(
                "object has missing required properties ({})",
                serde_json::json!(missing)
            ));
        }
        let count = members.len();
        if let Some(max) = bound(keywords, "maxProperties").filter(|max| count > *max) {
            found.push(format!(
                "object has too many properties (found {count} but schema requires at most {max})"
            ));
        }
        if let Some(min) = bound(keywords, "minProperties").filter(|min| count < *min) {
            found.push(format!(
                "object has too few properties (found {count} but schema requires at least {min})"
            ));
        }
        let properties = keywords.get("properties").and_then(Value::as_object);
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        let mut unknown = Vec::new();
        for (name, value) in members {
            let mut known = false;
            if let Some(schema) = properties.and_then(|properties| properties.get(name)) {
                known = true;
                self.judge(schema, value, depth + 1, found);
            }
            for (pattern, schema) in patterns.into_iter().flatten() {
                if self.finds(pattern, name) {
                    known = true;
                    self.judge(schema, value, depth + 1, found);
                }
            }
            match keywords.get("additionalProperties") {
                Some(Value::Bool(false)) if !known => unknown.push(name),
                Some(schema @ Value::Object(_)) if !known => {
                    self.judge(schema, value, depth + 1, found);
                }
                Some(_) | None => {}
            }
        }
        if !unknown.is_empty() {
            found.push(format!(
                "object instance has properties which are not allowed by the schema: {}",
                serde_json::json!(unknown)
            ));
        }
    }

    fn judge_array(
        &self,
        keywords: &Map<String, Value>,
        items: &[Value],
        depth: usize,
        found: &mut Vec<String>,
    ) {
        let count = items.len();
        if let Some(max) = bound(keywords, "maxItems").filter(|max| count > *max) {
            found.push(format!(
                "array is too long: must have at most {max} elements but instance has {count} \
                 elements"
            ));
        }
        if let Some(min) = bound(keywords, "minItems").filter(|min| count < *min) {
            found.push(format!(
                "array is too short: must have at least {min} elements but instance has {count} \
                 elements"
            ));
        }
        let is_unique = keywords.get("uniqueItems") == Some(&Value::Bool(true));
        if is_unique && (1..count).any(|at| items[..at].contains(&items[at])) {
            found.push("array must not contain duplicate elements".into());
        }
        if let Some(schema) = keywords.get("items") {
            for item in items {
                self.judge(schema, item, depth + 1, found);
            }
        }
    }
}

/// Why a schema is not taken.
enum Unfit {
    /// It is none.
    Wrong(String),
    /// It has something that is not enforced here.
    Unmodelled(String),
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Wrong(why.into()))
}

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

fn check_type(value: &Value) -> Result<(), Unfit> {
    let names: Vec<&str> = match value {
        Value::Array(items) => items.iter().map(|n| n.as_str().unwrap_or("")).collect(),
        Value::String(name) => vec![name],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    if names.is_empty() || names.iter().any(|name| !TYPES.contains(name)) {
        return wrong(format!("{value} is no type"));
    }
    Ok(())
}

fn bound(keywords: &Map<String, Value>, keyword: &str) -> Option<usize> {
    usize::try_from(keywords.get(keyword)?.as_u64()?).ok()
}

/// A number without a fraction is an integer in draft 4 only if it is written as one.
fn type_of(instance: &Value) -> &'static str {
    match instance {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Type and enumeration, which every instance may have.
fn judge_any(keywords: &Map<String, Value>, instance: &Value, found: &mut Vec<String>) {
    if let Some(types) = keywords.get("type") {
        let allowed = types
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![types.clone()]);
        let is = type_of(instance);
        let fits = |name: &Value| name == is || (name == "number" && is == "integer");
        if !allowed.iter().any(fits) {
            found.push(format!(
                "instance type ({is}) does not match any allowed primitive type (allowed: {})",
                serde_json::json!(allowed)
            ));
        }
    }
    if let Some(values) = keywords.get("enum").and_then(Value::as_array)
        && !values.contains(instance)
    {
        found.push(format!(
            "instance value ({instance}) not found in enum (possible values: {})",
            serde_json::json!(values)
        ));
    }
}

fn judge_number(keywords: &Map<String, Value>, instance: &Value, found: &mut Vec<String>) {
    let Some(number) = instance.as_f64() else {
        return;
    };
    let is_exclusive = |keyword: &str| keywords.get(keyword) == Some(&Value::Bool(true));
    if let Some(min) = keywords.get("minimum").and_then(Value::as_f64)
        && (number < min || (is_exclusive("exclusiveMinimum") && number <= min))
    {
        found.push(format!(
            "numeric instance is lower than the required minimum (minimum: {min}, found: {instance})"
        ));
    }
    if let Some(max) = keywords.get("maximum").and_then(Value::as_f64)
        && (number > max || (is_exclusive("exclusiveMaximum") && number >= max))
    {
        found.push(format!(
            "numeric instance is greater than the required maximum (maximum: {max}, found: \
             {instance})"
        ));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: Value, instance: Value, expected: &[&str]) {
        let found = Schema::parse(&schema.to_string())
            .unwrap()
            .violations(&instance);
        assert_eq!(found, expected, "{schema} {instance}");
    }

    #[test]
    fn objects_are_judged_by_their_members() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "object",
            "required": ["record_name", "ip_address"],
            "additionalProperties": false,
            "properties": {
                "record_name": { "type": "string", "minLength": 1, "maxLength": 63,
                                 "pattern": "^[a-z0-9-]+$" },
                "ip_address": { "type": "string" },
                "action": { "enum": ["UPSERT", "DELETE"] },
                "ttl": { "type": "integer", "minimum": 30, "maximum": 86400 },
            },
        });
        let good = json!({ "record_name": "a-1", "ip_address": "192.0.2.1", "ttl": 60 });
        check(schema.clone(), good, &[]);
        check(
            schema.clone(),
            json!({ "record_name": "A", "ttl": 29.5, "action": "PURGE", "x": 1 }),
            &[
                "object has missing required properties ([\"ip_address\"])",
                "instance value (\"PURGE\") not found in enum (possible values: \
                 [\"UPSERT\",\"DELETE\"])",
                "ECMA 262 regex \"^[a-z0-9-]+$\" does not match input string \"A\"",
                "instance type (number) does not match any allowed primitive type (allowed: \
                 [\"integer\"])",
                "numeric instance is lower than the required minimum (minimum: 30, found: 29.5)",
                "object instance has properties which are not allowed by the schema: [\"x\"]",
            ],
        );
        check(
            schema,
            json!([]),
            &[
                "instance type (array) does not match any allowed primitive type (allowed: \
               [\"object\"])",
            ],
        );
    }

    #[test]
    fn schemas_combine_and_refer() {
        let schema = json!({
            "definitions": { "port": { "type": "integer", "maximum": 10, "exclusiveMaximum": true } },
            "oneOf": [{ "$ref": "#/definitions/port" }, { "type": ["string", "integer"] }],
        });
        check(schema.clone(), json!("x"), &[]);
        check(schema.clone(), json!(10), &[]);
        check(
            schema,
            json!(9),
            &["instance failed to match exactly one schema (matched 2 out of 2)"],
        );
        let list =
            json!({ "type": "array", "uniqueItems": true, "items": { "not": { "type": "null" } } });
        check(list.clone(), json!([1, 2]), &[]);
        check(
            list.clone(),
            json!([1, 1]),
            &["array must not contain duplicate elements"],
        );
        check(
            list,
            json!([null]),
            &["instance matched a schema which it should not have"],
        );
        let endless = json!({ "definitions": { "a": { "$ref": "#/definitions/a" } },
                              "$ref": "#/definitions/a" });
        check(
            endless,
            json!(1),
            &["the schema refers to itself without end"],
        );
    }

    #[test]
    fn what_is_not_enforced_is_refused_by_name() {
        let refusal = |schema: Value| Schema::parse(&schema.to_string()).unwrap_err();
        let unknown = refusal(json!({ "properties": { "a": { "format": "ipv4" } } }));
        assert_eq!(unknown.code, "NotImplemented");
        assert!(unknown.message.contains("'format'"), "{unknown}");
        assert_eq!(
            refusal(json!({ "type": "text" })).code,
            "BadRequestException"
        );
        assert_eq!(
            refusal(json!({ "pattern": "(?=a)" })).code,
            "NotImplemented"
        );
        assert_eq!(Schema::parse("{").unwrap_err().code, "BadRequestException");
    }
}
