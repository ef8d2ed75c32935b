//! Signatures and ciphertexts.

use super::*;

#[test]
fn signatures_fit_the_public_key() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    let public = bench.ok("GetPublicKey", json!({ "KeyId": key }));
    let public = unblob(&public["PublicKey"]);
    assert_eq!(public.len(), 91, "DER of a P-256 SubjectPublicKeyInfo");
    let public = VerifyingKey::from_public_key_der(&public).unwrap();

    let raw = bench.ok("Sign", sign(&key, b"message"));
    let der = unblob(&raw["Signature"]);
    public
        .verify(b"message", &Signature::from_der(&der).unwrap())
        .unwrap();

    use sha2::Digest as _;
    let mut digest = sign(&key, &sha2::Sha256::digest(b"message"));
    digest["MessageType"] = "DIGEST".into();
    let digest = bench.ok("Sign", digest);
    assert_eq!(
        digest["Signature"], raw["Signature"],
        "the same digest is signed"
    );

    let verify = |message: &[u8]| {
        let mut input = sign(&key, message);
        input["Signature"] = raw["Signature"].clone();
        input
    };
    assert_eq!(
        bench.ok("Verify", verify(b"message"))["SignatureValid"],
        true
    );
    assert_eq!(
        bench.code("Verify", verify(b"massage")),
        "KMSInvalidSignatureException"
    );
}

#[test]
fn signing_refuses_what_does_not_fit_the_key() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    let mut short = sign(&key, b"no digest");
    short["MessageType"] = "DIGEST".into();
    assert_eq!(bench.code("Sign", short), "ValidationException");
    let mut other = sign(&key, b"m");
    other["SigningAlgorithm"] = "RSASSA_PSS_SHA_256".into();
    assert_eq!(bench.code("Sign", other), "InvalidKeyUsageException");
    let mut dry = sign(&key, b"m");
    dry["DryRun"] = true.into();
    assert_eq!(bench.code("Sign", dry), "DryRunOperationException");
    let symmetric = bench.key(json!({}));
    assert_eq!(
        bench.code("Sign", sign(&symmetric, b"m")),
        "InvalidKeyUsageException"
    );
    let public = bench.code("GetPublicKey", json!({ "KeyId": symmetric }));
    assert_eq!(public, "UnsupportedOperationException");
}

#[test]
fn ciphertexts_open_only_with_their_key_and_context() {
    let mut bench = Bench::new(Profile::Instant);
    let (key, other) = (bench.key(json!({})), bench.key(json!({})));
    let context = json!({ "a": "1", "b": "2" });
    let sealed = bench.ok(
        "Encrypt",
        json!({ "KeyId": key, "Plaintext": blob(b"secret"), "EncryptionContext": context }),
    );
    let open = |changes: Value| {
        let mut input =
            json!({ "CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": context });
        input
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        input
    };
    let opened = bench.ok("Decrypt", open(json!({})));
    assert_eq!(unblob(&opened["Plaintext"]), b"secret");
    assert_eq!(opened["KeyId"], key);
    let code = bench.code(
        "Decrypt",
        open(json!({ "EncryptionContext": { "a": "1" } })),
    );
    assert_eq!(code, "InvalidCiphertextException");
    assert_eq!(
        bench.code("Decrypt", open(json!({ "KeyId": other }))),
        "IncorrectKeyException"
    );
    let broken = open(json!({ "CiphertextBlob": blob(b"rubbish") }));
    assert_eq!(bench.code("Decrypt", broken), "InvalidCiphertextException");
    let data = bench.ok(
        "GenerateDataKey",
        json!({ "KeyId": key, "KeySpec": "AES_256" }),
    );
    let opened = bench.ok(
        "Decrypt",
        json!({ "CiphertextBlob": data["CiphertextBlob"] }),
    );
    assert_eq!(opened["Plaintext"], data["Plaintext"]);
    bench.ok("DisableKey", json!({ "KeyId": key }));
    assert_eq!(bench.code("Decrypt", open(json!({}))), "DisabledException");
}
