//! Form parameters of the query protocol, `Tags.member.1.Key=..`, and of EC2's variant of it,
//! `Tag.1.Key=..`, read by shape.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::model::{Kind, Model, Protocol, Ref, Shape};
use super::text;
use super::xml::{entry_of, member_of};

/// Parameters by name; of a repeated one the last counts.
pub type Form = BTreeMap<String, String>;

/// Reads the input of an operation. Parameters that the shape does not know are ignored.
pub fn read(model: &Model, shape: &Shape, form: &Form) -> Result<Value, String> {
    Ok(read_at(model, shape, form, "")?.unwrap_or_else(|| Value::Object(Map::new())))
}

fn read_at(model: &Model, shape: &Shape, form: &Form, at: &str) -> Result<Option<Value>, String> {
    match shape.kind {
        Kind::Structure => {
            let mut map = Map::new();
            for (name, reference) in &shape.members {
                let inner = model.shape(&reference.shape);
                let is_ec2 = model.speaks(Protocol::Ec2);
                let mut wire = join(at, &parameter(name, reference, is_ec2));
                let flat = is_ec2 || reference.flattened || inner.flattened;
                if let (true, false, Some(item)) = (flat, is_ec2, &inner.member) {
                    wire = join(at, item.location_name.as_deref().unwrap_or(name));
                }
                let value = match inner.kind {
                    Kind::List => read_list(model, inner, form, &wire, flat)?,
                    Kind::Map => read_map(model, inner, form, &wire, flat)?,
                    Kind::Structure
                    | Kind::String
                    | Kind::Blob
                    | Kind::Boolean
                    | Kind::Integer
                    | Kind::Long
                    | Kind::Float
                    | Kind::Double
                    | Kind::Timestamp => read_at(model, inner, form, &wire)?,
                };
                if let Some(value) = value {
                    map.insert(name.clone(), value);
                }
            }
            let present = !map.is_empty() || form.contains_key(at);
            Ok(present.then_some(Value::Object(map)))
        }
        Kind::List => read_list(model, shape, form, at, shape.flattened),
        Kind::Map => read_map(model, shape, form, at, shape.flattened),
        Kind::String
        | Kind::Blob
        | Kind::Boolean
        | Kind::Integer
        | Kind::Long
        | Kind::Float
        | Kind::Double
        | Kind::Timestamp => form
            .get(at)
            .map(|text| text::read(shape.kind, text))
            .transpose(),
    }
}

/// A member's name as a parameter. EC2 spells the name in XML with a capital letter, unless it has
/// another.
fn parameter(name: &str, reference: &Ref, is_ec2: bool) -> String {
    if !is_ec2 {
        return Shape::wire_name(name, reference).to_owned();
    }
    if let Some(own) = &reference.query_name {
        return own.clone();
    }
    let mut letters = Shape::wire_name(name, reference).chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn read_list(
    model: &Model,
    shape: &Shape,
    form: &Form,
    at: &str,
    flat: bool,
) -> Result<Option<Value>, String> {
    let reference = member_of(shape);
    let item = reference.location_name.as_deref().unwrap_or("member");
    let at_item = if flat { at.to_owned() } else { join(at, item) };
    let inner = model.shape(&reference.shape);
    let mut items = Vec::new();
    for index in indices(form, &at_item) {
        items.extend(read_at(
            model,
            inner,
            form,
            &join(&at_item, &index.to_string()),
        )?);
    }
    // An empty list is sent as a parameter with an empty value.
    Ok((!items.is_empty() || form.contains_key(at)).then_some(Value::Array(items)))
}

fn read_map(
    model: &Model,
    shape: &Shape,
    form: &Form,
    at: &str,
    flat: bool,
) -> Result<Option<Value>, String> {
    let at_entry = if flat {
        at.to_owned()
    } else {
        join(at, "entry")
    };
    let (key, value) = entry_of(shape);
    let key_name = key.location_name.as_deref().unwrap_or("key");
    let value_name = value.location_name.as_deref().unwrap_or("value");
    let mut map = Map::new();
    for index in indices(form, &at_entry) {
        let entry = join(&at_entry, &index.to_string());
        let Some(key) = form.get(&join(&entry, key_name)) else {
            continue;
        };
        let inner = model.shape(&value.shape);
        if let Some(value) = read_at(model, inner, form, &join(&entry, value_name))? {
            map.insert(key.clone(), value);
        }
    }
    Ok((!map.is_empty() || form.contains_key(at)).then_some(Value::Object(map)))
}

/// The numbers that follow a prefix, in their order.
fn indices(form: &Form, at: &str) -> BTreeSet<u32> {
    let prefix = format!("{at}.");
    form.range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix))
        .filter_map(|(name, _)| name[prefix.len()..].split('.').next()?.parse().ok())
        .collect()
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::model::model;

    fn form(text: &str) -> Form {
        text::pairs(text).expect("valid").into_iter().collect()
    }

    #[test]
    fn lists_of_ec2_are_flat_and_names_begin_with_a_capital() {
        let ec2 = model("ec2").expect("served");
        let value = read(
            ec2,
            ec2.shape("DescribeInstancesRequest"),
            &form(
                "InstanceId.1=i-b&InstanceId.2=i-a&Filter.1.Name=tag%3Aa&Filter.1.Value.1=x\
                 &Filter.1.Value.2=y&MaxResults=5&DryRun=true",
            ),
        );
        assert_eq!(
            value,
            Ok(serde_json::json!({
                "InstanceIds": ["i-b", "i-a"],
                "Filters": [{"Name": "tag:a", "Values": ["x", "y"]}],
                "MaxResults": 5,
                "DryRun": true,
            }))
        );
    }

    #[test]
    fn lists_of_structures_are_read_in_the_order_of_their_numbers() {
        let sts = model("sts").expect("served");
        let shape = sts.shape("AssumeRoleRequest");
        let value = read(
            sts,
            shape,
            &form(
                "RoleArn=a&Tags.member.10.Key=c&Tags.member.10.Value=3&Tags.member.2.Key=b\
                 &Tags.member.2.Value=2&DurationSeconds=900&Unknown=1",
            ),
        );
        assert_eq!(
            value,
            Ok(serde_json::json!({
                "RoleArn": "a",
                "DurationSeconds": 900,
                "Tags": [{"Key": "b", "Value": "2"}, {"Key": "c", "Value": "3"}],
            }))
        );
        assert!(read(sts, shape, &form("DurationSeconds=long")).is_err());
    }
}
