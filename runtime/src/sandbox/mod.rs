//! The engine, limits, one call of one handler.
//!
//! A handler is a component; every delivery gets a fresh instance of it, which nothing outlives but what
//! [`Run`] holds. This module owns how components are compiled, linked, limited and stopped. What they may import is
//! the business of [`crate::host`]; what becomes of a [`Verdict`] is that of [`crate::delivery`].
//!
//! Invariant: whatever a component does, [`Handler::deliver`] ends, and says which limit ended it.

mod backtrace;
mod call;
mod engine;
mod handler;
mod imports;
mod inspect;
mod limits;
mod load;
mod trap;

pub use engine::{Engine, EngineError, EngineSettings};
pub use handler::Handler;
pub use limits::Limits;
pub use load::{Description, LoadError, Reason, at_most_file_bytes};

pub use crate::host::{
    Action, Call, Code, Failure, Grants, HandlerKey, Installation, Level, LogLine, Mode, Pending, Refusal, Run, Stop,
    StopKind, Verdict,
};
