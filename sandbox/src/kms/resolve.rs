//! Which key a request means: by id, ARN, alias name or alias ARN, and whether it may be used so.

use super::key::{Key, KeyState};
use super::rules::{Fit, Names, Reach, Rule};
use super::{State, key};
use crate::world::{AwsError, Caller, World};

/// Where a key is kept. It exists as long as the world is not expired in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub account: String,
    pub region: String,
    pub id: String,
}

impl Place {
    pub fn of(key: &Key) -> Self {
        Self {
            account: key.account.clone(),
            region: key.region.clone(),
            id: key.id.clone(),
        }
    }
}

impl State {
    pub(super) fn key(&self, place: &Place) -> &Key {
        self.keyring(&place.account, &place.region)
            .and_then(|keyring| keyring.keys.get(&place.id))
            .expect("the place was found in this state")
    }

    pub(super) fn key_mut(&mut self, place: &Place) -> &mut Key {
        let keyring = self.keyring_mut(&place.account, &place.region);
        keyring
            .keys
            .get_mut(&place.id)
            .expect("the place was found in this state")
    }

    /// The key of an ARN, if it exists.
    pub(super) fn by_arn(&self, arn: &str) -> Option<&Key> {
        let arn = Arn::parse(arn)?;
        self.keyring(arn.account, arn.region)?
            .keys
            .get(arn.resource.strip_prefix("key/")?)
    }

    /// The key that a caller names.
    pub(super) fn find(
        &self,
        caller: &Caller,
        given: &str,
        names: Names,
    ) -> Result<&Key, AwsError> {
        let not_found = |message: String| AwsError::new("NotFoundException", message);
        let (account, resource) = match Arn::parse(given) {
            Some(arn) if arn.region != caller.region => {
                return Err(not_found(format!("Invalid arn {}", arn.region)));
            }
            Some(arn) => (arn.account, arn.resource.to_owned()),
            None if given.starts_with("arn:") => {
                return Err(AwsError::new(
                    "InvalidArnException",
                    format!("Invalid ARN '{given}'"),
                ));
            }
            None if given.starts_with("alias/") => (caller.account.as_str(), given.to_owned()),
            None if is_key_id(given) => (caller.account.as_str(), format!("key/{given}")),
            None => return Err(not_found(format!("Invalid keyId '{given}'"))),
        };
        let keyring = self.keyring(account, &caller.region);
        if let Some(id) = resource.strip_prefix("key/") {
            let arn = key::arn_of(account, &caller.region, id);
            return keyring
                .and_then(|keyring| keyring.keys.get(id))
                .ok_or_else(|| not_found(format!("Key '{arn}' does not exist")));
        }
        if !resource.starts_with("alias/") || names == Names::Key {
            return Err(match Arn::parse(given) {
                Some(_) => AwsError::new("InvalidArnException", format!("Invalid ARN '{given}'")),
                None => not_found(format!("Invalid keyId '{given}'")),
            });
        }
        let alias = format!("arn:aws:kms:{}:{account}:{resource}", caller.region);
        keyring
            .and_then(|keyring| keyring.keys.get(&keyring.aliases.get(&resource)?.target))
            .ok_or_else(|| not_found(format!("Alias {alias} is not found.")))
    }
}

impl World {
    /// Finds the key of a request and checks what the operation asks of it.
    pub(super) fn admit(
        &mut self,
        caller: &Caller,
        given: &str,
        rule: &Rule,
    ) -> Result<Place, AwsError> {
        self.kms.expire(caller.now);
        let key = self.kms.find(caller, given, rule.names)?;
        if key.account != caller.account {
            admit_stranger(key, caller, rule)?;
        }
        match (rule.state, key.state) {
            (Fit::Any, _)
            | (Fit::NotPendingDeletion, KeyState::Enabled | KeyState::Disabled)
            | (Fit::PendingDeletion, KeyState::PendingDeletion { .. }) => {}
            (Fit::NotPendingDeletion, KeyState::PendingDeletion { .. }) => {
                return Err(key.pending_deletion());
            }
            (Fit::PendingDeletion, KeyState::Enabled | KeyState::Disabled) => {
                return Err(AwsError::new(
                    "KMSInvalidStateException",
                    format!("{} is not pending deletion.", key.arn()),
                ));
            }
            (Fit::Enabled, _) => key.check_enabled()?,
        }
        Ok(Place::of(key))
    }
}

/// Most operations never work across accounts, whatever policies say. Where they do, the caller has
/// been allowed by the key's policy and by its own before it came here.
fn admit_stranger(key: &Key, caller: &Caller, rule: &Rule) -> Result<(), AwsError> {
    match rule.reach {
        Reach::AnyAccount => Ok(()),
        Reach::OwnAccount => Err(AwsError::new(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to perform: {} on resource: {} because no \
                 resource-based policy allows the {} action",
                caller.arn,
                rule.action,
                key.arn(),
                rule.action
            ),
        )),
    }
}

/// The parts of an ARN of KMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub region: &'a str,
    pub account: &'a str,
    /// `key/...` or `alias/...`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", "aws", "kms", region, account, resource]
                if !region.is_empty() && !account.is_empty() && resource.contains('/') =>
            {
                Some(Self {
                    region,
                    account,
                    resource,
                })
            }
            _ => None,
        }
    }
}

/// A UUID, or `mrk-` and 32 hex digits.
fn is_key_id(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.strip_prefix("mrk-") {
        Some(digits) => digits.len() == 32 && hex(digits),
        None => {
            let groups: Vec<_> = text.split('-').collect();
            groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
                && groups.iter().all(|group| hex(group))
        }
    }
}
