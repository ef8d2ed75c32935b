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
                for (path, above) in &mut rest.resources {
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

/// Models and validators that a method names.
fn references(method: &Method) -> Vec<String> {
    let attributes = method.attributes.iter();
    attributes
        .filter(|(name, _)| *name == "validator" || name.starts_with("model."))
        .map(|(_, value)| value.clone())
        .collect()
}
