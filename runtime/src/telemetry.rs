//! How the process is seen from outside: log lines, metrics, statistics, health. Knows nothing of how those are served,
//! and nothing of Kafka or MongoDB.
//!
//! Invariant: every metric's name is written once, in [`metrics`], and nothing here can fail or hold up what it
//! observes.

mod embedded;
pub mod health;
mod labels;
pub mod log;
pub(crate) mod log_line;
mod log_queue;
pub mod metrics;
pub mod stats;
mod window;

pub use health::{Health, Heartbeat};
pub use metrics::Metrics;
