//! Rules that forbid a plan, whatever else it says. Each is a named function; nothing lifts them all.
//!
//! A refusal names the rule, what it found, and what to do first. All rules run before the first call.

use std::collections::BTreeSet;

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::desired::{Desired, TAG_VERSION};
use crate::ds::Ds;
use crate::kind::delegation::{self, Parent};
use crate::plan::{Goal, Plan};
use crate::rotation;
use crate::snapshot::{Observation, Snapshot};
use crate::teardown;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Id of the rule.
    pub rule: &'static str,
    /// The resource it is about.
    pub addr: Addr,
    /// What was found, and what to do.
    pub message: String,
}

/// Id of the rule against taking down what a DS record at the parent vouches for.
pub const DS_AT_PARENT: &str = "ds-at-parent";

/// Id of the same where the record is taken out already, and a server still shows it.
pub const DS_LEAVING: &str = "ds-leaving";

/// Id of the rule against going on while the parent's servers show what its zone no longer has.
pub const PARENT_LAGS: &str = "parent-lags";

/// Id of the rule against going on while nobody knows what the parent's servers show.
pub const PARENT_UNKNOWN: &str = "parent-unknown";

/// Id of the rule against what a newer tool wrote.
pub const NEWER_TOOL: &str = "newer-tool";

impl Refusal {
    /// Whether what stands against the plan goes away by itself, as what was changed reaches every server.
    pub fn is_wait(&self) -> bool {
        self.rule == DS_LEAVING || self.rule == PARENT_LAGS
    }
}

/// Every rule, on one plan.
pub fn review(desired: &Desired, snapshot: &Snapshot, plan: &Plan) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    refusals.extend(newer_tool(desired, snapshot));
    if matches!(plan.goal, Goal::Unsign | Goal::Rotate | Goal::AbortRotation)
        && let Some(refusal) = zone_of_others(desired, snapshot)
    {
        // What else there is to say builds on the zone.
        refusals.push(refusal);
        return refusals;
    }
    match &plan.goal {
        Goal::Converge => refusals.extend(signing_off_by_document(desired, snapshot)),
        Goal::Unsign => {
            refusals.extend(signing_on_by_document(desired));
            refusals.extend(parent_zone_unknown(desired, snapshot));
            refusals.extend(ds_at_parent(desired, snapshot, plan));
            refusals.extend(nothing_unreadable(plan));
        }
        Goal::Rotate => {
            refusals.extend(under_way_down(desired, snapshot));
            refusals.extend(parent_zone_unknown(desired, snapshot));
            refusals.extend(rotation::fit(desired, snapshot));
            refusals.extend(rotation::just_rotated(desired, snapshot));
            refusals.extend(nothing_unreadable(plan));
        }
        Goal::AbortRotation => {
            refusals.extend(under_way_down(desired, snapshot));
            refusals.extend(parent_zone_unknown(desired, snapshot));
            refusals.extend(rotation::may_abort(desired, snapshot));
            refusals.extend(nothing_unreadable(plan));
        }
        Goal::Adopt => refusals.extend(adoption::refusals(desired, snapshot)),
        Goal::Destroy(options) => {
            refusals.extend(ds_at_parent(desired, snapshot, plan));
            refusals.extend(key_of_unread_zone(desired, snapshot));
            refusals.extend(foreign_records(desired, snapshot, options.include_records));
            refusals.extend(nothing_unreadable(plan));
        }
    }
    refusals
}

/// A stack that a newer tool wrote may hold what this one does not understand.
fn newer_tool(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    // One that only lost the stack's tag says the same.
    let live = match &snapshot.journal_group {
        Observation::Present(live) => live.tags.get(TAG_VERSION),
        Observation::Foreign(_, stranger) => stranger.as_ref()?.tags.get(TAG_VERSION),
        Observation::Absent | Observation::Unreadable(_) => None,
    }?;
    let ours = env!("CARGO_PKG_VERSION");
    let numbers = |version: &str| -> Option<Vec<u64>> {
        version.split('.').map(|part| part.parse().ok()).collect()
    };
    let message = match (numbers(live), numbers(ours)) {
        (Some(theirs), Some(own)) if theirs <= own => return None,
        (Some(_), _) => format!(
            "the stack was last written by spore-infra {live}, this is {ours}; use {live} or later"
        ),
        // What cannot be compared is not older.
        (None, _) => format!(
            "the journal's tag {TAG_VERSION} is {live:?}, which is no version that {ours} can compare \
             itself with; use the tool that wrote it, or set the tag to the version that did"
        ),
    };
    Some(Refusal {
        rule: NEWER_TOOL,
        addr: desired.addr(Kind::JournalGroup),
        message,
    })
}

/// Turning signing off is its own command: a line lost from a document must not unsign a zone.
fn signing_off_by_document(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let signing = &snapshot.dnssec.present()?.signing;
    if desired.dnssec || signing == "NOT_SIGNING" {
        return None;
    }
    Some(Refusal {
        rule: "signing-off",
        addr: desired.addr(Kind::ZoneSigning),
        message: "the document says `[dnssec] enabled = false`, but the zone is signed; \
                  `spore-infra dnssec disable` turns signing off in the safe order"
            .into(),
    })
}

/// The document leads: signing that was turned off while it says on would come back with the next
/// apply, with another key.
fn signing_on_by_document(desired: &Desired) -> Option<Refusal> {
    desired.dnssec.then(|| Refusal {
        rule: "signing-on",
        addr: desired.addr(Kind::ZoneSigning),
        message: "the document wants the zone signed; set `[dnssec] enabled = false` in it first, or the \
                  next apply would sign it again (nothing was changed)"
            .into(),
    })
}

/// While any parent server has a DS record, resolvers insist on signatures: taking the zone or its
/// keys away makes every name in it fail (RFC 4035, section 5). Terraform had deleted 21 of 25
/// resources before it noticed (peers' lessons, report 2).
fn ds_at_parent(desired: &Desired, snapshot: &Snapshot, plan: &Plan) -> Option<Refusal> {
    // Taking that very record out, and nothing else, is what has to come first.
    if delegation::only_unvouches(plan) {
        return None;
    }
    if matches!(
        snapshot.hosted_zone,
        Observation::Absent | Observation::Foreign(_, _)
    ) {
        return None;
    }
    let addr = desired.addr(Kind::ZoneSigning);
    let answers = match snapshot.parent.all() {
        Ok(answers) => answers,
        Err(why) => {
            return Some(Refusal {
                rule: PARENT_UNKNOWN,
                addr,
                message: format!(
                    "cannot tell whether the parent zone still has a DS record of {}: {why}; \
                     nothing was deleted; try again when the parent's servers answer",
                    desired.domain
                ),
            });
        }
    };
    // What its zone has and no server shows yet is on its way to them.
    let live = snapshot.parent_zone.zone();
    let in_zone = live.and_then(delegation::Live::ds);
    let records: BTreeSet<String> = answers
        .iter()
        .flat_map(|answer| &answer.ds)
        .chain(in_zone.into_iter().flat_map(|set| &set.values))
        .map(|text| Ds::parse(text).map_or_else(|_| text.clone(), |ds| ds.to_string()))
        .collect();
    if records.is_empty() {
        return None;
    }
    let lines: Vec<_> = records
        .iter()
        .map(|ds| format!("{}. IN DS {ds}", desired.domain))
        .collect();
    let (rule, place, next) = match (live, in_zone) {
        (Some(live), Some(_)) => (
            DS_AT_PARENT,
            live.words(),
            "not all of that is this stack's to take out: delete it there first, then run this again",
        ),
        (Some(live), None) => (
            DS_LEAVING,
            format!("a server of {}", live.words()),
            "its removal is on its way to every server: run this again in a minute",
        ),
        (None, _) => (
            DS_AT_PARENT,
            "the parent zone".to_owned(),
            "have it removed there first, then run this again",
        ),
    };
    Some(Refusal {
        rule,
        addr,
        message: format!(
            "{place} still has: {}; {next} (nothing was deleted)",
            lines.join("; ")
        ),
    })
}

/// The keys of a zone that is being taken down go, both.
fn under_way_down(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let since = teardown::since(snapshot)?;
    Some(Refusal {
        rule: "destroy-under-way",
        addr: desired.addr(Kind::JournalGroup),
        message: format!(
            "{}: {} (nothing was changed)",
            teardown::told(since),
            teardown::ways()
        ),
    })
}

/// Whose the parent zone is decides who changes its DS records, and in which order.
fn parent_zone_unknown(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let Parent::Unknown(why) = &snapshot.parent_zone else {
        return None;
    };
    Some(Refusal {
        rule: "parent-zone-unknown",
        addr: desired.addr(Kind::Delegation),
        message: format!("{why} (nothing was changed)"),
    })
}

/// The keys of a zone that is not the stack's are its owner's.
fn zone_of_others(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let Observation::Foreign(why, _) = &snapshot.hosted_zone else {
        return None;
    };
    Some(Refusal {
        rule: "foreign-zone",
        addr: desired.addr(Kind::HostedZone),
        message: format!("{why} (nothing was changed)"),
    })
}

/// Where a zone that is not ours stands in place of ours, its key-signing keys are not read; one may
/// use the stack's key. (Two zones of one name are such a case: either may be the signed one.)
fn key_of_unread_zone(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    let Observation::Foreign(why, _) = &snapshot.hosted_zone else {
        return None;
    };
    if let Some(key) = snapshot.kms_key.present() {
        return Some(Refusal {
            rule: "key-in-doubt",
            addr: desired.addr(Kind::KmsKey),
            message: format!(
                "{why}; a key-signing key there may use the stack's key {} (nothing was deleted)",
                key.arn
            ),
        });
    }
    // The journal knows which zone is the stack's: it does not go before that is settled.
    snapshot.journal_group.present().map(|_| Refusal {
        rule: "zone-in-doubt",
        addr: desired.addr(Kind::HostedZone),
        message: format!("{why}; one of them may be this stack's (nothing was deleted)"),
    })
}

/// Records that somebody else made are somebody else's.
fn foreign_records(desired: &Desired, snapshot: &Snapshot, include: bool) -> Option<Refusal> {
    let zone = snapshot.hosted_zone.present()?;
    let foreign = zone.foreign_records(&desired.domain);
    let addr = desired.addr(Kind::HostedZone);
    let name = |set: &&crate::kind::hosted_zone::RecordSet| format!("{} {}", set.name, set.rtype);
    if !include && !foreign.is_empty() {
        let shown: Vec<_> = foreign.iter().take(20).map(name).collect();
        let more = foreign.len().saturating_sub(shown.len());
        let tail = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        return Some(Refusal {
            rule: "foreign-records",
            addr,
            message: format!(
                "the zone holds {} record sets besides its own NS and SOA: {}{tail}; \
                 `--include-records` writes them to a zone file and deletes them",
                foreign.len(),
                shown.join(", ")
            ),
        });
    }
    let special: Vec<_> = foreign
        .iter()
        .filter_map(|set| {
            set.policy
                .as_ref()
                .map(|policy| format!("{} ({policy})", name(set)))
        })
        .collect();
    if special.is_empty() {
        return None;
    }
    Some(Refusal {
        rule: "routing-records",
        addr,
        message: format!(
            "these record sets have routing policies or health checks, which a zone file cannot \
             hold: {}; delete them by hand first",
            special.join(", ")
        ),
    })
}

/// A destroy that cannot see everything would leave orphans, or stop in the middle.
fn nothing_unreadable(plan: &Plan) -> Vec<Refusal> {
    plan.blocked()
        .into_iter()
        .map(|(addr, why)| Refusal {
            rule: "unreadable",
            addr: addr.clone(),
            message: format!("{why} (nothing was deleted)"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, DOMAIN};
    use crate::kind::hosted_zone::RecordSet;
    use crate::plan::{self, DestroyOptions};
    use crate::snapshot::{Delegated, ParentView};

    fn rules(plan: &Plan) -> Vec<&'static str> {
        plan.refusals.iter().map(|refusal| refusal.rule).collect()
    }

    fn destroy(snapshot: &Snapshot, include_records: bool) -> Plan {
        plan::destroy(
            &fixture::desired(),
            snapshot,
            &DestroyOptions {
                include_records,
                ..DestroyOptions::default()
            },
        )
    }

    #[test]
    fn one_server_with_a_ds_is_enough_to_refuse() {
        assert!(rules(&destroy(&fixture::applied(), false)).is_empty());
        let mut snapshot = fixture::applied();
        if let ParentView::Seen { servers, .. } = &mut snapshot.parent {
            servers[1].answer = Ok(Delegated {
                ds: vec!["1 13 2 AB".into()],
                ..Delegated::default()
            });
        }
        let plan = destroy(&snapshot, false);
        assert_eq!(rules(&plan), ["ds-at-parent"]);
        assert!(
            plan.refusals[0]
                .message
                .contains("spore.example.edu. IN DS 1 13 2 AB")
        );
    }

    #[test]
    fn what_the_parents_zone_has_counts_before_its_servers_show_it() {
        let mut snapshot = fixture::applied();
        let stale = format!("1 13 2 {}", "AB".repeat(32));
        let set = RecordSet {
            name: format!("{DOMAIN}."),
            rtype: "DS".into(),
            values: vec![stale.clone()],
            ..RecordSet::default()
        };
        snapshot.parent_zone = Parent::Zone(delegation::Live {
            id: "Z9".into(),
            name: "example.edu".into(),
            child: format!("{DOMAIN}."),
            sets: vec![set],
            ..delegation::Live::default()
        });
        let mut desired = fixture::desired();
        desired.dnssec = false;
        let plans = [destroy(&snapshot, false), plan::unsign(&desired, &snapshot)];
        for plan in plans {
            let refusal = plan.refusals.iter().find(|one| one.rule == DS_AT_PARENT);
            let message = refusal.map(|one| one.message.as_str()).unwrap_or_default();
            assert!(message.contains(&stale), "{message}");
            assert!(
                message.contains("zone example.edu (Z9) of this account"),
                "{message}"
            );
        }
    }

    #[test]
    fn nothing_is_turned_while_nobody_knows_whose_the_parent_zone_is() {
        let mut snapshot = fixture::applied();
        snapshot.parent_zone = Parent::Unknown("AccessDenied".into());
        let mut unsigned = fixture::desired();
        unsigned.dnssec = false;
        let desired = fixture::desired();
        for plan in [
            plan::unsign(&unsigned, &snapshot),
            plan::rotate(&desired, &snapshot),
            plan::abort_rotation(&desired, &snapshot),
        ] {
            assert!(
                rules(&plan).contains(&"parent-zone-unknown"),
                "{:?}",
                plan.goal
            );
        }
        // What takes everything down refuses what is blocked.
        assert_eq!(rules(&destroy(&snapshot, false)), ["unreadable"]);
    }

    #[test]
    fn a_parent_that_does_not_answer_is_not_a_parent_without_ds() {
        let mut snapshot = fixture::applied();
        snapshot.parent = ParentView::Unknown("no answer".into());
        assert_eq!(rules(&destroy(&snapshot, false)), ["parent-unknown"]);
        let mut snapshot = fixture::applied();
        if let ParentView::Seen { servers, .. } = &mut snapshot.parent {
            servers[0].answer = Err("timed out".into());
        }
        assert_eq!(rules(&destroy(&snapshot, false)), ["parent-unknown"]);
    }

    #[test]
    fn foreign_records_need_the_flag_and_routing_policies_a_hand() {
        let mut snapshot = fixture::applied();
        let mut record = RecordSet {
            name: format!("www.{DOMAIN}."),
            rtype: "A".into(),
            ttl_secs: Some(60),
            values: vec!["192.0.2.1".into()],
            ..RecordSet::default()
        };
        let push = |snapshot: &mut Snapshot, record: &RecordSet| {
            if let Observation::Present(zone) = &mut snapshot.hosted_zone {
                zone.records.truncate(2);
                zone.records.push(record.clone());
            }
        };
        push(&mut snapshot, &record);
        assert_eq!(rules(&destroy(&snapshot, false)), ["foreign-records"]);
        assert!(rules(&destroy(&snapshot, true)).is_empty());
        record.policy = Some("set identifier eu".into());
        push(&mut snapshot, &record);
        assert_eq!(rules(&destroy(&snapshot, true)), ["routing-records"]);
    }

    #[test]
    fn the_keys_of_a_zone_of_others_are_not_touched_and_not_called_gone() {
        let mut snapshot = fixture::empty();
        let why =
            "a public zone that this tool did not make; `spore-infra adopt STACK` takes it over";
        snapshot.hosted_zone = Observation::Foreign(why.into(), None);
        let mut unsigned = fixture::desired();
        unsigned.dnssec = false;
        let desired = fixture::desired();
        for plan in [
            plan::unsign(&unsigned, &snapshot),
            plan::rotate(&desired, &snapshot),
            plan::abort_rotation(&desired, &snapshot),
        ] {
            assert_eq!(rules(&plan), ["foreign-zone"], "{:?}", plan.goal);
            assert!(plan.refusals[0].message.contains("adopt STACK"));
        }
    }

    #[test]
    fn zones_in_doubt_keep_key_and_journal() {
        let mut snapshot = fixture::applied();
        snapshot.hosted_zone =
            Observation::Foreign("2 public zones of this name exist".into(), None);
        snapshot.dnssec = Observation::Absent;
        assert_eq!(rules(&destroy(&snapshot, false)), ["key-in-doubt"]);
        snapshot.kms_key = Observation::Absent;
        let plan = destroy(&snapshot, false);
        assert_eq!(rules(&plan), ["zone-in-doubt"]);
        assert!(plan.refusals[0].message.contains("2 public zones"));
        // Without a journal nothing of this stack is left that could be lost.
        snapshot.journal_group = Observation::Absent;
        assert!(rules(&destroy(&snapshot, false)).is_empty());
    }

    #[test]
    fn a_document_does_not_unsign_a_zone() {
        let mut desired = fixture::desired();
        desired.dnssec = false;
        let plan = plan::converge(&desired, &fixture::applied());
        assert_eq!(rules(&plan), ["signing-off"]);
    }

    #[test]
    fn a_newer_tools_stack_is_left_alone() {
        let mut snapshot = fixture::applied();
        for (version, expected) in [
            ("0.0.9", &[][..]),
            ("0.1.0", &[]),
            ("99.0.0", &["newer-tool"]),
            ("2.0.0-rc.1", &["newer-tool"]),
            ("", &["newer-tool"]),
        ] {
            if let Observation::Present(journal) = &mut snapshot.journal_group {
                journal.tags.insert(TAG_VERSION.into(), version.into());
            }
            let plan = plan::converge(&fixture::desired(), &snapshot);
            assert_eq!(rules(&plan), expected, "{version}");
        }
    }
}
