//! AWS accounts and regions as a document names them.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use super::diagnostics::{Problem, nearest, quoted};
use super::form::{Form, Item, Refused};

/// An AWS account id: 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountId(String);

impl AccountId {
    /// The 12 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if is_account_id(text) {
            return Ok(Self(text.to_owned()));
        }
        // The console prints ids as 1234-5678-9012.
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        let hint = is_account_id(&digits).then(|| format!("write \"{digits}\""));
        Err(Refused::new(format!(
            "{} is not an account id of 12 digits",
            quoted(text)
        ))
        .with_hint(hint))
    }
}

pub(super) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Form for AccountId {
    fn expected() -> String {
        "an account id of 12 digits in quotes".to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9]{12}$" })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}

/// A region of the partition `aws`, in which a stack's function, API, logs and alarms live.
///
/// Route 53, its KMS key and its alarms are in [`Region::US_EAST_1`] whatever the stack says:
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-configuring-dnssec-cmk-requirements.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region(&'static str);

/// The regions of the partition `aws`, from botocore 1.44's endpoint data.
const REGIONS: [&str; 34] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Regions of partitions without Route 53 DNSSEC: the KSK's key must be in us-east-1, and no other
/// partition has that region.
const OTHER_PARTITIONS: [(&str, &[&str]); 3] = [
    ("China", &["cn-north-1", "cn-northwest-1"]),
    ("AWS GovCloud (US)", &["us-gov-east-1", "us-gov-west-1"]),
    ("the AWS European Sovereign Cloud", &["eusc-de-east-1"]),
];

impl Region {
    /// Where Route 53's KMS key, metrics and alarms must be.
    pub const US_EAST_1: Self = Self("us-east-1");

    /// The region's name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for Region {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if let Some(region) = REGIONS.iter().find(|region| **region == text) {
            return Ok(Self(region));
        }
        if let Some((partition, _)) = OTHER_PARTITIONS
            .iter()
            .find(|(_, regions)| regions.contains(&text))
        {
            return Err(Refused::new(format!(
                "no Route 53 DNSSEC here: {text} is in {partition}, and the key that signs a zone \
                 must be in us-east-1"
            ))
            .with_hint("use an account and a region of the partition `aws`".to_owned()));
        }
        let hint = nearest(text, REGIONS).map(|region| format!("did you mean \"{region}\"?"));
        Err(Refused::new(format!(
            "{} is not a region known to this version",
            quoted(text)
        ))
        .with_hint(hint))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Form for Region {
    fn expected() -> String {
        "an AWS region in quotes, such as \"eu-central-1\"".to_owned()
    }

    fn schema() -> Value {
        json!({ "enum": REGIONS.as_slice() })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}
