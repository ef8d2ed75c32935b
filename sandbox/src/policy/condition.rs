//! Conditions: does a request's context satisfy an operator?
//!
//! Operators: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.
//! Modelled are those that policies of keys and logs use: text, ARN, Bool and Null, negated and with
//! `IfExists`. Numbers, dates, addresses and the set operators are not, and fail closed.

use super::{Context, matches};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub operator: String,
    pub key: String,
    pub values: Vec<String>,
}

/// Why conditions do not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why {
    pub text: String,
    /// The operator is not modelled: the condition might hold in AWS.
    pub not_understood: bool,
}

/// Whether all conditions hold; the first that does not is the reason.
pub(super) fn all_hold(conditions: &[Condition], context: &Context) -> Result<(), Why> {
    conditions
        .iter()
        .try_for_each(|condition| holds(condition, context))
}

type Compare = fn(wanted: &str, given: &str) -> bool;

fn holds(condition: &Condition, context: &Context) -> Result<(), Why> {
    let Condition {
        operator,
        key,
        values,
    } = condition;
    let fails = |text: String| {
        Err(Why {
            text,
            not_understood: false,
        })
    };
    let given = context
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, given)| given);
    if operator == "Null" {
        let absent = given.is_none_or(Vec::is_empty);
        let holds = values
            .iter()
            .any(|value| value.eq_ignore_ascii_case(&absent.to_string()));
        return if holds {
            Ok(())
        } else {
            fails(format!(
                "{key} is {}",
                if absent { "absent" } else { "present" }
            ))
        };
    }
    let (name, if_exists) = match operator.strip_suffix("IfExists") {
        Some(name) => (name, true),
        None => (operator.as_str(), false),
    };
    let (negated, compare): (bool, Compare) = match name {
        "StringEquals" => (false, |wanted, given| wanted == given),
        "StringNotEquals" => (true, |wanted, given| wanted == given),
        "StringEqualsIgnoreCase" => (false, |wanted, given| {
            wanted.to_lowercase() == given.to_lowercase()
        }),
        "StringNotEqualsIgnoreCase" => (true, |wanted, given| {
            wanted.to_lowercase() == given.to_lowercase()
        }),
        "StringLike" => (false, matches),
        "StringNotLike" => (true, matches),
        // ArnEquals and ArnLike behave identically, says the operators' page.
        "ArnEquals" | "ArnLike" => (false, arn_matches),
        "ArnNotEquals" | "ArnNotLike" => (true, arn_matches),
        "Bool" => (false, |wanted, given| wanted.eq_ignore_ascii_case(given)),
        unknown => {
            return Err(Why {
                text: format!("condition operator {unknown} is not modelled"),
                not_understood: true,
            });
        }
    };
    match given {
        // A negated operator holds on a key that is absent; a plain one does not.
        None if if_exists || negated => Ok(()),
        None => fails(format!("the request has no condition key {key}")),
        Some(given) => {
            let found = given
                .iter()
                .any(|given| values.iter().any(|wanted| compare(wanted, given)));
            if found == negated {
                let (given, wanted) = (given.join(", "), values.join(", "));
                fails(format!(
                    "{key} is '{given}', which {operator} '{wanted}' does not accept"
                ))
            } else {
                Ok(())
            }
        }
    }
}

/// Each of the six parts of an ARN is compared by itself, so that `*` in one never spans a colon of
/// the first five.
fn arn_matches(wanted: &str, given: &str) -> bool {
    let (wanted, given): (Vec<_>, Vec<_>) = (
        wanted.splitn(6, ':').collect(),
        given.splitn(6, ':').collect(),
    );
    wanted.len() == 6
        && given.len() == 6
        && wanted
            .iter()
            .zip(&given)
            .all(|(wanted, given)| matches(wanted, given))
}
