//! Resource policies of CloudWatch Logs: which services may write to the groups of an account in a
//! region, or to a single group.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::group::answer;
use super::{State, invalid, millis, name_in_arn, read};
use crate::policy::Policy;
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutResourcePolicy",
        needs: |_, _, _| vec![Need::new("logs:PutResourcePolicy", "*")],
        run: put_resource_policy,
    },
    Operation {
        name: "DescribeResourcePolicies",
        needs: |_, _, _| vec![Need::new("logs:DescribeResourcePolicies", "*")],
        run: describe_resource_policies,
    },
    Operation {
        name: "DeleteResourcePolicy",
        needs: |_, _, _| vec![Need::new("logs:DeleteResourcePolicy", "*")],
        run: delete_resource_policy,
    },
];

/// "An account can have up to 10 resource policies per AWS Region."
const POLICIES_MAX: usize = 10;

/// Characters of a document for an account (API page of PutResourcePolicy: 5120; the model's bound of
/// 51,200 is that of a single group's policy).
const ACCOUNT_DOCUMENT_MAX: usize = 5120;

/// A policy for all groups of an account in a region, or for one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ResourcePolicy {
    document: String,
    updated: Timestamp,
    revision: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutResourcePolicy {
    policy_name: Option<String>,
    policy_document: Option<String>,
    resource_arn: Option<String>,
    expected_revision_id: Option<String>,
}

/// Whether a policy is for the account, by its name, or for a group, by its ARN.
fn scoped(
    caller: &Caller,
    name: Option<String>,
    arn: Option<String>,
) -> Result<Result<String, String>, AwsError> {
    match (name, arn) {
        (Some(name), None) if !name.is_empty() => Ok(Ok(name)),
        (None, Some(arn)) => match name_in_arn(caller, &arn) {
            Some(group) => Ok(Err(group.to_owned())),
            None => Err(invalid(format!("Invalid resource ARN '{arn}'"))),
        },
        (None | Some(_), None) | (Some(_), Some(_)) => Err(invalid(
            "Exactly one of policyName and resourceArn must be specified",
        )),
    }
}

fn put_resource_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: PutResourcePolicy = read(input)?;
    let document = input
        .policy_document
        .ok_or_else(|| invalid("policyDocument must be specified"))?;
    let revision = world.random.text(b"0123456789abcdef", 32);
    let policy = ResourcePolicy {
        document,
        updated: caller.now,
        revision,
    };
    match scoped(caller, input.policy_name, input.resource_arn)? {
        Ok(name) => {
            if input.expected_revision_id.is_some() {
                return Err(invalid(
                    "expectedRevisionId is for policies of a resource only",
                ));
            }
            check_document(&policy.document)?;
            if policy.document.chars().count() > ACCOUNT_DOCUMENT_MAX {
                return Err(AwsError::new(
                    "LimitExceededException",
                    format!("A policy document has at most {ACCOUNT_DOCUMENT_MAX} characters"),
                ));
            }
            let policies = world.logs.policies_mut(caller);
            if !policies.contains_key(&name) && policies.len() >= POLICIES_MAX {
                return Err(AwsError::new(
                    "LimitExceededException",
                    "Resource limit exceeded.",
                ));
            }
            let shown = account_policy(&name, &policy);
            policies.insert(name, policy);
            Ok(json!({ "resourcePolicy": shown }))
        }
        Err(group_name) => {
            check_document(&policy.document)?;
            let group = world.logs.group_mut(caller, &group_name)?;
            check_revision(group.policy.as_ref(), input.expected_revision_id.as_deref())?;
            let shown = group_policy(caller, &group_name, &policy);
            let revision = policy.revision.clone();
            group.policy = Some(policy);
            Ok(json!({ "resourcePolicy": shown, "revisionId": revision }))
        }
    }
}

/// A statement of a policy names principals, actions and resources as everywhere.
fn check_document(document: &str) -> Result<(), AwsError> {
    let policy = Policy::parse(document)
        .map_err(|problem| invalid(format!("Invalid policy document: {problem}")))?;
    drop(policy);
    Ok(())
}

/// The revision that a caller believes to be there.
fn check_revision(policy: Option<&ResourcePolicy>, expected: Option<&str>) -> Result<(), AwsError> {
    match (policy, expected) {
        (_, None) => Ok(()),
        (Some(policy), Some(expected)) if policy.revision == expected => Ok(()),
        (Some(_) | None, Some(_)) => Err(AwsError::new(
            "OperationAbortedException",
            "The expected revision ID is not that of the policy",
        )),
    }
}

fn account_policy(name: &str, policy: &ResourcePolicy) -> Value {
    json!({
        "policyName": name,
        "policyDocument": policy.document,
        "lastUpdatedTime": millis(policy.updated),
        "policyScope": "ACCOUNT",
    })
}

fn group_policy(caller: &Caller, group: &str, policy: &ResourcePolicy) -> Value {
    json!({
        "policyDocument": policy.document,
        "lastUpdatedTime": millis(policy.updated),
        "policyScope": "RESOURCE",
        "resourceArn": super::arn_of(&caller.account, &caller.region, group),
        "revisionId": policy.revision,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeResourcePolicies {
    next_token: Option<String>,
    limit: Option<usize>,
    resource_arn: Option<String>,
    policy_scope: Option<String>,
}

/// Policies of the account unless a resource or the scope RESOURCE is asked for.
fn describe_resource_policies(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeResourcePolicies = read(input)?;
    let group = match &input.resource_arn {
        None => None,
        Some(arn) => match name_in_arn(caller, arn) {
            Some(name) => Some(name.to_owned()),
            None => return Err(invalid(format!("Invalid resource ARN '{arn}'"))),
        },
    };
    let of_resources = input.policy_scope.as_deref() == Some("RESOURCE") || group.is_some();
    if group.is_some() && input.policy_scope.as_deref() == Some("ACCOUNT") {
        return Err(invalid("resourceArn excludes the policy scope ACCOUNT"));
    }
    let items: Vec<(String, Value)> = if of_resources {
        let groups = world.logs.groups_mut(caller).iter();
        groups
            .filter(|(name, _)| group.as_ref().is_none_or(|group| group == *name))
            .filter_map(|(name, group)| {
                let policy = group.policy.as_ref()?;
                Some((name.clone(), group_policy(caller, name, policy)))
            })
            .collect()
    } else {
        let policies = world.logs.policies_mut(caller).iter();
        policies
            .map(|(name, policy)| (name.clone(), account_policy(name, policy)))
            .collect()
    };
    answer(
        "DescribeResourcePolicies",
        "resourcePolicies",
        items.into_iter(),
        input.next_token,
        input.limit,
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteResourcePolicy {
    policy_name: Option<String>,
    resource_arn: Option<String>,
    expected_revision_id: Option<String>,
}

fn delete_resource_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DeleteResourcePolicy = read(input)?;
    let missing = |what: &str| {
        AwsError::new(
            "ResourceNotFoundException",
            format!("Policy with {what} does not exist."),
        )
    };
    match scoped(caller, input.policy_name, input.resource_arn)? {
        Ok(name) => {
            let policy = world.logs.policies_mut(caller).remove(&name);
            policy.ok_or_else(|| missing(&format!("name [{name}]")))?;
        }
        Err(name) => {
            let group = world.logs.group_mut(caller, &name)?;
            if group.policy.is_none() {
                return Err(missing(&format!("log group [{name}]")));
            }
            check_revision(group.policy.as_ref(), input.expected_revision_id.as_deref())?;
            group.policy = None;
        }
    }
    Ok(json!({}))
}

impl State {
    /// The documents that concern a resource: those of its account and region, and its group's own.
    fn policy_documents<'s>(
        &'s self,
        account: &str,
        region: &str,
        resource: &str,
    ) -> impl Iterator<Item = &'s str> {
        let of_account = self.policies.get(account).and_then(|of| of.get(region));
        let group = resource
            .strip_prefix(&super::arn_of(account, region, ""))
            .map(|rest| rest.split(':').next().unwrap_or(rest));
        let of_group = group.and_then(|name| self.groups(account, region)?.get(name));
        of_account
            .into_iter()
            .flat_map(|policies| policies.values())
            .chain(of_group.and_then(|group| group.policy.as_ref()))
            .map(|policy| policy.document.as_str())
    }

    /// The policies that concern the resource of an ARN as one document, for the evaluation of a
    /// principal's rights; none if there are none.
    pub fn resource_policy(&self, arn: &str) -> Option<String> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "logs", region, account, _] = parts[..] else {
            return None;
        };
        let mut statements = Vec::new();
        for document in self.policy_documents(account, region, arn) {
            let Ok(mut document) = serde_json::from_str::<Value>(document) else {
                continue;
            };
            match document["Statement"].take() {
                Value::Array(several) => statements.extend(several),
                one => statements.push(one),
            }
        }
        // Statement ids are unique within a policy only.
        for statement in &mut statements {
            if let Some(fields) = statement.as_object_mut() {
                fields.remove("Sid");
            }
        }
        (!statements.is_empty())
            .then(|| json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
    }
}
