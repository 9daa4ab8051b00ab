//! An event alone in a transaction of its own, where its handlers' reads and effects are real.

use std::time::Instant;

use super::batch::{Batch, Next};
use super::committer::{Committer, GivenUp};
use super::entry::Entry;
use super::outcome::{Decision, Failure, State, decide};
use super::redo::{Redo, Step};
use super::statements::Form;
use crate::clock;
use crate::host::Mode;
use crate::store::{Live, Reply};

/// How one try of an event alone ended, before its commit.
enum Try {
    /// All its deliveries are in the open transaction.
    Ready,
    /// One has failed or was skipped: what it wrote is not to be committed, so all is done again without it.
    Without,
    /// MongoDB's fault.
    Fault(String),
}

impl Committer {
    /// Runs and commits the batch's first event alone; gives back the rest.
    pub(super) async fn alone(&mut self, mut batch: Batch) -> Result<Vec<Entry>, GivenUp> {
        batch.cut(1);
        batch.forget_commits();
        let mut redo = Redo::strict(true);
        loop {
            let begun = Instant::now();
            let plan = batch.plan(&self.claims, &self.ledger, Form::Strict, clock::now_ms());
            let Some(advance) = plan.advances.first() else { return Ok(batch.into_behind()) };
            let reply = match self.session.open(advance).await {
                Err(reply) => reply,
                Ok(live) => match self.run_alone(&mut batch, live).await {
                    Try::Without => {
                        self.session.abandon().await;
                        batch.forget_commits();
                        continue;
                    }
                    Try::Fault(why) => {
                        self.session.abandon().await;
                        Reply::Transient(why)
                    }
                    Try::Ready => {
                        let mut rest = batch.plan(&self.claims, &self.ledger, Form::Strict, clock::now_ms());
                        rest.commands.clear();
                        self.session.close(&rest).await
                    }
                },
            };
            match redo.after(reply, &plan, 1, self.elapsed()) {
                Step::Done => {
                    self.committed(&batch, &plan, begun.elapsed());
                    return Ok(batch.into_behind());
                }
                Step::Claim(why) => {
                    self.lose(&plan, &why).await;
                    return Ok(batch.into_entries());
                }
                Step::LookAgain => return Ok(batch.into_entries()),
                Step::Again { pause, why } => self.redo(pause, &why).await?,
                Step::FailLargest(why) => {
                    if let Some(at) = batch.largest() {
                        batch.fail(at, Failure::new(State::Dead, "too-large", why));
                    }
                }
                // The writes have acted already, so that none of these can follow; the next try would tell.
                Step::Strict | Step::Fail { .. } | Step::Rerun | Step::Halve(_) => {}
            }
            batch.forget_commits();
        }
    }

    async fn run_alone(&mut self, batch: &mut Batch, live: Live) -> Try {
        let mut at = None;
        while let Some(next) = batch.next(at) {
            let run = self.deliver(batch, next, Mode::Alone(live.clone())).await;
            let decision = decide(run.verdict, run.log);
            let accepted = matches!(decision, Decision::Accept);
            match batch.ran(next, decision, run.writes, run.reads) {
                Next::Go if accepted => at = Some(next),
                Next::Go => return Try::Without,
                Next::Again(why) => return Try::Fault(why),
                Next::Cut(why) | Next::Alone(why) => return Try::Fault(format!("in a transaction of its own: {why}")),
            }
        }
        Try::Ready
    }
}
