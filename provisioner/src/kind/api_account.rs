//! The account's API Gateway settings in one region: the role by which API Gateway writes the logs of
//! every API there. Shared: made if absent, kept if somebody set another, never removed.
//!
//! Of the role that this tool makes, trust and policy are the same for all stacks: who changed them is named,
//! and they are put back. What others gave the role besides may serve another API, so that it is named in the
//! plan and left to whoever knows. A document's boundary is none of what is compared: it is that of the first
//! stack.
//!
//! Natural key: account and region. Without it no stage can have an access log ("CloudWatch Logs role
//! ARN must be set in account settings to enable logging"). The role belongs to the account and not to
//! the stack, so it carries no stack's tag and serves other regions and stacks as well. UpdateAccount
//! tries the role out: it must have every right of AWS's managed policy for it, reading included, and
//! a role made a moment ago is refused until it has spread (API Gateway Developer Guide, "Set up
//! CloudWatch logging for REST APIs"). A second condition on who assumes it is not needed: whoever
//! names it needs iam:PassRole in this account. AWS: GetAccount, UpdateAccount; IAM CreateRole,
//! PutRolePolicy, UpdateAssumeRolePolicy.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::types::{Op as PatchOp, PatchOperation};

use crate::addr::Addr;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, unusable};
use crate::desired::{Desired, MANAGED_BY, TAG_MANAGED_BY};
use crate::kind::{Limit, Look, role};
use crate::plan::{
    After, Change, Draft, Field, Lowered, Report, RightChange, Risk, StepId, Symbol, rights_between,
};
use crate::policy::Policy;
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Snapshot};
use crate::stack::AcceptedKind;

/// Who may use the role, with placeholders.
pub const TRUST: &str = include_str!("../../../policies/api-logs-trust.json");
/// What the role may do, with placeholders.
pub const POLICY: &str = include_str!("../../../policies/api-logs.json");
/// The role's name; one for the account.
pub const ROLE: &str = "spore-infra-api-logs";
/// Name of the policy inside it.
const POLICY_NAME: &str = "write-logs";

/// The settings as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// The role; none when nobody has set one.
    pub role_arn: Option<String>,
    /// What the role is, where it is this tool's and was to be read; none in it when it is gone, and else why
    /// it could not be read.
    pub role: Option<Result<Option<role::Live>, String>>,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let arn = self.role_arn.clone();
        let arn = arn.map(|arn| ("log-role".to_owned(), arn));
        let role = self.role.iter().flatten().flatten();
        let role = role.flat_map(role::Live::attributes);
        let role = role.map(|(name, value)| (format!("role.{name}"), value));
        arn.into_iter().chain(role).collect()
    }
}

/// ARN of the role this tool makes.
pub fn role_arn(desired: &Desired) -> String {
    format!("arn:aws:iam::{}:role/{ROLE}", desired.account)
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    match &snapshot.api_account {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => super::blocked(addr, why),
        Observation::Present(Live { role_arn: None, .. }) | Observation::Absent => {
            create(addr, desired, snapshot)
        }
        Observation::Present(live) => match &live.role {
            None => super::up_to_date(addr, Outputs::new()),
            Some(Err(why)) => super::blocked(addr, why),
            // API Gateway names a role that somebody deleted: no API of the account logs.
            Some(Ok(None)) => create(addr, desired, snapshot),
            Some(Ok(Some(role))) => update(addr, desired, role),
        },
    }
}

fn trust(desired: &Desired) -> String {
    TRUST.replace("${account}", &desired.account)
}

fn policy(desired: &Desired) -> String {
    POLICY.replace("${account}", &desired.account)
}

/// Puts back what this tool made of the role, and names what others gave it.
fn update(addr: &Addr, desired: &Desired, live: &role::Live) -> Lowered {
    let mut lowered = Lowered::default();
    let mut fields = Vec::new();
    let mut compare = |what: &str, wanted: &str, live: Option<&str>, lowered: &mut Lowered| {
        let live = live.and_then(|live| Policy::parse(live).ok());
        let wanted = Policy::parse(wanted).ok();
        if live == wanted {
            return false;
        }
        let none = Policy {
            statements: BTreeSet::new(),
        };
        let changed = rights_between(addr, &wanted.unwrap_or(none), live.as_ref());
        for right in &changed {
            let name = format!("role.{what}");
            fields.push(match right.gained {
                true => Field::new(name, &right.sentence),
                false => Field::gone(name, &right.sentence),
            });
        }
        lowered.rights.extend(changed);
        true
    };
    let wanted = trust(desired);
    if compare("trust", &wanted, Some(&live.trust), &mut lowered) {
        let op = super::Op::ApiAccount(Op::SetTrust { trust: wanted });
        lowered.drafts.push(Draft::new("trust", op));
    }
    let wanted = policy(desired);
    let own = live.inline.get(POLICY_NAME).map(String::as_str);
    if compare("policy", &wanted, own, &mut lowered) {
        let op = super::Op::ApiAccount(Op::PutPolicy { policy: wanted });
        lowered.drafts.push(Draft::new("policy", op));
    }
    lowered.report.extend(strange(addr, desired, live));
    if fields.is_empty() {
        let mut unchanged = super::up_to_date(addr, Outputs::new());
        unchanged.report.extend(lowered.report);
        return unchanged;
    }
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Update,
        fields,
        why: format!(
            "role {ROLE} writes the logs of every API of the account, and serves nothing else"
        ),
        risk: Risk::Safe,
    });
    lowered
}

/// What others gave the role, accepted or not.
fn strange(addr: &Addr, desired: &Desired, live: &role::Live) -> Vec<Report> {
    let inline = live.inline.iter().filter(|(name, _)| *name != POLICY_NAME);
    let inline = inline.map(|(name, text)| {
        let undo = format!("aws iam delete-role-policy --role-name {ROLE} --policy-name {name}");
        let may = Policy::shown(text);
        (AcceptedKind::InlinePolicy, "inline", name, may, undo)
    });
    let attached = live.attached.iter().map(|arn| {
        let undo = format!("aws iam detach-role-policy --role-name {ROLE} --policy-arn {arn}");
        let may = "what that policy allows".to_owned();
        (AcceptedKind::AttachedPolicy, "attached", arn, may, undo)
    });
    let told = inline.chain(attached).map(|(kind, word, name, may, undo)| {
        match desired.accepted(kind, name) {
            Some(reason) => Report::Accepted {
                addr: addr.clone(),
                what: format!("policy {name} of role {ROLE}"),
                reason: reason.to_owned(),
            },
            None => Report::Warning {
                addr: addr.clone(),
                what: format!(
                    "role.{word}.{name}: the role by which every API of the account logs has a policy of \
                     somebody else's ({may}); it is shared and may serve another API, so that it is left: take \
                     it away with `{undo}`, or accept it"
                ),
            },
        }
    });
    told.collect()
}

fn create(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    if let Err(why) = &snapshot.boundary {
        return super::blocked(addr, why);
    }
    let account = &desired.account;
    let boundary = desired.stack.iam.permissions_boundary.as_ref();
    let role = Op::CreateRole {
        trust: trust(desired),
        boundary: boundary.map(|arn| arn.as_str().to_owned()),
    };
    let policy = Op::PutPolicy {
        policy: policy(desired),
    };
    let update = Op::SetRole {
        role_arn: role_arn(desired),
    };
    let after = |step| After::Answered(StepId::new(addr, step));
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields: vec![
                Field::new("log-role", role_arn(desired)),
                Field::new("region", &desired.region),
            ],
            why: "nobody has told API Gateway yet by which role it writes logs; every API of the \
                  account and region shares it, and it stays when the stack goes"
                .into(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            Draft::new("role", super::Op::ApiAccount(role)),
            Draft::new("policy", super::Op::ApiAccount(policy)).after(after("role")),
            Draft::new("account", super::Op::ApiAccount(update)).after(after("policy")),
        ],
        rights: vec![RightChange {
            addr: addr.clone(),
            gained: true,
            sentence: format!(
                "apigateway.amazonaws.com may write and read CloudWatch logs of account {account} \
                 with role {ROLE}"
            ),
        }],
        ..Lowered::default()
    }
}

/// It stays: other APIs may log by it, and without it their logs would end silently.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    match &snapshot.api_account {
        Observation::Unreadable(why) => super::blocked(addr, why),
        Observation::Present(live) if live.role_arn == Some(role_arn(desired)) => Lowered {
            report: vec![Report::Left {
                what: format!("{addr} and role {ROLE}"),
                why: "every API of the account may write its logs by it".into(),
            }],
            ..Lowered::default()
        },
        Observation::Present(_) | Observation::Absent | Observation::Foreign(_, _) => {
            Lowered::default()
        }
    }
}

/// Its mutations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateRole.
    CreateRole {
        /// Trust policy.
        trust: String,
        /// Permissions boundary.
        boundary: Option<String>,
    },
    /// UpdateAssumeRolePolicy.
    SetTrust {
        /// Trust policy.
        trust: String,
    },
    /// PutRolePolicy.
    PutPolicy {
        /// Policy.
        policy: String,
    },
    /// UpdateAccount.
    SetRole {
        /// ARN of the role.
        role_arn: String,
    },
}

impl Op {
    pub(super) fn map(&self, _f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        self.clone()
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::CreateRole { .. } => "iam:CreateRole",
            Op::SetTrust { .. } => "iam:UpdateAssumeRolePolicy",
            Op::PutPolicy { .. } => "iam:PutRolePolicy",
            Op::SetRole { .. } => "apigateway:PATCH",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::CreateRole { .. } => "creating the role",
            Op::SetTrust { .. } => "setting who may use the role",
            Op::PutPolicy { .. } => "setting the role's policy",
            Op::SetRole { .. } => "setting the account's log role",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        match self {
            Op::CreateRole { .. } | Op::SetTrust { .. } | Op::PutPolicy { .. } => Limit::Iam,
            Op::SetRole { .. } => Limit::ApiAccount,
        }
    }

    pub(super) fn is_removal(&self) -> bool {
        false
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Reads the settings, and with `is_whole` the role, where it is this tool's.
pub async fn observe(read: &Clients, desired: &Desired, is_whole: bool) -> Observation<Live> {
    let answer = read.apigateway.get_account().send().await;
    let role_arn = match answer.or_fail("apigateway:GetAccount") {
        Ok(account) => account.cloudwatch_role_arn.filter(|arn| !arn.is_empty()),
        Err(failure) => return Observation::Unreadable(failure.to_string()),
    };
    match taken(read, role_arn.as_deref()).await {
        Ok(None) => {}
        Ok(Some(why)) => return Observation::Foreign(why, None),
        Err(failure) => return Observation::Unreadable(failure.to_string()),
    }
    let role = match is_whole && role_arn == Some(self::role_arn(desired)) {
        true => {
            let live = role::read_live(read, ROLE, POLICY_NAME).await;
            Some(live.map_err(|failure| failure.to_string()))
        }
        false => None,
    };
    Observation::Present(Live { role_arn, role })
}

/// Why the role that is to be made cannot be, where one of its name is there: asked before anything is made.
async fn taken(read: &Clients, role_arn: Option<&str>) -> Result<Option<String>, Failure> {
    if role_arn.is_some() {
        return Ok(None);
    }
    let answer = read.iam.get_role().role_name(ROLE).send().await;
    let answer = answer.unless_gone("iam:GetRole")?;
    Ok(answer.and_then(|answer| answer.role).and_then(not_ours))
}

/// Carries an operation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    match op {
        Op::CreateRole { trust, boundary } => {
            let tag = aws_sdk_iam::types::Tag::builder()
                .key(TAG_MANAGED_BY)
                .value(MANAGED_BY)
                .build()
                .map_err(|error| unusable(op.action(), &error.to_string()))?;
            let call = write.iam.create_role().role_name(ROLE).tags(tag);
            let call = call.assume_role_policy_document(trust);
            let call = call.description("Writes the logs of this account's APIs");
            let call = call.set_permissions_boundary(boundary.clone());
            match call.send().await.or_fail(op.action()) {
                Ok(_) => {}
                // Made for another region, or by a run that died.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    ours(write, failure).await?
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::SetTrust { trust } => {
            let call = write.iam.update_assume_role_policy().role_name(ROLE);
            let call = call.policy_document(trust);
            call.send().await.or_fail(op.action())?;
        }
        Op::PutPolicy { policy } => {
            let call = write.iam.put_role_policy().role_name(ROLE);
            let call = call.policy_name(POLICY_NAME).policy_document(policy);
            call.send().await.or_fail(op.action())?;
        }
        Op::SetRole { role_arn } => {
            let patch = PatchOperation::builder()
                .op(PatchOp::Replace)
                .path("/cloudwatchRoleArn")
                .value(role_arn)
                .build();
            let call = write.apigateway.update_account().patch_operations(patch);
            call.send().await.or_fail("apigateway:UpdateAccount")?;
        }
    }
    Ok(Outputs::new())
}

/// A role of our name is used only if this tool made it.
async fn ours(write: &Clients, there: Failure) -> Result<(), Failure> {
    let answer = write.iam.get_role().role_name(ROLE).send().await;
    match answer.or_fail("iam:GetRole")?.role.and_then(not_ours) {
        None => Ok(()),
        Some(message) => Err(Failure {
            class: Class::Refused,
            message,
            ..there
        }),
    }
}

/// What is said of a role of our name that this tool did not make.
fn not_ours(role: aws_sdk_iam::types::Role) -> Option<String> {
    let mut tags = role.tags().iter();
    let is_ours = tags.any(|tag| tag.key() == TAG_MANAGED_BY && tag.value() == MANAGED_BY);
    (!is_ours).then(|| {
        format!(
            "role {ROLE} exists and does not carry the tag {TAG_MANAGED_BY}={MANAGED_BY}: delete it; or tag it, \
             if API Gateway is to write the logs of every API of this account by it"
        )
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::addr::Kind;
    use crate::fixture;
    use crate::policy::Policy;

    fn check(observation: Observation<Live>) -> (Lowered, Lowered) {
        let desired = fixture::desired();
        let addr = desired.addr(Kind::ApiAccount);
        let mut snapshot = fixture::applied();
        snapshot.api_account = observation;
        (
            converge(&addr, &desired, &snapshot),
            destroy(&addr, &desired, &snapshot),
        )
    }

    #[test]
    fn only_a_role_that_nobody_set_is_set() {
        let (up, down) = check(Observation::Present(Live::default()));
        let names: Vec<_> = up.drafts.iter().map(|draft| draft.name).collect();
        assert_eq!(names, ["role", "policy", "account"]);
        assert!(down.report.is_empty() && down.drafts.is_empty());
        let theirs = Some("arn:aws:iam::123456789012:role/theirs".to_owned());
        let (up, down) = check(Observation::Present(Live {
            role_arn: theirs,
            role: None,
        }));
        assert!(up.drafts.is_empty() && up.change.is_none());
        assert!(down.report.is_empty() && down.drafts.is_empty());
    }

    #[test]
    fn a_shared_setting_is_left_in_place_and_said_so() {
        let ours = Some(role_arn(&fixture::desired()));
        let (up, down) = check(Observation::Present(Live {
            role_arn: ours,
            role: None,
        }));
        assert!(up.drafts.is_empty());
        assert!(down.drafts.is_empty());
        assert!(matches!(down.report[0], Report::Left { .. }));
    }

    #[test]
    fn what_this_tool_made_of_the_role_is_put_back_and_what_others_gave_it_is_only_named() {
        let desired = fixture::desired();
        let is = |change: &dyn Fn(&mut role::Live)| {
            let mut live = role::Live {
                trust: trust(&desired),
                inline: [(POLICY_NAME.to_owned(), policy(&desired))].into(),
                ..role::Live::default()
            };
            change(&mut live);
            let seen = Observation::Present(Live {
                role_arn: Some(role_arn(&desired)),
                role: Some(Ok(Some(live))),
            });
            let (up, _) = check(seen);
            let fields = up.change.map(|change| change.fields).unwrap_or_default();
            let names: BTreeSet<String> = fields.into_iter().map(|field| field.name).collect();
            let steps: Vec<&str> = up.drafts.iter().map(|draft| draft.name).collect();
            let told = up
                .report
                .iter()
                .filter(|report| matches!(report, Report::Warning { .. }));
            (names.into_iter().collect::<Vec<_>>(), steps, told.count())
        };
        assert_eq!(is(&|_| ()), (vec![], vec![], 0));
        let wide = |text: &str| text.replace("123456789012", "*");
        assert_eq!(
            is(&|live| live.trust = wide(&live.trust)),
            (vec!["role.trust".to_owned()], vec!["trust"], 0)
        );
        assert_eq!(
            is(&|live| live.inline.clear()),
            (vec!["role.policy".to_owned()], vec!["policy"], 0)
        );
        let others = is(&|live| {
            live.inline
                .insert("backdoor".into(), "{\"Statement\":[]}".into());
            live.attached
                .insert("arn:aws:iam::aws:policy/AdministratorAccess".into());
        });
        assert_eq!(others, (vec![], vec![], 2));
    }

    #[test]
    fn a_role_that_is_gone_is_made_again() {
        let (up, _) = check(Observation::Present(Live {
            role_arn: Some(role_arn(&fixture::desired())),
            role: Some(Ok(None)),
        }));
        let names: Vec<_> = up.drafts.iter().map(|draft| draft.name).collect();
        assert_eq!(names, ["role", "policy", "account"]);
    }

    #[test]
    fn unreadable_blocks() {
        let (up, down) = check(Observation::Unreadable("denied".into()));
        assert!(matches!(up.report[0], Report::Blocked { .. }));
        assert!(matches!(down.report[0], Report::Blocked { .. }));
    }

    #[test]
    fn the_role_serves_api_gateway_and_this_account_only() {
        let desired = fixture::desired();
        let trust = Policy::parse(&TRUST.replace("${account}", &desired.account)).unwrap();
        let principals: Vec<_> = trust
            .statements
            .iter()
            .flat_map(|s| &s.principals)
            .collect();
        assert_eq!(principals, ["Service:apigateway.amazonaws.com"]);
        let policy = Policy::parse(&POLICY.replace("${account}", &desired.account)).unwrap();
        let resources: Vec<_> = policy
            .statements
            .iter()
            .flat_map(|s| &s.resources)
            .collect();
        assert_eq!(resources, ["arn:aws:logs:*:123456789012:log-group:*"]);
    }
}
