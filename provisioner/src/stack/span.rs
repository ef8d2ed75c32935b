//! Spans of time and rates, always written with their unit: `"7 days"`, `"12h"`, `"10 per minute"`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde_json::{Value, json};

use super::diagnostics::{Problem, quoted};
use super::form::{Form, Item, Refused};

/// A span of whole seconds between two bounds, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lasting<const MIN_SECS: u32, const MAX_SECS: u32>(pub Duration);

pub(super) const MINUTE: u32 = 60;
pub(super) const HOUR: u32 = 60 * MINUTE;
pub(super) const DAY: u32 = 24 * HOUR;

impl<const MIN_SECS: u32, const MAX_SECS: u32> Form for Lasting<MIN_SECS, MAX_SECS> {
    fn expected() -> String {
        format!(
            "a span of time in quotes from \"{}\" to \"{}\"",
            in_words(MIN_SECS),
            in_words(MAX_SECS)
        )
    }

    fn schema() -> Value {
        json!({
            "type": "string",
            "pattern": "[0-9] ?(s|sec|m|min|h|d|w|second|minute|hour|day|week)",
            "description": Self::expected(),
        })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(|text| {
            let secs = seconds(text)?;
            if (i64::from(MIN_SECS)..=i64::from(MAX_SECS)).contains(&secs) {
                Ok(Self(Duration::from_secs(secs.unsigned_abs())))
            } else {
                Err(Refused::new(format!(
                    "{} is not {}",
                    quoted(text),
                    Self::expected()
                )))
            }
        })
        .map_err(|problems| hint_for_number(item, problems))
    }
}

/// A bare number has no unit; the likeliest is seconds.
fn hint_for_number(item: &Item<'_>, problems: Vec<Problem>) -> Vec<Problem> {
    let Some(digits) = item.value.as_integer() else {
        return problems;
    };
    let hint = format!("write the unit: \"{digits}s\" for seconds");
    problems
        .into_iter()
        .map(|problem| problem.with_hint(hint.clone()))
        .collect()
}

fn seconds(text: &str) -> Result<i64, Refused> {
    let not_a_span = || {
        Refused::new(format!("{} is not a span of time", quoted(text)))
            .with_hint("write a number and its unit, such as \"7 days\" or \"12h\"".to_owned())
    };
    // ISO 8601 durations parse as well, but two notations in one document help nobody.
    if text.starts_with(['P', 'p', '+', '-']) {
        return Err(not_a_span());
    }
    let span: Span = text.parse().map_err(|_| not_a_span())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(
            Refused::new(format!("{} has no fixed length", quoted(text)))
                .with_hint("write it in days, such as \"365 days\"".to_owned()),
        );
    }
    // Without a calendar a day is 24 hours; that is what a TTL or a lease means.
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| not_a_span())?;
    if duration.subsec_nanos() != 0 {
        return Err(Refused::new(format!(
            "{} is not whole seconds",
            quoted(text)
        )));
    }
    Ok(duration.as_secs())
}

/// `7 days`, `90 minutes`: the largest unit that divides evenly.
fn in_words(secs: u32) -> String {
    let (count, unit) = [
        (DAY, "day"),
        (HOUR, "hour"),
        (MINUTE, "minute"),
        (1, "second"),
    ]
    .into_iter()
    .find(|(unit, _)| secs.is_multiple_of(*unit))
    .map_or((secs, "second"), |(unit, name)| (secs / unit, name));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// So many times in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many times, from 1.
    pub count: u32,
    /// In which span: a second, a minute or an hour.
    pub per: Duration,
}

const UNITS: [(&str, u32); 3] = [("second", 1), ("minute", MINUTE), ("hour", HOUR)];

impl Form for Rate {
    fn expected() -> String {
        "a rate in quotes, such as \"10 per minute\"".to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[1-9][0-9]{0,5} per (second|minute|hour)$" })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(|text| {
            let rate = text.split_once(" per ").and_then(|(count, unit)| {
                let count = count
                    .parse()
                    .ok()
                    .filter(|count| (1..=999_999).contains(count))?;
                let (_, secs) = UNITS.iter().find(|(name, _)| *name == unit)?;
                Some(Self {
                    count,
                    per: Duration::from_secs(u64::from(*secs)),
                })
            });
            rate.ok_or_else(|| {
                Refused::new(format!("{} is not a rate", quoted(text)))
                    .with_hint("write \"10 per minute\", with second, minute or hour".to_owned())
            })
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_a_fixed_length() {
        for (text, secs) in [
            ("7 days", 604_800),
            ("12h", 43_200),
            ("90 minutes", 5_400),
            ("1 day 12 hours", 129_600),
            ("2 weeks", 1_209_600),
            ("60s", 60),
        ] {
            assert_eq!(seconds(text).unwrap(), secs, "{text}");
        }
        for (text, part) in [
            ("", "not a span"),
            ("7", "not a span"),
            ("P7D", "not a span"),
            ("-1 day", "not a span"),
            ("1 month", "no fixed length"),
            ("1 year", "no fixed length"),
            ("1500ms", "not whole seconds"),
            ("99999999999999 days", "not a span"),
        ] {
            let refused = seconds(text).unwrap_err().to_string();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }

    #[test]
    fn bounds_are_said_in_their_largest_unit() {
        assert_eq!(in_words(30), "30 seconds");
        assert_eq!(in_words(HOUR), "1 hour");
        assert_eq!(in_words(90 * MINUTE), "90 minutes");
        assert_eq!(in_words(7 * DAY), "7 days");
    }
}
