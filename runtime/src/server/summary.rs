//! The log line that sums up what was done, once a second.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use weir_core::telemetry::Metrics;
use weir_core::telemetry::stats::Summary;

use crate::shutdown::Shutdown;

/// Writes `processing_summary` once a second, if something was done since the last one, until a stop is requested. Then
/// it writes once more.
pub(super) async fn summarize(metrics: Metrics, shutdown: Shutdown) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut summary = Summary::new(&metrics);
    while !shutdown.requested() {
        tokio::select! {
            _ = second.tick() => {}
            () = shutdown.wait() => {}
        }
        summary.write(&metrics);
    }
}
