//! A batch: run its deliveries, decide, commit, park.
//!
//! What decides is pure and stands in files that say so; [`committer`] drives it with the sandbox and the store.

mod alone;
pub mod batch;
pub mod committer;
pub mod entry;
pub mod outcome;
mod parked;
pub mod redo;
mod report;
pub mod statements;

pub use committer::{Committer, Done};
pub use entry::{Entry, Item, Ledger, RawRecord};
