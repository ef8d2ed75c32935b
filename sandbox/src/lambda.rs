//! AWS Lambda: functions, their code, versions, permissions and concurrency, and what a run needs.
//!
//! Decides what each operation does, which execution environment an event goes to, and what a run
//! leaves in logs and metrics. It runs nothing itself: [`World::start`](crate::World::start) says what
//! to run, an [`Invoker`](crate::invoke::Invoker) outside the world does it. Code comes as a zip file;
//! images, S3 objects, VPCs, file systems, dead-letter queues, asynchronous invocations, code signing
//! and event source mappings are not modelled and refused by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::listing;
use crate::tagging::TagSet;
use crate::world::{AwsError, Caller, Operation, World};

mod alias;
mod archive;
mod concurrency;
mod create;
mod describe;
mod function;
mod invoke;
mod logging;
mod name;
mod needs;
mod permission;
mod role;
mod rules;
mod run;
mod settings;
mod tags;
mod update;
mod url;
mod version;

#[cfg(test)]
pub(crate) use archive::tests::zip_of;
pub use archive::{Archive, BadArchive};
pub use invoke::Waiting;
pub(crate) use invoke::{answered, refused};
pub(crate) use logging::TIMED_OUT;

use function::Function;
use name::Target;
use run::Environments;

/// Everything of this service in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// By account, then by region.
    accounts: BTreeMap<String, BTreeMap<String, Region>>,
    /// Where functions run at this moment. Processes do not outlive the door, so neither does this.
    #[serde(skip)]
    environments: Environments,
}

/// An account's functions in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Region {
    functions: BTreeMap<String, Function>,
    /// The quota of concurrent executions, where it is not the default.
    concurrency_limit: Option<u32>,
}

/// The operation of this name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [
        alias::OPERATIONS,
        concurrency::OPERATIONS,
        create::OPERATIONS,
        describe::OPERATIONS,
        invoke::OPERATIONS,
        permission::OPERATIONS,
        tags::OPERATIONS,
        update::OPERATIONS,
        url::OPERATIONS,
        version::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .find(|operation| operation.name == name)
}

impl State {
    fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.get(region)
    }

    fn region_mut(&mut self, account: &str, region: &str) -> &mut Region {
        let regions = self.accounts.entry(account.to_owned()).or_default();
        regions.entry(region.to_owned()).or_default()
    }

    fn find(&self, account: &str, region: &str, name: &str) -> Option<&Function> {
        self.region(account, region)?.functions.get(name)
    }

    /// The caller's function that a target names.
    fn function(&self, caller: &Caller, target: &Target) -> Result<&Function, AwsError> {
        self.find(&caller.account, &caller.region, &target.name)
            .ok_or_else(|| target.not_found(caller))
    }

    fn function_mut(
        &mut self,
        caller: &Caller,
        target: &Target,
    ) -> Result<&mut Function, AwsError> {
        self.region_mut(&caller.account, &caller.region)
            .functions
            .get_mut(&target.name)
            .ok_or_else(|| target.not_found(caller))
    }

    /// ARN and tags of each function of an account in a region, for the tagging API.
    pub(crate) fn tagged(
        &self,
        account: &str,
        region: &str,
    ) -> impl Iterator<Item = (String, &TagSet)> {
        let found = self.region(account, region);
        let functions = found.into_iter().flat_map(|found| &found.functions);
        functions.map(move |(name, function)| (arn_of(account, region, name), &function.tags))
    }

    /// The resource policy of the function, version or alias of an ARN.
    pub fn resource_policy(&self, arn: &str) -> Option<String> {
        let rest = arn.strip_prefix("arn:aws:lambda:")?;
        let [region, account, "function", name, ref qualifier @ ..] =
            rest.split(':').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let function = self.find(account, region, name)?;
        let qualifier = qualifier.first().copied().unwrap_or_default();
        Some(function.policies.get(qualifier)?.document())
    }

    /// Hashes of all code that some version of a function has.
    fn code_in_use(&self) -> BTreeSet<String> {
        self.accounts
            .values()
            .flat_map(BTreeMap::values)
            .flat_map(|region| region.functions.values())
            .flat_map(Function::releases)
            .map(|release| release.code.blob.clone())
            .collect()
    }
}

impl World {
    /// Forgets code that no version has any more.
    fn release_code(&mut self) {
        self.blobs.retain(&self.lambda.code_in_use());
    }
}

/// The ARN of a function, without a version.
fn arn_of(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{account}:function:{name}")
}

/// Reads an operation's input. The codec has checked its shape, so that a failure here is a member
/// that shape and structure disagree on.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValueException", message)
}

fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceConflictException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceNotFoundException", message)
}

/// One page of a listing by `Marker`, as a member and `NextMarker`.
fn page(
    (listing, member): (&str, &str),
    items: impl IntoIterator<Item = (String, Value)>,
    marker: Option<&str>,
    limit: usize,
) -> Result<Value, AwsError> {
    let after = match marker.filter(|marker| !marker.is_empty()) {
        None => None,
        Some(marker) => Some(
            listing::after(listing, marker)
                .ok_or_else(|| invalid(format!("Invalid marker '{marker}'")))?,
        ),
    };
    let page = listing::page(items, after.as_deref(), limit);
    let mut answer = serde_json::json!({ member: page.items });
    if let Some(next) = page.next {
        answer["NextMarker"] = listing::token(listing, &next).into();
    }
    Ok(answer)
}

/// Items in a page; a request may ask for fewer, and gets no more if it asks for them: "Lambda returns
/// up to 50 functions per call" (<https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>).
const PAGE_MAX: usize = 50;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
