//! Laws that hold for all policies: order never matters, and a Deny more never allows more.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(values).prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = one_of(&[
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLikeIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringNotEquals",
        "Null",
    ]);
    let key = one_of(&["x:one", "x:two", "x:none"]);
    let value = one_of(&["true", "a", "a*", "${x:one}", "${x:none}"]);
    (operator, key, value).prop_map(|(operator, key, value)| {
        let value = if operator == "Null" { "true" } else { &value };
        json!({ operator: { key: value } })
    })
}

fn statement() -> impl Strategy<Value = Value> {
    (
        one_of(&["Allow", "Deny"]),
        one_of(&["Action", "NotAction"]),
        one_of(&["kms:*", "kms:Sign", "s3:*", "*"]),
        one_of(&["Resource", "NotResource"]),
        one_of(&["*", KEY, "arn:aws:kms:*:*:key/${x:one}", "arn:aws:s3:::b"]),
        prop::option::of(condition()),
    )
        .prop_map(
            |(effect, action, actions, resource, resources, condition)| {
                let mut statement =
                    json!({ "Effect": effect, action: actions, resource: resources });
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

fn verdict(statements: &[Value], context: &Context) -> Verdict {
    let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let policy = Policy::parse_as(Kind::Identity, &text).unwrap();
    policy.judge(&Question {
        principal: ADMIN,
        action: "kms:Sign",
        resource: KEY,
        context,
    })
}

fn context() -> impl Strategy<Value = Context> {
    let values = || prop::collection::vec(one_of(&["a", "ab", "true", "k", "*"]), 0..3);
    (values(), values()).prop_map(|(one, two)| {
        Context::from([("x:one".to_owned(), one), ("x:two".to_owned(), two)])
    })
}

/// How much a verdict lets through.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Denied(_) => 0,
        Verdict::NotAllowed(_) => 1,
        Verdict::Allowed => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn order_never_matters(
        statements in prop::collection::vec(statement(), 1..6),
        by in any::<u64>(),
        context in context(),
    ) {
        let mut other = statements.clone();
        let len = u64::try_from(other.len()).unwrap();
        let turn = usize::try_from(by % len).unwrap();
        other.rotate_left(turn);
        if by % 2 == 0 {
            other.reverse();
        }
        prop_assert_eq!(
            rank(&verdict(&statements, &context)),
            rank(&verdict(&other, &context))
        );
    }

    #[test]
    fn a_deny_more_never_allows_more(
        statements in prop::collection::vec(statement(), 1..6),
        deny in statement(),
        context in context(),
    ) {
        let before = rank(&verdict(&statements, &context));
        let mut more = statements;
        let mut deny = deny;
        deny["Effect"] = "Deny".into();
        more.push(deny);
        prop_assert!(rank(&verdict(&more, &context)) <= before);
    }

    #[test]
    fn an_allow_more_never_allows_less(
        statements in prop::collection::vec(statement(), 1..6),
        allow in statement(),
        context in context(),
    ) {
        let before = rank(&verdict(&statements, &context));
        let mut more = statements;
        let mut allow = allow;
        allow["Effect"] = "Allow".into();
        more.push(allow);
        prop_assert!(rank(&verdict(&more, &context)) >= before);
    }
}
