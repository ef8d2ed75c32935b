//! Aliases and published versions of the function. The stack makes none: each is a second door to the updater's
//! role, with permissions of its own (GetPolicy with a qualifier) and perhaps with code of before.
//!
//! Permissions go with what they are on (ASSUMPTIONS.md, A-57), so that taking back an alias or a version takes those back as well.
//! A version that an alias leads to cannot be deleted before the alias (DeleteFunction). AWS: ListAliases,
//! ListVersionsByFunction, GetPolicy, DeleteAlias, DeleteFunction with a qualifier.

use std::collections::{BTreeMap, BTreeSet};

use super::observe::statements;
use super::{Op, shown};
use crate::addr::Addr;
use crate::aws::{Answer as _, Clients};
use crate::desired::Desired;
use crate::plan::{After, Draft, Field, Lowered, Report, RightChange, StepId, numbered};
use crate::retry::Failure;
use crate::stack::AcceptedKind;

/// What others published of the function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Aliases by name.
    pub aliases: BTreeMap<String, Release>,
    /// Versions by number.
    pub versions: BTreeMap<u64, Release>,
}

/// An alias or a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Versions that an alias leads to, `$LATEST` among them; none for a version.
    pub leads_to: BTreeSet<String>,
    /// CodeSha256 of a version; empty for an alias.
    pub code_sha256: String,
    /// Statements of its own resource policy, by Sid, as JSON; none where nothing has to be known of them.
    pub permissions: BTreeMap<String, String>,
}

/// The version that is no published one.
const LATEST: &str = "$LATEST";

/// Steps of removals.
const DELETE_ALIAS: &str = "delete-alias";
const DELETE_VERSION: &str = "delete-version";

impl Release {
    fn shown(&self) -> String {
        match self.leads_to.is_empty() {
            true => format!("code {}", self.code_sha256),
            false => {
                let names: Vec<&str> = self.leads_to.iter().map(String::as_str).collect();
                format!("version {}", names.join(" and "))
            }
        }
    }
}

impl Published {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        let aliases = self.aliases.iter();
        let aliases = aliases.map(|(name, release)| (format!("alias.{name}"), release));
        let versions = self.versions.iter();
        let versions = versions.map(|(number, release)| (format!("version.{number}"), release));
        for (name, release) in aliases.chain(versions) {
            for (sid, statement) in &release.permissions {
                attributes.insert(format!("{name}.permission.{sid}"), shown(statement));
            }
            attributes.insert(name, release.shown());
        }
        attributes
    }

    /// Aliases that nobody accepted.
    fn foreign_aliases<'a>(
        &'a self,
        desired: &'a Desired,
    ) -> impl Iterator<Item = (&'a String, &'a Release)> {
        let aliases = self.aliases.iter();
        aliases.filter(|(name, _)| {
            desired
                .accepted(AcceptedKind::FunctionAlias, name)
                .is_none()
        })
    }

    /// Versions that nobody accepted and no accepted alias leads to.
    fn foreign_versions<'a>(
        &'a self,
        desired: &'a Desired,
    ) -> impl Iterator<Item = (u64, &'a Release)> {
        let accepted = |kind, name: &str| desired.accepted(kind, name).is_some();
        let kept: BTreeSet<&String> = self
            .aliases
            .iter()
            .filter(|(name, _)| accepted(AcceptedKind::FunctionAlias, name))
            .flat_map(|(_, alias)| &alias.leads_to)
            .collect();
        self.versions
            .iter()
            .map(|(number, release)| (*number, release))
            .filter(move |(number, _)| {
                let number = number.to_string();
                !kept.contains(&number) && !accepted(AcceptedKind::FunctionVersion, &number)
            })
    }
}

/// Takes back what nobody accepted.
pub fn take_back(
    addr: &Addr,
    desired: &Desired,
    published: &Published,
    fields: &mut Vec<Field>,
    lowered: &mut Lowered,
) {
    let function = desired.function_name();
    let accepted = |what: String, reason: &str| Report::Accepted {
        addr: addr.clone(),
        what,
        reason: reason.to_owned(),
    };
    for (name, alias) in &published.aliases {
        if let Some(reason) = desired.accepted(AcceptedKind::FunctionAlias, name) {
            let what = format!("alias {name}: {}", alias.shown());
            lowered.report.push(accepted(what, reason));
        }
    }
    for (number, version) in &published.versions {
        let name = number.to_string();
        if let Some(reason) = desired.accepted(AcceptedKind::FunctionVersion, &name) {
            let what = format!("version {number}: {}", version.shown());
            lowered.report.push(accepted(what, reason));
        }
    }
    let mut gone = |name: String, release: &Release, lowered: &mut Lowered| {
        for (sid, statement) in &release.permissions {
            let statement = shown(statement);
            fields.push(Field::gone(format!("{name}.permission.{sid}"), &statement));
            lowered.rights.push(RightChange {
                addr: addr.clone(),
                gained: false,
                sentence: statement,
            });
        }
        fields.push(Field::gone(name, release.shown()));
    };
    let is_url =
        |draft: &&Draft| matches!(draft.op, crate::kind::Op::Function(Op::DeleteUrl { .. }));
    let urls: Vec<&str> = lowered
        .drafts
        .iter()
        .filter(is_url)
        .map(|draft| draft.name)
        .collect();
    let mut aliases = Vec::new();
    for (index, (name, alias)) in published.foreign_aliases(desired).enumerate() {
        gone(format!("alias.{name}"), alias, lowered);
        let op = Op::DeleteAlias {
            name: function.clone(),
            alias: name.clone(),
        };
        let step = numbered(DELETE_ALIAS, index);
        aliases.push(step);
        let mut draft = Draft::new(step, crate::kind::Op::Function(op));
        // Its URL is a step of its own.
        for step in &urls {
            draft = draft.after(After::Answered(StepId::new(addr, step)));
        }
        lowered.drafts.push(draft);
    }
    for (index, (number, version)) in published.foreign_versions(desired).enumerate() {
        gone(format!("version.{number}"), version, lowered);
        let op = Op::DeleteVersion {
            name: function.clone(),
            version: number.to_string(),
        };
        let step = numbered(DELETE_VERSION, index);
        let mut draft = Draft::new(step, crate::kind::Op::Function(op));
        for step in &aliases {
            draft = draft.after(After::Answered(StepId::new(addr, step)));
        }
        lowered.drafts.push(draft);
    }
}

/// Reads aliases and versions; of those that are to go also who may invoke them. Those that are accepted are
/// shown as they are, whoever may.
pub async fn read(read: &Clients, desired: &Desired, function: &str) -> Result<Published, Failure> {
    let (aliases, versions) =
        tokio::join!(read_aliases(read, function), read_versions(read, function));
    let mut published = Published {
        aliases: aliases?,
        versions: versions?,
    };
    let aliases = published.foreign_aliases(desired);
    let aliases: Vec<String> = aliases.map(|(name, _)| name.clone()).collect();
    let versions = published.foreign_versions(desired);
    let versions: Vec<u64> = versions.map(|(number, _)| number).collect();
    for name in aliases {
        let permissions = permissions(read, function, &name).await?;
        if let Some(alias) = published.aliases.get_mut(&name) {
            alias.permissions = permissions;
        }
    }
    for number in versions {
        let permissions = permissions(read, function, &number.to_string()).await?;
        if let Some(version) = published.versions.get_mut(&number) {
            version.permissions = permissions;
        }
    }
    Ok(published)
}

async fn read_aliases(
    read: &Clients,
    function: &str,
) -> Result<BTreeMap<String, Release>, Failure> {
    let call = read.lambda.list_aliases().function_name(function);
    let mut pages = call.into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let Some(page) = page.unless_gone("lambda:ListAliases")? else {
            break;
        };
        for alias in page.aliases() {
            let also = alias
                .routing_config()
                .and_then(|config| config.additional_version_weights());
            let also = also.into_iter().flat_map(|weights| weights.keys().cloned());
            let main = alias.function_version().map(str::to_owned);
            let release = Release {
                leads_to: main.into_iter().chain(also).collect(),
                ..Release::default()
            };
            found.insert(alias.name().unwrap_or_default().to_owned(), release);
        }
    }
    Ok(found)
}

async fn read_versions(read: &Clients, function: &str) -> Result<BTreeMap<u64, Release>, Failure> {
    let call = read
        .lambda
        .list_versions_by_function()
        .function_name(function);
    let mut pages = call.into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let Some(page) = page.unless_gone("lambda:ListVersionsByFunction")? else {
            break;
        };
        for version in page.versions() {
            let number = version.version().filter(|version| *version != LATEST);
            let Some(number) = number.and_then(|number| number.parse().ok()) else {
                continue;
            };
            let release = Release {
                code_sha256: version.code_sha256().unwrap_or_default().to_owned(),
                ..Release::default()
            };
            found.insert(number, release);
        }
    }
    Ok(found)
}

async fn permissions(
    read: &Clients,
    function: &str,
    qualifier: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let call = read.lambda.get_policy().function_name(function);
    let answer = call.qualifier(qualifier).send().await;
    match answer
        .unless_gone("lambda:GetPolicy")?
        .and_then(|answer| answer.policy)
    {
        Some(text) => statements(&text),
        None => Ok(BTreeMap::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Kind;
    use crate::fixture;

    fn published() -> Published {
        let statement = r#"{"Sid":"theirs","Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"lambda:InvokeFunction","Resource":"*"}"#;
        let alias = Release {
            leads_to: ["2".to_owned()].into(),
            permissions: [("theirs".to_owned(), statement.to_owned())].into(),
            ..Release::default()
        };
        let version = Release {
            code_sha256: "old".into(),
            ..Release::default()
        };
        Published {
            aliases: [("side".to_owned(), alias)].into(),
            versions: [(1, version.clone()), (2, version)].into(),
        }
    }

    fn taken(more: &str) -> (Vec<String>, Vec<&'static str>, usize) {
        let desired = fixture::of(more);
        let addr = desired.addr(Kind::Function);
        let (mut fields, mut lowered) = (Vec::new(), Lowered::default());
        take_back(&addr, &desired, &published(), &mut fields, &mut lowered);
        let names = fields.into_iter().map(|field| field.name).collect();
        let steps = lowered.drafts.iter().map(|draft| draft.name).collect();
        (names, steps, lowered.report.len())
    }

    #[test]
    fn a_second_door_is_taken_back_with_who_may_use_it_and_its_versions() {
        let (names, steps, _) = taken("");
        assert_eq!(
            names,
            [
                "alias.side.permission.theirs",
                "alias.side",
                "version.1",
                "version.2"
            ]
        );
        assert_eq!(
            steps,
            ["delete-alias", "delete-version", "delete-version-2"]
        );
    }

    #[test]
    fn what_is_accepted_stays_and_an_accepted_alias_keeps_its_version() {
        let accept = |kind: &str, name: &str| {
            format!("[[accepted]]\nkind = \"{kind}\"\nname = \"{name}\"\nreason = \"theirs\"\n")
        };
        let (names, _, told) = taken(&accept("function-alias", "side"));
        assert_eq!((names, told), (vec!["version.1".to_owned()], 1));
        let both = accept("function-alias", "side") + &accept("function-version", "1");
        let (names, steps, told) = taken(&both);
        assert_eq!((names, steps, told), (Vec::new(), Vec::new(), 2));
    }
}
