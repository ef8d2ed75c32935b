//! PutLogEvents: which events of a batch are taken.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::stream::{EVENT_OVERHEAD_BYTES, Event, Stream};
use super::{invalid, metric_filter, millis, needs, read};
use crate::world::{AwsError, Caller, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "PutLogEvents",
    needs: |_, caller, input| vec![needs::of_stream(caller, input, "logs:PutLogEvents")],
    run: put_log_events,
}];

// All limits: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>.
const BATCH_BYTES_MAX: usize = 1_048_576;
const BATCH_EVENTS_MAX: usize = 10_000;
const BATCH_SPAN_MAX: Duration = Duration::from_secs(24 * 3600);
const AGE_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
const AHEAD_MAX: Duration = Duration::from_secs(2 * 3600);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutLogEvents {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<NewEvent>,
    entity: Option<Value>,
}

/// An event as it comes.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewEvent {
    pub timestamp: i64,
    pub message: String,
}

/// A batch is refused as a whole for its size and order; single events outside the window of time
/// are left out, and the answer says so. A sequence token is ignored, as AWS does since 2023.
fn put_log_events(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: PutLogEvents = read(input)?;
    if input.entity.is_some() {
        return Err(AwsError::not_modelled("logs:PutLogEvents with an entity"));
    }
    let events = input.log_events;
    let token = world.random.text(b"0123456789", 56);
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    let oldest_kept = group.oldest_kept(caller.now).unwrap_or(i64::MIN);
    let stream = group.stream_mut(&input.log_stream_name)?;
    check_batch(&events)?;

    let now = millis(caller.now);
    let too_old = events
        .iter()
        .take_while(|e| e.timestamp < now - span(AGE_MAX))
        .count();
    let expired = events
        .iter()
        .take_while(|e| e.timestamp < oldest_kept)
        .count();
    let in_time = events
        .iter()
        .take_while(|e| e.timestamp <= now + span(AHEAD_MAX))
        .count();
    let (count, start) = (events.len(), too_old.max(expired));
    if let (Some(first), Some(last)) = (events.get(start), events[..in_time].last())
        && last.timestamp - first.timestamp > span(BATCH_SPAN_MAX)
    {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 \
             hours.",
        ));
    }
    let taken: Vec<NewEvent> = events.into_iter().take(in_time).skip(start).collect();
    for event in &taken {
        stream.events.push(Event {
            timestamp: event.timestamp,
            number: stream.next_event,
            ingested: caller.now,
            message: event.message.clone(),
        });
        stream.next_event += 1;
        stream.last_ingestion = Some(caller.now);
    }
    stream.events.sort_by_key(Event::place);
    let place = (caller.account.as_str(), caller.region.as_str());
    metric_filter::publish(world, place, &input.log_group_name, &taken);

    let mut rejected = json!({});
    if in_time < count {
        rejected["tooNewLogEventStartIndex"] = in_time.into();
    }
    // Both ends are exclusive.
    if too_old > 0 {
        rejected["tooOldLogEventEndIndex"] = too_old.into();
    }
    if expired > 0 {
        rejected["expiredLogEventEndIndex"] = expired.into();
    }
    let mut answer = json!({ "nextSequenceToken": token });
    if rejected != json!({}) {
        answer["rejectedLogEventsInfo"] = rejected;
    }
    Ok(answer)
}

/// An event that a service writes by itself; the stream is made if it is not there. Whether the
/// service may do so is for the service to ask. Nothing happens if there is no such group.
pub(super) fn append(
    world: &mut World,
    (account, region): (&str, &str),
    (group, stream): (&str, &str),
    now: Timestamp,
    message: String,
) {
    let event = NewEvent {
        timestamp: millis(now),
        message,
    };
    let groups = world.logs.accounts.get_mut(account);
    let groups = groups.and_then(|regions| regions.get_mut(region));
    let Some(of) = groups.and_then(|groups| groups.get_mut(group)) else {
        return;
    };
    let made = Stream::new(now);
    let to = of.streams.entry(stream.to_owned()).or_insert(made);
    to.events.push(Event {
        timestamp: event.timestamp,
        number: to.next_event,
        ingested: now,
        message: event.message.clone(),
    });
    to.next_event += 1;
    to.last_ingestion = Some(now);
    to.events.sort_by_key(Event::place);
    of.expire(now);
    metric_filter::publish(world, (account, region), group, &[event]);
}

fn check_batch(events: &[NewEvent]) -> Result<(), AwsError> {
    if events.is_empty() || events.len() > BATCH_EVENTS_MAX {
        return Err(invalid(format!(
            "A batch has 1 to {BATCH_EVENTS_MAX} log events"
        )));
    }
    if events.iter().any(|event| event.message.is_empty()) {
        return Err(invalid("Log event message must not be empty"));
    }
    let bytes: usize = events
        .iter()
        .map(|e| e.message.len() + EVENT_OVERHEAD_BYTES)
        .sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}"
        )));
    }
    if events
        .windows(2)
        .any(|pair| pair[0].timestamp > pair[1].timestamp)
    {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    Ok(())
}

fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("a constant of days")
}
