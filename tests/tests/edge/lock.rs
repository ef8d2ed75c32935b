//! The lock: who holds it is looked at before anything is written under it, and a run whose clock stops
//! ends.

use std::future::pending;
use std::time::Duration;

use spore_infra::addr::Kind;
use spore_infra::apply::{Driver, Progress};
use spore_infra::condition::LIST_LAG;
use spore_infra::journal::{self, Lock, Taken};
use spore_infra::plan::{Goal, Report};
use spore_infra::snapshot::LockSeen;
use spore_sandbox::door::Options;
use spore_tests::bench::{Bench, run};
use spore_tests::stage::open_world;

use super::{bench, desired};

/// Another machine's process.
const OTHER: &str = "laptop/another-boot/4711/1";

async fn take(bench: &Bench) -> Lock {
    match journal::take(&bench.write, &bench.clock, &bench.desired, "0123").await {
        Ok(Taken::Ours(lock)) => *lock,
        other => panic!("the lock is free: {other:?}"),
    }
}

/// What a run that took over writes.
async fn hand_to(bench: &Bench, holder: &str) {
    let arn = bench.desired.log_group_arn(&bench.desired.lock_group());
    let call = bench.write.logs.tag_resource().resource_arn(arn);
    let call = call.tags("spore:lock-holder", holder);
    let beat = journal::stamp(bench.clock.now());
    call.tags("spore:lock-beat", beat).send().await.unwrap();
}

async fn seen(bench: &Bench) -> Option<LockSeen> {
    journal::look(&bench.read, &bench.desired).await.unwrap()
}

#[test]
fn a_lock_that_was_taken_over_is_neither_renewed_nor_written_to_nor_removed() {
    run(async {
        let bench = bench().await;
        let mut lock = take(&bench).await;
        lock.renew(&bench.write, bench.clock.now()).await.unwrap();
        assert_eq!(lock.lost(bench.clock.now()), None);
        hand_to(&bench, OTHER).await;
        let theirs = seen(&bench).await.unwrap();
        bench.advance(Duration::from_secs(90));

        let now = bench.clock.now();
        let refused = lock.renew(&bench.write, now).await.unwrap_err();
        assert!(refused.message.contains("taken the lock over"), "{refused}");
        // From here on nothing is written under it, whatever the time.
        assert!(lock.lost(now).is_some());
        assert_eq!(
            seen(&bench).await.unwrap(),
            theirs,
            "not a word was changed"
        );
        lock.release(&bench.write, now).await.unwrap();
        assert_eq!(seen(&bench).await.unwrap(), theirs, "nor was it removed");
    });
}

#[test]
fn no_create_is_begun_under_a_lock_that_was_taken_over() {
    run(async {
        let bench = bench().await;
        let mut lock = take(&bench).await;
        hand_to(&bench, OTHER).await;
        let zone = bench.desired.addr(Kind::HostedZone);
        let now = bench.clock.now();
        assert!(lock.intend(&bench.write, &zone, now).await.is_err());
        assert!(seen(&bench).await.unwrap().intents.is_empty());

        let plan = bench.plan(&Goal::Converge, Some(lock.seen.clone())).await;
        let mut driver = Driver {
            write: &bench.write,
            clock: &bench.clock,
            dns: &bench.dns,
            desired: &bench.desired,
            wait_max: None,
            tell: &mut |_| {},
        };
        let before = bench.sandbox.recorded().len();
        driver.drive(&plan, &mut lock, pending()).await.unwrap();
        let calls = bench.sandbox.recorded().split_off(before);
        let written: Vec<_> = calls.iter().filter(|call| call.wrote).collect();
        assert!(written.is_empty(), "{written:?}");
    });
}

/// A lock that was removed by hand is nobody's, and not made again under the run's feet.
#[test]
fn a_lock_that_is_gone_is_lost() {
    run(async {
        let bench = bench().await;
        let mut lock = take(&bench).await;
        let call = bench.write.logs.delete_log_group();
        let call = call.log_group_name(bench.desired.lock_group());
        call.send().await.unwrap();
        assert!(lock.renew(&bench.write, bench.clock.now()).await.is_err());
        assert!(lock.lost(bench.clock.now()).is_some());
        assert_eq!(seen(&bench).await, None);
    });
}

#[test]
fn a_plan_tells_a_run_at_work_from_one_that_left_its_lock() {
    run(async {
        let bench = bench().await;
        let mut lock = take(&bench).await;
        // A plan that is only shown learns of a lock from the list of log groups.
        bench.advance(LIST_LAG);
        lock.renew(&bench.write, bench.clock.now()).await.unwrap();
        let is_left = async || {
            let plan = bench.plan(&Goal::Converge, None).await;
            let found = plan.report.iter().find_map(|report| match report {
                Report::AtWork { .. } => Some(false),
                Report::LeftoverLock { .. } => Some(true),
                Report::UpToDate(_)
                | Report::Blocked { .. }
                | Report::HeldBack { .. }
                | Report::External { .. }
                | Report::Accepted { .. }
                | Report::Waiting { .. }
                | Report::Warning { .. }
                | Report::UnderWay { .. }
                | Report::Left { .. } => None,
            });
            found.unwrap()
        };
        // This very process lives.
        assert!(!is_left().await);
        hand_to(&bench, OTHER).await;
        assert!(!is_left().await, "a fresh sign of life");
        bench.advance(Duration::from_secs(15 * 60));
        assert!(is_left().await, "none for 15 min");
        hand_to(&bench, journal::NOBODY).await;
        assert!(is_left().await);
    });
}

/// Time that cannot be stored did not pass: the run ends with the folder's error, and does not poll on.
#[test]
fn a_run_whose_world_can_no_longer_be_stored_ends() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = open_world(&dir.path().join("world"), &Options::default());
        let bench = Bench::on(sandbox, desired("")).await;
        let mut lock = take(&bench).await;
        let plan = bench.plan(&Goal::Converge, Some(lock.seen.clone())).await;
        let mut dir = Some(dir);
        let mut driver = Driver {
            write: &bench.write,
            clock: &bench.clock,
            dns: &bench.dns,
            desired: &bench.desired,
            wait_max: None,
            tell: &mut |progress| {
                if matches!(progress, Progress::Waiting { .. })
                    && let Some(dir) = dir.take()
                {
                    dir.close().unwrap();
                }
            },
        };
        let ended = driver.drive(&plan, &mut lock, pending()).await;
        let stopped = ended.err().unwrap().to_string();
        assert!(stopped.contains("world"), "{stopped}");
    });
}
