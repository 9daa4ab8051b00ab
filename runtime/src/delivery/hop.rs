//! The one hop between Kafka and the commit: what the committer is given, and what it says. Pure.

use std::pin::Pin;

use super::entry::Entry;
use crate::store::{Claim, PartitionId};

/// What the committer is asked to do, in this order.
#[derive(Debug)]
pub enum Work {
    /// These claims are its own now.
    Own(Vec<(PartitionId, Claim)>),
    /// These no longer are. What it still holds of them is dropped.
    Disown(Vec<PartitionId>),
    /// Account for these records.
    Commit(Vec<Entry>),
    /// These partitions have been read to their ends.
    AtEnd(Vec<AtEnd>),
}

/// A partition of which every record is accounted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtEnd {
    /// The partition.
    pub partition: PartitionId,
    /// Where its log ends. Marks of transactions, which are no records, may stand before that.
    pub end: i64,
    /// When the newest event was created that the group has seen of its topic, in milliseconds since 1970.
    pub highest_created_at_ms: Option<i64>,
}

/// What the committer says.
#[derive(Debug)]
pub enum Said {
    /// It could take more records: said once, until it is given something.
    Wants,
    /// Some of its records are done with.
    Done(Done),
}

/// What came of records that were given to the committer.
#[derive(Debug, Default)]
pub struct Done {
    /// Partitions that may have moved, with the claims under which they did.
    pub moved: Vec<(PartitionId, Claim)>,
    /// Partitions whose claim of that epoch no longer holds, or may not: they are to be claimed anew before more of them
    /// is read.
    pub lost: Vec<(PartitionId, i64)>,
    /// How many records it no longer holds.
    pub finished: usize,
}

/// What comes in time.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The committer's end of the hop.
pub trait Hop: Send + Sync {
    /// The next work; none when there will be no more. May be dropped at any time without loss.
    fn next(&self) -> Later<'_, Option<Work>>;

    /// Says something to the loop.
    fn say(&self, said: Said) -> Later<'_, ()>;
}
