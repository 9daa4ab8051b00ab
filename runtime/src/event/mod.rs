//! A Kafka record becomes an outbox event. Pure: no client, no clock, no configuration but what is passed in.
//!
//! Every form has a file of its own, and [`decode`] is the only way in: `form` tells them apart, `envelope`,
//! `flattened`, `router` and `cloud_event` read them as a `row`, and that becomes the event. A record of no form that is
//! known is undecodable: kept, never guessed at. `docs/records.md` says the same for people.
//!
//! Invariants: what a handler is given of a payload is the text that the database wrote; no number loses a digit. No
//! bytes make [`decode`] panic, recurse without bound or take more than linear time (`bounds` says what is bounded how),
//! and none that it does not understand pass as an event or as nothing.

mod bounds;
mod cloud_event;
mod columns;
mod created_at;
mod decimal;
mod envelope;
mod error;
mod exact;
mod flattened;
mod form;
mod headers;
mod members;
mod op;
mod payload;
mod router;
mod row;
mod schema;
mod temporal;
mod unavailable;

#[cfg(test)]
mod captures;
#[cfg(test)]
mod properties;

pub use bounds::MAX_RECORD_BYTES;
pub use columns::{Columns, Field, Others, WrongColumns};
pub use form::decode;

/// A record as Kafka holds it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Kafka's timestamp, in milliseconds since 1970; none where the broker has none.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; none for a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// One row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same however often the event is delivered.
    pub id: String,
    /// The row's place in the outbox, in decimal digits.
    pub sequence: Option<String>,
    /// What happened; decides which handlers run.
    pub event_type: String,
    /// What it happened to.
    pub aggregate_type: String,
    /// Which one it happened to; events of one aggregate are ordered.
    pub aggregate_id: String,
    /// JSON text, as the database wrote it; `null` where the column holds none. At most 127 levels deep.
    pub payload: String,
    /// The row's time, else the record's, in milliseconds since 1970, rounded down.
    pub created_at_ms: i64,
    /// The row's own time in microseconds since 1970, rounded down, where it has one. Part of the ledger's hash.
    pub row_created_at_us: Option<i64>,
    /// Of the record, in its order; those that are null or not UTF-8 are left out, and so is what Debezium says of
    /// its own run (`__debezium.context.*`).
    pub headers: Vec<(String, String)>,
    /// JSON text: an object of the row's other columns, as far as the host is set to pass them; else `{}`.
    pub columns: String,
    /// Whether the form says that the row was created. A flattened row without `__op` may as well have been changed,
    /// and then only its id tells.
    pub says_op: bool,
}

/// An event of which a column was not sent: PostgreSQL leaves out of a change what is stored apart (TOAST) and stayed as
/// it was. Where the ledger has its id, nothing is missing; else it cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The event's id.
    pub id: String,
    /// What tells it from another event with its id; none where that was not sent either.
    pub told_by: Option<ToldBy>,
    /// What there is to keep of it.
    pub why: Undecodable,
}

/// What tells an event from another one that has its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldBy {
    /// The aggregate's id.
    pub aggregate_id: String,
    /// The event's type.
    pub event_type: String,
    /// The row's own time in microseconds since 1970, where it has one.
    pub row_created_at_us: Option<i64>,
}

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// An event for the handlers.
    Event(Box<Event>),
    /// A record that is no event, such as a delete or a heartbeat.
    Ignored(Ignored),
    /// An event without a value that it needs.
    Unsent(Box<Unsent>),
    /// A record that should have been an event and cannot be read; it is kept with its bytes.
    Undecodable(Undecodable),
}

/// Why a record is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Debezium's op u: a change of the row, such as its status.
    Update,
    /// Debezium's op d, or the JSON `null` that a flattened delete leaves.
    Delete,
    /// Debezium's op r, where snapshots are not asked for.
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
    /// A name for metrics and logs, in `snake_case`.
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
    /// What is wrong, and where in the value. It quotes no more of the value than a name, and that cut.
    pub reason: String,
    /// The event's id, where that much could be read.
    pub event_id: Option<String>,
    /// The event's type, where that much could be read.
    pub event_type: Option<String>,
    /// The aggregate's id, where that much could be read.
    pub aggregate_id: Option<String>,
}

impl Undecodable {
    /// A record with more than [`MAX_RECORD_BYTES`], of which nothing is read.
    #[must_use]
    pub fn too_large(bytes: usize) -> Self {
        let reason = error::Error::RecordTooLarge { bytes, limit: MAX_RECORD_BYTES }.to_string();
        Self { reason, event_id: None, event_type: None, aggregate_id: None }
    }

    /// A record whose headers Kafka's client cannot read. What they hold is not known, so neither is the event.
    #[must_use]
    pub fn unreadable_headers() -> Self {
        let reason = error::Error::HeadersUnreadable.to_string();
        Self { reason, event_id: None, event_type: None, aggregate_id: None }
    }
}

/// What decoding depends on.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Op r (a snapshot's row) is an event too (`SNAPSHOT_EVENTS`).
    pub snapshot_events: bool,
    /// What the outbox's columns are called (`OUTBOX_COLUMNS`).
    pub columns: Columns,
    /// Which other columns handlers are given (`OUTBOX_OTHER_COLUMNS`).
    pub others: Others,
}
