//! What Weir asks Kafka before it reads a partition. Pure.

use std::fmt;
use std::pin::Pin;

use crate::store::PartitionId;

/// Why Kafka did not answer. The caller should ask again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kafka: {0}")]
pub struct Unanswered(pub String);

/// A boxed future of an answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unanswered>> + Send + 'a>>;

/// What Kafka holds of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The first offset that it holds.
    pub start: i64,
    /// The offset after the last record.
    pub end: i64,
}

/// A Kafka that can be asked.
pub trait Broker: fmt::Debug + Send + Sync {
    /// Returns every topic, and how many partitions it has.
    fn topics(&self) -> Answer<'_, Vec<(String, i32)>>;

    /// Whether the topic is known to be compacted, so that a record of it may vanish before it is read.
    fn is_compacted<'a>(&'a self, topic: &'a str) -> Answer<'a, bool>;

    /// Returns how many partitions the topic has, or 0 if it does not exist.
    fn partition_count<'a>(&'a self, topic: &'a str) -> Answer<'a, i32>;

    /// Returns what the partition's log holds.
    fn log<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Log>;

    /// Returns the offset that the group has committed.
    fn committed<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Option<i64>>;
}
