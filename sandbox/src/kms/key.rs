//! One key: what it is made of, its state, and how it describes itself.

use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use std::collections::BTreeMap;

use super::grant::Grant;
use super::{date, validation};
use crate::policy::{Context, Policy, Principal, Question, Verdict};
use crate::tagging::TagSet;
use crate::world::{AwsError, Random};

/// A key of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Key {
    pub id: String,
    pub account: String,
    pub region: String,
    pub created: Timestamp,
    /// From when on ListKeys shows it.
    pub listed_from: Timestamp,
    pub description: String,
    pub spec: Spec,
    pub usage: Usage,
    pub multi_region: bool,
    pub state: KeyState,
    pub material: Material,
    /// The policy's text as it was stored.
    pub policy: String,
    pub tags: TagSet,
    pub rotation: Option<Rotation>,
    /// By grant id.
    pub grants: BTreeMap<String, Grant>,
}

/// Key specs that are modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Spec {
    #[serde(rename = "SYMMETRIC_DEFAULT")]
    Symmetric,
    #[serde(rename = "ECC_NIST_P256")]
    P256,
}

impl Spec {
    pub fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "SYMMETRIC_DEFAULT",
            Self::P256 => "ECC_NIST_P256",
        }
    }
}

/// Key usages that are modelled. Agreement only so that a P-256 key with the wrong usage can be
/// shown to Route 53; DeriveSharedSecret itself is not modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Usage {
    #[serde(rename = "ENCRYPT_DECRYPT")]
    EncryptDecrypt,
    #[serde(rename = "SIGN_VERIFY")]
    SignVerify,
    #[serde(rename = "KEY_AGREEMENT")]
    KeyAgreement,
}

impl Usage {
    pub fn name(self) -> &'static str {
        match self {
            Self::EncryptDecrypt => "ENCRYPT_DECRYPT",
            Self::SignVerify => "SIGN_VERIFY",
            Self::KeyAgreement => "KEY_AGREEMENT",
        }
    }
}

/// Key states that can be reached here.
///
/// ```text
///            DisableKey            ScheduleKeyDeletion
///  Enabled ------------> Disabled ---------------------> PendingDeletion --(date)--> gone
///     ^  <------------      ^                              |      ^
///     |    EnableKey        +------- CancelKeyDeletion ----+      |
///     +---------------------- ScheduleKeyDeletion ----------------+
/// ```
///
/// Creating, PendingImport, PendingReplicaDeletion, Unavailable and Updating need imported material,
/// replicas or custom key stores, none of which is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion { at: Timestamp },
}

impl KeyState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
        }
    }
}

/// Secret key material. The world is simulated, so it is stored in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Material {
    /// The 32 bytes of an AES-256 key.
    Aes256([u8; 32]),
    /// The private scalar, big-endian.
    P256([u8; 32]),
}

impl Material {
    pub fn generate(spec: Spec, random: &mut Random) -> Self {
        match spec {
            Spec::Symmetric => Self::Aes256(random.bytes()),
            Spec::P256 => loop {
                // Zero and numbers from the group's order on are no private keys (chance 2^-32).
                let scalar: [u8; 32] = random.bytes();
                if SigningKey::from_slice(&scalar).is_ok() {
                    break Self::P256(scalar);
                }
            },
        }
    }
}

/// Yearly rotation of a symmetric key. Only the setting is modelled: the material stays, which no
/// caller can tell, because old ciphertexts stay readable in AWS too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rotation {
    pub period_days: i64,
    pub since: Timestamp,
}

impl Key {
    pub fn arn(&self) -> String {
        arn_of(&self.account, &self.region, &self.id)
    }

    pub fn is_past_deletion(&self, now: Timestamp) -> bool {
        match self.state {
            KeyState::PendingDeletion { at } => at <= now,
            KeyState::Enabled | KeyState::Disabled => false,
        }
    }

    /// The error of a cryptographic operation on a key in this state.
    pub fn check_enabled(&self) -> Result<(), AwsError> {
        match self.state {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled => Err(AwsError::new(
                "DisabledException",
                format!("{} is disabled.", self.arn()),
            )),
            KeyState::PendingDeletion { .. } => Err(self.pending_deletion()),
        }
    }

    pub fn pending_deletion(&self) -> AwsError {
        AwsError::new(
            "KMSInvalidStateException",
            format!("{} is pending deletion.", self.arn()),
        )
    }

    pub fn check_usage(&self, usage: Usage, operation: &str) -> Result<(), AwsError> {
        if self.usage == usage {
            return Ok(());
        }
        Err(AwsError::new(
            "InvalidKeyUsageException",
            format!(
                "{} key usage is {} which is not valid for {operation}.",
                self.arn(),
                self.usage.name()
            ),
        ))
    }

    pub fn usable_for_encryption(&self) -> Result<(), AwsError> {
        self.check_enabled()?;
        self.check_usage(Usage::EncryptDecrypt, "Encrypt")
    }

    /// The private key of a P-256 key; none for a symmetric one.
    pub fn signing_key(&self) -> Option<SigningKey> {
        match &self.material {
            Material::Aes256(_) => None,
            Material::P256(scalar) => {
                Some(SigningKey::from_slice(scalar).expect("checked when it was generated"))
            }
        }
    }

    /// The public point of a P-256 key as X and Y, 32 bytes each.
    pub fn public_point(&self) -> Option<[u8; 64]> {
        let point = self.signing_key()?.verifying_key().to_sec1_point(false);
        // The first byte says that the point is not compressed (SEC 1, 2.3.3).
        Some(
            point.as_bytes()[1..]
                .try_into()
                .expect("a P-256 point has two coordinates of 32 bytes"),
        )
    }

    /// What the key's policy says about a request.
    pub fn judge(&self, principal: Principal<'_>, action: &str, context: &Context) -> Verdict {
        match Policy::parse(&self.policy) {
            Ok(policy) => policy.judge(&Question {
                principal,
                action,
                resource: &self.arn(),
                context,
            }),
            Err(malformed) => Verdict::NotAllowed(malformed.to_string()),
        }
    }

    /// Whether the key's policy allows a service all of some actions.
    pub fn allows_service(
        &self,
        service: &str,
        actions: &[&str],
        context: &Context,
    ) -> Result<(), String> {
        let mut all = crate::auth::service_context(service);
        all.extend(context.clone());
        for action in actions {
            match self.judge(Principal::Service(service), action, &all) {
                Verdict::Allowed => {}
                Verdict::Denied(why) | Verdict::NotAllowed(why) => {
                    return Err(format!(
                        "the policy of {} does not allow {service} {action}: {why}",
                        self.arn()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether the key's policy lets an identity of its own account do something, as far as the
    /// policy alone can say.
    pub fn lets_caller(&self, account: &str, arn: &str, action: &str) -> Verdict {
        let context = Context::from([("kms:CallerAccount".to_owned(), vec![account.to_owned()])]);
        self.judge(Principal::Identity { account, arn }, action, &context)
    }

    /// `KeyMetadata` of CreateKey and DescribeKey.
    pub fn metadata(&self) -> Value {
        let mut metadata = json!({
            "AWSAccountId": self.account,
            "KeyId": self.id,
            "Arn": self.arn(),
            "CreationDate": date(self.created),
            "Enabled": self.state == KeyState::Enabled,
            "Description": self.description,
            "KeyUsage": self.usage.name(),
            "KeyState": self.state.name(),
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "CustomerMasterKeySpec": self.spec.name(),
            "KeySpec": self.spec.name(),
            "MultiRegion": self.multi_region,
        });
        if let KeyState::PendingDeletion { at } = self.state {
            metadata["DeletionDate"] = date(at);
        }
        if self.multi_region {
            metadata["MultiRegionConfiguration"] = json!({
                "MultiRegionKeyType": "PRIMARY",
                "PrimaryKey": { "Arn": self.arn(), "Region": self.region },
                "ReplicaKeys": [],
            });
        }
        let (member, algorithms) = self.algorithms();
        metadata[member] = algorithms;
        if let Material::Aes256(key) = &self.material {
            metadata["CurrentKeyMaterialId"] = material_id(key).into();
        }
        metadata
    }

    /// The member that lists what the key can do, and the list.
    pub fn algorithms(&self) -> (&'static str, Value) {
        match self.usage {
            Usage::EncryptDecrypt => ("EncryptionAlgorithms", json!(["SYMMETRIC_DEFAULT"])),
            Usage::SignVerify => ("SigningAlgorithms", json!(["ECDSA_SHA_256"])),
            Usage::KeyAgreement => ("KeyAgreementAlgorithms", json!(["ECDH"])),
        }
    }
}

/// An identifier of key material, 64 hex digits like AWS's; here its hash.
pub(super) fn material_id(key: &[u8; 32]) -> String {
    Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(super) fn arn_of(account: &str, region: &str, id: &str) -> String {
    format!("arn:aws:kms:{region}:{account}:key/{id}")
}

/// A time some days later.
pub(super) fn days_later(from: Timestamp, days: i64) -> Result<Timestamp, AwsError> {
    from.checked_add(SignedDuration::from_hours(24 * days))
        .map_err(|error| validation(error.to_string()))
}
