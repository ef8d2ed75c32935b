//! What a caller may do: which policies concern a need, and AWS's refusal if they do not allow it.
//!
//! The evaluation itself is [`crate::policy::evaluation`]; here its policies and condition keys are
//! gathered from the world. It is always on: who has no policy may do nothing. An account's root is
//! an administrator, whom only resources' policies and the organisation can refuse something.

use std::collections::BTreeMap;

use crate::instance;
use crate::policy::evaluation::{
    Identity, Layer, Owner, Policies, Refusal, Resource, ResourceLayer, Role,
};
use crate::policy::{Context, Kind, Policy, Principal, Question, Verdict, role_of};
use crate::wire::model::{self, Protocol};
use crate::world::{AwsError, Caller, Need, World};

/// Whether a caller may do all that a call needs. The first refusal is the answer; [`spelt`] gives it
/// the code of the call's protocol.
pub fn authorize(world: &World, caller: &Caller, needs: &[Need]) -> Result<(), AwsError> {
    if needs.is_empty() {
        return Ok(());
    }
    if instance::is_identity_role(&caller.arn) {
        // "Instance identity roles" of EC2's guide: no policy applies to them, and what else than
        // GetCallerIdentity, which needs nothing, a few of AWS's own agents may do is not for others.
        let need = &needs[0];
        return Err(refused(caller, need, &Refusal::NotAllowed(Layer::Identity)));
    }
    let requester = Requester::of(world, caller);
    needs.iter().try_for_each(|need| {
        check_form(caller, need)?;
        requester
            .decide(need)
            .map_err(|refusal| refused(caller, need, &refusal))
    })
}

/// Whether a caller may do one thing; for what an operation finds out to be needed while it runs.
/// The error is spelt as the action's own service spells it.
pub fn may(world: &World, caller: &Caller, need: &Need) -> Result<(), AwsError> {
    let service = need.action.split(':').next().unwrap_or_default();
    let protocol = model::model(service)
        .and_then(|model| model.protocols.first().copied())
        .unwrap_or(Protocol::Json);
    authorize(world, caller, std::slice::from_ref(need)).map_err(|error| spelt(error, protocol))
}

/// A refusal in the code and status of a protocol
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html> for JSON).
pub(crate) fn spelt(error: AwsError, protocol: Protocol) -> AwsError {
    if error.code != DENIED {
        return error;
    }
    let (code, status) = match protocol {
        Protocol::RestXml | Protocol::Query => (DENIED, 403),
        Protocol::Ec2 => {
            // AWS adds an encoded copy of the message for writes, which nobody here can decode.
            return AwsError {
                code: "UnauthorizedOperation".to_owned(),
                message: format!(
                    "You are not authorized to perform this operation. {}",
                    error.message
                ),
                status: Some(403),
            };
        }
        Protocol::RestJson => ("AccessDeniedException", 403),
        Protocol::Json | Protocol::RpcV2Cbor => ("AccessDeniedException", 400),
    };
    AwsError {
        code: code.to_owned(),
        status: Some(status),
        ..error
    }
}

/// The code of a refusal, as the oldest protocols have it.
const DENIED: &str = "AccessDenied";

/// Whether a service by its own identity may do something to a resource with this policy. Nothing but
/// the policy can allow it. For whom the service acts is in the need's context, `aws:SourceArn` and
/// `aws:SourceAccount`.
pub fn service_may(
    world: &World,
    service: &str,
    need: &Need,
    resource_policy: Option<&str>,
) -> bool {
    let Some(text) = resource_policy else {
        return false;
    };
    let mut context = service_context(service);
    context.extend(time_context(world.latest));
    context.extend(need.context.clone());
    let question = Question {
        principal: Principal::Service(service),
        action: &need.action,
        resource: &need.resource,
        context: &context,
    };
    Policy::stored(Kind::Resource, text)
        .judge(&question)
        .is_allowed()
}

/// Whether a trust policy lets a principal take its role; else why not. For a service that is all; for
/// an identity its own policies count as well, which [`may`] asks.
pub fn may_assume(
    world: &World,
    trust: &str,
    principal: Principal<'_>,
    context: &Context,
) -> Result<(), String> {
    let mut all = match principal {
        Principal::Service(name) => service_context(name),
        Principal::Identity { .. } => Context::new(),
    };
    all.extend(time_context(world.latest));
    all.extend(context.clone());
    let question = Question {
        principal,
        action: "sts:AssumeRole",
        resource: "*",
        context: &all,
    };
    match Policy::stored(Kind::Trust, trust).judge(&question) {
        Verdict::Allowed => Ok(()),
        Verdict::Denied(why) | Verdict::NotAllowed(why) => Err(why),
    }
}

/// Condition keys of a request that a service makes by its own identity.
pub(crate) fn service_context(service: &str) -> Context {
    context([
        ("aws:PrincipalIsAWSService", "true"),
        ("aws:PrincipalServiceName", service),
        ("aws:SecureTransport", "true"),
    ])
}

fn context<const N: usize>(pairs: [(&str, &str); N]) -> Context {
    let pair = |(key, value): (&str, &str)| (key.to_owned(), vec![value.to_owned()]);
    pairs.into_iter().map(pair).collect()
}

fn time_context(now: jiff::Timestamp) -> Context {
    let seconds = now.as_second();
    let date = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    context([
        ("aws:CurrentTime", &date),
        ("aws:EpochTime", &seconds.to_string()),
    ])
}

/// A need that names no action or no resource is an error of this sandbox.
fn check_form(caller: &Caller, need: &Need) -> Result<(), AwsError> {
    let well_formed = need.action.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty() && name.starts_with(|first: char| first.is_ascii_uppercase())
    });
    if well_formed && !need.resource.is_empty() {
        return Ok(());
    }
    Err(AwsError::new(
        "InternalFailure",
        format!(
            "{}: '{}' on '{}' is no need",
            caller.arn, need.action, need.resource
        ),
    ))
}

/// AWS's refusal. Most services name `*` where an action supports no resource; Route 53 and EC2 do
/// not.
fn refused(caller: &Caller, need: &Need, refusal: &Refusal) -> AwsError {
    let Need {
        action, resource, ..
    } = need;
    let names_no_star = action.starts_with("route53:") || action.starts_with("ec2:");
    let on = if resource == "*" && names_no_star {
        String::new()
    } else {
        format!(" on resource: {resource}")
    };
    AwsError {
        code: DENIED.to_owned(),
        message: format!(
            "User: {} is not authorized to perform: {action}{on} {}",
            caller.arn,
            refusal.because(action)
        ),
        status: Some(403),
    }
}

/// A caller with the policies that go wherever it goes.
struct Requester<'a> {
    world: &'a World,
    caller: &'a Caller,
    /// Of the caller alone; without the resource's side.
    policies: Policies,
    context: Context,
    /// The role whose session calls.
    role_arn: Option<String>,
}

impl<'a> Requester<'a> {
    fn of(world: &'a World, caller: &'a Caller) -> Self {
        let role_arn = role_of(&caller.arn).map(|name| {
            // The role may be gone, its session is not.
            world.role(&caller.account, name).map_or_else(
                || format!("arn:aws:iam::{}:role/{name}", caller.account),
                |role| role.arn.clone(),
            )
        });
        let identity = |text: &String| Policy::stored(Kind::Identity, text);
        let organisation = world.scps.get(&caller.account);
        let mut policies = Policies {
            organisation: organisation.into_iter().flatten().map(identity).collect(),
            ..Policies::default()
        };
        let mut tags = BTreeMap::new();
        if caller.arn == format!("arn:aws:iam::{}:root", caller.account) {
            policies.identity = Identity::Root;
        } else if let Some(held) = world
            .held
            .as_ref()
            .filter(|h| h.arn(&caller.account) == caller.arn)
        {
            policies.identity = Identity::Policies(held.policies.iter().map(identity).collect());
        } else if let Some(attached) = world.identity_policies(&caller.arn) {
            let documents = attached.policies.iter().map(|one| identity(&one.document));
            policies.identity = Identity::Policies(documents.collect());
            policies.boundary = attached.boundary.map(|one| identity(&one.document));
            policies.session = attached.session.as_ref().map(identity);
            tags = attached.tags;
        }
        let mut context = caller_context(caller, role_arn.as_deref());
        for (tag, value) in tags {
            context.insert(format!("aws:PrincipalTag/{tag}"), vec![value]);
        }
        Self {
            world,
            caller,
            policies,
            context,
            role_arn,
        }
    }

    fn decide(&self, need: &Need) -> Result<(), Refusal> {
        let mut context = self.context.clone();
        if let Some(owner) = account_of(&need.resource) {
            context.insert("aws:ResourceAccount".into(), vec![owner.into()]);
        }
        // What the operation knows better goes before what holds for every call.
        for (key, values) in &need.context {
            context.retain(|known, _| !known.eq_ignore_ascii_case(key));
            context.insert(key.clone(), values.clone());
        }
        let policies = Policies {
            resource: self.resource(need),
            ..self.policies.clone()
        };
        policies.decide(&Question {
            principal: Principal::Identity {
                account: &self.caller.account,
                arn: &self.caller.arn,
            },
            action: &need.action,
            resource: &need.resource,
            context: &context,
        })
    }

    fn resource(&self, need: &Need) -> Resource {
        let arn = need.resource.as_str();
        let owner = match account_of(arn) {
            Some(account) if account != self.caller.account => Owner::Other,
            Some(_) | None => Owner::Same,
        };
        let of = |text: Option<String>, role| Resource {
            policy: text.map(|text| Policy::stored(Kind::Resource, &text)),
            owner,
            role,
            ..Resource::default()
        };
        match arn.split(':').nth(2) {
            Some("kms") => match self.world.kms.resource_policy(arn) {
                Some(text) => Resource {
                    granted: self.is_granted(need),
                    ..of(Some(text), Role::OnlyWay)
                },
                // An alias, which has no policy, or a key that does not exist.
                None => of(None, Role::OneWay),
            },
            Some("lambda") => of(self.world.lambda.resource_policy(arn), Role::OneWay),
            Some("execute-api") => of(self.world.apigateway.resource_policy(arn), Role::OneWay),
            Some("logs") => of(self.world.logs.resource_policy(arn), Role::OneWay),
            Some("iam") if need.action == "sts:AssumeRole" => self.trust(arn, owner),
            Some(_) | None => of(None, Role::OneWay),
        }
    }

    fn is_granted(&self, need: &Need) -> bool {
        let Some(operation) = need.action.strip_prefix("kms:") else {
            return false;
        };
        let mut principals = vec![self.caller.arn.as_str()];
        principals.extend(self.role_arn.as_deref());
        let kms = &self.world.kms;
        kms.is_granted(&need.resource, &principals, operation, &need.context)
    }

    /// The side of a role that is to be assumed. A role that does not exist is as one that trusts
    /// nobody: AWS does not tell which.
    fn trust(&self, arn: &str, owner: Owner) -> Resource {
        let role = account_of(arn).zip(arn.rsplit('/').next());
        let role = role.and_then(|(account, name)| self.world.role(account, name));
        Resource {
            policy: role
                .filter(|role| role.arn == arn)
                .map(|role| Policy::stored(Kind::Trust, &role.trust)),
            owner,
            role: Role::OnlyWay,
            layer: ResourceLayer::Trust,
            ..Resource::default()
        }
    }
}

/// Condition keys of every request
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>). Absent
/// are those of organisations, VPC endpoints, sources of other services and federation.
fn caller_context(caller: &Caller, role_arn: Option<&str>) -> Context {
    let Caller { account, arn, .. } = caller;
    let user = arn.strip_prefix(&format!("arn:aws:iam::{account}:user/"));
    let kind = match (role_arn, user) {
        (Some(_), _) => "AssumedRole",
        (None, Some(_)) => "User",
        (None, None) => "Account",
    };
    let mut all = context([
        ("aws:PrincipalArn", role_arn.unwrap_or(arn)),
        ("aws:PrincipalAccount", account),
        ("aws:PrincipalType", kind),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:RequestedRegion", &caller.region),
        ("aws:SecureTransport", "true"),
        ("aws:SourceIp", &caller.source.to_string()),
        ("aws:ViaAWSService", "false"),
        ("aws:userid", &caller.user_id),
    ]);
    all.extend(time_context(caller.now));
    if let Some(path) = user {
        let name = path.rsplit('/').next().unwrap_or(path);
        all.extend(context([("aws:username", name)]));
    }
    if role_arn.is_some() {
        // Only temporary credentials tell; nobody here has a second factor.
        all.extend(context([("aws:MultiFactorAuthPresent", "false")]));
    }
    all
}

/// The account in an ARN, if it has one: those of Route 53 and S3 have none, those of AWS's own
/// policies have `aws`.
fn account_of(arn: &str) -> Option<&str> {
    let account = arn.split(':').nth(4)?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then_some(account)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
