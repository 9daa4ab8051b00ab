//! A batch: run, decide, commit, park.
//!
//! A batch is prepared, in flight, and then committed, to be prepared again, or given up. To prepare it (`runner`), a
//! host drops the events that occur twice, asks the ledger for the others, judges them under the claims that will hold
//! at the commit, and runs their deliveries. None of their writes is in MongoDB yet, so it can be thrown away at any
//! time. In flight, it is one transaction (`batch`'s plan): the fences, the markers, the reads to check, the writes, and
//! the deliveries that failed. `redo` names the step that follows from MongoDB's answer, and `attempts` takes it, until
//! one of these is true:
//!
//! - It is committed, up to where it was cut. The records behind the cut are the first of the next batch.
//! - It must be prepared again: an event has a marker by now, something that was read has changed, a claim is lost, or
//!   the commit is in doubt. In the last two cases the partitions concerned are given up, with their records. Their next
//!   claim tells where to read on.
//! - It is given up on request. All its partitions are given up too, because some of its records are not accounted for.
//!
//! All of it is pure: the sandbox, MongoDB and time are passed in, so that the simulation can drive it.

mod alone;
mod attempts;
mod away;
mod backlog;
pub mod batch;
mod bell;
mod caller;
pub mod committer;
mod context;
mod culprits;
pub mod decoder;
pub mod entry;
mod faults;
mod forgotten;
pub mod handlers;
mod holding;
pub mod hop;
mod in_flight;
mod lane;
mod lines;
mod lookup;
pub mod outcome;
mod parked;
mod passage;
pub mod policy;
pub mod redo;
mod repeats;
mod report;
mod retried;
mod retries;
mod routes;
mod runner;
mod signal;
pub mod slot;
mod speculation;
pub mod statements;
mod stops;
mod suspects;
mod together;
mod transactor;
mod turns;

#[cfg(test)]
mod batch_test;
#[cfg(test)]
mod committer_test;
#[cfg(test)]
mod crash_test;
#[cfg(test)]
mod samples_test;

pub use backlog::BATCH_BYTES;
pub use committer::{Committer, CommitterSettings};
pub use decoder::Decoder;
pub use entry::{Entry, HEADER_BYTES, Item, Ledger, Origin, record_digest};
pub use handlers::Handlers;
pub use hop::{AtEnd, Done, Hop, Said, Work};
pub use lane::Lanes;
pub use policy::{MAY_PASS, OnDead, RetryPolicy};
pub use routes::{Identity, Routes, lines};
