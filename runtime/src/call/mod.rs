//! A call of a handler: what goes into it, and how it ended. The core, which calls, and the sandbox, which is called, meet
//! here and know nothing of each other.
//!
//! The three kinds of failure stay apart: what the handler returned ([`Failure`]), what the sandbox stopped
//! ([`Stop`]), what the host or MongoDB suffered ([`Verdict::Fault`]).

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
    /// What is delivered.
    pub event: Arc<Event>,
    /// To whom.
    pub handler: HandlerKey,
    /// 1 for the first.
    pub attempt: u32,
    /// When this attempt was first begun, in milliseconds since 1970.
    pub now_ms: i64,
    /// How it reaches MongoDB.
    pub mode: Mode,
}

/// What came of a call.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub verdict: Verdict,
    /// The writes, in the order of the calls. In [`Mode::Alone`] they have acted already.
    pub writes: Vec<Write>,
    /// What was read by `_id` outside a transaction.
    pub reads: Vec<ReadById>,
    /// What the handler logged or printed.
    pub log: Vec<LogLine>,
    /// How many lines were dropped because `log_bytes` was used up.
    pub log_lines_dropped: u64,
    /// Units of fuel used, by the instantiation too.
    pub fuel: u64,
    /// Running time: what the deadline counts.
    pub running: Duration,
    /// Time spent waiting for MongoDB.
    pub in_documents: Duration,
}

impl Run {
    /// A delivery that did not run: it is the host's doing.
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
    /// The handler said no.
    Failed(Failure),
    /// The sandbox stopped it.
    Stopped(Stop),
    /// The first call that was refused; it decides, whatever the handler then did.
    Refused(Refusal),
    /// MongoDB or the host did not do what was asked: to be run again, for it may pass.
    Fault(Fault),
    /// It reads what a pending write may touch: what is pending is to be committed, then it is run again.
    NeedsCommit,
    /// It is to be run again alone in a transaction; the text says what it did that needs one.
    NeedsAlone(&'static str),
}

impl Verdict {
    /// Whether this run counts for nothing and the delivery is run again.
    #[must_use]
    pub fn runs_again(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::NeedsCommit | Self::NeedsAlone(_))
    }
}

/// What MongoDB or the host did not do. Whether the delivery is behind it, the core finds out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// The collection that was asked for; none where MongoDB was not asked.
    pub collection: Option<Arc<str>>,
    /// It was a write.
    pub writes: bool,
    /// For people.
    pub message: String,
}

impl Fault {
    /// A fault of the host's own.
    #[must_use]
    pub fn of_host(message: String) -> Self {
        Self { kind: FaultKind::Unanswered, collection: None, writes: false, message }
    }
}

/// What a handler wants to become of an event that it failed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Another attempt may succeed.
    Retry,
    /// No attempt can succeed.
    Reject,
    /// The handler does not want the event.
    Skip,
}

/// What a handler returned instead of success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is to become of the event.
    pub action: Action,
    /// What failures are grouped by; may be empty.
    pub error_type: String,
    /// For people.
    pub message: String,
    /// The handler's own stack, where its language has one.
    pub trace: Option<String>,
    /// For a retry: not before that long, in milliseconds.
    pub after_ms: Option<u32>,
}

/// Why the sandbox stopped a handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Stop {
    /// What stopped it.
    pub kind: StopKind,
    /// For people; it names the limit, where it was one.
    pub message: String,
    /// The handler's stack: the functions' names, innermost first, a frame a line.
    pub backtrace: Option<String>,
}

/// What stopped a handler.
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
    /// It ran for too long.
    Deadline,
    /// It called the host too often.
    HostCalls,
    /// Too much crossed the boundary.
    Boundary,
    /// The event was too large to be given to it; it did not run.
    EventSize,
    /// It held too many resources of WASI.
    Handles,
    /// It asked for too many random bytes at once.
    Random,
}

impl StopKind {
    /// What stopped it, as metrics and parked deliveries spell it.
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

    /// The setting that can be raised: a field of the handler's limits, or `stack_bytes` of the engine.
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
