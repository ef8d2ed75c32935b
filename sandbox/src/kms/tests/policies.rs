//! Key policies: which are stored, and what they do for other accounts.

use super::*;
use crate::auth;

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
fn whoever_a_policy_names_has_to_exist() {
    let mut bench = Bench::new(Profile::Instant);
    let naming = |arn: &str| {
        let both = format!(r#"{{"AWS": ["arn:aws:iam::123456789012:root", "{arn}"]}}"#);
        statement(&both, r#""kms:*""#)
    };
    for (arn, expected) in [
        (
            "arn:aws:iam::123456789012:role/nobody",
            "MalformedPolicyDocumentException",
        ),
        (
            "arn:aws:iam::123456789012:user/nobody",
            "MalformedPolicyDocumentException",
        ),
        ("arn:aws:iam::999999999999:root", "success"),
    ] {
        let policy = json!({ "Policy": naming(arn) });
        assert_eq!(bench.code("CreateKey", policy), expected, "{arn}");
    }
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
    bench.0.as_account("999999999999");
    bench.0.caller.arn = "arn:aws:iam::999999999999:root".into();
    let needs = |bench: &Bench, name: &str| bench.0.needs("kms", name, &json!({ "KeyId": key }));
    let asked = |bench: &Bench, name: &str| {
        let needs = needs(bench, name);
        needs
            .iter()
            .try_for_each(|need| auth::may(&bench.0.world, &bench.0.caller, need))
    };
    assert_eq!(asked(&bench, "DescribeKey"), Ok(()));
    assert_eq!(
        bench.code("DescribeKey", json!({ "KeyId": key })),
        "success"
    );
    let refused = asked(&bench, "GetPublicKey").unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.status),
        ("AccessDeniedException", Some(400))
    );
    assert!(
        refused
            .message
            .ends_with("because no resource-based policy allows the kms:GetPublicKey action"),
        "{}",
        refused.message
    );
    let policy = bench.code("GetKeyPolicy", json!({ "KeyId": key }));
    assert_eq!(
        policy, "AccessDeniedException",
        "never works across accounts"
    );
}
