//! A message of Kafka's client becomes a record, and that an entry.

use std::sync::Arc;

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use crate::delivery::{Entry, Item, RawRecord};
use crate::event::{self, Decoded, Ignored, Record};
use crate::store::PartitionId;
use crate::telemetry::metrics::RecordKind;

/// The record, decoded.
pub(super) fn decode(partition: PartitionId, message: &BorrowedMessage<'_>, settings: &event::Settings) -> Entry {
    let headers: Vec<(&str, Option<&[u8]>)> = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key, header.value)).collect())
        .unwrap_or_default();
    let timestamp_ms = message.timestamp().to_millis();
    let record = Record {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms,
        key: message.key(),
        value: message.payload(),
        headers: &headers,
    };
    let item = match event::decode(&record, settings) {
        Decoded::Event(event) => Item::Event(Arc::from(event)),
        Decoded::Ignored(ignored) => Item::Ignored(ignored),
        Decoded::Unsent(unsent) => Item::Unsent(Arc::from(unsent)),
        Decoded::Undecodable(undecodable) => Item::Undecodable(undecodable),
    };
    let raw = RawRecord {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect(),
        timestamp_ms,
    };
    Entry { partition, offset: message.offset(), item, raw: Arc::new(raw), begun_ms: None }
}

/// What metrics count it as.
pub(super) fn kind(item: &Item) -> RecordKind {
    match item {
        Item::Event(_) => RecordKind::Event,
        Item::Unsent(_) => RecordKind::Unsent,
        Item::Undecodable(_) => RecordKind::Undecodable,
        Item::Ignored(ignored) => match ignored {
            Ignored::Update => RecordKind::Update,
            Ignored::Delete => RecordKind::Delete,
            Ignored::Snapshot => RecordKind::Snapshot,
            Ignored::Truncate => RecordKind::Truncate,
            Ignored::LogicalMessage => RecordKind::LogicalMessage,
            Ignored::Tombstone => RecordKind::Tombstone,
            Ignored::Heartbeat => RecordKind::Heartbeat,
            Ignored::TransactionMetadata => RecordKind::TransactionMetadata,
        },
    }
}
