//! The records that the committer holds and that are in no batch, in the order in which they came. Pure.
//!
//! Invariant: records leave in that order. Those that a batch leaves to be done go before all that came later.

use std::collections::{BTreeSet, VecDeque};

use super::batch;
use super::entry::{Entry, Origin};
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
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the first record must run singly, because its partition has lost owner after owner, or has no claim.
    pub(super) fn begins_suspect(&self, claims: &Heads) -> bool {
        self.entries.front().is_some_and(|entry| is_suspect(claims, entry))
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

    pub(super) fn put_first(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.entries.push_front(entry);
        }
    }

    /// Takes the first records, as many as a batch holds, and at least one if there is any. A suspect partition's
    /// records are batched singly.
    pub(super) fn next_batch(&mut self, events: usize, claims: &Heads) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.entries.front() {
            bytes += entry.bytes();
            let full = taken.len() >= events || bytes > BATCH_BYTES || is_suspect(claims, entry);
            if !taken.is_empty() && full {
                break;
            }
            taken.extend(self.entries.pop_front());
        }
        taken
    }

    /// Drops the records of these partitions. Returns how many.
    pub(super) fn drop_partitions(&mut self, partitions: &BTreeSet<&PartitionId>) -> usize {
        self.retain(|entry| !partitions.contains(entry.partition()))
    }

    /// Drops the records that have no claim, and those that are already accounted for. Returns how many.
    pub(super) fn drop_unclaimed(&mut self, claims: &Heads) -> usize {
        self.retain(|entry| {
            let Origin::Log { partition, offset } = &entry.origin;
            claims.get(partition).is_some_and(|claim| *offset >= claim.next)
        })
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
