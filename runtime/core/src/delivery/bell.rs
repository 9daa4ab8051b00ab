//! Two halves of one task: one waits for replies, and the other computes and yields when a reply has come. Pure.
//!
//! To yield to the executor after every delivery would cost up to a tenth of all that a host does. So the half that
//! computes checks the bell, and yields only if there is something to do.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Tells whether the half that waits has something to do.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
    /// How often the half that computes found nothing to yield for.
    passed: AtomicU32,
}

/// After so many of these it yields all the same, because others may want its thread.
const AT_MOST: u32 = 16;

/// It waits, or has not begun.
const QUIET: u8 = 0;
/// Something that it waits for has come.
const RUNG: u8 = 1;
/// It has gone on, and what it has asked others for waits for the executor.
const HEARD: u8 = 2;
/// It has ended, so a ring has no effect.
const OVER: u8 = 3;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let rung = |state| (state != OVER).then_some(RUNG);
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, rung).is_ok() {
            self.task.wake();
        }
    }
}

impl Bell {
    /// Runs the half that waits, which is polled when the bell has rung.
    pub(super) async fn listen<F: Future>(self: &Arc<Self>, mut waiting: Pin<&mut F>) -> F::Output {
        let ring = Waker::from(Arc::clone(self));
        self.state.store(RUNG, Ordering::Release);
        poll_fn(|context| {
            self.task.register(context.waker());
            // A ring from here on counts as another one.
            if self.state.compare_exchange(RUNG, HEARD, Ordering::AcqRel, Ordering::Acquire).is_err() {
                return Poll::Pending;
            }
            let polled = waiting.as_mut().poll(&mut Context::from_waker(&ring));
            if polled.is_ready() {
                self.state.store(OVER, Ordering::Release);
            }
            polled
        })
        .await
    }

    /// Lets the other half, and the tasks that it depends on, go on as far as they can. The half that computes calls
    /// this.
    pub(super) async fn give_way(&self) {
        let mut passes = self.passed.fetch_add(1, Ordering::Relaxed) % AT_MOST < AT_MOST - 1;
        poll_fn(|context| {
            if matches!(self.state.load(Ordering::Acquire), QUIET | OVER) && passes {
                return Poll::Ready(());
            }
            passes = true;
            let _ = self.state.compare_exchange(HEARD, QUIET, Ordering::AcqRel, Ordering::Acquire);
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt as _;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_waits_is_polled_when_its_bell_has_rung() {
        let (bell, polls) = (Arc::new(Bell::default()), AtomicUsize::new(0));
        let inner: std::sync::Mutex<Option<Waker>> = std::sync::Mutex::default();
        let waiting = pin!(poll_fn(|context| {
            *inner.lock().expect("one thread") = Some(context.waker().clone());
            if polls.fetch_add(1, Ordering::Relaxed) < 2 { Poll::Pending } else { Poll::Ready(7) }
        }));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut listening = pin!(bell.listen(waiting));
        let ring = || inner.lock().expect("one thread").take().expect("it was polled").wake();

        assert!(listening.as_mut().poll(&mut context).is_pending());
        assert!(listening.as_mut().poll(&mut context).is_pending());
        assert_eq!(polls.load(Ordering::Relaxed), 1, "nothing has rung since");
        ring();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "its task is woken too");
        assert!(listening.as_mut().poll(&mut context).is_pending());
        ring();
        // The executor may pass another waker each time.
        let other = Waker::noop();
        assert_eq!(listening.as_mut().poll(&mut Context::from_waker(other)), Poll::Ready(7));
        assert!(bell.give_way().now_or_never().is_some(), "nobody waits any more");
    }

    #[test]
    fn who_computes_gives_way_until_nothing_is_left_to_do() {
        let bell = Bell::default();
        let passed = (0..AT_MOST).filter(|_| bell.give_way().now_or_never().is_some()).count();
        assert_eq!(passed, 15, "nobody waits, and others have a turn now and then");
        bell.state.store(RUNG, Ordering::Release);
        let mut given = pin!(bell.give_way());
        let mut context = Context::from_waker(Waker::noop());
        assert!(given.as_mut().poll(&mut context).is_pending());
        assert!(given.as_mut().poll(&mut context).is_pending(), "the other half has not heard it");
        bell.state.store(HEARD, Ordering::Release);
        assert!(given.as_mut().poll(&mut context).is_pending(), "whom it has asked are to go first");
        assert!(given.as_mut().poll(&mut context).is_ready());
    }
}
