//! Alarms watched: each evaluated at every moment since the last look at which its state could differ.
//!
//! AWS evaluates an alarm each minute, one with a period under a minute every 10 seconds, and one whose
//! window is longer than a day each hour. Between two data entering or leaving its window nothing
//! changes, so that only those moments are worked out. A world in which nobody looked for a year is
//! caught up with in as many steps as it has data.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Region;
use super::alarm::{Config, MetricStat, dimensions_of};
use super::evaluate::{Point, Rule};
use super::math::{Expression, Known, Points};
use super::metric::{Datum, Stat, Store, floor};
use crate::world::{AwsError, World};

/// "CloudWatch evaluates ... fewer than 10/(1-percentile) data points" for a percentile of a half and
/// more, 10/percentile below: with fewer a percentile says little.
fn is_low_sample(percent: f64, samples: f64) -> bool {
    let part = percent / 100.0;
    let needed = if part >= 0.5 {
        10.0 / (1.0 - part)
    } else {
        10.0 / part
    };
    samples < needed
}

impl World {
    /// Brings the metrics that are derived from the world, and all alarms, up to a time.
    ///
    /// Called before each call that may change something: what an alarm saw must not depend on what
    /// came later.
    pub(crate) fn watch(&mut self, now: Timestamp) {
        self.publish_zones(now);
        for regions in self.cloudwatch.accounts.values_mut() {
            for region in regions.values_mut() {
                region.watch(now);
            }
        }
    }
}

impl Region {
    fn watch(&mut self, now: Timestamp) {
        let names: Vec<String> = self.alarms.keys().cloned().collect();
        for name in names {
            let Some(alarm) = self.alarms.get(&name) else {
                continue;
            };
            let window = Window::of(&alarm.config);
            let moments = window.moments(&self.metrics, alarm.evaluated, now);
            for moment in moments {
                self.evaluate(&name, &window, moment);
            }
            if let Some(alarm) = self.alarms.get_mut(&name) {
                alarm.evaluated = alarm.evaluated.max(now);
            }
        }
        self.forget(now);
    }

    fn evaluate(&mut self, name: &str, window: &Window, moment: i64) {
        let Some(alarm) = self.alarms.get(name) else {
            return;
        };
        let rule = Rule::of(&alarm.config);
        let Some(range) = window.range(&self.metrics, moment) else {
            return;
        };
        let at = Timestamp::from_second(moment).unwrap_or(alarm.evaluated);
        let Some(verdict) = rule.judge(&range) else {
            return;
        };
        if verdict.state == alarm.state {
            return;
        }
        let data = rule.data(&alarm.config, &verdict, window.period, at);
        let reason = (verdict.reason, Some(data.to_string()));
        self.enter(name, verdict.state, reason, at);
    }
}

/// What an alarm looks at.
struct Window {
    period: i64,
    /// How many periods.
    range: usize,
    /// Seconds between two evaluations.
    step: i64,
    /// The metrics by id. The plain metric of an alarm without math has the id `m`.
    stats: Vec<(String, MetricStat)>,
    /// The expressions by id.
    expressions: Vec<(String, String)>,
    /// The id whose values decide.
    result: String,
    /// Values over fewer samples than a percentile needs are left out.
    leaves_low_samples_out: bool,
}

impl Window {
    fn of(config: &Config) -> Self {
        let rule = Rule::of(config);
        let queries = config.metrics.as_deref().unwrap_or_default();
        let mut stats: Vec<(String, MetricStat)> = queries
            .iter()
            .filter_map(|query| Some((query.id.clone(), query.metric_stat.clone()?)))
            .collect();
        if let (true, Some(metric)) = (queries.is_empty(), &config.metric_name) {
            let stat = config
                .statistic
                .clone()
                .or(config.extended_statistic.clone());
            let stat = MetricStat {
                metric: super::alarm::Metric {
                    namespace: config.namespace.clone(),
                    metric_name: Some(metric.clone()),
                    dimensions: config.dimensions.clone(),
                },
                period: config.period.unwrap_or(60),
                stat: stat.unwrap_or_default(),
                unit: config.unit.clone(),
            };
            stats.push(("m".into(), stat));
        }
        let period = stats.first().map_or(60, |(_, stat)| stat.period);
        let periods = i64::try_from(rule.periods).unwrap_or(1);
        let low = config.evaluate_low_sample_count_percentile.as_deref();
        Self {
            period,
            range: rule.range(),
            step: match period {
                _ if period * periods > 86_400 => 3600,
                ..60 => 10,
                _ => 60,
            },
            stats,
            expressions: queries
                .iter()
                .filter_map(|query| Some((query.id.clone(), query.expression.clone()?)))
                .collect(),
            result: queries
                .iter()
                .find(|query| query.return_data)
                .map_or_else(|| "m".into(), |query| query.id.clone()),
            leaves_low_samples_out: low == Some("ignore"),
        }
    }

    /// The moments of evaluation after one time and up to another at which the outcome may differ:
    /// the first one, and those at which a datum enters a period or moves on to the next.
    fn moments(&self, store: &Store, after: Timestamp, until: Timestamp) -> BTreeSet<i64> {
        let next = |second: i64| floor(second, self.step) + self.step;
        let (after, until) = (after.as_second(), until.as_second());
        let mut moments = BTreeSet::from([next(after)]);
        let reach = i64::try_from(self.range).unwrap_or(1) * self.period;
        for (_, stat) in &self.stats {
            for datum in data(store, stat, after - reach - self.step, until) {
                let mut leaves = datum.at;
                while leaves <= datum.at + reach {
                    moments.insert(next(leaves));
                    leaves += self.period;
                }
            }
        }
        moments.retain(|moment| *moment > after && *moment <= until);
        moments
    }

    /// The values of the periods that end at a moment, oldest first; none if an expression fails.
    fn range(&self, store: &Store, moment: i64) -> Option<Vec<Option<Point>>> {
        let count = i64::try_from(self.range).ok()?;
        let starts: Vec<i64> = (0..count)
            .map(|index| moment - (count - index) * self.period)
            .collect();
        let mut results = BTreeMap::new();
        for (id, stat) in &self.stats {
            let points = starts.iter().map(|start| self.value(store, stat, *start));
            results.insert(id.clone(), points.collect::<Points>());
        }
        let plain: Vec<String> = results.keys().cloned().collect();
        resolve(
            &mut results,
            &plain,
            &self.expressions,
            self.range,
            self.period,
        )
        .ok()?;
        let points = results.remove(&self.result)?;
        let all = starts.into_iter().zip(points);
        Some(
            all.map(|(at, value)| value.map(|value| Point { at, value }))
                .collect(),
        )
    }

    fn value(&self, store: &Store, stat: &MetricStat, start: i64) -> Option<f64> {
        let of = Stat::parse(&stat.stat)?;
        let data: Vec<&Datum> = data(store, stat, start, start + self.period).collect();
        if let (true, Stat::Percentile(percent)) = (self.leaves_low_samples_out, of) {
            let samples = Stat::SampleCount.of(data.iter().copied())?;
            if is_low_sample(percent, samples) {
                return None;
            }
        }
        of.of(data)
    }
}

/// The data of a metric in a span, in the unit that is asked for.
pub(super) fn data<'s>(
    store: &'s Store,
    stat: &'s MetricStat,
    from: i64,
    until: i64,
) -> impl Iterator<Item = &'s Datum> {
    let namespace = stat.metric.namespace.as_deref().unwrap_or_default();
    let name = stat.metric.metric_name.as_deref().unwrap_or_default();
    let dimensions = dimensions_of(&stat.metric.dimensions);
    let series = store.series(namespace, name, &dimensions);
    series
        .into_iter()
        .flat_map(move |series| series.between(from, until))
        .filter(|datum| stat.unit.as_ref().is_none_or(|unit| datum.unit == *unit))
}

/// Works out expressions, those first on which others stand.
pub(super) fn resolve(
    results: &mut BTreeMap<String, Points>,
    plain: &[String],
    expressions: &[(String, String)],
    len: usize,
    period_secs: i64,
) -> Result<(), AwsError> {
    let mut left: Vec<(&String, Expression)> = expressions
        .iter()
        .map(|(id, text)| Ok((id, Expression::parse(text)?)))
        .collect::<Result<_, AwsError>>()?;
    while !left.is_empty() {
        let ready = left
            .iter()
            .position(|(_, expression)| expression.names().all(|n| results.contains_key(n)));
        // Circles and unknown names were refused when the queries came in.
        let Some(position) = ready else {
            return Ok(());
        };
        let (id, expression) = left.remove(position);
        let known = Known {
            results,
            plain,
            len,
            period_secs,
        };
        let points = expression.points(&known)?;
        results.insert(id.clone(), points);
    }
    Ok(())
}
