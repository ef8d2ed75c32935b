//! What a restore changes: a pure comparison of a master file with a live zone.
//!
//! It never touches the apex's NS and SOA, aliases and record sets with routing policies, and never takes
//! a name from the instance that holds it now: a mark at `_spore.NAME` that is not the file's is newer
//! than the file, and NAME with all its records stays as it is.
//!
//! While the zone's TTLs are lowered for signing it, a set is alike that is as the file has it but for that: what
//! raises it again is the journal's, once the zone is signed. A set of which more differs is written as the file has
//! it, as whoever edits a record by hand at that time does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::kind::hosted_zone::ttls::{self, Kept};
use crate::kind::hosted_zone::{Edit, Live, OWNER_PREFIX, RecordSet, owned_name};
use crate::master_file;
use crate::master_file::read::{File, Key, Set, read};

/// What becomes of record sets that the file does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
}

/// What a restore does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restore {
    /// Sets that change, those of one name together.
    pub edits: Vec<Edit>,
    /// Sets that are alike.
    pub alike: usize,
    /// Of these, those whose TTLs are lowered for the time being.
    pub lowered: usize,
    /// Sets of the zone that the file does not have, and that stay.
    pub extra: Vec<Key>,
    /// Names whose live owner is not the file's: they stay as they are.
    pub held: BTreeSet<String>,
    /// Why it must not be done.
    pub refusals: Vec<String>,
}

/// Compares.
pub fn compare(domain: &str, file: &File, zone: &Live, kept: &Kept, extra: Extra) -> Restore {
    let before: BTreeMap<Key, Option<Set>> = match kept {
        Ok(Some(kept)) => ttls::as_before(zone, kept)
            .foreign_records(domain)
            .into_iter()
            .map(|set| (key(set), parsed(domain, set)))
            .collect(),
        Ok(None) | Err(_) => BTreeMap::new(),
    };
    let live: BTreeMap<Key, (&RecordSet, Option<Set>)> = zone
        .foreign_records(domain)
        .into_iter()
        .filter(|set| set.alias.is_none() && set.policy.is_none())
        .map(|set| (key(set), (set, parsed(domain, set))))
        .collect();
    let special: BTreeSet<Key> = zone
        .foreign_records(domain)
        .into_iter()
        .filter(|set| set.alias.is_some() || set.policy.is_some())
        .map(key)
        .collect();
    let are_alike = |found: Option<&Set>, wanted: &Set| {
        found.is_some_and(|found| {
            found.ttl_secs == wanted.ttl_secs && found.records.keys().eq(wanted.records.keys())
        })
    };
    let is_alike = |key: &Key, wanted: &Set| {
        are_alike(live.get(key).and_then(|(_, set)| set.as_ref()), wanted)
    };
    let is_low = |key: &Key, wanted: &Set| {
        live.contains_key(key) && are_alike(before.get(key).and_then(Option::as_ref), wanted)
    };
    let mut restore = Restore::default();
    for (key, (set, _)) in &live {
        if let Some(name) = key.0.strip_prefix(OWNER_PREFIX)
            && set.rtype == "TXT"
            && !file
                .sets
                .get(key)
                .is_some_and(|wanted| is_alike(key, wanted))
        {
            restore.held.insert(name.to_owned());
        }
    }
    let is_held = |held: &BTreeSet<String>, key: &Key| held.contains(owned_name(&key.0));
    let mut edits: BTreeMap<(String, Key), Edit> = BTreeMap::new();
    let place = |key: &Key| (owned_name(&key.0).to_owned(), key.clone());
    for (key, wanted) in &file.sets {
        if is_alike(key, wanted) {
            restore.alike += 1;
        } else if is_low(key, wanted) {
            restore.alike += 1;
            restore.lowered += 1;
        } else if is_held(&restore.held, key) {
            // The instance that holds it will say what it wants there.
        } else if special.contains(key) {
            restore.refusals.push(format!(
                "{} {} is an alias or has a routing policy, which is not replaced: delete it first, or \
                 take it out of the file",
                key.0, key.1
            ));
        } else {
            let edit = Edit {
                before: live.get(key).map(|(set, _)| (*set).clone()),
                after: Some(record_set(key, wanted)),
            };
            edits.insert(place(key), edit);
        }
    }
    for (key, (set, _)) in &live {
        if file.sets.contains_key(key) || is_held(&restore.held, key) {
            continue;
        }
        match extra {
            Extra::Keep => restore.extra.push(key.clone()),
            Extra::Delete => {
                let edit = Edit {
                    before: Some((*set).clone()),
                    after: None,
                };
                edits.insert(place(key), edit);
            }
        }
    }
    restore.edits = edits.into_values().collect();
    if let Err(why) = kept
        && !restore.edits.is_empty()
    {
        restore.refusals.push(format!(
            "the TTLs of the zone's records are lowered while it is being signed, and what they were could not be \
             read, so that nobody can tell which of them differ from the file: {why}"
        ));
    }
    let beside = beside_cname(&restore.edits, live.keys().chain(&special));
    restore.refusals.extend(beside);
    restore
}

/// Names at which a CNAME would stand beside something else (RFC 1034, section 3.6.2).
fn beside_cname<'a>(edits: &[Edit], live: impl Iterator<Item = &'a Key>) -> Vec<String> {
    let mut of_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, rtype) in live {
        of_name.entry(name).or_default().insert(rtype);
    }
    let mut touched = BTreeSet::new();
    for set in edits.iter().filter_map(|edit| edit.before.as_ref()) {
        if let Some(rtypes) = of_name.get_mut(set.name.as_str()) {
            rtypes.remove(set.rtype.as_str());
        }
    }
    for set in edits.iter().filter_map(|edit| edit.after.as_ref()) {
        of_name.entry(&set.name).or_default().insert(&set.rtype);
        touched.insert(set.name.as_str());
    }
    of_name
        .into_iter()
        .filter(|(name, rtypes)| {
            touched.contains(name) && rtypes.len() > 1 && rtypes.contains("CNAME")
        })
        .map(|(name, rtypes)| {
            let others: Vec<&str> = rtypes.into_iter().filter(|rtype| *rtype != "CNAME").collect();
            format!(
                "{name} would have a CNAME beside {}: delete what is not in the file first, or pass \
                 --delete-extra",
                others.join(" and ")
            )
        })
        .collect()
}

fn key(set: &RecordSet) -> Key {
    (set.name.clone(), set.rtype.clone())
}

/// A live set in the form that files are compared in; none if the parser does not know its spelling, and
/// then it differs from everything.
fn parsed(domain: &str, set: &RecordSet) -> Option<Set> {
    let text = master_file::lines(set).join("\n");
    read(domain, &text).ok()?.sets.remove(&key(set))
}

fn record_set((name, rtype): &Key, set: &Set) -> RecordSet {
    RecordSet {
        name: name.clone(),
        rtype: rtype.clone(),
        ttl_secs: Some(i64::from(set.ttl_secs)),
        values: set.records.values().cloned().collect(),
        ..RecordSet::default()
    }
}

impl Restore {
    /// Sets to add, to change and to delete.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |before, after| {
            let is =
                |edit: &&Edit| (edit.before.is_some(), edit.after.is_some()) == (before, after);
            self.edits.iter().filter(is).count()
        };
        (count(false, true), count(true, true), count(true, false))
    }

    /// The changes as lines of master files.
    pub fn diff(&self) -> String {
        let mut out = String::new();
        let file = |set: Option<&RecordSet>| {
            set.map(master_file::lines)
                .unwrap_or_default()
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        for edit in &self.edits {
            let (before, after) = (file(edit.before.as_ref()), file(edit.after.as_ref()));
            for change in TextDiff::from_lines(&before, &after).iter_all_changes() {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                let _ = write!(out, "{sign} {change}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const DOMAIN: &str = "spore.example.edu";

    fn zone(lines: &str) -> Live {
        let sets = read(DOMAIN, lines).unwrap().sets;
        let mut records: Vec<RecordSet> =
            sets.iter().map(|(key, set)| record_set(key, set)).collect();
        for rtype in ["NS", "SOA"] {
            records.push(RecordSet {
                name: format!("{DOMAIN}."),
                rtype: rtype.into(),
                ..RecordSet::default()
            });
        }
        Live {
            records,
            complete: true,
            ..Live::default()
        }
    }

    fn restored(file: &str, live: &Live, extra: Extra) -> Restore {
        compare(DOMAIN, &read(DOMAIN, file).unwrap(), live, &Ok(None), extra)
    }

    #[test]
    fn ttls_that_are_lowered_for_signing_stay_low() {
        let owners = "a 86400 A 192.0.2.1\nb 86400 A 192.0.2.1\nc 60 A 192.0.2.1\n";
        let kept: Vec<RecordSet> = ttls::to_keep(&zone(owners));
        assert_eq!(kept.len(), 2);
        let mut low = zone(owners);
        for set in &mut low.records {
            *set = ttls::lowered(set);
        }
        let kept = Ok(Some(kept));
        let with = |file: &str, kept: &Kept| {
            compare(
                DOMAIN,
                &read(DOMAIN, file).unwrap(),
                &low,
                kept,
                Extra::Delete,
            )
        };
        // A file of before, or written while they are low: nothing is to be done.
        let same = with(owners, &kept);
        assert_eq!((same.counts(), same.alike, same.lowered), ((0, 0, 0), 3, 2));
        // What differs in more than that is written as it stands in the file, with its TTL.
        let file = "a 86400 A 192.0.2.9\nb 7200 A 192.0.2.1\nc 60 A 192.0.2.1\n";
        let other = with(file, &kept);
        assert_eq!((other.counts(), other.lowered), ((0, 2, 0), 0));
        assert!(
            other
                .diff()
                .contains("+ a.spore.example.edu. 86400 IN A 192.0.2.9")
        );
        // What is low and what is meant to be cannot be told apart.
        let unread = with(owners, &Err("denied".into()));
        assert!(
            unread.refusals[0].contains("could not be read"),
            "{unread:?}"
        );
    }

    #[test]
    fn what_differs_changes_and_the_rest_is_left() {
        let live = zone("a 60 A 192.0.2.1\nb 60 A 192.0.2.1\nc 60 A 192.0.2.1\n");
        let file = "a 60 A 192.0.2.1\nb 61 A 192.0.2.1\nd 60 A 192.0.2.4\n";
        let kept = restored(file, &live, Extra::Keep);
        assert_eq!(
            (kept.counts(), kept.alike, kept.extra.len()),
            ((1, 1, 0), 1, 1)
        );
        let expected = "- b.spore.example.edu. 60 IN A 192.0.2.1\n\
                        + b.spore.example.edu. 61 IN A 192.0.2.1\n\
                        + d.spore.example.edu. 60 IN A 192.0.2.4\n";
        assert_eq!(kept.diff(), expected);
        let all = restored(file, &live, Extra::Delete);
        assert_eq!((all.counts(), all.extra.len()), ((1, 1, 1), 0));
        // The zone's own NS and SOA are nobody's extra.
        let none = restored("", &live, Extra::Delete);
        assert_eq!(none.counts(), (0, 0, 3));
    }

    #[test]
    fn a_name_stays_with_the_instance_that_holds_it_now() {
        let mark = |date: &str| format!("_spore.a 60 TXT \"v=1 p=1/us-east-1/i-1 t={date} n=x\"\n");
        let live = zone(&format!(
            "{}a 60 A 192.0.2.9\n",
            mark("2026-11-20T00:00:00Z")
        ));
        let old = format!("{}a 60 A 192.0.2.1\n", mark("2026-11-01T00:00:00Z"));
        for file in [old.as_str(), "a 60 A 192.0.2.1\n", ""] {
            let restore = restored(file, &live, Extra::Delete);
            assert_eq!(restore.counts(), (0, 0, 0), "{file}");
            let held: Vec<&String> = restore.held.iter().collect();
            assert_eq!(held, ["a.spore.example.edu."]);
        }
        // Its own mark: the record is put back, and the mark with a name that is free.
        let same = format!("{}a 60 A 192.0.2.1\n", mark("2026-11-20T00:00:00Z"));
        assert_eq!(restored(&same, &live, Extra::Keep).counts(), (0, 1, 0));
        assert_eq!(restored(&old, &zone(""), Extra::Keep).counts(), (2, 0, 0));
    }

    #[test]
    fn nothing_comes_beside_a_cname_and_no_alias_is_replaced() {
        let live = zone("a 60 A 192.0.2.1\nb 60 CNAME x.example.\n");
        let file = "a 60 CNAME x.example.\nb 60 A 192.0.2.1\n";
        assert_eq!(restored(file, &live, Extra::Keep).refusals.len(), 2);
        assert!(restored(file, &live, Extra::Delete).refusals.is_empty());
        let mut live = live;
        live.records[0].alias = Some(("Z1".into(), "x.".into(), false));
        let refusals = restored("a 60 A 192.0.2.2\n", &live, Extra::Delete).refusals;
        assert!(refusals[0].contains("alias"), "{refusals:?}");
        assert_eq!(restored(file, &live, Extra::Delete).refusals.len(), 1);
    }
}
