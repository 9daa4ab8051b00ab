//! The owner of a partition, and how far it has come. Pure data and its BSON.

use std::fmt;
use std::sync::Arc;

use bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::collections::{LANES, PROGRESS};
use super::typed::{self, optional_date};

use crate::seeded::{self, Bug};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl PartitionId {
    /// Returns the `_id` of the document by which a committer owns the partition.
    pub(super) fn owned_id(&self, by: &Ownership) -> ProgressId {
        ProgressId {
            group: by.group.to_string(),
            topic: self.topic.to_string(),
            partition: self.partition,
            line: by.line,
        }
    }

    /// Returns the same in BSON.
    pub(super) fn owned_key(&self, by: &Ownership) -> Document {
        let mut key = doc! { "group": &*by.group, "topic": &*self.topic, "partition": self.partition };
        if let Some(line) = by.line {
            key.insert("line", line);
        }
        key
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}[{}]", self.topic, self.partition)
    }
}

/// For what a committer owns partitions: to account for a group's records, or to try again what is parked of one line.
///
/// The two never wait for each other, because each is fenced by a document of its own: that of the group is in
/// `progress`, and that of a line is in `lanes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The consumer group.
    pub group: Arc<str>,
    /// The line, or none for the group's records.
    pub line: Option<i32>,
}

impl Ownership {
    /// Returns the collection of its documents.
    pub(super) fn collection(&self) -> &'static str {
        if self.line.is_some() { LANES } else { PROGRESS }
    }
}

/// The `_id` of a document by which a committer owns a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProgressId {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    /// None for the group's records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<i32>,
}

/// A document of `progress`: a partition of a group, its owner, and how far it has come. In a document of `lanes`, which
/// is of one line, nothing moves, so `next` is always 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    #[serde(rename = "_id")]
    pub(super) id: ProgressId,
    /// Increases with every claim.
    pub epoch: i64,
    /// The offset of the first record that is not accounted for.
    pub next: i64,
    /// How many transactions have moved it.
    #[serde(default)]
    pub commits: i64,
    /// The offset at which the group began, or at which it was set to go on.
    pub start: Option<i64>,
    /// The reason for this offset, in words.
    pub start_because: Option<String>,
    /// The owner that claimed it and has not given it back.
    pub owner: Option<String>,
    /// The epoch of the group's claim under which a line may be claimed, or none if this is the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<i64>,
    /// Before this offset the log holds no further record. None until a host has read to the end.
    pub(super) read_to: Option<i64>,
    /// The highest creation time of the events accounted for, in milliseconds since 1970.
    #[serde(default, rename = "highest_created_at", with = "optional_date")]
    pub(super) highest_created_at_ms: Option<i64>,
    /// The last record that was accounted for.
    pub(super) last: Option<LastRecord>,
    /// The processes that did not give it back since the last commit, in the order in which they lost it.
    #[serde(default)]
    pub(super) lost_owners: Vec<String>,
    /// The deliveries that these processes were running singly.
    #[serde(default)]
    pub(super) crashes: Vec<Crash>,
}

impl Progress {
    /// Returns the partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        PartitionId { topic: self.id.topic.as_str().into(), partition: self.id.partition }
    }
}

/// A delivery that a process was running when it lost the partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// The process.
    pub owner: String,
    /// The offset of the delivery's record.
    pub offset: i64,
    /// The internal id of the delivery's handler.
    pub handler: i32,
}

/// Once this many owners of a partition have died without a commit in between, its events run singly.
pub const DEATHS_THAT_COUNT: i32 = 3;

/// The result of a claim: the right to commit for a partition until the next claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Increases with every claim. A transaction with a lower epoch commits nothing.
    pub epoch: i64,
    /// The offset of the first record that is not accounted for.
    pub next: i64,
    /// Before this offset the log holds no further record, only transaction markers at most. It is at least `next`.
    pub read_to: i64,
    /// The highest creation time of the events accounted for, in milliseconds since 1970.
    pub highest_created_at_ms: Option<i64>,
    /// Whether any owners, dead or not, have failed to give the partition back since its last commit.
    pub has_lost_owners: bool,
    /// How many of these owners are dead.
    pub deaths: i32,
    /// The deliveries of the partition that dead owners were running.
    pub crashes: Vec<Crashes>,
}

impl Claim {
    /// Creates a claim of a partition that nobody has held before.
    #[must_use]
    pub fn new(epoch: i64, next: i64) -> Self {
        Self {
            epoch,
            next,
            read_to: next,
            highest_created_at_ms: None,
            has_lost_owners: false,
            deaths: 0,
            crashes: Vec::new(),
        }
    }
}

/// A delivery that ran singly because one owner after another had died, and during which more of them died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crashes {
    /// The offset of the delivery's record.
    pub offset: i64,
    /// The internal id of the delivery's handler.
    pub handler: i32,
    /// How many owners died of it.
    pub deaths: i32,
}

/// A step of a partition's progress, in the transaction that accounts for the records that it passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The partition.
    pub partition: PartitionId,
    /// The claim that the step relies on. Its `next` must be unchanged.
    pub claim: Claim,
    /// The offset after the last record that the transaction accounts for.
    pub to: i64,
    /// The last record that it accounts for, which later shows whether the topic is still the same. None if the
    /// transaction accounts for no record of the log, only for parked deliveries, and so does not move the partition.
    pub last: Option<LastRecord>,
    /// The highest creation time of an event, in milliseconds since 1970.
    pub highest_created_at_ms: Option<i64>,
}

impl Advance {
    /// Updates the claim after the step is committed.
    pub fn step(&self, claim: &mut Claim) {
        let highest_created_at_ms = claim.highest_created_at_ms.max(self.highest_created_at_ms);
        let read_to = if self.last.is_some() { self.to } else { claim.read_to };
        *claim = Claim { read_to, highest_created_at_ms, ..Claim::new(claim.epoch, self.to) };
    }

    /// Returns the statement of an `update` command that takes the step. It matches nothing if another owner has
    /// claimed the partition.
    #[must_use]
    pub fn statement(&self, by: &Ownership) -> Document {
        let mut update = doc! { "$inc": { "commits": 1_i64 } };
        if let Some(last) = &self.last {
            update.insert("$set", doc! { "next": self.to, "last": typed::bson(last) });
        }
        if self.claim.has_lost_owners {
            update.insert("$unset", doc! { "lost_owners": "", "crashes": "" });
        }
        if let Some(highest) = self.highest_created_at_ms {
            update.insert("$max", doc! { "highest_created_at": bson::DateTime::from_millis(highest) });
        }
        let id = self.partition.owned_key(by);
        if seeded::on(Bug::MaxAsFence) {
            return doc! { "q": { "_id": id }, "u": { "$max": { "next": self.to } } };
        }
        doc! { "q": { "_id": id, "epoch": self.claim.epoch, "next": self.claim.next }, "u": update }
    }
}

/// A record as the progress document keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRecord {
    /// The record's offset.
    pub offset: i64,
    /// The id of the record's event, if it was one.
    pub event_id: Option<String>,
    /// The record's timestamp in Kafka.
    pub timestamp_ms: Option<i64>,
    /// A digest of the record's key and value. None if an older version wrote it.
    pub digest: Option<i64>,
}
