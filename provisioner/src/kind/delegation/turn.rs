//! The parent's part of a rotation, where we can write the parent zone: which DS set comes next.

use std::collections::BTreeSet;

use super::{DS_TTL_SECS, Op, delegates_to_us, ds_of, shown, strange};
use crate::addr::Kind;
use crate::condition::Condition;
use crate::desired::Desired;
use crate::ds::{DnsKey, Ds};
use crate::kind::hosted_zone::RecordSet;
use crate::kind::ksk::Key;
use crate::plan::{Change, Draft, Field, Lowered, Risk, Symbol};
use crate::snapshot::{Delegated, Snapshot};

/// The DS set of the parent zone, when it is ours to change: the delegation leads to this zone and every
/// record is of a key of it.
pub fn held<'a>(desired: &Desired, snapshot: &'a Snapshot) -> Option<&'a RecordSet> {
    let live = snapshot.parent_zone.zone()?;
    let set = live.ds()?;
    let is_ours = live
        .ns()
        .is_some_and(|ns| delegates_to_us(desired, snapshot, ns))
        && set.policy.is_none()
        && strange(desired, snapshot, set).is_empty();
    is_ours.then_some(set)
}

/// Whether every parent server shows the DS set that the parent zone has: what comes next in a rotation is
/// decided by what resolvers may hold. True where that zone is not ours to read, as nothing else is known then.
pub fn has_arrived(snapshot: &Snapshot, answers: &[&Delegated]) -> bool {
    let Some(live) = snapshot.parent_zone.zone() else {
        return true;
    };
    let records = |texts: &[String]| -> BTreeSet<String> {
        let texts = texts.iter();
        texts
            .map(|text| Ds::parse(text).map_or_else(|_| text.clone(), |ds| ds.to_string()))
            .collect()
    };
    let there = live
        .ds()
        .map_or_else(BTreeSet::new, |set| records(&set.values));
    answers.iter().all(|answer| records(&answer.ds) == there)
}

/// Whether a DS set has a record of a key.
pub fn is_published(desired: &Desired, set: &RecordSet, key: &Key) -> bool {
    let Ok(dnskey) = DnsKey::parse(&key.dnskey) else {
        return false;
    };
    let mut values = set.values.iter();
    values.any(|value| Ds::parse(value).is_ok_and(|ds| ds.matches(&desired.domain, &dnskey)))
}

/// Makes the parent's DS set that of these keys. Records that stay keep their digest types. None when a
/// record cannot be computed.
pub fn publish(
    desired: &Desired,
    snapshot: &Snapshot,
    step: &'static str,
    (set, keys): (&RecordSet, &[&Key]),
    ready: Vec<Condition>,
    why: &str,
) -> Option<Lowered> {
    let live = snapshot.parent_zone.zone()?;
    let mut values: Vec<String> = Vec::new();
    for key in keys {
        if is_published(desired, set, key) {
            let dnskey = DnsKey::parse(&key.dnskey).ok()?;
            let of_key = |value: &&String| {
                Ds::parse(value).is_ok_and(|ds| ds.matches(&desired.domain, &dnskey))
            };
            values.extend(set.values.iter().filter(of_key).cloned());
        } else {
            values.push(ds_of(desired, key)?);
        }
    }
    let after = RecordSet {
        ttl_secs: set.ttl_secs.or(Some(DS_TTL_SECS)),
        values,
        ..set.clone()
    };
    let fields = vec![Field::change("DS", shown(set), shown(&after))];
    let op = crate::kind::Op::Delegation(Op::Edit {
        parent: live.id.clone(),
        before: Some(Box::new(set.clone())),
        after: Some(Box::new(after)),
    });
    let mut draft = Draft::new(step, op).done(Condition::ChangeInSync);
    draft.ready_when = ready;
    Some(Lowered {
        change: Some(Change {
            addr: desired.addr(Kind::Delegation),
            symbol: Symbol::Update,
            fields,
            why: format!("it writes into another zone, {}: {why}", live.words()),
            risk: Risk::Outage,
        }),
        drafts: vec![draft],
        ..Lowered::default()
    })
}
