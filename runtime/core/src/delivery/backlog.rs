//! The records that the committer holds and that are in no batch, in the order in which they came. Pure.
//!
//! Invariant: records leave in that order. Those that a batch leaves to be done go before all that came later.

use std::collections::{BTreeSet, VecDeque};

use super::batch;
use super::entry::Entry;
use super::hop::{Hop, Said};
use super::in_flight::Heads;
use crate::store::PartitionId;

/// The most bytes of records in a batch.
pub const BATCH_BYTES: usize = 8 << 20;

#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: VecDeque<Entry>,
    /// More records have been asked for and have not come yet.
    asked: bool,
    /// The last batch was of parked deliveries.
    had_parked: bool,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Says once that records are wanted, until some come.
    pub(super) async fn ask(&mut self, hop: &dyn Hop) {
        if !std::mem::replace(&mut self.asked, true) {
            hop.say(Said::Wants).await;
        }
    }

    pub(super) fn add(&mut self, entries: Vec<Entry>) {
        self.asked = false;
        self.entries.extend(entries);
    }

    /// Puts back records that a batch leaves to be done. Parked deliveries are read again instead, because an earlier
    /// one of their sequence may have failed meanwhile.
    pub(super) fn put_first(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev().filter(Entry::is_of_log) {
            self.entries.push_front(entry);
        }
    }

    /// Whether the next batch may be one of parked deliveries. If records wait, they have every second batch, so that
    /// slow retries hold up no other work.
    pub(super) fn takes_parked(&self) -> bool {
        self.entries.is_empty() || !self.had_parked
    }

    /// Takes the parked deliveries, if there are any, or else the first records: as many as a batch holds, and at least
    /// one. A suspect partition's are batched singly.
    pub(super) fn next_batch(&mut self, parked: Vec<Entry>, events: usize, claims: &Heads) -> Vec<Entry> {
        self.had_parked = !parked.is_empty();
        let mut parked = VecDeque::from(parked);
        let source = if self.had_parked { &mut parked } else { &mut self.entries };
        let (mut taken, mut bytes): (Vec<Entry>, usize) = (Vec::new(), 0);
        while let Some(entry) = source.front() {
            bytes += entry.bytes();
            let is_alone = is_suspect(claims, entry) || taken.last().is_some_and(|last| is_suspect(claims, last));
            let full = taken.len() >= events || bytes > BATCH_BYTES || is_alone;
            if !taken.is_empty() && full {
                break;
            }
            taken.extend(source.pop_front());
        }
        taken
    }

    /// Drops the records of these partitions. Returns how many.
    pub(super) fn drop_partitions(&mut self, partitions: &BTreeSet<&PartitionId>) -> usize {
        self.retain(|entry| !partitions.contains(entry.partition()))
    }

    /// Drops the records that have no claim, and those that are already accounted for. Returns how many.
    pub(super) fn drop_unclaimed(&mut self, claims: &Heads) -> usize {
        self.retain(|entry| claims.get(entry.partition()).is_some_and(|claim| entry.offset() >= claim.next))
    }

    fn retain(&mut self, keep: impl Fn(&Entry) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| keep(entry));
        before - self.entries.len()
    }
}

/// Whether the record's partition has lost owner after owner, or has no claim.
pub(super) fn is_suspect(claims: &Heads, entry: &Entry) -> bool {
    claims.get(entry.partition()).is_none_or(batch::is_suspect)
}

pub(super) fn partitions(entries: &[Entry]) -> BTreeSet<PartitionId> {
    entries.iter().map(|entry| entry.partition().clone()).collect()
}

/// Returns how many of the entries are records of the log.
pub(super) fn of_log(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| entry.is_of_log()).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::delivery::Item;
    use crate::event::{Ignored, RawRecord};
    use crate::store::Claim;

    fn record(offset: i64) -> Entry {
        let partition = PartitionId { topic: "t".into(), partition: 0 };
        Entry::of_log(partition, offset, Item::Ignored(Ignored::Update), Arc::new(RawRecord::default()))
    }

    #[test]
    fn records_that_wait_have_every_second_batch() {
        let claims = Heads::from([(record(0).partition().clone(), Claim::new(1, 0))]);
        let mut backlog = Backlog::default();
        let mut of_the_log = Vec::new();
        backlog.add((0..3).map(record).collect());
        // Any entries stand for parked deliveries that are always due.
        for _ in 0..6 {
            let parked = if backlog.takes_parked() { vec![record(100), record(101)] } else { Vec::new() };
            let batch = backlog.next_batch(parked, 1, &claims);
            assert_eq!(batch.len(), 1);
            of_the_log.push(batch[0].offset() < 100);
        }
        assert_eq!(of_the_log, [false, true, false, true, false, true]);
        assert!(backlog.is_empty() && backlog.takes_parked(), "nothing else waits");
    }
}
