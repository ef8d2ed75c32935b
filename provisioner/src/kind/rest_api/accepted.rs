//! What others maintain in the API with the document's consent: shown in every plan, never touched.

use std::collections::BTreeSet;

use super::definition::PATH;
use super::live::{Live, Method};
use crate::addr::Addr;
use crate::desired::Desired;
use crate::plan::Report;
use crate::stack::AcceptedKind;

/// The API without what the document accepts, and a report of what that is.
///
/// An accepted path keeps its methods with the models and validators they use. Paths that lead to it
/// stay, without methods. Our own path cannot be given away.
pub fn without_accepted(addr: &Addr, desired: &Desired, live: &Live) -> (Live, Vec<Report>) {
    let mut rest = live.clone();
    let mut report = Vec::new();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut note = |what: String, reason: &str| {
        report.push(Report::Accepted {
            addr: addr.clone(),
            what,
            reason: reason.to_owned(),
        });
    };
    for accepted in &desired.stack.accepted {
        let (name, reason) = (accepted.name.as_str(), accepted.reason.as_str());
        match accepted.kind {
            AcceptedKind::ApiResource if name != PATH => {
                let Some(resource) = rest.resources.get(name).cloned() else {
                    continue;
                };
                used.extend(resource.methods.values().flat_map(references));
                if name == "/" {
                    if let Some(root) = rest.resources.get_mut("/") {
                        root.methods.clear();
                    }
                } else {
                    rest.resources.remove(name);
                }
                let above = rest.resources.iter_mut().filter(|(path, _)| *path != PATH);
                for (path, above) in above {
                    above.leads_on |= name.starts_with(&format!("{path}/"));
                }
                note(format!("path {name}"), reason);
            }
            AcceptedKind::ApiAuthorizer => {
                if rest.authorizers.remove(name).is_some() {
                    note(format!("authorizer {name}"), reason);
                }
            }
            AcceptedKind::ApiResource
            | AcceptedKind::InlinePolicy
            | AcceptedKind::AttachedPolicy
            | AcceptedKind::FunctionPermission
            | AcceptedKind::FunctionAlias
            | AcceptedKind::FunctionVersion
            | AcceptedKind::MetricFilter
            | AcceptedKind::SubscriptionFilter
            | AcceptedKind::DataProtection => {}
        }
    }
    let ours = |name: &String| name == super::MODEL || name == super::VALIDATOR;
    rest.models
        .retain(|name, _| ours(name) || !used.contains(name));
    rest.validators
        .retain(|name, _| ours(name) || !used.contains(name));
    (rest, report)
}

/// What keeps an accepted path from being deployed with ours, as API Gateway takes all paths of an API or none:
/// a method whose authorizer the document does not accept, so that it has to go and cannot.
pub fn needs_authorizer(desired: &Desired, live: &Live) -> Option<String> {
    let methods = accepted_methods(desired, live);
    let mut wanting = methods.filter_map(|(path, verb, method)| {
        let name = method.attributes.get("authorizer")?;
        let is_accepted = desired.accepted(AcceptedKind::ApiAuthorizer, name).is_some();
        (!is_accepted).then(|| {
            format!(
                "path {path} is accepted, and its method {verb} uses authorizer {name}, which is not and cannot \
                 be removed while it is used: accept the authorizer (kind \"api-authorizer\") as well, or have \
                 the method let go of it"
            )
        })
    });
    wanting.next()
}

/// The same of a method that has no integration: without one nothing is deployed (API Gateway API,
/// CreateDeployment: "No integration defined for method").
pub fn lacks_integration(desired: &Desired, live: &Live) -> Option<String> {
    let methods = accepted_methods(desired, live);
    let mut wanting = methods.filter(|(_, _, method)| method.integration.is_empty());
    wanting.next().map(|(path, verb, _)| {
        format!(
            "path {path} is accepted, and its method {verb} has no integration, so that API Gateway deploys \
             nothing of this API: have the method completed or removed"
        )
    })
}

/// Methods of accepted paths, with path and verb.
fn accepted_methods<'a>(
    desired: &'a Desired,
    live: &'a Live,
) -> impl Iterator<Item = (&'a String, &'a String, &'a Method)> {
    let paths = live.resources.iter().filter(|(path, _)| {
        *path != PATH && desired.accepted(AcceptedKind::ApiResource, path).is_some()
    });
    paths.flat_map(|(path, resource)| {
        let methods = resource.methods.iter();
        methods.map(move |(verb, method)| (path, verb, method))
    })
}

/// Models and validators that a method names.
fn references(method: &Method) -> Vec<String> {
    let attributes = method.attributes.iter();
    attributes
        .filter(|(name, _)| *name == "validator" || name.starts_with("model."))
        .map(|(_, value)| value.clone())
        .collect()
}
