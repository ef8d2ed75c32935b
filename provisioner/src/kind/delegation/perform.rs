//! Carrying changes of the parent zone out: only what still is what it was when the plan was made.

use aws_sdk_route53::types::{ChangeAction, RrType};

use super::Op;
use super::observe::sets;
use crate::arg::{Output, Outputs};
use crate::aws::{Clients, unusable};
use crate::kind::hosted_zone::{self, RecordSet};
use crate::retry::Failure;

/// Carries one mutation out. What is there already, as after a lost answer, is what was asked for.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let write = write.of_parent();
    match op {
        Op::Delegate {
            parent,
            domain,
            name_servers,
            ttl_secs,
        } => {
            let servers = name_servers.value().split_whitespace();
            let values: Vec<String> = servers
                .map(|server| format!("{}.", server.trim_end_matches('.')))
                .collect();
            if values.is_empty() {
                return Err(unusable(
                    op.action(),
                    "the zone's name servers are not known",
                ));
            }
            let set = RecordSet {
                name: format!("{domain}."),
                rtype: "NS".into(),
                ttl_secs: Some(*ttl_secs),
                values,
                ..RecordSet::default()
            };
            edit(op, parent, None, Some(&set), &write).await
        }
        Op::Edit {
            parent,
            before,
            after,
        } => edit(op, parent, before.as_deref(), after.as_deref(), &write).await,
    }
}

/// One set becomes another by DELETE and CREATE in one call, which Route 53 refuses when it has become
/// something else since it was looked at (ASSUMPTIONS.md, A-36).
async fn edit(
    op: &Op,
    parent: &str,
    before: Option<&RecordSet>,
    after: Option<&RecordSet>,
    write: &Clients,
) -> Result<Outputs, Failure> {
    let Some(named) = before.or(after) else {
        return Ok(Outputs::new());
    };
    let domain = named.name.trim_end_matches('.');
    let from = RrType::from(named.rtype.as_str());
    let sets = sets(write, parent, domain, Some(from)).await?;
    let now = sets
        .iter()
        .find(|set| (&set.name, &set.rtype) == (&named.name, &named.rtype));
    let is_done = match (now, after) {
        (None, None) => true,
        (Some(now), Some(after)) => now.is_like(after),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if is_done {
        return Ok(Outputs::new());
    }
    let is_as_it_was = match (now, before) {
        (None, None) => true,
        (Some(now), Some(before)) => now.is_like(before),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !is_as_it_was {
        let why = format!(
            "{} {} was changed in the parent zone meanwhile; it was left alone, plan again",
            named.name, named.rtype
        );
        return Err(unusable(op.action(), &why));
    }
    // The set as it is now has the order of values that DELETE needs.
    let gone = now.map(|set| (ChangeAction::Delete, set.clone()));
    let comes = after.map(|set| (ChangeAction::Create, set.clone()));
    let changes = gone.into_iter().chain(comes).collect();
    let mut outputs = hosted_zone::change(parent, changes, write).await?;
    // The change is one of the account that has the parent zone.
    let change = outputs.remove(&Output::ChangeId);
    Ok(change
        .map(|id| (Output::ParentChangeId, id))
        .into_iter()
        .collect())
}
