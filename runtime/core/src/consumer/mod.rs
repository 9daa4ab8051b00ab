//! A member of a consumer group, without a client: assignment, claims, records, offsets.
//!
//! `member` decides, and whoever drives it performs that: `weir run` on Kafka's client, and the simulation on a Kafka of
//! its own. Correctness rests on the claim, never on Kafka's callbacks.

pub mod action;
pub mod broker;
pub mod claiming;
mod claims;
pub mod member;
mod outbox;
mod partitions;
pub mod queue;
pub mod returning;
mod start;
pub mod topics;

pub use member::Member;
pub use partitions::LogEnd;
