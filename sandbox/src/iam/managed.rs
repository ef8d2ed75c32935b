//! Managed policies: an account's own, with one version each, and the few of AWS that are known here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::aws_managed::{self, AwsManaged};
use super::list::Cut;
use super::tags::{self, Tag};
use super::{
    Entity, State, document, invalid, limit, needs, no_such, path_of, read, tag_list, unique_id,
};
use crate::tagging::Tags;
use crate::wire::text::percent_encode;
use crate::world::{AwsError, Caller, Need, Operation, World};

/// A managed policy of an account. Further versions cannot be made here, so it has one, `v1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Managed {
    pub arn: String,
    pub name: String,
    pub path: String,
    pub policy_id: String,
    pub document: String,
    pub description: Option<String>,
    pub created: Timestamp,
    pub listed_from: Timestamp,
    pub tags: Tags,
}

/// A managed policy, whoever maintains it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known<'s> {
    Own(&'s Managed),
    Aws(&'static AwsManaged),
}

/// Managed policies of an account
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub(super) const POLICIES_MAX: usize = 1_500;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreatePolicy",
        needs: |_, caller, input| {
            let (path, name) = (input.get("Path"), needs::text(input, "PolicyName"));
            let path = path.and_then(Value::as_str).unwrap_or("/");
            let arn = needs::arn(caller, "policy", path, name);
            needs::of_new(Need::new("iam:CreatePolicy", arn), input, "iam:TagPolicy")
        },
        run: create_policy,
    },
    Operation {
        name: "GetPolicy",
        needs: |world, _, input| vec![needs::of_policy(world, input, "iam:GetPolicy")],
        run: get_policy,
    },
    Operation {
        name: "GetPolicyVersion",
        needs: |world, _, input| vec![needs::of_policy(world, input, "iam:GetPolicyVersion")],
        run: get_policy_version,
    },
    Operation {
        name: "ListPolicyVersions",
        needs: |world, _, input| vec![needs::of_policy(world, input, "iam:ListPolicyVersions")],
        run: list_policy_versions,
    },
    Operation {
        name: "DeletePolicy",
        needs: |world, _, input| vec![needs::of_policy(world, input, "iam:DeletePolicy")],
        run: delete_policy,
    },
    Operation {
        name: "ListPolicies",
        needs: |_, _, _| needs::of_all("iam:ListPolicies"),
        run: list_policies,
    },
    Operation {
        name: "ListEntitiesForPolicy",
        needs: |world, _, input| vec![needs::of_policy(world, input, "iam:ListEntitiesForPolicy")],
        run: list_entities_for_policy,
    },
];

impl<'s> Known<'s> {
    pub fn name(&self) -> &str {
        match self {
            Self::Own(policy) => &policy.name,
            Self::Aws(policy) => policy.name,
        }
    }

    pub fn path(&self) -> &str {
        match self {
            Self::Own(policy) => &policy.path,
            Self::Aws(policy) => policy.path,
        }
    }

    pub fn document(self) -> &'s str {
        match self {
            Self::Own(policy) => &policy.document,
            Self::Aws(policy) => policy.document,
        }
    }

    pub fn arn(&self) -> String {
        match self {
            Self::Own(policy) => policy.arn.clone(),
            Self::Aws(policy) => policy.arn(),
        }
    }

    /// What listings sort by: an account may give a policy the name of one of AWS's.
    pub fn key(&self) -> String {
        match self {
            Self::Own(policy) => format!("{} own", policy.name.to_lowercase()),
            Self::Aws(policy) => format!("{} aws", policy.name.to_lowercase()),
        }
    }

    fn version(&self) -> &str {
        match self {
            Self::Own(_) => "v1",
            Self::Aws(policy) => policy.version,
        }
    }

    /// When the policy was made, and when its document.
    fn dates(&self) -> (i64, i64) {
        let seconds = |text: &str| text.parse::<Timestamp>().map_or(0, Timestamp::as_second);
        match self {
            Self::Own(policy) => (policy.created.as_second(), policy.created.as_second()),
            Self::Aws(policy) => (seconds(policy.created), seconds(policy.updated)),
        }
    }

    fn version_shape(&self) -> Value {
        json!({
            "VersionId": self.version(),
            "IsDefaultVersion": true,
            "CreateDate": self.dates().1,
        })
    }

    /// What listings show; the account is the one whose attachments are counted.
    fn summary(&self, state: &State, account: &str) -> Value {
        let arn = self.arn();
        let uses = || state.entities(account).map(|entity| entity.uses(&arn));
        let (created, updated) = self.dates();
        let id = match self {
            Self::Own(policy) => policy.policy_id.as_str(),
            Self::Aws(policy) => policy.id,
        };
        json!({
            "PolicyName": self.name(),
            "PolicyId": id,
            "Arn": arn,
            "Path": self.path(),
            "DefaultVersionId": self.version(),
            "AttachmentCount": uses().filter(|uses| uses.attached).count(),
            "PermissionsBoundaryUsageCount": uses().filter(|uses| uses.as_boundary).count(),
            "IsAttachable": true,
            "CreateDate": created,
            "UpdateDate": updated,
        })
    }

    /// The policy itself. Listings have neither description nor tags
    /// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html>).
    fn shape(&self, state: &State, account: &str) -> Value {
        let mut shape = self.summary(state, account);
        let (description, tags) = match self {
            Self::Own(policy) => (policy.description.as_deref(), Some(&policy.tags)),
            Self::Aws(policy) => (Some(policy.description), None),
        };
        if let Some(description) = description {
            shape["Description"] = description.into();
        }
        // An empty list for a policy without tags, unlike roles.
        shape["Tags"] = tags.map_or_else(|| json!([]), tag_list);
        shape
    }
}

impl State {
    /// An account's own policy.
    pub(super) fn managed(&self, arn: &str) -> Option<&Managed> {
        let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":policy/")?;
        let name = path.rsplit('/').next()?;
        let policies = &self.account(account)?.policies;
        let found = policies.get(&name.to_lowercase())?;
        (found.arn == arn).then_some(found)
    }

    /// A managed policy, whoever maintains it.
    pub(super) fn known(&self, arn: &str) -> Option<Known<'_>> {
        aws_managed::find(arn)
            .map(Known::Aws)
            .or_else(|| self.managed(arn).map(Known::Own))
    }

    /// The document of a managed policy that an account can use: its own, or one of AWS's.
    pub(crate) fn policy_document(&self, account: &str, arn: &str) -> Option<&str> {
        self.usable(account, arn).map(Known::document)
    }

    fn usable(&self, account: &str, arn: &str) -> Option<Known<'_>> {
        self.known(arn)
            .filter(|_| owner(arn) == Some("aws") || owner(arn) == Some(account))
    }

    /// The policy of an ARN, if a caller's account can see it.
    fn visible(&self, caller: &Caller, arn: &str) -> Result<Known<'_>, AwsError> {
        check_arn(arn)?;
        self.usable(&caller.account, arn)
            .ok_or_else(|| no_such(format!("Policy {arn} was not found.")))
    }

    /// Whether a policy can be attached to somebody of a caller's account. `what` is how AWS calls it.
    pub(super) fn attachable(
        &self,
        caller: &Caller,
        arn: &str,
        what: &str,
    ) -> Result<(), AwsError> {
        match self.visible(caller, arn) {
            Ok(_) => Ok(()),
            Err(error) if error.code == "NoSuchEntity" => Err(no_such(format!(
                "{what} {arn} does not exist or is not attachable."
            ))),
            Err(error) => Err(error),
        }
    }
}

/// The account in the ARN of a policy; `aws` for one of AWS's.
fn owner(arn: &str) -> Option<&str> {
    let (account, _) = arn.strip_prefix("arn:aws:iam::")?.split_once(":policy/")?;
    Some(account)
}

fn check_arn(arn: &str) -> Result<(), AwsError> {
    match owner(arn) {
        Some(_) => Ok(()),
        None => Err(invalid(format!("ARN {arn} is not valid."))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreatePolicy {
    policy_name: String,
    path: Option<String>,
    policy_document: String,
    description: Option<String>,
    tags: Option<Vec<Tag>>,
}

fn create_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: CreatePolicy = read(input)?;
    let name = input.policy_name;
    let path = path_of(input.path)?;
    let tags = tags::add(&Tags::new(), input.tags.unwrap_or_default())?;
    let key = name.to_lowercase();
    let policies = world.iam.account(&caller.account).map(|all| &all.policies);
    if policies.is_some_and(|policies| policies.contains_key(&key)) {
        return Err(AwsError::new(
            "EntityAlreadyExists",
            format!("A policy called {name} already exists. Duplicate names are not allowed."),
        ));
    }
    if policies.is_some_and(|policies| policies.len() >= POLICIES_MAX) {
        return Err(limit("PoliciesPerAccount", POLICIES_MAX));
    }
    document::check_managed(&input.policy_document)?;
    if document::size(&input.policy_document) > document::MANAGED_MAX {
        return Err(limit("PolicySize", document::MANAGED_MAX));
    }
    let lag = world.profile.draw_list_lag(&mut world.random);
    let policy = Managed {
        arn: needs::arn(caller, "policy", &path, &name),
        name,
        path,
        policy_id: unique_id(world, "ANPA"),
        document: input.policy_document,
        description: input.description.filter(|text| !text.is_empty()),
        created: caller.now,
        listed_from: caller.now.saturating_add(lag).unwrap_or(caller.now),
        tags,
    };
    let answer = json!({ "Policy": Known::Own(&policy).shape(&world.iam, &caller.account) });
    world.iam.account_mut(caller).policies.insert(key, policy);
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByArn {
    policy_arn: String,
    version_id: Option<String>,
}

fn get_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByArn = read(input)?;
    let policy = world.iam.visible(caller, &input.policy_arn)?;
    Ok(json!({ "Policy": policy.shape(&world.iam, &caller.account) }))
}

fn get_policy_version(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByArn = read(input)?;
    let policy = world.iam.visible(caller, &input.policy_arn)?;
    let version = input.version_id.unwrap_or_default();
    if version != policy.version() {
        // AWS keeps old versions of its own policies; their documents are not known here.
        if matches!(policy, Known::Aws(_)) {
            return Err(AwsError::not_modelled("old versions of AWS's policies"));
        }
        return Err(no_such(format!(
            "Policy {} version {version} does not exist or is not attachable.",
            input.policy_arn
        )));
    }
    let mut shape = policy.version_shape();
    shape["Document"] = percent_encode(policy.document()).into();
    Ok(json!({ "PolicyVersion": shape }))
}

fn list_policy_versions(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ByArn = read(input)?;
    let policy = world.iam.visible(caller, &input.policy_arn)?;
    let versions = [(policy.version().to_owned(), policy.version_shape())];
    cut.answer(("ListPolicyVersions", "Versions"), versions)
}

fn delete_policy(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: ByArn = read(input)?;
    let policy = world.iam.visible(caller, &input.policy_arn)?;
    let Known::Own(policy) = policy else {
        return Err(invalid("Policy is outside your own account."));
    };
    let arn = &policy.arn;
    let used = |entity: Entity<'_>| {
        let uses = entity.uses(arn);
        uses.attached || uses.as_boundary
    };
    if world.iam.entities(&caller.account).any(used) {
        return Err(AwsError::new(
            "DeleteConflict",
            "Cannot delete a policy attached to entities.",
        ));
    }
    let key = policy.name.to_lowercase();
    world.iam.account_mut(caller).policies.remove(&key);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListPolicies {
    scope: Option<String>,
    only_attached: Option<bool>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
}

fn list_policies(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListPolicies = read(input)?;
    let scope = input.scope.as_deref().unwrap_or("All");
    let own = world.iam.account(&caller.account).into_iter();
    let own = own
        .flat_map(|account| account.policies.values())
        .filter(|policy| scope != "AWS" && policy.listed_from <= caller.now);
    let of_aws = aws_managed::ALL.iter().filter(|_| scope != "Local");
    let prefix = input.path_prefix.unwrap_or_default();
    let usage = input.policy_usage_filter.as_deref();
    let is_used = |policy: &Known<'_>| {
        let arn = policy.arn();
        let mut entities = world.iam.entities(&caller.account);
        entities.any(|entity| {
            let uses = entity.uses(&arn);
            (uses.attached && usage != Some("PermissionsBoundary"))
                || (uses.as_boundary && usage != Some("PermissionsPolicy"))
        })
    };
    let only_used = usage.is_some() || input.only_attached == Some(true);
    let mut all: Vec<_> = own
        .map(Known::Own)
        .chain(of_aws.map(Known::Aws))
        .filter(|policy| policy.path().starts_with(&prefix))
        .filter(|policy| !only_used || is_used(policy))
        .map(|policy| (policy.key(), policy.summary(&world.iam, &caller.account)))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    cut.answer(("ListPolicies", "Policies"), all)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListEntitiesForPolicy {
    policy_arn: String,
    entity_filter: Option<String>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
}

fn list_entities_for_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let cut: Cut = read(input.clone())?;
    let input: ListEntitiesForPolicy = read(input)?;
    let arn = world.iam.visible(caller, &input.policy_arn)?.arn();
    let prefix = input.path_prefix.unwrap_or_default();
    let (filter, usage) = (input.entity_filter, input.policy_usage_filter);
    let shown = world.iam.entities(&caller.account).filter_map(|entity| {
        let uses = entity.uses(&arn);
        let by_usage = match usage.as_deref() {
            Some("PermissionsBoundary") => uses.as_boundary,
            Some("PermissionsPolicy") => uses.attached,
            Some(_) | None => uses.attached || uses.as_boundary,
        };
        let (kind, path, key) = match entity {
            Entity::User(user) => ("User", &user.path, &user.name),
            Entity::Role(role) => ("Role", &role.path, &role.name),
        };
        let wanted = filter.as_deref().is_none_or(|filter| filter == kind);
        (by_usage && wanted && path.starts_with(&prefix))
            .then(|| (format!("{kind} {}", key.to_lowercase()), entity))
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (page, mut answer) = cut.page("ListEntitiesForPolicy", shown)?;
    let (mut users, mut roles) = (Vec::new(), Vec::new());
    for entity in page {
        match entity {
            Entity::User(user) => {
                users.push(json!({ "UserName": user.name, "UserId": user.user_id }));
            }
            Entity::Role(role) => {
                roles.push(json!({ "RoleName": role.name, "RoleId": role.role_id }));
            }
        }
    }
    answer["PolicyGroups"] = json!([]);
    answer["PolicyUsers"] = users.into();
    answer["PolicyRoles"] = roles.into();
    Ok(answer)
}
