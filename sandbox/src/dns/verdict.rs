//! Whether resolvers everywhere can still use a zone: secure, insecure, bogus, or not reached.
//!
//! A [`Judge`] looks at the world again and again, as often as something may have changed. It asks every
//! server of every zone from the root down, and remembers what it got for as long as a resolver may:
//! until the TTL has run out after the last moment at which a server gave that answer, or the signature
//! has. That goes for who serves a zone as well, as its parent has it and as the zone itself has it: those servers
//! are asked as long as some resolver may ask them. Then it validates every combination: each DS set that some resolver may hold with each DNSKEY set
//! that some resolver may hold, and each of those with each answer. One combination that fails is one
//! resolver somewhere that answers SERVFAIL, so the verdict is bogus. A new judge knows no past, which is
//! the view of a resolver with a cold cache ([`verdict`]).
//!
//! Cryptography and wire format are hickory's ([`chain`]); what signs is `domain` and p256. The judge
//! knows nothing of Route 53, KMS or who made a change.
//!
//! Between two looks the world must have changed by time alone, except just before the second: then what
//! was under way at the first look ([`World::dns_arrivals`]) is judged when it arrives, server by server.

mod chain;
mod observe;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::base::Rtype;
use jiff::Timestamp;

use self::observe::{Answer, Followed, Observation, Referral};
use super::DnsName;
use crate::world::World;

/// What resolvers make of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every one of them validates it.
    Secure,
    /// None fails; some or all find that a parent does not vouch for it.
    Insecure,
    /// Some fail: why.
    Bogus(String),
    /// Some find no server that answers: why.
    Unreachable(String),
}

impl Verdict {
    /// Whether some resolver fails to validate.
    pub fn is_bogus(&self) -> bool {
        matches!(self, Self::Bogus(_))
    }
}

/// A question about the judged zone.
type Question = (DnsName, Rtype);

/// Something a resolver may hold.
#[derive(Debug, Clone)]
struct Held<T> {
    what: T,
    /// The last moment a server gave it; none if one still does.
    last_served: Option<Timestamp>,
}

/// Watches one zone.
#[derive(Debug, Clone)]
pub struct Judge {
    zone: DnsName,
    questions: Vec<Question>,
    answers: BTreeMap<Question, Vec<Held<Answer>>>,
    referrals: BTreeMap<DnsName, Vec<Held<Referral>>>,
    own: BTreeMap<DnsName, Vec<Held<Referral>>>,
    /// What was under way at the last look, and what is to be seen when it has arrived.
    arriving: Vec<(Timestamp, Observation)>,
}

/// What a resolver with an empty cache makes of a zone's own records and of a name in it that does not
/// exist, asking any of the servers.
pub fn verdict(world: &World, now: Timestamp, zone: &DnsName) -> Verdict {
    Judge::new(zone).look(world, now)
}

impl Judge {
    /// A judge of a zone that has seen nothing yet. It asks for the SOA and NS sets, for a type that the
    /// zone's apex does not have, and for a name that does not exist.
    pub fn new(zone: &DnsName) -> Self {
        let missing = zone.child("no-such-name-here");
        Self {
            zone: zone.clone(),
            questions: vec![
                (zone.clone(), Rtype::SOA),
                (zone.clone(), Rtype::NS),
                (zone.clone(), Rtype::SRV),
                (missing, Rtype::A),
            ],
            answers: BTreeMap::new(),
            referrals: BTreeMap::new(),
            own: BTreeMap::new(),
            arriving: Vec::new(),
        }
    }

    /// Has it ask for a record of the zone as well.
    #[must_use]
    pub fn also(mut self, name: &DnsName, rtype: Rtype) -> Self {
        self.questions.push((name.clone(), rtype));
        self
    }

    /// Looks at the world, and at what it was since the last look.
    pub fn look(&mut self, world: &World, now: Timestamp) -> Verdict {
        let mut worst = Verdict::Secure;
        let first = self.answers.is_empty();
        for (at, seen) in std::mem::take(&mut self.arriving) {
            if at < now {
                worst = worse(worst, self.judge(world, at, seen));
            }
        }
        let seen = self.observe(world, now);
        let verdict = self.judge(world, now, seen);
        let arrivals = world.dns_arrivals(now);
        self.arriving = arrivals
            .into_iter()
            .map(|at| (at, self.observe(world, at)))
            .collect();
        if first {
            return verdict;
        }
        // What has arrived since may have made an earlier state insecure; only failures count.
        match worst {
            Verdict::Bogus(_) | Verdict::Unreachable(_) => worse(worst, verdict),
            Verdict::Secure | Verdict::Insecure => verdict,
        }
    }

    /// When the next resolver stops asking servers that nobody names any more. Who looks then knows to the second what
    /// was last got from them; who looks later takes it for got until then.
    pub fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        let followed = self.referrals.values().chain(self.own.values()).flatten();
        let ends = followed.filter_map(|held| Some(held.last_served? + held.what.ttl()));
        ends.filter(|end| *end > now).min()
    }

    /// How many different answers some resolver may hold although no server gives them any more.
    pub fn stale(&self, now: Timestamp) -> usize {
        let held = self.answers.values().flatten();
        held.filter(|held| held.last_served.is_some() && held.usable(now))
            .count()
    }

    fn observe(&self, world: &World, now: Timestamp) -> Observation {
        let usable = |of: &BTreeMap<DnsName, Vec<Held<Referral>>>, zone: &DnsName| {
            let referrals = of.get(zone).into_iter().flatten();
            let usable = referrals.filter(|held| held.usable(now));
            usable.map(|held| held.what.clone()).collect()
        };
        let held = |zone: &DnsName| Followed {
            parents: usable(&self.referrals, zone),
            own: usable(&self.own, zone),
        };
        observe::observe(world, now, (&self.zone, &self.questions), held)
    }

    fn judge(&mut self, world: &World, now: Timestamp, seen: Observation) -> Verdict {
        let mut referrals = seen.referrals;
        for (zone, held) in &mut self.referrals {
            take(held, referrals.remove(zone).unwrap_or_default(), now);
        }
        for (zone, fresh) in referrals {
            take(self.referrals.entry(zone).or_default(), fresh, now);
        }
        let mut own = seen.own;
        for (zone, held) in &mut self.own {
            take(held, own.remove(zone).unwrap_or_default(), now);
        }
        for (zone, fresh) in own {
            take(self.own.entry(zone).or_default(), fresh, now);
        }
        let mut answers = seen.answers;
        for (question, held) in &mut self.answers {
            take(held, answers.remove(question).unwrap_or_default(), now);
        }
        for (question, fresh) in answers {
            take(self.answers.entry(question).or_default(), fresh, now);
        }
        for (zone, held) in &self.referrals {
            let lost = held.iter().find(|held| {
                !held
                    .what
                    .servers
                    .iter()
                    .any(|s| seen.reached.contains(&(zone.clone(), s.clone())))
            });
            if let Some(lost) = lost {
                let names: Vec<String> = lost.what.servers.iter().map(DnsName::text).collect();
                return Verdict::Unreachable(format!(
                    "{zone}: none of {} answers for it",
                    names.join(", ")
                ));
            }
        }
        if !seen.zones.contains(&self.zone) {
            let closest = seen.zones.last().map(DnsName::text).unwrap_or_default();
            return Verdict::Unreachable(format!("{closest} does not delegate {}", self.zone));
        }
        let held = |question: &Question| -> Vec<&Answer> {
            let held = self.answers.get(question).into_iter().flatten();
            held.map(|held| &held.what).collect()
        };
        let anchor = world.root_anchor();
        match chain::validate(&anchor, &seen.zones, &self.questions, now, held) {
            Ok(true) => Verdict::Secure,
            Ok(false) => Verdict::Insecure,
            Err(why) => Verdict::Bogus(why),
        }
    }
}

fn worse(a: Verdict, b: Verdict) -> Verdict {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Secure => 0,
        Verdict::Insecure => 1,
        Verdict::Unreachable(_) => 2,
        Verdict::Bogus(_) => 3,
    };
    if rank(&b) > rank(&a) { b } else { a }
}

/// What can be held for some time.
trait Cached: PartialEq {
    /// The longest a resolver keeps it.
    fn ttl(&self) -> Duration;
    /// When it can be used no longer, whatever its TTL.
    fn ends(&self) -> Option<Timestamp>;
}

impl<T: Cached> Held<T> {
    fn usable(&self, now: Timestamp) -> bool {
        match self.last_served {
            None => true,
            Some(last) => {
                last + self.what.ttl() > now && self.what.ends().is_none_or(|end| end > now)
            }
        }
    }
}

/// Takes in what the servers say now: what none says any more may be held from this moment on until its
/// TTL has run out.
fn take<T: Cached>(held: &mut Vec<Held<T>>, fresh: Vec<T>, now: Timestamp) {
    for old in held.iter_mut() {
        if fresh.contains(&old.what) {
            old.last_served = None;
        } else if old.last_served.is_none() {
            old.last_served = Some(now);
        }
    }
    for what in fresh {
        if !held.iter().any(|old| old.what == what) {
            held.push(Held {
                what,
                last_served: None,
            });
        }
    }
    held.retain(|held| held.usable(now));
}
