//! The API as it is.

use std::collections::BTreeMap;

use super::definition::{Attributes, METHOD, MODEL, PATH, PRESENT, VALIDATOR};
use crate::policy::Policy;
use crate::tags::Tags;

/// The API with all its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Id, the first part of its host name.
    pub id: String,
    /// Id of the resource `/`.
    pub root_id: String,
    /// AWS's complaint, when the API is in state `FAILED`.
    pub failure: Option<String>,
    /// Attributes of the API itself.
    pub settings: Attributes,
    /// Resource policy; none when there is none.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Resources by path, `/` included.
    pub resources: BTreeMap<String, Resource>,
    /// Attributes of models by name, without the two that AWS puts into every API.
    pub models: BTreeMap<String, Attributes>,
    /// Validators by name. Where several have one name, all but one have their id behind it.
    pub validators: BTreeMap<String, Part>,
    /// Authorizers by name.
    pub authorizers: BTreeMap<String, Part>,
    /// Attributes of gateway responses that are not AWS's default, by type.
    pub responses: BTreeMap<String, Attributes>,
    /// Stages by name.
    pub stages: BTreeMap<String, Stage>,
    /// The deployment that is ours.
    pub remembered: Remembered,
}

/// What the journal remembers of our deployment. Whoever can edit the API can write into the stage's
/// description what he likes, and nothing into the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Remembered {
    /// Its id.
    Id(String),
    /// Nothing: none was finished, or there is no journal any more.
    #[default]
    Nothing,
    /// The journal cannot be read.
    Unknown,
}

impl Remembered {
    /// Whether a deployment may be ours.
    pub fn allows(&self, deployment: &str) -> bool {
        match self {
            Remembered::Id(id) => id == deployment,
            Remembered::Nothing => false,
            Remembered::Unknown => true,
        }
    }
}

/// A resource: one path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// Id.
    pub id: String,
    /// Its methods by verb.
    pub methods: BTreeMap<String, Method>,
    /// Whether it only leads to one that the document accepts; then its methods alone count.
    pub leads_on: bool,
}

/// A method and its integration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Method {
    /// Attributes of the method; validators and authorizers by name.
    pub attributes: Attributes,
    /// Attributes of its integration; none when it has none.
    pub integration: Attributes,
}

/// A part with an id and a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Id.
    pub id: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    /// Id of the deployment it serves.
    pub deployment: String,
    /// Description; of our stage it says which deployment we gave it.
    pub description: String,
    /// Its other attributes.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
}

/// What the description of our stage says: the deployment we gave it, the hash of the definition
/// behind it, and the deployment before that. This saves reading deployments. That the deployment is ours has
/// to be in the journal as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// Id of the deployment.
    pub deployment: &'a str,
    /// Hash of the definition.
    pub hash: &'a str,
    /// Id of the one before.
    pub previous: Option<&'a str>,
}

impl<'a> Note<'a> {
    /// The note of a description, if it is one.
    pub fn read(description: &'a str) -> Option<Self> {
        let mut words = description.split(' ');
        let note = Self {
            deployment: words.next().filter(|word| !word.is_empty())?,
            hash: words.next()?,
            previous: words.next(),
        };
        words.next().is_none().then_some(note)
    }

    /// The description that says so.
    pub fn text(&self) -> String {
        let previous = self
            .previous
            .map_or_else(String::new, |id| format!(" {id}"));
        format!("{} {}{previous}", self.deployment, self.hash)
    }
}

impl Stage {
    /// The hash of the definition it serves; none when it serves a deployment that we did not give it.
    pub fn hash(&self) -> Option<&str> {
        Note::read(&self.description)
            .filter(|note| note.deployment == self.deployment)
            .map(|note| note.hash)
    }
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> Attributes {
        let mut all = self.parts();
        all.insert("id".into(), self.id.clone());
        if let Some(policy) = &self.policy {
            let policy = Policy::parse(policy).map(|policy| {
                policy
                    .statements
                    .iter()
                    .map(|statement| format!("{statement:?}"))
                    .collect::<Vec<_>>()
                    .join("; ")
            });
            let text = policy.unwrap_or_else(|why| format!("unreadable: {why}"));
            all.insert("policy".into(), text);
        }
        let tags = |owner: &str, tags: &Tags| -> Vec<(String, String)> {
            tags.iter()
                .map(|(key, value)| (format!("{owner}tags.{key}"), value.clone()))
                .collect()
        };
        all.extend(tags("", &self.tags));
        for (name, stage) in &self.stages {
            all.extend(tags(&format!("stage.{name}."), &stage.tags));
        }
        all
    }

    /// What [`super::Definition::attributes`] is compared with: everything but policy and tags.
    pub fn parts(&self) -> Attributes {
        let mut all = self.settings.clone();
        for (path, resource) in &self.resources {
            if path != "/" && !resource.leads_on {
                all.insert(format!("resource.{path}"), PRESENT.into());
            }
            for (verb, method) in &resource.methods {
                let place = format!("{path}.{verb}");
                all.extend(under(&format!("method.{place}"), &method.attributes));
                all.extend(under(&format!("integration.{place}"), &method.integration));
            }
        }
        for (name, attributes) in &self.models {
            all.extend(under(&format!("model.{name}"), attributes));
        }
        for (name, part) in &self.validators {
            all.extend(under(&format!("validator.{name}"), &part.attributes));
        }
        for (name, part) in &self.authorizers {
            all.extend(under(&format!("authorizer.{name}"), &part.attributes));
        }
        for (kind, attributes) in &self.responses {
            all.extend(under(&format!("gateway-response.{kind}"), attributes));
        }
        for (name, stage) in &self.stages {
            let ours = self.remembered.allows(&stage.deployment);
            let definition = stage.hash().filter(|_| ours).map_or_else(
                || format!("deployment {}, which is not ours", stage.deployment),
                str::to_owned,
            );
            all.insert(format!("stage.{name}.definition"), definition);
            all.extend(under(&format!("stage.{name}"), &stage.attributes));
        }
        all
    }

    /// The resource that takes requests.
    pub fn resource(&self) -> Option<&Resource> {
        self.resources.get(PATH)
    }

    /// The method that takes requests.
    pub fn method(&self) -> Option<&Method> {
        self.resource()?.methods.get(METHOD)
    }

    /// Our validator.
    pub fn validator(&self) -> Option<&Part> {
        self.validators.get(VALIDATOR)
    }

    /// Our model.
    pub fn model(&self) -> Option<&Attributes> {
        self.models.get(MODEL)
    }
}

fn under<'a>(
    prefix: &'a str,
    attributes: &'a Attributes,
) -> impl Iterator<Item = (String, String)> + 'a {
    attributes
        .iter()
        .map(move |(name, value)| (format!("{prefix}.{name}"), value.clone()))
}
