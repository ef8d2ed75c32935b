//! Carries out what is allowed: reads what is at the name where that is not known, changes it, and when
//! Route 53 says that something was otherwise than expected, looks once and decides once more.
//!
//! Calls of Route 53, each tried again while it is busy: a renewal with the right `owner` is one change,
//! everything else one look and one change. After a change that does not fit what is there, a second look
//! and a second change; after a second such, a look that says why. A look is one list, or two where records
//! that were made by hand stand between a name and its mark; that of a claim is a survey of the account's
//! names, three lists at most, and after a first conflict comes beside the look at the name. A change is
//! two where the stack document was narrowed (see `Batch::parts`).

use crate::allowed::{Allowed, Context, Task, about_holder};
use crate::answer::Code;
use crate::batch::Batch;
use crate::name::owner_name;
use crate::owner::{Owner, Principal};
use crate::ownership::{Vacant, Verdict, judge, taken};
use crate::ports::{Failure, Ports};
use crate::refusal::{Refusal, ask};
use crate::survey::{Room, SETS_MAX, Survey};
use crate::zone::{Live, Mark, PAGE_SETS_MAX, Page, Start};

/// Records asked for when one name is looked at: it has four at most, and names below it, made by hand,
/// may come before its mark.
const NAME_SETS: usize = 20;

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Route 53's id of the change; none when everything was as asked.
    pub change_id: Option<String>,
    /// The mark that is at the name now, if the caller holds it.
    pub owner: Option<Owner>,
}

/// What a request did, or may have done: whatever it is answered in the end, the log is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    change_id: Option<String>,
    made: Losses,
    /// By changes that had no answer and that no look has explained since.
    open: Losses,
    is_open: bool,
    /// Whether one of those is the part that only takes from a holder who is gone ([`Batch::parts`]).
    is_clearance: bool,
}

/// Who lost something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Losses {
    /// Whose the name was, if it is taken over.
    former: Option<Principal>,
    /// The name that makes place in the account's quota, and whose it was.
    evicted: Option<(String, Principal)>,
}

impl Losses {
    fn or(self, other: Self) -> Self {
        Self {
            former: self.former.or(other.former),
            evicted: self.evicted.or(other.evicted),
        }
    }
}

impl Effects {
    /// Route 53's id of the last change that was made for certain.
    pub fn change_id(&self) -> Option<&str> {
        self.change_id.as_deref()
    }

    /// Whose the name was, if it was taken over, or may have been.
    pub fn former(&self) -> Option<&Principal> {
        self.open.former.as_ref().or(self.made.former.as_ref())
    }

    /// The name that made place in the account's quota, or may have, and whose it was.
    pub fn evicted(&self) -> Option<&(String, Principal)> {
        self.open.evicted.as_ref().or(self.made.evicted.as_ref())
    }

    fn made(&mut self, id: &str, lost: &Losses) {
        self.change_id = Some(id.to_owned());
        self.made = lost.clone().or(std::mem::take(&mut self.made));
    }

    fn unanswered(&mut self, part: &Batch, lost: &Losses) {
        self.is_open = true;
        self.is_clearance |= part.is_clearance();
        self.open = lost.clone().or(std::mem::take(&mut self.open));
    }

    /// A look explains what had no answer. Done can be by such a change; anything else shows that it was
    /// not made. But of a clearance only the holder's mark shows that, which is there still: a name that is
    /// free may be so by it, and a look at one name says nothing about another that made place.
    fn looked(&mut self, verdict: &Verdict<'_>) {
        let open = std::mem::take(&mut self.open);
        let is_holder_there = match verdict {
            Verdict::Done(_) => {
                self.made = open.or(std::mem::take(&mut self.made));
                self.is_open = false;
                return;
            }
            Verdict::Held(owner) => open.former.as_ref() == Some(&owner.principal),
            Verdict::Free | Verdict::Change(_) | Verdict::Refused(_) => false,
        };
        match self.is_clearance && !is_holder_there {
            true => self.open = open,
            false => (self.is_open, self.is_clearance) = (false, false),
        }
    }
}

/// Why something was not done.
enum Stopped {
    /// The zone was otherwise than the batch expected. With `evicts`, the name that should make place for
    /// another may have been.
    Conflict {
        evicts: bool,
    },
    Refused(Refusal),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Makes it so. `effects` says afterwards what was changed, or may have been, whatever it came to.
///
/// # Errors
/// Why it is not so, or why nobody knows whether it is.
pub async fn update<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    effects: &mut Effects,
) -> Result<Done, Refusal> {
    let outcome = tries(context, allowed, effects).await;
    outcome.map_err(|refusal| match effects.is_open {
        true => refusal.after_a_lost_answer(),
        false => refusal,
    })
}

async fn tries<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    effects: &mut Effects,
) -> Result<Done, Refusal> {
    match first(context, allowed, effects).await {
        Ok(done) => return Ok(done),
        Err(Stopped::Refused(refusal)) => return Err(refusal),
        Err(Stopped::Conflict { .. }) => {}
    }
    let live = look(context, allowed).await?;
    match settle(context, allowed, &live, None, effects).await {
        Ok(done) => Ok(done),
        Err(Stopped::Refused(refusal)) => Err(refusal),
        Err(Stopped::Conflict { evicts }) => last(context, allowed, &live, evicts, effects).await,
    }
}

async fn first<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    effects: &mut Effects,
) -> Result<Done, Stopped> {
    match (allowed.task(), allowed.sent()) {
        (Task::Set(..), Some(sent)) => renew(context, allowed, sent, effects).await,
        (Task::Set(..), None) => {
            let mut survey = Survey::below(allowed.parent());
            read(context, &mut survey).await?;
            let live = match survey.at(allowed.name()) {
                Some(live) => live,
                None => look(context, allowed).await?,
            };
            settle(context, allowed, &live, Some(survey), effects).await
        }
        (Task::Remove(_), _) => {
            let live = look(context, allowed).await?;
            settle(context, allowed, &live, None, effects).await
        }
    }
}

/// Nothing is tried a third time: a look at the name says what to tell.
async fn last<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    before: &Live,
    evicts: bool,
    effects: &mut Effects,
) -> Result<Done, Refusal> {
    let live = look(context, allowed).await?;
    let verdict = judge(context.config, allowed, &live);
    effects.looked(&verdict);
    if let Verdict::Done(owner) = verdict {
        return Ok(Done {
            change_id: None,
            owner,
        });
    }
    // What a name that should make place met is its own affair, and passes.
    if live == *before && !evicts {
        return Err(stuck(context, allowed));
    }
    Err(Refusal::failed(context.config, ROUTE_53, Failure::Conflict))
}

const ROUTE_53: &str = "Route 53";

/// Without looking: the mark that the caller sent has to be there.
async fn renew<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    sent: &Owner,
    effects: &mut Effects,
) -> Result<Done, Stopped> {
    match Batch::renew(allowed, sent, None) {
        Some(batch) => change(context, batch, Losses::default(), effects).await,
        // Older than what it says is there: perhaps an answer was lost, which a look tells.
        None => Err(Stopped::Conflict { evicts: false }),
    }
}

/// Decides by what is at the name, and does it.
async fn settle<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    live: &Live,
    survey: Option<Survey>,
    effects: &mut Effects,
) -> Result<Done, Stopped> {
    let verdict = judge(context.config, allowed, live);
    effects.looked(&verdict);
    match verdict {
        Verdict::Done(owner) => Ok(Done {
            change_id: None,
            owner,
        }),
        Verdict::Refused(refusal) => Err(refusal.into()),
        Verdict::Change(batch) => change(context, batch, Losses::default(), effects).await,
        Verdict::Free => claim(context, allowed, survey, effects).await,
        Verdict::Held(owner) => match allowed.task() {
            Task::Set(..) => take_over(context, allowed, live, owner, effects).await,
            Task::Remove(_) => Err(taken(context.config, allowed, owner, false).into()),
        },
    }
}

async fn claim<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    survey: Option<Survey>,
    effects: &mut Effects,
) -> Result<Done, Stopped> {
    let config = context.config;
    let survey = match survey {
        Some(survey) => survey,
        None => {
            let mut survey = Survey::below(allowed.parent());
            read(context, &mut survey).await?;
            survey
        }
    };
    let (batch, lost) = match survey.room(config, context.ports.now()) {
        Room::Yes => (Batch::claim(allowed, None), Losses::default()),
        Room::InPlaceOf(expired) => {
            let lost = Losses {
                evicted: Some((expired.name.clone(), expired.owner.principal.clone())),
                ..Losses::default()
            };
            (Batch::claim(allowed, Some(&expired)), lost)
        }
        Room::Unknown => {
            let text = format!(
                "there are more than {SETS_MAX} records below {}, so the account's names cannot be \
                 counted and none can be added{}",
                allowed.parent(),
                ask(config)
            );
            return Err(Refusal::new(Code::Unavailable, text).into());
        }
        Room::No => {
            let text = format!(
                "the account has {} names, its `quota`; DELETE one that is not needed",
                config.quota
            );
            return Err(Refusal::not_allowed(config, &text).into());
        }
    };
    match batch {
        Some(batch) => change(context, batch, lost, effects).await,
        None => Err(unwritable(context).into()),
    }
}

async fn take_over<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    live: &Live,
    owner: &Owner,
    effects: &mut Effects,
) -> Result<Done, Stopped> {
    let config = context.config;
    let now = context.ports.now();
    let question = about_holder(config, &owner.principal);
    let vacant = match (Vacant::by_lease(config, owner, now), &question) {
        (Some(vacant), _) => Some(vacant),
        (None, None) => None,
        (None, Some(question)) => {
            let call = || context.ports.describe(question);
            // An answer that did not come says nothing: the name stays its holder's.
            match context.budget.persist(context.ports, call).await {
                Ok(answer) => Vacant::by_absence(owner, answer.as_ref(), now),
                Err(_) => None,
            }
        }
    };
    let Some(vacant) = vacant else {
        return Err(taken(config, allowed, owner, question.is_some()).into());
    };
    if let Some(foreign) = live.foreign() {
        let text = format!(
            "{} has {} records that were made by hand beside those of its former holder{}",
            allowed.name(),
            foreign.kind,
            ask(config)
        );
        return Err(Refusal::new(Code::NameTaken, text).into());
    }
    let lost = Losses {
        former: Some(owner.principal.clone()),
        ..Losses::default()
    };
    match Batch::take_over(allowed, live, &vacant) {
        Some(batch) => change(context, batch, lost, effects).await,
        None => Err(unwritable(context).into()),
    }
}

/// Sends a batch. `lost` is what somebody loses by it, in the first part if there are two.
async fn change<P: Ports>(
    context: &Context<'_, P>,
    batch: Batch,
    lost: Losses,
    effects: &mut Effects,
) -> Result<Done, Stopped> {
    let mut done = Done {
        change_id: None,
        owner: batch.mark().cloned(),
    };
    for part in batch.parts(context.config) {
        let call = || context.ports.change(&part);
        let missed = match context.budget.persist_change(context.ports, call).await {
            Ok(id) => {
                effects.made(&id, &lost);
                done.change_id = Some(id);
                continue;
            }
            Err(missed) => missed,
        };
        if missed.may_be_done {
            effects.unanswered(&part, &lost);
        }
        if missed.failure == Failure::Conflict {
            // Perhaps by an earlier try of the same whose answer was lost: the next look tells.
            let evicts = lost.evicted.is_some();
            return Err(Stopped::Conflict { evicts });
        }
        return Err(Refusal::failed(context.config, ROUTE_53, missed.failure).into());
    }
    Ok(done)
}

/// What is at the name.
async fn look<P: Ports>(context: &Context<'_, P>, allowed: &Allowed) -> Result<Live, Refusal> {
    let name = allowed.name();
    let Page { mut sets, next } = list(context, &Start::at(name), NAME_SETS).await?;
    let below = format!(".{name}");
    let is_cut = next.is_some_and(|next| next.name == name || next.name.ends_with(&below));
    if is_cut && Live::at(name, &sets).mark == Mark::None {
        sets.extend(
            list(context, &Start::at(&owner_name(name)), NAME_SETS)
                .await?
                .sets,
        );
    }
    Ok(Live::at(name, &sets))
}

/// All that is below the account's label, as far as it is read at all.
async fn read<P: Ports>(context: &Context<'_, P>, survey: &mut Survey) -> Result<(), Refusal> {
    while let Some(start) = survey.next().cloned() {
        survey.add(list(context, &start, PAGE_SETS_MAX).await?);
    }
    Ok(())
}

async fn list<P: Ports>(
    context: &Context<'_, P>,
    start: &Start,
    limit: usize,
) -> Result<Page, Refusal> {
    let call = || context.ports.list(start, limit);
    let listed = context.budget.persist(context.ports, call).await;
    listed.map_err(|failure| Refusal::failed(context.config, ROUTE_53, failure))
}

/// Route 53 refuses twice what fits the name, and nothing there has changed between. The text of its
/// refusal would tell, and is not read: AWS's texts are not made to be.
fn stuck<P>(context: &Context<'_, P>, allowed: &Allowed) -> Refusal {
    let text = format!(
        "Route 53 refuses the change of {}, and not because somebody else changed it: the zone may have \
         as many records as it can (10,000 unless AWS raised it), or records made by hand are in the way{}",
        allowed.name(),
        ask(context.config)
    );
    Refusal::new(Code::Unavailable, text)
}

/// A mark that cannot be written. The clock would have to be in another millennium.
fn unwritable<P>(context: &Context<'_, P>) -> Refusal {
    let text = format!("no owner mark can be written{}", ask(context.config));
    Refusal::new(Code::Unavailable, text)
}
