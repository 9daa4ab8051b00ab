//! The sandbox: the engine, limits, one call of one handler.
//!
//! A handler is a component. Every delivery gets a fresh instance of it, and only what [`Run`](weir_core::call::Run) holds outlives that
//! instance. This module owns how components are compiled, linked, limited and stopped. `host` decides what
//! they may import, and others decide what
//! becomes of a [`Verdict`](weir_core::call::Verdict).
//!
//! Invariant: whatever a component does, [`Handler::deliver`] ends, and says which limit ended it.

mod backtrace;
mod call;
mod code_cache;
mod compiler;
mod engine;
mod handler;
mod host;
mod imports;
mod inspect;
mod limits;
mod load;
mod trap;

pub use code_cache::{CodeCache, CodeCacheError};
pub use compiler::{Compiler, compile_in_this_process};
pub use engine::{Engine, EngineError, EngineSettings};
pub use handler::Handler;
pub use inspect::MOST_FILE_BYTES;
pub use limits::{Limit, Limits};
pub use load::{Description, LoadError, Reason, at_most_file_bytes};
