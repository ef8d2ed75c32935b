//! Changes of records, made only from an [`Allowed`]: all of a batch is done, or nothing (Route 53 API
//! Reference, ChangeResourceRecordSets).
//!
//! Every batch says what it expects to find, by a CREATE, which fails if the record is there, or by a
//! DELETE, which fails if it is not there exactly so. That is the whole of the updater's locking: there
//! is no other store, and two requests that meet are told apart by Route 53.

use crate::allowed::{Allowed, Task};
use crate::config::{Config, RecordType};
use crate::name::owner_name;
use crate::owner::{self, Owner};
use crate::ownership::Vacant;
use crate::survey::Expired;
use crate::zone::{Live, Mark, RecordSet};

/// A batch of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
    mark: Option<Owner>,
    removal: Removal,
}

/// Whose the records are that a batch removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// The caller's, or nobody's.
    Own,
    /// Of a holder who is gone: all of a name, its mark included.
    Vacant,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// With which records.
    pub set: RecordSet,
}

/// What is done with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They are made; fails if there are any.
    Create,
    /// They are removed; fails unless they are exactly so.
    Delete,
    /// They are made, in place of those that are there.
    Upsert,
}

impl Action {
    /// As Route 53 writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Upsert => "UPSERT",
        }
    }
}

impl Batch {
    /// The changes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The mark that is at the name afterwards; none when the name is free.
    pub fn mark(&self) -> Option<&Owner> {
        self.mark.as_ref()
    }

    /// Whether this takes something from a holder who is gone and gives nobody a name: the first of two
    /// parts.
    pub(crate) fn is_clearance(&self) -> bool {
        self.removal == Removal::Vacant && self.mark.is_none()
    }

    /// The batch in the parts that the updater's role may send: one, unless the stack document was narrowed
    /// and this removes what it let instances have before. Of such types and names the role may only
    /// DELETE, in batches that do nothing else (`policies/updater.json`); those go first.
    ///
    /// Of a holder who is gone everything goes in that part, the mark of before with it: whoever renews
    /// meanwhile keeps all, and between the parts the name is free. Of the caller's own name only what it
    /// may not have any more goes first, without a mark to guard it: nobody can have made the like again
    /// since it was seen.
    pub(crate) fn parts(self, config: &Config) -> Vec<Self> {
        let makes_any = self.changes.iter().any(|it| it.action != Action::Delete);
        let is_past = |it: &Change| it.action == Action::Delete && is_past(config, &it.set);
        if !makes_any || !self.changes.iter().any(is_past) {
            return vec![self];
        }
        let goes_first = |it: &Change| match self.removal {
            Removal::Own => is_past(it),
            Removal::Vacant => it.action == Action::Delete,
        };
        let (first, rest): (Vec<Change>, Vec<Change>) =
            self.changes.into_iter().partition(goes_first);
        let part = |changes, mark| Self {
            changes,
            mark,
            removal: self.removal,
        };
        vec![part(first, None), part(rest, self.mark)]
    }

    /// A free name becomes the caller's. In place of one whose lease has ended, if the account has no
    /// other left.
    pub(crate) fn claim(allowed: &Allowed, expired: Option<&Expired>) -> Option<Self> {
        let Task::Set(record, _) = allowed.task() else {
            return None;
        };
        let mark = allowed.mark_after(None)?;
        let (mut changes, removal) = match expired {
            Some(expired) => (emptied(&expired.live), Removal::Vacant),
            None => (Vec::new(), Removal::Own),
        };
        changes.push(change(Action::Create, mark_set(allowed, &mark)));
        changes.push(change(Action::Create, record.clone()));
        Some(Self {
            changes,
            mark: Some(mark),
            removal,
        })
    }

    /// The caller's own name gets a record, or a new one. `before` is the mark that has to be there. Nothing
    /// guards the record itself, as what it was is not known without a look: one that somebody put there
    /// by hand since is written over.
    pub(crate) fn renew(
        allowed: &Allowed,
        before: &Owner,
        found: Option<&RecordSet>,
    ) -> Option<Self> {
        let Task::Set(record, _) = allowed.task() else {
            return None;
        };
        let mark = allowed.mark_after(Some(before))?;
        let found = found.cloned().unwrap_or_else(|| mark_set(allowed, before));
        Some(Self {
            changes: vec![
                change(Action::Delete, found),
                change(Action::Create, mark_set(allowed, &mark)),
                change(Action::Upsert, record.clone()),
            ],
            mark: Some(mark),
            removal: Removal::Own,
        })
    }

    /// A name whose holder is gone becomes the caller's, without any record of the holder.
    pub(crate) fn take_over(allowed: &Allowed, live: &Live, _: &Vacant) -> Option<Self> {
        let Task::Set(record, _) = allowed.task() else {
            return None;
        };
        let mark = allowed.mark_after(None)?;
        let mut changes = emptied(live);
        changes.push(change(Action::Create, mark_set(allowed, &mark)));
        changes.push(change(Action::Create, record.clone()));
        Some(Self {
            changes,
            mark: Some(mark),
            removal: Removal::Vacant,
        })
    }

    /// Nothing of the caller's own name is left.
    pub(crate) fn release(live: &Live, _: &Allowed) -> Self {
        Self {
            changes: emptied(live),
            mark: None,
            removal: Removal::Own,
        }
    }

    /// The caller's own name has no records of one type any more, and keeps the others.
    pub(crate) fn drop_type(
        allowed: &Allowed,
        live: &Live,
        record_type: RecordType,
    ) -> Option<Self> {
        let Mark::Of { owner, set } = &live.mark else {
            return None;
        };
        let mark = allowed.mark_after(Some(owner))?;
        let mut changes = vec![
            change(Action::Delete, set.clone()),
            change(Action::Create, mark_set(allowed, &mark)),
        ];
        // What was made by hand beside them stays.
        let is_dropped = |set: &&RecordSet| set.is_ours() && set.is_of(record_type);
        let dropped = live.sets.iter().filter(is_dropped);
        changes.extend(dropped.map(|set| change(Action::Delete, set.clone())));
        Some(Self {
            changes,
            mark: Some(mark),
            removal: Removal::Own,
        })
    }
}

fn change(action: Action, set: RecordSet) -> Change {
    Change { action, set }
}

/// Whether the stack let instances have such a record once and does not any more. Marks are TXT records,
/// which the role may always make, at names that are never reserved.
fn is_past(config: &Config, set: &RecordSet) -> bool {
    let label = set.name.split('.').next().unwrap_or_default();
    let is_type = |known: &RecordType| set.is_of(*known);
    config.reserved.contains(label)
        || !(set.is_of(RecordType::Txt) || config.record_types.iter().any(is_type))
}

fn mark_set(allowed: &Allowed, mark: &Owner) -> RecordSet {
    let name = owner_name(allowed.name());
    RecordSet::one(name, RecordType::Txt.word(), owner::TTL_SECS, mark.quoted())
}

/// Removes a name's mark and whatever the updater made there.
fn emptied(live: &Live) -> Vec<Change> {
    let mark = match &live.mark {
        Mark::Of { set, .. } => Some(set),
        Mark::None | Mark::Unknown => None,
    };
    let ours = live.sets.iter().filter(|set| set.is_ours());
    mark.into_iter()
        .chain(ours)
        .map(|set| change(Action::Delete, set.clone()))
        .collect()
}
