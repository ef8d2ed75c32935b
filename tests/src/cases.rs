//! Many cases of one test, on all processors, with every failure told and how to see it again.

use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs every case and fails with all failures, in the order of the cases.
///
/// # Panics
/// When a case fails.
pub fn each<C: Display + Sync>(cases: &[C], check: impl Fn(&C) -> Result<(), String> + Sync) {
    each_by(1, cases, check);
}

/// The same for cases that wait more than they work: four of them for each processor.
///
/// # Panics
/// When a case fails.
pub fn each_waiting<C: Display + Sync>(
    cases: &[C],
    check: impl Fn(&C) -> Result<(), String> + Sync,
) {
    each_by(4, cases, check);
}

fn each_by<C: Display + Sync>(
    share: usize,
    cases: &[C],
    check: impl Fn(&C) -> Result<(), String> + Sync,
) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some((index, case)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            cases.get(index).map(|case| (index, case))
        } {
            if let Err(why) = check(case) {
                let mut failures = failures.lock().expect("no case panics while it holds this");
                failures.push((index, format!("{case}: {why}")));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..share * thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let mut failures = failures
        .into_inner()
        .expect("no case panics while it holds this");
    failures.sort();
    let texts: Vec<String> = failures.into_iter().map(|(_, text)| text).collect();
    assert!(
        texts.is_empty(),
        "{} of {} cases failed:\n{}",
        texts.len(),
        cases.len(),
        texts.join("\n")
    );
}

/// A small seeded generator (SplitMix64), so that a failing run can be repeated from its seed.
#[derive(Debug, Clone)]
pub struct Draw(pub u64);

impl Draw {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
