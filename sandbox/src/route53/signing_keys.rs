//! Key-signing keys: a zone's KSKs, each backed by a customer's KMS key.
//!
//! ```text
//!            create ──► INACTIVE ◄────────── deactivate ───────────┐
//!            create ──► ACTIVE ──► (KMS key unusable) ACTION_NEEDED ┤
//!  INACTIVE ─ activate ─► ACTIVE ◄── activate (key usable again) ───┘
//!  INACTIVE ─ delete ─► gone
//! ```
//!
//! ACTION_NEEDED is noticed when somebody looks, from the state the KMS key has then, and stays until
//! the KSK is activated again (developer guide, "Troubleshooting DNSSEC signing"). INTERNAL_FAILURE
//! comes only from [`World::break_ksk`].

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::served::Before;
use super::signatures::{self, Signed};
use super::signing::parent_holds_ds;
use super::{HostedZone, changes, limits, needs, seconds, typed, zone, zone_mut};
use crate::dns::{DigestType, Dnskey};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateKeySigningKey",
        needs: |_, _, input| needs::on_zone("CreateKeySigningKey", input, "HostedZoneId"),
        run: create,
    },
    Operation {
        name: "ActivateKeySigningKey",
        needs: |_, _, input| needs::on_zone("ActivateKeySigningKey", input, "HostedZoneId"),
        run: activate,
    },
    Operation {
        name: "DeactivateKeySigningKey",
        needs: |_, _, input| needs::on_zone("DeactivateKeySigningKey", input, "HostedZoneId"),
        run: deactivate,
    },
    Operation {
        name: "DeleteKeySigningKey",
        needs: |_, _, input| needs::on_zone("DeleteKeySigningKey", input, "HostedZoneId"),
        run: delete,
    },
];

/// One key-signing key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ksk {
    /// Name, unique in the zone.
    pub name: String,
    /// ARN of its KMS key.
    pub kms_arn: String,
    caller_reference: String,
    /// Status as it was last set or noticed.
    pub status: KskStatus,
    /// Why action is needed.
    status_message: Option<String>,
    /// Read from KMS when the KSK was made.
    pub(super) public_key: PublicKey,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// When it last signed the zone's keys.
    #[serde(default)]
    pub(super) signed: Signed,
}

/// Status of a KSK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KskStatus {
    /// Signs the zone's keys while signing is on.
    Active,
    /// Not used.
    Inactive,
    /// Its KMS key can not be used.
    ActionNeeded,
    /// Route 53 itself failed.
    InternalFailure,
}

impl KskStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::ActionNeeded => "ACTION_NEEDED",
            Self::InternalFailure => "INTERNAL_FAILURE",
        }
    }
}

/// The coordinates of a P-256 point, kept as base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct PublicKey([u8; 64]);

impl TryFrom<String> for PublicKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let octets = STANDARD.decode(&text).map_err(|error| error.to_string())?;
        octets
            .try_into()
            .map(Self)
            .map_err(|_| format!("{text} is not a P-256 public key"))
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        STANDARD.encode(key.0)
    }
}

impl PublicKey {
    /// The DNSKEY: flags 257, zone key and secure entry point.
    pub(super) fn dnskey(&self) -> Dnskey {
        Dnskey {
            flags: 257,
            public_key: self.0,
        }
    }
}

impl Ksk {
    /// The key as DNS serves it.
    pub fn dnskey(&self) -> Dnskey {
        self.public_key.dnskey()
    }

    /// The KSK as GetDNSSEC shows it.
    pub(super) fn shown(&self, zone: &HostedZone) -> Value {
        let key = self.dnskey();
        let ds = key.ds(&zone.name, DigestType::Sha256);
        let mut shown = json!({
            "Name": self.name,
            "KmsArn": self.kms_arn,
            "Flag": key.flags,
            "SigningAlgorithmMnemonic": "ECDSAP256SHA256",
            "SigningAlgorithmType": ds.algorithm,
            "DigestAlgorithmMnemonic": "SHA-256",
            "DigestAlgorithmType": ds.digest_type,
            "KeyTag": ds.key_tag,
            "DigestValue": ds.digest_hex(),
            "PublicKey": key.base64(),
            "DSRecord": ds.text(),
            "DNSKEYRecord": key.text(),
            "Status": self.status.name(),
            "CreatedDate": seconds(self.created),
            "LastModifiedDate": seconds(self.modified),
        });
        if let Some(message) = &self.status_message {
            shown["StatusMessage"] = message.as_str().into();
        }
        shown
    }
}

/// The KMS key's public part, if Route 53 may use the key for this zone; else why not.
fn fit(world: &World, zone: &HostedZone, arn: &str) -> Result<PublicKey, String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", "aws", "kms", region, _, resource] = parts[..] else {
        return Err(format!("{arn} is not the ARN of a KMS key"));
    };
    let Some(key_id) = resource.strip_prefix("key/") else {
        return Err("the ARN must be that of a key; an alias is not accepted".into());
    };
    if region != "us-east-1" {
        return Err(format!("the key is in {region}; it must be in us-east-1"));
    }
    if key_id.starts_with("mrk-") {
        return Err("the key is a multi-Region key; it must be a single-Region key".into());
    }
    let key = world.ksk_key(arn).map_err(|problem| problem.to_string())?;
    world.ksk_key_allows(arn, &zone.id, &zone.account)?;
    Ok(PublicKey(key.public_key))
}

/// Whether Route 53 can sign with the key of a KSK.
pub(super) fn usable(world: &World, zone: &HostedZone, ksk: &Ksk) -> bool {
    fit(world, zone, &ksk.kms_arn).is_ok()
}

fn invalid_kms_arn(reason: &str) -> AwsError {
    AwsError::new(
        "InvalidKMSArn",
        format!(
            "The KeyManagementServiceArn that you specified isn't valid to use with DNSSEC \
             signing: {reason}"
        ),
    )
}

/// Refuses private zones: they can not be signed.
pub(super) fn check_public(zone: &HostedZone) -> Result<(), AwsError> {
    if zone.is_private() {
        return Err(AwsError::new(
            "InvalidArgument",
            "DNSSEC signing is not supported for private hosted zones.",
        ));
    }
    Ok(())
}

/// Refuses while another KSK is in INTERNAL_FAILURE: until that one is activated or deactivated,
/// nothing else works (developer guide, "Troubleshooting DNSSEC signing").
pub(super) fn check_no_failure(zone: &HostedZone, except: Option<&str>) -> Result<(), AwsError> {
    let failed =
        |ksk: &&Ksk| ksk.status == KskStatus::InternalFailure && Some(ksk.name.as_str()) != except;
    match zone.ksks.values().find(failed) {
        None => Ok(()),
        Some(ksk) => Err(AwsError::new(
            "InvalidKeySigningKeyStatus",
            format!(
                "The key-signing key {} has the status INTERNAL_FAILURE.",
                ksk.name
            ),
        )),
    }
}

/// Looks at the KMS key of each active KSK and notes those that can not be used.
pub(super) fn notice(world: &mut World, zone_id: &str, now: Timestamp) {
    let Some(zone) = world.route53.zones.get(zone_id) else {
        return;
    };
    let unusable: Vec<(String, String)> = zone
        .ksks
        .values()
        .filter(|ksk| ksk.status == KskStatus::Active)
        .filter_map(|ksk| Some((ksk.name.clone(), fit(world, zone, &ksk.kms_arn).err()?)))
        .collect();
    let Some(zone) = world.route53.zones.get_mut(zone_id) else {
        return;
    };
    for (name, reason) in unusable {
        if let Some(ksk) = zone.ksks.get_mut(&name) {
            ksk.status = KskStatus::ActionNeeded;
            ksk.status_message = Some(format!(
                "Route 53 can't use the customer managed key {} for this key-signing key: \
                 {reason}. Resolve the problem, then activate the key-signing key again.",
                ksk.kms_arn
            ));
            ksk.modified = now;
        }
    }
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        caller_reference: String,
        hosted_zone_id: String,
        key_management_service_arn: String,
        name: String,
        status: String,
    }
    let input: Input = typed(input)?;
    let zone = zone(world, caller, &input.hosted_zone_id)?;
    check_public(zone)?;
    if !input
        .name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        || !(3..=128).contains(&input.name.len())
    {
        return Err(AwsError::new(
            "InvalidKeySigningKeyName",
            "The key-signing key (KSK) name that you specified isn't a valid name: it can include \
             numbers, letters, and underscores (_).",
        ));
    }
    let status = match input.status.as_str() {
        "ACTIVE" => KskStatus::Active,
        "INACTIVE" => KskStatus::Inactive,
        other => {
            return Err(AwsError::new(
                "InvalidKeySigningKeyStatus",
                format!("A key-signing key can be created ACTIVE or INACTIVE, not {other}."),
            ));
        }
    };
    check_no_failure(zone, None)?;
    let same = |ksk: &Ksk| {
        ksk.name == input.name
            || ksk.kms_arn == input.key_management_service_arn
            || ksk.caller_reference == input.caller_reference
    };
    if zone.ksks.values().any(same) {
        return Err(AwsError::new(
            "KeySigningKeyAlreadyExists",
            "You've already created a key-signing key (KSK) with this name or with the same \
             customer managed key ARN.",
        ));
    }
    if zone.ksks.len() >= limits::KSKS {
        return Err(AwsError::new(
            "TooManyKeySigningKeys",
            format!(
                "You've reached the limit of {} key-signing keys per hosted zone.",
                limits::KSKS
            ),
        ));
    }
    let public_key = fit(world, zone, &input.key_management_service_arn)
        .map_err(|reason| invalid_kms_arn(&reason))?;

    let ksk = Ksk {
        name: input.name.clone(),
        kms_arn: input.key_management_service_arn,
        caller_reference: input.caller_reference,
        status,
        status_message: None,
        public_key,
        created: caller.now,
        modified: caller.now,
        signed: Signed::At(caller.now),
    };
    let zone_id = zone.id.clone();
    let shown = ksk.shown(zone);
    let change = change(world, caller, &zone_id, |zone| {
        zone.ksks.insert(input.name.clone(), ksk);
    })?;
    Ok(json!({
        "ChangeInfo": change,
        "KeySigningKey": shown,
        "Location":
            format!("https://route53.amazonaws.com/2013-04-01/keysigningkey/{zone_id}/{}", input.name),
    }))
}

/// Changes keys or signing of a zone and returns the ChangeInfo.
pub(super) fn change(
    world: &mut World,
    caller: &Caller,
    zone_id: &str,
    edit: impl FnOnce(&mut HostedZone),
) -> Result<Value, AwsError> {
    world.refresh_signatures(caller.now);
    let zone = zone(world, caller, zone_id)?;
    let id = zone.id.clone();
    let keys = zone.keys_as_signed(world, caller.now);
    let zone = zone_mut(world, caller, &id)?;
    let set = |zone: &HostedZone| zone.served_keys().map(|keys| keys.dnskeys());
    let was = set(zone);
    edit(zone);
    let set_changed = set(zone) != was;
    let before = Before {
        keys: Some(keys),
        ..Before::default()
    };
    signatures::sign(world, &id, set_changed, caller.now);
    Ok(changes::submit(world, caller, &id, None, before))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KskInput {
    hosted_zone_id: String,
    name: String,
}

/// The KSK a call names, with its zone, as it is after a look at its KMS key. A zone that does not
/// exist has no KSK either: these operations do not know NoSuchHostedZone.
fn named<'a>(
    world: &'a mut World,
    caller: &Caller,
    input: &KskInput,
) -> Result<(&'a World, &'a HostedZone, &'a Ksk), AwsError> {
    let missing = || {
        AwsError::new(
            "NoSuchKeySigningKey",
            format!(
                "The specified key-signing key (KSK) {} doesn't exist.",
                input.name
            ),
        )
    };
    let id = match zone(world, caller, &input.hosted_zone_id) {
        Ok(zone) => zone.id.clone(),
        Err(error) if error.code == "NoSuchHostedZone" => return Err(missing()),
        Err(error) => return Err(error),
    };
    notice(world, &id, caller.now);
    let world: &World = world;
    let zone = zone(world, caller, &id)?;
    Ok((world, zone, zone.ksks.get(&input.name).ok_or_else(missing)?))
}

fn activate(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: KskInput = typed(input)?;
    let (looked, zone, ksk) = named(world, caller, &input)?;
    check_no_failure(zone, Some(&input.name))?;
    if ksk.status == KskStatus::Active {
        return Err(AwsError::new(
            "InvalidKeySigningKeyStatus",
            format!("The key-signing key {} is already ACTIVE.", ksk.name),
        ));
    }
    fit(looked, zone, &ksk.kms_arn).map_err(|reason| invalid_kms_arn(&reason))?;
    set_status(world, caller, &input, KskStatus::Active)
}

fn deactivate(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: KskInput = typed(input)?;
    let (looked, zone, ksk) = named(world, caller, &input)?;
    check_no_failure(zone, Some(&input.name))?;
    if ksk.status == KskStatus::Inactive {
        return Err(AwsError::new(
            "InvalidKeySigningKeyStatus",
            format!("The key-signing key {} is already INACTIVE.", ksk.name),
        ));
    }
    if zone.signing && zone.active_ksks().count() == 1 {
        return Err(AwsError::new(
            "KeySigningKeyInUse",
            "The key-signing key (KSK) that you specified can't be deactivated because it's the \
             only KSK for a currently-enabled DNSSEC. Disable DNSSEC signing, or add or enable \
             another KSK.",
        ));
    }
    parent_holds_ds(
        looked,
        caller,
        zone,
        &[ksk],
        "deactivating the key-signing key",
    )?;
    set_status(world, caller, &input, KskStatus::Inactive)
}

fn set_status(
    world: &mut World,
    caller: &Caller,
    input: &KskInput,
    status: KskStatus,
) -> Result<Value, AwsError> {
    let info = change(world, caller, &input.hosted_zone_id, |zone| {
        if let Some(ksk) = zone.ksks.get_mut(&input.name) {
            ksk.status = status;
            ksk.status_message = None;
            ksk.modified = caller.now;
        }
    })?;
    Ok(json!({ "ChangeInfo": info }))
}

fn delete(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: KskInput = typed(input)?;
    let (_, zone, ksk) = named(world, caller, &input)?;
    check_no_failure(zone, Some(&input.name))?;
    if ksk.status != KskStatus::Inactive {
        return Err(AwsError::new(
            "InvalidKeySigningKeyStatus",
            format!(
                "Key signing key {} cannot be deleted because current status is not INACTIVE",
                ksk.name
            ),
        ));
    }
    let info = change(world, caller, &input.hosted_zone_id, |zone| {
        zone.ksks.remove(&input.name);
    })?;
    Ok(json!({ "ChangeInfo": info }))
}

impl World {
    /// Test hook: puts a KSK into INTERNAL_FAILURE, which no call can bring about.
    pub fn break_ksk(&mut self, zone_id: &str, name: &str) -> Result<(), String> {
        let ksk = self
            .route53
            .zones
            .get_mut(zone_id)
            .and_then(|zone| zone.ksks.get_mut(name))
            .ok_or_else(|| format!("zone {zone_id} has no KSK {name}"))?;
        ksk.status = KskStatus::InternalFailure;
        ksk.status_message = Some(
            "There is an internal failure of this key-signing key. Activate or deactivate it."
                .into(),
        );
        Ok(())
    }
}
