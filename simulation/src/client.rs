//! Kafka's client as a simulated member sees it: what is assigned, from which offset it reads, and what is paused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_core::consumer::LogEnd;
use weir_core::delivery::Entry;
use weir_core::store::PartitionId;

use crate::kafka::{Kafka, id, number};
use crate::kernel::Kernel;

#[derive(Debug, Default)]
pub(crate) struct Client {
    /// The offset of the next record of each partition that it reads.
    positions: BTreeMap<i32, i64>,
    paused: BTreeSet<i32>,
}

/// The log no longer holds the offset that was about to be read.
pub(crate) struct OutOfRange;

impl Client {
    /// Reads a partition from `start` on, whatever it did with it before. Without a start, it does not read the
    /// partition.
    pub(crate) fn read(&mut self, partition: &PartitionId, start: Option<i64>) {
        self.forget(partition);
        if let Some(start) = start {
            self.positions.insert(number(partition), start);
        }
    }

    pub(crate) fn forget(&mut self, partition: &PartitionId) {
        self.positions.remove(&number(partition));
        self.paused.remove(&number(partition));
    }

    pub(crate) fn pause(&mut self, partitions: &[PartitionId]) {
        self.paused.extend(partitions.iter().map(number));
    }

    pub(crate) fn resume(&mut self, partitions: &[PartitionId]) {
        self.paused.retain(|paused| !partitions.iter().any(|partition| number(partition) == *paused));
    }

    /// Returns the next records of one or two partitions, in the order of their offsets.
    pub(crate) fn poll(&mut self, kernel: &Kernel, kafka: &Kafka) -> Result<Vec<Entry>, OutOfRange> {
        let mut entries = Vec::new();
        let (mut out_of_range, paused) = (None, &self.paused);
        for (partition, position) in self.positions.iter_mut().filter(|(partition, _)| !paused.contains(*partition)) {
            if kernel.chance(300) {
                continue;
            }
            let most = usize::try_from(kernel.below(20) + 1).unwrap_or(1);
            let Some(records) = kafka.fetch(*partition, *position, most) else {
                out_of_range = Some(*partition);
                continue;
            };
            let came_to_the_end = records.len() < most;
            for (offset, stored) in records {
                *position = offset + 1;
                let partition = id(*partition);
                entries.push(Entry::of_log(partition, offset, stored.item, stored.raw));
            }
            if came_to_the_end {
                // The rest of the log is transaction markers, which are not records.
                *position = kafka.end(*partition);
            }
        }
        match out_of_range {
            // It reports this once, because the member will then read from another offset.
            Some(partition) => {
                self.positions.remove(&partition);
                Err(OutOfRange)
            }
            None => Ok(entries),
        }
    }

    pub(crate) fn log_ends(&self, kafka: &Kafka) -> HashMap<PartitionId, LogEnd> {
        let end = |(partition, position): (&i32, &i64)| {
            let offset = kafka.end(*partition);
            (id(*partition), LogEnd { offset, reached: *position >= offset })
        };
        self.positions.iter().map(end).collect()
    }
}
