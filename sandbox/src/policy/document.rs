//! The form of a policy document: which JSON is a policy at all.
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>. A
//! policy of an identity names no principal, a trust policy no resource, a policy of a resource both.

use serde_json::{Map, Value};

use super::condition::Condition;

/// Why a document is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

/// What a policy is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user, a role, a session, or an account of an organisation.
    Identity,
    /// A resource such as a key.
    Resource,
    /// A role, for who may take it.
    Trust,
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) statements: Vec<Statement>,
    /// Version 2012-10-17 has policy variables, the one before does not.
    pub(super) variables: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    pub principals: Principals,
    pub actions: Scope,
    pub resources: Scope,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    Everything,
    Only(Vec<String>),
    AllBut(Vec<String>),
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principals {
    Everyone,
    Only(Named),
    AllBut(Named),
}

/// The principals that a statement names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub everyone: bool,
    pub identities: Vec<String>,
    pub services: Vec<String>,
}

fn malformed<T>(text: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(text.into()))
}

impl Policy {
    /// Reads a policy of a resource.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Self::parse_as(Kind::Resource, text)
    }

    /// Reads a policy of some kind.
    pub fn parse_as(kind: Kind, text: &str) -> Result<Self, Malformed> {
        let document = match serde_json::from_str(text) {
            Ok(Value::Object(document)) => document,
            Ok(_) => return malformed("This policy is no JSON object"),
            Err(error) => return malformed(format!("This policy contains invalid Json: {error}")),
        };
        only_known(&document, &["Version", "Id", "Statement"], "the policy")?;
        let variables = match document.get("Version") {
            Some(Value::String(version)) if version == "2012-10-17" => true,
            Some(Value::String(version)) if version == "2008-10-17" => false,
            None => false,
            Some(other) => {
                return malformed(format!(
                    "Version must be \"2012-10-17\" or \"2008-10-17\", not {other}"
                ));
            }
        };
        if document.get("Id").is_some_and(|id| !id.is_string()) {
            return malformed("Id must be a string");
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
            Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
            Some(_) | None => {
                return malformed("Statement must be one statement or a list of them");
            }
        };
        let statements: Vec<_> = statements
            .iter()
            .map(|value| statement(kind, value))
            .collect::<Result<_, _>>()?;
        let mut sids = std::collections::BTreeSet::new();
        for sid in statements.iter().filter_map(|one| one.sid.as_ref()) {
            if !sids.insert(sid) {
                return malformed(format!(
                    "Statement IDs (SID) in a single policy must be unique, '{sid}' is not."
                ));
            }
        }
        Ok(Self {
            statements,
            variables,
        })
    }

    /// Reads a policy that was checked when it was stored. One that cannot be read all the same
    /// denies everything.
    pub fn stored(kind: Kind, text: &str) -> Self {
        Self::parse_as(kind, text).unwrap_or_else(|why| Self {
            statements: vec![Statement {
                sid: Some(format!("of a policy that cannot be read: {why}")),
                effect: Effect::Deny,
                principals: Principals::Everyone,
                actions: Scope::Everything,
                resources: Scope::Everything,
                conditions: Vec::new(),
            }],
            variables: false,
        })
    }

    /// Every principal of kind `AWS` that a statement names: whoever stores a policy can check that
    /// they exist.
    pub fn identities(&self) -> impl Iterator<Item = &str> {
        self.statements
            .iter()
            .flat_map(|statement| match &statement.principals {
                Principals::Everyone => &[][..],
                Principals::Only(named) | Principals::AllBut(named) => &named.identities,
            })
            .map(String::as_str)
    }
}

fn statement(kind: Kind, value: &Value) -> Result<Statement, Malformed> {
    let Value::Object(fields) = value else {
        return malformed("a statement must be a JSON object");
    };
    only_known(
        fields,
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
        "a statement",
    )?;
    let sid = match fields.get("Sid") {
        None => None,
        Some(Value::String(sid)) => Some(sid.clone()),
        Some(_) => return malformed("Sid must be a string"),
    };
    let effect = match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        Some(_) | None => return malformed("Effect must be Allow or Deny"),
    };
    if kind != Kind::Resource
        && let Some(odd) = &sid
        && !odd.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return malformed(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
             expression [0-9A-Za-z]*",
        );
    }
    let actions = scope(fields, "Action", "NotAction")?;
    if let Some(odd) = actions.patterns().iter().find(|action| !is_action(action)) {
        return malformed(format!(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc., '{odd}' is \
             not"
        ));
    }
    Ok(Statement {
        sid,
        effect,
        principals: principals(kind, fields)?,
        actions,
        resources: resources(kind, fields)?,
        conditions: conditions(fields.get("Condition"))?,
    })
}

impl Scope {
    fn patterns(&self) -> &[String] {
        match self {
            Self::Everything => &[],
            Self::Only(patterns) | Self::AllBut(patterns) => patterns,
        }
    }
}

/// `*`, or a service and an action.
fn is_action(text: &str) -> bool {
    text == "*"
        || text
            .split_once(':')
            .is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty())
}

fn principals(kind: Kind, fields: &Map<String, Value>) -> Result<Principals, Malformed> {
    let names = fields.contains_key("Principal") || fields.contains_key("NotPrincipal");
    match (kind, names) {
        (Kind::Identity, true) => malformed("Policy document should not specify a principal."),
        (Kind::Identity, false) => Ok(Principals::Everyone),
        (Kind::Resource | Kind::Trust, false) => malformed("Missing required field Principal"),
        (Kind::Resource | Kind::Trust, true) => {
            Ok(match one_of(fields, "Principal", "NotPrincipal")? {
                (value, false) => Principals::Only(named(value)?),
                (value, true) => Principals::AllBut(named(value)?),
            })
        }
    }
}

fn resources(kind: Kind, fields: &Map<String, Value>) -> Result<Scope, Malformed> {
    let names = fields.contains_key("Resource") || fields.contains_key("NotResource");
    match (kind, names) {
        (Kind::Trust, true) => return malformed("Has prohibited field Resource"),
        (Kind::Trust, false) => return Ok(Scope::Everything),
        (Kind::Identity, false) => return malformed("Policy statement must contain resources."),
        (Kind::Identity | Kind::Resource, _) => {}
    }
    let scope = scope(fields, "Resource", "NotResource")?;
    let is_arn = |text: &&String| *text == "*" || text.starts_with("arn:");
    // Policies of resources may abbreviate, as API Gateway's do.
    match scope.patterns().iter().find(|resource| !is_arn(resource)) {
        Some(odd) if kind == Kind::Identity => {
            malformed(format!("Resource {odd} must be in ARN format or \"*\"."))
        }
        Some(_) | None => Ok(scope),
    }
}

fn scope(fields: &Map<String, Value>, only: &str, all_but: &str) -> Result<Scope, Malformed> {
    Ok(match one_of(fields, only, all_but)? {
        (value, false) => Scope::Only(texts(only, value)?),
        (value, true) => Scope::AllBut(texts(all_but, value)?),
    })
}

/// The one of two elements that is there, and whether it is the second.
fn one_of<'a>(
    fields: &'a Map<String, Value>,
    first: &str,
    second: &str,
) -> Result<(&'a Value, bool), Malformed> {
    match (fields.get(first), fields.get(second)) {
        (Some(value), None) => Ok((value, false)),
        (None, Some(value)) => Ok((value, true)),
        (None, None) => malformed(format!("a statement must have {first} or {second}")),
        (Some(_), Some(_)) => malformed(format!(
            "a statement must not have both {first} and {second}"
        )),
    }
}

fn named(value: &Value) -> Result<Named, Malformed> {
    let fields = match value {
        Value::String(all) if all == "*" => {
            return Ok(Named {
                everyone: true,
                ..Named::default()
            });
        }
        Value::Object(fields) if !fields.is_empty() => fields,
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            return malformed("Principal must be \"*\" or an object of AWS or Service");
        }
    };
    only_known(
        fields,
        &["AWS", "Service", "Federated", "CanonicalUser"],
        "Principal",
    )?;
    let mut named = Named::default();
    if let Some(value) = fields.get("AWS") {
        named.identities = texts("Principal", value)?;
        named.everyone = named.identities.iter().any(|identity| identity == "*");
    }
    if let Some(value) = fields.get("Service") {
        named.services = texts("Principal", value)?;
    }
    Ok(named)
}

fn conditions(value: Option<&Value>) -> Result<Vec<Condition>, Malformed> {
    let operators = match value {
        None => return Ok(Vec::new()),
        Some(Value::Object(operators)) => operators,
        Some(_) => return malformed("Condition must be a JSON object"),
    };
    let mut all = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return malformed(format!(
                "condition operator {operator} must have a JSON object"
            ));
        };
        for (key, values) in keys {
            let condition = Condition::new(operator, key, texts(key, values)?);
            all.push(condition.map_err(Malformed)?);
        }
    }
    Ok(all)
}

/// A text or a list of texts. Numbers and booleans stand for their text, as AWS takes them.
fn texts(element: &str, value: &Value) -> Result<Vec<String>, Malformed> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            malformed(format!("{element} must be a text or a list of texts"))
        }
    };
    match value {
        Value::Array(values) if values.is_empty() => {
            malformed(format!("{element} must not be empty"))
        }
        Value::Array(values) => values.iter().map(text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Ok(vec![text(value)?])
        }
    }
}

fn only_known(fields: &Map<String, Value>, known: &[&str], of: &str) -> Result<(), Malformed> {
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(unknown) => malformed(format!("{of} must not have the element {unknown}")),
        None => Ok(()),
    }
}
