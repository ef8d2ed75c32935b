//! The regions whose instances can prove who they are: a closed list, since a region becomes part of a
//! host name. It is that of AWS's published identity keys (`certs/keys.txt`); a region that is not in
//! it is refused, never guessed.

use std::fmt;

/// Every region, in order.
pub const REGIONS: [&str; 39] = [
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
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// A region of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region(&'static str);

/// A part of AWS with its own accounts and its own endpoints; credentials of one mean nothing in
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Partition {
    /// `aws`
    Aws,
    /// `aws-cn`
    China,
    /// `aws-us-gov`
    GovCloud,
    /// `aws-eusc`
    EuropeanSovereign,
}

impl Region {
    /// The region of this name, if it is in the list.
    pub fn named(name: &str) -> Option<Self> {
        let at = REGIONS.binary_search(&name).ok()?;
        Some(Self(REGIONS[at]))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The partition it belongs to.
    pub fn partition(self) -> Partition {
        Partition::of_region(self.0)
    }

    /// The host of its STS. Always the regional one: where a region must be opted into, no other
    /// endpoint takes the credentials of its instances.
    pub fn sts_host(self) -> String {
        format!("sts.{}.{}", self.0, self.partition().dns_suffix())
    }
}

impl Partition {
    /// Of the region of this name, listed or not.
    pub fn of_region(name: &str) -> Self {
        // AWS names regions after their partition (botocore, endpoints.json, `regionRegex`).
        if name.starts_with("cn-") {
            Self::China
        } else if name.starts_with("us-gov-") {
            Self::GovCloud
        } else if name.starts_with("eusc-") {
            Self::EuropeanSovereign
        } else {
            Self::Aws
        }
    }

    /// The partition that ARNs write so.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Aws,
            Self::China,
            Self::GovCloud,
            Self::EuropeanSovereign,
        ]
        .into_iter()
        .find(|partition| partition.name() == name)
    }

    /// As ARNs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
            Self::EuropeanSovereign => "aws-eusc",
        }
    }

    /// What its host names end with (botocore, endpoints.json, `dnsSuffix`).
    pub fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::GovCloud => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
            Self::EuropeanSovereign => "amazonaws.eu",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn hosts_follow_the_partition() {
        for (region, host) in [
            ("us-east-1", "sts.us-east-1.amazonaws.com"),
            ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(Region::named(region).unwrap().sts_host(), host);
        }
    }

    #[test]
    fn only_listed_regions_exist() {
        assert!(REGIONS.is_sorted());
        for region in REGIONS {
            assert_eq!(Region::named(region).unwrap().name(), region);
        }
        for other in [
            "",
            "us-east-9",
            "US-EAST-1",
            "us-east-1.evil",
            "us-east-1 ",
            "aws-global",
        ] {
            assert_eq!(Region::named(other), None, "{other}");
        }
    }
}
