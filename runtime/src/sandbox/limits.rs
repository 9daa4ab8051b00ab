//! What a delivery may use. One table; each limit names itself where it stops something.

use std::time::Duration;

use serde::Deserialize;

use crate::host::Budget;

/// A handler's limits. The defaults are in [`Limits::default`]; `[handlers.NAME]` in `weir.toml` sets each by the
/// field's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Units of fuel for one `handle`.
    pub fuel: u64,
    /// Bytes over all memories of the instance. A growth beyond it is a trap.
    pub memory_bytes: u64,
    /// Milliseconds of running time of one delivery, its instantiation too, without the time spent waiting for MongoDB;
    /// sleeping counts.
    pub deadline_ms: u64,
    /// Milliseconds that one delivery may wait for MongoDB; passing it is MongoDB's fault.
    pub documents_ms: u64,
    /// Elements over all tables of the instance. A growth beyond it is a trap.
    pub table_elements: u64,
    /// Calls of the contract's functions in one delivery, `log` among them.
    pub host_calls: u64,
    /// Writes in one delivery; each document of an `insert-many` is one.
    pub writes: u64,
    /// Documents that one `find` may give.
    pub found_documents: u32,
    /// Bytes of log lines in one delivery, stdout and stderr among them; what is over is dropped and counted.
    pub log_bytes: u64,
    /// Bytes of the event that is given to the handler.
    pub event_bytes: u64,
    /// Bytes that cross the boundary in calls of the contract and as random bytes, in both directions, the event and
    /// what is printed not counted. One call's texts and lists may not be larger than it either, whatever it is.
    pub boundary_bytes: u64,
    /// Resources of WASI held at once: streams, pollables.
    pub handles: u32,
    /// Units of fuel for the instantiation.
    pub instantiate_fuel: u64,
    /// Units of fuel for `describe`.
    pub describe_fuel: u64,
    /// Milliseconds of running time of `describe`, the instantiation for it too.
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
            handles: 256,
            instantiate_fuel: 100_000_000,
            describe_fuel: 100_000_000,
            describe_ms: 5_000,
        }
    }
}

impl Limits {
    /// What a delivery may use of the host.
    pub(super) fn budget(&self) -> Budget {
        Budget {
            deadline: Duration::from_millis(self.deadline_ms),
            deadline_name: "deadline_ms",
            documents: Duration::from_millis(self.documents_ms),
            memory_bytes: self.memory_bytes,
            table_elements: self.table_elements,
            host_calls: self.host_calls,
            writes: self.writes,
            found_documents: self.found_documents,
            log_bytes: self.log_bytes,
            boundary_bytes: self.boundary_bytes,
            handles: self.handles as usize,
        }
    }

    /// As [`Limits::budget`], for `describe`.
    pub(super) fn describe_budget(&self) -> Budget {
        let deadline = Duration::from_millis(self.describe_ms);
        Budget { deadline, deadline_name: "describe_ms", ..self.budget() }
    }
}
