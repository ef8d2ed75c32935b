//! GetPublicKey, Sign and Verify: ECDSA over P-256 with SHA-256.
//!
//! Signatures are deterministic (RFC 6979), so that a trace repeats byte for byte. AWS does not
//! promise that; nobody can tell one valid signature from another.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::EncodePublicKey as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::key::{Key, Spec, Usage};
use super::resolve::Place;
use super::rules::{self, Rule};
use super::{needs, read, validation};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetPublicKey",
        needs: |world, caller, input| {
            vec![needs::of_key(world, caller, input, &rules::GET_PUBLIC_KEY)]
        },
        run: get_public_key,
    },
    Operation {
        name: "Sign",
        needs: |world, caller, input| vec![signing_need(world, caller, input, &rules::SIGN)],
        run: sign,
    },
    Operation {
        name: "Verify",
        needs: |world, caller, input| vec![signing_need(world, caller, input, &rules::VERIFY)],
        run: verify,
    },
];

fn signing_need(world: &World, caller: &Caller, input: &Value, rule: &Rule) -> Need {
    let need = needs::of_key(world, caller, input, rule);
    needs::with_member(need, input, "SigningAlgorithm", "kms:SigningAlgorithm").with(
        "kms:MessageType",
        vec![needs::text(input, "MessageType").unwrap_or("RAW").into()],
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetPublicKey {
    key_id: String,
}

/// The key as a DER SubjectPublicKeyInfo (RFC 5280, 4.1.2.7; RFC 5480).
fn get_public_key(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GetPublicKey = read(input)?;
    let place = world.admit(caller, &input.key_id, &rules::GET_PUBLIC_KEY)?;
    let key = world.kms.key(&place);
    let Some(secret) = key.signing_key() else {
        return Err(AwsError::new(
            "UnsupportedOperationException",
            format!(
                "{} key spec is SYMMETRIC_DEFAULT, which has no public key.",
                key.arn()
            ),
        ));
    };
    let public = secret
        .verifying_key()
        .to_public_key_der()
        .expect("a point always encodes");
    let mut answer = json!({
        "KeyId": key.arn(),
        "PublicKey": BASE64_STANDARD.encode(public.as_bytes()),
        "CustomerMasterKeySpec": key.spec.name(),
        "KeySpec": key.spec.name(),
        "KeyUsage": key.usage.name(),
    });
    let (member, algorithms) = key.algorithms();
    answer[member] = algorithms;
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SigningInput {
    key_id: String,
    message: String,
    message_type: Option<String>,
    signing_algorithm: String,
    signature: Option<String>,
    dry_run: Option<bool>,
}

/// What Sign and Verify check alike: the key and the digest that is signed.
fn prepare(
    world: &mut World,
    caller: &Caller,
    input: &SigningInput,
    rule: &Rule,
) -> Result<(Place, Vec<u8>), AwsError> {
    let place = world.admit(caller, &input.key_id, rule)?;
    let key = world.kms.key(&place);
    key.check_usage(Usage::SignVerify, rule.operation)?;
    check_algorithm(key, &input.signing_algorithm)?;
    let message = bytes(&input.message)?;
    let digest = match input.message_type.as_deref() {
        None | Some("RAW") if message.len() > 4096 => {
            return Err(validation("A RAW message has at most 4096 bytes"));
        }
        None | Some("RAW") => Sha256::digest(&message).to_vec(),
        Some("DIGEST") if message.len() != 32 => {
            return Err(validation(
                "Digest is invalid length for algorithm ECDSA_SHA_256.",
            ));
        }
        Some("DIGEST") => message,
        Some(other) => {
            return Err(validation(format!(
                "MessageType {other} is not valid for algorithm ECDSA_SHA_256."
            )));
        }
    };
    if input.dry_run == Some(true) {
        return Err(dry_run());
    }
    Ok((place, digest))
}

fn sign(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: SigningInput = read(input)?;
    let (place, digest) = prepare(world, caller, &input, &rules::SIGN)?;
    let key = world.kms.key(&place);
    let signature = signature(key, &digest).to_der();
    Ok(json!({
        "KeyId": key.arn(),
        "Signature": BASE64_STANDARD.encode(signature.as_bytes()),
        "SigningAlgorithm": input.signing_algorithm,
    }))
}

/// A signature that does not fit is an error, never an answer that says no
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_Verify.html>).
fn verify(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: SigningInput = read(input)?;
    let (place, digest) = prepare(world, caller, &input, &rules::VERIFY)?;
    let key = world.kms.key(&place);
    let given = bytes(input.signature.as_deref().unwrap_or_default())?;
    let public = key.signing_key().map(|secret| VerifyingKey::from(&secret));
    let fits = match (public, Signature::from_der(&given)) {
        (Some(public), Ok(signature)) => public.verify_prehash(&digest, &signature).is_ok(),
        (Some(_) | None, Ok(_) | Err(_)) => false,
    };
    if !fits {
        return Err(AwsError::new("KMSInvalidSignatureException", ""));
    }
    Ok(json!({
        "KeyId": key.arn(),
        "SignatureValid": true,
        "SigningAlgorithm": input.signing_algorithm,
    }))
}

/// Signs a digest with a key that was checked to be one of P-256.
pub(super) fn signature(key: &Key, digest: &[u8]) -> Signature {
    let secret = key
        .signing_key()
        .expect("the key's usage is SIGN_VERIFY, so it is one of P-256");
    secret
        .sign_prehash(digest)
        .expect("a digest of 32 bytes is always signable")
}

fn check_algorithm(key: &Key, algorithm: &str) -> Result<(), AwsError> {
    match (key.spec, algorithm) {
        (Spec::P256, "ECDSA_SHA_256") => Ok(()),
        (Spec::P256 | Spec::Symmetric, _) => Err(AwsError::new(
            "InvalidKeyUsageException",
            format!(
                "Algorithm {algorithm} is incompatible with key spec {}.",
                key.spec.name()
            ),
        )),
    }
}

/// The bytes of a blob.
pub(super) fn bytes(blob: &str) -> Result<Vec<u8>, AwsError> {
    BASE64_STANDARD
        .decode(blob)
        .map_err(|error| validation(error.to_string()))
}

/// The answer to a dry run of a call that would succeed.
pub(super) fn dry_run() -> AwsError {
    AwsError::new(
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )
}
