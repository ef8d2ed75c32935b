//! JSON bodies, led by shapes: members the shape does not know are ignored, as AWS ignores them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::model::{Kind, Model, Ref, Shape, TimestampFormat};
use super::text;
use super::xml::{entry_of, member_of};

/// Reads a JSON value as a value of a shape.
pub fn read(model: &Model, shape: &Shape, wire: &Value) -> Result<Value, String> {
    match (shape.kind, wire) {
        (Kind::Structure, Value::Object(map)) => {
            read_structure(model, shape, map, &|_| true).map(Value::Object)
        }
        (Kind::List, Value::Array(items)) => {
            let inner = model.shape(&member_of(shape).shape);
            items.iter().map(|item| read(model, inner, item)).collect()
        }
        (Kind::Map, Value::Object(map)) => {
            let inner = model.shape(&entry_of(shape).1.shape);
            let mut read_map = Map::new();
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                read_map.insert(key.clone(), read(model, inner, value)?);
            }
            Ok(Value::Object(read_map))
        }
        (Kind::String, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Timestamp | Kind::Float | Kind::Double, Value::Number(_)) => Ok(wire.clone()),
        (Kind::Timestamp, Value::String(text)) => text::read(Kind::Timestamp, text),
        (Kind::Blob, Value::String(text)) => {
            BASE64
                .decode(text)
                .map_err(|_| "Invalid base64 in a blob".to_owned())?;
            Ok(wire.clone())
        }
        (Kind::Integer, Value::Number(number)) => number
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .map(Value::from)
            .ok_or_else(|| format!("{number} can not be converted to an Integer")),
        (Kind::Long, Value::Number(number)) => number
            .as_i64()
            .map(Value::from)
            .ok_or_else(|| format!("{number} can not be converted to a Long")),
        (_, Value::Object(_)) => Err("Start of structure or map found where not expected.".into()),
        (_, Value::Array(_)) => Err("Start of list found where not expected".into()),
        (Kind::Structure, _) => Err("Expected a structure".into()),
        (Kind::List, _) => Err("Expected list or null".into()),
        (Kind::Map, _) => Err("Expected a map".into()),
        (kind, found) => Err(format!(
            "{} can not be converted to a {kind:?}",
            token(found)
        )),
    }
}

/// What AWS calls a token it did not expect.
fn token(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "STRING_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Null => "NULL_VALUE",
        Value::Array(_) => "LIST",
        Value::Object(_) => "STRUCTURE",
    }
}

/// Reads the members of a structure that `in_body` picks. A null is an absent member.
pub fn read_structure(
    model: &Model,
    shape: &Shape,
    wire: &Map<String, Value>,
    in_body: &dyn Fn(&Ref) -> bool,
) -> Result<Map<String, Value>, String> {
    let mut map = Map::new();
    for (name, reference) in &shape.members {
        let found = wire
            .get(Shape::wire_name(name, reference))
            .filter(|value| !value.is_null());
        if let (true, Some(value)) = (in_body(reference), found) {
            map.insert(
                name.clone(),
                read(model, model.shape(&reference.shape), value)?,
            );
        }
    }
    Ok(map)
}

/// Writes a value of a shape. The value conforms to the shape, which is checked before.
pub fn write(model: &Model, reference: &Ref, value: &Value) -> Value {
    let shape = model.shape(&reference.shape);
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(map)) => Value::Object(write_members(model, shape, map)),
        (Kind::List, Value::Array(items)) => items
            .iter()
            .map(|item| write(model, member_of(shape), item))
            .collect(),
        (Kind::Map, Value::Object(map)) => {
            let reference = entry_of(shape).1;
            let entries = map.iter();
            entries
                .map(|(key, value)| (key.clone(), write(model, reference, value)))
                .collect()
        }
        (Kind::Timestamp, Value::Number(_)) => {
            let format = text::format_of(reference, shape, TimestampFormat::UnixTimestamp);
            if format == TimestampFormat::UnixTimestamp {
                value.clone()
            } else {
                text::write(Kind::Timestamp, value, format).into()
            }
        }
        _ => value.clone(),
    }
}

/// Writes the members of a structure that belong into the body.
pub fn write_members(model: &Model, shape: &Shape, map: &Map<String, Value>) -> Map<String, Value> {
    let in_body = shape
        .members
        .iter()
        .filter(|(_, reference)| reference.location.is_none());
    in_body
        .filter_map(|(name, reference)| {
            let value = map.get(name).filter(|value| !value.is_null())?;
            let wire_name = Shape::wire_name(name, reference).to_owned();
            Some((wire_name, write(model, reference, value)))
        })
        .collect()
}
