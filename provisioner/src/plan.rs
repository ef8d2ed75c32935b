//! Planning: a pure function of what is wanted, what is live, and when.
//!
//! [`converge`] and [`destroy`] ask each kind what it would do, link the steps by the references in
//! their arguments, apply the rules that references cannot express, and report why things are not
//! happening. Nothing here reads, writes, sleeps or prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::condition::{Condition, STALE, Since, later};
use crate::desired::Desired;
use crate::ds::judgement::{Keys, Trust, judge};
use crate::ds::keys::whose;
use crate::graph;
use crate::kind::{self, Op, delegation, journal_group};
use crate::policy::{Policy, Statement};
use crate::rotation;
use crate::safety;
use crate::snapshot::{Delegated, Snapshot, holder_words};
use crate::strays;
use crate::teardown;

mod outside;

pub use outside::tells_of_delegation;
use outside::{dangling, outside};

/// The name of a step: the resource and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId {
    /// The resource.
    pub addr: Addr,
    /// What is done, such as `create`.
    pub name: &'static str,
}

impl StepId {
    /// The name of a step.
    pub fn new(addr: &Addr, name: &'static str) -> Self {
        Self {
            addr: addr.clone(),
            name,
        }
    }
}

/// The name of the step that does the same to one more object: `revoke`, `revoke-2`, and so on.
///
/// As many as others made, so that no plan leaves one of theirs to the next. Names live as long as the
/// process, and each is made once.
pub fn numbered(base: &'static str, index: usize) -> &'static str {
    static MADE: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if index == 0 {
        return base;
    }
    let name = format!("{base}-{}", index + 1);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = made.get(name.as_str()) {
        return name;
    }
    let name = &*Box::leak(name.into_boxed_str());
    made.insert(name);
    name
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.addr, self.name)
    }
}

/// How much a change can hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Nobody notices.
    Safe,
    /// Some requests may fail for moments.
    Brief,
    /// Names may stop resolving if an assumption is wrong.
    Outage,
    /// It cannot be undone.
    Irreversible,
}

impl Risk {
    /// The words shown.
    pub fn words(self) -> &'static str {
        match self {
            Risk::Safe => "safe",
            Risk::Brief => "brief interruption",
            Risk::Outage => "outage risk",
            Risk::Irreversible => "irreversible",
        }
    }
}

/// One AWS mutation, with all it needs to be started.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// The mutation.
    pub op: Op,
    /// Steps that must have been answered.
    pub needs: BTreeSet<StepId>,
    /// Steps that must have been answered and settled (their own conditions met).
    pub settled: BTreeSet<StepId>,
    /// Facts that must hold before it starts.
    pub ready_when: Vec<Condition>,
    /// Facts that show it is done.
    pub done_when: Vec<Condition>,
}

/// What a kind asks for; [`link`] makes it a [`Step`].
#[derive(Debug, Clone)]
pub struct Draft {
    /// What is done, such as `create`.
    pub name: &'static str,
    /// The mutation.
    pub op: Op,
    /// Steps to wait for, if the plan has them.
    pub after: Vec<After>,
    /// Facts that must hold before it starts.
    pub ready_when: Vec<Condition>,
    /// Facts that show it is done.
    pub done_when: Vec<Condition>,
}

/// An order between steps that no reference expresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The step must have been answered.
    Answered(StepId),
    /// The step must have settled.
    Settled(StepId),
    /// Every step of the resource must have settled.
    AllOf(Addr),
}

impl Draft {
    /// A mutation without further conditions.
    pub fn new(name: &'static str, op: Op) -> Self {
        Self {
            name,
            op,
            after: Vec::new(),
            ready_when: Vec::new(),
            done_when: Vec::new(),
        }
    }

    /// Adds an order.
    #[must_use]
    pub fn after(mut self, after: After) -> Self {
        self.after.push(after);
        self
    }

    /// Adds a precondition.
    #[must_use]
    pub fn ready(mut self, condition: Condition) -> Self {
        self.ready_when.push(condition);
        self
    }

    /// Adds a postcondition.
    #[must_use]
    pub fn done(mut self, condition: Condition) -> Self {
        self.done_when.push(condition);
        self
    }
}

/// What happens to a resource as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// `+`
    Create,
    /// `~`
    Update,
    /// `-`
    Destroy,
    /// `=`
    Adopt,
}

impl Symbol {
    /// The sign shown.
    pub fn sign(self) -> &'static str {
        match self {
            Symbol::Create => "+",
            Symbol::Update => "~",
            Symbol::Destroy => "-",
            Symbol::Adopt => "=",
        }
    }
}

/// One attribute before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Attribute name, such as `tags.spore:stack`.
    pub name: String,
    /// Live value.
    pub before: Option<String>,
    /// Value after the change.
    pub after: Option<String>,
}

impl Field {
    /// An attribute that appears.
    pub fn new(name: impl Into<String>, after: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            before: None,
            after: Some(after.into()),
        }
    }

    /// An attribute that changes.
    pub fn change(
        name: impl Into<String>,
        before: impl Into<String>,
        after: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            before: Some(before.into()),
            after: Some(after.into()),
        }
    }

    /// An attribute that stays, shown because it matters.
    pub fn same(name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = value.into();
        Self::change(name, value.clone(), value)
    }

    /// An attribute that disappears.
    pub fn gone(name: impl Into<String>, before: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            before: Some(before.into()),
            after: None,
        }
    }
}

/// What a plan does to one resource, for people.
#[derive(Debug, Clone)]
pub struct Change {
    /// The resource.
    pub addr: Addr,
    /// Create, update, destroy or adopt.
    pub symbol: Symbol,
    /// Attributes before and after.
    pub fields: Vec<Field>,
    /// Why.
    pub why: String,
    /// How much it can hurt.
    pub risk: Risk,
}

/// Who gains or loses which right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightChange {
    /// The resource whose policy says so.
    pub addr: Addr,
    /// Whether the right is given or taken.
    pub gained: bool,
    /// One line.
    pub sentence: String,
}

/// Why something is not happening, or what else is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// As the document wants it.
    UpToDate(Addr),
    /// A resource could not be read, or something foreign stands in its place.
    Blocked {
        /// The resource.
        addr: Addr,
        /// Why.
        why: String,
    },
    /// Held back because another resource is blocked, or has to be cured first.
    HeldBack {
        /// The resource.
        addr: Addr,
        /// The other one.
        by: Addr,
    },
    /// It needs somebody outside first; nothing of ours is wrong.
    External {
        /// The resource.
        addr: Addr,
        /// Whose people must act.
        who: String,
        /// What they see and have to do.
        what: String,
    },
    /// Something foreign that the document accepts; never touched.
    Accepted {
        /// The resource it is on.
        addr: Addr,
        /// What it is.
        what: String,
        /// Why it is accepted, in the document's words.
        reason: String,
    },
    /// A step of ours has to wait for what no time can be told of.
    Waiting {
        /// The resource.
        addr: Addr,
        /// For what, and what to do.
        what: String,
        /// What becomes meanwhile of what comes after it.
        others: Others,
    },
    /// Worth knowing in every plan.
    Warning {
        /// The resource.
        addr: Addr,
        /// What is not as it should be.
        what: String,
    },
    /// Something that lasts, as it should, and what ends it.
    UnderWay {
        /// The resource.
        addr: Addr,
        /// What lasts, and until when.
        what: String,
    },
    /// Left in place on purpose.
    Left {
        /// What is left.
        what: String,
        /// Why.
        why: String,
    },
    /// Another run holds the lock and shows signs of life; apply waits for it.
    AtWork {
        /// Who holds it.
        holder: String,
        /// Its last sign of life.
        beat: Timestamp,
    },
    /// An interrupted run left its lock behind; apply takes it over and removes it.
    LeftoverLock {
        /// Who held it.
        holder: String,
        /// Its last sign of life.
        beat: Timestamp,
    },
}

/// What becomes of the steps that come after a resource which has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They build on nothing that is waited for.
    GoOn,
    /// They wait as well.
    HeldBack,
}

/// What one policy gives that another did not, and takes.
pub fn rights_between(addr: &Addr, wanted: &Policy, live: Option<&Policy>) -> Vec<RightChange> {
    let none = BTreeSet::new();
    let before = live.map_or(&none, |policy| &policy.statements);
    let right = |gained| {
        move |statement: &Statement| RightChange {
            addr: addr.clone(),
            gained,
            sentence: statement.sentence(),
        }
    };
    let lost = before.difference(&wanted.statements).map(right(false));
    let gained = wanted.statements.difference(before).map(right(true));
    lost.chain(gained).collect()
}

/// What a kind answers when it is asked to plan.
#[derive(Debug, Clone, Default)]
pub struct Lowered {
    /// Its change, if there is one.
    pub change: Option<Change>,
    /// Its steps.
    pub drafts: Vec<Draft>,
    /// Rights given or taken by its policies.
    pub rights: Vec<RightChange>,
    /// What it reports instead.
    pub report: Vec<Report>,
    /// What somebody outside has to do.
    pub notices: Vec<String>,
    /// Values it brings already, because it lives.
    pub known: Outputs,
}

/// A plan: reviewed data that leaves no choices.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The zone's name.
    pub domain: String,
    /// The account it is for.
    pub account: String,
    /// When the snapshot behind it was taken.
    pub made_at: Timestamp,
    /// Converge or destroy.
    pub goal: Goal,
    /// Steps in a valid order.
    pub steps: Vec<Step>,
    /// The same by resource, for people.
    pub changes: Vec<Change>,
    /// Rights given or taken.
    pub rights: Vec<RightChange>,
    /// Why things are not happening.
    pub report: Vec<Report>,
    /// What somebody outside has to do next.
    pub notices: Vec<String>,
    /// Rules that forbid carrying the plan out.
    pub refusals: Vec<safety::Refusal>,
    /// Values that live resources bring.
    pub known: BTreeMap<Addr, Outputs>,
    /// What it was built on: attributes of each resource, by address.
    pub built_on: BTreeMap<Addr, BTreeMap<String, String>>,
}

/// What is wanted of the stack as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Live AWS as the document says.
    Converge,
    /// Nothing left.
    Destroy(DestroyOptions),
    /// The zone no longer signed, its keys gone.
    Unsign,
    /// Another key-signing key in place of the present one.
    Rotate,
    /// The present key-signing key kept, the one that was to follow it gone.
    AbortRotation,
    /// What exists under our names and is no stack's made this stack's.
    Adopt,
}

impl Goal {
    /// Whether the stack stays, so that its journal takes the history of the run.
    pub fn keeps_stack(&self) -> bool {
        !matches!(self, Goal::Destroy(_))
    }
}

/// Choices of `destroy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestroyOptions {
    /// Also delete records that are not ours (they are written to a zone file first).
    pub include_records: bool,
    /// Also delete the log groups with what they hold.
    pub delete_logs: bool,
}

/// Plans the way from live to desired.
pub fn converge(desired: &Desired, snapshot: &Snapshot) -> Plan {
    let mut lowered: Vec<(Addr, Lowered)> = desired
        .addrs()
        .into_iter()
        .map(|addr| {
            let lowered = kind::converge(&addr, desired, snapshot);
            (addr, lowered)
        })
        .collect();
    let unwanted = kind::unwanted(desired, snapshot).into_iter();
    lowered.extend(unwanted.map(|(addr, there)| {
        if let Err(why) = there {
            let lowered = kind::unknown(&addr, &why);
            return (addr, lowered);
        }
        let mut lowered = kind::destroy(&addr, desired, snapshot, &Goal::Converge);
        if let Some(change) = &mut lowered.change
            && change.symbol == Symbol::Destroy
            && addr.kind() != Kind::MetricFilter
        {
            change.why = "it is the stack's, and the document does not want it".into();
        }
        (addr, lowered)
    }));
    link(desired, snapshot, Goal::Converge, lowered)
}

/// Plans the way from live to nothing.
pub fn destroy(desired: &Desired, snapshot: &Snapshot, options: &DestroyOptions) -> Plan {
    let goal = Goal::Destroy(options.clone());
    let lowered = desired
        .all_addrs()
        .into_iter()
        .chain(
            kind::unwanted(desired, snapshot)
                .into_iter()
                .map(|(addr, _)| addr),
        )
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|addr| {
            let lowered = kind::destroy(&addr, desired, snapshot, &goal);
            (addr, lowered)
        })
        .collect();
    let mut lowered = ds_first(desired, snapshot, lowered);
    teardown::note(desired, snapshot, &mut lowered);
    link(desired, snapshot, goal, lowered)
}

/// Where the parent zone vouches for the zone and we can write it, that goes first, and alone; of
/// everything else only what stands against it is told.
fn ds_first(
    desired: &Desired,
    snapshot: &Snapshot,
    mut lowered: Vec<(Addr, Lowered)>,
) -> Vec<(Addr, Lowered)> {
    let Some(first) = delegation::ds_first(desired, snapshot) else {
        return lowered;
    };
    let own = desired.addr(Kind::Delegation);
    for (addr, lowered) in &mut lowered {
        *lowered = Lowered {
            report: std::mem::take(&mut lowered.report)
                .into_iter()
                .filter(|report| *addr != own && matches!(report, Report::Blocked { .. }))
                .collect(),
            known: std::mem::take(&mut lowered.known),
            ..Lowered::default()
        };
    }
    lowered.extend(first);
    lowered
}

/// A parent server's DS set because of which validators refuse the zone, some or all, and which of them.
/// Without a key-signing key there is nothing to compare with.
fn wrong_ds(
    desired: &Desired,
    snapshot: &Snapshot,
    answers: &[&Delegated],
) -> Option<(String, &'static str)> {
    let keys = Keys::of(desired, snapshot);
    keys.all().next()?;
    answers.iter().find_map(|answer| {
        let judgement = judge(&desired.domain, &keys, &answer.records());
        let whose = match judgement.trust {
            Trust::Bogus => "validating resolvers take",
            Trust::Disputed => "validating resolvers that heed only the strongest digest type take",
            Trust::Secure
            | Trust::Weak
            | Trust::None
            | Trust::Unusable
            | Trust::Failing
            | Trust::Untold => return None,
        };
        let useless = judgement.records_that(|fit| !fit.leads());
        let useless: Vec<String> = useless.iter().map(ToString::to_string).collect();
        Some((useless.join("; "), whose))
    })
}

/// Keys of a zone that is not signed and is not to be: a document that changed its mind before signing was on.
fn keys_to_spare(desired: &Desired, snapshot: &Snapshot) -> Option<Report> {
    if desired.dnssec || is_signed(snapshot) {
        return None;
    }
    let dnssec = snapshot.dnssec.present();
    let keys = dnssec.map(|dnssec| &dnssec.keys[..]).unwrap_or_default();
    let ours = keys
        .iter()
        .filter(|key| whose(desired, snapshot, key).is_ours());
    let ksks = ours.map(|key| format!("key-signing key {}", key.name));
    let kms = snapshot.kms_key.present();
    let kms = kms.filter(|key| {
        !key.arn.is_empty() && key.state != "PendingDeletion" && desired.owns(&key.tags)
    });
    let what: Vec<String> = ksks
        .chain(kms.map(|key| format!("KMS key {}", key.arn)))
        .collect();
    (!what.is_empty()).then(|| Report::Left {
        what: what.join(" and "),
        why: "the document does not want the zone signed, and it is not; `spore-infra dnssec disable` takes down \
              what was made for that"
            .into(),
    })
}

fn is_signed(snapshot: &Snapshot) -> bool {
    let dnssec = snapshot.dnssec.present();
    dnssec.is_some_and(|dnssec| dnssec.signing != "NOT_SIGNING")
}

/// Plans the way from a signed zone to an unsigned one, for a document that wants that.
pub fn unsign(desired: &Desired, snapshot: &Snapshot) -> Plan {
    let mut lowered: Vec<(Addr, Lowered)> = [Kind::ZoneSigning, Kind::Ksk, Kind::KmsKey]
        .map(|kind| desired.addr(kind))
        .into_iter()
        .map(|addr| {
            let lowered = kind::destroy(&addr, desired, snapshot, &Goal::Unsign);
            (addr, lowered)
        })
        .collect();
    let zone = desired.addr(Kind::HostedZone);
    lowered.push((zone, kind::hosted_zone::as_it_is(desired, snapshot)));
    let journal = desired.addr(Kind::JournalGroup);
    let mut forget = kind::journal_group::forget_ds_gone(desired, snapshot);
    // What this very run writes down is out of date when it has ended.
    let writes_evidence = lowered.iter().any(|(_, lowered)| {
        let mut drafts = lowered.drafts.iter();
        drafts.any(|draft| matches!(draft.op, Op::JournalGroup(_)))
    });
    if !writes_evidence
        && snapshot.journal_group.present().is_none_or(|journal| {
            journal
                .evidence(kind::journal_group::EVIDENCE_DS_GONE)
                .is_none()
        })
    {
        forget.clear();
    }
    let after = [Kind::ZoneSigning, Kind::Ksk, Kind::KmsKey].map(|kind| desired.addr(kind));
    for draft in &mut forget {
        draft.after.extend(after.iter().cloned().map(After::AllOf));
    }
    lowered.push((
        journal,
        Lowered {
            drafts: forget,
            ..Lowered::default()
        },
    ));
    let lowered = ds_first(desired, snapshot, lowered);
    link(desired, snapshot, Goal::Unsign, lowered)
}

/// Plans the next steps of a rotation, or its beginning.
pub fn rotate(desired: &Desired, snapshot: &Snapshot) -> Plan {
    let lowered = rotation::rotate(desired, snapshot);
    link(desired, snapshot, Goal::Rotate, lowered)
}

/// Plans the way back from a rotation that has not changed what the parent vouches for.
pub fn abort_rotation(desired: &Desired, snapshot: &Snapshot) -> Plan {
    let lowered = rotation::abort(desired, snapshot);
    link(desired, snapshot, Goal::AbortRotation, lowered)
}

/// Plans the taking over of what exists under the stack's names and is no stack's.
pub fn adopt(desired: &Desired, snapshot: &Snapshot) -> Plan {
    let lowered = adoption::adopt(desired, snapshot);
    link(desired, snapshot, Goal::Adopt, lowered)
}

/// Turns what the kinds ask for into one ordered plan.
pub(crate) fn link(
    desired: &Desired,
    snapshot: &Snapshot,
    goal: Goal,
    lowered: Vec<(Addr, Lowered)>,
) -> Plan {
    let mut plan = Plan {
        domain: desired.domain.clone(),
        account: desired.account.clone(),
        made_at: snapshot.taken_at,
        goal,
        steps: Vec::new(),
        changes: Vec::new(),
        rights: Vec::new(),
        report: Vec::new(),
        notices: Vec::new(),
        refusals: Vec::new(),
        known: BTreeMap::new(),
        built_on: kind::attributes(desired, snapshot),
    };
    let mut drafts = Vec::new();
    for (addr, lowered) in lowered {
        plan.changes.extend(lowered.change);
        plan.rights.extend(lowered.rights);
        plan.report.extend(lowered.report);
        plan.notices.extend(lowered.notices);
        plan.known
            .entry(addr.clone())
            .or_default()
            .extend(lowered.known);
        drafts.extend(
            lowered
                .drafts
                .into_iter()
                .map(|draft| (addr.clone(), draft)),
        );
    }
    hold_back(&mut plan, &mut drafts);
    journal_order(&plan.goal, &mut drafts);
    if !plan.goal.keeps_stack() {
        teardown_order(desired, &mut drafts);
    }
    let steps = resolve_edges(&plan.known, drafts);
    plan.steps = graph::order(steps);
    if let Some(lock) = snapshot.lock.as_ref().filter(|lock| !lock.own) {
        let (holder, beat) = (holder_words(&lock.holder), lock.beat);
        let is_left = lock.is_abandoned || snapshot.taken_at >= later(beat, STALE);
        plan.report.push(if is_left {
            Report::LeftoverLock { holder, beat }
        } else {
            Report::AtWork { holder, beat }
        });
    }
    plan.notices.extend(match plan.goal {
        Goal::Converge => outside(desired, snapshot),
        Goal::Destroy(_) => dangling(desired, snapshot),
        Goal::Unsign | Goal::Rotate | Goal::AbortRotation | Goal::Adopt => None,
    });
    if matches!(plan.goal, Goal::Converge | Goal::Destroy(_)) {
        plan.report.extend(strays::report(desired, snapshot));
    }
    if plan.goal == Goal::Converge {
        plan.report.extend(keys_to_spare(desired, snapshot));
    }
    plan.refusals = safety::review(desired, snapshot, &plan);
    plan
}

/// Takes out the steps of blocked resources and of everything that refers to them.
fn hold_back(plan: &mut Plan, drafts: &mut Vec<(Addr, Draft)>) {
    let mut blocked: BTreeMap<Addr, Addr> = plan
        .report
        .iter()
        .filter_map(Report::holds)
        .map(|addr| (addr.clone(), addr.clone()))
        .collect();
    if blocked.is_empty() {
        return;
    }
    loop {
        let next = drafts.iter().find_map(|(addr, draft)| {
            let mut refs = draft.op.refs().into_iter().map(|(addr, _)| addr);
            let by = refs
                .find_map(|target| blocked.get(&target).cloned())
                .or_else(|| {
                    draft.after.iter().find_map(|after| match after {
                        After::Answered(step) | After::Settled(step) => {
                            blocked.get(&step.addr).cloned()
                        }
                        After::AllOf(target) => blocked.get(target).cloned(),
                    })
                });
            by.filter(|_| !blocked.contains_key(addr))
                .map(|by| (addr.clone(), by))
        });
        let Some((addr, by)) = next else { break };
        plan.report.push(Report::HeldBack {
            addr: addr.clone(),
            by: by.clone(),
        });
        blocked.insert(addr, by);
    }
    drafts.retain(|(addr, _)| !blocked.contains_key(addr));
    plan.changes
        .retain(|change| !blocked.contains_key(&change.addr));
    plan.rights
        .retain(|right| !blocked.contains_key(&right.addr));
}

/// The journal group is made before everything else and removed after everything else: whoever
/// continues an interrupted run finds what it has to know.
fn journal_order(goal: &Goal, drafts: &mut [(Addr, Draft)]) {
    let Some(journal) = drafts
        .iter()
        .map(|(addr, _)| addr.clone())
        .find(|a| a.kind() == Kind::JournalGroup)
    else {
        return;
    };
    let others: BTreeSet<Addr> = drafts
        .iter()
        .map(|(addr, _)| addr.clone())
        .filter(|addr| *addr != journal)
        .collect();
    let noted = || After::Answered(StepId::new(&journal, teardown::NOTE));
    for (addr, draft) in drafts {
        match goal {
            Goal::Converge if *addr != journal => {
                draft
                    .after
                    .push(After::Answered(StepId::new(&journal, "create")));
            }
            Goal::Destroy(_) if *addr == journal && draft.name == "delete" => {
                draft.after.extend(others.iter().cloned().map(After::AllOf));
                draft.after.push(noted());
            }
            Goal::Destroy(_) if *addr != journal => draft.after.push(noted()),
            Goal::Converge
            | Goal::Destroy(_)
            | Goal::Unsign
            | Goal::Rotate
            | Goal::AbortRotation
            | Goal::Adopt => {}
        }
    }
}

/// The updater stops first, so that nobody writes records into a zone that is being taken down; what
/// watches goes last, so that a teardown that stops half way is still watched.
fn teardown_order(desired: &Desired, drafts: &mut [(Addr, Draft)]) {
    let doors = [Kind::RestApi, Kind::Function].map(|kind| desired.addr(kind));
    let zone = desired.addr(Kind::HostedZone);
    for (addr, draft) in drafts {
        match addr.kind() {
            Kind::RestApi | Kind::JournalGroup => {}
            // The API refers to the function.
            Kind::Function => draft.after.push(After::AllOf(doors[0].clone())),
            Kind::Alarm | Kind::MetricFilter | Kind::LogGroup | Kind::LogsKey => {
                draft.after.push(After::AllOf(zone.clone()));
                draft.after.extend(doors.iter().cloned().map(After::AllOf));
            }
            Kind::HostedZone
            | Kind::KmsKey
            | Kind::Ksk
            | Kind::ZoneSigning
            | Kind::Delegation
            | Kind::LogsPolicy
            | Kind::QueryLogging
            | Kind::Role
            | Kind::ApiAccount => draft.after.extend(doors.iter().cloned().map(After::AllOf)),
        }
    }
}

/// Makes edges of references and orders. A reference to a value that lives already is no edge.
fn resolve_edges(known: &BTreeMap<Addr, Outputs>, drafts: Vec<(Addr, Draft)>) -> Vec<Step> {
    let ids: BTreeSet<StepId> = drafts
        .iter()
        .map(|(addr, draft)| StepId::new(addr, draft.name))
        .collect();
    let mut producers: BTreeMap<(Addr, Output), StepId> = BTreeMap::new();
    for (addr, draft) in &drafts {
        for output in draft.op.brings() {
            producers.insert((addr.clone(), *output), StepId::new(addr, draft.name));
        }
    }
    drafts
        .into_iter()
        .map(|(addr, draft)| {
            let mut needs = BTreeSet::new();
            let mut settled = BTreeSet::new();
            for (target, output) in draft.op.refs() {
                let lives = known
                    .get(&target)
                    .is_some_and(|known| known.contains_key(&output));
                if !lives {
                    let producer = producers.get(&(target.clone(), output)).unwrap_or_else(|| {
                        panic!("invariant: a step brings {target}.{}", output.word())
                    });
                    needs.insert(producer.clone());
                }
            }
            for after in draft.after {
                match after {
                    After::Answered(step) => needs.extend(ids.get(&step).cloned()),
                    After::Settled(step) => settled.extend(ids.get(&step).cloned()),
                    After::AllOf(target) => {
                        settled.extend(ids.iter().filter(|id| id.addr == target).cloned());
                    }
                }
            }
            Step {
                id: StepId::new(&addr, draft.name),
                op: draft.op,
                needs,
                settled,
                ready_when: draft.ready_when,
                done_when: draft.done_when,
            }
        })
        .collect()
}

impl Report {
    /// The resource that it says is blocked, and why.
    fn blocks(&self) -> Option<(&Addr, &str)> {
        let Report::Blocked { addr, why } = self else {
            return None;
        };
        Some((addr, why))
    }

    /// The resource whose steps, and what comes after them, must not start.
    fn holds(&self) -> Option<&Addr> {
        match self {
            Report::Blocked { addr, .. }
            | Report::Waiting {
                addr,
                others: Others::HeldBack,
                ..
            } => Some(addr),
            Report::Waiting {
                others: Others::GoOn,
                ..
            }
            | Report::UpToDate(_)
            | Report::HeldBack { .. }
            | Report::External { .. }
            | Report::Accepted { .. }
            | Report::Warning { .. }
            | Report::UnderWay { .. }
            | Report::Left { .. }
            | Report::AtWork { .. }
            | Report::LeftoverLock { .. } => None,
        }
    }
}

impl Plan {
    /// What the reports of one sort say.
    fn pick<'a, T>(&'a self, of: impl FnMut(&'a Report) -> Option<T>) -> impl Iterator<Item = T> {
        self.report.iter().filter_map(of)
    }

    /// Whether applying it would do nothing at all. Who has nothing to adopt leaves a lock of others to the
    /// next apply.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && (self.goal == Goal::Adopt || self.leftover_lock().is_none())
    }

    /// Why parts of it cannot be done, if any.
    pub fn blocked(&self) -> Vec<(&Addr, &str)> {
        self.pick(Report::blocks).collect()
    }

    /// Which steps of ours have to wait, and for what.
    pub fn waits(&self) -> Vec<(&Addr, &str)> {
        self.pick(|report| {
            let Report::Waiting { addr, what, .. } = report else {
                return None;
            };
            Some((addr, what.as_str()))
        })
        .collect()
    }

    /// Whether it writes down at once what DNS shows now, or drops what that contradicts: waits count from it, so
    /// that nobody may change DNS before.
    pub fn takes_note(&self) -> bool {
        let is_counted_from = |op: &Op| {
            let Op::JournalGroup(op) = op else {
                return false;
            };
            let mut keys = op.keys().into_iter();
            keys.any(journal_group::is_counted_from)
        };
        self.steps.iter().any(|step| {
            let is_due =
                step.needs.is_empty() && step.settled.is_empty() && step.ready_when.is_empty();
            is_due && is_counted_from(&step.op)
        })
    }

    /// When the first of its steps may start, which, and for what it waits; none where one may start at once.
    pub fn waits_until(&self, now: Timestamp) -> Option<(Timestamp, String)> {
        let mut waiting = BTreeSet::new();
        let mut first: Option<(Timestamp, String)> = None;
        for step in &self.steps {
            let hold_downs = step
                .ready_when
                .iter()
                .filter_map(|condition| match condition {
                    Condition::HoldDown {
                        since: Since::At(since),
                        lasts,
                        source,
                    } => Some((later(*since, *lasts), source)),
                    Condition::HoldDown { .. }
                    | Condition::ChangeInSync
                    | Condition::FunctionReady { .. }
                    | Condition::Served(_)
                    | Condition::ListsSettled { .. } => None,
                });
            let last = hold_downs.max().filter(|(until, _)| *until > now);
            let mut before = step.needs.iter().chain(&step.settled);
            if last.is_none() && !before.any(|id| waiting.contains(id)) {
                return None;
            }
            waiting.insert(&step.id);
            if let Some((until, why)) = last
                && first.as_ref().is_none_or(|(first, _)| until < *first)
            {
                first = Some((until, format!("{}: {why}", step.id)));
            }
        }
        first
    }

    /// The lock an interrupted run left, if any.
    pub fn leftover_lock(&self) -> Option<&str> {
        self.pick(|report| {
            let Report::LeftoverLock { holder, .. } = report else {
                return None;
            };
            Some(holder.as_str())
        })
        .next()
    }

    /// What is left in place on purpose, and why.
    pub fn left(&self) -> Vec<(&str, &str)> {
        self.pick(|report| {
            let Report::Left { what, why } = report else {
                return None;
            };
            Some((what.as_str(), why.as_str()))
        })
        .collect()
    }

    /// Who outside has to act, and how.
    pub fn external(&self) -> Vec<(&str, &str)> {
        self.pick(|report| {
            let Report::External { who, what, .. } = report else {
                return None;
            };
            Some((who.as_str(), what.as_str()))
        })
        .collect()
    }

    /// Whether resources wait for somebody outside.
    pub fn waits_for_others(&self) -> bool {
        !self.external().is_empty()
    }

    /// How many objects are adopted.
    pub fn adopted(&self) -> usize {
        let adopted = |change: &&Change| change.symbol == Symbol::Adopt;
        self.changes.iter().filter(adopted).count()
    }

    /// How many resources are added, changed and destroyed.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |symbol| {
            self.changes
                .iter()
                .filter(|change| change.symbol == symbol)
                .count()
        };
        (
            count(Symbol::Create),
            count(Symbol::Update),
            count(Symbol::Destroy),
        )
    }

    /// Digest of each step: what it does and on what it depends, without times and live values.
    pub fn step_digests(&self) -> BTreeMap<String, String> {
        self.steps
            .iter()
            .map(|step| (step.id.to_string(), step.digest()))
            .collect()
    }

    /// Digest of the whole plan, 64 hex digits.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(format!("{} {} {:?}", self.domain, self.account, self.goal));
        for (id, digest) in self.step_digests() {
            hash.update(format!("\n{id} {digest}"));
        }
        hex(&hash.finalize())
    }
}

impl Step {
    fn digest(&self) -> String {
        let ready: Vec<String> = self.ready_when.iter().filter_map(rule).collect();
        let done: Vec<String> = self.done_when.iter().filter_map(rule).collect();
        let text = format!("{:?} {ready:?} {done:?}", self.op);
        hex(&Sha256::digest(text))
    }
}

/// What of a condition was approved: the rule, without the times it counts from. Waiting for lists
/// after an interrupted run is no rule of the plan; it only makes the same step come later.
fn rule(condition: &Condition) -> Option<String> {
    match condition {
        Condition::ChangeInSync => Some("in-sync".to_owned()),
        Condition::FunctionReady { name } => Some(format!("ready {name}")),
        Condition::Served(served) => Some(format!("served {:?}", served.shows)),
        Condition::HoldDown { lasts, .. } => Some(format!("hold-down {}", lasts.as_secs())),
        Condition::ListsSettled { .. } => None,
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A duration as people say it: `45 s`, `10 min`, `2 d 3 h`.
pub fn span(duration: Duration) -> String {
    let secs = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = secs;
    let mut parts = Vec::new();
    for (size, word) in units {
        if rest >= size {
            parts.push(format!("{} {word}", rest / size));
            rest %= size;
        }
    }
    parts.truncate(2);
    if parts.is_empty() {
        "0 s".to_owned()
    } else {
        parts.join(" ")
    }
}

/// A reference to a value of a resource, known or not yet.
pub fn of(addr: &Addr, output: Output) -> Arg {
    Arg::Of(addr.clone(), output)
}

#[cfg(test)]
mod tests;
