//! Permissions boundaries: a managed policy that limits what a role's other policies can grant
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{State, needs, no_such, read};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutRolePermissionsBoundary",
        needs: |world, caller, input| {
            let need = needs::of_role(world, caller, input, "iam:PutRolePermissionsBoundary");
            // The key is the boundary that the role gets, not the one that it has.
            let boundary = needs::text(input, "PermissionsBoundary");
            vec![needs::with_boundary(need, Some(boundary))]
        },
        run: put_role_permissions_boundary,
    },
    Operation {
        name: "DeleteRolePermissionsBoundary",
        needs: |world, caller, input| {
            let action = "iam:DeleteRolePermissionsBoundary";
            vec![needs::of_bounded_role(world, caller, input, action)]
        },
        run: delete_role_permissions_boundary,
    },
];

/// Checks that a policy can be a boundary.
pub(super) fn check(state: &State, caller: &Caller, arn: &str) -> Result<(), AwsError> {
    state.attachable(caller, arn, "Scope ARN:")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRolePermissionsBoundary {
    role_name: String,
    permissions_boundary: String,
}

fn put_role_permissions_boundary(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: PutRolePermissionsBoundary = read(input)?;
    world.iam.the_role(caller, &input.role_name)?;
    check(&world.iam, caller, &input.permissions_boundary)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    role.boundary = Some(input.permissions_boundary);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByName {
    role_name: String,
}

fn delete_role_permissions_boundary(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: ByName = read(input)?;
    let role = world.iam.the_role_mut(caller, &input.role_name)?;
    match role.boundary.take() {
        Some(_) => Ok(json!({})),
        None => Err(no_such(format!(
            "Role {} has no permissions boundary.",
            input.role_name
        ))),
    }
}
