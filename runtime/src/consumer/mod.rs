//! Assignment, the partition loop, progress. The only module that sees rdkafka.
//!
//! It reads records, decodes them and hands them to the one committer; it reads a partition only from where a claim
//! says, and correctness rests on the claim, never on Kafka's callbacks.

mod claiming;
mod committing;
mod kafka;
pub mod queue;
mod reading;
pub mod start;

pub use kafka::{Error, Kafka};
pub use reading::Reading;
