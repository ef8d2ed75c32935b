//! Carries out what is allowed: reads what is at the name where that is not known, changes it, and when
//! Route 53 says that something was otherwise than expected, looks once and decides once more.
//!
//! Calls of Route 53: a renewal with the right `owner` is one; everything else is one list and one change;
//! what has to be repaired is two of each at most.

use crate::allowed::{Allowed, Context, Task, about_holder};
use crate::answer::Code;
use crate::batch::Batch;
use crate::name::owner_name;
use crate::owner::Owner;
use crate::ownership::{Vacant, Verdict, judge, taken};
use crate::ports::{Failure, Ports};
use crate::refusal::{Refusal, ask};
use crate::survey::{Room, Survey};
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
    /// Whose the name was before, if it was somebody else's.
    pub former: Option<Owner>,
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

/// Makes it so.
///
/// # Errors
/// Why it is not so.
pub async fn update<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
) -> Result<Done, Refusal> {
    let first = match (allowed.task(), allowed.sent()) {
        (Task::Set(..), Some(sent)) => renew(context, allowed, sent).await,
        (Task::Set(..), None) => {
            let mut survey = Survey::below(allowed.parent());
            read(context, &mut survey).await?;
            match survey.at(allowed.name()) {
                Some(live) => settle(context, allowed, &live, Some(survey)).await,
                None => {
                    settle(
                        context,
                        allowed,
                        &look(context, allowed).await?,
                        Some(survey),
                    )
                    .await
                }
            }
        }
        (Task::Remove(_), _) => {
            let live = look(context, allowed).await?;
            settle(context, allowed, &live, None).await
        }
    };
    let second = match first {
        Err(Stopped::Conflict) => {
            let live = look(context, allowed).await?;
            settle(context, allowed, &live, None).await
        }
        Ok(_) | Err(Stopped::Refused(_)) => first,
    };
    second.map_err(|stopped| match stopped {
        Stopped::Refused(refusal) => refusal,
        Stopped::Conflict => Refusal::failed(context.config, ROUTE_53, Failure::Conflict),
    })
}

const ROUTE_53: &str = "Route 53";

/// Without looking: the mark that the caller sent has to be there.
async fn renew<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    sent: &Owner,
) -> Result<Done, Stopped> {
    match Batch::renew(allowed, sent, None) {
        Some(batch) => change(context, batch, None).await,
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
) -> Result<Done, Stopped> {
    match judge(context.config, allowed, live) {
        Verdict::Done(owner) => Ok(Done {
            change_id: None,
            owner,
            former: None,
        }),
        Verdict::Refused(refusal) => Err(refusal.into()),
        Verdict::Change(batch) => change(context, batch, None).await,
        Verdict::Free => claim(context, allowed, survey).await,
        Verdict::Held(owner) => match allowed.task() {
            Task::Set(..) => take_over(context, allowed, live, owner).await,
            Task::Remove(_) => Err(taken(context.config, allowed, owner, false).into()),
        },
    }
}

async fn claim<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    survey: Option<Survey>,
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
    let batch = match survey.room(config, context.ports.now()) {
        Room::Yes => Batch::claim(allowed, None),
        Room::InPlaceOf(live, vacant) => Batch::claim(allowed, Some((&live, &vacant))),
        Room::No => {
            let text = format!(
                "the account has {} names, its `quota`; DELETE one that is not needed",
                config.quota
            );
            return Err(Refusal::not_allowed(config, &text).into());
        }
    };
    match batch {
        Some(batch) => change(context, batch, None).await,
        None => Err(unwritable(context).into()),
    }
}

async fn take_over<P: Ports>(
    context: &Context<'_, P>,
    allowed: &Allowed,
    live: &Live,
    owner: &Owner,
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
    match Batch::take_over(allowed, live, &vacant) {
        Some(batch) => change(context, batch, Some(owner)).await,
        None => Err(unwritable(context).into()),
    }
}

async fn change<P: Ports>(
    context: &Context<'_, P>,
    batch: Batch,
    former: Option<&Owner>,
) -> Result<Done, Stopped> {
    let call = || context.ports.change(&batch);
    match context.budget.persist(context.ports, call).await {
        Ok(id) => Ok(Done {
            change_id: Some(id),
            owner: batch.mark().cloned(),
            former: former.cloned(),
        }),
        Err(Failure::Conflict) => Err(Stopped::Conflict),
        Err(failure) => Err(Refusal::failed(context.config, ROUTE_53, failure).into()),
    }
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

/// A mark that cannot be written. The clock would have to be in another millennium.
fn unwritable<P>(context: &Context<'_, P>) -> Refusal {
    let text = format!("no owner mark can be written{}", ask(context.config));
    Refusal::new(Code::Unavailable, text)
}
