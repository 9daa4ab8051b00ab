//! The engine, limits, one call of one handler.
//!
//! A handler is a component; every delivery gets a fresh instance of it, which nothing outlives but what
//! [`Run`](crate::call::Run) holds. This module owns how components are compiled, linked, limited and stopped. What they may import is
//! the business of [`crate::host`]; what becomes of a
//! [`Verdict`](crate::call::Verdict) is decided elsewhere.
//!
//! Invariant: whatever a component does, [`Handler::deliver`] ends, and says which limit ended it.

mod backtrace;
mod call;
mod compiler;
mod engine;
mod handler;
mod imports;
mod inspect;
mod limits;
mod load;
mod trap;

pub use compiler::{Compiler, compile_in_this_process};
pub use engine::{Engine, EngineError, EngineSettings};
pub use handler::Handler;
pub use inspect::MOST_FILE_BYTES;
pub use limits::Limits;
pub use load::{Description, LoadError, Reason, at_most_file_bytes};
