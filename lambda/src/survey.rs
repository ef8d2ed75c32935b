//! How many names an account has: a look at all records below its label, which Route 53 lists one after
//! the other.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::config::Config;
use crate::name::owner_name;
use crate::ownership::Vacant;
use crate::zone::{Live, Mark, Page, RecordSet, Start};

/// Pages that are read. A hundred names, the largest quota, each with an A, an AAAA, a TXT record and its
/// mark, are 400 records of 300 a page; the third page is for what was made by hand among them.
const PAGES_MAX: usize = 3;

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
    InPlaceOf(Box<Live>, Vacant),
    /// There is none.
    No,
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
        let read = page.sets.len();
        let inside = |set: &RecordSet| set.name == self.parent || set.name.ends_with(&below);
        self.sets.extend(page.sets.into_iter().filter(inside));
        // What is below a name follows it without a gap, so the first record outside ends it; so does
        // a page that goes on outside, or says that it goes on but gave nothing.
        let goes_on = |start: &Start| start.name == self.parent || start.name.ends_with(&below);
        self.next = page.next.filter(|start| read > 0 && goes_on(start));
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
                false => Room::No,
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
                let since = owner.time;
                live.foreign().is_none().then_some((since, live, vacant))
            })
            .min_by_key(|(since, ..)| *since);
        match expired {
            Some((_, live, vacant)) => Room::InPlaceOf(Box::new(live), vacant),
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
