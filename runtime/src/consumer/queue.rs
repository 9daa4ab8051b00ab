//! Records that are read and not yet with the committer. Pure.
//!
//! Invariant: its memory is bounded, for each partition and in all; what is over its bound is paused in Kafka.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::delivery::Entry;
use crate::store::PartitionId;

/// What may be held.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of one partition, over which it is paused; half of it lets it go on.
    pub partition_bytes: usize,
    /// Bytes of all partitions.
    pub all_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { partition_bytes: 4 << 20, all_bytes: 32 << 20 }
    }
}

/// The most that goes into one batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchBounds {
    /// Events (`PROCESSING_BATCH_SIZE`).
    pub events: usize,
    /// Bytes of their records.
    pub bytes: usize,
}

/// Records in the order in which they came, which for each partition is that of their offsets.
#[derive(Debug, Default)]
pub struct Queue {
    bounds: Bounds,
    entries: VecDeque<(usize, Entry)>,
    bytes: HashMap<PartitionId, usize>,
    all_bytes: usize,
    paused: HashSet<PartitionId>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// Adds a record.
    pub fn push(&mut self, entry: Entry) {
        let bytes = entry.bytes();
        *self.bytes.entry(entry.partition.clone()).or_default() += bytes;
        self.all_bytes += bytes;
        self.entries.push_back((bytes, entry));
    }

    /// The first records, as many as a batch holds; one at least, where there is any.
    pub fn take(&mut self, bounds: BatchBounds) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut held = 0;
        while let Some((bytes, _)) = self.entries.front() {
            if !taken.is_empty() && (taken.len() >= bounds.events || held + bytes > bounds.bytes) {
                break;
            }
            held += bytes;
            if let Some((bytes, entry)) = self.entries.pop_front() {
                self.forget(&entry.partition, bytes);
                taken.push(entry);
            }
        }
        taken
    }

    /// Drops the records of a partition.
    pub fn drop_partition(&mut self, partition: &PartitionId) {
        self.entries.retain(|(_, entry)| entry.partition != *partition);
        self.all_bytes -= self.bytes.remove(partition).unwrap_or(0);
        self.paused.remove(partition);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many records wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// When the event that waits longest was created, in milliseconds since 1970.
    #[must_use]
    pub fn oldest_created_at_ms(&self) -> Option<i64> {
        self.entries.front().and_then(|(_, entry)| match &entry.item {
            crate::delivery::Item::Event(event) => Some(event.created_at_ms),
            _ => entry.raw.timestamp_ms,
        })
    }

    /// Which of the partitions are to be paused now, and which may go on.
    pub fn flow<'a>(&mut self, owned: impl Iterator<Item = &'a PartitionId>) -> Flow {
        let mut flow = Flow::default();
        for partition in owned {
            let held = self.bytes.get(partition).copied().unwrap_or(0);
            let paused = self.paused.contains(partition);
            if !paused && (held > self.bounds.partition_bytes || self.all_bytes > self.bounds.all_bytes) {
                self.paused.insert(partition.clone());
                flow.pause.push(partition.clone());
            } else if paused && held <= self.bounds.partition_bytes / 2 && self.all_bytes <= self.bounds.all_bytes / 2 {
                self.paused.remove(partition);
                flow.resume.push(partition.clone());
            }
        }
        flow
    }

    fn forget(&mut self, partition: &PartitionId, bytes: usize) {
        self.all_bytes -= bytes;
        if let Some(held) = self.bytes.get_mut(partition) {
            *held -= bytes;
        }
    }
}

/// What is to change at Kafka.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Over their bound.
    pub pause: Vec<PartitionId>,
    /// Under half of it again.
    pub resume: Vec<PartitionId>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::delivery::{Item, RawRecord};
    use crate::event::Ignored;

    fn partition(number: i32) -> PartitionId {
        PartitionId { topic: Arc::from("t"), partition: number }
    }

    fn entry(number: i32, offset: i64, bytes: usize) -> Entry {
        let raw = RawRecord { value: Some(vec![0; bytes]), ..RawRecord::default() };
        Entry {
            partition: partition(number),
            offset,
            item: Item::Ignored(Ignored::Update),
            raw: Arc::new(raw),
            begun_ms: None,
        }
    }

    #[test]
    fn a_batch_is_bounded_by_events_and_bytes_and_never_empty() {
        let mut queue = Queue::new(Bounds::default());
        for offset in 0..5 {
            queue.push(entry(0, offset, 1_000));
        }
        assert_eq!(queue.take(BatchBounds { events: 2, bytes: 1 << 20 }).len(), 2);
        assert_eq!(queue.take(BatchBounds { events: 9, bytes: 10 }).len(), 1);
        assert_eq!(queue.take(BatchBounds { events: 9, bytes: 1 << 20 }).len(), 2);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_partition_over_its_bound_is_paused_until_half_of_it_is_gone() {
        let bounds = Bounds { partition_bytes: 4_000, all_bytes: 1 << 20 };
        let mut queue = Queue::new(bounds);
        let owned = [partition(0), partition(1)];
        for offset in 0..4 {
            queue.push(entry(0, offset, 1_000));
        }
        queue.push(entry(1, 0, 1_000));
        assert_eq!(queue.flow(owned.iter()), Flow { pause: vec![partition(0)], resume: vec![] });
        assert_eq!(queue.flow(owned.iter()), Flow::default());
        queue.take(BatchBounds { events: 3, bytes: 1 << 20 });
        assert_eq!(queue.flow(owned.iter()), Flow { pause: vec![], resume: vec![partition(0)] });
    }

    #[test]
    fn all_are_paused_over_the_bound_of_all() {
        let mut queue = Queue::new(Bounds { partition_bytes: 1 << 20, all_bytes: 2_000 });
        queue.push(entry(0, 0, 1_000));
        queue.push(entry(1, 0, 1_000));
        let owned = [partition(0), partition(1), partition(2)];
        assert_eq!(queue.flow(owned.iter()).pause.len(), 3);
        queue.drop_partition(&partition(0));
        queue.drop_partition(&partition(1));
        assert!(queue.is_empty());
        assert_eq!(queue.flow(owned.iter()).resume, [partition(2)]);
    }
}
