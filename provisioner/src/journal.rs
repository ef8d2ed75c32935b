//! The edge to the journal in AWS: the lock, the intents of creates, the history.
//!
//! The lock is a log group, made in one atomic call. Whoever finds it held waits, or takes it over
//! when its holder is known to be dead (a process of this host that no longer runs) or has shown no
//! sign of life for [`STALE`]. A take-over is again one atomic call: a log stream whose name is the
//! number of the take-over; the winner then writes its name and that number into the tags.
//!
//! A run that ends while lists may still hide what it created leaves the lock to [`NOBODY`], with its
//! intents: the next run takes it at once and knows what to look for.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use jiff::Timestamp;

use crate::addr::Addr;
use crate::aws::{Answer as _, Clients};
use crate::clock::Clock;
use crate::condition::{LIST_LAG, STALE, later};
use crate::desired::Desired;
use crate::kind::journal_group::{
    EVIDENCE_DELEGATED, EVIDENCE_DS_GONE, EVIDENCE_DS_TTL, ParentSeen,
};
use crate::retry::{self, Class, Failure};
use crate::snapshot::{LockSeen, holder_words};
use crate::tags;

/// How often a holder shows it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(60);
/// A holder that could not renew for this long stops: another may take over soon after.
pub const LOST: Duration = Duration::from_secs(10 * 60);

const TAG_HOLDER: &str = "spore:lock-holder";
const TAG_BEAT: &str = "spore:lock-beat";
const TAG_PLAN: &str = "spore:lock-plan";
const TAG_INTENT: &str = "spore:intent:";

/// The holder of a lock that was given back but not removed, because it has intents to tell.
pub const NOBODY: &str = "nobody";
const TAKEN_OVER: &str = "another run has taken the lock over";
/// Number of the take-over after which the holder wrote its name.
const TAG_TAKEOVER: &str = "spore:lock-takeover";

/// A lock that this run holds.
#[derive(Debug)]
pub struct Lock {
    name: String,
    arn: String,
    /// Intents of an earlier holder, for the planner.
    pub seen: LockSeen,
    beat: Timestamp,
    /// Whether another run was seen to hold it since.
    taken_over: bool,
    clock: Clock,
}

/// What an attempt to take the lock gave.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Box<Lock>),
    /// Somebody else holds it, and may until this time.
    Held {
        /// Who.
        holder: String,
        /// When it would be stale.
        until: Timestamp,
    },
}

/// Tries once to take the lock.
pub async fn take(
    write: &Clients,
    clock: &Clock,
    desired: &Desired,
    digest: &str,
) -> Result<Taken, Failure> {
    let (name, me) = (desired.lock_group(), process_here());
    let arn = desired.log_group_arn(&name);
    let now = clock.now();
    let mut tags = desired.tags();
    tags.insert(TAG_HOLDER.into(), me.clone());
    tags.insert(TAG_BEAT.into(), stamp(now));
    tags.insert(
        TAG_PLAN.into(),
        digest.get(..16).unwrap_or(digest).to_owned(),
    );
    let lock = |intents| Lock {
        name: name.clone(),
        arn: arn.clone(),
        seen: LockSeen {
            holder: me.clone(),
            own: true,
            is_abandoned: false,
            beat: now,
            intents,
        },
        beat: now,
        taken_over: false,
        clock: clock.clone(),
    };
    let call = write.logs.create_log_group().log_group_name(&name);
    let call = call.set_tags(Some(tags.clone().into_iter().collect()));
    match unthrottled(clock, async || {
        call.clone().send().await.or_fail("logs:CreateLogGroup")
    })
    .await
    {
        Ok(_) => return Ok(Taken::Ours(Box::new(lock(BTreeMap::new())))),
        Err(failure) if failure.class == Class::AlreadyThere => {}
        Err(failure) => return Err(failure),
    }
    let looked = unthrottled(clock, async || look_closely(write, &arn).await).await?;
    let Some((seen, written)) = looked else {
        // Released in between: the next attempt takes it.
        return Ok(Taken::Held {
            holder: "another run, which just ended".into(),
            until: now,
        });
    };
    let (takeovers, newest) = unthrottled(clock, async || takeovers(write, &name).await).await?;
    let alive_at = newest.map_or(seen.beat, |newest| newest.max(seen.beat));
    let until = later(alive_at, STALE);
    // The name in the tags is that of the last holder only when no later take-over is under way. Of a
    // take-over under way nobody can tell who makes it, as a log stream's name is all that one atomic
    // call can write and it has to be the same for all who try: whoever died between that call and its
    // tags is told from one who is slow only by time. It takes two deaths, the second between two calls
    // that follow each other, to wait those 15 min.
    let free = seen.is_abandoned && takeovers == written;
    if now < until && !free {
        return Ok(Taken::Held {
            holder: holder_words(&seen.holder),
            until,
        });
    }
    let stream = format!("takeover-{:06}", takeovers + 1);
    let call = write
        .logs
        .create_log_stream()
        .log_group_name(&name)
        .log_stream_name(stream);
    match unthrottled(clock, async || {
        call.clone().send().await.or_fail("logs:CreateLogStream")
    })
    .await
    {
        Ok(_) => {}
        Err(failure) if failure.class == Class::AlreadyThere => {
            return Ok(Taken::Held {
                holder: "another run, which took over first".into(),
                until,
            });
        }
        Err(failure) => return Err(failure),
    }
    tags.insert(TAG_TAKEOVER.into(), (takeovers + 1).to_string());
    let call = write.logs.tag_resource().resource_arn(&arn);
    let call = call.set_tags(Some(tags.into_iter().collect()));
    unthrottled(clock, async || {
        call.clone().send().await.or_fail("logs:TagResource")
    })
    .await?;
    Ok(Taken::Ours(Box::new(lock(seen.intents))))
}

/// Attempts at a call that a rate limit refuses, with pauses of 1 to 16 s in between.
const THROTTLED_MAX: u32 = 8;

/// Repeats a call that a rate limit refused: such a call was not carried out. (Steps of a plan are
/// repeated by `run`; what surrounds them is repeated here.)
async fn unthrottled<T>(
    clock: &Clock,
    mut call: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    for number in 1..THROTTLED_MAX {
        let answer = call().await;
        let throttled = matches!(&answer, Err(failure) if failure.class == Class::Throttled);
        if !throttled {
            return answer;
        }
        let again = later(clock.now(), retry::pause(number));
        clock.sleep_until(again).await?;
    }
    call().await
}

/// The lock as it is, without taking it.
pub async fn look(read: &Clients, desired: &Desired) -> Result<Option<LockSeen>, Failure> {
    let arn = desired.log_group_arn(&desired.lock_group());
    let seen = look_closely(read, &arn).await?;
    Ok(seen.map(|(lock, _)| lock))
}

/// The lock, and the number of the take-over that its holder wrote down.
async fn look_closely(read: &Clients, arn: &str) -> Result<Option<(LockSeen, usize)>, Failure> {
    let Some(tags) = tags::of_log_group(read, arn).await? else {
        return Ok(None);
    };
    let time = |text: &String| text.parse::<Timestamp>().ok();
    let takeover = tags
        .get(TAG_TAKEOVER)
        .and_then(|number| number.parse().ok());
    let holder = tags.get(TAG_HOLDER).map_or("unknown", String::as_str);
    let lock = LockSeen {
        holder: holder.to_owned(),
        own: false,
        is_abandoned: holder == NOBODY || is_dead_here(holder),
        // A lock without a readable time is as old as can be: its holder never wrote one.
        beat: tags
            .get(TAG_BEAT)
            .and_then(time)
            .unwrap_or(Timestamp::UNIX_EPOCH),
        intents: tags
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix(TAG_INTENT)?.to_owned(), time(value)?))
            })
            .collect(),
    };
    Ok(Some((lock, takeover.unwrap_or(0))))
}

async fn takeovers(read: &Clients, group: &str) -> Result<(usize, Option<Timestamp>), Failure> {
    let mut pages = read
        .logs
        .describe_log_streams()
        .log_group_name(group)
        .into_paginator()
        .send();
    let (mut count, mut newest) = (0, None);
    while let Some(page) = pages.next().await {
        let page = page.or_fail("logs:DescribeLogStreams")?;
        for stream in page.log_streams() {
            count += 1;
            let made = stream
                .creation_time()
                .and_then(|ms| Timestamp::from_millisecond(ms).ok());
            newest = newest.max(made);
        }
    }
    Ok((count, newest))
}

impl Lock {
    /// When the next sign of life is due.
    pub fn next_beat(&self) -> Timestamp {
        later(self.beat, HEARTBEAT)
    }

    /// Why nothing more may be written under this lock, if so: another run has taken it over, or
    /// renewing failed for so long that one may soon.
    pub fn lost(&self, now: Timestamp) -> Option<&'static str> {
        if self.taken_over {
            Some(TAKEN_OVER)
        } else if !self.clock.is_virtual() && now >= later(self.beat, LOST) {
            Some("the lock could not be renewed for 10 min; another run may have it")
        } else {
            None
        }
    }

    /// Reads whose lock it is before writing to it: a run that was suspended while another took over
    /// must neither renew that run's lock nor write anything else.
    async fn verify(&mut self, read: &Clients, operation: &str) -> Result<(), Failure> {
        let looked = unthrottled(&self.clock, async || look_closely(read, &self.arn).await).await?;
        if looked.is_some_and(|(seen, _)| seen.holder == self.seen.holder) {
            return Ok(());
        }
        self.taken_over = true;
        Err(Failure {
            operation: operation.to_owned(),
            class: Class::Refused,
            code: String::new(),
            message: TAKEN_OVER.to_owned(),
        })
    }

    /// Shows that the holder lives.
    pub async fn renew(&mut self, write: &Clients, now: Timestamp) -> Result<(), Failure> {
        self.verify(write, "logs:TagResource").await?;
        let call = write
            .logs
            .tag_resource()
            .resource_arn(&self.arn)
            .tags(TAG_BEAT, stamp(now));
        unthrottled(&self.clock, async || {
            call.clone().send().await.or_fail("logs:TagResource")
        })
        .await?;
        self.beat = now;
        Ok(())
    }

    /// Writes down that a create is about to be made, before it is made: should its answer be lost
    /// with this process, the next run waits until lists are complete.
    pub async fn intend(
        &mut self,
        write: &Clients,
        addr: &Addr,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.verify(write, "logs:TagResource").await?;
        let word = addr.kind().word();
        let key = format!("{TAG_INTENT}{word}");
        let call = write
            .logs
            .tag_resource()
            .resource_arn(&self.arn)
            .tags(key, stamp(now));
        unthrottled(&self.clock, async || {
            call.clone()
                .tags(TAG_BEAT, stamp(now))
                .send()
                .await
                .or_fail("logs:TagResource")
        })
        .await?;
        self.beat = now;
        self.seen.intents.insert(word.to_owned(), now);
        Ok(())
    }

    /// The run converged: whatever was created is known to it and to the journal.
    pub fn forget_intents(&mut self) {
        self.seen.intents.clear();
    }

    /// Gives the lock back. While lists may still hide what was created under it, it stays, held by
    /// nobody: the next run has to know of the intents, or it would make a second key.
    ///
    /// A lock that another run has taken over is that run's, and stays.
    pub async fn release(self, write: &Clients, now: Timestamp) -> Result<(), Failure> {
        let looked =
            unthrottled(&self.clock, async || look_closely(write, &self.arn).await).await?;
        if looked.is_none_or(|(seen, _)| seen.holder != self.seen.holder) {
            return Ok(());
        }
        let fresh = |since: &Timestamp| now < later(*since, LIST_LAG);
        if self.seen.intents.values().any(fresh) {
            let call = write.logs.tag_resource().resource_arn(&self.arn);
            let call = call.tags(TAG_HOLDER, NOBODY).tags(TAG_BEAT, stamp(now));
            return match unthrottled(&self.clock, async || {
                call.clone().send().await.or_fail("logs:TagResource")
            })
            .await
            {
                Ok(_) => Ok(()),
                Err(failure) if failure.class == Class::Gone => Ok(()),
                Err(failure) => Err(failure),
            };
        }
        let call = write.logs.delete_log_group().log_group_name(&self.name);
        match unthrottled(&self.clock, async || {
            call.clone().send().await.or_fail("logs:DeleteLogGroup")
        })
        .await
        {
            Ok(_) => Ok(()),
            Err(failure) if failure.class == Class::Gone => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// Writes what a run did into the journal's history.
pub async fn record(
    write: &Clients,
    clock: &Clock,
    desired: &Desired,
    started: Timestamp,
    lines: Vec<(Timestamp, String)>,
) -> Result<(), Failure> {
    let group = desired.journal_group();
    let stream = format!(
        "{}-{}",
        stamp(started).replace(':', ""),
        process_here().replace(':', "")
    );
    let call = write
        .logs
        .create_log_stream()
        .log_group_name(&group)
        .log_stream_name(&stream);
    match unthrottled(clock, async || {
        call.clone().send().await.or_fail("logs:CreateLogStream")
    })
    .await
    {
        Ok(_) => {}
        Err(failure) if failure.class == Class::AlreadyThere => {}
        Err(failure) => return Err(failure),
    }
    for batch in batches(lines) {
        let mut events = Vec::new();
        for (time, line) in batch {
            let event = InputLogEvent::builder()
                .timestamp(time.as_millisecond())
                .message(line);
            events.extend(event.build());
        }
        let call = write
            .logs
            .put_log_events()
            .log_group_name(&group)
            .log_stream_name(&stream)
            .set_log_events(Some(events));
        unthrottled(clock, async || {
            call.clone().send().await.or_fail("logs:PutLogEvents")
        })
        .await?;
    }
    Ok(())
}

/// The longest span of one batch of events (CloudWatch Logs API, PutLogEvents: 24 hours), less a second
/// for what rounding could add.
const BATCH_SPAN: Duration = Duration::from_secs(86_399);
/// The most events of one batch (same page: 10,000, or 1 MiB with 26 bytes more for each; ours have a few
/// hundred bytes).
const BATCH_EVENTS: usize = 1_000;

/// Lines in batches that one call takes; a run that waited for days has several.
fn batches(lines: Vec<(Timestamp, String)>) -> Vec<Vec<(Timestamp, String)>> {
    let mut batches: Vec<Vec<(Timestamp, String)>> = Vec::new();
    for (time, line) in lines {
        let fits = |batch: &Vec<(Timestamp, String)>| {
            let first = batch.first().map_or(time, |(first, _)| *first);
            batch.len() < BATCH_EVENTS && time <= later(first, BATCH_SPAN)
        };
        match batches.last_mut() {
            Some(batch) if fits(batch) => batch.push((time, line)),
            Some(_) | None => batches.push(vec![(time, line)]),
        }
    }
    batches
}

/// Writes down what was seen of the parent's records, for a later hold-down. The caller holds the lock. A
/// TTL comes before the outdated evidence goes: a run that dies in between waits too long.
pub async fn remember_parent(
    write: &Clients,
    clock: &Clock,
    desired: &Desired,
    seen: ParentSeen,
) -> Result<(), Failure> {
    let arn = desired.log_group_arn(&desired.journal_group());
    let ttls = [
        (EVIDENCE_DS_TTL, seen.ds_ttl_secs),
        (EVIDENCE_DELEGATED, seen.ns_ttl_secs),
    ];
    if ttls.iter().any(|(_, ttl)| ttl.is_some()) {
        let mut call = write.logs.tag_resource().resource_arn(&arn);
        for (key, ttl) in ttls {
            if let Some(ttl) = ttl {
                call = call.tags(key, ttl.to_string());
            }
        }
        unthrottled(clock, async || {
            call.clone().send().await.or_fail("logs:TagResource")
        })
        .await?;
    }
    if seen.is_back {
        let call = write.logs.untag_resource().resource_arn(&arn);
        let call = call.tag_keys(EVIDENCE_DS_GONE);
        unthrottled(clock, async || {
            call.clone().send().await.or_fail("logs:UntagResource")
        })
        .await?;
    }
    Ok(())
}

/// RFC 3339 in whole seconds: the characters CloudWatch Logs allows in tag values.
pub fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `HOST/BOOT/PID/START` of this process: tells it from another of the same number.
fn process_here() -> String {
    let pid = rustix::process::getpid().as_raw_nonzero();
    let (host, boot) = host_and_boot();
    let start = start_ticks(&pid.to_string()).unwrap_or_default();
    format!("{host}/{boot}/{pid}/{start}")
}

/// Whether the holder was a process of this host and boot that no longer runs. Anything that cannot
/// be told is not dead.
fn is_dead_here(holder: &str) -> bool {
    let mut parts = holder.split('/');
    let (Some(host), Some(boot), Some(pid), Some(start)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (here, this_boot) = host_and_boot();
    if host != here || boot.is_empty() || start.is_empty() {
        return false;
    }
    boot != this_boot || start_ticks(pid).is_none_or(|ticks| ticks != start)
}

fn host_and_boot() -> (String, String) {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || "_.-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let host = name.chars().map(allowed).collect();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    (host, boot.trim().to_owned())
}

/// Start time of a process in clock ticks since boot: field 22 of proc(5) stat, counted after the
/// command, which may hold blanks and parentheses.
fn start_ticks(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_command = stat.rsplit_once(')')?.1;
    after_command.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_of_days_is_written_in_batches_of_a_day() {
        let start: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        let at = |hours: u64| later(start, Duration::from_secs(hours * 3_600));
        let sizes = |hours: &[u64]| {
            let lines = hours.iter().map(|hours| (at(*hours), "line".to_owned()));
            let batches = batches(lines.collect());
            batches.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[0, 0, 23]), [3]);
        assert_eq!(sizes(&[0, 1, 24, 25, 47, 48]), [2, 3, 1]);
        assert_eq!(sizes(&[5; 2_500]), [1_000, 1_000, 500]);
    }

    #[test]
    fn this_process_lives_and_others_are_told_apart() {
        let here = process_here();
        assert!(!is_dead_here(&here));
        let mut parts: Vec<&str> = here.split('/').collect();
        let (host, start) = (parts[0].to_owned(), parts[3].to_owned());
        assert_eq!(
            holder_words(&here),
            format!("process {} on {host}", parts[2])
        );
        // The same number started at another time is another process, and this one is gone.
        let later = format!("{start}1");
        parts[3] = &later;
        assert!(is_dead_here(&parts.join("/")));
        // Of another host nobody here can tell.
        parts[0] = "elsewhere";
        assert!(!is_dead_here(&parts.join("/")));
        for unreadable in ["", "unknown", "a/b/c", "vm//1/2", "vm/b/1/"] {
            assert!(!is_dead_here(unreadable), "{unreadable:?}");
        }
    }
}
