//! Whose a name is and what that allows: from what is in the zone and who asks to what may be done. Pure.
//!
//! ```text
//!                 nothing there          own mark             somebody else's mark    anything else
//! UPSERT          claim, if the quota    renew, if the        409, or take over when  409: made by
//!                 allows                 request is newer     the holder is gone      hand
//! DELETE          done                   release, if newer    409                     409
//! ```
//!
//! One mark is for all records of a name: whoever holds it may have an A, an AAAA and a TXT record there,
//! and renewing one of them renews the name. A DELETE without `record_type` frees the name; with one it
//! removes the records of that type, and the mark goes with the last of them.
//!
//! A request that is not newer than the mark is refused, so what was sent once cannot be sent again:
//! `t` in the mark is the time that the caller signed. The very request that wrote the mark is answered
//! as done, since its answer may have been lost. The one exception is a claim that is sent again within
//! the two minutes that its proof is good for, after its own name was released: nothing in the zone
//! remembers it (and what came back so, the later requests of those minutes take away again if they are
//! sent again too). A renewal (a request with `owner`) that finds the name free is refused for that reason.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::allowed::{Allowed, Task};
use crate::answer::{Code, seconds};
use crate::batch::Batch;
use crate::config::{Config, RecordType};
use crate::owner::{Owner, Principal};
use crate::ports::{Instance, State};
use crate::refusal::{Refusal, ask};
use crate::zone::{Live, Mark, RecordSet};

/// EC2's lists may not show an instance yet that was started just now (EC2 API Reference, "Eventual
/// consistency"). An instance that has a name for longer than this and is in no list is gone.
const UNLISTED: Duration = Duration::from_secs(15 * 60);

/// What is to be done about a request, given what is at the name.
#[derive(Debug)]
pub(crate) enum Verdict<'a> {
    /// The name is free: it can be claimed, if the quota allows.
    Free,
    /// This has to be changed.
    Change(Batch),
    /// Everything is as asked. The mark that is there, if it is the caller's.
    Done(Option<Owner>),
    /// Somebody else holds the name.
    Held(&'a Owner),
    /// It cannot be.
    Refused(Refusal),
}

/// Evidence that nobody holds a name any more. Made only by [`Vacant::by_lease`] and
/// [`Vacant::by_absence`].
#[derive(Debug)]
pub(crate) struct Vacant(());

impl Vacant {
    /// The lease has ended: the owner has not renewed for that long.
    pub(crate) fn by_lease(config: &Config, owner: &Owner, now: Timestamp) -> Option<Self> {
        let until = lease_end(config, owner)?;
        (until <= now).then_some(Self(()))
    }

    /// EC2 said that the instance is terminated, or that there is none and has not been for a while.
    pub(crate) fn by_absence(
        owner: &Owner,
        answer: Option<&Instance>,
        now: Timestamp,
    ) -> Option<Self> {
        let is_gone = match answer {
            Some(instance) => instance.state == State::Terminated,
            None => marked(owner)?.checked_add(UNLISTED).ok()? <= now,
        };
        is_gone.then_some(Self(()))
    }
}

/// What may be done.
pub(crate) fn judge<'a>(config: &Config, allowed: &Allowed, live: &'a Live) -> Verdict<'a> {
    match &live.mark {
        Mark::Unknown => Verdict::Refused(by_hand(
            config,
            allowed,
            "has an owner mark that this updater cannot read",
        )),
        Mark::None => match live.sets.first() {
            None => nothing_there(allowed),
            Some(set) => Verdict::Refused(by_hand(
                config,
                allowed,
                &format!("has {} records without an owner mark", kind(set)),
            )),
        },
        Mark::Of { owner, set } if owner.principal == *allowed.principal() => {
            own(config, allowed, live, owner, set)
        }
        Mark::Of { owner, .. } => Verdict::Held(owner),
    }
}

fn nothing_there(allowed: &Allowed) -> Verdict<'static> {
    match allowed.task() {
        Task::Remove(_) => Verdict::Done(None),
        Task::Set(..) if allowed.sent().is_some() => Verdict::Refused(Refusal::new(
            Code::NameChanged,
            format!(
                "{} is free: the owner mark that was sent is no longer there; leave `owner` out to \
                 claim the name anew",
                allowed.name()
            ),
        )),
        Task::Set(..) => Verdict::Free,
    }
}

/// The name is the caller's own.
fn own<'a>(
    config: &Config,
    allowed: &Allowed,
    live: &Live,
    owner: &Owner,
    mark: &RecordSet,
) -> Verdict<'a> {
    if is_done(allowed, live, owner) {
        return Verdict::Done(Some(owner.clone()));
    }
    if let Task::Set(_, record_type) = allowed.task()
        && let Some(set) = live.in_the_way(*record_type)
    {
        let what = format!("has {} records beside its own", kind(set));
        return Verdict::Refused(by_hand(config, allowed, &what));
    }
    let batch = match allowed.task() {
        Task::Set(..) => Batch::renew(allowed, owner, Some(mark)),
        // Even what needs no new mark must be newer: an old DELETE must not free a name.
        Task::Remove(_) if allowed.mark_after(Some(owner)).is_none() => None,
        Task::Remove(only) => match only.filter(|only| has_others(live, *only)) {
            None => Some(Batch::release(live, allowed)),
            Some(only) => Batch::drop_type(allowed, live, only),
        },
    };
    match batch {
        Some(batch) => Verdict::Change(batch),
        None => Verdict::Refused(older(allowed, owner)),
    }
}

/// Whether nothing is left to do: this very request did it before, or there is nothing to remove.
fn is_done(allowed: &Allowed, live: &Live, owner: &Owner) -> bool {
    match allowed.task() {
        Task::Set(record, _) => allowed.wrote(owner) && live.sets.contains(record),
        Task::Remove(Some(only)) => {
            let is_left = |set: &RecordSet| set.is_ours() && set.is_of(*only);
            has_others(live, *only) && !live.sets.iter().any(is_left)
        }
        Task::Remove(None) => false,
    }
}

/// Whether something of the updater's is left when the records of one type are gone.
fn has_others(live: &Live, only: RecordType) -> bool {
    let others = |set: &&RecordSet| set.is_ours() && !set.is_of(only);
    live.sets.iter().any(|set| others(&set))
}

/// The name is somebody else's, and whoever it is may be there.
pub(crate) fn taken(
    config: &Config,
    allowed: &Allowed,
    owner: &Owner,
    can_be_asked: bool,
) -> Refusal {
    let until = match lease_end(config, owner) {
        Some(end) => format!(
            "when its lease ends at {} unless it is renewed",
            seconds(end)
        ),
        None => "when whoever runs it releases it".to_owned(),
    };
    let sooner = match can_be_asked {
        true => ", or when that instance is terminated",
        false => "",
    };
    let holder = holder(&owner.principal);
    let text = format!(
        "{} is held by {holder}; it becomes free {until}{sooner}{}",
        allowed.name(),
        ask(config)
    );
    Refusal::new(Code::NameTaken, text)
}

/// As people say it. All of it is in DNS for everybody to read.
fn holder(principal: &Principal) -> String {
    let account = principal.account();
    match principal.instance() {
        Some((region, id)) => format!("instance {id} in {region} of account {account}"),
        None => format!("a role of account {account}"),
    }
}

fn older(allowed: &Allowed, owner: &Owner) -> Refusal {
    let since = marked(owner).map(seconds).unwrap_or_default();
    Refusal::new(
        Code::NameChanged,
        format!(
            "{} was changed at {since}, and this request is not newer; sign it again with a later date",
            allowed.name()
        ),
    )
}

fn by_hand(config: &Config, allowed: &Allowed, what: &str) -> Refusal {
    let text = format!(
        "{} {what}; it was made by hand and is not touched{}",
        allowed.name(),
        ask(config)
    );
    Refusal::new(Code::NameTaken, text)
}

fn kind(set: &RecordSet) -> &str {
    match set.is_plain {
        true => &set.kind,
        false => "alias or weighted",
    }
}

/// When it was last proven.
fn marked(owner: &Owner) -> Option<Timestamp> {
    let zoned = owner.time.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

/// When the lease ends if it is not renewed.
pub(crate) fn lease_end(config: &Config, owner: &Owner) -> Option<Timestamp> {
    let lease = Duration::from_secs(u64::from(config.lease_secs));
    marked(owner)?.checked_add(lease).ok()
}
