//! What whoever runs this tool must be allowed: the reader for everything that only reads, the operator
//! for `apply` and `destroy` as well. Decided by the templates in `policies/` and the document alone, so
//! that it can be asked before there is an account to ask.
//!
//! Resources and conditions are as narrow as AWS lets them be for each action (Service Authorization
//! Reference); an action without resources stands alone with `*`. Two things cannot be known offline: the
//! zone's id, which narrows Route 53's statements once it is given, and the ids of keys and APIs, for
//! which the stack's tag stands.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::aws::GLOBAL_REGION;
use crate::desired::Desired;
use crate::kind::{api_account, log_group};
use crate::policy::fill;
use crate::stack::Delegation;

/// What reading needs, with placeholders.
const READER: &str = include_str!("../../policies/reader.json");
/// What writing needs besides, with placeholders.
const OPERATOR: &str = include_str!("../../policies/operator.json");

/// What adopting one key needs besides, with placeholders.
const ADOPT_KEY: &str = include_str!("../../policies/adopt-key.json");

/// Characters of all inline policies of a role together, without white space (IAM User Guide, "IAM and
/// AWS STS quotas").
pub const INLINE_CHARS_MAX: usize = 10_240;
/// Characters of one managed policy, without white space (the same page). A role has ten of them.
pub const MANAGED_CHARS_MAX: usize = 6_144;

/// Every hosted zone of the account.
const ANY_ZONE: &str = "arn:aws:route53:::hostedzone/*";

/// Who runs the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// Runs `plan`, `ds` and everything else that only reads.
    Reader,
    /// Runs `apply` and `destroy` too.
    Operator,
}

impl Principal {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Principal::Reader => "reader",
            Principal::Operator => "operator",
        }
    }
}

/// One statement of a policy, and why it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The first principal who has it: the operator has the reader's as well.
    pub principal: Principal,
    /// As IAM takes it.
    pub statement: Value,
    /// What it is for.
    pub why: &'static str,
}

impl Grant {
    /// Its `Sid`.
    pub fn sid(&self) -> &str {
        self.statement["Sid"].as_str().unwrap_or_default()
    }

    /// Its actions.
    pub fn actions(&self) -> Vec<&str> {
        texts(&self.statement["Action"])
    }

    /// Its resources.
    pub fn resources(&self) -> Vec<&str> {
        texts(&self.statement["Resource"])
    }

    /// Its conditions; null when there are none.
    pub fn condition(&self) -> &Value {
        &self.statement["Condition"]
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// Everything a principal must be allowed for a document. `zone_id` narrows what concerns the zone to
/// one that exists; without it, every zone of the account is in reach, as an id is given by AWS.
pub fn grants(principal: Principal, desired: &Desired, zone_id: Option<&str>) -> Vec<Grant> {
    let values = values(desired, zone_id);
    let mut all = of_template(Principal::Reader, READER, &values);
    if principal == Principal::Operator {
        all.extend(of_template(Principal::Operator, OPERATOR, &values));
    }
    all
}

/// What the operator must be allowed besides to adopt the key of a key-signing key that was made by hand. Such
/// a key has its maker's alias, and keys with an alias of others are out of the operator's reach.
pub fn to_adopt(desired: &Desired, key_arn: &str) -> Vec<Grant> {
    let values = [
        ("domain", json!(desired.domain)),
        ("key_arn", json!(key_arn)),
    ];
    of_template(Principal::Operator, ADOPT_KEY, &values)
}

fn of_template(
    principal: Principal,
    template: &str,
    values: &[(&'static str, Value)],
) -> Vec<Grant> {
    let policy = fill(template, values);
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    let grant = |mut statement: Value| {
        if let Some(object) = statement.as_object_mut() {
            object.retain(|name, value| name != "Condition" || *value != json!({}));
        }
        let why = why(statement["Sid"].as_str().unwrap_or_default());
        Grant {
            principal,
            statement,
            why,
        }
    };
    statements.into_iter().map(grant).collect()
}

/// One policy with all of some grants.
pub fn document(grants: &[Grant]) -> Value {
    let statements: Vec<&Value> = grants.iter().map(|grant| &grant.statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The same as short as it can be said, since a role has room for so much: without the statements' ids, which only
/// people read, and with one statement for all actions that are allowed on the same under the same conditions.
pub fn bare(grants: &[Grant]) -> Value {
    let mut merged: Vec<(Value, BTreeSet<String>)> = Vec::new();
    for grant in grants {
        let mut rest = grant.statement.clone();
        let mut actions = BTreeSet::new();
        if let Some(object) = rest.as_object_mut() {
            object.remove("Sid");
            object.remove("Action");
            actions.extend(grant.actions().into_iter().map(str::to_owned));
        }
        match merged.iter_mut().find(|(other, _)| *other == rest) {
            Some((_, all)) => all.extend(actions),
            None => merged.push((rest, actions)),
        }
    }
    let statements = merged.into_iter().map(|(mut statement, actions)| {
        statement["Action"] = json!(actions);
        statement
    });
    let statements: Vec<Value> = statements.collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The same as several policies, each small enough to be a managed policy.
pub fn managed(grants: &[Grant]) -> Vec<Value> {
    let mut parts: Vec<Vec<Grant>> = Vec::new();
    for grant in grants {
        let fitting = parts.iter_mut().find(|part| {
            let with: Vec<Grant> = part.iter().chain([grant]).cloned().collect();
            chars(&document(&with)) <= MANAGED_CHARS_MAX
        });
        match fitting {
            Some(part) => part.push(grant.clone()),
            None => parts.push(vec![grant.clone()]),
        }
    }
    parts.iter().map(|part| document(part)).collect()
}

/// The size of a policy as IAM counts it: without white space.
pub fn chars(policy: &Value) -> usize {
    let text = policy.to_string();
    text.chars().filter(|char| !char.is_whitespace()).count()
}

fn values(desired: &Desired, zone_id: Option<&str>) -> Vec<(&'static str, Value)> {
    let Desired {
        account,
        region,
        domain,
        ..
    } = desired;
    let regions = BTreeSet::from([region.as_str(), GLOBAL_REGION]);
    let in_regions = |form: &dyn Fn(&str) -> String| -> Value {
        regions.iter().map(|region| form(region)).collect()
    };
    let queries = desired.stack.logs.queries;
    let only = |wanted: bool, value: Value| if wanted { value } else { json!([]) };
    let zone_arn = json!(format!(
        "arn:aws:route53:::hostedzone/{}",
        zone_id.unwrap_or("*")
    ));
    let groups = desired.log_group_arn(&desired.journal_group());
    let query_group = log_group::group_name(desired, log_group::QUERIES);
    let query_group = format!("arn:aws:logs:{GLOBAL_REGION}:{account}:log-group:{query_group}");
    let role = desired.role_arn();
    let api_role = api_account::role_arn(desired);
    let boundary = desired.stack.iam.permissions_boundary.as_ref();
    let alarm_actions = &desired.stack.alarms.notify;
    let topics: Vec<&str> = alarm_actions.iter().map(|topic| topic.as_str()).collect();
    let prefix = desired.alarm_prefix();
    vec![
        ("account", json!(account)),
        ("region", json!(region)),
        ("domain", json!(domain)),
        ("zone_arn", zone_arn.clone()),
        (
            // Which zone of the account is the parent shows only in DNS.
            "read_zone_arn",
            match &desired.stack.delegation {
                Delegation::Auto => json!(ANY_ZONE),
                Delegation::Through(_) | Delegation::External => zone_arn.clone(),
            },
        ),
        (
            // The conditions leave two record sets of it. Without an id of the own zone, the statements on
            // that reach every zone of the account already.
            "parent_zone_arns",
            match (&desired.stack.delegation, zone_id) {
                (Delegation::Auto, Some(_)) => json!(ANY_ZONE),
                (Delegation::Auto | Delegation::Through(_) | Delegation::External, _) => json!([]),
            },
        ),
        (
            "parent_roles",
            match &desired.stack.delegation {
                Delegation::Through(role) => json!(role.as_str()),
                Delegation::Auto | Delegation::External => json!([]),
            },
        ),
        ("zone_arn_for_queries", only(queries, zone_arn)),
        ("any_for_queries", only(queries, json!("*"))),
        (
            "key_arns",
            in_regions(&|region| format!("arn:aws:kms:{region}:{account}:key/*")),
        ),
        (
            "alias_arns",
            json!([
                format!(
                    "arn:aws:kms:{GLOBAL_REGION}:{account}:{}",
                    desired.key_alias
                ),
                format!(
                    "arn:aws:kms:{region}:{account}:{}",
                    desired.logs_key_alias()
                ),
            ]),
        ),
        (
            "alias_names",
            json!([desired.key_alias, desired.logs_key_alias()]),
        ),
        (
            // A group's own ARN, and what stands behind it: `:*` is its streams. See the note on
            // denials of CloudWatch Logs in the sandbox's `logs/needs.rs`: either form may be asked.
            "log_group_arns",
            json!([
                groups,
                format!("{groups}:*"),
                format!("{groups}/*"),
                query_group,
                format!("{query_group}:*"),
            ]),
        ),
        (
            "journal_stream_arns",
            json!(format!("{groups}:log-stream:*")),
        ),
        (
            "read_log_group_arns",
            json!([
                groups,
                format!("{groups}:*"),
                format!("{groups}/*"),
                query_group,
                format!("{query_group}:*"),
            ]),
        ),
        ("role_arn", json!(role)),
        ("role_arns", json!([role, api_role])),
        ("api_logs_role_arn", json!(api_role)),
        (
            "boundary_arns",
            boundary.map_or_else(|| json!([]), |arn| json!(arn.as_str())),
        ),
        ("unbounded_role_arn", only(boundary.is_none(), json!(role))),
        (
            "bounded",
            boundary.map_or_else(
                || json!({}),
                |arn| json!({"StringEquals": {"iam:PermissionsBoundary": arn.as_str()}}),
            ),
        ),
        ("function_arn", json!(desired.function_arn())),
        (
            "any_alarm_arns",
            in_regions(&|region| format!("arn:aws:cloudwatch:{region}:{account}:alarm:*")),
        ),
        (
            "alarm_arns",
            in_regions(&|region| format!("arn:aws:cloudwatch:{region}:{account}:alarm:{prefix}*")),
        ),
        (
            "alarm_actions",
            if topics.is_empty() {
                json!({"Null": {"cloudwatch:AlarmActions": "true"}})
            } else {
                json!({"ForAllValues:StringEquals": {"cloudwatch:AlarmActions": topics}})
            },
        ),
    ]
}

/// What a statement is for. A statement without a reason fails a test.
fn why(sid: &str) -> &'static str {
    match sid {
        "ReadLists" => {
            "find the zone, the keys, the log groups and everything that carries the stack's tag, and \
             see how much Lambda concurrency is free and that one more zone fits; AWS knows no narrower \
             resource for these"
        }
        "ReadLogPolicies" => "see whether Route 53 may write query logs in this account",
        "ReadZone" => "compare the zone, its signing and its tags",
        "ReadRecords" => {
            "compare the zone's records, and the delegation where the parent zone is in this account: which \
             one that is shows only in DNS"
        }
        "ReachParent" => "read and change the delegation in the parent zone's account",
        "Delegate" => {
            "delegate the zone and vouch for its key: only the NS and DS records of exactly its name"
        }
        "ReadKeys" => {
            "compare the keys; all keys, since one that lost its tag or alias must be found as well"
        }
        "FindKeys" => {
            "ask for a key by its alias; while there is none, KMS judges the alias (ASSUMPTIONS.md, A-37)"
        }
        "ReadLogs" => {
            "compare the log groups and their metric filters, and find who is handed their lines"
        }
        "ReadJournal" => "read what the TTLs of an adopted zone were, while they are lowered",
        "ReadRole" => {
            "find rights that somebody gave the updater, or the shared role by which API Gateway logs, and whose that is"
        }
        "ReadBoundary" => {
            "see that the document's permissions boundary exists, before anything is made"
        }
        "ReadFunction" => {
            "compare the updater's code and configuration, and find who may invoke it"
        }
        "ReadReleases" => "find who may invoke an alias or a version that somebody published",
        "ReadApi" => "compare the API, and find the stack's among all of them",
        "ReadAlarms" => "compare the alarms; DescribeAlarms is judged on all of them",
        "ReadAlarmTags" => "compare the alarms' tags",
        "MakeZone" => "make the zone; AWS knows no narrower resource",
        "ChangeZone" => "sign the zone, stop signing it, tag and describe it, delete it",
        "LogQueries" => "have queries logged",
        "StopQueryLogs" => {
            "stop logging queries when the document says so; a configuration's id is AWS's choice"
        }
        "LetRoute53Log" => "let Route 53 write query logs; AWS knows no narrower resource",
        "SetApex" => {
            "set the SOA record's times, which bound how long a mistake is remembered, have the zone name its own \
             servers, and lower the TTL of the NS set of an adopted zone for a while: neither can be deleted and \
             made anew"
        }
        "EditRecords" => {
            "delete the zone's last records before the zone itself, `restore` them from a file, free names, and \
             lower the TTLs of an adopted zone for a while"
        }
        "AwaitChange" => "wait until a change is on every name server; its id is not known before",
        "MakeKeys" => {
            "make the key that signs and the key that encrypts logs, tagged from the start"
        }
        "TagNewKeys" => {
            "tag a key while it is made: CreateKey asks for the right on every key, so that keys which \
             have an alias are left out"
        }
        "KeepNamedKeys" => {
            "tag the stack's keys again, and take its aliases back from keys of others"
        }
        "AdoptKey" => "take over the key of a key-signing key made by hand, unless a stack has it",
        "ChangeKeys" => "name, tag and enable the stack's keys, and take back others' grants",
        "SetKeyPolicy" => "say who may use the stack's keys; never past KMS's lockout check",
        "RetireKeys" => "schedule the deletion of the stack's keys, never in less than 30 days",
        "NameKeys" => "the keys' aliases: KMS asks for the right on alias and key",
        "ChangeLogs" => {
            "make the log groups, keep journal and lock in them, count refusals, take back who is handed lines, \
             delete on request"
        }
        "MakeRole" => "make the roles of updater and API logs, with the document's boundary if any",
        "ChangeRole" => "take back what others gave the updater, and delete its role",
        "UnboundRole" => "the document wants no permissions boundary: take off one that others set",
        "SetRolePolicy" => "give the roles their policies, and put back who may use them",
        "PassToLambda" => "let the function run as its role, and nothing else",
        "PassToApi" => "let API Gateway write logs as the shared role, and nothing else",
        "ChangeFunction" => "make and update the updater",
        "RemoveFunction" => {
            "delete the updater, and aliases, versions and URLs of it that somebody made"
        }
        "LetApiInvoke" => "let API Gateway invoke the updater, and nobody else",
        "MakeApi" => "make the API, tagged from the start",
        "ChangeOwnApi" => "build, deploy, repair and delete the stack's API",
        "ChangeStages" => {
            "repair a stage that lost its tags, and remove one that somebody added: a stage is judged by its \
             own tags"
        }
        "TagApi" => "tag the API; whose it is cannot be told from a call on tags",
        "SetApiPolicy" => "set and clear the API's resource policy",
        "LetApisLog" => "name the account's role for API logs when nobody has",
        "ChangeAlarms" => "tag and delete the stack's alarms",
        "SetAlarms" => {
            "make and repair the stack's alarms, with no other actions than the document's"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::fixture;
    use crate::policy::Policy;

    fn actions(grants: &[Grant]) -> BTreeSet<&str> {
        grants.iter().flat_map(Grant::actions).collect()
    }

    #[test]
    fn nothing_is_left_to_fill_and_everything_has_a_reason() {
        let desired = fixture::desired();
        let adopting = to_adopt(&desired, fixture::KEY);
        let all = grants(Principal::Operator, &desired, None);
        for grant in all.iter().chain(&adopting) {
            assert!(!grant.statement.to_string().contains("${"), "{grant:?}");
            assert!(!grant.why.is_empty(), "{}", grant.sid());
        }
    }

    #[test]
    fn the_reader_can_write_nothing() {
        let desired = fixture::desired();
        let reader = grants(Principal::Reader, &desired, None);
        for action in actions(&reader) {
            let name = action.split(':').nth(1).unwrap();
            let reads = ["Get", "List", "Describe", "GET"];
            assert!(reads.iter().any(|verb| name.starts_with(verb)), "{action}");
        }
    }

    #[test]
    fn nobody_may_sign_or_lend_the_key() {
        let desired = fixture::desired();
        let policy = document(&grants(Principal::Operator, &desired, None)).to_string();
        let policy = Policy::parse(&policy).unwrap();
        for action in [
            "kms:Sign",
            "kms:CreateGrant",
            "kms:Decrypt",
            "iam:AttachRolePolicy",
        ] {
            let who = policy
                .statements
                .iter()
                .find(|one| one.covers_action(action));
            assert_eq!(who, None, "{action}");
        }
    }

    #[test]
    fn parts_are_small_enough_and_say_the_same() {
        let desired = fixture::desired();
        let grants = grants(Principal::Operator, &desired, Some("Z1"));
        let whole = Policy::parse(&document(&grants).to_string()).unwrap();
        let parts = managed(&grants);
        assert!(parts.iter().all(|part| chars(part) <= MANAGED_CHARS_MAX));
        let together: BTreeSet<_> = parts
            .iter()
            .flat_map(|part| Policy::parse(&part.to_string()).unwrap().statements)
            .collect();
        assert_eq!(together, whole.statements);
        let bare = bare(&grants);
        assert!(!bare.to_string().contains("\"Sid\""), "{bare}");
        // Action by action, and nothing but that.
        let each = |policy: &Value| -> BTreeSet<String> {
            let statements = policy["Statement"].as_array().unwrap().iter();
            let each = statements.flat_map(|statement| {
                let mut rest = statement.clone();
                rest.as_object_mut().unwrap().remove("Sid");
                texts(&statement["Action"]).into_iter().map(move |action| {
                    rest["Action"] = json!(action);
                    rest.to_string()
                })
            });
            each.collect()
        };
        assert_eq!(each(&bare), each(&document(&grants)));
        assert!(chars(&bare) < chars(&document(&grants)));
    }

    #[test]
    fn a_zone_id_narrows_every_statement_on_zones() {
        let desired = fixture::desired();
        let narrow = grants(Principal::Operator, &desired, Some("Z1"));
        // The parent's id is not known; there the records are narrowed.
        let on_parent = ["ReadRecords", "Delegate"];
        let own = narrow
            .iter()
            .filter(|grant| !on_parent.contains(&grant.sid()));
        let zones = own.flat_map(Grant::resources);
        let zones: BTreeSet<_> = zones.filter(|arn| arn.contains(":hostedzone/")).collect();
        assert_eq!(zones, BTreeSet::from(["arn:aws:route53:::hostedzone/Z1"]));
    }
}
