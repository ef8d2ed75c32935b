//! What a run writes to its log group, and whether it may.
//!
//! Lambda writes with the function's role: without `logs:CreateLogStream` and `logs:PutLogEvents` the
//! lines are lost, and a missing group is made only if the role may
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html>).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::settings::Settings;
use crate::world::{Caller, Ran, World};
use crate::{auth, logs};

/// `errorType` of a run that took too long.
pub(crate) const TIMED_OUT: &str = "Sandbox.Timedout";

/// All lines of a run: Lambda's own around those of the function. What AWS says of memory and start-up
/// is left out, since nobody measures it here.
pub(super) fn lines(
    now: Timestamp,
    request_id: &str,
    version: &str,
    settings: &Settings,
    ran: &Ran,
) -> Vec<String> {
    let took = ran.took.as_secs_f64() * 1000.0;
    let billed = took.ceil();
    let memory = settings.memory_mb;
    let mut lines = Vec::new();
    if settings.logging.json {
        let time = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        let line = |kind: &str, record: Value| {
            json!({ "time": time, "type": kind, "record": record }).to_string()
        };
        let is_told = settings.logging.system_level != "WARN";
        if is_told {
            let start = json!({ "requestId": request_id, "version": version });
            lines.push(line("platform.start", start));
        }
        lines.extend(ran.log.iter().cloned());
        let mut report = json!({
            "requestId": request_id,
            "metrics": { "durationMs": took, "billedDurationMs": billed, "memorySizeMB": memory },
            "status": match &ran.outcome {
                Ok(_) => "success",
                Err((kind, _)) if kind == TIMED_OUT => "timeout",
                Err(_) => "error",
            },
        });
        if let Err((kind, _)) = &ran.outcome {
            report["errorType"] = kind.as_str().into();
        }
        // A failed run is told at every level.
        if is_told || ran.outcome.is_err() {
            lines.push(line("platform.report", report));
        }
        return lines;
    }
    lines.push(format!("START RequestId: {request_id} Version: {version}"));
    lines.extend(ran.log.iter().cloned());
    match &ran.outcome {
        Err((kind, _)) if kind == TIMED_OUT => lines.push(format!(
            "{} {request_id} Task timed out after {:.2} seconds",
            now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
            f64::from(settings.timeout_secs),
        )),
        Err((kind, message)) if kind.starts_with("Runtime.") => {
            lines.push(format!("{message}\n{kind}"));
        }
        Err(_) | Ok(_) => {}
    }
    lines.push(format!("END RequestId: {request_id}"));
    lines.push(format!(
        "REPORT RequestId: {request_id}\tDuration: {took:.2} ms\tBilled Duration: {billed} ms\tMemory \
         Size: {memory} MB"
    ));
    lines
}

/// Longest line that Lambda writes as one event: "256 KB"
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>), less
/// what an event counts besides its message.
const LINE_BYTES_MAX: usize = 256 * 1024 - 26;

/// Events and bytes of one PutLogEvents; its own bounds are far above what one batch gets here.
const BATCH_EVENTS: usize = 1000;

/// Writes lines as the role of the function, as far as it may.
pub(super) fn write(
    world: &mut World,
    role: &Caller,
    (group, stream): (&str, &str),
    all: &[String],
) {
    let place = json!({ "logGroupName": group, "logStreamName": stream });
    // Each may be refused, or find what it makes: what counts is whether the events get there.
    call(
        world,
        role,
        "CreateLogGroup",
        json!({ "logGroupName": group }),
    );
    call(world, role, "CreateLogStream", place.clone());
    let at = role.now.as_millisecond();
    let pieces: Vec<&str> = all.iter().flat_map(|line| pieces(line)).collect();
    let mut rest = pieces.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let count = rest
            .iter()
            .take(BATCH_EVENTS)
            .take_while(|piece| {
                bytes += piece.len() + 26;
                bytes <= 1024 * 1024
            })
            .count()
            .max(1);
        let (batch, later) = rest.split_at(count);
        rest = later;
        let events = batch
            .iter()
            .map(|line| json!({ "timestamp": at, "message": line }));
        let mut input = place.clone();
        input["logEvents"] = events.collect();
        if !call(world, role, "PutLogEvents", input) {
            return;
        }
    }
}

/// A line in pieces that fit; an empty one is nothing.
fn pieces(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let mut end = rest.len().min(LINE_BYTES_MAX);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, later) = rest.split_at(end);
        found.push(piece);
        rest = later;
    }
    found
}

/// Carries out an operation of CloudWatch Logs as the role; whether it did.
fn call(world: &mut World, role: &Caller, name: &str, input: Value) -> bool {
    let Some(operation) = logs::operation(name) else {
        return false;
    };
    let needs = (operation.needs)(world, role, &input);
    auth::authorize(world, role, &needs).is_ok() && (operation.run)(world, role, input).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = format!("a{}", "ä".repeat(LINE_BYTES_MAX));
        let cut = pieces(&line);
        assert_eq!(cut.concat(), line);
        assert!(cut.iter().all(|piece| piece.len() <= LINE_BYTES_MAX));
        assert_eq!(cut.len(), 3, "the last byte of a piece stays free");
        assert!(pieces("").is_empty());
    }
}
