//! What the people of the parent zone have to do: told beside every plan, and never a step of it.

use super::{is_signed, wrong_ds};
use crate::desired::Desired;
use crate::ds::keys::to_sign;
use crate::kind::delegation::Parent;
use crate::kind::zone_signing::former::{self, Vouched};
use crate::kind::zone_signing::{Memory, Old, Unsigned};
use crate::kind::{self, delegation};
use crate::snapshot::{ParentView, Snapshot};
use crate::teardown;

/// Whether a notice says what is to be done where the parent delegates to other servers than the zone's.
pub fn tells_of_delegation(snapshot: &Snapshot) -> bool {
    let is_asked = match snapshot.parent_zone {
        Parent::Zone(_) | Parent::Unknown(_) => false,
        Parent::External | Parent::Settled | Parent::Unused(_) => true,
    };
    let answers = snapshot.parent.all().unwrap_or_default();
    let is_delegated = answers.iter().all(|answer| !answer.name_servers.is_empty());
    is_asked && is_delegated && snapshot.hosted_zone.present().is_some()
}

/// What the people of the parent zone still have to do. A notice, never a change of ours.
pub(super) fn outside(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    let domain = &desired.domain;
    // While it is being taken down, nobody is asked for what it would need.
    if teardown::since(snapshot).is_some() {
        return None;
    }
    // They would be sent to another zone than the one that somebody else may have there; what blocks says more.
    snapshot.hosted_zone.known()?;
    match snapshot.parent_zone {
        // That is the delegation's affair: a change, or what stands against it.
        Parent::Zone(_) | Parent::Unknown(_) => return None,
        Parent::External | Parent::Settled | Parent::Unused(_) => {}
    }
    let (parent, answers) = match (&snapshot.parent, snapshot.parent.all()) {
        (ParentView::Seen { zone, .. }, Ok(answers)) => (zone, answers),
        (_, Err(why)) => {
            return Some(format!(
                "the parent zone of {domain} could not be asked: {why}"
            ));
        }
        (ParentView::Unknown(why), Ok(_)) => return Some(why.clone()),
    };
    let zone = snapshot.hosted_zone.present();
    let servers = zone
        .map(|zone| zone.name_servers(domain))
        .unwrap_or_default();
    if answers.iter().any(|answer| answer.name_servers.is_empty()) {
        return Some(if servers.is_empty() {
            format!("once applied, have {parent} delegate {domain} to the zone's name servers")
        } else {
            format!("have {parent} delegate {domain} to {}", servers.join(", "))
        });
    }
    let elsewhere = kind::zone_signing::delegated_elsewhere(desired, snapshot);
    let is_elsewhere = elsewhere.is_some();
    if let Some(elsewhere) = elsewhere.filter(|_| !servers.is_empty()) {
        let early = match former::vouched(desired, snapshot) {
            Vouched::Until(memory) => {
                format!("not before {:.0} ({}), ", memory.until, memory.why())
            }
            Vouched::ToNote => {
                "not before this is applied, which notes since when it has no DS record, "
                    .to_owned()
            }
            Vouched::No if !former::to_note(desired, snapshot).is_empty() => {
                "once this is applied, which notes for how long resolvers remember those, "
                    .to_owned()
            }
            Vouched::No => String::new(),
        };
        let way = if is_signed(snapshot) {
            "have it corrected (`spore-infra handover --step delegate` writes the text)".to_owned()
        } else {
            elsewhere.way(desired)
        };
        return Some(format!(
            "{parent} {}: {early}{way}",
            elsewhere.said(desired)
        ));
    }
    // Delegated to others, and nothing here yet.
    if servers.is_empty() && is_elsewhere {
        return Some(format!(
            "once applied, have {parent} delegate {domain} to the zone's name servers, in the order that is told then"
        ));
    }
    let coming = to_sign(desired, snapshot);
    let mut records = answers.iter().flat_map(|answer| answer.records());
    if let Some(ds) = records.find(|ds| coming.iter().any(|key| ds.matches(domain, key))) {
        return Some(format!(
            "{parent} has DS {ds}, whose key Route 53 does not sign with as yet; validating resolvers \
             take every name in {domain} for bogus until signing is on: apply at once"
        ));
    }
    if let Some((wrong, whose)) = wrong_ds(desired, snapshot, &answers) {
        return Some(format!(
            "{parent} publishes DS records for {domain} that lead to no key that signs it: {wrong}; \
             {whose} every name in it for bogus: have them replaced in one change by what `spore-infra ds` \
             prints, and taken out while it prints nothing"
        ));
    }
    // A record of such a key would make the zone bogus in days; what blocks the plan says what to do.
    if kind::kms_key::lost(desired, snapshot).is_some() {
        return None;
    }
    let without = answers.iter().any(|answer| answer.ds.is_empty());
    (desired.dnssec && without).then(|| {
        let when = match kind::zone_signing::unsigned(desired, snapshot) {
            Unsigned::No => String::new(),
            Unsigned::Until(Memory { until, of }) => match of {
                Old::Answers(besides) => format!(
                    ", not before {until:.0}, as resolvers may remember unsigned answers until then{besides}"
                ),
                Old::Servers(words) => format!(", not before {until:.0}, as {words}"),
            },
            Unsigned::Unknown(why) => format!(", which it does not yet: {why}"),
        };
        format!(
            "have {parent} publish the DS record that `spore-infra ds` prints{when}; until then {domain} \
             is insecure"
        )
    })
}

/// A delegation that outlives its zone: whoever gets those name servers for a zone of this name next
/// answers for it. Named with the exact records, since the people of the parent zone need those.
pub(super) fn dangling(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    let ParentView::Seen { zone, servers } = &snapshot.parent else {
        return None;
    };
    if delegation::is_withdrawn_by_us(desired, snapshot) {
        return None;
    }
    // It may lead to a zone of somebody else, which stays.
    snapshot.hosted_zone.known()?;
    let answers = servers
        .iter()
        .filter_map(|server| server.answer.as_ref().ok());
    // In the parent's own order, and one that differs between its servers as well.
    let mut delegated: Vec<&str> = Vec::new();
    for server in answers.flat_map(|answer| &answer.name_servers) {
        if !delegated.contains(&server.as_str()) {
            delegated.push(server);
        }
    }
    if delegated.is_empty() {
        return None;
    }
    let records: Vec<String> = delegated
        .iter()
        .map(|server| format!("{}. IN NS {server}.", desired.domain))
        .collect();
    Some(format!(
        "have {zone} withdraw its delegation, best before the zone is gone (`spore-infra handover --step \
         teardown` says how long before): {}; whoever gets one of these name servers for a zone of this name \
         answers whoever still asks them",
        records.join("; ")
    ))
}
