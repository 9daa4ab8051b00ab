//! A record's bytes in as many documents as it takes. Pure.
//!
//! MongoDB takes 16 MiB a document, and any part of a record may be larger: its key, its value, a header's name or
//! value, or all its headers together. The record's `key` and `value` are the pieces of all parts, one after the other,
//! and so are its `headers`. A header with `more: true` goes on in the next one, which has the rest of its name and its
//! value.

use bson::spec::BinarySubtype;
use bson::{Array, Binary, Bson, Document, doc};

use super::entry::RawRecord;

/// The most bytes of a record in one document.
const PART_BYTES: usize = 8 << 20;
/// The bytes that one header costs besides its name and value.
const HEADER_BYTES: usize = 64;

/// Returns the record in documents without `_id`, which is one document for nearly every record.
pub(super) fn parts(record: &RawRecord) -> Vec<Document> {
    let mut parts = Parts::default();
    if let Some(bytes) = record.left_out_bytes {
        parts.now.insert("left_out_bytes", i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    parts.bytes("key", record.key.as_deref());
    parts.bytes("value", record.value.as_deref());
    for (name, value) in &record.headers {
        parts.header(name, value.as_deref());
    }
    parts.end()
}

#[derive(Default)]
struct Parts {
    done: Vec<Document>,
    now: Document,
    headers: Array,
    used: usize,
}

impl Parts {
    /// Returns how much the part still takes. It is never nothing, because a full part is put away first.
    fn room(&mut self, least: usize) -> usize {
        if self.used + least >= PART_BYTES {
            self.put_away();
        }
        PART_BYTES - self.used
    }

    fn put_away(&mut self) {
        let mut part = std::mem::take(&mut self.now);
        let headers = std::mem::take(&mut self.headers);
        // The first part has every field, and later ones only those that go on in them.
        if self.done.is_empty() || !headers.is_empty() {
            part.insert("headers", headers);
        }
        self.done.push(part);
        self.used = 0;
    }

    fn bytes(&mut self, field: &str, bytes: Option<&[u8]>) {
        let Some(mut rest) = bytes else {
            self.now.insert(field, Bson::Null);
            return;
        };
        loop {
            let (piece, later) = rest.split_at(rest.len().min(self.room(0)));
            self.now.insert(field, binary(piece));
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
            let piece = if text { Bson::from(String::from_utf8_lossy(name_now).as_ref()) } else { binary(name_now) };
            let mut header = doc! { "name": piece, "value": value_now.map_or(Bson::Null, binary) };
            if more {
                header.insert("more", true);
            }
            self.used += HEADER_BYTES + name_now.len() + value_now.map_or(0, <[u8]>::len);
            self.headers.push(Bson::Document(header));
            if !more {
                return;
            }
            (name, value) = (name_later, value_later);
        }
    }

    fn end(mut self) -> Vec<Document> {
        self.put_away();
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

fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts a record together as a reader does, by the rule above.
    fn together(parts: &[Document]) -> RawRecord {
        let mut record = RawRecord::default();
        let mut goes_on = false;
        for part in parts {
            for (field, to) in [("key", &mut record.key), ("value", &mut record.value)] {
                if let Ok(bytes) = part.get_binary_generic(field) {
                    to.get_or_insert_default().extend(bytes);
                }
            }
            for header in part.get_array("headers").into_iter().flatten().filter_map(Bson::as_document) {
                let name = match header.get("name").expect("a name") {
                    Bson::String(text) => text.as_bytes(),
                    Bson::Binary(binary) => &binary.bytes,
                    other => panic!("{other}"),
                };
                let value = header.get_binary_generic("value").ok();
                if !std::mem::replace(&mut goes_on, header.contains_key("more")) {
                    record.headers.push((Vec::new(), None));
                }
                let (whole_name, whole_value) = record.headers.last_mut().expect("just put there");
                whole_name.extend(name);
                if let Some(value) = value {
                    whole_value.get_or_insert_default().extend(value);
                }
            }
        }
        record
    }

    fn check(record: &RawRecord, count: usize) {
        let parts = parts(record);
        assert_eq!(parts.len(), count);
        for part in &parts {
            let bytes = bson::serialize_to_vec(part).expect("BSON").len();
            assert!(bytes <= PART_BYTES + (1 << 10), "{bytes}");
        }
        let found = together(&parts);
        assert_eq!((&found.key, &found.value), (&record.key, &record.value));
        assert!(found.headers == record.headers, "the headers differ");
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
        let whole = &parts(&record)[0];
        assert_eq!(whole.get("key"), Some(&Bson::Null));
        assert!(whole.get_array("headers").is_ok_and(Vec::is_empty));
        check(&RawRecord::default(), 1);
        let left_out = RawRecord { left_out_bytes: Some(40 * MIB), ..RawRecord::default() };
        assert_eq!(parts(&left_out)[0].get_i64("left_out_bytes").ok(), i64::try_from(40 * MIB).ok());
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
