//! The statistics of `/v1/stats`, from the same counters as the metrics, and the log line that sums them up.

use std::collections::BTreeMap;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use utoipa::ToSchema;

use super::labels::{EventResult, Outcome, RecordKind};
use super::metrics::lock;
use super::window::SECONDS;
use super::{Health, Metrics};

/// What the process has done so far.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Stats {
    /// Whether the process runs and no stop was requested.
    pub running: bool,
    /// Events accounted for, whatever became of them, including duplicates and events that no handler wants.
    pub total_processed: u64,
    /// Deliveries parked or dead, and events that ended before any delivery.
    pub total_errors: u64,
    /// The time since the process began.
    pub uptime_seconds: u64,
    /// Records between progress and the end, over all partitions owned.
    pub lag: i64,
    /// Events accounted for per second, over the last `window_seconds`.
    pub rate_per_second: f64,
    /// The time from an event's `created_at` to its commit, over the last `window_seconds`.
    pub latency_ms: Latency,
    /// How far back `rate_per_second` and `latency_ms` look.
    pub window_seconds: u64,
    /// Events by result.
    pub events: BTreeMap<&'static str, u64>,
    /// Deliveries by handler and outcome.
    pub handlers: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Records by kind.
    pub records: BTreeMap<&'static str, u64>,
}

/// Half of the events, and 99 of 100, took at most this long. `None` if no event was committed in that time.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Latency {
    /// In milliseconds, to two digits.
    pub p50: Option<f64>,
    /// In milliseconds, to two digits.
    pub p99: Option<f64>,
}

/// Returns the statistics of this moment.
#[must_use]
pub fn snapshot(metrics: &Metrics, health: &Health) -> Stats {
    let inner = &metrics.inner;
    let handlers = lock(&inner.handlers)
        .iter()
        .map(|(name, handler)| (name.clone(), counts(Outcome::NAMES, &handler.outcomes)))
        .collect();
    let recent = inner.window.recent();
    let totals = Totals::of(metrics);
    Stats {
        running: !health.is_draining() && health.live().is_ok(),
        total_processed: totals.processed,
        total_errors: totals.errors,
        uptime_seconds: inner.started.elapsed().as_secs(),
        lag: metrics.total_lag(),
        rate_per_second: (recent.rate_per_second * 10.0).round() / 10.0,
        latency_ms: Latency { p50: recent.p50_ms, p99: recent.p99_ms },
        window_seconds: SECONDS,
        events: counts(EventResult::NAMES, &inner.events),
        handlers,
        records: counts(RecordKind::NAMES, &inner.records),
    }
}

fn counts(names: &[&'static str], counters: &[Counter]) -> BTreeMap<&'static str, u64> {
    names.iter().copied().zip(counters.iter().map(Counter::get)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Totals {
    processed: u64,
    errors: u64,
}

impl Totals {
    fn of(metrics: &Metrics) -> Self {
        let inner = &metrics.inner;
        let failed =
            |counters: &[Counter]| counters[Outcome::Parked as usize].get() + counters[Outcome::Dead as usize].get();
        let deliveries: u64 = lock(&inner.handlers).values().map(|handler| failed(&handler.outcomes)).sum();
        Self {
            processed: inner.events.iter().map(Counter::get).sum(),
            errors: deliveries + inner.events[EventResult::Dead as usize].get(),
        }
    }
}

/// The content of the last `processing_summary`. The server writes a last one after the drain.
#[derive(Debug)]
pub struct Summary {
    at: Instant,
    totals: Totals,
    lag: i64,
}

impl Summary {
    /// Starts as if everything until now had been written.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self { at: Instant::now(), totals: Totals::of(metrics), lag: metrics.total_lag() }
    }

    /// Writes the line if anything but the time has changed since the last one, and returns whether it did.
    pub fn write(&mut self, metrics: &Metrics) -> bool {
        let now = Self::new(metrics);
        if now.totals == self.totals && now.lag == self.lag {
            self.at = now.at;
            return false;
        }
        let seconds = (now.at - self.at).as_secs_f64().max(0.001);
        let processed = u32::try_from(now.totals.processed - self.totals.processed).unwrap_or(u32::MAX);
        let rate_per_second = (f64::from(processed) / seconds * 10.0).round() / 10.0;
        let (total_processed, total_errors) = (now.totals.processed, now.totals.errors);
        tracing::info!(total_processed, total_errors, rate_per_second, lag = now.lag, "processing_summary");
        *self = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::health;

    #[test]
    fn the_snapshot_is_what_was_counted() {
        let (metrics, health) = (Metrics::new(), Health::new());
        metrics.record(RecordKind::Event);
        metrics.events(EventResult::Committed, 8);
        metrics.event(EventResult::Dead);
        for outcome in [Outcome::Committed, Outcome::Parked, Outcome::Dead, Outcome::Dead] {
            metrics.handler("user-created").delivery(outcome);
        }
        metrics.lag("t", 0, 4);
        for _ in 0..100 {
            metrics.event_latency(0, 20);
        }
        let stats = serde_json::to_value(snapshot(&metrics, &health)).expect("statistics are JSON");
        let latency = stats["latency_ms"]["p50"].as_f64().expect("events were committed");
        assert!((latency - 20.0).abs() < 0.3, "{stats}");
        assert_eq!(
            (&stats["running"], &stats["total_processed"], &stats["total_errors"], &stats["lag"]),
            (&true.into(), &9.into(), &4.into(), &4.into())
        );
        assert_eq!(stats["handlers"]["user-created"]["dead"], 2);
        assert_eq!(stats["handlers"]["user-created"]["skipped"], 0);
        assert_eq!(stats["records"]["event"], 1);
        let rate = stats["rate_per_second"].as_f64().expect("a rate is a number");
        assert!(rate > 0.0 && rate <= 9.0, "{stats}");

        health.found(health::KAFKA);
        health.draining();
        assert!(!snapshot(&metrics, &health).running);
    }

    #[test]
    fn a_summary_is_written_only_where_something_changed() {
        let metrics = Metrics::new();
        let mut summary = Summary::new(&metrics);
        assert!(!summary.write(&metrics));
        metrics.event(EventResult::NoHandler);
        assert!(summary.write(&metrics));
        assert!(!summary.write(&metrics));
        metrics.lag("t", 0, 1);
        assert!(summary.write(&metrics));
    }
}
