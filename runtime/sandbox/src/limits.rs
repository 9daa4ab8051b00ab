//! What a delivery may use, in one table: the name, the default and the range of each limit. The texts that name an
//! exceeded limit are made by the code that enforces it, in `trap`, `call` and `host`.

use std::ops::RangeInclusive;
use std::time::Duration;

use weir_core::documents::Expressions;

use crate::host::Budget;

/// The most bytes that cross the boundary in `describe`: several times the longest description that is accepted.
const DESCRIBE_BOUNDARY_BYTES: u64 = 1 << 20;

/// One row of the table of limits.
#[derive(Debug, Clone)]
pub struct Limit {
    /// The name in `[limits]` and `[handlers.NAME]`.
    pub name: &'static str,
    /// What it bounds, and its unit.
    pub help: String,
    /// The default.
    pub default: u64,
    /// The values that it may have.
    pub range: RangeInclusive<u64>,
}

/// Makes the struct, its defaults and the table from one list.
macro_rules! limits {
    ($( $(#[doc = $help:literal])+ $name:ident = $default:expr, $range:expr; )+) => {
        /// A handler's limits.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $help])+ pub $name: u64, )+
            /// Which of MongoDB's expressions it may use.
            pub expressions: Expressions,
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $( $name: $default, )+ expressions: Expressions::default() }
            }
        }

        impl Limits {
            /// Every limit.
            #[must_use]
            pub fn table() -> Vec<Limit> {
                vec![$( Limit { name: stringify!($name), help: joined(&[$($help),+]), default: $default, range: $range }, )+]
            }

            /// Returns the limit of that name, to set it.
            pub fn named(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $( stringify!($name) => Some(&mut self.$name), )+
                    _ => None,
                }
            }
        }
    };
}

/// Joins the lines of a comment into one text.
fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

limits! {
    /// Units of fuel for one `handle`.
    fuel = 100_000_000, 1_000..=1_000_000_000_000;
    /// Bytes over all memories of the instance.
    memory_bytes = 64 << 20, 65_536..=1 << 30;
    /// Milliseconds of running time of one `handle`, without the time in `documents`; sleeping counts.
    deadline_ms = 1_000, 1..=600_000;
    /// Milliseconds that one delivery may wait in `documents` calls. Each call gives MongoDB the time that is left.
    documents_ms = 10_000, 100..=60_000;
    /// Elements over all tables of the instance.
    table_elements = 100_000, 1..=200_000;
    /// Calls of the host in one delivery, of the contract and of WASI alike. A line that is printed takes two or three.
    host_calls = 10_000, 1..=10_000_000;
    /// Writes in one delivery.
    writes = 1_000, 0..=100_000;
    /// Documents that one `find` may return.
    found_documents = 1_000, 0..=100_000;
    /// Bytes of log lines in one delivery as they are written, including stdout and stderr. Anything over the limit is
    /// dropped and counted, except the last line.
    log_bytes = 64 << 10, 0..=64 << 20;
    /// Log lines in one delivery. Anything over the limit is dropped and counted, except the last line.
    log_lines = 1_000, 0..=1_000_000;
    /// Bytes of the event that the handler receives.
    event_bytes = 1 << 20, 1..=64 << 20;
    /// Bytes that cross the boundary in one delivery, in both directions, the event not counted.
    boundary_bytes = 16 << 20, 1..=1 << 30;
    /// Resources held at once: WASI's streams and pollables, and the component's own.
    handles = 256, 16..=65_536;
    /// Units of fuel for the instantiation.
    instantiate_fuel = 100_000_000, 1_000..=1_000_000_000_000;
    /// Units of fuel for `describe`.
    describe_fuel = 100_000_000, 1_000..=1_000_000_000_000;
    /// Milliseconds of running time of `describe`.
    describe_ms = 5_000, 1..=600_000;
}

impl Limits {
    /// Returns what a delivery may use of the host.
    pub(super) fn budget(&self) -> Budget {
        Budget {
            deadline: Duration::from_millis(self.deadline_ms),
            others_wait: false,
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

/// The fuel for the two steps of a call.
#[derive(Clone, Copy)]
pub(super) struct Fuel {
    pub(super) instantiate: u64,
    pub(super) call: u64,
    /// The setting that `call` comes from.
    pub(super) name: &'static str,
}
