//! XML bodies: a small tree for what comes in, text for what goes out, both led by shapes.
//!
//! An element the shape does not know is an error, as in Route 53, which checks a schema. Namespaces
//! are not told apart: the services have one each.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use super::model::{Kind, Model, Ref, Shape, TimestampFormat};
use super::text;

/// Nothing a service takes is nested deeper; a bound keeps a hostile body from the stack.
const DEPTH_MAX: usize = 64;

/// One element.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Name without prefix.
    pub name: String,
    /// Attributes, without namespace declarations.
    pub attributes: BTreeMap<String, String>,
    /// Elements inside.
    pub children: Vec<Element>,
    /// Text inside.
    pub text: String,
}

/// Parses a document. Document types are refused: no service takes one, and entities are their use.
pub fn parse(body: &[u8]) -> Result<Element, String> {
    let body = str::from_utf8(body).map_err(|_| "the document is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(body);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                if root.is_some() || open.len() >= DEPTH_MAX {
                    return Err("markup after the root element, or nested too deeply".to_owned());
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                if root.is_some() {
                    return Err("markup after the root element".to_owned());
                }
                close(&mut open, &mut root, element(&start)?);
            }
            Event::End(_) => {
                let done = open.pop().ok_or("an end tag without a start tag")?;
                close(&mut open, &mut root, done);
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
            Event::CData(text) => add_text(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content().into_owned();
                let resolved = quick_xml::escape::unescape(&format!("&{name};"))
                    .map_err(|error| error.to_string())?
                    .into_owned();
                add_text(&mut open, &resolved)?;
            }
            Event::DocType(_) => return Err("a document type is not allowed".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(
            "XML document structures must start and end within the same entity.".to_owned(),
        );
    }
    root.ok_or_else(|| "the document has no root element".to_owned())
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut attributes = BTreeMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = attribute.key.as_ref();
        if name == "xmlns" || name.starts_with("xmlns:") {
            continue;
        }
        let value =
            quick_xml::escape::unescape(&attribute.value).map_err(|error| error.to_string())?;
        attributes.insert(name.to_owned(), value.into_owned());
    }
    let name = start.local_name().as_ref().to_owned();
    Ok(Element {
        name,
        attributes,
        ..Element::default()
    })
}

fn close(open: &mut [Element], root: &mut Option<Element>, done: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("Content is not allowed in prolog.".to_owned()),
    }
    Ok(())
}

/// Reads an element as a value of a shape.
pub fn read(model: &Model, shape: &Shape, element: &Element) -> Result<Value, String> {
    match shape.kind {
        Kind::Structure => read_structure(model, shape, element, &|_| true).map(Value::Object),
        Kind::List => {
            let reference = member_of(shape);
            let name = reference.location_name.as_deref().unwrap_or("member");
            let mut items = Vec::new();
            for child in &element.children {
                if child.name != name {
                    return Err(unexpected(child, name));
                }
                items.push(read(model, model.shape(&reference.shape), child)?);
            }
            Ok(Value::Array(items))
        }
        Kind::Map => {
            let mut map = Map::new();
            for child in &element.children {
                if child.name != "entry" {
                    return Err(unexpected(child, "entry"));
                }
                let (key, value) = read_entry(model, shape, child)?;
                map.insert(key, value);
            }
            Ok(Value::Object(map))
        }
        Kind::String
        | Kind::Blob
        | Kind::Boolean
        | Kind::Integer
        | Kind::Long
        | Kind::Float
        | Kind::Double
        | Kind::Timestamp => {
            if let Some(child) = element.children.first() {
                return Err(format!(
                    "cvc-type.3.1.2: Element '{}' is a simple type, so it must have no element \
                     information item [children], found '{}'.",
                    element.name, child.name
                ));
            }
            text::read(shape.kind, &element.text)
        }
    }
}

/// Reads the members of a structure that `in_body` picks.
pub fn read_structure(
    model: &Model,
    shape: &Shape,
    element: &Element,
    in_body: &dyn Fn(&Ref) -> bool,
) -> Result<Map<String, Value>, String> {
    let mut map = Map::new();
    for (name, reference) in &shape.members {
        if let (true, Some(text)) = (
            reference.xml_attribute,
            element.attributes.get(Shape::wire_name(name, reference)),
        ) {
            let kind = model.shape(&reference.shape).kind;
            map.insert(name.clone(), text::read(kind, text)?);
        }
    }
    for child in &element.children {
        let found = shape.members.iter().find(|(name, reference)| {
            in_body(reference)
                && !reference.xml_attribute
                && element_name(model, name, reference) == child.name
        });
        let Some((name, reference)) = found else {
            return Err(unexpected(child, ""));
        };
        let inner = model.shape(&reference.shape);
        if reference.flattened || inner.flattened {
            read_flattened(model, inner, child, map.entry(name.clone()))?;
        } else if map
            .insert(name.clone(), read(model, inner, child)?)
            .is_some()
        {
            return Err(unexpected(child, ""));
        }
    }
    Ok(map)
}

fn read_flattened(
    model: &Model,
    shape: &Shape,
    child: &Element,
    entry: serde_json::map::Entry<'_>,
) -> Result<(), String> {
    if shape.kind == Kind::Map {
        let (key, value) = read_entry(model, shape, child)?;
        if let Value::Object(map) = entry.or_insert_with(|| Value::Object(Map::new())) {
            map.insert(key, value);
        }
    } else {
        let item = read(model, model.shape(&member_of(shape).shape), child)?;
        if let Value::Array(items) = entry.or_insert_with(|| Value::Array(Vec::new())) {
            items.push(item);
        }
    }
    Ok(())
}

fn read_entry(model: &Model, shape: &Shape, entry: &Element) -> Result<(String, Value), String> {
    let (key, value) = entry_of(shape);
    let (key_name, value_name) = (wire(key, "key"), wire(value, "value"));
    let find = |name: &str| {
        entry
            .children
            .iter()
            .find(|child| child.name == name)
            .ok_or_else(|| format!("'{}' has no '{name}'", entry.name))
    };
    let read_value = read(model, model.shape(&value.shape), find(value_name)?)?;
    Ok((find(key_name)?.text.clone(), read_value))
}

fn unexpected(child: &Element, expected: &str) -> String {
    let expected = if expected.is_empty() {
        String::new()
    } else {
        format!(" One of '{{{expected}}}' is expected.")
    };
    format!(
        "cvc-complex-type.2.4.a: Invalid content was found starting with element '{}'.{expected}",
        child.name
    )
}

fn wire<'a>(reference: &'a Ref, default: &'a str) -> &'a str {
    reference.location_name.as_deref().unwrap_or(default)
}

/// A flattened list's elements are called by the list's elements, if those have a name.
fn element_name<'a>(model: &'a Model, name: &'a str, reference: &'a Ref) -> &'a str {
    let shape = model.shape(&reference.shape);
    if reference.flattened || shape.flattened {
        let item = shape
            .member
            .as_ref()
            .and_then(|member| member.location_name.as_deref());
        if let Some(item) = item {
            return item;
        }
    }
    Shape::wire_name(name, reference)
}

/// The reference to a list's elements.
pub fn member_of(shape: &Shape) -> &Ref {
    shape
        .member
        .as_ref()
        .expect("a list has elements; the tables are tested")
}

/// The references to a map's keys and values.
pub fn entry_of(shape: &Shape) -> (&Ref, &Ref) {
    let both = shape.key.as_ref().zip(shape.value.as_ref());
    both.expect("a map has keys and values; the tables are tested")
}

/// Writes `<name xmlns=..>value</name>`.
pub fn write(
    model: &Model,
    (name, namespace): (&str, Option<&str>),
    reference: &Ref,
    value: &Value,
    out: &mut String,
) {
    let shape = model.shape(&reference.shape);
    out.push('<');
    out.push_str(name);
    if let Some(namespace) = namespace.or(reference.xml_namespace.as_deref()) {
        out.push_str(&format!(" xmlns=\"{}\"", escape(namespace)));
    }
    if let Value::Object(map) = value {
        for (member, reference) in &shape.members {
            if let (true, Some(value)) = (reference.xml_attribute, map.get(member)) {
                let attribute = Shape::wire_name(member, reference);
                let kind = model.shape(&reference.shape).kind;
                let text = text::write(kind, value, TimestampFormat::Iso8601);
                out.push_str(&format!(" {attribute}=\"{}\"", escape(text)));
            }
        }
    }
    out.push('>');
    write_content(model, reference, shape, value, out);
    out.push_str(&format!("</{name}>"));
}

fn write_content(model: &Model, reference: &Ref, shape: &Shape, value: &Value, out: &mut String) {
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(map)) => write_members(model, shape, map, out),
        (Kind::List, Value::Array(items)) => {
            let reference = member_of(shape);
            for item in items {
                write(
                    model,
                    (wire(reference, "member"), None),
                    reference,
                    item,
                    out,
                );
            }
        }
        (Kind::Map, Value::Object(map)) => {
            for (key, value) in map {
                write_entry(model, "entry", shape, (key, value), out);
            }
        }
        (kind, single) => {
            let format = text::format_of(reference, shape, TimestampFormat::Iso8601);
            out.push_str(&escape(text::write(kind, single, format)));
        }
    }
}

/// Writes the members of a structure that belong into the body.
pub fn write_members(model: &Model, shape: &Shape, map: &Map<String, Value>, out: &mut String) {
    for (name, reference) in &shape.members {
        if reference.location.is_some() || reference.xml_attribute {
            continue;
        }
        let Some(value) = map.get(name).filter(|value| !value.is_null()) else {
            continue;
        };
        let inner = model.shape(&reference.shape);
        let wire_name = element_name(model, name, reference);
        match (reference.flattened || inner.flattened, value) {
            (true, Value::Array(items)) => {
                for item in items {
                    write(model, (wire_name, None), member_of(inner), item, out);
                }
            }
            (true, Value::Object(entries)) => {
                for (key, value) in entries {
                    write_entry(model, wire_name, inner, (key, value), out);
                }
            }
            (_, value) => write(model, (wire_name, None), reference, value, out),
        }
    }
}

fn write_entry(
    model: &Model,
    name: &str,
    shape: &Shape,
    (key, value): (&str, &Value),
    out: &mut String,
) {
    let (key_ref, value_ref) = entry_of(shape);
    let key_name = wire(key_ref, "key");
    out.push_str(&format!("<{name}><{key_name}>{}</{key_name}>", escape(key)));
    write(
        model,
        (wire(value_ref, "value"), None),
        value_ref,
        value,
        out,
    );
    out.push_str(&format!("</{name}>"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_and_cdata_are_text() {
        let root = parse(b"<a x='1 &lt; 2'>1 &amp; &#x32;<![CDATA[ <3> ]]></a>").expect("valid");
        assert_eq!(root.text, "1 & 2 <3> ");
        assert_eq!(root.attributes["x"], "1 < 2");
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for body in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "x<a/>",
            "<!DOCTYPE a []><a/>",
            "<a>&foo;</a>",
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        let deep = "<a>".repeat(100);
        assert!(parse(deep.as_bytes()).is_err());
    }
}
