//! `policy`: what whoever runs the tool must be allowed. Offline; no credentials are looked for.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{Exit, Ids, PolicyOf, output, stack, variable};
use crate::aws::GLOBAL_REGION;
use crate::desired::Desired;
use crate::principal::{self, Grant, INLINE_CHARS_MAX, MANAGED_CHARS_MAX, Principal};
use spore_sandbox::world::Held;

/// `policy`.
pub fn policy(
    what: PolicyOf,
    named: Option<PathBuf>,
    ids: &Ids,
    json: bool,
    out: Option<PathBuf>,
) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let desired = Desired::of(&document.stack);
    let zone_id = ids.zone_id.as_deref();
    let zone_id = zone_id.map(|id| id.trim_start_matches("/hostedzone/"));
    // Route 53's own form (API reference, ResourceId); anything else would change what the policy says.
    let is_id = |id: &str| {
        (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if let Some(id) = zone_id.filter(|id| !is_id(id)) {
        bail!("{id:?} is no id of a hosted zone, such as Z0123456789ABCDEFGHIJ");
    }
    let adopting = match &ids.adopt_key {
        Some(arn) => adopting(what, &desired, arn)?,
        None => Vec::new(),
    };
    let grants = |principal| {
        let mut grants = principal::grants(principal, &desired, zone_id);
        grants.extend(adopting.iter().cloned());
        grants
    };
    match (what, out) {
        (PolicyOf::Requirements, Some(_)) => bail!("--out takes policies: reader or operator"),
        (PolicyOf::Requirements, None) => requirements(&grants(Principal::Operator), json)?,
        (PolicyOf::Reader, out) => print(Principal::Reader, &grants(Principal::Reader), out)?,
        (PolicyOf::Operator, out) => print(Principal::Operator, &grants(Principal::Operator), out)?,
    }
    Ok(Exit::Done)
}

/// The right to adopt one key, for a key that can be this stack's.
fn adopting(what: PolicyOf, desired: &Desired, arn: &str) -> anyhow::Result<Vec<Grant>> {
    let here = format!("arn:aws:kms:{GLOBAL_REGION}:{}:key/", desired.account);
    if what == PolicyOf::Reader {
        bail!("--adopt-key is a right of the operator");
    }
    if !arn.starts_with(&here) {
        bail!(
            "--adopt-key takes the ARN of a key that Route 53 signs with, {here}...; {arn:?} is none"
        );
    }
    Ok(principal::to_adopt(desired, arn))
}

/// Prints one policy, or writes it as managed policies to a folder.
fn print(principal: Principal, grants: &[Grant], out: Option<PathBuf>) -> anyhow::Result<()> {
    let named = principal::document(grants);
    let fits = principal::chars(&named) <= INLINE_CHARS_MAX;
    let whole = if fits { named } else { principal::bare(grants) };
    let chars = principal::chars(&whole);
    let parts = principal::managed(grants);
    if let Some(dir) = out {
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        for (number, part) in parts.iter().enumerate() {
            let path = dir.join(format!("{}-{}.json", principal.word(), number + 1));
            let text = serde_json::to_string_pretty(part)? + "\n";
            fs::write(&path, text).with_context(|| path.display().to_string())?;
            output::line(&path.display().to_string());
        }
        return Ok(());
    }
    if chars > INLINE_CHARS_MAX {
        bail!(
            "the policy has {chars} characters, more than the {INLINE_CHARS_MAX} of a role's inline \
             policies; `--out DIR` writes it as {} managed policies",
            parts.len()
        );
    }
    if chars > MANAGED_CHARS_MAX {
        output::note(&format!(
            "{chars} characters: fits a role as inline policy ({INLINE_CHARS_MAX}), not one managed policy \
             ({MANAGED_CHARS_MAX}); `--out DIR` writes it as {} of those",
            parts.len()
        ));
    }
    if !fits {
        output::note(
            "it is printed without statement ids, to fit; `spore-infra policy requirements` has them",
        );
    }
    output::line(&serde_json::to_string_pretty(&whole)?);
    Ok(())
}

/// Prints statement by statement who needs what for what.
fn requirements(grants: &[Grant], json: bool) -> anyhow::Result<()> {
    if json {
        let rows: Vec<_> = grants
            .iter()
            .map(|grant| {
                json!({
                    "statement": grant.sid(),
                    "for": commands(grant.principal),
                    "actions": grant.actions(),
                    "resources": grant.resources(),
                    "condition": grant.condition(),
                    "why": grant.why,
                })
            })
            .collect();
        output::line(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    for principal in [Principal::Reader, Principal::Operator] {
        let word = principal.word();
        output::line(&format!("{} ({word})\n", commands(principal).join(", ")));
        for grant in grants.iter().filter(|one| one.principal == principal) {
            output::line(&format!("  {}: {}", grant.sid(), grant.why));
            for action in grant.actions() {
                output::line(&format!("    {action}"));
            }
            for resource in grant.resources() {
                output::line(&format!("      on {resource}"));
            }
            for (operator, keys) in grant.condition().as_object().into_iter().flatten() {
                for (key, values) in keys.as_object().into_iter().flatten() {
                    output::line(&format!("      if {operator} {key} {values}"));
                }
            }
            output::line("");
        }
    }
    output::line(
        "STS answers GetCallerIdentity without any permission. No call shows how many KMS keys (100,000 in a \
         region),\nalarms (5,000) or REST APIs (600) an account may still have: the creating call is refused \
         then, and says so.",
    );
    Ok(())
}

fn commands(principal: Principal) -> &'static [&'static str] {
    match principal {
        Principal::Reader => &["plan", "ds", "apply", "destroy"],
        Principal::Operator => &["apply", "destroy"],
    }
}

/// What `SPORE_SANDBOX_POLICY` holds a command to: `own` is the policy printed here, anything else the
/// policies in these files, separated as in PATH.
///
/// # Errors
/// When a file cannot be read.
pub fn held(principal: Principal, desired: &Desired) -> anyhow::Result<Option<Held>> {
    let Some(wanted) = variable("SPORE_SANDBOX_POLICY") else {
        return Ok(None);
    };
    let policies = if wanted == "own" {
        let grants = principal::grants(principal, desired, None);
        vec![principal::document(&grants).to_string()]
    } else {
        std::env::split_paths(&wanted)
            .map(|path| fs::read_to_string(&path).with_context(|| path.display().to_string()))
            .collect::<anyhow::Result<_>>()?
    };
    Ok(Some(Held {
        role: format!("spore-infra-{}", principal.word()),
        policies,
    }))
}
