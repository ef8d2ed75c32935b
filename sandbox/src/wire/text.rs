//! How single values are spelled as text: in XML, form parameters, headers, labels and query strings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::Value;

use super::model::{Kind, Ref, Shape, TimestampFormat};

/// How a timestamp is written at one place: the reference's format, the shape's, else the place's.
pub fn format_of(reference: &Ref, shape: &Shape, place: TimestampFormat) -> TimestampFormat {
    reference
        .timestamp_format
        .or(shape.timestamp_format)
        .unwrap_or(place)
}

/// Reads a single value. The message of an error is what AWS's own parsers say, as far as known.
pub fn read(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::String => Ok(text.into()),
        Kind::Blob => {
            BASE64
                .decode(text)
                .map_err(|_| "\"blob\" is not valid base64".to_owned())?;
            Ok(text.into())
        }
        Kind::Boolean => match text {
            "true" | "True" | "TRUE" => Ok(true.into()),
            "false" | "False" | "FALSE" => Ok(false.into()),
            _ => Err(format!("\"{text}\" is not a valid boolean")),
        },
        Kind::Integer => {
            let number: i32 = text
                .trim()
                .parse()
                .map_err(|_| not_a_number(text, "Integer"))?;
            Ok(number.into())
        }
        Kind::Long => {
            let number: i64 = text
                .trim()
                .parse()
                .map_err(|_| not_a_number(text, "Long"))?;
            Ok(number.into())
        }
        Kind::Float | Kind::Double => {
            let number: f64 = text
                .trim()
                .parse()
                .map_err(|_| not_a_number(text, "Double"))?;
            serde_json::Number::from_f64(number)
                .map(Value::Number)
                .ok_or_else(|| not_a_number(text, "Double"))
        }
        Kind::Timestamp => read_timestamp(text),
        Kind::Structure | Kind::List | Kind::Map => {
            Err("Start of structure or map found where not expected.".to_owned())
        }
    }
}

fn not_a_number(text: &str, kind: &str) -> String {
    format!("\"{text}\" can not be converted to an {kind}")
}

/// AWS takes every spelling wherever a timestamp is text.
fn read_timestamp(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return number(seconds);
    }
    let instant: Timestamp = text
        .parse()
        .or_else(|_| jiff::fmt::rfc2822::parse(text).map(|zoned| zoned.timestamp()))
        .map_err(|_| format!("\"{text}\" is not a valid timestamp"))?;
    Ok(seconds_of(instant))
}

fn number(seconds: f64) -> Result<Value, String> {
    let text = seconds.to_string();
    instant_of(seconds).ok_or_else(|| format!("\"{text}\" is not a valid timestamp"))?;
    serde_json::Number::from_f64(seconds)
        .map(Value::Number)
        .ok_or_else(|| format!("\"{text}\" is not a valid timestamp"))
}

/// An instant as a value: whole seconds where it has no fraction.
pub fn seconds_of(instant: Timestamp) -> Value {
    if instant.subsec_nanosecond() == 0 {
        instant.as_second().into()
    } else {
        instant.as_duration().as_secs_f64().into()
    }
}

fn instant_of(seconds: f64) -> Option<Timestamp> {
    let span = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(span).ok()
}

/// Writes a single value. The value conforms to the shape, which is checked before.
pub fn write(kind: Kind, value: &Value, format: TimestampFormat) -> String {
    match (kind, value) {
        (Kind::Timestamp, Value::Number(seconds)) => {
            write_timestamp(seconds.as_f64().unwrap_or(0.0), format)
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

fn write_timestamp(seconds: f64, format: TimestampFormat) -> String {
    // AWS writes milliseconds. A double has more digits than that, and not quite the right ones.
    let rounded = instant_of(seconds).and_then(|instant| instant.round(Unit::Millisecond).ok());
    let Some(instant) = rounded else {
        return seconds.to_string();
    };
    match format {
        TimestampFormat::Iso8601 => instant.to_string(),
        TimestampFormat::Rfc822 => instant.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        TimestampFormat::UnixTimestamp => seconds.to_string(),
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Decodes `%XX` (and `+`, in forms) into text.
pub fn percent_decode(text: &str, plus_is_space: bool) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let pair = [rest.next(), rest.next()];
                let [Some(high), Some(low)] = pair else {
                    return Err(format!("\"{text}\" ends inside a percent escape"));
                };
                let digits = [high, low];
                let digits = str::from_utf8(&digits).unwrap_or_default();
                let decoded = u8::from_str_radix(digits, 16)
                    .map_err(|_| format!("\"{text}\" has a malformed percent escape"))?;
                bytes.push(decoded);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("\"{text}\" is not UTF-8 when decoded"))
}

/// Name and value pairs of a query string or form, decoded, in order.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(name, true)?, percent_decode(value, true)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_keep_their_instant_in_every_spelling() {
        let at = |text: &str| read(Kind::Timestamp, text).expect("valid");
        assert_eq!(at("2026-01-15T12:00:00Z"), 1_768_478_400);
        assert_eq!(at("Thu, 15 Jan 2026 12:00:00 GMT"), 1_768_478_400);
        assert_eq!(at("2026-01-15T12:00:00.5Z"), 1_768_478_400.5);
        for format in [
            TimestampFormat::Iso8601,
            TimestampFormat::Rfc822,
            TimestampFormat::UnixTimestamp,
        ] {
            let text = write(Kind::Timestamp, &1_768_478_400.into(), format);
            let again = at(&text);
            assert_eq!(again.as_f64(), Some(1_768_478_400.0), "{text}");
        }
    }

    #[test]
    fn fractions_are_milliseconds() {
        let text = write(
            Kind::Timestamp,
            &1_768_478_400.438_999.into(),
            TimestampFormat::Iso8601,
        );
        assert_eq!(text, "2026-01-15T12:00:00.439Z");
    }

    #[test]
    fn numbers_outside_their_type_are_refused() {
        assert!(read(Kind::Integer, "2147483648").is_err());
        assert_eq!(read(Kind::Long, "2147483648"), Ok(2_147_483_648_i64.into()));
        assert!(read(Kind::Integer, "1.5").is_err());
        assert!(read(Kind::Double, "NaN").is_err());
        assert!(read(Kind::Boolean, "yes").is_err());
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(percent_decode("a%2Fb%252F", false), Ok("a/b%2F".to_owned()));
        assert_eq!(
            pairs("a=b+c&d"),
            Ok(vec![
                ("a".into(), "b c".into()),
                ("d".into(), String::new())
            ])
        );
        assert!(percent_decode("%zz", false).is_err());
        assert!(percent_decode("%f", false).is_err());
        assert!(percent_decode("%ff", false).is_err());
    }
}
