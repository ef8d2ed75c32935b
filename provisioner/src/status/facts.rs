//! What `status` judges: every zone cut as each server shows it, resolvers, Route 53. Plain data, so
//! that any situation can be built in a test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::addr::Addr;
use crate::ds::keys::Whose;
use crate::ds::{DnsKey, Ds};

/// Everything seen at one time.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When.
    pub at: Timestamp,
    /// The stack's zone.
    pub domain: String,
    /// Whether the document wants it signed.
    pub wants_dnssec: bool,
    /// Who runs the parent zone, from the document's contacts.
    pub hostmaster: Option<String>,
    /// Zones from the root to the closest parent, and the stack's zone last.
    pub zones: Vec<Zone>,
    /// Why the walk ended before the parent, if it did.
    pub cut_short: Option<String>,
    /// Validating resolvers, and servers of internal views.
    pub resolvers: Vec<Resolver>,
    /// Signs that something on the way answers in other servers' place.
    pub signals: Vec<Signal>,
    /// AWS, or why it could not be read.
    pub aws: Result<Aws, String>,
}

/// What DNSSEC says of data (RFC 4035, section 4.3). Ordered from best to worst.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A chain of signatures leads to it from the root.
    Secure,
    /// A zone above it is proven to be unsigned, or signed in a way no validator here knows.
    Insecure(String),
    /// It cannot be told.
    Unknown(String),
    /// It claims to be signed, and its signatures do not hold.
    Bogus(String),
}

impl Verdict {
    /// The word of RFC 4035; RFC's `indeterminate` is `unknown` here, as nothing was learned.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Secure => "secure",
            Verdict::Insecure(_) => "insecure",
            Verdict::Unknown(_) => "unknown",
            Verdict::Bogus(_) => "bogus",
        }
    }

    /// Why, unless it is secure.
    pub fn why(&self) -> Option<&str> {
        match self {
            Verdict::Secure => None,
            Verdict::Insecure(why) | Verdict::Unknown(why) | Verdict::Bogus(why) => Some(why),
        }
    }
}

/// One zone on the way.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Its name, `.` for the root.
    pub name: String,
    /// What its parent's servers say of it; none for the root.
    pub parents: Vec<ParentServer>,
    /// Its own servers.
    pub servers: Vec<ZoneServer>,
    /// The worst that a resolver can come to, whichever servers it asks.
    pub verdict: Verdict,
}

/// A server of the parent zone.
#[derive(Debug, Clone)]
pub struct ParentServer {
    /// Its name.
    pub name: String,
    /// Where it was asked.
    pub address: Option<IpAddr>,
    /// Its answers.
    pub answer: Result<Delegation, Trouble>,
}

/// What a parent server says of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Name servers; none when it does not delegate the zone.
    pub ns: BTreeSet<String>,
    /// Their TTL.
    pub ns_ttl_secs: u32,
    /// DS records.
    pub ds: Vec<Ds>,
    /// Their TTL.
    pub ds_ttl_secs: u32,
    /// Whether the DS records, or that there are none, are proven.
    pub proof: Verdict,
}

/// A name server of a zone.
#[derive(Debug, Clone)]
pub struct ZoneServer {
    /// Its name.
    pub name: String,
    /// Where it was asked.
    pub address: Option<IpAddr>,
    /// Whether a parent server names it.
    pub in_parent: bool,
    /// Whether Route 53 gave it to the zone. Only the stack's zone can know.
    pub in_route53: Option<bool>,
    /// Its answers.
    pub answer: Result<Serving, Trouble>,
}

/// What a server shows of its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Serial of the SOA record.
    pub serial: Option<u32>,
    /// The zone's own NS set.
    pub ns: BTreeSet<String>,
    /// DNSKEY records.
    pub keys: Vec<DnsKey>,
    /// Keys with which these answers would be secure, if a DS record named them.
    pub proving: Vec<DnsKey>,
    /// Signatures over the records of the apex.
    pub signatures: Vec<Signature>,
    /// What a validator makes of it, with any of the DS sets that parent servers answer.
    pub verdict: Verdict,
}

impl Serving {
    /// When the last of the signatures over these records ends that such a key made.
    fn ends(&self, covers: &str, is_by: impl Fn(u16) -> bool) -> Option<Timestamp> {
        let of = self.signatures.iter().filter(|s| s.covers == covers);
        let by = of.filter(|signature| is_by(signature.key_tag));
        by.map(|signature| signature.expires).max()
    }

    /// Tags of the keys whose signature is over the DNSKEY set.
    pub fn signing_tags(&self) -> BTreeSet<u16> {
        let over = self.signatures.iter().filter(|s| s.covers == "DNSKEY");
        over.map(|signature| signature.key_tag).collect()
    }

    /// Key tags.
    pub fn tags(&self) -> BTreeSet<u16> {
        self.keys.iter().map(DnsKey::key_tag).collect()
    }
}

/// One RRSIG record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Type of the records it is over.
    pub covers: String,
    /// Tag of the key.
    pub key_tag: u16,
    /// When it begins to be valid.
    pub begins: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// Why a server has no answer that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No address of it was found, so it was not asked.
    NoAddress(String),
    /// Nothing came back.
    Silent(String),
    /// It answers, but not for this zone: REFUSED, or without authority.
    Lame(String),
    /// It answers with an error, such as SERVFAIL.
    Failing(String),
}

impl Trouble {
    /// As people say it.
    pub fn words(&self) -> String {
        match self {
            Trouble::NoAddress(why) => format!("could not be asked ({why})"),
            Trouble::Silent(why) => format!("does not answer ({why})"),
            Trouble::Lame(why) => format!("does not serve the zone ({why})"),
            Trouble::Failing(why) => format!("fails ({why})"),
        }
    }

    /// In one word, for columns.
    pub fn word(&self) -> &'static str {
        match self {
            Trouble::NoAddress(_) => "no address",
            Trouble::Silent(_) => "silent",
            Trouble::Lame(_) => "lame",
            Trouble::Failing(_) => "failing",
        }
    }
}

/// A resolver, or a server of an internal view.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// As it is written in the document, or `system`'s address.
    pub name: String,
    /// What it is asked for.
    pub role: Role,
    /// What it said.
    pub answer: Result<Resolved, String>,
}

/// Why a resolver is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To see whether resolvers accept the zone.
    Resolver,
    /// Because an internal view must show the same keys (`[dns] also-check`).
    View,
}

/// What a resolver said of the zone's SOA record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Response code.
    pub code: String,
    /// Whether there were records.
    pub has_data: bool,
    /// The AD bit: it found the answer secure.
    pub authentic: bool,
    /// The response code with checking disabled (CD), asked only when the other was SERVFAIL.
    pub code_unchecked: Option<String>,
    /// Extended errors (RFC 8914): code and text.
    pub extended: Vec<(u16, String)>,
    /// Whether it validates at all: it sets AD for the root.
    pub validates: Option<bool>,
    /// DNSKEY tags it shows, if it said; a view that shows others is another zone.
    pub key_tags: Option<BTreeSet<u16>>,
}

/// A sign that something on the way answers in other servers' place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Whether nothing else explains it.
    pub is_certain: bool,
    /// What was seen.
    pub words: String,
}

impl Aws {
    /// Whether all that was asked is known of the stack's own zone.
    pub fn is_read(&self) -> bool {
        self.unread.is_empty() && self.foreign_zone.is_none()
    }
}

/// The stack in AWS, as far as DNSSEC goes.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    /// Id of the hosted zone, if there is one.
    pub zone: Option<String>,
    /// What stands in its place, if a zone of its name is not the stack's.
    pub foreign_zone: Option<String>,
    /// Its name servers.
    pub name_servers: BTreeSet<String>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
    /// Signing status, such as `SIGNING`, and AWS's text to it.
    pub signing: Option<(String, String)>,
    /// Key-signing keys.
    pub keys: Vec<Ksk>,
    /// Alarms on DNSSEC: name, and who hears it.
    pub alarms: BTreeMap<String, Heard>,
    /// Whether the zone's key-signing keys have lost their KMS keys.
    pub is_key_lost: bool,
    /// The way on where only one of the two keys of a rotation has.
    pub way_after_loss: Option<String>,
    /// What a plan of now would do: an apply's, or that of a destroy or unsigning that is under way.
    pub plan: Planned,
    /// The destroy or unsigning that is under way.
    pub leaving: Option<Leaving>,
    /// Commands that have to write down what DNS shows now before anybody changes it: waits count from that.
    pub notes: Vec<&'static str>,
    /// The rotation under way.
    pub turning: Option<Turning>,
    /// Evidence for waits that the journal keeps, as sentences.
    pub evidence: Vec<String>,
    /// Why no DS record may be added yet, if resolvers may remember unsigned answers.
    pub unsigned: Option<String>,
    /// Until when, where that is known.
    pub unsigned_until: Option<Timestamp>,
    /// How long resolvers may go on with other servers, to which the parent delegates the zone now, and with what these
    /// answer, when that has ended.
    pub others_remembered: Option<Duration>,
    /// Why the delegation may not be turned to the zone's servers yet, as resolvers may remember a DS record of others.
    pub others_vouched_for: Option<String>,
    /// The parent zone in words, where it is the tool that writes into it.
    pub parent_zone: Option<String>,
}

/// A key-signing key as Route 53 shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ksk {
    /// Name.
    pub name: String,
    /// `ACTIVE` and others.
    pub status: String,
    /// AWS's text to it.
    pub message: String,
    /// The key.
    pub key: Option<DnsKey>,
    /// To whom it belongs.
    pub whose: Whose,
    /// ARN of its KMS key.
    pub kms_arn: String,
    /// State of that, where it is the stack's; with the date of its deletion.
    pub kms_state: Option<(String, Option<String>)>,
    /// The steps that take it down, where it is somebody else's.
    pub way_down: Option<String>,
}

/// Who hears an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// These topics.
    By(Vec<String>),
    /// Nobody.
    Nobody(String),
}

/// What a plan says, in brief.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// Its last line.
    pub summary: String,
    /// Addresses it would change.
    pub changes: Vec<String>,
    /// What blocks, and why.
    pub blocked: Vec<String>,
    /// What waits for others, or for a run that is at work.
    pub waits: Vec<String>,
    /// When the first of its changes may be made, and what that waits for; none where one may be made now.
    pub until: Option<(Timestamp, String)>,
    /// What is not as it should be, and is not changed by it, by resource.
    pub warnings: Vec<(Addr, String)>,
}

/// A way down that has not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaving {
    /// When the destroy began; none where the document wants the zone unsigned, and it is not.
    pub since: Option<String>,
    /// That, as people say it.
    pub told: String,
    /// How to go on.
    pub ways: String,
    /// Whether a DS record at a parent of others stands against going on.
    pub is_vouched_for: bool,
    /// What stands against going on, and goes away by itself.
    pub lags: Vec<String>,
    /// What somebody has to settle before it can.
    pub against: Vec<String>,
    /// Whether a parent of others still delegates what is going to be gone.
    pub is_delegated: bool,
}

/// A rotation of the key-signing key that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turning {
    /// Both keys, and what it waits for.
    pub words: String,
    /// Who moves it next; nobody while only time does.
    pub next: Option<Mover>,
    /// The command that goes on with it.
    pub command: &'static str,
    /// When that can, where it waits for resolvers.
    pub until: Option<Timestamp>,
    /// The key that comes, whose DS record is the one to be added; the old one where the rotation is given up.
    pub new: Option<DnsKey>,
    /// Why not yet, while resolvers may remember a DNSKEY set without it.
    pub too_early: Option<String>,
}

/// Who moves a rotation on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mover {
    /// `ksk rotate`.
    Us,
    /// The same, once every server of the parent says what it has.
    UsOnceSeen,
    /// The parent's people, who do this.
    Parent(String),
}

impl Facts {
    /// The stack's zone, if the walk reached its parent.
    pub fn zone(&self) -> Option<&Zone> {
        self.zones.last().filter(|zone| zone.name == self.domain)
    }

    /// The closest parent zone.
    pub fn parent(&self) -> Option<&Zone> {
        self.zone()?;
        self.zones.iter().rev().nth(1)
    }
}

impl Zone {
    /// Answers of the parent's servers.
    pub fn delegations(&self) -> impl Iterator<Item = (&str, &Delegation)> {
        self.parents
            .iter()
            .filter_map(|server| Some((server.name.as_str(), server.answer.as_ref().ok()?)))
    }

    /// Answers of the zone's servers.
    pub fn serving(&self) -> impl Iterator<Item = (&ZoneServer, &Serving)> {
        self.servers
            .iter()
            .filter_map(|server| Some((server, server.answer.as_ref().ok()?)))
    }

    /// When the last signature of one of its servers over these records ends that a validator can use; over the
    /// DNSKEY set it has to be of a key that the parent's DS set names (RFC 4035, section 5.2), whichever parent
    /// server was asked. Sets that lead to no key, and none at all, say nothing of that.
    pub fn ends(&self, serving: &Serving, covers: &str) -> Option<Timestamp> {
        let sets = if covers == "DNSKEY" {
            self.vouched_tags(serving)
        } else {
            Vec::new()
        };
        if sets.is_empty() {
            return serving.ends(covers, |_| true);
        }
        let ends = sets.iter();
        ends.map(|tags| serving.ends(covers, |tag| tags.contains(&tag)))
            .min()
            .flatten()
    }

    /// For each DS set that leads to keys of a server, the tags of these.
    fn vouched_tags(&self, serving: &Serving) -> Vec<BTreeSet<u16>> {
        let of = |records: &[Ds]| -> BTreeSet<u16> {
            let is_named = |key: &&DnsKey| records.iter().any(|ds| ds.matches(&self.name, key));
            let named = serving.keys.iter().filter(is_named);
            named.map(DnsKey::key_tag).collect()
        };
        self.delegations()
            .map(|(_, answer)| of(&answer.ds))
            .filter(|tags| !tags.is_empty())
            .collect()
    }

    /// Every DS record that a parent server has.
    pub fn ds(&self) -> BTreeSet<&Ds> {
        self.delegations()
            .flat_map(|(_, answer)| &answer.ds)
            .collect()
    }

    /// Every name server that a parent server names.
    pub fn delegated_to(&self) -> BTreeSet<&str> {
        self.delegations()
            .flat_map(|(_, answer)| answer.ns.iter().map(String::as_str))
            .collect()
    }
}
