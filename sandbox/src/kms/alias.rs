//! Aliases: second names of keys, unique in an account and region.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::list::{Cut, Limits, answer};
use super::{date, needs, read, rules, validation};
use crate::world::{AwsError, Caller, Need, Operation, World};

/// Most aliases of one key
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>).
const ALIASES_MAX: usize = 50;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alias {
    /// Id of the key.
    pub target: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// From when on ListAliases shows it.
    pub listed_from: Timestamp,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateAlias",
        needs: |world, caller, input| alias_and_target(world, caller, input, &rules::CREATE_ALIAS),
        run: create_alias,
    },
    Operation {
        name: "UpdateAlias",
        // Also on the key that the alias leaves (the API page, "Required permissions").
        needs: |world, caller, input| {
            let mut all = alias_and_target(world, caller, input, &rules::UPDATE_ALIAS);
            all.extend(present_target(world, caller, input, "kms:UpdateAlias"));
            all
        },
        run: update_alias,
    },
    Operation {
        name: "DeleteAlias",
        needs: |world, caller, input| {
            let mut all = vec![needs::of_alias(caller, input, "kms:DeleteAlias")];
            all.extend(present_target(world, caller, input, "kms:DeleteAlias"));
            all
        },
        run: delete_alias,
    },
    Operation {
        name: "ListAliases",
        needs: |_, _, _| vec![Need::new("kms:ListAliases", "*")],
        run: list_aliases,
    },
];

fn alias_and_target(
    world: &World,
    caller: &Caller,
    input: &Value,
    rule: &rules::Rule,
) -> Vec<Need> {
    let target = needs::text(input, "TargetKeyId").unwrap_or_default();
    vec![
        needs::of_alias(caller, input, rule.action),
        needs::of_named_key(world, caller, target, rule),
    ]
}

fn present_target(
    world: &World,
    caller: &Caller,
    input: &Value,
    action: &'static str,
) -> Option<Need> {
    let keyring = world.kms.keyring(&caller.account, &caller.region)?;
    let alias = keyring.aliases.get(needs::text(input, "AliasName")?)?;
    let rule = rules::Rule {
        action,
        ..rules::UPDATE_ALIAS
    };
    Some(needs::of_named_key(world, caller, &alias.target, &rule))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasAndTarget {
    alias_name: String,
    target_key_id: String,
}

fn create_alias(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let AliasAndTarget {
        alias_name,
        target_key_id,
    } = read(input)?;
    check_name(&alias_name)?;
    check_target(&target_key_id)?;
    let place = world.admit(caller, &target_key_id, &rules::CREATE_ALIAS)?;
    let lag = world.profile.draw_list_lag(&mut world.random);
    let keyring = world.kms.keyring_mut(&caller.account, &caller.region);
    if keyring.aliases.contains_key(&alias_name) {
        let arn = needs::alias_arn(caller, &alias_name);
        return Err(AwsError::new(
            "AlreadyExistsException",
            format!("An alias with the name {arn} already exists"),
        ));
    }
    check_count(keyring, &place.id)?;
    let alias = Alias {
        target: place.id,
        created: caller.now,
        updated: caller.now,
        listed_from: caller.now.saturating_add(lag).unwrap_or(caller.now),
    };
    keyring.aliases.insert(alias_name, alias);
    Ok(json!({}))
}

fn update_alias(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let AliasAndTarget {
        alias_name,
        target_key_id,
    } = read(input)?;
    check_name(&alias_name)?;
    check_target(&target_key_id)?;
    let place = world.admit(caller, &target_key_id, &rules::UPDATE_ALIAS)?;
    let keyring = world.kms.keyring_mut(&caller.account, &caller.region);
    let Some(alias) = keyring.aliases.get(&alias_name) else {
        return Err(not_found(caller, &alias_name));
    };
    let (old, new) = (&keyring.keys[&alias.target], &keyring.keys[&place.id]);
    if (old.spec, old.usage) != (new.spec, new.usage) {
        return Err(validation(format!(
            "Alias {alias_name} cannot change from a key of {} and {} to one of {} and {}",
            old.spec.name(),
            old.usage.name(),
            new.spec.name(),
            new.usage.name()
        )));
    }
    if alias.target != place.id {
        check_count(keyring, &place.id)?;
    }
    if let Some(alias) = keyring.aliases.get_mut(&alias_name) {
        alias.target = place.id;
        alias.updated = caller.now;
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteAlias {
    alias_name: String,
}

/// Works in every state of the key.
fn delete_alias(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let DeleteAlias { alias_name } = read(input)?;
    check_name(&alias_name)?;
    world.kms.expire(caller.now);
    let keyring = world.kms.keyring_mut(&caller.account, &caller.region);
    match keyring.aliases.remove(&alias_name) {
        Some(_) => Ok(json!({})),
        None => Err(not_found(caller, &alias_name)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAliases {
    key_id: Option<String>,
}

/// An alias shows up here some time after it was created; DescribeKey resolves it at once.
fn list_aliases(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let of_key = match read::<ListAliases>(input)?.key_id {
        Some(given) => Some(world.admit(caller, &given, &rules::LIST_ALIASES)?.id),
        None => None,
    };
    world.kms.expire(caller.now);
    let keyring = world.kms.keyring(&caller.account, &caller.region);
    let items = keyring
        .into_iter()
        .flat_map(|keyring| &keyring.aliases)
        .filter(|(_, alias)| alias.listed_from <= caller.now)
        .filter(|(_, alias)| of_key.as_ref().is_none_or(|id| alias.target == *id))
        .map(|(name, alias)| {
            let item = json!({
                "AliasName": name,
                "AliasArn": needs::alias_arn(caller, name),
                "TargetKeyId": alias.target,
                "CreationDate": date(alias.created),
                "LastUpdatedDate": date(alias.updated),
            });
            (name.clone(), item)
        });
    Ok(answer(
        "Aliases",
        cut.page(
            "ListAliases",
            Limits {
                default: 50,
                max: 100,
            },
            items,
        )?,
    ))
}

/// `alias/` and letters, digits, `/`, `_`, `-`; what begins with `alias/aws/` is AWS's own.
fn check_name(name: &str) -> Result<(), AwsError> {
    let Some(rest) = name.strip_prefix("alias/").filter(|rest| !rest.is_empty()) else {
        return Err(validation("Invalid identifier"));
    };
    if rest.starts_with("aws/") {
        return Err(AwsError::new("NotAuthorizedException", ""));
    }
    // The model's pattern also has the colon, which KMS itself then refuses.
    if rest
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b))
    {
        Ok(())
    } else {
        Err(validation(format!(
            "{name} contains invalid characters for an alias"
        )))
    }
}

fn check_target(given: &str) -> Result<(), AwsError> {
    if given.contains("alias/") {
        Err(validation("Aliases must refer to keys. Not aliases"))
    } else {
        Ok(())
    }
}

fn check_count(keyring: &super::Keyring, id: &str) -> Result<(), AwsError> {
    if keyring
        .aliases
        .values()
        .filter(|alias| alias.target == id)
        .count()
        < ALIASES_MAX
    {
        return Ok(());
    }
    Err(AwsError::new(
        "LimitExceededException",
        format!("{id} has {ALIASES_MAX} aliases already"),
    ))
}

fn not_found(caller: &Caller, name: &str) -> AwsError {
    let arn = needs::alias_arn(caller, name);
    AwsError::new("NotFoundException", format!("Alias {arn} is not found."))
}
