//! A member of a consumer group: assignment, claims, records, offsets. The only module that sees rdkafka.
//!
//! `member` decides, and `reading` performs it on Kafka's client: it reads records, decodes them and hands them to the
//! one committer. It reads a partition only from where a claim says. Correctness rests on the claim, never on Kafka's
//! callbacks.

pub mod action;
mod assigning;
pub mod broker;
pub mod claiming;
mod claims;
mod committing;
mod connection;
pub mod embedded;
mod kafka;
pub mod member;
mod outbox;
mod partitions;
pub mod queue;
mod reading;
mod record;
pub mod recording;
mod returning;
mod start;

pub use embedded::Embedded;
pub use kafka::{Error, Kafka};
pub use member::Member;
pub use partitions::LogEnd;
pub use reading::{Reading, look_every};
pub use recording::Recording;
