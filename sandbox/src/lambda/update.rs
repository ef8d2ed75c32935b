//! UpdateFunctionCode and UpdateFunctionConfiguration.
//!
//! A change is in progress for some seconds; a second one meanwhile is refused, and the release before
//! it runs on.

use serde::Deserialize;
use serde_json::Value;

use super::create::{keep, sha256, uploaded};
use super::function::{Code, Function, Named, Release, Update, check_revision, settled};
use super::name::Target;
use super::rules::check_modelled;
use super::settings::{Given, Settings};
use super::{needs, read};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "UpdateFunctionCode",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:UpdateFunctionCode",
            )]
        },
        run: update_function_code,
    },
    Operation {
        name: "UpdateFunctionConfiguration",
        needs: |world, caller, input| {
            let action = "lambda:UpdateFunctionConfiguration";
            let need = needs::of_function(world, caller, input, action);
            let need = needs::with_surroundings(need, input);
            let role = needs::pass_role(&need, input);
            [need].into_iter().chain(role).collect()
        },
        run: update_function_configuration,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateFunctionCode {
    function_name: String,
    zip_file: Option<String>,
    #[serde(rename = "SourceKMSKeyArn")]
    source_kms_key_arn: Option<String>,
    architectures: Option<Vec<String>>,
    publish: Option<bool>,
    dry_run: Option<bool>,
    revision_id: Option<String>,
}

fn update_function_code(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    check_modelled("UpdateFunctionCode", &input)?;
    let input: UpdateFunctionCode = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let function = world.lambda.function(caller, &target)?;
    check_revision(
        input.revision_id.as_deref(),
        &function.latest.revision,
        "GetFunction/GetAlias",
    )?;
    let bytes = uploaded(
        input.zip_file.as_deref(),
        input.source_kms_key_arn.as_deref(),
    )?;
    function.check_changeable(caller, &target)?;
    let mut settings = function.latest.settings.clone();
    if let Some(architecture) = input.architectures.and_then(|list| list.into_iter().next()) {
        settings.architecture = architecture;
    }
    if input.dry_run == Some(true) {
        let release = Release {
            settings,
            code: Code {
                blob: String::new(),
                sha256: sha256(&bytes),
                size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            },
            ..function.latest.clone()
        };
        let named = Named {
            release: &release,
            number: None,
        };
        let arn = target.function_arn(caller);
        return Ok(function.configuration(arn, &target.name, named, caller.now));
    }
    let code = keep(world, bytes);
    change(world, caller, &target, (settings, code))?;
    if input.publish == Some(true) {
        return super::version::publish(world, caller, &target, None);
    }
    show(world, caller, &target)
}

fn update_function_configuration(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Other {
        function_name: String,
        revision_id: Option<String>,
    }
    check_modelled("UpdateFunctionConfiguration", &input)?;
    let given: Given = read(input.clone())?;
    let other: Other = read(input)?;
    let target = Target::unqualified(caller, &other.function_name)?;
    let function = world.lambda.function(caller, &target)?;
    check_revision(
        other.revision_id.as_deref(),
        &function.latest.revision,
        "GetFunction/GetAlias",
    )?;
    function.check_changeable(caller, &target)?;
    let (before, code) = (&function.latest.settings, function.latest.code.clone());
    let mut settings = before.clone();
    settings.change(given)?;
    settings.check(caller)?;
    // What is not changed is not checked again: a role that lost its trust since is no obstacle.
    let new_role = (&settings.role, &settings.tracing) != (&before.role, &before.tracing);
    let new_key = settings.kms_key != before.kms_key;
    if new_role {
        settings.check_role(world, caller, &target.name)?;
    }
    if new_key {
        settings.check_key(world, caller)?;
    }
    change(world, caller, &target, (settings, code))?;
    show(world, caller, &target)
}

/// Replaces the latest release.
fn change(
    world: &mut World,
    caller: &Caller,
    target: &Target,
    (settings, code): (Settings, Code),
) -> Result<(), AwsError> {
    let until = settled(world.profile, &mut world.random, caller.now);
    let revision = world.random.uuid();
    let function = world.lambda.function_mut(caller, target)?;
    let release = Release {
        settings,
        code,
        modified: caller.now,
        revision,
    };
    let before = std::mem::replace(&mut function.latest, release);
    function.update = Some(Update {
        until,
        before: Box::new(before),
    });
    function.forget_update(caller.now);
    world.release_code();
    Ok(())
}

impl Function {
    /// Forgets what ran before an update that is done.
    fn forget_update(&mut self, now: jiff::Timestamp) {
        if !self.is_updating(now) {
            self.update = None;
        }
    }
}

fn show(world: &World, caller: &Caller, target: &Target) -> Result<Value, AwsError> {
    let function = world.lambda.function(caller, target)?;
    let named = function.named(caller, target)?;
    Ok(function.configuration(target.arn(caller), &target.name, named, caller.now))
}
