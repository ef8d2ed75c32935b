//! What becomes of a group's lines besides being kept: who is handed each one, and whether parts of them are
//! hidden.
//!
//! A subscription filter hands every line to a stream, a function or another account: that is a right, and
//! nobody has it. CloudWatch Logs shows them group by group only (DescribeSubscriptionFilters). A data
//! protection policy hides parts of lines from readers and metric filters, so that alarms count less and the
//! journal says less than was written; the list of groups shows whether there is one. A policy of the whole
//! account is not the stack's to end. AWS: DeleteSubscriptionFilter, DeleteDataProtectionPolicy.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::{DataProtectionStatus, LogGroup};

use super::{Op, Place};
use crate::addr::Addr;
use crate::aws::{Answer as _, Clients};
use crate::desired::Desired;
use crate::plan::{Draft, Field, Lowered, Report, RightChange};
use crate::retry::Failure;
use crate::stack::AcceptedKind;

/// What a group's lines go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Subscription filters by name; none where they were not to be read, and else why they could not be.
    pub subscriptions: Subscriptions,
    /// Whether a data protection policy of the group itself is in force.
    pub is_protected: bool,
}

/// What reading the subscription filters gave.
pub type Subscriptions = Result<Option<BTreeMap<String, Subscription>>, String>;

impl Default for Lines {
    fn default() -> Self {
        Self {
            subscriptions: Ok(None),
            is_protected: false,
        }
    }
}

/// One subscription filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// ARN of who gets the lines.
    pub destination: String,
    /// Which lines; empty for all.
    pub pattern: String,
}

impl Subscription {
    fn shown(&self) -> String {
        match self.pattern.as_str() {
            "" => format!("every line to {}", self.destination),
            pattern => format!("lines like {pattern} to {}", self.destination),
        }
    }
}

/// Step names of removals: a group has two subscription filters at most (PutSubscriptionFilter).
const UNSUBSCRIBE: [&str; 2] = ["unsubscribe", "unsubscribe-2"];

impl Lines {
    /// What the list of groups shows.
    pub fn of(listed: &LogGroup) -> Self {
        Self {
            subscriptions: Ok(None),
            is_protected: listed.data_protection_status() == Some(&DataProtectionStatus::Activated),
        }
    }

    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes: BTreeMap<String, String> = self
            .subscriptions
            .iter()
            .flatten()
            .flatten()
            .map(|(name, filter)| (format!("subscription.{name}"), filter.shown()))
            .collect();
        if self.is_protected {
            attributes.insert("data-protection".into(), "activated".into());
        }
        attributes
    }
}

/// Takes back what nobody accepted.
pub(in crate::kind) fn take_back(
    addr: &Addr,
    desired: &Desired,
    place: &Place,
    lines: &Lines,
    fields: &mut Vec<Field>,
    lowered: &mut Lowered,
) {
    let accepted = |what: String, reason: &str| Report::Accepted {
        addr: addr.clone(),
        what,
        reason: reason.to_owned(),
    };
    if let Err(why) = &lines.subscriptions {
        lowered.report.push(Report::Blocked {
            addr: addr.clone(),
            why: format!("who is handed its lines cannot be read: {why}"),
        });
    }
    let filters = lines.subscriptions.iter().flatten().flatten();
    for ((name, filter), step) in filters.zip(UNSUBSCRIBE) {
        if let Some(reason) = desired.accepted(AcceptedKind::SubscriptionFilter, name) {
            let what = format!("subscription filter {name}: {}", filter.shown());
            lowered.report.push(accepted(what, reason));
            continue;
        }
        fields.push(Field::gone(format!("subscription.{name}"), filter.shown()));
        lowered.rights.push(RightChange {
            addr: addr.clone(),
            gained: false,
            sentence: format!("{} of {}", filter.shown(), place.name),
        });
        let op = Op::Unsubscribe {
            place: place.clone(),
            filter: name.clone(),
        };
        lowered
            .drafts
            .push(Draft::new(step, crate::kind::Op::LogGroup(op)));
    }
    if !lines.is_protected {
        return;
    }
    if let Some(reason) = desired.accepted(AcceptedKind::DataProtection, &place.name) {
        let what = format!("data protection policy of {}", place.name);
        lowered.report.push(accepted(what, reason));
        return;
    }
    fields.push(Field::gone("data-protection", "activated"));
    let op = Op::ShowAll {
        place: place.clone(),
    };
    lowered
        .drafts
        .push(Draft::new("show-all", crate::kind::Op::LogGroup(op)));
}

/// Reads the subscription filters of a group, if they are wanted; of a group that is not there, none.
pub(in crate::kind) async fn subscriptions(
    read: &Clients,
    place: &Place,
    is_wanted: bool,
) -> Subscriptions {
    match is_wanted {
        true => read_all(read, place)
            .await
            .map(Some)
            .map_err(|failure| failure.to_string()),
        false => Ok(None),
    }
}

async fn read_all(
    read: &Clients,
    place: &Place,
) -> Result<BTreeMap<String, Subscription>, Failure> {
    let mut pages = place
        .client(read)
        .describe_subscription_filters()
        .log_group_name(&place.name)
        .into_paginator()
        .send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let Some(page) = page.unless_gone("logs:DescribeSubscriptionFilters")? else {
            break;
        };
        for filter in page.subscription_filters() {
            let subscription = Subscription {
                destination: filter.destination_arn().unwrap_or_default().to_owned(),
                pattern: filter.filter_pattern().unwrap_or_default().to_owned(),
            };
            let name = filter.filter_name().unwrap_or_default().to_owned();
            found.insert(name, subscription);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::kind::log_group::{self, UPDATER};

    fn taken(more: &str, lines: &Lines) -> (Vec<String>, usize, Lowered) {
        let desired = fixture::of(more);
        let addr = log_group::addr(UPDATER);
        let place = Place::of(&desired, &addr);
        let (mut fields, mut lowered) = (Vec::new(), Lowered::default());
        take_back(&addr, &desired, &place, lines, &mut fields, &mut lowered);
        let names = fields.into_iter().map(|field| field.name).collect();
        (names, lowered.drafts.len(), lowered)
    }

    #[test]
    fn whoever_is_handed_lines_or_hides_them_is_named_and_ended_unless_accepted() {
        let theirs = Subscription {
            destination: "arn:aws:logs:us-east-1:999999999999:destination:theirs".into(),
            pattern: String::new(),
        };
        let lines = Lines {
            subscriptions: Ok(Some(BTreeMap::from([
                ("one".to_owned(), theirs.clone()),
                ("two".to_owned(), theirs),
            ]))),
            is_protected: true,
        };
        let (names, drafts, lowered) = taken("", &lines);
        assert_eq!(
            names,
            ["subscription.one", "subscription.two", "data-protection"]
        );
        assert_eq!((drafts, lowered.rights.len()), (3, 2));
        assert!(lowered.rights.iter().all(|right| !right.gained));
        let accepting = "[[accepted]]\nkind = \"subscription-filter\"\nname = \"one\"\nreason = \"theirs\"\n\
             [[accepted]]\nkind = \"data-protection\"\nname = \"/spore-infra/spore.example.edu/updater\"\n\
             reason = \"theirs\"\n";
        let (names, drafts, lowered) = taken(accepting, &lines);
        assert_eq!(names, ["subscription.two"]);
        assert_eq!((drafts, lowered.report.len()), (1, 2));
        assert_eq!(taken("", &Lines::default()).1, 0);
        let unread = Lines {
            subscriptions: Err("denied".into()),
            is_protected: false,
        };
        let report = taken("", &unread).2.report;
        assert!(matches!(report[..], [Report::Blocked { .. }]), "{report:?}");
    }
}
