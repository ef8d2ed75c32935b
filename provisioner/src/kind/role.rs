//! The updater's IAM role: who may use it, and what it may do.
//!
//! Natural key: account and name. The role is the stack's alone: an inline or attached policy that is
//! not from `policies/` is removed unless the document accepts it, and trust, boundary and policy are
//! compared by meaning. GetRole and GetRolePolicy answer with percent-encoded documents. A role's path
//! cannot be changed, so another one blocks. AWS: CreateRole, PutRolePolicy, UpdateAssumeRolePolicy,
//! PutRolePermissionsBoundary, DetachRolePolicy, DeleteRolePolicy, DeleteRole.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::Tag;
use serde_json::{Value, json};

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, unusable};
use crate::desired::{Desired, TAG_STACK};
use crate::kind::log_group::{self, UPDATER};
use crate::kind::{Limit, Look, tag_fields};
use crate::plan::{
    After, Change, Draft, Field, Lowered, Report, RightChange, Risk, StepId, Symbol, numbered, of,
    rights_between,
};
use crate::policy::{Policy, fill};
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, Snapshot, Stranger};
use crate::stack::{AcceptedKind, Accounts};
use crate::tags::Tags;

/// Who may use the role, with placeholders.
pub const TRUST: &str = include_str!("../../../policies/updater-trust.json");
/// What it may do, with placeholders.
pub const POLICY: &str = include_str!("../../../policies/updater.json");
/// Name of its only inline policy.
const POLICY_NAME: &str = "updater";
/// The step that removes an inline policy.
const REMOVE_INLINE: &str = "remove-policy";
/// The step that detaches a policy.
const DETACH: &str = "detach";
/// Names under which others prove things: certificates, mail, and names that answer for all others.
/// A wildcard is `\052` in Route 53's condition values (Developer Guide, "Using IAM policy conditions
/// for fine-grained access control").
const DENIED_NAMES: [&str; 8] = [
    "_acme-challenge.*",
    "*._acme-challenge.*",
    "_domainkey.*",
    "*._domainkey.*",
    "_dmarc.*",
    "*._dmarc.*",
    "\\052.*",
    "*.\\052.*",
];
/// A, AAAA and TXT.
const EVERY_TYPE: usize = 3;
/// The default of CreateRole.
const SESSION_SECS: i32 = 3_600;

/// A role as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Path.
    pub path: String,
    /// Description; empty when there is none.
    pub description: String,
    /// Who may use it, as text.
    pub trust: String,
    /// ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// The longest session, in seconds.
    pub session_secs: i32,
    /// Inline policies by name, as text.
    pub inline: BTreeMap<String, String>,
    /// ARNs of attached policies.
    pub attached: BTreeSet<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::from([
            ("path".to_owned(), self.path.clone()),
            ("description".to_owned(), self.description.clone()),
            ("trust".to_owned(), Policy::shown(&self.trust)),
            (
                "permissions-boundary".to_owned(),
                self.boundary.clone().unwrap_or_default(),
            ),
            ("max-session".to_owned(), self.session_secs.to_string()),
        ]);
        for (name, text) in &self.inline {
            attributes.insert(format!("inline.{name}"), Policy::shown(text));
        }
        for arn in &self.attached {
            attributes.insert(format!("attached.{arn}"), "attached".into());
        }
        for (key, value) in &self.tags {
            attributes.insert(format!("tags.{key}"), value.clone());
        }
        attributes
    }
}

/// Who may use the role.
pub fn trust(desired: &Desired) -> String {
    fill(TRUST, &[("account", json!(desired.account))]).to_string()
}

/// The policy, with a zone that may not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyArg {
    values: Vec<(&'static str, Value)>,
    /// Whether there are types of record that an updater may write and this one may not.
    is_narrowed: bool,
    zone: Arg,
}

fn policy_arg(desired: &Desired) -> PolicyArg {
    let updater = &desired.stack.updater;
    let mut types: BTreeSet<&str> = updater
        .record_types
        .iter()
        .map(|record| record.word())
        .collect();
    // A name's owner is a TXT record beside it.
    types.insert("TXT");
    // Names that instances held before a label was reserved may still be removed, and nothing else.
    let reserved: Vec<String> = updater
        .reserved
        .iter()
        .map(|label| format!("{}.*", label.as_str()))
        .collect();
    let reserved_in = match reserved.is_empty() {
        true => json!([]),
        false => json!("*"),
    };
    // So may records of types that instances could have before. With all types there are no others.
    let is_narrowed = types.len() < EVERY_TYPE;
    let (asks_here, elsewhere) = match &updater.accounts {
        Accounts::Any => (true, Vec::new()),
        Accounts::These(accounts) => (
            accounts.keys().any(|id| id.as_str() == desired.account),
            accounts
                .values()
                .filter_map(|account| account.describe_role.as_ref())
                .map(|role| role.as_str().to_owned())
                .collect(),
        ),
    };
    PolicyArg {
        values: vec![
            ("domain", json!(desired.domain)),
            ("record_types", json!(types)),
            ("denied_names", json!(DENIED_NAMES)),
            ("reserved_names", json!(reserved)),
            ("reserved_in", reserved_in),
            ("instances", if asks_here { json!("*") } else { json!([]) }),
            ("describe_roles", json!(elsewhere)),
            ("log_group_arn", json!(log_group::arn(desired, UPDATER))),
        ],
        is_narrowed,
        zone: of(&desired.addr(Kind::HostedZone), Output::ZoneId),
    }
}

impl PolicyArg {
    fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Self {
        Self {
            values: self.values.clone(),
            is_narrowed: self.is_narrowed,
            zone: f(&self.zone),
        }
    }

    fn text_with(&self, zone_id: &str) -> String {
        let mut values = self.values.clone();
        values.push(("zone_id", json!(zone_id)));
        let removable_in = match self.is_narrowed {
            true => json!(format!("arn:aws:route53:::hostedzone/{zone_id}")),
            false => json!([]),
        };
        values.push(("removable_in", removable_in));
        fill(POLICY, &values).to_string()
    }
}

/// The policy that the updater of a zone has.
pub fn policy_for(desired: &Desired, zone_id: &str) -> String {
    policy_arg(desired).text_with(zone_id)
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    if let Err(why) = &snapshot.boundary {
        return super::blocked(addr, why);
    }
    match snapshot.roles.get(addr) {
        Some(Observation::Unreadable(why) | Observation::Foreign(why, _)) => {
            super::blocked(addr, why)
        }
        None | Some(Observation::Absent) => create(addr, desired),
        Some(Observation::Present(live)) => update(addr, desired, snapshot, live),
    }
}

fn boundary(desired: &Desired) -> Option<String> {
    let boundary = desired.stack.iam.permissions_boundary.as_ref();
    boundary.map(|arn| arn.as_str().to_owned())
}

fn description(desired: &Desired) -> String {
    format!("the updater of names under {}", desired.domain)
}

fn rights(addr: &Addr, wanted: &str, live: Option<&str>) -> Vec<crate::plan::RightChange> {
    let live = live.and_then(|live| Policy::parse(live).ok());
    Policy::parse(wanted)
        .map(|wanted| rights_between(addr, &wanted, live.as_ref()))
        .unwrap_or_default()
}

fn create(addr: &Addr, desired: &Desired) -> Lowered {
    let name = desired.role_name();
    let trust = trust(desired);
    let policy = policy_arg(desired);
    let tags = desired.tags();
    let mut fields = vec![
        Field::new("name", &name),
        Field::new("path", desired.stack.iam.path.as_str()),
    ];
    fields.extend(boundary(desired).map(|arn| Field::new("permissions-boundary", arn)));
    fields.extend(tag_fields(&tags, &BTreeMap::new()));
    let mut rights_given = rights(addr, &trust, None);
    rights_given.extend(rights(
        addr,
        &policy.text_with("(id of the new zone)"),
        None,
    ));
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields,
            why: "what the updater may do: names in this zone, nothing else".into(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            Draft::new(
                "create",
                super::Op::Role(Op::Create {
                    name: name.clone(),
                    path: desired.stack.iam.path.as_str().to_owned(),
                    trust,
                    boundary: boundary(desired),
                    description: description(desired),
                    tags,
                }),
            ),
            Draft::new("policy", super::Op::Role(Op::PutPolicy { name, policy }))
                .after(After::Answered(StepId::new(addr, "create"))),
        ],
        rights: rights_given,
        ..Lowered::default()
    }
}

fn update(addr: &Addr, desired: &Desired, snapshot: &Snapshot, live: &Live) -> Lowered {
    let path = desired.stack.iam.path.as_str();
    if live.path != path {
        return super::blocked(
            addr,
            format!(
                "role {} has path {}, the document says {path}; a role's path cannot be changed: give the \
                 role another name under [iam], or delete it",
                desired.role_name(),
                live.path
            ),
        );
    }
    let name = desired.role_name();
    let mut lowered = Lowered::default();
    let mut fields = Vec::new();
    let push = |lowered: &mut Lowered, step, op| {
        lowered.drafts.push(Draft::new(step, super::Op::Role(op)));
    };
    let by_statement =
        |fields: &mut Vec<Field>, what: &str, changed: &[crate::plan::RightChange]| {
            fields.extend(changed.iter().map(|right| {
                if right.gained {
                    Field::new(what, right.sentence.clone())
                } else {
                    Field::gone(what, right.sentence.clone())
                }
            }));
        };
    let wanted_trust = trust(desired);
    if Policy::parse(&live.trust).ok() != Policy::parse(&wanted_trust).ok() {
        let changed = rights(addr, &wanted_trust, Some(&live.trust));
        by_statement(&mut fields, "trust", &changed);
        lowered.rights.extend(changed);
        let op = Op::SetTrust {
            name: name.clone(),
            trust: wanted_trust,
        };
        push(&mut lowered, "trust", op);
    }
    let wanted_boundary = boundary(desired);
    if live.boundary != wanted_boundary {
        fields.push(Field {
            name: "permissions-boundary".into(),
            before: live.boundary.clone(),
            after: wanted_boundary.clone(),
        });
        let op = Op::SetBoundary {
            name: name.clone(),
            boundary: wanted_boundary,
        };
        push(&mut lowered, "boundary", op);
    }
    let wanted_description = description(desired);
    let known = fields.len();
    if live.description != wanted_description {
        fields.push(Field::change(
            "description",
            &live.description,
            &wanted_description,
        ));
    }
    if live.session_secs != SESSION_SECS {
        fields.push(Field::change(
            "max-session",
            format!("{} s", live.session_secs),
            format!("{SESSION_SECS} s"),
        ));
    }
    if fields.len() > known {
        let op = Op::SetSettings {
            name: name.clone(),
            description: wanted_description,
        };
        push(&mut lowered, "settings", op);
    }
    let policy = policy_arg(desired);
    let zone = snapshot.hosted_zone.present().map(|zone| zone.id.as_str());
    let wanted = policy.text_with(zone.unwrap_or("(id of the new zone)"));
    let live_policy = live.inline.get(POLICY_NAME);
    let same = live_policy.is_some_and(|live| {
        Policy::parse(live).ok() == Policy::parse(&wanted).ok() && zone.is_some()
    });
    if !same {
        let changed = rights(addr, &wanted, live_policy.map(String::as_str));
        by_statement(&mut fields, "policy", &changed);
        lowered.rights.extend(changed);
        let op = Op::PutPolicy {
            name: name.clone(),
            policy,
        };
        push(&mut lowered, "policy", op);
    }
    let foreign = live.inline.iter().filter(|(name, _)| *name != POLICY_NAME);
    let mut removed = 0;
    for (inline, text) in foreign {
        if let Some(reason) = desired.accepted(AcceptedKind::InlinePolicy, inline) {
            lowered.report.push(accepted(addr, inline, reason));
            continue;
        }
        fields.push(Field::gone(format!("inline.{inline}"), Policy::shown(text)));
        if let Ok(theirs) = Policy::parse(text) {
            let none = Policy {
                statements: BTreeSet::new(),
            };
            lowered
                .rights
                .extend(rights_between(addr, &none, Some(&theirs)));
        }
        let op = Op::DeletePolicy {
            name: name.clone(),
            policy: inline.clone(),
        };
        push(&mut lowered, numbered(REMOVE_INLINE, removed), op);
        removed += 1;
    }
    let mut detached = 0;
    for arn in &live.attached {
        if let Some(reason) = desired.accepted(AcceptedKind::AttachedPolicy, arn) {
            lowered.report.push(accepted(addr, arn, reason));
            continue;
        }
        fields.push(Field::gone(format!("attached.{arn}"), "attached"));
        lowered.rights.push(RightChange {
            addr: addr.clone(),
            gained: false,
            sentence: format!("the role may do what policy {arn} allows"),
        });
        let op = Op::Detach {
            name: name.clone(),
            arn: arn.clone(),
        };
        push(&mut lowered, numbered(DETACH, detached), op);
        detached += 1;
    }
    let tags = desired.tags_to_set(&live.tags);
    if !tags.is_empty() {
        fields.extend(tag_fields(&tags, &live.tags));
        push(&mut lowered, "tag", Op::Tag { name, tags });
    }
    if fields.is_empty() {
        let mut unchanged = super::up_to_date(addr, Outputs::new());
        unchanged.report.extend(lowered.report);
        return unchanged;
    }
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Update,
        fields,
        why: "the role has what the document gives it, and nothing else".into(),
        risk: Risk::Safe,
    });
    lowered
}

fn accepted(addr: &Addr, what: &str, reason: &str) -> Report {
    Report::Accepted {
        addr: addr.clone(),
        what: format!("policy {what}"),
        reason: reason.to_owned(),
    }
}

/// What it needs to be gone.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match snapshot.roles.get(addr) {
        None | Some(Observation::Absent) => return Lowered::default(),
        Some(Observation::Unreadable(why)) => return super::blocked(addr, why),
        Some(Observation::Foreign(why, _)) => {
            return Lowered {
                report: vec![Report::Left {
                    what: format!("role {}", desired.role_name()),
                    why: why.clone(),
                }],
                ..Lowered::default()
            };
        }
        Some(Observation::Present(live)) => live,
    };
    let name = desired.role_name();
    let mut lowered = Lowered::default();
    let mut delete = Draft::new("delete", super::Op::Role(Op::Delete { name: name.clone() }));
    // DeleteRole refuses a role that still has policies (DeleteConflict).
    let inline = live.inline.keys().enumerate().map(|(index, policy)| {
        let name = name.clone();
        let policy = policy.clone();
        (
            numbered(REMOVE_INLINE, index),
            Op::DeletePolicy { name, policy },
        )
    });
    let attached = live.attached.iter().enumerate().map(|(index, arn)| {
        let name = name.clone();
        let arn = arn.clone();
        (numbered(DETACH, index), Op::Detach { name, arn })
    });
    for (step, op) in inline.chain(attached) {
        lowered.drafts.push(Draft::new(step, super::Op::Role(op)));
        delete = delete.after(After::Answered(StepId::new(addr, step)));
    }
    lowered.drafts.push(delete);
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Destroy,
        fields: vec![Field::gone("name", &name)],
        why: "its function is gone by then".into(),
        risk: Risk::Safe,
    });
    lowered
}

/// Mutations of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateRole.
    Create {
        /// Role name.
        name: String,
        /// Path.
        path: String,
        /// Trust policy.
        trust: String,
        /// Boundary.
        boundary: Option<String>,
        /// Description.
        description: String,
        /// Tags set in the same call.
        tags: Tags,
    },
    /// PutRolePolicy.
    PutPolicy {
        /// Role name.
        name: String,
        /// The policy.
        policy: PolicyArg,
    },
    /// DeleteRolePolicy.
    DeletePolicy {
        /// Role name.
        name: String,
        /// Policy name.
        policy: String,
    },
    /// DetachRolePolicy.
    Detach {
        /// Role name.
        name: String,
        /// Policy ARN.
        arn: String,
    },
    /// UpdateAssumeRolePolicy.
    SetTrust {
        /// Role name.
        name: String,
        /// Trust policy.
        trust: String,
    },
    /// PutRolePermissionsBoundary or DeleteRolePermissionsBoundary.
    SetBoundary {
        /// Role name.
        name: String,
        /// Boundary.
        boundary: Option<String>,
    },
    /// UpdateRole with the default session length.
    SetSettings {
        /// Role name.
        name: String,
        /// Description.
        description: String,
    },
    /// TagRole.
    Tag {
        /// Role name.
        name: String,
        /// Tags to set.
        tags: Tags,
    },
    /// DeleteRole.
    Delete {
        /// Role name.
        name: String,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::PutPolicy { name, policy } => Op::PutPolicy {
                name: name.clone(),
                policy: policy.map(f),
            },
            Op::Create { .. }
            | Op::DeletePolicy { .. }
            | Op::Detach { .. }
            | Op::SetTrust { .. }
            | Op::SetBoundary { .. }
            | Op::SetSettings { .. }
            | Op::Tag { .. }
            | Op::Delete { .. } => self.clone(),
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "iam:CreateRole",
            Op::PutPolicy { .. } => "iam:PutRolePolicy",
            Op::DeletePolicy { .. } => "iam:DeleteRolePolicy",
            Op::Detach { .. } => "iam:DetachRolePolicy",
            Op::SetTrust { .. } => "iam:UpdateAssumeRolePolicy",
            Op::SetBoundary {
                boundary: Some(_), ..
            } => "iam:PutRolePermissionsBoundary",
            Op::SetBoundary { boundary: None, .. } => "iam:DeleteRolePermissionsBoundary",
            Op::SetSettings { .. } => "iam:UpdateRole",
            Op::Tag { .. } => "iam:TagRole",
            Op::Delete { .. } => "iam:DeleteRole",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::PutPolicy { .. } => "putting its policy",
            Op::DeletePolicy { .. } => "removing an inline policy",
            Op::Detach { .. } => "detaching a policy",
            Op::SetTrust { .. } => "setting who may use it",
            Op::SetBoundary { .. } => "setting its boundary",
            Op::SetSettings { .. } => "setting its description and session length",
            Op::Tag { .. } => "tagging",
            Op::Delete { .. } => "deleting",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::Iam
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(
            self,
            Op::Delete { .. } | Op::DeletePolicy { .. } | Op::Detach { .. }
        )
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Reads the role and everything on it.
pub async fn observe(read: &Clients, desired: &Desired) -> BTreeMap<Addr, Observation<Live>> {
    let addr = desired.addr(Kind::Role);
    let seen = match read_live(read, &desired.role_name(), POLICY_NAME).await {
        Ok(None) => Observation::Absent,
        Ok(Some(live)) => match live.tags.get(TAG_STACK) {
            Some(stack) if *stack == desired.domain => Observation::Present(live),
            Some(_) | None => strange(desired, live),
        },
        Err(failure) => Observation::Unreadable(failure.to_string()),
    };
    BTreeMap::from([(addr, seen)])
}

/// Whether the boundary that a role is to get exists, asked before anything is made; the error says why not.
/// One that a role has already does.
pub async fn boundary_there(
    read: &Clients,
    desired: &Desired,
    roles: &BTreeMap<Addr, Observation<Live>>,
) -> Result<(), String> {
    let Some(wanted) = boundary(desired) else {
        return Ok(());
    };
    let mut has = roles.values().filter_map(Observation::present);
    if has.any(|live| live.boundary.as_ref() == Some(&wanted)) {
        return Ok(());
    }
    let answer = read.iam.get_policy().policy_arn(&wanted).send().await;
    match answer.unless_gone("iam:GetPolicy") {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!(
            "[iam] permissions-boundary {wanted} does not exist: make that policy first, or correct its ARN"
        )),
        Err(failure) => Err(format!("[iam] permissions-boundary {wanted}: {failure}")),
    }
}

/// A role of our name without our tag. Its path is for ever: one that is not the document's cannot be taken
/// over.
fn strange(desired: &Desired, live: Live) -> Observation<Live> {
    let what = format!("role {}", desired.role_name());
    let instead = "give the role another name under [iam]";
    let path = desired.stack.iam.path.as_str();
    if live.path != path {
        let why = format!(
            "{what} exists without the tag {TAG_STACK}={} and has path {}, not the document's {path}; \
             {instead}",
            desired.domain, live.path
        );
        return Observation::Foreign(why, None);
    }
    let stranger = Stranger {
        id: what.clone(),
        attributes: live.attributes(),
        tags: live.tags,
    };
    adoption::foreign(desired, &what, instead, stranger)
}

/// Reads a role with its policies. `expected` is the inline policy that it should have.
pub async fn read_live(
    read: &Clients,
    name: &str,
    expected: &str,
) -> Result<Option<Live>, Failure> {
    let (role, inline, attached, own) = tokio::join!(
        read.iam.get_role().role_name(name).send(),
        inline_names(read, name),
        attached(read, name),
        inline_policy(read, name, expected),
    );
    let Some(role) = role
        .unless_gone("iam:GetRole")?
        .and_then(|answer| answer.role)
    else {
        return Ok(None);
    };
    let mut policies = BTreeMap::new();
    for policy in inline? {
        let text = if policy == expected {
            own.clone()?
        } else {
            inline_policy(read, name, &policy).await?
        };
        policies.extend(text.map(|text| (policy, text)));
    }
    Ok(Some(Live {
        path: role.path().to_owned(),
        trust: decoded(role.assume_role_policy_document().unwrap_or_default()),
        boundary: role
            .permissions_boundary()
            .and_then(|boundary| boundary.permissions_boundary_arn())
            .map(str::to_owned),
        description: role.description().unwrap_or_default().to_owned(),
        session_secs: role.max_session_duration().unwrap_or(SESSION_SECS),
        inline: policies,
        attached: attached?,
        tags: role
            .tags()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect(),
    }))
}

async fn inline_names(read: &Clients, role: &str) -> Result<Vec<String>, Failure> {
    let mut pages = read
        .iam
        .list_role_policies()
        .role_name(role)
        .into_paginator()
        .send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let Some(page) = page.unless_gone("iam:ListRolePolicies")? else {
            return Ok(Vec::new());
        };
        names.extend(page.policy_names().iter().cloned());
    }
    Ok(names)
}

async fn attached(read: &Clients, role: &str) -> Result<BTreeSet<String>, Failure> {
    let mut pages = read
        .iam
        .list_attached_role_policies()
        .role_name(role)
        .into_paginator()
        .send();
    let mut arns = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let Some(page) = page.unless_gone("iam:ListAttachedRolePolicies")? else {
            return Ok(BTreeSet::new());
        };
        let policies = page.attached_policies().iter();
        arns.extend(policies.filter_map(|policy| policy.policy_arn().map(str::to_owned)));
    }
    Ok(arns)
}

async fn inline_policy(
    read: &Clients,
    role: &str,
    policy: &str,
) -> Result<Option<String>, Failure> {
    let call = read.iam.get_role_policy().role_name(role);
    let answer = call.policy_name(policy).send().await;
    let answer = answer.unless_gone("iam:GetRolePolicy")?;
    Ok(answer.map(|answer| decoded(answer.policy_document())))
}

/// IAM answers with documents percent-encoded as in RFC 3986 (IAM API, GetRolePolicy).
fn decoded(document: &str) -> String {
    percent_encoding::percent_decode_str(document)
        .decode_utf8_lossy()
        .into_owned()
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    let iam = &write.iam;
    match op {
        Op::Create {
            name,
            path,
            trust,
            boundary,
            description,
            tags,
        } => {
            let call = iam
                .create_role()
                .role_name(name)
                .path(path)
                .assume_role_policy_document(trust)
                .set_permissions_boundary(boundary.clone())
                .description(description)
                .set_tags(Some(iam_tags(action, tags)?));
            match call.send().await.or_fail(action) {
                Ok(_) => {}
                // After a lost answer, or not listed yet: ours if it carries our tags, which only
                // CreateRole itself could have set.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    let there = iam.get_role().role_name(name).send().await;
                    let there = there.unless_gone("iam:GetRole")?;
                    let stack = there
                        .iter()
                        .flat_map(|answer| answer.role())
                        .flat_map(|role| role.tags())
                        .find(|tag| tag.key() == TAG_STACK)
                        .map(|tag| tag.value());
                    if stack != tags.get(TAG_STACK).map(String::as_str) {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::PutPolicy { name, policy } => {
            let call = iam.put_role_policy().role_name(name);
            let call = call.policy_name(POLICY_NAME);
            let text = policy.text_with(policy.zone.value());
            call.policy_document(text).send().await.or_fail(action)?;
        }
        Op::DeletePolicy { name, policy } => {
            let call = iam.delete_role_policy().role_name(name);
            call.policy_name(policy).send().await.or_fail(action)?;
        }
        Op::Detach { name, arn } => {
            let call = iam.detach_role_policy().role_name(name);
            call.policy_arn(arn).send().await.or_fail(action)?;
        }
        Op::SetTrust { name, trust } => {
            let call = iam.update_assume_role_policy().role_name(name);
            call.policy_document(trust).send().await.or_fail(action)?;
        }
        Op::SetBoundary {
            name,
            boundary: Some(arn),
        } => {
            let call = iam.put_role_permissions_boundary().role_name(name);
            let call = call.permissions_boundary(arn);
            call.send().await.or_fail(action)?;
        }
        Op::SetBoundary {
            name,
            boundary: None,
        } => {
            let call = iam.delete_role_permissions_boundary().role_name(name);
            call.send().await.or_fail(action)?;
        }
        Op::SetSettings { name, description } => {
            let call = iam.update_role().role_name(name);
            let call = call.description(description);
            let call = call.max_session_duration(SESSION_SECS);
            call.send().await.or_fail(action)?;
        }
        Op::Tag { name, tags } => {
            let call = iam.tag_role().role_name(name);
            let call = call.set_tags(Some(iam_tags(action, tags)?));
            call.send().await.or_fail(action)?;
        }
        Op::Delete { name } => {
            let call = iam.delete_role().role_name(name);
            call.send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}

/// Tags in IAM's form.
pub(super) fn iam_tags(action: &str, tags: &Tags) -> Result<Vec<Tag>, Failure> {
    let tag = |(key, value): (&String, &String)| {
        let tag = Tag::builder().key(key).value(value).build();
        tag.map_err(|error| unusable(action, &error.to_string()))
    };
    tags.iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn live(desired: &Desired) -> Live {
        Live {
            path: desired.stack.iam.path.as_str().to_owned(),
            trust: trust(desired),
            boundary: None,
            description: description(desired),
            session_secs: SESSION_SECS,
            inline: BTreeMap::from([(POLICY_NAME.to_owned(), policy_for(desired, fixture::ZONE))]),
            attached: BTreeSet::new(),
            tags: desired.tags(),
        }
    }

    fn plan(desired: &Desired, live: Live) -> Lowered {
        let addr = desired.addr(Kind::Role);
        let mut snapshot = fixture::applied();
        snapshot
            .roles
            .insert(addr.clone(), Observation::Present(live));
        converge(&addr, desired, &snapshot)
    }

    #[test]
    fn every_way_to_a_right_is_found_by_name() {
        let desired = fixture::desired();
        assert!(plan(&desired, live(&desired)).change.is_none());
        let everything = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let check = |change: &dyn Fn(&mut Live), attribute: &str, step: &str| {
            let mut changed = live(&desired);
            change(&mut changed);
            let lowered = plan(&desired, changed);
            let change = lowered.change.expect("a change");
            assert!(
                change.fields.iter().all(|field| field.name == attribute),
                "{attribute}: {:?}",
                change.fields
            );
            assert_eq!(lowered.drafts.len(), 1, "{attribute}");
            assert_eq!(lowered.drafts[0].name, step);
        };
        check(
            &|live| {
                live.inline.insert("more".into(), everything.into());
            },
            "inline.more",
            "remove-policy",
        );
        check(
            &|live| {
                live.inline.insert(POLICY_NAME.into(), everything.into());
            },
            "policy",
            "policy",
        );
        check(
            &|live| {
                live.attached.insert("arn:aws:iam::aws:policy/X".into());
            },
            "attached.arn:aws:iam::aws:policy/X",
            "detach",
        );
        check(
            &|live| {
                live.trust = live
                    .trust
                    .replace("aws:SourceAccount", "aws:PrincipalOrgID");
            },
            "trust",
            "trust",
        );
        check(
            &|live| live.boundary = Some("arn:aws:iam::aws:policy/B".into()),
            "permissions-boundary",
            "boundary",
        );
        check(
            &|live| live.session_secs = 43_200,
            "max-session",
            "settings",
        );
        check(
            &|live| live.description = "theirs".into(),
            "description",
            "settings",
        );
    }

    /// Whoever reads the plan sees under Rights what somebody had given the role.
    #[test]
    fn what_an_attached_policy_gave_is_told_as_a_right_lost() {
        let desired = fixture::desired();
        let mut changed = live(&desired);
        changed.attached.insert("arn:aws:iam::aws:policy/X".into());
        let lowered = plan(&desired, changed);
        let [right] = &lowered.rights[..] else {
            panic!("one right: {:?}", lowered.rights)
        };
        assert!(!right.gained && right.addr == desired.addr(Kind::Role));
        assert_eq!(
            right.sentence,
            "the role may do what policy arn:aws:iam::aws:policy/X allows"
        );
        assert!(plan(&desired, live(&desired)).rights.is_empty());
    }

    #[test]
    fn an_accepted_policy_is_shown_and_left() {
        let desired = fixture::of(
            "[[accepted]]\nkind = \"attached-policy\"\nname = \"arn:aws:iam::aws:policy/X\"\nreason = \"audit\"\n",
        );
        let mut changed = live(&desired);
        changed.attached.insert("arn:aws:iam::aws:policy/X".into());
        let lowered = plan(&desired, changed);
        assert!(lowered.change.is_none());
        let is_shown = |report: &Report| matches!(report, Report::Accepted { reason, .. } if reason == "audit");
        assert!(lowered.report.iter().any(is_shown));
    }

    #[test]
    fn however_many_others_there_are_each_is_removed() {
        let everything = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let names: Vec<String> = (0..30).map(|number| format!("x{number:02}")).collect();
        let mut changed = live(&fixture::desired());
        for name in &names {
            changed.inline.insert(name.clone(), everything.into());
            let arn = format!("arn:aws:iam::123456789012:policy/{name}");
            changed.attached.insert(arn);
        }
        // What the document accepts sorts first.
        let accepted: String = names[..20]
            .iter()
            .flat_map(|name| {
                [
                    ("inline-policy", name.clone()),
                    (
                        "attached-policy",
                        format!("arn:aws:iam::123456789012:policy/{name}"),
                    ),
                ]
            })
            .map(|(kind, name)| {
                format!("[[accepted]]\nkind = \"{kind}\"\nname = \"{name}\"\nreason = \"audit\"\n")
            })
            .collect();
        let desired = fixture::of(&accepted);
        let lowered = plan(&desired, changed.clone());
        let fields = lowered.change.expect("a change").fields;
        for name in &names[20..] {
            let is_named = fields
                .iter()
                .any(|field| field.name == format!("inline.{name}"));
            assert!(is_named, "{name}");
        }
        assert_eq!((lowered.drafts.len(), fields.len()), (20, 20));
        let steps: BTreeSet<&str> = lowered.drafts.iter().map(|draft| draft.name).collect();
        assert_eq!(steps.len(), 20, "each under a name of its own");

        // DeleteRole refuses while any of them is left.
        let mut snapshot = fixture::applied();
        let addr = desired.addr(Kind::Role);
        snapshot
            .roles
            .insert(addr.clone(), Observation::Present(changed));
        let lowered = destroy(&addr, &desired, &snapshot);
        assert_eq!(lowered.drafts.len(), 31 + 30 + 1);
        let last = lowered.drafts.last().expect("the role's own");
        assert_eq!((last.name, last.after.len()), ("delete", 31 + 30));
    }

    #[test]
    fn the_policy_fits_into_a_role_and_names_no_other_zone() {
        let policy = policy_for(&fixture::desired(), fixture::ZONE);
        assert!(policy.len() < 10_240, "{} characters", policy.len());
        assert!(!policy.contains("${"), "{policy}");
        assert!(!policy.contains("CreateLogGroup"), "{policy}");
        let parsed = Policy::parse(&policy).expect("a policy");
        // No role elsewhere to assume: the statement is left out, not left without resources.
        assert!(!policy.contains("sts:AssumeRole"), "{policy}");
        assert_eq!(parsed.statements.len(), 5);
        let narrow = fixture::of("[updater]\nrecord-types = [\"A\"]\nreserved = [\"vpn\"]\n");
        let policy = policy_for(&narrow, fixture::ZONE);
        assert!(!policy.contains("${"), "{policy}");
        let parsed = Policy::parse(&policy).expect("a policy");
        assert_eq!(parsed.statements.len(), 7);
    }
}
