//! Published versions: PublishVersion and ListVersionsByFunction.

use serde::Deserialize;
use serde_json::Value;

use super::function::{Function, Named, check_revision};
use super::name::{LATEST, Target};
use super::rules::check_modelled;
use super::settings::Settings;
use super::{PAGE_MAX, invalid, needs, page, read};
use crate::world::{AwsError, Caller, Operation, Random, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PublishVersion",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:PublishVersion",
            )]
        },
        run: publish_version,
    },
    Operation {
        name: "ListVersionsByFunction",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:ListVersionsByFunction",
            )]
        },
        run: list_versions_by_function,
    },
];

impl Function {
    /// Makes a version of $LATEST and gives its number. "Lambda doesn't publish a version if the
    /// function's configuration and code haven't changed since the last version": then it is that one
    /// (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>).
    pub(super) fn publish(&mut self, description: Option<String>, random: &mut Random) -> u64 {
        if let Some((number, last)) = self.versions.last_key_value() {
            // A version may have been given a description of its own.
            let same = Settings {
                description: last.settings.description.clone(),
                ..self.latest.settings.clone()
            };
            if last.code == self.latest.code && last.settings == same {
                return *number;
            }
        }
        let mut release = self.latest.clone();
        release.revision = random.uuid();
        if let Some(description) = description {
            release.settings.description = description;
        }
        let number = self.next_version;
        self.next_version += 1;
        self.versions.insert(number, release);
        number
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishVersion {
    function_name: String,
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

fn publish_version(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    check_modelled("PublishVersion", &input)?;
    let input: PublishVersion = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let function = world.lambda.function(caller, &target)?;
    let latest = &function.latest;
    check_revision(
        input.revision_id.as_deref(),
        &latest.revision,
        "GetFunction/GetAlias",
    )?;
    if let Some(expected) = input.code_sha256.filter(|hash| !hash.is_empty())
        && expected != latest.code.sha256
    {
        return Err(invalid(format!(
            "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({}). Please try \
             again with the CodeSHA256 in $LATEST.",
            latest.code.sha256
        )));
    }
    function.check_changeable(caller, &target)?;
    publish(world, caller, &target, input.description)
}

/// Publishes $LATEST and shows the version.
pub(super) fn publish(
    world: &mut World,
    caller: &Caller,
    target: &Target,
    description: Option<String>,
) -> Result<Value, AwsError> {
    let mut random = world.random.clone();
    let function = world.lambda.function_mut(caller, target)?;
    let number = function.publish(description, &mut random);
    let named = function
        .numbered(Some(number))
        .expect("the version was just published");
    let arn = format!("{}:{number}", target.function_arn(caller));
    let answer = function.configuration(arn, &target.name, named, caller.now);
    world.random = random;
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListVersionsByFunction {
    function_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// $LATEST first, then the numbers as they grow.
fn list_versions_by_function(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: ListVersionsByFunction = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let function = world.lambda.function(caller, &target)?;
    let numbers = [None]
        .into_iter()
        .chain(function.versions.keys().copied().map(Some));
    let items = numbers.filter_map(|number| {
        let named = function.numbered(number)?;
        // Wide enough for every number, so that the keys sort as the numbers do.
        let key = number.map_or_else(String::new, |number| format!("{number:020}"));
        Some((key, function.shown_in_list(caller, &target.name, named)))
    });
    page(
        ("ListVersionsByFunction", "Versions"),
        items,
        input.marker.as_deref(),
        input.max_items.unwrap_or(PAGE_MAX).min(PAGE_MAX),
    )
}

impl Function {
    /// A version as listings show it: with its own ARN, $LATEST too.
    pub(super) fn shown_in_list(&self, caller: &Caller, name: &str, named: Named<'_>) -> Value {
        let target = Target {
            name: name.to_owned(),
            qualifier: Some(
                named
                    .number
                    .map_or_else(|| LATEST.to_owned(), |n| n.to_string()),
            ),
        };
        self.summary(target.arn(caller), name, named)
    }
}
