//! Turns a Kafka record into an outbox event. Pure: no client, no clock, and no configuration but what is passed in.
//!
//! Every form has a file of its own, and [`decode`] is the only way in: `form` recognises the forms, and `envelope`,
//! `flattened`, `router` and `cloud_event` read them as a `row`, which becomes the event. A record of no known form is
//! undecodable: it is kept, and Weir never guesses at it. `docs/records.md` says the same for people.
//!
//! Invariants: a handler receives a payload as the text that the database wrote, and no number loses a digit. No bytes
//! make [`decode`] panic, recurse without bound or take more than linear time (`bounds` lists the bounds). Bytes that
//! it does not understand never pass as an event or as nothing.

mod bounds;
mod cloud_event;
mod columns;
mod context;
mod created_at;
mod decimal;
mod envelope;
mod error;
mod exact;
mod flattened;
mod form;
mod headers;
mod json;
mod members;
mod op;
mod payload;
mod raw;
mod router;
mod row;
mod schema;
mod temporal;
mod unavailable;

#[cfg(test)]
mod captures_test;
#[cfg(test)]
mod properties_test;

pub use bounds::MAX_RECORD_BYTES;
pub use columns::{Columns, Field, Others, WrongColumns};
pub use form::decode;
pub use raw::RawRecord;

/// A record as Kafka holds it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// The record's offset in the partition.
    pub offset: i64,
    /// Kafka's timestamp, in milliseconds since 1970, or `None` if the broker has none.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes, or `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// One row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's id, the same however often the event is delivered.
    pub id: String,
    /// The row's place in the outbox, in decimal digits.
    pub sequence: Option<String>,
    /// The event's type, which decides which handlers run.
    pub event_type: String,
    /// The type of the aggregate that the event happened to.
    pub aggregate_type: String,
    /// The id of that aggregate. Events of one aggregate are ordered.
    pub aggregate_id: String,
    /// JSON text as the database wrote it, or `null` if the column holds none. At most 127 levels deep.
    pub payload: String,
    /// The row's time, otherwise the record's, in milliseconds since 1970, rounded down.
    pub created_at_ms: i64,
    /// The row's own time in microseconds since 1970, rounded down, if it has one. Part of the ledger's hash.
    pub row_created_at_us: Option<i64>,
    /// The record's headers, in their order. Headers that are null or not UTF-8 are left out, and so are those that
    /// describe Debezium's own run (`__debezium.context.*`).
    pub headers: Vec<(String, String)>,
    /// JSON text: an object of the row's other columns that the host is set to pass, otherwise `{}`.
    pub columns: String,
    /// Whether the form says that the row was created. A flattened row without `__op` may have been updated instead,
    /// and then only its id can tell.
    pub says_op: bool,
}

/// An event with a column that was not sent: PostgreSQL leaves a value that is stored apart (TOAST) out of an update
/// that did not change it. If the ledger has the event's id, nothing is missing. Otherwise the event cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The event's id.
    pub id: String,
    /// What distinguishes it from another event with its id, or `None` if that was not sent either.
    pub told_by: Option<ToldBy>,
    /// The parts of it that can be kept.
    pub why: Undecodable,
}

/// What distinguishes an event from another one with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldBy {
    /// The aggregate's id.
    pub aggregate_id: String,
    /// The event's type.
    pub event_type: String,
    /// The row's own time in microseconds since 1970, if it has one.
    pub row_created_at_us: Option<i64>,
}

/// The result of decoding a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// An event for the handlers.
    Event(Box<Event>),
    /// A record that is not an event, such as a delete or a heartbeat.
    Ignored(Ignored),
    /// An event that lacks a value that it needs.
    Unsent(Box<Unsent>),
    /// A record that should have been an event but cannot be read. It is kept with its bytes.
    Undecodable(Undecodable),
}

/// Why a record is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Debezium's op u: a change of the row, such as its status.
    Update,
    /// Debezium's op d, or the JSON `null` that a flattened delete leaves.
    Delete,
    /// Debezium's op r, if snapshots are not events.
    Snapshot,
    /// Debezium's op t.
    Truncate,
    /// Debezium's op m: a logical message.
    LogicalMessage,
    /// A record without a value.
    Tombstone,
    /// Debezium's heartbeat.
    Heartbeat,
    /// Debezium's record of a transaction's begin or end.
    TransactionMetadata,
}

impl Ignored {
    /// Returns the name for metrics and logs, in `snake_case`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Snapshot => "snapshot",
            Self::Truncate => "truncate",
            Self::LogicalMessage => "logical_message",
            Self::Tombstone => "tombstone",
            Self::Heartbeat => "heartbeat",
            Self::TransactionMetadata => "transaction_metadata",
        }
    }
}

/// A record that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// What is wrong, and where in the value. It quotes at most a name from the value, and cuts it.
    pub reason: String,
    /// The event's id, if it could be read.
    pub event_id: Option<String>,
    /// The event's type, if it could be read.
    pub event_type: Option<String>,
    /// The aggregate's id, if it could be read.
    pub aggregate_id: Option<String>,
}

impl Undecodable {
    /// Describes a record with more than [`MAX_RECORD_BYTES`], of which nothing is read.
    #[must_use]
    pub fn too_large(bytes: usize) -> Self {
        let reason = error::Error::RecordTooLarge { bytes, limit: MAX_RECORD_BYTES }.to_string();
        Self { reason, event_id: None, event_type: None, aggregate_id: None }
    }

    /// Describes a record that was to be kept for another attempt, and is gone.
    #[must_use]
    pub fn not_kept() -> Self {
        let reason = "its record is not among the kept ones any more".to_owned();
        Self { reason, event_id: None, event_type: None, aggregate_id: None }
    }

    /// Describes a record whose headers Kafka's client cannot read. Their content is unknown, so the event is unknown
    /// too.
    #[must_use]
    pub fn unreadable_headers() -> Self {
        let reason = error::Error::HeadersUnreadable.to_string();
        Self { reason, event_id: None, event_type: None, aggregate_id: None }
    }
}

/// The settings of decoding.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whether op r (a snapshot's row) is an event too (`SNAPSHOT_EVENTS`).
    pub snapshot_events: bool,
    /// The names of the outbox's columns (`OUTBOX_COLUMNS`).
    pub columns: Columns,
    /// The other columns that handlers receive (`OUTBOX_OTHER_COLUMNS`).
    pub others: Others,
}
