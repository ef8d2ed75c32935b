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

/// Who lost something by a request. Noted before the change is sent, so that it is known whatever becomes
/// of the answer; empty again once it is certain that nothing was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// Whose the name was, if it is taken over.
    pub former: Option<Principal>,
    /// The name that makes place in the account's quota, and whose it was.
    pub evicted: Option<(String, Principal)>,
}

/// Why something was not done.
enum Stopped {
    /// The zone was otherwise than the batch expected.
    Conflict,
    Refused(Refusal),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Makes it so. `losses` says afterwards who lost something by it, or may have, whatever it came to.
///
/// # Errors
/// Why it is not so.
pub async fn update<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    losses: &mut Losses,
) -> Result<Done, Refusal> {
    match first(context, allowed, losses).await {
        Ok(done) => return Ok(done),
        Err(Stopped::Refused(refusal)) => return Err(refusal),
        Err(Stopped::Conflict) => {}
    }
    let live = look(context, allowed).await?;
    match settle(context, allowed, &live, None, losses).await {
        Ok(done) => Ok(done),
        Err(Stopped::Refused(refusal)) => Err(refusal),
        Err(Stopped::Conflict) => last(context, allowed, &live, losses).await,
    }
}

async fn first<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    losses: &mut Losses,
) -> Result<Done, Stopped> {
    match (allowed.task(), allowed.sent()) {
        (Task::Set(..), Some(sent)) => renew(context, allowed, sent, losses).await,
        (Task::Set(..), None) => {
            let mut survey = Survey::below(allowed.parent());
            read(context, &mut survey).await?;
            let live = match survey.at(allowed.name()) {
                Some(live) => live,
                None => look(context, allowed).await?,
            };
            settle(context, allowed, &live, Some(survey), losses).await
        }
        (Task::Remove(_), _) => {
            let live = look(context, allowed).await?;
            settle(context, allowed, &live, None, losses).await
        }
    }
}

/// Nothing is tried a third time: a look at the name says what to tell.
async fn last<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    before: &Live,
    losses: &mut Losses,
) -> Result<Done, Refusal> {
    let live = look(context, allowed).await?;
    if let Verdict::Done(owner) = judge(context.config, allowed, &live) {
        return Ok(Done {
            change_id: None,
            owner,
        });
    }
    // What a name that should make place met is its own affair, and passes.
    let is_stuck = live == *before && losses.evicted.is_none();
    *losses = Losses::default();
    if is_stuck {
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
    losses: &mut Losses,
) -> Result<Done, Stopped> {
    match Batch::renew(allowed, sent, None) {
        Some(batch) => change(context, batch, Losses::default(), losses).await,
        // Older than what it says is there: perhaps an answer was lost, which a look tells.
        None => Err(Stopped::Conflict),
    }
}

/// Decides by what is at the name, and does it.
async fn settle<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    live: &Live,
    survey: Option<Survey>,
    losses: &mut Losses,
) -> Result<Done, Stopped> {
    let verdict = judge(context.config, allowed, live);
    let is_done = matches!(verdict, Verdict::Done(_));
    // Done can be by a change whose answer was lost. Anything else shows that none of this request's was
    // made.
    if !is_done {
        *losses = Losses::default();
    }
    match verdict {
        Verdict::Done(owner) => Ok(Done {
            change_id: None,
            owner,
        }),
        Verdict::Refused(refusal) => Err(refusal.into()),
        Verdict::Change(batch) => change(context, batch, Losses::default(), losses).await,
        Verdict::Free => claim(context, allowed, survey, losses).await,
        Verdict::Held(owner) => match allowed.task() {
            Task::Set(..) => take_over(context, allowed, live, owner, losses).await,
            Task::Remove(_) => Err(taken(context.config, allowed, owner, false).into()),
        },
    }
}

async fn claim<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    survey: Option<Survey>,
    losses: &mut Losses,
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
        Some(batch) => change(context, batch, lost, losses).await,
        None => Err(unwritable(context).into()),
    }
}

async fn take_over<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    live: &Live,
    owner: &Owner,
    losses: &mut Losses,
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
        Some(batch) => change(context, batch, lost, losses).await,
        None => Err(unwritable(context).into()),
    }
}

/// Sends a batch. `lost` is what somebody loses by it.
async fn change<P: Ports>(
    context: &Context<'_, P>,
    batch: Batch,
    lost: Losses,
    losses: &mut Losses,
) -> Result<Done, Stopped> {
    *losses = lost;
    let mut done = Done {
        change_id: None,
        owner: batch.mark().cloned(),
    };
    for part in batch.parts(context.config) {
        let call = || context.ports.change(&part);
        match context.budget.persist(context.ports, call).await {
            Ok(id) => done.change_id = Some(id),
            // Perhaps by an earlier try of the same whose answer was lost: the next look tells.
            Err(Failure::Conflict) => return Err(Stopped::Conflict),
            Err(failure) => {
                let is_certain = failure != Failure::Unanswered && done.change_id.is_none();
                if is_certain {
                    *losses = Losses::default();
                }
                return Err(Refusal::failed(context.config, ROUTE_53, failure).into());
            }
        }
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
