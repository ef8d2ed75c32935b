//! Which service a resource belongs to, and its tags as the index has them.

use super::tag_set::Tags;
use crate::world::{Caller, World};

/// A kind of resource that is modelled and can be tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// APIs and their stages.
    ApiGateway,
    /// Alarms.
    CloudWatch,
    Kms,
    /// Functions.
    Lambda,
    Logs,
    Route53,
}

/// The region in which the resources of global services are found
/// (<https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/overview.html>).
const GLOBAL_REGION: &str = "us-east-1";

impl Owner {
    const ALL: [Self; 6] = [
        Self::ApiGateway,
        Self::CloudWatch,
        Self::Kms,
        Self::Lambda,
        Self::Logs,
        Self::Route53,
    ];

    /// Service and resource type, as `ResourceTypeFilters` has them.
    fn resource_type(self) -> (&'static str, &'static str) {
        match self {
            Self::ApiGateway => ("apigateway", "restapis"),
            Self::CloudWatch => ("cloudwatch", "alarm"),
            Self::Kms => ("kms", "key"),
            Self::Lambda => ("lambda", "function"),
            Self::Logs => ("logs", "log-group"),
            Self::Route53 => ("route53", "hostedzone"),
        }
    }

    /// Whether a filter `service` or `service:type` includes this kind.
    pub fn is_of(self, filter: &str) -> bool {
        let (service, kind) = self.resource_type();
        match filter.split_once(':') {
            Some(given) => given == (service, kind),
            None => filter == service,
        }
    }

    /// The owner of a resource, if its ARN is one of the caller's account and region.
    pub fn of_arn(caller: &Caller, arn: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|owner| arn.starts_with(&owner.arn_prefix(caller)))
    }

    /// What every ARN of this kind begins with. Zones are found by callers in one region only.
    fn arn_prefix(self, caller: &Caller) -> String {
        let (service, kind) = self.resource_type();
        let Caller {
            region, account, ..
        } = caller;
        match self {
            // These ARNs have no account; an API of another account is not found later.
            Self::ApiGateway => format!("arn:aws:{service}:{region}::/{kind}/"),
            Self::Kms => format!("arn:aws:{service}:{region}:{account}:{kind}/"),
            Self::CloudWatch | Self::Lambda | Self::Logs => {
                format!("arn:aws:{service}:{region}:{account}:{kind}:")
            }
            Self::Route53 => format!("arn:aws:{service}:::{kind}/"),
        }
    }

    /// The resources of the caller's account and region that the index has.
    fn indexed<'w>(self, world: &'w World, caller: &'w Caller) -> Vec<(String, &'w Tags)> {
        let (account, region, now) = (&caller.account, &caller.region, caller.now);
        let seen = |(arn, tags): (String, &'w super::TagSet)| Some((arn, tags.indexed(now)?));
        match self {
            Self::ApiGateway => {
                let tagged = world.apigateway.tagged(account, region);
                tagged.filter_map(seen).collect()
            }
            Self::CloudWatch => {
                let alarms = world.cloudwatch.tagged(account, region);
                alarms.filter_map(seen).collect()
            }
            Self::Kms => world.kms.tagged(account, region).filter_map(seen).collect(),
            Self::Lambda => world
                .lambda
                .tagged(account, region)
                .filter_map(seen)
                .collect(),
            Self::Logs => world
                .logs
                .tagged(account, region)
                .filter_map(seen)
                .collect(),
            Self::Route53 if region == GLOBAL_REGION => {
                world.route53.tagged(account).filter_map(seen).collect()
            }
            Self::Route53 => Vec::new(),
        }
    }
}

/// Everything that the index has for the caller's account and region, by ARN.
pub(super) fn indexed<'w>(world: &'w World, caller: &'w Caller) -> Vec<(String, Owner, &'w Tags)> {
    let mut all: Vec<_> = Owner::ALL
        .into_iter()
        .flat_map(|owner| {
            let found = owner.indexed(world, caller);
            found.into_iter().map(move |(arn, tags)| (arn, owner, tags))
        })
        .collect();
    all.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    all
}
