//! Grants: permissions on a key that live beside its policy.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::key::{Key, Usage};
use super::list::{Cut, Limits, answer};
use super::resolve::Place;
use super::signing::dry_run;
use super::{date, needs, read, rules, validation};
use crate::policy::Context;
use crate::world::{AwsError, Caller, Operation, World};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    pub created: Timestamp,
    /// Every token that CreateGrant gave out for it.
    pub tokens: Vec<String>,
    pub issuing_account: String,
    pub terms: Terms,
}

/// What the creator of a grant chose: two requests with equal terms and a name are one grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Terms {
    pub grantee_principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_principal: Option<String>,
    pub operations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Constraints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Constraints {
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_subset: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_equals: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_arn: Option<String>,
}

impl Grant {
    /// Whether it allows one of some principals an operation, given the condition keys of the call.
    pub fn allows(&self, principals: &[&str], operation: &str, context: &Context) -> bool {
        let Terms {
            grantee_principal,
            operations,
            constraints,
            ..
        } = &self.terms;
        principals.contains(&grantee_principal.as_str())
            && operations.iter().any(|granted| granted == operation)
            && constraints
                .as_ref()
                .is_none_or(|it| it.hold(operation, context))
    }
}

impl Constraints {
    /// A constraint on the encryption context holds for the operations that have one; for DescribeKey
    /// and its like it does not count
    /// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html>).
    fn hold(&self, operation: &str, context: &Context) -> bool {
        let prefix = "kms:EncryptionContext:";
        let given: BTreeMap<&str, &str> = context
            .iter()
            .filter_map(|(key, values)| Some((key.strip_prefix(prefix)?, values.first()?.as_str())))
            .collect();
        let has =
            |(key, value): (&String, &String)| given.get(key.as_str()) == Some(&value.as_str());
        let is_cipher = ["Encrypt", "Decrypt", "GenerateDataKey"].contains(&operation);
        let subset = self.encryption_context_subset.as_ref();
        let equals = self.encryption_context_equals.as_ref();
        let source = self.source_arn.as_ref();
        let fits = subset.is_none_or(|wanted| wanted.iter().all(has))
            && equals.is_none_or(|wanted| wanted.len() == given.len() && wanted.iter().all(has));
        (fits || !is_cipher)
            && source.is_none_or(|arn| context.get("aws:SourceArn") == Some(&vec![arn.clone()]))
    }
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateGrant",
        needs: |world, caller, input| {
            let mut need = needs::of_key(world, caller, input, &rules::CREATE_GRANT)
                // Only a service that acts for a caller sets this to true.
                .with("kms:GrantIsForAWSResource", vec!["false".into()])
                .with("kms:GrantOperations", texts(input.get("Operations")));
            for (member, key) in [
                ("GranteePrincipal", "kms:GranteePrincipal"),
                ("RetiringPrincipal", "kms:RetiringPrincipal"),
            ] {
                need = needs::with_member(need, input, member, key);
            }
            let constraints = input.get("Constraints").and_then(Value::as_object);
            let types: Vec<_> = constraints
                .into_iter()
                .flat_map(|c| c.keys().cloned())
                .collect();
            vec![if types.is_empty() {
                need
            } else {
                need.with("kms:GrantConstraintType", types)
            }]
        },
        run: create_grant,
    },
    Operation {
        name: "ListGrants",
        needs: |world, caller, input| {
            vec![needs::of_key(world, caller, input, &rules::LIST_GRANTS)]
        },
        run: list_grants,
    },
    Operation {
        name: "RevokeGrant",
        needs: |world, caller, input| {
            vec![needs::of_key(world, caller, input, &rules::REVOKE_GRANT)]
        },
        run: revoke_grant,
    },
    Operation {
        name: "RetireGrant",
        needs: |world, caller, input| {
            let named = retired(world, caller, input).ok();
            // A grant that is not found is told by the operation.
            let Some((key, grant)) = named.as_ref().and_then(|(place, id)| {
                let key = world.kms.key(place);
                Some((key, key.grants.get(id)?))
            }) else {
                return Vec::new();
            };
            if grant.lets_retire(caller) {
                return Vec::new();
            }
            let arn = key.arn();
            vec![needs::of_named_key(
                world,
                caller,
                &arn,
                &rules::RETIRE_GRANT,
            )]
        },
        run: retire_grant,
    },
];

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateGrant {
    key_id: String,
    grantee_principal: Option<String>,
    retiring_principal: Option<String>,
    operations: Vec<String>,
    constraints: Option<Constraints>,
    name: Option<String>,
    dry_run: Option<bool>,
    grantee_service_principal: Option<String>,
    retiring_service_principal: Option<String>,
}

fn create_grant(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreateGrant = read(input)?;
    if input.grantee_service_principal.is_some() || input.retiring_service_principal.is_some() {
        return Err(AwsError::not_modelled(
            "kms:CreateGrant for service principals",
        ));
    }
    let Some(grantee_principal) = input.grantee_principal else {
        return Err(validation(
            "You must specify GranteePrincipal or GranteeServicePrincipal",
        ));
    };
    let place = world.admit(caller, &input.key_id, &rules::CREATE_GRANT)?;
    let key = world.kms.key(&place);
    if input.operations.is_empty() {
        return Err(validation("Operations must not be empty"));
    }
    if let Some(odd) = input
        .operations
        .iter()
        .find(|operation| !is_grantable(key, operation))
    {
        return Err(validation(format!(
            "Operation {odd} cannot be granted on a key of usage {}",
            key.usage.name()
        )));
    }
    let encryption_context = input.constraints.as_ref().is_some_and(|constraints| {
        constraints.encryption_context_equals.is_some()
            || constraints.encryption_context_subset.is_some()
    });
    if encryption_context && key.usage != Usage::EncryptDecrypt {
        return Err(validation(
            "Encryption context constraints need a symmetric encryption key",
        ));
    }
    if input.dry_run == Some(true) {
        return Err(dry_run());
    }
    let terms = Terms {
        grantee_principal,
        retiring_principal: input.retiring_principal,
        operations: input.operations,
        constraints: input.constraints,
        name: input.name,
    };
    let token = world.random.text(b"0123456789abcdef", 64);
    let fresh_id = world.random.text(b"0123456789abcdef", 64);
    let key = world.kms.key_mut(&place);
    // A name makes the call repeatable; each repetition has a token of its own.
    let same = key
        .grants
        .iter()
        .find(|(_, grant)| terms.name.is_some() && grant.terms == terms);
    let id = same.map_or(fresh_id, |(id, _)| id.clone());
    let grant = key.grants.entry(id.clone()).or_insert_with(|| Grant {
        created: caller.now,
        tokens: Vec::new(),
        issuing_account: format!("arn:aws:iam::{}:root", caller.account),
        terms,
    });
    grant.tokens.push(token.clone());
    Ok(json!({ "GrantId": id, "GrantToken": token }))
}

/// Which operations a grant on a key may list
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-grant-operations>).
fn is_grantable(key: &Key, operation: &str) -> bool {
    match operation {
        "CreateGrant" | "RetireGrant" | "DescribeKey" => true,
        "Sign" | "Verify" => key.usage == Usage::SignVerify,
        "GetPublicKey" => key.usage != Usage::EncryptDecrypt,
        "DeriveSharedSecret" => key.usage == Usage::KeyAgreement,
        "Encrypt"
        | "Decrypt"
        | "ReEncryptFrom"
        | "ReEncryptTo"
        | "GenerateDataKey"
        | "GenerateDataKeyWithoutPlaintext"
        | "GenerateDataKeyPair"
        | "GenerateDataKeyPairWithoutPlaintext" => key.usage == Usage::EncryptDecrypt,
        _ => false,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListGrants {
    key_id: String,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<String>,
}

fn list_grants(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListGrants = read(input)?;
    let place = world.admit(caller, &input.key_id, &rules::LIST_GRANTS)?;
    let key = world.kms.key(&place);
    if let Some(id) = input
        .grant_id
        .as_ref()
        .filter(|id| !key.grants.contains_key(*id))
    {
        return Err(invalid_grant_id(id));
    }
    let arn = key.arn();
    let chosen = key.grants.iter().filter(|(id, grant)| {
        input.grant_id.as_ref().is_none_or(|wanted| wanted == *id)
            && input.grantee_principal.as_ref().is_none_or(|p| *p == grant.terms.grantee_principal)
            // No grant here has a service as its grantee.
            && input.grantee_service_principal.is_none()
    });
    let items = chosen.map(|(id, grant)| {
        let mut item = json!(grant.terms);
        item["KeyId"] = arn.as_str().into();
        item["GrantId"] = id.as_str().into();
        item["CreationDate"] = date(grant.created);
        item["IssuingAccount"] = grant.issuing_account.as_str().into();
        (id.clone(), item)
    });
    Ok(answer(
        "Grants",
        cut.page(
            "ListGrants",
            Limits {
                default: 50,
                max: 100,
            },
            items,
        )?,
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EndGrant {
    key_id: Option<String>,
    grant_id: Option<String>,
    grant_token: Option<String>,
    dry_run: Option<bool>,
}

fn revoke_grant(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: EndGrant = read(input)?;
    let place = world.admit(
        caller,
        input.key_id.as_deref().unwrap_or_default(),
        &rules::REVOKE_GRANT,
    )?;
    end(
        world,
        &place,
        &input.grant_id.unwrap_or_default(),
        input.dry_run,
    )
}

fn retire_grant(world: &mut World, caller: &Caller, given: Value) -> Result<Value, AwsError> {
    let input: EndGrant = read(given.clone())?;
    world.kms.expire(caller.now);
    let (place, id) = retired(world, caller, &given)?;
    let key = world.kms.key(&place);
    if !key.grants.contains_key(&id) {
        return Err(invalid_grant_id(&id));
    }
    end(world, &place, &id, input.dry_run)
}

/// The grant that a request to retire one names: by its token, or by key ARN and id.
fn retired(world: &World, caller: &Caller, input: &Value) -> Result<(Place, String), AwsError> {
    let input: EndGrant = read(input.clone())?;
    match (input.grant_token, input.key_id, input.grant_id) {
        (Some(token), None, None) => by_token(world, caller, &token),
        (None, Some(key), Some(id)) => {
            let key = world.kms.find(caller, &key, rules::RETIRE_GRANT.names)?;
            Ok((Place::of(key), id))
        }
        (Some(_) | None, Some(_) | None, Some(_) | None) => Err(validation(
            "Specify either GrantToken or both KeyId and GrantId",
        )),
    }
}

impl Grant {
    /// Permission to retire a grant is in the grant itself: for the retiring principal, and for the
    /// grantee if the grant says so. Others need kms:RetireGrant on the key
    /// (<https://docs.aws.amazon.com/kms/latest/developerguide/grant-delete.html>).
    fn lets_retire(&self, caller: &Caller) -> bool {
        let root = format!("arn:aws:iam::{}:root", caller.account);
        let is_caller = |principal: &str| principal == caller.arn || principal == root;
        let terms = &self.terms;
        terms.retiring_principal.as_deref().is_some_and(is_caller)
            || (terms.operations.iter().any(|o| o == "RetireGrant")
                && is_caller(&terms.grantee_principal))
    }
}

fn by_token(world: &World, caller: &Caller, token: &str) -> Result<(Place, String), AwsError> {
    let keyrings = world
        .kms
        .accounts
        .values()
        .filter_map(|regions| regions.get(&caller.region));
    for key in keyrings.flat_map(|keyring| keyring.keys.values()) {
        let held = key
            .grants
            .iter()
            .find(|(_, grant)| grant.tokens.iter().any(|t| t == token));
        if let Some((id, _)) = held {
            return Ok((Place::of(key), id.clone()));
        }
    }
    Err(AwsError::new(
        "InvalidGrantTokenException",
        "The grant token is not valid",
    ))
}

fn end(world: &mut World, place: &Place, id: &str, dry: Option<bool>) -> Result<Value, AwsError> {
    let key = world.kms.key_mut(place);
    if !key.grants.contains_key(id) {
        return Err(AwsError::new(
            "NotFoundException",
            format!("Grant ID {id} not found"),
        ));
    }
    if dry == Some(true) {
        return Err(dry_run());
    }
    key.grants.remove(id);
    Ok(json!({}))
}

fn invalid_grant_id(id: &str) -> AwsError {
    AwsError::new("InvalidGrantIdException", format!("Invalid grant id {id}"))
}
