//! Who may use a function besides those whose own policies say so: its resource policy, written
//! statement by statement.
//!
//! AddPermission takes parts of a statement and answers the statement that they make; GetPolicy answers
//! the document as AWS writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::function::{Function, check_revision};
use super::name::{LATEST, Target};
use super::{conflict, invalid, needs, not_found, read};
use crate::world::{AwsError, Caller, Operation, World};

/// "Function resource-based policy: 20 KB"
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const POLICY_MAX_BYTES: usize = 20_480;

/// The policy of a function, a version or an alias.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ResourcePolicy {
    revision: String,
    /// In the order in which they were added.
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Statement {
    sid: String,
    /// `Principal` as it was given, for the condition keys of RemovePermission.
    principal_given: String,
    /// As GetPolicy shows it.
    principal: Value,
    action: String,
    resource: String,
    /// Operator, key, value; in AWS's order.
    conditions: Vec<(String, String, String)>,
}

/// A statement in the order in which AWS writes its members.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Written<'a> {
    sid: &'a str,
    effect: &'static str,
    principal: &'a Value,
    action: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    id: &'static str,
    statement: Vec<Written<'a>>,
}

impl Statement {
    fn written(&self) -> Written<'_> {
        let mut condition = json!({});
        for (operator, key, value) in &self.conditions {
            condition[operator][key] = value.as_str().into();
        }
        Written {
            sid: &self.sid,
            effect: "Allow",
            principal: &self.principal,
            action: &self.action,
            resource: &self.resource,
            condition: (!self.conditions.is_empty()).then_some(condition),
        }
    }
}

impl ResourcePolicy {
    /// The document, as GetPolicy answers it and evaluation reads it.
    pub fn document(&self) -> String {
        let document = Document {
            version: "2012-10-17",
            id: "default",
            statement: self.statements.iter().map(Statement::written).collect(),
        };
        serde_json::to_string(&document).expect("plain data")
    }
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "AddPermission",
        needs: |world, caller, input| {
            let need = needs::of_function(world, caller, input, "lambda:AddPermission");
            let need = needs::with_member(need, input, "Principal", "lambda:Principal");
            vec![needs::with_member(
                need,
                input,
                "FunctionUrlAuthType",
                "lambda:FunctionUrlAuthType",
            )]
        },
        run: add_permission,
    },
    Operation {
        name: "RemovePermission",
        needs: |world, caller, input| {
            let mut need = needs::of_function(world, caller, input, "lambda:RemovePermission");
            if let Some(statement) = statement_named(world, caller, input) {
                let principal = vec![statement.principal_given.clone()];
                need = need.with("lambda:Principal", principal);
                let conditions = statement.conditions.iter();
                for (_, key, value) in conditions {
                    if key == "lambda:FunctionUrlAuthType" {
                        need = need.with(key, vec![value.clone()]);
                    }
                }
            }
            vec![need]
        },
        run: remove_permission,
    },
    Operation {
        name: "GetPolicy",
        needs: |world, caller, input| {
            vec![needs::of_function(world, caller, input, "lambda:GetPolicy")]
        },
        run: get_policy,
    },
];

/// The statement that a call of RemovePermission is about.
fn statement_named<'w>(world: &'w World, caller: &Caller, input: &Value) -> Option<&'w Statement> {
    let given = needs::text(input, "FunctionName")?;
    let target = Target::parse(caller, given, needs::text(input, "Qualifier")).ok()?;
    let function = world.lambda.function(caller, &target).ok()?;
    let policy = function.policies.get(target.place())?;
    let sid = needs::text(input, "StatementId")?;
    policy
        .statements
        .iter()
        .find(|statement| statement.sid == sid)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AddPermission {
    function_name: String,
    statement_id: String,
    action: String,
    principal: String,
    source_arn: Option<String>,
    source_account: Option<String>,
    event_source_token: Option<String>,
    qualifier: Option<String>,
    revision_id: Option<String>,
    #[serde(rename = "PrincipalOrgID")]
    principal_org_id: Option<String>,
    function_url_auth_type: Option<String>,
    invoked_via_function_url: Option<bool>,
}

impl AddPermission {
    /// The conditions that the parts make, by operator and key.
    fn conditions(&self) -> Vec<(String, String, String)> {
        let via_url = self.invoked_via_function_url.map(|via| via.to_string());
        [
            (
                "StringEquals",
                "AWS:SourceAccount",
                self.source_account.clone(),
            ),
            (
                "StringEquals",
                "aws:PrincipalOrgID",
                self.principal_org_id.clone(),
            ),
            (
                "StringEquals",
                "lambda:FunctionUrlAuthType",
                self.function_url_auth_type.clone(),
            ),
            (
                "StringEquals",
                "lambda:EventSourceToken",
                self.event_source_token.clone(),
            ),
            ("Bool", "lambda:InvokedViaFunctionUrl", via_url),
            ("ArnLike", "AWS:SourceArn", self.source_arn.clone()),
        ]
        .into_iter()
        .filter_map(|(operator, key, value)| Some((operator.into(), key.into(), value?)))
        .collect()
    }
}

fn add_permission(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: AddPermission = read(input)?;
    let target = Target::parse(caller, &input.function_name, input.qualifier.as_deref())?;
    let principal = principal(world, caller, &input.principal)?;
    check_place(world.lambda.function(caller, &target)?, caller, &target)?;
    if !is_action(&input.action) {
        return Err(invalid(format!(
            "Provided Action {} is not a Lambda action that a policy can allow",
            input.action
        )));
    }
    let revision = world.random.uuid();
    let function = world.lambda.function_mut(caller, &target)?;
    let mut policy = function.policies.get(target.place()).cloned();
    check_policy_revision(input.revision_id.as_deref(), policy.as_ref())?;
    let statements = policy
        .as_mut()
        .map(|policy| std::mem::take(&mut policy.statements))
        .unwrap_or_default();
    if statements
        .iter()
        .any(|statement| statement.sid == input.statement_id)
    {
        return Err(conflict(format!(
            "The statement id ({}) provided already exists. Please provide a new statement id, or \
             remove the existing statement.",
            input.statement_id
        )));
    }
    let statement = Statement {
        conditions: input.conditions(),
        sid: input.statement_id,
        principal_given: input.principal,
        principal,
        action: input.action,
        resource: match target.place() {
            "" => target.function_arn(caller),
            _ => target.arn(caller),
        },
    };
    let answer = serde_json::to_string(&statement.written()).expect("plain data");
    let policy = ResourcePolicy {
        revision,
        statements: statements.into_iter().chain([statement]).collect(),
    };
    if policy.document().len() > POLICY_MAX_BYTES {
        return Err(AwsError::new(
            "PolicyLengthExceededException",
            format!("The final policy size is bigger than the limit ({POLICY_MAX_BYTES})."),
        ));
    }
    function.policies.insert(target.place().to_owned(), policy);
    Ok(json!({ "Statement": answer }))
}

/// Actions of Lambda that concern a function; `*` and `lambda:*` are taken too.
fn is_action(action: &str) -> bool {
    const VERBS: [&str; 10] = [
        "Add", "Create", "Delete", "Disable", "Get", "Invoke", "List", "Publish", "Put", "Update",
    ];
    let name = action.strip_prefix("lambda:").unwrap_or(action);
    let more = ["Remove", "Tag", "Untag", "Enable"];
    name == "*" || VERBS.iter().chain(&more).any(|verb| name.starts_with(verb))
}

/// `Principal` as the policy shows it. A user or role must exist, in this account: others cannot be
/// looked into and are taken at their word.
fn principal(world: &World, caller: &Caller, given: &str) -> Result<Value, AwsError> {
    let wrong =
        || invalid("The provided principal was invalid. Please check the principal and try again.");
    if given == "*" {
        return Ok("*".into());
    }
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if is_account(given) {
        return Ok(json!({ "AWS": format!("arn:aws:iam::{given}:root") }));
    }
    if let Some((account, resource)) = given
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(':'))
    {
        let is_own = account == caller.account;
        let is_known = match resource.split_once('/') {
            None => resource == "root",
            Some(("role", path)) => {
                let name = path.rsplit('/').next().unwrap_or_default();
                !is_own
                    || world
                        .role(account, name)
                        .is_some_and(|role| role.arn == given)
            }
            Some(("user", _)) => !is_own || world.identity_policies(given).is_some(),
            Some(_) => false,
        };
        return if is_account(account) && is_known {
            Ok(json!({ "AWS": given }))
        } else {
            Err(wrong())
        };
    }
    let is_service = given
        .strip_suffix(".amazonaws.com")
        .is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace));
    if is_service {
        Ok(json!({ "Service": given }))
    } else {
        Err(wrong())
    }
}

/// A policy belongs to the function, to an alias or to a published version, which must exist.
fn check_place(function: &Function, caller: &Caller, target: &Target) -> Result<(), AwsError> {
    match target.qualifier.as_deref() {
        Some(LATEST) => Err(invalid(
            "We currently do not support adding policies for $LATEST.",
        )),
        Some(_) | None => function.named(caller, target).map(|_| ()),
    }
}

fn check_policy_revision(
    expected: Option<&str>,
    policy: Option<&ResourcePolicy>,
) -> Result<(), AwsError> {
    let revision = policy.map_or("", |policy| &policy.revision);
    check_revision(expected, revision, "GetPolicy")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RemovePermission {
    function_name: String,
    statement_id: String,
    qualifier: Option<String>,
    revision_id: Option<String>,
}

fn remove_permission(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: RemovePermission = read(input)?;
    let target = Target::parse(caller, &input.function_name, input.qualifier.as_deref())?;
    let revision = world.random.uuid();
    let function = world.lambda.function_mut(caller, &target)?;
    let Some(policy) = function.policies.get_mut(target.place()) else {
        return Err(not_found(
            "No policy is associated with the given resource.",
        ));
    };
    check_policy_revision(input.revision_id.as_deref(), Some(policy))?;
    let is_it = |statement: &Statement| statement.sid == input.statement_id;
    if !policy.statements.iter().any(is_it) {
        return Err(not_found(format!(
            "Statement {} is not found in resource policy.",
            input.statement_id
        )));
    }
    policy.statements.retain(|statement| !is_it(statement));
    policy.revision = revision;
    if policy.statements.is_empty() {
        function.policies.remove(target.place());
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetPolicy {
    function_name: String,
    qualifier: Option<String>,
}

fn get_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GetPolicy = read(input)?;
    let target = Target::parse(caller, &input.function_name, input.qualifier.as_deref())?;
    let function = world.lambda.function(caller, &target)?;
    let Some(policy) = function.policies.get(target.place()) else {
        return Err(not_found("The resource you requested does not exist."));
    };
    Ok(json!({ "Policy": policy.document(), "RevisionId": policy.revision }))
}
