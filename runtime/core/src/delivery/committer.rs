//! The committer of a group in a process: takes records, and prepares one batch while another commits. Pure.
//!
//! The same code is the committer of a lane, which takes parked deliveries instead (`lines`).
//!
//! A batch is prepared (`runner`), committed (`together`, or `alone` if its first event needs a transaction of its own),
//! and reported. At most two batches are under way. The in-flight batch has run and is being committed. The speculative
//! batch (`speculation`) is prepared meanwhile as if that commit had succeeded: under the claims that it leaves, with its
//! events known. A delivery that reads what is being committed waits for the commit. The speculative batch is kept only
//! if the in-flight batch committed whole and no claim was lost. It is the next one in flight then. Otherwise it rests
//! on a wrong assumption, so it is thrown away and its records are done again. None of its writes reaches MongoDB before
//! it is in flight itself.
//!
//! If a claim is lost, all partitions of the batch whose progress no longer stands are given up: their records are
//! dropped, wherever they are, and the loop must claim them again before it reads more of them.
//!
//! Invariant: records leave in the order in which they came, except those whose claim is lost. Records that a
//! transaction does not account for go before all that came later.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};

use super::attempts::Finished;
use super::backlog::{Backlog, is_suspect, of_log, partitions};
use super::batch::Batch;
use super::context::{Context, GivenUp};
use super::decoder::Decoder;
use super::entry::{Entry, Ledger};
use super::handlers::Handlers;
use super::hop::{AtEnd, Done, Hop, Said, Work};
use super::in_flight::{Heads, InFlight};
use super::lane::{Lane, Lanes};
use super::lines::Lines;
use super::retries::{ASK, Busy};
use super::runner::{Ready, Runner};
use super::speculation::{Speculated, Speculation};
use super::stops::Turn;
use super::transactor::Transactor;
use crate::clock::Clock;
use crate::seeded::{self, Bug};
use crate::store::{Advance, PartitionId, Plan, Session, Store};
use crate::telemetry::Telemetry;

/// How often to look whether the lanes rest.
const RESTS: Duration = Duration::from_millis(20);

/// The settings of a committer.
#[derive(Debug, Clone)]
pub struct CommitterSettings {
    /// The ledger that its events belong to.
    pub ledger: Ledger,
    /// The most events of one transaction.
    pub batch_size: usize,
}

/// The committer of a group in one process, or of one of its lanes.
#[derive(Debug)]
pub struct Committer {
    context: Arc<Context>,
    lines: Arc<Lines>,
    /// The lane, or none for the group.
    lane: Option<Arc<Lane>>,
    runner: Runner,
    transactor: Transactor,
    batch_size: usize,
    /// A committed batch. It is freed while the next one commits, because freeing takes time.
    spent: Option<Batch>,
    backlog: Backlog,
    finished: usize,
    /// Partitions whose highest time of creation may or may not have reached MongoDB.
    raised_in_doubt: BTreeSet<PartitionId>,
    /// Partitions that will be given back, once the lanes rest.
    resting: Vec<Vec<PartitionId>>,
}

impl Committer {
    /// Creates a committer without claims. `give_up` ends what it waits for.
    #[must_use]
    pub fn new(
        store: Store,
        session: Session,
        calls: (Arc<dyn Handlers>, Arc<dyn Decoder>),
        settings: &CommitterSettings,
        clock: Arc<dyn Clock>,
        telemetry: Telemetry,
        (give_up, starts): (Arc<AtomicBool>, Arc<dyn Lanes>),
    ) -> Self {
        let context = Arc::new(Context::new(store, settings.ledger.clone(), clock, telemetry, give_up));
        let lines = Arc::new(Lines::new(Arc::clone(&context), calls, settings, starts));
        Self::with(lines, None, context, session, settings)
    }

    /// Creates the committer of a lane.
    pub(super) fn of_lane(
        lines: Arc<Lines>,
        (lane, context): (Arc<Lane>, Arc<Context>),
        session: Session,
        settings: &CommitterSettings,
    ) -> Self {
        Self::with(lines, Some(lane), context, session, settings)
    }

    fn with(
        lines: Arc<Lines>,
        lane: Option<Arc<Lane>>,
        context: Arc<Context>,
        session: Session,
        settings: &CommitterSettings,
    ) -> Self {
        Self {
            runner: Runner::new(Arc::clone(&context), Arc::clone(&lines), lane.clone()),
            transactor: Transactor::new(Arc::clone(&context), Arc::clone(&lines), session),
            context,
            lines,
            lane,
            batch_size: settings.batch_size,
            spent: None,
            backlog: Backlog::default(),
            finished: 0,
            raised_in_doubt: BTreeSet::new(),
            resting: Vec::new(),
        }
    }

    /// Works until there is no more work.
    ///
    /// # Panics
    /// If a lane has panicked, because nothing of its line would go on.
    pub async fn run(mut self, hop: &dyn Hop) {
        self.work(hop).await;
        if self.lane.is_none() {
            self.lines.end();
        }
    }

    async fn work(&mut self, hop: &dyn Hop) {
        let mut ready = None;
        loop {
            self.lines.check();
            self.give_way().await;
            let now = match ready.take() {
                Some(now) => now,
                None => match self.first(hop).await {
                    Some(now) => now,
                    None => return,
                },
            };
            self.weigh(true);
            let alone = now.alone.is_some() || self.transactor.always_changed();
            ready = if alone { self.alone(now, hop).await } else { self.batch(now, hop).await };
        }
    }

    /// Prepares the next batch while nothing is being committed. Returns none if there is no more work.
    async fn first(&mut self, hop: &dyn Hop) -> Option<Ready> {
        loop {
            self.lines.check();
            self.drop_unclaimed();
            self.tell(hop, None).await;
            self.say_rests(hop).await;
            if self.backlog.is_empty() {
                self.backlog.ask(hop).await;
                // Parked deliveries hold up no other work, however many there are.
                if let Some(work) = hop.next().now_or_never() {
                    self.take(work?, hop).await;
                    continue;
                }
            }
            let most = self.transactor.batch_size(self.batch_size);
            let parked = if self.backlog.takes_parked() {
                self.runner.due(&self.transactor.claims, &Busy::default(), most).await
            } else {
                Vec::new()
            };
            if self.backlog.is_empty() && parked.is_empty() {
                self.spent = None;
                self.weigh(false);
                match select(hop.next(), self.context.clock.sleep(self.wait())).await {
                    Either::Left((work, _)) => self.take(work?, hop).await,
                    Either::Right(_) => {}
                }
                continue;
            }
            let claims = &self.transactor.claims;
            let entries = self.backlog.next_batch(parked, most, claims);
            let (partitions, count) = (partitions(&entries), of_log(&entries));
            match self.runner.prepare(entries, claims, None).await {
                Ok(ready) => return Some(ready),
                Err(GivenUp) => self.forget(&partitions, count),
            }
        }
    }

    /// Has a lane pause if it has taken much of the processor.
    async fn give_way(&self) {
        let Some(lane) = &self.lane else { return };
        let pause = self.lines.pause_after(lane.take_computed());
        if !pause.is_zero() {
            self.context.clock.sleep(pause).await;
        }
    }

    /// Decides which lines are away. `is_busy` says whether records wait to be committed.
    fn weigh(&self, is_busy: bool) {
        if self.lane.is_none() {
            self.lines.is_busy(is_busy);
            self.lines.weigh();
        }
    }

    /// Returns how long to wait for work.
    fn wait(&self) -> Duration {
        let wait = match &self.lane {
            Some(lane) if self.lines.turn(lane.line) == Turn::Nothing => ASK,
            _ => self.runner.parked().wait(),
        };
        if self.resting.is_empty() { wait } else { wait.min(RESTS) }
    }

    /// Says which partitions can be given back as far as parked deliveries are concerned.
    async fn say_rests(&mut self, hop: &dyn Hop) {
        let (rested, resting) =
            std::mem::take(&mut self.resting).into_iter().partition(|partitions| self.lines.have_rested(partitions));
        self.resting = resting;
        for partitions in rested {
            hop.say(Said::Rests(partitions)).await;
        }
    }

    /// Commits a batch, and prepares the next one speculatively meanwhile.
    ///
    /// Both sides run until both have ended. Then the records that the transaction left to be done go back to the
    /// backlog, before all others. The speculative batch is returned if what it assumed has come true, and otherwise
    /// its records go back too, behind those. Only once the loop has been told comes other work, such as a claim or a
    /// revocation, so that it meets no speculative batch.
    async fn batch(&mut self, ready: Ready, hop: &dyn Hop) -> Option<Ready> {
        let Ready { mut batch, plan, cut_for, .. } = ready;
        let begun = self.context.clock.elapsed();
        self.backlog.put_first(batch.take_behind());
        let (count, parks) = (batch.of_log(), batch.parks());
        let plan = self.current(plan, &batch);
        let heads = heads_after(&self.transactor.claims, plan.advances());
        if self.runs_singly(&batch) {
            // An event that runs singly has nothing beside it, so a host that dies now died of this event.
            let finished = self.transactor.together(&mut batch, plan).await;
            let left = self.left(&finished, batch, count);
            self.conclude(left, &heads, hop).await;
            return None;
        }
        let (finished, speculated) = self.overlap(&mut batch, plan, &heads, hop).await;
        if let Some(line) = cut_for.filter(|_| self.lane.is_none()) {
            // Without its delivery, the next batch would have committed these records too.
            self.lines.took(line, self.context.clock.elapsed().saturating_sub(begun));
        }
        // The speculative batch may have run later events of what failed only at the commit.
        let parks_same = batch.parks() == parks || seeded::on(Bug::TrialKeptAfterFailure);
        let left = self.left(&finished, batch, count);
        let holds = left.is_empty() && parks_same && self.transactor.lost.is_empty() || seeded::on(Bug::TrialKept);
        let (next, other) = self.keep(speculated, holds);
        self.conclude(left, &heads, hop).await;
        if let Some(work) = other {
            self.take(work, hop).await;
        }
        next
    }

    /// Runs both sides in this task: the transaction goes on as soon as MongoDB has answered, and while it waits, the
    /// handlers of the next batch run.
    async fn overlap(
        &mut self,
        batch: &mut Batch,
        plan: Plan,
        heads: &Heads,
        hop: &dyn Hop,
    ) -> (Result<Finished, GivenUp>, Speculated) {
        let in_flight = InFlight::of(batch);
        let speculation = Speculation {
            runner: &self.runner,
            hop,
            backlog: &mut self.backlog,
            batch_size: self.transactor.batch_size(self.batch_size),
            spent: self.spent.take(),
        };
        let idle = AtomicBool::new(false);
        let finishing = pin!(self.transactor.together(batch, plan));
        let finishing = pin!(in_flight.bell.listen(finishing));
        let preparing = pin!(speculation.run(&in_flight, heads, &idle));
        match select(finishing, preparing).await {
            Either::Left((finished, preparing)) => {
                in_flight.settle(matches!(finished, Ok(Finished::Committed)));
                // If the speculative side still waits for records, it is dropped: `first` waits for them instead.
                let speculated = if idle.load(Ordering::Relaxed) { Speculated::Nothing } else { preparing.await };
                (finished, speculated)
            }
            Either::Right((speculated, finishing)) => (finishing.await, speculated),
        }
    }

    /// Returns the speculative batch if what it assumed `holds`, or else puts its records back. Also returns the work
    /// that came instead of records.
    fn keep(&mut self, speculated: Speculated, holds: bool) -> (Option<Ready>, Option<Work>) {
        match speculated {
            Speculated::Ready(ready) if holds => return (Some(*ready), None),
            Speculated::Ready(ready) => self.backlog.put_first(ready.batch.into_entries()),
            Speculated::GivenUp(partitions, count) => self.forget(&partitions, count),
            Speculated::Other(work) => return (None, Some(work)),
            Speculated::Nothing => {}
        }
        (None, None)
    }

    /// Commits the first event of a batch in a transaction of its own.
    async fn alone(&mut self, ready: Ready, hop: &dyn Hop) -> Option<Ready> {
        let Ready { mut batch, caller, alone, .. } = ready;
        let changed = || Some((batch.first_handler()?, "what it reads is changed by others all the time"));
        let because = alone.or_else(changed);
        if let Some((handler, why)) = &because {
            self.context.report.escalated(&batch, handler, why);
        }
        batch.cut(1);
        self.backlog.put_first(batch.take_behind());
        let claims = &self.transactor.claims;
        let heads = heads_after(claims, batch.advances(claims).iter());
        let count = batch.of_log();
        let begun = self.context.clock.elapsed();
        let finished = self.transactor.alone(&caller, &mut batch).await;
        if let Some((handler, _)) = because.filter(|_| self.lane.is_none()) {
            self.lines.took(handler.line, self.context.clock.elapsed().saturating_sub(begun));
        }
        let left = self.left(&finished, batch, count);
        self.conclude(left, &heads, hop).await;
        None
    }

    /// Returns the plan if the claims are still those that it was made under, or else a new one.
    fn current(&self, plan: Option<Plan>, batch: &Batch) -> Plan {
        let claims = &self.transactor.claims;
        plan.filter(|plan| is_under(plan, claims)).unwrap_or_else(|| self.runner.plan(batch, claims))
    }

    /// Puts back what a batch leaves to be done, and reports the rest.
    async fn conclude(&mut self, left: Vec<Entry>, heads: &Heads, hop: &dyn Hop) {
        self.backlog.put_first(left);
        self.drop_unclaimed();
        self.tell(hop, Some(heads)).await;
    }

    /// Returns the records that a batch leaves to be done.
    fn left(&mut self, finished: &Result<Finished, GivenUp>, mut batch: Batch, count: usize) -> Vec<Entry> {
        let left = match finished {
            Ok(Finished::Committed) => {
                let behind = batch.take_behind();
                self.spent = Some(batch);
                behind
            }
            Ok(Finished::Anew) => batch.into_entries(),
            // Some of these records are not accounted for, so nothing behind them may be: the next claim of their
            // partitions begins at their progress.
            Err(GivenUp) => {
                let entries = batch.into_entries();
                self.transactor.give_up_all(&partitions(&entries));
                entries
            }
        };
        self.finished += count - of_log(&left);
        left
    }

    async fn take(&mut self, work: Work, hop: &dyn Hop) {
        match work {
            Work::Own(claims) => {
                // Records that were read under an older claim are read again under this one.
                let owned: BTreeSet<&PartitionId> = claims.iter().map(|(partition, _)| partition).collect();
                self.finished += self.backlog.drop_partitions(&owned);
                let epochs: Vec<(PartitionId, i64)> =
                    claims.iter().map(|(partition, claim)| (partition.clone(), claim.epoch)).collect();
                self.transactor.claims.extend(claims);
                self.runner.lookup.forget_buckets();
                for (partition, epoch) in &epochs {
                    match &self.lane {
                        // It may have been asked to rest under an older claim.
                        Some(lane) => lane.retries.go_on(partition),
                        None => {
                            if let Err(GivenUp) = self.lines.own(partition, *epoch).await {
                                self.transactor.give_up(partition);
                            }
                        }
                    }
                }
            }
            Work::Disown(partitions) => {
                for partition in &partitions {
                    self.transactor.claims.remove(partition);
                    self.forget_parked(partition);
                }
            }
            Work::Rest(partitions) => {
                if let Some(lane) = &self.lane {
                    lane.retries.rest(&partitions);
                    hop.say(Said::Rests(partitions)).await;
                } else {
                    self.lines.rest(&partitions);
                    self.resting.push(partitions);
                    self.say_rests(hop).await;
                }
            }
            Work::Commit(entries) => self.backlog.add(entries),
            Work::AtEnd(partitions) => {
                // Without events, nothing else asks.
                self.lines.faults.look_at_rights().await;
                for at_end in &partitions {
                    self.at_end(at_end).await;
                }
            }
        }
    }

    async fn at_end(&mut self, at_end: &AtEnd) {
        let AtEnd { partition, end, highest_created_at_ms } = at_end;
        let Some(claim) = self.transactor.claims.get_mut(partition) else { return };
        let is_news = *end > claim.read_to || *highest_created_at_ms > claim.highest_created_at_ms;
        if !is_news && !self.raised_in_doubt.contains(partition) {
            return;
        }
        if claim.highest_created_at_ms.is_none() && highest_created_at_ms.is_some() {
            // From now on the ledger's floor is read only for old events of this partition, so the buckets must be
            // current.
            self.runner.lookup.forget_buckets();
        }
        match self.context.store.note_end(partition, claim, *end, *highest_created_at_ms).await {
            Ok(()) => drop(self.raised_in_doubt.remove(partition)),
            Err(error) => {
                tracing::debug!(%error, "end_not_noted");
                self.raised_in_doubt.insert(partition.clone());
            }
        }
        // The time may be stored although MongoDB did not confirm it, and then older markers may be forgotten.
        claim.highest_created_at_ms = claim.highest_created_at_ms.max(*highest_created_at_ms);
        claim.read_to = claim.read_to.max(*end);
    }

    /// Whether the batch is one event of a partition that has lost owner after owner.
    fn runs_singly(&self, batch: &Batch) -> bool {
        batch.slots().first().is_some_and(|slot| is_suspect(&self.transactor.claims, &slot.entry))
    }

    /// Counts records as finished that were given up, and gives up all their partitions.
    fn forget(&mut self, partitions: &BTreeSet<PartitionId>, count: usize) {
        self.finished += count;
        self.transactor.give_up_all(partitions);
    }

    /// Forgets what is parked in a partition that is not owned any more.
    fn forget_parked(&self, partition: &PartitionId) {
        if self.lane.is_none() {
            self.lines.forget(partition);
        }
    }

    fn drop_unclaimed(&mut self) {
        self.finished += self.backlog.drop_unclaimed(&self.transactor.claims);
    }

    /// Reports what became of records, if there is anything to report.
    async fn tell(&mut self, hop: &dyn Hop, moved: Option<&Heads>) {
        let lost = std::mem::take(&mut self.transactor.lost);
        for (partition, _) in &lost {
            self.forget_parked(partition);
        }
        let finished = std::mem::take(&mut self.finished);
        if finished == 0 && lost.is_empty() {
            return;
        }
        let moved = moved
            .into_iter()
            .flat_map(|heads| heads.keys())
            .filter_map(|partition| Some((partition.clone(), self.transactor.claims.get(partition)?.clone())))
            .collect();
        hop.say(Said::Done(Done { moved, lost, finished })).await;
    }
}

/// Returns the claims as they are once the batch is committed.
fn heads_after<'a>(claims: &Heads, advances: impl Iterator<Item = &'a Advance>) -> Heads {
    let mut heads = claims.clone();
    for advance in advances {
        if let Some(claim) = heads.get_mut(&advance.partition) {
            advance.step(claim);
        }
    }
    heads
}

fn is_under(plan: &Plan, claims: &Heads) -> bool {
    plan.advances().all(|advance| claims.get(&advance.partition) == Some(&advance.claim))
}
