//! Calls the handlers of one batch. Pure.
//!
//! Invariant: a batch is routed and run by one snapshot of the handlers, which it takes when it is prepared and keeps
//! through every rerun, also in a transaction of its own. So all writes of a batch belong to the same versions, whatever
//! is activated meanwhile. If its records are done again, they take part in another batch, with its own snapshot.

use std::sync::Arc;

use super::batch::{Batch, Begun};
use super::context::{Context, GivenUp, PAUSE};
use super::handlers::Handlers;
use super::lines::Lines;
use super::routes::Routes;
use super::slot::DeliveryRef;
use crate::call::Run;
use crate::documents::Mode;
use crate::failpoint;
use crate::store;

#[derive(Debug)]
pub(super) struct Caller {
    context: Arc<Context>,
    lines: Arc<Lines>,
    snapshot: Arc<dyn Handlers>,
}

impl Caller {
    pub(super) fn new(context: Arc<Context>, lines: Arc<Lines>) -> Self {
        let snapshot = Arc::clone(&lines.handlers);
        Self { context, lines, snapshot }
    }

    pub(super) fn routes(&self) -> &Routes {
        self.snapshot.routes()
    }

    pub(super) async fn deliver(&self, batch: &mut Batch, at: DeliveryRef, mode: Mode) -> Run {
        let Begun { event, handler, attempt, now_ms } =
            batch.begin(at, self.context.clock.now_ms()).expect("the batch named this delivery");
        let singly = batch.runs_singly(at);
        let _pass = self.lines.passage.enter(singly.is_some(), &*self.context.clock).await;
        if let Some(entry) = singly
            && let Err(GivenUp) = self
                .noted(|| {
                    let place = (entry.offset(), handler.id);
                    self.context.store.note_running(entry.partition(), place, !entry.is_of_log())
                })
                .await
        {
            return Run::of_fault("given up".to_owned());
        }
        failpoint::pass("in-handler");
        failpoint::panic_at("in-handler", &event.id, &handler.name);
        let run = self.snapshot.deliver(&handler, event, (attempt, now_ms), mode).await;
        // A host that dies from here on did not die of the handler.
        if singly.is_some() && self.noted(|| self.context.store.note_ran()).await.is_err() {
            return Run::of_fault("given up".to_owned());
        }
        run
    }

    /// Retries until something is stored that must be stored before the work goes on.
    async fn noted<N>(&self, note: impl Fn() -> N) -> Result<(), GivenUp>
    where
        N: Future<Output = Result<(), store::Error>>,
    {
        while let Err(error) = note().await {
            self.context.wait(PAUSE, &error.to_string()).await?;
        }
        Ok(())
    }
}
