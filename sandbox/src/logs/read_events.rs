//! GetLogEvents and FilterLogEvents: reading events back, in pages.
//!
//! Tokens say a place between two events, so that paging goes on correctly while events arrive.

use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::Pattern;
use super::stream::Event;
use super::{invalid, millis, name_or_identifier, needs, read};
use crate::listing;
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetLogEvents",
        needs: |_, caller, input| vec![needs::of_stream(caller, input, "logs:GetLogEvents")],
        run: get_log_events,
    },
    Operation {
        name: "FilterLogEvents",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:FilterLogEvents"),
        run: filter_log_events,
    },
];

/// Most events and most bytes of a page
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html>).
const PAGE_EVENTS_MAX: usize = 10_000;
const PAGE_BYTES_MAX: usize = 1_048_576;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<usize>,
    start_from_head: Option<bool>,
}

/// Where a page of GetLogEvents begins, and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    /// The events after this place, oldest first.
    After((i64, u64)),
    /// The events before this place; those nearest to it.
    Before((i64, u64)),
}

impl Cursor {
    fn parse(token: &str) -> Option<Self> {
        let (direction, digits) = token.strip_suffix("/s")?.split_once('/')?;
        if !digits.is_ascii() || digits.len() != 40 {
            return None;
        }
        let (timestamp, number) = digits.split_at(20);
        let place = (timestamp.parse().ok()?, number.parse().ok()?);
        match direction {
            "f" => Some(Self::After(place)),
            "b" => Some(Self::Before(place)),
            _ => None,
        }
    }

    fn token(self) -> String {
        let (direction, (timestamp, number)) = match self {
            Self::After(place) => ("f", place),
            Self::Before(place) => ("b", place),
        };
        format!("{direction}/{timestamp:020}{number:020}/s")
    }
}

/// startTime is inclusive, endTime exclusive. Events always come oldest first; without
/// `startFromHead` the first page is the last one of the stream.
fn get_log_events(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GetLogEvents = read(input)?;
    let name = name_or_identifier(caller, input.log_group_name, input.log_group_identifier)?;
    let stream = world
        .logs
        .group_mut(caller, &name)?
        .stream_mut(&input.log_stream_name)?;
    let cursor = match &input.next_token {
        Some(token) => {
            Cursor::parse(token).ok_or_else(|| invalid("The specified nextToken is invalid."))?
        }
        None if input.start_from_head == Some(true) => Cursor::After((0, 0)),
        None => Cursor::Before((i64::MAX, u64::MAX)),
    };
    let first_page = input.next_token.is_none();
    let chosen = stream.events.iter().filter(|event| {
        input
            .start_time
            .is_none_or(|start| event.timestamp >= start)
            && input.end_time.is_none_or(|end| event.timestamp < end)
            && match cursor {
                Cursor::After(place) => first_page || event.place() > place,
                Cursor::Before(place) => event.place() < place,
            }
    });
    let limit = input.limit.unwrap_or(PAGE_EVENTS_MAX);
    let page = match cursor {
        Cursor::After(_) => fill_page(chosen, limit),
        Cursor::Before(_) => {
            let mut page = fill_page(chosen.rev(), limit);
            page.reverse();
            page
        }
    };
    // At an end of the stream the token that was given comes back: that is how a reader sees it.
    let here = match cursor {
        Cursor::After(place) => place,
        Cursor::Before(place) if first_page => stream
            .events
            .last()
            .map_or((0, 0), |event| after(event.place()).min(place)),
        Cursor::Before(place) => place,
    };
    let backward = page.first().map_or(here, |event| event.place());
    let forward = page.last().map_or(here, |event| event.place());
    let events: Vec<_> = page
        .into_iter()
        .map(|event| {
            json!({
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": millis(event.ingested),
            })
        })
        .collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": Cursor::After(forward).token(),
        "nextBackwardToken": Cursor::Before(backward).token(),
    }))
}

fn after((timestamp, number): (i64, u64)) -> (i64, u64) {
    (timestamp, number.saturating_add(1))
}

/// As many events as a page holds.
fn fill_page<'e>(events: impl Iterator<Item = &'e Event>, limit: usize) -> Vec<&'e Event> {
    let mut bytes = 0;
    events
        .take(limit.min(PAGE_EVENTS_MAX))
        .take_while(|event| {
            bytes += event.size();
            bytes <= PAGE_BYTES_MAX
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    start_from_head: Option<bool>,
}

/// Order of a result: time of the event, time of its arrival, stream, order in the stream.
type Rank<'a> = (i64, i64, &'a str, u64);

/// Events of several streams, oldest first unless `startFromHead` is false. Both ends of the time
/// range are inclusive, unlike those of GetLogEvents.
fn filter_log_events(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: FilterLogEvents = read(input)?;
    let name = name_or_identifier(caller, input.log_group_name, input.log_group_identifier)?;
    if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefix are mutually exclusive",
        ));
    }
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())?;
    let after = match &input.next_token {
        None => None,
        Some(token) => Some(
            listing::after("FilterLogEvents", token)
                .ok_or_else(|| invalid("The specified nextToken is invalid."))?,
        ),
    };
    // "the direction of the nextToken is used"
    let backwards = match &after {
        Some(after) => after.starts_with('b'),
        None => input.start_from_head == Some(false),
    };
    let group = world.logs.group_mut(caller, &name)?;
    for name in input.log_stream_names.iter().flatten() {
        group.stream_mut(name)?;
    }
    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
    let mut found: Vec<(Rank<'_>, &Event)> = group
        .streams
        .iter()
        .filter(|(name, _)| {
            input
                .log_stream_names
                .as_ref()
                .is_none_or(|n| n.contains(name))
        })
        .filter(|(name, _)| name.starts_with(prefix))
        .flat_map(|(name, stream)| {
            stream
                .events
                .iter()
                .map(move |event| (name.as_str(), event))
        })
        .filter(|(_, event)| {
            input
                .start_time
                .is_none_or(|start| event.timestamp >= start)
        })
        .filter(|(_, event)| input.end_time.is_none_or(|end| event.timestamp <= end))
        .filter(|(_, event)| pattern.matches(&event.message))
        .map(|(name, event)| {
            (
                (event.timestamp, millis(event.ingested), name, event.number),
                event,
            )
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    if backwards {
        found.reverse();
    }
    let rest = found.into_iter().skip_while(|(rank, _)| {
        after.as_deref().is_some_and(|after| {
            let (here, after) = (sortable(*rank), &after[1..]);
            if backwards {
                here.as_str() >= after
            } else {
                here.as_str() <= after
            }
        })
    });
    let rest: Vec<_> = rest.collect();
    let page = fill_page(
        rest.iter().map(|(_, event)| *event),
        input.limit.unwrap_or(PAGE_EVENTS_MAX),
    );
    let taken = page.len();
    let events: Vec<_> = rest[..taken]
        .iter()
        .map(|(rank, event)| filtered(*rank, event))
        .collect();
    // AWS keeps the member and has left it empty since 2019.
    let mut answer = json!({ "events": events, "searchedLogStreams": [] });
    if taken < rest.len()
        && let Some((last, _)) = rest[..taken].last()
    {
        let direction = if backwards { 'b' } else { 'f' };
        let key = format!("{direction}{}", sortable(*last));
        answer["nextToken"] = listing::token("FilterLogEvents", &key).into();
    }
    Ok(answer)
}

/// A rank as a text of the same order.
fn sortable((timestamp, ingested, stream, number): Rank<'_>) -> String {
    format!("{timestamp:020}{ingested:020}{stream}\0{number:020}")
}

fn filtered((timestamp, ingested, stream, number): Rank<'_>, event: &Event) -> Value {
    json!({
        "logStreamName": stream,
        "timestamp": timestamp,
        "message": event.message,
        "ingestionTime": ingested,
        // Unique within the group: streams differ, or numbers do.
        "eventId": format!("{timestamp:020}{number:020}{:016}", stream_number(stream)),
    })
}

/// A number of 16 digits at most for a stream's name (FNV-1a).
fn stream_number(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % 10_000_000_000_000_000
}
