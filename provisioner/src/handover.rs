//! Texts for the people of the parent zone, ready to be put into a ticket: what, why, not before, how to
//! check, how to undo. Pure: it judges what was seen, and refuses the text of a step that must not be
//! done yet. Where the parent zone is this stack's to write, the text says which command does it.
//!
//! ```text
//! delegate --> ds-add --> (rotation: ds-add of the new key, ds-remove --key-tag of the old one)
//!                 |
//!                 +--> ds-remove --> teardown
//! ```

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::condition::remembered;
use crate::desired::Desired;
use crate::ds::check::{Verdict, verdict};
use crate::ds::judgement::{Fit, Judgement, Keys, Published, Trust, fit, judge};
use crate::ds::keys::own_turn;
use crate::ds::not_yet::NotYet;
use crate::ds::{DS_TTL_SECS, DnsKey, Ds, SHA1};
use crate::kind::delegation::Parent;
use crate::kind::hosted_zone::Live;
use crate::kind::zone_signing::former::{self, Vouched};
use crate::kind::{journal_group, zone_signing};
use crate::plan::span;
use crate::rotation::{self, ABORT_WAYS, Turn};
use crate::snapshot::{Delegated, Snapshot};
use crate::teardown;

mod ours;
pub mod pick;
pub mod ticket;

use pick::Pick;
use ticket::{Section, Ticket};

/// Why nobody may be asked for anything before what the parent shows now is in the journal.
const NOTE_ROTATION: &str = "the journal does not say yet since when the parent's records are as they are now, and waits \
                             count from it: first run `spore-infra ksk rotate`, which notes that";
const NOTE_APPLY: &str = "the journal does not have yet what the parent and the servers that it delegates to show now, \
                          and waits count from it: first run `spore-infra apply`, which notes that";

/// TTL that is proposed for the delegation: resolvers hold it as long after it is withdrawn. Route 53's
/// own NS set has two days, which is more than a first delegation needs.
const NS_TTL_SECS: u32 = 3_600;

/// What somebody outside is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Delegate the zone to its name servers.
    Delegate,
    /// Publish the DS record.
    DsAdd,
    /// Take DS records out: all, or those that are picked.
    DsRemove(BTreeSet<Pick>),
    /// Withdraw the delegation.
    Teardown,
}

/// What is known when a text is asked for.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The stack.
    pub desired: &'a Desired,
    /// What was read.
    pub snapshot: &'a Snapshot,
    /// Name of the parent zone.
    pub parent: &'a str,
    /// The parent's servers by name, and what each says; all have answered.
    pub servers: Vec<(&'a str, &'a Delegated)>,
    /// The key whose record may be asked for, in a rotation the new one; none for a zone that is not to be
    /// signed.
    pub key: Option<DnsKey>,
    /// All keys of the zone, by what a record of each is worth.
    pub keys: Keys,
    /// What has to come before that record, or before the delegation.
    pub not_yet: Option<NotYet>,
}

/// What comes of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// The text.
    Ticket(Box<Ticket>),
    /// Nothing is to be done.
    Done(String),
    /// Something of ours, or of somebody's, has to come first, and will.
    NotYet(String),
    /// The step would do harm.
    Unsafe(String),
}

impl Step {
    /// Its word on the command line.
    pub fn word(&self) -> &'static str {
        match self {
            Step::Delegate => "delegate",
            Step::DsAdd => "ds-add",
            Step::DsRemove(_) => "ds-remove",
            Step::Teardown => "teardown",
        }
    }
}

impl Handover {
    /// Where there is no text: what there is instead, in a word for programs, and why.
    pub fn without_text(&self) -> Option<(&'static str, &str)> {
        match self {
            Handover::Ticket(_) => None,
            Handover::Done(why) => Some(("nothing-to-do", why)),
            Handover::NotYet(why) => Some(("not-yet", why)),
            Handover::Unsafe(why) => Some(("refused", why)),
        }
    }
}

/// The text for a step.
pub fn write(step: &Step, facts: &Facts<'_>) -> Handover {
    // What is at work there is not this stack's to hand over, nor gone.
    if let (Some((why, _)), Step::Delegate | Step::DsAdd | Step::Teardown) =
        (facts.snapshot.hosted_zone.foreign(), step)
    {
        return Handover::Unsafe(why.to_owned());
    }
    // What is built on it now would be torn down in the middle of its use.
    if let (Some(since), Step::Delegate | Step::DsAdd) = (teardown::since(facts.snapshot), step) {
        let (told, ways) = (teardown::told(since), teardown::ways());
        return Handover::Unsafe(format!("{told}: {ways}"));
    }
    let outcome = match step {
        Step::Delegate => facts.delegate(),
        Step::DsAdd => facts.ds_add(),
        Step::DsRemove(picks) => facts.ds_remove(picks),
        Step::Teardown => facts.teardown(),
    };
    match &facts.snapshot.parent_zone {
        Parent::Zone(live) => ours::told(step, facts, live, outcome),
        Parent::External | Parent::Settled | Parent::Unused(_) | Parent::Unknown(_) => outcome,
    }
}

impl Facts<'_> {
    fn delegate(&self) -> Handover {
        let (domain, parent) = (&self.desired.domain, self.parent);
        let Some(zone) = self.snapshot.hosted_zone.present() else {
            return Handover::NotYet("there is no zone yet; run `spore-infra apply` first".into());
        };
        let wanted = self.name_servers(zone);
        // Route 53 signs only once this is done.
        let signs_after = matches!(self.not_yet, Some(NotYet::Delegation { .. }));
        let is_in_the_way = |why: &&NotYet| !why.signs() && !signs_after;
        if let Some(why) = self.not_yet.as_ref().filter(is_in_the_way) {
            return Handover::NotYet(format!(
                "its name servers are not ready for it: {why}; {}",
                why.remedy()
            ));
        }
        let current = self.delegations();
        match former::vouched(self.desired, self.snapshot) {
            Vouched::ToNote => return Handover::NotYet(NOTE_APPLY.to_owned()),
            Vouched::Until(memory) => return Handover::NotYet(memory.why()),
            Vouched::No => {}
        }
        if !former::to_note(self.desired, self.snapshot).is_empty() {
            return Handover::NotYet(NOTE_APPLY.to_owned());
        }
        if self.servers.iter().all(|(_, said)| set(said) == wanted) {
            return Handover::Done(format!(
                "every server of {parent} delegates {domain} to its name servers already"
            ));
        }
        let published = self.published();
        let judged = self.judged();
        let refused = judged
            .sets
            .iter()
            .filter(|judgement| judgement.trust.is_refused());
        if let Some(judgement) = refused.max_by_key(|judgement: &&Judgement| judgement.trust) {
            let wrong = judgement.records_that(|fit| !fit.leads());
            return Handover::Unsafe(format!(
                "{parent} has DS records of {domain} that lead to no key that signs this zone: {}; \
                 delegated to now, it would be bogus. First have them taken out: spore-infra handover \
                 --step ds-remove",
                joined(&wrong)
            ));
        }
        // Where there was no delegation nobody holds an unsigned answer, so both may come at once.
        let may_come =
            self.not_yet.is_none() && self.turn().is_none_or(|turn| self.at() >= turn.add_from.0);
        let ds = self
            .key
            .as_ref()
            .filter(|_| may_come && current.is_empty() && published.is_empty());
        let mut what: Vec<String> = vec![format!("In the zone {parent}, delegate {domain}:")];
        let mut records: Vec<String> = wanted
            .iter()
            .map(|server| format!("{domain}. {NS_TTL_SECS} IN NS {server}."))
            .collect();
        if let Some(key) = ds {
            records.push(self.ds_line(key));
            what.push(
                "The NS and DS records may come in one change; else the NS records first. The DS record \
                 must never be there without them."
                    .into(),
            );
        }
        let gone: Vec<String> = current
            .difference(&wanted)
            .map(|server| format!("{domain}. IN NS {server}."))
            .collect();
        if !gone.is_empty() {
            what.push(format!(
                "These are no servers of the zone and have to go in the same change: {}",
                gone.join("; ")
            ));
        }
        let mut check = self.parent_commands("NS");
        check.extend(wanted.iter().map(|server| {
            format!("dig +norecurse @{server} {domain}. SOA   # flags must show aa")
        }));
        if ds.is_some() {
            check.push(format!(
                "delv {domain}. SOA   # must say \"fully validated\""
            ));
        }
        self.ticket(Draft {
            step: "delegate",
            subject: format!("delegate {domain} to Amazon Route 53"),
            what,
            records,
            why: vec![format!(
                "{domain} is a zone of its own, in Amazon Route 53 (account {}), in which EC2 instances \
                 keep their own names up to date. Without the delegation nobody finds it.",
                self.desired.account
            )],
            not_before: vec![
                if signs_after {
                    format!(
                        "If {parent} had a DS record of {domain} lately: when its TTL{} has run out since it was \
                         taken out, as whoever remembers it takes the zone for bogus. Otherwise at once.",
                        self.noted_ds_ttl()
                    )
                } else {
                    "At once.".to_owned()
                },
                format!(
                    "{}: each of the name servers was asked directly and answered for the zone{}.",
                    self.seen_at(),
                    if self.key.is_some() && !signs_after { ", with its DNSKEY" } else { "" }
                ),
            ],
            check,
            rollback: vec![if current.is_empty() {
                format!(
                    "Take the same lines out again. Resolvers forget them within the TTL of the NS records \
                     ({NS_TTL_SECS} s as proposed)."
                )
            } else {
                format!(
                    "Put the former NS records back in their place, as long as those servers still answer: {}. \
                     Resolvers forget the new ones within their TTL ({NS_TTL_SECS} s as proposed).",
                    self.lines_of(&current).join("; ")
                )
            }],
            after: if signs_after {
                vec![
                    "Tell the people of the zone: they run `spore-infra apply`, as Route 53 does not sign the \
                     zone before. The DS record follows in a ticket of its own."
                        .into(),
                ]
            } else if self.key.is_some() && ds.is_none() {
                vec!["The DS record follows in a ticket of its own.".into()]
            } else {
                Vec::new()
            },
        })
    }

    fn ds_add(&self) -> Handover {
        let (domain, parent) = (&self.desired.domain, self.parent);
        let Some(zone) = self.snapshot.hosted_zone.present() else {
            return Handover::NotYet("there is no zone yet; run `spore-infra apply` first".into());
        };
        let Some(key) = &self.key else {
            return Handover::Unsafe(format!(
                "{domain} is not signed, or not to be: with a DS record every name in it would be bogus"
            ));
        };
        if let Some(why) = &self.not_yet {
            return self.ds_add_later(format!("{why}; {}", why.remedy()));
        }
        if self
            .servers
            .iter()
            .any(|(_, said)| said.name_servers.is_empty())
        {
            return Handover::NotYet(format!(
                "not every server of {parent} delegates {domain}; first: spore-infra handover --step \
                 delegate, which asks for both"
            ));
        }
        let wanted = self.name_servers(zone);
        if let Some((server, said)) = self.servers.iter().find(|(_, said)| set(said) != wanted) {
            return Handover::Unsafe(format!(
                "{server} delegates {domain} to {}, but the zone's name servers are {}: what the others \
                 answer is not signed with this key, and would be bogus. First: spore-infra handover \
                 --step delegate",
                said.name_servers.join(", "),
                list(&wanted)
            ));
        }
        let verdicts: Vec<Verdict> = self
            .servers
            .iter()
            .map(|(_, said)| verdict(domain, key, &self.keys, true, &said.records()))
            .collect();
        let named = |of: fn(&Verdict) -> bool| {
            let records = verdicts.iter().filter(|verdict| of(verdict));
            records
                .flat_map(Verdict::records)
                .collect::<BTreeSet<&Ds>>()
        };
        if verdicts.iter().all(Verdict::is_right) {
            let stale = named(|verdict| matches!(verdict, Verdict::Stale(_)));
            let beside = if stale.is_empty() {
                String::new()
            } else {
                format!(
                    "; beside it there is what nothing needs: {} ({})",
                    joined(stale.iter().copied()),
                    pick::command(stale.iter().copied(), &self.judged())
                )
            };
            return Handover::Done(format!(
                "every server of {parent} publishes the DS record already{beside}"
            ));
        }
        let turn = self.turn();
        // What the old key of a rotation stands for is no news to resolvers.
        let is_old = |turn: &Turn<'_>| DnsKey::parse(&turn.old.dnskey).is_ok_and(|old| old == *key);
        if turn.as_ref().is_some_and(|turn| !is_old(turn))
            && rotation::is_to_be_noted(self.desired, self.snapshot)
        {
            return self.ds_add_later(NOTE_ROTATION.to_owned());
        }
        if let Some(turn) = &turn
            && !is_old(turn)
            && self.at() < turn.add_from.0
        {
            return self.ds_add_later(format!(
                "not before {:.0}: {}",
                turn.add_from.0, turn.add_from.1
            ));
        }
        let wrong = named(|verdict| match verdict {
            Verdict::Wrong(_) | Verdict::Disputed(_) | Verdict::Strange(_) => true,
            Verdict::Right
            | Verdict::Stale(_)
            | Verdict::Weak(_)
            | Verdict::OtherKey(_)
            | Verdict::Missing
            | Verdict::NotDelegated
            | Verdict::Unusable(_)
            | Verdict::Unknown(_)
            | Verdict::Failing(_) => false,
        });
        let is_refused = verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Wrong(_) | Verdict::Disputed(_)));
        let mut what = vec![format!(
            "In the zone {parent}, publish this DS record of {domain}:"
        )];
        if !wrong.is_empty() {
            what.push(format!(
                "In the same change, take these out, which lead to no key of its own: {}",
                joined(wrong.iter().copied())
            ));
        }
        let is_rotation = turn.is_some()
            && verdicts
                .iter()
                .any(|verdict| matches!(verdict, Verdict::OtherKey(_) | Verdict::Failing(_)));
        if is_rotation {
            what.push(
                "Leave the other DS record of the zone in place; its removal follows later.".into(),
            );
        }
        let mut check = self.parent_commands("DS");
        check.push(format!(
            "# each must show: {}",
            key.ds(domain, self.judged().digest())
        ));
        check.push(format!(
            "delv {domain}. SOA   # must say \"fully validated\""
        ));
        check.push("spore-infra ds --check   # for the people of the zone".into());
        self.ticket(Draft {
            step: "ds-add",
            subject: format!("publish the DS record of {domain}, key tag {}", key.key_tag()),
            what,
            records: vec![self.ds_line(key)],
            why: vec![if is_refused {
                format!(
                    "What is published now does not lead to the zone's key: validating resolvers, or \
                     some of them, refuse every name in {domain}."
                )
            } else if is_rotation {
                "The zone changes its key-signing key. Until the old one goes, both are vouched for.".into()
            } else {
                format!(
                    "{domain} is signed; only with its DS record in {parent} can resolvers validate it. \
                     Forms that ask for the key instead: {key}"
                )
            }],
            not_before: vec![format!(
                "At once. {}: each of the zone's name servers was asked directly and serves the DNSKEY of \
                 this record, signed; what resolvers may have remembered from before has run out.",
                self.seen_at()
            )],
            check,
            rollback: vec![format!(
                "Take the DS record out again; the zone is then insecure, and answered. Resolvers hold \
                 the record for its TTL ({DS_TTL_SECS} s as proposed), so leave the zone signed meanwhile."
            )],
            after: vec![
                "Once it is validated everywhere, raise the TTL of the DS record to 3600 s.".into(),
            ],
        })
    }

    /// Whether the parent delegates to servers of another zone of this name.
    fn is_elsewhere(&self) -> bool {
        zone_signing::awaits_delegation(self.desired, self.snapshot).is_some()
    }

    /// The record has to wait; one because of which the zone is refused meanwhile has not.
    fn ds_add_later(&self, why: String) -> Handover {
        Handover::NotYet(
            match pick::at_once(&self.judged(), None, self.is_elsewhere()) {
                Some(at_once) => format!("{why}; but {at_once}"),
                None => why,
            },
        )
    }

    fn ds_remove(&self, picks: &BTreeSet<Pick>) -> Handover {
        let (domain, parent) = (&self.desired.domain, self.parent);
        let published = self.published();
        if published.is_empty() {
            return Handover::Done(format!("no server of {parent} has a DS record of {domain}"));
        }
        let turn = self.turn();
        let going = turn
            .as_ref()
            .filter(|_| picks.is_empty())
            .and_then(|turn| self.going(turn, &published));
        let is_chosen = |ds: &&Ds| match &going {
            Some(going) => going.contains(*ds),
            None => picks.is_empty() || picks.iter().any(|pick| pick.is(ds)),
        };
        let (chosen, rest): (Vec<&Ds>, Vec<&Ds>) = published.iter().partition(is_chosen);
        if let (true, Some(_)) = (chosen.is_empty(), &going) {
            return Handover::Done(format!(
                "no server of {parent} has a DS record of {domain} that the rotation takes out; there are: {}, \
                 which stay; to have one taken out all the same, name it with --key-tag",
                joined(rest)
            ));
        }
        if chosen.is_empty() {
            return Handover::Done(format!(
                "no server of {parent} has such a DS record of {domain}; there are: {}",
                joined(rest)
            ));
        }
        // What is of no key of the zone is needed by nobody.
        let is_of_no_key =
            self.keys.all().next().is_some() && !chosen.iter().any(|ds| self.is_of_key(ds));
        // What stays must vouch for a key that signs, on each server, unless it did not before either;
        // without any record the zone is insecure, which is safe.
        for (server, said) in &self.servers {
            let mut rest = said.records();
            rest.retain(|ds| !is_chosen(&ds));
            let judgement = judge(domain, &self.keys, &rest);
            let is_safe = match judgement.trust {
                Trust::Secure | Trust::Weak => judgement.is_ours || is_of_no_key,
                Trust::None | Trust::Unusable => true,
                Trust::Failing | Trust::Untold => is_of_no_key,
                Trust::Disputed | Trust::Bogus => false,
            };
            if !is_safe && judgement.trust == Trust::Untold {
                return Handover::Unsafe(format!(
                    "whether what would stay on {server} ({}) is of a key that signs on every name server cannot \
                     be told: see what `spore-infra ds --check` says, or take all out",
                    joined(&rest)
                ));
            }
            if !is_safe {
                return Handover::Unsafe(format!(
                    "what would stay on {server} is of no key of this stack that signs on every name \
                     server ({}), and the zone would be bogus: take all out, or publish the right one \
                     first (--step ds-add)",
                    joined(&rest)
                ));
            }
        }
        let is_all = rest.is_empty();
        if let Some(turn) = &turn
            && !(is_all && self.may_all_go(turn, &chosen))
            && let Some(why) = self.too_early_to_remove(turn, &chosen)
        {
            return Handover::NotYet(why);
        }
        let ttl = self
            .servers
            .iter()
            .filter(|(_, said)| !said.ds.is_empty())
            .map(|(_, said)| said.ds_ttl_secs)
            .max()
            .unwrap_or(0);
        let wrong = self.judged().wrong();
        let is_urgent = is_of_no_key && chosen.iter().any(|ds| wrong.contains(*ds));
        let stays = if is_all {
            ""
        } else {
            " The other record stays."
        };
        let awaits = zone_signing::awaits_delegation(self.desired, self.snapshot);
        let why = if let (Some(elsewhere), true) = (&awaits, is_all) {
            format!(
                "It is of no key of the hosted zone {domain} that is to be delegated to: {parent} {}. Until that is \
                 corrected Route 53 does not sign, and with the DS record validating resolvers would refuse every name \
                 of it from the correction on. If the name servers of before serve a signed zone, names are insecure \
                 until then, never bogus.",
                elsewhere.said(self.desired)
            )
        } else if is_urgent {
            format!(
                "It is of none of the zone's keys, and validating resolvers, some or all, refuse every name \
                 in {domain} because of it.{stays}"
            )
        } else if is_of_no_key {
            format!("It is of none of the zone's keys.{stays}")
        } else if is_all && !self.desired.dnssec {
            format!(
                "The signing of {domain} is to be turned off, which the DS record would make bogus."
            )
        } else if is_all {
            format!(
                "{domain} is to be taken down or no longer signed. While {parent} has the DS record, \
                 validating resolvers insist on signatures."
            )
        } else if chosen
            .iter()
            .all(|ds| self.fit(ds) == Fit::Good && ds.digest_type == SHA1)
        {
            "Its digest is SHA-1, which validating resolvers no longer need, and some no longer take. \
             The other record of the key stays."
                .into()
        } else {
            "The key of this record is no longer to be used. The other record stays.".into()
        };
        let held = span(remembered(ttl.into()));
        let mut check = self.parent_commands("DS");
        check.push(if is_all {
            "# each must answer nothing".into()
        } else {
            format!("# each must answer only: {}", joined(rest))
        });
        // What no key is vouched for by needs no wait.
        let until = if awaits.is_some() && is_all {
            ": until then the delegation stays as it is"
        } else if is_of_no_key {
            ""
        } else {
            ": until then nothing of the signing may be turned off"
        };
        let mut after = vec![format!(
            "Tell the people of the zone when every server has it. Resolvers hold the record for {held} \
             more (the TTL seen){until}."
        )];
        if awaits.is_some() && is_all {
            after.push(
                "After that the NS records are corrected: `spore-infra handover --step delegate` writes the text."
                    .into(),
            );
        } else if !is_of_no_key {
            after.push(self.hold_down_note(ttl));
        }
        let lines: Vec<String> = chosen
            .iter()
            .map(|ds| format!("{domain}. {ttl} IN DS {ds}"))
            .collect();
        self.ticket(Draft {
            step: "ds-remove",
            subject: format!(
                "take the DS record{} of {domain} out",
                if chosen.len() == 1 { "" } else { "s" }
            ),
            what: vec![format!(
                "From the zone {parent}, remove exactly this, and leave the NS records as they are:"
            )],
            records: lines,
            why: vec![why],
            not_before: vec![format!(
                "At once. {}: {}.",
                self.seen_at(),
                if is_all {
                    "without a DS record the zone is insecure, never bogus"
                } else if is_of_no_key {
                    "no validating resolver can use what is to go"
                } else {
                    "every server that keeps a record keeps one of a key that signs the zone"
                }
            )],
            check,
            rollback: vec![if is_of_no_key && awaits.is_some() {
                "Put the same lines back, as long as the name servers of before serve a zone that they are right for."
                    .into()
            } else if is_of_no_key {
                "None is needed: no validating resolver can use it.".into()
            } else {
                "Put the same lines back. That is safe as long as the zone is signed with the key."
                    .into()
            }],
            after,
        })
    }

    /// Whether the wait after a removal will know this TTL. Only runs that write something note it, and
    /// those that a DS record at the parent refuses.
    fn hold_down_note(&self, ttl: u32) -> String {
        let refused = "it is refused, and notes the TTL. Without that it waits for a day or the parent's NS \
                       TTL, whichever is longer";
        let (command, how) = if self.turn().is_some() {
            ("ksk rotate", "it notes the TTL")
        } else if self.desired.dnssec {
            ("destroy", refused)
        } else {
            ("dnssec disable", refused)
        };
        let journal = self.snapshot.journal_group.present();
        let noted = journal.and_then(journal_group::Live::ds_ttl_secs);
        if noted.is_some_and(|noted| noted >= ttl) {
            format!(
                "For the people of the zone: `spore-infra {command}` waits for that, as the TTL is in the \
                 stack's journal."
            )
        } else {
            format!(
                "For the people of the zone: this TTL is not in the stack's journal yet. Run `spore-infra \
                 {command}` once while the record is still there: {how}."
            )
        }
    }

    /// The largest TTL of a DS record that the journal knows of, in brackets.
    fn noted_ds_ttl(&self) -> String {
        let journal = self.snapshot.journal_group.present();
        let noted = journal.and_then(journal_group::Live::ds_ttl_secs);
        noted.map_or_else(String::new, |ttl| format!(" ({ttl} s by the journal)"))
    }

    /// What goes in a rotation where nobody named anything: the records of the old key, and those of none. Where
    /// the zone is not to be signed, or is not, all go.
    fn going(&self, turn: &Turn<'_>, published: &BTreeSet<Ds>) -> Option<BTreeSet<Ds>> {
        let dnssec = self.snapshot.dnssec.present()?;
        if !self.desired.dnssec || dnssec.signing == "NOT_SIGNING" {
            return None;
        }
        let going = if turn.given_up.is_some() {
            turn.new
        } else {
            turn.old
        };
        let going = DnsKey::parse(&going.dnskey).ok()?;
        let goes = |ds: &&Ds| ds.matches(&self.desired.domain, &going) || self.fit(ds).is_wrong();
        Some(published.iter().filter(goes).cloned().collect())
    }

    /// Whether the zone may become insecure in a rotation: nothing that is there keeps it secure, or somebody
    /// named the new key's record as well, or it is not to be signed.
    fn may_all_go(&self, turn: &Turn<'_>, chosen: &[&Ds]) -> bool {
        let is_new = |key: &DnsKey| {
            let mut chosen = chosen.iter();
            chosen.any(|ds| ds.matches(&self.desired.domain, key))
        };
        !self.desired.dnssec
            || DnsKey::parse(&turn.new.dnskey).is_ok_and(|key| is_new(&key))
            || !chosen.iter().any(|ds| self.fit(ds) == Fit::Good)
    }

    /// Why the old key's record must stay for now, if it is chosen.
    fn too_early_to_remove(&self, turn: &Turn<'_>, chosen: &[&Ds]) -> Option<String> {
        let domain = &self.desired.domain;
        let of = |text: &str| DnsKey::parse(text).ok();
        let (old, new) = (of(&turn.old.dnskey)?, of(&turn.new.dnskey)?);
        if !chosen.iter().any(|ds| ds.matches(domain, &old)) {
            return None;
        }
        let judged = self.judged();
        let (from, why) = &turn.remove_from;
        let why = if let Some(told) = turn.told_given_up() {
            format!("{told}, and {} stays; {ABORT_WAYS}", turn.old.name)
        } else if rotation::is_to_be_noted(self.desired, self.snapshot) {
            NOTE_ROTATION.to_owned()
        } else if !judged.stands_everywhere(&new) {
            format!(
                "not every server of {} has the DS record of {}; first: spore-infra handover --step \
                 ds-add",
                self.parent, turn.new.name
            )
        } else if self.at() < *from {
            format!("not before {from:.0}: {why}")
        } else {
            return None;
        };
        let mut of_no_key = chosen.iter().filter(|ds| !self.is_of_key(ds)).peekable();
        Some(match of_no_key.peek() {
            None => why,
            Some(_) => format!(
                "{why}; what is of no key of the zone may go at once: {}",
                pick::command(of_no_key.copied(), &judged)
            ),
        })
    }

    fn teardown(&self) -> Handover {
        let (domain, parent) = (&self.desired.domain, self.parent);
        let published = self.published();
        if !published.is_empty() {
            let lines: Vec<String> = published
                .iter()
                .map(|ds| format!("{domain}. IN DS {ds}"))
                .collect();
            return Handover::Unsafe(format!(
                "{parent} still has DS records of {domain}: {}. First have them taken out: spore-infra \
                 handover --step ds-remove",
                lines.join("; ")
            ));
        }
        let current = self.delegations();
        if current.is_empty() {
            return Handover::Done(format!("no server of {parent} delegates {domain}"));
        }
        let ttl = self
            .servers
            .iter()
            .map(|(_, said)| said.ns_ttl_secs)
            .max()
            .unwrap_or(0);
        let zone = self.snapshot.hosted_zone.present();
        // Resolvers prefer the zone's own NS set to the parent's (RFC 2181, section 5.4.1).
        let own = zone.and_then(|zone| zone.name_server_set(domain)?.ttl_secs);
        let own = own.and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(0);
        let held = span(remembered(ttl.max(own).into()));
        let mut check = self.parent_commands("NS");
        check.push("# none may answer NS records of it, nor refer to it".into());
        self.ticket(Draft {
            step: "teardown",
            subject: format!("withdraw the delegation of {domain}"),
            what: vec![format!("From the zone {parent}, remove:")],
            records: current
                .iter()
                .map(|server| format!("{domain}. {ttl} IN NS {server}."))
                .collect(),
            why: vec![if zone.is_some() {
                format!("{domain} is to be taken down. All names in it stop resolving.")
            } else {
                format!(
                    "The zone {domain} is gone. Whoever gets one of these name servers for a zone of this \
                     name next answers for it."
                )
            }],
            not_before: vec![format!(
                "{} {}: no server of {parent} has a DS record of {domain}.",
                if zone.is_some() {
                    "As soon as nobody needs the names any more."
                } else {
                    "At once, the sooner the better."
                },
                self.seen_at()
            )],
            check,
            rollback: vec![if zone.is_some() {
                "Put the same lines back, before the zone is deleted.".into()
            } else {
                "None: a new zone has other name servers.".into()
            }],
            after: vec![if zone.is_some() {
                format!(
                    "Resolvers ask these servers for {held} more (the longer TTL of this NS set and of the zone's \
                     own); after that `spore-infra destroy` deletes the zone without anybody asking it."
                )
            } else {
                format!("Resolvers hold the delegation for {held} (the TTL seen).")
            }],
        })
    }

    fn ticket(&self, draft: Draft) -> Handover {
        let contacts = &self.desired.stack.contacts;
        let named = |who: &Option<crate::stack::Named<crate::stack::Line>>| {
            who.as_ref().map(|who| who.as_str().to_owned())
        };
        let people: Vec<String> = [
            ("zone", named(&contacts.owner)),
            ("parent zone", named(&contacts.dns)),
            ("security", named(&contacts.security)),
        ]
        .into_iter()
        .filter_map(|(role, who)| Some(format!("{role}: {}", who?)))
        .collect();
        let people = if people.is_empty() {
            vec!["none are in the stack document ([contacts] owner, dns, security)".to_owned()]
        } else {
            people
        };
        let section = |title, lines| Section { title, lines };
        let mut sections = vec![
            section("Why", draft.why),
            section("Not before", draft.not_before),
            section("How to check", draft.check),
            section("Rollback", draft.rollback),
            section("Afterwards", draft.after),
            section("Contacts", people),
        ];
        sections.retain(|section| !section.lines.is_empty());
        Handover::Ticket(Box::new(Ticket {
            step: draft.step,
            to: named(&contacts.dns)
                .unwrap_or_else(|| format!("the people who run the zone {}", self.parent)),
            subject: draft.subject,
            what: draft.what,
            records: draft.records,
            command: None,
            sections,
        }))
    }

    /// NS records as the parent has them.
    fn lines_of(&self, servers: &BTreeSet<String>) -> Vec<String> {
        let domain = &self.desired.domain;
        let ttl = self.servers.iter().map(|(_, said)| said.ns_ttl_secs).max();
        let ttl = ttl.unwrap_or(NS_TTL_SECS);
        let line = |server: &String| format!("{domain}. {ttl} IN NS {server}.");
        servers.iter().map(line).collect()
    }

    fn turn(&self) -> Option<Turn<'_>> {
        let answers: Vec<&Delegated> = self.servers.iter().map(|(_, said)| *said).collect();
        own_turn(self.desired, self.snapshot, &answers)
    }

    /// What each server of the parent has, judged.
    fn judged(&self) -> Published<'_> {
        let sets = self.servers.iter().map(|(_, said)| said.records());
        Published::of(&self.desired.domain, &self.keys, sets)
    }

    fn fit(&self, ds: &Ds) -> Fit {
        fit(&self.desired.domain, &self.keys, ds)
    }

    fn is_of_key(&self, ds: &Ds) -> bool {
        let domain = &self.desired.domain;
        self.fit(ds) == Fit::Untold || self.keys.all().any(|key| ds.matches(domain, key))
    }

    fn name_servers(&self, zone: &Live) -> BTreeSet<String> {
        zone.name_servers(&self.desired.domain)
            .into_iter()
            .collect()
    }

    fn delegations(&self) -> BTreeSet<String> {
        self.servers
            .iter()
            .flat_map(|(_, said)| set(said))
            .collect()
    }

    fn published(&self) -> BTreeSet<Ds> {
        self.servers
            .iter()
            .flat_map(|(_, said)| said.records())
            .collect()
    }

    fn ds_line(&self, key: &DnsKey) -> String {
        let domain = &self.desired.domain;
        let digest = self.judged().digest();
        format!("{domain}. {DS_TTL_SECS} IN DS {}", key.ds(domain, digest))
    }

    fn parent_commands(&self, rtype: &str) -> Vec<String> {
        let domain = &self.desired.domain;
        self.servers
            .iter()
            .map(|(server, _)| format!("dig +norecurse @{server} {domain}. {rtype}"))
            .collect()
    }

    fn seen_at(&self) -> String {
        format!("Seen at {:.0}", self.at())
    }

    fn at(&self) -> Timestamp {
        self.snapshot.taken_at
    }
}

/// The parts of a text that differ from step to step.
struct Draft {
    step: &'static str,
    subject: String,
    what: Vec<String>,
    records: Vec<String>,
    why: Vec<String>,
    not_before: Vec<String>,
    check: Vec<String>,
    rollback: Vec<String>,
    after: Vec<String>,
}

fn set(said: &Delegated) -> BTreeSet<String> {
    said.name_servers.iter().cloned().collect()
}

fn joined<'a>(records: impl IntoIterator<Item = &'a Ds>) -> String {
    let shown: Vec<String> = records.into_iter().map(ToString::to_string).collect();
    shown.join("; ")
}

fn list(servers: &BTreeSet<String>) -> String {
    servers.iter().cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
