//! What can be read of functions: GetFunction and its like, ListFunctions, and the settings that no
//! function here has.

use serde::Deserialize;
use serde_json::{Value, json};

use super::name::Target;
use super::{PAGE_MAX, needs, not_found, page, read};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetFunction",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:GetFunction",
            )]
        },
        run: get_function,
    },
    Operation {
        name: "GetFunctionConfiguration",
        needs: |world, caller, input| {
            let action = "lambda:GetFunctionConfiguration";
            vec![needs::of_function(world, caller, input, action)]
        },
        run: get_function_configuration,
    },
    Operation {
        name: "ListFunctions",
        needs: |_, _, _| vec![Need::new("lambda:ListFunctions", "*")],
        run: list_functions,
    },
    Operation {
        name: "GetFunctionCodeSigningConfig",
        needs: |world, caller, input| {
            let action = "lambda:GetFunctionCodeSigningConfig";
            vec![needs::of_function(world, caller, input, action)]
        },
        // None is ever attached, as attaching one is not modelled. AWS's answer for such a function
        // has an empty ARN, which it documents nowhere.
        run: |world, caller, input| {
            let input: OneFunction = read(input)?;
            let target = Target::unqualified(caller, &input.function_name)?;
            world.lambda.function(caller, &target)?;
            Ok(json!({ "CodeSigningConfigArn": "", "FunctionName": target.name }))
        },
    },
    Operation {
        name: "GetRuntimeManagementConfig",
        needs: |world, caller, input| {
            let action = "lambda:GetRuntimeManagementConfig";
            vec![needs::of_function(world, caller, input, action)]
        },
        run: get_runtime_management_config,
    },
    Operation {
        name: "GetFunctionEventInvokeConfig",
        needs: |world, caller, input| {
            let action = "lambda:GetFunctionEventInvokeConfig";
            vec![needs::of_function(world, caller, input, action)]
        },
        run: |world, caller, input| {
            let input: OneFunction = read(input)?;
            let target = input.target(caller)?;
            world
                .lambda
                .function(caller, &target)?
                .named(caller, &target)?;
            let arn = target.arn(caller);
            Err(not_found(format!(
                "The function {arn} doesn't have an EventInvokeConfig"
            )))
        },
    },
    Operation {
        name: "ListEventSourceMappings",
        needs: |_, _, _| vec![Need::new("lambda:ListEventSourceMappings", "*")],
        // Creating one is not modelled.
        run: |_, _, _| Ok(json!({ "EventSourceMappings": [] })),
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneFunction {
    function_name: String,
    qualifier: Option<String>,
}

impl OneFunction {
    fn target(&self, caller: &Caller) -> Result<Target, AwsError> {
        Target::parse(caller, &self.function_name, self.qualifier.as_deref())
    }
}

fn get_function(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: OneFunction = read(input)?;
    let target = input.target(caller)?;
    let function = world.lambda.function(caller, &target)?;
    let named = function.named(caller, &target)?;
    let arn = target.arn(caller);
    let mut answer = json!({
        "Configuration": function.configuration(arn, &target.name, named, caller.now),
        "Code": {
            "RepositoryType": "S3",
            "Location": location(caller, &named.release.code.blob),
        },
    });
    if !function.tags.current().is_empty() {
        answer["Tags"] = json!(function.tags.current());
    }
    if let Some(reserved) = function.reserved {
        answer["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    Ok(answer)
}

/// Where AWS's own bucket has the code. There is no S3 behind it here.
fn location(caller: &Caller, blob: &str) -> String {
    let Caller {
        account, region, ..
    } = caller;
    format!("https://awslambda-{region}-tasks.s3.{region}.amazonaws.com/snapshots/{account}/{blob}")
}

fn get_function_configuration(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: OneFunction = read(input)?;
    let target = input.target(caller)?;
    let function = world.lambda.function(caller, &target)?;
    let named = function.named(caller, &target)?;
    Ok(function.configuration(target.arn(caller), &target.name, named, caller.now))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListFunctions {
    master_region: Option<String>,
    function_version: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// The functions that listings show by now; with `FunctionVersion` ALL also their versions.
fn list_functions(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ListFunctions = read(input)?;
    if input
        .master_region
        .is_some_and(|region| region != "ALL" && region != caller.region)
    {
        // Functions of Lambda@Edge that are replicated from there.
        return Ok(json!({ "Functions": [] }));
    }
    let all = input.function_version.as_deref() == Some("ALL");
    let region = world.lambda.region(&caller.account, &caller.region);
    let functions = region.into_iter().flat_map(|region| &region.functions);
    let listed = functions.filter(|(_, function)| function.listed_from <= caller.now);
    let mut items = Vec::new();
    for (name, function) in listed {
        let arn = super::arn_of(&caller.account, &caller.region, name);
        if !all {
            let latest = function.numbered(None);
            let shown = latest.map(|latest| (name.clone(), function.summary(arn, name, latest)));
            items.extend(shown);
            continue;
        }
        let numbers = [None]
            .into_iter()
            .chain(function.versions.keys().copied().map(Some));
        items.extend(numbers.filter_map(|number| {
            let named = function.numbered(number)?;
            // A colon sorts behind every character a name may have but letters; the name is a key of
            // its own, so that order is by name first.
            let key = format!("{name}\n{:020}", number.unwrap_or(0));
            Some((key, function.shown_in_list(caller, name, named)))
        }));
    }
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    page(
        ("ListFunctions", "Functions"),
        items,
        input.marker.as_deref(),
        input.max_items.unwrap_or(PAGE_MAX).min(PAGE_MAX),
    )
}

fn get_runtime_management_config(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: OneFunction = read(input)?;
    let target = input.target(caller)?;
    world
        .lambda
        .function(caller, &target)?
        .named(caller, &target)?;
    Ok(json!({ "UpdateRuntimeOn": "Auto", "FunctionArn": target.arn(caller) }))
}
