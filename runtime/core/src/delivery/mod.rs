//! A batch: run its deliveries, decide, commit, park.
//!
//! All of it is pure: the sandbox, MongoDB and time are passed in, so that the simulation can drive it.

mod alone;
mod attempts;
mod backlog;
pub mod batch;
mod bell;
mod caller;
pub mod committer;
mod context;
mod culprits;
pub mod entry;
mod faults;
mod forgotten;
pub mod handlers;
pub mod hop;
mod in_flight;
mod lookup;
pub mod outcome;
mod parked;
pub mod redo;
mod repeats;
mod report;
mod routes;
mod runner;
pub mod slot;
mod speculation;
pub mod statements;
mod suspects;
mod together;
mod transactor;
mod turns;

#[cfg(test)]
mod batch_test;
#[cfg(test)]
mod crash_test;

pub use backlog::BATCH_BYTES;
pub use committer::Committer;
pub use entry::{Entry, HEADER_BYTES, Item, Ledger, Origin, record_digest};
pub use handlers::Handlers;
pub use hop::{AtEnd, Done, Hop, Said, Work};
pub use routes::{Identity, Routes, lines};
