//! A simulated Kafka: two topics, their records, the group's offsets, and which member each partition is assigned to.
//!
//! Partitions are numbered across both topics, in the order in which they are made. The second topic has those in
//! [`LATE`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use weir_core::consumer::broker::{Answer, Broker, Log, Unanswered};
use weir_core::delivery::{Decoder, Item};
use weir_core::event::{RawRecord, Undecodable};
use weir_core::store::PartitionId;

use crate::kernel::{Kernel, lock};

/// The topics. The second gets its first record late, and all of its events are already old by then.
pub(crate) const TOPICS: [&str; 2] = ["t", "u"];
/// The numbers of the second topic's partitions.
pub(crate) const LATE: std::ops::Range<i32> = 3..5;

/// The partition of a number.
pub(crate) fn id(number: i32) -> PartitionId {
    let (topic, partition) = match number {
        number if LATE.contains(&number) => (TOPICS[1], number - LATE.start),
        number if number < LATE.start => (TOPICS[0], number),
        grown => (TOPICS[0], grown - (LATE.end - LATE.start)),
    };
    PartitionId { topic: Arc::from(topic), partition }
}

/// The number of a partition.
pub(crate) fn number(id: &PartitionId) -> i32 {
    number_of(&id.topic, id.partition)
}

pub(crate) fn number_of(topic: &str, partition: i32) -> i32 {
    match partition {
        partition if topic == TOPICS[1] => LATE.start + partition,
        partition if partition < LATE.start => partition,
        grown => grown + LATE.end - LATE.start,
    }
}

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
    /// Returns the offset after the last record. Transaction markers may follow it.
    pub(crate) fn after_last(&self) -> i64 {
        self.records.last_key_value().map_or(self.start, |(offset, _)| offset + 1)
    }

    /// Deletes all records before an offset.
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
    /// What each record's value means.
    pub(crate) decoded: HashMap<Vec<u8>, Item>,
}

impl Kafka {
    /// Appends a record, and leaves `gap` offsets empty before it.
    pub(crate) fn append(&mut self, partition: usize, stored: Stored, gap: i64) -> i64 {
        self.decoded.insert(stored.raw.value.clone().unwrap_or_default(), stored.item.clone());
        let log = &mut self.partitions[partition];
        let offset = log.end + gap;
        log.records.insert(offset, stored);
        log.end = offset + 1;
        offset
    }

    /// Returns the offset after the last record or marker of a partition.
    pub(crate) fn end(&self, partition: i32) -> i64 {
        usize::try_from(partition).ok().and_then(|at| self.partitions.get(at)).map_or(0, |log| log.end)
    }

    /// Ends a producer's transaction: its marker takes an offset but is not a record.
    pub(crate) fn mark(&mut self, partition: usize) {
        self.partitions[partition].end += 1;
    }

    /// Returns records from an offset on, or `None` if the log no longer holds it.
    pub(crate) fn fetch(&self, partition: i32, from: i64, most: usize) -> Option<Vec<(i64, Stored)>> {
        let log = self.partitions.get(usize::try_from(partition).ok()?)?;
        if from < log.start || from > log.end {
            return None;
        }
        Some(log.records.range(from..).take(most).map(|(offset, stored)| (*offset, stored.clone())).collect())
    }
}

/// Requests of one process to Kafka.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) kernel: Kernel,
    pub(crate) kafka: Arc<Mutex<Kafka>>,
    /// How many of a thousand requests are not answered.
    pub(crate) deaf: u64,
}

impl fmt::Debug for Asking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Asking")
    }
}

impl Decoder for Asking {
    fn decode(&self, _partition: &PartitionId, _offset: i64, record: &RawRecord) -> Item {
        let known = record.value.as_ref().and_then(|value| lock(&self.kafka).decoded.get(value).cloned());
        known.unwrap_or_else(|| Item::Undecodable(Undecodable::not_kept()))
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

/// Returns how many partitions a topic has.
fn count(kafka: &Kafka, topic: &str) -> i32 {
    let all = 0..i32::try_from(kafka.partitions.len()).unwrap_or(0);
    i32::try_from(all.filter(|number| *id(*number).topic == *topic).count()).unwrap_or(0)
}

impl Broker for Asking {
    fn topics(&self) -> Answer<'_, Vec<(String, i32)>> {
        self.ask(|kafka| TOPICS.map(|topic| (topic.to_owned(), count(kafka, topic))).to_vec())
    }

    fn is_compacted<'a>(&'a self, _topic: &'a str) -> Answer<'a, bool> {
        self.ask(|_| false)
    }

    fn partition_count<'a>(&'a self, topic: &'a str) -> Answer<'a, i32> {
        let topic = topic.to_owned();
        self.ask(move |kafka| count(kafka, &topic))
    }

    fn log<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Log> {
        let number = usize::try_from(number(partition)).unwrap_or(usize::MAX);
        self.ask(move |kafka| {
            let log = kafka.partitions.get(number);
            log.map_or(Log { start: 0, end: 0 }, |log| Log { start: log.start, end: log.end })
        })
    }

    fn committed<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Option<i64>> {
        let number = number(partition);
        self.ask(move |kafka| kafka.committed.get(&number).copied())
    }
}
