//! Turns at collections that other hosts write to at the same time. Pure.
//!
//! A transaction that another one is faster than is all in vain, so who has met that takes turns from then on. Nothing
//! rests on a turn but speed: it is waited for outside any transaction, and who does not get it in time goes on without.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::runner::Runner;
use crate::store::Plan;

/// How long a turn is waited for at most: as long as a lease lasts.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is asked for.
const PAUSE: Duration = Duration::from_millis(5);
/// For how many batches turns are taken that nobody else wanted.
const QUIET: u32 = 32;

/// The collections at which this process takes turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By collection, and so asked for in one order by all: for how many more batches, unless somebody is met again.
    contested: BTreeMap<Arc<str>, u32>,
    held: Vec<Arc<str>>,
}

impl Turns {
    /// Takes the turns that the plan's collections ask for, before its first try.
    pub(super) async fn before(&mut self, runner: &Runner, plan: &Plan) {
        let wanted = |name: &Arc<str>| plan.commands.iter().any(|command| command.collection == *name);
        let wanted: Vec<Arc<str>> = self.contested.keys().filter(|name| wanted(name)).cloned().collect();
        for collection in wanted {
            let met = self.take(runner, &collection).await;
            let left = self.contested.entry(Arc::clone(&collection)).or_default();
            *left = if met { QUIET } else { left.saturating_sub(1) };
            if *left == 0 {
                self.contested.remove(&collection);
            }
        }
    }

    /// Takes a turn at a collection in which transactions have met.
    pub(super) async fn after_conflict(&mut self, runner: &Runner, collection: Arc<str>) {
        self.take(runner, &collection).await;
        self.contested.insert(collection, QUIET);
    }

    /// Ends what it has taken.
    pub(super) async fn end(&mut self, runner: &Runner) {
        for collection in self.held.drain(..) {
            if let Err(error) = runner.store.end_lease(&collection).await {
                tracing::debug!(%error, "lease_left");
            }
        }
    }

    /// Waits for a turn; says whether somebody else had it.
    async fn take(&mut self, runner: &Runner, collection: &Arc<str>) -> bool {
        let since = runner.clock.elapsed();
        let mut met = false;
        while runner.clock.elapsed().saturating_sub(since) < PATIENCE && !runner.give_up.load(Ordering::Relaxed) {
            match runner.store.take_lease(collection).await {
                Ok(true) => {
                    if !self.held.contains(collection) {
                        self.held.push(Arc::clone(collection));
                    }
                    break;
                }
                Ok(false) => runner.clock.sleep(PAUSE).await,
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
