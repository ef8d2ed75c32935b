//! What state an alarm is in, given the data that it looks at.
//!
//! Pure: from values and settings to a state and its reason. The rules and the tables of examples that
//! the tests repeat are in
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::alarm::{Config, State};

/// How many periods more than EvaluationPeriods are looked at. AWS says that it is more, and that the
/// number depends on the period; in its published examples 5 are retrieved for 3.
const RANGE_EXTRA: usize = 2;

/// One period that has data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Start of the period, in seconds.
    pub at: i64,
    pub value: f64,
}

/// The settings that decide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule<'a> {
    /// EvaluationPeriods, N.
    pub periods: usize,
    /// DatapointsToAlarm, M.
    pub to_alarm: usize,
    pub threshold: f64,
    pub comparison: &'a str,
    pub missing: Treat,
}

/// What becomes of periods without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treat {
    /// As nothing: without any data the state is INSUFFICIENT_DATA.
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

/// A state and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub state: State,
    pub reason: String,
    /// The data that decided, oldest first.
    pub points: Vec<Point>,
}

impl<'a> Rule<'a> {
    pub fn of(config: &'a Config) -> Self {
        let periods = count(config.evaluation_periods.unwrap_or(1));
        Self {
            periods,
            to_alarm: config.datapoints_to_alarm.map_or(periods, count),
            threshold: config.threshold.unwrap_or_default(),
            comparison: config.comparison_operator.as_deref().unwrap_or_default(),
            missing: match config.treat_missing_data.as_deref() {
                Some("ignore") => Treat::Ignore,
                Some("breaching") => Treat::Breaching,
                Some("notBreaching") => Treat::NotBreaching,
                Some(_) | None => Treat::Missing,
            },
        }
    }

    /// How many periods are looked at.
    pub fn range(&self) -> usize {
        self.periods + RANGE_EXTRA
    }

    fn is_breached(&self, value: f64) -> bool {
        match self.comparison {
            "GreaterThanOrEqualToThreshold" => value >= self.threshold,
            "GreaterThanThreshold" => value > self.threshold,
            "LessThanThreshold" => value < self.threshold,
            _ => value <= self.threshold,
        }
    }

    fn words(&self) -> &'static str {
        match self.comparison {
            "GreaterThanOrEqualToThreshold" => "greater than or equal to",
            "GreaterThanThreshold" => "greater than",
            "LessThanThreshold" => "less than",
            _ => "less than or equal to",
        }
    }

    /// Judges the periods of the range, oldest first. None: the state stays as it is.
    ///
    /// - As many real values as EvaluationPeriods: the newest of them decide alone.
    /// - Fewer: what TreatMissingData says stands in for those that are missing, as few as possible.
    /// - Where missing data counts for nothing, a value that does not breach makes the state OK; and
    ///   values that all breach make it ALARM even if there are fewer than DatapointsToAlarm, once
    ///   the oldest of them is at least that old ("premature transitions").
    pub fn judge(&self, range: &[Option<Point>]) -> Option<Verdict> {
        let real: Vec<Point> = range.iter().flatten().copied().collect();
        let newest = &real[real.len().saturating_sub(self.periods)..];
        let breaching = newest.iter().filter(|p| self.is_breached(p.value)).count();
        let missing = self.periods - newest.len();
        let state = match self.missing {
            _ if missing == 0 => self.by_count(breaching),
            Treat::Breaching => self.by_count(breaching + missing),
            Treat::NotBreaching => self.by_count(breaching),
            Treat::Missing | Treat::Ignore => {
                if breaching >= self.to_alarm {
                    State::Alarm
                } else if breaching < newest.len() {
                    State::Ok
                } else if self.missing == Treat::Ignore {
                    return None;
                } else if self.age_of_oldest(range) >= self.to_alarm {
                    State::Alarm
                } else {
                    State::InsufficientData
                }
            }
        };
        Some(Verdict {
            state,
            reason: self.reason(state, newest, missing),
            points: newest.to_vec(),
        })
    }

    fn by_count(&self, breaching: usize) -> State {
        if breaching >= self.to_alarm {
            State::Alarm
        } else {
            State::Ok
        }
    }

    /// The place of the oldest real value, 1 for the newest period; 0 if there is none.
    fn age_of_oldest(&self, range: &[Option<Point>]) -> usize {
        range
            .iter()
            .position(Option::is_some)
            .map_or(0, |position| range.len() - position)
    }

    /// AWS's texts, as alarms in the wild show them.
    fn reason(&self, state: State, newest: &[Point], missing: usize) -> String {
        let plural = |n: usize, one: &str, many: &str| match n {
            1 => one.to_owned(),
            _ => many.to_owned(),
        };
        if state == State::InsufficientData {
            return format!(
                "Insufficient Data: {missing} {} unknown.",
                plural(missing, "datapoint was", "datapoints were")
            );
        }
        let treated = match self.missing {
            Treat::Breaching => Some("Breaching"),
            Treat::NotBreaching => Some("NonBreaching"),
            Treat::Missing | Treat::Ignore => None,
        };
        let treated = treated.filter(|_| missing > 0).map(|how| {
            format!(
                "{missing} missing {} treated as [{how}]",
                plural(missing, "datapoint was", "datapoints were")
            )
        });
        if newest.is_empty() {
            return format!(
                "Threshold Crossed: no datapoints were received for {} {} and {}.",
                self.periods,
                plural(self.periods, "period", "periods"),
                treated.unwrap_or_default()
            );
        }
        // The newest value comes first.
        let told: Vec<&Point> = newest
            .iter()
            .rev()
            .filter(|point| self.is_breached(point.value) == (state == State::Alarm))
            .collect();
        let values: Vec<String> = told
            .iter()
            .map(|point| format!("{:?} ({})", point.value, clock(point.at)))
            .collect();
        let n = told.len();
        let out_of = if self.periods > 1 {
            format!("{n} out of the last {} datapoints", self.periods)
        } else {
            format!("{n} {}", plural(n, "datapoint", "datapoints"))
        };
        let was = match (n, state) {
            (1, State::Alarm) => "was",
            (1, State::Ok | State::InsufficientData) => "was not",
            (_, State::Alarm) => "were",
            (_, State::Ok | State::InsufficientData) => "were not",
        };
        let (needed, way) = match state {
            State::Alarm => (self.to_alarm, "OK -> ALARM"),
            State::Ok | State::InsufficientData => {
                (self.periods - self.to_alarm + 1, "ALARM -> OK")
            }
        };
        let minimum = if self.periods > 1 {
            format!(
                " (minimum {needed} {} for {way} transition)",
                plural(needed, "datapoint", "datapoints")
            )
        } else {
            String::new()
        };
        let treated = treated.map_or_else(String::new, |treated| format!(" and {treated}"));
        format!(
            "Threshold Crossed: {out_of} [{}] {was} {} the threshold ({:?}){minimum}{treated}.",
            values.join(", "),
            self.words(),
            self.threshold,
        )
    }

    /// The state's data as JSON.
    pub fn data(&self, config: &Config, verdict: &Verdict, period: i64, at: Timestamp) -> Value {
        let iso = |second: i64| Timestamp::from_second(second).map_or_else(|_| String::new(), iso);
        let values: Vec<f64> = verdict.points.iter().map(|point| point.value).collect();
        let evaluated: Vec<Value> = verdict
            .points
            .iter()
            .rev()
            .map(|point| json!({ "timestamp": iso(point.at), "value": point.value }))
            .collect();
        let mut data = json!({
            "version": "1.0",
            "queryDate": self::iso(at),
            "period": period,
            "recentDatapoints": values,
            "threshold": self.threshold,
            "evaluatedDatapoints": evaluated,
        });
        if let Some(first) = verdict.points.first() {
            data["startDate"] = iso(first.at).into();
        }
        let statistic = config
            .statistic
            .as_ref()
            .or(config.extended_statistic.as_ref());
        if let Some(statistic) = statistic {
            data["statistic"] = statistic.as_str().into();
        }
        if let Some(unit) = &config.unit {
            data["unit"] = unit.as_str().into();
        }
        data
    }
}

fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(1).max(1)
}

fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

/// A time as the reasons have it.
fn clock(second: i64) -> String {
    let at = Timestamp::from_second(second).unwrap_or_default();
    at.strftime("%d/%m/%y %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state for each way to treat missing data: of `0` (not breaching), `X` and `-`, oldest
    /// first; `Keep` is no change.
    fn states(data: &str, to_alarm: usize) -> String {
        let range: Vec<Option<Point>> = (0_i64..)
            .zip(data.split(' '))
            .map(|(at, symbol)| {
                let value = if symbol == "X" { 9.0 } else { 0.0 };
                (symbol != "-").then_some(Point { at, value })
            })
            .collect();
        let ways = [
            Treat::Missing,
            Treat::Ignore,
            Treat::Breaching,
            Treat::NotBreaching,
        ];
        let names = ways.map(|missing| {
            let rule = Rule {
                periods: 3,
                to_alarm,
                threshold: 1.0,
                comparison: "GreaterThanThreshold",
                missing,
            };
            assert_eq!(rule.range(), range.len());
            let verdict = rule.judge(&range);
            verdict.map_or("Keep", |verdict| match verdict.state {
                State::Ok => "OK",
                State::Alarm => "ALARM",
                State::InsufficientData => "Insufficient",
            })
        });
        names.join(" ")
    }

    /// The published tables, today's and the one of the guide's older edition, whose rows agree.
    #[test]
    fn three_of_three() {
        let check = |data: &str, expected: &str| assert_eq!(states(data, 3), expected, "{data}");
        check("0 - X - X", "OK OK OK OK");
        check("0 - - - -", "OK OK OK OK");
        check("- - - - 0", "OK OK OK OK");
        check("- - - - -", "Insufficient Keep ALARM OK");
        check("0 X X - X", "ALARM ALARM ALARM ALARM");
        check("- - X - -", "ALARM Keep ALARM OK");
        check("X - - - -", "ALARM Keep ALARM OK");
        check("- - - - X", "Insufficient Keep ALARM OK");
        check("- - - X -", "Insufficient Keep ALARM OK");
    }

    #[test]
    fn two_of_three() {
        let check = |data: &str, expected: &str| assert_eq!(states(data, 2), expected, "{data}");
        check("0 - X - X", "ALARM ALARM ALARM ALARM");
        check("0 0 X 0 X", "ALARM ALARM ALARM ALARM");
        check("0 - X - -", "OK OK ALARM OK");
        check("- - - - 0", "OK OK ALARM OK");
        check("- - - X -", "ALARM Keep ALARM OK");
        check("- - - - X", "Insufficient Keep ALARM OK");
    }

    #[test]
    fn reasons_read_as_those_of_aws() {
        let rule = Rule {
            periods: 1,
            to_alarm: 1,
            threshold: 1.0,
            comparison: "GreaterThanThreshold",
            missing: Treat::Breaching,
        };
        let reason = |rule: &Rule<'_>, range: &[Option<Point>]| {
            rule.judge(range).map(|verdict| verdict.reason)
        };
        let at = 1_517_812_080;
        let point = |value| Some(Point { at, value });
        assert_eq!(
            reason(&rule, &[None, None, point(5.0)]).as_deref(),
            Some(
                "Threshold Crossed: 1 datapoint [5.0 (05/02/18 06:28:00)] was greater than the \
                 threshold (1.0)."
            )
        );
        assert_eq!(
            reason(&rule, &[None, None, None]).as_deref(),
            Some(
                "Threshold Crossed: no datapoints were received for 1 period and 1 missing \
                 datapoint was treated as [Breaching]."
            )
        );
        let rule = Rule {
            periods: 2,
            missing: Treat::NotBreaching,
            ..rule
        };
        assert_eq!(
            reason(&rule, &[None, None, None, None]).as_deref(),
            Some(
                "Threshold Crossed: no datapoints were received for 2 periods and 2 missing \
                 datapoints were treated as [NonBreaching]."
            )
        );
    }
}
