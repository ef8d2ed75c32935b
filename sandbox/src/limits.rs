//! How often: the token buckets of each account.
//!
//! Only the profile `aws` limits. Rates are AWS's documented ones; operations without a row here are
//! not limited.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::wire::model::{Model, Protocol};
use crate::world::AwsError;

/// State: buckets by account, region and what they count.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// A bucket's size, and what flows in each second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    burst: f64,
    per_second: f64,
}

const fn rate(burst: f64, per_second: f64) -> Rate {
    Rate { burst, per_second }
}

/// The bucket of an operation: its name and rate.
///
/// Route 53: "Maximums on API requests" of the Developer Guide's quotas page: a bucket of 50 refilled
/// at 10 per second per account and action, with the two exceptions below. KMS: "Request quotas" of
/// its Developer Guide, per account and region, shared within a group. CloudWatch, CloudWatch Logs and
/// the tagging API: their quota pages. Lambda: "Lambda API requests" of its quota page; invocations are
/// bounded by concurrency. Quotas given per second only have a burst of one second.
fn bucket_of(service: &str, operation: &str) -> Option<(&'static str, Rate)> {
    let per_action = "";
    let found = match (service, operation) {
        ("route53", "CreateHostedZone") => (per_action, rate(40.0, 2.0)),
        ("route53", "DeleteHostedZone") => (per_action, rate(40.0, 5.0)),
        ("route53", _) => (per_action, rate(50.0, 10.0)),
        (
            "kms",
            "CreateKey"
            | "CreateAlias"
            | "UpdateAlias"
            | "EnableKey"
            | "DisableKey"
            | "CancelKeyDeletion"
            | "UpdateKeyDescription",
        ) => (per_action, rate(5.0, 5.0)),
        ("kms", "TagResource" | "UntagResource") => (per_action, rate(10.0, 10.0)),
        ("kms", "DeleteAlias" | "PutKeyPolicy" | "ScheduleKeyDeletion") => {
            (per_action, rate(15.0, 15.0))
        }
        ("kms", "CreateGrant") => (per_action, rate(50.0, 50.0)),
        ("kms", "ListGrants") => (per_action, rate(100.0, 100.0)),
        ("kms", "Sign" | "Verify") => ("cryptographic operations (ECC)", rate(300.0, 300.0)),
        ("kms", "ListAliases" | "ListKeys") => (per_action, rate(500.0, 500.0)),
        ("kms", "GetKeyPolicy") => (per_action, rate(1000.0, 1000.0)),
        ("kms", "DescribeKey" | "GetPublicKey") => (per_action, rate(2000.0, 2000.0)),
        ("logs", "CreateLogGroup" | "DescribeLogGroups" | "PutRetentionPolicy") => {
            (per_action, rate(10.0, 10.0))
        }
        ("logs", "TagResource" | "UntagResource") => (per_action, rate(5.0, 5.0)),
        // API Gateway: "Quotas for creating, deploying and managing an API". The total of all
        // operations, 10 per second with a burst of 40, is the bucket of those without a row.
        ("apigateway", "CreateRestApi" | "ImportRestApi") => {
            ("CreateRestApi", rate(1.0, 1.0 / 3.0))
        }
        ("apigateway", "DeleteRestApi") => (per_action, rate(1.0, 1.0 / 30.0)),
        ("apigateway", "CreateDeployment") => (per_action, rate(1.0, 1.0 / 5.0)),
        ("apigateway", "CreateResource" | "DeleteResource") => (per_action, rate(5.0, 5.0)),
        ("apigateway", "GetResources") => (per_action, rate(5.0, 2.5)),
        ("apigateway", "PutRestApi") => (per_action, rate(1.0, 1.0)),
        ("apigateway", "UpdateAccount") => (per_action, rate(1.0, 1.0 / 20.0)),
        ("apigateway", _) => ("all", rate(40.0, 10.0)),
        ("cloudwatch", "PutMetricAlarm") => (per_action, rate(3.0, 3.0)),
        ("cloudwatch", "DescribeAlarms") => (per_action, rate(9.0, 9.0)),
        ("cloudwatch", "DeleteAlarms" | "SetAlarmState") => (per_action, rate(3.0, 3.0)),
        ("resourcegroupstaggingapi", "GetResources") => (per_action, rate(15.0, 15.0)),
        ("resourcegroupstaggingapi", _) => (per_action, rate(5.0, 5.0)),
        ("lambda", "Invoke") => return None,
        ("lambda", "GetFunction") => (per_action, rate(100.0, 100.0)),
        ("lambda", "GetPolicy") => (per_action, rate(15.0, 15.0)),
        ("lambda", _) => ("control plane", rate(15.0, 15.0)),
        ("sts", _) => ("all", rate(600.0, 600.0)),
        // "Request token bucket sizes and refill rates" of the EC2 API's guide: tags, and
        // non-mutating calls as long as they have a filter or an id.
        ("ec2", "CreateTags") => (per_action, rate(100.0, 10.0)),
        ("ec2", _) => (per_action, rate(100.0, 20.0)),
        _ => return None,
    };
    Some(found)
}

impl State {
    /// Takes one token of the operation's bucket.
    pub fn take(
        &mut self,
        now: Timestamp,
        (account, region): (&str, &str),
        (model, protocol): (&Model, Protocol),
        operation: &str,
    ) -> Result<(), AwsError> {
        let Some((group, rate)) = bucket_of(&model.service, operation) else {
            return Ok(());
        };
        let counted = if group.is_empty() { operation } else { group };
        let key = format!("{account}/{region}/{}/{counted}", model.service);
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket {
            tokens: rate.burst,
            at: now,
        });
        let elapsed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * rate.per_second).min(rate.burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(throttled(model, protocol));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Forgets buckets that are full again, so that the state stays small.
    pub fn forget_full(&mut self, now: Timestamp) {
        self.buckets
            .retain(|_, bucket| now.duration_since(bucket.at).as_secs() < 60);
    }
}

/// What a service answers when it is asked too often.
pub fn throttled(model: &Model, protocol: Protocol) -> AwsError {
    match (model.service.as_str(), protocol) {
        ("resourcegroupstaggingapi", _) => AwsError::new(
            "ThrottledException",
            "The request was denied to limit the frequency of submitted requests.",
        ),
        ("apigateway", _) => AwsError::new("TooManyRequestsException", "Too Many Requests"),
        ("lambda", _) => AwsError::new("TooManyRequestsException", "Rate exceeded"),
        ("ec2", _) => AwsError {
            status: Some(503),
            ..AwsError::new("RequestLimitExceeded", "Request limit exceeded.")
        },
        (_, Protocol::RestXml | Protocol::Query | Protocol::Ec2) => {
            AwsError::new("Throttling", "Rate exceeded")
        }
        (_, Protocol::Json | Protocol::RestJson | Protocol::RpcV2Cbor) => {
            AwsError::new("ThrottlingException", "Rate exceeded")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::model::model;

    fn take(state: &mut State, at: Timestamp, service: &str, operation: &str) -> bool {
        let model = model(service).expect("served");
        state
            .take(
                at,
                ("1", "us-east-1"),
                (model, model.protocols[0]),
                operation,
            )
            .is_ok()
    }

    #[test]
    fn a_bucket_empties_and_refills_at_its_rate() {
        let mut state = State::default();
        let start = Timestamp::UNIX_EPOCH;
        for _ in 0..40 {
            assert!(take(&mut state, start, "route53", "CreateHostedZone"));
        }
        assert!(!take(&mut state, start, "route53", "CreateHostedZone"));
        assert!(
            take(&mut state, start, "route53", "GetHostedZone"),
            "another action's bucket"
        );
        let later = start + Duration::from_millis(500);
        assert!(take(&mut state, later, "route53", "CreateHostedZone"));
        assert!(!take(&mut state, later, "route53", "CreateHostedZone"));
    }

    #[test]
    fn accounts_do_not_share_and_groups_do() {
        let mut state = State::default();
        let at = Timestamp::UNIX_EPOCH;
        for _ in 0..300 {
            assert!(take(&mut state, at, "kms", "Sign"));
        }
        assert!(!take(&mut state, at, "kms", "Verify"));
        let kms = model("kms").expect("served");
        let other = state.take(at, ("2", "us-east-1"), (kms, Protocol::Json), "Verify");
        assert_eq!(other, Ok(()));
        let refused = state.take(at, ("1", "us-east-1"), (kms, Protocol::Json), "Verify");
        assert_eq!(
            refused,
            Err(AwsError::new("ThrottlingException", "Rate exceeded"))
        );
    }
}
