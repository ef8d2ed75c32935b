//! Metrics: what was published, and statistics over it.
//!
//! A metric is a name in a namespace with a set of dimensions; each other set is another metric.
//! Data of standard resolution is kept by the minute, as AWS aggregates it; after 15 days by the
//! hour, for 455 days
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention>;
//! AWS has a step of 5 minutes in between, which nothing here needs).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Dimensions by name.
pub(super) type Dimensions = BTreeMap<String, String>;

/// How long data is kept as it came, and how long by the hour, in seconds.
const FINE_SECS: i64 = 15 * 86_400;
const COARSE_SECS: i64 = 455 * 86_400;

/// Metrics by namespace and name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Store(BTreeMap<String, BTreeMap<String, Vec<Series>>>);

/// The data of one metric.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Series {
    pub dimensions: Dimensions,
    /// Sorted by time.
    data: Vec<Datum>,
}

/// What was published for one minute, second or hour, in one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Datum {
    /// Start of the minute, second or hour, in seconds since 1970.
    pub(super) at: i64,
    pub(super) unit: String,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) minimum: f64,
    pub(super) maximum: f64,
    /// Each value and how often it came; empty if only statistics were published.
    values: Vec<(f64, f64)>,
}

impl Datum {
    /// One value, in the minute of its time.
    pub fn of_value(value: f64, unit: &str, at: Timestamp) -> Self {
        Self::of_values(&[(value, 1.0)], unit, at, 60)
    }

    /// Values with their counts.
    pub(super) fn of_values(
        values: &[(f64, f64)],
        unit: &str,
        at: Timestamp,
        resolution_secs: i64,
    ) -> Self {
        let fold = |with: fn(f64, f64) -> f64| {
            let all = values.iter().map(|(value, _)| *value);
            all.reduce(with).unwrap_or_default()
        };
        Self {
            at: floor(at.as_second(), resolution_secs),
            unit: unit.to_owned(),
            count: values.iter().map(|(_, count)| count).sum(),
            sum: values.iter().map(|(value, count)| value * count).sum(),
            minimum: fold(f64::min),
            maximum: fold(f64::max),
            values: values.to_vec(),
        }
    }

    /// A set of statistics, from which no percentile can be told unless all values are equal.
    pub(super) fn of_statistics(
        (count, sum, minimum, maximum): (f64, f64, f64, f64),
        unit: &str,
        at: Timestamp,
        resolution_secs: i64,
    ) -> Self {
        let all_equal = (maximum - minimum).abs() < f64::EPSILON;
        Self {
            at: floor(at.as_second(), resolution_secs),
            unit: unit.to_owned(),
            count,
            sum,
            minimum,
            maximum,
            values: if all_equal {
                vec![(minimum, count)]
            } else {
                Vec::new()
            },
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        if self.values.is_empty() || other.values.is_empty() {
            self.values = Vec::new();
            return;
        }
        for (value, count) in other.values {
            match self
                .values
                .iter_mut()
                .find(|(known, _)| known.total_cmp(&value).is_eq())
            {
                Some((_, times)) => *times += count,
                None => self.values.push((value, count)),
            }
        }
    }
}

/// The start of the interval that a second is in.
pub(super) fn floor(second: i64, interval: i64) -> i64 {
    second - second.rem_euclid(interval)
}

impl Store {
    /// Publishes a datum.
    pub fn add(&mut self, namespace: &str, metric: &str, dimensions: Dimensions, datum: Datum) {
        let metrics = self.0.entry(namespace.to_owned()).or_default();
        let all = metrics.entry(metric.to_owned()).or_default();
        let at = all
            .iter()
            .position(|series| series.dimensions == dimensions)
            .unwrap_or_else(|| {
                all.push(Series {
                    dimensions,
                    data: Vec::new(),
                });
                all.len() - 1
            });
        all[at].add(datum);
    }

    /// One metric.
    pub fn series(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &Dimensions,
    ) -> Option<&Series> {
        let all = self.0.get(namespace)?.get(metric)?;
        all.iter().find(|series| series.dimensions == *dimensions)
    }

    /// Every metric: namespace, name, data.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Series)> {
        self.0.iter().flat_map(|(namespace, metrics)| {
            metrics.iter().flat_map(move |(metric, all)| {
                all.iter()
                    .map(move |series| (namespace.as_str(), metric.as_str(), series))
            })
        })
    }
}

impl Series {
    fn add(&mut self, datum: Datum) {
        let place = self.data.partition_point(|known| known.at < datum.at);
        let same = self.data[place..]
            .iter_mut()
            .take_while(|known| known.at == datum.at)
            .find(|known| known.unit == datum.unit);
        match same {
            Some(known) => known.merge(datum),
            None => self.data.insert(place, datum),
        }
        self.forget();
    }

    /// Makes hours of what is old and drops what is too old, seen from the newest datum.
    fn forget(&mut self) {
        let newest = self.data.last().map_or(0, |datum| datum.at);
        let fine = floor(newest - FINE_SECS, 3600);
        let old = self.data.partition_point(|datum| datum.at < fine);
        if self.data[..old].iter().all(|datum| datum.at % 3600 == 0)
            && self
                .data
                .first()
                .is_none_or(|first| first.at >= newest - COARSE_SECS)
        {
            return;
        }
        let rest = self.data.split_off(old);
        let mut hours: Vec<Datum> = Vec::new();
        for mut datum in std::mem::take(&mut self.data) {
            datum.at = floor(datum.at, 3600);
            let same = hours
                .iter_mut()
                .rev()
                .take_while(|hour| hour.at == datum.at)
                .find(|hour| hour.unit == datum.unit);
            match same {
                Some(hour) => hour.merge(datum),
                None => hours.push(datum),
            }
        }
        hours.retain(|hour| hour.at >= newest - COARSE_SECS);
        hours.extend(rest);
        self.data = hours;
    }

    /// The data from one second to before another.
    pub fn between(&self, from: i64, until: i64) -> &[Datum] {
        let start = self.data.partition_point(|datum| datum.at < from);
        let end = self.data.partition_point(|datum| datum.at < until);
        &self.data[start..end.max(start)]
    }

    /// When the metric was last published.
    pub fn newest(&self) -> Option<i64> {
        self.data.last().map(|datum| datum.at)
    }
}

/// A statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stat {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// `p99.9`: the value below which that part of the values lies.
    Percentile(f64),
}

impl Stat {
    /// Reads a statistic; none if it is not one that is modelled.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            other => {
                let number = other.strip_prefix('p')?;
                let decimals = number.split_once('.').map_or(0, |(_, places)| places.len());
                let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                let percent: f64 = number.parse().ok()?;
                // "You can specify a percentile using up to ten decimal places."
                if !plain || decimals > 10 || !(0.0..=100.0).contains(&percent) {
                    return None;
                }
                Self::Percentile(percent)
            }
        })
    }

    /// The statistic of some data; none without data.
    pub fn of<'d>(self, data: impl IntoIterator<Item = &'d Datum>) -> Option<f64> {
        let data: Vec<&Datum> = data.into_iter().collect();
        let sum = |of: fn(&Datum) -> f64| data.iter().map(|datum| of(datum)).sum::<f64>();
        if data.is_empty() {
            return None;
        }
        let count = sum(|datum| datum.count);
        match self {
            Self::SampleCount => Some(count),
            Self::Sum => Some(sum(|datum| datum.sum)),
            Self::Average => (count > 0.0).then(|| sum(|datum| datum.sum) / count),
            Self::Minimum => data.iter().map(|datum| datum.minimum).reduce(f64::min),
            Self::Maximum => data.iter().map(|datum| datum.maximum).reduce(f64::max),
            Self::Percentile(percent) => percentile(&data, percent, count),
        }
    }
}

/// By nearest rank. AWS approximates within 1 %, so that nothing may depend on more.
fn percentile(data: &[&Datum], percent: f64, count: f64) -> Option<f64> {
    if data.iter().any(|datum| datum.values.is_empty()) {
        return None;
    }
    let mut values: Vec<(f64, f64)> = data.iter().flat_map(|datum| datum.values.clone()).collect();
    values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let rank = percent / 100.0 * count;
    let mut seen = 0.0;
    for (value, times) in &values {
        seen += times;
        if seen >= rank {
            return Some(*value);
        }
    }
    values.last().map(|(value, _)| *value)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn store(points: &[(i64, f64)]) -> Store {
        let mut store = Store::default();
        for (second, value) in points {
            let datum = Datum::of_value(*value, "Count", at(*second));
            store.add("N", "M", Dimensions::new(), datum);
        }
        store
    }

    #[test]
    fn statistics_of_what_came_in_a_minute() {
        let store = store(&[(61, 4.0), (70, 1.0), (119, 1.0), (120, 9.0)]);
        let series = store.series("N", "M", &Dimensions::new()).unwrap();
        let data = series.between(60, 120);
        let check = |stat: &str, expected: f64| {
            let found = Stat::parse(stat).unwrap().of(data).unwrap();
            assert!((found - expected).abs() < 1e-9, "{stat}: {found}");
        };
        check("SampleCount", 3.0);
        check("Sum", 6.0);
        check("Average", 2.0);
        check("Minimum", 1.0);
        check("Maximum", 4.0);
        check("p50", 1.0);
        check("p99.9", 4.0);
        assert_eq!(Stat::Sum.of(series.between(0, 60)), None);
    }

    #[test]
    fn what_is_no_statistic() {
        for text in ["p101", "p", "sum", "p9e1", "p1.12345678901", "tm90", "p-1"] {
            assert_eq!(Stat::parse(text), None, "{text}");
        }
    }

    #[test]
    fn old_data_is_kept_by_the_hour_and_then_dropped() {
        let day = 86_400;
        let store = store(&[(0, 1.0), (day, 1.0), (day + 60, 2.0), (470 * day, 5.0)]);
        let series = store.series("N", "M", &Dimensions::new()).unwrap();
        assert_eq!(series.between(0, day), []);
        let kept = series.between(day, 2 * day);
        assert_eq!(kept.len(), 0, "older than 455 days");
        let store = self::store(&[(day, 1.0), (day + 60, 2.0), (20 * day, 5.0)]);
        let series = store.series("N", "M", &Dimensions::new()).unwrap();
        let kept = series.between(day, 2 * day);
        assert_eq!((kept.len(), kept[0].sum), (1, 3.0));
    }

    #[test]
    fn statistics_alone_have_no_percentiles() {
        let mut store = Store::default();
        let datum = Datum::of_statistics((3.0, 6.0, 1.0, 4.0), "Count", at(0), 60);
        store.add("N", "M", Dimensions::new(), datum);
        let series = store.series("N", "M", &Dimensions::new()).unwrap();
        assert_eq!(Stat::Percentile(50.0).of(series.between(0, 60)), None);
        assert_eq!(Stat::Average.of(series.between(0, 60)), Some(2.0));
    }
}
