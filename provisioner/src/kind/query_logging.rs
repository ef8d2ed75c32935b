//! Query logging of the zone: Route 53 writes every question it answers into a log group.
//!
//! Natural key: the zone, which can have one configuration. Off unless the document asks for it, as
//! the lines hold addresses of people. AWS: CreateQueryLoggingConfig, DeleteQueryLoggingConfig,
//! ListQueryLoggingConfigs.

use std::collections::BTreeMap;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients};
use crate::desired::Desired;
use crate::kind::log_group::{self, QUERIES};
use crate::kind::{Limit, Look};
use crate::plan::{After, Change, Draft, Field, Lowered, Risk, StepId, Symbol, of};
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Snapshot};

/// The configuration as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Its id.
    pub id: String,
    /// ARN of the log group, without `:*`.
    pub group_arn: String,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("log-group".to_owned(), self.group_arn.clone())])
    }
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let wanted = log_group::arn(desired, QUERIES);
    let live = match &snapshot.query_logging {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => None,
        Observation::Present(live) if live.group_arn == wanted => {
            return super::up_to_date(addr, Outputs::new());
        }
        Observation::Present(live) => Some(live),
    };
    let create = Op::Create {
        zone: of(&desired.addr(Kind::HostedZone), Output::ZoneId),
        group_arn: wanted.clone(),
    };
    let mut drafts = Vec::new();
    // A configuration cannot be changed, and a zone has one.
    if let Some(live) = live {
        let op = Op::Delete {
            id: live.id.clone(),
        };
        drafts.push(Draft::new("delete", super::Op::QueryLogging(op)));
    }
    drafts.push(
        Draft::new("create", super::Op::QueryLogging(create))
            .after(After::Answered(StepId::new(addr, "delete")))
            .after(After::AllOf(log_group::addr(QUERIES)))
            .after(After::AllOf(desired.addr(Kind::LogsPolicy))),
    );
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: if live.is_some() {
                Symbol::Update
            } else {
                Symbol::Create
            },
            fields: vec![Field {
                name: "log-group".into(),
                before: live.map(|live| live.group_arn.clone()),
                after: Some(wanted),
            }],
            why: "the document wants questions logged".into(),
            risk: Risk::Safe,
        }),
        drafts,
        ..Lowered::default()
    }
}

/// What it needs to be gone.
pub fn destroy(addr: &Addr, _: &Desired, snapshot: &Snapshot) -> Lowered {
    match &snapshot.query_logging {
        Observation::Absent | Observation::Foreign(_, _) => Lowered::default(),
        Observation::Unreadable(why) => super::blocked(addr, why),
        Observation::Present(live) => Lowered {
            change: Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Destroy,
                fields: vec![Field::gone("log-group", &live.group_arn)],
                why: "questions are no longer logged".into(),
                risk: Risk::Safe,
            }),
            drafts: vec![Draft::new(
                "delete",
                super::Op::QueryLogging(Op::Delete {
                    id: live.id.clone(),
                }),
            )],
            ..Lowered::default()
        },
    }
}

/// Mutations of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateQueryLoggingConfig.
    Create {
        /// Zone id.
        zone: Arg,
        /// ARN of the log group.
        group_arn: String,
    },
    /// DeleteQueryLoggingConfig.
    Delete {
        /// Configuration id.
        id: String,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Create { zone, group_arn } => Op::Create {
                zone: f(zone),
                group_arn: group_arn.clone(),
            },
            Op::Delete { .. } => self.clone(),
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "route53:CreateQueryLoggingConfig",
            Op::Delete { .. } => "route53:DeleteQueryLoggingConfig",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "switching on",
            Op::Delete { .. } => "switching off",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::Route53
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(self, Op::Delete { .. })
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Reads the zone's configuration.
pub async fn observe(read: &Clients, _: &Desired, zone_id: &str) -> Observation<Live> {
    match of_zone(read, zone_id).await {
        Ok(Some(live)) => Observation::Present(live),
        Ok(None) => Observation::Absent,
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

async fn of_zone(read: &Clients, zone_id: &str) -> Result<Option<Live>, Failure> {
    let call = read.route53.list_query_logging_configs();
    let answer = call.hosted_zone_id(zone_id).send().await;
    let answer = answer.unless_gone("route53:ListQueryLoggingConfigs")?;
    let configs = answer.map(|answer| answer.query_logging_configs);
    Ok(configs.into_iter().flatten().next().map(|config| Live {
        id: config.id,
        group_arn: config
            .cloud_watch_logs_log_group_arn
            .trim_end_matches(":*")
            .to_owned(),
    }))
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Create { zone, group_arn } => {
            let call = write.route53.create_query_logging_config();
            let call = call.hosted_zone_id(zone.value());
            let call = call.cloud_watch_logs_log_group_arn(group_arn);
            match call.send().await.or_fail(action) {
                Ok(_) => {}
                // After a lost answer: one there is, and if it is the wanted one all is well.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    let there = of_zone(write, zone.value()).await?;
                    if there.is_none_or(|live| live.group_arn != *group_arn) {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::Delete { id } => {
            let call = write.route53.delete_query_logging_config();
            call.id(id).send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}
