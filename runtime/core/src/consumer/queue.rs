//! Records that are read and not yet with the committer. Pure.
//!
//! Invariant: its memory is bounded. Over the bound, nothing more is taken from Kafka's client, which goes on
//! prefetching within a bound of its own. If the queue stays full because nothing is committed, every partition is
//! paused so that we keep polling.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::delivery::Entry;
use crate::store::PartitionId;

/// How long nothing may be taken from Kafka's client before every partition is paused. The client fetches what is
/// paused again later, which costs tenths of a second. But a member that does not poll for minutes is removed from the
/// group.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most that goes into one batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchBounds {
    /// Events (`PROCESSING_BATCH_SIZE`).
    pub events: usize,
    /// Bytes of their records.
    pub bytes: usize,
}

/// Records in the order in which they came, which for each partition is the order of their offsets.
#[derive(Debug)]
pub struct Queue {
    bound: usize,
    entries: VecDeque<(usize, Entry)>,
    bytes: usize,
    /// Since when it has been over its bound.
    full: Option<Duration>,
    paused: HashSet<PartitionId>,
}

impl Queue {
    /// Creates a queue that is full once it holds more than that many bytes.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { bound, entries: VecDeque::new(), bytes: 0, full: None, paused: HashSet::new() }
    }

    /// Adds a record.
    pub fn push(&mut self, entry: Entry) {
        let bytes = entry.bytes();
        self.bytes += bytes;
        self.entries.push_back((bytes, entry));
    }

    /// Whether nothing more should be taken from Kafka's client. While every partition is paused, polling brings events
    /// such as rebalances and no records.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes > self.bound && self.paused.is_empty()
    }

    /// Takes the first records, as many as a batch holds, and at least one if there is any.
    pub fn take(&mut self, bounds: BatchBounds) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut held = 0;
        while let Some((bytes, _)) = self.entries.front() {
            if !taken.is_empty() && (taken.len() >= bounds.events || held + bytes > bounds.bytes) {
                break;
            }
            held += bytes;
            if let Some((bytes, entry)) = self.entries.pop_front() {
                self.bytes -= bytes;
                taken.push(entry);
            }
        }
        if self.bytes <= self.bound && self.paused.is_empty() {
            self.full = None;
        }
        taken
    }

    /// Drops the records of a partition.
    pub fn drop_partition(&mut self, partition: &PartitionId) {
        self.entries.retain(|(_, entry)| entry.partition() != partition);
        self.bytes = self.entries.iter().map(|(bytes, _)| bytes).sum();
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

    /// Returns when the event that waits longest was created, in milliseconds since 1970.
    #[must_use]
    pub fn oldest_created_at_ms(&self) -> Option<i64> {
        self.entries.front().and_then(|(_, entry)| match &entry.item {
            crate::delivery::Item::Event(event) => Some(event.created_at_ms),
            _ => entry.raw.timestamp_ms,
        })
    }

    /// Returns the partitions to pause now, and those to resume: all of them, once half of the bound is free.
    pub fn flow<'a>(&mut self, owned: impl Iterator<Item = &'a PartitionId>, now: Duration) -> Flow {
        if self.bytes <= self.bound / 2 {
            self.full = None;
            return Flow { pause: Vec::new(), resume: self.paused.drain().collect() };
        }
        if self.bytes > self.bound {
            self.full.get_or_insert(now);
        } else if self.paused.is_empty() {
            self.full = None;
        }
        let lasts = self.full.is_some_and(|since| now.saturating_sub(since) >= PATIENCE);
        let pause: Vec<PartitionId> = owned.filter(|id| lasts && !self.paused.contains(*id)).cloned().collect();
        self.paused.extend(pause.iter().cloned());
        Flow { pause, resume: Vec::new() }
    }
}

/// What to change at Kafka.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Pause these, because nothing was taken for too long.
    pub pause: Vec<PartitionId>,
    /// Resume these, because there is room again.
    pub resume: Vec<PartitionId>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::delivery::Item;
    use crate::event::{Ignored, RawRecord};

    fn partition(number: i32) -> PartitionId {
        PartitionId { topic: Arc::from("t"), partition: number }
    }

    fn entry(number: i32, offset: i64, bytes: usize) -> Entry {
        let raw = RawRecord { value: Some(vec![0; bytes]), ..RawRecord::default() };
        Entry::of_log(partition(number), offset, Item::Ignored(Ignored::Update), Arc::new(raw))
    }

    #[test]
    fn a_batch_is_bounded_by_events_and_bytes_and_never_empty() {
        let mut queue = Queue::new(1 << 20);
        for offset in 0..5 {
            queue.push(entry(0, offset, 1_000));
        }
        assert_eq!(queue.take(BatchBounds { events: 2, bytes: 1 << 20 }).len(), 2);
        assert_eq!(queue.take(BatchBounds { events: 9, bytes: 10 }).len(), 1);
        assert_eq!(queue.take(BatchBounds { events: 9, bytes: 1 << 20 }).len(), 2);
        assert!(queue.is_empty());
    }

    #[test]
    fn over_its_bound_it_takes_nothing_and_pauses_only_where_that_lasts() {
        let mut queue = Queue::new(4_000);
        let owned = [partition(0), partition(1)];
        let flow = |queue: &mut Queue, ms| queue.flow(owned.iter(), Duration::from_millis(ms));
        queue.push(entry(0, 0, 3_000));
        assert!(!queue.is_full());
        queue.push(entry(0, 1, 3_000));
        assert!(queue.is_full());
        assert_eq!(flow(&mut queue, 0), Flow::default());
        // A batch is taken and others come before anybody looks. The queue is full again, but only since then.
        queue.take(BatchBounds { events: 1, bytes: 1 << 20 });
        assert!(!queue.is_full());
        queue.push(entry(1, 0, 3_000));
        assert_eq!(flow(&mut queue, 1_100), Flow::default());
        assert_eq!(flow(&mut queue, 2_100), Flow { pause: owned.to_vec(), resume: vec![] });
        assert!(!queue.is_full(), "what is paused sends nothing, and its news are to be heard");
        assert_eq!(flow(&mut queue, 2_200), Flow::default());
        queue.take(BatchBounds { events: 1, bytes: 1 << 20 });
        assert_eq!(flow(&mut queue, 2_300), Flow::default(), "half of it is to be free first");
        queue.drop_partition(&partition(1));
        assert_eq!(flow(&mut queue, 2_400), Flow { pause: vec![], resume: vec![partition(0)] });
    }
}
