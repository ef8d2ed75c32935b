//! Texts for the people of the parent zone, ready to be put into a ticket: what, why, not before, how to
//! check, how to undo. Pure: it judges what was seen, and refuses the text of a step that must not be
//! done yet.
//!
//! ```text
//! delegate --> ds-add --> (rotation: ds-add of the new key, ds-remove --key-tag of the old one)
//!                 |
//!                 +--> ds-remove --> teardown
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::condition::later;
use crate::desired::Desired;
use crate::ds::check::{Verdict, judge};
use crate::ds::{DigestType, DnsKey, Ds};
use crate::kind::hosted_zone::Live;
use crate::plan::span;
use crate::rotation::{self, Turn};
use crate::snapshot::{Delegated, Snapshot};

pub mod ticket;

use ticket::{Section, Ticket};

/// TTL that is proposed for a new DS record, so that a mistake is soon over (Route 53 Developer Guide,
/// "Configuring DNSSEC signing", step 8).
const DS_TTL_SECS: u32 = 300;
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
    /// Take DS records out: all, or those of some key tags.
    DsRemove(BTreeSet<u16>),
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
    /// The zone's key; none for a zone that is not signed.
    pub key: Option<DnsKey>,
    /// Its further ACTIVE keys.
    pub other_keys: Vec<DnsKey>,
    /// Why the zone's servers do not all answer as they should, signed if it has a key.
    pub not_yet: Option<String>,
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

/// The text for a step.
pub fn write(step: &Step, facts: &Facts<'_>) -> Handover {
    match step {
        Step::Delegate => facts.delegate(),
        Step::DsAdd => facts.ds_add(),
        Step::DsRemove(tags) => facts.ds_remove(tags),
        Step::Teardown => facts.teardown(),
    }
}

impl Facts<'_> {
    fn delegate(&self) -> Handover {
        let (domain, parent) = (&self.desired.domain, self.parent);
        let Some(zone) = self.snapshot.hosted_zone.present() else {
            return Handover::NotYet("there is no zone yet; run `spore-infra apply` first".into());
        };
        let wanted = self.name_servers(zone);
        if let Some(why) = &self.not_yet {
            return Handover::NotYet(format!(
                "its name servers are not ready for it: {why}; apply, and ask again"
            ));
        }
        let current = self.delegations();
        if self.servers.iter().all(|(_, said)| set(said) == wanted) {
            return Handover::Done(format!(
                "every server of {parent} delegates {domain} to its name servers already"
            ));
        }
        let published = self.published();
        let is_ours = |ds: &Ds| self.keys().any(|key| ds.matches(domain, key));
        if let Some(wrong) = published.iter().find(|ds| !is_ours(ds)) {
            return Handover::Unsafe(format!(
                "{parent} has the DS record {wrong} of {domain}, which is of none of this zone's keys: \
                 delegated to now, the zone would be bogus. First have it taken out: spore-infra \
                 handover --step ds-remove"
            ));
        }
        // Where there was no delegation nobody holds an unsigned answer, so both may come at once.
        let ds = self
            .key
            .as_ref()
            .filter(|_| current.is_empty() && published.is_empty());
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
            not_before: vec![format!(
                "At once. {}: each of the name servers was asked directly and answered for the zone{}.",
                self.seen_at(),
                if self.key.is_some() { ", with its DNSKEY" } else { "" }
            )],
            check,
            rollback: vec![format!(
                "Take the same lines out again. Resolvers forget them within the TTL of the NS records \
                 ({NS_TTL_SECS} s as proposed)."
            )],
            after: if self.key.is_some() && ds.is_none() {
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
            return Handover::NotYet(format!(
                "not every name server of the zone answers signed: {why}"
            ));
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
            .map(|(_, said)| judge(domain, key, &self.other_keys, true, &records(said)))
            .collect();
        let named = |of: fn(&Verdict) -> bool| {
            let records = verdicts.iter().filter(|verdict| of(verdict));
            let records: BTreeSet<&Ds> = records.flat_map(Verdict::records).collect();
            let shown: Vec<String> = records.iter().map(ToString::to_string).collect();
            shown.join("; ")
        };
        if verdicts
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Right | Verdict::Stale(_)))
        {
            let stale = named(|verdict| matches!(verdict, Verdict::Stale(_)));
            let beside = if stale.is_empty() {
                String::new()
            } else {
                format!(
                    "; beside it there is what is of no key of the zone: {stale} (--step ds-remove \
                     --key-tag TAG)"
                )
            };
            return Handover::Done(format!(
                "every server of {parent} publishes the DS record already{beside}"
            ));
        }
        let wrong = named(|verdict| matches!(verdict, Verdict::Wrong(_)));
        let mut what = vec![format!(
            "In the zone {parent}, publish this DS record of {domain}:"
        )];
        if !wrong.is_empty() {
            what.push(format!(
                "In the same change, take these out, which are of no key of the zone: {wrong}"
            ));
        }
        let is_rotation = verdicts.iter().any(|v| matches!(v, Verdict::OtherKey(_)));
        if is_rotation
            && let Some(turn) = self.turn()
            && self.at() < turn.add_from.0
        {
            return Handover::NotYet(format!(
                "not before {:.0}: {}",
                turn.add_from.0, turn.add_from.1
            ));
        }
        if is_rotation {
            what.push(
                "Leave the other DS record of the zone in place; its removal follows later.".into(),
            );
        }
        let has_ds = !self.published().is_empty();
        let mut check = self.parent_commands("DS");
        check.push(format!(
            "# each must show: {}",
            key.ds(domain, DigestType::Sha256)
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
            why: vec![if !wrong.is_empty() {
                format!(
                    "What is published now is not of the zone's key: validating resolvers refuse every \
                     name in {domain}."
                )
            } else if is_rotation {
                "The zone changes its key-signing key. Until the old one goes, both are vouched for.".into()
            } else {
                format!(
                    "{domain} is signed; only with its DS record in {parent} can resolvers validate it. \
                     Forms that ask for the key instead: {key}"
                )
            }],
            not_before: self.ds_not_before(zone, has_ds),
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

    /// When a first DS record may come: resolvers that forward to a cache may be given an unsigned answer
    /// as long as that cache holds it (Developer Guide, "Configuring DNSSEC signing", step 6).
    fn ds_not_before(&self, zone: &Live, has_ds: bool) -> Vec<String> {
        let signed = format!(
            "{}: each of the zone's name servers was asked directly and serves the DNSKEY of this record.",
            self.seen_at()
        );
        if has_ds {
            // Cached answers are signed already, and one record that is right is enough.
            return vec![format!("At once. {signed}")];
        }
        let longest = zone
            .records
            .iter()
            .filter_map(|set| Some((set.ttl_secs?, set)))
            .max_by_key(|(ttl, _)| *ttl);
        let Some((ttl, set)) = longest else {
            return vec![format!("At once. {signed}")];
        };
        let lasts = Duration::from_secs(u64::try_from(ttl).unwrap_or(0));
        vec![
            signed,
            format!(
                "If the zone was signed before it was delegated: at once. Else not before {:.0}: caches may \
                 hold unsigned answers for {}, the largest TTL in the zone ({} {}); counted from now, as \
                 nothing shows since when it is signed.",
                later(self.snapshot.taken_at, lasts),
                span(lasts),
                set.name,
                set.rtype
            ),
        ]
    }

    fn ds_remove(&self, tags: &BTreeSet<u16>) -> Handover {
        let (domain, parent) = (&self.desired.domain, self.parent);
        let published = self.published();
        if published.is_empty() {
            return Handover::Done(format!("no server of {parent} has a DS record of {domain}"));
        }
        let is_chosen = |ds: &&Ds| tags.is_empty() || tags.contains(&ds.key_tag);
        let (chosen, rest): (Vec<&Ds>, Vec<&Ds>) = published.iter().partition(is_chosen);
        if chosen.is_empty() {
            return Handover::Done(format!(
                "no server of {parent} has a DS record of {domain} with such a key tag; there are: {}",
                rest.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ")
            ));
        }
        // What stays must vouch for a key, on each server; without any record the zone is insecure, which
        // is safe.
        for (server, said) in &self.servers {
            let rest: Vec<Ds> = records(said)
                .into_iter()
                .filter(|ds| !is_chosen(&ds))
                .collect();
            if rest.is_empty() {
                continue;
            }
            let verdict = self
                .key
                .as_ref()
                .map(|key| judge(domain, key, &self.other_keys, true, &rest));
            if matches!(verdict, None | Some(Verdict::Wrong(_))) {
                return Handover::Unsafe(format!(
                    "what would stay on {server} is of no key that the zone is signed with ({}), and the \
                     zone would be bogus: take all out, or publish the right one first (--step ds-add)",
                    rest.iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join("; ")
                ));
            }
        }
        if !rest.is_empty()
            && let Some(turn) = self.turn()
        {
            let of_old =
                |ds: &Ds| DnsKey::parse(&turn.old.dnskey).is_ok_and(|key| ds.matches(domain, &key));
            let of_new =
                |ds: &Ds| DnsKey::parse(&turn.new.dnskey).is_ok_and(|key| ds.matches(domain, &key));
            let has_new = |said: &Delegated| records(said).iter().any(of_new);
            if chosen.iter().any(|ds| of_old(ds)) {
                if !self.servers.iter().all(|(_, said)| has_new(said)) {
                    return Handover::NotYet(format!(
                        "not every server of {parent} has the DS record of {}; first: spore-infra \
                         handover --step ds-add",
                        turn.new.name
                    ));
                }
                if self.at() < turn.remove_from.0 {
                    return Handover::NotYet(format!(
                        "not before {:.0}: {}",
                        turn.remove_from.0, turn.remove_from.1
                    ));
                }
            }
        }
        let is_all = rest.is_empty();
        let ttl = self
            .servers
            .iter()
            .filter(|(_, said)| !said.ds.is_empty())
            .map(|(_, said)| said.ds_ttl_secs)
            .max()
            .unwrap_or(0);
        let why = if is_all && !self.desired.dnssec {
            format!(
                "The signing of {domain} is to be turned off, which the DS record would make bogus."
            )
        } else if is_all {
            format!(
                "{domain} is to be taken down or no longer signed. While {parent} has the DS record, \
                 validating resolvers insist on signatures."
            )
        } else {
            "The key of this record is no longer used. The other record stays.".into()
        };
        let held = span(Duration::from_secs(u64::from(ttl)));
        let mut check = self.parent_commands("DS");
        check.push(if is_all {
            "# each must answer nothing".into()
        } else {
            let rest = rest.iter().map(ToString::to_string).collect::<Vec<_>>();
            format!("# each must answer only: {}", rest.join("; "))
        });
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
                } else {
                    "every server that keeps a record keeps one of a key that signs the zone"
                }
            )],
            check,
            rollback: vec![
                "Put the same lines back. That is safe as long as the zone is signed with the key.".into(),
            ],
            after: vec![format!(
                "Tell the people of the zone when every server has it. Resolvers hold the record for {held} \
                 more (the TTL seen): until then nothing of the signing may be turned off, and \
                 spore-infra waits for that by itself."
            )],
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
        let held = span(Duration::from_secs(u64::from(ttl)));
        let zone = self.snapshot.hosted_zone.present();
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
                    "Resolvers hold the delegation for {held} (the TTL seen); then `spore-infra destroy` \
                     deletes the zone without anybody asking it."
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
            sections,
        }))
    }

    fn turn(&self) -> Option<Turn<'_>> {
        let answers: Vec<&Delegated> = self.servers.iter().map(|(_, said)| *said).collect();
        rotation::turn(self.snapshot, &answers)
    }

    fn keys(&self) -> impl Iterator<Item = &DnsKey> {
        self.key.iter().chain(&self.other_keys)
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
            .flat_map(|(_, said)| records(said))
            .collect()
    }

    fn ds_line(&self, key: &DnsKey) -> String {
        let domain = &self.desired.domain;
        format!(
            "{domain}. {DS_TTL_SECS} IN DS {}",
            key.ds(domain, DigestType::Sha256)
        )
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

/// The DS records of an answer. They come from [`Ds`] and can be read again.
fn records(said: &Delegated) -> Vec<Ds> {
    said.ds.iter().filter_map(|ds| Ds::parse(ds).ok()).collect()
}

fn list(servers: &BTreeSet<String>) -> String {
    servers.iter().cloned().collect::<Vec<_>>().join(", ")
}
