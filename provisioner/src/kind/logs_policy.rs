//! The account's CloudWatch Logs resource policy that lets Route 53 write query logs.
//!
//! Natural key: its name in us-east-1. An account has ten of them per region, so that one serves every
//! zone of the account: it is made if no policy allows what is needed, one that does is used whoever
//! made it, and none is ever changed or removed. AWS: PutResourcePolicy, DescribeResourcePolicies
//! (Route 53 Developer Guide, "Public DNS query logging").

use std::collections::BTreeMap;

use serde_json::json;

use crate::addr::Addr;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients};
use crate::desired::Desired;
use crate::kind::log_group::{self, QUERIES};
use crate::kind::{Limit, Look};
use crate::plan::{Change, Draft, Field, Lowered, Report, Risk, Symbol, rights_between};
use crate::policy::{Policy, fill};
use crate::retry::Failure;
use crate::snapshot::{Observation, Snapshot};

/// The policy's text, with placeholders.
pub const POLICY: &str = include_str!("../../../policies/logs-route53.json");
/// Its name, the same for every stack of the account.
const NAME: &str = "spore-infra-route53-query-logging";
/// Policies per region (CloudWatch Logs API, PutResourcePolicy).
const POLICIES_MAX: usize = 10;

/// The policies of the account, as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Text of each, by name.
    pub policies: BTreeMap<String, String>,
    /// The one that allows what is needed.
    pub serving: Option<String>,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let serving = self.serving.clone().unwrap_or_default();
        BTreeMap::from([("serving".to_owned(), serving)])
    }
}

fn text(desired: &Desired) -> String {
    fill(POLICY, &[("account", json!(desired.account))]).to_string()
}

/// Whether a policy lets Route 53 write this stack's query log, whatever else it allows.
fn serves(desired: &Desired, text: &str) -> bool {
    let Ok(policy) = Policy::parse(text) else {
        return false;
    };
    let group = log_group::arn(desired, QUERIES);
    policy.statements.iter().any(|statement| {
        statement.allows_service("route53.amazonaws.com")
            && ["logs:CreateLogStream", "logs:PutLogEvents"]
                .iter()
                .all(|action| statement.covers_action(action))
            && statement.covers_resource(&format!("{group}:*"))
            && statement.conditions_are(&[("aws:SourceAccount", &desired.account)])
    })
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.logs_policy {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => &Live::default(),
        Observation::Present(live) => live,
    };
    if live.serving.is_some() {
        return super::up_to_date(addr, Outputs::new());
    }
    if live.policies.len() >= POLICIES_MAX && !live.policies.contains_key(NAME) {
        let names: Vec<&str> = live.policies.keys().map(String::as_str).collect();
        return super::blocked(
            addr,
            format!(
                "the account has {POLICIES_MAX} logs resource policies in us-east-1, which is the most, and \
                 none lets Route 53 write to /aws/route53/: {}; widen one of them to `{}`, or switch [logs] \
                 queries off",
                names.join(", "),
                text(desired)
            ),
        );
    }
    let text = text(desired);
    let rights = Policy::parse(&text)
        .map(|policy| rights_between(addr, &policy, None))
        .unwrap_or_default();
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields: vec![Field::new("name", NAME)],
            why:
                "without it Route 53 may not write query logs; it serves every zone of the account"
                    .into(),
            risk: Risk::Safe,
        }),
        drafts: vec![Draft::new("put", super::Op::LogsPolicy(Op::Put { text }))],
        rights,
        ..Lowered::default()
    }
}

/// It is shared, and stays.
pub fn destroy(_: &Addr, _: &Desired, snapshot: &Snapshot) -> Lowered {
    let serving = snapshot
        .logs_policy
        .present()
        .and_then(|live| live.serving.as_ref());
    Lowered {
        report: serving
            .map(|name| Report::Left {
                what: format!("logs resource policy {name}"),
                why: "it serves every zone of the account".into(),
            })
            .into_iter()
            .collect(),
        ..Lowered::default()
    }
}

/// Mutations of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// PutResourcePolicy.
    Put {
        /// The policy.
        text: String,
    },
}

impl Op {
    pub(super) fn map(&self, _: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        self.clone()
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Put { .. } => "logs:PutResourcePolicy",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Put { .. } => "putting",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::Logs
    }

    pub(super) fn is_removal(&self) -> bool {
        false
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Reads the account's policies, if the document wants query logs at all.
pub async fn observe(read: &Clients, desired: &Desired) -> Observation<Live> {
    if !desired.stack.logs.queries {
        return Observation::Absent;
    }
    match policies(read).await {
        Ok(policies) => {
            let serving = policies
                .iter()
                .find(|(_, text)| serves(desired, text))
                .map(|(name, _)| name.clone());
            Observation::Present(Live { policies, serving })
        }
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

async fn policies(read: &Clients) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    let mut token = None;
    loop {
        let call = read
            .logs_global
            .describe_resource_policies()
            .set_next_token(token);
        let answer = call.send().await.or_fail("logs:DescribeResourcePolicies")?;
        for policy in answer.resource_policies() {
            found.insert(
                policy.policy_name().unwrap_or_default().to_owned(),
                policy.policy_document().unwrap_or_default().to_owned(),
            );
        }
        token = answer.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    match op {
        Op::Put { text } => {
            let call = write.logs_global.put_resource_policy().policy_name(NAME);
            let call = call.policy_document(text);
            call.send().await.or_fail(op.action())?;
        }
    }
    Ok(Outputs::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_policy_that_allows_enough_is_used_whoever_made_it() {
        let desired = fixture::of("[logs]\nqueries = true\n");
        let theirs = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"route53.amazonaws.com"},
            "Action":"logs:*","Resource":"arn:aws:logs:*:*:log-group:*"}]}"#;
        assert!(serves(&desired, theirs));
        assert!(serves(&desired, &text(&desired)));
        let other_service = theirs.replace("route53.", "es.");
        let other_place = theirs.replace("log-group:*", "log-group:/aws/lambda/*");
        let other_account = text(&desired).replace("123456789012\"}", "210987654321\"}");
        for not_enough in [&other_service, &other_place, &other_account] {
            assert!(!serves(&desired, not_enough), "{not_enough}");
        }
    }

    #[test]
    fn a_full_account_blocks_and_says_what_to_do() {
        let desired = fixture::of("[logs]\nqueries = true\n");
        let mut snapshot = fixture::empty();
        snapshot.logs_policy = Observation::Present(Live {
            policies: (0..10).map(|n| (format!("p{n}"), "{}".into())).collect(),
            serving: None,
        });
        let addr = desired.addr(crate::addr::Kind::LogsPolicy);
        let lowered = converge(&addr, &desired, &snapshot);
        assert!(lowered.drafts.is_empty());
        assert!(matches!(&lowered.report[..], [Report::Blocked { why, .. }] if why.contains("p9")));
    }
}
