//! CreateFunction and DeleteFunction.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::archive::{Archive, BadArchive};
use super::function::{Code, Function, Named, Release, settled};
use super::name::{LATEST, Target};
use super::rules::check_modelled;
use super::settings::{Given, Settings};
use super::tags::checked_tags;
use super::{conflict, invalid, needs, read};
use crate::tagging::{TagSet, Tags};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateFunction",
        needs: |world, caller, input| {
            let need = needs::of_function(world, caller, input, "lambda:CreateFunction");
            let need = needs::with_surroundings(need, input);
            let need = needs::with_member(
                need,
                input,
                "CodeSigningConfigArn",
                "lambda:CodeSigningConfigArn",
            );
            let need = needs::with_request_tags(need, input);
            let role = needs::pass_role(&need, input);
            [need].into_iter().chain(role).collect()
        },
        run: create_function,
    },
    Operation {
        name: "DeleteFunction",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:DeleteFunction",
            )]
        },
        run: delete_function,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateFunction {
    function_name: String,
    code: GivenCode,
    publish: Option<bool>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GivenCode {
    zip_file: Option<String>,
    #[serde(rename = "SourceKMSKeyArn")]
    source_kms_key_arn: Option<String>,
}

fn create_function(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    check_modelled("CreateFunction", &input)?;
    let given: Given = read(input.clone())?;
    let input: CreateFunction = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    let name = target.name.clone();
    if world.lambda.function(caller, &target).is_ok() {
        return Err(conflict(format!("Function already exist: {name}")));
    }
    let tags = checked_tags(input.tags.unwrap_or_default())?;
    let mut settings = Settings::new(&name);
    settings.change(given)?;
    settings.check(caller)?;
    let bytes = uploaded(
        input.code.zip_file.as_deref(),
        input.code.source_kms_key_arn.as_deref(),
    )?;
    settings.check_role(world, caller, &name)?;
    settings.check_key(world, caller)?;

    let latest = Release {
        settings,
        code: keep(world, bytes),
        modified: caller.now,
        revision: world.random.uuid(),
    };
    let lag = world.profile.draw_list_lag(&mut world.random);
    let mut function = Function {
        listed_from: caller.now.saturating_add(lag).unwrap_or(caller.now),
        active_from: settled(world.profile, &mut world.random, caller.now),
        latest,
        update: None,
        versions: Default::default(),
        next_version: 1,
        aliases: Default::default(),
        policies: Default::default(),
        urls: Default::default(),
        reserved: None,
        tags: TagSet::new(tags, caller.now, lag),
    };
    let number = input
        .publish
        .unwrap_or(false)
        .then(|| function.publish(None, &mut world.random));
    let arn = match number {
        None => target.function_arn(caller),
        Some(number) => format!("{}:{number}", target.function_arn(caller)),
    };
    let release = number.map_or(&function.latest, |number| &function.versions[&number]);
    let answer = function.configuration(arn, &name, Named { release, number }, caller.now);
    world
        .lambda
        .region_mut(&caller.account, &caller.region)
        .functions
        .insert(name, function);
    Ok(answer)
}

/// The bytes of an upload, if they are code.
pub(super) fn uploaded(
    zip_file: Option<&str>,
    source_key: Option<&str>,
) -> Result<Vec<u8>, AwsError> {
    if source_key.is_some_and(|key| !key.is_empty()) {
        return Err(AwsError::not_modelled(
            "Lambda code encrypted with SourceKMSKeyArn",
        ));
    }
    let Some(text) = zip_file.filter(|text| !text.is_empty()) else {
        return Err(invalid("Please provide a source for function code."));
    };
    let bytes = BASE64
        .decode(text)
        .map_err(|_| invalid("ZipFile is not base64"))?;
    match Archive::read(&bytes) {
        Ok(_) => Ok(bytes),
        Err(bad @ BadArchive::Outside(_)) => Err(AwsError::not_modelled(&bad.to_string())),
        Err(bad) => Err(invalid(bad.to_string())),
    }
}

/// Keeps code among the world's blobs.
pub(super) fn keep(world: &mut World, bytes: Vec<u8>) -> Code {
    let sha256 = sha256(&bytes);
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Code {
        blob: world.blobs.put(bytes),
        sha256,
        size,
    }
}

/// `CodeSha256` of a zip.
pub(super) fn sha256(bytes: &[u8]) -> String {
    BASE64.encode(Sha256::digest(bytes))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteFunction {
    function_name: String,
    qualifier: Option<String>,
}

/// Without a qualifier the function goes with all versions, aliases, permissions and URLs; its log
/// group stays.
fn delete_function(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: DeleteFunction = read(input)?;
    let target = Target::parse(caller, &input.function_name, input.qualifier.as_deref())?;
    let function = world.lambda.function_mut(caller, &target)?;
    match target.qualifier.as_deref() {
        None => {
            world
                .lambda
                .region_mut(&caller.account, &caller.region)
                .functions
                .remove(&target.name);
        }
        Some(LATEST) => {
            return Err(invalid(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        Some(qualifier) => {
            let number: u64 = qualifier.parse().map_err(|_| {
                invalid("Deletion of aliases is not currently supported by DeleteFunction.")
            })?;
            if function
                .aliases
                .values()
                .any(|alias| alias.includes(number))
            {
                return Err(conflict(format!(
                    "Unable to delete version because the following aliases reference it: {number}"
                )));
            }
            // What is not there is deleted already.
            function.versions.remove(&number);
            function.policies.remove(qualifier);
        }
    }
    world.release_code();
    Ok(json!({ "StatusCode": 204 }))
}
