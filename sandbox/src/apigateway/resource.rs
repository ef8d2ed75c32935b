//! The tree of resources of an API: which paths there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::method::Method;
use super::patch::patches;
use super::rest_api::Definition;
use super::{ID, bad, conflict, needs, not_found, page, text};
use crate::world::{AwsError, Caller, Operation, World};

/// A resource: one node of the tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Resource {
    /// Id of the parent; none for `/`.
    pub parent: Option<String>,
    /// Last part of the path; empty for `/`.
    pub part: String,
    pub path: String,
    /// By HTTP method, `ANY` included.
    pub methods: BTreeMap<String, Method>,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateResource",
        needs: |world, caller, input| needs::of("CreateResource", world, caller, input),
        run: create,
    },
    Operation {
        name: "GetResource",
        needs: |world, caller, input| needs::of("GetResource", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let resource = definition.resource(&input)?;
            let with_methods = embeds_methods(&input)?;
            Ok(describe(text(&input, "resourceId"), resource, with_methods))
        },
    },
    Operation {
        name: "GetResources",
        needs: |world, caller, input| needs::of("GetResources", world, caller, input),
        run: |world, caller, input| {
            let definition = &world.apigateway.api(caller, &input)?.definition;
            let with_methods = embeds_methods(&input)?;
            let items = definition.resources.iter();
            let items =
                items.map(|(id, resource)| (id.clone(), describe(id, resource, with_methods)));
            page("GetResources", items, &input)
        },
    },
    Operation {
        name: "UpdateResource",
        needs: |world, caller, input| needs::of("UpdateResource", world, caller, input),
        run: update,
    },
    Operation {
        name: "DeleteResource",
        needs: |world, caller, input| needs::of("DeleteResource", world, caller, input),
        run: |world, caller, input| {
            let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
            if definition.resource(&input)?.parent.is_none() {
                return Err(bad("Root resource cannot be deleted"));
            }
            for id in definition.subtree(text(&input, "resourceId")) {
                definition.resources.remove(&id);
            }
            Ok(json!({}))
        },
    },
];

impl Resource {
    pub fn root() -> Self {
        Self {
            parent: None,
            part: String::new(),
            path: "/".into(),
            methods: BTreeMap::new(),
        }
    }
}

impl Definition {
    /// The resource that an input names by `resourceId`.
    pub fn resource(&self, input: &Value) -> Result<&Resource, AwsError> {
        let found = self.resources.get(text(input, "resourceId"));
        found.ok_or_else(no_such_resource)
    }

    pub fn resource_mut(&mut self, input: &Value) -> Result<&mut Resource, AwsError> {
        let found = self.resources.get_mut(text(input, "resourceId"));
        found.ok_or_else(no_such_resource)
    }

    /// A resource and everything below it: the ids, parents first.
    fn subtree(&self, id: &str) -> Vec<String> {
        let mut ids = vec![id.to_owned()];
        let mut at = 0;
        while at < ids.len() {
            let children = self
                .resources
                .iter()
                .filter(|(_, r)| r.parent.as_ref() == Some(&ids[at]))
                .map(|(child, _)| child.clone());
            let children: Vec<_> = children.collect();
            ids.extend(children);
            at += 1;
        }
        ids
    }

    /// Checks that a resource may have a child of this name, and gives the child's path.
    pub fn child_path(&self, parent: &str, part: &str) -> Result<String, AwsError> {
        check_part(part)?;
        let above = self.resources.get(parent).ok_or_else(no_such_resource)?;
        if above.part.ends_with("+}") {
            return Err(bad(format!(
                "Cannot create a child of a resource with a greedy path variable: {}",
                above.part
            )));
        }
        let mut siblings = self
            .resources
            .values()
            .filter(|sibling| sibling.parent.as_deref() == Some(parent));
        if siblings.clone().any(|sibling| sibling.part == part) {
            return Err(conflict(format!(
                "Another resource with the same parent already has this name: {part}"
            )));
        }
        if let Some(other) = siblings.find(|s| is_variable(&s.part) && is_variable(part)) {
            return Err(bad(format!(
                "A sibling ({}) of this resource already has a variable path part -- only one is \
                 allowed",
                other.part
            )));
        }
        Ok(format!("{}/{part}", above.path.trim_end_matches('/')))
    }

    /// Adds a resource below another.
    pub fn add_resource(
        &mut self,
        id: String,
        parent: &str,
        part: &str,
    ) -> Result<&mut Resource, AwsError> {
        let path = self.child_path(parent, part)?;
        let resource = Resource {
            parent: Some(parent.to_owned()),
            part: part.to_owned(),
            path,
            methods: BTreeMap::new(),
        };
        Ok(self.resources.entry(id).or_insert(resource))
    }
}

fn no_such_resource() -> AwsError {
    not_found("Invalid Resource identifier specified")
}

pub(super) fn is_variable(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

fn check_part(part: &str) -> Result<(), AwsError> {
    let variable = part.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
    let name = variable.map_or(part, |name| name.strip_suffix('+').unwrap_or(name));
    let is_good = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
    if is_good {
        Ok(())
    } else {
        Err(bad(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly \
             braces at the beginning and the end.",
        ))
    }
}

/// `embed=methods` is the only one there is.
fn embeds_methods(input: &Value) -> Result<bool, AwsError> {
    let embed = input.get("embed").and_then(Value::as_array);
    let mut embed = embed.into_iter().flatten().filter_map(Value::as_str);
    match embed.find(|item| *item != "methods") {
        Some(other) => Err(bad(format!("Invalid embed value '{other}'"))),
        None => Ok(input.get("embed").is_some()),
    }
}

/// A resource; its methods in full, or, without `embed`, by name only.
fn describe(id: &str, resource: &Resource, with_methods: bool) -> Value {
    let mut shown = json!({ "id": id, "path": resource.path });
    if let Some(parent) = &resource.parent {
        shown["parentId"] = parent.as_str().into();
        shown["pathPart"] = resource.part.as_str().into();
    }
    if !resource.methods.is_empty() {
        shown["resourceMethods"] = resource
            .methods
            .iter()
            .map(|(name, method)| {
                let method = if with_methods {
                    super::shown(method)
                } else {
                    json!({})
                };
                (name.clone(), method)
            })
            .collect();
    }
    shown
}

fn create(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let id = world.random.text(ID, 6);
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let (parent, part) = (text(&input, "parentId"), text(&input, "pathPart"));
    let resource = definition.add_resource(id.clone(), parent, part)?;
    Ok(describe(&id, resource, false))
}

fn update(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let id = text(&input, "resourceId").to_owned();
    let definition = &mut world.apigateway.api_mut(caller, &input)?.definition;
    let (mut parent, mut part) = {
        let resource = definition.resource(&input)?;
        let Some(parent) = resource.parent.clone() else {
            return Err(bad("Root resource cannot be updated"));
        };
        (parent, resource.part.clone())
    };
    for patch in patches(&input)? {
        match patch.path() {
            "/pathPart" => patch.text()?.clone_into(&mut part),
            "/parentId" => patch.text()?.clone_into(&mut parent),
            _ => return Err(patch.unknown(&["/parentId", "/pathPart"])),
        }
    }
    let subtree = definition.subtree(&id);
    if subtree.contains(&parent) {
        return Err(bad("A resource cannot be moved below itself"));
    }
    // The resource must not stand in its own way.
    let mut moved = definition
        .resources
        .remove(&id)
        .ok_or_else(no_such_resource)?;
    match definition.child_path(&parent, &part) {
        Ok(path) => (moved.path, moved.part) = (path, part),
        Err(error) => {
            definition.resources.insert(id, moved);
            return Err(error);
        }
    }
    moved.parent = Some(parent);
    let answer = describe(&id, &moved, false);
    definition.resources.insert(id, moved);
    for below in subtree.iter().skip(1) {
        let above = definition.resources[below]
            .parent
            .clone()
            .unwrap_or_default();
        let above = definition.resources[&above].path.clone();
        if let Some(resource) = definition.resources.get_mut(below) {
            resource.path = format!("{above}/{}", resource.part);
        }
    }
    Ok(answer)
}
