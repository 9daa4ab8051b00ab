//! What a delivery may use. One table; each limit names itself where it stops something.

use serde::Deserialize;

/// A handler's limits. The defaults are in [`Limits::default`]; `[handlers.NAME]` in `weir.toml` sets each by the
/// field's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Units of fuel for one `handle`.
    pub fuel: u64,
    /// Bytes over all memories of the instance.
    pub memory_bytes: u64,
    /// Milliseconds of running time of one `handle`, without the time in `documents`; sleeping counts.
    pub deadline_ms: u64,
    /// Milliseconds that one delivery may wait in `documents` calls; passing it is MongoDB's fault.
    pub documents_ms: u64,
    /// Elements over all tables of the instance.
    pub table_elements: u64,
    /// Calls of host functions in one delivery, `log` among them.
    pub host_calls: u64,
    /// Writes in one delivery.
    pub writes: u64,
    /// Documents that one `find` may give.
    pub found_documents: u64,
    /// Bytes of log lines in one delivery, stdout and stderr among them; what is over is dropped and counted.
    pub log_bytes: u64,
    /// Bytes of the event that is given to the handler.
    pub event_bytes: u64,
    /// Bytes that cross the boundary in one delivery, in both directions, the event not counted.
    pub boundary_bytes: u64,
    /// Units of fuel for the instantiation.
    pub instantiate_fuel: u64,
    /// Units of fuel for `describe`.
    pub describe_fuel: u64,
    /// Milliseconds of running time of `describe`.
    pub describe_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 100_000_000,
            memory_bytes: 64 << 20,
            deadline_ms: 1_000,
            documents_ms: 10_000,
            table_elements: 100_000,
            host_calls: 10_000,
            writes: 1_000,
            found_documents: 1_000,
            log_bytes: 64 << 10,
            event_bytes: 1 << 20,
            boundary_bytes: 16 << 20,
            instantiate_fuel: 100_000_000,
            describe_fuel: 100_000_000,
            describe_ms: 5_000,
        }
    }
}
