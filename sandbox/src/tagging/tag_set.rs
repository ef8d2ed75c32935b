//! The tags of one object: as its own service shows them, and as the tagging API has seen them.
//!
//! A service answers with the current tags at once. The tagging API reads an index that follows
//! after a lag, which is drawn for each change.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Tag values by key.
pub type Tags = BTreeMap<String, String>;

/// Most tags an object may have, in KMS, CloudWatch Logs and most other services
/// (<https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>).
pub const TAGS_MAX: usize = 50;

/// The tags of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagSet {
    current: Tags,
    /// What the index holds; none for an object that it never saw tagged.
    indexed: Option<Tags>,
    /// Changes under way to the index, in the order in which they arrive there.
    arriving: Vec<(Timestamp, Tags)>,
}

impl TagSet {
    /// The tags of a new object.
    pub fn new(tags: Tags, now: Timestamp, lag: Duration) -> Self {
        let mut set = Self::default();
        set.replace(tags, now, lag);
        set
    }

    /// The tags as the object's own service shows them.
    pub fn current(&self) -> &Tags {
        &self.current
    }

    /// The tags as the tagging API shows them; none for an object that it does not list. An object
    /// that once had tags stays listed, with an empty set.
    pub fn indexed(&self, now: Timestamp) -> Option<&Tags> {
        let arrived = self.arriving.iter().rev().find(|(at, _)| *at <= now);
        arrived.map(|(_, tags)| tags).or(self.indexed.as_ref())
    }

    /// Replaces all tags.
    pub fn replace(&mut self, tags: Tags, now: Timestamp, lag: Duration) {
        if tags == self.current {
            return;
        }
        self.indexed = self.indexed(now).cloned();
        self.arriving.retain(|(at, _)| *at > now);
        // Changes never overtake each other: the index must not end on an older set.
        let arrives = now.saturating_add(lag).unwrap_or(Timestamp::MAX);
        let arrives = self
            .arriving
            .last()
            .map_or(arrives, |(at, _)| arrives.max(*at));
        self.arriving.push((arrives, tags.clone()));
        self.current = tags;
    }

    /// Adds tags, replacing the values of those that exist.
    pub fn add(&mut self, tags: Tags, now: Timestamp, lag: Duration) {
        let mut all = self.current.clone();
        all.extend(tags);
        self.replace(all, now, lag);
    }

    /// Removes tags by key; keys that do not exist are no error.
    pub fn remove<'a>(
        &mut self,
        keys: impl IntoIterator<Item = &'a str>,
        now: Timestamp,
        lag: Duration,
    ) {
        let mut rest = self.current.clone();
        for key in keys {
            rest.remove(key);
        }
        self.replace(rest, now, lag);
    }
}

/// What is wrong with a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagProblem {
    /// The prefix is AWS's own.
    #[error("aws: prefixed tag key names are not allowed for external use.")]
    Reserved,
    /// A key of no characters or more than 128.
    #[error("tag key '{0}' must have 1 to 128 characters")]
    KeyLength(String),
    /// A value of more than 256 characters.
    #[error("the value of tag '{0}' must have at most 256 characters")]
    ValueLength(String),
    /// A character outside `[\p{L}\p{Z}\p{N}_.:/=+\-@]`.
    #[error("tag '{0}' has characters other than letters, spaces, numbers and _.:/=+-@")]
    Characters(String),
}

/// Checks one tag against the rules that KMS and CloudWatch Logs share
/// (`^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$` in both models).
pub fn check_tag(key: &str, value: &str) -> Result<(), TagProblem> {
    if key
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
    {
        return Err(TagProblem::Reserved);
    }
    if !(1..=128).contains(&key.chars().count()) {
        return Err(TagProblem::KeyLength(key.to_owned()));
    }
    if value.chars().count() > 256 {
        return Err(TagProblem::ValueLength(key.to_owned()));
    }
    if !key.chars().chain(value.chars()).all(is_tag_character) {
        return Err(TagProblem::Characters(key.to_owned()));
    }
    Ok(())
}

/// `char::is_alphabetic` takes a few combining marks more than `\p{L}` does; a tag of ours never
/// has any.
fn is_tag_character(c: char) -> bool {
    c.is_alphabetic()
        || c.is_numeric()
        || (c.is_whitespace() && !c.is_control())
        || "_.:/=+-@".contains(c)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn tags(text: &str) -> Tags {
        text.split_whitespace()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    const LAG: Duration = Duration::from_secs(100);

    #[test]
    fn the_index_follows_after_the_lag() {
        let mut set = TagSet::new(tags("a=1"), at(0), LAG);
        assert_eq!(set.current(), &tags("a=1"));
        assert_eq!(set.indexed(at(99)), None);
        assert_eq!(set.indexed(at(100)), Some(&tags("a=1")));
        set.remove(["a"], at(200), LAG);
        assert_eq!(set.indexed(at(299)), Some(&tags("a=1")));
        assert_eq!(
            set.indexed(at(300)),
            Some(&Tags::new()),
            "listed without tags, like AWS"
        );
    }

    #[test]
    fn an_untagged_object_is_never_listed() {
        assert_eq!(TagSet::new(Tags::new(), at(0), LAG).indexed(at(1000)), None);
    }

    #[test]
    fn a_steady_stream_of_changes_does_not_starve_the_index() {
        let mut set = TagSet::new(tags("beat=0"), at(0), LAG);
        for beat in 1..10 {
            set.add(tags(&format!("beat={beat}")), at(beat * 60), LAG);
        }
        assert_eq!(
            set.indexed(at(540)),
            Some(&tags("beat=7")),
            "the newest that is 100 s old"
        );
    }

    #[test]
    fn a_later_change_never_arrives_before_an_earlier_one() {
        let mut set = TagSet::new(tags("a=1"), at(0), LAG);
        set.add(tags("a=2"), at(1), Duration::ZERO);
        assert_eq!(set.indexed(at(50)), None);
        assert_eq!(set.indexed(at(100)), Some(&tags("a=2")));
    }

    #[test]
    fn tags_are_checked() {
        assert_eq!(check_tag("spore:stack", "spore.example.edu"), Ok(()));
        assert_eq!(check_tag("Größe der Zone", ""), Ok(()));
        assert_eq!(check_tag("AWS:x", "1"), Err(TagProblem::Reserved));
        assert_eq!(
            check_tag("", "1"),
            Err(TagProblem::KeyLength(String::new()))
        );
        assert_eq!(
            check_tag("k", &"v".repeat(257)),
            Err(TagProblem::ValueLength("k".into()))
        );
        assert_eq!(
            check_tag("k", "a;b"),
            Err(TagProblem::Characters("k".into()))
        );
        assert_eq!(
            check_tag("k", "a\nb"),
            Err(TagProblem::Characters("k".into()))
        );
    }
}
