//! The claims of a process, and the session in which it commits under them. Pure.
//!
//! The fence: a transaction updates the progress of every partition that it speaks for, and commits only if each still
//! has the epoch and the `next` of its claim here. So two owners cannot both commit, and neither can the same records be
//! committed twice, whatever happened to the first try. A try ends committed, not committed, or in doubt. A batch that
//! is not committed is tried again with the same fence. If a commit is in doubt, reading MongoDB proves nothing, because
//! the transaction may still be under way. Only a new claim settles it, so those partitions are given up.
//!
//! Invariant: one transaction at a time, under the claims that it was given. It gives back what it could not commit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::context::{Context, GivenUp, PAUSE};
use super::faults::Faults;
use super::in_flight::Heads;
use super::lines::Lines;
use super::statements::Form;
use super::turns::Turns;
use crate::seeded::{self, Bug};
use crate::store::{PartitionId, Plan, Session};
use crate::telemetry::health::MONGODB;

/// How often a batch is halved at most for its culprits. By then, a culprit in every batch is nothing rare.
const MOST_HALVED: u32 = 6;
/// How often in a row the reads of a batch may be outdated at its commit before an event runs alone. By then a batch of
/// any size is down to one event.
const MOST_CHANGED: u32 = 16;
/// So many halvings leave one event of a batch of any size.
const SINGLE: u32 = 16;

/// The claims of a process, and the session in which it commits under them.
#[derive(Debug)]
pub(super) struct Transactor {
    pub(super) context: Arc<Context>,
    pub(super) faults: Arc<Faults>,
    lines: Arc<Lines>,
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
    pub(super) fn new(context: Arc<Context>, lines: Arc<Lines>, session: Session) -> Self {
        Self {
            context,
            faults: Arc::clone(&lines.faults),
            lines,
            session,
            claims: Heads::new(),
            lost: Vec::new(),
            stale: false,
            turns: Turns::default(),
            changed: 0,
            halved: 0,
        }
    }

    /// Returns the transaction of the batch under the claims as they are.
    pub(super) fn plan(&self, batch: &Batch, form: Form) -> Plan {
        batch.plan(&self.claims, &self.context.ledger, form, self.context.clock.now_ms())
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

    /// Notes that a batch is committed that was halved this often. The next batches are smaller for a while, because a
    /// culprit in every batch costs more than small batches do.
    pub(super) fn halved(&mut self, halves: u32) {
        self.halved = if halves > 0 { (self.halved + halves).min(MOST_HALVED) } else { self.halved.saturating_sub(1) };
    }

    /// Has the next batch be one event.
    pub(super) fn next_is_single(&mut self) {
        self.halved = SINGLE;
    }

    /// Whether the batch must be tried in a form that shows whose a command is, because one before did not end.
    pub(super) fn is_careful(&self) -> bool {
        self.halved > MOST_HALVED
    }

    /// Notes that something a batch has read was changed before its commit.
    pub(super) fn outdated(&mut self) {
        self.context.metrics.transaction_redone("changed");
        self.changed += 1;
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
        self.faults.accounted_for(plan.advances(), batch);
        for advance in plan.advances() {
            if let Some(claim) = self.claims.get_mut(&advance.partition) {
                advance.step(claim);
            }
        }
        self.lines.committed(batch);
        self.context.health.found(MONGODB);
        self.context.metrics.batch(batch.len());
        self.context.metrics.commit(took);
        self.context.report.committed(batch, self.context.clock.now_ms());
    }

    /// Finds out which of the plan's partitions are still owned as they were, and gives up the rest.
    pub(super) async fn lose(&mut self, plan: &Plan, why: &str, unknown: bool) {
        self.stale |= unknown;
        for advance in plan.advances() {
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

    /// Gives up the partition, which is then claimed again. A command of the last transaction may still be on its way
    /// and begin that transaction anew, so the session is left to that claim, which ends it.
    pub(super) fn give_up(&mut self, partition: &PartitionId) {
        if let Some(claim) = self.claims.remove(partition) {
            if !self.stale {
                self.session.forsake();
                self.stale = true;
            }
            self.lost.push((partition.clone(), claim.epoch));
        }
    }
}
