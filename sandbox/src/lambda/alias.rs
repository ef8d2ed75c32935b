//! Aliases: names of versions, which may share their traffic between two.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::function::{Function, check_revision};
use super::name::{LATEST, Target};
use super::{PAGE_MAX, conflict, invalid, needs, not_found, page, read};
use crate::world::{AwsError, Caller, Need, Operation, Random, World};

/// An alias.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alias {
    /// None is $LATEST.
    pub version: Option<u64>,
    pub description: String,
    /// The second version and its share of the invocations.
    pub additional: Option<(u64, f64)>,
    pub revision: String,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateAlias",
        needs: |world, caller, input| vec![need(world, caller, input, "lambda:CreateAlias")],
        run: create_alias,
    },
    Operation {
        name: "UpdateAlias",
        needs: |world, caller, input| vec![need(world, caller, input, "lambda:UpdateAlias")],
        run: update_alias,
    },
    Operation {
        name: "DeleteAlias",
        needs: |world, caller, input| vec![need(world, caller, input, "lambda:DeleteAlias")],
        run: delete_alias,
    },
    Operation {
        name: "GetAlias",
        needs: |world, caller, input| vec![need(world, caller, input, "lambda:GetAlias")],
        run: |world, caller, input| {
            let input: OneAlias = read(input)?;
            let target = Target::unqualified(caller, &input.function_name)?;
            let function = world.lambda.function(caller, &target)?;
            shown(function, caller, &target, &input.name)
        },
    },
    Operation {
        name: "ListAliases",
        needs: |world, caller, input| vec![need(world, caller, input, "lambda:ListAliases")],
        run: list_aliases,
    },
];

fn need(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    needs::of_function(world, caller, input, action)
}

impl Alias {
    pub fn includes(&self, version: u64) -> bool {
        self.version == Some(version)
            || self.additional.is_some_and(|(second, _)| second == version)
    }

    /// The version that one invocation goes to.
    pub fn drawn(&self, random: &mut Random) -> Option<u64> {
        match self.additional {
            Some((second, weight)) => {
                #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
                let drawn = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
                if drawn < weight {
                    Some(second)
                } else {
                    self.version
                }
            }
            None => self.version,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneAlias {
    function_name: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    function_name: String,
    name: String,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingConfig>,
    revision_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoutingConfig {
    additional_version_weights: Option<BTreeMap<String, f64>>,
}

/// The number of a version that exists.
fn version(
    function: &Function,
    caller: &Caller,
    target: &Target,
    given: &str,
) -> Result<Option<u64>, AwsError> {
    if given == LATEST {
        return Ok(None);
    }
    let number = given
        .parse()
        .ok()
        .filter(|n| function.versions.contains_key(n));
    number.map(Some).ok_or_else(|| {
        not_found(format!(
            "Function not found: {}:{given}",
            target.function_arn(caller)
        ))
    })
}

/// "The alias can point to a maximum of two Lambda function versions", both published
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html>).
fn routing(
    function: &Function,
    caller: &Caller,
    target: &Target,
    main: Option<u64>,
    given: RoutingConfig,
) -> Result<Option<(u64, f64)>, AwsError> {
    let weights = given.additional_version_weights.unwrap_or_default();
    let mut weights = weights.into_iter();
    let Some((given, weight)) = weights.next() else {
        return Ok(None);
    };
    let Some(second) = version(function, caller, target, &given)? else {
        return Err(invalid("$LATEST is not supported in routing configuration"));
    };
    if weights.next().is_some() || main.is_none() || main == Some(second) {
        return Err(invalid(
            "Invalid routing configuration: an alias has at most two versions, both published and \
             not the same",
        ));
    }
    Ok(Some((second, weight)))
}

fn create_alias(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Given = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let revision = world.random.uuid();
    let function = world.lambda.function_mut(caller, &target)?;
    // The shape's pattern says so with a look-ahead.
    if input.name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(format!(
            "Alias name '{}' must not be a number",
            input.name
        )));
    }
    if function.aliases.contains_key(&input.name) {
        return Err(conflict(format!(
            "Alias already exists: {}:{}",
            target.function_arn(caller),
            input.name
        )));
    }
    let given = input.function_version.unwrap_or_default();
    let main = version(function, caller, &target, &given)?;
    let additional = match input.routing_config {
        Some(given) => routing(function, caller, &target, main, given)?,
        None => None,
    };
    let alias = Alias {
        version: main,
        description: input.description.unwrap_or_default(),
        additional,
        revision,
    };
    function.aliases.insert(input.name.clone(), alias);
    shown(function, caller, &target, &input.name)
}

fn update_alias(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Given = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let revision = world.random.uuid();
    let function = world.lambda.function_mut(caller, &target)?;
    let mut alias = function
        .aliases
        .get(&input.name)
        .cloned()
        .ok_or_else(|| missing(caller, &target, &input.name))?;
    check_revision(
        input.revision_id.as_deref(),
        &alias.revision,
        "GetFunction/GetAlias",
    )?;
    if let Some(given) = &input.function_version {
        alias.version = version(function, caller, &target, given)?;
    }
    if let Some(description) = input.description {
        alias.description = description;
    }
    if let Some(given) = input.routing_config {
        alias.additional = routing(function, caller, &target, alias.version, given)?;
    }
    alias.revision = revision;
    function.aliases.insert(input.name.clone(), alias);
    shown(function, caller, &target, &input.name)
}

/// An alias that is not there is deleted already. Its permissions and URL go with it.
fn delete_alias(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: OneAlias = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let function = world.lambda.function_mut(caller, &target)?;
    function.aliases.remove(&input.name);
    function.policies.remove(&input.name);
    function.urls.remove(&input.name);
    Ok(json!({}))
}

fn missing(caller: &Caller, target: &Target, name: &str) -> AwsError {
    not_found(format!(
        "Cannot find alias arn: {}:{name}",
        target.function_arn(caller)
    ))
}

fn shown(
    function: &Function,
    caller: &Caller,
    target: &Target,
    name: &str,
) -> Result<Value, AwsError> {
    let alias = function
        .aliases
        .get(name)
        .ok_or_else(|| missing(caller, target, name))?;
    let number = alias
        .version
        .map_or_else(|| LATEST.to_owned(), |number| number.to_string());
    let mut shown = json!({
        "AliasArn": format!("{}:{name}", target.function_arn(caller)),
        "Name": name,
        "FunctionVersion": number,
        "Description": alias.description,
        "RevisionId": alias.revision,
    });
    if let Some((second, weight)) = alias.additional {
        shown["RoutingConfig"] =
            json!({ "AdditionalVersionWeights": { second.to_string(): weight } });
    }
    Ok(shown)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAliases {
    function_name: String,
    function_version: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

fn list_aliases(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ListAliases = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let function = world.lambda.function(caller, &target)?;
    let wanted = input.function_version.as_deref();
    let items = function
        .aliases
        .iter()
        .filter(|(_, alias)| match wanted {
            None => true,
            Some(LATEST) => alias.version.is_none(),
            Some(given) => given.parse().is_ok_and(|number| alias.includes(number)),
        })
        .filter_map(|(name, _)| Some((name.clone(), shown(function, caller, &target, name).ok()?)));
    page(
        ("ListAliases", "Aliases"),
        items,
        input.marker.as_deref(),
        input.max_items.unwrap_or(PAGE_MAX).min(PAGE_MAX),
    )
}
