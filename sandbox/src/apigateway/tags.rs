//! Tags of APIs and stages.

use serde_json::{Value, json};

use super::{bad, needs, not_found, read, text};
use crate::tagging::{TAGS_MAX, TagSet, Tags, check_tag};
use crate::world::{AwsError, Caller, Operation, World};

use super::State;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TagResource",
        needs: |world, caller, input| {
            with_owner(
                needs::of("TagResource", world, caller, input),
                world,
                caller,
                input,
            )
        },
        run: |world, caller, input| {
            let new: Tags = read(input.get("tags").cloned().unwrap_or(json!({})))?;
            change(world, caller, &input, |tags| tags.extend(new))
        },
    },
    Operation {
        name: "UntagResource",
        needs: |world, caller, input| {
            with_owner(
                needs::of("UntagResource", world, caller, input),
                world,
                caller,
                input,
            )
        },
        run: |world, caller, input| {
            let keys: Vec<String> = read(input.get("tagKeys").cloned().unwrap_or(json!([])))?;
            change(world, caller, &input, |tags| {
                tags.retain(|key, _| !keys.contains(key));
            })
        },
    },
    Operation {
        name: "GetTags",
        needs: |world, caller, input| {
            with_owner(
                needs::of("GetTags", world, caller, input),
                world,
                caller,
                input,
            )
        },
        run: |world, caller, input| {
            let tags = place(&mut world.apigateway, caller, text(&input, "resourceArn"))?;
            Ok(json!({ "tags": tags.current() }))
        },
    },
];

/// The tags that the owner has already.
fn with_owner(
    needs: Vec<crate::world::Need>,
    world: &World,
    caller: &Caller,
    input: &Value,
) -> Vec<crate::world::Need> {
    let Some((api, stage)) = owner(caller, text(input, "resourceArn")) else {
        return needs;
    };
    let owner = json!({ "restApiId": api, "stageName": stage });
    match world.apigateway.api(caller, &owner) {
        Ok(api) => needs
            .into_iter()
            .map(|need| needs::with_resource(need, api, &owner))
            .collect(),
        Err(_) => needs,
    }
}

/// Tags of a request that are good by themselves.
pub(super) fn checked(tags: Tags) -> Result<Tags, AwsError> {
    for (key, value) in &tags {
        check_tag(key, value).map_err(|problem| bad(problem.to_string()))?;
    }
    if tags.len() > TAGS_MAX {
        return Err(bad(format!("A resource has at most {TAGS_MAX} tags")));
    }
    Ok(tags)
}

/// Ids of API and stage in an ARN of the caller's region. These ARNs have no account id.
fn owner<'a>(caller: &Caller, arn: &'a str) -> Option<(&'a str, Option<&'a str>)> {
    let rest = arn.strip_prefix(&format!("arn:aws:apigateway:{}::/restapis/", caller.region))?;
    match rest.split_once('/') {
        None => Some((rest, None)),
        Some((api, stage)) => Some((api, Some(stage.strip_prefix("stages/")?))),
    }
}

fn place<'s>(state: &'s mut State, caller: &Caller, arn: &str) -> Result<&'s mut TagSet, AwsError> {
    let (api, stage) = owner(caller, arn)
        .ok_or_else(|| bad(format!("Invalid ARN specified in the request: {arn}")))?;
    let api = state.api_mut(caller, &json!({ "restApiId": api }))?;
    match stage {
        None => Ok(&mut api.tags),
        Some(name) => match api.stages.get_mut(name) {
            Some(stage) => Ok(&mut stage.tags),
            None => Err(not_found("Invalid stage identifier specified")),
        },
    }
}

fn change(
    world: &mut World,
    caller: &Caller,
    input: &Value,
    edit: impl FnOnce(&mut Tags),
) -> Result<Value, AwsError> {
    let lag = world.profile.draw_list_lag(&mut world.random);
    let tags = place(&mut world.apigateway, caller, text(input, "resourceArn"))?;
    let mut all = tags.current().clone();
    edit(&mut all);
    tags.replace(checked(all)?, caller.now, lag);
    Ok(json!({}))
}

impl State {
    /// ARN and tags of each API and stage of an account in a region, for the tagging API.
    pub(crate) fn tagged(
        &self,
        account: &str,
        region: &str,
    ) -> impl Iterator<Item = (String, &TagSet)> {
        let prefix = format!("arn:aws:apigateway:{region}::/restapis/");
        let apis = self.region(account, region).into_iter();
        apis.flat_map(|region| &region.apis)
            .flat_map(move |(id, api)| {
                let arn = format!("{prefix}{id}");
                let stages = api.stages.iter();
                let of_api = (arn.clone(), &api.tags);
                let stages =
                    stages.map(move |(name, stage)| (format!("{arn}/stages/{name}"), &stage.tags));
                std::iter::once(of_api).chain(stages)
            })
    }
}
