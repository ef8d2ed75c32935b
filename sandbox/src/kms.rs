//! AWS KMS: keys that really sign, aliases, grants, key policies and tags.
//!
//! Decides what each operation of the key service does, in which key state, and with which error.
//! Modelled are symmetric keys (AES-256-GCM) and P-256 keys; other specs, imported material and
//! custom key stores are refused by name. Keys live per account and region. Which identity may call
//! is decided outside, from what [`Operation::needs`] declares.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tagging::TagSet;
use crate::world::{AwsError, Operation, World};

mod alias;
mod cipher;
mod create;
mod grant;
mod key;
mod key_policy;
mod ksk;
mod lifecycle;
mod list;
mod needs;
mod resolve;
mod rotation;
mod rules;
mod signing;
mod tags;

use alias::Alias;
use key::Key;
pub use ksk::{KskKey, KskKeyProblem};

/// All keys and aliases of the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// By account, then by region.
    accounts: BTreeMap<String, BTreeMap<String, Keyring>>,
}

/// Keys and aliases of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Keyring {
    /// By key id.
    keys: BTreeMap<String, Key>,
    /// By name, `alias/...`.
    aliases: BTreeMap<String, Alias>,
}

/// The operation of this name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [
        create::OPERATIONS,
        lifecycle::OPERATIONS,
        list::OPERATIONS,
        key_policy::OPERATIONS,
        alias::OPERATIONS,
        tags::OPERATIONS,
        grant::OPERATIONS,
        rotation::OPERATIONS,
        signing::OPERATIONS,
        cipher::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .find(|operation| operation.name == name)
}

impl State {
    /// The policy of a key, by its ARN.
    pub fn resource_policy(&self, arn: &str) -> Option<String> {
        self.by_arn(arn).map(|key| key.policy.clone())
    }

    /// Whether a grant on a key allows one of some principals an operation
    /// (<https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>).
    pub(crate) fn is_granted(
        &self,
        arn: &str,
        principals: &[&str],
        operation: &str,
        context: &crate::policy::Context,
    ) -> bool {
        let grants = self
            .by_arn(arn)
            .into_iter()
            .flat_map(|key| key.grants.values());
        grants
            .into_iter()
            .any(|grant| grant.allows(principals, operation, context))
    }

    fn keyring(&self, account: &str, region: &str) -> Option<&Keyring> {
        self.accounts.get(account)?.get(region)
    }

    fn keyring_mut(&mut self, account: &str, region: &str) -> &mut Keyring {
        self.accounts
            .entry(account.into())
            .or_default()
            .entry(region.into())
            .or_default()
    }

    /// Removes the keys whose waiting period is over, and their aliases with them.
    ///
    /// AWS deletes up to 24 hours after the date it gave; here it is that very moment.
    pub fn expire(&mut self, now: Timestamp) {
        for keyring in self.accounts.values_mut().flat_map(BTreeMap::values_mut) {
            keyring.keys.retain(|_, key| !key.is_past_deletion(now));
            let Keyring { keys, aliases } = keyring;
            aliases.retain(|_, alias| keys.contains_key(&alias.target));
        }
    }

    /// ARN and tags of each key of an account in a region, for the tagging API.
    pub(crate) fn tagged(
        &self,
        account: &str,
        region: &str,
    ) -> impl Iterator<Item = (String, &TagSet)> {
        self.keyring(account, region)
            .into_iter()
            .flat_map(|keyring| keyring.keys.values())
            .map(|key| (key.arn(), &key.tags))
    }
}

impl World {
    /// Whether a service may use a key as the log groups do: it exists, is a symmetric key in state
    /// Enabled, and its policy allows the service all actions in this context.
    pub(crate) fn symmetric_key_allows(
        &self,
        arn: &str,
        service: &str,
        actions: &[&str],
        context: &crate::policy::Context,
    ) -> Result<(), String> {
        let key = self
            .kms
            .by_arn(arn)
            .ok_or_else(|| format!("Key '{arn}' does not exist"))?;
        key.usable_for_encryption().map_err(|error| error.message)?;
        key.allows_service(service, actions, context)
    }
}

/// Reads an operation's input. The codec has checked its shape, so that a failure here is a member
/// that shape and structure disagree on.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| validation(error.to_string()))
}

/// KMS has no modelled error for bad values: it answers the protocol's own.
fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

/// Dates are seconds with milliseconds.
fn date(at: Timestamp) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this age fit into 53 bits"
    )]
    let milliseconds = at.as_millisecond() as f64;
    Value::from(milliseconds / 1000.0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
