//! What a role may do: its inline policies and the managed policies attached to it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::list::Cut;
use super::{document, limit, needs, no_such, read};
use crate::wire::text::percent_encode;
use crate::world::{AwsError, Caller, Need, Operation, World};

/// Characters of all inline policies of a role, and managed policies attached to it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub(super) const INLINE_MAX: usize = 10_240;
pub(super) const ATTACHED_MAX: usize = 10;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutRolePolicy",
        needs: |world, caller, input| {
            vec![needs::of_bounded_role(
                world,
                caller,
                input,
                "iam:PutRolePolicy",
            )]
        },
        run: put_role_policy,
    },
    Operation {
        name: "GetRolePolicy",
        needs: |world, caller, input| {
            vec![needs::of_role(world, caller, input, "iam:GetRolePolicy")]
        },
        run: get_role_policy,
    },
    Operation {
        name: "DeleteRolePolicy",
        needs: |world, caller, input| {
            vec![needs::of_bounded_role(
                world,
                caller,
                input,
                "iam:DeleteRolePolicy",
            )]
        },
        run: delete_role_policy,
    },
    Operation {
        name: "ListRolePolicies",
        needs: |world, caller, input| {
            vec![needs::of_role(world, caller, input, "iam:ListRolePolicies")]
        },
        run: list_role_policies,
    },
    Operation {
        name: "AttachRolePolicy",
        needs: |world, caller, input| {
            vec![of_attachment(world, caller, input, "iam:AttachRolePolicy")]
        },
        run: attach_role_policy,
    },
    Operation {
        name: "DetachRolePolicy",
        needs: |world, caller, input| {
            vec![of_attachment(world, caller, input, "iam:DetachRolePolicy")]
        },
        run: detach_role_policy,
    },
    Operation {
        name: "ListAttachedRolePolicies",
        needs: |world, caller, input| {
            let action = "iam:ListAttachedRolePolicies";
            vec![needs::of_role(world, caller, input, action)]
        },
        run: list_attached_role_policies,
    },
];

fn of_attachment(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let policy = needs::text(input, "PolicyArn").to_owned();
    needs::of_bounded_role(world, caller, input, action).with("iam:PolicyARN", vec![policy])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRolePolicy {
    role_name: String,
    policy_name: String,
    policy_document: String,
}

fn put_role_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: PutRolePolicy = read(input)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    document::check_identity(&input.policy_document)?;
    let mut inline = role.inline.clone();
    inline.insert(input.policy_name, input.policy_document);
    if inline
        .values()
        .map(|text| document::size(text))
        .sum::<usize>()
        > INLINE_MAX
    {
        return Err(AwsError::new(
            "LimitExceeded",
            format!(
                "Maximum policy size of {INLINE_MAX} bytes exceeded for role {}",
                role.name
            ),
        ));
    }
    role.inline = inline;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByName {
    role_name: String,
    policy_name: String,
}

fn unknown_inline(name: &str) -> AwsError {
    no_such(format!("The role policy with name {name} cannot be found."))
}

fn get_role_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByName = read(input)?;
    let role = world.iam.the_role(caller, &input.role_name)?;
    let document = role.inline.get(&input.policy_name);
    let document = document.ok_or_else(|| unknown_inline(&input.policy_name))?;
    Ok(json!({
        "RoleName": role.name,
        "PolicyName": input.policy_name,
        "PolicyDocument": percent_encode(document),
    }))
}

fn delete_role_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByName = read(input)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    let found = role.inline.remove(&input.policy_name);
    found.ok_or_else(|| unknown_inline(&input.policy_name))?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfRole {
    role_name: String,
    path_prefix: Option<String>,
}

fn list_role_policies(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: OfRole = read(input)?;
    let role = world.iam.the_role(caller, &input.role_name)?;
    let names = role.inline.keys();
    let names = names.map(|name| (name.clone(), name.as_str().into()));
    cut.answer(("ListRolePolicies", "PolicyNames"), names)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByArn {
    role_name: String,
    policy_arn: String,
}

fn attach_role_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByArn = read(input)?;
    world.iam.the_role(caller, &input.role_name)?;
    world.iam.attachable(caller, &input.policy_arn, "Policy")?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    // Attaching what is attached already is no error.
    if role.attached.len() >= ATTACHED_MAX && !role.attached.contains(&input.policy_arn) {
        return Err(limit("PoliciesPerRole", ATTACHED_MAX));
    }
    role.attached.insert(input.policy_arn);
    Ok(json!({}))
}

fn detach_role_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByArn = read(input)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    if role.attached.remove(&input.policy_arn) {
        return Ok(json!({}));
    }
    Err(no_such(format!(
        "Policy {} was not found.",
        input.policy_arn
    )))
}

fn list_attached_role_policies(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: OfRole = read(input)?;
    let prefix = input.path_prefix.unwrap_or_default();
    let role = world.iam.the_role(caller, &input.role_name)?;
    let found = role.attached.iter().filter_map(|arn| {
        let policy = world.iam.known(arn)?;
        let shape = json!({ "PolicyName": policy.name(), "PolicyArn": arn });
        policy
            .path()
            .starts_with(&prefix)
            .then(|| (policy.key(), shape))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    cut.answer(("ListAttachedRolePolicies", "AttachedPolicies"), found)
}
