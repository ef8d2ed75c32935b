//! What a policy says, for each element of the grammar that is modelled.

use super::*;

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/k";

fn judge(
    statements: &str,
    principal: Principal<'_>,
    action: &str,
    context: &[(&str, &str)],
) -> Verdict {
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
    let context = context
        .iter()
        .map(|&(k, v)| (k.to_owned(), vec![v.to_owned()]))
        .collect();
    match Policy::parse(&text) {
        Ok(policy) => policy.judge(&Question {
            principal,
            action,
            resource: KEY,
            context: &context,
        }),
        Err(malformed) => Verdict::NotAllowed(format!("malformed: {malformed}")),
    }
}

const ADMIN: Principal<'_> = Principal::Identity {
    account: "123456789012",
    arn: "arn:aws:iam::123456789012:user/admin",
};
const SESSION: Principal<'_> = Principal::Identity {
    account: "123456789012",
    arn: "arn:aws:sts::123456789012:assumed-role/ops/alice",
};
const ROUTE53: Principal<'_> = Principal::Service("dnssec-route53.amazonaws.com");

#[test]
fn principals() {
    let allows = |principal: &str, who| {
        let statement = format!(
            r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "kms:*", "Resource": "*"}}"#
        );
        judge(&statement, who, "kms:Sign", &[]).is_allowed()
    };
    assert!(allows(
        r#"{"AWS": "arn:aws:iam::123456789012:root"}"#,
        ADMIN
    ));
    assert!(allows(r#"{"AWS": "123456789012"}"#, SESSION));
    assert!(!allows(
        r#"{"AWS": "arn:aws:iam::999999999999:root"}"#,
        ADMIN
    ));
    assert!(allows(
        r#"{"AWS": ["arn:aws:iam::123456789012:role/team/ops"]}"#,
        SESSION
    ));
    assert!(!allows(
        r#"{"AWS": "arn:aws:iam::123456789012:role/op"}"#,
        SESSION
    ));
    assert!(
        !allows(r#"{"AWS": "arn:aws:iam::123456789012:user/*"}"#, ADMIN),
        "no patterns here"
    );
    assert!(!allows(
        r#"{"AWS": "arn:aws:iam::123456789012:root"}"#,
        ROUTE53
    ));
    assert!(allows(
        r#"{"Service": "dnssec-route53.amazonaws.com"}"#,
        ROUTE53
    ));
    assert!(allows(r#""*""#, ROUTE53));
}

#[test]
fn actions_match_without_case_and_with_wildcards() {
    let allows = |element: &str| {
        let statement =
            format!(r#"{{"Effect": "Allow", "Principal": "*", {element}, "Resource": "*"}}"#);
        judge(&statement, ADMIN, "kms:PutKeyPolicy", &[]).is_allowed()
    };
    assert!(allows(r#""Action": "kms:putkeypolicy""#));
    assert!(allows(r#""Action": ["kms:Get*", "kms:Put*"]"#));
    assert!(allows(r#""Action": "kms:Put?eyPolicy""#));
    assert!(!allows(r#""Action": "kms:Put""#));
    assert!(allows(r#""NotAction": "kms:Sign""#));
    assert!(!allows(r#""NotAction": "kms:Put*""#));
}

#[test]
fn deny_wins_wherever_it_stands() {
    let allow = r#"{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}"#;
    let deny = r#"{"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:Sign", "Resource": "*"}"#;
    for statements in [format!("{allow}, {deny}"), format!("{deny}, {allow}")] {
        assert!(matches!(
            judge(&statements, ADMIN, "kms:Sign", &[]),
            Verdict::Denied(_)
        ));
        assert!(judge(&statements, ADMIN, "kms:Verify", &[]).is_allowed());
    }
}

#[test]
fn conditions() {
    let verdict = |condition: &str, context: &[(&str, &str)]| {
        let statement = format!(
            r#"{{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {condition}}}"#
        );
        judge(&statement, ROUTE53, "kms:Sign", context)
    };
    let zone = ("aws:SourceArn", "arn:aws:route53:::hostedzone/Z1");
    let account = ("aws:SourceAccount", "123456789012");
    let check = |condition: &str, context: &[(&str, &str)], expected: bool| {
        let verdict = verdict(condition, context);
        assert_eq!(verdict.is_allowed(), expected, "{condition}: {verdict:?}");
    };
    check(
        r#"{"StringEquals": {"AWS:sourceaccount": "123456789012"}}"#,
        &[account],
        true,
    );
    check(
        r#"{"StringEquals": {"aws:SourceAccount": ["1", "123456789012"]}}"#,
        &[account],
        true,
    );
    check(
        r#"{"StringEquals": {"aws:SourceAccount": "1"}}"#,
        &[account],
        false,
    );
    check(
        r#"{"StringEquals": {"aws:SourceAccount": "123456789012"}}"#,
        &[],
        false,
    );
    check(
        r#"{"StringEqualsIfExists": {"aws:SourceAccount": "1"}}"#,
        &[],
        true,
    );
    check(
        r#"{"StringNotEquals": {"aws:SourceAccount": "1"}}"#,
        &[account],
        true,
    );
    check(
        r#"{"StringLike": {"aws:SourceArn": "arn:aws:route53:::hostedzone/Z*"}}"#,
        &[zone],
        true,
    );
    check(
        r#"{"ArnEquals": {"aws:SourceArn": "arn:aws:route53:::hostedzone/*"}}"#,
        &[zone],
        true,
    );
    check(
        r#"{"ArnLike": {"aws:SourceArn": "arn:aws:*/Z1"}}"#,
        &[zone],
        false,
    );
    check(
        r#"{"Bool": {"kms:GrantIsForAWSResource": true}}"#,
        &[("kms:GrantIsForAWSResource", "true")],
        true,
    );
    check(
        r#"{"Bool": {"kms:GrantIsForAWSResource": "true"}}"#,
        &[],
        false,
    );
    check(r#"{"Null": {"aws:SourceArn": "false"}}"#, &[zone], true);
    check(r#"{"Null": {"aws:SourceArn": "false"}}"#, &[], false);
    check(
        r#"{"StringEquals": {"aws:SourceAccount": "123456789012"}, "ArnLike": {"aws:SourceArn": "arn:aws:route53:::hostedzone/Z2"}}"#,
        &[account, zone],
        false,
    );
}

#[test]
fn what_is_not_understood_never_allows_and_always_denies() {
    let statement = |effect: &str| {
        format!(
            r#"{{"Effect": "{effect}", "Principal": "*", "Action": "*", "Resource": "*",
                "Condition": {{"NumericLessThan": {{"kms:X": "1"}}}}}}"#
        )
    };
    let allow = judge(&statement("Allow"), ADMIN, "kms:Sign", &[("kms:X", "0")]);
    assert_eq!(
        allow,
        Verdict::NotAllowed(
            "statement number 1: condition operator NumericLessThan is not modelled".into()
        )
    );
    let both = format!(
        r#"{}, {{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
        statement("Deny")
    );
    assert!(matches!(
        judge(&both, ADMIN, "kms:Sign", &[]),
        Verdict::Denied(_)
    ));
}

#[test]
fn malformed_documents_are_named() {
    let check = |text: &str, expected: &str| match Policy::parse(text) {
        Err(malformed) => {
            assert!(
                malformed.to_string().contains(expected),
                "{malformed} does not say {expected}"
            );
        }
        Ok(_) => panic!("accepted {text}"),
    };
    let statement = r#""Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*""#;
    check("{", "invalid Json");
    check("[]", "no JSON object");
    check(
        &format!(r#"{{"Version": "2012-10-18", "Statement": {{{statement}}}}}"#),
        "Version",
    );
    check(&format!(r#"{{"Statment": {{{statement}}}}}"#), "Statment");
    check(r#"{"Version": "2012-10-17"}"#, "Statement");
    check(
        &format!(r#"{{"Statement": {{{statement}, "Effects": 1}}}}"#),
        "Effects",
    );
    check(
        &format!(r#"{{"Statement": {{{statement}, "NotAction": "*"}}}}"#),
        "both",
    );
    check(
        &format!(r#"{{"Statement": [{{"Sid": "a", {statement}}}, {{"Sid": "a", {statement}}}]}}"#),
        "unique",
    );
    check(
        r#"{"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}"#,
        "Principal",
    );
    check(
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "Sign", "Resource": "*"}}"#,
        "vendor",
    );
    check(
        r#"{"Statement": {"Effect": "allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
        "Effect",
    );
}
