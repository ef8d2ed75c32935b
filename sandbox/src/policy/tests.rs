//! What a policy says, for each element of the grammar that is modelled.

use super::*;

mod evaluation;
mod operators;
mod properties;

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
fn several_values_without_a_set_operator_never_allow_and_always_deny() {
    let statement = |effect: &str| {
        format!(
            r#"{{"Effect": "{effect}", "Principal": "*", "Action": "*", "Resource": "*",
                "Condition": {{"StringEquals": {{"aws:TagKeys": "a"}}}}}}"#
        )
    };
    let judge = |statements: &str, keys: &[&str]| {
        let text = format!(r#"{{"Statement": [{statements}]}}"#);
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        Policy::parse(&text).unwrap().judge(&Question {
            principal: ADMIN,
            action: "kms:Sign",
            resource: KEY,
            context: &Context::from([("aws:TagKeys".to_owned(), keys)]),
        })
    };
    assert!(judge(&statement("Allow"), &["a"]).is_allowed());
    assert_eq!(
        judge(&statement("Allow"), &["a", "b"]),
        Verdict::NotAllowed(
            "statement number 1: aws:TagKeys has several values, which StringEquals cannot compare \
             without ForAllValues or ForAnyValue"
                .into()
        )
    );
    let both = format!(
        r#"{}, {{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
        statement("Deny")
    );
    assert!(matches!(judge(&both, &["a", "b"]), Verdict::Denied(_)));
    assert!(judge(&both, &["b"]).is_allowed());
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
    let condition =
        |condition: &str| format!(r#"{{"Statement": {{{statement}, "Condition": {condition}}}}}"#);
    check(
        &condition(r#"{"StringIs": {"aws:x": "1"}}"#),
        "Invalid Condition type : StringIs.",
    );
    for odd in [
        "NullIfExists",
        "ForAnyValue:Null",
        "ForSome:StringLike",
        "StringLikeIfexists",
        "BinaryLike",
    ] {
        check(
            &condition(&format!(r#"{{"{odd}": {{"aws:x": "true"}}}}"#)),
            odd,
        );
    }
    check(&condition(r#"{"NumericEquals": {"aws:x": "one"}}"#), "one");
    check(&condition(r#"{"DateLessThan": {"aws:x": "soon"}}"#), "soon");
    check(&condition(r#"{"Bool": {"aws:x": "yes"}}"#), "yes");
    check(
        &condition(r#"{"IpAddress": {"aws:x": "10.0.0.0/33"}}"#),
        "/33",
    );
}

#[test]
fn each_kind_of_policy_has_its_elements() {
    let check = |kind: Kind, elements: &str, expected: &str| {
        let text = format!(r#"{{"Statement": {{"Effect": "Allow", {elements}}}}}"#);
        let problem = match Policy::parse_as(kind, &text) {
            Ok(_) => "none".to_owned(),
            Err(malformed) => malformed.to_string(),
        };
        assert_eq!(problem, expected, "{elements}");
    };
    let identity = r#""Action": "kms:*", "Resource": "*""#;
    let trust = r#""Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}"#;
    let whole = r#""Action": "kms:*", "Resource": "*", "Principal": "*""#;
    check(Kind::Identity, identity, "none");
    check(
        Kind::Identity,
        whole,
        "Policy document should not specify a principal.",
    );
    check(
        Kind::Identity,
        r#""Action": "kms:*""#,
        "Policy statement must contain resources.",
    );
    check(
        Kind::Identity,
        r#""Action": "kms:*", "Resource": "key/k""#,
        "Resource key/k must be in ARN format or \"*\".",
    );
    check(Kind::Trust, trust, "none");
    check(Kind::Trust, whole, "Has prohibited field Resource");
    check(
        Kind::Trust,
        r#""Action": "sts:AssumeRole""#,
        "Missing required field Principal",
    );
    check(Kind::Resource, whole, "none");
    check(Kind::Resource, identity, "Missing required field Principal");
    check(
        Kind::Trust,
        &format!(r#""Sid": "a b", {trust}"#),
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
         expression [0-9A-Za-z]*",
    );
    check(Kind::Resource, &format!(r#""Sid": "a b", {whole}"#), "none");
}

#[test]
fn a_stored_policy_that_cannot_be_read_denies_everything() {
    let policy = Policy::stored(Kind::Resource, "{}");
    let verdict = policy.judge(&Question {
        principal: ADMIN,
        action: "kms:Sign",
        resource: KEY,
        context: &Context::new(),
    });
    assert!(matches!(verdict, Verdict::Denied(_)), "{verdict:?}");
}

#[test]
fn who_is_spared_by_not_principal() {
    let verdict = |effect: &str, principals: &str, who| {
        let statement = format!(
            r#"{{"Effect": "{effect}", "NotPrincipal": {{"AWS": [{principals}]}}, "Action": "*",
                "Resource": "*"}}"#
        );
        judge(&statement, who, "kms:Sign", &[])
    };
    let denies =
        |principals: &str, who| matches!(verdict("Deny", principals, who), Verdict::Denied(_));
    let root = r#""arn:aws:iam::123456789012:root""#;
    let user = r#""arn:aws:iam::123456789012:user/admin""#;
    let role = r#""arn:aws:iam::123456789012:role/ops""#;
    let session = r#""arn:aws:sts::123456789012:assumed-role/ops/alice""#;
    // "You must also specify the account ARN of the not-denied principal", and for a session its role.
    assert!(denies(user, ADMIN));
    assert!(!denies(&format!("{user}, {root}"), ADMIN));
    assert!(denies(root, ADMIN));
    assert!(denies(&format!("{session}, {root}"), SESSION));
    assert!(!denies(&format!("{session}, {role}, {root}"), SESSION));
    assert!(denies(&format!("{user}, {root}"), ROUTE53));
    assert!(!verdict("Allow", user, ADMIN).is_allowed());
    assert!(verdict("Allow", user, SESSION).is_allowed());
    assert!(!verdict("Allow", role, SESSION).is_allowed());
}

#[test]
fn a_role_is_named_by_its_whole_arn_where_the_request_tells_it() {
    let allows = |role: &str| {
        let statement = format!(
            r#"{{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::123456789012:role/{role}"}},
                "Action": "*", "Resource": "*"}}"#
        );
        let arn = (
            "aws:PrincipalArn",
            "arn:aws:iam::123456789012:role/team/ops",
        );
        judge(&statement, SESSION, "kms:Sign", &[arn]).is_allowed()
    };
    assert!(allows("team/ops"));
    assert!(!allows("ops"));
    assert!(!allows("other/ops"));
}
