//! Record sets that the journal keeps whole: one log stream with a line for each, and the tag
//! [`EVIDENCE_TTLS`](super::EVIDENCE_TTLS), which names the stream. The tag comes last, so that what it
//! names is complete; the stream's name has a digest of the lines, so that what is read shows whether it
//! is. A stream without the tag is what a dead run left, and counts for nothing.

use std::collections::BTreeSet;

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::aws::{Answer as _, Clients, unusable};
use crate::desired::Desired;
use crate::kind::hosted_zone::RecordSet;
use crate::kind::hosted_zone::ttls::Kept;
use crate::plan::hex;
use crate::retry::{Class, Failure};

const PUT: &str = "logs:PutLogEvents";

/// The version of [`Line`] that this tool writes and reads.
const VERSION: u32 = 1;

/// Bytes and events of one call: far below the 1 MiB and 10,000 of PutLogEvents (API Reference), of which
/// every event takes 26 bytes more than its line.
const CALL_BYTES: usize = 500_000;
const CALL_EVENTS: usize = 1_000;

/// Hex digits of the digest in a stream's name.
const DIGEST_CHARS: usize = 16;

/// One record set, as a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    version: u32,
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    ttl: Option<i64>,
    values: Vec<String>,
    /// What tells it from others of its name and type.
    policy: Option<String>,
}

/// The lines of record sets, sorted, each once.
pub fn lines(sets: &[RecordSet]) -> Result<BTreeSet<String>, serde_json::Error> {
    let line = |set: &RecordSet| {
        serde_json::to_string(&Line {
            version: VERSION,
            name: set.name.clone(),
            rtype: set.rtype.clone(),
            ttl: set.ttl_secs,
            values: set.values.clone(),
            policy: set.policy.clone(),
        })
    };
    sets.iter().map(line).collect()
}

fn set(line: &str) -> Result<RecordSet, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.version != VERSION {
        return Err(format!("its version is {}", line.version));
    }
    Ok(RecordSet {
        name: line.name,
        rtype: line.rtype,
        ttl_secs: line.ttl,
        values: line.values,
        alias: None,
        policy: line.policy,
    })
}

fn digest(lines: &BTreeSet<String>) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line);
        hash.update("\n");
    }
    let mut digest = hex(&hash.finalize());
    digest.truncate(DIGEST_CHARS);
    digest
}

/// The sets of a stream by its lines, if they are all that were written.
fn parse(stream: &str, lines: &BTreeSet<String>) -> Result<Vec<RecordSet>, String> {
    if !stream.ends_with(&digest(lines)) {
        return Err("not all that was written there is shown".into());
    }
    lines
        .iter()
        .map(|line| set(line).map_err(|why| format!("a line cannot be read: {why}")))
        .collect()
}

/// Writes the sets into a stream of their own, and gives its name. The same sets at the same time have the
/// same stream, so this may be repeated.
pub async fn write(
    group: &str,
    at: &str,
    sets: &[RecordSet],
    write: &Clients,
) -> Result<String, Failure> {
    let lines = lines(sets).map_err(|error| unusable(PUT, &error.to_string()))?;
    let time: Timestamp = at
        .parse()
        .map_err(|_| unusable(PUT, "the time of writing is not known"))?;
    // A stream's name may hold neither `:` nor `*`.
    let stream = format!("ttls-{}-{}", at.replace(':', ""), digest(&lines));
    let call = write.logs.create_log_stream().log_group_name(group);
    let call = call.log_stream_name(&stream).send().await;
    match call.or_fail("logs:CreateLogStream") {
        Ok(_) => {}
        Err(failure) if failure.class == Class::AlreadyThere => {}
        Err(failure) => return Err(failure),
    }
    for batch in batches(&lines) {
        let events = batch.into_iter().filter_map(|line| {
            let event = InputLogEvent::builder().timestamp(time.as_millisecond());
            event.message(line).build().ok()
        });
        let call = write.logs.put_log_events().log_group_name(group);
        let call = call.log_stream_name(&stream);
        let call = call.set_log_events(Some(events.collect()));
        let answer = call.send().await.or_fail(PUT)?;
        // Events of a clock that is hours wrong are left out without an error.
        if answer.rejected_log_events_info().is_some() {
            let why = "CloudWatch Logs did not take what the TTLs were: the clock here is wrong; nothing \
                       was changed, set it and run the command again";
            return Err(unusable(PUT, why));
        }
    }
    Ok(stream)
}

fn batches(lines: &BTreeSet<String>) -> Vec<Vec<&String>> {
    let mut batches: Vec<Vec<&String>> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        bytes += line.len() + 26;
        match batches.last_mut() {
            Some(batch) if bytes <= CALL_BYTES && batch.len() < CALL_EVENTS => batch.push(line),
            Some(_) | None => {
                batches.push(vec![line]);
                bytes = line.len() + 26;
            }
        }
    }
    batches
}

/// Reads what the journal keeps, by its tag.
pub async fn read(read: &Clients, desired: &Desired, stream: Option<&str>) -> Kept {
    let Some(stream) = stream else {
        return Ok(None);
    };
    let group = desired.journal_group();
    let told = |why: String| {
        format!(
            "{why} (log stream {stream} of {group}); apply again in a minute. If it is lost, remove the tag {} of \
             that log group: the TTLs then stay as they are",
            super::EVIDENCE_TTLS
        )
    };
    let lines = all(read, &group, stream).await;
    let lines = lines.map_err(|failure| told(failure.to_string()))?;
    parse(stream, &lines).map(Some).map_err(told)
}

async fn all(read: &Clients, group: &str, stream: &str) -> Result<BTreeSet<String>, Failure> {
    let mut lines = BTreeSet::new();
    let mut token: Option<String> = None;
    loop {
        let call = read.logs.get_log_events().log_group_name(group);
        let call = call.log_stream_name(stream).start_from_head(true);
        let page = call.set_next_token(token.clone()).send().await;
        let page = page.or_fail("logs:GetLogEvents")?;
        let events = page.events().iter();
        lines.extend(events.filter_map(|event| event.message().map(str::to_owned)));
        // The end is where the token is the one that was sent (API Reference, GetLogEvents).
        let next = page.next_forward_token().map(str::to_owned);
        if next.is_none() || next == token {
            return Ok(lines);
        }
        token = next;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn sets(number: usize) -> Vec<RecordSet> {
        let set = |n| RecordSet {
            name: format!("r{n}."),
            rtype: "TXT".into(),
            ttl_secs: Some(86_400),
            values: vec!["\"a \\\"b\\\" \\303\\274\"".into(), "x".repeat(900)],
            policy: (n % 2 == 0).then(|| "set identifier eu".into()),
            ..RecordSet::default()
        };
        (0..number).map(set).collect()
    }

    #[test]
    fn what_is_written_is_read_again_whole_or_not_at_all() {
        let mut sets = sets(9);
        let all = lines(&sets).unwrap();
        let stream = format!("ttls-2026-11-22T160000Z-{}", digest(&all));
        let mut again = parse(&stream, &all).unwrap();
        for list in [&mut sets, &mut again] {
            list.sort_by(|a, b| a.name.cmp(&b.name));
        }
        assert_eq!(again, sets);
        let mut less = all.clone();
        less.pop_first();
        assert!(parse(&stream, &less).is_err());
        assert!(parse(&stream, &BTreeSet::new()).is_err());
        let newer: BTreeSet<String> = all
            .iter()
            .map(|line| line.replace("\"version\":1", "\"version\":2"))
            .collect();
        let stream = format!("ttls-2026-11-22T160000Z-{}", digest(&newer));
        let told = parse(&stream, &newer).unwrap_err();
        assert!(told.contains("version is 2"), "{told}");
    }

    #[test]
    fn many_sets_are_written_in_calls_within_the_limits() {
        let lines = lines(&sets(3_000)).unwrap();
        let batches = batches(&lines);
        assert!(batches.len() > 3);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 3_000);
        for batch in batches {
            let bytes: usize = batch.iter().map(|line| line.len() + 26).sum();
            assert!(bytes <= CALL_BYTES && batch.len() <= CALL_EVENTS);
        }
    }
}
