//! All policies that concern a request, taken together.
//!
//! Decides by AWS's order
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html>):
//! an explicit deny anywhere ends it; then the organisation must allow it; then the policy of the
//! resource may settle it; then the principal's own policies, its boundary and its session must allow
//! it. A resource of another account needs a yes from both sides.

use super::principal::Strength;
use super::{Policy, Question};

/// A sort of policy, as AWS's refusals name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Service control policies of the principal's organisation.
    Organisation,
    /// The policy of the resource.
    Resource,
    /// The trust policy of a role that is to be assumed.
    Trust,
    /// Policies attached to the principal.
    Identity,
    /// The principal's permissions boundary.
    Boundary,
    /// The policy given when the session was made.
    Session,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A statement denies it. With the name of the statement.
    Denied(Layer, String),
    /// Nothing in this layer allows it.
    NotAllowed(Layer),
}

impl Refusal {
    /// The end of AWS's text for a refusal
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
    pub fn because(&self, action: &str) -> String {
        let name = |layer: &Layer| match layer {
            Layer::Organisation => ("a", "service control policy"),
            Layer::Resource => ("a", "resource-based policy"),
            Layer::Trust => ("the", "role trust policy"),
            Layer::Identity => ("an", "identity-based policy"),
            Layer::Boundary => ("a", "permissions boundary"),
            Layer::Session => ("a", "session policy"),
        };
        match self {
            Self::Denied(layer, _) => {
                let (article, name) = name(layer);
                format!("with an explicit deny in {article} {name}")
            }
            Self::NotAllowed(layer) => {
                format!("because no {} allows the {action} action", name(layer).1)
            }
        }
    }
}

/// The policies that concern one request.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// Service control policies; none where there is no organisation.
    pub organisation: Vec<Policy>,
    /// What the principal is allowed by itself.
    pub identity: Identity,
    /// The permissions boundary.
    pub boundary: Option<Policy>,
    /// The session's policy.
    pub session: Option<Policy>,
    /// The side of the resource.
    pub resource: Resource,
}

/// Policies of a principal.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The root of an account: there is no policy that could be attached to it, and it may do all.
    Root,
    /// Policies of a user or a role.
    Policies(Vec<Policy>),
}

impl Default for Identity {
    fn default() -> Self {
        Self::Policies(Vec::new())
    }
}

/// The side of the resource.
#[derive(Debug, Clone, Default)]
pub struct Resource {
    /// Its policy, if it has one.
    pub policy: Option<Policy>,
    /// Something besides the policy that allows the request, such as a grant of KMS.
    pub granted: bool,
    /// Who owns it.
    pub owner: Owner,
    /// What its policy is for the owner's own principals.
    pub role: Role,
    /// How refusals name the policy.
    pub layer: ResourceLayer,
}

/// Whose a resource is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Owner {
    /// The principal's account, or no account at all.
    #[default]
    Same,
    /// Another account.
    Other,
}

/// What a resource's policy is for principals of its own account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// One way to be allowed; policies of identities are another.
    #[default]
    OneWay,
    /// The only way: identities' policies count only as far as it delegates to the account. So it is
    /// with keys (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html>) and with
    /// roles to be assumed.
    OnlyWay,
}

/// How a refusal names the policy of a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResourceLayer {
    /// A resource-based policy.
    #[default]
    Policy,
    /// A role trust policy.
    Trust,
}

impl Policies {
    /// Whether the request may go on.
    pub fn decide(&self, question: &Question<'_>) -> Result<(), Refusal> {
        let resource_layer = match self.resource.layer {
            ResourceLayer::Policy => Layer::Resource,
            ResourceLayer::Trust => Layer::Trust,
        };
        let own: &[Policy] = match &self.identity {
            Identity::Root => &[],
            Identity::Policies(policies) => policies,
        };
        let hear = |layer, policies: &[Policy]| hear(layer, policies, question);
        let organisation = hear(Layer::Organisation, &self.organisation)?;
        let resource = hear(resource_layer, self.resource.policy.as_slice())?;
        let identity = hear(Layer::Identity, own)?;
        let boundary = hear(Layer::Boundary, self.boundary.as_slice())?;
        let session = hear(Layer::Session, self.session.as_slice())?;

        let must = |layer, allowed: bool| allowed.then_some(()).ok_or(Refusal::NotAllowed(layer));
        must(
            Layer::Organisation,
            self.organisation.is_empty() || organisation.is_some(),
        )?;
        let limited = || {
            must(
                Layer::Boundary,
                self.boundary.is_none() || boundary.is_some(),
            )?;
            must(Layer::Session, self.session.is_none() || session.is_some())
        };
        let by_identity = || {
            let is_root = matches!(self.identity, Identity::Root);
            must(Layer::Identity, is_root || identity.is_some())?;
            limited()
        };
        let granted = self.resource.granted.then_some(Strength::Role);
        match (self.resource.owner, resource.max(granted)) {
            // Named by itself, a principal is allowed whatever its own policies leave unsaid; named
            // by its role, a session is held to boundary and session policy
            // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html#policy-eval-denyallow-resource>).
            (Owner::Same, Some(Strength::Itself)) => Ok(()),
            (Owner::Same, Some(Strength::Role)) => limited(),
            (Owner::Same, Some(Strength::Account)) => by_identity(),
            (Owner::Same, None) => {
                must(resource_layer, self.resource.role == Role::OneWay)?;
                by_identity()
            }
            (Owner::Other, by_resource) => {
                must(resource_layer, by_resource.is_some())?;
                by_identity()
            }
        }
    }
}

/// The strongest allow of some policies, unless one of them denies.
fn hear(
    layer: Layer,
    policies: &[Policy],
    question: &Question<'_>,
) -> Result<Option<Strength>, Refusal> {
    let mut allowed = None;
    for policy in policies {
        let heard = policy.hear(question);
        if let Some(why) = heard.denied {
            return Err(Refusal::Denied(layer, why));
        }
        allowed = allowed.max(heard.allowed);
    }
    Ok(allowed)
}
