//! Time that stands still while anything can go on, and jumps to the next waiter when nothing can: a test
//! of hours takes no longer than its work, and no machine is too slow for it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// Who waits until when, in the order of asking.
    static WAITERS: RefCell<BTreeMap<(Duration, u64), Waker>> = const { RefCell::new(BTreeMap::new()) };
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// Time since the thread's first moment.
pub fn now() -> Duration {
    NOW.get()
}

/// Waits.
pub async fn sleep(duration: Duration) {
    let asked = ASKED.replace(ASKED.get() + 1);
    let waiter = Waiter((now() + duration, asked));
    poll_fn(|context| {
        if now() >= waiter.0.0 {
            return Poll::Ready(());
        }
        WAITERS.with_borrow_mut(|waiters| waiters.insert(waiter.0, context.waker().clone()));
        Poll::Pending
    })
    .await;
}

/// Whoever is dropped waits no longer.
struct Waiter((Duration, u64));

impl Drop for Waiter {
    fn drop(&mut self) {
        WAITERS.with_borrow_mut(|waiters| waiters.remove(&self.0));
    }
}

/// Does the work to its end.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        while !woken.0.swap(false, Ordering::Relaxed) {
            let next = WAITERS.with_borrow_mut(BTreeMap::pop_first);
            let ((until, _), waiter) = next.expect("somebody waits for what never comes");
            NOW.set(until);
            waiter.wake();
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
