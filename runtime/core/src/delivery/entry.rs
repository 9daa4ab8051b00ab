//! A record on its way through a batch. Pure.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::event::{Event, Ignored, RawRecord, ToldBy, Undecodable, Unsent};
use crate::store::{Held, MarkerKey, PartitionId};

/// The memory that a header takes besides its name and value.
pub const HEADER_BYTES: usize = 128;

/// What the record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An event for the handlers.
    Event(Arc<Event>),
    /// No event. Progress passes it.
    Ignored(Ignored),
    /// An event that lacks a value it needs. It is either known to the ledger or dead.
    Unsent(Arc<Unsent>),
    /// A record that cannot be read. It is parked with its bytes.
    Undecodable(Undecodable),
}

/// Where an entry comes from. This decides what its commit is fenced by and what it moves.
///
/// Code that depends on this takes an origin apart by `let`, so that it stops compiling when there is another one.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// The log. The commit is fenced by the partition's progress, and moves it past the record.
    Log {
        /// The partition of the record.
        partition: PartitionId,
        /// The offset of the record.
        offset: i64,
    },
    /// A delivery that was parked. The commit is fenced by the partition's progress and does not move it, and the
    /// delivery's document in `parked` must still be as it was.
    Parked(Arc<Parked>),
}

/// A parked delivery that is tried again or discarded.
#[derive(Debug, PartialEq)]
pub struct Parked {
    /// The partition of its record.
    pub partition: PartitionId,
    /// Its document.
    pub held: Held,
    /// How many documents its record has.
    pub record_parts: i32,
    /// The policy that holds now allows no further attempt, so it is dead without one.
    pub exhausted: bool,
}

/// A decoded record and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it comes from.
    pub origin: Origin,
    /// What the record turned out to be.
    pub item: Item,
    /// The record as it came from Kafka.
    pub raw: Arc<RawRecord>,
    /// When its first delivery was first begun, in milliseconds since 1970. Its handlers take this for now, however
    /// often they run again.
    pub begun_ms: Option<i64>,
}

impl Entry {
    /// Creates the entry of a record that was read from the log.
    #[must_use]
    pub fn of_log(partition: PartitionId, offset: i64, item: Item, raw: Arc<RawRecord>) -> Self {
        Self { origin: Origin::Log { partition, offset }, item, raw, begun_ms: None }
    }

    /// Returns the partition that holds its record.
    #[must_use]
    pub fn partition(&self) -> &PartitionId {
        match &self.origin {
            Origin::Log { partition, .. } => partition,
            Origin::Parked(parked) => &parked.partition,
        }
    }

    /// Returns the offset of its record.
    #[must_use]
    pub fn offset(&self) -> i64 {
        match &self.origin {
            Origin::Log { offset, .. } => *offset,
            Origin::Parked(parked) => parked.held.record.offset,
        }
    }

    /// Whether it was read from the log.
    #[must_use]
    pub fn is_of_log(&self) -> bool {
        matches!(self.origin, Origin::Log { .. })
    }

    /// Returns when its event was created, in milliseconds since 1970, if it is an event.
    #[must_use]
    pub fn created_at_ms(&self) -> Option<i64> {
        match &self.item {
            Item::Event(event) => Some(event.created_at_ms),
            Item::Ignored(_) | Item::Unsent(_) | Item::Undecodable(_) => None,
        }
    }

    /// Returns roughly how much memory it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let raw = self.raw.value.as_ref().map_or(0, Vec::len) + self.raw.key.as_ref().map_or(0, Vec::len);
        let headers = self.raw.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
        // A header of one byte takes far more than that.
        let headers: usize = headers.map(|bytes| bytes + HEADER_BYTES).sum();
        let event = match &self.item {
            Item::Event(event) => {
                let headers = event.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_BYTES);
                event.payload.len() + event.columns.len() + headers.sum::<usize>()
            }
            Item::Ignored(_) | Item::Unsent(_) | Item::Undecodable(_) => 0,
        };
        raw + headers + event + 512
    }
}

/// The ledger that an event belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The consumer group.
    pub group: Arc<str>,
    /// The outbox's name (`OUTBOX_SOURCE`), so that equal ids of two tables do not collide.
    pub source: Arc<str>,
    /// How long an event is remembered (`LEDGER_RETENTION_HOURS`), in milliseconds.
    pub retention_ms: i64,
}

impl Ledger {
    /// Returns the event's key, which is the same however often the event is delivered.
    #[must_use]
    pub fn key(&self, event: &Event) -> MarkerKey {
        self.key_of(&event.id)
    }

    /// Returns the key of the event with this id.
    #[must_use]
    pub fn key_of(&self, id: &str) -> MarkerKey {
        let mut key = MarkerKey::default();
        key.copy_from_slice(&digest(&[self.group.as_bytes(), self.source.as_bytes(), id.as_bytes()])[..16]);
        key
    }
}

/// Returns a number that tells the record from another one, however either is decoded, because decoding depends on
/// settings.
#[must_use]
pub fn record_digest(record: &RawRecord) -> i64 {
    let none: &[u8] = &[0];
    let [key, value] = [&record.key, &record.value].map(|part| part.as_deref());
    let [has_key, has_value] = [key, value].map(|part| if part.is_some() { &[1] } else { none });
    first(digest(&[has_key, key.unwrap_or_default(), has_value, value.unwrap_or_default()]))
}

/// Returns a hash that tells an event from another one with the same id.
#[must_use]
pub fn event_hash(event: &Event) -> i64 {
    hash(&event.aggregate_id, &event.event_type, event.row_created_at_us)
}

/// Returns the same for an event that was not sent whole.
#[must_use]
pub fn unsent_hash(told_by: &ToldBy) -> i64 {
    hash(&told_by.aggregate_id, &told_by.event_type, told_by.row_created_at_us)
}

fn hash(aggregate_id: &str, event_type: &str, row_created_at_us: Option<i64>) -> i64 {
    let created_at = row_created_at_us.map(i64::to_be_bytes);
    let created_at: &[u8] = created_at.as_ref().map_or(&[], |bytes| bytes);
    first(digest(&[aggregate_id.as_bytes(), event_type.as_bytes(), created_at]))
}

/// Returns the first 8 bytes of a digest, as a number.
fn first(digest: [u8; 32]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// Returns a digest of parts, each preceded by its length, so that no two lists of parts have the same input.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
