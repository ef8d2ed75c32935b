//! Proves that SIGKILL, at any moment and of either process, loses no write that was answered, and that
//! two runs at once make nothing twice.
//!
//! Moments are drawn from a seed that is printed; `SPORE_TEST_SEED` repeats a run as far as the machine's
//! scheduling allows.

use std::collections::BTreeSet;
use std::env;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use spore_tests::cases::Draw;
use spore_tests::live::Live;
use spore_tests::served::{Served, create_log_group};
use spore_tests::stage::{DOMAIN, Finished, Stage, record};

#[expect(clippy::print_stderr, reason = "the seed repeats a failing run")]
fn draw(test: &str) -> Draw {
    let seed = env::var("SPORE_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20_261_122);
    eprintln!("{test}: SPORE_TEST_SEED={seed}");
    Draw(seed)
}

fn pause(draw: &mut Draw, most: Duration) {
    let micros = draw.below(u64::try_from(most.as_micros()).unwrap_or(u64::MAX));
    thread::sleep(Duration::from_micros(micros));
}

fn kill(mut child: Child) -> Finished {
    child.kill().ok();
    Finished::of(child.wait_with_output().expect("a child can be waited for"))
}

/// Calls of a name that were answered with success, by the record, which is written before the answer.
fn answered(lines: &[Value], operation: &str) -> usize {
    let of = |line: &&Value| line["operation"] == operation && line["wrote"] == true;
    lines.iter().filter(of).count()
}

#[test]
fn killing_the_tool_loses_nothing() {
    let mut draw = draw("killing_the_tool_loses_nothing");
    let clean = Stage::new();
    let start = Instant::now();
    clean
        .apply()
        .done("apply")
        .expect("an undisturbed apply works");
    let whole = start.elapsed();

    let mut killed = 0;
    let mut stage = Stage::new();
    let mut round = 0;
    while killed < 50 {
        round += 1;
        assert!(
            round < 500,
            "the kills come too late: {killed} of {round} rounds"
        );
        let lines = stage.path("record.jsonl");
        let child = stage.apply().env("SPORE_RECORD", &lines).spawn();
        pause(&mut draw, whole);
        let ended = kill(child);
        let written = stage.world().join("world.json").exists();
        killed += usize::from(ended.signal == Some(9));
        if ended.signal != Some(9) {
            assert_eq!(ended.code, Some(0), "{}", ended.tell());
            stage
                .is_converged()
                .expect("an apply that ended has converged");
            stage = Stage::new();
            continue;
        }
        let lines = record(&lines);
        if !written {
            assert!(
                lines.iter().all(|line| line["wrote"] == false),
                "an answered write is lost"
            );
            continue;
        }
        let live = stage.live().expect("world.json is whole");
        let zones = live.zones(DOMAIN);
        let ksks = |zone: &&Value| zone["ksks"].as_object().map_or(0, |ksks| ksks.len());
        // What was answered is there; one more may be, stored but not answered any more.
        for (what, is, answered) in [
            ("zones", zones.len(), answered(&lines, "CreateHostedZone")),
            ("keys", live.keys().len(), answered(&lines, "CreateKey")),
            (
                "aliases",
                live.aliases().len(),
                answered(&lines, "CreateAlias"),
            ),
            (
                "KSKs",
                zones.first().map_or(0, ksks),
                answered(&lines, "CreateKeySigningKey"),
            ),
        ] {
            assert!(
                is >= answered,
                "{answered} {what} were answered, {is} are stored"
            );
        }
        // One of each purpose, however often it was started again.
        let logs_keys = live.keys().len() - live.signing_keys().len();
        for (what, is) in [
            ("zones", zones.len()),
            ("keys that sign", live.signing_keys().len()),
            ("keys for logs", logs_keys),
            ("KSKs", zones.first().map_or(0, ksks)),
        ] {
            assert!(is <= 1, "{is} {what}");
        }
        let ours = [
            "alias/spore-spore_example_edu",
            "alias/spore-spore_example_edu-logs",
        ];
        for (alias, _) in live.aliases() {
            assert!(ours.contains(&alias), "{alias}");
        }
    }
    stage
        .apply()
        .done("the last apply")
        .expect("the last apply works");
    stage
        .is_converged()
        .expect("after all kills the world is as it should be");
}

#[test]
fn killing_the_server_loses_no_answered_write() {
    let mut draw = draw("killing_the_server_loses_no_answered_write");
    let stage = Stage::new();
    // Making a world takes a slow machine longer than the kills would leave it.
    let start = Instant::now();
    let server = Served::start(&stage);
    let first = "/before-all-kills".to_owned();
    assert!(create_log_group(&server.address(), &first));
    server.kill();
    let whole = start.elapsed();

    let mut sent = BTreeSet::from([first.clone()]);
    let mut kept = BTreeSet::from([first]);
    for round in 0..30 {
        let server = Served::start(&stage);
        let address = server.address();
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let address = address.clone();
                thread::spawn(move || {
                    let mut names = (BTreeSet::new(), BTreeSet::new());
                    for number in 0.. {
                        let name = format!("/round-{round}/client-{client}/group-{number}");
                        names.0.insert(name.clone());
                        if !create_log_group(&address, &name) {
                            break;
                        }
                        names.1.insert(name);
                    }
                    names
                })
            })
            .collect();
        pause(&mut draw, whole.max(Duration::from_millis(150)));
        server.kill();
        for client in clients {
            let (asked, answered) = client.join().expect("a client does not panic");
            sent.extend(asked);
            kept.extend(answered);
        }
        let live = Live::read(&stage.world()).expect("world.json is neither gone nor torn");
        let stored: BTreeSet<String> = live.log_groups().into_iter().map(str::to_owned).collect();
        let lost: Vec<_> = kept.difference(&stored).collect();
        assert!(
            lost.is_empty(),
            "answered and lost in round {round}: {lost:?}"
        );
        let invented: Vec<_> = stored.difference(&sent).collect();
        assert!(invented.is_empty(), "never asked for: {invented:?}");
    }
    assert!(
        kept.len() > 30,
        "the clients came to {} writes only",
        kept.len()
    );
}

#[test]
fn killing_the_server_under_an_apply_is_repaired_by_the_next() {
    let mut draw = draw("killing_the_server_under_an_apply_is_repaired_by_the_next");
    let stage = Stage::new();
    for _ in 0..6 {
        let server = Served::start(&stage);
        let child = stage.apply().spawn();
        pause(&mut draw, Duration::from_millis(400));
        server.kill();
        // The rest of the run would be spent on retries against nobody.
        kill(child);
    }
    stage.apply().done("apply").expect("the next apply works");
    stage.is_converged().expect("and converges");
}

#[test]
fn two_applies_at_once_make_one_stack() {
    let stage = Stage::new();
    let server = Served::start(&stage);
    let both = [stage.apply().spawn(), stage.apply().spawn()];
    for child in both {
        let ended = Finished::of(child.wait_with_output().expect("it can be waited for"));
        assert_eq!(ended.code, Some(0), "{}", ended.tell());
    }
    server.kill();
    stage.is_converged().expect("one stack");
    assert_eq!(
        stage.live().expect("stored").signing_keys().len(),
        1,
        "no key was made twice"
    );
}
