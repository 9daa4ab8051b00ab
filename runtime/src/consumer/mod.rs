//! Assignment, the partition loop, progress. The only module that sees rdkafka.
//!
//! It reads records, decodes them and hands them to the one committer; it reads a partition only from where a claim
//! says, and correctness rests on the claim, never on Kafka's callbacks.

mod assigning;
pub mod broker;
pub mod claiming;
mod committing;
mod connection;
pub mod embedded;
mod kafka;
pub mod outbox;
pub mod partitions;
pub mod queue;
mod reading;
mod record;
pub mod recording;
pub mod returning;
pub mod start;

pub use embedded::Embedded;
pub use kafka::{Error, Kafka};
pub use partitions::Partitions;
pub use reading::Reading;
pub use recording::Recording;
