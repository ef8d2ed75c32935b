//! KMS judged from outside: through its operations, as a client sees it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use serde_json::{Value, json};

use super::{KskKeyProblem, rules};
use crate::bench;
use crate::profile::Profile;
use crate::world::{AwsError, World};

mod cryptography;
mod keys;
mod ksk;
mod listings;
mod policies;
mod states;

/// A bench that calls KMS.
struct Bench(bench::Bench);

impl Bench {
    fn new(profile: Profile) -> Self {
        Self(bench::Bench::new(profile))
    }

    fn call(&mut self, name: &str, input: Value) -> Result<Value, AwsError> {
        self.0.call("kms", name, input)
    }

    fn ok(&mut self, name: &str, input: Value) -> Value {
        self.call(name, input).unwrap()
    }

    fn code(&mut self, name: &str, input: Value) -> String {
        self.call(name, input)
            .map_or_else(|error| error.code, |_| "success".into())
    }

    /// Creates a key and gives its ARN.
    fn key(&mut self, input: Value) -> String {
        let answer = self.ok("CreateKey", input);
        answer["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    fn signing_key(&mut self) -> String {
        self.key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }))
    }
}

fn blob(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn unblob(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn sign(key: &str, message: &[u8]) -> Value {
    json!({ "KeyId": key, "Message": blob(message), "SigningAlgorithm": "ECDSA_SHA_256" })
}
