//! Which of the DS records at a parent is meant. Two keys may share a tag, and one key has a record for
//! each digest type, so a tag alone may mean several.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::ds::Ds;
use crate::ds::judgement::Published;

/// Hex digits of a digest that are taken for its beginning: no digest type number is as long.
const DIGEST_MIN: usize = 8;

/// A choice: `TAG`, `TAG/TYPE` or `TAG/DIGEST`, the digest from its beginning, eight digits or more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pick {
    tag: u16,
    of_tag: OfTag,
}

/// Which of the records of a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum OfTag {
    All,
    DigestType(u8),
    /// Upper-case hex.
    Digest(String),
}

impl Pick {
    /// Whether a record is meant.
    pub fn is(&self, ds: &Ds) -> bool {
        ds.key_tag == self.tag
            && match &self.of_tag {
                OfTag::All => true,
                OfTag::DigestType(digest_type) => ds.digest_type == *digest_type,
                OfTag::Digest(digest) => ds.hex().starts_with(digest),
            }
    }

    /// The shortest that means this one and none else of these.
    pub fn of(ds: &Ds, among: &BTreeSet<Ds>) -> Self {
        let hex = ds.hex();
        let digest = |len: usize| OfTag::Digest(hex.get(..len).unwrap_or(&hex).to_owned());
        let whole = Pick {
            tag: ds.key_tag,
            of_tag: digest(hex.len()),
        };
        [
            OfTag::All,
            OfTag::DigestType(ds.digest_type),
            digest(DIGEST_MIN),
        ]
        .into_iter()
        .map(|of_tag| Pick {
            tag: ds.key_tag,
            of_tag,
        })
        .find(|pick| among.iter().all(|other| other == ds || !pick.is(other)))
        .unwrap_or(whole)
    }
}

/// The command that asks for these to be taken out, and for none else of what the parent has.
pub fn command<'a>(records: impl IntoIterator<Item = &'a Ds>, published: &Published<'_>) -> String {
    let among: BTreeSet<Ds> = published.records().into_iter().cloned().collect();
    let picks = records.into_iter().map(|ds| Pick::of(ds, &among));
    picks.fold(
        "spore-infra handover --step ds-remove".to_owned(),
        |command, pick| format!("{command} --key-tag {pick}"),
    )
}

/// What has to change at once, whatever else has to wait, and how that is asked for; nothing where no
/// validator refuses the zone. `right` is the record that may be published now, if one may. `is_elsewhere`: the
/// parent delegates to other servers, of whose keys nothing is known here.
pub fn at_once(
    published: &Published<'_>,
    right: Option<&Ds>,
    is_elsewhere: bool,
) -> Option<String> {
    let wrong = published.wrong();
    if wrong.is_empty() {
        return None;
    }
    let shown: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    if is_elsewhere {
        return Some(format!(
            "DS {} is of no key of this stack's. If the name servers that the parent delegates to now serve a signed \
             zone, it is theirs, and resolvers validate by it: then without it that zone is insecure. In either case it \
             has to be out, and its TTL over, before the delegation is turned (`{}`)",
            shown.join("; "),
            command(&wrong, published)
        ));
    }
    let cure = match right.filter(|right| published.lacks(right)) {
        Some(right) => format!(
            "have that replaced by DS {right} in one change, or the right one added first \
             (`spore-infra handover --step ds-add`)"
        ),
        None => format!(
            "have that taken out now, whatever else has to wait (`{}`)",
            command(&wrong, published)
        ),
    };
    Some(format!(
        "validating resolvers, some or all, refuse every name because of DS {}, of no key of the zone: {cure}",
        shown.join("; ")
    ))
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of_tag {
            OfTag::All => write!(f, "{}", self.tag),
            OfTag::DigestType(digest_type) => write!(f, "{}/{digest_type}", self.tag),
            OfTag::Digest(digest) => write!(f, "{}/{digest}", self.tag),
        }
    }
}

impl FromStr for Pick {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is no TAG, TAG/TYPE or TAG/DIGEST (at least {DIGEST_MIN} hex digits of it)"
            )
        };
        let (tag, rest) = match text.split_once('/') {
            Some((tag, rest)) => (tag, Some(rest)),
            None => (text, None),
        };
        let tag = tag.parse().map_err(|_| refuse())?;
        let is_digest =
            |rest: &str| rest.len() >= DIGEST_MIN && rest.bytes().all(|b| b.is_ascii_hexdigit());
        let of_tag = match rest {
            None => OfTag::All,
            Some(rest) if is_digest(rest) => OfTag::Digest(rest.to_ascii_uppercase()),
            Some(rest) => OfTag::DigestType(rest.parse().map_err(|_| refuse())?),
        };
        Ok(Self { tag, of_tag })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_picked_is_the_shortest_that_is_clear() {
        let two = format!("7 13 2 {}", "AB".repeat(32));
        let twin = format!("7 13 2 {}", "CD".repeat(32));
        let one = format!("7 13 1 {}", "EF".repeat(20));
        let other = format!("8 13 2 {}", "AB".repeat(32));
        let set = |texts: &[&String]| -> BTreeSet<Ds> {
            texts.iter().map(|text| Ds::parse(text).unwrap()).collect()
        };
        let ds = Ds::parse(&two).unwrap();
        for (among, expected) in [
            (set(&[&two, &other]), "7"),
            (set(&[&two, &one]), "7/2"),
            (set(&[&two, &twin, &one]), "7/ABABABAB"),
        ] {
            let pick = Pick::of(&ds, &among);
            assert_eq!(pick.to_string(), expected);
            let read: Pick = expected.to_ascii_lowercase().parse().unwrap();
            assert_eq!(read, pick);
            let meant: Vec<&Ds> = among.iter().filter(|ds| read.is(ds)).collect();
            assert_eq!(meant, [&ds]);
        }
    }

    #[test]
    fn what_means_no_record_is_refused() {
        for text in [
            "",
            "x",
            "65536",
            "7/",
            "7/256",
            "7/ABC",
            "7/ABABABAG",
            "7/2/1",
            "/2",
        ] {
            assert!(text.parse::<Pick>().is_err(), "{text}");
        }
    }
}
