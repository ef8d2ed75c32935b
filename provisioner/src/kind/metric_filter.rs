//! Metric filters: what turns lines of the stack's logs into numbers that alarms watch.
//!
//! Natural key: log group and filter name. The stack's groups are its own: a filter somebody else put
//! on them is removed unless the document accepts it, and one that was changed counts something else
//! than its alarm believes. AWS: PutMetricFilter (an upsert), DeleteMetricFilter,
//! DescribeMetricFilters. Filters have no tags.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::{MetricTransformation, StandardUnit};

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, unusable};
use crate::desired::Desired;
use crate::kind::log_group::{self, API, JOURNAL, Listed, Place, QUERIES, UPDATER};
use crate::kind::{Limit, Look, journal_group, rest_api};
use crate::plan::{After, Change, Draft, Lowered, Report, Risk, StepId, Symbol};
use crate::retry::Failure;
use crate::snapshot::{Observation, Snapshot};
use crate::stack::AcceptedKind;

/// Requests whose proof or address did not hold.
pub const VALIDATION_FAILURES: &str = "ValidationFailures";
/// Requests that were refused or failed, by audit code.
pub const FAILURES: &str = "Failures";
/// Requests that changed a record.
pub const UPDATES: &str = "Updates";
/// Requests the API answered 429.
pub const THROTTLED: &str = "Throttled";

/// A filter, wanted or as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// Its pattern.
    pub pattern: String,
    /// Its metrics.
    pub metrics: Vec<Metric>,
}

/// One metric that a filter makes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metric {
    /// Metric name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Value for each line, a number or a selector.
    pub value: String,
    /// Value where no line matches.
    pub default: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// Dimensions: name and selector.
    pub dimensions: BTreeMap<String, String>,
}

impl Live {
    /// Attributes by name, for plans and plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::from([("pattern".to_owned(), self.pattern.clone())]);
        for (index, metric) in self.metrics.iter().enumerate() {
            let name = |what: &str| match index {
                0 => format!("metric.{what}"),
                _ => format!("metric-{}.{what}", index + 1),
            };
            attributes.insert(name("name"), metric.name.clone());
            attributes.insert(name("namespace"), metric.namespace.clone());
            attributes.insert(name("value"), metric.value.clone());
            attributes.insert(name("unit"), metric.unit.clone());
            if let Some(default) = metric.default {
                attributes.insert(name("default"), default.to_string());
            }
            for (dimension, selector) in &metric.dimensions {
                attributes.insert(name(&format!("dimensions.{dimension}")), selector.clone());
            }
        }
        attributes
    }
}

fn addr(group: &str, filter: &str) -> Addr {
    Addr::new(Kind::MetricFilter, &format!("{group}/{filter}"))
}

/// The filters the document wants.
fn wanted(desired: &Desired) -> BTreeMap<Addr, Live> {
    let metric = |name: &str, default, dimensions: &[(&str, &str)]| Metric {
        name: name.to_owned(),
        namespace: desired.metric_namespace(),
        value: "1".to_owned(),
        unit: StandardUnit::Count.as_str().to_owned(),
        default,
        dimensions: dimensions
            .iter()
            .map(|(name, selector)| ((*name).to_owned(), (*selector).to_owned()))
            .collect(),
    };
    let filter = |pattern: &str, metric| Live {
        pattern: pattern.to_owned(),
        metrics: vec![metric],
    };
    let mut wanted = BTreeMap::from([
        (
            addr(UPDATER, "validation-failures"),
            filter(
                r#"{ ($.code = "proof_invalid") || ($.code = "not_allowed") }"#,
                metric(VALIDATION_FAILURES, Some(0.0), &[]),
            ),
        ),
        (
            // A metric with dimensions has no default value (PutMetricFilter).
            addr(UPDATER, "failures"),
            filter(
                r#"{ $.code != "ok" }"#,
                metric(FAILURES, None, &[("code", "$.code")]),
            ),
        ),
        (
            addr(API, "throttled"),
            filter(
                &rest_api::access_log_filter(429),
                metric(THROTTLED, Some(0.0), &[]),
            ),
        ),
    ]);
    if desired.stack.alarms.expect_updates.is_some() {
        wanted.insert(
            addr(UPDATER, "updates"),
            filter(r#"{ $.code = "ok" }"#, metric(UPDATES, Some(0.0), &[])),
        );
    }
    wanted
}

/// Addresses of those the document wants.
pub fn addrs(desired: &Desired) -> Vec<Addr> {
    wanted(desired).into_keys().collect()
}

/// Names of log group (as the stack calls it) and filter.
fn names(addr: &Addr) -> (&str, &str) {
    addr.name()
        .split_once('/')
        .unwrap_or((UPDATER, addr.name()))
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let wanted = wanted(desired).remove(addr).unwrap_or_default();
    let (symbol, before) = match snapshot.metric_filters.get(addr) {
        Some(Observation::Unreadable(why) | Observation::Foreign(why, _)) => {
            return super::blocked(addr, why);
        }
        Some(Observation::Present(live)) if *live == wanted => {
            return super::up_to_date(addr, Outputs::new());
        }
        Some(Observation::Present(live)) => (Symbol::Update, live.attributes()),
        None | Some(Observation::Absent) => (Symbol::Create, BTreeMap::new()),
    };
    let (group, filter) = names(addr);
    let op = Op::Put {
        place: Place::named(desired, group),
        filter: filter.to_owned(),
        content: wanted.clone(),
    };
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol,
            fields: super::differences(&before, &wanted.attributes()),
            why: "alarms count what it lets through".into(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            Draft::new("put", super::Op::MetricFilter(op)).after(After::Answered(StepId::new(
                &log_group::addr(group),
                "create",
            ))),
        ],
        ..Lowered::default()
    }
}

/// What it needs to be gone; in a plan that keeps the stack, a filter that is not wanted.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot, is_teardown: bool) -> Lowered {
    let live = match snapshot.metric_filters.get(addr) {
        None | Some(Observation::Absent | Observation::Foreign(_, _)) => return Lowered::default(),
        Some(Observation::Unreadable(why)) => return super::blocked(addr, why),
        Some(Observation::Present(live)) => live,
    };
    let (group, filter) = names(addr);
    let group_seen = snapshot.log_groups.get(&log_group::addr(group));
    if let Some((why, _)) = group_seen.and_then(Observation::foreign) {
        return Lowered {
            report: vec![Report::Left {
                what: format!("metric filter {filter}"),
                why: why.to_owned(),
            }],
            ..Lowered::default()
        };
    }
    if !is_teardown && let Some(reason) = desired.accepted(AcceptedKind::MetricFilter, filter) {
        return Lowered {
            report: vec![Report::Accepted {
                addr: addr.clone(),
                what: format!("metric filter {filter}"),
                reason: reason.to_owned(),
            }],
            ..Lowered::default()
        };
    }
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Destroy,
            fields: super::differences(&live.attributes(), &BTreeMap::new()),
            why: "the stack's log groups have the stack's filters only".into(),
            risk: Risk::Safe,
        }),
        drafts: vec![Draft::new(
            "delete",
            super::Op::MetricFilter(Op::Delete {
                place: Place::named(desired, group),
                filter: filter.to_owned(),
            }),
        )],
        ..Lowered::default()
    }
}

/// Mutations of a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// PutMetricFilter.
    Put {
        /// Log group.
        place: Place,
        /// Filter name.
        filter: String,
        /// What it is to be.
        content: Live,
    },
    /// DeleteMetricFilter.
    Delete {
        /// Log group.
        place: Place,
        /// Filter name.
        filter: String,
    },
}

impl Eq for Op {}

impl Op {
    pub(super) fn map(&self, _: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        self.clone()
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Put { .. } => "logs:PutMetricFilter",
            Op::Delete { .. } => "logs:DeleteMetricFilter",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Put { .. } => "putting",
            Op::Delete { .. } => "deleting",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::Logs
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(self, Op::Delete { .. })
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Reads every filter of the stack's groups, whoever made it.
pub async fn observe(read: &Clients, desired: &Desired) -> BTreeMap<Addr, Observation<Live>> {
    let (updater, api) = tokio::join!(
        of_group(read, desired, UPDATER),
        of_group(read, desired, API)
    );
    let mut seen = BTreeMap::new();
    for (group, filters) in [(UPDATER, updater), (API, api)] {
        match filters {
            Ok(filters) => seen.extend(
                filters
                    .into_iter()
                    .map(|(name, live)| (addr(group, &name), Observation::Present(live))),
            ),
            Err(failure) => seen.extend(
                addrs(desired)
                    .into_iter()
                    .filter(|addr| names(addr).0 == group)
                    .map(|addr| (addr, Observation::Unreadable(failure.to_string()))),
            ),
        }
    }
    seen
}

/// The groups of the stack that have no filter of its own, as far as the list of groups shows that they have one
/// all the same.
pub fn hinted(
    desired: &Desired,
    journal: &Observation<journal_group::Live>,
    groups: &Listed,
    query_groups: &Listed,
) -> Vec<&'static str> {
    let has_some = |listed: &Listed, name: &str| {
        let group = listed
            .as_ref()
            .ok()
            .and_then(|listed| listed.get(&log_group::group_name(desired, name)));
        group.is_some_and(|group| group.metric_filter_count().unwrap_or_default() > 0)
    };
    let journal = (journal.present().is_some() && has_some(groups, JOURNAL)).then_some(JOURNAL);
    let queries = has_some(query_groups, QUERIES).then_some(QUERIES);
    journal.into_iter().chain(queries).collect()
}

/// Reads the filters of groups that should have none.
pub async fn observe_more(
    read: &Clients,
    desired: &Desired,
    groups: Vec<&'static str>,
) -> BTreeMap<Addr, Observation<Live>> {
    let mut seen = BTreeMap::new();
    for group in groups {
        match of_group(read, desired, group).await {
            Ok(filters) => seen.extend(
                filters
                    .into_iter()
                    .map(|(name, live)| (addr(group, &name), Observation::Present(live))),
            ),
            Err(failure) => {
                let unread = Observation::Unreadable(failure.to_string());
                seen.insert(addr(group, "(some)"), unread);
            }
        }
    }
    seen
}

async fn of_group(
    read: &Clients,
    desired: &Desired,
    group: &str,
) -> Result<Vec<(String, Live)>, Failure> {
    let place = Place::named(desired, group);
    let mut pages = place
        .client(read)
        .describe_metric_filters()
        .log_group_name(place.name())
        .into_paginator()
        .send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let Some(page) = page.unless_gone("logs:DescribeMetricFilters")? else {
            return Ok(Vec::new());
        };
        for filter in page.metric_filters() {
            let metrics = filter.metric_transformations().iter().map(|metric| Metric {
                name: metric.metric_name().to_owned(),
                namespace: metric.metric_namespace().to_owned(),
                value: metric.metric_value().to_owned(),
                default: metric.default_value(),
                // CloudWatch's own default (CloudWatch Logs API, MetricTransformation).
                unit: metric
                    .unit()
                    .map_or("None", StandardUnit::as_str)
                    .to_owned(),
                dimensions: metric
                    .dimensions()
                    .into_iter()
                    .flatten()
                    .map(|(name, selector)| (name.clone(), selector.clone()))
                    .collect(),
            });
            found.push((
                filter.filter_name().unwrap_or_default().to_owned(),
                Live {
                    pattern: filter.filter_pattern().unwrap_or_default().to_owned(),
                    metrics: metrics.collect(),
                },
            ));
        }
    }
    Ok(found)
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Put {
            place,
            filter,
            content,
        } => {
            let mut call = place
                .client(write)
                .put_metric_filter()
                .log_group_name(place.name())
                .filter_name(filter)
                .filter_pattern(&content.pattern);
            for metric in &content.metrics {
                let dimensions = (!metric.dimensions.is_empty())
                    .then(|| metric.dimensions.clone().into_iter().collect());
                let transformation = MetricTransformation::builder()
                    .metric_name(&metric.name)
                    .metric_namespace(&metric.namespace)
                    .metric_value(&metric.value)
                    .set_default_value(metric.default)
                    .set_dimensions(dimensions)
                    .unit(StandardUnit::Count)
                    .build()
                    .map_err(|error| unusable(action, &error.to_string()))?;
                call = call.metric_transformations(transformation);
            }
            call.send().await.or_fail(action)?;
        }
        Op::Delete { place, filter } => {
            let call = place.client(write).delete_metric_filter();
            let call = call.log_group_name(place.name());
            call.filter_name(filter).send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn seen(filters: BTreeMap<Addr, Live>) -> Snapshot {
        let mut snapshot = fixture::empty();
        snapshot.metric_filters = filters
            .into_iter()
            .map(|(addr, live)| (addr, Observation::Present(live)))
            .collect();
        snapshot
    }

    #[test]
    fn a_changed_pattern_and_a_default_are_found_by_name() {
        let desired = fixture::desired();
        let address = addr(API, "throttled");
        let mut filters = wanted(&desired);
        if let Some(live) = filters.get_mut(&address) {
            live.pattern = "never".into();
            live.metrics[0].default = None;
        }
        let lowered = converge(&address, &desired, &seen(filters));
        let change = lowered.change.expect("a change");
        let names: Vec<&str> = change.fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["metric.default", "pattern"]);
        assert_eq!(lowered.drafts.len(), 1);
    }

    #[test]
    fn a_foreign_filter_goes_unless_it_is_accepted() {
        let foreign = addr(UPDATER, "theirs");
        let mut filters = wanted(&fixture::desired());
        filters.insert(foreign.clone(), Live::default());
        let snapshot = seen(filters);
        let lowered = destroy(&foreign, &fixture::desired(), &snapshot, false);
        assert_eq!(lowered.drafts.len(), 1);
        let accepting = fixture::of(
            "[[accepted]]\nkind = \"metric-filter\"\nname = \"theirs\"\nreason = \"theirs\"\n",
        );
        let lowered = destroy(&foreign, &accepting, &snapshot, false);
        assert!(lowered.drafts.is_empty());
        assert!(matches!(lowered.report[..], [Report::Accepted { .. }]));
    }
}
