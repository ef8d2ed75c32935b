//! DNSSEC signing of the zone as a whole. Its status is part of GetDNSSEC, so it is observed with the
//! key-signing keys.
//!
//! On only after a KSK is ACTIVE and in sync; off only when no parent server has a DS record and no
//! resolver can remember one. AWS: EnableHostedZoneDNSSEC, DisableHostedZoneDNSSEC.
//!
//! ```text
//! NOT_SIGNING --Enable--> SIGNING --Disable--> NOT_SIGNING
//!                 ^  |
//!                 |  +--(KMS key unusable)--> ACTION_NEEDED     cured at the key and its KSK
//!                 +------(AWS's fault)------ INTERNAL_FAILURE   cured by Enable again
//! ```

pub mod former;
pub mod known;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, change_id};
use crate::condition::{
    Condition, REMEMBERED_MAX, Served, Shown, Since, capped, later, remembered,
};
use crate::desired::Desired;
use crate::ds::Ds;
use crate::ds::keys::to_sign;
use crate::kind::hosted_zone::ttls;
use crate::kind::zone_signing::former::Former;
use crate::kind::{hosted_zone, journal_group};
use crate::plan::{After, Change, Draft, Field, Lowered, Others, Report, Risk, StepId, Symbol, of};
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, ParentView, Snapshot};

/// The least hold-down of a delegated zone (design, section 3), whatever small TTL was seen.
pub const HOLD_DOWN_MIN: Duration = Duration::from_secs(3_600);

/// The least hold-down when nobody wrote down a DS record's TTL while there was one: it is gone when the
/// hold-down is counted, and its TTL with it. A day is the TTL that com, net, org and edu give their DS
/// records; the parent's NS TTL may be shorter than that.
pub const HOLD_DOWN_UNSEEN: Duration = Duration::from_secs(86_400);

/// The largest TTL that counts, where it is not known.
const TTL_MAX_SECS: u64 = REMEMBERED_MAX.as_secs();

/// How long after its hold-down evidence is still believed. A DS record that came and went unseen in
/// between would be missed; a day covers an operator who comes back the next morning.
pub const EVIDENCE_SLACK: Duration = Duration::from_secs(86_400);

/// What the evidence says until signing is on every name server: no time, so that nobody counts from it.
const NOT_NOTED: &str = "not-noted";

/// A change of Route 53 is on every name server "usually within 60 seconds" (Route 53 API Reference,
/// GetChange); five times that where nobody looked.
pub const SYNC_MAX: Duration = Duration::from_secs(300);

/// What signing needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let zone = desired.addr(Kind::HostedZone);
    let ksk = desired.addr(Kind::Ksk);
    let status = match &snapshot.dnssec {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => "NOT_SIGNING",
        Observation::Present(live) => live.signing.as_str(),
    };
    let why = match status {
        "SIGNING" => return signing(addr, desired, snapshot),
        "NOT_SIGNING" => "the zone is not signed",
        "INTERNAL_FAILURE" => "Route 53 reports INTERNAL_FAILURE; enabling again is AWS's cure",
        // Route 53 cannot use a key; what is done to that key-signing key cures signing as well.
        "ACTION_NEEDED" if has_ailing_key(snapshot) => {
            return Lowered {
                report: vec![Report::HeldBack {
                    addr: addr.clone(),
                    by: ksk,
                }],
                ..Lowered::default()
            };
        }
        "ACTION_NEEDED" => {
            return super::blocked(
                addr,
                "Route 53 reports ACTION_NEEDED: it cannot use the KMS key of a key-signing key",
            );
        }
        "DELETING" => {
            return super::waiting(
                addr,
                "Route 53 is turning signing off; apply again when that is done",
            );
        }
        other => {
            return super::blocked(
                addr,
                format!("signing is in state {other}; wait and plan again"),
            );
        }
    };
    if let Some(elsewhere) = delegated_elsewhere(desired, snapshot) {
        return Lowered {
            report: vec![Report::External {
                addr: addr.clone(),
                what: format!(
                    "it {}: {}",
                    elsewhere.said(desired),
                    if crate::plan::tells_of_delegation(snapshot) {
                        "what is to be done is told under Next".to_owned()
                    } else {
                        elsewhere.way(desired)
                    }
                ),
                who: elsewhere.parent,
            }],
            ..Lowered::default()
        };
    }
    let early = vouched_early(desired, snapshot);
    if early.is_none()
        && let Some(why) = ttls::unseen(desired, snapshot)
    {
        let what = format!(
            "the old TTLs are waited out first, and that counts from when every name server has the low ones: {why}"
        );
        return super::waiting(addr, what);
    }
    let low_first = match status {
        // Validating resolvers refuse the zone as it is: nothing that a wait protects is left.
        "NOT_SIGNING" if early.is_none() => ttls::before_signing(desired, snapshot),
        _ => Ok(None),
    };
    let low_first = match low_first {
        Ok(condition) => condition,
        Err(why) => return super::blocked(addr, why),
    };
    let op = super::Op::ZoneSigning(Op::Enable {
        zone: of(&zone, Output::ZoneId),
    });
    let mut draft = Draft::new("enable", op)
        .after(After::AllOf(ksk))
        .after(After::Settled(StepId::new(&zone, "create")))
        .done(Condition::ChangeInSync);
    let mut drafts = Vec::new();
    // AWS's failure on a zone that was signed before changes nothing about what resolvers remember.
    let is_again = status != "NOT_SIGNING" && noted(snapshot).is_some_and(|since| since.is_ok());
    if known::may_be_known(snapshot) && !is_again {
        // A run that dies right after it turned signing on must not leave this unsaid.
        let not_yet = Arg::Known(NOT_NOTED.to_owned());
        let key = journal_group::EVIDENCE_SIGNED;
        let announce = journal_group::Op::remember(desired, key, not_yet);
        drafts.push(
            Draft::new("announce-signing", announce).after(After::Answered(StepId::new(
                &desired.addr(Kind::JournalGroup),
                "create",
            ))),
        );
        let key = journal_group::EVIDENCE_SIGNED_TTL;
        let ttl = Arg::Known(largest_when_signed(desired, snapshot).to_string());
        let ttl = journal_group::Op::remember(desired, key, ttl);
        let announced = After::Answered(StepId::new(addr, "announce-signing"));
        drafts.push(Draft::new("announce-ttl", ttl).after(announced));
        drafts.push(remember_signed(desired).after(After::Settled(StepId::new(addr, "enable"))));
        // What is noted is the end of unsigned answers, so it is seen and not believed.
        if let Some(zone) = snapshot.hosted_zone.present() {
            draft = draft.done(Condition::Served(Served {
                name_servers: zone.name_servers(&desired.domain),
                shows: Shown::Signed {
                    domain: desired.domain.clone(),
                },
            }));
        }
    }
    drafts.push(
        draft
            .after(After::Answered(StepId::new(addr, "announce-signing")))
            .after(After::Answered(StepId::new(addr, "announce-ttl"))),
    );
    // The others come after the first: what is announced is announced right before.
    if let Some(first) = drafts.first_mut() {
        first.ready_when.extend(low_first);
    }
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields: vec![Field::change("status", status, "SIGNING")],
            why: match early {
                Some(ds) => format!(
                    "{why}, and its parent publishes DS {ds} already: validating resolvers refuse every name in \
                     it until it is signed"
                ),
                None => format!(
                    "{why}; a signed zone stays insecure until its parent publishes the DS record"
                ),
            },
            risk: Risk::Safe,
        }),
        drafts,
        ..Lowered::default()
    }
}

/// Signing is on; since when may still have to be noted.
fn signing(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let journal = desired.addr(Kind::JournalGroup);
    let is_noted = match &snapshot.journal_group {
        // That says why, and what is noted there is not known.
        Observation::Unreadable(_) | Observation::Foreign(_, _) => true,
        Observation::Absent => lost_note(snapshot).is_empty(),
        Observation::Present(_) => noted(snapshot).is_none_or(|since| since.is_ok()),
    };
    if is_noted {
        return super::up_to_date(addr, Outputs::new());
    }
    if let Err(why) = &snapshot.served {
        return Lowered {
            report: vec![Report::Waiting {
                addr: addr.clone(),
                others: Others::GoOn,
                what: format!(
                    "{why}; since when the zone is signed is noted, by `spore-infra apply`, when every name \
                     server of it serves that"
                ),
            }],
            ..Lowered::default()
        };
    }
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields: vec![Field::new(
                format!("tags.{}", journal_group::EVIDENCE_SIGNED),
                Arg::Now.to_string(),
            )],
            why:
                "nothing shows since when the zone is signed, and resolvers may remember unsigned \
                  answers; the DS record has to wait for that"
                    .into(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            remember_signed(desired).after(After::Answered(StepId::new(&journal, "create"))),
        ],
        ..Lowered::default()
    }
}

/// The DS record of a key of ours that the parent has although the zone is not signed with it yet.
fn vouched_early(desired: &Desired, snapshot: &Snapshot) -> Option<Ds> {
    let coming = to_sign(desired, snapshot);
    let answers = snapshot.parent.all().unwrap_or_default();
    let mut records = answers.iter().flat_map(|answer| answer.records());
    records.find(|ds| coming.iter().any(|key| ds.matches(&desired.domain, key)))
}

/// Whether since when a signed zone is signed may still have to be noted: that was begun, or there is no
/// journal that would say.
pub fn is_to_be_noted(journal: &Observation<journal_group::Live>) -> bool {
    match journal {
        Observation::Absent => true,
        Observation::Present(journal) => {
            let since = journal.evidence(journal_group::EVIDENCE_SIGNED);
            since.is_some_and(|since| since.parse::<Timestamp>().is_err())
        }
        Observation::Foreign(_, _) | Observation::Unreadable(_) => false,
    }
}

/// What the journal says of when signing went on: nothing, something, or that it was not noted.
fn noted(snapshot: &Snapshot) -> Option<Result<Timestamp, jiff::Error>> {
    let journal = snapshot.journal_group.present()?;
    let since = journal.evidence(journal_group::EVIDENCE_SIGNED)?;
    Some(since.parse())
}

/// What a journal that is made anew must say of a zone that is signed already: the note is gone with the
/// old one, and resolvers may remember unsigned answers. Whoever vouches for the zone was not early.
pub fn lost_note(snapshot: &Snapshot) -> Vec<(String, String)> {
    let is_signed = snapshot
        .dnssec
        .present()
        .is_some_and(|live| live.signing != "NOT_SIGNING");
    let answers = snapshot.parent.all();
    let is_vouched_for =
        answers.is_ok_and(|answers| answers.iter().any(|answer| !answer.ds.is_empty()));
    if !is_signed || !known::may_be_known(snapshot) || is_vouched_for {
        return Vec::new();
    }
    let ttl = largest_ttl_secs(snapshot).to_string();
    vec![
        (
            journal_group::EVIDENCE_SIGNED.to_owned(),
            NOT_NOTED.to_owned(),
        ),
        (journal_group::EVIDENCE_SIGNED_TTL.to_owned(), ttl),
    ]
}

/// The largest TTL that the zone's records have when they are signed, after what this plan does to them.
fn largest_when_signed(desired: &Desired, snapshot: &Snapshot) -> u64 {
    let keys = snapshot.dnssec.present().map(|live| &live.keys[..]);
    let mut keys = keys.unwrap_or_default().iter();
    let is_lost = matches!(snapshot.journal_group, Observation::Absent)
        && keys.any(|key| desired.is_ksk_name(&key.name));
    match snapshot.hosted_zone.present() {
        // A run was here before, and what its journal said of the TTLs is gone with it.
        Some(zone) if is_lost && !zone.is_made_here(&desired.domain) => TTL_MAX_SECS,
        Some(zone) if zone.complete => ttls::largest_when_signed(desired, snapshot, zone),
        Some(_) | None => TTL_MAX_SECS,
    }
}

/// The largest TTL that the zone's records have; where not all were read, the largest there is.
fn largest_ttl_secs(snapshot: &Snapshot) -> u64 {
    let zone = snapshot.hosted_zone.present();
    let Some(zone) = zone.filter(|zone| zone.complete) else {
        return TTL_MAX_SECS;
    };
    let ttls = zone.records.iter().filter_map(|set| set.ttl_secs);
    ttls.max()
        .and_then(|ttl| u64::try_from(ttl).ok())
        .unwrap_or_default()
}

fn remember_signed(desired: &Desired) -> Draft {
    let key = journal_group::EVIDENCE_SIGNED;
    let remember = journal_group::Op::remember(desired, key, Arg::Now);
    Draft::new("remember-signed", remember)
}

/// Whether resolvers may hold answers of the zone as it is: it is delegated, or nobody can tell.
pub fn may_be_remembered(zone: &Observation<hosted_zone::Live>, parent: &ParentView) -> bool {
    zone.present().is_some()
        && parent.all().map_or(true, |answers| {
            answers.iter().any(|answer| !answer.name_servers.is_empty())
        })
}

/// What resolvers may remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Until when.
    pub until: Timestamp,
    /// Which.
    pub of: Old,
}

/// Which of what was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Old {
    /// Unsigned answers of the zone's own servers, and what is to be said of that besides.
    Answers(&'static str),
    /// Servers that had the zone before, and what those answered; in words.
    Servers(String),
}

impl Memory {
    /// Why a DS record has to wait.
    pub fn why(&self) -> String {
        let until = self.until;
        match &self.of {
            Old::Answers(besides) => format!(
                "the zone was delegated before it was signed, and resolvers may remember unsigned \
                 answers until {until:.0}{besides}"
            ),
            Old::Servers(words) => format!("{words}: until {until:.0}"),
        }
    }
}

/// Whether resolvers may hold unsigned answers of a zone that is signed by now: a DS record would make
/// those bogus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsigned {
    /// It was signed before anybody could ask for it, or that was long enough ago.
    No,
    /// Until then.
    Until(Memory),
    /// It can not be told; why, and what to do.
    Unknown(String),
}

impl Unsigned {
    /// Why a DS record has to wait, if it has to.
    pub fn why(&self) -> Option<String> {
        match self {
            Unsigned::No => None,
            Unsigned::Until(memory) => Some(memory.why()),
            Unsigned::Unknown(why) => Some(format!(
                "resolvers may remember answers of the zone that are not signed with its keys, nobody knows until when: \
                 {why}"
            )),
        }
    }
}

/// Whether resolvers may hold answers that a DS record of the zone's keys makes bogus: of its own servers from before it
/// was signed, or of those that had it before.
pub fn unsigned(desired: &Desired, snapshot: &Snapshot) -> Unsigned {
    match (
        unsigned_answers(snapshot),
        former::remembered_of(desired, snapshot),
    ) {
        (Unsigned::Unknown(why), _) | (_, Former::Unknown(why)) => Unsigned::Unknown(why),
        (answers, Former::None) => answers,
        (
            answers,
            Former::Remembered {
                since,
                lasts,
                words,
            },
        ) => {
            let until = later(since, lasts);
            let is_longer = !matches!(&answers, Unsigned::Until(memory) if memory.until >= until);
            if is_longer && snapshot.taken_at < until {
                Unsigned::Until(Memory {
                    until,
                    of: Old::Servers(words),
                })
            } else {
                answers
            }
        }
    }
}

/// Whether resolvers may hold unsigned answers (Route 53 Developer Guide, "Enabling DNSSEC signing and
/// establishing a chain of trust", has the zone's largest TTL waited out).
fn unsigned_answers(snapshot: &Snapshot) -> Unsigned {
    match &snapshot.journal_group {
        Observation::Present(_) => {}
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return Unsigned::Unknown(why.clone());
        }
        Observation::Absent if known::may_be_known(snapshot) => {
            let why = "there is no journal that says; `spore-infra apply` makes one";
            return Unsigned::Unknown(why.into());
        }
        Observation::Absent => return Unsigned::No,
    }
    if snapshot.hosted_zone.present().is_none() {
        return Unsigned::No;
    }
    // Whoever signs a zone whose TTLs were lowered for that, those of before have to run out.
    let by_lowering = match ttls::remembered(snapshot) {
        Ok(until) => until,
        Err(why) => return Unsigned::Unknown(why),
    };
    let by_signing = match noted(snapshot) {
        None => None,
        Some(Ok(since)) => Some(later(since, remembered_for(snapshot))),
        Some(Err(_)) => {
            let why = "nothing in the journal shows yet since when every name server has signed answers; \
                       `spore-infra apply` notes that";
            return Unsigned::Unknown(why.into());
        }
    };
    // Signing is still to come then, and what is asked for until it comes is remembered from there on.
    let is_off = snapshot
        .dnssec
        .present()
        .is_some_and(|live| live.signing == "NOT_SIGNING");
    let by_lowering = by_lowering.map(|until| {
        let largest = remembered(largest_ttl_secs(snapshot));
        if is_off {
            later(until.max(snapshot.taken_at), largest)
        } else {
            until
        }
    });
    let until = by_signing.max(by_lowering);
    until
        .filter(|until| snapshot.taken_at < *until)
        .map_or(Unsigned::No, |until| {
            let kept = snapshot.ttls.as_ref().ok().and_then(Option::as_ref);
            let lowered = kept.and_then(|kept| ttls::largest_secs(kept));
            let largest = signed_ttl_secs(snapshot).into_iter().chain(lowered).max();
            Unsigned::Until(Memory {
                until,
                of: Old::Answers(capped(largest.unwrap_or_default())),
            })
        })
}

/// How long resolvers may remember unsigned answers: the largest TTL of when signing came on. Lowering one
/// afterwards makes nobody forget sooner.
fn remembered_for(snapshot: &Snapshot) -> Duration {
    remembered(signed_ttl_secs(snapshot).unwrap_or(TTL_MAX_SECS))
}

fn signed_ttl_secs(snapshot: &Snapshot) -> Option<u64> {
    let journal = snapshot.journal_group.present()?;
    let ttl = journal.evidence(journal_group::EVIDENCE_SIGNED_TTL)?;
    ttl.parse().ok()
}

/// The same wait as a condition of a step; none where it is not signing that it counts from.
pub fn unsigned_hold_down(desired: &Desired, snapshot: &Snapshot) -> Option<Condition> {
    let by_signing = noted(snapshot).and_then(Result::ok).map(|since| {
        let besides = capped(signed_ttl_secs(snapshot).unwrap_or_default());
        let source = format!(
            "the zone was delegated before it was signed, and resolvers may remember unsigned \
             answers for the largest TTL of the zone{besides}"
        );
        (since, remembered_for(snapshot), source)
    });
    let by_servers = match former::remembered_of(desired, snapshot) {
        Former::Remembered {
            since,
            lasts,
            words,
        } => Some((since, lasts, words)),
        Former::None | Former::Unknown(_) => None,
    };
    let both = by_signing.into_iter().chain(by_servers);
    let (since, lasts, source) = both.max_by_key(|(since, lasts, _)| later(*since, *lasts))?;
    if ttls::remembered(snapshot).ok()? > Some(later(since, lasts)) {
        return None;
    }
    Some(Condition::HoldDown {
        since: Since::At(since),
        lasts,
        source,
    })
}

/// The parent sends resolvers to other servers than the zone's, as after a zone was deleted and made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Name of the parent zone.
    pub parent: String,
    /// To which servers.
    theirs: Vec<String>,
    /// The zone's own; none while there is no zone.
    ours: Vec<String>,
    /// DS records that some server of the parent has.
    ds: BTreeSet<String>,
    /// Their largest TTL.
    ds_ttl: Duration,
}

impl Elsewhere {
    /// What the parent does, without its name, and the zone's own servers.
    pub fn said(&self, desired: &Desired) -> String {
        let ours = if self.ours.is_empty() {
            "the new zone will have others".to_owned()
        } else {
            format!("the zone's name servers are {}", self.ours.join(", "))
        };
        let theirs = self.theirs.join(", ");
        format!("delegates {} to {theirs}, but {ours}", desired.domain)
    }

    /// The way to a zone that is answered and signed, in the order in which it is never bogus. What the zone's
    /// servers answer is unsigned, as Route 53 does not sign before the parent delegates to them; a DS record
    /// that stands then, or that a resolver remembers, makes each of these answers bogus (RFC 4035, section
    /// 5.2). So it goes first.
    pub fn way(&self, desired: &Desired) -> String {
        let delegate = "have the NS records corrected (`spore-infra handover --step delegate` writes the text)";
        let sign = if desired.dnssec {
            ", and then apply again, as Route 53 signs only once both agree"
        } else {
            ""
        };
        if self.ds.is_empty() {
            return format!("{delegate}{sign}");
        }
        let records: Vec<&str> = self.ds.iter().map(String::as_str).collect();
        format!(
            "first have DS {} taken out (`spore-infra handover --step ds-remove` writes the text), as with it \
             the zone would be bogus on its own servers; {} later, when no resolver holds it any more, \
             {delegate}{sign}",
            records.join("; "),
            crate::plan::span(self.ds_ttl)
        )
    }
}

/// That Route 53 does not sign the zone before its parent delegates to its servers.
pub fn awaits_delegation(desired: &Desired, snapshot: &Snapshot) -> Option<Elsewhere> {
    let dnssec = snapshot.dnssec.present()?;
    let is_off = desired.dnssec && dnssec.signing == "NOT_SIGNING";
    delegated_elsewhere(desired, snapshot).filter(|_| is_off)
}

/// Route 53 does not sign a zone that its parent delegates to other servers
/// (HostedZonePartiallyDelegated). Who must act, and both sets.
pub fn delegated_elsewhere(desired: &Desired, snapshot: &Snapshot) -> Option<Elsewhere> {
    let ParentView::Seen { zone: parent, .. } = &snapshot.parent else {
        return None;
    };
    let zone = snapshot.hosted_zone.known()?;
    let ours = zone
        .map(|zone| zone.name_servers(&desired.domain))
        .unwrap_or_default();
    let set = |servers: &[String]| servers.iter().cloned().collect::<BTreeSet<_>>();
    let answers = snapshot.parent.all().unwrap_or_default();
    let theirs = answers
        .iter()
        .map(|answer| &answer.name_servers)
        .find(|servers| !servers.is_empty() && set(servers) != set(&ours))?
        .clone();
    let ds_ttl = answers.iter().map(|answer| answer.ds_ttl_secs).max();
    Some(Elsewhere {
        parent: parent.clone(),
        theirs,
        ours,
        ds: answers
            .iter()
            .flat_map(|answer| answer.ds.clone())
            .collect(),
        ds_ttl: remembered(ds_ttl.unwrap_or_default().into()),
    })
}

fn has_ailing_key(snapshot: &Snapshot) -> bool {
    let keys = snapshot.dnssec.present().map(|live| &live.keys[..]);
    keys.unwrap_or_default()
        .iter()
        .any(|key| key.status != "ACTIVE")
}

/// Turning signing off. That no DS is left is a guard of the whole plan (`safety`); here is the wait
/// for resolvers that may remember one.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.dnssec {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => return Lowered::default(),
        Observation::Present(live) if live.signing == "NOT_SIGNING" => return Lowered::default(),
        Observation::Present(live) => live,
    };
    if let Observation::Unreadable(why) | Observation::Foreign(why, _) = &snapshot.journal_group {
        return super::blocked(
            addr,
            format!("the journal says how long resolvers may remember a DS record, but {why}"),
        );
    }
    let zone = desired.addr(Kind::HostedZone);
    let op = super::Op::ZoneSigning(Op::Disable {
        zone: of(&zone, Output::ZoneId),
    });
    let mut draft = Draft::new("disable", op).done(Condition::ChangeInSync);
    let mut drafts = Vec::new();
    if let Some((evidence, hold_down)) = hold_down(desired, snapshot) {
        drafts.extend(evidence);
        draft = draft.ready(hold_down);
    }
    drafts.push(draft);
    let answers = snapshot.parent.all();
    let is_let_go = answers.is_ok_and(|answers| answers.iter().all(|answer| answer.ds.is_empty()));
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Destroy,
            fields: vec![Field::change("status", &live.signing, "NOT_SIGNING")],
            why: if is_let_go {
                "no parent server has a DS record of this zone".into()
            } else {
                "the zone is not to be signed, once no parent server has a DS record of it".into()
            },
            risk: Risk::Outage,
        }),
        drafts,
        ..Lowered::default()
    }
}

/// The hold-down before signing may go off: none for a zone that no parent server delegates and that shows no
/// sign of having been delegated ([`known`]); otherwise from the evidence, or from now and then with evidence written first. It lasts as long as
/// the largest TTL seen of a DS record.
pub fn hold_down(desired: &Desired, snapshot: &Snapshot) -> Option<(Option<Draft>, Condition)> {
    let kept = match snapshot.journal_group.present() {
        Some(_) => Evidence::Kept,
        None => Evidence::Lost,
    };
    hold_down_of(&desired.addr(Kind::ZoneSigning), desired, snapshot, kept)
}

/// The same for a step of another resource, in a plan that makes the journal first where there is none.
pub fn hold_down_for(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
) -> Option<(Option<Draft>, Condition)> {
    hold_down_of(addr, desired, snapshot, Evidence::Kept)
}

/// Whether what a run writes down is there for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Kept,
    Lost,
}

fn hold_down_of(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    kept: Evidence,
) -> Option<(Option<Draft>, Condition)> {
    let answers = snapshot.parent.all().unwrap_or_default();
    let ns_ttl = answers
        .iter()
        .map(|answer| answer.ns_ttl_secs)
        .max()
        .unwrap_or(0);
    let delegated = answers.iter().any(|answer| !answer.name_servers.is_empty());
    let journal = snapshot.journal_group.present();
    let seen = journal
        .and_then(|journal| journal.evidence(journal_group::EVIDENCE_DS_GONE))
        .and_then(|time| time.parse::<Timestamp>().ok());
    // Of what nobody has seen delegated nothing is remembered: it goes at once.
    if !delegated && seen.is_none() && !known::is_noted(snapshot) {
        return None;
    }
    let ns_ttl = ns_ttl.max(
        journal
            .and_then(journal_group::Live::delegated_ttl_secs)
            .unwrap_or(0),
    );
    let gone = if delegated {
        ""
    } else {
        ", although no parent server delegates the zone any more"
    };
    let secs = |ttl: u32| remembered(ttl.into());
    let besides = |ttl: u32| capped(ttl.into());
    let (lasts, source) = match journal.and_then(journal_group::Live::ds_ttl_secs) {
        Some(ttl) => (
            secs(ttl).max(HOLD_DOWN_MIN),
            format!(
                "resolvers may remember a DS record for its TTL, of which {ttl} s was the largest \
                 seen{gone}; at least one hour{}",
                besides(ttl)
            ),
        ),
        None if ns_ttl == 0 => (
            HOLD_DOWN_UNSEEN,
            format!("resolvers may remember a DS record, whose TTL was not seen{gone}: for a day"),
        ),
        None => (
            secs(ns_ttl).max(HOLD_DOWN_UNSEEN),
            format!(
                "resolvers may remember a DS record, whose TTL was not seen{gone}: for the parent's \
                 NS TTL of {ns_ttl} s, at least one day{}",
                besides(ns_ttl)
            ),
        ),
    };
    let seen = seen.filter(|since| {
        *since <= snapshot.taken_at && snapshot.taken_at <= later(*since, lasts + EVIDENCE_SLACK)
    });
    Some(match seen {
        Some(time) => (
            None,
            Condition::HoldDown {
                since: Since::At(time),
                lasts,
                source,
            },
        ),
        // Without a journal there is nowhere to keep evidence: this run has to wait it out.
        None if kept == Evidence::Lost => {
            let since = Since::At(snapshot.taken_at);
            let source = format!(
                "{source}; the journal is gone, so only one run can wait for it: pass --wait"
            );
            (
                None,
                Condition::HoldDown {
                    since,
                    lasts,
                    source,
                },
            )
        }
        None => {
            let journal = desired.addr(Kind::JournalGroup);
            let step = StepId {
                addr: addr.clone(),
                name: "remember-ds-gone",
            };
            let op =
                journal_group::Op::remember(desired, journal_group::EVIDENCE_DS_GONE, Arg::Now);
            let draft =
                Draft::new(step.name, op).after(After::Answered(StepId::new(&journal, "create")));
            let since = Since::Answered(step);
            (
                Some(draft),
                Condition::HoldDown {
                    since,
                    lasts,
                    source,
                },
            )
        }
    })
}

/// Mutations of signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// EnableHostedZoneDNSSEC.
    Enable {
        /// Zone id.
        zone: Arg,
    },
    /// DisableHostedZoneDNSSEC.
    Disable {
        /// Zone id.
        zone: Arg,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Enable { zone } => Op::Enable { zone: f(zone) },
            Op::Disable { zone } => Op::Disable { zone: f(zone) },
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Enable { .. } => "route53:EnableHostedZoneDNSSEC",
            Op::Disable { .. } => "route53:DisableHostedZoneDNSSEC",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Enable { .. } => "turning signing on",
            Op::Disable { .. } => "turning signing off",
        }
    }
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    let change = match op {
        Op::Enable { zone } => {
            let call = write
                .route53
                .enable_hosted_zone_dnssec()
                .hosted_zone_id(zone.value());
            call.send().await.or_fail(action)?.change_info
        }
        Op::Disable { zone } => {
            let call = write
                .route53
                .disable_hosted_zone_dnssec()
                .hosted_zone_id(zone.value());
            match call.send().await.or_fail(action) {
                Ok(answer) => answer.change_info,
                Err(failure) if failure.code == "DNSSECNotFound" => None,
                Err(failure) if failure.class == Class::Gone => None,
                Err(failure) => return Err(failure),
            }
        }
    };
    Ok(change_id(change))
}

#[cfg(test)]
mod tests;
