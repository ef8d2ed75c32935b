//! Encrypt, Decrypt and GenerateDataKey of symmetric keys: AES-256-GCM with the encryption context
//! as additional authenticated data, as KMS does it
//! (<https://docs.aws.amazon.com/kms/latest/cryptographic-details/>).
//!
//! A ciphertext names its key, so that Decrypt needs no key id. The layout is ours: AWS's is opaque.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::key::{Key, Material, Usage, material_id};
use super::rules::{self, Rule};
use super::signing::{bytes, dry_run};
use super::{needs, read, validation};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "Encrypt",
        needs: |world, caller, input| vec![cipher_need(world, caller, input, &rules::ENCRYPT)],
        run: encrypt,
    },
    Operation {
        name: "Decrypt",
        needs: |world, caller, input| {
            let named = needs::text(input, "CiphertextBlob").and_then(|blob| bytes(blob).ok());
            let named = named
                .as_deref()
                .and_then(Sealed::parse)
                .map(|sealed| sealed.arn.to_owned());
            let given = needs::text(input, "KeyId").map(str::to_owned).or(named);
            let mut input = input.clone();
            input["KeyId"] = given.unwrap_or_default().into();
            vec![cipher_need(world, caller, &input, &rules::DECRYPT)]
        },
        run: decrypt,
    },
    Operation {
        name: "GenerateDataKey",
        needs: |world, caller, input| {
            vec![cipher_need(world, caller, input, &rules::GENERATE_DATA_KEY)]
        },
        run: generate_data_key,
    },
];

fn cipher_need(world: &World, caller: &Caller, input: &Value, rule: &Rule) -> Need {
    let mut need = needs::of_key(world, caller, input, rule)
        .with("kms:EncryptionAlgorithm", vec![ALGORITHM.into()]);
    let context = input.get("EncryptionContext").and_then(Value::as_object);
    let mut keys = Vec::new();
    for (key, value) in context.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        need = need.with(format!("kms:EncryptionContext:{key}"), vec![value]);
        keys.push(key.clone());
    }
    if keys.is_empty() {
        need
    } else {
        need.with("kms:EncryptionContextKeys", keys)
    }
}

const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

/// First byte of a ciphertext: the version of its layout.
const LAYOUT: u8 = 1;

/// A ciphertext taken apart: layout, length and text of the key's ARN, nonce, AES-GCM output.
struct Sealed<'a> {
    arn: &'a str,
    nonce: [u8; NONCE_LEN],
    body: &'a [u8],
}

impl<'a> Sealed<'a> {
    fn parse(blob: &'a [u8]) -> Option<Self> {
        let (&[LAYOUT, length], rest) = blob.split_first_chunk()? else {
            return None;
        };
        let (arn, rest) = rest.split_at_checked(length.into())?;
        let (nonce, body) = rest.split_first_chunk()?;
        Some(Self {
            arn: std::str::from_utf8(arn).ok()?,
            nonce: *nonce,
            body,
        })
    }
}

type EncryptionContext = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CipherInput {
    key_id: Option<String>,
    plaintext: Option<String>,
    ciphertext_blob: Option<String>,
    encryption_context: Option<EncryptionContext>,
    encryption_algorithm: Option<String>,
    number_of_bytes: Option<usize>,
    key_spec: Option<String>,
    recipient: Option<Value>,
    dry_run: Option<bool>,
    dry_run_modifiers: Option<Value>,
}

impl CipherInput {
    fn read(input: Value) -> Result<Self, AwsError> {
        let input: Self = read(input)?;
        if input.recipient.is_some() {
            return Err(AwsError::not_modelled(
                "Nitro enclaves as recipients of KMS",
            ));
        }
        if input.dry_run_modifiers.is_some() {
            return Err(AwsError::not_modelled("kms:Decrypt with DryRunModifiers"));
        }
        Ok(input)
    }

    fn context(&self) -> EncryptionContext {
        self.encryption_context.clone().unwrap_or_default()
    }

    fn check(&self, key: &Key, operation: &str) -> Result<(), AwsError> {
        key.check_usage(Usage::EncryptDecrypt, operation)?;
        match self.encryption_algorithm.as_deref() {
            None | Some(ALGORITHM) => {}
            Some(other) => {
                return Err(AwsError::new(
                    "InvalidKeyUsageException",
                    format!(
                        "Algorithm {other} is incompatible with key spec {}.",
                        key.spec.name()
                    ),
                ));
            }
        }
        if self.dry_run == Some(true) {
            Err(dry_run())
        } else {
            Ok(())
        }
    }
}

fn encrypt(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input = CipherInput::read(input)?;
    let given = input.key_id.as_deref().unwrap_or_default();
    let place = world.admit(caller, given, &rules::ENCRYPT)?;
    let nonce = world.random.bytes();
    let key = world.kms.key(&place);
    input.check(key, "Encrypt")?;
    let plain = bytes(input.plaintext.as_deref().unwrap_or_default())?;
    if plain.is_empty() || plain.len() > 4096 {
        return Err(validation("Plaintext must have 1 to 4096 bytes"));
    }
    let sealed = seal(key, nonce, &input.context(), plain)?;
    Ok(json!({
        "CiphertextBlob": BASE64_STANDARD.encode(sealed),
        "KeyId": key.arn(),
        "EncryptionAlgorithm": ALGORITHM,
    }))
}

fn decrypt(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input = CipherInput::read(input)?;
    let invalid = || AwsError::new("InvalidCiphertextException", "");
    let blob = bytes(input.ciphertext_blob.as_deref().unwrap_or_default())?;
    let sealed = Sealed::parse(&blob).ok_or_else(invalid)?;
    let given = input.key_id.as_deref().unwrap_or(sealed.arn);
    let place = world.admit(caller, given, &rules::DECRYPT)?;
    let key = world.kms.key(&place);
    if key.arn() != sealed.arn {
        return Err(AwsError::new(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ));
    }
    input.check(key, "Decrypt")?;
    let Material::Aes256(secret) = &key.material else {
        return Err(invalid());
    };
    let mut body = sealed.body.to_vec();
    let nonce = Nonce::assume_unique_for_key(sealed.nonce);
    let plain = cipher(secret)
        .open_in_place(
            nonce,
            Aad::from(bound_data(key, &input.context())),
            &mut body,
        )
        .map_err(|_| invalid())?;
    Ok(json!({
        "KeyId": key.arn(),
        "Plaintext": BASE64_STANDARD.encode(plain),
        "EncryptionAlgorithm": ALGORITHM,
        "KeyMaterialId": material_id(secret),
    }))
}

fn generate_data_key(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input = CipherInput::read(input)?;
    let length = match (input.number_of_bytes, input.key_spec.as_deref()) {
        (Some(length @ 1..=1024), None) => length,
        (None, Some("AES_256")) => 32,
        (None, Some("AES_128")) => 16,
        (Some(_) | None, Some(_) | None) => {
            return Err(validation(
                "Please specify either number of bytes or key spec, and of bytes 1 to 1024.",
            ));
        }
    };
    let given = input.key_id.as_deref().unwrap_or_default();
    let place = world.admit(caller, given, &rules::GENERATE_DATA_KEY)?;
    let nonce = world.random.bytes();
    let mut data_key = Vec::new();
    while data_key.len() < length {
        data_key.extend(world.random.bytes::<32>());
    }
    data_key.truncate(length);
    let key = world.kms.key(&place);
    input.check(key, "GenerateDataKey")?;
    let sealed = seal(key, nonce, &input.context(), data_key.clone())?;
    let mut answer = json!({
        "CiphertextBlob": BASE64_STANDARD.encode(sealed),
        "Plaintext": BASE64_STANDARD.encode(data_key),
        "KeyId": key.arn(),
    });
    if let Material::Aes256(secret) = &key.material {
        answer["KeyMaterialId"] = material_id(secret).into();
    }
    Ok(answer)
}

fn seal(
    key: &Key,
    nonce: [u8; NONCE_LEN],
    context: &EncryptionContext,
    mut body: Vec<u8>,
) -> Result<Vec<u8>, AwsError> {
    let Material::Aes256(secret) = &key.material else {
        return Err(key
            .check_usage(Usage::EncryptDecrypt, "Encrypt")
            .expect_err("it is no AES key"));
    };
    let arn = key.arn();
    let length = u8::try_from(arn.len()).map_err(|_| validation("the key's ARN is too long"))?;
    cipher(secret)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound_data(key, context)),
            &mut body,
        )
        .expect("AES-GCM seals any message of this length");
    let mut blob = vec![LAYOUT, length];
    blob.extend(arn.as_bytes());
    blob.extend(nonce);
    blob.extend(body);
    Ok(blob)
}

fn cipher(secret: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).expect("32 bytes are an AES-256 key"))
}

/// What a ciphertext is bound to: the key and the encryption context, whose order does not matter.
fn bound_data(key: &Key, context: &EncryptionContext) -> Vec<u8> {
    json!([key.arn(), context]).to_string().into_bytes()
}
