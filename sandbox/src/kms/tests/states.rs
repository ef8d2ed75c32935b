//! Key states, and the way to the end of a key.

use super::*;

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
            super::super::create::default_policy("123456789012").into(),
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
    bench.0.advance((7 * 24 - 1) * 3600);
    bench.ok("CancelKeyDeletion", json!({ "KeyId": key }));
    let state = bench.ok("DescribeKey", json!({ "KeyId": key }))["KeyMetadata"]["KeyState"].clone();
    assert_eq!(state, "Disabled");

    bench.ok(
        "ScheduleKeyDeletion",
        json!({ "KeyId": key, "PendingWindowInDays": 7 }),
    );
    bench.0.advance((7 * 24) * 3600);
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

#[test]
fn rotation_is_for_symmetric_keys() {
    let mut bench = Bench::new(Profile::Instant);
    let signing = bench.signing_key();
    // Whether they rotate may be asked: they never do.
    let status = bench.ok("GetKeyRotationStatus", json!({ "KeyId": signing }));
    assert_eq!(status["KeyRotationEnabled"], false);
    for name in ["EnableKeyRotation", "DisableKeyRotation"] {
        let code = bench.code(name, json!({ "KeyId": signing }));
        assert_eq!(code, "UnsupportedOperationException", "{name}");
    }
    let key = bench.key(json!({}));
    bench.ok(
        "EnableKeyRotation",
        json!({ "KeyId": key, "RotationPeriodInDays": 90 }),
    );
    bench.0.advance((100 * 24) * 3600);
    let status = bench.ok("GetKeyRotationStatus", json!({ "KeyId": key }));
    assert_eq!(
        status["NextRotationDate"],
        1_767_225_600.0 + 180.0 * 86_400.0
    );
    bench.ok("ScheduleKeyDeletion", json!({ "KeyId": key }));
    let status = bench.ok("GetKeyRotationStatus", json!({ "KeyId": key }));
    assert_eq!(status["KeyRotationEnabled"], false);
}
