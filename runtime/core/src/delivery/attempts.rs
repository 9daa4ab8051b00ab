//! Follows MongoDB's answers to the transactions of one batch until the batch is decided. Pure.
//!
//! `redo` says which step follows from an answer, and this takes the step. It is the same whether the deliveries have
//! run before the transaction (`together`) or run inside it (`alone`): the two differ in how they make a try, and in how
//! they find a delivery that is more than a transaction takes.

use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::context::{GivenUp, PAUSE};
use super::culprits::Search;
use super::faults::Beside;
use super::outcome::Failure;
use super::redo::{Redo, Step};
use super::slot::DeliveryRef;
use super::transactor::Transactor;
use crate::call::Fault;
use crate::store::{FaultKind, Plan, Probed, Reply};

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finished {
    /// Everything is committed except what was cut off.
    Committed,
    /// Nothing is committed, and the batch must be prepared again.
    Anew,
}

/// What the tries of one batch have shown so far.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) redo: Redo,
    search: Search,
    culprits: u32,
    halves: u32,
}

/// One try, and MongoDB's answer to it.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) plan: Plan,
    pub(super) begun: Duration,
    pub(super) reply: Reply,
}

/// What the caller must do after a step.
#[derive(Debug)]
pub(super) enum Followed {
    Decided(Finished),
    TryAgain,
    /// Fail the delivery that is more than a transaction takes, for this reason, and try again.
    FailLargest(String),
}

impl Attempts {
    pub(super) fn new(redo: Redo) -> Self {
        Self { redo, search: Search::default(), culprits: 0, halves: 0 }
    }

    /// Returns how often the batch was halved. Several culprits in one batch count as much.
    pub(super) fn halves(&self) -> u32 {
        self.halves.max(u32::from(self.culprits > 1))
    }
}

impl Transactor {
    /// Takes the step that follows from MongoDB's answer.
    pub(super) async fn follow(
        &mut self,
        attempts: &mut Attempts,
        batch: &mut Batch,
        attempt: Attempt,
    ) -> Result<Followed, GivenUp> {
        let Attempt { plan, begun, reply } = attempt;
        match attempts.redo.after(reply, &plan, batch.len(), self.context.clock.elapsed()) {
            Step::Done => {
                self.committed(batch, &plan, self.context.clock.elapsed().saturating_sub(begun));
                return Ok(Followed::Decided(Finished::Committed));
            }
            Step::Rerun => {
                self.outdated();
                return Ok(Followed::Decided(Finished::Anew));
            }
            Step::LookAgain => {
                self.context.metrics.transaction_redone("seen");
                return Ok(Followed::Decided(Finished::Anew));
            }
            Step::Claim { why, unknown } => {
                self.lose(&plan, &why, unknown).await;
                return Ok(Followed::Decided(Finished::Anew));
            }
            Step::FailLargest(why) => return Ok(Followed::FailLargest(why)),
            Step::Again { pause, why } => self.again(pause, &why).await?,
            Step::Lease { collection, pause, why } => self.lease(collection, pause, &why).await?,
            Step::Strict => self.context.metrics.transaction_redone("strict"),
            Step::Fail { owner, failure } => self.blame(attempts, batch, owner, *failure),
            Step::Halve(why) => {
                tracing::warn!(events = batch.len(), error = why, "batch_halved");
                attempts.halves += 1;
                batch.cut(batch.len() / 2);
            }
            Step::Suspect { owner, kind, why } => {
                if let Some(at) = batch.owner(owner)
                    && let Some(failure) = self.suspect(batch, &plan, (at, owner), (kind, why)).await?
                {
                    attempts.culprits += 1;
                    batch.fail(at, failure);
                }
            }
            Step::FailUncommittable(why) => match self.faults.slow_or_away(Probed::Write).await {
                Some(slow) => self.again(PAUSE, &slow).await?,
                None => attempts.search.next(batch, &why),
            },
        }
        Ok(Followed::TryAgain)
    }

    /// Fails the delivery that is more than a transaction takes. If MongoDB could not tell which one it is, the same
    /// transaction is tried again.
    pub(super) async fn fail_largest(
        &self,
        batch: &mut Batch,
        largest: Option<DeliveryRef>,
        why: String,
    ) -> Result<(), GivenUp> {
        match largest {
            Some(at) => batch.fail(at, Failure::too_large(why)),
            None => self.again(PAUSE, &why).await?,
        }
        Ok(())
    }

    /// Probes MongoDB beside the command that met a fault; see [`super::faults::Faults::judge`].
    pub(super) async fn suspect(
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

    fn blame(&self, attempts: &mut Attempts, batch: &mut Batch, owner: usize, failure: Failure) {
        self.context.metrics.transaction_redone("culprit");
        attempts.culprits += 1;
        let Some(at) = batch.owner(owner) else { return };
        batch.fail(at, failure);
        // Everything before it is known to succeed, and each further culprit would cost two more transactions of the
        // rest.
        if attempts.culprits > 1 {
            batch.cut(at.slot + 1);
        }
    }
}
