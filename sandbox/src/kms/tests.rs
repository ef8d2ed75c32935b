//! KMS judged from outside: through its operations, as a client sees it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::SignedDuration;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use serde_json::{Value, json};

use super::{KskKeyProblem, operation, rules};
use crate::profile::Profile;
use crate::world::{AwsError, Caller, World};

/// A world with one caller, whose clock the test moves.
struct Bench {
    world: World,
    caller: Caller,
}

impl Bench {
    fn new(profile: Profile) -> Self {
        let caller = Caller {
            account: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:user/admin".into(),
            user_id: "AIDA".into(),
            region: "us-east-1".into(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        Self {
            world: World::new(1, profile),
            caller,
        }
    }

    fn call(&mut self, name: &str, input: Value) -> Result<Value, AwsError> {
        let operation = operation(name).unwrap();
        (operation.needs)(&self.world, &self.caller, &input);
        (operation.run)(&mut self.world, &self.caller, input)
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

    fn advance(&mut self, hours: i64) {
        self.caller.now += SignedDuration::from_hours(hours);
    }

    /// The same world, seen by another account.
    fn as_account(&mut self, account: &str) {
        self.caller.account = account.into();
        self.caller.arn = format!("arn:aws:iam::{account}:user/admin");
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
fn equal_seeds_make_equal_keys_and_other_seeds_other_keys() {
    let public = |seed| {
        let mut bench = Bench::new(Profile::Instant);
        bench.world = World::new(seed, Profile::Instant);
        let key = bench.signing_key();
        bench.ok("GetPublicKey", json!({ "KeyId": key }))["PublicKey"].clone()
    };
    assert_eq!(public(7), public(7));
    assert_ne!(public(7), public(8));
}

#[test]
fn specs_and_usages_that_do_not_go_together() {
    let mut bench = Bench::new(Profile::Instant);
    let mut check = |input: Value, expected: &str| {
        assert_eq!(bench.code("CreateKey", input.clone()), expected, "{input}");
    };
    check(json!({ "KeySpec": "ECC_NIST_P256" }), "ValidationException");
    check(
        json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "ENCRYPT_DECRYPT" }),
        "ValidationException",
    );
    check(json!({ "KeyUsage": "SIGN_VERIFY" }), "ValidationException");
    check(
        json!({ "KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT" }),
        "ValidationException",
    );
    check(
        json!({ "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" }),
        "NotImplemented",
    );
    check(json!({ "Origin": "EXTERNAL" }), "NotImplemented");
    check(
        json!({ "CustomerMasterKeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }),
        "success",
    );
}

#[test]
fn metadata_reads_back_what_was_asked() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.key(json!({
        "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Description": "d", "MultiRegion": true,
    }));
    assert!(
        key.starts_with("arn:aws:kms:us-east-1:123456789012:key/mrk-"),
        "{key}"
    );
    let answer = bench.ok("DescribeKey", json!({ "KeyId": key }));
    let metadata = &answer["KeyMetadata"];
    assert_eq!(metadata["Description"], "d");
    assert_eq!(metadata["SigningAlgorithms"], json!(["ECDSA_SHA_256"]));
    assert_eq!(
        metadata["MultiRegionConfiguration"]["PrimaryKey"]["Region"],
        "us-east-1"
    );
    assert_eq!(metadata["CreationDate"], 1_767_225_600.0);
    bench.ok(
        "UpdateKeyDescription",
        json!({ "KeyId": key, "Description": "e" }),
    );
    let answer = bench.ok("DescribeKey", json!({ "KeyId": key }));
    assert_eq!(answer["KeyMetadata"]["Description"], "e");
}

#[test]
fn names_of_a_key() {
    let mut bench = Bench::new(Profile::Instant);
    let arn = bench.signing_key();
    let id = arn.rsplit('/').next().unwrap().to_owned();
    bench.ok(
        "CreateAlias",
        json!({ "AliasName": "alias/a", "TargetKeyId": id }),
    );
    let alias_arn = "arn:aws:kms:us-east-1:123456789012:alias/a";
    for name in [arn.as_str(), &id, "alias/a", alias_arn] {
        let answer = bench.ok("DescribeKey", json!({ "KeyId": name }));
        assert_eq!(answer["KeyMetadata"]["Arn"], arn, "{name}");
    }
    assert_eq!(
        bench.code("GetKeyPolicy", json!({ "KeyId": "alias/a" })),
        "NotFoundException"
    );
    assert_eq!(
        bench.code("GetKeyPolicy", json!({ "KeyId": alias_arn })),
        "InvalidArnException"
    );

    let mut message = |name: &str| {
        let error = bench
            .call("DescribeKey", json!({ "KeyId": name }))
            .unwrap_err();
        format!("{}: {}", error.code, error.message)
    };
    assert_eq!(
        message("alias/x"),
        "NotFoundException: Alias arn:aws:kms:us-east-1:123456789012:alias/x is not found."
    );
    let missing = "11111111-2222-4333-8444-555555555555";
    assert_eq!(
        message(missing),
        format!(
            "NotFoundException: Key 'arn:aws:kms:us-east-1:123456789012:key/{missing}' does not exist"
        )
    );
    assert_eq!(
        message("nonsense"),
        "NotFoundException: Invalid keyId 'nonsense'"
    );
    assert_eq!(
        message(&arn.replace("us-east-1", "eu-west-1")),
        "NotFoundException: Invalid arn eu-west-1"
    );
    assert_eq!(
        message("arn:aws:s3:::bucket"),
        "InvalidArnException: Invalid ARN 'arn:aws:s3:::bucket'"
    );
}

#[test]
fn aliases() {
    let mut bench = Bench::new(Profile::Instant);
    let (a, b, symmetric) = (
        bench.signing_key(),
        bench.signing_key(),
        bench.key(json!({})),
    );
    let alias = |name: &str, key: &str| json!({ "AliasName": name, "TargetKeyId": key });
    assert_eq!(
        bench.code("CreateAlias", alias("x", &a)),
        "ValidationException"
    );
    assert_eq!(
        bench.code("CreateAlias", alias("alias/x.y", &a)),
        "ValidationException"
    );
    assert_eq!(
        bench.code("CreateAlias", alias("alias/aws/x", &a)),
        "NotAuthorizedException"
    );
    assert_eq!(
        bench.code("CreateAlias", alias("alias/x", "alias/y")),
        "ValidationException"
    );
    bench.ok("CreateAlias", alias("alias/x", &a));
    assert_eq!(
        bench.code("CreateAlias", alias("alias/x", &a)),
        "AlreadyExistsException"
    );
    assert_eq!(
        bench.code("UpdateAlias", alias("alias/y", &a)),
        "NotFoundException"
    );
    assert_eq!(
        bench.code("UpdateAlias", alias("alias/x", &symmetric)),
        "ValidationException"
    );
    bench.ok("UpdateAlias", alias("alias/x", &b));
    let target =
        bench.ok("DescribeKey", json!({ "KeyId": "alias/x" }))["KeyMetadata"]["Arn"].clone();
    assert_eq!(target, b);
    assert_eq!(
        bench.ok("ListAliases", json!({ "KeyId": a }))["Aliases"],
        json!([])
    );
    bench.ok("DeleteAlias", json!({ "AliasName": "alias/x" }));
    assert_eq!(
        bench.code("DeleteAlias", json!({ "AliasName": "alias/x" })),
        "NotFoundException"
    );
    for number in 0..50 {
        bench.ok("CreateAlias", alias(&format!("alias/{number}"), &a));
    }
    assert_eq!(
        bench.code("CreateAlias", alias("alias/50", &a)),
        "LimitExceededException"
    );
}

/// An input that is good in every respect but the key's state.
fn good_input(rule: &rules::Rule, key: &str) -> Value {
    let mut input = json!({ "KeyId": key });
    let mut set = |member: &str, value: Value| input[member] = value;
    match rule.operation {
        "CreateAlias" => set("AliasName", "alias/new".into()),
        "UpdateAlias" => set("AliasName", "alias/old".into()),
        "CreateGrant" => {
            set("Operations", json!(["Sign"]));
            set(
                "GranteePrincipal",
                "arn:aws:iam::123456789012:user/u".into(),
            );
        }
        "PutKeyPolicy" => set(
            "Policy",
            super::create::default_policy("123456789012").into(),
        ),
        "RevokeGrant" | "RetireGrant" => set("GrantId", "0".into()),
        "Sign" | "Verify" => {
            set("SigningAlgorithm", "ECDSA_SHA_256".into());
            set("Message", blob(b"m").into());
            set("Signature", blob(b"s").into());
        }
        "TagResource" => set("Tags", json!([{ "TagKey": "k", "TagValue": "v" }])),
        "UntagResource" => set("TagKeys", json!(["k"])),
        "UpdateKeyDescription" => set("Description", "d".into()),
        _ => {}
    }
    if rule.operation.ends_with("Alias") {
        input["TargetKeyId"] = key.into();
    }
    input
}

/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>, for a P-256 key.
#[test]
fn the_key_state_table() {
    use rules::Fit;
    for rule in rules::ALL {
        // These ask for a symmetric key, whatever its state.
        if rule.operation.contains("Rotation")
            || ["Encrypt", "Decrypt", "GenerateDataKey"].contains(&rule.operation)
        {
            continue;
        }
        for state in ["Enabled", "Disabled", "PendingDeletion"] {
            let mut bench = Bench::new(Profile::Instant);
            let key = bench.signing_key();
            bench.ok(
                "CreateAlias",
                json!({ "AliasName": "alias/old", "TargetKeyId": key }),
            );
            match state {
                "Disabled" => drop(bench.ok("DisableKey", json!({ "KeyId": key }))),
                "PendingDeletion" => drop(bench.ok("ScheduleKeyDeletion", json!({ "KeyId": key }))),
                _ => {}
            }
            let code = bench.code(rule.operation, good_input(rule, &key));
            let expected = match (rule.state, state) {
                (Fit::Enabled, "Disabled") => "DisabledException",
                (Fit::Enabled | Fit::NotPendingDeletion, "PendingDeletion")
                | (Fit::PendingDeletion, "Enabled" | "Disabled") => "KMSInvalidStateException",
                _ => match rule.operation {
                    "Verify" => "KMSInvalidSignatureException",
                    "RevokeGrant" => "NotFoundException",
                    "RetireGrant" => "InvalidGrantIdException",
                    _ => "success",
                },
            };
            assert_eq!(
                code, expected,
                "{} on a key in state {state}",
                rule.operation
            );
        }
    }
}

#[test]
fn a_scheduled_deletion_can_be_cancelled_until_its_date() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    bench.ok(
        "CreateAlias",
        json!({ "AliasName": "alias/a", "TargetKeyId": key }),
    );
    for days in [6, 31] {
        let input = json!({ "KeyId": key, "PendingWindowInDays": days });
        assert_eq!(
            bench.code("ScheduleKeyDeletion", input),
            "ValidationException"
        );
    }
    let answer = bench.ok(
        "ScheduleKeyDeletion",
        json!({ "KeyId": key, "PendingWindowInDays": 7 }),
    );
    assert_eq!(answer["DeletionDate"], 1_767_225_600.0 + 7.0 * 86_400.0);
    assert_eq!(answer["KeyId"], key);
    bench.advance(7 * 24 - 1);
    bench.ok("CancelKeyDeletion", json!({ "KeyId": key }));
    let state = bench.ok("DescribeKey", json!({ "KeyId": key }))["KeyMetadata"]["KeyState"].clone();
    assert_eq!(state, "Disabled");

    bench.ok(
        "ScheduleKeyDeletion",
        json!({ "KeyId": key, "PendingWindowInDays": 7 }),
    );
    bench.advance(7 * 24);
    assert_eq!(
        bench.code("DescribeKey", json!({ "KeyId": key })),
        "NotFoundException"
    );
    assert_eq!(
        bench.code("DescribeKey", json!({ "KeyId": "alias/a" })),
        "NotFoundException"
    );
    assert_eq!(bench.ok("ListAliases", json!({}))["Aliases"], json!([]));
    assert_eq!(bench.ok("ListKeys", json!({}))["Keys"], json!([]));
}

fn statement(principal: &str, actions: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
            "Principal": {principal}, "Action": {actions}, "Resource": "*"}}]}}"#
    )
}

#[test]
fn a_policy_that_locks_its_caller_out_is_refused() {
    let mut bench = Bench::new(Profile::Instant);
    let mut check = |policy: &str, expected: &str| {
        assert_eq!(
            bench.code("CreateKey", json!({ "Policy": policy })),
            expected,
            "{policy}"
        );
    };
    let root = r#"{"AWS": "arn:aws:iam::123456789012:root"}"#;
    let locked = "MalformedPolicyDocumentException";
    check(&statement(root, r#""kms:*""#), "success");
    check(&statement(root, r#"["kms:Put*"]"#), "success");
    check(&statement(root, r#"["kms:Describe*", "kms:Get*"]"#), locked);
    check(
        &statement(
            r#"{"AWS": "arn:aws:iam::123456789012:user/admin"}"#,
            r#""kms:*""#,
        ),
        "success",
    );
    check(
        &statement(
            r#"{"AWS": "arn:aws:iam::123456789012:user/other"}"#,
            r#""kms:*""#,
        ),
        locked,
    );
    check(
        &statement(r#"{"AWS": "arn:aws:iam::999999999999:root"}"#, r#""kms:*""#),
        locked,
    );
    check(
        &statement(root, r#""kms:*""#).replace("Allow", "Deny"),
        locked,
    );
    check("{}", locked);
    check(&statement(r#"{"AWS": "nobody"}"#, r#""kms:*""#), locked);

    let other = statement(r#"{"AWS": "arn:aws:iam::999999999999:root"}"#, r#""kms:*""#);
    let bypass = json!({ "Policy": other, "BypassPolicyLockoutSafetyCheck": true });
    assert_eq!(bench.code("CreateKey", bypass), "success");
    let mut long = statement(root, r#""kms:*""#);
    long.push_str(&" ".repeat(32 * 1024));
    assert_eq!(
        bench.code("CreateKey", json!({ "Policy": long })),
        "LimitExceededException"
    );
}

#[test]
fn a_refused_policy_changes_nothing_and_a_good_one_reads_back_as_it_was_written() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    let policy =
        |bench: &mut Bench| bench.ok("GetKeyPolicy", json!({ "KeyId": key }))["Policy"].clone();
    let before = policy(&mut bench);
    assert!(before.as_str().unwrap().contains("key-default-1"));
    let put = |text: &str| json!({ "KeyId": key, "PolicyName": "default", "Policy": text });
    let code = bench.code("PutKeyPolicy", put("{\"Version\": \"2012-10-17\"}"));
    assert_eq!(code, "MalformedPolicyDocumentException");
    assert_eq!(policy(&mut bench), before);
    let text = statement(r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, r#""kms:*""#);
    bench.ok("PutKeyPolicy", put(&text));
    assert_eq!(policy(&mut bench), text);
    let other = json!({ "KeyId": key, "PolicyName": "other" });
    assert_eq!(bench.code("GetKeyPolicy", other), "NotFoundException");
    assert_eq!(
        bench.ok("ListKeyPolicies", json!({ "KeyId": key }))["PolicyNames"],
        json!(["default"])
    );
}

#[test]
fn other_accounts_need_the_keys_policy() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    let text = r#"{"Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Resource": "*",
         "Action": ["kms:DescribeKey", "kms:GetKeyPolicy"]}]}"#;
    bench.ok("PutKeyPolicy", json!({ "KeyId": key, "Policy": text }));
    bench.as_account("999999999999");
    assert_eq!(
        bench.code("DescribeKey", json!({ "KeyId": key })),
        "success"
    );
    assert_eq!(
        bench.code("GetPublicKey", json!({ "KeyId": key })),
        "AccessDeniedException"
    );
    let policy = bench.code("GetKeyPolicy", json!({ "KeyId": key }));
    assert_eq!(
        policy, "AccessDeniedException",
        "never works across accounts"
    );
}

#[test]
fn tags() {
    let mut bench = Bench::new(Profile::Instant);
    let tag = |key: &str, value: &str| json!({ "TagKey": key, "TagValue": value });
    let create = |tags: Value| json!({ "Tags": tags });
    assert_eq!(
        bench.code("CreateKey", create(json!([tag("aws:x", "")]))),
        "TagException"
    );
    assert_eq!(
        bench.code("CreateKey", create(json!([tag("a", "1"), tag("a", "2")]))),
        "TagException"
    );
    let key = bench.key(create(json!([tag("b", "2"), tag("a", "1")])));
    let list =
        |bench: &mut Bench| bench.ok("ListResourceTags", json!({ "KeyId": key }))["Tags"].clone();
    assert_eq!(list(&mut bench), json!([tag("a", "1"), tag("b", "2")]));
    bench.ok(
        "TagResource",
        json!({ "KeyId": key, "Tags": [tag("a", "3")] }),
    );
    bench.ok(
        "UntagResource",
        json!({ "KeyId": key, "TagKeys": ["b", "never"] }),
    );
    assert_eq!(list(&mut bench), json!([tag("a", "3")]));
    let many: Vec<_> = (0..50).map(|n| tag(&format!("k{n}"), "")).collect();
    let code = bench.code("TagResource", json!({ "KeyId": key, "Tags": many }));
    assert_eq!(
        code, "LimitExceededException",
        "51 with the one that is there"
    );
    assert_eq!(list(&mut bench), json!([tag("a", "3")]));
}

#[test]
fn listings_lag_where_lookups_do_not() {
    let mut bench = Bench::new(Profile::Aws);
    let mut keys = Vec::new();
    for number in 0..20 {
        let key = bench.signing_key();
        let name = format!("alias/{number}");
        bench.ok(
            "CreateAlias",
            json!({ "AliasName": name, "TargetKeyId": key }),
        );
        bench.ok("DescribeKey", json!({ "KeyId": name }));
        keys.push(key);
    }
    let count = |bench: &mut Bench, name: &str, member: &str| {
        bench.ok(name, json!({}))[member].as_array().unwrap().len()
    };
    bench.caller.now += SignedDuration::from_secs(75);
    for (name, member) in [("ListKeys", "Keys"), ("ListAliases", "Aliases")] {
        let seen = count(&mut bench, name, member);
        assert!(
            (1..20).contains(&seen),
            "{name} shows {seen} of 20 half way"
        );
    }
    bench.caller.now += SignedDuration::from_secs(75);
    assert_eq!(
        count(&mut bench, "ListKeys", "Keys"),
        20,
        "after the longest lag"
    );
    assert_eq!(count(&mut bench, "ListAliases", "Aliases"), 20);
}

#[test]
fn listings_come_in_pages() {
    let mut bench = Bench::new(Profile::Fast);
    let mut keys: Vec<_> = (0..5).map(|_| bench.signing_key()).collect();
    keys.sort();
    let mut seen = Vec::new();
    let mut input = json!({ "Limit": 2 });
    loop {
        let answer = bench.ok("ListKeys", input.clone());
        seen.extend(
            answer["Keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["KeyArn"].clone()),
        );
        match answer.get("NextMarker") {
            Some(marker) => input["Marker"] = marker.clone(),
            None => {
                assert_eq!(answer["Truncated"], false);
                break;
            }
        }
    }
    assert_eq!(seen, keys);
    assert_eq!(
        bench.code("ListKeys", json!({ "Marker": "x" })),
        "InvalidMarkerException"
    );
    assert_eq!(
        bench.code("ListAliases", json!({ "Limit": 101 })),
        "ValidationException"
    );
}

#[test]
fn grants_are_found_by_name_and_ended_by_id_or_token() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    let grant = json!({
        "KeyId": key, "Operations": ["Sign"], "Name": "n",
        "GranteePrincipal": "arn:aws:iam::123456789012:user/u",
    });
    let first = bench.ok("CreateGrant", grant.clone());
    let again = bench.ok("CreateGrant", grant.clone());
    assert_eq!(
        first["GrantId"], again["GrantId"],
        "a named grant is created once"
    );
    assert_ne!(first["GrantToken"], again["GrantToken"]);
    let listed = bench.ok("ListGrants", json!({ "KeyId": key }))["Grants"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["Operations"], json!(["Sign"]));
    assert_eq!(listed[0]["Name"], "n");
    bench.ok("RetireGrant", json!({ "GrantToken": first["GrantToken"] }));
    assert_eq!(
        bench.ok("ListGrants", json!({ "KeyId": key }))["Grants"],
        json!([])
    );

    let mut wrong = grant.clone();
    wrong["Operations"] = json!(["Encrypt"]);
    assert_eq!(bench.code("CreateGrant", wrong), "ValidationException");
    let id = bench.ok("CreateGrant", grant)["GrantId"].clone();
    bench.ok("RevokeGrant", json!({ "KeyId": key, "GrantId": id }));
    let gone = bench.code("RevokeGrant", json!({ "KeyId": key, "GrantId": id }));
    assert_eq!(gone, "NotFoundException");
}

#[test]
fn rotation_is_for_symmetric_keys() {
    let mut bench = Bench::new(Profile::Instant);
    let signing = bench.signing_key();
    for name in [
        "EnableKeyRotation",
        "DisableKeyRotation",
        "GetKeyRotationStatus",
    ] {
        let code = bench.code(name, json!({ "KeyId": signing }));
        assert_eq!(code, "UnsupportedOperationException", "{name}");
    }
    let key = bench.key(json!({}));
    bench.ok(
        "EnableKeyRotation",
        json!({ "KeyId": key, "RotationPeriodInDays": 90 }),
    );
    bench.advance(100 * 24);
    let status = bench.ok("GetKeyRotationStatus", json!({ "KeyId": key }));
    assert_eq!(
        status["NextRotationDate"],
        1_767_225_600.0 + 180.0 * 86_400.0
    );
    bench.ok("ScheduleKeyDeletion", json!({ "KeyId": key }));
    let status = bench.ok("GetKeyRotationStatus", json!({ "KeyId": key }));
    assert_eq!(status["KeyRotationEnabled"], false);
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

#[test]
fn keys_that_cannot_back_a_ksk_are_named() {
    let mut bench = Bench::new(Profile::Instant);
    let good = bench.signing_key();
    let key = bench.world.ksk_key(&good).unwrap();
    assert_eq!(key.account, "123456789012");
    let public = bench.ok("GetPublicKey", json!({ "KeyId": good }));
    assert_eq!(
        key.public_key,
        unblob(&public["PublicKey"])[27..],
        "the point without its SPKI frame"
    );

    let signature = bench.world.ksk_sign(&good, b"rrset").unwrap();
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
    bench.caller.region = "eu-west-1".into();
    let elsewhere = bench.signing_key();
    bench.caller.region = "us-east-1".into();
    let disabled = bench.signing_key();
    bench.ok("DisableKey", json!({ "KeyId": disabled }));
    let problem = |arn: &str| bench.world.ksk_key(arn).unwrap_err();
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
    assert!(bench.world.ksk_sign(&disabled, b"rrset").is_err());
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
        bench.world.ksk_key_allows(&key, zone, account)
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

#[test]
fn needs_name_key_alias_and_conditions() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.key(json!({ "Tags": [{ "TagKey": "t", "TagValue": "v" }] }));
    let needs = |name: &str, input: Value| {
        (operation(name).unwrap().needs)(&bench.world, &bench.caller, &input)
    };
    let alias = needs(
        "CreateAlias",
        json!({ "AliasName": "alias/a", "TargetKeyId": key }),
    );
    let resources: Vec<_> = alias.iter().map(|need| need.resource.clone()).collect();
    assert_eq!(
        resources,
        [
            "arn:aws:kms:us-east-1:123456789012:alias/a".to_owned(),
            key.clone()
        ]
    );
    assert!(alias.iter().all(|need| need.action == "kms:CreateAlias"));

    let deletion = needs("ScheduleKeyDeletion", json!({ "KeyId": key }));
    let context = &deletion[0].context;
    assert_eq!(
        context["kms:ScheduleKeyDeletionPendingWindowInDays"],
        ["30"]
    );
    assert_eq!(context["aws:ResourceTag/t"], ["v"]);

    let create = needs(
        "CreateKey",
        json!({ "Tags": [{ "TagKey": "t", "TagValue": "v" }] }),
    );
    assert_eq!(create[0].resource, "*");
    assert_eq!(create[0].context["kms:KeySpec"], ["SYMMETRIC_DEFAULT"]);
    assert_eq!(create[0].context["aws:RequestTag/t"], ["v"]);
    assert_eq!(create[1].action, "kms:TagResource");
}

#[test]
fn a_world_reads_back_from_its_json() {
    let mut bench = Bench::new(Profile::Aws);
    let key = bench.signing_key();
    let before = bench.ok("Sign", sign(&key, b"m"));
    let text = serde_json::to_string(&bench.world).unwrap();
    bench.world = serde_json::from_str(&text).unwrap();
    assert_eq!(bench.ok("Sign", sign(&key, b"m")), before);
}
