//! What Route 53 may know of and do with the key of a key-signing key.

use p256::ecdsa::Signature;
use sha2::{Digest, Sha256};

use super::key::{Spec, Usage};
use super::resolve::Arn;
use super::signing::signature;
use crate::policy::Context;
use crate::world::World;

/// The region of every key of a KSK, whatever the region of the rest
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-configuring-dnssec-cmk-requirements.html>).
const KSK_REGION: &str = "us-east-1";

/// The principal by which Route 53 uses keys.
const SERVICE: &str = "dnssec-route53.amazonaws.com";

/// A key that can back a KSK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KskKey {
    /// The account that owns the key.
    pub account: String,
    /// X and Y of the public point: the public key field of a DNSKEY (RFC 6605, section 4).
    pub public_key: [u8; 64],
}

/// Why a key cannot back a KSK.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KskKeyProblem {
    /// No key has this ARN.
    #[error("no KMS key has this ARN")]
    NotFound,
    /// The key is in another region than us-east-1.
    #[error("the KMS key is in {0}, not in us-east-1")]
    WrongRegion(String),
    /// Not a key of ECC_NIST_P256.
    #[error("the KMS key's spec is {0}, not ECC_NIST_P256")]
    WrongSpec(String),
    /// Not a key for SIGN_VERIFY.
    #[error("the KMS key's usage is {0}, not SIGN_VERIFY")]
    WrongUsage(String),
    /// A multi-region key.
    #[error("the KMS key is a multi-Region key")]
    MultiRegion,
    /// The key's state is another than Enabled.
    #[error("the KMS key's state is {0}, not Enabled")]
    NotEnabled(String),
}

impl World {
    /// The key of a KSK, if it is fit for one.
    pub fn ksk_key(&self, arn: &str) -> Result<KskKey, KskKeyProblem> {
        let parts = Arn::parse(arn).ok_or(KskKeyProblem::NotFound)?;
        if parts.region != KSK_REGION {
            return Err(KskKeyProblem::WrongRegion(parts.region.to_owned()));
        }
        let key = self.kms.by_arn(arn).ok_or(KskKeyProblem::NotFound)?;
        if key.spec != Spec::P256 {
            return Err(KskKeyProblem::WrongSpec(key.spec.name().to_owned()));
        }
        if key.usage != Usage::SignVerify {
            return Err(KskKeyProblem::WrongUsage(key.usage.name().to_owned()));
        }
        if key.multi_region {
            return Err(KskKeyProblem::MultiRegion);
        }
        if key.check_enabled().is_err() {
            return Err(KskKeyProblem::NotEnabled(key.state.name().to_owned()));
        }
        let public_key = key
            .public_point()
            .expect("a key of P-256 has a public point");
        Ok(KskKey {
            account: key.account.clone(),
            public_key,
        })
    }

    /// Whether the key's policy lets Route 53 use the key for a zone of an account.
    ///
    /// For DescribeKey, GetPublicKey and Sign, Route 53 says for which zone and account it acts. That
    /// it says so for CreateGrant as well is documented nowhere, so a policy that asks for it there is
    /// taken not to allow it
    /// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/access-control-managing-permissions.html#KMS-key-policy-for-DNSSEC>).
    pub fn ksk_key_allows(&self, arn: &str, zone_id: &str, account: &str) -> Result<(), String> {
        let key = self
            .kms
            .by_arn(arn)
            .ok_or_else(|| KskKeyProblem::NotFound.to_string())?;
        let context = |pairs: &[(&str, &str)]| -> Context {
            pairs
                .iter()
                .map(|&(name, value)| (name.to_owned(), vec![value.to_owned()]))
                .collect()
        };
        let zone = format!("arn:aws:route53:::hostedzone/{zone_id}");
        let on_behalf = context(&[("aws:SourceAccount", account), ("aws:SourceArn", &zone)]);
        key.allows_service(
            SERVICE,
            &["kms:DescribeKey", "kms:GetPublicKey"],
            &on_behalf,
        )?;
        let mut signing = on_behalf;
        signing.extend(context(&[("kms:SigningAlgorithm", "ECDSA_SHA_256")]));
        key.allows_service(SERVICE, &["kms:Sign"], &signing)?;
        let granting = context(&[("kms:GrantIsForAWSResource", "true")]);
        key.allows_service(SERVICE, &["kms:CreateGrant"], &granting)
    }

    /// Signs for a zone: r and s, 32 bytes each, as an RRSIG has them (RFC 6605, section 4).
    ///
    /// The caller has checked the policy; the key must still be fit.
    pub fn ksk_sign(&self, arn: &str, message: &[u8]) -> Result<[u8; 64], String> {
        self.ksk_key(arn).map_err(|problem| problem.to_string())?;
        let key = self
            .kms
            .by_arn(arn)
            .ok_or_else(|| KskKeyProblem::NotFound.to_string())?;
        let signature: Signature = signature(key, &Sha256::digest(message));
        Ok(signature.to_bytes().into())
    }

    /// A signature that Route 53 had made while it could. Signatures are deterministic, so it need not
    /// be kept: it comes out the same whatever has become of the key. None if the key never could sign.
    pub fn ksk_signature_made(&self, arn: &str, message: &[u8]) -> Option<[u8; 64]> {
        let key = self.kms.by_arn(arn)?;
        key.signing_key()?;
        let signature: Signature = signature(key, &Sha256::digest(message));
        Some(signature.to_bytes().into())
    }
}
