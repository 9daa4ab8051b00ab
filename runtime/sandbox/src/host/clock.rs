//! The clock that `wasi_clocks` shows.

use std::sync::atomic::AtomicU64;

/// The monotonic clock of one delivery.
#[derive(Debug)]
pub(crate) struct Clock {
    pub(super) now_ns: AtomicU64,
    /// The earliest time that an unready pollable waits for.
    pub(super) awaited_ns: AtomicU64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now_ns: AtomicU64::new(0), awaited_ns: AtomicU64::new(u64::MAX) }
    }
}
