//! Decodes a kept record again, with the settings that hold now.

use super::entry::Item;
use crate::event::{self, Decoded, RawRecord, Record, Undecodable};
use crate::store::PartitionId;

/// Decodes records that were kept.
pub trait Decoder: std::fmt::Debug + Send + Sync {
    /// Returns what the record at this place turns out to be.
    fn decode(&self, partition: &PartitionId, offset: i64, record: &RawRecord) -> Item;
}

impl Decoder for event::Settings {
    fn decode(&self, partition: &PartitionId, offset: i64, record: &RawRecord) -> Item {
        if let Some(bytes) = record.left_out_bytes {
            return Item::Undecodable(Undecodable::too_large(bytes));
        }
        let text = |(name, value): &'_ (Vec<u8>, Option<Vec<u8>>)| {
            Some((String::from_utf8(name.clone()).ok()?, value.clone()))
        };
        let headers: Vec<(String, Option<Vec<u8>>)> = record.headers.iter().filter_map(text).collect();
        let headers: Vec<(&str, Option<&[u8]>)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let record = Record {
            topic: &partition.topic,
            partition: partition.partition,
            offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        event::decode(&record, self).into()
    }
}

impl From<Decoded> for Item {
    fn from(decoded: Decoded) -> Self {
        match decoded {
            Decoded::Event(event) => Self::Event(event.into()),
            Decoded::Ignored(ignored) => Self::Ignored(ignored),
            Decoded::Unsent(unsent) => Self::Unsent(unsent.into()),
            Decoded::Undecodable(undecodable) => Self::Undecodable(undecodable),
        }
    }
}
