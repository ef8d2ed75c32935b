//! Whose each name of the zone is, and which names may be freed: pure judgements of a zone that was read
//! whole.
//!
//! A name is somebody's as long as a mark at `_spore.NAME` says so. To free it is to delete that mark as
//! it was seen and, in the same call, the records that the updater keeps beside it: a mark that was
//! renewed meanwhile is another one, Route 53 refuses the whole call, and nothing happens to the name.
//!
//! ```text
//!                       release NAME          sweep
//! mark, lease runs      frees                 leaves
//! mark, lease ended     frees                 frees, once the margin has passed too
//! mark that is no mark  frees                 leaves, says so
//! records, no mark      refuses: by hand      leaves
//! ```
//!
//! Records that the updater cannot have made (an MX, an alias, a wildcard) are never touched.

pub mod mark;
pub mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::condition::later;
use crate::kind::hosted_zone::{Held, Live, OWNER_PREFIX, RecordSet, owned_name};
use crate::stack::RecordType;
use mark::Mark;

/// Added to the lease before `sweep` takes a name, unless more is asked for: an instance that was away
/// over its lease finds its name for a day more.
pub const MARGIN: Duration = Duration::from_secs(86_400);

/// The least that may be added. AWS refuses requests whose date is 15 minutes off (IAM User Guide,
/// "Troubleshoot AWS signature version 4"), so that no clock is wrong by more.
pub const MARGIN_MIN: Duration = Duration::from_secs(15 * 60);

/// A name of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Without the final dot, otherwise as Route 53 writes it.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its records, without what is at `_spore.NAME`.
    pub sets: Vec<RecordSet>,
    /// What is at `_spore.NAME`.
    pub marks: Vec<RecordSet>,
    /// Whether the updater can have made it: one or two labels below the domain.
    is_possible: bool,
}

/// Whose a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nobody's, as far as marks say: its records were made by hand.
    Nobody,
    /// This holder's.
    Of(Mark),
    /// Somebody's, but the mark cannot be read; the text says why.
    Unreadable(String),
}

/// All names of a zone but the apex without a mark, those of one account together.
pub fn of_zone(domain: &str, zone: &Live) -> Vec<Name> {
    let mut found: BTreeMap<Vec<&str>, Name> = BTreeMap::new();
    for set in zone.foreign_records(domain) {
        let dotted = owned_name(&set.name);
        let name = dotted.strip_suffix('.').unwrap_or(dotted);
        // From the root down, as Route 53 orders them.
        let place: Vec<&str> = name.rsplit('.').collect();
        let entry = found.entry(place).or_insert_with(|| Name {
            name: name.to_owned(),
            owner: Owner::Nobody,
            sets: Vec::new(),
            marks: Vec::new(),
            is_possible: is_possible(domain, name),
        });
        if set.name.starts_with(OWNER_PREFIX) {
            entry.marks.push(set.clone());
        } else {
            entry.sets.push(set.clone());
        }
    }
    let mut names: Vec<Name> = found.into_values().collect();
    for name in &mut names {
        name.owner = owner(&name.marks);
    }
    names.retain(|name| name.name != domain || name.owner != Owner::Nobody);
    names
}

/// `RECORD.ACCOUNT.DOMAIN`, or `RECORD.DOMAIN` in a stack with flat names.
fn is_possible(domain: &str, name: &str) -> bool {
    let below = name
        .strip_suffix(domain)
        .and_then(|rest| rest.strip_suffix('.'));
    below.is_some_and(|below| {
        let is_label = |label: &str| !label.is_empty() && !label.contains(['_', '\\', '*']);
        below.split('.').count() <= 2 && below.split('.').all(is_label)
    })
}

fn owner(marks: &[RecordSet]) -> Owner {
    let [set] = marks else {
        return match marks {
            [] => Owner::Nobody,
            _ => Owner::Unreadable("several record sets where one mark belongs".into()),
        };
    };
    if set.rtype != "TXT" || !is_plain(set) {
        return Owner::Unreadable(format!("{} where a mark belongs", kind_of(set)));
    }
    let [value] = set.values.as_slice() else {
        return Owner::Unreadable("several texts where one mark belongs".into());
    };
    let text = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match text.map(str::parse::<Mark>) {
        Some(Ok(mark)) => Owner::Of(mark),
        Some(Err(why)) => Owner::Unreadable(format!("the mark is {why}")),
        None => Owner::Unreadable("the mark is not one text in quotes".into()),
    }
}

/// A set that name, type, TTL and values say everything about.
fn is_plain(set: &RecordSet) -> bool {
    set.alias.is_none() && set.policy.is_none()
}

/// What people call a set.
pub fn kind_of(set: &RecordSet) -> String {
    match (&set.alias, &set.policy) {
        (Some(_), _) => format!("{} alias", set.rtype),
        (None, Some(_)) => format!("{} with a routing policy", set.rtype),
        (None, None) => set.rtype.clone(),
    }
}

impl Name {
    /// When the lease ends if it is not renewed.
    pub fn lease_end(&self, lease: Duration) -> Option<Timestamp> {
        match &self.owner {
            Owner::Of(mark) => Some(later(mark.renewed_at, lease)),
            Owner::Nobody | Owner::Unreadable(_) => None,
        }
    }

    /// Records of it that the updater cannot have made.
    pub fn foreign(&self) -> Vec<&RecordSet> {
        self.sets.iter().filter(|set| !self.is_ours(set)).collect()
    }

    fn is_ours(&self, set: &RecordSet) -> bool {
        self.is_possible && is_plain(set) && ["A", "AAAA", "TXT"].contains(&set.rtype.as_str())
    }

    /// What is deleted to free it, the mark first.
    pub fn deleted(&self) -> impl Iterator<Item = &RecordSet> {
        let ours = self.sets.iter().filter(|set| self.is_ours(set));
        self.marks.iter().chain(ours)
    }

    /// The name as it was seen, and what is deleted to free it.
    fn held(&self) -> Held {
        Held {
            name: format!("{}.", self.name),
            seen: self.marks.iter().chain(&self.sets).cloned().collect(),
            gone: self.deleted().cloned().collect(),
        }
    }
}

/// What becomes of a name that is to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// It is free already.
    Free,
    /// This is deleted.
    Frees(Held),
    /// It must not be.
    Refused(String),
}

/// Judges whether a name may be freed.
pub fn release(names: &[Name], wanted: &str) -> Release {
    let Some(name) = names.iter().find(|name| name.name == wanted) else {
        // Below its account's label, which who is in a hurry leaves out.
        let alike = names.iter().filter(|name| {
            let (first, rest) = wanted.split_once('.').unwrap_or_default();
            let between = name.name.strip_prefix(first);
            let between = between.and_then(|after| after.strip_suffix(rest));
            between.is_some_and(|between| {
                between.len() > 2 && between.starts_with('.') && between.ends_with('.')
            })
        });
        let alike: Vec<&str> = alike.map(|name| name.name.as_str()).collect();
        return match &alike[..] {
            [] => Release::Free,
            some => Release::Refused(format!(
                "{wanted} is free; if {} is meant, name that",
                some.join(" or ")
            )),
        };
    };
    let kinds = |sets: &[RecordSet]| sets.iter().map(kind_of).collect::<Vec<_>>().join(", ");
    match &name.owner {
        Owner::Nobody => Release::Refused(format!(
            "{wanted} has records without a mark ({}): they were made by hand and are not this command's \
             to delete",
            kinds(&name.sets)
        )),
        Owner::Unreadable(_)
            if name
                .marks
                .iter()
                .any(|set| set.rtype != "TXT" || !is_plain(set)) =>
        {
            Release::Refused(format!(
                "{OWNER_PREFIX}{wanted} has records that no updater makes ({}): delete them by hand first",
                kinds(&name.marks)
            ))
        }
        Owner::Of(_) | Owner::Unreadable(_) => Release::Frees(name.held()),
    }
}

/// What a sweep does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Names that are freed.
    pub frees: Vec<Name>,
    /// Names that stay although nobody renews them or nobody can tell, each with the reason.
    pub stays: Vec<(String, String)>,
    /// Names whose time has not come.
    pub held: usize,
}

/// Judges which names nobody renews: those last renewed `older_than` ago or earlier. A name with a record
/// of a type that instances may not register is looked at by somebody first (`names release`): it was
/// made by hand, or under another document.
pub fn sweep(
    names: Vec<Name>,
    types: &BTreeSet<RecordType>,
    older_than: Duration,
    now: Timestamp,
) -> Sweep {
    let is_given = |set: &RecordSet| types.iter().any(|one| one.word() == set.rtype);
    let mut sweep = Sweep::default();
    for name in names {
        let why = match &name.owner {
            Owner::Nobody => continue,
            Owner::Unreadable(why) => Some(why.clone()),
            Owner::Of(mark) if later(mark.renewed_at, older_than) > now => {
                sweep.held += 1;
                continue;
            }
            Owner::Of(_) if !name.is_possible => {
                Some("it is no name that the updater gives".to_owned())
            }
            Owner::Of(_) => {
                let foreign = name.foreign().first().copied();
                let strange = || name.sets.iter().find(|set| !is_given(set));
                foreign.or_else(strange).map(|set| {
                    format!(
                        "it also has what instances may not register ({}); look at it, and use `names \
                         release`",
                        kind_of(set)
                    )
                })
            }
        };
        match why {
            Some(why) => sweep.stays.push((name.name, why)),
            None => sweep.frees.push(name),
        }
    }
    sweep
}

impl Sweep {
    /// The names as they were seen, and what is deleted.
    pub fn held(&self) -> Vec<Held> {
        self.frees.iter().map(Name::held).collect()
    }
}

/// Names of `seen` that are in the zone with a mark still, or again.
pub fn left<'a>(names: &[Name], seen: &'a [Held]) -> Vec<&'a Held> {
    let marked: BTreeMap<&str, bool> = names
        .iter()
        .map(|name| (name.name.as_str(), name.owner != Owner::Nobody))
        .collect();
    let is_left = |held: &&Held| {
        let name = held.name.strip_suffix('.').unwrap_or(&held.name);
        marked.get(name).copied().unwrap_or(false)
    };
    seen.iter().filter(is_left).collect()
}

/// A name as people give it, complete or below the domain, in the spelling of [`Name::name`].
///
/// # Errors
/// When it is the domain itself, or the name of a mark.
pub fn complete(domain: &str, given: &str) -> Result<String, String> {
    let is_rooted = given.ends_with('.');
    let name = given
        .strip_suffix('.')
        .unwrap_or(given)
        .to_ascii_lowercase();
    let is_below = name
        .strip_suffix(domain)
        .is_some_and(|rest| rest.ends_with('.'));
    if name.starts_with(OWNER_PREFIX) {
        return Err(format!(
            "{given} is the place of a mark; give the name itself, without {OWNER_PREFIX}"
        ));
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name == domain || !name.split('.').all(is_label) {
        return Err(format!(
            "{given:?} is not a name that an instance has below {domain}"
        ));
    }
    match (is_below, is_rooted) {
        (true, _) => Ok(name),
        (false, true) => Err(format!("{given} is not below {domain}")),
        (false, false) => Ok(format!("{name}.{domain}")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::master_file::read::read;

    pub(crate) const DOMAIN: &str = "spore.example.edu";

    pub(crate) fn mark(id: &str, time: &str) -> String {
        format!("\"v=1 p=123456789012/us-east-1/{id} t={time} n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b\"")
    }

    /// A zone with these records.
    pub(crate) fn zone(lines: &str) -> Live {
        let sets = read(DOMAIN, lines).unwrap().sets;
        let records = sets.iter().map(|((name, rtype), set)| RecordSet {
            name: name.clone(),
            rtype: rtype.clone(),
            ttl_secs: Some(i64::from(set.ttl_secs)),
            values: set.records.values().cloned().collect(),
            ..RecordSet::default()
        });
        Live {
            records: records.collect(),
            complete: true,
            ..Live::default()
        }
    }

    fn names(lines: &str) -> Vec<Name> {
        of_zone(DOMAIN, &zone(lines))
    }

    const OLD: &str = "20260101T000000Z";
    const NEW: &str = "20260301T000000Z";

    fn lines() -> String {
        let (old, new) = (mark("i-0123456789abcdef0", OLD), mark("i-01234567", NEW));
        format!(
            "$TTL 60\n\
             old.1kpqzg2c A 192.0.2.1\nold.1kpqzg2c TXT \"hello\"\n_spore.old.1kpqzg2c TXT {old}\n\
             new.1kpqzg2c A 192.0.2.2\n_spore.new.1kpqzg2c TXT {new}\n\
             bare.1kpqzg2c A 192.0.2.3\n\
             torn.1kpqzg2c A 192.0.2.4\n_spore.torn.1kpqzg2c TXT \"v=2 what\"\n\
             mixed.1kpqzg2c A 192.0.2.5\nmixed.1kpqzg2c MX 10 x.example.\n_spore.mixed.1kpqzg2c TXT {old}\n\
             only.1kpqzg2c 60 TXT \"x\"\n_spore.only.1kpqzg2c MX 10 x.example.\n\
             deep.a.b A 192.0.2.6\n_spore.deep.a.b TXT {old}\n\
             ghost A 192.0.2.7\n_spore.gone TXT {old}\n\
             @ MX 10 x.example.\n"
        )
    }

    #[test]
    fn every_name_has_an_owner_or_is_said_to_have_none() {
        let found = names(&lines());
        let told: Vec<(&str, &str)> = found
            .iter()
            .map(|name| {
                let owner = match &name.owner {
                    Owner::Nobody => "nobody",
                    Owner::Of(_) => "somebody",
                    Owner::Unreadable(_) => "unreadable",
                };
                (name.name.strip_suffix(".spore.example.edu").unwrap(), owner)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("bare.1kpqzg2c", "nobody"),
                ("mixed.1kpqzg2c", "somebody"),
                ("new.1kpqzg2c", "somebody"),
                ("old.1kpqzg2c", "somebody"),
                ("only.1kpqzg2c", "unreadable"),
                ("torn.1kpqzg2c", "unreadable"),
                ("deep.a.b", "somebody"),
                ("ghost", "nobody"),
                ("gone", "somebody"),
            ]
        );
        let old = found
            .iter()
            .find(|name| name.name.starts_with("old"))
            .unwrap();
        let end = old.lease_end(Duration::from_secs(7 * 86_400)).unwrap();
        assert_eq!(end.to_string(), "2026-01-08T00:00:00Z");
    }

    #[test]
    fn a_release_deletes_mark_and_own_records_and_nothing_else() {
        let found = names(&lines());
        let of = |name: &str| release(&found, &format!("{name}.{DOMAIN}"));
        let gone = |name: &str| {
            let Release::Frees(held) = of(name) else {
                panic!("{name}: {:?}", of(name));
            };
            let told = |set: &RecordSet| {
                format!(
                    "{} {}",
                    set.name.replace(".spore.example.edu.", ""),
                    set.rtype
                )
            };
            held.gone.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(
            gone("old.1kpqzg2c"),
            [
                "_spore.old.1kpqzg2c TXT",
                "old.1kpqzg2c A",
                "old.1kpqzg2c TXT"
            ]
        );
        assert_eq!(
            gone("torn.1kpqzg2c"),
            ["_spore.torn.1kpqzg2c TXT", "torn.1kpqzg2c A"]
        );
        assert_eq!(
            gone("mixed.1kpqzg2c"),
            ["_spore.mixed.1kpqzg2c TXT", "mixed.1kpqzg2c A"]
        );
        // No updater gives such a name, so its records are somebody's.
        assert_eq!(gone("deep.a.b"), ["_spore.deep.a.b TXT"]);
        assert_eq!(gone("gone"), ["_spore.gone TXT"]);
        assert_eq!(of("nothing"), Release::Free);
        assert!(matches!(of("torn"), Release::Refused(why) if why.contains("torn.1kpqzg2c")));
        assert_eq!(of("torn.elsewhere"), Release::Free);
        for by_hand in ["bare.1kpqzg2c", "only.1kpqzg2c", "ghost"] {
            assert!(matches!(of(by_hand), Release::Refused(_)), "{by_hand}");
        }
    }

    fn all() -> BTreeSet<RecordType> {
        [RecordType::A, RecordType::Aaaa, RecordType::Txt].into()
    }

    #[test]
    fn a_sweep_leaves_types_that_instances_may_not_register() {
        let found = names(&lines());
        let later = "2030-01-01T00:00:00Z".parse().unwrap();
        let whole = sweep(found.clone(), &all(), MARGIN, later);
        let has = |name: &Name, rtype: &str| name.sets.iter().any(|set| set.rtype == rtype);
        let with_a = whole.frees.iter().filter(|name| has(name, "A")).count();
        assert!(with_a > 0, "the example has names with an address");
        let other = [RecordType::Aaaa, RecordType::Txt].into();
        let narrowed = sweep(found, &other, MARGIN, later);
        assert!(narrowed.frees.iter().all(|name| !has(name, "A")));
        assert_eq!(narrowed.stays.len(), whole.stays.len() + with_a);
    }

    #[test]
    fn a_sweep_takes_what_nobody_renewed_for_long_enough() {
        let day = |days: u64| Duration::from_secs(days * 86_400);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let swept = |older_than, now: &str| {
            let sweep = sweep(names(&lines()), &all(), older_than, at(now));
            let frees: Vec<String> = sweep.frees.iter().map(|name| name.name.clone()).collect();
            (frees, sweep.stays.len(), sweep.held)
        };
        let full = |names: &[&str]| -> Vec<String> {
            names
                .iter()
                .map(|name| format!("{name}.{DOMAIN}"))
                .collect()
        };
        // To the second. What cannot be read stays whatever the time.
        assert_eq!(swept(day(8), "2026-01-08T23:59:59Z"), (vec![], 2, 5));
        assert_eq!(
            swept(day(8), "2026-01-09T00:00:00Z"),
            (full(&["old.1kpqzg2c", "gone"]), 4, 1)
        );
        // A mark of tomorrow is no reason to delete anything.
        assert_eq!(swept(day(8), "2025-01-01T00:00:00Z"), (vec![], 2, 5));
        assert_eq!(
            swept(day(8), "2027-01-01T00:00:00Z").0,
            full(&["new.1kpqzg2c", "old.1kpqzg2c", "gone"])
        );
    }

    #[test]
    fn aliases_and_routed_records_are_nobodys_to_delete() {
        let mut live = zone(&lines());
        for set in &mut live.records {
            if set.name.starts_with("old") && set.rtype == "A" {
                set.alias = Some(("Z1".into(), "x.".into(), false));
            }
            if set.name.starts_with("_spore.new") {
                set.policy = Some("set identifier x".into());
            }
        }
        let found = of_zone(DOMAIN, &live);
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        let swept = sweep(found.clone(), &all(), MARGIN, now);
        assert_eq!(swept.frees.len(), 1);
        assert!(matches!(
            release(&found, "new.1kpqzg2c.spore.example.edu"),
            Release::Refused(_)
        ));
        let Release::Frees(held) = release(&found, "old.1kpqzg2c.spore.example.edu") else {
            panic!("it has a mark");
        };
        assert_eq!((held.gone.len(), held.seen.len()), (2, 3));
    }

    #[test]
    fn names_may_be_given_complete_or_below_the_domain() {
        let full = "web.1kpqzg2c.spore.example.edu";
        for given in [
            "web.1kpqzg2c",
            "WEB.1kpqzg2c",
            full,
            "web.1kpqzg2c.spore.example.edu.",
        ] {
            assert_eq!(complete(DOMAIN, given).as_deref(), Ok(full), "{given}");
        }
        for wrong in ["", ".", DOMAIN, "_spore.web.1kpqzg2c", "www.example.com."] {
            assert!(complete(DOMAIN, wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            complete(DOMAIN, "xspore.example.edu").as_deref(),
            Ok("xspore.example.edu.spore.example.edu")
        );
    }
}
