//! The REST API: one regional API with one path, one method, a proxy integration to the updater, a
//! request model, error answers in the updater's form, one stage with a throttle and an access log.
//!
//! Natural key: the tag with the stack's name; API Gateway takes any number of APIs of one name.
//! It is never replaced: its id is in every client. What its stage serves is a deployment, an
//! immutable snapshot, so that edits are seen only after CreateDeployment and UpdateStage; the
//! deployment's description is the hash of the definition, and the stage's description says which
//! deployment and hash we gave it, which saves reading deployments in every plan. Whatever else is in
//! the API (paths, methods, authorizers, models, validators, stages) is drift unless the document
//! accepts it. AWS: API Gateway Developer Guide, "REST APIs"; API reference, "Patch operations".
//!
//! ```text
//! edit parts --> CreateDeployment --> UpdateStage --> serves the new definition
//!     |                |                  |
//!     +----------------+------------------+-- a run that dies here: the old deployment serves on
//! ```

mod accepted;
mod definition;
mod live;
mod observe;
mod op;
mod perform;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::condition::Condition;
use crate::desired::Desired;
use crate::kind::journal_group;
use crate::plan::{
    After, Change, Draft, Field, Lowered, Report, RightChange, Risk, StepId, Symbol, numbered, of,
};
use crate::policy::Policy;
use crate::snapshot::{Observation, Snapshot};
use accepted::without_accepted;
use definition::{METHOD, MODEL, REFUSALS, VALIDATOR};
use op::{Foreign, Patch, Served};

pub use definition::{Definition, PATH, access_log_filter};
pub use live::{Live, Method, Part, Remembered, Resource, Stage};
pub use observe::{list, look, observe};
pub use op::Op;
pub use perform::perform;

/// The step that writes down which deployment is ours.
const REMEMBER: &str = "remember-deployment";

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let want = Definition::of(desired);
    let mut lowered = match &snapshot.rest_api {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => super::blocked(addr, why),
        Observation::Absent => create(addr, desired, snapshot, &want),
        Observation::Present(live) => update(addr, desired, &want, live),
    };
    if let Some(custom) = &desired.stack.api.custom_domain {
        lowered.report.push(Report::Warning {
            addr: addr.clone(),
            what: format!(
                "[api] domain is not built yet: {} is not made, and clients use the API's own address",
                custom.domain
            ),
        });
    }
    lowered
}

fn create(addr: &Addr, desired: &Desired, snapshot: &Snapshot, want: &Definition) -> Lowered {
    let none = Live {
        remembered: match &snapshot.journal_group {
            Observation::Absent | Observation::Present(_) => Remembered::Nothing,
            Observation::Foreign(_, _) | Observation::Unreadable(_) => Remembered::Unknown,
        },
        ..Live::default()
    };
    let mut fields = compare(desired, want, &none);
    fields.extend(super::tag_fields(&want.tags, &BTreeMap::new()));
    let op = Op::Create {
        definition: Box::new(want.clone()),
    };
    let mut create = Draft::new("create", super::Op::RestApi(op));
    if let Some(since) = super::intent(snapshot, addr) {
        create = create.ready(Condition::ListsSettled { since });
    }
    let mut steps = Steps::new(addr, desired, want, &none, &fields);
    steps.drafts.push(create);
    steps.parts();
    steps.serve();
    let drafts = steps.drafts;
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields,
            why: "no API of this stack; its address will be part of every client's configuration"
                .into(),
            risk: Risk::Safe,
        }),
        drafts,
        rights: rights(addr, None, want.policy.as_deref()),
        ..Lowered::default()
    }
}

fn update(addr: &Addr, desired: &Desired, want: &Definition, live: &Live) -> Lowered {
    if let Some(why) = accepted::needs_authorizer(desired, live) {
        return super::blocked(addr, why);
    }
    let incomplete = accepted::lacks_integration(desired, live);
    let (live, mut report) = without_accepted(addr, desired, live);
    let live = &live;
    if let Some(failure) = &live.failure {
        report.push(Report::Warning {
            addr: addr.clone(),
            what: format!("API Gateway reports it as failed: {failure}"),
        });
    }
    let mut known = Outputs::from([
        (Output::ApiId, live.id.clone()),
        (Output::RootResourceId, live.root_id.clone()),
    ]);
    let resource = live.resource().map(|resource| &resource.id);
    let validator = live.validator().map(|validator| &validator.id);
    known.extend(resource.map(|id| (Output::ResourceId, id.clone())));
    known.extend(validator.map(|id| (Output::ValidatorId, id.clone())));

    let mut fields = compare(desired, want, live);
    let mut steps = Steps::new(addr, desired, want, live, &fields);
    steps.settings();
    steps.parts();
    steps.remove_foreign();
    steps.serve();
    let tag_fields = steps.tags();
    let drafts = steps.drafts;
    fields.extend(tag_fields);
    match incomplete {
        Some(why) if drafts.iter().any(|draft| draft.name == "deploy") => {
            return super::blocked(addr, why);
        }
        Some(what) => report.push(Report::Warning {
            addr: addr.clone(),
            what,
        }),
        None => {}
    }
    if fields.is_empty() && drafts.is_empty() {
        report.push(Report::UpToDate(addr.clone()));
        return Lowered {
            report,
            known,
            ..Lowered::default()
        };
    }
    let rights = rights(
        addr,
        expanded(desired, live, live.policy.as_deref()).as_deref(),
        expanded(desired, live, want.policy.as_deref()).as_deref(),
    );
    let is_moved = !live.stages.is_empty() && !live.stages.contains_key(&want.stage);
    // Without a policy anybody may call it, so that the first one takes something from most.
    let shuts_out = live.policy.is_none() && want.policy.is_some()
        || rights.iter().any(|right| !right.gained)
        || fields.iter().any(|field| {
            field.after.is_none() || field.before.is_some() && field.name == "security-policy"
        });
    let (why, risk) = match (is_moved, shuts_out) {
        (true, _) => (
            "the stage is part of the address that every client has: those of the old one end",
            Risk::Outage,
        ),
        (false, true) => ("differs from the document", Risk::Brief),
        (false, false) => ("differs from the document", Risk::Safe),
    };
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields,
            why: why.into(),
            risk,
        }),
        drafts,
        rights,
        report,
        known,
        ..Lowered::default()
    }
}

/// Every attribute that differs. Tags are compared apart, as others may add some.
pub fn compare(desired: &Desired, want: &Definition, live: &Live) -> Vec<Field> {
    let (wanted, seen) = (want.attributes(), live.parts());
    let names: BTreeSet<&String> = wanted.keys().chain(seen.keys()).collect();
    let mut fields: Vec<Field> = names
        .into_iter()
        .filter(|name| wanted.get(*name) != seen.get(*name))
        .map(|name| Field {
            name: name.clone(),
            before: seen.get(name).cloned(),
            after: wanted.get(name).cloned(),
        })
        .collect();
    fields.extend(policy_fields(desired, want, live));
    fields
}

fn policy_fields(desired: &Desired, want: &Definition, live: &Live) -> Vec<Field> {
    let before = expanded(desired, live, live.policy.as_deref());
    let after = expanded(desired, live, want.policy.as_deref());
    let parse = |text: &Option<String>| text.as_deref().map(Policy::parse);
    let (Some(Ok(_)) | None, Some(Ok(_)) | None) = (parse(&before), parse(&after)) else {
        // Not even a policy: shown as it is.
        return vec![Field {
            name: "policy".into(),
            before,
            after,
        }];
    };
    statement_changes(before.as_deref(), after.as_deref())
        .into_iter()
        .map(|(gained, sentence)| {
            if gained {
                Field::new("policy", sentence)
            } else {
                Field::gone("policy", sentence)
            }
        })
        .collect()
}

/// Statements that come (`true`) or go.
fn statement_changes(before: Option<&str>, after: Option<&str>) -> Vec<(bool, String)> {
    let read = |text: Option<&str>| {
        text.and_then(|text| Policy::parse(text).ok())
            .map(|policy| policy.statements)
            .unwrap_or_default()
    };
    let (before, after) = (read(before), read(after));
    let lost = before.difference(&after).map(|gone| (false, gone));
    let gained = after.difference(&before).map(|new| (true, new));
    lost.chain(gained)
        .map(|(gained, statement)| (gained, statement.sentence()))
        .collect()
}

fn rights(addr: &Addr, before: Option<&str>, after: Option<&str>) -> Vec<RightChange> {
    statement_changes(before, after)
        .into_iter()
        .map(|(gained, sentence)| RightChange {
            addr: addr.clone(),
            gained,
            sentence,
        })
        .collect()
}

/// A resource policy with full ARNs: AWS takes `execute-api:/...` and shows the ARN it stands for.
fn expanded(desired: &Desired, live: &Live, policy: Option<&str>) -> Option<String> {
    let full = format!(
        "\"arn:aws:execute-api:{}:{}:{}/",
        desired.region, desired.account, live.id
    );
    policy.map(|text| text.replace("\"execute-api:/", &full))
}

/// The steps of one plan for the API, in the order in which they are decided.
struct Steps<'a> {
    addr: &'a Addr,
    desired: &'a Desired,
    want: &'a Definition,
    live: &'a Live,
    fields: &'a [Field],
    drafts: Vec<Draft>,
}

impl<'a> Steps<'a> {
    fn new(
        addr: &'a Addr,
        desired: &'a Desired,
        want: &'a Definition,
        live: &'a Live,
        fields: &'a [Field],
    ) -> Self {
        Self {
            addr,
            desired,
            want,
            live,
            fields,
            drafts: Vec::new(),
        }
    }

    fn api(&self) -> Arg {
        of(self.addr, Output::ApiId)
    }

    fn changes(&self, prefix: &str) -> bool {
        self.fields
            .iter()
            .any(|field| field.name.starts_with(prefix))
    }

    /// Adds a step, after others of this API if they are in the plan.
    fn push(&mut self, name: &'static str, op: Op, after: &[&'static str]) {
        let mut draft = Draft::new(name, super::Op::RestApi(op));
        for step in after {
            draft = draft.after(After::Answered(StepId::new(self.addr, step)));
        }
        self.drafts.push(draft);
    }

    /// Settings of the API itself.
    fn settings(&mut self) {
        let names = self.want.settings();
        let mut patches: Vec<Patch> = self
            .fields
            .iter()
            .filter(|field| names.contains_key(&field.name))
            .flat_map(|field| setting_patches(field, self.live))
            .collect();
        if self.fields.iter().any(|field| field.name == "policy") {
            patches.push(Patch::set(
                "/policy",
                self.want.policy.clone().unwrap_or_default(),
            ));
        }
        if !patches.is_empty() {
            let api = self.api();
            self.push("settings", Op::Update { api, patches }, &[]);
        }
    }

    /// Path, model, validator, method, integration and error answers.
    fn parts(&mut self) {
        let api = self.api();
        if self.live.resource().is_none() {
            let parent = of(self.addr, Output::RootResourceId);
            let op = Op::CreateResource {
                api: api.clone(),
                parent,
            };
            self.push("resource", op, &[]);
        }
        let remakes_model = self.model();
        self.validator();
        self.method(remakes_model);
        for refusal in REFUSALS {
            if self.changes(&format!("gateway-response.{}.", refusal.kind)) {
                let op = Op::PutResponse {
                    api: api.clone(),
                    refusal: Box::new(refusal),
                };
                self.push(refusal.step, op, &[]);
            }
        }
    }

    /// Whether the model has to be made again: its content type cannot be changed.
    fn model(&mut self) -> bool {
        let api = self.api();
        let create = Op::CreateModel {
            api: api.clone(),
            schema: self.want.schema(),
            description: self.want.model_description().to_owned(),
        };
        if self.live.model().is_none() {
            self.push("model", create, &[]);
            return false;
        }
        if self.changes(&format!("model.{MODEL}.content-type")) {
            let part = Foreign::Model { name: MODEL.into() };
            self.push("delete-model", Op::Remove { api, part }, &["delete-method"]);
            self.push("model", create, &["delete-model"]);
            return true;
        }
        let mut patches = Vec::new();
        if self.changes(&format!("model.{MODEL}.schema")) {
            patches.push(Patch::set("/schema", self.want.schema()));
        }
        if self.changes(&format!("model.{MODEL}.description")) {
            patches.push(Patch::set("/description", self.want.model_description()));
        }
        if !patches.is_empty() {
            self.push("model", Op::UpdateModel { api, patches }, &[]);
        }
        false
    }

    fn validator(&mut self) {
        let api = self.api();
        if self.live.validator().is_none() {
            self.push("validator", Op::CreateValidator { api }, &[]);
        } else if self.changes(&format!("validator.{VALIDATOR}.")) {
            let id = of(self.addr, Output::ValidatorId);
            self.push("validator", Op::UpdateValidator { api, id }, &[]);
        }
    }

    /// A method that differs is made again: PutMethod does not change one that is there. Callers do
    /// not notice, as the stage serves a deployment.
    fn method(&mut self, remakes_model: bool) {
        let api = self.api();
        let resource = of(self.addr, Output::ResourceId);
        let differs = self.changes(&format!("method.{PATH}.{METHOD}.")) || remakes_model;
        if let Some(live) = self.live.resource().filter(|live| {
            let is_there = live.methods.contains_key(METHOD);
            is_there && differs
        }) {
            let part = Foreign::Method {
                resource: live.id.clone(),
                verb: METHOD.into(),
            };
            let api = api.clone();
            self.push("delete-method", Op::Remove { api, part }, &[]);
        }
        if differs {
            let op = Op::PutMethod {
                api: api.clone(),
                resource: resource.clone(),
                validator: of(self.addr, Output::ValidatorId),
            };
            self.push("method", op, &["delete-method", "model", "validator"]);
        }
        if differs || self.changes(&format!("integration.{PATH}.{METHOD}.")) {
            let op = Op::PutIntegration {
                api,
                resource,
                uri: self.want.uri.clone(),
                timeout_millis: self.want.timeout_millis,
            };
            self.push("integration", op, &["method"]);
        }
    }

    /// Removes what is not ours. Stages go first, since they serve; models, validators and authorizers
    /// last, since methods refer to them.
    fn remove_foreign(&mut self) {
        let live = self.live;
        let mut parts = Vec::new();
        let stages = live.stages.keys().filter(|name| **name != self.want.stage);
        parts.extend(stages.map(|name| Foreign::Stage { name: name.clone() }));
        parts.extend(foreign_paths(live));
        let ours: BTreeSet<&str> = REFUSALS.iter().map(|refusal| refusal.kind).collect();
        let responses = live.responses.keys();
        let responses = responses.filter(|kind| !ours.contains(kind.as_str()));
        parts.extend(responses.map(|kind| Foreign::Response { kind: kind.clone() }));
        let authorizers = live.authorizers.values();
        parts.extend(authorizers.map(|part| Foreign::Authorizer {
            id: part.id.clone(),
        }));
        let models = live.models.keys().filter(|name| *name != MODEL);
        parts.extend(models.map(|name| Foreign::Model { name: name.clone() }));
        let validators = live.validators.iter();
        let validators = validators.filter(|(name, _)| *name != VALIDATOR);
        parts.extend(validators.map(|(_, part)| Foreign::Validator {
            id: part.id.clone(),
        }));
        let mut before = vec!["method"];
        for (index, part) in parts.into_iter().enumerate() {
            let (api, name) = (self.api(), numbered("remove", index));
            self.push(name, Op::Remove { api, part }, &before);
            before.push(name);
        }
    }

    /// A new deployment, if any part changes, and the stage.
    fn serve(&mut self) {
        let api = self.api();
        let name = self.want.stage.clone();
        let live = self.live.stages.get(&name);
        let changed: Vec<&'static str> = self.drafts.iter().map(|draft| draft.name).collect();
        let deploys = !changed.is_empty() || self.changes(&format!("stage.{name}.definition"));
        let note = live.and_then(|stage| live::Note::read(&stage.description));
        if deploys {
            let op = Op::Deploy {
                api: api.clone(),
                hash: self.want.hash(),
            };
            self.push("deploy", op, &changed);
        }
        let served = deploys.then(|| Served {
            deployment: of(self.addr, Output::DeploymentId),
            hash: self.want.hash(),
            previous: note.as_ref().map(|note| note.deployment.to_owned()),
        });
        let prefix = format!("stage.{name}.");
        let patches: Vec<Patch> = self
            .fields
            .iter()
            .filter_map(|field| Some((field.name.strip_prefix(&prefix)?, field)))
            .filter_map(|(attribute, field)| stage_patch(attribute, field, self.want))
            .collect();
        if deploys && self.live.remembered != Remembered::Unknown {
            // Before the stage serves it: a run that dies between the two deploys once more. A journal that
            // may be somebody else's is not written.
            let deployment = of(self.addr, Output::DeploymentId);
            let key = journal_group::EVIDENCE_DEPLOYMENT;
            let op = journal_group::Op::remember(self.desired, key, deployment);
            self.drafts.push(Draft::new(REMEMBER, op));
        }
        match (live, served) {
            (None, Some(served)) => {
                let op = Op::CreateStage {
                    api: api.clone(),
                    stage: name.clone(),
                    served,
                    tags: self.want.tags.clone(),
                };
                self.push("stage", op, &[REMEMBER]);
                self.stage_settings(name, None, patches);
            }
            (_, None) if patches.is_empty() => {}
            (_, served) => self.stage_settings(name, served, patches),
        }
        self.prune(note);
    }

    /// The stage's settings. Its access log needs the log group, and the account's permission to
    /// write there.
    fn stage_settings(&mut self, stage: String, served: Option<Served>, patches: Vec<Patch>) {
        let op = Op::UpdateStage {
            api: self.api(),
            stage,
            served,
            patches,
        };
        self.push("stage-settings", op, &["stage", REMEMBER]);
        let account = self.desired.addr(Kind::ApiAccount);
        let group = super::log_group::addr(super::log_group::API);
        if let Some(draft) = self.drafts.last_mut() {
            draft.after.extend([
                After::Answered(StepId::new(&account, "account")),
                After::AllOf(group),
            ]);
        }
    }

    /// The deployment before the last one goes, once another has replaced the last: two are kept.
    fn prune(&mut self, note: Option<live::Note<'_>>) {
        let Some(old) = note.and_then(|note| note.previous) else {
            return;
        };
        let mut stages = self.live.stages.values();
        let is_served = stages.any(|stage| stage.deployment == old);
        let replaces = self.drafts.iter().any(|draft| draft.name == "deploy");
        if replaces && !is_served {
            let op = Op::Remove {
                api: self.api(),
                part: Foreign::Deployment { id: old.to_owned() },
            };
            self.push("prune", op, &["stage-settings"]);
        }
    }

    /// Tags of API and stage.
    fn tags(&mut self) -> Vec<Field> {
        let mut fields = Vec::new();
        let own = self.desired.tags_to_set(&self.live.tags);
        if !own.is_empty() {
            fields.extend(super::tag_fields(&own, &self.live.tags));
            let op = self.tag(None, own);
            self.push("tag", op, &[]);
        }
        if let Some(stage) = self.live.stages.get(&self.want.stage) {
            let tags = self.desired.tags_to_set(&stage.tags);
            if !tags.is_empty() {
                let changed = super::tag_fields(&tags, &stage.tags);
                fields.extend(changed.into_iter().map(|field| Field {
                    name: format!("stage.{}.{}", self.want.stage, field.name),
                    ..field
                }));
                let op = self.tag(Some(self.want.stage.clone()), tags);
                self.push("tag-stage", op, &[]);
            }
        }
        fields
    }

    fn tag(&self, stage: Option<String>, tags: crate::tags::Tags) -> Op {
        Op::Tag {
            region: self.desired.region.clone(),
            api: self.api(),
            stage,
            tags,
        }
    }
}

/// Paths that are not ours, without those that go with the path above them, and foreign methods on
/// paths that stay.
fn foreign_paths(live: &Live) -> Vec<Foreign> {
    let stays = |path: &str, resource: &Resource| path == "/" || path == PATH || resource.leads_on;
    let (kept, gone): (Vec<_>, Vec<_>) = live
        .resources
        .iter()
        .partition(|(path, resource)| stays(path, resource));
    let is_below_gone = |path: &str| {
        gone.iter()
            .any(|(above, _)| path.starts_with(&format!("{above}/")))
    };
    let paths = gone
        .iter()
        .filter(|(path, _)| !is_below_gone(path))
        .map(|(_, resource)| Foreign::Resource {
            id: resource.id.clone(),
        });
    let methods = kept.iter().flat_map(|(path, resource)| {
        let verbs = resource.methods.keys();
        verbs
            .filter(|verb| path.as_str() != PATH || *verb != METHOD)
            .map(|verb| Foreign::Method {
                resource: resource.id.clone(),
                verb: verb.clone(),
            })
    });
    paths.chain(methods).collect()
}

/// UpdateRestApi's paths for a setting that differs.
fn setting_patches(field: &Field, live: &Live) -> Vec<Patch> {
    let after = field.after.clone().unwrap_or_default();
    let before = field.before.as_deref().unwrap_or_default();
    let path = match field.name.as_str() {
        "name" => "/name",
        "description" => "/description",
        // The place is called by what is there now.
        "endpoint.type" => {
            let kind = live
                .settings
                .get("endpoint.type")
                .map_or("", String::as_str);
            return vec![Patch::set(
                format!("/endpointConfiguration/types/{kind}"),
                after,
            )];
        }
        "endpoint.ip-address-type" => "/endpointConfiguration/ipAddressType",
        "endpoint.default" => {
            return vec![Patch::set("/disableExecuteApiEndpoint", "false")];
        }
        "endpoint.access-mode" => "/endpointAccessMode",
        "security-policy" => "/securityPolicy",
        "api-key-source" => "/apiKeySource",
        "minimum-compression-size" => "/minimumCompressionSize",
        "binary-media-types" => {
            return before
                .split(' ')
                .map(|kind| Patch::remove(format!("/binaryMediaTypes/{}", escaped(kind))))
                .collect();
        }
        _ => return Vec::new(),
    };
    vec![Patch::set(path, after)]
}

/// UpdateStage's path for an attribute that differs. What CreateStage sets by itself needs none.
fn stage_patch(attribute: &str, field: &Field, want: &Definition) -> Option<Patch> {
    let Some(after) = &field.after else {
        return foreign_setting(attribute);
    };
    let is_default = matches!(after.as_str(), "false" | "OFF");
    if field.before.is_none() && is_default {
        return None;
    }
    let path = match attribute {
        "throttling.rate" => "/*/*/throttling/rateLimit",
        "throttling.burst" => "/*/*/throttling/burstLimit",
        "metrics" => "/*/*/metrics/enabled",
        "logging.level" => "/*/*/logging/loglevel",
        "logging.data-trace" => "/*/*/logging/dataTrace",
        "caching" => "/*/*/caching/enabled",
        "cache-cluster" => "/cacheClusterEnabled",
        "tracing" => "/tracingEnabled",
        "access-log.destination" => "/accessLogSettings/destinationArn",
        "access-log.format" => {
            return Some(Patch::set("/accessLogSettings/format", want.log_format()));
        }
        _ => return None,
    };
    Some(Patch::set(path, after.clone()))
}

/// The removal of a setting that is not ours.
fn foreign_setting(attribute: &str) -> Option<Patch> {
    if let Some(name) = attribute.strip_prefix("variables.") {
        return Some(Patch::remove(format!("/variables/{name}")));
    }
    if let Some(key) = attribute.strip_prefix("method-settings.") {
        // The key's own slashes, but the last, are part of the path's name.
        let (path, verb) = key.rsplit_once('/')?;
        return Some(Patch::remove(format!(
            "/{}/{verb}",
            path.replace('/', "~1")
        )));
    }
    match attribute {
        "client-certificate" => Some(Patch::remove("/clientCertificateId")),
        "canary" => Some(Patch::remove("/canarySettings")),
        _ => None,
    }
}

/// One part of a path (RFC 6901).
fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// Removal: the stage first, so that nothing is served while AWS makes us wait (DeleteRestApi is
/// allowed once in 30 seconds).
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.rest_api {
        Observation::Absent => return Lowered::default(),
        Observation::Unreadable(why) => return super::blocked(addr, why),
        Observation::Foreign(what, _) => {
            return Lowered {
                report: vec![Report::Left {
                    what: addr.to_string(),
                    why: what.clone(),
                }],
                ..Lowered::default()
            };
        }
        Observation::Present(live) => live,
    };
    let api = || of(addr, Output::ApiId);
    let stage = Definition::of(desired).stage;
    let mut drafts = Vec::new();
    if live.stages.contains_key(&stage) {
        let part = Foreign::Stage { name: stage };
        let op = Op::Remove { api: api(), part };
        drafts.push(Draft::new("delete-stage", super::Op::RestApi(op)));
    }
    drafts.push(
        Draft::new("delete", super::Op::RestApi(Op::Delete { api: api() }))
            .after(After::Answered(StepId::new(addr, "delete-stage"))),
    );
    let name = live.settings.get("name").cloned().unwrap_or_default();
    let paths = live.resources.keys().filter(|path| *path != "/");
    let mut fields = vec![Field::gone("id", &live.id), Field::gone("name", name)];
    fields.extend(paths.map(|path| Field::gone(format!("resource.{path}"), definition::PRESENT)));
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Destroy,
            fields,
            why: "its address is gone for ever: a new API gets another one".into(),
            risk: Risk::Irreversible,
        }),
        drafts,
        known: Outputs::from([(Output::ApiId, live.id.clone())]),
        ..Lowered::default()
    }
}
