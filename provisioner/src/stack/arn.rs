//! ARNs as a document names them: one exact object of a known sort.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde_json::{Value, json};

use super::account::{Region, is_account_id};
use super::diagnostics::{Problem, quoted};
use super::form::{Form, Item, Refused};

/// The ARN of one object of a known sort, in the partition `aws`, without wildcards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arn<K> {
    text: String,
    sort: PhantomData<K>,
}

/// A sort of object that a document names by ARN.
pub trait ArnSort: Sized {
    /// What such an ARN is.
    const IS: &'static str;
    /// One such ARN.
    const EXAMPLE: &'static str;
    /// The service in the ARN.
    const SERVICE: &'static str;
    /// The beginnings its resource part may have.
    const RESOURCE: &'static [&'static str];
}

/// An IAM role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {}
/// An IAM role or user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {}
/// An IAM managed policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {}
/// An SNS topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {}
/// A certificate of Certificate Manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certificate {}

impl ArnSort for Role {
    const IS: &'static str = "the ARN of an IAM role";
    const EXAMPLE: &'static str = "arn:aws:iam::123456789012:role/dns";
    const SERVICE: &'static str = "iam";
    const RESOURCE: &'static [&'static str] = &["role/"];
}

impl ArnSort for Principal {
    const IS: &'static str = "the ARN of an IAM role or user";
    const EXAMPLE: &'static str = "arn:aws:iam::123456789012:role/dns";
    const SERVICE: &'static str = "iam";
    const RESOURCE: &'static [&'static str] = &["role/", "user/"];
}

impl ArnSort for Policy {
    const IS: &'static str = "the ARN of a managed policy";
    const EXAMPLE: &'static str = "arn:aws:iam::123456789012:policy/boundary";
    const SERVICE: &'static str = "iam";
    const RESOURCE: &'static [&'static str] = &["policy/"];
}

impl ArnSort for Topic {
    const IS: &'static str = "the ARN of an SNS topic";
    const EXAMPLE: &'static str = "arn:aws:sns:us-east-1:123456789012:alarms";
    const SERVICE: &'static str = "sns";
    const RESOURCE: &'static [&'static str] = &[""];
}

impl ArnSort for Certificate {
    const IS: &'static str = "the ARN of a certificate";
    const EXAMPLE: &'static str = "arn:aws:acm:us-east-1:123456789012:certificate/ID";
    const SERVICE: &'static str = "acm";
    const RESOURCE: &'static [&'static str] = &["certificate/"];
}

impl<K> Arn<K> {
    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region in it, empty for IAM.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The account in it; `aws` for AWS's own managed policies.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// What follows the account, such as `role/dns`.
    pub fn resource(&self) -> &str {
        self.part(5)
    }

    /// `FromStr` saw six parts.
    fn part(&self, index: usize) -> &str {
        self.text.splitn(6, ':').nth(index).unwrap_or_default()
    }
}

impl<K: ArnSort> FromStr for Arn<K> {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let refused = |why: &str| {
            Refused::new(format!("{} {why}", quoted(text))).with_hint(format!(
                "write {}, such as {}",
                K::IS,
                K::EXAMPLE
            ))
        };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = parts.as_slice() else {
            return Err(refused("is not an ARN"));
        };
        if *partition != "aws" {
            return Err(refused("is in another partition than `aws`"));
        }
        if text.contains(['*', '?']) {
            return Err(refused("has a wildcard, one exact object is meant"));
        }
        if *service == "sts" && resource.starts_with("assumed-role/") {
            return Err(refused("is a session, the role itself is meant"));
        }
        let named = |start: &&str| resource.strip_prefix(start).is_some_and(is_name);
        if *service != K::SERVICE || !K::RESOURCE.iter().any(named) {
            return Err(
                refused(&format!("is not {}", K::IS)).with_hint(format!("write {}", K::EXAMPLE))
            );
        }
        let is_global = K::SERVICE == "iam";
        if is_global != region.is_empty() || (!is_global && region.parse::<Region>().is_err()) {
            return Err(refused("names no region this version knows")
                .with_hint(is_global.then(|| "IAM is global: leave the region empty".to_owned())));
        }
        let is_aws_policy = *account == "aws" && K::RESOURCE == Policy::RESOURCE;
        if !is_account_id(account) && !is_aws_policy {
            return Err(refused("names no account of 12 digits"));
        }
        Ok(Self {
            text: text.to_owned(),
            sort: PhantomData,
        })
    }
}

/// Letters, digits and the punctuation IAM and SNS allow in names and paths; no colon, so an SNS
/// subscription is not taken for its topic.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.ends_with('/')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b':' | b'"' | b'\\'))
}

impl<K> fmt::Display for Arn<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<K: ArnSort> Form for Arn<K> {
    fn expected() -> String {
        format!("{} in quotes, such as \"{}\"", K::IS, K::EXAMPLE)
    }

    fn schema() -> Value {
        json!({
            "type": "string",
            "pattern": format!("^arn:aws:{}:[a-z0-9-]*:([0-9]{{12}}|aws):({})", K::SERVICE, K::RESOURCE.join("|")),
        })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}
