//! ListKeys and ListKeyPolicies, and the pages of all KMS listings.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{needs, read, rules, validation};
use crate::listing::{self, Page};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "ListKeys",
        needs: |_, _, _| vec![Need::new("kms:ListKeys", "*")],
        run: list_keys,
    },
    Operation {
        name: "ListKeyPolicies",
        needs: |world, caller, input| {
            vec![needs::of_key(
                world,
                caller,
                input,
                &rules::LIST_KEY_POLICIES,
            )]
        },
        run: list_key_policies,
    },
];

/// How many items a listing gives in one page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub default: usize,
    pub max: usize,
}

/// `Limit` and `Marker` of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cut {
    limit: Option<usize>,
    marker: Option<String>,
}

impl Cut {
    /// One page of a listing, and the members that say whether there is more.
    pub fn page(
        &self,
        listing: &str,
        limits: Limits,
        items: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(Vec<Value>, Value), AwsError> {
        let limit = self.limit.unwrap_or(limits.default);
        if !(1..=limits.max).contains(&limit) {
            return Err(validation(format!(
                "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy \
                 constraint: Member must have value between 1 and {}",
                limits.max
            )));
        }
        let after = match &self.marker {
            None => None,
            Some(marker) => Some(listing::after(listing, marker).ok_or_else(|| {
                AwsError::new(
                    "InvalidMarkerException",
                    format!("Invalid marker '{marker}'"),
                )
            })?),
        };
        let Page { items, next } = listing::page(items, after.as_deref(), limit);
        let mut end = json!({ "Truncated": next.is_some() });
        if let Some(next) = next {
            end["NextMarker"] = listing::token(listing, &next).into();
        }
        Ok((items, end))
    }
}

/// Puts the items of a page into its answer.
pub(super) fn answer(member: &str, (items, mut answer): (Vec<Value>, Value)) -> Value {
    answer[member] = items.into();
    answer
}

/// A key shows up here some time after it was created; DescribeKey sees it at once.
fn list_keys(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    if input.get("ResourceOwners").is_some() {
        return Err(AwsError::not_modelled("kms:ListKeys with ResourceOwners"));
    }
    let cut: Cut = read(input)?;
    world.kms.expire(caller.now);
    let keys = world.kms.keyring(&caller.account, &caller.region);
    let keys = keys.into_iter().flat_map(|keyring| keyring.keys.values());
    let listed = keys.filter(|key| key.listed_from <= caller.now);
    let items = listed.map(|key| {
        (
            key.id.clone(),
            json!({ "KeyId": key.id, "KeyArn": key.arn() }),
        )
    });
    Ok(answer(
        "Keys",
        cut.page(
            "ListKeys",
            Limits {
                default: 100,
                max: 1000,
            },
            items,
        )?,
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListKeyPolicies {
    key_id: String,
}

/// A key has one policy, named `default`.
fn list_key_policies(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListKeyPolicies = read(input)?;
    world.admit(caller, &input.key_id, &rules::LIST_KEY_POLICIES)?;
    let items = [("default".to_owned(), json!("default"))];
    let limits = Limits {
        default: 100,
        max: 1000,
    };
    Ok(answer(
        "PolicyNames",
        cut.page("ListKeyPolicies", limits, items)?,
    ))
}
