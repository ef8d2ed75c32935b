//! Proves that no single call of apply or destroy is a bad moment to die, and none a bad one to fail.
//!
//! The real binary works on a simulated AWS with all its documented delays. For every call of a run, in
//! turn: the process dies before or after it, its answer is lost, it fails. Then the same command runs
//! once more, from an empty disk, and what it leaves must be what an undisturbed run leaves: one zone,
//! one key, one KSK, no lock, and an empty plan.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use spore_tests::cases::{Draw, each};
use spore_tests::stage::{DOMAIN, Run, Stage, record};

/// The longest pause between two polls of the tool.
const POLL_MAX: Duration = Duration::from_secs(10);
/// Room for the host's own time, which runs on while simulated waits are free.
const HOST_TIME: Duration = Duration::from_secs(20);

/// A fault of the sandbox at one call.
#[derive(Debug, Clone)]
struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SPORE_SANDBOX_FAULT={}", self.0)
    }
}

/// A world that an undisturbed apply left, and the calls it took.
fn applied() -> &'static (Stage, Vec<Value>) {
    static DONE: OnceLock<(Stage, Vec<Value>)> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::new();
        let lines = stage.path("record.jsonl");
        let run = stage.apply().env("SPORE_RECORD", &lines);
        run.done("apply").expect("an undisturbed apply works");
        stage
            .is_converged()
            .expect("an undisturbed apply converges");
        let lines = record(&lines);
        // Lists catch up, so that every later run takes the same calls however late it starts.
        settle(&stage);
        (stage, lines)
    })
}

fn settle(stage: &Stage) {
    let folder = format!("--sandbox={}", stage.world().display());
    let advance = stage.run(["sandbox", "advance", "1h", &folder]);
    advance.done("advance").expect("the clock can be moved");
}

/// The calls an undisturbed destroy takes, and the world it leaves.
fn destroyed() -> &'static (Stage, Vec<Value>) {
    static DONE: OnceLock<(Stage, Vec<Value>)> = OnceLock::new();
    DONE.get_or_init(|| {
        let stage = Stage::copy_of(&applied().0);
        let lines = stage.path("record.jsonl");
        let run = stage.destroy().env("SPORE_RECORD", &lines);
        run.done("destroy").expect("an undisturbed destroy works");
        stage
            .is_gone()
            .expect("an undisturbed destroy leaves nothing");
        (stage, record(&lines))
    })
}

/// Faults at the calls of a run that `choose` takes.
fn at_calls(calls: &[Value], choose: impl Fn(&Value) -> bool, forms: &[&str]) -> Vec<Fault> {
    let numbered = calls.iter().zip(1..).filter(|(call, _)| choose(call));
    numbered
        .flat_map(|(_, n)| {
            let n: usize = n;
            forms
                .iter()
                .map(move |form| Fault(form.replace('N', &n.to_string())))
        })
        .collect()
}

fn is_write(call: &Value) -> bool {
    call["wrote"] == true
}

/// A crash after every write. Nothing else is a state of its own: a crash before a call, or after a
/// read, leaves what the write before it left. The first call stands for a crash before any write.
fn at_every_crash(calls: &[Value]) -> Vec<Fault> {
    let mut faults = vec![Fault("crash-before:1".to_owned())];
    faults.extend(at_calls(calls, is_write, &["crash-after:N"]));
    faults
}

/// A crash after every call, reads included: so nobody has to believe that only writes count. And before
/// the first call of each operation; before any other leaves what the crash after its predecessor does.
fn at_every_call(calls: &[Value]) -> Vec<Fault> {
    let firsts = first_of_each(calls);
    let mut faults = at_calls(calls, |_| true, &["crash-after:N"]);
    let before = (1..).zip(&firsts).filter(|(_, first)| **first);
    faults.extend(before.map(|(n, _): (usize, _)| Fault(format!("crash-before:{n}"))));
    faults
}

/// Every case dies, but for a few at the end: how many calls a run makes differs by one or two, as polls
/// do, with the speed of the machine.
struct Deaths(AtomicUsize);

impl Deaths {
    fn count(&self, run: Run) -> Result<(), String> {
        let ended = run.end()?;
        match (ended.signal, ended.code) {
            (Some(9), _) => {
                self.0.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            (_, Some(0)) => Ok(()),
            _ => Err(format!("it was to die: {}", ended.tell())),
        }
    }

    fn judge(&self, cases: usize) {
        let dead = self.0.load(Ordering::Relaxed);
        assert!(dead + 10 >= cases, "only {dead} of {cases} runs died");
    }
}

/// The first call of each operation.
fn first_of_each(calls: &[Value]) -> Vec<bool> {
    let mut seen = BTreeSet::new();
    let name = |call: &Value| format!("{}.{}", call["service"], call["operation"]);
    calls.iter().map(|call| seen.insert(name(call))).collect()
}

/// Every write, and the first read of each sort, goes wrong in ways that make a difference; the ways
/// that retries hide, once for each sort of call.
fn at_every_failure(calls: &[Value]) -> Vec<Fault> {
    let firsts = first_of_each(calls);
    let is_first = |n: usize| firsts[n];
    let mut faults = at_calls(
        calls,
        is_write,
        &["lose-answer:N", "fail:N:AccessDeniedException"],
    );
    for (n, call) in calls.iter().enumerate().filter(|(n, _)| is_first(*n)) {
        let number = n + 1;
        faults.push(Fault(format!("fail:{number}:InternalFailure:2")));
        if !is_write(call) {
            faults.push(Fault(format!("fail:{number}:AccessDeniedException")));
        }
    }
    faults
}

#[test]
fn apply_survives_a_crash_before_and_after_each_call() {
    let faults = at_every_call(&applied().1);
    assert!(faults.len() > 150, "an apply takes many calls");
    let deaths = Deaths(AtomicUsize::new(0));
    each(&faults, |fault| {
        let stage = Stage::new();
        deaths.count(stage.apply().fault(&fault.0))?;
        stage.apply().done("apply again")?;
        stage.is_converged()
    });
    deaths.judge(faults.len());
}

#[test]
fn destroy_survives_a_crash_before_and_after_each_call() {
    let faults = at_every_call(&destroyed().1);
    assert!(faults.len() > 100, "a destroy takes many calls");
    let deaths = Deaths(AtomicUsize::new(0));
    each(&faults, |fault| {
        let stage = Stage::copy_of(&applied().0);
        deaths.count(stage.destroy().fault(&fault.0))?;
        stage.destroy().done("destroy again")?;
        stage.is_gone()
    });
    deaths.judge(faults.len());
}

#[test]
fn apply_works_after_a_destroy_that_crashed() {
    let faults = at_every_crash(&destroyed().1);
    let some: Vec<Fault> = faults.into_iter().step_by(4).collect();
    each(&some, |fault| {
        let stage = Stage::copy_of(&applied().0);
        stage.destroy().fault(&fault.0).dies("destroy")?;
        stage.apply().done("apply of what is half destroyed")?;
        stage.is_converged()?;
        stage.destroy().done("destroy")?;
        stage.apply().done("apply right after destroy")?;
        stage.is_converged()
    });
}

/// The first caller reference is used up, the second may or may not be: still one zone.
#[test]
fn apply_after_a_destroy_survives_a_crash_after_each_write() {
    let gone = Stage::copy_of(&destroyed().0);
    settle(&gone);
    let undisturbed = Stage::copy_of(&gone);
    let lines = undisturbed.path("record.jsonl");
    let run = undisturbed.apply().env("SPORE_RECORD", &lines);
    run.done("apply").expect("an undisturbed apply works");
    let faults = at_every_crash(&record(&lines));
    each(&faults, |fault| {
        let stage = Stage::copy_of(&gone);
        stage.apply().fault(&fault.0).dies("apply")?;
        stage.apply().done("apply again")?;
        stage.is_converged()
    });
}

/// A call that fails or whose answer is lost costs at most one more run; nothing is made twice.
#[test]
fn apply_survives_lost_answers_and_failures_of_each_call() {
    each(&at_every_failure(&applied().1), |fault| {
        let stage = Stage::new();
        let first = stage.apply().fault(&fault.0).end()?;
        if !matches!(first.code, Some(0 | 1)) {
            return Err(format!("apply was to end with 0 or 1: {}", first.tell()));
        }
        stage.apply().done("the next apply")?;
        stage.is_converged()
    });
}

/// A rate limit is outwaited in the same run, by the steps and by what surrounds them: lock, evidence,
/// history.
#[test]
fn apply_outwaits_rate_limits_of_every_write() {
    let mut writes: Vec<String> = applied()
        .1
        .iter()
        .filter(|line| line["wrote"] == true)
        .map(|line| format!("{}.{}", line["service"], line["operation"]).replace('"', ""))
        .collect();
    writes.sort();
    writes.dedup();
    assert!(
        writes.len() > 10,
        "an apply makes many sorts of writes: {writes:?}"
    );
    let faults: Vec<Fault> = writes
        .into_iter()
        .map(|write| Fault(format!("throttle:{write}:3")))
        .collect();
    each(&faults, |fault| {
        let stage = Stage::new();
        stage.apply().fault(&fault.0).done("a throttled apply")?;
        stage.is_converged()
    });
}

#[test]
fn destroy_survives_lost_answers_and_failures_of_each_call() {
    each(&at_every_failure(&destroyed().1), |fault| {
        let stage = Stage::copy_of(&applied().0);
        let first = stage.destroy().fault(&fault.0).end()?;
        // What can not be read is a reason to refuse: 4.
        if !matches!(first.code, Some(0 | 1 | 4)) {
            return Err(format!(
                "destroy was to end with 0, 1 or 4: {}",
                first.tell()
            ));
        }
        stage.destroy().done("the next destroy")?;
        stage.is_gone()
    });
}

/// An approved plan file goes on where its run died, and needs no second approval for that.
#[test]
fn a_plan_file_is_resumed_after_a_crash() {
    let faults = at_every_crash(&applied().1);
    let some: Vec<Fault> = faults.into_iter().skip(2).step_by(4).collect();
    each(&some, |fault| {
        let stage = Stage::new();
        let file = stage.path("approved.plan");
        let out = format!("--out={}", file.display());
        stage.on_world("plan", &[&out]).done("plan --out")?;
        let carry_out = || {
            let sandbox = format!("--sandbox={}", stage.world().display());
            stage.run(["apply"]).arg(&file).arg(sandbox)
        };
        carry_out().fault(&fault.0).dies("apply FILE")?;
        carry_out().done("apply FILE again")?;
        stage.is_converged()
    });
}

/// Two calls: the crash of a run, and of the run that was to repair it.
struct Pair(usize, usize);

impl fmt::Display for Pair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "SPORE_SANDBOX_FAULT=crash-after:{}, then crash-after:{}",
            self.0, self.1
        )
    }
}

#[test]
fn a_crash_during_the_recovery_of_a_crash_is_survived_too() {
    let calls = applied().1.len();
    let writes: Vec<usize> = (1..=calls)
        .filter(|n| applied().1[n - 1]["wrote"] == true)
        .collect();
    let mut draw = Draw(7);
    let mut pairs = Vec::new();
    for first in writes {
        // Early calls of the second run read and take the lock over, later ones repair.
        let second = 8 + usize::try_from(draw.below(110)).unwrap_or(0);
        pairs.push(Pair(first, second));
    }
    each(&pairs, |Pair(first, second)| {
        let stage = Stage::new();
        stage
            .apply()
            .fault(&format!("crash-after:{first}"))
            .dies("apply")?;
        let again = stage
            .apply()
            .fault(&format!("crash-after:{second}"))
            .end()?;
        // The second run may be through before its fault's turn comes.
        if again.signal != Some(9) && again.code != Some(0) {
            return Err(format!("the second apply: {}", again.tell()));
        }
        stage.apply().done("the third apply")?;
        stage.is_converged()
    });
}

/// A run that died on another machine can not be told from one that is slow: its lock is respected until
/// it is stale, then taken over with what it says about creations under way.
#[test]
fn a_crash_on_another_machine_is_waited_out_and_repaired() {
    let faults: Vec<Fault> = at_every_crash(&applied().1)
        .into_iter()
        .skip(2)
        .step_by(4)
        .collect();
    each(&faults, |fault| {
        let stage = Stage::new();
        stage.apply().fault(&fault.0).dies("apply")?;
        let before = stage.live()?.time().ok_or("a world has a time")?;
        let locked = move_lock_to_another_machine(&stage)?;
        let from_here = stage.path("from-here");
        let run = stage.apply().env("SPORE_RECORD", &from_here);
        run.done("apply from here")?;
        // Whoever died while giving the lock back left nothing to do: then nobody waits for it, and the
        // first run that finds it stale removes it.
        if record(&from_here).iter().all(|call| call["wrote"] == false) {
            let folder = format!("--sandbox={}", stage.world().display());
            let advance = stage.run(["sandbox", "advance", "15m", &folder]);
            advance.done("advance")?;
            stage.apply().done("apply once it is stale")?;
            return stage.is_converged();
        }
        stage.is_converged()?;
        let waited = stage
            .live()?
            .time()
            .ok_or("a world has a time")?
            .duration_since(before);
        if locked && waited < SignedDuration::from_mins(13) {
            return Err(format!(
                "the lock of a machine that may live was broken after {waited:#}"
            ));
        }
        Ok(())
    });
}

/// Renames the holder in the stored world. False when the dead run held no lock.
fn move_lock_to_another_machine(stage: &Stage) -> Result<bool, String> {
    let path = stage.world().join("world.json");
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let tag = "\"spore:lock-holder\":\"";
    let mut parts = text.replace("\": \"", "\":\"");
    if !parts.contains(tag) {
        return Ok(false);
    }
    let mut moved = String::new();
    while let Some((head, tail)) = parts.split_once(tag) {
        let (_, rest) = tail.split_once('"').ok_or("a holder ends")?;
        moved.push_str(&format!("{head}{tag}laptop/another-boot/4711/1\""));
        parts = rest.to_owned();
    }
    moved.push_str(&parts);
    std::fs::write(&path, moved).map_err(|error| error.to_string())?;
    Ok(true)
}

/// Time is AWS's, not ours: a run takes as long as its longest chain of changes, and a poll for each.
#[test]
fn runs_wait_no_longer_than_aws_makes_them() {
    for (name, (stage, calls)) in [("apply", applied()), ("destroy", destroyed())] {
        let times: Vec<Timestamp> = calls
            .iter()
            .filter_map(|call| call["time"].as_str()?.parse().ok())
            .collect();
        let (first, last) = (times[0], times[times.len() - 1]);
        let changes = stage.live().expect("the world is stored").changes();
        // Longest chain of changes of this run that each began after the one before was in sync.
        let mut chains: Vec<(Timestamp, SignedDuration, u32)> = Vec::new();
        for change in changes.iter().filter(|change| change.submitted_at >= first) {
            let own = change.in_sync_at.duration_since(change.submitted_at);
            let before = chains
                .iter()
                .filter(|(end, ..)| *end <= change.submitted_at);
            let (sum, links) = before
                .map(|(_, sum, links)| (*sum, *links))
                .max()
                .unwrap_or((SignedDuration::ZERO, 0));
            chains.push((change.in_sync_at, sum + own, links + 1));
        }
        let longest = chains.iter().map(|(_, sum, links)| (*sum, *links)).max();
        let (sum, links) = longest.expect("a run changes zones");
        let polls = SignedDuration::try_from(POLL_MAX * links + HOST_TIME).expect("small");
        let took = last.duration_since(first);
        assert!(
            took <= sum + polls,
            "{name} took {took:#}, AWS's longest chain of {links} changes {sum:#}"
        );
    }
}

#[test]
fn two_applies_in_a_row_write_once() {
    let stage = Stage::copy_of(&applied().0);
    let lines = stage.path("again.jsonl");
    let run = stage.apply().env("SPORE_RECORD", &lines);
    run.done("apply").expect("apply of what is there works");
    let wrote: Vec<Value> = record(&lines);
    assert!(!wrote.is_empty(), "the record has the reads");
    assert!(
        wrote.iter().all(|call| call["wrote"] == false),
        "a second apply wrote"
    );
    assert_eq!(stage.live().expect("stored").zones(DOMAIN).len(), 1);
}
