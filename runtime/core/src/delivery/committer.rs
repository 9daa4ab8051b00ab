//! The one committer of a group in a process: takes records, and prepares one batch while another commits. Pure.
//!
//! At most two batches are under way. The in-flight batch has run and is being committed. The speculative batch
//! (`Speculation`) runs meanwhile as if that commit had succeeded: under the claims that it leaves, with its events known. A
//! delivery that reads what is being committed waits for the commit. The speculative batch is kept only if the
//! in-flight batch committed whole and no claim was lost. Otherwise it rests on a wrong assumption, so it is thrown
//! away and its records are done again. None of its writes reaches MongoDB before it is in flight itself.
//!
//! Invariant: records leave in the order in which they came, except those whose claim is lost. Records that a
//! transaction does not account for go before all that came later.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{Either, select};

use super::attempts::Finished;
use super::batch::{self, Batch};
use super::context::{Context, GivenUp};
use super::entry::{Entry, Ledger};
use super::faults::Faults;
use super::handlers::Handlers;
use super::hop::{AtEnd, Done, Hop, Said, Work};
use super::in_flight::{Heads, InFlight};
use super::runner::{Ready, Runner};
use super::transactor::Transactor;
use crate::clock::Clock;
use crate::seeded::{self, Bug};
use crate::store::{Advance, PartitionId, Plan, Session, Store};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;

/// The most bytes of records in a batch.
pub const BATCH_BYTES: usize = 8 << 20;

/// The committer of one process.
#[derive(Debug)]
pub struct Committer {
    context: Arc<Context>,
    faults: Arc<Faults>,
    runner: Runner,
    transactor: Transactor,
    /// The most events of a batch.
    batch_size: usize,
    /// A committed batch. It is freed while the next one commits, because freeing takes time.
    spent: Option<Batch>,
    todo: VecDeque<Entry>,
    finished: usize,
    wanted: bool,
    /// Partitions whose highest time of creation may or may not have reached MongoDB.
    raised_in_doubt: BTreeSet<PartitionId>,
}

/// What became of the speculative batch.
enum Speculative {
    Nothing,
    Ready(Box<Ready>),
    /// It was given up: the partitions of its records, and their number.
    GivenUp(BTreeSet<PartitionId>, usize),
}

impl Committer {
    /// Creates a committer without claims. `give_up` ends what it waits for.
    #[must_use]
    pub fn new(
        (store, session): (Store, Session),
        handlers: Arc<dyn Handlers>,
        (ledger, batch_size): (Ledger, usize),
        clock: Arc<dyn Clock>,
        seen: (Metrics, Health),
        give_up: Arc<AtomicBool>,
    ) -> Self {
        let context = Arc::new(Context::new(store, ledger, clock, seen, give_up));
        let faults = Arc::new(Faults::new(Arc::clone(&context)));
        Self {
            runner: Runner::new(Arc::clone(&context), handlers, Arc::clone(&faults)),
            transactor: Transactor::new(Arc::clone(&context), Arc::clone(&faults), session),
            context,
            faults,
            batch_size,
            spent: None,
            todo: VecDeque::new(),
            finished: 0,
            wanted: false,
            raised_in_doubt: BTreeSet::new(),
        }
    }

    /// Works until there is no more work.
    pub async fn run(mut self, hop: &dyn Hop) {
        let mut ready = None;
        loop {
            let now = match ready.take() {
                Some(now) => now,
                None => match self.first(hop).await {
                    Some(now) => now,
                    None => return,
                },
            };
            let alone = now.alone.is_some() || self.transactor.always_changed();
            ready = if alone { self.alone(now, hop).await } else { self.batch(now, hop).await };
        }
    }

    /// Prepares the next batch while nothing is being committed. Returns none if there is no more work.
    async fn first(&mut self, hop: &dyn Hop) -> Option<Ready> {
        loop {
            self.drop_unclaimed();
            self.tell(hop, None).await;
            if self.todo.is_empty() {
                self.spent = None;
                if !std::mem::replace(&mut self.wanted, true) {
                    hop.say(Said::Wants).await;
                }
                let work = hop.next().await?;
                self.take(work).await;
                continue;
            }
            let suspect = self.is_suspect(self.todo.front());
            let most = if suspect { 1 } else { self.transactor.batch_size(self.batch_size) };
            let entries = next_batch(&mut self.todo, most, &self.transactor.claims);
            let (partitions, count) = (partitions(&entries), entries.len());
            let Ok(ready) = self.runner.prepare(entries, &self.transactor.claims, None).await else {
                self.forget(&partitions, count);
                continue;
            };
            return Some(ready);
        }
    }

    /// Commits a batch, and prepares the next one speculatively meanwhile.
    async fn batch(&mut self, ready: Ready, hop: &dyn Hop) -> Option<Ready> {
        let Ready { mut batch, plan, .. } = ready;
        put_first(&mut self.todo, batch.take_behind());
        let count = batch.len();
        let claims = &self.transactor.claims;
        let plan = plan.filter(|plan| is_under(plan, claims)).unwrap_or_else(|| self.runner.plan(&batch, claims));
        let in_flight = InFlight::of(&batch);
        let heads = heads_after(claims, &plan.advances);
        if self.is_suspect(batch.slots().first().map(|slot| &slot.entry)) {
            // An event that runs singly has nothing beside it, so a host that dies now died of this event.
            let finished = self.transactor.together(&mut batch, plan).await;
            let left = self.left(&finished, batch, count);
            put_first(&mut self.todo, left);
            self.drop_unclaimed();
            self.tell(hop, Some(&heads)).await;
            return None;
        }
        let mut other_work = None;
        let (finished, speculative) = {
            let speculation = Speculation {
                runner: &self.runner,
                hop,
                todo: &mut self.todo,
                wanted: &mut self.wanted,
                other_work: &mut other_work,
                batch_size: self.transactor.batch_size(self.batch_size),
                spent: self.spent.take(),
            };
            let idle = AtomicBool::new(false);
            let finishing = pin!(self.transactor.together(&mut batch, plan));
            let finishing = pin!(in_flight.bell.listen(finishing));
            let preparing = pin!(speculation.run(&in_flight, &heads, &idle));
            match select(finishing, preparing).await {
                Either::Left((finished, preparing)) => {
                    in_flight.settle(matches!(finished, Ok(Finished::Committed)));
                    // If the speculative side still waits for records, it is dropped: `first` waits for them instead.
                    let speculative = if idle.load(Ordering::Relaxed) { Speculative::Nothing } else { preparing.await };
                    (finished, speculative)
                }
                Either::Right((speculative, finishing)) => (finishing.await, speculative),
            }
        };
        let left = self.left(&finished, batch, count);
        let kept = left.is_empty() && self.transactor.lost.is_empty() || seeded::on(Bug::TrialKept);
        let ready = match speculative {
            Speculative::Ready(ready) if kept => Some(*ready),
            Speculative::Ready(ready) => {
                put_first(&mut self.todo, ready.batch.into_entries());
                None
            }
            Speculative::GivenUp(partitions, count) => {
                self.forget(&partitions, count);
                None
            }
            Speculative::Nothing => None,
        };
        put_first(&mut self.todo, left);
        self.drop_unclaimed();
        self.tell(hop, Some(&heads)).await;
        match other_work {
            // This work comes before the speculative batch, whose records go back.
            Some(work) => {
                if let Some(ready) = ready {
                    put_first(&mut self.todo, ready.batch.into_entries());
                }
                self.take(work).await;
                None
            }
            None => ready,
        }
    }

    /// Commits the first event of a batch in a transaction of its own.
    async fn alone(&mut self, ready: Ready, hop: &dyn Hop) -> Option<Ready> {
        let Ready { mut batch, alone, .. } = ready;
        let changed = || Some((batch.first_handler()?, "what it reads is changed by others all the time"));
        if let Some((handler, why)) = alone.or_else(changed) {
            self.context.report.escalated(&batch, &handler, why);
        }
        batch.cut(1);
        put_first(&mut self.todo, batch.take_behind());
        let claims = &self.transactor.claims;
        let heads = heads_after(claims, &batch.advances(claims));
        let finished = self.transactor.alone(&self.runner, &mut batch).await;
        let left = self.left(&finished, batch, 1);
        put_first(&mut self.todo, left);
        self.drop_unclaimed();
        self.tell(hop, Some(&heads)).await;
        None
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
        self.finished += count - left.len();
        left
    }

    async fn take(&mut self, work: Work) {
        match work {
            Work::Own(claims) => {
                // Records that were read under an older claim are read again under this one.
                let owned: BTreeSet<&PartitionId> = claims.iter().map(|(partition, _)| partition).collect();
                let before = self.todo.len();
                self.todo.retain(|entry| !owned.contains(&entry.partition));
                self.finished += before - self.todo.len();
                self.transactor.claims.extend(claims);
                self.runner.lookup.forget_buckets();
            }
            Work::Disown(partitions) => {
                for partition in &partitions {
                    self.transactor.claims.remove(partition);
                }
            }
            Work::Commit(entries) => {
                self.wanted = false;
                self.todo.extend(entries);
            }
            Work::AtEnd(partitions) => {
                // Without events, nothing else asks.
                self.faults.look_at_rights().await;
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

    /// Whether the record's partition has lost owner after owner.
    fn is_suspect(&self, entry: Option<&Entry>) -> bool {
        entry.is_some_and(|entry| is_suspect(&self.transactor.claims, entry))
    }

    /// Counts records as finished that were given up, and gives up all their partitions.
    fn forget(&mut self, partitions: &BTreeSet<PartitionId>, count: usize) {
        self.finished += count;
        self.transactor.give_up_all(partitions);
    }

    /// Drops the records that have no claim, and those that are already accounted for.
    fn drop_unclaimed(&mut self) {
        let claims = &self.transactor.claims;
        let before = self.todo.len();
        self.todo.retain(|entry| claims.get(&entry.partition).is_some_and(|claim| entry.offset >= claim.next));
        self.finished += before - self.todo.len();
    }

    /// Reports what became of records, if there is anything to report.
    async fn tell(&mut self, hop: &dyn Hop, moved: Option<&Heads>) {
        let lost = std::mem::take(&mut self.transactor.lost);
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

/// The speculative side, which runs while a batch is committed.
struct Speculation<'a> {
    runner: &'a Runner,
    hop: &'a dyn Hop,
    todo: &'a mut VecDeque<Entry>,
    wanted: &'a mut bool,
    other_work: &'a mut Option<Work>,
    batch_size: usize,
    spent: Option<Batch>,
}

impl Speculation<'_> {
    /// Prepares the next batch. `idle` is set while it waits for records, when it may be dropped.
    async fn run(mut self, in_flight: &InFlight, heads: &Heads, idle: &AtomicBool) -> Speculative {
        // MongoDB should have its first command before this takes its time.
        in_flight.bell.give_way().await;
        self.spent = None;
        while self.todo.is_empty() {
            if !std::mem::replace(self.wanted, true) {
                self.hop.say(Said::Wants).await;
            }
            idle.store(true, Ordering::Relaxed);
            let work = self.hop.next().await;
            idle.store(false, Ordering::Relaxed);
            match work {
                Some(Work::Commit(entries)) => {
                    *self.wanted = false;
                    self.todo.extend(entries);
                }
                Some(work) => {
                    *self.other_work = Some(work);
                    return Speculative::Nothing;
                }
                None => return Speculative::Nothing,
            }
        }
        if self.todo.front().is_some_and(|entry| is_suspect(heads, entry)) {
            return Speculative::Nothing;
        }
        let entries = next_batch(self.todo, self.batch_size, heads);
        let (partitions, count) = (partitions(&entries), entries.len());
        match self.runner.prepare(entries, heads, Some(in_flight)).await {
            Ok(ready) => Speculative::Ready(Box::new(ready)),
            Err(GivenUp) => Speculative::GivenUp(partitions, count),
        }
    }
}

/// Returns the claims as they are once the batch is committed.
fn heads_after(claims: &Heads, advances: &[Advance]) -> Heads {
    let mut heads = claims.clone();
    for advance in advances {
        if let Some(claim) = heads.get_mut(&advance.partition) {
            advance.step(claim);
        }
    }
    heads
}

/// Whether the plan was made under these claims.
fn is_under(plan: &Plan, claims: &Heads) -> bool {
    plan.advances.iter().all(|advance| claims.get(&advance.partition) == Some(&advance.claim))
}

/// Whether the record's partition has lost owner after owner, or has no claim.
fn is_suspect(claims: &Heads, entry: &Entry) -> bool {
    claims.get(&entry.partition).is_none_or(batch::is_suspect)
}

/// Takes the first records, as many as a batch holds, and at least one if there is any. A suspect partition's records
/// are batched singly.
fn next_batch(todo: &mut VecDeque<Entry>, events: usize, claims: &Heads) -> Vec<Entry> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    while let Some(entry) = todo.front() {
        bytes += entry.bytes();
        let full = taken.len() >= events || bytes > BATCH_BYTES || is_suspect(claims, entry);
        if !taken.is_empty() && full {
            break;
        }
        taken.extend(todo.pop_front());
    }
    taken
}

fn put_first(todo: &mut VecDeque<Entry>, entries: Vec<Entry>) {
    for entry in entries.into_iter().rev() {
        todo.push_front(entry);
    }
}

fn partitions(entries: &[Entry]) -> BTreeSet<PartitionId> {
    entries.iter().map(|entry| entry.partition.clone()).collect()
}
