//! The running time of one delivery, which its deadline limits.
//!
//! Time counts while the handler, or the host on its behalf, computes, and while the handler sleeps. It does not count
//! while the delivery waits for MongoDB, or while it has yielded to other work of this process. So a handler on a busy
//! host has the same deadline as on an idle one.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const NOT_COUNTING: u64 = u64::MAX;

/// The store, whose epoch callback reads the meter, shares it with the loop that polls the call. A delivery runs on one
/// thread at a time, and the executor orders its moves between threads, so relaxed atomics suffice.
#[derive(Debug)]
pub(crate) struct Meter {
    base: Instant,
    counted_ns: AtomicU64,
    since_ns: AtomicU64,
    asleep: AtomicBool,
    waiting: AtomicBool,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            base: Instant::now(),
            counted_ns: AtomicU64::new(0),
            since_ns: AtomicU64::new(NOT_COUNTING),
            asleep: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
        }
    }

    /// Returns the running time so far.
    pub(crate) fn running(&self) -> Duration {
        let since = self.since_ns.load(Relaxed);
        let now = if since == NOT_COUNTING { 0 } else { self.now_ns().saturating_sub(since) };
        Duration::from_nanos(self.counted_ns.load(Relaxed) + now)
    }

    /// Polls a call and counts the time for which it runs.
    pub(crate) async fn count<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            if !self.waiting.load(Relaxed) {
                self.start();
            }
            let polled = call.as_mut().poll(context);
            if !self.asleep.load(Relaxed) {
                self.stop();
            }
            polled
        })
        .await
    }

    /// Counts a sleep of the handler as running time, although the call is not polled meanwhile.
    pub(crate) async fn sleep(&self, sleep: impl Future) {
        self.asleep.store(true, Relaxed);
        sleep.await;
        self.asleep.store(false, Relaxed);
    }

    /// Waits for MongoDB without counting the time.
    pub(crate) async fn wait<F: Future>(&self, wait: F) -> F::Output {
        self.stop();
        self.waiting.store(true, Relaxed);
        let answer = wait.await;
        self.waiting.store(false, Relaxed);
        self.start();
        answer
    }

    fn start(&self) {
        if self.since_ns.load(Relaxed) == NOT_COUNTING {
            self.since_ns.store(self.now_ns(), Relaxed);
        }
    }

    fn stop(&self) {
        let since = self.since_ns.swap(NOT_COUNTING, Relaxed);
        if since != NOT_COUNTING {
            self.counted_ns.fetch_add(self.now_ns().saturating_sub(since), Relaxed);
        }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(NOT_COUNTING - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(40);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn computing_and_sleeping_count_and_waiting_does_not() {
        let meter = Meter::new();
        meter.count(async { std::thread::sleep(LONG) }).await;
        assert!(meter.running() >= LONG);

        let computed = meter.running();
        meter.count(meter.wait(tokio::time::sleep(LONG))).await;
        assert!(meter.running() < computed + SHORT, "a wait for MongoDB counted");

        let waited = meter.running();
        meter.count(meter.sleep(tokio::time::sleep(LONG))).await;
        assert!(meter.running() >= waited + SHORT, "a sleep did not count");
    }

    #[tokio::test]
    async fn giving_way_does_not_count() {
        let meter = Meter::new();
        let other = async {
            std::thread::sleep(LONG);
        };
        let ours = meter.count(async {
            tokio::task::yield_now().await;
        });
        tokio::join!(ours, other);
        assert!(meter.running() < SHORT, "the time of other work counted");
    }
}
