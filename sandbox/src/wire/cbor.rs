//! CBOR bodies of smithy-rpc-v2-cbor: the JSON form of a value with real bytes, and timestamps as
//! tag 1 (<https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ciborium::value::Value as Cbor;
use serde_json::{Map, Value};

use super::model::{Kind, Model, Shape};
use super::xml::{entry_of, member_of};

/// RFC 8949, section 3.4.2: seconds since the epoch.
const TAG_EPOCH: u64 = 1;

/// Turns a CBOR body into the JSON that says the same, for the shapes to judge.
pub fn parse(body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let item: Cbor = ciborium::from_reader(body).map_err(|error| error.to_string())?;
    to_json(&item)
}

fn to_json(item: &Cbor) -> Result<Value, String> {
    match item {
        Cbor::Null => Ok(Value::Null),
        Cbor::Bool(flag) => Ok((*flag).into()),
        Cbor::Text(text) => Ok(text.as_str().into()),
        Cbor::Bytes(bytes) => Ok(BASE64.encode(bytes).into()),
        Cbor::Integer(number) => i64::try_from(*number)
            .map(Value::from)
            .map_err(|_| "an integer is out of range".to_owned()),
        Cbor::Float(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| "a number is not finite".to_owned()),
        Cbor::Tag(TAG_EPOCH, inner) => to_json(inner),
        Cbor::Array(items) => items.iter().map(to_json).collect(),
        Cbor::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = key.as_text().ok_or("a key is not text")?;
                map.insert(key.to_owned(), to_json(value)?);
            }
            Ok(Value::Object(map))
        }
        Cbor::Tag(other, _) => Err(format!("tag {other} is not used by this protocol")),
        _ => Err("an item of an unknown kind".to_owned()),
    }
}

/// Writes the structure of an output.
pub fn write(model: &Model, shape: &Shape, value: &Value) -> Vec<u8> {
    bytes(&to_cbor(model, shape, value))
}

/// Writes an error.
pub fn write_error(code: &str, message: &str) -> Vec<u8> {
    let entry = |name: &str, text: &str| (Cbor::Text(name.into()), Cbor::Text(text.into()));
    bytes(&Cbor::Map(vec![
        entry("__type", code),
        entry("message", message),
    ]))
}

fn bytes(item: &Cbor) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(item, &mut out).expect("a vector takes every byte");
    out
}

fn to_cbor(model: &Model, shape: &Shape, value: &Value) -> Cbor {
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(map)) => {
            let present = shape.members.iter().filter_map(|(name, reference)| {
                let value = map.get(name).filter(|value| !value.is_null())?;
                let inner = to_cbor(model, model.shape(&reference.shape), value);
                Some((Cbor::Text(name.clone()), inner))
            });
            Cbor::Map(present.collect())
        }
        (Kind::List, Value::Array(items)) => {
            let inner = model.shape(&member_of(shape).shape);
            Cbor::Array(
                items
                    .iter()
                    .map(|item| to_cbor(model, inner, item))
                    .collect(),
            )
        }
        (Kind::Map, Value::Object(map)) => {
            let inner = model.shape(&entry_of(shape).1.shape);
            let entries = map.iter();
            let entries =
                entries.map(|(key, value)| (Cbor::Text(key.clone()), to_cbor(model, inner, value)));
            Cbor::Map(entries.collect())
        }
        (Kind::Blob, Value::String(text)) => Cbor::Bytes(BASE64.decode(text).unwrap_or_default()),
        (Kind::Timestamp, Value::Number(number)) => Cbor::Tag(
            TAG_EPOCH,
            Box::new(Cbor::Float(number.as_f64().unwrap_or_default())),
        ),
        (Kind::Float | Kind::Double, Value::Number(number)) => {
            Cbor::Float(number.as_f64().unwrap_or_default())
        }
        (_, Value::Number(number)) => match number.as_i64() {
            Some(number) => Cbor::Integer(number.into()),
            None => Cbor::Float(number.as_f64().unwrap_or_default()),
        },
        (_, Value::String(text)) => Cbor::Text(text.clone()),
        (_, Value::Bool(flag)) => Cbor::Bool(*flag),
        _ => Cbor::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indefinite_lengths_are_read() {
        // {_ "a": [_ 1, (_ "b", "c")], "t": 1(1768478400), "x": h'00ff'}
        let body = [
            0xBF, 0x61, b'a', 0x9F, 0x01, 0x7F, 0x61, b'b', 0x61, b'c', 0xFF, 0xFF, 0x61, b't',
            0xC1, 0x1A, 0x69, 0x68, 0xD6, 0xC0, 0x61, b'x', 0x42, 0x00, 0xFF, 0xFF,
        ];
        let value = parse(&body).expect("valid");
        assert_eq!(value["a"], serde_json::json!([1, "bc"]));
        assert_eq!(value["t"], 0x6968_D6C0);
        assert_eq!(value["x"], "AP8=");
    }

    #[test]
    fn what_is_not_cbor_is_refused() {
        assert!(parse(b"{}").is_err());
        assert!(
            parse(&[0xA1, 0x01, 0x02]).is_err(),
            "a key that is a number"
        );
        assert_eq!(parse(b""), Ok(serde_json::json!({})));
    }
}
