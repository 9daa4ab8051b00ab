//! Turns at collections that other hosts write to at the same time. Pure.
//!
//! A transaction that loses a write conflict is wasted work, so a process that has met one takes turns from then on.
//! Turns only affect speed: they are waited for outside any transaction, and a process that does not get its turn in
//! time goes on without it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use crate::store::Plan;

/// How long to wait for a turn at most, which is as long as a lease lasts.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause between two requests for it.
const PAUSE: Duration = Duration::from_millis(5);
/// For how many batches to take turns at a collection that nobody else wants.
const QUIET: u32 = 32;

/// The collections at which this process takes turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// For how many more batches to take turns at each collection, unless there is another conflict. The order of the
    /// keys is the order in which every process asks for them.
    contested: BTreeMap<Arc<str>, u32>,
    held: Vec<Arc<str>>,
}

impl Turns {
    /// Takes the turns that the plan's collections need, before its first try.
    pub(super) async fn before(&mut self, context: &Context, plan: &Plan) {
        let wanted = |name: &Arc<str>| plan.commands.iter().any(|command| command.collection == *name);
        let wanted: Vec<Arc<str>> = self.contested.keys().filter(|name| wanted(name)).cloned().collect();
        for collection in wanted {
            let met = self.take(context, &collection).await;
            let left = self.contested.entry(Arc::clone(&collection)).or_default();
            *left = if met { QUIET } else { left.saturating_sub(1) };
            if *left == 0 {
                self.contested.remove(&collection);
            }
        }
    }

    /// Takes a turn at a collection in which there was a conflict.
    pub(super) async fn after_conflict(&mut self, context: &Context, collection: Arc<str>) {
        self.take(context, &collection).await;
        self.contested.insert(collection, QUIET);
    }

    pub(super) async fn end(&mut self, context: &Context) {
        for collection in self.held.drain(..) {
            if let Err(error) = context.store.end_lease(&collection).await {
                tracing::debug!(%error, "lease_left");
            }
        }
    }

    /// Waits for a turn. Returns whether somebody else had it.
    async fn take(&mut self, context: &Context, collection: &Arc<str>) -> bool {
        let since = context.clock.elapsed();
        let mut met = false;
        while context.clock.elapsed().saturating_sub(since) < PATIENCE && !context.gives_up() {
            match context.store.take_lease(collection).await {
                Ok(true) => {
                    if !self.held.contains(collection) {
                        self.held.push(Arc::clone(collection));
                    }
                    break;
                }
                Ok(false) => context.clock.sleep(PAUSE).await,
                Err(error) => {
                    tracing::debug!(collection = &**collection, %error, "lease_not_taken");
                    break;
                }
            }
            met = true;
        }
        met
    }
}
