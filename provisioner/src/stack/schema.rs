//! The document's JSON Schema, for editors: what the readers of version 1 ask for.

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::table::{Asked, Holds, Presence};
use super::v1;

/// The JSON Schema (draft 2020-12) of a stack document.
pub fn schema() -> Value {
    let mut schema = object(v1::keys());
    // The version is judged before the other keys, so the reader does not ask for it as needed.
    if let Some(required) = schema["required"].as_array_mut() {
        required.insert(0, json!("version"));
    }
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("spore-infra stack document, version 1");
    schema
}

/// The schema of a table with these keys and no others.
pub(super) fn object(keys: &[Asked]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| matches!(key.presence, Presence::Required(_)))
        .map(|key| key.name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(key: &Asked) -> Value {
    let mut schema = match &key.holds {
        Holds::Value(schema) => schema(),
        Holds::Table(keys) => object(keys),
        Holds::Tables(keys) => json!({ "type": "array", "items": object(keys) }),
        Holds::Pairs(key, value) => json!({
            "type": "object",
            "propertyNames": key(),
            "additionalProperties": value(),
        }),
    };
    schema["description"] = match schema["description"].as_str() {
        Some(form) => json!(format!("{} Write {form}.", key.about)),
        None => json!(key.about),
    };
    match key.presence {
        Presence::Required(example) => schema["examples"] = json!([as_json(example)]),
        Presence::Default(default) => schema["default"] = as_json(default),
        Presence::Optional => {}
    }
    schema
}

/// A value written as in a document.
fn as_json(text: &str) -> Value {
    fn convert(value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => json!(text),
            DeValue::Integer(digits) => {
                json!(
                    digits
                        .as_str()
                        .parse::<i64>()
                        .expect("an example's number is decimal")
                )
            }
            DeValue::Float(digits) => json!(digits.as_str()),
            DeValue::Boolean(value) => json!(value),
            DeValue::Datetime(date) => json!(date.to_string()),
            DeValue::Array(entries) => entries.iter().map(|e| convert(e.get_ref())).collect(),
            DeValue::Table(pairs) => Value::Object(
                pairs
                    .iter()
                    .map(|(key, value)| (key.get_ref().to_string(), convert(value.get_ref())))
                    .collect(),
            ),
        }
    }
    convert(
        DeValue::parse(text)
            .expect("examples and defaults are TOML")
            .get_ref(),
    )
}
