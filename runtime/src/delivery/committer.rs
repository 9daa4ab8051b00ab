//! Drives batches: asks the ledger, runs the deliveries, commits. What it does next is decided by `batch` and `redo`.
//!
//! Invariant: one transaction at a time, under the claims that it was given; what it could not commit it gives back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::batch::{Batch, DeliveryRef, Next};
use super::entry::{Entry, Ledger};
use super::outcome::{Failure, State, decide};
use super::redo::{Redo, Step};
use super::report::Report;
use crate::clock;
use crate::host::{Call, Mode, Run};
use crate::registry::{Identity, Registry};
use crate::store::{self, Claim, MarkerKey, PartitionId, Plan, Store};
use crate::telemetry::health::{Health, MONGODB};
use crate::telemetry::metrics::{Metrics, Service};

/// How long to wait where MongoDB fails outside a transaction.
const PAUSE: Duration = Duration::from_millis(250);

/// What came of records that were given to the committer.
#[derive(Debug, Default)]
pub struct Done {
    /// For each partition, the offset of the first record that is not accounted for.
    pub next: HashMap<PartitionId, i64>,
    /// Partitions whose claim no longer holds, or may not: they are to be claimed anew before more of them is read.
    pub lost: Vec<PartitionId>,
}

/// The work was given up, since somebody asked for that: nothing of it is committed, or a claim will tell.
#[derive(Debug)]
pub(super) struct GivenUp;

/// The one committer of a group in this process.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    pub(super) session: store::Session,
    registry: Arc<Registry>,
    pub(super) ledger: Ledger,
    pub(super) claims: HashMap<PartitionId, Claim>,
    lost: Vec<PartitionId>,
    give_up: Arc<AtomicBool>,
    pub(super) report: Report,
    health: Health,
    metrics: Metrics,
    started: Instant,
}

impl Committer {
    /// A committer without claims; `give_up` ends what it is waiting for.
    #[must_use]
    pub fn new(
        store: Store,
        session: store::Session,
        registry: Arc<Registry>,
        ledger: Ledger,
        (metrics, health): (Metrics, Health),
        give_up: Arc<AtomicBool>,
    ) -> Self {
        Self {
            store,
            session,
            registry,
            ledger,
            claims: HashMap::new(),
            lost: Vec::new(),
            give_up,
            report: Report::new(metrics.clone()),
            health,
            metrics,
            started: Instant::now(),
        }
    }

    /// Takes a claim that was made for it.
    pub fn own(&mut self, partition: PartitionId, claim: Claim) {
        self.claims.insert(partition, claim);
    }

    /// Gives a claim back.
    pub fn disown(&mut self, partition: &PartitionId) {
        self.claims.remove(partition);
    }

    /// Accounts for the records, in as many transactions as it takes. Records of partitions without a claim are
    /// passed over.
    pub async fn commit(&mut self, mut entries: Vec<Entry>) -> Done {
        let partitions: Vec<PartitionId> = entries.iter().map(|entry| entry.partition.clone()).collect();
        while !entries.is_empty() {
            entries.retain(|entry| self.claims.get(&entry.partition).is_some_and(|claim| entry.offset >= claim.next));
            match self.one(entries).await {
                Ok(rest) => entries = rest,
                Err(GivenUp) => {
                    // Some of these records are not accounted for, so nothing behind them may be: the next claim of
                    // their partitions begins where progress stands.
                    for partition in &partitions {
                        if self.claims.remove(partition).is_some() {
                            self.lost.push(partition.clone());
                        }
                    }
                    break;
                }
            }
        }
        let next = partitions.into_iter().filter_map(|partition| {
            let claim = self.claims.get(&partition)?;
            Some((partition, claim.next))
        });
        Done { next: next.collect(), lost: std::mem::take(&mut self.lost) }
    }

    /// One transaction's worth of the records; gives back what is left.
    async fn one(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, GivenUp> {
        if entries.is_empty() {
            return Ok(entries);
        }
        let mut batch = Batch::new(entries, &self.ledger);
        let seen = self.seen(&batch.keys()).await?;
        batch.route(&seen, self.registry.routes());
        if let Some((handler, why)) = self.run(&mut batch).await? {
            self.report.escalated(&batch, &handler, why);
            return self.alone(batch).await;
        }
        self.finish(batch).await
    }

    async fn seen(&self, keys: &[MarkerKey]) -> Result<HashMap<MarkerKey, i64>, GivenUp> {
        loop {
            match self.store.seen(keys).await {
                Ok(seen) => {
                    self.health.found(MONGODB);
                    return Ok(seen);
                }
                Err(error) => self.wait(PAUSE, &error.to_string()).await?,
            }
        }
    }

    /// Runs the batch's deliveries; gives the handler and its reason where the first event has to run alone.
    async fn run(&mut self, batch: &mut Batch) -> Result<Option<(Arc<Identity>, &'static str)>, GivenUp> {
        let mut at = None;
        while let Some(next) = batch.next(at) {
            let mode = Mode::Batch { reader: self.store.reader(), pending: batch.pending() };
            let run = self.deliver(batch, next, mode).await;
            match batch.ran(next, decide(run.verdict, run.log), run.writes, run.reads) {
                Next::Go => at = Some(next),
                Next::Again(why) => self.wait(PAUSE, &why).await?,
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
        let (event, identity, now_ms) = batch.begin(at, clock::now_ms()).expect("the batch named this delivery");
        let deployed = self.registry.deployed(identity.id).expect("what is routed is deployed");
        let call = Call { event, handler: deployed.key(), attempt: 1, now_ms, mode };
        let run = deployed.handler().deliver(call).await;
        deployed.metrics().ran(run.running, run.fuel);
        if run.log_lines_dropped > 0 {
            deployed.metrics().log_lines_dropped(run.log_lines_dropped);
        }
        run
    }

    /// Commits the batch, whatever it takes; gives back what was cut off, or all of it where it is to begin anew.
    async fn finish(&mut self, mut batch: Batch) -> Result<Vec<Entry>, GivenUp> {
        let mut redo = Redo::strict(batch.has_one_writer());
        loop {
            let plan = batch.plan(&self.claims, &self.ledger, redo.form(), clock::now_ms());
            let begun = Instant::now();
            let reply = self.session.commit(&plan).await;
            match redo.after(reply, &plan, batch.len(), self.elapsed()) {
                Step::Done => {
                    self.committed(&batch, &plan, begun.elapsed());
                    return Ok(batch.into_behind());
                }
                Step::Again { pause, why } => self.redo(pause, &why).await?,
                Step::Strict => self.metrics.transaction_redone("strict"),
                Step::Fail { owner, failure } => self.blame(&mut batch, owner, *failure),
                Step::Rerun => {
                    self.metrics.transaction_redone("changed");
                    return Ok(batch.into_entries());
                }
                Step::LookAgain => {
                    self.metrics.transaction_redone("seen");
                    return Ok(batch.into_entries());
                }
                Step::Claim(why) => {
                    self.lose(&plan, &why).await;
                    return Ok(batch.into_entries());
                }
                Step::Halve(why) => {
                    tracing::warn!(events = batch.len(), error = why, "batch_halved");
                    batch.cut(batch.len() / 2);
                }
                Step::FailLargest(why) => {
                    if let Some(at) = batch.largest() {
                        batch.fail(at, Failure::new(State::Dead, "too-large", why));
                    }
                }
            }
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn blame(&self, batch: &mut Batch, owner: usize, failure: Failure) {
        self.metrics.transaction_redone("culprit");
        if let Some(at) = batch.owner(owner) {
            batch.fail(at, failure);
        }
    }

    /// A pause before the same transaction is tried again.
    pub(super) async fn redo(&self, pause: Duration, why: &str) -> Result<(), GivenUp> {
        self.metrics.transaction_redone("transient");
        self.wait(pause, why).await
    }

    pub(super) fn committed(&mut self, batch: &Batch, plan: &Plan, took: Duration) {
        for advance in &plan.advances {
            if let Some(claim) = self.claims.get_mut(&advance.partition) {
                claim.next = advance.to;
            }
        }
        self.health.found(MONGODB);
        self.metrics.batch(batch.len());
        self.metrics.commit(took);
        self.report.committed(batch, &self.registry);
    }

    /// Finds out which of the plan's partitions are still owned as they were, and gives up the rest.
    pub(super) async fn lose(&mut self, plan: &Plan, why: &str) {
        for advance in &plan.advances {
            let progress = self.store.progress(&advance.partition).await.ok().flatten();
            let number = |name| progress.as_ref().and_then(|progress| progress.get_i64(name).ok());
            let stands = number("epoch") == Some(advance.claim.epoch) && number("next") == Some(advance.claim.next);
            // A read proves nothing about a commit of unknown result: only where the claim itself was lost, it may.
            if stands && why.starts_with("another host") {
                continue;
            }
            tracing::warn!(partition = %advance.partition, error = why, "claim_lost");
            self.claims.remove(&advance.partition);
            self.lost.push(advance.partition.clone());
        }
    }

    /// Waits, and says for what; an error where it was told to give up meanwhile.
    pub(super) async fn wait(&self, pause: Duration, why: &str) -> Result<(), GivenUp> {
        if self.give_up.load(Ordering::Relaxed) {
            return Err(GivenUp);
        }
        self.metrics.fault(Service::Mongodb);
        if pause >= PAUSE {
            self.health.waiting_for(MONGODB, why);
        }
        tokio::time::sleep(jittered(pause)).await;
        Ok(())
    }
}

/// Half of the pause to all of it, so that hosts that conflict do not meet again.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128();
    let share = u32::try_from(random % 512).unwrap_or(0) + 512;
    pause * share / 1024
}
