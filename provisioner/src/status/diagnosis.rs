//! What is wrong, each in a sentence of its own.
//!
//! A DS record counts by all four fields and by the key's signature, never by its tag alone: two keys
//! may share a tag, and a digest may be another owner's.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{Aws, Facts, Heard, Ksk, Trouble, Verdict, Zone};
use super::report::{Finding, Level};
use crate::addr::Kind;
use crate::condition::remembered;
use crate::ds::judgement::{Fit, Judgement, Keys, Trust, judge};
use crate::ds::keys::{Unserved, Whose};
use crate::ds::{DigestType, DnsKey, Ds};
use crate::plan::span;

mod resolvers;

/// The zone at its cut: who delegates it where, with which DS records, and to which keys these fit.
pub(super) struct State<'a> {
    pub zone: &'a Zone,
    /// Name of the parent zone.
    pub parent: &'a str,
    /// DS records of the parent, and what each is.
    pub ds: Vec<(Ds, Fit)>,
    /// The DS set of each server of the parent, judged.
    pub sets: Vec<Judgement>,
    /// Keys of ours that a DS record may name: they sign on every server of ours that answers.
    pub ready: Vec<DnsKey>,
    /// Why there is none, or why nobody can tell, if so.
    pub not_ready: Option<Unserved>,
    /// Where the parent sends resolvers.
    pub delegation: Delegated,
    /// The first zone above that is not signed.
    pub unsigned: Option<(&'a str, &'a str)>,
    /// Whether Route 53 cannot refresh the signatures.
    pub is_failing: bool,
    /// When the first of the signatures served now ends that a validator needs.
    pub ends: Option<Timestamp>,
}

/// Where the parent sends resolvers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delegated {
    /// No parent server delegates the zone.
    Nowhere,
    /// To the zone's servers.
    Here,
    /// To other servers only.
    Elsewhere(There),
    /// To some of the zone's servers, or to others as well.
    Partly {
        missing: BTreeSet<String>,
        extra: BTreeSet<String>,
    },
    /// No parent server answered, or it is not known which servers are ours.
    Unknown,
}

/// What the servers answer that a parent delegates to, where none of them is the zone's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// A zone of this name.
    AnotherZone,
    /// Each, that it does not serve it.
    NoZone,
    /// Nothing that would tell.
    Unknown,
}

impl<'a> State<'a> {
    /// None when the walk from the root did not reach the parent.
    pub fn of(facts: &'a Facts) -> Option<Self> {
        let zone = facts.zone()?;
        let parent = facts.parent()?.name.as_str();
        let ours = our_keys(facts, zone);
        let mut keys = Keys::default();
        let mut not_ready = None;
        for key in &ours {
            match why_not_ready(facts, zone, key) {
                None => keys.signing.push(key.clone()),
                Some(why) => {
                    match &why {
                        Unserved::Lacking(_) => keys.resting.push(key.clone()),
                        Unserved::Unknown(_) => keys.untold.push(key.clone()),
                    }
                    not_ready = Some(why);
                }
            }
        }
        if ours.is_empty() {
            not_ready = Some(why_none(facts, zone));
        }
        for (_, serving) in zone.serving() {
            for key in &serving.keys {
                if keys.all().any(|known| known == key) {
                    continue;
                }
                if serving.proving.contains(key) {
                    keys.strange.push(key.clone());
                } else {
                    keys.resting.push(key.clone());
                }
            }
        }
        // What Route 53 has and no server shows is a key of the zone all the same.
        let known = facts.aws.as_ref().map_or(&[][..], |aws| &aws.keys);
        for ksk in known {
            let Some(key) = &ksk.key else {
                keys.unread.push(ksk.name.clone());
                continue;
            };
            if keys.all().all(|known| known != key) {
                if is_silent(zone) && is_used(ksk) {
                    keys.untold.push(key.clone());
                } else {
                    keys.resting.push(key.clone());
                }
            }
        }
        if !is_read(facts) && is_silent(zone) {
            keys.unread.push("those that nobody shows".into());
        }
        let published: Vec<Ds> = zone.ds().into_iter().cloned().collect();
        let ds = judge(&facts.domain, &keys, &published).records;
        let sets = zone
            .delegations()
            .map(|(_, answer)| judge(&facts.domain, &keys, &answer.ds))
            .collect();
        let above = &facts.zones[..facts.zones.len() - 1];
        let unsigned = above.windows(2).find_map(|pair| {
            let [parent, child] = pair else { return None };
            matches!(child.verdict, Verdict::Insecure(_))
                .then_some((child.name.as_str(), parent.name.as_str()))
        });
        Some(Self {
            zone,
            parent,
            ds,
            sets,
            not_ready: not_ready.filter(|_| keys.signing.is_empty()),
            ready: keys.signing,
            delegation: delegated(facts, zone),
            unsigned,
            is_failing: facts
                .aws
                .as_ref()
                .is_ok_and(|aws| aws.keys.iter().any(is_needed_and_failing)),
            ends: ends(facts, zone),
        })
    }

    /// Whether no server of the parent answers.
    pub fn is_parent_silent(&self) -> bool {
        self.zone.delegations().next().is_none()
    }

    /// Who lacks what no answer of the parent shows: the parent, where all its servers answer.
    fn nobody_at_parent(&self, lacks: &str, has: &str) -> String {
        let parent = self.parent;
        if self.zone.parents.iter().all(|server| server.answer.is_ok()) {
            format!("{parent} {lacks}")
        } else {
            format!("no server of {parent} that answers {has}")
        }
    }

    /// Whether nobody can tell what a DS record at the parent leads to, and none is known to be right.
    pub fn is_untold(&self) -> bool {
        !self.has_good_ds() && self.ds.iter().any(|(_, fit)| *fit == Fit::Untold)
    }

    /// Whether a DS record leads to a key that signs.
    pub fn has_good_ds(&self) -> bool {
        self.ds.iter().any(|(_, fit)| *fit == Fit::Good)
    }

    /// Whether validators refuse the zone because of a server's set, although the right record is in it or
    /// others are of no key.
    pub fn is_disputed(&self) -> bool {
        self.sets.iter().any(|set| {
            set.trust.is_refused()
                && (set.records.iter().any(|(_, fit)| *fit == Fit::Good) || !set.wrong().is_empty())
        })
    }

    /// Records of no key because of which validators refuse the zone: nothing has to be waited for before
    /// they go.
    pub fn wrong(&self) -> Vec<&Ds> {
        let wrong: BTreeSet<Ds> = self.sets.iter().flat_map(Judgement::wrong).collect();
        let records = self.ds.iter().map(|(ds, _)| ds);
        records.filter(|ds| wrong.contains(ds)).collect()
    }

    /// The worst that validators do with a set that this record is in.
    fn worst_of(&self, ds: &Ds) -> Trust {
        let sets = self.sets.iter();
        let with = sets.filter(|set| set.records.iter().any(|(other, _)| other == ds));
        with.map(|set| set.trust).max().unwrap_or(Trust::None)
    }

    /// DS records that should go once a good one is there.
    pub fn useless(&self) -> impl Iterator<Item = &Ds> {
        self.ds
            .iter()
            .filter(|(_, fit)| *fit != Fit::Good)
            .map(|(ds, _)| ds)
    }

    /// For how long resolvers keep what parent servers show, by the largest TTLs: of NS, of DS.
    pub fn ttls(&self) -> (Duration, Duration) {
        let largest = |of: fn(&super::facts::Delegation) -> u32| {
            let ttl = self.zone.delegations().map(|(_, answer)| of(answer)).max();
            remembered(ttl.unwrap_or(0).into())
        };
        (
            largest(|answer| answer.ns_ttl_secs),
            largest(|answer| answer.ds_ttl_secs),
        )
    }
}

/// Keys of the stack's that ought to sign: Route 53's active ones; without a word from AWS, those that servers show as
/// key-signing keys and that sign.
fn our_keys(facts: &Facts, zone: &Zone) -> Vec<DnsKey> {
    if let Ok(aws) = &facts.aws
        && is_read(facts)
    {
        let ours = aws.keys.iter().filter(|ksk| ksk.whose.is_ours());
        let active = ours.filter(|ksk| is_used(ksk));
        return active.filter_map(|ksk| ksk.key.clone()).collect();
    }
    let mut keys: Vec<DnsKey> = Vec::new();
    for (_, serving) in zone.serving() {
        for key in &serving.proving {
            // Bit 15 is the secure entry point (RFC 4034, section 2.1.1).
            if key.flags() & 1 == 1 && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    keys
}

/// Whether AWS said all that it was asked.
fn is_read(facts: &Facts) -> bool {
    facts.aws.as_ref().is_ok_and(Aws::is_read)
}

/// Whether Route 53 signs with a key, once it signs.
fn is_used(ksk: &Ksk) -> bool {
    ksk.status != "INACTIVE" && ksk.status != "DELETING"
}

/// Whether no server of the zone's answers, so that nobody can tell what they serve.
fn is_silent(zone: &Zone) -> bool {
    let mut answering = zone.serving();
    !answering.any(|(server, _)| server.in_route53 != Some(false))
}

const SILENT: &str =
    "none of the zone's servers answers, so that nobody can tell which keys they serve";

/// Why the zone has no key of which a DS record may be.
fn why_none(facts: &Facts, zone: &Zone) -> Unserved {
    if is_read(facts) {
        Unserved::Lacking("the zone has no active key-signing key".into())
    } else if is_silent(zone) {
        Unserved::Unknown(SILENT.into())
    } else {
        Unserved::Lacking("no server shows a key that proves what it answers".into())
    }
}

fn why_not_ready(facts: &Facts, zone: &Zone, key: &DnsKey) -> Option<Unserved> {
    if let Ok(aws) = &facts.aws
        && let Some((status, _)) = &aws.signing
        && status == "NOT_SIGNING"
    {
        let why = "Route 53 does not sign the zone";
        return Some(Unserved::Lacking(why.into()));
    }
    if is_silent(zone) {
        return Some(Unserved::Unknown(SILENT.into()));
    }
    let mut own = zone
        .serving()
        .filter(|(server, _)| server.in_route53 != Some(false));
    let lacking = own.find(|(_, serving)| !serving.proving.contains(key));
    lacking.map(|(server, serving)| {
        let (server, tag) = (&server.name, key.key_tag());
        Unserved::Lacking(if serving.keys.contains(key) {
            format!("{server} serves key {tag}, but that does not prove what it answers")
        } else {
            format!("{server} does not serve key {tag} yet")
        })
    })
}

fn delegated(facts: &Facts, zone: &Zone) -> Delegated {
    if zone.delegations().next().is_none() {
        return Delegated::Unknown;
    }
    let named: BTreeSet<String> = zone.delegated_to().into_iter().map(str::to_owned).collect();
    if named.is_empty() {
        return Delegated::Nowhere;
    }
    let ours = match &facts.aws {
        Ok(aws) if !aws.name_servers.is_empty() => &aws.name_servers,
        Ok(_) | Err(_) => return Delegated::Unknown,
    };
    if named == *ours {
        Delegated::Here
    } else if named.is_disjoint(ours) {
        Delegated::Elsewhere(there(zone))
    } else {
        Delegated::Partly {
            missing: ours.difference(&named).cloned().collect(),
            extra: named.difference(ours).cloned().collect(),
        }
    }
}

/// What the servers that the parent names answer. Only who says so does not serve it: one that nobody reaches from
/// here may well be reached by others.
fn there(zone: &Zone) -> There {
    let named = || zone.servers.iter().filter(|server| server.in_parent);
    if named().any(|server| server.answer.is_ok()) {
        There::AnotherZone
    } else if named().all(|server| matches!(server.answer, Err(Trouble::Lame(_)))) {
        There::NoZone
    } else {
        There::Unknown
    }
}

/// When the signature over the DNSKEY set ends, on the server where it ends first; a server that shows none any
/// more is as good as one where it ended. It is the one that needs the KMS key; Route 53 makes the others with a
/// key of its own.
fn ends(facts: &Facts, zone: &Zone) -> Option<Timestamp> {
    zone.serving()
        .filter(|(server, _)| server.in_route53 != Some(false))
        .filter(|(_, serving)| !serving.signatures.is_empty())
        .map(|(_, serving)| zone.ends(serving, "DNSKEY").unwrap_or(facts.at))
        .min()
}

/// Whether Route 53 cannot use a key that it needs, or may need: one that nobody can tell whose it is.
pub(super) fn is_needed_and_failing(ksk: &Ksk) -> bool {
    ksk.whose != Whose::Stranger && failing(ksk).is_some()
}

/// Keys of the stack's that sign on every server and that Route 53 can use.
pub(super) fn sound<'a>(facts: &Facts, state: &'a State<'_>) -> Vec<&'a DnsKey> {
    let keys = facts.aws.as_ref().map(|aws| &aws.keys[..]);
    let keys = keys.unwrap_or_default().iter();
    let usable = keys.filter(|ksk| ksk.whose.is_ours() && !is_needed_and_failing(ksk));
    let usable: Vec<&DnsKey> = usable.filter_map(|ksk| ksk.key.as_ref()).collect();
    let ready = state.ready.iter();
    ready.filter(|key| usable.contains(key)).collect()
}

/// Whether each server of the parent also vouches for a key that signs and that Route 53 can use: with that
/// the zone stays secure.
pub(super) fn is_held_by_another(facts: &Facts, state: &State<'_>) -> bool {
    let sound = sound(facts, state);
    let is_sound = |ds: &Ds| sound.iter().any(|key| ds.matches(&facts.domain, key));
    // One that does not answer may vouch for the other alone.
    let mut servers = state.zone.parents.iter();
    servers.all(|server| {
        let answer = server.answer.as_ref();
        answer.is_ok_and(|answer| answer.ds.iter().any(is_sound))
    })
}

/// Why Route 53 cannot use a key, if so.
fn failing(ksk: &Ksk) -> Option<String> {
    let name = &ksk.name;
    let tell = |what: &str| {
        let message = ksk.message.trim();
        if message.is_empty() {
            what.to_owned()
        } else {
            format!("{what}: {message}")
        }
    };
    let kms = match &ksk.kms_state {
        Some((state, date)) if state != "Enabled" => {
            let date = date
                .as_ref()
                .map(|date| format!(", to be deleted at {date}"));
            Some(format!(
                "its KMS key {} is {state}{}",
                ksk.kms_arn,
                date.unwrap_or_default()
            ))
        }
        Some(_) | None => None,
    };
    match (ksk.status.as_str(), kms) {
        ("ACTION_NEEDED" | "INTERNAL_FAILURE", kms) => {
            let kms = kms.map(|kms| format!("; {kms}")).unwrap_or_default();
            Some(format!(
                "key-signing key {name} is {}{kms}",
                tell(&ksk.status)
            ))
        }
        // Route 53 notices at its next refresh only, a day or more later.
        ("ACTIVE", Some(kms)) => Some(format!(
            "Route 53 will not be able to use key-signing key {name}, which is still ACTIVE: {kms}"
        )),
        (_, _) => None,
    }
}

/// The headline when nothing is wrong.
pub(super) fn all_is_well(facts: &Facts) -> String {
    match facts.zone() {
        Some(zone) if zone.verdict == Verdict::Secure => {
            let asked = zone
                .servers
                .iter()
                .filter(|server| server.in_parent)
                .count();
            format!("secure: all {asked} of its servers prove their answers from the root down")
        }
        Some(zone) => format!("{}, as the document wants it", zone.verdict.word()),
        None => "its parent was not reached".into(),
    }
}

/// Everything found, causes before effects.
pub(super) fn findings(facts: &Facts, state: Option<&State<'_>>) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    network(facts, &mut found);
    above(facts, state, &mut found);
    if let Some(state) = state {
        keys_in_route53(facts, state, &mut found);
        delegation(state, &mut found);
        ds_records(facts, state, &mut found);
        servers(state, &mut found);
        signatures(facts, state, &mut found);
    }
    in_aws(facts, &mut found);
    for resolver in &facts.resolvers {
        resolvers::resolved(facts, resolver, &mut found);
    }
    leaving(facts, &mut found);
    found.0
}

/// What a zone that is being taken down does not have any more is no news; what is broken, or cannot be told, is.
fn leaving(facts: &Facts, found: &mut Found) {
    let aws = facts.aws.as_ref().ok();
    let Some(leaving) = aws.and_then(|aws| aws.leaving.as_ref()) else {
        return;
    };
    let code = match leaving.since {
        Some(_) => "destroying",
        None => "signed",
    };
    if leaving.since.is_some() {
        let is_expected = |code: &str| ["undelegated", "no-zone"].contains(&code);
        (found.0).retain(|finding| finding.level > Level::Warning && !is_expected(finding.code));
        for wait in aws.map(|aws| &aws.plan.waits).into_iter().flatten() {
            found.add(Level::Note, "waits", wait.clone());
        }
    }
    found.add(Level::Warning, code, leaving.told.clone());
    for why in leaving.against.iter().chain(&leaving.lags) {
        let text = format!("it cannot go on: {why}");
        found.add(Level::Warning, code, text);
    }
}

struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, level: Level, code: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Finding { level, code, text });
    }
}

fn network(facts: &Facts, found: &mut Found) {
    for signal in &facts.signals {
        if signal.is_certain {
            let text = format!(
                "{}; what servers really say cannot be seen from here",
                signal.words
            );
            found.add(Level::Unknown, "intercepted", text);
        } else {
            found.add(Level::Note, "network", signal.words.clone());
        }
    }
    if let Some(why) = &facts.cut_short {
        let text = format!("the walk from the root did not reach the parent zone: {why}");
        found.add(Level::Unknown, "walk", text);
    }
}

/// Zones above the stack's.
fn above(facts: &Facts, state: Option<&State<'_>>, found: &mut Found) {
    let last = facts.zones.len() - usize::from(state.is_some());
    for zone in &facts.zones[..last.min(facts.zones.len())] {
        match &zone.verdict {
            Verdict::Bogus(why) if !why.contains(" above it is bogus") => {
                let text = format!("{} is bogus, and everything below it: {why}", zone.name);
                found.add(Level::Critical, "parent-bogus", text);
            }
            Verdict::Unknown(why) => {
                let text = format!("nothing is known of {}: {why}", zone.name);
                found.add(Level::Unknown, "parent-unknown", text);
            }
            Verdict::Secure | Verdict::Insecure(_) | Verdict::Bogus(_) => {}
        }
        // The closest parent's are told of with what they say of the zone.
        if state.is_some_and(|state| state.parent == zone.name) {
            continue;
        }
        let silent: Vec<String> = zone
            .servers
            .iter()
            .filter_map(|server| {
                let trouble = server.answer.as_ref().err()?;
                Some(format!("{} {}", server.name, trouble.words()))
            })
            .collect();
        if !silent.is_empty() {
            let text = format!("of the servers of {}, {}", zone.name, silent.join("; "));
            found.add(Level::Note, "parent-server", text);
        }
    }
    let Some(state) = state else {
        return;
    };
    if let Some((zone, parent)) = state.unsigned {
        let has_ds = !state.ds.is_empty();
        found.add(
            if facts.wants_dnssec {
                Level::Warning
            } else {
                Level::Note
            },
            "island",
            format!(
                "{zone} is not signed ({parent} has no DS record for it), so {} is an island: its \
                 signatures cannot be validated from the root{}",
                facts.domain,
                if has_ds {
                    ", and its DS records have no effect"
                } else {
                    ""
                }
            ),
        );
    }
}

fn keys_in_route53(facts: &Facts, state: &State<'_>, found: &mut Found) {
    let Ok(aws) = &facts.aws else {
        return;
    };
    // What another key stands for does not end with this one.
    let at_risk = state.ends.filter(|_| !is_held_by_another(facts, state));
    let left = at_risk.map(|ends| {
        if ends <= facts.at {
            "the last signature over its keys that validators can use has ended".to_owned()
        } else {
            // What Route 53 made in advance is not visible: it can only end later.
            format!(
                "the signature over its keys that servers show and validators can use ends in {} ({ends:.0}), and \
                 Route 53 may have some in store",
                left(facts.at, ends)
            )
        }
    });
    for ksk in &aws.keys {
        let tag = ksk
            .key
            .as_ref()
            .map(|key| format!(" (key {})", key.key_tag()));
        if let Some(why) = failing(ksk) {
            let left = left
                .as_ref()
                .map(|left| format!("; {left}"))
                .unwrap_or_default();
            let text = format!("{why}{}{left}", tag.unwrap_or_default());
            let level = if ksk.whose == Whose::Stranger {
                Level::Note
            } else {
                Level::Critical
            };
            found.add(level, "key-unusable", text);
        } else if ksk.status != "ACTIVE" {
            let text = format!(
                "key-signing key {} is {} {}",
                ksk.name, ksk.status, ksk.message
            );
            found.add(Level::Note, "key-status", text.trim_end());
        }
    }
    if let Some((status, message)) = &aws.signing {
        let text = format!("signing of the zone is {status} {message}");
        match status.as_str() {
            "SIGNING" => {}
            "NOT_SIGNING" if !facts.wants_dnssec => {}
            "NOT_SIGNING" if state.is_parent_silent() => found.add(
                Level::Unknown,
                "not-signed",
                format!(
                    "Route 53 does not sign the zone, and whether {} has DS records is not known",
                    state.parent
                ),
            ),
            "NOT_SIGNING" if state.ds.is_empty() => {
                found.add(
                    Level::Warning,
                    "not-signed",
                    "Route 53 does not sign the zone yet",
                );
            }
            // Whoever is delegated to now is not this stack's.
            "NOT_SIGNING" if state.zone.verdict == Verdict::Secure => found.add(
                Level::Warning,
                "not-signed",
                format!(
                    "Route 53 does not sign the zone yet; what {} delegates to now is signed, and validates",
                    state.parent
                ),
            ),
            "NOT_SIGNING" => found.add(
                Level::Critical,
                "not-signed",
                format!(
                    "{} has DS records, but Route 53 does not sign the zone",
                    state.parent
                ),
            ),
            // Said by the key already.
            "ACTION_NEEDED" if state.is_failing => {}
            _ => found.add(Level::Critical, "signing", text.trim_end()),
        }
    }
}

fn delegation(state: &State<'_>, found: &mut Found) {
    let parent = state.parent;
    for server in &state.zone.parents {
        if let Err(trouble) = &server.answer {
            let text = format!(
                "{} of the parent {parent} {}; what it tells resolvers is not known",
                server.name,
                trouble.words()
            );
            found.add(Level::Warning, "parent-server", text);
        }
    }
    if state.is_parent_silent() {
        let text = format!(
            "no server of the parent {parent} answers: to which name servers and with which DS records it \
             delegates is not known"
        );
        found.add(Level::Unknown, "parent-silent", text);
    }
    let sets: BTreeSet<&BTreeSet<String>> = state.zone.delegations().map(|(_, a)| &a.ns).collect();
    if sets.len() > 1 {
        let each = state
            .zone
            .delegations()
            .map(|(server, answer)| format!("{server} names {}", listed(&answer.ns, "nobody")));
        let text = format!(
            "the servers of {parent} delegate differently: {}",
            each.collect::<Vec<_>>().join("; ")
        );
        found.add(Level::Warning, "parent-differs", text);
    }
    let named: BTreeSet<String> = state
        .zone
        .delegated_to()
        .into_iter()
        .map(str::to_owned)
        .collect();
    match &state.delegation {
        Delegated::Nowhere => found.add(
            Level::Critical,
            "undelegated",
            format!(
                "{}, so its names do not resolve",
                state.nobody_at_parent("does not delegate it", "delegates it")
            ),
        ),
        Delegated::Elsewhere(there) => {
            let text = format!(
                "{parent} delegates it to {}, none of which is a server of this stack's hosted zone; {}",
                listed(&named, "nobody"),
                match there {
                    There::AnotherZone => "another zone of this name answers there",
                    There::NoZone => {
                        "none of them serves it: the hosted zone was deleted and made anew, or moved"
                    }
                    There::Unknown => {
                        "not all of them say that they do not serve it, and none answers for it, so that \
                         nobody can tell whether they serve it"
                    }
                }
            );
            found.add(Level::Critical, "delegated-elsewhere", text);
        }
        Delegated::Partly { missing, extra } => {
            let mut parts = Vec::new();
            if !missing.is_empty() {
                parts.push(format!("lacks {}", listed(missing, "")));
            }
            if !extra.is_empty() {
                parts.push(format!(
                    "names {}, which Route 53 did not give to the zone",
                    listed(extra, "")
                ));
            }
            let text = format!("the NS set in {parent} {}", parts.join(" and "));
            found.add(Level::Warning, "ns-differs", text);
        }
        Delegated::Here | Delegated::Unknown => {}
    }
    // The zone's own set may differ from both.
    for (server, serving) in state.zone.serving() {
        if server.in_parent
            && !serving.ns.is_empty()
            && serving.ns != named
            && state.delegation == Delegated::Here
        {
            let text = format!(
                "{} shows the NS set {} in the zone, and {parent} has {}",
                server.name,
                listed(&serving.ns, "of nobody"),
                listed(&named, "nobody")
            );
            found.add(Level::Warning, "ns-differs", text);
            break;
        }
    }
}

/// Until when a right DS record is there too early, as resolvers may remember answers from before signing.
pub(super) fn early(facts: &Facts, state: &State<'_>) -> Option<Timestamp> {
    let until = facts.aws.as_ref().ok()?.unsigned_until?;
    state.has_good_ds().then_some(until)
}

fn ds_records(facts: &Facts, state: &State<'_>, found: &mut Found) {
    let parent = state.parent;
    let sets: BTreeSet<&Vec<Ds>> = state
        .zone
        .delegations()
        .map(|(_, answer)| &answer.ds)
        .collect();
    if sets.len() > 1 {
        let each = state.zone.delegations().map(|(server, answer)| {
            let tags: Vec<String> = answer.ds.iter().map(|ds| ds.key_tag.to_string()).collect();
            let tags = if tags.is_empty() {
                "none".to_owned()
            } else {
                tags.join(", ")
            };
            format!("{server} has {tags}")
        });
        let text = format!(
            "the servers of {parent} have different DS records, as while a change is on its way: {}",
            each.collect::<Vec<_>>().join("; ")
        );
        found.add(Level::Warning, "parent-differs", text);
    }
    if early(facts, state).is_some()
        && let Some(why) = facts
            .aws
            .as_ref()
            .ok()
            .and_then(|aws| aws.unsigned.as_ref())
    {
        let text = format!(
            "{parent} has a right DS record too early: {why}; whoever does, and validates, takes that for bogus"
        );
        found.add(Level::Warning, "ds-early", text);
    }
    let is_secure = state.unsigned.is_none();
    let keys = match state.ready.as_slice() {
        [] => match &state.not_ready {
            Some(why) => why.to_string(),
            None => "the zone has no key that signs".into(),
        },
        keys => {
            let tags: Vec<String> = keys.iter().map(|key| key.key_tag().to_string()).collect();
            format!("the zone's key is {}", tags.join(" and "))
        }
    };
    for (ds, fit) in &state.ds {
        let tag = ds.key_tag;
        let (what, code) = match fit {
            Fit::Good => continue,
            Fit::Failing | Fit::Resting => (
                format!("DS {tag} of {parent} is of a key of this zone that does not sign: {keys}"),
                "ds-dormant",
            ),
            Fit::Untold => (
                format!(
                    "nobody can tell whether DS {tag} of {parent} is of a key that signs: {keys}"
                ),
                "ds-unknown",
            ),
            Fit::Strange => (
                format!(
                    "DS {tag} of {parent} is of a key that servers show but that is none of this \
                     stack's: {keys}"
                ),
                "ds-foreign",
            ),
            Fit::WrongDigest => (
                format!(
                    "DS {tag} of {parent} has a key's tag but the wrong digest {}...: it was made from \
                     another key, or for another name",
                    ds.hex().get(..8).unwrap_or_default()
                ),
                "ds-wrong-digest",
            ),
            Fit::UnknownKind => (
                format!(
                    "DS {tag} of {parent} is of algorithm {} and digest type {}, which validators do \
                     not know",
                    ds.algorithm, ds.digest_type
                ),
                "ds-unknown-kind",
            ),
            Fit::Stale => (
                format!("{parent} has DS {tag}, but {keys}: no key of the zone has that tag"),
                "ds-stale",
            ),
        };
        let is_bogus = matches!(state.zone.verdict, Verdict::Bogus(_));
        let (level, effect) = match state.worst_of(ds) {
            Trust::Disputed if is_secure => (
                Level::Critical,
                "; its digest type is the strongest, and resolvers that heed no other refuse every name \
                 (bogus)",
            ),
            Trust::Bogus | Trust::Disputed if is_bogus => (
                Level::Critical,
                "; validating resolvers refuse every name (bogus)",
            ),
            Trust::Unusable if is_secure => (
                Level::Warning,
                "; validators treat the zone as unsigned (insecure)",
            ),
            Trust::Secure | Trust::Weak | Trust::Failing if *fit == Fit::Strange => (
                Level::Warning,
                "; whoever holds that key can answer for the zone",
            ),
            Trust::Secure | Trust::Weak | Trust::Failing => {
                (Level::Note, "; it does no harm beside the one that fits")
            }
            Trust::Untold => (Level::Unknown, ""),
            Trust::None | Trust::Unusable | Trust::Disputed | Trust::Bogus => (Level::Warning, ""),
        };
        found.add(level, code, format!("{what}{effect}"));
    }
    if state.sets.iter().any(|set| set.trust == Trust::Weak) {
        let text = format!(
            "{parent} vouches for it by SHA-1 only: resolvers that no longer take that treat it as \
             unsigned (insecure)"
        );
        found.add(Level::Warning, "ds-weak", text);
    }
    let is_delegated = !matches!(state.delegation, Delegated::Nowhere | Delegated::Unknown);
    if state.ds.is_empty() && is_delegated && facts.wants_dnssec && is_secure {
        let lacks = "has no DS record for it";
        let lacks = state.nobody_at_parent(lacks, "has a DS record for it");
        let text = match &state.not_ready {
            None => format!("{lacks}: its signatures are not validated (insecure)"),
            Some(why) => format!("{lacks}, and must not have one yet: {why}"),
        };
        found.add(Level::Warning, "no-ds", text);
    }
}

fn servers(state: &State<'_>, found: &mut Found) {
    let zone = state.zone;
    let named = || zone.servers.iter().filter(|server| server.in_parent);
    let is_elsewhere = matches!(state.delegation, Delegated::Elsewhere(_));
    if named().next().is_some() && named().all(|server| server.answer.is_err()) && !is_elsewhere {
        found.add(
            Level::Critical,
            "no-server",
            "none of the name servers that its parent names answers for it",
        );
    }
    for server in &zone.servers {
        let Err(trouble) = &server.answer else {
            continue;
        };
        let who = if server.in_parent {
            "that the parent names "
        } else {
            ""
        };
        let text = format!("name server {} {who}{}", server.name, trouble.words());
        found.add(Level::Warning, "server", text);
    }
    // Servers of Route 53 only: others are another zone, and said to be that.
    let own: Vec<_> = zone
        .serving()
        .filter(|(server, _)| server.in_route53 != Some(false))
        .collect();
    let count = |tags: &BTreeSet<u16>| own.iter().filter(|(_, s)| s.tags() == *tags).count();
    let common = own
        .iter()
        .map(|(_, serving)| serving.tags())
        .max_by_key(|tags| count(tags));
    for (server, serving) in &own {
        let tags = serving.tags();
        if Some(&tags) != common.as_ref() {
            let served = |tags: &BTreeSet<u16>| match tags.len() {
                0 => "no keys".to_owned(),
                _ => format!("the keys {}", numbers(tags)),
            };
            let text = format!(
                "{} lags behind or is out of step: it serves {}, most others {}",
                server.name,
                served(&tags),
                common.as_ref().map(served).unwrap_or_default()
            );
            found.add(Level::Warning, "lagging", text);
        }
    }
    let serials: BTreeSet<u32> = own
        .iter()
        .filter_map(|(_, serving)| serving.serial)
        .collect();
    if serials.len() > 1 {
        let text = format!(
            "its servers show different SOA serials: {}",
            numbers(&serials)
        );
        found.add(Level::Note, "serial", text);
    }
    // Bogus, and no DS record explains it.
    let explained = found.0.iter().any(|finding| {
        finding.level == Level::Critical
            && (finding.code.starts_with("ds-")
                || finding.code == "not-signed"
                || finding.code == "parent-bogus")
    });
    if !explained {
        for (server, serving) in zone.serving().filter(|(server, _)| server.in_parent) {
            if let Verdict::Bogus(why) = &serving.verdict {
                let text = format!("what {} answers is bogus: {why}", server.name);
                found.add(Level::Critical, "bogus", text);
            }
        }
    }
}

/// Signatures close to their end although nothing is known to be wrong: less than a tenth of their life
/// is left, and less than six hours.
fn signatures(facts: &Facts, state: &State<'_>, found: &mut Found) {
    if state.is_failing {
        return;
    }
    for (server, serving) in state.zone.serving() {
        for signature in &serving.signatures {
            let life = signature.expires.duration_since(signature.begins).as_secs();
            let left = signature.expires.duration_since(facts.at).as_secs();
            if left > 0 && left < life / 10 && left < 6 * 3600 {
                let text = format!(
                    "on {} the signature over {} ends in {} and is not renewed yet",
                    server.name,
                    signature.covers,
                    self::left(facts.at, signature.expires)
                );
                found.add(Level::Warning, "signature-ends", text);
                return;
            }
        }
    }
}

fn in_aws(facts: &Facts, found: &mut Found) {
    let aws = match &facts.aws {
        Err(why) => {
            found.add(
                Level::Unknown,
                "aws",
                format!("AWS could not be read: {why}"),
            );
            return;
        }
        Ok(aws) => aws,
    };
    for why in &aws.unread {
        found.add(Level::Unknown, "aws", format!("could not be read: {why}"));
    }
    if let Some(why) = &aws.foreign_zone {
        let text = format!("the zone in Route 53 is not known to be the stack's: {why}");
        found.add(Level::Unknown, "zone-not-ours", text);
    }
    if aws.zone.is_none() && aws.is_read() {
        found.add(
            Level::Critical,
            "no-zone",
            "there is no hosted zone of this stack",
        );
        return;
    }
    let unheard: Vec<String> = aws
        .alarms
        .iter()
        .filter_map(|(name, heard)| match heard {
            Heard::By(_) => None,
            Heard::Nobody(why) => Some(format!("{name} ({why})")),
        })
        .collect();
    if !unheard.is_empty() {
        let text = format!("nobody hears these alarms: {}", unheard.join(", "));
        found.add(Level::Warning, "unheard", text);
    }
    for blocked in &aws.plan.blocked {
        found.add(
            Level::Warning,
            "blocked",
            format!("a plan is blocked: {blocked}"),
        );
    }
    for (addr, what) in &aws.plan.warnings {
        // Alarms that nobody hears are told of above; what is not of the chain is only noted.
        if addr.kind() == Kind::Alarm {
            continue;
        }
        let chain = [Kind::HostedZone, Kind::KmsKey, Kind::Ksk, Kind::ZoneSigning];
        let level = if chain.contains(&addr.kind()) {
            Level::Warning
        } else {
            Level::Note
        };
        found.add(level, "plan-warning", format!("{addr}: {what}"));
    }
    if let Some(turning) = &aws.turning {
        found.add(Level::Note, "rotation", turning.words.clone());
    }
    for wait in &aws.plan.waits {
        found.add(Level::Note, "waits", wait.clone());
    }
    if !aws.plan.changes.is_empty() {
        let text = format!(
            "live AWS differs from the document in {}",
            aws.plan.changes.join(", ")
        );
        found.add(Level::Note, "drift", text);
    }
}

fn listed(names: &BTreeSet<String>, none: &str) -> String {
    if names.is_empty() {
        none.to_owned()
    } else {
        names
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

pub(super) fn numbers<T: ToString>(numbers: &BTreeSet<T>) -> String {
    numbers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn or_none(tags: &BTreeSet<u16>) -> String {
    if tags.is_empty() {
        "none".into()
    } else {
        numbers(tags)
    }
}

/// Time left, in words.
pub(super) fn left(now: Timestamp, until: Timestamp) -> String {
    span(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// The DS record to publish for a key.
pub(super) fn ds_of(key: &DnsKey, domain: &str) -> Ds {
    key.ds(domain, DigestType::Sha256)
}
