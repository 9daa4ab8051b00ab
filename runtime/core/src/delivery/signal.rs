//! Wakes one task. Pure.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Something that one task waits for and others give. What is given while nobody waits is kept, once.
#[derive(Debug, Default)]
pub(super) struct Signal {
    given: AtomicBool,
    waker: AtomicWaker,
}

impl Signal {
    pub(super) fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until it is given. May be dropped at any time without loss.
    pub(super) async fn given(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            if self.given.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_is_given_early_is_kept_once() {
        let signal = Signal::default();
        assert!(signal.given().now_or_never().is_none());
        signal.give();
        signal.give();
        assert!(signal.given().now_or_never().is_some());
        assert!(signal.given().now_or_never().is_none());
    }
}
