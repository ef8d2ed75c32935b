//! A function: its releases ($LATEST and the published versions), its state, and how it is shown.
//!
//! ```text
//! CreateFunction -> Pending --(some seconds)--> Active
//! UpdateFunction... -> LastUpdateStatus InProgress --(some seconds)--> Successful
//! ```
//!
//! A function in state Pending cannot be run or changed; while an update is in progress the release
//! before it runs on (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::alias::Alias;
use super::name::{LATEST, Target};
use super::permission::ResourcePolicy;
use super::settings::Settings;
use super::url::Url;
use super::{conflict, not_found};
use crate::profile::Profile;
use crate::tagging::TagSet;
use crate::world::{AwsError, Caller, Random};

/// A function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Function {
    /// From when on listings show it.
    pub listed_from: Timestamp,
    /// From when on it is Active.
    pub active_from: Timestamp,
    pub latest: Release,
    /// The last update of the latest release.
    pub update: Option<Update>,
    /// Published versions by number.
    pub versions: BTreeMap<u64, Release>,
    /// Number of the next version; numbers are never used again.
    pub next_version: u64,
    pub aliases: BTreeMap<String, Alias>,
    /// By qualifier; that of the function as a whole under the empty one.
    pub policies: BTreeMap<String, ResourcePolicy>,
    /// By qualifier likewise.
    pub urls: BTreeMap<String, Url>,
    /// Reserved concurrency.
    pub reserved: Option<u32>,
    pub tags: TagSet,
}

/// Code and configuration as they run together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Release {
    pub settings: Settings,
    pub code: Code,
    pub modified: Timestamp,
    /// Changes with each change.
    pub revision: String,
}

/// Code that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    /// Its name among the world's blobs.
    pub blob: String,
    /// `CodeSha256`: base64.
    pub sha256: String,
    /// Bytes of the zip.
    pub size: u64,
}

/// An update that is or was in progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Update {
    pub until: Timestamp,
    /// What runs until then.
    pub before: Box<Release>,
}

/// How long a new function is Pending and an update InProgress, at most. AWS publishes no number;
/// functions without a VPC are seen to take a few seconds.
const SETTLING_MAX: Duration = Duration::from_secs(6);

/// When a change that begins now is done.
pub(super) fn settled(profile: Profile, random: &mut Random, now: Timestamp) -> Timestamp {
    let lag = match profile {
        Profile::Aws => {
            let longest = u64::try_from(SETTLING_MAX.as_millis()).unwrap_or(0);
            Duration::from_millis(1000 + random.next() % (longest - 999))
        }
        Profile::Fast | Profile::Instant => Duration::ZERO,
    };
    now.saturating_add(lag).unwrap_or(now)
}

/// A release that a target names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub release: &'a Release,
    /// None is $LATEST.
    pub number: Option<u64>,
}

impl Named<'_> {
    pub fn version(&self) -> String {
        self.number
            .map_or_else(|| LATEST.to_owned(), |number| number.to_string())
    }
}

impl Function {
    /// All releases whose code may still have to run.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        let before = self.update.iter().map(|update| &*update.before);
        before.chain([&self.latest]).chain(self.versions.values())
    }

    /// The release of a version number; of $LATEST if there is none.
    pub fn numbered(&self, number: Option<u64>) -> Option<Named<'_>> {
        let release = match number {
            None => &self.latest,
            Some(number) => self.versions.get(&number)?,
        };
        Some(Named { release, number })
    }

    /// The release that a version or the main version of an alias is.
    pub fn named(&self, caller: &Caller, target: &Target) -> Result<Named<'_>, AwsError> {
        let number = match target.qualifier.as_deref() {
            None | Some(LATEST) => None,
            Some(qualifier) => match (qualifier.parse(), self.aliases.get(qualifier)) {
                (Ok(number), _) => Some(number),
                (Err(_), Some(alias)) => alias.version,
                (Err(_), None) => {
                    return Err(not_found(format!(
                        "Cannot find alias arn: {}",
                        target.arn(caller)
                    )));
                }
            },
        };
        self.numbered(number)
            .ok_or_else(|| target.not_found(caller))
    }

    /// What $LATEST runs now.
    pub fn running(&self, now: Timestamp) -> &Release {
        match &self.update {
            Some(update) if now < update.until => &update.before,
            Some(_) | None => &self.latest,
        }
    }

    pub fn is_pending(&self, now: Timestamp) -> bool {
        now < self.active_from
    }

    pub fn is_updating(&self, now: Timestamp) -> bool {
        self.update
            .as_ref()
            .is_some_and(|update| now < update.until)
    }

    /// Whether code, configuration and versions may be changed now.
    pub fn check_changeable(&self, caller: &Caller, target: &Target) -> Result<(), AwsError> {
        if self.is_pending(caller.now) {
            return Err(pending());
        }
        if self.is_updating(caller.now) {
            return Err(conflict(format!(
                "The operation cannot be performed at this time. An update is in progress for \
                 resource: {}",
                target.function_arn(caller)
            )));
        }
        Ok(())
    }

    /// `FunctionConfiguration` without what listings leave out.
    pub fn summary(&self, arn: String, name: &str, named: Named<'_>) -> Value {
        let release = named.release;
        let mut shown = release.settings.shown();
        shown["FunctionName"] = name.into();
        shown["FunctionArn"] = arn.into();
        shown["CodeSize"] = release.code.size.into();
        shown["CodeSha256"] = release.code.sha256.as_str().into();
        shown["LastModified"] = modified(release.modified).into();
        shown["Version"] = named.version().into();
        shown["RevisionId"] = release.revision.as_str().into();
        shown
    }

    /// `FunctionConfiguration` whole.
    pub fn configuration(
        &self,
        arn: String,
        name: &str,
        named: Named<'_>,
        now: Timestamp,
    ) -> Value {
        let region = arn.split(':').nth(3).unwrap_or_default();
        let runtime = named.release.settings.runtime_version(region);
        let mut shown = self.summary(arn, name, named);
        shown["RuntimeVersionConfig"] = json!({ "RuntimeVersionArn": runtime });
        if self.is_pending(now) {
            shown["State"] = "Pending".into();
            shown["StateReason"] = "The function is being created.".into();
            shown["StateReasonCode"] = "Creating".into();
            return shown;
        }
        shown["State"] = "Active".into();
        // A version is published from a release that is settled.
        if named.number.is_none() && self.is_updating(now) {
            shown["LastUpdateStatus"] = "InProgress".into();
            shown["LastUpdateStatusReason"] = "The function is being created.".into();
            shown["LastUpdateStatusReasonCode"] = "Creating".into();
        } else {
            shown["LastUpdateStatus"] = "Successful".into();
        }
        shown
    }
}

/// The refusal of what needs an Active function.
pub(super) fn pending() -> AwsError {
    conflict(
        "The operation cannot be performed at this time. The function is currently in the following \
         state: Pending",
    )
}

/// Compares a `RevisionId` that a caller expects. `call` is what AWS says to call.
pub(super) fn check_revision(
    expected: Option<&str>,
    revision: &str,
    call: &str,
) -> Result<(), AwsError> {
    match expected {
        Some(expected) if expected != revision => Err(AwsError::new(
            "PreconditionFailedException",
            format!(
                "The Revision Id provided does not match the latest Revision Id. Call the {call} API \
                 to retrieve the latest Revision Id"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// ISO 8601 with milliseconds and a numeric offset, as `LastModified` is written.
pub(super) fn modified(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
