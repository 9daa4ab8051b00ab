//! Prepares a batch for its transaction: asks the ledger, runs the deliveries. Pure.
//!
//! While one batch commits, the next is prepared speculatively. A delivery that reads what is being committed waits for
//! that commit. If that commit fails or a claim is lost, the speculative batch is thrown away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::batch::{Batch, Judge, Next};
use super::bell::Bell;
use super::entry::{Entry, Ledger};
use super::faults::{Beside, Faults};
use super::forgotten::in_doubt;
use super::handlers::Handlers;
use super::outcome::{Decision, decide};
use super::redo::Redo;
use super::report::Report;
use super::routes::Identity;
use super::slot::DeliveryRef;
use crate::call::Run;
use crate::clock::{self, Clock};
use crate::documents::{Mode, Pending};
use crate::failpoint;
use crate::seeded::{self, Bug};
use crate::store::{self, Buckets, Claim, Floors, MarkerKey, PartitionId, Plan, Seen, Store};
use crate::telemetry::health::{Health, MONGODB};
use crate::telemetry::metrics::{Metrics, Service};

/// How long to wait if MongoDB fails outside a transaction.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// How long the deliveries of a batch may run before the rest is left to the next one. Slow handlers then commit what
/// they have done, and a stop or a revocation waits for one delivery instead of a whole batch.
const RUN_TIME: Duration = Duration::from_millis(500);
/// How often the ledger's buckets are listed.
const LIST_BUCKETS: Duration = Duration::from_mins(1);

/// The work was given up on request. Nothing of it is committed, or a claim will tell whether it is.
#[derive(Debug)]
pub(super) struct GivenUp;

/// The claims as they are once the in-flight batch is committed.
pub(super) type Heads = BTreeMap<PartitionId, Claim>;

/// What the in-flight and the speculative side of the committer share.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) handlers: Arc<dyn Handlers>,
    pub(super) ledger: Ledger,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) report: Report,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) give_up: Arc<AtomicBool>,
    pub(super) faults: Mutex<Faults>,
    known: Mutex<Known>,
}

/// What is known of the ledger.
#[derive(Debug, Default)]
struct Known {
    buckets: Buckets,
    listed: Option<Duration>,
    now_ms: Option<i64>,
}

/// A batch whose deliveries have run.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) batch: Batch,
    /// The handler because of which the first event must run alone, and the reason.
    pub(super) alone: Option<(Arc<Identity>, &'static str)>,
    /// Its transaction, under the claims that were expected. It is built here because MongoDB is not waiting for it
    /// yet.
    pub(super) plan: Option<Plan>,
}

/// The in-flight batch as the speculative one sees it.
#[derive(Debug)]
pub(super) struct InFlight {
    keys: HashMap<MarkerKey, i64>,
    pending: Arc<Pending>,
    state: AtomicU8,
    /// Rings when its commit can go on.
    pub(super) bell: Arc<Bell>,
}

const UNDECIDED: u8 = 0;
const COMMITTED: u8 = 1;
const THROWN_AWAY: u8 = 2;

impl InFlight {
    pub(super) fn of(batch: &Batch) -> Self {
        Self { keys: batch.hashes(), pending: batch.pending(), state: AtomicU8::new(UNDECIDED), bell: Arc::default() }
    }

    /// Tells the speculative batch whether the in-flight batch is committed as it was. If not, the speculative batch is
    /// wasted work.
    pub(super) fn settle(&self, committed: bool) {
        self.state.store(if committed { COMMITTED } else { THROWN_AWAY }, Ordering::Release);
    }

    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::Acquire) == state
    }

    /// Waits until it is settled. Whoever settles it polls this afterwards, so no waker is needed.
    async fn settled(&self) {
        poll_fn(|_| if self.is(UNDECIDED) { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

impl Runner {
    #[allow(clippy::too_many_arguments, reason = "the one place that puts it together")]
    pub(super) fn new(
        store: Store,
        handlers: Arc<dyn Handlers>,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        (metrics, health): (Metrics, Health),
        give_up: Arc<AtomicBool>,
    ) -> Self {
        let report = Report::new(metrics.clone());
        let (faults, known) = (Mutex::default(), Mutex::default());
        Self { store, handlers, ledger, clock, report, metrics, health, give_up, faults, known }
    }

    /// Runs the records' deliveries. `in_flight` is the batch that is being committed meanwhile.
    pub(super) async fn prepare(
        &self,
        entries: Vec<Entry>,
        heads: &Heads,
        in_flight: Option<&InFlight>,
    ) -> Result<Ready, GivenUp> {
        let mut batch = Batch::new(entries, &self.ledger, in_flight.map(|in_flight| &in_flight.keys));
        let (seen, floors) = self.asked(&batch, heads).await?;
        failpoint::pass("after-finds");
        let buckets = self.known().buckets.clone();
        let now_ms = self.known().now_ms.unwrap_or(i64::MAX);
        let routes = self.handlers.routes();
        batch.route(&Judge { seen: &seen.hashes, routes, heads, buckets: &buckets, floors: &floors, now_ms });
        self.make_buckets(&batch).await?;
        let alone = self.run(&mut batch, in_flight).await?;
        let plan = alone.is_none().then(|| self.plan(&batch, heads));
        Ok(Ready { batch, alone, plan })
    }

    /// Returns the first plan for a batch.
    pub(super) fn plan(&self, batch: &Batch, claims: &Heads) -> Plan {
        batch.plan(claims, &self.ledger, Redo::strict(batch.has_one_writer()).form(), self.clock.now_ms())
    }

    /// Runs the batch's deliveries. If the first event must run alone, returns the handler that caused it and the
    /// reason.
    async fn run(
        &self,
        batch: &mut Batch,
        in_flight: Option<&InFlight>,
    ) -> Result<Option<(Arc<Identity>, &'static str)>, GivenUp> {
        let (mut at, mut ran) = (None, Duration::ZERO);
        while let Some(next) = batch.next(at) {
            if in_flight.is_some_and(|in_flight| in_flight.is(THROWN_AWAY)) {
                return Ok(None);
            }
            if self.gives_up() {
                return Err(GivenUp);
            }
            if (batch.is_full() || ran > RUN_TIME) && next.slot > 0 && next.place == 0 {
                batch.cut(next.slot);
                break;
            }
            let undecided = in_flight.filter(|in_flight| in_flight.is(UNDECIDED));
            if let Some(in_flight) = undecided {
                // Without this, a batch of handlers would run in one go while MongoDB waits for the next command.
                in_flight.bell.give_way().await;
            }
            let committing = undecided.map(|in_flight| Arc::clone(&in_flight.pending)).unwrap_or_default();
            let mode = Mode::Batch { reader: self.store.reader(), pending: batch.pending(), committing };
            let begun = self.clock.elapsed();
            let run = self.deliver(batch, next, mode).await;
            ran += self.clock.elapsed().saturating_sub(begun);
            let decision = decide(run.verdict, run.log);
            if let (Decision::NeedsCommit, Some(in_flight)) = (&decision, undecided) {
                in_flight.settled().await;
                continue;
            }
            match batch.ran(next, decision, run.writes, run.reads) {
                Next::Go => at = Some(next),
                Next::Again(fault) => {
                    if let Some(failure) = self.judge(batch, next, &fault, Beside::Read).await? {
                        batch.fail(next, failure);
                        at = Some(next);
                    }
                }
                Next::Cut(why) => {
                    self.metrics.batch_cut(why);
                    break;
                }
                Next::Alone(why) => return Ok(batch.handler(next).map(|handler| (handler, why))),
            }
        }
        Ok(None)
    }

    /// Calls the handler of one delivery.
    pub(super) async fn deliver(&self, batch: &mut Batch, at: DeliveryRef, mode: Mode) -> Run {
        let (event, identity, now_ms) = batch.begin(at, self.clock.now_ms()).expect("the batch named this delivery");
        let singly = batch.runs_singly(at);
        if let Some(entry) = singly
            && let Err(GivenUp) =
                self.noted(|| self.store.note_running(&entry.partition, entry.offset, identity.id)).await
        {
            return Run::of_fault("given up".to_owned());
        }
        failpoint::pass("in-handler");
        failpoint::panic_at("in-handler", &event.id, &identity.name);
        let run = self.handlers.deliver(&identity, event, now_ms, mode).await;
        // A host that dies from here on did not die of the handler.
        if singly.is_some() && self.noted(|| self.store.note_ran()).await.is_err() {
            return Run::of_fault("given up".to_owned());
        }
        run
    }

    /// Retries until something is stored that must be stored before the work goes on.
    async fn noted<N>(&self, note: impl Fn() -> N) -> Result<(), GivenUp>
    where
        N: Future<Output = Result<(), store::Error>>,
    {
        while let Err(error) = note().await {
            self.wait(PAUSE, &error.to_string()).await?;
        }
        Ok(())
    }

    /// Asks the ledger for the batch's events, and then up to when it has forgotten any.
    async fn asked(&self, batch: &Batch, heads: &Heads) -> Result<(Seen, Floors), GivenUp> {
        let keys = batch.keys();
        loop {
            self.list_buckets().await?;
            let seen = self.seen(&keys).await?;
            let topics = in_doubt(batch.slots(), &seen.hashes, heads);
            if topics.is_empty() {
                return Ok((seen, Floors::default()));
            }
            let floors = self.floors(&topics).await?;
            if floors.open <= self.known().buckets.open || seeded::on(Bug::ClosedBuckets) {
                return Ok((seen, floors));
            }
            // Buckets were closed since they were listed, so markers of older events are elsewhere by now.
            self.forget_buckets();
        }
    }

    async fn floors(&self, topics: &BTreeSet<Arc<str>>) -> Result<Floors, GivenUp> {
        loop {
            match self.store.floors(topics).await {
                Ok(floors) => return Ok(floors),
                Err(error) => self.wait(PAUSE, &error.to_string()).await?,
            }
        }
    }

    async fn seen(&self, keys: &[MarkerKey]) -> Result<Seen, GivenUp> {
        if seeded::on(Bug::NoLedger) {
            return Ok(Seen::default());
        }
        let live = self.known().buckets.live.clone();
        loop {
            match self.store.seen(keys, &live).await {
                Ok(seen) => {
                    self.health.found(MONGODB);
                    let now_ms = &mut self.known().now_ms;
                    *now_ms = seen.now_ms.max(*now_ms);
                    return Ok(seen);
                }
                Err(error) => self.wait(PAUSE, &error.to_string()).await?,
            }
        }
    }

    async fn list_buckets(&self) -> Result<(), GivenUp> {
        let due =
            |listed: Option<Duration>| listed.is_none_or(|at| self.clock.elapsed().saturating_sub(at) > LIST_BUCKETS);
        while due(self.known().listed) {
            self.look_at_rights().await;
            match self.store.buckets(self.ledger.retention_ms).await {
                Ok((buckets, now_ms)) => {
                    let mut known = self.known();
                    known.buckets = buckets;
                    known.now_ms = now_ms.max(known.now_ms);
                    known.listed = Some(self.clock.elapsed());
                }
                Err(error) => self.wait(PAUSE, &error.to_string()).await?,
            }
        }
        Ok(())
    }

    /// Has the buckets listed again, because another owner may have made some.
    pub(super) fn forget_buckets(&self) {
        self.known().listed = None;
    }

    /// Makes in advance the buckets that the batch's markers need, because a transaction that creates a collection
    /// conflicts with others.
    async fn make_buckets(&self, batch: &Batch) -> Result<(), GivenUp> {
        for bucket in batch.buckets() {
            while !self.known().buckets.live.contains(&bucket) {
                match self.store.create_bucket(bucket).await {
                    Ok(()) => drop(self.known().buckets.live.insert(bucket)),
                    Err(error) => self.wait(PAUSE, &error.to_string()).await?,
                }
            }
        }
        Ok(())
    }

    /// Waits, and reports why. Fails if the work must be given up.
    pub(super) async fn wait(&self, pause: Duration, why: &str) -> Result<(), GivenUp> {
        if self.gives_up() {
            return Err(GivenUp);
        }
        self.metrics.fault(Service::Mongodb);
        if pause >= PAUSE {
            self.health.waiting_for(MONGODB, why);
        }
        self.clock.sleep(clock::jittered(&*self.clock, pause)).await;
        Ok(())
    }

    pub(super) fn gives_up(&self) -> bool {
        self.give_up.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
