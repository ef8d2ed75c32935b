//! CloudWatch alarms of the stack.
//!
//! Natural key: the name, `PREFIX/DOMAIN/what`. Alarms on Route 53's DNSSEC metrics are in us-east-1,
//! where those metrics are; all others in the stack's region. Everything that can silence an alarm is
//! compared: its actions, whether they are enabled, threshold, period, metric, and how missing data
//! counts. PutMetricAlarm is an upsert without concurrency check and sets tags only when it creates.
//! AWS: PutMetricAlarm, TagResource, DeleteAlarms, DescribeAlarms.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic, Tag};

use crate::addr::{Addr, Kind};
use crate::adoption;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, GLOBAL_REGION};
use crate::desired::{Desired, TAG_STACK};
use crate::kind::metric_filter::{THROTTLED, UPDATES, VALIDATION_FAILURES};
use crate::kind::{Limit, Look, tag_fields};
use crate::plan::{Change, Draft, Field, Lowered, Report, Risk, Symbol, of};
use crate::retry::Failure;
use crate::snapshot::{Observation, Snapshot, Stranger};
use crate::tags::Tags;

/// Route 53 publishes its DNSSEC metrics every four hours; a shorter period would see nothing most of
/// the time (Route 53 Developer Guide, "Monitoring hosted zones using Amazon CloudWatch").
const DNSSEC_PERIOD_SECS: i32 = 14_400;
/// Everything else is counted over five minutes.
const PERIOD_SECS: i32 = 300;
/// Silence is counted in hours: period times periods is at most seven days (PutMetricAlarm).
const HOUR_SECS: u64 = 3_600;

/// What an alarm says, wanted or live.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Text for whoever is woken.
    pub description: String,
    /// Whether actions are taken.
    pub actions_enabled: bool,
    /// Topics told of an alarm.
    pub alarm_actions: BTreeSet<String>,
    /// Topics told of its end.
    pub ok_actions: BTreeSet<String>,
    /// Topics told of missing data.
    pub insufficient_data_actions: BTreeSet<String>,
    /// Metric namespace.
    pub namespace: String,
    /// Metric name.
    pub metric: String,
    /// Metric dimensions.
    pub dimensions: BTreeMap<String, Arg>,
    /// Statistic.
    pub statistic: String,
    /// Comparison.
    pub comparison: String,
    /// Threshold.
    pub threshold: f64,
    /// Period in seconds.
    pub period_secs: i32,
    /// Periods looked at.
    pub evaluation_periods: i32,
    /// Of those, how many must be beyond the threshold.
    pub datapoints_to_alarm: Option<i32>,
    /// What missing data means.
    pub missing_data: String,
    /// What else it has that ours never have (metric math, percentiles, a unit).
    pub more: Option<String>,
}

/// An alarm as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// What it says.
    pub settings: Settings,
    /// Its tags.
    pub tags: Tags,
}

impl Settings {
    fn attributes(&self) -> BTreeMap<String, String> {
        let list = |actions: &BTreeSet<String>| {
            actions
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let mut attributes: BTreeMap<String, String> = [
            ("description", self.description.clone()),
            ("actions-enabled", self.actions_enabled.to_string()),
            ("alarm-actions", list(&self.alarm_actions)),
            ("ok-actions", list(&self.ok_actions)),
            (
                "insufficient-data-actions",
                list(&self.insufficient_data_actions),
            ),
            ("namespace", self.namespace.clone()),
            ("metric", self.metric.clone()),
            ("statistic", self.statistic.clone()),
            ("comparison", self.comparison.clone()),
            ("threshold", self.threshold.to_string()),
            ("period", format!("{} s", self.period_secs)),
            ("evaluation-periods", self.evaluation_periods.to_string()),
            ("missing-data", self.missing_data.clone()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if let Some(points) = self.datapoints_to_alarm {
            attributes.insert("datapoints-to-alarm".into(), points.to_string());
        }
        if let Some(more) = &self.more {
            attributes.insert("more".into(), more.clone());
        }
        for (name, value) in &self.dimensions {
            attributes.insert(format!("dimensions.{name}"), value.to_string());
        }
        attributes.retain(|_, value| !value.is_empty());
        attributes
    }
}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = self.settings.attributes();
        attributes.extend(
            self.tags
                .iter()
                .map(|(key, value)| (format!("tags.{key}"), value.clone())),
        );
        attributes
    }
}

/// Whether an alarm is on Route 53's metrics, which are in us-east-1 only.
fn is_global(addr: &Addr) -> bool {
    matches!(
        addr.name(),
        "dnssec-internal-failure" | "dnssec-keys-need-action" | "ksk-age"
    )
}

/// The alarms the document wants.
fn wanted(desired: &Desired) -> BTreeMap<Addr, Settings> {
    let thresholds = &desired.stack.alarms.thresholds;
    let namespace = desired.metric_namespace();
    let function = BTreeMap::from([(
        "FunctionName".to_owned(),
        Arg::Known(desired.function_name()),
    )]);
    let api = BTreeMap::from([
        ("ApiName".to_owned(), Arg::Known(desired.api_name())),
        (
            "Stage".to_owned(),
            Arg::Known(desired.stack.api.stage.as_str().to_owned()),
        ),
    ]);
    let zone = BTreeMap::from([(
        "HostedZoneId".to_owned(),
        of(&desired.addr(Kind::HostedZone), Output::ZoneId),
    )]);
    let mut wanted = BTreeMap::new();
    let mut add = |name: &str, meaning: &str, command: &str, settings: Settings| {
        let addr = Addr::new(Kind::Alarm, name);
        let region = if is_global(&addr) {
            GLOBAL_REGION
        } else {
            &desired.region
        };
        let actions: BTreeSet<String> = desired
            .stack
            .alarms
            .notify
            .iter()
            .map(|arn| arn.as_str().to_owned())
            .filter(|arn| arn.split(':').nth(3) == Some(region))
            .collect();
        let settings = Settings {
            description: description(desired, meaning, command),
            alarm_actions: actions.clone(),
            ok_actions: actions,
            ..settings
        };
        wanted.insert(addr, settings);
    };
    let count = |metric: &str, threshold: u32, dimensions: BTreeMap<String, Arg>| Settings {
        namespace: namespace.clone(),
        metric: metric.to_owned(),
        threshold: f64::from(threshold),
        dimensions,
        ..plain()
    };
    let of_service = |namespace: &str, settings: Settings| Settings {
        namespace: namespace.to_owned(),
        ..settings
    };
    add(
        "validation-failures",
        "requests arrive whose proof or address does not hold: a broken client, or somebody trying",
        "read the audit lines in the updater's log group",
        count(
            VALIDATION_FAILURES,
            thresholds.validation_failures,
            BTreeMap::new(),
        ),
    );
    add(
        "throttled",
        "the API refuses requests as too many (429)",
        "see who asks in the API's access log; [api] throttle in the document is the limit",
        count(THROTTLED, thresholds.throttled, BTreeMap::new()),
    );
    add(
        "api-5xx",
        "the API answers with server errors: names are not updated",
        "spore-infra plan, then the updater's log group",
        of_service("AWS/ApiGateway", count("5XXError", thresholds.api_5xx, api)),
    );
    add(
        "function-errors",
        "the updater's function fails",
        "spore-infra plan, then the updater's log group",
        of_service(
            "AWS/Lambda",
            count("Errors", thresholds.function_errors, function.clone()),
        ),
    );
    add(
        "function-throttles",
        "Lambda refuses to run the updater: its concurrency is used up",
        "spore-infra plan shows the account's concurrency",
        of_service(
            "AWS/Lambda",
            count("Throttles", thresholds.function_throttles, function),
        ),
    );
    let dnssec = |metric: &str, statistic: &str, threshold: f64| Settings {
        namespace: "AWS/Route53".into(),
        metric: metric.to_owned(),
        dimensions: zone.clone(),
        statistic: statistic.to_owned(),
        threshold,
        period_secs: DNSSEC_PERIOD_SECS,
        missing_data: "ignore".into(),
        ..plain()
    };
    if desired.dnssec {
        add(
            "dnssec-internal-failure",
            "Route 53 cannot sign the zone; validating resolvers will refuse its names when the last \
             signatures end",
            "spore-infra plan shows what to do",
            dnssec("DNSSECInternalFailure", "Sum", 1.0),
        );
        add(
            "dnssec-keys-need-action",
            "Route 53 cannot use a key-signing key (its KMS key was disabled, scheduled for deletion, or \
             its policy changed); the zone breaks within days",
            "spore-infra plan, then spore-infra apply",
            dnssec("DNSSECKeySigningKeysNeedingAction", "Sum", 1.0),
        );
        if let Some(age) = thresholds.ksk_age {
            let secs = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
            add(
                "ksk-age",
                "the key-signing key is older than the document wants",
                "spore-infra ksk rotate",
                dnssec("DNSSECKeySigningKeyAge", "Maximum", f64::from(secs)),
            );
        }
    }
    if let Some(silence) = desired.stack.alarms.expect_updates {
        let hours = silence.as_secs().div_ceil(HOUR_SECS).clamp(1, 7 * 24);
        add(
            "updater-silent",
            "no instance has updated a name for as long as the document says",
            "spore-infra plan, then the API's access log",
            Settings {
                comparison: "LessThanThreshold".into(),
                period_secs: 3_600,
                evaluation_periods: i32::try_from(hours).unwrap_or(168),
                missing_data: "breaching".into(),
                ..count(UPDATES, 1, BTreeMap::new())
            },
        );
    }
    wanted
}

/// What most alarms have in common.
fn plain() -> Settings {
    Settings {
        description: String::new(),
        actions_enabled: true,
        alarm_actions: BTreeSet::new(),
        ok_actions: BTreeSet::new(),
        insufficient_data_actions: BTreeSet::new(),
        namespace: String::new(),
        metric: String::new(),
        dimensions: BTreeMap::new(),
        statistic: "Sum".into(),
        comparison: "GreaterThanOrEqualToThreshold".into(),
        threshold: 1.0,
        period_secs: PERIOD_SECS,
        evaluation_periods: 1,
        datapoints_to_alarm: None,
        missing_data: "notBreaching".into(),
        more: None,
    }
}

fn description(desired: &Desired, meaning: &str, command: &str) -> String {
    let contacts = &desired.stack.contacts;
    let contact = contacts.owner.as_ref().or(contacts.dns.as_ref());
    let whom = contact.map_or_else(String::new, |line| format!(" Contact: {}.", line.as_str()));
    format!("{}: {meaning}. Do: {command}.{whom}", desired.domain)
}

/// Addresses of those the document wants.
pub fn addrs(desired: &Desired) -> Vec<Addr> {
    wanted(desired).into_keys().collect()
}

/// AWS's name of an alarm.
pub fn name(desired: &Desired, addr: &Addr) -> String {
    format!("{}{}", desired.alarm_prefix(), addr.name())
}

fn arn(desired: &Desired, addr: &Addr) -> String {
    let region = if is_global(addr) {
        GLOBAL_REGION
    } else {
        &desired.region
    };
    let name = name(desired, addr);
    format!(
        "arn:aws:cloudwatch:{region}:{}:alarm:{name}",
        desired.account
    )
}

/// What it needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let all = wanted(desired);
    let Some(wanted) = all.get(addr) else {
        return Lowered::default();
    };
    let put = Op::Put {
        is_global: is_global(addr),
        name: name(desired, addr),
        settings: Box::new(wanted.clone()),
        tags: desired.tags(),
    };
    let change = |symbol, fields| {
        Some(Change {
            addr: addr.clone(),
            symbol,
            fields,
            why: "what nobody watches breaks unnoticed".into(),
            risk: Risk::Safe,
        })
    };
    let mut lowered = Lowered::default();
    match snapshot.alarms.get(addr) {
        Some(Observation::Unreadable(why) | Observation::Foreign(why, _)) => {
            return super::blocked(addr, why);
        }
        None | Some(Observation::Absent) => {
            let mut fields = super::differences(&BTreeMap::new(), &wanted.attributes());
            fields.extend(tag_fields(&desired.tags(), &BTreeMap::new()));
            lowered.change = change(Symbol::Create, fields);
            lowered
                .drafts
                .push(Draft::new("put", super::Op::Alarm(put)));
        }
        Some(Observation::Present(live)) => {
            let zone = snapshot.hosted_zone.present().map(|zone| zone.id.as_str());
            let mut fields = super::differences(
                &live.settings.attributes(),
                &resolved(wanted, zone).attributes(),
            );
            if !fields.is_empty() {
                lowered
                    .drafts
                    .push(Draft::new("put", super::Op::Alarm(put)));
            }
            let tags = desired.tags_to_set(&live.tags);
            if !tags.is_empty() {
                fields.extend(tag_fields(&tags, &live.tags));
                let op = super::Op::Alarm(tag(addr, desired, tags));
                lowered.drafts.push(Draft::new("tag", op));
            }
            if fields.is_empty() {
                lowered = super::up_to_date(addr, Outputs::new());
            } else {
                lowered.change = change(Symbol::Update, fields);
            }
        }
    }
    // Said once, not for every alarm.
    if desired.stack.alarms.notify.is_empty() && all.keys().next() == Some(addr) {
        lowered.report.push(Report::Warning {
            addr: addr.clone(),
            what: "no alarm notifies anybody; name SNS topics under [alarms] notify".into(),
        });
    }
    lowered
}

/// The settings with the zone's id, where it is known.
fn resolved(settings: &Settings, zone: Option<&str>) -> Settings {
    let mut settings = settings.clone();
    for value in settings.dimensions.values_mut() {
        if let (Arg::Of(_, Output::ZoneId), Some(zone)) = (&*value, zone) {
            *value = Arg::Known(zone.to_owned());
        }
    }
    settings
}

/// The call that tags one.
pub fn tag(addr: &Addr, desired: &Desired, tags: Tags) -> Op {
    Op::Tag {
        is_global: is_global(addr),
        arn: arn(desired, addr),
        tags,
    }
}

/// What it needs to be gone.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let left = |why: &str| Lowered {
        report: vec![Report::Left {
            what: format!("alarm {}", name(desired, addr)),
            why: why.to_owned(),
        }],
        ..Lowered::default()
    };
    match snapshot.alarms.get(addr) {
        None | Some(Observation::Absent) => Lowered::default(),
        Some(Observation::Unreadable(why)) => super::blocked(addr, why),
        Some(Observation::Foreign(why, _)) => left(why),
        Some(Observation::Present(live)) => Lowered {
            change: Some(Change {
                addr: addr.clone(),
                symbol: Symbol::Destroy,
                fields: vec![
                    Field::gone("name", name(desired, addr)),
                    Field::gone("metric", &live.settings.metric),
                ],
                why: "what it watches is gone by then".into(),
                risk: Risk::Safe,
            }),
            drafts: vec![Draft::new(
                "delete",
                super::Op::Alarm(Op::Delete {
                    is_global: is_global(addr),
                    name: name(desired, addr),
                }),
            )],
            ..Lowered::default()
        },
    }
}

/// Mutations of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// PutMetricAlarm.
    Put {
        /// Whether it is in us-east-1 whatever the stack's region.
        is_global: bool,
        /// Alarm name.
        name: String,
        /// What it is to say.
        settings: Box<Settings>,
        /// Tags, set when the call creates it.
        tags: Tags,
    },
    /// TagResource.
    Tag {
        /// Whether it is in us-east-1 whatever the stack's region.
        is_global: bool,
        /// Alarm ARN.
        arn: String,
        /// Tags to set.
        tags: Tags,
    },
    /// DeleteAlarms of this one.
    Delete {
        /// Whether it is in us-east-1 whatever the stack's region.
        is_global: bool,
        /// Alarm name.
        name: String,
    },
}

impl Eq for Op {}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Put {
                is_global,
                name,
                settings,
                tags,
            } => {
                let mut settings = settings.clone();
                for value in settings.dimensions.values_mut() {
                    *value = f(value);
                }
                Op::Put {
                    is_global: *is_global,
                    name: name.clone(),
                    settings,
                    tags: tags.clone(),
                }
            }
            Op::Tag { .. } | Op::Delete { .. } => self.clone(),
        }
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        &[]
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Put { .. } => "cloudwatch:PutMetricAlarm",
            Op::Tag { .. } => "cloudwatch:TagResource",
            Op::Delete { .. } => "cloudwatch:DeleteAlarms",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Put { .. } => "putting",
            Op::Tag { .. } => "tagging",
            Op::Delete { .. } => "deleting",
        }
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::CloudWatch
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(self, Op::Delete { .. })
    }

    pub(super) fn look(&self) -> Option<Look> {
        None
    }
}

/// Alarms by name, of the stack's region and of us-east-1.
pub type Listed = Result<BTreeMap<Addr, MetricAlarm>, Failure>;

/// Lists every alarm of the stack's prefix.
pub async fn list(read: &Clients, desired: &Desired) -> Listed {
    let prefix = desired.alarm_prefix();
    if desired.region == GLOBAL_REGION {
        return list_region(&read.cloudwatch, &prefix).await;
    }
    let (mut regional, global) = tokio::try_join!(
        list_region(&read.cloudwatch, &prefix),
        list_region(&read.cloudwatch_global, &prefix)
    )?;
    // One of the name in the wrong region is not ours to see.
    regional.retain(|addr, _| !is_global(addr));
    regional.extend(global.into_iter().filter(|(addr, _)| is_global(addr)));
    Ok(regional)
}

async fn list_region(client: &Client, prefix: &str) -> Listed {
    let mut pages = client
        .describe_alarms()
        .alarm_name_prefix(prefix)
        .into_paginator()
        .send();
    let mut listed = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.or_fail("cloudwatch:DescribeAlarms")?;
        for alarm in page.metric_alarms() {
            let name = alarm.alarm_name().unwrap_or_default();
            if let Some(what) = name.strip_prefix(prefix).filter(|what| !what.is_empty()) {
                listed.insert(Addr::new(Kind::Alarm, what), alarm.clone());
            }
        }
    }
    Ok(listed)
}

/// Judges what the list and the tagging API show; tags that the latter does not show are read.
pub async fn observe(
    read: &Clients,
    desired: &Desired,
    listed: Listed,
    tagged: &BTreeMap<String, Tags>,
) -> BTreeMap<Addr, Observation<Live>> {
    let listed = match listed {
        Ok(listed) => listed,
        Err(failure) => {
            let unread = |addr| (addr, Observation::Unreadable(failure.to_string()));
            return addrs(desired).into_iter().map(unread).collect();
        }
    };
    let one = |(addr, alarm): (Addr, MetricAlarm)| async move {
        let indexed = tagged
            .get(&arn(desired, &addr))
            .filter(|tags| desired.tags_to_set(tags).is_empty());
        let tags = match indexed {
            Some(tags) => Ok(tags.clone()),
            None => read_tags(read, desired, &addr).await,
        };
        let seen = match tags {
            Err(failure) => Observation::Unreadable(failure.to_string()),
            Ok(tags) => {
                let live = Live {
                    settings: settings(&alarm),
                    tags,
                };
                judge(desired, &addr, live)
            }
        };
        (addr, seen)
    };
    futures_util::future::join_all(listed.into_iter().map(one))
        .await
        .into_iter()
        .collect()
}

/// Whose an alarm of our prefix is: it was made with the stack's tag, or it is not ours.
fn judge(desired: &Desired, addr: &Addr, live: Live) -> Observation<Live> {
    if live.tags.get(TAG_STACK) == Some(&desired.domain) {
        return Observation::Present(live);
    }
    let stranger = Stranger {
        id: arn(desired, addr),
        attributes: live.attributes(),
        tags: live.tags,
    };
    adoption::foreign(
        desired,
        &format!("alarm {}", name(desired, addr)),
        "delete it, or give the stack another prefix under [names]",
        stranger,
    )
}

fn client(clients: &Clients, is_global: bool) -> &Client {
    if is_global {
        &clients.cloudwatch_global
    } else {
        &clients.cloudwatch
    }
}

async fn read_tags(read: &Clients, desired: &Desired, addr: &Addr) -> Result<Tags, Failure> {
    let call = client(read, is_global(addr)).list_tags_for_resource();
    let call = call.resource_arn(arn(desired, addr));
    let answer = call
        .send()
        .await
        .unless_gone("cloudwatch:ListTagsForResource")?;
    let pair = |tag: &Tag| {
        Some((
            tag.key().map(str::to_owned)?,
            tag.value().map(str::to_owned)?,
        ))
    };
    let tags = answer.map(|answer| answer.tags().iter().filter_map(pair).collect());
    Ok(tags.unwrap_or_default())
}

fn settings(alarm: &MetricAlarm) -> Settings {
    let set = |list: &[String]| list.iter().cloned().collect();
    let mut more = Vec::new();
    if !alarm.metrics().is_empty() {
        more.push("metric math".to_owned());
    }
    if let Some(statistic) = alarm.extended_statistic() {
        more.push(format!("statistic {statistic}"));
    }
    if let Some(unit) = alarm.unit() {
        more.push(format!("unit {unit}"));
    }
    Settings {
        description: alarm.alarm_description().unwrap_or_default().to_owned(),
        actions_enabled: alarm.actions_enabled().unwrap_or(true),
        alarm_actions: set(alarm.alarm_actions()),
        ok_actions: set(alarm.ok_actions()),
        insufficient_data_actions: set(alarm.insufficient_data_actions()),
        namespace: alarm.namespace().unwrap_or_default().to_owned(),
        metric: alarm.metric_name().unwrap_or_default().to_owned(),
        dimensions: alarm
            .dimensions()
            .iter()
            .map(|dimension| {
                (
                    dimension.name().unwrap_or_default().to_owned(),
                    Arg::Known(dimension.value().unwrap_or_default().to_owned()),
                )
            })
            .collect(),
        statistic: alarm
            .statistic()
            .map(|statistic| statistic.as_str().to_owned())
            .unwrap_or_default(),
        comparison: alarm
            .comparison_operator()
            .map(|operator| operator.as_str().to_owned())
            .unwrap_or_default(),
        threshold: alarm.threshold().unwrap_or_default(),
        period_secs: alarm.period().unwrap_or_default(),
        evaluation_periods: alarm.evaluation_periods().unwrap_or_default(),
        datapoints_to_alarm: alarm.datapoints_to_alarm(),
        missing_data: alarm.treat_missing_data().unwrap_or("missing").to_owned(),
        more: (!more.is_empty()).then(|| more.join(", ")),
    }
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    match op {
        Op::Put {
            is_global,
            name,
            settings,
            tags,
        } => {
            let list = |set: &BTreeSet<String>| Some(set.iter().cloned().collect());
            let dimension = |(name, value): (&String, &Arg)| {
                Dimension::builder().name(name).value(value.value()).build()
            };
            let call = client(write, *is_global)
                .put_metric_alarm()
                .alarm_name(name)
                .alarm_description(&settings.description)
                .actions_enabled(settings.actions_enabled)
                .set_alarm_actions(list(&settings.alarm_actions))
                .set_ok_actions(list(&settings.ok_actions))
                .set_insufficient_data_actions(list(&settings.insufficient_data_actions))
                .namespace(&settings.namespace)
                .metric_name(&settings.metric)
                .set_dimensions(Some(settings.dimensions.iter().map(dimension).collect()))
                .statistic(Statistic::from(settings.statistic.as_str()))
                .comparison_operator(ComparisonOperator::from(settings.comparison.as_str()))
                .threshold(settings.threshold)
                .period(settings.period_secs)
                .evaluation_periods(settings.evaluation_periods)
                .set_datapoints_to_alarm(settings.datapoints_to_alarm)
                .treat_missing_data(&settings.missing_data)
                .set_tags(Some(tags.iter().map(tag).collect()));
            call.send().await.or_fail(action)?;
        }
        Op::Tag {
            is_global,
            arn,
            tags,
        } => {
            let call = client(write, *is_global).tag_resource().resource_arn(arn);
            let call = call.set_tags(Some(tags.iter().map(tag).collect()));
            call.send().await.or_fail(action)?;
        }
        Op::Delete { is_global, name } => {
            let call = client(write, *is_global).delete_alarms().alarm_names(name);
            call.send().await.or_fail(action)?;
        }
    }
    Ok(Outputs::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn live(desired: &Desired) -> Snapshot {
        let mut snapshot = fixture::applied();
        snapshot.alarms = wanted(desired)
            .into_iter()
            .map(|(addr, settings)| {
                let live = Live {
                    settings: resolved(&settings, Some(fixture::ZONE)),
                    tags: desired.tags(),
                };
                (addr, Observation::Present(live))
            })
            .collect();
        snapshot
    }

    #[test]
    fn what_silences_an_alarm_is_found_by_name() {
        let desired = fixture::desired();
        let address = Addr::new(Kind::Alarm, "dnssec-keys-need-action");
        let check = |change: fn(&mut Settings), attribute: &str| {
            let mut snapshot = live(&desired);
            if let Some(Observation::Present(live)) = snapshot.alarms.get_mut(&address) {
                change(&mut live.settings);
            }
            let lowered = converge(&address, &desired, &snapshot);
            let change = lowered.change.expect("a change");
            let names: Vec<&str> = change.fields.iter().map(|f| f.name.as_str()).collect();
            assert_eq!(names, [attribute]);
            assert_eq!(lowered.drafts.len(), 1);
        };
        check(|s| s.actions_enabled = false, "actions-enabled");
        check(|s| s.threshold = 1e9, "threshold");
        check(|s| s.missing_data = "breaching".into(), "missing-data");
        check(|s| s.period_secs = 86_400, "period");
        check(|s| s.datapoints_to_alarm = Some(1), "datapoints-to-alarm");
        check(|s| s.metric = "Other".into(), "metric");
        check(
            |s| {
                s.dimensions
                    .insert("HostedZoneId".into(), Arg::Known("ZOTHER".into()));
            },
            "dimensions.HostedZoneId",
        );
        check(|s| s.more = Some("metric math".into()), "more");
    }

    #[test]
    fn nothing_differs_after_an_apply_and_silence_is_a_warning() {
        let desired = fixture::desired();
        let snapshot = live(&desired);
        let mut warnings = 0;
        for addr in addrs(&desired) {
            let lowered = converge(&addr, &desired, &snapshot);
            assert!(lowered.change.is_none(), "{addr}: {:?}", lowered.change);
            let warns = |report: &&Report| matches!(report, Report::Warning { .. });
            warnings += lowered.report.iter().filter(warns).count();
        }
        assert_eq!(warnings, 1);
    }

    #[test]
    fn a_period_and_its_number_stay_within_seven_days() {
        let desired = fixture::of("[alarms]\nexpect-updates = \"7d\"\n");
        for (addr, settings) in wanted(&desired) {
            let window = i64::from(settings.period_secs) * i64::from(settings.evaluation_periods);
            assert!(window <= 604_800, "{addr}: {window} s");
        }
    }
}
