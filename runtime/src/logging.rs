//! The process's log: its lines, and how they are written. What is counted is the core's
//! [`telemetry`](weir_core::telemetry).
//!
//! Invariant: nothing here can fail or hold up what it observes.

mod embedded;
pub mod log;
pub(crate) mod log_line;
mod log_queue;
