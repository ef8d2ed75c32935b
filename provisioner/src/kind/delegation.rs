//! The delegation: the zone's NS and DS records in its parent zone, where the parent is a hosted zone
//! that this tool may write. Everywhere else the parent's people act, and nothing here does.
//!
//! Natural key: the record sets of the zone's name in the parent zone. AWS has no tags on records, so
//! nothing shows who made them: what differs from what this stack needs is somebody else's, and is
//! never overwritten. Sets are made by CREATE and taken out by a DELETE that names them exactly, so that
//! AWS itself refuses when they are no longer what they were. AWS: ListHostedZonesByName, GetHostedZone,
//! ListResourceRecordSets, ChangeResourceRecordSets.
//!
//! ```text
//! (nothing) --zone signed, served--> NS --every server shows NS and signs--> NS, DS
//!     ^                              | ^                                       |
//!     +--signing off, keys gone------+ +--first step of destroy and disable----+
//! ```
//!
//! The DS record needs what DNS shows after the NS set is there, and a teardown what it shows after the
//! DS record is gone: these are plans of their own, which one command carries out one after the other.

mod adopt;
mod down;
mod observe;
mod perform;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::condition::{Condition, Since};
use crate::desired::Desired;
use crate::ds::judgement::{Fit, Keys, Trust, fit, judge};
use crate::ds::keys::{Whose, unread, whose};
use crate::ds::not_yet::{NotYet, not_yet};
use crate::ds::{DigestType, DnsKey, Ds};
use crate::kind::hosted_zone::RecordSet;
use crate::kind::ksk::Key;
use crate::kind::zone_signing::{self, SYNC_MAX};
use crate::plan::{After, Change, Draft, Field, Lowered, Plan, Report, Risk, StepId, Symbol, of};
use crate::snapshot::{Observation, ParentView, Snapshot};

pub use adopt::{adopt, not_adoptable};
pub use down::{destroy, ds_first, is_withdrawn_by_us, only_unvouches, zone_hold_down};
pub use observe::observe;
pub use perform::perform;
pub use turn::{has_arrived, held, is_published, publish};

/// TTL of the NS set that this tool makes: who has asked nobody but the parent forgets it as soon after a
/// mistake. Route 53's own NS set in the zone has two days, which is more than a first delegation needs.
pub const NS_TTL_SECS: i64 = 3_600;
/// TTL of the DS set that this tool makes, so that a mistake is soon over (Route 53 Developer Guide,
/// "Enabling DNSSEC signing and establishing a chain of trust", step 8).
pub const DS_TTL_SECS: i64 = 300;

/// Most records that a message names.
const NAMED_MAX: usize = 10;

/// What there is of a parent zone to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// None: somebody outside has the parent zone.
    External,
    /// Every server of the parent shows what it should, so that nobody asked whose it is.
    Settled,
    /// A zone of the parent's name that is not the one the world uses; the text says how that shows.
    Unused(String),
    /// It could not be told; the text says why.
    Unknown(String),
    /// The zone that the world uses.
    Zone(Live),
}

/// The parent zone as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Its id, without `/hostedzone/`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The stack's name as Route 53 writes it, with a dot at its end.
    pub child: String,
    /// Whose role writes it, when it is in another account.
    pub role: Option<String>,
    /// Its record sets at and below the stack's name: the first page, which begins with the name's own.
    pub sets: Vec<RecordSet>,
}

impl Parent {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        match self {
            Parent::External | Parent::Settled | Parent::Unused(_) => BTreeMap::new(),
            Parent::Unknown(_) => BTreeMap::from([("unreadable".to_owned(), String::new())]),
            Parent::Zone(live) => {
                let mut attributes = BTreeMap::from([("zone".to_owned(), live.id.clone())]);
                for set in [live.ns(), live.ds()].into_iter().flatten() {
                    attributes.insert(set.rtype.clone(), shown(set));
                }
                attributes
            }
        }
    }

    /// The zone, when it can be written.
    pub fn zone(&self) -> Option<&Live> {
        match self {
            Parent::Zone(live) => Some(live),
            Parent::External | Parent::Settled | Parent::Unused(_) | Parent::Unknown(_) => None,
        }
    }
}

impl Live {
    /// The NS set of the stack's name.
    pub fn ns(&self) -> Option<&RecordSet> {
        self.own("NS")
    }

    /// The DS set of the stack's name.
    pub fn ds(&self) -> Option<&RecordSet> {
        self.own("DS")
    }

    fn own(&self, rtype: &str) -> Option<&RecordSet> {
        self.sets
            .iter()
            .find(|set| set.rtype == rtype && set.name == self.child)
    }

    /// What a delegation would hide: everything at and below the name but its NS and DS sets.
    fn hidden(&self) -> Vec<String> {
        let is_delegation =
            |set: &RecordSet| set.name == self.child && matches!(set.rtype.as_str(), "NS" | "DS");
        let hidden = self.sets.iter().filter(|set| !is_delegation(set));
        hidden
            .map(|set| format!("{} {}", set.name, set.rtype))
            .collect()
    }

    /// The zone in words: where to look, and by whose right.
    pub fn words(&self) -> String {
        match &self.role {
            None => format!("zone {} ({}) of this account", self.name, self.id),
            Some(role) => format!("zone {} ({}) by role {role}", self.name, self.id),
        }
    }
}

fn shown(set: &RecordSet) -> String {
    let mut values = set.values.clone();
    values.sort();
    values.join("; ")
}

/// Whether the parent's servers show everything as it should be, so that there is nothing to write.
pub fn is_settled(
    desired: &Desired,
    servers: &[String],
    dnssec: Option<&[Key]>,
    parent: &ParentView,
) -> bool {
    let Ok(answers) = parent.all() else {
        return false;
    };
    let ours: BTreeSet<&String> = servers.iter().collect();
    let keys = dnssec.unwrap_or_default();
    let dnskeys: Vec<DnsKey> = keys
        .iter()
        .filter_map(|key| DnsKey::parse(&key.dnskey).ok())
        .collect();
    let is_of_key = |text: &String| {
        let ds = Ds::parse(text);
        ds.is_ok_and(|ds| dnskeys.iter().any(|key| ds.matches(&desired.domain, key)))
    };
    let wanted = usize::from(desired.dnssec);
    !ours.is_empty()
        && keys.len() == wanted
        && !answers.is_empty()
        && answers.iter().all(|answer| {
            answer.name_servers.iter().collect::<BTreeSet<_>>() == ours
                && answer.ds.is_empty() != desired.dnssec
                && answer.ds.iter().all(is_of_key)
        })
}

/// Whether an NS set of the parent names exactly the servers of the stack's zone.
pub fn delegates_to_us(desired: &Desired, snapshot: &Snapshot, set: &RecordSet) -> bool {
    let Some(zone) = snapshot.hosted_zone.present() else {
        return false;
    };
    names(set, &zone.name_servers(&desired.domain))
}

/// Whether an NS set names exactly these servers.
pub fn names(set: &RecordSet, servers: &[String]) -> bool {
    let plain = |value: &String| value.trim_end_matches('.').to_lowercase();
    let servers: BTreeSet<String> = servers.iter().cloned().collect();
    set.policy.is_none()
        && set.alias.is_none()
        && !servers.is_empty()
        && set.values.iter().map(plain).collect::<BTreeSet<_>>() == servers
}

/// The records of a DS set that are of no key of this stack, by the judgement that every command uses. One
/// of a key that ails is the stack's all the same: that key is cured.
fn strange(desired: &Desired, snapshot: &Snapshot, set: &RecordSet) -> Vec<String> {
    strange_ds(desired, snapshot, &set.values)
}

/// The same of records from wherever they were seen.
fn strange_ds(desired: &Desired, snapshot: &Snapshot, records: &[String]) -> Vec<String> {
    let keys = Keys::of(desired, snapshot);
    let is_ours = |value: &&String| {
        Ds::parse(value).is_ok_and(|ds| match fit(&desired.domain, &keys, &ds) {
            Fit::Good | Fit::Failing | Fit::Resting => true,
            // Nobody can tell: what is not known to be ours is not ours to change.
            Fit::Untold | Fit::Strange | Fit::WrongDigest | Fit::UnknownKind | Fit::Stale => false,
        })
    };
    let records = records.iter();
    records.filter(|record| !is_ours(record)).cloned().collect()
}

/// What a DS set with records of others does to the zone, in words.
fn harm(desired: &Desired, snapshot: &Snapshot, set: &RecordSet) -> &'static str {
    let records: Vec<Ds> = set
        .values
        .iter()
        .filter_map(|value| Ds::parse(value).ok())
        .collect();
    match judge(&desired.domain, &Keys::of(desired, snapshot), &records).trust {
        Trust::Bogus => "validating resolvers take every name in it for bogus",
        Trust::Disputed => {
            "validating resolvers that heed only the strongest digest type take every name in it for bogus"
        }
        Trust::Secure | Trust::Weak | Trust::Failing => {
            "validating resolvers find a key by another record as yet"
        }
        Trust::Untold => "what validating resolvers make of them cannot be told",
        Trust::Unusable | Trust::None => "validating resolvers know none of these",
    }
}

/// The DS record of a key, with the digest that every validator knows (RFC 8624, section 3.3).
fn ds_of(desired: &Desired, key: &Key) -> Option<String> {
    let dnskey = DnsKey::parse(&key.dnskey).ok()?;
    Some(dnskey.ds(&desired.domain, DigestType::Sha256).to_string())
}

/// What the delegation needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let live = match &snapshot.parent_zone {
        Parent::External | Parent::Settled => return Lowered::default(),
        Parent::Unused(what) => return warning(addr, what.clone()),
        Parent::Unknown(why) => return super::blocked(addr, why),
        Parent::Zone(live) => live,
    };
    match live.ns() {
        None => delegate(addr, desired, snapshot, live),
        Some(set) if delegates_to_us(desired, snapshot, set) => {
            vouch(addr, desired, snapshot, live)
        }
        Some(set) => foreign(addr, desired, snapshot, (live, set)),
    }
}

/// An NS set of somebody's that leads elsewhere.
fn foreign(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    (live, set): (&Live, &RecordSet),
) -> Lowered {
    let domain = &desired.domain;
    let theirs = format!("{} delegates {domain} to {}", live.words(), shown(set));
    match &snapshot.hosted_zone {
        Observation::Present(zone) => super::blocked(
            addr,
            format!(
                "{theirs}, but the zone's name servers are {}; nothing shows who made that, so it is not \
                 overwritten: `{}` replaces it, or delete or correct that NS set, and apply again",
                zone.name_servers(domain).join("; "),
                adoption::COMMAND
            ),
        ),
        // What to write there is known when the zone is.
        Observation::Absent => warning(
            addr,
            format!(
                "{theirs}, and the new zone will have others; nothing shows who made that, so it is not \
                 overwritten"
            ),
        ),
        Observation::Foreign(_, _) | Observation::Unreadable(_) => Lowered {
            report: vec![Report::HeldBack {
                addr: addr.clone(),
                by: desired.addr(Kind::HostedZone),
            }],
            ..Lowered::default()
        },
    }
}

/// Names for a message, so many that people still read them.
fn some(names: &[String]) -> String {
    let shown = names.get(..NAMED_MAX).unwrap_or(names);
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn warning(addr: &Addr, what: String) -> Lowered {
    Lowered {
        report: vec![Report::Warning {
            addr: addr.clone(),
            what,
        }],
        ..Lowered::default()
    }
}

/// The NS set, once the zone is there, signed if it is to be, and answered for.
fn delegate(addr: &Addr, desired: &Desired, snapshot: &Snapshot, live: &Live) -> Lowered {
    let domain = &desired.domain;
    if let Some(set) = live.ds() {
        let why = format!(
            "{} has a DS record of {domain} without a delegation: {}; delete it and apply again",
            live.words(),
            shown(set)
        );
        return super::blocked(addr, why);
    }
    let hidden = live.hidden();
    if !hidden.is_empty() {
        let why = format!(
            "{} has records that a delegation of {domain} would hide: {}; move them into the zone {domain} \
             or delete them, and apply again",
            live.words(),
            some(&hidden)
        );
        return super::blocked(addr, why);
    }
    let answers = snapshot.parent.all().unwrap_or_default();
    if let Some(other) = answers
        .iter()
        .find(|answer| !answer.name_servers.is_empty())
    {
        let what = format!(
            "{} has no NS set of {domain}, but a server of it still answers with one: {}; apply again \
             when that change has arrived, usually within a minute",
            live.words(),
            other.name_servers.join(", ")
        );
        return super::waiting(addr, what);
    }
    let zone = desired.addr(Kind::HostedZone);
    let servers = of(&zone, Output::NameServers);
    let told = match snapshot.hosted_zone.present() {
        Some(zone) => zone.name_servers(domain).join("; "),
        None => servers.to_string(),
    };
    let op = super::Op::Delegation(Op::Delegate {
        parent: live.id.clone(),
        domain: domain.clone(),
        name_servers: servers,
        ttl_secs: NS_TTL_SECS,
    });
    // Who resolves the name the moment it is delegated gets signed answers, so that the DS record has
    // nothing to wait for.
    let mut draft = Draft::new("delegate", op)
        .after(After::Settled(StepId::new(&zone, "create")))
        .after(After::AllOf(desired.addr(Kind::Ksk)))
        .after(After::AllOf(desired.addr(Kind::ZoneSigning)))
        .done(Condition::ChangeInSync);
    if let Err(why) = &snapshot.served {
        draft = draft.ready(Condition::HoldDown {
            since: Since::At(snapshot.taken_at),
            lasts: SYNC_MAX,
            source: format!("{why}; Route 53's changes are on every name server by then"),
        });
    }
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields: vec![
                Field::new("zone", format!("{} ({})", live.name, live.id)),
                Field::new("NS", told),
                Field::new("NS.ttl", NS_TTL_SECS.to_string()),
            ],
            why: format!(
                "it writes into another zone, {}: without its NS set nobody finds {domain}{}",
                live.words(),
                if desired.dnssec {
                    "; the DS record follows when every name server shows it"
                } else {
                    ""
                }
            ),
            risk: Risk::Brief,
        }),
        drafts: vec![draft],
        ..Lowered::default()
    }
}

/// The DS set, once nobody can take the zone for bogus by it.
fn vouch(addr: &Addr, desired: &Desired, snapshot: &Snapshot, live: &Live) -> Lowered {
    let up_to_date = || super::up_to_date(addr, Outputs::new());
    let dnssec = match &snapshot.dnssec {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => None,
        Observation::Present(dnssec) => Some(dnssec),
    };
    if let Some(set) = live.ds() {
        let strange = strange(desired, snapshot, set);
        if !strange.is_empty()
            && let Some(why) = unread(snapshot)
        {
            return super::blocked(addr, why);
        }
        return if strange.is_empty() && set.policy.is_none() {
            up_to_date()
        } else {
            let why = format!(
                "{} has DS records of {} that are of no key of this stack: {}; {}. Nothing shows who made \
                 them, so they are not overwritten: delete them there, and apply again",
                live.words(),
                desired.domain,
                some(&strange),
                harm(desired, snapshot, set)
            );
            super::blocked(addr, why)
        };
    }
    // Keys that are being made or turned are vouched for by a later plan, those of others by others.
    let key = match dnssec.map(|dnssec| &dnssec.keys[..]) {
        Some([key]) if desired.dnssec && whose(desired, snapshot, key) != Whose::Stranger => key,
        Some(_) | None => return up_to_date(),
    };
    let held = |why: &str| {
        let what = format!(
            "the DS record of {} is not published yet: {why}",
            desired.domain
        );
        super::waiting(addr, what)
    };
    let hold_down = match not_yet(desired, snapshot, key) {
        None => None,
        Some(why @ NotYet::Remembered { .. }) => {
            match zone_signing::unsigned_hold_down(desired, snapshot) {
                Some(hold_down) => Some(hold_down),
                None => return held(&why.to_string()),
            }
        }
        // What this very plan does about it, the next one builds on.
        Some(why @ (NotYet::Key { .. } | NotYet::Signing(_) | NotYet::Delegation { .. })) => {
            return held(&why.to_string());
        }
        Some(why @ (NotYet::Unknown(_) | NotYet::Unserved(_) | NotYet::Leaving { .. })) => {
            return held(&format!("{why}; {}", why.remedy()));
        }
    };
    let answers = match snapshot.parent.all() {
        Ok(answers) => answers,
        Err(why) => return held(&why),
    };
    let Some(zone) = snapshot.hosted_zone.present() else {
        return up_to_date();
    };
    let servers: BTreeSet<String> = zone.name_servers(&desired.domain).into_iter().collect();
    let is_delegated = answers
        .iter()
        .all(|answer| answer.name_servers.iter().cloned().collect::<BTreeSet<_>>() == servers);
    if !is_delegated || answers.iter().any(|answer| !answer.ds.is_empty()) {
        return held(
            "a change of the parent zone is not on each of its servers; apply again in a minute",
        );
    }
    if let Err(why) = &snapshot.served {
        return held(&format!("{why}; apply again in some minutes"));
    }
    let Some(record) = ds_of(desired, key) else {
        return held(
            "Route 53 shows no DNSKEY record of the key-signing key; apply again in a minute",
        );
    };
    let set = RecordSet {
        name: format!("{}.", desired.domain),
        rtype: "DS".into(),
        ttl_secs: Some(DS_TTL_SECS),
        values: vec![record.clone()],
        ..RecordSet::default()
    };
    let op = super::Op::Delegation(Op::Edit {
        parent: live.id.clone(),
        before: None,
        after: Some(Box::new(set)),
    });
    let mut draft = Draft::new("publish-ds", op)
        .after(After::AllOf(desired.addr(Kind::Ksk)))
        .after(After::AllOf(desired.addr(Kind::ZoneSigning)))
        .done(Condition::ChangeInSync);
    draft.ready_when.extend(hold_down);
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields: vec![
                Field::new("DS", record),
                Field::new("DS.ttl", DS_TTL_SECS.to_string()),
            ],
            why: format!(
                "it writes into another zone, {}: from then on validating resolvers insist on signatures \
                 of {}, which every name server of the zone has",
                live.words(),
                key.name
            ),
            risk: Risk::Outage,
        }),
        drafts: vec![draft],
        ..Lowered::default()
    }
}

/// Whether a plan writes into the parent zone.
pub fn is_written_by(plan: &Plan) -> bool {
    let mut steps = plan.steps.iter();
    steps.any(|step| matches!(step.op, super::Op::Delegation(_)))
}

/// Mutations of the parent zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// ChangeResourceRecordSets: CREATE of the NS set.
    Delegate {
        /// Id of the parent zone.
        parent: String,
        /// The delegated name.
        domain: String,
        /// Its name servers, separated by blanks.
        name_servers: Arg,
        /// TTL of the set.
        ttl_secs: i64,
    },
    /// ChangeResourceRecordSets: one set becomes another, if it still is what it was.
    Edit {
        /// Id of the parent zone.
        parent: String,
        /// As it was when this was decided; none if there was none.
        before: Option<Box<RecordSet>>,
        /// As it is to be; none if it is to go.
        after: Option<Box<RecordSet>>,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Delegate {
                parent,
                domain,
                name_servers,
                ttl_secs,
            } => Op::Delegate {
                parent: parent.clone(),
                domain: domain.clone(),
                name_servers: f(name_servers),
                ttl_secs: *ttl_secs,
            },
            Op::Edit { .. } => self.clone(),
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Delegate { .. } | Op::Edit { .. } => "route53:ChangeResourceRecordSets",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Delegate { .. } => "delegating",
            Op::Edit { before: None, .. } => "publishing",
            Op::Edit { after: None, .. } => "withdrawing",
            Op::Edit { .. } => "replacing",
        }
    }
}

#[cfg(test)]
mod tests;
