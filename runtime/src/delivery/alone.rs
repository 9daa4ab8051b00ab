//! An event alone in a transaction of its own, where its handlers' reads and effects are real. Pure.

use super::batch::{Batch, DeliveryRef, Next};
use super::outcome::{Decision, Failure, State, decide};
use super::redo::{Redo, Step};
use super::runner::{GivenUp, Runner};
use super::statements::Form;
use super::transactor::{Finished, Transactor};
use crate::failpoint;
use crate::host::Mode;
use crate::store::{Advance, Live, Reply, Write};

/// How one try of an event alone ended, before its commit.
enum Try {
    /// All its deliveries are in the open transaction.
    Ready,
    /// One has failed or was skipped: what it wrote is not to be committed, so all is done again without it.
    Without,
    /// MongoDB's fault.
    Fault(String),
    /// More than a transaction takes.
    TooLarge(String),
}

impl Transactor {
    /// Runs and commits the batch's only event.
    pub(super) async fn alone(&mut self, runner: &Runner, batch: &mut Batch) -> Result<Finished, GivenUp> {
        batch.forget_commits();
        let mut redo = Redo::strict(true);
        loop {
            self.fresh_session(runner).await?;
            let begun = runner.clock.elapsed();
            let plan = batch.plan(&self.claims, &runner.ledger, Form::Strict, runner.clock.now_ms());
            let Some(advance) = plan.advances.first() else { return Ok(Finished::Anew) };
            let reply = match self.session.open(advance).await {
                Err(reply) => reply,
                Ok(live) => match run_alone(runner, batch, &live).await {
                    Try::Without => {
                        self.session.abandon().await;
                        batch.forget_commits();
                        continue;
                    }
                    Try::Fault(why) => {
                        self.session.abandon().await;
                        Reply::Transient(why)
                    }
                    Try::TooLarge(why) => {
                        self.session.abandon().await;
                        Reply::TooLarge(why)
                    }
                    Try::Ready => {
                        let mut rest = batch.plan(&self.claims, &runner.ledger, Form::Strict, runner.clock.now_ms());
                        rest.commands.clear();
                        self.session.close(&rest).await
                    }
                },
            };
            failpoint::pass("after-commit");
            match redo.after(reply, &plan, 1, runner.clock.elapsed()) {
                Step::Done => {
                    self.committed(runner, batch, &plan, runner.clock.elapsed().saturating_sub(begun));
                    return Ok(Finished::Committed);
                }
                Step::Claim { why, unknown } => {
                    self.lose(runner, &plan, &why, unknown).await;
                    return Ok(Finished::Anew);
                }
                Step::LookAgain => return Ok(Finished::Anew),
                Step::Again { pause, why } => self.again(runner, pause, &why).await?,
                Step::FailLargest(why) => {
                    batch.forget_commits();
                    if let Some(at) = self.oversized_alone(runner, batch, advance).await {
                        batch.fail(at, Failure::new(State::Dead, "too-large", why));
                    }
                }
                // The writes have acted already, so that none of these can follow; the next try would tell.
                Step::Strict | Step::Fail { .. } | Step::Rerun | Step::Halve(_) | Step::Lease { .. } => {}
            }
            batch.forget_commits();
        }
    }

    /// The delivery that is more than a transaction takes by itself, or else the one that writes most: each is run in a
    /// transaction of which nothing is committed.
    async fn oversized_alone(
        &mut self,
        runner: &Runner,
        batch: &mut Batch,
        advance: &Advance,
    ) -> Option<DeliveryRef> {
        let mut largest = None;
        for at in batch.unfinished() {
            let Ok(live) = self.session.open(advance).await else { break };
            let run = runner.deliver(batch, at, Mode::Alone(live.clone())).await;
            self.session.abandon().await;
            if live.too_large().is_some() {
                return Some(at);
            }
            let bytes = run.writes.iter().map(Write::bytes).sum::<usize>();
            if largest.is_none_or(|(most, _)| bytes > most) {
                largest = Some((bytes, at));
            }
        }
        largest.map(|(_, at)| at)
    }
}

async fn run_alone(runner: &Runner, batch: &mut Batch, live: &Live) -> Try {
    let mut at = None;
    while let Some(next) = batch.next(at) {
        let run = runner.deliver(batch, next, Mode::Alone(live.clone())).await;
        let decision = decide(run.verdict, run.log);
        let accepted = matches!(decision, Decision::Accept);
        match batch.ran(next, decision, run.writes, run.reads) {
            Next::Go if accepted => at = Some(next),
            Next::Go => return Try::Without,
            Next::Again(why) => {
                return live.too_large().map_or(Try::Fault(why), |why| Try::TooLarge(why.to_owned()));
            }
            Next::Cut(why) | Next::Alone(why) => return Try::Fault(format!("in a transaction of its own: {why}")),
        }
    }
    Try::Ready
}
