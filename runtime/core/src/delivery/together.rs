//! Commits a batch whose deliveries have run, in one transaction, however many tries it takes. Pure.

use super::attempts::{Attempt, Attempts, Finished, Followed};
use super::batch::Batch;
use super::context::GivenUp;
use super::redo::Redo;
use super::slot::DeliveryRef;
use super::statements::Form;
use super::transactor::Transactor;
use crate::failpoint;
use crate::seeded::{self, Bug};
use crate::store::{Command, FaultyCommand, Plan, Reply};

impl Transactor {
    /// Commits the batch, or finds that it must be prepared again. `plan` is tried first.
    pub(super) async fn together(&mut self, batch: &mut Batch, plan: Plan) -> Result<Finished, GivenUp> {
        let finished = self.together_until_decided(batch, plan).await;
        self.turns.end(&self.context).await;
        finished
    }

    async fn together_until_decided(&mut self, batch: &mut Batch, first: Plan) -> Result<Finished, GivenUp> {
        let careful = self.is_careful();
        let mut first = Some(first).filter(|_| !self.faults.condemn(batch) && !careful);
        let mut attempts = Attempts::new(Redo::strict(batch.has_one_writer() || careful));
        let mut tries = 0;
        loop {
            self.fresh_session().await?;
            let again = || self.plan(batch, attempts.redo.form());
            let mut plan = first.take().unwrap_or_else(again);
            tries += 1;
            if tries == 1 {
                self.turns.before(&self.context, &plan).await;
            }
            if seeded::on(Bug::RetryWithoutFence) && tries > 1 {
                plan.drop_advances();
            }
            let begun = self.context.clock.elapsed();
            let reply = self.session.commit(&plan).await;
            failpoint::pass("after-commit");
            if let Reply::Abandoned(faulty) = &reply {
                self.abandoned(batch, &plan, faulty).await?;
            }
            match self.follow(&mut attempts, batch, Attempt { plan, begun, reply }).await? {
                Followed::Decided(finished) => {
                    if finished == Finished::Committed {
                        self.halved(attempts.halves());
                    }
                    return Ok(finished);
                }
                Followed::TryAgain => {}
                Followed::FailLargest(why) => {
                    let largest = self.oversized(batch).await;
                    self.fail_largest(batch, largest, why).await?;
                }
            }
        }
    }

    /// A handler's command did not end in time, which costs the claim. The next batch is one event, which shows whose
    /// command it is.
    async fn abandoned(&mut self, batch: &Batch, plan: &Plan, faulty: &FaultyCommand) -> Result<(), GivenUp> {
        self.next_is_single();
        let owner = plan.commands.get(faulty.command).and_then(Command::owner);
        if let Some(owner) = owner
            && let Some(at) = batch.owner(owner)
        {
            self.suspect(batch, plan, (at, owner), (faulty.kind, faulty.why.clone())).await?;
        }
        Ok(())
    }

    /// Finds the delivery that alone has more bytes than a transaction takes, or else the heaviest. Returns none if
    /// MongoDB could not tell for one of them.
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
}
