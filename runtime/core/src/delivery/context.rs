//! What all parts of a committer share: MongoDB, the clock, where they report, and the request to give up. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::entry::Ledger;
use super::report::Report;
use crate::clock::{self, Clock};
use crate::store::Store;
use crate::telemetry::Telemetry;
use crate::telemetry::health::{Health, MONGODB};
use crate::telemetry::metrics::{Metrics, Service};

/// How long to wait if MongoDB fails outside a transaction.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// The work was given up on request. Nothing of it is committed, or a claim will tell whether it is.
#[derive(Debug)]
pub(super) struct GivenUp;

#[derive(Debug)]
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) report: Report,
    give_up: Arc<AtomicBool>,
}

impl Context {
    pub(super) fn new(
        store: Store,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        telemetry: Telemetry,
        give_up: Arc<AtomicBool>,
    ) -> Self {
        let Telemetry { metrics, health } = telemetry;
        let report = Report::new(metrics.clone());
        Self { store, ledger, clock, metrics, health, report, give_up }
    }

    /// Returns the same for the lane of a line, which claims partitions for that line.
    pub(super) fn of_line(&self, line: i32) -> Self {
        Self {
            store: self.store.of_line(line),
            ledger: self.ledger.clone(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
            health: self.health.clone(),
            report: Report::new(self.metrics.clone()),
            give_up: Arc::clone(&self.give_up),
        }
    }

    /// Waits, and reports why. Fails if the work must be given up.
    pub(super) async fn wait(&self, pause: Duration, why: &str) -> Result<(), GivenUp> {
        if self.gives_up() {
            return Err(GivenUp);
        }
        self.metrics.fault(Service::Mongodb);
        if pause >= PAUSE {
            self.health.waiting_for(MONGODB, why);
        }
        self.sleep(pause).await;
        Ok(())
    }

    /// Waits for something that is not MongoDB's fault. Fails if the work must be given up.
    pub(super) async fn pause(&self) -> Result<(), GivenUp> {
        if self.gives_up() {
            return Err(GivenUp);
        }
        self.sleep(PAUSE).await;
        Ok(())
    }

    async fn sleep(&self, pause: Duration) {
        self.clock.sleep(clock::jittered(&*self.clock, pause)).await;
    }

    pub(super) fn gives_up(&self) -> bool {
        self.give_up.load(Ordering::Relaxed)
    }
}
