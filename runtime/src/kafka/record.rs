//! Turns a message of Kafka's client into a record, and the record into an entry.

use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

use rdkafka::bindings as rdsys;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaRespErr;

use weir_core::delivery::{Entry, HEADER_BYTES, Item};
use weir_core::event::{self, Decoded, Ignored, MAX_RECORD_BYTES, RawRecord, Record, Undecodable};
use weir_core::store::PartitionId;
use weir_core::telemetry::metrics::RecordKind;

/// Decodes the record.
pub(super) fn decode(partition: PartitionId, message: &BorrowedMessage<'_>, settings: &event::Settings) -> Entry {
    let found = headers(message);
    let are_readable = found.is_some();
    let raw_headers = found.unwrap_or_default();
    // A handler gets names as text, so a name that is not UTF-8 is hidden from it. The record keeps its bytes.
    let headers: Vec<(&str, Option<&[u8]>)> =
        raw_headers.iter().filter_map(|&(name, value)| Some((std::str::from_utf8(name).ok()?, value))).collect();
    let timestamp_ms = message.timestamp().to_millis();
    let bytes = bytes(message, &raw_headers);
    if bytes + raw_headers.len() * HEADER_BYTES > MAX_RECORD_BYTES {
        let item = Item::Undecodable(Undecodable::too_large(bytes));
        let raw = Arc::new(RawRecord { timestamp_ms, left_out_bytes: Some(bytes), ..RawRecord::default() });
        return Entry::of_log(partition, message.offset(), item, raw);
    }
    let record = Record {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms,
        key: message.key(),
        value: message.payload(),
        headers: &headers,
    };
    let decoded = if are_readable {
        event::decode(&record, settings)
    } else {
        Decoded::Undecodable(Undecodable::unreadable_headers())
    };
    let item = decoded.into();
    let raw = RawRecord {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: raw_headers.iter().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect(),
        timestamp_ms,
        left_out_bytes: None,
    };
    Entry::of_log(partition, message.offset(), item, Arc::new(raw))
}

/// Returns how many bytes the record has.
fn bytes(message: &BorrowedMessage<'_>, headers: &[RawHeader<'_>]) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
    message.key_len() + message.payload_len() + headers
}

/// A header as Kafka holds it: any bytes for a name, and a value unless it is null.
type RawHeader<'a> = (&'a [u8], Option<&'a [u8]>);

/// Returns the message's headers in their order, or none if librdkafka cannot parse them. It does not try beyond
/// 100,000.
///
/// Kafka lets a producer use any bytes for a name, and `Headers::iter` of the client library panics unless they are
/// UTF-8. So this asks librdkafka, which ends a name at its first NUL.
#[allow(unsafe_code, reason = "the client library has no way to read a header whose name is not UTF-8")]
fn headers<'a>(message: &'a BorrowedMessage<'_>) -> Option<Vec<RawHeader<'a>>> {
    let mut list = ptr::null_mut();
    // SAFETY: the pointer is the live message's; librdkafka keeps the list in the message and frees it with that.
    let found = unsafe { rdsys::rd_kafka_message_headers(message.ptr(), &raw mut list) };
    match found {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT => return Some(Vec::new()),
        _ => return None,
    }
    let mut headers = Vec::new();
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list is the message's. What it fills in is the message's too: a name that ends with NUL, and `size`
        // bytes of the value, or null for none. Both outlive `'a`, which borrows the message.
        unsafe {
            let got = rdsys::rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size);
            if got != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Some(headers);
            }
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
            headers.push((CStr::from_ptr(name).to_bytes(), value));
        }
    }
}

/// Returns what metrics count it as.
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
