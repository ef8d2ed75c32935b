//! Function URLs: an address of a function's own, with or without authentication.
//!
//! Kept and shown, since a foreign one gives everybody a way in; a call to it is not modelled.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::function::modified;
use super::name::{LATEST, Target};
use super::{PAGE_MAX, conflict, invalid, needs, not_found, page, read};
use crate::world::{AwsError, Caller, Need, Operation, World};

/// A URL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Url {
    id: String,
    auth_type: String,
    invoke_mode: String,
    cors: Option<Value>,
    created: Timestamp,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateFunctionUrlConfig",
        needs: |world, caller, input| {
            vec![need(world, caller, input, "lambda:CreateFunctionUrlConfig")]
        },
        run: create_function_url_config,
    },
    Operation {
        name: "GetFunctionUrlConfig",
        needs: |world, caller, input| {
            vec![need(world, caller, input, "lambda:GetFunctionUrlConfig")]
        },
        run: |world, caller, input| {
            let target = read::<Given>(input)?.target(caller)?;
            let function = world.lambda.function(caller, &target)?;
            let url = function.urls.get(target.place()).ok_or_else(missing)?;
            let mut shown = url.shown(caller, &target);
            shown["LastModifiedTime"] = shown["CreationTime"].clone();
            Ok(shown)
        },
    },
    Operation {
        name: "DeleteFunctionUrlConfig",
        needs: |world, caller, input| {
            vec![need(world, caller, input, "lambda:DeleteFunctionUrlConfig")]
        },
        run: |world, caller, input| {
            let target = read::<Given>(input)?.target(caller)?;
            let function = world.lambda.function_mut(caller, &target)?;
            function.urls.remove(target.place()).ok_or_else(missing)?;
            Ok(json!({}))
        },
    },
    Operation {
        name: "ListFunctionUrlConfigs",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:ListFunctionUrlConfigs",
            )]
        },
        run: list_function_url_configs,
    },
];

/// The Service Authorization Reference gives these calls the keys of the function's ARN and of the
/// URL's authentication: the one asked for, or the one there is.
fn need(world: &World, caller: &Caller, input: &Value, action: &str) -> Need {
    let key = "lambda:FunctionUrlAuthType";
    let need = needs::of_function(world, caller, input, action);
    let arn = vec![need.resource.clone()];
    let need = need.with("lambda:FunctionArn", arn);
    let need = needs::with_member(need, input, "AuthType", key);
    let given = needs::text(input, "FunctionName").unwrap_or_default();
    let found = Target::parse(caller, given, needs::text(input, "Qualifier"))
        .ok()
        .and_then(|target| {
            let function = world.lambda.function(caller, &target).ok()?;
            function.urls.get(target.place())
        });
    match found {
        Some(url) if !need.context.contains_key(key) => need.with(key, vec![url.auth_type.clone()]),
        Some(_) | None => need,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    function_name: String,
    qualifier: Option<String>,
    auth_type: Option<String>,
    cors: Option<Value>,
    invoke_mode: Option<String>,
}

impl Given {
    /// A URL belongs to the function or to an alias; never to a version, which the shape says with a
    /// look-ahead.
    fn target(&self, caller: &Caller) -> Result<Target, AwsError> {
        let target = Target::parse(caller, &self.function_name, self.qualifier.as_deref())?;
        let is_version = |qualifier: &str| {
            qualifier == LATEST || qualifier.bytes().all(|byte| byte.is_ascii_digit())
        };
        match target.qualifier.as_deref() {
            Some(qualifier) if is_version(qualifier) => Err(invalid(
                "Function URLs are for functions and aliases, not for versions",
            )),
            Some(_) | None => Ok(target),
        }
    }
}

fn missing() -> AwsError {
    not_found("The resource you requested does not exist.")
}

impl Url {
    fn shown(&self, caller: &Caller, target: &Target) -> Value {
        let mut shown = json!({
            "FunctionUrl": format!("https://{}.lambda-url.{}.on.aws/", self.id, caller.region),
            "FunctionArn": target.arn(caller),
            "AuthType": self.auth_type,
            "CreationTime": modified(self.created),
            "InvokeMode": self.invoke_mode,
        });
        if let Some(cors) = &self.cors {
            shown["Cors"] = cors.clone();
        }
        shown
    }
}

fn create_function_url_config(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: Given = read(input)?;
    let target = input.target(caller)?;
    world
        .lambda
        .function(caller, &target)?
        .named(caller, &target)?;
    let id = world.random.text(b"abcdefghijklmnopqrstuvwxyz234567", 32);
    let function = world.lambda.function_mut(caller, &target)?;
    if function.urls.contains_key(target.place()) {
        return Err(conflict(format!(
            "Failed to create function url config for [functionArn = {}]. Error message:  \
             FunctionUrlConfig exists for this Lambda function",
            target.arn(caller)
        )));
    }
    let url = Url {
        id,
        auth_type: input.auth_type.unwrap_or_default(),
        invoke_mode: input.invoke_mode.unwrap_or_else(|| "BUFFERED".to_owned()),
        cors: input
            .cors
            .filter(|cors| cors.as_object().is_some_and(|cors| !cors.is_empty())),
        created: caller.now,
    };
    let shown = url.shown(caller, &target);
    function.urls.insert(target.place().to_owned(), url);
    Ok(shown)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListFunctionUrlConfigs {
    function_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

fn list_function_url_configs(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: ListFunctionUrlConfigs = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let function = world.lambda.function(caller, &target)?;
    let items = function.urls.iter().map(|(place, url)| {
        let of_one = Target {
            qualifier: Some(place.clone()).filter(|place| !place.is_empty()),
            ..target.clone()
        };
        let mut shown = url.shown(caller, &of_one);
        shown["LastModifiedTime"] = shown["CreationTime"].clone();
        (place.clone(), shown)
    });
    page(
        ("ListFunctionUrlConfigs", "FunctionUrlConfigs"),
        items,
        input.marker.as_deref(),
        input.max_items.unwrap_or(PAGE_MAX),
    )
}
