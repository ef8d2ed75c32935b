//! What Route 53 gets to see of keys.

use super::*;

#[test]
fn keys_that_cannot_back_a_ksk_are_named() {
    let mut bench = Bench::new(Profile::Instant);
    let good = bench.signing_key();
    let key = bench.0.world.ksk_key(&good).unwrap();
    assert_eq!(key.account, "123456789012");
    let public = bench.ok("GetPublicKey", json!({ "KeyId": good }));
    assert_eq!(
        key.public_key,
        unblob(&public["PublicKey"])[27..],
        "the point without its SPKI frame"
    );

    let signature = bench.0.world.ksk_sign(&good, b"rrset").unwrap();
    let mut point = vec![4];
    point.extend(key.public_key);
    let public = VerifyingKey::from_sec1_bytes(&point).unwrap();
    public
        .verify(b"rrset", &Signature::from_slice(&signature).unwrap())
        .unwrap();

    let symmetric = bench.key(json!({}));
    let agreement = bench.key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT" }));
    let multi = bench
        .key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "MultiRegion": true }));
    bench.0.caller.region = "eu-west-1".into();
    let elsewhere = bench.signing_key();
    bench.0.caller.region = "us-east-1".into();
    let disabled = bench.signing_key();
    bench.ok("DisableKey", json!({ "KeyId": disabled }));
    let problem = |arn: &str| bench.0.world.ksk_key(arn).unwrap_err();
    assert_eq!(
        problem(&symmetric),
        KskKeyProblem::WrongSpec("SYMMETRIC_DEFAULT".into())
    );
    assert_eq!(
        problem(&agreement),
        KskKeyProblem::WrongUsage("KEY_AGREEMENT".into())
    );
    assert_eq!(problem(&multi), KskKeyProblem::MultiRegion);
    assert_eq!(
        problem(&elsewhere),
        KskKeyProblem::WrongRegion("eu-west-1".into())
    );
    assert_eq!(
        problem(&disabled),
        KskKeyProblem::NotEnabled("Disabled".into())
    );
    assert_eq!(
        problem("arn:aws:kms:us-east-1:123456789012:key/x"),
        KskKeyProblem::NotFound
    );
    assert!(bench.0.world.ksk_sign(&disabled, b"rrset").is_err());
}

#[test]
fn route_53_needs_all_of_its_statements() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    let root = r#"{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "kms:*", "Resource": "*"}"#;
    let sign = r#"{"Effect": "Allow", "Principal": {"Service": "dnssec-route53.amazonaws.com"},
        "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"], "Resource": "*", "Condition": {
            "StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnEquals": {"aws:SourceArn": "arn:aws:route53:::hostedzone/Z1"}}}"#;
    let grant = r#"{"Effect": "Allow", "Principal": {"Service": "dnssec-route53.amazonaws.com"},
        "Action": "kms:CreateGrant", "Resource": "*",
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}}"#;
    let mut allows = |statements: &[&str], zone: &str, account: &str| {
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#,
            statements.join(",")
        );
        bench.ok("PutKeyPolicy", json!({ "KeyId": key, "Policy": policy }));
        bench.0.world.ksk_key_allows(&key, zone, account)
    };
    assert_eq!(allows(&[root, sign, grant], "Z1", "123456789012"), Ok(()));
    let refused = |verdict: Result<(), String>, expected: &str| {
        let why = verdict.unwrap_err();
        assert!(why.contains(expected), "{why} does not say {expected}");
    };
    refused(allows(&[root], "Z1", "123456789012"), "kms:DescribeKey");
    refused(
        allows(&[root, sign], "Z1", "123456789012"),
        "kms:CreateGrant",
    );
    refused(
        allows(&[root, sign, grant], "Z2", "123456789012"),
        "hostedzone/Z2",
    );
    refused(
        allows(&[root, sign, grant], "Z1", "999999999999"),
        "aws:SourceAccount",
    );
    let deny = sign.replace("Allow", "Deny");
    refused(
        allows(&[root, sign, &deny, grant], "Z1", "123456789012"),
        "denies",
    );
    let no_sign = sign.replace(r#", "kms:Sign""#, "");
    refused(
        allows(&[root, &no_sign, grant], "Z1", "123456789012"),
        "kms:Sign",
    );
}
