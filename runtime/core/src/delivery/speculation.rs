//! Prepares the next batch speculatively while one is being committed. Pure.
//!
//! It takes records from the backlog, or waits for some, and runs them under the claims that the commit will leave. Only
//! the wait may be cut off, by dropping this: it holds no records then. Once it has taken records, it runs to its end,
//! which comes soon after a failed commit because the in-flight batch then says that it is thrown away.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use super::backlog::{Backlog, is_suspect, of_log, partitions};
use super::batch::Batch;
use super::context::GivenUp;
use super::entry::Entry;
use super::hop::{Hop, Work};
use super::in_flight::{Heads, InFlight};
use super::runner::{Ready, Runner};
use crate::store::PartitionId;

/// What became of the speculative batch.
pub(super) enum Speculated {
    Nothing,
    /// Other work came than records, and must be done first.
    Other(Work),
    Ready(Box<Ready>),
    /// It was given up: the partitions of its records, and their number.
    GivenUp(BTreeSet<PartitionId>, usize),
}

pub(super) struct Speculation<'a> {
    pub(super) runner: &'a Runner,
    pub(super) hop: &'a dyn Hop,
    pub(super) backlog: &'a mut Backlog,
    pub(super) batch_size: usize,
    pub(super) spent: Option<Batch>,
}

impl Speculation<'_> {
    /// Prepares the next batch. `idle` is set while it waits for records.
    pub(super) async fn run(mut self, in_flight: &InFlight, heads: &Heads, idle: &AtomicBool) -> Speculated {
        // MongoDB should have its first command before this takes its time.
        in_flight.bell.give_way().await;
        self.spent = None;
        if self.backlog.is_empty() {
            self.backlog.ask(self.hop).await;
            // Parked deliveries hold up no other work, however many there are.
            match self.hop.next().now_or_never() {
                Some(Some(Work::Commit(entries))) => self.backlog.add(entries),
                Some(Some(work)) => return Speculated::Other(work),
                Some(None) => return Speculated::Nothing,
                None => {}
            }
        }
        let parked = if self.backlog.takes_parked() {
            self.runner.due(heads, &in_flight.busy, self.batch_size).await
        } else {
            Vec::new()
        };
        while self.backlog.is_empty() && parked.is_empty() {
            if !in_flight.is_undecided() {
                // The commit has ended meanwhile, and `first` also looks for what is due.
                return Speculated::Nothing;
            }
            self.backlog.ask(self.hop).await;
            idle.store(true, Ordering::Relaxed);
            let work = self.hop.next().await;
            idle.store(false, Ordering::Relaxed);
            match work {
                Some(Work::Commit(entries)) => self.backlog.add(entries),
                Some(work) => return Speculated::Other(work),
                None => return Speculated::Nothing,
            }
        }
        let first = parked.first().or_else(|| self.backlog.first());
        if first.is_some_and(|first| is_suspect(heads, first)) {
            return Speculated::Nothing;
        }
        let entries = self.backlog.next_batch(parked, self.batch_size, heads);
        self.prepare(entries, in_flight, heads).await
    }

    async fn prepare(&self, entries: Vec<Entry>, in_flight: &InFlight, heads: &Heads) -> Speculated {
        let (partitions, count) = (partitions(&entries), of_log(&entries));
        match self.runner.prepare(entries, heads, Some(in_flight)).await {
            Ok(ready) => Speculated::Ready(Box::new(ready)),
            Err(GivenUp) => Speculated::GivenUp(partitions, count),
        }
    }
}
