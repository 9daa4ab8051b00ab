//! Runs an event alone in a transaction of its own, in which its handlers read and write MongoDB directly. Pure.
//!
//! The transaction is opened first, under the fence, and stays open while the handlers run. They see their own writes,
//! and nobody else does before the commit. If a delivery fails, is skipped or meets a fault, its writes may already be
//! in the transaction, so the transaction is abandoned and what is left runs again in a new one. A fault whose result
//! is unknown may leave the transaction open, and then only a new claim ends it.

use super::attempts::{Attempt, Attempts, Finished, Followed};
use super::batch::{Batch, Next};
use super::caller::Caller;
use super::context::GivenUp;
use super::faults::Beside;
use super::outcome::decide;
use super::redo::Redo;
use super::slot::DeliveryRef;
use super::statements::Form;
use super::transactor::Transactor;
use crate::call::Fault;
use crate::documents::Mode;
use crate::failpoint;
use crate::store::{Fence, Live, Reply, Write};

/// How one try of an event ended before its commit.
enum Try {
    /// All its deliveries are in the open transaction.
    Ready,
    /// One has failed or was skipped. Its writes must not be committed, so all the others run again without it.
    Without,
    /// This delivery met a fault, with what became of the transaction.
    Faulty(DeliveryRef, Fault, Reply),
}

impl Transactor {
    pub(super) async fn alone(&mut self, caller: &Caller, batch: &mut Batch) -> Result<Finished, GivenUp> {
        let finished = self.alone_until_decided(caller, batch).await;
        self.turns.end(&self.context).await;
        finished
    }

    async fn alone_until_decided(&mut self, caller: &Caller, batch: &mut Batch) -> Result<Finished, GivenUp> {
        // The outcome of a run outside the transaction, even a failure, rests on what it read there.
        batch.forget_runs();
        self.faults.condemn(batch);
        let mut attempts = Attempts::new(Redo::strict(true));
        loop {
            self.fresh_session().await?;
            let begun = self.context.clock.elapsed();
            let plan = self.plan(batch, Form::Strict);
            if plan.advances().next().is_none() {
                return Ok(Finished::Anew);
            }
            let fences = plan.fences.clone();
            if let Some(reply) = self.run_and_commit(caller, batch, &fences).await? {
                failpoint::pass("after-commit");
                match self.follow(&mut attempts, batch, Attempt { plan, begun, reply }).await? {
                    Followed::Decided(finished) => return Ok(finished),
                    Followed::TryAgain => {}
                    Followed::FailLargest(why) => {
                        batch.forget_commits();
                        let largest = self.oversized_alone(caller, batch, &fences).await;
                        self.fail_largest(batch, largest, why).await?;
                    }
                }
            }
            batch.forget_commits();
        }
    }

    /// Opens a transaction under the fences, runs the event's deliveries in it and commits it. Returns none if the event
    /// must run again without a delivery that did not succeed.
    async fn run_and_commit(
        &mut self,
        caller: &Caller,
        batch: &mut Batch,
        fences: &[Fence],
    ) -> Result<Option<Reply>, GivenUp> {
        let live = match self.session.open(fences).await {
            Ok(live) => live,
            Err(reply) => return Ok(Some(reply)),
        };
        match run_alone(caller, batch, &live).await {
            Try::Ready => {
                // The writes have already taken effect in the transaction.
                let mut rest = self.plan(batch, Form::Strict);
                rest.commands.clear();
                Ok(Some(self.session.close(&rest).await))
            }
            Try::Without => {
                self.session.abandon().await;
                Ok(None)
            }
            Try::Faulty(at, fault, reply) => self.faulty(batch, (at, &fault), reply).await,
        }
    }

    /// Ends the transaction in which a delivery met a fault, and finds out whose fault it is. Returns none if that
    /// settles it, or else the reply that decides what follows.
    async fn faulty(
        &mut self,
        batch: &mut Batch,
        (at, fault): (DeliveryRef, &Fault),
        reply: Reply,
    ) -> Result<Option<Reply>, GivenUp> {
        match &reply {
            Reply::Unknown(_) => self.session.forsake(),
            _ => self.session.abandon().await,
        }
        if matches!(reply, Reply::Conflict { .. } | Reply::TooLarge(_)) {
            return Ok(Some(reply));
        }
        let failure = self.faults.judge(batch, at, fault, Beside::Write).await?;
        if let Some(failure) = failure {
            batch.fail(at, failure);
        }
        // Only a claim ends a transaction in which a statement may still be running.
        Ok(Some(reply).filter(|reply| matches!(reply, Reply::Unknown(_))))
    }

    /// Finds the delivery that alone has more bytes than a transaction takes, or else the one that writes most. Each
    /// runs in a transaction that is never committed. Returns none if MongoDB could not tell for one of them.
    async fn oversized_alone(&mut self, caller: &Caller, batch: &mut Batch, fences: &[Fence]) -> Option<DeliveryRef> {
        let mut largest = None;
        for at in batch.unfinished() {
            let Ok(live) = self.session.open(fences).await else { return None };
            let run = caller.deliver(batch, at, Mode::Alone(live.clone())).await;
            self.session.abandon().await;
            match live.ended() {
                Some(Reply::TooLarge(_)) => return Some(at),
                Some(_) => return None,
                None => {}
            }
            let bytes = run.writes.iter().map(Write::bytes).sum::<usize>();
            if largest.is_none_or(|(most, _)| bytes > most) {
                largest = Some((bytes, at));
            }
        }
        largest.map(|(_, at)| at)
    }
}

async fn run_alone(caller: &Caller, batch: &mut Batch, live: &Live) -> Try {
    let mut at = None;
    while let Some(next) = batch.next(at) {
        let run = caller.deliver(batch, next, Mode::Alone(live.clone())).await;
        match batch.ran(next, decide(run.verdict, run.log), run.writes, run.reads) {
            Next::Go if batch.is_accepted(next) => at = Some(next),
            Next::Go => return Try::Without,
            Next::Again(fault) => {
                let reply = live.ended().unwrap_or_else(|| Reply::Transient(fault.message.clone()));
                return Try::Faulty(next, fault, reply);
            }
            Next::SendAway => return unexpected(next, "it ran for too long, although nobody waits for it"),
            Next::Cut(why) | Next::Alone(why) => return unexpected(next, why),
        }
    }
    Try::Ready
}

fn unexpected(at: DeliveryRef, why: &str) -> Try {
    let why = format!("in a transaction of its own: {why}");
    Try::Faulty(at, Fault::of_host(why.clone()), Reply::Transient(why))
}
