//! A handler's limits as the host counts them: what a delivery may use of the host.

use std::time::Duration;

pub use crate::config::Limits;

use crate::host::Budget;

/// The most bytes that cross the boundary in `describe`: several times the longest description that is accepted.
const DESCRIBE_BOUNDARY_BYTES: u64 = 1 << 20;

impl Limits {
    /// Returns what a delivery may use of the host.
    pub(super) fn budget(&self) -> Budget {
        Budget {
            deadline: Duration::from_millis(self.deadline_ms),
            deadline_name: "deadline_ms",
            documents: Duration::from_millis(self.documents_ms),
            memory_bytes: self.memory_bytes,
            table_elements: self.table_elements,
            host_calls: self.host_calls,
            writes: self.writes,
            found_documents: u32::try_from(self.found_documents).unwrap_or(u32::MAX),
            log_bytes: self.log_bytes,
            log_lines: self.log_lines,
            boundary_bytes: self.boundary_bytes,
            handles: usize::try_from(self.handles).unwrap_or(usize::MAX),
            expressions: self.expressions,
        }
    }

    /// Does the same as [`Limits::budget`], for `describe`.
    pub(super) fn describe_budget(&self) -> Budget {
        let deadline = Duration::from_millis(self.describe_ms);
        let boundary_bytes = self.boundary_bytes.min(DESCRIBE_BOUNDARY_BYTES);
        Budget { deadline, deadline_name: "describe_ms", boundary_bytes, ..self.budget() }
    }
}
