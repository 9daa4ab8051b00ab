//! A simulated Kafka: one topic, its records, the group's offsets and who is assigned what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use weir::consumer::broker::{Answer, Broker, Log, Unanswered};
use weir::delivery::{Item, RawRecord};
use weir::store::PartitionId;

use crate::host::TOPIC;
use crate::kernel::{Kernel, lock};

/// A record in the log.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) item: Item,
    pub(crate) raw: Arc<RawRecord>,
}

/// A partition's log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) records: BTreeMap<i64, Stored>,
}

impl Records {
    /// Forgets all records before an offset.
    pub(crate) fn start_at(&mut self, offset: i64) {
        self.start = offset;
        self.records = self.records.split_off(&offset);
    }
}

/// The broker.
#[derive(Debug, Default)]
pub(crate) struct Kafka {
    pub(crate) partitions: Vec<Records>,
    pub(crate) committed: BTreeMap<i32, i64>,
}

impl Kafka {
    /// Appends a record; `gap` offsets stay empty before it.
    pub(crate) fn append(&mut self, partition: usize, stored: Stored, gap: i64) -> i64 {
        let log = &mut self.partitions[partition];
        let offset = log.end + gap;
        log.records.insert(offset, stored);
        log.end = offset + 1;
        offset
    }

    /// Records from an offset on; an error where the log no longer holds it.
    pub(crate) fn fetch(&self, partition: i32, from: i64, most: usize) -> Option<Vec<(i64, Stored)>> {
        let log = self.partitions.get(usize::try_from(partition).ok()?)?;
        if from < log.start || from > log.end {
            return None;
        }
        Some(log.records.range(from..).take(most).map(|(offset, stored)| (*offset, stored.clone())).collect())
    }
}

/// Questions of one process to Kafka.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) kernel: Kernel,
    pub(crate) kafka: Arc<Mutex<Kafka>>,
    /// How many of a thousand questions are not answered.
    pub(crate) deaf: u64,
}

impl fmt::Debug for Asking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Asking")
    }
}

impl Asking {
    fn ask<T: Send + 'static>(&self, read: impl FnOnce(&Kafka) -> T + Send + 'static) -> Answer<'_, T> {
        Box::pin(async move {
            self.kernel.sleep(self.kernel.between(0, 5)).await;
            if self.kernel.chance(self.deaf) {
                self.kernel.count("fault: kafka does not answer");
                return Err(Unanswered("no broker".to_owned()));
            }
            Ok(read(&lock(&self.kafka)))
        })
    }
}

impl Broker for Asking {
    fn topics(&self) -> Answer<'_, Vec<(String, i32)>> {
        self.ask(|kafka| vec![(TOPIC.to_owned(), i32::try_from(kafka.partitions.len()).unwrap_or(0))])
    }

    fn is_compacted<'a>(&'a self, _topic: &'a str) -> Answer<'a, bool> {
        self.ask(|_| false)
    }

    fn partition_count<'a>(&'a self, _topic: &'a str) -> Answer<'a, i32> {
        self.ask(|kafka| i32::try_from(kafka.partitions.len()).unwrap_or(0))
    }

    fn log<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Log> {
        let number = usize::try_from(partition.partition).unwrap_or(usize::MAX);
        self.ask(move |kafka| {
            let log = kafka.partitions.get(number);
            log.map_or(Log { start: 0, end: 0 }, |log| Log { start: log.start, end: log.end })
        })
    }

    fn committed<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Option<i64>> {
        let number = partition.partition;
        self.ask(move |kafka| kafka.committed.get(&number).copied())
    }
}
