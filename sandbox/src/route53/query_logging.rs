//! Query logging: a zone's queries go to a log group.
//!
//! A configuration is made only if Route 53 could use it at that time: the group exists, and the
//! resource policies of CloudWatch Logs let Route 53 write to it. A policy that is taken away later
//! stops the writing and leaves the configuration.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{bare, needs, typed, zone};
use crate::auth;
use crate::dns::{self, Transport, address};
use crate::listing::{self, Page};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateQueryLoggingConfig",
        // The reference gives the zone as its resource. What Route 53 does in CloudWatch Logs it does
        // by itself.
        needs: |_, _, input| needs::on_zone("CreateQueryLoggingConfig", input, "HostedZoneId"),
        run: create,
    },
    Operation {
        name: "GetQueryLoggingConfig",
        needs: |_, _, input| by_id("GetQueryLoggingConfig", input),
        run: get,
    },
    Operation {
        name: "ListQueryLoggingConfigs",
        needs: list_needs,
        run: list,
    },
    Operation {
        name: "DeleteQueryLoggingConfig",
        needs: |_, _, input| by_id("DeleteQueryLoggingConfig", input),
        run: delete,
    },
];

/// The resource of an operation on a configuration
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonroute53.html>).
fn by_id(action: &str, input: &Value) -> Vec<Need> {
    let id = input["Id"].as_str().unwrap_or_default();
    let arn = format!("arn:aws:route53:::queryloggingconfig/{id}");
    vec![Need::new(&format!("route53:{action}"), arn)]
}

fn list_needs(_: &World, _: &Caller, input: &Value) -> Vec<Need> {
    match input["HostedZoneId"].as_str() {
        Some(_) => needs::on_zone("ListQueryLoggingConfigs", input, "HostedZoneId"),
        None => needs::anywhere("ListQueryLoggingConfigs"),
    }
}

/// Configurations per page, at most and by default (API reference, ListQueryLoggingConfigs).
const PAGE_MAX: usize = 100;

/// The region of the groups: "You must create the log group in the us-east-1 region."
const REGION: &str = "us-east-1";

/// Who writes the queries.
const SERVICE: &str = "route53.amazonaws.com";

/// The edge location that answers every query here; streams are named after zone and edge.
const EDGE: &str = "IAD79-C1";

/// The resolver that asks, of the addresses for documentation: the world does not know who asks.
const RESOLVER: &str = "192.0.2.53";

/// Where the queries of a zone go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QueryLogging {
    pub id: String,
    /// ARN of the log group, as it was given.
    pub group_arn: String,
}

impl QueryLogging {
    /// Name of the log group.
    fn group(&self) -> String {
        let name = self.group_arn.splitn(7, ':').nth(6).unwrap_or_default();
        name.strip_suffix(":*").unwrap_or(name).to_owned()
    }

    fn shown(&self, zone_id: &str) -> Value {
        json!({
            "Id": self.id,
            "HostedZoneId": zone_id,
            "CloudWatchLogsLogGroupArn": self.group_arn,
        })
    }
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        hosted_zone_id: String,
        cloud_watch_logs_log_group_arn: String,
    }
    let input: Input = typed(input)?;
    let zone = zone(world, caller, &input.hosted_zone_id)?;
    if zone.is_private() {
        return Err(AwsError::new(
            "InvalidInput",
            "Query logging is only supported for public hosted zones.",
        ));
    }
    let zone_id = zone.id.clone();
    if zone.query_logging.is_some() {
        return Err(AwsError::new(
            "QueryLoggingConfigAlreadyExists",
            format!("A query logging configuration already exists for the hosted zone {zone_id}."),
        ));
    }
    let group_arn = input.cloud_watch_logs_log_group_arn;
    let group = group_name(caller, &group_arn)?;
    if !world.logs.has_group(&caller.account, REGION, group) {
        return Err(AwsError::new(
            "NoSuchCloudWatchLogsLogGroup",
            "The specified CloudWatch Logs log group doesn't exist.",
        ));
    }
    check_permission(world, &caller.account, group, &zone_id)?;
    let id = world.random.uuid();
    let logging = QueryLogging { id, group_arn };
    let shown = logging.shown(&zone_id);
    let location = format!(
        "https://route53.amazonaws.com/2013-04-01/queryloggingconfig/{}",
        logging.id
    );
    super::zone_mut(world, caller, &zone_id)?.query_logging = Some(logging);
    Ok(json!({ "QueryLoggingConfig": shown, "Location": location }))
}

/// The name of the caller's group in us-east-1 that an ARN names; a `:*` at its end, with which
/// DescribeLogGroups shows it, is taken too.
fn group_name<'a>(caller: &Caller, arn: &'a str) -> Result<&'a str, AwsError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", "aws", "logs", region, account, resource] = parts[..] else {
        return Err(AwsError::new(
            "InvalidInput",
            format!("The ARN {arn} of the CloudWatch Logs log group isn't valid."),
        ));
    };
    let name = resource
        .strip_prefix("log-group:")
        .map(|name| name.strip_suffix(":*").unwrap_or(name))
        .filter(|name| !name.is_empty() && !name.contains(':'));
    let Some(name) = name else {
        return Err(AwsError::new(
            "InvalidInput",
            format!("The ARN {arn} isn't that of a CloudWatch Logs log group."),
        ));
    };
    if region != REGION {
        return Err(AwsError::new(
            "InvalidInput",
            format!("The log group must be in the {REGION} region, not in {region}."),
        ));
    }
    if account != caller.account {
        return Err(AwsError::new(
            "InvalidInput",
            "The log group and the hosted zone must be in the same account.",
        ));
    }
    Ok(name)
}

/// Route 53 makes a stream and puts events in it, for a zone of the account. A policy may be bound to
/// that by aws:SourceArn and aws:SourceAccount
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/query-logs.html>).
fn check_permission(
    world: &World,
    account: &str,
    group: &str,
    zone_id: &str,
) -> Result<(), AwsError> {
    match may_write(world, account, group, zone_id) {
        Ok(()) => Ok(()),
        Err(action) => Err(AwsError::new(
            "InsufficientCloudWatchLogsResourcePolicy",
            format!(
                "The resource policy that you're using for Route 53 query logging doesn't grant \
                 Route 53 sufficient permission to create a log stream in the specified log group \
                 ({action})."
            ),
        )),
    }
}

/// Whether Route 53 may write; else the action that it lacks.
fn may_write(world: &World, account: &str, group: &str, zone_id: &str) -> Result<(), &'static str> {
    let streams =
        format!("arn:aws:logs:{REGION}:{account}:log-group:{group}:log-stream:{zone_id}/");
    let resource = format!("{streams}{EDGE}");
    let policy = world.logs.resource_policy(&resource);
    let lacking = ["logs:CreateLogStream", "logs:PutLogEvents"]
        .into_iter()
        .find(|action| {
            let need = Need::new(action, resource.as_str())
                .with("aws:SourceArn", vec![super::zone_arn(zone_id)])
                .with("aws:SourceAccount", vec![account.to_owned()]);
            !auth::service_may(world, SERVICE, &need, policy.as_deref())
        });
    lacking.map_or(Ok(()), Err)
}

/// The zone of a configuration of the caller's.
fn find(world: &World, caller: &Caller, id: &str) -> Result<(String, QueryLogging), AwsError> {
    let found = world.route53.zones.values().find_map(|zone| {
        let logging = zone.query_logging.as_ref()?;
        (zone.account == caller.account && logging.id == id)
            .then(|| (zone.id.clone(), logging.clone()))
    });
    found.ok_or_else(|| {
        AwsError::new(
            "NoSuchQueryLoggingConfig",
            format!("The query logging configuration {id} doesn't exist."),
        )
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ById {
    id: String,
}

fn get(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ById = typed(input)?;
    let (zone, logging) = find(world, caller, &input.id)?;
    Ok(json!({ "QueryLoggingConfig": logging.shown(&zone) }))
}

fn delete(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ById = typed(input)?;
    let (zone, _) = find(world, caller, &input.id)?;
    super::zone_mut(world, caller, &zone)?.query_logging = None;
    Ok(json!({}))
}

/// Those of the account, or that of one zone.
fn list(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        hosted_zone_id: Option<String>,
        next_token: Option<String>,
        max_results: Option<Value>,
    }
    let input: Input = typed(input)?;
    let wanted = match &input.hosted_zone_id {
        None => None,
        Some(id) => {
            zone(world, caller, id)?;
            Some(bare("hostedzone", id))
        }
    };
    let limit = match &input.max_results {
        None => PAGE_MAX,
        Some(given) => {
            let text = given
                .as_str()
                .map_or_else(|| given.to_string(), str::to_owned);
            let number = text.parse::<usize>().ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| {
                AwsError::new("InvalidInput", format!("maxresults {text} isn't valid"))
            })?;
            // "If you specify a value greater than 100 for MaxResults, Route 53 returns only the
            // first 100 configurations."
            number.min(PAGE_MAX)
        }
    };
    let after = match &input.next_token {
        None => None,
        Some(token) => Some(
            listing::after("ListQueryLoggingConfigs", token).ok_or_else(|| {
                AwsError::new(
                    "InvalidPaginationToken",
                    "The pagination token isn't valid.",
                )
            })?,
        ),
    };
    let mut items: Vec<(String, Value)> = world
        .route53
        .zones
        .values()
        .filter(|zone| zone.account == caller.account)
        .filter(|zone| wanted.is_none_or(|wanted| zone.id == wanted))
        .filter_map(|zone| {
            let logging = zone.query_logging.as_ref()?;
            Some((logging.id.clone(), logging.shown(&zone.id)))
        })
        .collect();
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    let Page { items, next } = listing::page(items, after.as_deref(), limit);
    let mut answer = json!({ "QueryLoggingConfigs": items });
    if let Some(next) = next {
        answer["NextToken"] = listing::token("ListQueryLoggingConfigs", &next).into();
    }
    Ok(answer)
}

impl World {
    /// Logs an answered query, if it is one of a zone that has its queries logged, and Route 53 may
    /// write. The format is that of
    /// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/query-logs.html#query-logs-format>:
    /// version, time, zone, name, type, response code, protocol, edge location, resolver, client
    /// subnet.
    pub(crate) fn log_query(
        &mut self,
        now: Timestamp,
        server: IpAddr,
        answer: &[u8],
        transport: Transport,
    ) {
        let mut logged = self.route53.zones.values();
        if !logged.any(|zone| zone.query_logging.is_some()) {
            return;
        }
        let Some((name, rtype, rcode)) = dns::asked(answer) else {
            return;
        };
        let zones = self.route53.zones.values().filter(|zone| {
            name.is_within(&zone.name) && address::any_at(&zone.name_server_names(), server)
        });
        let Some(zone) = zones.max_by_key(|zone| zone.name.depth()) else {
            return;
        };
        let Some(group) = zone.query_logging.as_ref().map(QueryLogging::group) else {
            return;
        };
        let (account, id) = (zone.account.clone(), zone.id.clone());
        if may_write(self, &account, &group, &id).is_err() {
            return;
        }
        let protocol = match transport {
            Transport::Datagram => "UDP",
            Transport::Stream => "TCP",
        };
        let name = name.to_string();
        let name = name.trim_end_matches('.');
        let at = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        let line = format!("1.0 {at} {id} {name} {rtype} {rcode} {protocol} {EDGE} {RESOLVER} -");
        let stream = format!("{id}/{EDGE}");
        self.log((&account, REGION), (&group, &stream), now, line);
    }
}
