//! What to do, by whom, in the order that never makes it worse.
//!
//! The rules behind the orders (RFC 6781, section 4; RFC 4035, section 2.4):
//!
//! - A validator needs one DS record that leads to a key that signs. A second one that leads nowhere does
//!   no harm. So a right DS takes the place of a wrong one in one change, or comes first
//!   ([`judgement`](crate::ds::judgement)).
//! - A DS record that leads to no key is worse than none. So where no right one can be published yet, the
//!   wrong ones go first: the zone is insecure then, and resolves.
//! - Resolvers keep what they have for its TTL. So what others still need goes only when that has run out.
//! - Name servers of another zone have other keys. So between a change of name servers and its last
//!   cached NS set no DS record may stand, unless nothing resolves anyway.

use super::diagnosis::{
    self, Delegated, State, There, ds_of, is_held_by_another, is_needed_and_failing, left, sound,
};
use super::facts::{Aws, Facts, Ksk, Leaving, Mover, Verdict};
use super::report::{Action, Who};
use crate::addr::Kind;
use crate::condition::later;
use crate::ds::judgement::{Fit, Trust};
use crate::ds::keys::{GONE, Unserved, Whose};
use crate::ds::{DnsKey, Ds};
use crate::plan::span;

/// The steps, in order; none when there is nothing to do.
pub(super) fn next(facts: &Facts, state: Option<&State<'_>>) -> Vec<Action> {
    let mut steps = Steps {
        domain: &facts.domain,
        parent: state.map_or("the parent zone", |state| state.parent),
        hostmaster: facts.hostmaster.as_deref(),
        actions: Vec::new(),
    };
    if facts.signals.iter().any(|signal| signal.is_certain) {
        steps.us(
            "look again from a network that lets port 53 through, or with [dns] transport = \"tcp\"; \
             nothing else here is sure before that",
        );
        return steps.actions;
    }
    if let Ok(aws) = &facts.aws
        && let Some(leaving) = &aws.leaving
    {
        leave(aws, leaving, state, &mut steps);
        return steps.actions;
    }
    match &facts.aws {
        Err(_) => steps.us("make AWS readable (credentials, permissions), then run status again"),
        Ok(aws) if aws.zone.is_none() && aws.is_read() => {
            steps.us("run `spore-infra apply`: there is no hosted zone yet");
            return steps.actions;
        }
        Ok(aws) => {
            // Whatever the stack does builds on it.
            if let Some(why) = &aws.foreign_zone {
                steps.us(format!("settle whose the zone is: {why}"));
            }
        }
    }
    if let Ok(aws) = &facts.aws {
        note(aws, &mut steps);
    }
    if let Some(state) = state {
        let is_bogus = matches!(state.zone.verdict, Verdict::Bogus(_));
        // What is to be done depends on what they say, but for what nobody can bear.
        if !is_bogus && !state.is_parent_silent() {
            silent_parents(state, &mut steps);
        }
        repair(facts, state, &mut steps);
        if let Some(until) = diagnosis::early(facts, state) {
            steps.wait(format!(
                "until {until:.0}, when no resolver remembers any more what the DS record makes bogus; taking it out \
                 helps sooner only if that is more than {} away, for so long resolvers hold it",
                span(state.ttls().1)
            ));
        }
        if is_bogus || state.is_parent_silent() {
            silent_parents(state, &mut steps);
        }
    } else if let Some(why) = &facts.cut_short {
        steps.us(format!(
            "look again in some minutes, and from another network; if it stays, have the people of the zone that does \
             not answer look at its servers: {why}"
        ));
    }
    rest(facts, &mut steps);
    if let Ok(aws) = &facts.aws {
        spare_notes(aws, &mut steps);
    }
    steps.actions
}

struct Steps<'a> {
    domain: &'a str,
    parent: &'a str,
    hostmaster: Option<&'a str>,
    actions: Vec<Action>,
}

impl Steps<'_> {
    fn us(&mut self, what: impl Into<String>) {
        self.add(Who::Us, what);
    }

    fn wait(&mut self, what: impl Into<String>) {
        self.add(Who::Wait, what);
    }

    /// The parent's people: a registrar where the parent is a top-level domain.
    fn parent(&mut self, what: impl Into<String>) {
        let mut who = if self.parent.contains('.') {
            format!("the people of {}", self.parent)
        } else {
            format!("the registrar of {}", self.domain)
        };
        if let Some(contact) = self.hostmaster {
            who.push_str(&format!(" ({contact})"));
        }
        self.add(Who::Others(who), what);
    }

    fn add(&mut self, who: Who, what: impl Into<String>) {
        let what = what.into();
        self.actions.push(Action { who, what });
    }

    /// The cure of keys that Route 53 cannot use: the second key of a rotation is not apply's.
    fn cure(&mut self, facts: &Facts, why: &str) {
        let keys = facts.aws.as_ref().map(|aws| &aws.keys[..]);
        let keys = keys.unwrap_or_default().iter();
        let failing: Vec<_> = keys.filter(|ksk| is_curable(ksk)).collect();
        if failing.iter().any(|ksk| ksk.whose == Whose::Stack) {
            self.apply(facts, why);
        }
        if failing.iter().any(|ksk| ksk.whose == Whose::Rotation) {
            self.us(format!("run `spore-infra ksk rotate`{why}"));
        }
        for ksk in failing {
            if let Whose::Unknown(unread) = &ksk.whose {
                self.us(format!(
                    "find out whose {} is, and have it cured{why}; nobody can tell while KMS does not \
                     answer: {unread}",
                    ksk.name
                ));
            }
        }
    }

    /// What only somebody who can see more can decide.
    fn look_again(&mut self, why: &str, then: &str) {
        self.us(format!(
            "run `spore-infra status` again, also from another network: {why}{then}"
        ));
    }

    fn apply(&mut self, facts: &Facts, why: &str) {
        let blocked = match &facts.aws {
            Ok(aws) => aws.plan.blocked.as_slice(),
            Err(_) => &[],
        };
        match blocked {
            [] => self.us(format!("run `spore-infra apply`{why}")),
            [first, ..] => self.us(format!(
                "clear what blocks ({first}), then run `spore-infra apply`{why}"
            )),
        }
    }
}

fn repair(facts: &Facts, state: &State<'_>, steps: &mut Steps<'_>) {
    let (_, ds_ttl) = state.ttls();
    let servers = own_servers(facts);
    if facts.wants_dnssec && facts.aws.as_ref().is_ok_and(|aws| aws.is_key_lost) {
        key_lost(facts, state, steps);
        return;
    }
    if state.is_failing {
        keys_first(facts, state, steps);
        return;
    }
    if state.is_parent_silent() {
        let why = format!(
            "no server of {} answers, so that nobody can tell what it has to change",
            state.parent
        );
        return steps.look_again(&why, "");
    }
    match &state.delegation {
        Delegated::Nowhere => {
            if facts.wants_dnssec && is_unready(state) && own_parent(facts).is_none() {
                steps.apply(facts, ", so that the zone is signed before it is delegated");
            }
            match own_parent(facts) {
                Some(zone) => {
                    return steps
                        .apply(facts, &format!(": it delegates {} in {zone}", facts.domain));
                }
                None => steps.parent(format!("delegate {} to {servers}", facts.domain)),
            }
            publish(facts, state, steps, "once the delegation is there");
            return;
        }
        Delegated::Elsewhere(there) => {
            moved(facts, state, steps, &servers, *there);
            return;
        }
        // Also with some of its servers right, Route 53 does not sign it.
        Delegated::Partly { .. } if facts.wants_dnssec && signs_nothing(facts) => {
            moved(facts, state, steps, &servers, There::Unknown);
            return;
        }
        Delegated::Partly { .. } => {
            steps.parent(format!(
                "set the NS records of {} to exactly {servers}",
                facts.domain
            ));
        }
        Delegated::Here | Delegated::Unknown => {}
    }
    let is_bogus = matches!(state.zone.verdict, Verdict::Bogus(_));
    if let Some((zone, parent)) = state.unsigned {
        if facts.wants_dnssec {
            let who = format!("the people of {zone}");
            steps.add(
                Who::Others(who),
                format!(
                    "sign {zone} and have its DS record put into {parent}; until then {} works, unsigned \
                     to the world",
                    facts.domain
                ),
            );
        }
        if state.has_good_ds() || !facts.wants_dnssec {
            return;
        }
    }
    let differs = state.ds.iter().any(|(ds, _)| {
        !state
            .zone
            .delegations()
            .all(|(_, answer)| answer.ds.contains(ds))
    });
    if state.has_good_ds() {
        let useless: Vec<&Ds> = state.useless().collect();
        if !useless.is_empty() {
            let when = if state.is_disputed() {
                "At once: with it the zone is bogus to some resolvers"
            } else {
                "Nothing depends on when"
            };
            steps.parent(format!(
                "take out DS {}; the one of key {} stays. {when}",
                tags(state, &useless),
                tags(state, &good(state))
            ));
        }
        if differs {
            steps.wait(format!(
                "until every server of {} has the same DS records; if that takes more than a day, \
                 its people have to look",
                state.parent
            ));
        }
        let is_weak = state.sets.iter().any(|set| set.trust == Trust::Weak);
        let is_of_one = |key: &&DnsKey| {
            let mut records = state.ds.iter();
            records.any(|(ds, _)| ds.matches(&facts.domain, key))
        };
        if let Some(key) = state.ready.iter().filter(|_| is_weak).find(is_of_one) {
            let ds = ds_of(key, &facts.domain);
            steps.parent(format!(
                "add DS {ds}; the one with SHA-1 can go once it is there"
            ));
        }
        if is_bogus && !differs && useless.is_empty() {
            steps.us(
                "see which servers answer what (above). Signatures are Route 53's: if `spore-infra plan` \
                 finds nothing, ask AWS support, and until then the DS records can be taken out, after \
                 whose TTL the zone is insecure and resolves",
            );
        }
    } else if state.ds.is_empty() {
        if facts.wants_dnssec {
            match &state.not_ready {
                Some(Unserved::Lacking(why)) => ready(facts, why, steps),
                Some(Unserved::Unknown(why)) => steps.look_again(why, ""),
                None => {}
            }
            publish(facts, state, steps, "");
        }
    } else if let Some(key) = in_place(facts, state) {
        // Nothing fits, and ours would.
        let wrong: Vec<&Ds> = state.useless().collect();
        steps.parent(format!(
            "replace DS {} by DS {} in one change, or add the right one first (`spore-infra handover --step \
             ds-add` writes the text)",
            tags(state, &wrong),
            ds_of(key, &facts.domain)
        ));
        steps.wait(format!(
            "until every server of {} has it (`spore-infra status` shows each), and then {} for resolvers \
             that hold the old DS set",
            state.parent,
            span(ds_ttl)
        ));
        steps.us("run `spore-infra status` again: it must say secure");
    } else {
        let to_sign = to_sign(facts, state);
        if !to_sign.is_empty() {
            steps.apply(
                facts,
                &format!(
                    " now, before anything else: it has Route 53 sign with the key of DS {}, which is right then",
                    tags(state, &to_sign)
                ),
            );
            steps.us("run `spore-infra status` again: it must say secure");
            return;
        }
        // A record that may be right must not go on the word of nobody.
        if state.is_untold() && facts.wants_dnssec {
            let why = state.not_ready.as_ref().map(ToString::to_string);
            let why = why.unwrap_or_else(|| "not all that is asked could be read".into());
            return steps.look_again(
                &why,
                "; until it can be told, leave the DS records as they are",
            );
        }
        let wrong: Vec<&Ds> = state.ds.iter().map(|(ds, _)| ds).collect();
        let not_ready = state.not_ready.as_ref().map(ToString::to_string);
        let why = match (not_ready.as_deref(), too_early(facts)) {
            _ if !facts.wants_dnssec => "the document says `[dnssec] enabled = false`",
            (Some(why), _) | (None, Some(why)) => why,
            (None, None) => "the key that comes is not on every name server",
        };
        steps.parent(format!(
            "take out DS {} now, before anything else: {why}, so that no DS record can be right, and \
             without one names resolve again",
            tags(state, &wrong)
        ));
        steps.wait(format!("{} for resolvers that hold it", span(ds_ttl)));
        if facts.wants_dnssec && is_unready(state) {
            steps.apply(facts, "");
        }
        publish(facts, state, steps, "then");
    }
}

/// The command that makes live AWS match the document.
pub(super) const APPLY: &str = "spore-infra apply";

/// What has to be written down before anybody changes what it is about.
fn note(aws: &Aws, steps: &mut Steps<'_>) {
    for command in &aws.notes {
        // What is blocked writes nothing.
        let first = match &aws.plan.blocked[..] {
            [blocked, ..] if *command == APPLY => format!("clear what blocks ({blocked}), then "),
            [] | [_, ..] => String::new(),
        };
        steps.us(format!(
            "{first}run `{command}` first: it notes in the journal what the parent and its servers show now, and \
             waits count from that"
        ));
    }
}

/// A command that comes next anyway notes it as well.
fn spare_notes(aws: &Aws, steps: &mut Steps<'_>) {
    let [command] = aws.notes[..] else {
        return;
    };
    let run = format!("run `{command}`");
    if let [_, second, ..] = &steps.actions[..]
        && second.who == Who::Us
        && second.what.contains(&run)
    {
        steps.actions.remove(0);
    }
}

/// What a way down needs to go on.
fn leave(aws: &Aws, leaving: &Leaving, state: Option<&State<'_>>, steps: &mut Steps<'_>) {
    for command in &aws.notes {
        steps.us(format!(
            "run `{command}` while the DS record is there: it is refused, and notes in the journal that the record is \
             back, so that waits count from when it goes again"
        ));
    }
    if leaving.is_vouched_for {
        let records = state.into_iter().flat_map(|state| &state.ds);
        let records: Vec<&Ds> = records.map(|(ds, _)| ds).collect();
        let named = state.map_or_else(String::new, |state| tags(state, &records));
        steps.parent(format!(
            "take out DS {named}, all of them: before that nothing of the signing may be turned off \
             (`spore-infra handover --step ds-remove` writes the text)"
        ));
    }
    for why in &leaving.against {
        steps.us(format!("settle what stands against it: {why}"));
    }
    for why in &leaving.lags {
        steps.wait(format!("some minutes: {why}"));
    }
    let is_held = leaving.is_vouched_for || !leaving.against.is_empty();
    if let Some((until, what)) = aws.plan.until.as_ref().filter(|_| !is_held) {
        steps.wait(format!("until {until:.0}: {what}"));
    }
    if leaving.is_delegated {
        let domain = steps.domain;
        steps.parent(format!(
            "withdraw the delegation of {domain}, best before the zone is gone (`spore-infra handover --step teardown` \
             writes the text, and says how long before)"
        ));
    }
    steps.us(leaving.ways.clone());
}

/// Servers of the parent of which nobody knows what they tell resolvers.
fn silent_parents(state: &State<'_>, steps: &mut Steps<'_>) {
    let silent = state.zone.parents.iter().filter_map(|server| {
        let trouble = server.answer.as_ref().err()?;
        Some(format!("{} {}", server.name, trouble.words()))
    });
    let silent: Vec<String> = silent.collect();
    if !silent.is_empty() {
        steps.parent(format!(
            "see to the servers of {}: {}; steps that depend on what each server has wait for that",
            state.parent,
            silent.join("; ")
        ));
    }
}

/// What makes the zone's servers ready for a DS record: an apply, or only time.
fn ready(facts: &Facts, why: &str, steps: &mut Steps<'_>) {
    let aws = facts.aws.as_ref().ok();
    let plan = aws.map(|aws| &aws.plan);
    let is_signing = aws
        .and_then(|aws| aws.signing.as_ref())
        .is_some_and(|(status, _)| status == "SIGNING");
    if let Some((until, what)) = plan.and_then(|plan| plan.until.as_ref()) {
        steps.wait(format!("until {until:.0}: {what}"));
        steps.apply(facts, &format!(" then: {why}"));
    } else if is_signing
        && plan.is_some_and(|plan| plan.changes.is_empty() && plan.blocked.is_empty())
    {
        steps.wait(format!(
            "until every name server of the zone serves what Route 53 signs ({why}); if that takes more than an \
             hour, ask AWS support"
        ));
        if aws.is_some_and(|aws| aws.unsigned.is_some()) {
            steps.apply(facts, " then, which notes since when that is so");
        }
    } else {
        steps.apply(facts, &format!(": {why}"));
    }
}

/// The KMS key is gone for good: what it signed ends, and no DS record of it may stand then.
fn key_lost(facts: &Facts, state: &State<'_>, steps: &mut Steps<'_>) {
    let (_, ds_ttl) = state.ttls();
    let all: Vec<&Ds> = state.ds.iter().map(|(ds, _)| ds).collect();
    if !all.is_empty() {
        let by = match state.ends {
            Some(ends) if ends > later(facts.at, ds_ttl) => {
                format!(
                    " by {:.0}, {} before the last signature ends",
                    ends - ds_ttl,
                    span(ds_ttl)
                )
            }
            Some(_) | None => " at once".to_owned(),
        };
        steps.parent(format!(
            "take out DS {}{by}: the KMS key of the zone's key-signing key is gone, and no other can stand in for \
             it (`spore-infra handover --step ds-remove` writes the text)",
            tags(state, &all)
        ));
    }
    steps.us(
        "write `enabled = false` below `[dnssec]` into the document and run `spore-infra dnssec disable`, which \
         waits until no resolver remembers a DS record",
    );
    steps.us("take that out of the document again and run `spore-infra apply`, which makes a key and signs");
    steps.parent("then: add the DS record that `spore-infra ds` prints, not before it prints one");
}

/// Route 53 cannot use a key: that comes first, and has an end date.
fn keys_first(facts: &Facts, state: &State<'_>, steps: &mut Steps<'_>) {
    let (_, ds_ttl) = state.ttls();
    // What is of no key makes the zone bogus today; the signatures of the key that fails last for days.
    let wrong = state.wrong();
    if !wrong.is_empty() {
        steps.parent(format!(
            "take out DS {} now, before anything else: it is of no key of the zone, and without it names \
             resolve again",
            tags(state, &wrong)
        ));
    }
    let by = state.ends.filter(|ends| *ends > facts.at).map(|ends| {
        format!(
            ", before {ends:.0} ({} left): then the last signature that servers show ends",
            left(facts.at, ends)
        )
    });
    let records = state.ds.iter().map(|(ds, _)| ds);
    let all: Vec<&Ds> = records.filter(|ds| !wrong.contains(ds)).collect();
    let is_safe = all.is_empty() || is_held_by_another(facts, state);
    let by = match (by, state.ends) {
        _ if is_safe => String::new(),
        (Some(by), _) => by,
        (None, Some(_)) => ": the last signature of a key that the parent vouches for has ended, and names resolve \
                            again when Route 53 has signed with that key"
            .to_owned(),
        (None, None) => String::new(),
    };
    steps.cure(facts, &by);
    let aws = facts.aws.as_ref().ok();
    let way = aws.and_then(|aws| aws.way_after_loss.as_deref());
    // A key that signs and that the parent does not vouch for yet keeps the zone secure: nothing has to go.
    let other = sound(facts, state).into_iter().next();
    let is_ours_to_write = own_parent(facts).is_some();
    let stands_in = other.filter(|_| !is_safe && !is_ours_to_write);
    if let Some(key) = stands_in {
        stand_in(facts, state, key, &all, steps);
    }
    steps.actions.extend(way.map(by_us));
    if is_safe || stands_in.is_some() || is_ours_to_write && way.is_some() {
        return;
    }
    match state.ends {
        Some(ends) if ends > facts.at => {
            let margin = ends.duration_since(later(facts.at, ds_ttl));
            if margin.is_negative() {
                steps.parent(format!(
                    "only if that cannot be done in time: take out DS {} at once; resolvers hold it for {}",
                    tags(state, &all),
                    span(ds_ttl)
                ));
            } else {
                let at = ends - ds_ttl;
                steps.parent(format!(
                    "only if that cannot be done in time: take out DS {} by {at:.0}, {} before the end, \
                     which is how long resolvers hold it; the zone is insecure then, and resolves",
                    tags(state, &all),
                    span(ds_ttl)
                ));
            }
        }
        Some(_) | None => steps.parent(format!(
            "if that cannot be done at once: take out DS {}; after {} the zone is insecure and resolves",
            tags(state, &all),
            span(ds_ttl)
        )),
    }
}

fn by_us(what: &str) -> Action {
    Action {
        who: Who::Us,
        what: what.to_owned(),
    }
}

/// Whether a command of ours can make Route 53 sign with a failing key again.
fn is_curable(ksk: &Ksk) -> bool {
    let is_gone = ksk
        .kms_state
        .as_ref()
        .is_some_and(|(state, _)| state == GONE);
    is_needed_and_failing(ksk) && !is_gone
}

/// The record of a key that signs comes beside those of one that fails, before what resolvers hold of these leads
/// nowhere.
fn stand_in(facts: &Facts, state: &State<'_>, key: &DnsKey, all: &[&Ds], steps: &mut Steps<'_>) {
    let (_, ds_ttl) = state.ttls();
    let keys = facts.aws.as_ref().map(|aws| &aws.keys[..]);
    let is_cured = keys.unwrap_or_default().iter().any(is_curable);
    let lead = if is_cured {
        "if that cannot be done in time: "
    } else {
        ""
    };
    let by = match state.ends.filter(|ends| *ends > later(facts.at, ds_ttl)) {
        Some(ends) => format!(
            "by {:.0}, {} before the last signature ends that the old set leads to",
            ends - ds_ttl,
            span(ds_ttl)
        ),
        None => format!(
            "at once: what resolvers hold of the old set, for {}, leads to no signature then",
            span(ds_ttl)
        ),
    };
    let early = too_early(facts).map(|why| format!("; {why}"));
    let ds = ds_of(key, &facts.domain);
    steps.parent(format!(
        "{lead}add DS {ds} beside DS {}, {by}{} (`spore-infra handover --step ds-add` writes the text)",
        tags(state, all),
        early.unwrap_or_default()
    ));
}

/// Whether the zone is known to have no key of which a DS record may be: there is something to apply.
fn is_unready(state: &State<'_>) -> bool {
    matches!(state.not_ready, Some(Unserved::Lacking(_)))
}

/// The parent delegates to other servers than the zone's.
fn moved(facts: &Facts, state: &State<'_>, steps: &mut Steps<'_>, servers: &str, there: There) {
    let (ns_ttl, ds_ttl) = state.ttls();
    let all: Vec<&Ds> = state.ds.iter().map(|(ds, _)| ds).collect();
    let is_unsigned = facts.wants_dnssec && signs_nothing(facts);
    if facts.wants_dnssec && is_unready(state) && !is_unsigned {
        steps.apply(facts, ", so that the zone here is signed");
    }
    let has_key = facts.aws.as_ref().is_ok_and(|aws| {
        let mut keys = aws.keys.iter();
        keys.any(|ksk| ksk.whose != Whose::Stranger)
    });
    if is_unsigned && !has_key {
        steps.apply(
            facts,
            ", so that the zone has the key that it is to be signed with",
        );
    }
    let is_right = all.iter().all(|ds| is_good(state, ds));
    match (all.as_slice(), there) {
        ([], _) => {
            let aws = facts.aws.as_ref().ok();
            if let Some(why) = aws.and_then(|aws| aws.others_vouched_for.as_ref()) {
                steps.wait(why.clone());
            }
            steps.parent(format!(
                "set the NS records of {} to {servers}",
                facts.domain
            ));
        }
        // What the zone's own servers answer is unsigned until then: with a DS record, bogus.
        (_, _) if is_unsigned => {
            steps.parent(format!(
                "take out DS {}: it is of another zone than this one, which cannot be signed before it is delegated",
                tags(state, &all)
            ));
            steps.wait(format!("{} for resolvers that hold it", span(ds_ttl)));
            steps.parent(format!(
                "set the NS records of {} to {servers}",
                facts.domain
            ));
        }
        // Nobody can resolve it now, so there is nothing to break on the way; nor is there where the records are of
        // the servers to come, whatever answers there.
        (_, There::NoZone | There::Unknown) if is_right || there == There::NoZone => {
            let ds = match to_add(facts, state) {
                Some(key) => format!("to {}", ds_of(key, &facts.domain)),
                None => "to none".to_owned(),
            };
            let ds = if is_right {
                "; its DS records are right".to_owned()
            } else {
                format!(", and its DS records {ds}, in the same change: nothing resolves now")
            };
            steps.parent(format!(
                "set the NS records of {} to {servers}{ds}",
                facts.domain
            ));
            steps.wait(format!(
                "up to {} for resolvers that hold the old records",
                span(ns_ttl.max(ds_ttl))
            ));
            steps.us("run `spore-infra status` again");
            return;
        }
        (_, There::NoZone | There::AnotherZone | There::Unknown) => {
            steps.parent(format!(
                "take out DS {}: it is of the zone there, whose keys the servers to come do not have",
                tags(state, &all)
            ));
            steps.wait(format!("{} for resolvers that hold it", span(ds_ttl)));
            steps.parent(format!(
                "set the NS records of {} to {servers}",
                facts.domain
            ));
        }
    }
    if is_unsigned {
        steps.apply(
            facts,
            " once it is delegated to these servers, so that the zone is signed: Route 53 does not sign it before",
        );
    }
    let others = facts
        .aws
        .as_ref()
        .ok()
        .and_then(|aws| aws.others_remembered);
    steps.wait(match others {
        Some(lasts) => format!(
            "{} for resolvers that hold the old NS records, the parent's and the old servers' own, and what these \
             answered; it counts from when `spore-infra apply` first sees every server of {} delegate to these servers",
            span(lasts),
            state.parent
        ),
        None => format!("{} for resolvers that hold the old NS records", span(ns_ttl)),
    });
    publish(facts, state, steps, "then");
}

/// Whether Route 53 has signing of the zone off.
fn signs_nothing(facts: &Facts) -> bool {
    let aws = facts.aws.as_ref().ok();
    let signing = aws.and_then(|aws| aws.signing.as_ref());
    signing.is_some_and(|(status, _)| status == "NOT_SIGNING")
}

/// The DS records at the parent of a key with which Route 53 signs as soon as signing is on.
fn to_sign<'a>(facts: &Facts, state: &'a State<'_>) -> Vec<&'a Ds> {
    let Ok(aws) = &facts.aws else {
        return Vec::new();
    };
    if !facts.wants_dnssec || !signs_nothing(facts) || state.delegation != Delegated::Here {
        return Vec::new();
    }
    let is_sound = |state: &str| state == "Enabled";
    let ours = aws.keys.iter().filter(|ksk| {
        let kms = ksk.kms_state.as_ref().map(|(state, _)| state.as_str());
        ksk.status == "ACTIVE" && ksk.whose.is_ours() && kms.is_some_and(is_sound)
    });
    let keys: Vec<&DnsKey> = ours.filter_map(|ksk| ksk.key.as_ref()).collect();
    let records = state.ds.iter().map(|(ds, _)| ds);
    let is_of_one = |ds: &&Ds| keys.iter().any(|key| ds.matches(&facts.domain, key));
    records.filter(is_of_one).collect()
}

/// What is to be put into the parent, if it may be.
fn publish(facts: &Facts, state: &State<'_>, steps: &mut Steps<'_>, when: &str) {
    if !facts.wants_dnssec || state.has_good_ds() {
        return;
    }
    let when = if when.is_empty() {
        String::new()
    } else {
        format!("{when}: ")
    };
    if let Some(why) = too_early(facts) {
        steps.wait(why.to_owned());
    }
    if let Some(zone) = own_parent(facts) {
        let turning = facts.aws.as_ref().ok().and_then(|aws| aws.turning.as_ref());
        return match turning {
            Some(turning) => steps.us(format!(
                "run `{}`: {when}it goes on with the rotation, and writes into {zone} what that needs when it may",
                turning.command
            )),
            None => steps.apply(
                facts,
                &format!(": {when}it puts the DS record into {zone} when it may"),
            ),
        };
    }
    match to_add(facts, state) {
        Some(key) => steps.parent(format!("{when}add DS {}", ds_of(key, &facts.domain))),
        None => steps.parent(format!(
            "{when}add the DS record that `spore-infra ds` prints, not before it prints one"
        )),
    }
}

/// The key whose DS record the parent is to have where it has none that is right: of a rotation the one that
/// comes, as the other one is on its way out.
fn to_add<'a>(facts: &Facts, state: &'a State<'_>) -> Option<&'a DnsKey> {
    let aws = facts.aws.as_ref().ok();
    let new = aws
        .and_then(|aws| aws.turning.as_ref())
        .and_then(|turning| turning.new.as_ref());
    match new {
        Some(new) => state.ready.iter().find(|key| *key == new),
        None => state.ready.first(),
    }
}

/// The key whose record may take the place of wrong ones now: until the key that comes may be named, the one that
/// it comes beside, which every resolver knows that knows the zone's keys.
fn in_place<'a>(facts: &Facts, state: &'a State<'_>) -> Option<&'a DnsKey> {
    let aws = facts.aws.as_ref().ok();
    if !facts.wants_dnssec || aws.is_some_and(|aws| aws.unsigned.is_some()) {
        return None;
    }
    let turning = aws.and_then(|aws| aws.turning.as_ref());
    match turning.filter(|turning| turning.too_early.is_some()) {
        Some(turning) => state
            .ready
            .iter()
            .find(|key| Some(*key) != turning.new.as_ref()),
        None => to_add(facts, state),
    }
}

/// The parent zone, where the tool writes into it.
fn own_parent(facts: &Facts) -> Option<&str> {
    facts.aws.as_ref().ok()?.parent_zone.as_deref()
}

/// Why a DS record would be too early, by the journal.
fn too_early(facts: &Facts) -> Option<&str> {
    let aws = facts.aws.as_ref().ok()?;
    let turning = aws.turning.as_ref();
    let turning = turning.and_then(|turning| turning.too_early.as_deref());
    aws.unsigned.as_deref().or(turning)
}

/// What is left to do on our side.
fn rest(facts: &Facts, steps: &mut Steps<'_>) {
    let Ok(aws) = &facts.aws else {
        return;
    };
    let turning = aws.turning.as_ref();
    let command = turning.map_or("spore-infra ksk rotate", |turning| turning.command);
    match turning.and_then(|turning| turning.next.as_ref()) {
        // Said above, with its deadline.
        Some(Mover::Parent(what))
            if what.contains("--step ds-add")
                && steps
                    .actions
                    .iter()
                    .any(|step| step.what.contains("--step ds-add")) => {}
        Some(Mover::Parent(what)) => {
            steps.parent(format!("for the rotation of the key: {what}"));
        }
        // Said with the key that Route 53 cannot use.
        Some(Mover::Us)
            if steps
                .actions
                .iter()
                .any(|step| step.what.contains("ksk rotate")) => {}
        Some(Mover::Us) => {
            if let Some(until) = turning.and_then(|turning| turning.until) {
                steps.wait(format!(
                    "until {until:.0}: the rotation waits for what resolvers may remember"
                ));
            }
            steps.us(format!("run `{command}` to go on with the rotation"));
        }
        Some(Mover::UsOnceSeen) => steps.us(format!(
            "run `{command}` to go on with the rotation, once every server of the parent says what it has"
        )),
        None => {}
    }
    for ksk in &aws.keys {
        if let Some(way) = &ksk.way_down {
            steps.us(format!(
                "find out whose key-signing key {} is; if nobody needs it, take it down, in this order: {way}",
                ksk.name
            ));
        }
    }
    let is_said = steps
        .actions
        .iter()
        .any(|action| action.who == Who::Us && action.what.contains("spore-infra apply"));
    let is_told = |blocked: &&String| {
        // What is said of a resource comes after its address.
        let why = blocked
            .split_once(": ")
            .map_or(blocked.as_str(), |(_, why)| why);
        let mut actions = steps.actions.iter();
        actions.any(|action| blocked.ends_with(&action.what) || action.what.ends_with(why))
    };
    let blocked: Vec<&str> = aws
        .plan
        .blocked
        .iter()
        .filter(|blocked| !is_told(blocked))
        .map(String::as_str)
        .collect();
    if !is_said && !blocked.is_empty() {
        steps.us(format!("clear what blocks: {}", blocked.join("; ")));
    } else if let Some((until, what)) = &aws.plan.until
        && !is_said
    {
        steps.wait(format!("until {until:.0}: {what}"));
        steps.us("run `spore-infra apply` then");
    } else if !is_said && is_to_be_noted(&aws.plan.changes) {
        steps.us(
            "run `spore-infra apply`: it notes in the journal what the parent shows now, and waits count from then",
        );
    } else if !is_said && !aws.plan.changes.is_empty() {
        steps.us(format!(
            "look at `spore-infra plan`: {} of the stack's objects differ from the document",
            aws.plan.changes.len()
        ));
    }
    let is_unheard = aws
        .alarms
        .values()
        .any(|heard| matches!(heard, super::facts::Heard::Nobody(_)));
    if is_unheard {
        steps.us(
            "name topics in [alarms] notify and run `spore-infra apply`: somebody has to hear them",
        );
    }
}

/// Whether nothing differs but what the journal is to remember.
fn is_to_be_noted(changes: &[String]) -> bool {
    let journal = Kind::JournalGroup.word();
    !changes.is_empty()
        && changes
            .iter()
            .all(|addr| addr.split('/').next() == Some(journal))
}

fn own_servers(facts: &Facts) -> String {
    match &facts.aws {
        Ok(aws) if !aws.name_servers.is_empty() => aws
            .name_servers
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
        Ok(_) | Err(_) => "the name servers that `spore-infra plan` shows".to_owned(),
    }
}

fn good<'a>(state: &'a State<'_>) -> Vec<&'a Ds> {
    let good = state.ds.iter().filter(|(_, fit)| *fit == Fit::Good);
    good.map(|(ds, _)| ds).collect()
}

fn is_good(state: &State<'_>, ds: &Ds) -> bool {
    state
        .ds
        .iter()
        .any(|(other, fit)| other == ds && *fit == Fit::Good)
}

/// Key tags; where another record at the parent, or the one to be added, has the same, with the digest's
/// beginning.
fn tags(state: &State<'_>, ds: &[&Ds]) -> String {
    let text = |one: &&Ds| {
        let at_parent = state.ds.iter().map(|(ds, _)| ds);
        let is_shared = at_parent
            .filter(|other| other != one)
            .map(|other| other.key_tag)
            .chain(
                state
                    .ready
                    .iter()
                    .filter(|key| !one.matches(&state.zone.name, key))
                    .map(DnsKey::key_tag),
            )
            .any(|tag| tag == one.key_tag);
        if is_shared {
            let digest = one.hex();
            format!(
                "{} (type {}, {}...)",
                one.key_tag,
                one.digest_type,
                digest.get(..8).unwrap_or_default()
            )
        } else {
            one.key_tag.to_string()
        }
    };
    ds.iter().map(text).collect::<Vec<_>>().join(" and ")
}
