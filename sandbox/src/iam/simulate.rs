//! The policy simulator: what policies would say about actions that nobody carries out.
//!
//! It asks the evaluator that judges real calls, with the condition keys of the request and no other
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html>). Of a
//! matched statement the answer names the policy, but not the position in its text.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::list::Cut;
use super::{Attached, document, invalid, needs, no_such, read};
use crate::policy::evaluation::{Identity, Owner, Policies, Refusal, Resource, Role};
use crate::policy::{Context, Kind, Policy, Principal, Question, Verdict};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "SimulateCustomPolicy",
        needs: |_, _, _| needs::of_all("iam:SimulateCustomPolicy"),
        run: simulate_custom_policy,
    },
    Operation {
        name: "SimulatePrincipalPolicy",
        needs: |_, _, input| {
            let arn = needs::text(input, "PolicySourceArn");
            vec![Need::new("iam:SimulatePrincipalPolicy", arn)]
        },
        run: simulate_principal_policy,
    },
];

/// What both operations ask.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simulation {
    policy_source_arn: Option<String>,
    #[serde(default)]
    policy_input_list: Vec<String>,
    #[serde(default)]
    permissions_boundary_policy_input_list: Vec<String>,
    action_names: Vec<String>,
    resource_arns: Option<Vec<String>>,
    resource_policy: Option<String>,
    resource_owner: Option<String>,
    caller_arn: Option<String>,
    #[serde(default)]
    context_entries: Vec<ContextEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextEntry {
    context_key_name: Option<String>,
    #[serde(default)]
    context_key_values: Vec<String>,
}

/// Everything that is judged.
struct Judged {
    /// Policies of the principal, with the kind of their source.
    identity: Vec<(Attached, &'static str)>,
    boundary: Option<String>,
    organisation: Vec<String>,
    resource: Option<String>,
    owner: Owner,
    account: String,
    arn: String,
    context: Context,
}

fn simulate_custom_policy(_: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    refuse(&input, "SimulateCustomPolicy")?;
    let cut: Cut = read(input.clone())?;
    let input: Simulation = read(input)?;
    let arn = input.caller_arn.clone();
    let arn = arn.unwrap_or_else(|| format!("arn:aws:iam::{}:user/simulated", caller.account));
    let judged = Judged {
        identity: given(&input.policy_input_list)?,
        boundary: boundary(&input)?,
        organisation: Vec::new(),
        ..judged(caller, &input, arn)?
    };
    answer(&cut, &input, &judged)
}

fn simulate_principal_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    refuse(&input, "SimulatePrincipalPolicy")?;
    let cut: Cut = read(input.clone())?;
    let input: Simulation = read(input)?;
    let source = input.policy_source_arn.clone().unwrap_or_default();
    let unknown = || no_such(format!("{source} cannot be found."));
    // A role is judged as one of its sessions.
    let (arn, kind) = if let Some(role) = world.iam.role_of_arn(&source) {
        let session = format!("assumed-role/{}/PolicySimulator", role.name);
        (format!("arn:aws:sts::{}:{session}", caller.account), "role")
    } else if world.iam.user_of_arn(&source).is_some() {
        (source.clone(), "user")
    } else {
        return Err(unknown());
    };
    if source.split(':').nth(4) != Some(&caller.account) {
        return Err(unknown());
    }
    let own = world.identity_policies(&arn).ok_or_else(unknown)?;
    let kind_of = |policy: &Attached| match policy.name.strip_prefix("arn:aws:iam::") {
        Some(rest) if rest.starts_with("aws:") => "aws-managed",
        Some(_) => "user-managed",
        None => kind,
    };
    let mut identity: Vec<_> = own
        .policies
        .into_iter()
        .map(|policy| {
            let kind = kind_of(&policy);
            (policy, kind)
        })
        .collect();
    identity.extend(given(&input.policy_input_list)?);
    let organisation = world.scps.get(&caller.account).cloned();
    let judged = Judged {
        identity,
        // A boundary in the request stands for the principal's own.
        boundary: boundary(&input)?.or(own.boundary.map(|policy| policy.document)),
        organisation: organisation.unwrap_or_default(),
        ..judged(caller, &input, input.caller_arn.clone().unwrap_or(arn))?
    };
    answer(&cut, &input, &judged)
}

/// Refuses by name what would change the outcome and is not modelled.
fn refuse(input: &Value, operation: &str) -> Result<(), AwsError> {
    let members = [
        "PolicyExclusionList",
        "OrderedOrganizationPolicyInputList",
        "ResourceHandlingOption",
    ];
    match members.iter().find(|member| input.get(**member).is_some()) {
        Some(member) => Err(AwsError::not_modelled(&format!(
            "iam:{operation} with {member}"
        ))),
        None => Ok(()),
    }
}

/// Policies of the request.
fn given(list: &[String]) -> Result<Vec<(Attached, &'static str)>, AwsError> {
    let policy = |(index, text): (usize, &String)| {
        document::check_identity(text).map_err(|error| invalid(error.message))?;
        let policy = Attached {
            name: format!("PolicyInputList.{}", index + 1),
            document: text.clone(),
        };
        Ok((policy, "none"))
    };
    list.iter().enumerate().map(policy).collect()
}

fn boundary(input: &Simulation) -> Result<Option<String>, AwsError> {
    let [text] = &input.permissions_boundary_policy_input_list[..] else {
        return if input.permissions_boundary_policy_input_list.is_empty() {
            Ok(None)
        } else {
            Err(invalid("Only one permissions boundary can be given."))
        };
    };
    document::check_identity(text).map_err(|error| invalid(error.message))?;
    Ok(Some(text.clone()))
}

/// What the request alone says; policies are filled in by the operations.
fn judged(caller: &Caller, input: &Simulation, arn: String) -> Result<Judged, AwsError> {
    if let Some(text) = &input.resource_policy {
        Policy::parse_as(Kind::Resource, text).map_err(|error| invalid(error.to_string()))?;
    }
    for action in &input.action_names {
        let well_formed = action
            .split_once(':')
            .is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty());
        if !well_formed || action.contains(['*', '?']) {
            return Err(invalid(format!("Invalid Entity Action: {action}")));
        }
    }
    let mut resources = input.resource_arns.iter().flatten();
    if let Some(odd) = resources.find(|arn| *arn != "*" && !arn.starts_with("arn:")) {
        return Err(invalid(format!("Invalid Entity Arn: {odd}")));
    }
    let account = arn.split(':').nth(4).unwrap_or(&caller.account).to_owned();
    let owner = input.resource_owner.as_deref();
    let owner = owner.and_then(|owner| owner.split(':').nth(4));
    let entries = input.context_entries.iter().filter_map(|entry| {
        let name = entry.context_key_name.clone()?;
        Some((name, entry.context_key_values.clone()))
    });
    Ok(Judged {
        identity: Vec::new(),
        boundary: None,
        organisation: Vec::new(),
        resource: input.resource_policy.clone(),
        owner: match owner {
            Some(owner) if owner != account => Owner::Other,
            Some(_) | None => Owner::Same,
        },
        account,
        arn,
        context: entries.collect(),
    })
}

/// One result for each action on each resource.
fn answer(cut: &Cut, input: &Simulation, judged: &Judged) -> Result<Value, AwsError> {
    let all = ["*".to_owned()];
    let resources = input.resource_arns.as_deref().unwrap_or(&all);
    let pairs = input
        .action_names
        .iter()
        .flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let results = pairs.enumerate().map(|(index, (action, resource))| {
        (format!("{index:09}"), judged.result(action, resource))
    });
    cut.answer(("Simulate", "EvaluationResults"), results)
}

impl Judged {
    fn result(&self, action: &str, resource: &str) -> Value {
        let question = Question {
            principal: Principal::Identity {
                account: &self.account,
                arn: &self.arn,
            },
            action,
            resource,
            context: &self.context,
        };
        let of_identity = |text: &String| Policy::stored(Kind::Identity, text);
        let identity = self.identity.iter();
        let policies = Policies {
            organisation: self.organisation.iter().map(of_identity).collect(),
            identity: Identity::Policies(
                identity
                    .map(|(policy, _)| of_identity(&policy.document))
                    .collect(),
            ),
            boundary: self.boundary.as_ref().map(of_identity),
            session: None,
            resource: Resource {
                policy: self
                    .resource
                    .as_ref()
                    .map(|text| Policy::stored(Kind::Resource, text)),
                owner: self.owner,
                role: Role::OneWay,
                ..Resource::default()
            },
        };
        let (decision, matching) = match policies.decide(&question) {
            Ok(()) => ("allowed", Some(false)),
            Err(Refusal::Denied(..)) => ("explicitDeny", Some(true)),
            Err(Refusal::NotAllowed(_)) => ("implicitDeny", None),
        };
        let matched = match matching {
            Some(denying) => self.matched(&question, denying),
            None => Vec::new(),
        };
        let mut result = json!({
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decision,
            "MatchedStatements": matched,
            "MissingContextValues": self.missing(),
        });
        let allows = |policy: &Policy| policy.judge(&question).is_allowed();
        if let Some(boundary) = &policies.boundary {
            result["PermissionsBoundaryDecisionDetail"] =
                json!({ "AllowedByPermissionsBoundary": allows(boundary) });
        }
        if !policies.organisation.is_empty() {
            let denied = |policy: &Policy| matches!(policy.judge(&question), Verdict::Denied(_));
            let allowed = policies.organisation.iter().any(allows)
                && !policies.organisation.iter().any(denied);
            result["OrganizationsDecisionDetail"] = json!({ "AllowedByOrganizations": allowed });
        }
        result
    }

    /// The policies whose statements make the decision, once for each statement.
    fn matched(&self, question: &Question<'_>, denying: bool) -> Vec<Value> {
        let of_identity = self.identity.iter();
        let of_identity = of_identity.map(|(policy, kind)| {
            (
                policy.name.as_str(),
                *kind,
                Kind::Identity,
                &policy.document,
            )
        });
        let of_resource = self.resource.iter();
        let of_resource =
            of_resource.map(|text| ("ResourcePolicy", "resource", Kind::Resource, text));
        of_identity
            .chain(of_resource)
            .flat_map(|(name, source, kind, text)| {
                let shape = json!({ "SourcePolicyId": name, "SourcePolicyType": source });
                let matches = statements(text).into_iter().filter(move |statement| {
                    match Policy::stored(kind, statement).judge(question) {
                        Verdict::Allowed => !denying,
                        Verdict::Denied(_) => denying,
                        Verdict::NotAllowed(_) => false,
                    }
                });
                matches.map(move |_| shape.clone())
            })
            .collect()
    }

    /// Condition keys that the policies name and the request does not.
    fn missing(&self) -> BTreeSet<String> {
        let identity = self.identity.iter().map(|(policy, _)| &policy.document);
        let all = identity.chain(&self.boundary).chain(&self.resource);
        let given = |key: &String| {
            self.context
                .keys()
                .any(|name| name.eq_ignore_ascii_case(key))
        };
        all.flat_map(|text| condition_keys(text))
            .filter(|key| !given(key))
            .collect()
    }
}

/// Each statement of a policy as a policy of its own.
fn statements(text: &str) -> Vec<String> {
    let Ok(mut document) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let statements = document["Statement"].take();
    let all = if let Value::Array(all) = statements {
        all
    } else {
        vec![statements]
    };
    let alone = all.into_iter().map(|statement| {
        document["Statement"] = statement;
        document.to_string()
    });
    alone.collect()
}

fn condition_keys(text: &str) -> BTreeSet<String> {
    let statements = statements(text);
    let documents = statements
        .iter()
        .filter_map(|text| serde_json::from_str::<Value>(text).ok());
    let mut keys = BTreeSet::new();
    for document in documents {
        let conditions = document["Statement"]["Condition"].as_object();
        for operator in conditions.into_iter().flat_map(|all| all.values()) {
            keys.extend(
                operator
                    .as_object()
                    .into_iter()
                    .flat_map(|all| all.keys().cloned()),
            );
        }
    }
    keys
}
