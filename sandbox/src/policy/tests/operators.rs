//! Condition operators against the tables and examples of the IAM user guide.

use super::*;

/// Whether a condition holds on a request with these keys.
fn holds(condition: &str, keys: &[(&str, &[&str])]) -> bool {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "*",
            "Resource": "*", "Condition": {condition}}}}}"#
    );
    let context = keys
        .iter()
        .map(|(key, values)| {
            let values = values.iter().map(|&value| value.to_owned()).collect();
            ((*key).to_owned(), values)
        })
        .collect();
    let policy = Policy::parse_as(Kind::Identity, &text).unwrap();
    policy
        .judge(&Question {
            principal: ADMIN,
            action: "kms:Sign",
            resource: KEY,
            context: &context,
        })
        .is_allowed()
}

/// One operator, one policy value (or a JSON list), one request value.
fn check(operator: &str, wanted: &str, given: &[&str], expected: bool) {
    let wanted = if wanted.starts_with('[') {
        wanted.to_owned()
    } else {
        format!("{wanted:?}")
    };
    let condition = format!(r#"{{"{operator}": {{"x:key": {wanted}}}}}"#);
    assert_eq!(
        holds(&condition, &[("x:key", given)]),
        expected,
        "{operator} {wanted} on {given:?}"
    );
}

#[test]
fn texts() {
    check("StringEquals", "ab", &["ab"], true);
    check("StringEquals", "a*", &["ab"], false);
    check("StringEquals", "AB", &["ab"], false);
    check("StringEqualsIgnoreCase", "AB", &["ab"], true);
    check("StringNotEqualsIgnoreCase", "AB", &["ab"], false);
    check("StringNotEquals", "ab", &["ab"], false);
    check("StringLike", "a*", &["ab"], true);
    check("StringLike", "A*", &["ab"], false);
    check("StringNotLike", "a?", &["ab"], false);
    // Values are alternatives; of a negated operator, none may match.
    check("StringEquals", r#"["a", "b"]"#, &["b"], true);
    check("StringNotEquals", r#"["a", "b"]"#, &["b"], false);
    check("StringNotLike", r#"["a*", "b*"]"#, &["c"], true);
}

#[test]
fn numbers() {
    check("NumericEquals", "10", &["10.0"], true);
    check("NumericNotEquals", "10", &["10.0"], false);
    check("NumericLessThan", "10", &["9"], true);
    check("NumericLessThan", "10", &["10"], false);
    check("NumericLessThanEquals", "10", &["10"], true);
    check("NumericGreaterThan", "-1", &["-0.5"], true);
    check("NumericGreaterThanEquals", "7", &["30"], true);
    check("NumericLessThan", "10", &["nine"], false);
    check("NumericGreaterThan", "10", &["NaN"], false);
}

#[test]
fn dates() {
    let noon = "2026-01-15T12:00:00Z";
    check("DateEquals", noon, &["1768478400"], true);
    check("DateNotEquals", noon, &[noon], false);
    check("DateLessThan", noon, &["2026-01-15T11:59:59Z"], true);
    check("DateLessThanEquals", noon, &[noon], true);
    check("DateGreaterThan", "2026-01-15", &[noon], true);
    check("DateGreaterThanEquals", noon, &["2026-01-15"], false);
}

#[test]
fn booleans_binaries_and_addresses() {
    check("Bool", "true", &["true"], true);
    check("Bool", "True", &["true"], true);
    check("Bool", "false", &["true"], false);
    check("BinaryEquals", "QmluYXJ5", &["QmluYXJ5"], true);
    check("BinaryEquals", "QmluYXJ5", &["QmluYXJ6"], false);
    check("IpAddress", "203.0.113.0/24", &["203.0.113.255"], true);
    check("IpAddress", "203.0.113.0/24", &["203.0.114.0"], false);
    check("IpAddress", "203.0.113.7", &["203.0.113.7"], true);
    check("IpAddress", "0.0.0.0/0", &["198.51.100.1"], true);
    check("IpAddress", "0.0.0.0/0", &["2001:db8::1"], false);
    check("IpAddress", "2001:db8::/32", &["2001:db8:ffff::1"], true);
    check("IpAddress", "::/0", &["2001:db8::1"], true);
    check("NotIpAddress", "203.0.113.0/24", &["203.0.113.9"], false);
    check("NotIpAddress", "203.0.113.0/24", &["198.51.100.1"], true);
}

#[test]
fn arns_are_compared_part_by_part() {
    let zone = &["arn:aws:route53:::hostedzone/Z1"];
    check("ArnLike", "arn:aws:route53:::hostedzone/*", zone, true);
    check("ArnEquals", "arn:*:route53:*:*:hostedzone/Z?", zone, true);
    check("ArnLike", "arn:aws:*/Z1", zone, false);
    check("ArnNotLike", "arn:aws:route53:::hostedzone/*", zone, false);
    check(
        "ArnNotEquals",
        "arn:aws:route53:::hostedzone/Z2",
        zone,
        true,
    );
    check(
        "ArnLike",
        "arn:aws:sns:*:*:*",
        &["arn:aws:sns:r:1:a:b"],
        true,
    );
}

/// The table of "Null": <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_Null>.
#[test]
fn null_asks_for_absence() {
    check("Null", "true", &[], true);
    check("Null", "false", &[], false);
    check("Null", "true", &["v"], false);
    check("Null", "false", &["v"], true);
    assert!(holds(r#"{"Null": {"x:key": true}}"#, &[]));
}

#[test]
fn absent_keys() {
    let absent = |operator: &str, expected: bool| {
        let wanted = if operator.contains("IpAddress") {
            "10.0.0.1"
        } else {
            "v"
        };
        let condition = format!(r#"{{"{operator}": {{"x:key": "{wanted}"}}}}"#);
        assert_eq!(holds(&condition, &[]), expected, "{operator}");
    };
    absent("StringEquals", false);
    absent("StringLike", false);
    absent("StringEqualsIfExists", true);
    absent("StringNotEquals", true);
    absent("StringNotLike", true);
    absent("ArnNotEquals", true);
    absent("NotIpAddress", true);
    absent("IpAddress", false);
    absent("IpAddressIfExists", true);
    absent("ForAllValues:StringEquals", true);
    absent("ForAllValues:StringNotEquals", true);
    absent("ForAnyValue:StringEquals", false);
    absent("ForAnyValue:StringNotEquals", false);
    absent("ForAnyValue:StringEqualsIfExists", true);
    // With a value, IfExists changes nothing.
    check("StringEqualsIfExists", "v", &["w"], false);
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>.
#[test]
fn sets() {
    let policy = r#"["a", "b"]"#;
    check("ForAllValues:StringEquals", policy, &["a"], true);
    check("ForAllValues:StringEquals", policy, &["a", "b"], true);
    check("ForAllValues:StringEquals", policy, &["a", "c"], false);
    check("ForAllValues:StringEquals", policy, &[], true);
    check("ForAnyValue:StringEquals", policy, &["a", "c"], true);
    check("ForAnyValue:StringEquals", policy, &["c"], false);
    check("ForAnyValue:StringEquals", policy, &[], false);
    check("ForAllValues:StringNotEquals", policy, &["c", "d"], true);
    check("ForAllValues:StringNotEquals", policy, &["a", "d"], false);
    check("ForAnyValue:StringNotEquals", policy, &["a", "d"], true);
    check("ForAnyValue:StringNotEquals", policy, &["a", "b"], false);
    check(
        "ForAllValues:StringLike",
        r#"["*.z"]"#,
        &["a.z", "b.z"],
        true,
    );
    check(
        "ForAllValues:StringLike",
        r#"["*.z"]"#,
        &["a.z", "z"],
        false,
    );
}

/// AWS's examples for Route 53, with names normalised as it says:
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html>.
#[test]
fn record_sets() {
    let condition = r#"{"ForAllValues:StringLike": {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["*.example.edu"]},
        "ForAllValues:StringEquals": {
            "route53:ChangeResourceRecordSetsRecordTypes": ["A", "AAAA"],
            "route53:ChangeResourceRecordSetsActions": ["CREATE", "UPSERT"]}}"#;
    let batch = |names: &[&str], types: &[&str], actions: &[&str]| {
        holds(
            condition,
            &[
                (
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames",
                    names,
                ),
                ("route53:ChangeResourceRecordSetsRecordTypes", types),
                ("route53:ChangeResourceRecordSetsActions", actions),
            ],
        )
    };
    assert!(batch(
        &["a.example.edu", "b.example.edu"],
        &["A"],
        &["UPSERT"]
    ));
    assert!(!batch(
        &["a.example.edu", "example.edu"],
        &["A"],
        &["UPSERT"]
    ));
    assert!(!batch(&["a.example.edu"], &["A", "NS"], &["UPSERT"]));
    assert!(!batch(&["a.example.edu"], &["A"], &["DELETE", "CREATE"]));
}

#[test]
fn variables_are_filled_in_and_need_a_value() {
    let user = ("aws:username", &["ann"][..]);
    let tagged = |condition: &str, keys: &[(&str, &[&str])]| holds(condition, keys);
    let owner = r#"{"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}}"#;
    let tag = |value: &'static str| ("aws:ResourceTag/owner", vec![value]);
    let (ann, bob) = (tag("ann"), tag("bob"));
    assert!(tagged(owner, &[user, (ann.0, &ann.1)]));
    assert!(!tagged(owner, &[user, (bob.0, &bob.1)]));
    assert!(!tagged(owner, &[(ann.0, &ann.1)]));
    // Without a value the statement counts for nothing, whatever its operator.
    let negated = owner.replace("StringEquals", "StringNotEquals");
    assert!(tagged(&negated, &[user, (bob.0, &bob.1)]));
    assert!(!tagged(&negated, &[(bob.0, &bob.1)]));
}

#[test]
fn variables_in_resources_belong_to_the_newer_version() {
    let allows = |version: &str, resource: &str| {
        let text = format!(
            r#"{{"Version": "{version}", "Statement": {{"Effect": "Allow", "Action": "*",
                "Resource": "arn:aws:kms:us-east-1:${{aws:PrincipalAccount}}:key/*"}}}}"#
        );
        let account = (
            "aws:PrincipalAccount".to_owned(),
            vec!["123456789012".into()],
        );
        let policy = Policy::parse_as(Kind::Identity, &text).unwrap();
        policy
            .judge(&Question {
                principal: ADMIN,
                action: "kms:Sign",
                resource,
                context: &Context::from([account]),
            })
            .is_allowed()
    };
    assert!(allows("2012-10-17", KEY));
    assert!(!allows("2008-10-17", KEY));
    let literal = "arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/k";
    assert!(allows("2008-10-17", literal));
}
