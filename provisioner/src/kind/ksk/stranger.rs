//! A key-signing key of somebody else beside the stack's: what it means, and the way to take it down by hand. It is
//! not taken down by the tool: whose it is nobody can tell from here. The order and the waits are those of a
//! rotation, since to a resolver it is one ([`rotation`]): a DS set that some resolver holds must lead to a key that
//! signs. One that is INACTIVE does not sign, so that nothing depends on it.

use std::time::Duration;

use super::Key;
use crate::desired::Desired;
use crate::ds::judgement::{Keys, Published, Trust};
use crate::ds::{DnsKey, Ds};
use crate::handover::pick;
use crate::plan::span;
use crate::rotation;
use crate::snapshot::{Delegated, ParentView, Snapshot};

/// What a key-signing key of somebody else means, and what is to be done about it.
pub fn stranger(desired: &Desired, snapshot: &Snapshot, key: &Key) -> String {
    let does = if key.status == "INACTIVE" {
        "it does not sign now, and once somebody activates it, it signs the zone's keys"
    } else {
        "it signs the zone's keys"
    };
    format!(
        "the zone has a key-signing key that is not this stack's: {} (KMS key {}, {}); {does} \
         beside the stack's, so whoever holds it can sign as this zone once the parent vouches for it, and it has \
         the place that a rotation needs; find out whose it is, and if nobody needs it, take it down by hand, in \
         this order: {}",
        key.name,
        key.kms_arn,
        key.status,
        way_down(desired, snapshot, key)
    )
}

/// The steps that take it down, as far as they can be told by now, each with its wait.
pub fn way_down(desired: &Desired, snapshot: &Snapshot, key: &Key) -> String {
    let steps = steps(desired, snapshot, key);
    let numbered = steps.iter().enumerate();
    let numbered = numbered.map(|(index, step)| format!("({}) {step}", index + 1));
    numbered.collect::<Vec<_>>().join("; ")
}

fn steps(desired: &Desired, snapshot: &Snapshot, key: &Key) -> Vec<String> {
    let then_plan = "then run `spore-infra plan` again, which names the next steps";
    // Before anything is known to be absent.
    let answers = match snapshot.parent.all() {
        Ok(answers) => answers,
        Err(why) => {
            return vec![format!(
                "have every server of the parent zone answer, as their DS records decide the rest: {why}; \
                 {then_plan}"
            )];
        }
    };
    let Ok(theirs) = DnsKey::parse(&key.dnskey) else {
        return vec![format!(
            "Route 53 shows no DNSKEY record of it that can be read, and which DS records are of it decides the \
             rest; wait a minute, {then_plan}"
        )];
    };
    let judged = Keys::of(desired, snapshot);
    let sets = answers.iter().map(|answer| answer.records());
    let published = Published::of(&desired.domain, &judged, sets);
    let is_delegated = answers
        .iter()
        .any(|answer| !answer.name_servers.is_empty() || !answer.ds.is_empty());
    let mut steps = Vec::new();
    if is_delegated && key.status != "INACTIVE" {
        // What no resolver can hold has no hold-down.
        match vouched(desired, snapshot, &answers, &published, &theirs) {
            Ok(first) => steps = first,
            Err(why) => return vec![format!("{why}; {then_plan}")],
        }
    }
    let zone = snapshot.hosted_zone.present();
    let of = format!(
        "--hosted-zone-id {} --name {}",
        zone.map_or("ZONE", |zone| zone.id.as_str()),
        key.name
    );
    if key.status != "INACTIVE" {
        steps.push(format!("`aws route53 deactivate-key-signing-key {of}`"));
        steps.push(
            "ask `aws route53 get-change --id ID`, with the Id that the last command printed, until its Status is \
             INSYNC (a minute)"
                .into(),
        );
    }
    steps.push(format!("`aws route53 delete-key-signing-key {of}`"));
    steps.push(format!(
        "`spore-infra plan`, which no longer names it; its KMS key {} stays and is its owner's to delete",
        key.kms_arn
    ));
    steps
}

/// What comes first where resolvers ask for the zone.
fn vouched(
    desired: &Desired,
    snapshot: &Snapshot,
    answers: &[&Delegated],
    published: &Published<'_>,
    theirs: &DnsKey,
) -> Result<Vec<String>, String> {
    let ds_ttl = rotation::ds_ttl(snapshot, answers);
    let dnskey_ttl = rotation::DNSKEY_TTL;
    let parent = match &snapshot.parent {
        ParentView::Seen { zone, .. } => zone.as_str(),
        ParentView::Unknown(_) => "the parent",
    };
    let is_any = published.sets.iter().any(|set| set.trust != Trust::None);
    let is_theirs = published.is_somewhere(theirs);
    let ours = ours(snapshot);
    let is_ours_everywhere = ours
        .as_ref()
        .is_some_and(|ours| published.stands_everywhere(ours));
    if is_any && !is_ours_everywhere && !is_theirs {
        return Err(format!(
            "have the DS records of {parent} put right (`spore-infra status` says how)"
        ));
    }
    if let Err(why) = &snapshot.served {
        return Err(format!(
            "wait until every name server of the zone serves the stack's key: {why}"
        ));
    }
    let mut steps = Vec::new();
    if is_theirs && !is_ours_everywhere {
        steps.push(format!(
            "wait {}: resolvers may remember a DNSKEY set without the stack's key, for its TTL",
            wait(dnskey_ttl)
        ));
        steps.push(format!(
            "have {parent} add the DS record of the stack's key, and keep this one (`spore-infra handover --step \
             ds-add` writes the text)"
        ));
        steps.push(format!(
            "when every server of {parent} shows it (`spore-infra ds --check`), wait {}: resolvers may remember \
             the DS set without it, for the largest TTL seen of it, at least an hour",
            wait(ds_ttl)
        ));
    }
    if is_theirs {
        let is_its = |ds: &&Ds| ds.matches(&desired.domain, theirs);
        let records: Vec<&Ds> = published.records().into_iter().filter(is_its).collect();
        let shown: Vec<String> = records.iter().map(ToString::to_string).collect();
        steps.push(format!(
            "have {parent} take out DS {} (`{}` writes the text)",
            shown.join("; "),
            pick::command(records, published)
        ));
        steps.push(format!(
            "when no server of {parent} shows it any more (`spore-infra status`), wait {}: resolvers may remember \
             it, for the largest TTL seen of a DS record of the zone, at least an hour",
            wait(ds_ttl)
        ));
    } else {
        steps.push(format!(
            "unless you know that {parent} has had no DS record of it for as long, wait {}: resolvers may remember \
             one, for the largest TTL seen of a DS record of the zone, at least an hour",
            wait(ds_ttl)
        ));
    }
    Ok(steps)
}

/// The stack's key, where it signs.
fn ours(snapshot: &Snapshot) -> Option<DnsKey> {
    let kms = snapshot.kms_key.present()?;
    let mut keys = snapshot.dnssec.present()?.keys.iter();
    let ours = keys.find(|key| key.kms_arn == kms.arn && key.status == "ACTIVE")?;
    DnsKey::parse(&ours.dnskey).ok()
}

/// A wait, as a number for programs and in words.
fn wait(lasts: Duration) -> String {
    format!("{} s ({})", lasts.as_secs(), span(lasts))
}
