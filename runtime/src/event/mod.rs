//! A Kafka record becomes an outbox event. Pure: no client, no clock, no configuration but what is passed in.
//!
//! Invariant: what a handler is given of a payload is the text that the database wrote; no number loses a digit.

/// A record as Kafka holds it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Kafka's timestamp, in milliseconds since 1970.
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
    /// JSON text, as the database wrote it.
    pub payload: String,
    /// The row's time, else the record's, in milliseconds since 1970, rounded down.
    pub created_at_ms: i64,
    /// The row's own time in microseconds since 1970, where it has one. Part of the ledger's hash.
    pub row_created_at_us: Option<i64>,
    /// Of the record; those that are not UTF-8 are left out.
    pub headers: Vec<(String, String)>,
    /// JSON text: an object of the row's other columns, as far as the host is set to pass them; else `{}`.
    pub columns: String,
}

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// An event for the handlers.
    Event(Box<Event>),
    /// A record that is no event, such as a delete or a heartbeat.
    Ignored(Ignored),
    /// A record that should have been an event and cannot be read; it is kept with its bytes.
    Undecodable(Undecodable),
}

/// Why a record is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Debezium's op u: a change of the row, such as its status.
    Update,
    /// Debezium's op d.
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
}

/// A record that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// What is wrong, and where.
    pub reason: String,
    /// The event's id, where that much could be read.
    pub event_id: Option<String>,
    /// The event's type, where that much could be read.
    pub event_type: Option<String>,
    /// The aggregate's id, where that much could be read.
    pub aggregate_id: Option<String>,
}

/// What decoding depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Op r (a snapshot's row) is an event too (`SNAPSHOT_EVENTS`).
    pub snapshot_events: bool,
}
