//! The one hop between Kafka and the commit: what the committer is given, and what it reports. Pure.

use std::pin::Pin;

use super::entry::Entry;
use crate::store::{Claim, PartitionId};

/// What the committer must do, in this order.
#[derive(Debug)]
pub enum Work {
    /// Own these claims from now on.
    Own(Vec<(PartitionId, Claim)>),
    /// Own these no longer, and drop the records that it still holds of them.
    Disown(Vec<PartitionId>),
    /// Try no parked deliveries of these any more, because they will be given back. What was being tried has ended by
    /// then.
    Rest(Vec<PartitionId>),
    /// Account for these records.
    Commit(Vec<Entry>),
    /// These partitions have been read to their ends.
    AtEnd(Vec<AtEnd>),
}

/// A partition all of whose records are accounted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtEnd {
    /// The partition.
    pub partition: PartitionId,
    /// The end of its log. Marks of transactions, which are no records, may come before it.
    pub end: i64,
    /// When the newest event of its topic that the group has seen was created, in milliseconds since 1970.
    pub highest_created_at_ms: Option<i64>,
}

/// What the committer reports.
#[derive(Debug)]
pub enum Said {
    /// It could take more records. It says so once, until it is given some.
    Wants,
    /// Some of its records are finished.
    Done(Done),
    /// It tries no parked deliveries of these any more.
    Rests(Vec<PartitionId>),
}

/// What became of records that were given to the committer.
#[derive(Debug, Default)]
pub struct Done {
    /// Partitions that may have moved, with the claims under which they did.
    pub moved: Vec<(PartitionId, Claim)>,
    /// Partitions whose claim of that epoch no longer holds, or may not. They must be claimed again before more of them
    /// is read.
    pub lost: Vec<(PartitionId, i64)>,
    /// How many records it no longer holds.
    pub finished: usize,
}

/// A boxed future.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The committer's end of the hop.
pub trait Hop: Send + Sync {
    /// Returns the next work, or none if there will be no more. May be dropped at any time without loss.
    fn next(&self) -> Later<'_, Option<Work>>;

    /// Reports something to the loop.
    fn say(&self, said: Said) -> Later<'_, ()>;
}
