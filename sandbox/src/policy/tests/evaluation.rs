//! All layers together, against the tables of AWS's evaluation logic.

use super::super::evaluation::{
    Identity, Layer, Owner, Policies, Refusal, Resource, ResourceLayer, Role,
};
use super::*;

const ROOT: Principal<'_> = Principal::Identity {
    account: "123456789012",
    arn: "arn:aws:iam::123456789012:root",
};

fn identity(effect: &str) -> Policy {
    let text =
        format!(r#"{{"Statement": {{"Effect": "{effect}", "Action": "kms:*", "Resource": "*"}}}}"#);
    Policy::parse_as(Kind::Identity, &text).unwrap()
}

/// A policy that says nothing about the request.
fn silent() -> Policy {
    let text = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
    Policy::parse_as(Kind::Identity, text).unwrap()
}

fn resource(effect: &str, principal: &str) -> Resource {
    let text = format!(
        r#"{{"Statement": {{"Effect": "{effect}", "Principal": {{"AWS": "{principal}"}},
            "Action": "kms:*", "Resource": "*"}}}}"#
    );
    Resource {
        policy: Some(Policy::parse(&text).unwrap()),
        ..Resource::default()
    }
}

fn decide(policies: &Policies, principal: Principal<'_>) -> Result<(), Refusal> {
    policies.decide(&Question {
        principal,
        action: "kms:Sign",
        resource: KEY,
        context: &Context::new(),
    })
}

fn with(identity: Vec<Policy>) -> Policies {
    Policies {
        identity: Identity::Policies(identity),
        ..Policies::default()
    }
}

const USER_ARN: &str = "arn:aws:iam::123456789012:user/admin";
const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/ops";
const SESSION_ARN: &str = "arn:aws:sts::123456789012:assumed-role/ops/alice";
const ACCOUNT_ARN: &str = "arn:aws:iam::123456789012:root";

#[test]
fn nothing_allows_nothing() {
    let refused = Err(Refusal::NotAllowed(Layer::Identity));
    assert_eq!(decide(&with(vec![]), ADMIN), refused);
    assert_eq!(decide(&with(vec![silent()]), SESSION), refused);
    assert_eq!(
        decide(&with(vec![silent(), identity("Allow")]), SESSION),
        Ok(())
    );
    let root = Policies {
        identity: Identity::Root,
        ..Policies::default()
    };
    assert_eq!(decide(&root, ROOT), Ok(()));
}

#[test]
fn a_deny_in_any_layer_wins_and_names_it() {
    let all = || Policies {
        organisation: vec![identity("Allow")],
        boundary: Some(identity("Allow")),
        session: Some(identity("Allow")),
        resource: resource("Allow", SESSION_ARN),
        ..with(vec![identity("Allow")])
    };
    assert_eq!(decide(&all(), SESSION), Ok(()));
    let check = |layer: Layer, deny: fn(&mut Policies)| {
        let mut policies = all();
        deny(&mut policies);
        let found = decide(&policies, SESSION);
        assert!(
            matches!(&found, Err(Refusal::Denied(found, _)) if *found == layer),
            "{layer:?}: {found:?}"
        );
    };
    check(Layer::Organisation, |all| {
        all.organisation.push(identity("Deny"))
    });
    check(Layer::Resource, |all| all.resource = resource("Deny", "*"));
    check(Layer::Identity, |all| {
        all.identity = Identity::Policies(vec![identity("Allow"), identity("Deny")]);
    });
    check(Layer::Boundary, |all| all.boundary = Some(identity("Deny")));
    check(Layer::Session, |all| all.session = Some(identity("Deny")));
    // To the root of the account, a resource's deny applies as well.
    let root = Policies {
        identity: Identity::Root,
        resource: resource("Deny", "*"),
        ..Policies::default()
    };
    assert!(decide(&root, ROOT).is_err());
}

#[test]
fn what_limits_must_allow_too() {
    let check = |layer: Layer, limit: fn(&mut Policies, Policy)| {
        let mut policies = with(vec![identity("Allow")]);
        limit(&mut policies, silent());
        assert_eq!(decide(&policies, SESSION), Err(Refusal::NotAllowed(layer)));
        limit(&mut policies, identity("Allow"));
        assert_eq!(decide(&policies, SESSION), Ok(()));
        policies.identity = Identity::Policies(vec![]);
        let found = decide(&policies, SESSION);
        assert_eq!(
            found,
            Err(Refusal::NotAllowed(Layer::Identity)),
            "limits grant nothing"
        );
    };
    check(Layer::Organisation, |all, policy| {
        all.organisation = vec![policy]
    });
    check(Layer::Boundary, |all, policy| all.boundary = Some(policy));
    check(Layer::Session, |all, policy| all.session = Some(policy));
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html#policy-eval-denyallow-resource>:
/// what a resource's policy gives by itself depends on how it names the principal.
#[test]
fn a_resource_policy_gives_as_directly_as_it_names() {
    use Layer::{Boundary, Identity};
    let check = |named: &str, who, nothing: Option<Layer>, boundary: Option<Layer>| {
        let mut policies = Policies {
            resource: resource("Allow", named),
            ..with(vec![])
        };
        let expected = |layer: Option<Layer>| layer.map_or(Ok(()), |l| Err(Refusal::NotAllowed(l)));
        assert_eq!(decide(&policies, who), expected(nothing), "{named}");
        policies.boundary = Some(silent());
        assert_eq!(
            decide(&policies, who),
            expected(boundary),
            "{named}, boundary"
        );
    };
    check(USER_ARN, ADMIN, None, None);
    check(ACCOUNT_ARN, ADMIN, Some(Identity), Some(Identity));
    check("*", ADMIN, None, None);
    check(ROLE_ARN, SESSION, None, Some(Boundary));
    check(SESSION_ARN, SESSION, None, None);
    check("*", SESSION, None, Some(Boundary));
    check(ACCOUNT_ARN, SESSION, Some(Identity), Some(Identity));
    check(USER_ARN, SESSION, Some(Identity), Some(Identity));
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let other = |named: &str, identity| Policies {
        resource: Resource {
            owner: Owner::Other,
            ..resource("Allow", named)
        },
        ..with(identity)
    };
    let by = |layer| Err(Refusal::NotAllowed(layer));
    for named in [USER_ARN, ACCOUNT_ARN, "*"] {
        assert_eq!(
            decide(&other(named, vec![identity("Allow")]), ADMIN),
            Ok(())
        );
        assert_eq!(decide(&other(named, vec![]), ADMIN), by(Layer::Identity));
    }
    let stranger = other("arn:aws:iam::999999999999:root", vec![identity("Allow")]);
    assert_eq!(decide(&stranger, ADMIN), by(Layer::Resource));
    let mut none = other("*", vec![identity("Allow")]);
    none.resource.policy = None;
    assert_eq!(decide(&none, ADMIN), by(Layer::Resource));
}

/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>: "Unless the key
/// policy explicitly allows it, you cannot use IAM policies to allow access to a KMS key."
#[test]
fn keys_delegate_or_not() {
    let key = |named: &str, identity| Policies {
        resource: Resource {
            role: Role::OnlyWay,
            ..resource("Allow", named)
        },
        ..with(identity)
    };
    let by = |layer| Err(Refusal::NotAllowed(layer));
    let allow = || vec![identity("Allow")];
    assert_eq!(decide(&key(ACCOUNT_ARN, allow()), ADMIN), Ok(()));
    assert_eq!(
        decide(&key(ACCOUNT_ARN, vec![]), ADMIN),
        by(Layer::Identity)
    );
    assert_eq!(decide(&key(ROLE_ARN, allow()), ADMIN), by(Layer::Resource));
    assert_eq!(decide(&key(USER_ARN, vec![]), ADMIN), Ok(()));
    let mut root = key(ROLE_ARN, vec![]);
    root.identity = Identity::Root;
    assert_eq!(
        decide(&root, ROOT),
        by(Layer::Resource),
        "not even the root"
    );
    let mut granted = key(ROLE_ARN, vec![]);
    granted.resource.granted = true;
    assert_eq!(decide(&granted, ADMIN), Ok(()));
    granted.resource.policy = resource("Deny", "*").policy;
    assert!(matches!(
        decide(&granted, ADMIN),
        Err(Refusal::Denied(Layer::Resource, _))
    ));
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
#[test]
fn refusals_are_worded_as_aws_words_them() {
    let check = |refusal: Refusal, expected: &str| {
        assert_eq!(refusal.because("kms:Sign"), expected);
    };
    let denied = |layer| Refusal::Denied(layer, "statement x".into());
    check(
        Refusal::NotAllowed(Layer::Identity),
        "because no identity-based policy allows the kms:Sign action",
    );
    check(
        Refusal::NotAllowed(Layer::Boundary),
        "because no permissions boundary allows the kms:Sign action",
    );
    check(
        Refusal::NotAllowed(Layer::Organisation),
        "because no service control policy allows the kms:Sign action",
    );
    check(
        Refusal::NotAllowed(Layer::Trust),
        "because no role trust policy allows the kms:Sign action",
    );
    check(
        denied(Layer::Identity),
        "with an explicit deny in an identity-based policy",
    );
    check(
        denied(Layer::Boundary),
        "with an explicit deny in a permissions boundary",
    );
    check(
        denied(Layer::Organisation),
        "with an explicit deny in a service control policy",
    );
    let trust = Policies {
        resource: Resource {
            role: Role::OnlyWay,
            layer: ResourceLayer::Trust,
            ..Resource::default()
        },
        ..with(vec![identity("Allow")])
    };
    let refused = decide(&trust, ADMIN).unwrap_err();
    assert_eq!(refused, Refusal::NotAllowed(Layer::Trust));
}
