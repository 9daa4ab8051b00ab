//! Lets the committers of a process run handlers at the same time, unless one of them runs an event singly. Pure.
//!
//! An event runs singly if it may have killed hosts. Nothing else runs meanwhile, so a host that dies then died of this
//! event.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// How often to look whether the others have ended.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
pub(super) struct Passage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Somebody runs an event singly, or waits to.
    is_closed: bool,
}

/// The right to run one handler, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    passage: &'a Passage,
    singly: bool,
}

impl Passage {
    /// Waits until the handler may run.
    pub(super) async fn enter(&self, singly: bool, clock: &dyn Clock) -> Pass<'_> {
        while !self.is_open(singly) {
            clock.sleep(LOOK).await;
        }
        let pass = Pass { passage: self, singly };
        while singly && self.state().running > 0 {
            clock.sleep(LOOK).await;
        }
        pass
    }

    fn is_open(&self, singly: bool) -> bool {
        let mut state = self.state();
        if state.is_closed {
            return false;
        }
        state.is_closed = singly;
        state.running += usize::from(!singly);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.passage.state();
        if self.singly {
            state.is_closed = false;
        } else {
            state.running -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::FutureExt as _;

    use super::*;

    /// Nobody who sleeps wakes up.
    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now_ms(&self) -> i64 {
            0
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::pending())
        }

        fn random(&self) -> u64 {
            0
        }
    }

    #[test]
    fn an_event_that_runs_singly_has_nothing_beside_it() {
        let passage = Passage::default();
        let enters = |singly| passage.enter(singly, &Still).now_or_never();
        let (one, other) = (enters(false).expect("nothing runs singly"), enters(false).expect("nothing runs singly"));
        assert!(enters(true).is_none(), "two are running");
        assert!(enters(false).is_some(), "whoever stopped waiting closes nothing");
        drop((one, other));
        let singly = enters(true).expect("nothing runs");
        assert!(enters(false).is_none() && enters(true).is_none());
        drop(singly);
        assert!(enters(false).is_some());
    }
}
