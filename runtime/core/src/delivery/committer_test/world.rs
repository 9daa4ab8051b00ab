//! A committer on a MongoDB, a clock, handlers and a hop that do what a test asks for.
//!
//! Nothing happens by itself: time passes when somebody sleeps or a test says so, and the committer goes on when a test
//! lets it. MongoDB holds no documents and accepts everything unless the test says otherwise.

use std::collections::VecDeque;
use std::fmt;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use super::super::committer::{Committer, CommitterSettings};
use super::super::context::Context;
use super::super::decoder::Decoder;
use super::super::entry::{Entry, Item};
use super::super::handlers::Handlers;
use super::super::hop::{Done, Hop, Later, Said, Work};
use super::super::lane::Lanes;
use super::super::lines::Lines;
use super::super::samples_test::{self, ledger, partition};
use super::guests::Guests;
use super::mongo::{Line, Mongo};
use crate::clock::Clock;
use crate::event::{Event, RawRecord};
use crate::store::{Claim, Options, Store};
use crate::telemetry::Telemetry;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;

/// The most events of a batch.
const BATCH: usize = 10;
/// So many polls are enough for whatever a test lets happen.
const POLLS: usize = 2_000;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics here")
}

/// A clock in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticks(Arc<AtomicU64>);

impl Ticks {
    pub(super) fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).expect("a short time");
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Ticks {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.elapsed().as_millis()).expect("a short time")
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (clock, mut sleeps) = (self.clone(), false);
        Box::pin(poll_fn(move |context| {
            if std::mem::replace(&mut sleeps, true) {
                clock.pass(duration);
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }

    fn random(&self) -> u64 {
        0
    }
}

/// Something that waits while it is shut.
#[derive(Debug, Default)]
pub(super) struct Gate {
    shut: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(super) fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
    }

    pub(super) fn open(&self) {
        self.shut.store(false, Ordering::Relaxed);
        lock(&self.waiting).drain(..).for_each(Waker::wake);
    }

    /// Whether anybody waits for it.
    pub(super) fn is_waited_for(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    pub(super) async fn pass(&self) {
        poll_fn(|context| {
            if !self.shut.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            lock(&self.waiting).push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// The loop's end of the hop.
#[derive(Debug, Default)]
struct Queue {
    works: Mutex<VecDeque<Work>>,
    closed: AtomicBool,
    done: Mutex<Vec<Done>>,
}

impl Hop for Queue {
    fn next(&self) -> Later<'_, Option<Work>> {
        Box::pin(poll_fn(|_| match lock(&self.works).pop_front() {
            None if !self.closed.load(Ordering::Relaxed) => Poll::Pending,
            work => Poll::Ready(work),
        }))
    }

    fn say(&self, said: Said) -> Later<'_, ()> {
        if let Said::Done(done) = said {
            lock(&self.done).push(done);
        }
        Box::pin(ready(()))
    }
}

fn store(mongo: &Arc<Mongo>) -> Store {
    let text = |text: &str| text.to_owned();
    let options = Options {
        database: text(super::mongo::DATA),
        own_database: text("weir"),
        group: text("group"),
        owner: text("owner"),
    };
    Store::new(Arc::new(Line(Arc::clone(mongo))), &options)
}

/// The tasks of lanes.
#[derive(Default)]
struct Tasks(Mutex<Vec<Later<'static, ()>>>);

impl fmt::Debug for Tasks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tasks")
    }
}

impl Lanes for Tasks {
    fn start(&self, lane: Later<'static, ()>) {
        lock(&self.0).push(lane);
    }
}

/// Returns what looks for parked deliveries, on a MongoDB that has none.
pub(super) fn lines() -> (Arc<Lines>, Health, Ticks) {
    let (clock, health) = (Ticks::default(), Health::new());
    let store = store(&Arc::new(Mongo::new(clock.clone())));
    let telemetry = Telemetry { metrics: Metrics::new(), health: health.clone() };
    let guests = Arc::new(Guests::new(clock.clone()));
    let context = Context::new(store, ledger(1_000_000), Arc::new(clock.clone()), telemetry, Arc::default());
    let settings = CommitterSettings { ledger: ledger(1_000_000), batch_size: BATCH };
    let lanes = Arc::new(Tasks::default());
    (Arc::new(Lines::new(Arc::new(context), (guests.clone(), guests), &settings, lanes)), health, clock)
}

/// A committer that owns one partition, with everything that it meets.
pub(super) struct World {
    pub(super) mongo: Arc<Mongo>,
    pub(super) clock: Ticks,
    pub(super) health: Health,
    give_up: Arc<AtomicBool>,
    queue: Arc<Queue>,
    running: Option<Pin<Box<dyn Future<Output = ()>>>>,
    lanes: Arc<Tasks>,
    sent: i64,
}

impl World {
    pub(super) fn new() -> Self {
        let (clock, queue, give_up) = (Ticks::default(), Arc::new(Queue::default()), Arc::default());
        let mongo = Arc::new(Mongo::new(clock.clone()));
        let store = store(&mongo);
        let (health, handlers) = (Health::new(), Arc::new(Guests::new(clock.clone())));
        let lanes = Arc::new(Tasks::default());
        let running = {
            let (store, clock) = (store.clone(), Arc::new(clock.clone()));
            let telemetry = Telemetry { metrics: Metrics::new(), health: health.clone() };
            let (queue, give_up, lanes) = (Arc::clone(&queue), Arc::clone(&give_up), Arc::clone(&lanes));
            async move {
                let session = store.session().await.expect("mongodb takes it");
                let settings = CommitterSettings { ledger: ledger(1_000_000), batch_size: BATCH };
                let handlers: (Arc<dyn Handlers>, Arc<dyn Decoder>) = (handlers.clone(), handlers);
                let committer = Committer::new(store, session, handlers, &settings, clock, telemetry, (give_up, lanes));
                committer.run(&*queue).await;
            }
        };
        let claim = Claim { highest_created_at_ms: Some(5), ..Claim::new(1, 0) };
        lock(&queue.works).push_back(Work::Own(vec![(partition(), claim)]));
        Self { mongo, clock, health, give_up, queue, running: Some(Box::pin(running)), lanes, sent: 0 }
    }

    /// Gives it some work.
    pub(super) fn give(&self, work: Work) {
        lock(&self.queue.works).push_back(work);
    }

    /// Gives it events, each of a type that says what its handler does.
    pub(super) fn send(&mut self, event_types: &[&str]) {
        let entries = (self.sent..).zip(event_types).map(|(offset, event_type)| {
            let item = Item::Event(Arc::new(event(offset, event_type)));
            Entry::of_log(partition(), offset, item, Arc::new(RawRecord::default()))
        });
        let entries: Vec<Entry> = entries.collect();
        self.sent += i64::try_from(entries.len()).expect("a few");
        self.give(Work::Commit(entries));
    }

    /// Asks the committer to give up what it does.
    pub(super) fn give_up(&self) {
        self.give_up.store(true, Ordering::Relaxed);
    }

    /// Tells the committer that no more work comes.
    pub(super) fn close(&self) {
        self.queue.closed.store(true, Ordering::Relaxed);
    }

    /// Lets the committer go on as far as it can.
    pub(super) fn go_on(&mut self) {
        for _ in 0..POLLS {
            let Some(running) = &mut self.running else { return };
            let context = &mut task::Context::from_waker(Waker::noop());
            if running.as_mut().poll(context).is_ready() {
                self.running = None;
            }
            // A lane that is polled may start another one.
            let lanes = std::mem::take(&mut *lock(&self.lanes.0));
            let left =
                lanes.into_iter().filter_map(|mut lane| lane.as_mut().poll(context).is_pending().then_some(lane));
            let left: Vec<_> = left.collect();
            lock(&self.lanes.0).extend(left);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.running.is_none()
    }

    /// Returns how many records it has reported as finished.
    pub(super) fn finished(&self) -> usize {
        lock(&self.queue.done).iter().map(|done| done.finished).sum()
    }

    /// Whether it has reported that its claim is lost.
    pub(super) fn has_lost_its_claim(&self) -> bool {
        lock(&self.queue.done).iter().any(|done| done.lost == [(partition(), 1)])
    }

    /// Returns what readiness says that it waits for, besides what it waits for at its start.
    pub(super) fn waits_for(&self) -> Vec<String> {
        let at_start: Vec<_> = Health::new().readiness().waiting_for.into_iter().map(|wait| wait.what).collect();
        let now = self.health.readiness().waiting_for.into_iter().map(|wait| wait.what);
        now.filter(|what| !at_start.contains(what)).collect()
    }
}

fn event(offset: i64, event_type: &str) -> Event {
    Event { event_type: event_type.to_owned(), ..samples_test::event(&format!("e{offset}"), 5) }
}
