//! Time, chance and tasks of a simulated world. It has one thread, and the same seed gives the same run.

use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use fastrand::Rng;

/// A future of a simulated process.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;
type Action = Box<dyn FnOnce() + Send>;

/// The simulated process, and the life of it, that a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life {
    pub(crate) host: usize,
    pub(crate) life: u32,
}

impl Life {
    /// Returns the name by which the process claims partitions.
    pub(crate) fn name(self) -> String {
        format!("host{}-{}", self.host, self.life)
    }
}

/// The world's time, chance and tasks. It is cheap to clone.
#[derive(Clone)]
pub(crate) struct Kernel {
    state: Arc<Mutex<State>>,
    woken: Arc<Mutex<VecDeque<u64>>>,
}

struct State {
    now: Duration,
    order: u64,
    timers: BinaryHeap<Timer>,
    tasks: BTreeMap<u64, Task>,
    paused: BTreeMap<Life, Vec<u64>>,
    rng: Rng,
    counts: BTreeMap<&'static str, u64>,
    trace: u64,
}

struct Task {
    life: Option<Life>,
    job: Option<Job>,
    waker: Waker,
}

struct Timer {
    at: Duration,
    order: u64,
    action: Action,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest timer is the greatest, because the heap pops the greatest first.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

struct Waking {
    task: u64,
    woken: Arc<Mutex<VecDeque<u64>>>,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        lock(&self.woken).push_back(self.task);
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Kernel")
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kernel {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            now: Duration::ZERO,
            order: 0,
            timers: BinaryHeap::new(),
            tasks: BTreeMap::new(),
            paused: BTreeMap::new(),
            rng: Rng::with_seed(seed),
            counts: BTreeMap::new(),
            trace: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), woken: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn now(&self) -> Duration {
        self.state().now
    }

    pub(crate) fn random(&self) -> u64 {
        self.state().rng.u64(..)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.state().rng.u64(..bound.max(1))
    }

    /// Returns true in `per_mille` of a thousand cases.
    pub(crate) fn chance(&self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// Returns a time between the two, given in milliseconds.
    pub(crate) fn between(&self, least_ms: u64, most_ms: u64) -> Duration {
        let tenths = self.state().rng.u64(least_ms * 10..=most_ms * 10);
        Duration::from_micros(tenths * 100)
    }

    /// Counts a fault or an outcome.
    pub(crate) fn count(&self, what: &'static str) {
        self.count_more(what, 1);
    }

    /// Counts several at once. Zero leaves no entry.
    pub(crate) fn count_more(&self, what: &'static str, times: u64) {
        if times > 0 {
            *self.state().counts.entry(what).or_default() += times;
        }
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.state().counts.clone()
    }

    /// Mixes an event of the run into its fingerprint.
    pub(crate) fn trace(&self, what: u64) {
        let mut state = self.state();
        state.trace = (state.trace ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.state().trace
    }

    /// Runs an action after a pause.
    pub(crate) fn after(&self, pause: Duration, action: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        state.order += 1;
        let (at, order) = (state.now + pause, state.order);
        state.timers.push(Timer { at, order, action: Box::new(action) });
    }

    pub(crate) fn sleep(&self, pause: Duration) -> Slot<()> {
        let slot = Slot::default();
        let filled = slot.clone();
        self.after(pause, move || filled.fill(()));
        slot
    }

    /// Runs a future as part of a process.
    pub(crate) fn spawn(&self, life: Option<Life>, job: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.state();
        state.order += 1;
        let id = state.order;
        let waker = Waker::from(Arc::new(Waking { task: id, woken: Arc::clone(&self.woken) }));
        state.tasks.insert(id, Task { life, job: Some(Box::pin(job)), waker });
        drop(state);
        lock(&self.woken).push_back(id);
    }

    /// Kills the process: none of its tasks goes on.
    pub(crate) fn kill(&self, life: Life) {
        let mut state = self.state();
        let gone: Vec<u64> =
            state.tasks.iter().filter(|(_, task)| task.life == Some(life)).map(|(id, _)| *id).collect();
        let jobs: Vec<Task> = gone.iter().filter_map(|id| state.tasks.remove(id)).collect();
        state.paused.remove(&life);
        drop(state);
        drop(jobs);
    }

    /// Ends everything. The pending timers and tasks hold the world, and the world holds this kernel, so without this
    /// nothing of a seed would be freed.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        let rest = (std::mem::take(&mut state.timers), std::mem::take(&mut state.tasks));
        drop(state);
        drop(rest);
    }

    /// Pauses the process, as SIGSTOP does.
    pub(crate) fn pause(&self, life: Life) {
        self.state().paused.entry(life).or_default();
    }

    pub(crate) fn resume(&self, life: Life) {
        let woken = self.state().paused.remove(&life);
        lock(&self.woken).extend(woken.into_iter().flatten());
    }

    /// Runs everything that can run, then the next timer. Returns false if there is none.
    pub(crate) fn step(&self) -> bool {
        self.poll_woken();
        let timer = {
            let mut state = self.state();
            let Some(timer) = state.timers.pop() else { return false };
            state.now = timer.at;
            timer
        };
        (timer.action)();
        self.poll_woken();
        true
    }

    fn poll_woken(&self) {
        loop {
            let Some(id) = lock(&self.woken).pop_front() else { return };
            let (mut job, waker) = {
                let mut state = self.state();
                let State { tasks, paused, .. } = &mut *state;
                let Some(task) = tasks.get_mut(&id) else { continue };
                if let Some(waiting) = task.life.and_then(|life| paused.get_mut(&life)) {
                    waiting.push(id);
                    continue;
                }
                let Some(job) = task.job.take() else { continue };
                (job, task.waker.clone())
            };
            let done = job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut state = self.state();
            if done {
                state.tasks.remove(&id);
            } else if let Some(task) = state.tasks.get_mut(&id) {
                task.job = Some(job);
                continue;
            }
            drop(state);
            drop(job);
        }
    }
}

/// A place that is filled once and can be awaited.
pub(crate) struct Slot<T> {
    inner: Arc<Mutex<(Option<T>, Option<Waker>)>>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { inner: Arc::new(Mutex::new((None, None))) }
    }
}

impl<T> Slot<T> {
    /// Takes its value, if it was filled.
    pub(crate) fn take(&self) -> Option<T> {
        lock(&self.inner).0.take()
    }

    pub(crate) fn fill(&self, value: T) {
        let mut inner = lock(&self.inner);
        if inner.0.is_none() {
            inner.0 = Some(value);
        }
        let waker = inner.1.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut inner = lock(&self.inner);
        match inner.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                inner.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
