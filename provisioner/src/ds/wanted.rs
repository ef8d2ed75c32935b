//! Which of the zone's keys the parent is to vouch for now. Outside of a rotation there is one; within,
//! the time and what the parent shows decide.
//!
//! ```text
//! old stays --add_from--> old stays, new comes --remove_from--> new stays, old goes
//! ```

use jiff::Timestamp;

use super::judgement::{Fit, Published};
use super::not_yet::NotYet;
use super::{DnsKey, Ds};
use crate::rotation::Turn;

/// What is to become of a key's record at the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is the one there is to be.
    Only,
    /// It is there, and stays for now.
    Stays,
    /// It is to be added.
    Comes,
    /// It is there, and is to be taken out.
    Goes,
}

impl Part {
    /// In a word, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Part::Only => "only",
            Part::Stays => "stays",
            Part::Comes => "comes",
            Part::Goes => "goes",
        }
    }
}

/// A key that the parent is to vouch for, or to let go of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the key-signing key.
    pub name: String,
    /// The key.
    pub key: DnsKey,
    /// What is to become of its record.
    pub part: Part,
}

/// One of the stack's keys, and why its record may not be published, if so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Name of the key-signing key.
    pub name: String,
    /// The key.
    pub key: DnsKey,
    /// Why not.
    pub not_yet: Option<NotYet>,
}

/// What the parent is to vouch for now, and what comes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// The keys; the one that comes first.
    pub wanted: Vec<Wanted>,
    /// What follows, and when.
    pub later: Option<String>,
}

/// Outside of a rotation.
///
/// # Errors
/// Why there is none yet.
pub fn one(state: &State) -> Result<Now, NotYet> {
    match &state.not_yet {
        Some(why) => Err(why.clone()),
        None => Ok(Now {
            wanted: vec![state.wanted(Part::Only)],
            later: None,
        }),
    }
}

/// Within a rotation: `old` and `new` are the turn's keys, `published` what each server of the parent has;
/// an error when not each of them says anything, and then nothing is taken for gone.
///
/// # Errors
/// Why there is none yet.
pub fn in_turn(
    (old, new): (&State, &State),
    turn: &Turn<'_>,
    published: Result<&Published<'_>, &str>,
    at: Timestamp,
) -> Result<Now, NotYet> {
    let old_is_there = published.map_or(true, |all| all.is_somewhere(&old.key));
    if let (Some(_), Some(why)) = (turn.given_up, &new.not_yet) {
        return given_up((old, new), why, old_is_there, published);
    }
    let new_is_there = published.is_ok_and(|all| all.stands_everywhere(&new.key));
    let (add_from, add_why) = &turn.add_from;
    let (remove_from, remove_why) = &turn.remove_from;
    let too_early = match &new.not_yet {
        Some(why) => Some(why.clone()),
        None if at < *add_from => Some(NotYet::Remembered {
            until: *add_from,
            why: format!("not before {add_from:.0}: {add_why}"),
        }),
        None => None,
    };
    let mut now = Now {
        wanted: Vec::new(),
        later: None,
    };
    if new_is_there && old_is_there {
        now.wanted.push(new.wanted(Part::Stays));
    } else if new_is_there {
        // As outside of a rotation: a key that is not ready is not asked for.
        if new.not_yet.is_none() {
            now.wanted.push(new.wanted(Part::Only));
        }
    } else if too_early.is_none() {
        now.wanted.push(new.wanted(Part::Comes));
    } else if !old_is_there && old.not_yet.is_none() && published.is_ok_and(is_refused) {
        // What is there is wrong. Every resolver that knows the zone's keys knows the old one.
        now.wanted.push(old.wanted(Part::Comes));
    }
    // What stays alone has to sign, and to be on every server.
    let may_stay_alone = new_is_there && at >= *remove_from && new.not_yet.is_none();
    if old_is_there {
        let part = if may_stay_alone {
            Part::Goes
        } else {
            Part::Stays
        };
        now.wanted.push(old.wanted(part));
    }
    now.later = match &too_early {
        Some(why) if old_is_there && new_is_there => Some(format!(
            "the record of {} stays, as the other key is not ready: {why}; {}",
            old.name,
            why.remedy()
        )),
        Some(why) if !new_is_there => Some(format!(
            "the record of {} is to be added beside it: {why}",
            new.name
        )),
        _ if old_is_there && new_is_there && at < *remove_from => Some(format!(
            "the record of {} is to be taken out, not before {remove_from:.0}: {remove_why}",
            old.name
        )),
        _ if old_is_there && new_is_there => Some(format!(
            "the record of {} can be taken out: `spore-infra handover --step ds-remove --key-tag {}`",
            old.name,
            old.key.key_tag()
        )),
        _ => None,
    };
    match too_early {
        Some(why) if now.wanted.is_empty() => Err(why),
        _ => Ok(now),
    }
}

/// The same where the rotation is given up: the old key stays, and the new one's record goes.
fn given_up(
    (old, new): (&State, &State),
    why: &NotYet,
    old_is_there: bool,
    published: Result<&Published<'_>, &str>,
) -> Result<Now, NotYet> {
    let mut wanted = Vec::new();
    if old_is_there {
        wanted.push(old.wanted(Part::Stays));
    } else if old.not_yet.is_none() {
        wanted.push(old.wanted(Part::Comes));
    }
    if published.is_ok_and(|all| all.is_somewhere(&new.key)) {
        wanted.push(new.wanted(Part::Goes));
    }
    if wanted.is_empty() {
        return Err(why.clone());
    }
    let later = Some(format!("{why}; {}", why.remedy()));
    Ok(Now { wanted, later })
}

fn is_refused(published: &Published<'_>) -> bool {
    published.sets.iter().any(|set| set.trust.is_refused())
}

/// The records that somebody who changes the parent takes out: those of no key of the zone, whatever its
/// state, and those of a key that goes. `published` is what the servers that answered have.
pub fn to_take_out(domain: &str, published: &Published<'_>, wanted: &[Wanted]) -> Vec<Ds> {
    let going = wanted.iter().filter(|wanted| wanted.part == Part::Goes);
    let going: Vec<&DnsKey> = going.map(|wanted| &wanted.key).collect();
    let of_no_key = published.records_that(Fit::is_wrong);
    let goes = |ds: &Ds| of_no_key.contains(ds) || going.iter().any(|key| ds.matches(domain, key));
    let records = published.records().into_iter();
    records.filter(|ds| goes(ds)).cloned().collect()
}

impl State {
    fn wanted(&self, part: Part) -> Wanted {
        Wanted {
            name: self.name.clone(),
            key: self.key.clone(),
            part,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::DigestType;
    use super::super::judgement::Keys;
    use super::*;
    use crate::kind::ksk;

    const DOMAIN: &str = "spore.example.edu";
    const OLD: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";
    const NEW: &str = "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";

    fn state(name: &str, key: &str) -> State {
        State {
            name: name.into(),
            key: DnsKey::parse(key).unwrap(),
            not_yet: None,
        }
    }

    fn at(hour: u8) -> Timestamp {
        format!("2026-11-21T{hour:02}:00:00Z").parse().unwrap()
    }

    /// Names and parts at an hour, with each server's records: `o`, `n`, both or none. The new record may
    /// come at 2 o'clock, the old one go at 4.
    fn told(hour: u8, servers: &[&str], unserved: bool) -> Vec<(String, Part)> {
        let (old, mut new) = (state("old", OLD), state("new", NEW));
        if unserved {
            new.not_yet = Some(NotYet::Unserved("ns-1 lacks it".into()));
        }
        let sets = servers.iter().map(|shown| {
            let of = [('o', &old), ('n', &new)];
            let is_wrong = shown.contains('w');
            let shown = of.iter().filter(|(sign, _)| shown.contains(*sign));
            let mut records: Vec<Ds> = shown
                .map(|(_, state)| state.key.ds(DOMAIN, DigestType::Sha256))
                .collect();
            if is_wrong {
                records.push(Ds::parse(&format!("12735 13 2 {}", "AB".repeat(32))).unwrap());
            }
            records
        });
        let known = Keys {
            signing: vec![old.key.clone(), new.key.clone()],
            ..Keys::default()
        };
        let published = Published::of(DOMAIN, &known, sets);
        let keys = [ksk::Key::default(), ksk::Key::default()];
        let turn = Turn {
            old: &keys[0],
            new: &keys[1],
            add_from: (at(2), "until then it is not known everywhere".into()),
            remove_from: (at(4), "until then it is remembered".into()),
            given_up: None,
        };
        match in_turn((&old, &new), &turn, Ok(&published), at(hour)) {
            Ok(now) => now
                .wanted
                .into_iter()
                .map(|it| (it.name, it.part))
                .collect(),
            Err(why) => vec![(why.to_string(), Part::Only)],
        }
    }

    #[test]
    fn time_and_parent_decide_what_is_wanted() {
        let check = |hour, servers: &[&str], unserved, expected: &[(&str, Part)]| {
            let found = told(hour, servers, unserved);
            let found: Vec<(&str, Part)> = found.iter().map(|(n, part)| (&**n, *part)).collect();
            assert_eq!(found, expected, "{hour} {servers:?}");
        };
        let unserved = "not every name server is ready: ns-1 lacks it";
        let (stays, comes, goes) = (Part::Stays, Part::Comes, Part::Goes);
        check(1, &["o", "o"], false, &[("old", stays)]);
        check(3, &["o", "o"], false, &[("new", comes), ("old", stays)]);
        // Servers that lack the new key are as good as its time not having come.
        check(3, &["o", "o"], true, &[("old", stays)]);
        check(3, &["on", "o"], false, &[("new", comes), ("old", stays)]);
        check(3, &["on", "on"], false, &[("new", stays), ("old", stays)]);
        check(5, &["on", "on"], false, &[("new", stays), ("old", goes)]);
        check(5, &["on", "on"], true, &[("new", stays), ("old", stays)]);
        check(5, &["on", "n"], false, &[("new", stays), ("old", goes)]);
        check(3, &["n", "n"], false, &[("new", Part::Only)]);
        check(3, &["n", "n"], true, &[(unserved, Part::Only)]);
        // In the place of what is of no key, the old one's record is right already.
        check(1, &["w", "w"], false, &[("old", comes)]);
        check(1, &["w", ""], false, &[("old", comes)]);
        check(1, &["w", "o"], false, &[("old", stays)]);
        check(3, &["w", "w"], false, &[("new", comes)]);
        // Nobody vouches for the zone: the old key is on its way out and must not come back.
        check(3, &["", ""], false, &[("new", comes)]);
        let early = told(1, &["", ""], false);
        assert!(
            early[0].0.contains("not before 2026-11-21T02:00:00Z"),
            "{early:?}"
        );
    }

    #[test]
    fn a_parent_that_does_not_answer_may_still_have_the_old_record() {
        let (old, new) = (state("old", OLD), state("new", NEW));
        let keys = [ksk::Key::default(), ksk::Key::default()];
        let turn = Turn {
            old: &keys[0],
            new: &keys[1],
            add_from: (at(2), String::new()),
            remove_from: (at(4), String::new()),
            given_up: None,
        };
        let now = in_turn((&old, &new), &turn, Err("no answer"), at(5)).unwrap();
        let parts: Vec<Part> = now.wanted.iter().map(|wanted| wanted.part).collect();
        assert_eq!(parts, [Part::Comes, Part::Stays]);
    }
}
