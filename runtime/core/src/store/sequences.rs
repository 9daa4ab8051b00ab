//! Reads the parked deliveries that hold later events, and what somebody has asked for. Pure.
//!
//! A sequence is one aggregate's events for one line. It is held as long as it has a document in `parked` with `holds`.
//! Only the owner of its partition changes these documents, in transactions under the partition's fence, so what an
//! owner has read after its claim stays true until it changes it itself.

use std::fmt;

use bson::{Document, doc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::collections::{PARKED, RECORDS};
use super::parked::{HandlerVersion, ParkedId, Request, State};
use super::progress::PartitionId;
use super::records::{RecordId, RecordPart};
use super::typed::{date, optional_date};
use super::{Error, Store, clock_ms, first_batch, typed};
use crate::event::RawRecord;

/// How many documents a page of the heads has.
const PAGE: i64 = 2_000;
/// How many requests are read at once.
const REQUESTS: i64 = 1_000;

/// One aggregate's events for one line, in one partition: the first 8 bytes of a digest. Two sequences that share it
/// hold each other, which harms nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sequence(u64);

impl Sequence {
    /// Returns the sequence of an aggregate in a line.
    #[must_use]
    pub fn of(partition: &PartitionId, line: i32, aggregate_type: &str, aggregate_id: &str) -> Self {
        let mut hash = Sha256::new();
        let numbers = [partition.partition, line].map(i32::to_be_bytes);
        for part in [partition.topic.as_bytes(), aggregate_type.as_bytes(), aggregate_id.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(numbers.as_flattened());
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(first))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl From<Sequence> for String {
    fn from(sequence: Sequence) -> Self {
        sequence.to_string()
    }
}

impl TryFrom<String> for Sequence {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

/// A parked delivery as far as it matters for its next attempt.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Held {
    /// Its identity.
    #[serde(rename = "_id")]
    pub id: ParkedId,
    /// The key that people and programs name it by.
    pub key: String,
    /// Its sequence. None if no handler received the record.
    #[serde(default)]
    pub sequence: Option<Sequence>,
    /// The line that its sequence belongs to.
    #[serde(default)]
    pub line: Option<i32>,
    /// The handler. None if no handler received the record.
    pub handler: Option<HandlerVersion>,
    /// The record, which `records` has.
    pub record: RecordId,
    /// What becomes of it.
    pub state: State,
    /// The reason for its last failure.
    pub reason: String,
    /// The number of the last attempt. 0 if it has only waited.
    pub attempt: i32,
    /// When its first attempt failed, in milliseconds since 1970. None if it has only waited.
    #[serde(default, rename = "failed_at", with = "optional_date")]
    pub failed_at_ms: Option<i64>,
    /// The times of the last attempts.
    #[serde(default)]
    pub attempts: Vec<AttemptTime>,
    /// Whether later events of its aggregate wait for it.
    pub holds: bool,
    /// What somebody has asked for.
    #[serde(default)]
    pub request: Option<Request>,
}

/// When an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct AttemptTime {
    /// The time by MongoDB's clock, in milliseconds since 1970.
    #[serde(rename = "at", with = "date")]
    pub at_ms: i64,
    /// The shortest delay that the handler has asked for, in milliseconds.
    #[serde(default)]
    pub after_ms: Option<i64>,
}

impl Held {
    /// Returns its line and its sequence. None if no handler received the record.
    #[must_use]
    pub fn in_line(&self) -> Option<(i32, Sequence)> {
        let line = self.line.or_else(|| self.handler.as_ref().map(|handler| handler.id));
        line.zip(self.sequence)
    }

    /// Returns the partition of its record.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        PartitionId { topic: self.record.topic.as_str().into(), partition: self.record.partition }
    }
}

impl Store {
    /// Returns the first document of every held sequence of the partition.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn heads(&self, partition: &PartitionId) -> Result<Vec<Held>, Error> {
        let mut heads: Vec<Held> = Vec::new();
        loop {
            let mut filter = doc! {
                "group": &*self.group, "record.topic": &*partition.topic, "record.partition": partition.partition,
                "holds": true,
            };
            if let Some(last) = heads.last().and_then(|head| head.sequence) {
                filter.insert("sequence", doc! { "$gt": last.to_string() });
            }
            let page = self.held_where(filter, PAGE).await?;
            if page.is_empty() {
                return Ok(heads);
            }
            // A page is in the order of the sequences, so the first of each is its head, and the next page begins with
            // another sequence.
            for held in page.into_iter().filter(|held| held.sequence.is_some()) {
                if heads.last().is_none_or(|head| head.sequence != held.sequence) {
                    heads.push(held);
                }
            }
        }
    }

    /// Returns the documents that hold these sequences, at most `limit`, in their order.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn held(&self, sequences: &[Sequence], limit: i64) -> Result<Vec<Held>, Error> {
        let among: Vec<String> = sequences.iter().map(Sequence::to_string).collect();
        let filter = doc! { "group": &*self.group, "sequence": { "$in": among }, "holds": true };
        self.held_where(filter, limit).await
    }

    /// Returns documents about which somebody has asked for something, and MongoDB's clock.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn requested(&self) -> Result<(Vec<Held>, Option<i64>), Error> {
        let filter = doc! { "group": &*self.group, "request": { "$exists": true } };
        let reply = self.own(find(filter, doc! { "request.at": 1 }, REQUESTS)).await?;
        let found = first_batch(&reply)?.into_iter().filter_map(|document| {
            let held = typed::read(PARKED, document);
            // One that cannot be read must not keep the others from being done.
            held.inspect_err(|error| tracing::warn!(%error, "request_not_read")).ok()
        });
        Ok((found.collect(), clock_ms(&reply)))
    }

    async fn held_where(&self, filter: Document, limit: i64) -> Result<Vec<Held>, Error> {
        let in_order = doc! { "sequence": 1, "epoch": 1, "record.offset": 1, "handler.id": 1 };
        read(&self.own(find(filter, in_order, limit)).await?)
    }

    /// Returns a kept record and the number of its documents. None if it is not there as a whole.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn kept_record_in_parts(&self, id: &RecordId) -> Result<Option<(RawRecord, i32)>, Error> {
        let mut parts: Vec<RecordPart> = Vec::new();
        // A reply holds one part in any case, and perhaps not all of them.
        loop {
            let number = i32::try_from(parts.len()).unwrap_or(i32::MAX);
            let id = RecordId { part: (number > 0).then_some(number + 1), ..id.clone() };
            let Some(part) = self.first(RECORDS, doc! { "_id": typed::bson(&id) }, None).await? else { break };
            parts.push(part);
            let count = parts[0].count();
            if number + 1 >= count {
                return Ok(Some((RecordPart::together(parts), count)));
            }
        }
        if !parts.is_empty() {
            tracing::warn!(offset = id.offset, part = parts.len() + 1, "record_incomplete");
        }
        Ok(None)
    }
}

fn find(filter: Document, sort: Document, limit: i64) -> Document {
    doc! {
        "find": PARKED,
        "filter": filter,
        "sort": sort,
        "projection": {
            "key": 1, "sequence": 1, "line": 1, "handler": 1, "record": 1, "state": 1, "reason": 1, "attempt": 1,
            "failed_at": 1, "attempts.at": 1, "attempts.after_ms": 1, "holds": 1, "request": 1,
        },
        "limit": limit, "batchSize": i32::MAX, "singleBatch": true,
        "readConcern": { "level": "majority" },
    }
}

fn read(reply: &Document) -> Result<Vec<Held>, Error> {
    first_batch(reply)?.into_iter().map(|document| typed::read(PARKED, document)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(topic: &str, partition: i32, line: i32, kind: &str, id: &str) -> Sequence {
        Sequence::of(&PartitionId { topic: topic.into(), partition }, line, kind, id)
    }

    #[test]
    fn a_sequence_is_one_aggregate_in_one_line_of_one_partition() {
        let one = of("t", 0, 1, "user", "a");
        assert_eq!(of("t", 0, 1, "user", "a"), one);
        let others = [
            of("u", 0, 1, "user", "a"),
            of("t", 1, 1, "user", "a"),
            of("t", 0, 2, "user", "a"),
            of("t", 0, 1, "order", "a"),
            of("t", 0, 1, "user", "b"),
            of("t", 0, 1, "use", "ra"),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn a_sequence_is_read_as_it_is_written() {
        let one = of("t", 0, 1, "user", "a");
        assert_eq!(Sequence::try_from(one.to_string()), Ok(one));
        assert_eq!(Sequence(7).to_string(), "0000000000000007");
        assert!(Sequence::try_from("x".to_owned()).is_err());
    }
}
