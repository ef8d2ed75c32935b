//! The form of policy documents: what IAM refuses to store, in its own words.
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>. A
//! policy of an identity names no principals; a trust policy names no resources. What a stored
//! document means is decided where it is evaluated ([`crate::policy`]).

use serde_json::{Map, Value};

use super::State;
use crate::policy::{Kind, Policy};
use crate::world::AwsError;

/// Characters of a trust policy that a role may have without a raised quota, and of a managed policy
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub(super) const TRUST_MAX: usize = 2_048;
pub(super) const MANAGED_MAX: usize = 6_144;

/// The size of a document against its quota: "IAM does not count white space".
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new("MalformedPolicyDocument", message)
}

fn syntax() -> AwsError {
    malformed("Syntax errors in policy.")
}

/// Checks a policy of an identity.
pub(crate) fn check_identity(document: &str) -> Result<(), AwsError> {
    for statement in statements(document)? {
        if statement.contains_key("Principal") || statement.contains_key("NotPrincipal") {
            return Err(malformed("Policy document should not specify a principal."));
        }
        check_actions(&statement)?;
        let resources = one_of(&statement, "Resource", "NotResource")?
            .ok_or_else(|| malformed("Policy statement must contain resources."))?;
        resources.iter().try_for_each(|text| check_resource(text))?;
    }
    check_understood(Kind::Identity, document)
}

/// What the evaluator could not read it would take for a denial of everything.
fn check_understood(kind: Kind, document: &str) -> Result<(), AwsError> {
    match Policy::parse_as(kind, document) {
        Ok(_) => Ok(()),
        Err(why) => Err(malformed(why.to_string())),
    }
}

/// Checks a managed policy, which must also say the current version.
pub(super) fn check_managed(document: &str) -> Result<(), AwsError> {
    check_identity(document)?;
    let is_current = serde_json::from_str::<Value>(document)
        .is_ok_and(|document| document["Version"] == "2012-10-17");
    if is_current {
        return Ok(());
    }
    Err(malformed(
        "Policy document must be version 2012-10-17 or greater.",
    ))
}

/// Checks a trust policy, whose principals must exist.
pub(super) fn check_trust(state: &State, document: &str) -> Result<(), AwsError> {
    for statement in statements(document)? {
        for field in ["Resource", "NotResource"] {
            if statement.contains_key(field) {
                return Err(malformed(format!("Has prohibited field {field}")));
            }
        }
        let actions = check_actions(&statement)?;
        let is_of_sts = |action: &String| action.to_ascii_lowercase().starts_with("sts:");
        if !actions.iter().all(is_of_sts) {
            return Err(malformed(
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ));
        }
        let principals = match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(principals), None) | (None, Some(principals)) => principals,
            (None, None) => return Err(malformed("Missing required field Principal")),
            (Some(_), Some(_)) => return Err(syntax()),
        };
        check_principals(state, principals)?;
    }
    check_understood(Kind::Trust, document)
}

/// The statements of a document, checked for what all policies share.
fn statements(document: &str) -> Result<Vec<Map<String, Value>>, AwsError> {
    let Ok(Value::Object(document)) = serde_json::from_str(document) else {
        return Err(malformed("This policy contains invalid Json"));
    };
    only_known(&document, &["Version", "Id", "Statement"])?;
    match document.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => {}
        Some(_) => return Err(syntax()),
    }
    if document.get("Id").is_some_and(|id| !id.is_string()) {
        return Err(syntax());
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.clone(),
        Some(statement @ Value::Object(_)) => vec![statement.clone()],
        Some(_) | None => return Err(syntax()),
    };
    let statements: Vec<_> = statements
        .into_iter()
        .map(|statement| match statement {
            Value::Object(statement) => Ok(statement),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(syntax()),
        })
        .collect::<Result<_, _>>()?;
    let mut sids: Vec<&str> = Vec::new();
    for statement in &statements {
        check_statement(statement, &mut sids)?;
    }
    Ok(statements)
}

fn check_statement<'a>(
    statement: &'a Map<String, Value>,
    sids: &mut Vec<&'a str>,
) -> Result<(), AwsError> {
    const FIELDS: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    only_known(statement, &FIELDS)?;
    match statement.get("Effect").map(Value::as_str) {
        Some(Some("Allow" | "Deny")) => {}
        Some(_) => return Err(syntax()),
        None => return Err(malformed("Missing required field Effect")),
    }
    if let Some(sid) = statement.get("Sid") {
        let sid = sid.as_str().ok_or_else(syntax)?;
        if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(malformed(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
                 regular expression [0-9A-Za-z]*",
            ));
        }
        if !sid.is_empty() && sids.contains(&sid) {
            return Err(malformed(
                "Statement IDs (SID) in a single policy must be unique.",
            ));
        }
        sids.push(sid);
    }
    statement.get("Condition").map_or(Ok(()), check_conditions)
}

/// Checks actions and gives them.
fn check_actions(statement: &Map<String, Value>) -> Result<Vec<String>, AwsError> {
    let actions = one_of(statement, "Action", "NotAction")?
        .ok_or_else(|| malformed("Policy statement must contain actions."))?;
    for action in actions.iter().filter(|action| *action != "*") {
        let vendor = action.split_once(':').map(|(vendor, _)| vendor);
        let Some(vendor) = vendor.filter(|vendor| !vendor.is_empty()) else {
            return Err(malformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ));
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if !vendor.bytes().all(is_name) {
            return Err(malformed(format!("Vendor {vendor} is not valid")));
        }
    }
    Ok(actions)
}

fn check_resource(resource: &str) -> Result<(), AwsError> {
    // A resource that is all variable or wildcard may match an ARN as well.
    if resource == "*" {
        return Ok(());
    }
    let parts: Vec<_> = resource.splitn(6, ':').collect();
    let ["arn", partition, vendor, ..] = parts[..] else {
        return Err(malformed(format!(
            "Resource {resource} must be in ARN format or \"*\"."
        )));
    };
    if parts.len() < 6 && !resource.ends_with('*') {
        return Err(malformed(format!(
            "Resource {resource} must be in ARN format or \"*\"."
        )));
    }
    let known = ["aws", "aws-cn", "aws-us-gov"];
    if !known.contains(&partition) && !partition.contains(['*', '?', '$']) {
        return Err(malformed(format!(
            "Partition \"{partition}\" is not valid for resource \"{resource}\"."
        )));
    }
    if vendor.is_empty() {
        return Err(malformed(format!("Vendor {vendor} is not valid")));
    }
    Ok(())
}

/// The operators of IAM
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>).
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

fn is_operator(name: &str) -> bool {
    let name = name
        .strip_prefix("ForAllValues:")
        .or_else(|| name.strip_prefix("ForAnyValue:"))
        .unwrap_or(name);
    let plain = name.strip_suffix("IfExists").unwrap_or(name);
    OPERATORS.contains(&plain) && name != "NullIfExists"
}

fn check_conditions(conditions: &Value) -> Result<(), AwsError> {
    let conditions = conditions.as_object().ok_or_else(syntax)?;
    for (operator, keys) in conditions {
        if !is_operator(operator) {
            return Err(malformed(format!("Invalid Condition type : {operator}.")));
        }
        let keys = keys.as_object().ok_or_else(syntax)?;
        for (key, values) in keys {
            if !key.contains(':') {
                return Err(malformed(
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                ));
            }
            let is_value =
                |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
            let well_formed = match values {
                Value::Array(values) => values.iter().all(is_value),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_) => is_value(values),
            };
            if !well_formed {
                return Err(syntax());
            }
        }
    }
    Ok(())
}

fn check_principals(state: &State, principals: &Value) -> Result<(), AwsError> {
    if principals == "*" {
        return Ok(());
    }
    let kinds = principals.as_object().ok_or_else(syntax)?;
    if kinds.is_empty() {
        return Err(syntax());
    }
    for (kind, values) in kinds {
        for value in texts(values)? {
            let exists = match kind.as_str() {
                "AWS" => state.principal_exists(&value) || state.has_unique_id(&value),
                // Which services there are, only AWS knows.
                "Service" => value
                    .strip_suffix(".amazonaws.com")
                    .is_some_and(|name| !name.is_empty()),
                "Federated" => is_provider(&value),
                "CanonicalUser" => value.len() == 64,
                _ => return Err(syntax()),
            };
            if !exists {
                let kind = if kind == "Service" { "SERVICE" } else { kind };
                return Err(malformed(format!(
                    "Invalid principal in policy: \"{kind}\":\"{value}\""
                )));
            }
        }
    }
    Ok(())
}

/// A provider of web identities or of SAML, which IAM takes without asking whether it exists.
fn is_provider(text: &str) -> bool {
    const KNOWN: [&str; 4] = [
        "cognito-identity.amazonaws.com",
        "www.amazon.com",
        "graph.facebook.com",
        "accounts.google.com",
    ];
    let of_account = text
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(':'));
    KNOWN.contains(&text)
        || of_account.is_some_and(|(_, resource)| {
            resource.starts_with("saml-provider/") || resource.starts_with("oidc-provider/")
        })
}

/// The texts of the one of two elements that is there.
fn one_of(
    statement: &Map<String, Value>,
    first: &str,
    second: &str,
) -> Result<Option<Vec<String>>, AwsError> {
    let texts = match (statement.get(first), statement.get(second)) {
        (Some(values), None) | (None, Some(values)) => texts(values)?,
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(syntax()),
    };
    Ok(Some(texts).filter(|texts| !texts.is_empty()))
}

fn texts(values: &Value) -> Result<Vec<String>, AwsError> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(syntax);
    match values {
        Value::Array(values) => values.iter().map(text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Ok(vec![text(values)?])
        }
    }
}

fn only_known(fields: &Map<String, Value>, known: &[&str]) -> Result<(), AwsError> {
    if fields.keys().all(|field| known.contains(&field.as_str())) {
        Ok(())
    } else {
        Err(syntax())
    }
}

/// The members of a list; of anything else, that itself, which stands for a list of one.
fn each(value: &mut Value) -> &mut [Value] {
    if value.is_array() {
        value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
    } else {
        std::slice::from_mut(value)
    }
}

/// A document in which a principal that is gone is its unique id; none if it does not name it.
pub(super) fn without_principal(document: &str, arn: &str, unique_id: &str) -> Option<String> {
    let mut document: Value = serde_json::from_str(document).ok()?;
    let mut changed = false;
    for statement in each(document.get_mut("Statement")?) {
        for element in ["Principal", "NotPrincipal"] {
            let named = statement
                .get_mut(element)
                .and_then(|all| all.get_mut("AWS"));
            let named = named.into_iter().flat_map(each);
            for value in named.filter(|value| **value == arn) {
                *value = unique_id.into();
                changed = true;
            }
        }
    }
    changed.then(|| document.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// What is wrong with an identity policy of one statement.
    fn problem(statement: &str) -> String {
        let document = format!("{{\"Version\":\"2012-10-17\",\"Statement\":{statement}}}");
        match check_identity(&document) {
            Ok(()) => "nothing".into(),
            Err(error) => {
                assert_eq!(error.code, "MalformedPolicyDocument");
                error.message
            }
        }
    }

    #[test]
    fn identity_policies_are_refused_in_the_words_of_iam() {
        let check = |statement: &str, expected: &str| {
            assert_eq!(problem(statement), expected, "{statement}");
        };
        check(
            r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b"}"#,
            "nothing",
        );
        check(
            r#"[{"Effect":"Allow","NotAction":["iam:*","*"],"NotResource":"*","Condition":
                {"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["a","b"]},"Bool":{"aws:x":true}}}]"#,
            "nothing",
        );
        check(
            r#"{"Effect":"Allow","Action":"s3:x","Resource":"*","Principal":"*"}"#,
            "Policy document should not specify a principal.",
        );
        check(
            r#"{"Effect":"Allow","Resource":"*"}"#,
            "Policy statement must contain actions.",
        );
        check(
            r#"{"Effect":"Allow","Action":"s3:x"}"#,
            "Policy statement must contain resources.",
        );
        check(
            r#"{"Effect":"Allow","Action":"ListBucket","Resource":"*"}"#,
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        );
        check(
            r#"{"Effect":"Allow","Action":"s3:x","Resource":"bucket"}"#,
            "Resource bucket must be in ARN format or \"*\".",
        );
        check(
            r#"{"Effect":"Allow","Action":"s3:x","Resource":"arn:azure:s3:::b"}"#,
            "Partition \"azure\" is not valid for resource \"arn:azure:s3:::b\".",
        );
        check(
            r#"[{"Sid":"A","Effect":"Deny","Action":"s3:x","Resource":"*"},
                {"Sid":"A","Effect":"Deny","Action":"s3:x","Resource":"*"}]"#,
            "Statement IDs (SID) in a single policy must be unique.",
        );
        check(
            r#"{"Effect":"Allow","Action":"s3:x","Resource":"*","Condition":{"StringIs":{"aws:x":"1"}}}"#,
            "Invalid Condition type : StringIs.",
        );
        for statement in [
            "[]",
            "7",
            r#"{"Effect":"Maybe","Action":"s3:x","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:x","Resource":"*","Extra":1}"#,
            r#"{"Effect":"Allow","Action":["s3:x"],"NotAction":["s3:y"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":{"s3":"x"},"Resource":"*"}"#,
        ] {
            check(statement, "Syntax errors in policy.");
        }
    }

    #[test]
    fn only_managed_policies_insist_on_a_version() {
        let document = r#"{"Statement":{"Effect":"Allow","Action":"s3:x","Resource":"*"}}"#;
        assert_eq!(check_identity(document), Ok(()));
        let error = check_managed(document).unwrap_err();
        assert!(error.message.contains("version 2012-10-17"), "{error}");
    }

    #[test]
    fn a_deleted_principal_is_shown_by_its_id() {
        let arn = "arn:aws:iam::1:role/r";
        let document = r#"{"Statement":[{"Principal":{"AWS":["arn:aws:iam::1:role/r","*"]},
            "Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::1:role/r"}}}]}"#;
        let changed = without_principal(document, arn, "AROA1").unwrap();
        let changed: Value = serde_json::from_str(&changed).unwrap();
        let statement = &changed["Statement"][0];
        assert_eq!(
            statement["Principal"]["AWS"],
            serde_json::json!(["AROA1", "*"])
        );
        assert_eq!(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"], arn);
        assert_eq!(
            without_principal(document, "arn:aws:iam::1:role/s", "A"),
            None
        );
    }
}
