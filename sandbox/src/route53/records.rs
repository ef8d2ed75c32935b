//! Records of a zone: listed in pages, and asked for as a resolver would.

use std::net::IpAddr;

use domain::base::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{RecordSet, RecordType, Slot, batch, needs, typed, zone, zones};
use crate::dns::{self, DnsName, address};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "ChangeResourceRecordSets",
        needs: batch::change_needs,
        run: batch::change,
    },
    Operation {
        name: "ListResourceRecordSets",
        needs: |_, _, input| needs::on_zone("ListResourceRecordSets", input, "HostedZoneId"),
        run: list,
    },
    Operation {
        name: "TestDNSAnswer",
        needs: |_, _, _| needs::anywhere("TestDNSAnswer"),
        run: test_dns_answer,
    },
];

/// Record sets per page, at most and by default (API reference, ListResourceRecordSets).
const PAGE_MAX: usize = 300;

fn list(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        hosted_zone_id: String,
        start_record_name: Option<String>,
        start_record_type: Option<String>,
        start_record_identifier: Option<String>,
        max_items: Option<String>,
    }
    let input: Input = typed(input)?;
    let zone = zone(world, caller, &input.hosted_zone_id)?;
    let size = zones::page_size(input.max_items.as_deref(), PAGE_MAX)?;
    let invalid = |message: String| AwsError::new("InvalidInput", message);
    if input.start_record_type.is_some() && input.start_record_name.is_none() {
        return Err(invalid("StartRecordType needs StartRecordName.".into()));
    }
    if input.start_record_identifier.is_some() && input.start_record_type.is_none() {
        return Err(invalid(
            "StartRecordIdentifier needs StartRecordType.".into(),
        ));
    }
    let start_name = match &input.start_record_name {
        None => DnsName::root(),
        Some(text) => DnsName::parse(text)
            .map_err(|p| invalid(format!("FATAL problem: {p} encountered with '{text}'")))?,
    };
    let start = (
        input.start_record_type.as_deref().unwrap_or_default(),
        input.start_record_identifier.as_deref().unwrap_or_default(),
    );
    let place = |slot: &'_ Slot| {
        let identifier = slot.identifier.as_deref().unwrap_or_default();
        (slot.record_type.name(), identifier) >= start
    };
    let mut rest = zone
        .sets
        .range(&start_name..)
        .flat_map(|(name, slots)| slots.iter().map(move |(slot, set)| (name, slot, set)))
        .filter(|(name, slot, _)| **name != start_name || place(slot));
    let page: Vec<Value> = rest
        .by_ref()
        .take(size)
        .map(|(name, slot, set)| shown(name, slot, set))
        .collect();
    let next = rest.next();
    let mut output = json!({
        "ResourceRecordSets": page,
        "IsTruncated": next.is_some(),
        "MaxItems": size.to_string(),
    });
    if let Some((name, slot, _)) = next {
        output["NextRecordName"] = name.text().into();
        output["NextRecordType"] = slot.record_type.name().into();
        if let Some(identifier) = &slot.identifier {
            output["NextRecordIdentifier"] = identifier.as_str().into();
        }
    }
    Ok(output)
}

/// A record set as the list shows it.
fn shown(name: &DnsName, slot: &Slot, set: &RecordSet) -> Value {
    let mut shown = json!({ "Name": name.text(), "Type": slot.record_type.name() });
    if let Some(identifier) = &slot.identifier {
        shown["SetIdentifier"] = identifier.as_str().into();
    }
    if let Some(Value::Object(routing)) = set.routing.as_ref().map(|routing| json!(routing)) {
        for (member, value) in routing {
            shown[member] = value;
        }
    }
    if let Some(alias) = &set.alias {
        shown["AliasTarget"] = json!({
            "HostedZoneId": alias.hosted_zone_id,
            "DNSName": alias.dns_name.text(),
            "EvaluateTargetHealth": alias.evaluate_target_health,
        });
    } else {
        let values = set.values.iter().map(|value| json!({ "Value": value }));
        shown["TTL"] = set.ttl.into();
        shown["ResourceRecords"] = values.collect();
    }
    shown
}

/// Asks one of the zone's name servers, as it is at this moment. The resolver's address would only
/// matter to routing by place, which does not ask for it here ([`super::routing`]).
fn test_dns_answer(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        hosted_zone_id: String,
        record_name: String,
        record_type: String,
    }
    let input: Input = typed(input)?;
    let zone = zone(world, caller, &input.hosted_zone_id)?;
    let invalid = |message: String| AwsError::new("InvalidInput", message);
    let name = DnsName::parse(&input.record_name)
        .map_err(|p| invalid(format!("FATAL problem: {p} in RecordName")))?;
    let record_type = RecordType::from_api(&input.record_type)
        .ok_or_else(|| AwsError::not_modelled(&format!("records of type {}", input.record_type)))?;
    if !name.is_within(&zone.name) {
        return Err(invalid(format!(
            "{name} is not in the hosted zone {}",
            zone.name
        )));
    }
    let number = zone.name_servers[0];
    let server = format!("{}.", address::aws_name(number));
    let at = DnsName::parse(&server)
        .ok()
        .and_then(|server| address::of(&server));
    let response = at.and_then(|(v4, _)| {
        let query = dns::question(&name, record_type.rtype());
        dns::answer(
            world,
            caller.now,
            IpAddr::V4(v4),
            &query,
            dns::Transport::Stream,
        )
    });
    let message = response
        .and_then(|octets| Message::from_octets(octets).ok())
        .ok_or_else(|| invalid(format!("{server} does not answer")))?;
    let data: Vec<String> = dns::answers(&message, record_type.rtype())
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    Ok(json!({
        "Nameserver": server.trim_end_matches('.'),
        "RecordName": name.text(),
        "RecordType": record_type.name(),
        "RecordData": data,
        "ResponseCode": message.header().rcode().to_string(),
        "Protocol": "UDP",
    }))
}
