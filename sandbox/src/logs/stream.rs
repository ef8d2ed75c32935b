//! Log streams.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::group::{Group, answer};
use super::{arn_of, invalid, millis, name_or_identifier, needs, read};
use crate::world::{AwsError, Caller, Operation, World};

/// A log stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stream {
    pub created: Timestamp,
    pub last_ingestion: Option<Timestamp>,
    /// Number of the next event; numbers are never used again.
    pub next_event: u64,
    /// Sorted by time, and by number within one millisecond.
    pub events: Vec<Event>,
}

impl Stream {
    pub fn new(created: Timestamp) -> Self {
        Self {
            created,
            last_ingestion: None,
            next_event: 0,
            events: Vec::new(),
        }
    }
}

/// A log event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event {
    /// When it happened, in milliseconds since 1970, as its writer says.
    pub timestamp: i64,
    /// Order of arrival in the stream.
    pub number: u64,
    pub ingested: Timestamp,
    pub message: String,
}

/// What an event counts besides its message
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>).
pub(super) const EVENT_OVERHEAD_BYTES: usize = 26;

impl Event {
    pub fn size(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD_BYTES
    }

    /// The event's place in its stream.
    pub fn place(&self) -> (i64, u64) {
        (self.timestamp, self.number)
    }
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateLogStream",
        needs: |_, caller, input| vec![needs::of_stream(caller, input, "logs:CreateLogStream")],
        run: create_log_stream,
    },
    Operation {
        name: "DeleteLogStream",
        needs: |_, caller, input| vec![needs::of_stream(caller, input, "logs:DeleteLogStream")],
        run: delete_log_stream,
    },
    Operation {
        name: "DescribeLogStreams",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:DescribeLogStreams"),
        run: describe_log_streams,
    },
];

impl Group {
    pub(super) fn stream_mut(&mut self, name: &str) -> Result<&mut Stream, AwsError> {
        self.streams.get_mut(name).ok_or_else(|| {
            AwsError::new(
                "ResourceNotFoundException",
                "The specified log stream does not exist.",
            )
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamOnly {
    log_group_name: String,
    log_stream_name: String,
}

/// Atomic: of two calls for one name, one is refused.
fn create_log_stream(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: StreamOnly = read(input)?;
    let name = input.log_stream_name;
    if name.is_empty() || name.len() > 512 || name.contains([':', '*']) {
        return Err(invalid(format!("Invalid log stream name '{name}'")));
    }
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    if group.streams.contains_key(&name) {
        return Err(AwsError::new(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ));
    }
    group.streams.insert(name, Stream::new(caller.now));
    Ok(json!({}))
}

fn delete_log_stream(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: StreamOnly = read(input)?;
    let group = world.logs.group_mut(caller, &input.log_group_name)?;
    if group.deletion_protected {
        return Err(AwsError::new(
            "ValidationException",
            "The specified log group has deletion protection enabled",
        ));
    }
    group.stream_mut(&input.log_stream_name)?;
    group.streams.remove(&input.log_stream_name);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeLogStreams {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    descending: Option<bool>,
    next_token: Option<String>,
    limit: Option<usize>,
}

fn describe_log_streams(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeLogStreams = read(input)?;
    let name = name_or_identifier(caller, input.log_group_name, input.log_group_identifier)?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    let prefix = input.log_stream_name_prefix.unwrap_or_default();
    if by_time && !prefix.is_empty() {
        return Err(invalid(
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let group = world.logs.group_mut(caller, &name)?;
    let mut streams: Vec<_> = group
        .streams
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix))
        .collect();
    if by_time {
        streams.sort_by_key(|(_, stream)| stream.events.last().map(Event::place));
    }
    if input.descending == Some(true) {
        streams.reverse();
    }
    let arn = arn_of(&caller.account, &caller.region, &name);
    // The order is not that of the names, so that a page continues at a position.
    let items = streams
        .into_iter()
        .enumerate()
        .map(|(position, (name, stream))| {
            (format!("{position:020}"), describe(&arn, name, stream))
        });
    answer(
        "DescribeLogStreams",
        "logStreams",
        items,
        input.next_token,
        input.limit,
    )
}

fn describe(group_arn: &str, name: &str, stream: &Stream) -> Value {
    let mut item = json!({
        "logStreamName": name,
        "creationTime": millis(stream.created),
        "arn": format!("{group_arn}:log-stream:{name}"),
        // "storedBytes is always set to zero" for streams since 2019 (API page of LogStream).
        "storedBytes": 0,
    });
    if let (Some(first), Some(last)) = (stream.events.first(), stream.events.last()) {
        item["firstEventTimestamp"] = first.timestamp.into();
        item["lastEventTimestamp"] = last.timestamp.into();
    }
    if let Some(at) = stream.last_ingestion {
        item["lastIngestionTime"] = millis(at).into();
    }
    item
}
