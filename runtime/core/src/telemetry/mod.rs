//! What is counted, and whether the process makes progress: metrics, statistics, health. Knows nothing of how those are
//! served or logged, and nothing of Kafka or MongoDB.
//!
//! Invariant: every metric's name is written once, in [`metrics`], and nothing here can fail or hold up what it
//! observes.

pub mod health;
mod labels;
pub mod metrics;
pub mod stats;
mod window;

pub use health::{Health, Heartbeat};
pub use metrics::Metrics;

/// Where a process reports what it does, and whether it makes progress.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// What it counts.
    pub metrics: Metrics,
    /// What it waits for.
    pub health: Health,
}
