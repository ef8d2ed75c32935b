//! How many names an account has: a look at all records below its label, which Route 53 lists one after
//! the other.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::config::Config;
use crate::name::owner_name;
use crate::owner::Owner;
use crate::ownership::Vacant;
use crate::zone::{Live, Mark, PAGE_SETS_MAX, Page, RecordSet, Start};

/// Pages that are read. A hundred names, the largest quota, each with an A, an AAAA, a TXT record and its
/// mark, are 400 records of 300 a page; the third page is for what was made by hand among them.
const PAGES_MAX: usize = 3;

/// Records that are read.
pub(crate) const SETS_MAX: usize = PAGES_MAX * PAGE_SETS_MAX;

/// The largest quota that can be counted: it leaves a page for what was made by hand.
pub(crate) const QUOTA_MAX: u32 = 100;

/// An A, an AAAA, a TXT record and the mark.
const NAME_SETS_MAX: usize = 4;

const _: () = assert!(QUOTA_MAX as usize * NAME_SETS_MAX + PAGE_SETS_MAX <= SETS_MAX);

/// What is below an account's label.
#[derive(Debug)]
pub(crate) struct Survey {
    parent: String,
    sets: Vec<RecordSet>,
    next: Option<Start>,
    pages: usize,
}

/// What the quota says to one more name.
#[derive(Debug)]
pub(crate) enum Room {
    /// There is room.
    Yes,
    /// There is none, but this name's lease has ended longest ago: it can make place.
    InPlaceOf(Box<Expired>),
    /// There is none.
    No,
    /// Not all records were read, so nobody knows.
    Unknown,
}

/// A name whose lease has ended.
#[derive(Debug)]
pub(crate) struct Expired {
    /// The name.
    pub(crate) name: String,
    /// Whose it was.
    pub(crate) owner: Owner,
    /// What is there.
    pub(crate) live: Live,
    /// That nobody holds it any more.
    pub(crate) _vacant: Vacant,
}

impl Survey {
    /// Of the names below a parent; nothing is read yet.
    pub(crate) fn below(parent: &str) -> Self {
        Self {
            parent: parent.to_owned(),
            sets: Vec::new(),
            next: Some(Start::at(parent)),
            pages: 0,
        }
    }

    /// Where to read on; none when all is read, or too much.
    pub(crate) fn next(&self) -> Option<&Start> {
        self.next.as_ref().filter(|_| self.pages < PAGES_MAX)
    }

    /// Whether everything was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.next.is_none()
    }

    /// Takes a page in.
    pub(crate) fn add(&mut self, page: Page) {
        self.pages += 1;
        let below = format!(".{}", self.parent);
        let inside = |set: &RecordSet| set.name == self.parent || set.name.ends_with(&below);
        self.sets.extend(page.sets.into_iter().filter(inside));
        // What is below a name follows it without a gap, so a page that goes on outside ends it. One that
        // says that it goes on but gave nothing does not.
        let goes_on = |start: &Start| start.name == self.parent || start.name.ends_with(&below);
        self.next = page.next.filter(goes_on);
    }

    /// What is at a name, if the list got that far.
    pub(crate) fn at(&self, name: &str) -> Option<Live> {
        let live = Live::at(name, &self.sets);
        (self.is_complete() || live.mark != Mark::None).then_some(live)
    }

    /// Whether the account may have one name more. Names whose lease has ended count as well, so that
    /// the zone cannot be filled by letting them go; but one of them makes place.
    pub(crate) fn room(&self, config: &Config, now: Timestamp) -> Room {
        let names = self.names();
        let quota = usize::try_from(config.quota).unwrap_or(usize::MAX);
        if names.len() < quota {
            return match self.is_complete() {
                true => Room::Yes,
                false => Room::Unknown,
            };
        }
        let expired = names
            .into_iter()
            .filter_map(|name| {
                let live = Live::at(name, &self.sets);
                // What was made by hand beside it is not ours to remove.
                let Mark::Of { owner, .. } = &live.mark else {
                    return None;
                };
                let vacant = Vacant::by_lease(config, owner, now)?;
                let owner = owner.clone();
                live.foreign().is_none().then(|| Expired {
                    name: name.to_owned(),
                    owner,
                    live,
                    _vacant: vacant,
                })
            })
            .min_by_key(|expired| expired.owner.time);
        match expired {
            Some(expired) => Room::InPlaceOf(Box::new(expired)),
            None => Room::No,
        }
    }

    /// Names with a mark, readable or not.
    fn names(&self) -> BTreeSet<&str> {
        let prefix = owner_name("");
        self.sets
            .iter()
            .filter_map(|set| set.name.strip_prefix(&prefix))
            .collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::tests::SMALLEST;

    const PARENT: &str = "1kpqzg2c.spore.example.edu";

    fn page(name: Option<&str>, next: Option<&str>) -> Page {
        let set =
            |name: &str| RecordSet::one(format!("{name}.{PARENT}"), "A", 60, "1.1.1.1".to_owned());
        Page {
            sets: name.map(set).into_iter().collect(),
            next: next.map(|name| Start::at(&format!("{name}.{PARENT}"))),
        }
    }

    fn room(pages: Vec<Page>) -> Room {
        let mut survey = Survey::below(PARENT);
        for page in pages {
            survey.next().unwrap();
            survey.add(page);
        }
        let now = "2026-11-22T06:00:00Z".parse().unwrap();
        survey.room(&SMALLEST.parse().unwrap(), now)
    }

    #[test]
    fn a_list_that_was_not_read_to_its_end_says_nothing_about_the_quota() {
        let whole = vec![page(Some("a"), Some("b")), page(Some("b"), None)];
        assert!(matches!(room(whole), Room::Yes));
        let cut = vec![page(Some("a"), Some("b")), page(Some("b"), Some("c"))];
        assert!(matches!(room(cut), Room::Unknown));
        // Nothing on a page that goes on is not the end.
        let empty = vec![page(Some("a"), Some("b")), page(None, Some("c"))];
        assert!(matches!(room(empty), Room::Unknown));
        let mut outside = page(Some("a"), None);
        outside.next = Some(Start::at("b.other.spore.example.edu"));
        assert!(matches!(room(vec![outside]), Room::Yes));
    }
}
