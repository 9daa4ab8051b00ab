//! The documents of `records`: the bytes of records whose deliveries did not succeed. Pure.
//!
//! MongoDB takes 16 MiB a document, and any part of a record may be larger: its key, its value, a header's name or
//! value, or all its headers together. So a record is one document or several, which are its parts. The record's `key`
//! and `value` are the pieces of all parts, one after the other, and so are its `headers`. A header with `more: true`
//! goes on in the next one, which has the rest of its name and its value.

use bson::Binary;
use bson::spec::BinarySubtype;
use serde::{Deserialize, Serialize};

use super::typed::optional_date;
use crate::event::RawRecord;

/// The most bytes of a record in one document.
const PART_BYTES: usize = 8 << 20;
/// The bytes that one header costs besides its name and value.
const HEADER_BYTES: usize = 64;

/// A record's place and timestamp. A topic that was created again has other records at the same offsets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordId {
    /// The consumer group.
    pub group: String,
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// Kafka's timestamp, in milliseconds since 1970.
    #[serde(rename = "timestamp", with = "optional_date")]
    pub timestamp_ms: Option<i64>,
    /// The number of this part from the second on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<i32>,
}

/// A document of `records`: a record, or a part of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::option_option,
    reason = "a part has null for what the record lacks, and no field for what it does not hold"
)]
pub struct RecordPart {
    #[serde(rename = "_id")]
    id: RecordId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<Option<bson::DateTime>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Option<Binary>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Option<Binary>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<Header>>,
    /// How many parts there are, in the first of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<i32>,
    /// How many parked documents this transaction adds that need the record. The document counts all of them.
    #[serde(default, skip_serializing)]
    pub(super) users: i32,
}

/// A header, or a piece of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    name: Name,
    value: Option<Binary>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

/// A header's name: text, or bytes if it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Bytes(Binary),
}

impl RecordPart {
    /// Returns the record's documents, which is one for nearly every record. `users` is how many parked documents need it.
    #[must_use]
    pub fn all_of(id: &RecordId, record: &RawRecord, users: i32) -> Vec<Self> {
        let mut parts = Parts { id, record, done: Vec::new(), now: Self::empty(id, None), used: 0 };
        parts.now.timestamp = Some(record.timestamp_ms.map(bson::DateTime::from_millis));
        parts.now.left_out_bytes = record.left_out_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        parts.now.headers = Some(Vec::new());
        parts.fill();
        let mut parts = parts.end();
        for part in &mut parts {
            part.users = users;
        }
        parts
    }

    fn empty(id: &RecordId, part: Option<i32>) -> Self {
        let id = RecordId { part, ..id.clone() };
        Self { id, timestamp: None, left_out_bytes: None, key: None, value: None, headers: None, parts: None, users: 0 }
    }

    /// Returns how many parts the record of this first part has.
    pub(super) fn count(&self) -> i32 {
        self.parts.unwrap_or(1)
    }

    /// Puts a record together from its documents, in their order.
    #[must_use]
    pub fn together(parts: Vec<Self>) -> RawRecord {
        let mut record = RawRecord::default();
        let mut goes_on = false;
        for part in parts {
            for (piece, to) in [(part.key, &mut record.key), (part.value, &mut record.value)] {
                if let Some(piece) = piece.flatten() {
                    to.get_or_insert_default().extend(piece.bytes);
                }
            }
            record.timestamp_ms = record.timestamp_ms.or(part.id.timestamp_ms);
            record.left_out_bytes =
                record.left_out_bytes.or(part.left_out_bytes.and_then(|bytes| usize::try_from(bytes).ok()));
            for header in part.headers.into_iter().flatten() {
                if !std::mem::replace(&mut goes_on, header.more) {
                    record.headers.push((Vec::new(), None));
                }
                let Some((name, value)) = record.headers.last_mut() else { continue };
                name.extend(match header.name {
                    Name::Text(text) => text.into_bytes(),
                    Name::Bytes(binary) => binary.bytes,
                });
                if let Some(piece) = header.value {
                    value.get_or_insert_default().extend(piece.bytes);
                }
            }
        }
        record
    }
}

struct Parts<'a> {
    id: &'a RecordId,
    record: &'a RawRecord,
    done: Vec<RecordPart>,
    now: RecordPart,
    used: usize,
}

impl Parts<'_> {
    fn fill(&mut self) {
        let record = self.record;
        self.bytes(|part| &mut part.key, record.key.as_deref());
        self.bytes(|part| &mut part.value, record.value.as_deref());
        for (name, value) in &record.headers {
            self.header(name, value.as_deref());
        }
    }

    /// Returns how much the part still takes. It is never nothing, because a full part is put away first.
    fn room(&mut self, least: usize) -> usize {
        if self.used + least >= PART_BYTES {
            let number = i32::try_from(self.done.len() + 2).unwrap_or(i32::MAX);
            self.done.push(std::mem::replace(&mut self.now, RecordPart::empty(self.id, Some(number))));
            self.used = 0;
        }
        PART_BYTES - self.used
    }

    fn bytes(&mut self, field: impl Fn(&mut RecordPart) -> &mut Option<Option<Binary>>, bytes: Option<&[u8]>) {
        let Some(mut rest) = bytes else {
            *field(&mut self.now) = Some(None);
            return;
        };
        loop {
            let (piece, later) = rest.split_at(rest.len().min(self.room(0)));
            *field(&mut self.now) = Some(Some(binary(piece)));
            self.used += piece.len();
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }

    fn header(&mut self, name: &[u8], value: Option<&[u8]>) {
        // A name is stored as text, or as bytes if it is not UTF-8.
        let text = std::str::from_utf8(name).is_ok();
        let (mut name, mut value) = (name, value);
        loop {
            let room = self.room(HEADER_BYTES) - HEADER_BYTES;
            let (name_now, name_later) = name.split_at(cut_at(name, room));
            let room = if name_later.is_empty() { room - name_now.len() } else { 0 };
            let (value_now, value_later) = match value {
                Some(value) => {
                    let (now, later) = value.split_at(value.len().min(room));
                    (Some(now), Some(later))
                }
                None => (None, None),
            };
            let more = !name_later.is_empty() || value_later.is_some_and(|later| !later.is_empty());
            let piece = if text {
                Name::Text(String::from_utf8_lossy(name_now).into_owned())
            } else {
                Name::Bytes(binary(name_now))
            };
            self.used += HEADER_BYTES + name_now.len() + value_now.map_or(0, <[u8]>::len);
            let header = Header { name: piece, value: value_now.map(binary), more };
            self.now.headers.get_or_insert_default().push(header);
            if !more {
                return;
            }
            (name, value) = (name_later, value_later);
        }
    }

    fn end(mut self) -> Vec<RecordPart> {
        self.done.push(self.now);
        if self.done.len() > 1 {
            self.done[0].parts = i32::try_from(self.done.len()).ok();
        }
        self.done
    }
}

/// Returns where to cut bytes that may be text: at the start of a character.
fn cut_at(bytes: &[u8], most: usize) -> usize {
    let goes_on = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    if bytes.len() <= most {
        return bytes.len();
    }
    let back = bytes[..=most].iter().rev().take(3).take_while(|byte| goes_on(byte)).count();
    most - back
}

fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

#[cfg(test)]
mod tests {
    use bson::{Bson, Document};

    use super::*;

    fn id() -> RecordId {
        RecordId { group: "g".into(), topic: "t".into(), partition: 1, offset: 7, timestamp_ms: None, part: None }
    }

    fn written(record: &RawRecord) -> Vec<Document> {
        let parts = RecordPart::all_of(&id(), record, 1);
        parts.iter().map(|part| bson::serialize_to_document(part).expect("BSON")).collect()
    }

    fn check(record: &RawRecord, count: usize) {
        let parts = written(record);
        assert_eq!(parts.len(), count);
        for part in &parts {
            let bytes = bson::serialize_to_vec(part).expect("BSON").len();
            assert!(bytes <= PART_BYTES + (1 << 10), "{bytes}");
        }
        assert_eq!(parts[0].get_i32("parts").ok(), i32::try_from(count).ok().filter(|count| *count > 1));
        let read = parts.into_iter().map(|part| bson::deserialize_from_document(part).expect("a part"));
        assert!(RecordPart::together(read.collect()) == *record, "the record differs");
    }

    const MIB: usize = 1 << 20;

    #[expect(clippy::unnecessary_wraps, reason = "what a record has")]
    fn bytes(count: usize) -> Option<Vec<u8>> {
        Some((0..count).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect())
    }

    #[test]
    fn a_small_record_is_one_document_with_every_field() {
        let record = RawRecord { key: None, value: bytes(3), ..RawRecord::default() };
        check(&record, 1);
        let whole = &written(&record)[0];
        assert_eq!(whole.get("key"), Some(&Bson::Null));
        assert!(whole.get_array("headers").is_ok_and(Vec::is_empty));
        check(&RawRecord::default(), 1);
        let left_out = RawRecord { left_out_bytes: Some(40 * MIB), ..RawRecord::default() };
        assert_eq!(written(&left_out)[0].get_i64("left_out_bytes").ok(), i64::try_from(40 * MIB).ok());
        check(&RawRecord { key: bytes(0), value: bytes(0), ..RawRecord::default() }, 1);
    }

    #[test]
    fn a_record_of_any_size_is_kept_whole() {
        check(&RawRecord { key: bytes(9_000_000), value: bytes(9_000_000), ..RawRecord::default() }, 3);
        check(&RawRecord { value: bytes(PART_BYTES), ..RawRecord::default() }, 1);
        check(&RawRecord { value: bytes(PART_BYTES + 1), ..RawRecord::default() }, 2);
        let headers = vec![
            (b"small".to_vec(), bytes(7)),
            ("ü".repeat(5 * MIB).into_bytes(), bytes(20 * MIB)),
            (b"null".to_vec(), None),
            (vec![0xff; 9 * MIB], None),
            (Vec::new(), bytes(0)),
        ];
        check(&RawRecord { key: bytes(10), value: bytes(10), headers, ..RawRecord::default() }, 5);
    }

    #[test]
    fn many_headers_are_as_large_as_a_few() {
        let headers = (0..200_000).map(|at| (format!("h{at}").into_bytes(), bytes(at % 3))).collect();
        check(&RawRecord { headers, ..RawRecord::default() }, 2);
    }
}
