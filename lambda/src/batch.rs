//! Changes of records, made only from an [`Allowed`]: all of a batch is done, or nothing (Route 53 API
//! Reference, ChangeResourceRecordSets).
//!
//! Every batch says what it expects to find, by a CREATE, which fails if the record is there, or by a
//! DELETE, which fails if it is not there exactly so. That is the whole of the updater's locking: there
//! is no other store, and two requests that meet are told apart by Route 53.

use crate::allowed::{Allowed, Task};
use crate::config::RecordType;
use crate::name::owner_name;
use crate::owner::{self, Owner};
use crate::ownership::Vacant;
use crate::zone::{Live, Mark, RecordSet};

/// A batch of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
    mark: Option<Owner>,
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

    /// A free name becomes the caller's. In place of one whose lease has ended, if the account has no
    /// other left.
    pub(crate) fn claim(allowed: &Allowed, expired: Option<(&Live, &Vacant)>) -> Option<Self> {
        let Task::Set(record, _) = allowed.task() else {
            return None;
        };
        let mark = allowed.mark_after(None)?;
        let mut changes = match expired {
            Some((live, _)) => emptied(live, None),
            None => Vec::new(),
        };
        changes.push(change(Action::Create, mark_set(allowed, &mark)));
        changes.push(change(Action::Create, record.clone()));
        Some(Self {
            changes,
            mark: Some(mark),
        })
    }

    /// The caller's own name gets a record, or a new one. `before` is the mark that has to be there.
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
        })
    }

    /// A name whose holder is gone becomes the caller's, without any record of the holder.
    pub(crate) fn take_over(allowed: &Allowed, live: &Live, _: &Vacant) -> Option<Self> {
        let Task::Set(record, record_type) = allowed.task() else {
            return None;
        };
        let mark = allowed.mark_after(None)?;
        let mut changes = emptied(live, Some(*record_type));
        changes.push(change(Action::Create, mark_set(allowed, &mark)));
        changes.push(change(Action::Upsert, record.clone()));
        Some(Self {
            changes,
            mark: Some(mark),
        })
    }

    /// Nothing of the caller's own name is left.
    pub(crate) fn release(live: &Live, _: &Allowed) -> Self {
        Self {
            changes: emptied(live, None),
            mark: None,
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
        let dropped = live.sets.iter().filter(|set| set.is_of(record_type));
        changes.extend(dropped.map(|set| change(Action::Delete, set.clone())));
        Some(Self {
            changes,
            mark: Some(mark),
        })
    }
}

fn change(action: Action, set: RecordSet) -> Change {
    Change { action, set }
}

fn mark_set(allowed: &Allowed, mark: &Owner) -> RecordSet {
    let name = owner_name(allowed.name());
    RecordSet::one(name, RecordType::Txt.word(), owner::TTL_SECS, mark.quoted())
}

/// Removes a name's mark and whatever the updater made there, but for records that are written over.
fn emptied(live: &Live, but: Option<RecordType>) -> Vec<Change> {
    let mark = match &live.mark {
        Mark::Of { set, .. } => Some(set),
        Mark::None | Mark::Unknown => None,
    };
    let kept = |set: &&RecordSet| set.is_ours() && !but.is_some_and(|kept| set.is_of(kept));
    mark.into_iter()
        .chain(live.sets.iter().filter(kept))
        .map(|set| change(Action::Delete, set.clone()))
        .collect()
}
