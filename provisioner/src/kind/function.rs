//! The updater's Lambda function: code, configuration, concurrency, and who may invoke it.
//!
//! Natural key: the name. The code is the zip of `updater`: bootstrap and configuration, so that a
//! changed document shows as another CodeSha256. Whatever could give somebody a right or other code is
//! compared and taken back: permissions, function URLs, layers, environment, VPC, role. After each
//! change Lambda needs a moment; a second one meanwhile is refused (ResourceConflictException). AWS:
//! CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration, AddPermission,
//! PutFunctionConcurrency, DeleteFunction.

mod audience;
mod concurrency;
mod observe;
mod published;

use std::collections::BTreeMap;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture as AwsArchitecture, Environment, FunctionCode, LastUpdateStatus, LogFormat,
    LoggingConfig, Runtime, State,
};

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, unusable};
use crate::condition::Condition;
use crate::desired::{Desired, TAG_STACK};
use crate::kind::log_group::{self, UPDATER};
use crate::kind::{Limit, Look, Seen, tag_fields};
use crate::plan::{
    After, Change, Draft, Field, Lowered, Report, RightChange, Risk, StepId, Symbol, numbered, of,
};
use crate::policy::{Policy, Statement};
use crate::retry::{Class, Failure};
use crate::snapshot::{Code, Observation, Snapshot};
use crate::stack::{AcceptedKind, Architecture};
use crate::tags::Tags;
use crate::updater;
use concurrency::{CONCURRENCY, reserve};

pub use observe::observe;
pub use published::{Published, Release};

/// Sid of the statement that lets the API invoke the function.
const PERMISSION: &str = "spore-api";
/// The function as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// CodeSha256: base 64 of the zip's SHA-256.
    pub code_sha256: String,
    /// Everything of its configuration that is compared, by name.
    pub settings: BTreeMap<String, String>,
    /// Reserved concurrency.
    pub concurrency: Option<i32>,
    /// Statements of its resource policy, by Sid, as JSON.
    pub permissions: BTreeMap<String, String>,
    /// Its URLs: qualifier (empty for none) and URL.
    pub urls: BTreeMap<String, String>,
    /// Its aliases and published versions; none where they were not read.
    pub published: Option<Published>,
    /// Its tags.
    pub tags: Tags,
}

/// What the account can still reserve, read only when it matters.
pub type Unreserved = Result<Option<i32>, Failure>;

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = self.settings.clone();
        attributes.insert("code-sha256".into(), self.code_sha256.clone());
        if let Some(concurrency) = self.concurrency {
            attributes.insert("concurrency".into(), concurrency.to_string());
        }
        for (sid, statement) in &self.permissions {
            attributes.insert(format!("permission.{sid}"), shown(statement));
        }
        for (qualifier, url) in &self.urls {
            attributes.insert(format!("url.{qualifier}"), url.clone());
        }
        if let Some(published) = &self.published {
            attributes.extend(published.attributes());
        }
        for (key, value) in &self.tags {
            attributes.insert(format!("tags.{key}"), value.clone());
        }
        attributes
    }
}

fn parsed(statement: &str) -> Option<Statement> {
    let policy = format!("{{\"Statement\":[{statement}]}}");
    Policy::parse(&policy).ok()?.statements.into_iter().next()
}

fn shown(statement: &str) -> String {
    parsed(statement).map_or_else(|| statement.to_owned(), |statement| statement.sentence())
}

/// The configuration the document wants, by name.
fn settings(desired: &Desired) -> BTreeMap<String, String> {
    let updater = &desired.stack.updater;
    [
        ("architecture", word(updater.architecture).to_owned()),
        ("description", description(desired)),
        ("handler", updater::BOOTSTRAP.to_owned()),
        ("log-format", "Text".to_owned()),
        ("log-group", log_group::group_name(desired, UPDATER)),
        ("memory", format!("{} MiB", updater.memory_mib)),
        ("role", desired.role_arn()),
        ("runtime", Runtime::Providedal2023.as_str().to_owned()),
        ("storage", "512 MiB".to_owned()),
        ("timeout", format!("{} s", updater.timeout.as_secs())),
        ("tracing", "PassThrough".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn word(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "arm64",
        Architecture::X86_64 => "x86_64",
    }
}

fn description(desired: &Desired) -> String {
    format!("updates names under {}", desired.domain)
}

/// What is uploaded: the bootstrap and its configuration for a zone that may not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeArg {
    config: updater::Config,
    zone: Arg,
    /// SHA-256 of the bootstrap that was reviewed; `None`: whatever is built at apply.
    bootstrap: Option<String>,
}

fn code_arg(desired: &Desired, snapshot: &Snapshot) -> CodeArg {
    CodeArg {
        config: updater::config(&desired.stack),
        zone: of(&desired.addr(Kind::HostedZone), Output::ZoneId),
        bootstrap: match &snapshot.code {
            Code::Known(bootstrap) => Some(bootstrap.sha256.clone()),
            Code::BuiltAtApply | Code::Unusable(_) => None,
        },
    }
}

/// CodeSha256 that the function has to have, as far as it is known.
fn wanted_sha(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    let (Code::Known(bootstrap), Some(zone)) = (&snapshot.code, snapshot.hosted_zone.present())
    else {
        return None;
    };
    let config = updater::config(&desired.stack).json(&zone.id);
    let zip = updater::package(bootstrap, &config).ok()?;
    Some(zip.code_sha256)
}

/// Whether the live function has this document's configuration, the lease among it, as far as that is
/// known: its code is compared, so that the updater's program has to be known.
pub fn has_document(desired: &Desired, snapshot: &Snapshot) -> Option<bool> {
    let wanted = wanted_sha(desired, snapshot)?;
    let live = snapshot.function.present()?;
    Some(live.code_sha256 == wanted)
}

/// Why the list of roles is refused: with the updater's own role in it, whoever takes the function over
/// could prove himself to every other updater of this configuration, and holds names of his own.
fn names_itself(desired: &Desired) -> Option<String> {
    let own = desired.role_name();
    let is_own = |arn: &str| {
        let mut parts = arn.split(':');
        parts.nth(4) == Some(desired.account.as_str())
            && parts.next().and_then(|role| role.rsplit('/').next()) == Some(own.as_str())
    };
    let roles = desired.stack.updater.roles.iter().map(ToString::to_string);
    let itself = roles.into_iter().find(|arn| is_own(arn))?;
    Some(format!(
        "[updater] roles has {itself}, which is the updater's own role; take it out"
    ))
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    if let Code::Unusable(why) = &snapshot.code {
        return super::blocked(addr, why);
    }
    if let Some(why) = names_itself(desired) {
        return super::blocked(addr, why);
    }
    match &snapshot.function {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => super::blocked(addr, why),
        Observation::Absent => create(addr, desired, snapshot),
        Observation::Present(live) => update(addr, desired, snapshot, live),
    }
}

fn create(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let tags = tags(desired);
    let name = desired.function_name();
    let settings = settings(desired);
    let mut fields = vec![Field::new("name", &name)];
    fields.push(Field::new(
        "code-sha256",
        wanted_sha(desired, snapshot).unwrap_or_else(|| match &snapshot.code {
            Code::Known(bootstrap) => {
                format!("(known after apply: bootstrap {})", bootstrap.sha256)
            }
            Code::BuiltAtApply | Code::Unusable(_) => "(built at apply)".to_owned(),
        }),
    ));
    fields.extend(settings.iter().map(|(name, value)| Field::new(name, value)));
    fields.extend(tag_fields(&tags, &BTreeMap::new()));
    let mut lowered = Lowered::default();
    let role = desired.addr(Kind::Role);
    lowered.drafts.push(
        Draft::new(
            "create",
            super::Op::Function(Op::Create {
                name: name.clone(),
                code: Box::new(code_arg(desired, snapshot)),
                settings: Box::new(Settings::of(desired)),
                tags,
            }),
        )
        .after(After::AllOf(role))
        .after(After::AllOf(log_group::addr(UPDATER)))
        .done(Condition::FunctionReady { name: name.clone() }),
    );
    reserve(addr, desired, snapshot, None, &mut fields, &mut lowered);
    permit(addr, desired, &mut fields, &mut lowered);
    let audience = audience::rights(addr, desired, None);
    lowered.rights.extend(audience);
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Create,
        fields,
        why: "proves who asks, and changes their names".into(),
        risk: Risk::Safe,
    });
    lowered
}

fn tags(desired: &Desired) -> Tags {
    let mut tags = desired.tags();
    tags.extend(audience::tags(desired));
    tags
}

/// The API, and nothing else, may invoke it.
fn permit(addr: &Addr, desired: &Desired, fields: &mut Vec<Field>, lowered: &mut Lowered) {
    let source = Source::of(desired);
    fields.push(Field::new(
        format!("permission.{PERMISSION}"),
        format!(
            "apigateway.amazonaws.com may lambda:InvokeFunction from {}",
            source.shown()
        ),
    ));
    lowered.rights.push(RightChange {
        addr: addr.clone(),
        gained: true,
        sentence: format!(
            "Service:apigateway.amazonaws.com may lambda:InvokeFunction for {}",
            source.shown()
        ),
    });
    lowered.drafts.push(
        Draft::new(
            "permission",
            super::Op::Function(Op::Permit {
                name: desired.function_name(),
                source,
            }),
        )
        .after(After::Answered(StepId::new(addr, "create")))
        .after(After::Answered(StepId::new(addr, "revoke-own")))
        // A new stage has neither throttle nor access log until they are set: nobody gets past it
        // before.
        .after(After::Answered(StepId::new(
            &desired.addr(Kind::RestApi),
            "stage-settings",
        ))),
    );
}

/// The API's method, as the source of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    region: String,
    account: String,
    api: Arg,
    stage: String,
}

impl Source {
    fn of(desired: &Desired) -> Self {
        Self {
            region: desired.region.clone(),
            account: desired.account.clone(),
            api: of(&desired.addr(Kind::RestApi), Output::ApiId),
            stage: desired.stack.api.stage.as_str().to_owned(),
        }
    }

    fn arn(&self, api: &str) -> String {
        format!(
            "arn:aws:execute-api:{}:{}:{api}/{}/POST/update-dns",
            self.region, self.account, self.stage
        )
    }

    fn shown(&self) -> String {
        match &self.api {
            Arg::Known(api) => self.arn(api),
            Arg::Of(..) | Arg::Now => self.arn("(id of the API)"),
        }
    }
}

fn update(addr: &Addr, desired: &Desired, snapshot: &Snapshot, live: &Live) -> Lowered {
    let name = desired.function_name();
    let ready = || Condition::FunctionReady { name: name.clone() };
    let mut lowered = Lowered::default();
    let wanted = settings(desired);
    let mut fields = super::differences(&live.settings, &wanted);
    if fields.iter().any(|field| field.name == "architecture")
        && wanted_sha(desired, snapshot).is_none()
    {
        return super::blocked(
            addr,
            "its processor changes, which needs its code: run `spore-infra updater build` first",
        );
    }
    let changes_configuration = fields.iter().any(|field| field.name != "architecture");
    let mut is_other_code = fields.iter().any(|field| field.name == "architecture");
    if changes_configuration {
        lowered.drafts.push(
            Draft::new(
                "configure",
                super::Op::Function(Op::Configure {
                    name: name.clone(),
                    settings: Box::new(Settings::of(desired)),
                }),
            )
            .after(After::AllOf(desired.addr(Kind::Role)))
            .done(ready()),
        );
    }
    match wanted_sha(desired, snapshot) {
        Some(sha) if sha != live.code_sha256 => {
            fields.push(Field::change("code-sha256", &live.code_sha256, sha));
            is_other_code = true;
        }
        Some(_) => {}
        None if snapshot.hosted_zone.present().is_none() => {
            fields.push(Field::change(
                "code-sha256",
                &live.code_sha256,
                "(for the new zone)",
            ));
            is_other_code = true;
        }
        None => lowered.report.push(Report::Warning {
            addr: addr.clone(),
            what: "its code was not compared, as this machine has no build of the updater; \
                   `spore-infra updater build` makes one, and apply does so by itself"
                .into(),
        }),
    }
    if is_other_code {
        lowered.drafts.push(
            Draft::new(
                "code",
                super::Op::Function(Op::PutCode {
                    name: name.clone(),
                    code: Box::new(code_arg(desired, snapshot)),
                    architecture: word(desired.stack.updater.architecture),
                }),
            )
            .after(After::Settled(StepId::new(addr, "configure")))
            .done(ready()),
        );
    }
    if live.concurrency != Some(CONCURRENCY) {
        reserve(
            addr,
            desired,
            snapshot,
            live.concurrency,
            &mut fields,
            &mut lowered,
        );
    }
    permissions(addr, desired, snapshot, live, &mut fields, &mut lowered);
    for (index, (qualifier, url)) in live.urls.iter().enumerate() {
        fields.push(Field::gone(format!("url.{qualifier}"), url));
        lowered.rights.push(RightChange {
            addr: addr.clone(),
            gained: false,
            sentence: format!("callers of {url} may invoke it past the API"),
        });
        let op = Op::DeleteUrl {
            name: name.clone(),
            qualifier: qualifier.clone(),
        };
        let step = numbered("remove-url", index);
        lowered
            .drafts
            .push(Draft::new(step, super::Op::Function(op)));
    }
    if let Some(published) = &live.published {
        published::take_back(addr, desired, published, &mut fields, &mut lowered);
    }
    let audience = audience::rights(addr, desired, Some(&live.tags));
    lowered.rights.extend(audience);
    let mut tags = tags(desired);
    tags.retain(|key, value| live.tags.get(key) != Some(value));
    if !tags.is_empty() {
        fields.extend(tag_fields(&tags, &live.tags));
        let op = Op::Tag {
            arn: desired.function_arn(),
            tags,
        };
        lowered
            .drafts
            .push(Draft::new("tag", super::Op::Function(op)));
    }
    if fields.is_empty() {
        let mut unchanged = super::up_to_date(addr, Outputs::new());
        unchanged.report.extend(lowered.report);
        return unchanged;
    }
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Update,
        fields,
        why: "runs what the document says, for the API only".into(),
        risk: if is_other_code || changes_configuration {
            Risk::Brief
        } else {
            Risk::Safe
        },
    });
    lowered
}

/// Permissions: the API's has to be as it should, every other goes unless it is accepted.
fn permissions(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    live: &Live,
    fields: &mut Vec<Field>,
    lowered: &mut Lowered,
) {
    let api = snapshot.rest_api.present().map(|api| api.id.as_str());
    let wanted = api.and_then(|api| parsed(&statement(desired, api)));
    let own = live.permissions.get(PERMISSION).and_then(|s| parsed(s));
    let revoke = |sid: &str| {
        super::Op::Function(Op::Revoke {
            name: desired.function_name(),
            sid: sid.to_owned(),
        })
    };
    if own.is_none() || own != wanted {
        if let Some(before) = live.permissions.get(PERMISSION) {
            fields.push(Field::gone(
                format!("permission.{PERMISSION}"),
                shown(before),
            ));
            lowered
                .drafts
                .push(Draft::new("revoke-own", revoke(PERMISSION)));
        }
        permit(addr, desired, fields, lowered);
    }
    let foreign = live
        .permissions
        .iter()
        .filter(|(sid, _)| *sid != PERMISSION);
    let mut revoked = 0;
    for (sid, statement) in foreign {
        if let Some(reason) = desired.accepted(AcceptedKind::FunctionPermission, sid) {
            lowered.report.push(Report::Accepted {
                addr: addr.clone(),
                what: format!("permission {sid}"),
                reason: reason.to_owned(),
            });
            continue;
        }
        fields.push(Field::gone(format!("permission.{sid}"), shown(statement)));
        lowered.rights.push(RightChange {
            addr: addr.clone(),
            gained: false,
            sentence: shown(statement),
        });
        let step = numbered("revoke", revoked);
        lowered.drafts.push(Draft::new(step, revoke(sid)));
        revoked += 1;
    }
}

/// The statement that AddPermission makes of the API's permission.
fn statement(desired: &Desired, api: &str) -> String {
    serde_json::json!({
        "Sid": PERMISSION,
        "Effect": "Allow",
        "Principal": { "Service": "apigateway.amazonaws.com" },
        "Action": "lambda:InvokeFunction",
        "Resource": desired.function_arn(),
        "Condition": {
            "StringEquals": { "AWS:SourceAccount": desired.account },
            "ArnLike": { "AWS:SourceArn": Source::of(desired).arn(api) },
        },
    })
    .to_string()
}

/// What it needs to be gone.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let name = desired.function_name();
    match &snapshot.function {
        Observation::Absent => Lowered::default(),
        Observation::Unreadable(why) => super::blocked(addr, why),
        Observation::Foreign(why, _) => Lowered {
            report: vec![Report::Left {
                what: format!("function {name}"),
                why: why.clone(),
            }],
            ..Lowered::default()
        },
        Observation::Present(_) => Lowered {
            change: Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Destroy,
                fields: vec![Field::gone("name", &name)],
                why: "nobody is to write into a zone that is taken down".into(),
                risk: Risk::Brief,
            }),
            drafts: vec![Draft::new(
                "delete",
                super::Op::Function(Op::Delete { name }),
            )],
            ..Lowered::default()
        },
    }
}

/// The configuration in the form of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    role: String,
    description: String,
    log_group: String,
    memory_mib: i32,
    timeout_secs: i32,
    architecture: &'static str,
}

impl Settings {
    fn of(desired: &Desired) -> Self {
        let updater = &desired.stack.updater;
        Self {
            role: desired.role_arn(),
            description: description(desired),
            log_group: log_group::group_name(desired, UPDATER),
            memory_mib: i32::try_from(updater.memory_mib).unwrap_or(i32::MAX),
            timeout_secs: i32::try_from(updater.timeout.as_secs()).unwrap_or(i32::MAX),
            architecture: word(updater.architecture),
        }
    }

    fn logging(&self) -> LoggingConfig {
        LoggingConfig::builder()
            .log_format(LogFormat::Text)
            .log_group(&self.log_group)
            .build()
    }
}

/// Mutations of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateFunction.
    Create {
        /// Function name.
        name: String,
        /// The zip.
        code: Box<CodeArg>,
        /// Configuration.
        settings: Box<Settings>,
        /// Tags set in the same call.
        tags: Tags,
    },
    /// UpdateFunctionCode.
    PutCode {
        /// Function name.
        name: String,
        /// The zip.
        code: Box<CodeArg>,
        /// Processor it is for.
        architecture: &'static str,
    },
    /// UpdateFunctionConfiguration.
    Configure {
        /// Function name.
        name: String,
        /// Configuration.
        settings: Box<Settings>,
    },
    /// PutFunctionConcurrency.
    SetConcurrency {
        /// Function name.
        name: String,
        /// Copies that may run at once.
        copies: i32,
    },
    /// DeleteFunctionConcurrency.
    DropConcurrency {
        /// Function name.
        name: String,
    },
    /// AddPermission for the API.
    Permit {
        /// Function name.
        name: String,
        /// The API's method.
        source: Source,
    },
    /// RemovePermission.
    Revoke {
        /// Function name.
        name: String,
        /// Statement.
        sid: String,
    },
    /// DeleteFunctionUrlConfig.
    DeleteUrl {
        /// Function name.
        name: String,
        /// Alias it belongs to; empty for none.
        qualifier: String,
    },
    /// DeleteAlias.
    DeleteAlias {
        /// Function name.
        name: String,
        /// Alias.
        alias: String,
    },
    /// DeleteFunction of one published version.
    DeleteVersion {
        /// Function name.
        name: String,
        /// Its number.
        version: String,
    },
    /// TagResource.
    Tag {
        /// Function ARN.
        arn: String,
        /// Tags to set.
        tags: Tags,
    },
    /// DeleteFunction.
    Delete {
        /// Function name.
        name: String,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Create {
                name,
                code,
                settings,
                tags,
            } => Op::Create {
                name: name.clone(),
                code: Box::new(CodeArg {
                    zone: f(&code.zone),
                    ..(**code).clone()
                }),
                settings: settings.clone(),
                tags: tags.clone(),
            },
            Op::PutCode {
                name,
                code,
                architecture,
            } => Op::PutCode {
                name: name.clone(),
                code: Box::new(CodeArg {
                    zone: f(&code.zone),
                    ..(**code).clone()
                }),
                architecture,
            },
            Op::Permit { name, source } => Op::Permit {
                name: name.clone(),
                source: Source {
                    api: f(&source.api),
                    ..source.clone()
                },
            },
            Op::Configure { .. }
            | Op::SetConcurrency { .. }
            | Op::DropConcurrency { .. }
            | Op::Revoke { .. }
            | Op::DeleteUrl { .. }
            | Op::DeleteAlias { .. }
            | Op::DeleteVersion { .. }
            | Op::Tag { .. }
            | Op::Delete { .. } => self.clone(),
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "lambda:CreateFunction",
            Op::PutCode { .. } => "lambda:UpdateFunctionCode",
            Op::Configure { .. } => "lambda:UpdateFunctionConfiguration",
            Op::SetConcurrency { .. } => "lambda:PutFunctionConcurrency",
            Op::DropConcurrency { .. } => "lambda:DeleteFunctionConcurrency",
            Op::Permit { .. } => "lambda:AddPermission",
            Op::Revoke { .. } => "lambda:RemovePermission",
            Op::DeleteUrl { .. } => "lambda:DeleteFunctionUrlConfig",
            Op::Tag { .. } => "lambda:TagResource",
            Op::DeleteAlias { .. } => "lambda:DeleteAlias",
            Op::DeleteVersion { .. } | Op::Delete { .. } => "lambda:DeleteFunction",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::PutCode { .. } => "uploading its code",
            Op::Configure { .. } => "configuring",
            Op::SetConcurrency { .. } => "reserving concurrency",
            Op::DropConcurrency { .. } => "lifting the limit on its concurrency",
            Op::Permit { .. } => "letting the API invoke it",
            Op::Revoke { .. } => "revoking a permission",
            Op::DeleteUrl { .. } => "deleting a URL",
            Op::DeleteAlias { .. } => "deleting an alias",
            Op::DeleteVersion { .. } => "deleting a version",
            Op::Tag { .. } => "tagging",
            Op::Delete { .. } => "deleting",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::Lambda
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(
            self,
            Op::DropConcurrency { .. }
                | Op::Revoke { .. }
                | Op::DeleteUrl { .. }
                | Op::DeleteAlias { .. }
                | Op::DeleteVersion { .. }
                | Op::Delete { .. }
        )
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Whether the function can be invoked, and its last update has ended.
pub async fn look(read: &Clients, name: &str) -> Result<Seen, Failure> {
    let operation = "lambda:GetFunctionConfiguration";
    let call = read.lambda.get_function_configuration().function_name(name);
    let answer = call.send().await.or_fail(operation)?;
    let failed = |why: Option<&str>| Failure {
        operation: operation.into(),
        class: Class::Refused,
        code: String::new(),
        message: format!(
            "Lambda could not make the function ready: {}",
            why.unwrap_or("no reason given")
        ),
    };
    match (answer.state(), answer.last_update_status()) {
        (Some(State::Failed), _) => Err(failed(answer.state_reason())),
        (_, Some(LastUpdateStatus::Failed)) => Err(failed(answer.last_update_status_reason())),
        (_, Some(LastUpdateStatus::InProgress)) | (Some(State::Pending), _) => Ok(Seen::Pending),
        // An emulator or an old partition may not show states; then there is nothing to wait for.
        (_, _) => Ok(Seen::InSync),
    }
}

fn zip(code: &CodeArg, write: &Clients, action: &str) -> Result<Blob, Failure> {
    let bootstrap = write.bootstrap.as_ref().ok_or_else(|| {
        unusable(
            action,
            "the updater was not built: run `spore-infra updater build`",
        )
    })?;
    if let Some(reviewed) = &code.bootstrap
        && *reviewed != bootstrap.sha256
    {
        let why = format!(
            "the updater that was reviewed has SHA-256 {reviewed}, the one here {}; plan again",
            bootstrap.sha256
        );
        return Err(unusable(action, &why));
    }
    let config = code.config.json(code.zone.value());
    let zip = updater::package(bootstrap, &config)
        .map_err(|error| unusable(action, &error.to_string()))?;
    Ok(Blob::new(zip.bytes))
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    let lambda = &write.lambda;
    match op {
        Op::Create {
            name,
            code,
            settings,
            tags,
        } => {
            let code = FunctionCode::builder().zip_file(zip(code, write, action)?);
            let call = lambda
                .create_function()
                .function_name(name)
                .runtime(Runtime::Providedal2023)
                .handler(updater::BOOTSTRAP)
                .role(&settings.role)
                .code(code.build())
                .description(&settings.description)
                .memory_size(settings.memory_mib)
                .timeout(settings.timeout_secs)
                .architectures(AwsArchitecture::from(settings.architecture))
                .logging_config(settings.logging())
                .set_tags(Some(tags.clone().into_iter().collect()));
            match call.send().await.or_fail(action) {
                Ok(_) => {}
                // After a lost answer: ours if it carries our tags; the next plan compares the rest.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    let there = lambda.get_function().function_name(name).send().await;
                    let there = there.unless_gone("lambda:GetFunction")?;
                    let stack = there
                        .as_ref()
                        .and_then(|answer| answer.tags()?.get(TAG_STACK));
                    if stack != tags.get(TAG_STACK) {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::PutCode {
            name,
            code,
            architecture,
        } => {
            let call = lambda.update_function_code().function_name(name);
            let call = call.zip_file(zip(code, write, action)?);
            let call = call.architectures(AwsArchitecture::from(*architecture));
            call.send().await.or_fail(action)?;
        }
        Op::Configure { name, settings } => {
            let call = lambda
                .update_function_configuration()
                .function_name(name)
                .runtime(Runtime::Providedal2023)
                .handler(updater::BOOTSTRAP)
                .role(&settings.role)
                .description(&settings.description)
                .memory_size(settings.memory_mib)
                .timeout(settings.timeout_secs)
                .logging_config(settings.logging())
                // Empty values take away what somebody added; members left out would stay.
                .environment(
                    Environment::builder()
                        .set_variables(Some(Default::default()))
                        .build(),
                )
                .set_layers(Some(Vec::new()))
                .set_file_system_configs(Some(Vec::new()))
                .kms_key_arn("")
                .ephemeral_storage(storage(action)?)
                .tracing_config(tracing())
                .dead_letter_config(no_dead_letter())
                .vpc_config(no_vpc());
            call.send().await.or_fail(action)?;
        }
        Op::SetConcurrency { name, copies } => {
            let call = lambda.put_function_concurrency().function_name(name);
            let call = call.reserved_concurrent_executions(*copies);
            call.send().await.or_fail(action)?;
        }
        Op::DropConcurrency { name } => {
            let call = lambda.delete_function_concurrency();
            call.function_name(name).send().await.or_fail(action)?;
        }
        Op::Permit { name, source } => {
            let call = lambda
                .add_permission()
                .function_name(name)
                .statement_id(PERMISSION)
                .action("lambda:InvokeFunction")
                .principal("apigateway.amazonaws.com")
                .source_account(&source.account)
                .source_arn(source.arn(source.api.value()));
            call.send().await.or_fail(action)?;
        }
        Op::Revoke { name, sid } => {
            let call = lambda.remove_permission().function_name(name);
            call.statement_id(sid).send().await.or_fail(action)?;
        }
        Op::DeleteUrl { name, qualifier } => {
            let qualifier = (!qualifier.is_empty()).then(|| qualifier.clone());
            let call = lambda.delete_function_url_config().function_name(name);
            let call = call.set_qualifier(qualifier);
            call.send().await.or_fail(action)?;
        }
        Op::DeleteAlias { name, alias } => {
            let call = lambda.delete_alias().function_name(name);
            call.name(alias).send().await.or_fail(action)?;
        }
        Op::DeleteVersion { name, version } => {
            let call = lambda.delete_function().function_name(name);
            call.qualifier(version).send().await.or_fail(action)?;
        }
        Op::Tag { arn, tags } => {
            let call = lambda.tag_resource().resource(arn);
            let call = call.set_tags(Some(tags.clone().into_iter().collect()));
            call.send().await.or_fail(action)?;
        }
        Op::Delete { name } => {
            let call = lambda.delete_function().function_name(name);
            call.send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}

fn storage(action: &str) -> Result<aws_sdk_lambda::types::EphemeralStorage, Failure> {
    aws_sdk_lambda::types::EphemeralStorage::builder()
        .size(512)
        .build()
        .map_err(|error| unusable(action, &error.to_string()))
}

fn tracing() -> aws_sdk_lambda::types::TracingConfig {
    aws_sdk_lambda::types::TracingConfig::builder()
        .mode(aws_sdk_lambda::types::TracingMode::PassThrough)
        .build()
}

fn no_dead_letter() -> aws_sdk_lambda::types::DeadLetterConfig {
    aws_sdk_lambda::types::DeadLetterConfig::builder()
        .target_arn("")
        .build()
}

fn no_vpc() -> aws_sdk_lambda::types::VpcConfig {
    aws_sdk_lambda::types::VpcConfig::builder()
        .set_subnet_ids(Some(Vec::new()))
        .set_security_group_ids(Some(Vec::new()))
        .build()
}

#[cfg(test)]
mod tests;
