//! Amazon API Gateway: REST APIs, their parts, deployments and stages, and what their clients get.
//!
//! Two planes. The operations of the control plane edit an API's definition; a deployment is a frozen
//! copy of it, and a stage serves one deployment. The data plane ([`execute()`]) answers an API's
//! clients from the deployment alone, so that an edit without a deployment changes nothing for them.
//!
//! Everything lives per account and region. HTTP and WebSocket APIs (apigatewayv2), custom domains,
//! usage plans, VPC links and client certificates are not modelled.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::listing;
use crate::world::{AwsError, Caller, Operation};

mod account;
mod authorizer;
mod deployment;
mod execute;
mod gateway_response;
mod integration;
mod method;
mod model;
mod needs;
mod openapi;
mod patch;
mod policy;
mod resource;
mod rest_api;
mod schema;
mod stage;
mod tags;
mod validator;

pub use execute::{Waiting, execute, resume};

use account::Account;
use execute::Buckets;
use rest_api::Api;

/// All of API Gateway in the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// By account, then by region.
    accounts: BTreeMap<String, BTreeMap<String, Region>>,
}

/// What one account has in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Region {
    #[serde(default)]
    account: Account,
    /// By id.
    #[serde(default)]
    apis: BTreeMap<String, Api>,
    /// What clients may still ask for now.
    #[serde(default)]
    buckets: Buckets,
}

/// The operation of this name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [
        account::OPERATIONS,
        authorizer::OPERATIONS,
        deployment::OPERATIONS,
        gateway_response::OPERATIONS,
        integration::OPERATIONS,
        method::OPERATIONS,
        model::OPERATIONS,
        openapi::OPERATIONS,
        resource::OPERATIONS,
        rest_api::OPERATIONS,
        stage::OPERATIONS,
        tags::OPERATIONS,
        validator::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .find(|operation| operation.name == name)
}

impl State {
    /// The resource policy of the API that an `execute-api` ARN names, if it has one.
    pub fn resource_policy(&self, arn: &str) -> Option<String> {
        let rest = arn.strip_prefix("arn:aws:execute-api:")?;
        let mut parts = rest.splitn(3, ':');
        let (region, account, path) = (parts.next()?, parts.next()?, parts.next()?);
        let id = path.split('/').next()?;
        let api = self.region(account, region)?.apis.get(id)?;
        api.definition.policy.clone()
    }

    fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.get(region)
    }

    fn region_mut(&mut self, caller: &Caller) -> &mut Region {
        let regions = self.accounts.entry(caller.account.clone()).or_default();
        regions.entry(caller.region.clone()).or_default()
    }

    /// The API that an input names by `restApiId`.
    fn api(&self, caller: &Caller, input: &Value) -> Result<&Api, AwsError> {
        let id = text(input, "restApiId");
        self.region(&caller.account, &caller.region)
            .and_then(|region| region.apis.get(id))
            .ok_or_else(|| no_such_api(caller, id))
    }

    fn api_mut(&mut self, caller: &Caller, input: &Value) -> Result<&mut Api, AwsError> {
        let id = text(input, "restApiId");
        self.region_mut(caller)
            .apis
            .get_mut(id)
            .ok_or_else(|| no_such_api(caller, id))
    }
}

fn no_such_api(caller: &Caller, id: &str) -> AwsError {
    not_found(format!(
        "Invalid API identifier specified {}:{id}",
        caller.account
    ))
}

/// Reads an operation's input. The codec has checked its shape, so that a failure here is a member
/// that shape and structure disagree on.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| bad(error.to_string()))
}

/// A text member of an input; empty if it is not there.
fn text<'a>(input: &'a Value, member: &str) -> &'a str {
    input
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A part of an API as its operations answer it: the stored structures have the members of AWS's.
fn shown<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).expect("parts of an API are plain data with text keys")
}

fn bad(message: impl Into<String>) -> AwsError {
    AwsError::new("BadRequestException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("NotFoundException", message)
}

fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new("ConflictException", message)
}

/// Items of a page when the request does not say, and the most that it may ask for ("The default
/// value is 25 and the maximum value is 500", API pages of the `Get` operations).
const PAGE: (usize, usize) = (25, 500);

/// One page of a listing, as `position` and `limit` of the input ask for it.
fn page(
    listing: &str,
    items: impl IntoIterator<Item = (String, Value)>,
    input: &Value,
) -> Result<Value, AwsError> {
    let limit = match input.get("limit").and_then(Value::as_i64) {
        None => PAGE.0,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=PAGE.1).contains(limit))
            .ok_or_else(|| bad(format!("limit must be between 1 and {}", PAGE.1)))?,
    };
    let after = match input.get("position").and_then(Value::as_str) {
        None => None,
        Some(position) => Some(
            listing::after(listing, position).ok_or_else(|| bad("Invalid position specified"))?,
        ),
    };
    let page = listing::page(items, after.as_deref(), limit);
    let mut answer = json!({ "items": page.items });
    if let Some(next) = page.next {
        answer["position"] = listing::token(listing, &next).into();
    }
    Ok(answer)
}

/// Characters of the ids that API Gateway makes.
const ID: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
