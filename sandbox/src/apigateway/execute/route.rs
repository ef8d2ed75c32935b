//! Which method of a deployed API a request means.

use std::collections::BTreeMap;

use crate::apigateway::method::Method;
use crate::apigateway::resource::is_variable;
use crate::apigateway::rest_api::Definition;
use crate::wire::text::percent_decode;

/// The method that answers a request.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub resource_id: String,
    /// The resource's path, variables by name.
    pub resource_path: String,
    /// What its path variables stand for.
    pub parameters: BTreeMap<String, String>,
    pub method: Method,
}

impl Route {
    /// The path as permissions and throttles know it: variables are `*`.
    pub fn pattern(&self) -> String {
        let parts = self.resource_path.split('/');
        let parts: Vec<_> = parts
            .map(|part| if is_variable(part) { "*" } else { part })
            .collect();
        parts.join("/")
    }

    /// The HTTP method as permissions know it: `ANY` is `*`.
    pub fn verb_pattern(&self) -> &str {
        match self.method.http_method.as_str() {
            "ANY" => "*",
            verb => verb,
        }
    }
}

/// Finds the method: literal parts of a path are stronger than variables, those stronger than a
/// greedy one ("API Gateway uses the most specific match"); then the method itself, else `ANY`. A
/// slash at the end makes no difference.
pub(super) fn find(definition: &Definition, verb: &str, path: &str) -> Option<Route> {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode(part, false).unwrap_or_else(|_| part.to_owned()))
        .collect();
    let mut at = vec![(definition.root.as_str(), 0, BTreeMap::new())];
    // Depth first, the strongest candidate on top of the stack.
    while let Some((id, used, parameters)) = at.pop() {
        let Some(resource) = definition.resources.get(id) else {
            continue;
        };
        let Some(part) = parts.get(used) else {
            let methods = &resource.methods;
            if let Some(method) = methods.get(verb).or_else(|| methods.get("ANY")) {
                return Some(Route {
                    resource_id: id.to_owned(),
                    resource_path: resource.path.clone(),
                    parameters,
                    method: method.clone(),
                });
            }
            continue;
        };
        let mut children: Vec<_> = definition
            .resources
            .iter()
            .filter(|(_, child)| child.parent.as_deref() == Some(id))
            .filter_map(|(child_id, child)| {
                let mut parameters = parameters.clone();
                if !is_variable(&child.part) {
                    return (child.part == *part)
                        .then_some((2, (child_id.as_str(), used + 1, parameters)));
                }
                let name = child.part.trim_matches(['{', '}']);
                match name.strip_suffix('+') {
                    Some(name) => {
                        parameters.insert(name.to_owned(), parts[used..].join("/"));
                        Some((0, (child_id.as_str(), parts.len(), parameters)))
                    }
                    None => {
                        parameters.insert(name.to_owned(), part.clone());
                        Some((1, (child_id.as_str(), used + 1, parameters)))
                    }
                }
            })
            .collect();
        children.sort_by_key(|(strength, _)| *strength);
        at.extend(children.into_iter().map(|(_, child)| child));
    }
    None
}
