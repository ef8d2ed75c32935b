//! Signing of a zone: on, off, and what GetDNSSEC shows.
//!
//! Before signing is turned on or off Route 53 asks the parent's name servers, so both calls depend on
//! what the simulated DNS answers at that moment.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::served::Zsk;
use super::signing_keys::{self, Ksk, KskStatus};
use super::{HostedZone, needs, typed, zone};
use crate::dns::{self, DnsName, Parent};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "EnableHostedZoneDNSSEC",
        needs: |_, _, input| needs::on_zone("EnableHostedZoneDNSSEC", input, "HostedZoneId"),
        run: enable,
    },
    Operation {
        name: "DisableHostedZoneDNSSEC",
        needs: |_, _, input| needs::on_zone("DisableHostedZoneDNSSEC", input, "HostedZoneId"),
        run: disable,
    },
    Operation {
        name: "GetDNSSEC",
        needs: |_, _, input| needs::on_zone("GetDNSSEC", input, "HostedZoneId"),
        run: get,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    hosted_zone_id: String,
}

fn enable(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Input = typed(input)?;
    let id = zone(world, caller, &input.hosted_zone_id)?.id.clone();
    signing_keys::notice(world, &id, caller.now);
    let zone = zone(world, caller, &id)?;
    signing_keys::check_public(zone)?;
    if let Some(ksk) = zone
        .ksks
        .values()
        .find(|ksk| ksk.status == KskStatus::ActionNeeded)
    {
        return Err(AwsError::new(
            "InvalidKMSArn",
            format!(
                "The customer managed key {} of the key-signing key {} isn't valid to use with \
                 DNSSEC signing.",
                ksk.kms_arn, ksk.name
            ),
        ));
    }
    // A failed KSK is cured by enabling signing again, so only its being the sole one is refused.
    if !zone
        .ksks
        .values()
        .any(|ksk| ksk.status == KskStatus::Active)
    {
        return Err(AwsError::new(
            "KeySigningKeyWithActiveStatusNotFound",
            "A key-signing key (KSK) with ACTIVE status wasn't found.",
        ));
    }
    check_delegation(world, caller, zone)?;
    let zsk = match &zone.zsk {
        Some(zsk) => zsk.clone(),
        None => Zsk::draw(&mut world.random),
    };
    let change = signing_keys::change(world, caller, &id, |zone| {
        zone.zsk = Some(zsk);
        zone.signing = true;
    })?;
    Ok(json!({ "ChangeInfo": change }))
}

/// A zone that the parent delegates to other servers can not be signed: "The hosted zone nameservers
/// don't match the parent nameservers. The hosted zone and parent must have the same nameservers."
/// (API reference, HostedZonePartiallyDelegated). No delegation at all is allowed.
fn check_delegation(world: &World, caller: &Caller, zone: &HostedZone) -> Result<(), AwsError> {
    let Parent::Answers {
        name_servers: Some(at_parent),
        ..
    } = dns::parent(world, caller.now, &zone.name)
    else {
        return Ok(());
    };
    let own: BTreeSet<DnsName> = zone.name_server_names().into_iter().collect();
    if at_parent == own {
        return Ok(());
    }
    let list = |names: &BTreeSet<DnsName>| {
        names
            .iter()
            .map(DnsName::text)
            .collect::<Vec<_>>()
            .join(", ")
    };
    Err(AwsError::new(
        "HostedZonePartiallyDelegated",
        format!(
            "The hosted zone nameservers don't match the parent nameservers. The hosted zone and \
             parent must have the same nameservers. Hosted zone: {}. Parent: {}.",
            list(&own),
            list(&at_parent)
        ),
    ))
}

/// Refuses if the parent has, or may have, a DS of one of these keys. The one code has two meanings,
/// told apart by the text only (hashicorp/terraform-provider-aws pull request 19875).
pub(super) fn parent_holds_ds(
    world: &World,
    caller: &Caller,
    zone: &HostedZone,
    ksks: &[&Ksk],
    doing: &str,
) -> Result<(), AwsError> {
    let refuse = |message: String| Err(AwsError::new("KeySigningKeyInParentDSRecord", message));
    match dns::parent(world, caller.now, &zone.name) {
        Parent::Silent => refuse(format!(
            "Due to DNS lookup failure, we cannot determine if {doing} in hosted zone {} will break \
             the authentication chain. Please retry later",
            zone.id
        )),
        Parent::Answers { ds, .. } => {
            let held = ksks
                .iter()
                .find(|ksk| ds.iter().any(|ds| ksk.dnskey().matches(&zone.name, ds)));
            match held {
                None => Ok(()),
                Some(ksk) => refuse(format!(
                    "The key-signing key (KSK) {} is specified in a parent DS record: {doing} in \
                     hosted zone {} would break the authentication chain.",
                    ksk.name, zone.id
                )),
            }
        }
    }
}

fn disable(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Input = typed(input)?;
    let zone = zone(world, caller, &input.hosted_zone_id)?;
    if zone.ksks.is_empty() && !zone.signing {
        return Err(AwsError::new(
            "DNSSECNotFound",
            "The hosted zone doesn't have any DNSSEC resources.",
        ));
    }
    let ksks: Vec<&Ksk> = zone.ksks.values().collect();
    parent_holds_ds(world, caller, zone, &ksks, "disabling DNSSEC")?;
    let id = zone.id.clone();
    let change = signing_keys::change(world, caller, &id, |zone| zone.signing = false)?;
    Ok(json!({ "ChangeInfo": change }))
}

fn get(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Input = typed(input)?;
    let id = zone(world, caller, &input.hosted_zone_id)?.id.clone();
    signing_keys::notice(world, &id, caller.now);
    let zone = zone(world, caller, &id)?;
    let any = |status| zone.ksks.values().any(|ksk| ksk.status == status);
    let (serve, message) = if !zone.signing {
        ("NOT_SIGNING", None)
    } else if any(KskStatus::InternalFailure) {
        (
            "INTERNAL_FAILURE",
            Some("There is an internal failure of a key-signing key."),
        )
    } else if any(KskStatus::ActionNeeded) {
        (
            "ACTION_NEEDED",
            Some("A key-signing key needs action; see its status message."),
        )
    } else {
        ("SIGNING", None)
    };
    let mut status = json!({ "ServeSignature": serve });
    if let Some(message) = message {
        status["StatusMessage"] = message.into();
    }
    let ksks: Vec<Value> = zone.ksks.values().map(|ksk| ksk.shown(zone)).collect();
    Ok(json!({ "Status": status, "KeySigningKeys": ksks }))
}
