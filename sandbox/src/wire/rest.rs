//! The parts of rest-xml and rest-json outside the body: paths, query parameters, headers, status.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::model::{Kind, Location, Model, Ref, Route, Shape, TimestampFormat};
use super::text;
use super::xml::member_of;
use crate::world::Request;

/// Labels of a path by name, decoded.
pub type Labels = BTreeMap<String, String>;

/// Matches a request against a route. The count says how specific the match is: where two routes
/// match, the one with more literal parts is meant.
pub fn matches(route: &Route, request: &Request) -> Option<(usize, Labels)> {
    if route.method != request.method {
        return None;
    }
    let (template, constants) = route
        .request_uri
        .split_once('?')
        .unwrap_or((&route.request_uri, ""));
    let mut literals = 0;
    if !constants.is_empty() {
        let sent = text::pairs(&request.query).ok()?;
        for constant in text::pairs(constants).ok()? {
            if !sent.contains(&constant) {
                return None;
            }
            literals += 1;
        }
    }
    let template: Vec<&str> = template.trim_matches('/').split('/').collect();
    let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let mut labels = Labels::new();
    let mut at = 0;
    for (index, part) in template.iter().enumerate() {
        let label = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        match label {
            None => {
                if path.get(at) != Some(part) {
                    return None;
                }
                literals += 1;
                at += 1;
            }
            Some(label) => {
                let taken = match label.strip_suffix('+') {
                    Some(_) => path.len().checked_sub(at + (template.len() - index - 1))?,
                    None => 1,
                };
                let value = path.get(at..at + taken)?.join("/");
                if value.is_empty() {
                    return None;
                }
                let name = label.strip_suffix('+').unwrap_or(label);
                labels.insert(name.to_owned(), text::percent_decode(&value, false).ok()?);
                at += taken;
            }
        }
    }
    (at == path.len()).then_some((literals, labels))
}

/// Reads the members that stand outside the body.
pub fn read(
    model: &Model,
    shape: &Shape,
    labels: &Labels,
    request: &Request,
) -> Result<Map<String, Value>, String> {
    let query = text::pairs(&request.query)?;
    let mut map = Map::new();
    for (name, reference) in &shape.members {
        let wire = Shape::wire_name(name, reference);
        let inner = model.shape(&reference.shape);
        let value = match reference.location {
            Some(Location::Uri) => labels
                .get(wire)
                .map(|label| text::read(inner.kind, label))
                .transpose()?,
            Some(Location::QueryString) if inner.kind == Kind::Map => rest_of(shape, &query),
            Some(Location::QueryString) => read_query(model, inner, wire, &query)?,
            Some(Location::Header) => request
                .header(&wire.to_ascii_lowercase())
                .map(|value| text::read(inner.kind, value))
                .transpose()?,
            Some(Location::Headers) => {
                let prefix = wire.to_ascii_lowercase();
                let found: Map<String, Value> = request
                    .headers
                    .iter()
                    .filter_map(|(name, value)| {
                        Some((
                            name.strip_prefix(&prefix)?.to_owned(),
                            value.as_str().into(),
                        ))
                    })
                    .collect();
                (!found.is_empty()).then_some(Value::Object(found))
            }
            Some(Location::StatusCode) | None => None,
        };
        if let Some(value) = value {
            map.insert(name.clone(), value);
        }
    }
    Ok(map)
}

fn read_query(
    model: &Model,
    shape: &Shape,
    wire: &str,
    query: &[(String, String)],
) -> Result<Option<Value>, String> {
    let mut found = query
        .iter()
        .filter(|(name, _)| name == wire)
        .map(|(_, value)| value);
    match shape.kind {
        Kind::List => {
            let kind = model.shape(&member_of(shape).shape).kind;
            let items: Result<Vec<Value>, String> =
                found.map(|value| text::read(kind, value)).collect();
            let items = items?;
            Ok((!items.is_empty()).then_some(Value::Array(items)))
        }
        Kind::Map
        | Kind::Structure
        | Kind::String
        | Kind::Blob
        | Kind::Boolean
        | Kind::Integer
        | Kind::Long
        | Kind::Float
        | Kind::Double
        | Kind::Timestamp => found
            .next()
            .map(|value| text::read(shape.kind, value))
            .transpose(),
    }
}

/// A map takes every parameter that is no other member's (`httpQueryParams`); `mode=import` in a
/// route names the operation and is taken by it.
fn rest_of(shape: &Shape, query: &[(String, String)]) -> Option<Value> {
    let is_named = |sent: &str| {
        sent == "mode"
            || shape.members.iter().any(|(name, reference)| {
                reference.location == Some(Location::QueryString)
                    && Shape::wire_name(name, reference) == sent
            })
    };
    let rest: Map<String, Value> = query
        .iter()
        .filter(|(name, _)| !is_named(name))
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    (!rest.is_empty()).then_some(Value::Object(rest))
}

/// Whether a member stands in the body.
pub fn in_body(reference: &Ref) -> bool {
    reference.location.is_none()
}

/// Writes the members of an output that stand outside the body: headers and, if given, the status.
pub fn write(
    model: &Model,
    shape: &Shape,
    map: &Map<String, Value>,
) -> (Option<u16>, Vec<(String, String)>) {
    let mut status = None;
    let mut headers = Vec::new();
    for (name, reference) in &shape.members {
        let Some(value) = map.get(name).filter(|value| !value.is_null()) else {
            continue;
        };
        let wire = Shape::wire_name(name, reference).to_ascii_lowercase();
        let inner = model.shape(&reference.shape);
        match reference.location {
            Some(Location::StatusCode) => {
                status = value.as_u64().and_then(|code| u16::try_from(code).ok());
            }
            Some(Location::Header) => {
                let format = text::format_of(reference, inner, TimestampFormat::Rfc822);
                headers.push((wire, text::write(inner.kind, value, format)));
            }
            Some(Location::Headers) => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let name = format!("{wire}{}", key.to_ascii_lowercase());
                    headers.push((
                        name,
                        text::write(Kind::String, value, TimestampFormat::Rfc822),
                    ));
                }
            }
            Some(Location::Uri | Location::QueryString) | None => {}
        }
    }
    (status, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str, path: &str, query: &str) -> Option<(usize, Labels)> {
        let route = Route {
            method: "GET".into(),
            request_uri: template.into(),
            response_code: None,
        };
        let request = Request {
            method: "GET".into(),
            host: String::new(),
            path: path.into(),
            query: query.into(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        matches(&route, &request)
    }

    fn label(template: &str, path: &str) -> Option<String> {
        found(template, path, "").and_then(|(_, labels)| labels.into_values().next())
    }

    #[test]
    fn labels_take_one_segment_and_greedy_ones_the_rest() {
        assert_eq!(
            label("/zone/{Id}/rrset/", "/zone/Z1/rrset").as_deref(),
            Some("Z1")
        );
        assert_eq!(label("/zone/{Id}", "/zone/Z1/rrset"), None);
        assert_eq!(label("/zone/{Id}", "/zone/"), None);
        assert_eq!(
            label("/tags/{Arn+}", "/tags/arn:a/b/c").as_deref(),
            Some("arn:a/b/c")
        );
        assert_eq!(label("/x/{Arn+}/end", "/x/a/b/end").as_deref(), Some("a/b"));
        assert_eq!(label("/zone/{Id}", "/zone/a%2Fb").as_deref(), Some("a/b"));
    }

    #[test]
    fn constant_parameters_tell_routes_apart() {
        assert!(found("/apis?mode=import", "/apis", "mode=import").is_some());
        assert!(found("/apis?mode=import", "/apis", "").is_none());
        let plain = found("/apis", "/apis", "mode=import").expect("matches").0;
        let import = found("/apis?mode=import", "/apis", "mode=import")
            .expect("matches")
            .0;
        assert!(import > plain);
    }
}
