//! How often clients may call: the token buckets of methods and of the account.
//!
//! "API Gateway throttles requests to your API using the token bucket algorithm"; the limits of a
//! stage hold for each method by itself, the account's for all APIs of a region together
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html>).
//! AWS calls them targets; here they are exact. The account's bucket only runs dry under the profile
//! that has limits.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::route::Route;
use crate::apigateway::account::{BURST_LIMIT, RATE_LIMIT};
use crate::profile::Profile;
use crate::world::World;

/// Buckets by what they count.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::apigateway) struct Buckets {
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Buckets {
    /// Takes a token, if there is one.
    fn take(&mut self, key: &str, now: Timestamp, rate: f64, burst: f64) -> bool {
        let full = || Bucket {
            tokens: burst,
            at: now,
        };
        let bucket = self.buckets.entry(key.to_owned()).or_insert_with(full);
        let elapsed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * rate).min(burst);
        bucket.at = now;
        let has_one = bucket.tokens >= 1.0;
        if has_one {
            bucket.tokens -= 1.0;
        }
        has_one
    }
}

/// Lets a request through, or not.
pub(super) fn take(world: &mut World, exchange: &Exchange, route: &Route) -> Result<(), Refusal> {
    let is_limited = world.profile == Profile::Aws;
    let Some(region) = world
        .apigateway
        .accounts
        .get_mut(&exchange.account)
        .and_then(|regions| regions.get_mut(&exchange.region))
    else {
        return Ok(());
    };
    let verb = &route.method.http_method;
    let stage = region
        .apis
        .get(&exchange.api)
        .and_then(|api| api.stages.get(&exchange.stage));
    let setting = stage.and_then(|stage| stage.setting(&route.resource_path, verb));
    // A negative limit is none.
    let own = setting
        .map(|setting| {
            (
                setting.throttling_rate_limit,
                setting.throttling_burst_limit,
            )
        })
        .filter(|(rate, burst)| *rate >= 0.0 && *burst >= 0);
    let key = format!(
        "{}/{}/{verb}{}",
        exchange.api, exchange.stage, route.resource_path
    );
    let buckets = &mut region.buckets;
    let passes_own =
        own.is_none_or(|(rate, burst)| buckets.take(&key, exchange.at, rate, as_tokens(burst)));
    let passes = passes_own
        && (!is_limited
            || buckets.take("account", exchange.at, RATE_LIMIT, as_tokens(BURST_LIMIT)));
    if passes {
        Ok(())
    } else {
        Err(Refusal::new("THROTTLED", "Too Many Requests"))
    }
}

fn as_tokens(burst: i64) -> f64 {
    i32::try_from(burst).map_or(f64::from(i32::MAX), f64::from)
}
