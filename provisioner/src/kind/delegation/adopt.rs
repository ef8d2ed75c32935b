//! Taking over a delegation that leads elsewhere: the NS set of the parent zone becomes that of the stack's
//! zone.
//!
//! Resolvers then follow to other servers, and with a DS record somewhere they insist on its keys there
//! (RFC 4035, section 5). So a DS record that is there, in the zone or still on one of its servers, has to
//! be of a key that signs the stack's zone. Where there is none, some resolver may remember one of the old
//! servers' zone: that is waited out, as before a zone is unsigned. What neither can show is whether the
//! stack's zone has the names that the other one answered for.

use std::collections::BTreeSet;

use super::{NS_TTL_SECS, Op, Parent, names, shown, strange_ds};
use crate::addr::{Addr, Kind};
use crate::condition::Condition;
use crate::desired::Desired;
use crate::ds::keys::unread;
use crate::kind::hosted_zone::RecordSet;
use crate::kind::zone_signing::former;
use crate::kind::{self, zone_signing};
use crate::plan::{After, Change, Draft, Field, Lowered, Report, Risk, StepId, Symbol};
use crate::safety::Refusal;
use crate::snapshot::Snapshot;

/// A delegation that leads elsewhere: the parent zone, its NS set, and the zone it should lead to.
struct Elsewhere<'a> {
    live: &'a super::Live,
    set: &'a RecordSet,
    servers: Vec<String>,
}

fn elsewhere<'a>(desired: &Desired, snapshot: &'a Snapshot) -> Option<Elsewhere<'a>> {
    let live = snapshot.parent_zone.zone()?;
    let set = live.ns()?;
    let zone = snapshot.hosted_zone.present()?;
    let servers = zone.name_servers(&desired.domain);
    (!names(set, &servers)).then_some(Elsewhere { live, set, servers })
}

/// The DS records of the zone that the parent zone has, or that one of its servers still shows; the error
/// says which server does not answer.
fn published(snapshot: &Snapshot, live: &super::Live) -> Result<BTreeSet<String>, String> {
    let shown = snapshot.parent.all()?;
    let shown = shown.into_iter().flat_map(|answer| &answer.ds);
    let kept = live.ds().into_iter().flat_map(|set| &set.values);
    Ok(kept.chain(shown).cloned().collect())
}

/// Why the delegation must not be taken over, where no time cures it.
pub fn not_adoptable(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let Elsewhere { live, set, .. } = elsewhere(desired, snapshot)?;
    let domain = &desired.domain;
    let refusal = |why: String| {
        Some(Refusal {
            rule: "not-adoptable",
            addr: desired.addr(Kind::Delegation),
            message: format!("{why} (nothing was changed)"),
        })
    };
    if set.policy.is_some() || set.alias.is_some() {
        return refusal(format!(
            "the NS set of {domain} in {} has a routing policy, which this tool neither writes nor \
             deletes",
            live.words()
        ));
    }
    let published: Vec<String> = published(snapshot, live).ok()?.into_iter().collect();
    let strange = strange_ds(desired, snapshot, &published);
    if !strange.is_empty()
        && let Some(why) = unread(snapshot)
    {
        return refusal(why);
    }
    if !strange.is_empty() {
        return refusal(format!(
            "{} has DS records of {domain} that are of none of the zone's keys: {}; validating resolvers \
             would take every name in it for bogus once they follow the delegation to it; delete those \
             records first, then adopt",
            live.words(),
            strange.join("; ")
        ));
    }
    let dnssec = snapshot.dnssec.present();
    let is_signed = dnssec.is_some_and(|live| {
        live.signing == "SIGNING" && live.keys.iter().all(|key| key.status == "ACTIVE")
    });
    if !published.is_empty() && !is_signed {
        return refusal(format!(
            "{} has DS records of {domain}, and the zone is not signed with every key of it; cure that \
             with `spore-infra apply`, or delete those records, then adopt",
            live.words()
        ));
    }
    None
}

/// What taking the delegation over needs; nothing where it leads to the stack's zone, or nowhere.
pub fn adopt(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    match &snapshot.parent_zone {
        Parent::External | Parent::Settled | Parent::Unused(_) => return Lowered::default(),
        Parent::Unknown(why) => return kind::blocked(addr, why),
        Parent::Zone(live) => {
            // Where it should lead to is known when the zone is this stack's.
            if live.ns().is_some() && snapshot.hosted_zone.foreign().is_some() {
                return Lowered {
                    report: vec![Report::HeldBack {
                        addr: addr.clone(),
                        by: desired.addr(Kind::HostedZone),
                    }],
                    ..Lowered::default()
                };
            }
        }
    }
    let Some(Elsewhere { live, set, servers }) = elsewhere(desired, snapshot) else {
        return Lowered::default();
    };
    let published = match published(snapshot, live) {
        Ok(published) => published,
        Err(why) => return kind::blocked(addr, why),
    };
    if let Err(why) = &snapshot.served {
        let what = format!(
            "{why}; adopt again when every name server of the zone answers for it: the delegation is taken \
             over then"
        );
        return kind::waiting(addr, what);
    }
    let after = RecordSet {
        name: set.name.clone(),
        rtype: set.rtype.clone(),
        ttl_secs: Some(NS_TTL_SECS),
        values: servers.iter().map(|server| format!("{server}.")).collect(),
        ..RecordSet::default()
    };
    let mut fields = vec![
        Field::same("zone", format!("{} ({})", live.name, live.id)),
        Field::change("NS", shown(set), shown(&after)),
    ];
    let before_ttl = set.ttl_secs.unwrap_or_default();
    if before_ttl != NS_TTL_SECS {
        let (before, after) = (before_ttl.to_string(), NS_TTL_SECS.to_string());
        fields.push(Field::change("NS.ttl", before, after));
    }
    let op = kind::Op::Delegation(Op::Edit {
        parent: live.id.clone(),
        before: Some(Box::new(set.clone())),
        after: Some(Box::new(after)),
    });
    let mut draft = Draft::new("adopt", op).done(Condition::ChangeInSync);
    let mut drafts = Vec::new();
    // Who comes after a run that dies right after the change sees nothing of the former servers any more.
    let evidence = former::to_note(desired, snapshot);
    if !evidence.is_empty() {
        let journal = desired.addr(Kind::JournalGroup);
        let note = kind::journal_group::Op::remember_all(desired, evidence);
        let step = kind::journal_group::NOTE_FORMER;
        let note =
            Draft::new(step, note).after(After::Answered(StepId::new(&journal, "retention")));
        drafts.push(note.after(After::Answered(StepId::new(&journal, "create"))));
        draft = draft.after(After::Answered(StepId::new(addr, step)));
    }
    if published.is_empty()
        && let Some((note, wait)) = zone_signing::hold_down_for(addr, desired, snapshot)
    {
        let journal = desired.addr(Kind::JournalGroup);
        if let Some(note) = note {
            draft = draft.after(After::Answered(StepId::new(addr, note.name)));
            drafts.push(note.after(After::Answered(StepId::new(&journal, "retention"))));
        }
        draft = draft.ready(wait);
    }
    drafts.push(draft);
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields,
            why: format!(
                "it writes into another zone, {}: resolvers then follow to this stack's zone, within the {} s \
                 for which they remember the NS set; names that only the present servers answer for are \
                 gone, so compare what both have first (`spore-infra export`)",
                live.words(),
                before_ttl
            ),
            risk: Risk::Outage,
        }),
        drafts,
        ..Lowered::default()
    }
}
