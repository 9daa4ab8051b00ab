//! Commits batches that are ready, however many tries it takes; `redo` decides what to do next. Pure.
//!
//! A try ends committed, not committed, or in doubt. A batch that is not committed is tried again with the same fence:
//! the transaction commits only if every claim still has the epoch and `next` of its plan, so a second commit of the
//! same records is impossible. If a commit is in doubt, reading MongoDB proves nothing, because the transaction may
//! still be under way. Only a new claim settles it, so those partitions are given up.
//!
//! Invariant: one transaction at a time, under the claims that it was given. It gives back what it could not commit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::context::{Context, GivenUp, PAUSE};
use super::culprits::Search;
use super::faults::{Beside, Faults};
use super::in_flight::Heads;
use super::outcome::Failure;
use super::redo::{Redo, Step};
use super::slot::DeliveryRef;
use super::statements::Form;
use super::turns::Turns;
use crate::call::Fault;
use crate::failpoint;
use crate::seeded::{self, Bug};
use crate::store::{Command, FaultKind, FaultyCommand, PartitionId, Plan, Probed, Reply, Session};
use crate::telemetry::health::MONGODB;

/// How often a batch is halved at most for its culprits. By then, a culprit in every batch is nothing rare.
const MOST_HALVED: u32 = 6;
/// How often in a row the reads of a batch may be outdated at its commit before an event runs alone. By then a batch of
/// any size is down to one event.
const MOST_CHANGED: u32 = 16;
/// So many halvings leave one event of a batch of any size.
const SINGLE: u32 = 16;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finished {
    /// Everything is committed except what was cut off.
    Committed,
    /// Nothing is committed, and the batch must be prepared again.
    Anew,
}

/// The claims of a process, and the session in which it commits under them.
#[derive(Debug)]
pub(super) struct Transactor {
    pub(super) context: Arc<Context>,
    pub(super) faults: Arc<Faults>,
    pub(super) session: Session,
    pub(super) claims: Heads,
    /// The partitions to claim again, and the epochs under which they were lost.
    pub(super) lost: Vec<(PartitionId, i64)>,
    /// The session's client was given up, or its last commit is in doubt.
    stale: bool,
    pub(super) turns: Turns,
    /// How often in a row a batch's reads were outdated by its commit.
    changed: u32,
    /// How often the next batch is halved, because culprits came close together.
    halved: u32,
}

impl Transactor {
    pub(super) fn new(context: Arc<Context>, faults: Arc<Faults>, session: Session) -> Self {
        Self {
            context,
            faults,
            session,
            claims: Heads::new(),
            lost: Vec::new(),
            stale: false,
            turns: Turns::default(),
            changed: 0,
            halved: 0,
        }
    }

    /// Commits the batch, or finds that it must be prepared again. `plan` is tried first.
    pub(super) async fn finish(&mut self, batch: &mut Batch, plan: Plan) -> Result<Finished, GivenUp> {
        let finished = self.try_until_decided(batch, plan).await;
        self.turns.end(&self.context).await;
        finished
    }

    async fn try_until_decided(&mut self, batch: &mut Batch, first: Plan) -> Result<Finished, GivenUp> {
        // After a command that did not end, the next event runs in a form that shows whose command it is.
        let careful = self.halved > MOST_HALVED;
        let mut first = Some(first).filter(|_| !self.faults.condemn(batch) && !careful);
        let mut redo = Redo::strict(batch.has_one_writer() || careful);
        let (mut tries, mut culprits, mut halves) = (0, 0, 0);
        let mut search = Search::default();
        loop {
            self.fresh_session().await?;
            let again = || batch.plan(&self.claims, &self.context.ledger, redo.form(), self.context.clock.now_ms());
            let mut plan = first.take().unwrap_or_else(again);
            tries += 1;
            if tries == 1 {
                self.turns.before(&self.context, &plan).await;
            }
            if seeded::on(Bug::RetryWithoutFence) && tries > 1 {
                plan.advances.clear();
            }
            let begun = self.context.clock.elapsed();
            let reply = self.session.commit(&plan).await;
            failpoint::pass("after-commit");
            if let Reply::Abandoned(faulty) = &reply {
                self.abandoned(batch, &plan, faulty).await?;
            }
            match redo.after(reply, &plan, batch.len(), self.context.clock.elapsed()) {
                Step::Done => {
                    self.committed(batch, &plan, self.context.clock.elapsed().saturating_sub(begun));
                    let halves = halves.max(u32::from(culprits > 1));
                    self.halved = if halves > 0 {
                        (self.halved + halves).min(MOST_HALVED)
                    } else {
                        self.halved.saturating_sub(1)
                    };
                    return Ok(Finished::Committed);
                }
                Step::Again { pause, why } => self.again(pause, &why).await?,
                Step::Lease { collection, pause, why } => self.lease(collection, pause, &why).await?,
                Step::Strict => self.context.metrics.transaction_redone("strict"),
                Step::Fail { owner, failure } => {
                    culprits += 1;
                    let at = self.blame(batch, owner, *failure);
                    // Everything before it is known to succeed, and each further culprit would cost two more
                    // transactions of the rest.
                    if culprits > 1
                        && let Some(at) = at
                    {
                        batch.cut(at.slot + 1);
                    }
                }
                Step::Rerun => {
                    self.context.metrics.transaction_redone("changed");
                    self.changed += 1;
                    return Ok(Finished::Anew);
                }
                Step::LookAgain => {
                    self.context.metrics.transaction_redone("seen");
                    return Ok(Finished::Anew);
                }
                Step::Claim { why, unknown } => {
                    self.lose(&plan, &why, unknown).await;
                    return Ok(Finished::Anew);
                }
                Step::Halve(why) => {
                    tracing::warn!(events = batch.len(), error = why, "batch_halved");
                    halves += 1;
                    batch.cut(batch.len() / 2);
                }
                Step::FailLargest(why) => match self.oversized(batch).await {
                    Some(at) => batch.fail(at, Failure::too_large(why)),
                    None => self.again(PAUSE, &why).await?,
                },
                Step::Suspect { owner, kind, why } => {
                    if let Some(at) = batch.owner(owner)
                        && let Some(failure) = self.suspect(batch, &plan, (at, owner), (kind, why)).await?
                    {
                        culprits += 1;
                        batch.fail(at, failure);
                    }
                }
                Step::FailUncommittable(why) => match self.faults.slow_or_away(Probed::Write).await {
                    Some(slow) => self.again(PAUSE, &slow).await?,
                    None => search.next(batch, &why),
                },
            }
        }
    }

    /// A handler's command did not end in time, which costs the claim. The next batch is one event, which shows whose
    /// command it is.
    async fn abandoned(&mut self, batch: &Batch, plan: &Plan, faulty: &FaultyCommand) -> Result<(), GivenUp> {
        self.halved = SINGLE;
        let owner = plan.commands.get(faulty.command).and_then(Command::owner);
        if let Some(owner) = owner
            && let Some(at) = batch.owner(owner)
        {
            self.suspect(batch, plan, (at, owner), (faulty.kind, faulty.why.clone())).await?;
        }
        Ok(())
    }

    /// Probes MongoDB beside the command that met a fault; see [`Faults::judge`].
    async fn suspect(
        &self,
        batch: &Batch,
        plan: &Plan,
        (at, owner): (DeliveryRef, usize),
        (kind, message): (FaultKind, String),
    ) -> Result<Option<Failure>, GivenUp> {
        let command = plan.commands.iter().find(|command| command.owners.contains(&owner));
        let collection = command.map(|command| Arc::clone(&command.collection));
        let fault = Fault { kind, collection, writes: true, message };
        self.faults.judge(batch, at, &fault, Beside::Write).await
    }

    /// Finds the delivery that alone has more bytes than a transaction takes, or else the heaviest. Returns none if
    /// MongoDB could not tell for one of them. Then the transaction is tried again.
    async fn oversized(&mut self, batch: &Batch) -> Option<DeliveryRef> {
        let writers = batch.writers();
        for (number, at) in &writers {
            let mut plan = batch.plan(&self.claims, &self.context.ledger, Form::Strict, 0);
            plan.commands.retain(|command| command.owners.contains(number));
            match self.session.probe(&plan).await {
                Reply::TooLarge(_) => return Some(*at),
                // A statement that fails without another delivery's writes is not one that is too large.
                Reply::Committed | Reply::Failed(_) => {}
                _ if seeded::on(Bug::ProbeUnanswered) => {}
                _ => return None,
            }
        }
        batch.heaviest().first().copied()
    }

    /// Replaces a session that may have an open transaction whose end is unknown. A claim ends that transaction, and
    /// the next one uses another session.
    pub(super) async fn fresh_session(&mut self) -> Result<(), GivenUp> {
        while self.stale {
            match self.session.renew().await {
                Ok(()) => self.stale = false,
                Err(error) => self.context.wait(PAUSE, &error.to_string()).await?,
            }
        }
        Ok(())
    }

    /// A pause before the same transaction is tried again.
    pub(super) async fn again(&self, pause: Duration, why: &str) -> Result<(), GivenUp> {
        self.context.metrics.transaction_redone("transient");
        tracing::debug!(error = why, "transaction_redone");
        self.context.wait(pause, why).await
    }

    /// Waits for a turn at the collection of a conflict before the same transaction is tried again.
    pub(super) async fn lease(&mut self, collection: Arc<str>, pause: Duration, why: &str) -> Result<(), GivenUp> {
        self.context.metrics.transaction_redone("conflict");
        tracing::debug!(collection = &*collection, error = why, "transaction_conflicts");
        self.turns.after_conflict(&self.context, collection).await;
        self.context.wait(pause, why).await
    }

    /// Returns the most events of the next batch: fewer if its reads are outdated again and again, or if many
    /// deliveries fail.
    pub(super) fn batch_size(&self, most: usize) -> usize {
        most.checked_shr(self.changed.saturating_sub(1) + self.halved).unwrap_or(0).max(1)
    }

    /// Whether others change what is read faster than it can be committed. An event in a transaction of its own reads
    /// what nobody can change.
    pub(super) fn always_changed(&self) -> bool {
        self.changed >= MOST_CHANGED
    }

    pub(super) fn committed(&mut self, batch: &Batch, plan: &Plan, took: Duration) {
        self.changed = 0;
        self.faults.accounted_for(&plan.advances);
        for advance in &plan.advances {
            if let Some(claim) = self.claims.get_mut(&advance.partition) {
                advance.step(claim);
            }
        }
        self.context.health.found(MONGODB);
        self.context.metrics.batch(batch.len());
        self.context.metrics.commit(took);
        self.context.report.committed(batch, self.context.clock.now_ms());
    }

    /// Finds out which of the plan's partitions are still owned as they were, and gives up the rest.
    pub(super) async fn lose(&mut self, plan: &Plan, why: &str, unknown: bool) {
        self.stale |= unknown;
        for advance in &plan.advances {
            // A read can tell only after a lost claim. It proves nothing about a commit whose result is unknown.
            if !unknown && (seeded::on(Bug::ClaimKept) || self.stands(&advance.partition).await) {
                continue;
            }
            tracing::warn!(partition = %advance.partition, error = why, "claim_lost");
            self.give_up(&advance.partition);
        }
    }

    async fn stands(&self, partition: &PartitionId) -> bool {
        let progress = self.context.store.progress(partition).await.ok().flatten();
        let claim = self.claims.get(partition).map(|claim| (claim.epoch, claim.next));
        claim.is_some() && claim == progress.map(|progress| (progress.epoch, progress.next))
    }

    /// Gives up the partitions, which are then claimed again.
    pub(super) fn give_up_all(&mut self, partitions: &BTreeSet<PartitionId>) {
        for partition in partitions {
            self.give_up(partition);
        }
    }

    /// Gives up the partition, which is then claimed again.
    pub(super) fn give_up(&mut self, partition: &PartitionId) {
        if let Some(claim) = self.claims.remove(partition) {
            self.lost.push((partition.clone(), claim.epoch));
        }
    }

    fn blame(&self, batch: &mut Batch, owner: usize, failure: Failure) -> Option<DeliveryRef> {
        self.context.metrics.transaction_redone("culprit");
        let at = batch.owner(owner)?;
        batch.fail(at, failure);
        Some(at)
    }
}
