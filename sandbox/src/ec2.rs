//! EC2: what somebody may ask about instances, and their tags.
//!
//! Instances themselves are in [`crate::instance`]; nothing here starts or ends one.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::instance::Instance;
use crate::world::{AwsError, Caller, Need, Operation};

mod describe_instances;
mod filter;
mod regions;
mod tags;

/// The operation of a name.
pub fn operation(name: &str) -> Option<&'static Operation> {
    [
        describe_instances::OPERATIONS,
        regions::OPERATIONS,
        tags::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .find(|operation| operation.name == name)
}

/// Reads an operation's input, whose shape the codec has checked.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

/// The need of an operation without a resource. `ec2:Region` is the only key of its own that such an
/// operation has.
fn of_all(action: &str, caller: &Caller) -> Vec<Need> {
    vec![Need::new(action, "*").with("ec2:Region", vec![caller.region.clone()])]
}

/// What an operation answers that is only tried: an error in any case
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html>).
fn check_dry_run(is_dry: Option<bool>) -> Result<(), AwsError> {
    if is_dry != Some(true) {
        return Ok(());
    }
    Err(AwsError {
        status: Some(412),
        ..AwsError::new(
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        )
    })
}

/// Where a caller asks: account and region.
fn place(caller: &Caller) -> (&str, &str) {
    (&caller.account, &caller.region)
}

/// How many results a page has.
const RESULTS_MIN: i64 = 5;
const RESULTS_MAX: i64 = 1000;

fn page_size(asked: Option<i64>) -> Result<usize, AwsError> {
    let asked = asked.unwrap_or(RESULTS_MAX);
    let problem = if asked < RESULTS_MIN {
        format!("greater than or equal to {RESULTS_MIN}")
    } else if asked > RESULTS_MAX {
        format!("less than or equal to {RESULTS_MAX}")
    } else {
        return Ok(usize::try_from(asked).unwrap_or(usize::MAX));
    };
    Err(invalid(format!(
        "Value ( {asked} ) for parameter maxResults is invalid. Expecting a value {problem}."
    )))
}

fn no_such_token() -> AwsError {
    AwsError::new("InvalidNextToken", "The specified nextToken is invalid")
}

/// Checks the form of instance ids: 8 hexadecimal digits in old ones, 17 in those of today.
fn check_ids(ids: &[String]) -> Result<(), AwsError> {
    let is_hex = |digits: &str| {
        matches!(digits.len(), 8 | 17)
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match ids
        .iter()
        .find(|id| !id.strip_prefix("i-").is_some_and(is_hex))
    {
        None => Ok(()),
        Some(bad) => Err(AwsError::new(
            "InvalidInstanceID.Malformed",
            format!("Invalid id: \"{bad}\""),
        )),
    }
}

/// The refusal of instances that are not there, all of them at once.
fn not_found(missing: &[&str]) -> AwsError {
    let message = match missing {
        [one] => format!("The instance ID '{one}' does not exist"),
        several => format!("The instance IDs '{}' do not exist", several.join(", ")),
    };
    AwsError::new("InvalidInstanceID.NotFound", message)
}

/// The need of a change of an instance's tags.
fn with_tags_of(mut need: Need, one: Option<&Instance>) -> Need {
    for (key, value) in one.into_iter().flat_map(|one| &one.tags) {
        for prefix in ["aws:ResourceTag", "ec2:ResourceTag"] {
            need = need.with(format!("{prefix}/{key}"), vec![value.clone()]);
        }
    }
    need
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
