//! Name servers that had the zone before it came here: how long resolvers may still ask them.
//!
//! A resolver asks the servers that it remembers, and not those that the parent has by now. It may have got the
//! parent's NS set right before that was changed, and use it for its TTL; right before that ends it may get the NS set
//! that the former servers have themselves, which outranks the parent's (RFC 2181, section 5.4.1) and has a TTL of
//! its own; and right before that ends an answer, which it keeps for the TTL of that. What former servers answer is
//! unsigned, or signed with their keys: with a DS record of a key of ours it is bogus (RFC 4035, section 5). So before
//! one is published all three have to run out, one after the other. That former servers prolong their own NS set
//! for ever is kept out by resolvers ("ghost domains", CVE-2012-1033).
//!
//! The three TTLs are noted by runs that see the parent delegate elsewhere; since when it delegates to nobody else, by
//! the first that sees that. Both are in the journal, and what is noted later waits longer. Who moved a zone without
//! any run in between left no note: of a zone that this tool did not make that is assumed. One that it made was
//! nobody else's before, or a run saw it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::{HOLD_DOWN_MIN, HOLD_DOWN_UNSEEN, Memory, Old};
use crate::arg::Arg;
use crate::condition::{capped, later, remembered};
use crate::desired::Desired;
use crate::kind::journal_group::{EVIDENCE_FORMER, EVIDENCE_FORMER_GONE};
use crate::kind::{hosted_zone, journal_group};
use crate::plan::span;
use crate::snapshot::{Delegated, Observation, ParentView, Snapshot};

/// TTL of an NS set that nobody saw: two days, which com and net give theirs, and Route 53 those in its zones.
const NS_TTL_UNSEEN_SECS: u32 = 172_800;

/// What the journal has instead of a time while the parent delegates elsewhere.
const NOT_GONE: &str = "not-gone";

/// For how long resolvers may go on with what the former servers and the parent gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttls {
    /// The parent's NS set.
    parents: u32,
    /// The one that the servers themselves have.
    own: u32,
    /// Their other answers.
    answers: u32,
}

impl Ttls {
    /// As the journal has it. What cannot be read was not seen.
    fn parse(text: &str) -> Self {
        let mut parts = text.split(' ').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten().unwrap_or(NS_TTL_UNSEEN_SECS);
        Self {
            parents: next(),
            own: next(),
            answers: next(),
        }
    }

    /// The larger of each.
    fn max(self, other: Self) -> Self {
        Self {
            parents: self.parents.max(other.parents),
            own: self.own.max(other.own),
            answers: self.answers.max(other.answers),
        }
    }

    /// How long all of it lasts.
    pub fn lasts(self) -> Duration {
        let parts = [self.parents, self.own, self.answers];
        parts.into_iter().map(|ttl| remembered(ttl.into())).sum()
    }

    fn words(self) -> String {
        let part = |ttl: u32| span(remembered(ttl.into()));
        let largest = self.parents.max(self.own).max(self.answers);
        format!(
            "resolvers may remember the NS set of the former servers, as the parent had it, for {}, then the one that \
             these servers have for {}, and then what they answered, of which not all was asked for, for {}{}",
            part(self.parents),
            part(self.own),
            part(self.answers),
            capped(largest.into())
        )
    }
}

impl fmt::Display for Ttls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.parents, self.own, self.answers)
    }
}

/// What is remembered of former servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Former {
    /// Nothing.
    None,
    /// Something, for so long.
    Remembered {
        /// Since when the parent delegates to nobody else.
        since: Timestamp,
        /// How long after that.
        lasts: Duration,
        /// Why, for people.
        words: String,
    },
    /// It is not noted yet since when; why, and what to do.
    Unknown(String),
}

fn delegating(parent: &ParentView) -> impl Iterator<Item = &Delegated> {
    let servers = match parent {
        ParentView::Seen { servers, .. } => servers.as_slice(),
        ParentView::Unknown(_) => &[],
    };
    // One server that answers is enough to know that there are others.
    let answers = servers
        .iter()
        .filter_map(|server| server.answer.as_ref().ok());
    answers.filter(|answer| !answer.name_servers.is_empty())
}

/// The zone's own name servers; none while there is no zone, and nothing where that cannot be told.
fn ours(desired: &Desired, zone: &Observation<hosted_zone::Live>) -> Option<BTreeSet<String>> {
    let servers = zone.known()?.map(|zone| zone.name_servers(&desired.domain));
    Some(servers.unwrap_or_default().into_iter().collect())
}

/// The servers to which the parent delegates, and that are not the zone's.
pub fn others(
    desired: &Desired,
    zone: &Observation<hosted_zone::Live>,
    parent: &ParentView,
) -> BTreeSet<String> {
    let Some(ours) = ours(desired, zone) else {
        return BTreeSet::new();
    };
    let named = delegating(parent).flat_map(|answer| &answer.name_servers);
    named
        .filter(|name| !ours.contains(*name))
        .cloned()
        .collect()
}

/// What is to be seen of a delegation to others; none where there is none, or nobody answers there.
pub fn seen(desired: &Desired, snapshot: &Snapshot) -> Option<Ttls> {
    let theirs = snapshot.theirs.as_ref()?;
    let ours = ours(desired, &snapshot.hosted_zone)?;
    let shown = delegating(&snapshot.parent)
        .filter(|answer| answer.name_servers.iter().any(|name| !ours.contains(name)))
        .map(|answer| answer.ns_ttl_secs);
    // Where it is ours to write, what it has is known before its servers have it.
    let kept = snapshot.parent_zone.zone().and_then(|live| live.ns());
    let kept = kept.and_then(|set| u32::try_from(set.ttl_secs?).ok());
    // Not every name there is known, so that most of what they answer was not asked for.
    let least = u32::try_from(HOLD_DOWN_UNSEEN.as_secs()).unwrap_or_default();
    Some(Ttls {
        parents: shown.chain(kept).max().unwrap_or(NS_TTL_UNSEEN_SECS),
        own: theirs.ns_ttl_secs.unwrap_or(NS_TTL_UNSEEN_SECS),
        answers: theirs.ttl_secs.unwrap_or_default().max(least),
    })
}

/// What the journal says of others.
fn noted(snapshot: &Snapshot) -> Option<Ttls> {
    let journal = snapshot.journal_group.present()?;
    journal.evidence(EVIDENCE_FORMER).map(Ttls::parse)
}

fn gone_since(snapshot: &Snapshot) -> Option<Timestamp> {
    let journal = snapshot.journal_group.present()?;
    journal.evidence(EVIDENCE_FORMER_GONE)?.parse().ok()
}

/// What is to be noted of others that the parent delegates to: in one call, so that no run finds the new TTLs
/// with a time of before.
pub fn to_note(desired: &Desired, snapshot: &Snapshot) -> Vec<(&'static str, Arg)> {
    let Some(seen) = seen(desired, snapshot) else {
        return Vec::new();
    };
    let noted = noted(snapshot);
    let all = noted.map_or(seen, |noted| noted.max(seen));
    let is_back = gone_since(snapshot).is_some();
    let mut evidence = Vec::new();
    if noted != Some(all) || is_back {
        evidence.push((EVIDENCE_FORMER, Arg::Known(all.to_string())));
    }
    if is_back {
        evidence.push((EVIDENCE_FORMER_GONE, Arg::Known(NOT_GONE.to_owned())));
    }
    evidence
}

/// Whether this is the first sight of a parent that delegates to nobody else, and that is to be noted.
pub fn is_gone_to_be_noted(desired: &Desired, snapshot: &Snapshot) -> bool {
    let Some(zone) = snapshot.hosted_zone.present() else {
        return false;
    };
    let Ok(answers) = snapshot.parent.all() else {
        return false;
    };
    let ours: BTreeSet<String> = zone.name_servers(&desired.domain).into_iter().collect();
    let leads_here = |answer: &&Delegated| {
        !ours.is_empty() && answer.name_servers.iter().cloned().collect::<BTreeSet<_>>() == ours
    };
    if answers.is_empty() || !others(desired, &snapshot.hosted_zone, &snapshot.parent).is_empty() {
        return false;
    }
    let is_here = answers.iter().all(leads_here);
    match &snapshot.journal_group {
        Observation::Present(_) if gone_since(snapshot).is_some() => false,
        Observation::Present(_) => {
            noted(snapshot).is_some() || is_here && !zone.is_made_here(&desired.domain)
        }
        // A zone is older than its journal only where that was lost, and with it what runs saw.
        Observation::Absent => is_here,
        Observation::Foreign(_, _) | Observation::Unreadable(_) => false,
    }
}

/// What resolvers may remember of former servers, against a DS record.
pub fn remembered_of(desired: &Desired, snapshot: &Snapshot) -> Former {
    let Some(zone) = snapshot.hosted_zone.present() else {
        return Former::None;
    };
    if snapshot.journal_group.present().is_none() {
        return Former::None;
    }
    let (noted, since) = (noted(snapshot), gone_since(snapshot));
    let not_noted = |who: &str| {
        Former::Unknown(format!(
            "{who}, and nothing in the journal shows yet since when every server of the parent zone delegates to the \
             zone's own only; `spore-infra apply` notes that"
        ))
    };
    let when = |since: Timestamp| {
        format!("that the parent delegates to the zone's servers only was first seen at {since:.0}")
    };
    match (noted, since) {
        (Some(ttls), Some(since)) => {
            return Former::Remembered {
                since,
                lasts: ttls.lasts(),
                words: format!("{}; {}", ttls.words(), when(since)),
            };
        }
        (Some(_), None) => return not_noted("the zone was delegated to other servers"),
        (None, Some(_) | None) => {}
    }
    // What is only assumed counts for nothing against a parent that has vouched for the zone since before.
    let answers = snapshot.parent.all();
    let is_vouched_for =
        |answers: &Vec<&Delegated>| answers.iter().any(|answer| !answer.ds.is_empty());
    if answers.as_ref().is_ok_and(is_vouched_for) {
        return Former::None;
    }
    if let Some(since) = since {
        let parents = delegating(&snapshot.parent).map(|answer| answer.ns_ttl_secs);
        let ttl = parents.max().unwrap_or_default().max(NS_TTL_UNSEEN_SECS);
        let lasts = remembered(ttl.into());
        return Former::Remembered {
            since,
            lasts,
            words: format!(
                "nobody saw which servers the zone had before, and resolvers may remember an NS set of others for {}; {}",
                span(lasts),
                when(since)
            ),
        };
    }
    let is_nowhere = answers.is_ok_and(|answers| {
        let mut answers = answers.iter();
        answers.all(|answer| answer.name_servers.is_empty())
    });
    if zone.is_made_here(&desired.domain) || is_nowhere {
        Former::None
    } else {
        not_noted("the zone may have been delegated to other servers")
    }
}

/// What resolvers may remember of DS records that the parent had while it delegates elsewhere: whoever does takes what
/// the zone's servers answer, unsigned or signed with their own keys, for bogus (RFC 4035, section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// Nothing that runs saw; or they are there, which is told with the delegation.
    No,
    /// That they are gone is to be noted first.
    ToNote,
    /// That, until then.
    Until(Memory),
}

/// The same, by the journal and what the parent shows.
pub fn vouched(desired: &Desired, snapshot: &Snapshot) -> Vouched {
    let Some(journal) = snapshot.journal_group.present() else {
        return Vouched::No;
    };
    let (Ok(answers), Some(secs)) = (snapshot.parent.all(), journal.ds_ttl_secs()) else {
        return Vouched::No;
    };
    let is_there = answers.iter().any(|answer| !answer.ds.is_empty());
    // Where nobody answers there is nothing that a change would break.
    if is_there
        || snapshot.theirs.is_none()
        || others(desired, &snapshot.hosted_zone, &snapshot.parent).is_empty()
    {
        return Vouched::No;
    }
    let gone = journal.evidence(journal_group::EVIDENCE_DS_GONE);
    match gone.and_then(|since| since.parse::<Timestamp>().ok()) {
        Some(since) => {
            let until = later(since, remembered(secs.into()).max(HOLD_DOWN_MIN));
            if snapshot.taken_at >= until {
                return Vouched::No;
            }
            Vouched::Until(Memory {
                until,
                of: Old::Servers(format!(
                    "resolvers may remember a DS record that is gone from the parent since {since:.0}, for its TTL, of \
                     which {secs} s was the largest seen, at least an hour, and take what other servers than those of \
                     before answer for bogus"
                )),
            })
        }
        // What the parent had while it led here was of the zone's own keys, and these still sign.
        None if is_signed(snapshot) => Vouched::No,
        None => Vouched::ToNote,
    }
}

fn is_signed(snapshot: &Snapshot) -> bool {
    let dnssec = snapshot.dnssec.present();
    dnssec.is_some_and(|dnssec| dnssec.signing == "SIGNING")
}

/// Whether since when no DS record is there is kept, although who applies takes nothing down.
pub fn keeps_ds_gone(desired: &Desired, snapshot: &Snapshot) -> bool {
    !others(desired, &snapshot.hosted_zone, &snapshot.parent).is_empty()
}

/// What the journal keeps of it, for people.
pub fn told(journal: &journal_group::Live) -> Option<String> {
    let ttls = Ttls::parse(journal.evidence(EVIDENCE_FORMER)?);
    let since = journal
        .evidence(EVIDENCE_FORMER_GONE)
        .and_then(|since| since.parse::<Timestamp>().ok());
    let now = match since {
        Some(since) => format!("to the zone's servers only since {since:.0}"),
        None => "and is, as far as runs saw".to_owned(),
    };
    Some(format!(
        "the zone was delegated to other servers, {now}; {}",
        ttls.words()
    ))
}

/// How long a wait after a move of the zone is going to be, by what is seen and noted now.
pub fn to_come(desired: &Desired, snapshot: &Snapshot) -> Option<Duration> {
    let seen = seen(desired, snapshot)?;
    let all = noted(snapshot).map_or(seen, |noted| noted.max(seen));
    Some(all.lasts())
}

#[cfg(test)]
mod tests;
