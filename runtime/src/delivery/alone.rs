//! An event alone in a transaction of its own, where its handlers' reads and effects are real. Pure.

use super::batch::{Batch, DeliveryRef, Next};
use super::outcome::{Decision, Failure, State, decide};
use super::redo::{Redo, Step};
use super::runner::{GivenUp, PAUSE, Runner};
use super::statements::Form;
use super::transactor::{Finished, Transactor};
use crate::failpoint;
use crate::host::Mode;
use crate::store::{Advance, Bound, Live, Reply, Write};

/// How one try of an event alone ended, before its commit.
enum Try {
    /// All its deliveries are in the open transaction.
    Ready,
    /// One has failed or was skipped: what it wrote is not to be committed, so all is done again without it.
    Without,
    /// MongoDB's doing.
    Ended(Reply),
}

impl Transactor {
    /// Runs and commits the batch's only event.
    pub(super) async fn alone(&mut self, runner: &Runner, batch: &mut Batch) -> Result<Finished, GivenUp> {
        let finished = self.alone_until_decided(runner, batch).await;
        self.turns.end(runner).await;
        finished
    }

    async fn alone_until_decided(&mut self, runner: &Runner, batch: &mut Batch) -> Result<Finished, GivenUp> {
        // What a run outside of a transaction came to, also where it failed, rests on what it read there.
        batch.forget_runs();
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
                    Try::Ended(reply) => {
                        self.session.abandon().await;
                        reply
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
                Step::Lease { collection, pause, why } => self.lease(runner, collection, pause, &why).await?,
                Step::FailLargest(bound, why) => {
                    batch.forget_commits();
                    match self.oversized_alone(runner, batch, advance, bound).await {
                        Some(at) => batch.fail(at, Failure::new(State::Dead, "too-large", why)),
                        None => self.again(runner, PAUSE, &why).await?,
                    }
                }
                // The writes have acted already, so that none of these can follow; the next try would tell.
                Step::Strict | Step::Fail { .. } | Step::Rerun | Step::Halve(_) => {}
            }
            batch.forget_commits();
        }
    }

    /// The delivery that is more than a transaction takes by itself, or else the one that writes most: each is run in a
    /// transaction of which nothing is committed. None where it is a matter of time and of no delivery.
    async fn oversized_alone(
        &mut self,
        runner: &Runner,
        batch: &mut Batch,
        advance: &Advance,
        bound: Bound,
    ) -> Option<DeliveryRef> {
        let mut largest = None;
        for at in batch.unfinished() {
            let Ok(live) = self.session.open(advance).await else { break };
            let run = runner.deliver(batch, at, Mode::Alone(live.clone())).await;
            self.session.abandon().await;
            if let Some(Reply::TooLarge(..)) = live.ended() {
                return Some(at);
            }
            let bytes = run.writes.iter().map(Write::bytes).sum::<usize>();
            if largest.is_none_or(|(most, _)| bytes > most) {
                largest = Some((bytes, at));
            }
        }
        largest.map(|(_, at)| at).filter(|_| bound == Bound::Size)
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
                return Try::Ended(live.ended().cloned().unwrap_or(Reply::Transient(why)));
            }
            Next::Cut(why) | Next::Alone(why) => {
                return Try::Ended(Reply::Transient(format!("in a transaction of its own: {why}")));
            }
        }
    }
    Try::Ready
}
