//! Refusals as callers see them, and the keys that every request has.

use super::*;
use crate::Profile;

mod roles;

fn caller(arn: &str) -> Caller {
    Caller {
        account: "123456789012".into(),
        arn: arn.into(),
        user_id: "AIDA".into(),
        region: "us-east-1".into(),
        now: "2026-01-15T12:00:00Z".parse().unwrap(),
        source: crate::world::Via::Host.source(),
    }
}

fn root() -> Caller {
    caller("arn:aws:iam::123456789012:root")
}

#[test]
fn each_protocol_has_its_code() {
    let world = World::new(1, Profile::Instant);
    let nobody = caller("arn:aws:iam::123456789012:user/nobody");
    let check = |action: &str, resource: &str, code: &str, status: u16, text: &str| {
        let error = may(&world, &nobody, &Need::new(action, resource)).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.status),
            (code, Some(status)),
            "{action}"
        );
        assert_eq!(
            error.message,
            format!(
                "User: arn:aws:iam::123456789012:user/nobody is not authorized to perform: \
                 {action}{text} because no identity-based policy allows the {action} action"
            )
        );
    };
    let json = "AccessDeniedException";
    check("kms:CreateKey", "*", json, 400, " on resource: *");
    check("logs:DescribeLogGroups", "*", json, 400, " on resource: *");
    check("lambda:ListFunctions", "*", json, 403, " on resource: *");
    check("route53:ListHostedZones", "*", "AccessDenied", 403, "");
    let role = "arn:aws:iam::123456789012:role/r";
    let on = format!(" on resource: {role}");
    check("iam:GetRole", role, "AccessDenied", 403, &on);
    let api = "arn:aws:apigateway:us-east-1::/restapis";
    check(
        "apigateway:GET",
        api,
        json,
        403,
        &format!(" on resource: {api}"),
    );
}

#[test]
fn the_root_is_refused_by_its_organisation_only() {
    let mut world = World::new(1, Profile::Instant);
    let need = Need::new("route53:CreateHostedZone", "*");
    assert_eq!(may(&world, &root(), &need), Ok(()));
    let scp = |effect: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "{effect}", "Action": "*", "Resource": "*",
            "Condition": {{"StringNotEquals": {{"aws:RequestedRegion": "eu-west-1"}}}}}}}}"#
        )
    };
    let account = root().account;
    world
        .scps
        .insert(account.clone(), vec![scp("Allow"), scp("Deny")]);
    let error = may(&world, &root(), &need).unwrap_err();
    assert!(
        error
            .message
            .ends_with("with an explicit deny in a service control policy"),
        "{error}"
    );
    world.scps.insert(account.clone(), vec![]);
    assert_eq!(
        may(&world, &root(), &need),
        Ok(()),
        "an empty list is no organisation"
    );
    let other = scp("Allow").replace("StringNotEquals", "StringEquals");
    world.scps.insert(account, vec![other]);
    let error = may(&world, &root(), &need).unwrap_err();
    assert!(
        error.message.ends_with(
            "because no service control policy allows the route53:CreateHostedZone action"
        ),
        "{error}"
    );
}

#[test]
fn every_request_has_its_keys() {
    let mut session = caller("arn:aws:sts::123456789012:assumed-role/ops/alice");
    session.user_id = "AROA:alice".into();
    let role = "arn:aws:iam::123456789012:role/team/ops";
    let keys = caller_context(&session, Some(role));
    let check = |keys: &Context, key: &str, expected: Option<&str>| {
        let found = keys.get(key).map(|values| values.join(","));
        assert_eq!(found.as_deref(), expected, "{key}");
    };
    check(&keys, "aws:PrincipalArn", Some(role));
    check(&keys, "aws:PrincipalType", Some("AssumedRole"));
    check(&keys, "aws:PrincipalAccount", Some("123456789012"));
    check(&keys, "aws:userid", Some("AROA:alice"));
    check(&keys, "aws:username", None);
    check(&keys, "aws:CurrentTime", Some("2026-01-15T12:00:00Z"));
    check(&keys, "aws:EpochTime", Some("1768478400"));
    check(&keys, "aws:MultiFactorAuthPresent", Some("false"));
    let keys = caller_context(&caller("arn:aws:iam::123456789012:user/team/ann"), None);
    check(&keys, "aws:PrincipalType", Some("User"));
    check(&keys, "aws:username", Some("ann"));
    check(&keys, "aws:MultiFactorAuthPresent", None);
    let keys = caller_context(&root(), None);
    check(&keys, "aws:PrincipalType", Some("Account"));
    check(
        &keys,
        "aws:PrincipalArn",
        Some("arn:aws:iam::123456789012:root"),
    );
}

#[test]
fn services_act_by_the_resources_policy_alone() {
    let world = World::new(1, Profile::Instant);
    let function = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let need = Need::new("lambda:InvokeFunction", function).with(
        "aws:SourceArn",
        vec!["arn:aws:execute-api:us-east-1:123456789012:a/s/POST/".into()],
    );
    let policy = |source: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Action": "lambda:InvokeFunction",
                "Principal": {{"Service": "apigateway.amazonaws.com"}}, "Resource": "{function}",
                "Condition": {{"ArnLike": {{"aws:SourceArn": "{source}"}},
                    "Bool": {{"aws:PrincipalIsAWSService": "true"}}}}}}}}"#
        )
    };
    let gateway = "apigateway.amazonaws.com";
    let ours = policy("arn:aws:execute-api:us-east-1:123456789012:a/*/POST/*");
    assert!(service_may(&world, gateway, &need, Some(&ours)));
    assert!(!service_may(
        &world,
        "events.amazonaws.com",
        &need,
        Some(&ours)
    ));
    let theirs = policy("arn:aws:execute-api:us-east-1:123456789012:b/*/POST/*");
    assert!(!service_may(&world, gateway, &need, Some(&theirs)));
    assert!(!service_may(&world, gateway, &need, None));
}

#[test]
fn trust_is_by_service_role_or_account() {
    let world = World::new(1, Profile::Instant);
    let trust = r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}}"#;
    let lambda = Principal::Service("lambda.amazonaws.com");
    let from = |account: &str| Context::from([("aws:SourceAccount".into(), vec![account.into()])]);
    assert_eq!(
        may_assume(&world, trust, lambda, &from("123456789012")),
        Ok(())
    );
    assert!(may_assume(&world, trust, lambda, &from("999999999999")).is_err());
    let edge = Principal::Service("edgelambda.amazonaws.com");
    assert!(may_assume(&world, trust, edge, &from("123456789012")).is_err());
}
