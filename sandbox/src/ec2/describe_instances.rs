//! DescribeInstances: who is there, in which state, with which addresses and tags.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::filter::{Filter, passes};
use super::{check_dry_run, check_ids, no_such_token, not_found, of_all, page_size, place, read};
use crate::instance::{ARCHITECTURE, IMAGE, Instance, InstanceState, TYPE};
use crate::listing;
use crate::wire::text::seconds_of;
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "DescribeInstances",
    // No resource can be named in a policy
    // (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html>).
    needs: |_, caller, _| of_all("ec2:DescribeInstances", caller),
    run: describe_instances,
}];

const LISTING: &str = "DescribeInstances";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeInstances {
    #[serde(default)]
    instance_ids: Vec<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
    dry_run: Option<bool>,
}

fn describe_instances(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: DescribeInstances = read(input)?;
    check_dry_run(input.dry_run)?;
    check_ids(&input.instance_ids)?;
    if !input.instance_ids.is_empty() && input.max_results.is_some() {
        return Err(AwsError::new(
            "InvalidParameterCombination",
            "The parameter instancesSet cannot be used with the parameter maxResults",
        ));
    }
    let size = page_size(input.max_results)?;
    let after = input
        .next_token
        .as_deref()
        .map(|token| listing::after(LISTING, token).ok_or_else(no_such_token));
    let instances = &world.instances;
    let ids = input.instance_ids.iter().map(String::as_str);
    let missing: Vec<&str> = ids
        .filter(|id| instances.of(place(caller), id, caller.now).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(not_found(&missing));
    }
    let mut found = Vec::new();
    for one in instances.listed(place(caller), caller.now) {
        let is_named = input.instance_ids.is_empty() || input.instance_ids.contains(&one.id);
        let state = one.state(caller.now);
        let has = |name: &str| values(one, state, name);
        if passes(&input.filters, "ec2:DescribeInstances", has)? && is_named {
            found.push((one.reservation.clone(), reservation(one, state)));
        }
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    let page = listing::page(found, after.transpose()?.as_deref(), size);
    let mut output = json!({ "Reservations": page.items });
    if let Some(next) = page.next {
        output["NextToken"] = listing::token(LISTING, &next).into();
    }
    Ok(output)
}

/// What an instance has under a filter's name. A terminated one has no network any more.
fn values(one: &Instance, state: InstanceState, name: &str) -> Option<Vec<String>> {
    let just = |value: &str| Some(vec![value.to_owned()]);
    let is_over = state == InstanceState::Terminated;
    let private = || {
        let address = (!is_over).then(|| one.private_ip.to_string());
        Some(address.into_iter().collect())
    };
    let public = || Some(one.public_ip.iter().map(ToString::to_string).collect());
    match name {
        "architecture" => just(ARCHITECTURE),
        "availability-zone" => just(&one.zone),
        "image-id" => just(IMAGE),
        "instance-id" => just(&one.id),
        "instance-state-code" => just(&state.code().to_string()),
        "instance-state-name" => just(state.name()),
        "instance-type" => just(TYPE),
        "ip-address"
        | "network-interface.association.public-ip"
        | "network-interface.addresses.association.public-ip" => public(),
        "network-interface.ipv6-addresses.ipv6-address" => {
            let address = one.ipv6.filter(|_| !is_over);
            Some(address.iter().map(ToString::to_string).collect())
        }
        "owner-id" => just(&one.account),
        "private-ip-address" | "network-interface.addresses.private-ip-address" => private(),
        "reservation-id" => just(&one.reservation),
        "tag-key" => Some(one.tags.keys().cloned().collect()),
        "tag-value" => Some(one.tags.values().cloned().collect()),
        "subnet-id" => just(&one.subnet),
        "vpc-id" => just(&one.vpc),
        other => {
            let key = other.strip_prefix("tag:")?;
            Some(one.tags.get(key).cloned().into_iter().collect())
        }
    }
}

fn reservation(one: &Instance, state: InstanceState) -> Value {
    json!({
        "ReservationId": one.reservation,
        "OwnerId": one.account,
        "Groups": [],
        "Instances": [instance(one, state)],
    })
}

fn instance(one: &Instance, state: InstanceState) -> Value {
    let options = &one.options;
    let switch = |is_on: bool| if is_on { "enabled" } else { "disabled" };
    let mut shown = json!({
        "InstanceId": one.id,
        "ImageId": IMAGE,
        "InstanceType": TYPE,
        "Architecture": ARCHITECTURE,
        "AmiLaunchIndex": 0,
        "LaunchTime": seconds_of(one.launched),
        "State": {"Code": state.code(), "Name": state.name()},
        "Placement": {"AvailabilityZone": one.zone, "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": "disabled"},
        "PrivateDnsName": "",
        "PublicDnsName": one.public_name().unwrap_or_default(),
        "EbsOptimized": false,
        "EnaSupport": true,
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "RootDeviceType": "ebs",
        "RootDeviceName": "/dev/xvda",
        "ClientToken": "",
        "BlockDeviceMappings": [],
        "ProductCodes": [],
        "SecurityGroups": [],
        "NetworkInterfaces": [],
        "MetadataOptions": {
            "State": "applied",
            "HttpTokens": if options.tokens_required { "required" } else { "optional" },
            "HttpPutResponseHopLimit": options.hop_limit,
            "HttpEndpoint": switch(options.endpoint),
            "HttpProtocolIpv6": "disabled",
            "InstanceMetadataTags": switch(options.tags),
        },
    });
    if !one.tags.is_empty() {
        let tags = one.tags.iter();
        shown["Tags"] = tags
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
    }
    if let Some(role) = &one.role {
        let arn = format!("arn:aws:iam::{}:instance-profile/{role}", one.account);
        shown["IamInstanceProfile"] = json!({"Arn": arn, "Id": one.profile_id()});
    }
    if let Some(ended) = one.ended() {
        let at = ended.strftime("%Y-%m-%d %H:%M:%S GMT");
        shown["StateTransitionReason"] = format!("User initiated ({at})").into();
        let code = "Client.UserInitiatedShutdown";
        let message = format!("{code}: User initiated shutdown");
        shown["StateReason"] = json!({"Code": code, "Message": message});
    }
    if state != InstanceState::Terminated
        && let Some(shown) = shown.as_object_mut()
    {
        add_network(one, shown);
    }
    shown
}

/// Addresses and the one network interface.
fn add_network(one: &Instance, shown: &mut Map<String, Value>) {
    let private = one.private_ip.to_string();
    let (interface, attachment) = &one.interface;
    let association = one.public_ip.map(|address| {
        json!({
            "IpOwnerId": "amazon",
            "PublicDnsName": one.public_name().unwrap_or_default(),
            "PublicIp": address.to_string(),
        })
    });
    let mut address = json!({
        "Primary": true,
        "PrivateDnsName": one.private_name(),
        "PrivateIpAddress": private,
    });
    let mut network = json!({
        "NetworkInterfaceId": interface,
        "OwnerId": one.account,
        "Status": "in-use",
        "InterfaceType": "interface",
        "MacAddress": one.mac,
        "Description": "",
        "SourceDestCheck": true,
        "Groups": [],
        "SubnetId": one.subnet,
        "VpcId": one.vpc,
        "PrivateDnsName": one.private_name(),
        "PrivateIpAddress": private,
        "Ipv6Addresses": [],
        "Attachment": {
            "AttachmentId": attachment,
            "AttachTime": seconds_of(one.created),
            "DeleteOnTermination": true,
            "DeviceIndex": 0,
            "NetworkCardIndex": 0,
            "Status": "attached",
        },
    });
    if let Some(association) = association {
        address["Association"] = association.clone();
        network["Association"] = association;
    }
    network["PrivateIpAddresses"] = json!([address]);
    if let Some(address) = one.ipv6 {
        let text = address.to_string();
        network["Ipv6Addresses"] = json!([{"Ipv6Address": text, "IsPrimaryIpv6": false}]);
        shown.insert("Ipv6Address".into(), text.into());
    }
    if let Some(address) = one.public_ip {
        shown.insert("PublicIpAddress".into(), address.to_string().into());
    }
    shown.insert("PrivateIpAddress".into(), private.into());
    shown.insert("PrivateDnsName".into(), one.private_name().into());
    shown.insert("SubnetId".into(), one.subnet.clone().into());
    shown.insert("VpcId".into(), one.vpc.clone().into());
    shown.insert("SourceDestCheck".into(), true.into());
    shown.insert("NetworkInterfaces".into(), json!([network]));
}
