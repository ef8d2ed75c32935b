//! Every stage of a rotation in every form of `ds`: whoever carries out what is printed leaves the parent
//! with a record of a key that signs, takes nothing out that resolvers may need, and adds nothing too early.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::form::{self, BOTH, EppCommand, EppData, Request};
use super::judgement::{Keys, Published, Trust, judge};
use super::not_yet::NotYet;
use super::wanted::{State, Wanted, in_turn, to_take_out};
use super::{DigestType, DnsKey, Ds};
use crate::kind::ksk;
use crate::rotation::Turn;

const DOMAIN: &str = "spore.example.edu";

/// RFC 6605, section 6.1, with another first octet.
fn key(first: char) -> DnsKey {
    DnsKey::parse(&format!("257 3 13 {first}ojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==")).unwrap()
}

fn old() -> DnsKey {
    key('G')
}

fn new() -> DnsKey {
    key('H')
}

fn at(hour: u8) -> Timestamp {
    format!("2026-11-21T{hour:02}:00:00Z").parse().unwrap()
}

type Set = BTreeSet<Ds>;

/// What a server shows for letters: records of the old key by both digest types, of the new one, of none.
fn shown(letters: &str) -> Set {
    let records = letters.chars().flat_map(|letter| match letter {
        'o' => BOTH.map(|digest| old().ds(DOMAIN, digest)).to_vec(),
        'n' => vec![new().ds(DOMAIN, DigestType::Sha256)],
        _ => vec![key('X').ds(DOMAIN, DigestType::Sha256)],
    });
    records.collect()
}

/// When somebody asks, and what there is. The new record may come at 2 o'clock, the old one go at 4.
#[derive(Debug, Clone, Copy)]
struct Stage {
    hour: u8,
    is_new_ready: bool,
    /// Whether the parent's servers could be asked.
    is_parent_seen: bool,
    servers: [&'static str; 2],
}

impl Stage {
    fn all() -> Vec<Self> {
        const SETS: [&str; 8] = ["", "o", "n", "w", "on", "ow", "nw", "onw"];
        let mut stages = Vec::new();
        for hour in [1, 3, 5] {
            for is_new_ready in [true, false] {
                for is_parent_seen in [true, false] {
                    for servers in SETS.iter().flat_map(|a| SETS.map(|b| [*a, b])) {
                        stages.push(Self {
                            hour,
                            is_new_ready,
                            is_parent_seen,
                            servers,
                        });
                    }
                }
            }
        }
        stages
    }

    fn keys(self) -> Keys {
        let mut keys = Keys {
            signing: vec![old()],
            ..Keys::default()
        };
        if self.is_new_ready {
            keys.signing.push(new());
        } else {
            keys.resting.push(new());
        }
        keys
    }

    /// The keys that `ds` speaks of, and what it has taken out; nothing where it prints nothing.
    fn told(self) -> Option<(Vec<Wanted>, Vec<Ds>)> {
        let state = |key, not_yet| State {
            name: "a name".into(),
            key,
            not_yet,
        };
        let unserved = (!self.is_new_ready).then(|| NotYet::Unserved("ns-1 lacks it".into()));
        let keys = [ksk::Key::default(), ksk::Key::default()];
        let turn = Turn {
            old: &keys[0],
            new: &keys[1],
            add_from: (at(2), String::new()),
            remove_from: (at(4), String::new()),
            given_up: None,
        };
        let servers = if self.is_parent_seen {
            &self.servers[..]
        } else {
            &[]
        };
        let sets = servers
            .iter()
            .map(|set| shown(set).into_iter().collect::<Vec<_>>());
        let published = Published::of(DOMAIN, &self.keys(), sets);
        let seen = if self.is_parent_seen {
            Ok(&published)
        } else {
            Err("no answer")
        };
        let states = (&state(old(), None), &state(new(), unserved));
        let wanted = in_turn(states, &turn, seen, at(self.hour)).ok()?.wanted;
        let gone = to_take_out(DOMAIN, &published, &wanted);
        Some((wanted, gone))
    }

    /// Whether the old record may be taken off a server.
    fn may_old_go(self) -> bool {
        let is_everywhere = self.servers.iter().all(|set| set.contains('n'));
        self.is_parent_seen && self.is_new_ready && is_everywhere && self.hour >= 4
    }
}

/// How a form is carried out on what a server has.
type CarryOut = fn(&str, &Set) -> Set;

/// A form by name, how it is printed and how it is carried out.
type Form = (&'static str, fn(&Request<'_>) -> String, CarryOut);

const FORMS: [Form; 11] = [
    (
        "text",
        |of| form::text(of.domain, of.keys, DigestType::Sha256),
        whole,
    ),
    ("bind", form::bind, whole),
    ("dsset", form::dsset, whole),
    ("json", |of| form::json(of).to_string(), json),
    ("fields", form::fields, fields),
    ("dnskey", form::dnskey, dnskey),
    ("nsupdate", form::nsupdate, nsupdate),
    (
        "epp",
        |of| form::epp(of, EppData::Ds, EppCommand::Update),
        epp,
    ),
    (
        "epp-key",
        |of| form::epp(of, EppData::Key, EppCommand::Update),
        epp,
    ),
    ("route53domains", form::route53_domains, route53_domains),
    // A domain is made with all that it is to have.
    (
        "epp-create",
        |of| form::epp(of, EppData::Ds, EppCommand::Create),
        |text, _| ds_data(text),
    ),
];

/// Those that change what there is; the others say all that there is to be.
const UPDATES: [&str; 4] = ["nsupdate", "epp", "epp-key", "route53domains"];

fn of_key(key: &DnsKey) -> Ds {
    key.ds(DOMAIN, DigestType::Sha256)
}

/// The lines of a zone file replace what there is.
fn whole(text: &str, _: &Set) -> Set {
    let lines = text.lines().filter(|line| !line.starts_with(';'));
    let data = lines.filter_map(|line| Some(line.split_once("IN DS ")?.1));
    data.map(|data| Ds::parse(data).unwrap()).collect()
}

fn json(text: &str, _: &Set) -> Set {
    let told: serde_json::Value = serde_json::from_str(text).unwrap();
    let records = told["ds"].as_array().unwrap().iter();
    let lines = records.map(|ds| ds["record"].as_str().unwrap());
    let lines: Vec<&str> = lines.collect();
    whole(&lines.join("\n"), &Set::new())
}

/// A form is filled in for each digest.
fn fields(text: &str, _: &Set) -> Set {
    let mut found = Set::new();
    let mut data: Vec<String> = Vec::new();
    for line in text.lines() {
        let (name, value) = line.split_once('\t').unwrap();
        let value = value.split(' ').next().unwrap().to_owned();
        match name {
            "Key tag" => data = vec![value],
            "Algorithm" | "Digest type" => data.push(value),
            "Digest" => {
                data.push(value);
                found.insert(Ds::parse(&data.join(" ")).unwrap());
            }
            _ => {}
        }
    }
    found
}

/// The parent computes the records.
fn dnskey(text: &str, _: &Set) -> Set {
    let lines = text.lines().filter(|line| !line.starts_with(';'));
    let data = lines.filter_map(|line| Some(line.split_once("IN DNSKEY ")?.1));
    data.map(|data| of_key(&DnsKey::parse(data).unwrap()))
        .collect()
}

/// RFC 2136, section 3.4.2: a deletion of what is not there and an addition of what is are no errors.
fn nsupdate(text: &str, before: &Set) -> Set {
    let mut set = before.clone();
    for line in text.lines() {
        if let Some(gone) = line.strip_prefix("update delete ") {
            set.remove(&Ds::parse(gone.split_once("IN DS ").unwrap().1).unwrap());
        } else if let Some(come) = line.strip_prefix("update add ") {
            set.insert(Ds::parse(come.split_once("IN DS ").unwrap().1).unwrap());
        }
    }
    set
}

/// Each line is a call that adds one.
fn route53_domains(text: &str, before: &Set) -> Set {
    let added = text.lines().map(|line| {
        let told: serde_json::Value = serde_json::from_str(line).unwrap();
        let (flags, algorithm) = (&told["Flags"], &told["Algorithm"]);
        let text = told["PublicKey"].as_str().unwrap();
        of_key(&DnsKey::parse(&format!("{flags} 3 {algorithm} {text}")).unwrap())
    });
    before.iter().cloned().chain(added).collect()
}

/// Elements of a name, in their order.
fn elements<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<secDNS:{name}>"), format!("</secDNS:{name}>"));
    let parts = text.split(&begin).skip(1);
    parts.map(|part| part.split_once(&end).unwrap().0).collect()
}

fn ds_data(text: &str) -> Set {
    let of = |data: &str| {
        let values = ["keyTag", "alg", "digestType", "digest"].map(|name| elements(data, name)[0]);
        Ds::parse(&values.join(" ")).unwrap()
    };
    elements(text, "dsData").into_iter().map(of).collect()
}

fn key_data(text: &str) -> Vec<DnsKey> {
    let of = |data: &str| {
        let values = ["flags", "protocol", "alg", "pubKey"].map(|name| elements(data, name)[0]);
        DnsKey::parse(&values.join(" ")).unwrap()
    };
    elements(text, "keyData").into_iter().map(of).collect()
}

/// RFC 5910, section 5.2.5: what is removed goes first, all four fields of a record alike; of what is removed
/// and added at least one has to be there.
fn epp(text: &str, before: &Set) -> Set {
    let mut set = before.clone();
    if text.is_empty() {
        return set;
    }
    let (gone, come) = (elements(text, "rem"), elements(text, "add"));
    assert!(!gone.is_empty() || !come.is_empty(), "{text}");
    for part in gone {
        let (records, keys) = (ds_data(part), key_data(part));
        assert!(!records.is_empty() || !keys.is_empty(), "{text}");
        set.retain(|ds| !records.contains(ds) && !keys.iter().any(|key| ds.matches(DOMAIN, key)));
    }
    for part in come {
        assert!(part.contains("Data>"), "{text}");
        set.extend(ds_data(part));
        set.extend(key_data(part).iter().map(of_key));
    }
    set
}

fn has(set: &Set, key: &DnsKey) -> bool {
    set.iter().any(|ds| ds.matches(DOMAIN, key))
}

#[test]
fn no_form_of_any_stage_harms_whoever_follows_it() {
    let (mut seen, mut let_go) = (0, 0);
    for stage in Stage::all() {
        let Some((wanted, remove)) = stage.told() else {
            continue;
        };
        for digests in [&[DigestType::Sha256][..], &[DigestType::Sha384], &BOTH] {
            let request = Request {
                domain: DOMAIN,
                keys: &wanted,
                digests,
                remove: &remove,
                parent: Some("example.edu"),
            };
            for (name, print, carry_out) in FORMS {
                let text = print(&request);
                for server in stage.servers {
                    seen += 1;
                    let is_new_domain = name == "epp-create";
                    let before = if is_new_domain {
                        Set::new()
                    } else {
                        shown(server)
                    };
                    let after = carry_out(&text, &before);
                    let told = format!("{stage:?}, {name}, {digests:?}: {server:?}\n{text}");
                    let trust = |set: &Set| {
                        let set: Vec<Ds> = set.iter().cloned().collect();
                        let judgement = judge(DOMAIN, &stage.keys(), &set);
                        assert!(judgement.trust != Trust::Secure || judgement.is_ours);
                        judgement.trust
                    };
                    assert!(trust(&after) <= trust(&before), "{told}");
                    if !UPDATES.contains(&name) {
                        assert_eq!(trust(&after), Trust::Secure, "{told}");
                    }
                    let is_let_go = has(&before, &old()) && !has(&after, &old());
                    assert!(!is_let_go || stage.may_old_go(), "{told}");
                    let_go += usize::from(is_let_go);
                    let is_added = !has(&before, &new()) && has(&after, &new());
                    let may_add = stage.hour >= 2 && stage.is_new_ready;
                    assert!(!is_added || may_add || is_new_domain, "{told}");
                }
            }
        }
    }
    assert!(seen > 10_000 && let_go > 100, "{seen}, {let_go}");
}

/// What a registry is told at each stage: the whole table for a parent whose servers agree.
#[test]
fn an_epp_update_names_what_changes_and_nothing_else() {
    let check = |hour, has: &'static str, removed: &[DnsKey], added: &[DnsKey]| {
        let stage = Stage {
            hour,
            is_new_ready: true,
            is_parent_seen: true,
            servers: [has; 2],
        };
        let (wanted, remove) = stage.told().unwrap();
        let request = Request {
            domain: DOMAIN,
            keys: &wanted,
            digests: &[DigestType::Sha256],
            remove: &remove,
            parent: None,
        };
        let text = form::epp(&request, EppData::Ds, EppCommand::Update);
        let named = |part: &str| -> Set {
            elements(&text, part)
                .into_iter()
                .flat_map(ds_data)
                .collect()
        };
        let of = |keys: &[DnsKey]| -> Set { keys.iter().map(of_key).collect() };
        let gone: Set = shown(has)
            .into_iter()
            .filter(|ds| removed.iter().any(|key| ds.matches(DOMAIN, key)))
            .collect();
        assert_eq!(
            (named("rem"), named("add")),
            (gone, of(added)),
            "{hour} {has}"
        );
        let text = form::epp(&request, EppData::Key, EppCommand::Update);
        let named = |part: &str| -> Vec<DnsKey> {
            elements(&text, part)
                .into_iter()
                .flat_map(key_data)
                .collect()
        };
        // A registry of keys has no name for a record of none.
        let of_zone: Vec<DnsKey> = removed
            .iter()
            .filter(|key| **key != self::key('X'))
            .cloned()
            .collect();
        assert_eq!(
            (named("rem"), named("add")),
            (of_zone, added.to_vec()),
            "{hour} {has}"
        );
    };
    check(1, "o", &[], &[]);
    check(1, "ow", &[key('X')], &[]);
    check(1, "w", &[key('X')], &[old()]);
    check(3, "o", &[], &[new()]);
    check(3, "w", &[key('X')], &[new()]);
    check(3, "on", &[], &[]);
    check(3, "onw", &[key('X')], &[]);
    check(5, "on", &[old()], &[]);
    check(5, "onw", &[old(), key('X')], &[]);
}
