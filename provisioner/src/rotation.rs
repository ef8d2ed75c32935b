//! The rotation of the key-signing key, as what is left to do of it.
//!
//! ```text
//! one KSK --make the second--> two KSKs --parent adds the DS--> both vouched for
//!    ^                             |                                   |
//!    +------------ abort ----------+                        parent removes the old DS
//!                                                                      |
//! one KSK <--old KSK down, its KMS key's deletion scheduled-- hold-down of the old DS
//! ```
//!
//! Both keys sign the DNSKEY set from the beginning to the last hold-down, so that whatever DS set a
//! resolver remembers, one of its records leads to a key that signs (the double-KSK method, RFC 7583,
//! section 3.3.1, with both DS records side by side as in RFC 6781, section 4.1.2). Nothing is kept
//! besides live AWS: the old key is the one made first, and since when something has been so is
//! evidence in the journal.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output};
use crate::condition::{Condition, Since, later, remembered};
use crate::desired::Desired;
use crate::ds::judgement::{Judgement, Keys, Published, Trust};
use crate::ds::keys::{Whose, is_gone, unread, unusable, whose};
use crate::ds::not_yet::{NotYet, not_yet};
use crate::ds::{DigestType, DnsKey, Ds, DsError};
use crate::handover::pick;
use crate::kind::delegation::{self, Parent};
use crate::kind::hosted_zone::RecordSet;
use crate::kind::journal_group::{self, EVIDENCE_DS_GONE};
use crate::kind::ksk::{self, Key};
use crate::kind::zone_signing::{self, EVIDENCE_SLACK, HOLD_DOWN_MIN, SYNC_MAX, Unsigned};
use crate::kind::{Op, hosted_zone, kms_key};
use crate::plan::{After, Change, Draft, Field, Lowered, Others, Report, Risk, StepId, Symbol, of};
use crate::safety::{PARENT_LAGS, PARENT_UNKNOWN, Refusal};
use crate::snapshot::{Delegated, Observation, ParentView, Snapshot};

mod gate;
mod loss;
mod turn;

pub use gate::{JUST_ROTATED, PAST_ABORT, just_rotated, may_abort};
use gate::{not_whole, unfounded};
use loss::Lost;
pub use loss::way_after_loss;
pub use turn::{ABORT_WAYS, Turn, command, goes_on, is_given_up, is_to_be_noted, turn};
use turn::{both_since, times};

/// Evidence: since when every name server of the zone has had the second key-signing key.
pub const EVIDENCE_NEXT: &str = "spore:ksk-next-since";
/// Evidence: since when every parent server has had the DS records of both keys.
pub const EVIDENCE_BOTH: &str = "spore:ds-both-since";
/// Evidence: since when no parent server has had the DS record of the old key.
pub const EVIDENCE_OLD_GONE: &str = "spore:ds-old-gone-since";

/// Evidence: since when no parent server has had the DS record of the new key, in a rotation that is
/// given up.
pub const EVIDENCE_NEXT_GONE: &str = "spore:ds-next-gone-since";

/// Evidence: since when the rotation is being given up.
pub const EVIDENCE_ABORT: &str = "spore:ksk-abort-since";

/// Evidence: when the old key of the last rotation was taken down. It stays, as nothing else shows what a KMS key was
/// whose deletion is scheduled.
pub const EVIDENCE_ROTATED: &str = "spore:ksk-rotated-at";

/// All that is over with a rotation, with the step that forgets each.
pub const EVIDENCE: [(&str, &str); 6] = [
    (EVIDENCE_NEXT, "forget-next"),
    (EVIDENCE_BOTH, "forget-both"),
    (EVIDENCE_OLD_GONE, "forget-old-gone"),
    (EVIDENCE_NEXT_GONE, "forget-next-gone"),
    (EVIDENCE_DS_GONE, "forget-ds-gone"),
    (EVIDENCE_ABORT, "forget-abort"),
];

/// The step that notes that a rotation is given up.
const NOTE_ABORT: &str = "note-abort";

/// TTL of the DNSKEY set that Route 53 serves (ASSUMPTIONS.md, A-33).
pub const DNSKEY_TTL: Duration = Duration::from_secs(3_600);

/// Why the new key is waited for.
const NEXT_SOURCE: &str = "resolvers may remember a DNSKEY set without the new key for its TTL";

/// Where a rotation stands, by the zone's keys.
enum Stage<'a> {
    /// One key, and no trace of a rotation.
    One(&'a Key),
    /// One key, which is the new one; the old one's KMS key or evidence is left.
    Ended(&'a Key),
    /// Both.
    Two { old: &'a Key, new: &'a Key },
}

fn stage(snapshot: &Snapshot) -> Option<Stage<'_>> {
    let keys = &snapshot.dnssec.present()?.keys;
    match &keys[..] {
        [one] if evidence(snapshot, EVIDENCE_NEXT).is_some() => Some(Stage::Ended(one)),
        [one] => Some(Stage::One(one)),
        [a, b] => {
            let is_a_older = (a.created, &a.name) <= (b.created, &b.name);
            let (old, new) = if is_a_older { (a, b) } else { (b, a) };
            Some(Stage::Two { old, new })
        }
        _ => None,
    }
}

fn evidence(snapshot: &Snapshot, key: &str) -> Option<Timestamp> {
    let journal = snapshot.journal_group.present()?;
    journal.evidence(key)?.parse().ok()
}

/// What the parent's servers publish, judged as everywhere else.
fn judged<'a>(desired: &'a Desired, snapshot: &Snapshot, answers: &[&Delegated]) -> Published<'a> {
    let keys = Keys::of(desired, snapshot);
    let sets = answers.iter().map(|answer| answer.records());
    Published::of(&desired.domain, &keys, sets)
}

/// Which of the two keys' records the parent's servers have.
struct Vouched {
    /// Whether any has a DS record at all.
    any: bool,
    old_somewhere: bool,
    old_everywhere: bool,
    new_somewhere: bool,
    /// One on each server that the new key can stand on alone.
    new_everywhere: bool,
}

fn vouched(published: &Published<'_>, old: &Key, new: &Key) -> Vouched {
    let (old, new) = (DnsKey::parse(&old.dnskey), DnsKey::parse(&new.dnskey));
    let is = |key: &Result<DnsKey, DsError>, so: fn(&Published<'_>, &DnsKey) -> bool| {
        key.as_ref().is_ok_and(|key| so(published, key))
    };
    Vouched {
        any: published.sets.iter().any(|set| set.trust != Trust::None),
        old_somewhere: is(&old, |all, key| all.is_somewhere(key)),
        old_everywhere: is(&old, |all, key| all.is_everywhere(key)),
        new_somewhere: is(&new, |all, key| all.is_somewhere(key)),
        new_everywhere: is(&new, |all, key| all.stands_everywhere(key)),
    }
}

/// The wait until no resolver remembers a DS record of a key.
fn ds_hold_down(key: &Key, since: Since, lasts: Duration) -> Condition {
    Condition::HoldDown {
        since,
        lasts,
        source: format!(
            "resolvers may remember the DS record of {} for its TTL, of which {} s was the largest \
             seen; at least one hour",
            key.name,
            lasts.as_secs()
        ),
    }
}

/// The DS records of a key that the parent's servers show, as lines of a zone file.
fn published(desired: &Desired, answers: &[&Delegated], key: &Key) -> Vec<String> {
    let Ok(dnskey) = DnsKey::parse(&key.dnskey) else {
        return Vec::new();
    };
    let shown: BTreeSet<&String> = answers.iter().flat_map(|answer| &answer.ds).collect();
    let of_key =
        |text: &&&String| Ds::parse(text).is_ok_and(|ds| ds.matches(&desired.domain, &dnskey));
    shown
        .iter()
        .filter(of_key)
        .map(|text| format!("{}. IN DS {text}", desired.domain))
        .collect()
}

/// The command that asks for the key's records to be taken out.
fn remove_command(
    desired: &Desired,
    snapshot: &Snapshot,
    answers: &[&Delegated],
    key: &Key,
) -> String {
    let published = judged(desired, snapshot, answers);
    let key = DnsKey::parse(&key.dnskey);
    let is_its = |ds: &&Ds| {
        key.as_ref()
            .is_ok_and(|key| ds.matches(&desired.domain, key))
    };
    let records: Vec<&Ds> = published.records().into_iter().filter(is_its).collect();
    pick::command(records, &published)
}

/// The largest TTL under which a resolver may hold a DS record of the zone.
pub fn ds_ttl(snapshot: &Snapshot, answers: &[&Delegated]) -> Duration {
    let journal = snapshot.journal_group.present();
    let noted = journal.and_then(journal_group::Live::ds_ttl_secs);
    let shown = answers.iter().map(|answer| answer.ds_ttl_secs).max();
    let secs = noted.max(shown).unwrap_or_default();
    remembered(secs.into()).max(HOLD_DOWN_MIN)
}

/// What stands against rotating at all.
pub fn fit(desired: &Desired, snapshot: &Snapshot) -> Option<Refusal> {
    if let Some(Stage::Two { old, new }) = stage(snapshot) {
        let lost = loss::of(snapshot, old, new);
        if lost == Some(Lost::New)
            && let Some(why) = way_after_loss(desired, snapshot)
        {
            return Some(Refusal {
                rule: "key-lost",
                addr: desired.addr(Kind::Ksk),
                message: format!("{why} (nothing was changed)"),
            });
        }
        // What an apply leaves to this command comes first: it cannot finish before.
        if lost == Some(Lost::Old) || unusable(snapshot, new) == Some("PendingDeletion") {
            return stands_against(desired, snapshot, unfounded(snapshot));
        }
    }
    stands_against(desired, snapshot, not_whole(snapshot))
}

/// The same, with what an apply has to finish first.
fn stands_against(
    desired: &Desired,
    snapshot: &Snapshot,
    not_whole: Option<String>,
) -> Option<Refusal> {
    let refusal = |rule, message: String| {
        Some(Refusal {
            rule,
            addr: desired.addr(Kind::Ksk),
            message,
        })
    };
    if !desired.dnssec {
        let why = "the document says `[dnssec] enabled = false`; `spore-infra dnssec disable` turns signing off and \
                   takes every key down (nothing was changed)";
        return refusal("not-to-be-signed", why.to_owned());
    }
    if let Some(why) = kms_key::lost(desired, snapshot) {
        return refusal("key-lost", format!("{why} (nothing was changed)"));
    }
    let keys = snapshot.dnssec.present().map(|dnssec| &dnssec.keys[..]);
    let mut keys = keys.unwrap_or_default().iter();
    let is_strange = |key: &&Key| whose(desired, snapshot, key) == Whose::Stranger;
    if let Some(foreign) = keys.find(is_strange) {
        let message = ksk::stranger(desired, snapshot, foreign);
        return refusal("foreign-ksk", format!("{message} (nothing was changed)"));
    }
    if let Some(why) = not_whole {
        let message = format!("{why}; have `spore-infra apply` finish first (nothing was changed)");
        return refusal("not-converged", message);
    }
    if let Some(why) = unread(snapshot) {
        return refusal("ksk-unread", format!("{why} (nothing was changed)"));
    }
    let answers = match snapshot.parent.all() {
        Ok(answers) => answers,
        Err(why) => {
            let message = format!(
                "cannot tell which DS records of {} the parent zone has: {why}; nothing was changed; \
                 try again when the parent's servers answer",
                desired.domain
            );
            return refusal(PARENT_UNKNOWN, message);
        }
    };
    if !delegation::has_arrived(snapshot, &answers) {
        let message = format!(
            "a change of the DS records of {} is on its way to the servers of the parent zone, and what comes \
             next depends on what they show; run this again in a minute (nothing was changed)",
            desired.domain
        );
        return refusal(PARENT_LAGS, message);
    }
    let published = judged(desired, snapshot, &answers);
    let right = to_vouch_for(desired, snapshot, &answers)
        .and_then(|key| DnsKey::parse(&key.dnskey).ok())
        .map(|key| key.ds(&desired.domain, DigestType::Sha256));
    if let Some(at_once) = pick::at_once(&published, right.as_ref(), false) {
        return refusal("wrong-ds", format!("{at_once} (nothing was changed)"));
    }
    let (old, new) = match stage(snapshot)? {
        Stage::One(key) | Stage::Ended(key) => (key, key),
        Stage::Two { old, new } => (old, new),
    };
    let keys = [&old.dnskey, &new.dnskey].map(|text| DnsKey::parse(text));
    let is_ours = |ds: &Ds| {
        let mut keys = keys.iter().flatten();
        keys.any(|key| ds.matches(&desired.domain, key))
    };
    let is_strange = |set: &&Judgement| {
        set.trust != Trust::None && !set.records.iter().any(|(ds, _)| is_ours(ds))
    };
    let strange = published.sets.iter().find(is_strange)?;
    let strange: Vec<String> = strange
        .records
        .iter()
        .map(|(ds, _)| ds.to_string())
        .collect();
    let message = format!(
        "a parent server has DS records of {} of which none is of its keys: {}; have them \
         replaced by what `spore-infra ds` prints first (nothing was changed)",
        desired.domain,
        strange.join("; ")
    );
    refusal("wrong-ds", message)
}

/// The key whose record may be published now, by what Route 53, KMS and the journal show. Of two it is the old
/// one until the new one's time has come: every resolver that knows the zone's keys knows it.
fn to_vouch_for<'a>(
    desired: &Desired,
    snapshot: &'a Snapshot,
    answers: &[&Delegated],
) -> Option<&'a Key> {
    let key = match stage(snapshot)? {
        Stage::One(key) | Stage::Ended(key) => key,
        Stage::Two { old, new } => {
            let (from, _) = times(desired, snapshot, answers).add_from;
            if snapshot.taken_at >= from { new } else { old }
        }
    };
    let is_ready = key.status == "ACTIVE"
        && unusable(snapshot, key).is_none()
        && snapshot.served.is_ok()
        && zone_signing::unsigned(desired, snapshot) == Unsigned::No;
    is_ready.then_some(key)
}

/// The record of a key for the parent zone, with a digest as it has them.
fn ds_line(desired: &Desired, snapshot: &Snapshot, key: &Key) -> String {
    let answers = snapshot.parent.all().unwrap_or_default();
    let digest = judged(desired, snapshot, &answers).digest();
    let ds = DnsKey::parse(&key.dnskey).map(|dnskey| dnskey.ds(&desired.domain, digest));
    let shown = ds.map_or_else(|_| key.ds.clone(), |ds| ds.to_string());
    format!("{}. IN DS {shown}", desired.domain)
}

/// The drafts of a rotation, by the resource they belong to.
struct Drafts<'a> {
    desired: &'a Desired,
    snapshot: &'a Snapshot,
    zone: Arg,
    key: Lowered,
    ksk: Lowered,
    journal: Lowered,
    signing: Lowered,
    /// The parent's records, where we can write them.
    parent: Lowered,
    /// Evidence that this plan writes down.
    remembered: BTreeSet<&'static str>,
}

/// What is left of a rotation; from one key, its beginning.
pub fn rotate(desired: &Desired, snapshot: &Snapshot) -> Vec<(Addr, Lowered)> {
    let Some(mut drafts) = Drafts::new(desired, snapshot) else {
        return Vec::new();
    };
    match stage(snapshot) {
        None => {}
        Some(Stage::One(key)) => drafts.begin(key),
        Some(Stage::Ended(key)) => drafts.end(key),
        Some(Stage::Two { old, new }) => drafts.turn(old, new),
    }
    drafts.lowered()
}

/// The second key taken away again.
pub fn abort(desired: &Desired, snapshot: &Snapshot) -> Vec<(Addr, Lowered)> {
    let Some(mut drafts) = Drafts::new(desired, snapshot) else {
        return Vec::new();
    };
    match stage(snapshot) {
        Some(Stage::Two { old, new }) => drafts.give_up(old, new),
        Some(Stage::One(key) | Stage::Ended(key)) => drafts.end(key),
        None => {}
    }
    drafts.lowered()
}

impl<'a> Drafts<'a> {
    fn new(desired: &'a Desired, snapshot: &'a Snapshot) -> Option<Self> {
        let zone = snapshot.hosted_zone.present()?;
        Some(Self {
            desired,
            snapshot,
            zone: Arg::Known(zone.id.clone()),
            key: Lowered::default(),
            ksk: Lowered::default(),
            journal: Lowered::default(),
            signing: Lowered::default(),
            parent: Lowered::default(),
            remembered: BTreeSet::new(),
        })
    }

    fn lowered(self) -> Vec<(Addr, Lowered)> {
        let addr = |kind| self.desired.addr(kind);
        vec![
            (
                addr(Kind::HostedZone),
                hosted_zone::as_it_is(self.desired, self.snapshot),
            ),
            (addr(Kind::KmsKey), self.key),
            (addr(Kind::Ksk), self.ksk),
            (addr(Kind::ZoneSigning), self.signing),
            (addr(Kind::Delegation), self.parent),
            (addr(Kind::JournalGroup), self.journal),
        ]
    }

    fn ksk_addr(&self) -> Addr {
        self.desired.addr(Kind::Ksk)
    }

    fn ksk_step(&self, name: &'static str) -> StepId {
        StepId::new(&self.ksk_addr(), name)
    }

    /// A key that an interrupted beginning made: ours, without alias, used by no key-signing key.
    fn spares(&self) -> Vec<&'a str> {
        let used = |arn: &str| {
            let keys = self.snapshot.dnssec.present().map(|dnssec| &dnssec.keys);
            keys.into_iter().flatten().any(|key| key.kms_arn == arn)
        };
        let live = self.snapshot.kms_key.present();
        live.map(|live| &live.twins[..])
            .unwrap_or_default()
            .iter()
            .filter(|(arn, state)| state == "Enabled" && !used(arn))
            .map(|(arn, _)| arn.as_str())
            .collect()
    }

    /// The second key: a KMS key as the first, and a key-signing key of the other name.
    fn begin(&mut self, old: &Key) {
        let desired = self.desired;
        let key_addr = desired.addr(Kind::KmsKey);
        let [first, second] = desired.ksk_names();
        let name = if old.name == first { second } else { first };
        let kms_arn = match self.spares().first() {
            Some(spare) => {
                let arn = Arg::Known((*spare).to_owned());
                // Made by this tool, but perhaps by a version with another policy.
                self.key
                    .drafts
                    .push(kms_key::policy_draft(desired, arn.clone()));
                arn
            }
            None => {
                self.key
                    .drafts
                    .push(kms_key::create_draft(&key_addr, desired, self.snapshot));
                of(&key_addr, Output::KeyArn)
            }
        };
        self.key.change = Some(Change {
            addr: key_addr.clone(),
            symbol: Symbol::Create,
            fields: vec![
                Field::new("next", kms_arn.to_string()),
                Field::new("spec", "ECC_NIST_P256"),
            ],
            why: "a key-signing key is as old as its KMS key, which KMS cannot renew".into(),
            risk: Risk::Safe,
        });
        let op = ksk::Op::Create {
            zone: self.zone.clone(),
            name: name.clone(),
            kms_arn,
        };
        self.ksk.drafts.push(
            Draft::new("create-next", Op::Ksk(op))
                .after(After::AllOf(key_addr))
                .done(Condition::ChangeInSync),
        );
        self.ksk.change = Some(Change {
            addr: self.ksk_addr(),
            symbol: Symbol::Update,
            fields: vec![Field::new(format!("{name}.status"), "ACTIVE")],
            why: format!(
                "{} gets a successor; both sign until the parent has let go of the old one",
                old.name
            ),
            risk: Risk::Safe,
        });
        self.remember("remember-next", EVIDENCE_NEXT, Some("create-next"));
        match self.snapshot.parent_zone {
            // Whoever can write the parent zone goes on by itself.
            Parent::Zone(_) if delegation::held(desired, self.snapshot).is_some() => return,
            // Nobody asked whose it is while it had nothing to be changed.
            Parent::Settled => {
                return self.external(format!(
                    "once {name} is there, the new key's DS record goes beside the old one, not before its \
                     DNSKEY set has run out everywhere ({} s after this run): `spore-infra ksk rotate` puts it \
                     there where that zone is ours to write, and prints it where it is not",
                    DNSKEY_TTL.as_secs()
                ));
            }
            Parent::Zone(_) | Parent::External | Parent::Unused(_) | Parent::Unknown(_) => {}
        }
        self.external(format!(
            "once {name} is there, it adds the new key's DS record beside the old one, not before its \
             DNSKEY set has run out everywhere ({} s after this run); `spore-infra ksk rotate` then \
             prints it",
            DNSKEY_TTL.as_secs()
        ));
    }

    /// The new key goes again. Whether a resolver remembers a DS set with its record alone, nobody
    /// knows: the parent may have been asked, and have taken it back, between two runs.
    fn give_up(&mut self, old: &Key, new: &Key) {
        // Whoever looks meanwhile is not to ask for the new key's record.
        if !is_given_up(self.snapshot) {
            self.remember(NOTE_ABORT, EVIDENCE_ABORT, None);
        }
        if let Some(set) = delegation::held(self.desired, self.snapshot)
            && delegation::is_published(self.desired, set, new)
        {
            // Since when its record is gone is counted from after this.
            self.forget(&EVIDENCE[3..4]);
            let why = format!("{} alone is vouched for again", old.name);
            return self.publish("take-back-ds", (set, &[old]), Vec::new(), &why);
        }
        let answers = self.snapshot.parent.all().unwrap_or_default();
        let published = judged(self.desired, self.snapshot, &answers);
        let ready = if vouched(&published, old, new).any {
            let ds_ttl = ds_ttl(self.snapshot, &answers);
            let since = self.since_gone("remember-next-gone", EVIDENCE_NEXT_GONE, ds_ttl);
            vec![ds_hold_down(new, since, ds_ttl)]
        } else {
            self.unvouched()
        };
        self.take_down(new, &ready, "the rotation is given up");
        self.forget(&EVIDENCE);
    }

    /// The wait for what resolvers may remember of a zone that no parent server vouches for by now.
    fn unvouched(&mut self) -> Vec<Condition> {
        let Some((evidence, hold_down)) = zone_signing::hold_down(self.desired, self.snapshot)
        else {
            return Vec::new();
        };
        if evidence.is_some() {
            self.remembered.insert(EVIDENCE_DS_GONE);
        }
        self.signing.drafts.extend(evidence);
        vec![hold_down]
    }

    /// Since when a DS record is gone, by evidence that is still to be believed, or from now on.
    fn since_gone(&mut self, step: &'static str, key: &'static str, ds_ttl: Duration) -> Since {
        let now = self.snapshot.taken_at;
        let known = evidence(self.snapshot, key)
            .filter(|since| *since <= now && now <= later(*since, ds_ttl + EVIDENCE_SLACK));
        if let Some(time) = known {
            return Since::At(time);
        }
        self.remember(step, key, None);
        let journal = self.desired.addr(Kind::JournalGroup);
        Since::Answered(StepId::new(&journal, step))
    }

    /// Two keys: whatever comes next by what the parent vouches for.
    fn turn(&mut self, old: &Key, new: &Key) {
        let desired = self.desired;
        let answers = self.snapshot.parent.all().unwrap_or_default();
        let seen = vouched(&judged(desired, self.snapshot, &answers), old, new);
        if is_gone(self.snapshot, new) {
            return;
        }
        if let (Some(state), "ACTIVE") = (unusable(self.snapshot, new), new.status.as_str()) {
            // Route 53 says so a day or more later only, and signs with it no more.
            self.cure(new);
            self.ksk.report.push(Report::Waiting {
                addr: self.ksk_addr(),
                others: Others::GoOn,
                what: format!(
                    "the KMS key of {} is {state}; the parent keeps what it has until that is cured: run \
                     `spore-infra ksk rotate` again afterwards",
                    new.name
                ),
            });
            return;
        }
        if new.status != "ACTIVE" {
            self.activate(new);
            return self.remember("remember-next", EVIDENCE_NEXT, Some("activate-next"));
        }
        // A key that is gone signs no more. That the alias has left it shows nothing: it went with the key.
        if old.status != "ACTIVE" && !is_gone(self.snapshot, old) {
            // The alias moves when every hold-down of the old key is over.
            let is_over = self.is_aliased(new) && !seen.old_somewhere;
            return if is_over {
                self.retire(old, new, &[])
            } else {
                // Somebody took it down too early: resolvers may have nothing but its DS record.
                self.activate(old)
            };
        }
        let next_since = evidence(self.snapshot, EVIDENCE_NEXT);
        if next_since.is_none() {
            self.remember("remember-next", EVIDENCE_NEXT, None);
            // The run that made the key died before its change was in sync.
            if let (Err(why), Some(draft)) = (&self.snapshot.served, self.journal.drafts.last_mut())
            {
                draft.ready_when.push(Condition::HoldDown {
                    since: Since::At(self.snapshot.taken_at),
                    lasts: SYNC_MAX,
                    source: format!("{why}; Route 53's changes are on every name server by then"),
                });
            }
        }
        // Who goes on has not given up.
        self.forget(&EVIDENCE[3..4]);
        self.forget(&EVIDENCE[5..6]);
        if !seen.any {
            let ready = self.unvouched();
            return self.retire(old, new, &ready);
        }
        if let Err(why) = &self.snapshot.served {
            self.ksk.report.push(Report::Waiting {
                addr: self.ksk_addr(),
                others: Others::GoOn,
                what: format!(
                    "{} stays, and the parent keeps what it has, while {why}; run `spore-infra ksk \
                     rotate` again in some minutes",
                    old.name
                ),
            });
            return;
        }
        let times = times(self.desired, self.snapshot, &answers);
        let held = delegation::held(desired, self.snapshot);
        if !seen.new_everywhere {
            self.forget(&EVIDENCE[1..3]);
            let early = not_yet(desired, self.snapshot, new);
            // As long as nobody knows until when, there is no time to be named.
            if let Some(why) = &early
                && !matches!(why, NotYet::Remembered { .. })
            {
                self.ksk.report.push(Report::Waiting {
                    addr: self.ksk_addr(),
                    others: Others::GoOn,
                    what: format!(
                        "the DS record of {} is not to be added yet: {why}; {}, and then `spore-infra ksk rotate`",
                        new.name,
                        why.remedy()
                    ),
                });
                return;
            }
            if let Some(set) = held {
                let mut ready = vec![self.next_hold_down(next_since)];
                if early.is_some() {
                    ready.extend(zone_signing::unsigned_hold_down(
                        self.desired,
                        self.snapshot,
                    ));
                }
                let why = format!("{} is vouched for beside {}", new.name, old.name);
                return self.publish("add-ds", (set, &[old, new]), ready, &why);
            }
            let some = if seen.new_somewhere {
                "on every server, not only on some"
            } else {
                "beside the old one"
            };
            let (from, why) = times.add_from;
            return self.external(format!(
                "have it publish the DS record of {} {some}, not before {from:.0} ({why}): {}; \
                 `spore-infra handover --step ds-add` writes the text then",
                new.name,
                ds_line(desired, self.snapshot, new)
            ));
        }
        if seen.old_somewhere {
            self.forget(&EVIDENCE[2..3]);
            if both_since(desired, self.snapshot, &answers).is_none() {
                self.remember("remember-both", EVIDENCE_BOTH, None);
            }
            if let Some(set) = held {
                let ready = self.before_replacing(next_since, &answers);
                let why = format!("{} alone is vouched for, and {} can go", new.name, old.name);
                return self.publish("replace-ds", (set, &[new]), ready, &why);
            }
            let (from, why) = times.remove_from;
            return self.external(format!(
                "have it remove the DS record of {}, not before {from:.0} ({why}): {}; `{}` writes the text then",
                old.name,
                published(desired, &answers, old).join("; "),
                remove_command(desired, self.snapshot, &answers, old)
            ));
        }
        let ds_ttl = ds_ttl(self.snapshot, &answers);
        let since = self.since_gone("remember-old-gone", EVIDENCE_OLD_GONE, ds_ttl);
        let hold_downs = [
            ds_hold_down(old, since, ds_ttl),
            Condition::HoldDown {
                since: Since::At(next_since.unwrap_or(self.snapshot.taken_at)),
                lasts: DNSKEY_TTL,
                source: NEXT_SOURCE.into(),
            },
        ];
        self.retire(old, new, &hold_downs);
    }

    /// The wait until no resolver remembers a DNSKEY set without the new key, by evidence, or from when
    /// this plan writes that down.
    fn next_hold_down(&self, next_since: Option<Timestamp>) -> Condition {
        let journal = self.desired.addr(Kind::JournalGroup);
        let noted = Since::Answered(StepId::new(&journal, "remember-next"));
        Condition::HoldDown {
            since: next_since.map_or(noted, Since::At),
            lasts: DNSKEY_TTL,
            source: NEXT_SOURCE.into(),
        }
    }

    /// The waits until the new key's DS record may stand alone.
    fn before_replacing(
        &self,
        next_since: Option<Timestamp>,
        answers: &[&Delegated],
    ) -> Vec<Condition> {
        let journal = self.desired.addr(Kind::JournalGroup);
        let noted = Since::Answered(StepId::new(&journal, "remember-both"));
        let lasts = ds_ttl(self.snapshot, answers);
        let both = Condition::HoldDown {
            since: both_since(self.desired, self.snapshot, answers).map_or(noted, Since::At),
            lasts,
            source: format!(
                "resolvers may remember the DS set without the new key for its TTL, of which {} s was the \
                 largest seen; at least one hour",
                lasts.as_secs()
            ),
        };
        vec![self.next_hold_down(next_since), both]
    }

    /// The parent's DS set becomes that of these keys. Every server shows what it is now ([`fit`]).
    fn publish(
        &mut self,
        step: &'static str,
        wanted: (&RecordSet, &[&Key]),
        ready: Vec<Condition>,
        why: &str,
    ) {
        let lowered = delegation::publish(self.desired, self.snapshot, step, wanted, ready, why);
        let Some(mut lowered) = lowered else {
            self.parent.report.push(Report::Waiting {
                addr: self.desired.addr(Kind::Delegation),
                others: Others::GoOn,
                what: "Route 53 shows no DNSKEY record of a key that is to be vouched for; run this again in a \
                       minute"
                    .into(),
            });
            return;
        };
        // Evidence that the change makes untrue is dropped before it, whatever this run comes to.
        let journal = self.desired.addr(Kind::JournalGroup);
        for draft in &mut lowered.drafts {
            let steps = EVIDENCE
                .map(|(_, step)| step)
                .into_iter()
                .chain([NOTE_ABORT]);
            let first = steps.map(|step| After::Answered(StepId::new(&journal, step)));
            draft.after.extend(first);
        }
        self.parent = lowered;
    }

    fn is_aliased(&self, key: &Key) -> bool {
        let live = self.snapshot.kms_key.present();
        live.is_some_and(|live| live.has_alias && live.arn == key.kms_arn)
    }

    /// A key-signing key that should sign and does not: its KMS key is made usable first.
    fn activate(&mut self, key: &Key) {
        if key.status == "DELETING" {
            self.ksk.report.push(Report::Waiting {
                addr: self.ksk_addr(),
                others: Others::HeldBack,
                what: format!("{} is DELETING; run this again when it is gone", key.name),
            });
            return;
        }
        self.cure(key);
        let op = ksk::Op::Activate {
            zone: self.zone.clone(),
            name: key.name.clone(),
        };
        self.ksk.drafts.push(
            Draft::new("activate-next", Op::Ksk(op))
                .after(After::AllOf(self.desired.addr(Kind::KmsKey)))
                .done(Condition::ChangeInSync),
        );
        self.ksk.change = Some(Change {
            addr: self.ksk_addr(),
            symbol: Symbol::Update,
            fields: vec![Field::change(
                format!("{}.status", key.name),
                &key.status,
                "ACTIVE",
            )],
            why: "both keys sign until the parent has let go of the old one".into(),
            risk: Risk::Safe,
        });
    }

    /// What somebody did to the KMS key of a key-signing key, undone.
    fn cure(&mut self, key: &Key) {
        let addr = self.desired.addr(Kind::KmsKey);
        let Some(live) = self.snapshot.kms_key.present() else {
            return;
        };
        // Where the old key is gone, the new one may be the stack's already, and an apply waits for this.
        let own = (&live.arn, &live.state);
        let twins = live.twins.iter().map(|(arn, state)| (arn, state));
        let mut keys = std::iter::once(own).chain(twins);
        let Some((arn, state)) = keys.find(|(arn, _)| **arn == key.kms_arn) else {
            return;
        };
        let key = || Arg::Known(arn.clone());
        let cancel = kms_key::Op::CancelDeletion { key: key() };
        let enable = kms_key::Op::Enable { key: key() };
        if state == "PendingDeletion" {
            let cancel = Draft::new("cancel-deletion", Op::KmsKey(cancel));
            self.key.drafts.push(cancel);
        }
        let mut fields = Vec::new();
        if state == "PendingDeletion" || state == "Disabled" {
            let enable = Draft::new("enable", Op::KmsKey(enable));
            let cancelled = After::Answered(StepId::new(&addr, "cancel-deletion"));
            self.key.drafts.push(enable.after(cancelled));
            fields.push(Field::change(format!("{arn}.state"), state, "Enabled"));
        }
        // A policy that shuts Route 53 out shows in nothing but the key-signing key's status.
        let policy = kms_key::policy_draft(self.desired, key());
        let cancelled = After::Answered(StepId::new(&addr, "cancel-deletion"));
        self.key.drafts.push(policy.after(cancelled));
        fields.push(Field::new(format!("{arn}.policy"), "this stack's"));
        self.key.change = Some(Change {
            addr,
            symbol: Symbol::Update,
            fields,
            why: "a key-signing key of the zone needs it".into(),
            risk: Risk::Safe,
        });
    }

    /// The old key goes, and the new one takes its alias.
    fn retire(&mut self, old: &Key, new: &Key, ready: &[Condition]) {
        let is_aliased = self.is_aliased(new);
        if !is_aliased {
            let alias = self.desired.key_alias.clone();
            let key = Arg::Known(new.kms_arn.clone());
            // With a key that is gone its alias went.
            let live = self.snapshot.kms_key.present();
            let op = if live.is_some_and(|live| live.has_alias || live.stale_alias) {
                kms_key::Op::MoveAlias { alias, key }
            } else {
                kms_key::Op::CreateAlias { alias, key }
            };
            let mut draft = Draft::new("alias-next", Op::KmsKey(op));
            draft.ready_when = ready.to_vec();
            self.key.drafts.push(draft);
        }
        // Before the old key is gone: from then on it looks like any key that was never used.
        self.remember("remember-rotated", EVIDENCE_ROTATED, Some("deactivate"));
        self.take_down(
            old,
            ready,
            "no resolver can hold a DS record of it any more",
        );
        self.forget(&EVIDENCE);
        if let Some(change) = &mut self.key.change
            && !is_aliased
        {
            let alias = Field::change("alias", &old.kms_arn, &new.kms_arn);
            change.fields.insert(0, alias);
        }
    }

    /// One of two keys goes: deactivated, deleted, its KMS key scheduled for deletion.
    fn take_down(&mut self, key: &Key, ready: &[Condition], why: &str) {
        let key_addr = self.desired.addr(Kind::KmsKey);
        let zone = self.zone.clone();
        let name = key.name.clone();
        if key.status != "INACTIVE" && key.status != "DELETING" {
            let op = ksk::Op::Deactivate {
                zone: zone.clone(),
                name: name.clone(),
            };
            let mut draft = Draft::new("deactivate", Op::Ksk(op))
                .after(After::Answered(StepId::new(&key_addr, "alias-next")))
                .done(Condition::ChangeInSync);
            draft.ready_when = ready.to_vec();
            self.ksk.drafts.push(draft);
        }
        let op = ksk::Op::Delete { zone, name };
        let mut delete = Draft::new("delete", Op::Ksk(op))
            .after(After::Settled(self.ksk_step("deactivate")))
            .after(After::Answered(StepId::new(
                &self.desired.addr(Kind::JournalGroup),
                "remember-rotated",
            )))
            .done(Condition::ChangeInSync);
        // Without the step that it comes after, it waits itself.
        if !self
            .ksk
            .drafts
            .iter()
            .any(|draft| draft.name == "deactivate")
        {
            delete.ready_when = ready.to_vec();
        }
        self.ksk.drafts.push(delete);
        self.ksk.change = Some(Change {
            addr: self.ksk_addr(),
            symbol: Symbol::Destroy,
            fields: vec![Field::gone(format!("{}.status", key.name), &key.status)],
            why: why.to_owned(),
            risk: Risk::Irreversible,
        });
        if !is_gone(self.snapshot, key) {
            self.schedule(&[&key.kms_arn], true);
        }
    }

    /// What an earlier rotation left: a KMS key that no key-signing key uses, and evidence.
    fn end(&mut self, key: &Key) {
        let spares: Vec<&str> = self.spares();
        let others: Vec<&str> = spares
            .into_iter()
            .filter(|arn| *arn != key.kms_arn)
            .collect();
        self.schedule(&others, false);
        self.forget(&EVIDENCE);
    }

    fn schedule(&mut self, arns: &[&str], is_used: bool) {
        let key_addr = self.desired.addr(Kind::KmsKey);
        let mut fields = Vec::new();
        for (arn, step) in arns.iter().zip(kms_key::TWIN_STEPS) {
            fields.push(Field::change(
                (*arn).to_owned(),
                if is_used { "in use" } else { "unused" },
                format!("deletion in {} days", kms_key::DELETION_DAYS),
            ));
            let op = kms_key::Op::ScheduleDeletion {
                key: Arg::Known((*arn).to_owned()),
                days: kms_key::DELETION_DAYS,
            };
            self.key.drafts.push(
                Draft::new(step, Op::KmsKey(op)).after(After::Settled(self.ksk_step("delete"))),
            );
        }
        if !fields.is_empty() {
            self.key.change = Some(Change {
                addr: key_addr,
                symbol: Symbol::Update,
                fields,
                why: "deletion can be cancelled until then".into(),
                risk: Risk::Irreversible,
            });
        }
    }

    /// Writes down that something holds, once a step that makes it so has settled.
    fn remember(&mut self, step: &'static str, key: &'static str, once: Option<&'static str>) {
        self.remembered.insert(key);
        let op = journal_group::Op::remember(self.desired, key, Arg::Now);
        let mut draft = Draft::new(step, op);
        if let Some(step) = once {
            draft = draft.after(After::Settled(self.ksk_step(step)));
        }
        self.journal.drafts.push(draft);
        let field = Field::new(format!("tags.{key}"), Arg::Now.to_string());
        self.journal_change(field);
    }

    /// Drops evidence that is there, after everything else of this plan.
    fn forget(&mut self, which: &[(&'static str, &'static str)]) {
        let arn = self.desired.log_group_arn(&self.desired.journal_group());
        for (key, step) in which {
            let journal = self.snapshot.journal_group.present();
            let value = journal.and_then(|journal| journal.evidence(key));
            // What this very plan writes down is out of date at its end.
            if value.is_none() && !self.remembered.contains(key) {
                continue;
            }
            let op = journal_group::Op::Forget {
                arn: arn.clone(),
                key,
            };
            if self.journal.drafts.iter().any(|draft| draft.name == *step) {
                continue;
            }
            let mut draft = Draft::new(step, Op::JournalGroup(op))
                .after(After::AllOf(self.desired.addr(Kind::KmsKey)))
                .after(After::AllOf(self.ksk_addr()));
            // The last trace goes last: without it the next run would begin another rotation.
            if *key == EVIDENCE_NEXT {
                let journal = self.desired.addr(Kind::JournalGroup);
                for (_, other) in &EVIDENCE[1..] {
                    draft = draft.after(After::Answered(StepId::new(&journal, other)));
                }
            }
            self.journal.drafts.push(draft);
            if let Some(value) = value {
                self.journal_change(Field::gone(format!("tags.{key}"), value));
            }
        }
    }

    fn journal_change(&mut self, field: Field) {
        let addr = self.desired.addr(Kind::JournalGroup);
        let change = self.journal.change.get_or_insert_with(|| Change {
            addr,
            symbol: Symbol::Update,
            fields: Vec::new(),
            why: "the next run, on whatever machine, counts from it".into(),
            risk: Risk::Safe,
        });
        change.fields.push(field);
    }

    /// The people of the parent zone act next.
    fn external(&mut self, what: String) {
        let answers = self.snapshot.parent.all().unwrap_or_default();
        let ParentView::Seen { zone, .. } = &self.snapshot.parent else {
            return;
        };
        // Nobody vouches for the zone and nobody has to.
        if answers.iter().all(|answer| answer.ds.is_empty()) {
            return;
        }
        self.ksk.report.push(Report::External {
            addr: self.ksk_addr(),
            who: zone.clone(),
            what,
        });
    }
}

/// Whether the zone has two keys, or something of an earlier rotation is left.
pub fn is_under_way(snapshot: &Snapshot) -> bool {
    !matches!(stage(snapshot), None | Some(Stage::One(_)))
}

/// Evidence of a rotation that ended: an apply drops it.
pub fn leftover_evidence(snapshot: &Snapshot) -> Vec<(&'static str, &'static str)> {
    let Observation::Present(dnssec) = &snapshot.dnssec else {
        return Vec::new();
    };
    if dnssec.keys.len() > 1 {
        return Vec::new();
    }
    let own = EVIDENCE
        .into_iter()
        .filter(|(key, _)| *key != EVIDENCE_DS_GONE);
    own.collect()
}

#[cfg(test)]
mod tests;
