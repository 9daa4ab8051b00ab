//! A call of a handler: its input, and how it ended. The core calls and the sandbox is called. They meet here and know
//! nothing of each other.
//!
//! The three kinds of failure stay apart: what the handler returned ([`Failure`]), what the sandbox stopped ([`Stop`]),
//! and what the host or MongoDB suffered ([`Verdict::Fault`]).

mod installation;
mod log_line;

pub use installation::{HandlerKey, Installation};
pub use log_line::{Level, LogLine};

use std::sync::Arc;
use std::time::Duration;

use crate::documents::{Mode, Refusal};
use crate::event::Event;
use crate::store::{FaultKind, ReadById, Write};

/// One event for one handler.
#[derive(Debug, Clone)]
pub struct Call {
    /// The event.
    pub event: Arc<Event>,
    /// The handler.
    pub handler: HandlerKey,
    /// The number of the attempt, which is 1 for the first.
    pub attempt: u32,
    /// When this attempt first began, in milliseconds since 1970.
    pub now_ms: i64,
    /// How the handler reaches MongoDB.
    pub mode: Mode,
}

/// The result of a call.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub verdict: Verdict,
    /// The writes, in the order of the calls. In [`Mode::Alone`] they have already taken effect.
    pub writes: Vec<Write>,
    /// The reads by `_id` outside a transaction.
    pub reads: Vec<ReadById>,
    /// The lines that the handler logged or printed.
    pub log: Vec<LogLine>,
    /// How many lines were dropped because `log_bytes` was used up.
    pub log_lines_dropped: u64,
    /// The units of fuel used, including those of the instantiation.
    pub fuel: u64,
    /// The running time, which counts towards the deadline.
    pub running: Duration,
    /// The time spent waiting for MongoDB.
    pub in_documents: Duration,
}

impl Run {
    /// A delivery that did not run because of the host.
    #[must_use]
    pub fn of_fault(why: String) -> Self {
        Self {
            verdict: Verdict::Fault(Fault::of_host(why)),
            writes: Vec::new(),
            reads: Vec::new(),
            log: Vec::new(),
            log_lines_dropped: 0,
            fuel: 0,
            running: Duration::ZERO,
            in_documents: Duration::ZERO,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The handler succeeded and nothing was refused.
    Accepted,
    /// The handler returned a failure.
    Failed(Failure),
    /// The sandbox stopped the handler.
    Stopped(Stop),
    /// A call to the host was refused. The first refusal decides, whatever the handler did afterwards.
    Refused(Refusal),
    /// MongoDB or the host failed. The delivery must run again because the fault may pass.
    Fault(Fault),
    /// The handler reads what a pending write may touch. The pending writes must be committed before the delivery runs
    /// again.
    NeedsCommit,
    /// The delivery must run again alone in a transaction. The text says what the handler did that needs one.
    NeedsAlone(&'static str),
    /// It has run for longer than others wait for it. It must run again in its lane.
    Slow,
}

impl Verdict {
    /// Returns whether this run does not count and the delivery runs again.
    #[must_use]
    pub fn runs_again(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::NeedsCommit | Self::NeedsAlone(_) | Self::Slow)
    }
}

/// A failure of MongoDB or the host. The core finds out whether the delivery caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The collection of the request, or none if MongoDB was not asked.
    pub collection: Option<Arc<str>>,
    /// Whether the request was a write.
    pub writes: bool,
    /// A description for people.
    pub message: String,
}

impl Fault {
    /// A fault of the host itself.
    #[must_use]
    pub fn of_host(message: String) -> Self {
        Self { kind: FaultKind::Unanswered, collection: None, writes: false, message }
    }
}

/// The handler's choice for an event that it failed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Another attempt may succeed.
    Retry,
    /// No attempt can succeed.
    Reject,
    /// The handler does not want the event.
    Skip,
}

/// The failure that a handler returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The action that the handler chose for the event.
    pub action: Action,
    /// The type that failures are grouped by, which may be empty.
    pub error_type: String,
    /// A description for people.
    pub message: String,
    /// The handler's own stack, if its language has one.
    pub trace: Option<String>,
    /// For a retry, the shortest delay in milliseconds.
    pub after_ms: Option<u32>,
}

/// Why the sandbox stopped a handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Stop {
    /// The cause.
    pub kind: StopKind,
    /// A description for people. It names the limit, if one was exceeded.
    pub message: String,
    /// The handler's stack: function names, innermost first, one frame per line.
    pub backtrace: Option<String>,
}

/// The cause of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopKind {
    /// A trap: a panic, an `unreachable`, a wild memory access, a call of `exit`.
    Trap,
    /// The fuel of `handle` or `describe` ran out.
    Fuel,
    /// The fuel of the instantiation ran out.
    InstantiateFuel,
    /// The memories would have grown too large.
    Memory,
    /// The tables would have grown too large.
    Table,
    /// The call stack grew too deep.
    Stack,
    /// The handler ran for too long.
    Deadline,
    /// The handler called the host too often.
    HostCalls,
    /// Too many bytes crossed the boundary.
    Boundary,
    /// The event was too large for the handler, which did not run.
    EventSize,
    /// The handler held too many WASI resources.
    Handles,
    /// The handler asked for too many random bytes at once.
    Random,
}

impl StopKind {
    /// Returns the cause, as metrics and parked deliveries spell it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Fuel | Self::InstantiateFuel => "fuel",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Stack => "stack",
            Self::Deadline => "deadline",
            Self::HostCalls => "host-calls",
            Self::Boundary => "boundary",
            Self::EventSize => "event-size",
            Self::Handles => "handles",
            Self::Random => "random",
        }
    }

    /// Returns the setting that can be raised: a field of the handler's limits, or `stack_bytes` of the engine.
    #[must_use]
    pub fn limit(self) -> Option<&'static str> {
        match self {
            Self::Trap | Self::Random => None,
            Self::Fuel => Some("fuel"),
            Self::InstantiateFuel => Some("instantiate_fuel"),
            Self::Memory => Some("memory_bytes"),
            Self::Table => Some("table_elements"),
            Self::Stack => Some("stack_bytes"),
            Self::Deadline => Some("deadline_ms"),
            Self::HostCalls => Some("host_calls"),
            Self::Boundary => Some("boundary_bytes"),
            Self::EventSize => Some("event_bytes"),
            Self::Handles => Some("handles"),
        }
    }
}
